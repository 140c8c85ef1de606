//! What the kernel answers "Bad message" for is an error and never equal: metadata whose checksum
//! is wrong, though nothing else shows it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use layerpress::view::{Follow, View};

use super::support::oracles;
use super::support::sample::make_image_with;
use super::{layerpress, said};

/// A filesystem with an indexed directory, a file with a block of extents, and a block of attributes.
struct Checksummed {
    _directory: tempfile::TempDir,
    image: PathBuf,
    block_bytes: usize,
}

impl Checksummed {
    fn new(block_bytes: usize, features: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("many")).unwrap();
        for index in 0..800 {
            fs::write(root.join(format!("many/{index:0>200}")), b"").unwrap();
        }
        let pieces = File::create(root.join("pieces")).unwrap();
        for piece in 0..8 {
            let at = 2 * piece * block_bytes as u64;
            pieces.write_all_at(&vec![1; block_bytes], at).unwrap();
        }
        let value = directory.path().join("value");
        fs::write(&value, [7; 900]).unwrap();
        let image = directory.path().join("image");
        let block = block_bytes.to_string();
        let options = ["-t", "ext4", "-b", &block, "-O", features];
        make_image_with(&options, &root, &image, "64M");
        let set = format!("ea_set -f {} /pieces user.value", value.display());
        oracles::debugfs_write(&image, &[&set]);
        // Makes indexes, and says by 1 that it did.
        let code = oracles::run("e2fsck", ["-fyD".as_ref(), image.as_os_str()]).status;
        assert!(matches!(code.code(), Some(0 | 1)), "{code}");
        Self {
            _directory: directory,
            image,
            block_bytes,
        }
    }

    fn block(&self, block: u64) -> Vec<u8> {
        let mut bytes = vec![0; self.block_bytes];
        let file = File::open(&self.image).unwrap();
        file.read_exact_at(&mut bytes, block * self.block_bytes as u64)
            .unwrap();
        bytes
    }

    /// The structures, each with its block and bytes of it that no listing shows.
    fn structures(&self) -> BTreeMap<&'static str, (u64, Vec<usize>)> {
        let mut found = BTreeMap::new();
        let end = self.block_bytes;
        for word in oracles::debugfs(&self.image, &["blocks /many"]).split_whitespace() {
            let Ok(number) = word.parse() else {
                continue;
            };
            let bytes = self.block(number);
            let first = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
            if bytes[end - 12..end - 4] == [0, 0, 0, 0, 12, 0, 0, 0xde] {
                // An entry's type, and what makes the tail one.
                found.insert("leaf", (number, vec![7, end - 5]));
            } else if bytes[..2] == [0x0a, 0xf3] {
                found.insert("extents of a directory", (number, vec![8]));
            } else if first == 12 {
                found.insert("root of an index", (number, vec![40]));
            } else if first == end {
                found.insert("node of an index", (number, vec![16]));
            }
        }
        let view = View::open(&self.image).unwrap();
        let number = view.lookup(b"/pieces", Follow::Never).unwrap().node.number;
        let image = layerpress::view::Image::open(&self.image).unwrap();
        let inode = image.inode(number).unwrap();
        let at = |at: usize| u64::from(u32::from_le_bytes(*inode[at..].first_chunk().unwrap()));
        assert_eq!(inode[0x28 + 6], 1, "expected extents in a block");
        // The generation of the tree, which nobody reads, and the hash of all attributes.
        found.insert("extents", (at(0x28 + 16), vec![8]));
        found.insert("attributes", (at(0x68), vec![12]));
        found
    }

    fn diff(&self) -> (Option<i32>, String) {
        let image = self.image.as_os_str();
        let output = layerpress(&[OsStr::new("diff"), image, image]);
        (output.status.code(), said(&output))
    }
}

fn flip(image: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Bug: a bit that was turned in a block of names, of an index, of extents or of attributes, and that
/// no listing shows, was equal to the sound one. Cause: only inodes' checksums were read.
#[test]
fn a_block_of_metadata_whose_checksum_is_wrong_is_an_error_and_never_equal() {
    for (block_bytes, features) in [
        (1024, "metadata_csum"),
        (4096, "metadata_csum,metadata_csum_seed"),
        (4096, "metadata_csum,^64bit,^has_journal"),
        (65536, "metadata_csum"),
    ] {
        let made = Checksummed::new(block_bytes, features);
        let (code, told) = made.diff();
        assert_eq!(code, Some(0), "{block_bytes} {features}: {told}");
        let structures = made.structures();
        for what in ["leaf", "root of an index", "extents", "attributes"] {
            assert!(structures.contains_key(what), "{block_bytes}: no {what}");
        }
        // Only of small blocks there are enough for an index of two levels.
        let has_node = structures.contains_key("node of an index");
        assert_eq!(has_node, block_bytes == 1024);
        for (what, (block, bytes)) in structures {
            for byte in bytes {
                let at = block * block_bytes as u64 + byte as u64;
                flip(&made.image, at);
                let (code, told) = made.diff();
                let case = format!("{block_bytes} {features}, {what}, byte {byte}: {told}");
                assert_eq!(code, Some(4), "{case}");
                let place = format!("block {block}: expected the checksum of its bytes");
                assert!(told.contains(&place), "{case}");
                flip(&made.image, at);
            }
        }
        assert_eq!(made.diff().0, Some(0), "{block_bytes} {features}");
    }
}

/// A descriptor that is wrong keeps the kernel from mounting.
#[test]
fn a_group_descriptor_whose_checksum_is_wrong_is_an_error_and_never_equal() {
    for (block_bytes, features, at) in [
        (1024, "metadata_csum", 2048),
        (4096, "metadata_csum_seed,^64bit", 4096),
        (65536, "metadata_csum", 65536),
    ] {
        let made = Checksummed::new(block_bytes, features);
        assert_eq!(made.diff().0, Some(0), "{block_bytes} {features}");
        // The free blocks, which nobody needs to read.
        flip(&made.image, at + 12);
        let (code, told) = made.diff();
        assert_eq!(code, Some(4), "{block_bytes} {features}: {told}");
        assert!(told.contains("group 0: block"), "{told}");
        assert!(told.contains("the checksum of its descriptor"), "{told}");
    }
}

/// Where a journal waits the kernel reads other bytes; what is there is shown as it was.
#[test]
fn where_a_journal_waits_to_be_replayed_no_checksum_is_held_against_anything() {
    let made = Checksummed::new(4096, "metadata_csum");
    oracles::debugfs_write(&made.image, &["feature needs_recovery"]);
    let list = || {
        let image = made.image.as_os_str();
        layerpress(&[OsStr::new("ls"), OsStr::new("-lR"), image])
    };
    let sound = list();
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));
    for (block, bytes) in made.structures().into_values() {
        flip(&made.image, block * 4096 + bytes[0] as u64);
    }
    let bent = list();
    assert_eq!(bent.status.code(), Some(0), "{}", said(&bent));
    assert!(bent.stdout == sound.stdout);
}

/// Bug: a superblock of which a bit was turned that nobody reads was taken for sound; Linux mounts
/// none whose checksum is wrong.
#[test]
fn a_superblock_whose_checksum_is_wrong_is_an_error_and_never_equal() {
    for (block_bytes, features) in [
        (1024, "metadata_csum"),
        (4096, "metadata_csum,metadata_csum_seed"),
        (4096, "metadata_csum,^64bit,^has_journal"),
    ] {
        let made = Checksummed::new(block_bytes, features);
        assert_eq!(made.diff().0, Some(0), "{block_bytes} {features}");
        // Its label, when it was checked, what is for nobody, and the checksum itself.
        for byte in [0x78, 0x40, 0x3f0, 0x3fc] {
            flip(&made.image, 1024 + byte);
            let (code, told) = made.diff();
            let case = format!("{block_bytes} {features}, byte {byte:#x}: {told}");
            assert_eq!(code, Some(4), "{case}");
            let what = "superblock: expected the checksum of its bytes";
            assert!(told.contains(what), "{case}");
            flip(&made.image, 1024 + byte);
        }
        assert_eq!(made.diff().0, Some(0), "{block_bytes} {features}");
    }
    // Without checksums it may have anything there.
    let made = Checksummed::new(4096, "^metadata_csum");
    flip(&made.image, 1024 + 0x3fc);
    assert_eq!(made.diff().0, Some(0));
}
