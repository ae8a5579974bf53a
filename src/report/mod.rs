//! `report`: certificates, brackets and traces as a page for people.
//!
//! The last stage of the flow. It reads what the other commands wrote and shows it; nothing is proved or refuted here.
//! Where the case is at hand, the slack is evaluated in binary64 for the pictures, and the witness is written as a
//! program. [`page`] is what a report says; [`html`] and [`markdown`] write it, [`latex`] is a summary of its own.

mod bracket;
mod canvas;
mod certificate;
mod cover;
pub mod html;
pub mod latex;
pub mod markdown;
pub mod mathml;
pub mod numpy;
mod page;
mod plot;
mod slice;
mod trace;
mod words;

use crate::case::Case;
use crate::certificate::{self as certificates, Certificate};
use crate::claim::Claim;
use crate::engine;
use crate::engine::prove::convexity::{CONVEXITY, GAP, HESSIAN};
use crate::engine::prove::{RULE, lifting};
use crate::tighten::{self, Bracket};
use crate::trace::record::{self, Trace};
use page::Page;

/// Stands below every report.
const FOOTER: &str = "This page shows what its files state. Making it verified nothing: the commands under \"Check it \
                      yourself\" do that.";

/// What a file holds.
pub enum Document {
    /// from `certify`
    Certificate(Box<Certificate>),
    /// from `tighten`
    Bracket(Box<Bracket>),
    /// from `trace`
    Trace(Box<Trace>),
}

/// Why a file cannot be reported on.
#[derive(Debug)]
pub enum Fault {
    /// it is none of the three kinds, or not readable
    Unknown(String),
    /// it contradicts itself
    Refused(String),
}

/// A case that the pictures may be drawn from.
pub struct Source {
    /// the file, as given
    pub file: String,
    /// what was set on the command line, such as `mu=1/32`
    pub settings: Vec<(String, String)>,
    /// the case
    pub case: Case,
    /// its claim
    pub claim: Claim,
    /// digest of the case
    pub digest: String,
}

/// A file of a report.
pub struct Entry<'a> {
    /// its name, as given
    pub file: String,
    /// what it holds
    pub document: Document,
    /// the case that it speaks of, where it is at hand
    pub source: Option<&'a Source>,
}

impl Document {
    /// Reads a file of any of the three kinds, and checks what it says of itself.
    ///
    /// # Errors
    /// A file that is none of them; a digest that is not that of the content; a verdict that the evidence does not bear.
    pub fn read(text: &str) -> Result<Document, Fault> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| Fault::Unknown(format!("not JSON: {error}")))?;
        let format = value.get("format").and_then(serde_json::Value::as_str);
        match format {
            Some(certificates::FORMAT) => {
                let certificate = certificates::verify::read(text).map_err(Fault::Unknown)?;
                same_digest(&certificate.digest, &certificate.computed_digest())?;
                let (verdict, _) = engine::decide(&certificate.evidence, &certificate.options);
                if verdict != certificate.verdict {
                    return Err(Fault::Refused(format!(
                        "its verdict is `{}`, and its evidence bears `{}`",
                        certificate.verdict.word(),
                        verdict.word()
                    )));
                }
                let rules = [RULE, CONVEXITY, HESSIAN, GAP, lifting::RULE];
                if let Some(proof) = &certificate.evidence.proof
                    && !rules.contains(&proof.rule.as_str())
                {
                    return Err(Fault::Refused(format!(
                        "it rests on a rule that this program does not know: {:?}",
                        proof.rule
                    )));
                }
                hypotheses(&certificate)?;
                Ok(Document::Certificate(Box::new(certificate)))
            }
            Some(tighten::FORMAT) => {
                let bracket: Bracket =
                    serde_json::from_value(value).map_err(|error| Fault::Unknown(error.to_string()))?;
                if bracket.version != tighten::VERSION {
                    return Err(Fault::Unknown(format!(
                        "`version` is {}, and this program reads {}",
                        bracket.version,
                        tighten::VERSION
                    )));
                }
                Ok(Document::Bracket(Box::new(bracket)))
            }
            Some(record::FORMAT) => {
                let trace = record::read(text).map_err(Fault::Unknown)?;
                same_digest(&trace.digest, &trace.computed_digest())?;
                Ok(Document::Trace(Box::new(trace)))
            }
            _ => Err(Fault::Unknown(format!(
                "its `format` is none of `{}`, `{}` and `{}`",
                certificates::FORMAT,
                tighten::FORMAT,
                record::FORMAT
            ))),
        }
    }

    /// Digest of the case that it speaks of, where it names one.
    pub fn case_digest(&self) -> Option<&str> {
        match self {
            Document::Certificate(certificate) => Some(&certificate.case.digest),
            Document::Trace(trace) => Some(&trace.case.digest),
            Document::Bracket(_) => None,
        }
    }
}

/// The verdicts of the hypotheses are those that their evidence bears, and the guarantee is no stronger than the claim and
/// each of them.
fn hypotheses(certificate: &Certificate) -> Result<(), Fault> {
    let Some(guarantee) = &certificate.guarantee else {
        return Ok(());
    };
    for hypothesis in &guarantee.hypotheses {
        let Some(check) = &hypothesis.check else { continue };
        let (verdict, _) = engine::decide(&check.evidence, &check.options);
        if verdict != hypothesis.verdict {
            return Err(Fault::Refused(format!(
                "the verdict of its hypothesis `{}` is not what its evidence bears",
                hypothesis.name
            )));
        }
    }
    let all = guarantee.hypotheses.iter().map(|hypothesis| hypothesis.verdict);
    let proved = all
        .chain([certificate.verdict])
        .all(|verdict| verdict == engine::Verdict::Proved);
    if guarantee.verdict == engine::Verdict::Proved && !proved {
        return Err(Fault::Refused(
            "its guarantee is `proved`, and the claim or a hypothesis is not".to_owned(),
        ));
    }
    Ok(())
}

fn same_digest(written: &str, computed: &str) -> Result<(), Fault> {
    if written == computed {
        return Ok(());
    }
    Err(Fault::Refused(format!(
        "the digest is {written}, and its content has {computed}"
    )))
}

/// The page that all entries make.
fn page(entries: &[Entry]) -> Page {
    let chapter = |entry: &Entry| match &entry.document {
        Document::Certificate(certificate) => certificate::chapter(entry, certificate),
        Document::Bracket(bracket) => bracket::chapter(bracket, entries),
        Document::Trace(trace) => trace::chapter(entry, trace),
    };
    Page {
        chapters: entries.iter().map(chapter).collect(),
    }
}

/// The report as one HTML file.
pub fn html(entries: &[Entry]) -> String {
    html::write(&page(entries))
}

/// The report as GitHub markdown.
pub fn markdown(entries: &[Entry]) -> String {
    markdown::write(&page(entries))
}

/// Rows and paragraphs for a review, in LaTeX.
pub fn latex(entries: &[Entry]) -> String {
    latex::write(entries)
}
