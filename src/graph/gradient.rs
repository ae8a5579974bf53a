//! Reverse mode: the gradient of a scalar node as a node.

use super::op::{Along, Input, Op, Reduction};
use super::{Graph, NodeId, Shape, derivative};

impl Graph {
    /// Gradient of the scalar `root` with respect to an input of shape `[dimension]`; the result has
    /// that shape. Where `root` has a kink, the result encloses what the chain rule yields there.
    pub fn gradient(&mut self, root: NodeId, wrt: Input, dimension: usize) -> NodeId {
        assert!(self.shape(root).is_empty(), "gradient of a scalar");
        let target = self.input(wrt, dimension);
        let depends = self.depends_on(wrt);
        let needed = self.reachable(&[root]);
        let mut adjoints: Vec<Option<NodeId>> = vec![None; depends.len()];
        adjoints[root.index()] = Some(self.integer(1));
        // only nodes that stood in the arena before this call are visited
        let mut visited: Vec<NodeId> = self.ids().take(depends.len()).collect();
        visited.reverse();
        for id in visited {
            if !needed[id.index()] || !depends[id.index()] || id == target {
                continue;
            }
            let Some(adjoint) = adjoints[id.index()] else {
                continue;
            };
            for (arg, contribution) in self.pull_back(id, adjoint, &depends) {
                let slot = &mut adjoints[arg.index()];
                let total = match *slot {
                    None => contribution,
                    Some(sum) => self.add(sum, contribution),
                };
                adjoints[arg.index()] = Some(total);
            }
        }
        let result = adjoints[target.index()];
        match result {
            Some(adjoint) => self.broadcast_to(adjoint, &[dimension]),
            None => self.zeros(&[dimension]),
        }
    }

    /// What the adjoint of a node adds to the adjoints of its arguments.
    fn pull_back(&mut self, id: NodeId, adjoint: NodeId, depends: &[bool]) -> Vec<(NodeId, NodeId)> {
        let node = self.node(id).clone();
        let wanted = |arg: NodeId| depends[arg.index()];
        let args = &node.args;
        match node.op {
            Op::Input(_) | Op::Constant(_) | Op::Pi => vec![],
            Op::Unary(op) => match derivative::unary(self, op, args[0], id) {
                Some(factor) => vec![(args[0], self.mul(adjoint, factor))],
                None => vec![],
            },
            Op::Binary(op) => {
                let (da, db) = derivative::binary(self, op, args[0], args[1], id);
                let mut pulled = vec![];
                for (arg, factor) in [(args[0], da), (args[1], db)] {
                    if let (Some(factor), true) = (factor, wanted(arg)) {
                        let product = self.mul(adjoint, factor);
                        let product = self.broadcast_to(product, &node.shape);
                        let shape = Shape::from_slice(self.shape(arg));
                        pulled.push((arg, self.sum_to(product, &shape)));
                    }
                }
                pulled
            }
            Op::MatMul => {
                let (a, b) = (args[0], args[1]);
                let mut pulled = vec![];
                if wanted(a) {
                    let transposed = self.transpose(b);
                    let product = self.matmul(adjoint, transposed);
                    let shape = Shape::from_slice(self.shape(a));
                    pulled.push((a, self.sum_to(product, &shape)));
                }
                if wanted(b) {
                    let transposed = self.transpose(a);
                    let product = self.matmul(transposed, adjoint);
                    let shape = Shape::from_slice(self.shape(b));
                    pulled.push((b, self.sum_to(product, &shape)));
                }
                pulled
            }
            Op::Reduce(op, axis) => {
                let spread = self.spread(adjoint, args[0], axis);
                let weight = match op {
                    Reduction::Sum => return vec![(args[0], spread)],
                    Reduction::Max => self.along(Along::ArgMax, args[0], axis),
                    Reduction::LogSumExp => self.along(Along::Softmax, args[0], axis),
                };
                vec![(args[0], self.mul(spread, weight))]
            }
            Op::Along(Along::Softmax, axis) => vec![(args[0], self.softmax_derivative(id, adjoint, axis))],
            Op::Along(Along::ArgMax, _) => vec![],
            Op::Reshape => {
                let shape = Shape::from_slice(self.shape(args[0]));
                vec![(args[0], self.reshape(adjoint, &shape))]
            }
            Op::Broadcast => {
                let shape = Shape::from_slice(self.shape(args[0]));
                vec![(args[0], self.sum_to(adjoint, &shape))]
            }
            Op::Permute(perm) => {
                let mut inverse = vec![0; perm.len()];
                for (i, &axis) in perm.iter().enumerate() {
                    inverse[axis] = i;
                }
                vec![(args[0], self.permute(adjoint, &inverse))]
            }
            Op::Slice { axis, start, step } => {
                let length = self.shape(args[0])[axis];
                vec![(args[0], self.unslice(adjoint, axis, start, step, length))]
            }
            Op::Unslice { axis, start, step } => {
                let count = self.shape(args[0])[axis];
                vec![(args[0], self.slice(adjoint, axis, start, step, count))]
            }
            Op::Concat(axis) => {
                let mut start = 0;
                let mut pulled = vec![];
                for &arg in args {
                    let count = self.shape(arg)[axis];
                    if wanted(arg) {
                        pulled.push((arg, self.slice(adjoint, axis, start, 1, count)));
                    }
                    start += count;
                }
                pulled
            }
        }
    }

    /// `x`, which lacks `axis` of `like`, repeated along it.
    pub(super) fn spread(&mut self, x: NodeId, like: NodeId, axis: usize) -> NodeId {
        let shape = Shape::from_slice(self.shape(like));
        let mut kept = shape.clone();
        kept[axis] = 1;
        let kept = self.reshape(x, &kept);
        self.broadcast_to(kept, &shape)
    }

    /// `s * (t - sum(s * t))` along the axis, for `s` a softmax: its Jacobian, which is symmetric,
    /// applied to `t`.
    pub(super) fn softmax_derivative(&mut self, s: NodeId, t: NodeId, axis: usize) -> NodeId {
        let product = self.mul(s, t);
        let mean = self.reduce(Reduction::Sum, product, axis);
        let mean = self.spread(mean, s, axis);
        let centred = self.sub(t, mean);
        self.mul(s, centred)
    }
}
