//! The vocabulary of the readers: objects with known keys, strings, numbers, shapes, nested lists, and
//! the faults that they report.

use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use super::json::{Kind, Member, Value};
use super::{SourceFile, Text};
use crate::diagnostic::{Diagnostic, nearest, quote};
use crate::error::{Error, Result};

/// Most axes of an array or a parameter block.
pub const MAX_RANK: usize = 8;

/// The bytes of a file of at most `limit` bytes, or why they cannot be had.
pub(crate) fn read_limited(path: &Path, limit: u64) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // looked at first: opening a pipe that nobody writes to would wait for ever
    let kind = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .file_type();
    if kind.is_dir() {
        return Err("a folder stands where a file was expected".into());
    }
    if !kind.is_file() {
        return Err("a pipe or a device stands where a file was expected".into());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        Err(too_large(limit))
    } else {
        Ok(bytes)
    }
}

/// What to say about a file of more than `limit` bytes.
pub(super) fn too_large(limit: u64) -> String {
    format!("the file is larger than {} MiB", limit >> 20)
}

/// UTF-8 text of a file, or a fault at the first byte that is none.
pub(crate) fn decode(bytes: Vec<u8>, name: &str) -> Result<String> {
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
    /// its members, in the order written
    pub(super) members: Vec<Member<'d>>,
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
pub(super) fn one_of(names: &[&str]) -> String {
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

/// A string that is one of the known ones.
pub(super) fn only_of(value: Value<'_>, known: &[&str]) -> Result<String> {
    let word = string(value)?;
    if known.contains(&word.as_str()) {
        return Ok(word);
    }
    let fault = value.fault(format!("{} is not known here", quote(&word)));
    Err(with_help(fault, &word, known).into())
}

/// A number or an expression, which is not blank.
pub(super) fn text(value: Value<'_>) -> Result<Text> {
    match value.kind() {
        Kind::String if value.decoded().trim().is_empty() => Err(value
            .fault("the expression is empty")
            .expected("a number or an expression")
            .into()),
        Kind::Number | Kind::String => Ok(Text {
            value: value.decoded(),
            at: value.location(),
        }),
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
            .fault(format!("{} is not allowed here", quote(value.raw())))
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
            let fault = value.fault(if members.is_empty() {
                format!("{what} is missing here")
            } else {
                format!("{what} is one thing, not several")
            });
            let place = members.get(1).map_or(opening(value), |second| second.key.span());
            Err(fault.span(place).expected(one_of(kinds)).into())
        }
    }
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
