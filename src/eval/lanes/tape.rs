//! A graph as a flat list of operations on single numbers, written down by the shared walk of
//! [`crate::eval::tensor`] with [`Recorder`] for its arithmetic: shapes, slices and transpositions are gone, equal
//! operations are done once, and so are those on constants.

use std::collections::HashMap;
use std::ops::Range;

use dashu_ratio::RBig;

use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::eval::{Arithmetic, Flags};
use crate::graph::op::{Along, Binary, Domain, Input, Unary};
use crate::graph::{Graph, NodeId};

/// A place for an interval of each box.
pub(super) type Register = u32;

/// Some operations on registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Code {
    Unary(Unary, Register),
    Binary(Binary, Register, Register),
    LogSumExp(Range<usize>),
    /// as many results as arguments
    Along(Along, Range<usize>),
}

/// One operation; its results go to `out` and, for [`Code::Along`], to the registers behind it.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    pub(super) code: Code,
    pub(super) out: Register,
    /// the stages whose nodes need it, a bit for each
    pub(super) stages: u8,
}

/// Nodes that are evaluated together.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// instructions of this stage and of those before it
    pub(super) end: usize,
    /// what happened in operations on constants
    pub(super) constants: Flags,
    /// the entries of each root
    pub(super) roots: Vec<Vec<Register>>,
    /// scalar operations of an evaluator of its own
    pub(super) operations: u64,
}

/// The list.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape {
    /// the coordinates of all inputs, one after the other
    pub(super) inputs: Vec<Register>,
    pub(super) constants: Vec<(Register, Interval)>,
    pub(super) instructions: Vec<Instruction>,
    /// arguments of instructions that have many
    pub(super) lists: Vec<Register>,
    pub(super) stages: Vec<Stage>,
    pub(super) registers: usize,
}

impl Tape {
    /// Records some roots of a graph in each stage.
    pub(super) fn new(graph: &Graph, inputs: &[(Input, usize)], stages: &[Vec<NodeId>]) -> Tape {
        let mut recorder = Recorder::default();
        let coordinates: Vec<(Input, Vec<Register>)> = inputs
            .iter()
            .map(|&(input, length)| (input, (0..length).map(|_| recorder.register()).collect()))
            .collect();
        recorder.tape.inputs = coordinates.iter().flat_map(|(_, own)| own.clone()).collect();
        let sides: Vec<(Input, &[Register])> = coordinates
            .iter()
            .map(|(input, own)| (*input, own.as_slice()))
            .collect();
        for (number, roots) in stages.iter().enumerate() {
            recorder.stage = 1 << number;
            let mut walk = Evaluator::new(graph, roots, recorder);
            let constants = walk.run(&sides);
            let roots = (0..roots.len()).map(|root| walk.root(root).to_vec()).collect();
            let operations = walk.operations();
            recorder = std::mem::take(walk.arithmetic());
            recorder.tape.stages.push(Stage {
                end: recorder.tape.instructions.len(),
                constants,
                roots,
                operations,
            });
        }
        recorder.tape.needed()
    }

    /// Leaves out what no root needs and what has nothing to say of definedness or continuity, and renumbers the
    /// registers.
    fn needed(mut self) -> Tape {
        let mut needed = vec![false; self.registers];
        for register in self.stages.iter().flat_map(|stage| stage.roots.iter().flatten()) {
            needed[*register as usize] = true;
        }
        let mut kept = vec![false; self.instructions.len()];
        for (number, instruction) in self.instructions.iter().enumerate().rev() {
            let outs = instruction.outs();
            kept[number] = instruction.may_flag() || outs.clone().any(|out| needed[out as usize]);
            if kept[number] {
                outs.for_each(|out| needed[out as usize] = true);
                for argument in instruction.arguments(&self.lists) {
                    needed[argument as usize] = true;
                }
            }
        }
        self.inputs
            .iter()
            .for_each(|input| needed[*input as usize] = true);
        let mut next = 0;
        let places: Vec<Register> = needed
            .iter()
            .map(|needed| {
                let place = next;
                next += Register::from(*needed);
                place
            })
            .collect();
        let place = |register: Register| places[register as usize];
        let before: Vec<usize> = kept
            .iter()
            .scan(0, |count, kept| {
                *count += usize::from(*kept);
                Some(*count)
            })
            .collect();
        for stage in &mut self.stages {
            stage.end = if stage.end == 0 { 0 } else { before[stage.end - 1] };
            stage
                .roots
                .iter_mut()
                .flatten()
                .for_each(|root| *root = place(*root));
        }
        self.inputs.iter_mut().for_each(|input| *input = place(*input));
        self.constants.retain(|(register, _)| needed[*register as usize]);
        self.constants
            .iter_mut()
            .for_each(|(register, _)| *register = place(*register));
        self.lists
            .iter_mut()
            .for_each(|argument| *argument = place(*argument));
        self.instructions = self
            .instructions
            .into_iter()
            .zip(kept)
            .filter_map(|(instruction, kept)| kept.then_some(instruction))
            .map(|instruction| Instruction {
                code: match instruction.code {
                    Code::Unary(op, x) => Code::Unary(op, place(x)),
                    Code::Binary(op, x, y) => Code::Binary(op, place(x), place(y)),
                    code @ (Code::LogSumExp(_) | Code::Along(..)) => code,
                },
                out: place(instruction.out),
                ..instruction
            })
            .collect();
        self.registers = next as usize;
        self
    }
}

impl Instruction {
    fn outs(&self) -> Range<Register> {
        let count = match &self.code {
            Code::Unary(..) | Code::Binary(..) | Code::LogSumExp(_) => 1,
            Code::Along(_, arguments) => arguments.len(),
        };
        self.out..self.out + count as Register
    }

    fn arguments<'a>(&'a self, lists: &'a [Register]) -> impl Iterator<Item = Register> + 'a {
        let (few, many): ([Option<Register>; 2], &[Register]) = match &self.code {
            Code::Unary(_, x) => ([Some(*x), None], &[]),
            Code::Binary(_, x, y) => ([Some(*x), Some(*y)], &[]),
            Code::LogSumExp(arguments) | Code::Along(_, arguments) => ([None; 2], &lists[arguments.clone()]),
        };
        few.into_iter().flatten().chain(many.iter().copied())
    }

    /// Whether it may be undefined or jump.
    fn may_flag(&self) -> bool {
        let row = match &self.code {
            Code::Unary(op, _) => op.row(),
            Code::Binary(op, ..) => op.row(),
            Code::LogSumExp(_) => return false,
            Code::Along(op, _) => op.row(),
        };
        row.domain == Domain::Partial || !row.continuous
    }
}

/// The arithmetic whose numbers are registers of a [`Tape`].
#[derive(Clone, Debug, Default)]
struct Recorder {
    tape: Tape,
    /// registers that hold the same interval for every box
    values: HashMap<Register, Interval>,
    of_value: HashMap<[u64; 2], Register>,
    /// instructions by what they do
    known: HashMap<Code, usize>,
    arithmetic: IntervalArithmetic,
    stage: u8,
}

impl Recorder {
    fn register(&mut self) -> Register {
        self.tape.registers += 1;
        self.tape.registers as Register - 1
    }

    fn constant(&mut self, value: Interval) -> Register {
        let bits = [value.lo.to_bits(), value.hi.to_bits()];
        if let Some(register) = self.of_value.get(&bits) {
            return *register;
        }
        let register = self.register();
        self.tape.constants.push((register, value));
        self.values.insert(register, value);
        self.of_value.insert(bits, register);
        register
    }

    fn value(&self, register: Register) -> Option<Interval> {
        self.values.get(&register).copied()
    }

    fn record(&mut self, code: Code) -> Register {
        if let Some(&number) = self.known.get(&code) {
            self.tape.instructions[number].stages |= self.stage;
            return self.tape.instructions[number].out;
        }
        let out = self.register();
        self.known.insert(code.clone(), self.tape.instructions.len());
        self.push(code, out);
        out
    }

    fn push(&mut self, code: Code, out: Register) {
        let stages = self.stage;
        self.tape.instructions.push(Instruction { code, out, stages });
    }

    fn list(&mut self, entries: &[Register]) -> Range<usize> {
        let start = self.tape.lists.len();
        self.tape.lists.extend_from_slice(entries);
        start..self.tape.lists.len()
    }

    /// The values of the entries where all are constant.
    fn constants(&self, entries: &[Register]) -> Option<Vec<Interval>> {
        entries.iter().map(|entry| self.value(*entry)).collect()
    }

    /// Results that are as many as the arguments.
    fn along(
        &mut self,
        op: Along,
        entries: &[Register],
        out: &mut [Register],
        constant: impl Fn(&mut IntervalArithmetic, &[Interval], &mut [Interval]),
    ) {
        if let Some(values) = self.constants(entries) {
            let mut results = values.clone();
            constant(&mut self.arithmetic, &values, &mut results);
            for (out, result) in out.iter_mut().zip(results) {
                *out = self.constant(result);
            }
            return;
        }
        let arguments = self.list(entries);
        for out in out.iter_mut() {
            *out = self.register();
        }
        if let Some(first) = out.first() {
            self.push(Code::Along(op, arguments), *first);
        }
    }
}

impl Arithmetic for Recorder {
    type Value = Register;

    fn rational(&mut self, x: &RBig) -> Register {
        self.constant(Interval::from_rational(x))
    }

    fn float(&mut self, x: f64) -> Register {
        self.constant(Interval::point(x))
    }

    fn pi(&mut self) -> Register {
        let pi = self.arithmetic.pi();
        self.constant(pi)
    }

    fn unary(&mut self, op: Unary, x: &Register) -> Register {
        match self.value(*x) {
            Some(value) => {
                let result = self.arithmetic.unary(op, &value);
                self.constant(result)
            }
            None => self.record(Code::Unary(op, *x)),
        }
    }

    /// Sums with 0 and products with 0 or 1 are exact, whatever the other number is.
    fn binary(&mut self, op: Binary, x: &Register, y: &Register) -> Register {
        let (left, right) = (self.value(*x), self.value(*y));
        let is = |value: Option<Interval>, number| value == Some(number);
        match op {
            _ if left.is_some() && right.is_some() => {
                let (left, right) = (left.unwrap_or(Interval::WHOLE), right.unwrap_or(Interval::WHOLE));
                let result = self.arithmetic.binary(op, &left, &right);
                self.constant(result)
            }
            Binary::Add if is(left, Interval::ZERO) => *y,
            Binary::Add | Binary::Sub if is(right, Interval::ZERO) => *x,
            Binary::Mul if is(left, Interval::ZERO) || is(right, Interval::ZERO) => {
                self.constant(Interval::ZERO)
            }
            Binary::Mul if is(left, Interval::ONE) => *y,
            Binary::Mul if is(right, Interval::ONE) => *x,
            Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Div
            | Binary::Max
            | Binary::Min
            | Binary::LeakyRelu
            | Binary::LeakyStep => self.record(Code::Binary(op, *x, *y)),
        }
    }

    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a Register, &'a Register)>) -> Register {
        let zero = self.constant(Interval::ZERO);
        pairs.fold(zero, |sum, (x, y)| {
            let product = self.binary(Binary::Mul, x, y);
            self.binary(Binary::Add, &sum, &product)
        })
    }

    fn sum<'a>(&mut self, entries: impl Iterator<Item = &'a Register>) -> Register {
        let zero = self.constant(Interval::ZERO);
        entries.fold(zero, |sum, x| self.binary(Binary::Add, &sum, x))
    }

    fn max(&mut self, entries: &[Register]) -> Register {
        let all = entries.iter().copied();
        match all.reduce(|most, x| self.binary(Binary::Max, &most, &x)) {
            Some(most) => most,
            None => self.constant(Interval::WHOLE),
        }
    }

    fn log_sum_exp(&mut self, entries: &[Register]) -> Register {
        if let Some(values) = self.constants(entries) {
            let result = self.arithmetic.log_sum_exp(&values);
            return self.constant(result);
        }
        let arguments = self.list(entries);
        let out = self.register();
        self.push(Code::LogSumExp(arguments), out);
        out
    }

    fn softmax(&mut self, entries: &[Register], out: &mut [Register]) {
        self.along(Along::Softmax, entries, out, IntervalArithmetic::softmax);
    }

    fn arg_max(&mut self, entries: &[Register], out: &mut [Register]) {
        self.along(Along::ArgMax, entries, out, IntervalArithmetic::arg_max);
    }

    fn take_flags(&mut self) -> Flags {
        self.arithmetic.take_flags()
    }
}
