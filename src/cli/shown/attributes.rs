//! An inode's attributes as people and programs read them.

use serde::Serialize;

use super::spelled::spelled;
use super::text::{rfc3339, short};
use crate::error::{escape_path, is_unprintable};
use crate::listing::{Attribute, Kind};
use crate::look::Node;
use crate::pipeline::LayerName;
use crate::units::{Date, Hex, SECTOR_SIZE, Timestamp};

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

/// A layer's number, and the start of its digest; of what is no layer's a dash.
pub fn layer_text(layer: Option<&LayerName>) -> (String, String) {
    let Some(layer) = layer else {
        return ("-".to_owned(), "-".to_owned());
    };
    let digest = layer_digest(layer).unwrap_or_else(|| "-".to_owned());
    (layer.index.to_string(), short(&digest).to_owned())
}

/// The digest of a layer's stored bytes, or else of its tar.
pub fn layer_digest(layer: &LayerName) -> Option<String> {
    let diff_id = || layer.diff_id.as_ref().map(ToString::to_string);
    let digest = layer.digest.as_ref().map(ToString::to_string);
    digest.or_else(diff_id)
}

/// The flags as `lsattr` names them, and the number.
pub fn flags_text(node: &Node) -> String {
    let Some(inode) = &node.inode else {
        let words: Vec<_> = node.file_flags.words().collect();
        return match words.is_empty() {
            true => "-".to_owned(),
            false => words.join(","),
        };
    };
    let (flags, letters) = (inode.stored.flags, inode.flag_letters());
    if letters.is_empty() {
        format!("{flags:#x}")
    } else {
        format!("{flags:#x} ({letters})")
    }
}

/// An attribute as `getfattr -d` shows it: text in quotes, anything else as `0x…`; capabilities and
/// ACLs spelled.
pub fn xattr_text(attribute: &Attribute) -> String {
    let name = escape_path(&attribute.name);
    if let Some(spelled) = spelled(attribute) {
        return format!("{name}: {spelled}");
    }
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
    /// None in an image.
    inode: Option<u32>,
    r#type: String,
    mode: String,
    links: u32,
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
    atime: Option<String>,
    ctime: Option<String>,
    crtime: Option<String>,
    /// As they stand on the disk, the format's own among them.
    inode_flags: Option<u32>,
    file_flags: Vec<&'static str>,
    xattrs: Vec<ShownXattr>,
    /// Of an image, from 1, the base.
    layer: Option<u32>,
    layer_digest: Option<String>,
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
    /// Capabilities and ACLs as getcap and getfacl spell them.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
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
        let inode = node.inode.as_deref();
        let stored = inode.map(|inode| &inode.stored);
        Self {
            path: absolute(path),
            inode: inode.map(|inode| inode.number.0),
            r#type: node.kind.to_string(),
            mode: format!("{:04o}", node.mode),
            links: node.links,
            uid: node.uid,
            gid: node.gid,
            size_bytes: node.size_bytes,
            allocated_bytes: node.sectors.saturating_mul(SECTOR_SIZE),
            device: node
                .device
                .map(|(major, minor)| ShownDevice { major, minor }),
            target: target.map(escape_path),
            mtime: rfc3339(node.mtime),
            atime: stored.map(|stored| rfc3339(stored.atime)),
            ctime: stored.map(|stored| rfc3339(stored.ctime)),
            crtime: stored.and_then(|stored| stored.crtime).map(rfc3339),
            inode_flags: stored.map(|stored| stored.flags),
            file_flags: node.file_flags.words().collect(),
            xattrs: xattrs
                .iter()
                .map(|attribute| ShownXattr {
                    name: escape_path(&attribute.name),
                    value_hex: Hex(&attribute.value).to_string(),
                    text: spelled(attribute),
                })
                .collect(),
            layer: None,
            layer_digest: None,
            names: names.map(|names| names.iter().map(|name| absolute(name)).collect()),
        }
    }

    /// The same with the layer of an image that it comes from.
    #[must_use]
    pub fn of_layer(self, layer: Option<LayerName>) -> Self {
        Self {
            layer: layer.as_ref().map(|layer| layer.index),
            layer_digest: layer.as_ref().and_then(layer_digest),
            ..self
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
