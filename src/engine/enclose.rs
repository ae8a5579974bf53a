//! Rigorous evaluation of a claim at a point and over its whole region, in any rigorous arithmetic:
//! intervals for the engines, multiprecision for `verify`.

use dashu_ratio::RBig;

use crate::claim::Claim;
use crate::claim::region::Set;
use crate::eval::exact::{ExactArithmetic, exact_values};
use crate::eval::interval::Interval;
use crate::eval::tensor::Evaluator;
use crate::eval::{Flags, RigorousArithmetic};
use crate::graph::op::{Binary, Input};
use crate::graph::{Graph, NodeId};

/// A point of the region in exact coordinates; a side that the claim fixes is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExactPoint {
    /// coordinates of `w`
    pub w: Vec<RBig>,
    /// coordinates of `v`
    pub v: Vec<RBig>,
}

/// An enclosure of the slack and what was met on the way.
#[derive(Clone, Debug)]
pub struct Enclosed<V> {
    /// contains every value that the slack takes
    pub slack: V,
    /// whether everything that the claim speaks of is defined there
    pub flags: Flags,
}

/// Encloses the slack of a claim.
pub struct Encloser<'a, A: RigorousArithmetic> {
    claim: &'a Claim,
    slack: Evaluator<A>,
    membership: Evaluator<A>,
    exact_membership: Evaluator<ExactArithmetic>,
}

impl<'a, A: RigorousArithmetic + Clone> Encloser<'a, A> {
    /// Prepares a claim.
    pub fn new(claim: &'a Claim, arithmetic: A) -> Self {
        Encloser {
            claim,
            slack: Evaluator::new(&claim.graph, &claim.rigorous_roots(), arithmetic.clone()),
            membership: Evaluator::new(&claim.graph, &claim.membership, arithmetic),
            exact_membership: Evaluator::new(&claim.graph, &claim.membership, ExactArithmetic),
        }
    }

    /// Encloses the slack at a point.
    pub fn at_point(&mut self, point: &ExactPoint) -> Enclosed<A::Value> {
        let (w, v) = self.coordinates(point);
        self.evaluate(&w, &v)
    }

    /// Whether the point lies in the region beyond doubt: exactly where the inequalities that make
    /// the region are rational at the point, in enclosures otherwise.
    pub fn contains(&mut self, point: &ExactPoint) -> bool {
        let exact = |side: &[RBig]| side.iter().cloned().map(Some).collect::<Vec<_>>();
        let (w, v) = (exact(&point.w), exact(&point.v));
        self.exact_membership.run(&[(Input::W, &w), (Input::V, &v)]);
        let (w, v) = self.coordinates(point);
        let flags = self.membership.run(&[(Input::W, &w), (Input::V, &v)]);
        if !flags.defined {
            return false;
        }
        let zero = RBig::ZERO;
        (0..self.claim.membership.len()).all(|number| {
            let exact = self.exact_membership.root(number).to_vec();
            let enclosed = self.membership.root(number).to_vec();
            exact.iter().zip(&enclosed).all(|(exact, enclosed)| match exact {
                Some(value) => *value >= zero,
                None => self.membership.arithmetic().at_least(enclosed, &zero),
            })
        })
    }

    /// The arithmetic, to read enclosures with.
    pub fn arithmetic(&mut self) -> &mut A {
        self.slack.arithmetic()
    }

    fn coordinates(&mut self, point: &ExactPoint) -> (Vec<A::Value>, Vec<A::Value>) {
        let arithmetic = self.slack.arithmetic();
        let mut side = |side: &[RBig]| side.iter().map(|x| arithmetic.rational(x)).collect::<Vec<_>>();
        (side(&point.w), side(&point.v))
    }

    fn evaluate(&mut self, w: &[A::Value], v: &[A::Value]) -> Enclosed<A::Value> {
        let flags = self.slack.run(&[(Input::W, w), (Input::V, v)]);
        Enclosed {
            slack: self.slack.root(0)[0].clone(),
            flags,
        }
    }
}

/// The smallest box with binary64 ends around the sets of the coordinates that vary, `w` first, as far
/// as the arithmetic tells; `None` where it is not bounded.
pub fn root_box<A: RigorousArithmetic + Clone>(claim: &Claim, mut arithmetic: A) -> Option<Vec<Interval>> {
    let mut ranges = Vec::new();
    for (_, set) in claim.region.free() {
        for side in hull(&claim.graph, set, &mut arithmetic) {
            let (lo, hi) = arithmetic.ends(&side);
            if !(lo.is_finite() && hi.is_finite() && lo <= hi) {
                return None;
            }
            ranges.push(Interval::new(lo, hi));
        }
    }
    Some(ranges)
}

/// A box that contains the set; the tightest where its numbers are rational.
fn hull<A: RigorousArithmetic + Clone>(graph: &Graph, set: Set, arithmetic: &mut A) -> Vec<A::Value> {
    let values = |id: NodeId| Evaluator::new(graph, &[id], arithmetic.clone()).root(0).to_vec();
    match set {
        Set::Box { lo, hi } => values(lo)
            .iter()
            .zip(&values(hi))
            .map(|(lo, hi)| arithmetic.hull(lo, hi))
            .collect(),
        Set::Ball { center, radius } => {
            if let Some((center, radius)) = exact_values(graph, center).zip(exact_values(graph, radius)) {
                let range = |c: &RBig| {
                    let (lo, hi) = (
                        arithmetic.rational(&(c - &radius[0])),
                        arithmetic.rational(&(c + &radius[0])),
                    );
                    arithmetic.hull(&lo, &hi)
                };
                return center.iter().map(range).collect();
            }
            let (center, radius) = (values(center), values(radius));
            center
                .iter()
                .map(|c| {
                    let lo = arithmetic.binary(Binary::Sub, c, &radius[0]);
                    let hi = arithmetic.binary(Binary::Add, c, &radius[0]);
                    arithmetic.hull(&lo, &hi)
                })
                .collect()
        }
        Set::Point(_) => Vec::new(),
    }
}
