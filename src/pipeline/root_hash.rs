//! A filesystem held against a root hash, and what is known of hash trees by looking at them.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::request::setters;
use crate::error::{Error, Result};
use crate::file_kind;
use crate::progress::Reporter;
use crate::verity::{
    self, BLOCK_BYTES, Damage, Place, Proof, RootHash, Shape, Stored, Superblock, prove,
};
use crate::view::{Owner, View, read_superblock};

/// What is held against what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RootHashRequest {
    /// The filesystem.
    pub filesystem: PathBuf,
    /// The root hash.
    pub root_hash: RootHash,
    /// The file with the tree, where it is not the filesystem's.
    pub verity_file: Option<PathBuf>,
    /// Where in its file the superblock of the tree is, in bytes; by default where a build leaves it.
    pub hash_offset_bytes: Option<u64>,
}

impl RootHashRequest {
    /// The tree is behind the filesystem.
    pub fn new(filesystem: impl Into<PathBuf>, root_hash: RootHash) -> Self {
        Self {
            filesystem: filesystem.into(),
            root_hash,
            verity_file: None,
            hash_offset_bytes: None,
        }
    }

    setters! {
        with_verity_file: verity_file: Option<PathBuf>,
        with_hash_offset_bytes: hash_offset_bytes: Option<u64>,
    }
}

/// What came of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct HeldAgainstRootHash {
    /// What was found wrong.
    pub proof: Proof,
    /// What the tree's superblock says.
    pub superblock: Superblock,
    /// Blocks of the tree behind it.
    pub tree_blocks: u64,
    /// The file with the tree.
    pub hash_file: PathBuf,
    /// Where its superblock is in that.
    pub hash_offset_bytes: u64,
    /// The first damaged blocks of the data.
    pub data: Vec<DamagedBlock>,
    /// The first damaged blocks of the tree.
    pub tree: Vec<DamagedTreeBlock>,
    /// Why it cannot be told what the damaged blocks are of.
    pub unowned: Option<String>,
}

/// A block of 4 KiB that is not what was hashed.
#[derive(Debug)]
pub struct DamagedBlock {
    /// Its number.
    pub block: u64,
    /// What of the filesystem it is, where that can be told.
    pub owner: Option<Owner>,
}

/// A block of the tree that is not what the rest of it says.
#[derive(Debug)]
pub struct DamagedTreeBlock {
    /// Its level; level 0 has the digests of the data.
    pub level: usize,
    /// Its number in the level.
    pub block: u64,
    /// Where it is in its file.
    pub offset_bytes: u64,
    /// The blocks of the data that it speaks of.
    pub data: Range<u64>,
}

/// Hashes all blocks and holds them against the tree, and that against the root hash.
///
/// # Errors
/// [`Error::BadImage`] where there is no tree, or one of another length than the filesystem's;
/// [`Error::Unsupported`] for other hashes and block sizes; [`Error::Io`]. Damage is none.
pub fn hold_against_root_hash(
    request: &RootHashRequest,
    reporter: &dyn Reporter,
) -> Result<HeldAgainstRootHash> {
    let path = &request.filesystem;
    let file = file_kind::open_image(path)?;
    let own_file = request.verity_file.as_deref();
    let opened = own_file.map(file_kind::open_image).transpose()?;
    let data = Place::start(&file, path);
    let filesystem_bytes = filesystem_bytes(&file, path);
    let places: Vec<_> = match (request.hash_offset_bytes, &opened) {
        (Some(offset), _) => vec![offset],
        (None, Some(_)) => vec![0],
        // Where the superblock is damaged, the file's length tells it, too.
        (None, None) => {
            let by_length = Shape::with_area_of(data.bytes()? / BLOCK_BYTES);
            let by_length = by_length.map(|shape| shape.data_blocks() * BLOCK_BYTES);
            filesystem_bytes.into_iter().chain(by_length).collect()
        }
    };
    let hash_name = own_file.unwrap_or(path);
    let named = |error: Error| error.in_image(&hash_name.display().to_string());
    let place = |offset_bytes| Place {
        file: opened.as_ref().unwrap_or(&file),
        name: hash_name,
        offset_bytes,
    };
    let read: Vec<_> = places.iter().map(|at| Stored::read(place(*at))).collect();
    let mut last = Err(Error::bad_image(
        "expected a filesystem with a hash tree behind it, found neither",
    ));
    for one in read {
        let is_read = one.is_ok();
        last = one;
        if is_read {
            break;
        }
    }
    let stored = last.map_err(|error| {
        let help = "; --verity-file and --hash-offset say where the hash tree is";
        named(match error {
            Error::BadImage { .. } => error.with_more(help),
            other => other,
        })
    })?;
    let data_bytes = stored.superblock.data_blocks * BLOCK_BYTES;
    if opened.is_none() && data_bytes > stored.place.offset_bytes {
        return Err(named(Error::bad_image(format!(
            "expected the hash tree behind the {data_bytes} bytes that it is of, found it at byte {}",
            stored.place.offset_bytes
        ))));
    }
    let proof = prove(data, &stored, &request.root_hash, reporter)?;
    // A damaged superblock is told as that.
    if proof.is_sound() && filesystem_bytes.is_some_and(|bytes| bytes != data_bytes) {
        return Err(named(Error::bad_image(format!(
            "expected a hash tree of the whole filesystem, {} bytes, found one of {data_bytes}",
            filesystem_bytes.unwrap_or(0)
        ))));
    }
    let (mut owners, unowned) = owners(path, &proof.data);
    let shape = Shape::of(stored.superblock.data_blocks);
    let tree = proof
        .tree
        .first
        .iter()
        .map(|&(level, block)| DamagedTreeBlock {
            level,
            block,
            offset_bytes: stored.byte_of(level, block),
            data: shape.data_of(level, block),
        });
    Ok(HeldAgainstRootHash {
        data: proof
            .data
            .first
            .iter()
            .map(|&block| DamagedBlock {
                block,
                owner: owners.remove(&block),
            })
            .collect(),
        tree: tree.collect(),
        unowned,
        hash_offset_bytes: stored.place.offset_bytes,
        hash_file: hash_name.to_owned(),
        tree_blocks: shape.tree_blocks(),
        superblock: stored.superblock,
        proof,
    })
}

/// The filesystem's length, as far as its superblock can be believed.
fn filesystem_bytes(file: &File, path: &Path) -> Option<u64> {
    let superblock = read_superblock(file, &path.display().to_string()).ok()?;
    Some(superblock.bytes())
}

/// What the damaged blocks are of, or why that cannot be told.
fn owners(path: &Path, damage: &Damage<u64>) -> (BTreeMap<u64, Owner>, Option<String>) {
    if damage.count == 0 {
        return (BTreeMap::new(), None);
    }
    match View::open(path) {
        // Hash trees have blocks of 4 KiB, whatever the filesystem has.
        Ok(view) if view.block_bytes() == BLOCK_BYTES => (view.owners(&damage.first), None),
        Ok(view) => {
            let why = format!("the filesystem has blocks of {} bytes", view.block_bytes());
            (BTreeMap::new(), Some(why))
        }
        Err(error) => (BTreeMap::new(), Some(error.to_string())),
    }
}

/// A superblock of dm-verity that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundVerity {
    /// Where in its file it is.
    pub hash_offset_bytes: u64,
    /// What it says.
    pub superblock: Superblock,
    /// Blocks of the tree behind it.
    pub tree_blocks: u64,
    /// The root hash, if the tree is sound: the digest of its topmost block. `None` where that is
    /// not there, and for a single data block.
    pub root_hash: Option<RootHash>,
    /// Whether the file ends before the tree does.
    pub is_cut: bool,
}

impl FoundVerity {
    fn read(place: Place<'_>) -> Result<Self> {
        let stored = Stored::read(place)?;
        let shape = Shape::of(stored.superblock.data_blocks);
        Ok(Self {
            hash_offset_bytes: place.offset_bytes,
            tree_blocks: shape.tree_blocks(),
            root_hash: stored.root_hash().unwrap_or(None),
            is_cut: place.bytes()? < shape.area_bytes(),
            superblock: stored.superblock,
        })
    }
}

/// The superblock of dm-verity behind a filesystem that ends at a byte; what is wrong with one that
/// cannot be read.
pub(super) fn behind_filesystem(path: &Path, end: u64) -> Option<Result<FoundVerity>> {
    let file = file_kind::open_image(path).ok()?;
    let place = Place {
        file: &file,
        name: path,
        offset_bytes: end,
    };
    is_signed_at(place).then(|| FoundVerity::read(place))
}

/// The superblock of dm-verity that a file begins with; `None` for any other file.
///
/// # Errors
/// [`Error::BadImage`] where its numbers make no sense, [`Error::Unsupported`] for other hashes and
/// block sizes.
pub fn verity_file(path: &Path) -> Result<Option<FoundVerity>> {
    // What it is otherwise, somebody else says.
    let Ok(file) = file_kind::open_image(path) else {
        return Ok(None);
    };
    let place = Place::start(&file, path);
    if !is_signed_at(place) {
        return Ok(None);
    }
    let found = FoundVerity::read(place);
    found
        .map(Some)
        .map_err(|error| error.in_image(&path.display().to_string()))
}

fn is_signed_at(place: Place<'_>) -> bool {
    use std::os::unix::fs::FileExt;
    let mut head = [0; 8];
    let read = place.file.read_exact_at(&mut head, place.offset_bytes);
    read.is_ok() && verity::is_signed(&head)
}
