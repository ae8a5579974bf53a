//! Sums of ridge functions: `F(w) = constant + sum_k psi_k(<a_k, w>)`, as losses over data with a linear model are.
//!
//! The Hessian is `sum_k psi_k''(<a_k, w>) a_k a_k^T`. With `l_k` the least value of `psi_k''` over the range of its
//! argument, it is at least the one matrix `sum_k l_k a_k a_k^T`, for all points of the box together: nothing is
//! split but the ranges of single variables. An enclosure entry by entry loses the sign of `a_k a_k^T`.
//!
//! A term `-c logsumexp_j(<b_j, w>)`, `c > 0`, is no function of one variable, and has a matrix of this kind below its
//! Hessian all the same: `-(c/2) sum_j (b_j - b)(b_j - b)^T` with the mean `b` of the `b_j` (Boehning 1992).

use std::collections::BTreeMap;

use dashu_base::{Abs, Signed};
use dashu_ratio::RBig;

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
use crate::symbolic::{Atom, FormId, MonomialId, Symbolic};

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
    let sum = Ridges::new(claim, function, question, &mut arithmetic)?;
    let mut fixed = Triangle::zero(dimension, &mut arithmetic);
    // for `c > 0` the term is convex
    for (coefficient, directions) in sum
        .joint
        .iter()
        .filter(|(coefficient, _)| coefficient.is_negative())
    {
        let share = arithmetic.rational(&(coefficient / RBig::from(2)));
        for direction in directions {
            fixed.add(
                &share,
                &exact(direction, dimension, &mut arithmetic),
                &mut arithmetic,
            );
        }
    }
    let mut ridges = Vec::new();
    for ridge in sum.ridges {
        let direction = exact(&ridge.direction, dimension, &mut arithmetic);
        let second = Second::new(ridge.graph, ridge.function, ridge.range, arithmetic.clone());
        ridges.push((direction, second));
    }
    if !affordable(ridges.iter().map(|(_, second)| second)) {
        return None;
    }
    let allowance = arithmetic.rational(&question.allowance);
    for precision in PRECISIONS {
        let mut least_hessian = fixed.clone();
        // what sharper bounds could add to every eigenvalue
        let mut hope = allowance.clone();
        for (direction, second) in &mut ridges {
            let least = second.least(precision)?;
            let square = arithmetic.dot(direction.iter().zip(&*direction));
            let gap = arithmetic.float(2.0 * precision * least.abs());
            let gap = arithmetic.binary(Binary::Mul, &gap, &square);
            hope = arithmetic.binary(Binary::Add, &hope, &gap);
            let least = arithmetic.float(least);
            least_hessian.add(&least, direction, &mut arithmetic);
        }
        if least_hessian.is_nonnegative_with(&allowance, &mut arithmetic) {
            return Some(());
        }
        if !least_hessian.is_nonnegative_with(&hope, &mut arithmetic) {
            return None;
        }
    }
    None
}

/// A number `L` with `<d, Hess F(w) d> <= L max |d_i|^2` for all `d` and all points of the box, where `F` is such a sum:
/// `<a, d>^2 <= |a|_1^2 max |d_i|^2`, and for `logsumexp` the variance of the numbers `<b_j, d>` is at most a quarter of the
/// square of their range.
pub fn curvature_in_largest_size<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    function: NodeId,
    question: &Question,
    mut arithmetic: A,
) -> Option<A::Value> {
    let sum = Ridges::new(claim, function, question, &mut arithmetic)?;
    let mut seconds = Vec::new();
    for mut ridge in sum.ridges {
        let mirrored = ridge.graph.neg(ridge.function);
        let second = Second::new(ridge.graph, mirrored, ridge.range, arithmetic.clone());
        seconds.push((size(&ridge.direction), second));
    }
    if !affordable(seconds.iter().map(|(_, second)| second)) {
        return None;
    }
    let mut bound = arithmetic.float(0.0);
    for (size, second) in &mut seconds {
        let most = arithmetic.float((-second.least(PRECISIONS[1])?).max(0.0));
        let share = arithmetic.rational(&(&*size * &*size));
        let share = arithmetic.binary(Binary::Mul, &most, &share);
        bound = arithmetic.binary(Binary::Add, &bound, &share);
    }
    for (coefficient, directions) in sum
        .joint
        .iter()
        .filter(|(coefficient, _)| coefficient.is_positive())
    {
        let mut widest = RBig::ZERO;
        for (number, first) in directions.iter().enumerate() {
            for second in &directions[..number] {
                let mut difference = first.clone();
                for (&coordinate, entry) in second {
                    *difference.entry(coordinate).or_default() -= entry;
                }
                widest = widest.max(size(&difference));
            }
        }
        let share = arithmetic.rational(&(coefficient * &widest * &widest / RBig::from(4)));
        bound = arithmetic.binary(Binary::Add, &bound, &share);
    }
    Some(bound)
}

/// A function as a sum of ridge functions and multiples of `logsumexp`, up to a constant.
struct Ridges {
    ridges: Vec<Ridge>,
    /// multiples of `logsumexp_j(<b_j, w> + c_j)` with the directions `b_j - b`
    joint: Vec<(RBig, Vec<Direction>)>,
}

/// A function of one linear form.
struct Ridge {
    direction: Direction,
    range: (f64, f64),
    graph: Graph,
    function: NodeId,
}

impl Ridges {
    /// Takes a function apart that is defined on the box of the question, like its gradient, and has no jump there.
    fn new<A: RigorousArithmetic + Clone>(
        claim: &Claim,
        function: NodeId,
        question: &Question,
        arithmetic: &mut A,
    ) -> Option<Ridges> {
        let dimension = claim.dimension;
        let mut graph = claim.graph.clone();
        let mut roots = question.gradients(&mut graph, function, dimension);
        roots.push(function);
        let point = values(&question.ranges, arithmetic);
        let flags = Evaluator::new(&graph, &roots, arithmetic.clone()).run(&[(Input::W, &point)]);
        if !(flags.defined && flags.continuous) {
            return None;
        }
        let (mut arena, forms) = scalars(
            &claim.graph,
            &[function],
            &[Input::W],
            dimension,
            Symbolic::default(),
        )?;
        let mut joint = Vec::new();
        let mut rest = arena.form(forms[0][0]).terms.clone();
        rest.retain(|(monomial, coefficient)| match log_sum_exp(&arena, *monomial) {
            Some(directions) => {
                joint.push((coefficient.clone(), directions));
                false
            }
            None => true,
        });
        let rest = arena.sum_of_terms(&rest);
        let cut = Cut::new(arena, rest)?;
        if cut.cone.is_some() {
            return None;
        }
        let mut ridges = Vec::new();
        for part in &cut.parts {
            let &[lifted] = &part.lifted[..] else {
                return None;
            };
            let direction = coefficients(&cut.arena, lifted)?;
            let along = exact(&direction, dimension, arithmetic);
            let range = arithmetic.dot(along.iter().zip(&point));
            let mut graph = Graph::new();
            let function = part.arena.emit(&mut graph, part.function, 1);
            ridges.push(Ridge {
                direction,
                range: arithmetic.ends(&range),
                graph,
                function,
            });
        }
        Some(Ridges { ridges, joint })
    }
}

/// Whether the bounds of some second derivatives are within the limit on the work.
fn affordable<'a, A: RigorousArithmetic + Clone + 'a>(seconds: impl Iterator<Item = &'a Second<A>>) -> bool {
    let operations: u64 = seconds.map(Second::operations).sum();
    operations * PIECES as u64 <= MAX_WORK
}

/// The sum of sizes of a direction's entries.
fn size(direction: &Direction) -> RBig {
    direction
        .values()
        .fold(RBig::ZERO, |sum, x| sum + x.clone().abs())
}

/// The lower triangle of a symmetric matrix, in enclosures.
#[derive(Clone)]
struct Triangle<V>(Vec<Vec<V>>);

impl<V: Clone> Triangle<V> {
    fn zero<A: RigorousArithmetic<Value = V>>(dimension: usize, arithmetic: &mut A) -> Self {
        let zero = arithmetic.float(0.0);
        Triangle((1..=dimension).map(|length| vec![zero.clone(); length]).collect())
    }

    /// Adds `weight * direction * direction^T`.
    fn add<A: RigorousArithmetic<Value = V>>(&mut self, weight: &V, direction: &[V], arithmetic: &mut A) {
        for (row, entry) in self.0.iter_mut().zip(direction) {
            let scaled = arithmetic.binary(Binary::Mul, weight, entry);
            for (sum, other) in row.iter_mut().zip(direction) {
                let share = arithmetic.binary(Binary::Mul, &scaled, other);
                *sum = arithmetic.binary(Binary::Add, sum, &share);
            }
        }
    }

    /// Whether it is positive semidefinite after `raise` times the identity is added.
    fn is_nonnegative_with<A: RigorousArithmetic<Value = V>>(&self, raise: &V, arithmetic: &mut A) -> bool {
        let mut rows = self.0.clone();
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = arithmetic.binary(Binary::Add, &row[i], raise);
        }
        eliminate(rows, arithmetic)
    }
}

/// Coefficients of coordinates, by their numbers.
type Direction = BTreeMap<usize, RBig>;

fn exact<A: RigorousArithmetic>(
    direction: &Direction,
    dimension: usize,
    arithmetic: &mut A,
) -> Vec<A::Value> {
    let zero = RBig::ZERO;
    (0..dimension)
        .map(|number| arithmetic.rational(direction.get(&number).unwrap_or(&zero)))
        .collect()
}

/// The coefficients of an affine form.
fn coefficients(arena: &Symbolic, form: FormId) -> Option<Direction> {
    let terms = arena.form(form).terms.iter();
    terms
        .map(|(monomial, coefficient)| Some((arena.as_variable(*monomial)? as usize, coefficient.clone())))
        .collect()
}

/// The directions `b_j - b` of a `logsumexp_j(<b_j, w> + c_j)`, where the monomial is one.
fn log_sum_exp(arena: &Symbolic, monomial: MonomialId) -> Option<Vec<Direction>> {
    let &[(atom, 1)] = &arena.factors(monomial)[..] else {
        return None;
    };
    let Atom::LogSumExp(forms) = arena.atom(atom) else {
        return None;
    };
    let mut directions: Vec<Direction> = forms
        .iter()
        .map(|form| coefficients(arena, *form))
        .collect::<Option<_>>()?;
    let mut mean = Direction::new();
    for (&coordinate, coefficient) in directions.iter().flatten() {
        *mean.entry(coordinate).or_default() += coefficient / RBig::from(forms.len());
    }
    for direction in &mut directions {
        for (&coordinate, coefficient) in &mean {
            *direction.entry(coordinate).or_default() -= coefficient;
        }
    }
    Some(directions)
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
