//! In the steady state no step on an event's way allocates: counted, not believed.

#[path = "../../benches/paths/mod.rs"]
mod paths;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocations of this thread; others (the test's harness) do as they like.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator is made of unsafe functions; these only count and pass on")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Events after which buffers and tables have their size.
const SETTLED: u32 = 20_000;
const EVENTS: u32 = 100_000;

fn counted(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn the_count_sees_an_allocation() {
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(7)))), 1);
    assert_eq!(counted(|| ()), 0);
}

#[test]
fn no_step_allocates_once_it_has_settled() {
    let _beside = crate::support::machine::beside_others();
    let mut found = Vec::new();
    for mut step in paths::steps() {
        (0..SETTLED).for_each(&mut step.take);
        let count = counted(|| (SETTLED..SETTLED + EVENTS).for_each(&mut step.take));
        if count > 0 {
            found.push((step.name, count));
        }
    }
    assert_eq!(found, [], "allocations in {EVENTS} events");
}
