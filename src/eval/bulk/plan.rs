//! A graph compiled to a flat list of instructions over reusable buffers.
//!
//! Constants are evaluated once; operations that only move entries become lists of places and cost
//! nothing; elementwise operations of one size form chains that run over short tiles, so that what
//! lies between them never leaves the first-level cache.

use std::collections::HashMap;
use std::sync::Arc;

use crate::eval::float::FloatArithmetic;
use crate::eval::tensor::{Evaluator, for_each_index, offset, row_major, strides};
use crate::graph::op::{Along, Binary, Input, Op, Reduction, Unary};
use crate::graph::{Graph, NodeId, size};

/// Entries of a tile.
pub(super) const TILE: usize = 48;
/// Operations of a chain at most: their tiles must fit the first-level cache.
const CHAIN: usize = 24;

/// Where the entries of a tensor are.
#[derive(Clone, Debug)]
pub(super) enum Value<B> {
    /// the same for all points
    Numbers(Arc<[f64]>),
    /// in a buffer, at these places
    Lanes(B, Places),
}

/// Places of the entries in a buffer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Places {
    /// one after the other from there on
    Run(usize),
    /// entry by entry
    List(Arc<[usize]>),
}

/// A buffer, by number.
pub(super) type Slot = usize;

/// An operand or a result in a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub(super) slot: Slot,
    /// the buffer holds the whole tensor, from this entry on; otherwise it holds a tile
    pub(super) whole: Option<usize>,
}

/// A step of a chain, done for one tile.
#[derive(Clone, Debug)]
pub(super) enum ChainStep {
    /// the same numbers for all points
    Splat(Arc<[f64]>, Port),
    /// entries from anywhere in a buffer
    Gather(Slot, Arc<[usize]>, Port),
    Unary(Unary, Port, Port),
    Binary(Binary, [Port; 2], Port),
}

/// A side of a matrix product: row-major, without gaps.
#[derive(Clone, Debug)]
pub(super) enum Matrix {
    Numbers(Arc<[f64]>),
    Lanes(Slot, usize),
}

/// A matrix product.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) left: Matrix,
    pub(super) right: Matrix,
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
    /// first entries of the two factors for each matrix of the result
    pub(super) starts: Vec<[usize; 2]>,
}

/// Lines of a tensor along an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub(super) slot: Slot,
    pub(super) start: usize,
    pub(super) outer: usize,
    pub(super) length: usize,
    pub(super) inner: usize,
}

/// One instruction.
#[derive(Clone, Debug)]
pub(super) enum Instruction {
    Chain {
        count: usize,
        once: Vec<ChainStep>,
        each: Vec<ChainStep>,
    },
    Product(Product, Slot),
    Reduce(Reduction, Lines, Slot),
    Along(Along, Lines, Slot),
    /// zeros, then each part written from a place on with a stride: (value, places in the result)
    Assemble {
        length: usize,
        parts: Vec<(Value<Slot>, Arc<[usize]>)>,
        to: Slot,
    },
}

/// What is run for each block of points.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) instructions: Vec<Instruction>,
    /// entries of each buffer
    pub(super) slots: Vec<usize>,
    /// the inputs that are read: which, their dimension and buffer
    pub(super) inputs: Vec<(Input, usize, Slot)>,
    /// the roots and their numbers of entries
    pub(super) roots: Vec<(Value<Slot>, usize)>,
}

/// A tensor to be computed, by number.
type Item = usize;

/// How a tensor is computed from others.
enum Work {
    Input(Input),
    Unary(Unary, Value<Item>),
    Binary(Binary, [Value<Item>; 2]),
    Product {
        sides: [Value<Item>; 2],
        rows: usize,
        inner: usize,
        columns: usize,
        starts: Vec<[usize; 2]>,
    },
    Reduce(Reduction, Value<Item>, [usize; 3]),
    Along(Along, Value<Item>, [usize; 3]),
    Assemble(Vec<(Value<Item>, Arc<[usize]>)>),
}

impl Work {
    fn values(&self) -> Vec<&Value<Item>> {
        match self {
            Work::Input(_) => Vec::new(),
            Work::Unary(_, x) | Work::Reduce(_, x, _) | Work::Along(_, x, _) => vec![x],
            Work::Binary(_, sides) | Work::Product { sides, .. } => sides.iter().collect(),
            Work::Assemble(parts) => parts.iter().map(|(value, _)| value).collect(),
        }
    }

    fn elementwise(&self) -> bool {
        matches!(self, Work::Unary(..) | Work::Binary(..))
    }
}

impl Places {
    /// The place of an entry.
    #[inline(always)]
    pub(super) fn at(&self, position: usize) -> usize {
        match self {
            Places::Run(start) => start + position,
            Places::List(list) => list[position],
        }
    }
}

impl<B: Copy> Value<B> {
    /// The buffer that is read.
    fn base(&self) -> Option<B> {
        match self {
            Value::Numbers(_) => None,
            Value::Lanes(base, _) => Some(*base),
        }
    }

    /// The entries at these places of this tensor.
    fn pick(&self, places: &[usize]) -> Value<B> {
        match self {
            Value::Numbers(numbers) => Value::Numbers(places.iter().map(|&place| numbers[place]).collect()),
            Value::Lanes(base, own) => {
                let list: Vec<usize> = places.iter().map(|&place| own.at(place)).collect();
                let first = list.first().copied().unwrap_or(0);
                let run = list
                    .iter()
                    .enumerate()
                    .all(|(number, &place)| place == first + number);
                Value::Lanes(
                    *base,
                    if run {
                        Places::Run(first)
                    } else {
                        Places::List(list.into())
                    },
                )
            }
        }
    }

    fn on<C>(&self, base: impl FnOnce(B) -> C) -> Value<C> {
        match self {
            Value::Numbers(numbers) => Value::Numbers(numbers.clone()),
            Value::Lanes(own, places) => Value::Lanes(base(*own), places.clone()),
        }
    }
}

impl Plan {
    /// Compiles the part of the graph that the roots need.
    ///
    /// # Errors
    /// When a root needs a gradient from outside.
    pub(super) fn new(graph: &Graph, roots: &[NodeId]) -> Result<Plan, String> {
        let mut compiler = Compiler {
            works: Vec::new(),
            sizes: Vec::new(),
        };
        let values = compiler.read(graph, roots)?;
        let roots: Vec<(Value<Item>, usize)> = roots
            .iter()
            .map(|root| (values[root].clone(), size(graph.shape(*root))))
            .collect();
        Ok(compiler.finish(&roots))
    }
}

struct Compiler {
    works: Vec<Work>,
    /// entries of each tensor
    sizes: Vec<usize>,
}

impl Compiler {
    fn add(&mut self, work: Work, size: usize) -> Value<Item> {
        self.works.push(work);
        self.sizes.push(size);
        Value::Lanes(self.works.len() - 1, Places::Run(0))
    }

    /// The value without gaps: itself, or a copy.
    fn compact(&mut self, value: Value<Item>, size: usize) -> Value<Item> {
        match &value {
            Value::Numbers(_) | Value::Lanes(_, Places::Run(_)) => value,
            Value::Lanes(_, Places::List(_)) => {
                self.add(Work::Assemble(vec![(value, (0..size).collect())]), size)
            }
        }
    }

    /// The value in a buffer even where it is the same for all points.
    fn compact_lanes(&mut self, value: Value<Item>, size: usize) -> Value<Item> {
        match &value {
            Value::Numbers(_) => self.add(Work::Assemble(vec![(value, (0..size).collect())]), size),
            Value::Lanes(..) => self.compact(value, size),
        }
    }

    /// The value of every node that the roots need.
    fn read(&mut self, graph: &Graph, roots: &[NodeId]) -> Result<HashMap<NodeId, Value<Item>>, String> {
        let needed = graph.reachable(roots);
        let constants: Vec<NodeId> = graph
            .ids()
            .filter(|id| needed[id.index()] && !graph.is_variable(*id))
            .collect();
        let evaluated = Evaluator::new(graph, &constants, FloatArithmetic);
        let mut values: HashMap<NodeId, Value<Item>> = (constants.iter().enumerate())
            .map(|(number, id)| (*id, Value::Numbers(evaluated.root(number).into())))
            .collect();
        for id in graph
            .ids()
            .filter(|id| needed[id.index()] && graph.is_variable(*id))
        {
            let value = self.node(graph, id, &values)?;
            values.insert(id, value);
        }
        Ok(values)
    }

    fn node(
        &mut self,
        graph: &Graph,
        id: NodeId,
        values: &HashMap<NodeId, Value<Item>>,
    ) -> Result<Value<Item>, String> {
        let node = graph.node(id);
        let shape = node.shape.as_slice();
        let count = size(shape);
        let arg = |number: usize| &values[&node.args[number]];
        let arg_shape = |number: usize| graph.shape(node.args[number]);
        let spread = |number: usize| {
            if arg_shape(number) == shape {
                arg(number).clone()
            } else {
                arg(number).pick(&places(shape, &strides(arg_shape(number), shape)))
            }
        };
        // lines along an axis: outer, length, inner
        let lines = |axis: usize| {
            let shape = arg_shape(0);
            [
                shape[..axis].iter().product(),
                shape[axis],
                shape[axis + 1..].iter().product(),
            ]
        };
        Ok(match &node.op {
            Op::Input(Input::Gradient(_) | Input::Example) => {
                return Err("the bulk evaluator takes the points w and v alone".to_owned());
            }
            Op::Input(input @ (Input::W | Input::V)) => self.add(Work::Input(*input), count),
            Op::Constant(_) | Op::Pi => return Err("a constant that depends on an input".to_owned()),
            Op::Unary(op) => {
                let x = arg(0).clone();
                self.add(Work::Unary(*op, x), count)
            }
            Op::Binary(op) => {
                let sides = [spread(0), spread(1)];
                self.add(Work::Binary(*op, sides), count)
            }
            Op::MatMul => {
                let (batch, matrix) = shape.split_at(shape.len() - 2);
                let (rows, columns) = (matrix[0], matrix[1]);
                let inner = arg_shape(0)[arg_shape(0).len() - 1];
                let starts = |number: usize, entries: usize| {
                    let own = arg_shape(number);
                    let mut starts = places(batch, &strides(&own[..own.len() - 2], batch));
                    starts.iter_mut().for_each(|start| *start *= entries);
                    starts
                };
                let starts = (starts(0, rows * inner).into_iter())
                    .zip(starts(1, inner * columns))
                    .map(|(left, right)| [left, right])
                    .collect();
                let sides = [0, 1].map(|number| self.compact(arg(number).clone(), size(arg_shape(number))));
                self.add(
                    Work::Product {
                        sides,
                        rows,
                        inner,
                        columns,
                        starts,
                    },
                    count,
                )
            }
            Op::Reduce(op, axis) => {
                let x = self.compact_lanes(arg(0).clone(), size(arg_shape(0)));
                self.add(Work::Reduce(*op, x, lines(*axis)), count)
            }
            Op::Along(op, axis) => {
                let x = self.compact_lanes(arg(0).clone(), count);
                self.add(Work::Along(*op, x, lines(*axis)), count)
            }
            Op::Reshape => arg(0).clone(),
            Op::Broadcast => spread(0),
            Op::Permute(perm) => {
                let own = row_major(arg_shape(0));
                let strides: Vec<usize> = perm.iter().map(|&axis| own[axis]).collect();
                arg(0).pick(&places(shape, &strides))
            }
            Op::Slice { axis, start, step } => arg(0).pick(&slice_places(
                shape,
                &row_major(arg_shape(0)),
                *axis,
                *start,
                *step,
            )),
            Op::Unslice { axis, start, step } => {
                let places = slice_places(arg_shape(0), &row_major(shape), *axis, *start, *step);
                self.add(Work::Assemble(vec![(arg(0).clone(), places.into())]), count)
            }
            Op::Concat(axis) => {
                let row: usize = shape[*axis..].iter().product();
                let mut start = 0;
                let mut parts = Vec::new();
                for number in 0..node.args.len() {
                    let own: usize = arg_shape(number)[*axis..].iter().product();
                    let places =
                        (0..size(arg_shape(number))).map(|i| i / own.max(1) * row + start + i % own.max(1));
                    parts.push((arg(number).clone(), places.collect()));
                    start += own;
                }
                self.add(Work::Assemble(parts), count)
            }
        })
    }

    /// Items in the order of execution: chains of elementwise items, and single ones.
    fn schedule(&self) -> Vec<Vec<Item>> {
        let mut done: Vec<bool> = self
            .works
            .iter()
            .map(|work| matches!(work, Work::Input(_)))
            .collect();
        // the inputs stand in their buffers before anything runs
        let mut groups: Vec<Vec<Item>> = (0..self.works.len())
            .filter(|item| done[*item])
            .map(|item| vec![item])
            .collect();
        for first in 0..self.works.len() {
            if done[first] {
                continue;
            }
            // every earlier item is done, so this one can run
            let mut group = vec![first];
            if self.works[first].elementwise() {
                for next in first + 1..self.works.len() {
                    if group.len() == CHAIN {
                        break;
                    }
                    if !done[next]
                        && self.works[next].elementwise()
                        && self.sizes[next] == self.sizes[first]
                        && self.works[next].values().iter().all(|value| match value {
                            Value::Numbers(_) => true,
                            Value::Lanes(base, places) => {
                                done[*base] || (group.contains(base) && *places == Places::Run(0))
                            }
                        })
                    {
                        group.push(next);
                    }
                }
            }
            for item in &group {
                done[*item] = true;
            }
            groups.push(group);
        }
        groups
    }

    fn finish(self, roots: &[(Value<Item>, usize)]) -> Plan {
        let groups = self.schedule();
        let mut group_of = vec![0; self.works.len()];
        for (number, group) in groups.iter().enumerate() {
            group.iter().for_each(|item| group_of[*item] = number);
        }
        // the last group that reads each item, and whether it is read outside its own
        let mut last: Vec<usize> = group_of.clone();
        let mut read = |base: Item, by: usize| last[base] = last[base].max(by);
        for (item, work) in self.works.iter().enumerate() {
            for base in work.values().into_iter().filter_map(Value::base) {
                read(base, group_of[item]);
            }
        }
        for (value, _) in roots {
            if let Some(base) = value.base() {
                read(base, groups.len());
            }
        }
        let mut emitter = Emitter {
            compiler: &self,
            last,
            group_of,
            slots: Slots::default(),
            slot_of: vec![0; self.works.len()],
        };
        let mut plan = Plan {
            instructions: Vec::new(),
            slots: Vec::new(),
            inputs: Vec::new(),
            roots: Vec::new(),
        };
        for (number, group) in groups.iter().enumerate() {
            emitter.emit(number, group, &mut plan);
            // full buffers become free when their last reader is done
            for item in 0..self.works.len() {
                if emitter.last[item] == number && emitter.whole(item) {
                    emitter.slots.release(emitter.slot_of[item]);
                }
            }
        }
        plan.roots = (roots.iter())
            .map(|(value, size)| (value.on(|item| emitter.slot_of[item]), *size))
            .collect();
        plan.slots = emitter.slots.sizes;
        plan
    }
}

/// Buffers and which of them are free.
#[derive(Default)]
struct Slots {
    sizes: Vec<usize>,
    free: Vec<Slot>,
}

impl Slots {
    /// The smallest free buffer that is large enough, or else the largest, made larger.
    fn take(&mut self, size: usize) -> Slot {
        let fits = |slot: &Slot| {
            let own = self.sizes[*slot];
            if own >= size {
                (0, own)
            } else {
                (1, usize::MAX - own)
            }
        };
        let Some(position) = (0..self.free.len()).min_by_key(|&position| fits(&self.free[position])) else {
            self.sizes.push(size);
            return self.sizes.len() - 1;
        };
        let slot = self.free.swap_remove(position);
        self.sizes[slot] = self.sizes[slot].max(size);
        slot
    }

    fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }
}

struct Emitter<'a> {
    compiler: &'a Compiler,
    last: Vec<usize>,
    group_of: Vec<usize>,
    slots: Slots,
    slot_of: Vec<Slot>,
}

impl Emitter<'_> {
    /// Whether an item has a buffer for all its entries: it is read outside its group, or no chain.
    fn whole(&self, item: Item) -> bool {
        self.last[item] > self.group_of[item] || !self.compiler.works[item].elementwise()
    }

    fn place(&self, value: &Value<Item>) -> Value<Slot> {
        value.on(|item| self.slot_of[item])
    }

    fn lines(&self, value: &Value<Item>, [outer, length, inner]: [usize; 3]) -> Lines {
        let (slot, start) = match self.matrix(value) {
            Matrix::Lanes(slot, start) => (slot, start),
            Matrix::Numbers(_) => unreachable!("made lanes before"),
        };
        Lines {
            slot,
            start,
            outer,
            length,
            inner,
        }
    }

    fn matrix(&self, value: &Value<Item>) -> Matrix {
        match value {
            Value::Numbers(numbers) => Matrix::Numbers(numbers.clone()),
            Value::Lanes(item, Places::Run(start)) => Matrix::Lanes(self.slot_of[*item], *start),
            Value::Lanes(_, Places::List(_)) => unreachable!("made compact before"),
        }
    }

    fn emit(&mut self, number: usize, group: &[Item], plan: &mut Plan) {
        let first = group[0];
        let work = &self.compiler.works[first];
        if work.elementwise() {
            self.chain(number, group, plan);
            return;
        }
        let to = self.slots.take(self.compiler.sizes[first]);
        self.slot_of[first] = to;
        plan.instructions.push(match work {
            Work::Input(input) => {
                plan.inputs.push((*input, self.compiler.sizes[first], to));
                return;
            }
            Work::Product {
                sides,
                rows,
                inner,
                columns,
                starts,
            } => {
                let product = Product {
                    left: self.matrix(&sides[0]),
                    right: self.matrix(&sides[1]),
                    rows: *rows,
                    inner: *inner,
                    columns: *columns,
                    starts: starts.clone(),
                };
                Instruction::Product(product, to)
            }
            Work::Reduce(op, x, lines) => Instruction::Reduce(*op, self.lines(x, *lines), to),
            Work::Along(op, x, lines) => Instruction::Along(*op, self.lines(x, *lines), to),
            Work::Assemble(parts) => Instruction::Assemble {
                length: self.compiler.sizes[first],
                parts: parts
                    .iter()
                    .map(|(value, places)| (self.place(value), places.clone()))
                    .collect(),
                to,
            },
            Work::Unary(..) | Work::Binary(..) => unreachable!("chains are emitted before"),
        });
    }

    fn chain(&mut self, number: usize, group: &[Item], plan: &mut Plan) {
        let compiler = self.compiler;
        let (mut once, mut each) = (Vec::new(), Vec::new());
        let mut loaded: Vec<(Value<Item>, Port)> = Vec::new();
        let mut tiles: Vec<Slot> = Vec::new();
        for &item in group {
            let mut ports = Vec::new();
            for value in compiler.works[item].values() {
                ports.push(self.port(value, number, &mut loaded, &mut tiles, &mut once, &mut each));
            }
            let whole = self.whole(item);
            let slot = self.slots.take(if whole { compiler.sizes[item] } else { TILE });
            if !whole {
                tiles.push(slot);
            }
            self.slot_of[item] = slot;
            let to = Port {
                slot,
                whole: whole.then_some(0),
            };
            match &compiler.works[item] {
                Work::Unary(op, _) => each.push(ChainStep::Unary(*op, ports[0], to)),
                Work::Binary(op, _) => each.push(ChainStep::Binary(*op, [ports[0], ports[1]], to)),
                Work::Input(_)
                | Work::Product { .. }
                | Work::Reduce(..)
                | Work::Along(..)
                | Work::Assemble(_) => {
                    unreachable!("only elementwise items form chains")
                }
            }
        }
        tiles.into_iter().for_each(|slot| self.slots.release(slot));
        plan.instructions.push(Instruction::Chain {
            count: compiler.sizes[group[0]],
            once,
            each,
        });
    }

    /// Where a step of a chain finds an operand; loads it into a tile where it does not stand in a row.
    fn port(
        &mut self,
        value: &Value<Item>,
        number: usize,
        loaded: &mut Vec<(Value<Item>, Port)>,
        tiles: &mut Vec<Slot>,
        once: &mut Vec<ChainStep>,
        each: &mut Vec<ChainStep>,
    ) -> Port {
        if let Value::Lanes(item, Places::Run(start)) = value {
            let whole = self.group_of[*item] != number || self.whole(*item);
            return Port {
                slot: self.slot_of[*item],
                whole: whole.then_some(*start),
            };
        }
        if let Some((_, port)) = loaded.iter().find(|(known, _)| same(known, value)) {
            return *port;
        }
        let slot = self.slots.take(TILE);
        tiles.push(slot);
        let port = Port { slot, whole: None };
        let (step, constant) = match value {
            Value::Numbers(numbers) => (ChainStep::Splat(numbers.clone(), port), equal(numbers)),
            Value::Lanes(item, Places::List(list)) => (
                ChainStep::Gather(self.slot_of[*item], list.clone(), port),
                equal(list),
            ),
            Value::Lanes(_, Places::Run(_)) => unreachable!("handled before"),
        };
        // where all entries are one, the first tile serves for all
        if constant { once } else { each }.push(step);
        loaded.push((value.clone(), port));
        port
    }
}

fn equal<T: PartialEq>(entries: &[T]) -> bool {
    entries.iter().all(|entry| *entry == entries[0])
}

/// Whether two operands hold the same entries.
fn same(a: &Value<Item>, b: &Value<Item>) -> bool {
    match (a, b) {
        (Value::Numbers(a), Value::Numbers(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
        }
        (Value::Lanes(a, places), Value::Lanes(b, others)) => a == b && places == others,
        (Value::Numbers(_), Value::Lanes(..)) | (Value::Lanes(..), Value::Numbers(_)) => false,
    }
}

/// Where the entries of a tensor of this shape stand, with these distances along its axes.
fn places(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut places = Vec::with_capacity(size(shape));
    for_each_index(shape, |index| places.push(offset(index, strides)));
    places
}

/// The same for the entries `start, start + step, ...` along an axis.
fn slice_places(shape: &[usize], strides: &[usize], axis: usize, start: usize, step: isize) -> Vec<usize> {
    let mut places = Vec::with_capacity(size(shape));
    for_each_index(shape, |index| {
        let along = start as isize + (step - 1) * index[axis] as isize;
        places.push((offset(index, strides) as isize + strides[axis] as isize * along) as usize);
    });
    places
}
