//! Inodes, and the blocks that belong to them: of extents, attributes and orphans.

use std::collections::BTreeSet;

use super::crc32c::crc;
use super::groups::Group;
use super::{
    BLOCK, Checked, Filesystem, Found, Structure, crc_without, directories, u16_at, u32_at,
};

/// Blocks of a file that lie behind each other.
pub struct Run {
    pub logical: u64,
    pub start: u64,
    pub length: u64,
}

/// An inode on its way through the reader.
pub struct Inode<'a> {
    pub number: u32,
    pub bytes: &'a [u8],
    /// What comes before everything of this inode.
    pub seed: u32,
}

impl Inode<'_> {
    pub fn flags(&self) -> u32 {
        u32_at(self.bytes, 0x20)
    }

    pub fn size_bytes(&self) -> u64 {
        u64::from(u32_at(self.bytes, 0x6c)) << 32 | u64::from(u32_at(self.bytes, 4))
    }
}

/// Looks at every inode in use, and at what it has.
pub fn check(filesystem: &Filesystem, groups: &[Group], checked: &mut Checked) {
    let per_group = filesystem.u32(0x28);
    let mut attribute_blocks = BTreeSet::new();
    for (group, index) in groups.iter().zip(0..) {
        let Some(last) = group.inodes_in_use.iter().rposition(|&byte| byte != 0) else {
            continue;
        };
        for block in 0..=(last * 8 + 7) / 16 {
            let at = group.inode_table + block as u64;
            let Some(inodes) = filesystem.block(at) else {
                checked.trouble(format!("Inode table of group {index} is outside"));
                break;
            };
            for (bytes, place) in inodes.chunks_exact(256).zip(block * 16..) {
                let in_use = group.inodes_in_use.get(place / 8);
                if in_use.is_none_or(|byte| byte >> (place % 8) & 1 == 0) {
                    continue;
                }
                let number = index * per_group + place as u32 + 1;
                let seed = crc(filesystem.seed, &number.to_le_bytes());
                let inode = Inode {
                    number,
                    bytes,
                    seed: crc(seed, &bytes[0x64..0x68]),
                };
                let at = at * BLOCK as u64 + place as u64 % 16 * 256;
                check_inode(&inode, at, checked);
                check_parts(filesystem, &inode, &mut attribute_blocks, checked);
            }
        }
    }
}

fn check_inode(inode: &Inode<'_>, at: u64, checked: &mut Checked) {
    let bytes = inode.bytes;
    let has_high = u16_at(bytes, 0x80) >= 4;
    let low = u32::from(u16_at(bytes, 0x7c));
    let (structure, stored, computed) = if has_high {
        let high = u32::from(u16_at(bytes, 0x82)) << 16;
        let computed = crc_without(inode.seed, bytes, &[0x7c..0x7e, 0x82..0x84]);
        (Structure::Inode, high | low, computed)
    } else {
        let computed = crc_without(inode.seed, bytes, &[0x7c..0x7e, 0..0]);
        (Structure::ReservedInode, low, computed & 0xffff)
    };
    let found = Found {
        structure,
        number: inode.number.into(),
        at,
        length: 256,
    };
    checked.note(found, stored, computed);
}

fn check_parts(
    filesystem: &Filesystem,
    inode: &Inode<'_>,
    attribute_blocks: &mut BTreeSet<u64>,
    checked: &mut Checked,
) {
    let attributes =
        u64::from(u16_at(inode.bytes, 0x76)) << 32 | u64::from(u32_at(inode.bytes, 0x68));
    if attributes != 0 && attribute_blocks.insert(attributes) {
        check_attributes(filesystem, attributes, checked);
    }
    let mut runs = Vec::new();
    let has_extents = inode.flags() & 0x8_0000 != 0;
    if has_extents {
        let root = &inode.bytes[0x28..0x64];
        walk_extents(filesystem, inode, root, None, &mut runs, checked);
    }
    let is_directory = u16_at(inode.bytes, 0) & 0xf000 == 0x4000;
    let is_orphan_file =
        filesystem.u32(0x5c) & 0x1000 != 0 && filesystem.u32(0x280) == inode.number;
    if (is_directory || is_orphan_file) && !has_extents {
        checked.trouble(format!("inode {} has no extents", inode.number));
    } else if is_directory {
        directories::check(filesystem, inode, &runs, checked);
    } else if is_orphan_file {
        check_orphans(filesystem, inode, &runs, checked);
    }
}

fn check_attributes(filesystem: &Filesystem, number: u64, checked: &mut Checked) {
    let Some(bytes) = filesystem.block(number) else {
        return checked.trouble(format!("AttributeBlock {number} is outside"));
    };
    if u32_at(&bytes, 0) != 0xea02_0000 {
        checked.trouble(format!("AttributeBlock {number} has no magic number"));
    }
    let seed = crc(filesystem.seed, &number.to_le_bytes());
    let computed = crc_without(seed, &bytes, &[0x10..0x14, 0..0]);
    let found = Found {
        structure: Structure::AttributeBlock,
        number,
        at: number * BLOCK as u64,
        length: BLOCK,
    };
    checked.note(found, u32_at(&bytes, 0x10), computed);
}

/// Goes down a tree of extents. A node's depth is one less than its parent's.
fn walk_extents(
    filesystem: &Filesystem,
    inode: &Inode<'_>,
    node: &[u8],
    parent_depth: Option<u16>,
    runs: &mut Vec<Run>,
    checked: &mut Checked,
) {
    let entries = usize::from(u16_at(node, 2));
    let depth = u16_at(node, 6);
    let sound = u16_at(node, 0) == 0xf30a
        && 12 + 12 * entries <= node.len()
        && entries <= usize::from(u16_at(node, 4))
        && parent_depth.map_or(depth <= 5, |parent| depth + 1 == parent);
    if !sound {
        return checked.trouble(format!("inode {}: no extent header", inode.number));
    }
    for entry in node[12..12 + 12 * entries].chunks_exact(12) {
        let logical = u64::from(u32_at(entry, 0));
        if depth == 0 {
            let length = u64::from(u16_at(entry, 4));
            let start = u64::from(u16_at(entry, 6)) << 32 | u64::from(u32_at(entry, 8));
            // More than 32,768: allocated and not written.
            let length = if length > 0x8000 {
                length - 0x8000
            } else {
                length
            };
            if runs
                .last()
                .is_some_and(|run| run.logical + run.length > logical)
            {
                checked.trouble(format!("inode {}: extents overlap", inode.number));
            }
            runs.push(Run {
                logical,
                start,
                length,
            });
            continue;
        }
        let number = u64::from(u16_at(entry, 8)) << 32 | u64::from(u32_at(entry, 4));
        let Some(bytes) = filesystem.block(number) else {
            checked.trouble(format!("ExtentBlock {number} is outside"));
            continue;
        };
        let covered = 12 + 12 * usize::from(u16_at(&bytes, 4));
        if covered + 4 > BLOCK {
            checked.trouble(format!("ExtentBlock {number} has no room for a checksum"));
            continue;
        }
        let found = Found {
            structure: Structure::ExtentBlock,
            number,
            at: number * BLOCK as u64,
            length: covered,
        };
        let computed = crc(inode.seed, &bytes[..covered]);
        checked.note(found, u32_at(&bytes, covered), computed);
        walk_extents(filesystem, inode, &bytes, Some(depth), runs, checked);
    }
}

fn check_orphans(filesystem: &Filesystem, inode: &Inode<'_>, runs: &[Run], checked: &mut Checked) {
    for number in runs
        .iter()
        .flat_map(|run| run.start..run.start + run.length)
    {
        let Some(bytes) = filesystem.block(number) else {
            checked.trouble(format!("OrphanBlock {number} is outside"));
            continue;
        };
        if u32_at(&bytes, 4088) != 0x0b10_ca04 {
            checked.trouble(format!("OrphanBlock {number} has no magic number"));
        }
        let seed = crc(inode.seed, &number.to_le_bytes());
        let found = Found {
            structure: Structure::OrphanBlock,
            number,
            at: number * BLOCK as u64,
            length: 4088,
        };
        checked.note(found, u32_at(&bytes, 4092), crc(seed, &bytes[..4088]));
    }
}
