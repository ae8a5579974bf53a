//! The gap of a convex function over its tangent against the change of its gradient:
//! `f(x) - f(y) - <grad f(y), x - y> >= c |grad f(x) - grad f(y)|^2`, in the Euclidean norm or in the sum of sizes.
//!
//! The first is co-coercivity as Nesterov states it, the second is Pinsker's inequality where `f` is `logsumexp`. Neither
//! follows from the curvature between `x` and `y`: the proof goes through a third point, which may lie outside the region,
//! so that `f` is looked at on a wider box. `docs/soundness.md` has the proof.

use dashu_base::Signed;
use dashu_ratio::RBig;

use super::{Question, hessian::Hessian, not_composed, ridge};
use crate::claim::Claim;
use crate::claim::convexity::without_square;
use crate::engine::enclose::{common_box, defined_hull, values};
use crate::engine::prove::lifting::cut::scalars;
use crate::eval::RigorousArithmetic;
use crate::eval::interval::Interval;
use crate::eval::tensor::Evaluator;
use crate::graph::op::{Binary, Input, Unary};
use crate::graph::{Graph, NodeId};
use crate::symbolic::{FormId, Symbolic};

/// Most parameters.
const MAX_DIMENSION: usize = 64;
/// Scalar operations of a slack that is compared, at most.
const MAX_OPERATIONS: u64 = 200_000;
/// Stands for the direction of a derivative.
const DIRECTION: Input = Input::Gradient(u32::MAX);

/// How the change of the gradient is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Norm {
    /// the root of the sum of squares, its own dual
    Euclidean,
    /// the sum of sizes, dual to the largest size
    Sum,
}

/// What a claim says of the gap.
struct Gap {
    function: NodeId,
    /// c
    constant: RBig,
    norm: Norm,
}

/// Whether the claim is such an inequality and holds.
pub fn holds<A: RigorousArithmetic + Clone>(claim: &Claim, arithmetic: A) -> bool {
    prove(claim, arithmetic).is_some()
}

fn prove<A: RigorousArithmetic + Clone>(claim: &Claim, mut arithmetic: A) -> Option<()> {
    let gap = Gap::of(claim)?;
    defined_hull(claim, arithmetic.clone())?;
    let ranges = common_box(claim, arithmetic.clone())?;
    let mut claim = claim.clone();
    let ranges = gap.widened(&mut claim, &ranges, &mut arithmetic)?;
    if ranges.iter().any(|range| range.lo >= range.hi) {
        return None;
    }
    // the largest curvature that the constant allows
    let most = RBig::ONE / (RBig::from(2) * &gap.constant);
    let mut functions = vec![gap.function];
    if gap.norm == Norm::Euclidean {
        let mirrored = claim.graph.neg(gap.function);
        let rate = claim.graph.rational(-most.clone());
        let dimension = claim.dimension;
        functions.push(without_square(&mut claim.graph, mirrored, rate, dimension));
    }
    let mut question = Question {
        functions,
        smooth: vec![gap.function],
        ranges,
        allowance: RBig::ZERO,
    };
    if gap.norm == Norm::Sum {
        let bound = ridge::curvature_in_largest_size(&claim, gap.function, &question, arithmetic.clone())?;
        let most = arithmetic.rational(&most);
        let room = arithmetic.binary(Binary::Sub, &most, &bound);
        if !arithmetic.at_least(&room, &RBig::ZERO) {
            return None;
        }
    }
    question.functions = not_composed(&claim, &question, &arithmetic);
    let convex = question.functions.is_empty()
        || ridge::are_convex(&claim, &question, arithmetic.clone())
        || Hessian::new(&claim, &question, arithmetic)
            .is_some_and(|mut hessian| hessian.is_positive(&question.ranges));
    convex.then_some(())
}

impl Gap {
    /// Recognises the slack: its normal form, in the coordinates of both points, is that of the inequality.
    fn of(claim: &Claim) -> Option<Gap> {
        let dimension = claim.dimension;
        if claim.region.inputs().len() != 2 || dimension > MAX_DIMENSION {
            return None;
        }
        let mut graph = claim.graph.clone();
        let nodes = [graph.input(Input::W, dimension), graph.input(Input::V, dimension)];
        for request in &claim.requests {
            let Some(base) = nodes.iter().position(|node| *node == request.point) else {
                continue;
            };
            let (here, there) = (nodes[base], nodes[1 - base]);
            let tangent = tangent_gap(&mut graph, request.function, here, there, dimension);
            for norm in [Norm::Euclidean, Norm::Sum] {
                let change = change(&mut graph, request.function, nodes, norm, dimension);
                if let Some(constant) = constant(&graph, [claim.slack, tangent, change], dimension) {
                    return Some(Gap {
                        function: request.function,
                        constant,
                        norm,
                    });
                }
            }
        }
        None
    }

    /// The box, wider on each side by `2 c` times the largest change of the gradient on it.
    fn widened<A: RigorousArithmetic + Clone>(
        &self,
        claim: &mut Claim,
        ranges: &[Interval],
        arithmetic: &mut A,
    ) -> Option<Vec<Interval>> {
        let gradient = claim.graph.gradient(self.function, Input::W, claim.dimension);
        let mut evaluator = Evaluator::new(&claim.graph, &[gradient, self.function], arithmetic.clone());
        let point = values(ranges, arithmetic);
        if !evaluator.run(&[(Input::W, &point)]).defined {
            return None;
        }
        // no norm of the two is larger than the sum of sizes
        let mut sizes = Vec::new();
        for entry in evaluator.root(0) {
            let change = arithmetic.binary(Binary::Sub, entry, entry);
            sizes.push(arithmetic.unary(Unary::Abs, &change));
        }
        let sum = arithmetic.sum(sizes.iter());
        let twice = arithmetic.rational(&(RBig::from(2) * &self.constant));
        let reach = arithmetic.binary(Binary::Mul, &twice, &sum);
        let mut wider = Vec::new();
        for range in &point {
            let (below, above) = (
                arithmetic.binary(Binary::Sub, range, &reach),
                arithmetic.binary(Binary::Add, range, &reach),
            );
            let both = arithmetic.hull(&below, &above);
            let (lo, hi) = arithmetic.ends(&both);
            if !(lo.is_finite() && hi.is_finite()) {
                return None;
            }
            wider.push(Interval::new(lo, hi));
        }
        Some(wider)
    }
}

/// `f(there) - f(here) - <grad f(here), there - here>`
fn tangent_gap(graph: &mut Graph, f: NodeId, here: NodeId, there: NodeId, dimension: usize) -> NodeId {
    let symbol = graph.input(DIRECTION, dimension);
    let slope = graph.jvp(f, Input::W, symbol);
    let step = graph.sub(there, here);
    let slope = graph.substitute(slope, &[(Input::W, here), (DIRECTION, step)]);
    let (from, to) = (
        graph.substitute(f, &[(Input::W, here)]),
        graph.substitute(f, &[(Input::W, there)]),
    );
    let gain = graph.sub(to, from);
    graph.sub(gain, slope)
}

/// `|grad f(w) - grad f(v)|^2`
fn change(graph: &mut Graph, f: NodeId, points: [NodeId; 2], norm: Norm, dimension: usize) -> NodeId {
    let gradient = graph.gradient(f, Input::W, dimension);
    let [at_w, at_v] = points.map(|point| graph.substitute(gradient, &[(Input::W, point)]));
    let difference = graph.sub(at_w, at_v);
    match norm {
        Norm::Euclidean => graph.squared_norm(difference),
        Norm::Sum => {
            let sizes = graph.unary(Unary::Abs, difference);
            let sum = graph.sum(sizes);
            graph.square(sum)
        }
    }
}

/// `c > 0` where the first of three scalars is, up to a positive factor, the second less `c` times the third: an identity
/// of normal forms.
fn constant(graph: &Graph, roots: [NodeId; 3], dimension: usize) -> Option<RBig> {
    if Evaluator::new(graph, &roots, Symbolic::default()).operations() > MAX_OPERATIONS {
        return None;
    }
    let inputs = [Input::W, Input::V];
    let (mut arena, forms) = scalars(graph, &roots, &inputs, dimension, Symbolic::default())?;
    let [slack, tangent, change] = [forms[0][0], forms[1][0], forms[2][0]];
    let share = |arena: &Symbolic, of: FormId| {
        let (lead, coefficient) = arena.form(of).terms.first()?.clone();
        Some(arena.form(slack).coefficient(lead)? / coefficient)
    };
    let (scale, weight) = (share(&arena, tangent)?, -share(&arena, change)?);
    let parts = [
        (RBig::ONE, slack),
        (-scale.clone(), tangent),
        (weight.clone(), change),
    ];
    let rest = arena.combine(&parts);
    let same = !arena.exhausted() && arena.form(rest).as_constant().is_some_and(RBig::is_zero);
    (same && scale.is_positive() && weight.is_positive()).then(|| weight / scale)
}
