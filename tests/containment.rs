//! The two rigorous arithmetics, held against mpmath's values and against each other.
//!
//! 1. The checker arithmetic meets the committed reference values (`oracle/values.csv`, written by
//!    `oracle/generate.py`) and is tight there.
//! 2. Every operation of the interval arithmetic contains the checker's value at random points of random
//!    intervals: huge, tiny, subnormal, infinite, a few ulp wide, around kinks.
//!
//! `PROXYCERT_CONTAINMENT=full` raises the number of random checks to a million for each operation.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;
use proxycert::eval::checker::{CheckerArithmetic, Enclosure};
use proxycert::eval::interval::{Interval, IntervalArithmetic};
use proxycert::eval::{Arithmetic, Flags};
use proxycert::graph::op::{Binary, Exponent, Unary};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

#[path = "common/arguments.rs"]
mod arguments;
use arguments::{interval, point};

// ---------------------------------------------------------------------------------------------------
// Reference values

struct Reference {
    function: Unary,
    argument: f64,
    lower: RBig,
    upper: RBig,
}

/// `digits.digits[e[+-]digits]` as an exact rational.
fn decimal(text: &str) -> RBig {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: IBig = format!("{whole}{fraction}").parse().expect("digits");
    let exponent: i64 = exponent.parse::<i64>().expect("exponent") - fraction.len() as i64;
    let ten = IBig::from(10).pow(exponent.unsigned_abs() as usize);
    let scale = RBig::from(ten);
    if exponent < 0 {
        RBig::from(digits) / scale
    } else {
        RBig::from(digits) * scale
    }
}

fn references() -> Vec<Reference> {
    let named = |name: &str| match name {
        "exp" => Unary::Exp,
        "log" => Unary::Log,
        "log1p" => Unary::Log1p,
        "sqrt" => Unary::Sqrt,
        "sin" => Unary::Sin,
        "cos" => Unary::Cos,
        "tanh" => Unary::Tanh,
        "sigmoid" => Unary::Sigmoid,
        "log_sigmoid" => Unary::LogSigmoid,
        "erf" => Unary::Erf,
        other => panic!("no function {other}"),
    };
    include_str!("oracle/values.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            Reference {
                function: named(fields[0]),
                argument: f64::from_bits(u64::from_str_radix(fields[1], 16).expect("bits")),
                lower: decimal(fields[2]),
                upper: decimal(fields[3]),
            }
        })
        .collect()
}

#[test]
fn checker_meets_reference_values() {
    let mut checker = CheckerArithmetic::new();
    for r in references() {
        let x = checker.float(r.argument);
        let y = checker.unary(r.function, &x);
        let name = r.function.row().name;
        // The true value lies in [lower, upper], 1e-58 wide, and in the enclosure: they meet.
        assert!(
            !y.at_most(&r.lower) || y.contains(&r.lower),
            "{name}({:e}): below",
            r.argument
        );
        assert!(
            !y.at_least(&r.upper) || y.contains(&r.upper),
            "{name}({:e}): above",
            r.argument
        );
        // And the enclosure is not wide: 1e-40 relative on both sides. Below the range of binary64 and
        // for huge angles the width is bounded by the same factor, since exponents are unbounded.
        let slack = RBig::from_parts(1.into(), UBig::from(10u32).pow(40));
        let size = if r.upper > RBig::ZERO {
            r.upper.clone()
        } else {
            -r.lower.clone()
        };
        let margin = slack * size;
        assert!(
            y.at_least(&(&r.lower - &margin)),
            "{name}({:e}): loose below",
            r.argument
        );
        assert!(
            y.at_most(&(&r.upper + &margin)),
            "{name}({:e}): loose above",
            r.argument
        );
        assert_eq!(checker.take_flags(), Flags::default(), "{name}({:e})", r.argument);
    }
}

#[test]
fn intervals_meet_reference_values() {
    let mut arithmetic = IntervalArithmetic::new();
    for r in references() {
        let y = arithmetic.unary(r.function, &Interval::point(r.argument));
        let name = r.function.row().name;
        let above = y.hi == f64::INFINITY || RBig::try_from(y.hi).expect("finite") >= r.lower;
        let below = y.lo == f64::NEG_INFINITY || RBig::try_from(y.lo).expect("finite") <= r.upper;
        assert!(above && below, "{name}({:e}) = {y:?}", r.argument);
        assert_eq!(
            arithmetic.take_flags(),
            Flags::default(),
            "{name}({:e})",
            r.argument
        );
    }
}

#[test]
fn enclosures_convert_outward() {
    let mut checker = CheckerArithmetic::new();
    for shift in (0..2200).step_by(7) {
        for num in [
            1,
            -1,
            3,
            -3,
            (1i64 << 53) + 1,
            -(1i64 << 53) - 1,
            i64::MAX,
            i64::MIN,
        ] {
            let x = RBig::from_parts(IBig::from(num) << 1060, UBig::from(7u8) << shift);
            let (lo, hi) = checker.rational(&x).to_f64();
            assert!(
                lo < hi && (lo == f64::NEG_INFINITY || RBig::try_from(lo).expect("finite") < x),
                "{x}"
            );
            assert!(
                hi == f64::INFINITY || RBig::try_from(hi).expect("finite") > x,
                "{x}"
            );
            assert!(lo.next_up() == hi, "{x}: {lo:e} and {hi:e} are not neighbours");
        }
    }
}

// ---------------------------------------------------------------------------------------------------
// Containment

#[derive(Default)]
struct Tally {
    /// points checked
    checks: u64,
    /// points at which the operation is undefined; the interval evaluation must have said so
    undefined: u64,
    /// results with an infinite end for arguments without one
    unbounded: u64,
    /// descriptions of points outside
    escapes: Vec<String>,
}

impl Tally {
    fn merge(mut self, other: Tally) -> Tally {
        self.checks += other.checks;
        self.undefined += other.undefined;
        self.unbounded += other.unbounded;
        self.escapes.extend(other.escapes);
        self
    }

    /// One point: the interval result and flags against the checker's.
    fn record(
        &mut self,
        y: Interval,
        flags: Flags,
        exact: &Enclosure,
        at: Flags,
        place: impl Fn() -> String,
    ) {
        self.checks += 1;
        if !at.defined {
            self.undefined += 1;
            if flags.defined {
                self.escapes.push(format!("undefined unnoticed at {}", place()));
            }
            return;
        }
        let (lo, hi) = exact.to_f64();
        if !(y.lo <= lo && hi <= y.hi) {
            self.escapes
                .push(format!("{y:?} misses [{lo:e}, {hi:e}] at {}", place()));
        }
        if !at.continuous && flags.continuous {
            self.escapes.push(format!("jump unnoticed at {}", place()));
        }
    }
}

fn full() -> bool {
    std::env::var("PROXYCERT_CONTAINMENT").is_ok_and(|v| v == "full")
}

/// Runs `trial`, which makes `per_trial` checks or more, until `quick` checks are made (a million in the
/// full run); the chunks have their own streams, so that the numbers do not depend on the threads.
fn contain<F>(name: &str, quick: u64, per_trial: u64, trial: F)
where
    F: Fn(&mut ChaCha8Rng, &mut IntervalArithmetic, &mut CheckerArithmetic, &mut Tally) + Sync,
{
    const CHUNKS: u64 = 64;
    let trials = (if full() { 1_000_000 } else { quick })
        .div_ceil(per_trial)
        .div_ceil(CHUNKS);
    let tally = (0..CHUNKS)
        .into_par_iter()
        .map(|chunk| {
            let mut rng = ChaCha8Rng::seed_from_u64(chunk);
            let (mut arithmetic, mut checker) = (IntervalArithmetic::new(), CheckerArithmetic::new());
            let mut tally = Tally::default();
            for _ in 0..trials {
                trial(&mut rng, &mut arithmetic, &mut checker, &mut tally);
            }
            tally
        })
        .reduce(Tally::default, Tally::merge);
    println!(
        "{name}: {} checks, {} undefined, {} unbounded results",
        tally.checks, tally.undefined, tally.unbounded
    );
    let shown: Vec<_> = tally.escapes.iter().take(5).collect();
    assert!(
        tally.escapes.is_empty(),
        "{name}: {} escapes, such as {shown:#?}",
        tally.escapes.len()
    );
    assert!(
        tally.checks > 2 * tally.undefined,
        "{name}: mostly undefined points"
    );
}

const POINTS: u64 = 4;

fn contain_unary(op: Unary, quick: u64) {
    let name = format!("{op:?}");
    contain(&name, quick, POINTS, |rng, arithmetic, checker, tally| {
        let mut x = interval(rng);
        if op.row().domain == proxycert::graph::op::Domain::Partial && rng.random_range(0..4u32) > 0 {
            x = x.abs();
        }
        let y = arithmetic.unary(op, &x);
        let flags = arithmetic.take_flags();
        tally.unbounded += u64::from(x.is_bounded() && flags.defined && !y.is_bounded());
        for _ in 0..POINTS {
            let p = point(rng, x);
            let exact = checker.float(p);
            let exact = checker.unary(op, &exact);
            tally.record(y, flags, &exact, checker.take_flags(), || {
                format!("{op:?} of {x:?} at {p:e}")
            });
        }
    });
}

fn contain_binary(op: Binary, quick: u64) {
    let name = format!("{op:?}");
    contain(&name, quick, POINTS, |rng, arithmetic, checker, tally| {
        let (x, y) = (interval(rng), interval(rng));
        let z = arithmetic.binary(op, &x, &y);
        let flags = arithmetic.take_flags();
        tally.unbounded += u64::from(x.is_bounded() && y.is_bounded() && flags.defined && !z.is_bounded());
        for _ in 0..POINTS {
            let (p, q) = (point(rng, x), point(rng, y));
            let (a, b) = (checker.float(p), checker.float(q));
            let exact = checker.binary(op, &a, &b);
            let place = || format!("{op:?} of {x:?}, {y:?} at {p:e}, {q:e}");
            tally.record(z, flags, &exact, checker.take_flags(), place);
        }
    });
}

/// A function of several entries with as many results (one for reductions).
fn contain_entries(
    name: &str,
    quick: u64,
    of_intervals: impl Fn(&mut IntervalArithmetic, &[Interval]) -> Vec<Interval> + Sync,
    of_points: impl Fn(&mut CheckerArithmetic, &[Enclosure]) -> Vec<Enclosure> + Sync,
) {
    contain(name, quick, 2, |rng, arithmetic, checker, tally| {
        let count = 2 * rng.random_range(1..4usize);
        // Often all entries are close together, as logits are; sometimes of any size.
        let close = rng.random_range(0..3u32) > 0;
        let entries: Vec<Interval> = (0..count)
            .map(|_| {
                if close {
                    let a: f64 = rng.random_range(-20.0..20.0);
                    Interval::new(a, a + [0.0, 1e-9, 3.0][rng.random_range(0..3usize)])
                } else {
                    interval(rng)
                }
            })
            .collect();
        let results = of_intervals(arithmetic, &entries);
        let flags = arithmetic.take_flags();
        let bounded = entries.iter().all(|x| x.is_bounded());
        tally.unbounded += u64::from(bounded && results.iter().any(|y| !y.is_bounded()));
        for _ in 0..2 {
            let points: Vec<f64> = entries.iter().map(|x| point(rng, *x)).collect();
            let exact: Vec<Enclosure> = points.iter().map(|p| checker.float(*p)).collect();
            let exact = of_points(checker, &exact);
            let at = checker.take_flags();
            for (i, (y, e)) in results.iter().zip(&exact).enumerate() {
                tally.record(*y, flags, e, at, || {
                    format!("{name} of {entries:?} at {points:?}, entry {i}")
                });
            }
        }
    });
}

macro_rules! containment {
    ($($test:ident: $op:expr, $quick:expr;)*) => {
        $(#[test]
        fn $test() {
            $op($quick);
        })*
    };
}

const fn power(num: i32, den: u32) -> Unary {
    Unary::Pow(Exponent { num, den })
}

containment! {
    neg: |n| contain_unary(Unary::Neg, n), 100_000;
    exp: |n| contain_unary(Unary::Exp, n), 40_000;
    log: |n| contain_unary(Unary::Log, n), 40_000;
    log1p: |n| contain_unary(Unary::Log1p, n), 40_000;
    sqrt: |n| contain_unary(Unary::Sqrt, n), 100_000;
    abs: |n| contain_unary(Unary::Abs, n), 100_000;
    sin: |n| contain_unary(Unary::Sin, n), 40_000;
    cos: |n| contain_unary(Unary::Cos, n), 40_000;
    tanh: |n| contain_unary(Unary::Tanh, n), 40_000;
    sigmoid: |n| contain_unary(Unary::Sigmoid, n), 40_000;
    log_sigmoid: |n| contain_unary(Unary::LogSigmoid, n), 20_000;
    erf: |n| contain_unary(Unary::Erf, n), 10_000;
    relu: |n| contain_unary(Unary::Relu, n), 100_000;
    sign: |n| contain_unary(Unary::Sign, n), 100_000;
    step: |n| contain_unary(Unary::Step, n), 100_000;
    step_right: |n| contain_unary(Unary::StepRight, n), 100_000;
    power_0: |n| contain_unary(power(0, 1), n), 20_000;
    power_2: |n| contain_unary(power(2, 1), n), 100_000;
    power_3: |n| contain_unary(power(3, 1), n), 100_000;
    power_20: |n| contain_unary(power(20, 1), n), 20_000;
    power_minus_1: |n| contain_unary(power(-1, 1), n), 40_000;
    power_minus_2: |n| contain_unary(power(-2, 1), n), 40_000;
    power_half: |n| contain_unary(power(1, 2), n), 40_000;
    power_3_halves: |n| contain_unary(power(3, 2), n), 40_000;
    power_minus_half: |n| contain_unary(power(-1, 2), n), 40_000;
    power_third: |n| contain_unary(power(1, 3), n), 20_000;
    power_5_sixths: |n| contain_unary(power(5, 6), n), 20_000;
    power_minus_7_fifths: |n| contain_unary(power(-7, 5), n), 20_000;
    add: |n| contain_binary(Binary::Add, n), 200_000;
    sub: |n| contain_binary(Binary::Sub, n), 200_000;
    mul: |n| contain_binary(Binary::Mul, n), 200_000;
    div: |n| contain_binary(Binary::Div, n), 200_000;
    max_of_two: |n| contain_binary(Binary::Max, n), 100_000;
    min_of_two: |n| contain_binary(Binary::Min, n), 100_000;
    leaky_relu: |n| contain_binary(Binary::LeakyRelu, n), 100_000;
    leaky_step: |n| contain_binary(Binary::LeakyStep, n), 100_000;
}

#[test]
fn dot() {
    fn pairs<T>(x: &[T]) -> impl Iterator<Item = (&T, &T)> {
        let (a, b) = x.split_at(x.len() / 2);
        a.iter().zip(b)
    }
    contain_entries(
        "dot",
        50_000,
        |a, x| vec![a.dot(pairs(x))],
        |a, x| vec![a.dot(pairs(x))],
    );
}

#[test]
fn sum() {
    contain_entries(
        "sum",
        50_000,
        |a, x| vec![a.sum(x.iter())],
        |a, x| vec![a.sum(x.iter())],
    );
}

#[test]
fn max() {
    contain_entries("max", 50_000, |a, x| vec![a.max(x)], |a, x| vec![a.max(x)]);
}

#[test]
fn log_sum_exp() {
    contain_entries(
        "log_sum_exp",
        10_000,
        |a, x| vec![a.log_sum_exp(x)],
        |a, x| vec![a.log_sum_exp(x)],
    );
}

/// Results written to an argument, as a list.
fn written<A: Arithmetic>(x: &[A::Value], run: impl FnOnce(&[A::Value], &mut [A::Value])) -> Vec<A::Value> {
    let mut out = x.to_vec();
    run(x, &mut out);
    out
}

#[test]
fn softmax() {
    contain_entries(
        "softmax",
        20_000,
        |a, x| written::<IntervalArithmetic>(x, |x, out| a.softmax(x, out)),
        |a, x| written::<CheckerArithmetic>(x, |x, out| a.softmax(x, out)),
    );
}

#[test]
fn arg_max() {
    contain_entries(
        "arg_max",
        50_000,
        |a, x| written::<IntervalArithmetic>(x, |x, out| a.arg_max(x, out)),
        |a, x| written::<CheckerArithmetic>(x, |x, out| a.arg_max(x, out)),
    );
}

#[test]
fn rational() {
    contain("rational", 20_000, 1, |rng, arithmetic, checker, tally| {
        let num = IBig::from(rng.random_range(-1_000_000..1_000_000i64)) << rng.random_range(0..1200usize);
        let den = UBig::from(rng.random_range(1..1_000_000u64)) << rng.random_range(0..1200usize);
        let x = RBig::from_parts(num, den);
        let y = arithmetic.rational(&x);
        let flags = arithmetic.take_flags();
        tally.unbounded += u64::from(!y.is_bounded());
        let exact = checker.rational(&x);
        tally.record(y, flags, &exact, checker.take_flags(), || format!("{x}"));
        // tightest: both ends are the number, or neighbours
        if y.lo != y.hi && y.lo.next_up() != y.hi {
            tally.escapes.push(format!("{x}: {y:?} is not tightest"));
        }
    });
}
