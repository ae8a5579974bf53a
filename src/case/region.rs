//! The region of a case: boxes, balls, points and inequalities, still as text.

use super::fields::{Object, mistyped, one_of, opening, rectangle, text};
use super::json::{Kind, Member, Value};
use super::{BoxSpec, Located, RegionSpec, SetSpec, SideSpec, TensorSpec, Text};
use crate::error::Result;

/// Most entries of a point, a centre or a box that the case spells out.
pub const MAX_ENTRIES: usize = 1 << 20;

/// Keys of `region`.
pub(super) const REGION_KEYS: &[&str] = &["w", "v", "where"];
/// Keys of `region.w` and `region.v`.
pub(super) const SIDE_KEYS: &[&str] = &["box", "ball", "point", "where"];
/// Keys of a ball.
pub(super) const BALL_KEYS: &[&str] = &["center", "radius"];
/// Reads `region`.
pub(super) fn region(value: Value<'_>) -> Result<RegionSpec> {
    let object = Object::new(value, "a region", REGION_KEYS)?;
    let (mut constraints, mut v_constraints) = (Vec::new(), Vec::new());
    let w = side(object.require("w")?, &mut constraints)?;
    let v = object.get("v").map(|v| side(v, &mut v_constraints)).transpose()?;
    inequalities(object.get("where"), &mut constraints)?;
    Ok(RegionSpec {
        w,
        v,
        constraints,
        v_constraints,
        at: value.location(),
    })
}

/// Appends the inequalities of a `where`.
fn inequalities(value: Option<Value<'_>>, constraints: &mut Vec<Text>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    if value.kind() != Kind::Array {
        return Err(mistyped(
            value,
            "a list of inequalities such as `[\"norm(w)^2 >= 1/2\"]`",
        ));
    }
    for element in value.elements() {
        if element.kind() != Kind::String {
            return Err(mistyped(element, "an inequality as a string"));
        }
        constraints.push(text(element)?);
    }
    Ok(())
}

fn side(value: Value<'_>, constraints: &mut Vec<Text>) -> Result<SideSpec> {
    let sets = &SIDE_KEYS[..3];
    let object = Object::new(value, "the region of a point", SIDE_KEYS)?;
    let given: Vec<&Member<'_>> = object
        .members
        .iter()
        .filter(|member| sets.contains(&member.name.as_str()))
        .collect();
    let member = match given.as_slice() {
        [only] => only,
        [] => {
            let fault = value
                .fault("the region of a point needs a set")
                .span(opening(value));
            return Err(fault.expected(one_of(sets)).into());
        }
        [_, second, ..] => {
            let fault = second.key.fault("the region of a point is one set");
            return Err(fault
                .expected("one set; further conditions stand in `where`")
                .into());
        }
    };
    let set = match member.name.as_str() {
        "box" => SetSpec::Box(box_spec(member.value)?),
        "ball" => {
            let ball = Object::new(member.value, "a ball", BALL_KEYS)?;
            let radius = text(ball.require("radius")?)?;
            SetSpec::Ball {
                center: tensor(ball.require("center")?)?,
                radius,
            }
        }
        _ => SetSpec::Point(tensor(member.value)?),
    };
    inequalities(object.get("where"), constraints)?;
    Ok(SideSpec {
        set,
        at: value.location(),
    })
}

fn box_spec(value: Value<'_>) -> Result<BoxSpec> {
    match value.kind() {
        Kind::Object => {
            let blocks = value.members().map(|member| {
                let at = member.value.location();
                Ok((
                    member.name,
                    Located {
                        value: pair(member.value)?,
                        at,
                    },
                ))
            });
            Ok(BoxSpec::Blocks(blocks.collect::<Result<_>>()?))
        }
        Kind::Array
            if value
                .elements()
                .next()
                .is_some_and(|first| first.kind() == Kind::Array) =>
        {
            check_length(value)?;
            Ok(BoxSpec::Coordinates(
                value.elements().map(pair).collect::<Result<_>>()?,
            ))
        }
        _ => Ok(BoxSpec::Uniform(pair(value)?)),
    }
}

fn pair(value: Value<'_>) -> Result<[Text; 2]> {
    const EXPECTED: &str = "bounds `[low, high]`";
    if value.kind() != Kind::Array {
        return Err(mistyped(value, EXPECTED));
    }
    let mut elements = value.elements();
    match (elements.next(), elements.next(), elements.next()) {
        (Some(low), Some(high), None) => Ok([text(low)?, text(high)?]),
        _ => Err(value
            .fault("a pair of bounds has two entries")
            .expected(EXPECTED)
            .into()),
    }
}

fn check_length(value: Value<'_>) -> Result<()> {
    match value.elements().nth(MAX_ENTRIES) {
        Some(entry) => {
            let fault = entry.fault(format!("a list in a region has at most {MAX_ENTRIES} entries"));
            Err(fault.help("put the numbers in `data` and write its name").into())
        }
        None => Ok(()),
    }
}

/// A point: flat, of one block's shape, or block by block.
pub(super) fn tensor(value: Value<'_>) -> Result<TensorSpec> {
    if value.kind() != Kind::Object {
        return block(value);
    }
    let blocks = value
        .members()
        .map(|member| Ok((member.name, block(member.value)?)));
    Ok(TensorSpec::Blocks(blocks.collect::<Result<_>>()?))
}

/// The point of one block, or of all of them flat.
fn block(value: Value<'_>) -> Result<TensorSpec> {
    if value.kind() != Kind::Array {
        return Ok(TensorSpec::Expression(text(value)?));
    }
    let (shape, leaves) = rectangle(value, MAX_ENTRIES)?;
    let entries = leaves.into_iter().map(text).collect::<Result<_>>()?;
    Ok(TensorSpec::Array {
        shape,
        entries,
        at: value.location(),
    })
}
