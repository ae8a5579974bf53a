//! Directed rounding of `+ - * /` and the square root on binary64, the ground of [`super::Interval`].
//!
//! `op_down` is at most the exact result and `op_up` at least; both equal it where it is a binary64
//! number, outside the ranges named below. The processor's rounding mode is never touched: the
//! operation is done to nearest, its error is found without rounding (Knuth's TwoSum; Dekker's product
//! with Veltkamp's splitting: without the FMA target feature a fused multiply-add is a library call, no
//! faster where the processor has the instruction and much slower where it has not),
//! and the result is moved to the neighbour where the sign of the error asks for it. Where the error
//! term could itself be inexact (results below `2^-960`, factors above `2^995`) the result is moved
//! always.
//!
//! Sources: Knuth, TAOCP vol. 2, 4.2.2, theorem B; Dekker, Numer. Math. 18 (1971); for the ranges
//! Boldo, Graillat, Muller, ACM TOMS 44 (2017), and Muller et al., Handbook of Floating-Point
//! Arithmetic, 2nd ed., 4.4.
//!
//! Ends may be infinite. `0 * inf = 0`, because an infinite end stands for arbitrarily large reals.
//! Callers never add infinities of opposite sign and never divide by zero or infinity by infinity.

/// Smallest result whose error term is a binary64 number: `2^-960`.
const TINY: f64 = f64::from_bits((1023 - 960) << 52);
/// Largest factor that Veltkamp's splitting takes: `2^995`.
const HUGE: f64 = f64::from_bits((1023 + 995) << 52);

/// `a + b - s` for `s = fl(a + b)`, exactly; not finite when an intermediate sum overflows.
fn sum_error(a: f64, b: f64, s: f64) -> f64 {
    let t = s - a;
    (a - (s - t)) + (b - t)
}

/// High and low halves of at most 26 bits each, `x = high + low`, for `|x| <= HUGE`.
fn split(x: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * x; // 2^27 + 1
    let high = scaled - (scaled - x);
    (high, x - high)
}

/// `a * b - p` for `p = fl(a * b)`, exactly, in the ranges of [`in_range`].
fn product_error(a: f64, b: f64, p: f64) -> f64 {
    let (ah, al) = split(a);
    let (bh, bl) = split(b);
    al * bl - (((p - ah * bh) - al * bh) - ah * bl)
}

/// Whether the error term of a product with these factors and this result is exact.
fn in_range(a: f64, b: f64, p: f64) -> bool {
    a.abs() <= HUGE && b.abs() <= HUGE && p.abs() >= TINY && p.abs() <= HUGE
}

/// The largest number at most `a + b`.
pub fn add_down(a: f64, b: f64) -> f64 {
    let s = a + b;
    if s.is_infinite() {
        return if s > 0.0 && a.is_finite() && b.is_finite() {
            f64::MAX
        } else {
            s
        };
    }
    let e = sum_error(a, b, s);
    if e >= 0.0 && e.is_finite() {
        s
    } else {
        s.next_down()
    }
}

/// The smallest number at least `a + b`.
pub fn add_up(a: f64, b: f64) -> f64 {
    -add_down(-a, -b)
}

/// The largest number at most `a - b`.
pub fn sub_down(a: f64, b: f64) -> f64 {
    add_down(a, -b)
}

/// The smallest number at least `a - b`.
pub fn sub_up(a: f64, b: f64) -> f64 {
    add_up(a, -b)
}

/// A lower bound of `a * b`.
pub fn mul_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let p = a * b;
    if in_range(a, b, p) {
        return if product_error(a, b, p) >= 0.0 {
            p
        } else {
            p.next_down()
        };
    }
    if a.is_infinite() || b.is_infinite() || a.abs() == 1.0 || b.abs() == 1.0 {
        // exact, also where it is too small for the error to be a number
        p
    } else {
        step_down(p, (a > 0.0) == (b > 0.0))
    }
}

/// An upper bound of `a * b`.
pub fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

/// A lower bound of `a / b`; `b` is not zero, and not both are infinite.
pub fn div_down(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        return 0.0;
    }
    let q = a / b;
    let p = q * b;
    if in_range(q, b, p) && q.abs() >= TINY && a.abs() <= HUGE {
        // a - q*b is a binary64 number, and a - p is exact because p is next to a.
        let residual = (a - p) - product_error(q, b, p);
        return if residual == 0.0 || (residual > 0.0) == (b > 0.0) {
            q
        } else {
            q.next_down()
        };
    }
    if a.is_infinite() {
        q
    } else if b.is_infinite() {
        0.0
    } else {
        step_down(q, (a > 0.0) == (b > 0.0))
    }
}

/// An upper bound of `a / b`; `b` is not zero, and not both are infinite.
pub fn div_up(a: f64, b: f64) -> f64 {
    -div_down(-a, b)
}

/// A lower bound of the square root of `x >= 0`.
pub fn sqrt_down(x: f64) -> f64 {
    let (s, error) = sqrt_and_error(x);
    match error {
        Some(e) if e >= 0.0 => s,
        Some(_) | None => s.next_down(),
    }
}

/// An upper bound of the square root of `x >= 0`.
pub fn sqrt_up(x: f64) -> f64 {
    let (s, error) = sqrt_and_error(x);
    match error {
        Some(e) if e <= 0.0 => s,
        Some(_) | None => s.next_up(),
    }
}

/// `s = fl(sqrt(x))` and `x - s^2`, when that is known without rounding.
fn sqrt_and_error(x: f64) -> (f64, Option<f64>) {
    let s = x.sqrt();
    if x == 0.0 || x.is_infinite() {
        return (s, Some(0.0));
    }
    let p = s * s;
    let error = in_range(s, s, p).then(|| (x - p) - product_error(s, s, p));
    (s, error)
}

/// One step below a result to nearest that may be inexact, overflowed or underflowed; a result known
/// to be positive does not drop below zero.
fn step_down(p: f64, positive: bool) -> f64 {
    if positive {
        p.next_down().max(0.0)
    } else {
        p.next_down()
    }
}

/// The number `count` steps below `y`; infinity counts as the number above the largest.
pub fn ulps_down(y: f64, count: u64) -> f64 {
    let ordered = ordered(y) - count as i64;
    if ordered < ordered_of_infinity().wrapping_neg() {
        f64::NEG_INFINITY
    } else {
        unordered(ordered)
    }
}

/// The number `count` steps above `y`.
pub fn ulps_up(y: f64, count: u64) -> f64 {
    -ulps_down(-y, count)
}

/// Position of `y` among the binary64 numbers, zero at 0, negation negates.
fn ordered(y: f64) -> i64 {
    let magnitude = (y.to_bits() & !(1 << 63)) as i64;
    if y.is_sign_negative() {
        -magnitude
    } else {
        magnitude
    }
}

fn ordered_of_infinity() -> i64 {
    ordered(f64::INFINITY)
}

fn unordered(position: i64) -> f64 {
    let magnitude = f64::from_bits(position.unsigned_abs());
    if position < 0 { -magnitude } else { magnitude }
}
