//! Root filesystems of anything there can be in one, at random.

use std::collections::{BTreeMap, BTreeSet};

use layerpress::ondisk::inode::{EARLIEST_SECOND, LATEST_SECOND};
use layerpress::units::{FileFlags, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

use super::rootfs::{Bytes, Item, MTIME, Rootfs, What, directory};

/// Root filesystems of so many items at most, those that fill directories not counted.
pub fn rootfs(items: usize) -> impl Strategy<Value = Rootfs> {
    prop::collection::vec(drafts(), 0..items).prop_map(of_drafts)
}

/// The same with times and attributes that no ext can hold, and the last ones that it can.
pub fn beyond(items: usize) -> impl Strategy<Value = Rootfs> {
    let seconds = prop::sample::select(vec![
        i64::MIN / 2,
        EARLIEST_SECOND - 1,
        EARLIEST_SECOND,
        LATEST_SECOND,
        LATEST_SECOND + 1,
        12_884_901_888,
        i64::MAX / 2,
    ]);
    let xattr = prop::sample::select(vec![
        b"btrfs.compression".to_vec(),
        b"system.nfs4_acl".to_vec(),
        b"user.of-all".to_vec(),
        b"user.".iter().copied().chain([b'n'; 250]).collect(),
        b"user.".iter().copied().chain([b'n'; 251]).collect(),
        b"trusted.".iter().copied().chain([b'n'; 247]).collect(),
    ]);
    let change = (any::<Index>(), seconds, 0..1_000_000_000_u32, xattr);
    let changes = prop::collection::vec(change, 1..10);
    (rootfs(items), changes).prop_map(|(mut rootfs, changes)| {
        for (index, seconds, nanoseconds, xattr) in changes {
            let index = index.index(rootfs.items.len());
            let item = &mut rootfs.items[index];
            if !matches!(item.what, What::Link(_)) {
                item.mtime = Timestamp {
                    seconds,
                    nanoseconds,
                };
                item.xattrs.insert(xattr, b"value".to_vec());
            }
        }
        rootfs
    })
}

/// What a random item is before its place in the tree is known.
#[derive(Debug, Clone)]
enum Kind {
    Is(What),
    /// A further name of some file met before.
    LinkTo(Index),
    /// A directory with so many names of so many bytes in it.
    Full(usize, usize),
}

#[derive(Debug, Clone)]
struct Draft {
    parent: Index,
    name: Vec<u8>,
    kind: Kind,
    mode: u16,
    owner: (u32, u32),
    mtime: (i64, u32),
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    flags: FileFlags,
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no name has it", |byte| !b"/\0".contains(byte));
    prop_oneof![
        8 => prop::collection::vec(prop::sample::select(&b"ab.-_ \\\"\n\xc3\xa4\xff"[..]), 1..12),
        2 => prop::collection::vec(byte, 1..40),
        1 => (200..=255_usize).prop_map(|length| vec![b'n'; length]),
        1 => Just(b"lost+found".to_vec()),
    ]
}

/// Ascending pieces, apart from each other, and a size behind them.
fn sparse() -> impl Strategy<Value = Bytes> {
    let gap = prop_oneof![
        0..20_000_u64,
        (0..3_000_000_u64),
        (0..6_u64).prop_map(|times| times << 32)
    ];
    let piece = (gap.clone(), 1..20_000_usize, any::<u8>());
    (prop::collection::vec(piece, 0..5), gap).prop_map(|(pieces, tail)| {
        let mut offset = 0;
        let mut written = Vec::new();
        for (gap, length, byte) in pieces {
            written.push((offset + gap, vec![byte; length]));
            offset += gap + length as u64;
        }
        Bytes::Sparse(offset + tail, written)
    })
}

fn kinds() -> impl Strategy<Value = Kind> {
    let length =
        prop_oneof![4 => 0..9000_usize, 1 => 40_000..60_000_usize, 1 => 4_190_000..4_300_000_usize];
    let dense = (length, any::<u8>()).prop_map(|(length, byte)| {
        Bytes::Dense((0..length).map(|at| byte ^ (at / 100) as u8).collect())
    });
    let target = prop::collection::vec(1..=255_u8, 1..70);
    let long = (60..=4095_usize).prop_map(|length| vec![b't'; length]);
    let device = (0..4096_u32, 0..(1_u32 << 20));
    let is = prop_oneof![
        6 => dense.prop_map(What::File),
        2 => sparse().prop_map(What::File),
        1 => (0..30_000_000_u64).prop_map(|size| What::File(Bytes::Zeros(size, Vec::new()))),
        5 => Just(What::Directory),
        2 => target.prop_map(What::Symlink),
        1 => long.prop_map(What::Symlink),
        1 => device.clone().prop_map(|(major, minor)| What::Character(major, minor)),
        1 => device.prop_map(|(major, minor)| What::Block(major, minor)),
        1 => Just(What::Fifo),
    ];
    prop_oneof![
        18 => is.prop_map(Kind::Is),
        4 => any::<Index>().prop_map(Kind::LinkTo),
        1 => (0..700_usize, 6..255_usize).prop_map(|(count, length)| Kind::Full(count, length)),
    ]
}

/// Few names and few values, so that equal blocks are met.
fn xattrs() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    const NAMES: [&str; 6] = [
        "user.a",
        "user.b",
        "user.bb",
        "user.é",
        "trusted.x",
        "security.own",
    ];
    const LENGTHS: [usize; 8] = [0, 1, 24, 25, 68, 69, 300, 700];
    let name = prop::sample::select(&NAMES[..]).prop_map(|name| name.as_bytes().to_vec());
    let value =
        (prop::sample::select(&LENGTHS[..]), 0..2_u8).prop_map(|(length, byte)| vec![byte; length]);
    prop_oneof![
        3 => Just(BTreeMap::new()),
        2 => prop::collection::btree_map(name, value, 0..5),
    ]
}

fn drafts() -> impl Strategy<Value = Draft> {
    let ids = prop_oneof![Just(0), 0..70_000_u32, 0..u32::MAX];
    let seconds = prop_oneof![Just(MTIME.seconds), EARLIEST_SECOND..=LATEST_SECOND];
    let attributes = (
        0..=0o7777_u16,
        ids.clone(),
        ids,
        seconds,
        0..1_000_000_000_u32,
    );
    let flags = prop_oneof![3 => Just(0), 2 => any::<u32>()].prop_map(FileFlags::of_inode);
    let attributes = (attributes, flags);
    (any::<Index>(), names(), kinds(), attributes, xattrs()).prop_map(
        |(parent, name, kind, ((mode, uid, gid, seconds, nanoseconds), flags), xattrs)| Draft {
            parent,
            name,
            kind,
            mode,
            owner: (uid, gid),
            mtime: (seconds, nanoseconds),
            xattrs,
            flags,
        },
    )
}

/// Puts each draft into some directory made before it; names that are taken are left out.
fn of_drafts(drafts: Vec<Draft>) -> Rootfs {
    let mut directories = vec![Vec::new()];
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut taken = BTreeSet::new();
    let mut items = vec![directory("")];
    for draft in drafts {
        let parent = draft.parent.get(&directories);
        let mut path = parent.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&draft.name);
        let is_dot = matches!(&draft.name[..], b"." | b"..");
        let is_lost_found = path == b"lost+found";
        let mut what = match draft.kind.clone() {
            Kind::Is(What::Symlink(target)) if target.contains(&0) => continue,
            Kind::Is(what) => what,
            Kind::LinkTo(index) if !files.is_empty() => What::Link(index.get(&files).clone()),
            Kind::LinkTo(_) => continue,
            Kind::Full(..) => What::Directory,
        };
        if is_lost_found {
            what = What::Directory;
        }
        if is_dot || path.len() > 3000 || !taken.insert(path.clone()) {
            continue;
        }
        let mut item = Item::new(&path, what)
            .owner(draft.owner.0, draft.owner.1)
            .mtime(draft.mtime.0, draft.mtime.1);
        item.xattrs = draft.xattrs;
        // What ext keeps on each type.
        item.file_flags = FileFlags::of_inode(match &item.what {
            What::Directory => 0x3_c0ff,
            What::File(_) => 0xc0ff,
            What::Link(_) => 0,
            _ => 0xc0,
        }) & draft.flags;
        match &item.what {
            What::Symlink(_) => item.xattrs.retain(|name, _| !name.starts_with(b"user.")),
            What::Fifo | What::Character(..) | What::Block(..) => {
                item.xattrs.retain(|name, _| !name.starts_with(b"user."));
                item.mode = draft.mode;
            }
            What::Link(_) => item.xattrs.clear(),
            _ => item.mode = draft.mode,
        }
        match item.what {
            What::Directory => directories.push(path.clone()),
            What::Link(_) => {}
            _ => files.push(path.clone()),
        }
        items.push(item);
        if let Kind::Full(count, length) = draft.kind {
            for index in 0..count {
                let name = format!("/{index:0>length$}");
                let path = [&path[..], name.as_bytes()].concat();
                taken.insert(path.clone());
                items.push(Item::new(path, What::File(Bytes::Dense(Vec::new()))));
            }
        }
    }
    Rootfs::of(items)
}
