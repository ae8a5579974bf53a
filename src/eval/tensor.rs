//! The walk over a graph that every CPU arithmetic shares: shapes, broadcasting, reductions.
//!
//! An [`Evaluator`] holds the part of a graph that its roots need as a flat list of steps, evaluates
//! what does not depend on the inputs once, and keeps its buffers between evaluations.

use std::collections::HashMap;

use super::{Arithmetic, Flags};
use crate::graph::op::{Along, Input, Op, Reduction};
use crate::graph::{Constant, Graph, NodeId, size};

/// Evaluates some roots of a graph at points of an arithmetic.
#[derive(Clone, Debug)]
pub struct Evaluator<A: Arithmetic> {
    arithmetic: A,
    pub(super) steps: Vec<Step>,
    /// positions of the steps that depend on an input, in order
    pub(super) variable: Vec<usize>,
    pub(super) values: Vec<Vec<A::Value>>,
    pub(super) roots: Vec<usize>,
    constant_flags: Flags,
}

/// One node, with its arguments as positions of earlier steps.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) args: Vec<usize>,
    pub(super) shape: Vec<usize>,
    /// whether it depends on an input
    pub(super) varies: bool,
}

impl<A: Arithmetic> Evaluator<A> {
    /// Prepares the evaluation of `roots`, and evaluates what is constant.
    pub fn new(graph: &Graph, roots: &[NodeId], mut arithmetic: A) -> Self {
        let needed = graph.reachable(roots);
        let mut position_of: HashMap<NodeId, usize> = HashMap::new();
        let (mut steps, mut variable, mut values) = (Vec::new(), Vec::new(), Vec::new());
        arithmetic.take_flags();
        for id in graph.ids().filter(|id| needed[id.index()]) {
            let node = graph.node(id);
            let step = Step {
                op: node.op.clone(),
                args: node.args.iter().map(|arg| position_of[arg]).collect(),
                shape: node.shape.to_vec(),
                varies: graph.is_variable(id),
            };
            position_of.insert(id, steps.len());
            if step.varies {
                variable.push(steps.len());
                values.push(Vec::new());
            } else {
                let mut out = Vec::new();
                match step.op {
                    Op::Constant(position) => match graph.constant(position) {
                        Constant::Rational(value) => out.push(arithmetic.rational(value)),
                        Constant::Exact(all) => out.extend(all.iter().map(|x| arithmetic.rational(x))),
                        Constant::Data(all) => out.extend(all.iter().map(|&x| arithmetic.float(x))),
                    },
                    _ => apply(&mut arithmetic, &step, &steps, &values, &mut out),
                }
                values.push(out);
            }
            steps.push(step);
        }
        let constant_flags = arithmetic.take_flags();
        let roots = roots.iter().map(|root| position_of[root]).collect();
        Evaluator {
            arithmetic,
            steps,
            variable,
            values,
            roots,
            constant_flags,
        }
    }

    /// Evaluates at a point; `inputs` gives the entries of each input that the graph reads. The
    /// values of the roots are then read with [`Evaluator::root`].
    ///
    /// # Panics
    /// If an input that the graph reads is missing or has another length.
    pub fn run(&mut self, inputs: &[(Input, &[A::Value])]) -> Flags {
        self.arithmetic.take_flags();
        for &position in &self.variable {
            let step = &self.steps[position];
            let mut out = std::mem::take(&mut self.values[position]);
            out.clear();
            if let Op::Input(input) = step.op {
                let (_, entries) = inputs
                    .iter()
                    .find(|(name, _)| *name == input)
                    .expect("an input that the graph reads");
                assert_eq!(entries.len(), size(&step.shape), "length of an input");
                out.extend_from_slice(entries);
            } else {
                apply(&mut self.arithmetic, step, &self.steps, &self.values, &mut out);
            }
            self.values[position] = out;
        }
        let flags = self.arithmetic.take_flags();
        Flags {
            defined: flags.defined && self.constant_flags.defined,
            continuous: flags.continuous && self.constant_flags.continuous,
        }
    }

    /// Entries of a root after the last [`Evaluator::run`], row-major.
    pub fn root(&self, number: usize) -> &[A::Value] {
        &self.values[self.roots[number]]
    }

    /// The arithmetic.
    pub fn arithmetic(&mut self) -> &mut A {
        &mut self.arithmetic
    }

    /// Scalar operations of each evaluation, about: entries, and factors of inner products.
    pub fn operations(&self) -> u64 {
        let entries = |position: &usize| size(&self.steps[*position].shape) as u64;
        let cost = |position: &usize| {
            let step = &self.steps[*position];
            match step.op {
                Op::MatMul => {
                    entries(position) * self.steps[step.args[0]].shape.last().map_or(1, |&n| n as u64)
                }
                Op::Reduce(..) => entries(&step.args[0]),
                _ => entries(position),
            }
        };
        self.variable.iter().map(cost).sum()
    }

    /// Number of nodes that each evaluation computes.
    pub fn len(&self) -> usize {
        self.variable.len()
    }

    /// Whether nothing depends on the inputs.
    pub fn is_empty(&self) -> bool {
        self.variable.is_empty()
    }
}

/// Evaluates one step that is neither an input nor a constant.
fn apply<A: Arithmetic>(
    arithmetic: &mut A,
    step: &Step,
    steps: &[Step],
    values: &[Vec<A::Value>],
    out: &mut Vec<A::Value>,
) {
    let arg = |number: usize| values[step.args[number]].as_slice();
    let arg_shape = |number: usize| steps[step.args[number]].shape.as_slice();
    match &step.op {
        Op::Input(_) | Op::Constant(_) => unreachable!("leaves are filled by the caller"),
        Op::Pi => out.push(arithmetic.pi()),
        Op::Unary(op) => out.extend(arg(0).iter().map(|x| arithmetic.unary(*op, x))),
        Op::Binary(op) => {
            let (a, b) = (arg(0), arg(1));
            // numbers first: comparing two empty shapes reads from the address of none, which the vector
            // instructions of `memcmp` take hundreds of cycles to suppress
            if b.len() == 1 {
                out.extend(a.iter().map(|x| arithmetic.binary(*op, x, &b[0])));
            } else if a.len() == 1 {
                out.extend(b.iter().map(|y| arithmetic.binary(*op, &a[0], y)));
            } else if arg_shape(0) == arg_shape(1) {
                out.extend(a.iter().zip(b).map(|(x, y)| arithmetic.binary(*op, x, y)));
            } else {
                let (sa, sb) = (
                    strides(arg_shape(0), &step.shape),
                    strides(arg_shape(1), &step.shape),
                );
                for_each_index(&step.shape, |index| {
                    out.push(arithmetic.binary(*op, &a[offset(index, &sa)], &b[offset(index, &sb)]));
                });
            }
        }
        Op::MatMul => matmul(
            arithmetic,
            arg(0),
            arg_shape(0),
            arg(1),
            arg_shape(1),
            &step.shape,
            out,
        ),
        Op::Reduce(op, axis) => for_each_line(arg(0), arg_shape(0), *axis, |line, _| {
            out.push(match op {
                Reduction::Sum => arithmetic.sum(line.iter()),
                Reduction::Max => arithmetic.max(line),
                Reduction::LogSumExp => arithmetic.log_sum_exp(line),
            });
        }),
        Op::Along(op, axis) => {
            out.extend_from_slice(arg(0));
            let mut result = Vec::new();
            for_each_line(arg(0), arg_shape(0), *axis, |line, places| {
                result.clear();
                result.extend_from_slice(line);
                match op {
                    Along::Softmax => arithmetic.softmax(line, &mut result),
                    Along::ArgMax => arithmetic.arg_max(line, &mut result),
                }
                for (place, value) in places.zip(&result) {
                    out[place] = value.clone();
                }
            });
        }
        Op::Reshape => out.extend_from_slice(arg(0)),
        Op::Broadcast => {
            let strides = strides(arg_shape(0), &step.shape);
            for_each_index(&step.shape, |index| {
                out.push(arg(0)[offset(index, &strides)].clone())
            });
        }
        Op::Permute(perm) => {
            let own = row_major(arg_shape(0));
            let strides: Vec<usize> = perm.iter().map(|&axis| own[axis]).collect();
            for_each_index(&step.shape, |index| {
                out.push(arg(0)[offset(index, &strides)].clone())
            });
        }
        Op::Slice {
            axis,
            start,
            step: stride,
        } => {
            let own = row_major(arg_shape(0));
            for_each_index(&step.shape, |index| {
                let place = offset(index, &own) as isize
                    + own[*axis] as isize * (*start as isize + (stride - 1) * index[*axis] as isize);
                out.push(arg(0)[place as usize].clone());
            });
        }
        Op::Unslice {
            axis,
            start,
            step: stride,
        } => {
            let zero = arithmetic.float(0.0);
            out.resize(size(&step.shape), zero);
            let own = row_major(&step.shape);
            let mut entries = arg(0).iter();
            for_each_index(arg_shape(0), |index| {
                let place = offset(index, &own) as isize
                    + own[*axis] as isize * (*start as isize + (stride - 1) * index[*axis] as isize);
                if let Some(entry) = entries.next() {
                    out[place as usize] = entry.clone();
                }
            });
        }
        Op::Concat(axis) => {
            let outer: usize = step.shape[..*axis].iter().product();
            for block in 0..outer {
                for &part in &step.args {
                    let run: usize = steps[part].shape[*axis..].iter().product();
                    out.extend_from_slice(&values[part][block * run..(block + 1) * run]);
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn matmul<A: Arithmetic>(
    arithmetic: &mut A,
    a: &[A::Value],
    a_shape: &[usize],
    b: &[A::Value],
    b_shape: &[usize],
    shape: &[usize],
    out: &mut Vec<A::Value>,
) {
    let (batch, matrix) = shape.split_at(shape.len() - 2);
    let (rows, columns) = (matrix[0], matrix[1]);
    let inner = a_shape[a_shape.len() - 1];
    let batch_strides = |own: &[usize]| strides(&own[..own.len() - 2], batch);
    let (sa, sb) = (batch_strides(a_shape), batch_strides(b_shape));
    for_each_index(batch, |index| {
        let a = &a[offset(index, &sa) * rows * inner..][..rows * inner];
        let b = &b[offset(index, &sb) * inner * columns..][..inner * columns];
        for row in 0..rows {
            let left = &a[row * inner..][..inner];
            for column in 0..columns {
                let right = b[column..].iter().step_by(columns);
                out.push(arithmetic.dot(left.iter().zip(right)));
            }
        }
    });
}

/// Distances in memory between neighbours along each axis.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The same for a tensor of shape `own` broadcast to `shape`: 0 along repeated axes.
pub(super) fn strides(own: &[usize], shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; shape.len() - own.len()];
    strides.extend(
        row_major(own)
            .iter()
            .zip(own)
            .map(|(&stride, &length)| if length == 1 { 0 } else { stride }),
    );
    strides
}

pub(super) fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, stride)| i * stride).sum()
}

/// Calls `visit` with every index of the shape in row-major order.
pub(super) fn for_each_index(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..size(shape) {
        visit(&index);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Calls `visit` with the entries of every line along `axis` and their places, in row-major order of
/// the remaining axes.
pub(super) fn for_each_line<V: Clone>(
    values: &[V],
    shape: &[usize],
    axis: usize,
    mut visit: impl FnMut(&[V], std::iter::StepBy<std::ops::Range<usize>>),
) {
    let outer: usize = shape[..axis].iter().product();
    let length = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    let mut line = Vec::with_capacity(length);
    for block in 0..outer {
        for lane in 0..inner {
            let start = block * length * inner + lane;
            let places = (start..start + (length - 1) * inner + 1).step_by(inner);
            line.clear();
            line.extend(places.clone().map(|place| values[place].clone()));
            visit(&line, places);
        }
    }
}
