//! A set of reals between two multiprecision ends.

use std::cmp::Ordering;

use dashu_base::Sign;
use dashu_float::round::mode::{Down, Up};
use dashu_float::{Context, FBig};
use dashu_int::IBig;
use dashu_ratio::RBig;

use super::ends::{End, is_negative, is_positive, negate};

/// The closed set of reals between two multiprecision ends, `lo <= hi`, ends possibly infinite.
#[derive(Clone, Debug, PartialEq)]
pub struct Enclosure {
    pub(super) lo: End,
    pub(super) hi: End,
}

/// On which side of zero an enclosure lies; zero may be its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Below,
    Above,
    Both,
}

impl Enclosure {
    pub(super) fn side(&self) -> Side {
        if !is_negative(&self.lo) {
            Side::Above
        } else if !is_positive(&self.hi) {
            Side::Below
        } else {
            Side::Both
        }
    }

    pub(super) fn point(x: End) -> Enclosure {
        Enclosure { lo: x.clone(), hi: x }
    }

    pub(super) fn zero() -> Enclosure {
        Enclosure::point(End::zero())
    }

    pub(super) fn one() -> Enclosure {
        Enclosure::point(End::one())
    }

    pub(super) fn integer(n: u32) -> Enclosure {
        Enclosure::point(End::new(n.into(), 0))
    }

    /// From zero to one.
    pub(super) fn unit() -> Enclosure {
        Enclosure {
            lo: End::zero(),
            hi: End::one(),
        }
    }

    /// From minus one to one.
    pub(super) fn symmetric_unit() -> Enclosure {
        Enclosure {
            lo: End::neg_one(),
            hi: End::one(),
        }
    }

    /// The whole real line.
    pub fn whole() -> Enclosure {
        Enclosure {
            lo: End::neg_infinity(),
            hi: End::infinity(),
        }
    }

    /// The smallest enclosure around both.
    pub fn hull(&self, other: &Enclosure) -> Enclosure {
        Enclosure {
            lo: smaller(&self.lo, &other.lo),
            hi: larger(&self.hi, &other.hi),
        }
    }

    /// Cut off at a known range of the function, which the enclosure meets.
    pub(super) fn within(&self, range: &Enclosure) -> Enclosure {
        Enclosure {
            lo: larger(&self.lo, &range.lo),
            hi: smaller(&self.hi, &range.hi),
        }
    }

    /// The set of `-x`.
    pub(super) fn neg(&self) -> Enclosure {
        Enclosure {
            lo: negate(&self.hi),
            hi: negate(&self.lo),
        }
    }

    pub(super) fn contains_zero(&self) -> bool {
        !is_positive(&self.lo) && !is_negative(&self.hi)
    }

    pub(super) fn abs(&self) -> Enclosure {
        if !is_negative(&self.lo) {
            self.clone()
        } else if !is_positive(&self.hi) {
            self.neg()
        } else {
            Enclosure {
                lo: End::zero(),
                hi: larger(&self.hi, &negate(&self.lo)),
            }
        }
    }

    /// Whether every number inside is below zero.
    pub fn is_negative(&self) -> bool {
        is_negative(&self.hi)
    }

    /// Whether every number inside is at least `bound`.
    pub fn at_least(&self, bound: &RBig) -> bool {
        compare(&self.lo, bound) != Ordering::Less
    }

    /// Whether every number inside is at most `bound`.
    pub fn at_most(&self, bound: &RBig) -> bool {
        compare(&self.hi, bound) != Ordering::Greater
    }

    /// Whether the rational lies inside.
    pub fn contains(&self, x: &RBig) -> bool {
        compare(&self.lo, x) != Ordering::Greater && compare(&self.hi, x) != Ordering::Less
    }

    /// The ends as binary64 numbers rounded outward, for printing.
    pub fn to_f64(&self) -> (f64, f64) {
        let lo = FBig::<Down, 2>::from_repr(self.lo.clone(), Context::new(0))
            .to_f64()
            .value();
        let hi = FBig::<Up, 2>::from_repr(self.hi.clone(), Context::new(0))
            .to_f64()
            .value();
        (lo, hi)
    }
}

pub(super) fn smaller(a: &End, b: &End) -> End {
    a.min(b).clone()
}

pub(super) fn larger(a: &End, b: &End) -> End {
    a.max(b).clone()
}

/// An end against an exact rational, exactly.
fn compare(end: &End, x: &RBig) -> Ordering {
    if end.is_infinite() {
        return if end.sign() == Sign::Positive {
            Ordering::Greater
        } else {
            Ordering::Less
        };
    }
    let shift = end.exponent().unsigned_abs();
    let scaled_end = end.significand() * IBig::from(x.denominator().clone());
    let numerator = x.numerator().clone();
    if end.exponent() >= 0 {
        (scaled_end << shift).cmp(&numerator)
    } else {
        scaled_end.cmp(&(numerator << shift))
    }
}

/// The largest integer at most a finite end.
pub(super) fn floor(x: &End) -> IBig {
    let truncated = x.to_int().value();
    if End::from(truncated.clone()) > *x {
        truncated - IBig::ONE
    } else {
        truncated
    }
}
