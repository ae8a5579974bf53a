//! Cross-checks: Burn's autodiff against our own derivatives, and Burn's back ends against each
//! other, at points of the sample. They are recorded in every certificate and say how far the
//! sampled slack can be trusted; no verdict rests on them.

use serde::{Deserialize, Serialize};

use super::points::{Draw, Points};
use super::{Failure, Options};
use crate::burn::REWRITTEN;
use crate::burn::executor::{Backend, Executor};
use crate::claim::Claim;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};

/// Points at which the derivatives are compared; fewer where the graph is large.
const POINTS: u64 = 64;
/// Entries that all points together may have.
const ENTRIES: u64 = 1 << 25;

/// The largest differences found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossChecks {
    /// points compared
    pub points: u64,
    /// Burn's autodiff (ndarray) against our `gradient`: `||a - b|| / max(||a||, ||b||)`; absent when
    /// the claim takes no gradient
    #[serde(with = "crate::certificate::number::option")]
    pub gradient: Option<f64>,
    /// slack from Burn's autodiff against slack from our `gradient`/`jvp`, both on Burn ndarray:
    /// `|a - b| / scale` with the larger side of the inequality as scale
    #[serde(with = "crate::certificate::number")]
    pub slack: f64,
    /// slack on Burn ndarray against Burn flex, on the same scale
    #[serde(with = "crate::certificate::number")]
    pub flex: f64,
    /// operations that Burn computes inexactly in f64 and the executor writes with exact ones
    pub rewritten: Vec<String>,
}

/// Compares at the first uniform points of the sample.
///
/// # Errors
/// When Burn fails or no points can be drawn.
pub fn cross_check(claim: &Claim, options: &Options) -> Result<CrossChecks, Failure> {
    let mut points = Points::new(claim, options.seed);
    let count = if points.free().is_empty() {
        1
    } else {
        let affordable = ENTRIES / (claim.graph.entries() as u64).max(1);
        POINTS.min(options.samples).min(affordable.max(1))
    };
    let (mut w, mut v) = (Vec::new(), Vec::new());
    for index in 0..count {
        let point = points.draw(Draw::Uniform, index).0.ok_or(Failure::Hopeless)?;
        w.extend(point.w);
        v.extend(point.v);
    }
    let v = (!v.is_empty()).then_some(v.as_slice());

    let mut graph: Graph = claim.graph.clone();
    let mut roots = vec![
        claim.reference_slack,
        claim.slack,
        claim.sides.left,
        claim.sides.right,
    ];
    for (number, request) in claim.requests.iter().enumerate() {
        let own = graph.gradient(request.function, Input::W, claim.dimension);
        roots.push(graph.substitute(own, &[(Input::W, request.point)]));
        roots.push(graph.input(Input::Gradient(number as u32), claim.dimension));
    }
    let run = |backend: Backend, roots: &[NodeId]| {
        let executor = Executor::new(&graph, roots, &claim.requests, backend).map_err(Failure::Run)?;
        executor.run(&w, v, count as usize).map_err(Failure::Run)
    };
    let ndarray = run(Backend::Ndarray, &roots)?;
    let flex = run(Backend::Flex, &roots[..1])?;
    let at = |root: &[f64], point: usize| if root.len() == 1 { root[0] } else { root[point] };
    let (mut slack, mut between) = (0.0f64, 0.0f64);
    for point in 0..count as usize {
        let scale = at(&ndarray[2], point).abs().max(at(&ndarray[3], point).abs());
        let relative = |a: f64, b: f64| if a == b { 0.0 } else { (a - b).abs() / scale };
        slack = larger(slack, relative(at(&ndarray[0], point), at(&ndarray[1], point)));
        between = larger(between, relative(at(&ndarray[0], point), at(&flex[0], point)));
    }
    let mut gradient: Option<f64> = None;
    for pair in ndarray[4..].chunks(2) {
        for point in 0..count as usize {
            let side = |root: &[f64]| -> Vec<f64> {
                let from = if root.len() == claim.dimension {
                    0
                } else {
                    point * claim.dimension
                };
                root[from..from + claim.dimension].to_vec()
            };
            let difference = norm_difference(&side(&pair[0]), &side(&pair[1]));
            gradient = Some(larger(gradient.unwrap_or(0.0), difference));
        }
    }
    let rewritten = REWRITTEN
        .iter()
        .map(|(operation, how)| format!("{operation}: {how}"))
        .collect();
    Ok(CrossChecks {
        points: count,
        gradient,
        slack,
        flex: between,
        rewritten,
    })
}

/// The larger of two, NaN if either is.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

fn norm_difference(a: &[f64], b: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let size = norm(&mut a.iter().copied()).max(norm(&mut b.iter().copied()));
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
    if difference == 0.0 { 0.0 } else { difference / size }
}
