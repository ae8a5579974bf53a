//! The rule of the interval Hessian: a smooth function is convex on a box if its Hessian is positive
//! semidefinite at every point of it. The box is split until the enclosure of the Hessian over each part
//! has positive pivots; of several functions, each. Where the claim allows for it, `rho` times the identity is added first.

use dashu_ratio::RBig;
use rayon::prelude::*;

use super::{HESSIAN, Question};
use crate::claim::Claim;
use crate::engine::enclose::values;
use crate::engine::prove::tree::{Rule, Split, Tree, middle};
use crate::engine::prove::{Proof, allowed_boxes};
use crate::eval::RigorousArithmetic;
use crate::eval::float::FloatArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::expr::MAX_TOTAL_ENTRIES;
use crate::graph::NodeId;
use crate::graph::op::{Binary, Exponent, Input, Unary};

/// Pivots in binary64 that are no further below 0 may be rounding.
const NEGLIGIBLE: f64 = 1e-9;
/// Most parameters: boxes of more are too many.
pub const MAX_DIMENSION: usize = 12;

/// Encloses the Hessians of some functions over boxes.
#[derive(Clone)]
pub struct Hessian<A: RigorousArithmetic>(Vec<Single<A>>);

/// Encloses the Hessian of one function.
#[derive(Clone)]
struct Single<A: RigorousArithmetic> {
    /// function and gradients, which must be defined and without jumps
    smooth: Evaluator<A>,
    /// the second derivative along [`FIRST`] and [`SECOND`]
    form: Evaluator<A>,
    /// the same in binary64, to choose directions with
    rough: Evaluator<FloatArithmetic>,
    dimension: usize,
    /// added to the diagonal
    allowance: A::Value,
    /// the same in binary64
    rough_allowance: f64,
}

/// Stand for the two directions of a second derivative.
const FIRST: Input = Input::V;
const SECOND: Input = Input::Gradient(0);

impl<A: RigorousArithmetic + Clone> Hessian<A> {
    /// Prepares a question; `None` where there are too many parameters or the graph is too large.
    pub fn new(claim: &Claim, question: &Question, arithmetic: A) -> Option<Self> {
        if claim.dimension > MAX_DIMENSION || claim.graph.entries() > MAX_TOTAL_ENTRIES / 4 {
            return None;
        }
        let single = |&function| Single::new(claim, function, question, arithmetic.clone());
        Some(Hessian(question.functions.iter().map(single).collect()))
    }

    /// Scalar operations for one box, roughly.
    pub fn operations(&self) -> u64 {
        self.0.iter().map(Single::operations).sum()
    }

    /// Whether every function is smooth all over a box and its Hessian, with the allowance, positive
    /// semidefinite there.
    pub fn is_positive(&mut self, ranges: &[Interval]) -> bool {
        self.0.iter_mut().all(|single| single.is_positive(ranges))
    }

    /// Whether a Hessian in the middle of the box, with the allowance, has a negative pivot in binary64: then it
    /// is hardly positive semidefinite there, and no splitting will help.
    fn fails_in_the_middle(&mut self, ranges: &[Interval]) -> bool {
        self.0.iter_mut().any(|single| single.directions(ranges).1)
    }
}

impl<A: RigorousArithmetic + Clone> Single<A> {
    fn new(claim: &Claim, function: NodeId, question: &Question, mut arithmetic: A) -> Self {
        let dimension = claim.dimension;
        let mut graph = claim.graph.clone();
        let mut smooth = question.gradients(&mut graph, function, dimension);
        smooth.push(function);
        let (first, second) = (graph.input(FIRST, dimension), graph.input(SECOND, dimension));
        let once = graph.jvp(function, Input::W, first);
        let form = graph.jvp(once, Input::W, second);
        Single {
            allowance: arithmetic.rational(&question.allowance),
            rough_allowance: question.allowance.to_f64().value(),
            smooth: Evaluator::new(&graph, &smooth, arithmetic.clone()),
            form: Evaluator::new(&graph, &[form], arithmetic),
            rough: Evaluator::new(&graph, &[form], FloatArithmetic),
            dimension,
        }
    }

    fn operations(&self) -> u64 {
        let dimension = self.dimension as u64;
        self.smooth.operations() + dimension * (dimension + 1) * self.form.operations() + dimension.pow(3)
    }

    /// Whether the function is smooth all over a box and its Hessian `H`, with the allowance, positive
    /// semidefinite there.
    ///
    /// For an invertible matrix `R`, `H` is positive definite exactly if `R H R^T` is, whose entries are the second
    /// derivatives along two rows of `R`. With `R` the inverse of the triangular factor of `H` in the middle, it
    /// is nearly diagonal there; nothing rests on how near.
    ///
    /// Gaussian elimination in enclosures, without exchanges: whatever symmetric matrix the enclosure
    /// holds, its own pivots lie in those of the elimination, and it is positive definite exactly if
    /// they are all positive (Sylvester). A row and column of exact zeros is left out.
    fn is_positive(&mut self, ranges: &[Interval]) -> bool {
        let inputs = values(ranges, self.form.arithmetic());
        let flags = self.smooth.run(&[(Input::W, &inputs)]);
        if !(flags.defined && flags.continuous) {
            return false;
        }
        let (directions, _) = self.directions(ranges);
        let directions: Vec<Vec<A::Value>> = directions
            .iter()
            .map(|row| row.iter().map(|&x| self.form.arithmetic().float(x)).collect())
            .collect();
        // the lower triangle
        let mut rows: Vec<Vec<A::Value>> = Vec::new();
        for (number, first) in directions.iter().enumerate() {
            let mut row = Vec::new();
            for second in &directions[..=number] {
                let flags = self
                    .form
                    .run(&[(Input::W, &inputs), (FIRST, first), (SECOND, second)]);
                if !(flags.defined && flags.continuous) {
                    return false;
                }
                let entry = self.form.root(0)[0].clone();
                let arithmetic = self.form.arithmetic();
                let product = arithmetic.dot(first.iter().zip(second));
                let allowed = arithmetic.binary(Binary::Mul, &self.allowance, &product);
                row.push(arithmetic.binary(Binary::Add, &entry, &allowed));
            }
            rows.push(row);
        }
        eliminate(rows, self.form.arithmetic())
    }

    /// The rows of `R`, a lower triangular matrix with ones on its diagonal: the inverse of `L` for `H = L D L^T`
    /// in the middle of the box, in binary64; those of the identity where that has no finite entries. And whether
    /// a pivot is negative.
    fn directions(&mut self, ranges: &[Interval]) -> (Vec<Vec<f64>>, bool) {
        let dimension = self.dimension;
        let center: Vec<f64> = ranges.iter().map(|range| range.midpoint()).collect();
        let identity: Vec<Vec<f64>> = (0..dimension)
            .map(|row| {
                (0..dimension)
                    .map(|column| f64::from(u8::from(row == column)))
                    .collect()
            })
            .collect();
        // rows of R H, then of R, are made by the same elimination
        let (mut form, mut inverse) = (identity.clone(), identity.clone());
        for row in 0..dimension {
            for column in 0..dimension {
                self.rough.run(&[
                    (Input::W, &center),
                    (FIRST, &identity[row]),
                    (SECOND, &identity[column]),
                ]);
                form[row][column] = self.rough.root(0)[0];
            }
            form[row][row] += self.rough_allowance;
        }
        let mut negative = false;
        for pivot in 0..dimension {
            negative |= form[pivot][pivot] < -NEGLIGIBLE;
            for row in pivot + 1..dimension {
                let factor = form[row][pivot] / form[pivot][pivot];
                if factor == 0.0 || !factor.is_finite() {
                    continue;
                }
                for matrix in [&mut form, &mut inverse] {
                    let (above, below) = matrix.split_at_mut(row);
                    for (x, y) in below[0].iter_mut().zip(&above[pivot]) {
                        *x -= factor * y;
                    }
                }
            }
        }
        if inverse.iter().flatten().all(|x| x.is_finite()) {
            (inverse, negative)
        } else {
            (identity, negative)
        }
    }
}

/// Whether the symmetric matrices with these enclosures of their lower triangles are positive semidefinite.
pub fn eliminate<A: RigorousArithmetic>(mut rows: Vec<Vec<A::Value>>, arithmetic: &mut A) -> bool {
    let square = Unary::Pow(Exponent { num: 2, den: 1 });
    for k in 0..rows.len() {
        let pivot = rows[k][k].clone();
        let mirrored = arithmetic.unary(Unary::Neg, &pivot);
        if !arithmetic.below(&mirrored, &RBig::ZERO) {
            if rows[k..].iter().all(|row| is_zero(arithmetic, &row[k])) {
                continue;
            }
            return false;
        }
        let column: Vec<A::Value> = rows[k + 1..].iter().map(|row| row[k].clone()).collect();
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
    true
}

fn is_zero<A: RigorousArithmetic>(arithmetic: &mut A, x: &A::Value) -> bool {
    let mirrored = arithmetic.unary(Unary::Neg, x);
    arithmetic.at_least(x, &RBig::ZERO) && arithmetic.at_least(&mirrored, &RBig::ZERO)
}

/// Splits the box, level by level, until the Hessian is positive semidefinite over each part; `None` where
/// the budget or binary64 ends first, or where the function is not convex in the middle of a part.
pub fn prove(
    claim: &Claim,
    question: &Question,
    hessian: Hessian<IntervalArithmetic>,
    max_boxes: u64,
) -> Option<Proof> {
    let budget = max_boxes.min(allowed_boxes(hessian.operations(), claim.dimension).max(1));
    let mut tree = Tree::default();
    let mut level = vec![(Tree::ROOT, question.ranges.clone())];
    let (mut boxes, mut depth) = (0, 0);
    loop {
        boxes += level.len() as u64;
        if boxes > budget {
            return None;
        }
        let settled: Vec<Option<bool>> = level
            .par_iter()
            .map_init(
                || hessian.clone(),
                |hessian, (_, ranges)| {
                    let positive = hessian.is_positive(ranges);
                    (positive || !hessian.fails_in_the_middle(ranges)).then_some(positive)
                },
            )
            .collect();
        let mut next = Vec::new();
        for ((node, ranges), settled) in level.into_iter().zip(settled) {
            if settled? {
                tree.settle(node, Rule::Hessian);
                continue;
            }
            let (coordinate, cut) = widest(&ranges)?;
            let lower = tree.split(node, Split::halving(coordinate));
            let (mut below, mut above) = (ranges.clone(), ranges);
            below[coordinate].hi = cut;
            above[coordinate].lo = cut;
            next.extend([(lower, below), (lower + 1, above)]);
        }
        if next.is_empty() {
            return Some(Proof::settled_by(HESSIAN, boxes, depth, tree.text()?));
        }
        level = next;
        depth += 1;
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
