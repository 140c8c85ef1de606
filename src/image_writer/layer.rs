//! A layer that is nowhere yet: its tar is compressed, hashed and written while it is made.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::str::FromStr;

use super::blob::{Blob, Sink};
use super::documents;
use crate::compression::{
    Compression, EncodeError, Encoding, EncodingForm, Streams, encode_stream,
};
use crate::error::{Error, Result};
use crate::oci::{DiffId, DigestHasher};

/// Bytes passed on at once.
const BUFFER_BYTES: usize = 64 << 10;

/// How a new layer is compressed, written as `gzip`, `zstd:19` or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerCompression {
    /// Not at all.
    None,
    /// By gzip or zstd.
    Encoded(Encoding),
}

impl Default for LayerCompression {
    /// gzip, which every engine takes.
    fn default() -> Self {
        Encoding::new(EncodingForm::Gzip, None).map_or(Self::None, Self::Encoded)
    }
}

impl FromStr for LayerCompression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            _ => match text.parse() {
                Ok(encoding) => Ok(Self::Encoded(encoding)),
                Err(error) => {
                    Err(error.replace("expected gzip or zstd,", "expected none, gzip or zstd,"))
                }
            },
        }
    }
}

impl fmt::Display for LayerCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Encoded(encoding) => encoding.fmt(f),
        }
    }
}

impl LayerCompression {
    /// The media type of a layer so compressed (OCI image-spec, layer.md).
    pub fn media_type(self) -> &'static str {
        Self::media_type_of(match self {
            Self::None => Compression::None,
            Self::Encoded(encoding) => match encoding.form() {
                EncodingForm::Gzip => Compression::Gzip,
                EncodingForm::Zstd => Compression::Zstd,
            },
        })
    }

    /// The same of one that is stored, by what it is, whatever it was called.
    pub fn media_type_of(compression: Compression) -> &'static str {
        match compression {
            Compression::None => documents::LAYER,
            Compression::Gzip => documents::LAYER_GZIP,
            Compression::Zstd => documents::LAYER_ZSTD,
        }
    }
}

/// A new layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLayer {
    /// Its stored bytes.
    pub blob: Blob,
    /// Of its tar.
    pub diff_id: DiffId,
    /// Its tar's length in bytes.
    pub tar_bytes: u64,
}

/// One whose blob is not named yet.
pub(super) struct Unnamed {
    /// The tar's hash and length; `None` where it is what is stored.
    tar: Option<(DiffId, u64)>,
}

impl Unnamed {
    pub(super) fn named(self, blob: Blob) -> WrittenLayer {
        let stored = || (DiffId(blob.digest.clone()), blob.size_bytes);
        let (diff_id, tar_bytes) = self.tar.unwrap_or_else(stored);
        WrittenLayer {
            diff_id,
            tar_bytes,
            blob,
        }
    }
}

/// Writes the tar that `produce` makes.
///
/// # Errors
/// Those of `produce`, and where it cannot be compressed or written.
pub(super) fn write<T>(
    sink: &mut Sink<'_>,
    compression: LayerCompression,
    jobs: NonZeroUsize,
    produce: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<(T, Unnamed)> {
    let encoding = match compression {
        LayerCompression::None => return Ok((plain(sink, produce)?, Unnamed { tar: None })),
        LayerCompression::Encoded(encoding) => encoding,
    };
    let mut hasher = DigestHasher::sha256();
    let mut tar_bytes = 0;
    let mut seen = |bytes: &[u8]| {
        hasher.update(bytes);
        tar_bytes += bytes.len() as u64;
    };
    let made = encoded(sink, &mut seen, encoding, jobs, produce)?;
    let tar = Some((DiffId(hasher.finish()), tar_bytes));
    Ok((made, Unnamed { tar }))
}

/// Writes what it is given as it comes.
struct Plain<'a, 'b> {
    sink: &'a mut Sink<'b>,
    failure: &'a mut Option<io::Error>,
}

impl Write for Plain<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.sink.put(bytes) {
            let kind = error.kind();
            *self.failure = Some(error);
            return Err(kind.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn plain<T>(sink: &mut Sink<'_>, produce: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let mut failure = None;
    let mut writer = BufWriter::with_capacity(
        BUFFER_BYTES,
        Plain {
            sink: &mut *sink,
            failure: &mut failure,
        },
    );
    let made = produced(&mut writer, produce);
    let (_, _) = writer.into_parts();
    match failure {
        // It is known better than by who was told to write elsewhere.
        Some(error) => Err(sink.failed(error)),
        None => made,
    }
}

/// The compressing threads read from a pipe what is written on this one.
fn encoded<T>(
    sink: &mut Sink<'_>,
    seen: &mut (dyn FnMut(&[u8]) + Send),
    encoding: Encoding,
    jobs: NonZeroUsize,
    produce: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    let (mut reader, writer) =
        io::pipe().map_err(|error| Error::io("cannot make a pipe", error))?;
    let target = &mut *sink;
    let (made, encoded) = std::thread::scope(|scope| {
        let encode = move || {
            let mut streams = Streams {
                raw: seen,
                compressed: &mut |bytes| target.put(bytes),
            };
            // The reading end goes with this: who writes to it is told, too, where this fails.
            encode_stream(&mut reader, encoding, jobs, &mut streams)
        };
        let named = std::thread::Builder::new().name("compress".to_owned());
        let thread = named
            .spawn_scoped(scope, encode)
            .map_err(|error| Error::io("cannot start a thread", error))?;
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
        let made = produced(&mut writer, produce);
        // The end of what is read; what is left in the buffer of a tar that failed is of no use.
        let (writer, _) = writer.into_parts();
        drop(writer);
        let encoded = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, Error>((made, encoded))
    })?;
    match encoded {
        Ok(()) => made,
        Err(EncodeError::Write(error)) => Err(sink.failed(error)),
        Err(EncodeError::Read(error) | EncodeError::Encode(error)) => {
            made.and(Err(Error::path("compress", sink.path(), error)))
        }
    }
}

fn produced<T>(
    writer: &mut dyn Write,
    produce: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    let made = produce(&mut *writer)?;
    let flushed = writer.flush();
    flushed.map_err(|error| Error::io("cannot write the layer", error))?;
    Ok(made)
}
