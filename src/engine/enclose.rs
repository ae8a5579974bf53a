//! Rigorous evaluation of a claim at a point and over its whole region, in any rigorous arithmetic:
//! intervals for the engines, multiprecision for `verify`.

use dashu_ratio::RBig;

use crate::claim::Claim;
use crate::claim::region::Set;
use crate::eval::contract::Empty;
use crate::eval::exact::{ExactArithmetic, exact_values};
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::eval::{Arithmetic, Flags, RigorousArithmetic};
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

/// The slack of a claim in a rigorous arithmetic, with everything that must be defined with it.
#[derive(Clone)]
pub struct Slack<A: Arithmetic> {
    roots: Evaluator<A>,
    /// functions with jumps of which a gradient is taken
    jumping: Evaluator<A>,
}

impl<A: RigorousArithmetic + Clone> Slack<A> {
    /// Prepares a claim.
    pub fn new(claim: &Claim, arithmetic: A) -> Self {
        Slack {
            jumping: Evaluator::new(&claim.graph, &Self::jumping(claim), arithmetic.clone()),
            roots: Evaluator::new(&claim.graph, &claim.rigorous_roots(), arithmetic),
        }
    }

    /// Functions with jumps of which a gradient is taken.
    pub fn jumping(claim: &Claim) -> Vec<NodeId> {
        let prerequisites = claim.prerequisites.iter().copied();
        prerequisites
            .filter(|root| !claim.graph.is_continuous(*root))
            .collect()
    }

    /// Encloses the slack over enclosures of the coordinates of each input that varies.
    pub fn over(&mut self, inputs: &[(Input, &[A::Value])]) -> Enclosed<A::Value> {
        let mut flags = self.roots.run(inputs);
        // there is no gradient at a jump of the function itself
        flags.defined &= self.jumping.run(inputs).continuous;
        Enclosed {
            slack: self.roots.root(0)[0].clone(),
            flags,
        }
    }

    /// Scalar operations of one evaluation, roughly.
    pub fn operations(&self) -> u64 {
        self.roots.operations() + self.jumping.operations()
    }

    /// The arithmetic, to read enclosures with.
    pub fn arithmetic(&mut self) -> &mut A {
        self.roots.arithmetic()
    }
}

impl Slack<IntervalArithmetic> {
    /// Narrows the ranges of the last [`Slack::over`] to where the slack may lie in `target`, see
    /// [`Evaluator::contract`].
    ///
    /// # Errors
    /// [`Empty`] if it does so nowhere.
    pub fn contract(&mut self, target: Interval) -> Result<(), Empty> {
        self.roots.contract(0, target)
    }

    /// The narrowed ranges of an input.
    pub fn input(&self, input: Input) -> Option<&[Interval]> {
        self.roots.input(input)
    }
}

/// Encloses the slack of a claim.
pub struct Encloser<'a, A: RigorousArithmetic> {
    claim: &'a Claim,
    slack: Slack<A>,
    membership: Evaluator<A>,
    exact_membership: Evaluator<ExactArithmetic>,
}

impl<'a, A: RigorousArithmetic + Clone> Encloser<'a, A> {
    /// Prepares a claim.
    pub fn new(claim: &'a Claim, arithmetic: A) -> Self {
        Encloser {
            claim,
            slack: Slack::new(claim, arithmetic.clone()),
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
        self.slack.over(&[(Input::W, w), (Input::V, v)])
    }
}

/// The smallest box with binary64 ends around the sets of the coordinates that vary, `w` first, as far
/// as the arithmetic tells; `None` where it is not bounded, or its bounds are not defined.
pub fn root_box<A: RigorousArithmetic + Clone>(claim: &Claim, mut arithmetic: A) -> Option<Vec<Interval>> {
    let mut ranges = Vec::new();
    for (_, set) in claim.region.free() {
        let sides = bounded_hull(&claim.graph, set, &mut arithmetic)?;
        ranges.extend(sides.iter().map(|side| outward(side, &arithmetic)));
    }
    Some(ranges)
}

/// The smallest box with binary64 ends around both points' sets, the one of `w` and the one of `v`, in
/// the space of parameters; `None` as for [`root_box`], or where the claim does not speak of `v`.
pub fn common_box<A: RigorousArithmetic + Clone>(claim: &Claim, mut arithmetic: A) -> Option<Vec<Interval>> {
    let at_w = bounded_hull(&claim.graph, claim.region.w, &mut arithmetic)?;
    let at_v = bounded_hull(&claim.graph, claim.region.v?, &mut arithmetic)?;
    let around = |(x, y)| outward(&arithmetic.hull(x, y), &arithmetic);
    Some(at_w.iter().zip(&at_v).map(around).collect())
}

/// A box that contains the set, where its bounds are defined and it is bounded in binary64.
pub fn bounded_hull<A: RigorousArithmetic + Clone>(
    graph: &Graph,
    set: Set,
    arithmetic: &mut A,
) -> Option<Vec<A::Value>> {
    let (sides, defined) = hull(graph, set, arithmetic);
    let bounded = sides.iter().all(|side| {
        let (lo, hi) = arithmetic.ends(side);
        lo.is_finite() && hi.is_finite() && lo <= hi
    });
    (defined && bounded).then_some(sides)
}

/// An enclosure with its ends rounded outward to binary64.
fn outward<A: RigorousArithmetic>(x: &A::Value, arithmetic: &A) -> Interval {
    let (lo, hi) = arithmetic.ends(x);
    Interval::new(lo, hi)
}

/// The box around the region ([`root_box`]) in an arithmetic; `None` where there is none, or where
/// something that the claim speaks of is not defined all over it.
pub fn defined_hull<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    mut arithmetic: A,
) -> Option<Vec<A::Value>> {
    let hull = values(&root_box(claim, arithmetic.clone())?, &mut arithmetic);
    let inputs = claim.region.inputs().into_iter();
    let sides: Vec<_> = inputs.zip(hull.chunks_exact(claim.dimension)).collect();
    let flags = Slack::new(claim, arithmetic).over(&sides).flags;
    flags.defined.then_some(hull)
}

/// The numbers of each range in an arithmetic.
pub fn values<A: RigorousArithmetic>(ranges: &[Interval], arithmetic: &mut A) -> Vec<A::Value> {
    ranges
        .iter()
        .map(|range| {
            let (lo, hi) = (arithmetic.float(range.lo), arithmetic.float(range.hi));
            arithmetic.hull(&lo, &hi)
        })
        .collect()
}

/// A box that contains the set, and whether its bounds are defined.
fn hull<A: RigorousArithmetic + Clone>(graph: &Graph, set: Set, arithmetic: &mut A) -> (Vec<A::Value>, bool) {
    let (first, second) = match set {
        Set::Box { lo, hi } => (lo, hi),
        Set::Ball { center, radius } => {
            // the tightest where its numbers are rational
            if let Some((center, radius)) = exact_values(graph, center).zip(exact_values(graph, radius)) {
                let range = |c: &RBig| {
                    let (lo, hi) = (c - &radius[0], c + &radius[0]);
                    let (lo, hi) = (arithmetic.rational(&lo), arithmetic.rational(&hi));
                    arithmetic.hull(&lo, &hi)
                };
                return (center.iter().map(range).collect(), true);
            }
            (center, radius)
        }
        Set::Point(point) => (point, point),
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
        Set::Point(_) => bounds.root(0).to_vec(),
    };
    (hull, defined)
}
