//! Names for contents: SHA-256 of a whole case and of each of its arrays.
//!
//! The digest of a case depends on what it says, not on how the file is laid out: spaces, comments,
//! the order of keys, and the place of the data (inline, CSV or generated) do not count. The
//! canonical form is the JSON text of [`canonical`], whose keys are sorted: numbers and expressions as
//! their text without spaces at the ends, arrays as their own digests, defaults filled in. Names stand in the order of the
//! alphabet, except parameter blocks: their order is the order of the coordinates of `w`.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Array, BoxSpec, Case, SetSpec, SideSpec, TensorSpec, Text};

/// SHA-256 of the case, in hexadecimal.
pub fn case(case: &Case) -> String {
    hex(&Sha256::digest(canonical(case).to_string()))
}

/// SHA-256 of an array, in hexadecimal: of the number of axes, the size of each, and the binary64
/// bits of the entries, each as eight bytes, little-endian.
pub fn array(array: &Array) -> String {
    let mut hash = Sha256::new();
    hash.update((array.shape.len() as u64).to_le_bytes());
    array
        .shape
        .iter()
        .for_each(|&axis| hash.update((axis as u64).to_le_bytes()));
    array
        .values
        .iter()
        .for_each(|value| hash.update(value.to_bits().to_le_bytes()));
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The canonical form that the digest of a case is taken of.
pub fn canonical(case: &Case) -> Value {
    // Every field is named here, so that a new one cannot be forgotten.
    let Case {
        file: _,
        folder: _,
        name,
        title,
        source,
        constants,
        data,
        parameters,
        model,
        define,
        claim,
        region,
        check,
    } = case;
    let blocks: Vec<Value> = parameters
        .iter()
        .map(|(name, shape)| json!([name, shape.value]))
        .collect();
    let arrays = data
        .iter()
        .map(|(name, data)| (name.clone(), array(data).into()))
        .collect();
    sorted(json!({
        "name": name,
        "title": title,
        "source": {"work": source.work, "where": source.place, "note": source.note},
        "constants": texts(constants),
        "data": Value::Object(arrays),
        "parameters": blocks,
        "model": model.as_ref().map(|model| json!({&model.value.kind: model.value.options})),
        "define": texts(define),
        "claim": {claim.kind.name(): texts(&claim.fields)},
        "region": {
            "w": side(&region.w),
            "v": region.v.as_ref().map(side),
            "where": region.constraints.iter().map(text).collect::<Vec<_>>(),
        },
        "check": {
            "samples": check.samples,
            "seed": check.seed,
            "confidence": check.confidence,
            "tolerance": text(&check.tolerance),
            "max_boxes": check.max_boxes,
            "starts": check.starts,
        },
    }))
}

fn text(text: &Text) -> Value {
    text.value.trim().into()
}

fn texts(texts: &IndexMap<String, Text>) -> Value {
    Value::Object(
        texts
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    )
}

fn pair(pair: &[Text; 2]) -> Value {
    pair.iter().map(text).collect()
}

fn side(side: &SideSpec) -> Value {
    match &side.set {
        SetSpec::Box(BoxSpec::Uniform(bounds)) => json!({"box": pair(bounds)}),
        SetSpec::Box(BoxSpec::Coordinates(bounds)) => {
            json!({"box": bounds.iter().map(pair).collect::<Vec<_>>()})
        }
        SetSpec::Box(BoxSpec::Blocks(blocks)) => {
            let blocks: Map<_, _> = blocks
                .iter()
                .map(|(name, bounds)| (name.clone(), pair(&bounds.value)))
                .collect();
            json!({"box": blocks})
        }
        SetSpec::Ball { center, radius } => {
            json!({"ball": {"center": tensor(center), "radius": text(radius)}})
        }
        SetSpec::Point(point) => json!({"point": tensor(point)}),
    }
}

/// Blocks do not nest, so this ends after one level.
fn tensor(spec: &TensorSpec) -> Value {
    match spec {
        TensorSpec::Expression(expression) => text(expression),
        TensorSpec::Array {
            shape,
            entries,
            at: _,
        } => {
            json!({"shape": shape, "entries": entries.iter().map(text).collect::<Vec<_>>()})
        }
        TensorSpec::Blocks(blocks) => {
            let blocks: Map<_, _> = blocks
                .iter()
                .map(|(name, block)| (name.clone(), tensor(block)))
                .collect();
            json!({"blocks": blocks})
        }
    }
}

/// The same value with the keys of every object sorted. The nesting of a case is limited.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut members: Vec<(String, Value)> = object.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(entries) => entries.into_iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
