//! Compass search (Kolda, Lewis, Torczon 2003) where coordinates are tied.
//!
//! Each group of equal coordinates in turn makes a step up and a step down, at first as long as the region is wide, which leads
//! from bound to bound, and half as long after a sweep that gained nothing. It descends on the slack relative to its sides and
//! needs no gradient, which is 0 wherever the slack depends on signs alone.

use super::block::{Block, Mask, lanes};
use crate::engine::ties::Tie;
use crate::eval::bulk::{LANES, Lane};

/// Moves from each start.
const MOVES: usize = 200;
/// The shortest of these moves, as a share of the region's width.
const REACH: f64 = 1e-4;

/// Where a point stands in its sweeps.
#[derive(Clone, Copy)]
struct Compass<'a> {
    tie: &'a Tie,
    /// length of a step, as a share of the width of the region
    share: f64,
    /// moves of all sweeps, and of this one
    moves: usize,
    sweep: usize,
    /// the relative slack when the sweep began
    before: f64,
}

impl Compass<'_> {
    /// Which side moves, which of its groups, and by what share of the side's width.
    fn step(&self) -> (usize, &[usize], f64) {
        let (number, groups) = (self.sweep / 2, &self.tie.groups);
        let share = if self.sweep.is_multiple_of(2) {
            self.share
        } else {
            -self.share
        };
        (number / groups.len(), &groups[number % groups.len()], share)
    }

    /// The next step, given the relative slack.
    fn advance(&mut self, sides: usize, lowest: f64) {
        self.moves += 1;
        self.sweep += 1;
        if self.sweep == 2 * sides * self.tie.groups.len() {
            if lowest >= self.before {
                self.share *= 0.5;
            }
            (self.sweep, self.before) = (0, lowest);
        }
    }

    fn goes_on(&self) -> bool {
        self.share > REACH && self.moves < MOVES
    }
}

/// From each point, with its groups made equal, one tie for each. The further roots of the block are the sides of the claim.
pub(super) fn tied(block: &mut Block, ties: &[&Tie]) {
    for side in &mut block.sides {
        for (lane, tie) in ties.iter().enumerate() {
            tie.apply(&mut side.points, lane);
        }
    }
    block.begin();
    let mut lowest = relative(block, &block.lowest);
    let mut compasses = lanes(|lane| Compass {
        tie: ties[lane.min(ties.len() - 1)],
        share: 1.0,
        moves: 0,
        sweep: 0,
        before: lowest[lane],
    });
    let sides = block.sides.len();
    loop {
        let going: Mask = lanes(|lane| block.used[lane] && compasses[lane].goes_on());
        if !going.contains(&true) {
            break;
        }
        set(block, &compasses, &going, true);
        let along = [1.0; LANES];
        let slacks = block.slacks(&along, &going);
        let relative = relative(block, &slacks);
        let lower: Mask = lanes(|lane| relative[lane] < lowest[lane]);
        block.accept(&along, &slacks, &lower);
        set(block, &compasses, &going, false);
        for lane in 0..LANES {
            if lower[lane] {
                lowest[lane] = relative[lane];
            }
            if going[lane] {
                compasses[lane].advance(sides, lowest[lane]);
            }
        }
    }
}

/// Gives some of the points the directions of their steps, or takes them away.
fn set(block: &mut Block, compasses: &[Compass; LANES], which: &Mask, on: bool) {
    for (lane, compass) in compasses.iter().enumerate().filter(|(lane, _)| which[*lane]) {
        let (side, group, share) = compass.step();
        let side = &mut block.sides[side];
        let step = if on { share * side.scale } else { 0.0 };
        for &coordinate in group {
            side.direction[coordinate][lane] = step;
        }
    }
}

/// The slacks relative to the sizes of the sides, which do not fall where both of these vanish; infinite where the slack is, or
/// where both are 0.
fn relative(block: &Block, slacks: &Lane) -> Lane {
    let (left, right) = (block.further(0, 0), block.further(1, 0));
    lanes(|lane| {
        let relative = slacks[lane] / (left[lane].abs() + right[lane].abs());
        // an infinite slack over infinite sides
        if slacks[lane] == f64::INFINITY || relative.is_nan() {
            f64::INFINITY
        } else {
            relative
        }
    })
}
