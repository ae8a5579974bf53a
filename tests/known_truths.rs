//! Claims whose truth is known by construction, against what the rigorous arithmetics say of them: no
//! verdict may be false.
//!
//! Rational expressions are drawn as trees, which this file evaluates and differentiates exactly with
//! rules of its own; the library gets only their text. Quadratic functions have their best constants by
//! hand, and each kind of claim is tried at the best constant and on both sides of it.

use std::path::Path;

use dashu_base::{Abs, Signed};
use dashu_ratio::RBig;
use proxycert::case::Case;
use proxycert::certificate::Certificate;
use proxycert::certificate::verify::verify;
use proxycert::claim::Claim;
use proxycert::engine::enclose::{Encloser, ExactPoint};
use proxycert::engine::points::Point;
use proxycert::engine::sample::Candidate;
use proxycert::engine::{self, Options, Silent, Verdict, search};
use proxycert::eval::checker::CheckerArithmetic;
use proxycert::eval::interval::IntervalArithmetic;
use proxycert::eval::{Arithmetic, RigorousArithmetic};

/// SplitMix64.
struct Stream(u64);

impl Stream {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % count
    }

    /// A multiple of 1/2 from -2 to 2, where kinks of the trees meet.
    fn half(&mut self) -> RBig {
        fraction(self.below(9) as i64 - 4, 2)
    }
}

fn fraction(num: i64, den: i64) -> RBig {
    RBig::from(num) / RBig::from(den)
}

/// `10^-n`
fn tenth(n: u32) -> RBig {
    RBig::ONE / RBig::from(dashu_int::IBig::from(10).pow(n as usize))
}

/// A rational expression in `x[0]` and `x[1]`.
enum Tree {
    Entry(usize),
    Constant(RBig),
    Neg(Box<Tree>),
    Add(Box<Tree>, Box<Tree>),
    Sub(Box<Tree>, Box<Tree>),
    Mul(Box<Tree>, Box<Tree>),
    Div(Box<Tree>, Box<Tree>),
    Pow(Box<Tree>, i32),
    Abs(Box<Tree>),
    Relu(Box<Tree>),
    Leaky(Box<Tree>, RBig),
    Max(Box<Tree>, Box<Tree>),
    Min(Box<Tree>, Box<Tree>),
}

use Tree::{Add, Constant, Div, Entry, Leaky, Max, Min, Mul, Neg, Pow, Relu, Sub};

/// Value and derivative along a direction; the derivative is absent at a kink.
type Jet = (RBig, Option<RBig>);

impl Tree {
    fn draw(stream: &mut Stream, depth: u32) -> Tree {
        if depth == 0 || stream.below(8) == 0 {
            return match stream.below(5) {
                0 | 1 => Entry(0),
                2 => Entry(1),
                3 => Constant(fraction(stream.below(3) as i64, 1)),
                _ => Constant(stream.half().abs()),
            };
        }
        let mut tree = || Box::new(Tree::draw(stream, depth - 1));
        let (a, b) = (tree(), tree());
        match stream.below(17) {
            0 | 1 => Neg(a),
            2..=4 => Add(a, b),
            5..=7 => Sub(a, b),
            8..=10 => Mul(a, b),
            11 => Div(a, b),
            12 => Pow(a, [-2, -1, 0, 1, 2, 2, 3, 4][stream.below(8) as usize]),
            13 => Tree::Abs(a),
            14 => Relu(a),
            15 => Leaky(a, fraction(stream.below(4) as i64, 4)),
            _ if stream.below(2) == 0 => Max(a, b),
            _ => Min(a, b),
        }
    }

    /// The text, with the parentheses that the documented precedence asks for and no others.
    fn text(&self, tightness: u8) -> String {
        let (own, text) = match self {
            Entry(i) => (5, format!("x[{i}]")),
            Constant(c) if c.is_int() => (5, c.to_string()),
            Constant(c) => (5, format!("({c})")),
            Neg(a) => (3, format!("-{}", a.text(3))),
            Add(a, b) => (1, format!("{} + {}", a.text(1), b.text(2))),
            Sub(a, b) => (1, format!("{} - {}", a.text(1), b.text(2))),
            Mul(a, b) => (2, format!("{} * {}", a.text(2), b.text(3))),
            Div(a, b) => (2, format!("{} / {}", a.text(2), b.text(3))),
            Pow(a, n) => (4, format!("{}^{n}", a.text(5))),
            Tree::Abs(a) => (5, format!("abs({})", a.text(1))),
            Relu(a) => (5, format!("relu({})", a.text(1))),
            Leaky(a, s) => (5, format!("leaky_relu({}, {s})", a.text(1))),
            Max(a, b) => (5, format!("max({}, {})", a.text(1), b.text(1))),
            Min(a, b) => (5, format!("min({}, {})", a.text(1), b.text(1))),
        };
        if own < tightness {
            format!("({text})")
        } else {
            text
        }
    }

    /// Exactly; `None` where it is not defined.
    fn jet(&self, x: &[RBig], along: &[RBig]) -> Option<Jet> {
        let jet = |tree: &Tree| tree.jet(x, along);
        /// The branch of a piecewise function: by sign, none at zero.
        fn choose(sign: &RBig, above: Jet, below: Jet) -> Jet {
            if sign.is_zero() {
                let derivative = if above.1 == below.1 { above.1 } else { None };
                (above.0, derivative)
            } else if sign.is_positive() {
                above
            } else {
                below
            }
        }
        let scaled = |(y, d): Jet, c: &RBig| (&y * c, d.map(|d| d * c));
        let zero = || (RBig::ZERO, Some(RBig::ZERO));
        let minus = RBig::from(-1);
        Some(match self {
            Entry(i) => (x[*i].clone(), Some(along[*i].clone())),
            Constant(c) => (c.clone(), Some(RBig::ZERO)),
            Neg(a) => scaled(jet(a)?, &minus),
            Add(a, b) => {
                let ((a, da), (b, db)) = (jet(a)?, jet(b)?);
                (a + b, da.zip(db).map(|(da, db)| da + db))
            }
            Sub(a, b) => {
                let ((a, da), (b, db)) = (jet(a)?, jet(b)?);
                (a - b, da.zip(db).map(|(da, db)| da - db))
            }
            Mul(a, b) => {
                let ((a, da), (b, db)) = (jet(a)?, jet(b)?);
                (&a * &b, da.zip(db).map(|(da, db)| da * b + a * db))
            }
            Div(a, b) => {
                let ((a, da), (b, db)) = (jet(a)?, jet(b)?);
                if b.is_zero() {
                    return None;
                }
                let derivative = da.zip(db).map(|(da, db)| (da * &b - &a * db) / (&b * &b));
                (a / b, derivative)
            }
            Pow(a, n) => {
                let (a, da) = jet(a)?;
                if *n < 0 && a.is_zero() {
                    return None;
                }
                let power = |n: i32| {
                    let y = a.pow(n.unsigned_abs() as isize);
                    if n < 0 { RBig::ONE / y } else { y }
                };
                let derivative = match n {
                    0 => Some(RBig::ZERO),
                    _ => da.map(|da| RBig::from(*n) * power(n - 1) * da),
                };
                (power(*n), derivative)
            }
            Tree::Abs(a) => {
                let a = jet(a)?;
                choose(&a.0.clone(), a.clone(), scaled(a, &minus))
            }
            Relu(a) => {
                let a = jet(a)?;
                choose(&a.0.clone(), a, zero())
            }
            Leaky(a, slope) => {
                let a = jet(a)?;
                choose(&a.0.clone(), a.clone(), scaled(a, slope))
            }
            Max(a, b) => {
                let (a, b) = (jet(a)?, jet(b)?);
                choose(&(&a.0 - &b.0), a, b)
            }
            Min(a, b) => {
                let (a, b) = (jet(a)?, jet(b)?);
                choose(&(&b.0 - &a.0), a, b)
            }
        })
    }
}

fn claim(data: &str, parameters: usize, f: &str, claim: &str, region: &str) -> Option<(Case, Claim)> {
    let text = format!(
        r#"{{"name": "a-claim", "data": {{{data}}}, "parameters": {{"x": [{parameters}]}}, "define": {{"f": "{f}"}},
            "claim": {claim}, "region": {region}, "check": {{"samples": 16, "starts": 4, "tolerance": 0}}}}"#
    );
    let case =
        Case::parse(&text, "case.json", Path::new("."), false).unwrap_or_else(|error| panic!("{error}"));
    // a constant that is not defined is refused when the claim is built
    let claim = Claim::new(&case).ok()?;
    Some((case, claim))
}

const BOX: &str = r#"{"w": {"box": [-2, 2]}}"#;

/// What both rigorous arithmetics say of the slack at a point, and over the region.
struct Held {
    interval: Encloser<'static, IntervalArithmetic>,
    checker: Encloser<'static, CheckerArithmetic>,
}

impl Held {
    fn new(claim: &'static Claim) -> Held {
        Held {
            interval: Encloser::new(claim, IntervalArithmetic::new()),
            checker: Encloser::new(claim, CheckerArithmetic::new()),
        }
    }

    /// Holds the enclosures, at the point or over the region, against numbers that the slack takes
    /// there (up to `margin`); none stands for "not defined". Whether the intervals are sure.
    fn against(
        &mut self,
        at: Option<&ExactPoint>,
        truths: &[Option<RBig>],
        margin: &RBig,
        what: &str,
    ) -> bool {
        let (interval, checker) = match at {
            Some(point) => (self.interval.at_point(point), self.checker.at_point(point)),
            None => (self.interval.over_region(), self.checker.over_region()),
        };
        for truth in truths {
            let Some(truth) = truth else {
                assert!(
                    !interval.flags.defined && !checker.flags.defined,
                    "{what}: not defined"
                );
                continue;
            };
            let (low, high) = (truth - margin, truth + margin);
            let reached = |lo: f64, hi: f64| {
                (lo == f64::NEG_INFINITY || RBig::try_from(lo).unwrap() <= high)
                    && (hi == f64::INFINITY || RBig::try_from(hi).unwrap() >= low)
            };
            let (lo, hi) = (interval.slack.lo, interval.slack.hi);
            assert!(reached(lo, hi), "{what}: {truth} is not in [{lo}, {hi}]");
            let (lo, hi) = checker.slack.to_f64();
            assert!(reached(lo, hi), "{what}: {truth} is not in [{lo}, {hi}]");
            if *margin == RBig::ZERO {
                assert!(
                    checker.slack.contains(truth),
                    "{what}: {truth} is not in {:?}",
                    checker.slack
                );
            }
        }
        interval.flags.defined
    }
}

/// Claims live as long as the test: an [`Encloser`] borrows them.
fn keep(claim: Claim) -> &'static Claim {
    Box::leak(Box::new(claim))
}

fn at(w: &[RBig]) -> ExactPoint {
    ExactPoint {
        w: w.to_vec(),
        v: Vec::new(),
    }
}

#[test]
fn values_of_random_expressions_are_enclosed() {
    let mut stream = Stream(1);
    let (mut defined, mut undefined) = (0, 0);
    for _ in 0..3000 {
        let tree = Tree::draw(&mut stream, 4);
        let text = tree.text(1);
        let Some((_, claim)) = claim("", 2, &text, r#"{"inequality": "f(w) >= 0"}"#, BOX) else {
            continue;
        };
        let mut held = Held::new(keep(claim));
        let mut truths = Vec::new();
        for _ in 0..6 {
            let x = [stream.half(), stream.half()];
            let truth = tree.jet(&x, &x).map(|(value, _)| value);
            let sure = held.against(Some(&at(&x)), std::slice::from_ref(&truth), &RBig::ZERO, &text);
            defined += u32::from(sure && truth.is_some());
            undefined += u32::from(truth.is_none());
            truths.push(truth);
        }
        held.against(None, &truths, &RBig::ZERO, &text);
    }
    assert!(defined > 10_000 && undefined > 100, "{defined} {undefined}");
}

#[test]
fn derivatives_of_random_expressions_are_enclosed() {
    const FORMS: [&str; 4] = [
        "dot(grad(f)(w), d) >= 0",
        "3 * grad(f)(w)[0] >= 2 * grad(f)(w)[1] - 0 * f(w)",
        "dot(grad(f)(w + d - d), 2 * d) - d @ grad(f)(w) >= 0",
        "sum(d * grad(f)(w)) >= 0",
    ];
    let mut stream = Stream(2);
    let along = [RBig::from(3), RBig::from(-2)];
    let (mut smooth, mut kinks, mut undefined) = (0, 0, 0);
    for number in 0..2400 {
        let tree = Tree::draw(&mut stream, 4);
        let text = format!("{} + 0 * x[0]", tree.text(1));
        let form = format!(r#"{{"inequality": "{}"}}"#, FORMS[number % FORMS.len()]);
        let Some((_, claim)) = claim(r#""d": [3, -2]"#, 2, &text, &form, BOX) else {
            continue;
        };
        let mut held = Held::new(keep(claim));
        let what = format!("{form} of {text}");
        let mut inside = Vec::new();
        for _ in 0..5 {
            let x = [stream.half(), stream.half()];
            let point = at(&x);
            match tree.jet(&x, &along) {
                None => {
                    held.against(Some(&point), &[None], &RBig::ZERO, &what);
                    inside.push(None);
                    undefined += 1;
                }
                Some((_, Some(derivative))) => {
                    held.against(Some(&point), &[Some(derivative.clone())], &RBig::ZERO, &what);
                    inside.push(Some(derivative));
                    smooth += 1;
                }
                // every limit of gradients nearby is an element of the subdifferential
                Some((_, None)) => {
                    for _ in 0..6 {
                        let mut near = || RBig::from(stream.below(1999) as i64 - 999) * tenth(20);
                        let shifted = [&x[0] + near(), &x[1] + near()];
                        if let Some((_, Some(derivative))) = tree.jet(&shifted, &along)
                            && derivative.clone().abs() < RBig::from(1000)
                        {
                            held.against(Some(&point), &[Some(derivative)], &tenth(9), &what);
                            kinks += 1;
                        }
                    }
                }
            }
        }
        held.against(None, &inside, &RBig::ZERO, &what);
    }
    assert!(
        smooth > 5000 && kinks > 2000 && undefined > 50,
        "{smooth} {kinks} {undefined}"
    );
}

/// `f = 1/2 sum_i q_i (x_i - a_i)^2` in several writings, its best constants by hand, and the direction
/// in which a constant past the best one fails.
#[test]
fn no_constant_past_the_best_is_proved_and_none_up_to_it_refuted() {
    let mut stream = Stream(3);
    let mut refuted = 0;
    for round in 0..60 {
        let q = [1 + stream.below(5) as i64, 6 + stream.below(5) as i64];
        let a = [stream.half(), stream.half()];
        let part = |i: usize, form: u64| match form {
            0 => format!("{}/2 * (x[{i}] - ({}))^2", q[i], a[i]),
            1 => format!("{}/2 * (x[{i}]^2 - 2*({})*x[{i}] + ({})^2)", q[i], a[i], a[i]),
            2 => format!("{} * norm(x[{i}] - ({}))^2 / 2", q[i], a[i]),
            _ => format!(
                "{}/2 * (relu(x[{i}] - ({})) + relu(({}) - x[{i}]))^2",
                q[i], a[i], a[i]
            ),
        };
        let f = format!("{} + {}", part(0, stream.below(4)), part(1, stream.below(4)));
        let anchored = format!(
            r#"{{"w": {{"box": [-4, 4]}}, "v": {{"point": [{}, {}]}}}}"#,
            quoted(&a[0]),
            quoted(&a[1])
        );
        let free = r#"{"w": {"box": [-4, 4]}, "v": {"box": [-4, 4]}}"#.to_owned();
        let (low, high) = (RBig::from(q[0]), RBig::from(q[1]));
        let two = RBig::from(2);
        // kind, its constant, the rest, the best value, whether larger constants fail, the direction, the region
        let kinds: [(&str, &str, &str, RBig, bool, usize, &String); 9] = [
            ("strongly_convex", "mu", "", low.clone(), true, 0, &free),
            ("smooth", "L", "", high.clone(), false, 1, &free),
            ("pl", "mu", r#", "f_star": 0"#, low.clone(), true, 0, &anchored),
            (
                "proxy_pl",
                "mu",
                r#", "g": "f", "xi": 0, "alpha": 2"#,
                &low * RBig::from(4),
                true,
                0,
                &anchored,
            ),
            ("restricted_secant", "mu", "", low.clone(), true, 0, &anchored),
            ("error_bound", "mu", "", low.clone(), true, 0, &anchored),
            (
                "quadratic_growth",
                "mu",
                r#", "f_star": 0"#,
                low.clone(),
                true,
                0,
                &anchored,
            ),
            ("weakly_quasi_convex", "tau", "", two.clone(), true, 0, &anchored),
            (
                "proxy_smooth",
                "L",
                r#", "g": "f""#,
                &two * &high,
                false,
                1,
                &anchored,
            ),
        ];
        for (kind, field, rest, best, larger_fails, axis, region) in kinds {
            for offset in [RBig::ZERO, tenth(12), -tenth(12), tenth(3), -tenth(3)] {
                let fails = if larger_fails {
                    offset > RBig::ZERO
                } else {
                    offset < RBig::ZERO
                };
                let constant = &best + &offset;
                let text = format!(
                    r#"{{"{kind}": {{"f": "f", "{field}": {}{rest}}}}}"#,
                    quoted(&constant)
                );
                let what = format!("{text}, f = {f}");
                let (case, claim) = claim("", 2, &f, &text, region).unwrap_or_else(|| panic!("{what}"));
                let claim = keep(claim);
                let two_sided = claim.region.free().len() == 2;
                let mut suspects = Vec::new();
                for step in [0.0, 1.0, -1.0, 0.5, 1e-3, 1e-9] {
                    let mut w: Vec<f64> = a.iter().map(|a| a.to_f64().value()).collect();
                    let v = if two_sided { w.clone() } else { Vec::new() };
                    w[axis] += step;
                    suspects.push(Candidate {
                        point: Point {
                            w: w.clone(),
                            v: v.clone(),
                        },
                        slack: -1.0,
                    });
                    w[1 - axis] += step * 0.3;
                    suspects.push(Candidate {
                        point: Point { w, v },
                        slack: -1.0,
                    });
                }
                let witness = search::confirm(claim, &suspects);
                assert!(
                    fails || witness.is_none(),
                    "{what} is true and refuted: {witness:?}"
                );
                refuted += u32::from(witness.is_some());
                let mut held = Held::new(claim);
                let (interval, checker) = (held.interval.over_region(), held.checker.over_region());
                let sure = interval.flags.defined
                    && held.interval.arithmetic().at_least(&interval.slack, &RBig::ZERO);
                let checked =
                    checker.flags.defined && held.checker.arithmetic().at_least(&checker.slack, &RBig::ZERO);
                assert!(!fails || !(sure || checked), "{what} is false and proved");
                if round % 30 == 0 && offset.clone().abs() != tenth(3) {
                    verdict(&case, claim, fails, &what);
                }
            }
        }
    }
    assert!(refuted > 1000, "{refuted}");
}

/// The whole program's verdict, and what `verify` says of the certificate.
fn verdict(case: &Case, claim: &Claim, fails: bool, what: &str) -> Verdict {
    let options = Options {
        max_boxes: 300,
        ..Options::of(&case.check, claim)
    };
    let findings =
        engine::run(claim, &options, &Silent).unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
    let verdict = findings.verdict;
    assert!(
        !(fails && verdict == Verdict::Proved),
        "{what} is false and proved"
    );
    assert!(fails || verdict != Verdict::Refuted, "{what} is true and refuted");
    let certificate = Certificate::new(case, claim, options, findings, 0.0);
    verify(&certificate, case, claim, &Silent).unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
    verdict
}

/// A number in JSON that is read exactly.
fn quoted(x: &RBig) -> String {
    format!("\"{x}\"")
}

/// `c + sum of squares` on small boxes that hold the zero of the squares: true exactly for `c >= 0`,
/// however small.
#[test]
fn tiny_violations_are_never_proved_and_tiny_margins_never_refuted() {
    let mut stream = Stream(4);
    let (mut proved, mut refuted) = (0, 0);
    for number in 0..1500 {
        let a = [stream.half(), stream.half()];
        let n = [3, 8, 12, 15, 30][stream.below(5) as usize];
        let fails = number % 2 == 0;
        let sign = if fails { "-" } else { "" };
        let body = [
            "(x[0] - A)^2 + abs(x[1] - B)",
            "x[0]^2 - 2*A*x[0] + A^2 + (x[1] - B)^4",
            "relu(x[0] - A) + relu(A - x[0]) + norm(x[1] - B)",
            "max(concat((x[0] - A)^2, (x[1] - B)^2))",
            "exp(abs(x[0] - A)) - 1 + log1p((x[1] - B)^2)",
            "1 - cos(x[0] - A) + (sqrt(1 + (x[1] - B)^2) - 1)",
            "logsumexp(concat(x - m, m - x)) - log(4) + 0 * sum(x)",
        ][number % 7];
        let body = body
            .replace('A', &format!("({})", a[0]))
            .replace('B', &format!("({})", a[1]));
        let data = format!(r#""m": [{}, {}]"#, a[0].to_f64().value(), a[1].to_f64().value());
        let radius = ["0", "1e-20", "1e-9", "1/8"][stream.below(4) as usize];
        let region = format!(r#"{{"w": {{"ball": {{"center": "m", "radius": "{radius}"}}}}}}"#);
        let text = r#"{"inequality": "f(w) >= 0"}"#;
        let f = format!("{body} + {sign}1e-{n}");
        let (case, claim) = claim(&data, 2, &f, text, &region).unwrap_or_else(|| panic!("{f}"));
        let claim = keep(claim);
        let what = format!("{f} >= 0 within {radius}");
        let mut held = Held::new(claim);
        let (interval, checker) = (held.interval.over_region(), held.checker.over_region());
        let sure =
            interval.flags.defined && held.interval.arithmetic().at_least(&interval.slack, &RBig::ZERO);
        let checked =
            checker.flags.defined && held.checker.arithmetic().at_least(&checker.slack, &RBig::ZERO);
        assert!(!fails || !(sure || checked), "{what} is false and proved");
        proved += u32::from(sure);
        let suspects: Vec<Candidate> = [0.0, 1e-21, -1e-21, 1e-10, 1e-17]
            .iter()
            .map(|step| Candidate {
                point: Point {
                    w: a.iter().map(|a| a.to_f64().value() + step).collect(),
                    v: Vec::new(),
                },
                slack: -1.0,
            })
            .collect();
        let witness = search::confirm(claim, &suspects);
        assert!(
            fails || witness.is_none(),
            "{what} is true and refuted: {witness:?}"
        );
        refuted += u32::from(witness.is_some());
        if number % 30 < 2 {
            verdict(&case, claim, fails, &what);
        }
    }
    assert!(proved > 100 && refuted > 300, "{proved} {refuted}");
}

/// One-dimensional functions with a kink at `a`, slopes `l` left and `r` right of it: convex exactly for
/// `l <= r`, and there the subdifferential is the whole of `[l, r]`.
#[test]
fn kinks_are_judged_by_their_slopes() {
    let mut stream = Stream(5);
    let mut refuted = 0;
    for number in 0..700 {
        let (l, r, a) = (stream.half(), stream.half(), stream.half());
        let f = [
            "R * relu(x[0] - A) - L * relu(A - x[0])",
            "(L + R)/2 * (x[0] - A) + (R - L)/2 * abs(x[0] - A)",
            "R * leaky_relu(x[0] - A, 0) + L * min(x[0] - A, 0)",
            "L * (x[0] - A) + (R - L) * max(concat(x - A, 0))",
            "L * (x[0] - A) - (R - L) * min(concat(0, A - x))",
        ][number % 5]
            .replace('A', &format!("({a})"))
            .replace('L', &format!("({l})"))
            .replace('R', &format!("({r})"));
        let region = r#"{"w": {"box": [-3, 3]}, "v": {"box": [-3, 3]}}"#;
        let (case, claim) =
            claim("", 1, &f, r#"{"convex": {"f": "f"}}"#, region).unwrap_or_else(|| panic!("{f}"));
        let claim = keep(claim);
        let value = |x: &RBig| if *x < a { &l * (x - &a) } else { &r * (x - &a) };
        let mut held = Held::new(claim);
        for _ in 0..6 {
            let (w, v) = (
                if stream.below(2) == 0 {
                    a.clone()
                } else {
                    stream.half()
                },
                stream.half(),
            );
            let slack = |slope: &RBig| slope * (&w - &v) - value(&w) + value(&v);
            let truths: Vec<Option<RBig>> = match w.cmp(&a) {
                std::cmp::Ordering::Less => vec![Some(slack(&l))],
                std::cmp::Ordering::Greater => vec![Some(slack(&r))],
                std::cmp::Ordering::Equal => vec![
                    Some(slack(&l)),
                    Some(slack(&r)),
                    Some(slack(&((&l + &r) / RBig::from(2)))),
                ],
            };
            let point = ExactPoint {
                w: vec![w.clone()],
                v: vec![v.clone()],
            };
            held.against(Some(&point), &truths, &RBig::ZERO, &f);
            held.against(None, &truths, &RBig::ZERO, &f);
            let suspect = Candidate {
                point: Point {
                    w: vec![w.to_f64().value()],
                    v: vec![v.to_f64().value()],
                },
                slack: -1.0,
            };
            let witness = search::confirm(claim, &[suspect]);
            let all_below = truths.iter().flatten().all(|slack| *slack < RBig::ZERO);
            assert!(all_below || witness.is_none(), "{f}: {witness:?}");
            refuted += u32::from(witness.is_some());
        }
        if number % 35 < 5 {
            verdict(&case, claim, l > r, &f);
        }
    }
    assert!(refuted > 200, "{refuted}");
}

/// A function that jumps has no gradient at the jump, and a gradient that does not depend on `v` is
/// still that of a function of `v`.
#[test]
fn jumps_have_no_gradient_and_constant_gradients_have_a_point() {
    for (region, expected) in [
        (r#"{"w": {"box": [-1, 1]}}"#, Verdict::Supported),
        (r#"{"w": {"point": [0]}}"#, Verdict::Supported),
        (r#"{"w": {"box": [1, 2]}}"#, Verdict::Proved),
    ] {
        let text = r#"{"lipschitz": {"f": "f", "G": 0}}"#;
        let (case, claim) = claim("", 1, "sign(x[0])", text, region).unwrap();
        assert_eq!(verdict(&case, &claim, false, region), expected, "{region}");
    }
    let text = r#"{"inequality": "dot(grad(f)(v), d) >= 1"}"#;
    let (case, claim) = claim(r#""d": [1, 2]"#, 2, "sum(x)", text, BOX).unwrap();
    assert_eq!(
        verdict(&case, &claim, false, "a linear function"),
        Verdict::Proved
    );
}

/// Where the set of `w` has inequalities, that of `v` is not taken for granted.
#[test]
fn a_region_with_inequalities_is_not_carried_over_to_v() {
    let text = r#"{"convex": {"f": "f"}}"#;
    let plain = r#"{"w": {"box": [-1, 1]}}"#;
    let bounded = r#"{"w": {"box": [-1, 1], "where": ["x[0] >= 0"]}}"#;
    let both = r#"{"w": {"box": [-1, 1]}, "v": {"box": [-1, 1]}, "where": ["x[0] >= 0", "v[0] >= 0"]}"#;
    for (region, accepted) in [(plain, true), (bounded, false), (both, true)] {
        assert_eq!(
            claim("", 1, "x[0]^3", text, region).is_some(),
            accepted,
            "{region}"
        );
    }
}

/// Rationals of every size, halfway cases and subnormal ones among them, lie between neighbours.
#[test]
fn rationals_are_enclosed_by_neighbours() {
    let mut stream = Stream(6);
    let power = |n: i64| {
        let size = RBig::from(dashu_int::IBig::from(2).pow(n.unsigned_abs() as usize));
        if n < 0 { RBig::ONE / size } else { size }
    };
    for number in 0..40_000 {
        let significand = RBig::from(stream.below(1 << 53) | 1 << 52);
        let half = [
            RBig::ZERO,
            fraction(1, 2),
            fraction(1, 3),
            fraction(1, 2) + power(-90),
        ];
        let exponent = stream.below(2160) as i64 - 1140;
        let mut x = (significand + &half[number % 4]) * power(exponent);
        if stream.below(2) == 0 {
            x = -x;
        }
        let enclosed = IntervalArithmetic::new().rational(&x);
        let end = |end: f64| RBig::try_from(end).ok();
        assert!(end(enclosed.lo).is_none_or(|lo| lo <= x), "{x} in {enclosed:?}");
        assert!(end(enclosed.hi).is_none_or(|hi| hi >= x), "{x} in {enclosed:?}");
        assert!(enclosed.lo.next_up() >= enclosed.hi, "{enclosed:?}");
        if let (Some(lo), Some(hi)) = (end(enclosed.lo), end(enclosed.hi)) {
            let arithmetic = IntervalArithmetic::new();
            assert!(!arithmetic.at_least(&enclosed, &x) || lo >= x);
            assert!(!arithmetic.below(&enclosed, &x) || hi < x);
        }
    }
}

/// Derivatives along a direction and gradients against a central difference of step `2^-50`, whose error
/// is some `2^-100`, in the checker arithmetic's 160 bits.
#[test]
fn derivatives_agree_with_differences() {
    const FUNCTIONS: [&str; 34] = [
        "sum(exp(x) * x)",
        "sum(log(x) / x)",
        "sum(log1p(x^2))",
        "sqrt(sum(x))",
        "norm(x - 3) * norm(x)^3",
        "sum(sin(x) * cos(2 * x))",
        "sum(tanh(x)^2)",
        "sum(sigmoid(x) - sigmoid(-x)^2)",
        "sum(log_sigmoid(x - 1))",
        "mean(softplus(-d * x))",
        "sum(erf(x / 2))",
        "sum(gelu(x - 1))",
        "sum(x^(5/3)) - sum(x^(-1/2))",
        "sum(2^x) + x[0]^pi + x[1]^x[2]",
        "sum(x^-3)",
        "logsumexp(x * d)",
        "sum(d * softmax(2 * x))",
        "log_softmax(x)[2]",
        "dot(d, log_softmax(x * x))",
        "max(x * d)",
        "min(x * d)",
        "max(x[0], 3 * x[1]) * min(x[2], x[3] - 5)",
        "abs(x[0] - 7) * relu(x[1]) + leaky_relu(-x[2], x[3])",
        "sum(reshape(x, 2, 2) @ m @ reshape(x, 2, 2).T)",
        "x[:2] @ m @ x[2:]",
        "sum(max(reshape(x, 2, 2) * m, axis=0) * x[2:])",
        "sum(logsumexp(reshape(x, 2, 2) @ m, axis=1))",
        "sum(softmax(reshape(x, 2, 2) @ m, axis=0) * m)",
        "sum(log_softmax(reshape(x, 2, 2) * m, axis=0)[0])",
        "sum(concat(x[::-1], x[1:3]) * concat(x[1:], x[:3]))",
        "mean(reshape(x, 2, 2) + m[0], axis=1) @ x[::2]",
        "sum(reshape(x, 2, 2)[:, 0] * reshape(x, 2, 2)[1, :] / (1 + reshape(x, 2, 2)))",
        "sum(min(reshape(x, 2, 2).T, axis=1) / mean(x))",
        "e^(x[0] - x[1]) * x @ d",
    ];
    const FORMS: [&str; 2] = ["dot(grad(f)(w), d)", "sum(d * grad(f)(w))"];
    let data = r#""d": [0.5, -1.25, 0.75, 2], "m": [[0.5, -1], [1.5, 0.25]]"#;
    let mut stream = Stream(7);
    for f in FUNCTIONS {
        for form in FORMS {
            let text = format!(r#"{{"inequality": "(f(w + d / 2^50) - f(w - d / 2^50)) * 2^49 >= {form}"}}"#);
            let (_, claim) = claim(data, 4, f, &text, BOX).unwrap_or_else(|| panic!("{f}"));
            let mut checker = Encloser::new(&claim, CheckerArithmetic::new());
            for _ in 0..5 {
                let w: Vec<RBig> = (0..4)
                    .map(|_| fraction(16 + stream.below(60) as i64, 32))
                    .collect();
                let enclosed = checker.at_point(&at(&w));
                assert!(enclosed.flags.defined, "{f}");
                let (lo, hi) = enclosed.slack.to_f64();
                assert!(
                    -1e-24 < lo && hi < 1e-24,
                    "{form} of {f} at {w:?}: off by [{lo}, {hi}]"
                );
            }
        }
    }
}
