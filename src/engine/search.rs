//! Search for a violation: projected descent on the slack from the worst samples, with the gradient
//! of the slack graph, then a derivative-free finish for kinks; and, from few starts, in the small
//! subspaces where entries of a parameter block are equal. What it finds is only a suspicion until
//! [`confirm`] encloses the slack there in intervals.

use dashu_ratio::RBig;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::enclose::{Encloser, ExactPoint};
use super::points::{Point, Points};
use super::sample::Candidate;
use super::ties::Tie;
use crate::claim::Claim;
use crate::eval::float::FloatArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::graph::NodeId;
use crate::graph::op::Input;

/// Descent steps from each start.
const STEPS: usize = 200;
/// Derivative-free moves from each start.
const MOVES: usize = 400;
/// Starts in each subspace of tied coordinates.
const TIED_STARTS: usize = 2;
/// Moves from each of them.
const TIED_MOVES: usize = 200;
/// The shortest of these moves, as a share of the region's width.
const TIED_REACH: f64 = 1e-4;
/// Suspicious points that are enclosed in intervals before the search gives up.
const CONFIRMATIONS: usize = 64;

/// Entries of all workers' graphs together.
const WORKER_ENTRIES: usize = 1 << 26;

/// What the search did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// starting points: the worst of the samples, what the prover suspects, and the two worst samples again
    /// in each subspace of tied coordinates
    pub starts: u64,
    /// evaluations of the slack, with or without its gradient
    pub evaluations: u64,
    /// smallest slack found, in binary64
    #[serde(with = "crate::certificate::number::option")]
    pub lowest: Option<f64>,
    /// coordinates of `w` there; absent when the claim fixes it or there are more than 256
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub w: Vec<f64>,
    /// coordinates of `v`, likewise
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v: Vec<f64>,
}

/// A confirmed violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// coordinates of `w`, exact decimals or fractions; absent when the claim fixes it
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub w: Vec<String>,
    /// coordinates of `v`, likewise
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v: Vec<String>,
    /// interval enclosure of the slack there, wholly below 0
    #[serde(with = "crate::certificate::number::pair")]
    pub slack: [f64; 2],
}

/// Descends from every start; returns the record and the points with the smallest slack first.
pub fn search(claim: &Claim, points: &Points, starts: &[Candidate]) -> (Search, Vec<Candidate>) {
    let mut graph = claim.graph.clone();
    let inputs: Vec<Input> = points.free().iter().map(|(input, _)| *input).collect();
    let mut roots: Vec<NodeId> = vec![claim.slack];
    for &input in &inputs {
        roots.push(graph.gradient(claim.slack, input, claim.dimension));
    }
    let value = Evaluator::new(
        &graph,
        &[claim.slack, claim.sides.left, claim.sides.right],
        FloatArithmetic,
    );
    let full = Evaluator::new(&graph, &roots, FloatArithmetic);
    let workers = (WORKER_ENTRIES / graph.entries().max(1)).max(1);
    let ties = Tie::of(&claim.blocks);
    let mut paths: Vec<(&Candidate, Option<&Tie>)> = starts.iter().map(|start| (start, None)).collect();
    for tie in &ties {
        paths.extend(starts.iter().take(TIED_STARTS).map(|start| (start, Some(tie))));
    }
    let descents: Vec<(Candidate, u64)> = paths
        .par_iter()
        .with_min_len(paths.len().div_ceil(workers))
        .enumerate()
        .map_init(
            || Descent {
                points: points.clone(),
                inputs: inputs.clone(),
                value: value.clone(),
                full: full.clone(),
                evaluations: 0,
            },
            |descent, (number, (start, tie))| {
                descent.evaluations = 0;
                let found = match tie {
                    None => descent.from(start, number as u64),
                    Some(tie) => descent.tied(start, tie),
                };
                (found, descent.evaluations)
            },
        )
        .collect();
    let evaluations = descents.iter().map(|(_, evaluations)| evaluations).sum();
    let mut found: Vec<Candidate> = descents.into_iter().map(|(found, _)| found).collect();
    found.extend(starts.iter().cloned());
    found.sort_by(|a, b| a.slack.total_cmp(&b.slack));
    let (w, v) = found.first().map(|best| best.point.shown()).unwrap_or_default();
    let search = Search {
        starts: paths.len() as u64,
        evaluations,
        lowest: found.first().map(|best| best.slack),
        w,
        v,
    };
    (search, found)
}

struct Descent {
    points: Points,
    inputs: Vec<Input>,
    /// the slack and its two sides
    value: Evaluator<FloatArithmetic>,
    /// the slack and its gradients
    full: Evaluator<FloatArithmetic>,
    evaluations: u64,
}

impl Descent {
    /// The slack, infinite outside the constraints or where it is not a number.
    fn slack(&mut self, point: &Point) -> f64 {
        if !self.points.satisfies(point) {
            return f64::INFINITY;
        }
        self.evaluations += 1;
        self.value.run(&[(Input::W, &point.w), (Input::V, &point.v)]);
        let slack = self.value.root(0)[0];
        if slack.is_nan() { f64::INFINITY } else { slack }
    }

    /// The slack relative to the sizes of its sides, which does not fall where both of them vanish;
    /// infinite where the slack is, or where both are 0.
    fn relative(&mut self, point: &Point) -> f64 {
        let slack = self.slack(point);
        if slack == f64::INFINITY {
            return slack;
        }
        let size = self.value.root(1)[0].abs() + self.value.root(2)[0].abs();
        let relative = slack / size;
        if relative.is_nan() {
            f64::INFINITY
        } else {
            relative
        }
    }

    /// Compass search (Kolda, Lewis, Torczon 2003) where coordinates are tied, from the start with its
    /// groups made equal: each group in turn a step up and a step down, at first as long as the region
    /// is wide, which leads from bound to bound, and half as long after a sweep that gained nothing.
    /// It descends on the slack relative to its sides and needs no gradient, which is 0 wherever
    /// the slack depends on signs alone.
    fn tied(&mut self, start: &Candidate, tie: &Tie) -> Candidate {
        let sides = self.inputs.len();
        let mut best = start.point.clone();
        for (input, set) in self.points.free() {
            let side = best.side_mut(*input);
            tie.apply(side);
            set.project(side);
        }
        let mut lowest = self.relative(&best);
        let mut share = 1.0;
        let mut moves = 0;
        while share > TIED_REACH && moves < TIED_MOVES {
            let before = lowest;
            let groups = (0..sides).flat_map(|side| tie.groups.iter().map(move |group| (side, group)));
            let steps = groups.flat_map(|(side, group)| [(side, group, share), (side, group, -share)]);
            for (side, group, step) in steps.take(TIED_MOVES - moves) {
                moves += 1;
                let trial = self.stepped(&best, side, group, step);
                let relative = self.relative(&trial);
                if relative < lowest {
                    (best, lowest) = (trial, relative);
                }
            }
            if lowest >= before {
                share *= 0.5;
            }
        }
        let slack = self.slack(&best);
        Candidate { point: best, slack }
    }

    /// One group of coordinates of a side moved by a share of the region's width, and back into the region.
    fn stepped(&self, point: &Point, side: usize, group: &[usize], share: f64) -> Point {
        let (input, set) = &self.points.free()[side];
        let mut moved = point.clone();
        let coordinates = moved.side_mut(*input);
        // the scale of a set is a walk over its coordinates
        let step = share * set.scale();
        for &coordinate in group {
            coordinates[coordinate] += step;
        }
        set.project(coordinates);
        moved
    }

    fn from(&mut self, start: &Candidate, number: u64) -> Candidate {
        let mut best = start.point.clone();
        let mut lowest = self.slack(&best);
        let scale = self
            .points
            .free()
            .iter()
            .map(|(_, set)| set.scale())
            .fold(0.0, f64::max);
        if scale == 0.0 || self.inputs.is_empty() {
            return Candidate {
                point: best,
                slack: lowest,
            };
        }
        // normalised steps; the length grows on success and shrinks on failure
        let mut reach = 0.1 * scale;
        for _ in 0..STEPS {
            let Some(direction) = self.steepest(&best) else {
                break;
            };
            let trial = self.moved(&best, &direction, -reach);
            let slack = self.slack(&trial);
            if slack < lowest {
                (best, lowest) = (trial, slack);
                reach = (reach * 2.0).min(scale);
            } else {
                reach *= 0.3;
                if reach < 1e-14 * scale {
                    break;
                }
            }
        }
        self.random_moves(best, lowest, scale, number)
    }

    /// The gradient of the slack as a unit vector over all free coordinates.
    fn steepest(&mut self, point: &Point) -> Option<Point> {
        self.evaluations += 1;
        self.full.run(&[(Input::W, &point.w), (Input::V, &point.v)]);
        let mut direction = Point::default();
        for (number, &input) in self.inputs.iter().enumerate() {
            *direction.side_mut(input) = self.full.root(number + 1).to_vec();
        }
        let length = direction
            .w
            .iter()
            .chain(&direction.v)
            .map(|x| x * x)
            .sum::<f64>()
            .sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return None;
        }
        direction
            .w
            .iter_mut()
            .chain(&mut direction.v)
            .for_each(|x| *x /= length);
        Some(direction)
    }

    fn moved(&self, point: &Point, direction: &Point, reach: f64) -> Point {
        let mut moved = point.clone();
        for (input, set) in self.points.free() {
            let side = moved.side_mut(*input);
            for (x, d) in side.iter_mut().zip(direction.side(*input)) {
                *x += reach * d;
            }
            set.project(side);
        }
        moved
    }

    /// Random directions with a shrinking reach: gets past kinks, where the gradient misleads.
    fn random_moves(&mut self, mut best: Point, mut lowest: f64, scale: f64, number: u64) -> Candidate {
        let mut reach = 0.05 * scale;
        let mut failures = 0;
        for step in 0..MOVES {
            let direction = self.points.direction(number, step as u64);
            let trial = self.moved(&best, &direction, reach);
            let slack = self.slack(&trial);
            if slack < lowest {
                (best, lowest) = (trial, slack);
                failures = 0;
                reach = (reach * 1.5).min(scale);
            } else {
                failures += 1;
                if failures >= 8 {
                    failures = 0;
                    reach *= 0.5;
                }
            }
        }
        Candidate {
            point: best,
            slack: lowest,
        }
    }
}

/// Encloses the slack at the suspicious points, most negative first, and returns the first violation
/// that is beyond doubt, with as few decimals as it bears.
pub fn confirm(claim: &Claim, suspects: &[Candidate]) -> Option<Witness> {
    let mut encloser = Encloser::new(claim, IntervalArithmetic::new());
    let suspects = suspects
        .iter()
        .filter(|suspect| suspect.slack < 0.0)
        .take(CONFIRMATIONS);
    for suspect in suspects {
        let exact =
            |side: &[f64]| -> Option<Vec<RBig>> { side.iter().map(|&x| RBig::try_from(x).ok()).collect() };
        let Some((w, v)) = exact(&suspect.point.w).zip(exact(&suspect.point.v)) else {
            continue;
        };
        let Some(slack) = violation(&mut encloser, &ExactPoint { w, v }) else {
            continue;
        };
        for digits in 0..=12 {
            let texts = |side: &[f64]| -> Vec<String> { side.iter().map(|x| decimal(*x, digits)).collect() };
            let (w, v) = (texts(&suspect.point.w), texts(&suspect.point.v));
            let Some(point) = read_point(&w, &v) else { continue };
            if let Some(slack) = violation(&mut encloser, &point) {
                return Some(Witness {
                    w,
                    v,
                    slack: [slack.lo, slack.hi],
                });
            }
        }
        let texts = |side: &[f64]| -> Vec<String> { side.iter().map(|x| exact_decimal(*x)).collect() };
        return Some(Witness {
            w: texts(&suspect.point.w),
            v: texts(&suspect.point.v),
            slack: [slack.lo, slack.hi],
        });
    }
    None
}

/// The enclosure of the slack, where it is wholly below 0 and the point lies in the region.
fn violation(encloser: &mut Encloser<IntervalArithmetic>, point: &ExactPoint) -> Option<Interval> {
    let enclosed = encloser.at_point(point);
    let below = enclosed.flags.defined && enclosed.slack.hi < 0.0;
    (below && encloser.contains(point)).then_some(enclosed.slack)
}

/// Rounded to so many decimals, without trailing zeros.
fn decimal(x: f64, digits: usize) -> String {
    let text = format!("{x:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// The exact decimal expansion of a binary64 number.
fn exact_decimal(x: f64) -> String {
    // a binary64 number has at most 1074 decimals
    decimal(x, 1074)
}

/// The point behind the texts of a witness: plain decimals.
pub fn read_point(w: &[String], v: &[String]) -> Option<ExactPoint> {
    let side = |texts: &[String]| {
        texts
            .iter()
            .map(|text| read_decimal(text))
            .collect::<Option<Vec<RBig>>>()
    };
    Some(ExactPoint {
        w: side(w)?,
        v: side(v)?,
    })
}

/// A plain decimal such as `-0.25`, exactly; at most 2,000 characters.
fn read_decimal(text: &str) -> Option<RBig> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || text.len() > 2000 {
        return None;
    }
    let numerator: dashu_int::IBig = format!("{whole}{fraction}").parse().ok()?;
    let denominator = dashu_int::IBig::from(10).pow(fraction.len());
    let value = RBig::from(numerator) / RBig::from(denominator);
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_short_and_exact() {
        assert_eq!(decimal(-0.2500001, 2), "-0.25");
        assert_eq!(decimal(-0.001, 2), "0");
        assert_eq!(decimal(1200.0, 0), "1200");
        assert_eq!(exact_decimal(0.375), "0.375");
        assert_eq!(
            exact_decimal(0.1),
            "0.1000000000000000055511151231257827021181583404541015625"
        );
    }

    #[test]
    fn reading_is_exact_and_strict() {
        assert_eq!(read_decimal("-0.25"), Some(RBig::from(-1) / RBig::from(4)));
        assert_eq!(read_decimal("3"), Some(RBig::from(3)));
        for bad in ["", "-", ".5", "1e5", "0x1", "1/2", "--1", "1.2.3", "+1", "inf"] {
            assert_eq!(read_decimal(bad), None, "{bad}");
        }
    }
}
