//! How large a filesystem is, by which rule, and who may still write how much.

use serde::Serialize;

use super::text::{journal, thousands};
use crate::cli::arguments::Bytes;
use crate::pipeline::{Filesystem, Layout, Likeness, Plan, SizePolicy, WhyFresh};
use crate::units::{BLOCK_SIZE, ByteSize};

/// The rule that a size comes from, with its numbers. The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownSizeRule {
    /// `percent`, `fit`, `available` (the smallest with so much), `exact` or `like`.
    kind: &'static str,
    percent: Option<u32>,
    /// What the percentage is of: what `du -sm` tells, in bytes.
    usage_bytes: Option<u64>,
    /// The size that the rule gives, where it is not the smallest that will do.
    asked_bytes: Option<u64>,
    /// What is to be available.
    asked_available_bytes: Option<u64>,
    /// For people.
    text: String,
}

impl ShownSizeRule {
    /// The rule of a plan that was asked for by a policy.
    pub fn of(policy: SizePolicy, plan: &Plan) -> Self {
        let none = Self {
            kind: "like",
            percent: None,
            usage_bytes: None,
            asked_bytes: None,
            asked_available_bytes: None,
            text: "that of --like".to_owned(),
        };
        let likeness = plan.likeness.as_ref();
        if likeness.is_some_and(|likeness| likeness.layout == Layout::Kept) {
            return none;
        }
        let usage_bytes = plan.demand.disk_usage_bytes;
        let asked_bytes = policy.asked_bytes(usage_bytes);
        match policy {
            SizePolicy::Percent(percent) => {
                let mebibytes = SizePolicy::usage_mebibytes(usage_bytes);
                let rule = format!("{percent} % of {mebibytes} MiB");
                let is_raised = asked_bytes < Some(plan.sized.file_bytes);
                Self {
                    kind: "percent",
                    percent: Some(percent),
                    usage_bytes: Some(mebibytes << 20),
                    asked_bytes,
                    text: match is_raised {
                        true => format!("raised from {rule}"),
                        false => rule,
                    },
                    ..none
                }
            }
            SizePolicy::Fit => Self {
                kind: "fit",
                text: "--size fit: the smallest that holds it".to_owned(),
                ..none
            },
            SizePolicy::FitPlus(ByteSize(bytes)) => Self {
                kind: "available",
                asked_available_bytes: Some(bytes),
                text: format!(
                    "--size +{}: the smallest with so much available",
                    Bytes(bytes)
                ),
                ..none
            },
            SizePolicy::Exact(ByteSize(bytes)) => Self {
                kind: "exact",
                asked_bytes,
                text: format!("--size {}", Bytes(bytes)),
                ..none
            },
        }
    }

    /// For people.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// All bytes of a filesystem by who may take them. What is used, is available, is for root and is kept
/// by the kernel is all of it. The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownRoom {
    filesystem_bytes: u64,
    /// Of contents and of the filesystem's own.
    used_bytes: u64,
    /// For an ordinary user, as df tells it.
    available_bytes: u64,
    /// What is kept for root, of which there may be less than that.
    reserved_bytes: u64,
    /// What of that there is.
    for_root_bytes: u64,
    /// What the kernel gives to nobody.
    kept_by_kernel_bytes: u64,
    /// What to do where nothing is available.
    available_note: Option<String>,
}

/// So much is proposed where nothing is available.
const PROPOSED: &str = "--size +64M";
const PROPOSED_SIZE: &str = "64 MiB";

impl ShownRoom {
    /// Of a filesystem that is to be.
    pub fn of_plan(plan: &Plan) -> Self {
        let geometry = &plan.sized.geometry;
        let room = Self::of(
            geometry.size_bytes(),
            plan.free_blocks_after() * BLOCK_SIZE,
            plan.available_blocks_after() * BLOCK_SIZE,
            u64::from(geometry.reserved_blocks) * BLOCK_SIZE,
        );
        let note = note(plan.likeness.as_ref());
        Self {
            available_note: (room.available_bytes == 0).then_some(note),
            ..room
        }
    }

    /// Of one that is there. What can be done about one without room is told of those that were made
    /// here.
    pub fn of_filesystem(filesystem: &Filesystem) -> Self {
        let superblock = &filesystem.superblock;
        // A damaged superblock may say anything.
        let bytes = |blocks: u64| blocks.saturating_mul(filesystem.block_bytes);
        let room = Self::of(
            superblock.bytes(),
            bytes(superblock.free_blocks_count),
            bytes(superblock.available_blocks()),
            bytes(superblock.reserved_blocks_count),
        );
        let is_own = filesystem.chain_id.is_some() || filesystem.recipe_digest.is_some();
        Self {
            available_note: (room.available_bytes == 0 && is_own).then(|| {
                format!("build {PROPOSED} leaves {PROPOSED_SIZE} available; mounted read-only it needs none")
            }),
            ..room
        }
    }

    fn of(filesystem_bytes: u64, free: u64, available: u64, reserved: u64) -> Self {
        let for_root = reserved.min(free.saturating_sub(available));
        Self {
            filesystem_bytes,
            used_bytes: filesystem_bytes.saturating_sub(free),
            available_bytes: available,
            reserved_bytes: reserved,
            for_root_bytes: for_root,
            kept_by_kernel_bytes: free.saturating_sub(available).saturating_sub(for_root),
            available_note: None,
        }
    }

    /// What an ordinary user may write.
    pub fn available_bytes(&self) -> u64 {
        self.available_bytes
    }

    /// What only root may write besides.
    pub fn for_root_bytes(&self) -> u64 {
        self.for_root_bytes
    }

    /// The size.
    pub fn filesystem_bytes(&self) -> u64 {
        self.filesystem_bytes
    }

    /// What to do where nothing is available.
    pub fn available_note(&self) -> Option<&str> {
        self.available_note.as_deref()
    }

    /// Who has how much, in a line.
    pub fn shares(&self) -> String {
        format!("{}{}", self.whose(), self.kept())
    }

    /// What the kernel keeps, behind something else.
    fn kept(&self) -> String {
        match self.kept_by_kernel_bytes {
            0 => String::new(),
            bytes => format!(", {} kept by the kernel", ByteSize(bytes)),
        }
    }

    fn whose(&self) -> String {
        format!(
            "{} used, {} available, {} for root",
            ByteSize(self.used_bytes),
            ByteSize(self.available_bytes),
            ByteSize(self.for_root_bytes)
        )
    }

    /// The whole for a table: size and rule, who has how much, inodes and journal, and what to do.
    pub fn lines(
        &self,
        rule: &ShownSizeRule,
        (free_inodes, inodes): (u32, u32),
        journal_bytes: u64,
    ) -> String {
        let mut lines = vec![
            format!("{} ({})", ByteSize(self.filesystem_bytes), rule.text()),
            self.whose(),
            format!(
                "{} of {} inodes free, {}{}",
                thousands(free_inodes.into()),
                thousands(inodes.into()),
                journal(journal_bytes),
                self.kept()
            ),
        ];
        lines.extend(self.available_note.clone());
        lines.join("\n")
    }
}

/// What to do where a filesystem has no room.
fn note(likeness: Option<&Likeness>) -> String {
    match likeness.map(|likeness| &likeness.layout) {
        None | Some(Layout::Fresh(WhyFresh::Given | WhyFresh::Unlike(_))) => {
            format!("{PROPOSED} leaves {PROPOSED_SIZE} available; mounted read-only it needs none")
        }
        Some(Layout::Kept) => format!(
            "--like keeps the size; {PROPOSED} beside it leaves {PROPOSED_SIZE} available, and places stay"
        ),
        Some(Layout::Fresh(WhyFresh::TooSmall { .. })) => format!(
            "the next version may not fit either; {PROPOSED} leaves {PROPOSED_SIZE} for it, which --like keeps"
        ),
    }
}

/// Whether a filesystem outgrew the one that it was laid out like and has no room again.
pub fn has_outgrown(plan: &Plan) -> bool {
    let likeness = plan.likeness.as_ref();
    let layout = likeness.map(|likeness| &likeness.layout);
    matches!(layout, Some(Layout::Fresh(WhyFresh::TooSmall { .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole_and_root_has_no_more_than_there_is() {
        for (free, available, reserved, for_root, kept) in [
            (0, 0, 50, 0, 0),
            (30, 0, 50, 30, 0),
            (80, 30, 50, 50, 0),
            (100, 30, 50, 50, 20),
            (60, 0, 50, 50, 10),
        ] {
            let room = ShownRoom::of(1000, free, available, reserved);
            assert_eq!(
                (room.for_root_bytes, room.kept_by_kernel_bytes),
                (for_root, kept)
            );
            let sum = room.used_bytes + available + for_root + kept;
            assert_eq!(sum, 1000);
            assert_eq!(room.reserved_bytes, reserved);
        }
        let text = ShownRoom::of(1000, 100, 30, 50).shares();
        assert_eq!(
            text,
            "900 B used, 30 B available, 50 B for root, 20 B kept by the kernel"
        );
    }
}
