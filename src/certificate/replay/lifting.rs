//! Replay of a proof by lifting in the checker arithmetic.
//!
//! The cut and its pieces are made anew from the case. The certificate gives the range of each lifted
//! variable, which must contain the one found here, a floor for each part and the trees of boxes that
//! show it; the floors must add up to the claim, exactly.

use rayon::prelude::*;

use super::{Judge, PRECISIONS, Replayed, settle};
use crate::claim::Claim;
use crate::engine::enclose::defined_hull;
use crate::engine::prove::lifting::cut::Part;
use crate::engine::prove::lifting::pieces::pieces;
use crate::engine::prove::lifting::prepare::goal;
use crate::engine::prove::lifting::{self, Lifting, MAX_WORK, PartProof};
use crate::engine::prove::smooth::Smooth;
use crate::engine::prove::tree::{MAX_TEXT, Rule, boxes as boxes_of};
use crate::eval::checker::CheckerArithmetic;

/// Replays a proof by lifting.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn replay(claim: &Claim, proof: &Lifting) -> Result<Replayed, String> {
    let arithmetic = CheckerArithmetic::new;
    let Some(hull) = defined_hull(claim, arithmetic()) else {
        return Err("the region has no bounded hull on which the claim is defined".to_owned());
    };
    let Some(goal) = goal(claim, proof.reductions(), &hull, arithmetic()) else {
        return Err("the reductions that it names do not apply".to_owned());
    };
    let tolerance = goal.tolerance;
    let Some(mut cut) = lifting::cut_of(goal.arena, goal.form, proof.joined) else {
        return Err("the claim does not come apart into functions of few variables".to_owned());
    };
    if proof.parts.len() != cut.parts.len() {
        return Err(format!(
            "the claim has {} parts, the proof {}",
            cut.parts.len(),
            proof.parts.len()
        ));
    }
    let Some(own) = lifting::ranges(&cut, &goal.hull, arithmetic()) else {
        return Err("a lifted variable is not bounded".to_owned());
    };
    match &cut.cone {
        None if !proof.shares.is_empty() => return Err("shares of a norm that is not there".to_owned()),
        None => {}
        Some(cone) => cone
            .share_out(&cut.arena, &mut cut.parts, &proof.shares, arithmetic())
            .ok_or("the norm does not pay for the shares")?,
    }
    for (number, (own, part)) in own.iter().zip(&proof.parts).enumerate() {
        let inside = |(own, given): (&[f64; 2], &[f64; 2])| {
            given[0].is_finite() && given[1].is_finite() && given[0] <= own[0] && own[1] <= given[1]
        };
        if own.len() != part.ranges.len() || !own.iter().zip(&part.ranges).all(inside) {
            return Err(format!("part {number}: the ranges do not hold the region"));
        }
    }
    if !lifting::suffices(
        &cut.constant,
        proof.parts.iter().map(|part| part.floor),
        &tolerance,
    ) {
        return Err("the floors of the parts do not add up to the claim".to_owned());
    }
    let trees = proof.parts.iter().flat_map(|part| &part.trees);
    if trees.map(String::len).sum::<usize>() > MAX_TEXT {
        return Err("the proof trees are too long".to_owned());
    }
    let results: Vec<Result<Replayed, String>> = cut
        .parts
        .par_iter()
        .zip(&proof.parts)
        .map(|(part, proof)| replay_part(part, proof))
        .collect();
    let (mut boxes, mut depth) = (0, 0);
    for (number, result) in results.into_iter().enumerate() {
        let replayed = result.map_err(|error| format!("part {number}: {error}"))?;
        boxes += replayed.boxes;
        depth = depth.max(replayed.depth);
    }
    Ok(Replayed { boxes, depth })
}

/// Replays the trees of one part.
fn replay_part(part: &Part, proof: &PartProof) -> Result<Replayed, String> {
    let mut arithmetic = CheckerArithmetic::new();
    let Some(pieces) = pieces(part, &proof.ranges, &mut arithmetic) else {
        return Err("it has too many pieces".to_owned());
    };
    if pieces.len() != proof.trees.len() {
        return Err(format!("{} pieces, {} trees", pieces.len(), proof.trees.len()));
    }
    let (mut boxes, mut depth, mut work) = (0u64, 0, 0u64);
    for (piece, tree) in pieces.iter().zip(&proof.trees) {
        let judges = PRECISIONS.map(|precision| PartJudge {
            smooth: Smooth::new(piece, CheckerArithmetic::with_precision(precision)),
            floor: proof.floor,
        });
        let count = boxes_of(tree);
        work = work.saturating_add(count.saturating_mul(judges[0].smooth.operations()));
        if work > 2 * MAX_WORK {
            return Err("more boxes than the prover ever makes".to_owned());
        }
        boxes += count;
        depth = depth.max(settle(tree, piece.ranges.clone(), &judges)?);
    }
    Ok(Replayed { boxes, depth })
}

/// Bounds a part over boxes.
#[derive(Clone)]
struct PartJudge {
    smooth: Smooth<CheckerArithmetic>,
    floor: f64,
}

impl Judge for PartJudge {
    fn settles(&mut self, ranges: &[[f64; 2]], letter: char) -> bool {
        Rule::of_letter(letter).is_some_and(|rule| self.smooth.lower(rule, ranges, self.floor) >= self.floor)
    }
}
