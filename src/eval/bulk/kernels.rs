//! What the instructions do to blocks of points.
//!
//! Everything here is inlined into one function per instruction set (see [`super::level`]), and every
//! loop runs over neighbouring numbers, so that the compiler uses the registers of that set. The
//! order of additions is that of [`crate::eval::float`], whatever the set.

use super::buffer::{Buffer, LANES, Lane};
use super::elementary as e;
use super::level::Kernel;
use super::plan::{ChainStep, Instruction, Lines, Matrix, Plan, Port, Product, Slot, TILE, Value};
use super::vector::Vector;
use crate::eval::float::integer_power;
use crate::graph::op::{Along, Binary, Exponent, Reduction, Unary};

/// Runs a plan on a block whose inputs stand in their buffers.
pub(super) struct Execute<'a> {
    pub(super) plan: &'a Plan,
    pub(super) slots: &'a mut [Buffer],
}

impl Kernel for Execute<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize, const COLUMNS: usize>(self) {
        execute::<V, ROWS, COLUMNS>(self.plan, self.slots);
    }
}

#[inline(always)]
fn execute<V: Vector, const ROWS: usize, const COLUMNS: usize>(plan: &Plan, slots: &mut [Buffer]) {
    for instruction in &plan.instructions {
        let to = match instruction {
            Instruction::Chain { count, once, each } => {
                chain(*count, once, each, slots);
                continue;
            }
            Instruction::Product(_, to)
            | Instruction::Reduce(_, _, to)
            | Instruction::Along(_, _, to)
            | Instruction::Assemble { to, .. } => *to,
        };
        let mut out = std::mem::take(&mut slots[to]);
        match instruction {
            Instruction::Product(product, _) => multiply::<V, ROWS, COLUMNS>(product, slots, out.lanes_mut()),
            Instruction::Reduce(op, lines, _) => reduce(*op, lines, slots, out.lanes_mut()),
            Instruction::Along(op, lines, _) => along(*op, lines, slots, out.lanes_mut()),
            Instruction::Assemble { length, parts, .. } => {
                let out = &mut out.lanes_mut()[..*length];
                out.fill([0.0; LANES]);
                for (value, places) in parts {
                    assemble(value, places, slots, out);
                }
            }
            Instruction::Chain { .. } => {}
        }
        slots[to] = out;
    }
}

// ---------------------------------------------------------------------------------------------------
// Chains of elementwise operations

#[inline(always)]
fn chain(count: usize, once: &[ChainStep], each: &[ChainStep], slots: &mut [Buffer]) {
    for step in once {
        chain_step(step, 0, TILE.min(count), slots);
    }
    for start in (0..count).step_by(TILE) {
        let length = TILE.min(count - start);
        for step in each {
            chain_step(step, start, length, slots);
        }
    }
}

/// The numbers of a port for a tile.
#[inline(always)]
fn window(port: Port, start: usize, length: usize) -> std::ops::Range<usize> {
    let from = LANES * port.whole.map_or(0, |first| first + start);
    from..from + LANES * length
}

#[inline(always)]
fn chain_step(step: &ChainStep, start: usize, length: usize, slots: &mut [Buffer]) {
    let port = match step {
        ChainStep::Splat(_, to)
        | ChainStep::Gather(_, _, to)
        | ChainStep::Unary(_, _, to)
        | ChainStep::Binary(_, _, to) => *to,
    };
    let mut buffer = std::mem::take(&mut slots[port.slot]);
    let out = &mut buffer.numbers_mut()[window(port, start, length)];
    match step {
        ChainStep::Splat(numbers, _) => {
            for (slot, number) in out.as_chunks_mut().0.iter_mut().zip(&numbers[start..]) {
                *slot = [*number; LANES];
            }
        }
        ChainStep::Gather(from, list, _) => {
            let from = slots[*from].lanes();
            for (slot, place) in out.as_chunks_mut().0.iter_mut().zip(&list[start..]) {
                *slot = from[*place];
            }
        }
        ChainStep::Unary(op, x, _) => unary(*op, &slots[x.slot].numbers()[window(*x, start, length)], out),
        ChainStep::Binary(op, [x, y], _) => binary(
            *op,
            &slots[x.slot].numbers()[window(*x, start, length)],
            &slots[y.slot].numbers()[window(*y, start, length)],
            out,
        ),
    }
    slots[port.slot] = buffer;
}

/// One loop over neighbouring numbers.
macro_rules! each {
    ($out:ident, $x:ident => $value:expr) => {
        for (slot, &$x) in $out.iter_mut().zip($x) {
            *slot = $value;
        }
    };
    ($out:ident, $x:ident, $y:ident => $value:expr) => {
        for ((slot, &$x), &$y) in $out.iter_mut().zip($x).zip($y) {
            *slot = $value;
        }
    };
}

#[inline(always)]
fn step(x: f64, at_zero: f64) -> f64 {
    let value = if x > 0.0 { 1.0 } else { at_zero };
    let value = if x < 0.0 { 0.0 } else { value };
    if x.is_nan() { x } else { value }
}

#[inline(always)]
fn unary(op: Unary, x: &[f64], out: &mut [f64]) {
    match op {
        Unary::Neg => each!(out, x => -x),
        Unary::Exp => each!(out, x => e::exp(x)),
        Unary::Log => each!(out, x => e::log(x)),
        Unary::Log1p => each!(out, x => e::log1p(x)),
        Unary::Sqrt => each!(out, x => x.sqrt()),
        Unary::Abs => each!(out, x => x.abs()),
        Unary::Sin => each!(out, x => libm::sin(x)),
        Unary::Cos => each!(out, x => libm::cos(x)),
        Unary::Tanh => each!(out, x => e::tanh(x)),
        Unary::Sigmoid => each!(out, x => e::sigmoid(x)),
        Unary::LogSigmoid => each!(out, x => e::log_sigmoid(x)),
        Unary::Erf => each!(out, x => libm::erf(x)),
        Unary::Relu => each!(out, x => if x < 0.0 { 0.0 } else { x }),
        Unary::Sign => each!(out, x => step(x, 0.5) * 2.0 - 1.0),
        Unary::Step => each!(out, x => step(x, 0.0)),
        Unary::StepRight => each!(out, x => step(x, 1.0)),
        Unary::Pow(Exponent { num, den: 1 }) => power(x, num, out),
        Unary::Pow(Exponent { num, den: 2 }) => {
            each!(out, x => x.sqrt());
            if num != 1 {
                for slot in out {
                    *slot = integer_power(*slot, num);
                }
            }
        }
        Unary::Pow(Exponent { num, den }) => {
            let exponent = f64::from(num) / f64::from(den);
            each!(out, x => libm::pow(x, exponent));
        }
    }
}

/// `x^n`: the common exponents without a loop inside the loop.
#[inline(always)]
fn power(x: &[f64], n: i32, out: &mut [f64]) {
    match n {
        1 => out.copy_from_slice(x),
        2 => each!(out, x => x * x),
        3 => each!(out, x => x * (x * x)),
        -1 => each!(out, x => 1.0 / x),
        -2 => each!(out, x => 1.0 / (x * x)),
        _ => each!(out, x => integer_power(x, n)),
    }
}

#[inline(always)]
fn binary(op: Binary, x: &[f64], y: &[f64], out: &mut [f64]) {
    match op {
        Binary::Add => each!(out, x, y => x + y),
        Binary::Sub => each!(out, x, y => x - y),
        Binary::Mul => each!(out, x, y => x * y),
        Binary::Div => each!(out, x, y => x / y),
        Binary::Max => each!(out, x, y => if x >= y || x.is_nan() { x } else { y }),
        Binary::Min => each!(out, x, y => if x <= y || x.is_nan() { x } else { y }),
        Binary::LeakyRelu => each!(out, x, y => if x < 0.0 { y * x } else { x }),
        Binary::LeakyStep => each!(out, x, y => {
            let value = if x >= 0.0 { 1.0 } else { y };
            if x.is_nan() { x } else { value }
        }),
    }
}

// ---------------------------------------------------------------------------------------------------
// Matrix products

/// Entries of the panel of the right factor that stays in the first-level cache.
const PANEL: usize = 512;

/// An entry of a factor: one number for all points, or one for each.
trait Entry {
    fn load<V: Vector>(&self) -> V;
}

impl Entry for f64 {
    #[inline(always)]
    fn load<V: Vector>(&self) -> V {
        V::splat(*self)
    }
}

impl Entry for Lane {
    #[inline(always)]
    fn load<V: Vector>(&self) -> V {
        V::load(self)
    }
}

#[inline(always)]
fn multiply<V: Vector, const ROWS: usize, const COLUMNS: usize>(
    product: &Product,
    slots: &[Buffer],
    out: &mut [Lane],
) {
    let shape = [product.rows, product.inner, product.columns];
    let entries = product.rows * product.columns;
    for (number, [left, right]) in product.starts.iter().enumerate() {
        let out = &mut out[number * entries..][..entries];
        match (&product.left, &product.right) {
            (Matrix::Numbers(a), Matrix::Lanes(b, start)) => {
                gemm::<V, ROWS, COLUMNS, _, _>(&a[*left..], &slots[*b].lanes()[start + right..], shape, out);
            }
            (Matrix::Lanes(a, start), Matrix::Numbers(b)) => {
                gemm::<V, ROWS, COLUMNS, _, _>(&slots[*a].lanes()[start + left..], &b[*right..], shape, out);
            }
            (Matrix::Lanes(a, first), Matrix::Lanes(b, second)) => {
                let (a, b) = (slots[*a].lanes(), slots[*b].lanes());
                gemm::<V, ROWS, COLUMNS, _, _>(&a[first + left..], &b[second + right..], shape, out);
            }
            (Matrix::Numbers(a), Matrix::Numbers(b)) => {
                gemm::<V, ROWS, COLUMNS, _, _>(&a[*left..], &b[*right..], shape, out);
            }
        }
    }
}

/// One matrix product: a panel of columns after the other, tile by tile.
#[inline(always)]
fn gemm<V: Vector, const ROWS: usize, const COLUMNS: usize, A: Entry, B: Entry>(
    a: &[A],
    b: &[B],
    [rows, inner, columns]: [usize; 3],
    out: &mut [Lane],
) {
    let width = (PANEL / inner.max(1)).max(1).next_multiple_of(COLUMNS);
    for from in (0..columns).step_by(width) {
        let to = columns.min(from + width);
        let mut row = 0;
        while row < rows {
            let mut column = from;
            let tall = row + ROWS <= rows;
            while column < to {
                let at = [row, column];
                match (tall, column + COLUMNS <= to) {
                    (true, true) => tile::<V, ROWS, COLUMNS, A, B>(a, b, at, [inner, columns], out),
                    (true, false) => tile::<V, ROWS, 1, A, B>(a, b, at, [inner, columns], out),
                    (false, true) => tile::<V, 1, COLUMNS, A, B>(a, b, at, [inner, columns], out),
                    (false, false) => tile::<V, 1, 1, A, B>(a, b, at, [inner, columns], out),
                }
                column += if column + COLUMNS <= to { COLUMNS } else { 1 };
            }
            row += if tall { ROWS } else { 1 };
        }
    }
}

/// A tile of the result, kept in registers: each entry is the sum over `inner`, in order.
#[inline(always)]
fn tile<V: Vector, const ROWS: usize, const COLUMNS: usize, A: Entry, B: Entry>(
    a: &[A],
    b: &[B],
    [row, column]: [usize; 2],
    [inner, columns]: [usize; 2],
    out: &mut [Lane],
) {
    let left: [&[A]; ROWS] = std::array::from_fn(|i| &a[(row + i) * inner..][..inner]);
    let mut sums = [[V::splat(-0.0); COLUMNS]; ROWS];
    for (k, right) in b.chunks(columns).take(inner).enumerate() {
        let right = &right[column..][..COLUMNS];
        let right: [V; COLUMNS] = std::array::from_fn(|j| right[j].load());
        for (sums, left) in sums.iter_mut().zip(&left) {
            let left: V = left[k].load();
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = sum.add(left.mul(right));
            }
        }
    }
    for (i, sums) in sums.into_iter().enumerate() {
        let out = &mut out[(row + i) * columns + column..][..COLUMNS];
        for (slot, sum) in out.iter_mut().zip(sums) {
            *slot = sum.store();
        }
    }
}

// ---------------------------------------------------------------------------------------------------
// Reductions, functions along an axis, moves

/// Calls with the places of the entries of each line.
#[inline(always)]
fn for_each_line(lines: &Lines, mut visit: impl FnMut(usize, usize)) {
    for outer in 0..lines.outer {
        for inner in 0..lines.inner {
            visit(
                outer * lines.inner + inner,
                outer * lines.length * lines.inner + inner,
            );
        }
    }
}

#[inline(always)]
fn larger(best: &Lane, x: &Lane) -> Lane {
    let mut out = *best;
    for lane in 0..LANES {
        out[lane] = if x[lane] > best[lane] || x[lane].is_nan() {
            x[lane]
        } else {
            best[lane]
        };
    }
    out
}

#[inline(always)]
fn largest(x: &[Lane], first: usize, lines: &Lines) -> Lane {
    let mut best = [f64::NEG_INFINITY; LANES];
    for number in 0..lines.length {
        best = larger(&best, &x[first + number * lines.inner]);
    }
    best
}

#[inline(always)]
fn exp_below(x: &Lane, largest: &Lane) -> Lane {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = e::exp(x[lane] - largest[lane]);
    }
    out
}

#[inline(always)]
fn add(sum: &mut Lane, x: &Lane) {
    for lane in 0..LANES {
        sum[lane] += x[lane];
    }
}

#[inline(always)]
fn reduce(op: Reduction, lines: &Lines, slots: &[Buffer], out: &mut [Lane]) {
    let x = &slots[lines.slot].lanes()[lines.start..];
    match op {
        Reduction::Sum => for_each_line(lines, |number, first| {
            let mut sum = [-0.0; LANES];
            for position in 0..lines.length {
                add(&mut sum, &x[first + position * lines.inner]);
            }
            out[number] = sum;
        }),
        Reduction::Max => for_each_line(lines, |number, first| out[number] = largest(x, first, lines)),
        Reduction::LogSumExp => for_each_line(lines, |number, first| {
            let largest = largest(x, first, lines);
            let mut sum = [-0.0; LANES];
            for position in 0..lines.length {
                add(&mut sum, &exp_below(&x[first + position * lines.inner], &largest));
            }
            for lane in 0..LANES {
                let value = largest[lane] + e::log(sum[lane]);
                out[number][lane] = if largest[lane].is_infinite() {
                    largest[lane]
                } else {
                    value
                };
            }
        }),
    }
}

#[inline(always)]
fn along(op: Along, lines: &Lines, slots: &[Buffer], out: &mut [Lane]) {
    let x = &slots[lines.slot].lanes()[lines.start..];
    for_each_line(lines, |_, first| {
        let largest = largest(x, first, lines);
        let places = (0..lines.length).map(|position| first + position * lines.inner);
        match op {
            Along::Softmax => {
                let mut total = [0.0; LANES];
                for place in places.clone() {
                    let weight = exp_below(&x[place], &largest);
                    add(&mut total, &weight);
                    out[place] = weight;
                }
                for place in places {
                    for lane in 0..LANES {
                        out[place][lane] /= total[lane];
                    }
                }
            }
            Along::ArgMax => {
                let mut open = [true; LANES];
                for place in places {
                    for lane in 0..LANES {
                        let here = open[lane] && x[place][lane] == largest[lane];
                        open[lane] &= !here;
                        out[place][lane] = if here { 1.0 } else { 0.0 };
                    }
                }
            }
        }
    });
}

#[inline(always)]
fn assemble(value: &Value<Slot>, places: &[usize], slots: &[Buffer], out: &mut [Lane]) {
    match value {
        Value::Numbers(numbers) => {
            for (place, number) in places.iter().zip(numbers.iter()) {
                out[*place] = [*number; LANES];
            }
        }
        Value::Lanes(slot, from) => {
            let lanes = slots[*slot].lanes();
            for (position, place) in places.iter().enumerate() {
                out[*place] = lanes[from.at(position)];
            }
        }
    }
}
