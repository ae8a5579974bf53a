//! One suite for every arithmetic of the shared evaluator, and random graphs.
//!
//! [`suite`] holds each operation of the table against one canonical definition of it, written once
//! below in plain 400-bit arithmetic without regard to speed or rounding. The random graphs check that
//! the interval evaluation over a box contains the checker's evaluation at points of the box; results
//! that are undefined or unbounded, and so say nothing, are counted and printed, and must be few.

mod common;

use std::fmt::Debug;
use std::sync::Arc;

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use dashu_ratio::RBig;
use proxycert::burn::device::Backend;
use proxycert::burn::executor::Executor;
use proxycert::eval::bulk::Bulk;
use proxycert::eval::bulk::elementary;
use proxycert::eval::bulk::level::Level;
use proxycert::eval::checker::{CheckerArithmetic, Enclosure};
use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::interval::{Interval, IntervalArithmetic};
use proxycert::eval::lanes::Lanes;
use proxycert::eval::tensor::Evaluator;
use proxycert::eval::{Arithmetic, Flags};
use proxycert::graph::op::{Along, Binary, Exponent, Input, Reduction, Unary};
use proxycert::graph::{Graph, NodeId};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

// ---------------------------------------------------------------------------------------------------
// Canonical definitions

/// Numbers of the definitions: 400 bits, rounded to nearest.
type Real = FBig<HalfEven, 2>;

fn real(x: f64) -> Real {
    Real::try_from(x).expect("finite").with_precision(400).value()
}

fn is_zero(x: &Real) -> bool {
    *x == real(0.0)
}

/// `sum_n (-1)^n x^(2n+1) / (n! (2n+1)) * 2/sqrt(pi)`, the Taylor series of the error function; at 400
/// bits the cancellation for `|x| <= 8` leaves more than 200.
fn erf(x: &Real) -> Real {
    let square = x * x;
    let (mut power, mut sum) = (x.clone(), real(0.0));
    for n in 0..700u32 {
        sum += &power / real(f64::from(2 * n + 1));
        power = -(power * &square) / real(f64::from(n + 1));
    }
    sum * real(2.0) / Real::pi(400).sqrt()
}

fn define_unary(op: Unary, x: &Real) -> Real {
    let (zero, one) = (real(0.0), real(1.0));
    match op {
        Unary::Neg => -x,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Log1p => (x + &one).ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Abs => {
            if *x < zero {
                -x
            } else {
                x.clone()
            }
        }
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
        Unary::Sigmoid => &one / (&one + (-x).exp()),
        Unary::LogSigmoid => -(&one + (-x).exp()).ln(),
        Unary::Erf => erf(x),
        Unary::Relu => {
            if *x < zero {
                zero
            } else {
                x.clone()
            }
        }
        Unary::Sign => {
            if *x < zero {
                -one
            } else {
                one
            }
        }
        Unary::Step | Unary::StepRight => {
            if *x < zero {
                zero
            } else {
                one
            }
        }
        Unary::Pow(Exponent { num, den: 1 }) => {
            let power = (0..num.unsigned_abs()).fold(one.clone(), |product, _| product * x);
            if num < 0 { one / power } else { power }
        }
        Unary::Pow(Exponent { num, den }) => (x.ln() * real(f64::from(num)) / real(f64::from(den))).exp(),
    }
}

fn define_binary(op: Binary, x: &Real, y: &Real) -> Real {
    let zero = real(0.0);
    match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Max => {
            if x > y {
                x.clone()
            } else {
                y.clone()
            }
        }
        Binary::Min => {
            if x < y {
                x.clone()
            } else {
                y.clone()
            }
        }
        Binary::LeakyRelu => {
            if *x < zero {
                x * y
            } else {
                x.clone()
            }
        }
        Binary::LeakyStep => {
            if *x < zero {
                y.clone()
            } else {
                real(1.0)
            }
        }
    }
}

fn define_sum(entries: &[Real]) -> Real {
    entries.iter().fold(real(0.0), |sum, x| sum + x)
}

fn define_reduction(op: Reduction, entries: &[Real]) -> Real {
    match op {
        Reduction::Sum => define_sum(entries),
        Reduction::Max => entries.iter().max().expect("entries").clone(),
        Reduction::LogSumExp => define_sum(&entries.iter().map(|x| x.exp()).collect::<Vec<_>>()).ln(),
    }
}

fn define_along(op: Along, entries: &[Real]) -> Vec<Real> {
    match op {
        Along::Softmax => {
            let weights: Vec<Real> = entries.iter().map(|x| x.exp()).collect();
            let total = define_sum(&weights);
            weights.iter().map(|w| w / &total).collect()
        }
        Along::ArgMax => {
            let largest = define_reduction(Reduction::Max, entries);
            entries
                .iter()
                .map(|x| real(f64::from(u8::from(*x == largest))))
                .collect()
        }
    }
}

// ---------------------------------------------------------------------------------------------------
// The suite

/// An evaluator under test.
trait Subject {
    /// A number or an enclosure.
    type Value: Debug;
    /// Entries of the root at the point `w`.
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<Self::Value>, Flags);
    /// Whether the result is right, for an operation whose true value is `truth`.
    fn holds(value: &Self::Value, truth: &Real) -> bool;
}

/// The shared evaluator in an arithmetic.
fn shared<A: Arithmetic + Default>(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<A::Value>, Flags) {
    let mut evaluator = Evaluator::new(graph, &[root], A::default());
    let entries: Vec<A::Value> = w.iter().map(|x| evaluator.arithmetic().float(*x)).collect();
    let flags = evaluator.run(&[(Input::W, &entries)]);
    (evaluator.root(0).to_vec(), flags)
}

/// Burn on one of its devices.
fn burn(graph: &Graph, root: NodeId, w: &[f64], device: Backend) -> (Vec<f64>, Flags) {
    let executor = Executor::new(graph, &[root], &[], device).expect("an executor");
    let mut roots = executor.run(w, None, 1).expect("a run");
    (roots.remove(0), Flags::default())
}

/// Whether a binary64 result is right: relative, with room for sums that cancel.
fn close(value: f64, truth: &Real) -> bool {
    let difference = real(value) - truth;
    let size = truth.to_f64().value().abs();
    difference.to_f64().value().abs() <= 1e-13 * size + 1e-14
}

struct BurnNdarray;
struct BurnFlex;

impl Subject for BurnNdarray {
    type Value = f64;
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<f64>, Flags) {
        burn(graph, root, w, Backend::Ndarray)
    }
    fn holds(value: &f64, truth: &Real) -> bool {
        close(*value, truth)
    }
}

impl Subject for BurnFlex {
    type Value = f64;
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<f64>, Flags) {
        burn(graph, root, w, Backend::Flex)
    }
    fn holds(value: &f64, truth: &Real) -> bool {
        close(*value, truth)
    }
}

/// The bulk evaluator.
struct InBulk;

impl Subject for InBulk {
    type Value = f64;
    /// At more points than a block holds, in every form: all the same bits.
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<f64>, Flags) {
        let mut results: Vec<Vec<f64>> = Vec::new();
        for (_, mut bulk) in forms(graph, &[root]) {
            let values = bulk.run(&w.repeat(11), &[], 11).expect("a run").remove(0);
            results.extend(values.chunks(values.len() / 11).map(<[f64]>::to_vec));
        }
        for other in &results {
            let same = other
                .iter()
                .zip(&results[0])
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{other:?} and {:?}", results[0]);
        }
        (results.remove(0), Flags::default())
    }
    fn holds(value: &f64, truth: &Real) -> bool {
        close(*value, truth)
    }
}

/// `truth` to about 300 bits, and less than that on each side.
fn around(truth: &Real) -> (RBig, RBig) {
    let value = RBig::try_from(truth.clone()).expect("finite");
    // the definitions keep at least 150 correct bits in the worst case here
    let error = if is_zero(truth) {
        RBig::ZERO
    } else {
        value.clone() / RBig::from(dashu_int::IBig::ONE << 150)
    };
    let error = if error < RBig::ZERO { -error } else { error };
    (&value - &error, value + error)
}

impl Subject for FloatArithmetic {
    type Value = f64;
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<f64>, Flags) {
        shared::<Self>(graph, root, w)
    }
    fn holds(value: &f64, truth: &Real) -> bool {
        close(*value, truth)
    }
}

impl Subject for IntervalArithmetic {
    type Value = Interval;
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<Interval>, Flags) {
        shared::<Self>(graph, root, w)
    }
    fn holds(value: &Interval, truth: &Real) -> bool {
        let (below, above) = around(truth);
        let meets = RBig::try_from(value.lo).expect("bounded") <= above
            && RBig::try_from(value.hi).expect("bounded") >= below;
        meets && value.width() <= 1e-13 * truth.to_f64().value().abs() + 1e-14
    }
}

/// Intervals over several boxes at once.
struct InLanes;

impl Subject for InLanes {
    type Value = Interval;
    /// Beside other boxes and alone, on every instruction set of the machine: all the same.
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<Interval>, Flags) {
        let own: Vec<Interval> = w.iter().map(|x| Interval::point(*x)).collect();
        let wide: Vec<Interval> = w.iter().map(|x| Interval::new(x - 1.0, x + 1.0)).collect();
        let mut results = Vec::new();
        for level in Level::available() {
            let mut lanes = Lanes::new(graph, &[(Input::W, w.len())], &[vec![root]], 1).on(level);
            for boxes in [vec![], vec![&wide, &own, &wide]] {
                lanes.expect(0, boxes.into_iter().map(Vec::as_slice));
                let flags = lanes.run(0, &own);
                results.push((lanes.root(0, 0).to_vec(), flags));
            }
        }
        assert!(results.iter().all(|other| *other == results[0]), "{results:?}");
        results.remove(0)
    }
    fn holds(value: &Interval, truth: &Real) -> bool {
        IntervalArithmetic::holds(value, truth)
    }
}

impl Subject for CheckerArithmetic {
    type Value = Enclosure;
    fn values(graph: &Graph, root: NodeId, w: &[f64]) -> (Vec<Enclosure>, Flags) {
        shared::<Self>(graph, root, w)
    }
    fn holds(value: &Enclosure, truth: &Real) -> bool {
        let (below, above) = around(truth);
        let meets = (value.contains(&below) || !value.at_most(&below))
            && (value.contains(&above) || !value.at_least(&above));
        let margin = RBig::from_parts(1.into(), 10u8.into()).pow(35);
        meets && value.at_least(&(below - &margin)) && value.at_most(&(above + margin))
    }
}

/// Evaluates a graph of `W` at a point and compares every entry with its definition.
fn compare<S: Subject>(
    what: &str,
    build: impl FnOnce(&mut Graph, NodeId) -> NodeId,
    w: &[f64],
    truth: &[Real],
) {
    let mut graph = Graph::new();
    let input = graph.input(Input::W, w.len());
    let root = build(&mut graph, input);
    let (values, flags) = S::values(&graph, root, w);
    assert_eq!(flags, Flags::default(), "{what} at {w:?}");
    assert_eq!(values.len(), truth.len(), "{what}: number of entries");
    for (value, truth) in values.iter().zip(truth) {
        assert!(
            S::holds(value, truth),
            "{what} at {w:?}: {value:?}, not {truth:?}"
        );
    }
}

const UNARY: [Unary; 22] = [
    Unary::Neg,
    Unary::Exp,
    Unary::Log,
    Unary::Log1p,
    Unary::Sqrt,
    Unary::Abs,
    Unary::Sin,
    Unary::Cos,
    Unary::Tanh,
    Unary::Sigmoid,
    Unary::LogSigmoid,
    Unary::Erf,
    Unary::Relu,
    Unary::Sign,
    Unary::Step,
    Unary::StepRight,
    Unary::Pow(Exponent { num: 2, den: 1 }),
    Unary::Pow(Exponent { num: -3, den: 1 }),
    Unary::Pow(Exponent { num: 3, den: 2 }),
    Unary::Pow(Exponent { num: 1, den: 3 }),
    Unary::Pow(Exponent { num: -5, den: 12 }),
    Unary::Pow(Exponent { num: 2, den: 5 }),
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

/// Whether the function is defined for positive arguments only.
fn needs_positive(op: Unary) -> bool {
    matches!(op, Unary::Log | Unary::Log1p | Unary::Sqrt) || matches!(op, Unary::Pow(e) if e.den > 1)
}

/// Every operation of the table, against its definition, at points away from kinks.
fn suite<S: Subject>() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.random_range(-6.0..6.0)).collect() };
    let reals = |w: &[f64]| -> Vec<Real> { w.iter().map(|x| real(*x)).collect() };
    for _ in 0..10 {
        for op in UNARY {
            let mut w = draw(3);
            if needs_positive(op) {
                w.iter_mut().for_each(|x| *x = x.abs());
            }
            let truth: Vec<Real> = reals(&w).iter().map(|x| define_unary(op, x)).collect();
            compare::<S>(&format!("{op:?}"), |g, x| g.unary(op, x), &w, &truth);
        }
        for op in BINARY {
            // broadcast: a column of 2 against a row of 3
            let w = draw(5);
            let r = reals(&w);
            let truth: Vec<Real> = (0..6)
                .map(|i| define_binary(op, &r[i / 3], &r[2 + i % 3]))
                .collect();
            let build = |g: &mut Graph, x: NodeId| {
                let (a, b) = (g.slice(x, 0, 0, 1, 2), g.slice(x, 0, 2, 1, 3));
                let a = g.reshape(a, &[2, 1]);
                g.binary(op, a, b)
            };
            compare::<S>(&format!("{op:?}"), build, &w, &truth);
        }
        for op in [Reduction::Sum, Reduction::Max, Reduction::LogSumExp] {
            // over the first axis of [3, 2]
            let w = draw(6);
            let r = reals(&w);
            let columns = [0, 1].map(|j| [r[j].clone(), r[2 + j].clone(), r[4 + j].clone()]);
            let truth = columns.map(|c| define_reduction(op, &c));
            let build = |g: &mut Graph, x: NodeId| {
                let x = g.reshape(x, &[3, 2]);
                g.reduce(op, x, 0)
            };
            compare::<S>(&format!("{op:?}"), build, &w, &truth);
        }
        for op in [Along::Softmax, Along::ArgMax] {
            // along the last axis of [2, 3]
            let w = draw(6);
            let r = reals(&w);
            let truth = [define_along(op, &r[..3]), define_along(op, &r[3..])].concat();
            let build = |g: &mut Graph, x: NodeId| {
                let x = g.reshape(x, &[2, 3]);
                g.along(op, x, 1)
            };
            compare::<S>(&format!("{op:?}"), build, &w, &truth);
        }
        moves::<S>(&draw(6));
    }
}

/// The operations that multiply matrices, move entries or stand for constants.
fn moves<S: Subject>(w: &[f64]) {
    let r: Vec<Real> = w.iter().map(|x| real(*x)).collect();
    let pick = |positions: &[usize]| -> Vec<Real> { positions.iter().map(|&i| r[i].clone()).collect() };
    // [2, 3] @ [3, 2], both from the same entries
    let product: Vec<Real> = (0..4)
        .map(|i| define_sum(&[0, 1, 2].map(|k| &r[3 * (i / 2) + k] * &r[2 * k + i % 2])))
        .collect();
    let matmul = |g: &mut Graph, x: NodeId| {
        let (a, b) = (g.reshape(x, &[2, 3]), g.reshape(x, &[3, 2]));
        g.matmul(a, b)
    };
    compare::<S>("matmul", matmul, w, &product);
    let transpose = |g: &mut Graph, x: NodeId| {
        let x = g.reshape(x, &[2, 3]);
        g.permute(x, &[1, 0])
    };
    compare::<S>("permute", transpose, w, &pick(&[0, 3, 1, 4, 2, 5]));
    compare::<S>("slice", |g, x| g.slice(x, 0, 1, 2, 3), w, &pick(&[1, 3, 5]));
    compare::<S>(
        "reversed slice",
        |g, x| g.slice(x, 0, 5, -2, 3),
        w,
        &pick(&[5, 3, 1]),
    );
    let unslice = |g: &mut Graph, x: NodeId| {
        let part = g.slice(x, 0, 0, 1, 2);
        g.unslice(part, 0, 1, 2, 5)
    };
    let zero = real(0.0);
    compare::<S>(
        "unslice",
        unslice,
        w,
        &[zero.clone(), r[0].clone(), zero.clone(), r[1].clone(), zero],
    );
    let concat = |g: &mut Graph, x: NodeId| {
        let (a, b) = (g.slice(x, 0, 4, 1, 2), g.slice(x, 0, 0, 1, 1));
        g.concat(&[a, b, a], 0)
    };
    compare::<S>("concat", concat, w, &pick(&[4, 5, 0, 4, 5]));
    let broadcast = |g: &mut Graph, x: NodeId| {
        let x = g.slice(x, 0, 0, 1, 2);
        g.broadcast_to(x, &[2, 2])
    };
    compare::<S>("broadcast", broadcast, w, &pick(&[0, 1, 0, 1]));
    // constants: pi, a fraction, data
    let constants = |g: &mut Graph, x: NodeId| {
        let (pi, third, data) = (g.pi(), g.fraction(1, 3), g.data(Arc::from([0.1, 2.0]), &[2]));
        let x = g.slice(x, 0, 0, 1, 2);
        let sum = g.add(pi, third);
        let product = g.mul(x, data);
        g.add(sum, product)
    };
    let base = Real::pi(400) + real(1.0) / real(3.0);
    compare::<S>(
        "constants",
        constants,
        w,
        &[&base + &r[0] * real(0.1), &base + &r[1] * real(2.0)],
    );
}

#[test]
fn burn_on_ndarray() {
    suite::<BurnNdarray>();
}

#[test]
fn burn_on_flex() {
    suite::<BurnFlex>();
}

#[test]
fn float_arithmetic() {
    suite::<FloatArithmetic>();
}

#[test]
fn bulk_evaluator() {
    suite::<InBulk>();
}

#[test]
fn interval_arithmetic() {
    suite::<IntervalArithmetic>();
}

#[test]
fn intervals_in_lanes() {
    suite::<InLanes>();
}

#[test]
fn checker_arithmetic() {
    suite::<CheckerArithmetic>();
}

// ---------------------------------------------------------------------------------------------------
// Derivatives

/// Our `gradient` and `jvp` against central differences, all in 400-bit checker arithmetic, on random
/// graphs of every operation. With steps of 2^-100 the differences are right to about 2^-200 times the
/// third derivatives; kinks are off the drawn points.
#[test]
fn derivatives_agree_with_central_differences() {
    const KINDS: u64 = common::random_graph::KINDS as u64;
    let mut compared = 0;
    for seed in 0..3 * KINDS {
        let case = common::random_graph::random_graph(seed, 1 + (seed / KINDS) as usize);
        let (mut graph, root, p) = (case.graph, case.root, case.dimension);
        let w = common::random_graph::Choices::new(seed ^ 0x77).reals(p, 2.0);
        let direction = common::random_graph::Choices::new(seed ^ 0x3d).reals(p, 1.0);
        let gradient = graph.gradient(root, Input::W, p);
        let along = graph.data(direction.clone().into(), &[p]);
        let jvp = graph.jvp(root, Input::W, along);
        let inner = graph.dot(gradient, along);
        let arithmetic = CheckerArithmetic::with_precision(400);
        let mut evaluator = Evaluator::new(&graph, &[root, jvp, inner], arithmetic);
        let step = RBig::from(1) / RBig::from(dashu_int::IBig::ONE << 100);
        let exact = |x: f64| RBig::try_from(x).expect("finite");
        let mut at = |shift: &RBig| {
            let point: Vec<Enclosure> = w
                .iter()
                .zip(&direction)
                .map(|(x, d)| evaluator.arithmetic().rational(&(exact(*x) + exact(*d) * shift)))
                .collect();
            let flags = evaluator.run(&[(Input::W, &point)]);
            let values: Vec<Enclosure> = (0..3).map(|i| evaluator.root(i)[0].clone()).collect();
            (values, flags.defined && flags.continuous)
        };
        let (here, whole) = at(&RBig::ZERO);
        let ((plus, sound_plus), (minus, sound_minus)) = (at(&step), at(&-step.clone()));
        if !(whole && sound_plus && sound_minus) {
            continue;
        }
        let mut arithmetic = CheckerArithmetic::with_precision(400);
        let difference = arithmetic.binary(Binary::Sub, &plus[0], &minus[0]);
        let width = arithmetic.rational(&(&step + &step));
        let quotient = arithmetic.binary(Binary::Div, &difference, &width);
        let size = quotient.to_f64().0.abs().max(1.0);
        for (name, ours) in [("jvp", &here[1]), ("gradient", &here[2])] {
            let error = arithmetic.binary(Binary::Sub, ours, &quotient);
            let (lo, hi) = error.to_f64();
            assert!(
                lo.abs().max(hi.abs()) <= 1e-30 * size,
                "{name}, seed {seed}: off by {lo:e}..{hi:e}"
            );
        }
        compared += 1;
    }
    println!("{compared} derivatives compared");
    assert!(compared > 2 * KINDS);
}

// ---------------------------------------------------------------------------------------------------
// Random graphs

const DIMENSION: usize = 4;

/// A graph of up to `count` operations over vectors of [`DIMENSION`] entries, ending in a vector.
fn random_graph(rng: &mut impl Rng, count: usize) -> (Graph, NodeId) {
    let mut graph = Graph::new();
    let mut nodes = vec![graph.input(Input::W, DIMENSION)];
    let (half, pi) = (graph.fraction(1, 2), graph.pi());
    let data = graph.data(Arc::from([0.1, -1.5, 2.0, 0.0]), &[DIMENSION]);
    for constant in [half, pi, data] {
        nodes.push(graph.broadcast_to(constant, &[DIMENSION]));
    }
    for _ in 0..count {
        // recent nodes more often, so that graphs grow deep
        let x = nodes[rng.random_range(nodes.len() / 2..nodes.len())];
        let y = nodes[rng.random_range(0..nodes.len())];
        let node = match rng.random_range(0..12u32) {
            0..5 => graph.unary(UNARY[rng.random_range(0..UNARY.len())], x),
            5..9 => graph.binary(BINARY[rng.random_range(0..BINARY.len())], x, y),
            9 => {
                let op = [Along::Softmax, Along::ArgMax][rng.random_range(0..2usize)];
                graph.along(op, x, 0)
            }
            10 => {
                let op = [Reduction::Sum, Reduction::Max, Reduction::LogSumExp][rng.random_range(0..3usize)];
                let scalar = graph.reduce(op, x, 0);
                graph.add(scalar, y)
            }
            _ => {
                let (a, b) = (graph.reshape(x, &[2, 2]), graph.reshape(y, &[2, 2]));
                let (b, c) = (graph.transpose(b), graph.slice(a, 0, 1, -1, 2));
                let product = graph.matmul(c, b);
                graph.reshape(product, &[DIMENSION])
            }
        };
        nodes.push(node);
    }
    (graph, nodes[nodes.len() - 1])
}

#[test]
fn interval_evaluation_of_random_graphs_contains_the_checker_at_points() {
    let graphs = match std::env::var("PROXYCERT_CONTAINMENT") {
        Ok(value) if value == "full" => 80_000,
        Ok(_) | Err(_) => 2_000,
    };
    let (mut checks, mut undefined, mut unbounded) = (0u64, 0u64, 0u64);
    for seed in 0..graphs {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..16);
        let (graph, root) = random_graph(&mut rng, count);
        let width = [0.0, 1e-12, 0.01, 1.0][rng.random_range(0..4usize)];
        let region: Vec<Interval> = (0..DIMENSION)
            .map(|_| {
                let a: f64 = rng.random_range(-3.0..3.0);
                Interval::new(a, a + width)
            })
            .collect();
        let mut over_box = Evaluator::new(&graph, &[root], IntervalArithmetic::new());
        let box_flags = over_box.run(&[(Input::W, &region)]);
        let mut in_lanes = Lanes::new(&graph, &[(Input::W, DIMENSION)], &[vec![root]], 0);
        assert_eq!(in_lanes.run(0, &region), box_flags, "graph {seed}");
        let mut at_point = Evaluator::new(&graph, &[root], CheckerArithmetic::new());
        for corner in 0..5 {
            let w: Vec<f64> = region
                .iter()
                .map(|x| match corner {
                    0 => x.lo,
                    1 => x.hi,
                    _ => rng.random_range(x.lo..=x.hi),
                })
                .collect();
            let entries: Vec<Enclosure> = w.iter().map(|x| at_point.arithmetic().float(*x)).collect();
            let flags = at_point.run(&[(Input::W, &entries)]);
            assert!(
                flags.defined || !box_flags.defined,
                "graph {seed}: undefined unnoticed at {w:?}"
            );
            assert!(
                flags.continuous || !box_flags.continuous || !box_flags.defined,
                "graph {seed}: jump unnoticed at {w:?}"
            );
            let results = over_box.root(0).iter().zip(in_lanes.root(0, 0));
            for ((scalar, in_lanes), exact) in results.zip(at_point.root(0)) {
                checks += 1;
                if !flags.defined {
                    undefined += 1;
                    continue;
                }
                unbounded += u64::from(!scalar.is_bounded());
                let (lo, hi) = exact.to_f64();
                for value in [scalar, in_lanes] {
                    assert!(
                        value.lo <= lo && hi <= value.hi,
                        "graph {seed} at {w:?}: {value:?} misses [{lo:e}, {hi:e}]"
                    );
                }
            }
        }
    }
    println!("random graphs: {checks} checks, {undefined} undefined, {unbounded} unbounded results");
    assert!(2 * (undefined + unbounded) < checks, "most results say nothing");
}

/// The bulk evaluator in each form that this machine has: as a plan on every instruction set, and as machine code for many points and
/// for few.
fn forms(graph: &Graph, roots: &[NodeId]) -> Vec<(String, Bulk)> {
    let plan = |bulk: Bulk, level: Level| (format!("{level:?}"), bulk.on(level).interpreted());
    let wide = Bulk::new(graph, roots).expect("a plan");
    let narrow = Bulk::narrow(graph, roots).expect("a plan");
    let mut forms: Vec<(String, Bulk)> = (Level::available().into_iter())
        .map(|level| plan(wide.clone(), level))
        .collect();
    let codes = [("code", wide), ("code for one block", narrow)];
    let codes = codes.into_iter().filter(|(_, bulk)| bulk.is_native());
    forms.extend(codes.map(|(name, bulk)| (name.to_owned(), bulk)));
    forms
}

/// The bulk evaluator on random graphs, at kinks, infinities and NaN too: equal to the reference up to
/// the errors of its own elementary functions, and the same bits on every instruction set.
#[test]
fn bulk_evaluation_of_random_graphs_is_that_of_the_reference() {
    const POINTS: usize = 21;
    let (mut compared, mut apart) = (0u64, 0u64);
    for seed in 0..2_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..40);
        let (graph, root) = random_graph(&mut rng, count);
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            1e300,
            -1e-310,
        ];
        let w: Vec<f64> = (0..POINTS * DIMENSION)
            .map(|_| match rng.random_range(0..100usize) {
                which if which < special.len() => special[which],
                _ => rng.random_range(-3.0..3.0),
            })
            .collect();
        let results: Vec<Vec<f64>> = (forms(&graph, &[root]).into_iter())
            .map(|(_, mut bulk)| bulk.run(&w, &[], POINTS).expect("a run").remove(0))
            .collect();
        for other in &results {
            let same = |a: &f64, b: &f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            assert!(
                other.iter().zip(&results[0]).all(|(a, b)| same(a, b)),
                "graph {seed}"
            );
        }
        let mut reference = Evaluator::new(&graph, &[root], FloatArithmetic);
        for (w, values) in w.chunks(DIMENSION).zip(results[0].chunks(DIMENSION)) {
            reference.run(&[(Input::W, w)]);
            for (value, expected) in values.iter().zip(reference.root(0)) {
                compared += 1;
                let close = value == expected
                    || (value.is_nan() && expected.is_nan())
                    || (value - expected).abs() <= 1e-13 * expected.abs();
                apart += u64::from(!close);
            }
        }
    }
    println!("random graphs: {compared} values, {apart} apart by more than 1e-13");
    // next to jumps and where terms cancel, the last place of an elementary function can decide
    assert!(apart * 5000 < compared, "{apart} of {compared} values differ");
}

/// A random network on rows of data: the bulk evaluator computes most of it in strips of rows.
fn random_network(rng: &mut ChaCha8Rng) -> (Graph, Vec<NodeId>, usize) {
    let mut graph = Graph::new();
    let rows = [1, 7, 16, 17, 40, 100][rng.random_range(0..6usize)];
    let (inputs, width) = (rng.random_range(1..5usize), rng.random_range(1..7usize));
    let dimension = inputs * width + width * width + width;
    let mut numbers =
        |count: usize| -> Arc<[f64]> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let data = graph.data(numbers(rows * inputs), &[rows, inputs]);
    let labels = graph.data(numbers(rows * width), &[rows, width]);
    let readout = graph.data(numbers(width), &[width, 1]);
    let w = graph.input(Input::W, dimension);
    let first = graph.slice(w, 0, 0, 1, inputs * width);
    let first = graph.reshape(first, &[inputs, width]);
    let second = graph.slice(w, 0, inputs * width, 1, width * width);
    let second = graph.reshape(second, &[width, width]);
    let bias = graph.slice(w, 0, dimension - width, 1, width);
    let transposed = graph.transpose(data);
    let mut x = graph.matmul(data, first);
    let mut roots = Vec::new();
    for _ in 0..rng.random_range(1..12) {
        x = match rng.random_range(0..12) {
            0 => graph.unary(Unary::Tanh, x),
            1 => graph.unary(Unary::Relu, x),
            2 => graph.add(x, bias),
            3 => graph.mul(x, labels),
            4 => graph.matmul(x, second),
            5 => graph.along(Along::Softmax, x, 1),
            6 => {
                let op = [Reduction::Sum, Reduction::Max, Reduction::LogSumExp][rng.random_range(0..3usize)];
                let column = graph.reduce(op, x, 1);
                let column = graph.reshape(column, &[rows, 1]);
                roots.push(column);
                graph.sub(x, column)
            }
            7 => {
                let column = graph.matmul(x, readout);
                graph.mul(labels, column)
            }
            8 => {
                // a sum over the rows, and back into each of them
                let sum = graph.reduce(Reduction::Sum, x, 0);
                let size = graph.integer(rows as i64);
                let mean = graph.div(sum, size);
                roots.push(mean);
                graph.sub(x, mean)
            }
            9 => {
                let gradient = graph.matmul(transposed, x);
                roots.push(gradient);
                let step = graph.sub(first, gradient);
                graph.matmul(data, step)
            }
            10 => {
                // rows in another order
                let turned = graph.slice(x, 0, rows - 1, -1, rows);
                graph.add(x, turned)
            }
            _ => {
                let flat = graph.flatten(x);
                let total = graph.sum(flat);
                roots.push(total);
                let half = graph.fraction(1, 2);
                graph.mul(x, half)
            }
        };
    }
    roots.push(x);
    (graph, roots, dimension)
}

/// Networks on data: equal to the reference up to rounding, and the same bits on every instruction set.
#[test]
fn bulk_evaluation_of_networks_is_that_of_the_reference() {
    const POINTS: usize = 11;
    for seed in 0..400 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (graph, roots, dimension) = random_network(&mut rng);
        let w: Vec<f64> = (0..POINTS * dimension)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let results: Vec<Vec<Vec<f64>>> = (forms(&graph, &roots).into_iter())
            .map(|(_, mut bulk)| bulk.run(&w, &[], POINTS).expect("a run"))
            .collect();
        assert!(
            results.iter().all(|result| result == &results[0]),
            "network {seed}"
        );
        let mut reference = Evaluator::new(&graph, &roots, FloatArithmetic);
        for (point, w) in w.chunks(dimension).enumerate() {
            reference.run(&[(Input::W, w)]);
            for (number, values) in results[0].iter().enumerate() {
                let expected = reference.root(number);
                let scale = expected.iter().fold(1.0, |scale: f64, x| scale.max(x.abs()));
                for (value, expected) in values[point * expected.len()..].iter().zip(expected) {
                    assert!(
                        (value - expected).abs() <= 1e-9 * scale,
                        "network {seed}, root {number}: {value} and {expected}"
                    );
                }
            }
        }
    }
}

/// Products whose right factor takes several panels, with all shapes of tiles at their edges.
#[test]
fn bulk_evaluation_of_wide_products_is_that_of_the_reference() {
    for (seed, (rows, inner, columns)) in [(20, 100, 9), (3, 64, 33), (17, 7, 80), (5, 600, 6), (1, 130, 5)]
        .into_iter()
        .enumerate()
    {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let mut numbers =
            |count: usize| -> Vec<f64> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let mut graph = Graph::new();
        let data = graph.data(numbers(rows * inner).into(), &[rows, inner]);
        let w = graph.input(Input::W, inner * columns);
        let matrix = graph.reshape(w, &[inner, columns]);
        let product = graph.matmul(data, matrix);
        let turned = graph.transpose(product);
        let square = graph.matmul(turned, product);
        let roots = [product, square];
        let points = numbers(9 * inner * columns);
        for (_, mut bulk) in forms(&graph, &roots) {
            let results = bulk.run(&points, &[], 9).expect("a run");
            let mut reference = Evaluator::new(&graph, &roots, FloatArithmetic);
            for (point, w) in points.chunks(inner * columns).enumerate() {
                reference.run(&[(Input::W, w)]);
                for (number, values) in results.iter().enumerate() {
                    let expected = reference.root(number);
                    for (value, expected) in values[point * expected.len()..].iter().zip(expected) {
                        assert!(
                            (value - expected).abs() <= 1e-11,
                            "{rows} {inner} {columns}: {value} {expected}"
                        );
                    }
                }
            }
        }
    }
}

/// Products whose right factor is copied part by part, at two points: each entry is the sum over the inner axis in order, each
/// term rounded once with the sum that it goes into. Also where half of the data are zeros, which are left out.
#[test]
fn large_products_are_their_sums_in_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let shapes = [
        [37, 300, 5],
        [16, 70, 9],
        [64, 128, 64],
        [5, 257, 3],
        [33, 40, 19],
        // two strips
        [300, 33, 19],
    ];
    for ([rows, inner, columns], zeros) in shapes.into_iter().flat_map(|shape| [(shape, 0.0), (shape, 0.5)]) {
        let x: Vec<f64> = (0..rows * inner)
            .map(|_| {
                let number = rng.random_range(-1.0..1.0);
                if rng.random_range(0.0..1.0) < zeros {
                    0.0
                } else {
                    number
                }
            })
            .collect();
        let w: Vec<f64> = (0..2 * inner * columns)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let mut graph = Graph::new();
        let left = graph.data(x.as_slice().into(), &[rows, inner]);
        let right = graph.input(Input::W, inner * columns);
        let right = graph.reshape(right, &[inner, columns]);
        let root = graph.matmul(left, right);
        for (form, mut bulk) in forms(&graph, &[root]) {
            let values = bulk.run(&w, &[], 2).expect("a run").remove(0);
            for (point, values) in values.chunks(rows * columns).enumerate() {
                let w = &w[point * inner * columns..];
                for (place, value) in values.iter().enumerate() {
                    let (row, column) = (place / columns, place % columns);
                    let sum = (0..inner).fold(-0.0, |sum, k| {
                        f64::mul_add(x[row * inner + k], w[k * columns + column], sum)
                    });
                    assert_eq!(*value, sum, "{form}, entry {row}, {column}, zeros {zeros}");
                }
            }
        }
    }
}

/// The derivative of a layer along `w - v`, which the bulk evaluator takes as the difference of the layer at `w` and at `v`, in strips
/// of rows and with what is read later postponed: within roundings of the sum itself.
#[test]
fn differences_of_layers_are_layers_of_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for ([rows, inner, width], turned) in [[50, 3, 4], [70, 40, 9], [5, 2, 3]]
        .into_iter()
        .zip([false, true, true])
    {
        let mut numbers = |count: usize| -> Vec<f64> {
            let draw = |_| rng.random_range(-1.0..1.0);
            (0..count).map(draw).collect()
        };
        let dimension = inner * width + width;
        let [w, v] = [numbers(dimension), numbers(dimension)];
        let mut graph = Graph::new();
        let data = graph.data(numbers(rows * inner).into(), &[rows, inner]);
        let sides = [Input::W, Input::V].map(|input| graph.input(input, dimension));
        let apart = graph.sub(sides[0], sides[1]);
        let [first, second, between] = [sides[0], sides[1], apart].map(|all| {
            let matrix = graph.slice(all, 0, 0, 1, inner * width);
            let matrix = graph.reshape(matrix, &[inner, width]);
            let row = graph.slice(all, 0, inner * width, 1, width);
            let product = graph.matmul(data, matrix);
            if turned {
                graph.add(row, product)
            } else {
                graph.add(product, row)
            }
        });
        let one = graph.integer(1);
        let [tanh, other] = [first, second].map(|layer| graph.unary(Unary::Tanh, layer));
        let square = graph.square(tanh);
        let slope = graph.sub(one, square);
        let moved = graph.mul(between, slope);
        let joined = graph.mul(other, moved);
        let sum = graph.reduce(Reduction::Sum, joined, 1);
        let level = graph.reduce(Reduction::Sum, tanh, 1);
        let roots = [between, moved, sum, level];
        let mut reference = Evaluator::new(&graph, &roots, FloatArithmetic);
        reference.run(&[(Input::W, &w), (Input::V, &v)]);
        for (_, mut bulk) in forms(&graph, &roots) {
            let results = bulk.run(&w, &v, 1).expect("a run");
            for (number, values) in results.iter().enumerate() {
                assert_eq!(values.len(), reference.root(number).len());
                for (value, expected) in values.iter().zip(reference.root(number)) {
                    assert!(
                        (value - expected).abs() < 1e-13 * (inner + width) as f64,
                        "{number}: {value} {expected}"
                    );
                }
            }
        }
    }
}

/// `s tanh(w) + r(1 - tanh(w)^2)`, where `s` is the `logsumexp` of `tanh(w)` and `r` turns the order of entries: the slope is not computed
/// tile by tile with what reads it.
#[test]
fn what_is_read_in_another_order_is_computed_before() {
    // more than a tile
    const COUNT: usize = 120;
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let points: Vec<f64> = (0..9 * COUNT).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut graph = Graph::new();
    let w = graph.input(Input::W, COUNT);
    let tanh = graph.unary(Unary::Tanh, w);
    let square = graph.square(tanh);
    let one = graph.integer(1);
    let slope = graph.sub(one, square);
    let turned = graph.slice(slope, 0, COUNT - 1, -1, COUNT);
    let total = graph.reduce(Reduction::LogSumExp, tanh, 0);
    let scaled = graph.mul(tanh, total);
    let root = graph.add(scaled, turned);
    for (form, mut bulk) in forms(&graph, &[root]) {
        let values = bulk.run(&points, &[], 9).expect("a run").remove(0);
        for (w, values) in points.chunks(COUNT).zip(values.chunks(COUNT)) {
            let tanh: Vec<f64> = w.iter().map(|x| elementary::tanh(*x)).collect();
            let total = tanh.iter().map(|x| x.exp()).sum::<f64>().ln();
            for (place, value) in values.iter().enumerate() {
                let expected = total * tanh[place] + 1.0 - tanh[COUNT - 1 - place].powi(2);
                assert!(
                    (value - expected).abs() < 1e-13,
                    "{form}, {place}: {value} {expected}"
                );
            }
        }
    }
}

/// Steps of piecewise functions and of `tanh` that go into the product which reads them, and a row that is added to a product: the sums in
/// order of terms that are rounded one operation after the other.
#[test]
fn products_of_steps_are_their_sums_in_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for [rows, inner, width] in [[37, 3, 5], [16, 2, 17], [7, 4, 3]] {
        let mut numbers = |count: usize| -> Vec<f64> {
            let draw = |_| rng.random_range(-1.0..1.0);
            (0..count).map(draw).collect()
        };
        let (x, a) = (numbers(rows * inner), numbers(width));
        let dimension = inner * width + width;
        let [w, v] = [numbers(dimension), numbers(dimension)];
        let mut graph = Graph::new();
        let data = graph.data(x.as_slice().into(), &[rows, inner]);
        let readout = graph.data(a.as_slice().into(), &[width, 1]);
        let [first, second] = [Input::W, Input::V].map(|input| {
            let all = graph.input(input, dimension);
            let matrix = graph.slice(all, 0, 0, 1, inner * width);
            let matrix = graph.reshape(matrix, &[inner, width]);
            let row = graph.slice(all, 0, inner * width, 1, width);
            let product = graph.matmul(data, matrix);
            graph.add(product, row)
        });
        let slope = graph.fraction(1, 4);
        let difference = graph.sub(first, second);
        let one = graph.integer(1);
        let leaky_step = graph.binary(Binary::LeakyStep, first, slope);
        let tanh = graph.unary(Unary::Tanh, first);
        let square = graph.square(tanh);
        let tanh_step = graph.sub(one, square);
        let factors = [
            graph.binary(Binary::LeakyRelu, first, slope),
            graph.mul(difference, leaky_step),
            graph.mul(difference, tanh_step),
            graph.mul(difference, second),
            tanh,
        ];
        let argument = |side: &[f64], row: usize, column: usize| {
            let sum = (0..inner).fold(-0.0, |sum, k| {
                f64::mul_add(x[row * inner + k], side[k * width + column], sum)
            });
            sum + side[inner * width + column]
        };
        let terms: [fn(f64, f64) -> f64; 5] = [
            |x, _| if x < 0.0 { 0.25 * x } else { x },
            |x, y| (x - y) * if x < 0.0 { 0.25 } else { 1.0 },
            |x, y| {
                let tanh = elementary::tanh(x);
                (x - y) * (1.0 - tanh * tanh)
            },
            |x, y| (x - y) * y,
            |x, _| elementary::tanh(x),
        ];
        let all = graph.input(Input::V, dimension);
        let bias = graph.slice(all, 0, 0, 1, 1);
        for (number, (factor, term)) in factors.into_iter().zip(terms).enumerate() {
            let root = graph.matmul(factor, readout);
            for plus in [None, Some(v[0])] {
                let root = if plus.is_some() {
                    graph.add(root, bias)
                } else {
                    root
                };
                for (form, mut bulk) in forms(&graph, &[root]) {
                    let values = bulk.run(&w, &v, 1).expect("a run").remove(0);
                    for (row, value) in values.iter().enumerate() {
                        let sum = (0..width).fold(-0.0, |sum, column| {
                            let [x, y] = [&w, &v].map(|side| argument(side, row, column));
                            f64::mul_add(term(x, y), a[column], sum)
                        });
                        let sum = plus.map_or(sum, |plus| sum + plus);
                        assert_eq!(*value, sum, "{form}, factor {number}, row {row}, {plus:?}");
                    }
                }
            }
        }
    }
}

/// Networks of a few units with their gradient, on as many rows as fill machine code for four at a time, and on more and fewer: it is
/// there, for many points and for few, and gives the bits of the plan, also where numbers are infinite, none, or beyond every table.
#[test]
fn machine_code_has_the_bits_of_the_plan() {
    const POINTS: usize = 67;
    let there = cfg!(target_os = "linux") && format!("{:?}", Level::widest()) == "Avx512";
    let (inputs, width) = (3, 4);
    let dimension = inputs * width + width;
    for rows in [1, 2, 3, 4, 5, 7, 8, 18, 67, 200] {
        for (number, activation) in [Unary::Tanh, Unary::Sigmoid, Unary::Relu, Unary::Erf, Unary::Exp]
            .into_iter()
            .enumerate()
        {
            let mut rng = ChaCha8Rng::seed_from_u64((rows * 10 + number) as u64);
            let mut numbers = |count: usize| -> Vec<f64> {
                let draw = |_| rng.random_range(-2.0..2.0);
                (0..count).map(draw).collect()
            };
            let mut graph = Graph::new();
            let data = graph.data(numbers(rows * inputs).into(), &[rows, inputs]);
            let labels = graph.data(numbers(rows).into(), &[rows]);
            let readout = graph.data(numbers(width).into(), &[width, 1]);
            let w = graph.input(Input::W, dimension);
            let matrix = graph.slice(w, 0, 0, 1, inputs * width);
            let matrix = graph.reshape(matrix, &[inputs, width]);
            let bias = graph.slice(w, 0, inputs * width, 1, width);
            let hidden = graph.matmul(data, matrix);
            let hidden = graph.add(hidden, bias);
            let hidden = graph.unary(activation, hidden);
            let output = graph.matmul(hidden, readout);
            let output = graph.reshape(output, &[rows]);
            let margin = graph.mul(labels, output);
            let loss = graph.unary(Unary::LogSigmoid, margin);
            let loss = graph.sum(loss);
            let gradient = graph.gradient(loss, Input::W, dimension);
            let mut w = numbers(POINTS * dimension);
            let special = [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -0.0,
                1e300,
                -1e300,
                1e-310,
                40.0,
            ];
            for (point, special) in special.into_iter().enumerate() {
                // one coordinate of a point after the other
                w[(3 * point + 1) * dimension + (5 * point) % dimension] = special;
            }
            let all = forms(&graph, &[loss, gradient]);
            let natives = all.iter().filter(|(_, bulk)| bulk.is_native()).count();
            assert_eq!(natives, if there { 2 } else { 0 }, "{rows} rows, {activation:?}");
            let results: Vec<(String, Vec<Vec<f64>>)> = (all.into_iter())
                .map(|(form, mut bulk)| (form, bulk.run(&w, &[], POINTS).expect("a run")))
                .collect();
            let finite = results[0].1[0].iter().filter(|x| x.is_finite()).count();
            assert!(finite >= POINTS - special.len(), "{rows} rows, {activation:?}");
            for (form, values) in &results {
                for (root, (values, expected)) in values.iter().zip(&results[0].1).enumerate() {
                    for (place, (a, b)) in values.iter().zip(expected).enumerate() {
                        assert!(
                            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
                            "{form}, {rows} rows, {activation:?}, root {root}, place {place}: {a} {b}"
                        );
                    }
                }
            }
        }
    }
}

/// No machine code is made of what has too many coordinates, too many operations for each row, or functions that are taken number by
/// number; plans give the values.
#[test]
fn machine_code_is_for_small_plans() {
    let mut graph = Graph::new();
    let many = graph.input(Input::W, 3_000);
    let too_many = graph.sum(many);
    let mut graphs = vec![(graph, too_many, 3_000, 3_000.0)];
    // a layer of ones on two rows: every unit is 50
    let mut graph = Graph::new();
    let data = graph.data(vec![1.0; 2 * 50].into(), &[2, 50]);
    let w = graph.input(Input::W, 50);
    let w = graph.reshape(w, &[50, 1]);
    let ones = graph.data(vec![1.0; 100].into(), &[1, 100]);
    let matrix = graph.matmul(w, ones);
    let product = graph.matmul(data, matrix);
    let flat = graph.flatten(product);
    let root = graph.sum(flat);
    graphs.push((graph, root, 50, 2.0 * 100.0 * 50.0));
    let mut graph = Graph::new();
    let w = graph.input(Input::W, 4);
    let sine = graph.unary(Unary::Sin, w);
    let root = graph.sum(sine);
    graphs.push((graph, root, 4, 4.0 * libm::sin(1.0)));
    for (number, (graph, root, dimension, expected)) in graphs.into_iter().enumerate() {
        for bulk in [Bulk::new(&graph, &[root]), Bulk::narrow(&graph, &[root])] {
            let mut bulk = bulk.expect("a plan");
            assert!(!bulk.is_native(), "graph {number}");
            let value = bulk.run(&vec![1.0; dimension], &[], 1).expect("a run")[0][0];
            assert!(
                (value - expected).abs() <= 1e-12 * expected,
                "graph {number}: {value}"
            );
        }
    }
}

/// Sums of squares, and of products with constants and with what is the same for all rows of the data, from two places of the parameters:
/// along the rows, over them, and of all entries. Each product is rounded, and then the sum, in order. One matrix is so small that several
/// blocks of points run side by side, two are large enough for a strip, and the last for several.
#[test]
fn sums_of_products_are_their_sums_in_order() {
    const POINTS: usize = 11;
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for [rows, inner, width] in [[3, 2, 2], [33, 3, 5], [70, 2, 1], [1000, 2, 9]] {
        let mut numbers = |count: usize| -> Vec<f64> {
            let draw = |_| rng.random_range(-1.0..1.0);
            (0..count).map(draw).collect()
        };
        let (x, labels) = (numbers(rows * inner), numbers(rows * width));
        // a factor, the matrix, and another factor
        let size = rows * width;
        let (weights, further) = (size, size + inner * width);
        let dimension = further + size;
        let points = numbers(POINTS * dimension);
        let mut graph = Graph::new();
        let data = graph.data(x.as_slice().into(), &[rows, inner]);
        let constant = graph.data(labels.as_slice().into(), &[rows, width]);
        let w = graph.input(Input::W, dimension);
        let matrix = graph.slice(w, 0, weights, 1, inner * width);
        let matrix = graph.reshape(matrix, &[inner, width]);
        let product = graph.matmul(data, matrix);
        let [first, last] = [0, further].map(|start| {
            let part = graph.slice(w, 0, start, 1, size);
            graph.reshape(part, &[rows, width])
        });
        let factors = [
            graph.square(product),
            graph.mul(product, constant),
            graph.mul(constant, product),
            graph.mul(first, product),
            graph.mul(product, last),
        ];
        let roots: Vec<NodeId> = (factors.iter())
            .flat_map(|factor| {
                let over = [1, 0].map(|axis| graph.reduce(Reduction::Sum, *factor, axis));
                let flat = graph.flatten(*factor);
                [over[0], over[1], graph.reduce(Reduction::Sum, flat, 0)]
            })
            .collect();
        for (number, root) in roots.iter().enumerate() {
            let expected: Vec<f64> = (points.chunks(dimension))
                .flat_map(|w| {
                    let term = |place: usize| {
                        let (row, column) = (place / width, place % width);
                        let entry = (0..inner).fold(-0.0, |sum, k| {
                            f64::mul_add(x[row * inner + k], w[weights + k * width + column], sum)
                        });
                        let (label, others) = (labels[place], [w[place], w[further + place]]);
                        entry * [entry, label, label, others[0], others[1]][number / 3]
                    };
                    let terms: Vec<f64> = (0..size).map(term).collect();
                    let sum = |terms: &mut dyn Iterator<Item = &f64>| terms.fold(-0.0, |sum, x| sum + x);
                    match number % 3 {
                        0 => terms.chunks(width).map(|row| sum(&mut row.iter())).collect(),
                        1 => (0..width)
                            .map(|column| sum(&mut terms.iter().skip(column).step_by(width)))
                            .collect(),
                        _ => vec![sum(&mut terms.iter())],
                    }
                })
                .collect();
            for (form, mut bulk) in forms(&graph, &[*root]) {
                let values = bulk.run(&points, &[], POINTS).expect("a run").remove(0);
                assert_eq!(values, expected, "{form}, {rows} rows, root {number}");
            }
        }
    }
}

/// Constants are told apart by their signs even where they are 0: the quotient by a sum of such zeros says which it was.
#[test]
fn signs_of_zeros_are_kept() {
    for rows in [1, 16] {
        let mut graph = Graph::new();
        let zeros: Vec<f64> = (0..2 * rows)
            .map(|place| if (place / 2 + place) % 2 == 0 { 0.0 } else { -0.0 })
            .collect();
        let zeros = graph.data(zeros.into(), &[rows, 2]);
        let w = graph.input(Input::W, 1);
        let ones = graph.data(vec![1.0; rows].into(), &[rows, 1]);
        let w = graph.reshape(w, &[1, 1]);
        let column = graph.matmul(ones, w);
        let sum = graph.add(zeros, column);
        let one = graph.integer(1);
        let root = graph.div(one, sum);
        let mut bulk = Bulk::new(&graph, &[root]).expect("a plan");
        let values = bulk.run(&[-0.0], &[], 1).expect("a run").remove(0);
        for (place, value) in values.iter().enumerate() {
            let expected = if (place / 2 + place) % 2 == 0 {
                f64::INFINITY
            } else {
                f64::NEG_INFINITY
            };
            assert_eq!(*value, expected, "{rows} rows, place {place}");
        }
    }
}
