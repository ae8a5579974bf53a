//! An entry at all points of a block in registers, for the inner loop of the matrix product: the one
//! place where the compiler does not find the registers by itself.
//!
//! Products and sums are rounded one by one in every implementation.

use super::buffer::{LANES, Lane};

/// The numbers of one entry.
///
/// The implementations for an instruction set are used only in code compiled for that set, which
/// [`super::level`] enters after it has asked the machine.
pub(super) trait Vector: Copy {
    fn splat(x: f64) -> Self;
    fn load(lane: &Lane) -> Self;
    fn store(self) -> Lane;
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
}

impl Vector for Lane {
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
    fn add(mut self, other: Lane) -> Lane {
        for lane in 0..LANES {
            self[lane] += other[lane];
        }
        self
    }

    #[inline(always)]
    fn mul(mut self, other: Lane) -> Lane {
        for lane in 0..LANES {
            self[lane] *= other[lane];
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

    use super::{LANES, Lane, Vector};

    /// One 512-bit register.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512d);

    impl Vector for Avx512 {
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
        fn add(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_add_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_mul_pd(self.0, other.0) })
        }
    }

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256d, __m256d);

    impl Vector for Avx2 {
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
        fn add(self, other: Self) -> Self {
            Avx2(unsafe { _mm256_add_pd(self.0, other.0) }, unsafe {
                _mm256_add_pd(self.1, other.1)
            })
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Avx2(unsafe { _mm256_mul_pd(self.0, other.0) }, unsafe {
                _mm256_mul_pd(self.1, other.1)
            })
        }
    }
}
