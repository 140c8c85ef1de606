//! One line per name, from a tree, from a directory on disk and from the corpus' words.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use layerpress::error::escape_path;
use layerpress::layers::{Data, Device, Origin};
use layerpress::tree::{Node, NodeKind, Tree};
use layerpress::units::Timestamp;

use super::words::{Item, ItemKind};

/// Names by path; a node's second and further names are links to its first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing(pub BTreeMap<Vec<u8>, Item>);

impl Listing {
    /// What the corpus expects.
    pub fn of_items(items: &[Item]) -> Self {
        let mut listing = Self::default();
        for item in items {
            let mut item = item.clone();
            if item.path == b"/" {
                item.path.clear();
            }
            listing.0.insert(item.path.clone(), item);
        }
        listing
    }

    /// What our flattening shows.
    pub fn of_tree(tree: &Tree, contents: &[Vec<u8>]) -> Self {
        let mut listing = Self::default();
        let mut first_names = HashMap::new();
        tree.for_each_path(|path, id, node| {
            let first = first_names.entry(id).or_insert_with(|| path.to_vec());
            let item = if *first == path {
                tree_item(path, node, contents)
            } else {
                Item::new(path, ItemKind::Link(first.clone()))
            };
            listing.0.insert(path.to_vec(), item);
            Ok::<_, ()>(())
        })
        .unwrap();
        listing
    }

    /// What an engine left on disk.
    pub fn of_directory(root: &Path) -> Self {
        let mut listing = Self::default();
        let mut open = vec![Vec::new()];
        while let Some(path) = open.pop() {
            let full = root.join(OsStr::from_bytes(&path));
            let Ok(metadata) = full.symlink_metadata() else {
                // overlayfs lists its whiteouts in directories that only one layer has.
                continue;
            };
            let item = disk_item(&path, &full, &metadata);
            if item.kind == ItemKind::Directory {
                for child in std::fs::read_dir(&full).unwrap() {
                    let name = child.unwrap().file_name().into_vec();
                    let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
                    open.push([&path, separator, &name].concat());
                }
            }
            listing.0.insert(path, item);
        }
        // Names of one inode, the first by path is the one the others link to.
        let mut first_names = HashMap::new();
        for (path, item) in &mut listing.0 {
            let metadata = root
                .join(OsStr::from_bytes(path))
                .symlink_metadata()
                .unwrap();
            if item.kind == ItemKind::Directory || metadata.nlink() == 1 {
                continue;
            }
            let first = first_names
                .entry((metadata.dev(), metadata.ino()))
                .or_insert_with(|| path.clone());
            if first != path {
                *item = Item::new(path, ItemKind::Link(first.clone()));
            }
        }
        listing
    }

    /// Leaves the root's own line out, where it was not asked for.
    pub fn without_root_unless_in(mut self, other: &Self) -> Self {
        if !other.0.contains_key(&b""[..]) {
            self.0.remove(&b""[..]);
        }
        self
    }

    /// Takes `other`'s time for directories whose time is the clock's: an engine made them or
    /// put something in while the test ran, which no changeset asks for.
    pub fn with_times_from(mut self, other: &Self, clock_from: i64) -> Self {
        for (path, item) in &mut self.0 {
            if let Some(same) = other.0.get(path)
                && item.kind == ItemKind::Directory
                && item.mtime.seconds >= clock_from
            {
                item.mtime = same.mtime;
            }
        }
        self
    }

    /// The lines that only one of two has; empty where they are equal.
    pub fn difference(&self, other: &Self, names: [&str; 2]) -> String {
        let mut text = String::new();
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        for path in paths {
            let (own, others) = (self.0.get(path), other.0.get(path));
            if own != others {
                for (name, item) in names.iter().zip([own, others]) {
                    let shown = item.map_or_else(|| "nothing".to_owned(), line);
                    writeln!(text, "  {name}: {}: {shown}", escape_path(path)).unwrap();
                }
            }
        }
        text
    }
}

/// An item's line without its path.
pub fn line(item: &Item) -> String {
    if let ItemKind::Link(first) = &item.kind {
        return format!("link to {}", escape_path(first));
    }
    let mut text = match &item.kind {
        ItemKind::File(bytes) => format!("file \"{}\"", escape_path(bytes)),
        ItemKind::Directory => "dir".to_owned(),
        ItemKind::Symlink(target) => format!("symlink -> {}", escape_path(target)),
        ItemKind::Character(device) => format!("char {}:{}", device.major, device.minor),
        ItemKind::Block(device) => format!("block {}:{}", device.major, device.minor),
        ItemKind::Fifo => "fifo".to_owned(),
        ItemKind::Link(_) => unreachable!(),
    };
    write!(
        text,
        " {:04o} {}:{} {}",
        item.mode, item.uid, item.gid, item.mtime
    )
    .unwrap();
    for (name, value) in &item.xattrs {
        write!(text, " {}=\"{}\"", escape_path(name), escape_path(value)).unwrap();
    }
    text
}

fn tree_item(path: &[u8], node: &Node, contents: &[Vec<u8>]) -> Item {
    let kind = match &node.kind {
        NodeKind::Regular(reference) => {
            let Data::Contiguous { offset_bytes } = reference.content.data else {
                panic!("the corpus has no sparse files");
            };
            let start = offset_bytes as usize;
            let end = start + reference.content.size_bytes as usize;
            let Origin::Layer(layer) = reference.origin else {
                panic!("the corpus has nothing put in");
            };
            ItemKind::File(contents[layer as usize][start..end].to_vec())
        }
        NodeKind::Directory(_) => ItemKind::Directory,
        NodeKind::Symlink(target) => ItemKind::Symlink(target.to_vec()),
        NodeKind::CharacterDevice(device) => ItemKind::Character(*device),
        NodeKind::BlockDevice(device) => ItemKind::Block(*device),
        NodeKind::Fifo => ItemKind::Fifo,
    };
    let attributes = &node.attributes;
    Item {
        path: path.to_vec(),
        kind,
        mode: attributes.mode,
        uid: attributes.uid,
        gid: attributes.gid,
        mtime: attributes.mtime,
        xattrs: attributes
            .xattrs
            .iter()
            .map(|xattr| (xattr.name.to_vec(), xattr.value.to_vec()))
            .collect(),
    }
}

fn disk_item(path: &[u8], full: &Path, metadata: &Metadata) -> Item {
    let kind = metadata.file_type();
    let device = Device {
        major: rustix::fs::major(metadata.rdev()),
        minor: rustix::fs::minor(metadata.rdev()),
    };
    let kind = if kind.is_dir() {
        ItemKind::Directory
    } else if kind.is_symlink() {
        ItemKind::Symlink(
            std::fs::read_link(full)
                .unwrap()
                .into_os_string()
                .into_vec(),
        )
    } else if kind.is_char_device() {
        ItemKind::Character(device)
    } else if kind.is_block_device() {
        ItemKind::Block(device)
    } else if kind.is_fifo() {
        ItemKind::Fifo
    } else {
        ItemKind::File(std::fs::read(full).unwrap())
    };
    Item {
        path: path.to_vec(),
        kind,
        mode: (metadata.mode() & 0o7777) as u16,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: Timestamp {
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec() as u32,
        },
        xattrs: xattrs(full),
    }
}

fn xattrs(full: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(full, &mut names[..]).unwrap();
    names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 1 << 16];
            let name_text = OsStr::from_bytes(name);
            let length = rustix::fs::lgetxattr(full, name_text, &mut value[..]).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}
