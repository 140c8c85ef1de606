//! A tree taken out of a filesystem image.

use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::listing::open;
use super::request::setters;
use crate::error::{Error, Result, escape_path};
use crate::extract::{self, ArchiveSink, DirectorySink, stored_bytes};
use crate::host_space;
use crate::partial_file::PartialFile;
use crate::pinned::identity_at;
use crate::progress::{Meter, Reporter, Unit};
use crate::units::ByteSize;
use crate::view::{Follow, Found, View};
use crate::warnings::Warnings;

/// What is not written one by one.
const BUFFER_BYTES: usize = 1 << 16;

/// What is taken out of what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExtractRequest {
    /// The filesystem image.
    pub image: PathBuf,
    /// The path in it: of a directory all that is in it, of anything else that alone.
    pub path: Vec<u8>,
    /// Whether the flags that chattr sets are kept; else those there are are counted in a warning.
    pub file_flags: bool,
}

impl ExtractRequest {
    /// All of an image.
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            path: b"/".to_vec(),
            file_flags: false,
        }
    }

    setters! {
        with_path: path: Vec<u8>,
        with_file_flags: file_flags: bool,
    }
}

/// Where it goes.
pub enum Target<'a> {
    /// A directory, made where it is not there.
    Directory {
        /// Its path.
        path: &'a Path,
        /// Whether it may have something in it, of which what has the same name is replaced.
        replaces: bool,
        /// Asked before each piece of work whether to end it and to take away what was made.
        is_cancelled: &'a dyn Fn() -> bool,
    },
    /// A tar in a file, which gets its name when it is whole.
    Archive(&'a Path),
    /// A tar, as it comes.
    Writer(&'a mut dyn Write),
}

/// How it went.
#[derive(Debug)]
pub enum Extracted {
    /// All of it is there, but for what is warned of.
    Whole(Warnings),
    /// It was cancelled.
    Cancelled {
        /// Whether nothing of it is left.
        is_undone: bool,
    },
}

/// Takes a tree out of an image.
///
/// # Errors
/// The first thing that cannot be read or written. What was made until then is taken away, or the
/// error says where it is.
pub fn extract(
    request: &ExtractRequest,
    target: Target<'_>,
    reporter: &dyn Reporter,
) -> Result<Extracted> {
    let (image, keeps_flags) = (&request.image, request.file_flags);
    let view = open(image, reporter)?;
    let found = view.lookup(&request.path, Follow::Always)?;
    let mut warnings = Warnings::default();
    let meter = reporter.begin(&format!("extract {}", image.display()), Unit::Bytes, None);
    let start = found.clone();
    let explained = |error, target: &Path| {
        let needed = stored_bytes(&view, start);
        host_space::explained(error, target, Some(ByteSize(needed)))
    };
    match target {
        Target::Writer(output) => {
            // Not line by line.
            let mut writer = BufWriter::with_capacity(BUFFER_BYTES, output);
            let sink = ArchiveSink::new(&mut writer, keeps_flags, &mut warnings);
            archive(&view, found, sink, &*meter)?;
        }
        Target::Archive(target) => {
            refuse_own_image(image, target)?;
            let file = PartialFile::create(target)?;
            let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file.file());
            let sink = ArchiveSink::new(&mut writer, keeps_flags, &mut warnings);
            let written = archive(&view, found, sink, &*meter);
            // What is left in the buffer of a tar that failed is nothing to be written.
            let (_, _) = writer.into_parts();
            if let Err(error) = written {
                drop(file);
                return Err(explained(error, target));
            }
            file.persist()?;
        }
        Target::Directory {
            path,
            replaces,
            is_cancelled,
        } => {
            let mut sink = DirectorySink::new(path, replaces, &mut warnings)?;
            sink.keeps_flags = keeps_flags;
            sink.spared = identity_at(image);
            let taken = extract::extract(&view, found, &mut sink, &*meter, is_cancelled);
            if taken.is_ok() {
                sink.finish();
            }
            if let Err(error) = taken {
                drop(meter);
                let is_undone = sink.undo();
                return match is_cancelled() {
                    true => Ok(Extracted::Cancelled { is_undone }),
                    false if is_undone => Err(explained(error, path)),
                    false => Err(explained(error, path).with_more(&format!(
                        "; what was extracted until then is in {}",
                        escape_path(path.as_os_str().as_bytes())
                    ))),
                };
            }
        }
    }
    meter.finish("extracted");
    Ok(Extracted::Whole(warnings))
}

fn archive(view: &View, found: Found, mut sink: ArchiveSink<'_>, meter: &dyn Meter) -> Result<()> {
    extract::extract(view, found, &mut sink, meter, &|| false)?;
    sink.finish()
}

/// An image may be called like a tar; it must not become one of its own contents.
fn refuse_own_image(image: &Path, target: &Path) -> Result<()> {
    let own = identity_at(image);
    if own.is_some() && own == identity_at(target) {
        return Err(Error::unsupported(format!(
            "{}: expected an output other than the image itself",
            escape_path(target.as_os_str().as_bytes())
        )));
    }
    Ok(())
}
