//! Archives that come compressed as a whole.

use std::io::{BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::limits::Limits;

/// Bytes that tell a compression.
pub(super) const MAGIC_BYTES: usize = 6;

/// How a file is compressed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// # Errors
    /// [`Error::Unsupported`] for compressions that images do not come in.
    pub(super) fn detect(head: &[u8]) -> Result<Self> {
        let other = match head {
            [0x1f, 0x8b, ..] => return Ok(Self::Gzip),
            // A frame, or a skippable one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                return Ok(Self::Zstd);
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => "bzip2",
            _ => return Ok(Self::None),
        };
        Err(Error::unsupported(format!(
            "compressed by {other}: expected no compression, gzip or zstd; `{other} -dc FILE | layerpress build -` decompresses it"
        )))
    }

    /// A reader of the uncompressed bytes: every gzip member and every zstd frame of them.
    pub(super) fn decoder<'a>(
        self,
        input: impl BufRead + 'a,
        limits: &Limits,
    ) -> Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::None => Box::new(input),
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Zstd => {
                let failed = |error| Error::io("cannot start zstd", error);
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(input).map_err(failed)?;
                decoder
                    .window_log_max(limits.max_zstd_window_log)
                    .map_err(failed)?;
                Box::new(decoder)
            }
        })
    }
}
