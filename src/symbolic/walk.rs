//! The order in which the atoms behind a form are computed, without recursion.

use std::collections::HashSet;

use super::{Atom, AtomId, FormId, Symbolic};

impl Symbolic {
    /// Every atom that the form needs, arguments first; forms for which `known` holds are not entered.
    pub fn atoms_behind(&self, root: FormId, known: impl Fn(FormId) -> bool) -> Vec<AtomId> {
        let mut order = Vec::new();
        let mut entered: HashSet<AtomId> = HashSet::new();
        // an atom, and whether its arguments are done
        let mut pending: Vec<(AtomId, bool)> = Vec::new();
        let enter = |form: FormId, pending: &mut Vec<(AtomId, bool)>| {
            if !known(form) {
                for (monomial, _) in self.form(form).terms.iter().rev() {
                    let factors = self.factors(*monomial).iter().rev();
                    pending.extend(factors.map(|(atom, _)| (*atom, false)));
                }
            }
        };
        enter(root, &mut pending);
        while let Some((atom, done)) = pending.pop() {
            if done {
                order.push(atom);
            } else if entered.insert(atom) {
                pending.push((atom, true));
                for argument in self.atom(atom).arguments().into_iter().rev() {
                    enter(argument, &mut pending);
                }
            }
        }
        order
    }

    /// The coordinates that the form reads, with their atoms, in the order in which they are met.
    pub fn variables_behind(&self, root: FormId) -> Vec<(u32, AtomId)> {
        let atoms = self.atoms_behind(root, |_| false).into_iter();
        atoms
            .filter_map(|atom| match self.atom(atom) {
                Atom::Variable(number) => Some((*number, atom)),
                _ => None,
            })
            .collect()
    }
}
