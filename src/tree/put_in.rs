//! What is put in behind the layers, onto the growing tree.
//!
//! A tar is applied as a layer is, its root at a directory of the tree. Names are made one by one:
//! a directory goes together with the one that is there, also behind a symbolic link, as `mkdir -p`
//! has it, and anything else takes one name and leaves a file's other names alone.

use std::sync::Arc;

use super::changeset::Shape;
use super::flattening::Flattening;
use super::frozen::{Attributes, NodeKind};
use super::growing::{GrowingKind, Slot};
use super::path::{CleanPath, joined, split};
use super::walk::Absent;
use super::whiteout::PREFIX as WHITEOUT_PREFIX;
use crate::error::{Error, Result, escape_path};
use crate::layers::{Changeset, Entry, EntryKind, Existing, Made, Origin, Put};

/// What stands where something is to be made.
const A_DIRECTORY: &str = "a directory, with all below it, replaced by what is put in";
const A_LINK: &str = "a symbolic link replaced by a directory that is put in";

impl Flattening<'_> {
    /// Applies what is put in; `layer` counts on behind the layers.
    ///
    /// # Errors
    /// [`Error::BadImage`] with the entry as of a layer, [`Error::Unsupported`] for a name that must
    /// not take the place of what has it.
    pub fn put_in(&mut self, layer: u32, put: Put) -> Result<()> {
        self.layer = layer;
        match put {
            Put::Tar {
                changeset,
                at,
                region,
            } => {
                self.replaces = true;
                let base = self.real_path(&at)?;
                expect_no_whiteout(&base)?;
                let changeset = self.placed(changeset, &base)?;
                self.apply(layer, Origin::PutIn(region), changeset)
            }
            Put::Names { made, replaces } => {
                self.replaces = replaces;
                for made in Arc::unwrap_or_clone(made) {
                    let path = made.path.clone();
                    self.make(made).map_err(|error| error.in_entry(&path))?;
                }
                Ok(())
            }
        }
    }

    /// Counts what an entry that is put in replaces by something of another kind. In layers that is
    /// their author's affair.
    pub fn warn_of_replaced(&mut self, parent: Slot, name: &[u8], path: &[u8], directory: bool) {
        let Origin::PutIn(_) = self.origin else {
            return;
        };
        let Some(known) = self.tree.child(parent, name) else {
            return;
        };
        let node = self.tree.node(known);
        let is_replaced = match node.kind {
            GrowingKind::Directory(_) if !directory => Some(A_DIRECTORY),
            GrowingKind::Leaf(NodeKind::Symlink(_)) if directory => Some(A_LINK),
            _ => None,
        };
        if let Some(what) = is_replaced
            && node.layer != self.layer
        {
            self.warnings.count(what, path);
        }
    }

    /// The entries with their paths, and the targets of hard links, below `base`.
    fn placed(&self, changeset: Changeset, base: &[u8]) -> Result<Changeset> {
        if base.is_empty() {
            return Ok(changeset);
        }
        let below = |path: &[u8]| -> Result<Box<[u8]>> {
            let clean = CleanPath::new(path, &self.options.limits)?;
            Ok(joined(base, clean.as_bytes()))
        };
        let place = |mut entry: Entry| {
            let placed = below(&entry.path);
            let placed = placed.and_then(|path| {
                if let EntryKind::HardLink(target) = &mut entry.kind {
                    *target = below(target)?;
                }
                Ok(path)
            });
            entry.path =
                placed.map_err(|error| error.at_byte(entry.header_offset).in_entry(&entry.path))?;
            Ok(entry)
        };
        let entries = Arc::unwrap_or_clone(changeset.entries);
        let entries = entries.into_iter().map(place).collect::<Result<Vec<_>>>()?;
        Ok(Changeset {
            entries: Arc::new(entries),
            ..changeset
        })
    }

    /// Where a path leads to through the tree's symbolic links, a directory that is made where it is
    /// missing: a path without any.
    fn real_path(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        let path = CleanPath::new(&joined(b"", path), &self.options.limits)?;
        let open = self.directories(path.as_bytes(), Absent::Make)?;
        let mut real: Vec<u8> = Vec::new();
        for pair in open.unwrap_or_default().windows(2) {
            let name = self.tree.name_of(pair[0], pair[1]);
            if !real.is_empty() {
                real.push(b'/');
            }
            real.extend_from_slice(name);
        }
        Ok(real)
    }

    fn make(&mut self, made: Made) -> Result<()> {
        self.origin = Origin::PutIn(made.region);
        let path = CleanPath::new(&joined(b"", &made.path), &self.options.limits)?;
        let attributes = self.attributes_of(&made);
        let Some((directory, name)) = path.split() else {
            if made.kind != EntryKind::Directory {
                return Err(Error::unsupported(
                    "expected a path below the root, found the root's own",
                ));
            }
            return self.make_directory(path.as_bytes(), attributes, made.existing);
        };
        let (kind, attributes) = match Shape::of(made.kind, self.origin, attributes)? {
            Shape::Directory(attributes) => {
                if made.existing == Existing::Spared && self.spares(directory, name, &path)? {
                    return Ok(());
                }
                return self.make_directory(path.as_bytes(), attributes, made.existing);
            }
            Shape::HardLink(target, _) => return self.make_link(directory, name, &target),
            Shape::Leaf(kind, attributes) => (kind, attributes),
        };
        let parent = self.parent_for(directory, name, path.as_bytes())?;
        let kind = GrowingKind::Leaf(kind);
        let layer = self.layer;
        self.tree.make(parent, name, attributes, kind, layer)?;
        Ok(())
    }

    /// The directory that something is to be made in which is none itself, and may be.
    fn parent_for(&mut self, directory: &[u8], name: &[u8], path: &[u8]) -> Result<Slot> {
        let parent = self.parent(directory)?;
        let known = self.tree.child(parent, name);
        if !self.replaces
            && let Some(known) = known
            && self.tree.is_directory(known)
        {
            return Err(Error::unsupported(
                "expected a file or nothing at this path of the tree, found a directory (name what is to be in it, or take it away with --remove)",
            ));
        }
        self.warn_of_replaced(parent, name, path, false);
        Ok(parent)
    }

    /// Another name of what was made before.
    fn make_link(&mut self, directory: &[u8], name: &[u8], target: &[u8]) -> Result<()> {
        let gone = || {
            Error::bad_image(format!(
                "expected the file {} that this is another name of, found something else in its place",
                escape_path(target)
            ))
        };
        let (above, own) = split(target).ok_or_else(gone)?;
        let found = self.directory(above, Absent::Nothing)?;
        let found = found.and_then(|above| self.tree.child(above, own));
        let slot = found.filter(|slot| !self.tree.is_directory(*slot));
        let slot = slot.ok_or_else(gone)?;
        let path = joined(directory, name);
        let parent = self.parent_for(directory, name, &path)?;
        self.tree.link(parent, name, slot);
        Ok(())
    }

    fn make_directory(
        &mut self,
        path: &[u8],
        attributes: Attributes,
        existing: Existing,
    ) -> Result<()> {
        let layer = self.layer;
        let found = self.directory(path, Absent::Nothing)?;
        let (slot, is_new) = match found {
            Some(slot) => (slot, false),
            None => (self.parent(path)?, true),
        };
        let node = self.tree.node_mut(slot);
        match existing {
            _ if is_new => node.attributes = attributes,
            Existing::Set => node.attributes = attributes,
            Existing::Changed { owner } => {
                node.attributes.set_mode(attributes.mode);
                if owner {
                    node.attributes.uid = attributes.uid;
                    node.attributes.gid = attributes.gid;
                }
            }
            Existing::Kept | Existing::Spared => return Ok(()),
        }
        node.layer = layer;
        Ok(())
    }

    /// Whether something has the name of a directory that is only made where nothing has; of what is
    /// neither a directory nor a link that may lead to one, that is told.
    fn spares(&mut self, directory: &[u8], name: &[u8], path: &CleanPath) -> Result<bool> {
        let parent = self.directory(directory, Absent::Nothing)?;
        let known = parent.and_then(|parent| self.tree.child(parent, name));
        let Some(known) = known else {
            return Ok(false);
        };
        let is_usable = matches!(
            self.tree.node(known).kind,
            GrowingKind::Directory(_) | GrowingKind::Leaf(NodeKind::Symlink(_))
        );
        if !is_usable {
            let what = "no mount point was made where there is a file";
            self.warnings.count(what, path.as_bytes());
        }
        Ok(true)
    }

    fn attributes_of(&self, made: &Made) -> Attributes {
        Attributes {
            mode: made.mode,
            uid: made.uid,
            gid: made.gid,
            mtime: made.mtime.unwrap_or(self.options.default_time),
            xattrs: made.xattrs.clone(),
            file_flags: made.file_flags,
        }
    }
}

/// A tar's names are whiteouts by what they are called, and so is whatever is laid below such a name.
fn expect_no_whiteout(base: &[u8]) -> Result<()> {
    let mut names = base.split(|byte| *byte == b'/');
    match names.find(|name| name.starts_with(WHITEOUT_PREFIX)) {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!(
            "expected a place for the tar that is no whiteout by its name, found {} (a directory can be laid there)",
            escape_path(name)
        ))),
    }
}
