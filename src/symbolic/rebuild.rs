//! Copies of forms in another arena, with parts replaced on the way.

use std::collections::HashMap;

use dashu_ratio::RBig;

use super::{Atom, AtomId, FormId, MonomialId, Symbolic};
use crate::graph::op::{Binary, Unary};

/// Copies forms of `source`.
pub struct Rebuilder<'a> {
    source: &'a Symbolic,
    forms: HashMap<FormId, FormId>,
    linear_parts: HashMap<Vec<(MonomialId, RBig)>, FormId>,
    atoms: HashMap<AtomId, FormId>,
    signs: HashMap<FormId, bool>,
    /// which step of the source each step of the target is
    steps: HashMap<FormId, AtomId>,
    next: Option<u32>,
    selections: u32,
    lost: bool,
}

impl<'a> Rebuilder<'a> {
    /// Copies what is not told otherwise; every coordinate must be told. Where the argument of a step becomes 0, the element of its
    /// Clarke set becomes a new coordinate between 0 and 1, the first of them numbered `next`; without a number the step stays.
    /// With a number, a copy in which two steps become one is none: they may take different elements.
    pub fn new(source: &'a Symbolic, next: Option<u32>) -> Self {
        Rebuilder {
            source,
            forms: HashMap::new(),
            linear_parts: HashMap::new(),
            atoms: HashMap::new(),
            signs: HashMap::new(),
            steps: HashMap::new(),
            next,
            selections: 0,
            lost: false,
        }
    }

    /// Puts a form of the target in place of one of the source.
    pub fn replace(&mut self, form: FormId, by: FormId) {
        self.forms.insert(form, by);
    }

    /// Puts a form of the target in place of one without a constant, all of whose terms are multiples of
    /// coordinates, and of the sum of these terms in any other form.
    pub fn replace_linear(&mut self, form: FormId, by: FormId) {
        self.linear_parts.insert(self.source.form(form).terms.clone(), by);
        self.replace(form, by);
    }

    /// Puts a form of the target in place of a coordinate.
    pub fn replace_variable(&mut self, source: AtomId, by: FormId) {
        self.atoms.insert(source, by);
    }

    /// Takes the argument of every kink for positive, or for negative, as told: the piece of the
    /// function on that side goes on across the kink.
    pub fn assume(&mut self, argument: FormId, positive: bool) {
        self.signs.insert(argument, positive);
    }

    /// New coordinates for elements of Clarke sets so far.
    pub fn selections(&self) -> u32 {
        self.selections
    }

    /// The copy of a form; `None` where it needs a coordinate that nothing replaces, or where steps become one.
    pub fn copy(&mut self, target: &mut Symbolic, root: FormId) -> Option<FormId> {
        let known = |form: FormId| self.forms.contains_key(&form);
        for atom in self.source.atoms_behind(root, known) {
            if !self.atoms.contains_key(&atom)
                && let Some(copy) = self.atom(target, atom)
            {
                if self.next.is_some() && self.source.is_step(atom) && target.is_one_step(copy) {
                    self.lost |= *self.steps.entry(copy).or_insert(atom) != atom;
                }
                self.atoms.insert(atom, copy);
            }
        }
        let copy = self.form(target, root);
        (!self.lost).then_some(copy)
    }

    fn form(&mut self, target: &mut Symbolic, id: FormId) -> FormId {
        if let Some(&copy) = self.forms.get(&id) {
            return copy;
        }
        let form = self.source.form(id).clone();
        let constant = target.constant(form.constant.clone());
        let mut parts = vec![(RBig::ONE, constant)];
        let (linear, others): (Vec<_>, Vec<_>) = form
            .terms
            .iter()
            .cloned()
            .partition(|(monomial, _)| self.source.as_variable(*monomial).is_some());
        let replaced = self.linear_parts.get(&linear).copied();
        parts.extend(replaced.map(|by| (RBig::ONE, by)));
        let kept = if replaced.is_some() { Vec::new() } else { linear };
        for (monomial, coefficient) in kept.iter().chain(&others) {
            let mut product = target.constant(RBig::ONE);
            for (atom, power) in self.source.factors(*monomial).clone() {
                let Some(&copy) = self.atoms.get(&atom) else {
                    self.lost = true;
                    continue;
                };
                let factor = target.power(copy, power);
                product = target.mul(product, factor);
            }
            parts.push((coefficient.clone(), product));
        }
        let copy = target.combine(&parts);
        self.forms.insert(id, copy);
        copy
    }

    /// The copy of an atom; none of a coordinate that nothing replaces, which may stand in a linear part
    /// that is replaced as a whole.
    fn atom(&mut self, target: &mut Symbolic, id: AtomId) -> Option<FormId> {
        let all = |rebuilder: &mut Self, target: &mut Symbolic, forms: &[FormId]| -> Box<[FormId]> {
            forms.iter().map(|form| rebuilder.form(target, *form)).collect()
        };
        Some(match self.source.atom(id).clone() {
            Atom::Variable(_) => return None,
            Atom::Pi => target.of_atom(Atom::Pi),
            Atom::Sum(x) => self.form(target, x),
            Atom::Unary(op, x) => {
                let side = self.signs.get(&x).copied();
                let x = self.form(target, x);
                match (op, side) {
                    (Unary::Relu | Unary::Abs, Some(true)) => x,
                    (Unary::Abs, Some(false)) => target.scale(x, &-RBig::ONE),
                    (Unary::Relu | Unary::Step | Unary::StepRight, Some(false)) => {
                        target.constant(RBig::ZERO)
                    }
                    (Unary::Step | Unary::StepRight | Unary::Sign, Some(true)) => target.constant(RBig::ONE),
                    (Unary::Sign, Some(false)) => target.constant(-RBig::ONE),
                    (Unary::Step | Unary::StepRight, _) if self.selects(target, x) => self.selection(target),
                    (Unary::Sign, _) if self.selects(target, x) => {
                        let (share, minus) = (self.selection(target), target.constant(-RBig::ONE));
                        target.combine(&[(RBig::from(2), share), (RBig::ONE, minus)])
                    }
                    _ => target.apply(op, x),
                }
            }
            Atom::Binary(op, x, y) => {
                let side = self.signs.get(&x).copied();
                let (x, y) = (self.form(target, x), self.form(target, y));
                match (op, side) {
                    (Binary::LeakyRelu, Some(true)) => x,
                    (Binary::LeakyRelu, Some(false)) => target.mul(x, y),
                    (Binary::LeakyStep, Some(true)) => target.constant(RBig::ONE),
                    (Binary::LeakyStep, Some(false)) => y,
                    (Binary::LeakyStep, None) if self.selects(target, x) => {
                        // slope + (1 - slope) * share
                        let one = target.constant(RBig::ONE);
                        let rise = target.sub(one, y);
                        let share = self.selection(target);
                        let rise = target.mul(rise, share);
                        target.add(y, rise)
                    }
                    _ => target.apply_binary(op, x, y),
                }
            }
            Atom::Max(forms) => {
                let atom = Atom::Max(all(self, target, &forms));
                target.of_atom(atom)
            }
            Atom::LogSumExp(forms) => {
                let atom = Atom::LogSumExp(all(self, target, &forms));
                target.of_atom(atom)
            }
            Atom::Softmax(forms, number) => {
                let atom = Atom::Softmax(all(self, target, &forms), number);
                target.of_atom(atom)
            }
            Atom::ArgMax(forms, number) => {
                let atom = Atom::ArgMax(all(self, target, &forms), number);
                target.of_atom(atom)
            }
        })
    }

    /// Whether a step of this argument is an element of a Clarke set that becomes a coordinate.
    fn selects(&self, target: &Symbolic, argument: FormId) -> bool {
        let value = target.form(argument).as_constant();
        self.next.is_some() && value.is_some_and(RBig::is_zero)
    }

    fn selection(&mut self, target: &mut Symbolic) -> FormId {
        let form = target.variable(self.next.unwrap_or_default() + self.selections);
        self.selections += 1;
        form
    }
}
