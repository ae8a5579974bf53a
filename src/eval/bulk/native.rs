//! Small plans as machine code: all numbers of a block of points in registers, from its coordinates to the roots.
//!
//! An instruction of a plan reads buffers and writes one. Where tensors are small, that costs more than what is done between. So the
//! plan is run once on symbols ([`trace`]), and the operations that were written down, less those that change nothing ([`simplify`]), are put in
//! order ([`steps`]) and become machine code ([`compile`], [`assembler`]): some blocks of points side by side, or some rows of the data, whose parts are loops. Each is the same operation on the same numbers: the bits are the same,
//! but for those of NaN.
//! With AVX-512 on Linux alone; elsewhere, and where the system gives no memory for code, plans run as they are.
#![allow(unsafe_code)]

mod assembler;
mod compile;
mod memory;
mod simplify;
mod steps;
mod trace;

use std::sync::Arc;

use super::buffer::Buffer;
use super::compile::{Item, Program, Work};
use super::emit;
use super::level::Level;
use super::plan::{Places, Plan, Root, SPARSE_COLUMNS, Slot, Value};
use crate::graph::op::Unary;
use compile::{SIDE_BY_SIDE, Side};
use memory::Executable;
use trace::Trace;

/// Operations of a plan beyond which rows are not all written out, since the caches of instructions would not hold them.
const MOST_WRITTEN_OUT: usize = 2000;
/// Operations of a part beyond which a plan stays as it is.
const MOST_OF_A_PART: usize = 4096;
/// Operations of a plan, all rows counted, beyond which it stays as it is.
const MOST: usize = 1 << 18;
/// Entries of inputs and results beyond which it stays as it is.
const MOST_ENTRIES: usize = 2048;
/// Entries of all buffers, once for each row, beyond which it stays as it is: so many are compared.
const MOST_LANES: usize = 1 << 22;
/// As many operations are written down at most for one that is left.
const WRITTEN_DOWN: usize = 4;

/// A plan in machine code.
#[derive(Debug)]
pub(super) struct Native {
    code: Executable,
    numbers: Vec<f64>,
    first_number: usize,
    repeat: usize,
    /// where inputs, results and what registers do not hold stand
    pub(super) plan: Arc<Plan>,
}

impl Native {
    /// The code for a program and so many blocks at a time, where it is small.
    pub(super) fn new(program: &Program, roots: &[Root<Item>], blocks: usize) -> Option<Native> {
        let operations = operations(program);
        let entries: usize = (program.works.iter().zip(&program.sizes))
            .filter_map(|(work, size)| matches!(work, Work::Input(_)).then_some(size))
            .chain(roots.iter().map(|(_, size)| size))
            .sum();
        let small = operations <= MOST && entries <= MOST_ENTRIES;
        if Level::widest() != Level::Avx512 || !small || !program.works.iter().all(is_symbolic) {
            return None;
        }
        let plan = emit::plan(program, roots, true);
        let lanes: usize = plan.slots.iter().sum();
        let rows = plan.strips.iter().map(|strips| strips.rows).max().unwrap_or(1);
        if lanes * rows > MOST_LANES {
            return None;
        }
        // several times as many operations are written down as are left
        let written_down = WRITTEN_DOWN * MOST_WRITTEN_OUT;
        let written_out = || {
            (operations <= written_down)
                .then(|| Trace::new(&plan, false, written_down, MOST_WRITTEN_OUT))
                .flatten()
        };
        let row_by_row = || Trace::new(&plan, true, WRITTEN_DOWN * MOST, MOST_OF_A_PART);
        let (trace, side) = if blocks.is_multiple_of(SIDE_BY_SIDE) {
            let written_out = written_out().map(|trace| (trace, Side::Blocks));
            written_out.or_else(|| Some((row_by_row()?, Side::Rows)))?
        } else {
            (row_by_row().or_else(written_out)?, Side::Rows)
        };
        let code = compile::compile(&trace, side, blocks);
        // the inputs, then the results
        let mut slots: Vec<usize> = plan.inputs.iter().map(|(_, size, _)| size * blocks).collect();
        let results = slots.len();
        let mut start = 0;
        let roots = plan.roots.iter().map(|(value, size)| {
            let value = match value {
                Value::Numbers(_) => value.clone(),
                Value::Lanes(..) => {
                    start += size;
                    Value::Lanes(results, Places::Run(start - size))
                }
            };
            (value, *size)
        });
        let roots: Vec<Root<Slot>> = roots.collect();
        slots.extend([start * blocks, code.memory]);
        let inputs = plan.inputs.iter().enumerate();
        let plan = Plan {
            strips: Vec::new(),
            blocks,
            constants: Vec::new(),
            inputs: inputs
                .map(|(slot, (input, size, _))| (*input, *size, slot))
                .collect(),
            slots,
            roots,
        };
        Some(Native {
            plan: Arc::new(plan),
            numbers: code.numbers,
            first_number: code.first_number,
            repeat: match side {
                Side::Blocks => blocks / SIDE_BY_SIDE,
                Side::Rows => blocks,
            },
            code: Executable::new(&code.bytes)?,
        })
    }

    /// Runs on the blocks whose coordinates stand in the buffers of its plan.
    pub(super) fn run(&self, slots: &mut [Buffer]) {
        let count = self.plan.inputs.len();
        let [first, second, results, memory] =
            [0, 1.min(count), count, count + 1].map(|slot| slots[slot].pointer());
        // SAFETY: the code reads and writes what the plan has room for in its buffers, and these numbers, also those before the first
        unsafe {
            let numbers = self.numbers.as_ptr().add(self.first_number);
            self.code
                .call([first, second, results, memory], numbers, self.repeat);
        }
    }
}

/// Whether an operation treats all numbers of a vector alike, by operations on vectors alone, and all rows.
fn is_symbolic(work: &Work) -> bool {
    match work {
        Work::Unary(op, _) => match op {
            // angles beyond some size are taken from a library, number by number
            Unary::Sin | Unary::Cos => false,
            Unary::Pow(exponent) => exponent.den <= 2,
            Unary::Neg
            | Unary::Exp
            | Unary::Log
            | Unary::Log1p
            | Unary::Sqrt
            | Unary::Abs
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::LogSigmoid
            | Unary::Erf
            | Unary::Relu
            | Unary::Sign
            | Unary::Step
            | Unary::StepRight => true,
        },
        // rows with other zeros are other operations
        Work::Product { panels, .. } => *panels != Some(SPARSE_COLUMNS),
        Work::Input(_)
        | Work::Binary(..)
        | Work::Fused(..)
        | Work::Reduce(..)
        | Work::Along(..)
        | Work::Assemble(_) => true,
    }
}

/// Entries that the operations of a program compute or read: about as many as its plan has operations on vectors, elementary functions
/// counted as one.
fn operations(program: &Program) -> usize {
    let works = program.works.iter().zip(&program.sizes);
    works
        .map(|(work, size)| match work {
            Work::Input(_) | Work::Assemble(_) => 0,
            Work::Product { inner, .. } => inner * size,
            Work::Reduce(_, _, _, lines) => lines.iter().product(),
            Work::Unary(..) | Work::Binary(..) | Work::Fused(..) | Work::Along(..) => *size,
        })
        .sum()
}
