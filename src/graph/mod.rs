//! The hub of the flow: a small tensor graph with static shapes, a deduplicated arena of nodes.
//!
//! The expression language and captured Burn models build it, the transforms ([`gradient`], [`jvp`],
//! [`substitute`]) extend it, the evaluators in [`crate::eval`] and [`crate::burn`] run it. Arguments
//! always stand before the nodes that use them, so every walk is a loop over positions, never a
//! recursion.

pub mod build;
mod derivative;
pub mod fold;
pub mod gradient;
pub mod jvp;
pub mod op;
pub mod print;
pub mod substitute;

use std::collections::HashMap;
use std::sync::Arc;

use dashu_ratio::RBig;
use smallvec::SmallVec;

use op::{Domain, Input, Op};

/// Sizes of the axes; empty for a scalar.
pub type Shape = SmallVec<[usize; 4]>;

/// Number of entries of a tensor of this shape.
pub fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Handle of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// Position in the arena; arguments have smaller positions than the nodes that use them.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation applied to earlier nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// what is computed
    pub op: Op,
    /// from which nodes
    pub args: SmallVec<[NodeId; 2]>,
    /// sizes of the axes of the result
    pub shape: Shape,
}

/// A gradient that an outside engine supplies as [`Input::Gradient`]: that of `function`, a scalar of
/// [`Input::W`], at `point`, a node of shape `[p]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientRequest {
    /// scalar root in terms of `Input::W`
    pub function: NodeId,
    /// where the gradient is taken, in terms of `Input::W` and `Input::V`
    pub point: NodeId,
}

/// A constant of the graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// an exact scalar
    Rational(RBig),
    /// exact entries, row-major
    Exact(Arc<[RBig]>),
    /// binary64 entries, taken exactly, row-major, all finite
    Data(Arc<[f64]>),
}

/// What is known of a node from its arguments.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// defined for every input
    total: bool,
    /// depends on some [`Op::Input`]
    variable: bool,
}

/// The arena. Equal nodes are stored once.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    facts: Vec<Facts>,
    constants: Vec<Constant>,
    index: HashMap<Node, NodeId>,
    rationals: HashMap<RBig, u32>,
    entries: usize,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// The node behind a handle.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Sizes of the axes of a node.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.index()].shape
    }

    /// A constant by its position in the table.
    pub fn constant(&self, position: u32) -> &Constant {
        &self.constants[position as usize]
    }

    /// Number of nodes in the arena.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Entries of all nodes together: what one evaluation of everything stores.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Whether the arena holds no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Handles of all nodes, arguments first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Whether the node is defined for every value of the inputs.
    pub fn is_total(&self, id: NodeId) -> bool {
        self.facts[id.index()].total
    }

    /// Whether the node depends on an input.
    pub fn is_variable(&self, id: NodeId) -> bool {
        self.facts[id.index()].variable
    }

    /// The exact value of a scalar rational constant.
    pub fn as_rational(&self, id: NodeId) -> Option<&RBig> {
        match self.node(id).op {
            Op::Constant(position) => match &self.constants[position as usize] {
                Constant::Rational(value) => Some(value),
                Constant::Exact(_) | Constant::Data(_) => None,
            },
            _ => None,
        }
    }

    /// For each node of the arena, whether one of `roots` needs it.
    pub fn reachable(&self, roots: &[NodeId]) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for root in roots {
            needed[root.index()] = true;
        }
        for position in (0..self.nodes.len()).rev() {
            if needed[position] {
                for arg in &self.nodes[position].args {
                    needed[arg.index()] = true;
                }
            }
        }
        needed
    }

    /// Whether every operation that the node needs is continuous.
    pub fn is_continuous(&self, root: NodeId) -> bool {
        let needed = self.reachable(&[root]);
        self.ids()
            .take(needed.len())
            .all(|id| !needed[id.index()] || self.node(id).op.row().continuous)
    }

    /// For each node of the arena, whether it depends on `input`.
    pub fn depends_on(&self, input: Input) -> Vec<bool> {
        let mut depends = vec![false; self.nodes.len()];
        for (position, node) in self.nodes.iter().enumerate() {
            depends[position] =
                node.op == Op::Input(input) || node.args.iter().any(|arg| depends[arg.index()]);
        }
        depends
    }

    /// Adds a node as it stands, or finds its equal. The caller has checked the shapes.
    fn insert(&mut self, op: Op, args: &[NodeId], shape: &[usize]) -> NodeId {
        let node = Node {
            op,
            args: SmallVec::from_slice(args),
            shape: Shape::from_slice(shape),
        };
        if let Some(&id) = self.index.get(&node) {
            return id;
        }
        let facts = Facts {
            total: node.op.row().domain == Domain::Total && args.iter().all(|arg| self.is_total(*arg)),
            variable: matches!(node.op, Op::Input(_)) || args.iter().any(|arg| self.is_variable(*arg)),
        };
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.entries = self.entries.saturating_add(size(shape));
        self.index.insert(node.clone(), id);
        self.nodes.push(node);
        self.facts.push(facts);
        id
    }

    fn insert_constant(&mut self, constant: Constant, shape: &[usize]) -> NodeId {
        if let Constant::Rational(value) = &constant
            && let Some(&position) = self.rationals.get(value)
        {
            return self.insert(Op::Constant(position), &[], shape);
        }
        let position = self.constants.len() as u32;
        if let Constant::Rational(value) = &constant {
            self.rationals.insert(value.clone(), position);
        }
        self.constants.push(constant);
        self.insert(Op::Constant(position), &[], shape)
    }
}
