//! Filesystems opened, and all that a filesystem or an image holds.

use std::path::Path;

use super::doubts::{Done, doubts};
use super::flatten::flattened;
use super::request::Subject;
use crate::error::{Error, Result, escape_path, shell_word};
use crate::ext::{Ext, leave_out_note};
use crate::filesystem::{Filesystem as _, expected_listing};
use crate::inspect::Filesystem;
use crate::listing::Listing;
use crate::progress::{Phase, Reporter, Task};
use crate::tree::{EditsDigest, LeftOut};
use crate::view::View;

/// Problems that an error shows.
const SHOWN_PROBLEMS: usize = 5;

/// Progress is told in pieces of at least this many bytes.
const REPORTED_BYTES: u64 = 1 << 20;

/// Everything that a filesystem or an image holds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listed {
    /// The filesystem's path, or the image as it was named.
    pub name: String,
    /// A line for every name, contents by their digests.
    pub listing: Listing,
    /// What a reader should know of it.
    pub warnings: Vec<String>,
    /// What is unknown of it, and so equals everything.
    pub unreadable: Vec<Unreadable>,
    /// Whether its journal holds changes that are not listed.
    pub needs_recovery: bool,
    /// What edits did to it; `None` of a filesystem, which none are made of.
    pub edited: Option<Edited>,
}

/// What edits did to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edited {
    /// The digest of it, if they did anything.
    pub edits_digest: Option<EditsDigest>,
    /// What was left out of what the layers show.
    pub left_out: LeftOut,
}

/// A name that cannot be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path, escaped.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Opens a filesystem image and warns of what its reader should know.
///
/// # Errors
/// As [`View::open`].
pub fn open(path: &Path, reporter: &dyn Reporter) -> Result<View> {
    let view = View::open(path)?;
    for doubt in doubts(view.superblock(), path, Done::Shown) {
        reporter.warn(&doubt);
    }
    Ok(view)
}

/// Lists all that a filesystem holds, or all that an image shows. Directories that no layer
/// describes are of `made_seconds` (since 1970), or of the time the image was created; of a
/// filesystem more than `max_names` names are a problem.
///
/// # Errors
/// See [`crate::Error`]. What of a filesystem cannot be read is none, but is listed as such.
pub fn listing(
    subject: &Subject,
    made_seconds: Option<i64>,
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<Listed> {
    let request = match subject {
        Subject::Filesystem(path) => return of_filesystem(path, max_names, reporter),
        Subject::Image(request) => request,
    };
    let flattened = flattened(&request.or_filesystem(), made_seconds, reporter)?;
    let listing = expected_listing(
        Ext::normalise,
        &flattened.tree,
        &flattened.contents,
        reporter,
    )?;
    Ok(Listed {
        name: flattened.image.reference.clone(),
        listing,
        warnings: flattened.warnings.lines().collect(),
        unreadable: Vec::new(),
        needs_recovery: false,
        edited: Some(Edited {
            edits_digest: flattened.edits_digest,
            left_out: flattened.left_out,
        }),
    })
}

/// Read through our own view alone, which reads whatever an ext filesystem can hold as the kernel
/// does.
fn of_filesystem(path: &Path, max_names: u64, reporter: &dyn Reporter) -> Result<Listed> {
    Filesystem::read(path)?;
    let view = View::open(path)?;
    let meter = reporter.begin(Task::bytes(Phase::Find, "read the filesystem", None));
    let mut unreported = 0;
    let mut whole = view.listing_of_at_most(max_names, &mut |_, size_bytes| {
        unreported += size_bytes.min(view.blocks().saturating_mul(view.block_bytes()));
        if unreported >= REPORTED_BYTES {
            meter.add(std::mem::take(&mut unreported));
        }
        true
    })?;
    meter.add(unreported);
    meter.finish("read");
    leave_out_note(&mut whole.listing);
    let name = path.display().to_string();
    let unreadable = whole.problems.iter().map(|problem| {
        let why = problem.error.to_string();
        Unreadable {
            path: format!("/{}", escape_path(&problem.path)),
            why: without_name(&why, path).to_owned(),
        }
    });
    let needs_recovery = view.needs_recovery();
    Ok(Listed {
        listing: whole.listing,
        warnings: doubts(view.superblock(), path, Done::Compared),
        unreadable: unreadable.collect(),
        needs_recovery,
        edited: None,
        name,
    })
}

impl Listed {
    /// Nothing where all of it could be read: else it may not be called equal to anything.
    pub(super) fn check(&self) -> Result<()> {
        if self.unreadable.is_empty() {
            return Ok(());
        }
        let shown = self.unreadable.iter().take(SHOWN_PROBLEMS);
        let shown: Vec<_> = shown
            .map(|Unreadable { path, why }| format!("{path}: unreadable: {why}"))
            .collect();
        let more = match self.unreadable.len().saturating_sub(SHOWN_PROBLEMS) {
            0 => String::new(),
            more => format!("\nand {more} more"),
        };
        Err(Error::bad_image(format!(
            "{}: not compared as a whole, parts are unreadable:\n{}{more}",
            self.name,
            shown.join("\n")
        )))
    }
}

/// An error's text without the filesystem's name before it, where that is told beside it.
pub(super) fn without_name<'a>(text: &'a str, path: &Path) -> &'a str {
    let prefix = format!("{}: ", path.display());
    text.strip_prefix(&prefix).unwrap_or(text)
}

/// Why what was read of such a filesystem is not called equal to anything.
pub(super) fn not_proven_equal(name: &str) -> Error {
    Error::bad_image(format!(
        "equal as it stands, but its journal holds changes that are not in their places yet and were not compared (`e2fsck -fp {}` writes them there)",
        shell_word(name)
    ))
    .in_image(name)
}
