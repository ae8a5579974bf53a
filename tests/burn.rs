//! Burn held against hand-derived values and against our own gradients, and its two devices against
//! each other.

mod common;

use common::random_graph::{Choices, KINDS, random_graph};
use proxycert::burn::executor::{Backend, Executor};
use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::tensor::Evaluator;
use proxycert::graph::op::{Along, Binary, Input, Reduction, Unary};
use proxycert::graph::{GradientRequest, Graph, NodeId};

/// Value and gradient of `f` at `w` by Burn.
fn burn_gradient(
    graph: &mut Graph,
    root: NodeId,
    dimension: usize,
    w: &[f64],
    device: Backend,
) -> [Vec<f64>; 2] {
    let point = graph.input(Input::W, dimension);
    let gradient = graph.input(Input::Gradient(0), dimension);
    let request = GradientRequest {
        function: root,
        point,
    };
    let executor = Executor::new(graph, &[root, gradient], &[request], device).unwrap();
    let results = executor.run(w, None, w.len() / dimension).unwrap();
    results.try_into().unwrap()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>())
}

#[test]
fn gradients_agree_with_burn_on_random_graphs() {
    let mut worst: f64 = 0.0;
    for seed in 0..10 * KINDS as u64 {
        let case = random_graph(seed, 1 + seed as usize / KINDS);
        let (mut graph, root, p) = (case.graph, case.root, case.dimension);
        let points = 3;
        let w = Choices::new(seed ^ 0x5eed).reals(points * p, 2.0);
        let direction = Choices::new(seed ^ 0xd1).reals(p, 1.0);
        let gradient = graph.gradient(root, Input::W, p);
        let along = graph.data(direction.clone().into(), &[p]);
        let jvp = graph.jvp(root, Input::W, along);
        let mut ours = Evaluator::new(&graph, &[root, gradient, jvp], FloatArithmetic);
        let [values, gradients] = burn_gradient(&mut graph, root, p, &w, Backend::Ndarray);
        let [flex_values, flex_gradients] = burn_gradient(&mut graph, root, p, &w, Backend::Flex);
        for k in 0..points {
            let part = k * p..(k + 1) * p;
            ours.run(&[(Input::W, &w[part.clone()])]);
            let scale = 1.0 + norm(ours.root(1)) + ours.root(0)[0].abs();
            let inner: f64 = gradients[part.clone()]
                .iter()
                .zip(&direction)
                .map(|(x, y)| x * y)
                .sum();
            let differences = [
                (values[k] - ours.root(0)[0]).abs(),
                distance(&gradients[part.clone()], ours.root(1)),
                (inner - ours.root(2)[0]).abs(),
                (values[k] - flex_values[k]).abs(),
                distance(&gradients[part.clone()], &flex_gradients[part]),
            ];
            for (what, difference) in differences.iter().enumerate() {
                assert!(
                    *difference <= 1e-12 * scale,
                    "seed {seed}, comparison {what}: {difference} of {scale}"
                );
                worst = worst.max(difference / scale);
            }
        }
    }
    println!("largest relative difference {worst:e}");
}
