//! The elementary functions of the bulk evaluator, against 400-bit arithmetic and against `libm`.
//!
//! `PROXYCERT_ULP=full` runs 100 times as many arguments. Largest errors found are printed; run with
//! `--nocapture` to see them.

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use proxycert::eval::bulk::elementary as e;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Real = FBig<HalfEven, 2>;

fn real(x: f64) -> Real {
    Real::try_from(x).expect("finite").with_precision(400).value()
}

/// Where the first terms of the series say more than 400 bits of the closed form.
fn small(x: &Real) -> bool {
    x.to_f64().value().abs() < 1e-40
}

fn log1p(x: &Real) -> Real {
    if small(x) {
        x - x * x / real(2.0)
    } else {
        (x + real(1.0)).ln()
    }
}

/// Distance to the next number away from zero.
fn ulp(x: f64) -> f64 {
    let x = x.abs().min(f64::MAX);
    if x == f64::MAX {
        x - x.next_down()
    } else {
        x.next_up() - x
    }
}

struct Function {
    name: &'static str,
    own: fn(f64) -> f64,
    libm: fn(f64) -> f64,
    truth: fn(&Real) -> Real,
    /// arguments where it is defined, finite and not constant in binary64
    range: (f64, f64),
    /// stated bound, in units in the last place
    bound: f64,
}

fn functions() -> [Function; 6] {
    let sigmoid = |x: f64| {
        let decay = libm::exp(-x.abs());
        (if x < 0.0 { decay } else { 1.0 }) / (1.0 + decay)
    };
    [
        Function {
            name: "exp",
            own: e::exp,
            libm: libm::exp,
            truth: |x| x.exp(),
            range: (-745.0, 709.7),
            bound: 1.0,
        },
        Function {
            name: "log",
            own: e::log,
            libm: libm::log,
            truth: |x| x.ln(),
            range: (5e-324, f64::MAX),
            bound: 1.0,
        },
        Function {
            name: "log1p",
            own: e::log1p,
            libm: libm::log1p,
            truth: log1p,
            range: (-1.0 + 1e-16, f64::MAX),
            bound: 1.0,
        },
        Function {
            name: "tanh",
            own: e::tanh,
            libm: libm::tanh,
            truth: |x| {
                if small(x) {
                    return x - x * x * x / real(3.0);
                }
                let (up, down) = (x.exp(), (-x).exp());
                (&up - &down) / (up + down)
            },
            range: (-22.0, 22.0),
            bound: 3.0,
        },
        Function {
            name: "sigmoid",
            own: e::sigmoid,
            libm: sigmoid,
            truth: |x| real(1.0) / (real(1.0) + (-x).exp()),
            range: (-745.0, 40.0),
            bound: 3.0,
        },
        Function {
            name: "log_sigmoid",
            own: e::log_sigmoid,
            libm: |x| x.min(0.0) - libm::log1p(libm::exp(-x.abs())),
            truth: |x| -log1p(&(-x).exp()),
            range: (-1e6, 745.0),
            bound: 3.0,
        },
    ]
}

/// Arguments of all sizes: uniform on the range, and with exponents spread evenly.
fn argument(rng: &mut impl Rng, (low, high): (f64, f64)) -> f64 {
    loop {
        let x = match rng.random_range(0..4u32) {
            0 => low + (high - low) * rng.random_range(0.0..1.0),
            1 => rng.random_range(-4.0..4.0),
            2 => 1.0 + rng.random_range(-1.0f64..1.0) * 2f64.powi(-rng.random_range(0..50)),
            _ => {
                let sign = if rng.random_range(0..2u32) == 0 { 1.0 } else { -1.0 };
                sign * rng.random_range(1.0..2.0) * 2f64.powi(rng.random_range(-1022..1023))
            }
        };
        if x >= low && x <= high {
            return x;
        }
    }
}

fn times() -> u64 {
    match std::env::var("PROXYCERT_ULP") {
        Ok(value) if value == "full" => 100,
        Ok(_) | Err(_) => 1,
    }
}

#[test]
fn errors_against_multiprecision_are_below_the_stated_bounds() {
    for f in functions() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut largest, mut at) = (0.0, 0.0);
        for _ in 0..1_000 * times() {
            let x = argument(&mut rng, f.range);
            let truth = (f.truth)(&real(x));
            let nearest = truth.to_f64().value();
            let value = (f.own)(x);
            let error = if value.is_finite() {
                (real(value) - truth).to_f64().value().abs()
            } else {
                f64::INFINITY
            };
            // next to subnormal results the last place is that of the smallest numbers
            let error = error / ulp(nearest);
            if error > largest {
                (largest, at) = (error, x);
            }
        }
        println!("{}: {largest:.3} ulp at {at:e}", f.name);
        assert!(largest <= f.bound, "{}: {largest} ulp at {at:e}", f.name);
    }
}

#[test]
fn values_are_within_the_stated_bounds_of_libm() {
    for f in functions() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (mut largest, mut at) = (0.0, 0.0);
        for _ in 0..1_000_000 * times() {
            let x = argument(&mut rng, f.range);
            let (value, other) = ((f.own)(x), (f.libm)(x));
            let difference = (value - other).abs() / ulp(other);
            if difference.is_nan() || difference > largest {
                (largest, at) = (difference, x);
            }
        }
        println!("{}: {largest} ulp from libm at {at:e}", f.name);
        // libm's own error is below 1, and 3 where it is composed
        assert!(
            largest <= f.bound + if f.bound > 1.0 { 3.0 } else { 1.0 },
            "{}: {largest} ulp at {at:e}",
            f.name
        );
    }
}

#[test]
fn special_arguments() {
    for f in functions() {
        assert!((f.own)(f64::NAN).is_nan(), "{}", f.name);
        for x in [
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            1.0,
            5e-324,
            -5e-324,
            1e-310,
            f64::MAX,
            f64::MIN,
        ] {
            let (value, other) = ((f.own)(x), (f.libm)(x));
            let same = value.to_bits() == other.to_bits()
                || (value.is_nan() && other.is_nan())
                || (value - other).abs() <= f.bound * ulp(other);
            assert!(same, "{}({x:e}) = {value:e}, libm has {other:e}", f.name);
            assert_eq!(value.is_nan(), other.is_nan(), "{}({x:e})", f.name);
        }
    }
    assert_eq!(e::exp(710.0), f64::INFINITY);
    assert_eq!(e::exp(-746.0), 0.0);
    assert_eq!(e::exp(-745.1), 5e-324);
    assert_eq!(e::log(0.0), f64::NEG_INFINITY);
    assert!(e::log(-1.0).is_nan() && e::log1p(-1.5).is_nan());
    assert_eq!(e::tanh(-0.0).to_bits(), (-0.0f64).to_bits());
}
