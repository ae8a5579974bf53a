//! Binary64 numbers in JSON: finite ones as numbers, the others as the strings `"inf"`, `"-inf"` and
//! `"nan"`, so that nothing is lost.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Word(String),
}

fn write(x: f64) -> Written {
    if x.is_finite() {
        Written::Number(x)
    } else if x.is_nan() {
        Written::Word("nan".to_owned())
    } else {
        Written::Word(if x > 0.0 { "inf" } else { "-inf" }.to_owned())
    }
}

fn read<E: serde::de::Error>(written: Written) -> Result<f64, E> {
    match written {
        Written::Number(x) => Ok(x),
        Written::Word(word) => match word.as_str() {
            "nan" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => Err(E::custom("expected a number, \"inf\", \"-inf\" or \"nan\"")),
        },
    }
}

/// For `#[serde(with = "...")]` on `f64`.
pub fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    write(*x).serialize(serializer)
}

/// For `#[serde(with = "...")]` on `f64`.
///
/// # Errors
/// When it is neither a number nor one of the three words.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    read(Written::deserialize(deserializer)?)
}

/// The same for `Option<f64>`.
pub mod option {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written, read, write};

    /// For `#[serde(with = "...")]` on `Option<f64>`.
    pub fn serialize<S: Serializer>(x: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        x.map(write).serialize(serializer)
    }

    /// For `#[serde(with = "...")]` on `Option<f64>`.
    ///
    /// # Errors
    /// When it is neither `null`, a number nor one of the three words.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Option::<Written>::deserialize(deserializer)?
            .map(read)
            .transpose()
    }
}

/// The same for both ends of an interval.
pub mod pair {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written, read, write};

    /// For `#[serde(with = "...")]` on `[f64; 2]`.
    pub fn serialize<S: Serializer>(ends: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
        ends.map(write).serialize(serializer)
    }

    /// For `#[serde(with = "...")]` on `[f64; 2]`.
    ///
    /// # Errors
    /// When an end is neither a number nor one of the three words.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
        let [lo, hi] = <[Written; 2]>::deserialize(deserializer)?;
        Ok([read(lo)?, read(hi)?])
    }
}
