//! `fit` is the smallest filesystem that holds a tree, for each kind: mke2fs makes smaller ones, and
//! by what dumpe2fs says of them there is too little room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;

use layerpress::ext::plan::demand::directory_layout;
use layerpress::ext::plan::geometry::default_inodes;
use layerpress::ext::{JournalSize, Kind, Plan, Room, SizePolicy};
use layerpress::tree::{NodeId, NodeKind, Tree};
use layerpress::units::{BLOCK_SIZE, ByteSize};

use support::oracles::{run, succeed};
use support::press::{HASH_SEED, Wanted, plan, superblock, tree_of};
use support::rootfs::{Item, Rootfs, directory, sparse, symlink, zeros};

/// Trees for each kind.
const TREES: u64 = 50;

/// Numbers without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Directories small and large, files whole and torn, long targets and attributes in blocks.
fn tree(random: &mut Random) -> Tree {
    let mut items: Vec<Item> = Vec::new();
    let total = 1 << (4 + random.below(13));
    let mut left = random.below(total);
    for number in 0..=random.below(120) {
        let path = format!("d{}/{number}", number % 7);
        if number < 7 {
            items.push(directory(format!("d{number}")));
        }
        if number == 8 && random.below(3) == 0 {
            let names = random.below(3000);
            items.extend((0..names).map(|name| zeros(format!("d1/{name:0>90}"), 0)));
        }
        let item = match random.below(6) {
            0 => {
                let pieces: Vec<_> = (0..random.below(700))
                    .map(|piece| (piece * 2 * BLOCK_SIZE, &b"x"[..]))
                    .collect();
                sparse(path, 1 << 24, &pieces)
            }
            1 => symlink(path, vec![b't'; 200]),
            2 => zeros(path, 1).xattr("user.a", vec![number as u8; 300]),
            _ => {
                let blocks = left.min(random.below(1 + total / 3));
                left -= blocks;
                zeros(path, blocks * BLOCK_SIZE)
            }
        };
        items.push(item);
    }
    tree_of(&Rootfs::of(items)).unwrap().0
}

/// An empty filesystem as mke2fs makes it, by its own account.
struct Empty {
    blocks: u64,
    free: Vec<u64>,
    free_inodes: u64,
    root: Vec<u64>,
}

fn empty(directory: &Path, plan: &Plan, blocks: u32, inodes: u32) -> Option<Empty> {
    let image = directory.join("empty.img");
    let length = u64::from(blocks) * BLOCK_SIZE;
    File::create(&image).unwrap().set_len(length).unwrap();
    let features = format!("none,{}", plan.profile.features.names().join(","));
    let kind = plan.profile.kind.to_string();
    let inodes = default_inodes(blocks).max(inodes).to_string();
    let options = ["-q", "-F", "-t", &kind, "-T", "default", "-m", "1"];
    let mut arguments: Vec<OsString> = options.map(OsString::from).into();
    arguments.extend(["-O", &features, "-N", &inodes].map(OsString::from));
    if let JournalSize::Mebibytes(size) = plan.sized.request.journal {
        arguments.extend(["-J".to_owned(), format!("size={size}")].map(OsString::from));
    }
    arguments.push(image.clone().into());
    if !run("mke2fs", arguments).status.success() {
        return None;
    }
    let dumped = succeed("dumpe2fs", [image.as_os_str()]);
    let dumped = String::from_utf8(dumped).unwrap();
    // What it leaves the journal out of is another kind.
    if dumped.contains("has_journal") != plan.profile.features.has_journal() {
        return None;
    }
    let ranges = dumped
        .lines()
        .filter_map(|line| line.strip_prefix("  Free blocks: "))
        .flat_map(|ranges| ranges.split(", "))
        .filter(|range| !range.is_empty())
        .flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse::<u64>().unwrap()..=last.parse().unwrap()
        });
    let debugfs = [
        OsStr::new("-R"),
        OsStr::new("blocks <2>"),
        image.as_os_str(),
    ];
    let root = String::from_utf8(succeed("debugfs", debugfs)).unwrap();
    let counts = superblock(&image);
    Some(Empty {
        blocks: counts["Block count"],
        free: ranges.collect(),
        free_inodes: counts["Free inodes"],
        root: root
            .split_whitespace()
            .map(|block| block.parse().unwrap())
            .collect(),
    })
}

/// Blocks of an extent tree over these pairs of file and disk blocks.
fn extent_blocks(pairs: &[(u64, u64)]) -> u64 {
    let mut extents = 0_u64;
    let mut length = 0;
    let mut last = None;
    for &(file, disk) in pairs {
        length += 1;
        if last != Some((file.wrapping_sub(1), disk.wrapping_sub(1))) || length > 32_768 {
            extents += 1;
            length = 1;
        }
        last = Some((file, disk));
    }
    let mut blocks = 0;
    while extents > 4 {
        extents = extents.div_ceil(340);
        blocks += extents;
    }
    blocks
}

/// Hands out the free blocks one by one, as the layout says, and gives the blocks of extents;
/// `None` where they do not do.
fn filled(tree: &Tree, plan: &Plan, empty: &Empty) -> Option<u64> {
    let mut free = empty.free.iter().copied();
    let mut maps = 0;
    let mut put = |file_blocks: &mut dyn Iterator<Item = u64>, made: &[u64]| {
        let mut made = made.iter().copied();
        let mut pairs = Vec::new();
        for file_block in file_blocks {
            pairs.push((file_block, made.next().or_else(|| free.next())?));
        }
        if plan.profile.kind == Kind::Ext4 {
            for _ in 0..extent_blocks(&pairs) {
                free.next()?;
                maps += 1;
            }
        }
        Some(())
    };
    let seed = std::array::from_fn(|word| {
        let bytes = &HASH_SEED[4 * word..];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    });
    for (id, node) in tree.nodes() {
        if matches!(node.kind, NodeKind::Directory(_)) {
            let layout = directory_layout(&plan.profile, tree, id, &plan.numbers, seed);
            let made = match id {
                NodeId::ROOT => &empty.root[..],
                _ => &[],
            };
            put(&mut (0..u64::from(layout.unwrap().1)), made)?;
        }
    }
    // Attributes and indirect blocks: none of them is in any map.
    let mut others = plan.demand.xattr_blocks;
    if plan.profile.kind != Kind::Ext4 {
        others += plan.demand.map_blocks;
    }
    for _ in 0..others {
        put(&mut std::iter::once(0), &[])?;
    }
    for (_, node) in tree.nodes() {
        match &node.kind {
            NodeKind::Regular(file) => {
                put(&mut file.content.blocks(4096).into_iter().flatten(), &[])?;
            }
            NodeKind::Symlink(target) if target.len() >= 60 => put(&mut (0..1), &[])?,
            _ => {}
        }
    }
    Some(maps)
}

fn check(kind: Kind, journal: JournalSize, seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let tree = tree(&mut random);
    let room = Room {
        journal,
        free_inodes: 0,
    };
    let wanted = |size| Wanted { kind, size, room };
    let fitted = plan(&tree, wanted(SizePolicy::Fit)).unwrap();
    let geometry = &fitted.sized.geometry;
    let what = format!("{kind} {journal:?} {seed}: {} blocks", geometry.blocks);
    let inodes = fitted.demand.inodes + 11;
    let made = |blocks| empty(directory.path(), &fitted, blocks, inodes);

    let exactly = made(geometry.blocks).unwrap();
    assert_eq!(exactly.blocks, u64::from(geometry.blocks), "{what}");
    assert_eq!(
        exactly.free.len() as u64,
        u64::from(geometry.free_blocks),
        "{what}"
    );
    let maps = filled(&tree, &fitted, &exactly).expect(&what);
    if kind == Kind::Ext4 {
        assert_eq!(maps, fitted.demand.map_blocks, "{what}");
    }

    // One block less, and the last of each smaller journal, where there is more room than just above.
    let ends = [32_767, 262_143, 524_287];
    let ends = ends.into_iter().filter(|end| *end < geometry.blocks);
    for blocks in ends.chain([geometry.blocks - 1]) {
        let holds = made(blocks).is_some_and(|empty| {
            empty.free_inodes >= u64::from(fitted.demand.inodes)
                && filled(&tree, &fitted, &empty).is_some()
        });
        let exact = SizePolicy::Exact(ByteSize(u64::from(blocks) * BLOCK_SIZE));
        let planned = plan(&tree, wanted(exact));
        assert_eq!(
            planned.is_ok(),
            holds,
            "{what}: by mke2fs and by the plan, {blocks} blocks"
        );
        // What mke2fs cuts holds it only where fewer whole blocks did, too.
        assert!(!holds, "{what}: {blocks} blocks would do");
    }
}

#[test]
fn ext2_fits_into_no_block_less() {
    (0..TREES).for_each(|seed| check(Kind::Ext2, JournalSize::Auto, seed));
}

#[test]
fn ext3_fits_into_no_block_less() {
    (0..TREES).for_each(|seed| check(Kind::Ext3, JournalSize::Auto, seed));
}

#[test]
fn ext4_fits_into_no_block_less() {
    (0..TREES).for_each(|seed| check(Kind::Ext4, JournalSize::Auto, seed));
}

#[test]
fn ext4_without_a_journal_fits_into_no_block_less() {
    (0..TREES).for_each(|seed| check(Kind::Ext4, JournalSize::None, seed));
}
