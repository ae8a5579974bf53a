//! Sampling on a Burn device (`--device`): the slack, with our own derivatives and in binary64, over batches of
//! points. The points are those of [`Points`], so the statistics are those of the bulk evaluator but for rounding.

use std::ops::Range;

use rayon::prelude::*;

use super::Failure;
use super::points::{Draw, Point, Points};
use crate::burn::device::Backend;
use crate::burn::executor::Executor;
use crate::claim::Claim;

/// Bytes that the tensors of a batch may take on the processor, where every worker runs a batch of its own,
const PROCESSOR_BYTES: usize = 4 << 20;
/// and on an accelerator, which runs one batch at a time.
const ACCELERATOR_BYTES: usize = 1 << 30;
/// Points of a batch at most.
const BATCH: usize = 1 << 18;
/// Points that a worker draws at a time for an accelerator.
const DRAWN: u64 = 256;

/// What a device may differ by from the bulk evaluator, relative to the sides of the inequality, before its
/// samples are refused.
pub const AGREEMENT: f64 = 1e-9;

/// A claim's slack on a device.
pub struct OnDevice {
    backend: Backend,
    executor: Executor,
    batch: usize,
}

impl OnDevice {
    /// Prepares a claim.
    ///
    /// # Errors
    /// When the device is not to be had, or Burn refuses the slack.
    pub fn new(claim: &Claim, backend: Backend) -> Result<OnDevice, Failure> {
        // so that a missing device is told from a refused slack
        backend.device().map_err(Failure::Device)?;
        let executor = Executor::new(&claim.graph, &[claim.slack], &[], backend).map_err(Failure::Run)?;
        let batch = batch(executor.bytes_per_point(), backend);
        Ok(OnDevice {
            backend,
            executor,
            batch,
        })
    }

    /// Slacks of the points of a kind with these numbers, in their order, and the draws that they took.
    ///
    /// # Errors
    /// When no point can be drawn, or Burn fails.
    pub fn run(
        &self,
        points: &Points,
        draw: Draw,
        numbers: Range<u64>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Vec<f64>, u64), Failure> {
        let batch = |numbers: Range<u64>| {
            let length = numbers.end - numbers.start;
            let Drawn { w, v, draws } = drawn(points, draw, numbers)?;
            let v = (!v.is_empty()).then_some(v.as_slice());
            let mut roots = self.executor.run(&w, v, length as usize).map_err(Failure::Run)?;
            progress(length);
            Ok((roots.remove(0), draws))
        };
        let batches = split(numbers, self.batch as u64);
        let batches: Result<Vec<(Vec<f64>, u64)>, Failure> = if on_processor(self.backend) {
            batches.into_par_iter().map(batch).collect()
        } else {
            batches.into_iter().map(batch).collect()
        };
        let (slacks, draws): (Vec<Vec<f64>>, Vec<u64>) = batches?.into_iter().unzip();
        Ok((slacks.concat(), draws.into_iter().sum()))
    }
}

fn on_processor(backend: Backend) -> bool {
    Backend::PROCESSOR.contains(&backend)
}

/// Points of a batch, for so many bytes of each.
fn batch(bytes_per_point: usize, backend: Backend) -> usize {
    let bytes = if on_processor(backend) {
        PROCESSOR_BYTES
    } else {
        ACCELERATOR_BYTES
    };
    (bytes / bytes_per_point.max(1)).clamp(1, BATCH)
}

/// Ranges of so many numbers, but for the last.
fn split(numbers: Range<u64>, length: u64) -> Vec<Range<u64>> {
    let end = numbers.end;
    numbers
        .step_by(length as usize)
        .map(|from| from..end.min(from + length))
        .collect()
}

/// Points one after the other, and the draws that they took.
#[derive(Default)]
struct Drawn {
    w: Vec<f64>,
    v: Vec<f64>,
    draws: u64,
}

impl Drawn {
    fn extend(&mut self, more: &Drawn) {
        self.w.extend_from_slice(&more.w);
        self.v.extend_from_slice(&more.v);
        self.draws += more.draws;
    }
}

/// The points of a kind with these numbers, drawn on all cores where there are many.
fn drawn(points: &Points, draw: Draw, numbers: Range<u64>) -> Result<Drawn, Failure> {
    let parts: Result<Vec<Drawn>, Failure> = split(numbers, DRAWN)
        .into_par_iter()
        .map_init(
            || points.clone(),
            |points, numbers| {
                let mut drawn = Drawn::default();
                for (point, draws) in points.draws(draw, numbers) {
                    let Point { w, v } = point.ok_or(Failure::Hopeless)?;
                    drawn.extend(&Drawn { w, v, draws });
                }
                Ok(drawn)
            },
        )
        .collect();
    let mut all = Drawn::default();
    parts?.iter().for_each(|part| all.extend(part));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_to_the_budget() {
        for bytes in [0, 8, 1000, 1 << 20, 1 << 40] {
            for (backend, budget) in [
                (Backend::Flex, PROCESSOR_BYTES),
                (Backend::Cuda, ACCELERATOR_BYTES),
            ] {
                let batch = batch(bytes, backend);
                assert!(batch == 1 || batch * bytes <= budget, "{bytes}");
                // one more would be too much
                assert!(batch == BATCH || (batch + 1) * bytes > budget, "{bytes}");
            }
        }
    }

    #[test]
    fn ranges_are_split_without_gaps() {
        assert_eq!(split(3..11, 4), [3..7, 7..11]);
        assert_eq!(split(3..12, 4), [3..7, 7..11, 11..12]);
        assert_eq!(split(3..3, 4), []);
    }
}
