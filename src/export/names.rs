//! Every name of a filesystem that a layer can have, and what stands there in the base.

use std::collections::BTreeMap;

use super::Exported;
use crate::error::{Error, Result, escape_path};
use crate::extract::SOCKET_LEFT_OUT;
use crate::listing::{Kind, join};
use crate::ondisk::xattr::is_note;
use crate::tree::{NodeId, NodeKind, Tree, WHITEOUT_PREFIX};
use crate::units::{InodeNumber, LOST_FOUND};
use crate::view::{Found, Node, Step, View};

/// All names in canonical order: the root, then a directory's other children by the bytes of their
/// names, then each child directory with all below it. A directory so comes before what is in it,
/// and contents in the order that a build lays them out in.
#[derive(Debug)]
pub(super) struct Names<'a> {
    names: Vec<Name>,
    /// By their first name: all names of what has more than one, ascending.
    groups: BTreeMap<usize, Vec<usize>>,
    /// By directory: the names that only the base has in it, ascending.
    gone: BTreeMap<usize, Vec<&'a [u8]>>,
}

/// A name; its place among the others is its index.
#[derive(Debug)]
pub(super) struct Name {
    /// Empty for the root.
    name: Box<[u8]>,
    parent: usize,
    pub inode: InodeNumber,
    pub kind: Kind,
    /// What the base has at this path.
    pub base: Option<NodeId>,
    /// The first name of the same inode, itself where there is no other.
    pub first: usize,
}

impl<'a> Names<'a> {
    /// Walks the whole filesystem. What no layer can have is left out and counted in `exported`.
    pub fn of(view: &View, base: Option<&'a Tree>, exported: &mut Exported) -> Result<Self> {
        let mut collected = Collected {
            view,
            base,
            names: Vec::new(),
            gone: BTreeMap::new(),
            open: Vec::new(),
            exported,
        };
        let root = Found {
            path: Vec::new(),
            node: view.root()?,
        };
        for step in view.walk(root) {
            match step {
                Step::Entry(found) => collected
                    .enter(&found)
                    .map_err(|error| error.in_entry(&found.path))?,
                Step::Leave(found) => collected
                    .leave(&found)
                    .map_err(|error| error.in_entry(&found.path))?,
                Step::Problem { path, error } => return Err(error.in_entry(&path)),
            }
        }
        Ok(in_canonical_order(collected.names, collected.gone))
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.names.iter()
    }

    /// One of them.
    pub fn get(&self, index: usize) -> &Name {
        &self.names[index]
    }

    /// The directory that one is in; the root's is the root.
    pub fn parent(&self, index: usize) -> usize {
        self.names[index].parent
    }

    /// All names of an inode by its first.
    pub fn group<'n>(&'n self, first: &'n usize) -> &'n [usize] {
        let group = self.groups.get(first).map(Vec::as_slice);
        group.unwrap_or(std::slice::from_ref(first))
    }

    /// What is in a directory in the base alone, ascending.
    pub fn gone(&self, directory: usize) -> &[&'a [u8]] {
        self.gone.get(&directory).map_or(&[], Vec::as_slice)
    }

    /// A path from the root, without a leading `/`; the root's is empty.
    pub fn path(&self, index: usize) -> Vec<u8> {
        let mut components = Vec::new();
        let mut at = index;
        while at != 0 {
            components.push(&*self.names[at].name);
            at = self.names[at].parent;
        }
        components.reverse();
        components.join(&b'/')
    }
}

/// What is known so far, in the order of the walk.
struct Collected<'a, 'e> {
    view: &'e View,
    base: Option<&'a Tree>,
    names: Vec<Name>,
    gone: BTreeMap<usize, Vec<&'a [u8]>>,
    open: Vec<Level<'a>>,
    exported: &'e mut Exported,
}

type Children<'a> = &'a [(Box<[u8]>, NodeId)];

/// A directory that is being walked.
struct Level<'a> {
    index: usize,
    /// Of its children in the base those that no name was held against yet.
    base: Children<'a>,
    is_empty: bool,
}

impl<'a> Collected<'a, '_> {
    fn enter(&mut self, found: &Found) -> Result<()> {
        let name = found.path.rsplit(|byte| *byte == b'/').next();
        let name = name.unwrap_or_default();
        expect_no_whiteout(name)?;
        if let Some(level) = self.open.last_mut() {
            level.is_empty = false;
        }
        let node = &found.node;
        if node.kind == Kind::Socket {
            self.exported.left_out_sockets += 1;
            self.exported.warnings.count(SOCKET_LEFT_OUT, &found.path);
            return Ok(());
        }
        let base = match self.open.is_empty() {
            true => self.base.map(|_| NodeId::ROOT),
            false => self.base_of(name)?,
        };
        let index = self.names.len();
        self.names.push(Name {
            name: name.into(),
            parent: self.open.last().map_or(0, |level| level.index),
            inode: node.number,
            kind: node.kind,
            base,
            // Known when all are.
            first: index,
        });
        if node.kind == Kind::Directory {
            let base = self.base.zip(base).map(|(tree, id)| &tree.node(id).kind);
            self.open.push(Level {
                index,
                base: match base {
                    Some(NodeKind::Directory(directory)) => &directory.children,
                    _ => &[],
                },
                is_empty: true,
            });
        }
        Ok(())
    }

    /// What stands at a name of the directory in the base. The names come ascending: whatever of the
    /// base is before this one is gone.
    fn base_of(&mut self, name: &[u8]) -> Result<Option<NodeId>> {
        let Some(level) = self.open.last_mut() else {
            return Ok(None);
        };
        let before = level.base.partition_point(|(other, _)| **other < *name);
        let (gone, rest) = level.base.split_at(before);
        let found = rest.first().filter(|(other, _)| **other == *name);
        level.base = &rest[usize::from(found.is_some())..];
        let index = level.index;
        self.are_gone(index, gone)?;
        Ok(found.map(|(_, id)| *id))
    }

    fn are_gone(&mut self, directory: usize, gone: Children<'a>) -> Result<()> {
        for (name, _) in gone {
            if name.starts_with(WHITEOUT_PREFIX) {
                return Err(Error::unsupported(format!(
                    "expected no name in the base that begins with .wh., found {}: no whiteout can hide it",
                    escape_path(name)
                )));
            }
            self.gone.entry(directory).or_default().push(name);
        }
        Ok(())
    }

    fn leave(&mut self, found: &Found) -> Result<()> {
        let Some(level) = self.open.pop() else {
            return Ok(());
        };
        self.are_gone(level.index, level.base)?;
        let is_own = found.path == LOST_FOUND
            && level.is_empty
            && self.names[level.index].base.is_none()
            && is_made_by_mke2fs(self.view, &found.node)?;
        if is_own {
            self.exported.left_out_lost_found = true;
            // Nothing is in it: it came last.
            self.names.truncate(level.index);
        }
        Ok(())
    }
}

/// As an entry it would not be a file, but hide one.
fn expect_no_whiteout(name: &[u8]) -> Result<()> {
    let Some(hidden) = name.strip_prefix(WHITEOUT_PREFIX) else {
        return Ok(());
    };
    let would = match hidden {
        b".wh..opq" => "hide everything below its directory".to_owned(),
        b"" | b"." | b".." => "be a whiteout of nothing".to_owned(),
        _ if hidden.starts_with(WHITEOUT_PREFIX) => "be taken for bookkeeping of aufs".to_owned(),
        _ => format!("hide {} of the layers below", escape_path(hidden)),
    };
    Err(Error::unsupported(format!(
        "expected no name that begins with .wh., found one: in a layer it would {would}"
    )))
}

/// Whether a `lost+found` has the attributes that mke2fs gives it, a build's note aside.
fn is_made_by_mke2fs(view: &View, node: &Node) -> Result<bool> {
    let stored = &node.stored;
    Ok(node.mode() == 0o700
        && (stored.uid, stored.gid) == (0, 0)
        && node.file_flags().is_empty()
        && view.xattrs(node)?.iter().all(|xattr| is_note(&xattr.name)))
}

/// Puts names, which come each directory before its children and these ascending, into their order.
fn in_canonical_order<'a>(names: Vec<Name>, gone: BTreeMap<usize, Vec<&'a [u8]>>) -> Names<'a> {
    // Where in `children` those of each directory end.
    let mut ends = vec![0; names.len()];
    for name in names.iter().skip(1) {
        ends[name.parent] += 1;
    }
    let mut sum = 0;
    for end in &mut ends {
        sum += std::mem::replace(end, sum);
    }
    let mut children = vec![0; sum];
    let by_kind = |is_directory: bool| {
        let names = names.iter().enumerate().skip(1);
        names.filter(move |(_, name)| (name.kind == Kind::Directory) == is_directory)
    };
    for (index, name) in by_kind(false).chain(by_kind(true)) {
        children[ends[name.parent]] = index;
        ends[name.parent] += 1;
    }
    let children_of = |directory: usize| {
        let start = directory.checked_sub(1).map_or(0, |before| ends[before]);
        &children[start..ends[directory]]
    };
    let mut places = vec![0; names.len()];
    let mut order = Vec::with_capacity(names.len());
    let mut due = vec![0];
    while let Some(index) = due.pop() {
        places[index] = order.len();
        order.push(index);
        if names[index].kind == Kind::Directory {
            due.extend(children_of(index).iter().rev());
        }
    }
    let mut names: Vec<_> = names.into_iter().map(Some).collect();
    let names = order.into_iter().filter_map(|index| names[index].take());
    let mut names: Vec<_> = names.collect();
    for (index, name) in names.iter_mut().enumerate() {
        name.parent = places[name.parent];
        name.first = index;
    }
    let groups = groups(&mut names);
    let gone = gone.into_iter();
    Names {
        names,
        groups,
        gone: gone.map(|(index, names)| (places[index], names)).collect(),
    }
}

/// Tells each name its inode's first.
fn groups(names: &mut [Name]) -> BTreeMap<usize, Vec<usize>> {
    let others = names.iter().zip(0..);
    let others = others.filter(|(name, _)| name.kind != Kind::Directory);
    let mut by_inode: Vec<_> = others.map(|(name, index)| (name.inode, index)).collect();
    by_inode.sort_unstable();
    let mut groups = BTreeMap::new();
    for group in by_inode.chunk_by(|(one, _), (other, _)| one == other) {
        if let [(_, first), _, ..] = *group {
            let group: Vec<usize> = group.iter().map(|(_, index)| *index).collect();
            for index in &group {
                names[*index].first = first;
            }
            groups.insert(first, group);
        }
    }
    groups
}

/// A whiteout's path in a directory.
pub(super) fn whiteout(directory: &[u8], name: &[u8]) -> Vec<u8> {
    join(directory, &[WHITEOUT_PREFIX, name].concat())
}
