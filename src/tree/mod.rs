//! The flattened image: what the filesystem will show.
//!
//! [`flatten`] applies changesets oldest first, each one's whiteouts before its own entries
//! (`changeset`, `whiteout`, `hard_link`), and behind them what is put in (`put_in`). A name is resolved by its text first (`path`), then
//! through the tree's symbolic links (`walk`); the tree grows in an arena (`growing`), where a hard
//! link is one more name of a node, and is put into its final order at the end (`freeze`).

mod changeset;
mod edit;
mod flattening;
mod freeze;
mod frozen;
mod growing;
mod hard_link;
mod path;
mod put_in;
mod recipe;
mod tally;
mod walk;
mod whiteout;

pub use edit::{EditsDigest, LeftOut, TreeEdits, effect};
pub use frozen::{Attributes, ContentRef, Directory, Node, NodeId, NodeKind, Tree};
pub use recipe::Recipe;
pub use tally::{HiddenData, LayerTally, Tally};
pub use whiteout::{OPAQUE as OPAQUE_WHITEOUT, PREFIX as WHITEOUT_PREFIX};

use crate::edits::Edits;
use crate::error::{Error, Result};
use crate::layers::{Changeset, Origin, PutIn};
use crate::limits::Limits;
use crate::oci::layer_label;
use crate::progress::{Meter, Phase, Reporter, Task};
use crate::units::{FileFlags, Timestamp};
use crate::warnings::Warnings;

/// What [`flatten`] needs to know besides the layers.
#[derive(Debug, Clone, Default)]
pub struct FlattenOptions {
    /// The modification time of directories that no entry describes.
    pub default_time: Timestamp,
    /// Whether file flags are kept; else those there are are counted in a warning. That is no other
    /// tree, and the recipe does not tell of it.
    pub file_flags: bool,
    /// `max_entries` and `max_path_depth` are held here.
    pub limits: Limits,
}

/// Applies layers, base first, and returns what the top layer shows (OCI image-spec, layer.md,
/// "Applying Changesets").
///
/// Entries are freed as they are applied. Times, symbolic link targets and device numbers stay as
/// the tar has them, also where no filesystem could hold them.
///
/// # Errors
/// [`Error::BadImage`] naming layer, entry and byte for what no engine could apply or what two
/// engines would show differently with something lost, and for more than the limits allow.
pub fn flatten(
    changesets: Vec<Changeset>,
    options: &FlattenOptions,
    reporter: &dyn Reporter,
) -> Result<Tree> {
    let changing = Changing {
        edits: &TreeEdits::of(&Edits::default())?,
        put_in: Vec::new(),
    };
    Ok(flatten_with(changesets, changing, options, reporter)?.tree)
}

/// The same with what each layer does to the tree below it.
///
/// # Errors
/// As [`flatten`].
pub fn flatten_and_tally(
    changesets: Vec<Changeset>,
    options: &FlattenOptions,
    reporter: &dyn Reporter,
) -> Result<(Tree, Tally)> {
    let total = total_entries(&changesets, &[], &options.limits)?;
    let meter = reporter.begin(Task::items(Phase::Flatten, "flatten", total));
    let mut flattening = flattening::Flattening::new(options);
    flattening.tree.tally = Some(Box::default());
    apply_layers(&mut flattening, changesets, &*meter)?;
    let tally = flattening.tree.tally.take();
    let tree = freeze::freeze(flattening.tree, flattening.warnings);
    meter.finish(&format!("{} nodes", tree.nodes.len()));
    Ok((tree, tally.map(|tally| *tally).unwrap_or_default()))
}

/// How many entries there are, no more than are allowed.
fn total_entries(changesets: &[Changeset], put_in: &[PutIn], limits: &Limits) -> Result<u64> {
    let total: u64 = changesets
        .iter()
        .map(|changeset| changeset.entries.len() as u64)
        .chain(put_in.iter().map(|put_in| put_in.put.entries()))
        .sum();
    if total > limits.max_entries {
        return Err(Error::bad_image(format!(
            "expected at most {} entries over all layers (--max-entries), found {total}",
            limits.max_entries
        )));
    }
    Ok(total)
}

/// Applies all layers, base first.
fn apply_layers(
    flattening: &mut flattening::Flattening<'_>,
    changesets: Vec<Changeset>,
    meter: &dyn Meter,
) -> Result<()> {
    let count = changesets.len();
    for (index, changeset) in (0_u32..).zip(changesets) {
        let summary = &changeset.layer;
        let diff_id = || summary.diff_id.as_ref().map(|diff_id| &diff_id.0);
        let digest = summary.digest.as_ref().or_else(diff_id);
        let layer = layer_label(index as usize, count, digest);
        let entries = changeset.entries.len() as u64;
        flattening
            .apply(index, Origin::Layer(index), changeset)
            .map_err(|error| error.in_layer(layer))?;
        meter.add(entries);
    }
    Ok(())
}

/// What is done behind the layers.
#[derive(Debug)]
pub struct Changing<'a> {
    /// What of the layers is left out before, and changed after something is put in.
    pub edits: &'a TreeEdits,
    /// What is put in between.
    pub put_in: Vec<PutIn>,
}

/// A tree, and what it was before something was done to what the layers show.
#[derive(Debug)]
pub struct Changed {
    /// The tree.
    pub tree: Tree,
    /// What the layers show, where it may be another.
    pub before: Option<Tree>,
    /// What was left out of that.
    pub left_out: LeftOut,
}

/// The same with what is done behind the layers.
///
/// # Errors
/// As [`flatten`], and [`Error::Absent`] where edits match nothing that have to match something.
pub fn flatten_with(
    changesets: Vec<Changeset>,
    changing: Changing<'_>,
    options: &FlattenOptions,
    reporter: &dyn Reporter,
) -> Result<Changed> {
    let Changing { edits, put_in } = changing;
    let total = total_entries(&changesets, &put_in, &options.limits)?;
    let is_changed = !edits.are_none() || !put_in.is_empty();
    if is_changed {
        check_copy(&changesets, &put_in, &options.limits)?;
    }
    let meter = reporter.begin(Task::items(Phase::Flatten, "flatten", total));
    let count = changesets.len();
    let mut flattening = flattening::Flattening::new(options);
    apply_layers(&mut flattening, changesets, &*meter)?;
    let before = is_changed.then(|| flattening.tree.clone());
    let left_out = edits.before_put_in(&mut flattening)?;
    for (index, PutIn { name, put }) in (count as u32..).zip(put_in) {
        let entries = put.entries();
        flattening
            .put_in(index, put)
            .map_err(|error| error.in_image(&name))?;
        meter.add(entries);
    }
    if let Some(before) = &before {
        edits.after_put_in(&mut flattening, before);
    }
    let mut before = before.map(|before| freeze::freeze(before, Warnings::default()));
    let mut tree = freeze::freeze(flattening.tree, flattening.warnings);
    if !options.file_flags {
        before.as_mut().map(leave_out_file_flags);
        leave_out_file_flags(&mut tree);
    }
    warn_of_closed_root(&mut tree);
    meter.finish(&format!("{} nodes", tree.nodes.len()));
    Ok(Changed {
        tree,
        before,
        left_out,
    })
}

/// The tree that the layers show is there twice where it is changed.
fn check_copy(changesets: &[Changeset], put_in: &[PutIn], limits: &Limits) -> Result<()> {
    let of_layers: u64 = changesets.iter().map(Changeset::index_bytes).sum();
    let put_in: u64 = put_in.iter().map(|put_in| put_in.put.index_bytes()).sum();
    let limit = limits.max_index_bytes;
    if of_layers.saturating_mul(2).saturating_add(put_in) <= limit {
        return Ok(());
    }
    Err(Error::bad_image(format!(
        "expected at most {limit} bytes of names, link targets, extended attributes and sparse maps over all layers, each counted twice where edits change the tree, found more (--max-index-bytes raises the limit)"
    )))
}

/// Takes the flags off all nodes, and tells of how many and of the first.
fn leave_out_file_flags(tree: &mut Tree) {
    let mut had_any = Vec::new();
    for (id, node) in (0..).map(NodeId).zip(&mut tree.nodes) {
        let flags = std::mem::take(&mut node.attributes.file_flags);
        if !flags.is_empty() {
            had_any.push((id, flags));
        }
    }
    let Some(&(first, flags)) = had_any.first() else {
        return;
    };
    let found = tree.for_each_path(|path, id, _| match id == first {
        true => Err(path.to_vec()),
        false => Ok(()),
    });
    let path = found.err().unwrap_or_default();
    for _ in &had_any {
        tree.warnings
            .count_with(FileFlags::NOT_KEPT, || flags.told_of(&path));
    }
}

/// Trees are staged in directories that `mktemp -d` or a umask of 077 made: the root's mode is kept,
/// and nobody but its owner can use anything in the filesystem.
fn warn_of_closed_root(tree: &mut Tree) {
    let mode = tree.node(NodeId::ROOT).attributes.mode;
    if mode & 0o001 == 0 {
        tree.warnings.count(
            "only its owner, or its group, can enter the root directory",
            format!("/ has mode {mode:04o}").as_bytes(),
        );
    }
}
