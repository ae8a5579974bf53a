//! The arrays of a case: nested lists, columns of a CSV or a tensor of a file beside the case, or generated.
//!
//! Entries are the binary64 numbers that their text rounds to; they are finite and there is at least
//! one. Files outside the case's folder are not read unless the user allows it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord, Trim};
use indexmap::IndexMap;

use super::fields::{
    Object, decode, float, members, mistyped, opening, read_limited, rectangle, string, with_help,
};
use super::generate::{self, Recipe};
use super::json::{Kind, Member, Value};
use super::{Array, SourceFile, safetensors};
use crate::diagnostic::{Diagnostic, quote};
use crate::error::Result;

/// Most entries of one array, and of all arrays of a case together.
pub const MAX_ENTRIES: usize = 1 << 24;
/// Largest CSV file, in bytes.
pub const MAX_CSV_BYTES: u64 = 256 << 20;

/// Keys of an array that comes from a CSV.
pub(super) const CSV_KEYS: &[&str] = &["csv", "columns", "labels"];
/// Key of an array that is generated.
pub(super) const GENERATE_KEYS: &[&str] = &["generate"];

/// Where data files may lie.
#[derive(Clone, Debug)]
pub struct Folder {
    /// the case's folder; empty for the current one
    pub path: PathBuf,
    /// whether files outside it may be read
    pub allow_outside: bool,
}

/// Reads `data`, in the order written: generated arrays may use earlier ones.
/// The second result holds the recipes of those.
pub(super) fn read(
    value: Option<Value<'_>>,
    folder: &Folder,
) -> Result<(IndexMap<String, Array>, IndexMap<String, Recipe>)> {
    let (mut arrays, mut recipes) = (IndexMap::new(), IndexMap::new());
    let Some(value) = value else {
        return Ok((arrays, recipes));
    };
    let mut total = 0;
    for Member { name, value, .. } in members(value, "an array for each name")? {
        let (array, recipe) = array(value, folder, &arrays)?;
        total += array.values.len();
        if total > MAX_ENTRIES {
            let fault = value.fault(format!("the arrays up to this one have {total} entries"));
            let expected = format!("at most {MAX_ENTRIES} entries in all arrays together");
            return Err(fault.expected(expected).into());
        }
        if let Some(recipe) = recipe {
            recipes.insert(name.clone(), recipe);
        }
        arrays.insert(name, array);
    }
    Ok((arrays, recipes))
}

fn array(
    value: Value<'_>,
    folder: &Folder,
    earlier: &IndexMap<String, Array>,
) -> Result<(Array, Option<Recipe>)> {
    let mut recipe = None;
    let (shape, values) = match value.kind() {
        Kind::Number => (Vec::new(), vec![float(value)?]),
        Kind::Array => {
            let (shape, leaves) = rectangle(value, MAX_ENTRIES)?;
            (shape, leaves.into_iter().map(float).collect::<Result<_>>()?)
        }
        Kind::Object if value.member("generate").is_some() => {
            let object = Object::new(value, "a generated array", GENERATE_KEYS)?;
            let (found, tensor) = generate::generate(object.require("generate")?, earlier)?;
            recipe = Some(found);
            tensor
        }
        Kind::Object if value.member("safetensors").is_some() => {
            let object = Object::new(value, "an array from a tensor", safetensors::SAFETENSORS_KEYS)?;
            safetensors::read(&object, &locate(object.require("safetensors")?, folder)?)?
        }
        Kind::Object => {
            let object = Object::new(value, "an array from a file", CSV_KEYS)?;
            Table::read(object.require("csv")?, folder)?.columns(&object)?
        }
        Kind::Null | Kind::Bool | Kind::String => {
            return Err(mistyped(
                value,
                "nested lists of numbers, `{\"csv\": ..}`, `{\"safetensors\": ..}` or `{\"generate\": ..}`",
            ));
        }
    };
    let array = Array {
        shape,
        values: values.into(),
        at: value.location(),
    };
    Ok((array, recipe))
}

/// A CSV file with a header row. Rows are read one by one, so that the memory is that of the numbers.
struct Table {
    file: Arc<SourceFile>,
    header: StringRecord,
}

impl Table {
    fn read(value: Value<'_>, folder: &Folder) -> Result<Table> {
        let path = locate(value, folder)?;
        let name = path.display().to_string();
        let bytes = read_limited(&path, MAX_CSV_BYTES).map_err(|message| {
            value
                .fault(format!("the data file cannot be read: {message}"))
                .help(format!("the file is {name}"))
        })?;
        let file = Arc::new(SourceFile {
            text: decode(bytes, &name)?,
            name,
        });
        let header = reader(&file)
            .headers()
            .map_err(|error| malformed(&file, &error))?
            .clone();
        if header.is_empty() {
            let fault = Diagnostic::new("the file is empty").in_file(&file).span(0..0);
            return Err(fault
                .expected("a header row with the names of the columns")
                .into());
        }
        Ok(Table { file, header })
    }

    /// The chosen columns: `[n]` for one column, `[n, k]` for k.
    fn columns(&self, object: &Object<'_>) -> Result<(Vec<usize>, Vec<f64>)> {
        let columns = object.require("columns")?;
        let chosen = self.positions(columns)?;
        let labels = object.get("labels").map(labels).transpose()?;
        let (mut reader, mut record) = (reader(&self.file), StringRecord::new());
        let (mut values, mut rows) = (Vec::new(), 0);
        while reader
            .read_record(&mut record)
            .map_err(|error| malformed(&self.file, &error))?
        {
            rows += 1;
            for &column in &chosen {
                values.push(self.number(&record, column, labels.as_ref())?);
            }
            if values.len() > MAX_ENTRIES {
                return Err(columns
                    .fault(format!("the array has more than {MAX_ENTRIES} entries"))
                    .into());
            }
        }
        if rows == 0 {
            let fault = Diagnostic::new("the file has a header and no rows").in_file(&self.file);
            return Err(fault.span(0..0).expected("at least one row of numbers").into());
        }
        Ok((
            if chosen.len() == 1 {
                vec![rows]
            } else {
                vec![rows, chosen.len()]
            },
            values,
        ))
    }

    /// Positions of the columns that the case names.
    fn positions(&self, value: Value<'_>) -> Result<Vec<usize>> {
        if value.kind() != Kind::Array {
            return Err(mistyped(value, "a list of column names"));
        }
        let mut chosen = Vec::new();
        for element in value.elements() {
            let name = string(element)?;
            let mut matching = (0..self.header.len()).filter(|&i| &self.header[i] == name.trim());
            match (matching.next(), matching.next()) {
                (Some(_), Some(_)) => {
                    let message = format!("two columns of {} are named {}", self.file.name, quote(&name));
                    return Err(element.fault(message).into());
                }
                (Some(position), None) => chosen.push(position),
                (None, _) => {
                    let known: Vec<&str> = self.header.iter().take(50).collect();
                    let fault = element.fault(format!("{} has no column {}", self.file.name, quote(&name)));
                    return Err(with_help(fault, &name, &known).into());
                }
            }
        }
        if chosen.is_empty() {
            return Err(value
                .fault("no column is named")
                .expected("at least one column")
                .into());
        }
        Ok(chosen)
    }

    fn number(
        &self,
        record: &StringRecord,
        column: usize,
        labels: Option<&HashMap<String, f64>>,
    ) -> Result<f64> {
        let cell = &record[column];
        let expected = match labels {
            Some(labels) => match labels.get(cell) {
                Some(&number) => return Ok(number),
                None => "one of the texts in `labels`",
            },
            None => match decimal(cell) {
                Some(number) => return Ok(number),
                None => "a finite number",
            },
        };
        let found = if cell.is_empty() {
            "an empty cell".into()
        } else {
            quote(cell)
        };
        let message = format!("column {} holds {found}", quote(&self.header[column]));
        let fault = Diagnostic::new(message)
            .in_file(&self.file)
            .span(self.cell(record, column));
        Err(fault.expected(expected).into())
    }

    /// Bytes of a cell; of the whole row when quotes make its place unclear.
    fn cell(&self, record: &StringRecord, column: usize) -> Range<usize> {
        let start = record.position().map_or(0, |position| position.byte() as usize);
        // The reader reports the place behind the previous row, whose line break may still be ahead.
        let skip =
            self.file.text[start..].len() - self.file.text[start..].trim_start_matches(['\r', '\n']).len();
        let start = start + skip;
        let row = self.file.text[start..].lines().next().unwrap_or_default();
        if row.contains('"') {
            return start..start + row.len();
        }
        let before: usize = row.split(',').take(column).map(|cell| cell.len() + 1).sum();
        let cell = row.split(',').nth(column).unwrap_or_default();
        let start = start + before + (cell.len() - cell.trim_start().len());
        start..start + cell.trim().len()
    }
}

fn reader(file: &SourceFile) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(file.text.as_bytes())
}

/// A finite decimal number such as `-1.5e3`; no `inf`, no `nan`.
fn decimal(cell: &str) -> Option<f64> {
    let plain = cell
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    cell.parse()
        .ok()
        .filter(|number: &f64| plain && number.is_finite())
}

/// Numbers for the texts of a column.
fn labels(value: Value<'_>) -> Result<HashMap<String, f64>> {
    let members = members(value, "a number for each text")?;
    if members.is_empty() {
        return Err(value
            .fault("no label is given a number")
            .expected("at least one label")
            .span(opening(value))
            .into());
    }
    members
        .into_iter()
        .map(|member| Ok((member.name, float(member.value)?)))
        .collect()
}

/// What the CSV reader refuses: rows of unequal lengths.
fn malformed(file: &Arc<SourceFile>, error: &csv::Error) -> Diagnostic {
    let fault = Diagnostic::new("the file is not a table").in_file(file);
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let start = pos.as_ref().map_or(0, |pos| pos.byte() as usize);
            let length = file.text[start..].lines().next().map_or(0, str::len);
            let mut fault = fault
                .span(start..start + length)
                .expected(format!("{expected_len} cells, as in the header"));
            fault.message = format!("this row has {len} cells, the header has {expected_len}");
            fault
        }
        _ => fault.span(0..0).help(error.to_string()),
    }
}

/// The path of a data file, checked to lie in the case's folder, links followed.
fn locate(value: Value<'_>, folder: &Folder) -> Result<PathBuf> {
    let relative = PathBuf::from(string(value)?);
    let base = if folder.path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        &folder.path
    };
    let outside = || {
        value
            .fault("the data file lies outside the case's folder")
            .expected("a path inside it")
    };
    let climbs = relative
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    if climbs && !folder.allow_outside {
        return Err(outside().into());
    }
    let path = folder.path.join(&relative);
    let unreadable = |error: std::io::Error| {
        value
            .fault(format!("the data file cannot be read: {error}"))
            .help(format!("the path is relative to the case: {}", path.display()))
    };
    let real = path.canonicalize().map_err(unreadable)?;
    if !folder.allow_outside && !real.starts_with(base.canonicalize().map_err(unreadable)?) {
        return Err(outside().help("a link leads out of the folder").into());
    }
    Ok(path)
}
