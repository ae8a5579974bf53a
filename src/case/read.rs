//! From located JSON to a [`Case`]: known keys only, types, required fields, names, shapes and ranges.
//!
//! Whatever passes here is well formed; whether expressions make sense, and whether a region fits the
//! parameters, is for the stages behind.

use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::json::{Document, Kind, Member, Value};
use super::{
    BoxSpec, Case, CheckSpec, ClaimKind, ClaimSpec, Located, MAX_PARAMETERS, ModelSpec, RESERVED, RegionSpec,
    SetSpec, SideSpec, Source, SourceFile, TensorSpec, Text, data,
};
use crate::diagnostic::{Diagnostic, nearest, quote};
use crate::error::{Error, Result};

/// Largest case file, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;
/// Most axes of an array or a parameter block.
pub const MAX_RANK: usize = 8;
/// Most entries of a point, a centre or a box that the case spells out.
pub const MAX_ENTRIES: usize = 1 << 20;

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
];
/// Keys of `source`.
pub(super) const SOURCE_KEYS: &[&str] = &["work", "where", "note"];
/// Keys of `region`.
pub(super) const REGION_KEYS: &[&str] = &["w", "v", "where"];
/// Keys of `region.w` and `region.v`.
pub(super) const SIDE_KEYS: &[&str] = &["box", "ball", "point", "where"];
/// Keys of a ball.
pub(super) const BALL_KEYS: &[&str] = &["center", "radius"];
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
pub(super) const SAMPLES: RangeInclusive<u64> = 1..=10_000_000_000;
pub(super) const SEED: RangeInclusive<u64> = 0..=u64::MAX;
pub(super) const MAX_BOXES: RangeInclusive<u64> = 0..=1_000_000_000_000;
pub(super) const STARTS: RangeInclusive<u64> = 0..=1_000_000;

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

        let name = case_name(case.require("name")?)?;
        let title = case.get("title").map(string).transpose()?.unwrap_or_default();
        let source = case.get("source").map(source).transpose()?.unwrap_or_default();
        let constants = texts(case.get("constants"), "constants")?;
        let data = data::read(
            case.get("data"),
            &data::Folder {
                path: folder.into(),
                allow_outside,
            },
        )?;
        let parameters = parameters(case.get("parameters"))?;
        let model = case.get("model").map(model).transpose()?;
        if parameters.is_empty() && model.is_none() {
            let place = case.get("parameters").unwrap_or(document.root());
            let fault = place.fault("the case has no parameters");
            return Err(fault
                .expected("`parameters` with a shape for each block, or a `model`")
                .into());
        }
        let define = texts(case.get("define"), "define")?;
        unique_names(document.root())?;
        let claim = claim(case.require("claim")?)?;
        let region = region(case.require("region")?)?;
        let check = check(case.get("check"), document.root())?;
        let folder = folder.to_path_buf();
        Ok(Case {
            file,
            folder,
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
        })
    }
}

/// The bytes of a file of at most `limit` bytes, or why they cannot be had.
pub(super) fn read_limited(path: &Path, limit: u64) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err("a folder stands where a file was expected".into());
    }
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        Err(too_large(limit))
    } else {
        Ok(bytes)
    }
}

fn too_large(limit: u64) -> String {
    format!("the file is larger than {} MiB", limit >> 20)
}

/// UTF-8 text of a file, or a fault at the first byte that is none.
pub(super) fn decode(bytes: Vec<u8>, name: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let file = Arc::new(SourceFile {
            name: name.into(),
            text,
        });
        let fault = Diagnostic::new("the file is not UTF-8 text").in_file(&file);
        fault.span(at..at + '\u{fffd}'.len_utf8()).into()
    })
}

/// An object whose keys are known.
pub(super) struct Object<'d> {
    value: Value<'d>,
    members: Vec<Member<'d>>,
    what: &'static str,
}

impl<'d> Object<'d> {
    /// `what` names the object in messages, such as `a case`.
    pub(super) fn new(value: Value<'d>, what: &'static str, known: &[&str]) -> Result<Self> {
        let members = members(value, what)?;
        for Member { name, key, .. } in &members {
            if !known.contains(&name.as_str()) {
                let fault = key.fault(format!("{what} has no key {}", quote(name)));
                return Err(with_help(fault, name, known).into());
            }
        }
        Ok(Object { value, members, what })
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<Value<'d>> {
        self.members
            .iter()
            .find(|member| member.name == name)
            .map(|member| member.value)
    }

    /// The value of a key that must be there.
    pub(super) fn require(&self, name: &str) -> Result<Value<'d>> {
        self.get(name).ok_or_else(|| {
            self.value
                .fault(format!("{} needs the key `{name}`", self.what))
                .span(opening(self.value))
                .into()
        })
    }
}

/// The bracket that opens a container: enough to point at.
pub(super) fn opening(value: Value<'_>) -> std::ops::Range<usize> {
    value.span().start..value.span().start + 1
}

/// A fault about a name that is not among the known ones.
pub(super) fn with_help(fault: Diagnostic, name: &str, known: &[&str]) -> Diagnostic {
    let fault = fault.expected(one_of(known));
    match nearest(name, known.iter().copied()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault,
    }
}

/// Names as a message lists them.
fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", quoted.join(", ")),
    }
}

/// A value of another type than expected.
pub(super) fn mistyped(value: Value<'_>, expected: impl Into<String>) -> Error {
    let fault = value.fault(format!("{} cannot stand here", value.kind().name()));
    let fault = match value.kind() {
        Kind::Array | Kind::Object => fault.span(opening(value)),
        Kind::Null | Kind::Bool | Kind::Number | Kind::String => fault,
    };
    fault.expected(expected).into()
}

/// The members of an object.
pub(super) fn members<'d>(value: Value<'d>, what: &str) -> Result<Vec<Member<'d>>> {
    match value.kind() {
        Kind::Object => Ok(value.members().collect()),
        _ => Err(mistyped(value, format!("an object: {what}"))),
    }
}

/// A string.
pub(super) fn string(value: Value<'_>) -> Result<String> {
    match value.kind() {
        Kind::String => Ok(value.decoded()),
        _ => Err(mistyped(value, "a string")),
    }
}

/// A number or an expression, which is not blank.
pub(super) fn text(value: Value<'_>) -> Result<Text> {
    let text = Text {
        value: value.decoded(),
        at: value.location(),
    };
    match value.kind() {
        Kind::String if text.value.trim().is_empty() => Err(value
            .fault("the expression is empty")
            .expected("a number or an expression")
            .into()),
        Kind::Number | Kind::String => Ok(text),
        _ => Err(mistyped(value, "a number, or an expression as a string")),
    }
}

/// A whole number in a range.
pub(super) fn whole(value: Value<'_>, range: RangeInclusive<u64>) -> Result<u64> {
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    if value.kind() != Kind::Number {
        return Err(mistyped(value, expected));
    }
    match value.raw().parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(value
            .fault(format!("{} is out of range", quote(value.raw())))
            .expected(expected)
            .into()),
    }
}

/// The binary64 number that a JSON number rounds to, finite.
pub(super) fn float(value: Value<'_>) -> Result<f64> {
    if value.kind() != Kind::Number {
        return Err(mistyped(value, "a number"));
    }
    match value.raw().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(value
            .fault("the number is too large for binary64")
            .expected("at most 1.797e308")
            .into()),
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
fn texts(value: Option<Value<'_>>, what: &str) -> Result<IndexMap<String, Text>> {
    let Some(value) = value else {
        return Ok(IndexMap::new());
    };
    members(value, what)?
        .into_iter()
        .map(|member| Ok((member.name, text(member.value)?)))
        .collect()
}

/// Checks that a name may be given to a constant, an array, a block or a definition.
fn unique_names(case: Value<'_>) -> Result<()> {
    let mut seen: IndexMap<String, &str> = IndexMap::new();
    for section in ["constants", "data", "parameters", "define"] {
        for Member { name, key, .. } in case.member(section).into_iter().flat_map(Value::members) {
            let mut bytes = name.bytes();
            let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
            if !starts || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') || name.len() > 100 {
                let fault = key.fault(format!("{} cannot be a name", quote(&name)));
                return Err(fault
                    .expected("an ASCII letter or `_`, then letters, digits and `_`")
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

/// A shape: a list of positive sizes, with at most `limit` entries together.
pub(super) fn shape(value: Value<'_>, limit: usize) -> Result<Vec<usize>> {
    if value.kind() != Kind::Array {
        return Err(mistyped(value, "a shape such as `[2, 4]`"));
    }
    let mut shape = Vec::new();
    let mut size = 1usize;
    for element in value.elements() {
        let axis = whole(element, 1..=limit as u64)? as usize;
        size = size.saturating_mul(axis);
        shape.push(axis);
        if shape.len() > MAX_RANK {
            return Err(element
                .fault(format!("a shape has at most {MAX_RANK} axes"))
                .into());
        }
    }
    if size > limit {
        return Err(value
            .fault(format!("this shape has more than {limit} entries"))
            .into());
    }
    Ok(shape)
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

/// The only member of an object whose key chooses a kind.
pub(super) fn only_member<'d>(value: Value<'d>, what: &str, kinds: &[&str]) -> Result<Member<'d>> {
    let members = members(value, what)?;
    for member in &members {
        if !kinds.contains(&member.name.as_str()) {
            let fault = member.key.fault(format!("{} is not {what}", quote(&member.name)));
            return Err(with_help(fault, &member.name, kinds).into());
        }
    }
    match <[Member<'d>; 1]>::try_from(members) {
        Ok([only]) => Ok(only),
        Err(members) => {
            let fault = value.fault(format!("{what} is one thing; {} stand here", members.len()));
            let place = members.get(1).map_or(opening(value), |second| second.key.span());
            Err(fault.span(place).expected(one_of(kinds)).into())
        }
    }
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

fn region(value: Value<'_>) -> Result<RegionSpec> {
    let object = Object::new(value, "a region", REGION_KEYS)?;
    let mut constraints = Vec::new();
    let w = side(object.require("w")?, &mut constraints)?;
    let v = object.get("v").map(|v| side(v, &mut constraints)).transpose()?;
    inequalities(object.get("where"), &mut constraints)?;
    Ok(RegionSpec {
        w,
        v,
        constraints,
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

fn tensor(value: Value<'_>) -> Result<TensorSpec> {
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

/// The shape and the entries, row-major, of nested lists that form a full rectangle.
pub(super) fn rectangle(value: Value<'_>, limit: usize) -> Result<(Vec<usize>, Vec<Value<'_>>)> {
    let mut shape = Vec::new();
    let mut level = vec![value];
    while level.iter().any(|entry| entry.kind() == Kind::Array) {
        let length = level[0].elements().count();
        let mut below = Vec::new();
        for list in &level {
            if list.kind() != Kind::Array {
                let fault = list.fault("lists and numbers stand side by side");
                return Err(fault.expected("a full rectangle of numbers").into());
            }
            let before = below.len();
            below.extend(list.elements());
            if below.len() > limit {
                return Err(list
                    .fault(format!("the array has more than {limit} entries"))
                    .span(opening(*list))
                    .into());
            }
            if below.len() - before != length {
                let message = format!(
                    "this row has {} entries, the first one has {length}",
                    below.len() - before
                );
                return Err(list
                    .fault(message)
                    .expected(format!("a list of {length} entries"))
                    .into());
            }
        }
        if length == 0 {
            return Err(value
                .fault("the array is empty")
                .expected("at least one entry")
                .into());
        }
        shape.push(length);
        if shape.len() > MAX_RANK {
            return Err(value
                .fault(format!("an array has at most {MAX_RANK} axes"))
                .span(opening(value))
                .into());
        }
        level = below;
    }
    Ok((shape, level))
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
