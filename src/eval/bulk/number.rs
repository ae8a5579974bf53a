//! What the elementary functions are written in: one number, or several side by side in vector registers.

use std::ops::{Add, Div, Mul, Sub};

use super::buffer::Lane;
use super::product::Entry;
use super::vector::Vector;

/// Adding it to a number below 2^51 rounds to an integer, which then stands in the low bits.
pub(super) const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

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
    /// The larger of two; NaN where `self` is.
    fn raised(self, bound: Self) -> Self;
    /// Times `2^k` for an integer `|k| <= 2000`, rounded once; for numbers between 1/2 and 2.
    #[inline(always)]
    fn times_power_of_two(self, k: Self) -> Self {
        // two factors, since 2^1024 and 2^-1075 are no normal numbers
        let half = k.mul_add(Self::splat(0.5), Self::splat(SHIFT)) - Self::splat(SHIFT);
        let biased = Self::splat(SHIFT + 1023.0);
        let (first, second) = (half + biased, k - half + biased);
        self * first.low_to_exponent() * second.low_to_exponent()
    }
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
    /// The entry of a table whose number stands in the low bits. A table has a power of two of entries.
    fn lookup<const COUNT: usize>(self, table: &'static [f64; COUNT]) -> Self;
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
    fn raised(self, bound: f64) -> f64 {
        if self < bound { bound } else { self }
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

    #[inline(always)]
    fn lookup<const COUNT: usize>(self, table: &'static [f64; COUNT]) -> f64 {
        table[self.to_bits() as usize % COUNT]
    }
}

/// Several vectors, each operation done to one after the other: what one waits for is hidden behind the others. As many
/// as leave room for the operands of an operation in the registers of the set.
#[derive(Clone, Copy)]
pub(crate) struct Group<V, const COUNT: usize>([V; COUNT]);

/// A [`Group`] of some number of vectors.
pub(crate) trait Vectors<V>: Number {
    /// How many.
    const COUNT: usize;
    /// Entries at this distance from each other.
    fn strided<E: Entry>(entries: &[E], step: usize) -> Self;
    /// The first entries.
    #[inline(always)]
    fn load(lanes: &[Lane]) -> Self {
        Self::strided(lanes, 1)
    }
    /// The same vector everywhere.
    fn all(vector: V) -> Self;
    /// One of the vectors.
    fn vector(&self, number: usize) -> V;
    fn store(self, lanes: &mut [Lane]);
}

/// The vectors of a group one after the other: loops, since closures would not be compiled for the instruction set.
macro_rules! each {
    ($number:ident => $value:expr, $first:expr) => {{
        let mut all = [$first; COUNT];
        for $number in 0..COUNT {
            all[$number] = $value;
        }
        all
    }};
    ($self:ident . $method:ident ($($argument:expr),*)) => {
        Group(each!(i => $self.0[i].$method($($argument),*), $self.0[0]))
    };
    ($self:ident . $method:ident of ($($group:ident),*)) => {
        Group(each!(i => $self.0[i].$method($($group.0[i]),*), $self.0[0]))
    };
}

impl<V: Vector, const COUNT: usize> Vectors<V> for Group<V, COUNT> {
    const COUNT: usize = COUNT;

    #[inline(always)]
    fn strided<E: Entry>(entries: &[E], step: usize) -> Self {
        let entries = &entries[..(COUNT - 1) * step + 1];
        Group(each!(i => entries[i * step].load(), V::splat(0.0)))
    }

    #[inline(always)]
    fn all(vector: V) -> Self {
        Group([vector; COUNT])
    }

    #[inline(always)]
    fn vector(&self, number: usize) -> V {
        self.0[number]
    }

    #[expect(
        clippy::needless_range_loop,
        reason = "the adaptors of iterators are not always compiled for the instruction set"
    )]
    #[inline(always)]
    fn store(self, lanes: &mut [Lane]) {
        let lanes = &mut lanes[..COUNT];
        for number in 0..COUNT {
            self.0[number].store(&mut lanes[number]);
        }
    }
}

/// Operators of groups, vector by vector.
macro_rules! operators {
    ($($name:ident :: $method:ident),*) => { $(
        impl<V: Vector, const COUNT: usize> $name for Group<V, COUNT> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                each!(self.$method of (other))
            }
        }
    )* };
}

operators!(Add::add, Sub::sub, Mul::mul, Div::div);

impl<V: Vector, const COUNT: usize> Number for Group<V, COUNT> {
    type Mask = [V::Mask; COUNT];

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Group([V::splat(x); COUNT])
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        each!(self.mul_add of (factor, sum))
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
        each!(self.copysign of (sign))
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        each!(i => self.0[i].less(other.0[i]), self.0[0].is_nan())
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self::Mask {
        each!(i => self.0[i].at_most(other.0[i]), self.0[0].is_nan())
    }

    #[inline(always)]
    fn bounded(self, bound: Self) -> Self {
        each!(self.bounded of (bound))
    }

    #[inline(always)]
    fn raised(self, bound: Self) -> Self {
        each!(self.raised of (bound))
    }

    #[inline(always)]
    fn times_power_of_two(self, k: Self) -> Self {
        each!(self.times_power_of_two of (k))
    }

    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        each!(i => self.0[i].is_nan(), self.0[0].is_nan())
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Group(each!(i => V::select(mask[i], yes.0[i], no.0[i]), yes.0[0]))
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

    #[inline(always)]
    fn lookup<const SIZE: usize>(self, table: &'static [f64; SIZE]) -> Self {
        each!(self.lookup(table))
    }
}
