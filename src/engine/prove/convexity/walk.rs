//! Curvature as an arithmetic: the walk over a graph that computes enclosures tells besides, for every
//! entry, whether it is a constant, affine, convex or concave function of `w`.

use dashu_ratio::RBig;
use smallvec::{SmallVec, smallvec};

use super::curvature::{Bend, Curvature, Sign, View, binary_view, power_bend, reciprocal, unary_view};
use crate::eval::{Arithmetic, Flags, RigorousArithmetic};
use crate::graph::op::{Binary, Unary};

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
                let slope = if op == Unary::Sin {
                    self.inner.unary(Unary::Cos, x)
                } else {
                    let sine = self.inner.unary(Unary::Sin, x);
                    self.inner.unary(Unary::Neg, &sine)
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
        let leaky = if op == Binary::LeakyRelu {
            self.leaky_bend(x_sign, &y.range)
        } else {
            Bend::default()
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
