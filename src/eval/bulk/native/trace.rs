//! What a plan computes, entry by entry: its instructions are run on symbols in place of numbers, and each operation is written down.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::{Add, Div, Mul, Sub};

use super::simplify::simplify;
use crate::eval::bulk::buffer::{Buffer, LANES, Lane};
use crate::eval::bulk::kernels::{self, Rows};
use crate::eval::bulk::number::{Group, Number};
use crate::eval::bulk::plan::{At, Extent, Instruction, Plan, Slot, Strips, Value};
use crate::eval::bulk::vector::Vector;

/// A vector of eight numbers, by the number of the operation that gives it.
pub(super) type Id = u32;

/// A vector that one part of the code leaves for others, by its number.
pub(super) type Kept = usize;

/// An operation on vectors. Operations come after those that they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// an entry of an input, by its number in the plan
    Input {
        input: usize,
        entry: usize,
    },
    /// what an earlier part has written, or an earlier row
    Kept(Kept),
    /// the number with these bits, eight times
    Number(u64),
    /// a number that is another for each row: which of those of the row
    OfRow(usize),
    One(One, Id),
    Two(Two, [Id; 2]),
    /// the product of two and a third, rounded once
    MulAdd([Id; 3]),
    /// a third less the product of two, rounded once
    SubMul([Id; 3]),
    /// the third where the comparison of the first two holds, else the fourth
    Select(Comparison, [Id; 4]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum One {
    Sqrt,
    /// the bits moved up by 52
    Up,
    /// the bits moved down by 52
    Down,
    /// the entries, from this address on, whose numbers stand in the low bits of the operand: so many bits count
    Lookup {
        table: usize,
        bits: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Two {
    Add,
    Sub,
    Mul,
    Div,
    /// the smaller; the second where one is NaN
    Min,
    /// the larger; the second where one is NaN
    Max,
    /// the first times two to the power of the second
    Scale,
    And,
    Or,
    /// the sum of the bits as integers
    AddBits,
    /// the first with the sign of the second
    CopySign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    Less,
    AtMost,
    Unordered,
}

impl Node {
    /// What it reads.
    pub(super) fn operands(&self) -> &[Id] {
        match self {
            Node::Input { .. } | Node::Kept(_) | Node::Number(_) | Node::OfRow(_) => &[],
            Node::One(_, x) => std::slice::from_ref(x),
            Node::Two(_, operands) => operands,
            Node::MulAdd(operands) | Node::SubMul(operands) => operands,
            Node::Select(_, operands) => operands,
        }
    }

    pub(super) fn operands_mut(&mut self) -> &mut [Id] {
        match self {
            Node::Input { .. } | Node::Kept(_) | Node::Number(_) | Node::OfRow(_) => &mut [],
            Node::One(_, x) => std::slice::from_mut(x),
            Node::Two(_, operands) => operands,
            Node::MulAdd(operands) | Node::SubMul(operands) => operands,
            Node::Select(_, operands) => operands,
        }
    }

    /// Whether it stands in memory from the start.
    pub(super) fn is_given(&self) -> bool {
        self.operands().is_empty()
    }
}

/// Operations that follow on each other without a branch, and what is read of them later.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) nodes: Vec<Node>,
    pub(super) written: Vec<(Kept, Id)>,
    /// what is done again for each row
    pub(super) rows: Option<PerRow>,
}

/// How a part is done for each row.
#[derive(Debug)]
pub(super) struct PerRow {
    pub(super) count: usize,
    /// the numbers of the first row, then those of the second, ...
    pub(super) numbers: Vec<f64>,
    /// sums over the rows, which are -0 before the first: all that the part writes
    pub(super) sums: Vec<Kept>,
}

/// The parts of a plan, one after the other, and the entries of its roots in the last, but for those that are the same for all points.
pub(super) struct Trace {
    pub(super) parts: Vec<Part>,
    pub(super) roots: Vec<Id>,
}

impl Trace {
    /// Runs a plan in strips of one row on symbols, row after row or one for all; `None` where they are not alike, or where there are more
    /// operations than `most` to be written down, all rows counted, or than `most_of_a_part` are left in one. Functions that are taken number
    /// by number must not be in the plan.
    pub(super) fn new(plan: &Plan, one_for_all: bool, most: usize, most_of_a_part: usize) -> Option<Trace> {
        let mut slots = plan.buffers();
        let mut given = Vec::new();
        for (input, (_, size, slot)) in plan.inputs.iter().enumerate() {
            for (entry, lane) in slots[*slot].lanes_mut()[..*size].iter_mut().enumerate() {
                given.push(Node::Input { input, entry });
                Traced(given.len() as Id - 1).store(lane);
            }
        }
        let mut tracer = Tracer {
            slots,
            given,
            kept: 0,
            parts: Vec::new(),
            most,
        };
        let mut once: Vec<(&[Instruction], Rows)> = Vec::new();
        for strips in &plan.strips {
            if strips.rows > 1 && one_for_all {
                tracer.once(&std::mem::take(&mut once))?;
                tracer.rows(strips)?;
            } else {
                once.extend((0..strips.rows).map(|row| (&strips.body[..], Rows::one(row, row > 0))));
            }
        }
        tracer.once(&once)?;
        tracer.finish(plan, most_of_a_part)
    }
}

struct Tracer {
    slots: Vec<Buffer>,
    /// what symbols stand for that are known before a part
    given: Vec<Node>,
    kept: usize,
    parts: Vec<Part>,
    most: usize,
}

impl Tracer {
    /// Runs instructions, and gives the operations; the buffers hold symbols of them.
    fn record(&mut self, bodies: &[(&[Instruction], Rows)]) -> Option<Vec<Node>> {
        let known = self.given.len();
        // one more, so that it is seen
        let most = known + self.most + 1;
        let nodes = self.given.clone();
        RECORD.set(Record { nodes, most });
        for (body, rows) in bodies {
            kernels::strip::<Traced, 1>(body, *rows, &mut self.slots);
        }
        let nodes = RECORD.take().nodes;
        self.most = self.most.checked_sub(nodes.len() - known)?;
        Some(nodes)
    }

    /// Puts a vector that is kept into a buffer.
    fn keep(&mut self, kept: Kept, (slot, entry): (Slot, usize)) {
        self.given.push(Node::Kept(kept));
        Traced(self.given.len() as Id - 1).store(&mut self.slots[slot].lanes_mut()[entry]);
    }

    fn fresh(&mut self) -> Kept {
        self.kept += 1;
        self.kept - 1
    }

    /// What a part has computed is kept, and stands for itself from now on.
    fn end(&mut self, nodes: Vec<Node>, rows: Option<PerRow>, sums: &HashMap<(Slot, usize), Kept>) {
        let known = self.given.len();
        let mut written = Vec::new();
        for slot in 0..self.slots.len() {
            for entry in 0..self.slots[slot].lanes().len() {
                let id = symbol(&self.slots[slot].lanes()[entry]);
                if let Some(id) = id.filter(|id| *id as usize >= known) {
                    let place = (slot, entry);
                    let kept = sums.get(&place).copied().unwrap_or_else(|| self.fresh());
                    written.push((kept, id));
                    self.keep(kept, place);
                }
            }
        }
        self.parts.push(Part { nodes, written, rows });
    }

    fn once(&mut self, bodies: &[(&[Instruction], Rows)]) -> Option<()> {
        let nodes = self.record(bodies)?;
        self.end(nodes, None, &HashMap::new());
        Some(())
    }

    fn rows(&mut self, strips: &Strips) -> Option<()> {
        // what is added to has to stand somewhere, and is read there
        let mut sums = HashMap::new();
        for (slot, start, size) in strips.body.iter().filter_map(sum) {
            for entry in start..start + size {
                let kept = self.fresh();
                sums.insert((slot, entry), kept);
                self.keep(kept, (slot, entry));
            }
        }
        let lanes = |slots: &[Buffer]| -> Vec<Vec<Lane>> {
            slots.iter().map(|buffer| buffer.lanes().to_vec()).collect()
        };
        let before = lanes(&self.slots);
        let mut nodes = self.record(&[(&strips.body, Rows::one(0, true))])?;
        let after = lanes(&self.slots);
        // the numbers of each row, where there is one in the first
        let places: Vec<usize> = (0..nodes.len())
            .filter(|place| matches!(nodes[*place], Node::Number(_)))
            .collect();
        let of_row = |nodes: &[Node]| -> Vec<Node> { places.iter().map(|place| nodes[*place]).collect() };
        let mut numbers = vec![of_row(&nodes)];
        for row in 1..strips.rows {
            for (buffer, lanes) in self.slots.iter_mut().zip(&before) {
                buffer.lanes_mut().copy_from_slice(lanes);
            }
            let others = self.record(&[(&strips.body, Rows::one(row, true))])?;
            let alike = others.len() == nodes.len()
                && (nodes.iter().zip(&others)).all(|pair| match pair {
                    (Node::Number(_), Node::Number(_)) => true,
                    (node, other) => node == other,
                });
            // what is written elsewhere for each row has no form here
            let at_the_same_places = (self.slots.iter().zip(&after))
                .all(|(buffer, lanes)| buffer.lanes().iter().map(symbol).eq(lanes.iter().map(symbol)));
            if !alike || !at_the_same_places {
                return None;
            }
            numbers.push(of_row(&others));
        }
        // each list of numbers once
        let mut known: HashMap<Vec<Node>, usize> = HashMap::new();
        let mut lists = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let list: Vec<Node> = numbers.iter().map(|row| row[number]).collect();
            if list.iter().any(|node| *node != list[0]) {
                let position = *known.entry(list.clone()).or_insert(lists.len());
                if position == lists.len() {
                    lists.push(list);
                }
                nodes[*place] = Node::OfRow(position);
            }
        }
        let numbers = (0..strips.rows).flat_map(|row| lists.iter().map(move |list| list[row]));
        let numbers = numbers.filter_map(|node| match node {
            Node::Number(bits) => Some(f64::from_bits(bits)),
            _ => None,
        });
        let mut kept: Vec<Kept> = sums.values().copied().collect();
        kept.sort_unstable();
        let rows = PerRow {
            count: strips.rows,
            numbers: numbers.collect(),
            sums: kept,
        };
        self.end(nodes, Some(rows), &sums);
        Some(())
    }

    /// Leaves out what no later part needs.
    fn finish(mut self, plan: &Plan, most_of_a_part: usize) -> Option<Trace> {
        // the last part gives the roots, also those that it does not compute
        let last = self.parts.last_mut()?;
        let own: HashMap<Kept, Id> = last.written.iter().copied().collect();
        let mut results = Vec::new();
        for (value, size) in &plan.roots {
            let Value::Lanes(slot, places) = value else {
                continue;
            };
            for position in 0..*size {
                let lane = &self.slots[*slot].lanes()[places.at(position)];
                let node = symbol(lane).map_or(Node::Number(lane[0].to_bits()), |id| self.given[id as usize]);
                let known = match node {
                    Node::Kept(kept) => own.get(&kept).copied(),
                    _ => None,
                };
                results.push(known.unwrap_or(last.nodes.len() as Id));
                if known.is_none() {
                    last.nodes.push(node);
                }
            }
        }
        let mut needed: HashSet<Kept> = HashSet::new();
        let mut roots = None;
        for part in self.parts.iter_mut().rev() {
            part.written.retain(|(kept, _)| needed.contains(kept));
            let ids: Vec<Id> = (part.written.iter().map(|(_, id)| *id))
                .chain(std::mem::take(&mut results))
                .collect();
            let (nodes, ids) = simplify(&part.nodes, &ids);
            if nodes.len() > most_of_a_part {
                return None;
            }
            part.nodes = nodes;
            for ((_, id), new) in part.written.iter_mut().zip(&ids) {
                *id = *new;
            }
            roots.get_or_insert_with(|| ids[part.written.len()..].to_vec());
            let read = part.nodes.iter().filter_map(|node| match node {
                Node::Kept(kept) => Some(*kept),
                _ => None,
            });
            needed.extend(read);
            if part.rows.is_some() && !part.keeps_only_sums() {
                return None;
            }
        }
        self.parts
            .retain(|part| !part.written.is_empty() || !part.nodes.is_empty());
        Some(Trace {
            parts: self.parts,
            roots: roots?,
        })
    }
}

impl Part {
    /// Whether all that is kept are sums over the rows, each by one operation that nothing else reads, and that alone reads the sum so far;
    /// the others are forgotten.
    fn keeps_only_sums(&mut self) -> bool {
        let Some(rows) = &mut self.rows else { return false };
        let written: HashMap<Kept, Id> = self.written.iter().copied().collect();
        let (sums, others): (Vec<Kept>, Vec<Kept>) =
            rows.sums.iter().partition(|sum| written.contains_key(*sum));
        let mut readers = vec![0; self.nodes.len()];
        for id in self.nodes.iter().flat_map(Node::operands).chain(written.values()) {
            readers[*id as usize] += 1;
        }
        let mut so_far: HashMap<Kept, Id> = HashMap::new();
        for (id, node) in self.nodes.iter().enumerate() {
            if let Node::Kept(kept) = node {
                so_far.insert(*kept, id as Id);
            }
        }
        rows.sums = sums;
        // nothing reads a sum that is not gone on with
        self.written.len() == rows.sums.len()
            && others.iter().all(|kept| !so_far.contains_key(kept))
            && self.written.iter().all(|(kept, id)| {
                let Some(before) = so_far.get(kept) else {
                    return false;
                };
                let adds = match &self.nodes[*id as usize] {
                    Node::Two(Two::Add, operands) => operands.contains(before),
                    Node::MulAdd([_, _, sum]) | Node::SubMul([_, _, sum]) => sum == before,
                    _ => false,
                };
                adds && readers[*before as usize] == 1 && readers[*id as usize] == 1
            })
    }
}

/// The entries that an instruction adds to, row by row.
fn sum(instruction: &Instruction) -> Option<(Slot, usize, usize)> {
    let sizes = |shape: &[Extent; 3], along: [usize; 2]| {
        let sizes = along.map(|axis| match shape[axis] {
            Extent::Fixed(size) => size,
            Extent::Strip => 1,
        });
        sizes[0] * sizes[1]
    };
    let ((shape, along), At { slot, start, .. }) = match instruction {
        Instruction::Product(product, to) => ((&product.shape, [0, 2]), to),
        Instruction::Reduce(_, lines, _, to) => ((&lines.shape, [0, 2]), to),
        Instruction::Chain { .. } | Instruction::Along(..) | Instruction::Assemble { .. } => return None,
    };
    (shape[1] == Extent::Strip).then(|| (*slot, *start, sizes(shape, along)))
}

/// The symbol that a lane holds.
fn symbol(lane: &Lane) -> Option<Id> {
    let bits = lane[0].to_bits();
    (bits >> 32 == SYMBOL >> 32).then_some(bits as Id)
}

/// What is being written down, up to so many operations; those beyond are lost.
#[derive(Default)]
struct Record {
    nodes: Vec<Node>,
    most: usize,
}

thread_local! {
    static RECORD: RefCell<Record> = RefCell::default();
}

/// Writes an operation down. Not inlined: there are very many.
#[inline(never)]
fn record(node: Node) -> Traced {
    RECORD.with_borrow_mut(|record| {
        if record.nodes.len() < record.most {
            record.nodes.push(node);
        }
        Traced(record.nodes.len() as Id - 1)
    })
}

const SIGN: u64 = 1 << 63;

/// A symbol for a vector.
#[derive(Clone, Copy)]
pub(super) struct Traced(Id);

/// A symbol stands in a buffer as a NaN that no operation gives; everything else there is a number.
const SYMBOL: u64 = 0x7ff4_5ee0_0000_0000;

impl Vector for Traced {
    type Words = [u32; LANES];
    type Group = Group<Traced, 1>;

    #[inline(always)]
    fn load(lane: &Lane) -> Self {
        symbol(lane).map_or_else(|| Traced::splat(lane[0]), Traced)
    }

    #[inline(always)]
    fn store(self, lane: &mut Lane) {
        *lane = [f64::from_bits(SYMBOL | u64::from(self.0)); LANES];
    }

    fn shares(_: &[u32; LANES], _: &[u32; LANES]) -> Self {
        unreachable!("no plan draws numbers")
    }
}

fn two(op: Two, x: Traced, y: Traced) -> Traced {
    record(Node::Two(op, [x.0, y.0]))
}

macro_rules! operators {
    ($($name:ident :: $method:ident),*) => { $(
        impl $name for Traced {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                two(Two::$name, self, other)
            }
        }
    )* };
}

operators!(Add::add, Sub::sub, Mul::mul, Div::div);

fn bits(bits: u64) -> Traced {
    record(Node::Number(bits))
}

impl Number for Traced {
    type Mask = (Comparison, [Traced; 2]);

    #[inline(always)]
    fn splat(x: f64) -> Self {
        bits(x.to_bits())
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        record(Node::MulAdd([self.0, factor.0, sum.0]))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        record(Node::One(One::Sqrt, self.0))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.and_bits(!SIGN)
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        two(Two::CopySign, self, sign)
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        (Comparison::Less, [self, other])
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self::Mask {
        (Comparison::AtMost, [self, other])
    }

    #[inline(always)]
    fn bounded(self, bound: Self) -> Self {
        // where one is NaN this gives the second
        two(Two::Min, bound, self)
    }

    #[inline(always)]
    fn raised(self, bound: Self) -> Self {
        two(Two::Max, bound, self)
    }

    #[inline(always)]
    fn times_power_of_two(self, k: Self) -> Self {
        two(Two::Scale, self, k)
    }

    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        (Comparison::Unordered, [self, self])
    }

    #[inline(always)]
    fn select((comparison, [x, y]): Self::Mask, yes: Self, no: Self) -> Self {
        record(Node::Select(comparison, [x.0, y.0, yes.0, no.0]))
    }

    #[inline(always)]
    fn add_bits(self, more: u64) -> Self {
        two(Two::AddBits, self, bits(more))
    }

    #[inline(always)]
    fn and_bits(self, mask: u64) -> Self {
        two(Two::And, self, bits(mask))
    }

    #[inline(always)]
    fn or_bits(self, set: u64) -> Self {
        two(Two::Or, self, bits(set))
    }

    #[inline(always)]
    fn low_to_exponent(self) -> Self {
        record(Node::One(One::Up, self.0))
    }

    #[inline(always)]
    fn exponent_to_low(self) -> Self {
        record(Node::One(One::Down, self.0))
    }

    #[inline(always)]
    fn lookup<const COUNT: usize>(self, table: &'static [f64; COUNT]) -> Self {
        const { assert!(COUNT.is_power_of_two()) };
        let lookup = One::Lookup {
            table: table.as_ptr().expose_provenance(),
            bits: COUNT.ilog2(),
        };
        // two registers have no other entries
        let place = if COUNT == 2 * LANES {
            self
        } else {
            self.and_bits(COUNT as u64 - 1)
        };
        record(Node::One(lookup, place.0))
    }
}
