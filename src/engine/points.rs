//! Points of the region: uniform draws, and directed ones near the places where claims break.
//!
//! Point number `i` of a kind is drawn from its own ChaCha8 stream, so that it does not depend on
//! threads or on how many points are drawn.

use smallvec::SmallVec;

use super::kinks::{self, Kinks, SEGMENTS};
use super::stream::{BlockStream, Part, Stream};
use crate::claim::Claim;
use crate::claim::region::SetBounds;
use crate::eval::bulk::level::{Kernel, Level, Vector};
use crate::eval::bulk::{LANES, Lane};
use crate::eval::float::FloatArithmetic;
use crate::eval::tensor::Evaluator;
use crate::graph::op::Input;

/// Coordinates from which on a direction need not be uniform: that of a uniform point of the cube then is, almost.
const MANY: usize = 64;

/// Draws before a point of the region is given up.
pub const MAX_DRAWS: u64 = 10_000;

/// A point in binary64; a side that the claim fixes is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// coordinates of `w`
    pub w: Vec<f64>,
    /// coordinates of `v`
    pub v: Vec<f64>,
}

/// Coordinates that a certificate shows at most; a longer side is left out, its number in the stream
/// gives it again.
const SHOWN: usize = 256;

impl Point {
    /// The sides as a certificate shows them.
    pub fn shown(&self) -> (Vec<f64>, Vec<f64>) {
        let short = |side: &[f64]| {
            if side.len() <= SHOWN {
                side.to_vec()
            } else {
                Vec::new()
            }
        };
        (short(&self.w), short(&self.v))
    }

    /// The coordinates of an input.
    pub fn side(&self, input: Input) -> &[f64] {
        match input {
            Input::V => &self.v,
            Input::W | Input::Gradient(_) | Input::Example => &self.w,
        }
    }

    /// The coordinates of an input.
    pub fn side_mut(&mut self, input: Input) -> &mut Vec<f64> {
        match input {
            Input::V => &mut self.v,
            Input::W | Input::Gradient(_) | Input::Example => &mut self.w,
        }
    }
}

/// How a point is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// uniform on the region
    Uniform,
    /// `v` close to `w`, at distances from the size of the region down to 1e-8 of it
    NearDiagonal,
    /// on the segment between two uniform points, at a kink of some piecewise function
    NearKink,
    /// with some coordinates at the bounds, or on the sphere of a ball
    Boundary,
}

impl Draw {
    /// The directed kinds.
    pub const DIRECTED: [Draw; 3] = [Draw::NearDiagonal, Draw::NearKink, Draw::Boundary];

    fn stream(self) -> u64 {
        match self {
            Draw::Uniform => 0,
            Draw::NearDiagonal => 1,
            Draw::NearKink => 2,
            Draw::Boundary => 3,
        }
    }
}

/// Points of boxes, side by side: the same points as [`Points::draw`] gives, one by one. Cheap to clone for each worker.
#[derive(Clone)]
pub struct Blocks {
    draw: Draw,
    stream: BlockStream,
    sides: Vec<Side>,
    /// of numbers that are uniform in [0, 1], as many as a point may take
    shares: Vec<[f64; 2]>,
    scratch: Vec<Lane>,
    level: Level,
}

/// An input that varies in a box.
#[derive(Clone)]
struct Side {
    input: Input,
    /// numbers of a point's stream that are used before
    start: usize,
    /// ends of each coordinate
    ranges: Vec<[f64; 2]>,
    /// width of the box
    scale: f64,
}

impl Blocks {
    /// Writes the coordinates of `w` and `v` at the points from number `first` on, side by side in so many blocks; nothing where
    /// there is no room.
    pub fn fill(&mut self, first: u64, blocks: usize, entries: [&mut [Lane]; 2]) {
        match self.draw {
            Draw::Uniform | Draw::NearKink => self.uniform(first, blocks, entries),
            Draw::NearDiagonal => self.near_diagonal(first, blocks, entries),
            Draw::Boundary => self.on_boundary(first, blocks, entries),
        }
    }

    fn uniform(&self, first: u64, blocks: usize, entries: [&mut [Lane]; 2]) {
        let mut entries = entries.map(Some);
        let mut parts: SmallVec<[Part; 2]> = SmallVec::new();
        for side in &self.sides {
            if let Some(out) = entries[usize::from(side.input == Input::V)].take()
                && !out.is_empty()
            {
                parts.push(Part {
                    start: side.start,
                    ranges: &side.ranges,
                    out,
                });
            }
        }
        self.stream.uniform(self.level, first, blocks, &mut parts);
    }

    /// The numbers of a point's stream: `w`, a direction as of [`Stream::scattered`], how far to go.
    fn near_diagonal(&mut self, first: u64, blocks: usize, entries: [&mut [Lane]; 2]) {
        let [from, to] = &self.sides[..] else {
            unreachable!("offered for two sides")
        };
        let dimension = from.ranges.len();
        self.scratch.resize((2 * dimension + 1) * blocks, [0.0; LANES]);
        let (w, rest) = self.scratch.split_at_mut(dimension * blocks);
        let (v, reaches) = rest.split_at_mut(dimension * blocks);
        let part = |start, ranges, out| Part { start, ranges, out };
        let mut parts = [
            part(0, &from.ranges, &mut *w),
            part(dimension, &self.shares[..dimension], &mut *v),
            part(2 * dimension, &self.shares[..1], &mut *reaches),
        ];
        self.stream.uniform(self.level, first, blocks, &mut parts);
        for reach in reaches.as_flattened_mut() {
            *reach = to.scale * libm::pow(10.0, -8.0 * *reach);
        }
        self.level.run(Away {
            from: w,
            ranges: &to.ranges,
            reaches,
            to: v,
        });
        for (entries, own) in entries.into_iter().zip([w, v]) {
            if !entries.is_empty() {
                entries.copy_from_slice(own);
            }
        }
    }

    /// The numbers of a point's stream: for each side its coordinates, whether all of them move to the bounds, or else with which
    /// probability, and for each coordinate whether it does and where to.
    fn on_boundary(&mut self, first: u64, blocks: usize, mut entries: [&mut [Lane]; 2]) {
        self.scratch.resize(self.shares.len() * blocks, [0.0; LANES]);
        let mut parts = [Part {
            start: 0,
            ranges: &self.shares,
            out: &mut self.scratch,
        }];
        self.stream.uniform(self.level, first, blocks, &mut parts);
        for block in 0..blocks {
            let share = |number: usize, lane: usize| self.scratch[number * blocks + block][lane];
            // numbers of each stream
            let mut used = [0; LANES];
            for side in &self.sides {
                let out = &mut entries[usize::from(side.input == Input::V)];
                let (inside, mut portion) = (used, [1.0; LANES]);
                for lane in 0..LANES {
                    used[lane] += side.ranges.len() + 1;
                    if share(used[lane] - 1, lane) >= 0.25 {
                        portion[lane] = share(used[lane], lane);
                        used[lane] += 1;
                    }
                }
                for (number, [low, high]) in side.ranges.iter().enumerate() {
                    let mut entry = [0.0; LANES];
                    for lane in 0..LANES {
                        // no branches, which nobody could foresee; the number behind is there, used or not
                        let moves = share(used[lane], lane) < portion[lane];
                        let bound = pick(share(used[lane] + 1, lane) < 0.5, *low, *high);
                        let x = low + (high - low) * share(inside[lane] + number, lane);
                        let x = pick(moves, bound, x);
                        used[lane] += 1 + usize::from(moves);
                        entry[lane] = x.max(*low).min(*high);
                    }
                    // nothing where the evaluator needs none
                    if let Some(out) = out.get_mut(number * blocks + block) {
                        *out = entry;
                    }
                }
            }
        }
    }
}

/// One of two numbers.
fn pick(first: bool, one: f64, other: f64) -> f64 {
    let mask = u64::from(first).wrapping_neg();
    f64::from_bits(one.to_bits() & mask | other.to_bits() & !mask)
}

/// Moves points away: by reaches, along directions that their shares of the cube give.
struct Away<'a> {
    from: &'a [Lane],
    ranges: &'a [[f64; 2]],
    /// for each block of points
    reaches: &'a [Lane],
    /// the shares, and then the points
    to: &'a mut [Lane],
}

impl Kernel for Away<'_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let blocks = self.reaches.len();
        for block in 0..blocks {
            let mut length = V::splat(-0.0);
            for entry in (block..self.to.len()).step_by(blocks) {
                let share = V::load(&self.to[entry]);
                let part = share + share - V::splat(1.0);
                part.store(&mut self.to[entry]);
                length = length + part * part;
            }
            let (length, reach) = (length.sqrt(), V::load(&self.reaches[block]));
            for (entry, [low, high]) in (block..self.to.len()).step_by(blocks).zip(self.ranges) {
                let part = V::load(&self.to[entry]) / length;
                let moved = V::load(&self.from[entry]) + reach * part;
                let moved = moved.raised(V::splat(*low)).bounded(V::splat(*high));
                moved.store(&mut self.to[entry]);
            }
        }
    }
}

/// Draws points of a claim's region. Cheap to clone for each worker.
#[derive(Clone)]
pub struct Points {
    free: Vec<(Input, SetBounds)>,
    seed: u64,
    constraints: Evaluator<FloatArithmetic>,
    constraint_count: usize,
    kinks: Option<Kinks>,
    twin_sides: bool,
}

impl Stream {
    fn in_set(&mut self, set: &SetBounds) -> Vec<f64> {
        let mut x = match set {
            SetBounds::Box { lo, hi } => lo
                .iter()
                .zip(hi)
                .map(|(lo, hi)| lo.hi + (hi.lo - lo.hi) * self.uniform())
                .collect(),
            SetBounds::Ball { center, radius } => {
                let direction = self.direction(center.len());
                let reach = radius.lo * libm::pow(self.uniform(), 1.0 / center.len() as f64);
                center
                    .iter()
                    .zip(&direction)
                    .map(|(c, d)| c.midpoint() + reach * d)
                    .collect::<Vec<f64>>()
            }
        };
        set.project(&mut x);
        x
    }

    /// Some coordinates at their bounds (all of them every fourth time), or on the sphere.
    fn on_boundary(&mut self, set: &SetBounds) -> Vec<f64> {
        let mut x = self.in_set(set);
        match set {
            SetBounds::Box { lo, hi } => {
                let share = if self.below(4) == 0 { 1.0 } else { self.uniform() };
                for (x, (lo, hi)) in x.iter_mut().zip(lo.iter().zip(hi)) {
                    if self.uniform() < share {
                        *x = if self.below(2) == 0 { lo.hi } else { hi.lo };
                    }
                }
            }
            SetBounds::Ball { center, radius } => {
                let direction = self.direction(center.len());
                for (x, (c, d)) in x.iter_mut().zip(center.iter().zip(&direction)) {
                    *x = c.midpoint() + radius.lo * d;
                }
            }
        }
        set.project(&mut x);
        x
    }
}

impl Points {
    /// Prepares a claim; `seed` is the case's.
    pub fn new(claim: &Claim, seed: u64) -> Points {
        let free: Vec<(Input, SetBounds)> = claim
            .region
            .free()
            .into_iter()
            .filter_map(|(input, set)| SetBounds::new(&claim.graph, set).map(|bounds| (input, bounds)))
            .collect();
        Points {
            twin_sides: free.len() == 2,
            free,
            seed,
            constraints: Evaluator::new(&claim.graph, &claim.region.constraints, FloatArithmetic),
            constraint_count: claim.region.constraints.len(),
            kinks: Kinks::new(&claim.graph, claim.slack),
        }
    }

    /// The inputs that vary and their bounds.
    pub fn free(&self) -> &[(Input, SetBounds)] {
        &self.free
    }

    /// The case's seed.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether this kind of draw makes sense for the claim.
    pub fn offers(&self, draw: Draw) -> bool {
        match draw {
            Draw::Uniform => true,
            Draw::NearDiagonal => self.twin_sides,
            Draw::NearKink => self.kinks.is_some() && !self.free.is_empty(),
            Draw::Boundary => !self.free.is_empty(),
        }
    }

    /// Whether the constraints hold, in binary64.
    pub fn satisfies(&mut self, point: &Point) -> bool {
        if self.constraint_count == 0 {
            return true;
        }
        self.constraints
            .run(&[(Input::W, &point.w), (Input::V, &point.v)]);
        (0..self.constraint_count).all(|number| self.constraints.root(number)[0] >= 0.0)
    }

    /// Point `index` of a kind, and how many draws it took; `None` where none of [`MAX_DRAWS`] draws
    /// met the constraints.
    pub fn draw(&mut self, draw: Draw, index: u64) -> (Option<Point>, u64) {
        let mut drawn = self.draws(draw, std::iter::once(index));
        drawn.pop().unwrap_or((None, 0))
    }

    /// The points with these numbers, as [`Points::draw`] gives them one by one.
    pub fn draws(&mut self, draw: Draw, numbers: impl Iterator<Item = u64>) -> Vec<(Option<Point>, u64)> {
        let mut open: Vec<(usize, Stream)> = numbers
            .map(|index| Stream::new(self.seed, draw.stream(), index))
            .enumerate()
            .collect();
        let mut found: Vec<(Option<Point>, u64)> = open.iter().map(|_| (None, MAX_DRAWS)).collect();
        for attempt in 1..=MAX_DRAWS {
            let points = self.once(draw, &mut open);
            for ((place, stream), point) in std::mem::take(&mut open).into_iter().zip(points) {
                if self.satisfies(&point) {
                    found[place] = (Some(point), attempt);
                } else {
                    open.push((place, stream));
                }
            }
            if open.is_empty() || self.free.is_empty() {
                break;
            }
        }
        found
    }

    /// The draws of a kind in blocks of points, where each takes one attempt and lies in a box.
    pub fn blocks(&self, draw: Draw, level: Level) -> Option<Blocks> {
        let mut sides = Vec::new();
        let mut start = 0;
        for (input, set) in &self.free {
            let SetBounds::Box { lo, hi } = set else {
                return None;
            };
            sides.push(Side {
                input: *input,
                start,
                ranges: lo.iter().zip(hi).map(|(lo, hi)| [lo.hi, hi.lo]).collect(),
                scale: set.scale(),
            });
            start += lo.len();
        }
        let shares = match draw {
            Draw::Uniform => 0,
            // with fewer the directions are uniform, and take one normal number for each coordinate
            Draw::NearDiagonal if sides[0].ranges.len() >= MANY => sides[0].ranges.len(),
            // at most three for a coordinate, and two for a side
            Draw::Boundary => 3 * start + 2 * sides.len(),
            Draw::NearDiagonal | Draw::NearKink => return None,
        };
        (self.constraint_count == 0).then(|| Blocks {
            draw,
            stream: BlockStream::new(self.seed, draw.stream()),
            shares: vec![[0.0, 1.0]; shares],
            scratch: Vec::new(),
            sides,
            level,
        })
    }

    /// One attempt at a point from each of the streams.
    fn once(&mut self, draw: Draw, streams: &mut [(usize, Stream)]) -> Vec<Point> {
        if draw == Draw::NearKink {
            return self.near_kinks(streams);
        }
        (streams.iter_mut())
            .map(|(_, stream)| self.anywhere(draw, stream))
            .collect()
    }

    /// A point of a kind that needs no evaluation; a uniform one of [`Draw::NearKink`].
    fn anywhere(&self, draw: Draw, stream: &mut Stream) -> Point {
        let mut point = Point::default();
        match draw {
            Draw::Uniform | Draw::NearKink => {
                for (input, set) in &self.free {
                    *point.side_mut(*input) = stream.in_set(set);
                }
            }
            Draw::Boundary => {
                for (input, set) in &self.free {
                    *point.side_mut(*input) = stream.on_boundary(set);
                }
            }
            Draw::NearDiagonal => {
                let (first, second) = (&self.free[0].1, &self.free[1].1);
                point.w = stream.in_set(first);
                let direction = match point.w.len() {
                    0..MANY => stream.direction(point.w.len()),
                    dimension => stream.scattered(dimension),
                };
                let reach = second.scale() * libm::pow(10.0, -8.0 * stream.uniform());
                point.v = point
                    .w
                    .iter()
                    .zip(&direction)
                    .map(|(x, d)| x + reach * d)
                    .collect();
                second.project(&mut point.v);
            }
        }
        point
    }

    /// For each stream a point of a segment where an argument of a piecewise function changes sign; its first end
    /// where none does.
    fn near_kinks(&mut self, streams: &mut [(usize, Stream)]) -> Vec<Point> {
        let mut found = Vec::with_capacity(streams.len());
        for streams in streams.chunks_mut(SEGMENTS) {
            let segments: Vec<[Point; 2]> = (streams.iter_mut())
                .map(|(_, stream)| {
                    let from = self.anywhere(Draw::NearKink, stream);
                    [from, self.anywhere(Draw::NearKink, stream)]
                })
                .collect();
            match &mut self.kinks {
                Some(kinks) => {
                    let streams = streams.iter_mut().map(|(_, stream)| stream);
                    let shares = kinks.crossings(&segments, streams);
                    let points = segments.iter().zip(shares);
                    found.extend(points.map(|(segment, share)| kinks::at(segment, share)));
                }
                None => found.extend(segments.into_iter().map(|[from, _]| from)),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::case::Case;

    /// Side by side, on every instruction set and with any number of blocks, they are those that are drawn one by one.
    #[test]
    fn blocks_hold_the_same_points() {
        for dimension in [3, 70] {
            let text = format!(
                r#"{{"name": "a", "parameters": {{"x": [{dimension}]}}, "define": {{"f": "sum(x^2)"}},
                    "claim": {{"inequality": "f(w) + f(v) >= 0"}},
                    "region": {{"w": {{"box": [-1, 1]}}, "v": {{"box": [-0.25, 3]}}}}}}"#
            );
            let case = Case::parse(&text, "case.json", Path::new("."), false)
                .unwrap_or_else(|error| panic!("{error}"));
            let claim = Claim::new(&case).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
            let points = Points::new(&claim, 5);
            for draw in [Draw::Uniform, Draw::NearDiagonal, Draw::Boundary] {
                for (level, count) in Level::available()
                    .into_iter()
                    .flat_map(|level| [(level, 1), (level, 4)])
                {
                    let Some(mut blocks) = points.blocks(draw, level) else {
                        assert_eq!((draw, dimension), (Draw::NearDiagonal, 3));
                        continue;
                    };
                    let mut sides = [(); 2].map(|()| vec![[0.0; LANES]; dimension * count]);
                    let [w, v] = &mut sides;
                    blocks.fill(11, count, [w, v]);
                    for number in 0..count * LANES {
                        let [w, v] = [0, 1].map(|side: usize| {
                            let entries = sides[side].iter().skip(number / LANES).step_by(count);
                            entries.map(|entry| entry[number % LANES]).collect()
                        });
                        let (point, _) = points.clone().draw(draw, 11 + number as u64);
                        assert_eq!(point, Some(Point { w, v }), "{draw:?}, {level:?}");
                    }
                    // where the evaluator needs one side alone
                    let mut alone = vec![[0.0; LANES]; dimension * count];
                    blocks.fill(11, count, [&mut [], &mut alone]);
                    assert_eq!(alone, sides[1]);
                }
            }
        }
    }
}
