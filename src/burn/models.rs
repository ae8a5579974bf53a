//! Models that a case can name, written with Burn as functions of a flat parameter tensor; captured
//! into the graph by [`capture_model`].
//!
//! | kind | `model(x)` for `x` of shape `[n, inputs]` | blocks |
//! | --- | --- | --- |
//! | `linear` | `x W + b` | `W [inputs, outputs]`, `b [outputs]` |
//! | `neuron` | `activation(x W + b)` | `W [inputs, 1]`, `b [1]` |
//! | `mlp` | `h_0 = x`, `h_k = activation(h_(k-1) W_k + b_k)`, the last layer without activation | `W1`, `b1`, `W2`, ... |
//! | `matrix_factorization` | `x U V^T`, or `x U U^T` when symmetric | `U [rows, rank]`, `V [columns, rank]` |
//!
//! A result of one column has shape `[n]`, else `[n, outputs]`. Blocks of an `mlp` that are not
//! trained hold given values or seeded ones: see [`seeded_normals`].

use burn::tensor::{DType, Tensor, TensorData, activation};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use super::capture::capture;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};

/// Largest number of entries of all blocks of a model together.
pub const MAX_PARAMETERS: usize = 1_000_000;
/// Most hidden layers of a network.
pub const MAX_LAYERS: usize = 1_000;

/// What is wrong with the options of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    /// the option, such as `activation` or `widths[1]`; empty for the kind itself
    pub path: String,
    /// what was expected
    pub message: String,
}

fn error<T>(path: impl Into<String>, message: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError {
        path: path.into(),
        message: message.into(),
    })
}

/// A model: parameter blocks and the forward pass.
pub trait Model: Send + Sync {
    /// Names and shapes of the parameter blocks; the flat parameter is all of them row-major, in order.
    fn blocks(&self) -> Vec<(String, Vec<usize>)>;

    /// Number of columns of `x`.
    fn inputs(&self) -> usize;

    /// The prediction `[n, outputs]` for `x` of shape `[n, inputs]`.
    fn forward(&self, parameters: Tensor<1>, x: Tensor<2>) -> Tensor<2>;
}

/// The kinds that [`build`] knows.
pub const KINDS: [&str; 4] = ["linear", "neuron", "mlp", "matrix_factorization"];

/// A model from its options.
///
/// # Errors
/// An unknown kind, a missing, unknown or wrong option.
pub fn build(kind: &str, options: &Map<String, Value>) -> Result<Box<dyn Model>, ModelError> {
    let mut options = Options {
        left: options.clone(),
    };
    let model: Box<dyn Model> = match kind {
        "linear" => Box::new(Layers {
            inputs: options.size("inputs", None)?,
            widths: vec![options.size("outputs", Some(1))?],
            biases: options.flag("bias", true)?,
            numbered: false,
            activation: Activation::Identity,
            activate_last: false,
            residual: false,
            fixed: Vec::new(),
        }),
        "neuron" => Box::new(Layers {
            inputs: options.size("inputs", None)?,
            widths: vec![1],
            biases: options.flag("bias", false)?,
            numbered: false,
            activation: options.activation()?,
            activate_last: true,
            residual: false,
            fixed: Vec::new(),
        }),
        "mlp" => Box::new(mlp(&mut options)?),
        "matrix_factorization" => {
            let rows = options.size("rows", None)?;
            let symmetric = options.flag("symmetric", false)?;
            let columns = if symmetric {
                None
            } else {
                Some(options.size("columns", None)?)
            };
            Box::new(Factorization {
                rows,
                columns,
                rank: options.size("rank", None)?,
            })
        }
        _ => return error("", format!("unknown model; there are {}", KINDS.join(", "))),
    };
    options.finish()?;
    let total = (model.blocks().iter()).try_fold(0usize, |sum, (_, shape)| {
        sum.checked_add(shape.iter().try_fold(1, |n: usize, &k| n.checked_mul(k))?)
    });
    if total.is_none_or(|total| total == 0 || total > MAX_PARAMETERS) {
        return error(
            "",
            format!("a model has 1 to {MAX_PARAMETERS} trained parameters"),
        );
    }
    Ok(model)
}

/// The node `model(x)`: `parameters` is the flat parameter, `x` a node of shape `[n, inputs]`, or `[n]`
/// for one input. The result has shape `[n]` where the model has one output, else `[n, outputs]`.
///
/// # Errors
/// Shapes that do not fit, and those of [`capture`].
pub fn capture_model(
    graph: &mut Graph,
    model: &dyn Model,
    parameters: NodeId,
    x: NodeId,
) -> Result<NodeId, String> {
    let dimension = dimension(model);
    if graph.shape(parameters) != [dimension] {
        return Err(format!(
            "the parameters have shape {:?}, not [{dimension}]",
            graph.shape(parameters)
        ));
    }
    let x = match (graph.shape(x), model.inputs()) {
        (&[rows], 1) => graph.reshape(x, &[rows, 1]),
        (&[_, columns], inputs) if columns == inputs => x,
        (shape, inputs) => return Err(format!("the model takes an array [n, {inputs}], not {shape:?}")),
    };
    let result = capture(graph, &[parameters, x], |inputs| {
        model.forward(inputs[0].tensor(), inputs[1].tensor())
    })?;
    let shape = graph.shape(result).to_vec();
    Ok(if shape[1] == 1 {
        graph.reshape(result, &shape[..1])
    } else {
        result
    })
}

/// From a graph and a node `x` to the node `model(x)`.
pub type Callable = Box<dyn Fn(&mut Graph, NodeId) -> Result<NodeId, String> + Send + Sync>;

/// `model(x)` for the expression language, of a model whose blocks are the last of `w`, from `offset`.
pub fn callable(model: Box<dyn Model>, offset: usize) -> Callable {
    Box::new(move |graph, x| {
        let dimension = dimension(&*model);
        let w = graph.input(Input::W, offset + dimension);
        let parameters = graph.slice(w, 0, offset, 1, dimension);
        capture_model(graph, &*model, parameters, x)
    })
}

/// Number of entries of all blocks.
fn dimension(model: &dyn Model) -> usize {
    model
        .blocks()
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum()
}

/// What stands between two layers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Activation {
    Identity,
    Relu,
    LeakyRelu(f64),
    Tanh,
    Sigmoid,
    Softplus,
    Gelu,
    Sin,
}

impl Activation {
    fn apply(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Activation::Identity => x,
            Activation::Relu => activation::relu(x),
            Activation::LeakyRelu(slope) => activation::leaky_relu(x, slope),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => activation::sigmoid(x),
            // Burn's softplus is made of comparisons and masks
            Activation::Softplus => -activation::log_sigmoid(-x),
            Activation::Gelu => activation::gelu(x),
            Activation::Sin => x.sin(),
        }
    }
}

/// A block that is not trained.
#[derive(Debug)]
struct Block {
    name: String,
    values: Vec<f64>,
}

/// A chain of affine layers.
#[derive(Debug)]
struct Layers {
    inputs: usize,
    widths: Vec<usize>,
    biases: bool,
    /// blocks are called `W1`, `b1`, `W2`, ..., else `W` and `b`
    numbered: bool,
    activation: Activation,
    activate_last: bool,
    residual: bool,
    /// blocks that are not trained, with their values
    fixed: Vec<Block>,
}

impl Layers {
    /// Every block, trained or not.
    fn all_blocks(&self) -> Vec<(String, Vec<usize>)> {
        let mut blocks = Vec::new();
        let mut width = self.inputs;
        for (k, &next) in self.widths.iter().enumerate() {
            let number = if self.numbered {
                (k + 1).to_string()
            } else {
                String::new()
            };
            blocks.push((format!("W{number}"), vec![width, next]));
            if self.biases {
                blocks.push((format!("b{number}"), vec![next]));
            }
            width = next;
        }
        blocks
    }

    fn fixed_values(&self, name: &str) -> Option<&[f64]> {
        self.fixed
            .iter()
            .find(|block| block.name == name)
            .map(|block| block.values.as_slice())
    }
}

impl Model for Layers {
    fn blocks(&self) -> Vec<(String, Vec<usize>)> {
        self.all_blocks()
            .into_iter()
            .filter(|(name, _)| self.fixed_values(name).is_none())
            .collect()
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn forward(&self, parameters: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
        let device = x.device();
        let mut offset = 0;
        let mut tensors: Vec<Tensor<2>> = Vec::new();
        for (name, shape) in self.all_blocks() {
            let length: usize = shape.iter().product();
            let columns = shape[shape.len() - 1];
            let flat = match self.fixed_values(&name) {
                Some(values) => {
                    Tensor::<1>::from_data(TensorData::new(values.to_vec(), [length]), (&device, DType::F64))
                }
                None => {
                    offset += length;
                    parameters.clone().slice(offset - length..offset)
                }
            };
            tensors.push(flat.reshape([length / columns, columns]));
        }
        let mut h = x;
        for (layer, affine) in tensors.chunks(if self.biases { 2 } else { 1 }).enumerate() {
            let mut z = h.clone().matmul(affine[0].clone());
            if let Some(bias) = affine.get(1) {
                z = z + bias.clone();
            }
            let hidden = layer + 1 < self.widths.len();
            let z = if hidden || self.activate_last {
                self.activation.apply(z)
            } else {
                z
            };
            h = if self.residual && hidden && layer > 0 {
                h + z
            } else {
                z
            };
        }
        h
    }
}

/// A product of two factors applied to `x`.
#[derive(Debug)]
struct Factorization {
    rows: usize,
    /// absent when both factors are the same
    columns: Option<usize>,
    rank: usize,
}

impl Model for Factorization {
    fn blocks(&self) -> Vec<(String, Vec<usize>)> {
        let left = ("U".to_string(), vec![self.rows, self.rank]);
        match self.columns {
            Some(columns) => vec![left, ("V".to_string(), vec![columns, self.rank])],
            None => vec![left],
        }
    }

    fn inputs(&self) -> usize {
        self.rows
    }

    fn forward(&self, parameters: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
        let end = self.rows * self.rank;
        let left = parameters.clone().slice(0..end).reshape([self.rows, self.rank]);
        let right = match self.columns {
            Some(columns) => parameters
                .slice(end..end + columns * self.rank)
                .reshape([columns, self.rank]),
            None => left.clone(),
        };
        x.matmul(left).matmul(right.transpose())
    }
}

/// Options of the `mlp`: `inputs`, `widths` (hidden layers), `outputs`, `activation`, `biases`,
/// `residual`, `trained` (names of blocks; all when absent), `fixed` (values of blocks), `seed`.
fn mlp(options: &mut Options) -> Result<Layers, ModelError> {
    let mut layers = Layers {
        inputs: options.size("inputs", None)?,
        widths: options.sizes("widths")?,
        biases: options.flag("biases", true)?,
        numbered: true,
        activation: options.activation()?,
        activate_last: false,
        residual: options.flag("residual", false)?,
        fixed: Vec::new(),
    };
    if layers.residual && layers.widths.windows(2).any(|pair| pair[0] != pair[1]) {
        return error("widths", "a residual network has hidden layers of one width");
    }
    if layers.widths.len() > MAX_LAYERS {
        return error(
            "widths",
            format!("a network has at most {MAX_LAYERS} hidden layers"),
        );
    }
    layers.widths.push(options.size("outputs", Some(1))?);
    let blocks = layers.all_blocks();
    let names: Vec<&str> = blocks.iter().map(|(name, _)| name.as_str()).collect();
    let unknown = |path: String, name: &str| {
        error(
            path,
            format!("there is no block `{name}`; there are {}", names.join(", ")),
        )
    };

    let trained = match options.left.shift_remove("trained") {
        None => None,
        Some(Value::Array(list)) => {
            let mut chosen = Vec::new();
            for (i, entry) in list.iter().enumerate() {
                match entry.as_str() {
                    Some(name) if names.contains(&name) => chosen.push(name.to_string()),
                    Some(name) => return unknown(format!("trained[{i}]"), name),
                    None => return error(format!("trained[{i}]"), "expected the name of a block"),
                }
            }
            Some(chosen)
        }
        Some(_) => return error("trained", "expected a list of names of blocks"),
    };
    let mut given = match options.left.shift_remove("fixed") {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return error("fixed", "expected an object: values by name of block"),
    };
    if let Some(name) = given.keys().find(|name| !names.contains(&name.as_str())) {
        return unknown(format!("fixed.{name}"), name);
    }
    let seed = options.seed()?;
    let mut fixed = Vec::new();
    for (stream, (name, shape)) in blocks.iter().enumerate() {
        let values = given.shift_remove(name);
        let is_trained = match &trained {
            Some(chosen) => chosen.contains(name),
            None => values.is_none(),
        };
        let path = format!("fixed.{name}");
        match (is_trained, values) {
            (true, None) => {}
            (true, Some(_)) => return error(path, "the block is trained"),
            (false, Some(values)) => {
                fixed.push(Block {
                    name: name.clone(),
                    values: array(&values, shape, &path)?,
                });
            }
            (false, None) => {
                let length: usize = shape.iter().product();
                if length > MAX_PARAMETERS {
                    return error(
                        "widths",
                        format!("a layer has more than {MAX_PARAMETERS} entries"),
                    );
                }
                let values = match shape.as_slice() {
                    [fan_in, _] => seeded_normals(seed, stream as u64, length, 1.0 / (*fan_in as f64).sqrt()),
                    _ => vec![0.0; length],
                };
                fixed.push(Block {
                    name: name.clone(),
                    values,
                });
            }
        }
    }
    layers.fixed = fixed;
    Ok(layers)
}

/// Normal numbers with mean 0 and the given standard deviation, the same on every platform: ChaCha8
/// with `seed_from_u64(seed)` on stream `stream`, in pairs by Box and Muller, `r cos(t)`, `r sin(t)`
/// with `r = sqrt(-2 log(1 - a))`, `t = 2 pi b`, `a` and `b` uniform on the multiples of 2^-53 in
/// `[0, 1)` (the upper 53 bits of a `u64`), the functions from `libm`.
pub fn seeded_normals(seed: u64, stream: u64, count: usize, deviation: f64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    let mut unit = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = deviation * (-2.0 * libm::log(1.0 - unit())).sqrt();
        let angle = 2.0 * std::f64::consts::PI * unit();
        values.extend([radius * libm::cos(angle), radius * libm::sin(angle)]);
    }
    values.truncate(count);
    values
}

/// Numbers of a nested array of exactly this shape (rank 1 or 2), row-major.
fn array(value: &Value, shape: &[usize], path: &str) -> Result<Vec<f64>, ModelError> {
    let expected = || ModelError {
        path: path.into(),
        message: format!("expected numbers of shape {shape:?}"),
    };
    let mut level = vec![value];
    for &length in shape {
        let mut next = Vec::new();
        for entry in level {
            let list = entry
                .as_array()
                .filter(|list| list.len() == length)
                .ok_or_else(expected)?;
            next.extend(list);
        }
        level = next;
    }
    level
        .into_iter()
        .map(|x| x.as_f64().filter(|x| x.is_finite()).ok_or_else(expected))
        .collect()
}

/// Options not read yet.
struct Options {
    left: Map<String, Value>,
}

impl Options {
    fn size(&mut self, name: &str, default: Option<usize>) -> Result<usize, ModelError> {
        match (self.left.shift_remove(name), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => error(name, format!("the option `{name}` is missing")),
            (Some(value), _) => size_of(&value, name),
        }
    }

    fn sizes(&mut self, name: &str) -> Result<Vec<usize>, ModelError> {
        match self.left.shift_remove(name) {
            Some(Value::Array(list)) => (list.iter().enumerate())
                .map(|(i, value)| size_of(value, &format!("{name}[{i}]")))
                .collect(),
            Some(_) => error(name, "expected a list of positive integers"),
            None => error(name, format!("the option `{name}` is missing")),
        }
    }

    fn flag(&mut self, name: &str, default: bool) -> Result<bool, ModelError> {
        match self.left.shift_remove(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => error(name, "expected true or false"),
        }
    }

    fn seed(&mut self) -> Result<u64, ModelError> {
        match self.left.shift_remove("seed") {
            None => Ok(0),
            Some(value) => match value.as_u64() {
                Some(seed) => Ok(seed),
                None => error("seed", "expected an integer from 0 to 2^64 - 1"),
            },
        }
    }

    /// `activation`, and `slope` where it is a leaky relu.
    fn activation(&mut self) -> Result<Activation, ModelError> {
        let value = self.left.shift_remove("activation");
        let Some(value) = value else {
            return error("activation", "the option `activation` is missing");
        };
        let activation = match value.as_str() {
            Some("identity") => Activation::Identity,
            Some("relu") => Activation::Relu,
            Some("leaky_relu") => match self.left.shift_remove("slope").map(|slope| slope.as_f64()) {
                Some(Some(slope)) if slope.is_finite() => Activation::LeakyRelu(slope),
                _ => return error("slope", "a leaky relu needs a number `slope`"),
            },
            Some("tanh") => Activation::Tanh,
            Some("sigmoid") => Activation::Sigmoid,
            Some("softplus") => Activation::Softplus,
            Some("gelu") => Activation::Gelu,
            Some("sin") => Activation::Sin,
            _ => {
                let names = "identity, relu, leaky_relu, tanh, sigmoid, softplus, gelu, sin";
                return error("activation", format!("expected one of {names}"));
            }
        };
        Ok(activation)
    }

    fn finish(self) -> Result<(), ModelError> {
        match self.left.keys().next() {
            Some(name) => error(name, format!("this model has no option `{name}`")),
            None => Ok(()),
        }
    }
}

fn size_of(value: &Value, path: &str) -> Result<usize, ModelError> {
    match value.as_u64() {
        Some(size) if size >= 1 && size <= MAX_PARAMETERS as u64 => Ok(size as usize),
        _ => error(path, format!("expected an integer from 1 to {MAX_PARAMETERS}")),
    }
}
