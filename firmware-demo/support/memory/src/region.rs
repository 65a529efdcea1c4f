/// The flash in which a model may lie, as the board's `board.toml` names it.
#[allow(unsafe_code, reason = "the region's bounds come from the linker")]
pub fn model_region() -> &'static [u8] {
    unsafe extern "C" {
        static __model_start: u8;
        static __model_end: u8;
    }
    let start = &raw const __model_start;
    let len = (&raw const __model_end).addr() - start.addr();
    // SAFETY: the linker script gives both symbols the bounds of one region of memory; no section lies in it
    // and no code writes it.
    unsafe { core::slice::from_raw_parts(start, len) }
}
