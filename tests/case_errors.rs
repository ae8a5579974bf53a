//! Every way in which a case can be malformed ends in a message that points at the place, exit code 2.
//!
//! The messages are held as snapshots, one per part of the format; hostile sizes are tested apart.

use std::fs;
use std::path::Path;

use proxycert::case::{Case, Text, digest};
use proxycert::claim::Claim;
use proxycert::error::Error;

/// A sound case, one part a line.
const SOUND: [(&str, &str); 7] = [
    ("name", r#""a-case""#),
    ("constants", r#"{"s": 5, "c": "s/5"}"#),
    ("data", r#"{"x": [[1, 2], [3, 4]], "y": [1, -1]}"#),
    ("parameters", r#"{"a": [2], "b": [2, 3]}"#),
    ("define", r#"{"f": "sum(a^2) + sum(b^2)"}"#),
    ("claim", r#"{"convex": {"f": "f"}}"#),
    ("region", r#"{"w": {"box": [-1, 1]}, "v": {"box": [-1, 1]}}"#),
];

/// The sound case with one part replaced, added or, with an empty text, left out.
fn case_with(part: &str, text: &str) -> String {
    let mut parts: Vec<(&str, &str)> = SOUND.to_vec();
    match parts.iter_mut().find(|(name, _)| *name == part) {
        Some(found) => found.1 = text,
        None => parts.push((part, text)),
    }
    let written = parts.iter().filter(|(_, text)| !text.is_empty());
    let lines: Vec<String> = written
        .map(|(name, text)| format!("  \"{name}\": {text}"))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// The message of a refusal, its exit code and its length checked.
fn message(outcome: Result<Case, Error>) -> String {
    let error = outcome.expect_err("the case must be refused");
    assert_eq!(error.exit_code(), 2);
    let message = error.render(false);
    assert!(message.chars().count() < 3000, "a message must stay readable");
    message
}

/// The message for a case that must be refused.
fn refusal(text: &str, folder: &Path) -> String {
    message(Case::parse(text, "case.json", folder, false))
}

/// Messages for a part of the case written in several wrong ways.
fn refusals(part: &str, texts: &[&str]) -> String {
    refusals_in(part, texts, Path::new(""))
}

fn refusals_in(part: &str, texts: &[&str], folder: &Path) -> String {
    texts
        .iter()
        .map(|text| refusal(&case_with(part, text), folder) + "\n\n")
        .collect()
}

/// Holds messages as a snapshot in the folder `snapshots/` of the repository.
fn hold(name: &str, messages: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("case_errors_{name}"), messages));
}

#[test]
fn the_sound_case_is_sound() {
    let text = case_with("title", r#""é""#);
    let case = Case::parse(text, "case.json", Path::new(""), false).expect("sound");
    assert_eq!(case.data["x"].shape, [2, 2]);
    assert_eq!(&case.data["x"].values[..], [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(case.parameters["b"].value, [2, 3]);
    assert_eq!(case.constants["c"].value, "s/5");
    assert_eq!(case.constants["c"].at.path, "$.constants.c");
    assert_eq!(case.check.samples, 20_000);
    assert_eq!(case.check.tolerance.value, "1e-9");
    assert_eq!(case.title, "é");
}

#[test]
fn every_case_of_the_catalogue_is_well_formed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("the catalogue") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let case = Case::load(&path, false).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                Some(case.name.as_str()),
                path.file_stem().and_then(|stem| stem.to_str())
            );
            names.push(case.name);
        }
    }
    assert!(!names.is_empty());
}

#[test]
fn json() {
    let texts = [
        "",
        "  // nothing but a comment",
        "[]",
        "{\"name\": \"a\",}",
        "{\"name\": [1, 2,]}",
        "{\"name\": \"a\" \"title\": \"b\"}",
        "{\"name\" \"a\"}",
        "{name: \"a\"}",
        "{'name': \"a\"}",
        "{\"name\": \"a\"",
        "{\"name\": \"a",
        "{\"name\": \"a\"} {}",
        "{\"name\": ]",
        "{\n  \"name\": \"a\",\n  \"title\": \"b\",\n  \"na\\u006de\": \"c\"\n}",
        "{\"name\": \"a\tb\"}",
        "{\"name\": \"\\x41\"}",
        "{\"name\": \"\\u12g4\"}",
        "{\"name\": \"\\ud800\"}",
        "{\"name\": \"\\udc00\\ud800\"}",
        "{\"check\": {\"samples\": NaN}}",
        "{\"check\": {\"samples\": -Infinity}}",
        "{\"check\": {\"samples\": 0x10}}",
        "{\"check\": {\"samples\": 010}}",
        "{\"check\": {\"samples\": +1}}",
        "{\"check\": {\"samples\": .5}}",
        "{\"check\": {\"samples\": 1.}}",
        "{\"check\": {\"samples\": 1e}}",
        "{\"constants\": {\"c\": 1e999999999}}",
        "{\"constants\": {\"c\": 1e-10001}}",
        "{\"name\": True}",
        "/* block */ {}",
        "/é",
        "\u{feff}{\"nome\": 1}",
        "{\"a\u{1b}[31m\": 1}",
    ];
    let messages: String = texts
        .iter()
        .map(|text| refusal(text, Path::new("")) + "\n\n")
        .collect();
    hold("json", &messages);
}

#[test]
fn keys_and_types() {
    let mut messages = refusals("smaples", &["1"]);
    for part in ["name", "claim", "region", "parameters"] {
        messages += &refusals(part, &[""]);
    }
    messages += &refusals("name", &["1", r#""""#, r#""A case""#, "null", "{}"]);
    messages += &refusals("title", &["1", "[]"]);
    messages += &refusals("source", &[r#""Frei""#, r#"{"work": 2021}"#, r#"{"werk": "x"}"#]);
    let constants = [
        "[]",
        r#"{"c": null}"#,
        r#"{"c": [1]}"#,
        r#"{"c": " "}"#,
        r#"{"c": true}"#,
    ];
    messages += &refusals("constants", &constants);
    messages += &refusals("define", &["1", r#"{"f": {}}"#]);
    let models = [
        "{}",
        r#""mlp""#,
        r#"{"mpl": {}}"#,
        r#"{"mlp": 1}"#,
        r#"{"mlp": {}, "linear": {}}"#,
    ];
    messages += &refusals("model", &models);
    hold("keys_and_types", &messages);
}

#[test]
fn names() {
    let constants = [
        r#"{"w": 1}"#,
        r#"{"pi": 1}"#,
        r#"{"grad": 1}"#,
        r#"{"leaky_relu": 1}"#,
        r#"{"x": 1}"#,
        r#"{"1a": 1}"#,
        r#"{"": 1}"#,
        r#"{"é": 1}"#,
        r#"{"a b": 1}"#,
        r#"{"a\u0000": 1}"#,
    ];
    let messages = refusals("constants", &constants)
        + &refusals("data", &[r#"{"s": [1]}"#])
        + &refusals("parameters", &[r#"{"s": [1]}"#, r#"{"v": [1]}"#])
        + &refusals("define", &[r#"{"b": "1"}"#, r#"{"f": "1", "f": "2"}"#]);
    hold("names", &messages);
}

#[test]
fn unknown_constants() {
    let shapes = [
        r#"{"mu": {}}"#,
        r#"{"mu": {"paper": 1}}"#,
        r#"{"mu": {"tighten": 1}}"#,
        r#"{"mu": {"tighten": [0, 1, 2]}}"#,
        r#"{"mu": {"tighten": [0, null]}}"#,
        r#"{"mu": {"tighten": [0, 1], "digits": 0}}"#,
        r#"{"mu": {"tighten": [0, 1], "papre": 1}}"#,
        r#"{"mu": {"tighten": [0, 1]}, "nu": {"tighten": [0, 1]}}"#,
    ];
    let mut messages = refusals("constants", &shapes);
    // what only evaluation shows
    for text in [
        r#"{"mu": {"tighten": [0, 1]}}"#,
        r#"{"mu": {"tighten": [1, "1/2"]}}"#,
        r#"{"mu": {"tighten": [0, "sqrt(2)"], "paper": 1}}"#,
        r#"{"mu": {"tighten": [0, "1/0"]}}"#,
        r#"{"mu": {"tighten": [0, "2*late"]}, "late": 1}"#,
        r#"{"mu": {"tighten": [0, 1], "paper": "sqrt(2)"}}"#,
        r#"{"mu": {"tighten": [0, 1], "paper": "one"}}"#,
    ] {
        let case = Case::parse(case_with("constants", text), "case.json", Path::new(""), false);
        let claim = Claim::new(&case.expect("well-formed"));
        let fault = claim.err().expect("a fault").render(false);
        messages += &(fault + "\n\n");
    }
    hold("unknown_constants", &messages);
}

#[test]
fn an_unknown_constant_takes_a_value() {
    let text = r#"{"s": 5, "mu": {"tighten": [0, "s"], "paper": "1/4"}, "c": "mu*s"}"#;
    let parse = |text: &str| Case::parse(case_with("constants", text), "case.json", Path::new(""), false);
    let mut case = parse(text).expect("sound");
    let unknown = case.unknown.clone().expect("an unknown constant");
    assert_eq!(
        (unknown.name.as_str(), unknown.position, unknown.digits),
        ("mu", 1, 4)
    );
    // the paper's value, until another is set: the digest is that of the case with this value
    for value in ["1/4", "0.3"] {
        assert!(case.set_constant("mu", value));
        let written = parse(&format!(r#"{{"s": 5, "mu": "{value}", "c": "mu*s"}}"#)).expect("sound");
        assert_eq!(digest::case(&case), digest::case(&written));
        assert!(case.constants.keys().eq(written.constants.keys()) && case.unknown.is_none());
        assert!(Claim::new(&case).is_ok());
    }
    assert!(!case.set_constant("nu", "1"));
}

#[test]
fn parameters() {
    let texts = [
        "[2, 3]",
        r#"{"a": 2}"#,
        r#"{"a": [0]}"#,
        r#"{"a": [-1]}"#,
        r#"{"a": [1.5]}"#,
        r#"{"a": [1e3]}"#,
        r#"{"a": ["2"]}"#,
        r#"{"a": [1000000, 1000000]}"#,
        r#"{"a": [99999999999999999999999999]}"#,
        r#"{"a": [1000000], "b": [1]}"#,
        r#"{"a": [1, 1, 1, 1, 1, 1, 1, 1, 1]}"#,
    ];
    hold("parameters", &refusals("parameters", &texts));
}

#[test]
fn claims() {
    let texts = [
        "{}",
        r#""convex""#,
        r#"{"convx": {"f": "f"}}"#,
        r#"{"convex": {"f": "f"}, "star_convex": {"f": "f"}}"#,
        r#"{"convex": "f"}"#,
        r#"{"convex": {}}"#,
        r#"{"pl": {"f": "f", "mu": 1}}"#,
        r#"{"pl": {"f": "f", "mu": 1, "fstar": 0}}"#,
        r#"{"pl": {"f": "f", "mu": null, "f_star": 0}}"#,
        r#"{"proxy_convexity": {"f": "f", "g": [], "h": "f"}}"#,
        r#"{"inequality": {"lhs": "f(w)"}}"#,
        r#"{"inequality": 1}"#,
        r#"{"inequality": ""}"#,
    ];
    hold("claims", &refusals("claim", &texts));
}

#[test]
fn regions() {
    let texts = [
        "{}",
        "[-1, 1]",
        r#"{"w": {}}"#,
        r#"{"w": [-1, 1]}"#,
        r#"{"u": {"box": [-1, 1]}}"#,
        r#"{"w": {"bocks": [-1, 1]}}"#,
        r#"{"w": {"box": [-1, 1], "point": 0}}"#,
        r#"{"w": {"box": -1}}"#,
        r#"{"w": {"box": []}}"#,
        r#"{"w": {"box": [-1]}}"#,
        r#"{"w": {"box": [-1, 0, 1]}}"#,
        r#"{"w": {"box": [[-1, 1], 2]}}"#,
        r#"{"w": {"box": [[-1, 1], [2]]}}"#,
        r#"{"w": {"box": [null, 1]}}"#,
        r#"{"w": {"box": {"a": 1}}}"#,
        r#"{"w": {"ball": {"center": 0}}}"#,
        r#"{"w": {"ball": {"centre": 0, "radius": 1}}}"#,
        r#"{"w": {"ball": {"center": 0, "radius": []}}}"#,
        r#"{"w": {"ball": 1}}"#,
        r#"{"w": {"point": []}}"#,
        r#"{"w": {"point": [[1, 2], [3]]}}"#,
        r#"{"w": {"point": [1, [2]]}}"#,
        r#"{"w": {"point": [1, true]}}"#,
        r#"{"w": {"point": {"a": {"b": 1}}}}"#,
        r#"{"w": {"point": null}}"#,
        r#"{"w": {"box": [-1, 1]}, "where": "norm(w) <= 1"}"#,
        r#"{"w": {"box": [-1, 1], "where": [1]}}"#,
        r#"{"w": {"box": [-1, 1], "where": [""]}}"#,
    ];
    hold("regions", &refusals("region", &texts));
}

#[test]
fn checks() {
    let texts = [
        "1",
        r#"{"smaples": 1}"#,
        r#"{"samples": 0}"#,
        r#"{"samples": 10000000001}"#,
        r#"{"samples": "many"}"#,
        r#"{"samples": 1e4}"#,
        r#"{"seed": -1}"#,
        r#"{"seed": 18446744073709551616}"#,
        r#"{"confidence": 0}"#,
        r#"{"confidence": 1}"#,
        r#"{"confidence": 1.5}"#,
        r#"{"confidence": "0.9"}"#,
        r#"{"tolerance": -1e-9}"#,
        r#"{"tolerance": "-1"}"#,
        r#"{"tolerance": null}"#,
        r#"{"max_boxes": 1.5}"#,
        r#"{"starts": 1000001}"#,
    ];
    hold("checks", &refusals("check", &texts));
}

#[test]
fn inline_data() {
    let texts = [
        "[]",
        r#"{"x": "1, 2"}"#,
        r#"{"x": null}"#,
        r#"{"x": []}"#,
        r#"{"x": [[]]}"#,
        r#"{"x": [[1, 2], []]}"#,
        r#"{"x": [[1, 2], [3]]}"#,
        r#"{"x": [1, [2]]}"#,
        r#"{"x": [[1], 2]}"#,
        r#"{"x": [1, null]}"#,
        r#"{"x": [1, "2"]}"#,
        r#"{"x": [1e400]}"#,
        r#"{"x": [1, NaN]}"#,
        r#"{"x": [[[[[[[[[1]]]]]]]]]}"#,
        r#"{"x": {}}"#,
        r#"{"x": {"cvs": "a.csv", "columns": ["a"]}}"#,
    ];
    hold("inline_data", &refusals("data", &texts));
}

#[test]
fn csv_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("written");
    write("good.csv", b"a,b,kind\n1,2,red\n 3 ,4e0,\"blue\"\n");
    write("word.csv", b"a,b\r\n1,2\r\n3, four\r\n");
    write("quoted.csv", b"a,b\n1,\"t,wo\"\n");
    write("nan.csv", b"a\n1\nNaN\n");
    write("inf.csv", b"a\n-inf\n");
    write("huge.csv", b"a\n1e999\n");
    write("blank.csv", b"a,b\n1,\n");
    write("ragged.csv", b"a,b\n1,2\n3\n");
    write("rows.csv", b"a,b\n");
    write("empty.csv", b"");
    write("twice.csv", b"a,a\n1,2\n");
    write("binary.csv", b"a\n1\n\xff\n");
    fs::create_dir(folder.path().join("sub")).expect("made");

    let good = case_with(
        "data",
        r#"{"x": {"csv": "./good.csv", "columns": ["b", "a"]},
            "y": {"csv": "good.csv", "columns": ["kind"], "labels": {"red": 1, "blue": -1}}}"#,
    );
    let good = Case::parse(good, "case.json", folder.path(), false).expect("sound");
    assert_eq!(good.data["x"].shape, [2, 2]);
    assert_eq!(&good.data["x"].values[..], [2.0, 1.0, 4.0, 3.0]);
    assert_eq!(good.data["y"].shape, [2]);
    assert_eq!(&good.data["y"].values[..], [1.0, -1.0]);

    let texts = [
        r#"{"x": {"csv": "good.csv"}}"#,
        r#"{"x": {"csv": 1, "columns": ["a"]}}"#,
        r#"{"x": {"csv": "good.csv", "columns": "a"}}"#,
        r#"{"x": {"csv": "good.csv", "columns": []}}"#,
        r#"{"x": {"csv": "good.csv", "columns": [1]}}"#,
        r#"{"x": {"csv": "good.csv", "columns": ["knd"]}}"#,
        r#"{"x": {"csv": "good.csv", "columns": ["kind"]}}"#,
        r#"{"x": {"csv": "good.csv", "columns": ["kind"], "labels": {"red": 1}}}"#,
        r#"{"x": {"csv": "good.csv", "columns": ["kind"], "labels": {}}}"#,
        r#"{"x": {"csv": "good.csv", "columns": ["kind"], "labels": {"red": "1"}}}"#,
        r#"{"x": {"csv": "word.csv", "columns": ["b"]}}"#,
        r#"{"x": {"csv": "quoted.csv", "columns": ["b"]}}"#,
        r#"{"x": {"csv": "nan.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "inf.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "huge.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "blank.csv", "columns": ["b"]}}"#,
        r#"{"x": {"csv": "ragged.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "rows.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "empty.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "twice.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "binary.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "sub", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "missing.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "../case.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "sub/../../case.csv", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "/etc/passwd", "columns": ["a"]}}"#,
        r#"{"x": {"csv": "a\u0000b", "columns": ["a"]}}"#,
    ];
    let messages = refusals_in("data", &texts, folder.path());
    hold(
        "csv_data",
        &messages.replace(&folder.path().display().to_string(), "FOLDER"),
    );
}

#[test]
fn populations() {
    let data = r#"{"x": {"generate": {"kind": "gaussian", "seed": 1, "shape": [4, 2]}},
           "z": {"generate": {"kind": "uniform", "seed": 1, "shape": [4]}},
           "short": {"generate": {"kind": "uniform", "seed": 9, "shape": [3]}},
           "one": {"generate": {"kind": "uniform", "seed": 9, "shape": []}},
           "t": {"generate": {"kind": "teacher", "seed": 1, "inputs": "x", "weights": [1, 2]}},
           "free": {"generate": {"kind": "teacher", "seed": 1, "inputs": "x"}},
           "y": {"generate": {"kind": "noise", "seed": 2, "of": "t", "deviation": 1}},
           "p": {"generate": {"kind": "separable", "seed": 3, "shape": [4, 2], "margin": 1, "direction": [1, 0], "part": "inputs"}},
           "q": {"generate": {"kind": "separable", "seed": 3, "shape": [4, 2], "margin": 1, "direction": [1, 0], "part": "labels"}},
           "u": {"generate": {"kind": "separable", "seed": 3, "shape": [4, 2], "margin": 1, "direction": [1, 0], "part": "direction"}},
           "r": {"generate": {"kind": "separable", "seed": 4, "shape": [4, 2], "margin": 1, "part": "inputs"}},
           "fixed": [1, 2, 3, 4]}"#;
    let whole = |population: &str| {
        let text = case_with("data", data);
        text.replacen("\n}", &format!(",\n  \"population\": {population}\n}}"), 1)
    };
    for good in [r#"{"over": ["p", "q"]}"#, r#"{"over": ["y", "x", "free", "t"]}"#] {
        let parsed = Case::parse(whole(good), "case.json", Path::new(""), false);
        assert_eq!(parsed.is_ok(), !good.contains("free"), "{good}");
    }
    let messages: String = [
        "1",
        "{}",
        r#"{"over": "x"}"#,
        r#"{"over": []}"#,
        r#"{"over": ["xx"]}"#,
        r#"{"over": ["fixed"]}"#,
        r#"{"over": ["one"]}"#,
        r#"{"over": ["x", "x"]}"#,
        r#"{"over": ["x", "t", "free", "y", "short"]}"#,
        r#"{"over": ["x", "t", "free", "y", "z"]}"#,
        r#"{"over": ["x", "t", "y"]}"#,
        r#"{"over": ["x", "t", "free", "y"]}"#,
        r#"{"over": ["y"]}"#,
        r#"{"over": ["p"]}"#,
        r#"{"over": ["p", "q", "u"]}"#,
        r#"{"over": ["r"]}"#,
        r#"{"over": ["z"], "draws": 1}"#,
        r#"{"over": ["z"], "draw": 10}"#,
    ]
    .iter()
    .map(|population| refusal(&whole(population), Path::new("")) + "\n\n")
    .collect();
    hold("populations", &messages);
}

#[cfg(unix)]
#[test]
fn a_link_does_not_lead_out_of_the_folder_unless_allowed() {
    let outside = tempfile::tempdir().expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("a.csv"), "a\n1\n").expect("written");
    std::os::unix::fs::symlink(outside.path(), folder.path().join("sub")).expect("linked");
    let text = case_with("data", r#"{"x": {"csv": "sub/a.csv", "columns": ["a"]}}"#);
    assert!(refusal(&text, folder.path()).contains("a link leads out of the folder"));
    let case = Case::parse(text, "case.json", folder.path(), true).expect("allowed");
    assert_eq!(&case.data["x"].values[..], [1.0]);
}

#[test]
fn generated_data() {
    let options = [
        "1",
        "{}",
        r#"{"kind": "gausian", "seed": 1, "shape": [2]}"#,
        r#"{"kind": "gaussian", "shape": [2]}"#,
        r#"{"kind": "gaussian", "seed": -1, "shape": [2]}"#,
        r#"{"kind": "gaussian", "seed": 1}"#,
        r#"{"kind": "gaussian", "seed": 1, "shape": [100000, 100000]}"#,
        r#"{"kind": "gaussian", "seed": 1, "shape": [2], "low": 1}"#,
        r#"{"kind": "gaussian", "seed": 1, "shape": [20], "mean": 1e308, "deviation": 1e308}"#,
        r#"{"kind": "uniform", "seed": 1, "shape": [2], "low": 1}"#,
        r#"{"kind": "sphere", "seed": 1, "shape": [2]}"#,
        r#"{"kind": "sphere", "seed": 1, "shape": [2, 2], "radius": 0}"#,
        r#"{"kind": "teacher", "seed": 1, "inputs": "z"}"#,
        r#"{"kind": "teacher", "seed": 1, "inputs": "y"}"#,
        r#"{"kind": "teacher", "seed": 1, "inputs": "x", "weights": [1]}"#,
        r#"{"kind": "teacher", "seed": 1, "inputs": "x", "activation": "sine"}"#,
        r#"{"kind": "teacher", "seed": 1, "inputs": "x", "activation": "relu", "slope": 1}"#,
        r#"{"kind": "separable", "seed": 1, "shape": [2, 2], "margin": 1}"#,
        r#"{"kind": "separable", "seed": 1, "shape": [2, 2], "margin": 1, "part": "input"}"#,
        r#"{"kind": "separable", "seed": 1, "shape": [2, 2], "margin": -1, "part": "inputs"}"#,
        r#"{"kind": "separable", "seed": 1, "shape": [2, 2], "margin": 1, "part": "inputs", "direction": [0, 0]}"#,
        r#"{"kind": "noise", "seed": 1, "of": "y"}"#,
        r#"{"kind": "noise", "seed": 1, "of": "y", "flip": 2}"#,
        r#"{"kind": "noise", "seed": 1, "of": "y", "flip": 0.1, "deviation": 1}"#,
        r#"{"kind": "noise", "seed": 1, "of": "g", "flip": 0.1}"#,
    ];
    let write = |options| format!(r#"{{"x": [[1, 2]], "y": [1, -1], "g": {{"generate": {options}}}}}"#);
    let texts: Vec<String> = options.iter().map(write).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    hold("generated_data", &refusals("data", &texts));
}

#[test]
fn files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("latin.json"), b"{\n  \"name\": \"caf\xe9\"\n}").expect("written");
    let large = fs::File::create(path("large.json")).expect("made");
    large.set_len((64 << 20) + 1).expect("a sparse file");
    let load = |name: &str| message(Case::load(&path(name), false)) + "\n\n";
    let messages = load("missing.json") + &load(".") + &load("latin.json") + &load("large.json");
    hold(
        "files",
        &messages.replace(&folder.path().display().to_string(), "FOLDER"),
    );
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(refusal(&text, Path::new("")).contains("nested more than 64 deep"));
    }
}

#[test]
fn an_expression_of_five_megabytes_is_read_and_pointed_into() {
    let long = "(".repeat(2_500_000) + "1" + &")".repeat(2_500_000);
    let text = case_with("define", &format!("{{\"f\": \"{long}\"}}"));
    let case = Case::parse(text, "case.json", Path::new(""), false).expect("well-formed");
    let place = 2_500_000..2_500_001;
    let shown = case
        .diagnose(&case.define["f"], place, "wrong", Some("less".into()))
        .render(false);
    let column = "  \"define\": {\"f\": \"".len() + 2_500_000 + 1;
    assert!(shown.contains(&format!("case.json:6:{column}")), "{shown}");
    assert!(shown.chars().count() < 1000, "{shown}");
}

#[test]
fn the_case_reserves_what_the_expressions_do() {
    use proxycert::{case, expr};
    let mut functions: Vec<&str> = expr::FUNCTIONS.iter().map(|row| row.name).collect();
    functions.extend(expr::scope::RESERVED);
    functions.sort_unstable();
    let mut reserved = case::RESERVED.to_vec();
    reserved.sort_unstable();
    assert_eq!(reserved, functions);
    assert_eq!(case::MAX_NAME, expr::MAX_NAME);
}

#[test]
fn many_large_arrays_are_refused_together() {
    let large = r#"{"generate": {"kind": "uniform", "seed": 1, "shape": [8000000]}}"#;
    let text = case_with(
        "data",
        &format!(r#"{{"x": {large}, "y": {large}, "z": {large}}}"#),
    );
    assert!(refusal(&text, Path::new("")).contains("the arrays up to this one have 24000000 entries"));
}

#[test]
fn what_would_not_fit_into_memory_is_refused_before_it_is_computed() {
    // 10^6 entries in each product: two are allowed, with what they are made of; two hundred are not
    let outer = |k: usize| format!("sum(sin(reshape(w, 1000, 1) * reshape(w, 1, 1000) + {k}))");
    for (terms, fits) in [(2, true), (200, false)] {
        let sum: Vec<String> = (0..terms).map(outer).collect();
        let text = format!(
            r#"{{"name": "a", "parameters": {{"x": [1000]}}, "define": {{"f": "{}"}},
                "claim": {{"inequality": "f(w) >= 0"}}, "region": {{"w": {{"box": [-1, 1]}}}}}}"#,
            sum.join(" + ")
        );
        let case = Case::parse(text, "case.json", Path::new(""), false).expect("well-formed");
        match Claim::new(&case) {
            Ok(_) => assert!(fits),
            Err(fault) => {
                assert!(!fits);
                assert!(fault.render(false).contains("more than 16777216 entries"));
            }
        }
    }
}

#[test]
fn too_many_values_are_refused() {
    let text = format!("[{}1]", "1,".repeat(1 << 22));
    assert!(refusal(&text, Path::new("")).contains("put the data in a CSV"));
}

#[test]
fn a_place_in_an_expression_is_found_behind_escapes() {
    // In the file: \u0061 is `a`, a surrogate pair is one character of four bytes, \" is a quote.
    let whole = r#"\u0061\ud835\udc00 + \"é\" b"#;
    let text = case_with("define", &format!(r#"{{"f": "{whole}"}}"#));
    let case = Case::parse(text, "case.json", Path::new(""), false).expect("well-formed");
    let f: &Text = &case.define["f"];
    assert_eq!(f.value, "a\u{1d400} + \"é\" b");
    let parts = [
        ("a", r"\u0061"),
        ("\u{1d400}", r"\ud835\udc00"),
        ("\"é", r#"\"é"#),
        ("b", "b"),
        (&f.value, whole),
    ];
    for (part, written) in parts {
        let start = f.value.find(part).expect("part of it");
        let place = case
            .diagnose(f, start..start + part.len(), "wrong", None)
            .span
            .expect("a place");
        assert_eq!(&case.file.text[place], written);
    }
    let end = f.value.len();
    let behind = case.diagnose(f, end..end, "wrong", None).span.expect("a place");
    assert_eq!(&case.file.text[behind.start..=behind.start], "\"");
}

#[test]
fn a_default_is_pointed_at_where_it_would_stand() {
    let text = case_with("title", "\"\"");
    let case = Case::parse(text, "case.json", Path::new(""), false).expect("sound");
    let shown = case
        .diagnose(&case.check.tolerance, 0..4, "wrong", None)
        .render(false);
    assert!(
        shown.contains("case.json:1:1") && shown.contains("at $.check.tolerance"),
        "{shown}"
    );
}

#[test]
fn no_truncation_and_no_changed_character_makes_the_reader_panic() {
    let generated = r#"{"x": {"generate": {"kind": "separable", "seed": 1, "shape": [2, 2], "part": "inputs", "margin": 1}}}"#;
    let text = case_with("data", generated) + "// é\u{1d400}";
    for (at, c) in text.char_indices() {
        let behind = &text[at + c.len_utf8()..];
        let mut changed = vec![text[..at].to_string(), format!("{}{behind}", &text[..at])];
        let replacements = [
            "\"", "\\", "{", "]", ",", ":", "/", "9", "-", "e", "\n", "\0", "é", "\u{2028}",
        ];
        changed.extend(replacements.map(|other| format!("{}{other}{behind}", &text[..at])));
        for text in changed {
            if let Err(error) = Case::parse(text, "case.json", Path::new(""), false) {
                assert_eq!(error.exit_code(), 2);
                assert!(!error.render(true).is_empty());
            }
        }
    }
}
