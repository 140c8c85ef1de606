//! The three readers side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::debugfs::{InodeRecord, read_through_debugfs};
use super::ext4_view::read_through_ext4_view;
use super::seen::{Problem, View, beside, leave_out_note, length_of};
use crate::error::{Error, Result};
use crate::listing::{Body, Line, Listing};
use crate::progress::{Meter, Phase, Reporter, Task};
use crate::view;

/// Progress is told in pieces of at least this many bytes.
const REPORTED_BYTES: u64 = 1 << 20;

/// One image, seen three times.
pub(super) struct Views {
    /// Through [`crate::view`].
    pub own: View,
    /// With the contents that ext4-view read, so that these two read nothing twice.
    pub debugfs: View,
    pub ext4_view: View,
}

/// Reads an image through all readers. After `max_names` names the walks end with a problem.
///
/// # Errors
/// [`Error::Io`] when the image cannot be read, [`Error::Tool`] when debugfs cannot be run.
pub(super) fn read_views(
    image: &Path,
    debugfs: &Path,
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<Views> {
    let meter = reporter.begin(Task::bytes(Phase::Prove, "read the filesystem back", None));
    let (own, others) = beside(
        || read_own(image, max_names, &*meter),
        || read_others(image, debugfs, max_names, reporter),
    );
    let (debugfs, ext4_view) = others?;
    meter.finish("read");
    Ok(Views {
        own,
        debugfs,
        ext4_view,
    })
}

/// What [`crate::view`] sees, contents included. What it cannot open is a problem, too.
fn read_own(image: &Path, max_names: u64, meter: &dyn Meter) -> View {
    let mut unreported = 0;
    let read = view::View::open(image).and_then(|view| {
        view.listing_of_at_most(max_names, &mut |_, size_bytes| {
            unreported += size_bytes.min(view.blocks().saturating_mul(view.block_bytes()));
            if unreported >= REPORTED_BYTES {
                meter.add(std::mem::take(&mut unreported));
            }
            true
        })
    });
    meter.add(unreported);
    let image = format!("{}: ", image.display());
    let why = |error: &Error| {
        let why = error.to_string();
        why.strip_prefix(&image).map(str::to_owned).unwrap_or(why)
    };
    match read {
        Ok(mut whole) => {
            leave_out_note(&mut whole.listing);
            View {
                listing: whole.listing,
                problems: whole
                    .problems
                    .iter()
                    .map(|problem| Problem::new(&problem.path, why(&problem.error)))
                    .collect(),
            }
        }
        Err(error) => View::blind(why(&error)),
    }
}

impl View {
    /// The view of a reader that cannot read the root directory, or not even the superblock: that
    /// there is a root, and no more.
    pub(super) fn blind(why: impl Into<String>) -> Self {
        let mut listing = Listing::new([(Line::unknown(&[]), None)]);
        listing.leave_unlisted(&[]);
        Self {
            listing,
            problems: vec![Problem::new(&[], why)],
        }
    }
}

/// What debugfs and ext4-view see: what one has read the other need not read again.
fn read_others(
    image: &Path,
    debugfs: &Path,
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<(View, View)> {
    let inodes = read_through_debugfs(image, debugfs, max_names, reporter)?;
    // ext4-view cannot tell a directory that contains itself; debugfs has counted the names.
    let max_names = max_names.min((inodes.names().len() as u64).saturating_mul(2) + 1000);
    let mut met = BTreeSet::new();
    // Files may map the same blocks. Half of what is read of a sound image's files may be holes.
    let mut bytes_left = image_bytes(image)?.saturating_mul(2);
    let ext4_view = read_through_ext4_view(image, max_names, &mut |path, size_bytes| {
        // Each inode once.
        inodes.inode_of(path).is_some_and(|inode| {
            let record = inodes.record(inode);
            let wanted = size_bytes <= bytes_left
                && record.is_some_and(|record| is_for_ext4_view(record, size_bytes))
                && met.insert(inode);
            if wanted {
                bytes_left -= size_bytes;
            }
            wanted
        })
    })?;
    let digests: BTreeMap<_, _> = ext4_view
        .listing
        .lines()
        .iter()
        .filter(|line| matches!(line.body, Body::Content(_)))
        .filter_map(|line| Some((inodes.inode_of(&line.path)?, line.body.clone())))
        .collect();
    let mut debugfs = inodes.view(&mut |path, _| {
        let inode = inodes.inode_of(path);
        inode.is_none_or(|inode| !digests.contains_key(&inode))
    })?;
    // What ext4-view read under one name holds for the inode's other names as well.
    for line in debugfs.listing.lines_mut() {
        let digest = inodes
            .inode_of(&line.path)
            .and_then(|inode| digests.get(&inode))
            .filter(|_| line.body == Body::Unknown);
        if let Some(digest) = digest {
            line.body = digest.clone();
        }
    }
    leave_out_note(&mut debugfs.listing);
    Ok((debugfs, ext4_view))
}

fn image_bytes(image: &Path) -> Result<u64> {
    let file = std::fs::File::open(image).map_err(|error| Error::path("open", image, error))?;
    length_of(&file, image)
}

/// Whether ext4-view can know a file's content: it gives what is in unwritten blocks where the
/// kernel gives zeros. A file that is mostly holes is left to the block map.
fn is_for_ext4_view(record: &InodeRecord, size_bytes: u64) -> bool {
    let data = record.sectors.saturating_mul(512);
    let has_map = record.sectors == 0 || !record.blocks.is_empty();
    let has_unwritten = record.blocks.iter().any(|run| run.unwritten);
    let is_known = has_map && !has_unwritten && !record.is_content_hidden();
    is_known && size_bytes <= data.saturating_mul(2)
}
