//! One operation of the graph on Burn tensors: what the executor does at each node.
//!
//! Works on Burn's dispatch layer, where the rank is dynamic and the same code runs on any device,
//! with or without autodiff. Every tensor is `[B, shape...]`, `B` the number of points or 1 for what
//! does not depend on the point. An operation that computes in f32 on some device, or that hides a
//! NaN, is written with others ([`REWRITTEN`]).

use burn::backend::ops::{ActivationOps, BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn::backend::{
    BoolDType, Dispatch, DispatchDevice, DispatchTensor, Scalar, Shape, TensorData, TensorMetadata,
    get_device_settings,
};
use burn::tensor::{FloatDType, IntDType};

use crate::graph::op::{Along, Binary, Exponent, Reduction, Unary};

/// Operations that Burn 0.22 computes inexactly on some device, and how they are written instead.
pub const REWRITTEN: &[(&str, &str)] = &[
    (
        "sigmoid(x)",
        "exp(log_sigmoid(x)); ndarray computes sigmoid in f32",
    ),
    (
        "x / c",
        "x * (1/c) with an exact constant 1/c; flex divides by a scalar in f32 in the backward pass",
    ),
    (
        "x^n",
        "products by repeated squaring, for a negative n of the reciprocal",
    ),
    (
        "x^(n/2)",
        "products of sqrt(x); exponents of powf round to f32 on ndarray",
    ),
    ("x^(n/d)", "exp(n/d * log(x)), for the same reason"),
    (
        "gelu(x)",
        "x * (1 + erf(x/sqrt(2)))/2; the backward pass of ndarray is that of the tanh approximation",
    ),
    (
        "logsumexp(x)",
        "m + log(sum(exp(x - m))) with m = max(x) held constant in the backward pass",
    ),
    (
        "softmax(x)",
        "exp(x - m)/sum(exp(x - m)) with m = max(x) held constant in the backward pass",
    ),
    (
        "max(a, b), min(a, b)",
        "a choice by mask, so that NaN propagates and ties go to the left",
    ),
    ("softplus(x)", "-log_sigmoid(-x); flex drops 2e-9 at x = 20"),
];

/// Sizes of the axes of a tensor, the batch first.
pub(super) fn dims(x: &DispatchTensor) -> Vec<usize> {
    x.shape().to_vec()
}

/// Where the tensors live, and what its masks are stored as.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub device: DispatchDevice,
    mask: BoolDType,
}

impl Place {
    pub fn new(device: DispatchDevice) -> Self {
        let mask = get_device_settings::<Dispatch>(&device).bool_dtype;
        Place { device, mask }
    }

    /// Numbers of a shape, row-major, as constants of the backward pass.
    pub fn tensor(&self, values: Vec<f64>, shape: &[usize]) -> DispatchTensor {
        Dispatch::float_from_data(TensorData::new(values, Shape::from(shape.to_vec())), &self.device)
    }

    fn integers(&self, values: Vec<i64>, shape: &[usize]) -> DispatchTensor {
        Dispatch::int_from_data(TensorData::new(values, Shape::from(shape.to_vec())), &self.device)
    }

    fn indices(&self, start: usize, step: isize, count: usize) -> DispatchTensor {
        let values = (0..count as i64)
            .map(|i| start as i64 + step as i64 * i)
            .collect();
        self.integers(values, &[count])
    }

    /// An elementwise function of one argument.
    pub fn unary(&self, op: Unary, x: DispatchTensor) -> DispatchTensor {
        match op {
            Unary::Neg => Dispatch::float_neg(x),
            Unary::Exp => Dispatch::float_exp(x),
            Unary::Log => Dispatch::float_log(x),
            Unary::Log1p => Dispatch::float_log1p(x),
            Unary::Sqrt => Dispatch::float_sqrt(x),
            Unary::Abs => Dispatch::float_abs(x),
            Unary::Sin => Dispatch::float_sin(x),
            Unary::Cos => Dispatch::float_cos(x),
            Unary::Tanh => Dispatch::float_tanh(x),
            Unary::Sigmoid => Dispatch::float_exp(Dispatch::log_sigmoid(x)),
            Unary::LogSigmoid => Dispatch::log_sigmoid(x),
            Unary::Erf => Dispatch::float_erf(x),
            Unary::Relu => Dispatch::relu(x),
            Unary::Sign => Dispatch::float_sign(x),
            Unary::Step => {
                let positive = Dispatch::float_greater_elem(x, Scalar::Float(0.0), self.mask);
                Dispatch::bool_into_float(positive, FloatDType::F64)
            }
            Unary::StepRight => {
                let positive = Dispatch::float_greater_equal_elem(x, Scalar::Float(0.0), self.mask);
                Dispatch::bool_into_float(positive, FloatDType::F64)
            }
            Unary::Pow(exponent) => self.power(x, exponent),
        }
    }

    fn power(&self, x: DispatchTensor, exponent: Exponent) -> DispatchTensor {
        let Exponent { num, den } = exponent;
        if den > 2 {
            let log = Dispatch::float_log(x);
            let ratio = Scalar::Float(f64::from(num) / f64::from(den));
            return Dispatch::float_exp(Dispatch::float_mul_scalar(log, ratio));
        }
        let base = if den == 2 { Dispatch::float_sqrt(x) } else { x };
        let mut square = if num < 0 {
            Dispatch::float_recip(base)
        } else {
            base
        };
        let mut bits = num.unsigned_abs();
        let mut product: Option<DispatchTensor> = None;
        while bits > 0 {
            if bits & 1 == 1 {
                product = Some(match product {
                    None => square.clone(),
                    Some(so_far) => Dispatch::float_mul(so_far, square.clone()),
                });
            }
            bits >>= 1;
            if bits > 0 {
                square = Dispatch::float_mul(square.clone(), square);
            }
        }
        product.unwrap_or_else(|| {
            let shape = dims(&square);
            self.tensor(vec![1.0; shape.iter().product()], &shape)
        })
    }

    /// `a + c`, `a - c`, `a * c` or `leaky_relu(a, c)` with a scalar; the others have no such form.
    pub fn binary_scalar(&self, op: Binary, a: DispatchTensor, scalar: f64) -> Option<DispatchTensor> {
        let value = Scalar::Float(scalar);
        match op {
            Binary::Add => Some(Dispatch::float_add_scalar(a, value)),
            Binary::Sub => Some(Dispatch::float_sub_scalar(a, value)),
            Binary::Mul => Some(Dispatch::float_mul_scalar(a, value)),
            Binary::LeakyRelu => Some(Dispatch::leaky_relu(a, value)),
            Binary::Div | Binary::Max | Binary::Min | Binary::LeakyStep => None,
        }
    }

    /// An elementwise function of two arguments of one rank, batch included.
    pub fn binary(&self, op: Binary, a: DispatchTensor, b: DispatchTensor) -> DispatchTensor {
        match op {
            Binary::Add => Dispatch::float_add(a, b),
            Binary::Sub => Dispatch::float_sub(a, b),
            Binary::Mul => Dispatch::float_mul(a, b),
            Binary::Div => Dispatch::float_div(a, b),
            Binary::Max => {
                let (a, b) = same_shape(a, b);
                let larger = Dispatch::float_greater(b.clone(), a.clone(), self.mask);
                self.choose(a, b, larger)
            }
            Binary::Min => {
                let (a, b) = same_shape(a, b);
                let smaller = Dispatch::float_lower(b.clone(), a.clone(), self.mask);
                self.choose(a, b, smaller)
            }
            Binary::LeakyRelu => {
                let (x, slope) = same_shape(a, b);
                let below = Dispatch::float_lower_elem(x.clone(), Scalar::Float(0.0), self.mask);
                Dispatch::float_mask_where(x.clone(), below, Dispatch::float_mul(x, slope))
            }
            Binary::LeakyStep => {
                let (x, slope) = same_shape(a, b);
                let shape = dims(&x);
                let one = self.tensor(vec![1.0; shape.iter().product()], &shape);
                let below = Dispatch::float_lower_elem(x, Scalar::Float(0.0), self.mask);
                Dispatch::float_mask_where(one, below, slope)
            }
        }
    }

    /// `b` where the mask holds or `b` is NaN, `a` elsewhere.
    fn choose(&self, a: DispatchTensor, b: DispatchTensor, mask: DispatchTensor) -> DispatchTensor {
        let undefined = Dispatch::float_not_equal(b.clone(), b.clone(), self.mask);
        Dispatch::float_mask_where(a, Dispatch::bool_or(mask, undefined), b)
    }

    /// Reduction over an axis (the batch counts), which stays with length 1.
    pub fn reduce(&self, op: Reduction, x: DispatchTensor, axis: usize) -> DispatchTensor {
        match op {
            Reduction::Sum => Dispatch::float_sum_dim(x, axis),
            Reduction::Max => Dispatch::float_max_dim(x, axis),
            Reduction::LogSumExp => {
                let top = Dispatch::float_max_dim(Dispatch::float_detach(x.clone()), axis);
                let shifted = Dispatch::float_exp(Dispatch::float_sub(x, top.clone()));
                Dispatch::float_add(Dispatch::float_log(Dispatch::float_sum_dim(shifted, axis)), top)
            }
        }
    }

    /// A function along an axis (the batch counts), shape kept.
    pub fn along(&self, op: Along, x: DispatchTensor, axis: usize) -> DispatchTensor {
        match op {
            Along::Softmax => {
                let top = Dispatch::float_max_dim(Dispatch::float_detach(x.clone()), axis);
                let shifted = Dispatch::float_exp(Dispatch::float_sub(x, top));
                let total = Dispatch::float_sum_dim(shifted.clone(), axis);
                Dispatch::float_div(shifted, total)
            }
            Along::ArgMax => {
                let shape = dims(&x);
                let best = Dispatch::float_argmax(x, axis, IntDType::I64);
                let best = Dispatch::int_expand(best, Shape::from(shape.clone()));
                let mut count = vec![1; shape.len()];
                count[axis] = shape[axis];
                let positions = self.integers((0..shape[axis] as i64).collect(), &count);
                let positions = Dispatch::int_expand(positions, Shape::from(shape));
                let chosen = Dispatch::int_equal(positions, best, self.mask);
                Dispatch::bool_into_float(chosen, FloatDType::F64)
            }
        }
    }

    /// Entries `start, start + step, ...` of an axis (the batch counts).
    pub fn slice(
        &self,
        x: DispatchTensor,
        axis: usize,
        start: usize,
        step: isize,
        count: usize,
    ) -> DispatchTensor {
        if step != 1 {
            return Dispatch::float_select(x, axis, self.indices(start, step, count));
        }
        let ranges: Vec<burn::tensor::Slice> = (dims(&x).iter().enumerate())
            .map(|(i, &length)| {
                if i == axis {
                    (start..start + count).into()
                } else {
                    (0..length).into()
                }
            })
            .collect();
        Dispatch::float_slice(x, &ranges)
    }

    /// Zeros with `length` entries along an axis (the batch counts), `x` at `start, start + step, ...`.
    pub fn unslice(
        &self,
        x: DispatchTensor,
        axis: usize,
        start: usize,
        step: isize,
        length: usize,
    ) -> DispatchTensor {
        let mut shape = dims(&x);
        let count = std::mem::replace(&mut shape[axis], length);
        let zeros = self.tensor(vec![0.0; shape.iter().product()], &shape);
        let update = burn::tensor::IndexingUpdateOp::Add;
        Dispatch::float_select_assign(zeros, axis, self.indices(start, step, count), x, update)
    }

    /// Arguments one after the other along an axis (the batch counts), those without a batch repeated.
    pub fn concat(&self, parts: Vec<DispatchTensor>, axis: usize) -> DispatchTensor {
        let batch = parts.iter().map(|part| dims(part)[0]).max().unwrap_or(1);
        let parts = (parts.into_iter())
            .map(|part| {
                let mut shape = dims(&part);
                shape[0] = batch;
                expand(part, shape)
            })
            .collect();
        Dispatch::float_cat(parts, axis)
    }

    /// Matrix product over the last two axes. A matrix that every point shares times one vector per
    /// point, the hot path of linear models, is one product of all vectors: measured a quarter faster
    /// than Burn's broadcast product; for several columns, or the matrix on the right, folding the
    /// points into an axis was slower.
    pub fn matmul(&self, a: DispatchTensor, b: DispatchTensor) -> DispatchTensor {
        let (left, right) = (dims(&a), dims(&b));
        if left.len() == 3 && right.len() == 3 && left[0] == 1 && right[2] == 1 {
            // A b = (b^T A^T)^T: [B, d] [d, n] = [B, n]
            let transposed = Dispatch::float_transpose(reshape(a, vec![left[1], left[2]]));
            let product = Dispatch::float_matmul(reshape(b, vec![right[0], right[1]]), transposed);
            return reshape(product, vec![right[0], left[1], 1]);
        }
        let rank = left.len().max(right.len());
        Dispatch::float_matmul(with_rank(a, rank), with_rank(b, rank))
    }
}

/// The same entries under other sizes.
pub(super) fn reshape(x: DispatchTensor, shape: Vec<usize>) -> DispatchTensor {
    if dims(&x) == shape {
        x
    } else {
        Dispatch::float_reshape(x, Shape::from(shape))
    }
}

/// Axes of length 1 repeated to a shape of the same rank.
pub(super) fn expand(x: DispatchTensor, shape: Vec<usize>) -> DispatchTensor {
    if dims(&x) == shape {
        x
    } else {
        Dispatch::float_expand(x, Shape::from(shape))
    }
}

/// Axes of length 1 after the batch, so that the rank (batch included) is `rank`.
pub(super) fn with_rank(x: DispatchTensor, rank: usize) -> DispatchTensor {
    let old = dims(&x);
    let mut shape = vec![old[0]];
    shape.resize(1 + rank - old.len(), 1);
    shape.extend(&old[1..]);
    reshape(x, shape)
}

fn same_shape(a: DispatchTensor, b: DispatchTensor) -> (DispatchTensor, DispatchTensor) {
    let shape: Vec<usize> = dims(&a).iter().zip(dims(&b)).map(|(&x, y)| x.max(y)).collect();
    (expand(a, shape.clone()), expand(b, shape))
}
