//! How deep the stack gets.

use core::hint::black_box;

/// A word that a program hardly ever leaves on its stack.
const PAINT: u32 = 0x7ac7_1e57;
/// Words that are painted. No work here goes deeper.
const WORDS: usize = 8 * 1024;
/// Bytes that the painter itself may use. Work that takes less is reported to take as many.
const OWN: usize = 256;

/// Runs `work` and gives its result and the bytes of stack that it took below this function.
///
/// `work` should only call a function that is not inlined, or some of its stack is its caller's.
#[inline(never)]
pub fn depth<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let top = paint();
    let result = work();
    (result, used(top))
}

/// Paints the unused stack, and gives the address at which it begins.
#[inline(never)]
#[allow(unsafe_code, reason = "the unused stack belongs to no variable")]
fn paint() -> usize {
    let here = 0u32;
    let top = black_box(&raw const here).addr() & !3;
    for i in 0..WORDS {
        // SAFETY: aligned memory of the stack, further below than the frame of this function
        // reaches, so nobody uses it; no interrupt is enabled. The linker leaves room for more.
        unsafe { lowest(top).add(i).write_volatile(PAINT) }
    }
    top
}

/// The bytes of stack below `top` that no longer are as they were painted.
#[inline(never)]
#[allow(unsafe_code, reason = "the unused stack belongs to no variable")]
fn used(top: usize) -> usize {
    // SAFETY: as in `paint`; whatever is there now is a word.
    let is_clean = |&i: &usize| unsafe { lowest(top).add(i).read_volatile() } == PAINT;
    let clean = (0..WORDS).take_while(is_clean).count();
    OWN + (WORDS - clean) * size_of::<u32>()
}

/// The lowest word that is painted. The stack grows down from `top`.
fn lowest(top: usize) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut(top - OWN - WORDS * size_of::<u32>())
}
