//! Sums of ridge functions: `F(w) = constant + sum_k psi_k(<a_k, w>)`, as losses over data with a linear model are.
//!
//! The Hessian is `sum_k psi_k''(<a_k, w>) a_k a_k^T`. With `l_k` the least value of `psi_k''` over the range of its
//! argument, it is at least the one matrix `sum_k l_k a_k a_k^T`, for all points of the box together: nothing is
//! split but the ranges of single variables. An enclosure entry by entry loses the sign of `a_k a_k^T`.

use super::Question;
use super::hessian::eliminate;
use crate::claim::Claim;
use crate::engine::enclose::values;
use crate::engine::prove::MAX_WORK;
use crate::engine::prove::lifting::cut::{Cut, scalars};
use crate::engine::prove::lifting::pieces::Piece;
use crate::engine::prove::smooth::Smooth;
use crate::engine::prove::tree::middle;
use crate::eval::RigorousArithmetic;
use crate::eval::tensor::Evaluator;
use crate::graph::op::{Binary, Input};
use crate::graph::{Graph, NodeId};
use crate::symbolic::Symbolic;

/// Most parameters.
const MAX_DIMENSION: usize = 64;
/// Pieces of a range over which a second derivative is bounded, at most.
const PIECES: usize = 64;
/// How far below a value, relative to it, a bound may stay: first this, and then, where that was not enough and
/// the next one may be, that.
const PRECISIONS: [f64; 3] = [1e-3, 1e-8, 1e-13];

/// Whether every function of the question, with the allowance, is convex on the box for this reason.
pub fn are_convex<A: RigorousArithmetic + Clone>(claim: &Claim, question: &Question, arithmetic: A) -> bool {
    claim.dimension <= MAX_DIMENSION
        && question
            .functions
            .iter()
            .all(|&function| is_convex(claim, function, question, arithmetic.clone()).is_some())
}

/// `Some` where the function is convex.
fn is_convex<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    function: NodeId,
    question: &Question,
    mut arithmetic: A,
) -> Option<()> {
    let dimension = claim.dimension;
    let mut graph = claim.graph.clone();
    let mut roots = question.gradients(&mut graph, function, dimension);
    roots.push(function);
    let point = values(&question.ranges, &mut arithmetic);
    let flags = Evaluator::new(&graph, &roots, arithmetic.clone()).run(&[(Input::W, &point)]);
    if !(flags.defined && flags.continuous) {
        return None;
    }
    let (arena, forms) = scalars(
        &claim.graph,
        &[function],
        &[Input::W],
        dimension,
        Symbolic::default(),
    )?;
    let cut = Cut::new(arena, forms[0][0])?;
    if cut.cone.is_some() {
        return None;
    }
    let mut ridges = Vec::new();
    let mut operations = 0;
    for part in &cut.parts {
        let &[lifted] = &part.lifted[..] else {
            return None;
        };
        let form = cut.arena.form(lifted);
        if !cut.arena.is_affine(form) {
            return None;
        }
        let mut direction = vec![arithmetic.float(0.0); dimension];
        for (monomial, coefficient) in &form.terms {
            let coordinate = cut.arena.as_variable(*monomial)? as usize;
            direction[coordinate] = arithmetic.rational(coefficient);
        }
        let range = arithmetic.dot(direction.iter().zip(&point));
        let mut graph = Graph::new();
        let function = part.arena.emit(&mut graph, part.function, 1);
        let second = Second::new(graph, function, arithmetic.ends(&range), arithmetic.clone());
        operations += second.operations();
        ridges.push((direction, second));
    }
    if operations * PIECES as u64 > MAX_WORK {
        return None;
    }
    let allowance = arithmetic.rational(&question.allowance);
    for precision in PRECISIONS {
        let zero = arithmetic.float(0.0);
        let mut rows: Vec<Vec<A::Value>> = (1..=dimension).map(|length| vec![zero.clone(); length]).collect();
        // what sharper bounds could add to every eigenvalue
        let mut hope = allowance.clone();
        for (direction, second) in &mut ridges {
            let least = second.least(precision)?;
            let square = arithmetic.dot(direction.iter().zip(&*direction));
            let gap = arithmetic.float(2.0 * precision * least.abs());
            let gap = arithmetic.binary(Binary::Mul, &gap, &square);
            hope = arithmetic.binary(Binary::Add, &hope, &gap);
            let least = arithmetic.float(least);
            for (i, row) in rows.iter_mut().enumerate() {
                let scaled = arithmetic.binary(Binary::Mul, &least, &direction[i]);
                for (entry, other) in row.iter_mut().zip(&*direction) {
                    let share = arithmetic.binary(Binary::Mul, &scaled, other);
                    *entry = arithmetic.binary(Binary::Add, entry, &share);
                }
            }
        }
        let mut raised = |by: &A::Value| {
            let mut rows = rows.clone();
            for (i, row) in rows.iter_mut().enumerate() {
                row[i] = arithmetic.binary(Binary::Add, &row[i], by);
            }
            eliminate(rows, &mut arithmetic)
        };
        if raised(&allowance) {
            return Some(());
        }
        if !raised(&hope) {
            return None;
        }
    }
    None
}

/// The second derivative of a function of one variable over a range.
struct Second<A: RigorousArithmetic> {
    /// function, first and second derivative
    derivatives: Evaluator<A>,
    bounds: Smooth<A>,
    range: [f64; 2],
    /// lower bounds over pieces of the range, which cover it; empty before the first bound
    pieces: Vec<(f64, [f64; 2])>,
    /// an upper bound of the least value
    reached: f64,
}

impl<A: RigorousArithmetic + Clone> Second<A> {
    fn new(mut graph: Graph, function: NodeId, (lo, hi): (f64, f64), arithmetic: A) -> Self {
        let mut derivatives = vec![function];
        for order in 0..2 {
            let slope = graph.gradient(derivatives[order], Input::W, 1);
            derivatives.push(graph.reshape(slope, &[]));
        }
        let evaluator = Evaluator::new(&graph, &derivatives, arithmetic.clone());
        let piece = Piece {
            graph,
            function: derivatives[2],
            ranges: vec![[lo, hi]],
            tie: None,
        };
        Second {
            derivatives: evaluator,
            bounds: Smooth::new(&piece, arithmetic),
            range: [lo, hi],
            pieces: Vec::new(),
            reached: f64::INFINITY,
        }
    }

    fn operations(&self) -> u64 {
        self.derivatives.operations() + self.bounds.operations()
    }

    /// A lower bound over the range, by best-first search with a limited number of pieces; `None` where function and
    /// derivatives are not defined and without jumps all over it, or where there is no bound. A sharper one goes on
    /// where the one before ended.
    fn least(&mut self, precision: f64) -> Option<f64> {
        if self.pieces.is_empty() {
            if !self.is_smooth() {
                return None;
            }
            self.examine([self.range].to_vec());
        }
        loop {
            let lowest = self.pieces.iter().enumerate();
            let (place, &(least, [lo, hi])) = lowest.min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0))?;
            let near = least >= self.reached - precision * self.reached.abs();
            let cut = middle(lo, hi).filter(|_| !near && self.pieces.len() < PIECES);
            let Some(cut) = cut else {
                return least.is_finite().then_some(least);
            };
            self.pieces.swap_remove(place);
            self.examine([[lo, cut], [cut, hi]].to_vec());
        }
    }

    fn is_smooth(&mut self) -> bool {
        let [lo, hi] = self.range;
        if !(lo.is_finite() && hi.is_finite()) {
            return false;
        }
        let arithmetic = self.derivatives.arithmetic();
        let (from, to) = (arithmetic.float(lo), arithmetic.float(hi));
        let whole = [arithmetic.hull(&from, &to)];
        let flags = self.derivatives.run(&[(Input::W, &whole)]);
        flags.defined && flags.continuous
    }

    fn examine(&mut self, ranges: Vec<[f64; 2]>) {
        for range in &ranges {
            self.reached = self.reached.min(self.bounds.central(&[*range]));
        }
        for range in ranges {
            let (bound, ..) = self.bounds.best(&[range], self.reached);
            self.pieces.push((bound, range));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::interval::IntervalArithmetic;

    /// The least second derivative of a function of one variable over a range.
    fn least(make: impl Fn(&mut Graph, NodeId) -> NodeId, range: (f64, f64)) -> Option<f64> {
        let mut graph = Graph::new();
        let input = graph.input(Input::W, 1);
        let t = graph.reshape(input, &[]);
        let function = make(&mut graph, t);
        Second::new(graph, function, range, IntervalArithmetic::new()).least(1e-13)
    }

    /// `-softplus` bends by `-s (1 - s) >= -1/4`, reached at 0; `sin` by `-sin >= -1`, reached at `pi/2`.
    #[test]
    fn least_second_derivatives() {
        let mirrored = |graph: &mut Graph, t| {
            let softplus = graph.softplus(t);
            graph.neg(softplus)
        };
        let found = least(mirrored, (-7.0, 5.0)).unwrap();
        assert!((-0.25 - 1e-11..=-0.25).contains(&found), "{found}");
        let sine = |graph: &mut Graph, t| graph.unary(crate::graph::op::Unary::Sin, t);
        let found = least(sine, (-3.0, 3.0)).unwrap();
        assert!((-1.0 - 1e-11..=-1.0).contains(&found), "{found}");
    }

    /// At the kink of `relu(t)^2` the second derivative jumps.
    #[test]
    fn a_kink_is_refused() {
        let kinked = |graph: &mut Graph, t| {
            let relu = graph.unary(crate::graph::op::Unary::Relu, t);
            graph.square(relu)
        };
        assert_eq!(least(kinked, (-1.0, 1.0)), None);
        assert!(least(kinked, (1.0, 2.0)).is_some());
    }
}
