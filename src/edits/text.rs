//! From what is shown back to the bytes; and values that documents hold as a text or as a table.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};

/// The bytes that [`escape_path`](crate::error::escape_path) shows as `text`. Letters that it would
/// not leave as they are, are taken as they are, too.
///
/// # Errors
/// For a backslash that no `xNN` follows.
pub(super) fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut pieces = text.split('\\');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.strip_prefix('x').and_then(|piece| piece.get(..2));
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(byte) = byte else {
            return Err(format!(
                "'{}': expected two hexadecimal digits behind \\x (a backslash itself is written \\x5c)",
                crate::error::shown(text)
            ));
        };
        bytes.push(byte);
        bytes.extend_from_slice(&piece.as_bytes()[3..]);
    }
    Ok(bytes)
}

/// What is told of bytes that were typed.
pub(super) fn told(typed: &[u8]) -> String {
    crate::error::shown(&String::from_utf8_lossy(typed))
}

/// A number of the system, in decimal digits.
pub(super) fn number(typed: &[u8]) -> Option<u32> {
    let is_number = !typed.is_empty() && typed.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(typed).ok().filter(|_| is_number)?;
    // The last one stands for "no change" wherever the kernel is asked.
    text.parse().ok().filter(|number| *number != u32::MAX)
}

/// A value that an option takes, and a document holds as the same text.
pub(super) trait Typed: Sized {
    /// What it looks like.
    const FORM: &'static str;

    /// What helps where a document has a backslash in it that is none.
    const ESCAPES: &'static str = "";

    /// From the bytes of an argument.
    fn typed(bytes: &[u8]) -> Result<Self, String>;
}

/// `FromStr` by the bytes, for each type.
macro_rules! from_typed {
    ($($type:ty),*) => {$(
        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::typed(text.as_bytes())
            }
        }

        impl $type {
            /// From an argument's bytes, as they are.
            ///
            /// # Errors
            /// One line that says what was expected and what was found.
            pub fn typed(bytes: &[u8]) -> Result<Self, String> {
                <Self as $crate::edits::text::Typed>::typed(bytes)
            }
        }
    )*};
}
pub(super) use from_typed;

/// A text of [`Typed`]'s form, with escapes; no other value.
pub(super) fn text<'de, T: Typed, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);

    impl<T: Typed> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a text of the form {}", T::FORM)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            of_text(text)
        }
    }

    deserializer.deserialize_any(Text(PhantomData))
}

fn of_text<T: Typed, E: serde::de::Error>(text: &str) -> Result<T, E> {
    let bytes = unescaped(text).map_err(|why| E::custom(why + T::ESCAPES))?;
    T::typed(&bytes).map_err(E::custom)
}

/// A value that a document may hold as a table, too.
pub(super) trait Tabled: Typed {
    /// From a table.
    fn of_table<'de, M: MapAccess<'de>>(table: M) -> Result<Self, M::Error>;
}

/// A text of [`Typed`]'s form, with escapes, or a table.
pub(super) fn either<'de, T: Tabled, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Either<T>(PhantomData<T>);

    impl<'de, T: Tabled> Visitor<'de> for Either<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a text of the form {} or a table", T::FORM)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            of_text(text)
        }

        fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<T, M::Error> {
            T::of_table(table)
        }
    }

    deserializer.deserialize_any(Either(PhantomData))
}

/// Serde's two halves of types that are declared with `serde(remote = "Self")`: read from a text or
/// from a table, written as a table.
macro_rules! text_or_table {
    ($($type:ty),*) => {$(
        impl $crate::edits::text::Tabled for $type {
            fn of_table<'de, M: serde::de::MapAccess<'de>>(table: M) -> Result<Self, M::Error> {
                Self::deserialize(serde::de::value::MapAccessDeserializer::new(table))
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::edits::text::either(deserializer)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
    )*};
}
pub(super) use text_or_table;

/// Serde's two halves of types that are a text and nothing else.
macro_rules! text_alone {
    ($($type:ty),*) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::edits::text::text(deserializer)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
pub(super) use text_alone;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::escape_path;

    #[test]
    fn what_is_shown_of_bytes_is_read_as_those_bytes() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [
            &all[..],
            b"",
            b"a\\b",
            "\u{200b}\u{e9}".as_bytes(),
            b"\\x41",
        ] {
            assert_eq!(unescaped(&escape_path(bytes)).unwrap(), bytes);
        }
        assert_eq!(unescaped("\u{200b}").unwrap(), "\u{200b}".as_bytes());
        for text in ["\\", "\\x", "\\x4", "\\n", "\\\\", "\\x+1", "\\x\u{e9}"] {
            unescaped(text).unwrap_err();
        }
    }

    #[test]
    fn numbers_are_decimal_digits_alone_and_no_larger_than_an_owner_can_be() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"4294967294"), Some(u32::MAX - 1));
        for typed in [
            &b""[..],
            b"-1",
            b"+1",
            b" 1",
            b"4294967295",
            b"4294967296",
            b"1\xff",
            b"0x1",
        ] {
            assert_eq!(number(typed), None, "{typed:?}");
        }
    }
}
