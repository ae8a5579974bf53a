//! Interval operations on eight boxes at once, in the ordinary range: each is the operation of
//! [`crate::eval::interval`] with the same bits, or says that it is not for these arguments, which then go through
//! that operation one by one.
//!
//! A number is *ordinary* when it is 0 or between `2^-480` and `2^480` in size. Sums, products, quotients and roots of
//! ordinary numbers neither overflow nor come near the range where the error of an operation could itself be rounded
//! (see [`crate::eval::interval::rounding`]), so that an error term's sign alone says whether a result moves to its
//! neighbour. Nothing here is minus zero where it is read as an end.

use super::vector::Wide;
use crate::eval::bulk::{LANES, Lane};
use crate::eval::interval::Interval;

/// The ends of an interval for each box.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Ends {
    pub(super) lo: Lane,
    pub(super) hi: Lane,
}

impl Ends {
    /// The same for every box.
    pub(super) fn splat(x: Interval) -> Ends {
        Ends {
            lo: [x.lo; LANES],
            hi: [x.hi; LANES],
        }
    }

    /// That of one box.
    #[inline(always)]
    pub(super) fn get(&self, lane: usize) -> Interval {
        Interval {
            lo: self.lo[lane],
            hi: self.hi[lane],
        }
    }

    /// Sets that of one box.
    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, x: Interval) {
        (self.lo[lane], self.hi[lane]) = (x.lo, x.hi);
    }

    /// Puts the last of so many boxes into the lanes behind them.
    pub(super) fn repeat(&mut self, boxes: usize) {
        let last = self.get(boxes - 1);
        (boxes..LANES).for_each(|lane| self.set(lane, last));
    }

    /// Whether all ends are ordinary.
    #[inline(always)]
    pub(super) fn are_ordinary<V: Wide>(&self) -> bool {
        let x: Pair<V> = Pair::load(self);
        V::all(V::and(ordinary(x.lo), ordinary(x.hi)))
    }
}

/// Smallest ordinary size but 0: `2^-480`.
const LEAST: f64 = f64::from_bits((1023 - 480) << 52);
/// Largest ordinary size: `2^480`.
const MOST: f64 = f64::from_bits((1023 + 480) << 52);

#[inline(always)]
fn ordinary<V: Wide>(x: V) -> V::Mask {
    let size = x.magnitude();
    let zero = V::splat(0.0).at_least(size);
    V::and(
        V::splat(MOST).at_least(size),
        V::or(zero, size.at_least(V::splat(LEAST))),
    )
}

/// Both ends in registers.
#[derive(Clone, Copy)]
pub(super) struct Pair<V> {
    lo: V,
    hi: V,
}

impl<V: Wide> Pair<V> {
    #[inline(always)]
    pub(super) fn load(ends: &Ends) -> Self {
        Pair {
            lo: V::load(&ends.lo),
            hi: V::load(&ends.hi),
        }
    }

    #[inline(always)]
    pub(super) fn store(self, ends: &mut Ends) {
        // no negative zeros
        let zero = V::splat(0.0);
        self.lo.add(zero).store(&mut ends.lo);
        self.hi.add(zero).store(&mut ends.hi);
    }

    #[inline(always)]
    pub(super) fn neg(self) -> Self {
        Pair {
            lo: self.hi.negate(),
            hi: self.lo.negate(),
        }
    }

    #[inline(always)]
    pub(super) fn add(self, y: Self) -> Self {
        Pair {
            lo: add_down(self.lo, y.lo),
            hi: add_up(self.hi, y.hi),
        }
    }

    #[inline(always)]
    pub(super) fn sub(self, y: Self) -> Self {
        self.add(y.neg())
    }

    /// Which ends make the smallest and the largest product, by the signs of both factors: two candidates
    /// each, both the same where both factors have one sign.
    #[inline(always)]
    pub(super) fn mul(self, y: Self) -> Self {
        let (x, zero) = (self, V::splat(0.0));
        let (x_up, x_down) = (x.lo.at_least(zero), zero.at_least(x.hi));
        let (y_up, y_down) = (y.lo.at_least(zero), zero.at_least(y.hi));
        let (up, down) = (V::and(x_up, y_up), V::and(x_down, y_down));
        let first = mul_down(V::choose(down, x.hi, x.lo), V::choose(up, y.lo, y.hi));
        let second = mul_down(V::choose(up, x.lo, x.hi), V::choose(down, y.hi, y.lo));
        let (rise, fall) = (V::and(x_up, y_down), V::and(x_down, y_up));
        let third = mul_up(V::choose(fall, x.hi, x.lo), V::choose(rise, y.hi, y.lo));
        let fourth = mul_up(V::choose(rise, x.lo, x.hi), V::choose(fall, y.lo, y.hi));
        Pair {
            lo: first.min(second),
            hi: third.max(fourth),
        }
    }

    /// `None` where a divisor is not strictly on one side of 0.
    #[inline(always)]
    pub(super) fn div(self, y: Self) -> Option<Self> {
        let zero = V::splat(0.0);
        // above zero: not (0 >= lo)
        let (low, high) = (zero.at_least(y.lo), y.hi.at_least(zero));
        let positive = V::choose(low, zero, V::splat(1.0));
        let negative = V::choose(high, zero, V::splat(1.0));
        let negative = negative.at_least(V::splat(1.0));
        if !V::all(V::or(positive.at_least(V::splat(1.0)), negative)) {
            return None;
        }
        let (x, y) = (
            Pair::choose(negative, self.neg(), self),
            Pair::choose(negative, y.neg(), y),
        );
        Some(Pair {
            lo: div_down(x.lo, V::choose(x.lo.at_least(zero), y.hi, y.lo)),
            hi: div_up(x.hi, V::choose(zero.at_least(x.hi), y.hi, y.lo)),
        })
    }

    /// `None` where an argument reaches below 0.
    #[inline(always)]
    pub(super) fn sqrt(self) -> Option<Self> {
        let zero = V::splat(0.0);
        if !V::all(self.lo.at_least(zero)) {
            return None;
        }
        let (lo, hi) = (self.lo.sqrt(), self.hi.sqrt());
        Some(Pair {
            lo: lo.down_unless(zero.at_least(lo.product_less(lo, self.lo)), 1),
            hi: hi.up_unless(hi.product_less(hi, self.hi).at_least(zero), 1),
        })
    }

    #[inline(always)]
    pub(super) fn abs(self) -> Self {
        let mirrored = self.lo.negate();
        Pair {
            lo: V::splat(0.0).max(self.lo.max(self.hi.negate())),
            hi: self.hi.max(mirrored),
        }
    }

    #[inline(always)]
    pub(super) fn max(self, y: Self) -> Self {
        Pair {
            lo: self.lo.max(y.lo),
            hi: self.hi.max(y.hi),
        }
    }

    #[inline(always)]
    pub(super) fn min(self, y: Self) -> Self {
        Pair {
            lo: self.lo.min(y.lo),
            hi: self.hi.min(y.hi),
        }
    }

    #[inline(always)]
    pub(super) fn leaky_relu(self, slope: Self) -> Self {
        let zero = V::splat(0.0);
        let below = Pair {
            lo: self.lo.min(zero),
            hi: self.hi.min(zero),
        }
        .mul(slope);
        let (above, under) = (self.lo.at_least(zero), zero.at_least(self.hi));
        let mixed = Pair {
            lo: below.lo.min(zero),
            hi: below.hi.max(self.hi),
        };
        Pair::choose(above, self, Pair::choose(under, below, mixed))
    }

    /// `x^n` for `n >= 1`, by repeated squaring; `None` where a power on the way is not ordinary.
    #[inline(always)]
    pub(super) fn power(self, n: u32) -> Option<Self> {
        let zero = V::splat(0.0);
        if n.is_multiple_of(2) {
            let size = self.abs();
            let (lo, _) = powers(size.lo, n)?;
            let (_, hi) = powers(size.hi, n)?;
            return Some(Pair { lo, hi });
        }
        let (below, above) = (powers(self.lo.magnitude(), n)?, powers(self.hi.magnitude(), n)?);
        Some(Pair {
            lo: V::choose(self.lo.at_least(zero), below.0, below.1.negate()),
            hi: V::choose(self.hi.at_least(zero), above.1, above.0.negate()),
        })
    }

    #[inline(always)]
    fn choose(mask: V::Mask, yes: Self, no: Self) -> Self {
        Pair {
            lo: V::choose(mask, yes.lo, no.lo),
            hi: V::choose(mask, yes.hi, no.hi),
        }
    }

    #[inline(always)]
    pub(super) fn splat(x: f64) -> Self {
        Pair {
            lo: V::splat(x),
            hi: V::splat(x),
        }
    }

    /// Whether both ends are ordinary numbers between these.
    #[inline(always)]
    pub(super) fn lies_in(self, (least, most): (f64, f64)) -> bool {
        let (least, most) = (V::splat(least), V::splat(most));
        let inside = V::and(self.lo.at_least(least), most.at_least(self.hi));
        V::all(V::and(inside, V::and(ordinary(self.lo), ordinary(self.hi))))
    }

    /// From the values of an increasing function at both ends, wrong by less than `steps` units in the last place:
    /// these are moved outward by so many, within the function's range. At `exact.0` the function is `exact.1`; `x` is
    /// the argument.
    #[inline(always)]
    pub(super) fn widened(self, x: Self, steps: i64, range: (f64, f64), exact: Option<(f64, f64)>) -> Self {
        let none = V::splat(0.0).at_least(V::splat(1.0));
        let lo = self.lo.down_unless(none, steps).max(V::splat(range.0));
        let hi = self.hi.up_unless(none, steps).min(V::splat(range.1));
        let Some((at, value)) = exact else {
            return Pair { lo, hi };
        };
        let (at, value) = (V::splat(at), V::splat(value));
        let equal_lo = V::and(x.lo.at_least(at), at.at_least(x.lo));
        let equal_hi = V::and(x.hi.at_least(at), at.at_least(x.hi));
        Pair {
            lo: V::choose(equal_lo, value, lo),
            hi: V::choose(equal_hi, value, hi),
        }
    }
}

/// Lower and upper bounds of `x^n` for `x >= 0`.
#[inline(always)]
fn powers<V: Wide>(x: V, mut n: u32) -> Option<(V, V)> {
    let mut result: Option<(V, V)> = None;
    let mut square = (x, x);
    while n > 0 {
        if n % 2 == 1 {
            result = Some(match result {
                None => square,
                Some((lo, hi)) => (mul_down(lo, square.0), mul_up(hi, square.1)),
            });
            let (lo, hi) = result?;
            if !V::all(V::and(ordinary(lo), ordinary(hi))) {
                return None;
            }
        }
        n /= 2;
        if n > 0 {
            square = (mul_down(square.0, square.0), mul_up(square.1, square.1));
            if !V::all(V::and(ordinary(square.0), ordinary(square.1))) {
                return None;
            }
        }
    }
    result
}

/// Knuth's TwoSum.
#[inline(always)]
fn two_sum<V: Wide>(a: V, b: V) -> (V, V) {
    let s = a.add(b);
    let t = s.sub(a);
    (s, a.sub(s.sub(t)).add(b.sub(t)))
}

#[inline(always)]
fn add_down<V: Wide>(a: V, b: V) -> V {
    let (s, e) = two_sum(a, b);
    s.down_unless(e.at_least(V::splat(0.0)), 1)
}

#[inline(always)]
fn add_up<V: Wide>(a: V, b: V) -> V {
    let (s, e) = two_sum(a, b);
    s.up_unless(V::splat(0.0).at_least(e), 1)
}

#[inline(always)]
fn mul_down<V: Wide>(a: V, b: V) -> V {
    let p = a.mul(b);
    p.down_unless(a.product_less(b, p).at_least(V::splat(0.0)), 1)
}

#[inline(always)]
fn mul_up<V: Wide>(a: V, b: V) -> V {
    let p = a.mul(b);
    p.up_unless(V::splat(0.0).at_least(a.product_less(b, p)), 1)
}

/// For `b > 0`.
#[inline(always)]
fn div_down<V: Wide>(a: V, b: V) -> V {
    let q = a.div(b);
    q.down_unless(V::splat(0.0).at_least(q.product_less(b, a)), 1)
}

/// For `b > 0`.
#[inline(always)]
fn div_up<V: Wide>(a: V, b: V) -> V {
    let q = a.div(b);
    q.up_unless(q.product_less(b, a).at_least(V::splat(0.0)), 1)
}
