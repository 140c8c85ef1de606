//! When the sizes are the earlier filesystem's.

use layerpress::ext::{JournalSize, Kind, Layout, Room, SizePolicy, WhyFresh};
use layerpress::units::ByteSize;

use super::support::oracles::succeed;
use super::support::press::{Wanted, press_like, press_with};
use super::support::rootfs::{Rootfs, bytes, file};
use super::{figures, kept_figures, kinds, like, likeness, sample};

#[test]
fn sizes_inodes_and_journal_are_the_earlier_ones_where_nothing_else_is_asked_for() {
    for wanted in kinds() {
        let chosen = match wanted.room.journal {
            JournalSize::Auto if wanted.kind != Kind::Ext2 => JournalSize::Mebibytes(5),
            as_it_is => as_it_is,
        };
        let odd = Wanted {
            size: SizePolicy::Exact(ByteSize(97 << 20)),
            room: Room {
                free_inodes: 7000,
                journal: chosen,
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
        let figures = figures(&new);
        assert!(figures.kept.inodes > 10, "{figures:?}");
        assert_eq!(figures.new.inodes, 1);
    }
}

#[test]
fn a_foreign_filesystem_of_other_numbers_gives_places_but_no_size() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = directory.path().join("foreign.img");
    let options = "-q -F -t ext4 -b 4096 -E resize=40000000";
    let arguments = options.split_whitespace();
    let arguments = arguments.chain([foreign.to_str().unwrap(), "60000"]);
    succeed("mke2fs", arguments);
    let new = press_like(&sample(), Wanted::kind(Kind::Ext4), &foreign).unwrap();
    let Layout::Fresh(WhyFresh::Unlike(why)) = &likeness(&new).layout else {
        panic!("{:?}", likeness(&new).layout);
    };
    assert!(why.contains("descriptors for growing"), "{why}");
    new.judged();
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
