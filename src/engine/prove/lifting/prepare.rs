//! From a claim to the form whose sign decides it: what must be shown is that the form is at least
//! minus the tolerance.
//!
//! Reductions come before the cut. A norm of a gradient on the left side may be replaced by a
//! directional derivative, since `||grad f|| >= <grad f, u>` for every `u` of norm at most 1. And a common
//! factor of the slack that cannot be negative may be divided out, after which multiples of what the
//! region's inequalities say is not negative may be subtracted; then nothing is left for a tolerance.
//! Third, what is quadratic in the coordinates may be left out where it is not negative anywhere, and a combination of
//! squares that is a positive semidefinite quadratic form leaves nothing to show. Last, a polynomial on a ball may be one in
//! the distance from its centre and one direction.

use dashu_ratio::RBig;

use super::cut::scalars;
use super::quadratic::{are_squares, is_sum_of_squares, without_quadratic};
use super::radial::{in_one_ball, radial};
use crate::claim::Claim;
use crate::claim::region::{Set, membership};
use crate::eval::RigorousArithmetic;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};
use crate::symbolic::{Enclosures, Factors, FormId, MonomialId, Symbolic};

/// What must not be negative, up to the tolerance.
#[derive(Clone, Debug)]
pub struct Goal<V> {
    /// holds the form; coordinates are those that vary, `w` first, or what a reduction puts in their place
    pub arena: Symbolic,
    /// the slack, or what is left of it
    pub form: FormId,
    /// how far below zero it may lie
    pub tolerance: RBig,
    /// ranges of the coordinates
    pub hull: Vec<V>,
}

/// How the goal is made; part of a proof.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reductions<'a> {
    /// stands for the norm of the gradient when not empty
    pub direction: &'a [f64],
    /// whether a common factor is divided out
    pub divided: bool,
    /// whether terms that are quadratic in the coordinates are left out, since they are not negative
    pub relieved: bool,
    /// whether products of sums are multiplied out
    pub expanded: bool,
    /// whether it is a sum of squares, so that nothing is left to show
    pub squares: bool,
    /// whether the distance from the centre of the region and one direction take the place of the coordinates
    pub radial: bool,
}

/// The slack of a claim in normal form.
#[derive(Clone, Debug)]
pub struct Normal {
    arena: Symbolic,
    slack: FormId,
    /// inequalities that make the region, where the slack is to be divided
    constraints: Vec<FormId>,
}

impl Normal {
    /// With what the reductions put in place of a norm, and multiplied out if they say so.
    pub fn new(claim: &Claim, reductions: Reductions) -> Option<Normal> {
        let mut graph = claim.graph.clone();
        let slack = if reductions.direction.is_empty() {
            claim.slack
        } else {
            if reductions.direction.len() != claim.dimension || !within_unit_ball(reductions.direction) {
                return None;
            }
            let direction = graph.data(reductions.direction.to_vec().into(), &[claim.dimension]);
            slack_along(claim, &mut graph, direction)?
        };
        let mut roots = vec![slack];
        if reductions.divided {
            // every inequality that makes the region but the sides of boxes, and those that jump: at the jump
            // the region may have other elements of the Clarke set than the slack
            let constraints = claim.region.constraints.iter().copied();
            roots.extend(constraints.filter(|constraint| graph.is_continuous(*constraint)));
            for (input, set) in claim.region.free() {
                if matches!(set, Set::Ball { .. }) {
                    roots.extend(membership(&mut graph, input, set));
                }
            }
        }
        let inputs = claim.region.inputs();
        let start = Symbolic::expanding(reductions.expanded);
        let (arena, forms) = scalars(&graph, &roots, &inputs, claim.dimension, start)?;
        Some(Normal {
            arena,
            slack: forms[0][0],
            constraints: forms[1..].concat(),
        })
    }
}

/// The goal of a claim over the hull of its region; `None` where a reduction does not apply.
pub fn goal<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    reductions: Reductions,
    hull: &[A::Value],
    arithmetic: A,
) -> Option<Goal<A::Value>> {
    let normal = Normal::new(claim, reductions)?;
    goal_of(claim, &normal, reductions, hull, arithmetic)
}

/// The same for a slack that is in normal form already.
pub fn goal_of<A: RigorousArithmetic + Clone>(
    claim: &Claim,
    normal: &Normal,
    reductions: Reductions,
    hull: &[A::Value],
    arithmetic: A,
) -> Option<Goal<A::Value>> {
    // before anything is copied
    let plain = !(reductions.divided || reductions.relieved);
    if plain && reductions.squares && !are_squares(&normal.arena, normal.slack) {
        return None;
    }
    if reductions.radial && !in_one_ball(claim) {
        return None;
    }
    let mut arena = normal.arena.clone();
    let mut form = normal.slack;
    let mut tolerance = claim.tolerance.clone();
    if reductions.divided {
        form = divide(&mut arena, form, hull, arithmetic.clone())?;
        tolerance = RBig::ZERO;
        for constraint in &normal.constraints {
            if let Some(rest) = subtract(&mut arena, form, *constraint) {
                form = rest;
            }
        }
    }
    if reductions.relieved {
        form = without_quadratic(&mut arena, form)?;
    }
    if reductions.squares {
        if !is_sum_of_squares(&mut arena, form)? {
            return None;
        }
        form = arena.constant(RBig::ZERO);
        tolerance = RBig::ZERO;
    }
    let mut hull = hull.to_vec();
    if reductions.radial {
        let radial = radial(claim, &arena, form, arithmetic)?;
        (arena, form, hull) = (radial.arena, radial.form, radial.ranges);
    }
    (!arena.exhausted()).then_some(Goal {
        arena,
        form,
        tolerance,
        hull,
    })
}

/// The slack with `<grad f, direction>` in place of the norm of the gradient of some `f` that is the
/// left side; `None` where the left side is no such norm.
pub fn slack_along(claim: &Claim, graph: &mut Graph, direction: NodeId) -> Option<NodeId> {
    for request in &claim.requests {
        let map = [(Input::W, request.point)];
        let gradient = graph.gradient(request.function, Input::W, claim.dimension);
        let gradient = graph.substitute(gradient, &map);
        if graph.norm(gradient) == claim.sides.left {
            // the direction does not depend on the point
            let derivative = graph.jvp(request.function, Input::W, direction);
            let derivative = graph.substitute(derivative, &map);
            return Some(graph.sub(derivative, claim.sides.right));
        }
    }
    None
}

/// Exactly: the norm is at most 1.
fn within_unit_ball(direction: &[f64]) -> bool {
    let squares = direction.iter().try_fold(RBig::ZERO, |sum, &x| {
        let x = RBig::try_from(x).ok()?;
        Some(sum + &x * &x)
    });
    squares.is_some_and(|sum| sum <= RBig::ONE)
}

/// The form divided by the atoms that all its terms share, where the divisor is nowhere negative.
fn divide<A: RigorousArithmetic>(
    arena: &mut Symbolic,
    id: FormId,
    hull: &[A::Value],
    arithmetic: A,
) -> Option<FormId> {
    let form = arena.form(id).clone();
    if !form.constant.is_zero() {
        return None;
    }
    let (first, _) = form.terms.first()?;
    let mut divisor = arena.factors(*first).clone();
    for (monomial, _) in &form.terms[1..] {
        let factors = arena.factors(*monomial);
        divisor.retain(|(atom, power)| {
            let other = factors.iter().find(|(other, _)| other == atom);
            *power = other.map_or(0, |(_, other)| (*power).min(*other));
            *power > 0
        });
    }
    let mut enclosures = Enclosures::new(arena, arithmetic, hull);
    let mut kept = Factors::new();
    for (atom, power) in divisor {
        let even = power - power % 2;
        let positive = power != even && {
            let value = enclosures.atom_value(atom);
            enclosures.arithmetic().at_least(&value, &RBig::ZERO)
        };
        let power = if positive { power } else { even };
        if power > 0 {
            kept.push((atom, power));
        }
    }
    if kept.is_empty() {
        return None;
    }
    let mut terms: Vec<(RBig, FormId)> = Vec::with_capacity(form.terms.len());
    for (monomial, coefficient) in &form.terms {
        let mut factors = arena.factors(*monomial).clone();
        factors.extend(kept.iter().map(|(atom, power)| (*atom, -power)));
        terms.push((RBig::ONE, arena.product(coefficient.clone(), factors)));
    }
    Some(arena.combine(&terms))
}

/// `form - ratio * constraint` for a positive ratio, where that has fewer terms than `form`.
fn subtract(arena: &mut Symbolic, form: FormId, constraint: FormId) -> Option<FormId> {
    let (lead, coefficient): (MonomialId, RBig) = arena
        .form(constraint)
        .terms
        .iter()
        .find(|(monomial, _)| arena.form(form).coefficient(*monomial).is_some())?
        .clone();
    let ratio = arena.form(form).coefficient(lead)? / coefficient;
    if ratio <= RBig::ZERO {
        return None;
    }
    let rest = arena.combine(&[(RBig::ONE, form), (-ratio, constraint)]);
    (arena.form(rest).terms.len() < arena.form(form).terms.len()).then_some(rest)
}
