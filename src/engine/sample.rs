//! Sampling: the slack at many points, by the bulk evaluator or on a Burn device ([`super::device`]), with
//! our own derivatives. Burn and its autodiff are the reference, at the points of [`super::cross_check`].
//!
//! The uniform points give the statistics; the directed ones (near the diagonal, near kinks, on the
//! boundary) only look for violations. Nothing here is rigorous: what looks like a violation goes to
//! the search and to interval confirmation.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::device::OnDevice;
use super::kinks::SEGMENTS;
use super::points::{Blocks, Draw, Point, Points};
use super::statistics::{Histogram, Quantile, clopper_pearson_upper, histogram, quantiles};
use super::{Failure, Options};
use crate::burn::device::Backend;
use crate::claim::Claim;
use crate::eval::bulk::level::{Kernel, Level, Vector};
use crate::eval::bulk::{Bulk, LANES};

/// Points that a worker draws and evaluates at a time: at least and at most,
const BATCH_POINTS: [usize; 2] = [16, 4096];
/// and so many coordinates together, where they are drawn one by one;
const BATCH_COORDINATES: usize = 1 << 14;
/// but so few points that there are so many batches.
const BATCHES: usize = 256;
/// Points whose slacks are held at once. Quantiles and histogram are of the first so many.
const CHUNK: u64 = 1 << 20;
/// Coordinates of all candidates together.
const CANDIDATE_COORDINATES: usize = 1 << 24;
/// Low slacks that are kept at least until a worker leaves out the higher half of what it has gathered.
const ROOM: usize = 64;
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
}

/// Counts slacks.
struct Count<'a> {
    slacks: &'a [f64],
    tolerance: f64,
    /// how many are NaN, below 0, below minus the tolerance; and the lowest, infinity where there is none
    found: &'a mut [f64; 4],
}

impl Kernel for Count<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let (mut undefined, mut negative, mut violations) = (zero, zero, zero);
        let mut lowest = V::splat(f64::INFINITY);
        let (lanes, rest) = self.slacks.as_chunks();
        let mut last = [f64::INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for lane in lanes.iter().chain([&last]) {
            let slack = V::load(lane);
            undefined = undefined + V::select(slack.is_nan(), one, zero);
            negative = negative + V::select(slack.less(zero), one, zero);
            violations = violations + V::select(slack.less(V::splat(-self.tolerance)), one, zero);
            // NaN is never less
            lowest = V::select(slack.less(lowest), slack, lowest);
        }
        let mut lanes = [[0.0; LANES]; 4];
        undefined.store(&mut lanes[0]);
        negative.store(&mut lanes[1]);
        violations.store(&mut lanes[2]);
        lowest.store(&mut lanes[3]);
        for (found, lanes) in self.found[..3].iter_mut().zip(&lanes) {
            *found = lanes.iter().sum();
        }
        self.found[3] = lanes[3].iter().copied().fold(f64::INFINITY, f64::min);
    }
}

impl Tally {
    /// Counts the slacks of the points from number `from` on, which are fewer than 2^53; and the lowest of them, infinity where there is
    /// none. The tally leaves it out where it is not below what is known from earlier points.
    fn of(from: u64, slacks: &[f64], tolerance: f64, known: Option<f64>, level: Level) -> (Tally, f64) {
        let mut found = [0.0; 4];
        level.run(Count {
            slacks,
            tolerance,
            found: &mut found,
        });
        let [undefined, negative, violations, lowest] = found;
        // the first of the lowest, -0 before 0
        let first = || {
            (from..)
                .zip(slacks)
                .filter(|(_, slack)| **slack <= lowest)
                .map(|(index, slack)| (index, *slack))
                .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
        };
        let tally = Tally {
            draws: 0,
            undefined: undefined as u64,
            negative: negative as u64,
            violations: violations as u64,
            lowest: (known.is_none_or(|known| lowest <= known)).then(first).flatten(),
        };
        (tally, lowest)
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
    let workers = Workers::new();
    // counts points of a kind, whose slacks go to the buffer
    let mut add = |tally: &mut Tally, draw: Draw, numbers: Range<u64>, slacks: &mut Vec<f64>| {
        slacks.resize((numbers.end - numbers.start) as usize, 0.0);
        let sampler = Sampler {
            points,
            bulk: &bulk,
            workers: &workers,
            draw,
            tolerance,
            worst,
            // only what is lower than all that is known so far can be among the worst
            limit: (worst.checked_sub(1))
                .and_then(|last| candidates.get(last))
                .map(|last| last.2),
            known: tally.lowest.map(|(_, slack)| slack),
        };
        let batches = match &device {
            Some(device) => {
                let from = numbers.start;
                let (found, draws) = device.run(points, draw, numbers, progress)?;
                slacks.copy_from_slice(&found);
                vec![sampler.counted(from, slacks, draws)]
            }
            None => sampler.run(numbers.start, slacks, free, progress)?,
        };
        for (further, low) in batches {
            tally.add(further);
            candidates.extend(low);
        }
        keep_lowest(&mut candidates, worst);
        candidates.sort_unstable_by(order);
        Ok::<(), Failure>(())
    };

    let (mut drawn, mut first) = (Tally::default(), Vec::new());
    add(&mut drawn, Draw::Uniform, 0..count.min(CHUNK), &mut first)?;
    first.retain(|slack| !slack.is_nan());
    // beside all other points
    let statistics = || {
        let quantiles = quantiles(&first);
        let histogram = histogram(&first, &quantiles, BINS);
        (quantiles, histogram)
    };
    let others = || {
        let mut slacks = Vec::new();
        for from in (CHUNK..count).step_by(CHUNK as usize) {
            let numbers = from..count.min(from + CHUNK);
            add(&mut drawn, Draw::Uniform, numbers, &mut slacks)?;
        }
        let mut directed = Vec::new();
        for draw in Draw::DIRECTED.into_iter().filter(|draw| points.offers(*draw)) {
            let count = (options.samples / 12).clamp(1, DIRECTED);
            let mut drawn = Tally::default();
            add(&mut drawn, draw, 0..count, &mut slacks)?;
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
        Ok(directed)
    };
    let ((quantiles, histogram), directed) = rayon::join(statistics, others);
    let directed = directed?;
    let uniform = Uniform {
        count,
        draws: drawn.draws,
        undefined: drawn.undefined,
        negative: drawn.negative,
        violations: drawn.violations,
        minimum: extreme(points, Draw::Uniform, drawn.lowest),
        quantiles,
        histogram,
        violating_share: ShareBound {
            method: "Clopper-Pearson, one-sided, for slack < -tolerance".to_owned(),
            confidence: options.confidence,
            at_most: clopper_pearson_upper(drawn.violations + drawn.undefined, count, options.confidence),
        },
    };

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

/// What a thread draws and evaluates with. Its buffers may be large, and are kept from batch to batch.
struct Worker {
    points: Points,
    bulk: Bulk,
    /// what the blocks draw
    draw: Draw,
    blocks: Option<Blocks>,
}

/// A worker for each thread.
struct Workers(Vec<Mutex<Option<Worker>>>);

impl Workers {
    fn new() -> Workers {
        // one more, for a thread that is not of the pool
        Workers(
            (0..=rayon::current_num_threads())
                .map(|_| Mutex::new(None))
                .collect(),
        )
    }

    /// Lends the worker of this thread.
    fn with<T>(&self, sampler: &Sampler, blocks: &Option<Blocks>, work: impl FnOnce(&mut Worker) -> T) -> T {
        let fresh = || Worker {
            points: sampler.points.clone(),
            bulk: sampler.bulk.clone(),
            draw: sampler.draw,
            blocks: blocks.clone(),
        };
        let last = self.0.len() - 1;
        let slot = &self.0[rayon::current_thread_index().unwrap_or(last).min(last)];
        // two threads may want the last one
        let Ok(mut slot) = slot.try_lock() else {
            return work(&mut fresh());
        };
        let worker = slot.get_or_insert_with(fresh);
        if worker.draw != sampler.draw {
            (worker.draw, worker.blocks) = (sampler.draw, blocks.clone());
        }
        work(worker)
    }
}

/// Draws and evaluates points of a kind.
struct Sampler<'a> {
    points: &'a Points,
    bulk: &'a Bulk,
    workers: &'a Workers,
    draw: Draw,
    tolerance: f64,
    /// points with low slacks that are kept,
    worst: usize,
    /// with slacks below this, once so many are known
    limit: Option<f64>,
    /// the lowest slack of earlier points
    known: Option<f64>,
}

impl Sampler<'_> {
    /// The slacks of the points from number `first` on; what they come to, and the lowest: batch by batch, in their order.
    fn run(
        &self,
        first: u64,
        slacks: &mut [f64],
        free: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<(Tally, Vec<Low>)>, Failure> {
        let blocks = self.points.blocks(self.draw, self.bulk.level());
        let [least, most] = BATCH_POINTS;
        let batch = match &blocks {
            Some(_) => most,
            None => (BATCH_COORDINATES / free.max(1)).clamp(least, most),
        };
        let batch = batch.min(slacks.len().div_ceil(BATCHES));
        let batch = batch.next_multiple_of(self.bulk.blocks() * LANES);
        slacks
            .par_chunks_mut(batch)
            .enumerate()
            .map(|(number, slacks)| {
                let from = first + (number * batch) as u64;
                let draws = self
                    .workers
                    .with(self, &blocks, |worker| match &mut worker.blocks {
                        Some(blocks) => Ok(in_blocks(blocks, &mut worker.bulk, from, slacks)),
                        None => one_by_one(&mut worker.points, self.draw, &mut worker.bulk, from, slacks),
                    })?;
                progress(slacks.len() as u64);
                Ok(self.counted(from, slacks, draws))
            })
            .collect()
    }

    /// What the slacks of the points from number `from` on come to, and the lowest.
    fn counted(&self, from: u64, slacks: &[f64], draws: u64) -> (Tally, Vec<Low>) {
        let (tally, lowest) = Tally::of(from, slacks, self.tolerance, self.known, self.bulk.level());
        let tally = Tally { draws, ..tally };
        let (mut low, mut limit) = (Vec::new(), self.limit);
        let any = limit.is_none_or(|limit| lowest <= limit);
        for (index, &slack) in (from..).zip(slacks).filter(|_| any) {
            let is_low = match limit {
                Some(limit) => slack <= limit && slack.total_cmp(&limit).is_lt(),
                None => !slack.is_nan(),
            };
            if is_low {
                low.push((index, self.draw, slack));
                if low.len() == 2 * self.worst.max(ROOM) {
                    keep_lowest(&mut low, self.worst);
                    limit = low.iter().map(|low| low.2).max_by(f64::total_cmp);
                }
            }
        }
        keep_lowest(&mut low, self.worst);
        (tally, low)
    }
}

/// Slacks of the points from a number on, which are drawn where the evaluator reads them; the draws that it took.
fn in_blocks(blocks: &mut Blocks, bulk: &mut Bulk, from: u64, slacks: &mut [f64]) -> u64 {
    let side_by_side = bulk.blocks();
    for (first, slacks) in (from..)
        .step_by(side_by_side * LANES)
        .zip(slacks.chunks_mut(side_by_side * LANES))
    {
        bulk.block(|entries| blocks.fill(first, side_by_side, entries));
        let (lanes, rest) = slacks.as_chunks_mut();
        for (block, lane) in lanes.iter_mut().enumerate() {
            *lane = bulk.root(0, 0, block);
        }
        if !rest.is_empty() {
            rest.copy_from_slice(&bulk.root(0, 0, lanes.len())[..rest.len()]);
        }
    }
    slacks.len() as u64
}

/// Slacks of the points from a number on, which are drawn one by one; the draws that it took.
fn one_by_one(
    points: &mut Points,
    draw: Draw,
    bulk: &mut Bulk,
    from: u64,
    slacks: &mut [f64],
) -> Result<u64, Failure> {
    let (mut w, mut v, mut draws) = (Vec::new(), Vec::new(), 0);
    for (point, tried) in points.draws(draw, from..from + slacks.len() as u64) {
        draws += tried;
        let point = point.ok_or(Failure::Hopeless)?;
        w.extend_from_slice(&point.w);
        v.extend_from_slice(&point.v);
    }
    let roots = bulk.run(&w, &v, slacks.len()).map_err(Failure::Run)?;
    slacks.copy_from_slice(&roots[0]);
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
