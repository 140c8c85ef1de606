//! Superblocks, group descriptors and bitmaps.

use super::crc32c::{START, crc};
use super::{BLOCK, Checked, Filesystem, Found, Structure, crc_without, u16_at, u32_at};

/// What of a group its inodes are found by.
pub struct Group {
    pub inode_table: u64,
    /// One bit for each inode, 1 for one in use.
    pub inodes_in_use: Vec<u8>,
}

/// Whether a group begins with a copy of the superblock (`sparse_super`).
fn has_copy(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || power_of(3) || power_of(5) || power_of(7)
}

fn check_superblock(bytes: &[u8], group: u64, at: u64, checked: &mut Checked) {
    let structure = if group == 0 {
        Structure::Superblock
    } else {
        Structure::SuperblockCopy
    };
    let found = Found {
        structure,
        number: group,
        at,
        length: 1024,
    };
    let computed = crc(START, &bytes[..0x3fc]);
    checked.note(found, u32_at(bytes, 0x3fc), computed);
    if u64::from(u16_at(bytes, 0x5a)) != group {
        checked.trouble(format!("{structure:?} {group} says it is another group's"));
    }
}

/// Looks at all of them.
pub fn check(filesystem: &Filesystem, checked: &mut Checked) -> Vec<Group> {
    let per_group = u64::from(filesystem.u32(0x20));
    let count = filesystem.blocks().div_ceil(per_group);
    let size = if filesystem.is_64_bit() {
        usize::from(u16_at(&filesystem.superblock, 0xfe))
    } else {
        32
    };
    let per_block = (BLOCK / size) as u64;
    let table_blocks = count.div_ceil(per_block);
    check_superblock(&filesystem.superblock, 0, 1024, checked);
    let mut groups = Vec::new();
    for copy in (0..count).filter(|&group| has_copy(group)) {
        let first = copy * per_group;
        if copy > 0 {
            let bytes = filesystem.block(first).unwrap();
            check_superblock(&bytes[..1024], copy, first * BLOCK as u64, checked);
            if bytes[0x68..0x78] != filesystem.superblock[0x68..0x78] {
                checked.trouble(format!("SuperblockCopy {copy} has another UUID"));
            }
        }
        for index in 0..table_blocks {
            let block = filesystem.block(first + 1 + index).unwrap();
            for (group, bytes) in (index * per_block..count).zip(block.chunks_exact(size)) {
                let at = (first + 1 + index) * BLOCK as u64 + group % per_block * size as u64;
                check_descriptor(filesystem, bytes, (copy, group), at, checked);
                if copy == 0 {
                    groups.push(check_bitmaps(filesystem, bytes, group, checked));
                }
            }
        }
    }
    groups
}

fn check_descriptor(
    filesystem: &Filesystem,
    bytes: &[u8],
    (copy, group): (u64, u64),
    at: u64,
    checked: &mut Checked,
) {
    let seed = crc(filesystem.seed, &(group as u32).to_le_bytes());
    let computed = crc_without(seed, bytes, std::slice::from_ref(&(0x1e..0x20))) & 0xffff;
    let structure = if copy == 0 {
        Structure::Descriptor
    } else {
        Structure::DescriptorCopy
    };
    let found = Found {
        structure,
        number: group,
        at,
        length: bytes.len(),
    };
    checked.note(found, u32::from(u16_at(bytes, 0x1e)), computed);
}

fn check_bitmaps(
    filesystem: &Filesystem,
    descriptor: &[u8],
    group: u64,
    checked: &mut Checked,
) -> Group {
    let wide = descriptor.len() >= 64;
    let number = |low: usize, high: usize| {
        let high = if wide { u32_at(descriptor, high) } else { 0 };
        u64::from(high) << 32 | u64::from(u32_at(descriptor, low))
    };
    let stored = |low: usize, high: usize| {
        let high = if wide { u16_at(descriptor, high) } else { 0 };
        u32::from(high) << 16 | u32::from(u16_at(descriptor, low))
    };
    let flags = u16_at(descriptor, 0x12);
    let inodes_bytes = filesystem.u32(0x28) as usize / 8;
    let blocks_bytes = filesystem.u32(0x20) as usize / 8;
    let mut inodes_in_use = vec![0; inodes_bytes];
    for (structure, unwritten, block, stored, length) in [
        (
            Structure::BlockBitmap,
            flags & 2 != 0,
            number(0, 0x20),
            stored(0x18, 0x38),
            blocks_bytes,
        ),
        (
            Structure::InodeBitmap,
            flags & 1 != 0,
            number(4, 0x24),
            stored(0x1a, 0x3a),
            inodes_bytes,
        ),
    ] {
        let mut found = Found {
            structure,
            number: group,
            at: block * BLOCK as u64,
            length,
        };
        if unwritten {
            found.structure = Structure::UnwrittenBitmap;
            checked.note(found, stored, 0);
            continue;
        }
        let Some(bytes) = filesystem.block(block) else {
            checked.trouble(format!("{structure:?} {group} is outside: block {block}"));
            continue;
        };
        let mask = if wide { !0 } else { 0xffff };
        let computed = crc(filesystem.seed, &bytes[..length]) & mask;
        checked.note(found, stored, computed);
        if structure == Structure::InodeBitmap {
            inodes_in_use.copy_from_slice(&bytes[..length]);
        }
    }
    Group {
        inode_table: number(8, 0x28),
        inodes_in_use,
    }
}
