//! Blocks of points side by side.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

/// Points that are evaluated together: each entry of a tensor is that many numbers, one per point.
pub const LANES: usize = 8;

/// One entry of a tensor at all points of the block.
pub type Lane = [f64; LANES];

/// Bytes of a cache line: where buffers begin.
const LINE: usize = LANES * size_of::<f64>();
/// Bytes of a large page.
const LARGE_PAGE: usize = 2 << 20;

/// Memory for some buffers together: many small pages, each with an address to be looked up, made W5 slower by a seventh.
#[derive(Debug)]
struct Memory {
    start: NonNull<Lane>,
    /// what it is a part of; used by pointers alone
    _numbers: Vec<f64>,
}

impl Memory {
    /// So many entries, all 0, which take nothing before they are used; in large pages, if the system has them and there are enough
    /// for one.
    fn new(entries: usize) -> Memory {
        let bytes = entries * LINE;
        let align = if bytes >= LARGE_PAGE { LARGE_PAGE } else { LINE };
        let mut numbers = vec![0.0f64; (bytes + align) / size_of::<f64>()];
        let start = numbers.as_mut_ptr();
        // the answer may also be "cannot be aligned": then it stays where it is
        let start = match start.align_offset(align) {
            // SAFETY: there is room for that much more
            skipped if skipped * size_of::<f64>() <= align => unsafe { start.add(skipped) },
            _ => start,
        };
        #[cfg(target_os = "linux")]
        if align == LARGE_PAGE {
            // SAFETY: advice about our own memory, which the system is free to refuse
            unsafe { libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Memory {
            // SAFETY: a vector is nowhere null
            start: unsafe { NonNull::new_unchecked(start.cast()) },
            _numbers: numbers,
        }
    }
}

// SAFETY: it only owns; the buffers say who may use what of it
unsafe impl Send for Memory {}
// SAFETY: likewise
unsafe impl Sync for Memory {}

/// Entries of tensors, aligned to cache lines.
#[derive(Debug)]
pub(super) struct Buffer {
    start: NonNull<Lane>,
    length: usize,
    /// what it is a part of; absent where it has no entries
    _memory: Option<Arc<Memory>>,
}

// SAFETY: a buffer is the only one with its part of the memory, and nothing else of the memory is used
unsafe impl Send for Buffer {}
// SAFETY: likewise; it is changed through exclusive references alone
unsafe impl Sync for Buffer {}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer {
            start: NonNull::dangling(),
            length: 0,
            _memory: None,
        }
    }
}

impl Buffer {
    /// Buffers of so many entries, all 0.
    pub(super) fn all(entries: &[usize]) -> Vec<Buffer> {
        let total: usize = entries.iter().sum();
        let memory = Arc::new(Memory::new(total));
        let mut start = memory.start;
        (entries.iter())
            .map(|&length| {
                let buffer = Buffer {
                    start,
                    length,
                    _memory: Some(memory.clone()),
                };
                // SAFETY: within the memory, or at its end
                start = unsafe { start.add(length) };
                buffer
            })
            .collect()
    }

    /// Its first entry, for code that is not checked.
    pub(super) fn pointer(&mut self) -> *mut Lane {
        self.start.as_ptr()
    }

    /// All entries.
    #[inline(always)]
    pub(super) fn lanes(&self) -> &[Lane] {
        // SAFETY: its part of the memory, which it keeps
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    #[inline(always)]
    pub(super) fn lanes_mut(&mut self) -> &mut [Lane] {
        // SAFETY: its part of the memory, which it keeps, and which no other buffer has
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_apart() {
        for entries in [vec![], vec![0, 3, 0, 1], vec![40_000, 7, 30_000]] {
            let mut buffers = Buffer::all(&entries);
            for (number, buffer) in buffers.iter_mut().enumerate() {
                assert!(buffer.lanes().iter().all(|lane| *lane == [0.0; LANES]));
                assert!(buffer.lanes().as_ptr().addr().is_multiple_of(LINE));
                buffer.lanes_mut().fill([number as f64; LANES]);
            }
            let first = buffers.first_mut().map(std::mem::take);
            for (number, (buffer, entries)) in first
                .iter()
                .chain(buffers.iter().skip(1))
                .zip(&entries)
                .enumerate()
            {
                assert_eq!(buffer.lanes(), vec![[number as f64; LANES]; *entries]);
            }
        }
    }
}
