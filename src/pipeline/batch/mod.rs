//! Many images pressed in one run.

mod meeting;
mod run;
mod shard;
mod up_to_date;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;

use meeting::Written;
use run::Run;
pub use shard::Shard;
pub use up_to_date::UpToDate;

use super::build::Built;
use super::output::OutputRequest;
use super::request::{FilesystemRequest, ImageRequest, LikeRequest};
use crate::error::{Error, Result, escape_path};
use crate::progress::Reporter;

/// One image of several, and what is made of it.
#[derive(Debug, Clone)]
pub struct BatchItem {
    /// The image.
    pub image: ImageRequest,
    /// What is made of it.
    pub filesystem: FilesystemRequest,
    /// Where that goes.
    pub output: OutputRequest,
}

impl BatchItem {
    /// What it is called where several are told of.
    pub(crate) fn name(&self) -> String {
        let path = &self.output.path;
        let name = path.file_name().unwrap_or(path.as_os_str());
        escape_path(name.as_bytes())
    }
}

/// Several images, and how they are made.
#[derive(Debug, Clone)]
pub struct Batch {
    /// All images, also those of other parts.
    pub items: Vec<BatchItem>,
    /// Which of them are made.
    pub shard: Shard,
    /// Images that are made side by side at most; one for each processor by default.
    pub jobs: Option<NonZeroUsize>,
    /// Whether what is up to date is made again.
    pub force: bool,
    /// Whether files are hashed to find out whether they are what the manifest tells.
    pub check_outputs: bool,
}

/// What became of an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was made.
    Built(Box<Built>),
    /// It is there, and would be made again as it is.
    UpToDate(UpToDate),
    /// It was not, and nothing of it is left.
    Failed(Error),
}

/// Is told of each image as it ends, by several threads.
pub trait BatchWatch: Sync {
    /// Item `index` is begun, counted from 0 over the whole list.
    fn begins(&self, index: usize);

    /// What became of it; one that fails early may never have been begun.
    fn ended(&self, index: usize, outcome: &Outcome);
}

/// Presses each image into a filesystem. One that fails does not stop the others.
///
/// Layers that several of them have are read once: fetched, decompressed, indexed and verified for the
/// first, and kept as long as another needs them. So the work directories hold at most what the layers
/// take that more than one image still needs, and the layers of as many images as are made side by side.
///
/// # Errors
/// [`Error::Unsupported`] where two outputs would meet, or one and what another image is read from, in whatever part of the list; nothing was begun.
pub fn batch(batch: &Batch, watch: &dyn BatchWatch, reporter: &dyn Reporter) -> Result<()> {
    // Of the whole list, so that all parts of it are refused alike; words of images are not known yet.
    let mut written = Written::default();
    let mut seen = BTreeSet::new();
    for (index, item) in batch.items.iter().enumerate() {
        written.spare(index, item, &mut seen);
    }
    for (index, item) in batch.items.iter().enumerate() {
        written.add_unread(index, item)?;
    }
    for (index, item) in batch.items.iter().enumerate() {
        let like = item.filesystem.like.as_ref();
        if let Some(path) = like.and_then(LikeRequest::place) {
            written.spare_earlier(index, &path)?;
        }
    }
    let all = 0..batch.items.len();
    let indexes: Vec<_> = all
        .filter(|index| batch.shard.holds(*index as u64))
        .collect();
    Run::new(batch, written, watch, reporter).items(&indexes)
}

/// How the whole ends where each image ended so: 0 if all are there; the code that all failures
/// share; else 9 if each of them may pass on another try; else 4.
pub fn exit_code(codes: impl IntoIterator<Item = u8>) -> u8 {
    let failures = || codes.into_iter().filter(|code| *code != 0);
    let mut failures: Vec<_> = failures().collect();
    failures.sort_unstable();
    failures.dedup();
    match failures[..] {
        [] => 0,
        [code] => code,
        // What is not there or could not be read, and the network.
        [3, 9] => 9,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_share_a_code_have_it_and_others_tell_whether_to_try_again() {
        for (codes, expected) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 5, 0, 5], 5),
            (&[7], 7),
            (&[9, 9], 9),
            (&[3, 0], 3),
            (&[9, 3, 0, 3], 9),
            (&[9, 4], 4),
            (&[3, 9, 5], 4),
            (&[5, 6], 4),
        ] {
            assert_eq!(exit_code(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
