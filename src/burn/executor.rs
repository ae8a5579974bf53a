//! Runs a [`Graph`] on a Burn device in f64, over many points at once, with gradients by Burn's
//! autodiff.
//!
//! A node of shape `s` is a tensor `[B, s...]`, `B` the number of points, or 1 where it depends on no
//! input; constant nodes are evaluated once, when the executor is built. An executor is `Sync`: the
//! samplers share one over all workers. Its results are the same bits on every run.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::backend::ops::FloatTensorOps;
use burn::backend::{AutodiffBackend, Dispatch, DispatchTensor};
use burn::tensor::Tensor;

use super::device::Backend;
use super::ops::{Place, dims, expand, reshape, with_rank};
use crate::graph::op::{Binary, Input, Op};
use crate::graph::{Constant, GradientRequest, Graph, Node, NodeId};

/// Highest rank of a node.
pub const MAX_RANK: usize = 4;

/// What has to be computed for one gradient, in order.
#[derive(Debug)]
struct GradientPlan {
    request: GradientRequest,
    /// nodes between `W` and the function, run under autodiff; arguments first
    inner: Vec<NodeId>,
    /// the point, and the nodes that do not depend on `W` and that `inner` reads
    outer: Vec<NodeId>,
    /// nodes of `inner` whose values the rest of the run takes over, where the point is `W` itself
    shared: Vec<NodeId>,
}

/// A graph prepared for a device.
#[derive(Debug)]
pub struct Executor {
    place: Place,
    nodes: Vec<Node>,
    roots: Vec<NodeId>,
    plans: Vec<GradientPlan>,
    /// the work of a run, in order
    schedule: Vec<Step>,
    /// tensors of the constant nodes, by position
    constants: Vec<Option<DispatchTensor>>,
    /// exact scalars, rounded to nearest, by position
    scalars: Vec<Option<f64>>,
    /// how many times a run reads each node
    uses: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// compute the node from its arguments
    Node(NodeId),
    /// run the function of this request forward and backward
    Gradient(usize),
}

impl Executor {
    /// Prepares `roots` of `graph` for a device. `Input::Gradient(k)` is the gradient of request `k`.
    ///
    /// # Errors
    /// The device is not to be had, a node of rank above [`MAX_RANK`], a request whose function is not a scalar or itself needs a
    /// gradient, a gradient that no request or only a later one supplies.
    pub fn new(
        graph: &Graph,
        roots: &[NodeId],
        requests: &[GradientRequest],
        device: Backend,
    ) -> Result<Executor, String> {
        let place = Place::new(device.device()?.as_dispatch().clone());
        let nodes: Vec<Node> = graph.ids().map(|id| graph.node(id).clone()).collect();
        let scalars = graph
            .ids()
            .map(|id| graph.as_rational(id).map(|x| x.to_f64().value()))
            .collect();
        let mut executor = Executor {
            place,
            nodes,
            roots: roots.to_vec(),
            plans: Vec::new(),
            schedule: Vec::new(),
            constants: vec![None; graph.len()],
            scalars,
            uses: vec![0; graph.len()],
        };
        executor.plan(graph, requests)?;
        guarded(|| executor.evaluate_constants(graph))?;
        Ok(executor)
    }

    /// Orders the work: each gradient after what its point needs, then what the roots need.
    fn plan(&mut self, graph: &Graph, requests: &[GradientRequest]) -> Result<(), String> {
        if let Some(id) = graph.ids().find(|&id| graph.shape(id).len() > MAX_RANK) {
            return Err(format!("node {} has more than {MAX_RANK} axes", id.index()));
        }
        let on_w = graph.depends_on(Input::W);
        for (k, request) in requests.iter().enumerate() {
            if !graph.shape(request.function).is_empty() {
                return Err(format!(
                    "gradient {k} is asked of a function that is not a scalar"
                ));
            }
            let below = graph.reachable(&[request.function]);
            if gradients_in(graph, &below).next().is_some() {
                return Err(format!("the function of gradient {k} needs a gradient itself"));
            }
            if gradients_in(graph, &graph.reachable(&[request.point])).any(|(_, j)| j >= k) {
                return Err(format!(
                    "the point of gradient {k} needs a gradient that is not known before it"
                ));
            }
            let inner: Vec<NodeId> = graph
                .ids()
                .filter(|id| below[id.index()] && on_w[id.index()])
                .collect();
            let mut outer: Vec<NodeId> = (inner.iter())
                .flat_map(|id| graph.node(*id).args.iter().copied())
                .filter(|arg| !on_w[arg.index()])
                .collect();
            outer.push(request.point);
            self.plans.push(GradientPlan {
                request: *request,
                inner,
                outer,
                shared: Vec::new(),
            });
        }

        // points refer to earlier gradients only, so one pass downwards finds all that are needed
        let mut targets = self.roots.clone();
        let mut wanted = vec![false; requests.len()];
        for k in (0..=requests.len()).rev() {
            for (_, j) in gradients_in(graph, &graph.reachable(&targets)) {
                *wanted
                    .get_mut(j)
                    .ok_or_else(|| format!("gradient {j} has no request"))? = true;
            }
            if k > 0 && wanted[k - 1] {
                targets.extend(&self.plans[k - 1].outer);
            }
        }
        let mut done = vec![false; graph.len()];
        for k in (0..requests.len()).filter(|&k| wanted[k]) {
            let outer = std::mem::take(&mut self.plans[k].outer);
            self.schedule_nodes(graph, &outer, &mut done);
            self.schedule.push(Step::Gradient(k));
            for id in &outer {
                self.uses[id.index()] += 1;
            }
            let plan = &mut self.plans[k];
            plan.outer = outer;
            if graph.node(plan.request.point).op == Op::Input(Input::W) {
                let new = |id: &&NodeId| !done[id.index()];
                plan.shared = plan.inner.iter().filter(new).copied().collect();
                plan.shared.iter().for_each(|id| done[id.index()] = true);
            }
        }
        let roots = self.roots.clone();
        self.schedule_nodes(graph, &roots, &mut done);
        for root in roots {
            self.uses[root.index()] += 1;
        }
        Ok(())
    }

    fn schedule_nodes(&mut self, graph: &Graph, targets: &[NodeId], done: &mut [bool]) {
        let needed = graph.reachable(targets);
        for id in graph.ids().filter(|id| needed[id.index()]) {
            if graph.is_variable(id) && !std::mem::replace(&mut done[id.index()], true) {
                self.schedule.push(Step::Node(id));
                for arg in &graph.node(id).args {
                    self.uses[arg.index()] += 1;
                }
            }
        }
    }

    /// Evaluates the nodes that depend on no input and that a run reads.
    fn evaluate_constants(&mut self, graph: &Graph) -> Result<(), String> {
        let mut targets = self.roots.clone();
        targets.extend(
            self.plans
                .iter()
                .flat_map(|plan| [plan.request.function, plan.request.point]),
        );
        let needed = graph.reachable(&targets);
        for id in graph
            .ids()
            .filter(|id| needed[id.index()] && !graph.is_variable(*id))
        {
            let node = graph.node(id);
            let mut shape = vec![1];
            shape.extend(&node.shape);
            let value = if let Op::Constant(position) = node.op {
                let values = match graph.constant(position) {
                    Constant::Rational(x) => vec![x.to_f64().value()],
                    Constant::Exact(entries) => entries.iter().map(|x| x.to_f64().value()).collect(),
                    Constant::Data(entries) => entries.to_vec(),
                };
                self.place.tensor(values, &shape)
            } else if node.op == Op::Pi {
                self.place.tensor(vec![std::f64::consts::PI], &shape)
            } else {
                self.apply(id, |arg| self.constants[arg.index()].clone())?
            };
            self.constants[id.index()] = Some(value);
        }
        Ok(())
    }

    /// Bytes that the tensors of one point take in a run, if none is dropped before the end.
    pub fn bytes_per_point(&self) -> usize {
        let entries = |id: NodeId| self.nodes[id.index()].shape.iter().product::<usize>();
        let steps = self.schedule.iter().map(|step| match *step {
            Step::Node(id) => entries(id),
            // forward values, and as many backward
            Step::Gradient(k) => 2 * self.plans[k].inner.iter().copied().map(entries).sum::<usize>(),
        });
        size_of::<f64>() * steps.sum::<usize>()
    }

    /// Evaluates the roots at `count` points: for each root its values, `count` times its size,
    /// point by point, row-major. `w` and `v` hold one point of dimension p after the other.
    ///
    /// # Errors
    /// `w` or `v` do not hold `count` points, `v` is needed and absent, Burn failed.
    pub fn run(&self, w: &[f64], v: Option<&[f64]>, count: usize) -> Result<Vec<Vec<f64>>, String> {
        guarded(|| self.run_unguarded(w, v, count))
    }

    fn run_unguarded(&self, w: &[f64], v: Option<&[f64]>, count: usize) -> Result<Vec<Vec<f64>>, String> {
        let mut frame = Frame {
            values: vec![None; self.nodes.len()],
            uses: self.uses.clone(),
        };
        let mut gradients: Vec<Option<DispatchTensor>> = vec![None; self.plans.len()];
        for step in &self.schedule {
            match *step {
                Step::Gradient(k) => gradients[k] = Some(self.gradient(k, &mut frame)?),
                Step::Node(id) => {
                    let node = &self.nodes[id.index()];
                    let value = if let Op::Input(input) = node.op {
                        match input {
                            Input::W => self.input("w", Some(w), count, node.shape[0])?,
                            Input::V => self.input("v", v, count, node.shape[0])?,
                            Input::Gradient(k) => {
                                gradients[k as usize].clone().ok_or("a gradient is missing")?
                            }
                            Input::Example => return Err("Burn is given arrays, no examples".to_owned()),
                        }
                    } else {
                        self.apply(id, |arg| self.take(&mut frame, arg))?
                    };
                    frame.values[id.index()] = Some(value);
                }
            }
        }
        let mut results = Vec::with_capacity(self.roots.len());
        for &root in &self.roots {
            let value = self.take(&mut frame, root).ok_or("a root is missing")?;
            let batch = dims(&value)[0];
            let values = read(value)?;
            results.push(if batch == count {
                values
            } else {
                values.repeat(count)
            });
        }
        Ok(results)
    }

    fn input(
        &self,
        name: &str,
        points: Option<&[f64]>,
        count: usize,
        dimension: usize,
    ) -> Result<DispatchTensor, String> {
        let points = points.ok_or_else(|| format!("the graph needs {name}"))?;
        if count == 0 || Some(points.len()) != count.checked_mul(dimension) {
            return Err(format!(
                "{name} holds {} numbers, not {count} points of dimension {dimension}",
                points.len()
            ));
        }
        Ok(self.place.tensor(points.to_vec(), &[count, dimension]))
    }

    /// The value of a node for its reader: the tensor itself for the last one, so that Burn can
    /// compute in place.
    fn take(&self, frame: &mut Frame, id: NodeId) -> Option<DispatchTensor> {
        if let Some(constant) = &self.constants[id.index()] {
            return Some(constant.clone());
        }
        let uses = &mut frame.uses[id.index()];
        *uses = uses.saturating_sub(1);
        if *uses == 0 {
            frame.values[id.index()].take()
        } else {
            frame.values[id.index()].clone()
        }
    }

    /// The gradient of request `k` by Burn's autodiff, `[B, p]`: the points are independent, so the
    /// gradient of the sum over the batch holds each point's own.
    fn gradient(&self, k: usize, frame: &mut Frame) -> Result<DispatchTensor, String> {
        let GradientPlan {
            request,
            inner,
            outer,
            shared,
        } = &self.plans[k];
        let mut local: HashMap<NodeId, DispatchTensor> = HashMap::new();
        let mut leaf = None;
        for &id in outer {
            let value = self
                .take(frame, id)
                .ok_or("a value that a gradient needs is missing")?;
            if id == request.point {
                leaf = Some(Dispatch::float_set_require_grad(
                    Dispatch::from_inner(value.clone()),
                    true,
                ));
            }
            local.insert(id, value);
        }
        let leaf = leaf.ok_or("the point of a gradient is missing")?;
        let mut tracked: HashMap<NodeId, DispatchTensor> = HashMap::new();
        for &id in inner {
            let value = if self.nodes[id.index()].op == Op::Input(Input::W) {
                leaf.clone()
            } else {
                self.apply(id, |arg| {
                    let constant = || self.constants[arg.index()].clone();
                    tracked
                        .get(&arg)
                        .or_else(|| local.get(&arg))
                        .cloned()
                        .or_else(constant)
                })?
            };
            tracked.insert(id, value);
        }
        for id in shared.iter().filter(|id| self.uses[id.index()] > 0) {
            frame.values[id.index()] = tracked.get(id).cloned().map(Dispatch::inner);
        }
        let shape = dims(&leaf);
        let zeros = || self.place.tensor(vec![0.0; shape.iter().product()], &shape);
        let Some(function) = tracked.remove(&request.function) else {
            return Ok(zeros());
        };
        drop(tracked);
        if !Dispatch::is_tracked(&function) {
            return Ok(zeros());
        }
        let gradients = Dispatch::backward(Dispatch::float_sum(function));
        Ok(Dispatch::grad(&leaf, &gradients).unwrap_or_else(zeros))
    }

    /// One node from its arguments.
    fn apply(
        &self,
        id: NodeId,
        mut argument: impl FnMut(NodeId) -> Option<DispatchTensor>,
    ) -> Result<DispatchTensor, String> {
        let node = &self.nodes[id.index()];
        let mut arg = |i: usize| argument(node.args[i]).ok_or("a value is missing");
        let rank = node.shape.len() + 1;
        let place = &self.place;
        Ok(match &node.op {
            Op::Input(_) | Op::Constant(_) | Op::Pi => {
                return Err("an input is not computed from others".into());
            }
            Op::Unary(op) => place.unary(*op, arg(0)?),
            Op::Binary(op) => match self.scalar_side(node, *op) {
                Some((side, scalar)) => place
                    .binary_scalar(*op, arg(side)?, scalar)
                    .ok_or("no form with a scalar")?,
                None => {
                    let (a, b) = (arg(0)?, arg(1)?);
                    place.binary(*op, with_rank(a, rank), with_rank(b, rank))
                }
            },
            Op::MatMul => place.matmul(arg(0)?, arg(1)?),
            Op::Reduce(op, axis) => {
                let reduced = place.reduce(*op, arg(0)?, axis + 1);
                with_batch(reduced, &node.shape)
            }
            Op::Along(op, axis) => place.along(*op, arg(0)?, axis + 1),
            Op::Reshape => with_batch(arg(0)?, &node.shape),
            Op::Broadcast => {
                let x = with_rank(arg(0)?, rank);
                let mut shape = vec![dims(&x)[0]];
                shape.extend(&node.shape);
                expand(x, shape)
            }
            Op::Permute(perm) => {
                let axes: Vec<usize> = std::iter::once(0)
                    .chain(perm.iter().map(|axis| axis + 1))
                    .collect();
                Dispatch::float_permute(arg(0)?, &axes)
            }
            Op::Slice { axis, start, step } => {
                place.slice(arg(0)?, axis + 1, *start, *step, node.shape[*axis])
            }
            Op::Unslice { axis, start, step } => {
                place.unslice(arg(0)?, axis + 1, *start, *step, node.shape[*axis])
            }
            Op::Concat(axis) => {
                let parts = (0..node.args.len())
                    .map(&mut arg)
                    .collect::<Result<Vec<_>, _>>()?;
                place.concat(parts, axis + 1)
            }
        })
    }

    /// Where one argument is an exact scalar and the operation has a cheaper form for that: the side
    /// of the other argument, and the scalar rounded to nearest.
    fn scalar_side(&self, node: &Node, op: Binary) -> Option<(usize, f64)> {
        let scalar = |i: usize| self.scalars[node.args[i].index()];
        let whole = |i: usize| self.nodes[node.args[i].index()].shape == node.shape;
        let (left, right) = match op {
            Binary::Add | Binary::Mul => (true, true),
            Binary::Sub | Binary::LeakyRelu => (false, true),
            Binary::Div | Binary::Max | Binary::Min | Binary::LeakyStep => (false, false),
        };
        match (scalar(0), scalar(1)) {
            (None, Some(value)) if right && whole(0) => Some((0, value)),
            (Some(value), None) if left && whole(1) => Some((1, value)),
            _ => None,
        }
    }
}

/// The tensors of one run.
struct Frame {
    values: Vec<Option<DispatchTensor>>,
    uses: Vec<u32>,
}

/// The gradients among the marked nodes: node and number.
fn gradients_in(graph: &Graph, marked: &[bool]) -> impl Iterator<Item = (NodeId, usize)> {
    graph
        .ids()
        .filter(|id| marked[id.index()])
        .filter_map(|id| match graph.node(id).op {
            Op::Input(Input::Gradient(k)) => Some((id, k as usize)),
            _ => None,
        })
}

fn with_batch(x: DispatchTensor, shape: &[usize]) -> DispatchTensor {
    let mut full = vec![dims(&x)[0]];
    full.extend(shape);
    reshape(x, full)
}

/// The numbers of a tensor, row-major.
fn read(x: DispatchTensor) -> Result<Vec<f64>, String> {
    let length = dims(&x).iter().product();
    let flat = Tensor::<1>::from_dispatch(reshape(x, vec![length]));
    flat.into_data()
        .try_into_vec::<f64>()
        .map_err(|error| format!("Burn returned no f64 numbers: {error:?}"))
}

/// Runs a piece of work and turns a panic inside Burn into an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = (panic.downcast_ref::<String>().map(String::as_str))
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(format!("Burn panicked: {text}"))
    })
}
