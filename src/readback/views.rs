//! The two readers, one after the other: what one has read the other need not read again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Problem, View, read_through_debugfs, read_through_ext4_view};
use crate::error::Result;
use crate::listing::{Body, Field, Kind, Line, Listing};
use crate::progress::{Reporter, Unit};

/// Progress is told in pieces of at least this many bytes.
const REPORTED_BYTES: u64 = 1 << 20;

/// Everything that two readers together see of an image.
#[derive(Debug)]
pub struct WholeView {
    /// Every name with all that either reader shows of it.
    pub listing: Listing,
    /// What neither could read.
    pub unreadable: Vec<Problem>,
    /// Names whose extended attributes debugfs has no way to show, though nothing is wrong with
    /// them.
    pub unseen_xattrs: Vec<Problem>,
}

/// Reads a whole image, contents included, whoever made it.
///
/// After `max_names` names the walk ends, and what is left counts as unreadable.
///
/// # Errors
/// [`crate::Error::Io`] when the image cannot be read, [`crate::Error::Tool`] when debugfs cannot be run. All
/// that is wrong within the image is told in the view.
pub fn read_whole(
    image: &Path,
    debugfs: &Path,
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<WholeView> {
    let Views {
        mut debugfs,
        ext4_view,
    } = read_views(image, debugfs, max_names, reporter)?;
    for line in debugfs.listing.lines_mut() {
        if let Some(other) = ext4_view.listing.find(&line.path) {
            fill_in(line, other);
        }
    }
    let mut whole = WholeView {
        listing: debugfs.listing,
        unreadable: Vec::new(),
        unseen_xattrs: Vec::new(),
    };
    let below = |directory: &[u8]| super::join(directory, b"x");
    for problem in debugfs.problems {
        let is_listed = !whole.listing.is_hidden(&below(&problem.path));
        let unseen = whole.listing.find(&problem.path).map(unseen);
        match unseen.as_deref() {
            // The other reader saw it.
            Some([]) if is_listed => {}
            Some([Field::Xattrs]) if is_listed => whole.unseen_xattrs.push(problem),
            _ => whole.unreadable.push(problem),
        }
    }
    let told: BTreeSet<_> = [&whole.unreadable, &whole.unseen_xattrs]
        .into_iter()
        .flatten()
        .map(|problem| problem.path.clone())
        .collect();
    for line in whole.listing.lines() {
        if let Some(field) = unseen(line).first()
            && !told.contains(&line.path)
        {
            let why = format!("neither reader shows its {field}");
            whole.unreadable.push(Problem::new(&line.path, why));
        }
    }
    Ok(whole)
}

fn fill_in(line: &mut Line, other: &Line) {
    fn or<T: Clone>(own: &mut Option<T>, other: &Option<T>) {
        if own.is_none() {
            own.clone_from(other);
        }
    }
    or(&mut line.kind, &other.kind);
    or(&mut line.mode, &other.mode);
    or(&mut line.owner, &other.owner);
    or(&mut line.mtime, &other.mtime);
    or(&mut line.size_bytes, &other.size_bytes);
    if line.body == Body::Unknown {
        line.body = other.body.clone();
    }
}

/// What a line should tell by its type and does not.
fn unseen(line: &Line) -> Vec<Field> {
    let has_length = matches!(line.kind, Some(Kind::Regular | Kind::Symlink));
    [
        (Field::Kind, line.kind.is_none()),
        (Field::Mode, line.mode.is_none()),
        (Field::Owner, line.owner.is_none()),
        (Field::Mtime, line.mtime.is_none()),
        (Field::Size, has_length && line.size_bytes.is_none()),
        (Field::Body, line.body == Body::Unknown),
        (Field::Xattrs, line.xattrs.is_none()),
    ]
    .into_iter()
    .filter_map(|(field, is_unseen)| is_unseen.then_some(field))
    .collect()
}

/// One image, seen twice.
pub(super) struct Views {
    /// With the contents that ext4-view read, so that nothing is read twice.
    pub debugfs: View,
    pub ext4_view: View,
}

/// Reads an image through both readers. After `max_names` names the walks end with a problem.
///
/// # Errors
/// [`crate::Error::Io`] when the image cannot be read, [`crate::Error::Tool`] when debugfs cannot be run.
pub(super) fn read_views(
    image: &Path,
    debugfs: &Path,
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<Views> {
    let meter = reporter.begin("read the filesystem back", Unit::Bytes, None);
    let mut unreported = 0;
    let inodes = read_through_debugfs(image, debugfs, max_names, reporter)?;
    // ext4-view cannot tell a directory that contains itself; debugfs has counted the names.
    let max_names = max_names.min((inodes.names().len() as u64).saturating_mul(2) + 1000);
    let mut met = BTreeSet::new();
    let ext4_view = read_through_ext4_view(image, max_names, &mut |path, size_bytes| {
        // Each inode once; a file that is mostly holes is left to the block map.
        inodes.inode_of(path).is_some_and(|inode| {
            let record = inodes.record(inode);
            let data = record.map_or(0, |record| record.sectors.saturating_mul(512));
            let wanted = size_bytes <= data.saturating_mul(2) && met.insert(inode);
            if wanted {
                unreported += size_bytes;
            }
            if unreported >= REPORTED_BYTES {
                meter.add(std::mem::take(&mut unreported));
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
    meter.add(unreported);
    meter.finish("read");
    super::leave_out_note(&mut debugfs.listing);
    Ok(Views { debugfs, ext4_view })
}
