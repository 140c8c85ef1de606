//! What edits have done: the tree after them held against the tree before them.

use std::collections::HashMap;
use std::fmt;

use crate::error::Result;
use crate::oci::{Digest, DigestHasher};
use crate::tree::frozen::{Attributes, ContentRef, Directory, Node, NodeId, NodeKind, Tree};
use crate::units::BLOCK_SIZE;

/// The digest of what edits did to the tree that layers show. Whoever does the same to the same has
/// the same, whatever was asked for and from wherever it came.
///
/// It is the SHA-256 of a title (`layerpress edits of a tree, form 1` and a newline) and of one line for each name that differs, in the order of
/// [`Tree::for_each_path`] over both trees: of a name that is gone the sign `-` and its path (what was
/// below a directory goes without saying), of any other `+` and its path, type, mode, owner, group,
/// time, extended attributes, the digest of the file's first name if it has several, and what it
/// holds: a file's content by its digest and by which blocks are no holes, or a sign that it is the content
/// that stood at this path before; a symbolic link's target; a device's numbers. Fields are bytes with their length before them, numbers
/// of 64 bits, little-endian. File flags are told where they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditsDigest(Digest);

impl EditsDigest {
    /// The digest itself.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for EditsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the digest begins with.
const TITLE: &[u8] = b"layerpress edits of a tree, form 1\n";

/// Digests the difference between two trees; `None` where there is none. `hash` gives the digest of a
/// file's content, and is asked only where that may differ.
///
/// # Errors
/// What `hash` has.
pub fn effect(
    before: &Tree,
    after: &Tree,
    hash: &mut dyn FnMut(&ContentRef) -> Result<[u8; 32]>,
) -> Result<Option<EditsDigest>> {
    let mut effect = Effect {
        before: Side::of(before),
        after: Side::of(after),
        hash,
        hasher: DigestHasher::sha256(),
        is_any: false,
    };
    effect.hasher.update(TITLE);
    effect.compare()?;
    Ok(effect.is_any.then(|| EditsDigest(effect.hasher.finish())))
}

/// One of both trees.
struct Side<'t> {
    tree: &'t Tree,
    /// Of files with several names the first, by its digest: the names themselves may be long beyond
    /// all that the image said of them, where a short path leads deep through a link.
    first_names: HashMap<NodeId, Digest>,
    /// Digests of contents of files with several names.
    known: HashMap<NodeId, [u8; 32]>,
}

impl<'t> Side<'t> {
    fn of(tree: &'t Tree) -> Self {
        let mut first_names = HashMap::new();
        let never: Result<(), std::convert::Infallible> = tree.for_each_path(|path, id, node| {
            if has_several_names(node) {
                let digest = || DigestHasher::sha256().of(path);
                first_names.entry(id).or_insert_with(digest);
            }
            Ok(())
        });
        let Ok(()) = never;
        Self {
            tree,
            first_names,
            known: HashMap::new(),
        }
    }

    fn first_name(&self, id: NodeId) -> Option<&Digest> {
        self.first_names.get(&id)
    }
}

fn has_several_names(node: &Node) -> bool {
    !matches!(node.kind, NodeKind::Directory(_)) && node.link_count > 1
}

fn names(directory: Option<&Directory>) -> &[(Box<[u8]>, NodeId)] {
    directory.map_or(&[], |directory| &directory.children)
}

fn next(names: &[(Box<[u8]>, NodeId)]) -> Option<&[u8]> {
    names.first().map(|(name, _)| &**name)
}

fn as_directory(tree: &Tree, id: Option<NodeId>) -> Option<&Directory> {
    match id.map(|id| &tree.node(id).kind) {
        Some(NodeKind::Directory(directory)) => Some(directory),
        _ => None,
    }
}

/// What is left of a directory's names on both sides.
struct Open<'t> {
    before: &'t [(Box<[u8]>, NodeId)],
    after: &'t [(Box<[u8]>, NodeId)],
    path_bytes: usize,
}

struct Effect<'t, 'h> {
    before: Side<'t>,
    after: Side<'t>,
    hash: &'h mut dyn FnMut(&ContentRef) -> Result<[u8; 32]>,
    hasher: DigestHasher,
    is_any: bool,
}

impl Effect<'_, '_> {
    fn compare(&mut self) -> Result<()> {
        let (before, after) = (self.before.tree, self.after.tree);
        self.name(b"", Some(NodeId::ROOT), Some(NodeId::ROOT))?;
        let mut path = Vec::new();
        let mut open = vec![Open {
            before: names(Some(before.root())),
            after: names(Some(after.root())),
            path_bytes: 0,
        }];
        while let Some(at) = open.last_mut() {
            path.truncate(at.path_bytes);
            let name = match (next(at.before), next(at.after)) {
                (None, None) => {
                    open.pop();
                    continue;
                }
                (Some(one), Some(other)) => one.min(other),
                (one, other) => one.or(other).unwrap_or_default(),
            };
            let take = |names: &mut &[(Box<[u8]>, NodeId)]| match names.split_first() {
                Some(((first, id), rest)) if **first == *name => {
                    *names = rest;
                    Some(*id)
                }
                _ => None,
            };
            let (was, is) = (take(&mut at.before), take(&mut at.after));
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            self.name(&path, was, is)?;
            if let Some(directory) = as_directory(after, is) {
                open.push(Open {
                    before: names(as_directory(before, was)),
                    after: names(Some(directory)),
                    path_bytes: path.len(),
                });
            }
        }
        Ok(())
    }

    fn name(&mut self, path: &[u8], was: Option<NodeId>, is: Option<NodeId>) -> Result<()> {
        let Some(is) = is else {
            self.field(b"-");
            self.field(path);
            self.is_any = true;
            return Ok(());
        };
        let node = self.after.tree.node(is);
        let known = was.map(|was| (was, self.before.tree.node(was)));
        let has_same_content = match (known, &node.kind) {
            (Some((was, known)), NodeKind::Regular(_)) => self.is_content_same(was, known, is)?,
            _ => false,
        };
        let is_same = known.is_some_and(|(was, known)| {
            known.attributes == node.attributes
                && self.before.first_name(was) == self.after.first_name(is)
                && match (&known.kind, &node.kind) {
                    (NodeKind::Regular(_), _) => has_same_content,
                    (NodeKind::Directory(_), kind) => matches!(kind, NodeKind::Directory(_)),
                    (known, kind) => known == kind,
                }
        });
        if is_same {
            return Ok(());
        }
        self.is_any = true;
        self.field(b"+");
        self.field(path);
        self.attributes(&node.attributes);
        let known_flags = known.map(|(_, known)| known.attributes.file_flags);
        match node.attributes.file_flags {
            flags if flags == known_flags.unwrap_or_default() => self.field(b""),
            flags => self.field(flags.to_string().as_bytes()),
        }
        let first_name = self.after.first_name(is).map(ToString::to_string);
        self.field(first_name.unwrap_or_default().as_bytes());
        match &node.kind {
            NodeKind::Directory(_) => self.field(b"directory"),
            NodeKind::Regular(_) if has_same_content => self.field(b"file as it was"),
            NodeKind::Regular(file) => {
                let digest = hashed(&mut self.after, self.hash, is, file)?;
                self.field(b"file");
                self.number(file.content.size_bytes);
                self.field(&digest);
                let stretches = file.content.blocks(BLOCK_SIZE);
                self.number(stretches.len() as u64);
                for stretch in stretches {
                    self.number(stretch.start);
                    self.number(stretch.end);
                }
            }
            NodeKind::Symlink(target) => {
                self.field(b"symbolic link");
                self.field(target);
            }
            NodeKind::CharacterDevice(device) => {
                self.field(b"character device");
                self.number(device.major.into());
                self.number(device.minor.into());
            }
            NodeKind::BlockDevice(device) => {
                self.field(b"block device");
                self.number(device.major.into());
                self.number(device.minor.into());
            }
            NodeKind::Fifo => self.field(b"fifo"),
        }
        Ok(())
    }

    fn attributes(&mut self, attributes: &Attributes) {
        self.number(attributes.mode.into());
        self.number(attributes.uid.into());
        self.number(attributes.gid.into());
        self.number(attributes.mtime.seconds.cast_unsigned());
        self.number(attributes.mtime.nanoseconds.into());
        self.number(attributes.xattrs.len() as u64);
        for xattr in &attributes.xattrs {
            self.field(&xattr.name);
            self.field(&xattr.value);
        }
    }

    /// Whether a file holds what another one held, with holes in the same blocks: these are no bytes of
    /// a content, and are of the filesystem.
    fn is_content_same(&mut self, was: NodeId, known: &Node, is: NodeId) -> Result<bool> {
        let (NodeKind::Regular(known), NodeKind::Regular(file)) =
            (&known.kind, &self.after.tree.node(is).kind)
        else {
            return Ok(false);
        };
        if known == file {
            return Ok(true);
        }
        let is_shape_same = known.content.size_bytes == file.content.size_bytes
            && known.content.blocks(BLOCK_SIZE) == file.content.blocks(BLOCK_SIZE);
        if !is_shape_same {
            return Ok(false);
        }
        let before = hashed(&mut self.before, self.hash, was, known)?;
        Ok(before == hashed(&mut self.after, self.hash, is, file)?)
    }

    fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hasher.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.hasher.update(&number.to_le_bytes());
    }
}

/// The digest of a file's content, computed once.
fn hashed(
    side: &mut Side<'_>,
    hash: &mut dyn FnMut(&ContentRef) -> Result<[u8; 32]>,
    id: NodeId,
    file: &ContentRef,
) -> Result<[u8; 32]> {
    if let Some(known) = side.known.get(&id) {
        return Ok(*known);
    }
    let digest = hash(file)?;
    side.known.insert(id, digest);
    Ok(digest)
}
