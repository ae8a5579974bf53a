//! A population: arrays of a case that stand for a distribution of examples, not for one sample.
//!
//! `"population": {"over": ["x", "y"], "draws": 200}` names generated arrays whose first axis counts the
//! examples. Every draw makes all of them anew; the rows of one example, taken together, are drawn
//! independently of those of the others and from one distribution. Arrays that share a seed, or that
//! are made from one that is not drawn, would break that, and are refused.

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::data::MAX_ENTRIES;
use super::fields::{Object, mistyped, string, whole, with_help};
use super::generate::{Change, Law, Recipe, activate};
use super::json::{Kind, Value};
use super::{Array, Location};
use crate::diagnostic::quote;
use crate::error::Result;

/// Keys of `population`.
pub(super) const POPULATION_KEYS: &[&str] = &["over", "draws"];
/// Draws that the intervals are made of.
pub(super) const DRAWS: std::ops::RangeInclusive<u64> = 2..=100_000;

/// The distribution over which a case takes expectations.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationSpec {
    /// the arrays that are drawn anew, in the order of `data`
    pub arrays: IndexMap<String, Recipe>,
    /// their sizes, as the case writes them: examples, then the axes of one example
    shapes: Vec<Vec<usize>>,
    /// independent draws that the intervals are made of; default 200
    pub draws: u64,
    /// where it stands
    pub at: Location,
}

/// Which draw: draws that differ in one of these are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawKey {
    /// seed of the check
    pub seed: u64,
    /// what the draw is for; not 0, which is the case's own draw
    pub purpose: u64,
    /// its number
    pub index: u64,
}

/// Reads `population`; `recipes` holds those of the generated arrays among `data`.
pub(super) fn read(
    value: Value<'_>,
    data: &IndexMap<String, Array>,
    recipes: &IndexMap<String, Recipe>,
) -> Result<PopulationSpec> {
    let object = Object::new(value, "a population", POPULATION_KEYS)?;
    let over = object.require("over")?;
    if over.kind() != Kind::Array {
        return Err(mistyped(over, "a list of names of generated arrays"));
    }
    let mut named: IndexMap<String, Value<'_>> = IndexMap::new();
    for element in over.elements() {
        let name = string(element)?;
        if !data.contains_key(&name) {
            let fault = element.fault(format!("{} is no array of `data`", quote(&name)));
            let names: Vec<&str> = recipes.keys().map(String::as_str).collect();
            return Err(if names.is_empty() {
                fault.expected("the name of a generated array").into()
            } else {
                with_help(fault, &name, &names).into()
            });
        }
        if !recipes.contains_key(&name) {
            let fault = element.fault(format!("`{name}` is a sample, not a distribution"));
            return Err(fault.expected("an array with `generate`").into());
        }
        if data[&name].shape.is_empty() {
            let fault = element.fault(format!("`{name}` is one number"));
            return Err(fault.expected("an array with a row for each example").into());
        }
        if named.insert(name.clone(), element).is_some() {
            return Err(element.fault(format!("`{name}` is named twice")).into());
        }
    }
    let Some(first) = data.keys().find(|name| named.contains_key(*name)) else {
        let fault = over.fault("a population without an array has no examples");
        return Err(fault.expected("at least one generated array").into());
    };
    let rows = data[first].shape[0];
    let mut arrays: IndexMap<String, Recipe> = IndexMap::new();
    for (name, recipe) in recipes {
        let Some(&place) = named.get(name) else {
            not_left_behind(name, recipe, &named, recipes)?;
            continue;
        };
        redrawable(name, recipe, place, &arrays)?;
        let found = data[name].shape[0];
        if found != rows {
            let fault = place.fault(format!("`{name}` has {found} rows, and `{first}` has {rows}"));
            return Err(fault
                .expected("arrays with a row for each example, equally many")
                .into());
        }
        arrays.insert(name.clone(), recipe.clone());
    }
    let shapes: Vec<Vec<usize>> = arrays.keys().map(|name| data[name].shape.clone()).collect();
    let entries: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
    if 2 * entries > MAX_ENTRIES {
        let fault = over.fault(format!("one draw has {entries} entries"));
        return Err(fault
            .expected(format!(
                "at most {} entries, half of what a case may hold",
                MAX_ENTRIES / 2
            ))
            .into());
    }
    Ok(PopulationSpec {
        arrays,
        shapes,
        draws: object.get("draws").map_or(Ok(200), |value| whole(value, DRAWS))?,
        at: value.location(),
    })
}

/// Checks that an array can be drawn anew, with the arrays before it.
fn redrawable(
    name: &str,
    recipe: &Recipe,
    place: Value<'_>,
    earlier: &IndexMap<String, Recipe>,
) -> Result<()> {
    let refuse = |message: String, expected: &str| Err(place.fault(message).expected(expected).into());
    match &recipe.law {
        Law::Teacher { weights: None, .. } => {
            return refuse(
                format!("the weights of the teacher `{name}` come from its seed, and would be drawn anew"),
                "a teacher with `weights`",
            );
        }
        Law::Separable {
            part: "direction", ..
        } => {
            return refuse(
                format!("`{name}` is the direction of separable data, which stays the same"),
                "the parts `inputs` and `labels`",
            );
        }
        Law::Separable { direction: None, .. } => {
            return refuse(
                format!("the direction of `{name}` comes from its seed, and would be drawn anew"),
                "separable data with `direction`",
            );
        }
        Law::Gaussian { .. } | Law::Uniform { .. } | Law::Sphere { .. } => {}
        Law::Teacher { .. } | Law::Separable { .. } | Law::Noise { .. } => {}
    }
    if let Some(source) = recipe.source()
        && !earlier.contains_key(source)
    {
        return refuse(
            format!("`{name}` is made from `{source}`, which is not drawn anew"),
            "the arrays that it is made from in `over` as well",
        );
    }
    let twin = earlier.iter().find(|(_, other)| {
        recipe.random() && other.random() && other.seed == recipe.seed && !belong_together(recipe, other)
    });
    match twin {
        Some((other, _)) => refuse(
            format!("`{name}` and `{other}` have one seed, and would be made from the same random numbers"),
            "a seed of its own for each array; only parts of the same separable data share one",
        ),
        None => Ok(()),
    }
}

/// Refuses an array that stays the same while what it belongs to is drawn anew.
fn not_left_behind(
    name: &str,
    recipe: &Recipe,
    over: &IndexMap<String, Value<'_>>,
    recipes: &IndexMap<String, Recipe>,
) -> Result<()> {
    let is_direction = matches!(
        recipe.law,
        Law::Separable {
            part: "direction",
            ..
        }
    );
    for (other, place) in over {
        let drawn = &recipes[other];
        let twins = !is_direction && recipe.seed == drawn.seed && belong_together(recipe, drawn);
        if recipe.source() == Some(other) || twins {
            let fault = place.fault(format!(
                "`{name}` belongs to `{other}`, and would not be drawn anew"
            ));
            return Err(fault.expected(format!("`{name}` in `over` as well")).into());
        }
    }
    Ok(())
}

/// Whether two recipes are parts of the same separable data.
fn belong_together(a: &Recipe, b: &Recipe) -> bool {
    match (&a.law, &b.law) {
        (
            Law::Separable {
                part: _,
                margin,
                direction,
            },
            Law::Separable {
                part: _,
                margin: other_margin,
                direction: other_direction,
            },
        ) => a.shape == b.shape && margin == other_margin && direction == other_direction,
        _ => false,
    }
}

impl Recipe {
    /// Whether it uses random numbers; its options are those of a population.
    fn random(&self) -> bool {
        !matches!(self.law, Law::Teacher { .. })
    }

    /// The options, for the digest of a case.
    pub(super) fn canonical(&self) -> Json {
        let law = match &self.law {
            Law::Gaussian { mean, deviation } => json!({"gaussian": [mean, deviation]}),
            Law::Uniform { low, high } => json!({"uniform": [low, high]}),
            Law::Sphere { radius } => json!({"sphere": radius}),
            Law::Teacher {
                inputs,
                weights,
                activation,
                slope,
                sign,
            } => json!({"teacher": [inputs, weights, activation, slope, sign]}),
            Law::Separable {
                part,
                margin,
                direction,
            } => json!({"separable": [part, margin, direction]}),
            Law::Noise {
                of,
                change: Change::Flip(probability),
            } => json!({"noise": [of, "flip", probability]}),
            Law::Noise {
                of,
                change: Change::Deviation(deviation),
            } => json!({"noise": [of, "deviation", deviation]}),
        };
        json!({"law": law, "seed": self.seed, "shape": self.shape})
    }

    /// The distribution of an example, in words.
    fn words(&self) -> String {
        match &self.law {
            Law::Gaussian { mean, deviation } => {
                format!("gaussian of mean {mean} and deviation {deviation} in each entry")
            }
            Law::Uniform { low, high } => format!("uniform from {low} to {high} in each entry"),
            Law::Sphere { radius } => format!("uniform on the sphere of radius {radius}"),
            Law::Teacher {
                inputs,
                weights,
                activation,
                slope,
                sign,
            } => {
                let weights = weights.as_deref().unwrap_or_default();
                let shown: Vec<String> = weights.iter().take(6).map(f64::to_string).collect();
                let more = if weights.len() > 6 { ", ..." } else { "" };
                let sign = if *sign { "the sign of " } else { "" };
                let activation = match *activation {
                    "identity" => String::new(),
                    "leaky_relu" => format!("leaky_relu of slope {slope} of "),
                    other => format!("{other} of "),
                };
                format!("{sign}{activation}<({}{more}), {inputs}>", shown.join(", "))
            }
            Law::Separable { part, margin, .. } => {
                format!("the {part} of separable data with margin {margin}")
            }
            Law::Noise {
                of,
                change: Change::Flip(probability),
            } => format!("{of} with another sign with probability {probability}"),
            Law::Noise {
                of,
                change: Change::Deviation(deviation),
            } => format!("{of} plus gaussian noise of deviation {deviation}"),
        }
    }

    /// An interval for each entry of an example, from those of the array that it is made from; `None`
    /// where there is none. Widened, since entries are rounded.
    fn support(&self, columns: usize, source: Option<&[[f64; 2]]>) -> Option<Vec<[f64; 2]>> {
        let widened = |[lo, hi]: [f64; 2]| {
            let margin = 1e-12 * lo.abs().max(hi.abs());
            [lo - margin, hi + margin]
        };
        match &self.law {
            Law::Uniform { low, high } => Some(vec![widened([*low, *high]); columns]),
            Law::Sphere { radius } => Some(vec![widened([-radius, *radius]); columns]),
            Law::Teacher { sign: true, .. } | Law::Separable { part: "labels", .. } => {
                Some(vec![[-1.0, 1.0]; columns])
            }
            Law::Teacher {
                weights,
                activation,
                slope,
                ..
            } => {
                let (mut lo, mut hi, mut size) = (0.0, 0.0, 0.0);
                for (weight, [low, high]) in weights.as_ref()?.iter().zip(source?) {
                    let (a, b) = (weight * low, weight * high);
                    lo += a.min(b);
                    hi += a.max(b);
                    size += a.abs().max(b.abs());
                }
                let margin = 1e-12 * size;
                let (lo, hi) = (lo - margin, hi + margin);
                let ends = [lo, hi].map(|z| activate(activation, *slope, z));
                // a leaky relu of negative slope falls below 0 and grows above
                let turn = if lo < 0.0 && hi > 0.0 { 0.0 } else { ends[0] };
                let (least, most) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
                let least = if *activation == "leaky_relu" {
                    least.min(turn)
                } else {
                    least
                };
                Some(vec![widened([least, most])])
            }
            Law::Noise {
                change: Change::Flip(_),
                ..
            } => {
                let both = |[lo, hi]: &[f64; 2]| {
                    let reach = lo.abs().max(hi.abs());
                    [-reach, reach]
                };
                Some(source?.iter().map(both).collect())
            }
            Law::Gaussian { .. } | Law::Separable { .. } | Law::Noise { .. } => None,
        }
    }
}

impl PopulationSpec {
    /// Examples in one draw: the rows that the case writes.
    pub fn rows(&self) -> usize {
        self.shapes[0][0]
    }

    /// Numbers of one example: its rows in all arrays.
    pub fn width(&self) -> usize {
        self.columns().sum()
    }

    /// Numbers of one example in each array.
    fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.shapes.iter().map(|shape| shape[1..].iter().product())
    }

    /// Where the row of an array stands among the numbers of an example, and its sizes as an array of
    /// one example; `None` for an array that stays the same.
    pub fn place(&self, name: &str) -> Option<(usize, Vec<usize>)> {
        let number = self.arrays.get_index_of(name)?;
        let mut shape = self.shapes[number].clone();
        shape[0] = 1;
        Some((self.columns().take(number).sum(), shape))
    }

    /// The arrays of one draw of so many examples.
    pub fn draw(&self, key: DrawKey, rows: usize) -> IndexMap<String, (Vec<usize>, Vec<f64>)> {
        let mut drawn: IndexMap<String, (Vec<usize>, Vec<f64>)> = IndexMap::new();
        for ((name, recipe), shape) in self.arrays.iter().zip(&self.shapes) {
            let source = recipe.source().and_then(|source| drawn.get(source));
            let source: &[f64] = source.map_or(&[], |(_, values)| values);
            let mut recipe_shape = recipe.shape.clone();
            recipe_shape[0] = rows;
            let values = recipe.redraw(&recipe_shape, [key.seed, key.index, key.purpose], source);
            let mut shape = shape.clone();
            shape[0] = rows;
            drawn.insert(name.clone(), (shape, values));
        }
        drawn
    }

    /// Arrays of so many rows, example by example: `rows` times [`PopulationSpec::width`] numbers.
    pub fn examples<'a>(&self, arrays: impl Iterator<Item = &'a [f64]> + Clone, rows: usize) -> Vec<f64> {
        let mut examples = Vec::with_capacity(rows * self.width());
        for row in 0..rows {
            for (columns, array) in self.columns().zip(arrays.clone()) {
                examples.extend_from_slice(&array[row * columns..][..columns]);
            }
        }
        examples
    }

    /// An interval for each number of an example that holds all its values; `None` where some number
    /// is not bounded.
    pub fn support(&self) -> Option<Vec<[f64; 2]>> {
        let mut found: IndexMap<&str, Vec<[f64; 2]>> = IndexMap::new();
        for ((name, recipe), columns) in self.arrays.iter().zip(self.columns()) {
            let source = recipe.source().and_then(|source| found.get(source));
            let support = recipe.support(columns, source.map(Vec::as_slice))?;
            found.insert(name, support);
        }
        Some(found.into_values().flatten().collect())
    }

    /// The distribution, in words: `x, y (x gaussian .., y ..)`.
    pub fn words(&self) -> String {
        let names: Vec<&str> = self.arrays.keys().map(String::as_str).collect();
        let each: Vec<String> = self
            .arrays
            .iter()
            .map(|(name, recipe)| format!("{name} {}", recipe.words()))
            .collect();
        format!("{} ({})", names.join(", "), each.join("; "))
    }
}
