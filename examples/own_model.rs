//! A claim about a network of one's own, written with Burn: the module is captured into a graph, and a
//! case makes a claim about it as about any other function.
//!
//! The claim (after Frei, Cao, Gu 2021): for a hidden layer of leaky ReLUs with slope `gamma` on data
//! with margin `m` along a unit vector `u`, outer weights `a` of norm 1, `V = u a^T`, `c = gamma m`
//! and `f = mean(log(1 + exp(-y N(x; W))))`: `<grad f(W), W - s V> >= f(W) - log(1 + exp(-s c))`.
//!
//! Run with `cargo run --example own_model`.

use std::path::Path;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor, activation};
use proxycert::burn::models::Model;
use proxycert::burn::module::{parameter_blocks, with_parameters};
use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::claim::Claim;
use proxycert::engine::{self, Options, Silent};

/// The slope 1/4 and the outer weights 1/2 are exact in binary64, and so in the claim.
const SLOPE: f64 = 0.25;
const OUTER: [f64; 4] = [0.5, -0.5, 0.5, -0.5];

/// The labels have margin 1/2 along u = (1, 0). The comparator s V is written out, since the block of
/// the module is called `hidden_weight` and has shape [2, 4].
const CASE: &str = r#"{
  "name": "own-model",
  "title": "Leaky-relu hidden layer written with Burn on four separable points",
  "source": {"work": "Frei, Cao, Gu 2021", "where": "one hidden layer, separable data"},
  "constants": {"s": 4, "gamma": "1/4", "m": "1/2", "c": "gamma*m"},
  "data": {
    "x": [[0.5, 1.0], [1.25, -2.0], [-0.75, 0.5], [-1.0, -1.5]],
    "y": [1, 1, -1, -1],
    "V": [[0.5, -0.5, 0.5, -0.5], [0, 0, 0, 0]]
  },
  "parameters": {},
  "define": {"f": "mean(softplus(-y * model(x)))"},
  "claim": {"proxy_convexity": {"f": "f", "g": "f", "h": "log(1 + exp(-s*c))"}},
  "region": {"w": {"box": [-3, 3]}, "v": {"point": "s * V"}}
}"#;

#[derive(Module, Debug)]
struct Network {
    hidden: Linear,
}

impl Network {
    /// `N(x; W) = sum_j a_j leaky_relu(w_j . x)`, as a column.
    fn predict(&self, x: Tensor<2>) -> Tensor<2> {
        let outer = Tensor::<1>::from_data(OUTER, (&x.device(), DType::F64)).reshape([4, 1]);
        activation::leaky_relu(self.hidden.forward(x), SLOPE).matmul(outer)
    }
}

/// The module as a function of its parameters, which is what a claim is about.
struct Trained(Network);

impl Model for Trained {
    fn blocks(&self) -> Vec<(String, Vec<usize>)> {
        parameter_blocks(&self.0)
            .into_iter()
            .map(|(name, shape)| (name.replace('.', "_"), shape))
            .collect()
    }

    fn inputs(&self) -> usize {
        2
    }

    fn forward(&self, parameters: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
        with_parameters(self.0.clone(), parameters).predict(x)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hidden = LinearConfig::new(2, 4).with_bias(false).init(&Device::flex());
    let model = Trained(Network { hidden });
    let case = Case::parse(CASE, "own_model.json", Path::new("."), false)?;
    let claim = Claim::with_model(&case, Box::new(model)).map_err(|fault| fault.render(false))?;
    let options = Options::of(&case.check, &claim);
    let findings = engine::run(&claim, &options, &Silent).map_err(|failure| format!("{failure:?}"))?;
    let certificate = Certificate::new(&case, &claim, options, findings, 0.0);
    println!("{}", certificate.statement.words);
    println!("{}: {}", certificate.verdict.word(), certificate.reason);
    Ok(())
}
