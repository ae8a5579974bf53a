//! Enclosures of forms over enclosures of their coordinates.

use std::collections::HashMap;

use super::{Atom, AtomId, FormId, Symbolic};
use crate::eval::{Arithmetic, RigorousArithmetic};
use crate::graph::op::{Binary, Exponent, Unary};

/// Evaluates forms of one arena, each atom once.
pub struct Enclosures<'a, A: Arithmetic> {
    arena: &'a Symbolic,
    arithmetic: A,
    variables: &'a [A::Value],
    atoms: HashMap<AtomId, A::Value>,
}

impl<'a, A: RigorousArithmetic> Enclosures<'a, A> {
    /// Prepares enclosures over those of the coordinates.
    pub fn new(arena: &'a Symbolic, arithmetic: A, variables: &'a [A::Value]) -> Self {
        Enclosures {
            arena,
            arithmetic,
            variables,
            atoms: HashMap::new(),
        }
    }

    /// The arithmetic, to read enclosures with.
    pub fn arithmetic(&mut self) -> &mut A {
        &mut self.arithmetic
    }

    /// Encloses a form.
    pub fn of(&mut self, root: FormId) -> A::Value {
        for atom in self.arena.atoms_behind(root, |_| false) {
            if !self.atoms.contains_key(&atom) {
                let value = self.atom(atom);
                self.atoms.insert(atom, value);
            }
        }
        self.form(root)
    }

    /// Encloses an atom.
    pub fn atom_value(&mut self, atom: AtomId) -> A::Value {
        for form in self.arena.atom(atom).arguments() {
            self.of(form);
        }
        self.atom(atom)
    }

    fn form(&mut self, id: FormId) -> A::Value {
        let form = self.arena.form(id);
        let mut sum = self.arithmetic.rational(&form.constant);
        for (monomial, coefficient) in &form.terms {
            let mut product = self.arithmetic.rational(coefficient);
            for &(atom, power) in self.arena.factors(*monomial) {
                let base = &self.atoms[&atom];
                let factor = match power {
                    1 => base.clone(),
                    _ => {
                        let exponent = Exponent { num: power, den: 1 };
                        self.arithmetic.unary(Unary::Pow(exponent), base)
                    }
                };
                product = self.arithmetic.binary(Binary::Mul, &product, &factor);
            }
            sum = self.arithmetic.binary(Binary::Add, &sum, &product);
        }
        sum
    }

    fn atom(&mut self, id: AtomId) -> A::Value {
        let arena = self.arena;
        let mut several =
            |forms: &[FormId]| -> Vec<A::Value> { forms.iter().map(|x| self.form(*x)).collect() };
        match arena.atom(id) {
            Atom::Variable(number) => self.variables[*number as usize].clone(),
            Atom::Pi => self.arithmetic.pi(),
            Atom::Sum(x) => self.form(*x),
            Atom::Unary(op, x) => {
                let x = self.form(*x);
                self.arithmetic.unary(*op, &x)
            }
            Atom::Binary(op, x, y) => {
                let (x, y) = (self.form(*x), self.form(*y));
                self.arithmetic.binary(*op, &x, &y)
            }
            Atom::Max(all) => {
                let values = several(all);
                self.arithmetic.max(&values)
            }
            Atom::LogSumExp(all) => {
                let values = several(all);
                self.arithmetic.log_sum_exp(&values)
            }
            Atom::Softmax(all, number) => {
                let values = several(all);
                let mut out = values.clone();
                self.arithmetic.softmax(&values, &mut out);
                out.swap_remove(*number as usize)
            }
            Atom::ArgMax(all, number) => {
                let values = several(all);
                let mut out = values.clone();
                self.arithmetic.arg_max(&values, &mut out);
                out.swap_remove(*number as usize)
            }
        }
    }
}
