//! Claims of convexity: compositions whose truth is known by construction, their near twins, random
//! compositions against differences of their values, and forged certificates.

use std::path::Path;

use dashu_ratio::RBig;
use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::verify;
use proxycert::claim::Claim;
use proxycert::engine::points::Points;
use proxycert::engine::prove::convexity::{self, CONVEXITY, GAP, HESSIAN};
use proxycert::engine::prove::{RULE, lifting, prove};
use proxycert::engine::{self, Options, Silent, Verdict};
use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::tensor::Evaluator;
use proxycert::eval::{Arithmetic, Flags};
use proxycert::graph::op::{Binary, Input, Unary};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A claim about `f` of `x` (so many coordinates), with the box of `w` and of `v`.
fn load(dimension: usize, f: &str, claim: &str, region: &str) -> (Case, Claim) {
    try_load(dimension, f, claim, region).unwrap_or_else(|e| panic!("{f}\n{e}"))
}

/// The same; an error where the expression is refused, as `log(-1)` is.
fn try_load(dimension: usize, f: &str, claim: &str, region: &str) -> Result<(Case, Claim), String> {
    let text = format!(
        r#"{{"name": "a", "parameters": {{"x": [{dimension}]}}, "define": {{"f": "{f}"}},
            "data": {{"A": [[1, -2], [0.5, 1], [-1.5, 0]], "b": [0.5, -1, 0.25], "p": [1, 2, 0.5]}},
            "claim": {claim}, "region": {region}, "check": {{"samples": 50, "starts": 2, "tolerance": 0}}}}"#
    );
    let case = Case::parse(&text, "case.json", Path::new("."), false).map_err(|error| error.to_string())?;
    let claim = Claim::new(&case).map_err(|error| error.render(false))?;
    Ok((case, claim))
}

fn options(claim: &Claim, max_boxes: u64) -> Options {
    Options {
        samples: 50,
        seed: 1,
        confidence: 0.99,
        tolerance: engine::tolerance(claim),
        max_boxes,
        starts: 2,
        device: None,
    }
}

fn boxes(w: &str) -> String {
    let w = w.replace('[', "[\"").replace(", ", "\", \"").replace(']', "\"]");
    format!(r#"{{"w": {{"box": {w}}}, "v": {{"box": {w}}}}}"#)
}

const CONVEX: &str = r#"{"convex": {"f": "f"}}"#;
const PINSKER: &str = r#"{"inequality":
    "f(w) - f(v) - dot(grad(f)(v), w - v) >= 1/2*sum(abs(grad(f)(w) - grad(f)(v)))^2"}"#;

/// The rule that proves a claim, if one does; a proof must be accepted by `verify`.
fn rule(case: &Case, claim: &Claim, max_boxes: u64) -> Option<String> {
    let (proof, _) = prove(claim, &Points::new(claim, 1), &options(claim, max_boxes))?;
    if !proof.complete() {
        return None;
    }
    let findings = engine::run(claim, &options(claim, max_boxes), &Silent).unwrap();
    assert_eq!(findings.verdict, Verdict::Proved, "{}", findings.reason);
    let certificate = Certificate::new(case, claim, options(claim, max_boxes), findings, 0.0);
    verify(&certificate, case, claim, &Silent).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    Some(proof.rule)
}

/// Convex by composition on the box, for the reason beside it.
const COMPOSED: &[(&str, &str, &str)] = &[
    // affine, constant
    ("[-1, 1]", "3 * x[0] - x[1]/2 + 1", "affine"),
    ("[-1, 1]", "pi + 0 * x[0]", "constant"),
    ("[-1, 1]", "sum(p * (A @ x)) - sum(x)", "affine through a matrix"),
    // one function of an affine map
    ("[-1, 1]", "(2 * x[0] - x[1] + 1/3)^2", "square"),
    ("[-1, 1]", "(x[0] - x[1])^4 - x[0]", "even power"),
    (
        "[0, 1]",
        "x[0]^3 + x[1]^(5/2)",
        "powers above one of what is not negative",
    ),
    (
        "[1/2, 2]",
        "1/x[0] + 1/x[1]^3 + x[0]^(-1/2)",
        "negative powers of what is positive",
    ),
    (
        "[-2, -1/2]",
        "x[0]^-2 - 1/x[1]",
        "negative powers of what is negative",
    ),
    (
        "[1/2, 2]",
        "-sqrt(x[0]) - x[1]^(1/3) - log(x[0]) - log1p(x[1])",
        "minus concave ones",
    ),
    (
        "[-1, 1]",
        "sum(abs(A @ x - b)) + relu(x[0] - 1/3) + max(x[1], -x[1]/2)",
        "kinks",
    ),
    (
        "[-1, 1]",
        "leaky_relu(x[0], 1/5) + leaky_relu(x[1], -3) + leaky_relu(x[0], 1)",
        "slopes up to one",
    ),
    ("[-1, 1]", "-leaky_relu(x[0], 3/2)", "minus min(x, 3x/2)"),
    (
        "[-1, 1]",
        "mean(softplus(A @ x)) - mean(log_sigmoid(x)) + mean(exp(x))",
        "smooth ones",
    ),
    (
        "[-1, 1]",
        "mean(log(1 + exp(-(A @ x)))) + mean(log1p(exp(x)))",
        "softplus in other words",
    ),
    ("[-1, 1]", "-mean(log(sigmoid(A @ x)))", "log-concave"),
    (
        "[-1, 1]",
        "logsumexp(A @ x + b) - log_softmax(A @ x)[1]",
        "log-sum-exp",
    ),
    (
        "[-1, 1]",
        "-log(softmax(A @ x)[0]) + log(sum(p * exp(A @ x)))",
        "log-sum-exp in other words",
    ),
    ("[-1, 1]", "max(A @ x) - min(x)", "largest and minus smallest"),
    (
        "[-1, 1]",
        "exp(x[0]) * exp(2 * x[1]) + exp(x[0])^3 / exp(x[1])",
        "products of exponentials",
    ),
    (
        "[-3, 0]",
        "sum(tanh(x)) + sum(sigmoid(x)) + sum(erf(x))",
        "left of zero",
    ),
    (
        "[0, 3]",
        "-sum(tanh(x)) - sum(sigmoid(x)) - sum(erf(x))",
        "minus, right of zero",
    ),
    ("[0, 3]", "-sum(sin(x))", "minus the sine up to 3 < pi"),
    ("[2, 4]", "sum(cos(x))", "the cosine between pi/2 and 3 pi/2"),
    ("[1, 2]", "norm(A @ x) + norm(x)^3", "norms away from zero"),
    // compositions
    (
        "[-1, 1]",
        "mean((relu(A @ x) + p)^2)",
        "square of a convex function that is not negative",
    ),
    ("[-1, 1]", "exp(x[0]^2 + abs(x[1]))", "growing of convex"),
    (
        "[1/2, 2]",
        "-sqrt(min(x[0], x[1])) + 1/sqrt(x[0])",
        "falling of concave",
    ),
    (
        "[1/2, 2]",
        "exp(-sqrt(x[0] + x[1]))",
        "convex and falling of concave",
    ),
    ("[-1, 1]", "relu(relu(x[0]) + x[1]^2 - 1/2)", "kink of kink"),
    (
        "[-1, 1]",
        "(-1 - x[0]^2)^2",
        "square of a concave function that is not positive",
    ),
    (
        "[-1, 1]",
        "-tanh(log1p(2 + x[0]))",
        "minus growing and concave of concave",
    ),
    // quadratic over linear, perspectives
    (
        "[1/4, 2]",
        "((2 * x[0] - x[1])^2 + 3)/(x[0] + x[1])",
        "squares over affine",
    ),
    (
        "[1/4, 2]",
        "relu(x[0] - 1)^2/sqrt(x[1])",
        "square of convex over concave",
    ),
    ("[1/4, 2]", "x[1] * exp(x[0]/x[1])", "perspective of exp"),
    (
        "[1/4, 2]",
        "x[1] * mean(softplus(A @ (x / x[1])))",
        "perspective through a matrix",
    ),
    ("[1/4, 2]", "x[1] * log(x[1]/x[0])", "relative entropy"),
    (
        "[1/4, 2]",
        "-x[1] * log(x[0]/x[1]) + sum(x * log(x))",
        "the same, and minus the entropy",
    ),
    (
        "[1/4, 2]",
        "sum(A @ x) - sum((x[0] + x[1]) * log(p / (x[0] + x[1]) + 1))",
        "affine plus affine",
    ),
    (
        "[1/4, 2]",
        "(x[0] + x[1]) * logsumexp(concat(x[0], 2 * x[1]) / (x[0] + x[1]))",
        "perspective of log-sum-exp",
    ),
    (
        "[1/4, 2]",
        "x[1] * relu(x[0]/x[1] - 1) + x[1] * (3 * x[0]/x[1] + 2)",
        "perspectives of a kink and of affine",
    ),
    (
        "[1/4, 2]",
        "x[1] * log(1 + exp(x[0]/x[1]))",
        "perspective of softplus in other words",
    ),
    (
        "[1/4, 2]",
        "x[0] * softplus(x[0]/x[1] - 1)",
        "x psi(y/x), psi(r) = softplus(1/r - 1)",
    ),
    (
        "[-2, -1/4]",
        "-x[1] * exp(x[0]/x[1]) - x[0]^2/x[1]",
        "negative denominators",
    ),
];

#[test]
fn compositions_are_proved_by_their_rules() {
    for (region, f, why) in COMPOSED {
        let (case, claim) = load(2, f, CONVEX, &boxes(region));
        assert_eq!(rule(&case, &claim, 1).as_deref(), Some(CONVEXITY), "{f}: {why}");
    }
}

/// Not convex on the box, or not a claim that is defined there.
const TWINS: &[(&str, &str, &str)] = &[
    ("[-1, 1]", "-(2 * x[0] - x[1] + 1/3)^2", "wrong sign"),
    ("[-1, 1]", "x[0] * x[1]", "a saddle"),
    ("[-1, 1]", "sum((A @ x) * (A @ x)) - 4 * x[0]^2", "a difference"),
    ("[-1, 1]", "x[0]^3 + x[1]^2", "an odd power around zero"),
    ("[-1/1000000, 1]", "x[0]^3 + x[1]^2", "just around zero"),
    ("[0, 1]", "1/x[0]", "undefined at zero"),
    ("[-1, 1]", "1/x[0]^2", "undefined at zero"),
    ("[-2, -1/2]", "1/x[0]", "concave left of zero"),
    ("[1/2, 2]", "sqrt(x[0])", "concave"),
    ("[0, 1]", "-sqrt(x[0])", "no gradient at zero"),
    ("[-1, 1]", "norm(x)", "no gradient at zero"),
    ("[-1, 1]", "leaky_relu(x[0], 3/2)", "slope above one"),
    ("[-1, 1]", "-leaky_relu(x[0], 1/2)", "minus a convex one"),
    ("[-1, 1]", "leaky_relu(x[0], x[1])", "a slope that varies"),
    ("[-1, 1]", "min(x[0], x[1])", "the smaller"),
    ("[-1, 1]", "mean((relu(A @ x) - p)^2)", "positive targets"),
    (
        "[-1, 1]",
        "(abs(x[0]) - 1/4)^2",
        "square that falls and rises again",
    ),
    ("[-1, 1]", "exp(-(x[0]^2))", "falling of convex"),
    (
        "[-1, 1]",
        "abs(relu(x[0]) - relu(-x[1])) - relu(x[0])",
        "convex minus convex",
    ),
    ("[-3, 1/100]", "sum(tanh(x))", "the side changes"),
    ("[-1/100, 3]", "-sum(sigmoid(x))", "the side changes"),
    ("[-1/100, 3]", "-sum(erf(x))", "the side changes"),
    ("[0, 4]", "-sum(sin(x))", "beyond pi"),
    ("[3/2, 4]", "sum(cos(x))", "before pi/2"),
    ("[-1, 1]", "log(1 + exp(x[0]^2 - x[1]^2))", "softplus of a saddle"),
    (
        "[-1, 1]",
        "log(exp(x[0]) + exp(x[1])/2) - log(exp(2*x[0]) + 1)",
        "difference of log-sum-exps",
    ),
    ("[-1, 1]", "log(softmax(A @ x)[0])", "log-concave"),
    ("[-1, 1]", "softmax(A @ x)[0]", "softmax itself"),
    (
        "[-1, 1]",
        "log(2 * exp(x[0]) - exp(x[0] - 1) + exp(x[1]) - exp(x[0] + x[1])/100)",
        "a negative weight",
    ),
    (
        "[1/4, 2]",
        "exp(x[0]) / exp(x[1]^2)",
        "quotient of exponentials of convex functions",
    ),
    // quadratic over linear, perspectives
    ("[1/4, 2]", "x[0]^2/x[1]^2", "over a square"),
    ("[1/4, 2]", "x[0]/x[1]", "linear over linear"),
    (
        "[1/4, 2]",
        "(x[0]^2 - x[1])^2/x[1]",
        "square of a function around zero",
    ),
    ("[1/4, 2]", "(1 + x[0])/x[1]", "affine over linear"),
    ("[-1, 2]", "x[0]^2/x[1]", "denominator around zero"),
    ("[0, 2]", "x[0]^2/x[1]", "denominator down to zero"),
    ("[-2, -1/4]", "x[0]^2/x[1]", "negative denominator"),
    ("[1/4, 2]", "x[1] * softplus(x[0]/x[1]^2)", "not a perspective"),
    (
        "[1/4, 2]",
        "x[0] * softplus(1 - x[0]/x[1])",
        "x softplus(1 - x) for x[1] = 1",
    ),
    (
        "[1/4, 2]",
        "x[1] * exp(x[1]/x[0]) - x[1]^2/x[0] - x[0] * exp(x[1]/x[0])",
        "the wrong factor",
    ),
    ("[1/4, 2]", "-x[1] * exp(x[0]/x[1])", "minus a perspective"),
    ("[1/4, 2]", "-x[1] * log(x[1]/x[0])", "minus the relative entropy"),
    ("[1/4, 2]", "x[1] * log(x[0]/x[1])", "minus the relative entropy"),
    ("[1/4, 2]", "x[0] * log(x[1])", "entropy with the wrong factor"),
    ("[1/4, 2]", "-sum(x * log(x))", "the entropy"),
    ("[1/4, 2]", "x[1] * exp(-x[1])", "a decay is no perspective of it"),
    ("[-2, -1/4]", "x[1] * exp(x[0]/x[1])", "negative denominator"),
    (
        "[1/4, 2]",
        "x[1] * tanh(x[0]/x[1])",
        "perspective of a concave function",
    ),
    (
        "[1/4, 2]",
        "x[1] * exp(x[0]/x[1]) + x[0] * log(x[0]/x[1]) - 2 * x[0]^2 / x[1]",
        "one term too many",
    ),
];

#[test]
fn near_twins_are_not_proved() {
    for (region, f, why) in TWINS {
        let (case, claim) = load(2, f, CONVEX, &boxes(region));
        assert_eq!(rule(&case, &claim, 300), None, "{f}: {why}");
    }
}

/// Convex functions whose graph yields derivatives at a kink that are no subgradients: the claim speaks of
/// every derivative, and is false for these.
#[test]
fn convex_functions_with_wrong_derivatives_at_kinks_are_not_proved() {
    for f in [
        // x[0], with every derivative in [0, 2] at 0
        "relu(x[0]) - relu(-x[0])",
        // relu(x[0]), with every derivative in [-1, 1] at 0
        "abs(relu(x[0]))",
        // |x[0]| = 2 relu(x[0]) - x[0], with another kink that cancels
        "abs(x[0]) + relu(x[1]) - max(x[1], 0)",
        // 0
        "min(x[0], 0) + relu(-x[0])",
        // relu(x[0])^2 is smooth, and the square grows there: this one is right, and not seen
        "relu(-relu(x[0]))",
    ] {
        let (case, claim) = load(2, f, CONVEX, &boxes("[-1, 1]"));
        assert_eq!(rule(&case, &claim, 300), None, "{f}");
    }
    // at the edge of the box the element 0 of relu' is still a subgradient, but -1 of abs' is none of x
    let (case, claim) = load(1, "relu(x[0])", CONVEX, &boxes("[0, 1]"));
    assert_eq!(rule(&case, &claim, 1).as_deref(), Some(CONVEXITY));
    let (case, claim) = load(1, "abs(relu(x[0]) + x[0])", CONVEX, &boxes("[0, 1]"));
    assert_eq!(rule(&case, &claim, 300), None);
    let (case, claim) = load(1, "-relu(x[0])", CONVEX, &boxes("[0, 1]"));
    assert_eq!(rule(&case, &claim, 300), None);
}

#[test]
fn the_kinds_that_follow_from_convexity() {
    let square = boxes("[-1, 1]");
    let fixed = r#"{"w": {"box": [-1, 1]}, "v": {"point": [0, 0]}}"#;
    let apart = r#"{"w": {"box": [1, 2]}, "v": {"box": [-2, -1]}}"#;
    for (f, claim, region, expected) in [
        (
            "abs(x[0])",
            r#"{"proxy_convexity": {"f": "f", "g": "f(w)", "h": "f(v)"}}"#,
            square.as_str(),
            true,
        ),
        // h = f + c: proved for c >= 0, false for c < 0
        (
            "abs(x[0])",
            r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "f + 1/10"}}"#,
            &square,
            true,
        ),
        (
            "abs(x[0])",
            r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "f - 1/10"}}"#,
            &square,
            false,
        ),
        (
            "abs(x[0])",
            r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "99/100 * f"}}"#,
            &square,
            false,
        ),
        (
            "abs(x[0])",
            r#"{"proxy_convexity": {"f": "f", "g": "f + 1/10", "h": "f"}}"#,
            &square,
            false,
        ),
        (
            "abs(x[0])",
            r#"{"proxy_convexity": {"f": "f", "g": "f(v)", "h": "f(w)"}}"#,
            &square,
            false,
        ),
        ("abs(x[0])", r#"{"star_convex": {"f": "f"}}"#, fixed, true),
        (
            "abs(x[0])",
            r#"{"weakly_quasi_convex": {"f": "f", "tau": 1}}"#,
            &square,
            true,
        ),
        // tau < 1 needs f(w) >= f(v), which holds for the minimizer v = 0 only
        (
            "abs(x[0])",
            r#"{"weakly_quasi_convex": {"f": "f", "tau": "1/2"}}"#,
            fixed,
            true,
        ),
        (
            "abs(x[0])",
            r#"{"weakly_quasi_convex": {"f": "f", "tau": -3}}"#,
            fixed,
            true,
        ),
        (
            "abs(x[0])",
            r#"{"weakly_quasi_convex": {"f": "f", "tau": "1/2"}}"#,
            &square,
            false,
        ),
        (
            "abs(x[0])",
            r#"{"weakly_quasi_convex": {"f": "f", "tau": "1001/1000"}}"#,
            fixed,
            false,
        ),
        // a ridge term of exactly the modulus, and a little more than it
        (
            "abs(x[0]) + sum(x^2)",
            r#"{"strongly_convex": {"f": "f", "mu": 2}}"#,
            &square,
            true,
        ),
        (
            "softplus(x[0]) + dot(w, w)/2",
            r#"{"strongly_convex": {"f": "f", "mu": 1}}"#,
            &square,
            true,
        ),
        (
            "abs(x[0]) + sum(x^2)",
            r#"{"strongly_convex": {"f": "f", "mu": "2001/1000"}}"#,
            &square,
            false,
        ),
        // convex on both regions, not between them: the tangent at w fails
        ("-abs(x[0])", CONVEX, apart, false),
        ("relu(1 - abs(x[0] - 1/2))", CONVEX, apart, false),
        ("1/x[0]^2", CONVEX, apart, false),
    ] {
        let (case, claim) = load(2, f, claim, region);
        let found = rule(&case, &claim, 200);
        let wanted = expected.then_some(CONVEXITY);
        assert_eq!(found.as_deref(), wanted, "{claim:?} {f}", claim = case.claim.kind);
    }
    // written out with a kink, it is proved by its pieces
    let written = r#"{"inequality": "dot(grad(f)(w), w - v) >= f(w) - f(v)"}"#;
    let (case, claim) = load(2, "abs(x[0])", written, &square);
    assert_eq!(rule(&case, &claim, 200).as_deref(), Some(lifting::RULE));
}

#[test]
fn smooth_functions_by_their_hessian() {
    for (dimension, f, claim, region, expected) in [
        // the Hessian is [[2, c], [c, 2]]; then one that varies
        (2, "x[0]^2 + x[1]^2 + x[0]*x[1]", CONVEX, "[-1, 1]", true),
        (2, "x[0]^2 + x[1]^2 + 2.01*x[0]*x[1]", CONVEX, "[-1, 1]", false),
        (3, "sum(x^2) + x[0]*x[1]*x[2]/4", CONVEX, "[-1, 1]", true),
        (1, "x[0]^2 + sin(x[0])", CONVEX, "[-20, 20]", true),
        (1, "x[0]^2/2 + 1.01*sin(x[0])", CONVEX, "[-20, 20]", false),
        (1, "x[0]*tanh(x[0])", CONVEX, "[-3/4, 3/4]", true),
        (1, "x[0]*tanh(x[0])", CONVEX, "[-2, 2]", false),
        // the least second derivative of softplus on [-1, 1] is e/(1+e)^2 = 0.19661
        (
            1,
            "softplus(x[0])",
            r#"{"strongly_convex": {"f": "f", "mu": "0.1966"}}"#,
            "[-1, 1]",
            true,
        ),
        (
            1,
            "softplus(x[0])",
            r#"{"strongly_convex": {"f": "f", "mu": "0.1967"}}"#,
            "[-1, 1]",
            false,
        ),
        // of x^2 + 3 sin^2 x it is 2 + 6 cos 2x, which is negative at pi/2 and positive up to 0.95
        (1, "x[0]^2 + 3*sin(x[0])^2", CONVEX, "[-0.95, 0.95]", true),
        (1, "x[0]^2 + 3*sin(x[0])^2", CONVEX, "[-0.96, 0.96]", false),
        // a coordinate on which nothing depends, and one on which it is linear
        (3, "x[0]^2 + sin(x[0]) - x[2]", CONVEX, "[-1, 1]", true),
        // kinks: convex pieces that do not fit, and a kink that does, which this rule does not see
        (1, "x[0]^2 - abs(x[0])", CONVEX, "[-1, 1]", false),
        (
            1,
            "x[0]^2 - abs(x[0]) - x[0]*tanh(x[0])/3",
            CONVEX,
            "[1/10, 1/2]",
            true,
        ),
        (
            1,
            "x[0]^2 + sin(x[0]) - relu(x[0] - 1/3)",
            CONVEX,
            "[-1, 1]",
            false,
        ),
        (
            1,
            "x[0]^2 + sin(x[0]) + sign(x[0] - 1/3)",
            CONVEX,
            "[-1, 1]",
            false,
        ),
        (1, "x[0]^2 + sin(x[0]) + 0*sqrt(x[0])", CONVEX, "[-1, 1]", false),
        // second derivative undefined at 0
        (1, "x[0]^2 + sin(x[0]) + x[0]^(3/2)", CONVEX, "[0, 1]", false),
        // singular along (1, 1), exactly
        (
            2,
            "(x[0] - x[1]) * (x[0] - x[1] + sin(x[0] - x[1]))",
            CONVEX,
            "[-1/2, 1/2]",
            true,
        ),
    ] {
        let (case, claim) = load(dimension, f, claim, &boxes(region));
        let found = rule(&case, &claim, 4_000);
        assert_eq!(found.as_deref(), expected.then_some(HESSIAN), "{f} on {region}");
    }
    // singular at a point, which the second derivative as a function of one variable touches from above
    let (case, claim) = load(1, "x[0] * tanh(x[0])^3", CONVEX, &boxes("[-1/2, 1/2]"));
    assert_eq!(rule(&case, &claim, 4_000).as_deref(), Some(HESSIAN));
    let (case, claim) = load(
        1,
        "x[0] * tanh(x[0])^3 - x[0]^2/10^6",
        CONVEX,
        &boxes("[-1/2, 1/2]"),
    );
    assert_eq!(rule(&case, &claim, 4_000), None);
}

/// `f(w) - f(v) + c` with a concave part in `f`: the slack of `-(k/2)|x|^2` is `c - (k/2)|w - v|^2`, so the claim
/// holds exactly for `c >= (k/2) D^2`.
#[test]
fn almost_convex_functions_with_their_surplus() {
    let ball = |radius: &str| format!(r#"{{"ball": {{"center": ["1/3", 1], "radius": "{radius}"}}}}"#);
    let pair = |w: &str, v: &str| format!(r#"{{"w": {w}, "v": {v}}}"#);
    let boxed = r#"{"box": [-1, "1/2"]}"#;
    let point = r#"{"point": ["1/3", 1]}"#;
    let apart = r#"{"point": ["1/3", 2]}"#;
    // region, D^2
    for (region, squared) in [
        (pair(&ball("1/4"), &ball("1/4")), 0.25),
        (pair(&ball("1/4"), point), 0.0625),
        (pair(&ball("1/4"), apart), 1.5625),
        (pair(boxed, boxed), 4.5),
    ] {
        for (c, expected) in [(1.5 * squared + 1e-6, true), (1.5 * squared - 1e-6, false)] {
            let claim = format!(r#"{{"proxy_convexity": {{"f": "f", "g": "f", "h": "f + {c:.9}"}}}}"#);
            for f in ["-3/2 * sum(x^2) + 1", "-3/2 * sum(x^2) + 0 * sin(x[0])"] {
                let (case, claim) = load(2, f, &claim, &region);
                let found = rule(&case, &claim, 500);
                assert_eq!(found.as_deref(), expected.then_some(HESSIAN), "{f} {c} {region}");
            }
        }
    }
    // no surplus at a kink that is not convex, however small the region
    let claim = r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "f + 1/100"}}"#;
    let (case, claim) = load(2, "-abs(x[0] - 1/3)", claim, &pair(&ball("1/10"), &ball("1/10")));
    assert_eq!(rule(&case, &claim, 500), None);
}

/// Binary64 with any element of the derivative's set at a kink, drawn anew for every entry.
struct AnyElement {
    inner: FloatArithmetic,
    rng: ChaCha8Rng,
}

impl AnyElement {
    fn between(&mut self, lo: f64, hi: f64) -> f64 {
        let share = [0.0, 1.0, 0.5, 0.25][self.rng.random_range(0..4)];
        lo + share * (hi - lo)
    }
}

impl Arithmetic for AnyElement {
    type Value = f64;

    fn rational(&mut self, x: &RBig) -> f64 {
        self.inner.rational(x)
    }
    fn float(&mut self, x: f64) -> f64 {
        x
    }
    fn pi(&mut self) -> f64 {
        self.inner.pi()
    }
    fn unary(&mut self, op: Unary, x: &f64) -> f64 {
        match op {
            Unary::Sign if *x == 0.0 => self.between(-1.0, 1.0),
            Unary::Step | Unary::StepRight if *x == 0.0 => self.between(0.0, 1.0),
            _ => self.inner.unary(op, x),
        }
    }
    fn binary(&mut self, op: Binary, x: &f64, y: &f64) -> f64 {
        match op {
            Binary::LeakyStep if *x == 0.0 => self.between(1.0, *y),
            _ => self.inner.binary(op, x, y),
        }
    }
    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a f64, &'a f64)>) -> f64 {
        self.inner.dot(pairs)
    }
    fn sum<'a>(&mut self, entries: impl Iterator<Item = &'a f64>) -> f64 {
        self.inner.sum(entries)
    }
    fn max(&mut self, entries: &[f64]) -> f64 {
        self.inner.max(entries)
    }
    fn log_sum_exp(&mut self, entries: &[f64]) -> f64 {
        self.inner.log_sum_exp(entries)
    }
    fn softmax(&mut self, entries: &[f64], out: &mut [f64]) {
        self.inner.softmax(entries, out);
    }
    fn arg_max(&mut self, entries: &[f64], out: &mut [f64]) {
        let largest = self.inner.max(entries);
        for (x, weight) in entries.iter().zip(out.iter_mut()) {
            *weight = if *x == largest {
                self.between(0.0, 1.0)
            } else {
                0.0
            };
        }
        let total: f64 = out.iter().sum();
        if total == 0.0 {
            self.inner.arg_max(entries, out);
        } else {
            out.iter_mut().for_each(|weight| *weight /= total);
        }
    }
    fn take_flags(&mut self) -> Flags {
        Flags::default()
    }
}

/// A random expression of `x[0]` and `x[1]`.
fn draw(rng: &mut ChaCha8Rng, depth: u32) -> String {
    if depth == 0 || rng.random_range(0..7) == 0 {
        let number =
            |rng: &mut ChaCha8Rng| ["-2", "-1", "-1/2", "0", "1/2", "1", "2"][rng.random_range(0..7)];
        let (a, b, c) = (number(rng), number(rng), number(rng));
        return match rng.random_range(0..4) {
            0 => "x[0]".to_owned(),
            1 => "x[1]".to_owned(),
            2 => format!("(x[0] + ({c}))"),
            _ => format!("(({a})*x[0] + ({b})*x[1] + ({c}))"),
        };
    }
    let a = draw(rng, depth - 1);
    match rng.random_range(0..34) {
        0..=2 => format!("({a} + {})", draw(rng, depth - 1)),
        3 => format!("({a} - {})", draw(rng, depth - 1)),
        4 => format!("(-{a})"),
        5 => format!("relu({a})"),
        6 => format!("abs({a})"),
        7 => format!("max({a}, {})", draw(rng, depth - 1)),
        8 => format!("min({a}, {})", draw(rng, depth - 1)),
        9 | 10 => format!("({a})^2"),
        11 => format!("exp({a}/2)"),
        12 => format!("softplus({a})"),
        13 => {
            let slope = ["-1/2", "0", "1/4", "1", "3/2"][rng.random_range(0..5)];
            format!("leaky_relu({a}, {slope})")
        }
        14 => format!("log({a})"),
        15 => format!("sqrt({a} + 1)"),
        16 => format!("(1/({a}))"),
        17 => format!("log1p(exp({a}))"),
        18 => format!("tanh({a})"),
        19 => format!("sigmoid({a})"),
        20 => format!("sin({a})"),
        21 => format!("({a} * {})", draw(rng, depth - 1)),
        22 => format!("({a} / {})", draw(rng, depth - 1)),
        23 => format!("norm(concat({a}, {}))", draw(rng, depth - 1)),
        24 => format!("logsumexp(concat({a}, {}))", draw(rng, depth - 1)),
        25 => format!("max(concat({a}, {}, 0))", draw(rng, depth - 1)),
        26 => {
            let t = draw(rng, 0);
            let psi = ["exp", "softplus", "relu", "abs", "tanh", "sqrt"][rng.random_range(0..6)];
            format!("({t} * {psi}({a}/{t}))")
        }
        27 => format!("(({a})^2/{})", draw(rng, depth - 1)),
        28 => format!("({a})^3"),
        29 => format!("({a} + 1)^(3/2)"),
        30 => format!("log(exp({a}) + {})", draw(rng, depth - 1)),
        31 => format!("log(softmax(concat({a}, x))[0])"),
        32 => format!("(exp({a}) * {})", draw(rng, depth - 1)),
        _ => format!("erf({a})"),
    }
}

/// What is proved of random compositions holds: midpoint convexity at thousands of pairs, and the slack
/// with any element of the derivatives at kinks, which the grid of the points meets often.
#[test]
fn proved_random_compositions_are_convex() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let rounds = std::env::var("PROXYCERT_CONVEXITY")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(4_000);
    let (mut proved, mut kinked, mut curved, mut smooth) = (0, 0, 0, 0);
    for _ in 0..rounds {
        let depth = rng.random_range(1..=4);
        let f = format!("{} + 0*sum(x)", draw(&mut rng, depth));
        let (lo, hi) =
            [(-2.0, 2.0), (0.0, 2.0), (0.5, 2.0), (-2.0, 0.0), (-1.0, 0.5)][rng.random_range(0..5)];
        let Ok((case, claim)) = try_load(2, &f, CONVEX, &boxes(&format!("[{lo}, {hi}]"))) else {
            continue;
        };
        let Some(proof) = convexity::prove(&claim, &options(&claim, 64)) else {
            continue;
        };
        proved += 1;
        let what = format!("{f} on [{lo}, {hi}] by {}", proof.rule);
        if proved % 8 == 0 {
            assert!(rule(&case, &claim, 64).is_some(), "{what}");
        }
        let mut value = Evaluator::new(
            &claim.graph,
            &claim.convexity.as_ref().unwrap().functions,
            FloatArithmetic,
        );
        let any = AnyElement {
            inner: FloatArithmetic,
            rng: ChaCha8Rng::seed_from_u64(proved),
        };
        let mut slack = Evaluator::new(&claim.graph, &[claim.slack], any);
        let mut at = |x: &[f64]| {
            value.run(&[(Input::W, x)]);
            value.root(0)[0]
        };
        let draw_point = |rng: &mut ChaCha8Rng| -> Vec<f64> {
            // multiples of 1/4 meet the kinks
            let grid = rng.random_range(0..2) == 0;
            (0..2)
                .map(|_| {
                    let x: f64 = lo + (hi - lo) * rng.random::<f64>();
                    if grid { (x * 4.0).round() / 4.0 } else { x }
                })
                .collect()
        };
        let mut largest: f64 = 0.0;
        for _ in 0..1_000 {
            let (w, v) = (draw_point(&mut rng), draw_point(&mut rng));
            let middle: Vec<f64> = w.iter().zip(&v).map(|(a, b)| 0.5 * a + 0.5 * b).collect();
            let (a, b, m) = (at(&w), at(&v), at(&middle));
            // where binary64 nears its end, the slack is infinity minus infinity
            if a.abs().max(b.abs()) > 1e100 {
                continue;
            }
            let scale = 1e-11 * (1.0 + a.abs().max(b.abs()).max(m.abs()));
            assert!(m <= 0.5 * (a + b) + scale, "{what}: {w:?}, {v:?}: {a} {b} {m}");
            largest = largest.max(0.5 * (a + b) - m);
            slack.run(&[(Input::W, &w), (Input::V, &v)]);
            let found = slack.root(0)[0];
            assert!(found >= -10.0 * scale, "{what}: {w:?}, {v:?}: slack {found}");
        }
        let kinks = ["relu", "abs", "max", "min"];
        kinked += u32::from(kinks.iter().any(|kink| f.contains(kink)));
        curved += u32::from(largest > 1e-3);
        smooth += u32::from(proof.rule == HESSIAN);
    }
    assert!(
        proved > rounds / 8
            && kinked as u64 > rounds / 40
            && curved as u64 > rounds / 12
            && smooth as u64 > rounds / 200,
        "{proved} of {rounds} proved, {kinked} with kinks, {curved} curved, {smooth} by their Hessian"
    );
}

/// A certificate for one claim and rule is nothing for another.
#[test]
fn forged_certificates_are_refused() {
    let specimens = [
        (CONVEXITY, "softplus(x[0]) + abs(x[1])"),
        (HESSIAN, "x[0]^2 + sin(x[0]) + x[1]^2 + x[0]*x[1]/8"),
        (lifting::RULE, ""),
        (GAP, "logsumexp(x)"),
    ];
    let region = boxes("[-1, 1]");
    for (name, f) in specimens {
        let (f, text) = match name {
            lifting::RULE => ("sum(x^2)", r#"{"inequality": "f(w) + 1 >= f(v)/2"}"#),
            GAP => (f, PINSKER),
            _ => (f, CONVEX),
        };
        let (case, claim) = load(2, f, text, &region);
        let findings = engine::run(&claim, &options(&claim, 1_000), &Silent).unwrap();
        assert_eq!(findings.verdict, Verdict::Proved, "{f}: {}", findings.reason);
        let honest = Certificate::new(&case, &claim, options(&claim, 1_000), findings, 0.0);
        assert_eq!(honest.evidence.proof.as_ref().unwrap().rule, name);
        verify(&honest, &case, &claim, &Silent).unwrap();
        let accepts = |change: &dyn Fn(&mut proxycert::engine::prove::Proof), case: &Case, claim: &Claim| {
            let mut forged = honest.clone();
            change(forged.evidence.proof.as_mut().unwrap());
            // as far as a forger can make it fit
            forged.case = proxycert::certificate::case_record(case);
            forged.statement = proxycert::claim::statement::statement(case, claim);
            (forged.verdict, forged.reason) = engine::decide(&forged.evidence, &forged.options);
            forged.digest = forged.computed_digest();
            forged.verdict == Verdict::Proved && verify(&forged, case, claim, &Silent).is_ok()
        };
        assert!(accepts(&|_| {}, &case, &claim));
        for other in [
            RULE,
            CONVEXITY,
            HESSIAN,
            GAP,
            "",
            "Convexity",
            "convexity ",
            "hessian",
        ] {
            assert_eq!(
                accepts(&|proof| proof.rule = other.to_owned(), &case, &claim),
                other == name,
                "{name} as {other:?}"
            );
        }
        for tree in ["", "h", "n", "0/hh", "0/h", "hh", "0/1/hhh", "0/nh", "d", "2/hh"] {
            let honest_tree = &honest.evidence.proof.as_ref().unwrap().tree;
            let change = |proof: &mut proxycert::engine::prove::Proof| {
                proof.tree = tree.to_owned();
                proof.boxes = (tree.len() - tree.matches('/').count()).max(1) as u64;
                proof.depth = tree.matches('/').count() as u32;
            };
            // a finer tree with its true numbers is another proof
            let may = tree == honest_tree || (name == HESSIAN && ["0/hh", "0/1/hhh"].contains(&tree));
            assert!(may || !accepts(&change, &case, &claim), "{name}: {tree:?}");
        }
        assert!(!accepts(&|proof| proof.boxes += 1, &case, &claim));
        assert!(!accepts(&|proof| proof.depth += 1, &case, &claim));
        assert!(!accepts(&|proof| proof.settled = 0.5, &case, &claim));
        // the same proof of a false claim, and of a true one that is none of convexity
        for (f, text) in [
            ("x[0]^2 - x[1]^2", CONVEX),
            ("abs(x[0]) - relu(x[1])", CONVEX),
            (
                "sum(x^2)",
                r#"{"strongly_convex": {"f": "f", "mu": "2001/1000"}}"#,
            ),
            (
                "sum(x^2)",
                r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "99/100*f"}}"#,
            ),
            (
                "sum(x^2)",
                r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "f - 1/1000000"}}"#,
            ),
            ("sum(x^2)", r#"{"weakly_quasi_convex": {"f": "f", "tau": "1/2"}}"#),
            ("sum(x^2)", r#"{"one_point_convex": {"f": "f", "mu": 1}}"#),
            ("sum(x^2)", r#"{"inequality": "f(w) >= 1/1000000"}"#),
            ("logsumexp(x) - 1/8*sum(x^2)", PINSKER),
        ] {
            let (case, claim) = load(2, f, text, &region);
            for other in [CONVEXITY, HESSIAN, GAP] {
                let change = |proof: &mut proxycert::engine::prove::Proof| proof.rule = other.to_owned();
                assert!(!accepts(&change, &case, &claim), "{name} as {other} for {f}");
            }
            assert!(!accepts(&|_| {}, &case, &claim), "{name} for {f}");
        }
    }
}
