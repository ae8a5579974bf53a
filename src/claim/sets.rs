//! Reads the region of a case into constant nodes, and checks what can be checked before sampling.

use std::sync::Arc;

use dashu_ratio::RBig;

use super::place;
use super::region::{Region, Set, float_values, interval_values};
use crate::case::{BoxSpec, Case, Location, SetSpec, SideSpec, TensorSpec, Text};
use crate::diagnostic::Diagnostic;
use crate::eval::exact::exact_values;
use crate::expr::{Context, Scope};
use crate::graph::op::Input;
use crate::graph::{NodeId, size};

pub(super) type Blocks = [(String, Vec<usize>)];

/// The region of the case. A claim that speaks of `v` without a region for it takes that of `w`.
pub(super) fn region(
    case: &Case,
    scope: &mut Scope,
    blocks: &Blocks,
    speaks_of_v: bool,
) -> Result<Region, Box<Diagnostic>> {
    let spec = &case.region;
    let w = side(case, scope, blocks, &spec.w)?;
    let mut constraints = Vec::new();
    let mut constraint_speaks_of_v = false;
    let at_w = spec.constraints.iter().map(|text| (text, Input::W));
    let at_v = spec.v_constraints.iter().map(|text| (text, Input::V));
    for (text, at) in at_w.chain(at_v) {
        let context = Context::Claim { at };
        let (left, right) = scope
            .elaborate_inequality(&text.value, context)
            .map_err(place(case, text))?;
        let difference = scope.graph.sub(left, right);
        let depends = scope.graph.depends_on(Input::V);
        constraint_speaks_of_v |= depends[difference.index()];
        constraints.push(difference);
    }
    let v = match &spec.v {
        Some(spec) if speaks_of_v || constraint_speaks_of_v => Some(side(case, scope, blocks, spec)?),
        // checked, though the claim does not need it
        Some(spec) => side(case, scope, blocks, spec).map(|_| None)?,
        // inequalities are about the points that they name, so that `v` could not be in the same set
        None if (speaks_of_v || constraint_speaks_of_v) && !constraints.is_empty() => {
            let message = "the claim speaks of `v`, which has no region here";
            return Err(Box::new(case.fault(&spec.at, message)));
        }
        None if speaks_of_v => Some(w),
        None => None,
    };
    Ok(Region { w, v, constraints })
}

fn side(case: &Case, scope: &mut Scope, blocks: &Blocks, spec: &SideSpec) -> Result<Set, Box<Diagnostic>> {
    match &spec.set {
        SetSpec::Box(bounds) => {
            let (lo, hi) = box_bounds(case, scope, blocks, bounds, &spec.at)?;
            check_box(case, scope, lo, hi, &spec.at)?;
            Ok(Set::Box { lo, hi })
        }
        SetSpec::Ball { center, radius } => {
            let center = point(case, scope, blocks, center)?;
            let node = constant(case, scope, radius)?;
            let value = interval_values(&scope.graph, node)[0];
            if !(value.lo >= 0.0 && value.hi.is_finite()) {
                let message = format!("the radius is {}", value.midpoint());
                let expected = Some("a finite number that is not negative".to_owned());
                return Err(Box::new(case.diagnose(
                    radius,
                    0..radius.value.len(),
                    message,
                    expected,
                )));
            }
            check_finite(case, scope, center, &spec.at)?;
            Ok(Set::Ball { center, radius: node })
        }
        SetSpec::Point(spec_point) => {
            let node = point(case, scope, blocks, spec_point)?;
            check_finite(case, scope, node, &spec.at)?;
            Ok(Set::Point(node))
        }
    }
}

pub(super) fn check_finite(
    case: &Case,
    scope: &Scope,
    node: NodeId,
    at: &Location,
) -> Result<(), Box<Diagnostic>> {
    let bad = float_values(&scope.graph, node)
        .iter()
        .position(|x| !x.is_finite());
    match bad {
        Some(coordinate) => Err(Box::new(
            case.fault(at, format!("coordinate {coordinate} is not a finite number")),
        )),
        None => Ok(()),
    }
}

fn check_box(
    case: &Case,
    scope: &Scope,
    lo: NodeId,
    hi: NodeId,
    at: &Location,
) -> Result<(), Box<Diagnostic>> {
    check_finite(case, scope, lo, at)?;
    check_finite(case, scope, hi, at)?;
    let empty = match exact_values(&scope.graph, lo).zip(exact_values(&scope.graph, hi)) {
        Some((lo, hi)) => lo.iter().zip(&hi).position(|(lo, hi)| lo > hi),
        None => interval_values(&scope.graph, lo)
            .iter()
            .zip(&interval_values(&scope.graph, hi))
            .position(|(lo, hi)| lo.hi > hi.lo),
    };
    match empty {
        Some(coordinate) => Err(Box::new(case.fault(
            at,
            format!("the box has no points: bounds of coordinate {coordinate} are the wrong way round"),
        ))),
        None => Ok(()),
    }
}

fn constant(case: &Case, scope: &mut Scope, text: &Text) -> Result<NodeId, Box<Diagnostic>> {
    let node = scope
        .elaborate(&text.value, Context::Data)
        .map_err(place(case, text))?;
    if scope.graph.shape(node).is_empty() {
        return Ok(node);
    }
    let message = format!("this has shape {:?}", scope.graph.shape(node));
    Err(Box::new(case.diagnose(
        text,
        0..text.value.len(),
        message,
        Some("a scalar".to_owned()),
    )))
}

/// The two bounds as nodes of shape `[p]`.
fn box_bounds(
    case: &Case,
    scope: &mut Scope,
    blocks: &Blocks,
    spec: &BoxSpec,
    at: &Location,
) -> Result<(NodeId, NodeId), Box<Diagnostic>> {
    let dimension = scope.dimension;
    let mut bounds = |index: usize| -> Result<NodeId, Box<Diagnostic>> {
        match spec {
            BoxSpec::Uniform(pair) => {
                let bound = constant(case, scope, &pair[index])?;
                Ok(scope.graph.broadcast_to(bound, &[dimension]))
            }
            BoxSpec::Coordinates(pairs) => {
                if pairs.len() != dimension {
                    let message = format!(
                        "{} pairs for {dimension} parameters ({})",
                        pairs.len(),
                        describe(blocks)
                    );
                    return Err(Box::new(case.fault(at, message)));
                }
                let entries: Result<Vec<NodeId>, Box<Diagnostic>> = pairs
                    .iter()
                    .map(|pair| constant(case, scope, &pair[index]))
                    .collect();
                Ok(stack(scope, &entries?))
            }
            BoxSpec::Blocks(by_name) => {
                if let Some((name, pair)) = by_name
                    .iter()
                    .find(|(name, _)| blocks.iter().all(|(block, _)| block != *name))
                {
                    let message = format!("no parameter block is called `{name}` ({})", describe(blocks));
                    return Err(Box::new(case.fault(&pair.at, message)));
                }
                let mut parts = Vec::new();
                for (name, shape) in blocks {
                    let Some(pair) = by_name.get(name) else {
                        return Err(Box::new(case.fault(at, format!("block `{name}` has no bounds"))));
                    };
                    let bound = constant(case, scope, &pair.value[index])?;
                    parts.push(scope.graph.broadcast_to(bound, &[size(shape)]));
                }
                Ok(scope.graph.concat(&parts, 0))
            }
        }
    };
    Ok((bounds(0)?, bounds(1)?))
}

/// Scalars as the entries of one vector; exact where all are rational.
fn stack(scope: &mut Scope, entries: &[NodeId]) -> NodeId {
    let exact: Option<Vec<RBig>> = entries
        .iter()
        .map(|&entry| scope.graph.as_rational(entry).cloned())
        .collect();
    match exact {
        Some(values) => {
            let length = values.len();
            scope.graph.exact(Arc::from(values), &[length])
        }
        None => {
            let parts: Vec<NodeId> = entries
                .iter()
                .map(|&entry| scope.graph.reshape(entry, &[1]))
                .collect();
            scope.graph.concat(&parts, 0)
        }
    }
}

/// A point of the parameter space as a node of shape `[p]`.
pub(super) fn point(
    case: &Case,
    scope: &mut Scope,
    blocks: &Blocks,
    spec: &TensorSpec,
) -> Result<NodeId, Box<Diagnostic>> {
    let whole = [scope.dimension];
    if let TensorSpec::Blocks(by_name) = spec {
        let mut parts = Vec::new();
        for (name, shape) in blocks {
            let Some(part) = by_name.get(name) else {
                return Err(Box::new(case.fault(
                    &case.region.at,
                    format!("block `{name}` is missing in the point"),
                )));
            };
            parts.push(tensor(case, scope, part, shape, name)?);
        }
        if let Some(name) = by_name
            .keys()
            .find(|name| blocks.iter().all(|(block, _)| block != *name))
        {
            let message = format!("no parameter block is called `{name}` ({})", describe(blocks));
            return Err(Box::new(case.fault(&case.region.at, message)));
        }
        return Ok(scope.graph.concat(&parts, 0));
    }
    match blocks {
        [(name, shape)] => tensor(case, scope, spec, shape, name),
        _ => tensor(case, scope, spec, &whole, "the flat point"),
    }
}

/// A tensor of the wanted shape, or flat, or one number for all entries; as a flat node.
fn tensor(
    case: &Case,
    scope: &mut Scope,
    spec: &TensorSpec,
    wanted: &[usize],
    name: &str,
) -> Result<NodeId, Box<Diagnostic>> {
    let length = size(wanted);
    let fits = |shape: &[usize]| shape == wanted || shape == [length] || shape.is_empty();
    let expected = format!("{wanted:?} of `{name}`, [{length}], or one number");
    match spec {
        TensorSpec::Expression(text) => {
            let node = scope
                .elaborate(&text.value, Context::Data)
                .map_err(place(case, text))?;
            let shape = scope.graph.shape(node).to_vec();
            if !fits(&shape) {
                let message = format!("this point has shape {shape:?}");
                return Err(Box::new(case.diagnose(
                    text,
                    0..text.value.len(),
                    message,
                    Some(expected),
                )));
            }
            Ok(if shape.is_empty() {
                scope.graph.broadcast_to(node, &[length])
            } else {
                scope.graph.flatten(node)
            })
        }
        TensorSpec::Array { shape, entries, at } => {
            if !fits(shape) {
                return Err(Box::new(case.fault(
                    at,
                    format!("this point has shape {shape:?}; expected {expected}"),
                )));
            }
            let entries: Result<Vec<NodeId>, Box<Diagnostic>> =
                entries.iter().map(|text| constant(case, scope, text)).collect();
            let stacked = stack(scope, &entries?);
            Ok(scope.graph.broadcast_to(stacked, &[length]))
        }
        TensorSpec::Blocks(_) => Err(Box::new(
            case.fault(&case.region.at, "an object by block inside a block"),
        )),
    }
}

fn describe(blocks: &Blocks) -> String {
    let each: Vec<String> = blocks
        .iter()
        .map(|(name, shape)| format!("{name} {shape:?}"))
        .collect();
    each.join(", ")
}
