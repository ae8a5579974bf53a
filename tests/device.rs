//! `--device`: sampling on Burn's devices against the bulk evaluator, and what `verify` does with such certificates.
//!
//! Accelerators need a build with their features and a machine that has them, and are tested where both are; else the devices of the
//! processor stand for all, since the code differs in the batch sizes alone.

use std::path::Path;

use proxycert::burn::device::Backend;
use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::{Refusal, verify};
use proxycert::claim::Claim;
use proxycert::engine::device::AGREEMENT;
use proxycert::engine::sample::{Directed, Extreme, Uniform};
use proxycert::engine::{self, Failure, Findings, Options, Silent, Verdict};

/// A small network of an activation, a claim about it, and a region.
fn case(f: &str, claim: &str, region: &str) -> (Case, Claim) {
    let text = format!(
        r#"{{"name": "a", "parameters": {{"U": [2, 3], "c": [3]}},
            "data": {{"X": [[1, -2], [0.5, 1], [-1.5, 0.3], [0.2, 0.9]], "y": [1, -1, 1, -1]}},
            "define": {{"f": "{f}"}}, "claim": {claim}, "region": {region},
            "check": {{"samples": 3000, "seed": 5, "starts": 2, "max_boxes": 0}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    (case, claim)
}

const PAIRS: &str = r#"{"w": {"box": [-1, 1]}, "v": {"box": [-1, 1]}}"#;
const CONVEXITY: &str = r#"{"proxy_convexity": {"f": "f", "g": "f", "h": "f"}}"#;

/// Claims of different shapes: kinks, a softmax, roots of norms, balls with rejection, one point.
fn specimens() -> Vec<(Case, Claim)> {
    vec![
        case(
            "mean(softplus(-y * (leaky_relu(X @ U, 1/5) @ c)))",
            CONVEXITY,
            PAIRS,
        ),
        case("mean((tanh(X @ U) @ c - y)^2)/2", CONVEXITY, PAIRS),
        case(
            "mean(logsumexp(relu(X @ U), 1) - softmax(X @ U, 1) @ c)",
            r#"{"proxy_pl": {"f": "f", "g": "f", "alpha": 1, "mu": "1/100", "xi": 0}}"#,
            r#"{"w": {"box": [-1, 1]}}"#,
        ),
        case(
            "mean(erf(X @ U) @ c) + sum(c^4)",
            r#"{"convex": {"f": "f"}}"#,
            r#"{"w": {"ball": {"center": 0, "radius": 1}}, "v": {"box": [-1, 1]}, "where": ["sum(w) >= 0"]}"#,
        ),
        case(
            "sum(abs(U)) + sum(c^2)",
            r#"{"pl": {"f": "f", "mu": "1/2", "f_star": 0}}"#,
            r#"{"w": {"point": 0.5}}"#,
        ),
    ]
}

fn run(case: &Case, claim: &Claim, device: Option<Backend>) -> (Options, Findings) {
    let options = Options {
        device,
        ..Options::of(&case.check, claim)
    };
    let findings = engine::run(claim, &options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}"));
    (options, findings)
}

/// Sizes of the slack in the sample, by which rounding is judged.
fn scale(sample: &Uniform) -> f64 {
    let slacks = sample.quantiles.iter().map(|quantile| quantile.slack.abs());
    slacks.fold(0.0, f64::max).max(1e-3)
}

fn assert_close(a: f64, b: f64, scale: f64, what: &str) {
    assert!((a - b).abs() <= 1e-11 * scale, "{what}: {a:e} {b:e}");
}

fn assert_same_place(a: Option<&Extreme>, b: Option<&Extreme>, scale: f64) {
    let (a, b) = a.zip(b).expect("a smallest slack");
    assert_eq!((a.index, &a.w, &a.v), (b.index, &b.w, &b.v));
    assert_close(a.slack, b.slack, scale, "smallest slack");
}

/// What a device found is what the bulk evaluator found.
fn assert_same_statistics(found: &Findings, bulk: &Findings, device: Backend) {
    let (sample, expected) = (&found.evidence.sampling, &bulk.evidence.sampling);
    let size = scale(&expected.uniform);
    assert!(
        sample.engine.contains(device.name()) && sample.engine.contains("f64"),
        "{}",
        sample.engine
    );
    let counts = |uniform: &Uniform| {
        let Uniform {
            count,
            draws,
            undefined,
            negative,
            violations,
            ..
        } = *uniform;
        (count, draws, undefined, negative, violations)
    };
    assert_eq!(counts(&sample.uniform), counts(&expected.uniform));
    assert_eq!(sample.uniform.violating_share, expected.uniform.violating_share);
    assert_same_place(
        sample.uniform.minimum.as_ref(),
        expected.uniform.minimum.as_ref(),
        size,
    );
    for (a, b) in sample.uniform.quantiles.iter().zip(&expected.uniform.quantiles) {
        assert_eq!(a.share, b.share);
        assert_close(a.slack, b.slack, size, "quantile");
    }
    let counts = |directed: &Directed| (directed.points.clone(), directed.count, directed.undefined);
    let all = |directed: &[Directed]| directed.iter().map(counts).collect::<Vec<_>>();
    assert_eq!(all(&sample.directed), all(&expected.directed));
    assert_eq!(found.verdict, bulk.verdict);
    let apart = found.cross_checks.device.expect("the device is compared");
    // two orders below what is let through
    assert!(apart <= 0.01 * AGREEMENT, "{apart:e}");
}

#[test]
fn devices_give_the_statistics_of_the_bulk_evaluator() {
    for (case, claim) in specimens() {
        let (_, bulk) = run(&case, &claim, None);
        assert_eq!(bulk.cross_checks.device, None);
        for device in Backend::PROCESSOR {
            let (_, findings) = run(&case, &claim, Some(device));
            assert_same_statistics(&findings, &bulk, device);
        }
    }
}

/// Accelerators that this build and this machine have, if any: claims without elementary functions have the statistics of the bulk
/// evaluator, and others have them too or end with an error, where the device lacks such functions in binary64.
#[test]
fn accelerators_give_the_statistics_of_the_bulk_evaluator_or_none() {
    let squares = case("mean((relu(X @ U) @ c - y)^2)/2", CONVEXITY, PAIRS);
    let roots = case(
        "mean(sqrt(1 + (leaky_relu(X @ U, 1/5) @ c - y)^2)) + sum(abs(c))",
        CONVEXITY,
        PAIRS,
    );
    let built = |device: &Backend| device.is_built();
    for device in [Backend::Cuda, Backend::Wgpu].into_iter().filter(built) {
        if let Err(error) = device.device() {
            // what is wrong, and not what followed from it in Burn
            assert!(
                error.contains(device.name()) && !error.contains("RecvError"),
                "{error}"
            );
            println!("{device} is not to be had: {error}");
            continue;
        }
        for (case, claim) in [&squares, &roots] {
            let (_, bulk) = run(case, claim, None);
            let (_, findings) = run(case, claim, Some(device));
            assert_same_statistics(&findings, &bulk, device);
        }
        for (case, claim) in specimens() {
            let options = Options {
                device: Some(device),
                ..Options::of(&case.check, &claim)
            };
            match engine::run(&claim, &options, &Silent) {
                Ok(findings) => assert_same_statistics(&findings, &run(&case, &claim, None).1, device),
                Err(Failure::Run(message)) => assert!(message.contains("cannot be used"), "{message}"),
                Err(failure) => panic!("{failure:?}"),
            }
        }
        println!("{device} was tested");
    }
}

/// A violation that a device finds is enclosed in intervals before it is one.
#[test]
fn violations_found_on_a_device_are_confirmed() {
    // leaky relu of products: not convex
    let (case, claim) = case(
        "mean(softplus(-y * (leaky_relu(X @ U, 1/5) @ c)))",
        CONVEXITY,
        PAIRS,
    );
    let (options, findings) = run(&case, &claim, Some(Backend::Flex));
    assert!(findings.evidence.sampling.uniform.violations > 0);
    assert_eq!(findings.verdict, Verdict::Refuted);
    let witness = findings.evidence.witness.as_ref().expect("a witness");
    assert!(witness.slack[0] <= witness.slack[1] && witness.slack[1] < 0.0);
    let certificate = Certificate::new(&case, &claim, options, findings, 0.5);
    assert!(verify(&certificate, &case, &claim, &Silent).is_ok());
}

/// `verify` samples again on the device that the options name, and cannot where the build has none of that name.
#[test]
fn supported_certificates_are_verified_on_their_device() {
    // the sum of the squares of the entries is convex, and no rule is tried
    let (case, claim) = case("sum(U^2) + sum(c^2)", r#"{"convex": {"f": "f"}}"#, PAIRS);
    let (options, findings) = run(&case, &claim, Some(Backend::Flex));
    assert_eq!(findings.verdict, Verdict::Supported);
    let certificate = Certificate::new(&case, &claim, options, findings, 0.5);
    let json = certificate.to_json();
    assert!(json.contains(r#""device": "flex""#));
    let read: Certificate = serde_json::from_str(&json).unwrap();
    assert_eq!(read, certificate);
    assert!(verify(&read, &case, &claim, &Silent).is_ok());

    let changed = |device| {
        let mut forged = certificate.clone();
        forged.options.device = device;
        forged.digest = forged.computed_digest();
        verify(&forged, &case, &claim, &Silent)
    };
    for other in [None, Some(Backend::Ndarray)] {
        assert!(matches!(changed(other), Err(Refusal::Refused(_))), "{other:?}");
    }
    if !Backend::Cuda.is_built() {
        let Err(Refusal::Failed(Failure::Device(message))) = changed(Some(Backend::Cuda)) else {
            panic!("a device that is not there was used");
        };
        assert!(
            message.contains("cuda") && message.contains("ndarray, flex"),
            "{message}"
        );
    }
}
