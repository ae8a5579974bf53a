//! The bulk evaluator: a graph at many points in binary64, points side by side in vector registers.
//!
//! A [`plan`] is made once ([`compile`], [`schedule`], [`emit`]); [`kernels`] run it on blocks of points in buffers that are reused.
//! Nothing is allocated per block. Conventions at kinks and the order of additions are those of
//! [`crate::eval::float`]; the elementary functions are those of [`elementary`]. The results do not
//! depend on the instruction set, on the number of points or on their place in a block.

mod buffer;
mod compile;
pub mod elementary;
mod elementwise;
mod emit;
mod fuse;
mod kernels;
pub mod level;
#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux")),
    path = "bulk/no_native.rs"
)]
mod native;
mod number;
mod plan;
mod product;
mod schedule;
mod sparse;
mod table;
mod vector;
mod widen;

use std::ops::Range;
use std::sync::Arc;

use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};
use buffer::Buffer;
pub use buffer::{LANES, Lane};
use compile::Program;
use fuse::fuse;
use kernels::Execute;
use level::{Kernel, Level, Vector};
use native::Native;
use plan::{Plan, Value};
use widen::widen;

/// Blocks of points that machine code runs on at a time, where there are many.
const BLOCKS: usize = 8;

/// A plan, and machine code in place of it where it is small.
#[derive(Debug)]
struct Compiled {
    plan: Arc<Plan>,
    native: Option<Arc<Native>>,
}

/// Evaluates some roots of a graph at many points.
#[derive(Debug)]
pub struct Bulk {
    compiled: Arc<Compiled>,
    level: Level,
    /// where everything stands
    plan: Arc<Plan>,
    slots: Vec<Buffer>,
    /// what runs in place of the plan
    native: Option<Arc<Native>>,
}

impl Clone for Bulk {
    /// Another worker with the same plan and buffers of its own.
    fn clone(&self) -> Bulk {
        Bulk::with(self.compiled.clone(), self.level, self.native.clone())
    }
}

impl Bulk {
    /// Compiles the part of the graph that the roots need.
    ///
    /// # Errors
    /// When a root needs a gradient from outside.
    pub fn new(graph: &Graph, roots: &[NodeId]) -> Result<Bulk, String> {
        Bulk::compile(graph, roots, BLOCKS, widen)
    }

    /// The same, for a few points at a time: only one block of them.
    ///
    /// # Errors
    /// When a root needs a gradient from outside.
    pub fn narrow(graph: &Graph, roots: &[NodeId]) -> Result<Bulk, String> {
        Bulk::compile(graph, roots, 1, |plan| plan)
    }

    /// For so many blocks in machine code, and for those of the plan that is made of one for one block.
    fn compile(
        graph: &Graph,
        roots: &[NodeId],
        blocks: usize,
        widened: fn(Plan) -> Plan,
    ) -> Result<Bulk, String> {
        let (mut program, mut roots) = Program::new(graph, roots)?;
        fuse(&mut program, &mut roots);
        let native = Native::new(&program, &roots, blocks).map(Arc::new);
        let compiled = Compiled {
            plan: Arc::new(widened(emit::plan(&program, &roots, false))),
            native: native.clone(),
        };
        Ok(Bulk::with(Arc::new(compiled), Level::widest(), native))
    }

    fn with(compiled: Arc<Compiled>, level: Level, native: Option<Arc<Native>>) -> Bulk {
        let plan = match &native {
            Some(native) => native.plan.clone(),
            None => compiled.plan.clone(),
        };
        Bulk {
            compiled,
            level,
            slots: plan.buffers(),
            plan,
            native,
        }
    }

    /// Blocks of [`LANES`] points that are evaluated at a time.
    pub fn blocks(&self) -> usize {
        self.plan.blocks
    }

    /// Numbers in its buffers.
    pub fn numbers(&self) -> usize {
        LANES * self.plan.slots.iter().sum::<usize>()
    }

    /// The instruction set that it runs on.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The same evaluator on another instruction set; on the widest as machine code, where there is some.
    pub fn on(self, level: Level) -> Bulk {
        let native = self.compiled.native.clone();
        let native = native.filter(|_| level == Level::widest());
        Bulk::with(self.compiled, level, native)
    }

    /// Whether machine code runs in place of the plan.
    pub fn is_native(&self) -> bool {
        self.native.is_some()
    }

    /// The same evaluator without machine code.
    pub fn interpreted(self) -> Bulk {
        Bulk::with(self.compiled, self.level, None)
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
        let (blocks, level) = (plan.blocks, self.level);
        for first in (0..count).step_by(blocks * LANES) {
            self.block(|[first_side, second_side]| {
                for (points, entries) in [(w, first_side), (v, second_side)] {
                    level.run(Transpose {
                        points,
                        first,
                        blocks,
                        entries,
                    });
                }
            });
            for (root, (result, (_, size))) in results.iter_mut().zip(&plan.roots).enumerate() {
                let done = &mut result[first * size..count.min(first + blocks * LANES) * size];
                for (block, done) in done.chunks_mut(LANES * size).enumerate() {
                    for position in 0..*size {
                        let lane = self.root(root, position, block);
                        for (entry, x) in done[position..].iter_mut().step_by(*size).zip(lane) {
                            *entry = x;
                        }
                    }
                }
            }
        }
        Ok(results)
    }

    /// Evaluates the roots at [`Bulk::blocks`] blocks of points; `fill` writes the entries of `w` and of `v`: for each coordinate so
    /// many neighbouring lanes, and nothing for an input that is not needed.
    pub fn block(&mut self, fill: impl FnOnce([&mut [Lane]; 2])) {
        let entries = |dimension: usize| ..dimension * self.plan.blocks;
        let place = |input: Input| usize::from(input == Input::V);
        let mut sides: [&mut [Lane]; 2] = [&mut [], &mut []];
        match self.plan.inputs[..] {
            [] => {}
            [(input, dimension, slot)] => {
                sides[place(input)] = &mut self.slots[slot].lanes_mut()[entries(dimension)];
            }
            [first, second, ..] => {
                let [one, other] = (self.slots.get_disjoint_mut([first.2, second.2])).expect("two buffers");
                sides[place(first.0)] = &mut one.lanes_mut()[entries(first.1)];
                sides[place(second.0)] = &mut other.lanes_mut()[entries(second.1)];
            }
        }
        fill(sides);
        match &self.native {
            Some(native) => native.run(&mut self.slots),
            None => self.level.run(Execute {
                plan: &self.plan,
                slots: &mut self.slots,
            }),
        }
    }

    /// Numbers of entries of the roots.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        self.plan.roots.iter().map(|(_, size)| *size)
    }

    /// Entries of a root that depends on the points, at the points of the block that a narrow evaluator evaluated last.
    pub fn lanes(&self, root: usize, positions: Range<usize>) -> impl Iterator<Item = &Lane> {
        let (slot, places) = match &self.plan.roots[root].0 {
            Value::Numbers(_) => unreachable!("it depends on the points"),
            Value::Lanes(slot, places) => (self.slots[*slot].lanes(), places),
        };
        positions.map(move |position| &slot[places.at(position)])
    }

    /// An entry of a root at the points of one of the blocks that were evaluated last.
    #[inline]
    pub fn root(&self, root: usize, position: usize, block: usize) -> Lane {
        match &self.plan.roots[root].0 {
            Value::Numbers(numbers) => [numbers[position]; LANES],
            Value::Lanes(slot, places) => {
                self.slots[*slot].lanes()[places.at(position) * self.plan.blocks + block]
            }
        }
    }
}

/// Points `first..` of a list, one after the other, side by side in so many blocks; the last is repeated where there are no more.
struct Transpose<'a> {
    points: &'a [f64],
    first: usize,
    blocks: usize,
    entries: &'a mut [Lane],
}

impl Kernel for Transpose<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let Transpose {
            points,
            first,
            blocks,
            entries,
        } = self;
        let dimension = entries.len() / blocks;
        let last = (points.len() / dimension.max(1)).saturating_sub(1);
        for block in 0..blocks {
            let mut rows = [&[] as &[f64]; LANES];
            for (lane, row) in rows.iter_mut().enumerate() {
                let point = (first + block * LANES + lane).min(last);
                *row = &points[point * dimension..][..dimension];
            }
            let mut coordinate = 0;
            // squares, in registers
            while coordinate + LANES <= dimension {
                let mut square = [[0.0; LANES]; LANES];
                for lane in 0..LANES {
                    square[lane].copy_from_slice(&rows[lane][coordinate..coordinate + LANES]);
                }
                for number in 0..LANES {
                    let entry = &mut entries[(coordinate + number) * blocks + block];
                    for lane in 0..LANES {
                        entry[lane] = square[lane][number];
                    }
                }
                coordinate += LANES;
            }
            while coordinate < dimension {
                let entry = &mut entries[coordinate * blocks + block];
                for lane in 0..LANES {
                    entry[lane] = rows[lane][coordinate];
                }
                coordinate += 1;
            }
        }
    }
}
