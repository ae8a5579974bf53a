//! Stochastic gradients: the mean over a batch of the gradients of single examples, by Burn's autodiff.

use crate::burn::device::Backend;
use crate::burn::executor::Executor;
use crate::claim::descent::Examples;
use crate::engine::stream::Stream;
use crate::graph::GradientRequest;
use crate::graph::op::Input;

/// Numbers that one run of Burn takes at most.
const NUMBERS: usize = 1 << 22;
/// Streams of batches, one purpose for each start, far from those of the points.
const PURPOSE: u64 = 1 << 32;

/// The loss of single examples and its gradient.
pub struct Batcher<'a> {
    examples: &'a Examples,
    value: Executor,
    gradient: Executor,
    seed: u64,
}

impl<'a> Batcher<'a> {
    /// Prepares the examples of a claim with `dimension` parameters.
    ///
    /// # Errors
    /// When Burn refuses the graph.
    pub fn new(examples: &'a Examples, dimension: usize, seed: u64) -> Result<Self, String> {
        let mut graph = examples.graph.clone();
        let whole = dimension + examples.width;
        let request = GradientRequest {
            function: examples.function,
            point: graph.input(Input::W, whole),
        };
        let gradient = graph.input(Input::Gradient(0), whole);
        Ok(Batcher {
            value: Executor::new(&graph, &[examples.function], &[], Backend::Ndarray)?,
            gradient: Executor::new(&graph, &[gradient], &[request], Backend::Ndarray)?,
            examples,
            seed,
        })
    }

    /// The mean of the loss over all examples.
    ///
    /// # Errors
    /// When Burn fails.
    pub fn mean(&self, w: &[f64]) -> Result<f64, String> {
        let all: Vec<usize> = (0..self.examples.count()).collect();
        let mut sum = 0.0;
        self.each(&self.value, w, &all, |values| sum += values.iter().sum::<f64>())?;
        Ok(sum / all.len() as f64)
    }

    /// The stochastic gradient at iterate `t` from start number `start`: the batch is drawn uniformly, with
    /// replacement, from a stream of its own.
    ///
    /// # Errors
    /// When Burn fails.
    pub fn gradient(&self, w: &[f64], start: u64, t: u64) -> Result<Vec<f64>, String> {
        let Examples {
            split, width, batch, ..
        } = *self.examples;
        let mut stream = Stream::new(self.seed, PURPOSE + start, t);
        let count = self.examples.count();
        let drawn: Vec<usize> = (0..batch).map(|_| stream.below(count)).collect();
        let mut mean = vec![0.0; w.len()];
        self.each(&self.gradient, w, &drawn, |gradients| {
            for gradient in gradients.chunks_exact(w.len() + width) {
                let own = gradient[..split].iter().chain(&gradient[split + width..]);
                mean.iter_mut().zip(own).for_each(|(sum, entry)| *sum += entry);
            }
        })?;
        mean.iter_mut().for_each(|entry| *entry /= batch as f64);
        Ok(mean)
    }

    /// Runs a function of parameters and example at some examples, a piece at a time, in order.
    fn each(
        &self,
        executor: &Executor,
        w: &[f64],
        examples: &[usize],
        mut add: impl FnMut(&[f64]),
    ) -> Result<(), String> {
        let piece = (NUMBERS / (w.len() + self.examples.width)).clamp(1, 256);
        for examples in examples.chunks(piece) {
            let mut inputs = Vec::new();
            for &example in examples {
                self.examples.input(w, example, &mut inputs);
            }
            add(&executor.run(&inputs, None, examples.len())?[0]);
        }
        Ok(())
    }
}
