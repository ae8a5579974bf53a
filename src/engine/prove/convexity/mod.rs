//! Claims that follow from the convexity of one function ([`crate::claim::convexity`]). Their slack is 0
//! all along `w = v`, where no bound on boxes of `(w, v)` decides anything; these rules look at boxes of one
//! point instead, and prove the claim with tolerance 0.
//!
//! Everything is generic in the arithmetic: the prover runs it in intervals, `verify` in the checker
//! arithmetic. `docs/soundness.md` has the proofs.

pub mod curvature;
pub mod hessian;
pub mod walk;

use dashu_ratio::RBig;

use super::{MAX_WORK, Proof};
use crate::claim::Claim;
use crate::claim::region::Set;
use crate::engine::Options;
use crate::engine::enclose::{bounded_hull, common_box, defined_hull, values};
use crate::eval::RigorousArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::graph::NodeId;
use crate::graph::op::{Binary, Exponent, Input, Unary};
use walk::CurvatureArithmetic;

/// Names the rule that composes curvatures in certificates.
pub const CONVEXITY: &str = "convexity";
/// Names the rule of positive definite Hessians in certificates.
pub const HESSIAN: &str = "interval Hessian";
/// Scalar operations beyond which curvatures are not looked for: a minute of the checker arithmetic.
const MAX_OPERATIONS: u64 = MAX_WORK / 5;

/// A function whose convexity on a box proves the claim.
#[derive(Clone, Debug)]
pub struct Question {
    /// scalar function of [`Input::W`]
    pub function: NodeId,
    /// box that holds every `w` and every `v` of the region
    pub ranges: Vec<Interval>,
    /// `rho >= 0` such that the claim holds as well where the function has a Hessian of at least `-rho` times
    /// the identity all over the box
    pub allowance: RBig,
}

/// What has to be convex where, if that proves the claim and all else that the proof needs holds: the
/// claim is defined all over the region, and the side conditions of [`crate::claim::convexity`] are met.
pub fn question<A: RigorousArithmetic + Clone>(claim: &Claim, mut arithmetic: A) -> Option<Question> {
    let convexity = claim.convexity.as_ref()?;
    let ranges = common_box(claim, arithmetic.clone())?;

    defined_hull(claim, arithmetic.clone())?;

    let mut constants = Evaluator::new(&claim.graph, &convexity.nonnegative, arithmetic.clone());
    let defined = constants.run(&[]).defined;
    let nonnegative = |number| arithmetic.at_least(&constants.root(number)[0], &RBig::ZERO);
    if !(defined && (0..convexity.nonnegative.len()).all(nonnegative)) {
        return None;
    }
    if convexity.least_at_v {
        let mut function = Evaluator::new(&claim.graph, &[convexity.function], arithmetic.clone());
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
    let allowance = match convexity.surplus {
        Some(surplus) => allowance(claim, surplus, &mut arithmetic)?,
        None => RBig::ZERO,
    };
    Some(Question {
        function: convexity.function,
        ranges,
        allowance,
    })
}

/// `2 c / D^2`, rounded down, for a surplus `c >= 0` and the largest distance `D` of `w` and `v`: with a Hessian
/// of at least `-rho`, Taylor's theorem gives `f(v) >= f(w) + <grad f(w), v - w> - (rho/2) D^2`.
fn allowance<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    surplus: NodeId,
    arithmetic: &mut A,
) -> Option<RBig> {
    let squared = squared_distance(claim, arithmetic)?;
    let mut constant = Evaluator::new(&claim.graph, &[surplus], arithmetic.clone());
    constant.run(&[]);
    let two = arithmetic.float(2.0);
    let twice = arithmetic.binary(Binary::Mul, &two, &constant.root(0)[0]);
    let quotient = arithmetic.binary(Binary::Div, &twice, &squared);
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

/// Whether the rules of composition show the function to be convex on the box.
pub fn composed<A: RigorousArithmetic + Clone>(claim: &Claim, question: &Question, arithmetic: A) -> bool {
    let curving = CurvatureArithmetic::new(arithmetic.clone());
    let mut evaluator = Evaluator::new(&claim.graph, &[question.function], curving);
    if evaluator.operations() > MAX_OPERATIONS {
        return false;
    }
    let ranges = values(&question.ranges, &mut arithmetic.clone());
    let coordinates: Vec<_> = ranges
        .into_iter()
        .map(|range| evaluator.arithmetic().coordinate(range))
        .collect();
    let flags = evaluator.run(&[(Input::W, &coordinates)]);
    flags.defined && flags.continuous && evaluator.root(0)[0].curvature().convex()
}

/// Tries both rules; `None` where neither proves the claim.
pub fn prove(claim: &Claim, options: &Options) -> Option<Proof> {
    let arithmetic = IntervalArithmetic::new();
    let question = question(claim, arithmetic.clone())?;
    if composed(claim, &question, arithmetic) {
        return Some(Proof::settled_by(CONVEXITY, 1, 0, String::new()));
    }
    hessian::prove(claim, &question, options.max_boxes)
}
