//! How the trees of a proof stand in the file of a certificate: a long one is compressed with zstd and written in base64
//! behind the word `zstd:`. What a certificate says, its digest included, does not depend on that.

use std::fmt::Display;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Longer texts are compressed.
pub const PLAIN: usize = 8192;
/// Bytes of the trees of one certificate together, compressed ones unpacked.
pub const TOTAL: usize = 1 << 26;
/// What stands before a compressed text.
const MARK: &str = "zstd:";

/// The text as it stands in a file.
pub fn pack(tree: &mut String) {
    if tree.len() > PLAIN {
        let bytes = compress_to_vec(tree.as_bytes(), CompressionLevel::Fastest);
        *tree = format!("{MARK}{}", STANDARD.encode(bytes));
    }
}

/// The text that stands in a file, of which at most `budget` bytes are left to all that follow.
///
/// # Errors
/// A sentence, where it is not what it says it is, or longer than the budget.
pub fn unpack(tree: &mut String, budget: &mut usize) -> Result<(), String> {
    if let Some(packed) = tree.strip_prefix(MARK) {
        let fault = |fault: &dyn Display| format!("a tree is not zstd in base64: {fault}");
        let bytes = STANDARD.decode(packed).map_err(|error| fault(&error))?;
        let mut source = bytes.as_slice();
        let mut text = String::new();
        StreamingDecoder::new(&mut source)
            .map_err(|error| fault(&error))?
            .take(*budget as u64 + 1)
            .read_to_string(&mut text)
            .map_err(|error| fault(&error))?;
        if text.len() <= *budget && !source.is_empty() {
            return Err(fault(&"something follows the end"));
        }
        *tree = text;
    }
    *budget = budget
        .checked_sub(tree.len())
        .ok_or_else(|| format!("the trees of the proofs have more than {TOTAL} bytes"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long() -> String {
        "3/17:5/nmd".repeat(20_000)
    }

    fn packed(mut tree: String) -> String {
        pack(&mut tree);
        tree
    }

    fn unpacked(mut tree: String) -> Result<String, String> {
        unpack(&mut tree, &mut TOTAL.clone()).map(|()| tree)
    }

    #[test]
    fn short_trees_stay_and_long_ones_come_back() {
        assert_eq!(packed("0/nn".to_owned()), "0/nn");
        assert_eq!(unpacked("0/nn".to_owned()).unwrap(), "0/nn");
        let file = packed(long());
        assert!(file.starts_with(MARK) && file.len() < 4000, "{}", file.len());
        assert_eq!(unpacked(file).unwrap(), long());
    }

    /// Cut off, with something behind it, with other bytes: refused, or another text, which is then judged as such.
    #[test]
    fn what_is_damaged_is_refused() {
        let file = packed(long());
        for end in MARK.len()..file.len() {
            assert!(unpacked(file[..end].to_owned()) != Ok(long()), "{end}");
        }
        let bytes = STANDARD.decode(&file[MARK.len()..]).unwrap();
        let with = |bytes: &[u8]| unpacked(format!("{MARK}{}", STANDARD.encode(bytes)));
        assert!(with(&[&bytes, [0, 1, 2, 3].as_slice()].concat()).is_err());
        assert!(unpacked(format!("{MARK}?")).is_err());
        assert!(with(&[]).is_err());
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[place] ^= 1 << bit;
                let _ = with(&other);
            }
        }
    }

    /// What would not fit into the memory is not unpacked, be it one tree or many.
    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = packed("n".repeat(TOTAL / 4));
        assert!(bomb.len() < TOTAL / 1000);
        let mut budget = TOTAL / 2;
        assert!(unpack(&mut bomb.clone(), &mut budget).is_ok());
        assert_eq!(budget, TOTAL / 4);
        let mut tree = bomb.clone();
        assert!(unpack(&mut tree, &mut 1000).is_err());
        assert!(tree.len() <= 1001);
    }
}
