//! The proof tree: how the root box is split, and which rule settles each part.
//!
//! As text it stands in preorder: `3/` splits coordinate 3 of the free coordinates (`w` first) at the
//! [`middle`] of its range, `3:17/` at 17/64 of it ([`Split`]), the lower part comes first; a letter is a box that a rule of
//! [`Rule`] settles. `n` alone is a proof by one evaluation over the whole region.

use serde::{Deserialize, Serialize};

/// Longest tree that a certificate holds, in bytes.
pub const MAX_TEXT: usize = 16_000_000;

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
    /// the same around the [`optimal_center`] of the face
    OptimalCenter,
    /// Taylor's formula of second order around the middle of the box; for parts of a lifted claim
    SecondOrder,
    /// Taylor's formula around the zero of one variable, where the function and its first derivatives in
    /// that variable vanish identically; for parts of a lifted claim
    Vanishing,
    /// the same, with that derivative bounded by Taylor's formula of second order
    VanishingSecondOrder,
    /// the Hessian is positive semidefinite all over the box; only in trees of that rule
    Hessian,
    /// the least second derivatives of ridge functions make a matrix that is positive semidefinite; only as
    /// the one leaf of a tree of that rule
    Ridges,
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
            Rule::OptimalCenter => 'o',
            Rule::SecondOrder => 's',
            Rule::Vanishing => 'z',
            Rule::VanishingSecondOrder => 'y',
            Rule::Hessian => 'h',
            Rule::Ridges => 'r',
        }
    }
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 11] = [
        Rule::Discard,
        Rule::Natural,
        Rule::MeanValue,
        Rule::Face,
        Rule::FaceMeanValue,
        Rule::OptimalCenter,
        Rule::SecondOrder,
        Rule::Vanishing,
        Rule::VanishingSecondOrder,
        Rule::Hessian,
        Rule::Ridges,
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

/// The number `c` of a range around which the mean value form of a function with slopes from `least` to `most` has the largest
/// lower bound, as far as the slopes tell (Baumann 1988, "Optimal centered forms"): where what may be lost on both sides is
/// the same, `most (lo - c) = least (hi - c)`. An end where the slopes have one sign; the middle where they are not finite.
pub fn optimal_center([lo, hi]: [f64; 2], (least, most): (f64, f64)) -> f64 {
    let share = most / (most - least);
    let center = if least >= 0.0 {
        lo
    } else if most <= 0.0 {
        hi
    } else if share.is_finite() {
        share * lo + (1.0 - share) * hi
    } else {
        0.5 * lo + 0.5 * hi
    };
    center.clamp(lo, hi)
}

/// Parts of a range that splits are counted in.
pub const PARTS: u8 = 64;

/// Where a box is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// which coordinate
    pub coordinate: usize,
    /// how many of [`PARTS`] parts of its range lie below the cut
    pub part: u8,
}

impl Split {
    /// In the middle of a range.
    pub fn halving(coordinate: usize) -> Split {
        Split {
            coordinate,
            part: PARTS / 2,
        }
    }

    /// Where the range of the coordinate is cut, by the prover and by `verify`: its [`middle`], or the ends
    /// weighted in binary64. `None` where that is not strictly inside.
    pub fn cut(self, lo: f64, hi: f64) -> Option<f64> {
        if self.part == PARTS / 2 {
            return middle(lo, hi);
        }
        let share = f64::from(self.part) / f64::from(PARTS);
        let cut = (1.0 - share) * lo + share * hi;
        (lo < cut && cut < hi).then_some(cut)
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.part == PARTS / 2 {
            write!(f, "{}/", self.coordinate)
        } else {
            write!(f, "{}:{}/", self.coordinate, self.part)
        }
    }
}

/// Boxes of a tree, split ones included: each is a letter, or a split with its stroke.
pub fn boxes(text: &str) -> u64 {
    text.bytes()
        .filter(|byte| !byte.is_ascii_digit() && *byte != b':')
        .count() as u64
}

/// A box of the tree.
#[derive(Clone, Copy, Debug)]
enum Node {
    /// not settled
    Open,
    /// settled by a rule
    Leaf(Rule),
    /// split along a coordinate; the parts are this node and the next
    Split { split: Split, lower: usize },
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

    /// Splits an open box; returns the position of the lower part, the upper is next.
    pub fn split(&mut self, node: usize, split: Split) -> usize {
        let lower = self.nodes.len();
        self.nodes[node] = Node::Split { split, lower };
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
                Node::Split { split, lower } => {
                    text.push_str(&split.to_string());
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
        let lower = tree.split(Tree::ROOT, Split::halving(12));
        tree.settle(lower + 1, Rule::Discard);
        let quarter = Split {
            coordinate: 0,
            part: 16,
        };
        let inner = tree.split(lower, quarter);
        tree.settle(inner, Rule::Natural);
        assert_eq!(tree.text(), None);
        tree.settle(inner + 1, Rule::MeanValue);
        assert_eq!(tree.text().unwrap(), "12/0:16/nmd");
        assert_eq!(boxes("12/0:16/nmd"), 5);
    }

    #[test]
    fn cuts_lie_strictly_inside() {
        let split = |part| Split { coordinate: 0, part };
        assert_eq!(split(16).cut(-1.0, 3.0), Some(0.0));
        assert_eq!(split(48).cut(-1.0, 3.0), Some(2.0));
        assert_eq!(split(32).cut(-1.0, 3.0), middle(-1.0, 3.0));
        for part in [0, 64, 65, 255] {
            assert_eq!(split(part).cut(-1.0, 3.0), None);
        }
        assert_eq!(split(1).cut(1.0, 1.0f64.next_up()), None);
        assert_eq!(split(1).cut(f64::NEG_INFINITY, 1.0), None);
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
