//! Polynomials with exact coefficients, multiplied out: two are equal exactly if their terms are.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use dashu_ratio::RBig;

use super::{Atom, AtomId, FormId, Symbolic};

/// Most terms.
const MAX_TERMS: usize = 20_000;
/// Most products of terms in one multiplication, and in all of those that expand one form.
const MAX_PRODUCTS: usize = 2_000_000;
/// Largest power of a factor.
const MAX_POWER: i32 = 64;

/// A product of powers of generators: sorted, exponents positive.
pub type Powers = Vec<(u32, u32)>;

/// `sum of coefficient * powers`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polynomial {
    /// coefficients, none of them zero
    terms: BTreeMap<Powers, RBig>,
}

impl Polynomial {
    /// A constant.
    pub fn constant(value: RBig) -> Polynomial {
        let mut sum = Polynomial::default();
        sum.add_term(Powers::new(), value);
        sum
    }

    /// A generator.
    pub fn generator(number: u32) -> Polynomial {
        let mut sum = Polynomial::default();
        sum.add_term(vec![(number, 1)], RBig::ONE);
        sum
    }

    /// The terms with their coefficients.
    pub fn terms(&self) -> impl Iterator<Item = (&Powers, &RBig)> {
        self.terms.iter()
    }

    /// The coefficient of a product of generators.
    pub fn coefficient(&self, powers: &[(u32, u32)]) -> RBig {
        self.terms.get(powers).cloned().unwrap_or(RBig::ZERO)
    }

    /// Adds `factor * other`.
    pub fn add(&mut self, factor: &RBig, other: &Polynomial) {
        for (powers, coefficient) in &other.terms {
            self.add_term(powers.clone(), factor * coefficient);
        }
    }

    fn add_term(&mut self, powers: Powers, coefficient: RBig) {
        if coefficient.is_zero() {
            return;
        }
        match self.terms.entry(powers) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(coefficient);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                *entry.get_mut() += coefficient;
                if entry.get().is_zero() {
                    entry.remove();
                }
            }
        }
    }

    /// The product; `None` where it is too large.
    pub fn times(&self, other: &Polynomial) -> Option<Polynomial> {
        if self.terms.len().saturating_mul(other.terms.len()) > MAX_PRODUCTS {
            return None;
        }
        let mut product = Polynomial::default();
        for (x, a) in &self.terms {
            for (y, b) in &other.terms {
                product.add_term(merged(x, y), a * b);
            }
        }
        (product.terms.len() <= MAX_TERMS).then_some(product)
    }

    /// A power; `None` where it is too large.
    pub fn power(&self, exponent: u32) -> Option<Polynomial> {
        (0..exponent).try_fold(Polynomial::constant(RBig::ONE), |power, _| power.times(self))
    }

    /// With a polynomial in place of each generator; `None` where it is too large, or one has none.
    pub fn compose(&self, by: impl Fn(u32) -> Option<Polynomial>) -> Option<Polynomial> {
        let mut sum = Polynomial::default();
        let mut known: HashMap<(u32, u32), Polynomial> = HashMap::new();
        for (powers, coefficient) in &self.terms {
            let mut product = Polynomial::constant(coefficient.clone());
            for &(number, exponent) in powers {
                let factor = match known.entry((number, exponent)) {
                    Entry::Occupied(found) => found.into_mut(),
                    Entry::Vacant(place) => place.insert(by(number)?.power(exponent)?),
                };
                product = product.times(factor)?;
            }
            sum.add(&RBig::ONE, &product);
        }
        Some(sum)
    }

    /// The same polynomial as a form, generator `i` being coordinate `i`.
    pub fn form(&self, arena: &mut Symbolic) -> FormId {
        let mut parts = Vec::new();
        for (powers, coefficient) in &self.terms {
            let mut product = arena.constant(RBig::ONE);
            for &(number, exponent) in powers {
                let variable = arena.variable(number);
                let factor = arena.power(variable, exponent as i32);
                product = arena.mul(product, factor);
            }
            parts.push((coefficient.clone(), product));
        }
        arena.combine(&parts)
    }
}

fn merged(x: &Powers, y: &Powers) -> Powers {
    let mut all = Powers::with_capacity(x.len() + y.len());
    let (mut i, mut j) = (0, 0);
    while i < x.len() && j < y.len() {
        let ((a, p), (b, q)) = (x[i], y[j]);
        all.push(if a == b {
            (a, p + q)
        } else if a < b {
            (a, p)
        } else {
            (b, q)
        });
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    all.extend(&x[i..]);
    all.extend(&y[j..]);
    all
}

/// Forms as polynomials in what some atoms stand for.
pub struct Expansion<'a, L: FnMut(AtomId) -> Option<Polynomial>> {
    arena: &'a Symbolic,
    /// what an atom that is no sum stands for
    leaf: L,
    known: HashMap<AtomId, Option<Polynomial>>,
    /// products of terms so far
    work: usize,
}

impl<'a, L: FnMut(AtomId) -> Option<Polynomial>> Expansion<'a, L> {
    /// With a polynomial for each atom that is no sum.
    pub fn new(arena: &'a Symbolic, leaf: L) -> Self {
        Expansion {
            arena,
            leaf,
            known: HashMap::new(),
            work: 0,
        }
    }

    /// The form; `None` where a factor has none, or a negative exponent, or where it is too large.
    pub fn of(&mut self, root: FormId) -> Option<Polynomial> {
        for atom in self.arena.atoms_behind(root, |_| false) {
            if !self.known.contains_key(&atom) {
                let value = match self.arena.atom(atom) {
                    Atom::Sum(form) => self.sum(*form),
                    _ => (self.leaf)(atom),
                };
                self.known.insert(atom, value);
            }
        }
        self.sum(root)
    }

    /// `product of atom^exponent`, of atoms behind a form that was asked for before.
    pub fn product(&mut self, factors: impl IntoIterator<Item = (AtomId, i32)>) -> Option<Polynomial> {
        let mut product = Polynomial::constant(RBig::ONE);
        for (atom, exponent) in factors {
            let value = self.known.get(&atom)?.as_ref()?;
            if !(0..=MAX_POWER).contains(&exponent) {
                return None;
            }
            for _ in 0..exponent {
                self.work += product.terms.len() * value.terms.len();
                if self.work > MAX_PRODUCTS {
                    return None;
                }
                product = product.times(value)?;
            }
        }
        Some(product)
    }

    fn sum(&mut self, id: FormId) -> Option<Polynomial> {
        let form = self.arena.form(id);
        let mut sum = Polynomial::constant(form.constant.clone());
        for (monomial, coefficient) in &form.terms {
            let factors = self.arena.factors(*monomial).iter().copied();
            sum.add(coefficient, &self.product(factors)?);
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x(number: u32) -> Polynomial {
        Polynomial::generator(number)
    }

    fn sum(parts: &[(i32, &Polynomial)]) -> Polynomial {
        let mut sum = Polynomial::default();
        for (factor, part) in parts {
            sum.add(&RBig::from(*factor), part);
        }
        sum
    }

    /// `(x + y)^3 = x^3 + 3 x^2 y + 3 x y^2 + y^3`, and what cancels leaves no term.
    #[test]
    fn powers_and_cancellation() {
        let cube = sum(&[(1, &x(0)), (1, &x(1))]).power(3).unwrap();
        let coefficients: Vec<RBig> = [
            vec![(0, 3)],
            vec![(0, 2), (1, 1)],
            vec![(0, 1), (1, 2)],
            vec![(1, 3)],
        ]
        .map(|powers: Powers| cube.coefficient(&powers))
        .into();
        assert_eq!(coefficients, [1, 3, 3, 1].map(RBig::from));
        assert_eq!(cube.terms().count(), 4);
        assert_eq!(sum(&[(2, &cube), (-2, &cube)]), Polynomial::default());
    }

    /// `x^2 - y^2` at `x = u + v`, `y = u - v` is `4 u v`.
    #[test]
    fn composition() {
        let (u, v) = (x(7), x(8));
        let form = sum(&[(1, &x(0).power(2).unwrap()), (-1, &x(1).power(2).unwrap())]);
        let image = form.compose(|number| Some(sum(&[(1, &u), (if number == 0 { 1 } else { -1 }, &v)])));
        assert_eq!(image.unwrap(), sum(&[(4, &u.times(&v).unwrap())]));
        assert_eq!(form.compose(|_| None), None);
    }

    /// A form whose sums are not multiplied out, and one with a factor that nothing stands for, or in a denominator.
    #[test]
    fn expansion_of_forms() {
        let mut arena = Symbolic::default();
        let (a, b) = (arena.variable(0), arena.variable(1));
        let (plus, minus) = (arena.add(a, b), arena.sub(a, b));
        let product = arena.mul(plus, minus);
        let inverse = arena.power(plus, -1);
        let expand = |form: FormId, known: u32| {
            let leaf = |atom: AtomId| match arena.atom(atom) {
                Atom::Variable(number) if *number < known => Some(x(*number)),
                _ => None,
            };
            Expansion::new(&arena, leaf).of(form)
        };
        let squares = sum(&[(1, &x(0).power(2).unwrap()), (-1, &x(1).power(2).unwrap())]);
        assert_eq!(expand(product, 2), Some(squares));
        assert_eq!(expand(product, 1), None);
        assert_eq!(expand(inverse, 2), None);
    }
}
