//! The engines, in the order in which they run: interval bound on the region, sampling, search and
//! confirmation, cross-checks; and the verdict that follows from what they found.

pub mod cross_check;
pub mod enclose;
pub mod points;
pub mod sample;
pub mod search;
pub mod statistics;

use dashu_ratio::RBig;
use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::eval::RigorousArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use cross_check::CrossChecks;
use enclose::Encloser;
use points::Points;
use sample::Sampling;
use search::{Search, Witness};

/// What the engines are asked to do. Budgets count work, never time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// uniform points or pairs
    pub samples: u64,
    /// seed of every random stream
    pub seed: u64,
    /// confidence of the Clopper-Pearson bound
    pub confidence: f64,
    /// the claim's tolerance in binary64, rounded down
    pub tolerance: f64,
    /// starts of the search
    pub starts: u64,
}

/// Why the engines could not run.
#[derive(Clone, Debug)]
pub enum Failure {
    /// the inequalities of the region leave too little to sample
    Hopeless,
    /// Burn refused something
    Run(String),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// a point of the region where the slack is negative, beyond doubt
    Refuted,
    /// slack >= -tolerance on the whole region, rigorously
    Proved,
    /// no violation found by sampling and by search; nothing is proved
    Supported,
    /// a suspicion that could be neither confirmed nor removed
    Undecided,
}

impl Verdict {
    /// The word that certificates use.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Refuted => "refuted",
            Verdict::Proved => "proved",
            Verdict::Supported => "supported",
            Verdict::Undecided => "undecided",
        }
    }
}

/// A bound on the slack over the whole region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionBound {
    /// name of the rule
    pub rule: String,
    /// enclosure of the slack over a box around the region; `null` stands for an infinite end
    pub slack: [Option<f64>; 2],
    /// whether everything that the claim speaks of is defined all over the region
    pub defined: bool,
    /// whether no kink lies in the region
    pub continuous: bool,
    /// whether this settles the claim
    pub proves: bool,
}

/// The rule behind a proof by one evaluation.
pub const INTERVAL_BOUND: &str = "interval bound on the region";

/// What every engine found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// one interval evaluation over the whole region
    pub region_bound: RegionBound,
    /// sampling
    pub sampling: Sampling,
    /// search for a violation; absent when nothing varies
    pub search: Option<Search>,
    /// a confirmed violation
    pub witness: Option<Witness>,
}

/// Verdict, reason, evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// the answer
    pub verdict: Verdict,
    /// one sentence that says why
    pub reason: String,
    /// what each engine found
    pub evidence: Evidence,
    /// how well the evaluators agree
    pub cross_checks: CrossChecks,
    /// seconds that sampling took, for the `run` block
    pub sampling_seconds: f64,
    /// points that sampling evaluated
    pub sampled: u64,
}

/// Reports progress: the stage and, while sampling, the number of further points done.
pub trait Progress: Sync {
    /// A stage begins, with the number of points it will evaluate where that is known.
    fn stage(&self, name: &str, points: Option<u64>);
    /// So many further points are done.
    fn advance(&self, points: u64);
}

/// Progress for nobody.
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
}

/// The claim's tolerance in binary64, rounded down.
pub fn tolerance(claim: &Claim) -> f64 {
    Interval::from_rational(&claim.tolerance).lo
}

/// Runs every engine on a claim.
///
/// # Errors
/// When the region cannot be sampled or Burn fails.
pub fn run(claim: &Claim, options: &Options, progress: &dyn Progress) -> Result<Findings, Failure> {
    progress.stage("interval bound", None);
    let region_bound = region_bound(claim);

    progress.stage("sampling", Some(options.samples));
    let started = std::time::Instant::now();
    let (sampling, candidates) = sample::sample(claim, options, &|points| progress.advance(points))?;
    let sampling_seconds = started.elapsed().as_secs_f64();
    let sampled = sampling.uniform.count
        + sampling
            .directed
            .iter()
            .map(|directed| directed.count)
            .sum::<u64>();

    progress.stage("search", None);
    let points = Points::new(claim, options.seed);
    // a violation beyond doubt among the samples needs no search
    let mut witness = search::confirm(claim, &candidates);
    let mut search_record = None;
    if witness.is_none() && !points.free().is_empty() && !region_bound.proves {
        let (record, suspects) = search::search(claim, &points, &candidates);
        witness = search::confirm(claim, &suspects);
        search_record = Some(record);
    }

    progress.stage("cross-checks", None);
    let cross_checks = cross_check::cross_check(claim, options)?;
    let evidence = Evidence {
        region_bound,
        sampling,
        search: search_record,
        witness,
    };
    let (verdict, reason) = decide(&evidence, options);
    Ok(Findings {
        verdict,
        reason,
        evidence,
        cross_checks,
        sampling_seconds,
        sampled,
    })
}

/// One interval evaluation over the whole region.
fn region_bound(claim: &Claim) -> RegionBound {
    let mut encloser = Encloser::new(claim, IntervalArithmetic::new());
    let enclosed = encloser.over_region();
    let floor: RBig = -claim.tolerance.clone();
    let proves = enclosed.flags.defined && encloser.arithmetic().at_least(&enclosed.slack, &floor);
    let end = |x: f64| x.is_finite().then_some(x);
    RegionBound {
        rule: INTERVAL_BOUND.to_owned(),
        slack: [end(enclosed.slack.lo), end(enclosed.slack.hi)],
        defined: enclosed.flags.defined,
        continuous: enclosed.flags.continuous,
        proves,
    }
}

/// The verdict that the evidence bears, and why.
///
/// A witness refutes. A bound proves. Both at once are possible only when the violation is smaller
/// than the tolerance: then the exact claim is false, and that is what is said.
pub fn decide(evidence: &Evidence, options: &Options) -> (Verdict, String) {
    if let Some(witness) = &evidence.witness {
        let reason = format!(
            "at the witness the slack lies in [{:e}, {:e}], wholly below 0",
            witness.slack[0], witness.slack[1]
        );
        return (Verdict::Refuted, reason);
    }
    if evidence.region_bound.proves {
        let reason = format!(
            "the interval bound of the slack over the whole region is at least {:e}, and the tolerance is {:e}",
            evidence.region_bound.slack[0].unwrap_or(f64::INFINITY),
            options.tolerance
        );
        return (Verdict::Proved, reason);
    }
    let sampling = &evidence.sampling;
    let undefined = sampling.uniform.undefined
        + sampling
            .directed
            .iter()
            .map(|directed| directed.undefined)
            .sum::<u64>();
    if undefined > 0 {
        let reason = format!(
            "at {undefined} sampled points the slack is not a number: either the claim is not defined there \
             or binary64 overflows"
        );
        return (Verdict::Undecided, reason);
    }
    let lowest = [
        sampling.uniform.minimum.as_ref().map(|minimum| minimum.slack),
        evidence.search.as_ref().and_then(|search| search.lowest),
    ]
    .into_iter()
    .chain(
        sampling
            .directed
            .iter()
            .map(|directed| directed.minimum.as_ref().map(|minimum| minimum.slack)),
    )
    .flatten()
    .fold(f64::INFINITY, f64::min);
    if lowest < -options.tolerance {
        let reason = format!(
            "a slack of {lowest:e} came out, below minus the tolerance of {:e}, but its interval enclosure is \
             not wholly below 0 in the region: neither confirmed nor removed",
            options.tolerance
        );
        return (Verdict::Undecided, reason);
    }
    let reason = format!(
        "no violation at {} uniform points nor by search; the smallest slack found is {lowest:e}. Nothing is \
         proved: one interval bound does not settle the region",
        sampling.uniform.count
    );
    (Verdict::Supported, reason)
}
