//! Burn held against hand-derived values and against our own gradients, and its two devices against
//! each other.

mod common;

use burn::tensor::{DType, Tensor, TensorData, activation};
use common::random_graph::{Choices, KINDS, random_graph};
use proxycert::burn::REWRITTEN;
use proxycert::burn::capture::capture;
use proxycert::burn::device::Backend;
use proxycert::burn::executor::Executor;
use proxycert::burn::models::{build, callable, capture_model, seeded_normals};
use proxycert::burn::module::{parameter_blocks, with_parameters};
use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::tensor::Evaluator;
use proxycert::graph::op::{Binary, Input, Reduction, Unary};
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

/// Value and gradient at one point, on both devices, against values derived by hand.
fn assert_at(build: impl Fn(&mut Graph, NodeId) -> NodeId, w: &[f64], value: f64, gradient: &[f64]) {
    for device in Backend::PROCESSOR {
        let mut graph = Graph::new();
        let input = graph.input(Input::W, w.len());
        let root = build(&mut graph, input);
        let [values, gradients] = burn_gradient(&mut graph, root, w.len(), w, device);
        assert!(
            (values[0] - value).abs() <= 1e-14,
            "{}: {} for {value}",
            device.name(),
            values[0]
        );
        assert!(
            distance(&gradients, gradient) <= 1e-14,
            "{}: {gradients:?} for {gradient:?}",
            device.name()
        );
    }
}

fn entry(g: &mut Graph, x: NodeId, i: usize) -> NodeId {
    let slice = g.slice(x, 0, i, 1, 1);
    g.reshape(slice, &[])
}

#[test]
fn values_and_gradients_derived_by_hand() {
    // a^2 b at (2, 3): 12, (2ab, a^2)
    let product = |g: &mut Graph, w| {
        let (a, b) = (entry(g, w, 0), entry(g, w, 1));
        let square = g.square(a);
        g.mul(square, b)
    };
    assert_at(product, &[2.0, 3.0], 12.0, &[12.0, 4.0]);
    // sigmoid(0) = 1/2, its derivative s(1-s) = 1/4
    let sigmoid = |g: &mut Graph, w| {
        let value = g.unary(Unary::Sigmoid, w);
        g.sum(value)
    };
    assert_at(sigmoid, &[0.0], 0.5, &[0.25]);
    // softplus(0) = log 2, derivative 1/2
    let softplus = |g: &mut Graph, w| {
        let value = g.softplus(w);
        g.sum(value)
    };
    assert_at(softplus, &[0.0], std::f64::consts::LN_2, &[0.5]);
    // x^(3/2) at 4: 8, 3/2 * 2; x^(-1/3) at 8: 1/2, -1/3 * 1/16; x^-2 at -2: 1/4, -2/-8
    for (num, den, x, value, derivative) in [
        (3, 2, 4.0, 8.0, 3.0),
        (-1, 3, 8.0, 0.5, -1.0 / 48.0),
        (-2, 1, -2.0, 0.25, 0.25),
        (5, 1, -1.0, -1.0, 5.0),
    ] {
        let power = |g: &mut Graph, w| {
            let value = g.pow(w, num, den);
            g.sum(value)
        };
        assert_at(power, &[x], value, &[derivative]);
    }
    // logsumexp of two equal numbers a: a + log 2, (1/2, 1/2), also far out
    let log_sum_exp = |g: &mut Graph, w| g.reduce_all(Reduction::LogSumExp, w);
    assert_at(log_sum_exp, &[0.0, 0.0], std::f64::consts::LN_2, &[0.5, 0.5]);
    let constant = |g: &mut Graph, _| g.fraction(1, 4);
    assert_at(constant, &[7.0], 0.25, &[0.0]);
}

#[test]
fn conventions_at_kinks() {
    let unary = |op| {
        move |g: &mut Graph, w| {
            let value = g.unary(op, w);
            g.sum(value)
        }
    };
    assert_at(unary(Unary::Relu), &[0.0], 0.0, &[0.0]);
    assert_at(unary(Unary::Abs), &[0.0], 0.0, &[0.0]);
    assert_at(unary(Unary::Step), &[0.0], 0.0, &[0.0]);
    assert_at(unary(Unary::StepRight), &[0.0], 1.0, &[0.0]);
    assert_at(unary(Unary::Sign), &[0.0], 0.0, &[0.0]);
    let leaky = |op| {
        move |g: &mut Graph, w| {
            let slope = g.fraction(1, 4);
            let value = g.binary(op, w, slope);
            g.sum(value)
        }
    };
    assert_at(leaky(Binary::LeakyRelu), &[0.0], 0.0, &[1.0]);
    assert_at(leaky(Binary::LeakyStep), &[0.0], 1.0, &[0.0]);
    let pair = |op| {
        move |g: &mut Graph, w| {
            let (a, b) = (entry(g, w, 0), entry(g, w, 1));
            g.binary(op, a, b)
        }
    };
    assert_at(pair(Binary::Max), &[1.0, 1.0], 1.0, &[1.0, 0.0]);
    assert_at(pair(Binary::Min), &[1.0, 1.0], 1.0, &[1.0, 0.0]);
    assert_at(
        |g, w| g.reduce_all(Reduction::Max, w),
        &[0.0, 1.0, 1.0],
        1.0,
        &[0.0, 1.0, 0.0],
    );
}

#[test]
fn undefined_values_stay_undefined() {
    for device in Backend::PROCESSOR {
        let mut g = Graph::new();
        let w = g.input(Input::W, 1);
        let log = g.unary(Unary::Log, w);
        let one = g.integer(1);
        let slope = g.fraction(1, 4);
        let roots = [
            log,
            g.unary(Unary::Relu, log),
            g.unary(Unary::Abs, log),
            g.unary(Unary::LogSigmoid, log),
            g.unary(Unary::Sigmoid, log),
            g.unary(Unary::Tanh, log),
            g.binary(Binary::LeakyRelu, log, slope),
            g.binary(Binary::Max, log, one),
            g.binary(Binary::Max, one, log),
            g.binary(Binary::Min, one, log),
            {
                let both = g.concat(&[w, log], 0);
                g.reduce_all(Reduction::Max, both)
            },
            {
                let both = g.concat(&[w, log], 0);
                g.reduce_all(Reduction::LogSumExp, both)
            },
        ];
        let executor = Executor::new(&g, &roots, &[], device).unwrap();
        for (i, values) in executor.run(&[-1.0], None, 1).unwrap().iter().enumerate() {
            assert!(values[0].is_nan(), "{}: root {i} is {}", device.name(), values[0]);
        }
    }
}

#[test]
fn gradients_at_other_points_and_of_several_functions() {
    // f = w^2/2 summed: grad f(x) = x. First at w, then at the step w - grad/2, then at v.
    for device in Backend::PROCESSOR {
        let mut g = Graph::new();
        let (w, v) = (g.input(Input::W, 2), g.input(Input::V, 2));
        let squared = g.squared_norm(w);
        let half = g.fraction(1, 2);
        let f = g.mul(half, squared);
        let [at_w, at_step, at_v] = [0, 1, 2].map(|k| g.input(Input::Gradient(k), 2));
        let halved = g.mul(half, at_w);
        let step = g.sub(w, halved);
        let requests = [w, step, v].map(|point| GradientRequest { function: f, point });
        let executor = Executor::new(&g, &[at_v, at_step, f, half], &requests, device).unwrap();
        let results = executor
            .run(&[1.0, 2.0, 3.0, 4.0], Some(&[5.0, 6.0, 7.0, 8.0]), 2)
            .unwrap();
        let expected = [
            vec![5.0, 6.0, 7.0, 8.0],
            vec![0.5, 1.0, 1.5, 2.0],
            vec![2.5, 12.5],
            vec![0.5, 0.5],
        ];
        assert_eq!(results, expected);

        let only =
            |roots: &[NodeId], requests: &[GradientRequest]| Executor::new(&g, roots, requests, device);
        let message = |result: Result<Executor, String>| result.map(|_| ()).unwrap_err();
        assert_eq!(message(only(&[at_w], &[])), "gradient 0 has no request");
        let vector = GradientRequest {
            function: w,
            point: w,
        };
        assert_eq!(
            message(only(&[at_w], &[vector])),
            "gradient 0 is asked of a function that is not a scalar"
        );
        let circular = GradientRequest {
            function: f,
            point: step,
        };
        assert!(message(only(&[at_w], &[circular])).contains("not known before it"));
        assert!(
            executor
                .run(&[1.0, 2.0], None, 1)
                .unwrap_err()
                .contains("needs v")
        );
        assert!(
            executor
                .run(&[1.0, 2.0, 3.0], Some(&[1.0, 2.0]), 1)
                .unwrap_err()
                .contains("3 numbers")
        );
        assert!(executor.run(&[], Some(&[]), 0).is_err());
    }
}

#[test]
fn the_same_bits_in_every_thread_and_for_every_batch() {
    let case = random_graph(7, 12);
    let (mut graph, p) = (case.graph, case.dimension);
    let point = graph.input(Input::W, p);
    let gradient = graph.input(Input::Gradient(0), p);
    let request = GradientRequest {
        function: case.root,
        point,
    };
    let w = Choices::new(1).reals(8 * p, 2.0);
    for device in Backend::PROCESSOR {
        let executor = Executor::new(&graph, &[case.root, gradient], &[request], device).unwrap();
        let bits = || -> Vec<u64> {
            executor
                .run(&w, None, 8)
                .unwrap()
                .concat()
                .iter()
                .map(|x| x.to_bits())
                .collect()
        };
        let first = bits();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(bits)).collect();
            for worker in workers {
                assert_eq!(worker.join().unwrap(), first);
            }
        });
    }
}

#[test]
fn rewritten_operations_are_listed() {
    let names: Vec<&str> = REWRITTEN.iter().map(|(name, _)| *name).collect();
    for leak in ["sigmoid(x)", "x / c", "x^(n/d)", "gelu(x)"] {
        assert!(names.contains(&leak), "{leak}");
    }
}

/// A Burn function of a `[4, 3]` matrix, captured, against the same function run on both devices.
fn assert_captured<const D: usize>(name: &str, function: impl Fn(Tensor<2>) -> Tensor<D>) {
    let numbers = Choices::new(3).reals(12, 2.0);
    let mut graph = Graph::new();
    let w = graph.input(Input::W, 12);
    let matrix = graph.reshape(w, &[4, 3]);
    let node = capture(&mut graph, &[matrix], |inputs| function(inputs[0].tensor()))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    for device in Backend::PROCESSOR {
        let place = device.device().unwrap();
        let input = Tensor::from_data(TensorData::new(numbers.clone(), [4, 3]), (&place, DType::F64));
        let output = function(input);
        assert_eq!(graph.shape(node), output.dims(), "{name}");
        let direct: Vec<f64> = output.into_data().try_into_vec().unwrap();
        let executor = Executor::new(&graph, &[node], &[], device).unwrap();
        let ours = executor.run(&numbers, None, 1).unwrap().remove(0);
        // ndarray's own sigmoid is computed in f32
        let tolerance = if name == "sigmoid" { 1e-6 } else { 1e-14 };
        let scale = 1.0 + norm(&direct);
        assert!(
            distance(&ours, &direct) <= tolerance * scale,
            "{name} on {}: {ours:?} {direct:?}",
            device.name()
        );
    }
}

#[test]
fn captured_functions_equal_the_functions() {
    assert_captured("exp", |x| x.exp());
    assert_captured("log", |x| (x.clone() * x + 1.0).log());
    assert_captured("log1p", |x| x.abs().log1p());
    assert_captured("sqrt", |x| x.abs().sqrt());
    assert_captured("sin, cos", |x| x.clone().sin() + x.cos());
    assert_captured("tanh", |x| x.tanh());
    assert_captured("erf", |x| x.erf());
    assert_captured("recip", |x| (x.abs() + 0.5).recip());
    assert_captured("powf", |x| (x.abs() + 0.5).powf_scalar(2.5));
    assert_captured("powi", |x| x.powi_scalar(3));
    assert_captured("arithmetic", |x| {
        (x.clone() - 0.5) * (x.clone() * 3.0 + 1.5) / (x.abs() + 2.0) / 7.0
    });
    assert_captured("neg", |x| -x);
    assert_captured("clamp", |x| x.clamp(-0.5, 1.25));
    assert_captured("clamp_min", |x| x.clone().clamp_min(0.1) + x.clamp_max(0.3));
    assert_captured("mean", |x| x.mean());
    assert_captured("sum", |x| x.sum());
    assert_captured("max", |x| x.clone().max() - x.min());
    assert_captured("mean_dim", |x| x.mean_dim(0));
    assert_captured("sum_dim", |x| x.sum_dim(1));
    assert_captured("max_dim", |x| x.clone().max_dim(1) + x.min_dim(1));
    assert_captured("relu", activation::relu);
    assert_captured("leaky_relu", |x| activation::leaky_relu(x, 0.125));
    assert_captured("sigmoid", activation::sigmoid);
    assert_captured("log_sigmoid", activation::log_sigmoid);
    assert_captured("gelu", activation::gelu);
    assert_captured("softmax", |x| activation::softmax(x, 1));
    assert_captured("log_softmax", |x| activation::log_softmax(x, 0));
    assert_captured("matmul", |x| x.clone().matmul(x.transpose()));
    assert_captured("reshape", |x| x.reshape([2, 6]).swap_dims(0, 1));
    assert_captured("permute", |x| x.permute([1, 0]));
    assert_captured("slice", |x| x.slice([1..3, 0..2]));
    assert_captured("flip", |x| x.flip([0]));
    assert_captured("cat", |x| Tensor::cat(vec![x.clone(), x * 2.0], 1));
    assert_captured("repeat", |x| x.repeat_dim(0, 2));
    assert_captured("expand", |x| x.slice([0..1, 0..3]).expand([5, 3]));
    assert_captured("squeeze", |x| x.slice([0..1, 0..3]).squeeze::<1>());
    assert_captured("constants", |x| {
        x.clone() + x.ones_like() - x.zeros_like() + x.full_like(0.25)
    });
    assert_captured("select", |x| {
        let indices = Tensor::from_data([2, 0, 2], &x.device());
        x.select(0, indices)
    });
    assert_captured("gather", |x| {
        let indices = Tensor::from_data([[2], [0], [1], [1]], &x.device());
        x.gather(1, indices)
    });
}

#[test]
fn inputs_are_the_nodes_given() {
    let mut graph = Graph::new();
    let (w, v) = (graph.input(Input::W, 2), graph.input(Input::V, 2));
    let same = capture(&mut graph, &[w, v], |inputs| inputs[1].tensor::<1>()).unwrap();
    assert_eq!(same, v);
    let difference = capture(&mut graph, &[w, v], |inputs| {
        inputs[0].tensor::<1>() - inputs[1].tensor()
    })
    .unwrap();
    assert_eq!(difference, graph.sub(w, v));
    assert!(
        capture(&mut graph, &[w], |inputs| inputs[0].tensor::<2>())
            .unwrap_err()
            .contains("rank")
    );
}

#[test]
fn what_cannot_be_captured_is_named() {
    let refused = |function: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let mut graph = Graph::new();
        let w = graph.input(Input::W, 4);
        let matrix = graph.reshape(w, &[2, 2]);
        capture(&mut graph, &[matrix], |inputs| function(inputs[0].tensor())).unwrap_err()
    };
    assert!(refused(&|x| x.cumsum(0)).contains("CumSum"));
    assert!(refused(&|x| x.powf_scalar(0.123456789)).contains("0.123456789"));
    assert!(refused(&|x| x.cast(DType::F32)).contains("Cast"));
    let single = refused(&|x| {
        let one = Tensor::from_data(
            TensorData::new(vec![1.0f32; 4], [2, 2]),
            (&x.device(), DType::F32),
        );
        x * one
    });
    assert!(single.contains("DTypeMismatch"), "{single}");
    let infinite = refused(&|x| {
        let one = Tensor::from_data(
            TensorData::new(vec![f64::INFINITY; 4], [2, 2]),
            (&x.device(), DType::F64),
        );
        x * one
    });
    assert!(infinite.contains("not finite"), "{infinite}");
    assert!(refused(&|x| x.clone() * x.into_data().try_to_vec::<f64>().unwrap()[0]).contains("panicked"));
    assert!(refused(&|x| x.reshape([3, 3])).contains("panicked"));
}

fn options(text: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(text).unwrap()
}

/// Prediction of a model at given parameters, captured and run, and run directly.
fn assert_model(kind: &str, text: &str, w: &[f64], x: &[f64], expected: &[f64]) {
    let model = build(kind, &options(text)).unwrap();
    let columns = model.inputs();
    let rows = x.len() / columns;
    let mut graph = Graph::new();
    let parameters = graph.input(Input::W, w.len());
    let data = graph.data(x.to_vec().into(), &[rows, columns]);
    let node = capture_model(&mut graph, &*model, parameters, data).unwrap();
    for device in Backend::PROCESSOR {
        let executor = Executor::new(&graph, &[node], &[], device).unwrap();
        let ours = executor.run(w, None, 1).unwrap().remove(0);
        assert!(
            distance(&ours, expected) <= 1e-14 * (1.0 + norm(expected)),
            "{kind} {text}: {ours:?}"
        );
        let place = device.device().unwrap();
        let tensor = |values: &[f64]| TensorData::new(values.to_vec(), [values.len()]);
        let flat = Tensor::from_data(tensor(w), (&place, DType::F64));
        let points = Tensor::<1>::from_data(tensor(x), (&place, DType::F64)).reshape([rows, columns]);
        let direct: Vec<f64> = model.forward(flat, points).into_data().try_into_vec().unwrap();
        assert!(
            distance(&ours, &direct) <= 1e-14 * (1.0 + norm(&direct)),
            "{kind} {text}: {direct:?}"
        );
    }
}

#[test]
fn models_predict_what_is_derived_by_hand() {
    // x W + b
    assert_model(
        "linear",
        r#"{"inputs": 2}"#,
        &[1.0, 2.0, 0.5],
        &[3.0, 4.0, 0.0, 1.0],
        &[11.5, 2.5],
    );
    // leaky_relu(-1) with slope 1/4
    let neuron = r#"{"inputs": 2, "activation": "leaky_relu", "slope": 0.25}"#;
    assert_model(
        "neuron",
        neuron,
        &[1.0, -1.0],
        &[1.0, 2.0, 2.0, 1.0],
        &[-0.25, 1.0],
    );
    // W1 = (1, -1), b1 = (0, 1), relu, W2 = (2, 3)^T, b2 = 1: at x = 2: 2*2 + 3*0 + 1; at x = -1: 0 + 3*2 + 1
    let mlp = r#"{"inputs": 1, "widths": [2], "activation": "relu"}"#;
    assert_model(
        "mlp",
        mlp,
        &[1.0, -1.0, 0.0, 1.0, 2.0, 3.0, 1.0],
        &[2.0, -1.0],
        &[5.0, 7.0],
    );
    // the same with the last layer fixed and no biases: 2 relu(x) + 3 relu(-x)
    let fixed =
        r#"{"inputs": 1, "widths": [2], "activation": "relu", "biases": false, "fixed": {"W2": [[2], [3]]}}"#;
    assert_model("mlp", fixed, &[1.0, -1.0], &[2.0, -1.0], &[4.0, 3.0]);
    // residual: h1 = x w1, h2 = h1 + h1 w2, out = h2 w3: 1 * 2 = 2, 2 + 2 * 3 = 8, 8 * 5
    let residual =
        r#"{"inputs": 1, "widths": [1, 1], "activation": "identity", "biases": false, "residual": true}"#;
    assert_model("mlp", residual, &[2.0, 3.0, 5.0], &[1.0], &[40.0]);
    // U = (1, 2)^T, V = (3, 4)^T, x the identity: U V^T
    let product = r#"{"rows": 2, "columns": 2, "rank": 1}"#;
    let identity = [1.0, 0.0, 0.0, 1.0];
    assert_model(
        "matrix_factorization",
        product,
        &[1.0, 2.0, 3.0, 4.0],
        &identity,
        &[3.0, 4.0, 6.0, 8.0],
    );
    let symmetric = r#"{"rows": 2, "rank": 1, "symmetric": true}"#;
    assert_model(
        "matrix_factorization",
        symmetric,
        &[1.0, 2.0],
        &identity,
        &[1.0, 2.0, 2.0, 4.0],
    );
    // softplus(0) = log 2, sigmoid(0) = 1/2
    let softplus = r#"{"inputs": 1, "activation": "softplus"}"#;
    assert_model("neuron", softplus, &[1.0], &[0.0], &[std::f64::consts::LN_2]);
}

#[test]
fn a_model_reads_the_last_parameters() {
    // w = (a, b, c): x * b + c at (9, 2, 1), x = (3, 4)
    let model = callable(build("linear", &options(r#"{"inputs": 1}"#)).unwrap(), 1);
    let mut graph = Graph::new();
    let x = graph.data([3.0, 4.0].into(), &[2]);
    let node = model(&mut graph, x).unwrap();
    let executor = Executor::new(&graph, &[node], &[], Backend::Flex).unwrap();
    assert_eq!(executor.run(&[9.0, 2.0, 1.0], None, 1).unwrap(), [vec![7.0, 9.0]]);
    let wide = graph.data([3.0, 4.0].into(), &[1, 2]);
    assert!(model(&mut graph, wide).unwrap_err().contains("[n, 1]"));
}

#[test]
fn modules_read_a_flat_tensor() {
    // weight (1, 2)^T stored [inputs, outputs], bias 3: at x = (4, 5): 4 + 10 + 3
    let layer = burn::nn::LinearConfig::new(2, 1).init(&burn::tensor::Device::flex());
    assert_eq!(
        parameter_blocks(&layer),
        [("weight".to_string(), vec![2, 1]), ("bias".to_string(), vec![1])]
    );
    let mut graph = Graph::new();
    let w = graph.input(Input::W, 3);
    let x = graph.data([4.0, 5.0].into(), &[1, 2]);
    let run = |graph: &mut Graph, w: NodeId| {
        capture(graph, &[w, x], |inputs| {
            let layer = with_parameters(layer.clone(), inputs[0].tensor());
            layer.forward(inputs[1].tensor::<2>())
        })
    };
    let node = run(&mut graph, w).unwrap();
    let executor = Executor::new(&graph, &[node], &[], Backend::Flex).unwrap();
    assert_eq!(executor.run(&[1.0, 2.0, 3.0], None, 1).unwrap(), [vec![17.0]]);
    let short = graph.slice(w, 0, 0, 1, 2);
    assert!(run(&mut graph, short).unwrap_err().contains("shorter"));
}

#[test]
fn wrong_options_are_located() {
    let path = |kind: &str, text: &str| build(kind, &options(text)).map(|_| ()).unwrap_err().path;
    assert_eq!(path("transformer", "{}"), "");
    assert_eq!(path("linear", "{}"), "inputs");
    assert_eq!(path("linear", r#"{"inputs": 0}"#), "inputs");
    assert_eq!(path("linear", r#"{"inputs": 1e30}"#), "inputs");
    assert_eq!(path("linear", r#"{"inputs": 2, "speed": 1}"#), "speed");
    assert_eq!(path("linear", r#"{"inputs": 2, "bias": 1}"#), "bias");
    assert_eq!(path("linear", r#"{"inputs": 1000000, "outputs": 1000000}"#), "");
    let deep = format!(
        r#"{{"inputs": 1, "activation": "tanh", "widths": [{}1]}}"#,
        "1, ".repeat(1000)
    );
    assert_eq!(path("mlp", &deep), "widths");
    assert_eq!(path("neuron", r#"{"inputs": 2}"#), "activation");
    assert_eq!(
        path("neuron", r#"{"inputs": 2, "activation": "swish"}"#),
        "activation"
    );
    assert_eq!(
        path("neuron", r#"{"inputs": 2, "activation": "leaky_relu"}"#),
        "slope"
    );
    assert_eq!(
        path("neuron", r#"{"inputs": 2, "activation": "relu", "slope": 1}"#),
        "slope"
    );
    let mlp = |rest: &str| {
        path(
            "mlp",
            &format!(r#"{{"inputs": 2, "activation": "relu", {rest}}}"#),
        )
    };
    assert_eq!(mlp(r#""widths": [2, 0]"#), "widths[1]");
    assert_eq!(mlp(r#""widths": [2, 3], "residual": true"#), "widths");
    assert_eq!(mlp(r#""widths": [2], "trained": ["W1", "W9"]"#), "trained[1]");
    assert_eq!(mlp(r#""widths": [2], "trained": []"#), "");
    assert_eq!(mlp(r#""widths": [2], "fixed": {"W9": 1}"#), "fixed.W9");
    assert_eq!(mlp(r#""widths": [2], "fixed": {"W2": [[1]]}"#), "fixed.W2");
    assert_eq!(
        mlp(r#""widths": [2], "trained": ["W1"], "fixed": {"W1": [[1, 2], [3, 4]]}"#),
        "fixed.W1"
    );
    assert_eq!(mlp(r#""widths": [2], "seed": -1"#), "seed");
}

#[test]
fn seeded_layers_are_normal_and_differ_by_block() {
    let count = 40_000;
    let values = seeded_normals(5, 0, count, 2.0);
    let mean = values.iter().sum::<f64>() / count as f64;
    let variance = values.iter().map(|x| x * x).sum::<f64>() / count as f64;
    // five standard deviations of the two estimators: 2/sqrt(n) and 4 sqrt(2/n)
    assert!(
        mean.abs() < 0.05 && (variance - 4.0).abs() < 0.15,
        "{mean} {variance}"
    );
    assert_ne!(values[..10], seeded_normals(5, 1, 10, 2.0));
    assert_ne!(values[..10], seeded_normals(6, 0, 10, 2.0));
    assert_eq!(values[..9], seeded_normals(5, 0, 9, 2.0));
}
