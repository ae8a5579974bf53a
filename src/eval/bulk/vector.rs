//! An entry at all points of a block in registers, for the inner loop of the matrix product: the one
//! place where the compiler does not find the registers by itself.
//!
//! A product and the sum that it goes into are rounded once in every implementation, also where the machine has no
//! instruction for it (there slowly): the bits are the same everywhere.

use super::buffer::{LANES, Lane};

/// The numbers of one entry.
///
/// The implementations for an instruction set are used only in code compiled for that set, which
/// [`super::level`] enters after it has asked the machine.
pub(crate) trait Vector: Copy {
    /// Words of 32 bits in registers of the same set.
    type Words: Words;
    fn splat(x: f64) -> Self;
    fn load(lane: &Lane) -> Self;
    fn store(self) -> Lane;
    /// `self * factor + sum`, rounded once.
    fn mul_add(self, factor: Self, sum: Self) -> Self;
}

/// Sixteen words: two for each point, for random numbers.
pub(crate) trait Words: Copy {
    fn load(words: &[u32; 2 * LANES]) -> Self;
    fn store(self) -> [u32; 2 * LANES];
    /// Modulo 2^32.
    fn add(self, other: Self) -> Self;
    /// `(self ^ other)` rotated by `LEFT` bits; `RIGHT = 32 - LEFT`.
    fn xor_rotate<const LEFT: i32, const RIGHT: i32>(self, other: Self) -> Self;
}

impl Words for [u32; 2 * LANES] {
    #[inline(always)]
    fn load(words: &[u32; 2 * LANES]) -> Self {
        *words
    }

    #[inline(always)]
    fn store(self) -> [u32; 2 * LANES] {
        self
    }

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for lane in 0..2 * LANES {
            self[lane] = self[lane].wrapping_add(other[lane]);
        }
        self
    }

    #[inline(always)]
    fn xor_rotate<const LEFT: i32, const RIGHT: i32>(mut self, other: Self) -> Self {
        for lane in 0..2 * LANES {
            self[lane] = (self[lane] ^ other[lane]).rotate_left(LEFT as u32);
        }
        self
    }
}

impl Vector for Lane {
    type Words = [u32; 2 * LANES];

    #[inline(always)]
    fn splat(x: f64) -> Lane {
        [x; LANES]
    }

    #[inline(always)]
    fn load(lane: &Lane) -> Lane {
        *lane
    }

    #[inline(always)]
    fn store(self) -> Lane {
        self
    }

    #[inline(always)]
    fn mul_add(mut self, factor: Lane, sum: Lane) -> Lane {
        for lane in 0..LANES {
            self[lane] = self[lane].mul_add(factor[lane], sum[lane]);
        }
        self
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

    use super::{LANES, Lane, Vector, Words};

    /// One 512-bit register.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512d);

    impl Words for __m512i {
        #[inline(always)]
        fn load(words: &[u32; 2 * LANES]) -> Self {
            unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
        }

        #[inline(always)]
        fn store(self) -> [u32; 2 * LANES] {
            let mut words = [0; 2 * LANES];
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self) };
            words
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

        #[inline(always)]
        fn splat(x: f64) -> Self {
            Avx512(unsafe { _mm512_set1_pd(x) })
        }

        #[inline(always)]
        fn load(lane: &Lane) -> Self {
            Avx512(unsafe { _mm512_loadu_pd(lane.as_ptr()) })
        }

        #[inline(always)]
        fn store(self) -> Lane {
            let mut lane = [0.0; LANES];
            unsafe { _mm512_storeu_pd(lane.as_mut_ptr(), self.0) };
            lane
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, sum: Self) -> Self {
            Avx512(unsafe { _mm512_fmadd_pd(self.0, factor.0, sum.0) })
        }
    }

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256d, __m256d);

    impl Words for [__m256i; 2] {
        #[inline(always)]
        fn load(words: &[u32; 2 * LANES]) -> Self {
            let (low, high) = words.split_at(LANES);
            [low, high].map(|half| unsafe { _mm256_loadu_si256(half.as_ptr().cast()) })
        }

        #[inline(always)]
        fn store(self) -> [u32; 2 * LANES] {
            let mut words = [0; 2 * LANES];
            for (half, words) in self.into_iter().zip(words.chunks_mut(LANES)) {
                unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), half) };
            }
            words
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            [unsafe { _mm256_add_epi32(self[0], other[0]) }, unsafe {
                _mm256_add_epi32(self[1], other[1])
            }]
        }

        #[inline(always)]
        fn xor_rotate<const LEFT: i32, const RIGHT: i32>(self, other: Self) -> Self {
            let turned = |x, y| unsafe {
                let mixed = _mm256_xor_si256(x, y);
                _mm256_or_si256(
                    _mm256_slli_epi32::<LEFT>(mixed),
                    _mm256_srli_epi32::<RIGHT>(mixed),
                )
            };
            [turned(self[0], other[0]), turned(self[1], other[1])]
        }
    }

    impl Vector for Avx2 {
        type Words = [__m256i; 2];

        #[inline(always)]
        fn splat(x: f64) -> Self {
            let all = unsafe { _mm256_set1_pd(x) };
            Avx2(all, all)
        }

        #[inline(always)]
        fn load(lane: &Lane) -> Self {
            let (low, high) = lane.split_at(LANES / 2);
            Avx2(unsafe { _mm256_loadu_pd(low.as_ptr()) }, unsafe {
                _mm256_loadu_pd(high.as_ptr())
            })
        }

        #[inline(always)]
        fn store(self) -> Lane {
            let mut lane = [0.0; LANES];
            let (low, high) = lane.split_at_mut(LANES / 2);
            unsafe { _mm256_storeu_pd(low.as_mut_ptr(), self.0) };
            unsafe { _mm256_storeu_pd(high.as_mut_ptr(), self.1) };
            lane
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, sum: Self) -> Self {
            Avx2(unsafe { _mm256_fmadd_pd(self.0, factor.0, sum.0) }, unsafe {
                _mm256_fmadd_pd(self.1, factor.1, sum.1)
            })
        }
    }
}
