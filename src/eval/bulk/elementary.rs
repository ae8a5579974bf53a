//! Elementary functions without branches, so that neighbouring points go into one vector register. Where a product goes into a sum,
//! both are rounded once, on every instruction set (see [`super::number`]): the bits do not depend on the width of the registers.
//!
//! Largest errors, in units in the last place, found against multiprecision by
//! `tests/elementary.rs`: below 1 for `exp`, `log`, `log1p`, below 3 for `tanh`, 2.5 for `sigmoid`,
//! 2 for `log_sigmoid`. Every argument is allowed; NaN stays NaN, and where a function is undefined the
//! result is NaN. Where the function has no form here it comes from `libm`, one point at a time.

use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

use super::number::Number;

/// Adding it to a number below 2^51 rounds to an integer, which then stands in the low bits.
const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
/// ln 2 in two parts: multiples of the first by integers below 2^20 are exact.
const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;

/// `c[0] + c[1] x + ...`
#[inline(always)]
fn polynomial<N: Number, const COUNT: usize>(x: N, c: [f64; COUNT]) -> N {
    let mut sum = N::splat(c[COUNT - 1]);
    for number in 1..COUNT {
        sum = sum.mul_add(x, N::splat(c[COUNT - 1 - number]));
    }
    sum
}

/// `x = k ln 2 + r` with an integer `k` and `|r| <= 0.35`, for `|x| < 2^20`.
#[inline(always)]
fn reduce<N: Number>(x: N) -> (N, N) {
    let k = x.mul_add(N::splat(LOG2_E), N::splat(SHIFT)) - N::splat(SHIFT);
    let r = k.mul_add(N::splat(-LN2_HI), x);
    (k, k.mul_add(N::splat(-LN2_LO), r))
}

/// `exp(r)` for `|r| <= 0.35`: `1 + r + r^2 q(r)` with the polynomial `q` whose largest error is least, 2^-64.
#[inline(always)]
fn exp_reduced<N: Number>(r: N) -> N {
    let q = polynomial(
        r,
        [
            0.5,
            0.166_666_666_666_666_85,
            0.041_666_666_666_666_73,
            0.008_333_333_333_316_739,
            0.001_388_888_888_885_853_8,
            0.000_198_412_698_970_597_63,
            2.480_158_737_356_548e-5,
            2.755_723_423_609_955_3e-6,
            2.755_723_349_984_053_3e-7,
            2.511_224_005_148_205_4e-8,
            2.092_690_250_629_22e-9,
        ],
    );
    (r * r).mul_add(q, r) + N::splat(1.0)
}

/// `2^k` for an integer `-1022 <= k <= 1023`.
#[inline(always)]
fn power_of_two<N: Number>(k: N) -> N {
    (k + N::splat(SHIFT)).add_bits(1023).low_to_exponent()
}

/// `e^x`.
#[inline(always)]
pub fn exp<N: Number>(x: N) -> N {
    let x = x.bounded(N::splat(710.0));
    let x = N::select(x.less(N::splat(-746.0)), N::splat(-746.0), x);
    let (k, r) = reduce(x);
    // two factors, since 2^1024 and 2^-1075 are no normal numbers
    let half = k.mul_add(N::splat(0.5), N::splat(SHIFT)) - N::splat(SHIFT);
    exp_reduced(r) * power_of_two(half) * power_of_two(k - half)
}

/// `e^-|x|`.
#[inline(always)]
fn decay<N: Number>(x: N) -> N {
    exp(N::splat(0.0) - x.abs())
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
fn split<N: Number>(x: N) -> (N, N) {
    let moved = x.add_bits(ONE_BITS - SQRT_HALF_BITS);
    let k = moved.exponent_to_low().or_bits(TWO_52_BITS) - N::splat(TWO_52 + 1023.0);
    (k, moved.and_bits(MANTISSA).add_bits(SQRT_HALF_BITS))
}

/// `k ln 2 + log(1 + f) + c` for `1 + f` in [sqrt(1/2), sqrt(2)) and a small correction `c`: the
/// scheme and the coefficients of fdlibm (Sun Microsystems, 1993).
#[inline(always)]
fn log_reduced<N: Number>(k: N, f: N, c: N) -> N {
    let half_square = N::splat(0.5) * f * f;
    let s = f / (f + N::splat(2.0));
    let z = s * s;
    let w = z * z;
    let even = polynomial(
        w,
        [
            3.999_999_999_940_942e-1,
            2.222_219_843_214_978_4e-1,
            1.531_383_769_920_937_3e-1,
        ],
    );
    let odd = polynomial(
        w,
        [
            6.666_666_666_666_735e-1,
            2.857_142_874_366_239e-1,
            1.818_357_216_161_805e-1,
            1.479_819_860_511_658_6e-1,
        ],
    );
    let rest = even.mul_add(w, z * odd);
    let low = s.mul_add(half_square + rest, k.mul_add(N::splat(LN2_LO), c)) - half_square;
    k.mul_add(N::splat(LN2_HI), low + f)
}

/// Natural logarithm.
#[inline(always)]
pub fn log<N: Number>(x: N) -> N {
    let subnormal = x.less(N::splat(f64::MIN_POSITIVE));
    let (k, m) = split(N::select(subnormal, x * N::splat(18_014_398_509_481_984.0), x));
    let k = N::select(subnormal, k - N::splat(54.0), k);
    let value = log_reduced(k, m - N::splat(1.0), N::splat(0.0));
    let value = N::select(N::splat(f64::INFINITY).at_most(x), x, value);
    let value = N::select(x.at_most(N::splat(0.0)), N::splat(f64::NEG_INFINITY), value);
    N::select(N::splat(0.0).at_most(x), value, N::splat(f64::NAN))
}

/// `log(1 + x)`.
#[inline(always)]
pub fn log1p<N: Number>(x: N) -> N {
    let one = N::splat(1.0);
    let u = x + one;
    let (k, m) = split(u);
    // what the rounding of 1 + x has lost, relative to it
    let lost = N::select(N::splat(2.0).at_most(k), one - (u - x), x - (u - one)) / u;
    let near = k.abs().less(N::splat(0.5));
    let (f, c) = (N::select(near, x, m - one), N::select(near, N::splat(0.0), lost));
    let value = log_reduced(k, f, c);
    let value = N::select(N::splat(f64::INFINITY).at_most(x), x, value);
    let value = N::select(x.at_most(N::splat(-1.0)), N::splat(f64::NEG_INFINITY), value);
    // also keeps the sign of zero
    let value = N::select(x.abs().less(N::splat(1.0 / 9_007_199_254_740_992.0)), x, value);
    N::select(N::splat(-1.0).at_most(x), value, N::splat(f64::NAN))
}

/// Hyperbolic tangent. With `|x| = k ln(2)/2 + y`, `s = 2^k` and `t = tanh(y)`, which is a polynomial with a relative error of
/// 2^-57: `tanh |x| = ((s - 1) + (s + 1) t) / ((s + 1) + (s - 1) t)`.
#[inline(always)]
pub fn tanh<N: Number>(x: N) -> N {
    let one = N::splat(1.0);
    // from there on the result is 1
    let size = x.abs().bounded(N::splat(22.0));
    let shifted = size.mul_add(N::splat(2.0 * LOG2_E), N::splat(SHIFT));
    // the rounding of ln 2 moves y by less than 2^-54 |x|
    let y = (shifted - N::splat(SHIFT)).mul_add(N::splat(-0.5 * LN_2), size);
    let scale = shifted.add_bits(1023).low_to_exponent();
    let z = y * y;
    let q = polynomial(
        z,
        [
            -0.333_333_333_333_324_9,
            0.133_333_333_327_837_5,
            -0.053_968_252_782_016_12,
            0.021_869_370_714_778_562,
            -0.008_857_308_773_034_61,
            0.003_444_837_836_098_534_2,
        ],
    );
    let t = (y * z).mul_add(q, y);
    let (less, more) = (scale - one, scale + one);
    (more.mul_add(t, less) / less.mul_add(t, more)).copysign(x)
}

/// `1/(1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<N: Number>(x: N) -> N {
    let one = N::splat(1.0);
    let decay = decay(x);
    N::select(x.less(N::splat(0.0)), decay, one) / (one + decay)
}

/// `-log(1 + e^-x)`.
#[inline(always)]
pub fn log_sigmoid<N: Number>(x: N) -> N {
    let (zero, one, half) = (N::splat(0.0), N::splat(1.0), N::splat(0.5));
    // NaN stays
    let below = x.bounded(zero);
    let decay = decay(x);
    // 1 + decay is 1 + f, or 2 (1 + f) up to what the rounding of decay - 1 loses where decay < 1/2; 1/(1 + f) is then
    // 1.375 within 3 %
    let below_one = decay - one;
    let lost = decay - (below_one + one);
    let small = decay.less(N::splat(SQRT_2 - 1.0));
    let (k, f) = (
        N::select(small, zero, one),
        N::select(small, decay, half * below_one),
    );
    let c = N::select(small, zero, N::splat(0.5 * 1.375) * lost);
    below - log_reduced(k, f, c)
}
