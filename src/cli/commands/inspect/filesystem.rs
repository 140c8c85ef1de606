//! An ext filesystem as its superblock describes it.

use std::path::Path;

use serde::Serialize;

use super::start;
use super::verity::ShownVerity;
use crate::cli::shown::room::ShownRoom;
use crate::cli::shown::table::{digest_columns, two_columns};
use crate::cli::shown::text::{counted, date, thousands};
use crate::error::escape_path;
use crate::oci::RuntimeConfig;
use crate::pipeline::{
    Checksums, FoundStart, InspectedFilesystem, Journal, JournalState, uuid_text,
};
use crate::units::ByteSize;

/// The names are those of the JSON form. Times are RFC 3339, or `null` for never.
#[derive(Debug, Serialize)]
pub struct ShownFilesystem {
    kind: &'static str,
    path: String,
    file_bytes: u64,
    host_bytes: u64,
    filesystem_type: &'static str,
    uuid: String,
    label: String,
    /// Of the image that layerpress made it from.
    chain_id: Option<String>,
    /// Of layers and edits together, where it was made with edits, and then there is no chain ID.
    recipe_digest: Option<String>,
    #[serde(flatten)]
    room: ShownRoom,
    block_bytes: u64,
    blocks: Blocks,
    inodes: Inodes,
    journal: Option<ShownJournal>,
    /// What of its own blocks have any: `"metadata"`, `"group descriptors"` or none.
    checksums: Option<&'static str>,
    /// What the superblock says; nothing was checked.
    state: &'static str,
    /// Why nothing in it can be read, where that shows at a glance: the root directory's inode or
    /// its blocks are damaged.
    damage: Option<String>,
    features: Vec<String>,
    made: Option<String>,
    last_written: Option<String>,
    last_mounted: Option<String>,
    last_mounted_on: String,
    last_checked: Option<String>,
    mounts_since_check: u16,
    /// Whether the file ends before the filesystem does.
    truncated: bool,
    /// What whoever reads it should know.
    pub warnings: Vec<String>,
    /// The hash tree of dm-verity behind it.
    verity: Option<ShownVerity>,
    /// Where in it a start configuration is.
    start_path: Option<String>,
    /// How the image's containers start, by the same words as an image's own `runtime`.
    start: Option<RuntimeConfig>,
}

#[derive(Debug, Serialize)]
struct Blocks {
    total: u64,
    used: u64,
    /// For whomever.
    free: u64,
    /// Of the free ones, those for root alone.
    reserved: u64,
    /// Of the free ones, those for an ordinary user.
    available: u64,
}

#[derive(Debug, Serialize)]
struct Inodes {
    total: u32,
    used: u32,
    free: u32,
    size_bytes: u16,
}

#[derive(Debug, Serialize)]
struct ShownJournal {
    size_bytes: Option<u64>,
    state: &'static str,
    /// Why it cannot be read.
    damage: Option<String>,
}

impl ShownJournal {
    fn of(journal: &Journal) -> Self {
        let (state, damage) = match &journal.state {
            JournalState::Clean => ("clean", None),
            JournalState::NeedsRecovery => ("needs recovery", None),
            JournalState::Unreadable(why) => ("unreadable", Some(why.clone())),
            JournalState::Elsewhere => ("on another device", None),
        };
        Self {
            size_bytes: journal.size_bytes,
            state,
            damage,
        }
    }

    fn text(&self) -> String {
        let size = self.size_bytes.map(|bytes| ByteSize(bytes).to_string());
        let state = match &self.damage {
            Some(why) => format!("{}: {why}", self.state),
            None => self.state.to_owned(),
        };
        size.into_iter()
            .chain([state])
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl ShownFilesystem {
    /// What is shown of the filesystem in `path`.
    pub fn of(path: &Path, inspected: &InspectedFilesystem, start: Option<FoundStart>) -> Self {
        let (start_path, start) = start.map(|found| (found.path, found.runtime)).unzip();
        let filesystem = &inspected.filesystem;
        let superblock = &filesystem.superblock;
        let time = |seconds: u64| {
            let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds != 0);
            seconds.map(date)
        };
        Self {
            kind: "filesystem",
            path: path.display().to_string(),
            file_bytes: filesystem.file_bytes,
            host_bytes: filesystem.host_bytes,
            filesystem_type: superblock.features.filesystem_type().name(),
            uuid: uuid_text(superblock.uuid),
            label: escape_path(&superblock.volume_name),
            chain_id: filesystem.chain_id.as_ref().map(ToString::to_string),
            recipe_digest: filesystem.recipe_digest.as_ref().map(ToString::to_string),
            room: ShownRoom::of_filesystem(filesystem),
            block_bytes: filesystem.block_bytes,
            blocks: Blocks {
                total: superblock.blocks_count,
                used: superblock
                    .blocks_count
                    .saturating_sub(superblock.free_blocks_count),
                free: superblock.free_blocks_count,
                reserved: superblock.reserved_blocks_count,
                available: superblock.available_blocks(),
            },
            inodes: Inodes {
                total: superblock.inodes_count,
                used: superblock
                    .inodes_count
                    .saturating_sub(superblock.free_inodes_count),
                free: superblock.free_inodes_count,
                size_bytes: superblock.inode_size_bytes,
            },
            journal: filesystem.journal.as_ref().map(ShownJournal::of),
            checksums: match filesystem.checksums() {
                Checksums::None => None,
                Checksums::GroupDescriptors => Some("group descriptors"),
                Checksums::Metadata => Some("metadata"),
            },
            state: filesystem.state(),
            damage: inspected.damage.clone(),
            warnings: inspected.warnings.clone(),
            features: superblock.features.names(),
            made: time(superblock.made_seconds),
            last_written: time(superblock.written_seconds),
            last_mounted: time(superblock.mounted_seconds),
            last_mounted_on: escape_path(&superblock.last_mounted),
            last_checked: time(superblock.checked_seconds),
            mounts_since_check: superblock.mount_count,
            truncated: filesystem.file_bytes < superblock.bytes(),
            verity: inspected
                .verity
                .as_ref()
                .map(|verity| ShownVerity::of(path, verity.as_ref())),
            start_path,
            start,
        }
    }

    /// For people.
    pub fn text(&self, terminal: Option<usize>) -> String {
        let mut file = format!(
            "{} ({}, {} on disk)",
            escape_path(self.path.as_bytes()),
            ByteSize(self.file_bytes),
            ByteSize(self.host_bytes)
        );
        if self.truncated {
            file.push_str("\ncut: the filesystem is longer than the file");
        }
        let mut rows = vec![("file", file)];
        rows.extend(self.chain_id.clone().map(|chain_id| ("chain ID", chain_id)));
        let recipe = self.recipe_digest.clone();
        rows.extend(recipe.map(|recipe| ("recipe", format!("{recipe}\nof layers and edits"))));
        let verity = self.verity.as_ref().map(|verity| verity.details(terminal));
        let verity = verity.map(|verity| format!("\n{verity}"));
        let start = self.start_text(terminal).map(|start| format!("\n{start}"));
        format!(
            "{}\n{}{}{}",
            digest_columns(&rows, terminal),
            self.details(terminal),
            verity.unwrap_or_default(),
            start.unwrap_or_default()
        )
    }

    fn details(&self, terminal: Option<usize>) -> String {
        let note = self.room.available_note();
        let note = note.map_or_else(String::new, |note| format!("\n{note}"));
        let none = || "none".to_owned();
        let mut rows = vec![
            ("type", self.filesystem_type.to_owned()),
            ("UUID", self.uuid.clone()),
        ];
        if !self.label.is_empty() {
            rows.push(("label", self.label.clone()));
        }
        rows.extend([
            ("state", self.state_text()),
            (
                "size",
                format!(
                    "{}, {} of {}\n{}{note}",
                    ByteSize(self.room.filesystem_bytes()),
                    counted(self.blocks.total, "block", "blocks"),
                    ByteSize(self.block_bytes),
                    self.room.shares()
                ),
            ),
            (
                "blocks",
                format!(
                    "{} used, {} available, {} for root",
                    thousands(self.blocks.used),
                    thousands(self.blocks.available),
                    thousands(self.room.for_root_bytes() / self.block_bytes.max(1)),
                ),
            ),
            (
                "inodes",
                format!(
                    "{} used, {} free, {} bytes each",
                    thousands(self.inodes.used.into()),
                    thousands(self.inodes.free.into()),
                    self.inodes.size_bytes
                ),
            ),
            (
                "journal",
                self.journal.as_ref().map_or_else(none, ShownJournal::text),
            ),
            (
                "checksums",
                self.checksums
                    .map_or_else(none, |what| format!("of {what}")),
            ),
            ("features", self.features.join(" ")),
        ]);
        let never = || "never".to_owned();
        rows.extend([
            ("made", self.made.clone().unwrap_or_else(never)),
            ("written", self.last_written.clone().unwrap_or_else(never)),
            ("mounted", self.mounted_text()),
            ("checked", self.last_checked.clone().unwrap_or_else(never)),
        ]);
        two_columns(&rows, terminal)
    }

    /// The start configuration, its parts that say something.
    fn start_text(&self, terminal: Option<usize>) -> Option<String> {
        let (path, runtime) = (self.start_path.as_ref()?, self.start.as_ref()?);
        let rows = [("start", path.clone())].into_iter();
        let rows = rows.chain(start::rows(runtime));
        let rows: Vec<_> = rows.filter(|(_, value)| !value.is_empty()).collect();
        Some(two_columns(&rows, terminal))
    }

    fn state_text(&self) -> String {
        match &self.damage {
            None => format!("{}, says the superblock; not checked", self.state),
            Some(damage) => format!(
                "damaged, though the superblock says {}: {damage}",
                self.state
            ),
        }
    }

    fn mounted_text(&self) -> String {
        let Some(time) = &self.last_mounted else {
            return "never for writing".to_owned();
        };
        let mounts = counted(self.mounts_since_check.into(), "mount", "mounts");
        let on = match &*self.last_mounted_on {
            "" => String::new(),
            path => format!(" on {path}"),
        };
        format!("{time}{on}, {mounts} since the last check")
    }
}
