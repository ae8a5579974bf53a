//! Enclosures with multiprecision ends: the arithmetic of `verify`.
//!
//! It decides the same questions as [`super::interval`] and shares nothing with it: no code, no binary64
//! arithmetic, another source of elementary functions (`dashu-float`, `elementary`), a wider format
//! (`ends`). It is slow; it runs once for each certificate.

mod elementary;
mod enclosure;
mod ends;

use std::collections::BTreeMap;

use dashu_base::RemEuclid;
use dashu_float::round::mode::HalfEven;
use dashu_float::{ConstCache, Context};
use dashu_int::IBig;
use dashu_ratio::RBig;

pub use self::enclosure::Enclosure;
use self::enclosure::{Side, floor, larger, smaller};
use self::ends::{Directed, End, is_negative, is_positive, is_zero, negate};
use super::{Arithmetic, Flags, RigorousArithmetic};
use crate::graph::op::{Binary, Exponent, Unary};

/// The arithmetic of [`Enclosure`]s over the table of operations.
#[derive(Debug)]
pub struct CheckerArithmetic {
    precision: usize,
    ends: Directed,
    nearest: Context<HalfEven>,
    /// where `tanh`, and `erf` of the square root, are one to within the precision
    saturation: End,
    constants: ConstCache,
    /// `e^x` at the latest arguments: neighbouring boxes share their ends
    exponentials: BTreeMap<End, Enclosure>,
    flags: Flags,
}

impl Default for CheckerArithmetic {
    fn default() -> Self {
        CheckerArithmetic::new()
    }
}

impl Clone for CheckerArithmetic {
    /// The same precision and flags; what was computed starts afresh.
    fn clone(&self) -> Self {
        CheckerArithmetic {
            flags: self.flags,
            ..CheckerArithmetic::with_precision(self.precision)
        }
    }
}

impl CheckerArithmetic {
    /// Bits of [`CheckerArithmetic::new`], three times binary64's.
    pub const PRECISION: usize = 160;

    /// Bits that a first try makes do with, since they cost a fraction: two words hold each product.
    pub const SHORT: usize = 64;

    /// Ends of [`Self::PRECISION`] bits, both flags set.
    pub fn new() -> CheckerArithmetic {
        CheckerArithmetic::with_precision(Self::PRECISION)
    }

    /// Ends of at least [`Self::SHORT`] bits.
    pub fn with_precision(precision: usize) -> CheckerArithmetic {
        let precision = precision.max(Self::SHORT);
        CheckerArithmetic {
            precision,
            ends: Directed::new(precision),
            nearest: Context::new(precision),
            saturation: End::new(precision.into(), 0),
            constants: ConstCache::new(),
            exponentials: BTreeMap::new(),
            flags: Flags::default(),
        }
    }

    fn add(&self, x: &Enclosure, y: &Enclosure) -> Enclosure {
        Enclosure {
            lo: self.ends.add_down(&x.lo, &y.lo),
            hi: self.ends.add_up(&x.hi, &y.hi),
        }
    }

    fn sub(&self, x: &Enclosure, y: &Enclosure) -> Enclosure {
        self.add(x, &y.neg())
    }

    /// The smallest and the largest of the four products of ends; where the signs of the factors say which
    /// ends these are, only those.
    fn mul(&self, x: &Enclosure, y: &Enclosure) -> Enclosure {
        let (smallest, largest) = match (x.side(), y.side()) {
            (Side::Above, Side::Above) => ((&x.lo, &y.lo), (&x.hi, &y.hi)),
            (Side::Above, Side::Below) => ((&x.hi, &y.lo), (&x.lo, &y.hi)),
            (Side::Above, Side::Both) => ((&x.hi, &y.lo), (&x.hi, &y.hi)),
            (Side::Below, Side::Above) => ((&x.lo, &y.hi), (&x.hi, &y.lo)),
            (Side::Below, Side::Below) => ((&x.hi, &y.hi), (&x.lo, &y.lo)),
            (Side::Below, Side::Both) => ((&x.lo, &y.hi), (&x.lo, &y.lo)),
            (Side::Both, Side::Above) => ((&x.lo, &y.hi), (&x.hi, &y.hi)),
            (Side::Both, Side::Below) => ((&x.hi, &y.lo), (&x.lo, &y.lo)),
            (Side::Both, Side::Both) => {
                let low = (self.ends.mul_down(&x.lo, &y.hi), self.ends.mul_down(&x.hi, &y.lo));
                let high = (self.ends.mul_up(&x.lo, &y.lo), self.ends.mul_up(&x.hi, &y.hi));
                return Enclosure {
                    lo: low.0.min(low.1),
                    hi: high.0.max(high.1),
                };
            }
        };
        Enclosure {
            lo: self.ends.mul_down(smallest.0, smallest.1),
            hi: self.ends.mul_up(largest.0, largest.1),
        }
    }

    /// The hull of `x/y` over `y != 0`.
    fn quotient(&self, x: &Enclosure, y: &Enclosure) -> Enclosure {
        if !is_positive(&y.hi) && is_negative(&y.lo) {
            return self.quotient_by_positive(&x.neg(), &y.neg());
        }
        if is_negative(&y.lo) || !is_positive(&y.hi) {
            return Enclosure::whole();
        }
        self.quotient_by_positive(x, y)
    }

    /// The hull of `x/y` for `0 <= y.lo`, `0 < y.hi`. Where `y.lo` is zero, the quotients by small
    /// divisors are unbounded on each side on which `x` has a number.
    fn quotient_by_positive(&self, x: &Enclosure, y: &Enclosure) -> Enclosure {
        let low_divisor = if is_negative(&x.lo) { &y.lo } else { &y.hi };
        let high_divisor = if is_positive(&x.hi) { &y.lo } else { &y.hi };
        Enclosure {
            lo: if is_zero(low_divisor) {
                End::neg_infinity()
            } else {
                self.ends.div_down(&x.lo, low_divisor)
            },
            hi: if is_zero(high_divisor) {
                End::infinity()
            } else {
                self.ends.div_up(&x.hi, high_divisor)
            },
        }
    }

    /// The square root over the part at or above zero.
    fn sqrt(&self, x: &Enclosure) -> Enclosure {
        Enclosure {
            lo: self.ends.sqrt_down(&larger(&x.lo, &End::zero())),
            hi: self.ends.sqrt_up(&x.hi),
        }
    }

    /// A nondecreasing function from its enclosures at the ends.
    fn monotone(&mut self, x: &Enclosure, at: fn(&mut Self, &End) -> Enclosure) -> Enclosure {
        let low = at(self, &x.lo);
        if x.lo == x.hi {
            return low;
        }
        Enclosure {
            lo: low.lo,
            hi: at(self, &x.hi).hi,
        }
    }

    /// The part of `x` at or above `least` (above, when `strict`); none if there is none.
    fn restrict(&mut self, x: &Enclosure, least: End, strict: bool) -> Option<Enclosure> {
        let inside = |end: &End| if strict { *end > least } else { *end >= least };
        self.flags.defined &= inside(&x.lo);
        inside(&x.hi).then(|| Enclosure {
            lo: larger(&x.lo, &least),
            hi: x.hi.clone(),
        })
    }

    /// The jump function that is `below` under zero and `above` over it.
    fn step(&mut self, x: &Enclosure, below: &Enclosure, above: &Enclosure) -> Enclosure {
        self.flags.continuous &= !x.contains_zero();
        if is_positive(&x.lo) {
            above.clone()
        } else if is_negative(&x.hi) {
            below.clone()
        } else {
            below.hull(above)
        }
    }

    /// A function that swings between -1 and 1, with its maxima at the multiples `m` of `pi/2` with
    /// `m = top (mod 4)` and its minima halfway between. `first ..= last` are the multiples of `pi/2`
    /// that may lie in `x`; without an extremum the values lie between those at the ends.
    fn wave(&mut self, x: &Enclosure, top: i8, at: fn(&mut Self, &End) -> Enclosure) -> Enclosure {
        let low = at(self, &x.lo);
        if x.lo == x.hi {
            return low;
        }
        let ends = low.hull(&at(self, &x.hi));
        let pi = self.pi_enclosure();
        let quarters = self.quotient(&self.add(x, x), &pi);
        if quarters.lo.is_infinite() || quarters.hi.is_infinite() {
            return Enclosure::symmetric_unit();
        }
        let (first, last) = (-floor(&negate(&quarters.lo)), floor(&quarters.hi));
        let reach = |phase: i8| {
            // the smallest multiple from `first` on with this phase
            let offset = (IBig::from(phase) - &first).rem_euclid(IBig::from(4));
            &first + offset <= last
        };
        Enclosure {
            lo: if reach((top + 2) % 4) {
                End::neg_one()
            } else {
                ends.lo
            },
            hi: if reach(top) { End::one() } else { ends.hi },
        }
    }

    /// `x^n`, `n >= 0`, `0^0 = 1`, by repeated multiplication; for an even `n` of `|x|`.
    fn power(&self, x: &Enclosure, n: u32) -> Enclosure {
        let base = if n.is_multiple_of(2) { x.abs() } else { x.clone() };
        // x^n is monotone in each end: the ends' powers, each enclosed, bound the result.
        let low = self.power_of_point(&base.lo, n);
        if base.lo == base.hi {
            return low;
        }
        Enclosure {
            lo: low.lo,
            hi: self.power_of_point(&base.hi, n).hi,
        }
    }

    fn power_of_point(&self, x: &End, n: u32) -> Enclosure {
        let mut result = Enclosure::one();
        for bit in (0..u32::BITS - n.leading_zeros()).rev() {
            result = self.mul(&result, &result);
            if n >> bit & 1 == 1 {
                result = self.mul(&result, &Enclosure::point(x.clone()));
            }
        }
        result
    }

    /// `x^(num/den)`: roots of order two, then `exp(log(x) * num / rest)` for what is left of the
    /// denominator or the integer power when nothing is, then the reciprocal for a negative exponent.
    fn pow(&mut self, x: &Enclosure, Exponent { num, den }: Exponent) -> Enclosure {
        if num < 0 {
            self.flags.defined &= !x.contains_zero();
        }
        let mut root = x.clone();
        if den > 1 {
            match self.restrict(x, End::zero(), num < 0) {
                Some(part) => root = part,
                None => return Enclosure::whole(),
            }
        }
        let mut rest = den.max(1);
        while rest % 2 == 0 {
            root = self.sqrt(&root);
            rest /= 2;
        }
        let power = if rest == 1 {
            self.power(&root, num.unsigned_abs())
        } else if is_zero(&root.hi) {
            Enclosure::zero()
        } else {
            let exponent = self.quotient(&Enclosure::integer(num.unsigned_abs()), &Enclosure::integer(rest));
            let logarithm = self.monotone(&root, Self::log_at);
            let product = self.mul(&logarithm, &exponent);
            self.monotone(&product, Self::exp_at)
        };
        if num < 0 {
            self.quotient(&Enclosure::one(), &power)
        } else {
            power
        }
    }

    fn leaky_relu(&self, x: &Enclosure, slope: &Enclosure) -> Enclosure {
        if !is_negative(&x.lo) {
            x.clone()
        } else if !is_positive(&x.hi) {
            self.mul(x, slope)
        } else {
            let above = Enclosure {
                lo: End::zero(),
                hi: x.hi.clone(),
            };
            above.hull(&self.mul(
                &Enclosure {
                    lo: x.lo.clone(),
                    hi: End::zero(),
                },
                slope,
            ))
        }
    }

    /// The enclosure of `log(sum(exp(x)))` at one number for each entry: with `m` the largest,
    /// `m + log1p(sum over the others of exp(x - m))`.
    fn log_sum_exp_at(&mut self, numbers: &[&End]) -> Enclosure {
        let Some((position, largest)) = numbers.iter().enumerate().max_by(|a, b| a.1.cmp(b.1)) else {
            return Enclosure::whole();
        };
        let shift = Enclosure::point((*largest).clone());
        if largest.is_infinite() {
            return shift;
        }
        let mut others = Enclosure::zero();
        for (i, x) in numbers.iter().enumerate() {
            if i != position {
                let relative = self.sub(&Enclosure::point((*x).clone()), &shift);
                let weight = self.monotone(&relative, Self::exp_at);
                others = self.add(&others, &weight);
            }
        }
        let logarithm = self.monotone(&others, Self::log1p_at);
        self.add(&shift, &logarithm)
    }
}

impl RigorousArithmetic for CheckerArithmetic {
    fn at_least(&self, x: &Enclosure, bound: &RBig) -> bool {
        x.at_least(bound)
    }

    fn below(&self, x: &Enclosure, bound: &RBig) -> bool {
        x.at_most(bound) && !x.contains(bound)
    }

    fn hull(&self, x: &Enclosure, y: &Enclosure) -> Enclosure {
        x.hull(y)
    }

    fn ends(&self, x: &Enclosure) -> (f64, f64) {
        let (lo, hi) = x.to_f64();
        // the conversion is a library's: it is not believed
        let exact = |end: f64| End::try_from(end).ok();
        (
            if exact(lo).is_some_and(|end| end <= x.lo) {
                lo
            } else {
                f64::NEG_INFINITY
            },
            if exact(hi).is_some_and(|end| end >= x.hi) {
                hi
            } else {
                f64::INFINITY
            },
        )
    }
}

impl Arithmetic for CheckerArithmetic {
    type Value = Enclosure;

    fn rational(&mut self, x: &RBig) -> Enclosure {
        let numerator = End::new(x.numerator().clone(), 0);
        let denominator = End::new(x.denominator().clone().into(), 0);
        Enclosure {
            lo: self.ends.div_down(&numerator, &denominator),
            hi: self.ends.div_up(&numerator, &denominator),
        }
    }

    fn float(&mut self, x: f64) -> Enclosure {
        match End::try_from(x) {
            Ok(end) if is_zero(&end) => Enclosure::zero(),
            Ok(end) if end.is_finite() => Enclosure::point(end),
            Ok(_) | Err(_) => Enclosure::whole(),
        }
    }

    fn pi(&mut self) -> Enclosure {
        self.pi_enclosure()
    }

    fn unary(&mut self, op: Unary, x: &Enclosure) -> Enclosure {
        match op {
            Unary::Neg => x.neg(),
            Unary::Exp => self.monotone(x, Self::exp_at),
            Unary::Log => match self.restrict(x, End::zero(), true) {
                Some(part) => self.monotone(&part, Self::log_at),
                None => Enclosure::whole(),
            },
            Unary::Log1p => match self.restrict(x, End::neg_one(), true) {
                Some(part) => self.monotone(&part, Self::log1p_at),
                None => Enclosure::whole(),
            },
            Unary::Sqrt => match self.restrict(x, End::zero(), false) {
                Some(part) => self.sqrt(&part),
                None => Enclosure::whole(),
            },
            Unary::Abs => x.abs(),
            Unary::Sin => self.wave(x, 1, Self::sin_at),
            Unary::Cos => self.wave(x, 0, Self::cos_at),
            Unary::Tanh => self.monotone(x, Self::tanh_at),
            Unary::Sigmoid => self.monotone(x, Self::sigmoid_at),
            Unary::LogSigmoid => self.monotone(x, Self::log_sigmoid_at),
            Unary::Erf => self.monotone(x, Self::erf_at),
            Unary::Relu => Enclosure {
                lo: larger(&x.lo, &End::zero()),
                hi: larger(&x.hi, &End::zero()),
            },
            Unary::Sign => self.step(x, &Enclosure::one().neg(), &Enclosure::one()),
            Unary::Step | Unary::StepRight => self.step(x, &Enclosure::zero(), &Enclosure::one()),
            Unary::Pow(exponent) => self.pow(x, exponent),
        }
    }

    fn binary(&mut self, op: Binary, x: &Enclosure, y: &Enclosure) -> Enclosure {
        match op {
            Binary::Add => self.add(x, y),
            Binary::Sub => self.sub(x, y),
            Binary::Mul => self.mul(x, y),
            Binary::Div => {
                self.flags.defined &= !y.contains_zero();
                self.quotient(x, y)
            }
            Binary::Max => Enclosure {
                lo: larger(&x.lo, &y.lo),
                hi: larger(&x.hi, &y.hi),
            },
            Binary::Min => Enclosure {
                lo: smaller(&x.lo, &y.lo),
                hi: smaller(&x.hi, &y.hi),
            },
            Binary::LeakyRelu => self.leaky_relu(x, y),
            Binary::LeakyStep => self.step(x, y, &Enclosure::one()),
        }
    }

    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a Enclosure, &'a Enclosure)>) -> Enclosure {
        pairs.fold(Enclosure::zero(), |sum, (x, y)| self.add(&sum, &self.mul(x, y)))
    }

    fn sum<'a>(&mut self, entries: impl Iterator<Item = &'a Enclosure>) -> Enclosure {
        entries.fold(Enclosure::zero(), |sum, x| self.add(&sum, x))
    }

    fn max(&mut self, entries: &[Enclosure]) -> Enclosure {
        match (
            entries.iter().map(|x| &x.lo).max(),
            entries.iter().map(|x| &x.hi).max(),
        ) {
            (Some(lo), Some(hi)) => Enclosure {
                lo: lo.clone(),
                hi: hi.clone(),
            },
            (None, _) | (_, None) => Enclosure::whole(),
        }
    }

    fn log_sum_exp(&mut self, entries: &[Enclosure]) -> Enclosure {
        // nondecreasing in every entry
        let lows: Vec<&End> = entries.iter().map(|x| &x.lo).collect();
        let highs: Vec<&End> = entries.iter().map(|x| &x.hi).collect();
        let low = self.log_sum_exp_at(&lows);
        if lows == highs {
            return low;
        }
        Enclosure {
            lo: low.lo,
            hi: self.log_sum_exp_at(&highs).hi,
        }
    }

    /// `1/(1 + r)` with `r` the sum over the others of `exp(x_j - x_i)`: falls in the others, grows in
    /// `x_i`, so the lower end takes `x_i.lo` and the others' `hi`, the upper end the opposite.
    fn softmax(&mut self, entries: &[Enclosure], out: &mut [Enclosure]) {
        for (i, (x, o)) in entries.iter().zip(out).enumerate() {
            let mut others = Enclosure::zero();
            for (j, y) in entries.iter().enumerate() {
                if j != i {
                    let relative = self.sub(y, x);
                    let weight = self.monotone(&relative, Self::exp_at);
                    others = self.add(&others, &weight);
                }
            }
            let total = self.add(&Enclosure::one(), &others);
            *o = self.quotient(&Enclosure::one(), &total);
        }
    }

    fn arg_max(&mut self, entries: &[Enclosure], out: &mut [Enclosure]) {
        for (i, (x, o)) in entries.iter().zip(out).enumerate() {
            let others = || {
                entries
                    .iter()
                    .enumerate()
                    .filter(move |(j, _)| *j != i)
                    .map(|(_, y)| y)
            };
            *o = if others().all(|y| x.lo > y.hi) {
                Enclosure::one()
            } else if others().any(|y| x.hi < y.lo) {
                Enclosure::zero()
            } else {
                self.flags.continuous = false;
                Enclosure::unit()
            };
        }
    }

    fn take_flags(&mut self) -> Flags {
        std::mem::take(&mut self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNARY: [Unary; 24] = [
        Unary::Neg,
        Unary::Exp,
        Unary::Log,
        Unary::Log1p,
        Unary::Sqrt,
        Unary::Abs,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::LogSigmoid,
        Unary::Erf,
        Unary::Relu,
        Unary::Sign,
        Unary::Step,
        Unary::StepRight,
        Unary::Pow(Exponent { num: 0, den: 1 }),
        Unary::Pow(Exponent { num: 2, den: 1 }),
        Unary::Pow(Exponent {
            num: i32::MAX,
            den: 1,
        }),
        Unary::Pow(Exponent {
            num: i32::MIN,
            den: 1,
        }),
        Unary::Pow(Exponent { num: 1, den: 2 }),
        Unary::Pow(Exponent { num: -7, den: 3 }),
        Unary::Pow(Exponent {
            num: i32::MAX,
            den: 5,
        }),
        Unary::Pow(Exponent {
            num: 1,
            den: u32::MAX,
        }),
    ];

    const BINARY: [Binary; 8] = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Max,
        Binary::Min,
        Binary::LeakyRelu,
        Binary::LeakyStep,
    ];

    /// Towers of exponentials, their reciprocals, neighbours of one, infinite ends.
    fn extremes(checker: &mut CheckerArithmetic) -> Vec<Enclosure> {
        let mut points = vec![Enclosure::zero(), Enclosure::one()];
        for start in [5e-324, 1e-30, 0.5, 20.0, 7e5, f64::MAX] {
            let mut x = checker.float(start);
            for _ in 0..3 {
                points.push(x.clone());
                points.push(checker.quotient(&Enclosure::one(), &x));
                let square = checker.mul(&x, &x);
                points.push(checker.quotient(&Enclosure::one(), &checker.mul(&square, &square)));
                x = checker.monotone(&x, CheckerArithmetic::exp_at);
            }
        }
        let negative: Vec<_> = points.iter().map(Enclosure::neg).collect();
        points.extend(negative);
        let whole = Enclosure::whole();
        let half_lines = points.iter().flat_map(|x| {
            let below = Enclosure {
                lo: whole.lo.clone(),
                hi: x.lo.clone(),
            };
            let above = Enclosure {
                lo: x.hi.clone(),
                hi: whole.hi.clone(),
            };
            [below, above]
        });
        let mut all: Vec<_> = half_lines.filter(|x| x.lo != x.hi).collect();
        all.extend(points);
        all.push(whole);
        all
    }

    #[test]
    fn extreme_arguments_end_with_an_enclosure() {
        let mut checker = CheckerArithmetic::new();
        let all = extremes(&mut checker);
        for x in &all {
            assert!(x.lo <= x.hi);
            for op in UNARY {
                let y = checker.unary(op, x);
                assert!(y.lo <= y.hi, "{op:?} of {x:?}");
            }
        }
        for x in all.iter().step_by(3) {
            for y in all.iter().step_by(2) {
                for op in BINARY {
                    let z = checker.binary(op, x, y);
                    assert!(z.lo <= z.hi, "{op:?} of {x:?}, {y:?}");
                }
                let pair = [x.clone(), y.clone()];
                let mut out = pair.clone();
                checker.softmax(&pair, &mut out);
                let sum = checker.log_sum_exp(&pair);
                assert!(out[0].lo <= out[0].hi && out[1].lo <= out[1].hi && sum.lo <= sum.hi);
            }
        }
    }

    #[test]
    fn comparison_with_rationals_is_exact() {
        let mut checker = CheckerArithmetic::new();
        let third = RBig::from_parts(1.into(), 3u8.into());
        let x = checker.rational(&third);
        assert!(x.contains(&third) && !x.at_least(&third) && !x.at_most(&third) && !x.is_negative());
        let quarter = RBig::from_parts((-1).into(), 4u8.into());
        let x = checker.rational(&quarter);
        assert!(x.at_least(&quarter) && x.at_most(&quarter) && x.is_negative());
        assert_eq!(x.to_f64(), (-0.25, -0.25));
        assert!(!Enclosure::whole().at_least(&quarter) && Enclosure::whole().contains(&quarter));
    }

    #[test]
    fn flags_and_kinks() {
        let mut checker = CheckerArithmetic::new();
        let (zero, one) = (Enclosure::zero(), Enclosure::one());
        assert_eq!(checker.unary(Unary::Sign, &zero), Enclosure::symmetric_unit());
        assert_eq!(
            checker.take_flags(),
            Flags {
                defined: true,
                continuous: false
            }
        );
        assert_eq!(
            checker.binary(Binary::Div, &one, &Enclosure::unit()).lo,
            End::one()
        );
        assert_eq!(
            checker.take_flags(),
            Flags {
                defined: false,
                continuous: true
            }
        );
        assert_eq!(checker.unary(Unary::Log, &zero), Enclosure::whole());
        assert_eq!(
            checker.take_flags(),
            Flags {
                defined: false,
                continuous: true
            }
        );
        // sin over [1, 2] turns at pi/2, over [-1, 1] it does not
        let x = Enclosure {
            lo: End::one(),
            hi: checker.float(2.0).hi,
        };
        assert_eq!(checker.unary(Unary::Sin, &x).hi, End::one());
        let y = checker.unary(Unary::Sin, &Enclosure::symmetric_unit());
        assert!(y.hi < End::one() && y.lo > End::neg_one());
        let y = checker.unary(Unary::Cos, &Enclosure::symmetric_unit());
        assert!(y.hi == End::one() && y.lo > checker.float(0.54).hi);
        assert_eq!(checker.take_flags(), Flags::default());
    }
}
