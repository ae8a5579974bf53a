//! Generated arrays: a kind, sizes and a seed, the same bytes on every machine.
//!
//! # The random stream
//! ChaCha20 with the seed's eight bytes (little-endian) followed by 24 zero bytes as its key, stream
//! number 0 and block counter 0 (D. J. Bernstein's layout: 64-bit counter, 64-bit stream). Two
//! successive 32-bit words, the lower one first, make a 64-bit word `r`.
//! - A uniform number is `(r >> 11) * 2^-53`, in `[0, 1)`.
//! - A pair of normal numbers is `s cos(t)`, `s sin(t)` with `s = sqrt(-2 log(1 - u))`, `t = 2 pi u'` for
//!   two successive uniform numbers `u`, `u'` (Box and Muller 1958).
//!
//! Elementary functions come from the `libm` crate, not from the platform; arithmetic is binary64.

use std::f64::consts::TAU;

use indexmap::IndexMap;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Array;
use super::data::MAX_ENTRIES;
use super::fields::{Object, float, mistyped, rectangle, shape, string, whole, with_help};
use super::json::{Kind, Value};
use super::read::SEED;
use crate::diagnostic::quote;
use crate::error::Result;

/// The kinds, each with the keys that it takes; every kind takes `kind` and `seed`.
pub(super) const KINDS: [(&str, &[&str]); 6] = [
    ("gaussian", &["kind", "seed", "shape", "mean", "deviation"]),
    ("uniform", &["kind", "seed", "shape", "low", "high"]),
    ("sphere", &["kind", "seed", "shape", "radius"]),
    (
        "teacher",
        &[
            "kind",
            "seed",
            "inputs",
            "weights",
            "activation",
            "slope",
            "output",
        ],
    ),
    (
        "separable",
        &["kind", "seed", "shape", "part", "margin", "direction"],
    ),
    ("noise", &["kind", "seed", "of", "flip", "deviation"]),
];
/// Activations of a teacher.
pub(super) const ACTIVATIONS: &[&str] = &["identity", "relu", "leaky_relu", "sigmoid", "tanh", "softplus"];
/// What a teacher gives.
pub(super) const OUTPUTS: &[&str] = &["value", "sign"];
/// The arrays that `separable` makes.
pub(super) const PARTS: &[&str] = &["inputs", "labels", "direction"];

/// A shape and entries, row-major.
type Tensor = (Vec<usize>, Vec<f64>);

/// How an array is generated: what stands behind `generate`, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// seed of its stream
    pub seed: u64,
    /// sizes of the axes
    pub shape: Vec<usize>,
    /// from what the entries come
    pub law: Law,
}

/// The kinds with their options.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// `mean + deviation * z`, `z` standard normal
    Gaussian {
        /// expectation of an entry
        mean: f64,
        /// its standard deviation
        deviation: f64,
    },
    /// uniform from `low` to `high`
    Uniform {
        /// lower end
        low: f64,
        /// upper end
        high: f64,
    },
    /// rows uniform on the sphere
    Sphere {
        /// length of a row
        radius: f64,
    },
    /// `activation(<weights, x_i>)` for the rows of the array `inputs`, or its sign
    Teacher {
        /// an earlier array
        inputs: String,
        /// absent: a unit vector drawn from the seed
        weights: Option<Vec<f64>>,
        /// one of [`ACTIVATIONS`]
        activation: &'static str,
        /// of a leaky relu
        slope: f64,
        /// whether the sign is given instead of the value
        sign: bool,
    },
    /// a part of rows and labels with `y_i <u, x_i> >= margin`
    Separable {
        /// one of [`PARTS`]
        part: &'static str,
        /// the margin, above 0
        margin: f64,
        /// `u`, of length 1; absent: drawn from the seed
        direction: Option<Vec<f64>>,
    },
    /// the earlier array `of`, changed
    Noise {
        /// an earlier array
        of: String,
        /// how its entries change
        change: Change,
    },
}

/// What noise does to an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// another sign with this probability
    Flip(f64),
    /// a normal number of this standard deviation added
    Deviation(f64),
}

impl Recipe {
    /// The earlier array that this one is made from.
    pub fn source(&self) -> Option<&str> {
        match &self.law {
            Law::Teacher { inputs, .. } => Some(inputs),
            Law::Noise { of, .. } => Some(of),
            Law::Gaussian { .. } | Law::Uniform { .. } | Law::Sphere { .. } | Law::Separable { .. } => None,
        }
    }

    /// The entries for this shape, which may have another number of rows than the recipe's own; `source` holds
    /// the entries of the earlier array.
    fn entries(&self, shape: &[usize], mut stream: Stream, source: &[f64]) -> Vec<f64> {
        let size: usize = shape.iter().product();
        let stream = &mut stream;
        match &self.law {
            Law::Gaussian { mean, deviation } => {
                (0..size).map(|_| mean + deviation * stream.normal()).collect()
            }
            Law::Uniform { low, high } => (0..size).map(|_| low + (high - low) * stream.uniform()).collect(),
            Law::Sphere { radius } => (0..shape[0])
                .flat_map(|_| stream.direction(shape[1]))
                .map(|entry| radius * entry)
                .collect(),
            Law::Teacher {
                inputs: _,
                weights,
                activation,
                slope,
                sign,
            } => {
                let columns = source.len() / shape[0].max(1);
                let weights = weights.clone().unwrap_or_else(|| stream.direction(columns));
                let label = |row: &[f64]| {
                    let value = activate(activation, *slope, dot(row, &weights));
                    if *sign { sign_of(value) } else { value }
                };
                source.chunks(columns.max(1)).map(label).collect()
            }
            Law::Separable {
                part,
                margin,
                direction,
            } => separable(shape, part, *margin, direction.as_deref(), stream),
            Law::Noise {
                change: Change::Flip(probability),
                ..
            } => source
                .iter()
                .map(|entry| {
                    if stream.uniform() < *probability {
                        -entry
                    } else {
                        *entry
                    }
                })
                .collect(),
            Law::Noise {
                change: Change::Deviation(deviation),
                ..
            } => source
                .iter()
                .map(|entry| entry + deviation * stream.normal())
                .collect(),
        }
    }

    /// Another draw of the array, of this shape, from the stream that belongs to its seed and `key`.
    pub(super) fn redraw(&self, shape: &[usize], key: [u64; 3], source: &[f64]) -> Vec<f64> {
        self.entries(shape, Stream::with_key(self.seed, key), source)
    }
}

/// Makes the array that `value`, the object behind `generate`, describes.
pub(super) fn generate(value: Value<'_>, earlier: &IndexMap<String, Array>) -> Result<(Recipe, Tensor)> {
    let kinds = KINDS.map(|(name, _)| name);
    let Some(kind) = value.member("kind") else {
        let fault = value
            .fault("a generated array needs the key `kind`")
            .span(super::fields::opening(value));
        return Err(with_help(fault, "", &kinds).into());
    };
    let index = choice(kind, &kinds)?;
    let options = Object::new(value, "this generated array", KINDS[index].1)?;
    let seed = whole(options.require("seed")?, SEED)?;
    let (shape, law) = match kinds[index] {
        "gaussian" => gaussian(&options)?,
        "uniform" => uniform(&options)?,
        "sphere" => sphere(&options)?,
        "teacher" => teacher(&options, earlier)?,
        "separable" => separable_law(&options)?,
        _ => noise(&options, earlier)?,
    };
    let recipe = Recipe { seed, shape, law };
    let source = recipe.source().and_then(|name| earlier.get(name));
    let source: &[f64] = source.map_or(&[], |array| &array.values);
    let values = recipe.entries(&recipe.shape, Stream::new(seed), source);
    if values.iter().any(|entry| !entry.is_finite()) {
        return Err(value
            .fault("the generated numbers exceed binary64")
            .expected("smaller options")
            .into());
    }
    // the direction of separable data is a vector, though its rows and columns are given
    let shape = match &recipe.law {
        Law::Separable { part: "labels", .. } => vec![recipe.shape[0]],
        Law::Separable {
            part: "direction", ..
        } => vec![recipe.shape[1]],
        _ => recipe.shape.clone(),
    };
    Ok((recipe, (shape, values)))
}

/// Position of a string among the allowed ones.
fn choice(value: Value<'_>, allowed: &[&str]) -> Result<usize> {
    let text = string(value)?;
    allowed.iter().position(|name| *name == text).ok_or_else(|| {
        with_help(
            value.fault(format!("{} is not known here", quote(&text))),
            &text,
            allowed,
        )
        .into()
    })
}

/// A number, or its default.
fn number(options: &Object<'_>, key: &str, default: f64) -> Result<f64> {
    options.get(key).map_or(Ok(default), float)
}

/// A number above zero.
fn positive(value: Value<'_>) -> Result<f64> {
    match float(value)? {
        number if number > 0.0 => Ok(number),
        _ => Err(value
            .fault("this number must be above zero")
            .expected("a positive number")
            .into()),
    }
}

fn any_shape(options: &Object<'_>) -> Result<Vec<usize>> {
    shape(options.require("shape")?, MAX_ENTRIES)
}

/// A shape `[rows, columns]`.
fn table_shape(options: &Object<'_>) -> Result<[usize; 2]> {
    let value = options.require("shape")?;
    <[usize; 2]>::try_from(shape(value, MAX_ENTRIES)?).map_err(|_| {
        value
            .fault("this shape has another number of axes")
            .expected("`[rows, columns]`")
            .into()
    })
}

fn gaussian(options: &Object<'_>) -> Result<(Vec<usize>, Law)> {
    let (mean, deviation) = (number(options, "mean", 0.0)?, number(options, "deviation", 1.0)?);
    Ok((any_shape(options)?, Law::Gaussian { mean, deviation }))
}

fn uniform(options: &Object<'_>) -> Result<(Vec<usize>, Law)> {
    let (low, high) = (number(options, "low", 0.0)?, number(options, "high", 1.0)?);
    if let (Some(value), false) = (options.get("high").or(options.get("low")), low < high) {
        return Err(value
            .fault("the interval is empty")
            .expected("`low` below `high`")
            .into());
    }
    Ok((any_shape(options)?, Law::Uniform { low, high }))
}

fn sphere(options: &Object<'_>) -> Result<(Vec<usize>, Law)> {
    let radius = options.get("radius").map_or(Ok(1.0), positive)?;
    Ok((table_shape(options)?.to_vec(), Law::Sphere { radius }))
}

fn teacher(options: &Object<'_>, earlier: &IndexMap<String, Array>) -> Result<(Vec<usize>, Law)> {
    let place = options.require("inputs")?;
    let inputs = known(place, earlier)?;
    let [rows, columns] = inputs.shape[..] else {
        return Err(place
            .fault("a teacher needs inputs of two axes")
            .expected("an array `[rows, columns]`")
            .into());
    };
    let activation = options
        .get("activation")
        .map_or(Ok(0), |value| choice(value, ACTIVATIONS))?;
    let slope = match options.get("slope") {
        Some(value) if ACTIVATIONS[activation] != "leaky_relu" => {
            return Err(value.fault("only `leaky_relu` has a slope").into());
        }
        slope => slope.map_or(Ok(0.01), float)?,
    };
    let sign = options
        .get("output")
        .map_or(Ok(0), |value| choice(value, OUTPUTS))?
        == 1;
    let law = Law::Teacher {
        inputs: string(place)?,
        weights: options
            .get("weights")
            .map(|value| vector(value, columns))
            .transpose()?,
        activation: ACTIVATIONS[activation],
        slope,
        sign,
    };
    Ok((vec![rows], law))
}

/// 1 from 0 on, -1 below.
fn sign_of(value: f64) -> f64 {
    match value {
        value if value.is_nan() => value,
        value if value >= 0.0 => 1.0,
        _ => -1.0,
    }
}

/// An activation of a teacher; all of them grow, a leaky relu where its slope is not negative.
pub(super) fn activate(name: &str, slope: f64, z: f64) -> f64 {
    match name {
        "relu" => libm::fmax(z, 0.0),
        "leaky_relu" => {
            if z >= 0.0 {
                z
            } else {
                slope * z
            }
        }
        "sigmoid" => 1.0 / (1.0 + libm::exp(-z)),
        "tanh" => libm::tanh(z),
        "softplus" => libm::fmax(z, 0.0) + libm::log1p(libm::exp(-libm::fabs(z))),
        _ => z,
    }
}

fn separable_law(options: &Object<'_>) -> Result<(Vec<usize>, Law)> {
    let [rows, columns] = table_shape(options)?;
    let margin = positive(options.require("margin")?)?;
    let part = PARTS[choice(options.require("part")?, PARTS)?];
    let direction = match options.get("direction") {
        Some(value) => Some(unit(vector(value, columns)?).ok_or_else(|| {
            value
                .fault("a direction is not zero")
                .expected("a nonzero vector")
        })?),
        None => None,
    };
    let law = Law::Separable {
        part,
        margin,
        direction,
    };
    Ok((vec![rows, columns], law))
}

/// Rows `x_i` and labels `y_i` in {-1, 1} with `y_i <u, x_i> >= margin`, or the direction `u` itself.
///
/// Draws, in this order: `u` (a random unit vector, or the given one divided by its length); then for each row its label
/// (1 when a uniform number is at least 1/2), a normal vector `z` and a normal number `t`. The row
/// is `z - <u, z> u + y (margin + |t|) u`, so `y <u, x> = margin + |t|` up to rounding. Where rounding
/// might have cost the margin the row is moved along `y u` until `y <u, x> >= margin` holds in exact
/// arithmetic, shown by the bound `d 2^-52 sum |u_j x_j|` on the error of the computed product.
fn separable(
    shape: &[usize],
    part: &str,
    margin: f64,
    direction: Option<&[f64]>,
    stream: &mut Stream,
) -> Vec<f64> {
    let (rows, columns) = (shape[0], shape[1]);
    let direction = direction.map_or_else(|| stream.direction(columns), <[f64]>::to_vec);
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let label = if stream.uniform() >= 0.5 { 1.0 } else { -1.0 };
        let mut row: Vec<f64> = (0..columns).map(|_| stream.normal()).collect();
        let wanted = margin + libm::fabs(stream.normal());
        let along = label * wanted - dot(&row, &direction);
        add_multiple(&mut row, along, &direction);
        let mut push = libm::fmax(margin * f64::EPSILON, f64::MIN_POSITIVE);
        while label * dot(&row, &direction) - product_error(&row, &direction) < margin && push.is_finite() {
            push *= 2.0;
            add_multiple(&mut row, label * push, &direction);
        }
        inputs.extend(row);
        labels.push(label);
    }
    match part {
        "inputs" => inputs,
        "labels" => labels,
        _ => direction,
    }
}

fn add_multiple(row: &mut [f64], factor: f64, direction: &[f64]) {
    for (entry, u) in row.iter_mut().zip(direction) {
        *entry += factor * u;
    }
}

/// A bound on the rounding error of `dot`, for fewer than 2^24 entries.
fn product_error(row: &[f64], direction: &[f64]) -> f64 {
    let size: f64 = row.iter().zip(direction).map(|(x, u)| libm::fabs(x * u)).sum();
    row.len() as f64 * f64::EPSILON * size + f64::MIN_POSITIVE
}

fn noise(options: &Object<'_>, earlier: &IndexMap<String, Array>) -> Result<(Vec<usize>, Law)> {
    let place = options.require("of")?;
    let array = known(place, earlier)?;
    let change = match (options.get("flip"), options.get("deviation")) {
        (Some(flip), None) => {
            let probability = float(flip)?;
            if !(0.0..=1.0).contains(&probability) {
                return Err(flip
                    .fault("this is no probability")
                    .expected("a number from 0 to 1")
                    .into());
            }
            Change::Flip(probability)
        }
        (None, Some(deviation)) => Change::Deviation(positive(deviation)?),
        (None, None) | (Some(_), Some(_)) => {
            let place = options.get("deviation").unwrap_or(options.require("kind")?);
            return Err(place
                .fault("noise is of one kind")
                .expected("one of `flip`, `deviation`")
                .into());
        }
    };
    let of = string(place)?;
    Ok((array.shape.clone(), Law::Noise { of, change }))
}

/// An array that stands earlier in `data`.
fn known<'a>(value: Value<'_>, earlier: &'a IndexMap<String, Array>) -> Result<&'a Array> {
    let name = string(value)?;
    earlier.get(&name).ok_or_else(|| {
        let fault = value.fault(format!("{} is no array above this one", quote(&name)));
        let names: Vec<&str> = earlier.keys().map(String::as_str).collect();
        if names.is_empty() {
            fault.into()
        } else {
            with_help(fault, &name, &names).into()
        }
    })
}

/// A list of numbers of that length.
fn vector(value: Value<'_>, length: usize) -> Result<Vec<f64>> {
    if value.kind() != Kind::Array {
        return Err(mistyped(value, format!("a list of {length} numbers")));
    }
    let (shape, leaves) = rectangle(value, MAX_ENTRIES)?;
    if shape != [length] {
        return Err(value
            .fault("this list has another shape")
            .expected(format!("a list of {length} numbers"))
            .into());
    }
    leaves.into_iter().map(float).collect()
}

/// Inner product, summed from the first entry to the last.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// The vector divided by its length; nothing for one of length zero.
fn unit(vector: Vec<f64>) -> Option<Vec<f64>> {
    let largest = vector
        .iter()
        .fold(0.0, |largest, entry| libm::fmax(largest, libm::fabs(*entry)));
    let scaled: Vec<f64> = vector.iter().map(|entry| entry / largest).collect();
    let length = libm::sqrt(dot(&scaled, &scaled));
    (largest > 0.0 && length.is_finite()).then(|| scaled.iter().map(|entry| entry / length).collect())
}

/// The random stream that the head of this module defines.
struct Stream {
    words: ChaCha20Rng,
    /// second number of the last normal pair
    spare: Option<f64>,
}

impl Stream {
    fn new(seed: u64) -> Self {
        Stream::with_key(seed, [0; 3])
    }

    /// The stream whose key is the seed followed by these three words, little-endian.
    fn with_key(seed: u64, rest: [u64; 3]) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, rest[0], rest[1], rest[2]]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Stream {
            words: ChaCha20Rng::from_seed(key),
            spare: None,
        }
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        let low = u64::from(self.words.next_u32());
        let high = u64::from(self.words.next_u32());
        ((high << 32 | low) >> 11) as f64 * STEP
    }

    /// Standard normal.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let length = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        let angle = TAU * self.uniform();
        self.spare = Some(length * libm::sin(angle));
        length * libm::cos(angle)
    }

    /// A vector uniform on the unit sphere.
    fn direction(&mut self, columns: usize) -> Vec<f64> {
        loop {
            let vector = (0..columns).map(|_| self.normal()).collect();
            if let Some(unit) = unit(vector) {
                return unit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Case, digest};
    use super::*;

    /// The arrays of a case with this `data`.
    fn arrays(data: &str) -> IndexMap<String, Array> {
        let text = format!(
            r#"{{"name": "a", "data": {data}, "parameters": {{"p": [1]}}, "claim": {{"convex": {{"f": "p"}}}},
                "region": {{"w": {{"box": [0, 1]}}}}}}"#
        );
        Case::parse(text, "case.json", Path::new(""), false)
            .expect("a sound case")
            .data
    }

    fn array(options: &str) -> Array {
        arrays(&format!(r#"{{"x": {{"generate": {options}}}}}"#))
            .swap_remove("x")
            .expect("the array")
    }

    #[test]
    fn uniform_numbers_are_those_of_an_independent_implementation_of_the_stream() {
        // From ChaCha20 written in Python after Bernstein's paper, checked on the vector of the zero key.
        let x = array(r#"{"kind": "uniform", "seed": 7, "shape": [100, 3]}"#);
        assert_eq!(
            x.values[..3],
            [0.2679482935290153, 0.053891542877577914, 0.17245316932249133]
        );
        assert_eq!(
            digest::array(&x),
            "c1edb6d2aa50b6048a643680391ca9f5d1ee9a1235da71b8cad4004c286559ef"
        );
        let x = array(r#"{"kind": "uniform", "seed": 18446744073709551615, "shape": [1]}"#);
        assert_eq!(x.values[..], [0.9189655693298229]);
    }

    #[test]
    fn normal_numbers_are_those_of_multiprecision() {
        // The transform of the head of this module, in mpmath with 200 bits, rounded to binary64.
        let expected = [
            -1.7462631049239377,
            -2.0762108524124563,
            -0.3516145090716673,
            0.7562133399369255,
            1.3698382985396205,
            1.257562711984919,
        ];
        let x = array(r#"{"kind": "gaussian", "seed": 11, "shape": [6]}"#);
        for (x, z) in x.values.iter().zip(expected) {
            assert!((x - z).abs() <= 1e-15 * z.abs().max(1.0), "{x} {z}");
        }
    }

    #[test]
    fn the_separable_arrays_belong_together_and_keep_the_margin() {
        let options = r#""kind": "separable", "seed": 5, "shape": [200, 20], "margin": 0.25"#;
        let part = |part: &str| format!(r#""{part}": {{"generate": {{{options}, "part": "{part}"}}}}"#);
        let arrays = arrays(&format!(
            "{{{}, {}, {}}}",
            part("inputs"),
            part("labels"),
            part("direction")
        ));
        let (u, y) = (&arrays["direction"].values, &arrays["labels"].values);
        assert!((dot(u, u) - 1.0).abs() < 1e-14);
        assert!(y.contains(&1.0) && y.contains(&-1.0) && y.iter().all(|y| y.abs() == 1.0));
        for (x, y) in arrays["inputs"].values.chunks(20).zip(y.iter()) {
            let along = y * dot(x, u);
            assert!(along >= 0.25, "{along}");
        }
    }

    #[test]
    fn teachers_and_noise_do_what_they_say() {
        let arrays = arrays(
            r#"{"x": [[1, 2], [-1, 0.5], [0, -4]],
                "y": {"generate": {"kind": "teacher", "seed": 0, "inputs": "x", "weights": [2, 1],
                                   "activation": "leaky_relu", "slope": 0.5}},
                "s": {"generate": {"kind": "teacher", "seed": 0, "inputs": "x", "weights": [2, 1], "output": "sign"}},
                "all": {"generate": {"kind": "noise", "seed": 1, "of": "s", "flip": 1}},
                "none": {"generate": {"kind": "noise", "seed": 1, "of": "s", "flip": 0}},
                "r": {"generate": {"kind": "sphere", "seed": 1, "shape": [4, 3], "radius": 2}}}"#,
        );
        // <x, (2, 1)> = 4, -1.5, -4.
        assert_eq!(arrays["y"].values[..], [4.0, -0.75, -2.0]);
        assert_eq!(arrays["s"].values[..], [1.0, -1.0, -1.0]);
        assert_eq!(arrays["all"].values[..], [-1.0, 1.0, 1.0]);
        assert_eq!(arrays["none"].values[..], [1.0, -1.0, -1.0]);
        assert!(
            arrays["r"]
                .values
                .chunks(3)
                .all(|row| (dot(row, row) - 4.0).abs() < 1e-14)
        );
    }
}
