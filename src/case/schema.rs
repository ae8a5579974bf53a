//! The JSON schema of a case, for editors and other tools: `proxycert schema case`.
//!
//! It describes what [`super::read`] accepts as far as a schema can; names, sizes and expressions are
//! checked by the reader alone. The lists of keys are the reader's own.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

use super::descent::{BATCH, DESCENT_KEYS, DRAWS, DRAWS_KEYS, GUARANTEE_KEYS, METHODS, STEPS};
use super::generate::{ACTIVATIONS, KINDS, OUTPUTS, PARTS};
use super::read::{
    CASE_KEYS, CHECK_KEYS, DIGITS, MAX_BOXES, SAMPLES, SEED, SOURCE_KEYS, STARTS, UNKNOWN_KEYS,
};
use super::region::{BALL_KEYS, REGION_KEYS, SIDE_KEYS};
use super::{ClaimKind, ModelSpec};
use crate::theorem::Theorem;

/// The schema of `case.json`.
pub fn case() -> Schema {
    let check = object(CHECK_KEYS, &[], |key| match key {
        "samples" => described(
            whole(&SAMPLES),
            "number of sampled points or pairs; default 20000",
        ),
        "seed" => described(whole(&SEED), "seed of every random stream; default 0"),
        "confidence" => described(
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
            "confidence of the Clopper-Pearson bound; default 0.99",
        ),
        "tolerance" => described(
            reference("text"),
            "`proved` means slack >= -tolerance; default 1e-9",
        ),
        "max_boxes" => described(whole(&MAX_BOXES), "budget of the prover; default 1000000"),
        _ => described(whole(&STARTS), "starts of the search for violations; default 64"),
    });
    let required = ["name", "claim", "region"];
    let mut schema = object(CASE_KEYS, &required, |key| match key {
        "name" => json!({"type": "string", "pattern": "^[a-z0-9-]{1,100}$", "description": "short name"}),
        "title" => json!({"type": "string", "description": "one line for people"}),
        "source" => described(
            object(SOURCE_KEYS, &[], |_| json!({"type": "string"})),
            "where the claim stands",
        ),
        "constants" => described(
            named(json!({"anyOf": [reference("text"), reference("unknown")]})),
            "exact scalars; an expression may use earlier constants, and at most one is unknown",
        ),
        "data" => described(named(reference("array")), "arrays of binary64 numbers"),
        "parameters" => described(
            named(reference("shape")),
            "parameter blocks; `w` is all of them, flat, in this order",
        ),
        "model" => described(
            one_of(ModelSpec::KINDS.map(|kind| (kind, json!({"type": "object"})))),
            "a model of the crate",
        ),
        "define" => described(named(reference("text")), "functions of the parameter blocks"),
        "claim" => described(one_of(ClaimKind::TABLE.map(claim)), "what is claimed"),
        "region" => described(region(), "for which points"),
        "descent" => described(descent(), "how `trace` makes iterates"),
        "guarantee" => described(guarantee(), "what the claim is said to imply for them"),
        _ => described(check.clone(), "how to check the claim"),
    });
    schema["anyOf"] = json!([{"required": ["parameters"]}, {"required": ["model"]}]);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A case of proxycert".into();
    schema["$defs"] = definitions();
    let mut result = json_schema!({});
    if let Value::Object(members) = schema {
        members
            .into_iter()
            .for_each(|(key, value)| drop(result.insert(key, value)));
    }
    result
}

/// An object with known keys only.
fn object(keys: &[&str], required: &[&str], schema: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.to_string(), schema(key))).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// An object whose only key chooses the kind.
fn one_of<const N: usize>(kinds: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> = kinds
        .into_iter()
        .map(|(kind, schema)| (kind.into(), schema))
        .collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false,
           "minProperties": 1, "maxProperties": 1})
}

/// An object from free names to values.
fn named(schema: Value) -> Value {
    json!({"type": "object", "additionalProperties": schema,
           "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$"}})
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn whole(range: &std::ops::RangeInclusive<u64>) -> Value {
    json!({"type": "integer", "minimum": range.start(), "maximum": range.end()})
}

fn claim((kind, name, fields): (ClaimKind, &'static str, &'static [&'static str])) -> (&'static str, Value) {
    let schema = match kind {
        ClaimKind::Inequality => json!({"type": "string", "description": "such as `lhs >= rhs`"}),
        ClaimKind::ProxyConvexity
        | ClaimKind::ProxyPl
        | ClaimKind::Convex
        | ClaimKind::StronglyConvex
        | ClaimKind::Pl
        | ClaimKind::WeaklyQuasiConvex
        | ClaimKind::StarConvex
        | ClaimKind::OnePointConvex
        | ClaimKind::RestrictedSecant
        | ClaimKind::ErrorBound
        | ClaimKind::QuadraticGrowth
        | ClaimKind::Smooth
        | ClaimKind::Lipschitz
        | ClaimKind::ProxySmooth
        | ClaimKind::Kl => object(fields, fields, |_| reference("text")),
    };
    (name, schema)
}

fn region() -> Value {
    object(REGION_KEYS, &["w"], |key| match key {
        "where" => reference("where"),
        _ => reference("side"),
    })
}

fn descent() -> Value {
    object(
        DESCENT_KEYS,
        &["method", "step", "steps", "start"],
        |key| match key {
            "method" => json!({"enum": METHODS}),
            "step" => described(reference("text"), "the step size eta, an exact number"),
            "steps" => whole(&STEPS),
            "start" => json!({"anyOf": [reference("point"),
                                    object(DRAWS_KEYS, DRAWS_KEYS, |_| whole(&DRAWS))]}),
            "comparator" => described(reference("point"), "the point v, where the region leaves it open"),
            "seed" => described(whole(&SEED), "seed of starts and batches; default 0"),
            "batch" => described(whole(&BATCH), "examples in a batch; `sgd` only"),
            _ => json!({"type": "array", "items": {"type": "string"}, "minItems": 1,
                    "description": "data arrays whose first axis are the examples; `sgd` only"}),
        },
    )
}

fn guarantee() -> Value {
    object(GUARANTEE_KEYS, &[], |key| match key {
        "theorem" => json!({"enum": Theorem::TABLE.map(|(_, name, _)| name)}),
        "bound" => described(
            reference("text"),
            "a bound on the least g, in T, eta, D, f_0 and constants; in place of a theorem",
        ),
        _ => reference("text"),
    })
}

fn definitions() -> Value {
    let pair = json!({"type": "array", "items": reference("text"), "minItems": 2, "maxItems": 2});
    let texts =
        json!({"anyOf": [reference("text"), {"type": "array", "items": reference("texts"), "minItems": 1}]});
    let mut side = object(SIDE_KEYS, &[], |key| match key {
        "box" => {
            json!({"anyOf": [reference("pair"), {"type": "array", "items": reference("pair"), "minItems": 1},
                                  named(reference("pair"))]})
        }
        "ball" => object(BALL_KEYS, BALL_KEYS, |key| {
            reference(if key == "radius" { "text" } else { "point" })
        }),
        "point" => reference("point"),
        _ => reference("where"),
    });
    side["oneOf"] = SIDE_KEYS[..3]
        .iter()
        .map(|key| json!({"required": [key]}))
        .collect();
    let unknown = object(UNKNOWN_KEYS, &["tighten"], |key| match key {
        "tighten" => described(reference("pair"), "the range in which `proxycert tighten` looks"),
        "paper" => described(reference("text"), "the value that the paper gives"),
        _ => described(whole(&DIGITS), "significant digits of the bracket; default 4"),
    });
    json!({
        "unknown": unknown,
        "text": {"type": ["number", "string"], "description": "an exact number, or an expression"},
        "texts": texts,
        "pair": pair,
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 8},
        "where": {"type": "array", "items": {"type": "string"}, "description": "inequalities that the points satisfy"},
        "point": {"anyOf": [reference("texts"), named(reference("texts"))],
                  "description": "a number, an expression, nested lists, or one of these for each block"},
        "side": side,
        "numbers": {"anyOf": [{"type": "number"}, {"type": "array", "items": reference("numbers"), "minItems": 1}]},
        "array": {"anyOf": [reference("numbers"), csv(), generated()]},
    })
}

fn csv() -> Value {
    object(super::data::CSV_KEYS, &["csv", "columns"], |key| match key {
        "csv" => json!({"type": "string", "description": "path relative to the case, inside its folder"}),
        "columns" => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
        _ => json!({"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1}),
    })
}

fn generated() -> Value {
    let kinds: Vec<Value> = KINDS
        .iter()
        .map(|(kind, keys)| {
            let required: &[&str] = match *kind {
                "teacher" => &["kind", "seed", "inputs"],
                "separable" => &["kind", "seed", "shape", "part", "margin"],
                "noise" => &["kind", "seed", "of"],
                _ => &["kind", "seed", "shape"],
            };
            object(keys, required, |key| match key {
                "kind" => json!({"const": kind}),
                "seed" => whole(&SEED),
                "shape" => reference("shape"),
                "inputs" | "of" => json!({"type": "string", "description": "an earlier array"}),
                "weights" | "direction" => {
                    json!({"type": "array", "items": {"type": "number"}, "minItems": 1})
                }
                "activation" => json!({"enum": ACTIVATIONS}),
                "output" => json!({"enum": OUTPUTS}),
                "part" => json!({"enum": PARTS}),
                "radius" | "margin" => json!({"type": "number", "exclusiveMinimum": 0}),
                "flip" => json!({"type": "number", "minimum": 0, "maximum": 1}),
                _ => json!({"type": "number"}),
            })
        })
        .collect();
    object(
        super::data::GENERATE_KEYS,
        super::data::GENERATE_KEYS,
        |_| json!({"oneOf": kinds}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_current() {
        let committed = include_str!("../../docs/case.schema.json");
        let committed: Value = serde_json::from_str(committed).expect("JSON");
        assert_eq!(
            &committed,
            case().as_value(),
            "write the output of `proxycert schema case` to docs/case.schema.json"
        );
    }

    #[test]
    fn every_reference_has_a_definition() {
        let schema = case().to_value();
        let text = schema.to_string();
        for part in text.split("\"#/$defs/").skip(1) {
            let name = part.split('"').next().expect("a name");
            assert!(schema["$defs"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_schema_has_the_keys_of_the_reader() {
        let schema = case().to_value();
        let keys = |value: &Value| {
            value["properties"]
                .as_object()
                .map(|keys| keys.keys().cloned().collect::<Vec<_>>())
                .expect("an object")
        };
        assert_eq!(keys(&schema), CASE_KEYS);
        assert_eq!(keys(&schema["properties"]["check"]), CHECK_KEYS);
        assert_eq!(
            keys(&schema["properties"]["claim"]),
            ClaimKind::TABLE.map(|row| row.1)
        );
        assert_eq!(keys(&schema["$defs"]["side"]), SIDE_KEYS);
        assert_eq!(keys(&schema["$defs"]["unknown"]), UNKNOWN_KEYS);
        let kinds = &schema["$defs"]["array"]["anyOf"][2]["properties"]["generate"]["oneOf"];
        for (i, (kind, expected)) in KINDS.into_iter().enumerate() {
            assert_eq!(
                (keys(&kinds[i]), &kinds[i]["properties"]["kind"]["const"]),
                (expected.iter().map(|key| key.to_string()).collect(), &json!(kind))
            );
        }
    }
}
