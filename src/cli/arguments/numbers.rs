//! Numbers as they are typed: each says what form it wants.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::units::ByteSize;

/// How many, from 1 on.
///
/// # Errors
/// A sentence about what was expected.
pub fn how_many(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "expected a whole number from 1 on, as in 4".to_owned())
}

/// A whole number.
///
/// # Errors
/// A sentence about what was expected.
pub fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        "expected a whole number, as in 1000, and none larger than there can be".to_owned()
    })
}

/// Seconds since 1970, as `SOURCE_DATE_EPOCH` has them.
///
/// # Errors
/// A sentence about what was expected.
pub fn seconds_since_1970(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| {
        "expected whole seconds since 1970, as in 1700000000 (date +%s tells those of now, git log -1 --format=%ct those of a commit)".to_owned()
    })
}

/// A size in bytes, typed as `--size` takes it and shown so: `64M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.replace(' ', "").parse();
        size.map(|ByteSize(bytes)| Self(bytes))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffixes = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
        let fits = |(shift, _): &&(u32, _)| self.0 > 0 && self.0.is_multiple_of(1 << shift);
        match suffixes.iter().find(fits) {
            Some((shift, suffix)) => write!(f, "{}{suffix}", self.0 >> shift),
            None => self.0.fmt(f),
        }
    }
}

impl From<u64> for Bytes {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl From<Bytes> for u64 {
    fn from(Bytes(bytes): Bytes) -> Self {
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_typed_as_they_are_shown() {
        for (size, typed) in [
            (0, "0"),
            (1, "1"),
            (1536, "1536"),
            (1 << 10, "1K"),
            (3 << 20, "3M"),
            (1 << 40, "1T"),
        ] {
            assert_eq!(Bytes(size).to_string(), typed);
            assert_eq!(typed.parse(), Ok(Bytes(size)));
        }
        assert_eq!("30 MiB".parse(), Ok(Bytes(30 << 20)));
        assert!("30X".parse::<Bytes>().is_err());
    }

    #[test]
    fn numbers_say_what_they_want_in_their_own_words() {
        let said = [
            how_many("0").unwrap_err(),
            how_many("x").unwrap_err(),
            whole::<u32>("1.5").unwrap_err(),
            whole::<u64>("-1").unwrap_err(),
            seconds_since_1970("now").unwrap_err(),
        ];
        assert!(
            said.iter().all(|said| said.starts_with("expected ")),
            "{said:?}"
        );
        assert_eq!(how_many("4").unwrap().get(), 4);
        assert_eq!(seconds_since_1970("-1"), Ok(-1));
        assert_eq!(whole::<u32>("7"), Ok(7));
    }
}
