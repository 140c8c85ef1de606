//! Documents beside an output, made when everything else is known of it.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::like::EarlierFile;
use super::plan::Names;
use crate::error::Result;
use crate::ext::Plan;
use crate::finish::{self, FinishOptions, FinishedFilesystem};
use crate::oci::Digest;
use crate::source::Image;
use crate::tree::Tree;
use crate::warnings::Warnings;

/// A document beside the output. Its name is known at the start, so that one that cannot be written
/// is refused before the image is read; its bytes are made when the filesystem is proven; it gets
/// its name in one commit with the output.
pub trait Document: Debug + Send + Sync {
    /// Which one it is: what a recipe can ask for is told by this.
    fn kind(&self) -> DocumentKind;

    /// Whether it tells of the files that are written. Then each of these is hashed, and it is made
    /// after all that do not tell so.
    fn tells_of_files(&self) -> bool {
        false
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Whatever there is; nothing is written then, the filesystem neither.
    fn bytes(&self, made: &Made<'_>) -> Result<Vec<u8>>;
}

/// The documents that there are. One that is added has to be named in a recipe, or nothing compiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// [`ManifestDocument`](super::ManifestDocument).
    Manifest,
    /// [`PackagesDocument`](super::PackagesDocument).
    Packages,
    /// [`StartDocument`](super::StartDocument).
    Start,
    /// One that is none of this crate's; no recipe has it.
    Other,
}

/// Where a document goes.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Its file; a regular file there is replaced.
    pub path: PathBuf,
    /// What is in it.
    pub document: Arc<dyn Document>,
}

impl Beside {
    /// A document in `path`.
    pub fn new(path: impl Into<PathBuf>, document: impl Document + 'static) -> Self {
        Self {
            path: path.into(),
            document: Arc::new(document),
        }
    }
}

/// A filesystem that is proven and has no name yet, with all that is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The image.
    pub image: &'a Image,
    /// What it shows.
    pub tree: &'a Tree,
    /// What was planned.
    pub plan: &'a Plan,
    /// What it is called.
    pub names: &'a Names,
    /// The filesystem that it is laid out like, where it is like one.
    pub earlier: Option<&'a EarlierFile>,
    /// Everything that was noticed on the way.
    pub warnings: &'a Warnings,
    /// The digest of what was put in, where some of that came of the host.
    pub put_in_digest: Option<&'a Digest>,
    /// Which proofs it has passed.
    pub proofs: &'a FinishOptions,
    /// What was made, with the files that are written so far.
    pub filesystem: &'a FinishedFilesystem,
    /// The version of e2fsprogs that made it.
    pub e2fsprogs: &'a str,
    /// Where it can be read: it has no name yet. The layers cannot be read any more.
    pub readable: &'a Path,
    noticed: &'a Mutex<Warnings>,
}

impl Made<'_> {
    /// Adds warnings to those of the build.
    pub fn notice(&self, warnings: Warnings) {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.merge(warnings);
    }
}

/// What is known before the filesystem is finished.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub image: &'a Image,
    pub tree: &'a Tree,
    pub plan: &'a Plan,
    pub names: &'a Names,
    pub earlier: Option<&'a EarlierFile>,
    pub warnings: &'a Warnings,
    pub put_in_digest: Option<&'a Digest>,
    pub proofs: &'a FinishOptions,
    pub e2fsprogs: &'a str,
    /// What the documents warn of.
    pub noticed: &'a Mutex<Warnings>,
}

impl<'a> Known<'a> {
    /// The documents as `finish` makes them, those that tell of files behind the others.
    pub fn documents(self, beside: &'a [Beside]) -> Vec<finish::Document<'a>> {
        let document = |beside: &'a Beside| finish::Document {
            path: beside.path.clone(),
            tells_of_files: beside.document.tells_of_files(),
            bytes: Box::new(move |filesystem, readable| {
                beside.document.bytes(&Made {
                    image: self.image,
                    tree: self.tree,
                    plan: self.plan,
                    names: self.names,
                    earlier: self.earlier,
                    warnings: self.warnings,
                    put_in_digest: self.put_in_digest,
                    proofs: self.proofs,
                    e2fsprogs: self.e2fsprogs,
                    noticed: self.noticed,
                    filesystem,
                    readable,
                })
            }),
        };
        let mut documents: Vec<_> = beside.iter().map(document).collect();
        documents.sort_by_key(|document| document.tells_of_files);
        documents
    }
}
