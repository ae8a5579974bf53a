//! Arrays from safetensors files: values, digests, faults, and files that are not to be trusted.

use std::path::Path;

use proxycert::case::{Case, digest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A file with this header and these bytes behind it.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn case(data: &str) -> String {
    format!(
        r#"{{"name": "a", "data": {{{data}}}, "parameters": {{"x": [2]}}, "define": {{"f": "dot(x, x)"}},
            "claim": {{"convex": {{"f": "f"}}}}, "region": {{"w": {{"box": [-1, 1]}}}}}}"#
    )
}

/// The case whose array `a` is that tensor of a file of these bytes.
fn read(bytes: &[u8], tensor: &str) -> Result<Case, String> {
    read_in(&tempfile::tempdir().unwrap(), bytes, tensor)
}

fn read_in(folder: &tempfile::TempDir, bytes: &[u8], tensor: &str) -> Result<Case, String> {
    let path = folder.path().join("net.safetensors");
    // a file that is written over is flushed to the disk at once by some systems
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
    let text = case(&format!(r#""a": {{"safetensors": "net.safetensors", {tensor}}}"#));
    Case::parse(text, "case.json", folder.path(), false).map_err(|error| error.render(false))
}

fn inline(values: &str) -> Case {
    Case::parse(
        case(&format!(r#""a": {values}"#)),
        "case.json",
        Path::new(""),
        false,
    )
    .unwrap()
}

/// Two tensors: `net.weight`, of shape `[2, 3]` and binary32, behind `net.bias`, of shape `[2]` and binary64.
fn net() -> Vec<u8> {
    let mut data = Vec::new();
    for bias in [0.1f64, -0.0] {
        data.extend(bias.to_le_bytes());
    }
    for weight in [1.0f32, 2.5, -3.0, 0.1, 1e-40, 3.4e38] {
        data.extend(weight.to_le_bytes());
    }
    let header = r#"{"__metadata__": {"format": "pt"},
        "net.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [16, 40]},
        "net.bias": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}}   "#;
    file(header, &data)
}

#[test]
fn entries_are_taken_exactly_and_have_the_digest_of_the_same_numbers_inline() {
    let least = f64::from(1e-40f32);
    let most = f64::from(3.4e38f32);
    // the decimal digits of the binary32 number nearest to 0.1
    let tenth = "0.100000001490116119384765625";
    for (tensor, values) in [
        (r#""tensor": "net.bias""#, "[0.1, -0.0]".to_owned()),
        (
            r#""tensor": "net.weight""#,
            format!("[[1, 2.5, -3], [{tenth}, {least:e}, {most:e}]]"),
        ),
        (
            r#""tensor": "net.weight", "transpose": false"#,
            format!("[[1, 2.5, -3], [{tenth}, {least:e}, {most:e}]]"),
        ),
        (
            r#""tensor": "net.weight", "transpose": true"#,
            format!("[[1, {tenth}], [2.5, {least:e}], [-3, {most:e}]]"),
        ),
    ] {
        let (case, same) = (read(&net(), tensor).unwrap(), inline(&values));
        assert_eq!(case.data["a"].shape, same.data["a"].shape);
        assert_eq!(case.data["a"].values, same.data["a"].values);
        assert_eq!(digest::case(&case), digest::case(&same), "{tensor}");
    }
}

#[test]
fn the_digest_is_free_of_the_other_tensors() {
    let mut changed = net();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let bias = |bytes| digest::case(&read(bytes, r#""tensor": "net.bias""#).unwrap());
    assert_eq!(bias(&net()), bias(&changed));
    let weight = |bytes| digest::case(&read(bytes, r#""tensor": "net.weight""#).unwrap());
    assert_ne!(weight(&net()), weight(&changed));
}

#[test]
fn halves_and_scalars() {
    // 1.5 and -2 in binary16, and in the upper half of binary32
    let header = |dtype: &str, shape: &str| {
        format!(r#"{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": [0, 4]}}}}"#)
    };
    for (dtype, data) in [
        ("F16", [0x00, 0x3e, 0x00, 0xc0]),
        ("BF16", [0xc0, 0x3f, 0x00, 0xc0]),
    ] {
        let case = read(&file(&header(dtype, "[1, 2, 1]"), &data), r#""tensor": "a""#).unwrap();
        assert_eq!(case.data["a"].shape, [1, 2, 1]);
        assert_eq!(*case.data["a"].values, [1.5, -2.0]);
    }
    let scalar = file(&header("F32", "[]"), &0.75f32.to_le_bytes());
    let case = read(&scalar, r#""tensor": "a""#).unwrap();
    assert!(case.data["a"].shape.is_empty());
    assert_eq!(*case.data["a"].values, [0.75]);
}

#[test]
fn faults_say_what_and_where() {
    let one = |dtype: &str, shape: &str, offsets: &str, data: &[u8]| {
        let header =
            format!(r#"{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}}}"#);
        file(&header, data)
    };
    let a = r#""tensor": "a""#;
    let nan = f32::NAN.to_le_bytes();
    let cut = net()[..net().len() - 3].to_vec();
    for (bytes, tensor, words) in [
        (net(), r#""tensor": "net.wieght""#, "did you mean `net.weight`?"),
        (net(), r#""tensor": 3"#, "expected a string"),
        (net(), r#""transpose": true"#, "needs the key `tensor`"),
        (
            net(),
            r#""tensor": "net.bias", "transpose": 1"#,
            "`true` or `false`",
        ),
        (
            net(),
            r#""tensor": "net.bias", "transpose": true"#,
            "the shape of this tensor is [2]",
        ),
        (
            net(),
            r#""tensor": "net.bias", "columns": ["x"]"#,
            "has no key `columns`",
        ),
        (
            cut,
            r#""tensor": "net.bias""#,
            "holds 37 bytes behind its header, which speaks of 40",
        ),
        (net()[..5].to_vec(), a, "less than eight bytes"),
        (net()[..50].to_vec(), a, "the header is longer than the file"),
        (vec![255; 40], a, "the header is longer than the file"),
        (file("{} {", b""), a, "header:1:4"),
        (file("[1]", b""), a, "an object: the tensors by name"),
        (
            file(r#"{"a": {"shape": [1]}}"#, b""),
            a,
            "needs the key `data_offsets`",
        ),
        (file(r#"{"a": 1}"#, b""), a, "header:1:7"),
        (file("{\"a\": \"\u{1}", b""), a, "header:1:"),
        (
            one("F32", "[1]", "[0, 4]", &nan),
            a,
            "entry 0 of this tensor is NaN",
        ),
        (
            one("I64", "[1]", "[0, 8]", &[0; 8]),
            a,
            "expected one of `F64`, `F32`, `F16`, `BF16`",
        ),
        (
            one("F32", "[2]", "[0, 4]", &[0; 4]),
            a,
            "expected 8 bytes, by type and shape",
        ),
        (one("F32", "[0]", "[0, 0]", b""), a, "this tensor is empty"),
        (
            one("F32", "[1]", "[4, 8]", &[0; 8]),
            a,
            "begins at byte 4, where byte 0 is next",
        ),
        (one("F32", "[1]", "[4, 0]", &[0; 4]), a, "a whole number from 4"),
        (one("F32", "[1]", "[0]", &[0; 4]), a, "a list of two offsets"),
        (
            one("F32", "[1]", "[0, 4.5]", &[0; 4]),
            a,
            "`4.5` is not allowed here",
        ),
        (
            one("F32", "[-1]", "[0, 4]", &[0; 4]),
            a,
            "`-1` is not allowed here",
        ),
        (
            one("F32", "[1,1,1,1,1,1,1,1,1]", "[0, 4]", &[0; 4]),
            a,
            "more than 8 axes",
        ),
        (
            one("F32", "[4294967296, 4294967296]", "[0, 4]", &[0; 4]),
            a,
            "more than 16777216 entries",
        ),
        (
            one("F32", "[1]", "[0, 18446744073709551615]", &[0; 4]),
            a,
            "holds 4 bytes behind its header, which speaks of 18446744073709551615",
        ),
        (
            file(
                r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                    "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#,
                &[0; 4],
            ),
            a,
            "`a`",
        ),
    ] {
        let message = read(&bytes, tensor).map(|_| ()).unwrap_err();
        assert!(message.contains(words), "{words} missing in {message}");
    }
    // twice the same file, as two names: both are read
    let both = r#""tensor": "net.bias"}, "b": {"safetensors": "net.safetensors", "tensor": "net.weight""#;
    assert_eq!(read(&net(), both).unwrap().data.len(), 2);
}

#[test]
fn the_file_lies_in_the_folder_of_the_case() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(outer.path().join("net.safetensors"), net()).unwrap();
    for (path, words) in [
        ("../net.safetensors", "lies outside the case's folder"),
        ("absent.safetensors", "cannot be read"),
        (".", "a folder stands where a file was expected"),
    ] {
        let text = case(&format!(
            r#""a": {{"safetensors": "{path}", "tensor": "net.bias"}}"#
        ));
        let message = Case::parse(&text, "case.json", &inner, false)
            .map(|_| ())
            .unwrap_err()
            .render(false);
        assert!(message.contains(words), "{words} missing in {message}");
        assert!(message.contains("$.data.a.safetensors"), "{message}");
    }
    let text = case(r#""a": {"safetensors": "../net.safetensors", "tensor": "net.bias"}"#);
    assert!(Case::parse(&text, "case.json", &inner, true).is_ok());
}

/// Every truncation, and changed bytes: an error or other numbers, never a panic. The reader reserves no more than
/// the file holds, so that a wrong length costs nothing.
#[test]
fn no_truncation_and_no_changed_byte_makes_the_reader_panic() {
    let (folder, whole) = (tempfile::tempdir().unwrap(), net());
    for length in 0..whole.len() {
        assert!(
            read_in(&folder, &whole[..length], r#""tensor": "net.weight""#).is_err(),
            "{length}"
        );
    }
    let header = whole.len() - 40;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for turn in 0..10_000 {
        let mut bytes = whole.clone();
        for _ in 0..=turn % 3 {
            let at = random.random_range(0..header);
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        if let Ok(case) = read_in(&folder, &bytes, r#""tensor": "net.weight""#) {
            let array = &case.data["a"];
            assert_eq!(array.values.len(), array.shape.iter().product::<usize>());
            assert!(array.values.iter().all(|value| value.is_finite()));
        }
    }
}
