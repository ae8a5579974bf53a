//! Random numbers, intervals and points of all kinds, for tests of the rigorous arithmetics.

use proxycert::eval::interval::Interval;
use rand::{Rng, RngExt};

/// A binary64 number of one of several kinds: moderate, any magnitude, special, small fractions, near one.
pub fn number(rng: &mut impl Rng) -> f64 {
    const SPECIAL: [f64; 14] = [
        0.0,
        5e-324,
        1e-310,
        f64::MIN_POSITIVE,
        1e-200,
        1e-17,
        1.0,
        0.5,
        2.0,
        745.0,
        709.78,
        1e17,
        1e200,
        f64::MAX,
    ];
    let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
    match rng.random_range(0..10u32) {
        0..4 => rng.random_range(-10.0..10.0),
        4 => sign * rng.random_range(0.0..800.0),
        5 => sign * f64::from_bits(rng.random_range(0..0x7FF0_0000_0000_0000u64)),
        6 => sign * SPECIAL[rng.random_range(0..SPECIAL.len())],
        7 => sign * f64::from(rng.random_range(0..64u32)) / 8.0,
        8 => sign * (1.0 + rng.random_range(-1.0..1.0) * 2.0f64.powi(-rng.random_range(1..53))),
        _ => sign * 2.0f64.powi(-rng.random_range(0..60)) * rng.random_range(1.0..2.0),
    }
}

/// An interval around a random number: a point, some ulp, relatively narrow, wide, with infinite ends.
pub fn interval(rng: &mut impl Rng) -> Interval {
    let a = number(rng);
    let b = match rng.random_range(0..8u32) {
        0 | 1 => a,
        2 => {
            let steps = rng.random_range(1..4u32);
            (0..steps).fold(a, |x, _| x.next_up()).min(f64::MAX)
        }
        3 | 4 => a + a.abs().min(1e300) * 2.0f64.powi(-rng.random_range(1..40)),
        5 | 6 => number(rng),
        _ => [f64::INFINITY, f64::NEG_INFINITY][rng.random_range(0..2usize)],
    };
    Interval::new(a.min(b), a.max(b))
}

/// A finite number inside: an end, or somewhere between.
pub fn point(rng: &mut impl Rng, x: Interval) -> f64 {
    let (lo, hi) = (x.lo.max(-f64::MAX), x.hi.min(f64::MAX));
    match rng.random_range(0..6u32) {
        0 => lo,
        1 => hi,
        2 => number(rng).clamp(lo, hi),
        _ => {
            let t: f64 = rng.random();
            (lo * (1.0 - t) + hi * t).clamp(lo, hi)
        }
    }
}
