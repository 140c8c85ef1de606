//! A root filesystem changed here and there, as somebody who works in it does.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::rootfs::{Bytes, Item, Rootfs, What, file, link};

/// Something done to what an index leads to.
#[derive(Debug, Clone)]
pub enum Edit {
    Remove(Index),
    /// Everything in a directory.
    Empty(Index),
    Mode(Index, u16),
    Owner(Index, u32),
    Nanoseconds(Index, u32),
    Attribute(Index, u8),
    /// One byte of a file.
    Byte(Index, Index),
    /// A further name of a file in a directory.
    Link(Index, Index),
    /// A name of a file becomes a file of its own with the same content.
    Split(Index),
    /// A file's name becomes one of another file.
    Join(Index, Index),
    /// Whatever it is becomes a directory with a file in it.
    Directory(Index),
    /// Whatever it is becomes a file.
    File(Index),
    Move(Index, Index),
}

pub fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    let index = any::<Index>;
    let edit = prop_oneof![
        3 => index().prop_map(Edit::Remove),
        2 => index().prop_map(Edit::Empty),
        1 => (index(), 0..0o10000_u16).prop_map(|(at, mode)| Edit::Mode(at, mode)),
        1 => (index(), 0..3_u32).prop_map(|(at, uid)| Edit::Owner(at, uid)),
        1 => (index(), 0..1_000_000_000_u32).prop_map(|(at, time)| Edit::Nanoseconds(at, time)),
        1 => (index(), any::<u8>()).prop_map(|(at, byte)| Edit::Attribute(at, byte)),
        2 => (index(), index()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        3 => (index(), index()).prop_map(|(at, to)| Edit::Link(at, to)),
        2 => index().prop_map(Edit::Split),
        2 => (index(), index()).prop_map(|(at, to)| Edit::Join(at, to)),
        1 => index().prop_map(Edit::Directory),
        1 => index().prop_map(Edit::File),
        2 => (index(), index()).prop_map(|(at, to)| Edit::Move(at, to)),
    ];
    prop::collection::vec(edit, 0..most)
}

/// Items by path, a hard link being the number of what it shares.
#[derive(Default)]
struct Growing {
    names: BTreeMap<Vec<u8>, usize>,
    items: Vec<Item>,
}

pub fn derived(before: &Rootfs, edits: &[Edit]) -> Rootfs {
    let mut growing = Growing::default();
    for item in &before.items {
        let number = match &item.what {
            What::Link(target) => growing.names[target],
            _ => {
                growing.items.push(item.clone());
                growing.items.len() - 1
            }
        };
        growing.names.insert(item.path.clone(), number);
    }
    for edit in edits {
        growing.apply(edit);
    }
    growing.rootfs()
}

impl Growing {
    /// A path but the root's that is asked for.
    fn path(&self, index: &Index, wanted: impl Fn(&What) -> bool) -> Option<Vec<u8>> {
        let paths: Vec<_> = self
            .names
            .iter()
            .filter(|(path, number)| !path.is_empty() && wanted(&self.items[**number].what))
            .map(|(path, _)| path.clone())
            .collect();
        (!paths.is_empty()).then(|| index.get(&paths).clone())
    }

    fn remove_below(&mut self, path: &[u8]) {
        let below = [path, b"/"].concat();
        self.names.retain(|path, _| !path.starts_with(&below));
    }

    fn remove(&mut self, path: &[u8]) {
        self.names.remove(path);
        self.remove_below(path);
    }

    fn put(&mut self, path: &[u8], item: Item) {
        self.remove_below(path);
        self.items.push(item);
        self.names.insert(path.to_vec(), self.items.len() - 1);
    }

    fn apply(&mut self, edit: &Edit) {
        self.apply_if_possible(edit);
    }

    fn apply_if_possible(&mut self, edit: &Edit) -> Option<()> {
        let any = |_: &What| true;
        let is_directory = |what: &What| matches!(what, What::Directory);
        let is_file = |what: &What| matches!(what, What::File(_));
        let is_leaf = |what: &What| !matches!(what, What::Directory);
        match edit {
            Edit::Remove(at) => self.remove(&self.path(at, any)?),
            Edit::Empty(at) => self.remove_below(&self.path(at, is_directory)?),
            Edit::Mode(at, mode) => {
                let path = self.path(at, |what| !matches!(what, What::Symlink(_)))?;
                self.item(&path).mode = *mode;
            }
            Edit::Owner(at, uid) => {
                let path = self.path(at, any)?;
                self.item(&path).uid = *uid;
            }
            Edit::Nanoseconds(at, nanoseconds) => {
                let path = self.path(at, any)?;
                self.item(&path).mtime.nanoseconds = *nanoseconds;
            }
            Edit::Attribute(at, byte) => {
                let path = self.path(at, |what| matches!(what, What::File(_) | What::Directory))?;
                let name = b"user.edited".to_vec();
                self.item(&path).xattrs.insert(name, vec![*byte]);
            }
            Edit::Byte(at, byte) => {
                let path = self.path(at, is_file)?;
                if let What::File(Bytes::Dense(bytes)) = &mut self.item(&path).what
                    && !bytes.is_empty()
                {
                    let byte = byte.index(bytes.len());
                    bytes[byte] ^= 1;
                }
            }
            Edit::Link(at, to) => {
                let (path, directory) = (self.path(at, is_leaf)?, self.path(to, is_directory)?);
                let number = self.names[&path];
                let new = [&directory[..], b"/linked"].concat();
                self.remove(&new);
                self.names.insert(new, number);
            }
            Edit::Split(at) => {
                let path = self.path(at, is_leaf)?;
                let item = self.item(&path).clone();
                self.put(&path, item);
            }
            Edit::Join(at, to) => {
                let (path, other) = (self.path(at, is_leaf)?, self.path(to, is_leaf)?);
                self.names.insert(path, self.names[&other]);
            }
            Edit::Directory(at) => {
                let path = self.path(at, |what| !matches!(what, What::Directory))?;
                self.put(&path, Item::new(&path, What::Directory));
                let inside = [&path[..], b"/inside"].concat();
                self.put(&inside, file(&inside, *b"inside"));
            }
            Edit::File(at) => {
                let path = self.path(at, any)?;
                if path != b"lost+found" {
                    self.put(&path, file(&path, *b"a file now"));
                }
            }
            Edit::Move(at, to) => {
                let (path, directory) = (self.path(at, is_leaf)?, self.path(to, is_directory)?);
                let number = self.names.remove(&path)?;
                let new = [&directory[..], b"/moved"].concat();
                self.remove(&new);
                self.names.insert(new, number);
            }
        }
        Some(())
    }

    fn item(&mut self, path: &[u8]) -> &mut Item {
        &mut self.items[self.names[path]]
    }

    /// In an order that has each directory before what is in it.
    fn rootfs(self) -> Rootfs {
        let mut firsts = BTreeMap::new();
        let items = self.names.into_iter().map(|(path, number)| {
            let first = firsts.entry(number).or_insert_with(|| path.clone());
            match *first == path {
                true => Item {
                    path,
                    ..self.items[number].clone()
                },
                false => link(path, &*first),
            }
        });
        Rootfs::of(items.collect::<Vec<_>>())
    }
}
