//! Elementwise operations that are done together with the one reader of their result: what lies between is never stored.

use super::compile::{Item, Program, Work};
use super::plan::{Fused, Inner, Outer, Places, Root, Through, Value};
use crate::graph::op::{Binary, Exponent, Unary};

/// Columns of a product whose left factor goes through a function: with more, it would be computed too often.
const FEW_COLUMNS: usize = 2;

/// Fuses operations with the readers of their results, and leaves out what nothing reads any more.
pub(super) fn fuse(program: &mut Program, roots: &mut [Root<Item>]) {
    let mut readers = vec![0; program.works.len()];
    for work in &program.works {
        for base in work.values().into_iter().filter_map(Value::base) {
            readers[base] += 1;
        }
    }
    for base in roots.iter().filter_map(|(value, _)| value.base()) {
        readers[base] += 1;
    }
    let mut gone = vec![false; program.works.len()];
    for item in 0..program.works.len() {
        let alone = |value: &Value<Item>| match value {
            Value::Lanes(base, Places::Run(0)) if readers[*base] == 1 => Some(*base),
            Value::Lanes(..) | Value::Numbers(_) => None,
        };
        let size = program.sizes[item];
        let (source, work) = match &program.works[item] {
            Work::Binary(op, sides) => {
                let fused = [(0, 1), (1, 0)].into_iter().find_map(|(first, second)| {
                    let base = alone(&sides[first]).filter(|base| program.sizes[*base] == size)?;
                    let (inner, [x, y]) = inner(&program.works[base])?;
                    let fused = Fused {
                        inner,
                        outer: outer(*op, first == 0)?,
                    };
                    Some((base, Work::Fused(fused, [x, y, sides[second].clone()])))
                });
                match fused {
                    Some(fused) => fused,
                    None => continue,
                }
            }
            Work::Product {
                sides: [left, right @ Value::Numbers(_)],
                rows,
                inner,
                columns,
                starts,
                ..
            } if *columns <= FEW_COLUMNS => {
                let Some(base) = alone(left) else { continue };
                let (through, x) = match &program.works[base] {
                    Work::Unary(Unary::Relu, x) => (Through::Relu, x),
                    Work::Binary(Binary::LeakyRelu, [x, Value::Numbers(slope)])
                        if slope.iter().all(|number| *number == slope[0]) =>
                    {
                        (Through::LeakyRelu(slope[0]), x)
                    }
                    _ => continue,
                };
                if !matches!(x, Value::Lanes(_, Places::Run(_))) {
                    continue;
                }
                let work = Work::Product {
                    sides: [x.clone(), right.clone()],
                    through,
                    rows: *rows,
                    inner: *inner,
                    columns: *columns,
                    starts: starts.clone(),
                };
                (base, work)
            }
            _ => continue,
        };
        gone[source] = true;
        program.works[item] = work;
    }
    // the items that are left, by their new numbers
    let mut number = vec![0; gone.len()];
    let mut count = 0;
    for (item, gone) in gone.iter().enumerate() {
        number[item] = count;
        count += usize::from(!gone);
    }
    let mut kept = gone.iter();
    program.works.retain(|_| kept.next() == Some(&false));
    let mut kept = gone.iter();
    program.sizes.retain(|_| kept.next() == Some(&false));
    for work in &mut program.works {
        for value in work.values_mut() {
            *value = value.on(|item| number[item]);
        }
    }
    for (value, _) in roots {
        *value = value.on(|item| number[item]);
    }
}

/// The operation as the first of two, and its operands, which must vary from entry to entry.
fn inner(work: &Work) -> Option<(Inner, [Value<Item>; 2])> {
    let (inner, sides) = match work {
        Work::Unary(Unary::Pow(Exponent { num: 2, den: 1 }), x) => (Inner::Mul, [x.clone(), x.clone()]),
        Work::Binary(op, sides) => {
            let inner = match op {
                Binary::Add => Inner::Add,
                Binary::Sub => Inner::Sub,
                Binary::Mul => Inner::Mul,
                Binary::Div | Binary::Max | Binary::Min | Binary::LeakyRelu | Binary::LeakyStep => {
                    return None;
                }
            };
            (inner, sides.clone())
        }
        Work::Input(_)
        | Work::Unary(..)
        | Work::Fused(..)
        | Work::Product { .. }
        | Work::Reduce(..)
        | Work::Along(..)
        | Work::Assemble(_) => return None,
    };
    let varies = |value: &Value<Item>| matches!(value, Value::Lanes(_, Places::Run(_)));
    sides.iter().all(varies).then_some((inner, sides))
}

/// The operation as the second of two; `first` says on which side the result of the first stands.
fn outer(op: Binary, first: bool) -> Option<Outer> {
    match (op, first) {
        (Binary::Add, _) => Some(Outer::Add),
        (Binary::Sub, true) => Some(Outer::Sub),
        (Binary::Sub, false) => Some(Outer::From),
        (Binary::Mul, _) => Some(Outer::Mul),
        (Binary::Div | Binary::Max | Binary::Min | Binary::LeakyRelu | Binary::LeakyStep, _) => None,
    }
}
