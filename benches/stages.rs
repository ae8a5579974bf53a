//! The stages of `certify`, `verify` and `report`, one by one, on cases of the catalogue.
//!
//!     cargo bench --profile dev --bench stages
//!     cargo bench --profile dev --bench stages -- sample

use std::path::Path;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use proxycert::case::{Case, digest};
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::verify;
use proxycert::claim::Claim;
use proxycert::engine::points::Points;
use proxycert::engine::prove::prove;
use proxycert::engine::sample::sample;
use proxycert::engine::search::search;
use proxycert::engine::{self, Options, Silent};
use proxycert::report::{Document, Entry, Source, html};

fn main() {
    divan::main();
}

/// Cases by the way in which they are decided: an interval of one variable, convexity, lifting, branch and bound,
/// and one that the search refutes.
const CASES: [&str; 5] = [
    "pl-sine",
    "iris-logistic",
    "leaky-net-gradient-64",
    "rank-one",
    "pl-sine-too-large",
];
/// Points of a sample.
const SAMPLES: u64 = 20_000;

/// A case, its claim, and the options of `certify` with [`SAMPLES`].
struct Stage {
    case: Case,
    claim: Claim,
    options: Options,
    points: Points,
}

impl Stage {
    fn new(name: &str) -> Stage {
        let case = load(name);
        let claim = build(&case);
        let options = Options {
            samples: SAMPLES,
            ..Options::of(&case.check, &claim)
        };
        let points = Points::new(&claim, options.seed);
        Stage {
            case,
            claim,
            options,
            points,
        }
    }

    fn certify(&self) -> Certificate {
        let findings =
            engine::run(&self.claim, &self.options, &Silent).unwrap_or_else(|failure| panic!("{failure:?}"));
        Certificate::new(&self.case, &self.claim, self.options.clone(), findings, 0.0)
    }
}

fn load(name: &str) -> Case {
    let file = format!("{}/cases/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Case::load(Path::new(&file), false).unwrap_or_else(|error| panic!("{error}"))
}

fn build(case: &Case) -> Claim {
    Claim::new(case).unwrap_or_else(|fault| panic!("{}", fault.render(false)))
}

#[divan::bench(args = CASES)]
fn read_case(name: &str) -> Case {
    load(black_box(name))
}

#[divan::bench(args = CASES)]
fn build_claim(bencher: Bencher, name: &str) {
    let case = load(name);
    bencher.bench(|| build(black_box(&case)));
}

#[divan::bench(args = CASES, sample_count = 10)]
fn sample_points(bencher: Bencher, name: &str) {
    let stage = Stage::new(name);
    bencher
        .counter(ItemsCount::new(SAMPLES))
        .bench(|| sample(&stage.claim, &stage.points, &stage.options, &|_| ()).map(|(sampling, _)| sampling));
}

#[divan::bench(args = CASES, sample_count = 10)]
fn prove_claim(bencher: Bencher, name: &str) {
    let stage = Stage::new(name);
    bencher.bench(|| prove(&stage.claim, &stage.points, &stage.options));
}

#[divan::bench(args = CASES, sample_count = 10)]
fn search_violation(bencher: Bencher, name: &str) {
    let stage = Stage::new(name);
    let (_, candidates) = sample(&stage.claim, &stage.points, &stage.options, &|_| ())
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    bencher.bench(|| search(&stage.claim, &stage.points, black_box(&candidates)));
}

#[divan::bench(args = CASES, sample_count = 10)]
fn verify_certificate(bencher: Bencher, name: &str) {
    let stage = Stage::new(name);
    let certificate = stage.certify();
    bencher.bench(|| verify(black_box(&certificate), &stage.case, &stage.claim, &Silent).map_err(|_| ()));
}

#[divan::bench(args = CASES, sample_count = 10)]
fn report_as_html(bencher: Bencher, name: &str) {
    let stage = Stage::new(name);
    let source = Source {
        file: format!("cases/{name}.json"),
        settings: Vec::new(),
        digest: digest::case(&stage.case),
        case: load(name),
        claim: build(&stage.case),
    };
    let entry = Entry {
        file: format!("{name}.json"),
        document: Document::Certificate(Box::new(stage.certify())),
        source: Some(&source),
    };
    bencher.bench(|| html(std::slice::from_ref(black_box(&entry))));
}
