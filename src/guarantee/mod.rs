//! The guarantee that follows from a claim: each hypothesis of its theorem is checked like a claim of its own.
//!
//! A hypothesis that is an inequality becomes a case, derived from the one at hand, which the engines decide and
//! `verify` checks as it does any claim. The step is checked exactly, when the claim is built. That the iterates
//! stay in the region is [`stays`].

mod complete;
mod examples;
mod stays;

pub use complete::complete;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::case::{Case, ClaimKind, ClaimSpec, GuaranteeSpec, Location, MAX_NAME, Text};
use crate::claim::Claim;
use crate::claim::descent::{Conclusion, Descent};
use crate::claim::statement::{Statement, statement};
use crate::diagnostic::Diagnostic;
use crate::engine::cross_check::CrossChecks;
use crate::engine::{self, Evidence, Failure, Options, Progress, Verdict};
use crate::theorem::Theorem;
use crate::trace::Refusal;

/// Name of the hypothesis on the gradients of single examples.
const EXAMPLES: &str = "examples";

/// Name of the hypothesis that the descent lemma is.
const SMOOTH: &str = "smooth";

/// A guarantee and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guarantee {
    /// name of the theorem
    pub theorem: String,
    /// the conclusion in one sentence
    pub words: String,
    /// the conclusion in LaTeX
    pub latex: String,
    /// the constants in binary64, by their names
    pub constants: IndexMap<String, f64>,
    /// what the theorem needs besides the claim
    pub hypotheses: Vec<Hypothesis>,
    /// the weakest verdict of the claim and the hypotheses
    pub verdict: Verdict,
    /// one sentence that says why
    pub reason: String,
}

/// Something that a theorem needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// its name
    pub name: String,
    /// what it says
    pub words: String,
    /// whether it holds
    pub verdict: Verdict,
    /// one sentence that says why
    pub reason: String,
    /// what the engines found, where it is an inequality over the region
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// An inequality that was checked as a claim is; fields as in a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// the inequality in words and mathematics
    pub statement: Statement,
    /// what the engines were asked to do
    pub options: Options,
    /// what each engine found
    pub evidence: Evidence,
    /// how well the evaluators agree
    pub cross_checks: CrossChecks,
}

/// Why there is no guarantee.
#[derive(Debug)]
pub enum Fault {
    /// a derived case makes no sense
    Input(Box<Diagnostic>),
    /// the engines could not run
    Failed(Failure),
}

/// The theorem that a claim's case asks for, with what stands in the case and in the claim.
struct Asked<'a> {
    theorem: Theorem,
    constants: &'a IndexMap<String, Text>,
    at: &'a Location,
    descent: &'a Descent,
}

fn asked<'a>(case: &'a Case, claim: &'a Claim) -> Option<Asked<'a>> {
    let descent = claim.descent.as_ref()?;
    match &case.guarantee {
        Some(GuaranteeSpec::Theorem {
            theorem,
            constants,
            at,
        }) => Some(Asked {
            theorem: *theorem,
            constants,
            at,
            descent,
        }),
        Some(GuaranteeSpec::Bound(_)) | None => None,
    }
}

/// A hypothesis that is an inequality, as a case of its own.
pub struct Derived {
    /// name of the hypothesis
    pub name: &'static str,
    /// what it says
    pub words: String,
    /// the case at hand with another claim
    pub case: Case,
}

/// The theorem's hypotheses that are inequalities. A bound that the case writes out has none.
pub fn derived(case: &Case, claim: &Claim) -> Vec<Derived> {
    let Some(asked) = asked(case, claim) else {
        return Vec::new();
    };
    let text = |value: String| Text {
        value,
        at: asked.at.clone(),
    };
    let field = |name: &str| case.claim.fields.get(name);
    let f = function(case);
    let constant = |name: &str| asked.constants.get(name).cloned();
    let with = |kind: ClaimKind, fields: Vec<(&str, Option<Text>)>| claiming(case, asked.at, kind, fields);
    // what `f` descends to: the case's own number, as the text of an expression
    let at_least = |bound: Option<&Text>| {
        let bound = bound.map_or("", |text| text.value.trim());
        let inequality = text(format!("{f}(w) >= ({bound})"));
        with(ClaimKind::Inequality, vec![("inequality", Some(inequality))])
    };
    // `f(v) <= f(w) + <grad f(w), v - w> + (L/2) ||v - w||^2` is the strong convexity of `-f` with `-L`, for which
    // there are rules of proof; `L`-smoothness implies it, and nothing else of it is used
    let smooth = || {
        let short: String = f.chars().take(MAX_NAME / 2).collect();
        // the case gives finitely many names
        let name = (0..)
            .map(|number: u64| match number {
                0 => format!("minus_{short}"),
                _ => format!("minus_{short}_{number}"),
            })
            .find(|name| !taken(case, name))
            .unwrap_or_default();
        let bound = asked.constants.get("L").map_or("", |text| text.value.trim());
        let fields = vec![
            ("f", Some(text(name.clone()))),
            ("mu", Some(text(format!("-({bound})")))),
        ];
        let mut smooth = with(ClaimKind::StronglyConvex, fields);
        smooth.define.insert(name, text(format!("-({f})")));
        // the inequalities speak of `w`, and not of both points
        smooth.region.v = None;
        smooth.region.constraints.clear();
        smooth.region.v_constraints.clear();
        Derived {
            name: SMOOTH,
            words: format!(
                "{f}(v) ≤ {f}(w) + ⟨∇{f}(w), v − w⟩ + (L/2)·‖v − w‖² with L = {bound}, for w and v in the set of w"
            ),
            case: smooth,
        }
    };
    let plain = |name, case: Case, words: String| Derived { name, words, case };
    let number = |name: &str| asked.constants.get(name).map_or("", |text| text.value.trim());
    let examples = |name: &str| second_moment(case, asked.theorem, number(name), asked.at);
    let batches = asked.descent.examples.is_some();
    let mut found = match asked.theorem {
        Theorem::BoundedGradient if batches => Vec::from_iter(examples("G")),
        Theorem::ProxySmooth if batches => Vec::from_iter(examples("L")),
        Theorem::BoundedGradient => {
            let lipschitz = with(
                ClaimKind::Lipschitz,
                vec![("f", field("f").cloned()), ("G", constant("G"))],
            );
            let words = format!("‖∇{f}(w)‖ ≤ {}", number("G"));
            vec![plain("bounded_gradient", lipschitz, words)]
        }
        Theorem::ProxySmooth => {
            let words = format!("‖∇{f}(w)‖² ≤ L·g(w) with L = {}", number("L"));
            vec![plain(
                "proxy_smooth",
                proxy_smooth(case, number("L"), asked.at),
                words,
            )]
        }
        Theorem::ProxyPl => vec![
            smooth(),
            plain(
                "lower_bound",
                at_least(asked.constants.get("f_inf")),
                format!("{f}(w) ≥ {}", number("f_inf")),
            ),
        ],
        Theorem::LinearRate => {
            let xi = field("xi").or(field("f_star"));
            let words = format!("{f}(w) ≥ {}", xi.map_or("", |text| text.value.trim()));
            vec![smooth(), plain("lower_bound", at_least(xi), words)]
        }
    };
    if batches && asked.theorem.needs_smoothness() {
        found.extend(examples(Theorem::SIGMA));
    }
    found
}

/// The case with another claim.
fn claiming(case: &Case, at: &Location, kind: ClaimKind, fields: Vec<(&str, Option<Text>)>) -> Case {
    let fields = fields.into_iter();
    Case {
        claim: ClaimSpec {
            kind,
            fields: fields
                .filter_map(|(name, text)| Some((name.to_owned(), text?)))
                .collect(),
            at: at.clone(),
        },
        descent: None,
        guarantee: None,
        ..case.clone()
    }
}

/// What descends, by the name that the claim gives it.
fn function(case: &Case) -> String {
    let name = case.claim.fields.get("f").map(|text| text.value.trim());
    name.unwrap_or_default().to_owned()
}

/// The `g` of the claim as proxy convexity, as an expression of `w`.
fn proxy(case: &Case) -> Option<String> {
    let field = |name: &str| case.claim.fields.get(name).map(|text| text.value.trim());
    Some(match case.claim.kind {
        ClaimKind::ProxyConvexity => field("g")?.to_owned(),
        ClaimKind::WeaklyQuasiConvex => format!("({})*{}(w)", field("tau")?, function(case)),
        ClaimKind::OnePointConvex | ClaimKind::RestrictedSecant => {
            format!("({})*sum((w - v)^2)", field("mu")?)
        }
        _ => function(case),
    })
}

/// The hypothesis `norm(grad f)^2 <= L g` as a case.
fn proxy_smooth(case: &Case, constant: &str, at: &Location) -> Case {
    let text = |value: String| Text {
        value,
        at: at.clone(),
    };
    let fields = vec![
        ("f", case.claim.fields.get("f").cloned()),
        ("g", proxy(case).map(text)),
        ("L", Some(text(constant.to_owned()))),
    ];
    claiming(case, at, ClaimKind::ProxySmooth, fields)
}

/// The hypothesis on the gradients of single examples, with the constant (`G`, `L` or `sigma`) that the theorem has
/// there: of a batch of `n` drawn with replacement, `E ||s||^2 <= mean ||grad f_i||^2`, and
/// `E ||s - grad f||^2 = (mean ||grad f_i||^2 - ||grad f||^2)/n`. `None` where the examples are too many, or there are none.
fn second_moment(case: &Case, theorem: Theorem, constant: &str, at: &Location) -> Option<Derived> {
    let f = function(case);
    let size = case.descent.as_ref()?.batches.as_ref()?.size;
    let (written, mean) = examples::mean_square(case, &f, at)?;
    let (bound, words) = match theorem {
        Theorem::BoundedGradient => {
            let square = format!("({constant})^2");
            (square.clone(), square)
        }
        Theorem::ProxySmooth => (
            format!("({constant})*({})", proxy(case)?),
            format!("L·g(w) with L = {constant}"),
        ),
        Theorem::ProxyPl | Theorem::LinearRate => (
            format!("{size}*({constant})^2"),
            format!("{size} sigma² with sigma = {constant}"),
        ),
    };
    let inequality = Text {
        value: format!("{bound} >= {mean}"),
        at: at.clone(),
    };
    let fields = vec![("inequality", Some(inequality))];
    let derived = claiming(case, at, ClaimKind::Inequality, fields);
    Some(Derived {
        name: EXAMPLES,
        words: format!("the mean over the examples of ‖∇{f}_i(w)‖² is at most {words}"),
        case: Case {
            data: written.data,
            define: written.define,
            ..derived
        },
    })
}

/// Whether the case gives this name to anything.
fn taken(case: &Case, name: &str) -> bool {
    case.define.contains_key(name)
        || case.constants.contains_key(name)
        || case.data.contains_key(name)
        || case.parameters.contains_key(name)
}

/// Checks the guarantee of a case, whose claim came out as `verdict` under `options`; `None` where the case asks for
/// no theorem.
///
/// # Errors
/// Those of the engines on a derived case.
pub fn guarantee(
    case: &Case,
    claim: &Claim,
    options: &Options,
    verdict: Verdict,
    progress: &dyn Progress,
) -> Result<Option<Guarantee>, Fault> {
    let Some(asked) = asked(case, claim) else {
        return Ok(None);
    };
    let mut checks = Vec::new();
    for derived in derived(case, claim) {
        let claim = Claim::new(&derived.case).map_err(Fault::Input)?;
        let options = Options {
            tolerance: engine::tolerance(&claim),
            ..options.clone()
        };
        let findings = engine::run(&claim, &options, progress).map_err(Fault::Failed)?;
        let statement = statement(&derived.case, &claim);
        checks.push(Hypothesis {
            name: derived.name.to_owned(),
            words: derived.words,
            verdict: findings.verdict,
            reason: findings.reason,
            check: Some(Check {
                statement,
                options,
                evidence: findings.evidence,
                cross_checks: findings.cross_checks,
            }),
        });
    }
    progress.stage("iterates", None);
    let iterates =
        stays::iterates(case, claim, asked.theorem, progress).map_err(|refusal| match refusal {
            Refusal::Input(fault) => Fault::Input(fault),
            Refusal::Failed(failure) => Fault::Failed(failure),
        })?;
    Ok(assembled(case, claim, verdict, checks, iterates))
}

/// Puts a guarantee together: whatever does not come from the engines is derived from the case.
///
/// `verify` calls it again on the checks of a certificate.
pub(crate) fn assembled(
    case: &Case,
    claim: &Claim,
    verdict: Verdict,
    checks: Vec<Hypothesis>,
    iterates: Hypothesis,
) -> Option<Guarantee> {
    let Asked { theorem, descent, .. } = asked(case, claim)?;
    let guarantee = descent.guarantee.as_ref()?;
    let Conclusion::Theorem(bound) = &guarantee.conclusion else {
        return None;
    };
    let batches = descent.examples.is_some();
    let (words, latex) = theorem.conclusion(batches, guarantee.moving);
    let mut hypotheses = vec![step(theorem, bound.eta, bound.constant)];
    hypotheses.extend(checks);
    if batches {
        if !hypotheses.iter().any(|hypothesis| hypothesis.name == EXAMPLES) {
            hypotheses.push(Hypothesis {
                name: EXAMPLES.to_owned(),
                words: "the gradients of single examples are as small as the theorem needs".to_owned(),
                verdict: Verdict::Undecided,
                reason: format!(
                    "it is checked for at most {} examples, each of which can be written out",
                    examples::MOST
                ),
                check: None,
            });
        }
        // a run checks it, and every run of `iterates` has; it ends with an error where it does not hold
        hypotheses.push(Hypothesis {
            name: "unbiased".to_owned(),
            words: "f is the mean over the examples".to_owned(),
            verdict: Verdict::Supported,
            reason: "in binary64 it is, at points of the region".to_owned(),
            check: None,
        });
    }
    hypotheses.push(iterates);
    let (weakest, of) = hypotheses
        .iter()
        .map(|hypothesis| {
            // it was checked on a larger set than it is needed on
            let wider = hypothesis.name == SMOOTH && !claim.region.constraints.is_empty();
            let verdict = match hypothesis.verdict {
                Verdict::Refuted if wider => Verdict::Undecided,
                verdict => verdict,
            };
            (verdict, format!("the hypothesis `{}`", hypothesis.name))
        })
        .fold((verdict, "the claim".to_owned()), |weakest, next| {
            if strength(next.0) < strength(weakest.0) {
                next
            } else {
                weakest
            }
        });
    let reason = match weakest {
        Verdict::Proved if claim.tolerance.is_zero() => {
            "the claim and every hypothesis are proved, with tolerance 0".to_owned()
        }
        Verdict::Proved => format!(
            "the claim and every hypothesis are proved, each up to the tolerance d = {}, with which {}",
            case.check.tolerance.value.trim(),
            theorem.with_tolerance(guarantee.moving)
        ),
        Verdict::Supported => format!("{of} is supported, and nothing is weaker"),
        Verdict::Undecided => format!("{of} is undecided"),
        Verdict::Refuted => format!("{of} is refuted: the guarantee is unfounded"),
    };
    Some(Guarantee {
        theorem: theorem.name().to_owned(),
        words,
        latex,
        constants: guarantee.constants.iter().cloned().collect(),
        hypotheses,
        verdict: weakest,
        reason,
    })
}

/// The conditions on step and constants, which hold: a claim whose case violates them is not built.
fn step(theorem: Theorem, eta: f64, constant: f64) -> Hypothesis {
    let (words, reason) = match theorem {
        Theorem::BoundedGradient => ("step > 0 and G >= 0", format!("step = {eta} and G = {constant}")),
        Theorem::ProxySmooth | Theorem::ProxyPl => (
            "0 < step, 0 < L and step * L < 2",
            format!("step = {eta} and L = {constant}"),
        ),
        Theorem::LinearRate => (
            "0 < step, 0 < L, step * L < 2 and step * (1 - step L/2) * mu/2 <= 1",
            format!("step = {eta} and L = {constant}"),
        ),
    };
    Hypothesis {
        name: "step".to_owned(),
        words: words.to_owned(),
        verdict: Verdict::Proved,
        reason: format!("{reason}, compared as exact fractions"),
        check: None,
    }
}

/// Verdicts in their order: the larger, the more is known.
fn strength(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Refuted => 0,
        Verdict::Undecided => 1,
        Verdict::Supported => 2,
        Verdict::Proved => 3,
    }
}

pub(crate) use stays::replayed;
