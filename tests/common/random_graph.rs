//! Random graphs that use every operation, for property tests: the same graph for a seed everywhere.
//!
//! Arguments of partial functions are made to lie inside the domain, and values are kept moderate, so
//! that the graphs are defined and well conditioned on `[-2, 2]^p`.

use proxycert::graph::op::{Along, Binary, Input, Reduction, Unary};
use proxycert::graph::{Graph, NodeId, size};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A graph with a scalar root in terms of `Input::W`.
pub struct RandomGraph {
    pub graph: Graph,
    pub root: NodeId,
    /// dimension of `w`
    pub dimension: usize,
}

/// A portable stream of random choices.
pub struct Choices(ChaCha8Rng);

impl Choices {
    pub fn new(seed: u64) -> Self {
        Choices(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in `0..n`, up to a bias of `n / 2^64`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    /// Uniform in `[-bound, bound)`.
    pub fn real(&mut self, bound: f64) -> f64 {
        let unit = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        bound * (2.0 * unit - 1.0)
    }

    pub fn reals(&mut self, count: usize, bound: f64) -> Vec<f64> {
        (0..count).map(|_| self.real(bound)).collect()
    }
}

/// Number of different steps that [`grow`] can take.
pub const KINDS: usize = 40;

/// A random graph of `steps` random operations. Step 0 is of kind `seed % KINDS`, so that
/// consecutive seeds meet every operation.
pub fn random_graph(seed: u64, steps: usize) -> RandomGraph {
    let choices = &mut Choices::new(seed);
    let mut graph = Graph::new();
    let (rows, columns) = (1 + choices.below(3), 1 + choices.below(3));
    let dimension = rows * columns;
    let w = graph.input(Input::W, dimension);
    let matrix = graph.reshape(w, &[rows, columns]);
    let data = choices.reals(4 * rows, 1.0);
    let data = graph.data(data.into(), &[4, rows]);
    let product = graph.matmul(data, matrix);
    let mut pool = vec![w, matrix, product];
    for step in 0..steps {
        let kind = if step == 0 {
            seed as usize % KINDS
        } else {
            choices.below(KINDS)
        };
        let x = pool[choices.below(pool.len())];
        let y = pool[choices.below(pool.len())];
        let new = grow(&mut graph, choices, kind, x, y);
        // values stay moderate, however many steps there are
        let new = if step % 3 == 2 {
            graph.unary(Unary::Tanh, new)
        } else {
            new
        };
        pool.push(new);
    }
    let zero = graph.integer(0);
    let mut root = zero;
    for (i, &node) in pool.iter().enumerate() {
        let weights = choices.reals(size(graph.shape(node)), 1.0);
        let shape = graph.shape(node).to_vec();
        let weights = graph.data(weights.into(), &shape);
        let part = graph.dot(weights, node);
        root = if i == 0 { part } else { graph.add(root, part) };
    }
    RandomGraph {
        graph,
        root,
        dimension,
    }
}

/// `1 + x^2`
fn positive(g: &mut Graph, x: NodeId) -> NodeId {
    let (one, square) = (g.integer(1), g.square(x));
    g.add(one, square)
}

/// An argument that broadcasts with `x`: `y` itself if it does, else the sum of its entries.
fn partner(g: &mut Graph, x: NodeId, y: NodeId) -> NodeId {
    let fits = proxycert::graph::build::broadcast(g.shape(x), g.shape(y));
    if fits.is_some_and(|shape| shape.len() <= 3 && size(&shape) <= 64) {
        y
    } else {
        g.sum(y)
    }
}

fn with_axis(g: &mut Graph, x: NodeId) -> NodeId {
    if g.shape(x).is_empty() {
        g.reshape(x, &[1])
    } else {
        x
    }
}

fn as_matrix(g: &mut Graph, x: NodeId) -> NodeId {
    let entries = size(g.shape(x));
    if g.shape(x).len() == 2 {
        x
    } else {
        g.reshape(x, &[1, entries])
    }
}

/// One step: a function of `x`, and of `y` where it takes two.
fn grow(g: &mut Graph, choices: &mut Choices, kind: usize, x: NodeId, y: NodeId) -> NodeId {
    let axis_of = |g: &Graph, x: NodeId, choices: &mut Choices| choices.below(g.shape(x).len());
    match kind {
        0 => g.neg(x),
        1 => {
            let bounded = g.unary(Unary::Tanh, x);
            g.unary(Unary::Exp, bounded)
        }
        2 => {
            let positive = positive(g, x);
            g.unary(Unary::Log, positive)
        }
        3 => {
            let square = g.square(x);
            g.unary(Unary::Log1p, square)
        }
        4 => {
            let positive = positive(g, x);
            g.unary(Unary::Sqrt, positive)
        }
        5 => g.unary(Unary::Abs, x),
        6 => g.unary(Unary::Sin, x),
        7 => g.unary(Unary::Cos, x),
        8 => g.unary(Unary::Tanh, x),
        9 => g.unary(Unary::Sigmoid, x),
        10 => g.unary(Unary::LogSigmoid, x),
        11 => g.unary(Unary::Erf, x),
        12 => g.unary(Unary::Relu, x),
        13 => {
            let sign = g.unary(Unary::Sign, x);
            g.mul(sign, x)
        }
        14 => {
            let step = g.unary(Unary::Step, x);
            g.mul(step, x)
        }
        15 => {
            let step = g.unary(Unary::StepRight, x);
            g.mul(step, x)
        }
        16 => g.square(x),
        17 => {
            let bounded = g.unary(Unary::Tanh, x);
            g.pow(bounded, 3, 1)
        }
        18 => {
            let positive = positive(g, x);
            g.pow(positive, -2, 1)
        }
        19 => {
            let positive = positive(g, x);
            let root = g.pow(positive, 3, 2);
            g.unary(Unary::Log, root)
        }
        20 => {
            let positive = positive(g, x);
            g.pow(positive, -1, 3)
        }
        21 | 22 => {
            let y = partner(g, x, y);
            if kind == 21 { g.add(x, y) } else { g.sub(x, y) }
        }
        23 => {
            let y = partner(g, x, y);
            let bounded = g.unary(Unary::Tanh, y);
            g.mul(x, bounded)
        }
        24 => {
            let y = partner(g, x, y);
            let positive = positive(g, y);
            g.div(x, positive)
        }
        25 | 26 => {
            let y = partner(g, x, y);
            g.binary(if kind == 25 { Binary::Max } else { Binary::Min }, x, y)
        }
        27 => {
            let slope = g.fraction(1 + choices.below(9) as i64, 10);
            g.binary(Binary::LeakyRelu, x, slope)
        }
        28 => {
            let y = partner(g, x, y);
            let slope = g.unary(Unary::Sigmoid, y);
            g.binary(Binary::LeakyRelu, x, slope)
        }
        29 => {
            let slope = g.fraction(1, 5);
            let step = g.binary(Binary::LeakyStep, x, slope);
            g.mul(step, x)
        }
        30 => {
            let (a, b) = (as_matrix(g, x), as_matrix(g, y));
            let left = if g.shape(a)[1] == g.shape(b)[0] {
                a
            } else {
                g.transpose(a)
            };
            if g.shape(left)[1] == g.shape(b)[0] {
                g.matmul(left, b)
            } else {
                let other = g.transpose(a);
                g.matmul(a, other)
            }
        }
        31..=33 => {
            let op = [Reduction::Sum, Reduction::Max, Reduction::LogSumExp][kind - 31];
            let x = with_axis(g, x);
            let axis = axis_of(g, x, choices);
            g.reduce(op, x, axis)
        }
        34 => {
            let x = with_axis(g, x);
            let axis = axis_of(g, x, choices);
            g.along(Along::Softmax, x, axis)
        }
        35 => {
            let x = with_axis(g, x);
            let axis = axis_of(g, x, choices);
            let largest = g.along(Along::ArgMax, x, axis);
            g.mul(largest, x)
        }
        36 => {
            let x = as_matrix(g, x);
            let turned = g.transpose(x);
            let shape = [&[2], g.shape(turned)].concat();
            let wide = g.broadcast_to(turned, &shape);
            g.reduce(Reduction::Sum, wide, 0)
        }
        37 | 38 => {
            let x = with_axis(g, x);
            let axis = axis_of(g, x, choices);
            let length = g.shape(x)[axis];
            let start = choices.below(length);
            if kind == 37 {
                // backwards from `start`
                g.slice(x, axis, start, -1, start + 1)
            } else {
                let part = g.slice(x, axis, start, 1, length - start);
                g.unslice(part, axis, 1, 2, 2 * (length - start) + 1)
            }
        }
        _ => {
            let x = with_axis(g, x);
            let axis = axis_of(g, x, choices);
            let doubled = g.unary(Unary::Sin, x);
            let shape = g.shape(x).to_vec();
            let constant = choices.reals(size(&shape), 1.0);
            let constant = g.data(constant.into(), &shape);
            g.concat(&[x, constant, doubled], axis)
        }
    }
}
