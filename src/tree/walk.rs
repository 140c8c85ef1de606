//! From a path to a directory, through symbolic links, never out of the root.

use std::borrow::Cow;
use std::ops::Range;

use super::flattening::Flattening;
use super::frozen::NodeKind;
use super::growing::{Children, GrowingKind, Slot, implied_attributes};
use super::path::{check_component, too_deep};
use crate::error::{Error, Result};

/// Symbolic links followed for one path; the engines' own number.
pub(super) const MAX_HOPS: usize = 255;

/// Bytes of all targets followed for one path, four times what the kernel takes for a path
/// (`PATH_MAX`): a chain of long targets must not make every entry behind it expensive.
pub(super) const MAX_FOLLOWED_BYTES: usize = 4 * 4096;

/// What a walk does where the path does not go on.
pub(super) enum Absent<'a> {
    /// There is no such directory.
    Nothing,
    /// The same, and also where a symbolic link stands at a path that this returns true for.
    NothingNorBehind(&'a mut dyn FnMut(&[u8]) -> bool),
    /// Make the directory.
    Make,
}

/// Paths still to go, the innermost symbolic link's last.
pub(super) struct Remaining<'p>(Vec<(Cow<'p, [u8]>, usize)>);

impl<'p> Remaining<'p> {
    /// All of a path.
    pub fn of(path: &'p [u8]) -> Self {
        Self(vec![(Cow::Borrowed(path), 0)])
    }

    /// Goes on with a symbolic link's target.
    pub fn follow(&mut self, target: &[u8]) {
        self.0.push((Cow::Owned(target.to_vec()), 0));
    }

    /// The next component's bytes.
    pub fn next_component(&mut self) -> Option<Vec<u8>> {
        let range = self.next()?;
        let (innermost, _) = self.0.last()?;
        Some(innermost[range].to_vec())
    }

    /// Whether nothing is left but slashes and dots.
    pub fn is_at_end(&self) -> bool {
        self.0.iter().all(|(path, position)| {
            let rest = path.get(*position..).unwrap_or_default();
            let mut components = rest.split(|byte| *byte == b'/');
            components.all(|component| component.is_empty() || component == b".")
        })
    }

    /// The next component, as a range of the innermost path.
    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let (path, position) = self.0.last_mut()?;
            let start = *position;
            if start >= path.len() {
                self.0.pop();
                continue;
            }
            let end = path[start..]
                .iter()
                .position(|byte| *byte == b'/')
                .map_or(path.len(), |length| start + length);
            *position = end + 1;
            if end > start && path[start..end] != *b"." {
                return Some(start..end);
            }
        }
    }
}

impl Flattening<'_> {
    /// The directory at a clean path; `None` only where `absent` says so.
    ///
    /// Symbolic links are followed as the kernel would inside a root of its own: absolute targets
    /// start at the root again, `..` stops there. A dangling one leads to a directory that is
    /// made, as containerd does.
    pub fn directory(&mut self, path: &[u8], absent: Absent<'_>) -> Result<Option<Slot>> {
        let open = self.directories(path, absent)?;
        Ok(open.and_then(|open| open.last().copied()))
    }

    /// The same with all directories on the way, each in the one before it, the root's first.
    pub fn directories(
        &mut self,
        path: &[u8],
        mut absent: Absent<'_>,
    ) -> Result<Option<Vec<Slot>>> {
        let limits = &self.options.limits;
        let mut open = vec![Slot::ROOT];
        let mut remaining = Remaining::of(path);
        let mut hops = 0;
        let mut followed_bytes = 0;
        while let Some(range) = remaining.next() {
            let followed = remaining.0.len() > 1;
            let Some((innermost, _)) = remaining.0.last() else {
                break;
            };
            let name = &innermost[range.clone()];
            let here = *open.last().unwrap_or(&Slot::ROOT);
            if name == b".." {
                if open.len() > 1 {
                    open.pop();
                }
                continue;
            }
            let child = self.tree.child(here, name);
            let next = match child.map(|slot| (slot, &self.tree.node(slot).kind)) {
                Some((slot, GrowingKind::Directory(_))) => slot,
                Some((_, GrowingKind::Leaf(NodeKind::Symlink(target)))) => {
                    if let Absent::NothingNorBehind(replaced) = &mut absent
                        && !followed
                        && replaced(&innermost[..range.end])
                    {
                        return Ok(None);
                    }
                    hops += 1;
                    followed_bytes += target.len();
                    if hops > MAX_HOPS || followed_bytes > MAX_FOLLOWED_BYTES {
                        return Err(Error::bad_image(format!(
                            "expected at most {MAX_HOPS} symbolic links on the way, of {MAX_FOLLOWED_BYTES} bytes together, found more"
                        )));
                    }
                    if target.starts_with(b"/") {
                        open.truncate(1);
                    }
                    remaining.follow(target);
                    continue;
                }
                other => {
                    if !matches!(absent, Absent::Make) {
                        return Ok(None);
                    }
                    if let Some((slot, _)) = other {
                        self.check_replaceable(slot, path, name, followed)?;
                    }
                    check_component(name)?;
                    self.tree.make(
                        here,
                        name,
                        implied_attributes(self.options.default_time),
                        GrowingKind::Directory(Children::new()),
                        self.layer,
                    )?
                }
            };
            open.push(next);
            if open.len() > limits.max_path_depth {
                return Err(too_deep(limits, open.len()));
            }
        }
        Ok(Some(open))
    }

    /// A directory that only its children name takes the place of a lower layer's file, as
    /// overlayfs shows it. It does not take the place of a file of its own layer, nor of one that
    /// only a symbolic link's target names: no engine agrees with another on those.
    fn check_replaceable(
        &mut self,
        slot: Slot,
        path: &[u8],
        name: &[u8],
        followed: bool,
    ) -> Result<()> {
        if !self.replaces {
            return Err(Error::unsupported(format!(
                "expected the component {} to be a directory of the tree, found something else (--remove takes it away)",
                crate::error::escape_path(name)
            )));
        }
        let own = self.tree.node(slot).layer == self.layer;
        if own || followed {
            return Err(Error::bad_image(format!(
                "expected the component {} to be a directory, found something else{}",
                crate::error::escape_path(name),
                if own { " in the same layer" } else { "" }
            )));
        }
        self.warnings.count(
            "file of a lower layer replaced by a directory without an entry",
            path,
        );
        Ok(())
    }
}
