//! A unit vector along which the gradient is long everywhere.
//!
//! With `<grad f, u>` in place of `||grad f||` each part of the cut depends on the lifted variables that
//! are linear in `u`. How far such a variable reaches down over the region is a concave function of `u`, the least of
//! finitely many linear ones; a good `u` makes the least of these least values as large as it can be.
//! The vertices come by turns with `u` (Kelley's cutting planes), and `u` is the point of least norm in
//! their convex hull, found by the method of Mitchell, Dem'yanov and Malozemov. Nothing here needs to be rigorous: any `u` of norm at
//! most 1 is as sound as another.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cut::{Cut, Part, scalars};
use super::prepare::slack_along;
use crate::claim::Claim;
use crate::eval::float::FloatArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::graph::Graph;
use crate::graph::op::Input;
use crate::symbolic::{Atom, Enclosures, FormId, Symbolic};

/// Points at which a coordinate is tried.
const LOOKS: usize = 60;
/// Coordinates that are tried.
const MAX_COORDINATES: usize = 64;
/// Coordinates that are kept.
const MAX_CANDIDATES: usize = 2;
/// What may be missing at a point.
const ROUNDING: f64 = 1e-12;
/// Rounds of new vertices.
const ROUNDS: usize = 8;
/// Most vertices.
const MAX_VERTICES: usize = 2_000;
/// Most entries that the vertices of a round have together.
const MAX_ENTRIES: usize = 50_000_000;
/// Most products of entries that the inner products of all vertices take.
const MAX_PRODUCTS: usize = 2_000_000_000;
/// Steps towards the point of least norm in each round.
const STEPS: usize = 4_000;
/// A new vertex counts when it lies so much below the hull found so far.
const GAIN: f64 = 1e-3;

/// `factor * (linear in u)`, where the factor varies over the region.
struct Term {
    range: Interval,
    slopes: Vec<(usize, f64)>,
}

/// A lifted variable that is linear in `u`, divided by the value that it needs.
struct Reach {
    terms: Vec<Term>,
}

impl Reach {
    /// The gradient in `u` of the least value, at `u`.
    fn vertex(&self, u: &[f64]) -> Vec<f64> {
        let mut vertex = vec![0.0; u.len()];
        for term in &self.terms {
            let along: f64 = term.slopes.iter().map(|&(number, slope)| slope * u[number]).sum();
            let factor = if along > 0.0 {
                term.range.lo
            } else if along < 0.0 {
                term.range.hi
            } else {
                term.range.midpoint()
            };
            for &(number, slope) in &term.slopes {
                vertex[number] += factor * slope;
            }
        }
        vertex
    }
}

/// Unit vectors for the norm of the gradient that is the left side of a claim: coordinates along which
/// a few points show no violation, then the best one by the parts of the cut. None where the left side
/// is no such norm.
pub fn candidates(claim: &Claim, hull: &[Interval]) -> Vec<Vec<f64>> {
    let mut found = along_coordinates(claim, hull).unwrap_or_default();
    found.extend(find(claim, hull));
    found
}

/// The coordinates, either way, along which the derivative is long enough at some points of the hull.
fn along_coordinates(claim: &Claim, hull: &[Interval]) -> Option<Vec<Vec<f64>>> {
    let mut graph = claim.graph.clone();
    let input = Input::Gradient(claim.requests.len() as u32);
    let direction = graph.input(input, claim.dimension);
    let slack = slack_along(claim, &mut graph, direction)?;
    let mut evaluator = Evaluator::new(&graph, &[slack], FloatArithmetic);
    let mut points = ChaCha8Rng::seed_from_u64(0);
    let points: Vec<Vec<f64>> = (0..LOOKS)
        .map(|_| {
            let draw = |range: &Interval| range.lo + (range.hi - range.lo) * points.random::<f64>();
            hull.iter().map(draw).collect()
        })
        .collect();
    let inputs = claim.region.inputs();
    let mut found = Vec::new();
    for number in 0..claim.dimension.min(MAX_COORDINATES) {
        for sign in [1.0, -1.0] {
            let mut direction = vec![0.0; claim.dimension];
            direction[number] = sign;
            let long = points.iter().all(|point| {
                let mut sides: Vec<(Input, &[f64])> = inputs
                    .iter()
                    .copied()
                    .zip(point.chunks_exact(claim.dimension))
                    .collect();
                sides.push((input, &direction));
                evaluator.run(&sides);
                evaluator.root(0)[0] >= -ROUNDING
            });
            if long {
                found.push(direction);
            }
        }
    }
    found.truncate(MAX_CANDIDATES);
    Some(found)
}

/// The best unit vector by the parts of the cut; `None` where nothing is linear in the vector.
fn find(claim: &Claim, hull: &[Interval]) -> Option<Vec<f64>> {
    let dimension = claim.dimension;
    let mut graph = claim.graph.clone();
    let input = Input::Gradient(claim.requests.len() as u32);
    let direction = graph.input(input, dimension);
    let slack = slack_along(claim, &mut graph, direction)?;
    let mut inputs = claim.region.inputs();
    inputs.push(input);
    let (arena, forms) = scalars(&graph, &[slack], &inputs, dimension, Symbolic::default())?;
    let cut = Cut::new(arena, forms[0][0])?;
    let first = ((inputs.len() - 1) * dimension) as u32;
    let mut region = hull.to_vec();
    region.resize(region.len() + dimension, Interval::SYMMETRIC_UNIT);
    let mut enclosures = Enclosures::new(&cut.arena, IntervalArithmetic::new(), &region);
    let mut reaches = Vec::new();
    for part in &cut.parts {
        let ranges: Vec<Interval> = part.lifted.iter().map(|form| enclosures.of(*form)).collect();
        for (number, &form) in part.lifted.iter().enumerate() {
            let Some(mut terms) = linear_terms(&cut.arena, form, first, &mut enclosures) else {
                continue;
            };
            // where less than zero is enough nothing is asked of u
            if let Some((threshold, sign)) = threshold(part, number, &ranges)
                && threshold * sign > 0.0
            {
                for term in &mut terms {
                    term.range = term.range * Interval::point(1.0 / threshold);
                }
                reaches.push(Reach { terms });
            }
        }
    }
    if reaches.is_empty() || reaches.len().saturating_mul(dimension) > MAX_ENTRIES {
        return None;
    }
    unit(longest(&reaches, dimension))
}

/// The form's terms as factors times linear forms in `u`, whose coordinates start at `first`; `None`
/// where it is not linear and homogeneous in `u`.
fn linear_terms(
    arena: &Symbolic,
    form: FormId,
    first: u32,
    enclosures: &mut Enclosures<IntervalArithmetic>,
) -> Option<Vec<Term>> {
    let form = arena.form(form).clone();
    let mut terms = Vec::with_capacity(form.terms.len());
    for (monomial, coefficient) in &form.terms {
        let mut range = Interval::from_rational(coefficient);
        let mut slopes = Vec::new();
        for &(atom, power) in arena.factors(*monomial) {
            let linear = match *arena.atom(atom) {
                Atom::Variable(number) if number >= first => Some(vec![((number - first) as usize, 1.0)]),
                Atom::Sum(inner) => linear_in(arena, inner, first),
                _ => None,
            };
            match linear {
                Some(linear) if slopes.is_empty() && power == 1 => slopes = linear,
                Some(_) => return None,
                None => {
                    let value = enclosures.atom_value(atom);
                    range = range * if power == 1 { value } else { Interval::WHOLE };
                }
            }
        }
        if slopes.is_empty() || !range.width().is_finite() {
            return None;
        }
        terms.push(Term { range, slopes });
    }
    (!terms.is_empty()).then_some(terms)
}

fn linear_in(arena: &Symbolic, form: FormId, first: u32) -> Option<Vec<(usize, f64)>> {
    let form = arena.form(form);
    if !form.constant.is_zero() {
        return None;
    }
    form.terms
        .iter()
        .map(|(monomial, coefficient)| {
            let number = arena.as_variable(*monomial)?.checked_sub(first)?;
            Some((number as usize, coefficient.to_f64().value()))
        })
        .collect()
}

/// The value of a lifted variable from which on a part is not negative, with the others in the middle
/// of their ranges, and 1 or -1 as it rises or falls with the variable; `None` where its sign does not
/// change.
fn threshold(part: &Part, number: usize, ranges: &[Interval]) -> Option<(f64, f64)> {
    let mut graph = Graph::new();
    let root = part.arena.emit(&mut graph, part.function, ranges.len());
    let mut evaluator = Evaluator::new(&graph, &[root], FloatArithmetic);
    let mut at = |x: f64| {
        let mut point: Vec<f64> = ranges.iter().map(|range| range.midpoint()).collect();
        point[number] = x;
        evaluator.run(&[(Input::W, &point)]);
        evaluator.root(0)[0]
    };
    let Interval { lo, hi } = ranges[number];
    let (mut negative, mut positive, sign) = if at(lo) < at(hi) {
        (lo, hi, 1.0)
    } else {
        (hi, lo, -1.0)
    };
    if !(at(negative) < 0.0 && at(positive) >= 0.0) {
        return None;
    }
    for _ in 0..60 {
        let middle = 0.5 * (negative + positive);
        if at(middle) < 0.0 {
            negative = middle;
        } else {
            positive = middle;
        }
    }
    Some((positive, sign))
}

/// The direction in which the least of the reaches is largest, not normalised.
fn longest(reaches: &[Reach], dimension: usize) -> Vec<f64> {
    let mut vertices: Vec<Vec<f64>> = Vec::new();
    // inner products of the vertices
    let mut products: Vec<Vec<f64>> = Vec::new();
    let mut weights: Vec<f64> = Vec::new();
    let mut u = vec![0.0; dimension];
    let most = MAX_VERTICES.min((MAX_PRODUCTS / dimension).isqrt());
    for _ in 0..ROUNDS {
        let square = dot(&u, &u);
        let mut found = false;
        for reach in reaches {
            let vertex = reach.vertex(&u);
            let new = vertices.is_empty() || dot(&vertex, &u) < square - GAIN * square;
            if vertices.len() < most && (new || square == 0.0) {
                let mut row: Vec<f64> = vertices.iter().map(|other| dot(other, &vertex)).collect();
                for (other, product) in products.iter_mut().zip(&row) {
                    other.push(*product);
                }
                row.push(dot(&vertex, &vertex));
                products.push(row);
                vertices.push(vertex);
                weights.push(0.0);
                found = true;
            }
        }
        if !found {
            break;
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            weights[0] = 1.0;
        }
        least_norm(&products, &mut weights);
        u.fill(0.0);
        for (vertex, weight) in vertices.iter().zip(&weights) {
            for (sum, entry) in u.iter_mut().zip(vertex) {
                *sum += weight * entry;
            }
        }
    }
    u
}

/// Moves weights of a convex combination towards the point of least norm (Mitchell, Dem'yanov and
/// Malozemov 1974): from the worst vertex in use to the best one.
fn least_norm(products: &[Vec<f64>], weights: &mut [f64]) {
    let count = weights.len();
    // inner product of each vertex with the point
    let mut along: Vec<f64> = (0..count)
        .map(|i| (0..count).map(|j| weights[j] * products[i][j]).sum())
        .collect();
    for _ in 0..STEPS {
        let (mut best, mut worst) = (0, None);
        for number in 0..count {
            if along[number] < along[best] {
                best = number;
            }
            if weights[number] > 0.0 && worst.is_none_or(|worst: usize| along[number] > along[worst]) {
                worst = Some(number);
            }
        }
        let Some(worst) = worst else { return };
        let gap = along[worst] - along[best];
        let square: f64 = (0..count).map(|i| weights[i] * along[i]).sum();
        if gap <= 1e-9 * square.abs() {
            return;
        }
        let distance = products[worst][worst] - 2.0 * products[worst][best] + products[best][best];
        if distance <= 0.0 {
            return;
        }
        let step = (gap / distance).min(weights[worst]);
        weights[worst] -= step;
        weights[best] += step;
        for (number, value) in along.iter_mut().enumerate() {
            *value += step * (products[number][best] - products[number][worst]);
        }
    }
}

/// The vector scaled to a norm just below 1.
fn unit(mut u: Vec<f64>) -> Option<Vec<f64>> {
    let norm = dot(&u, &u).sqrt();
    if !(norm > 0.0 && norm.is_finite()) {
        return None;
    }
    for entry in &mut u {
        *entry *= (1.0 - 1e-12) / norm;
    }
    Some(u)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
