//! Claims about expectations: the expected slack at some points, from draws of the examples that had no
//! part in choosing the points.
//!
//! The points are the worst of a screening (samples and search on the case's own draw, then
//! [`Purpose::Screening`] draws) and some uniform ones. At each of them the slacks of the examples of fresh draws give an
//! interval for their expectation ([`statistics`]), at a level that makes all intervals hold
//! together with the stated confidence (Bonferroni). An interval is no proof: the verdict is never
//! `refuted` and never `proved`. `docs/soundness.md` argues the choice.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::points::{Draw, Point, Points};
use super::sample::Candidate;
use super::statistics::{empirical_bernstein, student_quantile};
use super::{Failure, Options, Progress, Verdict};
use crate::case::population::DrawKey;
use crate::claim::Claim;
use crate::claim::population::{Population, Purpose};
use crate::eval::bulk::Bulk;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::graph::op::Input;

/// Points of a kind at which the slack is compared with the mean over the examples.
const COMPARED: u64 = 16;
/// How far the two may be apart, relative to the sizes of the sides.
const AVERAGE: f64 = 1e-9;
/// A share of the usual size of the sides, and of the tolerance: what lies below it does not count.
const VANISHING: f64 = 1e-3;
/// What rounding may change in a mean, relative to the sizes of the sides: the intervals are so much wider.
const ROUNDING: f64 = 1e-11;
/// Points that are screened: at most so many from the search, and as many from the samples.
const SCREENED: usize = 32;
/// Points from the screening that are tested,
const WORST: usize = 16;
/// and uniform ones.
const UNIFORM: u64 = 48;
/// Draws that are held at once.
const CHUNK: u64 = 256;

/// What the test of expectations found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// the arrays that were drawn anew
    pub over: Vec<String>,
    /// how the intervals are computed
    pub method: String,
    /// on what they rest
    pub assumption: String,
    /// probability, over the fresh draws, that all intervals hold together
    pub confidence: f64,
    /// fresh draws
    pub draws: u64,
    /// examples in each
    pub rows: u64,
    /// seed of the draws
    pub seed: u64,
    /// largest difference between the slack of a sample and the mean over its examples, relative to the
    /// sizes of the sides
    pub average: f64,
    /// points that were tested
    pub points: u64,
    /// how many of them the screening chose; the others are uniform
    pub screened: u64,
    /// points where the slack of some example is not a number
    pub undefined: u64,
    /// points where the whole interval lies below minus the tolerance
    pub violated: u64,
    /// points where the whole interval lies at or above minus the tolerance
    pub resolved: u64,
    /// the lowest lower end
    #[serde(with = "crate::certificate::number")]
    pub at_least: f64,
    /// the largest half of a width
    #[serde(with = "crate::certificate::number")]
    pub resolution: f64,
    /// the point whose upper end is lowest
    pub worst: Tested,
}

/// A point and its expected slack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// `screening` or `uniform`
    pub chosen: String,
    /// mean over all examples
    #[serde(with = "crate::certificate::number")]
    pub mean: f64,
    /// standard deviation: of the means of the draws for a t-interval, of single examples otherwise
    #[serde(with = "crate::certificate::number")]
    pub deviation: f64,
    /// interval of the expected slack
    #[serde(with = "crate::certificate::number::pair")]
    pub interval: [f64; 2],
    /// enclosure of the slack of every example; absent for a t-interval
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// coordinates of `w`; absent when the claim fixes it or there are more than 256
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub w: Vec<f64>,
    /// coordinates of `v`, likewise
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v: Vec<f64>,
}

/// Moments of the slack at a point. Welford's recurrence over the means of the draws, and the squares
/// within them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// draws
    pub draws: u64,
    /// mean of the means
    pub mean: f64,
    /// sum of the squared deviations of the means
    between: f64,
    /// sum over the draws of the squared deviations of their examples from their mean
    within: f64,
    /// mean of the sum of the sizes of the two sides, over all examples
    size: f64,
    /// examples whose slack is not a finite number
    pub undefined: u64,
}

impl Moments {
    /// Of the slacks and the two sides of the examples of one draw.
    fn of(slacks: &[f64], sides: [&[f64]; 2]) -> Moments {
        let mean = slacks.iter().sum::<f64>() / slacks.len() as f64;
        let sizes = sides.into_iter().flatten().map(|side| side.abs());
        Moments {
            draws: 1,
            mean,
            size: sizes.sum::<f64>() / slacks.len() as f64,
            between: 0.0,
            within: slacks.iter().map(|slack| (slack - mean) * (slack - mean)).sum(),
            undefined: slacks.iter().filter(|slack| !slack.is_finite()).count() as u64,
        }
    }

    /// With a further draw.
    fn add(&mut self, draw: &Moments) {
        self.draws += 1;
        let before = draw.mean - self.mean;
        self.mean += before / self.draws as f64;
        self.between += before * (draw.mean - self.mean);
        self.within += draw.within;
        self.size += (draw.size - self.size) / self.draws as f64;
        self.undefined += draw.undefined;
    }

    /// Unbiased variance of the means of the draws.
    fn variance_of_means(&self) -> f64 {
        self.between / (self.draws - 1) as f64
    }

    /// Unbiased variance of the examples, `rows` in each draw.
    fn variance_of_examples(&self, rows: u64) -> f64 {
        (self.within + rows as f64 * self.between) / (self.draws * rows - 1) as f64
    }

    /// Student's interval for the expectation, wrong at each end with probability `risk` where the means
    /// of the draws are normal.
    pub fn student(&self, risk: f64) -> [f64; 2] {
        let half = student_quantile(1.0 - risk, self.draws - 1)
            * (self.variance_of_means() / self.draws as f64).sqrt();
        [self.mean - half, self.mean + half]
    }

    /// Maurer and Pontil's interval for examples with slacks in `range`.
    pub fn bernstein(&self, rows: u64, range: [f64; 2], risk: f64) -> [f64; 2] {
        let width = range[1] - range[0];
        let half = empirical_bernstein(self.variance_of_examples(rows), width, self.draws * rows, risk);
        [self.mean - half, self.mean + half]
    }
}

/// Checks at uniform points, and at points on the boundary, that the slack of a sample is the mean of
/// the slacks of its examples; returns the largest relative difference.
///
/// # Errors
/// [`Failure::NotAverage`] where it is not.
pub fn require_average(claim: &Claim, population: &Population, points: &Points) -> Result<f64, Failure> {
    let mut points = points.clone();
    let mut compared = Vec::new();
    for draw in [Draw::Uniform, Draw::Boundary] {
        if points.offers(draw) {
            for index in 0..COMPARED {
                compared.push(points.draw(draw, index).0.ok_or(Failure::Hopeless)?);
            }
        }
    }
    average_at(claim, population, &compared)
}

/// The same at given points.
fn average_at(claim: &Claim, population: &Population, points: &[Point]) -> Result<f64, Failure> {
    let (graph, slack) = &population.doubled;
    let mut sample = Bulk::new(graph, &[*slack]).map_err(Failure::Run)?;
    let mut single = Bulk::new(&population.graph, &population.roots).map_err(Failure::Run)?;
    let rows = 2 * population.spec.rows();
    let mut compared = Vec::new();
    for point in points {
        let whole = sample.run(&point.w, &point.v, 1).map_err(Failure::Run)?[0][0];
        let each = evaluate(&mut single, point, &population.doubled_examples, rows)?;
        let mean = each[0].iter().sum::<f64>() / rows as f64;
        let size = each[1].iter().chain(&each[2]).map(|side| side.abs()).sum::<f64>() / rows as f64;
        if whole.is_finite() || mean.is_finite() {
            compared.push((point, whole, mean, size));
        }
    }
    // where both sides vanish, what cancelled in them has left its rounding errors
    let usual = compared.iter().map(|(.., size)| *size).fold(0.0, f64::max);
    let negligible = VANISHING * super::tolerance(claim);
    let mut largest: f64 = 0.0;
    for (point, whole, mean, size) in compared {
        let (difference, size) = ((whole - mean).abs(), size + VANISHING * usual);
        // not NaN either
        if difference <= negligible {
            continue;
        }
        if difference <= AVERAGE * size {
            largest = largest.max(difference / size);
        } else {
            return Err(Failure::NotAverage(format!(
                "the slack is no mean over the examples, so it estimates no expectation: {whole:e} for a sample \
                 of {rows} examples, whose own slacks have the mean {mean:e}, at {}",
                place(claim, point)
            )));
        }
    }
    Ok(largest)
}

fn place(claim: &Claim, point: &Point) -> String {
    let (w, v) = point.shown();
    let sides: Vec<String> = [(Input::W, "w", w), (Input::V, "v", v)]
        .into_iter()
        .filter(|(input, _, side)| claim.region.inputs().contains(input) && (1..=8).contains(&side.len()))
        .map(|(_, name, side)| format!("{name} = {side:?}"))
        .collect();
    if sides.is_empty() {
        "a point of the region".to_owned()
    } else {
        sides.join(", ")
    }
}

/// The roots at one point for each of `count` examples.
fn evaluate(
    bulk: &mut Bulk,
    point: &Point,
    examples: &[f64],
    count: usize,
) -> Result<Vec<Vec<f64>>, Failure> {
    let width = examples.len() / count;
    let mut w = Vec::with_capacity(count * (point.w.len() + width));
    for example in examples.chunks_exact(width) {
        w.extend_from_slice(&point.w);
        w.extend_from_slice(example);
    }
    bulk.run(&w, &point.v.repeat(count), count).map_err(Failure::Run)
}

/// The moments of the slack at each point, from `draws` draws for a purpose.
///
/// # Errors
/// When the slack cannot be evaluated.
pub fn moments(
    population: &Population,
    points: &[Point],
    seed: u64,
    purpose: Purpose,
    draws: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Moments>, Failure> {
    let spec = &population.spec;
    let rows = spec.rows();
    let bulk = Bulk::new(&population.graph, &population.roots).map_err(Failure::Run)?;
    let mut all = vec![Moments::default(); points.len()];
    for from in (0..draws).step_by(CHUNK as usize) {
        let found: Result<Vec<Vec<Moments>>, Failure> = (from..draws.min(from + CHUNK))
            .into_par_iter()
            .map_init(
                || bulk.clone(),
                |bulk, index| {
                    let key = DrawKey {
                        seed,
                        purpose: purpose as u64,
                        index,
                    };
                    let drawn = spec.draw(key, rows);
                    let examples = spec.examples(drawn.values().map(|(_, values)| values.as_slice()), rows);
                    let each = points
                        .iter()
                        .map(|point| {
                            let roots = evaluate(bulk, point, &examples, rows)?;
                            Ok(Moments::of(&roots[0], [&roots[1], &roots[2]]))
                        })
                        .collect();
                    progress(1);
                    each
                },
            )
            .collect();
        // in the order of the draws, so that the sums do not depend on threads
        for draw in found? {
            for (moments, further) in all.iter_mut().zip(&draw) {
                moments.add(further);
            }
        }
    }
    Ok(all)
}

/// Enclosures of the slack of every example at each point; `None` where some is not bounded.
fn ranges(population: &Population, points: &[Point]) -> Option<Vec<[f64; 2]>> {
    let support = population.spec.support()?;
    let example: Vec<Interval> = support.iter().map(|[lo, hi]| Interval::new(*lo, *hi)).collect();
    let mut slack = Evaluator::new(
        &population.graph,
        &population.roots[..1],
        IntervalArithmetic::new(),
    );
    let mut range = |point: &Point| {
        let mut w: Vec<Interval> = point.w.iter().map(|&x| Interval::point(x)).collect();
        w.extend_from_slice(&example);
        let v: Vec<Interval> = point.v.iter().map(|&x| Interval::point(x)).collect();
        let flags = slack.run(&[(Input::W, &w), (Input::V, &v)]);
        let Interval { lo, hi } = slack.root(0)[0];
        (flags.defined && (hi - lo).is_finite()).then_some([lo, hi])
    };
    points.iter().map(&mut range).collect()
}

/// The points to be tested, worst first, and how many of them the screening chose.
fn choose(
    population: &Population,
    points: &Points,
    options: &Options,
    sampled: &[Candidate],
    searched: &[Candidate],
    progress: &dyn Progress,
) -> Result<(Vec<Point>, usize), Failure> {
    if points.free().is_empty() {
        return Ok((vec![Point::default()], 0));
    }
    let mut pool: Vec<Point> = Vec::new();
    for candidates in [searched, sampled] {
        let full = pool.len() + SCREENED;
        for candidate in candidates {
            if pool.len() < full && !pool.contains(&candidate.point) {
                pool.push(candidate.point.clone());
            }
        }
    }
    let draws = population.spec.draws;
    progress.stage("screening", Some(draws));
    let found = moments(
        population,
        &pool,
        options.seed,
        Purpose::Screening,
        draws,
        &|draws| progress.advance(draws),
    )?;
    // the points where a violation is likeliest to show: lowest upper ends
    let mut ranked: Vec<(f64, Point)> = found
        .iter()
        .map(|moments| moments.student(1.0 - options.confidence)[1])
        .zip(pool)
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut chosen: Vec<Point> = ranked.into_iter().take(WORST).map(|(_, point)| point).collect();
    let screened = chosen.len();
    let mut points = points.clone();
    for index in 0..UNIFORM {
        chosen.push(points.draw(Draw::Uniform, index).0.ok_or(Failure::Hopeless)?);
    }
    Ok((chosen, screened))
}

/// Tests the expected slack with fresh draws, at points that a screening chose from the worst samples and
/// from what the search found, both on the case's own draw.
///
/// # Errors
/// When the slack cannot be evaluated, or is no mean over the examples at a point that is tested.
pub fn test(
    claim: &Claim,
    population: &Population,
    points: &Points,
    options: &Options,
    [sampled, searched]: [&[Candidate]; 2],
    progress: &dyn Progress,
) -> Result<Expectations, Failure> {
    let (tested, screened) = choose(population, points, options, sampled, searched, progress)?;
    let average = require_average(claim, population, points)?.max(average_at(claim, population, &tested)?);
    let draws = population.spec.draws;
    progress.stage("expectations", Some(draws));
    let found = moments(
        population,
        &tested,
        options.seed,
        Purpose::Test,
        draws,
        &|draws| progress.advance(draws),
    )?;

    let rows = population.spec.rows() as u64;
    // both ends of every interval
    let risk = (1.0 - options.confidence) / (2.0 * tested.len() as f64);
    let ranges = ranges(population, &tested);
    let usual = found.iter().map(|moments| moments.size).fold(0.0, f64::max);
    let intervals: Vec<[f64; 2]> = (found.iter().enumerate())
        .map(|(number, moments)| {
            let [lo, hi] = match &ranges {
                Some(ranges) => moments.bernstein(rows, ranges[number], risk),
                None => moments.student(risk),
            };
            let rounding = ROUNDING * (moments.size + VANISHING * usual);
            [lo - rounding, hi + rounding]
        })
        .collect();
    let below = -options.tolerance;
    let count = |holds: &dyn Fn(&[f64; 2]) -> bool| intervals.iter().filter(|x| holds(x)).count() as u64;
    let fold = |start: f64, pick: fn(f64, f64) -> f64, value: fn(&[f64; 2]) -> f64| {
        intervals.iter().map(value).fold(start, pick)
    };
    let worst = (0..tested.len())
        .min_by(|a, b| intervals[*a][1].total_cmp(&intervals[*b][1]))
        .unwrap_or(0);
    let (w, v) = tested[worst].shown();
    let deviation = match &ranges {
        Some(_) => found[worst].variance_of_examples(rows).sqrt(),
        None => found[worst].variance_of_means().sqrt(),
    };
    let (method, assumption) = if ranges.is_some() {
        (
            "empirical Bernstein intervals (Maurer, Pontil 2009) over the examples, Bonferroni over points and ends",
            "the examples are independent and their slack lies in the enclosed range",
        )
    } else {
        (
            "Student's t-intervals over the means of the draws, Bonferroni over points and ends",
            "the means of the draws are approximately normal",
        )
    };
    Ok(Expectations {
        over: population.spec.arrays.keys().cloned().collect(),
        method: method.to_owned(),
        assumption: assumption.to_owned(),
        confidence: options.confidence,
        draws,
        rows,
        seed: options.seed,
        average,
        points: tested.len() as u64,
        screened: screened as u64,
        undefined: found.iter().filter(|moments| moments.undefined > 0).count() as u64,
        violated: count(&|[_, hi]| *hi < below),
        resolved: count(&|[lo, _]| *lo >= below),
        at_least: fold(f64::INFINITY, f64::min, |[lo, _]| *lo),
        resolution: fold(0.0, f64::max, |[lo, hi]| (hi - lo) / 2.0),
        worst: Tested {
            chosen: if worst < screened { "screening" } else { "uniform" }.to_owned(),
            mean: found[worst].mean,
            deviation,
            interval: intervals[worst],
            range: ranges.map(|ranges| ranges[worst]),
            w,
            v,
        },
    })
}

/// The verdict on expectations. An interval below minus the tolerance is no refutation: it is wrong with
/// the stated probability. Intervals that reach across it say how far the test can see.
///
/// `undefined` counts the sampled points where the slack of the case's own draw is not a number.
pub fn decide(found: &Expectations, undefined: u64, options: &Options) -> (Verdict, String) {
    let Expectations { points, violated, .. } = found;
    let over = found.over.join(", ");
    let tested = if *points == 1 {
        "the one tested point".to_owned()
    } else {
        format!("{points} tested points")
    };
    if found.undefined > 0 {
        let reason = format!(
            "at {} of {tested} the slack of some example is not a number, so its expectation over \
             {over} is not known to exist",
            found.undefined
        );
        return (Verdict::Undecided, reason);
    }
    if *violated > 0 {
        let [lo, hi] = found.worst.interval;
        let reason = format!(
            "in expectation over {over} the claim is violated at {violated} of {tested} unless an event of \
             probability at most {:.3e} occurred: at the worst the expected slack lies in [{lo:e}, {hi:e}], by {}, \
             where {}. Sampling alone refutes nothing",
            1.0 - found.confidence,
            found.method,
            found.assumption
        );
        return (Verdict::Undecided, reason);
    }
    if undefined > 0 {
        let reason = format!(
            "at {undefined} sampled points the slack of the case's own draw is not a number: its expectation over \
             {over} is not known to exist there"
        );
        return (Verdict::Undecided, reason);
    }
    let reason = format!(
        "in expectation over {over} no violation showed at {tested}: with confidence {} the expected slack \
         is at least {:e} at all of them, and at least minus the tolerance of {:e} at {}, by {}, where {}. Nothing is \
         proved: the prover does not treat expectations",
        found.confidence, found.at_least, options.tolerance, found.resolved, found.method, found.assumption
    );
    (Verdict::Supported, reason)
}
