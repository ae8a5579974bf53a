//! The bulk evaluator: a graph at many points in binary64, points side by side in vector registers.
//!
//! A [`plan`] is made once ([`compile`], [`schedule`], [`emit`]); [`kernels`] run it on blocks of points in buffers that are reused.
//! Nothing is allocated per block. Conventions at kinks and the order of additions are those of
//! [`crate::eval::float`]; the elementary functions are those of [`elementary`]. The results do not
//! depend on the instruction set, on the number of points or on their place in a block.

mod buffer;
mod compile;
pub mod elementary;
mod emit;
mod kernels;
pub mod level;
mod plan;
mod schedule;
mod vector;

use std::sync::Arc;

use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};
use buffer::Buffer;
pub use buffer::{LANES, Lane};
use kernels::Execute;
use level::Level;
use plan::{Plan, Value};

/// Evaluates some roots of a graph at many points.
#[derive(Debug)]
pub struct Bulk {
    plan: Arc<Plan>,
    slots: Vec<Buffer>,
    level: Level,
}

impl Clone for Bulk {
    /// Another worker with the same plan and buffers of its own.
    fn clone(&self) -> Bulk {
        Bulk::with_plan(self.plan.clone(), self.level)
    }
}

impl Bulk {
    /// Compiles the part of the graph that the roots need.
    ///
    /// # Errors
    /// When a root needs a gradient from outside.
    pub fn new(graph: &Graph, roots: &[NodeId]) -> Result<Bulk, String> {
        Ok(Bulk::with_plan(
            Arc::new(Plan::new(graph, roots)?),
            Level::widest(),
        ))
    }

    fn with_plan(plan: Arc<Plan>, level: Level) -> Bulk {
        let slots = plan.slots.iter().map(|entries| Buffer::new(*entries)).collect();
        Bulk { plan, slots, level }
    }

    /// The instruction set that it runs on.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The same evaluator on another instruction set.
    pub fn on(self, level: Level) -> Bulk {
        Bulk { level, ..self }
    }

    /// Evaluates the roots at `count` points: for each root its values, `count` times its size,
    /// point by point, row-major. `w` and `v` hold one point after the other.
    ///
    /// # Errors
    /// `w` or `v` is needed and does not hold `count` points.
    pub fn run(&mut self, w: &[f64], v: &[f64], count: usize) -> Result<Vec<Vec<f64>>, String> {
        let plan = self.plan.clone();
        let points = |input: Input| if input == Input::V { v } else { w };
        for (input, dimension, _) in &plan.inputs {
            if Some(points(*input).len()) != count.checked_mul(*dimension) {
                return Err(format!(
                    "{input:?} holds {} numbers, not {count} points of dimension {dimension}",
                    points(*input).len()
                ));
            }
        }
        let mut results: Vec<Vec<f64>> = plan
            .roots
            .iter()
            .map(|(_, size)| vec![0.0; count * size])
            .collect();
        for first in (0..count).step_by(LANES) {
            self.block(|input, entries| transpose(points(input), first, entries));
            for (result, (value, size)) in results.iter_mut().zip(&plan.roots) {
                for lane in 0..LANES.min(count - first) {
                    let entries = &mut result[(first + lane) * size..][..*size];
                    for (position, entry) in entries.iter_mut().enumerate() {
                        *entry = self.entry(value, position)[lane];
                    }
                }
            }
        }
        Ok(results)
    }

    /// Evaluates the roots at one block of points; `fill` writes the entries of each input that they need.
    pub fn block(&mut self, mut fill: impl FnMut(Input, &mut [Lane])) {
        for (input, dimension, slot) in &self.plan.inputs {
            fill(*input, &mut self.slots[*slot].lanes_mut()[..*dimension]);
        }
        self.level.run(Execute {
            plan: &self.plan,
            slots: &mut self.slots,
        });
    }

    /// Numbers of entries of the roots.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        self.plan.roots.iter().map(|(_, size)| *size)
    }

    /// An entry of a root at the points of the last block.
    pub fn root(&self, root: usize, position: usize) -> Lane {
        self.entry(&self.plan.roots[root].0, position)
    }

    #[inline]
    fn entry(&self, value: &Value<usize>, position: usize) -> Lane {
        match value {
            Value::Numbers(numbers) => [numbers[position]; LANES],
            Value::Lanes(slot, places) => self.slots[*slot].lanes()[places.at(position)],
        }
    }
}

/// Points `first..` of a list, one after the other, side by side; the last is repeated where there are no more.
pub fn transpose(points: &[f64], first: usize, entries: &mut [Lane]) {
    let dimension = entries.len();
    let last = points.len() / dimension.max(1) - 1;
    for lane in 0..LANES {
        let point = &points[(first + lane).min(last) * dimension..][..dimension];
        for (entry, x) in entries.iter_mut().zip(point) {
            entry[lane] = *x;
        }
    }
}
