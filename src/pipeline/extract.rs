//! Trees taken out of a filesystem or an image.

mod file;
mod form;
mod tar;

use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::look::{Interior, LookRequest, look};
use super::request::{Subject, setters};
use crate::error::{Error, Result, escape_path};
use crate::extract::{self, ArchiveSink, DirectorySink, Taken, stored_bytes, taken};
use crate::host_space;
use crate::listing::Kind;
use crate::look::{Expansion, Found, Inside, Lookups, expand};
use crate::pinned::identity_at;
use crate::progress::{Meter, Phase, Reporter, Task};
use crate::source;
use crate::units::ByteSize;
use crate::view::Follow;
use crate::warnings::Warnings;
use form::Form;

/// What is not written one by one.
const BUFFER_BYTES: usize = 1 << 16;

/// What is taken out of what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExtractRequest {
    /// The filesystem or image.
    pub look: LookRequest,
    /// The paths in it, or patterns as [`expand`] has them: of a single directory all that is in it, of
    /// anything else, and of several, those by their own names.
    pub paths: Vec<Vec<u8>>,
    /// Whether the flags that chattr sets are kept; else those there are are counted in a warning.
    pub file_flags: bool,
    /// Threads that compress a tar, at most; what comes of it is the same for any number.
    pub jobs: NonZeroUsize,
}

impl ExtractRequest {
    /// All of a filesystem image.
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self::of(LookRequest::new(Subject::Filesystem(image.into())))
    }

    /// All of what is looked into.
    pub fn of(look: LookRequest) -> Self {
        Self {
            look,
            paths: vec![b"/".to_vec()],
            file_flags: false,
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }

    /// Takes out one path.
    #[must_use]
    pub fn with_path(self, path: Vec<u8>) -> Self {
        self.with_paths(vec![path])
    }

    setters! {
        with_paths: paths: Vec<Vec<u8>>,
        with_file_flags: file_flags: bool,
        with_jobs: jobs: NonZeroUsize,
    }
}

/// Where it goes.
pub enum Target<'a> {
    /// What its name says: a tar where that ends in `.tar`, `.tar.gz`, `.tgz`, `.tar.zst` or `.tzst`; a
    /// file where one thing is taken out that is no directory, the name does not end in a slash, and is
    /// no directory's; else a directory.
    Named {
        /// Its path.
        path: &'a Path,
        /// Whether a file may be replaced, and a directory have something in it, of which what has the
        /// same name is replaced.
        replaces: bool,
        /// Asked before each piece of work whether to end it and to take away what was made.
        is_cancelled: &'a dyn Fn() -> bool,
    },
    /// A directory, made where it is not there.
    Directory {
        /// Its path.
        path: &'a Path,
        /// Whether it may have something in it, of which what has the same name is replaced.
        replaces: bool,
        /// Asked before each piece of work whether to end it and to take away what was made.
        is_cancelled: &'a dyn Fn() -> bool,
    },
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

/// Takes trees out of a filesystem or an image.
///
/// # Errors
/// The first thing that cannot be read or written. What was made until then is taken away, or the
/// error says where it is.
pub fn extract(
    request: &ExtractRequest,
    target: Target<'_>,
    reporter: &dyn Reporter,
) -> Result<Extracted> {
    extract_from(&look(&request.look, reporter)?, request, target, reporter)
}

/// The same from what was opened before.
///
/// # Errors
/// As [`extract`].
pub fn extract_from(
    interior: &Interior,
    request: &ExtractRequest,
    target: Target<'_>,
    reporter: &dyn Reporter,
) -> Result<Extracted> {
    let inside = interior.inside();
    let Wanted { found, is_several } = wanted(inside, &request.paths)?;
    let (form, path, replaces, is_cancelled) = match target {
        Target::Writer(output) => {
            let mut warnings = Warnings::default();
            let work = Work::begin(interior, request, found, is_several, &|| false, reporter)?;
            // Not line by line.
            let mut writer = BufWriter::with_capacity(BUFFER_BYTES, output);
            work.archive(&mut writer, &mut warnings)?;
            work.meter.finish("extracted");
            return Ok(Extracted::Whole(warnings));
        }
        Target::Named {
            path,
            replaces,
            is_cancelled,
        } => {
            let form = Form::of(path, &found, is_several)?;
            (form, path, replaces, is_cancelled)
        }
        Target::Directory {
            path,
            replaces,
            is_cancelled,
        } => (Form::Directory, path, replaces, is_cancelled),
    };
    if form != Form::Directory {
        refuse_what_is_read(interior, path)?;
        form::refuse_existing(path, replaces)?;
    }
    let work = Work::begin(interior, request, found, is_several, is_cancelled, reporter)?;
    let done = match form {
        Form::Directory => return work.directory(interior, path, replaces),
        Form::Archive(encoding) => tar::write(&work, path, encoding, replaces, reporter),
        Form::File => file::write(&work, path, replaces),
    };
    match done {
        Ok(warnings) => {
            work.meter.finish("extracted");
            Ok(Extracted::Whole(warnings))
        }
        // It had no name yet.
        Err(_) if is_cancelled() => Ok(Extracted::Cancelled { is_undone: true }),
        Err(error) => Err(work.explained(error, path)),
    }
}

/// What the paths lead to.
struct Wanted {
    found: Vec<Found>,
    /// Whether each goes by its own name, however many there are.
    is_several: bool,
}

/// Looks all paths up, and what patterns match. A link is taken itself, unless a slash behind it says
/// that what it leads to is meant.
fn wanted(inside: Inside<'_>, paths: &[Vec<u8>]) -> Result<Wanted> {
    let mut lookups = Lookups::of(inside);
    let mut found = Vec::with_capacity(paths.len());
    let mut is_several = paths.len() > 1;
    for path in paths {
        let expansion = expand(&mut lookups, path)?;
        is_several |= matches!(&expansion, Expansion::Matches(_));
        for path in expansion.into_paths() {
            found.push(lookups.find(&path, Follow::Never)?);
        }
    }
    Ok(Wanted { found, is_several })
}

/// An extraction that has begun.
struct Work<'a> {
    /// What it is taken out of.
    name: String,
    inside: Inside<'a>,
    found: Vec<Found>,
    taken: Vec<Taken>,
    /// Whether a directory becomes the root of what is made.
    has_root: bool,
    keeps_flags: bool,
    jobs: NonZeroUsize,
    meter: Box<dyn Meter + 'a>,
    is_cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Work<'a> {
    fn begin(
        interior: &'a Interior,
        request: &ExtractRequest,
        found: Vec<Found>,
        is_several: bool,
        is_cancelled: &'a dyn Fn() -> bool,
        reporter: &'a dyn Reporter,
    ) -> Result<Self> {
        let whole = |found: &Vec<Found>| found.iter().cloned().map(Taken::whole).collect();
        let name = interior.name();
        Ok(Self {
            inside: interior.inside(),
            taken: match is_several {
                true => taken(found.clone())?,
                false => whole(&found),
            },
            has_root: !is_several
                && found
                    .iter()
                    .any(|found| matches!(found.node.kind, Kind::Directory)),
            found,
            keeps_flags: request.file_flags,
            jobs: request.jobs,
            meter: reporter.begin(Task::bytes(
                Phase::Extract,
                &format!("extract {name}"),
                None,
            )),
            name,
            is_cancelled,
        })
    }

    /// Writes a tar.
    fn archive(&self, output: &mut dyn Write, warnings: &mut Warnings) -> Result<()> {
        let mut sink = ArchiveSink::new(output, self.keeps_flags, warnings);
        self.tell(&mut sink)?;
        sink.finish()
    }

    fn tell(&self, sink: &mut dyn extract::Sink) -> Result<()> {
        let taken = self.taken.clone();
        extract::extract(self.inside, taken, sink, &*self.meter, self.is_cancelled)
            .map_err(|error| error.in_image(&self.name))
    }

    fn directory(self, interior: &Interior, path: &Path, replaces: bool) -> Result<Extracted> {
        let mut warnings = Warnings::default();
        let permissions = if self.has_root { 0o700 } else { 0o777 };
        let mut sink = DirectorySink::new(path, permissions, replaces, &mut warnings)?;
        sink.keeps_flags = self.keeps_flags;
        let read = interior.read().iter();
        sink.spared = read.filter_map(|path| identity_at(path)).collect();
        match self.tell(&mut sink) {
            Ok(()) => {
                sink.finish();
                self.meter.finish("extracted");
                Ok(Extracted::Whole(warnings))
            }
            Err(error) => {
                let is_undone = sink.undo();
                if (self.is_cancelled)() {
                    return Ok(Extracted::Cancelled { is_undone });
                }
                let left = match is_undone {
                    true => "nothing is left in",
                    false => "what was extracted until then is in",
                };
                let shown = escape_path(path.as_os_str().as_bytes());
                let explained = self.explained(error, path);
                Err(explained.with_more(&format!("; {left} {shown}")))
            }
        }
    }

    /// Says of a full disk what would have been needed.
    fn explained(&self, error: Error, target: &Path) -> Error {
        let needed = stored_bytes(self.inside, self.taken.clone());
        host_space::explained(error, target, Some(ByteSize(needed)))
    }
}

/// An image may be called like a tar; neither it nor anything else that is read, nor what lies in a
/// directory that is, must become one of its own contents.
fn refuse_what_is_read(interior: &Interior, target: &Path) -> Result<()> {
    let read = interior.read();
    if let Some(read) = read.iter().find(|read| source::holds(read, target)) {
        return Err(Error::unsupported(format!(
            "{}: expected an output other than the image itself and what is put in: it is, or belongs to, {}",
            escape_path(target.as_os_str().as_bytes()),
            escape_path(read.as_os_str().as_bytes())
        )));
    }
    Ok(())
}
