//! How much an image may ask for before it is refused.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::units::ByteSize;

/// Ceilings against hostile or broken images. Each has a flag of the same name (`--max-entries`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Entries over all layers.
    pub max_entries: u64,
    /// Uncompressed bytes over all layers.
    #[serde(deserialize_with = "bytes")]
    pub max_bytes: u64,
    /// Uncompressed bytes of one layer.
    #[serde(deserialize_with = "bytes")]
    pub max_layer_bytes: u64,
    /// Uncompressed bytes for each stored byte: of a compressed blob, and of all compressed layers
    /// together, where a blob that is listed again and again is stored once.
    pub max_expansion: u64,
    /// Uncompressed bytes, of a blob and of all, from which on that ratio is held: zstd makes next
    /// to nothing of zeros, and honest images have sparse files and empty disk images in them.
    #[serde(deserialize_with = "bytes")]
    pub max_expansion_from: u64,
    /// Components in a path.
    pub max_path_depth: usize,
    /// Bytes of one entry's pax and GNU long-name headers, and of its sparse map.
    #[serde(deserialize_with = "bytes")]
    pub max_header_bytes: u64,
    /// Bytes of one entry's extended attributes, names and values.
    #[serde(deserialize_with = "bytes")]
    pub max_xattr_bytes: u64,
    /// Bytes of names, link targets, extended attributes and sparse maps over all layers: what is
    /// held in memory beyond a fixed amount for each entry.
    #[serde(deserialize_with = "bytes")]
    pub max_index_bytes: u64,
    /// The largest zstd window accepted, as a power of two (`27` is 128 MiB). Layers that are read
    /// side by side have [`ZSTD_WINDOWS_BYTES`] of them together, or one that is larger: the others
    /// wait, however many jobs there are.
    #[serde(deserialize_with = "window_log")]
    pub max_zstd_window_log: u32,
}

/// A number of bytes, or a size as it is typed.
fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size: a number of bytes, or a text as \"900M\"")
        }

        fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<u64, E> {
            Ok(bytes)
        }

        fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<u64, E> {
            let unexpected = || E::invalid_value(Unexpected::Signed(bytes), &self);
            u64::try_from(bytes).map_err(|_| unexpected())
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map(|ByteSize(bytes)| bytes).map_err(E::custom)
        }
    }

    from.deserialize_any(Bytes)
}

/// Refuses windows that zstd does not know.
fn window_log<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let log = u32::deserialize(from)?;
    if Limits::ZSTD_WINDOW_LOGS.contains(&log) {
        return Ok(log);
    }
    let (first, last) = Limits::ZSTD_WINDOW_LOGS.into_inner();
    Err(serde::de::Error::custom(format!(
        "expected a power of two from {first} to {last}, found {log}"
    )))
}

/// Bytes that the zstd windows of all layers being read may have together: four of the largest that
/// are accepted by default.
pub const ZSTD_WINDOWS_BYTES: u64 = 512 << 20;

impl Limits {
    /// The windows that zstd knows, as powers of two (`ZSTD_WINDOWLOG_MIN` and `_MAX`): what
    /// [`Self::max_zstd_window_log`] can be.
    pub const ZSTD_WINDOW_LOGS: RangeInclusive<u32> = 10..=31;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 10_000_000,
            max_bytes: 1 << 40,
            max_layer_bytes: 1 << 40,
            // deflate itself cannot exceed about 1030; zstd can, on runs of zeros.
            max_expansion: 2000,
            max_expansion_from: 1 << 30,
            max_path_depth: 1024,
            max_header_bytes: 1 << 20,
            max_xattr_bytes: 64 << 10,
            max_index_bytes: 2 << 30,
            max_zstd_window_log: 27,
        }
    }
}
