//! Groups of nodes that are evaluated over the same boxes, later ones only where they are asked for: a function, its
//! gradient, its Hessian.

use smallvec::SmallVec;

use super::interval::{Interval, IntervalArithmetic};
use super::lanes::Lanes;
use super::tensor::Evaluator;
use super::{Arithmetic, Flags};
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};

/// Evaluates stages of roots in an arithmetic; the coordinates of all inputs stand one after the other.
pub trait Stages<A: Arithmetic>: Clone {
    /// Prepares the stages; `inputs` gives the number of entries of each input, and boxes can be announced at `places`.
    fn new(
        graph: &Graph,
        inputs: &[(Input, usize)],
        stages: &[Vec<NodeId>],
        places: usize,
        arithmetic: &A,
    ) -> Self;
    /// Announces boxes that will be asked for, at a place. It changes no result.
    fn expect(&mut self, place: usize, boxes: &[Vec<A::Value>]);
    /// Evaluates a stage.
    fn run(&mut self, stage: usize, entries: &[A::Value]) -> Flags;
    /// Entries of a root after the last run of its stage.
    fn root(&self, stage: usize, number: usize) -> &[A::Value];
    /// Scalar operations of an evaluation, see [`Evaluator::operations`].
    fn operations(&self, stage: usize) -> u64;
}

/// An evaluator for each stage.
#[derive(Clone, Debug)]
pub struct Separate<A: Arithmetic> {
    inputs: SmallVec<[(Input, usize); 2]>,
    evaluators: Vec<Evaluator<A>>,
}

impl<A: Arithmetic + Clone> Stages<A> for Separate<A> {
    fn new(
        graph: &Graph,
        inputs: &[(Input, usize)],
        stages: &[Vec<NodeId>],
        _: usize,
        arithmetic: &A,
    ) -> Self {
        let evaluator = |roots: &Vec<NodeId>| Evaluator::new(graph, roots, arithmetic.clone());
        Separate {
            inputs: inputs.into(),
            evaluators: stages.iter().map(evaluator).collect(),
        }
    }

    fn expect(&mut self, _: usize, _: &[Vec<A::Value>]) {}

    fn run(&mut self, stage: usize, entries: &[A::Value]) -> Flags {
        let mut rest = entries;
        let sides: SmallVec<[_; 2]> = self
            .inputs
            .iter()
            .map(|&(input, length)| {
                let (own, others) = rest.split_at(length);
                rest = others;
                (input, own)
            })
            .collect();
        self.evaluators[stage].run(&sides)
    }

    fn root(&self, stage: usize, number: usize) -> &[A::Value] {
        self.evaluators[stage].root(number)
    }

    fn operations(&self, stage: usize) -> u64 {
        self.evaluators[stage].operations()
    }
}

/// Several boxes at once where the graph is small enough to be recorded, one after the other elsewhere.
#[derive(Clone, Debug)]
pub enum Batches {
    /// recorded
    Lanes(Lanes),
    /// walked
    Walk(Separate<IntervalArithmetic>),
}

/// Most scalar operations of a graph that is recorded: each takes some hundred bytes for each place.
const MAX_RECORDED: u64 = 50_000;

impl Stages<IntervalArithmetic> for Batches {
    fn new(
        graph: &Graph,
        inputs: &[(Input, usize)],
        stages: &[Vec<NodeId>],
        places: usize,
        arithmetic: &IntervalArithmetic,
    ) -> Self {
        let walk = Separate::new(graph, inputs, stages, places, arithmetic);
        let operations: u64 = walk.evaluators.iter().map(Evaluator::operations).sum();
        if operations > MAX_RECORDED {
            return Batches::Walk(walk);
        }
        Batches::Lanes(Lanes::new(graph, inputs, stages, places))
    }

    fn expect(&mut self, place: usize, boxes: &[Vec<Interval>]) {
        match self {
            Batches::Lanes(lanes) => lanes.expect(place, boxes.iter().map(Vec::as_slice)),
            Batches::Walk(walk) => walk.expect(place, boxes),
        }
    }

    fn run(&mut self, stage: usize, entries: &[Interval]) -> Flags {
        match self {
            Batches::Lanes(lanes) => lanes.run(stage, entries),
            Batches::Walk(walk) => walk.run(stage, entries),
        }
    }

    fn root(&self, stage: usize, number: usize) -> &[Interval] {
        match self {
            Batches::Lanes(lanes) => lanes.root(stage, number),
            Batches::Walk(walk) => walk.root(stage, number),
        }
    }

    fn operations(&self, stage: usize) -> u64 {
        match self {
            Batches::Lanes(lanes) => lanes.operations(stage),
            Batches::Walk(walk) => walk.operations(stage),
        }
    }
}
