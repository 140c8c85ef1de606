//! The plan's numbers are those of the superblock that mke2fs writes.

use std::fs::File;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use layerpress::ext::plan::geometry::default_inodes;
use layerpress::ext::plan::{FormatRequest, FreeRuns, Geometry};
use layerpress::ext::{JournalSize, Kind, Profile};
use layerpress::ondisk::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock};
use layerpress::units::BlockNumber;

/// What mke2fs makes of a request, by its own conventions for everything but the features; where it
/// refuses, what it said.
fn mke2fs(
    directory: &Path,
    profile: &Profile,
    request: FormatRequest,
) -> Result<Superblock, String> {
    let path = directory.join("plan.img");
    let file = File::create(&path).unwrap();
    file.set_len(u64::from(request.blocks) * 4096).unwrap();
    let mut command = Command::new("/usr/sbin/mke2fs");
    command.args(["-q", "-F", "-t", &profile.kind.to_string(), "-T", "default"]);
    let features = format!("none,{}", profile.features.names().join(","));
    command.args(["-m", "1", "-O", &features]);
    command.args(["-N", &request.inodes.to_string()]);
    if let JournalSize::Mebibytes(size) = request.journal {
        command.args(["-J", &format!("size={size}")]);
    }
    // Else an ext4 journal of 36 GiB takes as much of the disk, zeros though it holds.
    let mut extended = "lazy_journal_init=1".to_owned();
    if let Some(blocks) = request.growing_to_blocks(profile) {
        extended += &format!(",resize={blocks}");
    }
    command.args(["-E", &extended]);
    let output = command
        .arg(&path)
        .output()
        .expect("mke2fs (e2fsprogs) is installed");
    // Of warnings, too: which, and how it ended.
    let said = format!("{output:?}");
    if !output.status.success() {
        return Err(said);
    }
    let mut bytes = [0; SUPERBLOCK_BYTES];
    let file = File::open(&path).unwrap();
    file.read_exact_at(&mut bytes, SUPERBLOCK_OFFSET_BYTES)
        .unwrap();
    let made = Superblock::decode(&bytes);
    // Where it leaves the journal out, it refuses in its own way.
    match made.features == profile.features {
        true => Ok(made),
        false => Err(format!("{:?}, {said}", made.features)),
    }
}

/// What a program of e2fsprogs says of the filesystem that was made last.
fn said(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(format!("/usr/sbin/{program}"));
    let output = command.args(arguments).arg(directory.join("plan.img"));
    let output = output.output().expect("e2fsprogs is installed");
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The free blocks by dumpe2fs, group by group: `  Free blocks: 17-24, 30`.
fn free_blocks(directory: &Path) -> FreeRuns {
    let mut free = FreeRuns::default();
    for line in said(directory, "dumpe2fs", &[]).lines() {
        let Some(ranges) = line.strip_prefix("  Free blocks: ") else {
            continue;
        };
        for range in ranges.split(", ").filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            free.push(first.parse().unwrap()..last.parse::<u32>().unwrap() + 1);
        }
    }
    free
}

/// An inode's blocks by debugfs.
fn blocks_of(directory: &Path, inode: u32) -> Vec<BlockNumber> {
    let blocks = said(directory, "debugfs", &["-R", &format!("blocks <{inode}>")]);
    let numbers = blocks
        .split_whitespace()
        .map(|number| number.parse().unwrap());
    numbers.map(BlockNumber).collect()
}

fn assert_predicted(directory: &Path, kind: Kind, request: FormatRequest) {
    let Ok(profile) = Profile::of(kind, request.journal) else {
        panic!("{kind} has no journal of {:?}", request.journal)
    };
    let predicted = Geometry::of(&profile, request);
    let made = mke2fs(directory, &profile, request);
    let (Some(predicted), Ok(made)) = (&predicted, &made) else {
        assert!(
            predicted.is_none() && made.is_err(),
            "{kind} {request:?}: predicted {predicted:?}, made {made:?}"
        );
        return;
    };
    let predicted_numbers = (
        u64::from(predicted.blocks),
        predicted.blocks_per_group,
        predicted.inodes_per_group,
        predicted.reserved_descriptor_blocks_per_copy,
        u64::from(predicted.reserved_blocks),
        u64::from(predicted.free_blocks),
        predicted.free_inodes,
    );
    let made_numbers = (
        made.blocks_count,
        made.blocks_per_group,
        made.inodes_per_group,
        u32::from(made.reserved_gdt_blocks),
        made.reserved_blocks_count,
        made.free_blocks_count,
        made.free_inodes_count,
    );
    assert_eq!(predicted_numbers, made_numbers, "{kind} {request:?}");
    let positions = predicted.positions(&profile).unwrap();
    assert_eq!(positions.free, free_blocks(directory), "{kind} {request:?}");
    assert_eq!(
        positions.root,
        blocks_of(directory, 2),
        "{kind} {request:?}"
    );
    assert_eq!(
        positions.lost_found,
        blocks_of(directory, 11),
        "{kind} {request:?}"
    );
}

fn by_rule(blocks: u32, journal: JournalSize) -> FormatRequest {
    FormatRequest {
        blocks,
        inodes: default_inodes(blocks),
        journal,
        reserved_descriptor_blocks: None,
    }
}

/// Every kind, with its own journal or without one.
const KINDS: [(Kind, JournalSize); 4] = [
    (Kind::Ext2, JournalSize::None),
    (Kind::Ext3, JournalSize::Auto),
    (Kind::Ext4, JournalSize::Auto),
    (Kind::Ext4, JournalSize::None),
];

#[test]
fn geometry_is_what_mke2fs_makes_at_every_kind_of_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut sizes: Vec<u32> = vec![
        2048, 2049, 2303, 4096, 8192, 10_000, 16_384, 32_767, 32_768, 32_769, 33_024, 33_280,
        65_536,
    ];
    // Around the thresholds where a last group is dropped, and the journal's steps.
    sizes.extend((0..40).map(|step| 32_768 + 310 + step));
    sizes.extend((0..12).map(|step| 2 * 32_768 + 390 + step));
    sizes.extend((0..12).map(|step| 3 * 32_768 + 458 + step));
    for step in [262_144, 524_288] {
        sizes.extend([step - 1, step, step + 1, step + 700]);
    }
    sizes.extend([1_048_576, 4_194_303, 4_194_304 + 12_345]);
    for (kind, journal) in KINDS {
        for &blocks in &sizes {
            assert_predicted(directory.path(), kind, by_rule(blocks, journal));
        }
        if journal == JournalSize::None || kind == Kind::Ext4 {
            // ext3's journal of 512 MiB would be written out.
            assert_predicted(directory.path(), kind, by_rule(1 << 24, journal));
        }
    }
}

#[test]
fn geometry_is_what_mke2fs_makes_from_the_smallest_size_on() {
    let directory = tempfile::tempdir().unwrap();
    for (kind, journal) in KINDS {
        let profile = Profile::of(kind, journal).unwrap();
        let smallest = profile.min_blocks;
        assert!(Geometry::of(&profile, by_rule(smallest - 1, journal)).is_none());
        assert!(Geometry::of(&profile, by_rule(smallest, journal)).is_some());
        let sizes = [0, 1, 2, 8, 12, 13, 60, 73, 200, 201, 247, 450, 990, 1900];
        for blocks in sizes.map(|more| smallest - 1 + more) {
            assert_predicted(directory.path(), kind, by_rule(blocks, journal));
        }
    }
}

#[test]
fn geometry_is_what_mke2fs_makes_of_many_inodes() {
    let directory = tempfile::tempdir().unwrap();
    for (blocks, inodes) in [
        (2048, 600),
        (2048, 8000),
        (2304, 40_000),
        (9000, 60_000),
        (32_768, 32_768),
        (32_768, 32_769),
        (32_768, 40_000),
        (32_768, 65_537),
        (32_768, 100_000),
        (33_000, 200_000),
        (70_000, 1_000_000),
        (80_000, 1_000_000),
        (90_000, 1_000_000),
        (100_000, 1_000_000),
        (120_000, 1_000_000),
        (131_072, 300_001),
        (2_000_000, 12),
    ] {
        for (kind, journal) in KINDS {
            let request = FormatRequest {
                blocks,
                inodes,
                journal,
                reserved_descriptor_blocks: None,
            };
            assert_predicted(directory.path(), kind, request);
        }
    }
}

#[test]
fn geometry_is_what_mke2fs_makes_with_chosen_room_for_descriptors() {
    let directory = tempfile::tempdir().unwrap();
    for (blocks, inodes) in [
        (25_000, default_inodes(25_000)),
        (33_100, default_inodes(33_100)),
        (37_200, 500_000),
        (600_000, default_inodes(600_000)),
        (5_000_000, 12),
    ] {
        for reserved in [1, 5, 300, 1024, 1025] {
            for (kind, journal) in KINDS {
                let request = FormatRequest {
                    blocks,
                    inodes,
                    journal,
                    reserved_descriptor_blocks: NonZeroU32::new(reserved),
                };
                // mke2fs keeps no more than a block can name.
                match Geometry::of(&Profile::of(kind, journal).unwrap(), request) {
                    None if reserved > 1024 => {}
                    _ => assert_predicted(directory.path(), kind, request),
                }
            }
        }
    }
}

/// A journal of more than four extents takes a block for them; one of them lies behind the copy of a
/// superblock.
#[test]
fn geometry_is_what_mke2fs_makes_with_chosen_journals() {
    let directory = tempfile::tempdir().unwrap();
    for (blocks, size) in [
        (2048, 4),
        (4096, 4),
        (4096, 8),
        (65_536, 4),
        (65_536, 64),
        (65_536, 200),
        (65_536, 3),
        // More than half of what is free.
        (2562, 5),
        (2563, 5),
        (2603, 5),
        (2604, 5),
        (2605, 5),
        (2610, 5),
        (300_000, 500),
        (300_000, 560),
        (1_000_000, 1900),
        (3_300_000, 600),
    ] {
        for kind in [Kind::Ext3, Kind::Ext4] {
            let journal = JournalSize::Mebibytes(size);
            assert_predicted(directory.path(), kind, by_rule(blocks, journal));
        }
    }
    // mke2fs writes an ext3 journal out; only ext4's is tried at the largest sizes.
    for (blocks, journal) in [
        (20_000_000, JournalSize::Mebibytes(36_000)),
        (33_554_432, JournalSize::Auto),
    ] {
        assert_predicted(directory.path(), Kind::Ext4, by_rule(blocks, journal));
    }
}

/// Sizes, inodes and journals of no rule at all.
#[test]
fn ext4s_free_blocks_are_where_the_model_says_at_random_sizes() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % bound
    };
    for _ in 0..60 {
        let bits = 11 + random(12);
        let blocks = (1 << bits) + random(1 << bits) as u32;
        let inodes = match random(5) {
            0 => blocks + random(blocks.into()) as u32,
            1 => 12 + random(u64::from(blocks) / 4) as u32,
            _ => default_inodes(blocks),
        };
        let journal = match random(4) {
            0 => JournalSize::None,
            1 => JournalSize::Mebibytes(4 + random(u64::from(blocks) / 600 + 1) as u32),
            _ => JournalSize::Auto,
        };
        let request = FormatRequest {
            blocks,
            inodes,
            journal,
            reserved_descriptor_blocks: None,
        };
        assert_predicted(directory.path(), Kind::Ext4, request);
    }
}

/// Bug: an ext4 with many inodes, and so with groups little larger than their tables, was planned
/// with a free block too many, and the build ended with exit code 8. Cause: a journal of at most
/// 128 MiB was taken to lie in few pieces. Found with `--free-inodes 500000` for a small tree.
#[test]
fn a_journal_in_pieces_between_the_tables_of_small_groups_is_predicted() {
    let directory = tempfile::tempdir().unwrap();
    for (kind, _) in KINDS {
        for (blocks, inodes, journal) in [
            (37_200, 500_000, JournalSize::Auto),
            (37_611, 500_000, JournalSize::Auto),
            (41_000, 500_000, JournalSize::Auto),
            (51_000, 600_000, JournalSize::Mebibytes(64)),
            (77_700, 1_000_000, JournalSize::Mebibytes(32)),
        ] {
            let journal = match kind {
                Kind::Ext2 => JournalSize::Auto,
                _ => journal,
            };
            let request = FormatRequest {
                blocks,
                inodes,
                journal,
                reserved_descriptor_blocks: None,
            };
            assert_predicted(directory.path(), kind, request);
        }
    }
}
