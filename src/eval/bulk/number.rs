//! What the elementary functions are written in: one number, or several side by side in vector registers.

use std::ops::{Add, Div, Mul, Sub};

use super::buffer::Lane;
use super::vector::Vector;

/// Numbers in binary64 and their comparison. Every operation is rounded once, so that all implementations give the same bits.
pub trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// The outcome of a comparison.
    type Mask: Copy;
    /// The same number everywhere.
    fn splat(x: f64) -> Self;
    /// `self * factor + sum`, rounded once.
    fn mul_add(self, factor: Self, sum: Self) -> Self;
    /// With the other sign.
    #[inline(always)]
    fn negated(self) -> Self {
        // 0 - x would be 0 for x = 0
        Self::splat(-0.0) - self
    }
    /// Square root.
    fn sqrt(self) -> Self;
    /// Without its sign.
    fn abs(self) -> Self;
    /// With the sign of another number.
    fn copysign(self, sign: Self) -> Self;
    /// `self < other`; false where one of them is NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// `self <= other`; false where one of them is NaN.
    fn at_most(self, other: Self) -> Self::Mask;
    /// The smaller of two; NaN where `self` is.
    fn bounded(self, bound: Self) -> Self;
    /// Whether it is NaN.
    fn is_nan(self) -> Self::Mask;
    /// One of two numbers.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// The number whose bits are larger by so much, modulo 2^64.
    fn add_bits(self, bits: u64) -> Self;
    /// The number with those of its bits that are set here.
    fn and_bits(self, bits: u64) -> Self;
    /// The number with these bits set as well.
    fn or_bits(self, bits: u64) -> Self;
    /// The bits moved up by 52: the lowest become sign and exponent.
    fn low_to_exponent(self) -> Self;
    /// The bits moved down by 52.
    fn exponent_to_low(self) -> Self;
}

impl Number for f64 {
    type Mask = bool;

    #[inline(always)]
    fn splat(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn mul_add(self, factor: f64, sum: f64) -> f64 {
        f64::mul_add(self, factor, sum)
    }

    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }

    #[inline(always)]
    fn copysign(self, sign: f64) -> f64 {
        f64::copysign(self, sign)
    }

    #[inline(always)]
    fn less(self, other: f64) -> bool {
        self < other
    }

    #[inline(always)]
    fn at_most(self, other: f64) -> bool {
        self <= other
    }

    #[inline(always)]
    fn bounded(self, bound: f64) -> f64 {
        if bound < self { bound } else { self }
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }

    #[inline(always)]
    fn select(mask: bool, yes: f64, no: f64) -> f64 {
        if mask { yes } else { no }
    }

    #[inline(always)]
    fn add_bits(self, bits: u64) -> f64 {
        f64::from_bits(self.to_bits().wrapping_add(bits))
    }

    #[inline(always)]
    fn and_bits(self, bits: u64) -> f64 {
        f64::from_bits(self.to_bits() & bits)
    }

    #[inline(always)]
    fn or_bits(self, bits: u64) -> f64 {
        f64::from_bits(self.to_bits() | bits)
    }

    #[inline(always)]
    fn low_to_exponent(self) -> f64 {
        f64::from_bits(self.to_bits() << 52)
    }

    #[inline(always)]
    fn exponent_to_low(self) -> f64 {
        f64::from_bits(self.to_bits() >> 52)
    }
}

/// Vectors of a [`Group`].
pub(super) const GROUP: usize = 4;

/// Several vectors, each operation done to one after the other: what one waits for is hidden behind the others.
#[derive(Clone, Copy)]
pub(super) struct Group<V>([V; GROUP]);

impl<V: Vector> Group<V> {
    #[inline(always)]
    pub(super) fn load(lanes: &[Lane; GROUP]) -> Self {
        let [a, b, c, d] = lanes;
        Group([V::load(a), V::load(b), V::load(c), V::load(d)])
    }

    /// Entries at this distance from each other.
    #[inline(always)]
    pub(super) fn strided(lanes: &[Lane], step: usize) -> Self {
        let [a, b, c, d] = [&lanes[0], &lanes[step], &lanes[2 * step], &lanes[3 * step]];
        Group([V::load(a), V::load(b), V::load(c), V::load(d)])
    }

    /// The same vector everywhere.
    #[inline(always)]
    pub(super) fn all(vector: V) -> Self {
        Group([vector; GROUP])
    }

    #[inline(always)]
    pub(super) fn vectors(self) -> [V; GROUP] {
        self.0
    }

    #[inline(always)]
    pub(super) fn store(self, lanes: &mut [Lane; GROUP]) {
        for (vector, lane) in self.0.into_iter().zip(lanes) {
            vector.store(lane);
        }
    }
}

/// Operations on groups, vector by vector: no closures, which would not be compiled for the instruction set.
macro_rules! operators {
    ($($name:ident :: $method:ident),*) => { $(
        impl<V: Vector> $name for Group<V> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                Group([a.$method(e), b.$method(f), c.$method(g), d.$method(h)])
            }
        }
    )* };
}

operators!(Add::add, Sub::sub, Mul::mul, Div::div);

macro_rules! each {
    ($self:ident . $method:ident ($($argument:expr),*)) => {{
        let [a, b, c, d] = $self.0;
        Group([a.$method($($argument),*), b.$method($($argument),*), c.$method($($argument),*), d.$method($($argument),*)])
    }};
}

impl<V: Vector> Number for Group<V> {
    type Mask = [V::Mask; GROUP];

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Group([V::splat(x); GROUP])
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (self.0, factor.0, sum.0);
        Group([a.mul_add(e, i), b.mul_add(f, j), c.mul_add(g, k), d.mul_add(h, l)])
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        each!(self.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        each!(self.abs())
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, sign.0);
        Group([a.copysign(e), b.copysign(f), c.copysign(g), d.copysign(h)])
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        [a.less(e), b.less(f), c.less(g), d.less(h)]
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self::Mask {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        [a.at_most(e), b.at_most(f), c.at_most(g), d.at_most(h)]
    }

    #[inline(always)]
    fn bounded(self, bound: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, bound.0);
        Group([a.bounded(e), b.bounded(f), c.bounded(g), d.bounded(h)])
    }

    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        let [a, b, c, d] = self.0;
        [a.is_nan(), b.is_nan(), c.is_nan(), d.is_nan()]
    }

    #[inline(always)]
    fn select([m, n, o, p]: Self::Mask, yes: Self, no: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (yes.0, no.0);
        Group([
            V::select(m, a, e),
            V::select(n, b, f),
            V::select(o, c, g),
            V::select(p, d, h),
        ])
    }

    #[inline(always)]
    fn add_bits(self, bits: u64) -> Self {
        each!(self.add_bits(bits))
    }

    #[inline(always)]
    fn and_bits(self, bits: u64) -> Self {
        each!(self.and_bits(bits))
    }

    #[inline(always)]
    fn or_bits(self, bits: u64) -> Self {
        each!(self.or_bits(bits))
    }

    #[inline(always)]
    fn low_to_exponent(self) -> Self {
        each!(self.low_to_exponent())
    }

    #[inline(always)]
    fn exponent_to_low(self) -> Self {
        each!(self.exponent_to_low())
    }
}
