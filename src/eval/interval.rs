//! Intervals with binary64 ends and outward rounding: the arithmetic of `prove` and of every
//! `refuted`.
//!
//! [`rounding`] holds the directed basic operations, [`elementary`] the bounds of the elementary
//! functions at one number; this module lifts both to intervals and to the table of operations.
//! `docs/soundness.md` lists each operation with its bound, tightness and source.

pub mod elementary;
pub mod rounding;

use dashu_base::Approximation;
use dashu_ratio::RBig;

use self::elementary as at;
use self::rounding::{
    add_down, add_up, div_down, div_up, mul_down, mul_up, sqrt_down, sqrt_up, sub_down, sub_up,
};
use super::{Arithmetic, Flags};
use crate::graph::op::{Binary, Exponent, Unary};

/// The closed set of reals between two ends. `lo <= hi`; ends may be infinite (`lo` not `+inf`, `hi`
/// not `-inf`), never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// lower end
    pub lo: f64,
    /// upper end
    pub hi: f64,
}

impl Interval {
    /// The whole real line.
    pub const WHOLE: Interval = Interval {
        lo: f64::NEG_INFINITY,
        hi: f64::INFINITY,
    };
    /// Zero alone.
    pub const ZERO: Interval = Interval { lo: 0.0, hi: 0.0 };
    /// One alone.
    pub const ONE: Interval = Interval { lo: 1.0, hi: 1.0 };
    /// From zero to one.
    pub const UNIT: Interval = Interval { lo: 0.0, hi: 1.0 };
    /// From minus one to one.
    pub const SYMMETRIC_UNIT: Interval = Interval { lo: -1.0, hi: 1.0 };

    /// The interval with these ends; the whole line when they are none (`lo > hi`, NaN, an infinity on
    /// the wrong side), so that a mistake can cost tightness, never soundness.
    pub fn new(lo: f64, hi: f64) -> Interval {
        if lo <= hi && lo < f64::INFINITY && hi > f64::NEG_INFINITY {
            Interval {
                lo: lo + 0.0,
                hi: hi + 0.0,
            } // no negative zeros
        } else {
            Interval::WHOLE
        }
    }

    /// One finite number.
    pub fn point(x: f64) -> Interval {
        Interval::new(x, x)
    }

    /// Whether the number lies inside.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// Whether zero lies inside.
    pub fn contains_zero(self) -> bool {
        self.contains(0.0)
    }

    /// Whether every number of `inner` lies inside.
    pub fn encloses(self, inner: Interval) -> bool {
        self.lo <= inner.lo && inner.hi <= self.hi
    }

    /// Whether both ends are finite.
    pub fn is_bounded(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    /// An upper bound of `hi - lo`.
    pub fn width(self) -> f64 {
        sub_up(self.hi, self.lo)
    }

    /// Some number inside, the middle where both ends are finite.
    pub fn midpoint(self) -> f64 {
        if self.is_bounded() {
            (0.5 * self.lo + 0.5 * self.hi).clamp(self.lo, self.hi)
        } else {
            0.0f64.clamp(self.lo, self.hi).clamp(-f64::MAX, f64::MAX)
        }
    }

    /// The smallest interval around both.
    pub fn hull(self, other: Interval) -> Interval {
        Interval {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// The common part; none when they do not meet.
    pub fn intersection(self, other: Interval) -> Option<Interval> {
        let common = Interval {
            lo: self.lo.max(other.lo),
            hi: self.hi.min(other.hi),
        };
        (common.lo <= common.hi).then_some(common)
    }

    /// The tightest interval around an exact rational.
    pub fn from_rational(x: &RBig) -> Interval {
        // Rounded to nearest; the sign of the error says which neighbour closes the interval.
        match x.to_f64() {
            Approximation::Exact(y) => Interval::point(y),
            Approximation::Inexact(y, _) if y == f64::INFINITY => Interval { lo: f64::MAX, hi: y },
            Approximation::Inexact(y, _) if y == f64::NEG_INFINITY => Interval { lo: y, hi: f64::MIN },
            Approximation::Inexact(y, dashu_base::Sign::Positive) => Interval::new(y.next_down(), y),
            Approximation::Inexact(y, dashu_base::Sign::Negative) => Interval::new(y, y.next_up()),
        }
    }

    /// `|x|` over the interval.
    pub fn abs(self) -> Interval {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            -self
        } else {
            Interval {
                lo: 0.0,
                hi: self.hi.max(-self.lo),
            }
        }
    }

    /// The larger of two.
    pub fn max(self, other: Interval) -> Interval {
        Interval {
            lo: self.lo.max(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// The smaller of two.
    pub fn min(self, other: Interval) -> Interval {
        Interval {
            lo: self.lo.min(other.lo),
            hi: self.hi.min(other.hi),
        }
    }

    /// A nondecreasing function from its two bounds.
    fn increasing(self, down: impl Fn(f64) -> f64, up: impl Fn(f64) -> f64) -> Interval {
        Interval::new(down(self.lo), up(self.hi))
    }

    /// `x^n` for `n >= 0`, `0^0 = 1`: over `|x|` when `n` is even, by its sign at the ends when odd.
    fn power(self, n: u32) -> Interval {
        let end_down = |x: f64| {
            if x >= 0.0 {
                power_down(x, n)
            } else {
                -power_up(-x, n)
            }
        };
        let end_up = |x: f64| {
            if x >= 0.0 {
                power_up(x, n)
            } else {
                -power_down(-x, n)
            }
        };
        let base = if n.is_multiple_of(2) { self.abs() } else { self };
        base.increasing(end_down, end_up)
    }

    /// The numbers `1/y` for `y != 0` inside, at least one.
    fn reciprocal(self) -> Interval {
        Interval::ONE.quotient(self)
    }

    /// The hull of `x/y` over `y != 0`; the whole line when `y` is zero alone or around it.
    fn quotient(self, y: Interval) -> Interval {
        let x = self;
        if y.lo > 0.0 || (y.lo == 0.0 && y.hi > 0.0) {
            if x == Interval::ZERO {
                return Interval::ZERO;
            }
            // Towards y.lo = 0+ the quotient grows without bound in the direction of x's sign.
            let toward_small_down = |a: f64| {
                if y.lo > 0.0 {
                    div_down(a, y.lo)
                } else {
                    f64::NEG_INFINITY
                }
            };
            let toward_small_up = |a: f64| {
                if y.lo > 0.0 {
                    div_up(a, y.lo)
                } else {
                    f64::INFINITY
                }
            };
            let lo = if x.lo >= 0.0 {
                div_down(x.lo, y.hi)
            } else {
                toward_small_down(x.lo)
            };
            let hi = if x.hi <= 0.0 {
                div_up(x.hi, y.hi)
            } else {
                toward_small_up(x.hi)
            };
            Interval::new(lo, hi)
        } else if y.hi < 0.0 || (y.hi == 0.0 && y.lo < 0.0) {
            (-x).quotient(-y)
        } else {
            Interval::WHOLE
        }
    }

    /// The sine, or the cosine when `quarter` is 1: `cos(x) = sin(x + pi/2)`.
    ///
    /// Extrema lie at odd multiples of `pi/2` (sine) or even ones (cosine). With `first` at most and
    /// `last` at least the number of multiples of `pi/2` up to each end, every multiple inside the
    /// interval is one of `first + 1 ..= last`; without an extremum among them the function is monotone
    /// and its range lies between the ends' values. A multiple wrongly counted only widens the result.
    fn sine(self, quarter: i64, down: fn(f64) -> f64, up: fn(f64) -> f64) -> Interval {
        /// Beyond it the number of periods is not worth resolving.
        const FAR: f64 = (1u64 << 30) as f64;
        if self.lo < -FAR || self.hi > FAR {
            return Interval::SYMMETRIC_UNIT;
        }
        let turns = self.quotient(PI) * Interval::point(2.0);
        let (first, last) = (turns.lo.floor() as i64, turns.hi.floor() as i64);
        if last - first >= 4 {
            return Interval::SYMMETRIC_UNIT;
        }
        let crosses = |kind: i64| (first + 1..=last).any(|m| (m + quarter).rem_euclid(4) == kind);
        Interval {
            lo: if crosses(3) {
                -1.0
            } else {
                down(self.lo).min(down(self.hi))
            },
            hi: if crosses(1) {
                1.0
            } else {
                up(self.lo).max(up(self.hi))
            },
        }
    }

    /// `x` above zero, `slope * x` below.
    fn leaky_relu(self, slope: Interval) -> Interval {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            self * slope
        } else {
            let below = Interval { lo: self.lo, hi: 0.0 } * slope;
            below.hull(Interval { lo: 0.0, hi: self.hi })
        }
    }
}

/// The number pi, between two neighbours.
const PI: Interval = Interval {
    lo: std::f64::consts::PI,
    hi: std::f64::consts::PI.next_up(),
};

impl std::ops::Neg for Interval {
    type Output = Interval;
    fn neg(self) -> Interval {
        Interval::new(-self.hi, -self.lo)
    }
}

impl std::ops::Add for Interval {
    type Output = Interval;
    fn add(self, y: Interval) -> Interval {
        Interval::new(add_down(self.lo, y.lo), add_up(self.hi, y.hi))
    }
}

impl std::ops::Sub for Interval {
    type Output = Interval;
    fn sub(self, y: Interval) -> Interval {
        Interval::new(sub_down(self.lo, y.hi), sub_up(self.hi, y.lo))
    }
}

impl std::ops::Mul for Interval {
    type Output = Interval;
    fn mul(self, y: Interval) -> Interval {
        let x = self;
        // By the signs of both factors: which ends make the smallest and the largest product.
        let (smallest, largest) = if x.lo >= 0.0 {
            if y.lo >= 0.0 {
                ((x.lo, y.lo), (x.hi, y.hi))
            } else if y.hi <= 0.0 {
                ((x.hi, y.lo), (x.lo, y.hi))
            } else {
                ((x.hi, y.lo), (x.hi, y.hi))
            }
        } else if x.hi <= 0.0 {
            if y.lo >= 0.0 {
                ((x.lo, y.hi), (x.hi, y.lo))
            } else if y.hi <= 0.0 {
                ((x.hi, y.hi), (x.lo, y.lo))
            } else {
                ((x.lo, y.hi), (x.lo, y.lo))
            }
        } else if y.lo >= 0.0 {
            ((x.lo, y.hi), (x.hi, y.hi))
        } else if y.hi <= 0.0 {
            ((x.hi, y.lo), (x.lo, y.lo))
        } else {
            let lo = mul_down(x.lo, y.hi).min(mul_down(x.hi, y.lo));
            let hi = mul_up(x.lo, y.lo).max(mul_up(x.hi, y.hi));
            return Interval::new(lo, hi);
        };
        Interval::new(mul_down(smallest.0, smallest.1), mul_up(largest.0, largest.1))
    }
}

/// `x^n` for `x >= 0` by repeated squaring, every product rounded down.
fn power_down(x: f64, n: u32) -> f64 {
    power_with(x, n, mul_down)
}

/// `x^n` for `x >= 0` by repeated squaring, every product rounded up.
fn power_up(x: f64, n: u32) -> f64 {
    power_with(x, n, mul_up)
}

fn power_with(x: f64, mut n: u32, multiply: fn(f64, f64) -> f64) -> f64 {
    let (mut result, mut square) = (1.0, x);
    while n > 0 {
        if n % 2 == 1 {
            result = multiply(result, square);
        }
        n /= 2;
        if n > 0 {
            square = multiply(square, square);
        }
    }
    result
}

/// The arithmetic of [`Interval`]s over the table of operations.
#[derive(Debug, Default)]
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
