//! Proofs by lifting: the cut keeps the slack, false claims are never proved, changed proofs are refused.
//!
//! `PROXYCERT_LIFTING=<n>` tries n times as many random claims, points and changes.

#[path = "common/catalogue.rs"]
mod catalogue;

use std::path::{Path, PathBuf};

use catalogue::truths;

use dashu_ratio::RBig;
use proxycert::case::Case;
use proxycert::certificate::replay::lifting::replay;
use proxycert::claim::Claim;
use proxycert::engine::enclose::{Encloser, ExactPoint, Slack, defined_hull};
use proxycert::engine::points::{Draw, Point, Points};
use proxycert::engine::prove::lifting::cut::{Cut, Part};
use proxycert::engine::prove::lifting::prepare::{Reductions, goal};
use proxycert::engine::prove::lifting::{self, Lifting};
use proxycert::eval::checker::{CheckerArithmetic, Enclosure};
use proxycert::eval::{Arithmetic, RigorousArithmetic};
use proxycert::graph::op::{Binary, Exponent, Unary};
use proxycert::symbolic::Enclosures;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

fn longer() -> u64 {
    let text = std::env::var("PROXYCERT_LIFTING").unwrap_or_default();
    text.parse().unwrap_or(1)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn catalogued(name: &str) -> Claim {
    let path = root().join(format!("cases/{name}.json"));
    let case = Case::load(&path, false).unwrap_or_else(|e| panic!("{e}"));
    Claim::new(&case).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

fn load(data: &str, dimension: usize, f: &str, inequality: &str, region: &str) -> Claim {
    let text = format!(
        r#"{{"name": "a", "data": {{{data}}}, "parameters": {{"x": [{dimension}]}}, "define": {{"f": "{f}"}},
            "claim": {{"inequality": "{inequality}"}}, "region": {region}, "check": {{"tolerance": 0}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|e| panic!("{text}\n{e}"));
    Claim::new(&case).unwrap_or_else(|e| panic!("{text}\n{}", e.render(false)))
}

/// A proof, which must replay.
fn proved(claim: &Claim, max_boxes: u64) -> Option<Lifting> {
    let proof = lifting::prove(claim, max_boxes)?.proof?;
    replay(claim, &proof).unwrap_or_else(|error| panic!("the prover's own proof is refused: {error}"));
    Some(proof)
}

// ---------------------------------------------------------------------------------------------------
// The cut

fn coordinates(claim: &Claim, point: &Point) -> Vec<Enclosure> {
    let mut checker = CheckerArithmetic::new();
    let inputs = claim.region.inputs();
    let sides = inputs.iter().flat_map(|&input| point.side(input));
    sides.map(|&x| checker.float(x)).collect()
}

fn slack_at(claim: &Claim, at: &[Enclosure]) -> Enclosure {
    let inputs = claim.region.inputs();
    let sides: Vec<_> = inputs.into_iter().zip(at.chunks_exact(claim.dimension)).collect();
    let enclosed = Slack::new(claim, CheckerArithmetic::new()).over(&sides);
    assert!(enclosed.flags.defined);
    enclosed.slack
}

/// A part at the values that its lifted variables take.
fn part_at(cut: &Cut, part: &Part, at: &[Enclosure]) -> Enclosure {
    let mut outer = Enclosures::new(&cut.arena, CheckerArithmetic::new(), at);
    let lifted: Vec<Enclosure> = part.lifted.iter().map(|form| outer.of(*form)).collect();
    Enclosures::new(&part.arena, CheckerArithmetic::new(), &lifted).of(part.function)
}

/// `constant + sum of the parts + the norm`
fn cut_at(cut: &Cut, at: &[Enclosure]) -> Enclosure {
    let mut checker = CheckerArithmetic::new();
    let mut sum = checker.rational(&cut.constant);
    for part in &cut.parts {
        sum = checker.binary(Binary::Add, &sum, &part_at(cut, part, at));
    }
    if let Some(cone) = &cut.cone {
        let mut square = checker.rational(&RBig::ZERO);
        for (number, (weight, center)) in &cone.coordinates {
            let (weight, center) = (checker.rational(weight), checker.rational(center));
            let offset = checker.binary(Binary::Sub, &at[*number as usize], &center);
            let offset = checker.unary(Unary::Pow(Exponent { num: 2, den: 1 }), &offset);
            let term = checker.binary(Binary::Mul, &weight, &offset);
            square = checker.binary(Binary::Add, &square, &term);
        }
        let norm = checker.unary(Unary::Sqrt, &square);
        let factor = Enclosures::new(&cut.arena, CheckerArithmetic::new(), &[]).of(cone.factor);
        let term = checker.binary(Binary::Mul, &factor, &norm);
        sum = checker.binary(Binary::Add, &sum, &term);
    }
    sum
}

fn cut_of(claim: &Claim, reductions: Reductions) -> Option<Cut> {
    let hull = defined_hull(claim, CheckerArithmetic::new())?;
    let goal = goal(claim, reductions, &hull, CheckerArithmetic::new())?;
    Cut::new(goal.arena, goal.form)
}

/// The numbers of `x - y`, for all pairs from two enclosures.
fn difference(x: &Enclosure, y: &Enclosure) -> Enclosure {
    CheckerArithmetic::new().binary(Binary::Sub, x, y)
}

fn draws(claim: &Claim, count: u64) -> Vec<Point> {
    let mut points = Points::new(claim, 5);
    let mut all = Vec::new();
    for draw in [Draw::Uniform, Draw::NearDiagonal, Draw::NearKink, Draw::Boundary] {
        if points.offers(draw) {
            all.extend((0..count).filter_map(|index| points.draw(draw, index).0));
        }
    }
    all
}

/// Parameters of the largest cases whose cut is held against the slack, and whose products are multiplied
/// out.
const LARGE: usize = 40;
const SMALL: usize = 5;

#[test]
fn the_cut_of_each_case_keeps_its_slack() {
    let (mut cuts, mut along, mut divided, mut cones) = (0, 0, 0, 0);
    for (name, _) in truths() {
        let claim = catalogued(&name);
        if claim.dimension > LARGE {
            continue;
        }
        let plain = Reductions::default();
        let expanded = Reductions {
            expanded: true,
            ..plain
        };
        let relieved = Reductions {
            relieved: true,
            ..plain
        };
        let direction: Vec<f64> = (0..claim.dimension)
            .map(|number| (0.9 - 0.1 * (number % 3) as f64) / (claim.dimension as f64).sqrt())
            .collect();
        let (small, large) = (direction.clone(), vec![1.0 + 1e-15; claim.dimension]);
        let of = |direction: &[f64], divided| {
            let reductions = Reductions {
                direction,
                divided,
                ..Reductions::default()
            };
            cut_of(&claim, reductions)
        };
        assert!(of(&large, false).is_none(), "{name}: a vector longer than 1");
        let points = draws(&claim, longer());
        // multiplied out, most slacks are many times as long
        let ways = if claim.dimension > SMALL {
            vec![plain]
        } else {
            vec![plain, expanded]
        };
        for cut in ways.iter().filter_map(|way| cut_of(&claim, *way)) {
            cuts += 1;
            cones += u32::from(cut.cone.is_some());
            for point in &points {
                let at = coordinates(&claim, point);
                let (slack, sum) = (slack_at(&claim, &at), cut_at(&cut, &at));
                let gap = difference(&slack, &sum);
                assert!(
                    gap.contains(&RBig::ZERO),
                    "{name} at {point:?}: {slack:?} {sum:?}"
                );
            }
        }
        // the derivative along a vector is at most the norm, and what is left out is not negative
        let below = [of(&small, false), cut_of(&claim, relieved)];
        along += u32::from(below[0].is_some());
        for cut in below.iter().flatten() {
            for point in &points {
                let at = coordinates(&claim, point);
                let gap = difference(&slack_at(&claim, &at), &cut_at(cut, &at));
                assert!(!gap.is_negative(), "{name} at {point:?}");
            }
        }
        // what is left after a division is negative where the slack is
        if let Some(cut) = of(&[], true) {
            divided += 1;
            for point in &points {
                let at = coordinates(&claim, point);
                if slack_at(&claim, &at).is_negative() {
                    let sum = cut_at(&cut, &at);
                    assert!(!sum.at_least(&RBig::ZERO), "{name} at {point:?}");
                }
            }
        }
    }
    println!("{cuts} cuts, {along} along a vector, {divided} divided, {cones} cones");
    assert!(cuts > 25 && along >= 3 && divided >= 3 && cones > 3);
}

// ---------------------------------------------------------------------------------------------------
// Claims whose truth is known

/// An inequality that holds for every margin `>= 0` in place of `M`, and fails for every one below 0 at
/// the witness.
struct Known {
    data: String,
    dimension: usize,
    f: String,
    inequality: String,
    region: String,
    witness: Vec<f64>,
    both: bool,
}

impl Known {
    fn claim(&self, margin: &str) -> Claim {
        let inequality = self.inequality.replace('M', &format!("({margin})"));
        load(&self.data, self.dimension, &self.f, &inequality, &self.region)
    }

    /// The claim past the truth; it is checked that it fails.
    fn false_twin(&self, margin: &str) -> Claim {
        let claim = self.claim(&format!("-{margin}"));
        let exact: Vec<RBig> = self.witness.iter().map(|x| RBig::try_from(*x).unwrap()).collect();
        let point = ExactPoint {
            w: exact.clone(),
            v: if self.both { exact } else { Vec::new() },
        };
        let mut encloser = Encloser::new(&claim, CheckerArithmetic::new());
        assert!(
            encloser.contains(&point) && encloser.at_point(&point).slack.is_negative(),
            "no witness: {}",
            self.what(margin)
        );
        claim
    }

    fn what(&self, margin: &str) -> String {
        format!(
            "{} with margin {margin}, f = {}, {}",
            self.inequality, self.f, self.data
        )
    }
}

const FAMILIES: u64 = 8;

/// Not negative, and 0 at 0.
const PHI: [&str; 13] = [
    "abs(Z)",
    "Z^2",
    "2 * relu(Z)",
    "(exp(Z / 2) - 1 - Z / 2)",
    "(1 - cos(Z))",
    "Z * tanh(Z)",
    "max(Z, -Z / 3)",
    "Z * sign(Z)",
    "Z^2 * sigmoid(Z)",
    "(leaky_relu(Z, 1/4) - Z / 4)",
    "log1p(Z^2)",
    "Z * (step(Z) - 1/2)",
    "(sqrt(1 + Z^2) - 1)",
];

/// Convex, with least value 0 at 0.
const CONVEX: [&str; 6] = [
    "relu(Z)",
    "abs(Z)",
    "Z^2 / 2",
    "max(Z, -Z / 3)",
    "(softplus(Z) - Z / 2 - log(2))",
    "relu(Z)^2",
];

fn known(seed: u64) -> Known {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let family = seed % FAMILIES;
    let dimension = if family == 1 || family == 2 {
        2
    } else {
        rng.random_range(2..=4)
    };
    let count = rng.random_range(1..=4);
    let mut half = |bound: i32| f64::from(rng.random_range(-bound..=bound)) / 2.0;
    let a: Vec<f64> = (0..dimension).map(|_| half(3) / 2.0).collect();
    let rows: Vec<Vec<f64>> = (0..count)
        .map(|_| match family {
            // lengths that are whole numbers
            1 => [vec![3.0, 4.0], vec![-4.0, 3.0], vec![5.0, -12.0]][(half(9).abs() * 2.0) as usize % 3]
                .clone(),
            // orthogonal to (3, 4)
            2 => {
                let factor = half(2) / 2.0;
                vec![4.0 * factor, -3.0 * factor]
            }
            _ => (0..dimension).map(|_| half(4)).collect(),
        })
        .collect();
    let inner = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let offsets: Vec<f64> = rows.iter().map(|row| inner(row, &a)).collect();
    let other: Vec<f64> = (0..dimension).map(|_| half(2)).collect();
    let data = format!(r#""X": {rows:?}, "b": {offsets:?}, "a": {a:?}, "q": {other:?}, "g": [3.0, 4.0]"#);
    let z = ["(X @ w - b)", "(X @ (w - a))"][rng.random_range(0..2)];
    let phi = |rng: &mut ChaCha8Rng| {
        let shape = PHI[rng.random_range(0..PHI.len())].replace('Z', z);
        format!("{} * sum({shape})", rng.random_range(1..=3))
    };
    let (first, second) = (phi(&mut rng), phi(&mut rng));
    let mut known = Known {
        data,
        dimension,
        f: "sum(x^2)".to_owned(),
        inequality: format!("{first} + {second} + M >= 0"),
        region: r#"{"w": {"box": [-1, 1]}}"#.to_owned(),
        witness: a.clone(),
        both: false,
    };
    match family {
        0 => {}
        // |x.(w - a)| <= |x| |w - a|; with one row nothing less than |x| will do
        1 => {
            let reach: f64 = rows.iter().map(|row| inner(row, row).sqrt()).sum();
            if count == 1 && rng.random_range(0..2) == 0 {
                known.witness = a.iter().zip(&rows[0]).map(|(a, x)| a + x / 64.0).collect();
                known.inequality = format!("({reach} + M) * norm(w - a) >= sum(abs({z}))");
                if known.witness.iter().any(|x| x.abs() > 1.0) {
                    known.region = r#"{"w": {"box": [-2, 2]}}"#.to_owned();
                }
            } else {
                known.inequality =
                    format!("({reach} + 1/50) * norm(w - a) - sum(abs({z})) + {first} + M >= 0");
            }
        }
        // the gradient is (3, 4) plus multiples of (4, -3)
        2 => {
            let shape = ["Z^2", "(1 - cos(Z))", "relu(Z)^2", "(sqrt(1 + Z^2) - 1)"][rng.random_range(0..4)];
            known.f = format!("dot(g, w) + sum({})", shape.replace('Z', z));
            known.inequality = "norm(grad(f)(w)) >= 5 - M".to_owned();
            if rng.random_range(0..2) == 0 {
                // minus the gradient is (3, 4) times the sum of the sigmoids plus multiples of (4, -3), which
                // cancel at 0
                let k = f64::from(rng.random_range(1..=3)) / 4.0;
                let rows = [[3.0 + 4.0 * k, 4.0 - 3.0 * k], [3.0 - 4.0 * k, 4.0 + 3.0 * k]];
                known.data = format!(r#""X": {rows:?}"#);
                known.f = "sum(softplus(-X @ x))".to_owned();
                known.inequality = "norm(grad(f)(w)) >= (5 - M) * sum(sigmoid(-X @ w))".to_owned();
                known.witness = vec![0.0, 0.0];
            }
        }
        // a square that is 1 at the witness
        3 => {
            let square = ["(dot(q, w - a) + 1)^2", "(dot(q, w - a) - 1)^4"][rng.random_range(0..2)];
            known.inequality = match rng.random_range(0..2) {
                0 => format!("{square} * ({first}) + {square} * ({second} + M) >= 0"),
                _ => format!("{square} * ({first} + {second} + M) >= 0"),
            };
        }
        // tight on the sphere
        4 => {
            let radius = inner(&a, &a);
            let square = "(dot(q, w - a) + 1)^2";
            known.inequality = format!("{square} * (3 * (norm(w)^2 - {radius}) + {first} + M) >= 0");
            if rng.random_range(0..2) == 0 {
                known.inequality =
                    format!("{square} * 2 * norm(w)^2 + {square} * {first} >= {square} * (2 * {radius} - M)");
            }
            known.region = format!(r#"{{"w": {{"box": [-1, 1]}}, "where": ["norm(w)^2 >= {radius}"]}}"#);
        }
        // convex, with equality where w and v are the minimiser
        5 => {
            let shape = CONVEX[rng.random_range(0..CONVEX.len())].replace('Z', &z.replace('w', "x"));
            known.f = format!("sum({shape})");
            known.inequality = "dot(grad(f)(w), w - v) >= f(w) - f(v) - M".to_owned();
            known.region = r#"{"w": {"box": [-1, 1]}, "v": {"box": [-1, 1]}}"#.to_owned();
            known.both = true;
        }
        // the largest value of the largest of linear functions, or of increasing kinks, is at a corner
        _ => {
            let mut ends = || {
                let lo = -f64::from(rng.random_range(1..=12)) / 2.0;
                [lo, lo + f64::from(rng.random_range(1..=16)) / 2.0]
            };
            let ranges: Vec<[f64; 2]> = (0..dimension).map(|_| ends()).collect();
            known.region = format!(r#"{{"w": {{"box": {ranges:?}}}}}"#);
            let corner = |row: &[f64]| -> Vec<f64> {
                let end = |(slope, range): (&f64, &[f64; 2])| range[usize::from(*slope > 0.0)];
                row.iter().zip(&ranges).map(end).collect()
            };
            if family == 6 {
                let values: Vec<(f64, Vec<f64>)> = rows
                    .iter()
                    .zip(&offsets)
                    .map(|(row, offset)| (inner(row, &corner(row)) - offset, corner(row)))
                    .collect();
                let largest = values.into_iter().max_by(|x, y| x.0.total_cmp(&y.0)).unwrap();
                known.witness = largest.1;
                known.inequality = format!("{} + M >= max(X @ w - b)", largest.0);
            } else {
                let top = corner(&vec![1.0; dimension]);
                let [s, t, p, q] = [(); 4].map(|()| f64::from(rng.random_range(-4..=4)) / 2.0);
                let (p, q) = (p.abs() + 0.5, q.abs() + 0.5);
                let leaky = |x: f64| if x > 0.0 { x } else { x / 4.0 };
                let (text, value) = match rng.random_range(0..3) {
                    0 => (
                        format!("relu({p} * relu(w[0] - ({s})) + {q} * w[1] - ({t}))"),
                        (p * (top[0] - s).max(0.0) + q * top[1] - t).max(0.0),
                    ),
                    1 => (
                        format!("leaky_relu({p} * leaky_relu(w[0] - ({s}), 1/4) + {q} * w[1] - ({t}), 1/4)"),
                        leaky(p * leaky(top[0] - s) + q * top[1] - t),
                    ),
                    _ => (
                        format!("max(relu(w[0] - ({s})), {q} * w[1] - ({t})) + {p} * relu(w[1] + w[0])"),
                        (top[0] - s).max(0.0).max(q * top[1] - t) + p * (top[0] + top[1]).max(0.0),
                    ),
                };
                known.witness = top;
                known.inequality = format!("{value} + M >= {text}");
            }
        }
    }
    known
}

const MARGINS: [&str; 6] = ["1", "1/4", "1e-2", "1e-4", "1e-6", "1e-9"];

#[test]
fn false_cases_of_the_catalogue_are_never_proved() {
    for (name, _) in truths().into_iter().filter(|(_, truth)| !truth) {
        let claim = catalogued(&name);
        let attempt = lifting::prove(&claim, 20_000);
        assert!(attempt.is_none_or(|attempt| attempt.proof.is_none()), "{name}");
    }
}

#[test]
fn what_is_false_by_a_small_margin_is_never_proved() {
    let results: Vec<(u64, bool)> = (0..480 * longer())
        .into_par_iter()
        .map(|seed| {
            let known = known(seed);
            let margin = MARGINS[(seed / FAMILIES) as usize % MARGINS.len()];
            let what = known.what(margin);
            let no = known.false_twin(margin);
            let attempt = lifting::prove(&no, 600);
            assert!(
                attempt.is_none_or(|attempt| attempt.proof.is_none()),
                "seed {seed} is false and proved: {what}"
            );
            (seed % FAMILIES, proved(&known.claim(margin), 600).is_some())
        })
        .collect();
    let mut of = [[0; 2]; FAMILIES as usize];
    for (family, proved) in &results {
        of[*family as usize][usize::from(*proved)] += 1;
    }
    println!("not proved and proved, by family: {of:?}");
    let settled = results.iter().filter(|(_, proved)| *proved).count();
    assert!(
        2 * settled > results.len(),
        "{settled} of {} true claims",
        results.len()
    );
}

/// A kink in several variables is unknown to second derivatives.
#[test]
fn concave_kinks_in_several_variables_are_not_smooth() {
    let region = r#"{"w": {"box": [[-2, 1], [-6, 2]]}}"#;
    for (concave, largest) in [
        ("max(w)", "2"),
        ("relu(relu(w[0] + 2) - 2 + w[1] / 2 + 1/2)", "5/2"),
        ("leaky_relu(relu(w[0] + 2) + w[1] / 2, 1/4)", "4"),
        ("max(abs(w[0] - 3), w[1] / 2)", "5"),
    ] {
        for margin in ["1", "1/2", "1e-6"] {
            let no = load(
                "",
                2,
                "sum(x)",
                &format!("{largest} - {margin} >= {concave}"),
                region,
            );
            assert!(proved(&no, 5000).is_none(), "{concave}");
            let yes = load(
                "",
                2,
                "sum(x)",
                &format!("{largest} + {margin} >= {concave}"),
                region,
            );
            let proof = proved(&yes, 5000).unwrap_or_else(|| panic!("{concave}"));
            for letter in ["n", "m", "t", "u", "s", "d"] {
                let mut forged = proof.clone();
                let trees = forged.parts.iter_mut().flat_map(|part| &mut part.trees);
                trees.for_each(|tree| *tree = letter.to_owned());
                raise(&no, &mut forged, 0);
                assert!(replay(&no, &forged).is_err(), "{concave}, {letter}");
            }
        }
    }
}

#[test]
fn what_is_not_defined_everywhere_is_never_proved() {
    let gap = r#"{"w": {"box": [-1, 2]}}"#;
    let inside = r#"{"w": {"box": ["1/2", 2]}}"#;
    for (f, inequality) in [
        ("sum(x)", "log(w[0]) >= -1"),
        ("sum(x)", "sqrt(w[0]) >= -1"),
        ("sum(x)", "1 / w[0] >= 1/4"),
        ("sum(x)", "1 / (w[0] * w[0]) >= 0"),
        ("sum(x)", "w[0]^(-1/2) >= 0"),
        ("sum(x)", "w[0]^(3/2) >= 0"),
        ("sum(x)", "log1p(w[0] - 1/2) >= -1"),
        // the form knows nothing of what has cancelled
        ("sum(x)", "w[0] / w[0] >= 1/2"),
        ("sum(x)", "sqrt(w[0])^2 + 1 >= w[0]"),
        ("sum(x)", "log(w[0]) - log(w[0]) + 1 >= 0"),
        ("sum(x)", "0 * log(w[0]) >= -1"),
        ("sum(x)", "w[0]^2 * w[0]^-1 >= -5"),
        ("sum(x)", "w[1]^2 * (1 + exp(log(w[0]))) >= 0"),
        ("log(x[0])", "dot(grad(f)(w), w) >= 1/2"),
        ("sqrt(x[0])", "norm(grad(f)(w)) >= 0"),
        ("sign(x[0])", "norm(grad(f)(w)) >= 0"),
        ("x[1] * step(x[0] - 1/8)", "norm(grad(f)(w)) >= -1"),
    ] {
        let claim = load("", 2, f, inequality, gap);
        let attempt = lifting::prove(&claim, 2000);
        assert!(
            attempt.is_none_or(|attempt| attempt.proof.is_none()),
            "{inequality}, f = {f}"
        );
        // the proof where it is defined is no proof
        let smaller = load("", 2, f, inequality, inside);
        let mut proof = proved(&smaller, 2000).unwrap_or_else(|| panic!("{inequality}, f = {f}"));
        assert!(replay(&claim, &proof).is_err());
        for part in &mut proof.parts {
            part.ranges.iter_mut().for_each(|range| *range = [-100.0, 100.0]);
        }
        assert!(replay(&claim, &proof).is_err(), "{inequality}");
    }
}

#[test]
fn the_same_proof_on_any_number_of_threads() {
    let mut claims: Vec<Claim> = (0..2 * FAMILIES).map(|seed| known(seed).claim("1/4")).collect();
    for name in [
        "neuron-leaky-relu-noiseless",
        "leaky-net-gradient-2",
        "two-layer-linear-units",
        "neuron-tanh",
    ] {
        claims.push(catalogued(name));
    }
    let on = |threads: usize| -> Vec<(u64, u32, Option<Lifting>)> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let attempts = || claims.iter().filter_map(|claim| lifting::prove(claim, 300));
        pool.install(|| attempts().map(|a| (a.boxes, a.depth, a.proof)).collect())
    };
    let one = on(1);
    assert!(one.iter().filter(|(_, _, proof)| proof.is_some()).count() > 8);
    assert_eq!(one, on(2));
    assert_eq!(one, on(3));
}

// ---------------------------------------------------------------------------------------------------
// Changed proofs

fn change(rng: &mut ChaCha8Rng, proof: &mut Lifting) {
    const LETTERS: [&str; 17] = [
        "n", "m", "t", "u", "s", "z", "y", "d", "0/", "1/", "2/", "0:16/", "1:63/", ":", "x", "", "0/nn",
    ];
    const ODD: [f64; 8] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let odd = ODD[rng.random_range(0..ODD.len())];
    let step = 10f64.powi(-rng.random_range(0..12)) * [-1.0, 1.0][rng.random_range(0..2)];
    let count = proof.parts.len();
    let place = rng.random_range(0..count.max(1));
    let kind = rng.random_range(0..16);
    match kind {
        15 => match rng.random_range(0..5) {
            0 => proof.squares = !proof.squares,
            1 => proof.radial = !proof.radial,
            2 => proof.joined = !proof.joined,
            3 => proof.relieved = !proof.relieved,
            _ => proof.expanded = !proof.expanded,
        },
        10 => proof.divided = !proof.divided,
        11 => match rng.random_range(0..4) {
            0 => proof.direction.clear(),
            1 => proof.direction.push(odd),
            2 => proof.direction.iter_mut().for_each(|x| *x *= 1.0 + step),
            _ => proof.direction = vec![odd, step],
        },
        12 => match rng.random_range(0..4) {
            0 => proof.shares.clear(),
            1 => proof.shares.push(odd),
            2 => proof.shares.iter_mut().for_each(|x| *x *= 1.0 + step.abs()),
            _ => proof.shares = vec![step.abs() * 10.0; count],
        },
        13 if count > 0 => match rng.random_range(0..3) {
            0 => drop(proof.parts.remove(place)),
            1 => proof.parts.push(proof.parts[place].clone()),
            _ => proof.parts.swap(place, 0),
        },
        14 => {
            if let Some(share) = proof.shares.get_mut(place) {
                *share = if step > 0.0 { odd } else { *share + step };
            }
            if let Some(x) = proof.direction.get_mut(place) {
                *x = if step > 0.0 { odd } else { *x + step };
            }
        }
        _ if count == 0 => {}
        0 => proof.parts[place].floor += step,
        1 => proof.parts[place].floor = odd,
        2 => proof.parts.iter_mut().for_each(|part| part.floor += step.abs()),
        3..6 => {
            let ranges = &mut proof.parts[place].ranges;
            if !ranges.is_empty() {
                let number = rng.random_range(0..ranges.len());
                match rng.random_range(0..5) {
                    0 => ranges[number][rng.random_range(0..2)] += step,
                    1 => ranges[number] = ranges[number].map(|end| end * (1.0 + step)),
                    2 => ranges[number][rng.random_range(0..2)] = odd,
                    3 => ranges[number].reverse(),
                    _ => drop(ranges.remove(number)),
                }
            }
        }
        _ => {
            let trees = &mut proof.parts[place].trees;
            if trees.is_empty() {
                trees.push("n".to_owned());
                return;
            }
            let number = rng.random_range(0..trees.len());
            let letter = LETTERS[rng.random_range(0..LETTERS.len())];
            let at = rng.random_range(0..=trees[number].len());
            match kind {
                6 => trees[number].insert_str(at, letter),
                7 if at < trees[number].len() => trees[number].replace_range(at..=at, letter),
                7 => trees[number].truncate(at / 2),
                8 => trees[number] = letter.to_owned(),
                _ => match rng.random_range(0..3) {
                    0 => trees.swap(number, 0),
                    1 => drop(trees.remove(number)),
                    _ => trees.push(letter.to_owned()),
                },
            }
        }
    }
}

/// The cut that a proof is about.
fn own_cut(claim: &Claim, proof: &Lifting) -> Option<Cut> {
    let hull = defined_hull(claim, CheckerArithmetic::new())?;
    let goal = goal(claim, proof.reductions(), &hull, CheckerArithmetic::new())?;
    lifting::cut_of(goal.arena, goal.form, proof.joined)
}

/// Raises a floor until all of them add up to a claim with another constant.
fn raise(claim: &Claim, proof: &mut Lifting, place: usize) {
    let Some(cut) = own_cut(claim, proof) else {
        return;
    };
    let sum: f64 = proof.parts.iter().map(|part| part.floor).sum();
    let missing = -(cut.constant.to_f64().value() + sum) + 1e-12;
    if missing > 0.0 && missing.is_finite() && !proof.parts.is_empty() {
        let place = place % proof.parts.len();
        proof.parts[place].floor += missing;
    }
}

/// Floors that add up, each at most the values of its part at points of the region.
fn holds_at(claim: &Claim, proof: &Lifting, points: &[Point]) -> bool {
    let mut cut = own_cut(claim, proof).expect("accepted");
    if proof.radial {
        // its variables are not the coordinates
        return true;
    }
    let tolerance = if proof.divided {
        RBig::ZERO
    } else {
        claim.tolerance.clone()
    };
    let floors = proof.parts.iter().map(|part| part.floor);
    if let Some(cone) = &cut.cone {
        let shared = cone.share_out(
            &cut.arena,
            &mut cut.parts,
            &proof.shares,
            CheckerArithmetic::new(),
        );
        assert!(shared.is_some());
    }
    cut.parts.len() == proof.parts.len()
        && lifting::suffices(&cut.constant, floors, &tolerance)
        && points.iter().all(|point| {
            let at = coordinates(claim, point);
            cut.parts.iter().zip(&proof.parts).all(|(part, proof)| {
                let floor = RBig::try_from(proof.floor).expect("finite");
                !CheckerArithmetic::new().below(&part_at(&cut, part, &at), &floor)
            })
        })
}

#[test]
fn changed_proofs_prove_nothing_false() {
    // two of each family but the convex one, whose proofs are long
    let mut chosen: Vec<(Known, Claim, Claim, Lifting)> = Vec::new();
    let (mut divided, mut along, mut shared) = (0, 0, 0);
    for family in [0, 1, 2, 3, 4, 6, 7] {
        let mut found = 0;
        for round in 0..60 {
            if found == 2 {
                break;
            }
            let known = known(family + FAMILIES * round);
            // the constants past the truth and before it
            let yes = known.claim("1/8");
            if let Some(proof) = proved(&yes, 600) {
                let length: usize = proof
                    .parts
                    .iter()
                    .flat_map(|part| &part.trees)
                    .map(String::len)
                    .sum();
                let wanted = if family == 2 {
                    !proof.direction.is_empty()
                } else {
                    length > 2
                };
                if wanted && length < 60 {
                    found += 1;
                    divided += u32::from(proof.divided);
                    along += u32::from(!proof.direction.is_empty());
                    shared += u32::from(!proof.shares.is_empty());
                    let no = known.false_twin("1e-6");
                    chosen.push((known, yes, no, proof));
                }
            }
        }
    }
    println!(
        "{} proofs: {divided} divided, {along} along a vector, {shared} with shares",
        chosen.len()
    );
    assert!(chosen.len() >= 10 && divided > 0 && along > 0 && shared > 0);
    let samples: Vec<Vec<Point>> = chosen.iter().map(|(_, yes, _, _)| draws(yes, 3)).collect();
    let changes = 10_000 * longer();
    let accepted: u32 = (0..changes)
        .into_par_iter()
        .map(|number| {
            let mut rng = ChaCha8Rng::seed_from_u64(number);
            let choice = number as usize % chosen.len();
            let (known, yes, no, honest) = &chosen[choice];
            let mut forged = honest.clone();
            for _ in 0..rng.random_range(1..=3) {
                change(&mut rng, &mut forged);
            }
            let mut past = forged.clone();
            if rng.random_range(0..4) > 0 {
                raise(no, &mut past, rng.random_range(0..4));
            }
            assert!(
                replay(no, &past).is_err(),
                "accepted for {}: {past:?}",
                known.what("-1e-6")
            );
            if replay(yes, &forged).is_err() {
                return 0;
            }
            if number % 4 == 0 {
                assert!(holds_at(yes, &forged, &samples[choice]), "{forged:?}");
            }
            1
        })
        .sum();
    println!("{accepted} of {changes} changed proofs still prove the true claim");
    assert!(u64::from(accepted) < changes / 2 && accepted > 0);
}

/// A common factor goes only where it cannot be negative.
#[test]
fn a_factor_that_changes_its_sign_is_not_divided_out() {
    for inequality in [
        "w[0] * (1 + w[1]^2) >= 0",
        "w[0]^3 * (1 + w[1]^2) >= 0",
        "w[0]^3 * exp(w[1]) + 2 * w[0]^5 >= 0",
        "tanh(w[0]) * (2 + w[1]) >= 0",
        "(w[0] + w[0] * w[1]^2) * (w[0] + 3)^2 >= 0",
    ] {
        let no = load("", 2, "sum(x)", inequality, r#"{"w": {"box": [-1, 1]}}"#);
        assert!(proved(&no, 2000).is_none(), "{inequality}");
        let yes = load("", 2, "sum(x)", inequality, r#"{"w": {"box": [0, 1]}}"#);
        let mut proof = proved(&yes, 2000).unwrap_or_else(|| panic!("{inequality}"));
        for part in &mut proof.parts {
            part.ranges.iter_mut().for_each(|range| *range = [-1.0, 1.0]);
        }
        assert!(replay(&no, &proof).is_err(), "{inequality}");
    }
}

/// Claims that are tight where `w = v`, or whose quadratic terms are tight along a line, and false by `M`:
/// no proof of the twin that is true carries over, whatever its flags and trees are changed to.
#[test]
fn what_is_false_beside_where_it_is_tight_is_never_proved() {
    let both = r#"{"w": {"box": [-1, 1]}, "v": {"box": [-1, 1]}}"#;
    let alone = r#"{"w": {"box": [-1, 1]}}"#;
    let bregman = "f(w) >= f(v) + dot(grad(f)(v), w - v)";
    let (mut proofs, mut tied, mut relieved) = (0, 0, 0);
    for (f, inequality, region) in [
        // w = -1 and any other v
        ("sum(x)", "(w[0] - v[0])^2 * (w[0] + 1 + (M)) >= 0", both),
        ("sum(x)", "(w[0] - v[0])^4 * (w[0] + 1 + (M)) >= 0", both),
        (
            "sum(x)",
            "abs(w[0] - v[0]) * (w[0] - v[0])^2 * (w[0] + 1 + (M)) >= 0",
            both,
        ),
        // v a little below w < 0
        (
            "sum(x)",
            "(w[0] - v[0])^2 * (relu(w[0] - v[0] / 2) + relu(v[0] - w[0]) + (M)) >= 0",
            both,
        ),
        // concave near 0
        // concave beyond a kink inside a kink
        ("sum(x^2 - (1 - (M)) * relu(abs(x) - 1/2)^2)", bregman, both),
        ("sum(x^4 / 12 + (M) * x^2)", bregman, both),
        ("sum(relu(x)^2 + (M) * x^2)", bregman, both),
        // concave in one direction
        ("(x[0] - 2 * x[1])^2 + (M) * x[1]^2", bregman, both),
        // w[0] = w[1] = 1, and w[0] + w[1] = -1
        (
            "sum(x)",
            "2 * w[0]^2 - 4 * w[0] * w[1] + (2 + (M)) * w[1]^2 + relu(w[0] - w[1]) >= 0",
            alone,
        ),
        (
            "sum(x)",
            "(w[0] + w[1])^2 + 2 * w[0] + 2 * w[1] + 1 + (M) + relu(w[0] + w[1]) >= 0",
            alone,
        ),
    ] {
        for margin in ["1/4", "1e-2", "1e-6"] {
            let with = |m: &str| load("", 2, &f.replace('M', m), &inequality.replace('M', m), region);
            let (yes, no) = (with(margin), with(&format!("-{margin}")));
            assert!(proved(&no, 400).is_none(), "{inequality}, f = {f}, {margin}");
            let Some(proof) = proved(&yes, 400) else { continue };
            proofs += 1;
            let mut trees = proof.parts.iter().flat_map(|part| &part.trees);
            tied += u32::from(trees.any(|tree| tree.contains('z')));
            relieved += u32::from(proof.relieved);
            for flags in 0..8 {
                for letter in ["", "n", "m", "t", "u", "s", "z"] {
                    let mut forged = proof.clone();
                    forged.divided = flags & 1 > 0;
                    forged.relieved = flags & 2 > 0;
                    forged.expanded = flags & 4 > 0;
                    if !letter.is_empty() {
                        let trees = forged.parts.iter_mut().flat_map(|part| &mut part.trees);
                        trees.for_each(|tree| *tree = letter.to_owned());
                    }
                    raise(&no, &mut forged, 0);
                    assert!(
                        replay(&no, &forged).is_err(),
                        "{inequality}, f = {f}, {margin}, {flags}, {letter}"
                    );
                }
            }
        }
    }
    println!("{proofs} proofs of true twins, {tied} with ties, {relieved} without quadratic terms");
    assert!(tied > 0 && relieved > 0);
}

/// Claims that are proved by one reduction each and false by `M`: neither a proof of the true twin nor any other choice of
/// reductions proves the false one.
#[test]
fn reductions_prove_no_false_twin() {
    const AROUND: &str = "(w[0] - 1/2)^2 + (w[1] + 1)^2 + w[2]^2";
    let alone = r#"{"w": {"box": [-1, 1]}}"#;
    let ball = r#"{"w": {"ball": {"center": ["1/2", -1, 0], "radius": 1}}}"#;
    let small = r#"{"w": {"ball": {"center": ["1/2", -1, 0], "radius": "1/4"}}}"#;
    let squares = |proof: &Lifting| proof.squares;
    let radial = |proof: &Lifting| proof.radial;
    let joined = |proof: &Lifting| proof.joined;
    type Flag = fn(&Lifting) -> bool;
    let families: [(Flag, usize, &str, String, &str); 8] = [
        // 0 where w[0] w[1] = 0
        (
            squares,
            3,
            "sum(x)",
            "(w[0]*w[1] - w[2]^2)^2 + (w[0]*w[1] + w[2]^2)^2 >= (2 - (M))*w[2]^4".to_owned(),
            alone,
        ),
        // the entries sum to 1; 0 where w[1] = w[2]
        (
            squares,
            3,
            "sum(x)",
            "softmax(w)[1]^2 + softmax(w)[2]^2 >= (1/2 - (M))*(1 - softmax(w)[0])^2".to_owned(),
            alone,
        ),
        // the gradient's entries sum to 0, so that the largest is at most 2/3 of the sum of squares; 0 at w = 0
        (
            squares,
            3,
            "softmax(x)[0]",
            "norm(grad(f)(w))^2 >= (3/2 - (M))*(softmax(w)[0]*(1 - softmax(w)[0]))^2".to_owned(),
            alone,
        ),
        // 0 on a sphere: w[0] - 1/2 = |h|^2
        (
            radial,
            3,
            "sum(x)",
            format!("({AROUND})^2 - 2*(w[0] - 1/2)*({AROUND}) + (w[0] - 1/2)^2 + (M) >= 0"),
            ball,
        ),
        // the same along (1, -2, 2)
        (
            radial,
            3,
            "sum(x)",
            format!(
                "({AROUND})^2 - 2*(w[0] - 2*w[1] + 2*w[2] - 5/2)*({AROUND}) \
                 + (w[0] - 2*w[1] + 2*w[2] - 5/2)^2 + (M) >= 0"
            ),
            ball,
        ),
        // no direction: 0 where |h| = 1/2
        (
            radial,
            3,
            "sum(x)",
            format!("({AROUND})*({AROUND} - 1/4)^2 + (M) >= 0"),
            ball,
        ),
        // the largest distance is 1/4
        (
            radial,
            3,
            "sum(x)",
            format!("({AROUND})*({AROUND}) <= (1/16 + (M))*({AROUND})"),
            small,
        ),
        // 0 where three forms have one size
        (
            joined,
            5,
            "sum(x)",
            "abs(w[0] + w[1])*abs(w[2] - w[3]) + abs(w[2] - w[3])*abs(w[4]) + abs(w[0] + w[1])*abs(w[4]) \
             <= (w[0] + w[1])^2 + (w[2] - w[3])^2 + w[4]^2 + (M)"
                .to_owned(),
            alone,
        ),
    ];
    let mut found = 0;
    for (flag, dimension, f, inequality, region) in families {
        for margin in ["1/8", "1e-3"] {
            let with = |m: &str| load("", dimension, f, &inequality.replace('M', m), region);
            let (yes, no) = (with(margin), with(&format!("-{margin}")));
            let proof = proved(&yes, 4000).unwrap_or_else(|| panic!("{inequality}, {margin}"));
            found += u32::from(flag(&proof));
            assert!(proved(&no, 400).is_none(), "{inequality}, {margin}");
            for flags in 0..64 {
                let mut forged = proof.clone();
                forged.divided = flags & 1 > 0;
                forged.relieved = flags & 2 > 0;
                forged.expanded = flags & 4 > 0;
                forged.squares = flags & 8 > 0;
                forged.radial = flags & 16 > 0;
                forged.joined = flags & 32 > 0;
                for kind in 0..4 {
                    raise(&no, &mut forged, kind);
                    assert!(
                        replay(&no, &forged).is_err(),
                        "{inequality}, {margin}, {flags}, {kind}"
                    );
                }
            }
        }
    }
    assert!(found >= 15, "{found} by the reduction that is meant");
}

/// Polynomials that are not functions of the distance and one direction: a term in a second direction, one of third order, another
/// centre, a box.
#[test]
fn what_is_not_radial_is_not_reduced() {
    const SQUARE: &str = "(w[0]^2 + w[1]^2 + w[2]^2)";
    let ball = |center: &str| format!(r#"{{"w": {{"ball": {{"center": {center}, "radius": 1}}}}}}"#);
    let origin = ball("[0, 0, 0]");
    let flat = r#"{"w": {"box": [-1, 1]}}"#.to_owned();
    for (inequality, region, truth) in [
        (
            format!("1 + {SQUARE}^2 + w[0]*{SQUARE} + w[0] + w[0]^3 >= 0"),
            &origin,
            true,
        ),
        (
            format!("1 + {SQUARE}^2 + w[0]*{SQUARE} + w[1]^3 >= 0"),
            &origin,
            false,
        ),
        (
            format!("1 + {SQUARE}^2 + w[0] + w[1]*{SQUARE} >= 0"),
            &origin,
            false,
        ),
        (format!("1 + {SQUARE}^2 + w[0]*w[1]*w[2] >= 0"), &origin, false),
        (format!("1 + {SQUARE}^2 + w[0]*w[1] >= 0"), &origin, false),
        (format!("1 + {SQUARE}^2 + w[0]^4 + w[1]^4 >= 0"), &origin, false),
        (
            format!("1 + {SQUARE}^2 + w[0] >= 0"),
            &ball("[0, \"1/4\", 0]"),
            false,
        ),
        (format!("1 + {SQUARE}^2 + w[0] >= 0"), &flat, false),
        (format!("1 + exp({SQUARE}) >= 0"), &origin, false),
    ] {
        let claim = load("", 3, "sum(x)", &inequality, region);
        let reductions = Reductions {
            radial: true,
            ..Reductions::default()
        };
        assert_eq!(
            cut_of(&claim, reductions).is_some(),
            truth,
            "{inequality}, {region}"
        );
    }
}
