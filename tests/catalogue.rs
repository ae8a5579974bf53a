//! The catalogue: every claim gets the verdict that mathematics allows, and its certificate is held
//! as a snapshot.

use std::path::{Path, PathBuf};

use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::replay::{replay_convexity, replay_hessian};
use proxycert::claim::Claim;
use proxycert::engine::prove::convexity;
use proxycert::engine::{self, Findings, Options, Silent, Verdict};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every case with its truth, from the table in `cases/README.md`, which was derived by hand.
fn truths() -> Vec<(String, bool)> {
    let table = std::fs::read_to_string(root().join("cases/README.md")).unwrap();
    table
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let name = cells.first()?.strip_prefix("| `")?.strip_suffix('`')?;
            match *cells.get(3)? {
                "true" => Some((name.to_owned(), true)),
                "false" => Some((name.to_owned(), false)),
                _ => None,
            }
        })
        .collect()
}

fn load(name: &str) -> (Case, Claim) {
    let case =
        Case::load(&root().join(format!("cases/{name}.json")), false).unwrap_or_else(|e| panic!("{e}"));
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    (case, claim)
}

fn run(case: &Case, claim: &Claim, seed: u64, samples: u64, max_boxes: u64) -> (Options, Findings) {
    let options = Options {
        samples,
        seed,
        max_boxes,
        ..Options::of(&case.check, claim)
    };
    let findings = engine::run(claim, &options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}"));
    (options, findings)
}

#[test]
fn every_case_stands_in_the_table_once() {
    let mut listed: Vec<String> = truths().into_iter().map(|(name, _)| name).collect();
    let mut files: Vec<String> = std::fs::read_dir(root().join("cases"))
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()?
                .strip_suffix(".json")
                .map(str::to_owned)
        })
        .collect();
    listed.sort();
    files.sort();
    assert_eq!(listed, files);
}

/// Verdicts and certificates with the case's own options.
#[test]
fn verdicts_are_those_of_the_mathematics() {
    for (name, truth) in truths() {
        let (case, claim) = load(&name);
        let (options, findings) = run(
            &case,
            &claim,
            case.check.seed,
            case.check.samples,
            case.check.max_boxes,
        );
        if truth {
            let allowed = matches!(findings.verdict, Verdict::Supported | Verdict::Proved);
            assert!(
                allowed,
                "{name} is true, and came out {:?}: {}",
                findings.verdict, findings.reason
            );
        } else {
            assert_eq!(
                findings.verdict,
                Verdict::Refuted,
                "{name} is false: {}",
                findings.reason
            );
        }
        let checks = &findings.cross_checks;
        assert!(checks.gradient.unwrap_or(0.0) < 1e-12, "{name}: {checks:?}");
        assert!(checks.bulk < 1e-11, "{name}: {checks:?}");
        let certificate = Certificate::new(&case, &claim, options, findings, 0.0);
        let mut value = serde_json::to_value(&certificate).unwrap();
        let object = value.as_object_mut().unwrap();
        object.shift_remove("run");
        object.shift_remove("digest");
        object.shift_remove("cross_checks");
        stabilize(&mut value);
        insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_json_snapshot!(format!("certificate-{name}"), value);
        });
    }
}

/// No seed refutes a true claim; the prover, which does not depend on the seed, is off. `PROXYCERT_SEEDS`
/// sets how many are tried; 20 were.
#[test]
fn no_seed_refutes_a_true_claim() {
    let seeds = std::env::var("PROXYCERT_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    for (name, _) in truths().into_iter().filter(|(_, truth)| *truth) {
        let (case, claim) = load(&name);
        for seed in 0..seeds {
            let (_, findings) = run(&case, &claim, 1000 + seed, case.check.samples.min(2000), 0);
            assert_ne!(
                findings.verdict,
                Verdict::Refuted,
                "{name}, seed {seed}: {}",
                findings.reason
            );
        }
    }
}

/// A sample refutes most false claims before the prover sees them: the rules that need no boxes of pairs are
/// tried on them here.
#[test]
fn no_false_claim_follows_from_convexity() {
    for (name, _) in truths().into_iter().filter(|(_, truth)| !truth) {
        let (case, claim) = load(&name);
        let options = Options::of(&case.check, &claim);
        assert!(convexity::prove(&claim, &options).is_none(), "{name}");
        assert!(replay_convexity(&claim).is_err(), "{name}");
        assert!(replay_hessian(&claim, "h").is_err(), "{name}");
        assert!(replay_hessian(&claim, "r").is_err(), "{name}");
    }
}

/// Binary64 results may differ in their last digits from one processor to another, and what is only
/// rounding noise differs wholly: numbers are kept to five digits, numbers below 1e-9 become 0, and
/// what a noisy minimum points at is left out.
fn stabilize(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let noisy = |key: &str| {
                object
                    .get(key)
                    .and_then(Value::as_f64)
                    .is_some_and(|slack| slack.abs() < 1e-9)
            };
            if noisy("slack") || noisy("lowest") {
                for key in ["index", "w", "v"] {
                    object.shift_remove(key);
                }
            }
            for key in ["evaluations", "negative"] {
                object.shift_remove(key);
            }
            // the first of many parts show how they look
            for (key, shown) in [("parts", 2), ("direction", 8), ("shares", 8)] {
                if let Some(Value::Array(all)) = object.get_mut(key)
                    && all.len() > shown
                {
                    let rest = all.len() - shown;
                    all.truncate(shown);
                    all.push(format!("... and {rest} more").into());
                }
            }
            if let Some(Value::String(reason)) = object.get_mut("reason")
                && let Some((before, _)) = reason.split_once("the smallest slack found is")
            {
                *reason = format!("{before}the smallest slack found is ...");
            }
            object.values_mut().for_each(stabilize);
        }
        Value::Array(all) => all.iter_mut().for_each(stabilize),
        Value::Number(number) if number.is_f64() => {
            let x = number.as_f64().unwrap_or(f64::NAN);
            let rounded = if x.abs() < 1e-9 {
                0.0
            } else {
                format!("{x:.4e}").parse().unwrap_or(x)
            };
            *value = Value::from(rounded);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
