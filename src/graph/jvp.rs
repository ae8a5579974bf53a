//! Forward mode: the derivative of a node along a direction, as a node.
//!
//! `<grad f(w), u>` is a `jvp` of `f` along `u`: cheaper than a gradient and a dot product, and far
//! tighter in intervals, since the structure per data point survives.

use super::op::{Along, Input, Op, Reduction};
use super::{Graph, NodeId, Shape, derivative};

impl Graph {
    /// Derivative of `root` when the input moves along `direction` (shape `[p]`); the shape of
    /// `root`. Where `root` has a kink, the result encloses what the chain rule yields there.
    pub fn jvp(&mut self, root: NodeId, wrt: Input, direction: NodeId) -> NodeId {
        let depends = self.depends_on(wrt);
        let needed = self.reachable(&[root]);
        let mut tangents: Vec<Option<NodeId>> = vec![None; depends.len()];
        let visited: Vec<NodeId> = self.ids().take(root.index() + 1).collect();
        for id in visited {
            if needed[id.index()] && depends[id.index()] {
                tangents[id.index()] = self.push_forward(id, direction, &tangents);
            }
        }
        let shape = Shape::from_slice(self.shape(root));
        match tangents[root.index()] {
            Some(tangent) => self.broadcast_to(tangent, &shape),
            None => self.zeros(&shape),
        }
    }

    /// Tangent of a node from those of its arguments; `None` for zero.
    fn push_forward(&mut self, id: NodeId, direction: NodeId, tangents: &[Option<NodeId>]) -> Option<NodeId> {
        let node = self.node(id).clone();
        let tangent = |position: usize| tangents[node.args[position].index()];
        let moved = match node.op {
            Op::Input(_) => direction,
            Op::Constant(_) | Op::Pi | Op::Along(Along::ArgMax, _) => return None,
            Op::Unary(op) => {
                let t = tangent(0)?;
                let factor = derivative::unary(self, op, node.args[0], id)?;
                self.mul(factor, t)
            }
            Op::Binary(op) => {
                let (ta, tb) = (tangent(0), tangent(1));
                let (da, db) = derivative::binary(self, op, node.args[0], node.args[1], id);
                let first = ta.zip(da).map(|(t, d)| self.mul(d, t));
                let second = tb.zip(db).map(|(t, d)| self.mul(d, t));
                let sum = self.add_optional(first, second)?;
                self.broadcast_to(sum, &node.shape)
            }
            Op::MatMul => {
                let first = tangent(0).map(|t| self.matmul(t, node.args[1]));
                let second = tangent(1).map(|t| self.matmul(node.args[0], t));
                self.add_optional(first, second)?
            }
            Op::Reduce(op, axis) => {
                let t = tangent(0)?;
                let weighted = match op {
                    Reduction::Sum => t,
                    Reduction::Max => {
                        let weight = self.along(Along::ArgMax, node.args[0], axis);
                        self.mul(weight, t)
                    }
                    Reduction::LogSumExp => {
                        let weight = self.along(Along::Softmax, node.args[0], axis);
                        self.mul(weight, t)
                    }
                };
                self.reduce(Reduction::Sum, weighted, axis)
            }
            Op::Along(Along::Softmax, axis) => {
                let t = tangent(0)?;
                self.softmax_derivative(id, t, axis)
            }
            Op::Reshape => self.reshape(tangent(0)?, &node.shape),
            Op::Broadcast => self.broadcast_to(tangent(0)?, &node.shape),
            Op::Permute(ref perm) => self.permute(tangent(0)?, perm),
            Op::Slice { axis, start, step } => self.slice(tangent(0)?, axis, start, step, node.shape[axis]),
            Op::Unslice { axis, start, step } => {
                self.unslice(tangent(0)?, axis, start, step, node.shape[axis])
            }
            Op::Concat(axis) => {
                let parts: Vec<NodeId> = (0..node.args.len())
                    .map(|position| {
                        tangent(position).unwrap_or_else(|| {
                            let shape = Shape::from_slice(self.shape(node.args[position]));
                            self.zeros(&shape)
                        })
                    })
                    .collect();
                self.concat(&parts, axis)
            }
        };
        // a factor that is a scalar constant may have left a smaller shape
        Some(self.broadcast_to(moved, &node.shape))
    }

    fn add_optional(&mut self, a: Option<NodeId>, b: Option<NodeId>) -> Option<NodeId> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.add(a, b)),
            (a, b) => a.or(b),
        }
    }
}
