//! CRC-32: on a chip four bits at a time, with a table of 64 bytes, and so in a browser, which
//! downloads the program; on the desk the `crc32fast` crate, whose tables take 16 kB.

/// A CRC-32 (ISO-HDLC, as in zip and Ethernet) under way.
#[derive(Clone, Copy)]
pub(crate) struct Crc(u32);

impl Crc {
    /// Of no byte.
    pub(crate) const fn new() -> Self {
        Crc(!0)
    }

    /// Appends bytes.
    #[cfg(not(any(unix, windows)))]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0 = append(self.0, bytes);
    }

    /// Appends bytes.
    #[cfg(any(unix, windows))]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.value());
        hasher.update(bytes);
        self.0 = !hasher.finalize();
    }

    /// The checksum of the bytes so far.
    pub(crate) const fn value(self) -> u32 {
        !self.0
    }
}

/// The checksum of some bytes.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.value()
}

/// The state after more bytes.
#[cfg(any(not(any(unix, windows)), test))]
#[inline(never)]
fn append(mut state: u32, bytes: &[u8]) -> u32 {
    /// What each value of the low four bits becomes.
    static TABLE: [u32; 16] = table();
    for &byte in bytes {
        state ^= u32::from(byte);
        state = TABLE[(state & 0xf) as usize] ^ state >> 4;
        state = TABLE[(state & 0xf) as usize] ^ state >> 4;
    }
    state
}

#[cfg(any(not(any(unix, windows)), test))]
const fn table() -> [u32; 16] {
    /// The polynomial, its bits in reverse.
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 16];
    let mut n = 0;
    while n < 16 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bits_at_a_time_are_as_good() {
        let bytes: std::vec::Vec<u8> = (0..1000u32).map(|i| ((i * i) >> 3) as u8).collect();
        for length in (0..bytes.len()).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let (start, rest) = bytes[..length].split_at(length / 3);
            let mut crc = Crc::new();
            crc.update(start);
            crc.update(rest);
            assert_eq!(!append(append(!0, start), rest), crc.value());
        }
    }

    #[test]
    fn the_checksum_is_the_one_of_the_catalogues() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
