//! Blobs become layers: decompressed, indexed, and verified beside what follows.
//!
//! ```text
//! read        all layers side by side, within one budget and so many zstd windows
//! blob        one of them: from its stored bytes to its entries and its tar
//! stored      the stored bytes, as they come and are counted; a copy of those that others may write
//! ahead       the decompressed tar, counted and spooled
//! put_in      what comes behind the layers, from elsewhere
//! verifying   its digests, computed behind all that (verification)
//! shared      layers that several images have in common
//! ```

mod ahead;
mod blob;
mod budget;
mod put_in;
mod read;
mod shared;
mod stored;
mod verification;
mod verifying;
mod windows;

pub use put_in::{Existing, Made, Put, PutIn, PutInReader, PutInTar};
pub use read::{read, read_wanted};
pub use shared::{Shelf, Wanted};
pub use verifying::{GivingBack, Verifying};

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use shared::Reader;

use crate::compression::Compression;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::oci::{DiffId, Digest};
use crate::region::FileRegion;
pub use crate::region::{Content, Data, DataExtent};
use crate::source::LayerBlob;
pub use crate::tar::{Device, Entry, EntryKind, Xattr, set_permissions};
use crate::warnings::Warnings;

/// How to read layers.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Where compressed layers are decompressed to, in files without a name.
    pub work_dir: PathBuf,
    /// What is refused.
    pub limits: Limits,
    /// How many layers are read at the same time at most.
    pub jobs: NonZeroUsize,
}

/// The layers of one image, base first; what they say holds once [`Verifying::finish`] has said so.
/// A clone is the same layers for one more tree.
#[derive(Debug, Clone)]
pub struct Layers {
    /// What each layer's tar says.
    pub changesets: Vec<Changeset>,
    /// What is put in behind the layers, in the order it is applied. It is no part of the image: chain
    /// ID and diff IDs are the layers' alone.
    pub put_in: Vec<PutIn>,
    /// Where the bytes of each of both can be read, by the same indexes.
    pub contents: Contents,
    /// What was noticed while reading.
    pub warnings: Warnings,
    /// Their digests and diff IDs, being computed.
    pub verifying: Verifying,
    /// Of the layers that were read for another image.
    pub taken: Taken,
}

impl Layers {
    /// None at all, for what is put in by itself.
    pub fn none() -> Self {
        Self {
            changesets: Vec::new(),
            put_in: Vec::new(),
            contents: Contents::of_layers([]),
            warnings: Warnings::default(),
            verifying: Verifying::start("what is put in", Vec::new(), NonZeroUsize::MIN),
            taken: Taken::default(),
        }
    }
}

/// Layers that were read for another image.
#[derive(Debug, Clone, Default)]
pub struct Taken(Vec<Verifying>);

impl Taken {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether one is known not to be what it should be: the image's own copy may be.
    pub fn is_damaged(&self) -> bool {
        self.0.iter().any(Verifying::has_failed)
    }
}

/// One layer's tar, indexed. A clone shares the entries: a layer is read once for as many trees as are
/// made of it.
#[derive(Debug, Clone)]
pub struct Changeset {
    /// What is known of the layer as a whole.
    pub layer: LayerSummary,
    /// Its entries in the order of the tar.
    pub entries: Arc<Vec<Entry>>,
    /// Whether `.wh.` names delete (a layer) or are names like any other (a flat root filesystem).
    pub whiteouts: bool,
}

impl Changeset {
    /// How much memory its entries take beyond their fixed size: see [`Entry::index_bytes`].
    pub fn index_bytes(&self) -> u64 {
        self.entries.iter().map(Entry::index_bytes).sum()
    }
}

/// A layer's names and sizes, as found.
#[derive(Debug, Clone)]
pub struct LayerSummary {
    /// The hash of the uncompressed tar, where it was known before that was read; of all layers
    /// [`Verifying::diff_ids`] tells it.
    pub diff_id: Option<DiffId>,
    /// The hash of the stored bytes, where a manifest named one.
    pub digest: Option<Digest>,
    /// The manifest's media type.
    pub media_type: Option<String>,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Bytes of the uncompressed tar.
    pub tar_bytes: u64,
    /// Entries in the tar.
    pub entry_count: u64,
}

/// The length of a layer's tar as far as it is known without reading the layer: where it is stored
/// uncompressed, here.
///
/// # Errors
/// [`crate::Error::Unsupported`] for a compression that layers cannot have; read errors.
pub fn unread_tar_bytes(layer: &LayerBlob) -> Result<Option<u64>> {
    let Some(stored) = layer.stored.at_hand() else {
        return Ok(None);
    };
    let is_plain = Compression::detect(stored)? == Compression::None;
    Ok(is_plain.then_some(stored.length_bytes))
}

/// Whose bytes a file's content is a region of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A layer's uncompressed tar; 0 is the base layer.
    Layer(u32),
    /// What is put in behind the layers; 0 is what comes first.
    PutIn(u32),
}

/// Random access to whatever files' contents are regions of. Each clone is another reader, and only
/// the last one that is left [gives back](GivingBack) what it has read.
#[derive(Debug, Clone)]
pub struct Contents {
    /// By layer index: a region of an uncompressed archive, or a spool.
    pub tars: Arc<[FileRegion]>,
    /// The same of what is put in behind the layers.
    pub put_in: Arc<[FileRegion]>,
    /// Those that other images may read, by layer index.
    shared: Arc<[Option<Reader>]>,
}

impl Contents {
    /// Those of layers alone, base first.
    pub fn of_layers(tars: impl Into<Arc<[FileRegion]>>) -> Self {
        Self {
            tars: tars.into(),
            put_in: Arc::default(),
            shared: Arc::default(),
        }
    }

    /// Whether nobody else reads a layer's, nor can begin to.
    fn has_one_reader(&self, layer: usize) -> bool {
        let is_last = |shared: &Option<Reader>| shared.as_ref().is_none_or(Reader::is_last);
        Arc::strong_count(&self.tars) == 1 && self.shared.get(layer).is_none_or(is_last)
    }

    /// The bytes of an origin.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where there are none.
    pub fn of(&self, origin: Origin) -> Result<&FileRegion> {
        let (index, regions) = match origin {
            Origin::Layer(layer) => (layer, &self.tars),
            Origin::PutIn(put_in) => (put_in, &self.put_in),
        };
        let found = usize::try_from(index).ok().and_then(|at| regions.get(at));
        found.ok_or_else(|| Error::Mismatch(format!("there is no {origin}")))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Layer(layer) => write!(formatter, "layer {layer}"),
            Self::PutIn(put_in) => write!(formatter, "put-in {put_in}"),
        }
    }
}
