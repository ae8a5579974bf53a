//! From a form back to a graph.

use std::collections::HashMap;

use super::{Atom, AtomId, FormId, Symbolic};
use crate::graph::op::{Along, Input, Reduction};
use crate::graph::{Graph, NodeId};

impl Symbolic {
    /// The form as a scalar node; coordinate `i` is entry `i` of `Input::W` of `dimension` entries.
    pub fn emit(&self, graph: &mut Graph, root: FormId, dimension: usize) -> NodeId {
        let mut atoms = HashMap::new();
        for atom in self.atoms_behind(root, |_| false) {
            let node = self.emit_atom(graph, &atoms, atom, dimension);
            atoms.insert(atom, node);
        }
        self.emit_form(graph, &atoms, root)
    }

    fn emit_form(&self, graph: &mut Graph, atoms: &HashMap<AtomId, NodeId>, id: FormId) -> NodeId {
        let form = self.form(id);
        let mut sum = graph.rational(form.constant.clone());
        for (monomial, coefficient) in &form.terms {
            let mut product = graph.rational(coefficient.clone());
            for &(atom, power) in self.factors(*monomial) {
                let factor = graph.pow(atoms[&atom], power, 1);
                product = graph.mul(product, factor);
            }
            sum = graph.add(sum, product);
        }
        sum
    }

    fn emit_atom(
        &self,
        graph: &mut Graph,
        atoms: &HashMap<AtomId, NodeId>,
        id: AtomId,
        dimension: usize,
    ) -> NodeId {
        let entries = |graph: &mut Graph, forms: &[FormId]| {
            let entries: Vec<NodeId> = forms
                .iter()
                .map(|form| {
                    let entry = self.emit_form(graph, atoms, *form);
                    graph.reshape(entry, &[1])
                })
                .collect();
            graph.concat(&entries, 0)
        };
        match self.atom(id) {
            Atom::Variable(number) => {
                let input = graph.input(Input::W, dimension);
                let entry = graph.slice(input, 0, *number as usize, 1, 1);
                graph.reshape(entry, &[])
            }
            Atom::Pi => graph.pi(),
            Atom::Sum(x) => self.emit_form(graph, atoms, *x),
            Atom::Unary(op, x) => {
                let x = self.emit_form(graph, atoms, *x);
                graph.unary(*op, x)
            }
            Atom::Binary(op, x, y) => {
                let x = self.emit_form(graph, atoms, *x);
                let y = self.emit_form(graph, atoms, *y);
                graph.binary(*op, x, y)
            }
            Atom::Max(forms) => {
                let entries = entries(graph, forms);
                graph.reduce(Reduction::Max, entries, 0)
            }
            Atom::LogSumExp(forms) => {
                let entries = entries(graph, forms);
                graph.reduce(Reduction::LogSumExp, entries, 0)
            }
            Atom::Softmax(forms, number) => {
                let entries = entries(graph, forms);
                let shares = graph.along(Along::Softmax, entries, 0);
                let entry = graph.slice(shares, 0, *number as usize, 1, 1);
                graph.reshape(entry, &[])
            }
            Atom::ArgMax(forms, number) => {
                let entries = entries(graph, forms);
                let shares = graph.along(Along::ArgMax, entries, 0);
                let entry = graph.slice(shares, 0, *number as usize, 1, 1);
                graph.reshape(entry, &[])
            }
        }
    }
}
