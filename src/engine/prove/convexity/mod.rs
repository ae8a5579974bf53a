//! Claims that follow from the convexity of one function ([`crate::claim::convexity`]). Their slack is 0
//! all along `w = v`, where no bound on boxes of `(w, v)` decides anything; these rules look at boxes of one
//! point instead, and prove the claim with tolerance 0.
//!
//! Everything is generic in the arithmetic: the prover runs it in intervals, `verify` in the checker
//! arithmetic. `docs/soundness.md` has the proofs.

pub mod curvature;
pub mod gap;
pub mod hessian;
pub mod ridge;
pub mod walk;

use dashu_ratio::RBig;

use super::tree::Rule;
use super::{MAX_WORK, Proof};
use crate::claim::Claim;
use crate::claim::region::Set;
use crate::engine::Options;
use crate::engine::enclose::{bounded_hull, common_box, defined_hull, values};
use crate::eval::RigorousArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::graph::op::{Binary, Exponent, Input, Unary};
use crate::graph::{Graph, NodeId};
use hessian::Hessian;
use walk::CurvatureArithmetic;

/// Names the rule that composes curvatures in certificates.
pub const CONVEXITY: &str = "convexity";
/// Names the rule of positive definite Hessians in certificates.
pub const HESSIAN: &str = "interval Hessian";
/// Names the rule of the gap over a tangent in certificates.
pub const GAP: &str = "gap over the tangent";
/// Scalar operations beyond which curvatures are not looked for: a minute of the checker arithmetic.
const MAX_OPERATIONS: u64 = MAX_WORK / 5;

/// Functions whose convexity on a box proves the claim.
#[derive(Clone, Debug)]
pub struct Question {
    /// scalar functions of [`Input::W`]
    pub functions: Vec<NodeId>,
    /// functions that must be continuously differentiable as well
    pub smooth: Vec<NodeId>,
    /// box that holds every `w` and every `v` of the region
    pub ranges: Vec<Interval>,
    /// `rho >= 0` such that the claim holds as well where the functions have Hessians of at least `-rho` times
    /// the identity all over the box
    pub allowance: RBig,
}

impl Question {
    /// Gradients that must be defined and without jumps where a function is to be smooth: its own, and those of the
    /// functions that must be so besides.
    fn gradients(&self, graph: &mut Graph, function: NodeId, dimension: usize) -> Vec<NodeId> {
        let functions = std::iter::once(&function).chain(&self.smooth);
        functions
            .map(|&function| graph.gradient(function, Input::W, dimension))
            .collect()
    }
}

/// What has to be convex where, if that proves the claim and all else that the proof needs holds: the
/// claim is defined all over the region, and the side conditions of [`crate::claim::convexity`] are met.
pub fn question<A: RigorousArithmetic + Clone>(claim: &Claim, mut arithmetic: A) -> Option<Question> {
    let convexity = claim.convexity.as_ref()?;
    let ranges = common_box(claim, arithmetic.clone())?;
    if !convexity.smooth.is_empty() && ranges.iter().any(|range| range.lo >= range.hi) {
        return None;
    }
    defined_hull(claim, arithmetic.clone())?;

    let mut constants = Evaluator::new(&claim.graph, &convexity.nonnegative, arithmetic.clone());
    let defined = constants.run(&[]).defined;
    let nonnegative = |number| arithmetic.at_least(&constants.root(number)[0], &RBig::ZERO);
    if !(defined && (0..convexity.nonnegative.len()).all(nonnegative)) {
        return None;
    }
    if convexity.least_at_v {
        let mut function = Evaluator::new(&claim.graph, &convexity.functions, arithmetic.clone());
        let mut over = |set| {
            let side = bounded_hull(&claim.graph, set, &mut arithmetic.clone())?;
            let defined = function.run(&[(Input::W, &side)]).defined;
            defined.then(|| function.root(0)[0].clone())
        };
        let (at_w, at_v) = (over(claim.region.w)?, over(claim.region.v?)?);
        let gap = arithmetic.binary(Binary::Sub, &at_w, &at_v);
        if !arithmetic.at_least(&gap, &RBig::ZERO) {
            return None;
        }
    }
    let half = RBig::ONE / RBig::from(2);
    let allowance = match (convexity.surplus, &convexity.loss) {
        (Some(surplus), _) => {
            let mut constant = Evaluator::new(&claim.graph, &[surplus], arithmetic.clone());
            constant.run(&[]);
            let surplus = constant.root(0)[0].clone();
            allowance(claim, &surplus, &half, &mut arithmetic)?
        }
        (None, Some(loss)) => {
            let tolerance = arithmetic.rational(&claim.tolerance);
            allowance(claim, &tolerance, loss, &mut arithmetic)?.min(RBig::ONE)
        }
        (None, None) => RBig::ZERO,
    };
    Some(Question {
        functions: convexity.functions.clone(),
        smooth: convexity.smooth.clone(),
        ranges,
        allowance,
    })
}

/// `c / (k D^2)`, rounded down, for a number `c >= 0` that the slack may lose, the largest distance `D` of `w` and
/// `v`, and a loss of `k rho |w - v|^2`. With a Hessian of at least `-rho`, Taylor's theorem gives
/// `f(v) >= f(w) + <grad f(w), v - w> - (rho/2) |v - w|^2`: there `k` is a half.
fn allowance<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    most: &A::Value,
    loss: &RBig,
    arithmetic: &mut A,
) -> Option<RBig> {
    let squared = squared_distance(claim, arithmetic)?;
    let loss = arithmetic.rational(loss);
    let loss = arithmetic.binary(Binary::Mul, &loss, &squared);
    let quotient = arithmetic.binary(Binary::Div, most, &loss);
    let (lo, _) = arithmetic.ends(&quotient);
    Some(RBig::try_from(lo.max(0.0)).unwrap_or(RBig::ZERO))
}

/// An enclosure above which `|w - v|^2` does not lie: `(|c - c'| + r + r')^2` for two balls or points, the sum
/// over the coordinates of the boxes around the sets otherwise.
fn squared_distance<A: RigorousArithmetic + Clone>(claim: &Claim, arithmetic: &mut A) -> Option<A::Value> {
    let sets = [claim.region.w, claim.region.v?];
    let ball = |set| match set {
        Set::Ball { center, radius } => Some((center, Some(radius))),
        Set::Point(point) => Some((point, None)),
        Set::Box { .. } => None,
    };
    if let (Some((from, first)), Some((to, second))) = (ball(sets[0]), ball(sets[1])) {
        let mut graph = claim.graph.clone();
        let difference = graph.sub(from, to);
        let mut reach = graph.norm(difference);
        for radius in [first, second].into_iter().flatten() {
            reach = graph.add(reach, radius);
        }
        let squared = graph.square(reach);
        let mut evaluator = Evaluator::new(&graph, &[squared], arithmetic.clone());
        return evaluator.run(&[]).defined.then(|| evaluator.root(0)[0].clone());
    }
    let [w, v] = sets.map(|set| bounded_hull(&claim.graph, set, arithmetic));
    let mut squares = Vec::new();
    for (w, v) in w?.iter().zip(&v?) {
        let difference = arithmetic.binary(Binary::Sub, w, v);
        squares.push(arithmetic.unary(Unary::Pow(Exponent { num: 2, den: 1 }), &difference));
    }
    Some(arithmetic.sum(squares.iter()))
}

/// Whether the rules of composition show the function to be convex on the box, and the gradients that the
/// question asks for have no jump.
fn composed<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    question: &Question,
    function: NodeId,
    arithmetic: A,
) -> bool {
    let curving = CurvatureArithmetic::new(arithmetic.clone());
    let mut evaluator = Evaluator::new(&claim.graph, &[function], curving);
    if evaluator.operations() > MAX_OPERATIONS {
        return false;
    }
    let ranges = values(&question.ranges, &mut arithmetic.clone());
    let coordinates: Vec<_> = ranges
        .iter()
        .map(|range| evaluator.arithmetic().coordinate(range.clone()))
        .collect();
    let flags = evaluator.run(&[(Input::W, &coordinates)]);
    if !(flags.defined && flags.continuous && evaluator.root(0)[0].curvature().convex()) {
        return false;
    }
    if question.smooth.is_empty() {
        return true;
    }
    let mut graph = claim.graph.clone();
    let gradients = question.gradients(&mut graph, function, claim.dimension);
    let mut gradients = Evaluator::new(&graph, &gradients, arithmetic);
    let flags = gradients.run(&[(Input::W, &ranges)]);
    flags.defined && flags.continuous
}

/// The functions that the rules of composition do not show to be convex.
pub fn not_composed<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    question: &Question,
    arithmetic: &A,
) -> Vec<NodeId> {
    let functions = question.functions.iter().copied();
    functions
        .filter(|&function| !composed(claim, question, function, arithmetic.clone()))
        .collect()
}

/// Tries the rules one after the other; `None` where none proves the claim.
pub fn prove(claim: &Claim, options: &Options) -> Option<Proof> {
    let arithmetic = IntervalArithmetic::new();
    let Some(mut question) = question(claim, arithmetic.clone()) else {
        let settled = || Proof::settled_by(GAP, 1, 0, String::new());
        return gap::holds(claim, arithmetic).then(settled);
    };
    question.functions = not_composed(claim, &question, &arithmetic);
    if question.functions.is_empty() {
        return Some(Proof::settled_by(CONVEXITY, 1, 0, String::new()));
    }
    let mut hessian = Hessian::new(claim, &question, arithmetic.clone());
    let whole = hessian
        .as_mut()
        .is_some_and(|hessian| hessian.is_positive(&question.ranges));
    let settled = |rule: Rule| Proof::settled_by(HESSIAN, 1, 0, rule.letter().to_string());
    if whole {
        return Some(settled(Rule::Hessian));
    }
    if ridge::are_convex(claim, &question, arithmetic) {
        return Some(settled(Rule::Ridges));
    }
    hessian::prove(claim, &question, hessian?, options.max_boxes)
}
