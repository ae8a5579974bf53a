//! Claims about the curvature between two points: smoothness, the descent lemma, and what else is written out.
//! Their truth is known by hand; near twins must not be proved.

use std::path::Path;

use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::verify;
use proxycert::claim::Claim;
use proxycert::engine::prove::Proof;
use proxycert::engine::prove::convexity::{self, CONVEXITY, GAP, HESSIAN};
use proxycert::engine::{self, Options, Silent, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A claim about `f` and `k` of `x`, so many coordinates, with both points in a box.
fn load(dimension: usize, f: &str, claim: &str, range: &str) -> (Case, Claim) {
    let text = format!(
        r#"{{"name": "a", "parameters": {{"x": [{dimension}]}},
            "data": {{"A": [[1, 2], [-1, 1], [0.5, -2]], "B": [[1, -1, 0], [0.5, 0, 2]]}},
            "define": {{"f": "{f}", "k": "sum(exp(x))", "r": "sum(abs(x))"}},
            "claim": {claim}, "region": {{"w": {{"box": {range}}}, "v": {{"box": {range}}}}},
            "check": {{"samples": 50, "starts": 2, "tolerance": "1e-12"}}}}"#
    );
    let case = Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|e| panic!("{f}: {e}"));
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{f}: {}", error.render(false)));
    (case, claim)
}

fn options(claim: &Claim) -> Options {
    Options {
        samples: 50,
        seed: 1,
        confidence: 0.99,
        tolerance: engine::tolerance(claim),
        max_boxes: 3_000,
        starts: 2,
        device: None,
    }
}

/// What the rules of this kind say; a proof must be accepted by `verify`.
fn proof((case, claim): &(Case, Claim)) -> Option<Proof> {
    let proof = convexity::prove(claim, &options(claim))?;
    certified(case, claim);
    Some(proof)
}

fn certified(case: &Case, claim: &Claim) -> Certificate {
    let findings = engine::run(claim, &options(claim), &Silent).unwrap();
    assert_eq!(findings.verdict, Verdict::Proved, "{}", findings.reason);
    let certificate = Certificate::new(case, claim, options(claim), findings, 0.0);
    verify(&certificate, case, claim, &Silent).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    certificate
}

fn smooth(bound: &str) -> String {
    format!(r#"{{"smooth": {{"f": "f", "L": "{bound}"}}}}"#)
}

fn inequality(text: &str) -> String {
    format!(r#"{{"inequality": "{text}"}}"#)
}

/// Functions on boxes with the least `L`, as an expression and the reason.
const LIPSCHITZ: &[(usize, &str, &str, &str)] = &[
    // f'' = 2 + 6 cos 2x
    (1, "sum(x^2 + 3*sin(x)^2)", "[-4, 4]", "8"),
    // f'' = 12 x^2
    (1, "sum(x^4)", "[-1, 1]", "12"),
    (1, "-sum(x^4)", "[-1, 1]", "12"),
    (1, "sum(exp(x))", "[-1, 1]", "exp(1)"),
    // A^T A = ((9/4, 0), (0, 9)), s (1 - s) <= 1/4
    (2, "mean(softplus(A @ x))", "[-2, 2]", "3/4"),
    // one ridge with |(1, 1)|^2 = 2
    (2, "sin(x[0] + x[1])", "[-2, 2]", "2"),
    (2, "x[0] * x[1]", "[-1, 1]", "1"),
    // eigenvalues 2 +- 1, and -3
    (2, "x[0]^2 + x[0]*x[1] + x[1]^2", "[-1, 1]", "3"),
    (2, "x[1]^2 - 3/2*x[0]^2", "[-1, 1]", "3"),
    // f'' = 2/x^3, largest at 1/2
    (1, "sum(1/x)", "[1/2, 3]", "16"),
];

#[test]
fn smoothness() {
    for (dimension, f, range, bound) in LIPSCHITZ {
        let range = range
            .replace('[', "[\"")
            .replace(", ", "\", \"")
            .replace(']', "\"]");
        for (factor, truth) in [
            ("(1 + 1/1000000)", true),
            ("101/100", true),
            ("(1 - 1/1000000)", false),
            ("99/100", false),
            ("0", false),
            ("(-1)", false),
        ] {
            let bound = format!("({bound})*{factor}");
            let claim = load(*dimension, f, &smooth(&bound), &range);
            let found = proof(&claim).map(|proof| proof.rule);
            assert_eq!(found.as_deref(), truth.then_some(HESSIAN), "{f}, {bound}");
        }
    }
}

/// The descent lemma in both directions and with the points in both orders: between `-L` and `L` from either side.
#[test]
fn descent_lemmas() {
    for (dimension, f, range, bound) in LIPSCHITZ {
        let range = range
            .replace('[', "[\"")
            .replace(", ", "\", \"")
            .replace(']', "\"]");
        for (factor, truth) in [("(1 + 1/1000000)", true), ("(1 - 1/1000000)", false)] {
            let bound = format!("({bound})*{factor}");
            if bound.contains("exp") {
                continue;
            }
            let both = [
                format!("f(v) <= f(w) + dot(grad(f)(w), v - w) + {bound}/2*norm(w - v)^2"),
                format!("f(w) - f(v) >= dot(grad(f)(v), w - v) - ({bound})*sum((v - w)^2)/2"),
            ];
            let proved = both.map(|text| proof(&load(*dimension, f, &inequality(&text), &range)).is_some());
            // one of the two sides has the larger curvature
            assert_eq!(proved.contains(&false), !truth, "{f}, {bound}: {proved:?}");
        }
    }
}

/// `f = x^2/2 + 4 softplus(x)` has its curvature in `[m, 2]` on `[-2, 2]`, with `m = 1 + 4 s(2) s(-2) = 1.4199...`.
const BOWL: &str = "sum(x^2/2 + 4*softplus(x))";

#[test]
fn written_out() {
    let cases = [
        // strong convexity, by hand
        (
            "f(v) >= f(w) + dot(grad(f)(w), v - w) + 1.41/2*norm(w - v)^2",
            true,
        ),
        (
            "f(v) >= f(w) + dot(grad(f)(w), v - w) + 1.43/2*norm(w - v)^2",
            false,
        ),
        ("dot(grad(f)(w), w - v) >= f(w) - f(v) + 0.7*sum((w - v)^2)", true),
        ("dot(grad(f)(w) - grad(f)(v), w - v) >= 1.41*norm(w - v)^2", true),
        ("dot(grad(f)(w) - grad(f)(v), w - v) >= 1.43*norm(w - v)^2", false),
        ("dot(grad(f)(v) - grad(f)(w), v - w) <= 2.001*norm(w - v)^2", true),
        (
            "dot(grad(f)(w) - grad(f)(v), w - v) <= 1.999*norm(w - v)^2",
            false,
        ),
        // co-coercivity: 0 <= x <= L
        (
            "2.001*dot(grad(f)(w) - grad(f)(v), w - v) >= norm(grad(f)(w) - grad(f)(v))^2",
            true,
        ),
        (
            "1.999*dot(grad(f)(w) - grad(f)(v), w - v) >= norm(grad(f)(w) - grad(f)(v))^2",
            false,
        ),
        // both at once: (x - 1.4)(2.1 - x) >= 0
        (
            "3.5*dot(grad(f)(w) - grad(f)(v), w - v) >= 1.4*2.1*norm(w - v)^2 + norm(grad(f)(w) - grad(f)(v))^2",
            true,
        ),
        // (x - 1.4)(1.9 - x) >= 0
        (
            "3.3*dot(grad(f)(w) - grad(f)(v), w - v) >= 1.4*1.9*norm(w - v)^2 + norm(grad(f)(w) - grad(f)(v))^2",
            false,
        ),
        // |grad f(w) - grad f(v)|^2 <= L^2 |w - v|^2
        ("norm(grad(f)(w) - grad(f)(v))^2 <= 2.001^2*norm(w - v)^2", true),
        ("norm(grad(f)(w) - grad(f)(v))^2 <= 1.999^2*norm(w - v)^2", false),
        // relative to another function: exp bends by at least e^-2 = 0.135, so by 2 where times 14.8
        (
            "f(v) - f(w) - dot(grad(f)(w), v - w) <= 14.9*(k(v) - k(w) - dot(grad(k)(w), v - w))",
            true,
        ),
        (
            "f(v) - f(w) - dot(grad(f)(w), v - w) <= 7*(k(v) - k(w) - dot(grad(k)(w), v - w))",
            false,
        ),
        (
            "f(v) - f(w) - dot(grad(f)(w), v - w) <= -1*(k(v) - k(w) - dot(grad(k)(w), v - w))",
            false,
        ),
    ];
    for (text, truth) in cases {
        let claim = load(2, BOWL, &inequality(text), "[-2, 2]");
        assert!(claim.1.convexity.is_some(), "{text}");
        assert_eq!(proof(&claim).is_some(), truth, "{text}");
    }
}

/// The bound of the interval is reached where the points are 0: with tolerance 1e-12 that is proved, and with a
/// constant 1e-6 past it not.
#[test]
fn tight_claims_use_the_tolerance() {
    for (most, truth) in [("2", true), ("1.999998", false)] {
        let text = format!("f(v) <= f(w) + dot(grad(f)(w), v - w) + {most}/2*norm(w - v)^2");
        let found = proof(&load(1, BOWL, &inequality(&text), "[-0.5, 0.5]"));
        assert_eq!(found.is_some(), truth);
        if let Some(found) = found {
            assert_eq!(found.tree, "r");
        }
    }
}

/// A composition is enough where the function is concave: `L/2 |x|^2 - f` with `L = 0`; so does `x^4` whose Hessian is
/// singular.
#[test]
fn by_composition() {
    let text = "f(v) <= f(w) + dot(grad(f)(w), v - w)";
    for (f, range, truth) in [
        ("-sum(x^4)", "[-1, 1]", true),
        ("sum(log(x))", "[1, 3]", true),
        ("sum(x^4)", "[-1, 1]", false),
        // a kink, though the inequality holds for its derivatives
        ("-sum(abs(x))", "[-1, 1]", false),
        ("-sum(relu(x))", "[-1, 1]", false),
    ] {
        let found = proof(&load(2, f, &inequality(text), range));
        assert_eq!(
            found.map(|proof| proof.rule).as_deref(),
            truth.then_some(CONVEXITY),
            "{f}"
        );
    }
}

/// The gap over the tangent against the change of the gradient, with the largest constant that is true. That it is the
/// largest: in one direction the gap is `q t^2/2` and the change `q t`, near a point of the largest curvature `q`.
#[test]
fn gaps_over_the_tangent() {
    const EUCLIDEAN: &str = "norm(grad(f)(w) - grad(f)(v))^2";
    const SUM: &str = "sum(abs(grad(f)(w) - grad(f)(v)))^2";
    for (dimension, f, change, range, constant) in [
        // curvature 1 and 3
        (2, "sum(x^2)/2", EUCLIDEAN, "[-1, 1]", "1/2"),
        (2, "x[0]^2/2 + 3/2*x[1]^2", EUCLIDEAN, "[-1, 1]", "1/6"),
        // s (1 - s) <= 1/4, along (1, 1) twice as much; |(1, 1)|_1^2 = 4 times as much in the largest size
        (1, "sum(softplus(x))", EUCLIDEAN, "[-2, 2]", "2"),
        (2, "softplus(x[0] + x[1])", EUCLIDEAN, "[-2, 2]", "1"),
        (2, "softplus(x[0] + x[1])", SUM, "[-2, 2]", "1/2"),
        (2, "softplus(x[0] + x[1]) - logsumexp(0*x)", SUM, "[-2, 2]", "1/2"),
        // Pinsker's inequality
        (2, "logsumexp(x)", SUM, "[-2, 2]", "1/2"),
        (3, "logsumexp(x)", SUM, "[-2, 2]", "1/2"),
        // the rows of A differ by (2, 1), (1/2, 4), (-3/2, 3): 9/2 at most, so 81/16, near a half each of two
        (2, "logsumexp(A @ x)", SUM, "[-5, 5]", "8/81"),
    ] {
        for (factor, truth) in [("(1 - 1/1000000)", true), ("1", true), ("(1 + 1/100)", false)] {
            for text in [
                format!("f(w) - f(v) - dot(grad(f)(v), w - v) >= {factor}*{constant}*{change}"),
                format!("3*f(v) >= 3*f(w) + 3*dot(grad(f)(w), v - w) + 3*{factor}*({constant})*{change}"),
            ] {
                let found = proof(&load(dimension, f, &inequality(&text), range)).map(|proof| proof.rule);
                // exact where all is algebra; a bound of a second derivative is rounded
                if factor == "1" && !f.starts_with("logsumexp") {
                    continue;
                }
                assert_eq!(found.as_deref(), truth.then_some(GAP), "{f}: {text}");
            }
        }
    }
    // true or not, none of these is what the rule proves: not convex, or not smooth, on the box or beside it; other
    // inequalities; another norm
    for (f, text) in [
        (
            "sum(x^2) - 5*logsumexp(x)",
            "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*E",
        ),
        ("sum(abs(x))", "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*E"),
        ("sum(relu(x)^2)", "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*S"),
        ("sum((x + 1)^3)", "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*E"),
        (
            "sum(-log(x + 5/4))",
            "f(w) - f(v) - dot(grad(f)(v), w - v) >= 1/40*E",
        ),
        (
            "logsumexp(x)",
            "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*S - 1/1000",
        ),
        ("logsumexp(x)", "f(w) - f(v) - dot(grad(f)(v), w + v) >= C*S"),
        ("logsumexp(x)", "f(w) - f(v) - dot(grad(f)(w), w - v) >= C*S"),
        ("logsumexp(x)", "f(w) - f(v) - 2*dot(grad(f)(v), w - v) >= C*S"),
        (
            "logsumexp(x)",
            "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*S + C*E",
        ),
        (
            "logsumexp(x)",
            "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*norm(grad(f)(w) - grad(f)(v))",
        ),
        ("logsumexp(x)", "f(v) - f(w) + dot(grad(f)(v), w - v) >= C*S"),
        ("-logsumexp(x)", "f(w) - f(v) - dot(grad(f)(v), w - v) >= C*S"),
    ] {
        let text = text
            .replace('C', "1/1000")
            .replace('E', EUCLIDEAN)
            .replace('S', SUM);
        let (_, claim) = load(2, f, &inequality(&text), "[-1, 1]");
        assert!(
            convexity::prove(&claim, &options(&claim)).is_none(),
            "{f}: {text}"
        );
    }
}

/// `logsumexp` bends by at most `1/2` of the sum of squares around the mean of its rows; with two rows the bound is reached.
#[test]
fn smoothness_of_log_sum_exp() {
    for (dimension, f, bound) in [
        (2, "logsumexp(x)", "1/2"),
        (5, "3*logsumexp(x)", "3/2"),
        // rows (1, 2) and (-1, 1), whose difference has the squared length 5: 5/4
        (2, "logsumexp(A[0:2] @ x)", "5/4"),
    ] {
        for (factor, truth) in [("(1 + 1/1000000)", true), ("(1 - 1/1000000)", false)] {
            let claim = load(dimension, f, &smooth(&format!("({bound})*{factor}")), "[-2, 2]");
            assert_eq!(proof(&claim).is_some(), truth, "{f}, {bound}*{factor}");
        }
    }
}

/// Almost the patterns, with one thing changed.
#[test]
fn other_inequalities_are_not_recognised() {
    for text in [
        // the gradient twice, with the wrong sign, along something else
        "f(v) <= f(w) + 2*dot(grad(f)(w), v - w) + 5*norm(w - v)^2",
        "f(v) <= f(w) - dot(grad(f)(w), v - w) + 5*norm(w - v)^2",
        "f(v) <= f(w) + dot(grad(f)(w), v + w) + 5*norm(w - v)^2",
        // another distance
        "f(v) <= f(w) + dot(grad(f)(w), v - w) + 5*norm(w + v)^2",
        "f(v) <= f(w) + dot(grad(f)(w), v - w) + 5*norm(w - v)",
        "f(v) <= f(w) + dot(grad(f)(w), v - w) + 5*norm(w - v)^4",
        "f(v) <= f(w) + dot(grad(f)(w), v - w) + 5*norm(w)^2 - 10*dot(w, v)",
        "f(v) <= f(w) + dot(grad(f)(w), v - w) + 5*norm(w - v)^2 - 1/1000000",
        "f(v) <= f(w) + dot(grad(f)(w), v - w) + 5*norm(w - v)^2 - (w[0] - v[0])^2",
        // another function
        "f(v) <= k(w) + dot(grad(f)(w), v - w) + 5*norm(w - v)^2",
        "f(v) <= f(w) + dot(grad(k)(w), v - w) + 5*norm(w - v)^2",
        "2*f(v) <= f(w) + dot(grad(f)(w), v - w) + 5*norm(w - v)^2",
        "dot(grad(f)(w) - grad(k)(v), w - v) >= 0",
        "dot(grad(f)(w) + grad(f)(v), w - v) >= 0",
        "dot(grad(f)(w) - grad(f)(v), w + v) >= 0",
        "dot(grad(f)(w), w - v) >= 0",
        // the eigenvalues lie outside an interval, or in one whose ends are no fractions
        "norm(grad(f)(w) - grad(f)(v))^2 >= norm(w - v)^2",
        "norm(grad(f)(w) - grad(f)(v))^2 <= 5*norm(w - v)^2",
        "dot(grad(f)(w) - grad(f)(v), w - v) >= norm(w - v)^2 + norm(grad(f)(w) - grad(f)(v))^2",
    ] {
        let (_, claim) = load(2, BOWL, &inequality(text), "[-2, 2]");
        assert!(claim.convexity.is_none(), "{text}");
    }
}

/// Functions with kinks, or not defined or not smooth everywhere.
#[test]
fn kinks_are_refused() {
    for (f, range) in [
        ("sum(relu(x) - relu(-x))", "[-1, 1]"),
        ("sum(abs(relu(x)))", "[-1, 1]"),
        ("sum(abs(x))", "[-1, 1]"),
        ("max(x[0], -x[0])", "[-1, 1]"),
        ("sum(leaky_relu(x, 1/2))", "[-1, 1]"),
        ("sum(log(x))", "[-1, 1]"),
        ("sum(sqrt(x))", "[0, 1]"),
        ("sum(1/x)", "[-1, 1]"),
        ("sum(step(x))", "[-1, 1]"),
        // differentiable, with a second derivative that is not bounded, or jumps
        ("sum(x^(3/2))", "[0, 1]"),
        ("sum(x*abs(x))", "[-1, 1]"),
    ] {
        for text in [
            smooth("1000"),
            inequality("f(v) <= f(w) + dot(grad(f)(w), v - w) + 1000*norm(w - v)^2"),
            inequality(
                "1000*dot(grad(f)(w) - grad(f)(v), w - v) >= norm(grad(f)(w) - grad(f)(v))^2 - 1000^2*norm(w - v)^2",
            ),
        ] {
            let (_, claim) = load(1, f, &text, range);
            assert!(
                convexity::prove(&claim, &options(&claim)).is_none(),
                "{f}: {text}"
            );
        }
    }
    // on one side of the kink it is smooth
    assert!(proof(&load(1, "sum(x*abs(x))", &smooth("2.1"), "[1, 2]")).is_some());
}

/// `f - r = |x|^2` is smooth and convex, but the claim takes a gradient of `f` and one of `r`: with 1 for the former's
/// kink at `w = 0` and -1 for the latter's, the slack at `v = 1/2` is `1/4 - 2/2 < 0`.
#[test]
fn kinks_do_not_cancel_between_functions() {
    let text = inequality("f(v) - r(v) - f(w) + r(w) >= dot(grad(f)(w) - grad(r)(w), v - w)");
    let f = "sum(abs(x)) + sum(x^2)";
    let (_, claim) = load(1, f, &text, "[-1, 1]");
    assert!(claim.convexity.is_some());
    assert!(convexity::prove(&claim, &options(&claim)).is_none());
    // beside the kink
    assert!(proof(&load(1, f, &text, "[1, 2]")).is_some());
}

/// `f = x y` on the line `y = 0` is 0, and its gradient there is not.
#[test]
fn a_flat_box_is_refused() {
    let region = r#"[[-1, 1], [0, 0]]"#;
    for text in [
        smooth("1/2"),
        inequality("norm(grad(f)(w) - grad(f)(v))^2 <= 1/4*norm(w - v)^2"),
    ] {
        let (_, claim) = load(2, "x[0]*x[1]", &text, region);
        assert!(convexity::prove(&claim, &options(&claim)).is_none());
    }
}

/// `1/2 x^T Q x + c phi(u.x)` for `Q = a u u^T + b t t^T` with orthonormal `u = (p, q)/r`, `t = (-q, p)/r`: the eigenvalues
/// are `b` and `a + c phi''`, with the supremum `max(b, a + c max phi'')`, as `phi''` is largest at 0.
#[test]
fn random_functions_with_known_eigenvalues() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for _ in 0..40 {
        let (p, q, r) = [(3, 4, 5), (5, -12, 13), (1, 0, 1), (-8, 15, 17)][rng.random_range(0..4)];
        let [a, b, c] = [0; 3].map(|_| rng.random_range(0..20) as f64 / 4.0);
        // (function of z, its largest second derivative)
        let (phi, top) = [
            ("softplus(z)", 0.25),
            ("log(exp(z) + exp(-z))", 1.0),
            ("(1 - cos(z))", 1.0),
            ("sqrt(1 + z^2)", 1.0),
        ][rng.random_range(0..4)];
        let z = format!("((({p})*x[0] + ({q})*x[1])/{r})");
        let t = format!("(({p})*x[1] - ({q})*x[0])/{r}");
        let f = format!("{a}/2*({z})^2 + {b}/2*({t})^2 + {c}*({})", phi.replace('z', &z));
        let most = f64::max(b, a + c * top);
        if most == 0.0 {
            continue;
        }
        for (factor, truth) in [("1.000001", true), ("0.999999", false)] {
            let claims = [
                inequality(&format!(
                    "f(v) <= f(w) + dot(grad(f)(w), v - w) + {factor}*{most}/2*norm(w - v)^2"
                )),
                inequality(&format!(
                    "dot(grad(f)(w) - grad(f)(v), w - v) <= {factor}*{most}*norm(w - v)^2"
                )),
            ];
            for text in claims {
                let found = proof(&load(2, &f, &text, "[-1, 1]")).is_some();
                assert_eq!(found, truth, "{f}: {text}");
            }
        }
    }
}

/// A proof of one claim is nothing for another, and no letter stands for another.
#[test]
fn changed_proofs_are_refused() {
    let ridges = load(2, "mean(softplus(A @ x))", &smooth("3/4 + 1/1000000"), "[-2, 2]");
    let product = load(2, "x[0]*x[1]^2", &smooth("5"), "[-1, 1]");
    let past = load(2, "mean(softplus(A @ x))", &smooth("3/4 - 1/1000000"), "[-2, 2]");
    let kinked = load(2, "sum(relu(x) - relu(-x))", &smooth("10"), "[-1, 1]");
    let other = load(2, "sum(x^2)", &inequality("f(w) >= 1/1000000"), "[-1, 1]");
    let accepts = |honest: &Certificate, change: &dyn Fn(&mut Proof), (case, claim): &(Case, Claim)| {
        let mut forged = honest.clone();
        change(forged.evidence.proof.as_mut().unwrap());
        forged.case = proxycert::certificate::case_record(case);
        forged.statement = proxycert::claim::statement::statement(case, claim);
        (forged.verdict, forged.reason) = engine::decide(&forged.evidence, &forged.options);
        forged.digest = forged.computed_digest();
        forged.verdict == Verdict::Proved && verify(&forged, case, claim, &Silent).is_ok()
    };
    let first = certified(&ridges.0, &ridges.1);
    let second = certified(&product.0, &product.1);
    assert_eq!(first.evidence.proof.as_ref().unwrap().tree, "r");
    for (honest, own) in [(&first, &ridges), (&second, &product)] {
        assert!(accepts(honest, &|_| {}, own));
        let honest_tree = &honest.evidence.proof.as_ref().unwrap().tree;
        for tree in [
            "", "r", "h", "rr", "0/rr", "0/hr", "0/r", "0/rh", "n", "s", "R", "r ",
        ] {
            let change = |proof: &mut Proof| {
                proof.tree = tree.to_owned();
                proof.boxes = (tree.len() - tree.matches('/').count()).max(1) as u64;
                proof.depth = tree.matches('/').count() as u32;
            };
            assert_eq!(accepts(honest, &change, own), tree == honest_tree, "{tree:?}");
        }
        for rule in [CONVEXITY, "branch and bound", "ridges", ""] {
            assert!(
                !accepts(honest, &|proof| proof.rule = rule.to_owned(), own),
                "{rule}"
            );
        }
        for false_claim in [&past, &kinked, &other] {
            for tree in ["r", "h"] {
                assert!(!accepts(
                    honest,
                    &|proof| proof.tree = tree.to_owned(),
                    false_claim
                ));
            }
        }
    }
}
