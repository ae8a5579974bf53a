//! `tighten`: the values of one constant between which a claim stops being provable.
//!
//! Behind the certificate in the flow: each value tried makes a concrete case, which is certified like any other.
//! The result is a record of the values and verdicts; the evidence is in the two certificates beside it.

pub mod bisection;

use dashu_ratio::RBig;
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::certificate::{Certificate, Tool};
use crate::claim::unknown::Range;
use crate::diagnostic::Diagnostic;
use crate::engine::Verdict;
use crate::error::{Error, Result};
use bisection::{Bisection, Easier, written};

/// Names the format in every record.
pub const FORMAT: &str = "proxycert-bracket";
/// Version of the format.
pub const VERSION: u32 = 1;

/// What `tighten` found. A pure function of case, options and version; see `docs/certificate-format.md`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bracket {
    /// [`FORMAT`]
    pub format: String,
    /// [`VERSION`]
    pub version: u32,
    /// the program that made it
    pub tool: Tool,
    /// name of the case
    pub case: String,
    /// name of the constant
    pub constant: String,
    /// the ends of the range, exact
    pub between: [String; 2],
    /// significant digits asked for
    pub digits: u64,
    /// runs asked for
    pub max_runs: u64,
    /// whether the claim is easier at small or at large values; unknown when the ends do not tell
    pub easier_at: Easier,
    /// the proved value nearest to the refuted ones
    pub proved: Option<End>,
    /// the refuted value nearest to the proved ones
    pub refuted: Option<End>,
    /// where the paper's value stands
    pub paper: Option<Paper>,
    /// one sentence that says what was found
    pub reason: String,
    /// every value tried, in order
    pub runs: Vec<Run>,
}

/// One end of a bracket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// the value, exact
    pub value: String,
    /// digest of its certificate
    pub certificate: String,
}

/// The paper's value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// as written in the case
    pub value: String,
    /// where it stands, by comparison alone; none when the ends of the range do not tell the direction
    pub stands: Option<Side>,
}

/// A part of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// not harder than a proved value
    Proved,
    /// between the proved and the refuted values
    Gap,
    /// not easier than a refuted value
    Refuted,
}

/// One value tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// the value, exact
    pub value: String,
    /// what `certify` says about it
    pub verdict: Verdict,
}

/// A bracket and the certificates of its ends.
pub struct Found {
    /// the record
    pub bracket: Bracket,
    /// certificate of `bracket.proved`
    pub proved: Option<Certificate>,
    /// certificate of `bracket.refuted`
    pub refuted: Option<Certificate>,
}

impl Found {
    /// Whether the claim was refuted at both ends of the range.
    pub fn refuted_throughout(&self) -> bool {
        let ends = self.bracket.runs.iter().take(2);
        self.bracket.easier_at == Easier::Unknown
            && ends.into_iter().all(|run| run.verdict == Verdict::Refuted)
    }
}

/// Brackets the unknown constant of a case with at most `max_runs` calls of `certify`, which is given the
/// case with a value in place of the unknown.
///
/// # Errors
/// A case without an unknown constant or with a range that makes no sense, and those of `certify`.
pub fn tighten(
    case: &Case,
    max_runs: u64,
    mut certify: impl FnMut(&Case) -> Result<Certificate>,
) -> Result<Found> {
    let Some(unknown) = &case.unknown else {
        let fault = Diagnostic::new("the case has no constant to tighten").in_file(&case.file);
        let expected =
            "one of `constants` with a range in place of a value, such as `\"mu\": {\"tighten\": [0, 1]}`";
        return Err(fault.expected(expected).into());
    };
    let range = Range::new(case, unknown)?;
    let mut runs: Vec<Run> = Vec::new();
    // the certificates that may become ends of the bracket
    let mut certificates: Vec<(String, Certificate)> = Vec::new();
    let mut run = |value: &str| {
        let mut concrete = case.clone();
        concrete.set_constant(&unknown.name, value);
        let certificate = certify(&concrete).map_err(|mut error| {
            if let Error::Input(fault) = &mut error {
                fault
                    .help
                    .get_or_insert(format!("this is with {} = {value}", unknown.name));
            }
            error
        })?;
        let verdict = certificate.verdict;
        runs.push(Run {
            value: value.to_owned(),
            verdict,
        });
        if matches!(verdict, Verdict::Proved | Verdict::Refuted) {
            // a later one lies nearer to the edge
            certificates.retain(|(_, kept)| kept.verdict != verdict);
            certificates.push((value.to_owned(), certificate));
        }
        Ok::<_, Error>(verdict)
    };
    let [lo, hi] = range.between.clone();
    let (at_lo, at_hi) = (run(&written(&lo))?, run(&written(&hi))?);
    let mut bisection = Bisection::new((lo, at_lo), (hi, at_hi), unknown.digits);
    for _ in 2..max_runs {
        let Some(value) = bisection.next() else { break };
        let verdict = run(&written(&value))?;
        bisection.add(value, verdict);
    }
    let mut take = |value: Option<String>| {
        let place = certificates
            .iter()
            .position(|(kept, _)| Some(kept) == value.as_ref())?;
        Some(certificates.swap_remove(place))
    };
    let proved = take(bisection.proved().map(written));
    let refuted = take(bisection.refuted().map(written));
    let end = |found: &Option<(String, Certificate)>| {
        found.as_ref().map(|(value, certificate)| End {
            value: value.clone(),
            certificate: certificate.digest.clone(),
        })
    };
    let bracket = Bracket {
        format: FORMAT.to_owned(),
        version: VERSION,
        tool: Tool::this(),
        case: case.name.clone(),
        constant: unknown.name.clone(),
        between: [&range.between[0], &range.between[1]].map(written),
        digits: unknown.digits,
        max_runs,
        easier_at: bisection.easier(),
        proved: end(&proved),
        refuted: end(&refuted),
        paper: unknown.paper.as_ref().map(|text| Paper {
            value: text.value.trim().to_owned(),
            stands: range.paper.as_ref().and_then(|paper| stands(&bisection, paper)),
        }),
        reason: reason(&bisection, at_lo, max_runs),
        runs,
    };
    Ok(Found {
        bracket,
        proved: proved.map(|(_, certificate)| certificate),
        refuted: refuted.map(|(_, certificate)| certificate),
    })
}

/// Where a value stands that lies between two numbers.
fn stands(bisection: &Bisection, [lo, hi]: &[RBig; 2]) -> Option<Side> {
    let (proved, refuted) = (bisection.proved(), bisection.refuted());
    let (holds, fails) = match bisection.easier() {
        Easier::Small => (proved.is_some_and(|x| hi <= x), refuted.is_some_and(|x| lo >= x)),
        Easier::Large => (proved.is_some_and(|x| lo >= x), refuted.is_some_and(|x| hi <= x)),
        Easier::Unknown => return None,
    };
    Some(match (holds, fails) {
        (true, _) => Side::Proved,
        (_, true) => Side::Refuted,
        (false, false) => Side::Gap,
    })
}

/// What was found, in a sentence.
fn reason(bisection: &Bisection, at_end: Verdict, max_runs: u64) -> String {
    let (last, first) = match bisection.easier() {
        Easier::Small => ("largest", "smallest"),
        Easier::Large => ("smallest", "largest"),
        Easier::Unknown => {
            let both = match at_end {
                Verdict::Proved => {
                    "the claim is proved at both ends of the range, so that its edge lies elsewhere"
                }
                Verdict::Refuted => "the claim is refuted at both ends of the range",
                Verdict::Supported | Verdict::Undecided => {
                    "the claim is neither proved nor refuted at the ends of the range, so that nothing tells \
                     in which direction to look"
                }
            };
            return both.to_owned();
        }
    };
    let proved = match bisection.proved() {
        Some(value) => format!("the {last} value proved is {}", written(value)),
        None => "no value is proved".to_owned(),
    };
    let refuted = match bisection.refuted() {
        Some(value) => format!("the {first} refuted is {}", written(value)),
        None => "none is refuted".to_owned(),
    };
    let open = match bisection.open() {
        0 => String::new(),
        open => format!("; {open} values tried between are neither"),
    };
    let ended = match bisection.next() {
        Some(_) => format!("; the search ended with the {max_runs} runs allowed"),
        None => String::new(),
    };
    format!("{proved}, {refuted}{open}{ended}")
}
