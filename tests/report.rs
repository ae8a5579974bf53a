//! Reports: what they say, that they say it to everyone, and that nothing in a file can make them say something else.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proxycert::case::{Case, digest};
use proxycert::certificate::Certificate;
use proxycert::claim::Claim;
use proxycert::engine::{self, Options, Silent, Verdict};
use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::tensor::Evaluator;
use proxycert::graph::op::Input;
use proxycert::report::{self, Document, Entry, Fault, Source, mathml, numpy};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A case with its claim and its certificate, of few samples.
fn specimen(case: Case, file: &str) -> (Source, Certificate) {
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let options = Options {
        samples: 2000,
        ..Options::of(&case.check, &claim)
    };
    let findings = engine::run(&claim, &options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}"));
    let mut certificate = Certificate::new(&case, &claim, options, findings, 0.25);
    certificate.run.threads = 2;
    certificate.run.platform = "platform".to_owned();
    let digest = digest::case(&case);
    let source = Source {
        file: file.to_owned(),
        settings: vec![],
        case,
        claim,
        digest,
    };
    (source, certificate)
}

fn catalogue(name: &str) -> (Source, Certificate) {
    let file = format!("cases/{name}.json");
    let case = Case::load(&root().join(&file), false).unwrap_or_else(|error| panic!("{error}"));
    specimen(case, &file)
}

fn inline(text: &str) -> (Source, Certificate) {
    let case =
        Case::parse(text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
    specimen(case, "case.json")
}

fn entry<'a>(certificate: &Certificate, source: Option<&'a Source>) -> Entry<'a> {
    Entry {
        file: format!("{}.certificate.json", certificate.case.name),
        document: Document::read(&certificate.to_json()).unwrap_or_else(|fault| panic!("{fault:?}")),
        source,
    }
}

/// Digests, the last digits of rounding noise, and the thin space between digits are kept out of snapshots.
fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter("sha256:[0-9a-f]{64}", "sha256:...");
    settings.add_filter("\u{202f}", " ");
    settings.add_filter(r"\d\.\d+e-1\d", "NOISE");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn markdown_and_latex() {
    let shown = ["phase-retrieval", "pl-sine-too-large", "leaky-net-gradient-2"].map(catalogue);
    for (source, certificate) in &shown {
        let text = report::markdown(&[entry(certificate, Some(source))]);
        assert_snapshot(&format!("report-{}.md", certificate.case.name), &text);
    }
    let (_, supported) = catalogue("two-layer-linear-matrix");
    assert_eq!(supported.verdict, Verdict::Supported);
    assert_snapshot(
        "report-two-layer-linear-matrix.md",
        &report::markdown(&[entry(&supported, None)]),
    );
    let mut all: Vec<Entry> = shown
        .iter()
        .map(|(_, certificate)| entry(certificate, None))
        .collect();
    all.push(entry(&supported, None));
    assert_snapshot("report.tex", &report::latex(&all));
}

/// The page as a tree; it is written so that a strict parser of XML reads it too.
fn parsed(html: &str) -> roxmltree::Document<'_> {
    let body = html.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    roxmltree::Document::parse(body).unwrap_or_else(|error| {
        let row = error.pos().row as usize;
        panic!("{error}: {}", body.lines().nth(row - 1).unwrap_or_default());
    })
}

/// What every page owes to every reader.
fn check_structure(html: &str) {
    let tree = parsed(html);
    let all: Vec<_> = tree.descendants().filter(|node| node.is_element()).collect();
    let named = |name: &str| all.iter().filter(|node| node.has_tag_name(name)).count();
    assert_eq!(tree.root_element().attribute("lang"), Some("en"));
    assert_eq!((named("main"), named("h1"), named("title") > 0), (1, 1, true));
    assert_eq!(
        named("script") + named("link") + named("img") + named("iframe") + named("base"),
        0
    );

    // nothing is fetched
    for node in &all {
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on"), "{name}");
            if ["src", "href"].contains(&name) {
                assert!(value.starts_with('#'), "{value}");
            }
            assert!(!value.contains("url(") || value == "url(#hatch)", "{value}");
        }
    }
    let style = all
        .iter()
        .find(|node| node.has_tag_name("style"))
        .unwrap()
        .text()
        .unwrap();
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("http"));
    for part in ["prefers-color-scheme: dark", "@media print"] {
        assert!(style.contains(part));
    }

    // every name is there once, and every reference leads somewhere
    let mut ids: Vec<&str> = all.iter().filter_map(|node| node.attribute("id")).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id twice");
    for node in &all {
        for name in ["aria-labelledby", "aria-describedby"] {
            if let Some(target) = node.attribute(name) {
                assert!(ids.contains(&target), "{target}");
            }
        }
        if let Some(target) = node.attribute("href") {
            assert!(ids.contains(&&target[1..]), "{target}");
        }
    }

    // headings go down by one
    let levels: Vec<u32> = all
        .iter()
        .filter_map(|node| node.tag_name().name().strip_prefix('h')?.parse().ok())
        .collect();
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");

    // pictures and tables say what they are
    for figure in all.iter().filter(|node| node.has_tag_name("figure")) {
        let svg = figure
            .children()
            .find(|node| node.has_tag_name("svg"))
            .expect("a picture");
        assert_eq!(svg.attribute("role"), Some("img"));
        for name in ["title", "desc"] {
            let words = svg
                .children()
                .find(|node| node.has_tag_name(name))
                .and_then(|node| node.text());
            assert!(words.is_some_and(|words| words.len() > 10), "{name}");
        }
        assert!(figure.children().any(|node| node.has_tag_name("figcaption")));
    }
    for table in all.iter().filter(|node| node.has_tag_name("table")) {
        let caption = table
            .children()
            .find(|node| node.has_tag_name("caption"))
            .expect("a caption");
        assert!(caption.text().is_some_and(|text| !text.is_empty()));
        let heads: Vec<_> = table
            .descendants()
            .filter(|node| node.has_tag_name("th"))
            .collect();
        assert!(!heads.is_empty() && heads.iter().all(|head| head.attribute("scope").is_some()));
    }
}

/// Pages of every kind: each verdict, each rule of proof, one coordinate and many, with and without the case.
fn pages() -> Vec<(String, String)> {
    let names = [
        "pl-sine-too-large",
        "pl-sine",
        "phase-retrieval",
        "leaky-net-gradient-2",
        "iris-logistic",
        "two-layer-linear-matrix",
        "iris-softmax-shrunk",
    ];
    let specimens = names.map(catalogue);
    let mut pages: Vec<(String, String)> = specimens
        .iter()
        .flat_map(|(source, certificate)| {
            let name = &certificate.case.name;
            [
                (name.clone(), report::html(&[entry(certificate, Some(source))])),
                (format!("{name}-alone"), report::html(&[entry(certificate, None)])),
            ]
        })
        .collect();
    let together: Vec<Entry> = specimens
        .iter()
        .map(|(source, certificate)| entry(certificate, Some(source)))
        .collect();
    pages.push(("together".to_owned(), report::html(&together)));
    pages.push(("bracket".to_owned(), report::html(&[bracket()])));
    pages.push(("trace-alone".to_owned(), report::html(&[wrong_bound().1])));
    pages
}

fn bracket() -> Entry<'static> {
    let text = r#"{"format": "proxycert-bracket", "version": 1, "tool": {"name": "proxycert", "version": "0.1.0"},
        "case": "a", "constant": "mu", "between": ["0", "1"], "digits": 2, "max_runs": 64, "easier_at": "small",
        "proved": {"value": "0.17", "certificate": "sha256:0"}, "refuted": {"value": "0.18", "certificate": "sha256:1"},
        "paper": {"value": "1/32", "stands": "proved"}, "reason": "the largest value proved is 0.17, the smallest refuted is 0.18",
        "runs": [{"value": "0", "verdict": "proved"}, {"value": "1", "verdict": "refuted"},
                 {"value": "0.17", "verdict": "proved"}, {"value": "0.18", "verdict": "refuted"}]}"#;
    Entry {
        file: "bracket.json".to_owned(),
        document: Document::read(text).unwrap_or_else(|fault| panic!("{fault:?}")),
        source: None,
    }
}

#[test]
fn pages_are_well_formed_and_reach_every_reader() {
    for (name, html) in pages() {
        println!("{name}");
        check_structure(&html);
        // the statement is typeset, unless there is none
        assert_eq!(html.contains("<math"), name != "bracket", "{name}");
        // pictures of the slack need the case
        assert_eq!(
            html.contains("The slack in a plane") || html.contains("The slack on a line"),
            !name.ends_with("-alone") && name != "bracket",
            "{name}"
        );
    }
}

#[test]
fn a_bracket_shows_what_is_found_beside_what_is_claimed() {
    let markdown = report::markdown(&[bracket()]);
    for part in [
        "| Proved | 0.17 |",
        "| Refuted | 0.18 |",
        "| Claimed in the source | 1/32 | not harder than the proved value, by comparison |",
        "proxycert verify FOLDER/a.proved.json --case CASE.json --set mu=0.17",
    ] {
        assert!(markdown.contains(part), "{part} missing in {markdown}");
    }
}

/// Descent on `|x|` by steps of 1/8 from 21/16 reaches 1/16 and goes to and fro there. A bound with half of the theorem's
/// last term is `(441/64)/T + 1/32`: below 1/16 from `T = 221` on, that is at step 220, and at `T = 1001`
/// 0.0381337 or 0.61014 of 1/16.
fn wrong_bound() -> (Source, Entry<'static>) {
    let (source, _) = inline(
        r#"{"name": "wrong", "title": "half of a term dropped", "parameters": {"x": [1]}, "define": {"f": "abs(x[0])"},
            "claim": {"convex": {"f": "f"}}, "region": {"w": {"box": [-2, 2]}, "v": {"box": [-2, 2]}},
            "descent": {"method": "gd", "step": "1/8", "steps": 1000, "start": "21/16", "comparator": 0},
            "guarantee": {"bound": "D^2/(2*eta*T) + eta/4"}, "check": {"samples": 100}}"#,
    );
    let trace = proxycert::trace::trace(&source.case, &source.claim, &Silent)
        .unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let entry = Entry {
        file: "wrong.trace.json".to_owned(),
        document: Document::read(&trace.to_json()).unwrap_or_else(|fault| panic!("{fault:?}")),
        source: None,
    };
    (source, entry)
}

#[test]
fn a_trace_shows_where_its_bound_fails() {
    let (_, entry) = wrong_bound();
    let markdown = report::markdown(std::slice::from_ref(&entry));
    for part in [
        "**Held.** The inequality along the trajectories.",
        "**Failed.** The conclusion of the guarantee.",
        "| Bound fails first |  | step 220 from start 0 |",
        "| Bound over what it bounds, at the end | 0.61014 |",
        "f from 1.3125 at step 0 to 0.0625 at step 1000",
        "guarantee from 6.9219 at step 0 to 0.038134 at step 1000",
    ] {
        assert!(markdown.contains(part), "{part} missing in {markdown}");
    }
    let latex = report::latex(&[entry]);
    assert!(
        latex.contains("wrong &  & trace & 1 & inequality held, conclusion failed & 1 trajectories"),
        "{latex}"
    );
}

const HOSTILE: &str = r#"</title><script>alert(1)</script><img src=x onerror=alert(1)> "quoted" 'too' & [a](http://b) `c` \\input{d} $e$ %f _g_ #h ~i ^j |k| ```"#;

fn hostile() -> (Source, Certificate) {
    let title = serde_json::to_string(HOSTILE).unwrap();
    inline(&format!(
        r#"{{"name": "a", "title": {title}, "source": {{"work": {title}, "where": {title}}}, "parameters": {{"x": []}},
            "define": {{"f": "x^2"}}, "claim": {{"inequality": "f(w) >= 1/100"}}, "region": {{"w": {{"box": [-1, 1]}}}},
            "check": {{"samples": 100}}}}"#
    ))
}

#[test]
fn a_title_is_text_and_nothing_else() {
    let (source, certificate) = hostile();
    let html = report::html(&[entry(&certificate, Some(&source)), entry(&certificate, None)]);
    check_structure(&html);
    let tree = parsed(&html);
    let title = tree.descendants().find(|node| node.has_tag_name("h2")).unwrap();
    assert_eq!(title.text(), Some(format!("a: {HOSTILE}").as_str()));

    let markdown = report::markdown(&[entry(&certificate, None)]);
    let heading = markdown.lines().next().unwrap();
    assert!(!heading.contains('<') && !heading.contains("://"), "{heading}");
    // every mark that means something stands behind a backslash
    for mark in ['`', '*', '_', '[', '$', '|'] {
        let unescaped = heading
            .char_indices()
            .any(|(at, c)| c == mark && !heading[..at].ends_with('\\'));
        assert!(!unescaped, "{mark} in {heading}");
    }

    let latex = report::latex(&[entry(&certificate, None)]);
    assert!(latex.contains(r"\textbackslash{}\textbackslash{}input\{d\} \$e\$ \%f \_g\_ \#h \textasciitilde{}i \textasciicircum{}j"), "{latex}");
}

#[test]
fn latex_of_a_forged_statement_is_not_converted() {
    let (_, mut certificate) = hostile();
    for forged in [
        r"\href{javascript:alert(1)}{x}",
        r"x<script>alert(1)</script>",
        r"\text{<img src=x>}",
        r"\input{/etc/passwd}",
        "x}{y",
        r"\right) x \left(",
        r"\catcode`\%=12",
        "x & y",
        "x$y",
        "",
    ] {
        assert!(mathml::display(forged).is_none(), "{forged}");
        certificate.statement.latex = forged.to_owned();
        certificate.digest = certificate.computed_digest();
        let html = report::html(&[entry(&certificate, None)]);
        check_structure(&html);
        assert!(!html.contains("<math"), "{forged}");
        if !forged.is_empty() {
            assert!(
                !report::latex(&[entry(&certificate, None)]).contains(forged),
                "{forged}"
            );
            assert!(!report::markdown(&[entry(&certificate, None)]).contains(&format!("```math\n{forged}")));
        }
    }
}

/// Everything that statements of claims and guarantees are written with is typeset.
#[test]
fn all_latex_that_is_printed_is_converted() {
    use proxycert::case::ClaimKind;
    use proxycert::expr::functions::FUNCTIONS;
    use proxycert::theorem::Theorem;
    let mut formulas: Vec<String> = ClaimKind::TABLE
        .iter()
        .filter(|(kind, ..)| *kind != ClaimKind::Inequality)
        .map(|(kind, ..)| kind.formula().1.to_owned())
        .collect();
    for theorem in [
        Theorem::BoundedGradient,
        Theorem::ProxySmooth,
        Theorem::ProxyPl,
        Theorem::LinearRate,
    ] {
        for (batches, moving) in [(false, false), (false, true), (true, false), (true, true)] {
            let latex = theorem.conclusion(batches, moving).1;
            formulas.extend(latex.split(r",\quad ").map(str::to_owned));
        }
    }
    let calls = FUNCTIONS.iter().map(|row| {
        let args = vec!["x"; row.fewest];
        let axis = if row.axis { ", axis=1" } else { "" };
        format!("{}({}{axis})", row.name, args.join(", "))
    });
    let others = [
        "-a*b + c/d - (e - 1e-9)^(1/2)",
        "W.T @ X[0, 1:, ::2, -1]",
        "v_star[0]^2",
        "x[0][1]",
        "dot(grad(f)(w), w - v)",
        "alpha*f_star + Gamma - omega + a_b_c + long_name",
        "f(w) >= g(v)",
        "2.5e3*pi",
        "1e5",
        "_a",
        "norm(w - v)",
        "beta + gamma + delta + epsilon + zeta + eta + theta + iota + kappa + lambda + mu + nu + xi + rho + sigma + tau",
        "phi + chi + psi + Omega",
        "(-x)^2",
        "x^(y^2)",
        "model(X)",
    ];
    for source in calls.chain(others.map(str::to_owned)) {
        let latex = match proxycert::expr::parse_inequality(&source) {
            Ok(inequality) => proxycert::expr::latex_inequality(&inequality, &source),
            Err(_) => {
                let parsed =
                    proxycert::expr::parse(&source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
                proxycert::expr::latex(&parsed, &source)
            }
        };
        formulas.push(latex);
    }
    for latex in formulas {
        let math = mathml::display(&latex).unwrap_or_else(|| panic!("{latex}"));
        let tree = roxmltree::Document::parse(&math).unwrap_or_else(|error| panic!("{error}: {math}"));
        assert!(tree.root_element().has_tag_name("math"));
        assert!(
            !tree.descendants().any(|node| node.has_tag_name("merror")),
            "{latex}: {math}"
        );
    }
}

#[test]
fn formulas_too_deep_for_a_converter_are_left_as_words() {
    for (open, close) in [
        ("{", "}"),
        (r"\frac{1}{", "}"),
        (r"\left(", r"\right)"),
        ("x^{", "}"),
    ] {
        let nested = |depth: usize| format!("{}x{}", open.repeat(depth), close.repeat(depth));
        assert!(mathml::display(&nested(20)).is_some(), "{open}");
        assert!(mathml::display(&nested(500)).is_none(), "{open}");
    }
}

#[test]
fn counts_of_a_forged_certificate_may_be_anything() {
    let (_, mut certificate) = catalogue("two-layer-linear-matrix");
    let sampling = &mut certificate.evidence.sampling;
    sampling.uniform.histogram.as_mut().unwrap().counts = vec![u64::MAX; 32];
    sampling.uniform.count = u64::MAX;
    certificate.options.tolerance = f64::MAX;
    certificate.digest = certificate.computed_digest();
    check_structure(&report::html(&[entry(&certificate, None)]));
    // enough to change the verdict: refused, without an overflow
    for directed in &mut certificate.evidence.sampling.directed {
        directed.undefined = u64::MAX;
    }
    certificate.digest = certificate.computed_digest();
    assert!(matches!(
        Document::read(&certificate.to_json()),
        Err(Fault::Refused(_))
    ));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let (_, certificate) = hostile();
    let read = |certificate: &Certificate| Document::read(&certificate.to_json());
    assert!(read(&certificate).is_ok());
    let mut changed = certificate.clone();
    changed.statement.words.push('!');
    assert!(matches!(read(&changed), Err(Fault::Refused(reason)) if reason.contains("digest")));
    // a digest that fits, and a verdict that the evidence does not bear
    let mut forged = certificate.clone();
    forged.verdict = Verdict::Proved;
    forged.digest = forged.computed_digest();
    assert!(matches!(read(&forged), Err(Fault::Refused(reason)) if reason.contains("evidence")));
    let (_, mut proved) = catalogue("iris-logistic");
    proved.evidence.proof.as_mut().unwrap().rule = "trust me".to_owned();
    proved.digest = proved.computed_digest();
    assert!(matches!(read(&proved), Err(Fault::Refused(reason)) if reason.contains("rule")));
    for text in [
        "{}",
        "[]",
        "3",
        "x",
        r#"{"format": "proxycert-certificate"}"#,
        r#"{"format": "other"}"#,
    ] {
        assert!(matches!(Document::read(text), Err(Fault::Unknown(_))), "{text}");
    }
}

/// The sentences say neither more nor less than the verdict. Each is read here as a reader would.
#[test]
fn sentences_of_the_verdicts() {
    let sentence = |name: &str| {
        let (_, certificate) = catalogue(name);
        let markdown = report::markdown(&[entry(&certificate, None)]);
        let word = ["**Proved.**", "**Refuted.**", "**Supported.**", "**Undecided.**"]
            .into_iter()
            .find_map(|word| markdown.lines().find(|line| line.starts_with(word)));
        word.unwrap_or_else(|| panic!("{markdown}")).to_owned()
    };
    // tolerance 1e-9, branch and bound
    let proved = sentence("phase-retrieval");
    assert!(proved.starts_with("**Proved.** At every point of the region stated above the left side is at least the right side minus the tolerance 1e-9;"), "{proved}");
    // a rule that proves the slack to be at least 0
    let exact = sentence("iris-logistic");
    assert!(
        exact.starts_with("**Proved.** At every point of the region stated above the inequality holds."),
        "{exact}"
    );
    for text in [&proved, &exact] {
        assert!(text.contains("nothing about points outside the region, other data or other constants"));
    }
    let refuted = sentence("pl-sine-too-large");
    assert!(
        refuted.contains("certainly below 0") && refuted.contains("does not by itself contradict the source")
    );
    let supported = sentence("two-layer-linear-matrix");
    // 1 - 0.01^(1/2000) = 0.0022999 for confidence 0.99
    for part in [
        "This is no proof.",
        "With confidence 99 %",
        "at most 0.230 %",
        "or at single points, are not ruled out",
    ] {
        assert!(supported.contains(part), "{part}: {supported}");
    }
}

/// A claim about expectations is said to be tested at points, never proved, refuted, or bounded on a share of the region.
#[test]
fn expectations_are_not_shares_of_the_region() {
    for (name, sentence) in [
        ("population-sphere-growth", "at none of them it is seen to fail"),
        (
            "population-sphere-growth-too-large",
            "unless an event of probability at most",
        ),
    ] {
        let (source, certificate) = catalogue(name);
        let text = report::markdown(&[entry(&certificate, Some(&source))]);
        assert!(text.contains(sentence), "{text}");
        assert!(text.contains("Samples alone refute nothing") || text.contains("This is no proof"));
        for absent in ["share of the region", "Clopper", "Sampled slack"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }
}

fn python() -> Option<&'static str> {
    let found = Command::new("python3").args(["-c", "import numpy"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        Some("python3")
    } else {
        println!("skipped: python3 with numpy is not installed");
        None
    }
}

/// What a program prints as the slack.
fn printed(python: &str, program: &str) -> f64 {
    let output = Command::new(python)
        .args(["-W", "error", "-c", program])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}\n{program}",
        String::from_utf8_lossy(&output.stderr)
    );
    let number = text
        .trim()
        .strip_prefix("slack ")
        .unwrap_or_else(|| panic!("{text}"));
    number.parse().unwrap()
}

#[test]
fn witnesses_run_in_python() {
    let Some(python) = python() else { return };
    for name in [
        "pl-sine-too-large",
        "neuron-tanh-wrong-lipschitz",
        "leaky-net-error-4-no-slope",
        "iris-softmax-shrunk",
        "huber-truncated",
        "two-layer-linear-past-1-percent",
        "iris-logistic-strongly-convex",
        "bandit-3-past-1-percent",
        "lqr-past-1-percent",
        "wine-mlp-convex",
    ] {
        let (source, certificate) = catalogue(name);
        let witness = certificate
            .evidence
            .witness
            .as_ref()
            .unwrap_or_else(|| panic!("{name}"));
        let program =
            numpy::program(&source.claim, witness).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let slack = printed(python, &program);
        let [lo, hi] = witness.slack;
        assert!(slack < 0.0, "{name}: {slack}");
        let slip = 1e-9 * slack.abs().max(1.0);
        assert!(
            lo - slip <= slack && slack <= hi + slip,
            "{name}: {slack} against [{lo}, {hi}]"
        );
    }
}

/// A slack in which every operation of the table occurs, against the evaluator in binary64.
#[test]
fn every_operation_runs_in_python() {
    let Some(python) = python() else { return };
    let (source, certificate) = inline(
        r#"{"name": "all", "parameters": {"a": [3], "b": [2, 3]}, "data": {"d": [0.5, -1.25, 2]},
            "define": {
              "s": "exp(a[0]) + log(2 + a[1]) + log1p(a[2]^2) + sqrt(3 + a[0]) + abs(a[1]) + sin(a[2]) + cos(a[0]) + tanh(a[1])",
              "u": "sigmoid(a[0]) + log_sigmoid(a[1]) + softplus(-a[2]) + erf(a[0]) + gelu(a[1]) + sum(relu(a)) + leaky_relu(a[0], 1/10)",
              "p": "(2 + a[0])^(1/3) + (3 + a[1])^(-1/2) + (2 + a[2])^-3 + a[0]^3 + pi*a[1] + 1e-9*a[2]/7",
              "m": "max(a) + min(a) + max(a[0], a[1]) + min(a[1], a[2]) + sum(max(b, axis=0)) + logsumexp(b[0]) + sum(logsumexp(b, axis=1))",
              "q": "sum((softmax(b, axis=1) @ a) * a[0:2]) + dot(a[::-1], d) + sum(b.T @ a[1:]) + sum(concat(a, d)^2) + sum(reshape(b, 6)[::2]) + sum(log_softmax(a))",
              "j": "sum(sign(a)) + sum(step(a)) + leaky_step(a[0], 1/3)",
              "g": "s + u + p + m + q"
            },
            "claim": {"inequality": "dot(grad(g)(w), grad(g)(w)) + g + j >= 100000"},
            "region": {"w": {"box": [-0.9, 0.9]}}, "check": {"samples": 100}}"#,
    );
    let witness = certificate.evidence.witness.as_ref().expect("far below 0");
    let program = numpy::program(&source.claim, witness).unwrap();
    let slack = printed(python, &program);
    let w: Vec<f64> = witness.w.iter().map(|x| x.parse().unwrap()).collect();
    let mut evaluator = Evaluator::new(&source.claim.graph, &[source.claim.slack], FloatArithmetic);
    evaluator.run(&[(Input::W, &w)]);
    let expected = evaluator.root(0)[0];
    assert!((slack - expected).abs() <= 1e-9, "{slack} against {expected}");
    // the derivatives of kinks, of slices and of maxima, and the functions that numpy has not
    for part in [
        "np.where",
        "spread(",
        "first_largest(",
        "softmax(",
        "logsumexp(",
        "erf(",
        "np.take",
        "@",
        "sigmoid(",
    ] {
        assert!(program.contains(part), "{part}");
    }
}

#[test]
fn a_program_that_would_not_fit_says_so() {
    let (source, certificate) = inline(
        r#"{"name": "wide", "parameters": {"a": [9000]}, "define": {"f": "sum(a)"}, "claim": {"inequality": "f(w) >= 10000"},
            "region": {"w": {"box": [-1, 1]}}, "check": {"samples": 10, "starts": 1}}"#,
    );
    let markdown = report::markdown(&[entry(&certificate, Some(&source))]);
    assert!(
        markdown.contains("The program is left out: it would hold"),
        "{markdown}"
    );
    assert!(markdown.contains("its first 24 coordinates of 9000"));
}

// The command line.

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

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
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

const CASE: &str = r#"{"name": "a", "constants": {"mu": {"tighten": [0, 4], "paper": 1, "digits": 1}}, "parameters": {"x": []},
    "define": {"f": "x^2"}, "claim": {"inequality": "f(w) + 1 >= mu"}, "region": {"w": {"box": [-1, 1]}},
    "check": {"samples": 100, "starts": 4}}"#;

#[test]
fn the_command_line() {
    let project = Project::new();
    project.write("case.json", CASE);
    assert_eq!(
        project
            .run(&["certify", "case.json", "-o", "c.json"])
            .status
            .code(),
        Some(0)
    );
    let bracket = project.run(&["tighten", "case.json", "-o", "."]);
    assert_eq!(bracket.status.code(), Some(0));
    project.write("b.json", &String::from_utf8(bracket.stdout).unwrap());

    // to a file, and to standard output
    let output = project.run(&["report", "c.json", "--case", "case.json", "-o", "r.html"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.is_empty());
    check_structure(&project.read("r.html"));
    let output = project.run(&["report", "c.json", "--format", "latex"]);
    assert!(output.stdout.starts_with(b"% rows for:"));

    // the values of a bracket are tried on its case, whichever certificate asks for them
    let files = ["b.json", "a.proved.json", "a.refuted.json"];
    let arguments = [
        &["report"],
        files.as_slice(),
        &["--case", "case.json", "--format", "markdown"],
    ]
    .concat();
    let output = project.run(&arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("The certificates of the values named here are in this report."),
        "{text}"
    );
    assert_eq!(text.matches("The slack on a line through").count(), 2, "{text}");
    assert!(
        text.contains("proxycert verify a.refuted.json --case case.json --set mu="),
        "{text}"
    );

    // a changed file is refused, like by `verify`
    project.write(
        "changed.json",
        &project
            .read("c.json")
            .replace("\"samples\": 100", "\"samples\": 101"),
    );
    let output = project.run(&["report", "changed.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("refused: changed.json: the digest is"));

    // faults of the input
    project.write("other.json", &CASE.replace("x^2", "x^2 + 1"));
    for (arguments, part) in [
        (vec!["report"], "required"),
        (
            vec!["report", "case.json"],
            "neither a certificate nor a bracket nor a trace",
        ),
        (vec!["report", "absent.json"], "absent.json"),
        (
            vec!["report", "c.json", "--case", "other.json"],
            "no file of the report speaks of this case",
        ),
        (
            vec!["report", "c.json", "-o", "c.json"],
            "one of the files to report on",
        ),
    ] {
        let output = project.run(&arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}

fn chromium() -> Option<PathBuf> {
    let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .flat_map(|folder| ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name)))
        .find(|file| file.is_file());
    let found = given.or(on_path);
    if found.is_none() {
        println!(
            "skipped: no Chromium (set CHROMIUM, or put chromium, chromium-browser or google-chrome on PATH)"
        );
    }
    found
}

/// The pages in a real browser: no message on the console, and at the width of a phone nothing sticks out.
#[test]
fn pages_in_chromium() {
    let Some(chromium) = chromium() else { return };
    let project = Project::new();
    for (name, html) in pages() {
        // a frame as wide as a phone, measured from outside: the page itself runs no script
        let frame = report::html::escape(&html);
        let outside = format!(
            "<!DOCTYPE html><html><body><iframe id=\"phone\" scrolling=\"no\" style=\"width:360px;height:740px;border:0\" srcdoc=\"{frame}\"></iframe>\
             <p id=\"width\">not loaded</p><script>phone.onload = () => {{ const page = phone.contentDocument.documentElement; \
             document.getElementById('width').textContent = `measured ${{page.scrollWidth}} of ${{page.clientWidth}}`; }};</script></body></html>"
        );
        let file = project.write(&format!("{name}.html"), &outside);
        let output = Command::new(&chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--enable-logging=stderr",
                "--virtual-time-budget=10000",
                "--window-size=1000,900",
            ])
            .arg(format!(
                "--user-data-dir={}",
                project.folder.path().join("profile").display()
            ))
            .arg("--dump-dom")
            .arg(format!("file://{}", file.display()))
            .output()
            .unwrap();
        let (dom, log) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{name}: {log}");
        assert!(
            dom.contains("measured 360 of 360"),
            "{name}: {:?}",
            dom.split("id=\"width\">").last()
        );
        assert!(!log.contains("CONSOLE"), "{name}: {log}");
    }
}
