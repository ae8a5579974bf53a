//! The normal form of scalar expressions: what comes out means what went in, each rewriting rule by hand,
//! and the pieces that a function is cut into at its kinks.
//!
//! `PROXYCERT_SYMBOLIC=<n>` tries n times as many random graphs and functions.

mod common;

use common::random_graph::{Choices, KINDS, random_graph};
use dashu_ratio::RBig;
use proxycert::engine::prove::lifting::cut::{Cut, Part, scalars};
use proxycert::engine::prove::lifting::pieces::pieces;
use proxycert::eval::checker::{CheckerArithmetic, Enclosure};
use proxycert::eval::tensor::Evaluator;
use proxycert::eval::{Arithmetic, Flags, RigorousArithmetic};
use proxycert::graph::op::{Along, Binary, Exponent, Input, Reduction, Unary};
use proxycert::graph::{Graph, NodeId};
use proxycert::symbolic::{Atom, Enclosures, FormId, Symbolic};

fn longer() -> u64 {
    let text = std::env::var("PROXYCERT_SYMBOLIC").unwrap_or_default();
    text.parse().unwrap_or(1)
}

fn fraction(num: i64, den: i64) -> RBig {
    RBig::from(num) / RBig::from(den)
}

fn whole(x: i64) -> RBig {
    RBig::from(x)
}

/// `10^-n`
fn tenth(n: usize) -> RBig {
    RBig::ONE / RBig::from(dashu_int::IBig::from(10).pow(n))
}

fn point(w: &[RBig]) -> Vec<Enclosure> {
    let mut checker = CheckerArithmetic::new();
    w.iter().map(|x| checker.rational(x)).collect()
}

/// The numbers of `x - y`, for all pairs from two enclosures.
fn difference(x: &Enclosure, y: &Enclosure) -> Enclosure {
    CheckerArithmetic::new().binary(Binary::Sub, x, y)
}

fn meet(x: &Enclosure, y: &Enclosure) -> bool {
    difference(x, y).contains(&RBig::ZERO)
}

/// Whether the enclosures hold no numbers further apart than this.
fn within(x: &Enclosure, y: &Enclosure, distance: &RBig) -> bool {
    let difference = difference(x, y);
    difference.at_least(&-distance.clone()) && difference.at_most(distance)
}

/// Whether some number of `x` is so close to one of `y`.
fn near(x: &Enclosure, y: &Enclosure, distance: &RBig) -> bool {
    let difference = difference(x, y);
    !(difference.at_least(distance) || difference.at_most(&-distance.clone()))
}

/// A scalar root in the checker arithmetic.
struct Scalar(Evaluator<CheckerArithmetic>);

impl Scalar {
    fn new(graph: &Graph, root: NodeId) -> Scalar {
        Scalar(Evaluator::new(graph, &[root], CheckerArithmetic::new()))
    }

    fn over(&mut self, w: &[Enclosure]) -> (Enclosure, Flags) {
        let flags = self.0.run(&[(Input::W, w)]);
        (self.0.root(0)[0].clone(), flags)
    }

    fn at(&mut self, w: &[RBig]) -> (Enclosure, Flags) {
        self.over(&point(w))
    }
}

/// A function of `w`, and what its form gives when it is written as a graph again.
struct Pair {
    original: Scalar,
    emitted: Scalar,
    arena: Symbolic,
    form: FormId,
    expanded: bool,
}

#[derive(Default, Debug)]
struct Tally {
    /// points where both enclosures are narrow
    narrow: u32,
    /// points where a jump makes them wide
    kinks: u32,
    /// values near a kink that were held against the set at the kink
    limits: u32,
    /// points where the original is not defined
    undefined: u32,
}

impl Pair {
    fn new(graph: &Graph, root: NodeId, dimension: usize) -> Pair {
        // every eighth graph or so with products multiplied out
        let expanded = graph.len() % 8 == 1;
        let start = Symbolic::expanding(expanded);
        let (arena, forms) =
            scalars(graph, &[root], &[Input::W], dimension, start).expect("within the limits");
        let form = forms[0][0];
        let mut target = Graph::new();
        let emitted = arena.emit(&mut target, form, dimension);
        Pair {
            original: Scalar::new(graph, root),
            emitted: Scalar::new(&target, emitted),
            arena,
            form,
            expanded,
        }
    }

    /// Holds both against each other at a point. Where the function jumps there, each enclosure contains
    /// its value for every choice that gives equal steps the same element of their Clarke sets: the
    /// enclosures meet, and the limits of the original from all sides lie in the emitted one (at distance
    /// 1e-32 up to 1e-8: there are roots).
    fn compare(&mut self, w: &[RBig], choices: &mut Choices, tally: &mut Tally, what: &str) {
        let (original, flags) = self.original.at(w);
        if !flags.defined {
            tally.undefined += 1;
            return;
        }
        let (emitted, after) = self.emitted.at(w);
        // multiplied out, a sum that is not negative may have an enclosure that is not
        assert!(
            after.defined || self.expanded,
            "{what} at {w:?}: no longer defined"
        );
        assert!(
            meet(&original, &emitted),
            "{what} at {w:?}: {original:?} {emitted:?}"
        );
        let direct = Enclosures::new(&self.arena, CheckerArithmetic::new(), &point(w)).of(self.form);
        assert!(
            meet(&direct, &emitted) && meet(&direct, &original),
            "{what} at {w:?}"
        );
        if self.expanded {
            return;
        }
        if flags.continuous {
            assert!(after.continuous, "{what} at {w:?}: a new jump");
            assert!(within(&original, &emitted, &tenth(20)), "{what} at {w:?}");
            tally.narrow += 1;
            return;
        }
        tally.kinks += 1;
        for _ in 0..4 {
            let shifted: Vec<RBig> = w
                .iter()
                .map(|x| x + whole(choices.below(2001) as i64 - 1000) * tenth(35))
                .collect();
            let (limit, flags) = self.original.at(&shifted);
            if flags.defined && flags.continuous {
                assert!(
                    near(&limit, &emitted, &tenth(8)) && near(&limit, &direct, &tenth(8)),
                    "{what} at {w:?}: the limit {limit:?} is not in {emitted:?}"
                );
                tally.limits += 1;
            }
        }
    }
}

#[test]
fn forms_of_random_graphs_mean_the_same() {
    let mut tally = Tally::default();
    for seed in 0..20 * KINDS as u64 * longer() {
        let case = random_graph(seed, 1 + (seed as usize / KINDS) % 5);
        let choices = &mut Choices::new(seed ^ 0xf0);
        let mut pair = Pair::new(&case.graph, case.root, case.dimension);
        for number in 0..3 {
            let w: Vec<RBig> = (0..case.dimension)
                .map(|_| match number {
                    // all products with the data vanish
                    0 => RBig::ZERO,
                    1 => fraction(choices.below(5) as i64 - 2, 2),
                    _ => fraction(choices.below(4001) as i64 - 2000, 1001),
                })
                .collect();
            pair.compare(&w, choices, &mut tally, &format!("seed {seed}"));
        }
    }
    println!("{tally:?}");
    assert!(
        tally.narrow > 1500 && tally.kinks > 100 && tally.limits > 100,
        "{tally:?}"
    );
}

/// Scalars of three coordinates with small coefficients, whose kinks meet at multiples of 1/2.
fn kinked(seed: u64) -> (Graph, NodeId) {
    const EVERYWHERE: [Unary; 14] = [
        Unary::Neg,
        Unary::Abs,
        Unary::Relu,
        Unary::Sign,
        Unary::Step,
        Unary::StepRight,
        Unary::Tanh,
        Unary::Erf,
        Unary::Sin,
        Unary::Cos,
        Unary::Sigmoid,
        Unary::LogSigmoid,
        Unary::Exp,
        Unary::Pow(Exponent { num: 2, den: 1 }),
    ];
    const PARTLY: [Unary; 6] = [
        Unary::Sqrt,
        Unary::Log,
        Unary::Log1p,
        Unary::Pow(Exponent { num: -1, den: 1 }),
        Unary::Pow(Exponent { num: 3, den: 2 }),
        Unary::Pow(Exponent { num: -2, den: 3 }),
    ];
    let choices = &mut Choices::new(seed);
    let mut g = Graph::new();
    let w = g.input(Input::W, 3);
    let mut pool = Vec::new();
    for number in 0..3 {
        let entry = g.slice(w, 0, number, 1, 1);
        pool.push(g.reshape(entry, &[]));
    }
    for _ in 0..2 + choices.below(9) {
        let mut pick = || pool[pool.len() - 1 - choices.below(pool.len()).min(choices.below(pool.len()))];
        let (x, y, z) = (pick(), pick(), pick());
        let constant = g.fraction(choices.below(9) as i64 - 4, 2);
        let new = match choices.below(16) {
            0 => g.add(x, y),
            1 => g.sub(x, y),
            2 => g.add(x, constant),
            3 => g.mul(x, constant),
            4 => g.mul(x, y),
            5 => {
                let bounded = g.unary(Unary::Tanh, y);
                g.mul(x, bounded)
            }
            6 => {
                let step = [Unary::Step, Unary::StepRight, Unary::Sign][choices.below(3)];
                let step = g.unary(step, x);
                // the argument, or something that shares terms with it
                let shifted = g.add(x, constant);
                g.mul(step, shifted)
            }
            7 => {
                let slope = g.fraction(choices.below(5) as i64 - 1, 4);
                let step = g.binary(Binary::LeakyStep, x, slope);
                g.mul(step, x)
            }
            8 => {
                let slope = g.fraction(choices.below(5) as i64 - 1, 4);
                let op = [Binary::LeakyRelu, Binary::LeakyStep][choices.below(2)];
                g.binary(op, x, slope)
            }
            9 => {
                let op = [Binary::Max, Binary::Min, Binary::LeakyRelu, Binary::Div][choices.below(4)];
                g.binary(op, x, y)
            }
            10 => {
                let entries = [x, y, z].map(|entry| g.reshape(entry, &[1]));
                let all = g.concat(&entries, 0);
                let op = [Reduction::Max, Reduction::LogSumExp, Reduction::Sum][choices.below(3)];
                g.reduce(op, all, 0)
            }
            11 => {
                let entries = [x, y, z].map(|entry| g.reshape(entry, &[1]));
                let all = g.concat(&entries, 0);
                let shares = g.along([Along::Softmax, Along::ArgMax][choices.below(2)], all, 0);
                g.dot(shares, all)
            }
            12 => {
                let square = g.square(x);
                let one = g.integer(1);
                let positive = g.add(square, one);
                let root = g.unary(Unary::Sqrt, positive);
                // cancels
                let power = g.pow(root, 2 + choices.below(2) as i32, 1);
                g.sub(power, square)
            }
            13 => {
                let partly = PARTLY[choices.below(PARTLY.len())];
                let (one, square) = (g.integer(1), g.square(x));
                let positive = g.add(square, one);
                let argument = [x, positive][choices.below(2)];
                g.unary(partly, argument)
            }
            _ => g.unary(EVERYWHERE[choices.below(EVERYWHERE.len())], x),
        };
        pool.push(new);
    }
    let mut root = g.integer(0);
    for (number, node) in pool.into_iter().enumerate() {
        let factor = g.integer(1 + number as i64 % 3);
        let part = g.mul(factor, node);
        root = g.add(root, part);
    }
    (g, root)
}

#[test]
fn forms_mean_the_same_where_kinks_meet() {
    let mut tally = Tally::default();
    for seed in 0..2400 * longer() {
        let (mut graph, mut root) = kinked(seed);
        if seed % 4 == 3 {
            // a gradient has a step for every kink
            let direction = graph.exact([1, -2, 3].map(whole).into(), &[3]);
            root = graph.jvp(root, Input::W, direction);
        }
        let choices = &mut Choices::new(seed ^ 0x0f);
        let mut pair = Pair::new(&graph, root, 3);
        for number in 0..4 {
            let w: Vec<RBig> = (0..3)
                .map(|_| match number {
                    3 => fraction(choices.below(4001) as i64 - 2000, 1001),
                    _ => fraction(choices.below(5) as i64 - 2, 2),
                })
                .collect();
            pair.compare(&w, choices, &mut tally, &format!("seed {seed}"));
        }
    }
    println!("{tally:?}");
    assert!(
        tally.narrow > 4000 && tally.kinks > 1500 && tally.limits > 2500 && tally.undefined > 50,
        "{tally:?}"
    );
}

/// `sum of coefficient * x_number + constant`
fn affine(arena: &mut Symbolic, coefficients: &[(u32, i64)], constant: i64) -> FormId {
    let mut parts = vec![(RBig::ONE, arena.constant(whole(constant)))];
    for &(number, coefficient) in coefficients {
        parts.push((whole(coefficient), arena.variable(number)));
    }
    arena.combine(&parts)
}

#[test]
fn equal_terms_cancel() {
    let a = &mut Symbolic::default();
    let (x, y) = (a.variable(0), a.variable(1));
    let (one_way, other_way) = (a.add(x, y), a.add(y, x));
    let zero = a.constant(RBig::ZERO);
    for op in [Unary::Tanh, Unary::Step, Unary::Exp, Unary::Relu] {
        let (p, q) = (a.apply(op, one_way), a.apply(op, other_way));
        assert_eq!(p, q);
        assert_eq!(a.sub(p, q), zero);
        let twice = a.add(p, q);
        assert_eq!(twice, a.scale(p, &whole(2)));
        assert_eq!(a.combine(&[(RBig::ONE, twice), (whole(-2), p)]), zero);
    }
    let constant = a.combine(&[(RBig::ONE, x), (-RBig::ONE, x)]);
    assert_eq!(a.form(constant).as_constant(), Some(&RBig::ZERO));
    assert!(!a.varies(constant) && a.varies(x));
    // (x + y)(x - y) + (x - y)(y - x) + ... : factors are told apart up to sign and content
    let minus = a.sub(x, y);
    let back = a.sub(y, x);
    let (p, q) = (a.mul(one_way, minus), a.mul(one_way, back));
    assert_eq!(a.add(p, q), zero);
}

#[test]
fn steps_times_their_arguments() {
    for coefficients in [vec![(0, 1)], vec![(0, 2), (1, -3)], vec![(0, 3), (1, 1), (2, 5)]] {
        for constant in [0, 1, -4] {
            let a = &mut Symbolic::default();
            let q = affine(a, &coefficients, constant);
            let slope = a.constant(fraction(1, 4));
            let steps: Vec<(FormId, FormId)> = vec![
                (a.apply(Unary::Step, q), a.apply(Unary::Relu, q)),
                (a.apply(Unary::StepRight, q), a.apply(Unary::Relu, q)),
                (a.apply(Unary::Sign, q), a.apply(Unary::Abs, q)),
                (
                    a.apply_binary(Binary::LeakyStep, q, slope),
                    a.apply_binary(Binary::LeakyRelu, q, slope),
                ),
            ];
            for (step, ramp) in steps {
                assert_eq!(a.mul(step, q), ramp);
                assert_eq!(a.mul(q, step), ramp);
                let threefold = a.scale(q, &whole(-3));
                assert_eq!(a.mul(step, threefold), a.scale(ramp, &whole(-3)));
                // step(q) (q - 5) = ramp(q) - 5 step(q)
                let five = a.constant(whole(5));
                let shifted = a.sub(q, five);
                let expected = a.combine(&[(RBig::ONE, ramp), (whole(-5), step)]);
                assert_eq!(a.mul(step, shifted), expected);
                // step(q) (2q + 7z) = 2 ramp(q) + 7 step(q) z
                let z = a.variable(9);
                let mixed = a.combine(&[(whole(2), q), (whole(7), z)]);
                let rest = a.mul(step, z);
                let expected = a.combine(&[(whole(2), ramp), (whole(7), rest)]);
                assert_eq!(a.mul(step, mixed), expected);
                // what has no term in common stays
                let product = a.mul(step, z);
                assert_eq!(a.form(product).terms.len(), 1);
            }
        }
    }
}

#[test]
fn steps_and_signs_of_constants() {
    let a = &mut Symbolic::default();
    for (value, step, sign) in [(3, 1, 1), (-2, 0, -1)] {
        let value = a.constant(whole(value));
        let (one, slope) = (a.constant(whole(step)), a.variable(0));
        assert_eq!(a.apply(Unary::Step, value), one);
        assert_eq!(a.apply(Unary::StepRight, value), one);
        let sign = a.constant(whole(sign));
        assert_eq!(a.apply(Unary::Sign, value), sign);
        let leaky = a.apply_binary(Binary::LeakyStep, value, slope);
        assert_eq!(leaky, if step == 1 { one } else { slope });
        let relu = a.apply_binary(Binary::LeakyRelu, value, slope);
        let expected = if step == 1 {
            value
        } else {
            a.scale(slope, &whole(-2))
        };
        assert_eq!(relu, expected);
    }
    // at 0 the whole Clarke set remains
    let zero = a.constant(RBig::ZERO);
    for (op, lo, hi) in [
        (Unary::Step, 0, 1),
        (Unary::StepRight, 0, 1),
        (Unary::Sign, -1, 1),
    ] {
        let jump = a.apply(op, zero);
        assert!(a.form(jump).as_constant().is_none() && !a.varies(jump));
        let set = Enclosures::new(a, CheckerArithmetic::new(), &[]).of(jump);
        for inside in [whole(lo), fraction(1, 3), whole(hi)] {
            assert!(set.contains(&inside));
        }
    }
    let quarter = a.constant(fraction(1, 4));
    let jump = a.apply_binary(Binary::LeakyStep, zero, quarter);
    let set = Enclosures::new(a, CheckerArithmetic::new(), &[]).of(jump);
    assert!(set.contains(&fraction(1, 4)) && set.contains(&fraction(1, 2)) && set.contains(&RBig::ONE));
    assert_eq!(a.apply_binary(Binary::LeakyRelu, zero, quarter), zero);
}

#[test]
fn powers() {
    let a = &mut Symbolic::default();
    let (x, y) = (a.variable(0), a.variable(1));
    let one = a.constant(RBig::ONE);
    let square = a.mul(x, x);
    assert_eq!(square, a.power(x, 2));
    let sixth = a.power(square, 3);
    assert_eq!(sixth, a.power(x, 6));
    let double = a.scale(x, &whole(2));
    let (cube, cube_of_double) = (a.power(x, 3), a.power(double, 3));
    assert_eq!(cube_of_double, a.scale(cube, &whole(8)));
    let inverse = a.power(double, -2);
    let expected = a.power(x, -2);
    assert_eq!(inverse, a.scale(expected, &fraction(1, 4)));
    let inverse = a.power(x, -1);
    assert_eq!(a.mul(x, inverse), one);
    assert_eq!(a.apply_binary(Binary::Div, x, x), one);
    let product = a.mul(x, y);
    let quotient = a.apply_binary(Binary::Div, product, y);
    assert_eq!(quotient, x);
    // sums are factors, not expanded
    let sum = a.add(x, y);
    let (squared, inverse) = (a.mul(sum, sum), a.power(sum, -1));
    assert_eq!(squared, a.power(sum, 2));
    assert_eq!(a.mul(squared, inverse), sum);
    let threefold = a.scale(sum, &whole(3));
    assert_eq!(a.mul(threefold, sum), a.scale(squared, &whole(3)));
    let sums: Vec<FormId> = [2, -5].iter().map(|n| a.scale(sum, &whole(*n))).collect();
    assert_eq!(a.mul(sums[0], sums[1]), a.scale(squared, &whole(-10)));
    // every whole exponent as an operation
    for (num, expected) in [(0, one), (1, x), (2, square), (6, sixth)] {
        assert_eq!(a.apply(Unary::Pow(Exponent { num, den: 1 }), x), expected);
    }
    // exponents that do not fit are not merged, and nothing overflows
    let huge = a.power(x, i32::MAX);
    for exponent in [2, -2, i32::MAX, i32::MIN] {
        let power = a.power(huge, exponent);
        assert!(a.varies(power));
        let product = a.mul(huge, power);
        assert!(a.varies(product));
        a.power(product, 3);
    }
    let two = a.constant(whole(2));
    let large = a.power(two, i32::MAX);
    assert!(a.form(large).as_constant().is_none() && !a.varies(large));
    let none = a.constant(RBig::ZERO);
    for reciprocal in [a.power(none, -1), a.apply_binary(Binary::Div, one, none)] {
        assert!(a.form(reciprocal).as_constant().is_none());
        let mut graph = Graph::new();
        let root = a.emit(&mut graph, reciprocal, 1);
        assert!(!Scalar::new(&graph, root).at(&[RBig::ONE]).1.defined);
    }
}

#[test]
fn roots_of_squares() {
    let a = &mut Symbolic::default();
    for argument in [affine(a, &[(0, 1)], 0), affine(a, &[(0, 2), (1, -1)], 3)] {
        let root = a.apply(Unary::Sqrt, argument);
        assert_eq!(a.mul(root, root), argument);
        assert_eq!(a.power(root, 2), argument);
        let expected = a.mul(argument, root);
        assert_eq!(a.power(root, 3), expected);
        let expected = a.power(argument, 2);
        assert_eq!(a.power(root, 4), expected);
        let expected = a.power(argument, -1);
        assert_eq!(a.power(root, -2), expected);
        let (inverse_root, inverse) = (a.power(root, -1), a.power(argument, -1));
        let expected = a.mul(inverse, inverse_root);
        assert_eq!(a.power(root, -3), expected);
        let half = Unary::Pow(Exponent { num: 1, den: 2 });
        assert_eq!(a.apply(half, argument), root);
        let double = a.scale(root, &whole(-2));
        assert_eq!(a.mul(double, double), a.scale(argument, &whole(4)));
    }
    let nine = a.constant(whole(9));
    assert_eq!(a.apply(Unary::Sqrt, nine), a.constant(whole(3)));
}

#[test]
fn odd_and_even_functions() {
    let a = &mut Symbolic::default();
    let forms = [
        affine(a, &[(0, 1)], 0),
        affine(a, &[(0, 2), (1, -3)], 1),
        affine(a, &[(0, -2), (1, 1)], -5),
    ];
    for form in forms {
        let mirrored = a.scale(form, &whole(-1));
        for op in [Unary::Tanh, Unary::Erf, Unary::Sin] {
            let (value, other) = (a.apply(op, form), a.apply(op, mirrored));
            assert_eq!(other, a.scale(value, &whole(-1)));
            assert_ne!(value, other);
        }
        for op in [Unary::Abs, Unary::Cos] {
            let (value, other) = (a.apply(op, form), a.apply(op, mirrored));
            assert_eq!(value, other);
        }
        // relu(x) - relu(-x) = x is no rule; nothing is neither odd nor even by mistake
        for op in [Unary::Relu, Unary::Exp, Unary::Sigmoid, Unary::Step, Unary::Sign] {
            let (value, other) = (a.apply(op, form), a.apply(op, mirrored));
            assert_ne!(value, other);
            assert_ne!(other, a.scale(value, &whole(-1)));
        }
    }
}

#[test]
fn larger_and_smaller_by_relu() {
    let a = &mut Symbolic::default();
    let (x, y) = (affine(a, &[(0, 1)], 0), affine(a, &[(1, 3)], 2));
    let (larger, smaller) = (
        a.apply_binary(Binary::Max, x, y),
        a.apply_binary(Binary::Min, x, y),
    );
    let sum = a.add(larger, smaller);
    assert_eq!(sum, a.add(x, y));
    let difference = a.sub(x, y);
    let excess = a.apply(Unary::Relu, difference);
    assert_eq!(larger, a.add(y, excess));
    let zero = a.constant(RBig::ZERO);
    let relu = a.apply(Unary::Relu, x);
    assert_eq!(a.apply_binary(Binary::Max, x, zero), relu);
    for (u, v, most, least) in [(2, -1, 2, -1), (-3, 5, 5, -3), (4, 4, 4, 4)] {
        let (u, v) = (a.constant(whole(u)), a.constant(whole(v)));
        let (most, least) = (a.constant(whole(most)), a.constant(whole(least)));
        assert_eq!(a.apply_binary(Binary::Max, u, v), most);
        assert_eq!(a.apply_binary(Binary::Min, u, v), least);
    }
}

#[test]
fn primitive_parts() {
    let choices = &mut Choices::new(1);
    let a = &mut Symbolic::default();
    for _ in 0..500 {
        let mut parts = Vec::new();
        for number in 0..1 + choices.below(4) as u32 {
            let coefficient = fraction(choices.below(41) as i64 - 20, 1 + choices.below(12) as i64);
            parts.push((coefficient, a.variable(number)));
        }
        let constant = fraction(choices.below(41) as i64 - 20, 1 + choices.below(12) as i64);
        parts.push((RBig::ONE, a.constant(constant)));
        let form = a.combine(&parts);
        let (content, primitive) = a.primitive(form);
        assert_eq!(a.scale(primitive, &content), form);
        if a.form(form).as_constant().is_some_and(RBig::is_zero) {
            continue;
        }
        for factor in [
            fraction(-1, 1),
            fraction(7, 3),
            fraction(-5, 64),
            whole(1_000_003),
        ] {
            let multiple = a.scale(form, &factor);
            let (other, same) = a.primitive(multiple);
            assert_eq!(same, primitive);
            assert_eq!(other, &content * &factor);
        }
        assert_eq!(a.primitive(primitive), (RBig::ONE, primitive));
        // the largest number is between 1 and 2, the first positive
        let form = a.form(primitive).clone();
        let numbers: Vec<RBig> = form
            .terms
            .iter()
            .map(|term| term.1.clone())
            .chain((!form.constant.is_zero()).then(|| form.constant.clone()))
            .collect();
        assert!(numbers[0] > RBig::ZERO);
        let size = |x: &RBig| if *x < RBig::ZERO { -x.clone() } else { x.clone() };
        let largest = numbers.iter().map(size).max().unwrap();
        assert!(RBig::ONE <= largest && largest < whole(2), "{largest}");
    }
}

#[test]
fn past_the_limit_nothing_panics() {
    let a = &mut Symbolic::default();
    let parts: Vec<(RBig, FormId)> = (0..3000).map(|number| (RBig::ONE, a.variable(number))).collect();
    let long = a.combine(&parts);
    let many = vec![(RBig::ONE, long); 1000];
    let before = a.apply(Unary::Tanh, long);
    let mut rounds = 0;
    while !a.exhausted() {
        a.combine(&many);
        rounds += 1;
        assert!(rounds < 100, "no limit");
    }
    let x = a.variable(0);
    for op in [Unary::Tanh, Unary::Step, Unary::Abs, Unary::Sqrt, Unary::Neg] {
        let value = a.apply(op, long);
        let product = a.mul(value, long);
        let power = a.power(product, -2);
        let sum = a.add(power, before);
        a.primitive(sum);
        a.apply_binary(Binary::Div, x, sum);
        a.apply_binary(Binary::LeakyStep, x, sum);
        let mut graph = Graph::new();
        a.emit(&mut graph, sum, 3000);
    }
    let entries = [x, long, before];
    a.max(&entries);
    a.log_sum_exp(&entries);
    let mut out = entries;
    a.softmax(&entries, &mut out);
    a.arg_max(&entries, &mut out);
    a.dot(entries.iter().zip(&entries));
    // a graph whose forms are too large has none: products of sums of 1000 terms each
    let n = 1000;
    let mut graph = Graph::new();
    let w = graph.input(Input::W, n);
    let column = graph.reshape(w, &[n, 1]);
    let data: Vec<f64> = (0..n * n).map(|number| 1.0 + (number % 7919) as f64).collect();
    let data = graph.data(data.into(), &[n, n]);
    let product = graph.matmul(data, column);
    let mut root = graph.sum(product);
    for _ in 0..3 {
        let wide = graph.broadcast_to(root, &[n]);
        let product = graph.mul(wide, w);
        root = graph.sum(product);
    }
    if let Some((arena, forms)) = scalars(&graph, &[root], &[Input::W], n, Symbolic::default()) {
        assert!(!arena.exhausted());
        let _ = Cut::new(arena, forms[0][0]);
    }
}

/// A function of two lifted variables with kinks at known places, each written as `slope * (x - at)`.
fn random_part(choices: &mut Choices) -> (Part, Vec<Vec<RBig>>) {
    let mut arena = Symbolic::default();
    let mut kinks = vec![Vec::new(), Vec::new()];
    let mut pool = vec![arena.variable(0), arena.variable(1)];
    for _ in 0..1 + choices.below(4) {
        let number = choices.below(2);
        let at = fraction(choices.below(9) as i64 - 4, 3);
        let slope = fraction([-3, -2, -1, 1, 2, 5][choices.below(6)], 2);
        let (x, constant) = (arena.variable(number as u32), arena.constant(-&slope * &at));
        let argument = arena.combine(&[(slope, x), (RBig::ONE, constant)]);
        let quarter = arena.constant(fraction(1, 4));
        let ops = [
            Unary::Relu,
            Unary::Abs,
            Unary::Step,
            Unary::StepRight,
            Unary::Sign,
        ];
        let kink = match choices.below(8) {
            0 => arena.apply_binary(Binary::LeakyRelu, argument, quarter),
            1 => arena.apply_binary(Binary::LeakyStep, argument, quarter),
            2 => {
                // a slope that varies
                let slope = arena.apply(Unary::Sigmoid, pool[choices.below(2)]);
                arena.apply_binary(Binary::LeakyStep, argument, slope)
            }
            other => arena.apply(ops[other - 3], argument),
        };
        kinks[number].push(at);
        pool.push(kink);
    }
    for _ in 0..choices.below(5) {
        let (x, y) = (pool[choices.below(pool.len())], pool[choices.below(pool.len())]);
        let new = match choices.below(6) {
            0 => arena.mul(x, y),
            1 => arena.add(x, y),
            2 => {
                let sum = arena.add(x, y);
                arena.apply(Unary::Tanh, sum)
            }
            3 => arena.apply(Unary::Exp, x),
            4 => arena.apply(Unary::Sin, x),
            // a kink in what is not a variable: it stays
            _ => {
                let difference = arena.sub(x, y);
                let form = arena.form(difference);
                if arena.is_affine(form) && form.terms.len() < 2 {
                    continue;
                }
                arena.apply(Unary::Relu, difference)
            }
        };
        pool.push(new);
    }
    let parts: Vec<(RBig, FormId)> = pool
        .iter()
        .map(|form| (whole(1 + choices.below(3) as i64), *form))
        .collect();
    let function = arena.combine(&parts);
    let lifted = vec![arena.variable(0), arena.variable(1)];
    for own in &mut kinks {
        own.sort();
        own.dedup();
    }
    let part = Part {
        arena,
        function,
        lifted,
        tie: None,
    };
    (part, kinks)
}

/// Between two numbers, or at one.
type Segment = (RBig, RBig);

#[test]
fn pieces_cover_the_ranges_and_keep_the_function() {
    let choices = &mut Choices::new(11);
    let (mut between, mut at, mut sides) = (0, 0, 0);
    for number in 0..600 * longer() {
        let (part, kinks) = random_part(choices);
        // ends at kinks, beyond them, and both at one number
        let ranges: Vec<[f64; 2]> = (0..2)
            .map(|_| {
                let (a, b) = (choices.below(17) as f64, choices.below(17) as f64);
                [a.min(b) / 4.0 - 2.0, a.max(b) / 4.0 - 2.0]
            })
            .collect();
        let mut segments: Vec<Vec<Segment>> = Vec::new();
        for (own, range) in kinks.iter().zip(&ranges) {
            let ends = range.map(|end| RBig::try_from(end).unwrap());
            let inside: Vec<RBig> = own
                .iter()
                .filter(|at| ends[0] <= **at && **at <= ends[1])
                .cloned()
                .collect();
            let mut places = inside.clone();
            places.extend(ends);
            places.sort();
            places.dedup();
            let mut all: Vec<Segment> = inside.iter().map(|at| (at.clone(), at.clone())).collect();
            all.extend(places.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())));
            if all.is_empty() {
                all.push((places[0].clone(), places[0].clone()));
            }
            all.sort();
            segments.push(all);
        }
        let mut arithmetic = CheckerArithmetic::new();
        let pieces = pieces(&part, &ranges, &mut arithmetic).expect("few kinks");
        let mut graph = Graph::new();
        let root = part.arena.emit(&mut graph, part.function, 2);
        let mut whole_part = Scalar::new(&graph, root);
        // a kink may have cancelled: then there are fewer pieces than places; or one of both variables is one of a single
        // variable where the other is at a kink: then there are more
        if pieces.len() != segments[0].len() * segments[1].len() {
            continue;
        }
        let mut places = segments[0]
            .iter()
            .flat_map(|x| segments[1].iter().map(move |y| [x.clone(), y.clone()]));
        for piece in &pieces {
            let place = places.next().unwrap();
            let mut function = Scalar::new(&piece.graph, piece.function);
            // a place that is a kink has no coordinate of its own
            let free: Vec<bool> = (0..2)
                .map(|axis| !kinks[axis].contains(&place[axis].0) || place[axis].0 != place[axis].1)
                .collect();
            let variables = free.iter().filter(|free| **free).count();
            let own: Vec<&Segment> = (0..2)
                .filter(|axis| free[*axis])
                .map(|axis| &place[axis])
                .collect();
            for ([lo, hi], segment) in piece.ranges.iter().zip(&own) {
                let (lo, hi) = (RBig::try_from(*lo).unwrap(), RBig::try_from(*hi).unwrap());
                assert!(lo <= segment.0 && segment.1 <= hi, "{number}: a gap");
                assert!(&segment.0 - lo < tenth(12) && hi - &segment.1 < tenth(12));
            }
            assert!(piece.ranges[variables..].iter().all(|range| *range == [0.0, 1.0]));
            for _ in 0..3 {
                let w: Vec<RBig> = place
                    .iter()
                    .map(|(lo, hi)| lo + (hi - lo) * fraction(1 + choices.below(999) as i64, 1001))
                    .collect();
                let mut coordinates: Vec<RBig> = (0..2)
                    .filter(|axis| free[*axis])
                    .map(|axis| w[axis].clone())
                    .collect();
                for _ in variables..piece.ranges.len() {
                    coordinates.push(fraction(choices.below(5) as i64, 4));
                }
                let (value, _) = function.at(&coordinates);
                let (expected, flags) = whole_part.at(&w);
                assert!(meet(&value, &expected), "{number}: {value:?} {expected:?}");
                if variables == 2 {
                    between += 1;
                    if flags.continuous {
                        assert!(within(&value, &expected, &tenth(20)), "{number}");
                    }
                    continue;
                }
                at += 1;
                // over all selections, the limits from all sides
                let mut cell = point(&coordinates[..variables]);
                cell.extend((variables..piece.ranges.len()).map(|_| {
                    let (zero, one) = (arithmetic.float(0.0), arithmetic.float(1.0));
                    arithmetic.hull(&zero, &one)
                }));
                let (set, _) = function.over(&cell);
                for _ in 0..3 {
                    let shifted: Vec<RBig> = w
                        .iter()
                        .map(|x| x + whole(choices.below(2001) as i64 - 1000) * tenth(35))
                        .collect();
                    let (limit, flags) = whole_part.at(&shifted);
                    if flags.continuous {
                        assert!(near(&limit, &set, &tenth(15)), "{number}: {limit:?} {set:?}");
                        sides += 1;
                    }
                }
            }
        }
        assert!(places.next().is_none());
    }
    assert!(
        between > 2000 && at > 2000 && sides > 3000,
        "{between} {at} {sides}"
    );
}

#[test]
fn lifted_variables_without_kinks_are_one_piece() {
    let mut arena = Symbolic::default();
    let x = arena.variable(0);
    let function = arena.apply(Unary::Tanh, x);
    let part = Part {
        arena,
        function,
        lifted: vec![x],
        tie: None,
    };
    let all = pieces(&part, &vec![[-1.0, 2.0]], &mut CheckerArithmetic::new()).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].ranges, vec![[-1.0, 2.0]]);
    assert!(matches!(
        part.arena
            .atom(part.arena.factors(part.arena.form(x).terms[0].0)[0].0),
        Atom::Variable(0)
    ));
    for bad in [[f64::NEG_INFINITY, 0.0], [0.0, f64::INFINITY], [f64::NAN, 1.0]] {
        assert!(pieces(&part, &vec![bad], &mut CheckerArithmetic::new()).is_none());
    }
}
