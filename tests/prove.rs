//! The prover: what is true with a margin is proved, what is false or undefined never is, and `verify`
//! accepts exactly the trees that settle the region.

use std::path::Path;

use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::replay::{replay, replay_tree};
use proxycert::certificate::verify::verify;
use proxycert::claim::Claim;
use proxycert::engine::points::Points;
use proxycert::engine::prove::bound::{Bounder, Outcome};
use proxycert::engine::prove::tree::{Rule, optimal_center};
use proxycert::engine::prove::{Proof, prove};
use proxycert::engine::{self, Options, Silent, Verdict};
use proxycert::eval::interval::Interval;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An inequality about `w` of so many coordinates.
fn load(dimension: usize, inequality: &str, region: &str, tolerance: &str) -> (Case, Claim) {
    let text = format!(
        r#"{{"name": "a", "parameters": {{"x": [{dimension}]}}, "define": {{"f": "sum(x^2)"}},
            "claim": {{"inequality": "{inequality}"}}, "region": {region},
            "check": {{"samples": 50, "starts": 4, "tolerance": "{tolerance}"}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|e| panic!("{text}\n{e}"));
    let claim = Claim::new(&case).unwrap_or_else(|e| panic!("{text}\n{}", e.render(false)));
    (case, claim)
}

fn options(claim: &Claim, max_boxes: u64) -> Options {
    Options {
        samples: 50,
        seed: 1,
        confidence: 0.99,
        tolerance: engine::tolerance(claim),
        max_boxes,
        starts: 4,
        device: None,
    }
}

/// Proves within a budget; a proof must replay.
fn attempt(claim: &Claim, max_boxes: u64) -> Proof {
    let (proof, _) = prove(claim, &Points::new(claim, 1), &options(claim, max_boxes)).unwrap();
    if proof.complete() {
        let replayed = replay(claim, &proof).unwrap();
        assert_eq!((replayed.boxes, replayed.depth), (proof.boxes, proof.depth));
    }
    proof
}

fn proved(dimension: usize, inequality: &str, region: &str) -> bool {
    attempt(&load(dimension, inequality, region, "0").1, 20_000).complete()
}

/// `(x + 10)(x - 10)/2 + 50 = x^2/2` on `[-1, 3]`: the slopes are enclosed by `[-1, 3]`. Around the middle 1 the mean value form
/// gives `1/2 - 3*2`, around the best center 0 it gives `0 - 3*1`; the enclosure itself `13*(-11)/2 + 50`. With seven such terms
/// the bounds are -38.5, -21 and less.
#[test]
fn the_best_center_does_where_the_middle_does_not() {
    let region = r#"{"w": {"box": [-1, 3]}}"#;
    let claim = |constant: u32| {
        let inequality = format!("sum((x + 10)*(x - 10)/2 + 50) + {constant} >= 0");
        load(7, &inequality, region, "0").1
    };
    let box_of_seven = [Interval::new(-1.0, 3.0); 7];
    for (constant, settled) in [(20, false), (22, true), (38, true), (39, false)] {
        let claim = claim(constant);
        let outcome = Bounder::new(&claim, 0.0).examine(&box_of_seven, 0, false);
        let by_center = matches!(outcome, Outcome::Settled(Rule::OptimalCenter));
        assert_eq!(by_center, settled, "{constant}: {outcome:?}");
        assert_eq!(replay_tree(&claim, "o").is_ok(), constant >= 22, "{constant}");
        assert_eq!(replay_tree(&claim, "m").is_ok(), constant >= 39, "{constant}");
    }
    assert_eq!(optimal_center([-1.0, 3.0], (-1.0, 3.0)), 0.0);
    assert_eq!(optimal_center([-1.0, 3.0], (0.0, 3.0)), -1.0);
    assert_eq!(optimal_center([-1.0, 3.0], (-2.0, -1.0)), 3.0);
    for least in [f64::NEG_INFINITY, f64::NAN] {
        assert_eq!(optimal_center([-1.0, 3.0], (least, f64::INFINITY)), 1.0);
    }
}

const BOX: &str = r#"{"w": {"box": [-1, 2]}}"#;

#[test]
fn known_minima_with_small_margins() {
    // function, its minimum over the region
    let known = [
        (1, "x[0]^2 - x[0]", BOX, "-1/4"),
        (2, "(x[0] - x[1])^2 + (x[0] + x[1] - 1/2)^2", BOX, "0"),
        (2, "x[0] * x[1]", BOX, "-2"),
        (1, "abs(x[0] - 1/3)", BOX, "0"),
        (1, "relu(x[0]) - x[0] / 2", BOX, "0"),
        (2, "max(x[0], -x[0] / 2) + x[1]^2", BOX, "0"),
        (1, "x[0]^4 - 2 * x[0]^2", BOX, "-1"),
        (
            2,
            "x[0] + x[1]^2",
            r#"{"w": {"center": 0, "radius": 5}, "where": ["x[0] >= 1/2"]}"#,
            "1/2",
        ),
        (2, "x[0]", r#"{"w": {"center": [1, 0], "radius": 1/2}}"#, "1/2"),
        (
            1,
            "x[0]",
            r#"{"w": {"box": [-1, 2]}, "where": ["x[0]^2 >= 1/4", "x[0] >= 0"]}"#,
            "1/2",
        ),
    ];
    for (dimension, function, region, minimum) in known {
        let function = function.replace("x[", "w[");
        let region = region.replace(
            r#""center": 0, "radius": 5"#,
            r#""ball": {"center": 0, "radius": 5}"#,
        );
        let region = region.replace(
            r#""center": [1, 0], "radius": 1/2"#,
            r#""ball": {"center": [1, 0], "radius": "1/2"}"#,
        );
        for margin in ["1e-3", "1e-6"] {
            let holds = format!("{function} >= {minimum} - {margin}");
            let fails = format!("{function} >= {minimum} + {margin}");
            assert!(proved(dimension, &holds, &region), "{holds}");
            assert!(!proved(dimension, &fails, &region), "{fails}");
        }
    }
}

#[test]
fn jumps_and_gaps_are_never_overlooked() {
    for inequality in [
        // sign jumps at 1/3: the slack falls below 0 only by its jump; its derivative elsewhere is 1
        "w[0] - 2 * sign(w[0] - 1/3) >= -5/3 + 1e-6",
        "sign(w[0] - 1/3) * (w[0] + 5) >= -1",
        // the gradient of relu is a set at its kink; at 1/3 its least element violates
        "grad(g)(w)[0] >= 1/2",
        // undefined on part of the region
        "log(w[0]) >= -1000000",
        "sqrt(w[0]) >= -1",
        "1 / w[0] >= -1000000000000",
        "1 / (w[0] * w[0]) >= 0",
        "w[0]^(-1/2) >= 0",
        "0 * sqrt(w[0]) >= -1",
        // not Lipschitz at 0, false just beside it
        "1e-3 - sqrt(abs(w[0])) >= 0",
    ] {
        let text = format!(
            r#"{{"name": "a", "parameters": {{"x": [1]}}, "define": {{"g": "relu(x[0] - 1/3) + x[0] / 4"}},
                "claim": {{"inequality": "{inequality}"}}, "region": {BOX}, "check": {{"tolerance": "0"}}}}"#
        );
        let case =
            Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|e| panic!("{text}\n{e}"));
        let claim = Claim::new(&case).unwrap_or_else(|e| panic!("{}", e.render(false)));
        assert!(!attempt(&claim, 5_000).complete(), "{inequality}");
        // no letter makes the whole region, or each half, pass
        for letter in ["n", "m", "t", "u", "o", "d"] {
            for tree in [letter.to_owned(), format!("0/{letter}{letter}")] {
                assert!(replay_tree(&claim, &tree).is_err(), "{inequality} {tree}");
            }
        }
    }
    // a concave kink in two variables: Taylor's formula around the middle, where the slope is 1, would
    // give -1; at w[1] = -1 the left side is -3
    let thin = r#"{"w": {"box": [["-1/100", "1/100"], [-1, 3]]}}"#;
    let bent = "2 * (w[1] + w[0]^2) - abs(w[1] + w[0]^2)";
    assert!(!proved(2, &format!("{bent} >= -2"), thin));
    assert!(proved(2, &format!("{bent} >= -31/10"), thin));
    // the same where the gap or the jump is outside the region
    let right = r#"{"w": {"box": ["1/2", 2]}}"#;
    for inequality in [
        "w[0] - 2 * sign(w[0] - 1/3) >= -3/2 - 1e-9",
        "log(w[0]) >= -7/10",
        "1 / w[0] >= 1/2 - 1e-9",
        "sqrt(w[0]) - w[0] >= -6/10",
    ] {
        assert!(proved(1, inequality, right), "{inequality}");
    }
}

#[test]
fn a_flat_middle_says_nothing_beyond_a_kink() {
    // each is 0 in the middle of a piece and -9/10 at an end; every kink but the inner one is left for
    // the bounds to see
    let up_to = r#"{"w": {"box": [-1, "19/10"]}}"#;
    for function in [
        "-relu(relu(w[0]) - 1)",
        "-max(relu(w[0]) - 1, 0)",
        "relu(1 - relu(w[0])) + relu(w[0]) - 1 - 2 * relu(relu(w[0]) - 1)",
        "-leaky_relu(relu(w[0]) - 1, 0)",
    ] {
        for (bound, holds) in [("-9/10 - 1e-6", true), ("-1/10", false), ("-9/10 + 1e-6", false)] {
            let inequality = format!("{function} >= {bound}");
            assert_eq!(proved(1, &inequality, up_to), holds, "{inequality}");
        }
    }
}

#[test]
fn a_step_of_zero_takes_every_value_of_its_set() {
    for (inequality, holds) in [
        ("relu(sign(w[0] - w[0])) >= 0", true),
        ("relu(sign(w[0] - w[0])) >= 1/10", false),
        ("sign(w[0] - w[0]) + w[0] >= -2", true),
        ("sign(w[0] - w[0]) + w[0] >= -1", false),
        ("w[0] * abs(step(w[0] - w[0]) - 1/2) >= -1/2", true),
        ("w[0] * abs(step(w[0] - w[0]) - 1/2) >= -1/4", false),
    ] {
        assert_eq!(proved(1, inequality, BOX), holds, "{inequality}");
    }
}

#[test]
fn towers_of_powers_end() {
    let tower = |height: usize| format!("{}w[0]{}", "(".repeat(height), "^64)".repeat(height));
    // the exponents 64^3 and -2 * 64^5, the second beyond what a 32-bit number can be lowered by
    let signed = format!("sign(w[0]) * {} >= -1", tower(3));
    assert!(proved(1, &signed, r#"{"w": {"box": [-1, 2]}}"#));
    let inverse = format!("{}^-2 >= 0", tower(5));
    assert!(proved(1, &inverse, r#"{"w": {"box": [1, "1 + 1e-10"]}}"#));
    assert!(!proved(
        1,
        &inverse.replace(">= 0", ">= 1"),
        r#"{"w": {"box": [1, "1 + 1e-10"]}}"#
    ));
}

/// Random functions with a known minimum: sums of squares and of kinks around a point of the region.
#[test]
fn random_claims_whose_truth_is_known() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut settled, mut claims) = (0, 0);
    for number in 0..2_000 {
        let dimension = rng.random_range(1..=2);
        let at: Vec<String> = (0..dimension)
            .map(|_| format!("({}/64)", rng.random_range(-60..=60)))
            .collect();
        // each piece is 0 at the point and not negative elsewhere
        let pieces: Vec<String> = (0..rng.random_range(1..=3))
            .map(|_| {
                let (i, a) = (rng.random_range(0..dimension), rng.random_range(1..=5));
                let (kind, sign) = (rng.random_range(0..11), ["+", "-"][rng.random_range(0..2)]);
                let z = format!("(w[{i}] - {})", at[i]);
                match kind {
                    0 => format!("abs({z}) * {a}"),
                    1 => format!("relu({a} * {z})"),
                    2 => format!("(exp({z}) - 1 - {z})"),
                    3 => format!("max({z}, -{a} * {z})"),
                    4 => format!("(1 - cos({a} * {z}))"),
                    5 => format!("({z}^4 + 1000000 - 1000000)"),
                    6 => format!("{z} * (sigmoid({z}) - 1/2)"),
                    7 => format!("{z} * sign({z}) / {a}"),
                    8 | 9 if dimension == 2 => {
                        format!("((w[0] - {}) {sign} {a} * (w[1] - {}))^2", at[0], at[1])
                    }
                    _ => format!("{a} * {z}^2"),
                }
            })
            .collect();
        let constant = rng.random_range(-4..=4);
        let margin = ["1e-2", "1e-4", "1e-6", "1e-9", "1e-12"][rng.random_range(0..5)];
        let truth = number % 2 == 0;
        let sign = if truth { "-" } else { "+" };
        let inequality = format!(
            "{} + {constant} >= {constant} {sign} {margin}",
            pieces.join(" + ")
        );
        let region = r#"{"w": {"box": [-1, 1]}}"#;
        let (_, claim) = load(dimension, &inequality, region, "0");
        let complete = attempt(&claim, 400).complete();
        assert!(truth || !complete, "a false claim is proved: {inequality}");
        claims += u32::from(truth);
        settled += u32::from(complete);
    }
    assert!(2 * settled > claims, "{settled} of {claims} true claims proved");
}

#[test]
fn changed_trees_are_refused() {
    // false where the region ends: only boxes over the region know
    let function = "(w[0] - w[1])^2 + w[0]^2 - w[0] + 1 - cos(30 * (w[0] - 1/2)) - 1000 * relu(w[0] - 7/4)";
    let region = r#"{"w": {"box": [-1, 2]}, "where": ["w[0] <= 3/2"]}"#;
    let (case, claim) = load(2, &format!("{function} >= -1/4 - 1e-3"), region, "0");
    let findings = engine::run(&claim, &options(&claim, 10_000), &Silent).unwrap();
    assert_eq!(findings.verdict, Verdict::Proved, "{}", findings.reason);
    let honest = Certificate::new(&case, &claim, options(&claim, 10_000), findings, 0.0);
    verify(&honest, &case, &claim, &Silent).unwrap();
    let tree = honest.evidence.proof.as_ref().unwrap().tree.clone();
    let check = |tree: &str| {
        let mut forged = honest.clone();
        forged.evidence.proof.as_mut().unwrap().tree = tree.to_owned();
        forged.digest = forged.computed_digest();
        verify(&forged, &case, &claim, &Silent).is_ok()
    };
    assert!(tree.len() > 60 && tree.contains(':') && check(&tree), "{tree}");
    for bad in [
        "",
        "n",
        "m",
        "t",
        "u",
        "d",
        "x",
        "N",
        "0/",
        "0/n",
        "0/nnn",
        "2/nn",
        "-1/nn",
        "+0/nn",
        "00/nn",
        "0nn",
        "/nn",
        "0//nn",
        "99999999999999999999/nn",
        "0/n\u{fc}",
        " n",
        "n ",
        "z",
        "y",
        ":16/nn",
        "0:/nn",
        "0:0/nn",
        "0:32/nn",
        "0:64/nn",
        "0:016/nn",
        "0:+16/nn",
        "0:272/nn",
        "0:16:16/nn",
        "0:16nn",
    ] {
        assert!(!check(bad), "{bad:?}");
    }
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let letters: Vec<char> = "nmtudsyz0123:/x ".chars().collect();
    for _ in 0..400 {
        let mut symbols: Vec<char> = tree.chars().collect();
        let place = rng.random_range(0..symbols.len());
        match rng.random_range(0..4) {
            0 => drop(symbols.remove(place)),
            1 => symbols.insert(place, letters[rng.random_range(0..letters.len())]),
            2 => symbols.truncate(place),
            _ => symbols[place] = letters[rng.random_range(0..letters.len())],
        }
        let changed: String = symbols.iter().collect();
        // another rule may settle the same box: such a tree is a proof as well
        let same_shape = |text: &str| {
            text.chars()
                .map(|c| if "nmtus".contains(c) { 'n' } else { c })
                .collect::<String>()
        };
        if same_shape(&changed) != same_shape(&tree) {
            let splits = |text: &str| text.matches('/').count();
            assert!(!check(&changed) || splits(&changed) == splits(&tree), "{changed}");
        }
    }
    // the same tree proves nothing about a false claim
    let (_, false_claim) = load(2, &format!("{function} >= -1/4 + 1e-6"), region, "0");
    assert!(replay_tree(&false_claim, &tree).is_err());
    // a chain of splits ends where binary64 does
    assert!(replay_tree(&claim, &"0/".repeat(100_000)).is_err());
    assert!(replay_tree(&claim, &"n".repeat(5_000_000)).is_err());
}

#[test]
fn an_open_box_leads_the_search_to_a_needle() {
    // negative only within 1e-4 of (0.123456, -0.654321)
    let needle = "1 - 2 * exp(-((w[0] - 0.123456)^2 + (w[1] + 0.654321)^2) * 1e8) >= 0";
    let (_, claim) = load(2, needle, r#"{"w": {"box": [-1, 1]}}"#, "0");
    let findings = engine::run(&claim, &options(&claim, 100_000), &Silent).unwrap();
    assert_eq!(findings.verdict, Verdict::Refuted, "{}", findings.reason);
    let off = engine::run(&claim, &options(&claim, 0), &Silent).unwrap();
    assert_eq!(off.verdict, Verdict::Supported, "{}", off.reason);
    assert!(off.evidence.proof.is_none());
}
