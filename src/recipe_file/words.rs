//! Values that a recipe holds as a text, by the same words that an option takes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::Visitor;
use serde::{Deserializer, Serializer};

use crate::oci::Platform;
use crate::pipeline::{
    Encoding, JournalSize, Kind, Reference, Salt, SizePolicy, parse_label, parse_uuid, uuid_text,
};
use crate::units::ByteSize;

/// A value with a text of its own.
pub(super) trait Worded: Sized {
    /// What is expected where it is to stand, with an example.
    const EXPECTED: &'static str;

    /// From the text.
    fn read(text: &str) -> Result<Self, String>;

    /// The text that [`Self::read`] makes it of.
    fn word(&self) -> Result<String, String>;
}

macro_rules! worded {
    ($($type:ty, $expected:literal;)*) => {$(
        impl Worded for $type {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{error}"))
            }

            fn word(&self) -> Result<String, String> {
                Ok(self.to_string())
            }
        }
    )*};
}

worded! {
    Platform, "a platform as in \"linux/arm64\"";
    JournalSize, "a journal's size as in \"auto\", \"none\" or \"16M\"";
    Encoding, "a compression as in \"gzip\" or \"zstd:19\"";
    Salt, "a salt of at most 256 bytes in hexadecimal digits";
}

impl Worded for Reference {
    const EXPECTED: &'static str = "an image's name as in \"oci:DIRECTORY\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error: crate::Error| error.to_string())
    }

    fn word(&self) -> Result<String, String> {
        let text = self.as_typed().into_string();
        text.map_err(|name| format!("{name:?}: expected a name in UTF-8 for a recipe"))
    }
}

impl Worded for SizePolicy {
    const EXPECTED: &'static str = "a size as in \"107%\", \"fit\", \"+64M\" or \"900M\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn word(&self) -> Result<String, String> {
        Ok(match self {
            Self::FitPlus(ByteSize(bytes)) => format!("+{}", whole(*bytes)),
            Self::Exact(ByteSize(bytes)) => whole(*bytes),
            Self::Percent(_) | Self::Fit => self.to_string(),
        })
    }
}

/// A size to the byte, with the largest suffix that leaves nothing over.
fn whole(bytes: u64) -> String {
    let suffixes = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let fits = |(bits, _): &(u32, &str)| bytes != 0 && bytes.is_multiple_of(1 << bits);
    match suffixes.into_iter().find(fits) {
        Some((bits, suffix)) => format!("{}{suffix}", bytes >> bits),
        None => bytes.to_string(),
    }
}

impl Worded for Kind {
    const EXPECTED: &'static str = "\"ext2\", \"ext3\" or \"ext4\"";

    fn read(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or_else(|| format!("expected {}, found '{text}'", Self::EXPECTED))
    }

    fn word(&self) -> Result<String, String> {
        Ok(self.to_string())
    }
}

/// A UUID.
impl Worded for [u8; 16] {
    const EXPECTED: &'static str = "a UUID as uuidgen prints it";

    fn read(text: &str) -> Result<Self, String> {
        parse_uuid(text)
    }

    fn word(&self) -> Result<String, String> {
        Ok(uuid_text(*self))
    }
}

/// The filesystem's label.
impl Worded for String {
    const EXPECTED: &'static str = "a label of at most 16 bytes";

    fn read(text: &str) -> Result<Self, String> {
        parse_label(text)
    }

    fn word(&self) -> Result<String, String> {
        Ok(self.clone())
    }
}

struct Words<T>(PhantomData<T>);

impl<T: Worded> Visitor<'_> for Words<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(E::custom)
    }
}

/// For `#[serde(with)]`.
pub(super) fn deserialize<'de, T: Worded, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_str(Words(PhantomData))
}

/// For `#[serde(with)]`.
pub(super) fn serialize<T: Worded, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    let text = value.word().map_err(serde::ser::Error::custom)?;
    to.serialize_str(&text)
}

/// The same of what may be left out.
pub(super) mod option {
    use serde::{Deserializer, Serializer};

    use super::Worded;

    pub(in crate::recipe_file) fn deserialize<'de, T: Worded, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        super::deserialize(from).map(Some)
    }

    pub(in crate::recipe_file) fn serialize<T: Worded, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, to),
            None => to.serialize_none(),
        }
    }
}
