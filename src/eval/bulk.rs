//! The bulk evaluator: a graph at many points in binary64, points side by side in vector registers.
//!
//! A [`plan`] is compiled once; [`kernels`] run it on blocks of points in buffers that are reused.
//! Nothing is allocated per block. Conventions at kinks and the order of additions are those of
//! [`crate::eval::float`]; the elementary functions are those of [`elementary`]. The results do not
//! depend on the instruction set, on the number of points or on their place in a block.

mod buffer;
pub mod elementary;
mod kernels;
pub mod level;
mod plan;
mod vector;

use std::sync::Arc;

use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};
use buffer::{Buffer, LANES};
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
            for (input, dimension, slot) in &plan.inputs {
                let points = points(*input);
                // the last block repeats its last point
                for lane in 0..LANES {
                    let point = &points[(first + lane).min(count - 1) * dimension..][..*dimension];
                    for (entry, x) in self.slots[*slot].lanes_mut().iter_mut().zip(point) {
                        entry[lane] = *x;
                    }
                }
            }
            self.level.run(&plan, &mut self.slots);
            for (result, (value, size)) in results.iter_mut().zip(&plan.roots) {
                for lane in 0..LANES.min(count - first) {
                    let entries = &mut result[(first + lane) * size..][..*size];
                    for (position, entry) in entries.iter_mut().enumerate() {
                        *entry = match value {
                            Value::Numbers(numbers) => numbers[position],
                            Value::Lanes(slot, places) => {
                                self.slots[*slot].lanes()[places.at(position)][lane]
                            }
                        };
                    }
                }
            }
        }
        Ok(results)
    }
}
