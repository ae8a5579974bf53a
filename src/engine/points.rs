//! Points of the region: uniform draws, and directed ones near the places where claims break.
//!
//! Point number `i` of a kind is drawn from its own ChaCha8 stream, so that it does not depend on
//! threads or on how many points are drawn.

use smallvec::SmallVec;

use super::stream::{BlockStream, Part, Stream};
use crate::claim::Claim;
use crate::claim::region::SetBounds;
use crate::eval::bulk::level::Level;
use crate::eval::bulk::{Bulk, Lane};
use crate::eval::float::FloatArithmetic;
use crate::eval::tensor::Evaluator;
use crate::graph::op::{Binary, Input, Op, Unary};
use crate::graph::{Graph, NodeId};

/// How narrowly a kink is bracketed, as a share of the segment between two points.
const CROSSING: f64 = 1e-14;

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

/// Uniform points of boxes, side by side: the same points as [`Points::draw`] gives, one by one.
#[derive(Clone)]
pub struct Blocks {
    stream: BlockStream,
    sides: Vec<Side>,
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
}

impl Blocks {
    /// Writes the coordinates of `w` and `v` at the points from number `first` on, side by side in so many blocks; nothing where
    /// there is no room.
    pub fn fill(&self, first: u64, blocks: usize, entries: [&mut [Lane]; 2]) {
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
}

/// Draws points of a claim's region. Cheap to clone for each worker.
#[derive(Clone)]
pub struct Points {
    free: Vec<(Input, SetBounds)>,
    seed: u64,
    constraints: Evaluator<FloatArithmetic>,
    constraint_count: usize,
    kinks: Option<Bulk>,
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
        let kinks = kink_arguments(&claim.graph, claim.slack);
        Points {
            twin_sides: free.len() == 2,
            free,
            seed,
            constraints: Evaluator::new(&claim.graph, &claim.region.constraints, FloatArithmetic),
            constraint_count: claim.region.constraints.len(),
            kinks: (!kinks.is_empty())
                .then(|| Bulk::narrow(&claim.graph, &kinks).ok())
                .flatten(),
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
        let mut stream = Stream::new(self.seed, draw.stream(), index);
        for attempt in 1..=MAX_DRAWS {
            let point = self.once(draw, &mut stream);
            if self.satisfies(&point) {
                return (Some(point), attempt);
            }
            if self.free.is_empty() {
                break;
            }
        }
        (None, MAX_DRAWS)
    }

    /// The uniform draws in blocks of points, where each takes one attempt and is uniform in a box.
    pub fn blocks(&self, level: Level) -> Option<Blocks> {
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
            });
            start += lo.len();
        }
        (self.constraint_count == 0).then(|| Blocks {
            stream: BlockStream::new(self.seed, Draw::Uniform.stream()),
            sides,
            level,
        })
    }

    fn once(&mut self, draw: Draw, stream: &mut Stream) -> Point {
        let mut point = Point::default();
        match draw {
            Draw::Uniform => {
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
                let direction = stream.direction(point.w.len());
                let reach = second.scale() * libm::pow(10.0, -8.0 * stream.uniform());
                point.v = point
                    .w
                    .iter()
                    .zip(&direction)
                    .map(|(x, d)| x + reach * d)
                    .collect();
                second.project(&mut point.v);
            }
            Draw::NearKink => {
                let (from, to) = (self.once(Draw::Uniform, stream), self.once(Draw::Uniform, stream));
                return self.kink_between(from, to, stream);
            }
        }
        point
    }

    /// A point of the segment where an argument of a piecewise function changes sign; the first point
    /// where none does. The crossing is bracketed by points around a linear guess, and by the middle.
    fn kink_between(&mut self, from: Point, to: Point, stream: &mut Stream) -> Point {
        let at = |share: f64| {
            let mix = |a: &[f64], b: &[f64]| -> Vec<f64> {
                a.iter().zip(b).map(|(a, b)| a + share * (b - a)).collect()
            };
            Point {
                w: mix(&from.w, &to.w),
                v: mix(&from.v, &to.v),
            }
        };
        let Some(kinks) = &mut self.kinks else {
            return from;
        };
        // the points side by side
        let evaluate = |kinks: &mut Bulk, points: &[Point]| {
            kinks.block(|[w, v]| {
                for (lane, point) in points.iter().enumerate() {
                    let coordinates = w.iter_mut().zip(&point.w).chain(v.iter_mut().zip(&point.v));
                    for (entry, x) in coordinates {
                        entry[lane] = *x;
                    }
                }
            });
        };
        evaluate(kinks, &[from.clone(), to.clone()]);
        // where the values change sign: number of the array, place in it, and the values
        let mut crossing: Vec<(usize, usize, f64, f64)> = Vec::new();
        for (number, size) in kinks.sizes().enumerate() {
            for place in 0..size {
                let [start, end, ..] = kinks.root(number, place, 0);
                if start * end < 0.0 {
                    crossing.push((number, place, start, end));
                }
            }
        }
        if crossing.is_empty() {
            return from;
        }
        let (number, place, start, end) = crossing[stream.below(crossing.len())];
        let (mut low, mut high) = ((0.0, start), (1.0, end));
        for _ in 0..60 {
            if high.0 - low.0 <= CROSSING {
                break;
            }
            let guess = low.0 + (high.0 - low.0) * (low.1 / (low.1 - high.1));
            let mut shares = vec![f64::midpoint(low.0, high.0), guess];
            for reach in [CROSSING / 4.0, 1e-9, 1e-4] {
                shares.extend([guess - reach, guess + reach]);
            }
            shares.retain(|share| *share > low.0 && *share < high.0);
            shares.sort_by(f64::total_cmp);
            let tried: Vec<Point> = shares.iter().map(|share| at(*share)).collect();
            evaluate(kinks, &tried);
            for (share, value) in shares.into_iter().zip(kinks.root(number, place, 0)) {
                if value == 0.0 {
                    return at(share);
                }
                if value * low.1 > 0.0 {
                    low = (share, value);
                } else {
                    high = (share, value);
                    break;
                }
            }
        }
        at(if stream.below(2) == 0 { low.0 } else { high.0 })
    }
}

/// The arguments of the piecewise functions below a node that depend on the inputs.
fn kink_arguments(graph: &Graph, root: NodeId) -> Vec<NodeId> {
    let needed = graph.reachable(&[root]);
    let mut found: Vec<NodeId> = graph
        .ids()
        .take(needed.len())
        .filter(|id| needed[id.index()])
        .filter(|id| match graph.node(*id).op {
            Op::Unary(Unary::Relu | Unary::Abs | Unary::Step | Unary::StepRight | Unary::Sign)
            | Op::Binary(Binary::LeakyRelu | Binary::LeakyStep) => true,
            Op::Unary(_) | Op::Binary(_) | Op::Input(_) | Op::Constant(_) | Op::Pi | Op::MatMul => false,
            Op::Reduce(..) | Op::Along(..) | Op::Reshape | Op::Broadcast | Op::Permute(_) => false,
            Op::Slice { .. } | Op::Unslice { .. } | Op::Concat(_) => false,
        })
        .map(|id| graph.node(id).args[0])
        .filter(|id| graph.is_variable(*id))
        .collect();
    found.sort();
    found.dedup();
    found
}
