use lstm_core::Aligned;
use static_cell::ConstStaticCell;

/// RAM for a copy of a model of so many bytes, in a `static` of the board.
pub type ModelCopy<const BYTES: usize> = ConstStaticCell<Aligned<[u8; BYTES]>>;

/// That RAM, not yet taken.
pub const fn model_copy<const BYTES: usize>() -> ModelCopy<BYTES> {
    ConstStaticCell::new(Aligned([0; BYTES]))
}

/// The number in the text that a board's build script hands over: `bytes(env!("BOARD_MODEL_COPY"))`.
///
/// # Panics
///
/// In the compiler, if it is no number.
pub const fn bytes(text: &str) -> usize {
    match usize::from_str_radix(text, 10) {
        Ok(bytes) => bytes,
        Err(_) => panic!("expected bytes"),
    }
}
