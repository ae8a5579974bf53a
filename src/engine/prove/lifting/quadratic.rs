//! Quadratic polynomials, in the coordinates or in products of functions of them, shown not to be negative anywhere by an
//! exact factorisation.

use std::collections::BTreeMap;

use dashu_ratio::RBig;

use crate::symbolic::{Atom, AtomId, Expansion, Factors, FormId, Polynomial, Powers, Symbolic};

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

/// Whether every term of the form is a rational multiple of a square.
pub fn are_squares(arena: &Symbolic, id: FormId) -> bool {
    let mut factors = arena
        .form(id)
        .terms
        .iter()
        .flat_map(|(monomial, _)| arena.factors(*monomial));
    factors.all(|(_, power)| *power > 0 && power % 2 == 0)
}

/// Whether the form is a combination of squares `sum of c_k s_k^2` that is nowhere negative, as an identity.
///
/// Each `s_k`, multiplied out, is a combination of products `m_i` of atoms, so that the form is `sum of G_ij m_i m_j` with
/// `G = sum of c_k s_k s_k^T`, which must be positive semidefinite. Entries of a softmax sum to 1: the first of them is 1
/// less the others.
pub fn is_sum_of_squares(arena: &mut Symbolic, id: FormId) -> Option<bool> {
    if !are_squares(arena, id) {
        return None;
    }
    let form = arena.form(id).clone();
    let mut squares: Vec<(RBig, Factors)> = vec![(form.constant.clone(), Factors::new())];
    for (monomial, coefficient) in &form.terms {
        let factors = arena.factors(*monomial).iter();
        let root = factors.map(|&(atom, power)| (atom, power / 2)).collect();
        squares.push((coefficient.clone(), root));
    }
    // what the first entry of each softmax is
    let mut firsts: BTreeMap<AtomId, Vec<AtomId>> = BTreeMap::new();
    for atom in arena.atoms_behind(id, |_| false) {
        if let Atom::Softmax(forms, 0) = arena.atom(atom) {
            let forms = forms.clone();
            let others = 1..forms.len() as u32;
            let others = others.map(|number| arena.insert_atom(Atom::Softmax(forms.clone(), number)));
            firsts.insert(atom, others.collect());
        }
    }
    let mut expansion = Expansion::new(arena, |atom| {
        let Some(others) = firsts.get(&atom) else {
            return Some(Polynomial::generator(atom.number()));
        };
        let mut first = Polynomial::constant(RBig::ONE);
        for other in others {
            first.add(&-RBig::ONE, &Polynomial::generator(other.number()));
        }
        Some(first)
    });
    expansion.of(id);
    let mut numbers: BTreeMap<Powers, u32> = BTreeMap::new();
    let mut gram = Quadratic::new();
    for (weight, root) in squares {
        let root = expansion.product(root)?;
        let mut terms: Vec<(u32, RBig)> = Vec::new();
        for (powers, coefficient) in root.terms() {
            let next = numbers.len() as u32;
            let number = *numbers.entry(powers.clone()).or_insert(next);
            terms.push((number, coefficient.clone()));
        }
        if numbers.len() > MAX_COORDINATES {
            return None;
        }
        for (i, x) in &terms {
            for (j, y) in &terms {
                add(&mut gram, *i.min(j), *i.max(j), &weight * x * y);
            }
        }
    }
    is_nonnegative(&gram)
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
