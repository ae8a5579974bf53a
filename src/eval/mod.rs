//! Evaluators of a [`Graph`](crate::graph::Graph): one walk over the graph ([`tensor`]), several
//! arithmetics.
//!
//! An [`Arithmetic`] says what each elementary operation means on its numbers; [`tensor::Evaluator`]
//! does shapes, broadcasting and reductions once for all of them.

pub mod bulk;
pub mod checker;
pub mod contract;
pub mod exact;
pub mod float;
pub mod interval;
pub mod lanes;
pub mod stages;
pub mod tensor;

use dashu_ratio::RBig;

use crate::graph::op::{Binary, Unary};

/// Numbers and the meaning of each elementary operation on them.
///
/// The rigorous arithmetics return a set that contains every value of the exact operation over the
/// argument sets; where an operation is undefined on part of its argument they return an enclosure
/// of the defined part and say so through [`Arithmetic::take_flags`].
pub trait Arithmetic {
    /// One number, or one enclosure of a number.
    type Value: Clone + std::fmt::Debug + 'static;

    /// An exact rational.
    fn rational(&mut self, x: &RBig) -> Self::Value;
    /// A binary64 number, taken exactly. Finite.
    fn float(&mut self, x: f64) -> Self::Value;
    /// The number pi.
    fn pi(&mut self) -> Self::Value;
    /// An elementwise function of one argument.
    fn unary(&mut self, op: Unary, x: &Self::Value) -> Self::Value;
    /// An elementwise function of two arguments.
    fn binary(&mut self, op: Binary, x: &Self::Value, y: &Self::Value) -> Self::Value;
    /// `sum_i x_i * y_i`, the inner product behind the matrix product.
    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a Self::Value, &'a Self::Value)>) -> Self::Value
    where
        Self::Value: 'a;
    /// Sum of the entries; zero for none.
    fn sum<'a>(&mut self, entries: impl Iterator<Item = &'a Self::Value>) -> Self::Value
    where
        Self::Value: 'a;
    /// Largest entry; at least one.
    fn max(&mut self, entries: &[Self::Value]) -> Self::Value;
    /// `log(sum(exp(x)))`; at least one entry.
    fn log_sum_exp(&mut self, entries: &[Self::Value]) -> Self::Value;
    /// `exp(x_i)/sum_j exp(x_j)` for every i, written to `out` (same length).
    fn softmax(&mut self, entries: &[Self::Value], out: &mut [Self::Value]);
    /// Indicator of the largest entry (see [`crate::graph::op::Along::ArgMax`]), written to `out`.
    fn arg_max(&mut self, entries: &[Self::Value], out: &mut [Self::Value]);
    /// What happened since the last call, and forgets it.
    fn take_flags(&mut self) -> Flags;
}

/// What a rigorous evaluation met on its way. Both start `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// every operation was defined on the whole of its argument
    pub defined: bool,
    /// every operation was continuous on the whole of its argument
    pub continuous: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Flags {
            defined: true,
            continuous: true,
        }
    }
}

/// An [`Arithmetic`] whose values enclose the exact ones.
pub trait RigorousArithmetic: Arithmetic {
    /// Every number of the enclosure is `>= bound`.
    fn at_least(&self, x: &Self::Value, bound: &RBig) -> bool;
    /// Every number of the enclosure is `< bound`.
    fn below(&self, x: &Self::Value, bound: &RBig) -> bool;
    /// The smallest enclosure that holds both.
    fn hull(&self, x: &Self::Value, y: &Self::Value) -> Self::Value;
    /// The ends as binary64 numbers, rounded outward.
    fn ends(&self, x: &Self::Value) -> (f64, f64);
}
