//! Who may write a file besides the user that runs this.
//!
//! What others may write can be another thing at every look: it is not kept for later, and not
//! verified in one reading and used in a next one.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{fgetxattr, getxattr};
use rustix::process::geteuid;

const ACL: &str = "system.posix_acl_access";

/// Why an open file or directory is not this user's alone: who else may write it. Root may always.
///
/// # Errors
/// Where the file cannot be asked.
pub fn others_of(file: &File) -> io::Result<Option<String>> {
    let has_acl = || fgetxattr(file, ACL, &mut [0_u8; 0][..]).is_ok();
    Ok(others(&file.metadata()?, has_acl))
}

/// Why what is called `path` may be another thing tomorrow: who else may put something in the place
/// of it or of a directory that leads to it. In directories like /tmp everybody has names of his own.
///
/// # Errors
/// Where there is no such path, or it cannot be asked.
pub fn others_on_the_way_to(path: &Path) -> io::Result<Option<String>> {
    let named = std::path::absolute(path)?;
    let real = std::fs::canonicalize(path)?;
    for (place, is_last) in named
        .ancestors()
        .map(|place| (place, place == named))
        .chain(real.ancestors().map(|place| (place, place == real)))
    {
        let link = std::fs::symlink_metadata(place)?;
        let found = if link.is_symlink() && !is_trusted(link.uid()) {
            Some(belongs_to(&link))
        } else {
            let metadata = std::fs::metadata(place)?;
            let has_acl = || getxattr(place, ACL, &mut [0_u8; 0][..]).is_ok();
            let is_shared = metadata.mode() & 0o1000 != 0 && !is_last;
            if is_shared && is_trusted(metadata.uid()) {
                None
            } else {
                others(&metadata, has_acl)
            }
        };
        if let Some(found) = found {
            return Ok(Some(format!("{} {found}", place.display())));
        }
    }
    Ok(None)
}

fn others(metadata: &Metadata, has_acl: impl Fn() -> bool) -> Option<String> {
    let (mode, group) = (metadata.mode(), metadata.gid());
    // A group of the user's own number is the user's own, as distributions make them; with an ACL
    // these bits stand for other users, too.
    let is_own_group = group == 0 || group == geteuid().as_raw();
    if !is_trusted(metadata.uid()) {
        Some(belongs_to(metadata))
    } else if mode & 0o002 != 0 {
        Some("may be written by everybody".to_owned())
    } else if mode & 0o020 != 0 && (!is_own_group || has_acl()) {
        Some(format!("may be written by the group {group}"))
    } else {
        None
    }
}

fn belongs_to(metadata: &Metadata) -> String {
    format!("belongs to the user {}", metadata.uid())
}

/// This user, root, and whoever has the root directory: in a user namespace that is not 0.
fn is_trusted(uid: u32) -> bool {
    uid == 0
        || uid == geteuid().as_raw()
        || std::fs::metadata("/").is_ok_and(|root| root.uid() == uid)
}

#[cfg(test)]
#[path = "../tests/support/skip.rs"]
mod skip;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_write_is_told_and_ones_own_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::create(&path).unwrap();
        let said = || others_of(&file).unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o644, None),
            (0o1755, None),
            (0o666, Some("may be written by everybody")),
            (0o602, Some("may be written by everybody")),
        ] {
            set(&path, mode);
            assert_eq!(said().as_deref(), expected, "{mode:o}");
        }
        if geteuid().as_raw() != 0 {
            return skip::skip("only root gives files away");
        }
        set(&path, 0o664);
        assert_eq!(said(), None);
        chown(&path, None, Some(7)).unwrap();
        assert_eq!(said().unwrap(), "may be written by the group 7");
        set(&path, 0o644);
        assert_eq!(said(), None);
        chown(&path, Some(65534), None).unwrap();
        assert_eq!(said().unwrap(), "belongs to the user 65534");
    }

    #[test]
    fn a_path_is_safe_only_if_all_of_its_parents_are() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let below = root.join("a/b");
        fs::create_dir_all(&below).unwrap();
        let said = |path: &Path| others_on_the_way_to(path).unwrap();
        assert_eq!(said(&below), None);
        set(&root.join("a"), 0o777);
        let expected = format!("{} may be written by everybody", root.join("a").display());
        assert_eq!(said(&below), Some(expected));
        // As in /tmp: what is ours there stays ours.
        set(&root.join("a"), 0o1777);
        assert_eq!(said(&below), None);
        assert!(said(&root.join("a")).is_some());
        assert!(others_on_the_way_to(&root.join("nothing")).is_err());
        if geteuid().as_raw() != 0 {
            return skip::skip("only root gives files away");
        }
        // A link of somebody else's leads to another place tomorrow.
        symlink(root.join("a/b"), root.join("link")).unwrap();
        assert_eq!(said(&root.join("link")), None);
        lchown(root.join("link"), Some(65534), None).unwrap();
        assert!(
            said(&root.join("link"))
                .unwrap()
                .contains("link belongs to")
        );
        chown(root.join("a"), Some(65534), None).unwrap();
        assert!(said(&below).unwrap().contains("/a belongs to"));
    }
}
