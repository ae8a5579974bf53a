//! What the instructions do to blocks of points.
//!
//! Everything here is inlined into one function per instruction set (see [`super::level`]), and every
//! loop runs over neighbouring numbers, so that the compiler uses the registers of that set. The
//! order of additions is that of [`crate::eval::float`], whatever the set.

use super::buffer::{Buffer, LANES, Lane};
use super::elementary as e;
use super::elementwise::{self, Operand};
use super::level::Kernel;
use super::number::{Group, Number, Vectors};
use super::plan::{
    At, ChainStep, Extent, Instruction, Lines, Matrix, Plan, Port, Product, Slot, TILE, Through, Value,
};
use super::product::{self, Entry, LeakyRelu, LeakyStep, Plain, Relu, Scaled, Shape, Strides, TanhStep};
use super::vector::Vector;
use crate::graph::op::{Along, Reduction};

/// Runs a plan on a block whose inputs stand in their buffers.
pub(super) struct Execute<'a> {
    pub(super) plan: &'a Plan,
    pub(super) slots: &'a mut [Buffer],
}

impl Kernel for Execute<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        execute::<V, ROWS>(self.plan, self.slots);
    }
}

/// The strip that is computed: its first row and its number of rows.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) first: usize,
    pub(super) count: usize,
    /// sums over the rows go on from what stands there
    pub(super) more: bool,
}

impl Rows {
    /// A single row.
    pub(super) fn one(first: usize, more: bool) -> Rows {
        Rows {
            first,
            count: 1,
            more,
        }
    }

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
fn execute<V: Vector, const ROWS: usize>(plan: &Plan, slots: &mut [Buffer]) {
    for strips in &plan.strips {
        for first in (0..strips.rows).step_by(strips.strip) {
            let rows = Rows {
                first,
                count: strips.strip.min(strips.rows - first),
                more: first > 0,
            };
            strip::<V, ROWS>(&strips.body, rows, slots);
        }
    }
}

/// Runs instructions on a strip.
#[inline(always)]
pub(super) fn strip<V: Vector, const ROWS: usize>(body: &[Instruction], rows: Rows, slots: &mut [Buffer]) {
    for instruction in body {
        run::<V, ROWS>(instruction, rows, slots);
    }
}

#[inline(always)]
fn run<V: Vector, const ROWS: usize>(instruction: &Instruction, rows: Rows, slots: &mut [Buffer]) {
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
        Instruction::Product(_, to) | Instruction::Reduce(_, _, _, to) | Instruction::Along(_, _, to) => {
            (to.slot, rows.start(*to))
        }
        Instruction::Assemble { to, .. } => (*to, 0),
    };
    let mut buffer = std::mem::take(&mut slots[slot]);
    let out = &mut buffer.lanes_mut()[start..];
    match instruction {
        Instruction::Product(product, _) => multiply::<V, ROWS>(product, rows, slots, out),
        Instruction::Reduce(op, lines, times, _) => {
            reduce::<V>(*op, lines, times.as_ref(), rows, slots, out);
        }
        Instruction::Along(op, lines, _) => along::<V>(*op, lines, rows, slots, out),
        Instruction::Assemble { length, parts, .. } => {
            let out = &mut out[..*length];
            if parts.iter().map(|(_, places)| places.len()).sum::<usize>() < *length {
                out.fill([0.0; LANES]);
            }
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
            Port::Row(slot, width) => {
                let from = self.start % width;
                Operand::Many(&slots[slot].lanes()[from..from + self.length])
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
            Port::Row(..) | Port::Entry(..) | Port::Number(_) => unreachable!("no results"),
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
fn multiply<V: Vector, const ROWS: usize>(
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
        panels: product.panels,
        out: apart(columns),
        // a later part of a sum over the rows
        more: product.shape[1] == Extent::Strip && strip.more,
    };
    let size = rows * columns * blocks;
    for (number, [left, right]) in product.starts.iter().enumerate() {
        let out = &mut out[number * size..][..size];
        let lanes = |at: At, from: usize| &slots[at.slot].lanes()[strip.start(at) + from..];
        let plus = |block: usize| product.plus.map_or(&[] as &[Lane], |at| lanes(at, block));
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
                let b = lanes(*b, *right);
                product::multiply::<V, ROWS, _, _, _, 1>([a], Plain, b, plus(0), shape, out);
            }
            (Matrix::Sparse(a), Matrix::Lanes(b)) => {
                let rows = strip.first..strip.first + rows;
                a.multiply::<V, ROWS>(rows, lanes(*b, *right), plus(0), columns, out);
            }
            (Matrix::Lanes(a), Matrix::Numbers(b, row)) => {
                let shape = Shape {
                    right: together(columns),
                    ..shape
                };
                let b = &b[right + strip.first * row..];
                for block in 0..blocks {
                    let beside = |number: usize| lanes(product.beside[number], left + block);
                    let (a, plus, out) = (lanes(*a, left + block), plus(block), &mut out[block..]);
                    match product.through {
                        Through::Nothing => {
                            product::multiply::<V, ROWS, _, _, _, 1>([a], Plain, b, plus, shape, out);
                        }
                        Through::Relu => {
                            product::multiply::<V, ROWS, _, _, _, 1>([a], Relu, b, plus, shape, out);
                        }
                        Through::Tanh => sums_of_tanh::<V>(a, b, plus, shape, out),
                        Through::LeakyRelu(slope) => {
                            let f = LeakyRelu(slope);
                            product::multiply::<V, ROWS, _, _, _, 1>([a], f, b, plus, shape, out);
                        }
                        Through::LeakyStep(slope) => {
                            let (f, a) = (LeakyStep(slope), [a, beside(0)]);
                            product::multiply::<V, ROWS, _, _, _, 2>(a, f, b, plus, shape, out);
                        }
                        Through::TanhStep => {
                            let (f, a) = (TanhStep, [a, beside(0), beside(1)]);
                            product::multiply::<V, ROWS, _, _, _, 3>(a, f, b, plus, shape, out);
                        }
                        Through::Scaled => {
                            let a = [a, beside(0), beside(1)];
                            product::multiply::<V, ROWS, _, _, _, 3>(a, Scaled, b, plus, shape, out);
                        }
                    }
                }
            }
            (Matrix::Lanes(a), Matrix::Lanes(b)) => {
                for block in 0..blocks {
                    let (a, b) = (lanes(*a, left + block), lanes(*b, right + block));
                    let (plus, out) = (plus(block), &mut out[block..]);
                    product::multiply::<V, ROWS, _, _, _, 1>([a], Plain, b, plus, shape, out);
                }
            }
            (Matrix::Numbers(..) | Matrix::Sparse(_), Matrix::Numbers(..)) | (_, Matrix::Sparse(_)) => {
                unreachable!("constants are evaluated before, and only left factors are sparse")
            }
        }
    }
}

/// `out = tanh(left) right` for one column, or with a number `plus` that is added to each of the result. Apart from the other products, since
/// tiles of all heights would repeat what `tanh` takes.
#[inline(always)]
fn sums_of_tanh<V: Vector>(left: &[Lane], right: &[f64], plus: &[Lane], shape: Shape, out: &mut [Lane]) {
    let mut row = 0;
    while row + V::Group::COUNT <= shape.rows {
        sum_of_tanh::<V, V::Group>(row, left, right, plus, shape, out);
        row += V::Group::COUNT;
    }
    while row < shape.rows {
        sum_of_tanh::<V, Group<V, 1>>(row, left, right, plus, shape, out);
        row += 1;
    }
}

/// Some rows of it, from one on.
#[inline(always)]
fn sum_of_tanh<V: Vector, G: Vectors<V>>(
    row: usize,
    left: &[Lane],
    right: &[f64],
    plus: &[Lane],
    shape: Shape,
    out: &mut [Lane],
) {
    let left = &left[row * shape.left.row..];
    let mut sum = G::splat(-0.0);
    for (position, number) in right[..shape.inner].iter().enumerate() {
        let x = G::strided(&left[position * shape.left.column..], shape.left.row);
        sum = e::tanh(x).mul_add(G::splat(*number), sum);
    }
    if let Some(plus) = plus.first() {
        sum = sum + G::all(V::load(plus));
    }
    for number in 0..G::COUNT {
        sum.vector(number).store(&mut out[(row + number) * shape.out.row]);
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

    #[inline(always)]
    fn count(self) -> usize {
        self.outer * self.inner
    }

    /// Where a line starts.
    #[inline(always)]
    fn start(self, line: usize) -> usize {
        if self.inner == 1 {
            line * self.length
        } else {
            line / self.inner * self.length * self.inner + line % self.inner
        }
    }

    /// How far the next line starts from one, where `count` lines from there on follow on each other at equal distances.
    #[inline(always)]
    fn spacing(self, line: usize, count: usize) -> Option<usize> {
        if line + count > self.count() {
            None
        } else if self.inner == 1 {
            Some(self.length)
        } else {
            (line % self.inner + count <= self.inner).then_some(1)
        }
    }

    /// Lines from one on whose starts have this distance.
    #[inline(always)]
    fn bundle(self, line: usize, spacing: usize) -> Bundle {
        Bundle {
            first: self.start(line),
            spacing,
            length: self.length,
            step: self.inner,
        }
    }
}

/// Neighbouring lines, one for each vector of a group.
#[derive(Clone, Copy)]
struct Bundle {
    first: usize,
    spacing: usize,
    length: usize,
    step: usize,
}

impl Bundle {
    #[inline(always)]
    fn load<V: Vector, G: Vectors<V>, E: Entry>(self, x: &[E], position: usize) -> G {
        G::strided(&x[self.first + position * self.step..], self.spacing)
    }

    #[inline(always)]
    fn store<V: Vector, G: Vectors<V>>(self, group: G, position: usize, out: &mut [Lane]) {
        for number in 0..G::COUNT {
            let place = self.first + position * self.step + number * self.spacing;
            group.vector(number).store(&mut out[place]);
        }
    }

    #[inline(always)]
    fn sum<V: Vector, G: Vectors<V>>(self, x: &[Lane], start: G) -> G {
        let mut sum = start;
        for position in 0..self.length {
            sum = sum + self.load(x, position);
        }
        sum
    }

    /// The sum of the products, each rounded.
    #[inline(always)]
    fn sum_of_products<V: Vector, G: Vectors<V>, E: Entry>(self, x: &[Lane], y: &[E], start: G) -> G {
        let mut sum = start;
        for position in 0..self.length {
            sum = sum + self.load::<V, G, Lane>(x, position) * self.load(y, position);
        }
        sum
    }

    #[inline(always)]
    fn largest<V: Vector, G: Vectors<V>>(self, x: &[Lane]) -> G {
        let mut best = G::splat(f64::NEG_INFINITY);
        for position in 0..self.length {
            let x: G = self.load(x, position);
            best = G::select(x.is_nan(), x, G::select(best.less(x), x, best));
        }
        best
    }

    #[inline(always)]
    fn log_sum_exp<V: Vector, G: Vectors<V>>(self, x: &[Lane], line: usize, out: &mut [Lane]) {
        let largest: G = self.largest(x);
        let mut sum = G::splat(-0.0);
        for position in 0..self.length {
            sum = sum + e::exp(self.load::<V, G, Lane>(x, position) - largest);
        }
        let value = largest + e::log(sum);
        let finite = largest.abs().less(G::splat(f64::INFINITY));
        G::select(finite, value, largest).store(&mut out[line..]);
    }

    #[inline(always)]
    fn softmax<V: Vector, G: Vectors<V>>(self, x: &[Lane], out: &mut [Lane]) {
        let largest: G = self.largest(x);
        let mut total = G::splat(-0.0);
        for position in 0..self.length {
            let term = e::exp(self.load::<V, G, Lane>(x, position) - largest);
            total = total + term;
            self.store(term, position, out);
        }
        for position in 0..self.length {
            let term: G = self.load(out, position);
            self.store(term / total, position, out);
        }
    }

    /// 1 at the first of the largest, 0 elsewhere.
    #[inline(always)]
    fn arg_max<V: Vector, G: Vectors<V>>(self, x: &[Lane], out: &mut [Lane]) {
        let largest: G = self.largest(x);
        let (zero, one) = (G::splat(0.0), G::splat(1.0));
        let mut open = one;
        for position in 0..self.length {
            let x: G = self.load(x, position);
            let equal = G::select(largest.at_most(x), one, zero) * G::select(x.at_most(largest), open, zero);
            open = open - equal;
            self.store(equal, position, out);
        }
    }
}

/// Goes through the lines of a grid in bundles of as many as a group has vectors, and the others one by one.
macro_rules! bundles {
    ($V:ident, $grid:ident, $bundle:ident, $line:ident, $G:ident => $body:expr) => {{
        let mut $line = 0;
        while $line < $grid.count() {
            if let Some(spacing) = $grid.spacing($line, $V::Group::COUNT) {
                type $G<V> = <V as Vector>::Group;
                let $bundle = $grid.bundle($line, spacing);
                $body;
                $line += $V::Group::COUNT;
            } else {
                type $G<V> = Group<V, 1>;
                let $bundle = $grid.bundle($line, 0);
                $body;
                $line += 1;
            }
        }
    }};
}

#[inline(always)]
fn reduce<V: Vector>(
    op: Reduction,
    lines: &Lines,
    times: Option<&Matrix>,
    rows: Rows,
    slots: &[Buffer],
    out: &mut [Lane],
) {
    let x = &slots[lines.from.slot].lanes()[rows.start(lines.from)..];
    // a later part of a sum over the rows
    let more = lines.shape[1] == Extent::Strip && rows.more;
    let grid = Grid::new(lines, rows);
    match op {
        Reduction::Sum => {
            bundles!(V, grid, bundle, line, G => {
                let out = &mut out[line..];
                let start = if more { G::<V>::load(out) } else { G::<V>::splat(-0.0) };
                let sum = match times {
                    None => bundle.sum::<V, G<V>>(x, start),
                    Some(Matrix::Lanes(at)) => {
                        let y = &slots[at.slot].lanes()[rows.start(*at)..];
                        bundle.sum_of_products::<V, G<V>, _>(x, y, start)
                    }
                    Some(Matrix::Numbers(numbers, row)) => {
                        let y = &numbers[rows.first * row..];
                        bundle.sum_of_products::<V, G<V>, _>(x, y, start)
                    }
                    Some(Matrix::Sparse(_)) => unreachable!("a factor of products"),
                };
                sum.store(out);
            });
        }
        Reduction::Max => {
            bundles!(V, grid, bundle, line, G => bundle.largest::<V, G<V>>(x).store(&mut out[line..]))
        }
        Reduction::LogSumExp => {
            bundles!(V, grid, bundle, line, G => bundle.log_sum_exp::<V, G<V>>(x, line, out));
        }
    }
}

#[inline(always)]
fn along<V: Vector>(op: Along, lines: &Lines, rows: Rows, slots: &[Buffer], out: &mut [Lane]) {
    let x = &slots[lines.from.slot].lanes()[rows.start(lines.from)..];
    let grid = Grid::new(lines, rows);
    match op {
        Along::Softmax => bundles!(V, grid, bundle, line, G => bundle.softmax::<V, G<V>>(x, out)),
        Along::ArgMax => bundles!(V, grid, bundle, line, G => bundle.arg_max::<V, G<V>>(x, out)),
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
