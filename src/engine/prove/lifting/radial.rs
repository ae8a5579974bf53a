//! Polynomials that depend on a point `x` of a ball round `c` only through the distance `|x - c|` and one direction.
//!
//! Such are the losses of matrix factorisation and of isotropic data: `p(c + h) = P(<u, h>, |h|^2)`. On the ball of radius
//! `R` these two numbers lie in `[-|u|R, |u|R]` and `[0, R^2]`, and what was a question in many variables is one in two.
//! Nothing rests on how `u` and `P` are found: that `P(<u, h>, |h|^2)`, multiplied out, is `p` is an identity.

use dashu_ratio::RBig;

use super::cut::scalars;
use crate::claim::Claim;
use crate::claim::region::Set;
use crate::eval::RigorousArithmetic;
use crate::graph::op::{Binary, Unary};
use crate::graph::{Graph, NodeId};
use crate::symbolic::{Atom, Expansion, FormId, Polynomial, Symbolic};

/// Most coordinates.
const MAX_DIMENSION: usize = 32;
/// Numbers of the two variables of `P`.
const ALONG: u32 = 0;
const SQUARE: u32 = 1;

/// `P` and the ranges of its two variables.
pub struct Radial<V> {
    /// holds the form
    pub arena: Symbolic,
    /// `P`
    pub form: FormId,
    /// of `<u, h>` and `|h|^2`
    pub ranges: Vec<V>,
}

/// Whether one point varies, in a ball, with few coordinates.
pub fn in_one_ball(claim: &Claim) -> bool {
    matches!(claim.region.free()[..], [(_, Set::Ball { .. })]) && claim.dimension <= MAX_DIMENSION
}

/// A form in the coordinates of the one point that varies, over its ball, in two variables; `None` where it is not such a
/// polynomial.
pub fn radial<A: RigorousArithmetic>(
    claim: &Claim,
    arena: &Symbolic,
    form: FormId,
    mut arithmetic: A,
) -> Option<Radial<A::Value>> {
    let &[(_, Set::Ball { center, radius })] = &claim.region.free()[..] else {
        return None;
    };
    if !in_one_ball(claim) {
        return None;
    }
    let dimension = claim.dimension;
    let (center, radius) = ball(&claim.graph, center, radius, dimension)?;
    let mut expansion = Expansion::new(arena, |atom| match *arena.atom(atom) {
        Atom::Variable(number) => {
            let mut shifted = Polynomial::generator(number);
            shifted.add(&RBig::ONE, &Polynomial::constant(center[number as usize].clone()));
            Some(shifted)
        }
        _ => None,
    });
    let polynomial = expansion.of(form)?;
    let direction = direction(&polynomial, dimension)?;
    let reduced = reduced(&polynomial, &direction)?;
    let whole = |number| match number {
        ALONG => Some(linear(&direction)),
        _ => squared(dimension),
    };
    if reduced.compose(whole)? != polynomial {
        return None;
    }
    let square = arithmetic.rational(&(&radius * &radius));
    let zero = arithmetic.float(0.0);
    let reach = arithmetic.rational(&(norm(&direction) * &radius * &radius));
    let reach = arithmetic.unary(Unary::Sqrt, &reach);
    let back = arithmetic.binary(Binary::Sub, &zero, &reach);
    let ranges = vec![arithmetic.hull(&back, &reach), arithmetic.hull(&zero, &square)];
    let mut target = Symbolic::default();
    let form = reduced.form(&mut target);
    (!target.exhausted()).then_some(Radial {
        arena: target,
        form,
        ranges,
    })
}

/// Centre and radius, where they are rational.
fn ball(graph: &Graph, center: NodeId, radius: NodeId, dimension: usize) -> Option<(Vec<RBig>, RBig)> {
    let (arena, forms) = scalars(graph, &[center, radius], &[], dimension, Symbolic::default())?;
    let exact = |form: &FormId| arena.form(*form).as_constant().cloned();
    let center: Option<Vec<RBig>> = forms[0].iter().map(exact).collect();
    Some((center?, exact(&forms[1][0])?))
}

/// The only direction that the terms of first and second order leave; zero where they need none.
///
/// The first is `<b, h>`. If there is none, the second is `h.(a I + s u u^T).h`, whose entries off the diagonal are `s u_i u_j`.
fn direction(polynomial: &Polynomial, dimension: usize) -> Option<Vec<RBig>> {
    let coordinates = 0..dimension as u32;
    let first: Vec<RBig> = coordinates
        .clone()
        .map(|i| polynomial.coefficient(&[(i, 1)]))
        .collect();
    if first.iter().any(|entry| !entry.is_zero()) {
        return Some(first);
    }
    let half = RBig::ONE / RBig::from(2);
    let entry = |i: u32, j: u32| match i.cmp(&j) {
        std::cmp::Ordering::Less => &half * polynomial.coefficient(&[(i, 1), (j, 1)]),
        std::cmp::Ordering::Equal => polynomial.coefficient(&[(i, 2)]),
        std::cmp::Ordering::Greater => &half * polynomial.coefficient(&[(j, 1), (i, 1)]),
    };
    let pairs = coordinates
        .clone()
        .flat_map(|i| (i + 1..dimension as u32).map(move |j| (i, j)));
    let Some((i, j)) = pairs.into_iter().find(|&(i, j)| !entry(i, j).is_zero()) else {
        // a diagonal: a coordinate that differs from the two beside it
        let diagonal: Vec<RBig> = coordinates.clone().map(|i| entry(i, i)).collect();
        let mut sorted = diagonal.clone();
        sorted.sort();
        let common = &sorted[dimension / 2];
        let unit = |x: &RBig| if x == common { RBig::ZERO } else { RBig::ONE };
        return Some(diagonal.iter().map(unit).collect());
    };
    // u_k is the entry (k, j) up to a factor, for every k but j
    let mut others = coordinates.clone().filter(|&k| k != i && k != j);
    let own = match others.clone().find(|&k| !entry(k, j).is_zero()) {
        Some(k) if entry(i, k).is_zero() => return None,
        Some(k) => entry(i, j) * entry(k, j) / entry(i, k),
        None => {
            let other = others.next()?;
            entry(j, j) - entry(other, other)
        }
    };
    Some(
        coordinates
            .map(|k| if k == j { own.clone() } else { entry(k, j) })
            .collect(),
    )
}

/// `P`, from the plane that is spanned by `u` and a vector `e` at a right angle to it: there `h = r u + s e`, `<u, h> = r |u|^2`
/// and `|h|^2 = r^2 |u|^2 + s^2 |e|^2`. `None` where there is no such vector, or an odd power of `s`.
fn reduced(polynomial: &Polynomial, direction: &[RBig]) -> Option<Polynomial> {
    let zero = RBig::ZERO;
    let length = norm(direction);
    let mut across = vec![zero.clone(); direction.len()];
    match direction.iter().position(|entry| !entry.is_zero()) {
        None => *across.first_mut()? = RBig::ONE,
        Some(lead) => {
            let other = (0..direction.len()).find(|&other| other != lead)?;
            across[lead] = -direction[other].clone();
            across[other] = direction[lead].clone();
        }
    }
    let (r, s) = (Polynomial::generator(0), Polynomial::generator(1));
    let plane = polynomial.compose(|number| {
        let mut point = Polynomial::default();
        point.add(&direction[number as usize], &r);
        point.add(&across[number as usize], &s);
        Some(point)
    })?;
    // s^2 = (|h|^2 - <u, h>^2/|u|^2)/|e|^2
    let inverse = if length.is_zero() {
        zero
    } else {
        RBig::ONE / length
    };
    let mut height = Polynomial::generator(SQUARE);
    height.add(&-inverse.clone(), &Polynomial::generator(ALONG).power(2)?);
    let mut square = Polynomial::default();
    square.add(&(RBig::ONE / norm(&across)), &height);
    let mut along = Polynomial::default();
    along.add(&inverse, &Polynomial::generator(ALONG));
    let mut sum = Polynomial::default();
    for (powers, coefficient) in plane.terms() {
        let mut product = Polynomial::constant(coefficient.clone());
        for &(number, exponent) in powers {
            let factor = match number {
                0 => along.power(exponent)?,
                _ if exponent % 2 == 1 => return None,
                _ => square.power(exponent / 2)?,
            };
            product = product.times(&factor)?;
        }
        sum.add(&RBig::ONE, &product);
    }
    Some(sum)
}

fn norm(vector: &[RBig]) -> RBig {
    vector.iter().fold(RBig::ZERO, |sum, x| sum + x * x)
}

fn linear(direction: &[RBig]) -> Polynomial {
    let mut sum = Polynomial::default();
    for (number, entry) in direction.iter().enumerate() {
        sum.add(entry, &Polynomial::generator(number as u32));
    }
    sum
}

fn squared(dimension: usize) -> Option<Polynomial> {
    let mut sum = Polynomial::default();
    for number in 0..dimension as u32 {
        sum.add(&RBig::ONE, &Polynomial::generator(number).power(2)?);
    }
    Some(sum)
}
