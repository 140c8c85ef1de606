//! Where a tree becomes a filesystem: what is asked of a kind of filesystem, and what an image of a
//! tree must show in it.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::layers::{Content, Contents};
use crate::listing::{ContentDigest, ContentHasher, Line, Listing};
use crate::page_buffer::PageBuffer;
use crate::partial_file::PartialFile;
use crate::progress::{Phase, Reporter, Task};
use crate::tree::{ContentRef, Node, NodeKind, Tree};

/// A family of filesystems that trees can be pressed into. [`crate::ext::Ext`] is one; one that is
/// no ext stands beside it, with a wing of its own.
pub trait Filesystem {
    /// What can be wanted of one, apart from its content.
    type Options;
    /// All decisions about one; nothing after it decides.
    type Plan;
    /// One with the tree in it that lacks its names and whatever depends on them.
    type Populated;
    /// What names a tree, and nothing before [`Self::seal`] knows.
    type Identity;
    /// The programs that make and judge one.
    type Tools;

    /// Decides everything, before any byte.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what it cannot hold, [`Error::TooSmall`] for a size that cannot.
    fn plan(tree: &Tree, options: &Self::Options) -> Result<Self::Plan>;

    /// Makes what was planned, beside `output`, but for its names. `taken` is called for each file whose content has
    /// been read, which this does once.
    ///
    /// # Errors
    /// [`Error::Io`] when a layer cannot be read or the filesystem not be written (a full disk),
    /// [`Error::Tool`] when a program fails, [`Error::Mismatch`] when the plan turns out wrong.
    fn write(
        plan: &Self::Plan,
        tree: &Tree,
        contents: &Contents,
        tools: &Self::Tools,
        output: &Path,
        taken: &mut dyn FnMut(&ContentRef),
        reporter: &dyn Reporter,
    ) -> Result<Self::Populated>;

    /// Writes what names the tree and all that depends on it, into the metadata alone.
    ///
    /// # Errors
    /// [`Error::Io`] when the filesystem cannot be read or written, [`Error::Mismatch`] when it is
    /// not as it was made.
    fn seal(
        populated: Self::Populated,
        identity: &Self::Identity,
        reporter: &dyn Reporter,
    ) -> Result<SealedFilesystem>;

    /// Lets the kind's own program judge whether an image is sound.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with what it found, [`Error::Tool`] when it could not run.
    fn judge(
        plan: &Self::Plan,
        tools: &Self::Tools,
        image: &Path,
        reporter: &dyn Reporter,
    ) -> Result<()>;

    /// How large an image says that it is, and its UUID.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::BadImage`] where it is none; `name` is what it
    /// is called.
    fn measured(image: &File, name: &Path) -> Result<Measured>;

    /// Reads an image back and holds it against the tree it was made of.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with the first differences; [`Error::Io`] and [`Error::Tool`] when it
    /// cannot be read.
    fn verify(
        tools: &Self::Tools,
        image: &Path,
        tree: &Tree,
        contents: &Contents,
        reporter: &dyn Reporter,
    ) -> Result<()>;

    /// A node as a line of a listing, as far as the filesystem can keep it; `digest` is that of a
    /// regular file's content.
    fn normalise(path: &[u8], node: &Node, digest: Option<ContentDigest>) -> Line;
}

/// What a hash tree over a filesystem needs to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Blocks of 4 KiB, from the file's start on.
    pub blocks: u64,
    /// Its UUID.
    pub uuid: [u8; 16],
}

/// What a filesystem can keep of a node: see [`Filesystem::normalise`].
pub type Normalise = fn(&[u8], &Node, Option<ContentDigest>) -> Line;

/// The listing that an image of `tree` must show where it keeps what `normalise` says, every regular
/// file's content read from the layers and hashed once.
///
/// # Errors
/// [`Error::Io`] when a layer cannot be read, [`Error::Mismatch`] when a file's data does not lie
/// within its layer.
pub fn expected_listing(
    normalise: Normalise,
    tree: &Tree,
    contents: &Contents,
    reporter: &dyn Reporter,
) -> Result<Listing> {
    let digests = digests(tree, contents, reporter)?;
    let mut names = Vec::with_capacity(tree.nodes().len());
    tree.for_each_path(|path, id, node| {
        let line = normalise(path, node, digests[id.index()]);
        names.push((line, Some(u64::from(id.0))));
        Ok::<_, Error>(())
    })?;
    Ok(Listing::new(names))
}

/// Digests contents one after the other.
#[derive(Debug)]
pub struct ContentDigests<'a> {
    contents: &'a Contents,
    buffer: PageBuffer,
}

impl<'a> ContentDigests<'a> {
    /// Of files whose bytes are here.
    pub fn new(contents: &'a Contents) -> Self {
        Self {
            contents,
            buffer: PageBuffer::new(BUFFER_BYTES),
        }
    }

    /// A file's, read from the layers.
    ///
    /// # Errors
    /// As [`expected_listing`].
    pub fn of(&mut self, file: &ContentRef) -> Result<ContentDigest> {
        digest(file, self.contents, &mut self.buffer)
    }
}

/// A filesystem with the tree and its names in it, to the last byte, not yet proven.
#[derive(Debug)]
pub struct SealedFilesystem {
    /// The file it is in.
    pub partial: PartialFile,
}

/// Bytes read at once while hashing.
const BUFFER_BYTES: usize = 256 << 10;

fn digests(
    tree: &Tree,
    contents: &Contents,
    reporter: &dyn Reporter,
) -> Result<Vec<Option<ContentDigest>>> {
    let files = || {
        tree.nodes().map(|(_, node)| match &node.kind {
            NodeKind::Regular(file) => Some(file),
            _ => None,
        })
    };
    let total: u64 = files()
        .flatten()
        .map(|file| data_bytes(&file.content))
        .sum();
    let meter = reporter.begin(Task::bytes(Phase::Prove, "hash the layers' files", total));
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    let mut unreported = 0;
    let digests = files()
        .map(|file| {
            let Some(file) = file else { return Ok(None) };
            let digest = digest(file, contents, &mut buffer)?;
            unreported += data_bytes(&file.content);
            if unreported >= BUFFER_BYTES as u64 {
                meter.add(std::mem::take(&mut unreported));
            }
            Ok(Some(digest))
        })
        .collect::<Result<_>>()?;
    meter.add(unreported);
    meter.finish("hashed");
    Ok(digests)
}

fn data_bytes(content: &Content) -> u64 {
    content.extents().map(|extent| extent.length_bytes).sum()
}

fn digest(file: &ContentRef, contents: &Contents, buffer: &mut [u8]) -> Result<ContentDigest> {
    let tar = contents.of(file.origin)?;
    let mut hasher = ContentHasher::default();
    for extent in file.content.extents() {
        let (start, length) = (extent.offset_bytes, extent.length_bytes);
        let region = tar.part(start, length).ok_or_else(|| {
            Error::Mismatch(format!(
                "{}: {length} bytes at byte {start} do not lie within it",
                file.origin
            ))
        })?;
        region.for_each_piece(buffer, |done, piece| {
            let piece = piece.map_err(|error| Error::io("cannot read a layer's tar", error))?;
            let at = extent.file_offset_bytes.saturating_add(done);
            let taken = hasher.data(at, piece);
            taken.map_err(|error| Error::Mismatch(format!("a sparse file's extents: {error}")))
        })?;
    }
    Ok(hasher.finish(file.content.size_bytes))
}
