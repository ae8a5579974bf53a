//! Turns a function written with Burn into nodes of a [`Graph`]: the function runs once on Burn's
//! capture device, and the recorded operations are translated one by one.
//!
//! Only the forward pass is recorded. Shapes keep Burn's form: what reduces to one number has shape
//! `[1]`. Scalars become the exact value of their binary64 number (a slope `0.1` in Rust is
//! `0.1000000000000000055...`), except exponents: they become the simplest fraction that rounds to
//! them, if its denominator is at most [`MAX_DENOMINATOR`]. Everything must be f64; an operation that
//! is not in the table of `Translation::operation` is an error that names it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use burn::backend::capture::{CaptureBackend, TensorId};
use burn::backend::ir::{
    ActivationOperationIr as Activation, BaseOperationIr as Base, FloatOperationIr as Float,
    NumericOperationIr as Numeric, OperationIr, ReduceDimOpIr, ScalarIr, ScalarOpIr, SliceOpIr, TensorIr,
};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Dispatch, DispatchKindConversion, DispatchTensor};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use dashu_ratio::RBig;

use super::executor::guarded;
use super::ops::Place;
use crate::graph::build::{broadcast, matmul_shape};
use crate::graph::op::{Along, Binary, Reduction, Unary};
use crate::graph::{Graph, NodeId, Shape, size};

/// Largest denominator of an exponent.
pub const MAX_DENOMINATOR: u32 = 64;

/// An input of the function that is captured.
#[derive(Clone, Debug)]
pub struct Argument(DispatchTensor);

impl Argument {
    /// The tensor to compute with. `D` must be the rank of the input.
    pub fn tensor<const D: usize>(&self) -> Tensor<D> {
        let tensor = Tensor::from_dispatch(self.0.clone());
        assert_eq!(tensor.shape().num_dims(), D, "rank of an input");
        tensor
    }
}

/// Runs `function` on the capture device, with one [`Argument`] for each node of `inputs`, of the
/// node's shape, and returns the node of its result.
///
/// A process can capture 65,536 times (Burn never reuses the number of a capture device).
///
/// # Errors
/// An input without an axis, an operation that cannot be translated, a tensor that is not f64, a
/// constant that is not finite, a panic of the function (such as reading a value, which the capture
/// device does not have).
pub fn capture<const D: usize>(
    graph: &mut Graph,
    inputs: &[NodeId],
    function: impl FnOnce(&[Argument]) -> Tensor<D>,
) -> Result<NodeId, String> {
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|&id| graph.shape(id).to_vec()).collect();
    if shapes.iter().any(Vec::is_empty) {
        return Err("an input of a Burn function needs at least one axis".into());
    }
    let mut identities = Vec::new();
    let recorded = guarded(|| {
        let mut device = Device::capture();
        let handle = device.clone();
        let result = handle.capture_scope(|scope| {
            let configured = device.configure(FloatDType::F64);
            assert!(
                configured.is_ok(),
                "the capture device refuses f64: {configured:?}"
            );
            let place = Place::new(device.as_dispatch().clone());
            let arguments: Vec<Argument> = shapes
                .iter()
                .map(|shape| Argument(unreadable(&place, shape)))
                .collect();
            identities = arguments
                .iter()
                .map(|argument| identity(argument.0.clone()))
                .collect();
            let output = function(&arguments);
            let output_id = identity(output.clone().into_dispatch());
            scope.complete([], [output_id])
        });
        result.map_err(|error| error.to_string())
    })?;
    let nodes = identities.into_iter().zip(inputs.iter().copied()).collect();
    let mut translation = Translation {
        graph,
        nodes,
        values: recorded.values,
    };
    for operation in &recorded.graph.operations {
        translation.operation(operation)?;
    }
    let output = recorded
        .graph
        .outputs
        .first()
        .ok_or("the function has no result")?;
    translation
        .nodes
        .get(output)
        .copied()
        .ok_or_else(|| "the result was not computed from the inputs".into())
}

/// A tensor to stand for an input. The capture device answers when a function reads a tensor that was
/// made from numbers, and the function would be captured as if those were its data; it panics when a
/// function reads the result of an operation, so the input is one.
fn unreadable(place: &Place, shape: &[usize]) -> DispatchTensor {
    Dispatch::float_neg(place.tensor(vec![f64::NAN; size(shape)], shape))
}

fn identity(tensor: DispatchTensor) -> TensorId {
    let tensor = <DispatchTensor as DispatchKindConversion<CaptureBackend>>::try_into_backend(tensor);
    tensor.expect("a tensor of the capture device").float().id()
}

/// The recorded tensors, as far as they are translated.
struct Translation<'a> {
    graph: &'a mut Graph,
    nodes: HashMap<TensorId, NodeId>,
    /// numbers that the function brought along
    values: BTreeMap<TensorId, TensorData>,
}

impl Translation<'_> {
    /// The node of a tensor that an operation reads.
    fn node(&mut self, tensor: &TensorIr) -> Result<NodeId, String> {
        if tensor.dtype != DType::F64 {
            return Err(format!("a tensor of {:?} where f64 is needed", tensor.dtype));
        }
        if let Some(&node) = self.nodes.get(&tensor.id) {
            return Ok(node);
        }
        let data = self
            .values
            .get(&tensor.id)
            .ok_or("a tensor that was not recorded")?;
        let numbers: Vec<f64> = data
            .clone()
            .try_into_vec()
            .map_err(|error| format!("{error:?}"))?;
        if numbers.iter().any(|x| !x.is_finite()) {
            return Err("a constant of the function is not finite".into());
        }
        let node = self.graph.data(Arc::from(numbers), &tensor.shape);
        self.nodes.insert(tensor.id, node);
        Ok(node)
    }

    /// Constant indices, inside an axis of the given length.
    fn indices(&self, tensor: &TensorIr, length: usize) -> Result<Vec<usize>, String> {
        let data = self
            .values
            .get(&tensor.id)
            .ok_or("indices that are computed cannot be translated")?;
        data.clone()
            .convert_dtype(DType::I64)
            .try_into_vec::<i64>()
            .map_err(|error| format!("{error:?}"))?
            .into_iter()
            .map(|i| {
                usize::try_from(i)
                    .ok()
                    .filter(|&i| i < length)
                    .ok_or(format!("index {i} is outside the axis"))
            })
            .collect()
    }

    /// Records the node of a result, brought to the shape that Burn gives it.
    fn define(&mut self, out: &TensorIr, node: NodeId) -> Result<(), String> {
        if out.dtype != DType::F64 {
            return Err(format!("a result in {:?} where f64 is needed", out.dtype));
        }
        if size(self.graph.shape(node)) != size(&out.shape) {
            return Err(format!(
                "a shape {:?} where Burn has {:?}",
                self.graph.shape(node),
                out.shape
            ));
        }
        let node = self.graph.reshape(node, &out.shape);
        self.nodes.insert(out.id, node);
        Ok(())
    }

    /// Translates one recorded operation; the error names it.
    fn operation(&mut self, operation: &OperationIr) -> Result<(), String> {
        if operation.outputs().any(|out| self.nodes.contains_key(&out.id)) {
            return Ok(()); // an input
        }
        let (name, result) = match operation {
            OperationIr::BaseFloat(op) => (variant(op), self.base(op)),
            OperationIr::NumericFloat(_, op) => (variant(op), self.numeric(op)),
            OperationIr::Float(_, op) => (variant(op), self.float(op)),
            OperationIr::Activation(op) => (variant(op), self.activation(op)),
            OperationIr::Init(_) | OperationIr::Drop(_) => return Ok(()),
            OperationIr::BaseInt(op) => (variant(op), unknown()),
            OperationIr::BaseBool(op) => (variant(op), unknown()),
            OperationIr::NumericInt(_, op) => (variant(op), unknown()),
            OperationIr::Bool(op) => (variant(op), unknown()),
            OperationIr::Int(op) => (variant(op), unknown()),
            OperationIr::Module(op) => (variant(op), unknown()),
            OperationIr::Custom(op) => (op.id.clone(), unknown()),
            OperationIr::Distributed(op) => (variant(op), unknown()),
        };
        result.map_err(|error| format!("Burn operation {name}: {error}"))
    }

    fn float(&mut self, op: &Float) -> Result<(), String> {
        let (function, arguments) = match op {
            Float::Exp(x) => (Unary::Exp, x),
            Float::Log(x) => (Unary::Log, x),
            Float::Log1p(x) => (Unary::Log1p, x),
            Float::Erf(x) => (Unary::Erf, x),
            Float::Sqrt(x) => (Unary::Sqrt, x),
            Float::Cos(x) => (Unary::Cos, x),
            Float::Sin(x) => (Unary::Sin, x),
            Float::Tanh(x) => (Unary::Tanh, x),
            Float::Recip(x) => {
                let (one, x_node) = (self.graph.integer(1), self.node(&x.input)?);
                let node = self.graph.div(one, x_node);
                return self.define(&x.out, node);
            }
            Float::PowfScalar(x) => return self.power(x),
            Float::Matmul(x) => {
                let (a, b) = (self.node(&x.lhs)?, self.node(&x.rhs)?);
                matmul_shape(self.graph.shape(a), self.graph.shape(b)).ok_or("shapes do not fit")?;
                let node = self.graph.matmul(a, b);
                return self.define(&x.out, node);
            }
            _ => return unknown(),
        };
        let x = self.node(&arguments.input)?;
        let node = self.graph.unary(function, x);
        self.define(&arguments.out, node)
    }

    fn power(&mut self, op: &ScalarOpIr) -> Result<(), String> {
        let value = number(&op.rhs)?;
        let (num, den) = simple_fraction(value).ok_or_else(|| {
            format!("the exponent {value} is no fraction with denominator up to {MAX_DENOMINATOR}")
        })?;
        let x = self.node(&op.lhs)?;
        let node = self.graph.pow(x, num, den);
        self.define(&op.out, node)
    }

    fn activation(&mut self, op: &Activation) -> Result<(), String> {
        let (out, node) = match op {
            Activation::Relu(x) => (&x.out, self.unary(Unary::Relu, &x.input)?),
            Activation::Sigmoid(x) => (&x.out, self.unary(Unary::Sigmoid, &x.input)?),
            Activation::LogSigmoid(x) => (&x.out, self.unary(Unary::LogSigmoid, &x.input)?),
            Activation::Gelu(x) => {
                let node = self.node(&x.input)?;
                (&x.out, self.graph.gelu(node))
            }
            Activation::LeakyRelu(x) => (&x.out, self.with_scalar(Binary::LeakyRelu, x)?),
            Activation::PRelu(x) => (&x.out, self.binary(Binary::LeakyRelu, &x.lhs, &x.rhs)?),
            Activation::Softmax(x) => {
                let node = self.node(&x.input)?;
                (&x.out, self.graph.along(Along::Softmax, node, x.axis))
            }
            Activation::Softmin(x) => {
                let node = self.unary(Unary::Neg, &x.input)?;
                (&x.out, self.graph.along(Along::Softmax, node, x.axis))
            }
            Activation::LogSoftmax(x) => {
                let node = self.node(&x.input)?;
                let total = self.reduce_keeping(Reduction::LogSumExp, node, x.axis);
                (&x.out, self.graph.sub(node, total))
            }
            _ => return unknown(),
        };
        self.define(out, node)
    }

    fn unary(&mut self, op: Unary, x: &TensorIr) -> Result<NodeId, String> {
        let x = self.node(x)?;
        Ok(self.graph.unary(op, x))
    }

    fn binary(&mut self, op: Binary, a: &TensorIr, b: &TensorIr) -> Result<NodeId, String> {
        let (a, b) = (self.node(a)?, self.node(b)?);
        broadcast(self.graph.shape(a), self.graph.shape(b)).ok_or("shapes do not fit")?;
        Ok(self.graph.binary(op, a, b))
    }

    fn scalar(&mut self, value: &ScalarIr) -> Result<NodeId, String> {
        let value = number(value)?;
        let exact = RBig::try_from(value).map_err(|_| format!("the scalar {value} is not finite"))?;
        Ok(self.graph.rational(exact))
    }

    fn with_scalar(&mut self, op: Binary, arguments: &ScalarOpIr) -> Result<NodeId, String> {
        let (x, scalar) = (self.node(&arguments.lhs)?, self.scalar(&arguments.rhs)?);
        Ok(self.graph.binary(op, x, scalar))
    }

    /// Reduction over an axis, which stays with length 1.
    fn reduce_keeping(&mut self, op: Reduction, x: NodeId, axis: usize) -> NodeId {
        let mut shape = Shape::from_slice(self.graph.shape(x));
        shape[axis] = 1;
        let reduced = self.graph.reduce(op, x, axis);
        self.graph.reshape(reduced, &shape)
    }

    fn reduce(&mut self, op: Reduction, arguments: &ReduceDimOpIr) -> Result<NodeId, String> {
        let x = self.node(&arguments.input)?;
        Ok(self.reduce_keeping(op, x, arguments.axis))
    }

    fn numeric(&mut self, op: &Numeric) -> Result<(), String> {
        let (out, node) = match op {
            Numeric::Add(x) => (&x.out, self.binary(Binary::Add, &x.lhs, &x.rhs)?),
            Numeric::Sub(x) => (&x.out, self.binary(Binary::Sub, &x.lhs, &x.rhs)?),
            Numeric::Mul(x) => (&x.out, self.binary(Binary::Mul, &x.lhs, &x.rhs)?),
            Numeric::Div(x) => (&x.out, self.binary(Binary::Div, &x.lhs, &x.rhs)?),
            Numeric::AddScalar(x) => (&x.out, self.with_scalar(Binary::Add, x)?),
            Numeric::SubScalar(x) => (&x.out, self.with_scalar(Binary::Sub, x)?),
            Numeric::MulScalar(x) => (&x.out, self.with_scalar(Binary::Mul, x)?),
            Numeric::DivScalar(x) => (&x.out, self.with_scalar(Binary::Div, x)?),
            Numeric::ClampMin(x) => (&x.out, self.with_scalar(Binary::Max, x)?),
            Numeric::ClampMax(x) => (&x.out, self.with_scalar(Binary::Min, x)?),
            Numeric::Clamp(x) => {
                let tensor = self.node(&x.tensor)?;
                let (low, high) = (self.scalar(&x.min)?, self.scalar(&x.max)?);
                let raised = self.graph.binary(Binary::Max, tensor, low);
                (&x.out, self.graph.binary(Binary::Min, raised, high))
            }
            Numeric::Abs(x) => (&x.out, self.unary(Unary::Abs, &x.input)?),
            Numeric::Neg(x) => (&x.out, self.unary(Unary::Neg, &x.input)?),
            Numeric::Sign(x) => (&x.out, self.unary(Unary::Sign, &x.input)?),
            Numeric::PowiScalar(x) => return self.power(x),
            Numeric::Full(x) => {
                let value = self.scalar(&x.value)?;
                (&x.out, self.graph.broadcast_to(value, &x.out.shape))
            }
            Numeric::Sum(x) => {
                let node = self.node(&x.input)?;
                (&x.out, self.graph.sum(node))
            }
            Numeric::Mean(x) => {
                let node = self.node(&x.input)?;
                (&x.out, self.graph.mean(node))
            }
            Numeric::Max(x) => {
                let node = self.node(&x.input)?;
                (&x.out, self.graph.reduce_all(Reduction::Max, node))
            }
            Numeric::Min(x) => {
                let node = self.unary(Unary::Neg, &x.input)?;
                let largest = self.graph.reduce_all(Reduction::Max, node);
                (&x.out, self.graph.neg(largest))
            }
            Numeric::SumDim(x) => (&x.out, self.reduce(Reduction::Sum, x)?),
            Numeric::SumDims(x) => {
                let mut node = self.node(&x.input)?;
                for &axis in &x.axes {
                    node = self.reduce_keeping(Reduction::Sum, node, axis);
                }
                (&x.out, node)
            }
            Numeric::MeanDim(x) => {
                let sum = self.reduce(Reduction::Sum, x)?;
                let share = self.graph.fraction(1, x.input.shape[x.axis] as i64);
                (&x.out, self.graph.mul(share, sum))
            }
            Numeric::MaxDim(x) => (&x.out, self.reduce(Reduction::Max, x)?),
            Numeric::MinDim(x) => {
                let negative = self.unary(Unary::Neg, &x.input)?;
                let largest = self.reduce_keeping(Reduction::Max, negative, x.axis);
                (&x.out, self.graph.neg(largest))
            }
            _ => return unknown(),
        };
        self.define(out, node)
    }

    fn base(&mut self, op: &Base) -> Result<(), String> {
        let (out, node) = match op {
            Base::Reshape(x) => (&x.out, self.node(&x.input)?),
            Base::Expand(x) => {
                let node = self.node(&x.input)?;
                (&x.out, self.graph.broadcast_to(node, &x.out.shape))
            }
            Base::SwapDims(x) => {
                let node = self.node(&x.input)?;
                let mut perm: Vec<usize> = (0..x.input.shape.len()).collect();
                perm.swap(x.dim1, x.dim2);
                (&x.out, self.graph.permute(node, &perm))
            }
            Base::Permute(x) => {
                let node = self.node(&x.input)?;
                (&x.out, self.graph.permute(node, &x.axes))
            }
            Base::Flip(x) => {
                let mut node = self.node(&x.input)?;
                for &axis in &x.axes {
                    let length = self.graph.shape(node)[axis];
                    node = self.graph.slice(node, axis, length - 1, -1, length);
                }
                (&x.out, node)
            }
            Base::Slice(x) => (&x.out, self.slice(x)?),
            Base::Cat(x) => {
                let parts = x
                    .tensors
                    .iter()
                    .map(|part| self.node(part))
                    .collect::<Result<Vec<_>, _>>()?;
                (&x.out, self.graph.concat(&parts, x.dim))
            }
            Base::RepeatDim(x) => {
                let node = self.node(&x.tensor)?;
                (&x.out, self.graph.concat(&vec![node; x.times], x.dim))
            }
            Base::Select(x) => {
                let node = self.node(&x.tensor)?;
                let chosen = self.indices(&x.indices, x.tensor.shape[x.dim])?;
                let parts: Vec<NodeId> = chosen
                    .iter()
                    .map(|&i| self.graph.slice(node, x.dim, i, 1, 1))
                    .collect();
                (&x.out, self.graph.concat(&parts, x.dim))
            }
            Base::Zeros(x) => (&x.out, self.graph.zeros(&x.out.shape)),
            Base::Ones(x) => {
                let one = self.graph.integer(1);
                (&x.out, self.graph.broadcast_to(one, &x.out.shape))
            }
            Base::Gather(x) => (&x.out, self.gather(&x.tensor, x.dim, &x.indices)?),
            _ => return unknown(),
        };
        self.define(out, node)
    }

    fn slice(&mut self, op: &SliceOpIr) -> Result<NodeId, String> {
        let mut node = self.node(&op.tensor)?;
        for (axis, range) in op.ranges.iter().enumerate() {
            if range.step < 1 {
                return Err("a negative step cannot be translated: use flip".into());
            }
            let length = op.tensor.shape[axis] as isize;
            let start = if range.start < 0 {
                range.start + length
            } else {
                range.start
            };
            let start = usize::try_from(start).map_err(|_| "a slice outside the axis")?;
            let count = op.out.shape[axis];
            if count == 0 || start + (count - 1) * range.step as usize >= op.tensor.shape[axis] {
                return Err("a slice outside the axis".into());
            }
            node = self.graph.slice(node, axis, start, range.step, count);
        }
        Ok(node)
    }

    /// Entries along an axis chosen by constant indices, for matrices: row by row (or column by
    /// column), each entry one slice.
    fn gather(&mut self, tensor: &TensorIr, dim: usize, indices: &TensorIr) -> Result<NodeId, String> {
        let (source, wanted) = (&tensor.shape, &indices.shape);
        if source.len() != 2 {
            return Err("only matrices can be gathered from".into());
        }
        let chosen = self.indices(indices, source[dim])?;
        let node = self.node(tensor)?;
        let mut rows = Vec::with_capacity(wanted[0]);
        for i in 0..wanted[0] {
            let mut row = Vec::with_capacity(wanted[1]);
            for j in 0..wanted[1] {
                let index = chosen[i * wanted[1] + j];
                let (from_row, from_column) = if dim == 0 { (index, j) } else { (i, index) };
                let line = self.graph.slice(node, 0, from_row, 1, 1);
                row.push(self.graph.slice(line, 1, from_column, 1, 1));
            }
            rows.push(self.graph.concat(&row, 1));
        }
        Ok(self.graph.concat(&rows, 0))
    }
}

fn unknown<T>() -> Result<T, String> {
    Err("cannot be translated".into())
}

/// The name of an operation: its variant, without the tensors.
fn variant(op: &impl std::fmt::Debug) -> String {
    let text = format!("{op:?}");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_string()
}

fn number(value: &ScalarIr) -> Result<f64, String> {
    match *value {
        ScalarIr::Float(x) => Ok(x),
        ScalarIr::Int(x) if x.unsigned_abs() < 1 << 53 => Ok(x as f64),
        ScalarIr::UInt(x) if x < 1 << 53 => Ok(x as f64),
        ScalarIr::Int(_) | ScalarIr::UInt(_) | ScalarIr::Bool(_) => {
            Err(format!("the scalar {value:?} cannot be translated"))
        }
    }
}

/// The fraction of smallest denominator that rounds to `value`.
fn simple_fraction(value: f64) -> Option<(i32, u32)> {
    (1..=MAX_DENOMINATOR).find_map(|den| {
        let num = (value * f64::from(den)).round();
        let fits = num.abs() <= f64::from(i32::MAX) && num / f64::from(den) == value;
        fits.then_some((num as i32, den))
    })
}
