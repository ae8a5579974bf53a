//! Bounds of the elementary functions at one binary64 number.
//!
//! The values come from the `libm` crate: pure Rust, translated from musl, FreeBSD's msun and CORE-MATH,
//! hence the same bits on every machine. Its sources state an error below 1 ulp for `exp`, `log`,
//! `log1p`, `sin`, `cos`, `erf` and `cbrt`, and "up to 2 ulp" for `tanh`, where 2.17 were observed. The
//! bounds step about three times as far; `docs/soundness.md` holds the errors measured against
//! multiprecision beside each number of steps.
//!
//! Arguments may be infinite where the function has a limit. Exact values (`exp(0) = 1`, ...) are kept.

use super::rounding::{add_down, add_up, div_down, div_up, sub_down, sub_up, ulps_down, ulps_up};

/// Steps for functions whose source states an error below 1 ulp.
const ONE_ULP_FUNCTIONS: u64 = 3;
/// Steps for `tanh`, whose source states an error up to 2 ulp.
const TANH: u64 = 6;

/// Defines `f_down` and `f_up` from a library function, its number of steps, its exact value and its range.
macro_rules! bounds {
    ($down:ident, $up:ident, $name:literal, $f:path, $steps:expr, $exact_at:expr => $exact:expr, $least:expr, $most:expr) => {
        #[doc = concat!("A lower bound of `", $name, "`.")]
        pub fn $down(x: f64) -> f64 {
            if x == $exact_at {
                $exact
            } else {
                ulps_down($f(x), $steps).max($least)
            }
        }
        #[doc = concat!("An upper bound of `", $name, "`.")]
        pub fn $up(x: f64) -> f64 {
            if x == $exact_at {
                $exact
            } else {
                ulps_up($f(x), $steps).min($most)
            }
        }
    };
}

const INF: f64 = f64::INFINITY;

bounds!(exp_down, exp_up, "exp(x)", libm::exp, ONE_ULP_FUNCTIONS, 0.0 => 1.0, 0.0, INF);
bounds!(log_down, log_up, "log(x)` for `x >= 0", libm::log, ONE_ULP_FUNCTIONS, 1.0 => 0.0, -INF, INF);
bounds!(log1p_down, log1p_up, "log(1 + x)` for `x >= -1", libm::log1p, ONE_ULP_FUNCTIONS, 0.0 => 0.0, -INF, INF);
bounds!(sin_down, sin_up, "sin(x)` for finite `x", libm::sin, ONE_ULP_FUNCTIONS, 0.0 => 0.0, -1.0, 1.0);
bounds!(cos_down, cos_up, "cos(x)` for finite `x", libm::cos, ONE_ULP_FUNCTIONS, 0.0 => 1.0, -1.0, 1.0);
bounds!(tanh_down, tanh_up, "tanh(x)", libm::tanh, TANH, 0.0 => 0.0, -1.0, 1.0);
bounds!(erf_down, erf_up, "erf(x)", libm::erf, ONE_ULP_FUNCTIONS, 0.0 => 0.0, -1.0, 1.0);
bounds!(cbrt_down, cbrt_up, "x^(1/3)` for `x >= 0", libm::cbrt, ONE_ULP_FUNCTIONS, 0.0 => 0.0, 0.0, INF);

/// A lower bound of `1/(1 + e^-x)`. An overflowing `e^-x` gives 0.
pub fn sigmoid_down(x: f64) -> f64 {
    div_down(1.0, add_up(1.0, exp_up(-x)))
}

/// An upper bound of `1/(1 + e^-x)`.
pub fn sigmoid_up(x: f64) -> f64 {
    div_up(1.0, add_down(1.0, exp_down(-x)))
}

/// A lower bound of `-log(1 + e^-x)`; below zero from the equal form `x - log(1 + e^x)`, whose
/// exponential does not overflow.
pub fn log_sigmoid_down(x: f64) -> f64 {
    if x >= 0.0 {
        -log1p_up(exp_up(-x))
    } else {
        sub_down(x, log1p_up(exp_up(x)))
    }
}

/// An upper bound of `-log(1 + e^-x)`.
pub fn log_sigmoid_up(x: f64) -> f64 {
    if x >= 0.0 {
        -log1p_down(exp_down(-x))
    } else {
        sub_up(x, log1p_down(exp_down(x)))
    }
}
