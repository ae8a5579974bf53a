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
