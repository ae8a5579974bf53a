//! Descent and guarantees: trajectories and bounds worked out by hand, what a wrong bound looks like,
//! hypotheses and their certificates, exit codes.

use std::path::Path;
use std::process::{Command, Output};

use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::{Refusal, verify};
use proxycert::claim::Claim;
use proxycert::engine::{self, Options, Silent, Verdict};
use proxycert::guarantee::guarantee;
use proxycert::trace::record::{Outcome, Place, Trace, read};
use proxycert::trace::trace;
use serde_json::Value;

/// A case about `f` with one parameter `x`, in `[-2, 2]` and `v` likewise.
fn case(define: &str, claim: &str, more: &str) -> String {
    format!(
        r#"{{"name": "a", "data": {{"y": [0, 0, 3], "z": [1, 2]}}, "parameters": {{"x": [1]}},
            "define": {{"f": "{define}"}}, "claim": {claim}, "region": {{"w": {{"box": [-2, 2]}}}},
            "check": {{"samples": 200, "starts": 4}}{more}}}"#
    )
}

const CONVEX: &str = r#"{"convex": {"f": "f"}}"#;
const PL: &str = r#"{"pl": {"f": "f", "mu": 1, "f_star": 0}}"#;

fn load(text: &str) -> (Case, Claim) {
    let case = Case::parse(text, "case.json", Path::new(""), false).unwrap_or_else(|error| panic!("{error}"));
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    (case, claim)
}

fn traced(text: &str) -> Trace {
    let (case, claim) = load(text);
    trace(&case, &claim, &Silent).unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

/// The message for a case whose descent makes no sense.
fn refused(text: &str) -> String {
    let case = match Case::parse(text, "case.json", Path::new(""), false) {
        Ok(case) => case,
        Err(error) => return error.render(false),
    };
    let claim = match Claim::new(&case) {
        Ok(claim) => claim,
        Err(fault) => return fault.render(false),
    };
    match trace(&case, &claim, &Silent) {
        Err(proxycert::trace::Refusal::Input(fault)) => fault.render(false),
        other => panic!("accepted: {other:?}"),
    }
}

fn shipped(name: &str) -> (Case, Claim) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("cases/{name}.json"));
    let case = Case::load(&path, false).unwrap_or_else(|error| panic!("{error}"));
    let claim = Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)));
    (case, claim)
}

/// `f = x^2/2` from 1 with step 1/4: `w_t = (3/4)^t`, exact in binary64. The slack of convexity towards 0 is
/// `w^2 - w^2/2 + 0`, the bound for `G = 2` is `1/(2 T/4) + 4/8`.
#[test]
fn a_quadratic_descends_as_worked_out_by_hand() {
    let record = traced(&case(
        "x[0]^2/2",
        CONVEX,
        r#", "descent": {"method": "gd", "step": "1/4", "steps": 4, "start": 1, "comparator": 0},
           "guarantee": {"theorem": "bounded_gradient", "G": 2}"#,
    ));
    let run = &record.runs[0];
    assert_eq!(run.w, [1.0]);
    assert_eq!(run.summary.distance, Some(1.0));
    assert_eq!(run.records.len(), 5);
    for (t, found) in run.records.iter().enumerate() {
        let w = 0.75f64.powi(t as i32);
        let value = w * w / 2.0;
        assert_eq!((found.t, found.f, found.gradient), (t as u64, value, w));
        assert_eq!((found.g, found.h), (Some(value), Some(0.0)));
        assert_eq!((found.slack, found.least), (value, Some(value)));
        let horizon = t as f64 + 1.0;
        assert_eq!(found.bound, Some(1.0 / (0.5 * horizon) + 0.5));
        assert!(found.inside);
    }
    assert_eq!(record.answers.inequality.outcome, Outcome::Held);
    assert_eq!(
        record.answers.conclusion.as_ref().map(|held| held.outcome),
        Some(Outcome::Held)
    );
    // (1/(5/2) + 1/2) / ((3/4)^8/2)
    let ratio = 0.9 / (0.75f64.powi(8) / 2.0);
    assert!((record.answers.looseness.expect("a ratio") - ratio).abs() < 1e-12 * ratio);
    assert_eq!(record.answers.exit_code(), 0);
    assert_eq!(record.digest, record.computed_digest());
    assert_eq!(read(&record.to_json()), Ok(record));
}

/// For `f = x^2/2`, `L = mu = 1`, the rate `1 - 2 eta (1 - eta/2) = (1 - eta)^2` is attained.
#[test]
fn the_linear_rate_is_attained_by_a_quadratic() {
    let record = traced(&case(
        "x[0]^2/2",
        PL,
        r#", "descent": {"method": "gd", "step": "1/4", "steps": 300, "start": 1},
           "guarantee": {"theorem": "linear_rate", "L": 1}"#,
    ));
    for found in &record.runs[0].records {
        let bound = found.bound.expect("a bound");
        assert!((found.f / bound - 1.0).abs() < 1e-12, "{found:?}");
    }
    assert_eq!(record.answers.exit_code(), 0);
    assert!((record.answers.looseness.expect("a ratio") - 1.0).abs() < 1e-12);
    // a rate that is a little better is refuted by the run: a step of 1/4 taken for one with L = 9/10
    let wrong = traced(&case(
        "x[0]^2/2",
        PL,
        r#", "descent": {"method": "gd", "step": "1/4", "steps": 300, "start": 1},
           "guarantee": {"theorem": "linear_rate", "L": "9/10"}"#,
    ));
    assert_eq!(wrong.runs[0].summary.fails_at, Some(1));
    assert_eq!(wrong.answers.exit_code(), 1);
}

/// `f = |x|` with step 1/8 from 21/16 jumps between 1/16 and -1/16 in the end, so that `eta G^2/2 = 1/16` is
/// attained. With half of that the bound `D^2/(2 eta T) + 1/32` is wrong once `D^2/(2 eta T) < 1/32`, where
/// `D^2/(2 eta) = (441/256)/(1/4) = 441/64`: from `T = 221` on, which is the record of `t = 220`.
#[test]
fn a_bound_with_a_factor_two_dropped_is_caught() {
    let (case, claim) = shipped("absolute-value");
    let right = trace(&case, &claim, &Silent).expect("a trace");
    assert_eq!(right.answers.exit_code(), 0);
    let last = right.runs[0].records.last().expect("records");
    assert_eq!((last.t, last.g, last.least), (1000, Some(0.0625), Some(0.0625)));
    assert_eq!(last.bound, Some(441.0 / 64.0 / 1001.0 + 0.0625));
    let (case, claim) = shipped("absolute-value-half-bound");
    let wrong = trace(&case, &claim, &Silent).expect("a trace");
    assert_eq!(wrong.answers.inequality.outcome, Outcome::Held);
    let conclusion = wrong.answers.conclusion.as_ref().expect("a conclusion");
    assert_eq!(conclusion.outcome, Outcome::Failed);
    assert_eq!(conclusion.at, Some(Place { start: 0, t: 220 }));
    assert_eq!(wrong.answers.left_region_at, None);
    assert_eq!(wrong.answers.exit_code(), 1);
}

/// The inequality holds along every descent of the catalogue, whose claims are true, and so does every conclusion but
/// the one that is wrong on purpose.
#[test]
fn descents_of_the_catalogue_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the catalogue") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let case = Case::load(&path, false).unwrap_or_else(|error| panic!("{error}"));
        if case.descent.is_some() {
            names.push(case.name);
        }
    }
    names.sort();
    assert!(
        names.contains(&"wine-mlp".to_owned()) && names.len() >= 8,
        "{names:?}"
    );
    for name in names {
        let (case, claim) = shipped(&name);
        let record = trace(&case, &claim, &Silent).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(record.answers.inequality.outcome, Outcome::Held, "{name}");
        assert_eq!(record.answers.left_region_at, None, "{name}");
        let wrong = name == "absolute-value-half-bound";
        assert_eq!(
            record.answers.exit_code(),
            u8::from(wrong),
            "{name}: {}",
            record.reason
        );
    }
}

/// `<grad f(w), w> = w^2 = 3 f(w) - f(w)`: an `h` that depends on `w`, and the bound is on `g - h = w^2`.
#[test]
fn an_h_that_depends_on_w_goes_to_the_other_side() {
    let record = traced(&case(
        "x[0]^2/2",
        r#"{"proxy_convexity": {"f": "f", "g": "3*f", "h": "f(w)"}}"#,
        r#", "descent": {"method": "gd", "step": "1/4", "steps": 1, "start": 1, "comparator": 0},
           "guarantee": {"theorem": "bounded_gradient", "G": 2}"#,
    ));
    let found = &record.runs[0].records;
    assert_eq!(
        (found[0].g, found[0].h, found[0].least),
        (Some(1.5), Some(0.5), Some(1.0))
    );
    assert_eq!((found[1].least, found[1].bound), (Some(0.5625), Some(1.5)));
    assert!(
        record
            .guarantee
            .expect("a guarantee")
            .words
            .contains("g(w_t) − h(w_t, v)")
    );
}

/// `w_1 = 1 - 3 = -2` and `w_2 = 4`.
#[test]
fn iterates_outside_the_region_are_no_refutation() {
    let record = traced(&case(
        "x[0]^2/2",
        CONVEX,
        r#", "descent": {"method": "gd", "step": 3, "steps": 5, "start": 1, "comparator": 0},
           "guarantee": {"bound": "0"}"#,
    ));
    assert_eq!(record.answers.left_region_at, Some(Place { start: 0, t: 2 }));
    // the bound 0 fails at once, while the iterate is inside
    assert_eq!(record.answers.exit_code(), 1);
    let open = traced(&case(
        "x[0]^2/2",
        CONVEX,
        r#", "descent": {"method": "gd", "step": 3, "steps": 5, "start": 1, "comparator": 0},
           "guarantee": {"bound": "f_0 + D - 1"}"#,
    ));
    assert_eq!(open.runs[0].summary.fails_at, None);
    assert_eq!(
        open.answers.conclusion.as_ref().map(|open| open.outcome),
        Some(Outcome::Open)
    );
    assert_eq!(open.answers.exit_code(), 3);
}

/// `w^4` with step 1 from 2: -30, 107,970, about -5.0e15, 5.1e47, -5.2e143: its fourth power is not finite at t = 5.
#[test]
fn a_run_that_diverges_ends_and_says_so() {
    let record = traced(&case(
        "x[0]^4",
        CONVEX,
        r#", "descent": {"method": "gd", "step": 1, "steps": 50, "start": 2, "comparator": 0}"#,
    ));
    assert_eq!(record.answers.left_region_at, Some(Place { start: 0, t: 1 }));
    assert_eq!(record.answers.diverged_at, Some(Place { start: 0, t: 5 }));
    assert_eq!(record.runs[0].records.len(), 6);
    assert_eq!(record.runs[0].summary.last, 5);
    assert!(record.reason.contains("diverges"), "{}", record.reason);
    assert_eq!(record.answers.exit_code(), 3);
    assert_eq!(
        read(&record.to_json()).map(|again| again.digest),
        Ok(record.digest)
    );
}

/// `-x^2/2` is not convex: the slack towards `v = 1` is `-w (w - 1) + w^2/2 - 1/2 = -(w - 1)^2/2`.
#[test]
fn a_violation_at_an_iterate_is_confirmed_in_intervals() {
    let record = traced(&case(
        "-x[0]^2/2",
        CONVEX,
        r#", "descent": {"method": "gd", "step": "1/2", "steps": 1, "start": "1/2", "comparator": 1}"#,
    ));
    let inequality = &record.answers.inequality;
    assert_eq!(inequality.outcome, Outcome::Failed);
    assert_eq!(inequality.least_slack, Some(-0.125));
    let witness = inequality.witness.as_ref().expect("a witness");
    // in as few decimals as it bears: 0 in place of 1/2, where the slack is -1/2
    assert_eq!(
        (&witness.w[..], &witness.v[..]),
        (&["0".to_owned()][..], &["1".to_owned()][..])
    );
    assert!(witness.slack[0] <= -0.5 && -0.5 <= witness.slack[1] && witness.slack[1] < 0.0);
    assert_eq!(record.answers.exit_code(), 1);
}

const SGD: &str = r#", "descent": {"method": "sgd", "step": 1, "steps": 199, "start": 1, "batch": 1, "over": ["y"],
    "comparator": 0, "seed": 5}"#;

/// `f = mean((x - y)^2)/2` with `y = (0, 0, 3)` and step 1: the next iterate is the example that is drawn, 0 or 3,
/// where `f` is 3/2 or 3, and the norm of its gradient `|w - 1|` is 1 or 2.
#[test]
fn batches_of_one_jump_to_their_example() {
    let record = traced(&case("mean((x - y)^2)/2", CONVEX, SGD).replace("[-2, 2]", "[-4, 4]"));
    assert_eq!(record.options.batch, Some(1));
    let records = &record.runs[0].records[1..];
    assert_eq!(records.len(), 199);
    let mut threes = 0;
    for found in records {
        let at = (found.f, found.gradient);
        assert!(at == (1.5, 1.0) || at == (3.0, 2.0), "{found:?}");
        threes += u32::from(found.f == 3.0);
    }
    // a third of 199, give or take four standard deviations of 6.65
    assert!((40..=93).contains(&threes), "{threes}");
}

/// The whole gradient is what a batch is on average: `w - 1` for the case above.
#[test]
fn large_batches_come_near_the_gradient() {
    let text = case("mean((x - y)^2)/2", CONVEX, SGD).replace("\"batch\": 1", "\"batch\": 90000");
    let record = traced(
        &text
            .replace("\"start\": 1", "\"start\": 0")
            .replace("\"steps\": 199", "\"steps\": 1"),
    );
    // w_1 is the mean of the batch: 1, with the standard deviation sqrt(2)/300
    assert!(
        record.runs[0].records[1].gradient < 0.02,
        "{:?}",
        record.runs[0].records
    );
}

/// The same record on any number of threads, from starts that are drawn and batches that are drawn.
#[test]
fn a_trace_does_not_depend_on_threads() {
    let text = case("mean((x - y)^2)/2", CONVEX, SGD)
        .replace("\"start\": 1", "\"start\": {\"draws\": 9}")
        .replace("\"step\": 1", "\"step\": \"1/10\"");
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| traced(&text))
    };
    let (one, four) = (on(1), on(4));
    assert_eq!(one.digest, four.digest);
    assert_eq!(one.runs, four.runs);
    assert_eq!(one.runs.len(), 9);
    assert_ne!(one.runs[0].w, one.runs[1].w);
    let other = traced(&text.replace("\"seed\": 5", "\"seed\": 6"));
    assert_ne!(one.digest, other.digest);
}

/// Means over the starts are held against the conclusion of a stochastic descent, and never refute it.
#[test]
fn a_theorem_about_expectations_is_never_refuted_by_a_run() {
    let text = case("mean((x - y)^2)/2", CONVEX, SGD).replace("[-2, 2]", "[-4, 4]");
    let held = text.replace(
        "\"seed\": 5}",
        "\"seed\": 5}, \"guarantee\": {\"theorem\": \"bounded_gradient\", \"G\": 5}",
    );
    let held = traced(&held);
    assert_eq!(
        held.answers.conclusion.as_ref().map(|held| held.outcome),
        Some(Outcome::Held)
    );
    assert!(held.guarantee.expect("a guarantee").words.contains("E g(w_t)"));
    let wrong = text.replace(
        "\"seed\": 5}",
        "\"seed\": 5}, \"guarantee\": {\"bound\": \"f_0/1000\"}",
    );
    let wrong = traced(&wrong);
    assert_eq!(
        wrong.answers.conclusion.as_ref().map(|wrong| wrong.outcome),
        Some(Outcome::Suspected)
    );
    assert_eq!(wrong.answers.exit_code(), 3);
}

/// Long runs keep about 500 records, the first and the last among them, all of the early ones.
#[test]
fn records_are_thinned_and_numbers_are_not() {
    let record = traced(&case(
        "x[0]^2/2",
        CONVEX,
        r#", "descent": {"method": "gd", "step": "1/1000", "steps": 20000, "start": 1, "comparator": 0}"#,
    ));
    let times: Vec<u64> = record.runs[0].records.iter().map(|found| found.t).collect();
    assert!(times.len() <= 500, "{}", times.len());
    assert_eq!(times[..200], (0..200).collect::<Vec<u64>>());
    assert_eq!(times.last(), Some(&20000));
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_descent_that_makes_no_sense_is_pointed_at() {
    let gd = |more: &str| {
        case(
            "x[0]^2/2",
            CONVEX,
            &format!(r#", "descent": {{"method": "gd", {more}}}"#),
        )
    };
    let rest = r#""steps": 3, "start": 1, "comparator": 0"#;
    let with = |guarantee: &str| {
        case(
            "x[0]^2/2",
            CONVEX,
            &format!(r#", "descent": {{"method": "gd", "step": 1, {rest}}}, "guarantee": {guarantee}"#),
        )
    };
    let sgd = |define: &str, over: &str| {
        case(
            define,
            CONVEX,
            &format!(r#", "descent": {{"method": "sgd", "step": 1, "batch": 1, "over": {over}, {rest}}}"#),
        )
    };
    for (text, expected) in [
        (case("x[0]^2", CONVEX, ""), "the case says nothing of iterates"),
        (
            case("x[0]^2", CONVEX, r#", "guarantee": {"bound": 1}"#),
            "the case has no `descent`",
        ),
        (gd(rest), "needs the key `step`"),
        (gd(&format!(r#""step": 0, {rest}"#)), "this is not a step size"),
        (
            gd(&format!(r#""step": "sqrt(2)", {rest}"#)),
            "this is not a step size",
        ),
        (
            gd(&format!(r#""step": 1, "batch": 3, {rest}"#)),
            "gradient descent has no `batch`",
        ),
        (
            gd(r#""step": 1, "steps": 0, "start": 1"#),
            "`0` is not allowed here",
        ),
        (
            gd(r#""step": 1, "steps": 3, "start": [1, 2], "comparator": 0"#),
            "this point has shape [2]",
        ),
        (
            gd(r#""step": 1, "steps": 3, "start": 1"#),
            "the claim holds for many `v`",
        ),
        (gd(rest).replace("\"gd\"", "\"gdd\""), "did you mean `gd`?"),
        (with(r#"{"theorem": "bounded_gradient"}"#), "`G` is left out"),
        (
            with(r#"{"theorem": "bounded_gradient", "G": 1, "L": 1}"#),
            "`L` has no place here",
        ),
        (
            with(r#"{"theorem": "bounded_gradiant", "G": 1}"#),
            "did you mean `bounded_gradient`?",
        ),
        (
            with(r#"{"theorem": "proxy_smooth", "L": 2}"#),
            "step * L is 2, and the theorem needs it below 2",
        ),
        (
            with(r#"{"theorem": "linear_rate", "L": 1}"#),
            "follows from `proxy_pl` or `pl`",
        ),
        (with(r#"{"bound": "D + q"}"#), "unknown name `q`"),
        (with("{}"), "a guarantee needs a theorem or a bound"),
        (sgd("mean((x - y)^2)", r#"["u"]"#), "the case has no array `u`"),
        (
            sgd("mean((x - y)^2)", r#"["y", "z"]"#),
            "`z` has 2 rows, `y` has 3",
        ),
        (sgd("mean((x - y)^2)", "[]"), "no array is named"),
        (
            sgd("sum((x - y)^2)", r#"["y"]"#),
            "`f` is not the mean over these examples",
        ),
        (
            sgd("max((x - y)^2)", r#"["y"]"#),
            "`f` is not the mean over these examples",
        ),
        (
            sgd("(x[0] - y[2])^2", r#"["y"]"#),
            "each example stands alone in a batch",
        ),
    ] {
        let message = refused(&text);
        assert!(message.contains(expected), "{expected} missing in\n{message}");
        assert!(message.contains("case.json"), "{message}");
    }
}

fn certified(text: &str) -> (Case, Claim, Certificate) {
    let (case, claim) = load(text);
    let options = Options::of(&case.check, &claim);
    let findings = engine::run(&claim, &options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}"));
    let guarantee = guarantee(&case, &claim, &options, findings.verdict, &Silent)
        .unwrap_or_else(|fault| panic!("{fault:?}"));
    let certificate = Certificate::new(&case, &claim, options, findings, 0.0).with_guarantee(guarantee);
    (case, claim, certificate)
}

/// Name and verdict of each hypothesis, and the guarantee's verdict.
fn verdicts(certificate: &Certificate) -> (Vec<(&str, Verdict)>, Verdict) {
    let guarantee = certificate.guarantee.as_ref().expect("a guarantee");
    let each = guarantee.hypotheses.iter();
    (
        each.map(|hypothesis| (hypothesis.name.as_str(), hypothesis.verdict))
            .collect(),
        guarantee.verdict,
    )
}

fn bounded(steps: u64, bound: &str) -> String {
    case(
        "x[0]^2/2",
        CONVEX,
        &format!(
            r#", "descent": {{"method": "gd", "step": "1/4", "steps": {steps}, "start": 1, "comparator": 0}},
               "guarantee": {{"theorem": "bounded_gradient", "G": {bound}}}"#
        ),
    )
}

/// `|grad f| = |w| <= 2` on the box; from 1 the steps go at most `T/2`, and 1 is the way to the edge: not to be
/// touched.
#[test]
fn hypotheses_have_verdicts_and_the_weakest_is_the_guarantee_s() {
    let (case, claim, certificate) = certified(&bounded(1, "2"));
    let proved = [
        ("step", Verdict::Proved),
        ("bounded_gradient", Verdict::Proved),
        ("iterates", Verdict::Proved),
    ];
    assert_eq!(verdicts(&certificate), (proved.to_vec(), Verdict::Proved));
    // `|grad f| <= G + d` puts `(G + d)^2` in the place of `G^2`, and the claim adds `d`
    let reason = certificate
        .guarantee
        .as_ref()
        .map_or("", |guarantee| &guarantee.reason);
    assert!(
        reason.contains("d = 1e-9") && reason.contains("η(G + d)²/2 + d"),
        "{reason}"
    );
    let said = verify(&certificate, &case, &claim, &Silent).expect("accepted");
    assert!(said.contains("the guarantee is `proved`"), "{said}");

    let (case, claim, certificate) = certified(&bounded(2, "2"));
    assert_eq!(verdicts(&certificate).0[2], ("iterates", Verdict::Supported));
    assert_eq!(verdicts(&certificate).1, Verdict::Supported);
    verify(&certificate, &case, &claim, &Silent).expect("accepted");

    // a run of any length is not made here
    let (case, claim, certificate) = certified(&bounded(1_000_000_000, "2"));
    assert_eq!(verdicts(&certificate).0[2], ("iterates", Verdict::Undecided));
    verify(&certificate, &case, &claim, &Silent).expect("accepted");

    // the gradient is larger than 1/2: the claim stays proved, the guarantee is unfounded
    let (case, claim, certificate) = certified(&bounded(1, "\"1/2\""));
    assert_eq!(certificate.verdict, Verdict::Proved);
    assert_eq!(
        verdicts(&certificate).0[1],
        ("bounded_gradient", Verdict::Refuted)
    );
    assert_eq!(verdicts(&certificate).1, Verdict::Refuted);
    verify(&certificate, &case, &claim, &Silent).expect("accepted");
}

/// `f = x^2/2` from 1: the descent lemma holds for `L = 1` and fails for `L = 9/10`; `f >= 0`. The steps go at most
/// `sqrt(T/4 (1/2 - 0)/(1 - 1/8)) = sqrt(T/7)`: less than 1 for six of them, not for seven.
#[test]
fn the_descent_lemma_is_a_hypothesis() {
    let text = |steps: u64, bound: &str| {
        case(
            "x[0]^2/2",
            r#"{"proxy_pl": {"f": "f", "g": "f", "xi": 0, "alpha": 2, "mu": 4}}"#,
            &format!(
                r#", "descent": {{"method": "gd", "step": "1/4", "steps": {steps}, "start": 1}},
                   "guarantee": {{"theorem": "proxy_pl", "L": "{bound}", "f_inf": 0}}"#
            ),
        )
    };
    let (case, claim, certificate) = certified(&text(6, "1"));
    let proved = ["step", "smooth", "lower_bound", "iterates"].map(|name| (name, Verdict::Proved));
    assert_eq!(verdicts(&certificate), (proved.to_vec(), Verdict::Proved));
    verify(&certificate, &case, &claim, &Silent).expect("accepted");
    assert_eq!(verdicts(&certified(&text(7, "1")).2).0[3].1, Verdict::Supported);
    let (case, claim, certificate) = certified(&text(6, "9/10"));
    assert_eq!(verdicts(&certificate).0[1], ("smooth", Verdict::Refuted));
    assert_eq!(verdicts(&certificate).1, Verdict::Refuted);
    verify(&certificate, &case, &claim, &Silent).expect("accepted");
}

/// `f = g = (x - 1/2)^2/2` is proxy smooth with `L = 2`, tight; the iterates never go further from `v = 1/2` than
/// the start: at distance 1 that is at most to 3/2 and -1/2, inside `[-2, 2]`; at distance 2 it might be 5/2.
#[test]
fn the_distance_to_v_bounds_the_iterates_of_a_proxy_smooth_descent() {
    let text = |start: &str| {
        case(
            "(x[0] - 1/2)^2/2",
            CONVEX,
            &format!(
                r#", "descent": {{"method": "gd", "step": "1/4", "steps": 1000, "start": {start}, "comparator": "1/2"}},
                   "guarantee": {{"theorem": "proxy_smooth", "L": 2}}"#
            ),
        )
    };
    let (case, claim, certificate) = certified(&text("1.5"));
    let proved = ["step", "proxy_smooth", "iterates"].map(|name| (name, Verdict::Proved));
    assert_eq!(verdicts(&certificate), (proved.to_vec(), Verdict::Proved));
    verify(&certificate, &case, &claim, &Silent).expect("accepted");
    assert_eq!(
        verdicts(&certified(&text("-1.5")).2).0[2],
        ("iterates", Verdict::Supported)
    );
}

/// `f_i = (x - y_i)^2/2`: the mean of `(x - y_i)^2` for `y = (0, 0, 3)` is largest at -4, where it is
/// `(16 + 16 + 49)/3 = 27`, between `5^2` and `(26/5)^2 = 27.04`.
#[test]
fn the_gradients_of_examples_are_a_hypothesis_of_stochastic_descent() {
    let text = |bound: &str| {
        let guarantee =
            format!(r#""seed": 5}}, "guarantee": {{"theorem": "bounded_gradient", "G": "{bound}"}}"#);
        case("mean((x - y)^2)/2", CONVEX, SGD)
            .replace("[-2, 2]", "[-4, 4]")
            .replace(r#""seed": 5}"#, &guarantee)
    };
    let (case, claim, certificate) = certified(&text("26/5"));
    let expected = [
        ("step", Verdict::Proved),
        ("examples", Verdict::Proved),
        ("unbiased", Verdict::Supported),
        ("iterates", Verdict::Supported),
    ];
    assert_eq!(verdicts(&certificate), (expected.to_vec(), Verdict::Supported));
    verify(&certificate, &case, &claim, &Silent).expect("accepted");
    let (case, claim, certificate) = certified(&text("5"));
    assert_eq!(verdicts(&certificate).0[1], ("examples", Verdict::Refuted));
    assert_eq!(verdicts(&certificate).1, Verdict::Refuted);
    verify(&certificate, &case, &claim, &Silent).expect("accepted");
}

/// Every changed word, number and verdict of the block is refused, its digest made right again.
#[test]
fn a_changed_guarantee_is_refused() {
    let (case, claim, certificate) = certified(&bounded(1, "2"));
    let sound = serde_json::to_value(&certificate).expect("JSON");
    let leaves = leaves(&sound["guarantee"], "/guarantee");
    assert!(leaves.len() > 100, "{}", leaves.len());
    for place in leaves.into_iter().filter(|place| decisive(place)) {
        let mut changed = sound.clone();
        let leaf = changed.pointer_mut(&place).expect("a leaf");
        *leaf = match leaf.take() {
            Value::String(word) if word == "proved" => "supported".into(),
            Value::String(word) => format!("{word}.").into(),
            Value::Number(number) => (number.as_f64().expect("a number") * 1.5 + 1.0).into(),
            other => panic!("{place}: {other}"),
        };
        // what cannot be read is refused as well
        let Ok(mut forged) = serde_json::from_value::<Certificate>(changed) else {
            continue;
        };
        forged.digest = forged.computed_digest();
        match verify(&forged, &case, &claim, &Silent) {
            Err(Refusal::Refused(_)) => {}
            other => panic!("{place}: {other:?}"),
        }
    }
    let mut shorter = certificate.clone();
    shorter
        .guarantee
        .as_mut()
        .expect("a guarantee")
        .hypotheses
        .remove(1);
    let mut none = certificate.clone();
    none.guarantee = None;
    let mut swapped = certificate;
    swapped
        .guarantee
        .as_mut()
        .expect("a guarantee")
        .hypotheses
        .swap(0, 1);
    for mut forged in [shorter, none, swapped] {
        forged.digest = forged.computed_digest();
        assert!(matches!(
            verify(&forged, &case, &claim, &Silent),
            Err(Refusal::Refused(_))
        ));
    }
}

/// Pointers to the strings and numbers of a value.
fn leaves(value: &Value, place: &str) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let inner = members
                .iter()
                .flat_map(|(key, value)| leaves(value, &format!("{place}/{key}")));
            inner.collect()
        }
        Value::Array(entries) => {
            let inner = entries
                .iter()
                .enumerate()
                .flat_map(|(i, value)| leaves(value, &format!("{place}/{i}")));
            inner.collect()
        }
        Value::String(_) | Value::Number(_) => vec![place.to_owned()],
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

/// As in every certificate, nothing of a proved inequality rests on its samples, its cross-checks, or on floors
/// that are lower than they need to be.
fn decisive(place: &str) -> bool {
    !["/evidence/", "/cross_checks/"]
        .iter()
        .any(|part| place.contains(part))
}

struct Project(tempfile::TempDir);

impl Project {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_proxycert"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .output()
            .expect("the program runs")
    }
}

#[test]
fn the_command_line_gives_exit_codes_and_records() {
    let project = Project(tempfile::tempdir().expect("a folder"));
    let gd = |step: &str, bound: &str| {
        case(
            "x[0]^2/2",
            CONVEX,
            &format!(
                r#", "descent": {{"method": "gd", "step": {step}, "steps": 5, "start": 1, "comparator": 0}},
                   "guarantee": {{"bound": "{bound}"}}"#
            ),
        )
    };
    for (text, code) in [
        (gd("0.5", "f_0"), 0),
        (gd("0.5", "f_0/2"), 1),
        (gd("3", "f_0"), 3),
        (gd("-1", "f_0"), 2),
        (case("x[0]", CONVEX, ""), 2),
    ] {
        std::fs::write(project.0.path().join("case.json"), &text).expect("written");
        let output = project.run(&["trace", "case.json"]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}: {words}");
        if code == 2 {
            assert!(output.stdout.is_empty());
        } else {
            let record = read(&String::from_utf8(output.stdout).expect("UTF-8")).expect("a record");
            assert_eq!(record.format, "proxycert-trace");
            assert!(words.contains("the inequality holds"), "{words}");
        }
    }
    std::fs::write(project.0.path().join("case.json"), gd("0.5", "f_0")).expect("written");
    let output = project.run(&["trace", "case.json", "-o", "trace.json", "--quiet"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    let text = std::fs::read_to_string(project.0.path().join("trace.json")).expect("a file");
    assert!(read(&text).is_ok());
    let over = project.run(&["trace", "case.json", "-o", "case.json"]);
    assert_eq!(over.status.code(), Some(2));
}
