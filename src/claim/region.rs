//! The region of a claim: for `w` and `v` a box, a ball or one point, and inequalities on top.
//!
//! Bounds, centres and radii are constant nodes of the claim's graph, so that every arithmetic gets
//! them as exactly as it can.

use crate::eval::float::FloatArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};

/// A set of points of `R^p`; every node is constant.
#[derive(Clone, Copy, Debug)]
pub enum Set {
    /// `lo <= x <= hi`, both of shape `[p]`
    Box { lo: NodeId, hi: NodeId },
    /// `||x - center|| <= radius`; `[p]` and scalar
    Ball { center: NodeId, radius: NodeId },
    /// one point, `[p]`; the claim's nodes hold it in place of the input
    Point(NodeId),
}

/// For which points the claim is made.
#[derive(Clone, Debug)]
pub struct Region {
    /// set of `w`
    pub w: Set,
    /// set of `v`; `None` when the claim does not speak of `v`
    pub v: Option<Set>,
    /// nodes that are `>= 0` at the points of the region
    pub constraints: Vec<NodeId>,
}

impl Region {
    /// The inputs that vary, `w` first.
    pub fn inputs(&self) -> Vec<Input> {
        self.free().iter().map(|(input, _)| *input).collect()
    }

    /// The inputs that vary, with their sets, `w` first.
    pub fn free(&self) -> Vec<(Input, Set)> {
        let sides = [(Input::W, Some(self.w)), (Input::V, self.v)];
        sides
            .into_iter()
            .filter_map(|(input, set)| set.map(|set| (input, set)))
            .filter(|(_, set)| !matches!(set, Set::Point(_)))
            .collect()
    }
}

/// Nodes that are `>= 0` exactly where `input` lies in the set: `x - lo` and `hi - x`, or
/// `radius^2 - ||x - center||^2` (the radius is not negative).
pub fn membership(graph: &mut Graph, input: Input, set: Set) -> Vec<NodeId> {
    match set {
        Set::Box { lo, hi } => {
            let x = graph.input(input, graph.shape(lo)[0]);
            vec![graph.sub(x, lo), graph.sub(hi, x)]
        }
        Set::Ball { center, radius } => {
            let x = graph.input(input, graph.shape(center)[0]);
            let difference = graph.sub(x, center);
            let (distance, reach) = (graph.squared_norm(difference), graph.square(radius));
            vec![graph.sub(reach, distance)]
        }
        Set::Point(_) => vec![],
    }
}

/// Entries of a constant node in intervals.
pub fn interval_values(graph: &Graph, id: NodeId) -> Vec<Interval> {
    Evaluator::new(graph, &[id], IntervalArithmetic::new())
        .root(0)
        .to_vec()
}

/// Entries of a constant node in binary64.
pub fn float_values(graph: &Graph, id: NodeId) -> Vec<f64> {
    Evaluator::new(graph, &[id], FloatArithmetic).root(0).to_vec()
}

/// The numbers behind a [`Set`], for sampling and search.
#[derive(Clone, Debug)]
pub enum SetBounds {
    /// enclosures of the bounds
    Box { lo: Vec<Interval>, hi: Vec<Interval> },
    /// enclosures of centre and radius
    Ball { center: Vec<Interval>, radius: Interval },
}

impl SetBounds {
    /// Evaluates the bounds of a set that is not a point.
    pub fn new(graph: &Graph, set: Set) -> Option<SetBounds> {
        match set {
            Set::Box { lo, hi } => Some(SetBounds::Box {
                lo: interval_values(graph, lo),
                hi: interval_values(graph, hi),
            }),
            Set::Ball { center, radius } => Some(SetBounds::Ball {
                center: interval_values(graph, center),
                radius: interval_values(graph, radius)[0],
            }),
            Set::Point(_) => None,
        }
    }

    /// The nearest point of the set, in binary64, rounded inward where the bounds are not exact.
    pub fn project(&self, x: &mut [f64]) {
        match self {
            SetBounds::Box { lo, hi } => {
                for (x, (lo, hi)) in x.iter_mut().zip(lo.iter().zip(hi)) {
                    *x = x.max(lo.hi).min(hi.lo);
                }
            }
            SetBounds::Ball { center, radius } => {
                let distance = x
                    .iter()
                    .zip(center)
                    .map(|(x, c)| (x - c.midpoint()).powi(2))
                    .sum::<f64>()
                    .sqrt();
                // a hair inside, so that rounding does not leave the ball
                let reach = radius.lo * (1.0 - 1e-14);
                if distance > reach {
                    for (x, c) in x.iter_mut().zip(center) {
                        let c = c.midpoint();
                        *x = c + (*x - c) * (reach / distance);
                    }
                }
            }
        }
    }

    /// Number of coordinates.
    pub fn dimension(&self) -> usize {
        match self {
            SetBounds::Box { lo, .. } => lo.len(),
            SetBounds::Ball { center, .. } => center.len(),
        }
    }

    /// A length that steps in the set are compared with: the largest width.
    pub fn scale(&self) -> f64 {
        match self {
            SetBounds::Box { lo, hi } => lo
                .iter()
                .zip(hi)
                .map(|(lo, hi)| hi.hi - lo.lo)
                .fold(0.0, f64::max),
            SetBounds::Ball { radius, .. } => radius.hi,
        }
    }
}
