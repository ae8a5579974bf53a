//! The certificate: what was claimed, what was found, and what a reader needs to check it.
//!
//! Everything but the `run` block is a pure function of case, options and version, and stands under
//! the digest. The format is described in `docs/certificate-format.md`.

pub mod number;
mod packed;
pub mod replay;
pub mod summary;
pub mod verify;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::case::{Case, digest};
use crate::claim::Claim;
use crate::claim::statement::{Statement, statement};
use crate::engine::cross_check::CrossChecks;
use crate::engine::{Evidence, Findings, Options, Verdict};
use crate::guarantee::Guarantee;

/// Names the format in every certificate.
pub const FORMAT: &str = "proxycert-certificate";
/// Version of the format; `verify` reads this one only.
pub const VERSION: u32 = 1;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
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
    /// what the engines were asked to do
    pub options: Options,
    /// the answer
    pub verdict: Verdict,
    /// one sentence that says why
    pub reason: String,
    /// what each engine found
    pub evidence: Evidence,
    /// how well the evaluators agree
    pub cross_checks: CrossChecks,
    /// what follows for gradient descent, where the case asks for a theorem
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarantee: Option<Guarantee>,
    /// SHA-256 of everything above, see [`Certificate::digest`]
    pub digest: String,
    /// what varies from run to run
    pub run: Run,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// its name
    pub name: String,
    /// its version
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Tool {
        Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The case that a certificate speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    /// its short name
    pub name: String,
    /// its title
    pub title: String,
    /// the work that makes the claim
    pub work: String,
    /// where in that work
    #[serde(rename = "where")]
    pub place: String,
    /// SHA-256 of its canonical form, data included
    pub digest: String,
    /// its arrays
    pub data: IndexMap<String, DataRecord>,
}

/// An array of the case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// sizes of the axes
    pub shape: Vec<usize>,
    /// SHA-256 of shape and entries, or of the distribution in a population
    pub digest: String,
}

/// What varies from run to run; outside the digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// wall time of the engines
    pub seconds: f64,
    /// threads
    pub threads: usize,
    /// operating system and processor architecture
    pub platform: String,
    /// the sampler's work
    pub sampling: SamplingRun,
}

/// The sampler's work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingRun {
    /// slacks evaluated
    pub evaluations: u64,
    /// slacks evaluated per second of sampling, drawing of the points included
    pub evaluations_per_second: f64,
}

/// Operating system and processor architecture.
fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The record of a case.
pub fn case_record(case: &Case) -> CaseRecord {
    CaseRecord {
        name: case.name.clone(),
        title: case.title.clone(),
        work: case.source.work.clone(),
        place: case.source.place.clone(),
        digest: digest::case(case),
        data: case
            .data
            .iter()
            .map(|(name, array)| {
                (
                    name.clone(),
                    DataRecord {
                        shape: array.shape.clone(),
                        digest: digest::data_of(case, name, array),
                    },
                )
            })
            .collect(),
    }
}

/// SHA-256, in hexadecimal, of a record as compact JSON without `digest` and `run`.
pub(crate) fn digest_of(record: &impl Serialize) -> String {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("digest");
        object.shift_remove("run");
    }
    let hash = Sha256::digest(value.to_string().as_bytes());
    format!(
        "sha256:{}",
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    )
}

impl Certificate {
    /// Puts the findings on a claim together.
    pub fn new(
        case: &Case,
        claim: &Claim,
        options: Options,
        findings: Findings,
        seconds: f64,
    ) -> Certificate {
        let mut certificate = Certificate {
            format: FORMAT.to_owned(),
            version: VERSION,
            tool: Tool::this(),
            case: case_record(case),
            statement: statement(case, claim),
            options,
            verdict: findings.verdict,
            reason: findings.reason,
            evidence: findings.evidence,
            cross_checks: findings.cross_checks,
            guarantee: None,
            digest: String::new(),
            run: Run {
                seconds,
                threads: rayon::current_num_threads(),
                platform: platform(),
                sampling: SamplingRun {
                    evaluations: findings.sampled,
                    evaluations_per_second: findings.sampled as f64 / findings.sampling_seconds.max(1e-9),
                },
            },
        };
        certificate.digest = certificate.computed_digest();
        certificate
    }

    /// The same certificate with a guarantee.
    #[must_use]
    pub fn with_guarantee(mut self, guarantee: Option<Guarantee>) -> Certificate {
        self.guarantee = guarantee;
        self.digest = self.computed_digest();
        self
    }

    /// SHA-256, in hexadecimal, of the certificate as compact JSON without `digest` and `run`, keys in
    /// the order of the format.
    pub fn computed_digest(&self) -> String {
        digest_of(self)
    }

    /// The trees of its proofs.
    fn trees_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let checks = self
            .guarantee
            .iter_mut()
            .flat_map(|guarantee| &mut guarantee.hypotheses);
        let evidence = checks.filter_map(|hypothesis| Some(&mut hypothesis.check.as_mut()?.evidence));
        let proofs = evidence
            .chain([&mut self.evidence])
            .filter_map(|evidence| evidence.proof.as_mut());
        proofs.flat_map(|proof| {
            let parts = proof.lifting.iter_mut().flat_map(|lifting| &mut lifting.parts);
            parts.flat_map(|part| &mut part.trees).chain([&mut proof.tree])
        })
    }

    /// The certificate as indented JSON with a final newline, long trees [packed].
    pub fn to_json(&self) -> String {
        let mut file = self.clone();
        file.trees_mut().for_each(packed::pack);
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }
}
