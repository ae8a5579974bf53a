//! `verify`: does a certificate say something true about a case that the reader holds?
//!
//! The slack, the statement and the region are derived anew from the case; nothing is taken from text
//! inside the certificate. Witness and proof are recomputed in the checker arithmetic, which shares
//! no number with the engines'. Statistics are recomputed from their seed.

use dashu_ratio::RBig;

use super::replay::replay;
use super::{Certificate, FORMAT, VERSION, case_record, packed};
use crate::case::read::SAMPLES;
use crate::case::{Case, GuaranteeSpec};
use crate::claim::Claim;
use crate::claim::statement::statement;
use crate::engine::cross_check::CrossChecks;
use crate::engine::enclose::Encloser;
use crate::engine::search::{Witness, read_point};
use crate::engine::{self, Evidence, Failure, Options, Progress, Verdict};
use crate::eval::RigorousArithmetic;
use crate::eval::checker::CheckerArithmetic;
use crate::graph::op::{Input, Unary};
use crate::guarantee::{self, Hypothesis};
use crate::trace;

/// Recomputed binary64 statistics may differ by this, relative to the larger: another processor may
/// round a matrix product otherwise.
const STATISTICS_TOLERANCE: f64 = 1e-9;

/// Why a certificate is not accepted.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// the certificate does not hold
    Refused(String),
    /// the check could not be made
    Failed(Failure),
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Refused(reason.into()))
}

/// Reads a certificate.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub fn read(text: &str) -> Result<Certificate, String> {
    let mut certificate: Certificate = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if certificate.format != FORMAT {
        return Err(format!(
            "`format` is {:?}, expected {FORMAT:?}",
            certificate.format
        ));
    }
    if certificate.version != VERSION {
        return Err(format!(
            "`version` is {}, and this program reads {VERSION}",
            certificate.version
        ));
    }
    let mut budget = packed::TOTAL;
    for tree in certificate.trees_mut() {
        packed::unpack(tree, &mut budget)?;
    }
    Ok(certificate)
}

/// Checks a certificate against a case, and says in a sentence what was recomputed.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify(
    certificate: &Certificate,
    case: &Case,
    claim: &Claim,
    progress: &dyn Progress,
) -> Result<String, Refusal> {
    let computed = certificate.computed_digest();
    if certificate.digest != computed {
        return refuse(format!(
            "the digest is {}, and its content has {computed}",
            certificate.digest
        ));
    }
    if certificate.tool.name != env!("CARGO_PKG_NAME")
        || certificate.tool.version != env!("CARGO_PKG_VERSION")
    {
        return refuse(format!(
            "it was made by {} {}, and this is {} {}",
            certificate.tool.name,
            certificate.tool.version,
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION")
        ));
    }
    let record = case_record(case);
    if certificate.case.digest != record.digest {
        return refuse(format!(
            "it speaks of a case with digest {}, and this case has {}",
            certificate.case.digest, record.digest
        ));
    }
    if certificate.case != record {
        return refuse("its `case` block is not that of the case");
    }
    if certificate.statement != statement(case, claim) {
        return refuse("its `statement` is not what the case claims");
    }
    if certificate.options.tolerance != engine::tolerance(claim) {
        return refuse("its `options.tolerance` is not that of the case");
    }
    // samples and seed may be chosen when a certificate is made, the rest stands in the case
    if certificate.options.confidence != case.check.confidence
        || certificate.options.starts != case.check.starts
    {
        return refuse("its `options` are not those of the case");
    }
    if !SAMPLES.contains(&certificate.options.samples) {
        return refuse("its `options.samples` is out of range");
    }
    // so that a witness or a proof for one draw cannot stand for an expectation
    if certificate.evidence.population.is_some() != claim.population.is_some() {
        return refuse("its evidence and the case differ in whether the claim is about expectations");
    }
    if engine::decide(&certificate.evidence, &certificate.options)
        != (certificate.verdict, certificate.reason.clone())
    {
        return refuse("its verdict or its `reason` does not follow from its evidence");
    }
    let found = Found {
        verdict: certificate.verdict,
        options: &certificate.options,
        evidence: &certificate.evidence,
        cross_checks: &certificate.cross_checks,
    };
    let what = verify_found(&found, claim, progress)?;
    match verify_guarantee(certificate, case, claim, progress)? {
        None => Ok(what),
        Some(guarantee) => Ok(format!("{what}; {guarantee}")),
    }
}

/// A verdict and what it rests on: of the claim, or of a hypothesis.
struct Found<'a> {
    verdict: Verdict,
    options: &'a Options,
    evidence: &'a Evidence,
    cross_checks: &'a CrossChecks,
}

/// Recomputes the decisive evidence.
fn verify_found(found: &Found<'_>, claim: &Claim, progress: &dyn Progress) -> Result<String, Refusal> {
    match found.verdict {
        Verdict::Refuted => match &found.evidence.witness {
            Some(witness) => verify_witness(claim, witness),
            None => refuse("it says `refuted` without a witness"),
        },
        Verdict::Proved => verify_proof(found, claim),
        Verdict::Supported | Verdict::Undecided => verify_statistics(found, claim, progress),
    }
}

/// Derives the guarantee anew, and checks every hypothesis as the claim is checked; says what it is.
fn verify_guarantee(
    certificate: &Certificate,
    case: &Case,
    claim: &Claim,
    progress: &dyn Progress,
) -> Result<Option<String>, Refusal> {
    let Some(stated) = &certificate.guarantee else {
        let asked = matches!(case.guarantee, Some(GuaranteeSpec::Theorem { .. }));
        return if asked {
            refuse("the case asks for a guarantee, and it has none")
        } else {
            Ok(None)
        };
    };
    let checked: Vec<&Hypothesis> = (stated.hypotheses.iter())
        .filter(|hypothesis| hypothesis.check.is_some())
        .collect();
    let derived = guarantee::derived(case, claim);
    if checked.len() != derived.len() {
        return refuse("its hypotheses are not those of the theorem");
    }
    for (hypothesis, derived) in checked.iter().zip(&derived) {
        let name = derived.name;
        let Some(check) = &hypothesis.check else { continue };
        let of = |refusal: Refusal| match refusal {
            Refusal::Refused(reason) => Refusal::Refused(format!("hypothesis `{name}`: {reason}")),
            failed @ Refusal::Failed(_) => failed,
        };
        let claim = Claim::new(&derived.case)
            .map_err(|fault| Refusal::Refused(format!("hypothesis `{name}`: {}", fault.message)))?;
        let expected = Options {
            tolerance: engine::tolerance(&claim),
            ..certificate.options.clone()
        };
        if hypothesis.name != name
            || check.statement != statement(&derived.case, &claim)
            || hypothesis.words != derived.words
            || check.options != expected
        {
            return refuse(format!("its hypothesis `{name}` is not the theorem's"));
        }
        if engine::decide(&check.evidence, &check.options) != (hypothesis.verdict, hypothesis.reason.clone())
        {
            return refuse(format!(
                "the verdict of its hypothesis `{name}` does not follow from its evidence"
            ));
        }
        let found = Found {
            verdict: hypothesis.verdict,
            options: &check.options,
            evidence: &check.evidence,
            cross_checks: &check.cross_checks,
        };
        verify_found(&found, &claim, progress).map_err(of)?;
    }
    let last = stated
        .hypotheses
        .last()
        .map_or(Verdict::Undecided, |last| last.verdict);
    let iterates = guarantee::replayed(case, claim, last, progress).map_err(|refusal| match refusal {
        trace::Refusal::Input(fault) => Refusal::Refused(fault.message),
        trace::Refusal::Failed(failure) => Refusal::Failed(failure),
    })?;
    let checks = checked.into_iter().cloned().collect();
    let expected = iterates
        .and_then(|iterates| guarantee::assembled(case, claim, certificate.verdict, checks, iterates));
    if expected.as_ref() != Some(stated) {
        return refuse("its guarantee is not what follows from the claim and its hypotheses");
    }
    Ok(Some(format!(
        "the guarantee is `{}`, and each of its hypotheses was checked likewise",
        stated.verdict.word()
    )))
}

/// Recomputes a witness: in the region, and the slack below 0, in the checker arithmetic.
fn verify_witness(claim: &Claim, witness: &Witness) -> Result<String, Refusal> {
    let Some(point) = read_point(&witness.w, &witness.v) else {
        return refuse("a coordinate of the witness is not a plain decimal");
    };
    let wanted = |free: bool| if free { claim.dimension } else { 0 };
    let free = claim.region.free();
    let varies = |input| free.iter().any(|(name, _)| *name == input);
    if point.w.len() != wanted(varies(Input::W)) || point.v.len() != wanted(varies(Input::V)) {
        return refuse("the witness has the wrong number of coordinates");
    }
    let mut encloser = Encloser::new(claim, CheckerArithmetic::new());
    if !encloser.contains(&point) {
        return refuse("the witness does not lie in the region beyond doubt");
    }
    let enclosed = encloser.at_point(&point);
    if !enclosed.flags.defined {
        return refuse("the claim is not defined at the witness");
    }
    if !encloser.arithmetic().below(&enclosed.slack, &RBig::ZERO) {
        return refuse("the slack at the witness is not below 0 beyond doubt");
    }
    let [lo, hi] = witness.slack;
    let exact = |x: f64| RBig::try_from(x).ok();
    // an end that is not finite is minus infinity
    let below = hi < 0.0 && lo <= hi && hi.is_finite();
    if !(below && meets(encloser.arithmetic(), &enclosed.slack, exact(lo), exact(hi))) {
        return refuse("the enclosure of the slack at the witness is not what the checker finds");
    }
    Ok("the witness lies in the region and its slack is below 0, recomputed in multiprecision".to_owned())
}

/// Whether an enclosure and the numbers from `lo` to `hi` (all on a side where there is no end) have
/// one in common, as two enclosures of the same number do.
fn meets<A: RigorousArithmetic>(
    arithmetic: &mut A,
    x: &A::Value,
    lo: Option<RBig>,
    hi: Option<RBig>,
) -> bool {
    let mirrored = arithmetic.unary(Unary::Neg, x);
    !lo.is_some_and(|lo| arithmetic.below(x, &lo)) && !hi.is_some_and(|hi| arithmetic.below(&mirrored, &-hi))
}

/// Replays a proof in the checker arithmetic; a rule that is not known is refused.
fn verify_proof(found: &Found<'_>, claim: &Claim) -> Result<String, Refusal> {
    let Some(proof) = &found.evidence.proof else {
        return refuse("it says `proved` without a proof");
    };
    if found.evidence.witness.is_some() {
        return refuse("it says `proved` and shows a witness");
    }
    let replayed = replay(claim, proof).map_err(Refusal::Refused)?;
    let complete = proof.settled == 1.0 && proof.stopped.is_none() && proof.worst.is_none();
    if (proof.boxes, proof.depth) != (replayed.boxes, replayed.depth) || !complete {
        return refuse("what it says of its proof tree is not what the tree shows");
    }
    if proof.boxes > found.options.max_boxes {
        return refuse("its proof has more boxes than `options.max_boxes`");
    }
    Ok(format!(
        "the proof by {} was replayed in multiprecision: {} boxes, at most {} splits deep",
        proof.rule, replayed.boxes, replayed.depth
    ))
}

/// Recomputes the statistics and the search from their seed.
fn verify_statistics(found: &Found<'_>, claim: &Claim, progress: &dyn Progress) -> Result<String, Refusal> {
    let findings = engine::run(claim, found.options, progress).map_err(Refusal::Failed)?;
    if findings.verdict != found.verdict {
        return refuse(format!(
            "it says `{}`, and the recomputation `{}`",
            found.verdict.word(),
            findings.verdict.word()
        ));
    }
    let written = serde_json::to_value(found.evidence).unwrap_or_default();
    let recomputed = serde_json::to_value(&findings.evidence).unwrap_or_default();
    if let Some(place) = difference(&written, &recomputed, "evidence", 0.0) {
        return refuse(format!("`{place}` is not what the recomputation finds"));
    }
    let written = serde_json::to_value(found.cross_checks).unwrap_or_default();
    let recomputed = serde_json::to_value(&findings.cross_checks).unwrap_or_default();
    // these are rounding errors themselves
    if let Some(place) = difference(&written, &recomputed, "cross_checks", STATISTICS_TOLERANCE) {
        return refuse(format!("`{place}` is not what the recomputation finds"));
    }
    let expectations = findings
        .evidence
        .population
        .as_ref()
        .map_or(String::new(), |found| {
            format!(
                ", and the intervals at {} points from {} draws",
                found.points, found.draws
            )
        });
    Ok(format!(
        "the statistics at {} points and the search were recomputed from seed {}{expectations}",
        findings.sampled, found.options.seed
    ))
}

/// The first place where two JSON values differ by more than rounding, and numbers by more than `least`.
fn difference(a: &serde_json::Value, b: &serde_json::Value, place: &str, least: f64) -> Option<String> {
    use serde_json::Value;
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Some(place.to_owned());
            }
            a.iter().find_map(|(key, value)| {
                let inner = format!("{place}.{key}");
                match b.get(key) {
                    Some(other) => difference(value, other, &inner, least),
                    None => Some(inner),
                }
            })
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Some(place.to_owned());
            }
            a.iter()
                .zip(b)
                .enumerate()
                .find_map(|(i, (a, b))| difference(a, b, &format!("{place}[{i}]"), least))
        }
        (Value::Number(x), Value::Number(y)) => {
            let number = |x: &serde_json::Number| x.as_f64().unwrap_or(f64::NAN);
            let (x, y) = (number(x), number(y));
            let close = (x - y).abs() <= (STATISTICS_TOLERANCE * x.abs().max(y.abs())).max(least);
            (!close).then(|| place.to_owned())
        }
        _ => (a != b).then(|| place.to_owned()),
    }
}
