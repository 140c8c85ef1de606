//! What a filesystem image says of itself, without reading what is in it: an ext superblock, its
//! journal's inode and the note that a build leaves.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::file_kind;
use crate::listing::Kind;
use crate::oci::{ChainId, Digest};
use crate::ondisk::features::{RO_COMPAT_GDT_CSUM, RO_COMPAT_METADATA_CSUM};
use crate::ondisk::inode::StoredInode;
use crate::ondisk::superblock::{STATE_CLEAN, STATE_ERRORS, Superblock};
use crate::ondisk::xattr::{CHAIN_ID_XATTR, FoundValue, Note, RECIPE_XATTR, decode_in_inode};
use crate::units::{Hex, InodeNumber};
use crate::view::{Image, View};

/// A filesystem as its superblock shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Its fields.
    pub superblock: Superblock,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Length of the file it is in; shorter than the filesystem where it was cut.
    pub file_bytes: u64,
    /// What that file takes of the host's disk; the rest are holes.
    pub host_bytes: u64,
    /// The journal, where there is one.
    pub journal: Option<Journal>,
    /// The chain ID of the image that layerpress made it from.
    pub chain_id: Option<ChainId>,
    /// The digest of the recipe that layerpress made it by, where edits changed what the layers show.
    pub recipe_digest: Option<Digest>,
}

/// A filesystem's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Its length; `None` where its inode cannot be read, and on another device.
    pub size_bytes: Option<u64>,
    /// What is known of it.
    pub state: JournalState,
}

/// What is known of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalState {
    /// Nothing in it has yet to be written to its place.
    Clean,
    /// It holds what has yet to be written to its place.
    NeedsRecovery,
    /// It cannot be read, or is none: why.
    Unreadable(String),
    /// It is on another device, and was not looked at.
    Elsewhere,
}

/// What of a filesystem's own blocks have checksums; contents of files never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// None have.
    None,
    /// Group descriptors (`uninit_bg`).
    GroupDescriptors,
    /// All metadata (`metadata_csum`).
    Metadata,
}

/// Whether `path` is a file or block device with an ext superblock, and no archive that happens to
/// have its mark.
pub fn is_filesystem(path: &Path) -> bool {
    let read = || -> io::Result<bool> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() && !metadata.file_type().is_block_device() {
            return Ok(false);
        }
        Ok(file_kind::is_ext(&file_kind::head(&fs::File::open(path)?)?))
    };
    read().unwrap_or(false)
}

impl Filesystem {
    /// Reads what the filesystem in `path` says of itself.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::BadImage`] where it is none or its superblock
    /// makes no sense.
    pub fn read(path: &Path) -> Result<Self> {
        let image = Image::open(path)?;
        let note = note(&image);
        let digest = |bytes: &[u8]| format!("sha256:{}", Hex(bytes)).parse::<Digest>().ok();
        let (chain_id, recipe_digest) = match note {
            Some(Note::ChainId(bytes)) => (digest(&bytes).map(ChainId), None),
            Some(Note::Recipe(bytes)) => (None, digest(&bytes)),
            None => (None, None),
        };
        Ok(Self {
            superblock: image.superblock.clone(),
            block_bytes: image.block_bytes,
            file_bytes: image.file_bytes,
            host_bytes: image.host_bytes()?,
            journal: journal(&image, path),
            chain_id,
            recipe_digest,
        })
    }

    /// What its own blocks have checksums for.
    pub fn checksums(&self) -> Checksums {
        let features = self.superblock.features;
        if features.has_ro_compat(RO_COMPAT_METADATA_CSUM) {
            Checksums::Metadata
        } else if features.has_ro_compat(RO_COMPAT_GDT_CSUM) {
            Checksums::GroupDescriptors
        } else {
            Checksums::None
        }
    }

    /// What the superblock says of its state; nothing was checked.
    pub fn state(&self) -> &'static str {
        match self.superblock.state {
            state if state & STATE_ERRORS != 0 => "errors",
            state if state & STATE_CLEAN != 0 => "clean",
            _ => "not clean",
        }
    }
}

fn journal(image: &Image, path: &Path) -> Option<Journal> {
    let superblock = &image.superblock;
    if !superblock.features.has_journal() {
        return None;
    }
    let number = InodeNumber(superblock.journal_inode);
    if number.0 == 0 {
        return Some(Journal {
            size_bytes: None,
            state: JournalState::Elsewhere,
        });
    }
    let (size_bytes, damage) = match image.inode(number) {
        Ok(bytes) => {
            let looked_at = View::open(path).and_then(|view| view.expect_journal(number));
            let damage = looked_at.err();
            // What our own view does not read may be sound.
            let damage = damage.filter(|error| !matches!(error, Error::Unsupported { .. }));
            (Some(StoredInode::decode(&bytes).size_bytes), damage)
        }
        Err(error) => (None, Some(error)),
    };
    let state = match damage {
        Some(error) => {
            let text = error.to_string();
            let name = format!("{}: ", path.display());
            JournalState::Unreadable(text.strip_prefix(&name).unwrap_or(&text).to_owned())
        }
        None if superblock.features.needs_recovery() => JournalState::NeedsRecovery,
        None => JournalState::Clean,
    };
    Some(Journal { size_bytes, state })
}

/// What a build has left in `lost+found`. A filesystem that was made by one has one note; of two the
/// recipe's counts, since then a chain ID is not all.
fn note(image: &Image) -> Option<Note> {
    let bytes = image.inode(InodeNumber::LOST_FOUND).ok()?;
    let inode = StoredInode::decode(&bytes);
    if Kind::from_st_mode(inode.mode.into()) != Some(Kind::Directory) {
        return None;
    }
    let attributes = decode_in_inode(&bytes[inode.xattr_offset?..]).ok()?;
    let value = |wanted: &[u8]| -> Option<[u8; 32]> {
        let is_wanted = |name: Vec<u8>| name == wanted;
        let note = attributes
            .iter()
            .find(|attribute| attribute.full_name().is_some_and(is_wanted))?;
        match &note.value {
            FoundValue::Here(value) => value[..].try_into().ok(),
            _ => None,
        }
    };
    let recipe = value(RECIPE_XATTR).map(Note::Recipe);
    recipe.or_else(|| value(CHAIN_ID_XATTR).map(Note::ChainId))
}
