//! The interval evaluator over several boxes at once, against the scalar one and against multiprecision.
//!
//! `PROXYCERT_CONTAINMENT=full` raises the number of random checks to millions for each operation.

use proxycert::eval::bulk::level::Level;
use proxycert::eval::checker::CheckerArithmetic;
use proxycert::eval::interval::{Interval, IntervalArithmetic};
use proxycert::eval::lanes::Lanes;
use proxycert::eval::tensor::Evaluator;
use proxycert::eval::{Arithmetic, Flags};
use proxycert::graph::op::{Along, Binary, Domain, Exponent, Input, Reduction, Unary};
use proxycert::graph::{Graph, NodeId};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "common/arguments.rs"]
mod arguments;
use arguments::{interval, point};

const fn power(num: i32, den: u32) -> Unary {
    Unary::Pow(Exponent { num, den })
}

/// Functions whose lanes are the scalar operation, bit by bit.
const SAME: [Unary; 24] = [
    Unary::Neg,
    Unary::Sqrt,
    Unary::Abs,
    Unary::Sin,
    Unary::Cos,
    Unary::Erf,
    Unary::Relu,
    Unary::Sign,
    Unary::Step,
    Unary::StepRight,
    power(0, 1),
    power(2, 1),
    power(3, 1),
    power(7, 1),
    power(20, 1),
    power(-1, 1),
    power(-2, 1),
    power(-3, 1),
    power(1, 2),
    power(3, 2),
    power(-1, 2),
    power(1, 3),
    power(5, 6),
    power(-7, 5),
];

/// Functions with values of their own.
const OWN: [Unary; 6] = [
    Unary::Exp,
    Unary::Log,
    Unary::Log1p,
    Unary::Tanh,
    Unary::Sigmoid,
    Unary::LogSigmoid,
];

const BINARY: [Binary; 8] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Max,
    Binary::Min,
    Binary::LeakyRelu,
    Binary::LeakyStep,
];

fn times() -> usize {
    match std::env::var("PROXYCERT_CONTAINMENT") {
        Ok(value) if value == "full" => 100,
        Ok(_) | Err(_) => 1,
    }
}

/// Equal bits at both ends.
fn bits(x: Interval) -> [u64; 2] {
    [x.lo.to_bits(), x.hi.to_bits()]
}

/// One evaluator for each instruction set of the machine; a stage for each root.
fn on_every_level(graph: &Graph, dimension: usize, roots: &[NodeId]) -> Vec<Lanes> {
    let stages: Vec<Vec<NodeId>> = roots.iter().map(|root| vec![*root]).collect();
    let lanes = Lanes::new(graph, &[(Input::W, dimension)], &stages, 1);
    let levels = Level::available().into_iter();
    levels.map(|level| lanes.clone().on(level)).collect()
}

/// The same entry and the same flags on every instruction set, beside other boxes and alone.
fn everywhere(lanes: &mut [Lanes], boxes: &[Vec<Interval>], lane: usize) -> (Interval, Flags) {
    let mut results = Vec::new();
    for own in lanes.iter_mut() {
        for beside in [boxes, &boxes[lane..=lane]] {
            own.expect(0, beside.iter().map(Vec::as_slice));
            let flags = own.run(0, &boxes[lane]);
            results.push((own.root(0, 0)[0], flags));
        }
    }
    let (first, flags) = results[0];
    for (other, other_flags) in &results {
        assert_eq!(bits(*other), bits(first), "{boxes:?}, lane {lane}");
        assert_eq!(*other_flags, flags, "{boxes:?}, lane {lane}");
    }
    (first, flags)
}

/// Intervals for a function, mostly where it is defined.
fn argument(rng: &mut impl Rng, op: Unary) -> Interval {
    let x = interval(rng);
    if op.row().domain == Domain::Partial && rng.random_range(0..4u32) > 0 {
        x.abs()
    } else {
        x
    }
}

/// Ordinary intervals, so that no lane keeps the others from the vector registers.
fn ordinary(rng: &mut impl Rng) -> Interval {
    let a: f64 = rng.random_range(-20.0..20.0);
    let width = [0.0, 1e-14, 1e-6, 0.1, 1.0, 30.0][rng.random_range(0..6usize)];
    let shifted = [a, 0.0, a.round(), a * 1e-9][rng.random_range(0..4usize)];
    Interval::new(
        shifted - [0.0, width][rng.random_range(0..2usize)],
        shifted + width,
    )
}

#[test]
fn operations_are_those_of_the_scalar_evaluator() {
    let mut arithmetic = IntervalArithmetic::new();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for op in SAME {
        let mut graph = Graph::new();
        let w = graph.input(Input::W, 1);
        let root = graph.unary(op, w);
        let mut lanes = on_every_level(&graph, 1, &[root]);
        for trial in 0..500 * times() {
            let mut draw = |_| {
                let x = if trial % 2 == 0 {
                    argument(&mut rng, op)
                } else {
                    ordinary(&mut rng)
                };
                let positive = op.row().domain == Domain::Partial && trial % 4 < 2;
                vec![if positive { x.abs() } else { x }]
            };
            let boxes: Vec<Vec<Interval>> = (0..8).map(&mut draw).collect();
            for lane in 0..8 {
                let (value, flags) = everywhere(&mut lanes, &boxes, lane);
                let expected = arithmetic.unary(op, &boxes[lane][0]);
                assert_eq!(bits(value), bits(expected), "{op:?} of {:?}", boxes[lane]);
                assert_eq!(flags, arithmetic.take_flags(), "{op:?} of {:?}", boxes[lane]);
            }
        }
    }
    for op in BINARY {
        let mut graph = Graph::new();
        let w = graph.input(Input::W, 2);
        let (x, y) = (graph.slice(w, 0, 0, 1, 1), graph.slice(w, 0, 1, 1, 1));
        let root = graph.binary(op, x, y);
        let mut lanes = on_every_level(&graph, 2, &[root]);
        for trial in 0..4_000 * times() {
            let mut draw = |_| {
                let mut one = || {
                    if trial % 4 == 0 {
                        interval(&mut rng)
                    } else {
                        ordinary(&mut rng)
                    }
                };
                let (x, y) = (one(), one());
                // a divisor of one sign in every lane, half of the time
                let y = if trial % 2 == 1 {
                    y.abs().max(Interval::point(1e-3))
                } else {
                    y
                };
                vec![x, if trial % 8 == 3 { -y } else { y }]
            };
            let boxes: Vec<Vec<Interval>> = (0..8).map(&mut draw).collect();
            for lane in 0..8 {
                let (value, flags) = everywhere(&mut lanes, &boxes, lane);
                let [x, y] = boxes[lane][..] else { unreachable!() };
                let expected = arithmetic.binary(op, &x, &y);
                assert_eq!(bits(value), bits(expected), "{op:?} of {x:?}, {y:?}");
                assert_eq!(flags, arithmetic.take_flags(), "{op:?} of {x:?}, {y:?}");
            }
        }
    }
}

/// The functions with values of their own contain those of multiprecision, say where they are undefined as the scalar
/// ones do, and are not much wider.
#[test]
fn elementary_functions_contain_the_checker() {
    let mut arithmetic = IntervalArithmetic::new();
    let mut checker = CheckerArithmetic::new();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for op in OWN {
        let mut graph = Graph::new();
        let w = graph.input(Input::W, 1);
        let root = graph.unary(op, w);
        let mut lanes = on_every_level(&graph, 1, &[root]);
        for trial in 0..500 * times() {
            let mut draw = |_| match trial % 3 {
                0 => vec![argument(&mut rng, op)],
                1 => vec![ordinary(&mut rng).abs()],
                _ => vec![ordinary(&mut rng)],
            };
            let boxes: Vec<Vec<Interval>> = (0..8).map(&mut draw).collect();
            for lane in 0..8 {
                let x = boxes[lane][0];
                let (value, flags) = everywhere(&mut lanes, &boxes, lane);
                let scalar = arithmetic.unary(op, &x);
                assert_eq!(flags, arithmetic.take_flags(), "{op:?} of {x:?}");
                let near = |a: f64, b: f64| a == b || (a - b).abs() <= 4e-15 * a.abs().max(b.abs()) + 1e-307;
                assert!(
                    near(value.lo, scalar.lo) && near(value.hi, scalar.hi),
                    "{op:?} of {x:?}: {value:?}, scalar {scalar:?}"
                );
                for end in [x.lo.max(-f64::MAX), x.hi.min(f64::MAX), point(&mut rng, x)] {
                    let exact = checker.float(end);
                    let exact = checker.unary(op, &exact);
                    if !checker.take_flags().defined {
                        assert!(!flags.defined, "{op:?} of {x:?}: undefined unnoticed");
                        continue;
                    }
                    let (lo, hi) = exact.to_f64();
                    assert!(
                        value.lo <= lo && hi <= value.hi,
                        "{op:?} of {x:?} at {end:e}: {value:?} misses [{lo:e}, {hi:e}]"
                    );
                }
            }
        }
    }
}

/// A graph with everything in it, in stages.
fn mixed(rng: &mut impl Rng) -> (Graph, Vec<Vec<NodeId>>) {
    let mut graph = Graph::new();
    let mut nodes = vec![graph.input(Input::W, 3)];
    let third = graph.fraction(1, 3);
    nodes.push(graph.broadcast_to(third, &[3]));
    for _ in 0..rng.random_range(2..14) {
        let x = nodes[rng.random_range(nodes.len() / 2..nodes.len())];
        let y = nodes[rng.random_range(0..nodes.len())];
        let node = match rng.random_range(0..10u32) {
            0..3 => graph.unary(SAME[rng.random_range(0..SAME.len())], x),
            3..7 => graph.binary(BINARY[rng.random_range(0..BINARY.len())], x, y),
            7 => {
                let op = [Reduction::Sum, Reduction::Max, Reduction::LogSumExp][rng.random_range(0..3usize)];
                let scalar = graph.reduce(op, x, 0);
                graph.add(scalar, y)
            }
            8 => graph.along([Along::Softmax, Along::ArgMax][rng.random_range(0..2usize)], x, 0),
            _ => {
                let part = graph.slice(x, 0, 2, -1, 2);
                graph.unslice(part, 0, 1, 1, 3)
            }
        };
        nodes.push(node);
    }
    let middle = nodes[nodes.len() / 2];
    let last = nodes[nodes.len() - 1];
    (graph, vec![vec![middle], vec![last, middle], vec![nodes[1]]])
}

/// Whole graphs without the functions that have values of their own: bits and flags of each stage are those of an
/// evaluator of its own, in whatever order stages and boxes are asked for.
#[test]
fn stages_are_those_of_separate_evaluators() {
    // the last takes a number of 10^-305 times 1, which recording leaves out
    for seed in (0..500 * times() as u64).chain([1422]) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (graph, stages) = mixed(&mut rng);
        let mut lanes = Lanes::new(&graph, &[(Input::W, 3)], &stages, 2);
        let boxes: Vec<Vec<Interval>> = (0..20)
            .map(|_| {
                let mut one = || {
                    if rng.random::<bool>() {
                        interval(&mut rng)
                    } else {
                        ordinary(&mut rng)
                    }
                };
                (0..3).map(|_| one()).collect()
            })
            .collect();
        lanes.expect(0, boxes[..8].iter().map(Vec::as_slice));
        lanes.expect(1, boxes[8..13].iter().map(Vec::as_slice));
        for _ in 0..40 {
            let (stage, number) = (
                rng.random_range(0..stages.len()),
                rng.random_range(0..boxes.len()),
            );
            let mut scalar = Evaluator::new(&graph, &stages[stage], IntervalArithmetic::new());
            let expected = scalar.run(&[(Input::W, &boxes[number])]);
            let flags = lanes.run(stage, &boxes[number]);
            assert_eq!(flags, expected, "graph {seed}, stage {stage}");
            for root in 0..stages[stage].len() {
                for (x, y) in lanes.root(stage, root).iter().zip(scalar.root(root)) {
                    assert_eq!(
                        bits(*x),
                        bits(*y),
                        "graph {seed}, stage {stage} over {:?}",
                        boxes[number]
                    );
                }
            }
        }
    }
}
