//! The functions that an expression may call, in one table, and what each builds.
//!
//! Every shape is checked here before a node is built, since the builders of the graph trust theirs.

use dashu_base::Signed;
use dashu_ratio::RBig;

use super::{MAX_ENTRIES, MAX_POWER, MAX_RANK};
use crate::graph::build::{broadcast, matmul_shape};
use crate::graph::op::{Along, Binary, Exponent, Op, Reduction, Unary};
use crate::graph::{Graph, NodeId, Shape, size};

/// What a function builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// elementwise, one argument
    Unary(Unary),
    /// elementwise, two arguments
    Binary(Binary),
    /// `log(1 + exp(x))`
    Softplus,
    /// `x * (1 + erf(x/sqrt(2)))/2`
    Gelu,
    /// sum of the entries
    Sum,
    /// mean of the entries
    Mean,
    /// largest entry, or the larger of two
    Max,
    /// smallest entry, or the smaller of two
    Min,
    /// `log(sum(exp(x)))`
    LogSumExp,
    /// `exp(x) / sum(exp(x))` along an axis
    Softmax,
    /// `log(softmax(x))`
    LogSoftmax,
    /// inner product
    Dot,
    /// Euclidean norm
    Norm,
    /// one after the other
    Concat,
    /// the same entries under another shape
    Reshape,
}

/// One row of the table of functions.
#[derive(Clone, Copy, Debug)]
pub struct FunctionRow {
    /// as called; reserved
    pub name: &'static str,
    /// the arguments, for people
    pub arguments: &'static str,
    /// fewest arguments by position
    pub fewest: usize,
    /// most arguments by position
    pub most: usize,
    /// whether `axis=` may be given
    pub axis: bool,
    /// one line for people
    pub summary: &'static str,
    /// what it builds
    pub function: Function,
}

const fn elementwise(op: Unary, summary: &'static str) -> FunctionRow {
    plain(op.row().name, "x", 1, summary, Function::Unary(op))
}

const fn plain(
    name: &'static str,
    arguments: &'static str,
    arity: usize,
    summary: &'static str,
    function: Function,
) -> FunctionRow {
    FunctionRow {
        name,
        arguments,
        fewest: arity,
        most: arity,
        axis: false,
        summary,
        function,
    }
}

const fn along(name: &'static str, summary: &'static str, function: Function) -> FunctionRow {
    FunctionRow {
        name,
        arguments: "x[, k]",
        fewest: 1,
        most: 2,
        axis: true,
        summary,
        function,
    }
}

/// Every function, in the order of the reference. Their names are reserved.
pub const FUNCTIONS: &[FunctionRow] = &[
    elementwise(Unary::Exp, "e^x"),
    elementwise(Unary::Log, "natural logarithm, x > 0"),
    elementwise(Unary::Log1p, "log(1 + x), x > -1"),
    elementwise(Unary::Sqrt, "square root, x >= 0"),
    elementwise(Unary::Abs, "absolute value"),
    elementwise(Unary::Sin, "sine"),
    elementwise(Unary::Cos, "cosine"),
    elementwise(Unary::Tanh, "hyperbolic tangent"),
    elementwise(Unary::Sigmoid, "1/(1 + e^-x)"),
    elementwise(Unary::LogSigmoid, "log(sigmoid(x))"),
    plain("softplus", "x", 1, "log(1 + e^x)", Function::Softplus),
    elementwise(Unary::Erf, "error function"),
    plain("gelu", "x", 1, "x*(1 + erf(x/sqrt(2)))/2", Function::Gelu),
    elementwise(Unary::Relu, "max(x, 0)"),
    plain(
        "leaky_relu",
        "x, s",
        2,
        "x above zero, s*x below",
        Function::Binary(Binary::LeakyRelu),
    ),
    elementwise(
        Unary::Sign,
        "-1 below zero, 1 above, every value of [-1, 1] at zero",
    ),
    elementwise(
        Unary::Step,
        "0 below zero, 1 above, every value of [0, 1] at zero",
    ),
    plain(
        "leaky_step",
        "x, s",
        2,
        "s below zero, 1 above, every value between at zero",
        Function::Binary(Binary::LeakyStep),
    ),
    along("sum", "sum of all entries, or over axis k", Function::Sum),
    along("mean", "mean of all entries, or over axis k", Function::Mean),
    FunctionRow {
        name: "max",
        arguments: "x[, axis=k] or x, y",
        fewest: 1,
        most: 2,
        axis: true,
        summary: "largest entry, of all or over axis k; or the larger of x and y, elementwise",
        function: Function::Max,
    },
    FunctionRow {
        name: "min",
        arguments: "x[, axis=k] or x, y",
        fewest: 1,
        most: 2,
        axis: true,
        summary: "smallest entry, of all or over axis k; or the smaller of x and y, elementwise",
        function: Function::Min,
    },
    along(
        "logsumexp",
        "log(sum(exp(x))) over all entries, or over axis k",
        Function::LogSumExp,
    ),
    along(
        "softmax",
        "exp(x)/sum(exp(x)) along axis k, the last if not given",
        Function::Softmax,
    ),
    along(
        "log_softmax",
        "log(softmax(x)) along axis k, the last if not given",
        Function::LogSoftmax,
    ),
    plain(
        "dot",
        "x, y",
        2,
        "inner product of two arrays of one size",
        Function::Dot,
    ),
    plain("norm", "x", 1, "Euclidean norm of all entries", Function::Norm),
    FunctionRow {
        name: "concat",
        arguments: "x, y, ...[, axis=k]",
        fewest: 1,
        most: usize::MAX,
        axis: true,
        summary: "arrays one after the other along axis k, the first if not given",
        function: Function::Concat,
    },
    FunctionRow {
        name: "reshape",
        arguments: "x, n, m, ...",
        fewest: 2,
        most: 1 + MAX_RANK,
        axis: false,
        summary: "the same entries, row by row, with n, m, ... as sizes",
        function: Function::Reshape,
    },
];

/// The row of a function by its name.
pub fn find(name: &str) -> Option<&'static FunctionRow> {
    FUNCTIONS.iter().find(|row| row.name == name)
}

/// `[2, 3]`, or `scalar`.
pub fn shape_text(shape: &[usize]) -> String {
    if shape.is_empty() {
        "scalar".to_owned()
    } else {
        format!("{shape:?}")
    }
}

/// Refuses a shape with an empty axis, too many axes or too many entries.
pub fn check_shape(shape: &[usize]) -> Result<(), String> {
    if shape.len() > MAX_RANK {
        return Err(format!(
            "an array of shape {shape:?} has more than {MAX_RANK} axes"
        ));
    }
    if shape.contains(&0) {
        return Err(format!("an array of shape {shape:?} has no entries"));
    }
    let entries = shape
        .iter()
        .try_fold(1usize, |product, &n| product.checked_mul(n));
    if entries.is_none_or(|entries| entries > MAX_ENTRIES) {
        return Err(format!(
            "an array of shape {shape:?} has more than {MAX_ENTRIES} entries"
        ));
    }
    Ok(())
}

/// The value of a node that is an exact integer.
pub fn as_integer(graph: &Graph, id: NodeId) -> Option<i64> {
    let value = graph.as_rational(id)?;
    if !value.is_int() {
        return None;
    }
    i64::try_from(value.numerator()).ok()
}

/// An axis of a shape; negative ones count from the last.
pub fn axis_of(graph: &Graph, x: NodeId, axis: NodeId) -> Result<usize, String> {
    let shape = graph.shape(x);
    let given = as_integer(graph, axis).ok_or("an axis is an integer constant")?;
    let counted = if given < 0 {
        given.saturating_add(shape.len() as i64)
    } else {
        given
    };
    usize::try_from(counted)
        .ok()
        .filter(|&axis| axis < shape.len())
        .ok_or_else(|| {
            format!(
                "there is no axis {given} in an array of shape {}",
                shape_text(shape)
            )
        })
}

/// An elementwise operation, its shapes checked.
pub fn binary(graph: &mut Graph, op: Binary, a: NodeId, b: NodeId) -> Result<NodeId, String> {
    let shape = broadcast(graph.shape(a), graph.shape(b)).ok_or_else(|| {
        let (a, b) = (shape_text(graph.shape(a)), shape_text(graph.shape(b)));
        format!("the shapes {a} and {b} do not broadcast")
    })?;
    check_shape(&shape)?;
    if op == Binary::Div && graph.as_rational(b).is_some_and(RBig::is_zero) {
        return Err("division by zero".to_owned());
    }
    Ok(graph.binary(op, a, b))
}

/// An elementwise function, refused for a constant outside its domain.
pub fn unary(graph: &mut Graph, op: Unary, x: NodeId) -> Result<NodeId, String> {
    if let Some(value) = graph.as_rational(x) {
        let undefined = match op {
            Unary::Log => !value.is_positive(),
            Unary::Log1p => *value <= RBig::from(-1),
            Unary::Sqrt => value.is_negative(),
            Unary::Pow(Exponent { num, den }) => {
                (num < 0 && value.is_zero()) || (den > 1 && value.is_negative())
            }
            Unary::Neg
            | Unary::Exp
            | Unary::Abs
            | Unary::Sin
            | Unary::Cos
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::LogSigmoid
            | Unary::Erf
            | Unary::Relu
            | Unary::Sign
            | Unary::Step
            | Unary::StepRight => false,
        };
        if undefined {
            let written = match op {
                Unary::Pow(Exponent { num, den: 1 }) => format!("({value})^({num})"),
                Unary::Pow(Exponent { num, den }) => format!("({value})^({num}/{den})"),
                _ => format!("{}({value})", op.row().name),
            };
            return Err(format!("{written} is not defined"));
        }
    }
    Ok(graph.unary(op, x))
}

/// `base ^ exponent`.
///
/// A rational exponent with numerator and denominator up to [`MAX_POWER`] is a power; every other is
/// `exp(exponent * log(base))`, which needs `base > 0`. The power of a square root of squares, such
/// as `norm(x)^2`, is taken of the squares: `sqrt(s)^c = s^(c/2)` for `s >= 0`.
pub fn power(graph: &mut Graph, base: NodeId, exponent: NodeId) -> Result<NodeId, String> {
    if base == euler(graph) {
        return Ok(graph.unary(Unary::Exp, exponent));
    }
    let Some(value) = graph.as_rational(exponent).cloned() else {
        return power_by_log(graph, base, exponent);
    };
    let (root, value) = match root_of_squares(graph, base) {
        Some(squares) => (squares, value / RBig::from(2)),
        None => (base, value),
    };
    let num = i32::try_from(value.numerator())
        .ok()
        .filter(|num| num.unsigned_abs() <= MAX_POWER);
    let den = u32::try_from(value.denominator())
        .ok()
        .filter(|&den| den <= MAX_POWER);
    match (num, den) {
        (Some(num), Some(den)) => unary(graph, Unary::Pow(Exponent { num, den }), root),
        _ if value.is_int() => Err(format!("an integer exponent is at most {MAX_POWER} in size")),
        _ => power_by_log(graph, base, exponent),
    }
}

/// `e`, as `exp(1)`.
pub fn euler(graph: &mut Graph) -> NodeId {
    let one = graph.integer(1);
    graph.unary(Unary::Exp, one)
}

fn power_by_log(graph: &mut Graph, base: NodeId, exponent: NodeId) -> Result<NodeId, String> {
    let log = unary(graph, Unary::Log, base)?;
    let product = binary(graph, Binary::Mul, exponent, log)?;
    Ok(graph.unary(Unary::Exp, product))
}

/// `s` where the node is `sqrt(s)` and `s` is visibly a square or a sum of squares.
fn root_of_squares(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = graph.node(id);
    if node.op != Op::Unary(Unary::Sqrt) {
        return None;
    }
    let mut inner = node.args[0];
    loop {
        let node = graph.node(inner);
        match node.op {
            Op::Reduce(Reduction::Sum, _) | Op::Reshape | Op::Broadcast => inner = node.args[0],
            Op::Unary(Unary::Pow(Exponent { num, den: 1 })) if num % 2 == 0 => {
                return Some(graph.node(id).args[0]);
            }
            _ => return None,
        }
    }
}

/// `a @ b` as numpy has it: a first argument of one axis is a row, a second a column.
pub fn matmul(graph: &mut Graph, a: NodeId, b: NodeId) -> Result<NodeId, String> {
    let (left, right) = (
        Shape::from_slice(graph.shape(a)),
        Shape::from_slice(graph.shape(b)),
    );
    if left.is_empty() || right.is_empty() {
        return Err("`@` multiplies arrays of at least one axis; write `*` for a scalar".to_owned());
    }
    if left.len() == 1 && left == right {
        return Ok(graph.dot(a, b));
    }
    let row: Shape = if left.len() == 1 {
        Shape::from_slice(&[1, left[0]])
    } else {
        left.clone()
    };
    let column: Shape = if right.len() == 1 {
        Shape::from_slice(&[right[0], 1])
    } else {
        right.clone()
    };
    let mut shape = matmul_shape(&row, &column).ok_or_else(|| {
        format!(
            "`@` does not fit the shapes {} and {}",
            shape_text(&left),
            shape_text(&right)
        )
    })?;
    check_shape(&shape)?;
    // the products of the derivatives have the shapes of the arguments, leading axes broadcast
    let batch = shape.len() - 2;
    for matrix in [&row, &column] {
        let mut widened = Shape::from_slice(&shape[..batch]);
        widened.extend_from_slice(&matrix[matrix.len() - 2..]);
        check_shape(&widened)?;
    }
    let (a, b) = (graph.reshape(a, &row), graph.reshape(b, &column));
    let product = graph.matmul(a, b);
    if right.len() == 1 {
        shape.pop();
    }
    if left.len() == 1 {
        shape.remove(batch);
    }
    Ok(graph.reshape(product, &shape))
}

/// All axes in the reverse order, as numpy's `.T`.
pub fn transpose(graph: &mut Graph, x: NodeId) -> NodeId {
    let perm: Vec<usize> = (0..graph.shape(x).len()).rev().collect();
    graph.permute(x, &perm)
}

/// Inner product of two arrays of one shape; one of them may be flat.
pub fn dot(graph: &mut Graph, a: NodeId, b: NodeId) -> Result<NodeId, String> {
    let (left, right) = (graph.shape(a), graph.shape(b));
    let flat = left.len() <= 1 || right.len() <= 1;
    if left != right && !(flat && size(left) == size(right)) {
        let (a, b) = (shape_text(left), shape_text(right));
        return Err(format!("`dot` does not fit the shapes {a} and {b}"));
    }
    let (a, b) = (graph.flatten(a), graph.flatten(b));
    Ok(graph.dot(a, b))
}

fn reduce(graph: &mut Graph, op: Reduction, x: NodeId, axis: Option<usize>) -> NodeId {
    match axis {
        Some(axis) => graph.reduce(op, x, axis),
        None => graph.reduce_all(op, x),
    }
}

/// Builds the call of a function whose number of arguments has been checked.
pub fn build(
    graph: &mut Graph,
    row: &FunctionRow,
    args: &[NodeId],
    axis: Option<NodeId>,
) -> Result<NodeId, String> {
    let x = args[0];
    let pair = matches!(row.function, Function::Max | Function::Min) && args.len() == 2;
    if pair && axis.is_some() {
        return Err(format!("`{}` of two arrays takes no axis", row.name));
    }
    let positional = row.axis && !pair && args.len() == 2 && row.function != Function::Concat;
    if positional && axis.is_some() {
        return Err("the axis is given twice".to_owned());
    }
    let axis = if positional { Some(args[1]) } else { axis };
    let axis = axis.map(|axis| axis_of(graph, x, axis)).transpose()?;
    match row.function {
        Function::Unary(op) => unary(graph, op, x),
        Function::Binary(op) => binary(graph, op, x, args[1]),
        Function::Softplus => Ok(graph.softplus(x)),
        Function::Gelu => Ok(graph.gelu(x)),
        Function::Sum => Ok(reduce(graph, Reduction::Sum, x, axis)),
        Function::Mean => {
            let sum = reduce(graph, Reduction::Sum, x, axis);
            let count = size(graph.shape(x)) / size(graph.shape(sum));
            let share = graph.fraction(1, count as i64);
            Ok(graph.mul(share, sum))
        }
        Function::Max if pair => binary(graph, Binary::Max, x, args[1]),
        Function::Min if pair => binary(graph, Binary::Min, x, args[1]),
        Function::Max => Ok(reduce(graph, Reduction::Max, x, axis)),
        Function::Min => {
            let negative = graph.neg(x);
            let largest = reduce(graph, Reduction::Max, negative, axis);
            Ok(graph.neg(largest))
        }
        Function::LogSumExp => Ok(reduce(graph, Reduction::LogSumExp, x, axis)),
        Function::Softmax => {
            let axis = axis.map_or_else(|| last_axis(graph, x, row), Ok)?;
            Ok(graph.along(Along::Softmax, x, axis))
        }
        Function::LogSoftmax => {
            let axis = axis.map_or_else(|| last_axis(graph, x, row), Ok)?;
            let mut kept = Shape::from_slice(graph.shape(x));
            kept[axis] = 1;
            let total = graph.reduce(Reduction::LogSumExp, x, axis);
            let total = graph.reshape(total, &kept);
            Ok(graph.sub(x, total))
        }
        Function::Dot => dot(graph, x, args[1]),
        Function::Norm => {
            let squared = graph.squared_norm(x);
            Ok(graph.unary(Unary::Sqrt, squared))
        }
        Function::Concat => concat(graph, args, axis.unwrap_or(0)),
        Function::Reshape => reshape(graph, x, &args[1..]),
    }
}

fn last_axis(graph: &Graph, x: NodeId, row: &FunctionRow) -> Result<usize, String> {
    let rank = graph.shape(x).len();
    rank.checked_sub(1)
        .ok_or_else(|| format!("`{}` of a scalar", row.name))
}

fn concat(graph: &mut Graph, args: &[NodeId], axis: usize) -> Result<NodeId, String> {
    let parts: Vec<NodeId> = args
        .iter()
        .map(|&part| {
            if graph.shape(part).is_empty() {
                graph.reshape(part, &[1])
            } else {
                part
            }
        })
        .collect();
    let mut shape = Shape::from_slice(graph.shape(parts[0]));
    shape[axis] = 0;
    for &part in &parts {
        let other = graph.shape(part);
        if other.len() != shape.len() || (0..shape.len()).any(|i| i != axis && other[i] != shape[i]) {
            let first = shape_text(graph.shape(parts[0]));
            return Err(format!(
                "`concat` does not fit the shapes {first} and {}",
                shape_text(other)
            ));
        }
        shape[axis] += other[axis];
    }
    check_shape(&shape)?;
    Ok(graph.concat(&parts, axis))
}

fn reshape(graph: &mut Graph, x: NodeId, sizes: &[NodeId]) -> Result<NodeId, String> {
    let mut shape = Shape::new();
    for &given in sizes {
        let positive = as_integer(graph, given)
            .and_then(|n| usize::try_from(n).ok())
            .filter(|&n| n > 0);
        shape.push(positive.ok_or("the sizes of `reshape` are positive integer constants")?);
    }
    check_shape(&shape)?;
    if size(&shape) != size(graph.shape(x)) {
        let from = shape_text(graph.shape(x));
        return Err(format!(
            "`reshape` cannot turn {from} into {}",
            shape_text(&shape)
        ));
    }
    Ok(graph.reshape(x, &shape))
}
