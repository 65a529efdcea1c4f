use std::{fmt, ops::Range};

use serde::Deserialize;

use crate::error::Error;

/// A number of bytes: in a file a string such as `"512K"`, `"2M"` or `"256"`, as linker scripts have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(pub u32);

impl TryFrom<String> for Bytes {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let (number, shift) = match text.strip_suffix(['K', 'M']) {
            Some(number) if text.ends_with('K') => (number, 10),
            Some(number) => (number, 20),
            None => (&text[..], 0),
        };
        let count = number
            .parse()
            .ok()
            .and_then(|n: u32| n.checked_mul(1 << shift));
        count.map(Bytes).ok_or_else(|| {
            Error::new(format!(
                "found {text:?}, expected bytes such as \"512K\" or \"2M\""
            ))
        })
    }
}

/// For people: `192 KB`, `3.5 MB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes < 1 << 10 => write!(f, "{bytes} bytes"),
            bytes if bytes < 1 << 20 => write!(f, "{} KB", f64::from(bytes) / 1024.0),
            bytes => write!(f, "{} MB", f64::from(bytes) / 1024.0 / 1024.0),
        }
    }
}

/// A part of a chip's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// The address of its first byte.
    pub start: u32,
    /// Its length.
    pub size: Bytes,
}

impl Region {
    /// Its addresses.
    pub fn range(&self) -> Range<u64> {
        let start = u64::from(self.start);
        start..start + u64::from(self.size.0)
    }

    /// Whether the two have a byte in common.
    pub fn overlaps(&self, other: &Region) -> bool {
        let (a, b) = (self.range(), other.range());
        a.start < b.end && b.start < a.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        let read = |text: &str| Bytes::try_from(text.to_owned());
        for (text, bytes, shown) in [
            ("256", 256, "256 bytes"),
            ("24K", 24 << 10, "24 KB"),
            ("1536K", 1536 << 10, "1.5 MB"),
            ("3M", 3 << 20, "3 MB"),
        ] {
            assert_eq!(read(text), Ok(Bytes(bytes)));
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
        for text in ["", "K", "12k", "-1", "4096M", "1.5M"] {
            let line = format!("found {text:?}, expected bytes such as \"512K\" or \"2M\"");
            assert_eq!(read(text).map_err(|e| e.to_string()), Err(line));
        }
    }

    #[test]
    fn regions_that_touch_do_not_overlap() {
        let region = |start, size| Region {
            start,
            size: Bytes(size),
        };
        assert!(!region(0, 16).overlaps(&region(16, 16)));
        assert!(region(0, 17).overlaps(&region(16, 16)));
        // The last byte of the address space.
        assert_eq!(region(u32::MAX, 1).range().end, 1 << 32);
    }
}
