//! Numbers within bounds, which a flag and a config file refuse alike.

use crate::network::config::MAX_EMBEDDING;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

/// From 1 to `MAX`.
pub type Count<const MAX: i64> = Whole<1, MAX>;
/// Characters of a window; 0 for a carried state.
pub type Window = Whole<0, { lstm_core::MAX_WINDOW as i64 }>;
/// Units of a layer, as many as the device's engine takes.
pub type Hidden = Count<{ lstm_core::MAX_HIDDEN as i64 }>;
/// The width of an embedding.
pub type Embedding = Count<{ MAX_EMBEDDING as i64 }>;
/// Any number from 0 on that a TOML file holds.
pub type Natural = Whole<0, { i64::MAX }>;

impl<const MIN: i64, const MAX: i64> TryFrom<i64> for Whole<MIN, MAX> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        match MAX {
            i64::MAX => Err(format!("found {number}, expected {MIN} or more")),
            _ => Err(format!("found {number}, expected {MIN} to {MAX}")),
        }
    }
}

impl<const MIN: i64, const MAX: i64> From<Whole<MIN, MAX>> for i64 {
    fn from(number: Whole<MIN, MAX>) -> Self {
        number.0
    }
}

impl<const MIN: i64, const MAX: i64> FromStr for Whole<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: i64 = text.parse().map_err(|e| format!("{e}"))?;
        number.try_into()
    }
}

impl<const MIN: i64, const MAX: i64> Display for Whole<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    /// Of a number that is known to be within the bounds, or the nearest that is.
    pub fn nearest(number: impl TryInto<i64>) -> Self {
        Self(number.try_into().unwrap_or(MAX).clamp(MIN, MAX))
    }

    /// For sizes; 0 or more.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// For counts and seeds; 0 or more.
    pub fn count(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// So many bytes, such as `393216`, `384K` or `1.1M`: K stands for 1024 of them, M for 1024 K.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenBytes", into = "i64")]
pub struct Bytes(i64);

/// Bytes in a TOML file.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenBytes {
    Number(i64),
    Text(String),
}

impl TryFrom<WrittenBytes> for Bytes {
    type Error = String;

    fn try_from(written: WrittenBytes) -> Result<Self, String> {
        match written {
            WrittenBytes::Number(number) => number.to_string().parse(),
            WrittenBytes::Text(text) => text.parse(),
        }
    }
}

impl From<Bytes> for i64 {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// A flash of more is none of a microcontroller's.
        const MOST: f64 = (1u64 << 40) as f64;
        let (number, unit) = match text.strip_suffix(['K', 'k']) {
            Some(number) => (number, 1024.0),
            None => match text.strip_suffix(['M', 'm']) {
                Some(number) => (number, 1024.0 * 1024.0),
                None => (text, 1.0),
            },
        };
        let bytes = number.parse::<f64>().ok().map(|number| number * unit);
        match bytes.filter(|bytes| (0.0..=MOST).contains(bytes)) {
            Some(bytes) => Ok(Self(bytes as i64)),
            None => Err(format!(
                "found {text}, expected bytes such as 393216, 384K or 1.1M"
            )),
        }
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1024 {
            0 if self.0 > 0 => write!(f, "{}K", self.0 / 1024),
            _ => self.0.fmt(f),
        }
    }
}

impl Bytes {
    /// Of so many.
    pub fn nearest(bytes: usize) -> Self {
        Self(i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    /// How many they are.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }
}

/// A number of which `expected` says what it must be.
macro_rules! real {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(number: f64) -> Result<Self, String> {
                let fits: fn(f64) -> bool = $fits;
                if fits(number) {
                    Ok(Self(number))
                } else {
                    Err(format!(concat!("found {}, expected ", $expected), number))
                }
            }
        }

        impl From<$name> for f64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let number: f64 = text.parse().map_err(|e| format!("{e}"))?;
                number.try_into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

pub(crate) use real;

real!(
    /// Above 0.
    Positive, "a number above 0 and below 1e9", |x| x > 0.0 && x < 1e9
);
real!(
    /// 0, which often stands for none, or above.
    NotNegative, "0 or a number above it, below 1e9", |x| (0.0..1e9).contains(&x)
);
real!(
    /// A share that is not all.
    BelowOne, "0 to below 1", |x| (0.0..1.0).contains(&x)
);
real!(
    /// A share.
    Share, "0 to 1", |x| (0.0..=1.0).contains(&x)
);

impl NotNegative {
    /// Nothing for 0.
    pub fn unless_zero(self) -> Option<f64> {
        (self.0 > 0.0).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_for_flags_and_for_files() {
        assert_eq!("4096".parse::<Count<4096>>().unwrap().size(), 4096);
        let error = "0".parse::<Count<4096>>().unwrap_err();
        assert_eq!(error, "found 0, expected 1 to 4096");
        let error = "-1".parse::<Natural>().unwrap_err();
        assert_eq!(error, "found -1, expected 0 or more");
        for text in ["NaN", "inf", "-1", "1"] {
            let error = text.parse::<BelowOne>().unwrap_err();
            assert_eq!(error, format!("found {text}, expected 0 to below 1"));
        }
        #[derive(Debug, Deserialize)]
        struct File {
            #[serde(rename = "share")]
            _share: Share,
        }
        let error = toml::from_str::<File>("share = 1.5").unwrap_err();
        assert_eq!(error.message(), "found 1.5, expected 0 to 1");
        assert!(toml::from_str::<File>("share = 1").is_ok());
    }

    #[test]
    fn bytes_may_be_in_k_and_m() {
        for (text, bytes, shown) in [
            ("384K", 393_216, "384K"),
            ("393216", 393_216, "384K"),
            ("1.1M", 1_153_433, "1153433"),
            ("0", 0, "0"),
            ("1m", 1 << 20, "1024K"),
        ] {
            let found: Bytes = text.parse().unwrap();
            assert_eq!((found.size(), &found.to_string()[..]), (bytes, shown));
        }
        for text in ["-1", "K", "384 KB", "NaN", "1e30"] {
            let error = text.parse::<Bytes>().unwrap_err();
            assert!(error.starts_with(&format!("found {text}, expected bytes")));
        }
        #[derive(Debug, Deserialize)]
        struct File {
            memory: Bytes,
        }
        for text in ["memory = 2048", "memory = '2K'"] {
            assert_eq!(toml::from_str::<File>(text).unwrap().memory.size(), 2048);
        }
        let error = toml::from_str::<File>("memory = '2 KB'").unwrap_err();
        assert!(error.message().contains("expected bytes"), "{error}");
    }
}
