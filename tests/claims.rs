//! Each kind of claim against a slack worked out by hand, and what regions and kinks mean.

use std::path::Path;

use dashu_ratio::RBig;
use proxycert::case::{Case, ClaimKind};
use proxycert::claim::Claim;
use proxycert::engine::enclose::{Encloser, ExactPoint};
use proxycert::engine::{self, Options, Silent, Verdict};
use proxycert::eval::checker::CheckerArithmetic;
use proxycert::eval::interval::{Interval, IntervalArithmetic};

/// A claim about `f = x^2 + 2 y^2`.
fn claim(text: &str, region: &str) -> Claim {
    build(r#"{"x": [], "y": []}"#, "x^2 + 2*y^2", text, region)
}

fn build(parameters: &str, f: &str, text: &str, region: &str) -> Claim {
    let text = format!(
        r#"{{"name": "a", "parameters": {parameters}, "define": {{"f": "{f}"}}, "claim": {text}, "region": {region}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
    Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// The slack at w = (1, 2), v = (3, -1).
fn slack(text: &str) -> Interval {
    let region = r#"{"w": {"point": [1, 2]}, "v": {"point": [3, -1]}}"#;
    Encloser::new(&claim(text, region), IntervalArithmetic::new())
        .over_region()
        .slack
}

fn run(claim: &Claim) -> (Verdict, String) {
    let options = Options {
        samples: 500,
        seed: 1,
        confidence: 0.99,
        tolerance: engine::tolerance(claim),
        max_boxes: 1000,
        starts: 8,
        device: None,
    };
    let findings = engine::run(claim, &options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}"));
    (findings.verdict, findings.reason)
}

/// grad f = (2x, 4y): at w it is (2, 8), |grad f(w)|^2 = 68; f(w) = 9, f(v) = 11; w - v = (-2, 3),
/// |w - v|^2 = 13; <grad f(w), w - v> = 20; grad f(v) = (6, -4), |grad f(w) - grad f(v)|^2 = 160.
#[test]
fn every_kind_has_the_slack_of_its_inequality() {
    let root = f64::sqrt;
    let expected = [
        (
            ClaimKind::ProxyConvexity,
            r#"{"f": "f", "g": "x^2", "h": "3*y^2"}"#,
            20.0 - (1.0 - 3.0),
        ),
        (
            ClaimKind::ProxyPl,
            r#"{"f": "f", "g": "f", "xi": 1, "alpha": "3/2", "mu": 3}"#,
            68f64.powf(0.75) - 1.5 * 8.0,
        ),
        (ClaimKind::Inequality, r#""f(w) + 1 <= 2*f(v)""#, 22.0 - 10.0),
        (ClaimKind::Convex, r#"{"f": "f"}"#, 20.0 + 2.0),
        (ClaimKind::StronglyConvex, r#"{"f": "f", "mu": 2}"#, 22.0 - 13.0),
        (
            ClaimKind::Pl,
            r#"{"f": "f", "mu": 1, "f_star": 0.5}"#,
            68.0 - 2.0 * 8.5,
        ),
        (
            ClaimKind::WeaklyQuasiConvex,
            r#"{"f": "f", "tau": "1/2"}"#,
            20.0 + 1.0,
        ),
        (ClaimKind::StarConvex, r#"{"f": "f"}"#, 22.0),
        (ClaimKind::OnePointConvex, r#"{"f": "f", "mu": 1}"#, 20.0 - 13.0),
        (ClaimKind::RestrictedSecant, r#"{"f": "f", "mu": 2}"#, 20.0 - 26.0),
        (
            ClaimKind::ErrorBound,
            r#"{"f": "f", "mu": 2}"#,
            root(68.0) - 2.0 * root(13.0),
        ),
        (
            ClaimKind::QuadraticGrowth,
            r#"{"f": "f", "mu": 1, "f_star": 1}"#,
            8.0 - 6.5,
        ),
        (
            ClaimKind::Smooth,
            r#"{"f": "f", "L": 4}"#,
            4.0 * root(13.0) - root(160.0),
        ),
        (ClaimKind::Lipschitz, r#"{"f": "f", "G": 9}"#, 9.0 - root(68.0)),
        (
            ClaimKind::ProxySmooth,
            r#"{"f": "f", "g": "f", "L": 8}"#,
            72.0 - 68.0,
        ),
        (
            ClaimKind::Kl,
            r#"{"f": "f", "theta": "1/2", "mu": 2, "f_star": 0}"#,
            root(68.0) - 6.0,
        ),
    ];
    assert_eq!(expected.len(), ClaimKind::TABLE.len());
    for (kind, fields, value) in expected {
        let found = slack(&format!(r#"{{"{}": {fields}}}"#, kind.name()));
        assert!(
            found.lo <= value + 1e-12 && value - 1e-12 <= found.hi,
            "{kind:?}: {found:?}, not {value}"
        );
        assert!(found.width() < 1e-12, "{kind:?}: {found:?}");
    }
}

#[test]
fn a_claim_about_v_without_a_region_for_it_takes_that_of_w() {
    let claim = claim(r#"{"convex": {"f": "f"}}"#, r#"{"w": {"box": [-1, 1]}}"#);
    assert_eq!(claim.region.free().len(), 2);
    let single = self::claim(
        r#"{"pl": {"f": "f", "mu": 1, "f_star": 0}}"#,
        r#"{"w": {"box": [-1, 1]}}"#,
    );
    assert_eq!(single.region.free().len(), 1);
}

/// A violation lies exactly on the bound, which binary64 cannot write: x >= 1/10 is violated only for
/// x < 1/10, so on [1/10, 1] the claim is true, and on [1/10 - 1/10^9, 1] it is false.
#[test]
fn membership_is_exact_where_bounds_are_fractions() {
    let one = |region: &str| build(r#"{"x": []}"#, "x", r#"{"inequality": "f(w) >= 1/10"}"#, region);
    let (verdict, reason) = run(&one(r#"{"w": {"box": ["1/10", 1]}}"#));
    assert_ne!(verdict, Verdict::Refuted, "{reason}");
    let claim = one(r#"{"w": {"box": ["1/10 - 1/10^9", 1]}}"#);
    assert_eq!(run(&claim).0, Verdict::Refuted);

    let tenth = ExactPoint {
        w: vec![RBig::from(1) / RBig::from(10)],
        v: vec![],
    };
    let below = ExactPoint {
        w: vec![RBig::from(1) / RBig::from(10) - RBig::from(1) / RBig::from(1u64 << 60)],
        v: vec![],
    };
    let claim = one(r#"{"w": {"box": ["1/10", 1]}}"#);
    let mut intervals = Encloser::new(&claim, IntervalArithmetic::new());
    let mut checker = Encloser::new(&claim, CheckerArithmetic::new());
    assert!(intervals.contains(&tenth) && checker.contains(&tenth));
    assert!(!intervals.contains(&below) && !checker.contains(&below));
}

/// Balls: x^2 + y^2 <= 25 holds at (3, 4) exactly, and fails a hair outside.
#[test]
fn the_sphere_belongs_to_the_ball() {
    let claim = claim(
        r#"{"lipschitz": {"f": "f", "G": 1}}"#,
        r#"{"w": {"ball": {"center": [0, 0], "radius": 5}}}"#,
    );
    let mut encloser = Encloser::new(&claim, IntervalArithmetic::new());
    let at = |x: RBig| ExactPoint {
        w: vec![x, RBig::from(4)],
        v: vec![],
    };
    assert!(encloser.contains(&at(RBig::from(3))));
    assert!(!encloser.contains(&at(RBig::from(3) + RBig::from(1) / RBig::from(1u64 << 55))));
}

/// At the kink of |x| the derivative is any number of [-1, 1]. The claim "derivative >= -1/2" fails for
/// some choice at 0 only, and for every choice left of 0.
#[test]
fn a_kink_alone_neither_refutes_nor_proves() {
    let at = |region: &str| {
        build(
            r#"{"x": []}"#,
            "abs(x)",
            r#"{"inequality": "dot(grad(f)(w), w/w) >= -1/2"}"#,
            region,
        )
    };
    let (verdict, reason) = run(&at(r#"{"w": {"point": 0}}"#));
    assert!(!matches!(verdict, Verdict::Refuted | Verdict::Proved), "{reason}");
    let kink = |region: &str| {
        build(
            r#"{"x": []}"#,
            "abs(x)",
            r#"{"inequality": "sum(grad(f)(w)) >= -1/2"}"#,
            region,
        )
    };
    let (verdict, reason) = run(&kink(r#"{"w": {"point": 0}}"#));
    assert!(!matches!(verdict, Verdict::Refuted | Verdict::Proved), "{reason}");
    assert_eq!(run(&kink(r#"{"w": {"box": [-1, 1]}}"#)).0, Verdict::Refuted);
    assert_eq!(run(&kink(r#"{"w": {"box": [1, 2]}}"#)).0, Verdict::Proved);
}

/// f = log(x) is not defined for x < 0, though its derivative 1/x is negative there.
#[test]
fn where_f_is_undefined_nothing_is_refuted() {
    let claim = build(
        r#"{"x": []}"#,
        "log(x)",
        r#"{"inequality": "sum(grad(f)(w)) >= 0"}"#,
        r#"{"w": {"box": [-2, -1]}}"#,
    );
    let (verdict, reason) = run(&claim);
    assert!(
        !matches!(verdict, Verdict::Refuted | Verdict::Proved),
        "{verdict:?}: {reason}"
    );
}

#[test]
fn a_case_without_parameters_needs_a_model() {
    let text = r#"{"name": "a", "parameters": {}, "define": {"f": "1"}, "claim": {"convex": {"f": "f"}},
        "region": {"w": {"box": [0, 1]}}}"#;
    let case =
        Case::parse(text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
    let message = Claim::new(&case).map(|_| ()).unwrap_err().render(false);
    assert!(message.contains("no parameters"), "{message}");
}

/// A model that Burn runs and its capture device records, against the same function written out.
#[test]
fn a_burn_model_is_the_function_that_it_computes() {
    let parse = |parameters: &str, f: &str| {
        let text = format!(
            r#"{{"name": "a", {parameters}, "data": {{"x": [[0.5, -1], [2, 0.25]], "y": [1, -1]}}, "define": {{"f": "{f}"}},
                "claim": {{"convex": {{"f": "f"}}}}, "region": {{"w": {{"point": [0.5, -0.25]}}, "v": {{"point": [1, 2]}}}}}}"#
        );
        let case =
            Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
        let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
        Encloser::new(&claim, IntervalArithmetic::new())
            .over_region()
            .slack
    };
    let model = parse(
        r#""model": {"neuron": {"inputs": 2, "activation": "tanh"}}"#,
        "mean((model(x) - y)^2)",
    );
    let written = parse(r#""parameters": {"theta": [2]}"#, "mean((tanh(x @ theta) - y)^2)");
    assert!(model.width() < 1e-13 && written.width() < 1e-13);
    assert!(model.intersection(written).is_some(), "{model:?} {written:?}");
}

/// Inside `v`, a block named without a point is v's: x >= 1/2 there restricts v and leaves w alone.
#[test]
fn inequalities_inside_v_are_about_v() {
    let claim = build(
        r#"{"x": []}"#,
        "x",
        r#"{"inequality": "f(v) >= f(w)"}"#,
        r#"{"w": {"box": [0, 1]}, "v": {"box": [0, 1], "where": ["x >= 1/2"]}}"#,
    );
    let mut encloser = Encloser::new(&claim, IntervalArithmetic::new());
    let quarter = || vec![RBig::from(1) / RBig::from(4)];
    let at = |w: Vec<RBig>, v: Vec<RBig>| ExactPoint { w, v };
    assert!(encloser.contains(&at(quarter(), vec![RBig::ONE])));
    assert!(!encloser.contains(&at(vec![RBig::ONE], quarter())));
}
