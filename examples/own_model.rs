//! A claim about a network of one's own, written with Burn: the module is captured into a graph, and
//! an inequality about its gradient is sampled.
//!
//! The claim (after Frei, Cao, Gu 2021): for a hidden layer of leaky ReLUs with slope `gamma` on data
//! with margin `m` along a unit vector `u`, outer weights `a` of norm 1, `V = u a^T`, `c = gamma m`
//! and `f = mean(log(1 + exp(-y N(x; W))))`: `<grad f(W), W - s V> >= f(W) - log(1 + exp(-s c))`.
//!
//! Run with `cargo run --example own_model`.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor, activation};
use proxycert::burn::capture::capture;
use proxycert::burn::executor::{Backend, Executor};
use proxycert::burn::module::{parameter_blocks, with_parameters};
use proxycert::graph::op::{Input, Unary};
use proxycert::graph::{GradientRequest, Graph};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SLOPE: f64 = 0.25;
const MARGIN: f64 = 0.5;
const OUTER: [f64; 4] = [0.5, -0.5, 0.5, -0.5];
/// Points and labels: `y u.x >= MARGIN` for `u = (1, 0)`.
const POINTS: [f64; 8] = [0.5, 1.0, 1.25, -2.0, -0.75, 0.5, -1.0, -1.5];
const LABELS: [f64; 4] = [1.0, 1.0, -1.0, -1.0];

#[derive(Module, Debug)]
struct Network {
    hidden: Linear,
}

impl Network {
    /// `N(x; W) = sum_j a_j leaky_relu(w_j . x)`, as a column.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let outer = Tensor::<1>::from_data(OUTER, (&x.device(), DType::F64)).reshape([4, 1]);
        activation::leaky_relu(self.hidden.forward(x), SLOPE).matmul(outer)
    }
}

fn main() -> Result<(), String> {
    let network = Network {
        hidden: LinearConfig::new(2, 4).with_bias(false).init(&Device::flex()),
    };
    for (name, shape) in parameter_blocks(&network) {
        println!("parameters: {name} {shape:?}");
    }

    // f as a graph: Burn runs once, on its capture device
    let mut graph = Graph::new();
    let w = graph.input(Input::W, 8);
    let x = graph.data(POINTS.into(), &[4, 2]);
    let loss = capture(&mut graph, &[w, x], |inputs| {
        let network = with_parameters(network.clone(), inputs[0].tensor());
        let labels = Tensor::<1>::from_data(LABELS, (&inputs[0].tensor::<1>().device(), DType::F64));
        let margins = network.forward(inputs[1].tensor()) * labels.reshape([4, 1]);
        -activation::log_sigmoid(margins).mean()
    })?;
    let f = graph.reshape(loss, &[]);

    // the slack: left side minus right side, with s = 4; the gradient comes from Burn's autodiff
    let gradient = graph.input(Input::Gradient(0), 8);
    let comparator: Vec<f64> = OUTER.iter().map(|a| 4.0 * a).chain([0.0; 4]).collect();
    let comparator = graph.data(comparator.into(), &[8]);
    let difference = graph.sub(w, comparator);
    let left = graph.dot(gradient, difference);
    let exponent = graph.data([4.0 * SLOPE * MARGIN].into(), &[1]);
    let exponent = graph.reshape(exponent, &[]);
    let log_sigmoid = graph.unary(Unary::LogSigmoid, exponent);
    let right = graph.add(f, log_sigmoid);
    let slack = graph.sub(left, right);

    let executor = Executor::new(
        &graph,
        &[slack],
        &[GradientRequest {
            function: f,
            point: w,
        }],
        Backend::Flex,
    )?;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut uniform = || 6.0 * ((random.next_u64() >> 11) as f64 / (1u64 << 53) as f64) - 3.0;
    let (batches, batch) = (100, 128);
    let mut smallest = f64::INFINITY;
    for _ in 0..batches {
        let points: Vec<f64> = (0..8 * batch).map(|_| uniform()).collect();
        let slacks = executor.run(&points, None, batch)?.concat();
        smallest = slacks.into_iter().fold(smallest, f64::min);
    }
    println!(
        "{} points in [-3, 3]^8, smallest slack {smallest:.6}",
        batches * batch
    );
    println!(
        "{}",
        if smallest >= 0.0 {
            "no violation found"
        } else {
            "the claim looks false"
        }
    );
    Ok(())
}
