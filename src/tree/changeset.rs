//! One changeset after the other onto the growing tree.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::flattening::Flattening;
use super::frozen::{Attributes, ContentRef, NodeKind};
use super::growing::{Children, GrowingKind, HardLink, Slot};
use super::path::{CleanPath, check_component, joined, split};
use super::tally::LayerTally;
use super::walk::Absent;
use super::whiteout::WhiteoutName;
use crate::error::{Error, Result};
use crate::layers::{Changeset, Entry, EntryKind, Origin, Xattr};

impl Flattening<'_> {
    /// Applies the next layer: its whiteouts to what is below it, then its entries.
    ///
    /// # Errors
    /// [`Error::BadImage`] with the entry and its byte; the caller adds the layer.
    pub fn apply(&mut self, layer: u32, origin: Origin, changeset: Changeset) -> Result<()> {
        self.layer = layer;
        self.origin = origin;
        if let Some(tally) = &mut self.tree.tally {
            tally.layers.push(LayerTally::default());
        }
        if changeset.whiteouts {
            self.apply_whiteouts(&changeset.entries)?;
        }
        // What no other tree is made of is freed as it is applied.
        for mut entry in Arc::unwrap_or_clone(changeset.entries) {
            let byte = entry.header_offset;
            let path = std::mem::take(&mut entry.path);
            self.apply_entry(&path, entry, changeset.whiteouts)
                .map_err(|error| error.at_byte(byte).in_entry(&path))?;
        }
        self.resolve_pending_links()
    }

    /// Only lower layers are in the tree yet, so whatever the order in the tar, no whiteout can
    /// reach an entry of its own layer.
    fn apply_whiteouts(&mut self, entries: &[Entry]) -> Result<()> {
        let mut own_paths = None;
        let may_be_whiteout = |entry: &&Entry| entry.path.windows(4).any(|bytes| bytes == b".wh.");
        for entry in entries.iter().filter(may_be_whiteout) {
            self.apply_whiteout(entry, entries, &mut own_paths)
                .map_err(|error| error.at_byte(entry.header_offset).in_entry(&entry.path))?;
        }
        Ok(())
    }

    fn apply_whiteout(
        &mut self,
        entry: &Entry,
        entries: &[Entry],
        own_paths: &mut Option<BTreeSet<Vec<u8>>>,
    ) -> Result<()> {
        let limits = &self.options.limits;
        let path = CleanPath::of_entry(&entry.path, limits)?;
        let Some((directory, name)) = path.split() else {
            return Ok(());
        };
        // Where this layer itself puts something in a symbolic link's place, the whiteout speaks
        // of that, not of where the link led. Asked for rarely, so the set is made when it is.
        let mut replaced = |path: &[u8]| {
            own_paths
                .get_or_insert_with(|| {
                    let paths = entries.iter().filter_map(|entry| {
                        let path = CleanPath::of_entry(&entry.path, limits).ok()?;
                        Some(path.as_bytes().to_vec())
                    });
                    paths.collect()
                })
                .contains(path)
        };
        match WhiteoutName::of(directory, name)? {
            WhiteoutName::None => {}
            WhiteoutName::Metadata => self
                .warnings
                .count("aufs bookkeeping left out", &entry.path),
            WhiteoutName::Whiteout(hidden) => {
                let absent = Absent::NothingNorBehind(&mut replaced);
                if let Some(parent) = self.directory(directory, absent)? {
                    self.tree.unlink(parent, hidden);
                }
            }
            WhiteoutName::Opaque => {
                let Some((above, own)) = split(directory) else {
                    self.tree.empty(Slot::ROOT);
                    return Ok(());
                };
                // The directory's own name is not followed: a symbolic link has no children.
                let absent = Absent::NothingNorBehind(&mut replaced);
                if let Some(parent) = self.directory(above, absent)?
                    && let Some(opaque) = self.tree.child(parent, own)
                {
                    self.tree.empty(opaque);
                }
            }
        }
        Ok(())
    }

    fn apply_entry(&mut self, entry_path: &[u8], mut entry: Entry, whiteouts: bool) -> Result<()> {
        let path = CleanPath::of_entry(entry_path, &self.options.limits)?;
        let Some((directory, name)) = path.split() else {
            return self.apply_root(entry_path, entry);
        };
        if whiteouts && WhiteoutName::of(directory, name)? != WhiteoutName::None {
            return Ok(());
        }
        check_component(name)?;
        let attributes = self.attributes(entry_path, &mut entry);
        let (kind, attributes) = match Shape::of(entry.kind, self.origin, attributes)? {
            Shape::HardLink(target, attributes) => {
                let link = HardLink {
                    parent: self.parent(directory)?,
                    name: name.into(),
                    target,
                    path: entry_path.into(),
                    header_offset: entry.header_offset,
                    visited: false,
                };
                return self.apply_hard_link(link, attributes);
            }
            Shape::Directory(attributes) => {
                return self.apply_directory(directory, name, attributes);
            }
            Shape::Leaf(kind, attributes) => (kind, attributes),
        };
        let parent = self.parent(directory)?;
        self.warn_of_replaced(parent, name, entry_path, false);
        self.tree.make(
            parent,
            name,
            attributes,
            GrowingKind::Leaf(kind),
            self.layer,
        )?;
        Ok(())
    }

    fn apply_root(&mut self, entry_path: &[u8], mut entry: Entry) -> Result<()> {
        if entry.kind != EntryKind::Directory {
            return Err(Error::bad_image(
                "expected the root to be a directory, found something else",
            ));
        }
        let attributes = self.attributes(entry_path, &mut entry);
        let layer = self.layer;
        let root = self.tree.node_mut(Slot::ROOT);
        root.attributes = attributes;
        root.layer = layer;
        Ok(())
    }

    /// Over a directory: attributes replaced, children kept. Over anything else: replaced.
    fn apply_directory(
        &mut self,
        directory: &[u8],
        name: &[u8],
        attributes: Attributes,
    ) -> Result<()> {
        let parent = self.parent(directory)?;
        match self.tree.child(parent, name) {
            Some(known) if self.tree.is_directory(known) => {
                let layer = self.layer;
                let node = self.tree.node_mut(known);
                let is_changed = node.attributes != attributes && node.layer < layer;
                node.attributes = attributes;
                node.layer = layer;
                if let Some(tally) = self.tree.tally.as_mut().filter(|_| is_changed) {
                    tally.count(|tally| tally.changed += 1);
                }
            }
            _ => {
                self.warn_of_replaced(parent, name, &joined(directory, name), true);
                let kind = GrowingKind::Directory(Children::new());
                self.tree.make(parent, name, attributes, kind, self.layer)?;
            }
        }
        Ok(())
    }

    /// The directory an entry stands in, made where it is missing.
    pub fn parent(&mut self, directory: &[u8]) -> Result<Slot> {
        let found = self.directory(directory, Absent::Make)?;
        // A walk that makes what is absent ends in a directory or in an error.
        Ok(found.unwrap_or(Slot::ROOT))
    }

    /// What the entry's header says, without what describes some machine's overlay mount.
    fn attributes(&mut self, entry_path: &[u8], entry: &mut Entry) -> Attributes {
        let is_overlay = |xattr: &Xattr| {
            xattr.name.starts_with(b"trusted.overlay.") || xattr.name.starts_with(b"user.overlay.")
        };
        let mut xattrs = std::mem::take(&mut entry.xattrs);
        if xattrs.iter().any(is_overlay) {
            self.warnings
                .count("overlayfs extended attributes left out", entry_path);
            let mut kept = xattrs.into_vec();
            kept.retain(|xattr| !is_overlay(xattr));
            xattrs = kept.into();
        }
        Attributes {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs,
            file_flags: entry.file_flags,
        }
    }
}

/// What an entry makes of a name, with the attributes that it gets.
pub(super) enum Shape {
    Directory(Attributes),
    HardLink(Box<[u8]>, Attributes),
    Leaf(NodeKind, Attributes),
}

impl Shape {
    /// # Errors
    /// [`Error::BadImage`] for a symbolic link that leads nowhere.
    pub fn of(kind: EntryKind, origin: Origin, attributes: Attributes) -> Result<Self> {
        Ok(match kind {
            EntryKind::Directory => Self::Directory(attributes),
            EntryKind::HardLink(target) => Self::HardLink(target, attributes),
            EntryKind::Regular(content) => Self::Leaf(
                NodeKind::Regular(ContentRef { origin, content }),
                attributes,
            ),
            EntryKind::Symlink(target) => {
                expect_target(&target)?;
                // Linux knows no other mode for them, whatever is said of it.
                let mode = 0o777;
                Self::Leaf(NodeKind::Symlink(target), Attributes { mode, ..attributes })
            }
            EntryKind::CharacterDevice(device) => {
                Self::Leaf(NodeKind::CharacterDevice(device), attributes)
            }
            EntryKind::BlockDevice(device) => Self::Leaf(NodeKind::BlockDevice(device), attributes),
            EntryKind::Fifo => Self::Leaf(NodeKind::Fifo, attributes),
        })
    }
}

/// Refuses a symbolic link's target that none can have.
fn expect_target(target: &[u8]) -> Result<()> {
    if target.is_empty() || target.contains(&0) {
        return Err(Error::bad_image(
            "expected a symbolic link's target without NUL bytes, found one with them or none at all",
        ));
    }
    Ok(())
}
