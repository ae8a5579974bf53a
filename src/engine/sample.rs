//! Sampling: the slack at many points, by the bulk evaluator or on a Burn device ([`super::device`]), with
//! our own derivatives. Burn and its autodiff are the reference, at the points of [`super::cross_check`].
//!
//! The uniform points give the statistics; the directed ones (near the diagonal, near kinks, on the
//! boundary) only look for violations. Nothing here is rigorous: what looks like a violation goes to
//! the search and to interval confirmation.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::device::OnDevice;
use super::points::{Blocks, Draw, Point, Points};
use super::statistics::{Histogram, Quantile, clopper_pearson_upper, histogram, quantiles};
use super::{Failure, Options};
use crate::burn::device::Backend;
use crate::claim::Claim;
use crate::eval::bulk::{Bulk, LANES};

/// Points that a worker draws and evaluates at a time,
const BATCH_POINTS: usize = 256;
/// fewer where they have more coordinates together.
const BATCH_COORDINATES: usize = 1 << 20;
/// Points whose slacks are held at once. Quantiles and histogram are of the first so many.
const CHUNK: u64 = 1 << 20;
/// Coordinates of all candidates together.
const CANDIDATE_COORDINATES: usize = 1 << 24;
/// Points of a directed sample at most: they find what they look for early or not at all.
const DIRECTED: u64 = 1 << 12;
/// Bins of the histogram.
const BINS: usize = 32;

/// What sampling found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// which device and which derivative
    pub engine: String,
    /// what a derivative is at a kink
    pub kinks: String,
    /// the uniform sample
    pub uniform: Uniform,
    /// the directed samples
    pub directed: Vec<Directed>,
}

impl Sampling {
    /// Points where the slack came out as NaN.
    pub fn undefined(&self) -> u64 {
        // counts of a forged certificate may be anything
        let directed = self.directed.iter().map(|directed| directed.undefined);
        directed.fold(self.uniform.undefined, u64::saturating_add)
    }
}

/// Statistics of the uniform sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uniform {
    /// points
    pub count: u64,
    /// draws from the box or ball for each point that met the constraints
    pub draws: u64,
    /// points where the slack came out as NaN
    pub undefined: u64,
    /// points where the slack came out below 0, rounding errors included
    pub negative: u64,
    /// points where it came out below minus the tolerance
    pub violations: u64,
    /// smallest slack and where
    pub minimum: Option<Extreme>,
    /// order statistics of the slack at the first 2^20 points
    pub quantiles: Vec<Quantile>,
    /// distribution of the slack at the same points
    pub histogram: Option<Histogram>,
    /// upper bound on the share of the region where the slack is below minus the tolerance
    pub violating_share: ShareBound,
}

/// A one-sided confidence bound on a share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareBound {
    /// how it is computed
    pub method: String,
    /// probability that the bound holds, over the random draws
    pub confidence: f64,
    /// the bound
    pub at_most: f64,
}

/// A directed sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directed {
    /// where the points lie
    pub points: String,
    /// how many
    pub count: u64,
    /// points where the slack came out as NaN
    pub undefined: u64,
    /// points where it came out below minus the tolerance
    pub violations: u64,
    /// smallest slack and where
    pub minimum: Option<Extreme>,
}

/// A point and its slack in binary64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extreme {
    /// the slack
    #[serde(with = "crate::certificate::number")]
    pub slack: f64,
    /// its number in the random stream
    pub index: u64,
    /// coordinates of `w`; absent when the claim fixes it or there are more than 256
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub w: Vec<f64>,
    /// coordinates of `v`, likewise
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v: Vec<f64>,
}

/// A point worth a closer look.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// where
    pub point: Point,
    /// slack in binary64
    pub slack: f64,
}

/// What the slacks of one kind of draw come to.
#[derive(Default)]
struct Tally {
    draws: u64,
    undefined: u64,
    negative: u64,
    violations: u64,
    /// number of the point with the smallest slack, and the slack
    lowest: Option<(u64, f64)>,
    /// slacks of the first [`CHUNK`] points that have one
    first: Vec<f64>,
}

impl Tally {
    /// Counts the slacks of the points from number `from` on.
    fn add(&mut self, from: u64, slacks: &[f64], tolerance: f64) {
        for (index, &slack) in (from..).zip(slacks) {
            if slack.is_nan() {
                self.undefined += 1;
                continue;
            }
            self.negative += u64::from(slack < 0.0);
            self.violations += u64::from(slack < -tolerance);
            if self
                .lowest
                .is_none_or(|(_, lowest)| slack.total_cmp(&lowest).is_lt())
            {
                self.lowest = Some((index, slack));
            }
            if from == 0 {
                self.first.push(slack);
            }
        }
    }
}

/// Samples a claim: the statistics, and the worst points as candidates for the search.
///
/// # Errors
/// When the constraints leave (almost) nothing of the region, or Burn fails.
pub fn sample(
    claim: &Claim,
    points: &Points,
    options: &Options,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Sampling, Vec<Candidate>), Failure> {
    let bulk = Bulk::new(&claim.graph, &[claim.slack]).map_err(Failure::Run)?;
    let device = (options.device)
        .map(|backend| OnDevice::new(claim, backend))
        .transpose()?;
    let tolerance = options.tolerance;
    let count = if points.free().is_empty() {
        1
    } else {
        options.samples
    };

    let free: usize = points.free().iter().map(|(_, set)| set.dimension()).sum();
    let batch = (BATCH_COORDINATES / free.max(1)).clamp(8, BATCH_POINTS);
    let worst = (options.starts as usize).min((CANDIDATE_COORDINATES / free.max(1)).max(1));
    let mut candidates: Vec<(u64, Draw, f64)> = Vec::new();
    let mut tally = |draw: Draw, count: u64| -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        for from in (0..count).step_by(CHUNK as usize) {
            let numbers = from..count.min(from + CHUNK);
            let (slacks, draws) = match &device {
                Some(device) => device.run(points, draw, numbers, progress)?,
                None => run(points, &bulk, draw, numbers, batch, progress)?,
            };
            tally.draws += draws;
            tally.add(from, &slacks, tolerance);
            // the worst so far; of equal ones the first
            let full = candidates.len() == worst;
            let limit = candidates
                .last()
                .filter(|_| full)
                .map_or(f64::INFINITY, |last| last.2);
            let lower = (from..)
                .zip(&slacks)
                .filter(|(_, slack)| !slack.is_nan() && (!full || **slack < limit));
            candidates.extend(lower.map(|(index, &slack)| (index, draw, slack)));
            let order = |a: &(u64, Draw, f64), b: &(u64, Draw, f64)| {
                a.2.total_cmp(&b.2).then((a.1 as u8, a.0).cmp(&(b.1 as u8, b.0)))
            };
            if candidates.len() > worst {
                candidates.select_nth_unstable_by(worst, order);
                candidates.truncate(worst);
            }
            candidates.sort_unstable_by(order);
        }
        Ok(tally)
    };

    let mut drawn = tally(Draw::Uniform, count)?;
    let quantiles = quantiles(&mut drawn.first);
    let uniform = Uniform {
        count,
        draws: drawn.draws,
        undefined: drawn.undefined,
        negative: drawn.negative,
        violations: drawn.violations,
        minimum: extreme(points, Draw::Uniform, drawn.lowest),
        quantiles,
        histogram: histogram(&drawn.first, BINS),
        violating_share: ShareBound {
            method: "Clopper-Pearson, one-sided, for slack < -tolerance".to_owned(),
            confidence: options.confidence,
            at_most: clopper_pearson_upper(drawn.violations + drawn.undefined, count, options.confidence),
        },
    };

    let mut directed = Vec::new();
    for draw in Draw::DIRECTED {
        if !points.offers(draw) {
            continue;
        }
        let count = (options.samples / 12).clamp(1, DIRECTED);
        let drawn = tally(draw, count)?;
        directed.push(Directed {
            points: match draw {
                Draw::Uniform => "uniform",
                Draw::NearDiagonal => "v near w",
                Draw::NearKink => "near kinks",
                Draw::Boundary => "on the boundary",
            }
            .to_owned(),
            count,
            undefined: drawn.undefined,
            violations: drawn.violations,
            minimum: extreme(points, draw, drawn.lowest),
        });
    }

    let mut points = points.clone();
    let candidates = candidates
        .into_iter()
        .filter_map(|(index, draw, slack)| points.draw(draw, index).0.map(|point| Candidate { point, slack }))
        .collect();
    let sampling = Sampling {
        engine: engine(options.device),
        kinks: "relu'(0) = 0, leaky_relu'(0) = 1, abs'(0) = 0; ties of max go to the first".to_owned(),
        uniform,
        directed,
    };
    Ok((sampling, candidates))
}

/// What evaluates the slack, for people.
fn engine(device: Option<Backend>) -> String {
    match device {
        None => "bulk evaluator, f64, our own derivatives; Burn's autodiff at the points of the cross-checks"
            .to_owned(),
        Some(device) => format!(
            "Burn's device {device}, f64, our own derivatives; the bulk evaluator and Burn's autodiff at the points of the \
             cross-checks"
        ),
    }
}

/// Slacks of the points of a kind with these numbers, in their order, and the draws that they took.
fn run(
    points: &Points,
    bulk: &Bulk,
    draw: Draw,
    numbers: Range<u64>,
    batch: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Vec<f64>, u64), Failure> {
    let batches = (numbers.end - numbers.start).div_ceil(batch as u64);
    let draws = AtomicU64::new(0);
    let blocks = (draw == Draw::Uniform)
        .then(|| points.blocks(bulk.level()))
        .flatten();
    let slacks: Result<Vec<Vec<f64>>, Failure> = (0..batches)
        .into_par_iter()
        .map_init(
            || (points.clone(), bulk.clone()),
            |(points, bulk), number| {
                let from = numbers.start + number * batch as u64;
                let to = numbers.end.min(from + batch as u64);
                if let Some(blocks) = &blocks {
                    draws.fetch_add(to - from, Ordering::Relaxed);
                    let slacks = in_blocks(blocks, bulk, from..to);
                    progress(to - from);
                    return Ok(slacks);
                }
                let (mut w, mut v) = (Vec::new(), Vec::new());
                for index in from..to {
                    let (point, tried) = points.draw(draw, index);
                    draws.fetch_add(tried, Ordering::Relaxed);
                    let point = point.ok_or(Failure::Hopeless)?;
                    w.extend_from_slice(&point.w);
                    v.extend_from_slice(&point.v);
                }
                let length = (to - from) as usize;
                let mut roots = bulk.run(&w, &v, length).map_err(Failure::Run)?;
                progress(to - from);
                Ok(roots.remove(0))
            },
        )
        .collect();
    Ok((slacks?.concat(), draws.into_inner()))
}

/// Slacks of uniform points that are drawn where the evaluator reads them.
fn in_blocks(blocks: &Blocks, bulk: &mut Bulk, numbers: Range<u64>) -> Vec<f64> {
    let mut slacks = Vec::with_capacity((numbers.end - numbers.start) as usize + LANES);
    for first in numbers.clone().step_by(LANES) {
        bulk.block(|input, entries| blocks.fill(first, input, entries));
        slacks.extend(bulk.root(0, 0));
    }
    slacks.truncate((numbers.end - numbers.start) as usize);
    slacks
}

fn extreme(points: &Points, draw: Draw, lowest: Option<(u64, f64)>) -> Option<Extreme> {
    let (index, slack) = lowest?;
    let point = points.clone().draw(draw, index).0?;
    let (w, v) = point.shown();
    Some(Extreme { slack, index, w, v })
}
