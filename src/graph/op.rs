//! The table of operations: every operation of a [`Graph`](super::Graph) stands here once, with its
//! spelling in expressions, its arity and its domain.
//!
//! Operations come in a few families so that each evaluator matches on a family completely, without
//! a catch-all arm: a new elementary function is one variant and one row here, one rule in
//! `gradient`/`jvp`, and one line per evaluator; the compiler lists what is missing.

/// An exact rational exponent `num/den` in lowest terms, `den >= 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exponent {
    /// Numerator, of either sign.
    pub num: i32,
    /// Denominator, at least 1.
    pub den: u32,
}

/// Elementwise functions of one argument.
///
/// `Step` is 0 below zero and 1 above; at zero it is the Clarke set `[0, 1]` for the rigorous
/// evaluators, and for floating point the value that its field states (Burn's convention).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unary {
    /// `-x`
    Neg,
    /// `e^x`
    Exp,
    /// natural logarithm, defined for `x > 0`
    Log,
    /// `log(1 + x)`, defined for `x > -1`
    Log1p,
    /// square root, defined for `x >= 0`
    Sqrt,
    /// `|x|`
    Abs,
    /// sine
    Sin,
    /// cosine
    Cos,
    /// hyperbolic tangent
    Tanh,
    /// `1/(1 + e^-x)`
    Sigmoid,
    /// `-log(1 + e^-x)`; `softplus(x) = -log_sigmoid(-x)`
    LogSigmoid,
    /// error function
    Erf,
    /// `max(x, 0)`
    Relu,
    /// derivative of `abs`: -1, 1, and `[-1, 1]` at zero (floating point: 0)
    Sign,
    /// derivative of `relu`: 0, 1, and `[0, 1]` at zero (floating point: 0)
    Step,
    /// the same as [`Unary::Step`] with the floating-point convention 1 at zero; for ties of `max`, `min`
    StepRight,
    /// `x^(num/den)`. `den = 1`: every `x` (not zero when `num < 0`); otherwise `x >= 0`
    /// (`x > 0` when `num < 0`). `0^0 = 1`.
    Pow(Exponent),
}

/// Elementwise functions of two arguments, with numpy's broadcasting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`, defined for `b != 0`
    Div,
    /// the larger of the two
    Max,
    /// the smaller of the two
    Min,
    /// `leaky_relu(x, slope)`: `x` above zero, `slope * x` below
    LeakyRelu,
    /// derivative of `leaky_relu` in `x`: 1 above zero, `slope` below, the hull of both at zero
    /// (floating point: 1, Burn's convention)
    LeakyStep,
}

/// Reductions that remove one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reduction {
    /// sum of the entries
    Sum,
    /// largest entry
    Max,
    /// `log(sum(exp(x)))`
    LogSumExp,
}

/// Functions of a whole axis that keep the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Along {
    /// `exp(x_i) / sum_j exp(x_j)`: derivative of `logsumexp`
    Softmax,
    /// derivative of `max`: 1 at the largest entry (the first of several in floating point; the
    /// Clarke set, inside `[0, 1]`, for the rigorous evaluators), 0 elsewhere
    ArgMax,
}

/// What a node reads from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// the parameter point `w`, flat, shape `[p]`
    W,
    /// the comparator `v`, flat, shape `[p]`
    V,
    /// a gradient that an outside engine (Burn's autodiff) supplies, shape `[p]`; the number is the
    /// position in the list of requested gradients
    Gradient(u32),
    /// the numbers of one example of a population, flat
    Example,
}

/// One operation of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// a free input
    Input(Input),
    /// a constant of the graph's table, by position
    Constant(u32),
    /// the number pi
    Pi,
    /// elementwise, one argument
    Unary(Unary),
    /// elementwise, two arguments, broadcasting
    Binary(Binary),
    /// matrix product over the last two axes, leading axes broadcast; both ranks at least 2
    MatMul,
    /// reduction that removes the axis
    Reduce(Reduction, usize),
    /// function along the axis, shape kept
    Along(Along, usize),
    /// same entries in row-major order, the node's shape
    Reshape,
    /// numpy's broadcasting to the node's shape
    Broadcast,
    /// axes permuted: axis `i` of the result is axis `perm[i]` of the argument
    Permute(Vec<usize>),
    /// entries `start, start + step, ...` of an axis, as many as the node's shape has; `step` may be
    /// negative
    Slice { axis: usize, start: usize, step: isize },
    /// adjoint of `Slice`: zeros of the node's shape with the argument written at those entries
    Unslice { axis: usize, start: usize, step: isize },
    /// arguments one after the other along an axis
    Concat(usize),
}

/// Where a function is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// every real number
    Total,
    /// only some arguments
    Partial,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// spelling in expressions, error messages and Unicode printing
    pub name: &'static str,
    /// name in LaTeX
    pub latex: &'static str,
    /// number of arguments; 0 stands for "any" in `Concat`
    pub arity: usize,
    /// where it is defined
    pub domain: Domain,
    /// whether the function is continuous on its domain
    pub continuous: bool,
}

const fn row(name: &'static str, latex: &'static str, arity: usize, domain: Domain, continuous: bool) -> Row {
    Row {
        name,
        latex,
        arity,
        domain,
        continuous,
    }
}

impl Unary {
    /// The functions that an expression may call with one argument by their table name.
    pub const CALLABLE: [Unary; 13] = [
        Unary::Exp,
        Unary::Log,
        Unary::Log1p,
        Unary::Sqrt,
        Unary::Abs,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::LogSigmoid,
        Unary::Erf,
        Unary::Relu,
        Unary::Sign,
    ];

    /// The row of the table.
    pub const fn row(self) -> Row {
        use Domain::{Partial, Total};
        match self {
            Unary::Neg => row("-", "-", 1, Total, true),
            Unary::Exp => row("exp", r"\exp", 1, Total, true),
            Unary::Log => row("log", r"\log", 1, Partial, true),
            Unary::Log1p => row("log1p", r"\operatorname{log1p}", 1, Partial, true),
            Unary::Sqrt => row("sqrt", r"\sqrt", 1, Partial, true),
            Unary::Abs => row("abs", r"\operatorname{abs}", 1, Total, true),
            Unary::Sin => row("sin", r"\sin", 1, Total, true),
            Unary::Cos => row("cos", r"\cos", 1, Total, true),
            Unary::Tanh => row("tanh", r"\tanh", 1, Total, true),
            Unary::Sigmoid => row("sigmoid", r"\operatorname{sigmoid}", 1, Total, true),
            Unary::LogSigmoid => row("log_sigmoid", r"\operatorname{logsigmoid}", 1, Total, true),
            Unary::Erf => row("erf", r"\operatorname{erf}", 1, Total, true),
            Unary::Relu => row("relu", r"\operatorname{relu}", 1, Total, true),
            Unary::Sign => row("sign", r"\operatorname{sign}", 1, Total, false),
            Unary::Step => row("step", r"\operatorname{step}", 1, Total, false),
            Unary::StepRight => row("step", r"\operatorname{step}", 1, Total, false),
            Unary::Pow(Exponent { num, den }) => row(
                "^",
                "^",
                1,
                if num >= 0 && den == 1 { Total } else { Partial },
                true,
            ),
        }
    }
}

impl Binary {
    /// The row of the table.
    pub const fn row(self) -> Row {
        use Domain::{Partial, Total};
        match self {
            Binary::Add => row("+", "+", 2, Total, true),
            Binary::Sub => row("-", "-", 2, Total, true),
            Binary::Mul => row("*", r"\cdot", 2, Total, true),
            Binary::Div => row("/", "/", 2, Partial, true),
            Binary::Max => row("max", r"\max", 2, Total, true),
            Binary::Min => row("min", r"\min", 2, Total, true),
            Binary::LeakyRelu => row("leaky_relu", r"\operatorname{leakyrelu}", 2, Total, true),
            Binary::LeakyStep => row("leaky_step", r"\operatorname{leakystep}", 2, Total, false),
        }
    }
}

impl Reduction {
    /// The row of the table.
    pub const fn row(self) -> Row {
        match self {
            Reduction::Sum => row("sum", r"\sum", 1, Domain::Total, true),
            Reduction::Max => row("max", r"\max", 1, Domain::Total, true),
            Reduction::LogSumExp => row("logsumexp", r"\operatorname{logsumexp}", 1, Domain::Total, true),
        }
    }
}

impl Along {
    /// The row of the table.
    pub const fn row(self) -> Row {
        match self {
            Along::Softmax => row("softmax", r"\operatorname{softmax}", 1, Domain::Total, true),
            Along::ArgMax => row("argmax", r"\operatorname{argmax}", 1, Domain::Total, false),
        }
    }
}

impl Op {
    /// The row of the table.
    pub const fn row(&self) -> Row {
        use Domain::Total;
        match self {
            Op::Input(_) => row("input", "", 0, Total, true),
            Op::Constant(_) => row("constant", "", 0, Total, true),
            Op::Pi => row("pi", r"\pi", 0, Total, true),
            Op::Unary(op) => op.row(),
            Op::Binary(op) => op.row(),
            Op::MatMul => row("@", "", 2, Total, true),
            Op::Reduce(op, _) => op.row(),
            Op::Along(op, _) => op.row(),
            Op::Reshape => row("reshape", r"\operatorname{reshape}", 1, Total, true),
            Op::Broadcast => row("broadcast", r"\operatorname{broadcast}", 1, Total, true),
            Op::Permute(_) => row("transpose", r"\operatorname{transpose}", 1, Total, true),
            Op::Slice { .. } => row("slice", r"\operatorname{slice}", 1, Total, true),
            Op::Unslice { .. } => row("unslice", r"\operatorname{unslice}", 1, Total, true),
            Op::Concat(_) => row("concat", r"\operatorname{concat}", 0, Total, true),
        }
    }
}
