//! The cut: a form as a constant plus parts, each a function of few lifted variables.
//!
//! A lifted variable is a linear form in the coordinates, or in functions of such forms (the output of
//! a hidden layer for one data point, say). Every choice of lifted variables is sound, since each part
//! is bounded over the whole range of its own: what is lost is how they hang together.

use std::collections::{HashMap, HashSet};

use dashu_ratio::RBig;

use super::cone::Cone;
use super::pieces::has_kink;
use crate::eval::tensor::Evaluator;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};
use crate::symbolic::{Atom, AtomId, FormId, MonomialId, Rebuilder, Symbolic};

/// Most lifted variables of a part.
pub const MAX_LIFTED: usize = 6;
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
    /// a lifted variable that is a difference of two forms; the function is 0 where the variable is
    pub tie: Option<usize>,
}

impl Part {
    /// Where the function is 0 when two variables are equal, the second is replaced by their
    /// difference: claims that are tight along `w = v` become tight at one value of one variable.
    fn tied(self, arena: &mut Symbolic) -> Part {
        let count = self.lifted.len();
        for first in 0..count {
            for second in first + 1..count {
                // a kink in one variable is cut away, one in a difference of two is not
                if has_kink(&self.arena, self.function, second) {
                    continue;
                }
                let zero = |target: &mut Symbolic| target.constant(RBig::ZERO);
                let Some((joined, function)) = self.with_difference(first, second, zero) else {
                    continue;
                };
                if !joined.form(function).as_constant().is_some_and(RBig::is_zero) {
                    continue;
                }
                let difference = |target: &mut Symbolic| target.variable(second as u32);
                let Some((own, function)) = self.with_difference(first, second, difference) else {
                    continue;
                };
                let mut lifted = self.lifted.clone();
                lifted[second] = arena.sub(lifted[first], lifted[second]);
                return Part {
                    arena: own,
                    function,
                    lifted,
                    tie: Some(second),
                };
            }
        }
        self
    }

    /// The function with `first - difference` in place of the variable `second`.
    fn with_difference(
        &self,
        first: usize,
        second: usize,
        difference: impl Fn(&mut Symbolic) -> FormId,
    ) -> Option<(Symbolic, FormId)> {
        let mut target = Symbolic::default();
        let mut rebuilder = Rebuilder::new(&self.arena, None);
        for (number, atom) in self.arena.variables_behind(self.function) {
            let variable = target.variable(number);
            let by = if number as usize == second {
                let (base, difference) = (target.variable(first as u32), difference(&mut target));
                target.sub(base, difference)
            } else {
                variable
            };
            rebuilder.replace_variable(atom, by);
        }
        let function = rebuilder.copy(&mut target, self.function)?;
        (!target.exhausted()).then_some((target, function))
    }
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

/// The entries of some nodes as forms in the coordinates of `inputs`, of `dimension` entries each, in
/// an arena that is empty at the `start`.
pub fn scalars(
    graph: &Graph,
    roots: &[NodeId],
    inputs: &[Input],
    dimension: usize,
    start: Symbolic,
) -> Option<(Symbolic, Vec<Vec<FormId>>)> {
    let mut evaluator = Evaluator::new(graph, roots, start);
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
        // groups by the monomials of their lifted forms
        let mut owners: HashMap<MonomialId, Vec<usize>> = HashMap::new();
        for (monomial, coefficient, mut bases) in terms {
            let mut joined = None;
            for basis in &bases {
                let near: Vec<usize> = match basis.elements.first() {
                    None => groups
                        .iter()
                        .position(|group| group.basis.is_empty())
                        .into_iter()
                        .collect(),
                    Some(first) => {
                        let lead = arena.form(*first).terms[0].0;
                        owners.get(&lead).cloned().unwrap_or_default()
                    }
                };
                joined = near.into_iter().find_map(|place| {
                    let forms = basis.within(&mut arena, &groups[place].basis)?;
                    Some((place, forms))
                });
                if joined.is_some() {
                    break;
                }
            }
            let (place, forms) = joined.unwrap_or_else(|| {
                let basis = bases.swap_remove(0);
                let monomials: HashSet<MonomialId> = basis
                    .elements
                    .iter()
                    .flat_map(|element| arena.form(*element).terms.iter().map(|term| term.0))
                    .collect();
                for monomial in monomials {
                    owners.entry(monomial).or_default().push(groups.len());
                }
                groups.push(Group {
                    basis: basis.elements,
                    terms: Vec::new(),
                    forms: HashMap::new(),
                });
                (groups.len() - 1, basis.forms)
            });
            groups[place].terms.push((monomial, coefficient));
            groups[place].forms.extend(forms);
        }
        if groups.len() > MAX_PARTS {
            return None;
        }
        let mut parts = Vec::with_capacity(groups.len());
        for group in groups {
            parts.push(group.part(&mut arena)?);
        }
        // a form that was made when the work was spent means nothing
        (!arena.exhausted()).then_some(Cut {
            arena,
            constant: whole.constant.clone(),
            parts,
            cone,
        })
    }
}

impl Cut {
    /// A form as one part, where the linear forms that all its terms read are few, and fewer than the coordinates: what holds
    /// the terms together is kept.
    pub fn joined(mut arena: Symbolic, whole: FormId) -> Option<Cut> {
        let terms = arena.form(whole).terms.clone();
        let mut joint: Vec<FormId> = Vec::new();
        let mut bases = Vec::with_capacity(terms.len());
        for (monomial, _) in &terms {
            let basis = Basis::at(&mut arena, *monomial, false);
            for &element in &basis.elements {
                if combination(&mut arena, element, &joint).is_none() {
                    joint.push(element);
                }
            }
            if joint.len() > MAX_LIFTED {
                return None;
            }
            bases.push(basis);
        }
        if joint.len() >= arena.variables_behind(whole).len() {
            return None;
        }
        let mut forms = HashMap::new();
        for basis in bases {
            forms.extend(basis.within(&mut arena, &joint)?);
        }
        let constant = arena.form(whole).constant.clone();
        let group = Group {
            basis: joint,
            terms,
            forms,
        };
        let part = group.part(&mut arena)?;
        (!arena.exhausted()).then_some(Cut {
            arena,
            constant,
            parts: vec![part],
            cone: None,
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
            let whole = arena.form(form);
            if whole.constant.is_zero() && arena.is_affine(whole) {
                rebuilder.replace_linear(form, by);
            } else {
                rebuilder.replace(form, by);
            }
            if let [(monomial, coefficient)] = &arena.form(form).terms[..]
                && *coefficient == RBig::ONE
                && arena.form(form).constant.is_zero()
                && arena.as_variable(*monomial).is_some()
            {
                rebuilder.replace_variable(arena.factors(*monomial)[0].0, by);
            }
        }
        let function = rebuilder.copy(&mut target, sum)?;
        let part = Part {
            arena: target,
            function,
            lifted: self.basis,
            tie: None,
        };
        let part = part.tied(arena);
        (!part.arena.exhausted()).then_some(part)
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

    /// The lifted forms in terms of another basis; `None` where it does not span them.
    fn within(&self, arena: &mut Symbolic, basis: &[FormId]) -> Option<HashMap<FormId, Vec<(RBig, FormId)>>> {
        let mut elements: HashMap<FormId, Vec<(RBig, FormId)>> = HashMap::new();
        for &element in &self.elements {
            elements.insert(element, combination(arena, element, basis)?);
        }
        let translate = |(form, own): (&FormId, &Vec<(RBig, FormId)>)| {
            let parts = own.iter().flat_map(|(factor, element)| {
                let inner = elements[element].iter();
                inner.map(move |(share, by)| (factor * share, *by))
            });
            (*form, parts.collect())
        };
        Some(self.forms.iter().map(translate).collect())
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

/// A form without a constant as a combination of others, which are few; `None` where it is none.
fn combination(arena: &mut Symbolic, form: FormId, of: &[FormId]) -> Option<Vec<(RBig, FormId)>> {
    if of.contains(&form) {
        return Some(vec![(RBig::ONE, form)]);
    }
    // Gauss: each element, reduced by those before it, with its combination and its leading monomial
    let mut reduced: Vec<(FormId, Vec<(RBig, FormId)>)> = Vec::new();
    for &element in of {
        let (rest, mut parts) = eliminate(arena, element, &reduced);
        if arena.form(rest).as_constant().is_none() {
            parts.push((RBig::ONE, element));
            reduced.push((rest, parts));
        }
    }
    let (rest, parts) = eliminate(arena, form, &reduced);
    arena.form(rest).as_constant()?;
    // form - sum of parts = 0
    Some(
        parts
            .into_iter()
            .map(|(factor, element)| (-factor, element))
            .collect(),
    )
}

/// `form` less multiples of reduced forms, so that it holds none of their leading monomials, and what
/// was added in terms of the original ones.
fn eliminate(
    arena: &mut Symbolic,
    form: FormId,
    reduced: &[(FormId, Vec<(RBig, FormId)>)],
) -> (FormId, Vec<(RBig, FormId)>) {
    let (mut rest, mut added) = (form, Vec::new());
    for (other, parts) in reduced {
        let (lead, coefficient) = arena.form(*other).terms[0].clone();
        let Some(found) = arena.form(rest).coefficient(lead) else {
            continue;
        };
        let factor = -(found / coefficient);
        rest = arena.combine(&[(RBig::ONE, rest), (factor.clone(), *other)]);
        added.extend(parts.iter().map(|(share, element)| (&factor * share, *element)));
    }
    (rest, added)
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
            let form = arena.form(argument).clone();
            if arena.is_affine(&form) || (shallow && form.terms.len() >= 2) {
                found.push(argument);
                continue;
            }
            // the coordinates that stand beside other terms make one lifted form
            let linear = arena.linear_part(argument);
            if arena.form(linear).terms.len() >= 2 && seen_forms.insert(linear) {
                found.push(linear);
            }
            for (monomial, _) in &form.terms {
                if arena.form(linear).terms.len() < 2 || arena.as_variable(*monomial).is_none() {
                    pending.extend(arena.factors(*monomial).iter().map(|(atom, _)| *atom));
                }
            }
        }
    }
    found
}
