//! A real directory as the tree a filesystem is made from.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use layerpress::layers::{
    Content, Contents, Data, DataExtent, Device, Entry, EntryKind, Origin, Xattr,
};
use layerpress::listing::Kind;
use layerpress::region::FileRegion;
use layerpress::tree::{Attributes, ContentRef, Directory, Node, NodeId, NodeKind, Tree};
use layerpress::units::{FileFlags, Timestamp};
use rustix::fs::SeekFrom;

use super::oracles;
use super::press::tree_of_entries;

/// The nodes of `directory` in canonical order, with their contents appended to one file that
/// stands for a layer's tar. Times are cut to whole seconds, as `mke2fs -d` cuts them.
pub fn nodes_of(directory: &Path) -> (Vec<Node>, Contents) {
    let mut reader = DirectoryReader {
        tar: tempfile::tempfile().unwrap(),
        nodes: Vec::new(),
        met: HashMap::new(),
    };
    reader.directory(directory);
    let tar = FileRegion::whole(reader.tar).unwrap();
    (reader.nodes, Contents::of_layers([tar]))
}

/// The id of a path in `nodes`.
pub fn id_of(nodes: &[Node], path: &str) -> NodeId {
    path.split('/').fold(NodeId::ROOT, |id, name| {
        let NodeKind::Directory(directory) = &nodes[id.index()].kind else {
            panic!("{path}: not a directory on the way to {name}");
        };
        let child = directory
            .children
            .iter()
            .find(|(child, _)| **child == *name.as_bytes());
        child
            .unwrap_or_else(|| panic!("{path}: there is no {name}"))
            .1
    })
}

/// The tree of `nodes`.
pub fn tree_of(nodes: Vec<Node>) -> Tree {
    let mut entries = Vec::new();
    let mut first_names = HashMap::new();
    let mut open = vec![(NodeId::ROOT, Vec::from(b"."))];
    while let Some((id, path)) = open.pop() {
        let node = &nodes[id.index()];
        if let NodeKind::Directory(directory) = &node.kind {
            let children = directory.children.iter().rev();
            open.extend(children.map(|(name, child)| (*child, [&path, &name[..]].join(&b'/'))));
        }
        let kind = match first_names.insert(id, path.clone()) {
            Some(first) => {
                first_names.insert(id, first.clone());
                EntryKind::HardLink(first.into())
            }
            None => entry_kind(&node.kind),
        };
        let attributes = node.attributes.clone();
        entries.push(Entry {
            path: path.into(),
            kind,
            mode: attributes.mode,
            uid: attributes.uid,
            gid: attributes.gid,
            mtime: attributes.mtime,
            xattrs: attributes.xattrs,
            file_flags: attributes.file_flags,
            header_offset: 0,
        });
    }
    tree_of_entries(entries).unwrap()
}

fn entry_kind(kind: &NodeKind) -> EntryKind {
    match kind.clone() {
        NodeKind::Regular(file) => EntryKind::Regular(file.content),
        NodeKind::Directory(_) => EntryKind::Directory,
        NodeKind::Symlink(target) => EntryKind::Symlink(target),
        NodeKind::CharacterDevice(device) => EntryKind::CharacterDevice(device),
        NodeKind::BlockDevice(device) => EntryKind::BlockDevice(device),
        NodeKind::Fifo => EntryKind::Fifo,
    }
}

struct DirectoryReader {
    tar: File,
    nodes: Vec<Node>,
    met: HashMap<u64, NodeId>,
}

impl DirectoryReader {
    fn directory(&mut self, at: &Path) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap());
        self.nodes.push(Node {
            attributes: attributes(at),
            kind: NodeKind::Directory(Directory::default()),
            link_count: 2,
        });
        let mut children = BTreeMap::new();
        let mut directories = Vec::new();
        let mut entries: Vec<_> = fs::read_dir(at).unwrap().map(Result::unwrap).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name: Box<[u8]> = entry.file_name().as_bytes().into();
            if entry.file_type().unwrap().is_dir() {
                directories.push((name, entry.path()));
            } else {
                children.insert(name, self.other(&entry.path()));
            }
        }
        self.nodes[id.index()].link_count += u32::try_from(directories.len()).unwrap();
        for (name, path) in directories {
            children.insert(name, self.directory(&path));
        }
        self.nodes[id.index()].kind = NodeKind::Directory(Directory {
            children: children.into_iter().collect(),
        });
        id
    }

    fn other(&mut self, at: &Path) -> NodeId {
        let metadata = fs::symlink_metadata(at).unwrap();
        if let Some(id) = self.met.get(&metadata.ino()) {
            self.nodes[id.index()].link_count += 1;
            return *id;
        }
        let device = Device {
            major: rustix::fs::major(metadata.rdev()),
            minor: rustix::fs::minor(metadata.rdev()),
        };
        let kind = match Kind::from_st_mode(metadata.mode()).unwrap() {
            Kind::Regular => NodeKind::Regular(ContentRef {
                origin: Origin::Layer(0),
                content: self.append(at),
            }),
            Kind::Symlink => {
                let target = fs::read_link(at).unwrap().into_os_string().into_vec();
                NodeKind::Symlink(target.into())
            }
            Kind::CharacterDevice => NodeKind::CharacterDevice(device),
            Kind::BlockDevice => NodeKind::BlockDevice(device),
            Kind::Fifo => NodeKind::Fifo,
            kind @ (Kind::Directory | Kind::Socket) => panic!("{}: {kind}", at.display()),
        };
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap());
        self.met.insert(metadata.ino(), id);
        self.nodes.push(Node {
            attributes: attributes(at),
            kind,
            link_count: 1,
        });
        id
    }

    /// Appends a file's data; one with holes becomes sparse.
    fn append(&mut self, at: &Path) -> Content {
        let mut file = File::open(at).unwrap();
        let size_bytes = file.metadata().unwrap().len();
        let mut extents = Vec::new();
        let mut offset = 0;
        while let Ok(data) = rustix::fs::seek(&file, SeekFrom::Data(offset)) {
            let hole = rustix::fs::seek(&file, SeekFrom::Hole(data)).unwrap();
            rustix::fs::seek(&file, SeekFrom::Start(data)).unwrap();
            let mut bytes = Vec::new();
            Read::by_ref(&mut file)
                .take(hole - data)
                .read_to_end(&mut bytes)
                .unwrap();
            extents.push(DataExtent {
                file_offset_bytes: data,
                length_bytes: hole - data,
                offset_bytes: self.tar.stream_position().unwrap(),
            });
            self.tar.write_all(&bytes).unwrap();
            offset = hole;
        }
        let data = match extents[..] {
            [
                DataExtent {
                    file_offset_bytes: 0,
                    length_bytes,
                    offset_bytes,
                },
            ] if length_bytes == size_bytes => Data::Contiguous { offset_bytes },
            _ => Data::Sparse(extents.into()),
        };
        Content { size_bytes, data }
    }
}

fn attributes(at: &Path) -> Attributes {
    let metadata = fs::symlink_metadata(at).unwrap();
    let xattrs = oracles::xattrs_of(at).into_iter().map(|attribute| Xattr {
        name: attribute.name,
        value: attribute.value,
    });
    Attributes {
        mode: u16::try_from(metadata.mode() & 0o7777).unwrap(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: Timestamp::from_seconds(metadata.mtime()),
        xattrs: xattrs.collect(),
        file_flags: FileFlags::default(),
    }
}
