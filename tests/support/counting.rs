//! An allocator that counts what each thread asks of it. Whoever includes this file sets it as its `#[global_allocator]`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count.
pub struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has asked for memory so far; to be given more is asked for, to give back is not.
pub fn allocations() -> u64 {
    ASKED.get()
}

fn count() {
    // the thread's own values are gone while it ends
    let _ = ASKED.try_with(|n| n.set(n.get() + 1));
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its trait; each call goes to the system's as it came")]
// SAFETY: every method hands its arguments on to the system's allocator, which keeps the contract
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(ptr, layout, size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }
}
