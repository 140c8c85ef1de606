//! What is asked for. Every request has defaults for all but what it cannot do without.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::edits::Edits;
use crate::error::Result;
use crate::ext::{JournalSize, Kind, Profile, Room, SizePolicy};
use crate::layers::ReadOptions;
use crate::limits::Limits;
use crate::oci::Platform;
use crate::pinned::Reach;
use crate::put_in;
use crate::source::{DaemonOptions, OpenOptions, Reference, RegistryOptions};

/// A setter for each field, by the name of `with_` and the field's.
macro_rules! setters {
    ($($name:ident: $field:ident$(.$inner:ident)*: $type:ty,)*) => {$(
        #[doc = concat!("Sets `", stringify!($field$(.$inner)*), "`.")]
        #[must_use]
        pub fn $name(mut self, value: $type) -> Self {
            self.$field$(.$inner)* = value.into();
            self
        }
    )*};
}
pub(super) use setters;

/// Everything about how to read an image.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImageRequest {
    /// The image.
    pub reference: Reference,
    /// How it is found and opened.
    pub open: OpenOptions,
    /// Layers to read side by side; one for each processor by default.
    pub jobs: NonZeroUsize,
    /// What is changed of what its layers show; nothing by default.
    pub edits: Edits,
    /// Where the paths begin of what edits put in, and whether they may lead out of there.
    pub put_in_from: Reach,
}

impl ImageRequest {
    /// An image whose spools go to `work_dir`.
    pub fn new(reference: Reference, work_dir: impl Into<PathBuf>) -> Self {
        Self {
            reference,
            open: OpenOptions {
                platform: None,
                file_flags: false,
                one_file_system: false,
                or_filesystem: false,
                work_dir: work_dir.into(),
                limits: Limits::default(),
                registry: RegistryOptions::default(),
                daemon: DaemonOptions::default(),
                held_against: None,
                written: Vec::new(),
                reach: Reach::default(),
            },
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            edits: Edits::default(),
            put_in_from: Reach::default(),
        }
    }

    setters! {
        with_platform: open.platform: Platform,
        with_jobs: jobs: NonZeroUsize,
        with_edits: edits: Edits,
        with_put_in_from: put_in_from: Reach,
        with_limits: open.limits: Limits,
        with_file_flags: open.file_flags: bool,
        with_registry: open.registry: RegistryOptions,
        with_daemon: open.daemon: DaemonOptions,
        with_reach: open.reach: Reach,
        with_held_against: open.held_against: PathBuf,
    }

    pub(super) fn read_options(&self) -> ReadOptions {
        ReadOptions {
            work_dir: self.open.work_dir.clone(),
            limits: self.open.limits.clone(),
            jobs: self.jobs,
        }
    }

    /// What of the host's disk edits put in.
    pub(super) fn put_in(&self) -> Vec<PathBuf> {
        put_in::sources(&self.edits, &self.put_in_from)
    }

    /// The same for who would take a filesystem, too.
    pub(super) fn or_filesystem(&self) -> Self {
        let mut request = self.clone();
        request.open.or_filesystem = true;
        request
    }

    /// Names the image in an error, as it was asked for.
    pub(super) fn named(&self, error: crate::Error) -> crate::Error {
        error.in_image(&self.reference.to_string())
    }
}

/// Something that holds a tree: to be listed, compared or inspected.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Subject {
    /// An ext2, ext3 or ext4 filesystem image, or a block device with one.
    Filesystem(PathBuf),
    /// A container image.
    Image(Box<ImageRequest>),
}

/// Everything about the filesystem to make of an image.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FilesystemRequest {
    /// Its kind; ext3 by default.
    pub kind: Kind,
    /// Its size.
    pub size: SizePolicy,
    /// Free inodes and the journal.
    pub room: Room,
    /// What to call it; by default the image gives all of it.
    pub identity: IdentityRequest,
    /// The filesystem that it is laid out like, where it is like one.
    pub like: Option<LikeRequest>,
    /// Whether it is an error where it cannot have that one's layout.
    pub like_strict: bool,
}

/// An earlier filesystem, whose places are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LikeRequest {
    /// Where it is: a file, or a block device. In its last component there may be words of the image,
    /// as in an output's.
    pub path: PathBuf,
    /// Where that path begins, and whether it may lead out of there.
    pub from: Reach,
}

impl LikeRequest {
    /// The filesystem in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            from: Reach::default(),
        }
    }
}

impl FilesystemRequest {
    setters! {
        with_kind: kind: Kind,
        with_size: size: SizePolicy,
        with_free_inodes: room.free_inodes: u32,
        with_journal: room.journal: JournalSize,
        with_uuid: identity.uuid: [u8; 16],
        with_hash_seed: identity.hash_seed: [u8; 16],
        with_label: identity.label: String,
        with_made_seconds: identity.made_seconds: i64,
        with_like: like: LikeRequest,
        with_like_strict: like_strict: bool,
    }

    /// Whether any of size, free inodes and journal is another than by default: then none of them is
    /// an earlier filesystem's.
    pub(super) fn gives_size(&self) -> bool {
        (self.size, self.room) != (SizePolicy::default(), Room::default())
    }

    /// The kind with the journal.
    pub(super) fn profile(&self) -> Result<Profile> {
        Profile::of(self.kind, self.room.journal)
    }
}

/// What is not to be taken from the image.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct IdentityRequest {
    /// `s_uuid`.
    pub uuid: Option<[u8; 16]>,
    /// `s_hash_seed`.
    pub hash_seed: Option<[u8; 16]>,
    /// The label, at most 16 bytes.
    pub label: String,
    /// The time of the filesystem and of directories that no entry describes, in place of the
    /// image's own time (`SOURCE_DATE_EPOCH`), in seconds since 1970.
    pub made_seconds: Option<i64>,
}
