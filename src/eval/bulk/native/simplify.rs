//! Operations that are needed, each once, without those that change nothing.

use std::collections::HashMap;

use super::trace::{Id, Node, Two};

const MINUS_ZERO: u64 = (-0.0f64).to_bits();
const ONE: u64 = 1.0f64.to_bits();

/// The operations that these results need, and the results among them. The numbers have the same bits, but for those of NaN.
pub(super) fn simplify(nodes: &[Node], results: &[Id]) -> (Vec<Node>, Vec<Id>) {
    let (nodes, results) = rewrite(nodes, results, Simple::simplified);
    // without those that were taken into others
    rewrite(&nodes, &results, Simple::add)
}

/// The operations that the results need, each as it is added to those before.
fn rewrite(nodes: &[Node], results: &[Id], add: fn(&mut Simple, Node) -> Id) -> (Vec<Node>, Vec<Id>) {
    let mut needed = vec![false; nodes.len()];
    results.iter().for_each(|id| needed[*id as usize] = true);
    for id in (0..nodes.len()).rev() {
        if needed[id] {
            nodes[id]
                .operands()
                .iter()
                .for_each(|operand| needed[*operand as usize] = true);
        }
    }
    let mut simple = Simple::default();
    let mut new = vec![0; nodes.len()];
    for (id, node) in nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        let mut node = *node;
        node.operands_mut()
            .iter_mut()
            .for_each(|operand| *operand = new[*operand as usize]);
        new[id] = add(&mut simple, node);
    }
    (simple.nodes, results.iter().map(|id| new[*id as usize]).collect())
}

#[derive(Default)]
struct Simple {
    nodes: Vec<Node>,
    known: HashMap<Node, Id>,
}

impl Simple {
    fn simplified(&mut self, node: Node) -> Id {
        match node {
            Node::Two(op, [x, y]) => match (op, self.number(x), self.number(y)) {
                // exact, whatever the other
                (Two::Add, Some(MINUS_ZERO), _) | (Two::Mul, Some(ONE), _) => y,
                (Two::Add, _, Some(MINUS_ZERO))
                | (Two::Sub, _, Some(0))
                | (Two::Mul | Two::Div, _, Some(ONE)) => x,
                _ => self.add(node),
            },
            Node::MulAdd([x, y, sum]) => match (self.number(x), self.number(y), self.number(sum)) {
                (_, _, Some(MINUS_ZERO)) => self.simplified(Node::Two(Two::Mul, [x, y])),
                (Some(ONE), ..) => self.simplified(Node::Two(Two::Add, [y, sum])),
                (_, Some(ONE), _) => self.simplified(Node::Two(Two::Add, [x, sum])),
                _ => match (self.negative_of(x), self.negative_of(y)) {
                    (Some(x), _) => self.add(Node::SubMul([x, y, sum])),
                    (_, Some(y)) => self.add(Node::SubMul([x, y, sum])),
                    (None, None) => self.add(node),
                },
            },
            _ => self.add(node),
        }
    }

    /// The operation, unless it is there already.
    fn add(&mut self, node: Node) -> Id {
        let next = self.nodes.len() as Id;
        let id = *self.known.entry(node).or_insert(next);
        if id == next {
            self.nodes.push(node);
        }
        id
    }

    fn number(&self, id: Id) -> Option<u64> {
        match self.nodes[id as usize] {
            Node::Number(bits) => Some(bits),
            _ => None,
        }
    }

    /// What it is the negative of.
    fn negative_of(&self, id: Id) -> Option<Id> {
        match self.nodes[id as usize] {
            Node::Two(Two::Sub, [zero, x]) if self.number(zero) == Some(MINUS_ZERO) => Some(x),
            _ => None,
        }
    }
}
