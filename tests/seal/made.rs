//! A filesystem with checksums that e2fsprogs made, with every form of block that has one, and where
//! these are.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use layerpress::ext::populate::unsealed::{ChecksumForm, Checksummed};
use layerpress::ondisk::bitmap::is_set;
use layerpress::ondisk::extent::ExtentNode;
use layerpress::ondisk::group_descriptor::GroupDescriptor;
use layerpress::ondisk::inode::{FLAG_EXTENTS, FLAG_INDEX, INODE_BYTES, StoredInode};
use layerpress::ondisk::superblock::{SUPERBLOCK_BYTES, Superblock};
use layerpress::units::{BlockNumber, InodeNumber};

use crate::support::oracles::{debugfs_write, e2fsck_clean, run};
use crate::support::sample::make_image_with;

pub const BLOCK: usize = 4096;

/// As EXT4 is to be, whatever the machine's /etc/mke2fs.conf says.
const FEATURES: &str = "none,sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr,has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize";

/// Makes the filesystem: an index of two levels, one of one level, names without an index, a file of
/// so many extents that their tree has two levels of blocks, and a block of attributes.
pub fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| make(tempfile::tempdir().unwrap().path()))
}

fn make(directory: &Path) -> Made {
    let (tree, image) = (directory.join("tree"), directory.join("made.img"));
    let in_directory = |name: &str, names: usize, length: usize| {
        let path = tree.join(name);
        fs::create_dir_all(&path).unwrap();
        let first = path.join(format!("{:0length$}", 0));
        File::create(&first).unwrap();
        for number in 1..names {
            fs::hard_link(&first, path.join(format!("{number:0length$}"))).unwrap();
        }
    };
    in_directory("two-levels", 11_000, 250);
    in_directory("one-level", 1000, 20);
    in_directory("linear", 10, 20);
    let holes = File::create(tree.join("holes")).unwrap();
    for piece in 0..1500 {
        let block = [1 + (piece % 251) as u8; BLOCK];
        holes
            .write_all_at(&block, piece * 2 * BLOCK as u64)
            .unwrap();
    }
    drop(holes);
    let options = [
        "-t", "ext4", "-T", "default", "-b", "4096", "-I", "256", "-O", FEATURES,
    ];
    make_image_with(&options, &tree, &image, "40M");
    let value = directory.join("value");
    fs::write(&value, [b'v'; 2000]).unwrap();
    let set = format!("ea_set -f {} /linear user.large", value.display());
    debugfs_write(&image, &[&set]);
    // Indexes are made by it, which ends with 0 or 1 then, as its version has it.
    let optimised = run("e2fsck", [std::ffi::OsStr::new("-fyD"), image.as_os_str()]);
    assert!(
        matches!(optimised.status.code(), Some(0 | 1)),
        "{optimised:?}"
    );
    e2fsck_clean(&image);
    Made::read(&fs::read(&image).unwrap())
}

/// A filesystem of one group, by its structures.
pub struct Made {
    pub bytes: Vec<u8>,
    pub superblock: Superblock,
    pub descriptor: GroupDescriptor,
    pub used_inodes: Vec<InodeNumber>,
    /// Every block with a checksum in it that is in no table, in the order of the inodes.
    pub checksummed: Vec<Checksummed>,
}

impl Made {
    fn read(bytes: &[u8]) -> Self {
        let superblock: [u8; SUPERBLOCK_BYTES] = bytes[1024..2048].try_into().unwrap();
        let superblock = Superblock::decode(&superblock);
        assert!(superblock.blocks_count <= u64::from(superblock.blocks_per_group));
        let descriptor = GroupDescriptor::decode(&bytes[BLOCK..BLOCK + 64]);
        let mut made = Self {
            bytes: bytes.to_vec(),
            descriptor,
            used_inodes: Vec::new(),
            checksummed: Vec::new(),
            superblock,
        };
        let in_use = made.block(u64::from(descriptor.inode_bitmap.0)).to_vec();
        let inodes = (1..=made.superblock.inodes_per_group).map(InodeNumber);
        made.used_inodes = inodes
            .filter(|inode| is_set(&in_use, inode.0 - 1))
            .collect();
        for number in made.used_inodes.clone() {
            made.note(number);
        }
        made
    }

    fn block(&self, block: u64) -> &[u8] {
        &self.bytes[block as usize * BLOCK..][..BLOCK]
    }

    /// Where an inode is.
    pub fn inode_at(&self, number: InodeNumber) -> usize {
        self.descriptor.inode_table.0 as usize * BLOCK + (number.0 as usize - 1) * INODE_BYTES
    }

    fn add(&mut self, inode: InodeNumber, block: u64, form: ChecksumForm) {
        self.checksummed.push(Checksummed {
            first: BlockNumber(block as u32),
            count: 1,
            inode,
            form,
        });
    }

    fn note(&mut self, number: InodeNumber) {
        let at = self.inode_at(number);
        let inode = StoredInode::decode(&self.bytes[at..at + INODE_BYTES]);
        if inode.xattr_block != 0 {
            self.add(number, inode.xattr_block, ChecksumForm::Attributes);
        }
        if inode.flags & FLAG_EXTENTS == 0 {
            return;
        }
        let mut data = Vec::new();
        let root = ExtentNode::decode(&inode.i_block).unwrap();
        self.note_extents(number, &root, &mut data);
        if inode.mode & 0xf000 != 0x4000 {
            return;
        }
        let mut interior = 0..0;
        if inode.flags & FLAG_INDEX != 0 {
            let root = self.block(data[0]);
            let (levels, count) = (root[30], u16::from_le_bytes([root[34], root[35]]));
            // e2fsck puts them behind the leaves or before them.
            if levels == 1 {
                let child = |entry: usize| {
                    let at = 32 + 8 * entry + 4;
                    u32::from_le_bytes(root[at..at + 4].try_into().unwrap())
                };
                let children: Vec<_> = (0..usize::from(count)).map(child).collect();
                interior = children[0]..children[children.len() - 1] + 1;
            }
        }
        for (block, &on_disk) in (0..).zip(&data) {
            let form = match block {
                0 if inode.flags & FLAG_INDEX != 0 => ChecksumForm::IndexRoot,
                _ if interior.contains(&block) => ChecksumForm::IndexNode,
                _ => ChecksumForm::Directory,
            };
            self.add(number, on_disk, form);
        }
    }

    fn note_extents(&mut self, number: InodeNumber, node: &ExtentNode, data: &mut Vec<u64>) {
        for index in 0..node.entries {
            if node.depth == 0 {
                let extent = node.extent(index);
                data.extend(extent.disk_block..extent.disk_block + extent.count);
            } else {
                let child = node.child(index);
                self.add(number, child, ChecksumForm::Extents);
                let below = ExtentNode::decode(self.block(child)).unwrap();
                self.note_extents(number, &below, data);
            }
        }
    }

    /// How many blocks of a form there are.
    pub fn count(&self, form: ChecksumForm) -> usize {
        let of_form = self.checksummed.iter().filter(|run| run.form == form);
        of_form.count()
    }
}
