//! Exact rationals: the values of constant expressions where they are rational, such as the bounds
//! of a box, the centre of a ball or a fixed comparator `s * V`.

use dashu_ratio::RBig;

use super::tensor::Evaluator;
use super::{Arithmetic, Flags};
use crate::graph::fold;
use crate::graph::op::{Binary, Unary};
use crate::graph::{Graph, NodeId};

/// Numbers that are rational and small enough, or `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactArithmetic;

/// The exact entries of a constant node, or `None` where some entry is not (found to be) rational.
pub fn exact_values(graph: &Graph, id: NodeId) -> Option<Vec<RBig>> {
    if graph.is_variable(id) {
        return None;
    }
    let evaluator = Evaluator::new(graph, &[id], ExactArithmetic);
    evaluator.root(0).iter().cloned().collect()
}

impl Arithmetic for ExactArithmetic {
    type Value = Option<RBig>;

    fn rational(&mut self, x: &RBig) -> Option<RBig> {
        Some(x.clone())
    }

    fn float(&mut self, x: f64) -> Option<RBig> {
        RBig::try_from(x).ok()
    }

    fn pi(&mut self) -> Option<RBig> {
        None
    }

    fn unary(&mut self, op: Unary, x: &Option<RBig>) -> Option<RBig> {
        fold::unary(op, x.as_ref()?)
    }

    fn binary(&mut self, op: Binary, x: &Option<RBig>, y: &Option<RBig>) -> Option<RBig> {
        fold::binary(op, x.as_ref()?, y.as_ref()?)
    }

    fn dot<'a>(
        &mut self,
        mut pairs: impl Iterator<Item = (&'a Option<RBig>, &'a Option<RBig>)>,
    ) -> Option<RBig> {
        pairs.try_fold(RBig::ZERO, |sum, (x, y)| Some(sum + x.as_ref()? * y.as_ref()?))
    }

    fn sum<'a>(&mut self, mut entries: impl Iterator<Item = &'a Option<RBig>>) -> Option<RBig> {
        entries.try_fold(RBig::ZERO, |sum, x| Some(sum + x.as_ref()?))
    }

    fn max(&mut self, entries: &[Option<RBig>]) -> Option<RBig> {
        let all: Option<Vec<&RBig>> = entries.iter().map(Option::as_ref).collect();
        all?.into_iter().max().cloned()
    }

    fn log_sum_exp(&mut self, _: &[Option<RBig>]) -> Option<RBig> {
        None
    }

    fn softmax(&mut self, _: &[Option<RBig>], out: &mut [Option<RBig>]) {
        out.fill(None);
    }

    fn arg_max(&mut self, _: &[Option<RBig>], out: &mut [Option<RBig>]) {
        out.fill(None);
    }

    fn take_flags(&mut self) -> Flags {
        Flags::default()
    }
}
