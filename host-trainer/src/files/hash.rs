//! A hash to notice that something is another than before.

use fnv::FnvHasher;
use std::hash::Hasher;

/// FNV-1a of bytes, 64 bits in hexadecimal: the same in every version of this program.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> String {
    let mut hasher = FnvHasher::default();
    bytes.into_iter().for_each(|byte| hasher.write(&[byte]));
    format!("{:016x}", hasher.finish())
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
