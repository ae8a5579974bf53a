//! Blocks of points side by side.

/// Points that are evaluated together: each entry of a tensor is that many numbers, one per point.
pub const LANES: usize = 8;

/// One entry of a tensor at all points of the block.
pub type Lane = [f64; LANES];

/// Entries of tensors, aligned to cache lines.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    memory: Vec<f64>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// Room for so many entries.
    pub(super) fn new(entries: usize) -> Buffer {
        let length = entries * LANES;
        let memory = vec![0.0; length + LANES];
        // the answer may also be "cannot be aligned": then the block stays where it is
        let start = match memory.as_ptr().align_offset(LANES * size_of::<f64>()) {
            start if start <= LANES => start,
            _ => 0,
        };
        Buffer {
            memory,
            start,
            length,
        }
    }

    /// All numbers, the points of an entry side by side.
    #[inline(always)]
    pub(super) fn numbers(&self) -> &[f64] {
        &self.memory[self.start..][..self.length]
    }

    #[inline(always)]
    pub(super) fn numbers_mut(&mut self) -> &mut [f64] {
        &mut self.memory[self.start..][..self.length]
    }

    /// All entries.
    #[inline(always)]
    pub(super) fn lanes(&self) -> &[Lane] {
        self.numbers().as_chunks().0
    }

    #[inline(always)]
    pub(super) fn lanes_mut(&mut self) -> &mut [Lane] {
        self.numbers_mut().as_chunks_mut().0
    }
}
