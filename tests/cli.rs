//! The command line as a user meets it: exit codes, what goes to which stream, files, help.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Project {
        Project {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_proxycert"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn case(claim: &str) -> String {
    format!(
        r#"{{"name": "a", "parameters": {{"x": [1]}}, "define": {{"f": "x[0]^2"}}, "claim": {claim},
            "region": {{"w": {{"box": [-1, 1]}}, "v": {{"box": [-1, 1]}}}}, "check": {{"samples": 100, "starts": 4}}}}"#
    )
}

// convexity in words
const CONVEX: &str = r#"{"inequality": "dot(grad(f)(w), w - v) >= f(w) - f(v)"}"#;
const PROVED: &str = r#"{"convex": {"f": "f"}}"#;
const FALSE: &str = r#"{"inequality": "f(w) >= 1/100"}"#;
// |grad f| = 2 |x| <= 2
const BOUNDED: &str = r#"{"lipschitz": {"f": "f", "G": 2}}"#;

#[test]
fn exit_codes_are_those_of_the_verdicts() {
    let project = Project::new();
    for (claim, extra, code) in [
        (CONVEX, &["--max-boxes", "0"] as &[&str], 0),
        (CONVEX, &["--max-boxes", "0", "--require", "proved"], 3),
        (CONVEX, &["--require", "proved"], 0),
        (BOUNDED, &["--require", "proved"], 0),
        (PROVED, &["--require", "proved"], 0),
        (FALSE, &[], 1),
    ] {
        project.write("case.json", &case(claim));
        let arguments = [&["certify", "case.json"], extra].concat();
        let output = project.run(&arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{claim}: {}",
            text(&output.stderr)
        );
        let certificate: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(certificate["format"], "proxycert-certificate");
    }
}

/// Sampling on a device of Burn is asked for on the command line, stands in the certificate, and `verify` and `report`
/// follow it; a device that the build does not have is the user's mistake, and the message lists those that it has.
#[test]
fn devices_are_named_and_faulty_names_answered_with_a_list() {
    let project = Project::new();
    project.write("case.json", &case(CONVEX));
    let certify = |device: &str| {
        let arguments = [
            "certify",
            "case.json",
            "-o",
            "c.json",
            "--max-boxes",
            "0",
            "--device",
            device,
        ];
        project.run(&arguments)
    };
    for device in ["ndarray", "flex"] {
        let output = certify(device);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(&format!("sampled on Burn's {device}")));
        let certificate = json(&std::fs::read(project.folder.path().join("c.json")).unwrap());
        assert_eq!(certificate["options"]["device"], device);
        let verified = project.run(&["verify", "c.json", "--case", "case.json"]);
        assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
        let page = project.run(&["report", "c.json", "--case", "case.json", "--format", "markdown"]);
        let again = format!("proxycert certify case.json --device {device}");
        assert!(text(&page.stdout).contains(&again), "{}", text(&page.stdout));
    }
    let output = certify("gpu");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the devices are ndarray, flex, cuda"));
    if !cfg!(feature = "cuda") {
        let output = certify("cuda");
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("this build has the devices ndarray, flex"));
        // made elsewhere: what it rests on cannot be made again here, which is neither acceptance nor refusal
        let path = project.folder.path().join("c.json");
        let mut certificate: proxycert::certificate::Certificate =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        certificate.options.device = Some(proxycert::burn::device::Backend::Cuda);
        certificate.digest = certificate.computed_digest();
        std::fs::write(&path, certificate.to_json()).unwrap();
        let verified = project.run(&["verify", "c.json", "--case", "case.json"]);
        assert_eq!(verified.status.code(), Some(2));
        let words = text(&verified.stderr);
        assert!(
            words.contains("--features cuda") && !words.contains("refused"),
            "{words}"
        );
    }
}

/// `<x, w>^2` with standard gaussian `x` is `|w|^2` in expectation: 1-growth of its half is tight, 2-growth false.
#[test]
fn expectations_are_supported_or_undecided() {
    let project = Project::new();
    let case = |claim: &str| {
        format!(
            r#"{{"name": "a", "data": {{"x": {{"generate": {{"kind": "gaussian", "seed": 1, "shape": [32, 2]}}}}}},
                "population": {{"over": ["x"], "draws": 50}}, "parameters": {{"p": [2]}},
                "define": {{"f": "mean((x @ p)^2)/2"}}, "claim": {claim},
                "region": {{"w": {{"box": [-1, 1]}}, "v": {{"point": 0}}}}, "check": {{"samples": 100, "starts": 4}}}}"#
        )
    };
    let growth = |mu: &str| format!(r#"{{"quadratic_growth": {{"f": "f", "mu": {mu}, "f_star": 0}}}}"#);
    for (mu, extra, code, says) in [
        ("1", &[] as &[&str], 0, "no violation showed at"),
        ("1", &["--require", "proved"], 3, "Nothing is proved"),
        (
            "2",
            &[],
            3,
            "unless an event of probability at most 1.000e-2 occurred",
        ),
    ] {
        project.write("case.json", &case(&growth(mu)));
        let output = project.run(&[&["certify", "case.json", "-o", "c.json"], extra].concat());
        let words = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words}");
        assert!(words.contains(says), "{words}");
        assert!(
            words.contains("In expectation over x (x gaussian of mean 0 and deviation 1 in each entry)"),
            "{words}"
        );
        assert!(words.contains("50 draws of 32 examples"), "{words}");
        let certificate = json(&std::fs::read(project.folder.path().join("c.json")).unwrap());
        let reason = certificate["reason"].as_str().unwrap();
        assert!(
            reason.contains("where the means of the draws are approximately normal"),
            "{reason}"
        );
        let verified = project.run(&["verify", "c.json", "--case", "case.json"]);
        assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    }
    let explained = text(&project.run(&["explain", "case.json"]).stdout);
    assert!(explained.contains("50 fresh draws of 32 examples"), "{explained}");
    assert!(!explained.contains("branch and bound"), "{explained}");
    let tightened = project.run(&["tighten", "case.json"]);
    assert_eq!(tightened.status.code(), Some(2));
    // a squared norm, for every command that reads the claim as one about expectations
    project.write("case.json", &case(r#"{"pl": {"f": "f", "mu": 1, "f_star": 0}}"#));
    for command in ["certify", "explain"] {
        let output = project.run(&[command, "case.json"]);
        let words = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(
            words.contains("the slack is no mean over the examples"),
            "{words}"
        );
        assert!(words.contains("$.claim"), "{words}");
    }
}

#[test]
fn faults_of_the_input_exit_with_2_and_point_at_the_place() {
    let project = Project::new();
    let bad = case(CONVEX).replace("x[0]^2", "x[0]^2 + yy");
    project.write("case.json", &bad);
    let output = project.run(&["certify", "case.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let message = text(&output.stderr);
    for part in ["case.json:1:", "yy", "$.define.f", "^^"] {
        assert!(message.contains(part), "{part} missing in {message}");
    }
    std::fs::create_dir(project.folder.path().join("empty")).unwrap();
    for arguments in [
        &["certify"] as &[&str],
        &["certify", "absent.json"],
        &["certify", "empty"],
        &["certify", "case.json", "--samples", "0"],
        &["nonsense"],
        &["verify", "absent.json", "--case", "case.json"],
        &["verify", "case.json", "--case", "case.json"],
        &["new", "case.json"],
    ] {
        let output = project.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn an_unsampleable_region_is_a_fault_of_the_case() {
    let project = Project::new();
    let region = r#""v": {"box": [-1, 1]}, "where": ["x[0] >= 2"]}"#;
    project.write(
        "case.json",
        &case(CONVEX).replace(r#""v": {"box": [-1, 1]}}"#, region),
    );
    let output = project.run(&["certify", "case.json"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("where"));
}

#[test]
fn silence_where_asked_for() {
    let project = Project::new();
    project.write("case.json", &case(CONVEX));
    for flag in ["--quiet", "--json"] {
        let output = project.run(&["certify", "case.json", flag]);
        assert!(output.stderr.is_empty(), "{flag}");
        assert!(!output.stdout.is_empty());
    }
    let output = project.run(&["certify", "case.json", "-o", "out.json"]);
    assert!(output.stdout.is_empty());
    assert!(project.folder.path().join("out.json").exists());
    assert!(text(&output.stderr).contains("proved"));
    // no temporary file is left behind
    assert_eq!(std::fs::read_dir(project.folder.path()).unwrap().count(), 2);
}

#[test]
fn certificates_do_not_depend_on_threads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::new();
    for name in [
        "neuron-relu",
        "leaky-net-error-4-no-slope",
        "two-layer-linear",
        "pl-sine-too-large",
    ] {
        let path = root.join(format!("cases/{name}.json"));
        let certificates: Vec<serde_json::Value> = ["1", "2", "5"]
            .iter()
            .map(|threads| {
                let output = project.run(&[
                    "certify",
                    path.to_str().unwrap(),
                    "--samples",
                    "3000",
                    "--threads",
                    threads,
                    "--json",
                ]);
                let mut value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                value.as_object_mut().unwrap().shift_remove("run");
                value
            })
            .collect();
        let texts: Vec<String> = certificates.iter().map(ToString::to_string).collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "{name}");
    }
}

#[test]
fn a_new_case_is_sound_and_verifies() {
    let project = Project::new();
    assert_eq!(project.run(&["new", "mine.json"]).status.code(), Some(0));
    assert_eq!(project.run(&["explain", "mine.json"]).status.code(), Some(0));
    let output = project.run(&[
        "certify",
        "mine.json",
        "-o",
        "certificate.json",
        "--samples",
        "500",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = project.run(&["verify", "certificate.json", "--case", "mine.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let altered = std::fs::read_to_string(project.folder.path().join("certificate.json"))
        .unwrap()
        .replace("\"proved\"", "\"supported\"");
    project.write("certificate.json", &altered);
    let output = project.run(&["verify", "certificate.json", "--case", "mine.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("refused: "));
}

#[test]
fn schema_and_completions_go_to_standard_output() {
    let project = Project::new();
    let schema = project.run(&["schema", "case"]);
    let committed = include_str!("../docs/case.schema.json");
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&text(&schema.stdout)), parse(committed));
    for shell in ["bash", "zsh", "fish"] {
        let output = project.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = text(&output.stdout);
        assert!(script.contains("certify") && script.contains("tighten"));
    }
}

#[test]
fn explain_shows_the_claim() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::new();
    let path = root.join("cases/two-layer-linear.json");
    for (flags, name) in [(&[] as &[&str], "explain"), (&["--latex"], "explain-latex")] {
        let arguments = [&["explain", path.to_str().unwrap()], flags].concat();
        let output = project.run(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(name, text(&output.stdout));
        });
    }
}

/// `x^2` on `[-1, 1]`: `|f'| <= 2`, `f'' = 2`, `f'^2 = 4 f`, `f >= 0`.
#[test]
fn explain_shows_constants() {
    let project = Project::new();
    project.write("case.json", &case(PROVED));
    let output = project.run(&["explain", "case.json", "--constants"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let (_, constants) = shown.split_once("constants over the region of w\n").unwrap();
    let expected = "  ‖∇f‖ ≤ 2\n  ‖∇f(w) − ∇f(v)‖ ≤ ‖w − v‖ · 2\n  ‖∇f‖² ≤ g · 4\n  f ≥ 0\n";
    assert_eq!(constants, expected);
}

/// A case with the constant `c` unknown.
fn unknown(claim: &str, constant: &str) -> String {
    case(claim).replacen('{', &format!(r#"{{"constants": {{"c": {constant}}}, "#), 1)
}

/// Runs `tighten`; its exit code, its record, and what it says to people.
fn tighten(project: &Project, extra: &[&str]) -> (Option<i32>, serde_json::Value, String) {
    let output = project.run(&[&["tighten", "case.json"], extra].concat());
    let record = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), record, text(&output.stderr))
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// |f'| = 2 |x| <= c on [-1, 1] exactly if c >= 2; f = x^2 <= c/3 exactly if c >= 3.
#[test]
fn tighten_brackets_the_edge_from_either_side() {
    let project = Project::new();
    let lipschitz = r#"{"lipschitz": {"f": "f", "G": "c"}}"#;
    for (claim, constant, easier, edge, digits, paper) in [
        (
            lipschitz,
            r#"{"tighten": [0, 10], "paper": "5/2"}"#,
            "large",
            2.0,
            4,
            "proved",
        ),
        (
            lipschitz,
            r#"{"tighten": [-1, "1 + 7/3"], "paper": 1.99, "digits": 8}"#,
            "large",
            2.0,
            8,
            "refuted",
        ),
        (
            r#"{"inequality": "f(w) <= c/3"}"#,
            r#"{"tighten": [1, 5], "paper": "e", "digits": 2}"#,
            "large",
            3.0,
            2,
            "refuted",
        ),
        (
            r#"{"inequality": "2 - c >= f(w)"}"#,
            r#"{"tighten": [0, 8], "paper": "sqrt(2)/2"}"#,
            "small",
            1.0,
            4,
            "proved",
        ),
    ] {
        project.write("case.json", &unknown(claim, constant));
        let (code, record, shown) = tighten(&project, &["-o", "out/a"]);
        assert_eq!(code, Some(0), "{shown}");
        assert_eq!(record["easier_at"], easier);
        assert_eq!(record["paper"]["stands"], paper, "{record}");
        let (proved, refuted) = (
            number(&record["proved"]["value"]),
            number(&record["refuted"]["value"]),
        );
        let holds = |value: f64| {
            if easier == "large" {
                value >= edge
            } else {
                value <= edge
            }
        };
        assert!(holds(proved) && !holds(refuted), "{record}");
        let width = 10f64.powi(-digits) * proved.abs().max(refuted.abs());
        assert!((proved - refuted).abs() <= width * (1.0 + 1e-6), "{record}");
        for run in record["runs"].as_array().unwrap() {
            if let Ok(value) = run["value"].as_str().unwrap().parse() {
                assert_eq!(
                    run["verdict"],
                    if holds(value) { "proved" } else { "refuted" },
                    "{record}"
                );
            }
        }
        // each certificate holds for its own value, and for no other
        for (word, other) in [("proved", "refuted"), ("refuted", "proved")] {
            let certificate = format!("out/a/a.{word}.json");
            for (value, code) in [(word, 0), (other, 1)] {
                let set = format!("c={}", record[value]["value"].as_str().unwrap());
                let output = project.run(&["verify", &certificate, "--case", "case.json", "--set", &set]);
                assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
            }
            let written = std::fs::read_to_string(project.folder.path().join(&certificate)).unwrap();
            let written: serde_json::Value = serde_json::from_str(&written).unwrap();
            assert_eq!(written["digest"], record[word]["certificate"]);
        }
    }
}

/// |f'| <= c fails at both ends of [0, 1] and holds at both of [3, 4]; x^2 is c-strongly convex exactly if c <= 2,
/// which nothing proves while the prover is off.
#[test]
fn tighten_says_which_side_it_has_not_found() {
    let project = Project::new();
    let lipschitz = r#"{"lipschitz": {"f": "f", "G": "c"}}"#;
    let convex = r#"{"strongly_convex": {"f": "f", "mu": "c"}}"#;
    for (claim, range, extra, code, words) in [
        (convex, "[0, 1]", "64", 3, "proved at both ends"),
        (lipschitz, "[0, 1]", "64", 1, "refuted at both ends"),
        (lipschitz, "[3, 4]", "64", 3, "proved at both ends"),
        (
            lipschitz,
            "[0, 10]",
            "5",
            0,
            "the search ended with the 5 runs allowed",
        ),
        (
            convex,
            "[0, 1]",
            "64",
            3,
            "neither proved nor refuted at the ends",
        ),
        (
            convex,
            "[1, 3]",
            "64",
            3,
            "no value is proved, the smallest refuted is 2.000",
        ),
    ] {
        project.write(
            "case.json",
            &unknown(claim, &format!(r#"{{"tighten": {range}}}"#)),
        );
        let off = words.starts_with("ne") || words.starts_with("no value");
        let boxes = if off { "0" } else { "2000" };
        let (found, record, shown) = tighten(&project, &["--runs", extra, "--max-boxes", boxes]);
        assert_eq!(found, Some(code), "{shown}");
        assert!(record["reason"].as_str().unwrap().contains(words), "{record}");
        assert_eq!(record["proved"].is_null(), code != 0);
        assert!(record["runs"].as_array().unwrap().len() <= extra.parse().unwrap());
    }
}

/// With few boxes the prover falls short of the edge, 0.175531, and the search does not.
#[test]
fn tighten_finds_both_edges_of_a_gap() {
    let project = Project::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/pl-sine-tighten.json");
    let output = project.run(&["tighten", path.to_str().unwrap(), "--max-boxes", "40"]);
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (proved, refuted) = (
        number(&record["proved"]["value"]),
        number(&record["refuted"]["value"]),
    );
    assert!(
        proved < 0.175 && (0.175531..0.1756).contains(&refuted),
        "{record}"
    );
    assert!(
        record["reason"]
            .as_str()
            .unwrap()
            .contains("values tried between are neither")
    );
    for run in record["runs"].as_array().unwrap() {
        let open = (proved..refuted).contains(&number(&run["value"])) && number(&run["value"]) > proved;
        assert_eq!(open, run["verdict"] == "supported", "{record}");
    }
}

#[test]
fn tighten_does_not_depend_on_threads() {
    let project = Project::new();
    let claim = r#"{"inequality": "2 - c >= f(w)"}"#;
    project.write("case.json", &unknown(claim, r#"{"tighten": [0, 8]}"#));
    let records = ["1", "3"].map(|threads| tighten(&project, &["--threads", threads]).1);
    assert!(records[0].is_object() && records[0] == records[1]);
}

#[test]
fn a_value_that_makes_no_case_is_named() {
    let project = Project::new();
    // |x| >= c holds for no point of [-1, 1] at c = 8
    let empty = unknown(FALSE, r#"{"tighten": [0, 8]}"#)
        .replace(r#""v": {"box": [-1, 1]}}"#, r#""where": ["norm(w) >= c"]}"#);
    let zero = unknown(r#"{"inequality": "f(w) <= 1/c"}"#, r#"{"tighten": [0, 8]}"#);
    for (case, value) in [(empty, "c = 8"), (zero, "c = 0")] {
        project.write("case.json", &case);
        let (code, _, shown) = tighten(&project, &[]);
        assert_eq!(code, Some(2), "{shown}");
        assert!(shown.contains(&format!("this is with {value}")), "{shown}");
    }
}

#[test]
fn a_constant_is_set_on_the_command_line() {
    let project = Project::new();
    let claim = r#"{"lipschitz": {"f": "f", "G": "c"}}"#;
    project.write("case.json", &unknown(claim, r#"{"tighten": [0, 10]}"#));
    for (command, extra, code, words) in [
        ("certify", &[] as &[&str], 2, "`proxycert tighten` looks for it"),
        ("certify", &["--set", "c=2"], 0, "proved"),
        ("certify", &["--set", "c=199/100"], 1, "refuted"),
        ("certify", &["--set", "c=G"], 2, "is not a number"),
        ("certify", &["--set", "c"], 2, "expected NAME=VALUE"),
        ("certify", &["--set", "d=1"], 2, "no such constant"),
        ("tighten", &["--set", "c=2"], 2, "no constant to tighten"),
        ("tighten", &["--runs", "1"], 2, "2..=10000"),
        ("tighten", &["-o", "case.json"], 4, "case.json"),
        ("tighten", &["--max-boxes", "1"], 0, "-o FOLDER"),
    ] {
        let output = project.run(&[&[command, "case.json"], extra].concat());
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{extra:?}: {shown}");
        assert!(shown.contains(words), "{words} missing in {shown}");
    }
}

/// The edges are derived in `docs/catalogue.md`, by hand.
#[test]
fn tighten_finds_the_constants_of_the_catalogue() {
    let project = Project::new();
    for (name, edge) in [
        ("pl-sine-tighten", 0.175531),
        ("phase-retrieval-tighten", 0.3355574),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("cases/{name}.json"));
        let output = project.run(&["tighten", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let (proved, refuted) = (
            number(&record["proved"]["value"]),
            number(&record["refuted"]["value"]),
        );
        // the edges are rounded
        assert!(proved <= edge + 1e-6 && edge - 1e-6 <= refuted, "{record}");
        assert!(refuted - proved <= 1e-4 * refuted, "{record}");
        assert_eq!(record["paper"]["stands"], "proved");
    }
}

#[test]
fn a_slack_whose_terms_cancel_is_certified() {
    // f is 0: our slack is 0 and free of v, the one with Burn's gradient still speaks of v
    let project = Project::new();
    project.write(
        "case.json",
        &case(CONVEX).replace("x[0]^2", "exp(x[0]) - exp(x[0])"),
    );
    let output = project.run(&["certify", "case.json", "--require", "proved"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_neither_read_nor_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let project = Project::new();
    project.write("case.json", &case(BOUNDED));
    let made = Command::new("mkfifo")
        .arg(project.folder.path().join("pipe"))
        .status();
    if made.is_ok_and(|status| status.success()) {
        project.write(
            "reads.json",
            &case(BOUNDED).replacen('{', r#"{"data": {"a": {"csv": "pipe", "columns": ["a"]}}, "#, 1),
        );
        for arguments in [
            &["certify", "pipe"] as &[&str],
            &["certify", "reads.json"],
            &["verify", "pipe", "--case", "case.json"],
        ] {
            let output = project.run(arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert!(
                text(&output.stderr).contains("a pipe or a device"),
                "{arguments:?}"
            );
        }
    }
    // through a link, so that even a wrong program run by root would leave the device alone
    let link = project.folder.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let output = project.run(&["certify", "case.json", "-o", "null"]);
    assert_eq!(output.status.code(), Some(0));
    let kind = std::fs::metadata(&link).unwrap().file_type();
    assert!(kind.is_char_device());
}

#[test]
fn an_output_that_cannot_be_written_is_known_before_the_run() {
    let project = Project::new();
    let written = project.write("case.json", &case(BOUNDED));
    std::fs::create_dir(project.folder.path().join("folder")).unwrap();
    for (path, code, words) in [
        ("folder", 4, "is a directory"),
        ("missing/out.json", 4, "not found"),
        ("case.json", 2, "is the case itself"),
    ] {
        let output = project.run(&["certify", "case.json", "-o", path]);
        assert_eq!(output.status.code(), Some(code), "{path}");
        let shown = text(&output.stderr);
        assert!(shown.contains(words) && !shown.contains("proved"), "{shown}");
    }
    assert_eq!(std::fs::read_to_string(written).unwrap(), case(BOUNDED));
    assert_eq!(std::fs::read_dir(project.folder.path()).unwrap().count(), 2);
}

#[test]
fn the_text_of_a_case_does_not_command_the_terminal() {
    let project = Project::new();
    let titled = case(BOUNDED).replacen('{', r#"{"title": "\u001b[31m\u202ered", "#, 1);
    project.write("case.json", &titled);
    for command in ["certify", "explain"] {
        let output = project
            .run(&[command, "case.json", "-o", "out.json"][..if command == "certify" { 4 } else { 2 }]);
        let shown = text(&output.stderr) + &text(&output.stdout);
        assert!(shown.contains(r"\u{1b}[31m\u{202e}red"), "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
    }
}

/// A folder `cases` with a proved, a refuted, a supported and a faulty case, and a file that is none.
fn folder() -> Project {
    let project = Project::new();
    std::fs::create_dir(project.folder.path().join("cases")).unwrap();
    let unproved = case(CONVEX).replace(r#""samples": 100"#, r#""samples": 100, "max_boxes": 0"#);
    for (name, text) in [
        ("proved", case(BOUNDED)),
        ("refuted", case(FALSE)),
        ("supported", unproved),
        ("broken", case(CONVEX).replace("x[0]^2", "yy")),
    ] {
        let named = text.replacen(r#""name": "a""#, &format!(r#""name": "{name}""#), 1);
        project.write(&format!("cases/{name}.json"), &named);
    }
    project.write("cases/notes.txt", "no case");
    project
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_folder_of_cases_has_a_summary_and_one_exit_code() {
    let project = folder();
    let output = project.run(&["certify", "cases"]);
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    // the fault is told with its place, the others are not stopped by it
    for part in ["cases/broken.json:1:", "yy", "^^", "4 cases in"] {
        assert!(shown.contains(part), "{part} missing in {shown}");
    }
    let row = |name: &str| {
        shown
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(row("proved ").contains("slack >= -1e-9"));
    // the least slack is -1/100, and 100 points do not all miss where it is negative
    assert!(row("refuted ").contains("slack <= -"));
    assert!(row("supported ").contains("100 samples"));
    assert!(row("cases/broken.json ").contains("faulty"));
    let summary = json(&output.stdout);
    assert_eq!(summary["format"], "proxycert-summary");
    let counts = serde_json::json!({"proved": 1, "supported": 1, "undecided": 0, "refuted": 1, "faulty": 1, "failed": 0});
    assert_eq!(summary["counts"], counts);
    let files: Vec<&str> = summary["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["file"].as_str().unwrap())
        .collect();
    assert_eq!(
        files,
        [
            "cases/broken.json",
            "cases/proved.json",
            "cases/refuted.json",
            "cases/supported.json"
        ]
    );
    assert_eq!(summary["cases"][0]["exit_code"], 2);

    for (arguments, code) in [
        (
            &["cases/proved.json", "cases/refuted.json", "cases/supported.json"] as &[&str],
            1,
        ),
        (&["cases/proved.json", "cases/supported.json"], 0),
        (
            &["cases/proved.json", "cases/supported.json", "--require", "proved"],
            3,
        ),
        (&["cases/proved.json", "cases/refuted.json", "absent.json"], 2),
    ] {
        let output = project.run(&[&["certify", "--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(output.stderr.is_empty(), code != 2, "{arguments:?}");
        json(&output.stdout);
    }
}

#[test]
fn the_summary_depends_on_threads_in_its_run_block_alone() {
    let project = folder();
    let [one, two] = ["1", "2"].map(|threads| {
        let mut summary = json(&project.run(&["certify", "cases", "--threads", threads]).stdout);
        assert_eq!(summary["run"]["seconds"].as_array().unwrap().len(), 4);
        summary.as_object_mut().unwrap().shift_remove("run");
        summary.to_string()
    });
    assert_eq!(one, two);
}

#[test]
fn the_certificates_of_a_folder_are_those_of_its_cases_and_verify_together() {
    let project = folder();
    let root = project.folder.path();
    let output = project.run(&["certify", "cases", "-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let summary = json(&std::fs::read(root.join("out/summary.json")).unwrap());
    for row in &summary["cases"].as_array().unwrap()[1..] {
        let name = row["name"].as_str().unwrap();
        let certificate = json(&std::fs::read(root.join(format!("out/{name}.json"))).unwrap());
        let single = json(&project.run(&["certify", &format!("cases/{name}.json")]).stdout);
        assert_eq!(certificate["digest"], single["digest"]);
        assert_eq!(row["certificate"], single["digest"]);
        assert_eq!(row["case"], single["case"]["digest"]);
        assert_eq!(row["verdict"], name);
    }
    assert_eq!(std::fs::read_dir(root.join("out")).unwrap().count(), 4);

    let verify = |arguments: &[&str], code: i32, words: &str| {
        let output = project.run(&[&["verify"], arguments].concat());
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}");
        assert!(
            shown.contains(words) && output.stdout.is_empty(),
            "{words} missing in {shown}"
        );
    };
    // no certificate speaks of the faulty case
    verify(&["out", "--case", "cases"], 0, "accepted: 3 of 3");
    project.write("cases/broken.json", "{");
    verify(&["out", "--case", "cases"], 2, "accepted: 3 of 3");
    std::fs::remove_file(root.join("cases/broken.json")).unwrap();
    let one = "cases/proved.json";
    verify(&["--case", one, "out/proved.json"], 0, "accepted: `proved`");
    verify(
        &["out", "--case", one, "--case", "cases/refuted.json"],
        1,
        "out/supported.json: it speaks of a case supported",
    );
    project.write("out/other.json", "{}");
    verify(
        &["out", "--case", "cases"],
        2,
        "out/other.json: not a certificate",
    );
    let changed = std::fs::read_to_string(root.join("out/proved.json")).unwrap();
    project.write(
        "out/other.json",
        &changed.replace(r#""samples": 100"#, r#""samples": 99"#),
    );
    verify(&["out", "--case", "cases"], 1, "refused: out/other.json: ");
}

#[test]
fn certificates_of_a_folder_replace_no_case_and_no_other() {
    let project = folder();
    project.write(
        "cases/twin.json",
        &case(BOUNDED).replacen(r#""name": "a""#, r#""name": "proved""#, 1),
    );
    project.write(
        "cases/last.json",
        &case(BOUNDED).replacen(r#""name": "a""#, r#""name": "summary""#, 1),
    );
    let output = project.run(&["certify", "cases", "-o", "out"]);
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for part in [
        "cases/twin.json: the name of this case is `proved`, and proved.json is for cases/proved.json",
        "cases/last.json: the name of this case is `summary`, and summary.json is for the summary",
        "6 cases in",
    ] {
        assert!(shown.contains(part), "{part} missing in {shown}");
    }
    for (arguments, code, words) in [
        (&["cases", "-o", "cases"] as &[&str], 2, "lies in this folder"),
        (&["cases", "-o", "cases/../cases"], 2, "lies in this folder"),
        (&["cases", "-o", "cases/notes.txt"], 4, "notes.txt"),
        (
            &["cases/proved.json", "cases/refuted.json", "-o", "cases"],
            2,
            "lies in this folder",
        ),
    ] {
        let output = project.run(&[&["certify"], arguments].concat());
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}");
        assert!(shown.contains(words) && !shown.contains("seconds"), "{shown}");
    }
}

/// A file of the output folder that is a link to a case is not written through.
#[cfg(unix)]
#[test]
fn certificates_are_not_written_through_links_to_cases() {
    use std::os::unix::fs::symlink;
    let project = folder();
    let at = |path: &str| project.folder.path().join(path);
    let before = std::fs::read(at("cases/proved.json")).unwrap();
    for (folder, file) in [("first", "proved.json"), ("second", "summary.json")] {
        std::fs::create_dir(at(folder)).unwrap();
        let link = format!("{folder}/{file}");
        symlink("../cases/proved.json", at(&link)).unwrap();
        let output = project.run(&["certify", "cases", "-o", folder]);
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        let words = format!("{link} is a link to a case, which would be replaced");
        assert!(shown.contains(&words), "{shown}");
        assert_eq!(std::fs::read(at("cases/proved.json")).unwrap(), before);
    }
}
