//! The cut: a form as a constant plus parts, each a function of few lifted variables.
//!
//! A lifted variable is a linear form in the coordinates, or in functions of such forms (the output of
//! a hidden layer for one data point, say). Every choice of lifted variables is sound, since each part
//! is bounded over the whole range of its own: what is lost is how they hang together.

use std::collections::{HashMap, HashSet};

use dashu_ratio::RBig;

use super::cone::Cone;
use crate::eval::tensor::Evaluator;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};
use crate::symbolic::{Atom, AtomId, FormId, MonomialId, Rebuilder, Symbolic};

/// Most lifted variables of a part.
pub const MAX_LIFTED: usize = 4;
/// Forms in the coordinates themselves are preferred up to this many.
const FEW: usize = 2;
/// Most scalar operations of a slack that is taken apart.
const MAX_OPERATIONS: u64 = 20_000_000;
/// Most parts.
const MAX_PARTS: usize = 20_000;

/// A function of few variables.
#[derive(Clone, Debug)]
pub struct Part {
    /// holds the function; its coordinates are the lifted variables
    pub arena: Symbolic,
    /// the function
    pub function: FormId,
    /// what each lifted variable stands for: a form of the cut's arena, without a constant
    pub lifted: Vec<FormId>,
}

/// A form taken apart: `constant + sum of the parts + cone`.
#[derive(Clone, Debug)]
pub struct Cut {
    /// holds the form and the lifted ones; its coordinates are those that vary, `w` first
    pub arena: Symbolic,
    /// what no part holds
    pub constant: RBig,
    /// functions to add
    pub parts: Vec<Part>,
    /// a norm to add
    pub cone: Option<Cone>,
}

/// The entries of some nodes as forms in the coordinates of `inputs`, of `dimension` entries each.
pub fn scalars(
    graph: &Graph,
    roots: &[NodeId],
    inputs: &[Input],
    dimension: usize,
) -> Option<(Symbolic, Vec<Vec<FormId>>)> {
    let mut evaluator = Evaluator::new(graph, roots, Symbolic::default());
    if evaluator.operations() > MAX_OPERATIONS {
        return None;
    }
    let coordinates: Vec<FormId> = (0..inputs.len() * dimension)
        .map(|number| evaluator.arithmetic().variable(number as u32))
        .collect();
    let sides: Vec<_> = inputs
        .iter()
        .copied()
        .zip(coordinates.chunks_exact(dimension))
        .collect();
    evaluator.run(&sides);
    let forms = (0..roots.len())
        .map(|number| evaluator.root(number).to_vec())
        .collect();
    let arena = std::mem::take(evaluator.arithmetic());
    (!arena.exhausted()).then_some((arena, forms))
}

impl Cut {
    /// Takes a form apart; `None` where some part would need too many lifted variables.
    pub fn new(mut arena: Symbolic, whole: FormId) -> Option<Cut> {
        let whole = arena.form(whole).clone();
        let mut terms = Vec::new();
        let mut cone = None;
        for (monomial, coefficient) in &whole.terms {
            if cone.is_none() {
                cone = Cone::of(&mut arena, *monomial, coefficient);
                if cone.is_some() {
                    continue;
                }
            }
            let bases = Basis::choices(&mut arena, *monomial)?;
            terms.push((*monomial, coefficient.clone(), bases));
        }
        // the terms with the most variables make the groups that others join
        terms.sort_by_key(|(_, _, bases)| {
            let widths: Vec<usize> = bases.iter().map(|basis| basis.elements.len()).collect();
            std::cmp::Reverse((widths[0], widths.into_iter().max()))
        });
        let mut groups: Vec<Group> = Vec::new();
        let mut owners: HashMap<FormId, Vec<usize>> = HashMap::new();
        for (monomial, coefficient, mut bases) in terms {
            let group_for = |basis: &Basis| match basis.elements.first() {
                None => groups.iter().position(|group| group.basis.is_empty()),
                Some(first) => owners.get(first).and_then(|owners| {
                    let covers = |group: &&usize| {
                        let owned = &groups[**group].basis;
                        basis.elements.iter().all(|element| owned.contains(element))
                    };
                    owners.iter().find(covers).copied()
                }),
            };
            let joined = bases
                .iter()
                .enumerate()
                .find_map(|(choice, basis)| Some((choice, group_for(basis)?)));
            let (choice, place) = joined.unwrap_or((0, groups.len()));
            let basis = bases.swap_remove(choice);
            if joined.is_none() {
                for element in &basis.elements {
                    owners.entry(*element).or_default().push(place);
                }
                groups.push(Group {
                    basis: basis.elements,
                    terms: Vec::new(),
                    forms: HashMap::new(),
                });
            }
            groups[place].terms.push((monomial, coefficient));
            groups[place].forms.extend(basis.forms);
        }
        if groups.len() > MAX_PARTS {
            return None;
        }
        let mut parts = Vec::with_capacity(groups.len());
        for group in groups {
            parts.push(group.part(&mut arena)?);
        }
        Some(Cut {
            arena,
            constant: whole.constant.clone(),
            parts,
            cone,
        })
    }
}

/// Terms of the slack with the same lifted variables.
struct Group {
    basis: Vec<FormId>,
    terms: Vec<(MonomialId, RBig)>,
    forms: HashMap<FormId, Vec<(RBig, FormId)>>,
}

impl Group {
    fn part(self, arena: &mut Symbolic) -> Option<Part> {
        let sum = arena.sum_of_terms(&self.terms);
        let mut target = Symbolic::default();
        let variables: HashMap<FormId, FormId> = self
            .basis
            .iter()
            .enumerate()
            .map(|(number, form)| (*form, target.variable(number as u32)))
            .collect();
        let mut rebuilder = Rebuilder::new(arena, None);
        let mut forms: Vec<_> = self.forms.into_iter().collect();
        forms.sort_by_key(|(form, _)| *form);
        for (form, combination) in forms {
            let mut parts: Vec<(RBig, FormId)> = combination
                .into_iter()
                .map(|(factor, element)| (factor, variables[&element]))
                .collect();
            let constant = target.constant(arena.form(form).constant.clone());
            parts.push((RBig::ONE, constant));
            let by = target.combine(&parts);
            rebuilder.replace(form, by);
            if let [(monomial, coefficient)] = &arena.form(form).terms[..]
                && *coefficient == RBig::ONE
                && arena.form(form).constant.is_zero()
                && arena.as_variable(*monomial).is_some()
            {
                rebuilder.replace_variable(arena.factors(*monomial)[0].0, by);
            }
        }
        let function = rebuilder.copy(&mut target, sum)?;
        (!target.exhausted()).then_some(Part {
            arena: target,
            function,
            lifted: self.basis,
        })
    }
}

/// Lifted variables of one term, and every lifted form in them.
struct Basis {
    elements: Vec<FormId>,
    forms: HashMap<FormId, Vec<(RBig, FormId)>>,
}

impl Basis {
    /// What may be lifted, the better choice first; `None` where every choice has too many variables.
    fn choices(arena: &mut Symbolic, monomial: MonomialId) -> Option<Vec<Basis>> {
        let deep = Basis::at(arena, monomial, false);
        let shallow = Basis::at(arena, monomial, true);
        let choices = if deep.elements.len() <= FEW.max(shallow.elements.len()) {
            vec![deep, shallow]
        } else {
            vec![shallow, deep]
        };
        (choices[0].elements.len() <= MAX_LIFTED).then_some(choices)
    }

    /// The basis where descent ends at forms in the coordinates, or already at any form of several terms.
    fn at(arena: &mut Symbolic, monomial: MonomialId, shallow: bool) -> Basis {
        let mut found = lifted_forms(arena, monomial, shallow);
        found.sort_by_key(|form| (arena.form(*form).terms.len(), *form));
        let mut basis = Basis {
            elements: Vec::new(),
            forms: HashMap::new(),
        };
        for form in found {
            let mut rest = arena.without_constant(form);
            let mut combination = Vec::new();
            for &element in &basis.elements {
                if let Some((ratio, smaller)) = reduce(arena, rest, element) {
                    combination.push((ratio, element));
                    rest = smaller;
                }
            }
            if arena.form(rest).as_constant().is_none() {
                let (ratio, element) = arena.primitive(rest);
                // reduction keeps an element out that is there already
                basis.elements.push(element);
                combination.push((ratio, element));
            }
            basis.forms.insert(form, combination);
            if basis.elements.len() > 16 {
                break;
            }
        }
        basis
    }
}

/// `(ratio, form - ratio * by)` where that has fewer terms than `form`.
fn reduce(arena: &mut Symbolic, form: FormId, by: FormId) -> Option<(RBig, FormId)> {
    let (lead, coefficient) = arena
        .form(by)
        .terms
        .iter()
        .find(|(monomial, _)| arena.form(form).coefficient(*monomial).is_some())?
        .clone();
    let ratio = arena.form(form).coefficient(lead)? / coefficient;
    let rest = arena.combine(&[(RBig::ONE, form), (-ratio.clone(), by)]);
    (arena.form(rest).terms.len() < arena.form(form).terms.len()).then_some((ratio, rest))
}

/// The forms at which the descent from a monomial ends.
fn lifted_forms(arena: &mut Symbolic, monomial: MonomialId, shallow: bool) -> Vec<FormId> {
    let mut found = Vec::new();
    let mut seen: HashSet<AtomId> = HashSet::new();
    let mut seen_forms: HashSet<FormId> = HashSet::new();
    let mut pending: Vec<AtomId> = arena.factors(monomial).iter().map(|(atom, _)| *atom).collect();
    while let Some(atom) = pending.pop() {
        if !seen.insert(atom) || !arena.atom_varies(atom) {
            continue;
        }
        if let Atom::Variable(number) = *arena.atom(atom) {
            let form = arena.variable(number);
            if seen_forms.insert(form) {
                found.push(form);
            }
            continue;
        }
        for argument in arena.atom(atom).arguments() {
            if !arena.varies(argument) || !seen_forms.insert(argument) {
                continue;
            }
            let form = arena.form(argument);
            if arena.is_affine(form) || (shallow && form.terms.len() >= 2) {
                found.push(argument);
            } else {
                for (monomial, _) in form.terms.clone() {
                    pending.extend(arena.factors(monomial).iter().map(|(atom, _)| *atom));
                }
            }
        }
    }
    found
}
