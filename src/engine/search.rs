//! Search for a violation: projected descent on the slack from the worst samples, with the gradient
//! of the slack graph ([`descent`]), then random moves for kinks; and, from few starts, in the small
//! subspaces where entries of a parameter block are equal ([`compass`]). What it finds is only a suspicion until
//! [`confirm`] encloses the slack there in intervals.
//!
//! Eight starts run side by side in the lanes of the bulk evaluator ([`block`]), blocks of them on all cores. Which starts share a
//! block depends on their order alone, and none of them on the others.

mod block;
mod compass;
mod descent;
mod directions;
mod witness;

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Failure;
use super::points::Points;
use super::sample::Candidate;
use super::ties::Tie;
use crate::claim::Claim;
use crate::eval::bulk::level::Level;
use crate::eval::bulk::{Bulk, LANES};
use crate::graph::{Graph, NodeId};
use block::Block;
use directions::Directions;
pub use witness::{Witness, confirm, read_point};

/// Starts in each subspace of tied coordinates.
const TIED_STARTS: usize = 2;
/// Numbers in the buffers of all workers together.
const WORKER_NUMBERS: usize = 1 << 26;

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

/// Descends from every start; returns the record and the points with the smallest slack first.
///
/// # Errors
/// When the slack needs a gradient from outside.
pub fn search(
    claim: &Claim,
    points: &Points,
    starts: &[Candidate],
) -> Result<(Search, Vec<Candidate>), Failure> {
    let pass = Pass {
        claim,
        points,
        level: Level::widest(),
    };
    pass.search(starts)
}

/// What every pass over starts needs.
struct Pass<'a> {
    claim: &'a Claim,
    points: &'a Points,
    level: Level,
}

impl Pass<'_> {
    fn search(&self, starts: &[Candidate]) -> Result<(Search, Vec<Candidate>), Failure> {
        let (claim, points) = (self.claim, self.points);
        let sets = || points.free().iter().map(|(_, set)| set);
        let scale = sets().map(|set| set.scale()).fold(0.0, f64::max);

        let mut graph = claim.graph.clone();
        let gradients: Vec<NodeId> = (points.free().iter())
            .map(|(input, _)| graph.gradient(claim.slack, *input, claim.dimension))
            .collect();
        let (descended, mut evaluations) = self.run(&graph, &gradients, starts, |block, _| {
            descent::steepest(block, scale)
        })?;

        let directions = Directions::new(points.seed(), self.level, sets().map(|set| set.dimension()));
        let (mut found, further) = self.run(&claim.graph, &[], &descended, |block, numbers| {
            descent::random(block, &directions, numbers.start as u64, scale);
        })?;
        evaluations += further;

        let ties = Tie::of(&claim.blocks);
        let (mut paths, mut tied) = (Vec::new(), Vec::new());
        for tie in &ties {
            for start in starts.iter().take(TIED_STARTS) {
                paths.push(start.clone());
                tied.push(tie);
            }
        }
        let sides = [claim.sides.left, claim.sides.right];
        let (further_found, further) = self.run(&claim.graph, &sides, &paths, |block, numbers| {
            compass::tied(block, &tied[numbers]);
        })?;
        evaluations += further;

        found.extend(further_found);
        found.extend(starts.iter().cloned());
        found.sort_by(|a, b| a.slack.total_cmp(&b.slack));
        let (w, v) = found.first().map(|best| best.point.shown()).unwrap_or_default();
        let search = Search {
            starts: (starts.len() + paths.len()) as u64,
            evaluations,
            lowest: found.first().map(|best| best.slack),
            w,
            v,
        };
        Ok((search, found))
    }

    /// Where the starts come to, and evaluations; `act` moves a block of those with these numbers. Beside the slack and the
    /// constraints, the block evaluates further roots of the graph.
    fn run(
        &self,
        graph: &Graph,
        further: &[NodeId],
        starts: &[Candidate],
        act: impl Fn(&mut Block, Range<usize>) + Sync,
    ) -> Result<(Vec<Candidate>, u64), Failure> {
        let constraints = &self.claim.region.constraints;
        let roots = [&[self.claim.slack], constraints.as_slice(), further].concat();
        let bulk = Bulk::narrow(graph, &roots).map_err(Failure::Run)?.on(self.level);
        let free: usize = self.points.free().iter().map(|(_, set)| set.dimension()).sum();
        // a block holds points and directions besides
        let numbers = bulk.numbers() + 2 * LANES * free;
        let workers = (WORKER_NUMBERS / numbers.max(1)).max(1);
        let blocks: Vec<(Vec<Candidate>, u64)> = starts
            .par_chunks(LANES)
            .with_min_len(starts.len().div_ceil(LANES * workers))
            .enumerate()
            .map_init(
                || Block::new(bulk.clone(), constraints.len(), self.points),
                |block, (number, starts)| {
                    let first = number * LANES;
                    block.load(starts);
                    act(block, first..first + starts.len());
                    (block.found(), block.evaluations)
                },
            )
            .collect();
        let evaluations = blocks.iter().map(|(_, evaluations)| evaluations).sum();
        let found = blocks.into_iter().flat_map(|(found, _)| found).collect();
        Ok((found, evaluations))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::case::Case;
    use crate::engine::points::Draw;
    use crate::eval::float::FloatArithmetic;
    use crate::eval::tensor::Evaluator;
    use crate::graph::op::Input;

    /// A claim of an inequality about `f`, whose parameter is `p` of shape `[3]`.
    fn claim(f: &str, inequality: &str, region: &str) -> Claim {
        let text = format!(
            r#"{{"name": "n", "title": "t", "source": {{"work": "ours"}}, "data": {{"c": [3, 4, 12]}},
            "parameters": {{"p": [3]}}, "define": {{"f": "{f}"}}, "claim": {{"inequality": "{inequality}"}},
            "region": {region}, "check": {{"seed": 5}}}}"#
        );
        let case =
            Case::parse(&text, "n.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
        Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    /// With kinks, a box and a ball, and an inequality of the region.
    fn crooked() -> Claim {
        claim(
            "sum(tanh(2 * p)) + abs(p[0] - p[1]) + relu(p[2])^2/2",
            "dot(grad(f)(w), w - v) >= f(w) - f(v)",
            r#"{"w": {"box": [-1, 1]}, "v": {"ball": {"center": [0, 0.5, 0], "radius": 1}}, "where": ["p[0] + p[1] <= 1"]}"#,
        )
    }

    fn starts(points: &Points, count: u64) -> Vec<Candidate> {
        let mut points = points.clone();
        let draw = |index| Candidate {
            point: points.draw(Draw::Uniform, index).0.unwrap(),
            slack: f64::INFINITY,
        };
        (0..count).map(draw).collect()
    }

    fn on<'a>(claim: &'a Claim, points: &'a Points, level: Level) -> Pass<'a> {
        Pass { claim, points, level }
    }

    fn gradients(claim: &Claim) -> (Graph, Vec<NodeId>) {
        let mut graph = claim.graph.clone();
        let gradients = [Input::W, Input::V].map(|input| graph.gradient(claim.slack, input, claim.dimension));
        (graph, gradients.to_vec())
    }

    fn same(a: &Candidate, b: &Candidate) -> bool {
        a.point == b.point && a.slack.to_bits() == b.slack.to_bits()
    }

    #[test]
    fn a_start_does_not_depend_on_those_beside_it() {
        let claim = crooked();
        let points = Points::new(&claim, 5);
        let starts = starts(&points, 19);
        let (graph, gradients) = gradients(&claim);
        let pass = on(&claim, &points, Level::widest());
        let descend = |starts: &[Candidate]| {
            pass.run(&graph, &gradients, starts, |block, _| {
                descent::steepest(block, 2.0)
            })
            .unwrap()
        };
        let directions = Directions::new(5, pass.level, [3, 3].into_iter());
        let wander = |starts: &[Candidate], first: usize| {
            let act = |block: &mut Block, numbers: Range<usize>| {
                descent::random(block, &directions, (first + numbers.start) as u64, 2.0);
            };
            pass.run(&graph, &[], starts, act).unwrap()
        };
        let (together, evaluations) = descend(&starts);
        let (moved, _) = wander(&starts, 0);
        let mut alone = Vec::new();
        for (number, start) in starts.iter().enumerate() {
            let (found, evaluations) = descend(std::slice::from_ref(start));
            assert!(same(&found[0], &together[number]), "{number}");
            alone.push(evaluations);
            let (found, _) = wander(std::slice::from_ref(start), number);
            assert!(same(&found[0], &moved[number]), "{number}");
        }
        // they do not end together
        assert!(alone.iter().min() < alone.iter().max());
        assert_eq!(alone.iter().sum::<u64>(), evaluations);
    }

    #[test]
    fn the_search_does_not_depend_on_the_instruction_set() {
        let claim = crooked();
        let points = Points::new(&claim, 5);
        let starts = starts(&points, 11);
        let (record, found) = on(&claim, &points, Level::Portable).search(&starts).unwrap();
        for level in Level::available() {
            let (other, others) = on(&claim, &points, level).search(&starts).unwrap();
            assert_eq!(other, record, "{level:?}");
            assert!(found.iter().zip(&others).all(|(a, b)| same(a, b)), "{level:?}");
        }
    }

    /// The first directions are the gradients, and a motion ends where the projection of the set does.
    #[test]
    fn points_move_against_their_gradients_and_back_into_the_region() {
        let claim = crooked();
        let points = Points::new(&claim, 5);
        let starts = starts(&points, 8);
        let (graph, gradients) = gradients(&claim);
        let mut evaluator = Evaluator::new(&graph, &gradients, FloatArithmetic);
        let roots = [&[claim.slack], claim.region.constraints.as_slice(), &gradients].concat();
        let constraints = claim.region.constraints.len();
        let mut block = Block::new(Bulk::narrow(&graph, &roots).unwrap(), constraints, &points);
        block.load(&starts);
        block.begin();
        let used = block.used;
        descent::turn(&mut block, &used);
        for (lane, start) in starts.iter().enumerate() {
            evaluator.run(&[(Input::W, &start.point.w), (Input::V, &start.point.v)]);
            for (number, side) in block.sides.iter().enumerate() {
                for (entry, expected) in side.direction.iter().zip(evaluator.root(number)) {
                    assert!(
                        (entry[lane] - expected).abs() <= 1e-12,
                        "{} {expected}",
                        entry[lane]
                    );
                }
            }
        }
        let along = std::array::from_fn(|lane| -(lane as f64) / 4.0);
        block.accept(&along, &[0.0; LANES], &used);
        for (lane, found) in block.found().into_iter().enumerate() {
            for (number, (input, set)) in points.free().iter().enumerate() {
                let directions = &block.sides[number].direction;
                let mut expected: Vec<f64> = (starts[lane].point.side(*input).iter().zip(directions))
                    .map(|(x, direction)| x + along[lane] * direction[lane])
                    .collect();
                set.project(&mut expected);
                assert_eq!(found.point.side(*input), expected, "{lane}");
            }
        }
    }

    fn lowest(claim: &Claim) -> f64 {
        let points = Points::new(claim, 5);
        let (search, _) = on(claim, &points, Level::widest())
            .search(&starts(&points, 3))
            .unwrap();
        search.lowest.unwrap()
    }

    /// Squares of distances from (2, 1/4, -1/3): in the box the nearest point is (1, 1/4, -1/3), at distance 1.
    #[test]
    fn descent_comes_to_the_nearest_point_of_a_box() {
        let distance = "(w[0] - 2)^2 + (w[1] - 1/4)^2 + (w[2] + 1/3)^2 >= 0";
        let found = lowest(&claim("p[0]", distance, r#"{"w": {"box": [-1, 1]}}"#));
        assert!((found - 1.0).abs() < 1e-9, "{found}");
    }

    /// And 3/2 where the first coordinate is at most 1/2. Nothing leads along that wall but random moves.
    #[test]
    fn no_point_is_outside_the_constraints() {
        let distance = "(w[0] - 2)^2 + (w[1] - 1/4)^2 + (w[2] + 1/3)^2 >= 0";
        let region = r#"{"w": {"box": [-1, 1]}, "where": ["p[0] <= 1/2"]}"#;
        let found = lowest(&claim("p[0]", distance, region));
        assert!((2.25..2.26).contains(&found), "{found}");
    }

    /// `<c, w>` with `|c| = 13` is `<c, center> - 13 radius = 3 - 26` at the lowest.
    #[test]
    fn descent_comes_to_the_end_of_a_ball() {
        let region = r#"{"w": {"ball": {"center": [1, 0, 0], "radius": 2}}}"#;
        let found = lowest(&claim("p[0]", "dot(c, w) >= 0", region));
        assert!((found + 23.0).abs() < 1e-9, "{found}");
    }
}
