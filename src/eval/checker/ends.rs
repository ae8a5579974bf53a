//! Directed operations on one end of an [`super::Enclosure`].
//!
//! An end is a multiprecision binary number or an infinity. `op_down` returns at most, `op_up` at least
//! the exact result; the rounding itself is `dashu-float`'s. So that no exponent grows without limit,
//! magnitudes from `2^LIMIT` on become infinite where that is outward and `2^LIMIT` where it is not,
//! and magnitudes below `2^-LIMIT` become `2^-LIMIT` or zero. A failure reported by the library becomes
//! the infinity on the safe side.
//!
//! `0 * inf = 0`, because an infinite end stands for arbitrarily large reals. Callers never add
//! infinities of opposite sign and never divide by zero or infinity by infinity.

use dashu_base::{BitTest, Sign};
use dashu_float::round::mode::{Down, Up};
use dashu_float::{Context, FBig, FpError, FpResult, Repr};
use dashu_int::IBig;

/// One end: a binary number with any exponent, or an infinity.
pub type End = Repr<2>;

/// Largest magnitude of an exponent that is kept exactly.
pub const LIMIT: isize = 1 << 20;

/// `sign * 2^exponent`.
pub fn power_of_two(sign: Sign, exponent: isize) -> End {
    End::new(sign * IBig::ONE, exponent)
}

/// The least `e` with `|x| < 2^e`, for a finite `x` other than zero.
pub fn order(x: &End) -> isize {
    x.exponent() + x.significand().bit_len() as isize
}

/// Whether the end is the number zero.
pub fn is_zero(x: &End) -> bool {
    x.is_finite() && x.significand().is_zero()
}

/// Whether the end is below zero; minus infinity is.
pub fn is_negative(x: &End) -> bool {
    !is_zero(x) && x.sign() == Sign::Negative
}

/// Whether the end is above zero; infinity is.
pub fn is_positive(x: &End) -> bool {
    !is_zero(x) && x.sign() == Sign::Positive
}

/// `-x`, without a negative zero.
pub fn negate(x: &End) -> End {
    if is_zero(x) { End::zero() } else { -x.clone() }
}

/// The precision in use, and the operations rounded to it.
#[derive(Clone, Copy, Debug)]
pub struct Directed {
    down: Context<Down>,
    up: Context<Up>,
}

impl Directed {
    /// Rounding to `precision` bits.
    pub fn new(precision: usize) -> Directed {
        Directed {
            down: Context::new(precision),
            up: Context::new(precision),
        }
    }

    /// A lower bound of `a + b`.
    pub fn add_down(&self, a: &End, b: &End) -> End {
        either_infinite(a, b).unwrap_or_else(|| lower(self.down.add(a, b)))
    }

    /// An upper bound of `a + b`.
    pub fn add_up(&self, a: &End, b: &End) -> End {
        either_infinite(a, b).unwrap_or_else(|| upper(self.up.add(a, b)))
    }

    /// A lower bound of `a * b`.
    pub fn mul_down(&self, a: &End, b: &End) -> End {
        special_product(a, b).unwrap_or_else(|| lower(self.down.mul(a, b)))
    }

    /// An upper bound of `a * b`.
    pub fn mul_up(&self, a: &End, b: &End) -> End {
        special_product(a, b).unwrap_or_else(|| upper(self.up.mul(a, b)))
    }

    /// A lower bound of `a / b`, `b` not zero.
    pub fn div_down(&self, a: &End, b: &End) -> End {
        special_quotient(a, b).unwrap_or_else(|| lower(self.down.div(a, b)))
    }

    /// An upper bound of `a / b`, `b` not zero.
    pub fn div_up(&self, a: &End, b: &End) -> End {
        special_quotient(a, b).unwrap_or_else(|| upper(self.up.div(a, b)))
    }

    /// A lower bound of the square root of `a >= 0`.
    pub fn sqrt_down(&self, a: &End) -> End {
        if a.is_infinite() {
            a.clone()
        } else {
            lower(self.down.sqrt(a))
        }
    }

    /// An upper bound of the square root of `a >= 0`.
    pub fn sqrt_up(&self, a: &End) -> End {
        if a.is_infinite() {
            a.clone()
        } else {
            upper(self.up.sqrt(a))
        }
    }
}

/// The infinite one of two summands.
fn either_infinite(a: &End, b: &End) -> Option<End> {
    [a, b].into_iter().find(|x| x.is_infinite()).cloned()
}

fn infinity(sign: Sign) -> End {
    match sign {
        Sign::Positive => End::infinity(),
        Sign::Negative => End::neg_infinity(),
    }
}

fn special_product(a: &End, b: &End) -> Option<End> {
    if is_zero(a) || is_zero(b) {
        Some(End::zero())
    } else {
        (a.is_infinite() || b.is_infinite()).then(|| infinity(a.sign() * b.sign()))
    }
}

fn special_quotient(a: &End, b: &End) -> Option<End> {
    if is_zero(a) || b.is_infinite() {
        Some(End::zero())
    } else {
        a.is_infinite().then(|| infinity(a.sign() * b.sign()))
    }
}

/// The lower end that a result rounded down stands for.
fn lower(result: FpResult<FBig<Down, 2>>) -> End {
    match result {
        Ok(x) => bounded_down(x.value().into_repr()),
        Err(FpError::Overflow(Sign::Positive)) => power_of_two(Sign::Positive, LIMIT),
        Err(FpError::Underflow(Sign::Positive)) => End::zero(),
        Err(FpError::Underflow(Sign::Negative)) => power_of_two(Sign::Negative, -LIMIT),
        Err(
            FpError::Overflow(Sign::Negative)
            | FpError::InfiniteInput
            | FpError::OutOfDomain
            | FpError::Indeterminate
            | FpError::ZivRetryLimitExceeded,
        ) => End::neg_infinity(),
    }
}

/// The upper end that a result rounded up stands for.
fn upper(result: FpResult<FBig<Up, 2>>) -> End {
    match result {
        Ok(x) => negate(&bounded_down(negate(x.value().repr()))),
        Err(FpError::Overflow(Sign::Negative)) => power_of_two(Sign::Negative, LIMIT),
        Err(FpError::Underflow(Sign::Negative)) => End::zero(),
        Err(FpError::Underflow(Sign::Positive)) => power_of_two(Sign::Positive, -LIMIT),
        Err(
            FpError::Overflow(Sign::Positive)
            | FpError::InfiniteInput
            | FpError::OutOfDomain
            | FpError::Indeterminate
            | FpError::ZivRetryLimitExceeded,
        ) => End::infinity(),
    }
}

/// `x` moved down into the range of exponents that is kept.
fn bounded_down(x: End) -> End {
    if x.is_infinite() {
        return if x.sign() == Sign::Positive {
            power_of_two(Sign::Positive, LIMIT)
        } else {
            x
        };
    }
    if is_zero(&x) {
        return End::zero();
    }
    let (size, sign) = (order(&x), x.sign());
    match sign {
        Sign::Positive if size > LIMIT => power_of_two(Sign::Positive, LIMIT),
        Sign::Negative if size > LIMIT => End::neg_infinity(),
        Sign::Positive if size < -LIMIT => End::zero(),
        Sign::Negative if size < -LIMIT => power_of_two(Sign::Negative, -LIMIT),
        Sign::Positive | Sign::Negative => x,
    }
}
