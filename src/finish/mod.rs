//! The sealed filesystem is proven, hashed and given its name.

mod compressed;
mod document;
mod fetched;
mod files;
mod output_name;
mod sidecar;
mod stream;
mod verity;

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

pub use compressed::{CompressOptions, FinishedCompressed};
pub use document::{Document, DocumentBytes};
pub use fetched::{FetchedFile, finish_fetched};
pub use files::FinishedFile;
pub use output_name::{ImageWords, OutputName};
pub use sidecar::Sha256File;
pub use verity::{FinishedVerity, VerityOptions, VerityPlace};

use crate::error::{Error, Result};
use crate::filesystem::{Filesystem, SealedFilesystem};
use crate::host_space;
use crate::layers::{Contents, Verifying};
use crate::oci::{Digest, DigestHasher};
use crate::page_buffer::PageBuffer;
use crate::partial_file::{PartialFile, persist_around};
use crate::progress::{Phase, Reporter, Task};
use crate::tree::Tree;
use crate::units::ByteSize;
use verity::Waiting;

/// How much proof is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishOptions {
    /// Run `e2fsck -fn`.
    pub fsck: bool,
    /// Read everything back and hold it against the tree.
    pub verify: bool,
    /// Hash each of the output and what it is compressed to, and write `FILE.sha256`.
    pub sha256: Option<Sha256File>,
    /// Compress the output, beside it or in its place.
    pub compress: Option<CompressOptions>,
    /// Make a dm-verity tree and write `OUTPUT.roothash`, for `NAME.raw` `NAME.roothash`.
    pub verity: Option<VerityOptions>,
    /// Wait until everything is on the disk before the output gets its name.
    pub sync: bool,
    /// Replace no file that is there: neither one that is found at the start nor one that comes later.
    pub no_clobber: bool,
}

impl Default for FinishOptions {
    /// Checked by e2fsck, and nothing else.
    fn default() -> Self {
        Self {
            fsck: true,
            verify: false,
            sha256: None,
            compress: None,
            verity: None,
            sync: false,
            no_clobber: false,
        }
    }
}

impl FinishOptions {
    /// The files that are written for `output`, that which gets its name last before the others.
    pub fn files(&self, output: &Path) -> Vec<PathBuf> {
        let compressed = self.compress.map(|compress| compress.path(output));
        let tree = self.verity.as_ref().and_then(VerityOptions::file);
        let sidecars = self.sidecars(output).into_iter();
        let sidecars = sidecars.map(|sidecar| sidecar.path().to_owned());
        self.keeps_filesystem()
            .then(|| output.to_owned())
            .into_iter()
            .chain(compressed)
            .chain(tree.map(Path::to_owned))
            .chain(sidecars)
            .collect()
    }

    /// What gets its name last: `output`, or what takes its place.
    pub fn last(&self, output: &Path) -> PathBuf {
        match self.compress {
            Some(compress) if compress.only => compress.path(output),
            _ => output.to_owned(),
        }
    }

    /// Gives files that are written their names, as [`persist_around`] does.
    fn persist(&self, mut files: Vec<PartialFile>, output: &Path) -> Result<()> {
        for file in &mut files {
            file.set_no_clobber(self.no_clobber);
        }
        if self.sync {
            for file in &files {
                file.file()
                    .sync_all()
                    .map_err(|error| Error::path("write", file.output(), error))?;
            }
        }
        persist_around(files, output)
    }

    fn keeps_filesystem(&self) -> bool {
        !self.compress.is_some_and(|compress| compress.only)
    }
}

/// What is made of a filesystem that is proven.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// How much proof, and which files.
    pub options: &'a FinishOptions,
    /// Documents beside it.
    pub documents: Vec<Document<'a>>,
    /// Where it goes instead of a file: it, or what it is compressed to, is written to this when it is
    /// proven, and gets no name.
    pub stream: Option<&'a File>,
    /// What the filesystem takes of the disk at most.
    pub needed: ByteSize,
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
    /// Where it is, or would be where only what it is compressed to is kept; `-` for a stream.
    pub path: PathBuf,
    /// The SHA-256 of its bytes, where that was wanted or it was compressed.
    pub sha256: Option<Digest>,
    /// What it is compressed to.
    pub compressed: Option<FinishedCompressed>,
    /// Its dm-verity tree, where one was wanted.
    pub verity: Option<FinishedVerity>,
    /// The file's length in bytes, with a tree behind the filesystem.
    pub file_bytes: u64,
    /// What it takes of the host's disk, in bytes; the rest are holes.
    pub host_bytes: u64,
    /// Each file that is written, the filesystem first where it is kept. A document finds those that were made before it.
    pub files: Vec<FinishedFile>,
}

/// Proves and names the filesystem, and with it what is written beside it.
///
/// # Errors
/// [`Error::BadImage`] when the layers turn out not to be the image's, [`Error::Mismatch`] when
/// e2fsck or the read-back finds anything, [`Error::Io`] and [`Error::Tool`] when they cannot run
/// or the output cannot be named; those of the documents. Nothing is left then.
pub fn finish<F>(
    sealed: SealedFilesystem,
    made_from: MadeFrom<'_, F::Plan>,
    tools: &F::Tools,
    wanted: &Wanted<'_>,
    reporter: &dyn Reporter,
) -> Result<FinishedFilesystem>
where
    F: Filesystem<Plan: Sync, Tools: Sync>,
{
    let output = sealed.partial.output().to_owned();
    let explained = |error| host_space::explained(error, &output, Some(wanted.needed));
    let proven = prove::<F>(sealed, made_from, tools, wanted, reporter).map_err(explained)?;
    let Proven {
        finished,
        last,
        mut files,
        behind,
    } = proven;
    let last_name = last.output().to_owned();
    match wanted.stream {
        // Where this goes, there is other room, and all of its bytes are wanted, holes among them.
        Some(stream) => stream::send(&last, stream, reporter)?,
        None => files.push(last),
    }
    files.extend(behind);
    let options = wanted.options;
    options.persist(files, &last_name).map_err(explained)?;
    if wanted.stream.is_none() {
        sidecar::note_earlier(&finished, options, reporter);
    }
    Ok(finished)
}

/// A filesystem that is proven, and what goes with it; nothing has a name yet.
struct Proven {
    finished: FinishedFilesystem,
    /// What gets its name last, or goes to the stream.
    last: PartialFile,
    /// What gets its name before, and what does behind.
    files: Vec<PartialFile>,
    behind: Vec<PartialFile>,
}

fn prove<F>(
    sealed: SealedFilesystem,
    made_from: MadeFrom<'_, F::Plan>,
    tools: &F::Tools,
    wanted: &Wanted<'_>,
    reporter: &dyn Reporter,
) -> Result<Proven>
where
    F: Filesystem<Plan: Sync, Tools: Sync>,
{
    let MadeFrom {
        plan,
        tree,
        contents,
        verifying,
    } = made_from;
    let Wanted {
        options,
        documents,
        stream,
        ..
    } = wanted;
    let partial = sealed.partial;
    let path = partial.path_for_programs()?;
    let output = partial.output().to_owned();
    let unreadable = |error| Error::path("read", &output, error);
    let are_files_told = documents.iter().any(|document| document.tells_of_files);
    let is_hashed = options.sha256.is_some() || are_files_told;
    let waiting = options
        .verity
        .as_ref()
        .map(|verity| Waiting::new::<F>(&partial, verity))
        .transpose()?;
    // Neither needs the other, and both only read the filesystem.
    let (checked, hashed) = std::thread::scope(|scope| {
        let check = || match options.fsck {
            true => F::judge(plan, tools, &path, reporter),
            false => Ok(()),
        };
        // Where there is no thread, one after the other.
        let checking = std::thread::Builder::new().spawn_scoped(scope, check);
        let hash = || -> Result<Hashed> {
            verifying.finish()?;
            let verity = waiting.map(|tree| tree.write(reporter)).transpose()?;
            let (verity, tree_file) = verity.unzip();
            let (sha256, compressed) = match options.compress {
                Some(compress) => {
                    let (sha256, finished, file) = compress.compress(&partial, reporter)?;
                    (Some(sha256), Some((finished, file)))
                }
                None => {
                    let hashed = is_hashed.then(|| sha256_of(partial.file(), reporter));
                    (hashed.transpose().map_err(unreadable)?, None)
                }
            };
            Ok(Hashed {
                sha256,
                compressed,
                verity,
                tree_file: tree_file.flatten(),
            })
        };
        let hashed = hash();
        let checked = match checking {
            Ok(checking) => checking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => check(),
        };
        (checked, hashed)
    });
    // That the layers are not the image's comes before what that made of the filesystem.
    let Hashed {
        sha256,
        compressed,
        verity,
        tree_file,
    } = hashed?;
    checked?;
    if options.verify {
        F::verify(tools, &path, tree, contents, reporter)?;
    }
    let metadata = partial.file().metadata().map_err(unreadable)?;
    let (compressed, compressed_file) = compressed.unzip();
    let mut finished = FinishedFilesystem {
        path: output,
        sha256,
        compressed,
        verity,
        file_bytes: metadata.len(),
        host_bytes: metadata.blocks() * 512,
        files: Vec::new(),
    };
    // What it is told by last: an earlier output stays whole unless everything is in place.
    let (last, mut files) = match compressed_file {
        Some(file) if !options.keeps_filesystem() => (file, Vec::new()),
        file => (partial, Vec::from_iter(file)),
    };
    finished.list(&last)?;
    for file in &files {
        finished.list(file)?;
    }
    if let Some(tree_file) = tree_file {
        let hashed = are_files_told.then(|| sha256_of(tree_file.file(), reporter));
        let hashed = hashed.transpose();
        let hashed = hashed.map_err(|error| Error::path("read", tree_file.output(), error))?;
        finished.files.push(FinishedFile::of(&tree_file, hashed)?);
        files.push(tree_file);
    }
    let sidecars = options.sidecars(&finished.path);
    for sidecar in &sidecars {
        let content = sidecar.content(&finished)?;
        files.push(files::write(sidecar.path(), &content, &mut finished.files)?);
    }
    if stream.is_some() {
        finished.streamed();
    }
    // Who looks for the output by what tells of it finds that it is there.
    let mut behind = Vec::new();
    for document in documents {
        let content = (document.bytes)(&finished, &path)?;
        let file = files::write(&document.path, &content, &mut finished.files)?;
        match document.tells_of_files {
            true => behind.push(file),
            false => files.push(file),
        }
    }
    Ok(Proven {
        finished,
        last,
        files,
        behind,
    })
}

impl FinishedFilesystem {
    /// Puts a file that is hashed on the list.
    fn list(&mut self, file: &PartialFile) -> Result<()> {
        let sha256 = self.sha256_of(file.output()).cloned();
        self.files.push(FinishedFile::of(file, sha256)?);
        Ok(())
    }

    /// The hash of the filesystem or of what it is compressed to.
    fn sha256_of(&self, path: &Path) -> Option<&Digest> {
        let compressed = self.compressed.as_ref();
        match compressed.filter(|compressed| compressed.path == path) {
            Some(compressed) => Some(&compressed.sha256),
            None => self.sha256.as_ref(),
        }
    }

    /// It goes to a stream, which has no name but this.
    fn streamed(&mut self) {
        let stream = PathBuf::from("-");
        if let Some(file) = self.files.first_mut() {
            file.path.clone_from(&stream);
        }
        if let Some(compressed) = &mut self.compressed {
            compressed.path.clone_from(&stream);
        }
        self.path = stream;
    }
}

/// What hashing gave.
struct Hashed {
    sha256: Option<Digest>,
    /// With its file, not yet named.
    compressed: Option<(FinishedCompressed, PartialFile)>,
    verity: Option<FinishedVerity>,
    /// The file that the tree has to itself, not yet named.
    tree_file: Option<PartialFile>,
}

/// Bytes read at once while hashing.
const HASHED_BYTES: usize = 256 << 10;

/// Hashes a file from its start to its end.
///
/// # Errors
/// The file's read errors.
fn sha256_of(file: &File, reporter: &dyn Reporter) -> std::io::Result<Digest> {
    let length_bytes = file.metadata()?.len();
    let meter = reporter.begin(Task::bytes(Phase::Finish, "sha256", length_bytes));
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
