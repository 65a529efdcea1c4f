//! A hash to notice that something is another than before.

/// FNV-1a of bytes, 64 bits in hexadecimal (Fowler, Noll, Vo).
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> String {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_values() {
        assert_eq!(fnv1a(*b""), "cbf29ce484222325");
        assert_eq!(fnv1a(*b"a"), "af63dc4c8601ec8c");
        assert_eq!(fnv1a(*b"foobar"), "85944171f73967e8");
    }
}
