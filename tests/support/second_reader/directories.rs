//! Directories: leaves, and the index above them.

use std::collections::BTreeSet;

use super::crc32c::crc;
use super::inodes::{Inode, Run};
use super::{BLOCK, Checked, Filesystem, Found, Structure, u16_at, u32_at};

/// A directory on its way through the reader.
struct Directory<'a> {
    filesystem: &'a Filesystem,
    inode: &'a Inode<'a>,
    runs: &'a [Run],
    blocks: u64,
    /// What was looked at.
    seen: BTreeSet<u64>,
}

/// Looks at every block of a directory, each as what the index says it is.
pub fn check(filesystem: &Filesystem, inode: &Inode<'_>, runs: &[Run], checked: &mut Checked) {
    let mut directory = Directory {
        filesystem,
        inode,
        runs,
        blocks: inode.size_bytes() / BLOCK as u64,
        seen: BTreeSet::new(),
    };
    if inode.flags() & 0x1000 == 0 {
        (0..directory.blocks).for_each(|logical| directory.leaf(logical, checked));
    } else {
        directory.root(checked);
    }
    if directory.seen.len() as u64 != directory.blocks {
        let (seen, blocks) = (directory.seen.len(), directory.blocks);
        let number = inode.number;
        checked.trouble(format!(
            "directory {number}: {seen} of {blocks} blocks used"
        ));
    }
}

impl Directory<'_> {
    /// A block that was not looked at before, and its number.
    fn take(&mut self, logical: u64, checked: &mut Checked) -> Option<(u64, Vec<u8>)> {
        let run = self
            .runs
            .iter()
            .find(|run| (run.logical..run.logical + run.length).contains(&logical));
        let number = run.map(|run| run.start + logical - run.logical);
        let bytes = number.and_then(|number| self.filesystem.block(number));
        let inside = logical < self.blocks && self.seen.insert(logical);
        let (Some(number), Some(bytes), true) = (number, bytes, inside) else {
            let directory = self.inode.number;
            checked.trouble(format!("directory {directory}: no block {logical}"));
            return None;
        };
        Some((number, bytes))
    }

    fn leaf(&mut self, logical: u64, checked: &mut Checked) {
        let Some((number, bytes)) = self.take(logical, checked) else {
            return;
        };
        let mut at = 0;
        while at < 4084 {
            let length = usize::from(u16_at(&bytes, at + 4));
            let name = usize::from(bytes[at + 6]);
            if length < 12 || length % 4 != 0 || at + length > 4084 || 8 + name > length {
                checked.trouble(format!("Leaf {number}: an entry's length at {at}"));
                break;
            }
            at += length;
        }
        if bytes[4084..4092] != [0, 0, 0, 0, 12, 0, 0, 0xde] {
            checked.trouble(format!("Leaf {number} has no tail"));
        }
        let found = Found {
            structure: Structure::Leaf,
            number,
            at: number * BLOCK as u64,
            length: 4084,
        };
        let computed = crc(self.inode.seed, &bytes[..4084]);
        checked.note(found, u32_at(&bytes, 4092), computed);
    }

    fn root(&mut self, checked: &mut Checked) {
        let Some((number, bytes)) = self.take(0, checked) else {
            return;
        };
        let dots = u16_at(&bytes, 4) == 12
            && bytes[8] == b'.'
            && u16_at(&bytes, 16) == 4084
            && bytes[20..22] == *b"..";
        if !dots || bytes[29] != 8 {
            checked.trouble(format!("IndexRoot {number} begins otherwise"));
        }
        let levels = bytes[30];
        self.entries(Structure::IndexRoot, number, &bytes, 32, levels, checked);
    }

    fn node(&mut self, logical: u64, levels: u8, checked: &mut Checked) {
        let Some((number, bytes)) = self.take(logical, checked) else {
            return;
        };
        if u32_at(&bytes, 0) != 0 || u16_at(&bytes, 4) != 4096 {
            checked.trouble(format!("IndexNode {number} begins otherwise"));
        }
        self.entries(Structure::IndexNode, number, &bytes, 8, levels, checked);
    }

    /// The entries of a root or node from `start` on, and what is below them, so many levels of
    /// nodes first.
    fn entries(
        &mut self,
        structure: Structure,
        number: u64,
        bytes: &[u8],
        start: usize,
        levels: u8,
        checked: &mut Checked,
    ) {
        let limit = usize::from(u16_at(bytes, start));
        let count = usize::from(u16_at(bytes, start + 2));
        if start + 8 * limit + 8 != BLOCK || count == 0 || count > limit || levels > 2 {
            checked.trouble(format!(
                "{structure:?} {number}: {count} of {limit} entries, {levels} levels"
            ));
            return;
        }
        let end = start + 8 * count;
        let tail = [&bytes[4088..4092], &[0; 4]].concat();
        let computed = crc(crc(self.inode.seed, &bytes[..end]), &tail);
        let found = Found {
            structure,
            number,
            at: number * BLOCK as u64,
            length: end,
        };
        checked.note(found, u32_at(bytes, 4092), computed);
        for entry in bytes[start..end].chunks_exact(8) {
            let logical = u64::from(u32_at(entry, 4) & 0x0fff_ffff);
            if levels > 0 {
                self.node(logical, levels - 1, checked);
            } else {
                self.leaf(logical, checked);
            }
        }
    }
}
