//! Quadratic polynomials in the coordinates, shown not to be negative anywhere by an exact factorisation.

use std::collections::BTreeMap;

use dashu_ratio::RBig;

use crate::symbolic::{Atom, AtomId, FormId, Symbolic};

/// Most coordinates of a polynomial that is factorised.
const MAX_COORDINATES: usize = 64;

/// The sum of `entry * x_i * x_j` over `i <= j`, where number 0 is the constant 1 and coordinate `i`
/// has number `i + 1`.
type Quadratic = BTreeMap<(u32, u32), RBig>;

/// Takes the terms of a form that are quadratic in the coordinates out of it, when they are not negative
/// together with the form's constant and its multiples of coordinates. What is left is a lower bound of
/// the form; `None` where there are none or they may be negative.
pub fn without_quadratic(arena: &mut Symbolic, id: FormId) -> Option<FormId> {
    let form = arena.form(id).clone();
    let mut quadratic = Quadratic::new();
    let mut rest = Vec::new();
    let mut squares = false;
    add(&mut quadratic, 0, 0, form.constant.clone());
    for (monomial, coefficient) in &form.terms {
        let factors = arena.factors(*monomial);
        let sides: Option<Vec<Vec<(u32, RBig)>>> = match factors[..] {
            [(atom, 1)] => affine(arena, atom).map(|side| vec![vec![(0, RBig::ONE)], side]),
            [(atom, 2)] => affine(arena, atom).map(|side| vec![side.clone(), side]),
            [(first, 1), (second, 1)] => affine(arena, first)
                .zip(affine(arena, second))
                .map(|(first, second)| vec![first, second]),
            _ => None,
        };
        let Some(sides) = sides else {
            rest.push((*monomial, coefficient.clone()));
            continue;
        };
        squares |= factors.len() > 1 || factors[0].1 > 1;
        for (i, x) in &sides[0] {
            for (j, y) in &sides[1] {
                add(&mut quadratic, *i.min(j), *i.max(j), coefficient * x * y);
            }
        }
    }
    (squares && is_nonnegative(&quadratic)?).then(|| arena.sum_of_terms(&rest))
}

/// An atom as a combination of 1 and the coordinates.
fn affine(arena: &Symbolic, atom: AtomId) -> Option<Vec<(u32, RBig)>> {
    match *arena.atom(atom) {
        Atom::Variable(number) => Some(vec![(number + 1, RBig::ONE)]),
        Atom::Sum(form) => {
            let form = arena.form(form);
            let mut side = vec![(0, form.constant.clone())];
            for (monomial, coefficient) in &form.terms {
                side.push((arena.as_variable(*monomial)? + 1, coefficient.clone()));
            }
            Some(side)
        }
        _ => None,
    }
}

fn add(quadratic: &mut Quadratic, i: u32, j: u32, value: RBig) {
    *quadratic.entry((i, j)).or_default() += value;
}

/// Whether the symmetric matrix of the polynomial is positive semidefinite, by elimination in exact
/// arithmetic: each pivot is positive, or zero with its whole row. `None` where it is too large.
fn is_nonnegative(quadratic: &Quadratic) -> Option<bool> {
    let mut numbers: Vec<u32> = quadratic.keys().flat_map(|&(i, j)| [i, j]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let size = numbers.len();
    if size > MAX_COORDINATES {
        return None;
    }
    let mut matrix = vec![vec![RBig::ZERO; size]; size];
    for ((i, j), value) in quadratic {
        let place = |number| numbers.binary_search(number).unwrap_or(0);
        let (i, j) = (place(i), place(j));
        if i == j {
            matrix[i][i] = value.clone();
        } else {
            let half = value / RBig::from(2);
            matrix[i][j] = half.clone();
            matrix[j][i] = half;
        }
    }
    // the constant last: its pivot is what the rest leaves of it
    for pivot in (0..size).rev() {
        let diagonal = matrix[pivot][pivot].clone();
        if diagonal < RBig::ZERO {
            return Some(false);
        }
        let row: Vec<RBig> = matrix[pivot][..pivot].to_vec();
        if diagonal.is_zero() {
            if row.iter().any(|entry| !entry.is_zero()) {
                return Some(false);
            }
            continue;
        }
        for i in 0..pivot {
            if row[i].is_zero() {
                continue;
            }
            let factor = &row[i] / &diagonal;
            for j in 0..pivot {
                let change = &factor * &row[j];
                matrix[i][j] -= change;
            }
        }
    }
    Some(true)
}
