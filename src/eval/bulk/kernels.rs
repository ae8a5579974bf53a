//! What the instructions do to blocks of points.
//!
//! Everything here is inlined into one function per instruction set (see [`super::level`]), and every
//! loop runs over neighbouring numbers, so that the compiler uses the registers of that set. The
//! order of additions is that of [`crate::eval::float`], whatever the set.

use super::buffer::{Buffer, LANES, Lane};
use super::elementary as e;
use super::elementwise::{self, Operand};
use super::level::Kernel;
use super::number::Vectors;
use super::plan::{
    At, ChainStep, Extent, Instruction, Lines, Matrix, Plan, Port, Product, Slot, TILE, Through, Value,
};
use super::product::{self, LeakyRelu, Plain, Relu, Shape, Strides};
use super::vector::Vector;
use crate::graph::op::{Along, Reduction};

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
        for first in (0..strips.rows).step_by(strips.strip) {
            let rows = Rows {
                first,
                count: strips.strip.min(strips.rows - first),
            };
            for instruction in &strips.body {
                run::<V, ROWS, COLUMNS>(instruction, rows, slots);
            }
        }
    }
}

#[inline(always)]
fn run<V: Vector, const ROWS: usize, const COLUMNS: usize>(
    instruction: &Instruction,
    rows: Rows,
    slots: &mut [Buffer],
) {
    let (slot, start) = match instruction {
        Instruction::Chain { width, each } => {
            let count = width * rows.count;
            for start in (0..count).step_by(TILE) {
                let length = TILE.min(count - start);
                for step in each {
                    chain_step::<V>(step, Window { start, length, rows }, slots);
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
            multiply::<V, ROWS, COLUMNS>(product, rows, slots, out);
        }
        Instruction::Reduce(op, lines, _) => reduce::<V>(*op, lines, rows, slots, out),
        Instruction::Along(op, lines, _) => along::<V>(*op, lines, rows, slots, out),
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

/// The part of a tensor that a tile of a chain covers.
#[derive(Clone, Copy)]
struct Window {
    start: usize,
    length: usize,
    rows: Rows,
}

impl Window {
    /// The entries of a port.
    #[inline(always)]
    fn operand(self, port: Port, slots: &[Buffer]) -> Operand<'_> {
        match port {
            Port::Tile(slot) => Operand::Many(&slots[slot].lanes()[..self.length]),
            Port::Whole(at) => {
                let from = self.rows.start(at) + self.start;
                Operand::Many(&slots[at.slot].lanes()[from..from + self.length])
            }
            Port::Entry(slot, place) => Operand::One(slots[slot].lanes()[place]),
            Port::Number(number) => Operand::One([number; LANES]),
        }
    }

    /// The buffer of a result and its first entry.
    #[inline(always)]
    fn result(self, port: Port) -> (Slot, usize) {
        match port {
            Port::Tile(slot) => (slot, 0),
            Port::Whole(at) => (at.slot, self.rows.start(at) + self.start),
            Port::Entry(..) | Port::Number(_) => unreachable!("no results"),
        }
    }
}

#[inline(always)]
fn chain_step<V: Vector>(step: &ChainStep, window: Window, slots: &mut [Buffer]) {
    let (ChainStep::Splat(_, _, to)
    | ChainStep::Gather(_, _, _, to)
    | ChainStep::Unary(_, _, to)
    | ChainStep::Binary(_, _, to)
    | ChainStep::Fused(_, _, to)) = step;
    let (slot, from) = window.result(*to);
    let mut buffer = std::mem::take(&mut slots[slot]);
    let out = &mut buffer.lanes_mut()[from..from + window.length];
    let Window { start, rows, .. } = window;
    match step {
        ChainStep::Splat(numbers, row, _) => {
            let numbers = &numbers[rows.first * row + start..];
            for (slot, number) in out.iter_mut().zip(numbers) {
                V::splat(*number).store(slot);
            }
        }
        ChainStep::Gather(from, list, row, _) => {
            let lanes = &slots[from.slot].lanes()[rows.start(*from)..];
            let list = &list[rows.first * row + start..];
            for (slot, place) in out.iter_mut().zip(list) {
                V::load(&lanes[*place]).store(slot);
            }
        }
        ChainStep::Unary(op, x, _) => {
            elementwise::unary::<V>(*op, window.operand(*x, slots).many(), out);
        }
        ChainStep::Binary(op, ports, _) => {
            let [x, y] = [window.operand(ports[0], slots), window.operand(ports[1], slots)];
            elementwise::binary::<V>(*op, x, y, out);
        }
        ChainStep::Fused(op, [x, y, z], _) => {
            let sides = [window.operand(*x, slots).many(), window.operand(*y, slots).many()];
            elementwise::fused::<V>(*op, sides, window.operand(*z, slots), out);
        }
    }
    slots[slot] = buffer;
}

// ---------------------------------------------------------------------------------------------------
// Matrix products

#[inline(always)]
fn multiply<V: Vector, const ROWS: usize, const COLUMNS: usize>(
    product: &Product,
    strip: Rows,
    slots: &[Buffer],
    out: &mut [Lane],
) {
    let [rows, inner, columns] = product.shape.map(|extent| strip.extent(extent));
    let blocks = product.blocks;
    // of a factor that varies from point to point, and of the result, for one block
    let apart = |row: usize| Strides {
        row: row * blocks,
        column: blocks,
    };
    let together = |row: usize| Strides { row, column: 1 };
    let shape = Shape {
        rows,
        inner,
        columns,
        left: apart(product.stride),
        right: apart(columns),
        out: apart(columns),
        // a later part of a sum over the rows
        more: product.shape[1] == Extent::Strip && strip.first > 0,
    };
    let size = rows * columns * blocks;
    for (number, [left, right]) in product.starts.iter().enumerate() {
        let out = &mut out[number * size..][..size];
        let lanes = |at: At, from: usize| &slots[at.slot].lanes()[strip.start(at) + from..];
        match (&product.left, &product.right) {
            (Matrix::Numbers(a, row), Matrix::Lanes(b)) => {
                // the blocks are further columns
                let shape = Shape {
                    columns: columns * blocks,
                    left: together(product.stride),
                    right: together(columns * blocks),
                    out: together(columns * blocks),
                    ..shape
                };
                let a = &a[left + strip.first * row..];
                product::multiply::<V, ROWS, COLUMNS, _, _, _>(a, lanes(*b, *right), Plain, shape, out);
            }
            (Matrix::Lanes(a), Matrix::Numbers(b, row)) => {
                let shape = Shape {
                    right: together(columns),
                    ..shape
                };
                let b = &b[right + strip.first * row..];
                for block in 0..blocks {
                    let (a, out) = (lanes(*a, left + block), &mut out[block..]);
                    match product.through {
                        Through::Nothing => {
                            product::multiply::<V, ROWS, COLUMNS, _, _, _>(a, b, Plain, shape, out);
                        }
                        Through::Relu => {
                            product::multiply::<V, ROWS, COLUMNS, _, _, _>(a, b, Relu, shape, out);
                        }
                        Through::LeakyRelu(slope) => {
                            let through = LeakyRelu(slope);
                            product::multiply::<V, ROWS, COLUMNS, _, _, _>(a, b, through, shape, out);
                        }
                    }
                }
            }
            (Matrix::Lanes(a), Matrix::Lanes(b)) => {
                for block in 0..blocks {
                    let (a, b) = (lanes(*a, left + block), lanes(*b, right + block));
                    product::multiply::<V, ROWS, COLUMNS, _, _, _>(a, b, Plain, shape, &mut out[block..]);
                }
            }
            (Matrix::Numbers(..), Matrix::Numbers(..)) => unreachable!("constants are evaluated before"),
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
fn largest<V: Vector>(x: &[Lane], first: usize, lines: Grid) -> V {
    let mut best = V::splat(f64::NEG_INFINITY);
    for number in 0..lines.length {
        let x = V::load(&x[first + number * lines.inner]);
        best = V::select(x.is_nan(), x, V::select(best.less(x), x, best));
    }
    best
}

#[inline(always)]
fn reduce<V: Vector>(op: Reduction, lines: &Lines, rows: Rows, slots: &[Buffer], out: &mut [Lane]) {
    let x = &slots[lines.from.slot].lanes()[rows.start(lines.from)..];
    // a later part of a sum over the rows
    let more = lines.shape[1] == Extent::Strip && rows.first > 0;
    let lines = Grid::new(lines, rows);
    match op {
        Reduction::Sum => {
            for (first, out) in lines.lines().zip(out) {
                let mut sum = if more { V::load(out) } else { V::splat(-0.0) };
                for position in 0..lines.length {
                    sum = sum + V::load(&x[first + position * lines.inner]);
                }
                sum.store(out);
            }
        }
        Reduction::Max => {
            for (first, out) in lines.lines().zip(out) {
                largest::<V>(x, first, lines).store(out);
            }
        }
        Reduction::LogSumExp => {
            for (first, out) in lines.lines().zip(out) {
                let largest = largest::<V>(x, first, lines);
                let sum = weights::<V>(x, first, lines, largest, &mut []);
                let value = largest + e::log(sum);
                V::select(largest.abs().less(V::splat(f64::INFINITY)), value, largest).store(out);
            }
        }
    }
}

/// The sum of `exp(x - largest)` over a line; where there is room the terms are kept.
#[inline(always)]
fn weights<V: Vector>(x: &[Lane], first: usize, lines: Grid, largest: V, kept: &mut [Lane]) -> V {
    let mut sum = V::splat(-0.0);
    let mut position = 0;
    while position + V::Group::COUNT <= lines.length {
        let places = first + position * lines.inner;
        let terms = e::exp(V::Group::strided(&x[places..], lines.inner) - V::Group::all(largest));
        for number in 0..V::Group::COUNT {
            let term = terms.vector(number);
            sum = sum + term;
            if !kept.is_empty() {
                term.store(&mut kept[places + number * lines.inner]);
            }
        }
        position += V::Group::COUNT;
    }
    while position < lines.length {
        let place = first + position * lines.inner;
        let term = e::exp(V::load(&x[place]) - largest);
        sum = sum + term;
        if !kept.is_empty() {
            term.store(&mut kept[place]);
        }
        position += 1;
    }
    sum
}

#[inline(always)]
fn along<V: Vector>(op: Along, lines: &Lines, rows: Rows, slots: &[Buffer], out: &mut [Lane]) {
    let x = &slots[lines.from.slot].lanes()[rows.start(lines.from)..];
    let lines = Grid::new(lines, rows);
    for first in lines.lines() {
        let largest = largest::<V>(x, first, lines);
        match op {
            Along::Softmax => {
                let total = weights::<V>(x, first, lines, largest, out);
                for position in 0..lines.length {
                    let out = &mut out[first + position * lines.inner];
                    (V::load(out) / total).store(out);
                }
            }
            Along::ArgMax => {
                let (zero, one) = (V::splat(0.0), V::splat(1.0));
                let mut open = one;
                for position in 0..lines.length {
                    let place = first + position * lines.inner;
                    let x = V::load(&x[place]);
                    let equal =
                        V::select(largest.at_most(x), one, zero) * V::select(x.at_most(largest), open, zero);
                    open = open - equal;
                    equal.store(&mut out[place]);
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
