//! What is told of a hash tree that was made, and how it is used.

use std::path::Path;

use serde::Serialize;

use crate::cli::shown::text::counted;
use crate::error::{escape_path, shell_word};
use crate::pipeline::{FinishedVerity, Table, uuid_text};
use crate::units::{BLOCK_SIZE, ByteSize};

/// Where the device with the filesystem is in the lines for the kernel, and where one with nothing
/// but the tree.
const DEVICES: [&str; 2] = ["/dev/vda", "/dev/vdb"];

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownVerity {
    root_hash: String,
    salt: String,
    uuid: String,
    algorithm: &'static str,
    /// The file with the tree where it is not the output.
    file: Option<String>,
    data_blocks: u64,
    /// Without the superblock's.
    hash_blocks: u64,
    block_bytes: u64,
    /// Superblock and tree.
    size_bytes: u64,
    /// Of the superblock, as `veritysetup --hash-offset` takes it.
    hash_offset_bytes: u64,
    /// For device-mapper.
    table: String,
    /// For the kernel's command line.
    kernel_parameters: String,
    /// How it is opened.
    open: String,
}

impl ShownVerity {
    pub fn of(verity: &FinishedVerity, output: &Path, kind: &str) -> Self {
        let table = Table {
            data_blocks: verity.data_blocks,
            hash_start_block: verity.hash_offset_bytes / BLOCK_SIZE + 1,
            root_hash: verity.root_hash,
            salt: &verity.salt,
        };
        let hash_device = DEVICES[usize::from(verity.file.is_some())];
        let data = shell_word(output);
        let hashes = verity
            .file
            .as_deref()
            .map_or_else(|| data.clone(), shell_word);
        let offset = match verity.hash_offset_bytes {
            0 => String::new(),
            bytes => format!(" --hash-offset {bytes}"),
        };
        Self {
            root_hash: verity.root_hash.to_string(),
            salt: verity.salt.to_string(),
            uuid: uuid_text(verity.uuid),
            algorithm: "sha256",
            file: verity.file.as_ref().map(|file| file.display().to_string()),
            data_blocks: verity.data_blocks,
            hash_blocks: verity.tree_blocks,
            block_bytes: BLOCK_SIZE,
            size_bytes: (1 + verity.tree_blocks) * BLOCK_SIZE,
            hash_offset_bytes: verity.hash_offset_bytes,
            table: table.line(DEVICES[0], hash_device),
            kernel_parameters: table.kernel_parameters(DEVICES[0], hash_device, kind),
            open: format!(
                "veritysetup open {data} root {hashes} {}{offset}",
                verity.root_hash
            ),
        }
    }

    /// Lines of the table for people. Those for a shell or the kernel are not cut.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let place = match &self.file {
            Some(file) => format!("in {}", escape_path(file.as_bytes())),
            None => format!("at byte {}", self.hash_offset_bytes),
        };
        let mut verity = format!(
            "{} over {}, {place}",
            ByteSize(self.size_bytes),
            counted(self.data_blocks, "block", "blocks")
        );
        if self.salt.bytes().any(|digit| digit != b'0') {
            verity.push_str(&format!("\nsalt {}", self.salt));
        }
        vec![
            ("verity", verity),
            ("root hash", self.root_hash.clone()),
            ("open", self.open.clone()),
            ("table", self.table.clone()),
            ("kernel", self.kernel_parameters.clone()),
        ]
    }
}
