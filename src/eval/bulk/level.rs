//! Instruction sets: the same code compiled for several, one chosen when the program runs.

use super::buffer::{Buffer, Lane};
use super::kernels::execute;
use super::plan::Plan;
#[cfg(target_arch = "x86_64")]
use super::vector;

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
            Level::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                is_x86_feature_detected!("avx2")
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

    /// Runs the plan on one block of points.
    ///
    /// # Panics
    /// If the machine lacks the set.
    #[allow(unsafe_code)]
    pub(super) fn run(self, plan: &Plan, slots: &mut [Buffer]) {
        assert!(self.is_available(), "the machine lacks {self:?}");
        match self {
            Level::Portable => execute::<Lane, 1, 2>(plan, slots),
            // SAFETY: the machine has the set, as just checked
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(plan, slots) },
            // SAFETY: the machine has the set, as just checked
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512(plan, slots) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(plan: &Plan, slots: &mut [Buffer]) {
    execute::<vector::Avx2, 2, 2>(plan, slots);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512dq,avx512vl")]
fn avx512(plan: &Plan, slots: &mut [Buffer]) {
    execute::<vector::Avx512, 4, 4>(plan, slots);
}
