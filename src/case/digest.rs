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

use super::{
    Array, BoxSpec, Case, DescentSpec, GuaranteeSpec, SetSpec, SideSpec, StartSpec, TensorSpec, Text,
};

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
        unknown: _, // a case speaks of one value at a time, which stands in `constants`
        data,
        parameters,
        model,
        define,
        claim,
        region,
        check,
        descent,
        guarantee,
    } = case;
    let blocks: Vec<Value> = parameters
        .iter()
        .map(|(name, shape)| json!([name, shape.value]))
        .collect();
    let arrays = data
        .iter()
        .map(|(name, data)| (name.clone(), array(data).into()))
        .collect();
    let mut form = json!({
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
            "where of v": region.v_constraints.iter().map(text).collect::<Vec<_>>(),
        },
        "check": {
            "samples": check.samples,
            "seed": check.seed,
            "confidence": check.confidence,
            "tolerance": text(&check.tolerance),
            "max_boxes": check.max_boxes,
            "starts": check.starts,
        },
    });
    // left out where the case says nothing of iterates, so that such a case keeps its digest
    if let Some(spec) = descent {
        form["descent"] = self::descent(spec);
    }
    if let Some(spec) = guarantee {
        form["guarantee"] = match spec {
            GuaranteeSpec::Bound(bound) => json!({"bound": text(bound)}),
            GuaranteeSpec::Theorem {
                theorem,
                constants,
                at: _,
            } => json!({"theorem": theorem.name(), "constants": texts(constants)}),
        };
    }
    sorted(form)
}

fn descent(spec: &DescentSpec) -> Value {
    let DescentSpec {
        step,
        steps,
        start,
        comparator,
        seed,
        batches,
        at: _,
    } = spec;
    json!({
        "step": text(step),
        "steps": steps,
        "start": match start {
            StartSpec::Point(point) => json!({"point": tensor(point)}),
            StartSpec::Draws(count) => json!({"draws": count}),
        },
        "comparator": comparator.as_ref().map(tensor),
        "seed": seed,
        "batches": batches.as_ref().map(|batches| {
            let over: Vec<&String> = batches.over.iter().map(|name| &name.value).collect();
            json!({"size": batches.size, "over": over})
        }),
    })
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CASE: &str = r#"{"name": "a", "constants": {"c": 1, "d": "c + 1"}, "data": {"x": [0.5, -2]},
        "parameters": {"p": [2], "q": [1]}, "define": {"f": "sum(p)", "g": "q"}, "claim": {"convex": {"f": "f"}},
        "region": {"w": {"box": [0, 1]}, "where": ["p[0] >= 0", "p[1] >= 0"]}}"#;

    fn digest(text: &str) -> String {
        case(&Case::parse(text, "case.json", Path::new(""), false).expect("a sound case"))
    }

    #[test]
    fn an_array_is_hashed_as_its_shape_and_bits() {
        // hashlib.sha256(struct.pack('<QQdd', 1, 2, 0.5, -2.0)) in Python
        let data = Case::parse(CASE, "case.json", Path::new(""), false)
            .expect("a sound case")
            .data;
        assert_eq!(
            array(&data["x"]),
            "82a00cd0983198d445284d58a09dc044500acff3be20631cacd9de8faae1a4ac"
        );
    }

    #[test]
    fn layout_does_not_change_the_digest() {
        let same = [
            CASE.replace(", ", " ,\n // a comment\n "),
            CASE.replace(r#""c": 1, "d": "c + 1""#, r#""d": " c + 1 ", "c": "1""#),
            CASE.replace("[0.5, -2]", "[5e-1, -2.0]"),
            CASE.replace("sum(p)", r"\u0073um(p)"),
            CASE.replace(
                r#""name": "a""#,
                r#""title": "", "check": {"seed": 0, "tolerance": "1e-9"}, "name": "a""#,
            ),
        ];
        for text in same {
            assert_eq!(digest(&text), digest(CASE), "{text}");
        }
    }

    #[test]
    fn whatever_matters_changes_the_digest() {
        let changes = [
            (r#""name": "a""#, r#""name": "b""#),
            (r#""name": "a""#, r#""name": "a", "title": "t""#),
            (r#""name": "a""#, r#""name": "a", "source": {"work": "t"}"#),
            (r#""name": "a""#, r#""name": "a", "source": {"note": "t"}"#),
            (r#""name": "a""#, r#""name": "a", "check": {"seed": 1}"#),
            (r#""name": "a""#, r#""name": "a", "check": {"samples": 1}"#),
            (r#""name": "a""#, r#""name": "a", "check": {"confidence": 0.5}"#),
            (r#""name": "a""#, r#""name": "a", "check": {"tolerance": 0}"#),
            (r#""name": "a""#, r#""name": "a", "check": {"max_boxes": 1}"#),
            (r#""name": "a""#, r#""name": "a", "check": {"starts": 1}"#),
            (r#""name": "a""#, r#""name": "a", "model": {"mlp": {"depth": 1}}"#),
            (r#""c": 1"#, r#""c": 2"#),
            ("-2", "2"),
            ("[0.5, -2]", "[[0.5, -2]]"),
            (r#""p": [2], "q": [1]"#, r#""q": [1], "p": [2]"#),
            (r#""p": [2]"#, r#""p": [2, 1]"#),
            (r#""convex""#, r#""star_convex""#),
            (r#""f": "f""#, r#""f": "g""#),
            (
                r#""name": "a""#,
                r#""name": "a", "descent": {"method": "gd", "step": 1, "steps": 2, "start": 0}"#,
            ),
            (
                r#""name": "a""#,
                r#""name": "a", "descent": {"method": "gd", "step": 1, "steps": 2, "start": 1}"#,
            ),
            (
                r#""name": "a""#,
                r#""name": "a", "descent": {"method": "gd", "step": 1, "steps": 2, "start": {"draws": 1}}"#,
            ),
            (
                r#""name": "a""#,
                r#""name": "a", "descent": {"method": "gd", "step": 1, "steps": 2, "start": 1},
                    "guarantee": {"theorem": "bounded_gradient", "G": 1}"#,
            ),
            (
                r#""name": "a""#,
                r#""name": "a", "descent": {"method": "gd", "step": 1, "steps": 2, "start": 1},
                    "guarantee": {"bound": "D"}"#,
            ),
            ("[0, 1]", "[0, 2]"),
            ("[0, 1]", "[[0, 1], [0, 1], [0, 1]]"),
            (r#"{"box": [0, 1]}"#, r#"{"point": [0, 1, 1]}"#),
            (r#"{"box": [0, 1]}"#, r#"{"ball": {"center": 0, "radius": 1}}"#),
            (r#"{"box": [0, 1]},"#, r#"{"box": [0, 1]}, "v": {"box": [0, 1]},"#),
            ("p[1] >= 0", "p[1] >= 1"),
        ];
        let mut seen = vec![digest(CASE)];
        for (from, to) in changes {
            let changed = CASE.replace(from, to);
            assert_ne!(changed, CASE);
            let changed = digest(&changed);
            assert!(!seen.contains(&changed), "{from} -> {to}");
            seen.push(changed);
        }
    }
}
