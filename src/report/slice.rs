//! The slack on a line or in a plane through a point of the region, in binary64, for a picture.

use crate::certificate::Certificate;
use crate::claim::Claim;
use crate::claim::region::{Set, SetBounds, float_values};
use crate::engine::points::{Draw, Point, Points};
use crate::eval::bulk::Bulk;
use crate::eval::float::FloatArithmetic;
use crate::eval::tensor::Evaluator;
use crate::graph::op::Input;

/// Points along each side of a plane.
const PLANE: usize = 60;
/// Points along a line.
const LINE: usize = 400;
/// Coordinates of all points of a row together: rows of points of many coordinates are evaluated in pieces.
const BATCH: usize = 1 << 20;
/// Shortest way through the region along a direction, relative to the region's size.
const LEAST_WIDTH: f64 = 1e-3;
/// Rounding errors of a slack, relative to the largest one in the picture.
const NOISE: f64 = 1e-12;
/// How far outside a set a point may lie, relative to the set's size: rounding of the grid.
const ROUNDING: f64 = 1e-9;

/// One axis of the picture.
pub struct Axis {
    /// short name
    pub name: String,
    /// what it is, in words
    pub words: String,
    /// cell edges: one more than there are points; for a line the points themselves
    pub from: f64,
    /// the last edge
    pub to: f64,
    /// where the point stands
    pub at: f64,
}

/// The slack around a point.
pub struct Slice {
    /// what the point is
    pub point: &'static str,
    /// one axis or two
    pub axes: Vec<Axis>,
    /// points along each axis
    pub count: usize,
    /// the slack row by row, the first axis running; not a number outside the region
    pub values: Vec<f64>,
    /// a slack below minus this is shown as negative: the tolerance, or what rounding may make of 0
    pub floor: f64,
    /// what varies and what is held, in words
    pub fixed: String,
}

impl Slice {
    /// The position along an axis of point `number`: the middle of a cell, or a point of a line.
    pub fn position(&self, axis: usize, number: usize) -> f64 {
        let Axis { from, to, .. } = self.axes[axis];
        let share = if self.axes.len() == 1 {
            number as f64 / (self.count - 1) as f64
        } else {
            (number as f64 + 0.5) / self.count as f64
        };
        from + (to - from) * share
    }
}

/// A direction in the coordinates of one input.
struct Direction {
    input: Input,
    along: Vec<f64>,
    axis: Axis,
}

/// The slack around the witness, or else around the worst point that the certificate names.
///
/// # Errors
/// A sentence that says why there is no picture.
pub fn around(certificate: &Certificate, claim: &Claim) -> Result<Slice, String> {
    let mut points = Points::new(claim, certificate.options.seed);
    if points.free().is_empty() {
        return Err("The region is one point: there is nothing around it.".to_owned());
    }
    let (what, base) = worst(certificate, &mut points)
        .ok_or("The certificate names no point to look around: it has too many coordinates.")?;
    let directions =
        directions(claim, &points, &base).ok_or("The region has no width around this point, in binary64.")?;
    let count = if directions.len() == 1 { LINE } else { PLANE };
    let moved: Vec<&str> = directions.iter().map(|d| d.axis.words.as_str()).collect();
    let varying: usize = points.free().iter().map(|(_, set)| set.dimension()).sum();
    let fixed = if directions.len() == varying {
        moved.join(" and ")
    } else {
        format!("{}; everything else is held at {what}", moved.join(" and "))
    };
    let mut slice = Slice {
        point: what,
        count,
        values: Vec::new(),
        floor: 0.0,
        fixed,
        axes: Vec::new(),
    };
    let (alongs, axes): (Vec<(Input, Vec<f64>)>, Vec<Axis>) = directions
        .into_iter()
        .map(|direction| ((direction.input, direction.along), direction.axis))
        .unzip();
    slice.axes = axes;
    slice.values = evaluate(claim, &mut points, &base, &alongs, &slice)?;
    let finite = slice.values.iter().filter(|value| value.is_finite());
    let largest = finite.fold(0.0f64, |largest, value| largest.max(value.abs()));
    slice.floor = certificate.options.tolerance.max(NOISE * largest);
    Ok(slice)
}

/// The witness, or the point with the smallest slack whose coordinates are known.
fn worst(certificate: &Certificate, points: &mut Points) -> Option<(&'static str, Point)> {
    let evidence = &certificate.evidence;
    let fits = |point: &Point, points: &Points| {
        points
            .free()
            .iter()
            .all(|(input, set)| point.side(*input).len() == set.dimension())
    };
    if let Some(witness) = &evidence.witness {
        let side = |texts: &[String]| texts.iter().map(|x| x.parse().ok()).collect::<Option<Vec<f64>>>();
        let (w, v) = (side(&witness.w)?, side(&witness.v)?);
        let point = Point { w, v };
        return fits(&point, points).then_some(("the witness", point));
    }
    let minima = [&evidence.sampling.uniform.minimum]
        .into_iter()
        .chain(
            evidence
                .sampling
                .directed
                .iter()
                .map(|directed| &directed.minimum),
        )
        .flatten()
        .map(|minimum| (minimum.slack, minimum.w.clone(), minimum.v.clone()));
    let searched = evidence
        .search
        .iter()
        .filter_map(|search| Some((search.lowest?, search.w.clone(), search.v.clone())));
    let known = minima
        .chain(searched)
        .map(|(slack, w, v)| (slack, Point { w, v }))
        .filter(|(slack, point)| !slack.is_nan() && fits(point, points))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((_, point)) = known {
        return Some(("the point with the smallest slack found", point));
    }
    // too long to be written down: drawn again
    let index = evidence.sampling.uniform.minimum.as_ref()?.index;
    let point = points.draw(Draw::Uniform, index).0?;
    Some(("the uniform point with the smallest slack", point))
}

/// The two directions that matter, or the only one there is: coordinates where there are at most two of an input,
/// else the gradient of the slack and the direction to `v`, or the widest coordinate.
fn directions(claim: &Claim, points: &Points, base: &Point) -> Option<Vec<Direction>> {
    let free = points.free();
    let (input, set) = &free[0];
    let dimension = set.dimension();
    let found = if dimension == 1 {
        free.iter()
            .filter_map(|(input, set)| coordinate(*input, set, base, 0))
            .collect::<Vec<_>>()
    } else if dimension == 2 {
        (0..2)
            .filter_map(|place| coordinate(*input, set, base, place))
            .collect()
    } else {
        steep(claim, *input, set, base)
    };
    (!found.is_empty()).then_some(found)
}

/// A coordinate over the whole width of its set.
fn coordinate(input: Input, set: &SetBounds, base: &Point, place: usize) -> Option<Direction> {
    let [from, to] = width(set, place);
    let name = if set.dimension() == 1 {
        letter(input).to_owned()
    } else {
        format!("{}[{place}]", letter(input))
    };
    let mut along = vec![0.0; set.dimension()];
    along[place] = 1.0;
    (from < to && from.is_finite() && to.is_finite()).then(|| Direction {
        input,
        along,
        axis: Axis {
            words: format!("the coordinate {name} over the region"),
            name,
            from,
            to,
            at: base.side(input)[place],
        },
    })
}

/// The range of a coordinate over a set.
fn width(set: &SetBounds, place: usize) -> [f64; 2] {
    match set {
        SetBounds::Box { lo, hi } => [lo[place].lo, hi[place].hi],
        SetBounds::Ball { center, radius } => {
            let middle = center[place].midpoint();
            [middle - radius.hi, middle + radius.hi]
        }
    }
}

/// The gradient of the slack, and a second direction orthogonal to it.
fn steep(claim: &Claim, input: Input, set: &SetBounds, base: &Point) -> Vec<Direction> {
    let mut graph = claim.graph.clone();
    let root = graph.gradient(claim.slack, input, claim.dimension);
    let mut gradient = Evaluator::new(&graph, &[root], FloatArithmetic);
    gradient.run(&[(Input::W, &base.w), (Input::V, &base.v)]);
    let mut candidates = vec![(
        gradient.root(0).to_vec(),
        "g1",
        "the direction of the slack's gradient at the point",
    )];
    let comparator = match claim.region.v {
        _ if input == Input::V => None,
        Some(Set::Point(node)) => Some(float_values(&claim.graph, node)),
        Some(_) => Some(base.v.clone()),
        None => None,
    };
    if let Some(v) = comparator {
        let towards = v.iter().zip(base.side(input)).map(|(v, w)| v - w).collect();
        candidates.push((towards, "g2", "the direction towards v"));
    }
    // the widest coordinates, of which two at most are needed
    let mut places: Vec<usize> = (0..set.dimension()).collect();
    let wide = |place: usize| {
        let [from, to] = width(set, place);
        to - from
    };
    places.sort_by(|&a, &b| wide(b).total_cmp(&wide(a)).then(a.cmp(&b)));
    for &place in places.iter().take(3) {
        let mut along = vec![0.0; set.dimension()];
        along[place] = 1.0;
        candidates.push((along, "g3", "a coordinate in which the region is widest"));
    }
    let mut found: Vec<Direction> = Vec::new();
    for (mut along, name, words) in candidates {
        let before = norm(&along);
        for earlier in &found {
            let overlap: f64 = along.iter().zip(&earlier.along).map(|(a, b)| a * b).sum();
            along
                .iter_mut()
                .zip(&earlier.along)
                .for_each(|(a, b)| *a -= overlap * b);
        }
        let length = norm(&along);
        // what is left of a direction that the first one nearly holds is noise
        if !(length.is_finite() && length > 1e-6 * before) {
            continue;
        }
        along.iter_mut().for_each(|a| *a /= length);
        let [from, to] = chord(set, base.side(input), &along);
        // at a corner a direction may lead out of the region at once, both ways
        let width = to - from;
        if !(width.is_finite() && width > LEAST_WIDTH * set.scale()) {
            continue;
        }
        let made = if found.is_empty() {
            words.to_owned()
        } else {
            format!("{words}, made orthogonal to the first")
        };
        found.push(Direction {
            input,
            along,
            axis: Axis {
                name: match name {
                    "g1" => "along the gradient of the slack".to_owned(),
                    "g2" => format!("from {} towards v", letter(input)),
                    _ => "along a wide coordinate".to_owned(),
                },
                words: format!("{made} (unit vector in the space of {})", letter(input)),
                from,
                to,
                at: 0.0,
            },
        });
        if found.len() == 2 {
            break;
        }
    }
    found
}

fn letter(input: Input) -> &'static str {
    match input {
        Input::V => "v",
        Input::W | Input::Example | Input::Gradient(_) => "w",
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// How far one can go from a point of a set along a unit vector and against it.
fn chord(set: &SetBounds, base: &[f64], along: &[f64]) -> [f64; 2] {
    match set {
        SetBounds::Box { lo, hi } => {
            let mut reach = [f64::NEG_INFINITY, f64::INFINITY];
            for (place, (&x, &d)) in base.iter().zip(along).enumerate() {
                let (below, above) = ((lo[place].lo - x).min(0.0), (hi[place].hi - x).max(0.0));
                let (back, forth) = if d > 0.0 {
                    (below / d, above / d)
                } else if d < 0.0 {
                    (above / d, below / d)
                } else {
                    continue;
                };
                reach = [reach[0].max(back), reach[1].min(forth)];
            }
            reach
        }
        SetBounds::Ball { center, radius } => {
            // |x - c + t d|^2 = r^2
            let away: Vec<f64> = base.iter().zip(center).map(|(x, c)| x - c.midpoint()).collect();
            let half: f64 = away.iter().zip(along).map(|(a, d)| a * d).sum();
            let rest = (norm(&away).powi(2) - radius.hi * radius.hi).min(0.0);
            let root = (half * half - rest).sqrt();
            [-half - root, -half + root]
        }
    }
}

/// Whether a point lies in a set, up to rounding.
fn inside(set: &SetBounds, x: &[f64]) -> bool {
    let slip = ROUNDING * set.scale();
    match set {
        SetBounds::Box { lo, hi } => x
            .iter()
            .zip(lo.iter().zip(hi))
            .all(|(&x, (lo, hi))| x >= lo.lo - slip && x <= hi.hi + slip),
        SetBounds::Ball { center, radius } => {
            let away: Vec<f64> = x.iter().zip(center).map(|(x, c)| x - c.midpoint()).collect();
            norm(&away) <= radius.hi + slip
        }
    }
}

/// The slack at every point of the grid; not a number outside the region.
fn evaluate(
    claim: &Claim,
    points: &mut Points,
    base: &Point,
    alongs: &[(Input, Vec<f64>)],
    slice: &Slice,
) -> Result<Vec<f64>, String> {
    let mut bulk = Bulk::new(&claim.graph, &[claim.slack])?;
    let rows = if alongs.len() == 1 { 1 } else { slice.count };
    let total = rows * slice.count;
    let piece = (BATCH / claim.dimension.max(1)).clamp(1, total);
    let mut values = Vec::with_capacity(total);
    for first in (0..total).step_by(piece) {
        let numbers = first..total.min(first + piece);
        let (mut w, mut v, mut within) = (Vec::new(), Vec::new(), Vec::new());
        for number in numbers.clone() {
            let mut point = base.clone();
            for (axis, (input, along)) in alongs.iter().enumerate() {
                let place = if axis == 0 {
                    number % slice.count
                } else {
                    number / slice.count
                };
                let step = slice.position(axis, place) - slice.axes[axis].at;
                let side = point.side_mut(*input);
                side.iter_mut().zip(along).for_each(|(x, d)| *x += step * d);
            }
            let sets = points.free().iter();
            let contained = sets.clone().all(|(input, set)| inside(set, point.side(*input)));
            within.push(contained && points.satisfies(&point));
            w.extend_from_slice(&point.w);
            v.extend_from_slice(&point.v);
        }
        let slacks = bulk.run(&w, &v, numbers.len())?.remove(0);
        let shown = slacks.into_iter().zip(within);
        values.extend(shown.map(|(slack, within)| if within { slack } else { f64::NAN }));
    }
    Ok(values)
}
