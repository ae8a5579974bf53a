//! Replacing inputs by nodes: `f(v)` from `f(w)`, a fixed comparator for `v`.

use super::op::{Input, Op};
use super::{Graph, NodeId};

impl Graph {
    /// The node with every listed input replaced; each replacement has the input's shape.
    pub fn substitute(&mut self, root: NodeId, map: &[(Input, NodeId)]) -> NodeId {
        self.substitute_all(&[root], map)[0]
    }

    /// [`Graph::substitute`] for several nodes that may share parts.
    pub fn substitute_all(&mut self, roots: &[NodeId], map: &[(Input, NodeId)]) -> Vec<NodeId> {
        let images = vec![None; self.len()];
        self.images(roots, map, images)
    }

    /// The node with other nodes in place of some that it needs, of the same shapes.
    pub fn replace(&mut self, root: NodeId, map: &[(NodeId, NodeId)]) -> NodeId {
        let mut images = vec![None; self.len()];
        for (from, to) in map {
            assert_eq!(
                self.shape(*to),
                self.shape(*from),
                "a replacement has the shape of its node"
            );
            images[from.index()] = Some(*to);
        }
        self.images(&[root], &[], images)[0]
    }

    /// The images of the roots, where those of some nodes are known and some inputs are replaced.
    fn images(
        &mut self,
        roots: &[NodeId],
        map: &[(Input, NodeId)],
        mut images: Vec<Option<NodeId>>,
    ) -> Vec<NodeId> {
        let needed = self.reachable(roots);
        let visited: Vec<NodeId> = self.ids().take(needed.len()).collect();
        for id in visited {
            if needed[id.index()] && images[id.index()].is_none() {
                images[id.index()] = Some(self.image(id, map, &images));
            }
        }
        roots
            .iter()
            .map(|root| images[root.index()].unwrap_or(*root))
            .collect()
    }

    fn image(&mut self, id: NodeId, map: &[(Input, NodeId)], images: &[Option<NodeId>]) -> NodeId {
        let node = self.node(id);
        if let Op::Input(input) = node.op {
            let found = map.iter().find(|(from, _)| *from == input).map(|(_, to)| *to);
            if let Some(to) = found {
                assert_eq!(
                    self.shape(to),
                    self.shape(id),
                    "a replacement has the shape of its input"
                );
            }
            return found.unwrap_or(id);
        }
        let args: Vec<NodeId> = node
            .args
            .iter()
            .map(|arg| images[arg.index()].unwrap_or(*arg))
            .collect();
        if args.as_slice() == node.args.as_slice() {
            return id;
        }
        let node = node.clone();
        match node.op {
            Op::Input(_) | Op::Constant(_) | Op::Pi => id,
            Op::Unary(op) => self.unary(op, args[0]),
            Op::Binary(op) => self.binary(op, args[0], args[1]),
            Op::MatMul => self.matmul(args[0], args[1]),
            Op::Reduce(op, axis) => self.reduce(op, args[0], axis),
            Op::Along(op, axis) => self.along(op, args[0], axis),
            Op::Reshape => self.reshape(args[0], &node.shape),
            Op::Broadcast => self.broadcast_to(args[0], &node.shape),
            Op::Permute(ref perm) => self.permute(args[0], perm),
            Op::Slice { axis, start, step } => self.slice(args[0], axis, start, step, node.shape[axis]),
            Op::Unslice { axis, start, step } => self.unslice(args[0], axis, start, step, node.shape[axis]),
            Op::Concat(axis) => self.concat(&args, axis),
        }
    }
}
