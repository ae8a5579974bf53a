//! What the instructions do to blocks of points.
//!
//! Everything here is inlined into one function per instruction set (see [`super::level`]), and every
//! loop runs over neighbouring numbers, so that the compiler uses the registers of that set. The
//! order of additions is that of [`crate::eval::float`], whatever the set.

use super::buffer::{Buffer, LANES, Lane};
use super::elementary as e;
use super::level::Kernel;
use super::plan::{
    At, ChainStep, Extent, Instruction, Lines, Matrix, Plan, Port, Product, Slot, TILE, Value, panel_width,
};
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

/// The strip that is computed: its first row and its number of rows.
#[derive(Clone, Copy)]
struct Rows {
    first: usize,
    count: usize,
}

impl Rows {
    #[inline(always)]
    fn extent(self, extent: Extent) -> usize {
        match extent {
            Extent::Fixed(size) => size,
            Extent::Strip => self.count,
        }
    }

    /// The entry of a buffer from which a strip is read or written.
    #[inline(always)]
    fn start(self, at: At) -> usize {
        at.start + self.first * at.row
    }
}

#[inline(always)]
fn execute<V: Vector, const ROWS: usize, const COLUMNS: usize>(plan: &Plan, slots: &mut [Buffer]) {
    for strips in &plan.strips {
        for step in &strips.once {
            chain_step(step, 0, TILE, Rows { first: 0, count: 1 }, slots);
        }
        for first in (0..strips.rows).step_by(strips.strip) {
            let rows = Rows {
                first,
                count: strips.strip.min(strips.rows - first),
            };
            for instruction in &strips.body {
                run::<V, ROWS, COLUMNS>(instruction, rows, plan.panel, slots);
            }
        }
    }
}

#[inline(always)]
fn run<V: Vector, const ROWS: usize, const COLUMNS: usize>(
    instruction: &Instruction,
    rows: Rows,
    panel: Slot,
    slots: &mut [Buffer],
) {
    let (slot, start) = match instruction {
        Instruction::Chain { width, each } => {
            let count = width * rows.count;
            for start in (0..count).step_by(TILE) {
                for step in each {
                    chain_step(step, start, TILE.min(count - start), rows, slots);
                }
            }
            return;
        }
        Instruction::Product(_, to) | Instruction::Reduce(_, _, to) | Instruction::Along(_, _, to) => {
            (to.slot, rows.start(*to))
        }
        Instruction::Assemble { to, .. } => (*to, 0),
    };
    let mut buffer = std::mem::take(&mut slots[slot]);
    let out = &mut buffer.lanes_mut()[start..];
    match instruction {
        Instruction::Product(product, _) => {
            let mut held = std::mem::take(&mut slots[panel]);
            multiply::<V, ROWS, COLUMNS>(product, rows, slots, held.lanes_mut(), out);
            slots[panel] = held;
        }
        Instruction::Reduce(op, lines, _) => reduce(*op, lines, rows, slots, out),
        Instruction::Along(op, lines, _) => along(*op, lines, rows, slots, out),
        Instruction::Assemble { length, parts, .. } => {
            let out = &mut out[..*length];
            out.fill([0.0; LANES]);
            for (value, places) in parts {
                assemble(value, places, slots, out);
            }
        }
        Instruction::Chain { .. } => {}
    }
    slots[slot] = buffer;
}

// ---------------------------------------------------------------------------------------------------
// Chains of elementwise operations

/// The numbers of a port for a tile.
#[inline(always)]
fn window(port: Port, start: usize, length: usize, rows: Rows) -> std::ops::Range<usize> {
    let from = LANES
        * match port {
            Port::Tile(_) => 0,
            Port::Whole(at) => rows.start(at) + start,
        };
    from..from + LANES * length
}

#[inline(always)]
fn slot_of(port: Port) -> Slot {
    match port {
        Port::Tile(slot) => slot,
        Port::Whole(at) => at.slot,
    }
}

#[inline(always)]
fn chain_step(step: &ChainStep, start: usize, length: usize, rows: Rows, slots: &mut [Buffer]) {
    let port = match step {
        ChainStep::Splat(_, _, to)
        | ChainStep::Gather(_, _, _, to)
        | ChainStep::Unary(_, _, to)
        | ChainStep::Binary(_, _, to) => *to,
    };
    let mut buffer = std::mem::take(&mut slots[slot_of(port)]);
    let out = &mut buffer.numbers_mut()[window(port, start, length, rows)];
    match step {
        ChainStep::Splat(numbers, row, _) => {
            let numbers = &numbers[rows.first * row + start..];
            for (slot, number) in out.as_chunks_mut().0.iter_mut().zip(numbers) {
                *slot = [*number; LANES];
            }
        }
        ChainStep::Gather(from, list, row, _) => {
            let lanes = &slots[from.slot].lanes()[rows.start(*from)..];
            let list = &list[rows.first * row + start..];
            for (slot, place) in out.as_chunks_mut().0.iter_mut().zip(list) {
                *slot = lanes[*place];
            }
        }
        ChainStep::Unary(op, x, _) => {
            let x = &slots[slot_of(*x)].numbers()[window(*x, start, length, rows)];
            unary(*op, x, out);
        }
        ChainStep::Binary(op, [x, y], _) => {
            let x = &slots[slot_of(*x)].numbers()[window(*x, start, length, rows)];
            let y = &slots[slot_of(*y)].numbers()[window(*y, start, length, rows)];
            binary(*op, x, y, out);
        }
    }
    slots[slot_of(port)] = buffer;
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
    strip: Rows,
    slots: &[Buffer],
    panel: &mut [Lane],
    out: &mut [Lane],
) {
    let size = Size {
        rows: strip.extent(product.shape[0]),
        inner: strip.extent(product.shape[1]),
        columns: strip.extent(product.shape[2]),
        stride: product.stride,
        // a later part of a sum over the rows
        more: product.shape[1] == Extent::Strip && strip.first > 0,
    };
    let numbers = |at: usize, row: usize| at + strip.first * row;
    for (number, [left, right]) in product.starts.iter().enumerate() {
        let out = &mut out[number * size.rows * size.columns..][..size.rows * size.columns];
        match (&product.left, &product.right) {
            (Matrix::Numbers(a, row), Matrix::Lanes(b)) => {
                let b = &slots[b.slot].lanes()[strip.start(*b) + right..];
                gemm_by_panels::<V, ROWS, COLUMNS, _>(&a[numbers(*left, *row)..], b, size, panel, out);
            }
            (Matrix::Lanes(a), Matrix::Numbers(b, row)) => {
                let a = &slots[a.slot].lanes()[strip.start(*a) + left..];
                let b = &b[numbers(*right, *row)..];
                gemm::<V, ROWS, COLUMNS, _, _>(a, b, [0, size.columns], size.columns, size, out);
            }
            (Matrix::Lanes(a), Matrix::Lanes(b)) => {
                let a = &slots[a.slot].lanes()[strip.start(*a) + left..];
                let b = &slots[b.slot].lanes()[strip.start(*b) + right..];
                gemm_by_panels::<V, ROWS, COLUMNS, _>(a, b, size, panel, out);
            }
            (Matrix::Numbers(a, first), Matrix::Numbers(b, second)) => {
                let (a, b) = (&a[numbers(*left, *first)..], &b[numbers(*right, *second)..]);
                gemm::<V, ROWS, COLUMNS, _, _>(a, b, [0, size.columns], size.columns, size, out);
            }
        }
    }
}

/// Sizes of a matrix product.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    inner: usize,
    columns: usize,
    /// distance of the rows of the left factor
    stride: usize,
    /// the product is added to what stands there
    more: bool,
}

/// One matrix product, a panel of columns of the right factor after the other. Where there are several, each is copied to one place
/// first: its rows would otherwise compete for the same few lines of the cache.
#[inline(always)]
fn gemm_by_panels<V: Vector, const ROWS: usize, const COLUMNS: usize, A: Entry>(
    a: &[A],
    b: &[Lane],
    size: Size,
    panel: &mut [Lane],
    out: &mut [Lane],
) {
    let Size { inner, columns, .. } = size;
    let width = panel_width(inner).next_multiple_of(COLUMNS);
    if columns <= width {
        gemm::<V, ROWS, COLUMNS, A, Lane>(a, b, [0, columns], columns, size, out);
        return;
    }
    for from in (0..columns).step_by(width) {
        let to = columns.min(from + width);
        for (k, row) in panel.chunks_mut(to - from).take(inner).enumerate() {
            row.copy_from_slice(&b[k * columns + from..][..to - from]);
        }
        gemm::<V, ROWS, COLUMNS, A, Lane>(a, panel, [from, to], to - from, size, out);
    }
}

/// The columns `from..to` of a matrix product, tile by tile. `b` holds these columns of the right factor, whose rows are `step` apart.
#[inline(always)]
fn gemm<V: Vector, const ROWS: usize, const COLUMNS: usize, A: Entry, B: Entry>(
    a: &[A],
    b: &[B],
    [from, to]: [usize; 2],
    step: usize,
    size: Size,
    out: &mut [Lane],
) {
    let mut row = 0;
    while row < size.rows {
        let mut column = from;
        let tall = row + ROWS <= size.rows;
        while column < to {
            let at = [row, column];
            let b = &b[column - from..];
            match (tall, column + COLUMNS <= to) {
                (true, true) => tile::<V, ROWS, COLUMNS, A, B>(a, b, step, at, size, out),
                (true, false) => tile::<V, ROWS, 1, A, B>(a, b, step, at, size, out),
                (false, true) => tile::<V, 1, COLUMNS, A, B>(a, b, step, at, size, out),
                (false, false) => tile::<V, 1, 1, A, B>(a, b, step, at, size, out),
            }
            column += if column + COLUMNS <= to { COLUMNS } else { 1 };
        }
        row += if tall { ROWS } else { 1 };
    }
}

/// A tile of the result, kept in registers: each entry is the sum over `inner`, in order. `b` begins with the tile's columns.
#[inline(always)]
fn tile<V: Vector, const ROWS: usize, const COLUMNS: usize, A: Entry, B: Entry>(
    a: &[A],
    b: &[B],
    step: usize,
    [row, column]: [usize; 2],
    size: Size,
    out: &mut [Lane],
) {
    let Size { inner, columns, .. } = size;
    let left: [&[A]; ROWS] = std::array::from_fn(|i| &a[(row + i) * size.stride..][..inner]);
    let mut sums = [[V::splat(-0.0); COLUMNS]; ROWS];
    if size.more {
        for (i, sums) in sums.iter_mut().enumerate() {
            let before = &out[(row + i) * columns + column..][..COLUMNS];
            for (sum, before) in sums.iter_mut().zip(before) {
                *sum = V::load(before);
            }
        }
    }
    // the last row may end with the slice
    for (k, right) in (0..inner).zip(b.chunks(step)) {
        let Some(right) = right.first_chunk::<COLUMNS>() else {
            break;
        };
        let right: [V; COLUMNS] = std::array::from_fn(|j| right[j].load());
        for (sums, left) in sums.iter_mut().zip(&left) {
            let left: V = left[k].load();
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = left.mul_add(right, *sum);
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

/// Lines of a strip: how many before and behind the axis, and how long.
#[derive(Clone, Copy)]
struct Grid {
    outer: usize,
    length: usize,
    inner: usize,
}

impl Grid {
    #[inline(always)]
    fn new(lines: &Lines, rows: Rows) -> Grid {
        let [outer, length, inner] = lines.shape.map(|extent| rows.extent(extent));
        Grid { outer, length, inner }
    }

    /// Where each line starts, in order.
    #[inline(always)]
    fn lines(self) -> Starts {
        Starts {
            grid: self,
            outer: 0,
            inner: 0,
        }
    }
}

/// The first entries of lines. A loop over them, and no closure called for each, since a closure would not be compiled
/// for the instruction set.
struct Starts {
    grid: Grid,
    outer: usize,
    inner: usize,
}

impl Iterator for Starts {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let Grid { outer, length, inner } = self.grid;
        if self.inner == inner {
            (self.outer, self.inner) = (self.outer + 1, 0);
        }
        if self.outer >= outer || inner == 0 {
            return None;
        }
        self.inner += 1;
        Some(self.outer * length * inner + self.inner - 1)
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
fn largest(x: &[Lane], first: usize, lines: Grid) -> Lane {
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
fn reduce(op: Reduction, lines: &Lines, rows: Rows, slots: &[Buffer], out: &mut [Lane]) {
    let x = &slots[lines.from.slot].lanes()[rows.start(lines.from)..];
    // a later part of a sum over the rows
    let more = lines.shape[1] == Extent::Strip && rows.first > 0;
    let lines = Grid::new(lines, rows);
    match op {
        Reduction::Sum => {
            for (first, out) in lines.lines().zip(out) {
                let mut sum = if more { *out } else { [-0.0; LANES] };
                for position in 0..lines.length {
                    add(&mut sum, &x[first + position * lines.inner]);
                }
                *out = sum;
            }
        }
        Reduction::Max => {
            for (first, out) in lines.lines().zip(out) {
                *out = largest(x, first, lines);
            }
        }
        Reduction::LogSumExp => {
            for (first, out) in lines.lines().zip(out) {
                let largest = largest(x, first, lines);
                let mut sum = [-0.0; LANES];
                for position in 0..lines.length {
                    add(&mut sum, &exp_below(&x[first + position * lines.inner], &largest));
                }
                for lane in 0..LANES {
                    let value = largest[lane] + e::log(sum[lane]);
                    out[lane] = if largest[lane].is_infinite() {
                        largest[lane]
                    } else {
                        value
                    };
                }
            }
        }
    }
}

#[inline(always)]
fn along(op: Along, lines: &Lines, rows: Rows, slots: &[Buffer], out: &mut [Lane]) {
    let x = &slots[lines.from.slot].lanes()[rows.start(lines.from)..];
    let lines = Grid::new(lines, rows);
    for first in lines.lines() {
        let largest = largest(x, first, lines);
        match op {
            Along::Softmax => {
                let mut total = [0.0; LANES];
                for position in 0..lines.length {
                    let place = first + position * lines.inner;
                    let weight = exp_below(&x[place], &largest);
                    add(&mut total, &weight);
                    out[place] = weight;
                }
                for position in 0..lines.length {
                    let out = &mut out[first + position * lines.inner];
                    for lane in 0..LANES {
                        out[lane] /= total[lane];
                    }
                }
            }
            Along::ArgMax => {
                let mut open = [true; LANES];
                for position in 0..lines.length {
                    let place = first + position * lines.inner;
                    for lane in 0..LANES {
                        let here = open[lane] && x[place][lane] == largest[lane];
                        open[lane] &= !here;
                        out[place][lane] = if here { 1.0 } else { 0.0 };
                    }
                }
            }
        }
    }
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
