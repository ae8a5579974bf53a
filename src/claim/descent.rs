//! What `trace` runs, and the guarantee that it holds against the run: nodes and exact numbers.

use std::sync::Arc;

use dashu_ratio::RBig;

use super::kinds::{Proxies, proxies};
use super::region::{Region, Set, float_values, interval_values};
use super::sets::{Blocks, check_finite, point};
use super::{Arrays, model, named, place};
use crate::case::{Array, Batches, Case, DescentSpec, GuaranteeSpec, Location, StartSpec, Text};
use crate::diagnostic::Diagnostic;
use crate::eval::exact::exact_values;
use crate::expr::{Context, Scope};
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId, size};
use crate::theorem::{Bound, Range, Theorem, conditions};

/// The iterates that a case asks for.
#[derive(Clone, Debug)]
pub struct Descent {
    /// `f`, scalar, in terms of [`Input::W`]
    pub function: NodeId,
    /// `g` at `(w, v)`
    pub g: Option<NodeId>,
    /// `h` at `(w, v)`
    pub h: Option<NodeId>,
    /// step size, above 0
    pub step: RBig,
    /// number of steps
    pub steps: u64,
    /// where they begin
    pub start: Start,
    /// the point `v`, a constant node `[p]`; absent where the claim does not speak of `v`
    pub comparator: Option<NodeId>,
    /// the examples, where batches are drawn
    pub examples: Option<Examples>,
    /// what is said of the iterates
    pub guarantee: Option<Guarantee>,
}

/// Where the iterates begin.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// at one point, a constant node `[p]`
    Point(NodeId),
    /// at so many drawn from the region
    Draws(u64),
}

/// The loss of one example, as a function of parameters and example together: `f` is the mean of it.
#[derive(Clone, Debug)]
pub struct Examples {
    /// holds `function`
    pub graph: Graph,
    /// scalar, in terms of [`Input::W`]: parameters up to `split`, one row of every array, the other parameters
    pub function: NodeId,
    /// parameters that stand before the rows
    pub split: usize,
    /// entries of one row of every array together
    pub width: usize,
    /// the rows of all examples, one after the other
    pub rows: Arc<[f64]>,
    /// examples in a batch
    pub batch: u64,
}

impl Examples {
    /// Number of examples.
    pub fn count(&self) -> usize {
        self.rows.len() / self.width.max(1)
    }

    /// The input of `function` for parameters and an example.
    pub fn input(&self, w: &[f64], example: usize, out: &mut Vec<f64>) {
        out.extend_from_slice(&w[..self.split]);
        out.extend_from_slice(&self.rows[example * self.width..][..self.width]);
        out.extend_from_slice(&w[self.split..]);
    }
}

/// What is said of the iterates.
#[derive(Clone, Debug)]
pub struct Guarantee {
    /// whether `h` depends on `w`
    pub moving: bool,
    /// the constants of the bound in binary64
    pub constants: Vec<(String, f64)>,
    /// the constants of a theorem as nodes of the claim's graph
    pub nodes: Vec<(String, NodeId)>,
    /// the bound
    pub conclusion: Conclusion,
}

/// A bound on the iterates.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// that of a theorem
    Theorem(Bound),
    /// one that the case writes out: a scalar node in terms of [`Input::W`] `= (T, eta, D, f_0)`
    Written {
        /// holds the node
        graph: Graph,
        /// the node
        root: NodeId,
        /// as written
        text: String,
    },
}

/// The names in a bound that the case writes out, in the order of their coordinates.
const BOUND_NAMES: [&str; 4] = ["T", "eta", "D", "f_0"];

/// Reads `descent` and `guarantee` of a case.
pub(super) fn descent(
    case: &Case,
    scope: &mut Scope,
    blocks: &Blocks,
    region: &Region,
) -> Result<Option<Descent>, Box<Diagnostic>> {
    let Some(spec) = &case.descent else {
        return Ok(None);
    };
    if matches!(region.w, Set::Point(_)) {
        let fault = case.fault(
            &case.region.w.at,
            "the region of w is one point, which no step leaves",
        );
        return Err(Box::new(
            fault.expected("a box or a ball that the iterates stay in"),
        ));
    }
    let step = step(case, scope, &spec.step)?;
    let start = match &spec.start {
        StartSpec::Draws(count) => Start::Draws(*count),
        StartSpec::Point(start) => {
            let node = point(case, scope, blocks, start)?;
            check_finite(case, scope, node, &spec.at)?;
            Start::Point(node)
        }
    };
    let comparator = comparator(case, scope, blocks, region, spec)?;
    let (function, proxies) = proxies(case, scope)?;
    let examples = match &spec.batches {
        Some(batches) => Some(examples(case, batches)?),
        None => None,
    };
    let guarantee = match &case.guarantee {
        None => None,
        Some(GuaranteeSpec::Bound(text)) => Some(written(case, text, &proxies)?),
        Some(GuaranteeSpec::Theorem {
            theorem,
            constants,
            at,
        }) => {
            let mut given = Vec::new();
            if let Some(name) = (theorem.constants(examples.is_some()).into_iter())
                .find(|name| !constants.contains_key(*name))
            {
                let fault = case.fault(at, format!("the theorem's constant `{name}` is left out"));
                return Err(Box::new(fault.expected(format!("the key `{name}`"))));
            }
            for (name, text) in constants {
                given.push((name.clone(), constant(case, scope, text)?));
            }
            let fault = |message: String| Box::new(case.fault(at, message));
            let batches = examples.is_some();
            Some(follows(scope, *theorem, given, &proxies, function, &step, batches).map_err(fault)?)
        }
    };
    Ok(Some(Descent {
        function,
        g: proxies.g,
        h: proxies.h,
        step,
        steps: spec.steps,
        start,
        comparator,
        examples,
        guarantee,
    }))
}

/// The step size: an exact number above 0.
fn step(case: &Case, scope: &mut Scope, text: &Text) -> Result<RBig, Box<Diagnostic>> {
    let node = constant(case, scope, text)?;
    exact_values(&scope.graph, node)
        .map(|mut values| values.remove(0))
        .filter(|step| *step > RBig::ZERO && step.to_f64().value() > 0.0)
        .ok_or_else(|| {
            let expected = Some("an exact number above 0, such as 0.1 or \"1/3\"".to_owned());
            Box::new(case.diagnose(text, 0..text.value.len(), "this is not a step size", expected))
        })
}

/// A scalar expression of constants.
fn constant(case: &Case, scope: &mut Scope, text: &Text) -> Result<NodeId, Box<Diagnostic>> {
    let node = scope
        .elaborate(&text.value, Context::Constant)
        .map_err(place(case, text))?;
    if scope.graph.shape(node).is_empty() {
        return Ok(node);
    }
    let whole = 0..text.value.len();
    Err(Box::new(case.diagnose(
        text,
        whole,
        "this is an array",
        Some("a scalar".to_owned()),
    )))
}

/// The point `v`: the region's where it fixes one, else the one that `descent` names.
fn comparator(
    case: &Case,
    scope: &mut Scope,
    blocks: &Blocks,
    region: &Region,
    spec: &DescentSpec,
) -> Result<Option<NodeId>, Box<Diagnostic>> {
    let refuse = |at: &Location, message: &str, expected: &str| {
        Err(Box::new(case.fault(at, message).expected(expected)))
    };
    let node = match (region.v, &spec.comparator) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            let message = "the claim does not speak of `v`";
            return refuse(&spec.at, message, "no `comparator`");
        }
        (Some(Set::Point(node)), None) => node,
        (Some(Set::Point(_)), Some(_)) => {
            let message = "the region fixes `v` already";
            return refuse(&spec.at, message, "no `comparator`");
        }
        (Some(_), None) => {
            let message = "the claim holds for many `v`, and the iterates are held against one";
            return refuse(
                &spec.at,
                message,
                "the key `comparator` with a point of the region of `v`",
            );
        }
        (Some(_), Some(comparator)) => {
            let node = point(case, scope, blocks, comparator)?;
            check_finite(case, scope, node, &spec.at)?;
            node
        }
    };
    Ok(Some(node))
}

/// The loss of one example.
fn examples(case: &Case, batches: &Batches) -> Result<Examples, Box<Diagnostic>> {
    let mut arrays: Vec<(&str, &Array)> = Vec::new();
    for name in &batches.over {
        let Some(array) = case.data.get(&name.value) else {
            let names: Vec<&str> = case.data.keys().map(String::as_str).collect();
            let fault = case.fault(&name.at, format!("the case has no array `{}`", name.value));
            return Err(Box::new(fault.expected(format!("one of {}", names.join(", ")))));
        };
        let Some(&count) = array.shape.first() else {
            let message = format!("`{}` is one number, and has no examples", name.value);
            return Err(Box::new(case.fault(&name.at, message)));
        };
        if let Some((first, known)) = arrays.first().map(|(name, array)| (name, count_of(array)))
            && known != count
        {
            let message = format!("`{}` has {count} rows, `{first}` has {known}", name.value);
            return Err(Box::new(case.fault(&name.at, message)));
        }
        arrays.push((name.value.as_str(), array));
    }
    let count = arrays.first().map_or(0, |(_, array)| count_of(array));
    let names: Vec<&str> = arrays.iter().map(|(name, _)| *name).collect();
    let one = named(case, model(case)?, Arrays::Blocks(&names)).map_err(|fault| {
        let help = "each example stands alone in a batch: arrays of `over` then have one row";
        Box::new(Diagnostic::help(*fault, help))
    })?;
    let name = match case.claim.fields.get("f") {
        Some(text) => text.value.trim(),
        None => "f",
    };
    let Some(root) = one.scope.function(name) else {
        return Err(Box::new(case.fault(&case.claim.at, "no function descends")));
    };
    let width = arrays.iter().map(|(_, array)| size(&array.shape[1..])).sum();
    let mut rows = Vec::with_capacity(count * width);
    for row in 0..count {
        for (_, array) in &arrays {
            let each = size(&array.shape[1..]);
            rows.extend_from_slice(&array.values[row * each..][..each]);
        }
    }
    Ok(Examples {
        graph: one.scope.graph,
        function: root,
        split: case.parameters.values().map(|shape| size(&shape.value)).sum(),
        width,
        rows: rows.into(),
        batch: batches.size,
    })
}

fn count_of(array: &Array) -> usize {
    array.shape.first().copied().unwrap_or(0)
}

/// A bound that the case writes out.
fn written(case: &Case, text: &Text, proxies: &Proxies) -> Result<Guarantee, Box<Diagnostic>> {
    if proxies.g.is_none() {
        let message = "the claim has no `g` that a bound could speak of";
        return Err(Box::new(case.fault(&text.at, message)));
    }
    let mut own = Scope::new();
    let mut constants = Vec::new();
    for (name, value) in &case.constants {
        let node = own.add_constant(name, &value.value).map_err(place(case, value))?;
        constants.push((name.clone(), float_values(&own.graph, node)[0]));
    }
    for name in BOUND_NAMES {
        own.add_block(name, &[]).map_err(|_| {
            let message = format!("the case has a constant `{name}`, which means something else in a bound");
            Box::new(case.fault(&text.at, message))
        })?;
    }
    let root = own
        .elaborate(&text.value, Context::Definition)
        .map_err(place(case, text))?;
    if !own.graph.shape(root).is_empty() {
        let whole = 0..text.value.len();
        return Err(Box::new(case.diagnose(
            text,
            whole,
            "this is an array",
            Some("a scalar".to_owned()),
        )));
    }
    Ok(Guarantee {
        moving: false,
        constants,
        nodes: Vec::new(),
        conclusion: Conclusion::Written {
            graph: own.graph,
            root,
            text: text.value.trim().to_owned(),
        },
    })
}

/// The conclusion of a theorem, where its conditions on claim and constants are met.
fn follows(
    scope: &Scope,
    theorem: Theorem,
    given: Vec<(String, NodeId)>,
    proxies: &Proxies,
    function: NodeId,
    step: &RBig,
    batches: bool,
) -> Result<Guarantee, String> {
    let mut nodes = given;
    if theorem.needs_smoothness() {
        let Some(pl) = proxies.pl else {
            return Err(format!("`{}` follows from `proxy_pl` or `pl`", theorem.name()));
        };
        if theorem == Theorem::LinearRate && proxies.g != Some(function) {
            return Err("the linear rate needs `g` to be `f`".to_owned());
        }
        nodes.extend(["xi", "alpha", "mu"].map(str::to_owned).into_iter().zip(pl));
    } else if proxies.h.is_none() {
        return Err(format!(
            "`{}` follows from `proxy_convexity`, or a kind of convexity",
            theorem.name()
        ));
    }
    if let Some(mu) = proxies.nonnegative
        && range(&scope.graph, mu).is_none_or(|[low, _]| low < RBig::ZERO)
    {
        return Err("the theorem needs `mu` of the claim to be at least 0".to_owned());
    }
    let find = |name: &str| {
        nodes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, node)| *node)
    };
    conditions(theorem, batches, step, |name| {
        find(name).and_then(|node| range(&scope.graph, node))
    })?;
    let number = |name: &str| find(name).map_or(0.0, |node| float_values(&scope.graph, node)[0]);
    let constants: Vec<(String, f64)> = nodes
        .iter()
        .map(|(name, _)| (name.clone(), number(name)))
        .collect();
    if let Some((name, _)) = constants.iter().find(|(_, value)| !value.is_finite()) {
        return Err(format!("`{name}` is not a finite number"));
    }
    let moving = proxies
        .h
        .is_some_and(|h| scope.graph.depends_on(Input::W)[h.index()]);
    Ok(Guarantee {
        moving,
        constants,
        nodes: nodes.clone(),
        conclusion: Conclusion::Theorem(Bound {
            theorem,
            eta: step.to_f64().value(),
            constant: number(if theorem == Theorem::BoundedGradient {
                "G"
            } else {
                "L"
            }),
            f_inf: number("f_inf"),
            pl: ["xi", "alpha", "mu"].map(number),
            sigma: number(Theorem::SIGMA),
        }),
    })
}

/// What a scalar constant lies between, in exact numbers.
fn range(graph: &Graph, node: NodeId) -> Option<Range> {
    if let Some(mut exact) = exact_values(graph, node) {
        let value = exact.remove(0);
        return Some([value.clone(), value]);
    }
    let enclosed = interval_values(graph, node)[0];
    Some([
        RBig::try_from(enclosed.lo).ok()?,
        RBig::try_from(enclosed.hi).ok()?,
    ])
}
