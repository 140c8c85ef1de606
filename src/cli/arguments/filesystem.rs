//! Which filesystem is to be made, and by which programs.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::image::FileFlagsArgument;
use super::numbers::{seconds_since_1970, whole};
use crate::pipeline::{
    FilesystemRequest, IdentityRequest, JournalSize, Kind, LikeRequest, Room, SizePolicy,
    ToolPaths, parse_label, parse_uuid,
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Filesystem")]
pub struct FilesystemArguments {
    /// The kind
    #[arg(long, value_enum, value_name = "KIND", default_value_t)]
    pub fs: Kind,
    /// How large: a percentage of what du counts for the root filesystem (raised where that does
    /// not fit), fit for the smallest that holds it, +64M for that and so much free for an
    /// ordinary user, or 900M
    #[arg(long, value_name = "SIZE", default_value_t)]
    pub size: SizePolicy,
    /// Leave at least so many inodes free
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<u32>)]
    pub free_inodes: u32,
    /// The journal's size: auto for what mke2fs chooses, whole MiB as in 16M, or none (ext4; ext2
    /// has none, and ext3 always one)
    #[arg(long, value_name = "SIZE", default_value_t)]
    pub journal: JournalSize,
    /// The filesystem's UUID [default: made from the image's chain ID]
    #[arg(long, value_parser = parse_uuid, value_name = "UUID")]
    pub uuid: Option<Uuid>,
    /// The seed of directory hashes [default: the same for every filesystem; where strangers may
    /// make names in one that is mounted for writing, one by chance keeps them from choosing names
    /// that hash alike]
    #[arg(long, value_parser = parse_uuid, value_name = "UUID")]
    pub hash_seed: Option<Uuid>,
    /// The filesystem's label, at most 16 bytes
    #[arg(long, default_value = "", hide_default_value = true, value_parser = parse_label)]
    pub label: String,
    /// Lay it out like an earlier filesystem image: what has as many blocks as there keeps its blocks
    /// and its inode number, and without --size, --free-inodes, --journal and --hash-seed these are
    /// as there, as long as all fits. OLD may be OUTPUT itself, which is read before it is replaced;
    /// words of the image as {name} are filled in as in OUTPUT
    #[arg(long, value_name = "OLD")]
    pub like: Option<PathBuf>,
    /// Let it be an error where the size and the tables of OLD cannot be kept
    #[arg(long)]
    pub like_strict: bool,
    #[command(flatten)]
    pub flags: FileFlagsArgument,
    /// Seconds since 1970: the time of the filesystem and of directories which no layer describes
    /// [default: when the image was created]
    #[arg(
        long,
        env = "SOURCE_DATE_EPOCH",
        value_name = "SECONDS",
        value_parser = seconds_since_1970,
        allow_negative_numbers = true
    )]
    pub source_date_epoch: Option<i64>,
}

/// The bytes of a UUID.
pub type Uuid = [u8; 16];

impl FilesystemArguments {
    /// The filesystem that is meant.
    pub fn request(&self) -> FilesystemRequest {
        FilesystemRequest {
            kind: self.fs,
            size: self.size,
            room: Room {
                free_inodes: self.free_inodes,
                journal: self.journal,
            },
            identity: IdentityRequest {
                uuid: self.uuid,
                hash_seed: self.hash_seed,
                label: self.label.clone(),
                made_seconds: self.source_date_epoch,
            },
            like: self.like.clone().map(LikeRequest::new),
            like_strict: self.like_strict,
        }
    }
}

/// The heading in the help of programs elsewhere.
pub const TOOLS: &str = "Programs of e2fsprogs (1.46 or newer)";

#[derive(Debug, Args)]
#[command(next_help_heading = TOOLS)]
pub struct ToolArguments {
    /// Instead of the mke2fs found in PATH and the sbin directories
    #[arg(long, value_name = "PATH")]
    pub mke2fs: Option<PathBuf>,
    /// Instead of the tune2fs found there
    #[arg(long, value_name = "PATH")]
    pub tune2fs: Option<PathBuf>,
    /// Instead of the e2fsck found there
    #[arg(long, value_name = "PATH")]
    pub e2fsck: Option<PathBuf>,
    /// Instead of the debugfs found there
    #[arg(long, value_name = "PATH")]
    pub debugfs: Option<PathBuf>,
}

impl ToolArguments {
    /// Where the programs are.
    pub fn paths(&self) -> ToolPaths {
        ToolPaths {
            mke2fs: self.mke2fs.clone(),
            tune2fs: self.tune2fs.clone(),
            e2fsck: self.e2fsck.clone(),
            debugfs: self.debugfs.clone(),
            search_path: std::env::var_os("PATH"),
        }
    }
}

impl ValueEnum for Kind {
    /// The default first.
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ext3, Self::Ext4, Self::Ext2]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Ext3 => ("ext3", "Block maps and a journal; from 8 MiB on"),
            Self::Ext4 => (
                "ext4",
                "Extents and checksums; with a journal from 8 MiB on, or without",
            ),
            Self::Ext2 => ("ext2", "Block maps and no journal"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
