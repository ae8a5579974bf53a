//! Elementwise operations that are done together with the one reader of their result: what lies between is never stored.

use super::compile::{Item, Program, Work};
use super::plan::{Fused, Inner, Outer, Places, Root, Through, Value};
use crate::graph::op::{Binary, Exponent, Reduction, Unary};

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
                    let (inner, [x, y]) =
                        inner(&program.works[base]).filter(|(_, sides)| sides.iter().all(varies))?;
                    let fused = Fused {
                        inner,
                        outer: outer(*op, first == 0)?,
                    };
                    Some((base, Work::Fused(fused, [x, y, sides[second].clone()])))
                });
                match fused.or_else(|| with_row(program, *op, sides, alone)) {
                    Some(fused) => fused,
                    None => continue,
                }
            }
            // the sum of products
            Work::Reduce(Reduction::Sum, x, None, lines) => {
                let Some(base) = alone(x) else { continue };
                let Some((Inner::Mul, mut sides)) = inner(&program.works[base]) else {
                    continue;
                };
                // constants second
                if !varies(&sides[0]) {
                    sides.reverse();
                }
                let [x, y] = sides;
                if !varies(&x) || matches!(y, Value::Lanes(_, Places::List(_))) {
                    continue;
                }
                (base, Work::Reduce(Reduction::Sum, x, Some(y), *lines))
            }
            Work::Product {
                sides: [left, Value::Numbers(_)],
                columns,
                ..
            } if *columns <= FEW_COLUMNS => {
                let Some(base) = alone(left) else { continue };
                // a function of a matrix and of others beside it, and a step that goes into it
                let (own, x, others, step) = match &program.works[base] {
                    Work::Unary(Unary::Relu, x) => (Through::Relu, x, Vec::new(), None),
                    Work::Unary(Unary::Tanh, x) if *columns == 1 => (Through::Tanh, x, Vec::new(), None),
                    Work::Binary(Binary::LeakyRelu, [x, slope]) => match one_slope(slope) {
                        Some(slope) => (Through::LeakyRelu(slope), x, Vec::new(), None),
                        None => continue,
                    },
                    Work::Fused(
                        Fused {
                            inner: Inner::Sub,
                            outer: Outer::Mul,
                        },
                        [x, y, z],
                    ) => match alone(z).and_then(|step| Some((step, step_of(program, step, x)?))) {
                        Some((step, (own, t))) => {
                            let others = [y.clone()].into_iter().chain(t).collect();
                            (own, x, others, Some(step))
                        }
                        None => (Through::Scaled, x, vec![y.clone(), z.clone()], None),
                    },
                    _ => continue,
                };
                if !varies(x) || !others.iter().all(varies) {
                    continue;
                }
                let mut work = program.works[item].clone();
                if let Work::Product {
                    sides,
                    through,
                    beside,
                    ..
                } = &mut work
                {
                    sides[0] = x.clone();
                    (*through, *beside) = (own, others);
                }
                step.into_iter().for_each(|step| gone[step] = true);
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

/// Whether an operand has an entry of its own for each of the result, one after the other.
fn varies(value: &Value<Item>) -> bool {
    matches!(value, Value::Lanes(_, Places::Run(_)))
}

/// The slope of a leaky relu, where it is the same in (0, 1] for all entries.
fn one_slope(slope: &Value<Item>) -> Option<f64> {
    let Value::Numbers(slope) = slope else { return None };
    let first = *slope.first()?;
    (first > 0.0 && first <= 1.0 && slope.iter().all(|number| *number == first)).then_some(first)
}

/// What `(x - y) z` is, where the item is `z`: `leaky_step(x)`, or `1 - t^2` of another `t`.
fn step_of(program: &Program, item: Item, x: &Value<Item>) -> Option<(Through, Option<Value<Item>>)> {
    match &program.works[item] {
        Work::Binary(Binary::LeakyStep, [own, slope]) if own.same(x) => {
            Some((Through::LeakyStep(one_slope(slope)?), None))
        }
        Work::Fused(
            Fused {
                inner: Inner::Mul,
                outer: Outer::From,
            },
            [t, other, Value::Numbers(ones)],
        ) if t.same(other) && ones.iter().all(|one| *one == 1.0) => {
            Some((Through::TanhStep, Some(t.clone())))
        }
        _ => None,
    }
}

/// A product to whose rows the same row is added, and the product alone.
fn with_row(
    program: &Program,
    op: Binary,
    sides: &[Value<Item>; 2],
    alone: impl Fn(&Value<Item>) -> Option<Item>,
) -> Option<(Item, Work)> {
    if op != Binary::Add {
        return None;
    }
    [(0, 1), (1, 0)].into_iter().find_map(|(first, second)| {
        let base = alone(&sides[first])?;
        let mut work = program.works[base].clone();
        let Work::Product {
            plus: plus @ None,
            rows,
            columns,
            starts,
            ..
        } = &mut work
        else {
            return None;
        };
        *plus = Some(repeated_row(&sides[second], *rows, *columns).filter(|_| starts.len() == 1)?);
        Some((base, work))
    })
}

/// The row that a matrix of this size has everywhere, where its entries follow on each other.
fn repeated_row(value: &Value<Item>, rows: usize, columns: usize) -> Option<Value<Item>> {
    let Value::Lanes(item, Places::List(list)) = value else {
        return None;
    };
    let start = *list.first()?;
    let repeated = list.len() == rows * columns
        && (list.iter().enumerate()).all(|(number, place)| *place == start + number % columns);
    repeated.then_some(Value::Lanes(*item, Places::Run(start)))
}

/// The operation as the first of two, and its operands.
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
    Some((inner, sides))
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
