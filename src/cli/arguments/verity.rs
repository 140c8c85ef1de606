//! Whether a dm-verity tree is made, and where.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use super::documents::named;
use super::numbers::whole;
use crate::error::Result;
use crate::pipeline::{RootHash, RootHashRequest, Salt, VerityOptions, VerityPlace};

/// That blocks are hashed for dm-verity.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "dm-verity",
    group = ArgGroup::new("tree").args(["verity", "verity_file"])
)]
pub struct VerityArguments {
    /// Append a hash tree to the output, as veritysetup format makes it, and write the root hash to
    /// OUTPUT.roothash, for an output NAME.raw to NAME.roothash, where systemd looks for it; --size
    /// counts the filesystem alone
    #[arg(long)]
    pub verity: bool,
    /// Write the tree to a file of its own instead
    #[arg(long, value_name = "FILE", conflicts_with = "verity")]
    pub verity_file: Option<PathBuf>,
    /// What is hashed before each block, 0 to 256 bytes [default: 32 zero bytes, so that the root
    /// hash is the filesystem's alone]
    #[arg(long, value_name = "HEX", requires = "tree")]
    pub verity_salt: Option<Salt>,
}

impl VerityArguments {
    /// The tree that is meant.
    ///
    /// # Errors
    /// For standard output, which is no file beside another.
    pub fn options(&self) -> Result<Option<VerityOptions>> {
        let place = match &self.verity_file {
            Some(file) => VerityPlace::File(named("--verity-file", file)?.to_owned()),
            None if self.verity => VerityPlace::Appended,
            None => return Ok(None),
        };
        let salt = self.verity_salt.clone().unwrap_or_default();
        Ok(Some(VerityOptions { place, salt }))
    }
}

/// A root hash, and where the tree is that it is the root of.
#[derive(Debug, Args)]
#[command(next_help_heading = "dm-verity")]
pub struct RootHashArguments {
    /// Hold every block against this root hash, 64 hexadecimal digits as in OUTPUT.roothash
    #[arg(long, value_name = "HEX")]
    pub roothash: Option<RootHash>,
    /// The file with the tree [default: IMG itself]
    #[arg(long, value_name = "FILE", requires = "roothash")]
    pub verity_file: Option<PathBuf>,
    /// Where in its file the tree's superblock is [default: behind the filesystem in IMG, 0 in a
    /// file of its own]
    #[arg(long, value_name = "BYTES", requires = "roothash", value_parser = whole::<u64>)]
    pub hash_offset: Option<u64>,
}

impl RootHashArguments {
    /// What is to be held against each other, where that is wanted.
    pub fn request(&self, filesystem: &Path) -> Option<RootHashRequest> {
        let root_hash = self.roothash?;
        Some(
            RootHashRequest::new(filesystem, root_hash)
                .with_verity_file(self.verity_file.clone())
                .with_hash_offset_bytes(self.hash_offset),
        )
    }
}
