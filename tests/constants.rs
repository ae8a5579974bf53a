//! Proposed constants against exact ones that are derived by hand: never below the truth, and not far above.

use std::path::Path;

use proxycert::case::digest;
use proxycert::case::{Case, ClaimKind, GuaranteeSpec};
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::verify;
use proxycert::claim::Claim;
use proxycert::engine::constants::{Proposal, Wanted, derived, propose};
use proxycert::engine::{self, Options, Silent, Verdict};
use proxycert::guarantee::complete;

/// A case about `f` of `x`, so many coordinates, with `w` in a set.
fn case(dimension: usize, f: &str, region: &str) -> Case {
    let text = format!(
        r#"{{"name": "a", "parameters": {{"x": [{dimension}]}}, "define": {{"f": "{f}"}},
            "data": {{"A": [[1, 2], [-1, 1], [0.5, -2]]}},
            "claim": {{"proxy_convexity": {{"f": "f", "g": "f", "h": "f"}}}}, "region": {region},
            "check": {{"samples": 100, "starts": 2}}}}"#
    );
    Case::parse(&text, "case.json", Path::new("."), false).unwrap()
}

/// The value proposed; the case that comes with it must be proved by the ordinary engines, and replayed.
fn value(case: &Case, wanted: Wanted) -> Option<f64> {
    propose(case, wanted)
        .unwrap()
        .map(|proposal| certified(&proposal))
}

fn certified(proposal: &Proposal) -> f64 {
    let claim = Claim::new(&proposal.case).unwrap();
    let options = Options::of(&proposal.case.check, &claim);
    let findings = engine::run(&claim, &options, &Silent).unwrap();
    assert_eq!(findings.verdict, Verdict::Proved, "{}", findings.reason);
    let certificate = Certificate::new(&proposal.case, &claim, options, findings, 0.0);
    verify(&certificate, &proposal.case, &claim, &Silent).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    proposal.value.parse().unwrap()
}

/// `truth <= value <= truth * factor`, for an upper bound.
fn close(case: &Case, wanted: Wanted, truth: f64, factor: f64) {
    let found = value(case, wanted).expect("a constant");
    assert!(
        truth <= found && found <= truth * factor,
        "{wanted:?}: {found} for {truth}"
    );
}

const BOX: &str = r#"{"w": {"box": [-1, 1]}}"#;

/// `x^2 + 3 sin^2 x` on `[-4, 4]`: `f'' = 2 + 6 cos 2x` lies in `[-4, 8]`, so `L = 8`; the least value is 0. `f' = 2x + 3
/// sin 2x` is largest where `cos 2x = -1/3` or at the end: at `x = (2 pi + arccos(-1/3))/2 > 4`, so at an inner point
/// `(2 pi - arccos(-1/3))/2`, a minimum, or at the end 4, where it is `8 + 3 sin 8 = 10.968074...`.
#[test]
fn polyaks_function() {
    let case = case(1, "sum(x^2 + 3*sin(x)^2)", r#"{"w": {"box": [-4, 4]}}"#);
    close(&case, Wanted::Smooth, 8.0, 1.002);
    close(&case, Wanted::Lipschitz, 8.0 + 3.0 * 8f64.sin(), 1.002);
    let least = value(&case, Wanted::Least).unwrap();
    assert!((-0.2..=0.0).contains(&least), "{least}");
}

/// `f'^2/f` is largest in the limit at the minimiser, where it is `2 f''(0) = 16`.
#[test]
fn a_ratio_at_its_pole() {
    let case = case(1, "sum(x^2 + 3*sin(x)^2)", r#"{"w": {"box": [-4, 4]}}"#);
    let proposal = propose(&case, Wanted::ProxySmooth).unwrap().unwrap();
    assert!(
        (16.0..=16.2).contains(&certified(&proposal)),
        "{}",
        proposal.value
    );
}

/// `e^x - 2x - 2 + 2 log 2` is 0 at `log 2`, which no end of a box hits: no box round it is settled with tolerance 0, so that the
/// case's own tolerance is taken. On `[-1, 1]` the ratio `f'^2/f` is largest at 1, `(e - 2)^2/(e - 4 + 2 log 2) = 4.93352...`.
#[test]
fn a_ratio_with_an_irrational_pole() {
    let case = case(1, "sum(exp(x) - 2*x - 2 + 2*log(2))", BOX);
    let proposal = propose(&case, Wanted::ProxySmooth).unwrap().unwrap();
    assert!(
        (4.9335..=5.0).contains(&certified(&proposal)),
        "{}",
        proposal.value
    );
    assert_eq!(proposal.case.check.tolerance.value, "1e-9");
}

/// `x^4` on `[-1, 1]`: `|f'| <= 4`, `|f''| <= 12`, and `f'^2 = 16 x^6 <= 16 f`.
#[test]
fn the_fourth_power() {
    let case = case(1, "sum(x^4)", BOX);
    close(&case, Wanted::Lipschitz, 4.0, 1.002);
    close(&case, Wanted::Smooth, 12.0, 1.002);
    close(&case, Wanted::ProxySmooth, 16.0, 1.02);
}

/// `x^2 + 3`: `c = 3`, and `4 x^2 <= L (x^2 + 3)` holds on `[-1, 1]` from `L = 1` on.
#[test]
fn a_parabola() {
    let case = case(1, "sum(x^2) + 3", BOX);
    close(&case, Wanted::ProxySmooth, 1.0, 1.002);
    assert_eq!(value(&case, Wanted::Least), Some(3.0));
    close(&case, Wanted::Smooth, 2.0, 1.0);
}

/// Logistic regression with the rows `(1, 2)`, `(-1, 1)`, `(1/2, -2)`: `L = lambda_max(A^T A)/12`, reached at 0. `A^T A` is
/// `((9/4, 0), (0, 9))`, so that `L = 3/4`.
#[test]
fn logistic_regression() {
    let case = case(2, "mean(softplus(A @ x))", r#"{"w": {"box": [-2, 2]}}"#);
    close(&case, Wanted::Smooth, 0.75, 1.002);
}

/// `(tanh(x) - 1/2)^2/2` on `[-1, 1]`: `f' = (t - 1/2)(1 - t^2)`, whose derivative in `t`, `1 + t - 3t^2`, is 0 at `t = (1 - sqrt 13)/6 =
/// -0.434258...`; there `|f'| = 0.934258... * 0.811419... = 0.758075...`.
#[test]
fn a_neuron() {
    let case = case(1, "sum((tanh(x) - 1/2)^2)/2", BOX);
    let t = (1.0 - 13f64.sqrt()) / 6.0;
    close(&case, Wanted::Lipschitz, (0.5 - t) * (1.0 - t * t), 1.002);
}

/// The largest eigenvalue in size may be negative: `-3 x^2 + y^2` has `L = 6`.
#[test]
fn a_saddle() {
    close(&case(2, "x[1]^2 - 3*x[0]^2", BOX), Wanted::Smooth, 6.0, 1.0);
}

/// On the ball of radius 1/2 round (1, 0), `|grad |x|^2| = 2|x|` reaches 3, and in the box around it more.
#[test]
fn a_ball() {
    let ball = r#"{"w": {"ball": {"center": [1, 0], "radius": 0.5}}}"#;
    close(&case(2, "sum(x^2)", ball), Wanted::Lipschitz, 3.0, 1.1);
}

/// With kinks there is no Lipschitz gradient; where `f` is not defined there is nothing.
#[test]
fn refusals() {
    for f in ["sum(abs(x))", "sum(relu(x)) - sum(relu(-x))", "max(x[0], -x[0])"] {
        assert_eq!(value(&case(1, f, BOX), Wanted::Smooth), None, "{f}");
    }
    for wanted in [Wanted::Lipschitz, Wanted::Smooth, Wanted::ProxySmooth] {
        assert_eq!(value(&case(1, "sum(log(x))", BOX), wanted), None);
    }
    let point = r#"{"w": {"point": [1]}}"#;
    for wanted in [Wanted::Lipschitz, Wanted::Smooth, Wanted::Least] {
        assert_eq!(value(&case(1, "sum(x^2)", point), wanted), None);
    }
}

/// The derived case speaks of the same `f` on the same set, and of nothing that names `v`.
#[test]
fn derived_cases() {
    let mut original = case(1, "sum(x^2)", r#"{"w": {"box": [-1, 1]}, "v": {"point": [0]}}"#);
    original.check.max_boxes = 0;
    let smooth = derived(&original, Wanted::Smooth, "5/2").unwrap();
    assert_eq!(smooth.claim.kind, ClaimKind::Smooth);
    assert_eq!(smooth.claim.fields["L"].value, "5/2");
    assert!(smooth.region.v.is_none() && smooth.region.w == original.region.w);
    let least = derived(&original, Wanted::Least, "-1").unwrap();
    assert_eq!(least.claim.fields["inequality"].value, "f(w) >= -1");
    Claim::new(&least).unwrap();
    // a case whose prover is off gets no proof
    assert_eq!(value(&original, Wanted::Smooth), None);
}

/// A theorem's constants that a case leaves out: `f = x^2 + 3 sin^2 x` on `[-4, 4]` has `L = 8`, and at least 0.
#[test]
fn a_theorem_gets_its_constants() {
    let text = |guarantee: &str| {
        format!(
            r#"{{"name": "a", "parameters": {{"x": [1]}}, "define": {{"f": "sum(x^2 + 3*sin(x)^2)"}},
                "claim": {{"pl": {{"f": "f", "mu": "1/32", "f_star": 0}}}}, "region": {{"w": {{"box": [-4, 4]}}}},
                "descent": {{"method": "gd", "step": "1/16", "steps": 10, "start": 1}}, "guarantee": {guarantee}}}"#
        )
    };
    let parse = |guarantee| Case::parse(text(guarantee), "case.json", Path::new("."), false).unwrap();
    let case = parse(r#"{"theorem": "proxy_pl", "f_inf": "-1/2"}"#);
    let error = Claim::new(&case).err().expect("a fault");
    assert!(error.message.contains("`L` is left out"), "{}", error.message);
    let whole = complete(&case).unwrap().expect("a case");
    let Some(GuaranteeSpec::Theorem { constants, .. }) = &whole.guarantee else {
        panic!("a theorem");
    };
    let number = |name: &str| constants[name].value.parse::<f64>();
    assert!((8.0..=8.01).contains(&number("L").unwrap()));
    // what the case gives is kept
    assert_eq!(constants["f_inf"].value, "-1/2");
    Claim::new(&whole).unwrap();
    // the values are as if written
    let written = format!(
        r#"{{"theorem": "proxy_pl", "f_inf": "-1/2", "L": "{}"}}"#,
        constants["L"].value
    );
    assert_eq!(digest::case(&whole), digest::case(&parse(&written)));
    assert!(complete(&whole).unwrap().is_none());

    // the gradient of a relu jumps
    let kinked = text(r#"{"theorem": "proxy_pl", "f_inf": 0}"#).replace("x^2 + 3*sin(x)^2", "x^2 + relu(x)");
    let kinked = Case::parse(&kinked, "case.json", Path::new("."), false).unwrap();
    assert!(complete(&kinked).is_err());
}

/// Constants of batches. For `f_i = (x_i w)^2/2` with `x = (1, 2)` on `[-1, 1]` the gradients are `x_i^2 w`, the mean of
/// their squares is `8.5 w^2`, and `f = 1.25 w^2`: `G^2 = 8.5`, `L = 8.5/1.25 = 6.8`, and `2 sigma^2 = 8.5` for batches of two.
#[test]
fn a_theorem_about_batches_gets_its_constants() {
    let case = |claim: &str, guarantee: &str| {
        let text = format!(
            r#"{{"name": "a", "data": {{"x": [1, 2]}}, "parameters": {{"u": []}}, "define": {{"f": "mean((x*u)^2)/2"}},
                "claim": {claim}, "region": {{"w": {{"box": [-1, 1]}}}},
                "descent": {{"method": "sgd", "step": "1/16", "steps": 10, "start": 1, "batch": 2, "over": ["x"]}},
                "guarantee": {guarantee}}}"#
        );
        Case::parse(&text, "case.json", Path::new("."), false).unwrap()
    };
    let convex = r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "f"}}"#;
    let pl = r#"{"pl": {"f": "f", "mu": "5/2", "f_star": 0}}"#;
    let near = |case: &Case, name: &str, exact: f64| {
        let whole = complete(case).unwrap().expect("a case");
        let Some(GuaranteeSpec::Theorem { constants, .. }) = &whole.guarantee else {
            panic!("a theorem");
        };
        let found: f64 = constants[name].value.parse().unwrap();
        assert!(
            found >= exact && found < exact * 1.02,
            "{name} = {found}, exactly {exact}"
        );
        assert!(complete(&whole).unwrap().is_none());
    };
    near(
        &case(convex, r#"{"theorem": "bounded_gradient"}"#),
        "G",
        8.5f64.sqrt(),
    );
    near(&case(convex, r#"{"theorem": "proxy_smooth"}"#), "L", 6.8);
    let rate = case(pl, r#"{"theorem": "linear_rate"}"#);
    near(&rate, "sigma", 4.25f64.sqrt());
    near(&rate, "L", 2.5);
    Claim::new(&complete(&rate).unwrap().expect("a case")).unwrap();
}

/// With `tau f` in the place of `g`, the constant of `norm(grad f)^2 <= L g` grows by `1/tau`: `f = x^2/2` has `2/tau`.
#[test]
fn a_weaker_proxy_needs_a_larger_constant() {
    let text = r#"{"name": "a", "parameters": {"x": []}, "define": {"f": "x^2/2"},
        "claim": {"weakly_quasi_convex": {"f": "f", "tau": "1/2"}},
        "region": {"w": {"box": [-1, 1]}, "v": {"point": 0}},
        "descent": {"method": "gd", "step": "1/16", "steps": 10, "start": 1},
        "guarantee": {"theorem": "proxy_smooth"}}"#;
    let case = Case::parse(text, "case.json", Path::new("."), false).unwrap();
    let whole = complete(&case).unwrap().expect("a case");
    let Some(GuaranteeSpec::Theorem { constants, .. }) = &whole.guarantee else {
        panic!("a theorem");
    };
    let found: f64 = constants["L"].value.parse().unwrap();
    assert!((4.0..=4.01).contains(&found), "{found}");
}
