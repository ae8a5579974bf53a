//! The proof tree: how the root box is split, and which rule settles each part.
//!
//! As text it stands in preorder: `3/` splits coordinate 3 of the free coordinates (`w` first) at the
//! [`middle`] of its range, the lower half comes first; a letter is a box that a rule of
//! [`Rule`] settles. `n` alone is a proof by one evaluation over the whole region.

use serde::{Deserialize, Serialize};

/// Longest tree that a certificate holds, in bytes.
pub const MAX_TEXT: usize = 4_000_000;

/// How a box was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// outside the region: some inequality of the region fails all over the box
    Discard,
    /// the enclosure of the slack over the box
    Natural,
    /// mean value form around the middle of the box
    MeanValue,
    /// the enclosure over the face on which monotone coordinates are at their bound
    Face,
    /// mean value form on that face
    FaceMeanValue,
    /// Taylor's formula of second order around the middle of the box; for parts of a lifted claim
    SecondOrder,
    /// Taylor's formula around the zero of one variable, where the function and its first derivatives in
    /// that variable vanish identically; for parts of a lifted claim
    Vanishing,
    /// the same, with that derivative bounded by Taylor's formula of second order
    VanishingSecondOrder,
    /// the Hessian is positive semidefinite all over the box; only in trees of that rule
    Hessian,
}

impl Rule {
    /// The letter in the text of a tree.
    pub fn letter(self) -> char {
        match self {
            Rule::Discard => 'd',
            Rule::Natural => 'n',
            Rule::MeanValue => 'm',
            Rule::Face => 't',
            Rule::FaceMeanValue => 'u',
            Rule::SecondOrder => 's',
            Rule::Vanishing => 'z',
            Rule::VanishingSecondOrder => 'y',
            Rule::Hessian => 'h',
        }
    }
}

impl Rule {
    const ALL: [Rule; 9] = [
        Rule::Discard,
        Rule::Natural,
        Rule::MeanValue,
        Rule::Face,
        Rule::FaceMeanValue,
        Rule::SecondOrder,
        Rule::Vanishing,
        Rule::VanishingSecondOrder,
        Rule::Hessian,
    ];

    /// The rule of a letter, if there is one.
    pub fn of_letter(letter: char) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.letter() == letter)
    }
}

/// Where a range is cut, by the prover and by `verify`: the mean of its ends, each halved in binary64
/// and the sum rounded to nearest. `None` where no binary64 number lies strictly inside.
pub fn middle(lo: f64, hi: f64) -> Option<f64> {
    let middle = 0.5 * lo + 0.5 * hi;
    (lo < middle && middle < hi).then_some(middle)
}

/// A box of the tree.
#[derive(Clone, Copy, Debug)]
enum Node {
    /// not settled
    Open,
    /// settled by a rule
    Leaf(Rule),
    /// split along a coordinate; the halves are this node and the next
    Split { coordinate: usize, lower: usize },
}

/// A tree that grows.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            nodes: vec![Node::Open],
        }
    }
}

impl Tree {
    /// Position of the root.
    pub const ROOT: usize = 0;

    /// Settles an open box.
    pub fn settle(&mut self, node: usize, rule: Rule) {
        self.nodes[node] = Node::Leaf(rule);
    }

    /// Splits an open box; returns the position of the lower half, the upper is next.
    pub fn split(&mut self, node: usize, coordinate: usize) -> usize {
        let lower = self.nodes.len();
        self.nodes[node] = Node::Split { coordinate, lower };
        self.nodes.extend([Node::Open, Node::Open]);
        lower
    }

    /// The text, where every box is settled and it is not too long.
    pub fn text(&self) -> Option<String> {
        let mut text = String::new();
        let mut pending = vec![Tree::ROOT];
        while let Some(node) = pending.pop() {
            match self.nodes[node] {
                Node::Open => return None,
                Node::Leaf(rule) => text.push(rule.letter()),
                Node::Split { coordinate, lower } => {
                    text.push_str(&format!("{coordinate}/"));
                    pending.extend([lower + 1, lower]);
                }
            }
            if text.len() > MAX_TEXT {
                return None;
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preorder() {
        let mut tree = Tree::default();
        assert_eq!(tree.text(), None);
        let lower = tree.split(Tree::ROOT, 12);
        tree.settle(lower + 1, Rule::Discard);
        let inner = tree.split(lower, 0);
        tree.settle(inner, Rule::Natural);
        assert_eq!(tree.text(), None);
        tree.settle(inner + 1, Rule::MeanValue);
        assert_eq!(tree.text().unwrap(), "12/0/nmd");
    }

    #[test]
    fn the_middle_lies_strictly_inside() {
        assert_eq!(middle(-1.0, 3.0), Some(1.0));
        assert_eq!(middle(-f64::MAX, f64::MAX), Some(0.0));
        assert_eq!(middle(1.0, 1.0f64.next_up()), None);
        assert_eq!(middle(0.0, 5e-324), None);
        assert_eq!(middle(2.0, 2.0), None);
        assert_eq!(middle(f64::NEG_INFINITY, f64::INFINITY), None);
    }
}
