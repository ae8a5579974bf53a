//! Random directions, side by side.

use crate::engine::stream::{BlockStream, Part};
use crate::eval::bulk::level::Level;
use crate::eval::bulk::{LANES, Lane};

/// The purposes of random streams below this are those of [`Draw`](crate::engine::points::Draw).
const PURPOSE: u64 = 4;

/// Draws directions in all coordinates together; each start has a stream of its own for each step.
pub(super) struct Directions {
    seed: u64,
    level: Level,
    /// coordinates
    count: usize,
    ranges: Vec<[f64; 2]>,
}

impl Directions {
    /// For sides with so many coordinates.
    pub(super) fn new(
        seed: u64,
        level: Level,
        dimensions: impl Iterator<Item = usize> + Clone,
    ) -> Directions {
        Directions {
            seed,
            level,
            count: dimensions.clone().sum(),
            ranges: vec![[-1.0, 1.0]; dimensions.max().unwrap_or(0)],
        }
    }

    /// Directions for the starts from number `first` on, of any length: in every second step uniform in a cube, in the others
    /// along one axis.
    pub(super) fn fill<'a>(&self, first: u64, step: u64, sides: impl Iterator<Item = &'a mut Vec<Lane>>) {
        let stream = BlockStream::new(self.seed, PURPOSE + step);
        let mut start = 0;
        if step.is_multiple_of(2) {
            for out in sides {
                let count = out.len();
                let part = Part {
                    start,
                    ranges: &self.ranges[..count],
                    out,
                };
                stream.uniform(self.level, first, 1, &mut [part]);
                start += count;
            }
            return;
        }
        let mut drawn: [Lane; 2] = [[0.0; LANES]; 2];
        let part = Part {
            start,
            ranges: &[[0.0, self.count as f64], [-1.0, 1.0]],
            out: &mut drawn,
        };
        stream.uniform(self.level, first, 1, &mut [part]);
        let [axes, signs] = drawn;
        for side in sides {
            side.fill([0.0; LANES]);
            for (lane, (axis, sign)) in axes.into_iter().zip(signs).enumerate() {
                // a rounded product may be the whole count
                let axis = (axis as usize).min(self.count - 1);
                if let Some(entry) = axis.checked_sub(start).and_then(|place| side.get_mut(place)) {
                    entry[lane] = 1f64.copysign(sign);
                }
            }
            start += side.len();
        }
    }
}
