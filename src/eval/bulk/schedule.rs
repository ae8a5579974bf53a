//! In which order tensors are computed, and which of them in strips of rows.

use super::compile::{Item, Program, Work};
use super::plan::{Places, Value};
use crate::graph::op::Reduction;

/// Operations of a chain at most: their tiles must fit the first-level cache.
const CHAIN: usize = 24;
/// Rows below which strips do not pay.
const LEAST_ROWS: usize = 16;

/// Rows up to which tensors of one column are computed at once.
const MOST_AT_ONCE: usize = 4096;

/// How a tensor takes part in strips of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// computed at once
    Outside,
    /// each row from the same row of others, with so many entries
    Row(usize),
    /// a sum over the rows
    Sum,
}

/// The order of execution.
///
/// Even stages are computed at once, odd ones in strips. A stage reads what earlier ones have computed, and a strip also what
/// stands in the same strip.
pub(super) struct Schedule {
    pub(super) rows: usize,
    pub(super) roles: Vec<Role>,
    /// for each stage its groups: chains of elementwise tensors, and single ones
    pub(super) stages: Vec<Vec<Vec<Item>>>,
}

/// How an operand is read by a row of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    /// it is the same for all points, or stands outside the strip
    Outside,
    /// only entries of the same row
    Row,
    /// entries of other rows
    Across,
}

impl Schedule {
    /// In strips as long as pays for instructions, or `row_by_row` for machine code.
    pub(super) fn new(program: &Program, row_by_row: bool) -> Schedule {
        let rows = rows(program);
        let least = if row_by_row { 2 } else { LEAST_ROWS };
        let mut schedule = Schedule {
            rows,
            roles: Vec::new(),
            stages: Vec::new(),
        };
        for item in 0..program.works.len() {
            let role = if rows < least {
                Role::Outside
            } else {
                schedule.role(program, item)
            };
            schedule.roles.push(role);
        }
        if rows <= MOST_AT_ONCE && !row_by_row {
            schedule.take_out_narrow(program);
        }
        let mut stage_of: Vec<usize> = Vec::new();
        for item in 0..program.works.len() {
            let outside = schedule.roles[item] == Role::Outside;
            let stage = (program.works[item].values().into_iter().filter_map(Value::base))
                .map(|base| match (stage_of[base] % 2, outside) {
                    (0, true) => stage_of[base],
                    (0, false) | (_, true) => stage_of[base] + 1,
                    // within a strip rows are at hand, sums are not
                    (_, false) if schedule.roles[base] == Role::Sum => stage_of[base] + 2,
                    (_, false) => stage_of[base],
                })
                .max();
            stage_of.push(stage.unwrap_or(usize::from(!outside)));
        }
        let count = stage_of.iter().max().map_or(0, |last| last + 1);
        let mut done: Vec<bool> = vec![false; program.works.len()];
        schedule.stages = (0..count)
            .map(|stage| {
                let items = (0..program.works.len()).filter(|item| stage_of[*item] == stage);
                let mut groups = groups(program, &items.collect::<Vec<Item>>(), &mut done);
                postpone(program, &mut groups);
                groups
            })
            .collect();
        schedule
    }

    /// How an operand is read by rows of `width` entries.
    pub(super) fn reading(&self, value: &Value<Item>, width: usize) -> Reading {
        let (base, places) = match value {
            Value::Numbers(_) => return Reading::Outside,
            Value::Lanes(base, places) => (*base, places),
        };
        let Role::Row(own) = self.roles[base] else {
            return Reading::Outside;
        };
        let by_row = match places {
            Places::Run(start) => *start == 0 && own == width,
            Places::List(list) => {
                list.len() == self.rows * width
                    && (list.iter().enumerate()).all(|(number, place)| {
                        let (row, first) = (number / width, list[number % width]);
                        first < own && *place == row * own + first
                    })
            }
        };
        if by_row { Reading::Row } else { Reading::Across }
    }

    /// Computes at once, behind the strips, what has one entry for each row and is read by nothing wider: in strips its loops
    /// would be short.
    fn take_out_narrow(&mut self, program: &Program) {
        let mut kept = vec![false; program.works.len()];
        for item in (0..program.works.len()).rev() {
            let work = &program.works[item];
            // what reads rows that are wider would have these stored whole
            let wide = (work.values().into_iter().filter_map(Value::base))
                .any(|base| matches!(self.roles[base], Role::Row(width) if width > 1));
            let narrow = match self.roles[item] {
                Role::Outside => true,
                Role::Row(1) => work.elementwise() && !wide && !kept[item],
                // one of what is taken out is taken out as well
                Role::Sum => matches!(work, Work::Reduce(..)) && !kept[item],
                Role::Row(_) => false,
            };
            if !narrow {
                kept[item] = true;
                for base in work.values().into_iter().filter_map(Value::base) {
                    kept[base] = true;
                }
            }
        }
        for (item, work) in program.works.iter().enumerate().filter(|(item, _)| !kept[*item]) {
            match self.roles[item] {
                Role::Row(1) if work.elementwise() => self.roles[item] = Role::Outside,
                Role::Sum => {
                    let mut bases = work.values().into_iter().filter_map(Value::base);
                    if bases.all(|base| self.roles[base] == Role::Outside) {
                        self.roles[item] = Role::Outside;
                    }
                }
                Role::Outside | Role::Row(_) => {}
            }
        }
    }

    fn role(&self, program: &Program, item: Item) -> Role {
        let run = |value: &Value<Item>, width: usize| {
            matches!(value, Value::Lanes(_, Places::Run(0))) && self.reading(value, width) == Reading::Row
        };
        match &program.works[item] {
            Work::Input(_) | Work::Assemble(_) => Role::Outside,
            Work::Unary(..) | Work::Binary(..) | Work::Fused(..) => {
                let width = program.sizes[item] / self.rows;
                if width * self.rows != program.sizes[item] {
                    return Role::Outside;
                }
                let readings = program.works[item].values().into_iter();
                let readings: Vec<Reading> = readings.map(|value| self.reading(value, width)).collect();
                if readings.contains(&Reading::Row) && !readings.contains(&Reading::Across) {
                    Role::Row(width)
                } else {
                    Role::Outside
                }
            }
            Work::Product {
                sides: [left, right],
                beside,
                plus,
                rows,
                inner,
                columns,
                starts,
                ..
            } => {
                let constant = matches!(left, Value::Numbers(_));
                let stands = |value: &Value<Item>| {
                    (value.base()).is_none_or(|base| !matches!(self.roles[base], Role::Row(_)))
                };
                if starts.len() != 1 {
                    Role::Outside
                } else if *rows == self.rows
                    && (constant || run(left, *inner))
                    && beside.iter().all(|value| run(value, *inner))
                    && stands(right)
                    && plus.iter().all(stands)
                {
                    Role::Row(*columns)
                } else if *inner == self.rows && constant && run(right, *columns) && plus.is_none() {
                    Role::Sum
                } else {
                    Role::Outside
                }
            }
            Work::Reduce(op, x, times, [outer, length, inner]) => {
                // row by row, one of them from the strip
                let runs = |width: usize| {
                    let gaps = |value: &Value<Item>| matches!(value, Value::Lanes(_, Places::List(_)));
                    let outside = |value| !gaps(value) && self.reading(value, width) == Reading::Outside;
                    let all = || [x].into_iter().chain(times);
                    all().any(|value| run(value, width))
                        && all().all(|value| run(value, width) || outside(value))
                };
                if *outer == self.rows && runs(length * inner) {
                    Role::Row(*inner)
                } else if *op == Reduction::Sum && *outer == 1 && *length == self.rows && runs(*inner) {
                    Role::Sum
                } else {
                    Role::Outside
                }
            }
            Work::Along(_, x, [outer, length, inner]) => {
                if *outer == self.rows && run(x, length * inner) {
                    Role::Row(length * inner)
                } else {
                    Role::Outside
                }
            }
        }
    }
}

/// The number of data points: the rows of the constants that most of the work multiplies by.
fn rows(program: &Program) -> usize {
    let mut sizes: Vec<(usize, usize)> = Vec::new();
    for (work, size) in program.works.iter().zip(&program.sizes) {
        if let Work::Product {
            sides, rows, starts, ..
        } = work
            && matches!(sides, [Value::Numbers(_), Value::Lanes(..)])
            && starts.len() == 1
        {
            match sizes.iter_mut().find(|(known, _)| known == rows) {
                Some((_, total)) => *total += size,
                None => sizes.push((*rows, *size)),
            }
        }
    }
    (sizes.into_iter().max_by_key(|(_, total)| *total)).map_or(0, |(rows, _)| rows)
}

/// Chains of elementwise items, and single ones.
fn groups(program: &Program, items: &[Item], done: &mut [bool]) -> Vec<Vec<Item>> {
    let mut groups = Vec::new();
    // the inputs stand in their buffers before anything runs
    for &item in items {
        if matches!(program.works[item], Work::Input(_)) {
            done[item] = true;
            groups.push(vec![item]);
        }
    }
    for (position, &first) in items.iter().enumerate() {
        if done[first] {
            continue;
        }
        // every earlier item is done, so this one can run
        let mut group = vec![first];
        if program.works[first].elementwise() {
            for &next in &items[position + 1..] {
                if group.len() == CHAIN {
                    break;
                }
                if !done[next]
                    && program.works[next].elementwise()
                    && program.sizes[next] == program.sizes[first]
                    && program.works[next].values().iter().all(|value| match value {
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

/// Moves elementwise items on to the one later chain that reads them, where what they read is kept for others, or is no larger than
/// they: they are never stored then, and there are fewer chains.
fn postpone(program: &Program, groups: &mut Vec<Vec<Item>>) {
    let mut readers = vec![Vec::new(); program.works.len()];
    for (reader, work) in program.works.iter().enumerate() {
        for base in work.values().into_iter().filter_map(Value::base) {
            readers[base].push(reader);
        }
    }
    // those of other stages are later
    let mut group_of = vec![usize::MAX; program.works.len()];
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|item| group_of[*item] = number);
    }
    for number in (0..groups.len()).rev() {
        // readers before what they read
        for item in groups[number].clone().into_iter().rev() {
            let work = &program.works[item];
            let to = readers[item].iter().map(|reader| group_of[*reader]).min();
            let Some(to) = to.filter(|to| work.elementwise() && *to > number && *to < groups.len()) else {
                continue;
            };
            let chain = groups[to][0];
            let kept = |base: &Item| {
                let mut others = readers[*base].iter().filter(|reader| **reader != item);
                others.any(|reader| group_of[*reader] >= to)
            };
            let bases = work.values().into_iter().filter_map(Value::base);
            let longer: usize = bases
                .filter(|base| !kept(base))
                .map(|base| program.sizes[base])
                .sum();
            // a tile holds the entries in their own order
            let in_order = |reader: &Item| {
                let values = program.works[*reader].values().into_iter();
                values
                    .filter(|value| value.base() == Some(item))
                    .all(|value| matches!(value, Value::Lanes(_, Places::Run(0))))
            };
            if readers[item]
                .iter()
                .all(|reader| group_of[*reader] == to && in_order(reader))
                && program.works[chain].elementwise()
                && program.sizes[chain] == program.sizes[item]
                && groups[to].len() < CHAIN
                && longer <= program.sizes[item]
            {
                groups[number].retain(|other| *other != item);
                groups[to].insert(0, item);
                group_of[item] = to;
            }
        }
    }
    groups.retain(|group| !group.is_empty());
}
