//! The bound on memory: an allocator that counts what the process holds, and aborts when one input makes it hold more
//! than that input can be worth. libFuzzer reports the abort as a crash, with the input that caused it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What any input may cost, however short: an event or a column that inflates to 1 MiB (the limit of a build for fuzzing),
/// as text three times that long, as JSON six times, in buffers that double, and twice, because the targets compare.
pub const ANY_INPUT: usize = 24 << 20;

/// What each byte of an input may cost on top. The dearest is a column of a table map: one byte becomes its description,
/// its width, its plan and the details that the targets put beside it. 64 KiB of input come to 64 MiB in all.
pub const EACH_BYTE: usize = 640;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Runs what is done with `input`. The process aborts if it comes to hold more than the bound beyond what it held before.
pub fn bounded<T>(input: &[u8], run: impl FnOnce() -> T) -> T {
    let bound = ANY_INPUT + EACH_BYTE * input.len();
    MOST.store(HELD.load(Relaxed) + bound, Relaxed);
    let result = run();
    MOST.store(usize::MAX, Relaxed);
    result
}

/// Before the memory is asked for: what would be refused must be seen too.
fn taken(size: usize) {
    let held = HELD.fetch_add(size, Relaxed).saturating_add(size);
    let most = MOST.load(Relaxed);
    // A panic's own trace needs much, and is a finding already.
    if held > most && !std::thread::panicking() {
        // The message and the trace need memory themselves.
        MOST.store(usize::MAX, Relaxed);
        eprintln!(
            "OUTSIZED ALLOCATION: {size} bytes asked for, {} bytes beyond the bound of this input",
            held - most
        );
        std::process::abort();
    }
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code)]
// SAFETY: every call goes to the system's allocator as it came; only counters change beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if new_size > layout.size() {
            taken(new_size - layout.size());
        } else {
            HELD.fetch_sub(layout.size() - new_size, Relaxed);
        }
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}
