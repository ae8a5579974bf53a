//! The prover: branch and bound over boxes of the coordinates that vary.
//!
//! Boxes are examined in rounds of a fixed size, those with the lowest bounds first; each round runs
//! in parallel and its results are taken in order, so that nothing depends on the number of threads.

pub mod bound;
pub mod convexity;
pub mod lifting;
pub mod smooth;
pub mod tree;
mod underestimator;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Options;
use super::enclose::root_box;
use super::points::{Point, Points};
use super::sample::Candidate;
use crate::claim::Claim;
use crate::eval::bulk::LANES;
use crate::eval::interval::{Interval, IntervalArithmetic};
use bound::{Bounder, Open, Outcome};
use lifting::Lifting;
use tree::Tree;

/// Boxes of a round.
const ROUND: usize = 256;
/// Open boxes that contraction is tried on whatever comes of it. Beyond them it is tried as long as it places one split
/// in [`PAYS`]: a try costs as much as the bounds of several boxes.
const TRIES: u64 = 64;
const PAYS: u64 = 4;
/// Limit on boxes times scalar operations for each.
pub const MAX_WORK: u64 = 150_000_000;
/// Limit on boxes times coordinates, which bounds the memory.
pub const MAX_COORDINATES: u64 = 1 << 24;
/// Open boxes whose middles the search for violations starts from.
const STARTS: usize = 16;
/// Coordinates of an open box that a certificate shows at most.
const SHOWN: usize = 64;

/// Names the search over boxes of `(w, v)` in certificates.
pub const RULE: &str = "branch and bound";

/// Why the prover ended with boxes open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// the budget of boxes is spent
    Boxes,
    /// the limit on the work of a case is reached
    Work,
    /// a box as small as binary64 allows is not settled
    Resolution,
    /// the slack at the middle of a box is negative
    Violation,
    /// everything is settled, by a tree too long for a certificate
    Length,
}

/// What the prover did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// [`RULE`], [`convexity::CONVEXITY`] or [`convexity::HESSIAN`]
    pub rule: String,
    /// boxes examined
    pub boxes: u64,
    /// largest number of splits above one of them
    pub depth: u32,
    /// share of the root box that is settled, counting each half of a split box as half
    pub settled: f64,
    /// why it ended; absent when the claim is proved
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
    /// the open box with the lowest bound
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<OpenBox>,
    /// the tree of a complete proof over boxes, see [`tree`]; empty when there is none, and where the rule
    /// needs none
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tree: String,
    /// the parts of a complete proof by lifting
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifting: Option<Lifting>,
}

impl Proof {
    /// A complete proof.
    fn settled_by(rule: &str, boxes: u64, depth: u32, tree: String) -> Proof {
        Proof {
            rule: rule.to_owned(),
            boxes,
            depth,
            settled: 1.0,
            stopped: None,
            worst: None,
            tree,
            lifting: None,
        }
    }

    /// Whether the claim is proved.
    pub fn complete(&self) -> bool {
        self.stopped.is_none()
    }

    /// Whether the rule needs no boxes, and shows the slack to be at least 0.
    pub fn by_curvature(&self) -> bool {
        [convexity::CONVEXITY, convexity::GAP].contains(&self.rule.as_str())
    }

    /// Whether a complete proof shows the slack to be at least 0, whatever the tolerance.
    pub fn exact(&self) -> bool {
        let exactly = |lifting: &Lifting| lifting.divided || lifting.squares;
        self.by_curvature() || self.lifting.as_ref().is_some_and(exactly)
    }

    /// What a complete proof says, in a sentence.
    pub fn sentence(&self, tolerance: f64) -> String {
        match self.rule.as_str() {
            convexity::CONVEXITY => {
                "by convexity: the rules of composition show the function to be convex on a \
                                     box that holds the regions of w and v, and the slack is then at least 0"
                    .to_owned()
            }
            convexity::HESSIAN => format!(
                "by the interval Hessian: on each of the boxes that cover the regions of w and v it is positive \
                 semidefinite, or no more negative than the claim and its tolerance of {tolerance:e} allow: {} boxes \
                 examined",
                self.boxes
            ),
            convexity::GAP => "by the gap over the tangent: on a box around the regions of w and v the function is convex, \
                               and its curvature is at most what the constant of the claim allows; the slack is then at \
                               least 0"
                .to_owned(),
            lifting::RULE => self
                .lifting
                .as_ref()
                .map_or_else(String::new, |lifting| lifting.sentence(self.boxes, tolerance)),
            _ => format!(
                "on each of the boxes that cover the region the slack is at least minus the tolerance of \
                 {tolerance:e}, or the box lies outside: {} boxes examined",
                self.boxes
            ),
        }
    }
}

/// A box that is not settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenBox {
    /// lower bound of the slack, where it is defined
    #[serde(with = "crate::certificate::number")]
    pub bound: f64,
    /// slack at its middle; `nan` where it is not known
    #[serde(with = "crate::certificate::number")]
    pub central: f64,
    /// ranges of the coordinates that vary, `w` first; absent when there are more than 64
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<[f64; 2]>,
}

/// A box that waits for a split.
#[derive(Debug)]
struct Waiting {
    node: usize,
    depth: u32,
    ranges: Vec<Interval>,
    open: Open,
}

impl Ord for Waiting {
    /// The lowest bound is the greatest, then the oldest.
    fn cmp(&self, other: &Self) -> Ordering {
        let lowest = other.open.lowest.total_cmp(&self.open.lowest);
        lowest.then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

/// Boxes times what each costs, for a budget on work.
pub fn allowed_boxes(operations: u64, coordinates: usize) -> u64 {
    (MAX_WORK / operations.max(1)).min(MAX_COORDINATES / (coordinates as u64).max(1))
}

/// Tries to settle the whole region; returns the record, and the most suspicious middles of the boxes
/// that stayed open. `None` when the budget of boxes is 0 or the region has no bounded hull.
pub fn prove(claim: &Claim, points: &Points, options: &Options) -> Option<(Proof, Vec<Candidate>)> {
    let root = root_box(claim, IntervalArithmetic::new())?;
    if options.max_boxes == 0 {
        return None;
    }
    if let Some(proof) = convexity::prove(claim, options) {
        return Some((proof, Vec::new()));
    }
    if let Some(attempt) = lifting::prove(claim, options.max_boxes)
        && let Some(lifting) = attempt.proof
    {
        let proof = Proof {
            lifting: Some(lifting),
            ..Proof::settled_by(lifting::RULE, attempt.boxes, attempt.depth, String::new())
        };
        return Some((proof, Vec::new()));
    }
    let bounder = Bounder::new(claim, options.tolerance);
    let by_work = allowed_boxes(bounder.operations(), root.len()).max(1);
    let budget = options.max_boxes.min(by_work);
    let mut workers = vec![bounder; rayon::current_num_threads()];
    let mut tree = Tree::default();
    let mut waiting: BinaryHeap<Waiting> = BinaryHeap::new();
    let mut round = vec![(Tree::ROOT, 0, root)];
    let (mut boxes, mut depth, mut settled) = (0, 0, 0.0);
    let (mut tries, mut trimmed) = (0, 0);
    let stopped = loop {
        let contract = tries < TRIES || PAYS * trimmed >= tries;
        let outcomes = examine(&mut workers, &round, contract);
        boxes += round.len() as u64;
        let mut stopped = None;
        for ((node, level, ranges), outcome) in round.drain(..).zip(outcomes) {
            depth = depth.max(level);
            match outcome {
                Outcome::Settled(rule) => {
                    tree.settle(node, rule);
                    settled += share(level);
                }
                Outcome::Open(open) => {
                    tries += u64::from(contract);
                    trimmed += u64::from(open.trimmed);
                    if open.violated {
                        stopped = Some(Stop::Violation);
                    } else if open.split.is_none() {
                        stopped = stopped.or(Some(Stop::Resolution));
                    }
                    waiting.push(Waiting {
                        node,
                        depth: level,
                        ranges,
                        open,
                    });
                }
            }
        }
        if stopped.is_some() || waiting.is_empty() {
            break stopped;
        }
        while round.len() < ROUND && boxes + round.len() as u64 + 2 <= budget {
            let Some(next) = waiting.pop() else { break };
            let Some((split, cut)) = next.open.split else {
                break;
            };
            let lower = tree.split(next.node, split);
            let (mut below, mut above) = (next.ranges.clone(), next.ranges);
            below[split.coordinate].hi = cut;
            above[split.coordinate].lo = cut;
            round.push((lower, next.depth + 1, below));
            round.push((lower + 1, next.depth + 1, above));
        }
        if round.is_empty() {
            break Some(if budget == options.max_boxes {
                Stop::Boxes
            } else {
                Stop::Work
            });
        }
    };
    let text = tree.text();
    let open = waiting.into_sorted_vec();
    let proof = Proof {
        rule: RULE.to_owned(),
        boxes,
        depth,
        settled: if text.is_some() { 1.0 } else { settled },
        stopped: match text {
            Some(_) => None,
            None => stopped.or(Some(Stop::Length)),
        },
        worst: open.last().map(|worst| OpenBox {
            bound: worst.open.lowest,
            central: worst.open.central,
            ranges: if worst.ranges.len() > SHOWN {
                Vec::new()
            } else {
                worst.ranges.iter().map(|range| [range.lo, range.hi]).collect()
            },
        }),
        tree: text.unwrap_or_default(),
        lifting: None,
    };
    Some((proof, suspects(points, &open)))
}

/// The share of the root box that a box `level` splits below it takes.
fn share(level: u32) -> f64 {
    libm::exp2(-f64::from(level))
}

type Task = (usize, u32, Vec<Interval>);

/// Examines the boxes of a round on all workers; results in the order of the boxes.
fn examine(workers: &mut [Bounder], round: &[Task], contract: bool) -> Vec<Outcome> {
    let chunk = round.len().div_ceil(workers.len());
    let outcomes: Vec<Vec<Outcome>> = workers
        .par_iter_mut()
        .zip(round.par_chunks(chunk))
        .map(|(worker, tasks)| {
            let mut outcomes = Vec::with_capacity(tasks.len());
            for batch in tasks.chunks(LANES) {
                let boxes: Vec<&[Interval]> = batch.iter().map(|(.., ranges)| ranges.as_slice()).collect();
                worker.expect(&boxes);
                let examined = batch
                    .iter()
                    .map(|(_, depth, ranges)| worker.examine(ranges, *depth, contract));
                outcomes.extend(examined);
            }
            outcomes
        })
        .collect();
    outcomes.into_iter().flatten().collect()
}

/// The middles of the open boxes with the smallest slack there.
fn suspects(points: &Points, open: &[Waiting]) -> Vec<Candidate> {
    let mut order: Vec<&Waiting> = open
        .iter()
        .filter(|waiting| !waiting.open.central.is_nan())
        .collect();
    order.sort_by(|a, b| {
        let central = a.open.central.total_cmp(&b.open.central);
        central.then(a.node.cmp(&b.node))
    });
    order
        .into_iter()
        .take(STARTS)
        .map(|waiting| {
            let mut point = Point::default();
            let mut coordinates = waiting.ranges.iter().map(|range| range.midpoint());
            for (input, set) in points.free() {
                let side = point.side_mut(*input);
                side.extend(coordinates.by_ref().take(set.dimension()));
                set.project(side);
            }
            // the middle may lie outside the region, and then its slack says nothing: the search
            // evaluates what it starts from
            Candidate {
                point,
                slack: f64::INFINITY,
            }
        })
        .collect()
}
