//! The sealed filesystem is proven, hashed and given its name.

mod sidecar;

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

pub use sidecar::Sidecar;

use crate::error::{Error, Result};
use crate::filesystem::{Filesystem, SealedFilesystem};
use crate::layers::{Contents, Verifying};
use crate::oci::{Digest, DigestHasher};
use crate::page_buffer::PageBuffer;
use crate::partial_file::persist_together;
use crate::progress::{Reporter, Unit};
use crate::tree::Tree;

/// How much proof is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishOptions {
    /// Run `e2fsck -fn`.
    pub fsck: bool,
    /// Read everything back and hold it against the tree.
    pub verify: bool,
    /// Hash the filesystem and write `OUTPUT.sha256`.
    pub sha256: bool,
    /// Wait until everything is on the disk before the output gets its name.
    pub sync: bool,
}

impl Default for FinishOptions {
    /// Checked by e2fsck, and nothing else.
    fn default() -> Self {
        Self {
            fsck: true,
            verify: false,
            sha256: false,
            sync: false,
        }
    }
}

/// What the filesystem is held against.
#[derive(Debug)]
pub struct MadeFrom<'a, Plan> {
    /// What was planned.
    pub plan: &'a Plan,
    /// What is in it.
    pub tree: &'a Tree,
    /// Where the files' content came from.
    pub contents: &'a Contents,
    /// The layers' digests, still being computed.
    pub verifying: Verifying,
}

/// A filesystem under its final name.
#[derive(Debug)]
pub struct FinishedFilesystem {
    /// Where it is.
    pub path: PathBuf,
    /// The SHA-256 of its bytes, where it was wanted.
    pub sha256: Option<Digest>,
    /// Its length in bytes.
    pub file_bytes: u64,
    /// What it takes of the host's disk, in bytes; the rest are holes.
    pub host_bytes: u64,
}

/// Proves and names the filesystem.
///
/// # Errors
/// [`Error::BadImage`] when the layers turn out not to be the image's, [`Error::Mismatch`] when
/// e2fsck or the read-back finds anything, [`Error::Io`] and [`Error::Tool`] when they cannot run
/// or the output cannot be named. Nothing is left then.
pub fn finish<F>(
    sealed: SealedFilesystem,
    made_from: MadeFrom<'_, F::Plan>,
    tools: &F::Tools,
    options: FinishOptions,
    reporter: &dyn Reporter,
) -> Result<FinishedFilesystem>
where
    F: Filesystem<Plan: Sync, Tools: Sync>,
{
    let MadeFrom {
        plan,
        tree,
        contents,
        verifying,
    } = made_from;
    let partial = sealed.partial;
    let path = partial.path_for_programs()?;
    let output = partial.output().to_owned();
    let unreadable = |error| Error::path("read", &output, error);
    let file_bytes = partial.file().metadata().map_err(unreadable)?.len();
    // None needs another, and all only read.
    let (checked, verified, sha256) = std::thread::scope(|scope| {
        let check = || match options.fsck {
            true => F::judge(plan, tools, &path, reporter),
            false => Ok(()),
        };
        // Where there is no thread, one after the other.
        let checking = std::thread::Builder::new().spawn_scoped(scope, check);
        let verified = verifying.finish();
        let sha256 = match &verified {
            Ok(()) if options.sha256 => {
                Some(sha256_of(partial.file(), file_bytes, reporter).map_err(unreadable))
            }
            _ => None,
        };
        let checked = match checking {
            Ok(checking) => checking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => check(),
        };
        (checked, verified, sha256.transpose())
    });
    verified?;
    checked?;
    let sha256 = sha256?;
    if options.verify {
        F::verify(tools, &path, tree, contents, reporter)?;
    }
    let metadata = partial.file().metadata().map_err(unreadable)?;
    let finished = FinishedFilesystem {
        path: output,
        sha256,
        file_bytes,
        host_bytes: metadata.blocks() * 512,
    };
    let sidecars = options.sidecars(&finished.path);
    let prepared = sidecars.iter().map(|sidecar| sidecar.prepare(&finished));
    // The filesystem last: an earlier output stays whole unless everything is in place.
    let files: Vec<_> = prepared.chain([Ok(partial)]).collect::<Result<_>>()?;
    if options.sync {
        for file in &files {
            file.file()
                .sync_all()
                .map_err(|error| Error::path("write", file.output(), error))?;
        }
    }
    persist_together(files)?;
    sidecar::note_earlier(&finished.path, &sidecars, reporter);
    Ok(finished)
}

/// Bytes read at once while hashing.
const HASHED_BYTES: usize = 256 << 10;

/// Hashes a file from its start to its end.
///
/// # Errors
/// The file's read errors.
fn sha256_of(file: &File, length_bytes: u64, reporter: &dyn Reporter) -> std::io::Result<Digest> {
    let meter = reporter.begin("sha256", Unit::Bytes, Some(length_bytes));
    let mut hasher = DigestHasher::sha256();
    let mut buffer = PageBuffer::new(HASHED_BYTES);
    let mut done = 0;
    loop {
        let read = file.read_at(&mut buffer, done)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        meter.add(read as u64);
        done += read as u64;
    }
    meter.finish("computed");
    Ok(hasher.finish())
}
