//! From stored bytes to the uncompressed tar, whichever the compression.

use std::io::{self, Read};

use super::carried;
use super::gzip::Gzip;
use super::stored::StoredReader;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Reads the uncompressed tar up to the end of the stored bytes; its errors are carried ones.
pub(super) enum Decompressor<'a> {
    Gzip(Gzip<StoredReader<'a>>),
    Zstd(Box<zstd::Decoder<'static, StoredReader<'a>>>, u32),
}

impl<'a> Decompressor<'a> {
    pub(super) fn gzip(stored: StoredReader<'a>) -> Self {
        Self::Gzip(Gzip::new(stored))
    }

    /// # Errors
    /// [`Error::Unsupported`] for a window limit outside zstd's range.
    pub(super) fn zstd(stored: StoredReader<'a>, limits: &Limits) -> Result<Self> {
        let window_log = limits.max_zstd_window_log;
        if !(10..=31).contains(&window_log) {
            return Err(Error::unsupported(format!(
                "--max-zstd-window-log: expected 10 to 31, found {window_log}"
            )));
        }
        let failed = |error| Error::io("cannot set up zstd", error);
        let mut decoder = zstd::Decoder::with_buffer(stored).map_err(failed)?;
        decoder.window_log_max(window_log).map_err(failed)?;
        Ok(Self::Zstd(Box::new(decoder), window_log))
    }

    /// How many stored bytes were not taken.
    ///
    /// # Errors
    /// [`Error::Mismatch`] after a panic only.
    pub(super) fn left_bytes(&mut self) -> Result<u64> {
        self.stored_mut()
            .map(|stored| stored.left_bytes())
            .ok_or_else(|| Error::Mismatch("a gzip decoder lost its reader".into()))
    }

    fn stored_mut(&mut self) -> Option<&mut StoredReader<'a>> {
        match self {
            Self::Zstd(decoder, _) => Some(decoder.get_mut()),
            Self::Gzip(gzip) => gzip.stored_mut(),
        }
    }

    fn name_failure(&mut self, error: &io::Error) -> Error {
        // Not the decoder's fault when the bytes could not be read at all.
        if let Some(failure) = self.stored_mut().and_then(StoredReader::take_failure) {
            return failure;
        }
        match self {
            // That this machine, or a limit set here, has none is not the image's fault.
            Self::Zstd(..) if error.to_string().contains("not enough memory") => {
                let text = format!(
                    "{error}, as its zstd window asks for (fewer --jobs need less, and a limit such as `ulimit -v` counts)"
                );
                let error = io::Error::new(io::ErrorKind::OutOfMemory, text);
                Error::io("cannot decompress a layer", error)
            }
            Self::Zstd(_, window_log) if error.to_string().contains("too much memory") => {
                Error::bad_image(format!(
                    "expected a zstd window of at most 2^{window_log} bytes, found a larger one (--max-zstd-window-log raises the limit)"
                ))
            }
            Self::Zstd(..) => broken("zstd", error),
            Self::Gzip(_) => broken("gzip", error),
        }
    }
}

fn broken(format: &str, error: &io::Error) -> Error {
    let found = match error.kind() {
        io::ErrorKind::UnexpectedEof => "its end in the middle".to_owned(),
        _ => error.to_string(),
    };
    Error::bad_image(format!("expected a whole {format} stream, found {found}"))
}

impl Read for Decompressor<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let result = match self {
            Self::Gzip(gzip) => gzip.read(target),
            Self::Zstd(decoder, _) => decoder.read(target),
        };
        result.map_err(|error| carried::wrap(self.name_failure(&error)))
    }
}
