//! Bounds over boxes and contractions against values at points.
//!
//! `PROXYCERT_BOUNDS=<n>` tries n times as many random functions.

use std::path::Path;

use dashu_ratio::RBig;
use proxycert::case::Case;
use proxycert::claim::Claim;
use proxycert::engine::prove::lifting::pieces::{Piece, Ranges};
use proxycert::engine::prove::smooth::Smooth;
use proxycert::engine::prove::tree::Rule;
use proxycert::eval::checker::CheckerArithmetic;
use proxycert::eval::interval::{Interval, IntervalArithmetic};
use proxycert::eval::stages::Batches;
use proxycert::eval::tensor::Evaluator;
use proxycert::eval::{Arithmetic, RigorousArithmetic};
use proxycert::graph::op::Input;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

fn longer() -> u64 {
    let text = std::env::var("PROXYCERT_BOUNDS").unwrap_or_default();
    text.parse().unwrap_or(1)
}

/// The function `expression` of the coordinates `w` as the slack of a claim; none where it holds a constant that
/// is not defined.
fn claim(expression: &str, dimension: usize) -> Option<Claim> {
    let text = format!(
        r#"{{"name": "a", "parameters": {{"x": [{dimension}]}}, "define": {{"f": "sum(x)"}},
            "claim": {{"inequality": "{expression} >= 0*f(w)"}}, "region": {{"w": {{"box": [-4, 4]}}}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|e| panic!("{text}\n{e}"));
    Claim::new(&case).ok()
}

fn function(expression: &str, dimension: usize) -> Claim {
    claim(expression, dimension).unwrap_or_else(|| panic!("{expression}"))
}

fn between(rng: &mut ChaCha8Rng, lo: f64, hi: f64) -> f64 {
    lo + (hi - lo) * rng.random_range(0..=1024) as f64 / 1024.0
}

/// A box inside `[-3, 3]`, of any width, sometimes with a range that is one number.
fn random_box(rng: &mut ChaCha8Rng, dimension: usize) -> Ranges {
    let scale = [4.0, 1.0, 0.25, 0.01][rng.random_range(0..4)];
    (0..dimension)
        .map(|_| {
            let lo = between(rng, -2.0, 2.0);
            let width = if rng.random_range(0..12) == 0 {
                0.0
            } else {
                between(rng, 0.0, scale)
            };
            [lo, (lo + width).min(3.0)]
        })
        .collect()
}

/// Corners, middles and other points.
fn random_point(rng: &mut ChaCha8Rng, ranges: &Ranges) -> Vec<f64> {
    let corner = rng.random_range(0..3) == 0;
    ranges
        .iter()
        .map(|&[lo, hi]| match (corner, rng.random_range(0..2)) {
            (true, 0) => lo,
            (true, _) => hi,
            _ => between(rng, lo, hi).clamp(lo, hi),
        })
        .collect()
}

// ---------------------------------------------------------------------------------------------------
// Lower bounds

const RULES: [Rule; 7] = [
    Rule::Natural,
    Rule::MeanValue,
    Rule::Face,
    Rule::FaceMeanValue,
    Rule::SecondOrder,
    Rule::Vanishing,
    Rule::VanishingSecondOrder,
];

fn bound(expression: &str, ranges: &Ranges, tie: Option<usize>, rule: Rule) -> [f64; 2] {
    let claim = function(expression, ranges.len());
    let piece = Piece {
        tie,
        ..Piece::whole(&claim, ranges.clone())
    };
    let enough = f64::INFINITY;
    [
        <Smooth<_, Batches>>::new(&piece, IntervalArithmetic::new()).lower(rule, ranges, enough),
        <Smooth<_>>::new(&piece, CheckerArithmetic::new()).lower(rule, ranges, enough),
    ]
}

#[test]
fn the_least_value_of_a_convex_function_is_found_on_one_box() {
    // (x - 1/3)^2 + (y + 1/7)^2 + (x - 1/3)(y + 1/7): the form is positive definite, the least value 0
    let wide = vec![[-1.0, 1.0], [-1.0, 1.0]];
    let form = "(w[0] - 1/3)^2 + (w[1] + 1/7)^2 + (w[0] - 1/3)*(w[1] + 1/7)";
    // e^x - x has its least value 1 at 0, away from the middle of the range
    let tilted = "exp(w[0]) - w[0] - 1";
    // on x >= 1/2 the least value of x^2 + y^2 is 1/4
    let edge = "w[0]^2 + w[1]^2 - 1/4";
    for (expression, ranges) in [
        (form, wide),
        (tilted, vec![[-0.05, 0.1]]),
        (edge, vec![[0.5, 2.0], [-1.0, 1.25]]),
    ] {
        for bound in bound(expression, &ranges, None, Rule::SecondOrder) {
            assert!((-1e-9..=0.0).contains(&bound), "{expression}: {bound}");
        }
    }
}

#[test]
fn a_valley_is_bounded_by_its_floor() {
    // (x - y)^2 over a box across the valley: 0 along x = y, where no Hessian is positive definite
    for bound in bound(
        "(w[0] - w[1])^2",
        &vec![[-1.0, 1.0], [-0.75, 1.5]],
        None,
        Rule::SecondOrder,
    ) {
        assert!((-1e-8..=0.0).contains(&bound), "{bound}");
    }
    // x y over [-1, 1]^2 is at least -1
    for bound in bound("w[0]*w[1]", &vec![[-1.0, 1.0]; 2], None, Rule::SecondOrder) {
        assert!((-1.0 - 1e-8..=-1.0).contains(&bound), "{bound}");
    }
}

#[test]
fn a_square_of_a_difference_times_a_form() {
    // with the variables t, d: d^2 (3 t^2 - 3 t d + d^2) >= 0, since 3 * 3 < 4 * 3; its second derivative in d,
    // 6 t^2 - 18 t d + 12 d^2, is negative at t = d
    let wide = vec![[-1.0, 1.0], [-0.5, 1.0]];
    let form = "w[1]^2*(3*w[0]^2 - 3*w[0]*w[1] + w[1]^2)";
    for bound in bound(form, &wide, Some(1), Rule::VanishingSecondOrder) {
        assert!((-1e-12..=0.0).contains(&bound), "{bound}");
    }
    for bound in bound(form, &wide, Some(1), Rule::Vanishing) {
        assert!(bound < -1.0, "{bound}");
    }
    // d^2 (3 t^2 - 4 t d + d^2) is -1/3 at t = 2/3, d = 1
    let twin = "w[1]^2*(3*w[0]^2 - 4*w[0]*w[1] + w[1]^2)";
    for rule in RULES {
        for bound in bound(twin, &wide, Some(1), rule) {
            assert!(bound <= -1.0 / 3.0, "{rule:?}: {bound}");
        }
    }
    // d^3 (t^2 + t/2 + 1) takes both signs; on d >= 1/4 it is least at d = 1/4, t = -1/4: 15/1024
    let odd = "w[1]^3*(w[0]^2 + w[0]/2 + 1)";
    for bound in bound(
        odd,
        &vec![[-1.0, 1.0], [0.25, 1.0]],
        Some(1),
        Rule::VanishingSecondOrder,
    ) {
        assert!(
            (15.0 / 1024.0 - 1e-12..=15.0 / 1024.0).contains(&bound),
            "{bound}"
        );
    }
    for bound in bound(
        odd,
        &vec![[-1.0, 1.0], [-1.0, 1.0]],
        Some(1),
        Rule::VanishingSecondOrder,
    ) {
        assert!(bound <= -2.5, "{bound}");
    }
}

/// A sum of terms that bend in different ways; with `tie`, a function that vanishes where that coordinate does.
fn random_function(rng: &mut ChaCha8Rng, dimension: usize, tie: Option<usize>) -> String {
    let affine = |rng: &mut ChaCha8Rng| {
        let terms: Vec<String> = (0..dimension)
            .map(|k| format!("({}/4)*w[{k}]", rng.random_range(-6..=6)))
            .collect();
        format!("({} + {}/8)", terms.join(" + "), rng.random_range(-8..=8))
    };
    let count = rng.random_range(1..=4);
    let terms: Vec<String> = (0..count)
        .map(|_| {
            let (a, b) = (affine(rng), affine(rng));
            let term = match rng.random_range(0..13) {
                0 => format!("{a}^2"),
                1 => format!("{a}*{b}"),
                2 => format!("{a}^3"),
                3 => format!("tanh({a})"),
                4 => format!("sigmoid({a})*{b}"),
                5 => format!("softplus({a})"),
                6 => format!("exp({a}/4)"),
                7 => format!("sin({a})"),
                8 => format!("{a}^2/(1 + {b}^2)"),
                9 => format!("abs({a})"),
                10 => format!("relu({a})*{b}"),
                11 => format!("sqrt(1 + {a}^2)"),
                _ => format!("log(1 + {a}^2)"),
            };
            format!("({}/4)*{term}", rng.random_range(-8..=8))
        })
        .collect();
    let sum = terms.join(" + ");
    match tie {
        Some(k) => format!("w[{k}]^{}*({sum})", rng.random_range(1..=3)),
        None => sum,
    }
}

#[test]
fn every_bound_lies_below_the_values() {
    let counts: Vec<[u64; 3]> = (0..longer() * 120)
        .into_par_iter()
        .map(|seed| {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            let dimension = rng.random_range(1..=3);
            let tie = (rng.random_range(0..2) == 0).then(|| rng.random_range(0..dimension));
            let expression = random_function(rng, dimension, tie);
            let claim = function(&expression, dimension);
            let piece = Piece {
                tie,
                ..Piece::whole(&claim, vec![[0.0; 2]; dimension])
            };
            let mut smooth = <Smooth<_, Batches>>::new(&piece, IntervalArithmetic::new());
            let mut exact = Evaluator::new(&piece.graph, &[piece.function], CheckerArithmetic::new());
            let mut counts = [0; 3];
            for _ in 0..8 {
                let ranges = random_box(rng, dimension);
                let mut bounds: Vec<f64> = RULES
                    .iter()
                    .map(|&rule| smooth.lower(rule, &ranges, f64::INFINITY))
                    .collect();
                bounds.push(smooth.best(&ranges, f64::INFINITY).0);
                counts[0] += u64::from(bounds[4] > bounds[0].max(bounds[1]));
                counts[1] += u64::from(bounds[6] > bounds[5]);
                for _ in 0..6 {
                    let point = random_point(rng, &ranges);
                    let at: Vec<_> = point.iter().map(|&x| exact.arithmetic().float(x)).collect();
                    exact.run(&[(Input::W, &at)]);
                    let value = exact.root(0)[0].clone();
                    for (number, bound) in bounds.iter().enumerate() {
                        let Ok(bound) = RBig::try_from(*bound) else {
                            continue;
                        };
                        counts[2] += 1;
                        assert!(
                            !exact.arithmetic().below(&value, &bound),
                            "seed {seed}, {expression}, bound {number} on {ranges:?} at {point:?}"
                        );
                    }
                }
            }
            counts
        })
        .collect();
    let total = |k: usize| counts.iter().map(|own| own[k]).sum::<u64>();
    // each of the formulas is the best one somewhere
    assert!(
        total(0) > 50 && total(1) > 20 && total(2) > 20_000,
        "{} {} {}",
        total(0),
        total(1),
        total(2)
    );
}

// ---------------------------------------------------------------------------------------------------
// Contraction

/// A scalar expression with every operation that has an inverse.
fn random_expression(rng: &mut ChaCha8Rng, dimension: usize, depth: u32) -> String {
    if depth == 0 {
        return match rng.random_range(0..5) {
            0 => format!("{}/4", rng.random_range(-8..=8)),
            1 => "sum(w)".to_owned(),
            _ => format!("w[{}]", rng.random_range(0..dimension)),
        };
    }
    let a = random_expression(rng, dimension, depth - 1);
    let b = random_expression(rng, dimension, depth - 1);
    match rng.random_range(0..30) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 | 3 => format!("({a})*({b})"),
        4 => format!("({a})/({b})"),
        5 => format!("-({a})"),
        6 => format!("exp({a})"),
        7 => format!("log({a})"),
        8 => format!("log(1 + ({a})^2)"),
        9 => format!("sqrt({a})"),
        10 => format!("abs({a})"),
        11 => format!("tanh({a})"),
        12 => format!("sigmoid({a})"),
        13 => format!("softplus({a})"),
        14 => format!("relu({a})"),
        15 => format!("({a})^2"),
        16 => format!("({a})^3"),
        17 => format!("({a})^4"),
        18 => format!("({a})^(3/2)"),
        19 => format!("({a})^(1/3)"),
        20 => format!("({a})^(-2)"),
        21 => format!("max({a}, {b})"),
        22 => format!("min({a}, {b})"),
        23 => format!("leaky_relu({a}, 1/10)"),
        24 => format!("sin({a})"),
        25 => format!("norm(w - {b})"),
        26 => format!("dot(w, w*({b}))"),
        27 => format!("logsumexp(w*({a}))"),
        28 => format!("max(w + {b})"),
        _ => format!("sum((w - {a})^2)"),
    }
}

#[test]
fn no_point_that_meets_a_constraint_is_contracted_away() {
    let counts: Vec<[u64; 3]> = (0..longer() * 3000)
        .into_par_iter()
        .map(|seed| {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            let dimension = rng.random_range(1..=3);
            let depth = rng.random_range(1..=4);
            let expression = random_expression(rng, dimension, depth);
            let Some(claim) = claim(&expression, dimension) else {
                return [0; 3];
            };
            let mut evaluator = Evaluator::new(&claim.graph, &[claim.slack], IntervalArithmetic::new());
            let mut counts = [0; 3];
            for _ in 0..4 {
                let ranges = random_box(rng, dimension);
                let points: Vec<Vec<f64>> = (0..24).map(|_| random_point(rng, &ranges)).collect();
                let values: Vec<Option<Interval>> = points
                    .iter()
                    .map(|point| {
                        let at: Vec<Interval> = point.iter().map(|&x| Interval::point(x)).collect();
                        let flags = evaluator.run(&[(Input::W, &at)]);
                        flags.defined.then(|| evaluator.root(0)[0])
                    })
                    .collect();
                let known: Vec<f64> = values.iter().flatten().map(|value| value.lo).collect();
                let target = match (known.is_empty(), rng.random_range(0..4)) {
                    (true, _) | (_, 0) => Interval::new(f64::NEG_INFINITY, between(rng, -3.0, 3.0)),
                    (_, 1) => Interval::new(known[0], known[0] + 0.1),
                    (_, 2) => Interval::new(known[0], f64::INFINITY),
                    _ => Interval::new(
                        known[0].min(known[known.len() - 1]),
                        known[0].max(known[known.len() - 1]),
                    ),
                };
                let cell: Vec<Interval> = ranges.iter().map(|&[lo, hi]| Interval::new(lo, hi)).collect();
                evaluator.run(&[(Input::W, &cell)]);
                let outcome = evaluator.contract(0, target);
                let kept = evaluator.input(Input::W).map(<[Interval]>::to_vec);
                let kept = kept.unwrap_or_else(|| cell.clone());
                counts[1] += u64::from(outcome.is_ok() && kept != cell);
                counts[2] += u64::from(outcome.is_err());
                for (point, value) in points.iter().zip(&values) {
                    if value.is_some_and(|value| target.encloses(value)) {
                        counts[0] += 1;
                        let inside = point.iter().zip(&kept).all(|(x, range)| range.contains(*x));
                        assert!(
                            outcome.is_ok() && inside,
                            "seed {seed}: {expression} in {target:?} at {point:?} of {ranges:?}: {kept:?}"
                        );
                    }
                }
            }
            counts
        })
        .collect();
    let total = |k: usize| counts.iter().map(|own| own[k]).sum::<u64>();
    assert!(
        total(0) > 50_000 && total(1) > 1000 && total(2) > 500,
        "{} {} {}",
        total(0),
        total(1),
        total(2)
    );
}

#[test]
fn a_ball_contracts_a_box_to_its_cap() {
    // x^2 + y^2 <= 1 with x in [3/5, 2], y in [-2, 2]: x <= 1 and |y| <= 4/5
    let claim = function("1 - w[0]^2 - w[1]^2", 2);
    let mut evaluator = Evaluator::new(&claim.graph, &[claim.slack], IntervalArithmetic::new());
    let cell = [Interval::new(0.6, 2.0), Interval::new(-2.0, 2.0)];
    evaluator.run(&[(Input::W, &cell)]);
    evaluator.contract(0, Interval::new(0.0, f64::INFINITY)).unwrap();
    let kept = evaluator.input(Input::W).unwrap();
    assert!(kept[0].lo == 0.6 && (kept[0].hi - 1.0).abs() < 1e-15, "{kept:?}");
    assert!(
        (kept[1].lo + 0.8).abs() < 1e-12 && (kept[1].hi - 0.8).abs() < 1e-12,
        "{kept:?}"
    );
    // and x >= 3/2 leaves nothing
    let cell = [Interval::new(1.5, 2.0), Interval::new(-2.0, 2.0)];
    evaluator.run(&[(Input::W, &cell)]);
    assert!(evaluator.contract(0, Interval::new(0.0, f64::INFINITY)).is_err());
}

#[test]
fn every_bound_of_a_composition_lies_below_the_values() {
    // products of sums in several orders: the enclosures of mirrored second derivatives differ
    (0..longer() * 200).into_par_iter().for_each(|seed| {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let dimension = rng.random_range(2..=3);
        let depth = rng.random_range(2..=3);
        let expression = random_expression(rng, dimension, depth);
        let Some(claim) = claim(&expression, dimension) else {
            return;
        };
        let piece = Piece::whole(&claim, vec![[0.0; 2]; dimension]);
        let mut smooth = <Smooth<_, Batches>>::new(&piece, IntervalArithmetic::new());
        let mut exact = Evaluator::new(&piece.graph, &[piece.function], CheckerArithmetic::new());
        for _ in 0..8 {
            let ranges = random_box(rng, dimension);
            let bound = smooth.lower(Rule::SecondOrder, &ranges, f64::INFINITY);
            let Ok(bound) = RBig::try_from(bound) else {
                continue;
            };
            for _ in 0..12 {
                let point = random_point(rng, &ranges);
                let at: Vec<_> = point.iter().map(|&x| exact.arithmetic().float(x)).collect();
                exact.run(&[(Input::W, &at)]);
                let value = exact.root(0)[0].clone();
                assert!(
                    !exact.arithmetic().below(&value, &bound),
                    "seed {seed}, {expression} on {ranges:?} at {point:?}"
                );
            }
        }
    });
}

#[test]
fn a_constraint_on_a_constant_leaves_its_enclosure_as_it_is() {
    // sqrt(2)^2 is 2, which intervals do not show: the difference is enclosed on both sides of 0
    let claim = function("sqrt(2)^2 - 2", 1);
    assert!(!claim.graph.is_variable(claim.slack));
    let root = [claim.slack];
    let mut evaluator = Evaluator::new(&claim.graph, &root, IntervalArithmetic::new());
    evaluator.run(&[(Input::W, &[Interval::new(-1.0, 1.0)])]);
    let before = evaluator.root(0)[0];
    assert!(before.lo < 0.0 && before.hi > 0.0, "{before:?}");
    let inside = Interval::new(0.0, f64::INFINITY);
    assert!(evaluator.contract(0, inside).is_ok());
    evaluator.run(&[(Input::W, &[Interval::new(-1.0, 1.0)])]);
    assert_eq!(evaluator.root(0)[0], before);
    assert!(evaluator.contract(0, Interval::new(1.0, 2.0)).is_err());
}
