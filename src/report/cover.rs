//! How a proof covered the region: the boxes drawn where there are one or two coordinates, else counted.

use super::page::{Block, Table};
use super::plot;
use super::words::{count, full, percent, short};
use crate::certificate::replay::leaves;
use crate::claim::Claim;
use crate::engine::enclose::root_box;
use crate::engine::prove::convexity::{self, CONVEXITY, GAP, HESSIAN, Question};
use crate::engine::prove::lifting::{self, Lifting};
use crate::engine::prove::tree::Rule;
use crate::engine::prove::{Proof, RULE, Stop};
use crate::eval::interval::IntervalArithmetic;
use crate::graph::op::Input;

/// Boxes that a picture shows at most.
const DRAWN: usize = 4000;
/// Parts of a lifted claim that a table shows.
const PARTS: usize = 16;

/// Boxes of the proof with their letters.
pub struct Boxes {
    /// the box around the region
    pub root: Vec<[f64; 2]>,
    /// ranges of each box, and the letter of the rule that settles it
    pub leaves: Vec<(Vec<[f64; 2]>, Rule)>,
    /// what the coordinates are called
    pub names: Vec<String>,
}

/// What is said of a proof.
pub fn blocks(proof: &Proof, claim: Option<&Claim>) -> Vec<Block> {
    let mut blocks = vec![Block::Text(method(proof))];
    if let Some(stopped) = proof.stopped {
        blocks.push(Block::Text(unfinished(proof, stopped)));
        return blocks;
    }
    if let Some(lifting) = &proof.lifting {
        blocks.extend(parts(lifting));
    }
    if proof.tree.is_empty() {
        return blocks;
    }
    match claim.and_then(|claim| boxes(proof, claim)) {
        Some(boxes) => {
            if let Some(figure) = plot::boxes(&boxes) {
                blocks.push(Block::Figure(figure));
            }
        }
        None if claim.is_none() => blocks.push(Block::Text(
            "Where there are one or two coordinates the boxes are drawn if the report is made with --case."
                .to_owned(),
        )),
        None => {}
    }
    blocks.push(letters(std::iter::once(proof.tree.as_str()), proof));
    blocks
}

/// The rule in words.
fn method(proof: &Proof) -> String {
    match proof.rule.as_str() {
        CONVEXITY => "No boxes were needed. The function is built from convex pieces by operations that keep convexity \
                      (sums, compositions with convex and growing functions, and so on), over one box that holds the regions \
                      of w and v. A convex function lies above its tangents, and that is the claim."
            .to_owned(),
        GAP => "No boxes were needed. The function is convex on a box around the regions of w and v, and its curvature there is \
                bounded. Its gap over the tangent is then at least the square of the change of its gradient, divided by twice \
                that bound: one step against the change, from one of the points, would otherwise lead below the tangent."
            .to_owned(),
        HESSIAN => "The box that holds the regions of w and v was split until on each part the second derivatives, enclosed \
                    in intervals, form a positive semidefinite matrix, or one no more negative than the claim allows."
            .to_owned(),
        lifting::RULE => "The slack was taken apart, exactly, into a sum of functions of few variables each (values that the \
                          parameters enter through, such as one neuron's input at one data point). Each function was \
                          bounded from below over the range of its variables, and the bounds were added up."
            .to_owned(),
        RULE => "Branch and bound: the box around the region was split in halves again and again. A part was laid aside once a \
              rigorous lower bound showed that the slack is at least minus the tolerance all over it, or that it lies \
              outside the region."
            .to_owned(),
        other => format!("The rule is one that this program does not know: {other}."),
    }
}

fn unfinished(proof: &Proof, stopped: Stop) -> String {
    let why = match stopped {
        Stop::Boxes => "the budget of boxes was spent",
        Stop::Work => "the limit on the work was reached",
        Stop::Resolution => "a box became as small as binary64 allows",
        Stop::Violation => "the slack in the middle of a box came out negative",
        Stop::Length => "the proof is too long for a certificate",
    };
    let worst = proof.worst.as_ref().map_or(String::new(), |worst| {
        format!(
            " On the open box with the lowest bound the slack is at least {}.",
            short(worst.bound)
        )
    });
    // not rounded up to the whole
    let settled = (proof.settled * 1e4).floor() / 1e4;
    format!(
        "This did not end in a proof: {why}, with {} of the box around the region settled by {} boxes. What is settled \
         proves nothing about the rest.{worst}",
        percent(settled),
        count(proof.boxes)
    )
}

/// The boxes of a tree over one or two coordinates, where they can be drawn.
fn boxes(proof: &Proof, claim: &Claim) -> Option<Boxes> {
    let ranges = if proof.rule == HESSIAN {
        let Question { ranges, .. } = convexity::question(claim, IntervalArithmetic::new())?;
        ranges
    } else {
        root_box(claim, IntervalArithmetic::new())?
    };
    let root: Vec<[f64; 2]> = ranges.iter().map(|range| [range.lo, range.hi]).collect();
    if !(1..=2).contains(&root.len()) {
        return None;
    }
    let found = leaves(&proof.tree, root.clone(), DRAWN).ok()?;
    let leaves = found
        .into_iter()
        .map(|(ranges, letter)| Some((ranges, Rule::of_letter(letter)?)))
        .collect::<Option<Vec<_>>>()?;
    let letter = match claim.region.inputs().first() {
        Some(Input::V) => "v",
        _ => "w",
    };
    let names = match (proof.rule == HESSIAN, claim.region.inputs().len(), root.len()) {
        (true, _, 1) => vec!["the coordinate of w and v".to_owned()],
        (true, ..) => vec![
            "coordinate 0 of w and v".to_owned(),
            "coordinate 1 of w and v".to_owned(),
        ],
        (false, 2, _) => vec!["w".to_owned(), "v".to_owned()],
        (false, _, 1) => vec![letter.to_owned()],
        (false, ..) => vec![format!("{letter}[0]"), format!("{letter}[1]")],
    };
    Some(Boxes { root, leaves, names })
}

/// What a rule does, in words.
pub fn meaning(rule: Rule) -> &'static str {
    match rule {
        Rule::Discard => "lies outside the region",
        Rule::Natural => "the formula evaluated in intervals",
        Rule::MeanValue => "mean value form around the middle",
        Rule::Face => "the slack is monotone: evaluated where it is smallest",
        Rule::FaceMeanValue => "monotone, and mean value form there",
        Rule::OptimalCenter => "the same around the best point",
        Rule::SecondOrder => "Taylor's formula of second order",
        Rule::Vanishing => "Taylor's formula around a zero of a difference",
        Rule::VanishingSecondOrder => "the same, its derivative bounded by Taylor's formula of second order",
        Rule::Ridges => {
            "one matrix below the Hessian of a sum over data, over the whole region, is positive semidefinite"
        }
        Rule::Hessian => "the Hessian is positive semidefinite, or no more negative than allowed",
    }
}

/// How often each rule settled a box.
fn letters<'a>(trees: impl Iterator<Item = &'a str>, proof: &Proof) -> Block {
    let mut counts = [0u64; 128];
    for byte in trees.flat_map(str::bytes).filter(u8::is_ascii) {
        counts[usize::from(byte)] += 1;
    }
    let rows = Rule::ALL.iter().filter_map(|&rule| {
        let found = counts[rule.letter() as usize];
        (found > 0).then(|| vec![rule.letter().to_string(), meaning(rule).to_owned(), count(found)])
    });
    Block::Table(Table {
        caption: format!(
            "{} boxes were examined, split ones included, at most {} splits deep. Those that were not split further, by \
             the rule that settled them",
            count(proof.boxes),
            proof.depth
        ),
        head: vec!["Letter", "Rule", "Boxes"],
        rows: rows.collect(),
    })
}

/// The parts of a lifted claim.
fn parts(lifting: &Lifting) -> Vec<Block> {
    if lifting.parts.is_empty() {
        return vec![Block::Text(
            "No part was left: the bound is exact algebra.".to_owned(),
        )];
    }
    let boxes = |trees: &[String]| -> u64 {
        let bytes = trees.iter().flat_map(|tree| tree.bytes());
        bytes.filter(|byte| !byte.is_ascii_digit()).count() as u64
    };
    let rows = lifting
        .parts
        .iter()
        .enumerate()
        .take(PARTS)
        .map(|(number, part)| {
            vec![
                (number + 1).to_string(),
                part.ranges.len().to_string(),
                part.trees.len().to_string(),
                count(boxes(&part.trees)),
                full(part.floor),
            ]
        });
    let shown = if lifting.parts.len() > PARTS {
        format!(", the first {PARTS} of {}", lifting.parts.len())
    } else {
        String::new()
    };
    vec![Block::Table(Table {
        caption: format!(
            "The functions of few variables{shown}: pieces between kinks, boxes, and the proved lower bound"
        ),
        head: vec!["Part", "Variables", "Pieces", "Boxes", "At least"],
        rows: rows.collect(),
    })]
}
