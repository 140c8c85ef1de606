//! What a tree needs of a filesystem: blocks by use, and inodes.

use crate::error::{Error, Result, escape_path};
use crate::ext::plan::directory_layout::DirectoryLayout;
use crate::ext::plan::geometry::{LOST_FOUND_BLOCKS, ROOT_BLOCKS};
use crate::ext::plan::identity::Birth;
use crate::ext::plan::inode_numbers::{DirectoryEntries, InodeNumbers};
use crate::ext::plan::map_demand::{Made, MapBlocks, MapDemand};
use crate::ext::plan::normalise::{FLAGS_LEFT_OUT, clamped, kept_flags};
use crate::ext::plan::xattr_placement::{XattrBlockCollector, XattrBlocks, XattrPlacement};
use crate::ext::profile::Profile;
use crate::ondisk::directory_entry::NAME_MAX;
use crate::ondisk::inode::I_BLOCK_BYTES;
use crate::tree::{Node, NodeId, NodeKind, Tree};
use crate::units::{BLOCK_SIZE, LOST_FOUND, Timestamp};
use crate::warnings::Warnings;

/// The longest symlink target: one block with a NUL.
const SYMLINK_MAX: usize = BLOCK_SIZE as usize - 1;

const TIME_CLAMPED: &str = "time clamped to what inodes hold and e2fsck believes (1901-12-13T20:45:52 to 2310-04-04T16:10:39)";
const NO_OWNER: &str =
    "owner 4294967295 kept, but Linux has no such user or group and shows its overflow ID (65534)";
const SUPERBLOCK_TIME: &str = "time of the filesystem clamped to what its superblock holds (1970-01-01T00:00:01 to 2310-04-04T16:10:39)";

/// A tree's needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// Blocks of regular files' data.
    pub data_blocks: u64,
    /// Blocks of directories, those that mke2fs has made already included.
    pub directory_blocks: u64,
    /// Of them, those that mke2fs has made already.
    pub preallocated_blocks: u64,
    /// Blocks that map files and directories, in the filesystem that was chosen: extents need more
    /// where free blocks are cut.
    pub map_blocks: u64,
    /// Of them, those that map directories.
    pub directory_map_blocks: u64,
    /// Blocks of symlinks too long for the inode.
    pub symlink_blocks: u64,
    /// Blocks of extended attributes.
    pub xattr_blocks: u64,
    /// Inodes to be taken from the free ones.
    pub inodes: u32,
    /// Bytes of all regular files, holes included, each file once.
    pub content_bytes: u64,
    /// What `du` counts for the tree on a filesystem of 4 KiB blocks, in bytes: data, directories,
    /// long symlinks and attribute blocks, each inode once.
    pub disk_usage_bytes: u64,
}

impl Demand {
    /// Blocks to be taken from the free ones.
    pub fn blocks(&self) -> u64 {
        self.data_blocks + self.directory_blocks - self.preallocated_blocks
            + self.map_blocks
            + self.symlink_blocks
            + self.xattr_blocks
    }

    /// The same demand in a filesystem in which maps take so many blocks.
    #[must_use]
    pub fn with_maps(&self, maps: MapBlocks) -> Self {
        Self {
            map_blocks: maps.all(),
            directory_map_blocks: maps.directories,
            ..self.clone()
        }
    }
}

/// What a tree needs, with what it was counted from.
#[derive(Debug)]
pub struct Measured {
    /// All of it, with as few blocks of maps as there can be.
    pub demand: Demand,
    /// What blocks of maps depend on.
    pub maps: MapDemand,
    /// Who shares which block of attributes.
    pub xattr_blocks: XattrBlocks,
    /// The blocks of each directory, in the tree's order.
    pub directory_blocks: Vec<u32>,
}

/// Measures a tree; the demand's maps are those that no filesystem needs less than.
///
/// # Errors
/// What the profile cannot hold, with the path and the number; a malformed POSIX ACL.
pub fn measure(
    profile: &Profile,
    tree: &Tree,
    numbers: &InodeNumbers,
    birth: &Birth,
    warnings: &mut Warnings,
) -> Result<Measured> {
    let hash_seed = birth.hash_seed_words();
    let mut demand = Demand {
        preallocated_blocks: u64::from(ROOT_BLOCKS),
        inodes: numbers.new_inodes(),
        ..Demand::default()
    };
    let mut maps = MapDemand::new(profile.block_map);
    let mut directory_blocks = Vec::new();
    let mut xattrs = XattrBlockCollector::default();
    for (id, node) in tree.nodes() {
        // The path is looked up only for what goes wrong.
        let named = |error: Error| error.in_entry(&path_of(tree, id));
        let placement = placement(id, node, numbers).map_err(named)?;
        for reason in &placement.told {
            warnings.count_with(reason, || path_of(tree, id));
        }
        xattrs.add(id, &placement);
        if clamped(node.attributes.mtime) != node.attributes.mtime {
            warnings.count_with(TIME_CLAMPED, || path_of(tree, id));
        }
        let lost_flags = node.attributes.file_flags & !kept_flags(node);
        if !lost_flags.is_empty() {
            warnings.count_with(FLAGS_LEFT_OUT, || lost_flags.told_of(&path_of(tree, id)));
        }
        if [node.attributes.uid, node.attributes.gid].contains(&u32::MAX) {
            warnings.count_with(NO_OWNER, || path_of(tree, id));
        }
        let before = demand.directory_blocks;
        measure_node(
            profile,
            tree,
            id,
            numbers,
            hash_seed,
            &mut demand,
            &mut maps,
        )
        .map_err(named)?;
        if matches!(node.kind, NodeKind::Directory(_)) {
            // Below 2^32, as its own count is.
            directory_blocks.push((demand.directory_blocks - before) as u32);
        }
    }
    count_own_times(numbers, birth, warnings);
    let xattrs = xattrs.finish();
    demand.xattr_blocks = xattrs.sharers.len() as u64;
    let counted =
        demand.data_blocks + demand.directory_blocks + demand.symlink_blocks + demand.xattr_blocks;
    demand.disk_usage_bytes = counted * BLOCK_SIZE;
    if numbers.lost_found().is_some() {
        demand.preallocated_blocks += u64::from(LOST_FOUND_BLOCKS);
    }
    Ok(Measured {
        demand: demand.with_maps(maps.at_least()),
        maps,
        xattr_blocks: xattrs,
        directory_blocks,
    })
}

/// What becomes of a node's attributes in a filesystem.
///
/// # Errors
/// See [`XattrPlacement::of`].
pub fn placement<'a>(
    id: NodeId,
    node: &'a Node,
    numbers: &InodeNumbers,
) -> Result<XattrPlacement<'a>> {
    if numbers.lost_found() == Some(id) {
        XattrPlacement::of_lost_found(node)
    } else {
        XattrPlacement::of(node)
    }
}

/// The filesystem's time where the inodes of mke2fs and the superblock cannot hold it.
fn count_own_times(numbers: &InodeNumbers, birth: &Birth, warnings: &mut Warnings) {
    let made = Timestamp::from_seconds(birth.made_seconds);
    if numbers.lost_found().is_none() && clamped(made) != made {
        warnings.count(TIME_CLAMPED, LOST_FOUND);
    }
    if u64::try_from(made.seconds) != Ok(birth.superblock_seconds()) {
        warnings.count(SUPERBLOCK_TIME, made.seconds.to_string().as_bytes());
    }
}

fn measure_node(
    profile: &Profile,
    tree: &Tree,
    id: NodeId,
    numbers: &InodeNumbers,
    hash_seed: [u32; 4],
    demand: &mut Demand,
    maps: &mut MapDemand,
) -> Result<()> {
    let node = tree.node(id);
    let added_lost_found = id == NodeId::ROOT && numbers.lost_found().is_none();
    let links = node.link_count + u32::from(added_lost_found);
    let is_directory = matches!(node.kind, NodeKind::Directory(_));
    if links > profile.links_max && !(is_directory && profile.uncounted_subdirectories) {
        return Err(too_many_links(profile, node, links, added_lost_found));
    }
    match &node.kind {
        NodeKind::Regular(content) => {
            let content = &content.content;
            if content.size_bytes > profile.file_bytes_max {
                return Err(Error::unsupported(format!(
                    "expected a file of at most {} bytes, found {}: {} maps no more{}",
                    profile.file_bytes_max,
                    content.size_bytes,
                    profile.kind,
                    ext4_holds_it(content.size_bytes <= Profile::EXT4.file_bytes_max)
                )));
            }
            demand.data_blocks += maps.file(content.blocks(BLOCK_SIZE))?;
            demand.content_bytes += content.size_bytes;
        }
        NodeKind::Directory(_) => {
            let blocks = directory_layout(profile, tree, id, numbers, hash_seed)?.1;
            demand.directory_blocks += u64::from(blocks);
            maps.directory(blocks, made(id, numbers))?;
        }
        NodeKind::Symlink(target) => {
            if target.is_empty() || target.contains(&0) || target.len() > SYMLINK_MAX {
                return Err(Error::unsupported(format!(
                    "expected a symlink target of 1 to {SYMLINK_MAX} bytes without NUL, found {} bytes: {:.100}",
                    target.len(),
                    escape_path(target)
                )));
            }
            if target.len() >= I_BLOCK_BYTES {
                demand.symlink_blocks += maps.file(std::iter::once(0..1).collect())?;
            }
        }
        NodeKind::CharacterDevice(device) | NodeKind::BlockDevice(device) => {
            if device.major >= 1 << 12 || device.minor >= 1 << 20 {
                return Err(Error::unsupported(format!(
                    "expected a device number of at most 4095:1048575, found {}:{}",
                    device.major, device.minor
                )));
            }
        }
        NodeKind::Fifo => {}
    }
    Ok(())
}

/// The blocks that mke2fs has made for a directory.
pub(super) fn made(id: NodeId, numbers: &InodeNumbers) -> Option<(Made, u32)> {
    if id == NodeId::ROOT {
        Some((Made::Root, ROOT_BLOCKS))
    } else if numbers.lost_found() == Some(id) {
        Some((Made::LostFound, LOST_FOUND_BLOCKS))
    } else {
        None
    }
}

/// What is told where ext4 holds what the profile does not.
fn ext4_holds_it(does_it: bool) -> &'static str {
    if does_it {
        "; ext4 holds it: --fs ext4"
    } else {
        ""
    }
}

fn too_many_links(profile: &Profile, node: &Node, links: u32, added_lost_found: bool) -> Error {
    let Profile {
        kind, links_max, ..
    } = profile;
    // A directory's own two, and in the root the one of the directory that e2fsck needs.
    let own = 2 + u32::from(added_lost_found);
    Error::unsupported(match &node.kind {
        NodeKind::Directory(_) => format!(
            "expected at most {} directories in a directory{}, found {}: {kind} counts {links_max} links to it, two of them its own{}",
            links_max - own,
            if added_lost_found {
                ", here the root, beside /lost+found"
            } else {
                ""
            },
            links - own,
            ext4_holds_it(Profile::EXT4.uncounted_subdirectories),
        ),
        _ => format!(
            "expected at most {links_max} links to an inode, found {links}: {kind} counts no further"
        ),
    })
}

/// A directory's entries' layout and its blocks on disk. The tree's own `/lost+found` stays
/// linear and at least as long as mke2fs made it: its blocks are e2fsck's working room.
///
/// # Errors
/// A name that is too long, more names than an index can hold.
pub fn directory_layout(
    profile: &Profile,
    tree: &Tree,
    id: NodeId,
    numbers: &InodeNumbers,
    hash_seed: [u32; 4],
) -> Result<(DirectoryLayout, u32)> {
    let entries = DirectoryEntries::of(tree, id);
    if let Some(name) = entries.names.iter().find(|name| name.len() > NAME_MAX) {
        return Err(Error::unsupported(format!(
            "expected a name of at most {NAME_MAX} bytes, found {}",
            name.len()
        )));
    }
    let is_lost_found = numbers.lost_found() == Some(id);
    let layout = DirectoryLayout::of(profile, &entries.names, hash_seed, !is_lost_found)?;
    let blocks = if is_lost_found {
        layout.blocks().max(LOST_FOUND_BLOCKS)
    } else {
        layout.blocks()
    };
    Ok((layout, blocks))
}

/// A path that leads to a node; slow, for messages.
pub fn path_of(tree: &Tree, wanted: NodeId) -> Vec<u8> {
    let found = tree.for_each_path(|path, id, _| {
        if id == wanted {
            Err(path.to_vec())
        } else {
            Ok(())
        }
    });
    match found {
        Err(path) if path.is_empty() => b"/".to_vec(),
        Err(path) => path,
        Ok(()) => LOST_FOUND.to_vec(),
    }
}
