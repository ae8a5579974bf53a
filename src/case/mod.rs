//! A case: the parsed, located form of `case.json`, the first stage of the flow.
//!
//! Nothing is evaluated here. Every number and every expression is kept as the text that stands in
//! the file together with its place ([`Text`]), so that numbers stay exact and a later stage can
//! point at the place when something does not fit.
//!
//! Bytes become values with places ([`json`]), these become a [`Case`] ([`read`]), whose arrays come
//! from the file, a CSV ([`data`]) or a random stream ([`generate`]). [`digest`] names the content of a
//! case, [`schema`] describes the format to editors.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::theorem::Theorem;
pub(crate) use fields::{decode, read_limited};

pub mod data;
mod descent;
pub mod digest;
mod fields;
pub mod generate;
pub mod json;
pub mod read;
mod region;
mod scan;
pub mod schema;

/// Names that mean something in every expression and may not be given to anything else.
pub const RESERVED: &[&str] = &[
    "w",
    "v",
    "pi",
    "e",
    "grad",
    "model",
    "exp",
    "log",
    "log1p",
    "sqrt",
    "abs",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "log_sigmoid",
    "softplus",
    "relu",
    "leaky_relu",
    "gelu",
    "erf",
    "sign",
    "step",
    "leaky_step",
    "min",
    "max",
    "sum",
    "mean",
    "dot",
    "norm",
    "logsumexp",
    "softmax",
    "log_softmax",
    "concat",
    "reshape",
];

/// Longest name of a constant, array, block or definition.
pub const MAX_NAME: usize = 64;

/// Largest number of parameters in all blocks together.
pub const MAX_PARAMETERS: usize = 1_000_000;

/// A file that diagnostics point into.
#[derive(Debug)]
pub struct SourceFile {
    /// the path as the user gave it
    pub name: String,
    /// the whole text
    pub text: String,
}

/// A place in the case: JSON path and bytes in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// such as `$.define.f` or `$.region.w.box[0]`
    pub path: String,
    /// bytes of the JSON value in the file, quotes included for a string
    pub span: Range<usize>,
}

/// A number or an expression, as written, and its place. A JSON number is kept as its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// the expression; JSON escapes resolved
    pub value: String,
    /// where it stands
    pub at: Location,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// the value
    pub value: T,
    /// where it stands
    pub at: Location,
}

/// A whole case.
#[derive(Clone, Debug)]
pub struct Case {
    /// the file, for diagnostics
    pub file: Arc<SourceFile>,
    /// folder that CSV paths are relative to
    pub folder: PathBuf,
    /// short name, `[a-z0-9-]+`
    pub name: String,
    /// one line for people; empty when absent
    pub title: String,
    /// where the claim stands
    pub source: Source,
    /// named exact scalars, in the order written; an unknown one has the paper's value here, and is absent
    /// when there is none
    pub constants: IndexMap<String, Text>,
    /// the constant whose value `tighten` looks for
    pub unknown: Option<Unknown>,
    /// named arrays, read, generated and checked to be finite
    pub data: IndexMap<String, Array>,
    /// parameter blocks that the case declares (a model declares further ones)
    pub parameters: IndexMap<String, Located<Vec<usize>>>,
    /// a model that the crate defines with Burn
    pub model: Option<Located<ModelSpec>>,
    /// named functions of the parameter blocks, in the order written
    pub define: IndexMap<String, Text>,
    /// what is claimed
    pub claim: ClaimSpec,
    /// for which points
    pub region: RegionSpec,
    /// how to check it
    pub check: CheckSpec,
    /// how `trace` makes iterates
    pub descent: Option<DescentSpec>,
    /// what the claim is said to imply for them; only beside `descent`
    pub guarantee: Option<GuaranteeSpec>,
}

/// A constant without a value: `"mu": {"tighten": [0, 1], "paper": "1/32", "digits": 4}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// the constant's name
    pub name: String,
    /// how many constants stand before it
    pub position: usize,
    /// the ends of the range in which to look: numbers, or expressions of the constants before it
    pub between: [Text; 2],
    /// the value that the paper gives
    pub paper: Option<Text>,
    /// significant digits to which the bracket is narrowed; default 4
    pub digits: u64,
    /// where it stands
    pub at: Location,
}

/// Where a claim was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// such as `Frei, Gu 2021`
    pub work: String,
    /// theorem, section or equation
    pub place: String,
    /// how the constants were derived, when they are ours
    pub note: String,
}

/// An array of the binary64 numbers that the text rounds to.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// sizes of the axes; empty for a scalar
    pub shape: Vec<usize>,
    /// entries, row-major, all finite
    pub values: Arc<[f64]>,
    /// where it stands in the case
    pub at: Location,
}

/// Which model, with its options still as written: `"model": {"mlp": {..}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// one of [`ModelSpec::KINDS`]
    pub kind: String,
    /// the options, strict JSON
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl ModelSpec {
    /// The models that the crate defines with Burn.
    pub const KINDS: [&str; 4] = ["linear", "neuron", "mlp", "matrix_factorization"];
}

/// The claim: a kind and its fields, checked to be those that the kind takes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimSpec {
    /// which inequality
    pub kind: ClaimKind,
    /// the fields by name; for `inequality` the one field `inequality`
    pub fields: IndexMap<String, Text>,
    /// where it stands
    pub at: Location,
}

/// The kinds of claim. See `docs/case-format.md` for each inequality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ClaimKind {
    ProxyConvexity,
    ProxyPl,
    Inequality,
    Convex,
    StronglyConvex,
    Pl,
    WeaklyQuasiConvex,
    StarConvex,
    OnePointConvex,
    RestrictedSecant,
    ErrorBound,
    QuadraticGrowth,
    Smooth,
    Lipschitz,
    ProxySmooth,
    Kl,
}

impl ClaimKind {
    /// Every kind: name in the case, fields it needs. All fields are required.
    pub const TABLE: [(ClaimKind, &'static str, &'static [&'static str]); 16] = [
        (ClaimKind::ProxyConvexity, "proxy_convexity", &["f", "g", "h"]),
        (ClaimKind::ProxyPl, "proxy_pl", &["f", "g", "xi", "alpha", "mu"]),
        (ClaimKind::Inequality, "inequality", &["inequality"]),
        (ClaimKind::Convex, "convex", &["f"]),
        (ClaimKind::StronglyConvex, "strongly_convex", &["f", "mu"]),
        (ClaimKind::Pl, "pl", &["f", "mu", "f_star"]),
        (ClaimKind::WeaklyQuasiConvex, "weakly_quasi_convex", &["f", "tau"]),
        (ClaimKind::StarConvex, "star_convex", &["f"]),
        (ClaimKind::OnePointConvex, "one_point_convex", &["f", "mu"]),
        (ClaimKind::RestrictedSecant, "restricted_secant", &["f", "mu"]),
        (ClaimKind::ErrorBound, "error_bound", &["f", "mu"]),
        (
            ClaimKind::QuadraticGrowth,
            "quadratic_growth",
            &["f", "mu", "f_star"],
        ),
        (ClaimKind::Smooth, "smooth", &["f", "L"]),
        (ClaimKind::Lipschitz, "lipschitz", &["f", "G"]),
        (ClaimKind::ProxySmooth, "proxy_smooth", &["f", "g", "L"]),
        (ClaimKind::Kl, "kl", &["f", "theta", "mu", "f_star"]),
    ];
}

impl ClaimKind {
    /// Name in the case.
    pub fn name(self) -> &'static str {
        Self::row(self).1
    }

    /// The fields that it takes, all of them required.
    pub fn fields(self) -> &'static [&'static str] {
        Self::row(self).2
    }

    fn row(self) -> &'static (ClaimKind, &'static str, &'static [&'static str]) {
        // The table's rows stand in the order of the variants; a test holds them so.
        &Self::TABLE[self as usize]
    }
}

/// The region of `w`, of `v`, and inequalities that the points must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionSpec {
    /// region of `w`
    pub w: SideSpec,
    /// region of `v`, where the case gives one
    pub v: Option<SideSpec>,
    /// `lhs >= rhs` or `lhs <= rhs`, over `w`, `v` and the definitions; blocks named without a point
    /// are `w`'s
    pub constraints: Vec<Text>,
    /// the same, written inside `v`: blocks named without a point are `v`'s
    pub v_constraints: Vec<Text>,
    /// where it stands
    pub at: Location,
}

/// The region of one point.
#[derive(Clone, Debug, PartialEq)]
pub struct SideSpec {
    /// the set
    pub set: SetSpec,
    /// where it stands
    pub at: Location,
}

/// A set of points.
#[derive(Clone, Debug, PartialEq)]
pub enum SetSpec {
    /// a box
    Box(BoxSpec),
    /// a Euclidean ball
    Ball {
        /// its centre
        center: TensorSpec,
        /// its radius, a number or an expression of constants
        radius: Text,
    },
    /// one point
    Point(TensorSpec),
}

/// Bounds of a box; each bound is a number or an expression of constants.
#[derive(Clone, Debug, PartialEq)]
pub enum BoxSpec {
    /// the same pair for every coordinate
    Uniform([Text; 2]),
    /// a pair for each of the p coordinates
    Coordinates(Vec<[Text; 2]>),
    /// a pair for each block
    Blocks(IndexMap<String, Located<[Text; 2]>>),
}

/// A point of the parameter space: flat, of one block's shape, or block by block.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorSpec {
    /// an expression of constants and data such as `s * V`, or one number for every coordinate
    Expression(Text),
    /// nested arrays of exact numbers
    Array {
        /// sizes of the axes
        shape: Vec<usize>,
        /// numbers or expressions of constants, row-major
        entries: Vec<Text>,
        /// where it stands
        at: Location,
    },
    /// one of the above for each block
    Blocks(IndexMap<String, TensorSpec>),
}

/// How to check the claim.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSpec {
    /// number of sampled points or pairs; default 20000
    pub samples: u64,
    /// seed of every random stream; default 0
    pub seed: u64,
    /// confidence of the Clopper-Pearson bound, in (0, 1); default 0.99
    pub confidence: f64,
    /// `proved` means slack >= -tolerance; default `1e-9`
    pub tolerance: Text,
    /// budget of the prover; default 1000000
    pub max_boxes: u64,
    /// number of starts of the search for violations; default 64
    pub starts: u64,
}

/// How the iterates `w_{t+1} = w_t - step * s_t` are made.
#[derive(Clone, Debug, PartialEq)]
pub struct DescentSpec {
    /// step size, exact
    pub step: Text,
    /// number of steps
    pub steps: u64,
    /// where they begin
    pub start: StartSpec,
    /// the point `v`, where the region leaves it open
    pub comparator: Option<TensorSpec>,
    /// seed of starts and batches; default 0
    pub seed: u64,
    /// how `s_t` is drawn; absent for the gradient of `f` itself
    pub batches: Option<Batches>,
    /// where it stands
    pub at: Location,
}

/// Where the iterates begin.
#[derive(Clone, Debug, PartialEq)]
pub enum StartSpec {
    /// at one point
    Point(TensorSpec),
    /// at so many points, drawn uniformly from the region of `w`
    Draws(u64),
}

/// Stochastic gradients: means over examples drawn uniformly with replacement.
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    /// examples in a batch
    pub size: u64,
    /// data arrays whose first axis are the examples
    pub over: Vec<Located<String>>,
}

/// What the claim is said to imply for the iterates.
#[derive(Clone, Debug, PartialEq)]
pub enum GuaranteeSpec {
    /// one of the theorems, with its constants
    Theorem {
        /// which
        theorem: Theorem,
        /// numbers or expressions of constants
        constants: IndexMap<String, Text>,
        /// where it stands
        at: Location,
    },
    /// a bound on the running minimum of `g`: an expression of `T`, `eta`, `D`, `f_0` and constants
    Bound(Text),
}

impl Case {
    /// A fault at a place of the case.
    pub fn fault(&self, at: &Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(message).in_file(&self.file).at(at.clone())
    }

    /// Gives a constant of the case another value, or the unknown one a value; whether there is such a constant.
    pub fn set_constant(&mut self, name: &str, value: &str) -> bool {
        let value = value.to_owned();
        if let Some(unknown) = self.unknown.take_if(|unknown| unknown.name == name) {
            let text = Text {
                value,
                at: unknown.at,
            };
            self.constants.shift_remove(name);
            self.constants
                .shift_insert(unknown.position, name.to_owned(), text);
        } else if let Some(text) = self.constants.get_mut(name) {
            text.value = value;
        } else {
            return false;
        }
        true
    }

    /// A fault inside an expression: `error` counts bytes of `text.value` and is mapped to bytes of
    /// the file, through the escapes of JSON.
    pub fn diagnose(
        &self,
        text: &Text,
        error: Range<usize>,
        message: impl Into<String>,
        expected: Option<String>,
    ) -> Diagnostic {
        let mut diagnostic = self.fault(&text.at, message);
        diagnostic.expected = expected;
        diagnostic.span = Some(self.bytes_of(text, error));
        diagnostic
    }

    /// Bytes of the file for bytes of the expression; the whole value when the text is not the file's
    /// (a default).
    fn bytes_of(&self, text: &Text, error: Range<usize>) -> Range<usize> {
        let whole = text.at.span.clone();
        let raw = self.file.text.get(whole.clone()).unwrap_or_default();
        if !raw.starts_with('"') {
            let inside = raw == text.value && error.start <= error.end && error.end <= raw.len();
            return if inside {
                whole.start + error.start..whole.start + error.end
            } else {
                whole
            };
        }
        let (mut start, mut end, mut offset) = (None, whole.end - 1, 0);
        for (bytes, c) in scan::characters(&self.file.text, whole.clone()) {
            if start.is_none() && offset + c.len_utf8() > error.start {
                start = Some(bytes.start);
            }
            if offset >= error.end {
                end = bytes.start;
                break;
            }
            offset += c.len_utf8();
        }
        let start = start.unwrap_or(whole.end - 1);
        start..end.max(start)
    }

    /// Where an option of the model stands; the model's place when the case leaves the option out.
    pub fn model_option(&self, option: &str) -> Option<Location> {
        let model = self.model.as_ref()?;
        let place = json::Document::parse(&self.file).ok().and_then(|document| {
            let options = document.root().member("model")?.member(&model.value.kind)?;
            options.member(option).map(json::Value::location)
        });
        Some(place.unwrap_or_else(|| model.at.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_the_claim_table_stand_in_the_order_of_the_kinds() {
        for (i, (kind, name, fields)) in ClaimKind::TABLE.into_iter().enumerate() {
            assert_eq!(kind as usize, i);
            assert_eq!((kind.name(), kind.fields()), (name, fields));
        }
    }
}
