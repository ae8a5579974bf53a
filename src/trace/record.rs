//! The record of `trace`: what was run, what came out, and how it stands against the guarantee.
//!
//! Everything but the `run` block is a pure function of case, options and version, and stands under the
//! digest. `docs/trace-format.md` describes every field.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::certificate::{CaseRecord, Tool, digest_of};
use crate::claim::statement::Statement;
use crate::engine::search::Witness;

/// Names the format in every record.
pub const FORMAT: &str = "proxycert-trace";
/// Version of the format.
pub const VERSION: u32 = 1;

/// A trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// [`FORMAT`]
    pub format: String,
    /// [`VERSION`]
    pub version: u32,
    /// the program that made it
    pub tool: Tool,
    /// the case, by name and digest
    pub case: CaseRecord,
    /// the claim in words and mathematics
    pub statement: Statement,
    /// what was run
    pub options: Options,
    /// the bound that the conclusion is held against; absent where the case asks for none
    pub guarantee: Option<Guarantee>,
    /// one trajectory for each start
    pub runs: Vec<Trajectory>,
    /// what they come to
    pub answers: Answers,
    /// the answers in words
    pub reason: String,
    /// SHA-256 of everything above, as in a certificate
    pub digest: String,
    /// what varies from run to run
    pub run: Run,
}

/// How the iterates are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// gradient descent
    Gd,
    /// stochastic gradient descent
    Sgd,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// how the iterates are made
    pub method: Method,
    /// the step size, exact, as the case writes it
    pub step: String,
    /// number of steps T: the last iterate is `w_T`
    pub steps: u64,
    /// examples in a batch; stochastic gradient descent only
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// arrays whose first axis are the examples; stochastic gradient descent only
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
    /// number of starts
    pub starts: u64,
    /// seed of starts and batches
    pub seed: u64,
}

/// The bound that the run is held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guarantee {
    /// name of the theorem; `bound` where the case writes the bound out
    pub theorem: String,
    /// the conclusion in one sentence
    pub words: String,
    /// the conclusion in LaTeX
    pub latex: String,
    /// the number of a record that the bound is held against
    pub held: Held,
    /// the constants of the bound in binary64, by their names
    pub constants: IndexMap<String, f64>,
}

/// Which number of a record a bound is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// `least`, the running minimum
    Least,
    /// `g` itself
    G,
}

/// What happened from one start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trajectory {
    /// number of the start, from 0
    pub start: u64,
    /// coordinates of `w_0`; left out where there are more than 256
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub w: Vec<f64>,
    /// numbers at some iterates: all early ones, then ever fewer, and the last
    pub records: Vec<Record>,
    /// numbers over all iterates
    pub summary: Summary,
}

/// Numbers at one iterate. What the claim does not speak of is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// number of steps made
    pub t: u64,
    /// `f(w_t)`
    #[serde(with = "crate::certificate::number")]
    pub f: f64,
    /// `g(w_t)`
    #[serde(
        default,
        with = "crate::certificate::number::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub g: Option<f64>,
    /// `h(v)`, or `h(w_t, v)` where it depends on `w`
    #[serde(
        default,
        with = "crate::certificate::number::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub h: Option<f64>,
    /// `||grad f(w_t)||`, by Burn's autodiff
    #[serde(with = "crate::certificate::number")]
    pub gradient: f64,
    /// the claim's slack at `(w_t, v)`
    #[serde(with = "crate::certificate::number")]
    pub slack: f64,
    /// running minimum, up to this iterate, of what the guarantee bounds: of `g`; of `g - h` or
    /// `(1 - eta L/2) g - h` where `h` depends on `w`
    #[serde(
        default,
        with = "crate::certificate::number::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub least: Option<f64>,
    /// what the guarantee says: of `least` after `T = t + 1` iterates, or of `g` at `T = t`
    #[serde(
        default,
        with = "crate::certificate::number::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub bound: Option<f64>,
    /// whether `(w_t, v)` lies in the region, in binary64
    pub inside: bool,
}

/// Numbers over all iterates of a trajectory, recorded or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// number of the last iterate that has numbers
    pub last: u64,
    /// `||w_0 - v||`; left out where the claim does not speak of `v`
    #[serde(
        default,
        with = "crate::certificate::number::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub distance: Option<f64>,
    /// the smallest slack inside the region, and where; absent when no iterate lies inside
    pub least_slack: Option<At>,
    /// iterates inside the region whose slack came out below minus the claim's tolerance
    pub violations: u64,
    /// the first iterate at which the bound does not hold
    pub fails_at: Option<u64>,
    /// the first iterate outside the region
    pub left_region_at: Option<u64>,
    /// the first iterate with a number that is not finite; the run ends there
    pub diverged_at: Option<u64>,
    /// bound over bounded number at the last iterate; absent where there is no bound or not both are positive
    pub looseness: Option<f64>,
}

/// A number and the iterate that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// number of the iterate
    pub t: u64,
    /// the number
    #[serde(with = "crate::certificate::number")]
    pub value: f64,
}

/// What all trajectories come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// does the inequality hold along the trajectories?
    pub inequality: Inequality,
    /// does the conclusion hold? absent without a guarantee
    pub conclusion: Option<Conclusion>,
    /// how loose is the bound: the smallest of the trajectories' ratios
    pub looseness: Option<f64>,
    /// where did an iterate leave the region first?
    pub left_region_at: Option<Place>,
    /// where did a trajectory diverge first?
    pub diverged_at: Option<Place>,
}

/// An iterate of a trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// number of the start
    pub start: u64,
    /// number of the iterate
    pub t: u64,
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// it held at every iterate, in binary64
    Held,
    /// it fails: an inequality beyond doubt, in intervals; a conclusion by more than rounding, with all
    /// iterates inside the region
    Failed,
    /// it seems to fail, which could not be confirmed, or which a theorem about expectations allows
    Suspected,
    /// the iterates left the region or diverged, so that nothing is claimed of the conclusion
    Open,
}

/// The claim's inequality along the trajectories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inequality {
    /// the answer
    pub outcome: Outcome,
    /// the smallest slack at an iterate inside the region
    #[serde(with = "crate::certificate::number::option")]
    pub least_slack: Option<f64>,
    /// where
    pub at: Option<Place>,
    /// a point of the region at which the slack is below 0 beyond doubt, as in a certificate: an iterate at which it
    /// is, rounded to as few decimals as it bears
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

/// The guarantee's conclusion along the trajectories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conclusion {
    /// the answer
    pub outcome: Outcome,
    /// the first place where it does not hold; for stochastic gradient descent an iterate at which the means
    /// over all starts do not
    pub at: Option<Place>,
}

/// What varies from run to run; outside the digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// wall time
    pub seconds: f64,
    /// threads
    pub threads: usize,
    /// operating system and processor architecture
    pub platform: String,
}

impl Trace {
    /// SHA-256, in hexadecimal, as [`crate::certificate::Certificate::computed_digest`] takes it.
    pub fn computed_digest(&self) -> String {
        digest_of(self)
    }

    /// The record as indented JSON with a final newline.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Reads a record.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub fn read(text: &str) -> Result<Trace, String> {
    let trace: Trace = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if trace.format != FORMAT {
        return Err(format!("`format` is {:?}, expected {FORMAT:?}", trace.format));
    }
    if trace.version != VERSION {
        return Err(format!(
            "`version` is {}, and this program reads {VERSION}",
            trace.version
        ));
    }
    Ok(trace)
}
