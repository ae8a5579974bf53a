//! Building nodes: shapes, the simplifications that hold for all real numbers, and exact folding of
//! scalar constants.
//!
//! Every builder computes the shape of its result and panics if the arguments do not fit; callers
//! that take shapes from a user check them first with [`broadcast`], [`matmul_shape`].
//! A simplification never widens the domain: `0 * x` becomes `0` only where `x` is defined for every
//! input.

use std::sync::Arc;

use dashu_ratio::RBig;

use super::op::{Along, Binary, Exponent, Input, Op, Reduction, Unary};
use super::{Constant, Graph, NodeId, Shape, fold, size};

/// Numpy's broadcast of two shapes, or `None` when they do not fit.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let axis = |shape: &[usize], i: usize| {
        if i + shape.len() < rank {
            1
        } else {
            shape[i + shape.len() - rank]
        }
    };
    (0..rank)
        .map(|i| match (axis(a, i), axis(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Shape of the matrix product of two tensors of rank at least 2, or `None` when they do not fit.
pub fn matmul_shape(a: &[usize], b: &[usize]) -> Option<Shape> {
    let (a_batch, a_matrix) = a.split_at(a.len().checked_sub(2)?);
    let (b_batch, b_matrix) = b.split_at(b.len().checked_sub(2)?);
    if a_matrix[1] != b_matrix[0] {
        return None;
    }
    let mut shape = broadcast(a_batch, b_batch)?;
    shape.push(a_matrix[0]);
    shape.push(b_matrix[1]);
    Some(shape)
}

impl Graph {
    /// An input: `W` and `V` of shape `[dimension]`, the flat parameter points.
    pub fn input(&mut self, input: Input, dimension: usize) -> NodeId {
        self.insert(Op::Input(input), &[], &[dimension])
    }

    /// An exact scalar.
    pub fn rational(&mut self, value: RBig) -> NodeId {
        self.insert_constant(Constant::Rational(value), &[])
    }

    /// An exact scalar from a small integer.
    pub fn integer(&mut self, value: i64) -> NodeId {
        self.rational(RBig::from(value))
    }

    /// An exact scalar `num/den`.
    pub fn fraction(&mut self, num: i64, den: i64) -> NodeId {
        self.rational(RBig::from(num) / RBig::from(den))
    }

    /// Exact entries of the shape, row-major.
    pub fn exact(&mut self, values: Arc<[RBig]>, shape: &[usize]) -> NodeId {
        assert_eq!(values.len(), size(shape), "entries of an exact constant");
        if shape.is_empty() {
            return self.rational(values[0].clone());
        }
        self.insert_constant(Constant::Exact(values), shape)
    }

    /// Binary64 entries of the shape, row-major, all finite.
    pub fn data(&mut self, values: Arc<[f64]>, shape: &[usize]) -> NodeId {
        assert_eq!(values.len(), size(shape), "entries of a data array");
        self.insert_constant(Constant::Data(values), shape)
    }

    /// The number pi.
    pub fn pi(&mut self) -> NodeId {
        self.insert(Op::Pi, &[], &[])
    }

    /// Zeros of a shape.
    pub fn zeros(&mut self, shape: &[usize]) -> NodeId {
        let zero = self.integer(0);
        self.broadcast_to(zero, shape)
    }

    fn is_value(&self, id: NodeId, value: i64) -> bool {
        self.scalar_under(id).is_some_and(|x| *x == RBig::from(value))
    }

    /// The rational behind a scalar constant or a broadcast of one.
    fn scalar_under(&self, id: NodeId) -> Option<&RBig> {
        let node = self.node(id);
        self.as_rational(if node.op == Op::Broadcast {
            node.args[0]
        } else {
            id
        })
    }

    /// An elementwise function of one argument.
    pub fn unary(&mut self, op: Unary, x: NodeId) -> NodeId {
        if let Some(value) = self.as_rational(x)
            && let Some(folded) = fold::unary(op, value)
        {
            return self.rational(folded);
        }
        let inner = self.node(x).op.clone();
        match (op, inner) {
            (Unary::Neg, Op::Unary(Unary::Neg)) => return self.node(x).args[0],
            (Unary::Neg, Op::Binary(Binary::Mul)) => {
                let (a, b) = (self.node(x).args[0], self.node(x).args[1]);
                if self.node(a).op == Op::Unary(Unary::Neg) {
                    let inner = self.node(a).args[0];
                    return self.mul(inner, b);
                }
                if self.node(b).op == Op::Unary(Unary::Neg) {
                    let inner = self.node(b).args[0];
                    return self.mul(a, inner);
                }
            }
            (Unary::Pow(Exponent { num: 1, den: 1 }), _) => return x,
            (Unary::Pow(Exponent { num: 0, .. }), _) if self.is_total(x) => {
                let (one, shape) = (self.integer(1), Shape::from_slice(self.shape(x)));
                return self.broadcast_to(one, &shape);
            }
            (Unary::Pow(Exponent { num: 1, den: 2 }), _) => return self.unary(Unary::Sqrt, x),
            (Unary::Pow(Exponent { num: 2, den: 1 }), Op::Unary(Unary::Sqrt))
                if self.is_sum_of_squares(self.node(x).args[0]) =>
            {
                return self.node(x).args[0];
            }
            (Unary::Pow(Exponent { num: 2, den: 1 }), Op::Unary(Unary::Neg | Unary::Abs)) => {
                let y = self.node(x).args[0];
                return self.unary(op, y);
            }
            _ => {}
        }
        let shape = Shape::from_slice(self.shape(x));
        self.insert(Op::Unary(op), &[x], &shape)
    }

    /// Whether the node is visibly a square, or a sum of squares, of something defined everywhere.
    fn is_sum_of_squares(&self, id: NodeId) -> bool {
        let node = self.node(id);
        match node.op {
            Op::Unary(Unary::Pow(Exponent { num, den: 1 })) => num > 0 && num % 2 == 0 && self.is_total(id),
            Op::Reduce(Reduction::Sum, _) | Op::Reshape => self.is_sum_of_squares(node.args[0]),
            _ => false,
        }
    }

    /// An elementwise function of two arguments with numpy's broadcasting.
    pub fn binary(&mut self, op: Binary, a: NodeId, b: NodeId) -> NodeId {
        let shape = broadcast(self.shape(a), self.shape(b)).expect("shapes broadcast");
        if let (Some(x), Some(y)) = (self.as_rational(a), self.as_rational(b))
            && let Some(folded) = fold::binary(op, x, y)
        {
            return self.rational(folded);
        }
        // one after the other: when both are broadcast, one of them must keep the shape
        let a = self.without_broadcast(a, b, &shape);
        let b = self.without_broadcast(b, a, &shape);
        let same = a == b;
        let simpler = match op {
            Binary::Add if self.is_value(a, 0) => Some(b),
            Binary::Add | Binary::Sub if self.is_value(b, 0) => Some(a),
            Binary::Sub if self.is_value(a, 0) => Some(self.unary(Unary::Neg, b)),
            Binary::Sub if same && self.is_total(a) => Some(self.zeros(&shape)),
            Binary::Mul if self.is_value(a, 1) => Some(b),
            Binary::Mul | Binary::Div if self.is_value(b, 1) => Some(a),
            Binary::Mul if self.is_value(a, -1) => Some(self.unary(Unary::Neg, b)),
            Binary::Mul | Binary::Div if self.is_value(b, -1) => Some(self.unary(Unary::Neg, a)),
            Binary::Mul if self.is_value(a, 0) && self.is_total(b) => Some(self.zeros(&shape)),
            Binary::Mul if self.is_value(b, 0) && self.is_total(a) => Some(self.zeros(&shape)),
            Binary::Mul if same => Some(self.unary(Unary::Pow(Exponent { num: 2, den: 1 }), a)),
            Binary::Max | Binary::Min if same => Some(a),
            // division by an exact nonzero number is a product, exact here and free of leaks in Burn
            Binary::Div => match self.as_rational(b) {
                Some(value) if !value.is_zero() => {
                    let inverse = RBig::ONE / value.clone();
                    let inverse = self.rational(inverse);
                    Some(self.binary(Binary::Mul, a, inverse))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(simpler) = simpler {
            return self.broadcast_to(simpler, &shape);
        }
        // a fixed order of the arguments of commutative operations lets more nodes be shared;
        // max and min keep theirs, since floating point breaks ties to the left
        let (a, b) = if matches!(op, Binary::Add | Binary::Mul) && b < a {
            (b, a)
        } else {
            (a, b)
        };
        self.insert(Op::Binary(op), &[a, b], &shape)
    }

    /// `a`, or what it broadcasts when `other` alone gives the shape.
    fn without_broadcast(&self, a: NodeId, other: NodeId, shape: &[usize]) -> NodeId {
        let node = self.node(a);
        if node.op == Op::Broadcast && self.shape(other) == shape {
            node.args[0]
        } else {
            a
        }
    }

    /// `-x`
    pub fn neg(&mut self, x: NodeId) -> NodeId {
        self.unary(Unary::Neg, x)
    }

    /// `a + b`
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Add, a, b)
    }

    /// `a - b`
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Sub, a, b)
    }

    /// `a * b`
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Mul, a, b)
    }

    /// `a / b`
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Div, a, b)
    }

    /// `x^(num/den)`, reduced to lowest terms. `den >= 1`.
    pub fn pow(&mut self, x: NodeId, num: i32, den: u32) -> NodeId {
        let divisor = gcd(num.unsigned_abs(), den);
        let exponent = Exponent {
            num: num / divisor as i32,
            den: den / divisor,
        };
        self.unary(Unary::Pow(exponent), x)
    }

    /// `x^2`
    pub fn square(&mut self, x: NodeId) -> NodeId {
        self.pow(x, 2, 1)
    }

    /// `log(1 + e^x)`, written as `-log_sigmoid(-x)`
    pub fn softplus(&mut self, x: NodeId) -> NodeId {
        let negative = self.neg(x);
        let log_sigmoid = self.unary(Unary::LogSigmoid, negative);
        self.neg(log_sigmoid)
    }

    /// `x * (1 + erf(x/sqrt(2)))/2`
    pub fn gelu(&mut self, x: NodeId) -> NodeId {
        let half = self.fraction(1, 2);
        let root = self.unary(Unary::Sqrt, half);
        let scaled = self.mul(x, root);
        let erf = self.unary(Unary::Erf, scaled);
        let one = self.integer(1);
        let sum = self.add(one, erf);
        let halved = self.mul(half, sum);
        self.mul(x, halved)
    }

    /// Matrix product over the last two axes; both ranks at least 2.
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let shape = matmul_shape(self.shape(a), self.shape(b)).expect("matrix shapes fit");
        self.insert(Op::MatMul, &[a, b], &shape)
    }

    /// Reduction over one axis, which disappears.
    pub fn reduce(&mut self, op: Reduction, x: NodeId, axis: usize) -> NodeId {
        let mut shape = Shape::from_slice(self.shape(x));
        let length = shape.remove(axis);
        if length == 1 {
            return self.reshape(x, &shape);
        }
        self.insert(Op::Reduce(op, axis), &[x], &shape)
    }

    /// Reduction over all entries, to a scalar.
    pub fn reduce_all(&mut self, op: Reduction, x: NodeId) -> NodeId {
        let flat = self.flatten(x);
        self.reduce(op, flat, 0)
    }

    /// Sum of all entries.
    pub fn sum(&mut self, x: NodeId) -> NodeId {
        self.reduce_all(Reduction::Sum, x)
    }

    /// Mean of all entries.
    pub fn mean(&mut self, x: NodeId) -> NodeId {
        let count = size(self.shape(x)) as i64;
        let (sum, share) = (self.sum(x), self.fraction(1, count));
        self.mul(share, sum)
    }

    /// Inner product of two tensors of one shape.
    pub fn dot(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let product = self.mul(a, b);
        self.sum(product)
    }

    /// `sum(x^2)` over all entries.
    pub fn squared_norm(&mut self, x: NodeId) -> NodeId {
        let square = self.square(x);
        self.sum(square)
    }

    /// Euclidean norm of all entries.
    pub fn norm(&mut self, x: NodeId) -> NodeId {
        let squared = self.squared_norm(x);
        self.unary(Unary::Sqrt, squared)
    }

    /// A function along an axis, shape kept.
    pub fn along(&mut self, op: Along, x: NodeId, axis: usize) -> NodeId {
        let shape = Shape::from_slice(self.shape(x));
        self.insert(Op::Along(op, axis), &[x], &shape)
    }

    /// The same entries in row-major order under another shape of equal size.
    pub fn reshape(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        assert_eq!(
            size(self.shape(x)),
            size(shape),
            "reshape keeps the number of entries"
        );
        if self.shape(x) == shape {
            return x;
        }
        if self.node(x).op == Op::Reshape {
            let inner = self.node(x).args[0];
            return self.reshape(inner, shape);
        }
        if let Some(value) = self.scalar_under(x).cloned() {
            let scalar = self.rational(value);
            return self.broadcast_to(scalar, shape);
        }
        self.insert(Op::Reshape, &[x], shape)
    }

    /// All entries as one axis.
    pub fn flatten(&mut self, x: NodeId) -> NodeId {
        let length = size(self.shape(x));
        self.reshape(x, &[length])
    }

    /// Numpy's broadcast to a shape.
    pub fn broadcast_to(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        if self.shape(x) == shape {
            return x;
        }
        let fits = broadcast(self.shape(x), shape).is_some_and(|result| result.as_slice() == shape);
        assert!(fits, "broadcast to a larger shape");
        let x = if self.node(x).op == Op::Broadcast {
            self.node(x).args[0]
        } else {
            x
        };
        if self.shape(x) == shape {
            x
        } else {
            self.insert(Op::Broadcast, &[x], shape)
        }
    }

    /// Axis `i` of the result is axis `perm[i]` of `x`.
    pub fn permute(&mut self, x: NodeId, perm: &[usize]) -> NodeId {
        if perm.iter().enumerate().all(|(i, &axis)| i == axis) {
            return x;
        }
        if let Op::Permute(inner) = &self.node(x).op {
            let combined: Vec<usize> = perm.iter().map(|&axis| inner[axis]).collect();
            let arg = self.node(x).args[0];
            return self.permute(arg, &combined);
        }
        let shape: Shape = perm.iter().map(|&axis| self.shape(x)[axis]).collect();
        self.insert(Op::Permute(perm.to_vec()), &[x], &shape)
    }

    /// The last two axes swapped.
    pub fn transpose(&mut self, x: NodeId) -> NodeId {
        let rank = self.shape(x).len();
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(rank - 2, rank - 1);
        self.permute(x, &perm)
    }

    /// `count` entries `start, start + step, ...` of an axis; `step != 0`, all inside the axis.
    pub fn slice(&mut self, x: NodeId, axis: usize, start: usize, step: isize, count: usize) -> NodeId {
        let mut shape = Shape::from_slice(self.shape(x));
        if start == 0 && step == 1 && count == shape[axis] {
            return x;
        }
        let last = start as isize + step * (count as isize - 1);
        assert!(
            count > 0 && start < shape[axis] && last >= 0 && last < shape[axis] as isize,
            "slice inside the axis"
        );
        shape[axis] = count;
        self.insert(Op::Slice { axis, start, step }, &[x], &shape)
    }

    /// Zeros with `length` entries along `axis`, `x` written at `start, start + step, ...`.
    pub fn unslice(&mut self, x: NodeId, axis: usize, start: usize, step: isize, length: usize) -> NodeId {
        let mut shape = Shape::from_slice(self.shape(x));
        let last = start as isize + step * (shape[axis] as isize - 1);
        assert!(
            start < length && last >= 0 && last < length as isize,
            "unslice inside the axis"
        );
        if shape[axis] == length && start == 0 && step == 1 {
            return x;
        }
        shape[axis] = length;
        self.insert(Op::Unslice { axis, start, step }, &[x], &shape)
    }

    /// Arguments one after the other along an axis; at least one, equal in the other axes.
    pub fn concat(&mut self, parts: &[NodeId], axis: usize) -> NodeId {
        if let [only] = parts {
            return *only;
        }
        let mut shape = Shape::from_slice(self.shape(parts[0]));
        shape[axis] = 0;
        for &part in parts {
            let other = self.shape(part);
            assert!(
                other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]),
                "concat of equal shapes"
            );
            shape[axis] += other[axis];
        }
        self.insert(Op::Concat(axis), parts, &shape)
    }

    /// Sums over the axes that broadcasting added, so that the result has `shape`: the adjoint of
    /// [`Graph::broadcast_to`].
    pub fn sum_to(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        let mut x = x;
        while self.shape(x).len() > shape.len() {
            x = self.reduce(Reduction::Sum, x, 0);
        }
        for axis in 0..shape.len() {
            if shape[axis] == 1 && self.shape(x)[axis] != 1 {
                let mut kept = Shape::from_slice(self.shape(x));
                kept[axis] = 1;
                let reduced = self.reduce(Reduction::Sum, x, axis);
                x = self.reshape(reduced, &kept);
            }
        }
        x
    }
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}
