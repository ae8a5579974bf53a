//! Instruction sets: the same code compiled for several, one chosen when the program runs.

use super::vector;
pub(crate) use super::vector::{Vector, Words};

/// An instruction set. The results are the same bits on all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// what every machine of the architecture has
    Portable,
    /// 256-bit registers
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit registers
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The sets that this machine has, the widest last.
    pub fn available() -> Vec<Level> {
        let all = [
            Level::Portable,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512,
        ];
        all.into_iter().filter(|level| level.is_available()).collect()
    }

    fn is_available(self) -> bool {
        match self {
            Level::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                Level::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }

    /// The widest set that this machine has.
    pub fn widest() -> Level {
        Level::available().pop().unwrap_or(Level::Portable)
    }

    /// Runs a kernel with this set.
    ///
    /// # Panics
    /// If the machine lacks the set.
    #[allow(unsafe_code)]
    pub(crate) fn run(self, kernel: impl Kernel) {
        assert!(self.is_available(), "the machine lacks {self:?}");
        match self {
            Level::Portable => kernel.run::<vector::Portable, 1>(),
            // SAFETY: the machine has the set, as just checked
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(kernel) },
            // SAFETY: the machine has the set, as just checked
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512(kernel) },
        }
    }
}

/// Loops over neighbouring numbers that are compiled for every set: the implementation and all that it
/// calls must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// `V` is how a set holds an entry; matrix products keep tiles of `ROWS` by two entries in
    /// registers.
    fn run<V: Vector, const ROWS: usize>(self);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(kernel: impl Kernel) {
    kernel.run::<vector::Avx2, 2>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl")]
fn avx512(kernel: impl Kernel) {
    kernel.run::<vector::Avx512, 8>();
}
