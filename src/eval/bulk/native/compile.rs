//! From operations in order to machine code: the registers of their results, and the instructions.

use std::collections::HashMap;

use super::assembler::{self as a, Address, Assembler, General, Mask, Opcode, Operand, Zmm};
use super::steps::{Step, steps};
use super::trace::{Comparison, Id, Kept, Node, One, Part, Trace, Two};
use crate::eval::bulk::buffer::{LANES, Lane};

/// Of what the operations that stand side by side are, so that one does not wait for what comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// blocks of points
    Blocks,
    /// rows, where there are parts that are done for each row, of one block of points
    Rows,
}

/// How many stand side by side.
pub(super) const SIDE_BY_SIDE: usize = 4;
/// Results that registers hold, each for all side by side.
const HELD: usize = (32 - FREE) / SIDE_BY_SIDE;
/// Registers for operands that stand in memory.
const FREE: usize = 4;

/// A table of two to the power of this number of entries stands in two registers.
const IN_REGISTERS: u32 = LANES.ilog2() + 1;

/// Bytes of a vector, and of a number.
const VECTOR: usize = size_of::<Lane>();
const NUMBER: usize = size_of::<f64>();

/// A function of the sort that [`super::memory::Executable::call`] calls.
pub(super) struct Code {
    pub(super) bytes: Vec<u8>,
    pub(super) numbers: Vec<f64>,
    /// which of the numbers it is given
    pub(super) first_number: usize,
    /// vectors that registers do not hold at some time
    pub(super) memory: usize,
}

/// Machine code for so many blocks, whose entries stand next to each other: coordinates, and the results of all roots one after the other.
pub(super) fn compile(trace: &Trace, side: Side, blocks: usize) -> Code {
    let of_rows = trace.parts.iter().filter_map(|part| part.rows.as_ref());
    let numbers: Vec<f64> = of_rows.flat_map(|rows| rows.numbers.iter().copied()).collect();
    let mut compiler = Compiler {
        side,
        blocks,
        nodes: &[],
        active: 1,
        of_row: 0,
        uses: Vec::new(),
        places: Vec::new(),
        held: [None; HELD],
        spilled: Vec::new(),
        free: Vec::new(),
        memory: 0,
        kept: HashMap::new(),
        first_number: numbers.len(),
        numbers,
        known: HashMap::new(),
        assembler: Assembler::default(),
    };
    let mut first = 0;
    for (position, part) in trace.parts.iter().enumerate() {
        let roots = if position + 1 == trace.parts.len() {
            &trace.roots[..]
        } else {
            &[]
        };
        compiler.part(part, roots, first);
        first += part.rows.as_ref().map_or(0, |rows| rows.numbers.len());
    }
    compiler.finish()
}

struct Compiler<'a> {
    side: Side,
    blocks: usize,
    /// operations of the part
    nodes: &'a [Node],
    /// how many stand side by side in the part
    active: usize,
    /// numbers of a row
    of_row: usize,
    /// times at which a result is read, the last first
    uses: Vec<Vec<usize>>,
    /// which of the held results it is
    places: Vec<Option<usize>>,
    held: [Option<Id>; HELD],
    /// where it stands in memory instead, from some time on
    spilled: Vec<Option<usize>>,
    /// places there that are free
    free: Vec<usize>,
    /// vectors there
    memory: usize,
    /// where vectors are kept
    kept: HashMap<Kept, usize>,
    first_number: usize,
    numbers: Vec<f64>,
    known: HashMap<u64, usize>,
    assembler: Assembler,
}

/// Where an operand is.
#[derive(Clone, Copy)]
enum Place {
    Held(usize),
    /// a vector, and how many bytes further that for the next of those side by side stands: 0 where it is the same
    Vector(Address, usize),
    /// one number for all points, likewise
    Number(Address, usize),
}

/// Of one side by side with others.
fn register(held: usize, number: usize) -> Zmm {
    (held * SIDE_BY_SIDE + number) as Zmm
}

/// One of the registers for operands that stand in memory.
fn scratch(number: usize) -> Zmm {
    (HELD * SIDE_BY_SIDE + number) as Zmm
}

fn address(base: General, bytes: usize) -> Address {
    Address {
        base,
        offset: i32::try_from(bytes).expect("entries and numbers are bounded"),
    }
}

impl<'a> Compiler<'a> {
    fn part(&mut self, part: &'a Part, roots: &[Id], first_number: usize) {
        self.nodes = &part.nodes;
        let steps = steps(part, roots);
        let Some(rows) = &part.rows else {
            self.active = if self.side == Side::Blocks {
                SIDE_BY_SIDE
            } else {
                1
            };
            self.steps(&steps);
            return;
        };
        self.of_row = rows.numbers.len() / rows.count;
        let minus_zero = self.number((-0.0f64).to_bits());
        self.assembler.broadcast(scratch(0), minus_zero);
        for sum in &rows.sums {
            let to = self.kept(*sum);
            self.assembler.store(scratch(0), to);
        }
        let back = (self.first_number - first_number) * NUMBER;
        self.assembler.pointer(General::Rax, General::R8, -(back as i32));
        let (whole, rest) = (rows.count / SIDE_BY_SIDE, rows.count % SIDE_BY_SIDE);
        if whole > 0 {
            self.assembler.constant(General::R10, whole as u64);
            let start = self.assembler.bytes.len();
            self.active = SIDE_BY_SIDE;
            self.steps(&steps);
            let bytes = SIDE_BY_SIDE * self.of_row * NUMBER;
            self.assembler.advance(General::Rax, bytes as i32);
            self.assembler.again(General::R10, start);
        }
        if rest > 0 {
            self.active = rest;
            self.steps(&steps);
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        self.uses = vec![Vec::new(); self.nodes.len()];
        for (time, step) in steps.iter().enumerate().rev() {
            for id in step.operands(self.nodes) {
                self.uses[*id as usize].push(time);
            }
        }
        self.places = vec![None; self.nodes.len()];
        self.spilled = vec![None; self.nodes.len()];
        self.held = [None; HELD];
        for (time, step) in steps.iter().enumerate() {
            self.step(time, step);
        }
    }

    fn step(&mut self, time: usize, step: &Step) {
        match step {
            Step::Operation(id) => {
                let place = self.operation(time, *id);
                self.end(time, step.operands(self.nodes));
                self.places[*id as usize] = Some(place);
                self.held[place] = Some(*id);
                return;
            }
            Step::Sum([id], kept) => self.sum(*id, *kept),
            Step::Keep([id], kept) => {
                let from = self.place(*id);
                let to = self.kept(*kept);
                self.put(from, to);
            }
            Step::Result([id], place) => {
                let from = self.place(*id);
                self.put(from, address(General::Rdx, place * self.blocks * VECTOR));
            }
        }
        self.end(time, step.operands(self.nodes));
    }

    fn put(&mut self, from: Place, to: Address) {
        for number in 0..self.active {
            let register = self.fetch(from, number, 0);
            self.assembler.store(register, to.plus(number * VECTOR));
        }
    }

    /// Adds the terms of the rows side by side to a sum, one after the other.
    fn sum(&mut self, id: Id, kept: Kept) {
        let to = self.kept(kept);
        self.assembler.load(scratch(0), to);
        let so_far = |id: &Id| self.nodes[*id as usize] == Node::Kept(kept);
        let (opcode, operands) = match self.nodes[id as usize] {
            Node::Two(Two::Add, [x, y]) => (a::ADD, [None, Some(if so_far(&x) { y } else { x })]),
            Node::MulAdd([x, y, _]) => (a::MUL_ADD_231, [Some(x), Some(y)]),
            Node::SubMul([x, y, _]) => (a::MUL_ADD_231.negated(), [Some(x), Some(y)]),
            _ => unreachable!("parts for each row are looked at before"),
        };
        let [first, last] = operands.map(|id| id.map(|id| self.place(id)));
        let last = last.expect("there is a term");
        let (first, last) = match first {
            Some(first) if readier(last, first) => (Some(last), first),
            _ => (first, last),
        };
        for number in 0..self.active {
            let second = first.map_or(scratch(0), |first| self.fetch(first, number, 1));
            let last = self.operand(last, number);
            self.assembler.operation(opcode, scratch(0), second, last);
        }
        self.assembler.store(scratch(0), to);
    }

    /// Forgets what is not read after this time.
    fn end(&mut self, time: usize, operands: &[Id]) {
        for &id in operands {
            while self.uses[id as usize].last().is_some_and(|next| *next <= time) {
                self.uses[id as usize].pop();
            }
            if self.uses[id as usize].is_empty() {
                if let Some(place) = self.places[id as usize].take() {
                    self.held[place] = None;
                }
                self.free.extend(self.spilled[id as usize].take());
            }
        }
    }

    /// Whether a result is read for the last time.
    fn ends(&self, time: usize, id: Id) -> bool {
        self.uses[id as usize].first() == Some(&time)
    }

    /// Bytes between blocks side by side, and between rows.
    fn apart(&self, bytes: usize) -> [usize; 2] {
        match self.side {
            Side::Blocks => [bytes, 0],
            Side::Rows => [0, bytes],
        }
    }

    fn place(&mut self, id: Id) -> Place {
        match self.nodes[id as usize] {
            Node::Input { input, entry } => {
                let base = [General::Rdi, General::Rsi][input];
                Place::Vector(address(base, entry * self.blocks * VECTOR), self.apart(VECTOR)[0])
            }
            Node::Kept(kept) => Place::Vector(self.kept(kept), self.apart(VECTOR)[0]),
            Node::Number(bits) => Place::Number(self.number(bits), 0),
            Node::OfRow(number) => {
                let distance = self.apart(self.of_row * NUMBER)[1];
                Place::Number(address(General::Rax, number * NUMBER), distance)
            }
            _ => match (self.places[id as usize], self.spilled[id as usize]) {
                (Some(place), _) => Place::Held(place),
                (None, Some(spill)) => Place::Vector(address(General::Rcx, spill * VECTOR), VECTOR),
                (None, None) => unreachable!("it is computed before it is read"),
            },
        }
    }

    /// Where a number stands.
    fn number(&mut self, bits: u64) -> Address {
        let next = self.numbers.len();
        let place = *self.known.entry(bits).or_insert(next);
        if place == next {
            self.numbers.push(f64::from_bits(bits));
        }
        address(General::R8, (place - self.first_number) * NUMBER)
    }

    /// Where a vector is kept.
    fn kept(&mut self, kept: Kept) -> Address {
        let place = match self.kept.get(&kept) {
            Some(place) => *place,
            None => self.room(),
        };
        self.kept.insert(kept, place);
        address(General::Rcx, place * VECTOR)
    }

    /// Further vectors in memory, for all side by side.
    fn room(&mut self) -> usize {
        self.memory += SIDE_BY_SIDE;
        self.memory - SIDE_BY_SIDE
    }

    /// Registers for a result: those of an operand that may be overwritten, free ones, or those of what is read last of all, which
    /// goes to memory.
    fn take(&mut self, time: usize, over: Option<Id>, operands: &[Id]) -> usize {
        if let Some(place) = over.and_then(|id| self.places[id as usize]) {
            return place;
        }
        if let Some(place) = self.held.iter().position(Option::is_none) {
            return place;
        }
        let next = |id: Id| {
            self.uses[id as usize]
                .iter()
                .rev()
                .find(|next| **next > time)
                .copied()
        };
        let others = self.held.iter().enumerate().filter_map(|(place, id)| {
            id.filter(|id| !operands.contains(id))
                .map(|id| (next(id), place, id))
        });
        let (_, place, id) = others.max().expect("there are more registers than operands");
        let spill = self.free.pop().unwrap_or_else(|| self.room());
        self.spilled[id as usize] = Some(spill);
        for number in 0..self.active {
            let to = address(General::Rcx, (spill + number) * VECTOR);
            self.assembler.store(register(place, number), to);
        }
        self.places[id as usize] = None;
        self.held[place] = None;
        place
    }

    /// An operand in a register, if need be in a free one.
    fn fetch(&mut self, place: Place, number: usize, free: usize) -> Zmm {
        let distance = match place {
            Place::Held(held) => return register(held, number),
            Place::Vector(_, distance) | Place::Number(_, distance) => distance,
        };
        // what is the same for all is there since the first
        if number == 0 || distance > 0 {
            self.bring(scratch(free), place, number);
        }
        scratch(free)
    }

    /// Puts an operand into a register.
    fn bring(&mut self, target: Zmm, place: Place, number: usize) {
        match self.operand(place, number) {
            Operand::Register(from) => self.assembler.copy(target, from),
            Operand::Vector(from) => self.assembler.load(target, from),
            Operand::Number(from) => self.assembler.broadcast(target, from),
        }
    }

    /// An operand that may stand in memory.
    fn operand(&self, place: Place, number: usize) -> Operand {
        match place {
            Place::Held(held) => Operand::Register(register(held, number)),
            Place::Vector(address, distance) => Operand::Vector(address.plus(number * distance)),
            Place::Number(address, distance) => Operand::Number(address.plus(number * distance)),
        }
    }

    /// An operand in the registers of the result, which it is overwritten by.
    fn overwritten(&mut self, time: usize, id: Id, operands: &[Id]) -> usize {
        let over = self.ends(time, id).then_some(id);
        let held = over.is_some() && self.places[id as usize].is_some();
        let target = self.take(time, over, operands);
        if !held {
            let from = self.place(id);
            for number in 0..self.active {
                self.bring(register(target, number), from, number);
            }
        }
        target
    }

    /// Does an operation; gives the place of its result.
    fn operation(&mut self, time: usize, id: Id) -> usize {
        let node = self.nodes[id as usize];
        let operands = node.operands();
        // an operand whose registers are free afterwards
        let ending =
            (operands.iter().copied()).find(|id| self.places[*id as usize].is_some() && self.ends(time, *id));
        match node {
            Node::Input { .. } | Node::Kept(_) | Node::Number(_) | Node::OfRow(_) => unreachable!("given"),
            Node::One(One::Sqrt, x) => {
                let x = self.place(x);
                let target = self.take(time, ending, operands);
                for number in 0..self.active {
                    let last = self.operand(x, number);
                    self.assembler
                        .operation(a::SQRT, register(target, number), 0, last);
                }
                target
            }
            Node::One(shift @ (One::Up | One::Down), x) => {
                let x = self.place(x);
                let target = self.take(time, ending, operands);
                for number in 0..self.active {
                    let from = self.fetch(x, number, 0);
                    self.assembler
                        .shift_by_52(register(target, number), from, shift == One::Up);
                }
                target
            }
            Node::One(One::Lookup { table, bits }, x) => self.lookup(time, table, bits, x),
            Node::Two(Two::CopySign, [x, sign]) => {
                let target = self.overwritten(time, x, operands);
                let sign = self.place(sign);
                let mask = Operand::Number(self.number(1 << 63));
                for number in 0..self.active {
                    let sign = self.fetch(sign, number, 0);
                    self.assembler
                        .operation(a::CHOOSE_BITS, register(target, number), sign, mask);
                }
                target
            }
            Node::Two(op, [x, y]) => {
                let (opcode, commutes) = two(op);
                let [mut x, mut y] = [x, y].map(|id| self.place(id));
                if commutes && readier(y, x) {
                    std::mem::swap(&mut x, &mut y);
                }
                let target = self.take(time, ending, operands);
                self.of_two(opcode, target, x, y);
                target
            }
            Node::MulAdd(operands) => self.mul_add(time, operands, false),
            Node::SubMul(operands) => self.mul_add(time, operands, true),
            Node::Select(comparison, [x, y, yes, no]) => {
                let [x, y, yes, no] = [x, y, yes, no].map(|id| self.place(id));
                let comparison = match comparison {
                    // ordered, without an exception for a quiet NaN
                    Comparison::Less => 0x11,
                    Comparison::AtMost => 0x12,
                    Comparison::Unordered => 0x03,
                };
                let target = self.take(time, ending, operands);
                for number in 0..self.active {
                    let mask = 1 + number as Mask;
                    let (first, last) = (self.fetch(x, number, 0), self.operand(y, number));
                    self.assembler.compare(mask, comparison, first, last);
                    let (no, yes) = (self.fetch(no, number, 1), self.operand(yes, number));
                    self.assembler.blend(register(target, number), mask, no, yes);
                }
                target
            }
        }
    }

    fn mul_add(&mut self, time: usize, operands: [Id; 3], negated: bool) -> usize {
        let [x, y, sum] = operands;
        // the result takes the place of what is not read again, else of what is loaded in any case
        let order = [sum, x, y];
        let ends = |id: &Id| self.places[*id as usize].is_some() && self.ends(time, *id);
        let loaded = |id: &Id| self.places[*id as usize].is_none();
        let over = (order.iter().copied().find(ends))
            .or_else(|| order.iter().copied().find(loaded))
            .unwrap_or(sum);
        let target = self.overwritten(time, over, &operands);
        let [x, y, sum] = operands.map(|id| (id, self.place(id)));
        // the form, and the operands that it reads beside the target, of which the last may stand in memory
        let (form, second, last) = if over == sum.0 {
            let (second, last) = if readier(y.1, x.1) { (y, x) } else { (x, y) };
            (a::MUL_ADD_231, second.1, last.1)
        } else {
            let factor = if over == x.0 { y.1 } else { x.1 };
            if readier(sum.1, factor) {
                (a::MUL_ADD_132, sum.1, factor)
            } else {
                (a::MUL_ADD_213, factor, sum.1)
            }
        };
        let form = if negated { form.negated() } else { form };
        self.of_two(form, target, second, last);
        target
    }

    /// An instruction that reads two operands, for all side by side.
    fn of_two(&mut self, opcode: Opcode, target: usize, second: Place, last: Place) {
        for number in 0..self.active {
            let second = self.fetch(second, number, 0);
            let last = self.operand(last, number);
            self.assembler
                .operation(opcode, register(target, number), second, last);
        }
    }

    /// The entries of a table.
    fn lookup(&mut self, time: usize, table: usize, bits: u32, x: Id) -> usize {
        self.assembler.constant(General::R11, table as u64);
        let from = |offset: usize| address(General::R11, offset);
        if bits == IN_REGISTERS {
            let target = self.overwritten(time, x, &[x]);
            self.assembler.load(scratch(0), from(0));
            for number in 0..self.active {
                let last = Operand::Vector(from(VECTOR));
                self.assembler
                    .operation(a::PERMUTE, register(target, number), scratch(0), last);
            }
            return target;
        }
        // not those of the operand, which a gather must not overwrite
        let target = self.take(time, None, &[x]);
        let x = self.place(x);
        for number in 0..self.active {
            let places = self.fetch(x, number, 0);
            self.assembler
                .gather(register(target, number), 1 + number as Mask, General::R11, places);
        }
        target
    }

    fn finish(mut self) -> Code {
        let blocks = match self.side {
            Side::Blocks => SIDE_BY_SIDE,
            Side::Rows => 1,
        };
        for pointer in [General::Rdi, General::Rsi, General::Rdx] {
            self.assembler.advance(pointer, (blocks * VECTOR) as i32);
        }
        self.assembler.again(General::R9, 0);
        self.assembler.finish();
        Code {
            bytes: self.assembler.bytes,
            numbers: self.numbers,
            first_number: self.first_number,
            memory: self.memory,
        }
    }
}

/// Whether the first of two operands is rather the one that has to be in a register: it is in one, or one does for all side by side.
fn readier(first: Place, second: Place) -> bool {
    let rank = |place| match place {
        Place::Held(_) => 2,
        Place::Vector(_, 0) | Place::Number(_, 0) => 1,
        Place::Vector(..) | Place::Number(..) => 0,
    };
    rank(first) > rank(second)
}

/// Opcode of an operation, and whether its operands may be exchanged.
fn two(op: Two) -> (Opcode, bool) {
    match op {
        Two::Add => (a::ADD, true),
        Two::Sub => (a::SUB, false),
        Two::Mul => (a::MUL, true),
        Two::Div => (a::DIV, false),
        Two::Min => (a::MIN, false),
        Two::Max => (a::MAX, false),
        Two::Scale => (a::SCALE, false),
        Two::And => (a::AND, true),
        Two::Or => (a::OR, true),
        Two::AddBits => (a::ADD_BITS, true),
        Two::CopySign => unreachable!("it has a form of its own"),
    }
}
