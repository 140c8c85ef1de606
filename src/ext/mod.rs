//! A tree becomes an ext filesystem: decided, formatted, filled and checked.
//!
//! ```text
//! profile → plan → format → populate → seal     check
//! └────────────── Ext, for those outside ────────────┘
//! ```
//!
//! What stands here is for those outside; which kind is made, and what the kinds differ in, is a
//! value, [`Profile`].

pub mod check;
pub mod format;
pub mod plan;
pub mod populate;
pub mod profile;
pub mod seal;

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Result, escape_path};
use crate::filesystem::{Filesystem, Measured, SealedFilesystem};
use crate::layers::Contents;
use crate::listing::{ContentDigest, Line};
use crate::progress::Reporter;
use crate::tree::{ContentRef, Node, Tree};
use crate::units::BLOCK_SIZE;
use crate::view::read_superblock;

pub use check::{Finding, Reader, Unread, VerifyReport, leave_out_note, verify};
pub use format::{ToolPaths, Tools};
pub use plan::identity::{HASH_SEED, parse_label, parse_uuid, uuid_text};
pub use plan::{
    Birth, BlocksByUse, Earlier, EarlierNode, Figures, Identity, Layout, Likeness, Plan,
    PlanOptions, Room, SizePolicy, Tally, WhyFresh, expect_kind,
};
pub use populate::unsealed::Unsealed;
pub use profile::{JournalSize, Kind, Profile};

/// The family of ext filesystems.
#[derive(Debug)]
pub enum Ext {}

impl Filesystem for Ext {
    type Options = PlanOptions;
    type Plan = Plan;
    type Populated = Unsealed;
    type Identity = Identity;
    type Tools = Tools;

    fn plan(tree: &Tree, options: &PlanOptions) -> Result<Plan> {
        Plan::of(tree, options)
    }

    fn write(
        plan: &Plan,
        tree: &Tree,
        contents: &Contents,
        tools: &Tools,
        output: &Path,
        taken: &mut dyn FnMut(&ContentRef),
        reporter: &dyn Reporter,
    ) -> Result<Unsealed> {
        let empty = format::format(plan, tools, output, reporter)?;
        populate::populate(empty, plan, tree, contents, taken, reporter)
    }

    fn seal(
        populated: Unsealed,
        identity: &Identity,
        reporter: &dyn Reporter,
    ) -> Result<SealedFilesystem> {
        seal::seal(populated, identity, reporter)
    }

    fn judge(plan: &Plan, tools: &Tools, image: &Path, reporter: &dyn Reporter) -> Result<()> {
        let e2fsck = tools.e2fsck(plan.birth.superblock_seconds())?;
        check::fsck::check(e2fsck.args(["-f", "-n"]).arg(image), reporter)
    }

    fn measured(image: &File, name: &Path) -> Result<Measured> {
        let name = escape_path(name.as_os_str().as_bytes());
        let superblock = read_superblock(image, &name)?;
        Ok(Measured {
            blocks: superblock.bytes() / BLOCK_SIZE,
            uuid: superblock.uuid,
        })
    }

    fn verify(
        tools: &Tools,
        image: &Path,
        tree: &Tree,
        contents: &Contents,
        reporter: &dyn Reporter,
    ) -> Result<()> {
        let report = verify(image, tree, contents, tools.debugfs()?, reporter)?;
        for unread in &report.unread {
            reporter.note(&unread.to_string());
        }
        report.into_result()
    }

    fn normalise(path: &[u8], node: &Node, digest: Option<ContentDigest>) -> Line {
        plan::normalise::normalised(path, node, digest)
    }
}
