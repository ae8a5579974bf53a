//! The slack at a witness as a Python program that needs numpy only: one line for each node of the slack's graph,
//! derivatives included, in binary64.

use dashu_ratio::RBig;

use crate::claim::Claim;
use crate::engine::search::Witness;
use crate::graph::op::{Along, Binary, Exponent, Input, Op, Reduction, Unary};
use crate::graph::{Constant, Graph, NodeId, size};

/// Numbers that a program holds at most, those of the witness included.
pub const MAX_NUMBERS: usize = 8192;
/// Lines that a program has at most.
const MAX_LINES: usize = 2000;
/// Below this a slack may drown in the rounding errors of binary64.
const ROUNDING: f64 = 1e-12;

/// The functions that numpy has not, by name; those that a program uses stand at its head.
const HELPERS: &[(&str, &str)] = &[
    (
        "sigmoid",
        "def sigmoid(x):\n    e = np.exp(-np.abs(x))\n    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))\n",
    ),
    (
        "log_sigmoid",
        "def log_sigmoid(x):\n    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))\n",
    ),
    ("erf", "erf = np.vectorize(math.erf, otypes=[float])\n"),
    (
        "logsumexp",
        "def logsumexp(x, axis):\n    m = x.max(axis=axis, keepdims=True)\n    \
         return np.squeeze(m, axis) + np.log(np.exp(x - m).sum(axis=axis))\n",
    ),
    (
        "softmax",
        "def softmax(x, axis):\n    e = np.exp(x - x.max(axis=axis, keepdims=True))\n    \
         return e / e.sum(axis=axis, keepdims=True)\n",
    ),
    (
        "first_largest",
        "def first_largest(x, axis):\n    out = np.zeros(x.shape)\n    \
         np.put_along_axis(out, np.expand_dims(x.argmax(axis=axis), axis), 1.0, axis)\n    return out\n",
    ),
    (
        "spread",
        "def spread(x, shape, axis, places):\n    out = np.zeros(shape)\n    \
         out[(slice(None),) * axis + (list(places),)] = x\n    return out\n",
    ),
];

/// Whether binary64 arithmetic may not show the sign of the slack at the witness.
pub fn is_below_rounding(witness: &Witness) -> bool {
    witness.slack[1].abs() < ROUNDING
}

/// The program.
///
/// # Errors
/// A sentence that says why there is none: too many numbers or lines.
pub fn program(claim: &Claim, witness: &Witness) -> Result<String, String> {
    let graph = &claim.graph;
    let needed = graph.reachable(&[claim.slack]);
    let ids: Vec<NodeId> = graph.ids().filter(|id| needed[id.index()]).collect();
    let numbers: usize =
        ids.iter().map(|&id| stored(graph, id)).sum::<usize>() + witness.w.len() + witness.v.len();
    if numbers > MAX_NUMBERS || ids.len() > MAX_LINES {
        return Err(format!(
            "The program is left out: it would hold {numbers} numbers in {} lines, more than the {MAX_NUMBERS} numbers or \
             the {MAX_LINES} lines that fit on a page. The command verify makes the same check.",
            ids.len()
        ));
    }
    let mut body = String::new();
    let used = |input: Input| ids.iter().any(|&id| graph.node(id).op == Op::Input(input));
    for (name, input, side) in [("w", Input::W, &witness.w), ("v", Input::V, &witness.v)] {
        if used(input) {
            body.push_str(&format!(
                "{name} = np.array([{}])\n",
                side.iter()
                    .map(|x| float_literal(x))
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
    }
    for &id in &ids {
        let node = graph.node(id);
        if matches!(node.op, Op::Input(_)) {
            continue;
        }
        let args: Vec<String> = node.args.iter().map(|&arg| name(graph, arg)).collect();
        let formula = formula(graph, id, &args)?;
        let said = claim.names.iter().find(|(_, named)| *named == id);
        let comment = said.map_or(String::new(), |(said, _)| format!("  # {}", identifier(said)));
        body.push_str(&format!("{} = {formula}{comment}\n", name(graph, id)));
    }
    let slack = name(graph, claim.slack);
    let mut head = String::new();
    if body.contains("erf(") {
        head.push_str("import math\n");
    }
    head.push_str("import numpy as np\n\n");
    let uses = |helper: &str| body.contains(&format!("= {helper}("));
    for (_, text) in HELPERS.iter().filter(|(helper, _)| uses(helper)) {
        head.push_str(text);
        head.push('\n');
    }
    let [lo, hi] = witness.slack;
    Ok(format!(
        "{head}# the witness, in exact decimals\n{body}\nprint(\"slack\", float({slack}))\n\
         # the certificate: between {lo:e} and {hi:e}\n"
    ))
}

/// Numbers that a node writes into the program.
fn stored(graph: &Graph, id: NodeId) -> usize {
    match graph.node(id).op {
        Op::Constant(_) => size(graph.shape(id)),
        _ => 0,
    }
}

/// A node's variable.
fn name(graph: &Graph, id: NodeId) -> String {
    match graph.node(id).op {
        Op::Input(Input::W) => "w".to_owned(),
        Op::Input(Input::V) => "v".to_owned(),
        _ => format!("t{}", id.index()),
    }
}

/// What a comment may hold.
fn identifier(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric() || "_ []:,'".contains(*c))
        .collect()
}

/// What a node computes from the variables of its arguments.
fn formula(graph: &Graph, id: NodeId, args: &[String]) -> Result<String, String> {
    let node = graph.node(id);
    let shape = tuple(&node.shape);
    let arg = |number: usize| args[number].as_str();
    Ok(match &node.op {
        Op::Input(_) => {
            return Err("The program is left out: the slack reads a gradient from outside.".to_owned());
        }
        Op::Constant(position) => constant(graph.constant(*position), &shape, node.shape.is_empty()),
        Op::Pi => "np.float64(np.pi)".to_owned(),
        Op::Unary(op) => unary(*op, arg(0)),
        Op::Binary(op) => binary(*op, arg(0), arg(1)),
        Op::MatMul => format!("{} @ {}", arg(0), arg(1)),
        Op::Reduce(Reduction::Sum, axis) => format!("{}.sum(axis={axis})", arg(0)),
        Op::Reduce(Reduction::Max, axis) => format!("{}.max(axis={axis})", arg(0)),
        Op::Reduce(Reduction::LogSumExp, axis) => format!("logsumexp({}, {axis})", arg(0)),
        Op::Along(Along::Softmax, axis) => format!("softmax({}, {axis})", arg(0)),
        Op::Along(Along::ArgMax, axis) => format!("first_largest({}, {axis})", arg(0)),
        Op::Reshape => format!("np.reshape({}, {shape})", arg(0)),
        Op::Broadcast => format!("np.broadcast_to({}, {shape})", arg(0)),
        Op::Permute(perm) => format!("np.transpose({}, {})", arg(0), tuple(perm)),
        Op::Slice { axis, start, step } => {
            let places = places(*start, *step, node.shape[*axis]);
            format!("np.take({}, {places}, axis={axis})", arg(0))
        }
        Op::Unslice { axis, start, step } => {
            let places = places(*start, *step, graph.shape(node.args[0])[*axis]);
            format!("spread({}, {shape}, {axis}, {places})", arg(0))
        }
        Op::Concat(axis) => format!("np.concatenate([{}], axis={axis})", args.join(", ")),
    })
}

/// The entries `start, start + step, ...`, `count` of them, as a Python range.
fn places(start: usize, step: isize, count: usize) -> String {
    let end = start as isize + step * count as isize;
    format!("range({start}, {end}, {step})")
}

/// As [`crate::eval::float`] computes it, values at kinks included.
fn unary(op: Unary, x: &str) -> String {
    match op {
        Unary::Neg => format!("-{x}"),
        Unary::Exp => format!("np.exp({x})"),
        Unary::Log => format!("np.log({x})"),
        Unary::Log1p => format!("np.log1p({x})"),
        Unary::Sqrt => format!("np.sqrt({x})"),
        Unary::Abs => format!("np.abs({x})"),
        Unary::Sin => format!("np.sin({x})"),
        Unary::Cos => format!("np.cos({x})"),
        Unary::Tanh => format!("np.tanh({x})"),
        Unary::Sigmoid => format!("sigmoid({x})"),
        Unary::LogSigmoid => format!("log_sigmoid({x})"),
        Unary::Erf => format!("erf({x})"),
        Unary::Relu => format!("np.maximum({x}, 0)"),
        Unary::Sign => format!("np.sign({x})"),
        Unary::Step => format!("np.where({x} > 0, 1.0, 0.0)"),
        Unary::StepRight => format!("np.where({x} >= 0, 1.0, 0.0)"),
        Unary::Pow(Exponent { num, den: 1 }) => format!("np.float_power({x}, {num})"),
        Unary::Pow(Exponent { num, den }) => format!("np.float_power({x}, {num} / {den})"),
    }
}

/// As [`unary`], of two arguments.
fn binary(op: Binary, x: &str, y: &str) -> String {
    match op {
        Binary::Add => format!("{x} + {y}"),
        Binary::Sub => format!("{x} - {y}"),
        Binary::Mul => format!("{x} * {y}"),
        Binary::Div => format!("{x} / {y}"),
        Binary::Max => format!("np.maximum({x}, {y})"),
        Binary::Min => format!("np.minimum({x}, {y})"),
        Binary::LeakyRelu => format!("np.where({x} < 0, {y} * {x}, {x})"),
        Binary::LeakyStep => format!("np.where({x} >= 0, 1.0, {y})"),
    }
}

/// The entries of a constant, each rounded once.
fn constant(constant: &Constant, shape: &str, scalar: bool) -> String {
    let entries: Vec<String> = match constant {
        Constant::Rational(x) => vec![rational(x)],
        Constant::Exact(all) => all.iter().map(rational).collect(),
        Constant::Data(all) => all.iter().map(|x| format!("{x:?}")).collect(),
    };
    if scalar {
        format!("np.float64({})", entries.join(", "))
    } else {
        format!("np.array([{}]).reshape({shape})", entries.join(", "))
    }
}

/// A fraction: Python divides integers with one rounding.
fn rational(x: &RBig) -> String {
    let (numerator, denominator) = (x.numerator().to_string(), x.denominator().to_string());
    if numerator.len() + denominator.len() > 60 {
        format!("{:?}", x.to_f64().value())
    } else if denominator == "1" {
        format!("{numerator}.0")
    } else {
        format!("{numerator} / {denominator}")
    }
}

/// A plain decimal of a witness, which Python rounds once.
fn float_literal(decimal: &str) -> String {
    if decimal.contains('.') {
        decimal.to_owned()
    } else {
        format!("{decimal}.0")
    }
}

fn tuple(sizes: &[usize]) -> String {
    match sizes {
        [one] => format!("({one},)"),
        many => format!(
            "({})",
            many.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
        ),
    }
}
