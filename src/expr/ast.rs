//! The syntax of an expression as an arena: children stand before their parents, so that every walk
//! is a loop and nothing is recursive, however long the expression.

use std::ops::Range;

use dashu_ratio::RBig;

/// Position of a node in [`Expr::nodes`].
pub type ExprId = usize;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// all nodes, children before parents; each node has one parent, except the root
    pub nodes: Vec<Node>,
    /// the whole expression
    pub root: ExprId,
}

/// One node and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// what it is
    pub kind: Kind,
    /// bytes of the text, parentheses round the node left out
    pub span: Range<usize>,
}

/// Infix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Infix {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// `a @ b`, the matrix product
    MatMul,
    /// `a ^ b`
    Pow,
}

impl Infix {
    /// As written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Infix::Add => "+",
            Infix::Sub => "-",
            Infix::Mul => "*",
            Infix::Div => "/",
            Infix::MatMul => "@",
            Infix::Pow => "^",
        }
    }
}

/// One position of an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// one entry: the axis disappears
    At(ExprId),
    /// `start:stop:step`, each optional
    Slice {
        /// first entry
        start: Option<ExprId>,
        /// one past the last entry
        stop: Option<ExprId>,
        /// distance, not zero
        step: Option<ExprId>,
    },
}

/// A call such as `f(w)` or `sum(x, axis=0)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// the function
    pub name: String,
    /// bytes of the name
    pub name_span: Range<usize>,
    /// arguments by position
    pub args: Vec<ExprId>,
    /// the argument `axis=`
    pub axis: Option<ExprId>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// an exact number
    Number(RBig),
    /// a name
    Name(String),
    /// `-x`
    Neg(ExprId),
    /// `a + b` and so on
    Binary(Infix, ExprId, ExprId),
    /// `x.T`
    Transpose(ExprId),
    /// `x[...]`
    Index(ExprId, Vec<Item>),
    /// `f(...)`
    Call(Call),
    /// `grad(f)(point)`
    Gradient {
        /// name of the function
        function: String,
        /// bytes of that name
        function_span: Range<usize>,
        /// where the gradient is taken
        point: ExprId,
    },
}

/// The relation of an inequality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `lhs >= rhs`
    AtLeast,
    /// `lhs <= rhs`
    AtMost,
}

/// `lhs >= rhs` or `lhs <= rhs`, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Inequality {
    /// left of the sign
    pub lhs: Expr,
    /// the sign
    pub relation: Relation,
    /// right of the sign
    pub rhs: Expr,
}

impl Expr {
    /// A node by its position.
    pub fn node(&self, id: ExprId) -> &Node {
        &self.nodes[id]
    }
}
