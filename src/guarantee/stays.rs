//! The hypothesis that the iterates, and the comparator, lie in the region.
//!
//! It is proved, in exact arithmetic and up to the other hypotheses, where the region of `w` is a box or a ball
//! without further inequalities and holds, with room to spare, a ball that the T steps cannot leave:
//!
//! - gradients bounded by `G` on the region: radius `T eta G` round `w_0`, by induction over the steps;
//! - proxy convexity with `||grad f||^2 <= L g` on it and an `h` that does not depend on `w`: radius
//!   `sqrt(D^2 + 2 eta T max(h, 0))` round `v`. As long as the iterates lie in the region,
//!   `||w_{t+1} - v||^2 <= ||w_t - v||^2 - 2 eta ((1 - eta L/2) g(w_t) - h)` with `g >= 0`;
//! - `f` smooth with `L` on it and at least `m`: radius `sqrt(T eta (f(w_0) - m)/(1 - eta L/2))` round `w_0`. Follow the straight path of
//!   the steps up to a first exit from a slightly larger ball in the region. With `s_t` the part of step `t`
//!   before it (`eta` for all but the last), the descent lemma along each part gives
//!   `sum s_t (1 - eta L/2) ||grad f(w_t)||^2 <= f(w_0) - m`, and by Cauchy-Schwarz the path has at most the length
//!   `sqrt(sum s_t) sqrt(sum s_t ||grad f(w_t)||^2)`: it does not reach that exit.
//!
//! Claim and hypotheses may be proved up to a tolerance `d` only, which enlarges the radii: it makes `G` into `G + d`,
//! `max(h, 0)` into `max(h, 0) + (1 + eta + 1/L) d`, and `f(w_0) - m` into `f(w_0) - m + (T + 2) d`.
//!
//! Elsewhere the iterates are run in binary64.

use dashu_ratio::RBig;

use super::Hypothesis;
use crate::case::Case;
use crate::claim::Claim;
use crate::claim::descent::{Conclusion, Descent, Start};
use crate::claim::region::{Set, membership};
use crate::engine::{Progress, Verdict};
use crate::eval::RigorousArithmetic;
use crate::eval::checker::CheckerArithmetic;
use crate::eval::interval::IntervalArithmetic;
use crate::eval::tensor::Evaluator;
use crate::graph::op::{Input, Unary};
use crate::graph::{Graph, NodeId};
use crate::theorem::Theorem;
use crate::trace::{Refusal, trace};

/// What the proof says.
const PROOF: &str = "a ball that the steps cannot leave lies in the region";

/// Steps of all starts together that are run at most.
const MAX_STEPS: u64 = 1_000_000;

/// Checks it for the engines.
///
/// # Errors
/// When the iterates cannot be run.
pub(super) fn iterates(
    case: &Case,
    claim: &Claim,
    theorem: Theorem,
    progress: &dyn Progress,
) -> Result<Hypothesis, Refusal> {
    if holds(claim, theorem, IntervalArithmetic::new()) {
        return Ok(hypothesis(Verdict::Proved, PROOF.to_owned()));
    }
    run(case, claim, progress)
}

/// Checks it for `verify`: the proof in the checker arithmetic, a run again.
///
/// # Errors
/// When the iterates cannot be run.
pub(crate) fn replayed(
    case: &Case,
    claim: &Claim,
    stated: Verdict,
    progress: &dyn Progress,
) -> Result<Option<Hypothesis>, Refusal> {
    let Some(asked) = super::asked(case, claim) else {
        return Ok(None);
    };
    if stated == Verdict::Proved {
        let proved = holds(claim, asked.theorem, CheckerArithmetic::new());
        return Ok(proved.then(|| hypothesis(Verdict::Proved, PROOF.to_owned())));
    }
    run(case, claim, progress).map(Some)
}

fn hypothesis(verdict: Verdict, reason: String) -> Hypothesis {
    Hypothesis {
        name: "iterates".to_owned(),
        words: "the iterates, and v, lie in the region".to_owned(),
        verdict,
        reason,
        check: None,
    }
}

/// Runs the iterates in binary64, which proves nothing about those of exact arithmetic.
fn run(case: &Case, claim: &Claim, progress: &dyn Progress) -> Result<Hypothesis, Refusal> {
    let steps = claim.descent.as_ref().map_or(0, |descent| match descent.start {
        Start::Point(_) => descent.steps,
        Start::Draws(count) => descent.steps.saturating_mul(count),
    });
    if steps > MAX_STEPS {
        let reason =
            format!("{steps} steps are not run here, {MAX_STEPS} are the most; `proxycert trace` runs them");
        return Ok(hypothesis(Verdict::Undecided, reason));
    }
    let traced = trace(case, claim, progress)?;
    let runs = traced.runs.len();
    Ok(
        match (&traced.answers.left_region_at, &traced.answers.diverged_at) {
            (Some(place), _) => hypothesis(
                Verdict::Undecided,
                format!(
                    "in binary64 the iterates leave it at t = {} of start {}, which intervals do not confirm",
                    place.t, place.start
                ),
            ),
            (None, Some(place)) => hypothesis(
                Verdict::Undecided,
                format!(
                    "in binary64 the iterates diverge at t = {} of start {}",
                    place.t, place.start
                ),
            ),
            (None, None) => hypothesis(
                Verdict::Supported,
                format!("in binary64 the iterates of {runs} runs stay in it"),
            ),
        },
    )
}

/// Whether the argument above applies, beyond doubt.
fn holds<A: RigorousArithmetic + Clone>(claim: &Claim, theorem: Theorem, arithmetic: A) -> bool {
    let Some(descent) = &claim.descent else {
        return false;
    };
    let Start::Point(start) = descent.start else {
        return false;
    };
    // a random path may be longer
    if descent.examples.is_some() || !claim.region.constraints.is_empty() {
        return false;
    }
    let mut graph = claim.graph.clone();
    let Some((center, reach)) = ball(&mut graph, descent, theorem, start, &claim.tolerance) else {
        return false;
    };
    let distances = match claim.region.w {
        Set::Box { lo, hi } => vec![graph.sub(center, lo), graph.sub(hi, center)],
        Set::Ball {
            center: middle,
            radius,
        } => {
            let difference = graph.sub(center, middle);
            let length = graph.norm(difference);
            vec![graph.sub(radius, length)]
        }
        Set::Point(_) => return false,
    };
    let mut roots: Vec<NodeId> = Vec::new();
    for distance in distances {
        roots.push(graph.sub(distance, reach));
    }
    let strict = roots.len();
    if let (Some(set), Some(v)) = (claim.region.v, descent.comparator) {
        for node in membership(&mut graph, Input::V, set) {
            roots.push(graph.substitute(node, &[(Input::V, v)]));
        }
    }
    let mut evaluator = Evaluator::new(&graph, &roots, arithmetic);
    if !evaluator.run(&[]).defined {
        return false;
    }
    (0..roots.len()).all(|number| {
        evaluator.root(number).to_vec().iter().all(|entry| {
            let arithmetic = evaluator.arithmetic();
            if number < strict {
                let mirrored = arithmetic.unary(Unary::Neg, entry);
                arithmetic.below(&mirrored, &RBig::ZERO)
            } else {
                arithmetic.at_least(entry, &RBig::ZERO)
            }
        })
    })
}

/// Centre and radius of a ball that the steps cannot leave, constant nodes.
fn ball(
    graph: &mut Graph,
    descent: &Descent,
    theorem: Theorem,
    start: NodeId,
    tolerance: &RBig,
) -> Option<(NodeId, NodeId)> {
    let guarantee = descent.guarantee.as_ref()?;
    let Conclusion::Theorem(_) = guarantee.conclusion else {
        return None;
    };
    let constant = |name: &str| {
        let mut nodes = guarantee.nodes.iter();
        nodes.find(|(known, _)| known == name).map(|(_, node)| *node)
    };
    let steps = graph.integer(i64::try_from(descent.steps).ok()?);
    let eta = graph.rational(descent.step.clone());
    let span = graph.mul(steps, eta);
    let one = graph.integer(1);
    let error = graph.rational(tolerance.clone());
    let floor = match theorem {
        Theorem::BoundedGradient => {
            let bound = graph.add(constant("G")?, error);
            return Some((start, graph.mul(span, bound)));
        }
        Theorem::ProxySmooth => {
            let (v, h) = (descent.comparator?, descent.h.filter(|_| !guarantee.moving)?);
            let h = graph.substitute(h, &[(Input::V, v)]);
            let above = graph.unary(Unary::Relu, h);
            let inverse = graph.div(one, constant("L")?);
            let times = graph.add(one, eta);
            let times = graph.add(times, inverse);
            let errors = graph.mul(times, error);
            let above = graph.add(above, errors);
            let two = graph.integer(2);
            let rate = graph.mul(two, span);
            let gain = graph.mul(rate, above);
            let difference = graph.sub(start, v);
            let distance = graph.squared_norm(difference);
            let square = graph.add(distance, gain);
            return Some((v, graph.unary(Unary::Sqrt, square)));
        }
        Theorem::ProxyPl => constant("f_inf")?,
        Theorem::LinearRate => constant("xi")?,
    };
    let value = graph.substitute(descent.function, &[(Input::W, start)]);
    let fall = graph.sub(value, floor);
    let two = graph.integer(2);
    let times = graph.add(steps, two);
    let errors = graph.mul(times, error);
    let fall = graph.add(fall, errors);
    let half = graph.fraction(1, 2);
    let product = graph.mul(eta, constant("L")?);
    let share = graph.mul(half, product);
    let damping = graph.sub(one, share);
    let scaled = graph.mul(span, fall);
    let square = graph.div(scaled, damping);
    Some((start, graph.unary(Unary::Sqrt, square)))
}
