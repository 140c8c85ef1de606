//! Who else can change an image while the kernel reads it.
//!
//! The kernel trusts what e2fsck has seen. An image that somebody else may write can be another
//! one a moment later, and a filesystem that changes under its driver is a way into the kernel.
//! What is asked here is asked of the open file, which is the one that is checked and mounted.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;

use super::mount_table::mounts;
use crate::error::{Error, Result};

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Whom the caller is, by the numbers that may write what is mounted: root in any case, this
/// process's own user, and whoever ran `sudo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    users: Vec<u32>,
}

impl Caller {
    /// Root, the user of this process and those of `also`.
    pub fn new(also: impl IntoIterator<Item = u32>) -> Self {
        let own = rustix::process::getuid().as_raw();
        Self {
            users: [0, own].into_iter().chain(also).collect(),
        }
    }

    fn is(&self, user: u32) -> bool {
        self.users.contains(&user)
    }

    /// Whether nobody else is in a group: it is root's, or a user's own.
    fn is_alone_in(&self, group: u32) -> bool {
        let read = |path: &str| fs::read(path).map(|text| String::from_utf8_lossy(&text).into());
        let (Ok(users), Ok(groups)): (_, Result<String, _>) = (read(PASSWD), read(GROUP)) else {
            return false;
        };
        self.is_alone_by(group, &users, &groups)
    }

    fn is_alone_by(&self, group: u32, users: &str, groups: &str) -> bool {
        let users = users.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, user) = (fields.next()?, fields.nth(1)?.parse::<u32>().ok()?);
            Some((name, user, fields.next()?.parse::<u32>().ok()?))
        });
        let users: Vec<_> = users.collect();
        let in_first_place = users.iter().filter(|(_, _, own)| *own == group);
        let mut is_known = group == 0;
        for (_, user, _) in in_first_place {
            is_known = true;
            if !self.is(*user) {
                return false;
            }
        }
        let member_lists = groups.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            (fields.next()?.parse() == Ok(group)).then(|| fields.next().unwrap_or(""))
        });
        let mut members = member_lists
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty());
        // A group that only a directory service knows has who knows whom in it.
        is_known
            && members.all(|member| {
                let found = users.iter().find(|(name, _, _)| *name == member);
                found.is_some_and(|(_, user, _)| self.is(*user))
            })
    }

    /// Why somebody else may write what has these attributes; `None` where nobody else may.
    fn writer(&self, found: &Metadata, has_acl: bool) -> Option<String> {
        let (mode, owner, group) = (found.mode(), found.uid(), found.gid());
        if !self.is(owner) {
            return Some(format!("it belongs to user {owner}"));
        }
        if mode & OTHERS_WRITE != 0 {
            return Some(format!(
                "everybody may write it (mode {:04o})",
                mode & 0o7777
            ));
        }
        if mode & GROUP_WRITES != 0 && has_acl {
            return Some("its access control list may let others write it".to_owned());
        }
        if mode & GROUP_WRITES != 0 && !self.is_alone_in(group) {
            return Some(format!(
                "group {group} may write it (mode {:04o})",
                mode & 0o7777
            ));
        }
        None
    }
}

/// Why somebody other than the caller can change an open image; `None` where nobody can.
///
/// # Errors
/// [`Error::Io`] when it cannot be found out.
pub fn other_writer(image: &File, name: &str, caller: &Caller) -> Result<Option<String>> {
    let found = image
        .metadata()
        .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
    let writer = caller.writer(&found, has_acl(image));
    Ok(writer.or_else(|| fuse_owner(&found, caller)))
}

/// Why somebody else can put another image in this one's place; `None` where nobody can. A sticky
/// directory lets only owners rename.
pub fn other_renamer(image: &Path, caller: &Caller) -> Option<String> {
    let path = fs::canonicalize(image).ok()?;
    let directory = path.parent()?;
    let opened = File::open(directory).ok()?;
    let found = opened.metadata().ok()?;
    let is_sticky = found.mode() & STICKY != 0 && caller.is(found.uid());
    let writer = caller.writer(&found, has_acl(&opened));
    let writer = writer.filter(|_| !is_sticky)?;
    Some(format!(
        "of its directory {}: {writer}",
        directory.display()
    ))
}

fn has_acl(file: &File) -> bool {
    let found = rustix::fs::fgetxattr(file, "system.posix_acl_access", &mut [0_u8; 0]);
    !matches!(
        found,
        Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL)
    )
}

/// A filesystem in user space shows whatever the process wants that serves it.
fn fuse_owner(found: &Metadata, caller: &Caller) -> Option<String> {
    let device = found.dev();
    let device = (rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = mounts().ok()?;
    let served = mounts
        .iter()
        .find(|mount| mount.device_number == device && mount.filesystem_type.starts_with("fuse"))?;
    let user = served.options.iter().find_map(|option| {
        let number = option.strip_prefix("user_id=")?;
        number.parse::<u32>().ok()
    })?;
    (!caller.is(user)).then(|| format!("it is on a filesystem that user {user} serves (FUSE)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/:\nbob:x:1001:1001::/:\nc:x:1002:100::/:\n";
    const GROUPS: &str = "root:x:0:\nann:x:1000:\nbob:x:1001:ann\nusers:x:100:ann\nadm:x:4:bob\n";

    #[test]
    fn a_group_counts_as_the_callers_when_nobody_else_is_in_it() {
        let ann = Caller {
            users: vec![0, 1000],
        };
        let alone = |caller: &Caller, group| caller.is_alone_by(group, USERS, GROUPS);
        assert!(alone(&ann, 0) && alone(&ann, 1000));
        // Its members, whose first group it is, and one that nobody here knows.
        for group in [100, 1001, 4, 5000] {
            assert!(!alone(&ann, group), "{group}");
        }
        let all = Caller {
            users: vec![0, 1000, 1001, 1002],
        };
        assert!(alone(&all, 100) && alone(&all, 1001));
        let root_has_a_member = GROUPS.replace("root:x:0:", "root:x:0:bob");
        assert!(!ann.is_alone_by(0, USERS, &root_has_a_member));
    }

    #[test]
    fn an_image_of_the_caller_that_nobody_else_may_write_has_no_other_writer() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        fs::write(&path, b"").unwrap();
        let caller = Caller::new([]);
        for (mode, text) in [
            (0o644, None),
            (0o646, Some("everybody may write it (mode 0646)")),
        ] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let found = other_writer(&File::open(&path).unwrap(), "image", &caller).unwrap();
            assert_eq!(found.as_deref(), text);
        }
        assert_eq!(other_renamer(&path, &caller), None);
        let wide = |mode| fs::set_permissions(directory.path(), PermissionsExt::from_mode(mode));
        wide(0o777).unwrap();
        assert!(other_renamer(&path, &caller).unwrap().contains("everybody"));
        // As /tmp is.
        wide(0o1777).unwrap();
        assert_eq!(other_renamer(&path, &caller), None);
    }
}
