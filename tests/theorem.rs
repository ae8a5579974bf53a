//! The theorems' formulas against numbers derived by hand, and their conditions at the edge.

use dashu_ratio::RBig;
use proxycert::theorem::{Bound, Start, Theorem, conditions};

const START: Start = Start {
    distance: 3.0,
    f: 5.0,
    h: 0.25,
};

fn bound(theorem: Theorem, constant: f64, pl: [f64; 3], sigma: f64) -> Bound {
    Bound {
        theorem,
        eta: 0.5,
        constant,
        f_inf: 1.0,
        pl,
        sigma,
    }
}

/// `D^2 = 9`, `eta = 1/2`; every number is a sum of powers of two, so that binary64 is exact.
#[test]
fn the_bounds_are_those_worked_out_by_hand() {
    let gradient = bound(Theorem::BoundedGradient, 2.0, [0.0; 3], 0.0);
    // 1/4 + 9/(2 * 1/2 * 9) + (1/2) 4/2 = 1/4 + 1 + 1
    assert_eq!(gradient.at(9.0, &START, false), 2.25);
    let smooth = bound(Theorem::ProxySmooth, 2.0, [0.0; 3], 0.0);
    // (1/4 + 1)/(1 - 1/2); with an h that moves, 1 alone
    assert_eq!(smooth.at(9.0, &START, false), 2.5);
    assert_eq!(smooth.at(9.0, &START, true), 1.0);
    // xi = 1/8, mu = 1/2: R = (5 - 1)/(1/2 * 1/2 * 4) = 4, 4 R^(1/2) = 8, 4 R = 16
    let root = bound(Theorem::ProxyPl, 2.0, [0.125, 1.0, 0.5], 0.0);
    assert_eq!(root.at(4.0, &START, false), 8.125);
    let whole = bound(Theorem::ProxyPl, 2.0, [0.125, 2.0, 0.5], 0.0);
    assert_eq!(whole.at(4.0, &START, false), 16.125);
    // noise: L eta sigma^2/(2 - eta L) = 1
    let noisy = bound(Theorem::ProxyPl, 2.0, [0.125, 2.0, 0.5], 1.0);
    assert_eq!(noisy.at(4.0, &START, false), 20.125);
    // r = 1 - 1/2 * 1/2 * 1/2 = 7/8, r^2 = 49/64; 1 + 4 * 49/64
    let rate = bound(Theorem::LinearRate, 2.0, [1.0, 2.0, 1.0], 0.0);
    assert_eq!(rate.at(2.0, &START, false), 4.0625);
    assert_eq!(rate.at(0.0, &START, false), 5.0);
    // L eta^2/2 = 1/4 at the first step and 7/8 of it left after the second: 15/32
    let noisy = bound(Theorem::LinearRate, 2.0, [1.0, 2.0, 1.0], 1.0);
    assert_eq!(noisy.at(2.0, &START, false), 4.0625 + 15.0 / 32.0);
}

#[test]
fn what_is_bounded_subtracts_an_h_that_moves() {
    let gradient = bound(Theorem::BoundedGradient, 2.0, [0.0; 3], 0.0);
    assert_eq!(gradient.quantity(3.0, 1.0, false), 3.0);
    assert_eq!(gradient.quantity(3.0, 1.0, true), 2.0);
    // (1 - 1/2 * 2/2) 3 - 1
    let smooth = bound(Theorem::ProxySmooth, 2.0, [0.0; 3], 0.0);
    assert_eq!(smooth.quantity(3.0, 1.0, true), 0.5);
}

/// Whether the conditions hold for constants given as fractions.
fn hold(theorem: Theorem, batches: bool, eta: (i64, u64), constants: &[(&str, (i64, u64))]) -> bool {
    let fraction = |(num, den): (i64, u64)| RBig::from(num) / RBig::from(den);
    let constant = |name: &str| {
        let found = constants.iter().find(|(known, _)| *known == name)?;
        Some([fraction(found.1), fraction(found.1)])
    };
    conditions(theorem, batches, &fraction(eta), constant).is_ok()
}

#[test]
fn conditions_are_compared_exactly() {
    // one third is no binary64 number: 1/3 * 6 is 2 exactly, and not below
    assert!(!hold(Theorem::ProxySmooth, false, (1, 3), &[("L", (6, 1))]));
    assert!(hold(
        Theorem::ProxySmooth,
        false,
        (1, 3),
        &[("L", (5_999_999_999_999_999_999, 1_000_000_000_000_000_000))]
    ));
    assert!(!hold(Theorem::BoundedGradient, false, (0, 1), &[("G", (1, 1))]));
    assert!(!hold(Theorem::BoundedGradient, false, (1, 1), &[("G", (-1, 1))]));
    assert!(hold(Theorem::BoundedGradient, false, (100, 1), &[("G", (1, 1))]));
    let pl = |mu, alpha| [("L", (1, 1)), ("mu", mu), ("alpha", alpha), ("sigma", (1, 1))];
    assert!(hold(Theorem::ProxyPl, false, (1, 1), &pl((1, 1), (3, 1))));
    assert!(!hold(Theorem::ProxyPl, false, (1, 1), &pl((0, 1), (3, 1))));
    // Jensen's inequality goes the wrong way beyond alpha = 2
    assert!(!hold(Theorem::ProxyPl, true, (1, 1), &pl((1, 1), (3, 1))));
    assert!(hold(Theorem::ProxyPl, true, (1, 1), &pl((1, 1), (2, 1))));
    // 1 - 1 (1 - 1/2) mu/2 is negative beyond mu = 4
    assert!(hold(Theorem::LinearRate, false, (1, 1), &pl((4, 1), (2, 1))));
    assert!(!hold(Theorem::LinearRate, false, (1, 1), &pl((401, 100), (2, 1))));
    assert!(!hold(Theorem::LinearRate, false, (1, 1), &pl((1, 1), (1, 1))));
    // a constant that is missing is no constant that holds
    assert!(!hold(Theorem::ProxyPl, false, (1, 1), &[("L", (1, 1))]));
}
