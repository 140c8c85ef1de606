//! When the sizes are the earlier filesystem's.

use std::path::{Path, PathBuf};

use layerpress::ext::{JournalSize, Kind, Layout, Plan, Room, SizePolicy, WhyFresh};
use layerpress::units::ByteSize;

use super::support::oracles::succeed;
use super::support::press::{Wanted, press_like, press_with, press_without_seed};
use super::support::rootfs::{Rootfs, bytes, file};
use super::{figures, kept_figures, kinds, like, likeness, sample};

/// Another journal than mke2fs makes by itself, where there is one.
fn chosen_journal(wanted: Wanted) -> JournalSize {
    match wanted.room.journal {
        JournalSize::Auto if wanted.kind != Kind::Ext2 => JournalSize::Mebibytes(5),
        as_it_is => as_it_is,
    }
}

#[test]
fn sizes_inodes_and_journal_are_the_earlier_ones_where_nothing_else_is_asked_for() {
    for wanted in kinds() {
        let odd = Wanted {
            size: SizePolicy::Exact(ByteSize(97 << 20)),
            room: Room {
                free_inodes: 7000,
                journal: chosen_journal(wanted),
            },
            ..wanted
        };
        let old = press_with(&sample(), odd).unwrap();
        let mut rootfs = sample();
        rootfs.items.push(file("new", bytes(70_000)));
        let new = press_like(&rootfs, like(wanted), &old.image())
            .unwrap()
            .judged();
        assert_eq!(kept_figures(&new).new.inodes, 1);
        assert_eq!(
            new.plan.sized.geometry, old.plan.sized.geometry,
            "{wanted:?}"
        );
        assert_eq!(new.plan.profile, old.plan.profile, "{wanted:?}");
    }
}

#[test]
fn another_size_that_is_given_wins_and_what_can_stay_stays() {
    for wanted in kinds() {
        let old = press_with(&sample(), wanted).unwrap();
        let given = Wanted {
            size: SizePolicy::Exact(ByteSize(300 << 20)),
            ..wanted
        };
        let new = press_like(&sample(), given, &old.image()).unwrap().judged();
        assert_eq!(likeness(&new).layout, Layout::Fresh(WhyFresh::Given));
        assert_eq!(new.plan.sized.file_bytes, 300 << 20);
        let figures = figures(&new);
        assert!(figures.kept.inodes > 10, "{figures:?}");
        assert_eq!((figures.new.inodes, figures.resized_inodes), (0, 0));
    }
}

#[test]
fn a_tree_that_does_not_fit_any_more_gets_a_size_of_its_own_and_is_told_why() {
    for wanted in kinds() {
        let fit = Wanted {
            size: SizePolicy::Fit,
            ..wanted
        };
        let old = press_with(&sample(), fit).unwrap();
        let mut more = sample();
        more.items.push(file("more", bytes(30 << 20)));
        let new = press_like(&more, like(wanted), &old.image())
            .unwrap()
            .judged();
        let Layout::Fresh(WhyFresh::TooSmall { what, needed, free }) = &likeness(&new).layout
        else {
            panic!("{:?}", likeness(&new).layout);
        };
        assert!(
            *what == "blocks" && needed > free,
            "{what}: {needed} of {free}"
        );
        assert_eq!(new.plan.profile, old.plan.profile);
        let figures = figures(&new);
        assert!(figures.kept.inodes > 10, "{figures:?}");
        assert_eq!(figures.new.inodes, 1);
    }
}

/// What room is left was made once and is not gone with the version that needed it.
#[test]
fn what_has_outgrown_its_size_has_as_much_room_and_the_same_journal_and_is_told_how_to_have_more() {
    for wanted in kinds() {
        let roomy = Wanted {
            size: SizePolicy::FitPlus(ByteSize(12 << 20)),
            room: Room {
                free_inodes: 9000,
                journal: chosen_journal(wanted),
            },
            ..wanted
        };
        let old = press_with(&sample(), roomy).unwrap();
        let mut more = sample();
        more.items.push(file("more", bytes(30 << 20)));
        let new = press_like(&more, like(wanted), &old.image())
            .unwrap()
            .judged();
        let layout = &likeness(&new).layout;
        assert!(
            matches!(layout, Layout::Fresh(WhyFresh::TooSmall { .. })),
            "{layout:?}"
        );
        let (old, new) = (old.plan, new.plan);
        assert!(old.available_blocks_after() >= (12 << 20) / 4096);
        assert!(new.available_blocks_after() >= old.available_blocks_after());
        assert!(new.free_inodes_after() >= old.free_inodes_after());
        assert_eq!(new.profile, old.profile);
        let journal_blocks = |plan: &Plan| plan.sized.geometry.journal_blocks;
        assert_eq!(journal_blocks(&new), journal_blocks(&old), "{wanted:?}");
        // The next one that grows by 30 MiB will not fit.
        let note = new.sized.note.unwrap();
        let option = match wanted.kind {
            // Without blocks of maps.
            Kind::Ext4 => "--size +30M once",
            _ => "--size +31M once",
        };
        assert!(note.contains(option), "{note}");
        assert!(!note.contains("--free-inodes"), "{note}");
    }
}

#[test]
fn what_has_outgrown_a_full_filesystem_gets_the_rules_size_and_its_note_names_inodes_too() {
    for wanted in kinds() {
        let fit = Wanted {
            size: SizePolicy::Fit,
            ..wanted
        };
        let old = press_with(&sample(), fit).unwrap();
        let mut more = sample();
        for index in 0..3000 {
            more.items.push(file(format!("b/more-{index:04}"), b""));
        }
        let new = press_like(&more, like(wanted), &old.image())
            .unwrap()
            .judged();
        let Layout::Fresh(WhyFresh::TooSmall { what: "inodes", .. }) = &likeness(&new).layout
        else {
            panic!("{:?}", likeness(&new).layout);
        };
        let by_rule = new.plan.sized_by(SizePolicy::default()).unwrap();
        assert_eq!(new.plan.sized.file_bytes, by_rule.file_bytes);
        assert_eq!(new.plan.profile, old.plan.profile);
        let note = new.plan.sized.note.unwrap();
        assert!(note.contains("--free-inodes 3000 once"), "{note}");
    }
}

/// A foreign filesystem, made by mke2fs with these options and of so many blocks.
fn foreign(options: &str, blocks: u32) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let foreign = directory.path().join("foreign.img");
    let arguments = options.split_whitespace();
    let blocks = blocks.to_string();
    let arguments = ["-q", "-F", "-b", "4096"].into_iter().chain(arguments);
    succeed(
        "mke2fs",
        arguments.chain([foreign.to_str().unwrap(), &blocks]),
    );
    (directory, foreign)
}

/// What dumpe2fs tells of a filesystem's sizes.
fn sizes_of(image: &Path) -> Vec<String> {
    let told = succeed("dumpe2fs", ["-h", image.to_str().unwrap()]);
    let told = String::from_utf8(told).unwrap();
    let sizes = [
        "Inode count:",
        "Block count:",
        "Reserved GDT blocks:",
        "Blocks per group:",
        "Inodes per group:",
        "Directory Hash Seed:",
        "Journal size:",
        "Total journal blocks:",
    ];
    let of_sizes = |line: &&str| sizes.iter().any(|size| line.starts_with(size));
    told.lines().filter(of_sizes).map(str::to_owned).collect()
}

#[test]
fn a_foreign_filesystems_sizes_are_kept_with_its_inodes_journal_and_room_for_descriptors() {
    for (kind, options, blocks) in [
        (Kind::Ext4, "-E resize=40000000", 60_000),
        (Kind::Ext4, "-E resize=4000000000 -N 3008", 60_000),
        (Kind::Ext4, "-J size=8 -N 20000", 60_000),
        (Kind::Ext4, "-O ^has_journal -E resize=30000000", 60_000),
        (Kind::Ext3, "-E resize=60000000 -N 4000 -J size=5", 70_000),
        (Kind::Ext3, "-E resize=4294967295", 131_072),
        (Kind::Ext2, "-N 20000 -E resize=50000000", 60_000),
    ] {
        let options = format!("-t {kind} {options}");
        let (_directory, foreign) = foreign(&options, blocks);
        let wanted = Wanted::kind(kind);
        let new = press_without_seed(&sample(), wanted, &foreign).unwrap();
        assert_eq!(likeness(&new).layout, Layout::Kept, "{options}");
        assert_eq!(sizes_of(&new.image()), sizes_of(&foreign), "{options}");
        new.judged();
    }
}

/// mke2fs can be asked for more or less of the room for descriptors, but not for none.
#[test]
fn a_foreign_filesystem_of_what_mke2fs_is_not_asked_for_gives_places_but_no_size() {
    for kind in [Kind::Ext2, Kind::Ext3, Kind::Ext4] {
        let (_directory, foreign) = foreign(&format!("-t {kind} -O ^resize_inode"), 60_000);
        let new = press_like(&sample(), Wanted::kind(kind), &foreign).unwrap();
        let Layout::Fresh(WhyFresh::Unlike(why)) = &likeness(&new).layout else {
            panic!("{:?}", likeness(&new).layout);
        };
        let words = "0 blocks kept behind the descriptors for growing";
        assert!(why.contains(words), "{why}");
        new.judged();
    }
}

#[test]
fn an_earlier_filesystem_of_another_kind_is_refused_by_name() {
    let rootfs = Rootfs::of([file("x", bytes(9))]);
    let old = press_with(&rootfs, Wanted::kind(Kind::Ext3)).unwrap();
    let error = press_like(&rootfs, Wanted::kind(Kind::Ext4), &old.image());
    let error = error.err().unwrap();
    assert_eq!(error.exit_code(), 5, "{error}");
    assert!(error.to_string().contains("--fs ext3"), "{error}");
}
