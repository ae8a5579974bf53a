//! Replay of proofs in the checker arithmetic.
//!
//! Nothing is taken from the certificate but the rule and the tree: slack, gradient and region come from
//! the case, and the root box is computed here. A split replaces a box by two that cover it, so that the leaves
//! of a complete walk cover the root; each leaf is bounded by the rule that its letter names.

pub mod lifting;

use dashu_ratio::RBig;
use rayon::prelude::*;

use crate::claim::Claim;
use crate::engine::enclose::{Slack, root_box};
use crate::engine::prove::bound::taylor;
use crate::engine::prove::convexity::hessian::Hessian;
use crate::engine::prove::convexity::{self, CONVEXITY, GAP, HESSIAN, Question, gap, ridge};
use crate::engine::prove::smooth::Smooth;
use crate::engine::prove::tree::{MAX_TEXT, PARTS, Rule, Split, boxes as boxes_of, optimal_center};
use crate::engine::prove::{self, Proof, RULE, allowed_boxes};
use crate::eval::checker::{CheckerArithmetic, Enclosure};
use crate::eval::interval::Interval;
use crate::eval::tensor::Evaluator;
use crate::eval::{Arithmetic, RigorousArithmetic};
use crate::graph::op::{Binary, Input};

/// Leaves that are bounded together.
const BATCH: usize = 4096;
/// Bits of the checker arithmetic that a box is tried with, one after the other: each is rigorous.
const PRECISIONS: [usize; 2] = [CheckerArithmetic::SHORT, CheckerArithmetic::PRECISION];

/// What a tree turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// boxes, split ones included
    pub boxes: u64,
    /// most splits above a leaf
    pub depth: u32,
}

/// One end of a box and the other, for every coordinate.
pub type Ranges = Vec<[f64; 2]>;

/// Replays a proof by the rule that it names.
///
/// # Errors
/// A sentence that says what is wrong with it; a rule that is not known is wrong.
pub fn replay(claim: &Claim, proof: &Proof) -> Result<Replayed, String> {
    match (proof.rule.as_str(), &proof.lifting) {
        (RULE, None) => replay_tree(claim, &proof.tree),
        (HESSIAN, None) => replay_hessian(claim, &proof.tree),
        (CONVEXITY, None) if proof.tree.is_empty() => replay_convexity(claim),
        (GAP, None) if proof.tree.is_empty() => replay_gap(claim),
        (prove::lifting::RULE, Some(parts)) if proof.tree.is_empty() => lifting::replay(claim, parts),
        (RULE | HESSIAN | CONVEXITY | GAP | prove::lifting::RULE, _) => {
            Err("its proof and the rule it names do not fit".to_owned())
        }
        (other, _) => Err(format!(
            "it rests on a rule that this program does not know: {other:?}"
        )),
    }
}

/// Replays a tree of boxes of the coordinates that vary.
///
/// # Errors
/// A sentence that says what is wrong with the tree.
pub fn replay_tree(claim: &Claim, tree: &str) -> Result<Replayed, String> {
    let Some(root) = root_box(claim, CheckerArithmetic::new()) else {
        return Err("the region has no bounded hull".to_owned());
    };
    let judges = PRECISIONS.map(|precision| SlackJudge::new(claim, precision));
    let operations = judges[0].operations();
    follow(tree, &root, &judges, operations)
}

/// Redoes a proof by the composition of curvatures, which needs no tree.
///
/// # Errors
/// A sentence that says why the claim does not follow.
pub fn replay_convexity(claim: &Claim) -> Result<Replayed, String> {
    let question = convexity_question(claim)?;
    if !convexity::not_composed(claim, &question, &CheckerArithmetic::new()).is_empty() {
        return Err("the rules of composition do not show every function to be convex".to_owned());
    }
    Ok(Replayed { boxes: 1, depth: 0 })
}

/// Redoes a proof by the gap over the tangent, which needs no tree.
///
/// # Errors
/// A sentence that says that the claim does not follow.
pub fn replay_gap(claim: &Claim) -> Result<Replayed, String> {
    if !gap::holds(claim, CheckerArithmetic::new()) {
        return Err("the claim does not follow from the curvature of a convex function".to_owned());
    }
    Ok(Replayed { boxes: 1, depth: 0 })
}

/// Replays a tree of boxes of one point, on each of which the Hessians are positive semidefinite, or the one
/// letter of the rule of ridge functions. Where there are several functions, the rules of composition may
/// settle some of them.
///
/// # Errors
/// A sentence that says what is wrong with the tree, or why the claim does not follow.
pub fn replay_hessian(claim: &Claim, tree: &str) -> Result<Replayed, String> {
    let mut question = convexity_question(claim)?;
    if question.functions.len() > 1 {
        question.functions = convexity::not_composed(claim, &question, &CheckerArithmetic::new());
    }
    if tree == Rule::Ridges.letter().to_string() {
        if !ridge::are_convex(claim, &question, CheckerArithmetic::new()) {
            return Err("the ridge functions do not show every function to be convex".to_owned());
        }
        return Ok(Replayed { boxes: 1, depth: 0 });
    }
    let judges: Option<Vec<_>> = PRECISIONS
        .into_iter()
        .map(|precision| Hessian::new(claim, &question, CheckerArithmetic::with_precision(precision)))
        .collect();
    let judges = judges.ok_or("the claim is too large for the rule of the Hessian")?;
    let operations = judges.first().map_or(0, |judge| judge.operations());
    follow(tree, &question.ranges, &judges, operations)
}

fn convexity_question(claim: &Claim) -> Result<Question, String> {
    convexity::question(claim, CheckerArithmetic::new())
        .ok_or_else(|| "the claim does not follow from the convexity of a function".to_owned())
}

/// Checks the size of a tree, then its leaves.
fn follow<J: Judge>(
    tree: &str,
    root: &[Interval],
    judges: &[J],
    operations: u64,
) -> Result<Replayed, String> {
    if tree.len() > MAX_TEXT {
        return Err("the proof tree is too long".to_owned());
    }
    let boxes = boxes_of(tree);
    if boxes > allowed_boxes(operations, root.len()).max(1) {
        return Err("the proof tree has more boxes than the prover ever makes".to_owned());
    }
    let root = root.iter().map(|range| [range.lo, range.hi]).collect();
    let depth = settle(tree, root, judges)?;
    Ok(Replayed { boxes, depth })
}

/// Walks a tree from a box; every leaf must be settled by the rule that its letter names, as one of the judges
/// finds. Returns the most splits above a leaf.
fn settle<J: Judge>(tree: &str, root: Ranges, judges: &[J]) -> Result<u32, String> {
    let mut walk = Walk::new(tree, root);
    let threads = rayon::current_num_threads();
    let mut workers: Vec<Vec<J>> = vec![judges.to_vec(); threads];
    let mut batch: Vec<(Ranges, char)> = Vec::new();
    while !walk.finished {
        batch.push(walk.next_leaf()?);
        if batch.len() == BATCH || walk.finished {
            let open = |judges: &mut Vec<J>, (ranges, letter): &(Ranges, char)| {
                !judges.iter_mut().any(|judge| judge.settles(ranges, *letter))
            };
            let bad = workers
                .par_iter_mut()
                .zip(batch.par_chunks(batch.len().div_ceil(threads)))
                .find_map_first(|(judges, leaves)| leaves.iter().find(|leaf| open(judges, leaf)));
            if let Some((ranges, letter)) = bad {
                let shown = &ranges[..ranges.len().min(8)];
                return Err(format!("rule `{letter}` does not settle the box {shown:?}"));
            }
            batch.clear();
        }
    }
    if !walk.rest.is_empty() {
        return Err("the proof tree goes on after its last box".to_owned());
    }
    Ok(walk.depth)
}

/// The boxes that a tree does not split further, with their letters, for a picture; nothing is checked of them.
///
/// # Errors
/// A sentence that says what is wrong with the tree, or that it has more than `most` such boxes.
pub fn leaves(tree: &str, root: Ranges, most: usize) -> Result<Vec<(Ranges, char)>, String> {
    let mut walk = Walk::new(tree, root);
    let mut found = Vec::new();
    while !walk.finished {
        if found.len() == most {
            return Err("the tree has too many boxes".to_owned());
        }
        found.push(walk.next_leaf()?);
    }
    Ok(found)
}

/// A split on the way from the root to the current box.
struct Frame {
    coordinate: usize,
    range: [f64; 2],
    cut: f64,
    upper: bool,
}

/// The walk through the tree in preorder, with one box that is narrowed and widened again.
struct Walk<'a> {
    rest: &'a str,
    ranges: Ranges,
    frames: Vec<Frame>,
    depth: u32,
    finished: bool,
}

impl Walk<'_> {
    /// At the root of a tree over a box.
    fn new(tree: &str, ranges: Ranges) -> Walk<'_> {
        Walk {
            rest: tree,
            ranges,
            frames: Vec::new(),
            depth: 0,
            finished: false,
        }
    }

    /// Goes down to the next leaf, and on to the box after it.
    fn next_leaf(&mut self) -> Result<(Ranges, char), String> {
        while self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            self.split()?;
        }
        let letter = self.rest.chars().next().ok_or("the proof tree ends too early")?;
        self.rest = &self.rest[letter.len_utf8()..];
        self.depth = self.depth.max(self.frames.len() as u32);
        let leaf = (self.ranges.clone(), letter);
        self.finished = true;
        while let Some(frame) = self.frames.last_mut() {
            if frame.upper {
                self.ranges[frame.coordinate] = frame.range;
                self.frames.pop();
            } else {
                frame.upper = true;
                self.ranges[frame.coordinate] = [frame.cut, frame.range[1]];
                self.finished = false;
                break;
            }
        }
        Ok(leaf)
    }

    fn split(&mut self) -> Result<(), String> {
        let (split, rest) = self.rest.split_once('/').ok_or("a split without its stroke")?;
        let (coordinate, part) = match split.split_once(':') {
            Some((coordinate, part)) => (coordinate, part.parse().map_err(|_| "a split of no part")?),
            None => (split, PARTS / 2),
        };
        let split_at = Split {
            coordinate: coordinate.parse().map_err(|_| "a split of no coordinate")?,
            part,
        };
        // as the prover writes it: no sign, no leading zero
        let written = &self.rest[..=split.len()];
        if split_at.to_string() != written || split_at.coordinate >= self.ranges.len() {
            return Err("a split of no coordinate".to_owned());
        }
        let coordinate = split_at.coordinate;
        let range = self.ranges[coordinate];
        let cut = split_at
            .cut(range[0], range[1])
            .ok_or("a split of a range that has no number there")?;
        self.frames.push(Frame {
            coordinate,
            range,
            cut,
            upper: false,
        });
        self.ranges[coordinate] = [range[0], cut];
        self.rest = rest;
        Ok(())
    }
}

/// Decides whether a rule settles a box.
trait Judge: Clone + Send + Sync {
    /// Whether the rule with this letter settles the box.
    fn settles(&mut self, ranges: &[[f64; 2]], letter: char) -> bool;
}

impl Judge for Hessian<CheckerArithmetic> {
    fn settles(&mut self, ranges: &[[f64; 2]], letter: char) -> bool {
        let ranges: Vec<Interval> = ranges.iter().map(|&[lo, hi]| Interval::new(lo, hi)).collect();
        letter == Rule::Hessian.letter() && self.is_positive(&ranges)
    }
}

/// Bounds the slack over boxes.
#[derive(Clone)]
struct SlackJudge {
    inputs: Vec<Input>,
    dimension: usize,
    floor: RBig,
    arithmetic: CheckerArithmetic,
    slack: Slack<CheckerArithmetic>,
    gradient: Evaluator<CheckerArithmetic>,
    membership: Evaluator<CheckerArithmetic>,
    memberships: usize,
    smooth: Option<Smooth<CheckerArithmetic>>,
}

impl SlackJudge {
    fn new(claim: &Claim, precision: usize) -> SlackJudge {
        let mut graph = claim.graph.clone();
        let inputs = claim.region.inputs();
        let gradients: Vec<_> = inputs
            .iter()
            .map(|&input| graph.gradient(claim.slack, input, claim.dimension))
            .collect();
        let arithmetic = || CheckerArithmetic::with_precision(precision);
        SlackJudge {
            inputs,
            dimension: claim.dimension,
            floor: -claim.tolerance.clone(),
            arithmetic: arithmetic(),
            slack: Slack::new(claim, arithmetic()),
            gradient: Evaluator::new(&graph, &gradients, arithmetic()),
            membership: Evaluator::new(&graph, &claim.membership, arithmetic()),
            memberships: claim.membership.len(),
            smooth: taylor(claim, arithmetic()),
        }
    }

    fn operations(&self) -> u64 {
        3 * self.slack.operations() + 2 * self.gradient.operations()
    }

    fn between(&mut self, lo: f64, hi: f64) -> Enclosure {
        let (lo, hi) = (self.arithmetic.float(lo), self.arithmetic.float(hi));
        lo.hull(&hi)
    }

    /// The gradient of the slack over a box, where it is defined all over it.
    fn slopes(&mut self, cell: &[Enclosure]) -> Option<Vec<Enclosure>> {
        let flags = self.gradient.run(&sides(&self.inputs, cell, self.dimension));
        let slopes = (0..self.inputs.len()).flat_map(|number| self.gradient.root(number).to_vec());
        flags.defined.then(|| slopes.collect())
    }

    fn face(&self, ranges: &[[f64; 2]], slopes: &[Enclosure]) -> Ranges {
        let fixed = |(&[lo, hi], slope): (&[f64; 2], &Enclosure)| {
            if slope.at_least(&RBig::ZERO) {
                [lo, lo]
            } else if slope.at_most(&RBig::ZERO) {
                [hi, hi]
            } else {
                [lo, hi]
            }
        };
        ranges.iter().zip(slopes).map(fixed).collect()
    }

    /// Around the middle or, where `optimal`, around the point that makes the most of the slopes. Any point of the box will
    /// do; these are, about, the ones that the prover takes.
    fn mean_value(
        &mut self,
        ranges: &[[f64; 2]],
        cell: &[Enclosure],
        slopes: &[Enclosure],
        optimal: bool,
    ) -> bool {
        let center = |(&[lo, hi], slope): (&[f64; 2], &Enclosure)| match optimal {
            true => optimal_center([lo, hi], self.arithmetic.ends(slope)),
            false => (0.5 * lo + 0.5 * hi).clamp(lo, hi),
        };
        let center: Vec<f64> = ranges.iter().zip(slopes).map(center).collect();
        let center: Vec<Enclosure> = center.into_iter().map(|x| self.arithmetic.float(x)).collect();
        let central = self.slack.over(&sides(&self.inputs, &center, self.dimension));
        let mut sum = central.slack;
        for (slope, (x, c)) in slopes.iter().zip(cell.iter().zip(&center)) {
            let offset = self.arithmetic.binary(Binary::Sub, x, c);
            let product = self.arithmetic.binary(Binary::Mul, slope, &offset);
            sum = self.arithmetic.binary(Binary::Add, &sum, &product);
        }
        central.flags.defined && self.arithmetic.at_least(&sum, &self.floor)
    }
}

impl Judge for SlackJudge {
    fn settles(&mut self, ranges: &[[f64; 2]], letter: char) -> bool {
        let cell: Vec<Enclosure> = ranges
            .iter()
            .map(|range| self.between(range[0], range[1]))
            .collect();
        if letter == 'd' {
            let inputs = sides(&self.inputs, &cell, self.dimension);
            let flags = self.membership.run(&inputs);
            let mut entries = (0..self.memberships).flat_map(|number| self.membership.root(number));
            return flags.defined && entries.any(Enclosure::is_negative);
        }
        let natural = self.slack.over(&sides(&self.inputs, &cell, self.dimension));
        if letter == 'n' {
            return natural.flags.defined && natural.slack.at_least(&self.floor);
        }
        // the other rules rest on derivatives
        if !(natural.flags.defined && natural.flags.continuous) {
            return false;
        }
        if letter == 's' {
            return self.smooth.as_mut().is_some_and(|smooth| {
                // a binary64 number not below the floor is enough
                let enough = -Interval::from_rational(&-self.floor.clone()).lo;
                let bound = smooth.lower(Rule::SecondOrder, ranges, enough);
                RBig::try_from(bound).is_ok_and(|bound| bound >= self.floor)
            });
        }
        let Some(slopes) = self.slopes(&cell) else {
            return false;
        };
        match letter {
            'm' => self.mean_value(ranges, &cell, &slopes, false),
            't' | 'u' | 'o' => {
                let face = self.face(ranges, &slopes);
                let cell: Vec<Enclosure> = face
                    .iter()
                    .map(|range| self.between(range[0], range[1]))
                    .collect();
                if letter == 't' {
                    let natural = self.slack.over(&sides(&self.inputs, &cell, self.dimension));
                    return natural.flags.defined && natural.slack.at_least(&self.floor);
                }
                match self.slopes(&cell) {
                    Some(slopes) => self.mean_value(&face, &cell, &slopes, letter == 'o'),
                    None => false,
                }
            }
            _ => false,
        }
    }
}

/// Each input that varies with its enclosures.
fn sides<'a>(inputs: &[Input], cell: &'a [Enclosure], dimension: usize) -> Vec<(Input, &'a [Enclosure])> {
    inputs.iter().copied().zip(cell.chunks_exact(dimension)).collect()
}
