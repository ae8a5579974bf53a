//! From a case to one function, the slack, and a region: the claim holds exactly if the slack is not
//! negative on the region.
//!
//! The slack is built twice in one graph: with our own `gradient`/`jvp` (what is proved and refuted),
//! and with the gradient as an input that Burn's autodiff supplies (what is sampled; the two are held
//! against each other in every certificate).

pub mod convexity;
pub mod descent;
pub mod kinds;
pub mod population;
pub mod region;
mod sets;
pub mod statement;
pub mod unknown;
mod written;

use dashu_ratio::RBig;

use crate::burn::models::{self, Model};
use crate::case::{Case, Text};
use crate::diagnostic::Diagnostic;
use crate::eval::exact::exact_values;
use crate::expr::elaborate::too_large;
use crate::expr::{Context, ExprError, Gradients, MAX_TOTAL_ENTRIES, Scope};
use crate::graph::op::Input;
use crate::graph::{GradientRequest, Graph, NodeId};
use convexity::Convexity;
use descent::Descent;
use population::Population;
use region::{Region, Set};

/// A claim, ready for the engines.
#[derive(Clone)]
pub struct Claim {
    /// holds every node below
    pub graph: Graph,
    /// number of parameters p
    pub dimension: usize,
    /// parameter blocks in order, with their shapes
    pub blocks: Vec<(String, Vec<usize>)>,
    /// slack with our own derivatives, scalar
    pub slack: NodeId,
    /// left and right side of the inequality
    pub sides: kinds::Sides,
    /// the functions whose convexity proves the claim, where there are such
    pub convexity: Option<Convexity>,
    /// values that must exist for the claim to make sense: `f` wherever its gradient is taken
    pub prerequisites: Vec<NodeId>,
    /// slack in terms of gradients that an outside engine supplies
    pub reference_slack: NodeId,
    /// those gradients
    pub requests: Vec<GradientRequest>,
    /// definitions and their roots at `w`
    pub functions: Vec<(String, NodeId)>,
    /// names of arrays, blocks and definitions, for printing; scalar constants print as numbers
    pub names: Vec<(String, NodeId)>,
    /// for which points
    pub region: Region,
    /// nodes whose every entry is `>= 0` exactly at the points of the region
    pub membership: Vec<NodeId>,
    /// `proved` means slack >= -tolerance; not negative
    pub tolerance: RBig,
    /// the slack of one example, where the claim is about expectations: then every node above is that of the
    /// case's own draw
    pub population: Option<Population>,
    /// how iterates are made and what is said of them, where the case asks for them
    pub descent: Option<Descent>,
}

/// For what the arrays of a population stand while a claim is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrays<'a> {
    /// for their entries in the case
    Drawn,
    /// for one example of the population, [`Input::Example`]
    One,
    /// these arrays for further blocks of `w`, of one row each, between the case's own and the model's
    Blocks(&'a [&'a str]),
}

/// Turns an error inside an expression into a diagnostic at its place in the case.
pub(crate) fn place<'a>(case: &'a Case, text: &'a Text) -> impl Fn(ExprError) -> Box<Diagnostic> + 'a {
    move |error| Box::new(case.diagnose(text, error.span, error.message, error.expected))
}

impl Claim {
    /// Builds the claim of a case.
    ///
    /// # Errors
    /// A diagnostic that points at the place where an expression, a shape or a region does not fit, or at a
    /// constant without a value.
    pub fn new(case: &Case) -> Result<Claim, Box<Diagnostic>> {
        let mut claim = Claim::build(case, model(case)?, Arrays::Drawn)?;
        if let Some(spec) = &case.population {
            claim.population = Some(Population::new(case, spec)?);
        }
        Ok(claim)
    }

    /// The same for a model of one's own, written with Burn, which the case calls as `model(x)` and
    /// does not declare. The case's digest does not cover such a model: who verifies the certificate
    /// must hold the same program.
    ///
    /// # Errors
    /// Those of [`Claim::new`].
    pub fn with_model(case: &Case, model: Box<dyn Model>) -> Result<Claim, Box<Diagnostic>> {
        if let Some(population) = &case.population {
            let fault = case.fault(&population.at, "a model that a program adds has no population");
            return Err(Box::new(fault.expected("a model of the crate, or none")));
        }
        Claim::build(case, Some(model), Arrays::Drawn)
    }

    fn build(
        case: &Case,
        model: Option<Box<dyn Model>>,
        examples: Arrays<'_>,
    ) -> Result<Claim, Box<Diagnostic>> {
        if let Some(unknown) = &case.unknown {
            unknown::Range::new(case, unknown)?;
            if !case.constants.contains_key(&unknown.name) {
                let name = &unknown.name;
                let help = format!("`proxycert tighten` looks for it; `--set {name}=VALUE` takes one value");
                return Err(Box::new(
                    case.fault(
                        &unknown.at,
                        format!("the constant `{name}` has no value, only a range"),
                    )
                    .expected("the paper's value beside the range: `\"paper\": ..`")
                    .help(help),
                ));
            }
        }
        let Named {
            mut scope,
            names,
            blocks,
            functions,
        } = named(case, model, examples)?;
        let dimension = scope.dimension;

        scope.gradients = Gradients::Own;
        let sides = kinds::sides(case, &mut scope)?;
        let slack = scope.graph.sub(sides.left, sides.right);
        scope.gradients = Gradients::External;
        let reference = kinds::sides(case, &mut scope)?;
        let reference_slack = scope.graph.sub(reference.left, reference.right);
        scope.gradients = Gradients::Own;
        let prerequisites = scope
            .requests
            .iter()
            .map(|request| {
                scope
                    .graph
                    .substitute(request.function, &[(Input::W, request.point)])
            })
            .collect();

        // derivatives of the claim are built after its expressions
        if scope.graph.entries() > MAX_TOTAL_ENTRIES {
            return Err(Box::new(case.fault(&case.claim.at, too_large())));
        }
        let tolerance = tolerance(case, &mut scope)?;
        // as written: our own slack may have lost a term that cancels, the reference has it still
        let speaks_of_v = {
            let depends = scope.graph.depends_on(Input::V);
            let points = scope.requests.iter().map(|request| request.point);
            points
                .chain([slack, reference_slack])
                .any(|node| depends[node.index()])
        };
        let region = sets::region(case, &mut scope, &blocks, speaks_of_v)?;
        let convexity = convexity::convexity(case, &mut scope, reference_slack)?;
        let descent = descent::descent(case, &mut scope, &blocks, &region)?;
        let mut claim = Claim {
            requests: scope.requests.clone(),
            graph: scope.graph,
            dimension,
            blocks,
            slack,
            sides,
            convexity,
            prerequisites,
            reference_slack,
            functions,
            names,
            region,
            membership: Vec::new(),
            tolerance,
            population: None,
            descent,
        };
        claim.fix_points();
        for (input, set) in claim.region.free() {
            claim
                .membership
                .extend(region::membership(&mut claim.graph, input, set));
        }
        claim.membership.extend(&claim.region.constraints);
        Ok(claim)
    }

    /// Puts the one point of a side in place of its input everywhere.
    fn fix_points(&mut self) {
        let sides = [(Input::W, Some(self.region.w)), (Input::V, self.region.v)];
        let map: Vec<(Input, NodeId)> = sides
            .into_iter()
            .filter_map(|(input, set)| match set {
                Some(Set::Point(node)) => Some((input, node)),
                _ => None,
            })
            .collect();
        if map.is_empty() {
            return;
        }
        let mut fix = |node: &mut NodeId| *node = self.graph.substitute(*node, &map);
        fix(&mut self.slack);
        fix(&mut self.sides.left);
        fix(&mut self.sides.right);
        fix(&mut self.reference_slack);
        self.prerequisites.iter_mut().for_each(&mut fix);
        self.region.constraints.iter_mut().for_each(&mut fix);
        if let Some(descent) = &mut self.descent {
            descent.g.iter_mut().chain(&mut descent.h).for_each(&mut fix);
        }
        self.requests
            .iter_mut()
            .for_each(|request| fix(&mut request.point));
    }

    /// The slack, then everything that must be defined with it.
    pub fn rigorous_roots(&self) -> Vec<NodeId> {
        let mut roots = vec![self.slack];
        roots.extend(&self.prerequisites);
        roots
    }
}

/// The model that the case names.
fn model(case: &Case) -> Result<Option<Box<dyn Model>>, Box<Diagnostic>> {
    let Some(spec) = &case.model else { return Ok(None) };
    let built = models::build(&spec.value.kind, &spec.value.options).map_err(|error| {
        let at = case.model_option(&error.path).unwrap_or_else(|| spec.at.clone());
        case.fault(&at, error.message)
    })?;
    Ok(Some(built))
}

/// The names of a case, and its functions of the parameters.
struct Named {
    scope: Scope,
    /// names of arrays, blocks and definitions, for printing
    names: Vec<(String, NodeId)>,
    /// parameter blocks in order
    blocks: Vec<(String, Vec<usize>)>,
    /// definitions and their roots at `w`
    functions: Vec<(String, NodeId)>,
}

/// Reads constants, data, parameters and definitions.
fn named(case: &Case, model: Option<Box<dyn Model>>, examples: Arrays<'_>) -> Result<Named, Box<Diagnostic>> {
    let as_blocks = match examples {
        Arrays::Blocks(names) => names,
        Arrays::Drawn | Arrays::One => &[],
    };
    let mut scope = Scope::new();
    let mut names = Vec::new();
    for (name, text) in &case.constants {
        scope.add_constant(name, &text.value).map_err(place(case, text))?;
    }
    let population = case.population.as_ref().filter(|_| examples == Arrays::One);
    for (name, array) in &case.data {
        if as_blocks.contains(&name.as_str()) {
            continue;
        }
        let added = match population.and_then(|population| population.place(name)) {
            Some(place) => scope.add_example(name, place.0, &place.1, population.map_or(0, |p| p.width())),
            None => scope.add_data(name, &array.shape, array.values.clone()),
        };
        let node = added.map_err(|error| case.fault(&array.at, error.message))?;
        names.push((name.clone(), node));
    }
    let mut blocks: Vec<(String, Vec<usize>)> = Vec::new();
    for (name, shape) in &case.parameters {
        scope
            .add_block(name, &shape.value)
            .map_err(|error| case.fault(&shape.at, error.message))?;
        blocks.push((name.clone(), shape.value.clone()));
    }
    for &name in as_blocks {
        if let Some(array) = case.data.get(name) {
            let mut shape = array.shape.clone();
            shape[..1].fill(1);
            scope
                .add_block(name, &shape)
                .map_err(|error| case.fault(&array.at, error.message))?;
            blocks.push((name.to_owned(), shape));
        }
    }
    if let Some(model) = model {
        let at = case.model.as_ref().map_or(&case.claim.at, |spec| &spec.at);
        let offset = scope.dimension;
        for (name, shape) in model.blocks() {
            scope
                .add_block(&name, &shape)
                .map_err(|error| case.fault(at, format!("block `{name}` of the model: {}", error.message)))?;
            blocks.push((name, shape));
        }
        scope.add_model(models::callable(model, offset));
    }
    scope
        .announced
        .extend(case.define.keys().chain(case.constants.keys()).cloned());
    if scope.dimension == 0 {
        let expected = "`parameters` with a shape for each block, or a `model`";
        return Err(Box::new(
            case.fault(&case.claim.at, "the case declares no parameters")
                .expected(expected),
        ));
    }
    for (name, _) in &blocks {
        // a block's name is an expression of its own; where it cannot be, it has no name in print
        if let Ok(node) = scope.elaborate(name, Context::Definition) {
            names.push((name.clone(), node));
        }
    }
    let mut functions = Vec::new();
    for (name, text) in &case.define {
        let root = scope.define(name, &text.value).map_err(place(case, text))?;
        functions.push((name.clone(), root));
        names.push((name.clone(), root));
    }
    Ok(Named {
        scope,
        names,
        blocks,
        functions,
    })
}

fn tolerance(case: &Case, scope: &mut Scope) -> Result<RBig, Box<Diagnostic>> {
    let text = &case.check.tolerance;
    let node = scope
        .elaborate(&text.value, Context::Constant)
        .map_err(place(case, text))?;
    let value = exact_values(&scope.graph, node)
        .filter(|values| values.len() == 1 && values[0] >= RBig::ZERO)
        .map(|mut values| values.remove(0));
    value.ok_or_else(|| {
        let expected = Some("an exact number that is not negative, such as \"1e-9\" or 0".to_owned());
        Box::new(case.diagnose(text, 0..text.value.len(), "this is not a tolerance", expected))
    })
}
