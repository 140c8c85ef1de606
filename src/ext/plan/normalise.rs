//! What an ext filesystem keeps of a node, and what it makes of the rest.

use crate::layers::Device;
use crate::listing::{Attribute, Body, ContentDigest, Kind, Line, Owner};
use crate::ondisk::inode::{EARLIEST_SECOND, LATEST_SECOND};
use crate::ondisk::xattr::{self, NAME_MAX, split_name};
use crate::tree::{Node, NodeKind};
use crate::units::{FileFlags, LOST_FOUND, Timestamp};

pub(super) const UNKNOWN_NAMESPACE: &str =
    "extended attribute dropped: ext keeps user., trusted., security. and POSIX ACLs only";
pub(super) const NAME_TOO_LONG: &str =
    "extended attribute dropped: Linux knows no names of more than 255 bytes, prefix included";
pub(super) const USER_ON_SPECIAL: &str =
    "user. attribute dropped: Linux allows it on regular files and directories only";
pub(super) const ACL_ON_SYMLINK: &str = "POSIX ACL dropped: a symbolic link has none";
pub(super) const FLAGS_LEFT_OUT: &str =
    "file flags left out: ext does not have them, or not on this type of file";
pub(super) const DEFAULT_ACL: &str = "default POSIX ACL dropped: only a directory has one";

/// A node as a line of a listing, as far as an ext filesystem can keep it: its time within what
/// inodes hold, of its attributes those that are kept, without the note that a build leaves in
/// `lost+found`. A directory's size is unknown, being the filesystem's own affair.
pub fn normalised(path: &[u8], node: &Node, digest: Option<ContentDigest>) -> Line {
    let attributes = &node.attributes;
    let device = |device: &Device| Body::Device {
        major: device.major,
        minor: device.minor,
    };
    let (kind, size_bytes, body) = match &node.kind {
        NodeKind::Regular(file) => (
            Kind::Regular,
            Some(file.content.size_bytes),
            digest.map_or(Body::Unknown, Body::Content),
        ),
        NodeKind::Directory(_) => (Kind::Directory, None, Body::Nothing),
        NodeKind::Symlink(target) => (
            Kind::Symlink,
            Some(target.len() as u64),
            Body::Target(target.clone()),
        ),
        NodeKind::CharacterDevice(numbers) => (Kind::CharacterDevice, None, device(numbers)),
        NodeKind::BlockDevice(numbers) => (Kind::BlockDevice, None, device(numbers)),
        NodeKind::Fifo => (Kind::Fifo, None, Body::Nothing),
    };
    let mut xattrs: Box<[_]> = attributes
        .xattrs
        .iter()
        .filter(|xattr| kept(&xattr.name, &node.kind).is_ok() && !is_note(path, &xattr.name))
        .map(|xattr| Attribute::new(&xattr.name, &xattr.value))
        .collect();
    xattrs.sort();
    Line {
        kind: Some(kind),
        mode: Some(attributes.mode),
        owner: Some(Owner {
            uid: attributes.uid,
            gid: attributes.gid,
        }),
        mtime: Some(clamped(attributes.mtime)),
        link_count: Some(node.link_count),
        size_bytes,
        xattrs: Some(xattrs),
        file_flags: Some(kept_flags(node)),
        body,
        ..Line::unknown(path)
    }
}

/// Flags that mean something on a directory only (kernel, `EXT4_REG_FLMASK`).
const OF_DIRECTORIES: FileFlags = FileFlags::DIRSYNC.with(FileFlags::TOPDIR);
/// Those that a link or a special file can have (kernel, `EXT4_OTHER_FLMASK`); e2fsck takes others
/// away.
const OF_ALL_TYPES: FileFlags = FileFlags::NODUMP.with(FileFlags::NOATIME);
/// What ext stores and chattr sets there: the kernel's `FS_FL_USER_MODIFIABLE`, and the one for the
/// journal, for which it asks for more rights. Some of them it only keeps, as ext2 does that one.
const KEPT_FLAGS: FileFlags = FileFlags::SECURE_DELETION
    .with(FileFlags::UNDELETE)
    .with(FileFlags::COMPRESS)
    .with(FileFlags::SYNC)
    .with(FileFlags::IMMUTABLE)
    .with(FileFlags::APPEND)
    .with(FileFlags::NODUMP)
    .with(FileFlags::NOATIME)
    .with(FileFlags::JOURNAL)
    .with(FileFlags::NOTAIL)
    .with(FileFlags::DIRSYNC)
    .with(FileFlags::TOPDIR);

/// Of a node's flags those that ext keeps on its type: `i_flags` beside those of the format.
pub fn kept_flags(node: &Node) -> FileFlags {
    let flags = node.attributes.file_flags;
    match &node.kind {
        NodeKind::Directory(_) => flags & KEPT_FLAGS,
        NodeKind::Regular(_) => flags & KEPT_FLAGS & !OF_DIRECTORIES,
        _ => flags & OF_ALL_TYPES,
    }
}

/// A time within what an inode holds, and e2fsck believes.
pub fn clamped(time: Timestamp) -> Timestamp {
    if time.seconds < EARLIEST_SECOND {
        Timestamp::from_seconds(EARLIEST_SECOND)
    } else if time.seconds > LATEST_SECOND {
        Timestamp::from_seconds(LATEST_SECOND)
    } else {
        time
    }
}

/// Whether a namespace is one of the two of POSIX ACLs.
pub fn is_acl(name_index: u8) -> bool {
    matches!(name_index, 2 | 3)
}

/// The number of the name's namespace and the rest of the name, where ext keeps an attribute of
/// this name on this type of node.
///
/// # Errors
/// Why it is not kept: a sentence for a counted warning.
pub fn kept<'a>(name: &'a [u8], kind: &NodeKind) -> Result<(u8, &'a [u8]), &'static str> {
    let (name_index, rest) = split_name(name).ok_or(UNKNOWN_NAMESPACE)?;
    if name.len() > NAME_MAX {
        return Err(NAME_TOO_LONG);
    }
    let refusal = match kind {
        NodeKind::Symlink(_) if is_acl(name_index) => Some(ACL_ON_SYMLINK),
        NodeKind::Directory(_) => None,
        _ if name_index == 3 => Some(DEFAULT_ACL),
        NodeKind::Regular(_) => None,
        _ if name_index == 1 => Some(USER_ON_SPECIAL),
        _ => None,
    };
    refusal.map_or(Ok((name_index, rest)), Err)
}

/// Whether an attribute is the note that a build leaves in `lost+found`.
fn is_note(path: &[u8], name: &[u8]) -> bool {
    path == LOST_FOUND && xattr::is_note(name)
}
