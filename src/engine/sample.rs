//! Sampling: the slack at many points, on Burn, with the gradient of `f` by Burn's autodiff.
//!
//! The uniform points give the statistics; the directed ones (near the diagonal, near kinks, on the
//! boundary) only look for violations. Nothing here is rigorous: what looks like a violation goes to
//! the search and to interval confirmation.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::points::{Draw, Point, Points};
use super::statistics::{Histogram, Quantile, clopper_pearson_upper, histogram, quantiles};
use super::{Failure, Options};
use crate::burn::executor::{Backend, Executor};
use crate::claim::Claim;
use crate::graph::size;

/// Entries that the largest tensor of a batch may have.
const BATCH_ENTRIES: usize = 1 << 18;
/// Points of a batch at most.
const BATCH_POINTS: usize = 256;
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
    /// order statistics of the slack
    pub quantiles: Vec<Quantile>,
    /// distribution of the slack
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

/// The slacks of one kind of draw.
struct Drawn {
    slacks: Vec<f64>,
    draws: u64,
}

/// Samples a claim: the statistics, and the worst points as candidates for the search.
///
/// # Errors
/// When the constraints leave (almost) nothing of the region, or Burn fails.
pub fn sample(
    claim: &Claim,
    options: &Options,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Sampling, Vec<Candidate>), Failure> {
    let points = Points::new(claim, options.seed);
    let executor = || {
        Executor::new(
            &claim.graph,
            &[claim.reference_slack],
            &claim.requests,
            Backend::Ndarray,
        )
        .map_err(Failure::Run)
    };
    let batch = batch_points(claim);
    let tolerance = options.tolerance;
    let count = if points.free().is_empty() {
        1
    } else {
        options.samples
    };

    let mut candidates: Vec<(u64, Draw, f64)> = Vec::new();
    let mut keep_worst = |draw: Draw, slacks: &[f64]| {
        candidates.extend(
            slacks
                .iter()
                .enumerate()
                .map(|(index, &slack)| (index as u64, draw, slack)),
        );
        candidates.retain(|candidate| !candidate.2.is_nan());
        candidates.sort_by(|a, b| a.2.total_cmp(&b.2));
        candidates.truncate(options.starts as usize);
    };

    let drawn = run(&points, &executor, Draw::Uniform, count, batch, progress)?;
    keep_worst(Draw::Uniform, &drawn.slacks);
    let negative = drawn.slacks.iter().filter(|&&slack| slack < 0.0).count() as u64;
    let violations = drawn.slacks.iter().filter(|&&slack| slack < -tolerance).count() as u64;
    let minimum = extreme(&points, Draw::Uniform, &drawn.slacks);
    let mut finite: Vec<f64> = drawn
        .slacks
        .iter()
        .copied()
        .filter(|slack| !slack.is_nan())
        .collect();
    let undefined = count - finite.len() as u64;
    let quantiles = quantiles(&mut finite);
    let uniform = Uniform {
        count,
        draws: drawn.draws,
        undefined,
        negative,
        violations,
        minimum,
        quantiles,
        histogram: histogram(&finite, BINS),
        violating_share: ShareBound {
            method: "Clopper-Pearson, one-sided, for slack < -tolerance".to_owned(),
            confidence: options.confidence,
            at_most: clopper_pearson_upper(violations + undefined, count, options.confidence),
        },
    };

    let mut directed = Vec::new();
    for draw in Draw::DIRECTED {
        if !points.offers(draw) {
            continue;
        }
        let count = (options.samples / 12).max(1);
        let drawn = run(&points, &executor, draw, count, batch, progress)?;
        keep_worst(draw, &drawn.slacks);
        directed.push(Directed {
            points: match draw {
                Draw::Uniform => "uniform",
                Draw::NearDiagonal => "v near w",
                Draw::NearKink => "near kinks",
                Draw::Boundary => "on the boundary",
            }
            .to_owned(),
            count,
            undefined: drawn.slacks.iter().filter(|slack| slack.is_nan()).count() as u64,
            violations: drawn.slacks.iter().filter(|&&slack| slack < -tolerance).count() as u64,
            minimum: extreme(&points, draw, &drawn.slacks),
        });
    }

    let mut points = points;
    let candidates = candidates
        .into_iter()
        .filter_map(|(index, draw, slack)| points.draw(draw, index).0.map(|point| Candidate { point, slack }))
        .collect();
    let sampling = Sampling {
        engine: "burn ndarray, f64, gradient by Burn's autodiff".to_owned(),
        kinks: "relu'(0) = 0, leaky_relu'(0) = 1, abs'(0) = 0; ties of max go to the first".to_owned(),
        uniform,
        directed,
    };
    Ok((sampling, candidates))
}

/// Slacks of `count` points of a kind, in the order of their numbers.
fn run(
    points: &Points,
    executor: &(impl Fn() -> Result<Executor, Failure> + Sync),
    draw: Draw,
    count: u64,
    batch: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Drawn, Failure> {
    let batches = count.div_ceil(batch as u64);
    let draws = AtomicU64::new(0);
    let slacks: Result<Vec<Vec<f64>>, Failure> = (0..batches)
        .into_par_iter()
        .map_init(
            || (points.clone(), executor()),
            |(points, executor), number| {
                let executor = executor.as_ref().map_err(Clone::clone)?;
                let from = number * batch as u64;
                let to = count.min(from + batch as u64);
                let (mut w, mut v) = (Vec::new(), Vec::new());
                for index in from..to {
                    let (point, tried) = points.draw(draw, index);
                    draws.fetch_add(tried, Ordering::Relaxed);
                    let point = point.ok_or(Failure::Hopeless)?;
                    w.extend_from_slice(&point.w);
                    v.extend_from_slice(&point.v);
                }
                let length = (to - from) as usize;
                let given = if v.is_empty() { None } else { Some(v.as_slice()) };
                let mut roots = executor.run(&w, given, length).map_err(Failure::Run)?;
                progress(to - from);
                let mut slack = roots.remove(0);
                if slack.len() == 1 {
                    slack.resize(length, slack[0]);
                }
                Ok(slack)
            },
        )
        .collect();
    Ok(Drawn {
        slacks: slacks?.concat(),
        draws: draws.into_inner(),
    })
}

fn extreme(points: &Points, draw: Draw, slacks: &[f64]) -> Option<Extreme> {
    let (index, &slack) = slacks
        .iter()
        .enumerate()
        .filter(|(_, slack)| !slack.is_nan())
        .min_by(|a, b| a.1.total_cmp(b.1))?;
    let point = points.clone().draw(draw, index as u64).0?;
    let short = |side: Vec<f64>| if side.len() <= 256 { side } else { Vec::new() };
    Some(Extreme {
        slack,
        index: index as u64,
        w: short(point.w),
        v: short(point.v),
    })
}

/// Points of a batch, so that the largest tensor stays in cache.
fn batch_points(claim: &Claim) -> usize {
    let graph = &claim.graph;
    let needed = graph.reachable(&[claim.reference_slack, claim.slack]);
    let largest = graph
        .ids()
        .filter(|id| needed[id.index()] && graph.is_variable(*id))
        .map(|id| size(graph.shape(id)))
        .max()
        .unwrap_or(1);
    (BATCH_ENTRIES / largest.max(1)).clamp(1, BATCH_POINTS)
}
