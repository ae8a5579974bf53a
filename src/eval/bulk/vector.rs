//! Eight numbers side by side in registers, for each instruction set.
//!
//! A product and the sum that it goes into are rounded once in every implementation, also where the machine has no
//! instruction for it (there slowly): the bits are the same everywhere.

use std::ops::{Add, Div, Mul, Sub};

use super::buffer::{LANES, Lane};
use super::number::{Group, Number, Vectors};

/// Eight numbers.
///
/// The implementations for an instruction set are used only in code compiled for that set, which
/// [`super::level`] enters after it has asked the machine.
pub(crate) trait Vector: Number {
    /// Words of 32 bits in registers of the same set.
    type Words: Words;
    /// Several vectors at once.
    type Group: Vectors<Self>;
    fn load(lane: &Lane) -> Self;
    fn store(self, lane: &mut Lane);
    /// The shares `floor((above 2^32 + below) / 2^11) / 2^53` of 1, exactly.
    fn shares(below: &[u32; LANES], above: &[u32; LANES]) -> Self;
}

/// The factors of the two words of a share: `above 2^-32 + floor(below / 2^11) 2^-53` is exact.
const ABOVE: f64 = 1.0 / (1u64 << 32) as f64;
const BELOW: f64 = 1.0 / (1u64 << 53) as f64;
/// Bits of a share's lower word that are left out.
const DROPPED: i32 = 11;

/// Words for random numbers: as many as leave room for sixteen such registers.
pub(crate) trait Words: Copy {
    /// How many.
    const COUNT: usize;
    /// The same word everywhere.
    fn splat(word: u32) -> Self;
    /// The first of these words.
    fn load(words: &[u32]) -> Self;
    fn store(self, words: &mut [u32]);
    /// Modulo 2^32.
    fn add(self, other: Self) -> Self;
    /// `(self ^ other)` rotated by `LEFT` bits; `RIGHT = 32 - LEFT`.
    fn xor_rotate<const LEFT: i32, const RIGHT: i32>(self, other: Self) -> Self;
}

impl Words for [u32; LANES] {
    const COUNT: usize = LANES;

    #[inline(always)]
    fn splat(word: u32) -> Self {
        [word; LANES]
    }

    #[inline(always)]
    fn load(words: &[u32]) -> Self {
        *words.as_chunks().0.first().expect("so many words")
    }

    #[inline(always)]
    fn store(self, words: &mut [u32]) {
        words[..LANES].copy_from_slice(&self);
    }

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self[lane] = self[lane].wrapping_add(other[lane]);
        }
        self
    }

    #[inline(always)]
    fn xor_rotate<const LEFT: i32, const RIGHT: i32>(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self[lane] = (self[lane] ^ other[lane]).rotate_left(LEFT as u32);
        }
        self
    }
}

/// Without registers of its own: what every machine can do.
#[derive(Clone, Copy)]
pub(crate) struct Portable(Lane);

impl Vector for Portable {
    type Words = [u32; LANES];
    type Group = Group<Portable, 1>;

    #[inline(always)]
    fn load(lane: &Lane) -> Self {
        Portable(*lane)
    }

    #[inline(always)]
    fn store(self, lane: &mut Lane) {
        *lane = self.0;
    }

    #[inline(always)]
    fn shares(below: &[u32; LANES], above: &[u32; LANES]) -> Self {
        let mut shares = [0.0; LANES];
        for lane in 0..LANES {
            shares[lane] = f64::from(above[lane]) * ABOVE + f64::from(below[lane] >> DROPPED) * BELOW;
        }
        Portable(shares)
    }
}

/// Operations number by number.
macro_rules! portable {
    ($($name:ident :: $method:ident),*) => { $(
        impl $name for Portable {
            type Output = Self;

            #[inline(always)]
            fn $method(mut self, other: Self) -> Self {
                for lane in 0..LANES {
                    self.0[lane] = self.0[lane].$method(other.0[lane]);
                }
                self
            }
        }
    )* };
}

portable!(Add::add, Sub::sub, Mul::mul, Div::div);

macro_rules! lanes {
    ($self:ident, $lane:ident => $value:expr) => {{
        let mut out = $self;
        for $lane in 0..LANES {
            out.0[$lane] = $value;
        }
        out
    }};
}

macro_rules! mask {
    ($lane:ident => $value:expr) => {{
        let mut out = [false; LANES];
        for $lane in 0..LANES {
            out[$lane] = $value;
        }
        out
    }};
}

impl Number for Portable {
    type Mask = [bool; LANES];

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Portable([x; LANES])
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        lanes!(self, i => self.0[i].mul_add(factor.0[i], sum.0[i]))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        lanes!(self, i => self.0[i].sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        lanes!(self, i => self.0[i].abs())
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        lanes!(self, i => self.0[i].copysign(sign.0[i]))
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        mask!(i => self.0[i] < other.0[i])
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self::Mask {
        mask!(i => self.0[i] <= other.0[i])
    }

    #[inline(always)]
    fn bounded(self, bound: Self) -> Self {
        lanes!(self, i => self.0[i].bounded(bound.0[i]))
    }

    #[inline(always)]
    fn raised(self, bound: Self) -> Self {
        lanes!(self, i => self.0[i].raised(bound.0[i]))
    }

    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        mask!(i => self.0[i].is_nan())
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        lanes!(yes, i => if mask[i] { yes.0[i] } else { no.0[i] })
    }

    #[inline(always)]
    fn add_bits(self, bits: u64) -> Self {
        lanes!(self, i => self.0[i].add_bits(bits))
    }

    #[inline(always)]
    fn and_bits(self, bits: u64) -> Self {
        lanes!(self, i => self.0[i].and_bits(bits))
    }

    #[inline(always)]
    fn or_bits(self, bits: u64) -> Self {
        lanes!(self, i => self.0[i].or_bits(bits))
    }

    #[inline(always)]
    fn low_to_exponent(self) -> Self {
        lanes!(self, i => self.0[i].low_to_exponent())
    }

    #[inline(always)]
    fn exponent_to_low(self) -> Self {
        lanes!(self, i => self.0[i].exponent_to_low())
    }

    #[inline(always)]
    fn lookup<const COUNT: usize>(self, table: &'static [f64; COUNT]) -> Self {
        lanes!(self, i => self.0[i].lookup(table))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

// SAFETY of every block below: the intrinsics need their instruction set, which the machine has
// wherever these types are used (see `Vector`), and lanes are eight numbers that may be read and
// written.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::{Add, Div, Mul, Sub};

    use super::{ABOVE, BELOW, DROPPED, Group, LANES, Lane, Number, Vector, Words};

    const SIGN: u64 = 1 << 63;

    /// One 512-bit register.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512d);

    impl Words for __m512i {
        const COUNT: usize = 16;

        #[inline(always)]
        fn splat(word: u32) -> Self {
            unsafe { _mm512_set1_epi32(word as i32) }
        }

        #[inline(always)]
        fn load(words: &[u32]) -> Self {
            unsafe { _mm512_loadu_si512(words[..Self::COUNT].as_ptr().cast()) }
        }

        #[inline(always)]
        fn store(self, words: &mut [u32]) {
            unsafe { _mm512_storeu_si512(words[..Self::COUNT].as_mut_ptr().cast(), self) };
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            unsafe { _mm512_add_epi32(self, other) }
        }

        #[inline(always)]
        fn xor_rotate<const LEFT: i32, const RIGHT: i32>(self, other: Self) -> Self {
            unsafe { _mm512_rol_epi32::<LEFT>(_mm512_xor_si512(self, other)) }
        }
    }

    impl Vector for Avx512 {
        type Words = __m512i;
        type Group = Group<Avx512, 4>;

        #[inline(always)]
        fn load(lane: &Lane) -> Self {
            Avx512(unsafe { _mm512_loadu_pd(lane.as_ptr()) })
        }

        #[inline(always)]
        fn store(self, lane: &mut Lane) {
            unsafe { _mm512_storeu_pd(lane.as_mut_ptr(), self.0) };
        }

        #[inline(always)]
        fn shares(below: &[u32; LANES], above: &[u32; LANES]) -> Self {
            unsafe {
                let (below, above) = (
                    _mm256_loadu_si256(below.as_ptr().cast()),
                    _mm256_loadu_si256(above.as_ptr().cast()),
                );
                let below = _mm512_cvtepu32_pd(_mm256_srli_epi32::<DROPPED>(below));
                let below = _mm512_mul_pd(below, _mm512_set1_pd(BELOW));
                let above = _mm512_cvtepu32_pd(above);
                Avx512(_mm512_fmadd_pd(above, _mm512_set1_pd(ABOVE), below))
            }
        }
    }

    /// Operators of both sets, by their intrinsics.
    macro_rules! operators {
        ($($name:ident :: $method:ident = $wide:ident, $narrow:ident;)*) => { $(
            impl $name for Avx512 {
                type Output = Self;

                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    Avx512(unsafe { $wide(self.0, other.0) })
                }
            }

            impl $name for Avx2 {
                type Output = Self;

                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    Avx2(unsafe { $narrow(self.0, other.0) }, unsafe { $narrow(self.1, other.1) })
                }
            }
        )* };
    }

    operators! {
        Add::add = _mm512_add_pd, _mm256_add_pd;
        Sub::sub = _mm512_sub_pd, _mm256_sub_pd;
        Mul::mul = _mm512_mul_pd, _mm256_mul_pd;
        Div::div = _mm512_div_pd, _mm256_div_pd;
    }

    /// An operation on the bits of all numbers.
    macro_rules! on_bits {
        ($x:expr => $operation:ident($($bits:expr)?)) => {
            unsafe { _mm512_castsi512_pd($operation(_mm512_castpd_si512($x) $(, _mm512_set1_epi64($bits as i64))?)) }
        };
    }

    impl Number for Avx512 {
        type Mask = __mmask8;

        #[inline(always)]
        fn splat(x: f64) -> Self {
            Avx512(unsafe { _mm512_set1_pd(x) })
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, sum: Self) -> Self {
            Avx512(unsafe { _mm512_fmadd_pd(self.0, factor.0, sum.0) })
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            Avx512(unsafe { _mm512_sqrt_pd(self.0) })
        }

        #[inline(always)]
        fn abs(self) -> Self {
            Avx512(on_bits!(self.0 => _mm512_and_si512(!SIGN)))
        }

        #[inline(always)]
        fn copysign(self, sign: Self) -> Self {
            let sign = sign.and_bits(SIGN).0;
            Avx512(unsafe { _mm512_or_pd(self.abs().0, sign) })
        }

        #[inline(always)]
        fn less(self, other: Self) -> __mmask8 {
            unsafe { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, other.0) }
        }

        #[inline(always)]
        fn at_most(self, other: Self) -> __mmask8 {
            unsafe { _mm512_cmp_pd_mask::<_CMP_LE_OQ>(self.0, other.0) }
        }

        #[inline(always)]
        fn bounded(self, bound: Self) -> Self {
            // where one is NaN this gives the second
            Avx512(unsafe { _mm512_min_pd(bound.0, self.0) })
        }

        #[inline(always)]
        fn raised(self, bound: Self) -> Self {
            Avx512(unsafe { _mm512_max_pd(bound.0, self.0) })
        }

        #[inline(always)]
        fn times_power_of_two(self, k: Self) -> Self {
            Avx512(unsafe { _mm512_scalef_pd(self.0, k.0) })
        }

        #[inline(always)]
        fn is_nan(self) -> __mmask8 {
            unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.0, self.0) }
        }

        #[inline(always)]
        fn select(mask: __mmask8, yes: Self, no: Self) -> Self {
            Avx512(unsafe { _mm512_mask_blend_pd(mask, no.0, yes.0) })
        }

        #[inline(always)]
        fn add_bits(self, bits: u64) -> Self {
            Avx512(on_bits!(self.0 => _mm512_add_epi64(bits)))
        }

        #[inline(always)]
        fn and_bits(self, bits: u64) -> Self {
            Avx512(on_bits!(self.0 => _mm512_and_si512(bits)))
        }

        #[inline(always)]
        fn or_bits(self, bits: u64) -> Self {
            Avx512(on_bits!(self.0 => _mm512_or_si512(bits)))
        }

        #[inline(always)]
        fn low_to_exponent(self) -> Self {
            Avx512(unsafe { _mm512_castsi512_pd(_mm512_slli_epi64::<52>(_mm512_castpd_si512(self.0))) })
        }

        #[inline(always)]
        fn exponent_to_low(self) -> Self {
            Avx512(unsafe { _mm512_castsi512_pd(_mm512_srli_epi64::<52>(_mm512_castpd_si512(self.0))) })
        }

        #[inline(always)]
        fn lookup<const COUNT: usize>(self, table: &'static [f64; COUNT]) -> Self {
            const { assert!(COUNT.is_power_of_two()) };
            let entries = table.as_ptr();
            if COUNT == 2 * LANES {
                // two registers hold the table, and the low four bits count
                let places = unsafe { _mm512_castpd_si512(self.0) };
                let halves = unsafe { [_mm512_loadu_pd(entries), _mm512_loadu_pd(entries.add(LANES))] };
                return Avx512(unsafe { _mm512_permutex2var_pd(halves[0], places, halves[1]) });
            }
            let places = self.and_bits(COUNT as u64 - 1).0;
            // within the table, whatever the bits
            Avx512(unsafe { _mm512_i64gather_pd::<8>(_mm512_castpd_si512(places), entries) })
        }
    }

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256d, __m256d);

    impl Words for __m256i {
        const COUNT: usize = 8;

        #[inline(always)]
        fn splat(word: u32) -> Self {
            unsafe { _mm256_set1_epi32(word as i32) }
        }

        #[inline(always)]
        fn load(words: &[u32]) -> Self {
            unsafe { _mm256_loadu_si256(words[..Self::COUNT].as_ptr().cast()) }
        }

        #[inline(always)]
        fn store(self, words: &mut [u32]) {
            unsafe { _mm256_storeu_si256(words[..Self::COUNT].as_mut_ptr().cast(), self) };
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            unsafe { _mm256_add_epi32(self, other) }
        }

        #[inline(always)]
        fn xor_rotate<const LEFT: i32, const RIGHT: i32>(self, other: Self) -> Self {
            unsafe {
                let mixed = _mm256_xor_si256(self, other);
                // whole bytes move in one step: where each byte of the result comes from
                match LEFT {
                    16 => _mm256_shuffle_epi8(
                        mixed,
                        _mm256_set_epi64x(
                            0x0d0c_0f0e_0908_0b0a,
                            0x0504_0706_0100_0302,
                            0x0d0c_0f0e_0908_0b0a,
                            0x0504_0706_0100_0302,
                        ),
                    ),
                    8 => _mm256_shuffle_epi8(
                        mixed,
                        _mm256_set_epi64x(
                            0x0e0d_0c0f_0a09_080b,
                            0x0605_0407_0201_0003,
                            0x0e0d_0c0f_0a09_080b,
                            0x0605_0407_0201_0003,
                        ),
                    ),
                    _ => _mm256_or_si256(
                        _mm256_slli_epi32::<LEFT>(mixed),
                        _mm256_srli_epi32::<RIGHT>(mixed),
                    ),
                }
            }
        }
    }

    impl Vector for Avx2 {
        type Words = __m256i;
        type Group = Group<Avx2, 2>;

        #[inline(always)]
        fn load(lane: &Lane) -> Self {
            let (low, high) = lane.split_at(LANES / 2);
            Avx2(unsafe { _mm256_loadu_pd(low.as_ptr()) }, unsafe {
                _mm256_loadu_pd(high.as_ptr())
            })
        }

        #[inline(always)]
        fn store(self, lane: &mut Lane) {
            let (low, high) = lane.split_at_mut(LANES / 2);
            unsafe { _mm256_storeu_pd(low.as_mut_ptr(), self.0) };
            unsafe { _mm256_storeu_pd(high.as_mut_ptr(), self.1) };
        }

        #[inline(always)]
        fn shares(below: &[u32; LANES], above: &[u32; LANES]) -> Self {
            let (low, high) = below.split_at(LANES / 2);
            let (lower, upper) = above.split_at(LANES / 2);
            Avx2(half_shares(low, lower), half_shares(high, upper))
        }
    }

    #[inline(always)]
    fn half_shares(below: &[u32], above: &[u32]) -> __m256d {
        unsafe {
            let (below, above) = (
                _mm_loadu_si128(below[..4].as_ptr().cast()),
                _mm_loadu_si128(above[..4].as_ptr().cast()),
            );
            let below = _mm256_mul_pd(numbers(_mm_srli_epi32::<DROPPED>(below)), _mm256_set1_pd(BELOW));
            _mm256_fmadd_pd(numbers(above), _mm256_set1_pd(ABOVE), below)
        }
    }

    /// Four words as numbers.
    #[inline(always)]
    fn numbers(words: __m128i) -> __m256d {
        unsafe {
            // behind the bits of 2^52 a word is 2^52 + word
            let base = _mm256_set1_pd(4_503_599_627_370_496.0);
            let bits = _mm256_or_si256(_mm256_cvtepu32_epi64(words), _mm256_castpd_si256(base));
            _mm256_sub_pd(_mm256_castsi256_pd(bits), base)
        }
    }

    /// The same for both registers.
    macro_rules! both {
        ($operation:ident $(::<$constant:ident>)? ($($argument:ident),*)) => {
            Avx2(
                unsafe { $operation $(::<$constant>)? ($($argument.0),*) },
                unsafe { $operation $(::<$constant>)? ($($argument.1),*) },
            )
        };
    }

    macro_rules! on_both_bits {
        ($x:ident => $operation:ident($bits:expr)) => {{
            let bits = unsafe { _mm256_set1_epi64x($bits as i64) };
            Avx2(
                unsafe { _mm256_castsi256_pd($operation(_mm256_castpd_si256($x.0), bits)) },
                unsafe { _mm256_castsi256_pd($operation(_mm256_castpd_si256($x.1), bits)) },
            )
        }};
        ($x:ident => $operation:ident::<$count:literal>) => {
            Avx2(
                unsafe { _mm256_castsi256_pd($operation::<$count>(_mm256_castpd_si256($x.0))) },
                unsafe { _mm256_castsi256_pd($operation::<$count>(_mm256_castpd_si256($x.1))) },
            )
        };
    }

    impl Number for Avx2 {
        type Mask = Avx2;

        #[inline(always)]
        fn splat(x: f64) -> Self {
            let all = unsafe { _mm256_set1_pd(x) };
            Avx2(all, all)
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, sum: Self) -> Self {
            both!(_mm256_fmadd_pd(self, factor, sum))
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            both!(_mm256_sqrt_pd(self))
        }

        #[inline(always)]
        fn abs(self) -> Self {
            self.and_bits(!SIGN)
        }

        #[inline(always)]
        fn copysign(self, sign: Self) -> Self {
            let (size, sign) = (self.abs(), sign.and_bits(SIGN));
            both!(_mm256_or_pd(size, sign))
        }

        #[inline(always)]
        fn less(self, other: Self) -> Avx2 {
            both!(_mm256_cmp_pd::<_CMP_LT_OQ>(self, other))
        }

        #[inline(always)]
        fn at_most(self, other: Self) -> Avx2 {
            both!(_mm256_cmp_pd::<_CMP_LE_OQ>(self, other))
        }

        #[inline(always)]
        fn bounded(self, bound: Self) -> Self {
            both!(_mm256_min_pd(bound, self))
        }

        #[inline(always)]
        fn raised(self, bound: Self) -> Self {
            both!(_mm256_max_pd(bound, self))
        }

        #[inline(always)]
        fn is_nan(self) -> Avx2 {
            both!(_mm256_cmp_pd::<_CMP_UNORD_Q>(self, self))
        }

        #[inline(always)]
        fn select(mask: Avx2, yes: Self, no: Self) -> Self {
            both!(_mm256_blendv_pd(no, yes, mask))
        }

        #[inline(always)]
        fn add_bits(self, bits: u64) -> Self {
            on_both_bits!(self => _mm256_add_epi64(bits))
        }

        #[inline(always)]
        fn and_bits(self, bits: u64) -> Self {
            on_both_bits!(self => _mm256_and_si256(bits))
        }

        #[inline(always)]
        fn or_bits(self, bits: u64) -> Self {
            on_both_bits!(self => _mm256_or_si256(bits))
        }

        #[inline(always)]
        fn low_to_exponent(self) -> Self {
            on_both_bits!(self => _mm256_slli_epi64::<52>)
        }

        #[inline(always)]
        fn exponent_to_low(self) -> Self {
            on_both_bits!(self => _mm256_srli_epi64::<52>)
        }

        #[inline(always)]
        fn lookup<const COUNT: usize>(self, table: &'static [f64; COUNT]) -> Self {
            const { assert!(COUNT.is_power_of_two()) };
            let places = self.and_bits(COUNT as u64 - 1);
            let entries = table.as_ptr();
            // within the table, whatever the bits
            Avx2(
                unsafe { _mm256_i64gather_pd::<8>(entries, _mm256_castpd_si256(places.0)) },
                unsafe { _mm256_i64gather_pd::<8>(entries, _mm256_castpd_si256(places.1)) },
            )
        }
    }
}
