//! Curvatures, and the rules by which they compose: those of disciplined convex programming (Grant, Boyd, Ye,
//! "Disciplined convex programming", 2006), with enclosures over a box in place of declared signs and
//! monotonicities.
//!
//! Each rule keeps this invariant, which `docs/soundness.md` proves: an entry `u` that is called convex
//! satisfies `u(v) >= u(w) + Du(w)[v - w]` for all `w` and `v` in the box and for every derivative `Du(w)`
//! that the chain rule yields, whatever it takes at kinks; concave: `<=`; affine: `=`.

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
    pub(super) fn of(convex: bool, concave: bool) -> Curvature {
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

    pub(super) fn concave(self) -> bool {
        !matches!(self, Curvature::Convex | Curvature::Unknown)
    }

    pub(super) fn affine(self) -> bool {
        self.convex() && self.concave()
    }

    pub(super) fn constant(self) -> bool {
        self == Curvature::Constant
    }

    /// What holds if both descriptions of one function do.
    pub(super) fn and(self, other: Curvature) -> Curvature {
        if self.constant() || other.constant() {
            Curvature::Constant
        } else {
            Curvature::of(self.convex() || other.convex(), self.concave() || other.concave())
        }
    }

    pub(super) fn negated(self) -> Curvature {
        match self {
            Curvature::Convex => Curvature::Concave,
            Curvature::Concave => Curvature::Convex,
            Curvature::Constant | Curvature::Affine | Curvature::Unknown => self,
        }
    }

    pub(super) fn plus(self, other: Curvature) -> Curvature {
        if self.constant() && other.constant() {
            Curvature::Constant
        } else {
            Curvature::of(self.convex() && other.convex(), self.concave() && other.concave())
        }
    }

    /// A constant of the given sign times this.
    pub(super) fn times(self, constant: Sign) -> Curvature {
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
    pub(super) fn through(self, bend: Bend) -> Curvature {
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
pub(super) struct Bend {
    pub(super) convex: bool,
    pub(super) concave: bool,
    pub(super) rising: bool,
    pub(super) falling: bool,
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
pub(super) struct Sign {
    pub(super) positive: bool,
    pub(super) nonnegative: bool,
    pub(super) nonpositive: bool,
    pub(super) negative: bool,
}

/// What is known of an entry as a function of some variables.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// of the entry
    pub(super) curvature: Curvature,
    /// of its logarithm; unknown unless the entry is positive
    pub(super) log: Curvature,
    /// whether the entry is `sum_i c_i u_i^2` with constants `c_i >= 0` and each `u_i` affine, convex and
    /// not negative, or concave and not positive
    pub(super) squares: bool,
}

impl View {
    pub(super) fn plain(curvature: Curvature) -> View {
        View {
            curvature,
            log: Curvature::Unknown,
            squares: false,
        }
    }

    /// With what follows from the sign of the entry: the logarithm of a positive concave function is
    /// concave, the exponential of a convex function convex, and so are squares.
    pub(super) fn settled(mut self, sign: Sign) -> View {
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

/// `x^(num/den)` on a range where it is defined.
pub(super) fn power_bend(Exponent { num, den }: Exponent, sign: Sign) -> Bend {
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
pub(super) fn reciprocal(sign: Sign) -> View {
    let mut view = View::plain(Curvature::of(sign.positive, sign.negative));
    if sign.positive {
        view.log = Curvature::Convex;
    }
    view.settled(sign)
}

/// The view of `op(x)`; `sign` is that of `x`.
pub(super) fn unary_view(op: Unary, x: View, sign: Sign, bend: Bend) -> View {
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
pub(super) fn binary_view(
    op: Binary,
    (x, x_sign): (View, Sign),
    (y, y_sign): (View, Sign),
    leaky: Bend,
) -> View {
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
