//! Descent on the slack: along the gradient, then in random directions.

use super::block::{Block, Mask, lanes};
use super::directions::Directions;
use crate::eval::bulk::{LANES, Lane};

/// Steps along the gradient.
pub(super) const STEPS: usize = 400;
/// Moves in random directions.
pub(super) const MOVES: usize = 400;

/// Steepest descent by normalised steps, each as long as its own success allows: twice as long after a step that led down, 0.3
/// times as long after one that did not. The further roots of the block are the gradients of the slack.
pub(super) fn steepest(block: &mut Block, scale: f64) {
    let mut reach = [0.1 * scale; LANES];
    let used = block.used;
    block.begin();
    let mut lengths = turn(block, &used);
    for _ in 0..STEPS {
        let going: Mask = lanes(|lane| {
            let downhill = lengths[lane] > 0.0 && lengths[lane].is_finite();
            used[lane] && downhill && reach[lane] > 1e-14 * scale
        });
        if !going.contains(&true) {
            break;
        }
        let along = lanes(|lane| {
            if going[lane] {
                -reach[lane] / lengths[lane]
            } else {
                0.0
            }
        });
        let slacks = block.slacks(&along, &going);
        let lower: Mask = lanes(|lane| slacks[lane] < block.lowest[lane]);
        block.accept(&along, &slacks, &lower);
        if lower.contains(&true) {
            lengths = turn(block, &lower);
        }
        for lane in 0..LANES {
            reach[lane] = if lower[lane] {
                (2.0 * reach[lane]).min(scale)
            } else {
                0.3 * reach[lane]
            };
        }
    }
}

/// Turns the directions of some of the points to the gradients where they came to; the lengths of all directions.
pub(super) fn turn(block: &mut Block, which: &Mask) -> Lane {
    for number in 0..block.sides.len() {
        for place in 0..block.sides[number].direction.len() {
            let gradient = block.further(number, place);
            let side = &mut block.sides[number];
            let gradient = side.unhindered(place, &gradient);
            let direction = &mut side.direction[place];
            *direction = lanes(|lane| {
                if which[lane] {
                    gradient[lane]
                } else {
                    direction[lane]
                }
            });
        }
    }
    block.lengths()
}

/// Moves in random directions, which get past kinks, where the gradient misleads. The reach grows after a success and halves after
/// eight failures. The first point is that of start number `first`.
pub(super) fn random(block: &mut Block, directions: &Directions, first: u64, scale: f64) {
    let mut reach = [0.05 * scale; LANES];
    let mut failures = [0; LANES];
    let used = block.used;
    block.begin();
    for step in 0..MOVES {
        directions.fill(
            first,
            step as u64,
            block.sides.iter_mut().map(|side| &mut side.direction),
        );
        let lengths = block.lengths();
        let along = lanes(|lane| {
            if lengths[lane] > 0.0 {
                reach[lane] / lengths[lane]
            } else {
                0.0
            }
        });
        let slacks = block.slacks(&along, &used);
        let lower: Mask = lanes(|lane| slacks[lane] < block.lowest[lane]);
        block.accept(&along, &slacks, &lower);
        for lane in 0..LANES {
            if lower[lane] {
                failures[lane] = 0;
                reach[lane] = (1.5 * reach[lane]).min(scale);
                continue;
            }
            failures[lane] += 1;
            if failures[lane] == 8 {
                failures[lane] = 0;
                reach[lane] *= 0.5;
            }
        }
    }
}
