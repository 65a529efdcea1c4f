//! Reads a word from bytes, at an address that happens to be aligned: what lstm-core must not do.
//!
//! `cargo +nightly miri run -p miri-control` has to end with "Undefined Behavior". Elsewhere it runs.

#[expect(unsafe_code, reason = "the control of the tests under Miri")]
fn main() {
    let bytes = [1u8; 8];
    let first = bytes.as_ptr().addr().wrapping_neg() % 4;
    // SAFETY: within the bytes and aligned, but by luck: that Miri objects is what is wanted.
    let word = unsafe { *bytes.as_ptr().add(first).cast::<u32>() };
    assert_eq!(word, 0x0101_0101);
}
