//! Kinks inside kinks: random functions of `relu`, `abs`, `leaky_relu`, `max` and `min` inside each other, and claims about their derivatives
//! that some choice of elements at the kinks violates by little. None may be proved.
//!
//! The functions are evaluated here, exactly, with an element chosen for each place. `PROXYCERT_KINKS=<n>` tries n times as many.

use std::path::Path;

use dashu_base::{Abs, Signed};
use dashu_ratio::RBig;
use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::verify;
use proxycert::claim::Claim;
use proxycert::engine::{self, Options, Silent, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Whether a claim about a function of one or two coordinates is proved, on a box of halves; `verify` must agree.
fn proved(dimension: usize, f: &str, inequality: &str, [lo, hi]: [i64; 2]) -> bool {
    let text = format!(
        r#"{{"name": "a", "parameters": {{"x": [{dimension}]}}, "define": {{"f": "{f}"}},
            "claim": {{"inequality": "{inequality}"}}, "region": {{"w": {{"box": ["{lo}/2", "{hi}/2"]}}}},
            "check": {{"samples": 10, "starts": 1, "tolerance": 0}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|e| panic!("{text}\n{e}"));
    let claim = Claim::new(&case).unwrap_or_else(|e| panic!("{text}\n{}", e.render(false)));
    let options = Options {
        samples: 10,
        seed: 1,
        confidence: 0.99,
        tolerance: engine::tolerance(&claim),
        max_boxes: 300,
        starts: 1,
        device: None,
    };
    let findings = engine::run(&claim, &options, &Silent).unwrap();
    if findings.verdict != Verdict::Proved {
        return false;
    }
    let certificate = Certificate::new(&case, &claim, options, findings, 0.0);
    verify(&certificate, &case, &claim, &Silent).unwrap_or_else(|refusal| panic!("{text}\n{refusal:?}"));
    true
}

/// Two kinks with different arguments take elements of their own, also where the arguments are the same number on half of the line:
/// at `x = 1` the derivative of each of these, 0 beside it, may be anything between -1 and 1.
#[test]
fn kinks_that_meet_on_a_half_line_choose_apart() {
    for f in [
        "relu(abs(x[0]) - 1) - relu(relu(x[0]) - 1)",
        "relu(abs(x[0]) - 1) - relu(abs(2*x[0])/2 - 1)",
        "(abs(abs(x[0]) - 1) - abs(relu(x[0]) - 1))/2",
        "leaky_relu(abs(x[0]) - 1, 0) - leaky_relu(relu(x[0]) - 1, 0)",
        "max(concat(abs(x[0]), 1)) - max(concat(relu(x[0]), 1))",
    ] {
        for range in [[1, 4], [0, 4], [2, 2]] {
            assert!(!proved(1, f, "norm(grad(f)(w)) <= 1/2", range), "{f}");
            assert!(proved(1, f, "f(w) <= 1/1000", range), "{f}");
        }
    }
}

fn fraction(numerator: i64, denominator: i64) -> RBig {
    RBig::from(numerator) / RBig::from(denominator)
}

/// A place with a kink: its kind, and what its argument is at some points.
type Place = (u8, Vec<RBig>);

enum Tree {
    Entry(usize),
    Constant(RBig),
    Scaled(RBig, Box<Tree>),
    Relu(Box<Tree>),
    Abs(Box<Tree>),
    Leaky(Box<Tree>),
    Add(Box<Tree>, Box<Tree>),
    Sub(Box<Tree>, Box<Tree>),
    Max(Box<Tree>, Box<Tree>),
    Min(Box<Tree>, Box<Tree>),
}

use Tree::{Add, Constant, Entry, Leaky, Max, Min, Relu, Scaled, Sub};

impl Tree {
    fn draw(rng: &mut ChaCha8Rng, depth: u32, dimension: usize) -> Tree {
        if depth == 0 {
            let entry = Entry(rng.random_range(0..dimension));
            let slope = [(1, 1), (1, 1), (-1, 1), (2, 1), (1, 2)][rng.random_range(0..5)];
            let scaled = Scaled(fraction(slope.0, slope.1), Box::new(entry));
            return Tree::shifted(rng, scaled);
        }
        let inner = Tree::draw(rng, depth - 1, dimension);
        match rng.random_range(0..13) {
            0..=2 => Relu(Box::new(Tree::shifted(rng, inner))),
            3..=5 => Tree::Abs(Box::new(Tree::shifted(rng, inner))),
            6 => Leaky(Box::new(inner)),
            7 => Scaled(fraction([-2, 1, 4][rng.random_range(0..3)], 2), Box::new(inner)),
            choice => {
                let depth = rng.random_range(0..depth);
                let other = Box::new(Tree::draw(rng, depth, dimension));
                [Add, Sub, Sub, Max, Min][choice - 8](Box::new(inner), other)
            }
        }
    }

    fn shifted(rng: &mut ChaCha8Rng, inner: Tree) -> Tree {
        let by = fraction(rng.random_range(-3..=3), 2);
        Add(Box::new(inner), Box::new(Constant(by)))
    }

    fn text(&self) -> String {
        match self {
            Entry(number) => format!("x[{number}]"),
            Constant(value) => format!("({value})"),
            Scaled(factor, a) => format!("({factor})*({})", a.text()),
            Relu(a) => format!("relu({})", a.text()),
            Tree::Abs(a) => format!("abs({})", a.text()),
            Leaky(a) => format!("leaky_relu({}, 1/4)", a.text()),
            Add(a, b) => format!("({} + {})", a.text(), b.text()),
            Sub(a, b) => format!("({} - ({}))", a.text(), b.text()),
            Max(a, b) => format!("max({}, {})", a.text(), b.text()),
            Min(a, b) => format!("min({}, {})", a.text(), b.text()),
        }
    }

    /// Values at some points far apart, by which equal expressions are told.
    fn probes(&self, dimension: usize) -> Vec<RBig> {
        const PROBES: [[i64; 2]; 6] = [[-37, 11], [-11, -29], [3, 17], [-5, 7], [41, 31], [-61, -47]];
        let at = |probe: &[i64; 2]| {
            let x: Vec<RBig> = probe[..dimension].iter().map(|&x| fraction(x, 13)).collect();
            self.jet(&x, &mut |_| RBig::ZERO).0
        };
        PROBES.iter().map(at).collect()
    }

    /// Value and derivatives, with an element between 0 and 1 for each kink.
    fn jet(&self, x: &[RBig], element: &mut dyn FnMut(Place) -> RBig) -> (RBig, Vec<RBig>) {
        let dimension = x.len();
        let mix = |a: (RBig, Vec<RBig>), p: RBig, b: (RBig, Vec<RBig>), q: RBig| {
            let slopes = a.1.iter().zip(&b.1).map(|(a, b)| &p * a + &q * b).collect();
            (&p * &a.0 + &q * &b.0, slopes)
        };
        let flat = |value: RBig| (value, vec![RBig::ZERO; dimension]);
        match self {
            Entry(number) => {
                let mut jet = flat(x[*number].clone());
                jet.1[*number] = RBig::ONE;
                jet
            }
            Constant(value) => flat(value.clone()),
            Scaled(factor, a) => mix(a.jet(x, element), factor.clone(), flat(RBig::ZERO), RBig::ZERO),
            Relu(a) | Tree::Abs(a) | Leaky(a) => {
                let (kind, least) = match self {
                    Relu(_) => (0, RBig::ZERO),
                    Leaky(_) => (1, fraction(1, 4)),
                    _ => (2, -RBig::ONE),
                };
                let jet = a.jet(x, element);
                let share = share(&jet.0, &mut || element((kind, a.probes(dimension))));
                let slope = &least + (RBig::ONE - &least) * share;
                mix(jet, slope, flat(RBig::ZERO), RBig::ZERO)
            }
            Add(a, b) => mix(a.jet(x, element), RBig::ONE, b.jet(x, element), RBig::ONE),
            Sub(a, b) => mix(a.jet(x, element), RBig::ONE, b.jet(x, element), -RBig::ONE),
            Max(a, b) | Min(a, b) => {
                let (first, second) = (a.jet(x, element), b.jet(x, element));
                let excess = &first.0 - &second.0;
                let mut at_tie = || {
                    let pairs = a.probes(dimension).into_iter().zip(b.probes(dimension));
                    element((0, pairs.map(|(a, b)| a - b).collect()))
                };
                let share = share(&excess, &mut at_tie);
                let rest = RBig::ONE - &share;
                match self {
                    Max(..) => mix(first, share, second, rest),
                    _ => mix(first, rest, second, share),
                }
            }
        }
    }
}

/// The element of a step at a number: 0 or 1, at 0 as chosen.
fn share(value: &RBig, at_zero: &mut dyn FnMut() -> RBig) -> RBig {
    if value.is_zero() {
        at_zero()
    } else if value.is_positive() {
        RBig::ONE
    } else {
        RBig::ZERO
    }
}

/// What a claim bounds, from the point, the value and the derivatives there.
type Measure = fn(&[RBig], &RBig, &[RBig]) -> RBig;

const MEASURES: [(&str, Measure); 7] = [
    ("grad(f)(w)[0]", |_, _, g| g[0].clone()),
    ("-grad(f)(w)[0]", |_, _, g| -g[0].clone()),
    ("f(w) + grad(f)(w)[0]", |_, f, g| f + &g[0]),
    ("grad(f)(w)[0]^2", |_, _, g| &g[0] * &g[0]),
    ("abs(f(w) - grad(f)(w)[0]*w[0])", |w, f, g| {
        (f - &g[0] * &w[0]).abs()
    }),
    ("f(w) - grad(f)(w)[0]*(w[0] - 1/2)", |w, f, g| {
        f - &g[0] * (&w[0] - fraction(1, 2))
    }),
    ("abs(grad(f)(w)[0] - 1/3)", |_, _, g| {
        (&g[0] - fraction(1, 3)).abs()
    }),
];

/// The largest value found on a grid that the kinks meet, with elements 0, 1 and 1/3 at kinks; and whether it is found at kinks alone.
fn largest(f: &Tree, measure: Measure, dimension: usize, [lo, hi]: [i64; 2]) -> (RBig, bool) {
    let fine = [24, 3][dimension - 1];
    let axis: Vec<RBig> = (lo * fine..=hi * fine).map(|x| fraction(x, 2 * fine)).collect();
    let mut points: Vec<Vec<RBig>> = vec![Vec::new()];
    for _ in 0..dimension {
        let longer = |point: Vec<RBig>| {
            axis.iter()
                .map(move |x| [point.clone(), vec![x.clone()]].concat())
        };
        points = points.into_iter().flat_map(longer).collect();
    }
    let (mut at_kinks, mut beside): (Option<RBig>, Option<RBig>) = (None, None);
    for x in points {
        let mut places: Vec<Place> = Vec::new();
        f.jet(&x, &mut |place| {
            if !places.contains(&place) {
                places.push(place);
            }
            RBig::ZERO
        });
        // bit by bit, the last choice is 1/3 everywhere
        let choices = 1u32 << places.len().min(4);
        for choice in 0..=choices {
            let element = &mut |place: Place| {
                let number = places.iter().position(|other| *other == place).unwrap_or(0);
                match choice {
                    _ if choice == choices => fraction(1, 3),
                    _ if number < 4 && choice >> number & 1 == 1 => RBig::ONE,
                    _ => RBig::ZERO,
                }
            };
            let (value, slopes) = f.jet(&x, element);
            let found = measure(&x, &value, &slopes);
            let most = if places.is_empty() {
                &mut beside
            } else {
                &mut at_kinks
            };
            if most.as_ref().is_none_or(|most| found > *most) {
                *most = Some(found);
            }
        }
    }
    let alone = at_kinks > beside;
    (at_kinks.max(beside).expect("a point"), alone)
}

#[test]
fn no_choice_of_elements_violates_what_is_proved() {
    let times: u64 = std::env::var("PROXYCERT_KINKS").map_or(1, |text| text.parse().expect("a number"));
    let (mut proofs, mut alone) = (0, 0);
    for seed in 0..120 * times {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let dimension = rng.random_range(1..=2);
        let depth = rng.random_range(1..=4);
        let f = Tree::draw(&mut rng, depth, dimension);
        let (left, measure) = MEASURES[rng.random_range(0..MEASURES.len())];
        let range =
            [[-2, 2], [-4, 4], [0, 2], [1, 4], [2, 2], [-1, 4], [0, 0], [-2, 0]][rng.random_range(0..8)];
        let (most, at_kinks) = largest(&f, measure, dimension, range);
        let margin =
            [fraction(1, 10), fraction(1, 1000), fraction(1, 1_000_000_000)][rng.random_range(0..3)].clone();
        let text = f.text();
        let within = |bound: RBig| proved(dimension, &text, &format!("{left} <= {bound}"), range);
        assert!(!within(&most - &margin), "{seed}: {text}, {left}, {most}");
        proofs += u64::from(within(&most + &margin));
        alone += u64::from(at_kinks);
    }
    println!("{proofs} proofs up to the largest value, {alone} largest values at kinks alone");
    assert!(proofs > 100 * times && alone > 10 * times, "{proofs} {alone}");
}
