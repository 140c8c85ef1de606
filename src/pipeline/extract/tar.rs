//! A tar in a file, which gets its name when it is whole.

use std::io::{self, BufWriter};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{BUFFER_BYTES, Work};
use crate::compression::{EncodeError, Encoding, Streams, encode};
use crate::error::{Error, Result};
use crate::partial_file::PartialFile;
use crate::progress::{Phase, Reporter, Task};
use crate::warnings::Warnings;

/// Writes it.
///
/// # Errors
/// What cannot be read or written; nothing is left then.
pub(super) fn write(
    work: &Work<'_>,
    path: &Path,
    encoding: Option<Encoding>,
    replaces: bool,
    reporter: &dyn Reporter,
) -> Result<Warnings> {
    let mut warnings = Warnings::default();
    let mut file = PartialFile::create(path)?;
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file.file());
    let written = work.archive(&mut writer, &mut warnings);
    // What is left in the buffer of a tar that failed is nothing to be written.
    let (_, _) = writer.into_parts();
    written?;
    if let Some(encoding) = encoding {
        file = compressed(work, &file, path, encoding, reporter)?;
    }
    file.set_no_clobber(!replaces);
    file.persist()?;
    Ok(warnings)
}

/// The same compressed, in blocks that depend on nothing but the tar.
fn compressed(
    work: &Work<'_>,
    tar: &PartialFile,
    path: &Path,
    encoding: Encoding,
    reporter: &dyn Reporter,
) -> Result<PartialFile> {
    let failed = |verb| move |error| Error::path(verb, path, error);
    let target = PartialFile::create(path)?;
    let length_bytes = tar.file().metadata().map_err(failed("read"))?.len();
    let meter = reporter.begin(Task::bytes(Phase::Extract, "compress", length_bytes));
    let mut size_bytes = 0;
    let mut is_cancelled = false;
    let mut streams = Streams {
        raw: &mut |bytes| {
            meter.add(bytes.len() as u64);
            is_cancelled |= (work.is_cancelled)();
        },
        compressed: &mut |bytes| {
            target.file().write_all_at(bytes, size_bytes)?;
            size_bytes += bytes.len() as u64;
            Ok(())
        },
    };
    encode(tar.file(), length_bytes, encoding, work.jobs, &mut streams).map_err(
        |error| match error {
            EncodeError::Read(error) => failed("read")(error),
            EncodeError::Write(error) => failed("write")(error),
            EncodeError::Encode(error) => failed("compress")(error),
        },
    )?;
    if is_cancelled {
        let error = io::Error::from(io::ErrorKind::Interrupted);
        return Err(Error::io("not extracted", error));
    }
    meter.finish("compressed");
    Ok(target)
}
