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

// convexity in words that no rule of proof knows
const CONVEX: &str = r#"{"inequality": "dot(grad(f)(w), w - v) >= f(w) - f(v)"}"#;
const PROVED: &str = r#"{"convex": {"f": "f"}}"#;
const FALSE: &str = r#"{"inequality": "f(w) >= 1/100"}"#;
// |grad f| = 2 |x| <= 2
const BOUNDED: &str = r#"{"lipschitz": {"f": "f", "G": 2}}"#;

#[test]
fn exit_codes_are_those_of_the_verdicts() {
    let project = Project::new();
    for (claim, extra, code) in [
        (CONVEX, &[] as &[&str], 0),
        (CONVEX, &["--require", "proved"], 3),
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
    for arguments in [
        &["certify"] as &[&str],
        &["certify", "absent.json"],
        &["certify", "."],
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
    assert!(text(&output.stderr).contains("supported"));
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
        assert!(text(&output.stdout).contains("certify"));
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
