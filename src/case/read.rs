//! From located JSON to a [`Case`]: known keys only, types, required fields, names, shapes and ranges.
//!
//! Whatever passes here is well formed; whether expressions make sense, and whether a region fits the
//! parameters, is for the stages behind.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::descent::{descent, guarantee};
use super::fields::{
    Object, decode, float, members, mistyped, only_member, read_limited, shape, string, text, too_large,
    whole,
};
use super::json::{Document, Kind, Member, Value};
use super::region::region;
use super::{
    Case, CheckSpec, ClaimKind, ClaimSpec, Located, MAX_NAME, MAX_PARAMETERS, ModelSpec, RESERVED, Source,
    SourceFile, Text, Unknown, data,
};
use crate::diagnostic::{Diagnostic, quote};
use crate::error::{Error, Result};

/// Largest case file, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;
/// Keys of the whole case.
pub(super) const CASE_KEYS: &[&str] = &[
    "name",
    "title",
    "source",
    "constants",
    "data",
    "parameters",
    "model",
    "define",
    "claim",
    "region",
    "check",
    "descent",
    "guarantee",
];
/// Keys of an unknown constant.
pub(super) const UNKNOWN_KEYS: &[&str] = &["tighten", "paper", "digits"];
/// Keys of `source`.
pub(super) const SOURCE_KEYS: &[&str] = &["work", "where", "note"];
/// Keys of `check`.
pub(super) const CHECK_KEYS: &[&str] = &[
    "samples",
    "seed",
    "confidence",
    "tolerance",
    "max_boxes",
    "starts",
];

/// Ranges of the whole numbers of `check`.
pub(crate) const SAMPLES: RangeInclusive<u64> = 1..=10_000_000_000;
pub(super) const SEED: RangeInclusive<u64> = 0..=u64::MAX;
pub(super) const MAX_BOXES: RangeInclusive<u64> = 0..=1_000_000_000_000;
pub(crate) const STARTS: RangeInclusive<u64> = 0..=1_000_000;
/// Significant digits of an unknown constant.
pub(super) const DIGITS: RangeInclusive<u64> = 1..=15;

impl Case {
    /// Reads the case at `path`. CSV files must lie in its folder unless `allow_outside`.
    ///
    /// # Errors
    /// [`Error::Input`] when the file cannot be read or says something that it should not.
    pub fn load(path: &Path, allow_outside: bool) -> Result<Case> {
        let name = path.display().to_string();
        let bytes =
            read_limited(path, MAX_BYTES).map_err(|message| Diagnostic::new(format!("{name}: {message}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = decode(bytes, &name)?;
        Case::parse(text, name, folder, allow_outside)
    }

    /// Reads a case from its text. `name` stands for the file in messages, `folder` is what CSV paths
    /// are relative to.
    ///
    /// # Errors
    /// [`Error::Input`], as for [`Case::load`].
    pub fn parse(
        text: impl Into<String>,
        name: impl Into<String>,
        folder: &Path,
        allow_outside: bool,
    ) -> Result<Case> {
        let file = Arc::new(SourceFile {
            name: name.into(),
            text: text.into(),
        });
        if file.text.len() as u64 > MAX_BYTES {
            return Err(Diagnostic::new(format!("{}: {}", file.name, too_large(MAX_BYTES))).into());
        }
        let document = Document::parse(&file).map_err(Error::Input)?;
        let case = Object::new(document.root(), "a case", CASE_KEYS)?;

        unique_names(document.root())?;
        let name = case_name(case.require("name")?)?;
        let title = case.get("title").map(string).transpose()?.unwrap_or_default();
        let source = case.get("source").map(source).transpose()?.unwrap_or_default();
        let (constants, unknown) = constants(case.get("constants"))?;
        let data = data::read(
            case.get("data"),
            &data::Folder {
                path: folder.into(),
                allow_outside,
            },
        )?;
        let parameters = parameters(case.get("parameters"))?;
        let model = case.get("model").map(model).transpose()?;
        // an empty `parameters` leaves them to a model that a program adds; see `Claim::with_model`
        if case.get("parameters").is_none() && model.is_none() {
            let fault = document.root().fault("the case has no parameters");
            return Err(fault
                .expected("`parameters` with a shape for each block, or a `model`")
                .into());
        }
        let define = texts(case.get("define"))?;
        let claim = claim(case.require("claim")?)?;
        let region = region(case.require("region")?)?;
        let check = check(case.get("check"), document.root())?;
        let descent = case.get("descent").map(descent).transpose()?;
        let guarantee = match (case.get("guarantee"), &descent) {
            (None, _) => None,
            (Some(value), Some(descent)) => Some(guarantee(value, descent.batches.is_some())?),
            (Some(value), None) => {
                let fault = value.fault("a guarantee speaks of iterates, and the case has no `descent`");
                return Err(fault.expected("the key `descent` beside it").into());
            }
        };
        let folder = folder.to_path_buf();
        Ok(Case {
            file,
            folder,
            name,
            title,
            source,
            constants,
            unknown,
            data,
            parameters,
            model,
            define,
            claim,
            region,
            check,
            descent,
            guarantee,
        })
    }
}

fn case_name(value: Value<'_>) -> Result<String> {
    let name = string(value)?;
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || name.is_empty() || name.len() > 100 {
        let fault = value.fault("this cannot be the name of a case");
        return Err(fault.expected("1 to 100 small letters, digits and `-`").into());
    }
    Ok(name)
}

fn source(value: Value<'_>) -> Result<Source> {
    let object = Object::new(value, "a source", SOURCE_KEYS)?;
    let field = |key| {
        object
            .get(key)
            .map(string)
            .transpose()
            .map(Option::unwrap_or_default)
    };
    Ok(Source {
        work: field("work")?,
        place: field("where")?,
        note: field("note")?,
    })
}

/// Named numbers or expressions.
fn texts(value: Option<Value<'_>>) -> Result<IndexMap<String, Text>> {
    let Some(value) = value else {
        return Ok(IndexMap::new());
    };
    members(value, "a number or an expression for each name")?
        .into_iter()
        .map(|member| Ok((member.name, text(member.value)?)))
        .collect()
}

/// Named numbers or expressions, one of which may be unknown.
fn constants(value: Option<Value<'_>>) -> Result<(IndexMap<String, Text>, Option<Unknown>)> {
    let (mut constants, mut found) = (IndexMap::new(), None);
    let Some(value) = value else {
        return Ok((constants, found));
    };
    for member in members(value, "a number or an expression for each name")? {
        let Member { name, key, value } = member;
        if value.kind() != Kind::Object {
            constants.insert(name, text(value)?);
            continue;
        }
        let unknown = unknown(&name, constants.len(), value)?;
        if found.is_some() {
            let fault = key.fault("a second constant is unknown");
            return Err(fault.expected("at most one constant with `tighten`").into());
        }
        if let Some(paper) = &unknown.paper {
            constants.insert(name, paper.clone());
        }
        found = Some(unknown);
    }
    Ok((constants, found))
}

/// A constant that `tighten` shall find.
fn unknown(name: &str, position: usize, value: Value<'_>) -> Result<Unknown> {
    let object = Object::new(value, "an unknown constant", UNKNOWN_KEYS)?;
    let range = object.require("tighten")?;
    let expected = "a list of two: where to look for the constant, such as `[0, 1]`";
    if range.kind() != Kind::Array {
        return Err(mistyped(range, expected));
    }
    let ends: Vec<Value<'_>> = range.elements().collect();
    let [lo, hi] = ends.as_slice() else {
        let fault = range.fault(format!("a range has two ends, and this has {}", ends.len()));
        return Err(fault.expected(expected).into());
    };
    Ok(Unknown {
        name: name.to_owned(),
        position,
        between: [text(*lo)?, text(*hi)?],
        paper: object.get("paper").map(text).transpose()?,
        digits: object.get("digits").map_or(Ok(4), |value| whole(value, DIGITS))?,
        at: value.location(),
    })
}

/// Checks that a name may be given to a constant, an array, a block or a definition.
fn unique_names(case: Value<'_>) -> Result<()> {
    let mut seen: IndexMap<String, &str> = IndexMap::new();
    for section in ["constants", "data", "parameters", "define"] {
        for Member { name, key, .. } in case.member(section).into_iter().flat_map(Value::members) {
            let mut bytes = name.bytes();
            let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
            if !starts || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') || name.len() > MAX_NAME {
                let fault = key.fault(format!("{} cannot be a name", quote(&name)));
                return Err(fault
                    .expected("an ASCII letter or `_`, then letters, digits and `_`, at most 64 characters")
                    .into());
            }
            if RESERVED.contains(&name.as_str()) {
                let fault = key.fault(format!("the name `{name}` is reserved for expressions"));
                return Err(fault.expected("another name").into());
            }
            if let Some(other) = seen.insert(name.clone(), section) {
                let fault = key.fault(format!("the name `{name}` is already taken in `{other}`"));
                return Err(fault.expected("another name").into());
            }
        }
    }
    Ok(())
}

fn parameters(value: Option<Value<'_>>) -> Result<IndexMap<String, Located<Vec<usize>>>> {
    let Some(value) = value else {
        return Ok(IndexMap::new());
    };
    let mut blocks = IndexMap::new();
    let mut total = 0usize;
    for member in members(value, "a shape for each parameter block")? {
        let shape = shape(member.value, MAX_PARAMETERS)?;
        total += shape.iter().product::<usize>();
        if total > MAX_PARAMETERS {
            let fault = member
                .value
                .fault(format!("the case has more than {MAX_PARAMETERS} parameters"));
            return Err(fault.into());
        }
        blocks.insert(
            member.name,
            Located {
                value: shape,
                at: member.value.location(),
            },
        );
    }
    Ok(blocks)
}

fn model(value: Value<'_>) -> Result<Located<ModelSpec>> {
    let member = only_member(value, "a model", &ModelSpec::KINDS)?;
    match member.value.to_serde() {
        serde_json::Value::Object(options) => Ok(Located {
            value: ModelSpec {
                kind: member.name,
                options,
            },
            at: value.location(),
        }),
        _ => Err(mistyped(member.value, "an object: the model's options")),
    }
}

fn claim(value: Value<'_>) -> Result<ClaimSpec> {
    let names = ClaimKind::TABLE.map(|(_, name, _)| name);
    let member = only_member(value, "a claim", &names)?;
    let mut fields = IndexMap::new();
    let kind = ClaimKind::TABLE
        .into_iter()
        .find(|(_, name, _)| *name == member.name)
        .map(|(kind, _, _)| kind);
    let Some(kind) = kind else {
        return Err(mistyped(value, "a claim"));
    };
    if kind == ClaimKind::Inequality {
        if member.value.kind() != Kind::String {
            return Err(mistyped(member.value, "a string such as \"lhs >= rhs\""));
        }
        fields.insert("inequality".into(), text(member.value)?);
    } else {
        let object = Object::new(member.value, "this claim", kind.fields())?;
        for field in kind.fields() {
            fields.insert((*field).into(), text(object.require(field)?)?);
        }
    }
    Ok(ClaimSpec {
        kind,
        fields,
        at: value.location(),
    })
}

fn check(value: Option<Value<'_>>, case: Value<'_>) -> Result<CheckSpec> {
    let object = value
        .map(|value| Object::new(value, "`check`", CHECK_KEYS))
        .transpose()?;
    let get = |key| object.as_ref().and_then(|object| object.get(key));
    let count = |key, range, default| get(key).map_or(Ok(default), |value| whole(value, range));
    let confidence = match get("confidence") {
        None => 0.99,
        Some(value) => match float(value)? {
            confidence if confidence > 0.0 && confidence < 1.0 => confidence,
            _ => {
                return Err(value
                    .fault("a confidence lies between 0 and 1")
                    .expected("a number such as 0.99")
                    .into());
            }
        },
    };
    let tolerance = match get("tolerance") {
        None => {
            let mut at = value.unwrap_or(case).location();
            at.path = "$.check.tolerance".into();
            at.span.end = at.span.start + 1;
            Text {
                value: "1e-9".into(),
                at,
            }
        }
        Some(value) if value.decoded().trim_start().starts_with('-') => {
            return Err(value
                .fault("a tolerance is not negative")
                .expected("0 or a positive number")
                .into());
        }
        Some(value) => text(value)?,
    };
    Ok(CheckSpec {
        samples: count("samples", SAMPLES, 20_000)?,
        seed: count("seed", SEED, 0)?,
        confidence,
        tolerance,
        max_boxes: count("max_boxes", MAX_BOXES, 1_000_000)?,
        starts: count("starts", STARTS, 64)?,
    })
}
