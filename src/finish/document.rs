//! Files beside the filesystem whose bytes others make.

use std::fmt;
use std::path::{Path, PathBuf};

use super::FinishedFilesystem;
use crate::error::Result;

/// Makes a document's bytes of the filesystem and where it can be read.
pub type DocumentBytes<'a> =
    Box<dyn Fn(&FinishedFilesystem, &Path) -> Result<Vec<u8>> + Send + Sync + 'a>;

/// A file beside the filesystem that is made when everything else is known, in the given order, and
/// gets its name together with it.
pub struct Document<'a> {
    /// Where it goes.
    pub path: PathBuf,
    /// Whether every file that is written must be hashed for it.
    pub tells_of_files: bool,
    /// What is in it.
    pub bytes: DocumentBytes<'a>,
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("path", &self.path)
            .field("tells_of_files", &self.tells_of_files)
            .finish_non_exhaustive()
    }
}
