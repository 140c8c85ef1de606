//! A filesystem held against the image it is to be.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::doubts::{Done, doubts};
use super::flatten::flattened_and_named;
use super::listing::not_proven_equal;
use super::request::{ImageRequest, setters};
use crate::command;
use crate::error::Result;
use crate::ext::{self, VerifyReport};
use crate::inspect::Filesystem;
use crate::listing::{Field, Kind};
use crate::oci::{ChainId, Digest};
use crate::progress::Reporter;
use crate::source::Image;
use crate::tree::EditsDigest;

/// What is held against what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifyRequest {
    /// The filesystem: ext2, ext3 or ext4, made by whichever tool.
    pub filesystem: PathBuf,
    /// The image.
    pub image: ImageRequest,
    /// Fields whose differences are none.
    pub ignored: BTreeSet<Field>,
    /// The time of directories that no layer describes, in seconds since 1970, in place of the
    /// image's own.
    pub made_seconds: Option<i64>,
    /// debugfs; looked for where none is given.
    pub debugfs: Option<PathBuf>,
    /// The PATH to look in, before the sbin directories.
    pub search_path: Option<OsString>,
}

impl VerifyRequest {
    /// Everything of both is compared.
    pub fn new(filesystem: impl Into<PathBuf>, image: ImageRequest) -> Self {
        Self {
            filesystem: filesystem.into(),
            image,
            ignored: BTreeSet::new(),
            made_seconds: None,
            debugfs: None,
            search_path: None,
        }
    }

    setters! {
        with_ignored: ignored: BTreeSet<Field>,
        with_made_seconds: made_seconds: i64,
        with_debugfs: debugfs: PathBuf,
        with_search_path: search_path: OsString,
    }
}

/// What came of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The differences, and who saw them.
    pub report: VerifyReport,
    /// The filesystem.
    pub filesystem: PathBuf,
    /// The chain ID of the image that layerpress made it from, and from nothing else.
    pub made_from: Option<ChainId>,
    /// The digest of the recipe that layerpress made it by, where there were edits.
    pub made_by: Option<Digest>,
    /// The image as it was found.
    pub image: Arc<Image>,
    /// What the filesystem says of itself.
    pub read: Filesystem,
    /// The image's chain ID.
    pub chain_id: ChainId,
    /// What the edits did to what the image shows, if they did anything.
    pub edits_digest: Option<EditsDigest>,
    /// Of both together.
    pub recipe_digest: Digest,
    /// Whether the filesystem's journal holds changes that were not compared.
    pub needs_recovery: bool,
    /// What was noticed on the way.
    pub warnings: Vec<String>,
}

impl Verified {
    /// Whether there is no difference.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where that is not known for changes in the filesystem's journal.
    pub fn is_equal(&self) -> Result<bool> {
        let is_equal = self.report.findings.is_empty();
        if is_equal && self.needs_recovery {
            return Err(not_proven_equal(&self.filesystem.display().to_string()));
        }
        Ok(is_equal)
    }
}

/// Reads the filesystem through three readers and holds what they see against the image.
///
/// # Errors
/// See [`crate::Error`]. Differences are none.
pub fn verify(request: &VerifyRequest, reporter: &dyn Reporter) -> Result<Verified> {
    let path = &request.filesystem;
    let found = || command::find("debugfs", request.search_path.as_deref());
    let debugfs = request.debugfs.clone().map_or_else(found, Ok)?;
    // Whether there is one, before the layers are read.
    let read = Filesystem::read(path)?;
    let image = request.image.clone().with_held_against(path.clone());
    let (flattened, diff_ids) = flattened_and_named(&image, request.made_seconds, reporter)?;
    let (tree, contents) = (&flattened.tree, &flattened.contents);
    let mut report = ext::verify(path, tree, contents, &debugfs, reporter)?;
    leave_out(&mut report, &request.ignored);
    let needs_recovery = read.superblock.features.needs_recovery();
    let doubts = doubts(&read.superblock, path, Done::Compared);
    Ok(Verified {
        report,
        filesystem: path.clone(),
        made_from: read.chain_id.clone(),
        made_by: read.recipe_digest.clone(),
        chain_id: ChainId::of(&diff_ids),
        recipe_digest: flattened.recipe(&diff_ids).digest(),
        edits_digest: flattened.edits_digest.clone(),
        image: flattened.image,
        read,
        needs_recovery,
        warnings: flattened.warnings.lines().chain(doubts).collect(),
    })
}

fn leave_out(report: &mut VerifyReport, ignored: &BTreeSet<Field>) {
    report.findings.retain_mut(|finding| {
        // What is not known to be in a directory is more than content.
        let expected = finding.difference.expected.as_ref();
        let is_unlisted = finding.readers.is_empty()
            && expected.is_some_and(|line| line.kind == Some(Kind::Directory));
        let fields = &mut finding.difference.fields;
        let had_any = !fields.is_empty();
        fields.retain(|field| !ignored.contains(field) || is_unlisted && *field == Field::Body);
        !had_any || !fields.is_empty()
    });
}
