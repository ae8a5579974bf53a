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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stream::Stream;

    /// The directions of a start are those of its own stream, whatever stands beside it.
    #[test]
    fn directions_are_drawn_from_the_stream_of_each_start() {
        let (seed, first) = (11, 40);
        for level in Level::available() {
            let directions = Directions::new(seed, level, [5, 12].into_iter());
            let mut sides = [vec![[7.0; LANES]; 5], vec![[7.0; LANES]; 12]];
            for step in 0..20 {
                directions.fill(first, step, sides.iter_mut());
                for lane in 0..LANES {
                    let direction: Vec<f64> = sides.iter().flatten().map(|entry| entry[lane]).collect();
                    let mut stream = Stream::new(seed, PURPOSE + step, first + lane as u64);
                    let mut expected: Vec<f64> = vec![0.0; 17];
                    if step % 2 == 0 {
                        expected.fill_with(|| -1.0 + 2.0 * stream.uniform());
                    } else {
                        let axis = (17.0 * stream.uniform()) as usize;
                        expected[axis] = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
                    }
                    assert_eq!(direction, expected, "start {lane}, step {step}");
                }
            }
        }
    }
}
