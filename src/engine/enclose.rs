//! Rigorous evaluation of a claim at a point and over its whole region, in any rigorous arithmetic:
//! intervals for the engines, multiprecision for `verify`.

use dashu_ratio::RBig;

use crate::claim::Claim;
use crate::claim::region::Set;
use crate::eval::exact::ExactArithmetic;
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
    /// functions with jumps of which a gradient is taken
    jumping: Evaluator<A>,
    membership: Evaluator<A>,
    exact_membership: Evaluator<ExactArithmetic>,
}

impl<'a, A: RigorousArithmetic + Clone> Encloser<'a, A> {
    /// Prepares a claim.
    pub fn new(claim: &'a Claim, arithmetic: A) -> Self {
        let jumping: Vec<NodeId> = claim
            .prerequisites
            .iter()
            .copied()
            .filter(|root| !claim.graph.is_continuous(*root))
            .collect();
        Encloser {
            claim,
            jumping: Evaluator::new(&claim.graph, &jumping, arithmetic.clone()),
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

    /// Encloses the slack over a box that contains the whole region.
    pub fn over_region(&mut self) -> Enclosed<A::Value> {
        let mut sides = [Vec::new(), Vec::new()];
        let mut defined = true;
        for (input, set) in self.claim.region.free() {
            let (hull, bounds_defined) = hull(&self.claim.graph, set, self.slack.arithmetic());
            sides[usize::from(input == Input::V)] = hull;
            defined &= bounds_defined;
        }
        let [w, v] = sides;
        let mut enclosed = self.evaluate(&w, &v);
        enclosed.flags.defined &= defined;
        enclosed
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
        let mut flags = self.slack.run(&[(Input::W, w), (Input::V, v)]);
        // there is no gradient at a jump of the function itself
        flags.defined &= self.jumping.run(&[(Input::W, w), (Input::V, v)]).continuous;
        Enclosed {
            slack: self.slack.root(0)[0].clone(),
            flags,
        }
    }
}

/// A box that contains the set, and whether its bounds are defined.
fn hull<A: RigorousArithmetic + Clone>(graph: &Graph, set: Set, arithmetic: &mut A) -> (Vec<A::Value>, bool) {
    let (first, second) = match set {
        Set::Box { lo, hi } => (lo, hi),
        Set::Ball { center, radius } => (center, radius),
        Set::Point(_) => return (Vec::new(), true),
    };
    let mut bounds = Evaluator::new(graph, &[first, second], arithmetic.clone());
    let defined = bounds.run(&[]).defined;
    let hull = match set {
        Set::Box { .. } => bounds
            .root(0)
            .iter()
            .zip(bounds.root(1))
            .map(|(lo, hi)| arithmetic.hull(lo, hi))
            .collect(),
        Set::Ball { .. } => {
            let radius = &bounds.root(1)[0];
            let around = |c| {
                let lo = arithmetic.binary(Binary::Sub, c, radius);
                let hi = arithmetic.binary(Binary::Add, c, radius);
                arithmetic.hull(&lo, &hi)
            };
            bounds.root(0).iter().map(around).collect()
        }
        Set::Point(_) => Vec::new(),
    };
    (hull, defined)
}
