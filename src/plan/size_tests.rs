use super::*;
use proptest::prelude::*;

fn demand(blocks: u64, inodes: u32) -> Demand {
    Demand {
        data_blocks: blocks,
        directory_blocks: 1,
        preallocated_blocks: 1,
        indirect_blocks: 0,
        symlink_blocks: 0,
        xattr_blocks: 0,
        inodes,
        content_bytes: blocks * BLOCK_SIZE,
        disk_usage_bytes: (blocks + 1) * BLOCK_SIZE,
    }
}

const ROOM: Room = Room {
    free_inodes: 0,
    journal: JournalSize::Auto,
};

#[test]
fn journal_sizes_change_right_after_their_ends() {
    for end in journal_size_ends().filter(|&end| end < u32::MAX) {
        assert_ne!(
            default_journal_blocks(end),
            default_journal_blocks(end + 1),
            "{end}"
        );
    }
    let changes = (11..32)
        .filter(|&power| {
            default_journal_blocks((1 << power) - 1) != default_journal_blocks(1 << power)
        })
        .count();
    // The first change, from no journal at all, is below the smallest filesystem.
    assert_eq!(changes, journal_size_ends().count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Trying every size from the smallest on is the definition; the search must not miss any.
    #[test]
    fn fit_is_the_first_size_that_fits(blocks in 0_u64..60_000, inodes in 0_u32..70_000) {
        let demand = demand(blocks, inodes);
        let found = choose(SizePolicy::Fit, &demand, ROOM).unwrap();
        let search = Search { demand: &demand, room: ROOM };
        let first = (MIN_BLOCKS..)
            .find(|&size| {
                search.fitting(size, 0).is_some_and(|geometry| geometry.is_whole(search.request(size)))
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
    fn the_rule_is_kept_or_raised_and_always_fits(blocks in 0_u64..400_000, inodes in 0_u32..100_000) {
        let demand = demand(blocks, inodes);
        let sized = choose(SizePolicy::default(), &demand, ROOM).unwrap();
        let usage_mebibytes = demand.disk_usage_bytes.div_ceil(1 << 20);
        let rule = (usage_mebibytes * 107).div_ceil(100) << 20;
        prop_assert!(sized.file_bytes >= rule);
        prop_assert_eq!(sized.raised.is_some(), sized.file_bytes > rule);
        prop_assert!(u64::from(sized.geometry.free_blocks) >= blocks);
        prop_assert!(sized.geometry.free_inodes >= inodes);
    }
}

#[test]
fn an_exact_size_below_need_names_both_numbers() {
    let error = choose(
        SizePolicy::Exact(ByteSize(64 << 20)),
        &demand(20_000, 10),
        ROOM,
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::TooSmall { .. }), "{text}");
    assert!(text.contains("given 67108864 bytes"), "{text}");
    assert!(text.contains("20000 blocks needed, 15090 free"), "{text}");
}

#[test]
fn an_exact_size_in_a_journal_step_says_that_a_smaller_one_would_do() {
    // 28,138 blocks are free at 128 MiB, 31,213 one block below.
    let error = choose(
        SizePolicy::Exact(ByteSize(128 << 20)),
        &demand(30_000, 10),
        ROOM,
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("a larger filesystem has a larger journal"),
        "{text}"
    );
    let smaller = SizePolicy::Exact(ByteSize((128 << 20) - 4096));
    assert!(choose(smaller, &demand(30_000, 10), ROOM).is_ok());
}

#[test]
fn a_dropped_tail_is_told_and_an_exact_file_keeps_its_length() {
    let sized = choose(
        SizePolicy::Exact(ByteSize(129 << 20)),
        &demand(100, 10),
        ROOM,
    )
    .unwrap();
    assert_eq!(
        (sized.file_bytes, sized.geometry.blocks),
        (129 << 20, 32_768)
    );
    assert!(sized.raised.unwrap().contains("1 MiB"));
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
