//! Elementary functions without branches, so that neighbouring points go into one vector register. Where a product goes into a sum,
//! both are rounded once, on every instruction set (see [`super::number`]): the bits do not depend on the width of the registers.
//!
//! Largest errors, in units in the last place, found against multiprecision by
//! `tests/elementary.rs`: below 1 for `exp`, `log`, `log1p`, 1.5 for `tanh`, 2 for `log_sigmoid`, `erf`, `sin`, `cos`,
//! 2.5 for `sigmoid`. Every argument is allowed, but for angles beyond [`LARGEST_ANGLE`]; NaN stays NaN, and where a function is undefined the
//! result is NaN.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LOG2_E};

use super::number::{Number, SHIFT};
use super::table;

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

/// `e^x`.
#[inline(always)]
pub fn exp<N: Number>(x: N) -> N {
    bounded_exp(x.bounded(N::splat(710.0)))
}

/// `e^x` for `x <= 710`.
#[inline(always)]
fn bounded_exp<N: Number>(x: N) -> N {
    let (k, r) = reduce(x.raised(N::splat(-746.0)));
    exp_reduced(r).times_power_of_two(k)
}

/// `e^-|x|`.
#[inline(always)]
fn decay<N: Number>(x: N) -> N {
    bounded_exp(x.or_bits(1 << 63))
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

/// Hyperbolic tangent. With `|x| = k/128 + r`, `T = tanh(k/128)` from a table, `t = tanh(r)`, which is a polynomial with a relative
/// error of 2^-57, and `z = T t`: `tanh |x| = T + (1 - T^2) t / (1 + z)`. As `|z| < 2^-8`, the quotient is `t (1 - z)(1 + z^2 + z^4)` but for
/// 2^-48 of it, and it is below 2^-8 where `T` is not 0.
#[inline(always)]
pub fn tanh<N: Number>(x: N) -> N {
    let one = N::splat(1.0);
    // from there on the result is 1
    let size = x.abs().bounded(N::splat(table::LAST as f64 / table::PER_UNIT));
    let shift = N::splat(SHIFT / table::PER_UNIT);
    let shifted = size + shift;
    let tangent = shifted.lookup(&table::TANH);
    let r = size - (shifted - shift);
    let square = r * r;
    let c = square.mul_add(
        N::splat(0.133_332_186_783_933_02),
        N::splat(-0.333_333_333_327_920_37),
    );
    let t = (r * square).mul_add(c, r);
    let z = tangent * t;
    let square = z * z;
    let quotient = z.negated().mul_add(t, t);
    let quotient = quotient.mul_add(square.mul_add(square, square), quotient);
    let slope = tangent.negated().mul_add(tangent, one);
    slope.mul_add(quotient, tangent).copysign(x)
}

/// `1/(1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<N: Number>(x: N) -> N {
    let one = N::splat(1.0);
    let decay = decay(x);
    N::select(x.less(N::splat(0.0)), decay, one) / (one + decay)
}

/// `log(1 + x)` for `0 <= x <= 1`, with 15 x rounded to `j`, and `c` near `1/(1 + j/15)` and `-log(c)` from tables: `(1 + x) c` is `1 + r`
/// with a small `r`, rounded once, and the logarithm is `-log(c) + log(1 + r)`. With `j = 0`, `c` is 1.
#[inline(always)]
fn log1p_of_share<N: Number>(x: N) -> N {
    let place = x.mul_add(N::splat((table::SHARES - 1) as f64), N::splat(SHIFT));
    let scale = place.lookup(&table::RECIPROCALS);
    let r = x.mul_add(scale, scale - N::splat(1.0));
    // (log(1 + r) - r)/r^2 from -0.031 to 1/30, by the polynomial whose largest error is least, 2^-60 of the logarithm
    let q = polynomial(
        r,
        [
            -0.5,
            0.333_333_333_333_326_6,
            -0.250_000_000_000_305_5,
            0.200_000_000_063_890_04,
            -0.166_666_665_349_670_03,
            0.142_856_953_263_757_94,
            -0.125_001_957_813_838_88,
            0.111_334_178_912_286_43,
            -0.099_135_051_641_896_83,
        ],
    );
    place.lookup(&table::LOGARITHMS) + (r * r).mul_add(q, r)
}

/// `-log(1 + e^-x)`.
#[inline(always)]
pub fn log_sigmoid<N: Number>(x: N) -> N {
    // NaN stays
    x.bounded(N::splat(0.0)) - log1p_of_share(decay(x))
}

/// Error function: an odd polynomial up to 5/4, and `1 - e^q(|x|)` beyond, where the polynomial `q` is `log(erfc(|x|))` up to
/// 5.95. Both have the least largest error, relative to the result, which is 2^-56.
#[inline(always)]
pub fn erf<N: Number>(x: N) -> N {
    // from there on the result is 1
    let size = x.abs().bounded(N::splat(6.0));
    let excess = polynomial(
        size * size,
        [
            0.128_379_167_095_512_6,
            -0.376_126_389_031_840_04,
            0.112_837_916_709_635_8,
            -0.026_866_170_646_251_77,
            0.005_223_977_633_150_441,
            -0.000_854_832_733_764_285_1,
            0.000_120_553_411_273_004_05,
            -1.492_578_950_100_018_3e-5,
            1.646_369_098_940_892_6e-6,
            -1.637_734_366_331_835_3e-7,
            1.485_513_962_231_469_9e-8,
            -1.234_451_320_117_109_9e-9,
            8.938_477_632_323_344e-11,
            -4.235_261_408_137_873_4e-12,
        ],
    );
    let near = size.mul_add(excess, size);
    let exponent = polynomial(
        size,
        [
            -4.396_764_601_185_798e-6,
            -1.128_341_613_481_428,
            -0.636_769_843_178_907_8,
            -0.102_399_928_352_028_34,
            0.018_484_499_977_498_865,
            0.001_029_962_072_392_338_2,
            -0.002_493_221_679_405_715,
            0.001_188_834_587_051_848,
            -0.000_373_370_297_959_017_8,
            8.716_567_164_829_285e-5,
            -1.547_962_176_724_906_5e-5,
            2.069_719_245_140_529_6e-6,
            -2.014_628_739_430_301e-7,
            1.339_752_007_192_070_2e-8,
            -5.386_575_439_516_585e-10,
            9.701_755_040_711_98e-12,
        ],
    );
    let far = N::splat(1.0) - bounded_exp(exponent);
    N::select(size.less(N::splat(1.25)), near, far).copysign(x)
}

/// Up to there [`sin`] and [`cos`] reduce their arguments; beyond they are wrong.
pub const LARGEST_ANGLE: f64 = 1_073_741_824.0; // 2^30
/// pi/2 in three parts. Multiples of the first by integers below 2^30 differ from a nearby number by what is exact (Cody, Waite
/// 1980, with fused products), and the rest is below 2^-160.
const HALF_PI: [f64; 3] = [FRAC_PI_2, 6.123_233_995_736_766e-17, -1.497_384_904_859_169_8e-33];

/// `sin(x + quarters pi/2)`, by polynomials of degree 13 and 14 whose largest relative error is least, 2^-57.
#[inline(always)]
fn sine<N: Number>(x: N, quarters: u64) -> N {
    let shifted = x.mul_add(N::splat(FRAC_2_PI), N::splat(SHIFT));
    let k = shifted - N::splat(SHIFT);
    let mut r = x;
    for part in HALF_PI {
        r = k.mul_add(N::splat(-part), r);
    }
    let z = r * r;
    let sine = polynomial(
        z,
        [
            -0.166_666_666_666_666_3,
            0.008_333_333_333_321_84,
            -0.000_198_412_698_293_585_22,
            2.755_731_353_850_73e-6,
            -2.505_073_438_712_101e-8,
            1.589_543_310_501_405_6e-10,
        ],
    );
    let sine = (r * z).mul_add(sine, r);
    let cosine = polynomial(
        z,
        [
            0.041_666_666_666_666_595,
            -0.001_388_888_888_887_334_2,
            2.480_158_728_900_208e-5,
            -2.755_731_421_703_84e-7,
            2.087_570_539_584_769e-9,
            -1.135_874_922_259_438_7e-11,
        ],
    );
    let half = N::splat(0.5) * z;
    let one = N::splat(1.0);
    let whole = one - half;
    // what the rounding of 1 - z/2 has lost goes with the rest
    let cosine = whole + (z * z).mul_add(cosine, (one - whole) - half);
    let turns = shifted.add_bits(quarters);
    let odd = one.less(turns.and_bits(1).or_bits(ONE_BITS));
    let value = N::select(odd, cosine, sine);
    N::select(
        one.less(turns.and_bits(2).or_bits(ONE_BITS)),
        value.negated(),
        value,
    )
}

/// Sine, up to [`LARGEST_ANGLE`].
#[inline(always)]
pub fn sin<N: Number>(x: N) -> N {
    // also keeps the sign of zero
    N::select(x.abs().less(N::splat(1e-9)), x, sine(x, 0))
}

/// Cosine, up to [`LARGEST_ANGLE`].
#[inline(always)]
pub fn cos<N: Number>(x: N) -> N {
    sine(x, 1)
}
