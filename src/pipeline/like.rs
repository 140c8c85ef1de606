//! The earlier filesystem that a new one is laid out like: read beside the layers, trusted in nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::doubts::{Done, doubts};
use super::request::{FilesystemRequest, LikeRequest};
use crate::error::{Error, Result, escape_path};
use crate::ext::{Earlier, EarlierNode, Kind, expect_kind};
use crate::file_kind;
use crate::finish::{ImageWords, OutputName};
use crate::listing;
use crate::ondisk::features::FilesystemType;
use crate::ondisk::inode::FileType;
use crate::units::{BLOCK_SIZE, BlockNumber, Hex};
use crate::view::{Hashed, Positions, PositionsNode, View};

/// What is known of an earlier filesystem when it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarlierFile {
    /// Where it is, as it was named.
    pub path: PathBuf,
    /// The SHA-256 of the whole file, 64 digits.
    pub sha256: String,
    /// Names in it whose places could not be told.
    pub left_out: u64,
}

impl EarlierFile {
    /// A file with this SHA-256, of which so many names could not be told.
    pub fn new(path: impl Into<PathBuf>, sha256: String, left_out: u64) -> Self {
        Self {
            path: path.into(),
            sha256,
            left_out,
        }
    }
}

/// An earlier filesystem on its way. Dropped, it is given up.
#[derive(Debug)]
pub(super) struct EarlierReading {
    path: PathBuf,
    /// Why fewer places than it has may be known.
    doubts: Vec<String>,
    work: Arc<Work>,
    /// What comes first.
    positions: Receiver<Positions>,
    left_out: u64,
    hashing: Hashing,
}

#[derive(Debug)]
enum Hashing {
    On(JoinHandle<Result<Hashed>>),
    /// No thread was to be had.
    Due(Sender<Positions>),
    Done(Result<Hashed>),
}

#[derive(Debug)]
struct Work {
    /// Whoever takes it reads it.
    view: Mutex<Option<View>>,
    is_given_up: AtomicBool,
}

impl Work {
    /// Reads the metadata and tells the positions, and then all of it.
    fn read(&self, tell: &Sender<Positions>) -> Result<Hashed> {
        let view = self
            .view
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (positions, sighted) = view.ok_or(Error::Cancelled)?.positions()?;
        // Where nobody waits for it, it has been given up.
        let _ = tell.send(positions);
        sighted.hash(&|| self.is_given_up.load(Ordering::Relaxed))
    }
}

impl EarlierReading {
    /// Opens the earlier filesystem that is asked for, if one is, and begins to read it on a thread of
    /// its own: its metadata, and then all of it, against which what was read of it is held. What has
    /// its name later is nothing to it. Where it is the `output` itself and not there yet, there is none:
    /// whoever makes one version after the other begins so.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::BadImage`] where it is no ext filesystem or
    /// longer than `max_bytes`, [`Error::Unsupported`] where it is of another kind.
    pub fn begin(
        filesystem: &FilesystemRequest,
        words: &ImageWords,
        output: Option<&Path>,
        max_bytes: u64,
    ) -> Result<Option<Self>> {
        let Some(like) = &filesystem.like else {
            return match filesystem.like_strict {
                true => Err(Error::usage(
                    "--like-strict: expected --like OLD beside it, found none",
                )),
                false => Ok(None),
            };
        };
        let path = like.filled(words)?;
        let name = shown(&path);
        if output == Some(&*path) && !filesystem.like_strict && is_absent(&path) {
            return Ok(None);
        }
        let file = like
            .open(words)
            .map_err(|error| error.with_more(" (--like)"))?;
        let view = View::of_file(file, &name)?;
        expect(&view, filesystem.kind, max_bytes).map_err(|error| error.in_image(&name))?;
        let doubts = doubts(view.superblock(), &path, Done::Read);
        let work = Arc::new(Work {
            view: Mutex::new(Some(view)),
            is_given_up: AtomicBool::new(false),
        });
        let (tell, positions) = channel();
        let thread = thread::Builder::new().name("earlier".to_owned()).spawn({
            let (work, tell) = (Arc::clone(&work), tell.clone());
            move || work.read(&tell)
        });
        Ok(Some(Self {
            path,
            doubts,
            work,
            positions,
            left_out: 0,
            hashing: thread.map_or(Hashing::Due(tell), Hashing::On),
        }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the reader of its places should know.
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// Waits for what it tells of its places; once.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read or changes meanwhile.
    pub fn places(&mut self) -> Result<Arc<Earlier>> {
        if let Hashing::Due(tell) = &self.hashing {
            self.hashing = Hashing::Done(self.work.read(tell));
        }
        let Ok(positions) = self.positions.recv() else {
            return Err(self.hashed().err().unwrap_or(Error::Cancelled));
        };
        self.left_out = positions.left_out;
        Ok(Arc::new(earlier(positions)?))
    }

    /// Waits until all of it is read; before what was made of its places gets a name.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, or changed since its places were.
    pub fn finish(mut self) -> Result<EarlierFile> {
        let sha256 = Hex(&self.hashed()?.sha256).to_string();
        Ok(EarlierFile::new(&self.path, sha256, self.left_out))
    }

    fn hashed(&mut self) -> Result<Hashed> {
        match std::mem::replace(&mut self.hashing, Hashing::Done(Err(Error::Cancelled))) {
            Hashing::On(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Hashing::Due(tell) => self.work.read(&tell),
            Hashing::Done(done) => done,
        }
    }
}

impl Drop for EarlierReading {
    fn drop(&mut self) {
        self.work.is_given_up.store(true, Ordering::Relaxed);
        // It ends soon, and nothing is read for nobody.
        let hashing = std::mem::replace(&mut self.hashing, Hashing::Done(Err(Error::Cancelled)));
        if let Hashing::On(thread) = hashing {
            let _ = thread.join();
        }
    }
}

impl LikeRequest {
    /// The path with the image's words in it, as seen from the working directory.
    ///
    /// # Errors
    /// As [`OutputName::parse`] and [`OutputName::fill`].
    pub(super) fn filled(&self, words: &ImageWords) -> Result<PathBuf> {
        Ok(self.from.at(&self.named(words)?))
    }

    /// The same as far as that is known without the image.
    pub(super) fn place(&self) -> Option<PathBuf> {
        let name = OutputName::parse(&self.path).ok()?;
        match name.is_whole() {
            true => self.filled(&ImageWords::default()).ok(),
            false => None,
        }
    }

    fn named(&self, words: &ImageWords) -> Result<PathBuf> {
        OutputName::parse(&self.path)?.fill(words)
    }

    fn open(&self, words: &ImageWords) -> Result<File> {
        let path = self.named(words)?;
        if !self.from.is_confined() {
            return file_kind::open_image(&self.from.at(&path));
        }
        let file = self.from.open_regular_file(&path);
        file.map_err(|error| Error::path("open", &path, error))
    }

    /// The SHA-256 of the filesystem as it is now, 64 digits, where it could be one to lay a new one
    /// out like.
    ///
    /// # Errors
    /// As [`EarlierReading::begin`] and [`EarlierReading::finish`].
    pub(super) fn sha256_now(&self, words: &ImageWords, max_bytes: u64) -> Result<String> {
        let path = self.filled(words)?;
        let view = View::of_file(self.open(words)?, &shown(&path))?;
        expect_length(&view, max_bytes)?;
        let (_, sighted) = view.positions()?;
        Ok(Hex(&sighted.hash(&|| false)?.sha256).to_string())
    }
}

fn is_absent(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn shown(path: &Path) -> String {
    escape_path(path.as_os_str().as_bytes())
}

fn expect_length(view: &View, max_bytes: u64) -> Result<()> {
    let found = view.file_bytes();
    match found > max_bytes {
        true => Err(Error::bad_image(format!(
            "expected a filesystem of at most {max_bytes} bytes to lay another out like, found {found} (--max-bytes raises the limit)"
        ))),
        false => Ok(()),
    }
}

/// Expects what a filesystem can be laid out like.
fn expect(view: &View, kind: Kind, max_bytes: u64) -> Result<()> {
    expect_length(view, max_bytes)?;
    let found = kind_of(view.filesystem_type());
    expect_kind(kind, found.ok_or_else(is_journal)?)?;
    let block_bytes = view.block_bytes();
    if block_bytes != BLOCK_SIZE || view.blocks() > u64::from(u32::MAX) {
        return Err(Error::unsupported(format!(
            "expected a filesystem of less than 2^32 blocks of {BLOCK_SIZE} bytes to lay one out like, found {} of {block_bytes}",
            view.blocks()
        )));
    }
    Ok(())
}

fn is_journal() -> Error {
    Error::unsupported("expected an earlier filesystem, found a journal outside of its own")
}

fn kind_of(found: FilesystemType) -> Option<Kind> {
    match found {
        FilesystemType::Ext2 => Some(Kind::Ext2),
        FilesystemType::Ext3 => Some(Kind::Ext3),
        FilesystemType::Ext4 => Some(Kind::Ext4),
        FilesystemType::Journal => None,
    }
}

/// As the plan takes it.
fn earlier(positions: Positions) -> Result<Earlier> {
    let cannot = || Error::unsupported("expected an ext filesystem of less than 2^32 blocks");
    // No image has any, and a plan knows none.
    let sockets: BTreeSet<u32> = (0..)
        .zip(&positions.nodes)
        .filter(|(_, node)| node.kind == listing::Kind::Socket)
        .map(|(place, _)| place)
        .collect();
    let node = |node: PositionsNode| {
        let mut children = node.children;
        children.retain(|(_, place)| !sockets.contains(place));
        EarlierNode {
            inode: node.inode,
            kind: file_type(node.kind),
            data: node.data,
            maps: node.maps,
            attributes: node.attributes.map(BlockNumber),
            children,
        }
    };
    Ok(Earlier {
        kind: kind_of(positions.filesystem_type).ok_or_else(cannot)?,
        blocks: u32::try_from(positions.blocks).map_err(|_| cannot())?,
        inodes: positions.inodes,
        // No journal is larger than its filesystem.
        journal_blocks: u32::try_from(positions.journal_blocks).unwrap_or(u32::MAX),
        reserved_descriptor_blocks: positions.reserved_descriptor_blocks.into(),
        hash_seed: positions.hash_seed,
        nodes: positions.nodes.into_iter().map(node).collect(),
    })
}

fn file_type(kind: listing::Kind) -> FileType {
    match kind {
        listing::Kind::Regular => FileType::Regular,
        listing::Kind::Directory => FileType::Directory,
        listing::Kind::Symlink => FileType::Symlink,
        listing::Kind::CharacterDevice => FileType::CharacterDevice,
        listing::Kind::BlockDevice => FileType::BlockDevice,
        // No name leads to a socket.
        listing::Kind::Fifo | listing::Kind::Socket => FileType::Fifo,
    }
}
