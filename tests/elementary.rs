//! Errors of the elementary functions, of the bulk evaluator and of `libm` where the interval arithmetic uses it.
//!
//! `cargo test` holds 20,000 values of each against the checker arithmetic. With `PROXYCERT_ULP=full` 10^8 values of each, or as
//! many as the variable says, go to `oracle/ulp.c`, which holds them against MPFR: that needs `cc` and the library
//! (Debian: `libmpfr-dev`). `--nocapture` shows the table of the largest errors.
//!
//! An error is counted in units in the last place: distances of the binary64 numbers between which the true value lies.

use std::io::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use proxycert::eval::Arithmetic;
use proxycert::eval::bulk::Bulk;
use proxycert::eval::bulk::elementary as e;
use proxycert::eval::checker::CheckerArithmetic;
use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::interval::{Interval, IntervalArithmetic};
use proxycert::eval::lanes::Lanes;
use proxycert::graph::op::{Binary, Exponent, Input, Unary};
use proxycert::graph::{Graph, NodeId};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

type Values = Box<dyn Fn(&[f64]) -> Vec<f64> + Sync>;

struct Function {
    op: Unary,
    values: Values,
    /// arguments where it is defined, finite and not constant in binary64
    range: RangeInclusive<f64>,
    /// stated bound on its error
    bound: f64,
    /// the lower end of a rigorous evaluator that moves these values outward, at a point
    lower: Option<fn(Unary, f64) -> f64>,
}

impl Function {
    /// As in expressions; powers by their exponents.
    fn name(&self) -> String {
        match self.op {
            Unary::Pow(Exponent { num, den }) => format!("{num}/{den}"),
            op => op.row().name.to_owned(),
        }
    }

    /// By how many numbers the rigorous evaluator moves its values, read off at an argument like others.
    fn steps(&self) -> Option<u32> {
        let x = 0.7;
        let lower = (self.lower?)(self.op, x);
        let mut value = (self.values)(&[x])[0];
        let mut steps = 0;
        while value > lower {
            (value, steps) = (value.next_down(), steps + 1);
        }
        Some(steps)
    }
}

fn graph_of(op: Unary) -> (Graph, NodeId) {
    let mut graph = Graph::new();
    let w = graph.input(Input::W, 1);
    let root = graph.unary(op, w);
    (graph, root)
}

/// A function as the bulk evaluator computes it.
fn bulk(op: Unary, range: RangeInclusive<f64>, bound: f64) -> Function {
    let (graph, root) = graph_of(op);
    let bulk = Bulk::new(&graph, &[root]).expect("a plan");
    Function {
        op,
        values: Box::new(move |x| bulk.clone().run(x, &[], x.len()).expect("a run").remove(0)),
        range,
        bound,
        lower: None,
    }
}

const fn power(num: i32, den: u32) -> Unary {
    Unary::Pow(Exponent { num, den })
}

const LEAST: f64 = 5e-324;

/// Functions that the bulk evaluator has a form of its own for; the lanes of the prover move the first six outward.
fn own() -> Vec<Function> {
    fn lower(op: Unary, x: f64) -> f64 {
        let (graph, root) = graph_of(op);
        let mut lanes = Lanes::new(&graph, &[(Input::W, 1)], &[vec![root]], 1);
        lanes.run(0, &[Interval::point(x)]);
        lanes.root(0, 0)[0].lo
    }
    let stepped = |op, range, bound| Function {
        lower: Some(lower),
        ..bulk(op, range, bound)
    };
    vec![
        stepped(Unary::Exp, -746.0..=709.782_712_893_384, 1.0),
        stepped(Unary::Log, LEAST..=f64::MAX, 1.0),
        stepped(Unary::Log1p, -1.0 + 1e-16..=f64::MAX, 1.0),
        stepped(Unary::Tanh, -22.0..=22.0, 1.5),
        stepped(Unary::Sigmoid, -745.0..=40.0, 2.5),
        stepped(Unary::LogSigmoid, -1e6..=745.0, 2.0),
        bulk(Unary::Erf, -6.0..=6.0, 2.0),
        bulk(Unary::Sin, -e::LARGEST_ANGLE..=e::LARGEST_ANGLE, 2.0),
        bulk(Unary::Cos, -e::LARGEST_ANGLE..=e::LARGEST_ANGLE, 2.0),
    ]
}

/// What the bulk evaluator has from the processor and from `libm`.
fn others() -> Vec<Function> {
    vec![
        bulk(Unary::Sqrt, 0.0..=f64::MAX, 0.5),
        // most of these angles are beyond the reach of the vector form
        bulk(Unary::Sin, -f64::MAX..=f64::MAX, 2.0),
        bulk(Unary::Cos, -f64::MAX..=f64::MAX, 2.0),
        bulk(power(-1, 2), LEAST..=f64::MAX, 1.5),
        bulk(power(3, 2), 1e-200..=1e200, 3.0),
        // the power with a rounded exponent, and a factor for what the rounding has lost
        bulk(power(1, 3), LEAST..=f64::MAX, 1.5),
        bulk(power(2, 3), LEAST..=f64::MAX, 1.5),
        bulk(power(-1, 3), LEAST..=f64::MAX, 1.5),
        bulk(power(5, 4), 1e-240..=1e240, 1.0),
        bulk(power(-7, 5), 1e-200..=1e200, 1.5),
    ]
}

/// What the interval arithmetic has from `libm`, and moves outward.
fn library() -> Vec<Function> {
    fn lower(op: Unary, x: f64) -> f64 {
        IntervalArithmetic::new().unary(op, &Interval::point(x)).lo
    }
    let stepped = |op, value: fn(f64) -> f64, range, bound| Function {
        op,
        values: Box::new(move |x| x.iter().map(|x| value(*x)).collect()),
        range,
        bound,
        lower: Some(lower),
    };
    let angles = -1_073_741_824.0..=1_073_741_824.0; // 2^30, beyond which it uses no value
    vec![
        stepped(Unary::Exp, libm::exp, -746.0..=709.782_712_893_384, 1.0),
        stepped(Unary::Log, libm::log, LEAST..=f64::MAX, 1.0),
        stepped(Unary::Log1p, libm::log1p, -1.0 + 1e-16..=f64::MAX, 1.0),
        stepped(Unary::Sin, libm::sin, angles.clone(), 1.0),
        stepped(Unary::Cos, libm::cos, angles, 1.0),
        stepped(Unary::Tanh, libm::tanh, -22.0..=22.0, 3.0),
        // where its source expects the largest error
        stepped(Unary::Tanh, libm::tanh, 0.1..=0.2554, 3.0),
        stepped(Unary::Erf, libm::erf, -6.0..=6.0, 1.0),
        stepped(power(1, 3), libm::cbrt, LEAST..=f64::MAX, 1.0),
    ]
}

/// Arguments of all sizes: uniform on the range, and with exponents spread evenly.
fn argument(rng: &mut impl Rng, range: &RangeInclusive<f64>) -> f64 {
    loop {
        let x = match rng.random_range(0..4u32) {
            0 => {
                let part = rng.random_range(0.0..1.0);
                range.start() * (1.0 - part) + range.end() * part
            }
            1 => rng.random_range(-4.0..4.0),
            2 => 1.0 + rng.random_range(-1.0f64..1.0) * 2f64.powi(-rng.random_range(0..50)),
            _ => {
                let sign = if rng.random_range(0..2u32) == 0 { 1.0 } else { -1.0 };
                sign * rng.random_range(1.0..2.0) * 2f64.powi(rng.random_range(-1022..1023))
            }
        };
        if range.contains(&x) {
            return x;
        }
    }
}

/// Arguments and values, some thousand at a time.
fn pairs(f: &Function, seed: u64, count: usize) -> impl Iterator<Item = Vec<(f64, f64)>> {
    const BLOCK: usize = 4096;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).step_by(BLOCK).map(move |first| {
        let arguments: Vec<f64> = (first..count.min(first + BLOCK))
            .map(|_| argument(&mut rng, &f.range))
            .collect();
        let values = (f.values)(&arguments);
        arguments.into_iter().zip(values).collect()
    })
}

/// An error and the argument where it was found.
type Worst = (f64, f64);

fn worse(a: Worst, b: Worst) -> Worst {
    if b.0 > a.0 { b } else { a }
}

/// What knows the true values.
#[derive(Clone, Copy)]
enum Oracle<'a> {
    Checker,
    /// the program made of `oracle/ulp.c`
    Mpfr(&'a Path),
}

impl Oracle<'_> {
    /// The largest error over so many arguments or a few more, the same for any number of threads.
    fn largest(self, f: &Function, count: usize) -> Worst {
        const STREAMS: usize = 64;
        let each = count.div_ceil(STREAMS);
        (0..STREAMS as u64)
            .into_par_iter()
            .map(|seed| match self {
                Oracle::Checker => by_checker(f, seed, each),
                Oracle::Mpfr(program) => by_mpfr(program, f, seed, each),
            })
            .reduce(|| (0.0, f64::NAN), worse)
    }
}

fn by_checker(f: &Function, seed: u64, count: usize) -> Worst {
    let mut checker = CheckerArithmetic::new();
    let mut error = |x: f64, value: f64| {
        if !value.is_finite() {
            return f64::INFINITY;
        }
        let argument = checker.float(x);
        let (truth, value) = (checker.unary(f.op, &argument), checker.float(value));
        let (lo, hi) = truth.to_f64();
        let below = lo.abs().min(hi.abs()).min(f64::MAX.next_down());
        let unit = checker.float(below.next_up() - below);
        let difference = checker.binary(Binary::Sub, &truth, &value);
        let (lo, hi) = checker.binary(Binary::Div, &difference, &unit).to_f64();
        lo.abs().max(hi.abs())
    };
    pairs(f, seed, count)
        .flatten()
        .map(|(x, value)| (error(x, value), x))
        .fold((0.0, f64::NAN), worse)
}

fn by_mpfr(program: &Path, f: &Function, seed: u64, count: usize) -> Worst {
    let mut run = Command::new(program)
        .arg(f.name())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut input = run.stdin.take().expect("a pipe");
    for block in pairs(f, seed, count) {
        let bytes: Vec<u8> = block
            .into_iter()
            .flat_map(|(x, value)| [x, value])
            .flat_map(f64::to_ne_bytes)
            .collect();
        input.write_all(&bytes).expect("the program reads");
    }
    drop(input);
    let output = run.wait_with_output().expect("an answer");
    let line = String::from_utf8(output.stdout).expect("text");
    let numbers: Vec<f64> = line
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect();
    let [read, error, at] = numbers[..] else {
        panic!("{}: {line:?}", f.name())
    };
    assert_eq!(read, count as f64, "pairs read");
    (error, at)
}

/// Compiles `oracle/ulp.c` into a folder.
fn compile(folder: &Path) -> PathBuf {
    let program = folder.join("ulp");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/ulp.c");
    let done = Command::new("cc")
        .args(["-O2", source, "-lquadmath", "-lmpfr", "-lgmp", "-o"])
        .arg(&program)
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "PROXYCERT_ULP needs a C compiler `cc` and the library MPFR (Debian: libmpfr-dev)"
    );
    program
}

/// How many arguments to try of each function against MPFR.
fn asked() -> Option<usize> {
    let value = std::env::var("PROXYCERT_ULP").ok()?;
    Some(match value.as_str() {
        "full" => 100_000_000,
        number => number
            .parse()
            .expect("PROXYCERT_ULP is `full` or a number of arguments"),
    })
}

/// Prints a row of the table for each function: its largest error, where, and the steps that it is moved outward by.
fn hold(source: &str, functions: Vec<Function>) {
    const FEW: usize = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let deep = asked().map(|count| (compile(folder.path()), count));
    let mut failures = Vec::new();
    for f in functions {
        let (name, start) = (f.name(), Instant::now());
        let few = Oracle::Checker.largest(&f, FEW);
        let (error, at) = match &deep {
            None => few,
            Some((program, count)) => {
                let again = Oracle::Mpfr(program).largest(&f, FEW);
                assert!(
                    (again.0 - few.0).abs() <= 1e-9,
                    "{name}: {again:?} by MPFR, {few:?} by the checker"
                );
                Oracle::Mpfr(program).largest(&f, *count)
            }
        };
        let steps = f.steps();
        println!(
            "| `{name}` | {source} | {:e} to {:e} | {error:.3} at {at:e} | {} |",
            f.range.start(),
            f.range.end(),
            steps.map_or_else(String::new, |steps| steps.to_string())
        );
        eprintln!("{name}, {source}: {:.1?}", start.elapsed());
        // a step down from a power of two is half a unit
        let most = steps.map_or(f.bound, |steps| f.bound.min(f64::from(steps) / 2.0));
        if error > most {
            failures.push(format!("{name}: {error} ulp at {at:e}, more than {most}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn errors_of_own_functions_are_below_the_stated_bounds() {
    hold("bulk", own());
}

#[test]
fn errors_of_other_functions_are_below_the_stated_bounds() {
    hold("bulk", others());
}

#[test]
fn errors_of_the_library_are_below_the_stated_bounds() {
    hold("`libm`", library());
}

/// Plain binary64 with `libm`.
fn plain(op: Unary, x: f64) -> f64 {
    FloatArithmetic.unary(op, &x)
}

/// Distance to the next number away from zero.
fn ulp(x: f64) -> f64 {
    let x = x.abs().min(f64::MAX.next_down());
    x.next_up() - x
}

#[test]
fn values_are_within_the_stated_bounds_of_libm() {
    for f in own() {
        let (mut largest, mut at) = (0.0, 0.0);
        for (x, value) in pairs(&f, 2, 1_000_000).flatten() {
            let other = plain(f.op, x);
            let difference = (value - other).abs() / ulp(other);
            if difference.is_nan() || difference > largest {
                (largest, at) = (difference, x);
            }
        }
        println!("{}: {largest} ulp from libm at {at:e}", f.name());
        // libm's own error is below 1, and 3 where it is composed
        assert!(
            largest <= f.bound + if f.bound > 1.0 { 3.0 } else { 1.0 },
            "{}: {largest} ulp at {at:e}",
            f.name()
        );
    }
}

#[test]
fn special_arguments() {
    for f in own().into_iter().chain(others()) {
        let name = f.name();
        let special = [
            f64::NAN,
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            1.0,
            5e-324,
            -5e-324,
            1e-310,
            f64::MAX,
            f64::MIN,
        ];
        for (x, value) in special.into_iter().zip((f.values)(&special)) {
            let other = plain(f.op, x);
            let same = value.to_bits() == other.to_bits()
                || (value.is_nan() && other.is_nan())
                || (value - other).abs() <= f.bound * ulp(other);
            assert!(same, "{name}({x:e}) = {value:e}, libm has {other:e}");
            assert!(!x.is_nan() || value.is_nan(), "{name} of NaN");
        }
    }
    assert_eq!(e::exp(710.0), f64::INFINITY);
    assert_eq!(e::exp(-746.0), 0.0);
    assert_eq!(e::exp(-745.1), 5e-324);
    assert_eq!(e::log(0.0), f64::NEG_INFINITY);
    assert!(e::log(-1.0).is_nan() && e::log1p(-1.5).is_nan());
    assert_eq!(e::tanh(-0.0).to_bits(), (-0.0f64).to_bits());
}
