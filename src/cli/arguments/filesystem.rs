//! Which filesystem is to be made, and by which programs.

use std::path::PathBuf;

use clap::Args;

use super::image::SourceDateArgument;
use crate::pipeline::{
    FilesystemRequest, IdentityRequest, JournalSize, Kind, Room, SizePolicy, ToolPaths, parse_uuid,
};
use crate::units::ByteSize;

#[derive(Debug, Args)]
#[command(next_help_heading = "Filesystem")]
pub struct FilesystemArguments {
    /// How large: a percentage of what du counts for the root filesystem (raised where that does
    /// not fit), fit for the smallest that holds it, +64M for that and so much free, or 900M
    #[arg(long, value_name = "SIZE", default_value_t)]
    pub size: SizePolicy,
    /// Leave at least so many inodes free
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub free_inodes: u32,
    /// The journal's size: auto for what mke2fs chooses, or whole MiB as in 16M
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_journal)]
    pub journal: JournalSize,
    /// The filesystem's UUID [default: made from the image's chain ID]
    #[arg(long, value_parser = parse_uuid, value_name = "UUID")]
    pub uuid: Option<Uuid>,
    /// The seed of directory hashes [default: made from the image's chain ID]
    #[arg(long, value_parser = parse_uuid, value_name = "UUID")]
    pub hash_seed: Option<Uuid>,
    /// The filesystem's label, at most 16 bytes
    #[arg(long, default_value = "", hide_default_value = true, value_parser = parse_label)]
    pub label: String,
    #[command(flatten)]
    pub made: SourceDateArgument,
}

/// The bytes of a UUID.
pub type Uuid = [u8; 16];

impl FilesystemArguments {
    /// The filesystem that is meant.
    pub fn request(&self) -> FilesystemRequest {
        FilesystemRequest {
            kind: Kind::default(),
            size: self.size,
            room: Room {
                free_inodes: self.free_inodes,
                journal: self.journal,
            },
            identity: IdentityRequest {
                uuid: self.uuid,
                hash_seed: self.hash_seed,
                label: self.label.clone(),
                made_seconds: self.made.source_date_epoch,
            },
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Programs of e2fsprogs (1.46 or newer)")]
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

/// Reads `--journal`.
pub fn parse_journal(text: &str) -> Result<JournalSize, String> {
    if text == "auto" {
        return Ok(JournalSize::Auto);
    }
    let ByteSize(bytes) = text.parse()?;
    match u32::try_from(bytes >> 20) {
        Ok(size) if JournalSize::MEBIBYTES.contains(&size) && bytes.is_multiple_of(1 << 20) => {
            Ok(JournalSize::Mebibytes(size))
        }
        _ => Err(format!(
            "'{text}' is not auto nor whole MiB from {}M to {}M",
            JournalSize::MEBIBYTES.start(),
            JournalSize::MEBIBYTES.end()
        )),
    }
}

/// Reads `--label`.
pub fn parse_label(text: &str) -> Result<String, String> {
    if text.len() > 16 {
        return Err(format!(
            "expected a label of at most 16 bytes, found {}",
            text.len()
        ));
    }
    Ok(text.to_owned())
}
