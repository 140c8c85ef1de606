//! Version after version, each laid out like the one before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::support::press::{Pressed, press_like, press_with};
use super::support::rootfs::{Bytes, Item, Rootfs, What, directory};
use super::{figures, kinds, like};

/// What a path is.
#[derive(Debug, Clone)]
enum Is {
    Directory,
    /// A file with so many bytes, and holes or none; equal numbers are one file.
    File(u32, usize, bool),
    Symlink(usize),
    Fifo,
}

#[derive(Debug, Clone)]
enum Change {
    /// Puts something into a directory, or in the place of what is there.
    Put(Index, u8, Is),
    Remove(Index),
    /// Another length, and other bytes.
    Resize(Index, usize),
    Retype(Index, Is),
    /// A further name for a file.
    Link(Index, Index, u8),
    /// Attributes that need a block: few different ones.
    Attributes(Index, u8),
    /// So many names in a directory, or fewer again.
    Fill(Index, u16),
}

#[derive(Debug, Clone, Default)]
struct Version {
    paths: BTreeMap<Vec<u8>, (Is, Option<u8>)>,
    next_file: u32,
}

impl Version {
    fn directories(&self) -> Vec<Vec<u8>> {
        let directories = self.paths.iter();
        let directories = directories.filter(|(_, (is, _))| matches!(is, Is::Directory));
        let mut paths = vec![Vec::new()];
        paths.extend(directories.map(|(path, _)| path.clone()));
        paths
    }

    fn some_path(&self, index: Index) -> Option<Vec<u8>> {
        let paths: Vec<_> = self.paths.keys().collect();
        (!paths.is_empty()).then(|| (*index.get(&paths)).clone())
    }

    fn remove_below(&mut self, path: &[u8]) {
        let below = [path, b"/"].concat();
        self.paths.retain(|other, _| !other.starts_with(&below));
    }

    fn put(&mut self, path: Vec<u8>, is: &Is) {
        if path == b"lost+found" && !matches!(is, Is::Directory) {
            return;
        }
        if !matches!(is, Is::Directory) {
            self.remove_below(&path);
        }
        let is = match is {
            Is::File(_, length, sparse) => {
                self.next_file += 1;
                Is::File(self.next_file, *length, *sparse)
            }
            is => is.clone(),
        };
        self.paths.insert(path, (is, None));
    }

    fn change(&mut self, change: &Change) {
        let within = |directory: &[u8], name: &[u8]| match directory {
            b"" => name.to_vec(),
            _ => [directory, b"/", name].concat(),
        };
        let name = |number: u8| match number {
            0 => b"lost+found".to_vec(),
            _ => format!("n{number}").into_bytes(),
        };
        match change {
            Change::Put(directory, number, is) => {
                let directory = directory.get(&self.directories()).clone();
                self.put(within(&directory, &name(*number)), is);
            }
            Change::Remove(index) => {
                if let Some(path) = self.some_path(*index) {
                    self.remove_below(&path);
                    self.paths.remove(&path);
                }
            }
            Change::Resize(index, length) => {
                let Some(path) = self.some_path(*index) else {
                    return;
                };
                if let Is::File(number, ..) = self.paths[&path].0 {
                    for (is, _) in self.paths.values_mut() {
                        if let Is::File(other, was, _) = is
                            && *other == number
                        {
                            *was = *length;
                        }
                    }
                }
            }
            Change::Retype(index, is) => {
                if let Some(path) = self.some_path(*index) {
                    self.put(path, is);
                }
            }
            Change::Link(index, directory, number) => {
                let Some(path) = self.some_path(*index) else {
                    return;
                };
                let directory = directory.get(&self.directories()).clone();
                let new = within(&directory, &name(*number));
                let what = self.paths[&path].clone();
                if matches!(what.0, Is::File(..)) && !self.paths.contains_key(&new) && *number > 0 {
                    self.paths.insert(new, what);
                }
            }
            Change::Attributes(index, value) => {
                let Some(path) = self.some_path(*index) else {
                    return;
                };
                let (is, _) = &self.paths[&path];
                if let Is::File(number, ..) = *is {
                    for (is, attributes) in self.paths.values_mut() {
                        if matches!(is, Is::File(other, ..) if *other == number) {
                            *attributes = Some(*value);
                        }
                    }
                } else if matches!(is, Is::Directory) {
                    self.paths.get_mut(&path).unwrap().1 = Some(*value);
                }
            }
            Change::Fill(directory, count) => {
                let directory = directory.get(&self.directories()).clone();
                let prefix = within(&directory, b"filled-");
                self.paths.retain(|path, _| !path.starts_with(&prefix));
                for index in 0..*count {
                    let path = [&prefix[..], format!("{index:0>90}").as_bytes()].concat();
                    self.paths.insert(path, (Is::Fifo, None));
                }
            }
        }
    }

    fn rootfs(&self) -> Rootfs {
        let mut first: BTreeMap<u32, &[u8]> = BTreeMap::new();
        let mut items = vec![directory("")];
        for (path, (is, attributes)) in &self.paths {
            let what = match is {
                Is::Directory => What::Directory,
                Is::Symlink(length) => What::Symlink(vec![b't'; *length]),
                Is::Fifo => What::Fifo,
                Is::File(number, length, sparse) => match first.get(number) {
                    Some(target) => What::Link(target.to_vec()),
                    None => {
                        first.insert(*number, path);
                        What::File(content(*number, *length, *sparse))
                    }
                },
            };
            let is_link = matches!(what, What::Link(_));
            let mut item = Item::new(path, what);
            if let Some(value) = attributes
                && !is_link
            {
                item = item.xattr("user.long", vec![*value; 400]);
            }
            items.push(item);
        }
        Rootfs::of(items)
    }
}

fn content(number: u32, length: usize, sparse: bool) -> Bytes {
    let byte = |at: usize| (at / 4096 + number as usize) as u8 | 1;
    if !sparse {
        return Bytes::Dense((0..length).map(byte).collect());
    }
    // As many pieces as there are thousands of bytes, and a hole of blocks between each two.
    let pieces = (0..length / 5000).map(|piece| (piece as u64 * 20_480, vec![byte(piece); 4096]));
    let pieces: Vec<_> = pieces.collect();
    let size = pieces
        .last()
        .map_or(0, |(at, piece)| at + piece.len() as u64);
    Bytes::Sparse(size + length as u64, pieces)
}

fn what() -> impl Strategy<Value = Is> {
    let file = || (lengths(), prop::bool::weighted(0.2));
    prop_oneof![
        6 => file().prop_map(|(length, sparse)| Is::File(0, length, sparse)),
        3 => Just(Is::Directory),
        1 => (60..300_usize).prop_map(Is::Symlink),
        1 => (1..60_usize).prop_map(Is::Symlink),
        1 => Just(Is::Fifo),
    ]
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        5 => 0..20_000_usize,
        3 => 40_000..70_000_usize,
        1 => 4_190_000..4_400_000_usize,
    ]
}

fn changes() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        8 => (index(), 0..30_u8, what()).prop_map(|(at, name, is)| Change::Put(at, name, is)),
        3 => index().prop_map(Change::Remove),
        5 => (index(), lengths()).prop_map(|(at, length)| Change::Resize(at, length)),
        2 => (index(), what()).prop_map(|(at, is)| Change::Retype(at, is)),
        2 => (index(), index(), 0..30_u8).prop_map(|(at, to, name)| Change::Link(at, to, name)),
        3 => (index(), 1..4_u8).prop_map(|(at, value)| Change::Attributes(at, value)),
        1 => (index(), 0..300_u16).prop_map(|(at, count)| Change::Fill(at, count)),
    ]
}

fn versions() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let first = prop::collection::vec(changes(), 30..60);
    let later = prop::collection::vec(changes(), 0..12);
    (first, prop::collection::vec(later, 10)).prop_map(|(first, later)| {
        let mut versions = vec![first];
        versions.extend(later);
        versions
    })
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 8;
    }
    // Each failing chain takes long to make smaller.
    config.max_shrink_iters = 60;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_of_ten_versions_is_sound_and_shows_its_own_tree(
        versions in versions(),
        wanted in prop::sample::select(kinds().to_vec()),
    ) {
        let mut version = Version::default();
        let mut last: Option<Pressed> = None;
        for changes in &versions {
            changes.iter().for_each(|change| version.change(change));
            let rootfs = version.rootfs();
            let pressed = match &last {
                None => press_with(&rootfs, wanted).unwrap(),
                Some(last) => {
                    let pressed = press_like(&rootfs, like(wanted), &last.image()).unwrap();
                    figures(&pressed);
                    pressed
                }
            };
            pressed.checked();
            pressed.read_back();
            last = Some(pressed);
        }
        last.unwrap().seen_by_the_kernel();
    }
}
