//! Intervals with binary64 ends and outward rounding: the arithmetic of `prove` and of every
//! `refuted`.
//!
//! [`rounding`] holds the directed basic operations, [`elementary`] the bounds of the elementary
//! functions at one number; this module lifts both to intervals, `arithmetic` to the table of operations.
//! `docs/soundness.md` lists each operation with its bound, tightness and source.

mod arithmetic;
pub mod elementary;
pub mod rounding;

use dashu_base::{Approximation, Sign};
use dashu_ratio::RBig;

pub use self::arithmetic::IntervalArithmetic;
use self::rounding::{add_down, add_up, div_down, div_up, mul_down, mul_up, sub_down, sub_up};

/// The closed set of reals between two ends. `lo <= hi`; ends may be infinite (`lo` not `+inf`, `hi`
/// not `-inf`), never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// lower end
    pub lo: f64,
    /// upper end
    pub hi: f64,
}

impl Interval {
    /// The whole real line.
    pub const WHOLE: Interval = Interval {
        lo: f64::NEG_INFINITY,
        hi: f64::INFINITY,
    };
    /// Zero alone.
    pub const ZERO: Interval = Interval { lo: 0.0, hi: 0.0 };
    /// One alone.
    pub const ONE: Interval = Interval { lo: 1.0, hi: 1.0 };
    /// From zero to one.
    pub const UNIT: Interval = Interval { lo: 0.0, hi: 1.0 };
    /// From minus one to one.
    pub const SYMMETRIC_UNIT: Interval = Interval { lo: -1.0, hi: 1.0 };

    /// The interval with these ends; the whole line when they are none (`lo > hi`, NaN, an infinity on
    /// the wrong side), so that a mistake can cost tightness, never soundness.
    pub fn new(lo: f64, hi: f64) -> Interval {
        if lo <= hi && lo < f64::INFINITY && hi > f64::NEG_INFINITY {
            Interval {
                lo: lo + 0.0,
                hi: hi + 0.0,
            } // no negative zeros
        } else {
            Interval::WHOLE
        }
    }

    /// One finite number.
    pub fn point(x: f64) -> Interval {
        Interval::new(x, x)
    }

    /// Whether the number lies inside.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// Whether zero lies inside.
    pub fn contains_zero(self) -> bool {
        self.contains(0.0)
    }

    /// Whether every number of `inner` lies inside.
    pub fn encloses(self, inner: Interval) -> bool {
        self.lo <= inner.lo && inner.hi <= self.hi
    }

    /// Whether both ends are finite.
    pub fn is_bounded(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    /// An upper bound of `hi - lo`.
    pub fn width(self) -> f64 {
        sub_up(self.hi, self.lo)
    }

    /// Some number inside, the middle where both ends are finite.
    pub fn midpoint(self) -> f64 {
        if self.is_bounded() {
            (0.5 * self.lo + 0.5 * self.hi).clamp(self.lo, self.hi)
        } else {
            0.0f64.clamp(self.lo, self.hi).clamp(-f64::MAX, f64::MAX)
        }
    }

    /// The smallest interval around both.
    pub fn hull(self, other: Interval) -> Interval {
        Interval {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// The common part; none when they do not meet.
    pub fn intersection(self, other: Interval) -> Option<Interval> {
        let common = Interval {
            lo: self.lo.max(other.lo),
            hi: self.hi.min(other.hi),
        };
        (common.lo <= common.hi).then_some(common)
    }

    /// The tightest interval around an exact rational.
    pub fn from_rational(x: &RBig) -> Interval {
        // Rounded to nearest; the sign of the error says which neighbour closes the interval.
        match x.to_f64() {
            Approximation::Exact(y) => Interval::point(y),
            Approximation::Inexact(y, _) if y == f64::INFINITY => Interval { lo: f64::MAX, hi: y },
            Approximation::Inexact(y, _) if y == f64::NEG_INFINITY => Interval { lo: y, hi: f64::MIN },
            Approximation::Inexact(y, Sign::Positive) => Interval::new(y.next_down(), y),
            Approximation::Inexact(y, Sign::Negative) => Interval::new(y, y.next_up()),
        }
    }

    /// `|x|` over the interval.
    pub fn abs(self) -> Interval {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            -self
        } else {
            Interval {
                lo: 0.0,
                hi: self.hi.max(-self.lo),
            }
        }
    }

    /// The larger of two.
    pub fn max(self, other: Interval) -> Interval {
        Interval {
            lo: self.lo.max(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// The smaller of two.
    pub fn min(self, other: Interval) -> Interval {
        Interval {
            lo: self.lo.min(other.lo),
            hi: self.hi.min(other.hi),
        }
    }

    /// A nondecreasing function from its two bounds.
    fn increasing(self, down: impl Fn(f64) -> f64, up: impl Fn(f64) -> f64) -> Interval {
        Interval::new(down(self.lo), up(self.hi))
    }

    /// `x^n` for `n >= 0`, `0^0 = 1`: over `|x|` when `n` is even, by its sign at the ends when odd.
    fn power(self, n: u32) -> Interval {
        let end_down = |x: f64| {
            if x >= 0.0 {
                power_down(x, n)
            } else {
                -power_up(-x, n)
            }
        };
        let end_up = |x: f64| {
            if x >= 0.0 {
                power_up(x, n)
            } else {
                -power_down(-x, n)
            }
        };
        let base = if n.is_multiple_of(2) { self.abs() } else { self };
        base.increasing(end_down, end_up)
    }

    /// The numbers `1/y` for `y != 0` inside, at least one.
    fn reciprocal(self) -> Interval {
        Interval::ONE.quotient(self)
    }

    /// The hull of `x/y` over `y != 0`; the whole line when `y` is zero alone or around it.
    pub(super) fn quotient(self, y: Interval) -> Interval {
        let x = self;
        if y.lo > 0.0 || (y.lo == 0.0 && y.hi > 0.0) {
            if x == Interval::ZERO {
                return Interval::ZERO;
            }
            // Towards y.lo = 0+ the quotient grows without bound in the direction of x's sign.
            let toward_small_down = |a: f64| {
                if y.lo > 0.0 {
                    div_down(a, y.lo)
                } else {
                    f64::NEG_INFINITY
                }
            };
            let toward_small_up = |a: f64| {
                if y.lo > 0.0 {
                    div_up(a, y.lo)
                } else {
                    f64::INFINITY
                }
            };
            let lo = if x.lo >= 0.0 {
                div_down(x.lo, y.hi)
            } else {
                toward_small_down(x.lo)
            };
            let hi = if x.hi <= 0.0 {
                div_up(x.hi, y.hi)
            } else {
                toward_small_up(x.hi)
            };
            Interval::new(lo, hi)
        } else if y.hi < 0.0 || (y.hi == 0.0 && y.lo < 0.0) {
            (-x).quotient(-y)
        } else {
            Interval::WHOLE
        }
    }

    /// The sine, or the cosine when `quarter` is 1: `cos(x) = sin(x + pi/2)`.
    ///
    /// Extrema lie at odd multiples of `pi/2` (sine) or even ones (cosine). With `first` at most and
    /// `last` at least the number of multiples of `pi/2` up to each end, every multiple inside the
    /// interval is one of `first + 1 ..= last`; without an extremum among them the function is monotone
    /// and its range lies between the ends' values. A multiple wrongly counted only widens the result.
    fn sine(self, quarter: i64, down: fn(f64) -> f64, up: fn(f64) -> f64) -> Interval {
        /// Beyond it the number of periods is not worth resolving.
        const FAR: f64 = (1u64 << 30) as f64;
        if self.lo < -FAR || self.hi > FAR {
            return Interval::SYMMETRIC_UNIT;
        }
        let turns = self.quotient(PI) * Interval::point(2.0);
        let (first, last) = (turns.lo.floor() as i64, turns.hi.floor() as i64);
        if last - first >= 4 {
            return Interval::SYMMETRIC_UNIT;
        }
        let crosses = |kind: i64| (first + 1..=last).any(|m| (m + quarter).rem_euclid(4) == kind);
        Interval {
            lo: if crosses(3) {
                -1.0
            } else {
                down(self.lo).min(down(self.hi))
            },
            hi: if crosses(1) {
                1.0
            } else {
                up(self.lo).max(up(self.hi))
            },
        }
    }

    /// `x` above zero, `slope * x` below.
    pub(super) fn leaky_relu(self, slope: Interval) -> Interval {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            self * slope
        } else {
            let below = Interval { lo: self.lo, hi: 0.0 } * slope;
            below.hull(Interval { lo: 0.0, hi: self.hi })
        }
    }
}

/// The number pi, between two neighbours.
const PI: Interval = Interval {
    lo: std::f64::consts::PI,
    hi: std::f64::consts::PI.next_up(),
};

impl std::ops::Neg for Interval {
    type Output = Interval;
    fn neg(self) -> Interval {
        Interval::new(-self.hi, -self.lo)
    }
}

impl std::ops::Add for Interval {
    type Output = Interval;
    fn add(self, y: Interval) -> Interval {
        Interval::new(add_down(self.lo, y.lo), add_up(self.hi, y.hi))
    }
}

impl std::ops::Sub for Interval {
    type Output = Interval;
    fn sub(self, y: Interval) -> Interval {
        Interval::new(sub_down(self.lo, y.hi), sub_up(self.hi, y.lo))
    }
}

impl std::ops::Mul for Interval {
    type Output = Interval;
    fn mul(self, y: Interval) -> Interval {
        let x = self;
        // By the signs of both factors: which ends make the smallest and the largest product.
        let (smallest, largest) = if x.lo >= 0.0 {
            if y.lo >= 0.0 {
                ((x.lo, y.lo), (x.hi, y.hi))
            } else if y.hi <= 0.0 {
                ((x.hi, y.lo), (x.lo, y.hi))
            } else {
                ((x.hi, y.lo), (x.hi, y.hi))
            }
        } else if x.hi <= 0.0 {
            if y.lo >= 0.0 {
                ((x.lo, y.hi), (x.hi, y.lo))
            } else if y.hi <= 0.0 {
                ((x.hi, y.hi), (x.lo, y.lo))
            } else {
                ((x.lo, y.hi), (x.lo, y.lo))
            }
        } else if y.lo >= 0.0 {
            ((x.lo, y.hi), (x.hi, y.hi))
        } else if y.hi <= 0.0 {
            ((x.hi, y.lo), (x.lo, y.lo))
        } else {
            let lo = mul_down(x.lo, y.hi).min(mul_down(x.hi, y.lo));
            let hi = mul_up(x.lo, y.lo).max(mul_up(x.hi, y.hi));
            return Interval::new(lo, hi);
        };
        Interval::new(mul_down(smallest.0, smallest.1), mul_up(largest.0, largest.1))
    }
}

/// `x^n` for `x >= 0` by repeated squaring, every product rounded down.
fn power_down(x: f64, n: u32) -> f64 {
    power_with(x, n, mul_down)
}

/// `x^n` for `x >= 0` by repeated squaring, every product rounded up.
fn power_up(x: f64, n: u32) -> f64 {
    power_with(x, n, mul_up)
}

fn power_with(x: f64, mut n: u32, multiply: fn(f64, f64) -> f64) -> f64 {
    let (mut result, mut square) = (1.0, x);
    while n > 0 {
        if n % 2 == 1 {
            result = multiply(result, square);
        }
        n /= 2;
        if n > 0 {
            square = multiply(square, square);
        }
    }
    result
}
