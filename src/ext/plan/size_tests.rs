use super::*;
use crate::ext::plan::map_demand::Made;
use crate::ext::profile::Kind;
use proptest::prelude::*;

fn demand(blocks: u64, inodes: u32) -> Demand {
    Demand {
        data_blocks: blocks,
        directory_blocks: 1,
        preallocated_blocks: 1,
        inodes,
        disk_usage_bytes: (blocks + 1) * BLOCK_SIZE,
        ..Demand::default()
    }
}

/// No maps at all.
fn maps() -> MapDemand {
    MapDemand::new(BlockMap::Indirect)
}

fn choose(policy: SizePolicy, demand: &Demand, room: Room) -> Result<Sized> {
    super::choose(&Profile::EXT3, policy, demand, &maps(), room)
}

/// Exactly so many bytes for a tree of so many blocks and few inodes.
fn exact(bytes: u64, blocks: u64) -> Result<Sized> {
    let policy = SizePolicy::Exact(ByteSize(bytes));
    choose(policy, &demand(blocks, 10), ROOM)
}

const ROOM: Room = Room {
    free_inodes: 0,
    journal: JournalSize::Auto,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Trying every size from the smallest on is the definition; the search must not miss any.
    #[test]
    fn fit_is_the_first_size_that_fits(blocks in 0_u64..60_000, inodes in 0_u32..70_000) {
        let demand = demand(blocks, inodes);
        let found = choose(SizePolicy::Fit, &demand, ROOM).unwrap();
        let maps = &maps();
        let search = Search { profile: &Profile::EXT3, demand: &demand, maps, room: ROOM };
        let first = (Profile::EXT3.min_blocks..)
            .find(|&size| {
                search.fitting(size, 0).is_some_and(|(geometry, _)| geometry.is_whole(search.request(size)))
            })
            .unwrap();
        prop_assert_eq!(found.geometry.blocks, first);
    }

    #[test]
    fn free_space_asked_for_is_there_for_an_ordinary_user(
        blocks in 0_u64..200_000, free in 0_u64..(300 << 20), free_inodes in 0_u32..10_000,
    ) {
        let demand = demand(blocks, 100);
        let room = Room { free_inodes, ..ROOM };
        let sized = choose(SizePolicy::FitPlus(ByteSize(free)), &demand, room).unwrap();
        let geometry = &sized.geometry;
        let left = u64::from(geometry.free_blocks) - blocks;
        prop_assert!(free == 0 || left - u64::from(geometry.reserved_blocks) >= free.div_ceil(4096));
        prop_assert!(geometry.free_inodes - 100 >= free_inodes);
    }

    #[test]
    fn the_rule_is_kept_or_raised_and_always_fits(
        blocks in 0_u64..400_000, inodes in 0_u32..100_000, percent in 1_u32..300,
    ) {
        let demand = demand(blocks, inodes);
        let sized = choose(SizePolicy::Percent(percent), &demand, ROOM).unwrap();
        let rule = scripts_mebibytes(demand.disk_usage_bytes, percent) << 20;
        prop_assert!(sized.file_bytes >= rule);
        prop_assert!(u64::from(sized.geometry.free_blocks) >= blocks);
        prop_assert!(sized.geometry.free_inodes >= inodes);
        // Raised only where the rule's own size does not hold it, and told then.
        let exactly = choose(SizePolicy::Exact(ByteSize(rule)), &demand, ROOM);
        prop_assert_eq!(exactly.is_err(), sized.file_bytes > rule);
        match exactly {
            Ok(exactly) => prop_assert_eq!(exactly, sized),
            Err(_) => prop_assert!(sized.note.unwrap().contains("size raised from")),
        }
    }
}

/// What a tree of files of these lengths in blocks needs, and its maps.
fn files(profile: &Profile, lengths: &[u64]) -> (Demand, MapDemand) {
    let mut maps = MapDemand::new(profile.block_map);
    maps.directory(1, Some((Made::Root, 1))).unwrap();
    for &length in lengths {
        // Every other block is a hole in what has fewer than 50.
        let ranges = match length {
            50.. => std::iter::once(0..length).collect(),
            _ => (0..length).map(|block| 2 * block..2 * block + 1).collect(),
        };
        maps.file(ranges).unwrap();
    }
    let needed = demand(lengths.iter().sum(), lengths.len() as u32);
    (needed, maps)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Of each kind, the first size of all that mke2fs makes whole in which there is room for data
    /// and maps.
    #[test]
    fn fit_is_the_first_size_of_every_kind_that_fits(
        lengths in prop::collection::vec(prop_oneof![1_u64..50, 50_u64..700], 0..60),
        kind in prop::sample::select(vec![
            (Kind::Ext2, JournalSize::None),
            (Kind::Ext3, JournalSize::Auto),
            (Kind::Ext4, JournalSize::Auto),
            (Kind::Ext4, JournalSize::None),
            (Kind::Ext4, JournalSize::Mebibytes(5)),
        ]),
    ) {
        let (kind, journal) = kind;
        let profile = Profile::of(kind, journal).unwrap();
        let (demand, maps) = files(&profile, &lengths);
        let room = Room { journal, ..ROOM };
        let found = super::choose(&profile, SizePolicy::Fit, &demand, &maps, room).unwrap();
        let holds = |blocks| {
            let request = FormatRequest { blocks, ..found.request };
            let geometry = Geometry::of(&profile, request)?;
            let maps = match profile.block_map {
                BlockMap::Indirect => maps.at_least(),
                BlockMap::Extents => maps.within(&geometry.positions(&profile)?, 0)?,
            };
            let needed = demand.with_maps(maps).blocks();
            (geometry.is_whole(request) && needed <= geometry.free_blocks.into()).then_some(maps)
        };
        let first = (1..).find_map(|blocks| holds(blocks).map(|maps| (blocks, maps))).unwrap();
        prop_assert_eq!((found.geometry.blocks, found.maps), first);
        // Where free blocks lie is looked at for few sizes: each that has room enough but for cuts.
        let search = Search { profile: &profile, demand: &demand, maps: &maps, room };
        let looked_at = (1..=found.geometry.blocks).filter(|&blocks| {
            let at_best = Geometry::at_best(&profile, search.request(blocks));
            at_best.is_some_and(|at_best| {
                search.is_enough(&at_best, maps.at_least(), 0).is_some()
            })
        });
        prop_assert!(looked_at.count() <= 24);
    }
}

#[test]
fn kinds_without_a_journal_go_below_eight_mebibytes() {
    // ext2 needs an indirect block.
    for (kind, journal, blocks) in [
        (Kind::Ext2, JournalSize::Auto, 113),
        (Kind::Ext4, JournalSize::None, 112),
    ] {
        let profile = Profile::of(kind, journal).unwrap();
        let (demand, maps) = files(&profile, &[100]);
        let room = Room { journal, ..ROOM };
        let fit = super::choose(&profile, SizePolicy::Fit, &demand, &maps, room).unwrap();
        assert_eq!(
            (fit.geometry.blocks, fit.geometry.journal_blocks),
            (blocks, 0)
        );
        let smallest = u64::from(profile.min_blocks) * BLOCK_SIZE;
        assert!(
            SizePolicy::Exact(ByteSize(smallest))
                .check(&profile)
                .is_ok()
        );
        let below = SizePolicy::Exact(ByteSize(smallest - 1)).check(&profile);
        let text = below.unwrap_err().to_string();
        assert!(
            text.contains(&format!("mke2fs makes no {kind} below 220 KiB")),
            "{text}"
        );
    }
}

/// `expr $(du -sm ROOT | cut -f1) \* PERCENT / 100`
fn scripts_mebibytes(usage_bytes: u64, percent: u32) -> u64 {
    let whole = usage_bytes / (1 << 20) + u64::from(!usage_bytes.is_multiple_of(1 << 20));
    whole * u64::from(percent) / 100
}

/// Bug: the product was rounded up to MiB, 746 for 697. Found by holding the rule against the
/// scripts that it replaces, which divide as the shell does.
#[test]
fn the_rule_rounds_usage_up_and_the_product_down_as_the_shell_does() {
    for (usage_mebibytes, percent, mebibytes) in [
        (697, 107, 745),
        (400, 107, 428),
        (901, 107, 964),
        (901, 120, 1081),
        (333, 130, 432),
    ] {
        // The last MiB is just begun: one block beside the directory's.
        let demand = demand((usage_mebibytes - 1) * 256, 1000);
        assert_eq!(demand.disk_usage_bytes.div_ceil(1 << 20), usage_mebibytes);
        let sized = choose(SizePolicy::Percent(percent), &demand, ROOM).unwrap();
        assert_eq!(sized.file_bytes, mebibytes << 20, "{usage_mebibytes}");
    }
}

#[test]
fn the_rule_keeps_its_length_where_mke2fs_drops_the_tail_and_the_tree_fits() {
    // 121 MiB times 107 % are 129, and one MiB makes no group.
    let demand = demand(121 * 256 - 1, 10);
    let percent = |percent| choose(SizePolicy::Percent(percent), &demand, ROOM);
    let raised = percent(107).unwrap();
    assert!(raised.note.unwrap().contains("size raised from 129 MiB"));
    let small = Demand {
        data_blocks: 1000,
        ..demand
    };
    let sized = choose(SizePolicy::Percent(107), &small, ROOM).unwrap();
    let sizes = (sized.file_bytes, sized.geometry.blocks);
    assert_eq!(sizes, (129 << 20, 32_768));
    let note = sized.note.unwrap();
    assert!(note.contains("the last 1 MiB of 129 MiB stay unused"));
}

/// Bug: `--size 9000001` made a file with half a sector at its end, which a loop device cuts off.
#[test]
fn an_exact_size_is_rounded_up_to_whole_blocks_and_told() {
    for (given, made) in [
        (9_000_001, 9_003_008),
        ((64 << 20) + 1, (64 << 20) + 4096),
        ((64 << 20) - 1, 64 << 20),
        (64 << 20, 64 << 20),
    ] {
        let sized = exact(given, 100).unwrap();
        assert_eq!(sized.file_bytes, made);
        let told = sized
            .note
            .is_some_and(|note| note.contains(&format!("rounded up from {given} to {made} bytes")));
        assert_eq!(told, given != made, "{given}");
    }
}

#[test]
fn sizes_no_filesystem_can_have_are_known_before_anything_is_read() {
    let check = |text: &str| text.parse::<SizePolicy>().unwrap().check(&Profile::EXT3);
    for (text, words) in [
        ("100", "needed 8388608 bytes or more, given 100 bytes"),
        ("8388607", "given 8388607 bytes"),
        (
            "16T",
            "at most 17592186040320 bytes (16 TiB less one block), found --size 16 TiB",
        ),
        ("17592186040321", "found --size"),
        ("+16T", "found --size +16 TiB, 17592186044416 bytes"),
    ] {
        let error = check(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    for text in [
        "8388608",
        "17592186040320",
        "+17592186040320",
        "+0",
        "1%",
        "fit",
    ] {
        assert!(check(text).is_ok(), "{text}");
    }
    // Known only with the tree: the largest size and no room in it, or more free space than that.
    let free = SizePolicy::FitPlus(ByteSize(17_592_186_040_320));
    let error = choose(free, &demand(100, 10), ROOM).unwrap_err();
    let words = "at most 17592186040320 bytes";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn the_inode_limit_is_on_what_is_needed_and_a_large_filesystem_has_more() {
    let room = |free_inodes| Room {
        free_inodes,
        ..ROOM
    };
    let error = choose(SizePolicy::Fit, &demand(1, 10), room(1 << 28)).unwrap_err();
    let words = "at most 268435456 inodes to be needed, found 268435466";
    assert!(error.to_string().contains(words), "{error}");
    let terabytes = SizePolicy::Exact(ByteSize(15 << 40));
    let sized = choose(terabytes, &demand(1, 10), ROOM).unwrap();
    assert!(sized.geometry.free_inodes > 1 << 28);
}

#[test]
fn an_exact_size_below_need_names_both_numbers() {
    let error = exact(64 << 20, 20_000).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::TooSmall { .. }), "{text}");
    assert!(text.contains("given 67108864 bytes"), "{text}");
    assert!(text.contains("20,000 blocks needed, 15,090 free"), "{text}");
}

#[test]
fn an_exact_size_in_a_journal_step_says_that_a_smaller_one_would_do() {
    // 28,138 blocks are free at 128 MiB, 31,213 one block below.
    let text = exact(128 << 20, 30_000).unwrap_err().to_string();
    let words = "a larger filesystem has a larger journal";
    assert!(text.contains(words), "{text}");
    assert!(exact((128 << 20) - 4096, 30_000).is_ok());
}

#[test]
fn a_dropped_tail_is_told_and_an_exact_file_keeps_its_length() {
    let sized = exact(129 << 20, 100).unwrap();
    let sizes = (sized.file_bytes, sized.geometry.blocks);
    assert_eq!(sizes, (129 << 20, 32_768));
    assert!(sized.note.unwrap().contains("1 MiB"));
}

#[test]
fn policies_are_read_as_they_are_shown() {
    for (text, policy) in [
        ("107%", SizePolicy::Percent(107)),
        ("fit", SizePolicy::Fit),
        ("+64M", SizePolicy::FitPlus(ByteSize(64 << 20))),
        ("900M", SizePolicy::Exact(ByteSize(900 << 20))),
    ] {
        assert_eq!(text.parse(), Ok(policy));
    }
    for wrong in ["0%", "x%", "+", "fitting", "-1", ""] {
        assert!(wrong.parse::<SizePolicy>().is_err(), "{wrong}");
    }
}
