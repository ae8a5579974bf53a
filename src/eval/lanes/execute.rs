//! Instructions of a tape over the boxes of a block.

use super::Block;
use super::interval::{Ends, Pair};
use super::tape::{Code, Instruction};
use super::vector::{Wide, Work};
use crate::eval::Arithmetic;
use crate::eval::bulk::{LANES, elementary};
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::graph::op::{Along, Binary, Exponent, Unary};

/// Runs instructions.
pub(super) struct Execute<'a> {
    instructions: &'a [Instruction],
    lists: &'a [u32],
    block: &'a mut Block,
    /// numbers of an interval at all boxes; not known to the compiler, which would otherwise unroll the loops over
    /// them before it looks for vectors
    numbers: usize,
}

impl<'a> Execute<'a> {
    pub(super) fn new(
        instructions: &'a [Instruction],
        lists: &'a [u32],
        block: &'a mut Block,
    ) -> Execute<'a> {
        Execute {
            instructions,
            lists,
            block,
            numbers: std::hint::black_box(2 * LANES),
        }
    }
}

impl Work for Execute<'_> {
    #[inline(always)]
    fn run<V: Wide>(self) {
        let Block {
            registers,
            ordinary,
            undefined,
            jumped,
            boxes,
            ..
        } = self.block;
        for instruction in self.instructions {
            let out = instruction.out as usize;
            let mut outcome = Outcome {
                undefined,
                jumped,
                stages: instruction.stages,
                boxes: *boxes,
            };
            match &instruction.code {
                Code::Unary(op, x) => {
                    let x = *x as usize;
                    let done = match elementary_function(*op) {
                        Some(function) => {
                            let result = function.apply::<V>(&registers[x], self.numbers, &mut outcome);
                            registers[out] = result;
                            true
                        }
                        None if ordinary[x] => match unary::<V>(*op, Pair::load(&registers[x])) {
                            Some(result) => {
                                result.store(&mut registers[out]);
                                true
                            }
                            None => false,
                        },
                        None => false,
                    };
                    if !done {
                        registers[out] = outcome.unary(*op, &registers[x]);
                    }
                }
                Code::Binary(op, x, y) => {
                    let (x, y) = (*x as usize, *y as usize);
                    let result = if ordinary[x] && ordinary[y] {
                        binary::<V>(*op, Pair::load(&registers[x]), Pair::load(&registers[y]))
                    } else {
                        None
                    };
                    match result {
                        Some(result) => result.store(&mut registers[out]),
                        None => registers[out] = outcome.binary(*op, &registers[x], &registers[y]),
                    }
                }
                Code::LogSumExp(arguments) => {
                    outcome.lines(
                        &self.lists[arguments.clone()],
                        registers,
                        |arithmetic, line, out| {
                            out[0] = arithmetic.log_sum_exp(line);
                        },
                        out..out + 1,
                    );
                    ordinary[out] = registers[out].are_ordinary::<V>();
                }
                Code::Along(op, arguments) => {
                    let outs = out..out + arguments.len();
                    outcome.lines(
                        &self.lists[arguments.clone()],
                        registers,
                        |arithmetic, line, out| match op {
                            Along::Softmax => arithmetic.softmax(line, out),
                            Along::ArgMax => arithmetic.arg_max(line, out),
                        },
                        outs.clone(),
                    );
                    for out in outs {
                        ordinary[out] = registers[out].are_ordinary::<V>();
                    }
                    continue;
                }
            }
            ordinary[out] = registers[out].are_ordinary::<V>();
        }
    }
}

/// An operation on ordinary numbers; `None` where it is not one for vector registers.
#[inline(always)]
fn unary<V: Wide>(op: Unary, x: Pair<V>) -> Option<Pair<V>> {
    match op {
        Unary::Neg => Some(x.neg()),
        Unary::Sqrt => x.sqrt(),
        Unary::Abs => Some(x.abs()),
        Unary::Relu => Some(x.max(Pair::splat(0.0))),
        Unary::Pow(exponent) => power(exponent, x),
        Unary::Exp
        | Unary::Log
        | Unary::Log1p
        | Unary::Sin
        | Unary::Cos
        | Unary::Tanh
        | Unary::Sigmoid
        | Unary::LogSigmoid
        | Unary::Erf
        | Unary::Sign
        | Unary::Step
        | Unary::StepRight => None,
    }
}

/// Powers with the root and in the order of [`IntervalArithmetic`].
#[inline(always)]
fn power<V: Wide>(Exponent { num, den }: Exponent, x: Pair<V>) -> Option<Pair<V>> {
    if num == 0 || den > 2 {
        return None;
    }
    let root = if den == 2 { x.sqrt()? } else { x };
    let power = root.power(num.unsigned_abs())?;
    if num > 0 {
        return Some(power);
    }
    // a base around 0 makes a power that is not strictly on one side of it
    let mut ends = Ends::splat(Interval::ZERO);
    power.store(&mut ends);
    if !ends.are_ordinary::<V>() {
        return None;
    }
    Pair::splat(1.0).div(power)
}

/// The same for two arguments.
#[inline(always)]
fn binary<V: Wide>(op: Binary, x: Pair<V>, y: Pair<V>) -> Option<Pair<V>> {
    match op {
        Binary::Add => Some(x.add(y)),
        Binary::Sub => Some(x.sub(y)),
        Binary::Mul => Some(x.mul(y)),
        Binary::Div => x.div(y),
        Binary::Max => Some(x.max(y)),
        Binary::Min => Some(x.min(y)),
        Binary::LeakyRelu => Some(x.leaky_relu(y)),
        Binary::LeakyStep => None,
    }
}

/// An increasing function that is computed in vector registers.
struct Elementary {
    op: Unary,
    /// arguments for which the bound on the error holds
    arguments: (f64, f64),
    /// units in the last place that the values are moved outward by, at least twice the largest error observed
    steps: i64,
    range: (f64, f64),
    exact: Option<(f64, f64)>,
}

/// Arguments next to 0 are left to the scalar functions: smallest size of the others.
const NEAR_ZERO: f64 = f64::from_bits((1023 - 480) << 52);
/// Largest argument of the functions that take all sizes.
const FAR: f64 = f64::from_bits((1023 + 480) << 52);
/// Beyond it exponentials come near the ends of the range of binary64.
const EXPONENT: f64 = 700.0;
const INF: f64 = f64::INFINITY;

#[inline(always)]
fn elementary_function(op: Unary) -> Option<Elementary> {
    let function = |arguments, steps, range, exact| {
        Some(Elementary {
            op,
            arguments,
            steps,
            range,
            exact,
        })
    };
    match op {
        Unary::Exp => function((-EXPONENT, EXPONENT), 3, (0.0, INF), Some((0.0, 1.0))),
        Unary::Log => function((NEAR_ZERO, FAR), 3, (-INF, INF), Some((1.0, 0.0))),
        Unary::Log1p => function((-0.999_999, FAR), 3, (-INF, INF), Some((0.0, 0.0))),
        Unary::Tanh => function((-FAR, FAR), 7, (-1.0, 1.0), Some((0.0, 0.0))),
        Unary::Sigmoid => function((-EXPONENT, EXPONENT), 5, (0.0, 1.0), Some((0.0, 0.5))),
        Unary::LogSigmoid => function((-EXPONENT, EXPONENT), 4, (-INF, 0.0), None),
        Unary::Neg
        | Unary::Sqrt
        | Unary::Abs
        | Unary::Sin
        | Unary::Cos
        | Unary::Erf
        | Unary::Relu
        | Unary::Sign
        | Unary::Step
        | Unary::StepRight
        | Unary::Pow(_) => None,
    }
}

impl Elementary {
    #[inline(always)]
    fn apply<V: Wide>(&self, x: &Ends, numbers: usize, outcome: &mut Outcome) -> Ends {
        let mut values = [0.0; 2 * LANES];
        values[..LANES].copy_from_slice(&x.lo);
        values[LANES..].copy_from_slice(&x.hi);
        macro_rules! each {
            ($function:path) => {
                for value in &mut values[..numbers] {
                    *value = $function(*value);
                }
            };
        }
        // no closure in these loops: it would not be compiled for the instruction set
        match self.op {
            Unary::Exp => each!(elementary::exp),
            Unary::Log => each!(elementary::log),
            Unary::Log1p => each!(elementary::log1p),
            Unary::Tanh => each!(elementary::tanh),
            Unary::Sigmoid => each!(elementary::sigmoid),
            Unary::LogSigmoid => each!(elementary::log_sigmoid),
            Unary::Neg
            | Unary::Sqrt
            | Unary::Abs
            | Unary::Sin
            | Unary::Cos
            | Unary::Erf
            | Unary::Relu
            | Unary::Sign
            | Unary::Step
            | Unary::StepRight
            | Unary::Pow(_) => {}
        }
        let mut out = Ends::splat(Interval::ZERO);
        out.lo.copy_from_slice(&values[..LANES]);
        out.hi.copy_from_slice(&values[LANES..]);
        let argument = Pair::<V>::load(x);
        Pair::<V>::load(&out)
            .widened(argument, self.steps, self.range, self.exact)
            .store(&mut out);
        if !argument.lies_in(self.arguments) {
            for lane in 0..outcome.boxes {
                let x = x.get(lane);
                let suits = |end: f64| end.abs() >= NEAR_ZERO || end == 0.0;
                let inside = self.arguments.0 <= x.lo && x.hi <= self.arguments.1;
                if !(inside && suits(x.lo) && suits(x.hi)) {
                    out.set(
                        lane,
                        outcome.single(lane, |arithmetic| arithmetic.unary(self.op, &x)),
                    );
                }
            }
            out.repeat(outcome.boxes);
        }
        out
    }
}

/// What happened on the boxes of a block, and operations that are done box by box.
struct Outcome<'a> {
    undefined: &'a mut [u8; LANES],
    jumped: &'a mut [u8; LANES],
    /// the stages of the instruction
    stages: u8,
    /// lanes that hold boxes of their own
    boxes: usize,
}

impl Outcome<'_> {
    /// An operation on one box.
    fn single<T>(&mut self, lane: usize, operation: impl FnOnce(&mut IntervalArithmetic) -> T) -> T {
        let mut arithmetic = IntervalArithmetic::new();
        let result = operation(&mut arithmetic);
        let flags = arithmetic.take_flags();
        if !flags.defined {
            self.undefined[lane] |= self.stages;
        }
        if !flags.continuous {
            self.jumped[lane] |= self.stages;
        }
        result
    }

    fn unary(&mut self, op: Unary, x: &Ends) -> Ends {
        self.each(|arithmetic, lane| arithmetic.unary(op, &x.get(lane)))
    }

    fn binary(&mut self, op: Binary, x: &Ends, y: &Ends) -> Ends {
        self.each(|arithmetic, lane| arithmetic.binary(op, &x.get(lane), &y.get(lane)))
    }

    fn each(&mut self, operation: impl Fn(&mut IntervalArithmetic, usize) -> Interval) -> Ends {
        let mut out = Ends::splat(Interval::ZERO);
        for lane in 0..self.boxes {
            out.set(lane, self.single(lane, |arithmetic| operation(arithmetic, lane)));
        }
        out.repeat(self.boxes);
        out
    }

    /// An operation on the entries of a line.
    fn lines(
        &mut self,
        arguments: &[u32],
        registers: &mut [Ends],
        operation: impl Fn(&mut IntervalArithmetic, &[Interval], &mut [Interval]),
        outs: std::ops::Range<usize>,
    ) {
        let mut results = vec![Interval::ZERO; outs.len()];
        for lane in 0..self.boxes {
            let line: Vec<Interval> = arguments
                .iter()
                .map(|&argument| registers[argument as usize].get(lane))
                .collect();
            self.single(lane, |arithmetic| operation(arithmetic, &line, &mut results));
            for (out, result) in outs.clone().zip(&results) {
                registers[out].set(lane, *result);
            }
        }
        for out in &mut registers[outs] {
            out.repeat(self.boxes);
        }
    }
}
