//! From a path to what it leads to, whatever it is looked up in: a filesystem's directories, an image's
//! tree.

use rustix::io::Errno;

use super::shown;
use crate::error::{Error, Result};
use crate::listing::Kind;

/// Links followed on one path before it is called a loop, as the kernel does.
const MAX_HOPS: usize = 40;

/// Components of a path with its links' targets; far beyond what a path of 4096 bytes can have.
const MAX_COMPONENTS: usize = 1 << 16;

/// Whether a link as the last component is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// It is, as `stat` does.
    Always,
    /// It is not, as `lstat` does.
    Never,
}

/// Where paths are looked up.
pub(crate) trait Names {
    /// What knows a node there.
    type Id: Copy;

    /// What errors call it.
    fn name(&self) -> &str;

    /// The root directory.
    fn root(&self) -> Self::Id;

    /// What a node is.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn kind(&mut self, id: Self::Id) -> Result<Kind>;

    /// What has a name in a directory.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn child(&mut self, directory: Self::Id, name: &[u8]) -> Result<Option<Self::Id>>;

    /// A link's target.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn target(&mut self, link: Self::Id) -> Result<&[u8]>;
}

/// A step of a path, and how long the path is up to it.
#[derive(Debug, Clone, Copy)]
struct At<I> {
    id: I,
    kind: Kind,
    length: usize,
}

/// Looks a path up from the root, as the kernel does: links on the way are followed, `..` stops at the
/// root. Gives what is there and its path without links, `.`, `..` and a leading `/`.
///
/// What is kept of each step is what knows its node, not its path: a directory can hold itself, and a
/// link's target go through it thousands of times.
///
/// # Errors
/// [`Error::Usage`] for an empty path, [`Error::Io`] where there is no such path or it loops, and those
/// of reading.
pub(crate) fn look_up<N: Names>(
    names: &mut N,
    path: &[u8],
    follow: Follow,
) -> Result<(N::Id, Vec<u8>)> {
    // It has no names that lead away from the root, and is no name for it either: an unset variable.
    if path.is_empty() {
        return Err(Error::usage("expected a path, found an empty one"));
    }
    let root = names.root();
    let mut at = vec![At {
        id: root,
        kind: names.kind(root)?,
        length: 0,
    }];
    let mut found_path = Vec::new();
    let mut to_do = components(path);
    let must_be_directory = path.ends_with(b"/");
    let mut hops = 0;
    while let Some(name) = to_do.pop() {
        // The root never leaves.
        let Some(&directory) = at.last() else {
            break;
        };
        found_path.truncate(directory.length);
        // Not even `.` and `..` are in anything else.
        if directory.kind != Kind::Directory {
            return Err(fail(names, path, Errno::NOTDIR));
        }
        match &name[..] {
            b"." => continue,
            b".." => {
                at.truncate((at.len() - 1).max(1));
                continue;
            }
            _ => {}
        }
        let child = names.child(directory.id, &name);
        let child = child.map_err(|error| error.in_entry(&found_path))?;
        let id = child.ok_or_else(|| fail(names, path, Errno::NOENT))?;
        if directory.length > 0 {
            found_path.push(b'/');
        }
        found_path.extend_from_slice(&name);
        let kind = names
            .kind(id)
            .map_err(|error| error.in_entry(&found_path))?;
        let is_last = to_do.is_empty() && !must_be_directory;
        if kind != Kind::Symlink || is_last && follow == Follow::Never {
            at.push(At {
                id,
                kind,
                length: found_path.len(),
            });
            continue;
        }
        hops += 1;
        if hops > MAX_HOPS || to_do.len() > MAX_COMPONENTS {
            return Err(fail(names, path, Errno::LOOP));
        }
        let target = names
            .target(id)
            .map_err(|error| error.in_entry(&found_path))?;
        if target.starts_with(b"/") {
            at.truncate(1);
        }
        to_do.extend(components(target));
    }
    let Some(end) = at.pop() else {
        return Err(fail(names, path, Errno::NOENT));
    };
    if must_be_directory && end.kind != Kind::Directory {
        return Err(fail(names, path, Errno::NOTDIR));
    }
    found_path.truncate(end.length);
    Ok((end.id, found_path))
}

fn fail(names: &impl Names, path: &[u8], errno: Errno) -> Error {
    let shown = shown(path.strip_prefix(b"/").unwrap_or(path));
    // Whoever types it so may think of a place of their own.
    let hint = match path.first() {
        Some(b'/') => "",
        _ => " (paths begin at the image's root)",
    };
    let what = format!("cannot find {shown} in {}{hint}", names.name());
    Error::io(what, errno.into())
}

/// A path's components, the first at the end.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .rev()
        .collect()
}
