//! Lower bounds of the slack over one box, and whether one of them settles it. `docs/soundness.md`
//! says why each is one.

use super::lifting::pieces::{Piece, Ranges};
use super::smooth::Smooth;
use super::tree::{PARTS, Rule, Split, optimal_center};
use crate::claim::Claim;
use crate::claim::region::Set;
use crate::engine::enclose::Slack;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::stages::{Batches, Stages};
use crate::eval::tensor::Evaluator;
use crate::eval::{Flags, RigorousArithmetic};
use crate::graph::op::Input;

/// Every so many levels the widest range is cut, whatever the gradient says: parts outside the region
/// are found by their size alone.
const WIDEST_EVERY: u32 = 4;

/// What is known of a box after its bounds were computed.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// nothing in it violates the claim
    Settled(Rule),
    /// not settled
    Open(Open),
}

/// A box that no bound settled.
#[derive(Clone, Debug)]
pub struct Open {
    /// a lower bound of the slack where the slack is defined
    pub lowest: f64,
    /// slack at the middle, in the middle of its enclosure; NaN where it is not known
    pub central: f64,
    /// whether the middle lies in the region and violates the claim, beyond doubt
    pub violated: bool,
    /// how to split it, with the cut; none where every range is as narrow as binary64 allows
    pub split: Option<(Split, f64)>,
    /// whether contraction placed the split
    pub trimmed: bool,
}

/// Stages of a claim: the inequalities of the region; functions with jumps of which a gradient is taken; the slack with
/// everything that must be defined; its gradients.
const MEMBERSHIP: usize = 0;
const JUMPING: usize = 1;
const SLACK: usize = 2;
const SLOPES: usize = 3;

/// Places of the boxes that are announced, and of their middles.
const CELLS: usize = 0;
const CENTERS: usize = 1;

/// Bounds boxes of one claim.
#[derive(Clone)]
pub struct Bounder {
    inputs: Vec<Input>,
    dimension: usize,
    floor: f64,
    /// [`MEMBERSHIP`], [`JUMPING`], [`SLACK`] and [`SLOPES`]
    boxes: Batches,
    /// for contraction, like `membership`
    slack: Slack<IntervalArithmetic>,
    membership: Evaluator<IntervalArithmetic>,
    memberships: usize,
    discards: bool,
    /// for Taylor's formula, where there are few coordinates
    smooth: Option<Smooth<IntervalArithmetic, Batches>>,
}

impl Bounder {
    /// Prepares a claim; a box is settled where its slack is at least `-tolerance`.
    pub fn new(claim: &Claim, tolerance: f64) -> Bounder {
        let mut graph = claim.graph.clone();
        let free = claim.region.free();
        let inputs = claim.region.inputs();
        let gradients: Vec<_> = inputs
            .iter()
            .map(|&input| graph.gradient(claim.slack, input, claim.dimension))
            .collect();
        let arithmetic = IntervalArithmetic::new;
        let sizes: Vec<_> = inputs.iter().map(|&input| (input, claim.dimension)).collect();
        let stages = [
            claim.membership.clone(),
            Slack::<IntervalArithmetic>::jumping(claim),
            claim.rigorous_roots(),
            gradients,
        ];
        let boxes_only = free.iter().all(|(_, set)| matches!(set, Set::Box { .. }));
        Bounder {
            inputs,
            dimension: claim.dimension,
            floor: -tolerance,
            slack: Slack::new(claim, arithmetic()),
            boxes: Batches::new(&graph, &sizes, &stages, 2, &arithmetic()),
            membership: Evaluator::new(&graph, &claim.membership, arithmetic()),
            memberships: claim.membership.len(),
            // every box lies in the hull of a set that is a box itself
            discards: !(boxes_only && claim.region.constraints.is_empty()),
            smooth: taylor(claim, arithmetic()),
        }
    }

    /// Scalar operations that the bounds of one box may take, roughly.
    pub fn operations(&self) -> u64 {
        let membership = if self.discards {
            self.boxes.operations(MEMBERSHIP)
        } else {
            0
        };
        let taylor = self.smooth.as_ref().map_or(0, Smooth::operations);
        3 * self.slack.operations() + 2 * self.boxes.operations(SLOPES) + membership + taylor
    }

    /// Announces boxes that will be examined, which are then bounded together. It changes no outcome.
    pub fn expect(&mut self, boxes: &[&[Interval]]) {
        let cells: Vec<Vec<Interval>> = boxes.iter().map(|ranges| ranges.to_vec()).collect();
        let centers: Vec<Vec<Interval>> = boxes.iter().map(|ranges| middle(ranges)).collect();
        self.boxes.expect(CELLS, &cells);
        self.boxes.expect(CENTERS, &centers);
        if let Some(smooth) = &mut self.smooth {
            let ends: Vec<Ranges> = boxes.iter().map(|ranges| ends(ranges)).collect();
            smooth.expect(&ends);
        }
    }

    /// Bounds the slack over a box, `depth` splits below the root; contraction may place its split where `contract`.
    pub fn examine(&mut self, ranges: &[Interval], depth: u32, contract: bool) -> Outcome {
        if self.discards && self.lies_outside(ranges) {
            return Outcome::Settled(Rule::Discard);
        }
        let (natural, flags) = self.slack_over(ranges);
        if flags.defined && natural.lo >= self.floor {
            return Outcome::Settled(Rule::Natural);
        }
        let mut lowest = natural.lo;
        let center = middle(ranges);
        let (central, at_center) = self.slack_over(&center);
        let mut slopes = Vec::new();
        if flags.defined && flags.continuous {
            let defined;
            (slopes, defined) = self.slopes_over(ranges);
            if defined {
                let bound = mean_value(central, &slopes, ranges, &center).lo;
                if bound >= self.floor {
                    return Outcome::Settled(Rule::MeanValue);
                }
                lowest = lowest.max(bound);
                if let Some(smooth) = &mut self.smooth
                    && at_center.defined
                    && central.hi >= self.floor
                {
                    let bound = smooth.lower(Rule::SecondOrder, &ends(ranges), self.floor);
                    if bound >= self.floor {
                        return Outcome::Settled(Rule::SecondOrder);
                    }
                    lowest = lowest.max(bound);
                }
                if let Some(rule) = self.on_face(ranges, &slopes) {
                    return Outcome::Settled(rule);
                }
            }
        }
        let violated = at_center.defined && central.hi < self.floor.min(0.0) && self.contains(&center);
        let trimmed = if contract { self.trim(ranges) } else { None };
        Outcome::Open(Open {
            lowest,
            central: if at_center.defined {
                central.midpoint()
            } else {
                f64::NAN
            },
            violated,
            trimmed: trimmed.is_some(),
            split: trimmed.or_else(|| split(ranges, &slopes, depth)),
        })
    }

    /// The rule for the face on which monotone coordinates are at their bound, or without such for the box itself, that settles
    /// a box with these slopes.
    fn on_face(&mut self, ranges: &[Interval], slopes: &[Interval]) -> Option<Rule> {
        let (face, slopes) = match face(slopes, ranges) {
            None => (ranges.to_vec(), slopes.to_vec()),
            Some(face) => {
                let (natural, _) = self.slack_over(&face);
                if natural.lo >= self.floor {
                    return Some(Rule::Face);
                }
                let (slopes, defined) = self.slopes_over(&face);
                if !defined {
                    return None;
                }
                if self.mean_value(&face, &slopes, &middle(&face)) {
                    return Some(Rule::FaceMeanValue);
                }
                (face, slopes)
            }
        };
        // Taylor's formula does better where there are few coordinates
        if self.smooth.is_some() {
            return None;
        }
        let pairs = face.iter().zip(&slopes);
        let center: Vec<Interval> = pairs
            .map(|(range, slope)| optimal_center([range.lo, range.hi], (slope.lo, slope.hi)))
            .map(Interval::point)
            .collect();
        self.mean_value(&face, &slopes, &center)
            .then_some(Rule::OptimalCenter)
    }

    /// Whether the mean value form around a point of the box settles it.
    fn mean_value(&mut self, ranges: &[Interval], slopes: &[Interval], center: &[Interval]) -> bool {
        let (central, flags) = self.slack_over(center);
        flags.defined && mean_value(central, slopes, ranges, center).lo >= self.floor
    }

    /// A split that parts the box from a slab without a point of the region that violates the claim, as the
    /// contraction of the inequalities and of the slack shows. Nothing rests on it: the slab is bounded like any other
    /// box.
    fn trim(&mut self, ranges: &[Interval]) -> Option<(Split, f64)> {
        let mut kept = ranges.to_vec();
        self.slack.over(&self.sides(ranges));
        let below = Interval::new(f64::NEG_INFINITY, self.floor);
        if self.slack.contract(below).is_ok() {
            for (number, &input) in self.inputs.iter().enumerate() {
                keep(&mut kept[number * self.dimension..], self.slack.input(input));
            }
        }
        if self.discards {
            self.membership.run(&self.sides(&kept));
            let inside = Interval::new(0.0, f64::INFINITY);
            // what one inequality leaves of a node holds for the next
            if (0..self.memberships).all(|root| self.membership.contract(root, inside).is_ok()) {
                for (number, &input) in self.inputs.iter().enumerate() {
                    keep(&mut kept[number * self.dimension..], self.membership.input(input));
                }
            }
        }
        let mut best: Option<(u8, Split, f64)> = None;
        for (coordinate, (range, kept)) in ranges.iter().zip(&kept).enumerate() {
            let parts = f64::from(PARTS) / range.width();
            let lower = ((kept.lo - range.lo) * parts).floor() as u8;
            let upper = ((range.hi - kept.hi) * parts).floor() as u8;
            let (removed, part) = if lower >= upper {
                (lower, lower)
            } else {
                (upper, PARTS.saturating_sub(upper))
            };
            let split = Split { coordinate, part };
            if removed >= WORTH
                && best.is_none_or(|(most, ..)| removed > most)
                && let Some(cut) = split.cut(range.lo, range.hi)
            {
                best = Some((removed, split, cut));
            }
        }
        best.map(|(_, split, cut)| (split, cut))
    }

    /// Each input that varies with its ranges.
    fn sides<'a>(&self, ranges: &'a [Interval]) -> Vec<(Input, &'a [Interval])> {
        self.inputs
            .iter()
            .copied()
            .zip(ranges.chunks_exact(self.dimension))
            .collect()
    }

    fn slack_over(&mut self, ranges: &[Interval]) -> (Interval, Flags) {
        // there is no gradient at a jump of the function itself
        let jumping = self.boxes.run(JUMPING, ranges);
        let mut flags = self.boxes.run(SLACK, ranges);
        flags.defined &= jumping.continuous;
        (self.boxes.root(SLACK, 0)[0], flags)
    }

    /// The gradient of the slack, and whether it is defined all over the box.
    fn slopes_over(&mut self, ranges: &[Interval]) -> (Vec<Interval>, bool) {
        let flags = self.boxes.run(SLOPES, ranges);
        let slopes = (0..self.inputs.len())
            .flat_map(|number| self.boxes.root(SLOPES, number).to_vec())
            .collect();
        (slopes, flags.defined)
    }

    fn lies_outside(&mut self, ranges: &[Interval]) -> bool {
        let flags = self.boxes.run(MEMBERSHIP, ranges);
        flags.defined && self.memberships().any(|entry| entry.hi < 0.0)
    }

    fn contains(&mut self, ranges: &[Interval]) -> bool {
        let flags = self.boxes.run(MEMBERSHIP, ranges);
        flags.defined && self.memberships().all(|entry| entry.lo >= 0.0)
    }

    fn memberships(&self) -> impl Iterator<Item = &Interval> {
        (0..self.memberships).flat_map(|number| self.boxes.root(MEMBERSHIP, number))
    }
}

/// The middle of each range.
fn middle(ranges: &[Interval]) -> Vec<Interval> {
    let point = |range: &Interval| Interval::point(range.midpoint());
    ranges.iter().map(point).collect()
}

/// The ends of each range.
fn ends(ranges: &[Interval]) -> Ranges {
    ranges.iter().map(|range| [range.lo, range.hi]).collect()
}

/// Narrows ranges to those of an input, where there is one.
fn keep(ranges: &mut [Interval], input: Option<&[Interval]>) {
    for (range, with) in ranges.iter_mut().zip(input.unwrap_or_default()) {
        *range = range.intersection(*with).unwrap_or(*range);
    }
}

/// Least part of a range that is worth a split of its own, in parts of [`PARTS`].
const WORTH: u8 = 16;
/// Most coordinates for which second derivatives are enclosed.
const MAX_TAYLOR: usize = 6;

/// The slack with its second derivatives, where there are few coordinates.
pub fn taylor<A: RigorousArithmetic + Clone, S: Stages<A>>(
    claim: &Claim,
    arithmetic: A,
) -> Option<Smooth<A, S>> {
    let coordinates = claim.region.inputs().len() * claim.dimension;
    let piece = (coordinates <= MAX_TAYLOR).then(|| Piece::whole(claim, vec![[0.0; 2]; coordinates]))?;
    Some(Smooth::new(&piece, arithmetic))
}

/// `slack(c) + sum of slope_i * (x_i - c_i)` over the box.
fn mean_value(central: Interval, slopes: &[Interval], ranges: &[Interval], center: &[Interval]) -> Interval {
    slopes
        .iter()
        .zip(ranges.iter().zip(center))
        .fold(central, |sum, (&slope, (&range, &center))| {
            sum + slope * (range - center)
        })
}

/// The face on which every coordinate whose slope has one sign is at its lower or upper bound; none
/// where that is the whole box.
fn face(slopes: &[Interval], ranges: &[Interval]) -> Option<Vec<Interval>> {
    let face: Vec<Interval> = slopes
        .iter()
        .zip(ranges)
        .map(|(slope, range)| {
            if slope.lo >= 0.0 {
                Interval::point(range.lo)
            } else if slope.hi <= 0.0 {
                Interval::point(range.hi)
            } else {
                *range
            }
        })
        .collect();
    (face != ranges).then_some(face)
}

/// Where to split: the coordinate along which the slack may vary most, by width times slope; the
/// widest where slopes are missing or unbounded.
fn split(ranges: &[Interval], slopes: &[Interval], depth: u32) -> Option<(Split, f64)> {
    let blind = slopes.is_empty() || depth % WIDEST_EVERY == WIDEST_EVERY - 1;
    let score = |number: usize| {
        let width = ranges[number].width();
        let slope = if blind {
            1.0
        } else {
            let slope = slopes[number].abs().hi;
            if slope.is_finite() { slope } else { f64::MAX }
        };
        (width * slope, width)
    };
    let mut best: Option<(Split, f64, (f64, f64))> = None;
    for (number, range) in ranges.iter().enumerate() {
        let halving = Split::halving(number);
        let Some(cut) = halving.cut(range.lo, range.hi) else {
            continue;
        };
        let score = score(number);
        if best.is_none_or(|(_, _, highest)| score > highest) {
            best = Some((halving, cut, score));
        }
    }
    best.map(|(split, cut, _)| (split, cut))
}
