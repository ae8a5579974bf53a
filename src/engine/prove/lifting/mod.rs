//! Lifting: claims about many parameters as sums of functions of few variables.
//!
//! The slack of a claim about a network is a sum over data points, and each term depends on the
//! parameters through a few numbers only: pre-activations, the output, a directional derivative.
//! [`prepare`] says what must be shown, [`cut`] finds these numbers, [`cone`] spreads a norm over the
//! parts, [`pieces`] removes kinks, and branch and bound on each piece, with the bounds of [`smooth`],
//! raises the sum of the parts' least values until the claim follows.

pub mod cone;
pub mod cut;
mod direction;
pub mod pieces;
pub mod prepare;
mod quadratic;
mod radial;

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

use dashu_ratio::RBig;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::enclose::defined_hull;
use super::smooth::Smooth;
use super::tree::{MAX_TEXT, Rule, Split, Tree, middle};
use crate::claim::Claim;
use crate::eval::RigorousArithmetic;
use crate::eval::bulk::LANES;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::stages::Batches;
use crate::symbolic::{Enclosures, FormId, Symbolic};
use cut::Cut;
use pieces::{Ranges, pieces};
use prepare::{Normal, Reductions, goal_of};

/// Names the method in certificates.
pub const RULE: &str = "lifting";
/// Limit on boxes times scalar operations for each, over all parts.
pub const MAX_WORK: u64 = 120_000_000;
/// Work after which a look is taken at what is missing, and again each time that it has doubled.
const FIRST_LOOK: u64 = 2_000_000;
/// Share of what was missing at the last look that may be missing still.
const PROGRESS: f64 = 0.7;
/// What a round costs for each part, split or not, in scalar operations: the exact sum of the floors.
const ROUND_COST: u64 = 16;
/// Share of a floor, and most of it, by which the floor lies below the bound.
const ROOM: f64 = 1e-3;
const MOST_ROOM: f64 = 1e-12;
/// Boxes of a part that are split in a round.
const ROUND: usize = 8;
/// A proof by lifting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifting {
    /// whether a common factor of the slack is divided out, see [`prepare`]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub divided: bool,
    /// whether quadratic terms that are not negative are left out, see [`prepare`]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relieved: bool,
    /// whether products of sums are multiplied out
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expanded: bool,
    /// whether the slack is a sum of squares, see [`prepare`]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub squares: bool,
    /// whether the distance from the centre of a ball and one direction replace the coordinates, see [`prepare`]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub radial: bool,
    /// whether all terms make one part, see [`cut`]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// the unit vector along which the gradient is taken instead of its norm, see [`prepare`]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub direction: Vec<f64>,
    /// the share of each part in a norm, see [`cone`]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<f64>,
    /// the parts in the order of the cut
    pub parts: Vec<PartProof>,
}

impl Lifting {
    /// What is done before the cut.
    pub fn reductions(&self) -> Reductions<'_> {
        Reductions {
            direction: &self.direction,
            divided: self.divided,
            relieved: self.relieved,
            expanded: self.expanded,
            squares: self.squares,
            radial: self.radial,
        }
    }
}

impl Lifting {
    /// What the proof says, in a sentence.
    pub fn sentence(&self, boxes: u64, tolerance: f64) -> String {
        let slack = match (self.divided, self.direction.is_empty(), self.relieved) {
            (true, ..) => "the slack, divided by a common factor that is not negative,",
            (false, false, _) => {
                "the slack, with the derivative along one unit vector in place of the norm of the gradient,"
            }
            (false, true, true) => "the slack, without quadratic terms that are not negative,",
            (false, true, false) if self.squares => {
                "the slack, a positive semidefinite combination of squares,"
            }
            (false, true, false) if self.radial => {
                "the slack, which depends on the distance from the centre of the ball and on one linear form,"
            }
            (false, true, false) => "the slack",
        };
        let bound = if self.divided || self.squares {
            "0".to_owned()
        } else {
            format!("minus the tolerance of {tolerance:e}")
        };
        let widest = self.parts.iter().map(|part| part.ranges.len()).max();
        match widest {
            None => format!("{slack} is at least {bound} by exact algebra"),
            Some(widest) => format!(
                "{slack} is a sum of functions of few variables, and their least values add up to at least {bound}: \
                 number of functions {}, most variables {widest}, boxes examined {boxes}",
                self.parts.len()
            ),
        }
    }
}

/// The bound of one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartProof {
    /// range of each lifted variable over the region, or wider
    pub ranges: Ranges,
    /// the part is at least this
    #[serde(with = "crate::certificate::number")]
    pub floor: f64,
    /// a tree of boxes for each piece, see [`super::tree`]
    pub trees: Vec<String>,
}

/// What the prover did.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// the proof, where there is one
    pub proof: Option<Lifting>,
    /// boxes examined
    pub boxes: u64,
    /// largest number of splits above one of them
    pub depth: u32,
}

/// The ranges of the lifted variables of each part, as binary64 numbers rounded outward; `None` where
/// one is not bounded.
pub fn ranges<A: RigorousArithmetic>(cut: &Cut, hull: &[A::Value], arithmetic: A) -> Option<Vec<Ranges>> {
    let mut enclosures = Enclosures::new(&cut.arena, arithmetic, hull);
    let mut all = Vec::with_capacity(cut.parts.len());
    for part in &cut.parts {
        let mut own = Ranges::new();
        for &form in &part.lifted {
            let value = enclosures.of(form);
            let (lo, hi) = enclosures.arithmetic().ends(&value);
            if !(lo.is_finite() && hi.is_finite()) {
                return None;
            }
            own.push([lo, hi]);
        }
        all.push(own);
    }
    Some(all)
}

/// Whether floors of the parts prove a cut: exactly, `constant + sum of the floors >= -tolerance`.
pub fn suffices(constant: &RBig, floors: impl Iterator<Item = f64>, tolerance: &RBig) -> bool {
    let mut sum = constant.clone();
    for floor in floors {
        match RBig::try_from(floor) {
            Ok(floor) => sum += floor,
            Err(_) => return false,
        }
    }
    sum >= -tolerance.clone()
}

/// The cut that a proof is about: in one part, or in as many as there are.
pub fn cut_of(arena: Symbolic, form: FormId, joined: bool) -> Option<Cut> {
    if joined {
        Cut::joined(arena, form)
    } else {
        Cut::new(arena, form)
    }
}

/// Tries to prove the claim with at most so many boxes; `None` where it does not come apart.
pub fn prove(claim: &Claim, max_boxes: u64) -> Option<Attempt> {
    let hull = defined_hull(claim, IntervalArithmetic::new())?;
    // most plans begin with the same normal form
    let plain = OnceCell::new();
    let mut last = None;
    for plan in plans(claim, &hull) {
        let attempt = if plan.direction.is_empty() && !plan.divided && !plan.expanded {
            let normal = plain.get_or_init(|| Normal::new(claim, Reductions::default()));
            normal
                .as_ref()
                .and_then(|normal| attempt(claim, normal, &hull, plan, max_boxes))
        } else {
            let normal = Normal::new(claim, plan.reductions());
            normal.and_then(|normal| attempt(claim, &normal, &hull, plan, max_boxes))
        };
        if attempt.as_ref().is_some_and(|attempt| attempt.proof.is_some()) {
            return attempt;
        }
        last = attempt.or(last);
    }
    last
}

/// What is tried, in this order: first what costs little where it does not help. A direction is not
/// looked for before it is wanted.
fn plans<'a>(claim: &'a Claim, hull: &'a [Interval]) -> impl Iterator<Item = Lifting> + 'a {
    let divided = Lifting {
        divided: true,
        ..Lifting::default()
    };
    let relieved = Lifting {
        relieved: true,
        ..Lifting::default()
    };
    let along = std::iter::once_with(|| direction::candidates(claim, hull))
        .flatten()
        .map(|direction| Lifting {
            // along a coordinate both sides are often the same
            expanded: direction.iter().filter(|entry| **entry != 0.0).count() == 1,
            direction,
            ..Lifting::default()
        });
    let squares = Lifting {
        squares: true,
        ..Lifting::default()
    };
    let radial = Lifting {
        radial: true,
        ..Lifting::default()
    };
    let joined = Lifting {
        joined: true,
        ..Lifting::default()
    };
    [divided, relieved, squares, radial]
        .into_iter()
        .chain(along)
        .chain([Lifting::default(), joined])
}

/// Tries to prove the claim after the reductions of a plan.
fn attempt(
    claim: &Claim,
    normal: &Normal,
    hull: &[Interval],
    mut plan: Lifting,
    max_boxes: u64,
) -> Option<Attempt> {
    let arithmetic = IntervalArithmetic::new;
    let goal = goal_of(claim, normal, plan.reductions(), hull, arithmetic())?;
    let tolerance = goal.tolerance;
    let mut cut = cut_of(goal.arena, goal.form, plan.joined)?;
    let ranges = ranges(&cut, &goal.hull, arithmetic())?;
    if let Some(cone) = &cut.cone {
        plan.shares = cone.shares(&cut.arena, &cut.parts, &ranges, arithmetic());
        cone.share_out(&cut.arena, &mut cut.parts, &plan.shares, arithmetic())?;
    }
    let mut searches: Vec<Search> = cut
        .parts
        .par_iter()
        .zip(ranges)
        .map(|(part, ranges)| Search::new(part, ranges))
        .collect::<Option<_>>()?;
    let constant = Interval::from_rational(&cut.constant).midpoint();
    let floor = -Interval::from_rational(&tolerance).lo;
    let mut rounds = 0;
    let (mut look, mut missing) = (FIRST_LOOK, f64::INFINITY);
    loop {
        let boxes: u64 = searches.iter().map(|search| search.boxes).sum();
        let work: u64 = searches
            .iter()
            .map(|search| search.boxes.saturating_mul(search.operations))
            .sum::<u64>()
            .saturating_add(ROUND_COST * rounds * searches.len() as u64);
        rounds += 1;
        let lower: f64 = constant + searches.iter().map(Search::lower).sum::<f64>();
        let upper: f64 = constant + searches.iter().map(|search| search.upper).sum::<f64>();
        let floors = searches.iter().map(Search::lower);
        let done = suffices(&cut.constant, floors, &tolerance);
        // the relaxation itself is below: more boxes do not help
        let hopeless = upper < floor || !lower.is_finite() && searches.iter().all(|s| s.stuck());
        let mut spent = boxes >= max_boxes || work >= MAX_WORK;
        if work >= look {
            spent |= floor - lower > PROGRESS * missing;
            (look, missing) = (2 * work, floor - lower);
        }
        let need = (floor - lower) / searches.len() as f64;
        let refined = !(done || hopeless || spent)
            && searches
                .par_iter_mut()
                .filter(|search| search.gap() >= 0.25 * need)
                .map(Search::refine)
                .sum::<u64>()
                > 0;
        if !refined {
            let depth = searches.iter().map(|search| search.depth).max().unwrap_or(0);
            let room = 0.5 * (lower - floor) / searches.len() as f64;
            let lowered = |search: &Search| search.floor(room, plan.joined);
            let room = match suffices(&cut.constant, searches.iter().map(lowered), &tolerance) {
                true => room,
                false => 0.0,
            };
            let proof = (done && boxes <= max_boxes)
                .then(|| proof(plan, searches, room))
                .flatten();
            return Some(Attempt { proof, boxes, depth });
        }
    }
}

fn proof(plan: Lifting, searches: Vec<Search>, room: f64) -> Option<Lifting> {
    let parts = searches.into_iter().map(|search| search.proof(room, plan.joined));
    let parts: Vec<PartProof> = parts.collect::<Option<_>>()?;
    let length: usize = parts.iter().flat_map(|part| &part.trees).map(String::len).sum();
    (length <= MAX_TEXT).then_some(Lifting { parts, ..plan })
}

/// Branch and bound for the least value of a part.
struct Search {
    ranges: Ranges,
    pieces: Vec<OwnPiece>,
    waiting: BinaryHeap<Waiting>,
    operations: u64,
    boxes: u64,
    depth: u32,
    /// an upper bound of the least value
    upper: f64,
}

/// A piece with its tree.
struct OwnPiece {
    smooth: Smooth<IntervalArithmetic, Batches>,
    tree: Tree,
    /// boxes whose halves were announced last
    announced: Vec<usize>,
}

/// A box with its bound.
struct Waiting {
    piece: usize,
    node: usize,
    depth: u32,
    ranges: Ranges,
    lower: f64,
    rule: Rule,
    split: Option<(usize, f64)>,
}

impl Waiting {
    /// Where it is split, and the parts; none where binary64 does not split it.
    fn halves(&self) -> Option<(Split, [Ranges; 2])> {
        let (coordinate, cut) = self.split?;
        let (mut below, mut above) = (self.ranges.clone(), self.ranges.clone());
        below[coordinate][1] = cut;
        above[coordinate][0] = cut;
        Some((Split::halving(coordinate), [below, above]))
    }
}

impl Ord for Waiting {
    /// The lowest bound is the greatest, then the oldest.
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = other.lower.total_cmp(&self.lower);
        lower
            .then(other.piece.cmp(&self.piece))
            .then(other.node.cmp(&self.node))
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

impl Search {
    fn new(part: &cut::Part, ranges: Ranges) -> Option<Search> {
        let pieces = pieces(part, &ranges, &mut IntervalArithmetic::new())?;
        let mut search = Search {
            ranges,
            pieces: Vec::with_capacity(pieces.len()),
            waiting: BinaryHeap::new(),
            operations: 0,
            boxes: 0,
            depth: 0,
            upper: f64::INFINITY,
        };
        for (number, piece) in pieces.into_iter().enumerate() {
            let smooth = Smooth::new(&piece, IntervalArithmetic::new());
            search.operations = search.operations.max(smooth.operations());
            search.pieces.push(OwnPiece {
                smooth,
                tree: Tree::default(),
                announced: Vec::new(),
            });
            search.pieces[number]
                .smooth
                .expect(std::slice::from_ref(&piece.ranges));
            search.examine(number, Tree::ROOT, 0, piece.ranges);
        }
        Some(search)
    }

    fn lower(&self) -> f64 {
        self.waiting
            .peek()
            .map_or(f64::NEG_INFINITY, |lowest| lowest.lower)
    }

    fn gap(&self) -> f64 {
        self.upper - self.lower()
    }

    /// Whether the lowest box cannot be split.
    fn stuck(&self) -> bool {
        self.waiting.peek().is_none_or(|lowest| lowest.split.is_none())
    }

    /// Splits the lowest boxes; returns how many.
    fn refine(&mut self) -> u64 {
        let mut count = 0;
        while count < ROUND as u64 && !self.stuck() {
            let Some(lowest) = self.waiting.pop() else { break };
            let Some((split, [below, above])) = lowest.halves() else {
                break;
            };
            self.announce(&lowest);
            let piece = &mut self.pieces[lowest.piece];
            let lower = piece.tree.split(lowest.node, split);
            self.examine(lowest.piece, lower, lowest.depth + 1, below);
            self.examine(lowest.piece, lower + 1, lowest.depth + 1, above);
            count += 1;
        }
        count
    }

    /// Announces the halves of a box, and with them those of the next in the order, which will be wanted soon.
    fn announce(&mut self, lowest: &Waiting) {
        if self.pieces[lowest.piece].announced.contains(&lowest.node) {
            return;
        }
        let next: Vec<Waiting> = (1..LANES / 2).map_while(|_| self.waiting.pop()).collect();
        let own = next.iter().filter(|waiting| waiting.piece == lowest.piece);
        let own: Vec<&Waiting> = std::iter::once(lowest).chain(own).collect();
        let halves: Vec<Ranges> = own
            .iter()
            .filter_map(|waiting| waiting.halves())
            .flat_map(|(_, halves)| halves)
            .collect();
        let piece = &mut self.pieces[lowest.piece];
        piece.announced = own.iter().map(|waiting| waiting.node).collect();
        piece.smooth.expect(&halves);
        self.waiting.extend(next);
    }

    fn examine(&mut self, piece: usize, node: usize, depth: u32, ranges: Ranges) {
        let smooth = &mut self.pieces[piece].smooth;
        // a box above what the function takes elsewhere does not count
        let (lower, best, mut slopes) = smooth.best(&ranges, self.upper);
        self.upper = self.upper.min(smooth.central(&ranges));
        if lower >= self.upper {
            slopes.clear();
        }
        let score = |number: usize| {
            let [lo, hi] = ranges[number];
            let steepest = slopes
                .get(number)
                .map_or(1.0, |(least, most)| least.abs().max(most.abs()));
            (hi - lo) * if steepest.is_finite() { steepest } else { f64::MAX }
        };
        let mut split: Option<(usize, f64, f64)> = None;
        for (number, &[lo, hi]) in ranges.iter().enumerate() {
            if let Some(cut) = middle(lo, hi)
                && split.is_none_or(|(_, _, highest)| score(number) > highest)
            {
                split = Some((number, cut, score(number)));
            }
        }
        self.boxes += 1;
        self.depth = self.depth.max(depth);
        self.waiting.push(Waiting {
            piece,
            node,
            depth,
            ranges,
            lower,
            rule: best,
            split: split.map(|(number, cut, _)| (number, cut)),
        });
    }

    /// What the part is said to be at least: its lower bound, less a little of the room that the claim leaves. The
    /// points of tangency that a replay finds differ in their last digits, and so do bounds that are almost 0. Where the
    /// slack is `joined` to this one part, the bound may be 0 for all that is left over, and all of the room is taken.
    fn floor(&self, room: f64, joined: bool) -> f64 {
        let lower = self.lower();
        let less = match joined {
            true => room,
            false => room.min(MOST_ROOM).min(ROOM * lower.abs()),
        };
        if less > 0.0 { lower - less } else { lower }
    }

    fn proof(mut self, room: f64, joined: bool) -> Option<PartProof> {
        let floor = self.floor(room, joined);
        for waiting in self.waiting.drain() {
            self.pieces[waiting.piece].tree.settle(waiting.node, waiting.rule);
        }
        let trees: Option<Vec<String>> = self.pieces.iter().map(|piece| piece.tree.text()).collect();
        Some(PartProof {
            ranges: self.ranges,
            floor,
            trees: trees?,
        })
    }
}
