//! From scheduled tensors to instructions over buffers that are reused.

use std::sync::Arc;

use super::buffer::LANES;
use super::compile::{Item, Program, Work};
use super::plan::{
    At, ChainStep, Extent, Instruction, Lines, Matrix, Places, Plan, Port, Product, Root, SPARSE_COLUMNS,
    Slot, Strips, TILE, Value,
};
use super::schedule::{Role, Schedule};
use super::sparse::Sparse;

/// Bytes that a strip may take: what it reads again then stands in the second-level cache, and its loops are long.
const STRIP_BYTES: usize = 256 << 10;
/// Bytes of a factor of a product beyond which it does not stand in a cache beside the strip.
const LARGE_FACTOR: usize = 256 << 10;
/// Bytes beyond which such a factor fills the first-level cache.
const MEDIUM_FACTOR: usize = 32 << 10;
/// Rows of a strip: at least so many,
const LEAST_STRIP: usize = 8;
/// so many where the other factor of a product is read again for each strip,
const MEDIUM_STRIP: usize = 24;
/// and so many where the other factor of a product does not fit beside it.
const LONG_STRIP: usize = 64;

/// Compiles a program, whose results are the roots, for instructions or `row_by_row` for machine code.
pub(super) fn plan(program: &Program, roots: &[Root<Item>], row_by_row: bool) -> Plan {
    let schedule = Schedule::new(program, row_by_row);
    let mut group_of = vec![0; program.works.len()];
    // the last group of the stage of each item
    let mut end_of_stage = vec![0; program.works.len()];
    let mut groups = 0;
    for stage in &schedule.stages {
        for (number, group) in stage.iter().enumerate() {
            for item in group {
                (group_of[*item], end_of_stage[*item]) = (groups + number, groups + stage.len() - 1);
            }
        }
        groups += stage.len();
    }
    // the last group that reads each item
    let mut last: Vec<usize> = group_of.clone();
    for (item, work) in program.works.iter().enumerate() {
        for base in work.values().into_iter().filter_map(Value::base) {
            last[base] = last[base].max(group_of[item]);
        }
    }
    for base in roots.iter().filter_map(|(value, _)| value.base()) {
        last[base] = groups;
    }
    let local = (0..program.works.len())
        .map(|item| matches!(schedule.roles[item], Role::Row(_)) && last[item] <= end_of_stage[item])
        .collect();
    let mut emitter = Emitter {
        program,
        schedule: &schedule,
        last,
        group_of,
        local,
        slots: Slots::default(),
        slot_of: vec![0; program.works.len()],
        constants: Vec::new(),
        bands: Vec::new(),
        row_by_row,
    };
    let mut plan = Plan {
        strips: Vec::new(),
        blocks: 1,
        slots: Vec::new(),
        constants: Vec::new(),
        inputs: Vec::new(),
        roots: Vec::new(),
    };
    let mut number = 0;
    for (stage, groups) in schedule.stages.iter().enumerate() {
        if stage % 2 == 1 {
            let strips = emitter.strips(number, groups).into_iter();
            plan.strips
                .extend(strips.filter(|strips| !strips.body.is_empty()));
            number += groups.len();
            continue;
        }
        for group in groups {
            if let Work::Input(input) = program.works[group[0]] {
                let size = program.sizes[group[0]];
                let slot = emitter.slots.take(size);
                emitter.slot_of[group[0]] = slot;
                plan.inputs.push((input, size, slot));
            } else {
                plan.strips.push(emitter.outside(number, group));
            }
            emitter.release(number..=number, |_| true);
            number += 1;
        }
    }
    plan.roots = (roots.iter())
        .map(|(value, size)| (value.on(|item| emitter.slot_of[item]), *size))
        .collect();
    plan.slots = emitter.slots.sizes;
    plan.constants = emitter.constants;
    plan
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
            return self.fresh(size);
        };
        let slot = self.free.swap_remove(position);
        self.sizes[slot] = self.sizes[slot].max(size);
        slot
    }

    /// A buffer that nothing has used before.
    fn fresh(&mut self, size: usize) -> Slot {
        self.sizes.push(size);
        self.sizes.len() - 1
    }

    fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }
}

/// Data with many zeros, their columns and the rows of a strip, and the bands made of them.
type Banded = (Arc<[f64]>, [usize; 2], Arc<Sparse>);

struct Emitter<'a> {
    program: &'a Program,
    schedule: &'a Schedule,
    last: Vec<usize>,
    group_of: Vec<usize>,
    /// rows of it are read only in the strip in which they are computed
    local: Vec<bool>,
    slots: Slots,
    slot_of: Vec<Slot>,
    constants: Vec<(Arc<[f64]>, Slot)>,
    bands: Vec<Banded>,
    row_by_row: bool,
}

/// What is being emitted.
struct Place {
    number: usize,
    /// rows of a strip; `None` outside of strips
    strip: Option<usize>,
    /// rows that are the same in all strips, and where they have been repeated
    repeated: Vec<(Value<Item>, Port)>,
    /// what has to run before the strips
    before: Vec<Instruction>,
}

impl Place {
    fn new(number: usize, strip: Option<usize>) -> Place {
        Place {
            number,
            strip,
            repeated: Vec::new(),
            before: Vec::new(),
        }
    }
}

impl Emitter<'_> {
    /// Whether an item has a buffer for all its entries, or those of the strip: it is read outside its group, or no chain.
    fn whole(&self, item: Item) -> bool {
        self.last[item] > self.group_of[item] || !self.program.works[item].elementwise()
    }

    /// Frees the buffers of the chosen items whose last reader is among these groups.
    fn release(&mut self, groups: std::ops::RangeInclusive<usize>, chosen: impl Fn(Item) -> bool) {
        for item in 0..self.program.works.len() {
            if groups.contains(&self.last[item]) && self.whole(item) && chosen(item) {
                self.slots.release(self.slot_of[item]);
            }
        }
    }

    /// A group that is computed at once.
    fn outside(&mut self, number: usize, group: &[Item]) -> Strips {
        let mut place = Place::new(number, None);
        Strips::at_once(vec![self.group(group, &mut place)])
    }

    /// A stage that is computed in strips, and what runs before.
    fn strips(&mut self, first: usize, groups: &[Vec<Item>]) -> [Strips; 2] {
        let items = || groups.iter().flatten().copied();
        // what outlives a strip must not share its buffers
        for item in items().filter(|item| !self.local[*item]) {
            self.slot_of[item] = self.slots.take(self.program.sizes[item]);
        }
        let strip = self.strip(&items().collect::<Vec<Item>>());
        let mut place = Place::new(first, Some(strip));
        let mut body = Vec::new();
        for group in groups {
            body.push(self.group(group, &mut place));
            let local = std::mem::take(&mut self.local);
            self.release(place.number..=place.number, |item| local[item]);
            self.local = local;
            place.number += 1;
        }
        let local = std::mem::take(&mut self.local);
        self.release(first..=place.number - 1, |item| !local[item]);
        self.local = local;
        for (_, port) in place.repeated {
            if let Port::Row(slot, _) = port {
                self.slots.release(slot);
            }
        }
        let strips = Strips {
            rows: self.schedule.rows,
            strip,
            body,
        };
        [Strips::at_once(place.before), strips]
    }

    /// Rows of a strip, so that what it holds fits the first-level cache; longer ones where a factor of a product
    /// does not fit in any case, and has to be read once for each strip.
    fn strip(&self, items: &[Item]) -> usize {
        if self.row_by_row {
            return 1;
        }
        let (mut width, mut factor) = (0, 0);
        for item in items {
            if let Role::Row(own) = self.schedule.roles[*item]
                && self.whole(*item)
            {
                width += own;
            }
            if let Work::Product { inner, columns, .. } = self.program.works[*item] {
                factor = factor.max(inner * columns);
            }
        }
        let bytes = LANES * size_of::<f64>();
        let least = if factor * bytes > LARGE_FACTOR {
            LONG_STRIP
        } else if factor * bytes > MEDIUM_FACTOR {
            MEDIUM_STRIP
        } else {
            LEAST_STRIP
        };
        let fits = STRIP_BYTES / bytes / width.max(1) / LEAST_STRIP * LEAST_STRIP;
        fits.max(least).min(self.schedule.rows)
    }

    fn group(&mut self, group: &[Item], place: &mut Place) -> Instruction {
        let item = group[0];
        let work = &self.program.works[item];
        if work.elementwise() {
            return self.chain(group, place);
        }
        let to = self.target(item, place);
        let role = self.schedule.roles[item];
        match work {
            Work::Product {
                sides: [left, right],
                through,
                beside,
                plus,
                panels,
                rows,
                inner,
                columns,
                starts,
            } => {
                let beside = beside.iter().map(|value| match role {
                    Role::Outside | Role::Sum => self.run(value, 0),
                    Role::Row(_) => self.run(value, *inner),
                });
                let beside = beside.collect();
                let plus = plus.as_ref().map(|value| self.run(value, 0));
                let sparse = match left {
                    Value::Numbers(numbers) if *panels == Some(SPARSE_COLUMNS) => {
                        let strip = place.strip.filter(|_| role != Role::Outside).unwrap_or(*rows);
                        Some(self.sparse(numbers, *inner, strip))
                    }
                    Value::Numbers(_) | Value::Lanes(..) => None,
                };
                let left = |row: usize| match &sparse {
                    Some(sparse) => Matrix::Sparse(sparse.clone()),
                    None => self.matrix(left, row),
                };
                let (left, right, shape) = match role {
                    Role::Outside => (
                        left(0),
                        self.matrix(right, 0),
                        [
                            Extent::Fixed(*rows),
                            Extent::Fixed(*inner),
                            Extent::Fixed(*columns),
                        ],
                    ),
                    Role::Row(_) => (
                        left(*inner),
                        self.matrix(right, 0),
                        [Extent::Strip, Extent::Fixed(*inner), Extent::Fixed(*columns)],
                    ),
                    Role::Sum => (
                        left(1),
                        self.matrix(right, *columns),
                        [Extent::Fixed(*rows), Extent::Strip, Extent::Fixed(*columns)],
                    ),
                };
                let product = Product {
                    left,
                    through: *through,
                    beside,
                    right,
                    plus,
                    panels: panels.is_some(),
                    shape,
                    stride: *inner,
                    starts: starts.clone(),
                    blocks: 1,
                };
                Instruction::Product(product, to)
            }
            Work::Reduce(op, x, times, lines) => {
                let (row, lines) = self.lines(x, *lines, role);
                let times = times.as_ref().map(|value| self.matrix(value, row));
                Instruction::Reduce(*op, lines, times, to)
            }
            Work::Along(op, x, lines) => Instruction::Along(*op, self.lines(x, *lines, role).1, to),
            Work::Assemble(parts) => Instruction::Assemble {
                length: self.program.sizes[item],
                parts: (parts.iter())
                    .map(|(value, places)| (value.on(|item| self.slot_of[item]), places.clone()))
                    .collect(),
                to: to.slot,
            },
            Work::Input(_) | Work::Unary(..) | Work::Binary(..) | Work::Fused(..) => {
                unreachable!("emitted before")
            }
        }
    }

    /// Where a result goes; takes a buffer unless it has one.
    fn target(&mut self, item: Item, place: &mut Place) -> At {
        let row = match (self.schedule.roles[item], place.strip) {
            (Role::Row(width), Some(strip)) => {
                if self.local[item] {
                    self.slot_of[item] = self.slots.take(strip * width);
                    0
                } else {
                    width
                }
            }
            (Role::Outside | Role::Row(_), None) => {
                self.slot_of[item] = self.slots.take(self.program.sizes[item]);
                0
            }
            // taken when the stage began
            (Role::Outside | Role::Sum, _) => 0,
        };
        At {
            slot: self.slot_of[item],
            start: 0,
            row,
        }
    }

    /// An item from an entry on; `row` is how far a row moves on where it stands outside the strip.
    fn at(&self, item: Item, start: usize, row: usize) -> At {
        At {
            slot: self.slot_of[item],
            start,
            row: if self.local[item] { 0 } else { row },
        }
    }

    /// Data without their zeros, once for all products with them.
    fn sparse(&mut self, numbers: &Arc<[f64]>, inner: usize, strip: usize) -> Arc<Sparse> {
        let known =
            (self.bands.iter()).find(|(own, sizes, _)| Arc::ptr_eq(own, numbers) && *sizes == [inner, strip]);
        if let Some((_, _, sparse)) = known {
            return sparse.clone();
        }
        let sparse = Arc::new(Sparse::new(numbers, inner, strip));
        self.bands.push((numbers.clone(), [inner, strip], sparse.clone()));
        sparse
    }

    fn matrix(&self, value: &Value<Item>, row: usize) -> Matrix {
        match value {
            Value::Numbers(numbers) => Matrix::Numbers(numbers.clone(), row),
            Value::Lanes(..) => Matrix::Lanes(self.run(value, row)),
        }
    }

    /// Entries that follow on each other; `row` is how far a row moves on where they stand outside the strip.
    fn run(&self, value: &Value<Item>, row: usize) -> At {
        match value {
            Value::Lanes(item, Places::Run(start)) => self.at(*item, *start, row),
            Value::Numbers(_) | Value::Lanes(_, Places::List(_)) => unreachable!("made compact lanes before"),
        }
    }

    /// Lines of a tensor, and how far a row moves on in what stands outside the strip.
    fn lines(&self, value: &Value<Item>, [outer, length, inner]: [usize; 3], role: Role) -> (usize, Lines) {
        let (row, shape) = match role {
            Role::Outside => (
                0,
                [Extent::Fixed(outer), Extent::Fixed(length), Extent::Fixed(inner)],
            ),
            Role::Row(_) => (
                length * inner,
                [Extent::Strip, Extent::Fixed(length), Extent::Fixed(inner)],
            ),
            Role::Sum => (inner, [Extent::Fixed(outer), Extent::Strip, Extent::Fixed(inner)]),
        };
        let from = self.run(value, row);
        (row, Lines { from, shape })
    }

    fn chain(&mut self, group: &[Item], place: &mut Place) -> Instruction {
        let program = self.program;
        let width = match place.strip {
            Some(_) => program.sizes[group[0]] / self.schedule.rows,
            None => program.sizes[group[0]],
        };
        let mut each = Vec::new();
        let mut loaded: Vec<(Value<Item>, Port)> = Vec::new();
        let mut tiles: Vec<Slot> = Vec::new();
        for &item in group {
            let mut ports = Vec::new();
            let values = program.works[item].values();
            for (number, value) in values.iter().enumerate() {
                // the last operand may be one for all entries, and the first where the other is not
                let others = values.iter().enumerate().filter(|(other, _)| *other != number);
                let one = match values.len() {
                    3 => number == 2,
                    2 if number == 0 => others.into_iter().all(|(_, other)| self.one(other).is_none()),
                    count => count == 2,
                };
                let port = self.one(value).filter(|_| one);
                ports.push(match port {
                    Some(port) => port,
                    None => self.port(value, width, place, &mut loaded, &mut tiles, &mut each),
                });
            }
            let to = if self.whole(item) {
                Port::Whole(self.target(item, place))
            } else {
                self.slot_of[item] = self.slots.take(TILE);
                tiles.push(self.slot_of[item]);
                Port::Tile(self.slot_of[item])
            };
            match &program.works[item] {
                Work::Unary(op, _) => each.push(ChainStep::Unary(*op, ports[0], to)),
                Work::Binary(op, _) => each.push(ChainStep::Binary(*op, [ports[0], ports[1]], to)),
                Work::Fused(op, _) => each.push(ChainStep::Fused(*op, [ports[0], ports[1], ports[2]], to)),
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
        Instruction::Chain { width, each }
    }

    /// The operand that is one for all entries.
    fn one(&self, value: &Value<Item>) -> Option<Port> {
        match value {
            Value::Numbers(numbers) => equal(&bits(numbers)).then(|| Port::Number(numbers[0])),
            Value::Lanes(item, Places::List(list)) => {
                (!self.local[*item] && equal(list)).then(|| Port::Entry(self.slot_of[*item], list[0]))
            }
            Value::Lanes(_, Places::Run(_)) => None,
        }
    }

    /// Where a row stands that is the same in all strips: it is repeated before these.
    fn repeated(&mut self, value: &Value<Item>, width: usize, place: &mut Place) -> Option<Port> {
        let row = match value {
            _ if place.strip.is_none() || width == 0 => return None,
            Value::Lanes(item, Places::List(list))
                if !matches!(self.schedule.roles[*item], Role::Row(_)) && periodic(list, width) =>
            {
                let list: Vec<usize> = list.iter().cycle().take(width + TILE).copied().collect();
                Value::Lanes(self.slot_of[*item], Places::List(list.into()))
            }
            Value::Numbers(numbers) if periodic(&bits(numbers), width) => {
                Value::Numbers(numbers.iter().cycle().take(width + TILE).copied().collect())
            }
            Value::Numbers(_) | Value::Lanes(..) => return None,
        };
        // no strip may write there
        let slot = self.slots.fresh(width + TILE);
        place.before.push(Instruction::Assemble {
            length: width + TILE,
            parts: vec![(row, (0..width + TILE).collect())],
            to: slot,
        });
        Some(Port::Row(slot, width))
    }

    /// Where a few numbers stand, which are written there once and for all.
    fn constant(&mut self, numbers: &Arc<[f64]>, row: usize) -> Port {
        let known = self
            .constants
            .iter()
            .find(|(known, _)| bits(known) == bits(numbers));
        let slot = match known {
            Some((_, slot)) => *slot,
            None => {
                // nothing else may write there
                let slot = self.slots.fresh(numbers.len());
                self.constants.push((numbers.clone(), slot));
                slot
            }
        };
        Port::Whole(At { slot, start: 0, row })
    }

    /// Where a step of a chain finds an operand; loads it into a tile where it does not stand in a row.
    fn port(
        &mut self,
        value: &Value<Item>,
        width: usize,
        place: &mut Place,
        loaded: &mut Vec<(Value<Item>, Port)>,
        tiles: &mut Vec<Slot>,
        each: &mut Vec<ChainStep>,
    ) -> Port {
        let row = if place.strip.is_some() { width } else { 0 };
        if let Value::Lanes(item, Places::Run(start)) = value {
            return if self.group_of[*item] == place.number && !self.whole(*item) {
                Port::Tile(self.slot_of[*item])
            } else {
                Port::Whole(self.at(*item, *start, row))
            };
        }
        let known = loaded.iter().chain(&place.repeated);
        if let Some((_, port)) = known.into_iter().find(|(known, _)| known.same(value)) {
            return *port;
        }
        if let Some(port) = self.repeated(value, width, place) {
            place.repeated.push((value.clone(), port));
            return port;
        }
        if let Value::Numbers(numbers) = value
            && numbers.len() <= TILE
        {
            return self.constant(numbers, row);
        }
        let slot = self.slots.take(TILE);
        let port = Port::Tile(slot);
        let step = match value {
            Value::Numbers(numbers) => ChainStep::Splat(numbers.clone(), row, port),
            Value::Lanes(_, Places::Run(_)) => unreachable!("handled before"),
            Value::Lanes(item, Places::List(list)) => {
                // within a strip, the places of the first rows serve for all
                let (own, row) = match self.schedule.roles[*item] {
                    Role::Row(own) if place.strip.is_some() => (own, 0),
                    Role::Row(_) | Role::Outside | Role::Sum => (0, row),
                };
                ChainStep::Gather(self.at(*item, 0, own), list.clone(), row, port)
            }
        };
        tiles.push(slot);
        each.push(step);
        loaded.push((value.clone(), port));
        port
    }
}

/// Numbers as they are told apart: 0 and -0 too.
fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Whether the entries are those of the first row, again and again.
fn periodic<T: PartialEq>(entries: &[T], width: usize) -> bool {
    (entries.iter().zip(&entries[width.min(entries.len())..])).all(|(entry, next)| entry == next)
}

fn equal<T: PartialEq>(entries: &[T]) -> bool {
    entries.iter().all(|entry| *entry == entries[0])
}
