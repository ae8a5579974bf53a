//! From a graph to tensors over buffers.
//!
//! Constants are evaluated once; operations that only move entries become lists of places and cost nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::buffer::LANES;
use super::plan::{Fused, PANEL_COLUMNS, Places, Root, SPARSE_COLUMNS, Through, Value};
use super::sparse::Sparse;
use crate::eval::float::FloatArithmetic;
use crate::eval::tensor::{Evaluator, for_each_index, offset, row_major, strides};
use crate::graph::op::{Along, Binary, Input, Op, Reduction, Unary};
use crate::graph::{Graph, NodeId, size};

/// Rows of a product from which on the columns of its right factor are copied side by side first,
const PANEL_ROWS: usize = 16;
/// where that is an input of so many bytes: columns far apart would not stay in the first-level cache, where addresses at such
/// distances have the same few places; and a copy of millions of parameters would take too much memory.
const PANEL_BYTES: std::ops::RangeInclusive<usize> = 16 << 10..=16 << 20;

/// A tensor to be computed, by number.
pub(super) type Item = usize;

/// How a tensor is computed from others.
#[derive(Clone)]
pub(super) enum Work {
    Input(Input),
    Unary(Unary, Value<Item>),
    Binary(Binary, [Value<Item>; 2]),
    Fused(Fused, [Value<Item>; 3]),
    Product {
        sides: [Value<Item>; 2],
        through: Through,
        /// matrices that the left factor is a function of as well
        beside: Vec<Value<Item>>,
        /// a row that is added to each of the result
        plus: Option<Value<Item>>,
        /// the right factor stands in panels of so many columns
        panels: Option<usize>,
        rows: usize,
        inner: usize,
        columns: usize,
        starts: Vec<[usize; 2]>,
    },
    /// lines of a tensor, or of its products with another of its size, entry by entry
    Reduce(Reduction, Value<Item>, Option<Value<Item>>, [usize; 3]),
    Along(Along, Value<Item>, [usize; 3]),
    Assemble(Vec<(Value<Item>, Arc<[usize]>)>),
}

impl Work {
    pub(super) fn values(&self) -> Vec<&Value<Item>> {
        match self {
            Work::Input(_) => Vec::new(),
            Work::Unary(_, x) | Work::Along(_, x, _) => vec![x],
            Work::Reduce(_, x, times, _) => [x].into_iter().chain(times).collect(),
            Work::Binary(_, sides) => sides.iter().collect(),
            Work::Product {
                sides, beside, plus, ..
            } => sides.iter().chain(beside).chain(plus).collect(),
            Work::Fused(_, sides) => sides.iter().collect(),
            Work::Assemble(parts) => parts.iter().map(|(value, _)| value).collect(),
        }
    }

    pub(super) fn values_mut(&mut self) -> Vec<&mut Value<Item>> {
        match self {
            Work::Input(_) => Vec::new(),
            Work::Unary(_, x) | Work::Along(_, x, _) => vec![x],
            Work::Reduce(_, x, times, _) => [x].into_iter().chain(times).collect(),
            Work::Binary(_, sides) => sides.iter_mut().collect(),
            Work::Product {
                sides, beside, plus, ..
            } => sides.iter_mut().chain(beside).chain(plus).collect(),
            Work::Fused(_, sides) => sides.iter_mut().collect(),
            Work::Assemble(parts) => parts.iter_mut().map(|(value, _)| value).collect(),
        }
    }

    pub(super) fn elementwise(&self) -> bool {
        matches!(self, Work::Unary(..) | Work::Binary(..) | Work::Fused(..))
    }
}

/// Tensors to be computed, in an order in which they can be.
pub(super) struct Program {
    pub(super) works: Vec<Work>,
    /// entries of each tensor
    pub(super) sizes: Vec<usize>,
}

impl Program {
    /// The part of the graph that the roots need, and where the roots are found.
    ///
    /// # Errors
    /// When a root needs a gradient from outside.
    pub(super) fn new(graph: &Graph, roots: &[NodeId]) -> Result<(Program, Vec<Root<Item>>), String> {
        let mut program = Program {
            works: Vec::new(),
            sizes: Vec::new(),
        };
        let values = program.read(graph, roots)?;
        let roots = (roots.iter())
            .map(|root| (values[root].clone(), size(graph.shape(*root))))
            .collect();
        Ok((program, roots))
    }

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

    /// A matrix in panels of so many columns, once for all products with it.
    fn in_panels(&mut self, value: Value<Item>, [rows, columns]: [usize; 2], panel: usize) -> Value<Item> {
        let places = panel_places(rows, columns, panel);
        let known = self.works.iter().position(|work| match work {
            Work::Assemble(parts) => parts.iter().all(|(own, at)| own.same(&value) && at[..] == places),
            _ => false,
        });
        match known {
            Some(item) => Value::Lanes(item, Places::Run(0)),
            None => self.add(Work::Assemble(vec![(value, places.into())]), rows * columns),
        }
    }

    /// The value of every node that the roots need.
    fn read(&mut self, graph: &Graph, roots: &[NodeId]) -> Result<HashMap<NodeId, Value<Item>>, String> {
        let differences = differences(graph, roots);
        let sources = |id: NodeId| -> &[NodeId] {
            match differences.get(&id) {
                Some(products) => products,
                None => &graph.node(id).args,
            }
        };
        let mut needed = vec![false; graph.len()];
        let mut open = roots.to_vec();
        while let Some(id) = open.pop() {
            if !std::mem::replace(&mut needed[id.index()], true) && graph.is_variable(id) {
                open.extend(sources(id));
            }
        }
        let constants: Vec<NodeId> = graph
            .ids()
            .filter(|id| needed[id.index()] && !graph.is_variable(*id))
            .collect();
        let evaluated = Evaluator::new(graph, &constants, FloatArithmetic);
        let mut values: HashMap<NodeId, Value<Item>> = (constants.iter().enumerate())
            .map(|(number, id)| (*id, Value::Numbers(evaluated.root(number).into())))
            .collect();
        let mut open: Vec<NodeId> = graph
            .ids()
            .filter(|id| needed[id.index()] && graph.is_variable(*id))
            .collect();
        // one pass, but for products that stand behind the difference that is made of them
        while !open.is_empty() {
            let mut later = Vec::new();
            for id in open {
                if sources(id).iter().all(|source| values.contains_key(source)) {
                    let value = match differences.get(&id) {
                        Some(products) => {
                            let sides = products.map(|product| values[&product].clone());
                            self.add(Work::Binary(Binary::Sub, sides), size(graph.shape(id)))
                        }
                        None => self.node(graph, id, &values)?,
                    };
                    values.insert(id, value);
                } else {
                    later.push(id);
                }
            }
            open = later;
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
                let mut sides =
                    [0, 1].map(|number| self.compact(arg(number).clone(), size(arg_shape(number))));
                let bytes = inner * columns * LANES * size_of::<f64>();
                let panel = match &sides[0] {
                    // zero times an input is zero: what is drawn is finite
                    Value::Numbers(numbers)
                        if arg_shape(0).len() == 2 && columns >= SPARSE_COLUMNS && Sparse::pays(numbers) =>
                    {
                        SPARSE_COLUMNS
                    }
                    Value::Numbers(_) | Value::Lanes(..) => PANEL_COLUMNS,
                };
                let panels = arg_shape(1).len() == 2
                    && rows >= PANEL_ROWS
                    && columns > PANEL_COLUMNS
                    && PANEL_BYTES.contains(&bytes)
                    && matches!(&sides[1], Value::Lanes(base, _) if matches!(self.works[*base], Work::Input(_)));
                let panels = panels.then_some(panel);
                if let Some(panel) = panels {
                    sides[1] = self.in_panels(sides[1].clone(), [inner, columns], panel);
                }
                self.add(
                    Work::Product {
                        sides,
                        through: Through::Nothing,
                        beside: Vec::new(),
                        plus: None,
                        panels,
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
                self.add(Work::Reduce(*op, x, None, lines(*axis)), count)
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
}

/// Products `A (x - y)` with a constant `A` where `A x` and `A y` are needed as well: half of the work of a convexity claim
/// with a directional derivative along `w - v` is such a product. And sums `A (x - y) + (b - c)` where `A x + b` and `A y + c` are. The
/// difference of the two is off by a rounding of its terms, as `f(w) - f(v)` beside it is.
fn differences(graph: &Graph, roots: &[NodeId]) -> HashMap<NodeId, [NodeId; 2]> {
    // behind the moves of entries: the moves, outermost first, and what is moved
    let moved = |mut id: NodeId| {
        let mut moves = Vec::new();
        while matches!(graph.node(id).op, Op::Reshape | Op::Slice { .. } | Op::Broadcast) {
            moves.push((&graph.node(id).op, graph.shape(id)));
            id = graph.node(id).args[0];
        }
        (moves, id)
    };
    // the parts of `x - y` behind its moves, each as it would stand there alone
    let parts = |id: NodeId| {
        let (moves, id) = moved(id);
        let node = graph.node(id);
        let alike = || (node.args.iter()).all(|arg| graph.shape(*arg) == graph.shape(id));
        (node.op == Op::Binary(Binary::Sub) && alike()).then(|| {
            [0, 1].map(|number| {
                let (further, base) = moved(node.args[number]);
                ([moves.as_slice(), &further].concat(), base)
            })
        })
    };
    let needed = graph.reachable(roots);
    let needed = || graph.ids().filter(|id| needed[id.index()]);
    let mut products = HashMap::new();
    for id in needed() {
        let node = graph.node(id);
        if node.op == Op::MatMul && !graph.is_variable(node.args[0]) {
            products.insert((node.args[0], moved(node.args[1])), id);
        }
    }
    let mut found = HashMap::new();
    for ((left, _), id) in &products {
        if let Some(sides) = parts(graph.node(*id).args[1])
            && let [Some(first), Some(second)] = sides.map(|side| products.get(&(*left, side)))
        {
            found.insert(*id, [*first, *second]);
        }
    }
    // sums of a product, or of a difference of products, and of what is moved there
    let sums = |id: NodeId| {
        let node = graph.node(id);
        let sides = match node.op {
            Op::Binary(Binary::Add) => [[node.args[0], node.args[1]], [node.args[1], node.args[0]]],
            _ => return None,
        };
        (sides.into_iter()).find(|[product, _]| graph.node(*product).op == Op::MatMul)
    };
    let known: HashMap<_, NodeId> = needed()
        .filter_map(|id| sums(id).map(|[product, other]| ((product, moved(other)), id)))
        .collect();
    for id in needed() {
        if let Some([product, other]) = sums(id)
            && let Some([first, second]) = found.get(&product)
            && let Some([one, two]) = parts(other)
            && let (Some(first), Some(second)) = (known.get(&(*first, one)), known.get(&(*second, two)))
        {
            found.insert(id, [*first, *second]);
        }
    }
    found
}

/// Where the entries of a matrix stand in panels of so many columns.
fn panel_places(rows: usize, columns: usize, panel: usize) -> Vec<usize> {
    let place = |row: usize, column: usize| {
        let first = column / panel * panel;
        let width = panel.min(columns - first);
        first * rows + row * width + column - first
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| place(row, column)))
        .collect()
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
