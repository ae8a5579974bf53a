//! Eight binary64 numbers side by side, with what directed rounding needs: comparisons, choices, exact errors
//! of products, and steps to the neighbours. The results are the same bits in every implementation.

use crate::eval::bulk::Lane;
use crate::eval::bulk::level::Level;

/// One number for each box.
///
/// The implementations for an instruction set are used only in code compiled for that set, which [`run`]
/// enters after it has asked the machine.
pub(super) trait Wide: Copy {
    /// One truth value for each box.
    type Mask: Copy;
    fn splat(x: f64) -> Self;
    fn load(lane: &Lane) -> Self;
    fn store(self, lane: &mut Lane);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn sqrt(self) -> Self;
    /// The smaller; no operand is NaN.
    fn min(self, other: Self) -> Self;
    /// The larger; no operand is NaN.
    fn max(self, other: Self) -> Self;
    fn negate(self) -> Self;
    fn magnitude(self) -> Self;
    /// `self * factor - from` without rounding, where that is a binary64 number and everything is far from
    /// overflow and underflow.
    fn product_less(self, factor: Self, from: Self) -> Self;
    /// `self >= other`; false for NaN.
    fn at_least(self, other: Self) -> Self::Mask;
    fn and(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn all(mask: Self::Mask) -> bool;
    fn choose(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// The number so many steps below, but for those to keep. Finite numbers that many steps or more away from zero.
    fn down_unless(self, keep: Self::Mask, steps: i64) -> Self;
    /// The same above.
    fn up_unless(self, keep: Self::Mask, steps: i64) -> Self;
}

/// Work that is compiled for every instruction set: the implementation and all that it calls must be
/// `#[inline(always)]`.
pub(super) trait Work {
    fn run<V: Wide>(self);
}

/// Does the work with an instruction set.
///
/// # Panics
/// If the machine lacks the set.
#[allow(unsafe_code)]
pub(super) fn run(level: Level, work: impl Work) {
    assert!(Level::available().contains(&level), "the machine lacks {level:?}");
    match level {
        Level::Portable => work.run::<Lane>(),
        // SAFETY: the machine has the set, as just checked
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(work) },
        // SAFETY: the machine has the set, as just checked
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(work) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(work: impl Work) {
    work.run::<x86::Avx2>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl")]
fn avx512(work: impl Work) {
    work.run::<x86::Avx512>();
}

/// The change of the bits of a number that is one step towards minus infinity.
#[inline(always)]
fn downward(x: f64) -> i64 {
    if x.is_sign_negative() { 1 } else { -1 }
}

/// High and low halves of at most 26 bits each (Veltkamp).
#[inline(always)]
fn halves(x: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * x; // 2^27 + 1
    let high = scaled - (scaled - x);
    (high, x - high)
}

macro_rules! each {
    ($lane:ident => $value:expr) => {{
        let mut out: Lane = Default::default();
        for ($lane, out) in out.iter_mut().enumerate() {
            *out = $value;
        }
        out
    }};
}

impl Wide for Lane {
    type Mask = [bool; 8];

    #[inline(always)]
    fn splat(x: f64) -> Lane {
        [x; 8]
    }

    #[inline(always)]
    fn load(lane: &Lane) -> Lane {
        *lane
    }

    #[inline(always)]
    fn store(self, lane: &mut Lane) {
        *lane = self;
    }

    #[inline(always)]
    fn add(self, other: Lane) -> Lane {
        each!(i => self[i] + other[i])
    }

    #[inline(always)]
    fn sub(self, other: Lane) -> Lane {
        each!(i => self[i] - other[i])
    }

    #[inline(always)]
    fn mul(self, other: Lane) -> Lane {
        each!(i => self[i] * other[i])
    }

    #[inline(always)]
    fn div(self, other: Lane) -> Lane {
        each!(i => self[i] / other[i])
    }

    #[inline(always)]
    fn sqrt(self) -> Lane {
        each!(i => self[i].sqrt())
    }

    #[inline(always)]
    fn min(self, other: Lane) -> Lane {
        each!(i => if self[i] < other[i] { self[i] } else { other[i] })
    }

    #[inline(always)]
    fn max(self, other: Lane) -> Lane {
        each!(i => if self[i] > other[i] { self[i] } else { other[i] })
    }

    #[inline(always)]
    fn negate(self) -> Lane {
        each!(i => -self[i])
    }

    #[inline(always)]
    fn magnitude(self) -> Lane {
        each!(i => self[i].abs())
    }

    /// By Dekker's product, since a fused operation is slow where the processor has none.
    #[inline(always)]
    fn product_less(self, factor: Lane, from: Lane) -> Lane {
        each!(i => {
            let product = self[i] * factor[i];
            let ((ah, al), (bh, bl)) = (halves(self[i]), halves(factor[i]));
            let error = al * bl - (((product - ah * bh) - al * bh) - ah * bl);
            (product - from[i]) + error
        })
    }

    #[inline(always)]
    fn at_least(self, other: Lane) -> [bool; 8] {
        std::array::from_fn(|i| self[i] >= other[i])
    }

    #[inline(always)]
    fn and(a: [bool; 8], b: [bool; 8]) -> [bool; 8] {
        std::array::from_fn(|i| a[i] & b[i])
    }

    #[inline(always)]
    fn or(a: [bool; 8], b: [bool; 8]) -> [bool; 8] {
        std::array::from_fn(|i| a[i] | b[i])
    }

    #[inline(always)]
    fn all(mask: [bool; 8]) -> bool {
        mask.iter().all(|x| *x)
    }

    #[inline(always)]
    fn choose(mask: [bool; 8], yes: Lane, no: Lane) -> Lane {
        each!(i => if mask[i] { yes[i] } else { no[i] })
    }

    #[inline(always)]
    fn down_unless(self, keep: [bool; 8], steps: i64) -> Lane {
        each!(i => {
            let change = if keep[i] { 0 } else { steps * downward(self[i]) };
            f64::from_bits(self[i].to_bits().wrapping_add_signed(change))
        })
    }

    #[inline(always)]
    fn up_unless(self, keep: [bool; 8], steps: i64) -> Lane {
        self.down_unless(keep, -steps)
    }
}

// SAFETY of every block below: the intrinsics need their instruction set, which the machine has wherever
// these types are used (see `Wide`), and lanes are eight numbers that may be read and written.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Lane, Wide};

    /// One 512-bit register.
    #[derive(Clone, Copy)]
    pub(super) struct Avx512(__m512d);

    impl Wide for Avx512 {
        type Mask = __mmask8;

        #[inline(always)]
        fn splat(x: f64) -> Self {
            Avx512(unsafe { _mm512_set1_pd(x) })
        }

        #[inline(always)]
        fn load(lane: &Lane) -> Self {
            Avx512(unsafe { _mm512_loadu_pd(lane.as_ptr()) })
        }

        #[inline(always)]
        fn store(self, lane: &mut Lane) {
            unsafe { _mm512_storeu_pd(lane.as_mut_ptr(), self.0) };
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_add_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_sub_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_mul_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn div(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_div_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            Avx512(unsafe { _mm512_sqrt_pd(self.0) })
        }

        #[inline(always)]
        fn min(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_min_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_max_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn negate(self) -> Self {
            Avx512(unsafe { _mm512_xor_pd(self.0, _mm512_set1_pd(-0.0)) })
        }

        #[inline(always)]
        fn magnitude(self) -> Self {
            Avx512(unsafe { _mm512_andnot_pd(_mm512_set1_pd(-0.0), self.0) })
        }

        #[inline(always)]
        fn product_less(self, factor: Self, from: Self) -> Self {
            Avx512(unsafe { _mm512_fmsub_pd(self.0, factor.0, from.0) })
        }

        #[inline(always)]
        fn at_least(self, other: Self) -> __mmask8 {
            unsafe { _mm512_cmp_pd_mask::<_CMP_GE_OQ>(self.0, other.0) }
        }

        #[inline(always)]
        fn and(a: __mmask8, b: __mmask8) -> __mmask8 {
            a & b
        }

        #[inline(always)]
        fn or(a: __mmask8, b: __mmask8) -> __mmask8 {
            a | b
        }

        #[inline(always)]
        fn all(mask: __mmask8) -> bool {
            mask == 0xff
        }

        #[inline(always)]
        fn choose(mask: __mmask8, yes: Self, no: Self) -> Self {
            Avx512(unsafe { _mm512_mask_blend_pd(mask, no.0, yes.0) })
        }

        #[inline(always)]
        fn down_unless(self, keep: __mmask8, steps: i64) -> Self {
            unsafe {
                let bits = _mm512_castpd_si512(self.0);
                let negative = _mm512_movepi64_mask(bits);
                let down = _mm512_set1_epi64(-steps);
                let change = _mm512_mask_set1_epi64(down, negative, steps);
                Avx512(_mm512_castsi512_pd(_mm512_mask_add_epi64(
                    bits, !keep, bits, change,
                )))
            }
        }

        #[inline(always)]
        fn up_unless(self, keep: __mmask8, steps: i64) -> Self {
            self.down_unless(keep, -steps)
        }
    }

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(__m256d, __m256d);

    macro_rules! pairwise {
        ($name:ident, $intrinsic:ident) => {
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                unsafe { Avx2($intrinsic(self.0, other.0), $intrinsic(self.1, other.1)) }
            }
        };
    }

    impl Wide for Avx2 {
        type Mask = (__m256d, __m256d);

        #[inline(always)]
        fn splat(x: f64) -> Self {
            let all = unsafe { _mm256_set1_pd(x) };
            Avx2(all, all)
        }

        #[inline(always)]
        fn load(lane: &Lane) -> Self {
            let (low, high) = lane.split_at(4);
            unsafe { Avx2(_mm256_loadu_pd(low.as_ptr()), _mm256_loadu_pd(high.as_ptr())) }
        }

        #[inline(always)]
        fn store(self, lane: &mut Lane) {
            let (low, high) = lane.split_at_mut(4);
            unsafe {
                _mm256_storeu_pd(low.as_mut_ptr(), self.0);
                _mm256_storeu_pd(high.as_mut_ptr(), self.1);
            }
        }

        pairwise!(add, _mm256_add_pd);
        pairwise!(sub, _mm256_sub_pd);
        pairwise!(mul, _mm256_mul_pd);
        pairwise!(div, _mm256_div_pd);
        pairwise!(min, _mm256_min_pd);
        pairwise!(max, _mm256_max_pd);

        #[inline(always)]
        fn sqrt(self) -> Self {
            unsafe { Avx2(_mm256_sqrt_pd(self.0), _mm256_sqrt_pd(self.1)) }
        }

        #[inline(always)]
        fn negate(self) -> Self {
            let sign = unsafe { _mm256_set1_pd(-0.0) };
            unsafe { Avx2(_mm256_xor_pd(self.0, sign), _mm256_xor_pd(self.1, sign)) }
        }

        #[inline(always)]
        fn magnitude(self) -> Self {
            let sign = unsafe { _mm256_set1_pd(-0.0) };
            unsafe { Avx2(_mm256_andnot_pd(sign, self.0), _mm256_andnot_pd(sign, self.1)) }
        }

        #[inline(always)]
        fn product_less(self, factor: Self, from: Self) -> Self {
            unsafe {
                Avx2(
                    _mm256_fmsub_pd(self.0, factor.0, from.0),
                    _mm256_fmsub_pd(self.1, factor.1, from.1),
                )
            }
        }

        #[inline(always)]
        fn at_least(self, other: Self) -> (__m256d, __m256d) {
            unsafe {
                (
                    _mm256_cmp_pd::<_CMP_GE_OQ>(self.0, other.0),
                    _mm256_cmp_pd::<_CMP_GE_OQ>(self.1, other.1),
                )
            }
        }

        #[inline(always)]
        fn and(a: Self::Mask, b: Self::Mask) -> Self::Mask {
            unsafe { (_mm256_and_pd(a.0, b.0), _mm256_and_pd(a.1, b.1)) }
        }

        #[inline(always)]
        fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask {
            unsafe { (_mm256_or_pd(a.0, b.0), _mm256_or_pd(a.1, b.1)) }
        }

        #[inline(always)]
        fn all(mask: Self::Mask) -> bool {
            unsafe { _mm256_movemask_pd(_mm256_and_pd(mask.0, mask.1)) == 0xf }
        }

        #[inline(always)]
        fn choose(mask: Self::Mask, yes: Self, no: Self) -> Self {
            unsafe {
                Avx2(
                    _mm256_blendv_pd(no.0, yes.0, mask.0),
                    _mm256_blendv_pd(no.1, yes.1, mask.1),
                )
            }
        }

        #[inline(always)]
        fn down_unless(self, keep: Self::Mask, steps: i64) -> Self {
            // no closure: it would not be compiled for the instruction set
            macro_rules! step {
                ($x:expr, $keep:expr) => {{
                    let (down, up) = (_mm256_set1_epi64x(-steps), _mm256_set1_epi64x(steps));
                    let change = _mm256_blendv_pd(_mm256_castsi256_pd(down), _mm256_castsi256_pd(up), $x);
                    let change = _mm256_castpd_si256(_mm256_andnot_pd($keep, change));
                    _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256($x), change))
                }};
            }
            unsafe { Avx2(step!(self.0, keep.0), step!(self.1, keep.1)) }
        }

        #[inline(always)]
        fn up_unless(self, keep: Self::Mask, steps: i64) -> Self {
            self.down_unless(keep, -steps)
        }
    }
}
