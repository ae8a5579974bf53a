//! `verify` accepts what is true and refuses what was changed.

use std::path::Path;

use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::{Refusal, read, verify};
use proxycert::claim::Claim;
use proxycert::engine::{self, Options, Silent, Verdict};
use serde_json::{Value, json};

/// `x^2 - 1/10 x` against bounds that are false, provable and true.
fn case(claim: &str, region: &str) -> (Case, Claim) {
    let text = format!(
        r#"{{"name": "a-claim", "title": "t", "source": {{"work": "w", "where": "p"}}, "data": {{"d": [0.1, 0.3]}},
            "parameters": {{"x": [2]}}, "define": {{"f": "sum(x^2) - d[0] * x[0]"}},
            "claim": {claim}, "region": {region}, "check": {{"samples": 200, "seed": 3, "starts": 4, "max_boxes": 200}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    (case, claim)
}

fn certify(case: &Case, claim: &Claim) -> Certificate {
    let options = Options::of(&case.check, claim);
    let findings = engine::run(claim, &options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}"));
    Certificate::new(case, claim, options, findings, 0.5)
}

/// One certificate of each verdict that this part of the program gives, two of `proved`.
fn specimens() -> Vec<(Case, Claim, Certificate)> {
    let boxed = r#"{"w": {"box": [-2, 2]}, "v": {"box": [-2, 2]}}"#;
    [
        (r#"{"inequality": "f(w) >= 0"}"#, boxed, Verdict::Refuted),
        // |grad f|^2 = (2x - 1/10)^2 + (2y)^2 <= 4.1^2 + 4^2 < 36
        (r#"{"lipschitz": {"f": "f", "G": 6}}"#, boxed, Verdict::Proved),
        // the same as convexity, in words that no rule knows
        (
            r#"{"inequality": "dot(grad(f)(w), w - v) >= f(w) - f(v)"}"#,
            boxed,
            Verdict::Supported,
        ),
        (r#"{"convex": {"f": "f"}}"#, boxed, Verdict::Proved),
    ]
    .into_iter()
    .map(|(text, region, verdict)| {
        let (mut case, claim) = case(text, region);
        if verdict == Verdict::Supported {
            case.check.max_boxes = 0;
        }
        let certificate = certify(&case, &claim);
        assert_eq!(certificate.verdict, verdict, "{}", certificate.reason);
        (case, claim, certificate)
    })
    .collect()
}

fn check(text: &str, case: &Case, claim: &Claim) -> Result<String, String> {
    let certificate = read(text)?;
    verify(&certificate, case, claim, &Silent).map_err(|refusal| match refusal {
        Refusal::Refused(reason) => reason,
        Refusal::Failed(failure) => panic!("{failure:?}"),
    })
}

/// JSON pointers of all leaves.
fn leaves(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object
                .iter()
                .for_each(|(key, inner)| leaves(inner, &format!("{place}/{key}"), found));
        }
        Value::Array(all) => {
            all.iter()
                .enumerate()
                .for_each(|(i, inner)| leaves(inner, &format!("{place}/{i}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(place.to_owned()),
    }
}

fn changed(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![json!(1), json!("x")],
        Value::Bool(flag) => vec![json!(!flag), Value::Null],
        Value::Number(number) => match number.as_u64() {
            Some(count) => vec![json!(count + 1), json!(-1.5)],
            None => {
                let x = number.as_f64().unwrap();
                vec![json!(x + 0.01), json!(-x), json!(x * (1.0 + 1e-15) + 1e-300)]
            }
        },
        Value::String(text) => vec![
            json!(format!("{text} ")),
            json!(text.replacen(|_: char| true, "7", 1)),
            json!(""),
        ],
        Value::Array(_) | Value::Object(_) => vec![],
    }
}

#[test]
fn honest_certificates_are_accepted_after_a_round_trip() {
    for (case, claim, certificate) in specimens() {
        let text = certificate.to_json();
        assert_eq!(read(&text).unwrap(), certificate);
        check(&text, &case, &claim).unwrap();
    }
}

/// A proof of some ten thousand boxes: its trees are packed in the file, and the digest is that of the plain ones. Each
/// changed sign of the packed text is refused, or makes a text that is.
#[test]
fn long_proofs_are_packed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/quartic-kl.json");
    let mut case = Case::load(&file, false).unwrap_or_else(|error| panic!("{error}"));
    (case.check.samples, case.check.starts) = (10, 1);
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let certificate = certify(&case, &claim);
    assert_eq!(certificate.verdict, Verdict::Proved, "{}", certificate.reason);
    let text = certificate.to_json();
    let plain = serde_json::to_string_pretty(&certificate).unwrap();
    assert!(2 * text.len() < plain.len(), "{} {}", text.len(), plain.len());
    assert_eq!(read(&text).unwrap(), certificate);
    assert_eq!(read(&plain).unwrap(), certificate);
    check(&text, &case, &claim).unwrap();
    let start = text.find("zstd:").expect("a packed tree") + "zstd:".len();
    let end = start + text[start..].find('"').unwrap();
    for place in (start..end).step_by(11) {
        let other = if &text[place..=place] == "A" { "B" } else { "A" };
        let changed = [&text[..place], other, &text[place + 1..]].concat();
        if let Ok(read) = read(&changed) {
            assert!(
                read == certificate || read.computed_digest() != read.digest,
                "sign {place}"
            );
        }
    }
}

#[test]
fn every_changed_leaf_outside_the_run_block_is_refused() {
    for (case, claim, certificate) in specimens() {
        let original: Value = serde_json::from_str(&certificate.to_json()).unwrap();
        let mut places = Vec::new();
        leaves(&original, "", &mut places);
        assert!(places.len() > 60);
        for place in places {
            for replacement in changed(original.pointer(&place).unwrap()) {
                let mut altered = original.clone();
                if *altered.pointer(&place).unwrap() == replacement {
                    continue;
                }
                *altered.pointer_mut(&place).unwrap() = replacement;
                let outcome = check(&altered.to_string(), &case, &claim);
                if place.starts_with("/run/") {
                    continue;
                }
                assert!(outcome.is_err(), "{place} may be changed: {altered}");
            }
        }
    }
}

/// A forger recomputes the digest; what the certificate claims must then fail on its own.
#[test]
fn forged_certificates_are_refused() {
    let everywhere = [
        "/format",
        "/version",
        "/tool/",
        "/case/",
        "/statement/",
        "/verdict",
        "/reason",
        "/options/tolerance",
    ];
    for (case, claim, certificate) in specimens() {
        let decisive = match certificate.verdict {
            Verdict::Refuted => "/evidence/witness/slack",
            Verdict::Proved => "/evidence/proof/",
            Verdict::Supported | Verdict::Undecided => "/evidence/",
        };
        let original: Value = serde_json::from_str(&certificate.to_json()).unwrap();
        let mut places = Vec::new();
        leaves(&original, "", &mut places);
        let watched = |place: &&String| {
            everywhere.iter().any(|prefix| place.starts_with(prefix)) || place.starts_with(decisive)
        };
        let mut tried = 0;
        for place in places.iter().filter(watched) {
            for replacement in changed(original.pointer(place).unwrap()) {
                let mut altered = original.clone();
                *altered.pointer_mut(place).unwrap() = replacement;
                let Ok(mut forged) = read(&altered.to_string()) else {
                    continue;
                };
                // a change of the last bits is within what another processor may compute
                let close = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
                    (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
                    _ => a == b,
                };
                let now = serde_json::to_value(&forged).unwrap();
                if close(
                    now.pointer(place).unwrap_or(&Value::Null),
                    original.pointer(place).unwrap(),
                ) {
                    continue;
                }
                forged.digest = forged.computed_digest();
                tried += 1;
                let outcome = check(&forged.to_json(), &case, &claim);
                assert!(outcome.is_err(), "{place} may be forged: {altered}");
            }
        }
        assert!(tried > 10, "{tried}");
    }
}

#[test]
fn a_certificate_of_another_case_is_refused() {
    let all = specimens();
    let text = all[0].2.to_json();
    let reason = check(&text, &all[1].0, &all[1].1).unwrap_err();
    assert!(reason.contains("digest"), "{reason}");
}

#[test]
fn unknown_keys_are_refused_at_every_depth() {
    for (_, _, certificate) in specimens() {
        let original: Value = serde_json::from_str(&certificate.to_json()).unwrap();
        let mut places = vec![String::new()];
        objects(&original, "", &mut places);
        for place in places.iter().filter(|place| *place != "/case/data") {
            let mut altered = original.clone();
            let object = altered.pointer_mut(place).unwrap().as_object_mut().unwrap();
            object.insert("note".to_owned(), json!("proved by others, too"));
            assert!(
                read(&altered.to_string()).is_err(),
                "{place} takes an unknown key"
            );
        }
    }
}

/// JSON pointers of all objects.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
        Value::Array(all) => all
            .iter()
            .enumerate()
            .map(|(i, inner)| (i.to_string(), inner))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![],
    };
    for (key, inner) in inner {
        let place = format!("{place}/{key}");
        if inner.is_object() {
            found.push(place.clone());
        }
        objects(inner, &place, found);
    }
}

/// The reason that goes with the evidence, and the digest, as a forger writes them.
fn forged(mut certificate: Certificate) -> String {
    (certificate.verdict, certificate.reason) = engine::decide(&certificate.evidence, &certificate.options);
    certificate.digest = certificate.computed_digest();
    certificate.to_json()
}

#[test]
fn a_larger_violation_than_there_is_is_refused() {
    let (case, claim, certificate) = specimens().remove(0);
    for slack in [
        [-1e20, -2e18],
        [-1.0, -0.5],
        [-1e-300, -1e-301],
        [f64::NEG_INFINITY, -1.0],
    ] {
        let mut larger = certificate.clone();
        larger.evidence.witness.as_mut().unwrap().slack = slack;
        let reason = check(&forged(larger), &case, &claim).unwrap_err();
        assert!(reason.contains("enclosure"), "{reason}");
    }
}

#[test]
fn forged_options_and_comparisons_are_refused() {
    let (case, claim, certificate) = specimens().remove(2);
    let change: [fn(&mut Certificate); 5] = [
        |forged| forged.options.starts = 0,
        |forged| forged.options.confidence = 0.999,
        |forged| forged.options.samples = 0,
        |forged| forged.cross_checks.slack += 1e-3,
        |forged| forged.cross_checks.points += 1,
    ];
    for (number, change) in change.iter().enumerate() {
        let mut altered = certificate.clone();
        change(&mut altered);
        assert!(check(&forged(altered), &case, &claim).is_err(), "{number}");
    }
    let (case, claim, certificate) = specimens().remove(1);
    let mut altered = certificate.clone();
    altered.evidence.proof.as_mut().unwrap().boxes += 1;
    check(&forged(altered), &case, &claim).unwrap_err();
}

/// An enclosure may reach beyond binary64 and is still read and checked.
#[test]
fn an_overflowing_violation_is_verified() {
    let (case, claim) = case(
        r#"{"inequality": "-exp(1000 + x[0]) >= 0"}"#,
        r#"{"w": {"box": [0, 1]}}"#,
    );
    let certificate = certify(&case, &claim);
    assert_eq!(certificate.verdict, Verdict::Refuted, "{}", certificate.reason);
    check(&certificate.to_json(), &case, &claim).unwrap();
}

#[test]
fn a_witness_outside_the_region_or_without_a_violation_is_refused() {
    let (case, claim, certificate) = specimens().remove(0);
    // f = x^2 + y^2 - 0.1 x: at (3, 0) outside the box; at (1, 1) not negative; on the region's edge none
    for (w, expected) in [
        (["3", "0"], "region"),
        (["1", "1"], "below 0"),
        (["0.05", "1e-3"], "decimal"),
    ] {
        let mut forged = certificate.clone();
        let witness = forged.evidence.witness.as_mut().unwrap();
        witness.w = w.map(str::to_owned).to_vec();
        forged.digest = forged.computed_digest();
        let reason = check(&forged.to_json(), &case, &claim).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
}
