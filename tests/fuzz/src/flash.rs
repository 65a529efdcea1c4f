//! Bytes in memory as they lie in flash.

use lstm_core::export::ARRAY_ALIGN;

/// Bytes at a multiple of 16, plus an offset, that end where the memory ends.
pub(crate) struct Flash {
    bytes: Vec<u8>,
    start: usize,
}

impl Flash {
    pub(crate) fn new(content: &[u8], offset: usize) -> Self {
        let mut bytes: Vec<u8> = Vec::with_capacity(content.len() + 2 * ARRAY_ALIGN);
        let start = bytes.as_ptr().align_offset(ARRAY_ALIGN) + offset;
        bytes.resize(start, 0);
        bytes.extend_from_slice(content);
        Flash { bytes, start }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}
