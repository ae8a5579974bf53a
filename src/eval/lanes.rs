//! The interval evaluator over several boxes at once: one box in each lane of the vector registers.
//!
//! A graph is recorded once ([`tape`]) and run on eight boxes side by side ([`execute`]). Roots come in stages, say a
//! function, its gradient and its Hessian: later ones use what earlier ones computed, and are computed only where they
//! are asked for. The result for a box depends neither on the boxes beside it nor on the instruction set
//! ([`vector`]): operations that are not for vector registers, or not for the arguments at hand, are those of
//! [`crate::eval::interval`], box by box. Results differ from that evaluator's only through `exp`, `log`, `log1p`,
//! `tanh`, `sigmoid` and `log_sigmoid`, which come from [`crate::eval::bulk::elementary`]; bounds in `docs/soundness.md`.

mod execute;
mod interval;
mod tape;
mod vector;

use std::sync::Arc;

use super::Flags;
use super::bulk::LANES;
use super::bulk::level::Level;
use super::interval::Interval;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};
use execute::Execute;
use interval::Ends;
use tape::{Stage, Tape};

/// Evaluates stages of roots over boxes, several at a time.
#[derive(Clone, Debug)]
pub struct Lanes {
    tape: Arc<Tape>,
    level: Level,
    /// boxes that were announced, by place; at the end one for those that were not
    blocks: Vec<Block>,
    /// entries of the roots of each stage over the box that it was last evaluated over
    found: Vec<Vec<Vec<Interval>>>,
}

/// Up to eight boxes.
#[derive(Clone, Debug)]
struct Block {
    boxes: usize,
    registers: Vec<Ends>,
    /// registers whose ends are all ordinary, see [`interval`]
    ordinary: Vec<bool>,
    /// instructions that were executed
    done: usize,
    /// stages with an operation that was not defined, or that jumped, on a box: a bit for each
    undefined: [u8; LANES],
    jumped: [u8; LANES],
}

impl Lanes {
    /// Records the stages; `inputs` gives the number of entries of each input. Boxes can be announced at `places`.
    pub fn new(graph: &Graph, inputs: &[(Input, usize)], stages: &[Vec<NodeId>], places: usize) -> Lanes {
        let tape = Tape::new(graph, inputs, stages);
        Lanes {
            blocks: vec![Block::new(&tape); places + 1],
            found: tape
                .stages
                .iter()
                .map(|stage| vec![Vec::new(); stage.roots.len()])
                .collect(),
            tape: Arc::new(tape),
            level: Level::widest(),
        }
    }

    /// The same evaluator on another instruction set.
    pub fn on(self, level: Level) -> Lanes {
        Lanes { level, ..self }
    }

    /// Announces boxes that will be asked for, at a place; those that were announced there before are forgotten.
    /// Of more than [`LANES`] the first are taken. It changes no result.
    pub fn expect<'a>(&mut self, place: usize, boxes: impl Iterator<Item = &'a [Interval]>) {
        self.blocks[place].fill(&self.tape, boxes.take(LANES));
    }

    /// Evaluates a stage over a box: ranges of the coordinates of all inputs, one after the other. The values of the
    /// roots are then read with [`Lanes::root`].
    pub fn run(&mut self, stage: usize, ranges: &[Interval]) -> Flags {
        let tape = &self.tape;
        let find = |block: &Block| block.find(&tape.inputs, ranges);
        let place = self
            .blocks
            .iter()
            .enumerate()
            .find_map(|(number, block)| Some((number, find(block)?)));
        let (number, lane) = place.unwrap_or_else(|| {
            let last = self.blocks.len() - 1;
            self.blocks[last].fill(tape, std::iter::once(ranges));
            (last, 0)
        });
        let block = &mut self.blocks[number];
        let Stage {
            end,
            constants,
            roots,
            ..
        } = &tape.stages[stage];
        if block.done < *end {
            let instructions = &tape.instructions[block.done..*end];
            vector::run(self.level, Execute::new(instructions, &tape.lists, block));
            block.done = *end;
        }
        for (found, root) in self.found[stage].iter_mut().zip(roots) {
            found.clear();
            found.extend(
                root.iter()
                    .map(|&entry| block.registers[entry as usize].get(lane)),
            );
        }
        let bit = 1 << stage;
        Flags {
            defined: constants.defined && block.undefined[lane] & bit == 0,
            continuous: constants.continuous && block.jumped[lane] & bit == 0,
        }
    }

    /// Entries of a root after the last [`Lanes::run`] of its stage.
    pub fn root(&self, stage: usize, number: usize) -> &[Interval] {
        &self.found[stage][number]
    }

    /// Scalar operations that an evaluator of a stage would take, see [`super::tensor::Evaluator::operations`].
    pub fn operations(&self, stage: usize) -> u64 {
        self.tape.stages[stage].operations
    }
}

impl Block {
    fn new(tape: &Tape) -> Block {
        let mut registers = vec![Ends::splat(Interval::ZERO); tape.registers];
        let mut ordinary = vec![false; tape.registers];
        for (register, value) in &tape.constants {
            registers[*register as usize] = Ends::splat(*value);
            ordinary[*register as usize] = registers[*register as usize].are_ordinary::<super::bulk::Lane>();
        }
        Block {
            boxes: 0,
            registers,
            ordinary,
            done: 0,
            undefined: [0; LANES],
            jumped: [0; LANES],
        }
    }

    /// Takes other boxes; the last stands in the lanes that are left.
    fn fill<'a>(&mut self, tape: &Tape, boxes: impl Iterator<Item = &'a [Interval]>) {
        self.boxes = 0;
        self.done = 0;
        self.undefined = [0; LANES];
        self.jumped = [0; LANES];
        for ranges in boxes {
            for (&input, &range) in tape.inputs.iter().zip(ranges) {
                // also what is never minus zero elsewhere
                let range = Interval::new(range.lo, range.hi);
                (self.boxes..LANES).for_each(|lane| self.registers[input as usize].set(lane, range));
            }
            self.boxes += 1;
        }
        for &input in &tape.inputs {
            self.ordinary[input as usize] =
                self.registers[input as usize].are_ordinary::<super::bulk::Lane>();
        }
    }

    /// The lane that holds a box.
    fn find(&self, inputs: &[u32], ranges: &[Interval]) -> Option<usize> {
        (0..self.boxes).find(|&lane| {
            let own = |(&input, range): (&u32, &Interval)| self.registers[input as usize].get(lane) == *range;
            inputs.iter().zip(ranges).all(own)
        })
    }
}
