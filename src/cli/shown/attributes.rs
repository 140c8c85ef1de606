//! An inode's attributes as people and programs read them.

use serde::Serialize;

use super::text::rfc3339;
use crate::error::{escape_path, is_unprintable};
use crate::listing::{Attribute, Kind};
use crate::units::{Date, Hex, SECTOR_SIZE, Timestamp};
use crate::view::Node;

/// Type and permissions as `ls -l` shows them, as in `-rwsr-xr-x`.
pub fn mode_text(kind: Kind, mode: u16) -> String {
    let mut text = String::from(match kind {
        Kind::Regular => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::CharacterDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    });
    for (shift, special, set, unset) in [
        (6, 0o4000, 's', 'S'),
        (3, 0o2000, 's', 'S'),
        (0, 0o1000, 't', 'T'),
    ] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// `2024-05-01 10:20`, in UTC.
pub fn minute_text(time: Timestamp) -> String {
    full_text(time)[..16].to_owned()
}

/// `2024-05-01 10:20:30.123456789 +0000`, as `stat` of GNU in UTC.
pub fn full_text(time: Timestamp) -> String {
    let date = Date::of(time.seconds).to_string().replacen('T', " ", 1);
    format!("{date}.{:09} +0000", time.nanoseconds)
}

/// The flags as `lsattr` names them, and the number.
pub fn flags_text(node: &Node) -> String {
    let (flags, letters) = (node.stored.flags, node.flag_letters());
    if letters.is_empty() {
        format!("{flags:#x}")
    } else {
        format!("{flags:#x} ({letters})")
    }
}

/// An attribute as `getfattr -d` shows it: text in quotes, anything else as `0x…`.
pub fn xattr_text(attribute: &Attribute) -> String {
    let name = escape_path(&attribute.name);
    match std::str::from_utf8(&attribute.value) {
        Ok(text) if !text.contains(is_unprintable) => {
            let text = text.replace('\\', r"\\").replace('"', "\\\"");
            format!("{name}=\"{text}\"")
        }
        _ => format!("{name}=0x{}", Hex(&attribute.value)),
    }
}

/// A name and all about its inode; one JSON object. Paths and targets are escaped: a byte that is
/// no printable text, and the backslash, is `\xNN`.
#[derive(Debug, Serialize)]
pub struct ShownNode {
    path: String,
    inode: u32,
    r#type: String,
    mode: String,
    links: u16,
    uid: u32,
    gid: u32,
    size_bytes: u64,
    /// What its blocks take, those that map them among them.
    allocated_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<ShownDevice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    mtime: String,
    atime: String,
    ctime: String,
    crtime: Option<String>,
    /// As they stand on the disk, the format's own among them.
    inode_flags: u32,
    file_flags: Vec<&'static str>,
    xattrs: Vec<ShownXattr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct ShownDevice {
    major: u32,
    minor: u32,
}

#[derive(Debug, Serialize)]
struct ShownXattr {
    name: String,
    value_hex: String,
}

impl ShownNode {
    /// All there is to say; `names` are those of a hard-link group, where they were looked for.
    pub fn new(
        path: &[u8],
        node: &Node,
        target: Option<&[u8]>,
        xattrs: &[Attribute],
        names: Option<&[Vec<u8>]>,
    ) -> Self {
        let absolute = |path: &[u8]| format!("/{}", escape_path(path));
        Self {
            path: absolute(path),
            inode: node.number.0,
            r#type: node.kind.to_string(),
            mode: format!("{:04o}", node.mode()),
            links: node.stored.links_count,
            uid: node.stored.uid,
            gid: node.stored.gid,
            size_bytes: node.stored.size_bytes,
            allocated_bytes: node.sectors.saturating_mul(SECTOR_SIZE),
            device: node
                .device()
                .map(|(major, minor)| ShownDevice { major, minor }),
            target: target.map(escape_path),
            mtime: rfc3339(node.stored.mtime),
            atime: rfc3339(node.stored.atime),
            ctime: rfc3339(node.stored.ctime),
            crtime: node.stored.crtime.map(rfc3339),
            inode_flags: node.stored.flags,
            file_flags: node.file_flags().words().collect(),
            xattrs: xattrs
                .iter()
                .map(|attribute| ShownXattr {
                    name: escape_path(&attribute.name),
                    value_hex: Hex(&attribute.value).to_string(),
                })
                .collect(),
            names: names.map(|names| names.iter().map(|name| absolute(name)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_ls_shows_them() {
        for (kind, mode, text) in [
            (Kind::Regular, 0o644, "-rw-r--r--"),
            (Kind::Regular, 0o4755, "-rwsr-xr-x"),
            (Kind::Regular, 0o6644, "-rwSr-Sr--"),
            (Kind::Directory, 0o1777, "drwxrwxrwt"),
            (Kind::Directory, 0o3770, "drwxrws--T"),
            (Kind::Symlink, 0o777, "lrwxrwxrwx"),
            (Kind::CharacterDevice, 0, "c---------"),
        ] {
            assert_eq!(mode_text(kind, mode), text);
        }
    }

    #[test]
    fn times_are_told_in_utc_with_their_nanoseconds() {
        let time = Timestamp {
            seconds: 951_782_400,
            nanoseconds: 7,
        };
        assert_eq!(full_text(time), "2000-02-29 00:00:00.000000007 +0000");
    }
}
