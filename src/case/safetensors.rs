//! Arrays from a `.safetensors` file, as PyTorch, Burn and others write the parameters of a network.
//!
//! The format (<https://github.com/huggingface/safetensors#format>): the length of the header in eight bytes,
//! little-endian; the header, a JSON object that gives each tensor its `dtype`, its `shape` and its
//! `data_offsets` from the header's end; the entries, row-major and little-endian, without gaps. Only the header and the
//! tensor asked for are read, however long the file; nothing in it is trusted.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use super::SourceFile;
use super::data::MAX_ENTRIES;
use super::fields::{MAX_RANK, Object, decode, mistyped, one_of, open, string, whole, with_help};
use super::json::{Document, Kind, Value};
use crate::diagnostic::quote;
use crate::error::{Error, Result};

/// Keys of an array that comes from a safetensors file.
pub(super) const SAFETENSORS_KEYS: &[&str] = &["safetensors", "tensor", "transpose"];
/// Longest header, in bytes.
const MAX_HEADER: u64 = 16 << 20;
/// Key of the header that names no tensor.
const METADATA: &str = "__metadata__";
const ANY: RangeInclusive<u64> = 0..=u64::MAX;

/// How entries are stored: name, bytes of one, and the number that they are; none of these rounds.
const TYPES: [(&str, usize, Number); 4] = [
    ("F64", 8, |bytes| f64::from_le_bytes(entry(bytes))),
    ("F32", 4, |bytes| f32::from_le_bytes(entry(bytes)).into()),
    ("F16", 2, |bytes| half(u16::from_le_bytes(entry(bytes)))),
    ("BF16", 2, |bytes| {
        f32::from_bits(u32::from(u16::from_le_bytes(entry(bytes))) << 16).into()
    }),
];

type Number = fn(&[u8]) -> f64;

/// Reads the array that `{"safetensors": FILE, "tensor": NAME, "transpose": true}` names: its shape, and its
/// entries, row-major. `path` is where the file lies.
pub(super) fn read(object: &Object<'_>, path: &Path) -> Result<(Vec<usize>, Vec<f64>)> {
    let place = object.require("safetensors")?;
    let wanted = object.require("tensor")?;
    let transpose = object.get("transpose").map(truth).transpose()?.unwrap_or(false);
    let unreadable = |message: String| {
        let fault = place.fault(format!("the data file cannot be read: {message}"));
        Error::from(fault.help(format!("the file is {}", path.display())))
    };
    let mut file = open(path).map_err(unreadable)?;
    let length = file
        .metadata()
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    let header = header(&mut file, length, path).map_err(unreadable)?;
    let start = 8 + header.len() as u64;
    let name = format!("{}, header", path.display());
    let source = Arc::new(SourceFile {
        text: decode(header, &name)?,
        name,
    });
    let document = Document::parse(&source).map_err(Error::Input)?;
    let tensor = find(&document, length - start, wanted, path)?;

    let bytes = tensor
        .bytes(&mut file, start)
        .map_err(|error| unreadable(error.to_string()))?;
    let (_, size, number) = TYPES[tensor.kind];
    let values: Vec<f64> = bytes.chunks_exact(size).map(number).collect();
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let message = format!("entry {index} of this tensor is {}", values[index]);
        return Err(wanted.fault(message).expected("finite numbers").into());
    }
    match (transpose, tensor.shape.as_slice()) {
        (false, _) => Ok((tensor.shape, values)),
        (true, &[rows, columns]) => {
            let turned = (0..rows * columns).map(|i| values[i % rows * columns + i / rows]);
            Ok((vec![columns, rows], turned.collect()))
        }
        (true, shape) => {
            let fault = wanted.fault(format!("the shape of this tensor is {shape:?}"));
            Err(fault.expected("two axes, to be transposed").into())
        }
    }
}

/// The header's bytes.
fn header(file: &mut File, length: u64, path: &Path) -> std::result::Result<Vec<u8>, String> {
    let no = |what: &str| format!("{} is no safetensors file: {what}", path.display());
    let mut first = [0; 8];
    file.read_exact(&mut first)
        .map_err(|_| no("it has less than eight bytes"))?;
    let size = u64::from_le_bytes(first);
    if size > length.saturating_sub(8) {
        return Err(no("the header is longer than the file"));
    }
    if size > MAX_HEADER {
        return Err(no(&format!("the header is longer than {} MiB", MAX_HEADER >> 20)));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(|error| error.to_string())?;
    Ok(header)
}

/// A tensor of the header.
struct Tensor {
    /// position in [`TYPES`]
    kind: usize,
    shape: Vec<usize>,
    begin: u64,
    end: u64,
}

impl Tensor {
    /// Its bytes; there are as many as type and shape ask for.
    fn bytes(&self, file: &mut File, start: u64) -> std::io::Result<Vec<u8>> {
        file.seek(SeekFrom::Start(start + self.begin))?;
        let mut bytes = vec![0; (self.end - self.begin) as usize];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The tensor of the name that the case gives, after a look at all of them: together they fill the `length` bytes
/// behind the header.
fn find(document: &Document, length: u64, wanted: Value<'_>, path: &Path) -> Result<Tensor> {
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err(mistyped(root, "an object: the tensors by name"));
    }
    let name = string(wanted)?;
    let (mut ranges, mut found, mut names) = (Vec::new(), None, Vec::new());
    for member in root.members().filter(|member| member.name != METADATA) {
        let entry = Object::new(member.value, "a tensor", &["dtype", "shape", "data_offsets"])?;
        let (begin, end) = offsets(entry.require("data_offsets")?)?;
        ranges.push((begin, end, member.value));
        if member.name == name {
            found = Some((entry, begin, end));
        }
        names.push(member.name);
    }
    ranges.sort_by_key(|&(begin, end, _)| (begin, end));
    let mut covered = 0;
    for (begin, end, entry) in ranges {
        if begin != covered {
            let fault = entry.fault(format!(
                "this tensor begins at byte {begin}, where byte {covered} is next"
            ));
            return Err(fault.expected("tensors without gaps or overlaps").into());
        }
        covered = end;
    }
    if covered != length {
        let message = format!(
            "{} holds {length} bytes behind its header, which speaks of {covered}",
            path.display()
        );
        return Err(wanted.fault(message).help("the file may be cut off").into());
    }
    let Some((entry, begin, end)) = found else {
        names.sort();
        let known: Vec<&str> = names.iter().take(50).map(String::as_str).collect();
        let fault = wanted.fault(format!("{} has no tensor {}", path.display(), quote(&name)));
        return Err(with_help(fault, &name, &known).into());
    };
    let dtype = entry.require("dtype")?;
    let kind = string(dtype)?;
    let Some(kind) = TYPES.iter().position(|(name, ..)| *name == kind) else {
        let fault = wanted.fault(format!("the entries of this tensor are of type {}", quote(&kind)));
        return Err(fault.expected(one_of(&TYPES.map(|(name, ..)| name))).into());
    };
    let shape = shape(entry.require("shape")?, wanted)?;
    let size = (shape.iter().product::<usize>() * TYPES[kind].1) as u64;
    if end - begin != size {
        let place = entry.require("data_offsets")?;
        let fault = place.fault(format!("these are {} bytes", end - begin));
        return Err(fault.expected(format!("{size} bytes, by type and shape")).into());
    }
    Ok(Tensor {
        kind,
        shape,
        begin,
        end,
    })
}

/// First byte, and the byte behind the last.
fn offsets(value: Value<'_>) -> Result<(u64, u64)> {
    let ends: Vec<Value<'_>> = value.elements().collect();
    let &[begin, end] = ends.as_slice() else {
        return Err(mistyped(value, "a list of two offsets"));
    };
    let begin = whole(begin, ANY)?;
    Ok((begin, whole(end, begin..=u64::MAX)?))
}

/// The shape of the tensor that is wanted: not empty, and not too large.
fn shape(value: Value<'_>, wanted: Value<'_>) -> Result<Vec<usize>> {
    if value.kind() != Kind::Array {
        return Err(mistyped(value, "a shape such as `[2, 4]`"));
    }
    let sizes: Vec<u64> = value
        .elements()
        .map(|size| whole(size, ANY))
        .collect::<Result<_>>()?;
    let fault = |message: String| Err(wanted.fault(message).into());
    if sizes.contains(&0) {
        return fault("this tensor is empty".into());
    }
    if sizes.iter().fold(1, |all: u64, &size| all.saturating_mul(size)) > MAX_ENTRIES as u64 {
        return fault(format!("this tensor has more than {MAX_ENTRIES} entries"));
    }
    if sizes.len() > MAX_RANK {
        return fault(format!("this tensor has more than {MAX_RANK} axes"));
    }
    Ok(sizes.into_iter().map(|size| size as usize).collect())
}

/// `true` or `false`.
fn truth(value: Value<'_>) -> Result<bool> {
    match value.kind() {
        Kind::Bool => Ok(value.raw() == "true"),
        _ => Err(mistyped(value, "`true` or `false`")),
    }
}

/// The bytes of one entry.
fn entry<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut entry = [0; N];
    entry.copy_from_slice(bytes);
    entry
}

/// The number that IEEE 754's binary16 means: `2^(e - 15) (1 + m/1024)`, and `m 2^-24` for `e = 0`.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match (exponent, bits & 1023) {
        (0, _) => fraction * 2f64.powi(-24),
        (31, 0) => f64::INFINITY,
        (31, _) => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn binary16() {
        // IEEE 754 by hand: 1, -2, the largest, the least normal and subnormal numbers, 1/3 rounded
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2f64.powi(-14)),
            (0x0001, 2f64.powi(-24)),
            (0x83ff, -1023.0 * 2f64.powi(-24)),
            (0x3555, 0.333251953125),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x8000).is_sign_negative() && half(0x8000) == 0.0);
        assert_eq!(half(0xfc00), f64::NEG_INFINITY);
        assert!(half(0x7c01).is_nan());
    }
}
