//! Inequalities of two points, written out, that say no more than that curvatures lie between bounds.
//!
//! The slack is looked at as a polynomial in the coordinates of both points, in the values of functions there
//! and in their gradients, each a variable of its own. Where its normal form is that of one of the patterns
//! below, the two are equal whatever the functions are. Nothing is told by numbers.

use dashu_base::{Sign, Signed, SquareRootRem, UnsignedAbs};
use dashu_ratio::RBig;

use super::convexity::{Convexity, between, without_square};
use crate::eval::tensor::Evaluator;
use crate::graph::op::{Binary, Input, Op};
use crate::graph::{GradientRequest, Graph, NodeId};
use crate::symbolic::{FormId, Symbolic};

/// Most parameters: there are a few variables for each.
const MAX_DIMENSION: usize = 64;
/// Most gradients in one inequality.
const MAX_REQUESTS: usize = 4;
/// Scalar operations of a slack whose functions are variables, at most.
const MAX_OPERATIONS: u64 = 100_000;

/// The functions whose convexity proves an inequality with this slack, in which gradients are inputs.
///
/// With `d` the difference of the two points, in either order:
///
/// - `sum_j c_j (f_j(v) - f_j(w) - <grad f_j(w), v - w>) + a|d|^2`: `F = sum_j c_j f_j + a|w|^2`, whose
///   own such difference it is.
/// - `a|d|^2 + b <grad f(w) - grad f(v), w - v> + c|grad f(w) - grad f(v)|^2` with `c <= 0`: the eigenvalues
///   `x` of the Hessian of `f` lie where `a + b x + c x^2 >= 0`, which is an interval.
///
/// `docs/soundness.md` has the proofs.
pub(super) fn convexity(
    graph: &mut Graph,
    slack: NodeId,
    requests: &[GradientRequest],
    dimension: usize,
) -> Option<Convexity> {
    if dimension > MAX_DIMENSION || requests.is_empty() || requests.len() > MAX_REQUESTS {
        return None;
    }
    let slack = Slack::new(graph, slack, requests, dimension)?;
    for base in [Input::W, Input::V] {
        if let Some(found) = slack.clone().of_differences(graph, base) {
            return Some(found);
        }
    }
    slack.of_gradients(graph)
}

/// The slack with its functions as variables.
#[derive(Clone)]
struct Slack {
    arena: Symbolic,
    form: FormId,
    dimension: usize,
    requests: Vec<GradientRequest>,
    /// coordinates of `w` and of `v`
    points: [Vec<FormId>; 2],
    /// entries of each gradient
    gradients: Vec<Vec<FormId>>,
    /// value of each gradient's function at `w` and at `v`
    values: Vec<[FormId; 2]>,
    /// the nodes of `w` and `v`
    nodes: [NodeId; 2],
}

impl Slack {
    fn new(
        graph: &mut Graph,
        slack: NodeId,
        requests: &[GradientRequest],
        dimension: usize,
    ) -> Option<Slack> {
        let nodes = [graph.input(Input::W, dimension), graph.input(Input::V, dimension)];
        let values = Input::Gradient(requests.len() as u32);
        let stand_in = graph.input(values, 2 * requests.len());
        let mut map = Vec::new();
        for (number, request) in requests.iter().enumerate() {
            for (side, &point) in nodes.iter().enumerate() {
                let value = graph.substitute(request.function, &[(Input::W, point)]);
                let entry = graph.slice(stand_in, 0, 2 * number + side, 1, 1);
                let entry = graph.reshape(entry, &[]);
                map.push((value, entry));
                // a multiple of a multiple is one product in the graph
                if let Some((factor, core)) = multiple(graph, value) {
                    let inverse = graph.rational(RBig::ONE / factor);
                    map.push((core, graph.mul(inverse, entry)));
                }
            }
        }
        let slack = graph.replace(slack, &map);
        let mut evaluator = Evaluator::new(graph, &[slack], Symbolic::expanding(true));
        if evaluator.operations() > MAX_OPERATIONS {
            return None;
        }
        let mut numbers = 0..;
        let mut variables = |count: usize| -> Vec<FormId> {
            let arena = evaluator.arithmetic();
            let numbers = numbers.by_ref().take(count);
            numbers.map(|number| arena.variable(number)).collect()
        };
        let points = [variables(dimension), variables(dimension)];
        let gradients: Vec<Vec<FormId>> = requests.iter().map(|_| variables(dimension)).collect();
        let tokens = variables(2 * requests.len());
        let mut inputs: Vec<(Input, &[FormId])> =
            vec![(Input::W, &points[0]), (Input::V, &points[1]), (values, &tokens)];
        for (number, entries) in gradients.iter().enumerate() {
            inputs.push((Input::Gradient(number as u32), entries));
        }
        evaluator.run(&inputs);
        let form = evaluator.root(0)[0];
        let arena = std::mem::take(evaluator.arithmetic());
        (!arena.exhausted()).then(|| Slack {
            arena,
            form,
            dimension,
            requests: requests.to_vec(),
            points,
            gradients,
            values: tokens.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect(),
            nodes,
        })
    }

    /// The coefficient of a product of variables.
    fn coefficient(&mut self, a: FormId, b: Option<FormId>) -> RBig {
        let product = b.map_or(a, |b| self.arena.mul(a, b));
        let [(monomial, _)] = self.arena.form(product).terms[..] else {
            return RBig::ZERO;
        };
        let found = self.arena.form(self.form).coefficient(monomial).cloned();
        found.unwrap_or(RBig::ZERO)
    }

    /// `factor * <x, y>`, term by term.
    fn inner(&mut self, factor: &RBig, x: &[FormId], y: &[FormId]) -> FormId {
        let products: Vec<FormId> = x.iter().zip(y).map(|(&x, &y)| self.arena.mul(x, y)).collect();
        let parts: Vec<(RBig, FormId)> = products.into_iter().map(|form| (factor.clone(), form)).collect();
        self.arena.combine(&parts)
    }

    fn difference(&mut self, x: &[FormId], y: &[FormId]) -> Vec<FormId> {
        x.iter().zip(y).map(|(&x, &y)| self.arena.sub(x, y)).collect()
    }

    /// Whether the slack is the sum of some forms.
    fn is_sum_of(&mut self, parts: &[FormId]) -> bool {
        let sum = parts.iter().fold(None, |sum, &part| match sum {
            None => Some(part),
            Some(sum) => Some(self.arena.add(sum, part)),
        });
        !self.arena.exhausted() && sum == Some(self.form)
    }

    /// The first pattern, with all gradients at the point `base`.
    fn of_differences(mut self, graph: &mut Graph, base: Input) -> Option<Convexity> {
        let (here, there) = if base == Input::W { (0, 1) } else { (1, 0) };
        if self
            .requests
            .iter()
            .any(|request| request.point != self.nodes[here])
        {
            return None;
        }
        let (from, to) = (self.points[here].clone(), self.points[there].clone());
        let step = self.difference(&to, &from);
        let square = self.coefficient(from[0], Some(from[0]));
        let mut parts = vec![self.inner(&square, &step, &step)];
        let mut function = graph.integer(0);
        for number in 0..self.requests.len() {
            let values = self.values[number];
            let factor = self.coefficient(values[there], None);
            let gain = self.arena.sub(values[there], values[here]);
            parts.push(self.arena.scale(gain, &factor));
            let gradient = self.gradients[number].clone();
            parts.push(self.inner(&-factor.clone(), &gradient, &step));
            let factor = graph.rational(factor);
            let term = graph.mul(factor, self.requests[number].function);
            function = graph.add(function, term);
        }
        if !self.is_sum_of(&parts) {
            return None;
        }
        let rate = graph.rational(RBig::from(-2) * square);
        Some(Convexity {
            functions: vec![without_square(graph, function, rate, self.dimension)],
            // kinks that cancel in the sum do not in the slack
            smooth: self.requests.iter().map(|request| request.function).collect(),
            loss: Some(RBig::ONE / RBig::from(2)),
            nonnegative: Vec::new(),
            surplus: None,
            least_at_v: false,
        })
    }

    /// The second pattern.
    fn of_gradients(mut self, graph: &mut Graph) -> Option<Convexity> {
        let [first, second] = self.requests[..] else {
            return None;
        };
        if first.function != second.function || first.point == second.point {
            return None;
        }
        // in the order of the gradients
        let place = |point: NodeId| self.nodes.iter().position(|node| *node == point);
        let (from, to) = (place(first.point)?, place(second.point)?);
        let (from, to) = (self.points[from].clone(), self.points[to].clone());
        let (at_from, at_to) = (self.gradients[0].clone(), self.gradients[1].clone());
        let a = self.coefficient(from[0], Some(from[0]));
        let b = self.coefficient(at_from[0], Some(from[0]));
        let c = self.coefficient(at_from[0], Some(at_from[0]));
        let step = self.difference(&from, &to);
        let change = self.difference(&at_from, &at_to);
        let parts = [
            self.inner(&a, &step, &step),
            self.inner(&b, &change, &step),
            self.inner(&c, &change, &change),
        ];
        if !self.is_sum_of(&parts) {
            return None;
        }
        let (least, most, slope) = where_nonnegative(&a, &b, &c)?;
        let mut constant = |value: Option<RBig>| value.map(|value| graph.rational(value));
        let (least, most) = (constant(least), constant(most));
        Some(Convexity {
            functions: between(graph, first.function, least, most, self.dimension),
            smooth: vec![first.function],
            // at `rho` beyond an end the polynomial is at least `-slope rho + c rho^2`
            loss: Some(slope - c),
            nonnegative: Vec::new(),
            surplus: None,
            least_at_v: false,
        })
    }
}

/// The interval where `a + b x + c x^2 >= 0`, with the size of the slope at its ends; `None` where it is none,
/// or has ends that are no fractions.
fn where_nonnegative(a: &RBig, b: &RBig, c: &RBig) -> Option<(Option<RBig>, Option<RBig>, RBig)> {
    if c.is_zero() {
        let end = (!b.is_zero()).then(|| -a.clone() / b)?;
        return Some(if b.is_positive() {
            (Some(end), None, b.clone())
        } else {
            (None, Some(end), -b.clone())
        });
    }
    if c.is_positive() {
        return None;
    }
    let slope = root(&(b * b - RBig::from(4) * a * c))?;
    let twice = RBig::from(2) * c;
    let least = (-b.clone() + &slope) / &twice;
    let most = (-b.clone() - &slope) / &twice;
    Some((Some(least), Some(most), slope))
}

/// The square root of a fraction, where it is one.
fn root(square: &RBig) -> Option<RBig> {
    if square.sign() == Sign::Negative {
        return None;
    }
    let (numerator, over) = square.numerator().unsigned_abs().sqrt_rem();
    let (denominator, under) = square.denominator().sqrt_rem();
    (over.is_zero() && under.is_zero()).then(|| RBig::from(numerator) / RBig::from(denominator))
}

/// A node as a rational multiple, not 0, of one that is none.
fn multiple(graph: &Graph, id: NodeId) -> Option<(RBig, NodeId)> {
    let node = graph.node(id);
    if node.op != Op::Binary(Binary::Mul) {
        return None;
    }
    let (a, b) = (node.args[0], node.args[1]);
    let found = match (graph.as_rational(a), graph.as_rational(b)) {
        (Some(factor), None) => (factor.clone(), b),
        (None, Some(factor)) => (factor.clone(), a),
        _ => return None,
    };
    (!found.0.is_zero()).then_some(found)
}
