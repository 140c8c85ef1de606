//! Hard links: further names of one node.

use super::flattening::Flattening;
use super::frozen::{Attributes, NodeKind};
use super::growing::{GrowingKind, HardLink, Slot};
use super::path::CleanPath;
use super::walk::Absent;
use crate::error::{Error, Result, escape_path};
use crate::layers::Xattr;

impl Flattening<'_> {
    /// Links to what stands at the target now, or, where nothing does, to what will at the
    /// layer's end.
    pub fn apply_hard_link(&mut self, link: HardLink, attributes: Attributes) -> Result<()> {
        if self.is_to_itself(&link)? {
            return Ok(());
        }
        if let Some(known) = self.tree.child(link.parent, &link.name)
            && self.tree.is_directory(known)
        {
            // Gone before the link is made, and the target with it if it is in there.
            self.tree.unlink(link.parent, &link.name);
        }
        if let Some(target) = self.link_target(&link)?
            && !self.is_pending(target)
        {
            self.tree.link(link.parent, &link.name, target);
            self.set_through_link(target, attributes);
        } else {
            let (parent, name) = (link.parent, link.name.clone());
            let kind = GrowingKind::PendingLink(Box::new(link));
            let slot = self
                .tree
                .make(parent, &name, attributes, kind, self.layer)?;
            self.pending.push(slot);
        }
        Ok(())
    }

    /// Whether a link leads to the very name it stands at, and something is there that links lead
    /// to: then it says nothing. GNU tar writes this for a file that it is named twice
    /// (`tar cf t d d/sub`), and unpacks it as this.
    fn is_to_itself(&mut self, link: &HardLink) -> Result<bool> {
        let Some(known) = self.tree.child(link.parent, &link.name) else {
            return Ok(false);
        };
        if self.tree.is_directory(known) || self.is_pending(known) {
            return Ok(false);
        }
        let path = CleanPath::new(&link.target, &self.options.limits).map_err(in_target)?;
        let Some((directory, name)) = path.split() else {
            return Ok(false);
        };
        Ok(*name == *link.name && self.directory(directory, Absent::Nothing)? == Some(link.parent))
    }

    /// What stands at a link's target. The last component is not followed: a link to a symbolic
    /// link is another name of that.
    fn link_target(&mut self, link: &HardLink) -> Result<Option<Slot>> {
        let path = CleanPath::new(&link.target, &self.options.limits).map_err(in_target)?;
        let Some((directory, name)) = path.split() else {
            return Err(linked_to_directory(&link.target));
        };
        let Some(parent) = self.directory(directory, Absent::Nothing)? else {
            return Ok(None);
        };
        if parent == link.parent && *name == *link.name {
            return Err(Error::bad_image(
                "expected a hard link to a file, found one to itself where no file is",
            ));
        }
        let target = self.tree.child(parent, name);
        match target {
            Some(slot) if self.tree.is_directory(slot) => Err(linked_to_directory(&link.target)),
            _ => Ok(target),
        }
    }

    fn is_pending(&self, slot: Slot) -> bool {
        matches!(self.tree.node(slot).kind, GrowingKind::PendingLink(_))
    }

    /// A link's header speaks about the shared node, as the engines' chown, chmod, setxattr and
    /// utimes through the new name do; attributes it does not name stay.
    fn set_through_link(&mut self, slot: Slot, attributes: Attributes) {
        let layer = self.layer;
        let node = self.tree.node_mut(slot);
        node.layer = layer;
        let xattrs = std::mem::take(&mut node.attributes.xattrs);
        node.attributes = Attributes {
            mode: match node.kind {
                GrowingKind::Leaf(NodeKind::Symlink(_)) => node.attributes.mode,
                _ => attributes.mode,
            },
            xattrs: merged(xattrs, attributes.xattrs),
            file_flags: node.attributes.file_flags | attributes.file_flags,
            ..attributes
        };
    }

    /// At the layer's end: what links pointed ahead to must have come. Where it came, its own
    /// header was the later one and has the last word on attributes.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a target that never came, a directory, or links in a circle.
    pub fn resolve_pending_links(&mut self) -> Result<()> {
        for first in std::mem::take(&mut self.pending) {
            // Links to links that wait as well are resolved together. A slot that no link waits
            // in any more was overwritten or resolved before.
            let mut chain = Vec::new();
            let mut slot = first;
            while let GrowingKind::PendingLink(link) = &mut self.tree.node_mut(slot).kind {
                let circular = std::mem::replace(&mut link.visited, true);
                let link = link.clone();
                slot = self
                    .pending_target(&link, circular)
                    .map_err(|error| error.at_byte(link.header_offset).in_entry(&link.path))?;
                chain.push(link);
            }
            for link in chain {
                self.tree.link(link.parent, &link.name, slot);
            }
        }
        Ok(())
    }

    fn pending_target(&mut self, link: &HardLink, circular: bool) -> Result<Slot> {
        if circular {
            return Err(Error::bad_image(format!(
                "expected hard links to end at a file, found {} in a circle of them",
                escape_path(&link.target)
            )));
        }
        self.link_target(link)?.ok_or_else(|| {
            Error::bad_image(format!(
                "expected the hard link's target {} in this layer or below, found nothing",
                escape_path(&link.target)
            ))
        })
    }
}

fn in_target(error: Error) -> Error {
    Error::bad_image(format!("the hard link's target: {error}"))
}

fn linked_to_directory(target: &[u8]) -> Error {
    Error::bad_image(format!(
        "expected a hard link to a file, found one to the directory {}",
        escape_path(target)
    ))
}

/// Both lists by name; where both have one, the second's.
fn merged(below: Box<[Xattr]>, above: Box<[Xattr]>) -> Box<[Xattr]> {
    if above.is_empty() {
        return below;
    }
    let mut all = above.into_vec();
    all.extend(below);
    // Stable: of two with one name the second list's stays first and is kept.
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all.dedup_by(|one, other| one.name == other.name);
    all.into()
}
