//! Elementary functions without branches, so that the compiler can put neighbouring points into one
//! vector register. Where a product goes into a sum, both are rounded once, on every instruction set (see
//! [`super::vector`]): the bits do not depend on the width of the registers. Quotients whose divisor has a narrow
//! range are computed without the division instruction, which takes as long as ten products.
//!
//! Largest errors, in units in the last place, found against 400-bit arithmetic and against `libm` by
//! `tests/elementary.rs`: below 1 for `exp`, `log`, `log1p`, below 3 for `tanh`, `sigmoid`,
//! `log_sigmoid`. Every argument is allowed; NaN stays NaN, and where a function is undefined the
//! result is NaN. Where the function has no form here it comes from `libm`, one point at a time.

/// Adding it to a number below 2^51 rounds to an integer, which then stands in the low bits.
const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
const INV_LN2: f64 = std::f64::consts::LOG2_E;
/// ln 2 in two parts: multiples of the first by integers below 2^20 are exact.
const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;

/// `x = k ln 2 + r` with an integer `k` and `|r| <= 0.35`, for `|x| < 2^20`.
#[inline(always)]
fn reduce(x: f64) -> (f64, f64) {
    let k = x.mul_add(INV_LN2, SHIFT) - SHIFT;
    (k, (-k).mul_add(LN2_LO, (-k).mul_add(LN2_HI, x)))
}

/// `exp(r) - 1` for `|r| <= 0.35`: the Taylor polynomial of degree 13, whose rest is below 2^-57.
#[inline(always)]
fn exp_m1_reduced(r: f64) -> f64 {
    let mut q = 1.0f64 / 6_227_020_800.0;
    q = q.mul_add(r, 1.0 / 479_001_600.0);
    q = q.mul_add(r, 1.0 / 39_916_800.0);
    q = q.mul_add(r, 1.0 / 3_628_800.0);
    q = q.mul_add(r, 1.0 / 362_880.0);
    q = q.mul_add(r, 1.0 / 40_320.0);
    q = q.mul_add(r, 1.0 / 5_040.0);
    q = q.mul_add(r, 1.0 / 720.0);
    q = q.mul_add(r, 1.0 / 120.0);
    q = q.mul_add(r, 1.0 / 24.0);
    q = q.mul_add(r, 1.0 / 6.0);
    q = q.mul_add(r, 0.5);
    (r * r).mul_add(q, r)
}

/// `n / d` from `r = 1/d` with a relative error below 2^-9: each of two Newton steps squares that error, and
/// the remainder corrects the quotient.
#[inline(always)]
fn quotient(n: f64, d: f64, r: f64) -> f64 {
    let r = (-d).mul_add(r, 1.0).mul_add(r, r);
    let r = (-d).mul_add(r, 1.0).mul_add(r, r);
    let q = n * r;
    (-q).mul_add(d, n).mul_add(r, q)
}

/// `n / d` for `1 <= d <= 2`, from the cubic `p` for which `1 - d p(d)` is the fourth Chebyshev polynomial over that range,
/// divided by 577.
#[inline(always)]
fn over_one_to_two(n: f64, d: f64) -> f64 {
    let r = (-128.0 / 577.0f64).mul_add(d, 768.0 / 577.0);
    let r = r.mul_add(d, -1696.0 / 577.0);
    quotient(n, d, r.mul_add(d, 1632.0 / 577.0))
}

/// `n / d` for `1.7 <= d <= 2.5`, from a quadratic of the same kind, with an error of 16/9009.
#[inline(always)]
fn over_two_or_so(n: f64, d: f64) -> f64 {
    let r = (1000.0 / 9009.0f64).mul_add(d, -100.0 / 143.0);
    quotient(n, d, r.mul_add(d, 4370.0 / 3003.0))
}

/// `2^k` for an integer `-1022 <= k <= 1023`.
#[inline(always)]
fn power_of_two(k: f64) -> f64 {
    f64::from_bits((k + SHIFT).to_bits().wrapping_add(1023) << 52)
}

/// `e^x`.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let (k, r) = reduce(x);
    // two factors, since 2^1024 and 2^-1075 are no normal numbers
    let half = k.mul_add(0.5, SHIFT) - SHIFT;
    (1.0 + exp_m1_reduced(r)) * power_of_two(half) * power_of_two(k - half)
}

/// Bits of the largest number below sqrt(1/2) with 20 bits after the point; mantissas are taken
/// from there on.
const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_0000_0000;
const ONE_BITS: u64 = 0x3ff0_0000_0000_0000;
const MANTISSA: u64 = 0x000f_ffff_ffff_ffff;
/// The bits of 2^52, in whose low bits an integer below 2^52 can stand.
const TWO_52_BITS: u64 = 0x4330_0000_0000_0000;
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// `x = 2^k m` with `m` in [sqrt(1/2), sqrt(2)), for a positive normal `x`.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    let bits = x.to_bits().wrapping_add(ONE_BITS - SQRT_HALF_BITS);
    let k = f64::from_bits((bits >> 52) | TWO_52_BITS) - (TWO_52 + 1023.0);
    (k, f64::from_bits((bits & MANTISSA).wrapping_add(SQRT_HALF_BITS)))
}

/// `k ln 2 + log(1 + f) + c` for `1 + f` in [sqrt(1/2), sqrt(2)) and a small correction `c`: the
/// scheme and the coefficients of fdlibm (Sun Microsystems, 1993).
#[inline(always)]
fn log_reduced(k: f64, f: f64, c: f64) -> f64 {
    let half_square = 0.5 * f * f;
    let s = over_two_or_so(f, 2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = 1.531_383_769_920_937_3e-1f64.mul_add(w, 2.222_219_843_214_978_4e-1);
    let even = even.mul_add(w, 3.999_999_999_940_942e-1);
    let odd = 1.479_819_860_511_658_6e-1f64.mul_add(w, 1.818_357_216_161_805e-1);
    let odd = odd.mul_add(w, 2.857_142_874_366_239e-1);
    let odd = odd.mul_add(w, 6.666_666_666_666_735e-1);
    let rest = even.mul_add(w, z * odd);
    let low = s.mul_add(half_square + rest, k.mul_add(LN2_LO, c)) - half_square;
    k.mul_add(LN2_HI, low + f)
}

/// Natural logarithm.
#[inline(always)]
pub fn log(x: f64) -> f64 {
    let subnormal = x < f64::MIN_POSITIVE;
    let (k, m) = split(if subnormal {
        x * 18_014_398_509_481_984.0
    } else {
        x
    });
    let value = log_reduced(if subnormal { k - 54.0 } else { k }, m - 1.0, 0.0);
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == 0.0 { f64::NEG_INFINITY } else { value };
    if x >= 0.0 { value } else { f64::NAN }
}

/// `log(1 + x)`.
#[inline(always)]
pub fn log1p(x: f64) -> f64 {
    let u = 1.0 + x;
    let (k, m) = split(u);
    // what the rounding of 1 + x has lost, relative to it
    let lost = (if k >= 2.0 { 1.0 - (u - x) } else { x - (u - 1.0) }) / u;
    let (f, c) = if k == 0.0 { (x, 0.0) } else { (m - 1.0, lost) };
    let value = log_reduced(k, f, c);
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == -1.0 { f64::NEG_INFINITY } else { value };
    // also keeps the sign of zero
    let value = if x.abs() < 1.0 / 9_007_199_254_740_992.0 {
        x
    } else {
        value
    };
    if x >= -1.0 { value } else { f64::NAN }
}

/// Hyperbolic tangent, from `t = exp(-2|x|) - 1` as `-t/(t + 2)`.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let size = x.abs();
    // from there on the result is 1
    let size = if size > 22.0 { 22.0 } else { size };
    let (k, r) = reduce(-2.0 * size);
    let scale = power_of_two(k);
    let t = scale.mul_add(exp_m1_reduced(r), scale - 1.0);
    over_one_to_two(-t, t + 2.0).copysign(x)
}

/// `1/(1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    let decay = exp(-x.abs());
    over_one_to_two(if x < 0.0 { decay } else { 1.0 }, 1.0 + decay)
}

/// `-log(1 + e^-x)`.
#[inline(always)]
pub fn log_sigmoid(x: f64) -> f64 {
    // unlike `f64::min`, this keeps NaN
    let below = if x > 0.0 { 0.0 } else { x };
    let decay = exp(-x.abs());
    // 1 + decay is 1 + f, or 2 (1 + f) up to what the rounding of decay - 1 loses where decay < 1/2; 1/(1 + f) is then
    // 1.375 within 3 %
    let below_one = decay - 1.0;
    let lost = decay - (below_one + 1.0);
    let small = decay < std::f64::consts::SQRT_2 - 1.0;
    let (k, f) = if small {
        (0.0, decay)
    } else {
        (1.0, 0.5 * below_one)
    };
    let c = if small { 0.0 } else { 0.5 * 1.375 * lost };
    below - log_reduced(k, f, c)
}
