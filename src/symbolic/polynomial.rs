//! Polynomials with exact coefficients, multiplied out: two are equal exactly if their terms are.

use std::collections::{BTreeMap, HashMap};

use dashu_ratio::RBig;

use super::{Atom, AtomId, FormId, Symbolic};

/// Most terms.
const MAX_TERMS: usize = 50_000;
/// Most products of terms in one multiplication.
const MAX_PRODUCTS: usize = 2_000_000;

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
                if !known.contains_key(&(number, exponent)) {
                    known.insert((number, exponent), by(number)?.power(exponent)?);
                }
                product = product.times(&known[&(number, exponent)])?;
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
}

impl<'a, L: FnMut(AtomId) -> Option<Polynomial>> Expansion<'a, L> {
    /// With a polynomial for each atom that is no sum.
    pub fn new(arena: &'a Symbolic, leaf: L) -> Self {
        Expansion {
            arena,
            leaf,
            known: HashMap::new(),
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
    pub fn product(&self, factors: impl IntoIterator<Item = (AtomId, i32)>) -> Option<Polynomial> {
        let mut product = Polynomial::constant(RBig::ONE);
        for (atom, exponent) in factors {
            let value = self.known.get(&atom)?.as_ref()?;
            product = product.times(&value.power(u32::try_from(exponent).ok()?)?)?;
        }
        Some(product)
    }

    fn sum(&self, id: FormId) -> Option<Polynomial> {
        let form = self.arena.form(id);
        let mut sum = Polynomial::constant(form.constant.clone());
        for (monomial, coefficient) in &form.terms {
            let factors = self.arena.factors(*monomial).iter().copied();
            sum.add(coefficient, &self.product(factors)?);
        }
        Some(sum)
    }
}
