//! `descent` and `guarantee`: how the iterates are made, and what is said of them.

use indexmap::IndexMap;

use super::fields::{Object, mistyped, one_of, only_of, opening, string, text, whole};
use super::json::{Kind, Value};
use super::read::SEED;
use super::region::tensor;
use super::{Batches, DescentSpec, GuaranteeSpec, Located, StartSpec};
use crate::error::Result;
use crate::theorem::Theorem;

/// Keys of `descent`.
pub(super) const DESCENT_KEYS: &[&str] = &[
    "method",
    "step",
    "steps",
    "start",
    "comparator",
    "seed",
    "batch",
    "over",
];
/// Keys of a start that is drawn.
pub(super) const DRAWS_KEYS: &[&str] = &["draws"];
/// Methods.
pub(super) const METHODS: [&str; 2] = ["gd", "sgd"];
/// Keys of `guarantee`: a theorem and all the constants that some theorem takes, or a bound.
pub(super) const GUARANTEE_KEYS: &[&str] = &["theorem", "G", "L", "f_inf", "sigma", "bound"];

/// Steps, starts and examples in a batch.
pub(super) const STEPS: std::ops::RangeInclusive<u64> = 1..=1_000_000_000;
pub(super) const TRAJECTORIES: std::ops::RangeInclusive<u64> = 1..=10_000;
pub(super) const BATCH: std::ops::RangeInclusive<u64> = 1..=1_000_000;

/// Reads `descent`.
pub(super) fn descent(value: Value<'_>) -> Result<DescentSpec> {
    let object = Object::new(value, "a descent", DESCENT_KEYS)?;
    let method = only_of(object.require("method")?, &METHODS)?;
    let batches = if method == "sgd" {
        let batch = whole(object.require("batch")?, BATCH)?;
        Some(Batches {
            size: batch,
            over: over(object.require("over")?)?,
        })
    } else {
        for key in ["batch", "over"] {
            if let Some(value) = object.get(key) {
                let fault = value.fault(format!("gradient descent has no `{key}`"));
                return Err(fault.expected("`\"method\": \"sgd\"` with it").into());
            }
        }
        None
    };
    let start = object.require("start")?;
    let start = match start.kind() {
        Kind::Object if start.member("draws").is_some() => {
            let drawn = Object::new(start, "a start that is drawn", DRAWS_KEYS)?;
            StartSpec::Draws(whole(drawn.require("draws")?, TRAJECTORIES)?)
        }
        _ => StartSpec::Point(tensor(start)?),
    };
    Ok(DescentSpec {
        step: text(object.require("step")?)?,
        steps: whole(object.require("steps")?, STEPS)?,
        start,
        comparator: object.get("comparator").map(tensor).transpose()?,
        seed: object.get("seed").map_or(Ok(0), |seed| whole(seed, SEED))?,
        batches,
        at: value.location(),
    })
}

/// The names of the arrays whose rows are the examples.
fn over(value: Value<'_>) -> Result<Vec<Located<String>>> {
    const EXPECTED: &str = "a list of data arrays such as `[\"x\", \"y\"]`";
    if value.kind() != Kind::Array {
        return Err(mistyped(value, EXPECTED));
    }
    let mut names: Vec<Located<String>> = Vec::new();
    for element in value.elements() {
        let name = string(element)?;
        if names.iter().any(|known| known.value == name) {
            return Err(element.fault(format!("`{name}` is named twice")).into());
        }
        let at = element.location();
        names.push(Located { value: name, at });
    }
    if names.is_empty() {
        let fault = value.fault("no array is named").span(opening(value));
        return Err(fault.expected(EXPECTED).into());
    }
    Ok(names)
}

/// Checks that an object has no key but these.
fn only(object: &Object<'_>, wanted: &[&str]) -> Result<()> {
    let mut members = object.members.iter();
    match members.find(|member| !wanted.contains(&member.name.as_str())) {
        Some(member) => {
            let fault = member.key.fault(format!("`{}` has no place here", member.name));
            Err(fault.expected(one_of(wanted)).into())
        }
        None => Ok(()),
    }
}

/// Reads `guarantee`. `batches` where the descent draws them. A constant may be left out: `guarantee::complete`
/// computes it.
pub(super) fn guarantee(value: Value<'_>, batches: bool) -> Result<GuaranteeSpec> {
    let object = Object::new(value, "a guarantee", GUARANTEE_KEYS)?;
    if let Some(bound) = object.get("bound") {
        only(&object, &["bound"])?;
        return Ok(GuaranteeSpec::Bound(text(bound)?));
    }
    let names = Theorem::TABLE.map(|(_, name, _)| name);
    let Some(theorem) = object.get("theorem") else {
        let fault = value
            .fault("a guarantee needs a theorem or a bound")
            .span(opening(value));
        return Err(fault.expected("the key `theorem` or the key `bound`").into());
    };
    let name = only_of(theorem, &names)?;
    let theorem = Theorem::TABLE
        .into_iter()
        .find(|(_, known, _)| *known == name)
        .map_or(Theorem::BoundedGradient, |(theorem, _, _)| theorem);
    let wanted = theorem.constants(batches);
    only(&object, &[&["theorem"], wanted.as_slice()].concat())?;
    let mut constants = IndexMap::new();
    for name in wanted {
        if let Some(given) = object.get(name) {
            constants.insert(name.to_owned(), text(given)?);
        }
    }
    Ok(GuaranteeSpec::Theorem {
        theorem,
        constants,
        at: value.location(),
    })
}
