//! Any tree there is: pressed, sound, the same when read back, and as large as planned.
//!
//! PROPTEST_CASES sets how many; the default takes about a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use layerpress::ext::{JournalSize, Kind as Ext, Room, SizePolicy};
use layerpress::units::ByteSize;
use proptest::prelude::*;

use support::press::{Wanted, press_with};
use support::random_rootfs::rootfs;

fn wanted() -> impl Strategy<Value = Wanted> {
    let size = prop_oneof![
        (50..400_u32).prop_map(SizePolicy::Percent),
        Just(SizePolicy::Fit),
        (0..64_u64 << 20).prop_map(|bytes| SizePolicy::FitPlus(ByteSize(bytes))),
        ((400_u64 << 20)..(700 << 20)).prop_map(|bytes| SizePolicy::Exact(ByteSize(bytes))),
    ];
    let mebibytes = || (4..32_u32).prop_map(JournalSize::Mebibytes);
    let auto = || Just(JournalSize::Auto);
    let filesystem = prop_oneof![
        2 => (Just(Ext::Ext2), Just(JournalSize::None)),
        3 => (Just(Ext::Ext3), prop_oneof![3 => auto(), 1 => mebibytes()]),
        4 => (
            Just(Ext::Ext4),
            prop_oneof![2 => auto(), 1 => mebibytes(), 1 => Just(JournalSize::None)]
        ),
    ];
    (size, filesystem, 0..3000_u32).prop_map(|(size, (kind, journal), free_inodes)| Wanted {
        kind,
        size,
        room: Room {
            free_inodes,
            journal,
        },
    })
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 60;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_tree_comes_out_sound_and_as_it_went_in(
        rootfs in rootfs(80),
        wanted in wanted(),
    ) {
        let pressed = press_with(&rootfs, wanted).unwrap().judged();
        prop_assert!(pressed.plan.free_inodes_after() >= wanted.room.free_inodes);
        prop_assert_eq!(pressed.warnings, [""; 0]);
    }
}
