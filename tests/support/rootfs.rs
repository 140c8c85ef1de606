//! A root filesystem to be pressed, written down item by item, and the listing it must give.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use layerpress::layers::{Content, Data, DataExtent, Device, Entry, EntryKind, Xattr};
use layerpress::listing::{Attribute, Body, ContentHasher, Kind, Line, Listing, Owner};
use layerpress::units::{FileFlags, Timestamp};

/// When everything was last changed, unless said otherwise.
pub const MTIME: Timestamp = Timestamp {
    seconds: 1_700_000_000,
    nanoseconds: 123_456_789,
};

/// What an item is.
#[derive(Debug, Clone)]
pub enum What {
    File(Bytes),
    Directory,
    Symlink(Vec<u8>),
    /// A further name of the file at this path.
    Link(Vec<u8>),
    Character(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// A file's content.
#[derive(Debug, Clone)]
pub enum Bytes {
    /// All of it.
    Dense(Vec<u8>),
    /// A file of this size without holes: zeros, which cost the host nothing, but for the data at
    /// these offsets.
    Zeros(u64, Vec<(u64, Vec<u8>)>),
    /// A sparse file of this size with data at these offsets.
    Sparse(u64, Vec<(u64, Vec<u8>)>),
}

impl Bytes {
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Dense(bytes) => bytes.len() as u64,
            Self::Zeros(size, _) | Self::Sparse(size, _) => *size,
        }
    }

    /// All data that is not zero for certain, by its offset.
    pub fn pieces(&self) -> Vec<(u64, &[u8])> {
        match self {
            Self::Dense(bytes) => vec![(0, bytes)],
            Self::Zeros(_, pieces) | Self::Sparse(_, pieces) => pieces
                .iter()
                .map(|(offset, bytes)| (*offset, &bytes[..]))
                .collect(),
        }
    }
}

/// A name with everything behind it.
#[derive(Debug, Clone)]
pub struct Item {
    pub path: Vec<u8>,
    pub what: What,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub file_flags: FileFlags,
}

impl Item {
    pub fn new(path: impl AsRef<[u8]>, what: What) -> Self {
        let mode = match what {
            What::Directory => 0o755,
            What::Symlink(_) => 0o777,
            _ => 0o644,
        };
        Self {
            path: path.as_ref().to_vec(),
            what,
            mode,
            uid: 0,
            gid: 0,
            mtime: MTIME,
            xattrs: BTreeMap::new(),
            file_flags: FileFlags::default(),
        }
    }

    pub fn mode(mut self, mode: u16) -> Self {
        self.mode = mode;
        self
    }

    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub fn mtime(mut self, seconds: i64, nanoseconds: u32) -> Self {
        self.mtime = Timestamp {
            seconds,
            nanoseconds,
        };
        self
    }

    pub fn flags(mut self, flags: FileFlags) -> Self {
        self.file_flags = flags;
        self
    }

    pub fn xattr(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.xattrs
            .insert(name.as_ref().to_vec(), value.as_ref().to_vec());
        self
    }
}

pub fn file(path: impl AsRef<[u8]>, bytes: impl Into<Vec<u8>>) -> Item {
    Item::new(path, What::File(Bytes::Dense(bytes.into())))
}

pub fn zeros(path: impl AsRef<[u8]>, size: u64) -> Item {
    mostly_zeros(path, size, &[])
}

pub fn mostly_zeros(path: impl AsRef<[u8]>, size: u64, pieces: &[(u64, &[u8])]) -> Item {
    Item::new(path, What::File(Bytes::Zeros(size, owned(pieces))))
}

pub fn sparse(path: impl AsRef<[u8]>, size: u64, pieces: &[(u64, &[u8])]) -> Item {
    Item::new(path, What::File(Bytes::Sparse(size, owned(pieces))))
}

fn owned(pieces: &[(u64, &[u8])]) -> Vec<(u64, Vec<u8>)> {
    let pieces = pieces.iter();
    pieces
        .map(|(offset, bytes)| (*offset, bytes.to_vec()))
        .collect()
}

pub fn directory(path: impl AsRef<[u8]>) -> Item {
    Item::new(path, What::Directory)
}

pub fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item::new(path, What::Symlink(target.as_ref().to_vec()))
}

pub fn link(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item::new(path, What::Link(target.as_ref().to_vec()))
}

/// Bytes that differ from block to block, none of them zero.
pub fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| ((index / 4096 + index) % 251 + 1) as u8)
        .collect()
}

/// Items in the order of a tar. Every parent but the root has an item of its own, and no link leads
/// to a link.
#[derive(Debug, Clone, Default)]
pub struct Rootfs {
    pub items: Vec<Item>,
}

impl Rootfs {
    /// These items; a link has the attributes of the file it leads to, as tars have it.
    pub fn of(items: impl IntoIterator<Item = Item>) -> Self {
        let mut rootfs = Self {
            items: items.into_iter().collect(),
        };
        let numbers = rootfs.numbers();
        for index in 0..rootfs.items.len() {
            if let What::Link(target) = &rootfs.items[index].what {
                let target = rootfs.items[numbers[target]].clone();
                let item = &mut rootfs.items[index];
                (item.mode, item.uid, item.gid) = (target.mode, target.uid, target.gid);
                item.mtime = target.mtime;
            }
        }
        rootfs
    }

    fn numbers(&self) -> BTreeMap<Vec<u8>, usize> {
        let paths = self.items.iter().map(|item| item.path.clone());
        paths.zip(0..).collect()
    }

    /// The items as a layer's reader gives them, their contents written to `tar`, which stands
    /// for the layer. Files of nothing but zeros share one hole at its start.
    pub fn entries(&self, tar: &File) -> Vec<Entry> {
        let hole_bytes = |item: &Item| match &item.what {
            What::File(Bytes::Zeros(size, pieces)) if pieces.is_empty() => *size,
            _ => 0,
        };
        let mut end = self.items.iter().map(hole_bytes).max().unwrap_or(0);
        let items = self.items.iter();
        let entries = items.map(|item| {
            if hole_bytes(item) > 0 {
                return entry(item, 0);
            }
            let start = end;
            if let What::File(bytes) = &item.what {
                let gaps = matches!(bytes, Bytes::Zeros(..));
                for (offset, piece) in bytes.pieces() {
                    let at = if gaps { start + offset } else { end };
                    tar.write_all_at(piece, at).unwrap();
                    end = at + piece.len() as u64;
                }
                if gaps {
                    end = start + bytes.size_bytes();
                }
            }
            entry(item, start)
        });
        let entries = entries.collect();
        tar.set_len(end).unwrap();
        entries
    }

    /// What must be seen of this root filesystem once it is pressed, mke2fs's `lost+found`
    /// included.
    pub fn expected(&self) -> Listing {
        let numbers = self.numbers();
        let target_of = |item: &Item| match &item.what {
            What::Link(target) => numbers[target],
            _ => numbers[&item.path],
        };
        let mut links: BTreeMap<usize, u32> = BTreeMap::new();
        let mut subdirectories: BTreeMap<&[u8], u32> = BTreeMap::new();
        for item in &self.items {
            *links.entry(target_of(item)).or_default() += 1;
            if matches!(item.what, What::Directory) && !item.path.is_empty() {
                *subdirectories.entry(parent_of(&item.path)).or_default() += 1;
            }
        }
        let has_lost_found = numbers.contains_key(&b"lost+found"[..]);
        let lines = self.items.iter().map(|item| {
            let index = target_of(item);
            let mut line = line(&item.path, &self.items[index]);
            line.link_count = Some(match line.kind {
                Some(Kind::Directory) => {
                    let own = item.path.is_empty() && !has_lost_found;
                    2 + subdirectories.get(&item.path[..]).unwrap_or(&0) + u32::from(own)
                }
                _ => links[&index],
            });
            (line, Some(index as u64))
        });
        let mut listing = Listing::new(lines);
        if !has_lost_found {
            listing.insert(Line {
                kind: Some(Kind::Directory),
                mode: Some(0o700),
                owner: Some(Owner { uid: 0, gid: 0 }),
                link_count: Some(2),
                body: Body::Nothing,
                ..Line::unknown(b"lost+found")
            });
        }
        if !numbers.contains_key(&b""[..]) {
            listing.insert(Line::unknown(b""));
        }
        listing
    }
}

/// The directory a path is in.
pub fn parent_of(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    &path[..slash.unwrap_or(0)]
}

fn line(path: &[u8], item: &Item) -> Line {
    let (kind, size_bytes, body) = match &item.what {
        What::File(bytes) => {
            let mut hasher = ContentHasher::default();
            for (offset, piece) in bytes.pieces() {
                hasher.data(offset, piece).unwrap();
            }
            let size = bytes.size_bytes();
            (
                Kind::Regular,
                Some(size),
                Body::Content(hasher.finish(size)),
            )
        }
        What::Directory => (Kind::Directory, None, Body::Nothing),
        What::Symlink(target) => (
            Kind::Symlink,
            Some(target.len() as u64),
            Body::Target(target.as_slice().into()),
        ),
        What::Character(major, minor) => (Kind::CharacterDevice, None, device(*major, *minor)),
        What::Block(major, minor) => (Kind::BlockDevice, None, device(*major, *minor)),
        What::Fifo => (Kind::Fifo, None, Body::Nothing),
        What::Link(_) => unreachable!("followed to its file"),
    };
    let attributes = item.xattrs.iter();
    Line {
        kind: Some(kind),
        mode: Some(item.mode),
        owner: Some(Owner {
            uid: item.uid,
            gid: item.gid,
        }),
        mtime: Some(item.mtime),
        size_bytes,
        xattrs: Some(
            attributes
                .map(|(name, value)| Attribute::new(name, value))
                .collect(),
        ),
        file_flags: Some(item.file_flags),
        body,
        ..Line::unknown(path)
    }
}

fn device(major: u32, minor: u32) -> Body {
    Body::Device { major, minor }
}

/// The item as an entry whose data starts at `offset_bytes`.
fn entry(item: &Item, offset_bytes: u64) -> Entry {
    let kind = match &item.what {
        What::File(bytes) => {
            let data = match bytes {
                Bytes::Sparse(_, pieces) => {
                    let mut offset_bytes = offset_bytes;
                    let extents = pieces.iter().map(|(file_offset_bytes, bytes)| {
                        let length_bytes = bytes.len() as u64;
                        offset_bytes += length_bytes;
                        DataExtent {
                            file_offset_bytes: *file_offset_bytes,
                            length_bytes,
                            offset_bytes: offset_bytes - length_bytes,
                        }
                    });
                    Data::Sparse(extents.collect())
                }
                _ => Data::Contiguous { offset_bytes },
            };
            EntryKind::Regular(Content {
                size_bytes: bytes.size_bytes(),
                data,
            })
        }
        What::Directory => EntryKind::Directory,
        What::Symlink(target) => EntryKind::Symlink(target.as_slice().into()),
        What::Link(target) => EntryKind::HardLink(target.as_slice().into()),
        What::Character(major, minor) => EntryKind::CharacterDevice(Device {
            major: *major,
            minor: *minor,
        }),
        What::Block(major, minor) => EntryKind::BlockDevice(Device {
            major: *major,
            minor: *minor,
        }),
        What::Fifo => EntryKind::Fifo,
    };
    let xattrs = item.xattrs.iter().map(|(name, value)| Xattr {
        name: name.as_slice().into(),
        value: value.as_slice().into(),
    });
    Entry {
        path: if item.path.is_empty() {
            (*b"./").into()
        } else {
            item.path.as_slice().into()
        },
        kind,
        mode: item.mode,
        uid: item.uid,
        gid: item.gid,
        mtime: item.mtime,
        xattrs: xattrs.collect(),
        file_flags: item.file_flags,
        header_offset: 0,
    }
}
