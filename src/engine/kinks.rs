//! Points where an argument of a piecewise function changes sign, several segments side by side.

use std::ops::Range;

use super::points::Point;
use super::stream::Stream;
use crate::eval::bulk::{Bulk, LANES, Lane};
use crate::graph::op::{Binary, Input, Op, Reduction, Unary};
use crate::graph::{Graph, NodeId};

/// Segments that are searched together: two points of each make a block.
pub(super) const SEGMENTS: usize = LANES / 2;
/// How narrowly a crossing is bracketed, as a share of the segment.
const CROSSING: f64 = 1e-14;
/// Arguments whose changes of sign are counted together.
const PART: usize = 1024;
/// Rounds that bracket one crossing at most.
const ROUNDS: usize = 60;

/// The point of a segment at a share of its length.
pub(super) fn at([from, to]: &[Point; 2], share: f64) -> Point {
    let mix =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| mixed(*a, *b, share)).collect() };
    Point {
        w: mix(&from.w, &to.w),
        v: mix(&from.v, &to.v),
    }
}

fn mixed(a: f64, b: f64, share: f64) -> f64 {
    a + share * (b - a)
}

/// Where an argument changes sign: the array that it belongs to and its place there, and shares of the segment with
/// the argument's values on either side.
struct Crossing {
    number: usize,
    place: usize,
    low: (f64, f64),
    high: (f64, f64),
}

impl Crossing {
    /// Where a straight line between the two sides is 0.
    fn guess(&self) -> f64 {
        let Crossing { low, high, .. } = self;
        low.0 + (high.0 - low.0) * (low.1 / (low.1 - high.1))
    }

    /// The share, or the lower one where it does not lie between the two sides.
    fn inside(&self, share: f64) -> f64 {
        if self.low.0 < share && share < self.high.0 {
            share
        } else {
            self.low.0
        }
    }

    fn is_wide(&self) -> bool {
        self.high.0 - self.low.0 > CROSSING
    }

    /// Takes in the values at ascending shares.
    fn narrow(&mut self, values: impl IntoIterator<Item = (f64, f64)>) {
        for (share, value) in values {
            if !(self.low.0 < share && share < self.high.0) {
                continue;
            }
            if value * self.low.1 > 0.0 {
                self.low = (share, value);
            } else {
                self.high = (share, value);
                // what is exactly 0 needs no further search
                if value == 0.0 {
                    self.low = self.high;
                }
                break;
            }
        }
    }
}

/// Searches segments for changes of sign.
#[derive(Clone)]
pub(super) struct Kinks {
    arguments: Bulk,
    /// which of them are affine functions of the inputs
    affine: Vec<bool>,
}

impl Kinks {
    /// For the piecewise functions below a node; `None` where there are none.
    pub(super) fn new(graph: &Graph, root: NodeId) -> Option<Kinks> {
        let found = arguments(graph, root);
        let arguments = (!found.is_empty()).then(|| Bulk::narrow(graph, &found).ok())??;
        let affine = affine(graph);
        Some(Kinks {
            arguments,
            affine: found.iter().map(|id| affine[id.index()]).collect(),
        })
    }

    /// For each of at most [`SEGMENTS`] segments the share at which an argument changes sign, chosen by its stream among
    /// those that do; 0 where none does. The crossing is bracketed by points around a linear guess, and by the middle.
    pub(super) fn crossings<'a>(
        &mut self,
        segments: &[[Point; 2]],
        streams: impl Iterator<Item = &'a mut Stream>,
    ) -> Vec<f64> {
        let mut streams: Vec<&mut Stream> = streams.collect();
        // the starts in the first half of the lanes, the ends in the other
        let ends: Vec<(usize, f64)> = [0.0, 1.0]
            .into_iter()
            .flat_map(|share| (0..SEGMENTS).map(move |segment| (segment, share)))
            .collect();
        self.evaluate(segments, &ends);
        let mut found = self.chosen(&mut streams);
        self.bracket(segments, &mut found);
        (found.into_iter().zip(streams).enumerate())
            .map(|(segment, (crossing, stream))| {
                let Some(mut crossing) = crossing else { return 0.0 };
                for _ in 0..ROUNDS {
                    if !crossing.is_wide() {
                        break;
                    }
                    self.further(segments, segment, &mut crossing);
                }
                // on either side, or in between, where the argument may be exactly 0
                match stream.below(3) {
                    0 => crossing.low.0,
                    1 => crossing.high.0,
                    _ => crossing.inside(crossing.guess()),
                }
            })
            .collect()
    }

    /// Brackets the crossings by the points next to the guess: enough for an argument that is linear along the segment.
    fn bracket(&mut self, segments: &[[Point; 2]], found: &mut [Option<Crossing>]) {
        let mut lanes: Vec<(usize, f64)> = Vec::new();
        for (segment, crossing) in found.iter_mut().enumerate() {
            let Some(crossing) = crossing else { continue };
            let shares = [-1.0, 1.0].map(|side| crossing.guess() + side * CROSSING / 4.0);
            if self.affine[crossing.number] {
                // its values there are known beforehand, up to rounding
                let [low, high] = [crossing.low.1, crossing.high.1];
                crossing.narrow([(shares[0], low), (shares[1], high)]);
            } else {
                lanes.extend(shares.map(|share| (segment, share)));
            }
        }
        if lanes.is_empty() {
            return;
        }
        self.evaluate(segments, &lanes);
        for (pair, lanes) in lanes.chunks(2).enumerate() {
            if let Some(crossing) = &mut found[lanes[0].0] {
                let values = self.arguments.root(crossing.number, crossing.place, 0);
                let values = &values[2 * pair..];
                crossing.narrow(lanes.iter().zip(values).map(|(lane, value)| (lane.1, *value)));
            }
        }
    }

    /// Brackets one crossing more narrowly, by a block of points of its segment.
    fn further(&mut self, segments: &[[Point; 2]], segment: usize, crossing: &mut Crossing) {
        let guess = crossing.guess();
        let mut shares = vec![f64::midpoint(crossing.low.0, crossing.high.0), guess];
        for reach in [CROSSING / 4.0, 1e-9, 1e-4] {
            shares.extend([guess - reach, guess + reach]);
        }
        shares.sort_by(f64::total_cmp);
        let lanes: Vec<(usize, f64)> = shares.iter().map(|share| (segment, *share)).collect();
        self.evaluate(segments, &lanes);
        let values = self.arguments.root(crossing.number, crossing.place, 0);
        crossing.narrow(shares.into_iter().zip(values));
    }

    /// Evaluates the arguments at points of the segments, side by side in the lanes.
    fn evaluate(&mut self, segments: &[[Point; 2]], lanes: &[(usize, f64)]) {
        self.arguments.block(|[w, v]| {
            for (lane, (segment, share)) in lanes.iter().enumerate() {
                let Some([from, to]) = segments.get(*segment) else {
                    continue;
                };
                let fill = |entries: &mut [Lane], from: &[f64], to: &[f64]| {
                    for (entry, (a, b)) in entries.iter_mut().zip(from.iter().zip(to)) {
                        entry[lane] = mixed(*a, *b, *share);
                    }
                };
                fill(w, &from.w, &to.w);
                fill(v, &from.v, &to.v);
            }
        });
    }

    /// One of the arguments that change sign between the ends of each segment, whose starts stand in the first half of the lanes.
    fn chosen(&self, streams: &mut [&mut Stream]) -> Vec<Option<Crossing>> {
        let ends = |values: &Lane, segment: usize| [values[segment], values[SEGMENTS + segment]];
        let changes = |[start, end]: [f64; 2]| start * end < 0.0;
        // the parts of the arguments, and how many of each part change sign: only one part is gone through again
        let mut parts: Vec<(usize, Range<usize>)> = Vec::new();
        let mut counts: Vec<[usize; SEGMENTS]> = Vec::new();
        for (number, size) in self.arguments.sizes().enumerate() {
            for first in (0..size).step_by(PART) {
                let part = first..size.min(first + PART);
                let mut count = [0; SEGMENTS];
                for values in self.arguments.lanes(number, part.clone()) {
                    for (segment, count) in count.iter_mut().enumerate() {
                        *count += usize::from(changes(ends(values, segment)));
                    }
                }
                parts.push((number, part));
                counts.push(count);
            }
        }
        (streams.iter_mut().enumerate())
            .map(|(segment, stream)| {
                let count: usize = counts.iter().map(|part| part[segment]).sum();
                let mut rank = (count > 0).then(|| stream.below(count))?;
                let mut part = 0;
                while rank >= counts[part][segment] {
                    rank -= counts[part][segment];
                    part += 1;
                }
                let (number, part) = &parts[part];
                (part.clone().zip(self.arguments.lanes(*number, part.clone())))
                    .map(|(place, values)| (place, ends(values, segment)))
                    .filter(|(_, ends)| changes(*ends))
                    .nth(rank)
                    .map(|(place, [start, end])| Crossing {
                        number: *number,
                        place,
                        low: (0.0, start),
                        high: (1.0, end),
                    })
            })
            .collect()
    }
}

/// Which nodes are affine functions of the inputs, as far as their operations show.
fn affine(graph: &Graph) -> Vec<bool> {
    let mut affine: Vec<bool> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let all = |known: &[bool]| node.args.iter().all(|arg| known[arg.index()]);
        let fixed = |number: usize| !graph.is_variable(node.args[number]);
        let holds = match &node.op {
            Op::Input(Input::W | Input::V) => true,
            Op::Unary(Unary::Neg)
            | Op::Binary(Binary::Add | Binary::Sub)
            | Op::Reduce(Reduction::Sum, _)
            | Op::Reshape
            | Op::Broadcast
            | Op::Permute(_)
            | Op::Slice { .. }
            | Op::Unslice { .. }
            | Op::Concat(_) => all(&affine),
            Op::Binary(Binary::Mul) | Op::MatMul => all(&affine) && (fixed(0) || fixed(1)),
            Op::Binary(Binary::Div) => all(&affine) && fixed(1),
            Op::Input(Input::Gradient(_) | Input::Example)
            | Op::Constant(_)
            | Op::Pi
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Reduce(..)
            | Op::Along(..) => !graph.is_variable(id),
        };
        affine.push(holds);
    }
    affine
}

/// The arguments of the piecewise functions below a node that depend on the inputs.
fn arguments(graph: &Graph, root: NodeId) -> Vec<NodeId> {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::case::Case;
    use crate::claim::Claim;
    use crate::engine::points::{Draw, Point, Points};

    fn points(slack: &str, rest: &str) -> Points {
        let text = format!(
            r#"{{"name": "a", "parameters": {{"x": [2]}}, "define": {{"f": "sum(x)"}},
                "claim": {{"inequality": "{slack} >= 0*f(w)"}}, "region": {{"w": {{"box": [-1, 1]}}{rest}}}}}"#
        );
        let case =
            Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
        let claim = Claim::new(&case).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
        Points::new(&claim, 3)
    }

    /// The arguments are `w_1 - 1/4`, linear along every segment, and `w_2^3 + w_1 w_2`: where the point is not next to a zero
    /// of one, neither changes sign between the ends.
    #[test]
    fn points_lie_next_to_a_kink() {
        let arguments = |w: &[f64]| [w[0] - 0.25, w[1].powi(3) + w[0] * w[1]];
        let mut points = points("relu(w[0] - 1/4) + abs(w[1]^3 + w[0]*w[1])", "");
        let (mut near, mut exact) = ([0, 0], 0);
        for (point, _) in points.draws(Draw::NearKink, 0..400) {
            let Point { w, .. } = point.expect("no constraints");
            for (count, argument) in near.iter_mut().zip(arguments(&w)) {
                *count += usize::from(argument.abs() < 1e-13);
                exact += usize::from(argument == 0.0);
            }
        }
        // a segment between uniform points crosses w_1 = 1/4 with probability 2 * 5/8 * 3/8 = 0.47, and is then taken there at
        // least half of the time
        assert!(near[0] > 70 && near[1] > 70, "{near:?}");
        assert!(near[0] + near[1] > 200, "{near:?}");
        assert!(exact > 20, "{exact}");
    }

    /// However many are drawn together, with constraints that half of them do not meet.
    #[test]
    fn together_or_alone_they_are_the_same() {
        for rest in ["", r#", "where": ["w[0] + w[1] >= 0"]"#] {
            let mut points = points("relu(w[0] - 1/4) + abs(w[1]^3 + w[0]*w[1])", rest);
            let together = points.draws(Draw::NearKink, 5..28);
            let tries: u64 = together.iter().map(|(_, tries)| tries).sum();
            assert_eq!(tries > 23, !rest.is_empty(), "{tries}");
            for (index, point) in (5..).zip(together) {
                assert_eq!(points.draw(Draw::NearKink, index), point);
            }
        }
    }
}
