//! The engines, in the order in which they run: sampling, proof, search and confirmation, cross-checks;
//! and the verdict that follows from what they found.

pub mod constants;
pub mod cross_check;
pub mod device;
pub mod enclose;
mod kinks;
pub mod points;
pub mod population;
pub mod prove;
pub mod sample;
pub mod search;
pub mod statistics;
pub(crate) mod stream;
mod ties;

use serde::{Deserialize, Serialize};

use crate::burn::device::Backend;
use crate::case::CheckSpec;
use crate::claim::Claim;
use crate::eval::interval::Interval;
use cross_check::CrossChecks;
use points::Points;
use population::Expectations;
use prove::Proof;
use sample::{Candidate, Sampling};
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
    /// boxes of the prover; 0 turns it off
    pub max_boxes: u64,
    /// starts of the search
    pub starts: u64,
    /// Burn device that the samples are evaluated on; the bulk evaluator where absent
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Backend>,
}

impl Options {
    /// What the case asks for.
    pub fn of(check: &CheckSpec, claim: &Claim) -> Options {
        Options {
            samples: check.samples,
            seed: check.seed,
            confidence: check.confidence,
            tolerance: tolerance(claim),
            max_boxes: check.max_boxes,
            starts: check.starts,
            device: None,
        }
    }
}

/// Why the engines could not run.
#[derive(Clone, Debug)]
pub enum Failure {
    /// the inequalities of the region leave too little to sample
    Hopeless,
    /// the claim is about expectations, and its slack is no mean over the examples
    NotAverage(String),
    /// the device that the options name is not to be had
    Device(String),
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

/// What every engine found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// sampling
    pub sampling: Sampling,
    /// what the prover settled; absent when a sample refutes the claim or the prover is off
    pub proof: Option<Proof>,
    /// search for a violation; absent when nothing varies
    pub search: Option<Search>,
    /// a confirmed violation
    pub witness: Option<Witness>,
    /// the test of expectations, where the claim is about them; sampling and search then speak of the
    /// case's own draw, and only choose the points of the test
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<Expectations>,
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
    let points = Points::new(claim, options.seed);
    if let Some(population) = &claim.population {
        population::require_average(claim, population, &points)?;
    }
    progress.stage("sampling", Some(options.samples));
    let started = std::time::Instant::now();
    let (sampling, mut candidates) =
        sample::sample(claim, &points, options, &|points| progress.advance(points))?;
    let sampling_seconds = started.elapsed().as_secs_f64();
    let sampled = sampling.uniform.count
        + sampling
            .directed
            .iter()
            .map(|directed| directed.count)
            .sum::<u64>();

    progress.stage("proof", None);
    // a violation beyond doubt among the samples needs no search; a draw of a population refutes and proves
    // nothing about its expectation
    let rigorous = claim.population.is_none();
    let confirm = |suspects: &[Candidate]| rigorous.then(|| search::confirm(claim, suspects)).flatten();
    let mut witness = confirm(&candidates);
    let mut proof = None;
    if rigorous
        && witness.is_none()
        && let Some((record, suspects)) = prove::prove(claim, &points, options)
    {
        proof = Some(record);
        candidates.extend(suspects);
    }
    let proved = proof.as_ref().is_some_and(Proof::complete);

    progress.stage("search", None);
    let (mut search_record, mut searched) = (None, Vec::new());
    if witness.is_none() && !points.free().is_empty() && !proved {
        let (record, suspects) = search::search(claim, &points, &candidates)?;
        witness = confirm(&suspects);
        search_record = Some(record);
        searched = suspects;
    }

    let population = match &claim.population {
        Some(population) => Some(population::test(
            claim,
            population,
            &points,
            options,
            [&candidates, &searched],
            progress,
        )?),
        None => None,
    };

    progress.stage("cross-checks", None);
    let cross_checks = cross_check::cross_check(claim, points, options)?;
    let evidence = Evidence {
        sampling,
        proof,
        search: search_record,
        witness,
        population,
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

/// The verdict that the evidence bears, and why.
///
/// A witness refutes. A bound proves. Both at once are possible only when the violation is smaller
/// than the tolerance: then the exact claim is false, and that is what is said.
pub fn decide(evidence: &Evidence, options: &Options) -> (Verdict, String) {
    if let Some(expectations) = &evidence.population {
        return population::decide(expectations, evidence.sampling.undefined(), options);
    }
    if let Some(witness) = &evidence.witness {
        let reason = format!(
            "at the witness the slack lies in [{:e}, {:e}], wholly below 0",
            witness.slack[0], witness.slack[1]
        );
        return (Verdict::Refuted, reason);
    }
    if let Some(proof) = &evidence.proof
        && proof.complete()
    {
        return (Verdict::Proved, proof.sentence(options.tolerance));
    }
    let sampling = &evidence.sampling;
    let undefined = sampling.undefined();
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
        "no violation at {} uniform points nor by search; the smallest slack found is {lowest:e}. {}",
        sampling.uniform.count,
        unproved(evidence.proof.as_ref())
    );
    (Verdict::Supported, reason)
}

/// A sentence on a proof that is not complete.
fn unproved(proof: Option<&Proof>) -> String {
    match proof {
        None => "Nothing is proved: the prover did not run".to_owned(),
        Some(proof) => format!(
            "The prover settled {:.1} % of the box around the region with {} boxes",
            // not rounded up to the whole
            (proof.settled * 1000.0).floor() / 10.0,
            proof.boxes
        ),
    }
}
