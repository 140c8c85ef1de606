//! From a path to its node, inside the image whatever links say.

use rustix::io::Errno;

use super::{Node, View, join, shown};
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

/// What a path leads to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The path without links, `.` and `..`, and without a leading `/`; the root's is empty.
    pub path: Vec<u8>,
    /// The inode there.
    pub node: Node,
}

impl View {
    /// Looks a path up from the root; links on the way are followed, `..` stops at the root.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no such path or it loops, [`Error::BadImage`] where a
    /// directory on the way is damaged.
    pub fn lookup(&self, path: &[u8], follow: Follow) -> Result<Found> {
        let fail = |errno: Errno| {
            let what = format!("cannot find {} in {}", shown(trim(path)), self.image.name);
            Error::io(what, errno.into())
        };
        let mut at = vec![(Vec::new(), self.root()?)];
        let mut to_do = components(path);
        let must_be_directory = path.ends_with(b"/");
        let mut hops = 0;
        while let Some(name) = to_do.pop() {
            // The root never leaves.
            let Some((directory_path, directory)) = at.last() else {
                break;
            };
            match &name[..] {
                b"." => continue,
                b".." => {
                    at.truncate((at.len() - 1).max(1));
                    continue;
                }
                _ => {}
            }
            if directory.kind != Kind::Directory {
                return Err(fail(Errno::NOTDIR));
            }
            let names = self
                .read_dir(directory)
                .map_err(|error| error.in_entry(directory_path))?;
            let index = names
                .binary_search_by(|entry| (*entry.name).cmp(&name))
                .map_err(|_| fail(Errno::NOENT))?;
            let child_path = join(directory_path, &name);
            let child = self
                .node(names[index].inode)
                .map_err(|error| error.in_entry(&child_path))?;
            let is_last = to_do.is_empty() && !must_be_directory;
            if child.kind != Kind::Symlink || is_last && follow == Follow::Never {
                at.push((child_path, child));
                continue;
            }
            hops += 1;
            if hops > MAX_HOPS || to_do.len() > MAX_COMPONENTS {
                return Err(fail(Errno::LOOP));
            }
            let target = self
                .target(&child)
                .map_err(|error| error.in_entry(&child_path))?;
            if target.starts_with(b"/") {
                at.truncate(1);
            }
            to_do.extend(components(&target));
        }
        match at.pop() {
            Some((_, node)) if must_be_directory && node.kind != Kind::Directory => {
                Err(fail(Errno::NOTDIR))
            }
            Some((path, node)) => Ok(Found { path, node }),
            None => Err(fail(Errno::NOENT)),
        }
    }
}

/// A path's components, the first at the end.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .rev()
        .collect()
}

fn trim(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}
