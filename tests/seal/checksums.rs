//! Each checksum, held against what e2fsprogs computes and against what e2fsck accepts.

use std::os::unix::fs::FileExt;

use layerpress::ext::populate::unsealed::ChecksumForm;
use layerpress::ext::{Ext, Identity, Unsealed};
use layerpress::filesystem::Filesystem as _;
use layerpress::ondisk::checksum::{FilesystemSeed, seal_superblock, set_bitmap_checksums};
use layerpress::ondisk::inode::INODE_BYTES;
use layerpress::progress::Silent;
use layerpress::units::{BlockNumber, GroupNumber};

use super::made::{BLOCK, Made, made};
use super::names::unsealed;
use crate::support::oracles::{e2fsck_clean, run};

/// Asserts that `seal` leaves bytes as they are, and puts back what is damaged in the checksum's
/// field, which ends `field_end` bytes into them.
#[track_caller]
fn assert_sealed(what: &str, bytes: &[u8], fields: &[usize], seal: impl Fn(&mut [u8])) {
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    assert!(sealed == bytes, "{what} is another");
    for &field in fields {
        sealed[field] ^= 0xff;
    }
    seal(&mut sealed);
    assert!(sealed == bytes, "{what} counts its own checksum");
    // One of a byte that is summed up is another.
    sealed[8] ^= 1;
    seal(&mut sealed);
    let is_changed = fields.iter().any(|&field| sealed[field] != bytes[field]);
    assert!(is_changed, "{what} does not count its content");
}

#[test]
fn every_checksum_is_the_one_that_e2fsprogs_computes() {
    let made = made();
    let bytes = &made.bytes;
    let seed = FilesystemSeed::of_uuid(&made.superblock.uuid);
    assert_sealed("the superblock", &bytes[1024..2048], &[0x3fc], |bytes| {
        seal_superblock(bytes.try_into().unwrap());
    });
    let descriptor = &bytes[BLOCK..BLOCK + 64];
    assert_sealed("a descriptor", descriptor, &[0x1e, 0x1f], |bytes| {
        seed.seal_descriptor(GroupNumber(0), bytes);
    });
    let bitmap = |block: u32| &bytes[block as usize * BLOCK..][..BLOCK];
    let blocks_per_group = made.superblock.blocks_per_group;
    let blocks = seed.block_bitmap(bitmap(made.descriptor.block_bitmap.0), blocks_per_group);
    let per_group = made.superblock.inodes_per_group;
    let inodes = seed.inode_bitmap(bitmap(made.descriptor.inode_bitmap.0), per_group);
    let fields = [0x18, 0x19, 0x1a, 0x1b, 0x38, 0x39, 0x3a, 0x3b];
    let mut bitmaps = descriptor.to_vec();
    fields.iter().for_each(|&field| bitmaps[field] ^= 0xff);
    set_bitmap_checksums(&mut bitmaps, blocks, inodes);
    assert_eq!(bitmaps, descriptor);
    for number in &made.used_inodes {
        let at = made.inode_at(*number);
        let inode = &bytes[at..at + INODE_BYTES];
        let fields: &[usize] = match inode[0x80] {
            // mke2fs' reserved ones have no upper half.
            0 => &[0x7c, 0x7d],
            _ => &[0x7c, 0x7d, 0x82, 0x83],
        };
        assert_sealed(&format!("{number:?}"), inode, fields, |bytes| {
            seed.seal_inode(*number, bytes.try_into().unwrap());
        });
    }
    for run in &made.checksummed {
        let block = bitmap(run.first.0);
        let inode = seed.of_inode(run.inode, 0);
        let end = [BLOCK - 4, BLOCK - 3, BLOCK - 2, BLOCK - 1];
        let fields: &[usize] = match run.form {
            ChecksumForm::Attributes => &[0x10, 0x11, 0x12, 0x13],
            _ => &end,
        };
        assert_sealed(&format!("{run:?}"), block, fields, |bytes| match run.form {
            ChecksumForm::Directory => inode.seal_directory(bytes),
            ChecksumForm::IndexRoot => inode.seal_index_root(bytes),
            ChecksumForm::IndexNode => inode.seal_index_node(bytes),
            ChecksumForm::Extents => inode.seal_extents(bytes),
            ChecksumForm::Attributes => seed.seal_attributes(run.first, bytes),
        });
    }
    // Were one not met, nothing would be held against it.
    assert!(made.count(ChecksumForm::Directory) > 700);
    assert_eq!(made.count(ChecksumForm::IndexRoot), 2);
    assert!(made.count(ChecksumForm::IndexNode) >= 2);
    assert!(made.count(ChecksumForm::Extents) >= 6);
    assert_eq!(made.count(ChecksumForm::Attributes), 1);
    assert!(made.used_inodes.len() > 14);
}

/// The filesystem as populating would have left it: without any checksum that is right.
fn without_checksums(made: &Made) -> (tempfile::TempDir, Unsealed) {
    let mut bytes = made.bytes.clone();
    let mut clear = |at: usize, length: usize| bytes[at..at + length].fill(0);
    for number in &made.used_inodes {
        clear(made.inode_at(*number) + 0x7c, 2);
    }
    for run in &made.checksummed {
        let start = run.first.0 as usize * BLOCK;
        match run.form {
            ChecksumForm::Attributes => clear(start + 0x10, 4),
            _ => clear(start + BLOCK - 4, 4),
        }
    }
    let (place, mut unsealed) = unsealed();
    let file = unsealed.partial.file();
    file.set_len(0).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    unsealed.superblock.copy_from_slice(&bytes[1024..2048]);
    unsealed.descriptors = bytes[BLOCK..2 * BLOCK].to_vec();
    unsealed.descriptors[0x18..0x1c].fill(0);
    unsealed.descriptors[0x1e..0x20].fill(0);
    unsealed.checksummed.clone_from(&made.checksummed);
    let begins_journal = |block: &[u8]| block.starts_with(&[0xc0, 0x3b, 0x39, 0x98]);
    let journal = bytes.chunks(BLOCK).position(begins_journal).unwrap();
    unsealed.journal = Some(BlockNumber(journal as u32));
    (place, unsealed)
}

#[test]
fn a_filesystem_under_another_name_is_clean_once_it_is_sealed_and_not_before() {
    let made = made();
    let identity = Identity {
        uuid: *b"another uuid!!!!",
        note: None,
    };
    let (_place, unsealed) = without_checksums(made);
    let sealed = Ext::seal(unsealed, &identity, &Silent).unwrap();
    let image = sealed.partial.output().to_owned();
    sealed.partial.persist().unwrap();
    e2fsck_clean(&image);
    // Each block that is left out is missed.
    for form in [
        ChecksumForm::Directory,
        ChecksumForm::IndexRoot,
        ChecksumForm::IndexNode,
        ChecksumForm::Extents,
        ChecksumForm::Attributes,
    ] {
        let (_place, mut unsealed) = without_checksums(made);
        let last = unsealed
            .checksummed
            .iter()
            .rposition(|run| run.form == form);
        unsealed.checksummed.remove(last.unwrap());
        let sealed = Ext::seal(unsealed, &identity, &Silent).unwrap();
        let image = sealed.partial.output().to_owned();
        sealed.partial.persist().unwrap();
        let arguments = [std::ffi::OsStr::new("-fn"), image.as_os_str()];
        let found = run("e2fsck", arguments);
        assert!(!found.status.success(), "{form:?}");
    }
}
