//! The tree goes into the empty filesystem: data, directories, inodes, bitmaps, counts.
//!
//! Everything is written once, but for what names the tree (`unsealed`), and nothing is decided: what
//! keeps a place of an earlier filesystem goes there, for all else each region's blocks are handed out
//! in ascending order, and inodes are those of the plan. On failure the file is thrown away, so there
//! is no undo.

mod block_writer;
mod content_source;
mod directory_source;
mod groups;
mod inodes;
mod streams;
mod system_inodes;
pub mod unsealed;
mod writing_sink;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ext::format::EmptyFilesystem;
use crate::ext::plan::demand::path_of;
use crate::ext::plan::{FreeRuns, Plan};
use crate::ext::profile::BlockMap;
use crate::layers::Contents;
use crate::ondisk::superblock::{
    Superblock, forget_written, set_free_counts, set_signed_hash, set_times,
};
use crate::progress::{Phase, Reporter, Task};
use crate::tree::{ContentRef, NodeId, NodeKind, Tree};
use crate::units::{BLOCK_SIZE, InodeNumber};

use block_writer::{BlockWriter, FEW_BYTES};
use groups::Groups;
use inodes::NodeWriter;
use streams::Streams;
use system_inodes::PreallocatedBlocks;
use unsealed::Unsealed;

/// Fills an empty filesystem with a tree. `taken` is called for each file whose content has been
/// read, which this does once.
///
/// # Errors
/// [`Error::Io`] when a layer cannot be read or the filesystem not be written (a full disk),
/// [`Error::Mismatch`] when the plan's numbers turn out wrong.
pub fn populate(
    empty: EmptyFilesystem,
    plan: &Plan,
    tree: &Tree,
    contents: &Contents,
    taken: &mut dyn FnMut(&ContentRef),
    reporter: &dyn Reporter,
) -> Result<Unsealed> {
    let EmptyFilesystem {
        partial,
        mut superblock,
    } = empty;
    // mke2fs follows the machine's `char`; names are hashed as signed everywhere.
    set_signed_hash(&mut superblock);
    forget_written(&mut superblock);
    let decoded = Superblock::decode(&superblock);
    let demand = &plan.demand;
    let content_blocks = demand.data_blocks + demand.directory_blocks + demand.symlink_blocks;
    let meter = reporter.begin(Task::bytes(
        Phase::Write,
        "writing files",
        content_blocks * BLOCK_SIZE,
    ));
    let written = |error| Error::path("write", partial.output(), error);
    let regions = plan.regions();
    let mut groups = Groups::read(&partial, &plan.profile, &decoded)?;
    // What is kept may lie anywhere.
    let wanted = plan
        .placement
        .as_ref()
        .map_or(regions.blocks(), |_| u64::MAX);
    let found = groups.free_runs(wanted)?;
    let preallocated =
        system_inodes::preallocated_blocks(partial.file(), &groups).map_err(written)?;
    hold_against_plan(plan, &found, &preallocated)?;
    let placement = plan.placement.as_ref();
    let free = placement.map_or(&found, |placement| &placement.free);
    let mut streams = Streams::new(partial.file(), &*meter, free, &regions);
    let mut inodes = BlockWriter::new(partial.file(), &*meter, FEW_BYTES);
    let mut parents = BTreeMap::from([(NodeId::ROOT, InodeNumber::ROOT)]);
    let mut writer = NodeWriter::new(plan, tree, contents, preallocated);
    for (id, node) in tree.nodes() {
        let parent = parents.remove(&id);
        let encoded = writer
            .write(id, node, parent, &mut streams)
            .map_err(|error| located(error, tree, id, partial.output()))?;
        let number = plan.numbers.of(id);
        inodes
            .write(groups.inode_offset_bytes(number), &encoded)
            .map_err(written)?;
        writer.note_subdirectories(id, &mut parents, &mut groups);
        if let NodeKind::Regular(content) = &node.kind {
            taken(content);
        }
    }
    streams.finish()?;
    inodes.finish().map_err(written)?;
    let (free_blocks, free_inodes) =
        groups.finish(free.cursor(regions.blocks()), &plan.numbers.in_use())?;
    let planned = (
        plan.free_blocks_after(),
        u64::from(plan.free_inodes_after()),
    );
    if (free_blocks, free_inodes) != planned {
        return Err(Error::Mismatch(format!(
            "expected {} blocks and {} inodes to be left, found {free_blocks} and {free_inodes}",
            planned.0, planned.1
        )));
    }
    // Both are below 2^32 as the plan's are.
    set_free_counts(&mut superblock, free_blocks as u32, free_inodes as u32);
    if plan.birth.superblock_seconds() != u64::from(plan.birth.mke2fs_seconds()) {
        set_times(&mut superblock, plan.birth.superblock_seconds());
    }
    if plan.numbers.lost_found().is_none() {
        system_inodes::keep_room_for_chain_id(partial.file(), &groups).map_err(written)?;
    }
    system_inodes::set_times(partial.file(), &groups, plan).map_err(written)?;
    system_inodes::punch(partial.file(), &groups).map_err(written)?;
    meter.finish("written");
    let mut checksummed = writer.into_checksummed();
    system_inodes::note_checksums(partial.file(), &groups, plan, &mut checksummed)
        .map_err(written)?;
    let journal = system_inodes::journal_start(partial.file(), &groups).map_err(written)?;
    let descriptors = groups.into_descriptors();
    drop(inodes);
    Ok(Unsealed {
        partial,
        superblock,
        descriptors,
        journal,
        checksummed: checksummed.finish(),
    })
}

/// Where extents or kept places are planned by where the free blocks are, these must be where they were
/// planned.
fn hold_against_plan(
    plan: &Plan,
    free: &FreeRuns,
    preallocated: &PreallocatedBlocks,
) -> Result<()> {
    if plan.profile.block_map != BlockMap::Extents && plan.placement.is_none() {
        return Ok(());
    }
    let planned = plan.sized.geometry.positions(&plan.profile);
    let is_as_planned = planned.is_some_and(|planned| {
        (&planned.free, &planned.root, &planned.lost_found)
            == (free, &preallocated.root, &preallocated.lost_found)
    });
    if is_as_planned {
        return Ok(());
    }
    Err(Error::Mismatch(
        "mke2fs made another filesystem than planned: its free blocks are elsewhere".to_owned(),
    ))
}

/// Names the entry where an error has room for it; the path is looked up only then.
fn located(error: Error, tree: &Tree, id: NodeId, output: &Path) -> Error {
    match error {
        Error::Io { what, source } => Error::Io {
            what: format!(
                "{what} (for /{} in {})",
                crate::error::escape_path(&path_of(tree, id)),
                output.display()
            ),
            source,
        },
        error => error.in_entry(&path_of(tree, id)),
    }
}
