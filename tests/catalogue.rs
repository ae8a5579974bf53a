//! The catalogue: every claim gets the verdict that mathematics allows, its certificate is held
//! as a snapshot, and the table in `cases/README.md` is what came out.
//!
//! `PROXYCERT_README=write` writes that table: see `docs/catalogue.md`.

#[path = "common/catalogue.rs"]
mod catalogue;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use catalogue::{sections, truths};
use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::replay::{replay_convexity, replay_hessian};
use proxycert::certificate::summary::method;
use proxycert::claim::Claim;
use proxycert::engine::prove::convexity;
use proxycert::engine::{self, Findings, Options, Silent, Verdict};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
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

/// The certificate of a case, with its own options, and the case.
fn certify(name: &str) -> (Case, Certificate) {
    let (case, claim) = load(name);
    let check = &case.check;
    let started = std::time::Instant::now();
    let (options, findings) = run(&case, &claim, check.seed, check.samples, check.max_boxes);
    let seconds = started.elapsed().as_secs_f64();
    let certificate = Certificate::new(&case, &claim, options, findings, seconds);
    (case, certificate)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// What `act` makes of each item, in order, computed by so many threads.
fn each<T: Sync, R: Send>(items: &[T], threads: usize, act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let waiting = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((i, item)) = waiting.lock().unwrap().next() else {
                        break;
                    };
                    let result = act(item);
                    done.lock().unwrap().push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|&(i, _)| i);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Verdicts and certificates with the case's own options, and the table of them.
#[test]
fn verdicts_are_those_of_the_mathematics() {
    let write = std::env::var("PROXYCERT_README").is_ok_and(|word| word == "write");
    // one at a time where the times are written down
    let threads = if write { 1 } else { cores() };
    let truths = truths();
    let certified = each(&truths, threads, |(name, _)| certify(name));
    for ((name, truth), (case, certificate)) in truths.iter().zip(&certified) {
        let (verdict, reason) = (certificate.verdict, &certificate.reason);
        let allowed: &[Verdict] = match (truth, case.population.is_some()) {
            (true, false) => &[Verdict::Supported, Verdict::Proved],
            (false, false) => &[Verdict::Refuted],
            (true, true) => &[Verdict::Supported],
            (false, true) => &[Verdict::Undecided],
        };
        assert!(
            allowed.contains(&verdict),
            "{name} is {truth}, and came out {verdict:?}: {reason}"
        );
        if case.population.is_some() {
            expectation(name, *truth, certificate);
        }
        let checks = &certificate.cross_checks;
        assert!(checks.gradient.unwrap_or(0.0) < 1e-12, "{name}: {checks:?}");
        assert!(checks.bulk < 1e-11, "{name}: {checks:?}");
        let mut value = serde_json::to_value(certificate).unwrap();
        let object = value.as_object_mut().unwrap();
        object.shift_remove("run");
        object.shift_remove("digest");
        object.shift_remove("cross_checks");
        stabilize(&mut value);
        insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_json_snapshot!(format!("certificate-{name}"), value);
        });
    }
    let path = root().join("cases/README.md");
    let current = readme(&certified);
    if write {
        std::fs::write(path, current).unwrap();
    } else {
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            without_times(&committed),
            without_times(&current),
            "PROXYCERT_README=write cargo test --test catalogue verdicts"
        );
    }
}

/// The text of `cases/README.md`, of the cases in the order of `docs/catalogue.md`.
fn readme(certified: &[(Case, Certificate)]) -> String {
    let total = certified.len();
    let count = |verdict| certified.iter().filter(|(_, c)| c.verdict == verdict).count();
    let mut text = format!(
        "<!-- Written by PROXYCERT_README=write cargo test --test catalogue verdicts -->\n\
         # The catalogue\n\
         \n\
         {total} claims, one JSON each, with data beside them in [`data/`](data/README.md): {} proved, {} supported, {} refuted, {} undecided.\n\
         The truth is the mathematics', derived by hand in [`docs/catalogue.md`](../docs/catalogue.md); verdict and method are what\n\
         `proxycert certify` answers, and a test holds this table to it. The time is that of the engines on two cores of a machine shared with other work,\n\
         one run. `proxycert certify cases` runs them all.\n",
        count(Verdict::Proved),
        count(Verdict::Supported),
        count(Verdict::Refuted),
        count(Verdict::Undecided),
    );
    let mut rows = certified.iter();
    for (heading, cases) in sections() {
        text += &format!(
            "\n## {heading}\n\n[Derivations](../docs/catalogue.md#{})\n\n\
             | case | statement | source | truth | verdict | method | time |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
            anchor(&heading)
        );
        for ((name, truth), (case, certificate)) in cases.iter().zip(&mut rows) {
            let source = match (case.source.work.as_str(), case.source.place.as_str()) {
                (work, "") => work.to_owned(),
                (work, place) => format!("{work}: {place}"),
            };
            let seconds = certificate.run.seconds;
            let time = match seconds {
                ..0.1 => "< 0.1 s".to_owned(),
                0.1..10.0 => format!("{seconds:.1} s"),
                _ => format!("{seconds:.0} s"),
            };
            text += &format!(
                "| [`{name}`]({name}.json) | {} | {} | {truth} | {} | {} | {time} |\n",
                case.title.replace('|', "\\|"),
                source.replace('|', "\\|"),
                certificate.verdict.word(),
                method(certificate)
            );
        }
    }
    text
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The text without the last column of its tables.
fn without_times(text: &str) -> String {
    text.lines()
        .map(
            |line| match line.strip_suffix(" |").and_then(|row| row.rsplit_once(" | ")) {
                Some((row, _)) => format!("{row}\n"),
                None => format!("{line}\n"),
            },
        )
        .collect()
}

/// Where a claim about expectations is false, the test shows the violation and refutes nothing.
fn expectation(name: &str, truth: bool, certificate: &Certificate) {
    let evidence = &certificate.evidence;
    let found = evidence.population.as_ref().expect("a test of expectations");
    assert_eq!(found.violated > 0, !truth, "{name}: {}", certificate.reason);
    assert!(evidence.witness.is_none() && evidence.proof.is_none());
    assert_eq!(certificate.reason.contains("violated at"), !truth, "{name}");
}

/// No seed refutes a true claim; the prover, which does not depend on the seed, is off. `PROXYCERT_SEEDS`
/// sets how many are tried; 20 were.
#[test]
fn no_seed_refutes_a_true_claim() {
    let seeds = std::env::var("PROXYCERT_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let truths: Vec<_> = truths().into_iter().filter(|(_, truth)| *truth).collect();
    each(&truths, cores(), |(name, _)| {
        let (case, claim) = load(name);
        for seed in 0..seeds {
            let (_, findings) = run(&case, &claim, 1000 + seed, case.check.samples.min(2000), 0);
            assert_ne!(
                findings.verdict,
                Verdict::Refuted,
                "{name}, seed {seed}: {}",
                findings.reason
            );
        }
    });
}

/// A sample refutes most false claims before the prover sees them: the rules that need no boxes of pairs are
/// tried on them here.
#[test]
fn no_false_claim_follows_from_convexity() {
    let truths: Vec<_> = truths().into_iter().filter(|(_, truth)| !truth).collect();
    each(&truths, cores(), |(name, _)| {
        let (case, claim) = load(name);
        // its own draw is another claim, and the prover is off
        if case.population.is_some() {
            return;
        }
        let options = Options::of(&case.check, &claim);
        assert!(convexity::prove(&claim, &options).is_none(), "{name}");
        assert!(replay_convexity(&claim).is_err(), "{name}");
        assert!(replay_hessian(&claim, "h").is_err(), "{name}");
        assert!(replay_hessian(&claim, "r").is_err(), "{name}");
    });
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
            if let Some(Value::String(reason)) = object.get_mut("reason") {
                for numbers in ["the smallest slack found is", "the expected slack"] {
                    if let Some((before, _)) = reason.split_once(numbers) {
                        *reason = format!("{before}{numbers} ...");
                    }
                }
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
