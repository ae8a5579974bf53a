//! Products and powers in normal form: factors sorted and merged, and the identities that make terms
//! cancel.

use dashu_ratio::RBig;

use super::{Atom, Factors, Form, FormId, Symbolic};
use crate::graph::fold;
use crate::graph::op::{Binary, Exponent, Unary};

/// Limit on the size of an exponent; powers beyond it are not merged.
const MAX_EXPONENT: u32 = 1 << 20;
/// Products inside products that are simplified.
const MAX_DEPTH: u32 = 64;
/// Most products of terms when two forms are multiplied out.
const MAX_EXPANSION: usize = 256;
/// Largest power that is multiplied out.
const MAX_POWER: i32 = 6;

/// An exponent, where it is not too large.
fn exponent(value: Option<i32>) -> Option<i32> {
    value.filter(|value| value.unsigned_abs() <= MAX_EXPONENT)
}

impl Symbolic {
    /// `a * b`. A product of sums is not expanded.
    pub fn mul(&mut self, a: FormId, b: FormId) -> FormId {
        if let Some(value) = self.form(a).as_constant().cloned() {
            return self.scale(b, &value);
        }
        if let Some(value) = self.form(b).as_constant().cloned() {
            return self.scale(a, &value);
        }
        if self.expanding
            && let Some(product) = self.multiplied_out(a, b)
        {
            return product;
        }
        let (x, mut factors) = self.as_product(a);
        let (y, others) = self.as_product(b);
        factors.extend(others);
        self.product(x * y, factors)
    }

    /// `a * b` term by term; `None` where that is too long.
    fn multiplied_out(&mut self, a: FormId, b: FormId) -> Option<FormId> {
        let (x, y) = (self.form(a).clone(), self.form(b).clone());
        if (x.terms.len() + 1) * (y.terms.len() + 1) > MAX_EXPANSION {
            return None;
        }
        let constant = &x.constant * &y.constant;
        let (left, right) = (self.sum_of_terms(&x.terms), self.sum_of_terms(&y.terms));
        let constant = self.constant(constant);
        let mut parts = vec![
            (RBig::ONE, constant),
            (y.constant.clone(), left),
            (x.constant.clone(), right),
        ];
        for (first, p) in &x.terms {
            for (second, q) in &y.terms {
                let mut factors = self.factors(*first).clone();
                factors.extend(self.factors(*second).iter().copied());
                parts.push((RBig::ONE, self.product(p * q, factors)));
            }
        }
        Some(self.combine(&parts))
    }

    /// `form^exponent` for a whole exponent, which is not zero.
    pub fn power(&mut self, form: FormId, exponent: i32) -> FormId {
        let whole = Exponent {
            num: exponent,
            den: 1,
        };
        if let Some(value) = self.form(form).as_constant() {
            return match fold::unary(Unary::Pow(whole), value) {
                Some(folded) => self.constant(folded),
                None => self.of_atom(Atom::Unary(Unary::Pow(whole), form)),
            };
        }
        let is_sum = |form: &Form| form.terms.len() + usize::from(!form.constant.is_zero()) > 1;
        if self.expanding && (2..=MAX_POWER).contains(&exponent) && is_sum(self.form(form)) {
            return (1..exponent).fold(form, |product, _| self.mul(product, form));
        }
        let (content, mut factors) = self.as_product(form);
        let Some(content) = fold::unary(Unary::Pow(whole), &content) else {
            return self.of_atom(Atom::Unary(Unary::Pow(whole), form));
        };
        for (_, power) in &mut factors {
            let Some(product) = self::exponent(power.checked_mul(exponent)) else {
                return self.of_atom(Atom::Unary(Unary::Pow(whole), form));
            };
            *power = product;
        }
        self.product(content, factors)
    }

    /// A form as a rational number times factors: its one term, or its content and its primitive part.
    fn as_product(&mut self, id: FormId) -> (RBig, Factors) {
        let form = self.form(id).clone();
        if let [(monomial, coefficient)] = &form.terms[..]
            && form.constant.is_zero()
        {
            return (coefficient.clone(), self.factors(*monomial).clone());
        }
        let (content, primitive) = self.primitive(id);
        let atom = self.insert_atom(Atom::Sum(primitive));
        (content, Factors::from_slice(&[(atom, 1)]))
    }

    /// `coefficient * factors` in normal form; the factors stand in any order.
    pub fn product(&mut self, coefficient: RBig, mut factors: Factors) -> FormId {
        self.work += factors.len() as u64;
        if coefficient.is_zero() || self.exhausted() {
            return self.constant(RBig::ZERO);
        }
        factors.sort_unstable();
        let mut merged = Factors::new();
        for (atom, power) in factors {
            match merged.last_mut() {
                // powers of cases are small; where the sum is too large nothing is merged
                Some((last, sum)) if *last == atom && exponent(sum.checked_add(power)).is_some() => {
                    *sum += power;
                }
                _ => merged.push((atom, power)),
            }
        }
        merged.retain(|(_, power)| *power != 0);
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            let simpler = self
                .root_of_square(&coefficient, &merged)
                .or_else(|| self.step_times_argument(&coefficient, &merged));
            self.depth -= 1;
            if let Some(form) = simpler {
                return form;
            }
        }
        if let [(atom, 1)] = merged[..]
            && let Atom::Sum(form) = *self.atom(atom)
        {
            return self.scale(form, &coefficient);
        }
        if merged.is_empty() {
            return self.constant(coefficient);
        }
        let monomial = self.insert_monomial(merged);
        self.insert(RBig::ZERO, vec![(monomial, coefficient)])
    }

    /// `sqrt(x)^2 = x`
    fn root_of_square(&mut self, coefficient: &RBig, factors: &Factors) -> Option<FormId> {
        let (place, x, power) = factors
            .iter()
            .enumerate()
            .find_map(|(place, &(atom, power))| match self.atom(atom) {
                Atom::Unary(Unary::Sqrt, x) if power.unsigned_abs() >= 2 => Some((place, *x, power)),
                _ => None,
            })?;
        let mut rest = factors.clone();
        rest[place].1 = power % 2;
        let rest = self.product(coefficient.clone(), rest);
        let whole = self.power(x, power / 2);
        Some(self.mul(rest, whole))
    }

    /// `step(q) * s = r * relu(q) + step(q) * (s - r*q)` where `s - r*q` has fewer terms than `s`; the
    /// same for the leaky step and for the sign.
    fn step_times_argument(&mut self, coefficient: &RBig, factors: &Factors) -> Option<FormId> {
        for (place, &(atom, power)) in factors.iter().enumerate() {
            let (argument, ramp) = match *self.atom(atom) {
                Atom::Unary(Unary::Step | Unary::StepRight, q) => (q, Atom::Unary(Unary::Relu, q)),
                Atom::Unary(Unary::Sign, q) => (q, Atom::Unary(Unary::Abs, q)),
                Atom::Binary(Binary::LeakyStep, q, slope) => (q, Atom::Binary(Binary::LeakyRelu, q, slope)),
                _ => continue,
            };
            if power != 1 {
                continue;
            }
            let q = self.form(argument).clone();
            let Some((lead, lead_coefficient)) = q.terms.first() else {
                continue;
            };
            for (other, &(factor, exponent)) in factors.iter().enumerate() {
                if exponent < 1 {
                    continue;
                }
                let s = match *self.atom(factor) {
                    Atom::Sum(form) => form,
                    Atom::Variable(_) if q.terms.len() == 1 => {
                        let one = Factors::from_slice(&[(factor, 1)]);
                        let monomial = self.insert_monomial(one);
                        self.insert(RBig::ZERO, vec![(monomial, RBig::ONE)])
                    }
                    _ => continue,
                };
                let terms = self.form(s).terms.len();
                let Some(ratio) = self.form(s).coefficient(*lead).map(|x| x / lead_coefficient) else {
                    continue;
                };
                let rest = self.combine(&[(RBig::ONE, s), (-ratio.clone(), argument)]);
                if self.form(rest).terms.len() >= terms {
                    continue;
                }
                let mut others = factors.clone();
                others[other].1 -= 1;
                let with_step = self.product(coefficient.clone(), others.clone());
                others.remove(place);
                let without = self.product(coefficient.clone(), others);
                let ramp = self.of_atom(ramp);
                let first = self.mul(without, ramp);
                let second = self.mul(with_step, rest);
                return Some(self.combine(&[(ratio, first), (RBig::ONE, second)]));
            }
        }
        None
    }
}
