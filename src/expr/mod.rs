//! The expression language of a case: text to syntax ([`parser`], [`ast`]), syntax to nodes of the
//! [`Graph`](crate::graph::Graph) ([`scope`], [`elaborate`]),
//! and syntax to LaTeX ([`latex()`]).
//!
//! Errors carry the bytes of the expression that they are about; the case maps them into its file.
//! `docs/expressions.md` is the reference for people.

pub mod ast;
pub mod elaborate;
pub mod functions;
mod index;
mod latex;
pub mod lexer;
pub mod parser;
pub mod scope;

use std::fmt;
use std::ops::Range;

pub use ast::{Expr, Inequality, Relation};
pub use functions::{FUNCTIONS, FunctionRow};
pub use latex::{latex, latex_inequality};
pub use parser::{parse, parse_inequality};
pub use scope::{Context, Gradients, Scope};

/// Most tokens of one expression.
pub const MAX_TOKENS: usize = 100_000;
/// Deepest nesting of parentheses, calls, signs and powers.
pub const MAX_NESTING: usize = 200;
/// Most digits of one number.
pub const MAX_DIGITS: usize = 10_000;
/// Largest power of ten, of either sign, that a number may be written with.
pub const MAX_EXPONENT: usize = 4096;
/// Longest name, in characters.
pub const MAX_NAME: usize = 64;
/// Most entries of one array, intermediate results included.
pub const MAX_ENTRIES: usize = 1 << 24;
/// Most axes of one array.
pub const MAX_RANK: usize = 4;
/// Most operations that the expressions of one case may build.
pub const MAX_NODES: usize = 200_000;
/// Most entries of all arrays together that the expressions of one case build: it bounds the memory
/// of every evaluation.
pub const MAX_TOTAL_ENTRIES: usize = 1 << 24;
/// Most nodes that applying definitions to points may visit, over one case.
pub const MAX_WALK: usize = 1 << 29;
/// Largest numerator and denominator of a power that stays a power; see [`functions::power`].
pub const MAX_POWER: u32 = 10_000;

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// what is wrong
    pub message: String,
    /// bytes of the expression that it is about
    pub span: Range<usize>,
    /// what would have been right
    pub expected: Option<String>,
}

impl ExprError {
    /// An error about some bytes of the expression.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        ExprError {
            message: message.into(),
            span,
            expected: None,
        }
    }

    /// The same error, saying what would have been right.
    pub fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.expected {
            Some(expected) => write!(f, " (expected {expected})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ExprError {}
