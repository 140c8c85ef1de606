//! Who has which place, by earlier filesystems that are made up.
#![allow(clippy::single_range_in_vec_init)] // one run is what is meant

use std::ops::Range;

use layerpress::ext::{Earlier, EarlierNode, Kind, Layout, Plan, SizePolicy};
use layerpress::ondisk::inode::FileType;
use layerpress::tree::{NodeId, Tree};
use layerpress::units::{BlockNumber, ByteSize, InodeNumber};

use super::support::press::{Wanted, plan_like, tree_of};
use super::support::rootfs::{Item, Rootfs, bytes, directory, file, link};

/// Blocks and inodes of a filesystem that mke2fs makes by itself, and whose first free blocks are
/// taken by the tree where it lies like nothing.
const BLOCKS: u32 = 25_000;
const INODES: u32 = 6256;
const JOURNAL_BLOCKS: u32 = 1024;

fn regular(inode: u32, data: &[Range<u32>], maps: &[Range<u32>]) -> EarlierNode {
    EarlierNode {
        data: data.to_vec(),
        maps: maps.to_vec(),
        ..EarlierNode::new(inode, FileType::Regular)
    }
}

/// A root with these children, and all other nodes behind it.
fn earlier(kind: Kind, children: &[(&str, u32)], nodes: Vec<EarlierNode>) -> Earlier {
    let mut root = EarlierNode::new(2, FileType::Directory);
    let children = children.iter();
    root.children = children
        .map(|(name, place)| (name.as_bytes().into(), *place))
        .collect();
    let nodes = std::iter::once(root).chain(nodes).collect();
    Earlier {
        journal_blocks: match kind {
            Kind::Ext2 => 0,
            _ => JOURNAL_BLOCKS,
        },
        reserved_descriptor_blocks: match kind {
            Kind::Ext4 => 12,
            _ => 6,
        },
        ..Earlier::new(kind, BLOCKS, INODES, nodes)
    }
}

struct Planned {
    tree: Tree,
    plan: Plan,
}

impl Planned {
    fn of(items: impl IntoIterator<Item = Item>, earlier: Earlier) -> Self {
        let wanted = Wanted::kind(earlier.kind);
        let items = std::iter::once(directory("")).chain(items);
        let (tree, _) = tree_of(&Rootfs::of(items)).unwrap();
        let plan = plan_like(&tree, wanted, Some(earlier)).unwrap();
        assert_eq!(plan.likeness.as_ref().unwrap().layout, Layout::Kept);
        Self { tree, plan }
    }

    fn id(&self, name: &str) -> NodeId {
        let found = self.tree.root().children.iter();
        let mut found = found.filter(|(child, _)| **child == *name.as_bytes());
        found.next().unwrap().1
    }

    fn inode(&self, name: &str) -> u32 {
        self.plan.numbers.of(self.id(name)).0
    }

    fn data(&self, name: &str) -> &[Range<u32>] {
        let placement = self.plan.placement.as_ref().unwrap();
        placement.kept_data(self.id(name))
    }

    fn maps(&self, name: &str) -> &[Range<u32>] {
        let placement = self.plan.placement.as_ref().unwrap();
        placement.kept_maps(self.id(name))
    }
}

const KINDS: [Kind; 3] = [Kind::Ext2, Kind::Ext3, Kind::Ext4];

#[test]
fn as_many_blocks_stay_and_any_other_number_does_not_while_the_inode_stays_either_way() {
    for kind in KINDS {
        let items = [
            file("a", bytes(3 * 4096)),
            file("b", bytes(2 * 4096)),
            file("c", bytes(4096)),
        ];
        let nodes = vec![
            regular(500, &[20_000..20_002, 19_000..19_001], &[]),
            regular(77, &[20_010..20_013], &[]),
        ];
        let planned = Planned::of(items, earlier(kind, &[("a", 1), ("b", 2)], nodes));
        assert_eq!(planned.data("a"), [20_000..20_002, 19_000..19_001]);
        assert_eq!((planned.data("b"), planned.data("c")), (&[][..], &[][..]));
        let inodes = ["a", "b", "c"].map(|name| planned.inode(name));
        assert_eq!(inodes, [500, 77, InodeNumber::FIRST_FREE.0]);
    }
}

#[test]
fn the_first_path_in_order_has_what_two_claim_and_new_inodes_fill_what_is_left() {
    for kind in KINDS {
        let items = ["a", "b", "c", "d", "e"].map(|name| file(name, bytes(2 * 4096)));
        let nodes = vec![
            regular(13, &[20_000..20_002], &[]),
            regular(13, &[20_001..20_003], &[]),
            // Twice the same block, and more than there are.
            regular(14, &[20_005..20_006, 20_005..20_006], &[]),
            regular(INODES + 1, &[BLOCKS - 1..BLOCKS + 1], &[]),
            // A table's.
            regular(11, &[0..2], &[]),
        ];
        let children = [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)];
        let planned = Planned::of(items, earlier(kind, &children, nodes));
        assert_eq!(planned.data("a"), [20_000..20_002]);
        for name in ["b", "c", "d", "e"] {
            assert_eq!(planned.data(name), [], "{name}");
        }
        let inodes = ["a", "b", "c", "d", "e"].map(|name| planned.inode(name));
        assert_eq!(inodes, [13, 12, 14, 15, 16]);
    }
}

#[test]
fn indirect_blocks_stay_as_far_as_needed_and_extents_only_with_what_they_map() {
    let maps = [21_000..21_002, 21_010..21_020];
    // A block of pointers, one of pointers to such, and two more: 12 + 1024 + 1024 + 1 blocks.
    let items = || [file("a", bytes(2061 * 4096)), file("b", bytes(4096))];
    let node = |data| regular(12, &[data], &maps);
    for data in [5000..5000 + 2061, 5000..5000 + 2000] {
        let planned = Planned::of(items(), earlier(Kind::Ext2, &[("a", 1)], vec![node(data)]));
        assert_eq!(planned.maps("a"), [21_000..21_002, 21_010..21_012]);
    }
    // Five extents.
    let cut: Vec<_> = (0..5)
        .map(|index| 20_000 + 2 * index..20_001 + 2 * index)
        .collect();
    let items = || [file("a", bytes(5 * 4096))];
    let five = vec![regular(12, &cut, &maps)];
    let planned = Planned::of(items(), earlier(Kind::Ext4, &[("a", 1)], five));
    assert_eq!(
        (planned.data("a"), planned.maps("a")),
        (&cut[..], &[21_000..21_001][..])
    );
    assert_eq!(planned.plan.demand.map_blocks, 1);
    let six = vec![regular(12, &[20_000..20_006], &maps)];
    let planned = Planned::of(items(), earlier(Kind::Ext4, &[("a", 1)], six));
    assert_eq!((planned.data("a"), planned.maps("a")), (&[][..], &[][..]));
    assert_eq!(planned.plan.demand.map_blocks, 0);
}

#[test]
fn where_extents_need_more_blocks_of_maps_than_are_kept_the_others_are_taken_and_counted() {
    let cut: Vec<_> = (0..700)
        .map(|index| 15_000 + 2 * index..15_001 + 2 * index)
        .collect();
    let node = regular(12, &cut, &[21_000..21_001, 3..4]);
    let earlier = earlier(Kind::Ext4, &[("a", 1)], vec![node]);
    let planned = Planned::of([file("a", bytes(700 * 4096))], earlier);
    // 700 extents are in three leaves.
    assert_eq!(planned.maps("a"), [21_000..21_001]);
    assert_eq!(planned.plan.demand.map_blocks, 3);
    assert_eq!(
        planned.plan.regions().data.end,
        planned.plan.regions().data.start + 2
    );
}

#[test]
fn the_first_of_those_who_share_attributes_and_can_have_their_block_gives_it_to_all() {
    for kind in KINDS {
        let long = [b'v'; 400];
        let items = ["a", "b", "c"].map(|name| file(name, b"").xattr("user.long", long));
        let with = |inode, block| EarlierNode {
            attributes: Some(BlockNumber(block)),
            ..EarlierNode::new(inode, FileType::Regular)
        };
        let nodes = vec![with(12, 0), with(13, 20_000)];
        let children = [("b", 1), ("c", 2)];
        let planned = Planned::of(items, earlier(kind, &children, nodes));
        let placement = planned.plan.placement.as_ref().unwrap();
        assert_eq!(placement.attributes, [Some(BlockNumber(20_000))]);
        assert_eq!(planned.plan.regions().attributes.clone().count(), 0);
    }
}

#[test]
fn a_hard_link_has_the_place_of_its_first_name_that_was_there() {
    for kind in KINDS {
        let items = [file("a", bytes(4096)), link("z", "a")];
        let nodes = vec![regular(99, &[20_000..20_001], &[])];
        let planned = Planned::of(items, earlier(kind, &[("z", 1)], nodes));
        assert_eq!(planned.data("a"), [20_000..20_001]);
        assert_eq!((planned.inode("a"), planned.inode("z")), (99, 99));
    }
}

#[test]
fn files_in_more_runs_than_a_fresh_layout_gives_are_counted_as_split() {
    for kind in KINDS {
        let items = [file("a", bytes(4 * 4096)), file("b", bytes(4 * 4096))];
        let nodes = vec![regular(12, &[20_000..20_002, 20_004..20_006], &[])];
        let planned = Planned::of(items, earlier(kind, &[("a", 1)], nodes));
        let figures = planned.plan.likeness.as_ref().unwrap().figures;
        assert_eq!(figures.split_files, 1);
        assert_eq!((figures.runs, figures.fresh_runs), (3, 2));
        assert_eq!((figures.kept.inodes, figures.new.inodes), (1, 1));
        // The root is of as many blocks as it was not.
        assert_eq!((figures.moved.inodes, figures.resized_inodes), (1, 1));
    }
}

/// A tree with a file that lies in 340 pieces, a block between any two, in an earlier filesystem of
/// another size; and with one that finds its room between these.
fn a_file_in_many_pieces() -> (Tree, Earlier) {
    let cut: Vec<_> = (0..340)
        .map(|index| 3000 + 2 * index..3001 + 2 * index)
        .collect();
    let items = [
        directory(""),
        file("a", bytes(340 * 4096)),
        file("b", bytes(4000 * 4096)),
    ];
    let (tree, _) = tree_of(&Rootfs::of(items)).unwrap();
    let of_another_size = Earlier {
        blocks: 1,
        ..earlier(Kind::Ext4, &[("a", 1)], vec![regular(12, &cut, &[])])
    };
    (tree, of_another_size)
}

#[test]
fn the_smallest_size_has_room_for_the_maps_that_kept_places_cut_others_into() {
    let (tree, of_another_size) = a_file_in_many_pieces();
    let wanted = Wanted {
        size: SizePolicy::Fit,
        ..Wanted::kind(Kind::Ext4)
    };
    let fresh = plan_like(&tree, wanted, None).unwrap();
    let plan = plan_like(&tree, wanted, Some(of_another_size)).unwrap();
    assert_eq!(plan.likeness.unwrap().figures.kept.blocks, 340);
    let needed = plan.demand.blocks() - fresh.demand.blocks();
    let larger = plan.sized.geometry.blocks - fresh.sized.geometry.blocks;
    assert!(
        needed > 1 && larger > 0 && larger <= 16,
        "{needed} {larger}"
    );
}

#[test]
fn an_exact_size_without_room_for_more_maps_keeps_nothing_and_holds_the_tree() {
    let (tree, of_another_size) = a_file_in_many_pieces();
    let sized_by = |size| Wanted {
        size,
        ..Wanted::kind(Kind::Ext4)
    };
    let fresh = plan_like(&tree, sized_by(SizePolicy::Fit), None).unwrap();
    let exact = SizePolicy::Exact(ByteSize(fresh.sized.file_bytes));
    let plan = plan_like(&tree, sized_by(exact), Some(of_another_size)).unwrap();
    assert!(plan.placement.is_none());
    assert_eq!(plan.sized.file_bytes, fresh.sized.file_bytes);
    let figures = plan.likeness.unwrap().figures;
    assert_eq!((figures.kept.blocks, figures.new.inodes), (0, 3));
    assert_eq!(figures.new.blocks, fresh.demand.blocks());
}
