//! The search for a violation where random points and descent do not come near one.

use std::path::Path;

use proxycert::case::Case;
use proxycert::claim::Claim;
use proxycert::engine::{self, Findings, Options, Silent, Verdict};

const GAMMA: f64 = 0.2;
const UNITS: usize = 16;
/// Point `i` is `SIGNS[i]` times the `i`-th unit vector.
const SIGNS: [f64; 4] = [1.0, -1.0, 1.0, -1.0];

/// Output weight of a unit: plus or minus 1/4, a vector of length 1.
fn weight(unit: usize) -> f64 {
    if unit.is_multiple_of(2) { 0.25 } else { -0.25 }
}

/// `|grad f| >= c g` for 16 leaky units on four points with label 1, the weights of a unit in a column
/// of `W`, or in a row.
///
/// With slopes `s_ij` (1 or gamma) and `q_i = sigmoid(-z_i)`, the entry `ij` of the gradient is
/// `-q_i a_j s_ij x_ii / 4`, so `|grad f| = sqrt(sum_i q_i^2 S_i) / 4` with `S_i = sum_j a_j^2 s_ij^2`,
/// which is at least `gamma^2`. By Cauchy and Schwarz `|grad f| >= gamma / 2 mean(q)`: the claim is true
/// for `c = gamma / 2 = 0.1`. Where every unit is on its flat side at every point and all outputs are
/// equal, there is equality; equal units with the weights `-SIGNS` are such, with all outputs 0.
/// For `c = 0.12` the slack there is `0.05 - 0.06 = -0.01`. A single positive argument adds
/// `(1 - gamma^2) / 16 = 0.06` to an `S_i` of 0.04, and at equal outputs the mean of the `S_i` may be
/// `0.0576` at most: no more than one of 64 arguments may be positive.
fn certify(c: &str, in_columns: bool, seed: u64, starts: usize, threads: usize) -> Findings {
    let (shape, product) = if in_columns {
        ("[4, 16]", "X @ W")
    } else {
        ("[16, 4]", "X @ W.T")
    };
    let a: Vec<f64> = (0..UNITS).map(weight).collect();
    let net = format!("leaky_relu({product}, 1/5) @ a");
    let text = format!(
        r#"{{"name": "equal-units", "title": "T", "source": {{"work": "ours"}},
        "parameters": {{"W": {shape}}},
        "data": {{"X": [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, -1]], "a": {a:?}}},
        "define": {{"f": "mean(softplus(-({net})))", "g": "mean(sigmoid(-({net})))"}},
        "claim": {{"proxy_pl": {{"f": "f", "g": "g", "xi": 0, "alpha": 1, "mu": "2 * {c}"}}}},
        "region": {{"w": {{"box": [-1, 1]}}}},
        "check": {{"samples": 1000, "seed": {seed}, "starts": {starts}, "max_boxes": 0}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let options = Options::of(&case.check, &claim);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(|| engine::run(&claim, &options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}")))
}

/// The slack from the formulas above, `w` by rows and units in columns.
fn slack(w: &[f64], c: f64) -> f64 {
    let (mut squares, mut mean) = (0.0, 0.0);
    for (point, sign) in SIGNS.iter().enumerate() {
        let arguments = w[point * UNITS..][..UNITS].iter().map(|entry| sign * entry);
        let (mut output, mut slopes) = (0.0, 0.0);
        for (unit, argument) in arguments.enumerate() {
            let slope = if argument < 0.0 { GAMMA } else { 1.0 };
            output += weight(unit) * slope * argument;
            slopes += (weight(unit) * slope).powi(2);
        }
        let q = 1.0 / (1.0 + output.exp());
        squares += q * q * slopes;
        mean += q / 4.0;
    }
    squares.sqrt() / 4.0 - c * mean
}

#[test]
fn a_violation_at_equal_units_is_found() {
    let equal: Vec<f64> = SIGNS.iter().flat_map(|sign| [-sign; UNITS]).collect();
    assert!((slack(&equal, 0.12) + 0.01).abs() < 1e-15);
    for in_columns in [true, false] {
        for seed in 0..4 {
            let findings = certify("0.12", in_columns, seed, 8, 2);
            assert_eq!(findings.verdict, Verdict::Refuted, "{}", findings.reason);
            // no sample came near
            let sampled = findings.evidence.sampling.uniform.minimum.unwrap();
            assert!(sampled.slack > 0.0, "{sampled:?}");
            let witness = findings.evidence.witness.unwrap();
            let w: Vec<f64> = witness.w.iter().map(|entry| entry.parse().unwrap()).collect();
            let by_rows: Vec<f64> = if in_columns {
                w
            } else {
                (0..w.len()).map(|i| w[i % UNITS * 4 + i / UNITS]).collect()
            };
            let expected = slack(&by_rows, 0.12);
            assert!(expected < 0.0, "{by_rows:?}");
            let [lo, hi] = witness.slack;
            assert!(
                lo - 1e-12 <= expected && expected <= hi + 1e-12,
                "{expected} in [{lo}, {hi}]"
            );
        }
    }
}

#[test]
fn a_tight_claim_at_equal_units_is_not_refuted() {
    for in_columns in [true, false] {
        let findings = certify("0.1", in_columns, 0, 8, 2);
        assert_eq!(findings.verdict, Verdict::Supported, "{}", findings.reason);
        // the search comes to where there is equality
        let lowest = findings.evidence.search.unwrap().lowest.unwrap();
        assert!(lowest.abs() < 1e-12, "{lowest}");
    }
}

#[test]
fn the_search_does_not_depend_on_threads() {
    // three blocks, the last of them not full
    let starts = 21;
    let one = certify("0.1", true, 0, starts, 1);
    for threads in 2..=4 {
        assert_eq!(certify("0.1", true, 0, starts, threads).evidence, one.evidence);
    }
}
