//! The rule of the interval Hessian: a smooth function is convex on a box if its Hessian is positive
//! semidefinite at every point of it. The box is split until the enclosure of the Hessian over each part
//! has positive pivots. Where the claim allows for it, `rho` times the identity is added first.

use std::sync::Arc;

use dashu_ratio::RBig;
use rayon::prelude::*;

use super::{HESSIAN, Question};
use crate::claim::Claim;
use crate::engine::enclose::values;
use crate::engine::prove::tree::{Rule, Tree, middle};
use crate::engine::prove::{Proof, allowed_boxes};
use crate::eval::RigorousArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::expr::MAX_TOTAL_ENTRIES;
use crate::graph::op::{Binary, Exponent, Input, Unary};
use crate::graph::{Graph, NodeId};

/// Most parameters: boxes of more are too many.
pub const MAX_DIMENSION: usize = 12;

/// What the Hessian is over a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definiteness {
    /// positive semidefinite at every point, where the function is twice continuously differentiable
    Positive,
    /// nowhere positive semidefinite
    Not,
    /// neither is known
    Unknown,
}

/// Encloses the Hessian of a function over boxes.
#[derive(Clone)]
pub struct Hessian<A: RigorousArithmetic> {
    /// the columns, then gradient and function, which must be defined and without jumps as well
    evaluator: Evaluator<A>,
    dimension: usize,
    /// added to the diagonal
    allowance: A::Value,
}

impl<A: RigorousArithmetic + Clone> Hessian<A> {
    /// Prepares a question; `None` where there are too many parameters or the graph is too large.
    pub fn new(claim: &Claim, question: &Question, mut arithmetic: A) -> Option<Self> {
        let dimension = claim.dimension;
        if dimension > MAX_DIMENSION || claim.graph.entries() * (dimension + 1) > MAX_TOTAL_ENTRIES {
            return None;
        }
        let mut graph = claim.graph.clone();
        let gradient = graph.gradient(question.function, Input::W, dimension);
        let mut roots: Vec<NodeId> = (0..dimension)
            .map(|axis| {
                let unit = unit(&mut graph, axis, dimension);
                graph.jvp(gradient, Input::W, unit)
            })
            .collect();
        roots.extend([gradient, question.function]);
        Some(Hessian {
            allowance: arithmetic.rational(&question.allowance),
            evaluator: Evaluator::new(&graph, &roots, arithmetic),
            dimension,
        })
    }

    /// Scalar operations for one box, roughly.
    pub fn operations(&self) -> u64 {
        self.evaluator.operations() + (self.dimension as u64).pow(3)
    }

    /// What the Hessian, with the allowance, is over a box.
    ///
    /// Gaussian elimination in enclosures, without exchanges: whatever symmetric matrix the enclosure
    /// holds, its own pivots lie in those of the elimination, and it is positive definite exactly if
    /// they are all positive (Sylvester). A row and column of exact zeros is left out.
    pub fn over(&mut self, ranges: &[Interval]) -> Definiteness {
        let inputs = values(ranges, self.evaluator.arithmetic());
        let flags = self.evaluator.run(&[(Input::W, &inputs)]);
        if !(flags.defined && flags.continuous) {
            return Definiteness::Unknown;
        }
        // the lower triangle
        let mut rows: Vec<Vec<A::Value>> = (0..self.dimension)
            .map(|row| {
                (0..=row)
                    .map(|column| self.evaluator.root(column)[row].clone())
                    .collect()
            })
            .collect();
        let arithmetic = self.evaluator.arithmetic();
        for (k, row) in rows.iter_mut().enumerate() {
            row[k] = arithmetic.binary(Binary::Add, &row[k], &self.allowance);
        }
        let square = Unary::Pow(Exponent { num: 2, den: 1 });
        for k in 0..self.dimension {
            let pivot = rows[k][k].clone();
            let mirrored = arithmetic.unary(Unary::Neg, &pivot);
            if !arithmetic.below(&mirrored, &RBig::ZERO) {
                if arithmetic.below(&pivot, &RBig::ZERO) {
                    return Definiteness::Not;
                }
                if (k..self.dimension).all(|row| is_zero(arithmetic, &rows[row][k])) {
                    continue;
                }
                return Definiteness::Unknown;
            }
            let column: Vec<A::Value> = (k + 1..self.dimension).map(|row| rows[row][k].clone()).collect();
            for (i, x) in column.iter().enumerate() {
                for (j, y) in column[..=i].iter().enumerate() {
                    let product = if i == j {
                        arithmetic.unary(square, x)
                    } else {
                        arithmetic.binary(Binary::Mul, x, y)
                    };
                    let share = arithmetic.binary(Binary::Div, &product, &pivot);
                    let entry = &mut rows[k + 1 + i][k + 1 + j];
                    *entry = arithmetic.binary(Binary::Sub, entry, &share);
                }
            }
        }
        Definiteness::Positive
    }
}

/// A unit vector.
fn unit(graph: &mut Graph, axis: usize, dimension: usize) -> NodeId {
    let entries: Vec<RBig> = (0..dimension).map(|i| RBig::from(i32::from(i == axis))).collect();
    graph.exact(Arc::from(entries), &[dimension])
}

fn is_zero<A: RigorousArithmetic>(arithmetic: &mut A, x: &A::Value) -> bool {
    let mirrored = arithmetic.unary(Unary::Neg, x);
    arithmetic.at_least(x, &RBig::ZERO) && arithmetic.at_least(&mirrored, &RBig::ZERO)
}

/// Splits the box, level by level, until the Hessian is positive semidefinite over each part; `None` where
/// the budget or binary64 ends first, or where the function is not convex in the middle of a part.
pub fn prove(claim: &Claim, question: &Question, max_boxes: u64) -> Option<Proof> {
    let hessian = Hessian::new(claim, question, IntervalArithmetic::new())?;
    let budget = max_boxes.min(allowed_boxes(hessian.operations(), claim.dimension).max(1));
    let mut tree = Tree::default();
    let mut level = vec![(Tree::ROOT, question.ranges.clone())];
    let (mut boxes, mut depth) = (0, 0);
    loop {
        boxes += level.len() as u64;
        if boxes > budget {
            return None;
        }
        let outcomes: Vec<Definiteness> = level
            .par_iter()
            .map_init(
                || hessian.clone(),
                |hessian, (_, ranges)| examine(hessian, ranges),
            )
            .collect();
        let mut next = Vec::new();
        for ((node, ranges), outcome) in level.into_iter().zip(outcomes) {
            match outcome {
                Definiteness::Positive => tree.settle(node, Rule::Hessian),
                Definiteness::Not => return None,
                Definiteness::Unknown => {
                    let (coordinate, cut) = widest(&ranges)?;
                    let lower = tree.split(node, coordinate);
                    let (mut below, mut above) = (ranges.clone(), ranges);
                    below[coordinate].hi = cut;
                    above[coordinate].lo = cut;
                    next.extend([(lower, below), (lower + 1, above)]);
                }
            }
        }
        if next.is_empty() {
            return Some(Proof::settled_by(HESSIAN, boxes, depth, tree.text()?));
        }
        level = next;
        depth += 1;
    }
}

/// The Hessian over a box; `Not` where it is not positive semidefinite in its middle.
fn examine(hessian: &mut Hessian<IntervalArithmetic>, ranges: &[Interval]) -> Definiteness {
    match hessian.over(ranges) {
        Definiteness::Unknown => {
            let center: Vec<Interval> = ranges
                .iter()
                .map(|range| Interval::point(range.midpoint()))
                .collect();
            match hessian.over(&center) {
                Definiteness::Not => Definiteness::Not,
                Definiteness::Positive | Definiteness::Unknown => Definiteness::Unknown,
            }
        }
        known => known,
    }
}

/// The widest range that can be cut, the first of several, and where.
fn widest(ranges: &[Interval]) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64, f64)> = None;
    for (number, range) in ranges.iter().enumerate() {
        if let Some(cut) = middle(range.lo, range.hi)
            && best.is_none_or(|(_, _, width)| range.width() > width)
        {
            best = Some((number, cut, range.width()));
        }
    }
    best.map(|(number, cut, _)| (number, cut))
}
