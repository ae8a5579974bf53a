//! Curvature as an arithmetic: the walk over a graph that computes enclosures tells besides, for every
//! entry, whether it is a constant, affine, convex or concave function of `w`.
//!
//! The rules are those of disciplined convex programming (Grant, Boyd, Ye, "Disciplined convex
//! programming", 2006), with enclosures over a box in place of declared signs and monotonicities. Each
//! rule keeps this invariant, which `docs/soundness.md` proves: an entry `u` that is called convex
//! satisfies `u(v) >= u(w) + Du(w)[v - w]` for all `w` and `v` in the box and for every derivative `Du(w)`
//! that the chain rule yields, whatever it takes at kinks; concave: `<=`; affine: `=`.

use dashu_ratio::RBig;
use smallvec::{SmallVec, smallvec};

use crate::eval::{Arithmetic, Flags, RigorousArithmetic};
use crate::graph::op::{Binary, Exponent, Unary};

/// What is known of an entry as a function of `w` on the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curvature {
    /// does not depend on `w`
    Constant,
    /// affine, exactly
    Affine,
    /// convex
    Convex,
    /// concave
    Concave,
    /// none of these is known
    Unknown,
}

impl Curvature {
    fn of(convex: bool, concave: bool) -> Curvature {
        match (convex, concave) {
            (true, true) => Curvature::Affine,
            (true, false) => Curvature::Convex,
            (false, true) => Curvature::Concave,
            (false, false) => Curvature::Unknown,
        }
    }

    /// Whether it is known to be convex; so are constants and affine functions.
    pub fn convex(self) -> bool {
        !matches!(self, Curvature::Concave | Curvature::Unknown)
    }

    fn concave(self) -> bool {
        !matches!(self, Curvature::Convex | Curvature::Unknown)
    }

    fn affine(self) -> bool {
        self.convex() && self.concave()
    }

    fn constant(self) -> bool {
        self == Curvature::Constant
    }

    /// What holds if both descriptions of one function do.
    fn and(self, other: Curvature) -> Curvature {
        if self.constant() || other.constant() {
            Curvature::Constant
        } else {
            Curvature::of(self.convex() || other.convex(), self.concave() || other.concave())
        }
    }

    fn negated(self) -> Curvature {
        match self {
            Curvature::Convex => Curvature::Concave,
            Curvature::Concave => Curvature::Convex,
            Curvature::Constant | Curvature::Affine | Curvature::Unknown => self,
        }
    }

    fn plus(self, other: Curvature) -> Curvature {
        if self.constant() && other.constant() {
            Curvature::Constant
        } else {
            Curvature::of(self.convex() && other.convex(), self.concave() && other.concave())
        }
    }

    /// A constant of the given sign times this.
    fn times(self, constant: Sign) -> Curvature {
        if self.constant() || (constant.nonnegative && constant.nonpositive) {
            Curvature::Constant
        } else if self.affine() || constant.nonnegative {
            self
        } else if constant.nonpositive {
            self.negated()
        } else {
            Curvature::Unknown
        }
    }

    /// A function of one argument applied to this.
    fn through(self, bend: Bend) -> Curvature {
        if self.constant() {
            return Curvature::Constant;
        }
        let fits = |with_convex: bool, with_concave: bool| {
            self.affine() || (self.convex() && with_convex) || (self.concave() && with_concave)
        };
        Curvature::of(
            bend.convex && fits(bend.rising, bend.falling),
            bend.concave && fits(bend.falling, bend.rising),
        )
    }
}

/// How a function of one argument bends on a range. A kink inside makes `rising` or `falling` only if all
/// elements of its subdifferential have that sign, and `convex` together with `concave` is for functions
/// that are differentiable on the range.
#[derive(Clone, Copy, Debug, Default)]
struct Bend {
    convex: bool,
    concave: bool,
    rising: bool,
    falling: bool,
}

impl Bend {
    const RISING: Bend = Bend {
        convex: false,
        concave: false,
        rising: true,
        falling: false,
    };
}

/// Signs that every number of an enclosure has.
#[derive(Clone, Copy, Debug)]
struct Sign {
    positive: bool,
    nonnegative: bool,
    nonpositive: bool,
    negative: bool,
}

/// What is known of an entry as a function of some variables.
#[derive(Clone, Copy, Debug)]
struct View {
    /// of the entry
    curvature: Curvature,
    /// of its logarithm; unknown unless the entry is positive
    log: Curvature,
    /// whether the entry is `sum_i c_i u_i^2` with constants `c_i >= 0` and each `u_i` affine, convex and
    /// not negative, or concave and not positive
    squares: bool,
}

impl View {
    fn plain(curvature: Curvature) -> View {
        View {
            curvature,
            log: Curvature::Unknown,
            squares: false,
        }
    }

    /// With what follows from the sign of the entry: the logarithm of a positive concave function is
    /// concave, the exponential of a convex function convex, and so are squares.
    fn settled(mut self, sign: Sign) -> View {
        if self.curvature.constant() {
            self.squares = sign.nonnegative;
        } else if self.squares {
            self.curvature = self.curvature.and(Curvature::Convex);
        }
        if self.log.convex() {
            let exponential = if self.log.constant() {
                Curvature::Constant
            } else {
                Curvature::Convex
            };
            self.curvature = self.curvature.and(exponential);
        }
        if sign.positive && self.curvature.concave() {
            let logarithm = if self.curvature.constant() {
                Curvature::Constant
            } else {
                Curvature::Concave
            };
            self.log = self.log.and(logarithm);
        }
        self
    }
}

/// What is known of an entry as a function of `w/t` and `1/t`, for the positive affine entry `t` of a name.
type Ratio = (i64, View);
/// Most such descriptions of one entry.
const MAX_RATIOS: usize = 2;

/// An entry: its enclosure and what is known of its curvature.
#[derive(Clone, Debug)]
pub struct Curved<V> {
    range: V,
    view: View,
    /// names the computation that made the entry; equal names, equal functions, opposite ones negatives
    tag: i64,
    /// at most [`MAX_RATIOS`]
    ratios: SmallVec<[Ratio; MAX_RATIOS]>,
}

impl<V> Curved<V> {
    /// What is known of the entry as a function of `w`.
    pub fn curvature(&self) -> Curvature {
        self.view.curvature
    }

    /// What is known of it as a function of `w/t` and `1/t`; a constant is one there as well.
    fn over(&self, t: i64) -> Option<View> {
        let known = self.ratios.iter().find(|(tag, _)| *tag == t);
        let constant = self.view.curvature.constant().then_some(self.view);
        known.map(|(_, view)| *view).or(constant)
    }

    /// The name of `t` where the entry is `t`, or `-t`, of a perspective.
    fn scale(&self, sign: Sign) -> Option<i64> {
        if self.view.curvature != Curvature::Affine {
            None
        } else if sign.positive {
            Some(self.tag)
        } else {
            sign.negative.then_some(-self.tag)
        }
    }
}

/// Curvatures over enclosures of an arithmetic.
#[derive(Clone, Debug)]
pub struct CurvatureArithmetic<A> {
    inner: A,
    tags: i64,
}

impl<A: RigorousArithmetic> CurvatureArithmetic<A> {
    /// Over the enclosures of `inner`.
    pub fn new(inner: A) -> Self {
        CurvatureArithmetic { inner, tags: 0 }
    }

    /// A coordinate of `w` with its range.
    pub fn coordinate(&mut self, range: A::Value) -> Curved<A::Value> {
        let sign = self.sign(&range);
        let view = View::plain(Curvature::Affine).settled(sign);
        self.entry(range, view, smallvec![])
    }

    fn entry(
        &mut self,
        range: A::Value,
        view: View,
        ratios: SmallVec<[Ratio; MAX_RATIOS]>,
    ) -> Curved<A::Value> {
        self.tags += 1;
        Curved {
            range,
            view,
            tag: self.tags,
            ratios,
        }
    }

    fn constant(&mut self, range: A::Value) -> Curved<A::Value> {
        let sign = self.sign(&range);
        let view = View::plain(Curvature::Constant).settled(sign);
        self.entry(range, view, smallvec![])
    }

    fn sign(&mut self, x: &A::Value) -> Sign {
        let mirrored = self.inner.unary(Unary::Neg, x);
        Sign {
            positive: self.inner.below(&mirrored, &RBig::ZERO),
            nonnegative: self.inner.at_least(x, &RBig::ZERO),
            nonpositive: self.inner.at_least(&mirrored, &RBig::ZERO),
            negative: self.inner.below(x, &RBig::ZERO),
        }
    }

    /// How a function bends on a range on which it is defined.
    fn bend(&mut self, op: Unary, x: &A::Value, sign: Sign) -> Bend {
        let (convex, concave, rising, falling) = match op {
            Unary::Neg => (true, true, false, true),
            Unary::Exp => (true, false, true, false),
            Unary::Log | Unary::Log1p | Unary::Sqrt | Unary::LogSigmoid => (false, true, true, false),
            // strictly on one side of the kink it is linear; elsewhere its elements have both signs
            Unary::Abs => (true, sign.positive || sign.negative, sign.positive, sign.negative),
            Unary::Relu => (true, sign.positive || sign.negative, true, sign.negative),
            // sin'' = -sin, sin' = cos
            Unary::Sin | Unary::Cos => {
                let value = self.inner.unary(op, x);
                let slope = match op {
                    Unary::Sin => self.inner.unary(Unary::Cos, x),
                    _ => {
                        let sine = self.inner.unary(Unary::Sin, x);
                        self.inner.unary(Unary::Neg, &sine)
                    }
                };
                let (value, slope) = (self.sign(&value), self.sign(&slope));
                (
                    value.nonpositive,
                    value.nonnegative,
                    slope.nonnegative,
                    slope.nonpositive,
                )
            }
            // the second derivative has the sign of -x
            Unary::Tanh | Unary::Sigmoid | Unary::Erf => (sign.nonpositive, sign.nonnegative, true, false),
            Unary::Sign | Unary::Step | Unary::StepRight => (false, false, false, false),
            Unary::Pow(exponent) => return power_bend(exponent, sign),
        };
        Bend {
            convex,
            concave,
            rising,
            falling,
        }
    }

    /// `leaky_relu(x, s)` with a constant slope: `max(x, s x)` for `s <= 1`, `min(x, s x)` for `s >= 1`.
    fn leaky_bend(&mut self, x: Sign, slope: &A::Value) -> Bend {
        let one = self.inner.float(1.0);
        let above = self.inner.binary(Binary::Sub, slope, &one);
        let (above, slope) = (self.sign(&above), self.sign(slope));
        let one_sided = x.positive || x.negative;
        Bend {
            convex: above.nonpositive || one_sided,
            concave: above.nonnegative || one_sided,
            rising: slope.nonnegative || x.positive,
            falling: slope.nonpositive && x.negative,
        }
    }
}

/// `x^(num/den)` on a range where it is defined.
fn power_bend(Exponent { num, den }: Exponent, sign: Sign) -> Bend {
    let (above, below) = (sign.nonnegative, sign.nonpositive);
    let (convex, concave, rising, falling) = if num == 0 {
        (true, true, true, true)
    } else if den > 1 {
        // x >= 0
        let (p_above_one, p_negative) = (i64::from(num) >= i64::from(den), num < 0);
        (
            p_above_one || p_negative,
            num > 0 && !p_above_one,
            num > 0,
            p_negative,
        )
    } else if num > 0 {
        if num % 2 == 0 {
            (true, false, above, below)
        } else {
            (num == 1 || above, num == 1 || below, true, false)
        }
    } else if num % 2 == 0 {
        (above || below, false, below, above)
    } else {
        (above, below, false, above || below)
    };
    Bend {
        convex,
        concave,
        rising,
        falling,
    }
}

/// The view of `1/u` for an affine `u` that is not 0, with the sign of `1/u`.
fn reciprocal(sign: Sign) -> View {
    let mut view = View::plain(Curvature::of(sign.positive, sign.negative));
    if sign.positive {
        view.log = Curvature::Convex;
    }
    view.settled(sign)
}

/// The view of `op(x)`; `sign` is that of `x`.
fn unary_view(op: Unary, x: View, sign: Sign, bend: Bend) -> View {
    let mut view = View::plain(x.curvature.through(bend));
    let power = |num: i32| {
        if num == 0 {
            Curvature::Unknown
        } else if num > 0 {
            x.log
        } else {
            x.log.negated()
        }
    };
    match op {
        Unary::Exp => view.log = x.curvature,
        Unary::Log => view.curvature = view.curvature.and(x.log),
        // log(1 + e^L) is convex and grows with L
        Unary::Log1p if x.log.convex() => view.curvature = view.curvature.and(Curvature::Convex),
        Unary::Sigmoid => {
            view.log = x.curvature.through(Bend {
                concave: true,
                ..Bend::RISING
            });
        }
        Unary::Sqrt => {
            view.log = x.log;
            // the norm of the u_i
            if x.squares {
                view.curvature = view.curvature.and(Curvature::Convex);
            }
        }
        Unary::Pow(Exponent { num, den }) => {
            view.log = power(num);
            // a power p >= 1 of that norm
            if x.squares && 2 * i64::from(num) >= i64::from(den) {
                view.curvature = view.curvature.and(Curvature::Convex);
            }
            view.squares = (num, den) == (2, 1)
                && (x.curvature.affine()
                    || (x.curvature.convex() && sign.nonnegative)
                    || (x.curvature.concave() && sign.nonpositive));
        }
        Unary::Neg
        | Unary::Log1p
        | Unary::Abs
        | Unary::Sin
        | Unary::Cos
        | Unary::Tanh
        | Unary::LogSigmoid
        | Unary::Erf
        | Unary::Relu
        | Unary::Sign
        | Unary::Step
        | Unary::StepRight => {}
    }
    view
}

/// The view of `op(x, y)` with the signs of `x` and `y`; `leaky` bends `leaky_relu(., y)`.
fn binary_view(op: Binary, (x, x_sign): (View, Sign), (y, y_sign): (View, Sign), leaky: Bend) -> View {
    let (a, b) = (x.curvature, y.curvature);
    if a.constant() && b.constant() {
        return View::plain(Curvature::Constant);
    }
    let logs_convex = x.log.convex() && y.log.convex();
    match op {
        Binary::Add => View {
            curvature: a.plus(b),
            // log(e^L + e^M) is convex and grows with L and M
            log: Curvature::of(logs_convex, false),
            squares: x.squares && y.squares,
        },
        Binary::Sub => View::plain(a.plus(b.negated())),
        Binary::Mul => View {
            curvature: if a.constant() {
                b.times(x_sign)
            } else if b.constant() {
                a.times(y_sign)
            } else {
                Curvature::Unknown
            },
            log: x.log.plus(y.log),
            squares: (a.constant() || b.constant()) && x.squares && y.squares,
        },
        Binary::Div => {
            let reciprocal = Exponent { num: -1, den: 1 };
            let curvature = if b.constant() {
                a.times(y_sign)
            } else if a.constant() {
                b.through(power_bend(reciprocal, y_sign)).times(x_sign)
            } else {
                // u^2/t falls in t > 0 and is convex
                Curvature::of(
                    x.squares && b.concave() && y_sign.positive,
                    x.squares && b.convex() && y_sign.negative,
                )
            };
            View {
                curvature,
                log: x.log.plus(y.log.negated()),
                squares: b.constant() && y_sign.positive && x.squares,
            }
        }
        Binary::Max => View::plain(Curvature::of(a.convex() && b.convex(), false)),
        Binary::Min => View::plain(Curvature::of(false, a.concave() && b.concave())),
        Binary::LeakyRelu if b.constant() => View::plain(a.through(leaky)),
        Binary::LeakyRelu | Binary::LeakyStep => View::plain(Curvature::Unknown),
    }
}

impl<A: RigorousArithmetic> Arithmetic for CurvatureArithmetic<A> {
    type Value = Curved<A::Value>;

    fn rational(&mut self, x: &RBig) -> Self::Value {
        let range = self.inner.rational(x);
        self.constant(range)
    }

    fn float(&mut self, x: f64) -> Self::Value {
        let range = self.inner.float(x);
        self.constant(range)
    }

    fn pi(&mut self) -> Self::Value {
        let range = self.inner.pi();
        self.constant(range)
    }

    fn unary(&mut self, op: Unary, x: &Self::Value) -> Self::Value {
        let range = self.inner.unary(op, &x.range);
        let sign = self.sign(&x.range);
        let bend = self.bend(op, &x.range, sign);
        let of_range = self.sign(&range);
        let view = |x: View| unary_view(op, x, sign, bend).settled(of_range);
        let mut ratios: SmallVec<_> = x.ratios.iter().map(|(t, ratio)| (*t, view(*ratio))).collect();
        // t = 1/(1/t)
        if let (true, Some(t)) = (ratios.is_empty(), x.scale(sign)) {
            ratios.push((t, view(reciprocal(sign))));
        }
        let mut entry = self.entry(range, view(x.view), ratios);
        if op == Unary::Neg {
            entry.tag = -x.tag;
        }
        entry
    }

    fn binary(&mut self, op: Binary, x: &Self::Value, y: &Self::Value) -> Self::Value {
        let range = self.inner.binary(op, &x.range, &y.range);
        let (x_sign, y_sign) = (self.sign(&x.range), self.sign(&y.range));
        let leaky = match op {
            Binary::LeakyRelu => self.leaky_bend(x_sign, &y.range),
            _ => Bend::default(),
        };
        let of_range = self.sign(&range);
        let view = |x: View, y: View| binary_view(op, (x, x_sign), (y, y_sign), leaky).settled(of_range);
        let mut plain = view(x.view, y.view);
        let mut ratios: SmallVec<[Ratio; MAX_RATIOS]> = smallvec![];
        let divisor = y
            .scale(y_sign)
            .filter(|_| op == Binary::Div && x.view.curvature.affine());
        if let Some(t) = divisor {
            // affine over affine: linear in w/t and 1/t; and the reciprocal of such a function
            ratios.push((t, View::plain(Curvature::Affine).settled(of_range)));
            ratios.extend(x.scale(x_sign).map(|t| (t, reciprocal(of_range))));
        } else {
            for (t, _) in x.ratios.iter().chain(&y.ratios) {
                if let (Some(a), Some(b)) = (x.over(*t), y.over(*t))
                    && ratios.len() < MAX_RATIOS
                    && ratios.iter().all(|(known, _)| known != t)
                {
                    ratios.push((*t, view(a, b)));
                }
            }
        }
        // the perspective t psi(w/t, 1/t) bends as psi does
        if op == Binary::Mul {
            for (t, sign, other) in [(x, x_sign, y), (y, y_sign, x)] {
                let Some(name) = t.scale(sign) else { continue };
                if let Some((_, psi)) = other.ratios.iter().find(|(tag, _)| *tag == name) {
                    // t times a constant is affine
                    let bent = psi.curvature.plus(Curvature::Affine).times(sign);
                    plain.curvature = plain.curvature.and(bent);
                    plain = plain.settled(of_range);
                }
            }
        }
        self.entry(range, plain, ratios)
    }

    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a Self::Value, &'a Self::Value)>) -> Self::Value
    where
        Self::Value: 'a,
    {
        let pairs: Vec<_> = pairs.collect();
        // the common case in short: constants times affine entries
        let linear = |(x, y): &(&Self::Value, &Self::Value)| {
            let (a, b) = (x.view.curvature, y.view.curvature);
            x.ratios.is_empty()
                && y.ratios.is_empty()
                && a.affine()
                && b.affine()
                && (a.constant() || b.constant())
        };
        if pairs.iter().all(linear) {
            let range = self.inner.dot(pairs.iter().map(|(x, y)| (&x.range, &y.range)));
            let curvature = pairs.iter().fold(Curvature::Constant, |sum, (x, y)| {
                sum.plus(x.view.curvature).plus(y.view.curvature)
            });
            let sign = self.sign(&range);
            return self.entry(range, View::plain(curvature).settled(sign), smallvec![]);
        }
        let products: Vec<Self::Value> = pairs
            .into_iter()
            .map(|(x, y)| self.binary(Binary::Mul, x, y))
            .collect();
        self.sum(products.iter())
    }

    fn sum<'a>(&mut self, mut entries: impl Iterator<Item = &'a Self::Value>) -> Self::Value
    where
        Self::Value: 'a,
    {
        let Some(first) = entries.next() else {
            return self.float(0.0);
        };
        entries.fold(first.clone(), |sum, x| self.binary(Binary::Add, &sum, x))
    }

    fn max(&mut self, entries: &[Self::Value]) -> Self::Value {
        let ranges: Vec<A::Value> = entries.iter().map(|x| x.range.clone()).collect();
        let range = self.inner.max(&ranges);
        self.joint(entries, range)
    }

    fn log_sum_exp(&mut self, entries: &[Self::Value]) -> Self::Value {
        let ranges: Vec<A::Value> = entries.iter().map(|x| x.range.clone()).collect();
        let range = self.inner.log_sum_exp(&ranges);
        self.joint(entries, range)
    }

    fn softmax(&mut self, entries: &[Self::Value], out: &mut [Self::Value]) {
        let ranges: Vec<A::Value> = entries.iter().map(|x| x.range.clone()).collect();
        let mut results = ranges.clone();
        self.inner.softmax(&ranges, &mut results);
        let all = entries
            .iter()
            .fold(Curvature::Constant, |all, x| all.plus(x.view.curvature));
        let mut view = View::plain(Curvature::Unknown);
        match all {
            Curvature::Constant => view.curvature = all,
            // log softmax_i = -logsumexp_j(x_j - x_i)
            Curvature::Affine => view.log = Curvature::Concave,
            Curvature::Convex | Curvature::Concave | Curvature::Unknown => {}
        }
        for (range, out) in results.into_iter().zip(out) {
            let sign = self.sign(&range);
            *out = self.entry(range, view.settled(sign), smallvec![]);
        }
    }

    fn arg_max(&mut self, entries: &[Self::Value], out: &mut [Self::Value]) {
        let ranges: Vec<A::Value> = entries.iter().map(|x| x.range.clone()).collect();
        let mut results = ranges.clone();
        self.inner.arg_max(&ranges, &mut results);
        for (range, out) in results.into_iter().zip(out) {
            *out = self.entry(range, View::plain(Curvature::Unknown), smallvec![]);
        }
    }

    fn take_flags(&mut self) -> Flags {
        self.inner.take_flags()
    }
}

impl<A: RigorousArithmetic> CurvatureArithmetic<A> {
    /// A convex function of several entries that grows with each of them.
    fn joint(&mut self, entries: &[Curved<A::Value>], range: A::Value) -> Curved<A::Value> {
        let sign = self.sign(&range);
        let join = |view: &dyn Fn(&Curved<A::Value>) -> Option<View>| {
            let mut all = Curvature::Constant;
            for x in entries {
                all = all.plus(view(x)?.curvature);
            }
            let joined = match all {
                Curvature::Constant => Curvature::Constant,
                Curvature::Affine | Curvature::Convex => Curvature::Convex,
                Curvature::Concave | Curvature::Unknown => Curvature::Unknown,
            };
            Some(View::plain(joined).settled(sign))
        };
        let plain = join(&|x| Some(x.view));
        let names = entries
            .iter()
            .find(|x| !x.ratios.is_empty())
            .map(|x| x.ratios.clone());
        let ratios = names
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(t, _)| Some((t, join(&|x| x.over(t))?)))
            .collect();
        self.entry(range, plain.unwrap_or(View::plain(Curvature::Unknown)), ratios)
    }
}
