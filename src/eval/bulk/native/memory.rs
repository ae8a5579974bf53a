//! Memory that holds machine code.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use crate::eval::bulk::buffer::Lane;

/// Code that can be called; it is not changed any more.
#[derive(Debug)]
pub(super) struct Executable {
    start: NonNull<libc::c_void>,
    length: usize,
}

// SAFETY: it is only read
unsafe impl Send for Executable {}
// SAFETY: likewise
unsafe impl Sync for Executable {}

impl Executable {
    /// `None` where the system gives no such memory.
    pub(super) fn new(code: &[u8]) -> Option<Executable> {
        let length = code.len().max(1);
        let (write, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: new memory, wherever there is room
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, write, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let memory = Executable {
            start: NonNull::new(start)?,
            length,
        };
        // SAFETY: it has that length, nothing else uses it, and it is never written again
        let done = unsafe {
            start
                .cast::<u8>()
                .copy_from_nonoverlapping(code.as_ptr(), code.len());
            libc::mprotect(start, length, libc::PROT_READ | libc::PROT_EXEC)
        };
        (done == 0).then_some(memory)
    }

    /// Calls it with its buffers, its numbers, and how often it shall repeat.
    ///
    /// # Safety
    /// The code must be a function of this kind, for the instructions of this machine; its buffers and numbers must be as long as it takes for granted.
    pub(super) unsafe fn call(
        &self,
        [first, second, results, memory]: [*mut Lane; 4],
        numbers: *const f64,
        count: usize,
    ) {
        type Function =
            unsafe extern "sysv64" fn(*mut Lane, *mut Lane, *mut Lane, *mut Lane, *const f64, usize);
        // SAFETY: as the caller says
        unsafe {
            let function: Function = std::mem::transmute(self.start.as_ptr());
            function(first, second, results, memory, numbers, count);
        }
    }
}

impl Drop for Executable {
    fn drop(&mut self) {
        // SAFETY: nobody can call it any more
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}
