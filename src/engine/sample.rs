//! Sampling: the slack at many points, by the bulk evaluator or on a Burn device ([`super::device`]), with
//! our own derivatives. Burn and its autodiff are the reference, at the points of [`super::cross_check`].
//!
//! The uniform points give the statistics; the directed ones (near the diagonal, near kinks, on the
//! boundary) only look for violations. Nothing here is rigorous: what looks like a violation goes to
//! the search and to interval confirmation.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::device::OnDevice;
use super::kinks::SEGMENTS;
use super::points::{Blocks, Draw, Point, Points};
use super::statistics::{Histogram, Quantile, clopper_pearson_upper, histogram, quantiles};
use super::{Failure, Options};
use crate::burn::device::Backend;
use crate::claim::Claim;
use crate::eval::bulk::{Bulk, LANES};

/// Points that a worker draws and evaluates at a time: at least and at most,
const BATCH_POINTS: [usize; 2] = [16, 4096];
/// and so many coordinates together;
const BATCH_COORDINATES: usize = 1 << 14;
/// but so few points that there are so many batches.
const BATCHES: u64 = 64;
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

/// A point with a low slack: its number, kind and slack.
type Low = (u64, Draw, f64);

/// From the lowest slack on; of equal ones the first.
fn order(a: &Low, b: &Low) -> std::cmp::Ordering {
    a.2.total_cmp(&b.2).then((a.1 as u8, a.0).cmp(&(b.1 as u8, b.0)))
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
    /// Counts the slacks of the points from number `from` on, which are fewer than 2^32.
    fn of(from: u64, slacks: &[f64], tolerance: f64) -> Tally {
        let mut tally = Tally::default();
        let (mut undefined, mut negative, mut violations) = (0u32, 0u32, 0u32);
        let mut lowest = f64::INFINITY;
        for &slack in slacks {
            undefined += u32::from(slack.is_nan());
            negative += u32::from(slack < 0.0);
            violations += u32::from(slack < -tolerance);
            // NaN is never less
            lowest = if slack < lowest { slack } else { lowest };
        }
        (tally.undefined, tally.negative) = (undefined.into(), negative.into());
        tally.violations = violations.into();
        // the first of the lowest, -0 before 0
        tally.lowest = (from..)
            .zip(slacks)
            .filter(|(_, slack)| **slack <= lowest)
            .map(|(index, slack)| (index, *slack))
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        if from < CHUNK {
            tally.first = slacks.iter().copied().filter(|slack| !slack.is_nan()).collect();
        }
        tally
    }

    /// Adds the counts of later points.
    fn add(&mut self, further: Tally) {
        self.draws += further.draws;
        self.undefined += further.undefined;
        self.negative += further.negative;
        self.violations += further.violations;
        self.lowest = match (self.lowest, further.lowest) {
            (Some(a), Some(b)) if b.1.total_cmp(&a.1).is_lt() => Some(b),
            (None, lowest) | (lowest, _) => lowest,
        };
        self.first.extend(further.first);
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
    let worst = (options.starts as usize).min((CANDIDATE_COORDINATES / free.max(1)).max(1));
    let mut candidates: Vec<Low> = Vec::new();
    let mut tally = |draw: Draw, count: u64| -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        for from in (0..count).step_by(CHUNK as usize) {
            let numbers = from..count.min(from + CHUNK);
            let sampler = Sampler {
                points,
                bulk: &bulk,
                draw,
                tolerance,
                worst,
                // only what is lower than all that is known so far can be among the worst
                limit: (worst.checked_sub(1))
                    .and_then(|last| candidates.get(last))
                    .map_or(f64::INFINITY, |last| last.2),
            };
            let batches = match &device {
                Some(device) => {
                    let (slacks, draws) = device.run(points, draw, numbers, progress)?;
                    vec![sampler.counted(from, &slacks, draws)]
                }
                None => sampler.run(numbers, free, progress)?,
            };
            for (further, low) in batches {
                tally.add(further);
                candidates.extend(low);
            }
            keep_lowest(&mut candidates, worst);
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

    let candidates = drawn_again(points, &candidates);
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

/// Keeps the lowest, in no order.
fn keep_lowest(low: &mut Vec<Low>, count: usize) {
    if low.len() > count {
        low.select_nth_unstable_by(count, order);
        low.truncate(count);
    }
}

/// Draws and evaluates points of a kind.
struct Sampler<'a> {
    points: &'a Points,
    bulk: &'a Bulk,
    draw: Draw,
    tolerance: f64,
    /// points with low slacks that are kept,
    worst: usize,
    /// with slacks below this
    limit: f64,
}

impl Sampler<'_> {
    /// What the slacks of the points with these numbers come to, and the lowest: batch by batch, in their order.
    fn run(
        &self,
        numbers: Range<u64>,
        free: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<(Tally, Vec<Low>)>, Failure> {
        let count = numbers.end - numbers.start;
        let [least, most] = BATCH_POINTS;
        let batch = (BATCH_COORDINATES / free.max(1)).clamp(least, most) as u64;
        let batch = batch.min(count.div_ceil(BATCHES));
        let batch = batch.next_multiple_of((self.bulk.blocks() * LANES) as u64);
        let blocks = (self.draw == Draw::Uniform)
            .then(|| self.points.blocks(self.bulk.level()))
            .flatten();
        (0..count.div_ceil(batch))
            .into_par_iter()
            .map_init(
                || (self.points.clone(), self.bulk.clone(), Vec::new()),
                |(points, bulk, slacks), number| {
                    let from = numbers.start + number * batch;
                    let batch = from..numbers.end.min(from + batch);
                    slacks.clear();
                    let draws = match &blocks {
                        Some(blocks) => in_blocks(blocks, bulk, batch, slacks),
                        None => one_by_one(points, self.draw, bulk, batch, slacks)?,
                    };
                    progress(slacks.len() as u64);
                    Ok(self.counted(from, slacks, draws))
                },
            )
            .collect()
    }

    /// What the slacks of the points from number `from` on come to, and the lowest.
    fn counted(&self, from: u64, slacks: &[f64], draws: u64) -> (Tally, Vec<Low>) {
        let tally = Tally {
            draws,
            ..Tally::of(from, slacks, self.tolerance)
        };
        let open = self.limit == f64::INFINITY;
        let mut low: Vec<Low> = (from..)
            .zip(slacks)
            .filter(|(_, slack)| **slack < self.limit || (open && !slack.is_nan()))
            .map(|(index, slack)| (index, self.draw, *slack))
            .collect();
        keep_lowest(&mut low, self.worst);
        (tally, low)
    }
}

/// Slacks of uniform points that are drawn where the evaluator reads them; the draws that it took.
fn in_blocks(blocks: &Blocks, bulk: &mut Bulk, numbers: Range<u64>, slacks: &mut Vec<f64>) -> u64 {
    let count = numbers.end - numbers.start;
    let side_by_side = bulk.blocks();
    for first in numbers.step_by(side_by_side * LANES) {
        bulk.block(|entries| blocks.fill(first, side_by_side, entries));
        for block in 0..side_by_side {
            slacks.extend(bulk.root(0, 0, block));
        }
    }
    slacks.truncate(count as usize);
    count
}

/// Slacks of points that are drawn one by one; the draws that it took.
fn one_by_one(
    points: &mut Points,
    draw: Draw,
    bulk: &mut Bulk,
    numbers: Range<u64>,
    slacks: &mut Vec<f64>,
) -> Result<u64, Failure> {
    let (mut w, mut v, mut draws) = (Vec::new(), Vec::new(), 0);
    let count = (numbers.end - numbers.start) as usize;
    for (point, tried) in points.draws(draw, numbers) {
        draws += tried;
        let point = point.ok_or(Failure::Hopeless)?;
        w.extend_from_slice(&point.w);
        v.extend_from_slice(&point.v);
    }
    let mut roots = bulk.run(&w, &v, count).map_err(Failure::Run)?;
    slacks.append(&mut roots[0]);
    Ok(draws)
}

/// Candidates by the numbers of their points; several of a kind at a time, since points near kinks are found together.
fn drawn_again(points: &Points, low: &[Low]) -> Vec<Candidate> {
    let kinds = [Draw::Uniform].into_iter().chain(Draw::DIRECTED);
    let parts: Vec<(Draw, Vec<usize>)> = kinds
        .flat_map(|draw| {
            let own: Vec<usize> = (0..low.len()).filter(|place| low[*place].1 == draw).collect();
            let parts: Vec<Vec<usize>> = own.chunks(SEGMENTS).map(<[usize]>::to_vec).collect();
            parts.into_iter().map(move |part| (draw, part))
        })
        .collect();
    let drawn: Vec<Vec<(usize, Candidate)>> = (parts.into_par_iter())
        .map_init(
            || points.clone(),
            |points, (draw, part)| {
                let numbers = part.iter().map(|place| low[*place].0);
                (part.iter().zip(points.draws(draw, numbers)))
                    .filter_map(|(place, (point, _))| {
                        let slack = low[*place].2;
                        point.map(|point| (*place, Candidate { point, slack }))
                    })
                    .collect()
            },
        )
        .collect();
    let mut candidates: Vec<(usize, Candidate)> = drawn.into_iter().flatten().collect();
    candidates.sort_unstable_by_key(|(place, _)| *place);
    candidates.into_iter().map(|(_, candidate)| candidate).collect()
}

fn extreme(points: &Points, draw: Draw, lowest: Option<(u64, f64)>) -> Option<Extreme> {
    let (index, slack) = lowest?;
    let point = points.clone().draw(draw, index).0?;
    let (w, v) = point.shown();
    Some(Extreme { slack, index, w, v })
}
