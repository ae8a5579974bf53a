//! The table of operations on [`Interval`]s: an enclosure of the defined part of every operation, and the
//! flags that say where something was undefined or jumped.

use dashu_ratio::RBig;

use super::elementary as at;
use super::rounding::{add_down, add_up, div_down, div_up, sqrt_down, sqrt_up, sub_down, sub_up};
use super::{Interval, PI};
use crate::eval::{Arithmetic, Flags, RigorousArithmetic};
use crate::graph::op::{Binary, Exponent, Unary};

/// The arithmetic of [`Interval`]s over the table of operations.
#[derive(Clone, Debug, Default)]
pub struct IntervalArithmetic {
    flags: Flags,
}

impl IntervalArithmetic {
    /// A fresh one, both flags set.
    pub fn new() -> IntervalArithmetic {
        IntervalArithmetic::default()
    }

    /// Notes that an operation was not defined on its whole argument unless `defined`.
    fn require_defined(&mut self, defined: bool) {
        self.flags.defined &= defined;
    }

    /// Notes a jump inside the argument when `jump`.
    fn note_jump(&mut self, jump: bool) {
        self.flags.continuous &= !jump;
    }

    /// The part of `x` at or above `least`; the whole argument outside gives none.
    fn restrict(&mut self, x: Interval, least: f64, strict: bool) -> Option<Interval> {
        let inside = |end: f64| if strict { end > least } else { end >= least };
        self.require_defined(inside(x.lo));
        inside(x.hi).then(|| Interval {
            lo: x.lo.max(least),
            hi: x.hi,
        })
    }

    /// The jump function that is `below` under zero and `above` over it.
    fn step(&mut self, x: Interval, below: Interval, above: Interval) -> Interval {
        self.note_jump(x.contains_zero());
        if x.lo > 0.0 {
            above
        } else if x.hi < 0.0 {
            below
        } else {
            below.hull(above)
        }
    }

    fn div(&mut self, x: Interval, y: Interval) -> Interval {
        self.require_defined(!y.contains_zero());
        x.quotient(y)
    }

    /// `x^(num/den)`. The denominator's factors 2 and 3 are square and cube roots, the rest of the root
    /// is `exp(log(x) / rest)`; then come the integer power and, for a negative exponent, the reciprocal.
    fn pow(&mut self, x: Interval, Exponent { num, den }: Exponent) -> Interval {
        if num < 0 {
            self.require_defined(!x.contains_zero());
        }
        let mut root = x;
        if den > 1 {
            match self.restrict(x, 0.0, num < 0) {
                Some(part) => root = part,
                None => return Interval::WHOLE,
            }
        }
        let mut rest = den.max(1);
        while rest % 2 == 0 {
            root = root.increasing(sqrt_down, sqrt_up);
            rest /= 2;
        }
        while rest % 3 == 0 {
            root = root.increasing(at::cbrt_down, at::cbrt_up);
            rest /= 3;
        }
        let power = if rest == 1 {
            root.power(num.unsigned_abs())
        } else {
            let exponent = Interval::from_rational(&RBig::from_parts(num.unsigned_abs().into(), rest.into()));
            let logarithm = root.increasing(at::log_down, at::log_up);
            let product = logarithm * exponent;
            // 0^positive = 0 comes out as exp(-inf); a power of exactly zero must not be stepped up.
            if root.hi == 0.0 {
                Interval::ZERO
            } else {
                product.increasing(at::exp_down, at::exp_up)
            }
        };
        if num < 0 { power.reciprocal() } else { power }
    }
}

impl RigorousArithmetic for IntervalArithmetic {
    fn at_least(&self, x: &Interval, bound: &RBig) -> bool {
        x.lo >= Interval::from_rational(bound).hi
    }

    fn below(&self, x: &Interval, bound: &RBig) -> bool {
        x.hi < Interval::from_rational(bound).lo
    }

    fn hull(&self, x: &Interval, y: &Interval) -> Interval {
        x.hull(*y)
    }

    fn ends(&self, x: &Interval) -> (f64, f64) {
        (x.lo, x.hi)
    }
}

impl Arithmetic for IntervalArithmetic {
    type Value = Interval;

    fn rational(&mut self, x: &RBig) -> Interval {
        Interval::from_rational(x)
    }

    fn float(&mut self, x: f64) -> Interval {
        Interval::point(x)
    }

    fn pi(&mut self) -> Interval {
        PI
    }

    fn unary(&mut self, op: Unary, x: &Interval) -> Interval {
        let x = *x;
        match op {
            Unary::Neg => -x,
            Unary::Exp => x.increasing(at::exp_down, at::exp_up),
            Unary::Log => match self.restrict(x, 0.0, true) {
                Some(part) => part.increasing(at::log_down, at::log_up),
                None => Interval::WHOLE,
            },
            Unary::Log1p => match self.restrict(x, -1.0, true) {
                Some(part) => part.increasing(at::log1p_down, at::log1p_up),
                None => Interval::WHOLE,
            },
            Unary::Sqrt => match self.restrict(x, 0.0, false) {
                Some(part) => part.increasing(sqrt_down, sqrt_up),
                None => Interval::WHOLE,
            },
            Unary::Abs => x.abs(),
            Unary::Sin => x.sine(0, at::sin_down, at::sin_up),
            Unary::Cos => x.sine(1, at::cos_down, at::cos_up),
            Unary::Tanh => x.increasing(at::tanh_down, at::tanh_up),
            Unary::Sigmoid => x.increasing(at::sigmoid_down, at::sigmoid_up),
            Unary::LogSigmoid => x.increasing(at::log_sigmoid_down, at::log_sigmoid_up),
            Unary::Erf => x.increasing(at::erf_down, at::erf_up),
            Unary::Relu => x.max(Interval::ZERO),
            Unary::Sign => self.step(x, -Interval::ONE, Interval::ONE),
            Unary::Step | Unary::StepRight => self.step(x, Interval::ZERO, Interval::ONE),
            Unary::Pow(exponent) => self.pow(x, exponent),
        }
    }

    fn binary(&mut self, op: Binary, x: &Interval, y: &Interval) -> Interval {
        let (x, y) = (*x, *y);
        match op {
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::Div => self.div(x, y),
            Binary::Max => x.max(y),
            Binary::Min => x.min(y),
            Binary::LeakyRelu => x.leaky_relu(y),
            Binary::LeakyStep => self.step(x, y, Interval::ONE),
        }
    }

    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a Interval, &'a Interval)>) -> Interval {
        pairs.fold(Interval::ZERO, |sum, (x, y)| sum + *x * *y)
    }

    fn sum<'a>(&mut self, entries: impl Iterator<Item = &'a Interval>) -> Interval {
        entries.fold(Interval::ZERO, |sum, x| sum + *x)
    }

    fn max(&mut self, entries: &[Interval]) -> Interval {
        entries
            .iter()
            .copied()
            .reduce(Interval::max)
            .unwrap_or(Interval::WHOLE)
    }

    fn log_sum_exp(&mut self, entries: &[Interval]) -> Interval {
        Interval::new(
            log_sum_exp_end(
                entries.iter().map(|x| x.lo),
                sub_down,
                at::exp_down,
                add_down,
                at::log1p_down,
            ),
            log_sum_exp_end(
                entries.iter().map(|x| x.hi),
                sub_up,
                at::exp_up,
                add_up,
                at::log1p_up,
            ),
        )
    }

    fn softmax(&mut self, entries: &[Interval], out: &mut [Interval]) {
        softmax(entries, out);
    }

    fn arg_max(&mut self, entries: &[Interval], out: &mut [Interval]) {
        // The two largest upper ends: "the largest among the others" is the second for the first's owner.
        let largest_lo = entries.iter().fold(f64::NEG_INFINITY, |m, x| m.max(x.lo));
        let (mut first, mut second, mut owner) = (f64::NEG_INFINITY, f64::NEG_INFINITY, 0);
        for (i, x) in entries.iter().enumerate() {
            if x.hi > first {
                (second, first, owner) = (first, x.hi, i);
            } else {
                second = second.max(x.hi);
            }
        }
        for (i, (x, o)) in entries.iter().zip(out).enumerate() {
            let others = if i == owner { second } else { first };
            *o = if entries.len() == 1 || x.lo > others {
                Interval::ONE
            } else if x.hi < largest_lo {
                Interval::ZERO
            } else {
                self.note_jump(true);
                Interval::UNIT
            };
        }
    }

    fn take_flags(&mut self) -> Flags {
        std::mem::take(&mut self.flags)
    }
}

/// One end of `log(sum(exp(x)))`, with every operation rounded the same way.
///
/// The function grows in every entry, so each end comes from the entries' ends. With `m` the largest
/// entry, `log(sum(exp(x))) = m + log1p(sum over the others of exp(x - m))`.
fn log_sum_exp_end(
    ends: impl Iterator<Item = f64> + Clone,
    subtract: fn(f64, f64) -> f64,
    exp: fn(f64) -> f64,
    add: fn(f64, f64) -> f64,
    log1p: fn(f64) -> f64,
) -> f64 {
    let Some((position, largest)) = ends.clone().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return f64::NEG_INFINITY;
    };
    if largest.is_infinite() {
        return largest;
    }
    let others = ends
        .enumerate()
        .filter(|(i, _)| *i != position)
        .map(|(_, x)| exp(subtract(x, largest)));
    add(largest, log1p(others.fold(0.0, add)))
}

/// `exp(x_i)/sum_j exp(x_j)`: grows in `x_i` and falls in the others, so each lower end comes from `lo`
/// of the entry and `hi` of the others, each upper end the other way round.
///
/// Where all ends lie within [`SPREAD`] of each other, every exponential is taken once, relative to the
/// largest end, and the sums over the others come from running sums from both sides. Otherwise
/// exponentials could underflow, and each entry is `1/(1 + sum over the others of exp(x_j - x_i))`.
fn softmax(entries: &[Interval], out: &mut [Interval]) {
    /// `exp(-SPREAD)` is far above the subnormal numbers.
    const SPREAD: f64 = 600.0;
    let largest = entries.iter().fold(f64::NEG_INFINITY, |m, x| m.max(x.hi));
    let smallest = entries.iter().fold(f64::INFINITY, |m, x| m.min(x.lo));
    if sub_up(largest, smallest) <= SPREAD {
        let weights: Vec<Interval> = entries
            .iter()
            .map(|x| (*x - Interval::point(largest)).increasing(at::exp_down, at::exp_up))
            .collect();
        // out[i] holds the sum of the weights before i, then `after` the sum of those behind it.
        let mut before = Interval::ZERO;
        for (o, w) in out.iter_mut().zip(&weights) {
            *o = before;
            before = before + *w;
        }
        let mut after = Interval::ZERO;
        for (o, w) in out.iter_mut().zip(&weights).rev() {
            let others = *o + after;
            *o = Interval::new(
                div_down(w.lo, add_up(w.lo, others.hi)).max(0.0),
                div_up(w.hi, add_down(w.hi, others.lo)).min(1.0),
            );
            after = after + *w;
        }
    } else {
        for (i, (x, o)) in entries.iter().zip(out).enumerate() {
            let others = || {
                entries
                    .iter()
                    .enumerate()
                    .filter(move |(j, _)| *j != i)
                    .map(|(_, y)| y)
            };
            let above = others().map(|y| at::exp_up(sub_up(y.hi, x.lo))).fold(0.0, add_up);
            let below = others()
                .map(|y| at::exp_down(sub_down(y.lo, x.hi)))
                .fold(0.0, add_down);
            *o = Interval::new(
                div_down(1.0, add_up(1.0, above)),
                div_up(1.0, add_down(1.0, below)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;
    const DEFINED: Flags = Flags {
        defined: true,
        continuous: true,
    };
    const UNDEFINED: Flags = Flags {
        defined: false,
        continuous: true,
    };
    const JUMPS: Flags = Flags {
        defined: true,
        continuous: false,
    };

    fn interval(lo: f64, hi: f64) -> Interval {
        Interval::new(lo, hi)
    }

    #[track_caller]
    fn unary(op: Unary, x: Interval, expected: Interval, flags: Flags) {
        let mut arithmetic = IntervalArithmetic::new();
        assert_eq!(arithmetic.unary(op, &x), expected, "{op:?} of {x:?}");
        assert_eq!(arithmetic.take_flags(), flags, "{op:?} of {x:?}");
    }

    #[track_caller]
    fn binary(op: Binary, x: Interval, y: Interval, expected: Interval, flags: Flags) {
        let mut arithmetic = IntervalArithmetic::new();
        assert_eq!(arithmetic.binary(op, &x, &y), expected, "{op:?} of {x:?}, {y:?}");
        assert_eq!(arithmetic.take_flags(), flags, "{op:?} of {x:?}, {y:?}");
    }

    fn pow(num: i32, den: u32) -> Unary {
        Unary::Pow(Exponent { num, den })
    }

    #[test]
    fn exact_results_stay_exact() {
        binary(
            Binary::Add,
            interval(1.0, 1.5),
            interval(1.0, 2.0),
            interval(2.0, 3.5),
            DEFINED,
        );
        binary(
            Binary::Sub,
            interval(1.0, 2.0),
            interval(1.0, 4.0),
            interval(-3.0, 1.0),
            DEFINED,
        );
        binary(
            Binary::Mul,
            interval(-3.0, 2.0),
            interval(-5.0, 7.0),
            interval(-21.0, 15.0),
            DEFINED,
        );
        binary(
            Binary::Div,
            interval(-3.0, 6.0),
            interval(2.0, 4.0),
            interval(-1.5, 3.0),
            DEFINED,
        );
        unary(Unary::Sqrt, interval(4.0, 6.25), interval(2.0, 2.5), DEFINED);
        unary(pow(2, 1), interval(-3.0, 2.0), interval(0.0, 9.0), DEFINED);
        unary(pow(3, 1), interval(-3.0, 2.0), interval(-27.0, 8.0), DEFINED);
        unary(pow(3, 2), interval(4.0, 9.0), interval(8.0, 27.0), DEFINED);
        unary(pow(0, 1), interval(-1.0, 1.0), Interval::ONE, DEFINED);
        for op in [Unary::Exp, Unary::Cos] {
            unary(op, Interval::ZERO, Interval::ONE, DEFINED);
        }
        for op in [Unary::Log1p, Unary::Sin, Unary::Tanh, Unary::Erf] {
            unary(op, Interval::ZERO, Interval::ZERO, DEFINED);
        }
        unary(Unary::Sigmoid, Interval::ZERO, Interval::point(0.5), DEFINED);
    }

    #[test]
    fn inexact_results_lie_between_neighbours() {
        // 1 + 2^-60 lies between 1 and 1 + 2^-52; 1 - 2^-60 between 1 - 2^-53 and 1.
        let tiny = 2.0f64.powi(-60);
        let up = 1.0 + f64::EPSILON;
        let down = 1.0 - f64::EPSILON / 2.0;
        binary(
            Binary::Add,
            Interval::ONE,
            Interval::point(tiny),
            interval(1.0, up),
            DEFINED,
        );
        binary(
            Binary::Sub,
            Interval::ONE,
            Interval::point(tiny),
            interval(down, 1.0),
            DEFINED,
        );
        // (1 + 2^-52)^2 = 1 + 2^-51 + 2^-104
        let square = interval(1.0 + 2.0 * f64::EPSILON, 1.0 + 3.0 * f64::EPSILON);
        binary(
            Binary::Mul,
            Interval::point(up),
            Interval::point(up),
            square,
            DEFINED,
        );
        // the smallest number squared is positive and below it
        let smallest = Interval::point(5e-324);
        binary(Binary::Mul, smallest, smallest, interval(0.0, 5e-324), DEFINED);
        // overflow keeps the largest number as a lower end
        let largest = Interval::point(f64::MAX);
        binary(Binary::Add, largest, largest, interval(f64::MAX, INF), DEFINED);
        unary(
            Unary::Exp,
            Interval::point(1e9),
            interval(f64::MAX.next_down().next_down(), INF),
            DEFINED,
        );
        unary(
            Unary::Exp,
            Interval::point(-1e9),
            interval(0.0, 1.5e-323),
            DEFINED,
        );
    }

    #[test]
    fn infinite_ends() {
        binary(
            Binary::Mul,
            Interval::WHOLE,
            Interval::ZERO,
            Interval::ZERO,
            DEFINED,
        );
        binary(
            Binary::Mul,
            interval(2.0, INF),
            interval(-INF, 3.0),
            Interval::WHOLE,
            DEFINED,
        );
        binary(
            Binary::Add,
            Interval::WHOLE,
            interval(1.0, INF),
            Interval::WHOLE,
            DEFINED,
        );
        binary(
            Binary::Div,
            interval(1.0, INF),
            interval(2.0, INF),
            interval(0.0, INF),
            DEFINED,
        );
        unary(Unary::Tanh, Interval::WHOLE, Interval::SYMMETRIC_UNIT, DEFINED);
        unary(Unary::Sigmoid, Interval::WHOLE, Interval::UNIT, DEFINED);
        unary(Unary::LogSigmoid, Interval::WHOLE, interval(-INF, 0.0), DEFINED);
        unary(Unary::Sin, Interval::WHOLE, Interval::SYMMETRIC_UNIT, DEFINED);
    }

    #[test]
    fn partial_domains_are_noticed() {
        binary(
            Binary::Div,
            Interval::ONE,
            interval(-1.0, 1.0),
            Interval::WHOLE,
            UNDEFINED,
        );
        binary(
            Binary::Div,
            Interval::ONE,
            interval(0.0, 2.0),
            interval(0.5, INF),
            UNDEFINED,
        );
        binary(
            Binary::Div,
            Interval::ONE,
            interval(-2.0, 0.0),
            interval(-INF, -0.5),
            UNDEFINED,
        );
        binary(
            Binary::Div,
            Interval::ONE,
            Interval::ZERO,
            Interval::WHOLE,
            UNDEFINED,
        );
        unary(Unary::Sqrt, interval(-1.0, 4.0), interval(0.0, 2.0), UNDEFINED);
        unary(Unary::Sqrt, interval(-2.0, -1.0), Interval::WHOLE, UNDEFINED);
        unary(Unary::Log, interval(0.0, 1.0), interval(-INF, 0.0), UNDEFINED);
        unary(Unary::Log, interval(-1.0, 0.0), Interval::WHOLE, UNDEFINED);
        unary(Unary::Log1p, interval(-2.0, 0.0), interval(-INF, 0.0), UNDEFINED);
        unary(pow(-2, 1), interval(-1.0, 2.0), interval(0.25, INF), UNDEFINED);
        unary(pow(-1, 1), interval(-1.0, 2.0), Interval::WHOLE, UNDEFINED);
        unary(pow(-1, 2), interval(0.0, 4.0), interval(0.5, INF), UNDEFINED);
        unary(pow(1, 5), Interval::ZERO, Interval::ZERO, DEFINED);
    }

    #[test]
    fn kinks_give_the_whole_subdifferential() {
        unary(Unary::Sign, Interval::ZERO, Interval::SYMMETRIC_UNIT, JUMPS);
        unary(Unary::Step, interval(0.0, 1.0), Interval::UNIT, JUMPS);
        unary(Unary::StepRight, interval(-1.0, 0.0), Interval::UNIT, JUMPS);
        unary(Unary::Step, interval(5e-324, 1.0), Interval::ONE, DEFINED);
        binary(
            Binary::LeakyStep,
            interval(-1.0, 1.0),
            Interval::point(0.25),
            interval(0.25, 1.0),
            JUMPS,
        );
        unary(Unary::Relu, interval(-1.0, 2.0), interval(0.0, 2.0), DEFINED);
        unary(Unary::Abs, interval(-3.0, 2.0), interval(0.0, 3.0), DEFINED);
        let slope = Interval::point(0.25);
        binary(
            Binary::LeakyRelu,
            interval(-4.0, 2.0),
            slope,
            interval(-1.0, 2.0),
            DEFINED,
        );
        binary(
            Binary::LeakyRelu,
            interval(-4.0, 2.0),
            -slope,
            interval(0.0, 2.0),
            DEFINED,
        );
    }

    #[test]
    fn waves_turn_at_multiples_of_a_quarter_period() {
        let mut arithmetic = IntervalArithmetic::new();
        // pi/2 = 1.57..., 3 pi/2 = 4.71...
        let y = arithmetic.unary(Unary::Sin, &interval(1.5, 1.6));
        assert!(y.hi == 1.0 && y.lo > 0.99);
        let y = arithmetic.unary(Unary::Sin, &interval(1.6, 4.7));
        assert!(y.lo > -1.0 && y.lo < -0.9999 && y.hi < 1.0);
        assert_eq!(
            arithmetic.unary(Unary::Sin, &interval(1.5, 4.8)),
            Interval::SYMMETRIC_UNIT
        );
        let y = arithmetic.unary(Unary::Cos, &interval(-0.5, 0.25));
        assert!(y.hi == 1.0 && y.lo > 0.87 && y.lo < 0.88);
        let y = arithmetic.unary(Unary::Cos, &interval(3.0, 3.5));
        assert!(y.lo == -1.0 && y.hi < -0.93);
    }

    #[test]
    fn entries() {
        let mut arithmetic = IntervalArithmetic::new();
        let mut out = [Interval::WHOLE; 3];
        let entries = [interval(1.0, 2.0), interval(2.5, 3.0), interval(0.0, 2.5)];
        arithmetic.arg_max(&entries, &mut out);
        assert_eq!(out, [Interval::ZERO, Interval::UNIT, Interval::UNIT]);
        assert_eq!(arithmetic.take_flags(), JUMPS);
        arithmetic.arg_max(&entries[..2], &mut out[..2]);
        assert_eq!(out[..2], [Interval::ZERO, Interval::ONE]);
        assert_eq!(arithmetic.take_flags(), DEFINED);
        // one entry: the softmax is 1, the log-sum-exp is the entry
        arithmetic.softmax(&entries[..1], &mut out[..1]);
        assert_eq!(out[0], Interval::ONE);
        assert_eq!(arithmetic.log_sum_exp(&entries[..1]), entries[0]);
        // far apart entries do not overflow
        arithmetic.softmax(&[Interval::point(-1e300), Interval::point(1e300)], &mut out[..2]);
        assert!(out[0].lo == 0.0 && out[0].hi < 1e-300 && out[1].hi == 1.0 && out[1].lo > 1.0 - 1e-15);
    }
}
