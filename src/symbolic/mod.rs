//! Scalar expressions in a normal form that shows what cancels.
//!
//! A [`Form`] is a constant plus rational multiples of monomials; a monomial is a product of powers of
//! atoms; an atom is a variable, a function of forms, or a form of several terms that is left
//! unexpanded because it is a factor. Equal things are stored once, so that `a - a` is zero whatever
//! `a` is. [`Symbolic`] is an [`Arithmetic`](crate::eval::Arithmetic): the walk of
//! [`Evaluator`](crate::eval::tensor::Evaluator) over a tensor graph turns its entries into forms.
//!
//! Every rule is an identity wherever both sides are defined, for every element of the Clarke set of a
//! step; whether the original is defined is for the caller to find out. Sizes are limited: past
//! [`MAX_WORK`] term operations the arena is [`exhausted`](Symbolic::exhausted) and its forms are worthless.

mod arithmetic;
mod emit;
mod enclose;
mod polynomial;
mod product;
mod rebuild;
mod walk;

pub use enclose::Enclosures;
pub use polynomial::{Expansion, Polynomial, Powers};
pub use rebuild::Rebuilder;

use std::collections::HashMap;
use std::sync::Arc;

use dashu_base::{Abs, BitTest, Gcd, Sign, Signed, UnsignedAbs};
use dashu_int::UBig;
use dashu_ratio::RBig;
use smallvec::SmallVec;

use crate::graph::fold;
use crate::graph::op::{Binary, Exponent, Unary};

/// Limit on the terms that all operations of an arena touch together.
pub const MAX_WORK: u64 = 30_000_000;
/// Longest number of a form, in bits of numerator and denominator together.
const MAX_BITS: usize = 1 << 15;

/// Handle of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FormId(u32);

/// Handle of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AtomId(u32);

impl AtomId {
    /// A number of its own in its arena.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Handle of a monomial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonomialId(u32);

/// What a monomial is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Atom {
    /// a coordinate
    Variable(u32),
    /// the number pi
    Pi,
    /// a form that is a factor: [primitive](Symbolic::primitive), with at least two terms or a constant
    Sum(FormId),
    /// a function of one argument; never `neg`, nor a power with a whole exponent
    Unary(Unary, FormId),
    /// `LeakyRelu` or `LeakyStep`
    Binary(Binary, FormId, FormId),
    /// largest of several
    Max(Box<[FormId]>),
    /// `log(sum(exp(x)))`
    LogSumExp(Box<[FormId]>),
    /// entry of the softmax
    Softmax(Box<[FormId]>, u32),
    /// entry of the indicator of the largest
    ArgMax(Box<[FormId]>, u32),
}

impl Atom {
    /// The forms that it is a function of.
    pub fn arguments(&self) -> SmallVec<[FormId; 2]> {
        match self {
            Atom::Variable(_) | Atom::Pi => SmallVec::new(),
            Atom::Sum(x) | Atom::Unary(_, x) => SmallVec::from_slice(&[*x]),
            Atom::Binary(_, x, y) => SmallVec::from_slice(&[*x, *y]),
            Atom::Max(all) | Atom::LogSumExp(all) | Atom::Softmax(all, _) | Atom::ArgMax(all, _) => {
                SmallVec::from_slice(all)
            }
        }
    }
}

/// A product of powers of atoms: sorted, exponents not zero.
pub type Factors = SmallVec<[(AtomId, i32); 2]>;

/// `constant + sum of coefficient * monomial`: sorted by monomial, coefficients not zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// what stands without a monomial
    pub constant: RBig,
    /// monomials with their coefficients
    pub terms: Vec<(MonomialId, RBig)>,
}

impl Form {
    /// The value where there are no terms.
    pub fn as_constant(&self) -> Option<&RBig> {
        self.terms.is_empty().then_some(&self.constant)
    }

    /// The coefficient of a monomial, if it occurs.
    pub fn coefficient(&self, monomial: MonomialId) -> Option<&RBig> {
        let place = self.terms.binary_search_by_key(&monomial, |term| term.0);
        place.ok().map(|place| &self.terms[place].1)
    }
}

/// The arena, and the arithmetic whose numbers are forms.
#[derive(Clone, Debug, Default)]
pub struct Symbolic {
    atoms: Vec<Atom>,
    atom_index: HashMap<Atom, AtomId>,
    monomials: Vec<Factors>,
    monomial_index: HashMap<Factors, MonomialId>,
    forms: Vec<Arc<Form>>,
    /// for each form, whether it depends on a coordinate
    varies: Vec<bool>,
    /// whether products of sums are multiplied out
    expanding: bool,
    form_index: HashMap<Arc<Form>, FormId>,
    work: u64,
    /// products that are being simplified, one for the sake of the other
    depth: u32,
}

impl Symbolic {
    /// An empty arena that multiplies products of sums out, or not.
    pub fn expanding(expanding: bool) -> Symbolic {
        Symbolic {
            expanding,
            ..Symbolic::default()
        }
    }

    /// Whether the limit on the work was reached: then no form means anything.
    pub fn exhausted(&self) -> bool {
        self.work > MAX_WORK
    }

    /// The form behind a handle.
    pub fn form(&self, id: FormId) -> &Arc<Form> {
        &self.forms[id.0 as usize]
    }

    /// The atom behind a handle.
    pub fn atom(&self, id: AtomId) -> &Atom {
        &self.atoms[id.0 as usize]
    }

    /// The factors of a monomial.
    pub fn factors(&self, id: MonomialId) -> &Factors {
        &self.monomials[id.0 as usize]
    }

    /// A constant.
    pub fn constant(&mut self, value: RBig) -> FormId {
        self.insert(value, Vec::new())
    }

    /// A coordinate.
    pub fn variable(&mut self, number: u32) -> FormId {
        self.of_atom(Atom::Variable(number))
    }

    /// The coordinate that a monomial is, if it is one to the first power.
    pub fn as_variable(&self, monomial: MonomialId) -> Option<u32> {
        match self.factors(monomial)[..] {
            [(atom, 1)] => match self.atom(atom) {
                Atom::Variable(number) => Some(*number),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether every term is a multiple of a coordinate.
    pub fn is_affine(&self, form: &Form) -> bool {
        form.terms
            .iter()
            .all(|(monomial, _)| self.as_variable(*monomial).is_some())
    }

    /// Whether the form depends on a coordinate.
    pub fn varies(&self, form: FormId) -> bool {
        self.varies[form.0 as usize]
    }

    /// Whether the atom depends on a coordinate.
    pub fn atom_varies(&self, atom: AtomId) -> bool {
        matches!(self.atom(atom), Atom::Variable(_))
            || self.atom(atom).arguments().iter().any(|form| self.varies(*form))
    }

    /// Whether the atom is an element of a Clarke set at a kink.
    fn is_step(&self, atom: AtomId) -> bool {
        matches!(
            self.atom(atom),
            Atom::Unary(Unary::Step | Unary::StepRight | Unary::Sign, _)
                | Atom::Binary(Binary::LeakyStep, ..)
                | Atom::ArgMax(..)
        )
    }

    /// Whether the form is such an atom and nothing else.
    fn is_one_step(&self, form: FormId) -> bool {
        let form = self.form(form);
        match &form.terms[..] {
            [(monomial, _)] if form.constant.is_zero() => {
                matches!(self.factors(*monomial)[..], [(atom, 1)] if self.is_step(atom))
            }
            _ => false,
        }
    }

    fn insert(&mut self, constant: RBig, terms: Vec<(MonomialId, RBig)>) -> FormId {
        let numbers = terms.iter().map(|term| &term.1).chain([&constant]);
        let bits = numbers.map(|number| number.numerator().bit_len() + number.denominator().bit_len());
        if bits.fold(0, usize::max) > MAX_BITS {
            self.work = MAX_WORK + 1;
        }
        self.work += 1 + terms.len() as u64;
        let form = if self.exhausted() {
            Arc::new(Form {
                constant: RBig::ZERO,
                terms: Vec::new(),
            })
        } else {
            Arc::new(Form { constant, terms })
        };
        if let Some(&id) = self.form_index.get(&form) {
            return id;
        }
        let id = FormId(self.forms.len() as u32);
        let atoms = |monomial: &MonomialId| self.factors(*monomial).iter().map(|(atom, _)| *atom);
        let mut all = form.terms.iter().flat_map(|(monomial, _)| atoms(monomial));
        let varies = all.any(|atom| self.atom_varies(atom));
        self.varies.push(varies);
        self.forms.push(form.clone());
        self.form_index.insert(form, id);
        id
    }

    /// Stores an atom as it stands, or finds its equal.
    pub fn insert_atom(&mut self, atom: Atom) -> AtomId {
        self.work += atom.arguments().len() as u64;
        let atom = if self.exhausted() { Atom::Pi } else { atom };
        if let Some(&id) = self.atom_index.get(&atom) {
            return id;
        }
        let id = AtomId(self.atoms.len() as u32);
        self.atoms.push(atom.clone());
        self.atom_index.insert(atom, id);
        id
    }

    fn insert_monomial(&mut self, factors: Factors) -> MonomialId {
        if let Some(&id) = self.monomial_index.get(&factors) {
            return id;
        }
        let id = MonomialId(self.monomials.len() as u32);
        self.monomials.push(factors.clone());
        self.monomial_index.insert(factors, id);
        id
    }

    /// An atom as a form.
    pub fn of_atom(&mut self, atom: Atom) -> FormId {
        let atom = self.insert_atom(atom);
        self.product(RBig::ONE, Factors::from_slice(&[(atom, 1)]))
    }

    /// `sum of factor * form`.
    pub fn combine(&mut self, parts: &[(RBig, FormId)]) -> FormId {
        let mut sum = Accumulator::default();
        for (factor, form) in parts {
            sum.add(self, factor, *form);
        }
        sum.finish(self)
    }

    /// `sum of coefficient * monomial`
    pub fn sum_of_terms(&mut self, terms: &[(MonomialId, RBig)]) -> FormId {
        let sum = Accumulator {
            constant: RBig::ZERO,
            terms: terms.to_vec(),
        };
        sum.finish(self)
    }

    /// `a + b`
    pub fn add(&mut self, a: FormId, b: FormId) -> FormId {
        self.combine(&[(RBig::ONE, a), (RBig::ONE, b)])
    }

    /// `a - b`
    pub fn sub(&mut self, a: FormId, b: FormId) -> FormId {
        self.combine(&[(RBig::ONE, a), (-RBig::ONE, b)])
    }

    /// `factor * form`
    pub fn scale(&mut self, form: FormId, factor: &RBig) -> FormId {
        if *factor == RBig::ONE {
            return form;
        }
        self.combine(&[(factor.clone(), form)])
    }

    /// The terms that are multiples of coordinates.
    pub fn linear_part(&mut self, form: FormId) -> FormId {
        let form = self.form(form).clone();
        let mut terms = form.terms.clone();
        terms.retain(|(monomial, _)| self.as_variable(*monomial).is_some());
        self.insert(RBig::ZERO, terms)
    }

    /// The form without its constant.
    pub fn without_constant(&mut self, form: FormId) -> FormId {
        let form = self.form(form).clone();
        self.insert(RBig::ZERO, form.terms.clone())
    }

    /// The form as `content * primitive`, the same primitive part for every multiple of the form: its
    /// coefficients and constant are whole numbers without a common divisor, times the power of two that
    /// brings the largest of them between 1 and 2, and the first is positive.
    pub fn primitive(&mut self, id: FormId) -> (RBig, FormId) {
        let form = self.form(id).clone();
        let mut numbers = form
            .terms
            .iter()
            .map(|term| &term.1)
            .chain(Some(&form.constant).filter(|constant| !constant.is_zero()));
        let Some(first) = numbers.next() else {
            return (RBig::ONE, id);
        };
        let negative = first.sign() == Sign::Negative;
        let mut numerator: UBig = first.numerator().unsigned_abs();
        let mut denominator: UBig = first.denominator().clone();
        let mut largest = first.clone().abs();
        for number in numbers {
            numerator = numerator.gcd(&number.numerator().unsigned_abs());
            if number.clone().abs() > largest {
                largest = number.clone().abs();
            }
            let common = (&denominator).gcd(number.denominator());
            denominator = denominator / common * number.denominator();
        }
        let content = RBig::from(numerator) / RBig::from(denominator);
        // the largest is a whole number now
        let bits = (largest / &content).numerator().bit_len();
        let content = content * RBig::from(UBig::ONE << bits.saturating_sub(1));
        let content = if negative { -content } else { content };
        let inverse = RBig::ONE / content.clone();
        (content, self.scale(id, &inverse))
    }

    /// A function of one argument.
    pub fn apply(&mut self, op: Unary, x: FormId) -> FormId {
        if let Some(value) = self.form(x).as_constant() {
            let value = match op {
                Unary::Step | Unary::StepRight if !value.is_zero() => Some(if value.is_positive() {
                    RBig::ONE
                } else {
                    RBig::ZERO
                }),
                Unary::Sign if !value.is_zero() => Some(if value.is_positive() {
                    RBig::ONE
                } else {
                    -RBig::ONE
                }),
                _ => fold::unary(op, value),
            };
            if let Some(value) = value {
                return self.constant(value);
            }
        }
        match op {
            Unary::Neg => self.scale(x, &-RBig::ONE),
            Unary::Pow(Exponent { num: 0, .. }) => self.constant(RBig::ONE),
            Unary::Pow(Exponent { num, den: 1 }) => self.power(x, num),
            Unary::Pow(Exponent { num: 1, den: 2 }) => self.apply(Unary::Sqrt, x),
            Unary::Tanh | Unary::Erf | Unary::Sin | Unary::Abs | Unary::Cos => {
                let form = self.form(x);
                let lead = form.terms.first().map_or(&form.constant, |term| &term.1);
                if !lead.is_negative() {
                    return self.of_atom(Atom::Unary(op, x));
                }
                let mirrored = self.scale(x, &-RBig::ONE);
                let value = self.of_atom(Atom::Unary(op, mirrored));
                match op {
                    Unary::Abs | Unary::Cos => value,
                    _ => self.scale(value, &-RBig::ONE),
                }
            }
            _ => self.of_atom(Atom::Unary(op, x)),
        }
    }

    /// A function of two arguments.
    pub fn apply_binary(&mut self, op: Binary, x: FormId, y: FormId) -> FormId {
        match op {
            Binary::Add => self.add(x, y),
            Binary::Sub => self.sub(x, y),
            Binary::Mul => self.mul(x, y),
            Binary::Div => {
                let inverse = match self.form(y).as_constant() {
                    // undefined, and never simplified away
                    Some(zero) if zero.is_zero() => {
                        let reciprocal = Unary::Pow(Exponent { num: -1, den: 1 });
                        self.of_atom(Atom::Unary(reciprocal, y))
                    }
                    _ => self.power(y, -1),
                };
                self.mul(x, inverse)
            }
            // max(x, y) = y + relu(x - y), min(x, y) = x - relu(x - y)
            Binary::Max | Binary::Min => {
                let difference = self.sub(x, y);
                let excess = self.apply(Unary::Relu, difference);
                match op {
                    Binary::Max => self.add(y, excess),
                    _ => self.sub(x, excess),
                }
            }
            Binary::LeakyRelu | Binary::LeakyStep => {
                if let Some(value) = self.form(x).as_constant().cloned()
                    && (op == Binary::LeakyRelu || !value.is_zero())
                {
                    let factor = if value.is_positive() {
                        self.constant(RBig::ONE)
                    } else {
                        y
                    };
                    return match op {
                        Binary::LeakyRelu => self.scale(factor, &value),
                        _ => factor,
                    };
                }
                self.of_atom(Atom::Binary(op, x, y))
            }
        }
    }
}

/// A sum that grows.
#[derive(Default)]
struct Accumulator {
    constant: RBig,
    terms: Vec<(MonomialId, RBig)>,
}

impl Accumulator {
    /// Adds `factor * form`.
    fn add(&mut self, arena: &mut Symbolic, factor: &RBig, form: FormId) {
        if factor.is_zero() || arena.exhausted() {
            return;
        }
        let form = arena.form(form).clone();
        arena.work += 1 + form.terms.len() as u64;
        let one = *factor == RBig::ONE;
        if !form.constant.is_zero() {
            self.constant += factor * &form.constant;
        }
        self.terms
            .extend(form.terms.iter().map(|(monomial, coefficient)| {
                let product = if one {
                    coefficient.clone()
                } else {
                    factor * coefficient
                };
                (*monomial, product)
            }));
    }

    fn finish(mut self, arena: &mut Symbolic) -> FormId {
        self.terms.sort_by_key(|term| term.0);
        let mut terms: Vec<(MonomialId, RBig)> = Vec::with_capacity(self.terms.len());
        for (monomial, coefficient) in self.terms {
            match terms.last_mut() {
                Some((last, sum)) if *last == monomial => *sum += coefficient,
                _ => terms.push((monomial, coefficient)),
            }
        }
        terms.retain(|(_, coefficient)| !coefficient.is_zero());
        arena.insert(self.constant, terms)
    }
}
