//! What an earlier filesystem may claim, and nothing but fewer kept places comes of it.

use std::ops::Range;

use layerpress::ext::{Earlier, EarlierNode, Kind};
use layerpress::ondisk::inode::FileType;
use layerpress::units::BlockNumber;
use proptest::prelude::*;

use super::support::press::{Wanted, press_tree_like};
use super::support::rootfs::{Rootfs, bytes, directory, file, link, symlink};
use super::{figures, kinds};

/// Names that the earlier filesystem has, too.
fn rootfs() -> Rootfs {
    let long = [b'v'; 300];
    Rootfs::of([
        directory(""),
        directory("d"),
        directory("d/d"),
        file("a", bytes(5000)).xattr("user.a", long),
        file("b", bytes(5000)).xattr("user.a", long),
        file("c", bytes(70_000)),
        file("d/a", bytes(5000)),
        file("d/b", bytes(5 << 20)),
        link("d/c", "b"),
        symlink("d/d/a", [b't'; 99]),
        file("d/d/b", bytes(3 * 4096)),
    ])
}

const BLOCKS: u32 = 25_000;

fn runs() -> impl Strategy<Value = Vec<Range<u32>>> {
    let start = prop_oneof![
        6 => 0..BLOCKS + 20,
        3 => 4000..4020_u32,
        1 => any::<u32>(),
    ];
    let length = prop_oneof![8 => 1..4_u32, 3 => 0..20_u32, 1 => Just(1280), 1 => any::<u32>()];
    let run = (start, length, 0..30_u8).prop_map(|(start, length, kind)| match kind {
        0 => start.saturating_add(length)..start,
        _ => start..start.saturating_add(length),
    });
    prop_oneof![
        2 => Just(Vec::new()),
        6 => prop::collection::vec(run.clone(), 1..3),
        1 => prop::collection::vec(run, 1..40),
        1 => Just(vec![u32::MAX - 1..u32::MAX; 3]),
    ]
}

fn node() -> impl Strategy<Value = EarlierNode> {
    let kind = prop::sample::select(vec![
        FileType::Regular,
        FileType::Regular,
        FileType::Directory,
        FileType::Directory,
        FileType::Symlink,
    ]);
    let name = prop::sample::select(vec!["a", "b", "c", "d", "lost+found"]);
    let children = prop::collection::vec((name, 0..14_u32), 0..8);
    let inode = prop_oneof![0..40_u32, any::<u32>()];
    let attributes = prop::option::of(prop_oneof![0..BLOCKS, 4000..4020_u32, any::<u32>()]);
    (
        inode,
        kind,
        runs(),
        runs(),
        attributes,
        children,
        any::<bool>(),
    )
        .prop_map(|(inode, kind, data, maps, attributes, children, sorted)| {
            let children = children.into_iter();
            let mut children: Vec<_> = children
                .map(|(name, place)| (name.as_bytes().into(), place))
                .collect();
            if sorted {
                children.sort();
            }
            EarlierNode {
                data,
                maps,
                attributes: attributes.map(BlockNumber),
                children,
                ..EarlierNode::new(inode, kind)
            }
        })
}

fn earlier(kind: Kind) -> impl Strategy<Value = Earlier> {
    let sizes = prop_oneof![
        3 => Just((BLOCKS, BLOCKS / 4, 1024)),
        1 => (any::<u32>(), any::<u32>(), any::<u32>()),
        1 => (0..BLOCKS, 0..20_000_u32, 0..5000_u32),
    ];
    let nodes = prop::collection::vec(node(), 0..12);
    (sizes, nodes).prop_map(move |((blocks, inodes, journal_blocks), mut nodes)| {
        if let Some(root) = nodes.first_mut() {
            root.kind = FileType::Directory;
        }
        Earlier {
            journal_blocks,
            reserved_descriptor_blocks: 6,
            ..Earlier::new(kind, blocks, inodes, nodes)
        }
    })
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 30;
    }
    config
}

fn any_kind() -> impl Strategy<Value = (Wanted, Earlier)> {
    prop::sample::select(kinds().to_vec()).prop_flat_map(|wanted| {
        let kind = wanted.kind;
        (Just(wanted), earlier(kind))
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_an_earlier_filesystem_claims_the_new_one_is_sound((wanted, earlier) in any_kind()) {
        let pressed = press_tree_like(&rootfs(), wanted, Some(earlier)).unwrap();
        figures(&pressed);
        pressed.checked();
        pressed.read_back();
    }
}

#[test]
fn a_million_runs_and_names_that_lead_to_one_node_cost_no_more_than_to_read_them() {
    let count = 1 << 20;
    let mut root = EarlierNode::new(2, FileType::Directory);
    let mut large = EarlierNode::new(12, FileType::Regular);
    large.data = (0..count).map(|index| 2 * index..2 * index + 1).collect();
    large.maps.clone_from(&large.data);
    let mut items = vec![directory("")];
    // A file that wants as many blocks as those runs have, and many names beside it.
    items.push(super::support::rootfs::zeros("00", u64::from(count) << 12));
    for index in 0..20_000 {
        let name = format!("n{index:05}");
        root.children.push((name.as_bytes().into(), 1));
        items.push(file(name, bytes(1)));
    }
    root.children.insert(0, ((*b"00").into(), 1));
    let earlier = Earlier::new(Kind::Ext2, 1, 1, vec![root, large]);
    let (tree, _) = super::support::press::tree_of(&Rootfs::of(items)).unwrap();
    let wanted = Wanted::kind(Kind::Ext2);
    let plan = super::support::press::plan_like(&tree, wanted, Some(earlier)).unwrap();
    let figures = plan.likeness.unwrap().figures;
    assert_eq!((figures.kept.inodes, figures.moved.inodes), (0, 2));
    assert_eq!(figures.new.inodes, 20_000);
}
