//! Cross-checks: Burn's autodiff against our own derivatives, the bulk evaluator that the sampler runs
//! on against Burn, and Burn's back ends against each other, at points of the sample. They are recorded in every certificate and say how far the
//! sampled slack can be trusted; no verdict rests on them.

use serde::{Deserialize, Serialize};

use super::device::AGREEMENT;
use super::points::{Draw, Points};
use super::{Failure, Options};
use crate::burn::REWRITTEN;
use crate::burn::device::Backend;
use crate::burn::executor::Executor;
use crate::claim::Claim;
use crate::eval::bulk::Bulk;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};

/// One point in so many of the uniform sample is evaluated with Burn as well...
const SHARE: u64 = 100;
/// ... but at least so many,
const FEWEST: u64 = 256;
/// and at most so many.
const MOST: u64 = 4096;
/// Entries that all points together may have: fewer points where the graph is large.
const ENTRIES: u64 = 1 << 25;
/// Points of one run of Burn: larger batches of large tensors would fill the memory.
const BATCH: u64 = 64;

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
    /// slack from Burn's autodiff (ndarray) against the bulk evaluator, on the same scale
    #[serde(with = "crate::certificate::number")]
    pub bulk: f64,
    /// slack on Burn ndarray against Burn flex, on the same scale
    #[serde(with = "crate::certificate::number")]
    pub flex: f64,
    /// slack on the device of the options against the bulk evaluator, on the same scale, or on its mean over
    /// these points where that is larger; absent without a device
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::certificate::number::option"
    )]
    pub device: Option<f64>,
    /// operations that Burn computes inexactly in f64 and the executor writes with exact ones
    pub rewritten: Vec<String>,
}

/// Compares at the first uniform points of the sample.
///
/// # Errors
/// When Burn fails, no points can be drawn, or the device of the options does not agree with the bulk evaluator.
pub fn cross_check(claim: &Claim, mut points: Points, options: &Options) -> Result<CrossChecks, Failure> {
    let count = if points.free().is_empty() {
        1
    } else {
        let affordable = ENTRIES / (claim.graph.entries() as u64).max(1);
        (options.samples / SHARE)
            .clamp(FEWEST, MOST)
            .min(options.samples)
            .min(affordable.max(1))
    };
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
    let prepare = |backend, roots: &[NodeId]| {
        Executor::new(&graph, roots, &claim.requests, backend).map_err(Failure::Run)
    };
    let (ndarray, flex) = (
        prepare(Backend::Ndarray, &roots)?,
        prepare(Backend::Flex, &roots[..1])?,
    );
    let device = (options.device)
        .map(|backend| prepare(backend, &[claim.slack]))
        .transpose()?;
    let mut agreement = Agreement::default();
    let mut bulk = Bulk::new(&claim.graph, &[claim.slack]).map_err(Failure::Run)?;
    let mut found = Differences::default();
    for first in (0..count).step_by(BATCH as usize) {
        let (mut w, mut v) = (Vec::new(), Vec::new());
        let batch = BATCH.min(count - first);
        for index in first..first + batch {
            let point = points.draw(Draw::Uniform, index).0.ok_or(Failure::Hopeless)?;
            w.extend(point.w);
            v.extend(point.v);
        }
        let batch = batch as usize;
        let given = (!v.is_empty()).then_some(v.as_slice());
        let ndarray = ndarray.run(&w, given, batch).map_err(Failure::Run)?;
        let flex = flex.run(&w, given, batch).map_err(Failure::Run)?;
        let bulk = bulk.run(&w, &v, batch).map_err(Failure::Run)?;
        if let Some(device) = &device {
            let device = device.run(&w, given, batch).map_err(Failure::Run)?;
            agreement.compare(&device[0], &bulk[0], [&ndarray[2], &ndarray[3]]);
        }
        found.compare(claim.dimension, &ndarray, &flex[0], &bulk[0]);
    }
    let device = options.device.map(|backend| (backend, agreement.worst()));
    if let Some((backend, apart)) = device
        && apart > AGREEMENT
    {
        let known = match backend {
            Backend::Wgpu => "; shaders have exp, log, tanh, sin and the like in binary32 only",
            Backend::Cuda | Backend::Ndarray | Backend::Flex => "",
        };
        return Err(Failure::Run(format!(
            "the slack on the device {backend} and that of the bulk evaluator differ by {apart:.1e} of the sides, more \
             than {AGREEMENT:e}: its samples cannot be used{known}"
        )));
    }
    let rewritten = REWRITTEN
        .iter()
        .map(|(operation, how)| format!("{operation}: {how}"))
        .collect();
    Ok(CrossChecks {
        points: count,
        gradient: found.gradient,
        slack: found.slack,
        bulk: found.bulk,
        flex: found.flex,
        device: device.map(|(_, apart)| apart),
        rewritten,
    })
}

/// The largest differences so far.
#[derive(Default)]
struct Differences {
    gradient: Option<f64>,
    slack: f64,
    bulk: f64,
    flex: f64,
}

impl Differences {
    /// Compares the roots on ndarray (slack with Burn's gradient, slack with ours, both sides, pairs of
    /// gradients) with each other and with the slacks of the other two evaluators.
    fn compare(&mut self, dimension: usize, ndarray: &[Vec<f64>], flex: &[f64], bulk: &[f64]) {
        for (point, reference) in ndarray[0].iter().enumerate() {
            let scale = ndarray[2][point].abs().max(ndarray[3][point].abs());
            let relative = |x: f64| {
                if *reference == x {
                    0.0
                } else {
                    (reference - x).abs() / scale
                }
            };
            self.slack = larger(self.slack, relative(ndarray[1][point]));
            self.bulk = larger(self.bulk, relative(bulk[point]));
            self.flex = larger(self.flex, relative(flex[point]));
        }
        for pair in ndarray[4..].chunks(2) {
            for (theirs, own) in pair[0].chunks(dimension).zip(pair[1].chunks(dimension)) {
                let difference = norm_difference(theirs, own);
                self.gradient = Some(larger(self.gradient.unwrap_or(0.0), difference));
            }
        }
    }
}

/// How far a device is from the bulk evaluator: at each point the difference and the larger side.
#[derive(Default)]
struct Agreement(Vec<[f64; 2]>);

impl Agreement {
    fn compare(&mut self, device: &[f64], bulk: &[f64], sides: [&[f64]; 2]) {
        for (point, (device, bulk)) in device.iter().zip(bulk).enumerate() {
            let apart = if device == bulk || device.is_nan() && bulk.is_nan() {
                0.0
            } else {
                // a number on one of them only is as far apart as can be
                let apart = (device - bulk).abs();
                if apart.is_nan() { f64::INFINITY } else { apart }
            };
            let scale = sides[0][point].abs().max(sides[1][point].abs());
            self.0.push([apart, if scale.is_finite() { scale } else { 0.0 }]);
        }
    }

    /// The largest difference, relative to the larger of the scale at the point and the mean scale: where both sides
    /// all but vanish, their rounding errors are those of the larger numbers that cancel.
    fn worst(&self) -> f64 {
        // a share of each, so that large scales do not overflow
        let share = 1.0 / self.0.len() as f64;
        let mean = self.0.iter().map(|[_, scale]| share * scale).sum::<f64>();
        let apart = self.0.iter().filter(|[apart, _]| *apart > 0.0);
        apart
            .map(|[apart, scale]| apart / scale.max(mean))
            .fold(0.0, f64::max)
    }
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
