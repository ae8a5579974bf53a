//! Derivatives of the elementwise functions, used by both [`super::gradient`] and [`super::jvp`].
//!
//! At a kink the derivative is an operation (`step`, `sign`, `leaky_step`) whose rigorous enclosure
//! there is the whole Clarke subdifferential. These operations themselves have derivative zero: that
//! is right almost everywhere, and nothing rigorous rests on second derivatives at a kink.

use super::op::{Binary, Exponent, Unary};
use super::{Graph, NodeId};

/// `d op(x)/dx`, where `y = op(x)`; `None` for zero.
pub(super) fn unary(graph: &mut Graph, op: Unary, x: NodeId, y: NodeId) -> Option<NodeId> {
    Some(match op {
        Unary::Neg => graph.integer(-1),
        Unary::Exp => y,
        Unary::Log => reciprocal(graph, x),
        Unary::Log1p => {
            let one = graph.integer(1);
            let sum = graph.add(one, x);
            reciprocal(graph, sum)
        }
        Unary::Sqrt => {
            let two = graph.integer(2);
            let twice = graph.mul(two, y);
            reciprocal(graph, twice)
        }
        Unary::Abs => graph.unary(Unary::Sign, x),
        Unary::Sin => graph.unary(Unary::Cos, x),
        Unary::Cos => {
            let sin = graph.unary(Unary::Sin, x);
            graph.neg(sin)
        }
        Unary::Tanh => {
            let square = graph.square(y);
            one_minus(graph, square)
        }
        // s(x) s(-x): no cancellation for large |x|
        Unary::Sigmoid => {
            let mirrored = sigmoid_of_negative(graph, x);
            graph.mul(y, mirrored)
        }
        Unary::LogSigmoid => sigmoid_of_negative(graph, x),
        // 2/sqrt(pi) e^(-x^2)
        Unary::Erf => {
            let pi = graph.pi();
            let root = graph.unary(Unary::Sqrt, pi);
            let two = graph.integer(2);
            let factor = graph.div(two, root);
            let square = graph.square(x);
            let negative = graph.neg(square);
            let exp = graph.unary(Unary::Exp, negative);
            graph.mul(factor, exp)
        }
        Unary::Relu => graph.unary(Unary::Step, x),
        Unary::Sign | Unary::Step | Unary::StepRight => return None,
        Unary::Pow(Exponent { num, den }) => {
            if num == 0 {
                return None;
            }
            let factor = graph.fraction(i64::from(num), i64::from(den));
            let power = graph.pow(x, num - den as i32, den);
            graph.mul(factor, power)
        }
    })
}

/// `(dy/da, dy/db)` of `y = op(a, b)`, broadcast shapes; `None` for zero.
pub(super) fn binary(
    graph: &mut Graph,
    op: Binary,
    a: NodeId,
    b: NodeId,
    y: NodeId,
) -> (Option<NodeId>, Option<NodeId>) {
    match op {
        Binary::Add => {
            let one = graph.integer(1);
            (Some(one), Some(one))
        }
        Binary::Sub => (Some(graph.integer(1)), Some(graph.integer(-1))),
        Binary::Mul => (Some(b), Some(a)),
        Binary::Div => {
            let inverse = reciprocal(graph, b);
            let share = graph.mul(y, inverse);
            (Some(inverse), Some(graph.neg(share)))
        }
        Binary::Max => {
            let difference = graph.sub(a, b);
            chooser(graph, difference)
        }
        Binary::Min => {
            let difference = graph.sub(b, a);
            chooser(graph, difference)
        }
        Binary::LeakyRelu => {
            let step = graph.binary(Binary::LeakyStep, a, b);
            let negative = graph.neg(a);
            let below = graph.unary(Unary::Relu, negative);
            (Some(step), Some(graph.neg(below)))
        }
        Binary::LeakyStep => {
            let step = graph.unary(Unary::StepRight, a);
            (None, Some(one_minus(graph, step)))
        }
    }
}

/// Weights of the two arguments of `max`: the first where `difference >= 0`, else the second.
fn chooser(graph: &mut Graph, difference: NodeId) -> (Option<NodeId>, Option<NodeId>) {
    let first = graph.unary(Unary::StepRight, difference);
    (Some(first), Some(one_minus(graph, first)))
}

fn reciprocal(graph: &mut Graph, x: NodeId) -> NodeId {
    let one = graph.integer(1);
    graph.div(one, x)
}

fn one_minus(graph: &mut Graph, x: NodeId) -> NodeId {
    let one = graph.integer(1);
    graph.sub(one, x)
}

fn sigmoid_of_negative(graph: &mut Graph, x: NodeId) -> NodeId {
    let negative = graph.neg(x);
    graph.unary(Unary::Sigmoid, negative)
}
