//! The names that an expression may use, in the order in which a case gives them, and the graph that
//! its expressions build.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::functions::{self, check_shape, shape_text};
use super::{ExprError, MAX_NAME, elaborate, parse, parse_inequality};
use crate::graph::op::Input;
use crate::graph::{GradientRequest, Graph, NodeId, Shape, size};

/// A model: from an array of inputs `x` to a node in terms of [`Input::W`].
pub type Model = Box<dyn Fn(&mut Graph, NodeId) -> Result<NodeId, String> + Send + Sync>;

/// Names that are reserved beside those of [`functions::FUNCTIONS`].
pub const RESERVED: [&str; 6] = ["w", "v", "pi", "e", "grad", "model"];

/// Where an expression stands, which decides what it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// constants
    Constant,
    /// constants and data
    Data,
    /// constants, data, parameter blocks, the model, earlier definitions, and `w`
    Definition,
    /// everything: also `v` and `grad(f)(point)`. A block or a function named without a point has
    /// its value at `at`.
    Claim {
        /// [`Input::W`] or [`Input::V`]
        at: Input,
    },
}

/// Who differentiates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gradients {
    /// the transforms of the graph
    #[default]
    Own,
    /// an outside engine: each gradient is an [`Input::Gradient`], listed in [`Scope::requests`]
    External,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// an exact scalar
    Constant(NodeId),
    /// a data array
    Data(NodeId),
    /// a part of the parameter point, from `offset` on, row-major
    Block {
        /// first entry in the flat point
        offset: usize,
        /// sizes of the axes
        shape: Shape,
    },
    /// a function of the parameter point, in terms of [`Input::W`]
    Function(NodeId),
}

/// Names, and the graph. Constants, data, blocks and the model come before the definitions.
#[derive(Default)]
pub struct Scope {
    /// the graph that the expressions build
    pub graph: Graph,
    /// number of parameters: sizes of all blocks
    pub dimension: usize,
    /// who differentiates; may be changed between expressions
    pub gradients: Gradients,
    /// gradients that the outside engine has to supply: entry `k` is `Input::Gradient(k)`
    pub requests: Vec<GradientRequest>,
    /// names that the case gives anywhere, for errors about the order
    pub announced: HashSet<String>,
    pub(super) bindings: HashMap<String, Binding>,
    pub(super) model: Option<Model>,
    /// gradients at `W` that have been built
    pub(super) built: HashMap<NodeId, NodeId>,
    /// nodes that were visited to apply definitions
    pub(super) walked: usize,
}

impl Scope {
    /// No names, an empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a name stands for.
    pub fn binding(&self, name: &str) -> Option<&Binding> {
        self.bindings.get(name)
    }

    /// The root of a definition, in terms of [`Input::W`].
    pub fn function(&self, name: &str) -> Option<NodeId> {
        match self.bindings.get(name) {
            Some(Binding::Function(root)) => Some(*root),
            Some(Binding::Constant(_) | Binding::Data(_) | Binding::Block { .. }) | None => None,
        }
    }

    /// Whether a name may be given to something new. The error's span is in the name.
    pub fn check_name(&self, name: &str) -> Result<(), ExprError> {
        let refuse = |message: String| Err(ExprError::new(0..name.len(), message));
        let mut letters = name.bytes();
        let starts = letters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == b'_');
        if !starts || !letters.all(|c| c.is_ascii_alphanumeric() || c == b'_') || name.len() > MAX_NAME {
            let rule = format!("ASCII letters, digits and `_`, not a digit first, at most {MAX_NAME}");
            return refuse("this cannot be a name".to_owned()).map_err(|error| error.expecting(rule));
        }
        if RESERVED.contains(&name) || functions::find(name).is_some() {
            return refuse(format!("the name `{name}` is reserved"));
        }
        if self.bindings.contains_key(name) {
            return refuse(format!("the name `{name}` is given twice"));
        }
        Ok(())
    }

    /// Adds an exact scalar, given as an expression of numbers and earlier constants.
    pub fn add_constant(&mut self, name: &str, text: &str) -> Result<NodeId, ExprError> {
        self.check_new(name, text.len())?;
        let root = self.elaborate(text, Context::Constant)?;
        if !self.graph.shape(root).is_empty() {
            return Err(ExprError::new(0..text.len(), "a constant is a scalar"));
        }
        self.bindings.insert(name.to_owned(), Binding::Constant(root));
        Ok(root)
    }

    /// Adds a data array; the entries are finite, as many as the shape says. Errors are about the
    /// whole array.
    pub fn add_data(&mut self, name: &str, shape: &[usize], values: Arc<[f64]>) -> Result<NodeId, ExprError> {
        self.check_new(name, 0)?;
        let fault = check_shape(shape).err().or_else(|| {
            (size(shape) != values.len())
                .then(|| format!("{} entries do not fill the shape {shape:?}", values.len()))
        });
        let fault = fault.or_else(|| {
            let odd = values.iter().find(|x| !x.is_finite())?;
            Some(format!("an entry is {odd}, not a finite number"))
        });
        if let Some(message) = fault {
            return Err(ExprError::new(0..0, message));
        }
        let root = self.graph.data(values, shape);
        self.bindings.insert(name.to_owned(), Binding::Data(root));
        Ok(root)
    }

    /// Adds an array that stands for one example of a population: the numbers from `offset` on of the
    /// `width` numbers of [`Input::Example`]. Errors are about the whole array.
    pub fn add_example(
        &mut self,
        name: &str,
        offset: usize,
        shape: &[usize],
        width: usize,
    ) -> Result<NodeId, ExprError> {
        self.check_new(name, 0)?;
        check_shape(shape).map_err(|message| ExprError::new(0..0, message))?;
        let example = self.graph.input(Input::Example, width);
        let own = self.graph.slice(example, 0, offset, 1, size(shape));
        let root = self.graph.reshape(own, shape);
        self.bindings.insert(name.to_owned(), Binding::Data(root));
        Ok(root)
    }

    /// Adds a block of parameters after those before it. Errors are about the whole block.
    ///
    /// # Panics
    /// If a definition stands already: the number of parameters is then settled.
    pub fn add_block(&mut self, name: &str, shape: &[usize]) -> Result<(), ExprError> {
        assert!(
            !self
                .bindings
                .values()
                .any(|binding| matches!(binding, Binding::Function(_))),
            "blocks come before definitions"
        );
        self.check_new(name, 0)?;
        check_shape(shape).map_err(|message| ExprError::new(0..0, message))?;
        let offset = self.dimension;
        check_shape(&[offset + size(shape)])
            .map_err(|_| ExprError::new(0..0, "the case has too many parameters"))?;
        self.dimension = offset + size(shape);
        let shape = Shape::from_slice(shape);
        self.bindings
            .insert(name.to_owned(), Binding::Block { offset, shape });
        Ok(())
    }

    /// Makes `model(x)` callable. Its blocks are added with [`Scope::add_block`].
    pub fn add_model(&mut self, model: Model) {
        self.model = Some(model);
    }

    /// Adds a function of the parameter blocks; the result is its root, a scalar or an array.
    pub fn define(&mut self, name: &str, text: &str) -> Result<NodeId, ExprError> {
        self.check_new(name, text.len())?;
        let root = self.elaborate(text, Context::Definition)?;
        self.bindings.insert(name.to_owned(), Binding::Function(root));
        Ok(root)
    }

    /// The node of an expression.
    pub fn elaborate(&mut self, text: &str, context: Context) -> Result<NodeId, ExprError> {
        elaborate::elaborate(self, &parse(text)?, context)
    }

    /// The two sides of an inequality, turned so that it reads first `>=` second. Both are scalars.
    pub fn elaborate_inequality(
        &mut self,
        text: &str,
        context: Context,
    ) -> Result<(NodeId, NodeId), ExprError> {
        let inequality = parse_inequality(text)?;
        let mut sides = Vec::with_capacity(2);
        for side in [&inequality.lhs, &inequality.rhs] {
            let root = elaborate::elaborate(self, side, context)?;
            if !self.graph.shape(root).is_empty() {
                let span = side.node(side.root).span.clone();
                let shape = shape_text(self.graph.shape(root));
                return Err(
                    ExprError::new(span, format!("this side is an array of shape {shape}"))
                        .expecting("a scalar"),
                );
            }
            sides.push(root);
        }
        Ok(match inequality.relation {
            super::Relation::AtLeast => (sides[0], sides[1]),
            super::Relation::AtMost => (sides[1], sides[0]),
        })
    }

    fn check_new(&self, name: &str, length: usize) -> Result<(), ExprError> {
        self.check_name(name).map_err(|error| ExprError {
            span: 0..length,
            ..error
        })
    }
}
