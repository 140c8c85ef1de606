//! What is built: trees on both sides of every limit of the filesystem's structures, an image of
//! layers, and the bundled one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::support::archive::{Compression, TestImage};
use super::support::oracles::{is_root, skip};
use super::support::rootfs::{
    Item, Rootfs, What, bytes, directory, file, link, mostly_zeros, sparse, symlink, zeros,
};
use super::support::tarball::{tar_bytes, write_tar};

/// The image of layers with whiteouts, which every source can give.
pub const IMAGE: &str = "layers";

/// The directory tree, which only root can make.
pub const DIRECTORY: &str = "directory-tree";

const BLOCK: u64 = 4096;

/// `TRANSPORT:PATH`.
pub fn reference_of(transport: &str, path: &Path) -> OsString {
    let mut reference = OsString::from(transport);
    reference.push(path);
    reference
}

/// Writes all inputs; their references by name.
pub fn write(at: &Path) -> BTreeMap<String, OsString> {
    let mut inputs = BTreeMap::new();
    let mut reference = |name: &str, transport: &str, path: &Path| {
        inputs.insert(name.to_owned(), reference_of(transport, path));
    };
    for (name, rootfs) in [
        ("nothing", Rootfs::default()),
        ("file-lengths", file_lengths()),
        ("block-maps", block_maps()),
        ("names-and-kinds", names_and_kinds()),
        ("attributes", attributes()),
        ("directories", directories()),
        ("root-of-many", root_of_many()),
        ("own-lost-found", own_lost_found()),
        ("90-mebibytes", large(90)),
        ("130-mebibytes", large(130)),
    ] {
        let tar = at.join(format!("{name}.tar"));
        write_tar(&rootfs, &tar);
        reference(name, "rootfs:", &tar);
    }
    image(Compression::None)
        .layout("1")
        .write_directory(&at.join(IMAGE));
    reference(IMAGE, "oci:", &at.join(IMAGE));
    TestImage::new([])
        .layout("1")
        .write_directory(&at.join("no-layers"));
    reference("no-layers", "oci:", &at.join("no-layers"));
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/busybox.tar");
    reference("busybox", "docker-archive:", &fixture);
    if is_root() {
        directory_tree(&at.join(DIRECTORY));
        reference(DIRECTORY, "rootfs:", &at.join(DIRECTORY));
    } else {
        skip("only root makes a directory tree of root's");
    }
    inputs
}

/// Around a block, and around the end of the direct blocks and of the first indirect one.
fn file_lengths() -> Rootfs {
    let around = [11, 12, 13, 1035, 1036, 1037].map(|blocks| blocks * BLOCK);
    let lengths = around.into_iter().flat_map(|end| [end - 1, end]);
    let small = [0, 1, 4095, 4096, 4097];
    let lengths = small.into_iter().chain(lengths);
    Rootfs::of(lengths.map(|length| file(format!("{length:08}"), bytes(length as usize))))
}

/// Data around the edges of every level of the block map, and holes over parts and all of it.
fn block_maps() -> Rootfs {
    const SINGLE: u64 = 12 + 1024;
    const DOUBLE: u64 = SINGLE + 1024 * 1024;
    let block = bytes(4096);
    let at = |blocks: u64| (blocks * BLOCK, &block[..]);
    let mut items = Vec::new();
    for (name, edge) in [("direct", 12), ("single", SINGLE), ("double", DOUBLE)] {
        for blocks in [edge - 1, edge, edge + 1] {
            let last_two = [at(blocks - 2), at(blocks - 1)];
            items.push(sparse(
                format!("{name}-{blocks}"),
                blocks * BLOCK,
                &last_two,
            ));
        }
    }
    let triple = DOUBLE + 1024 * 1024;
    items.extend([
        sparse(
            "all-levels",
            (DOUBLE + 1) * BLOCK,
            &[0, 11, 12, SINGLE - 1, SINGLE, DOUBLE - 1, DOUBLE].map(at),
        ),
        sparse(
            "second-child-of-the-triple",
            (triple + 1) * BLOCK,
            &[at(triple - 1), at(triple)],
        ),
        sparse("tail", 100 * BLOCK + 5, &[at(0), at(20)]),
        sparse("nothing", 1 << 40, &[]),
        sparse("inside-a-block", 20_000, &[(10, b"a"), (12_300, b"c")]),
        sparse("up-to-its-end", 12_345, &[(8345, &block[..4000])]),
        sparse("zeros-in-an-extent", 1 << 20, &[(65_536, &[0; 16_384])]),
        mostly_zeros("zeros-but-one", 3 << 20, &[(1 << 20, b"x")]),
    ]);
    Rootfs::of(items)
}

/// Symbolic links, long and odd names, further names of every kind, devices, owners, modes, times.
fn names_and_kinds() -> Rootfs {
    let mut items = vec![
        directory("")
            .mode(0o701)
            .owner(3, 4)
            .mtime(1_600_000_000, 1),
        directory("names"),
        file(format!("names/{}", "n".repeat(255)), *b"255"),
        file(b"names/\xff\xfe stray".as_slice(), *b"stray"),
        file("names/größe 日本語", *b"utf-8"),
        file("names/line\nbreak \\ \"quoted\"", *b"line"),
        symlink("odd", b"\xff\x01 \n\\\""),
        Item::new("fifo", What::Fifo).mode(0o600),
        Item::new("null", What::Character(1, 3)).mode(0o666),
        Item::new("large-character", What::Character(4095, 1_048_575)),
        Item::new("block", What::Block(8, 0)).owner(0, 6),
        Item::new("large-block", What::Block(256, 256)),
        file("setuid", *b"x").mode(0o4755),
        file("setgid", *b"x").mode(0o2755),
        directory("sticky").mode(0o1777),
        file("nobody", *b"x").mode(0),
        file("large-ids", *b"x").owner(65_536, 4_294_967_294),
        directory("large-ids-directory").owner(70_000, 65_535),
    ];
    let lengths = [1, 59, 60, 61, 255, 4095];
    items.extend(lengths.map(|length| symlink(format!("to-{length}"), "t".repeat(length))));
    for (name, seconds, nanoseconds) in [
        ("epoch", 0, 0),
        ("nanoseconds", 1_700_000_000, 999_999_999),
        ("before-1970", -1, 5),
        ("first", -(1 << 31), 0),
        ("2038", 1 << 31, 7),
        ("2106", 1 << 32, 1),
        ("last", 10_737_418_239, 0),
    ] {
        items.push(file(format!("time-{name}"), *b"t").mtime(seconds, nanoseconds));
    }
    items.push(directory("time-directory").mtime(-315_619_200, 3));
    items.push(symlink("time-symlink", "x").mtime(2_208_988_800, 9));
    items.push(directory("further"));
    for name in ["fifo", "null", "block", "setuid", "to-59", "to-60"] {
        items.push(link(format!("further/{name}"), name));
        items.push(link(format!("further/{name}-again"), name));
    }
    Rootfs::of(items)
}

/// A POSIX ACL as `setxattr` takes it: tag, permissions and ID.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&permissions.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    acl
}

/// An ACL that names so many users.
fn acl_of(users: u32) -> Vec<u8> {
    let mut entries = vec![(1, 7, u32::MAX)];
    entries.extend((0..users).map(|user| (2, 5, 1000 + user)));
    entries.extend([(4, 5, u32::MAX), (8, 7, 70_000)]);
    entries.extend([(16, 5, u32::MAX), (32, 5, u32::MAX)]);
    acl(&entries)
}

/// In the inode, in a block, in both, in blocks that are shared; the kernel's own kinds.
fn attributes() -> Rootfs {
    // `setcap cap_net_raw+ep`
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let selinux = b"system_u:object_r:bin_t:s0\0";
    let plain_acl = acl(&[(1, 7, u32::MAX), (4, 5, u32::MAX), (32, 5, u32::MAX)]);
    let mut items = vec![
        file("inode-88", *b"").xattr("user.a", [7; 68]),
        file("block-89", *b"").xattr("user.a", [7; 69]),
        file("both", *b"")
            .xattr("user.a", [1; 68])
            .xattr("user.b", bytes(4040)),
        file("empty-value", *b"").xattr("user.none", b""),
        file("long-name", *b"").xattr(format!("user.{}", "n".repeat(250)), "v"),
        file("ping", *b"x").xattr("security.capability", capability),
        file("labelled", *b"x")
            .xattr("security.capability", capability)
            .xattr("security.selinux", selinux),
        symlink("symlink", "ping").xattr("security.selinux", selinux),
        symlink("long-symlink", "t".repeat(100)).xattr("trusted.large", bytes(500)),
        Item::new("fifo", What::Fifo).xattr("security.selinux", selinux),
        Item::new("null", What::Character(1, 3)).xattr("trusted.own", "t"),
        file("access", *b"")
            .mode(0o664)
            .xattr("system.posix_acl_access", acl_of(1)),
        directory("default").xattr("system.posix_acl_default", &plain_acl),
        directory("large-acls")
            .xattr("system.posix_acl_access", acl_of(200))
            .xattr("system.posix_acl_default", acl_of(200))
            .xattr("user.a", "beside"),
    ];
    let names = [
        "user.a",
        "user.aa",
        "user.z",
        "user.ab",
        "user.Z",
        "user.é",
        "trusted.b",
        "security.a",
    ];
    let many = names.iter().zip(1_u8..);
    items.push(many.fold(file("many", *b""), |item, (name, index)| {
        item.xattr(name, vec![index; 100])
    }));
    // One more than may share a block.
    items.extend(
        (0..1025).map(|index| file(format!("shared-{index}"), *b"").xattr("user.shared", [2; 300])),
    );
    Rootfs::of(items)
}

/// A directory of so many names of so many bytes, all of one file.
fn full(path: &str, count: usize, length: usize) -> impl Iterator<Item = Item> {
    let target = format!("{path}-file");
    let ends = [directory(path), file(&target, *b"linked")];
    let names = (0..count).map(move |index| link(format!("{path}/{index:0>length$}"), &target));
    ends.into_iter().chain(names)
}

/// One block and two, indexes of one level and of two, subdirectories.
fn directories() -> Rootfs {
    let mut items = vec![directory("empty")];
    for (path, count, length) in [
        ("one", 1, 8),
        ("one-full-block", 254, 8),
        ("two-blocks", 255, 8),
        ("one-leaf", 256, 8),
        ("two-leaves", 257, 8),
        ("indexed", 6_000, 24),
        // 16 names fill a leaf: one leaf more than the root of the index holds.
        ("two-levels", 508 * 16 + 1, 248),
    ] {
        items.extend(full(path, count, length));
    }
    items.push(directory("subdirectories"));
    items.extend((0..300).map(|index| directory(format!("subdirectories/{index}"))));
    let deep = (1..60).map(|depth| directory(vec!["d"; depth].join("/")));
    Rootfs::of(items.into_iter().chain(deep))
}

/// The root itself with an index.
fn root_of_many() -> Rootfs {
    Rootfs::of((0..3000).map(|index| file(format!("{index:0>12}"), *b"x")))
}

/// The image's own `lost+found`, larger than mke2fs's.
fn own_lost_found() -> Rootfs {
    let own = directory("lost+found").mode(0o755).owner(7, 8);
    let names = (0..600).map(|index| file(format!("lost+found/{index:0>24}"), bytes(10)));
    let own = own.xattr("user.kept", "yes");
    Rootfs::of(std::iter::once(own).chain(names))
}

/// Zeros that are no hole, between files: up to a group of blocks, and beyond it.
fn large(mebibytes: u64) -> Rootfs {
    Rootfs::of([
        file("before", bytes(10_000)),
        zeros("zeros", mebibytes << 20),
        zeros("zeros-behind", 2 << 20),
        file("behind", bytes(10_000)),
    ])
}

/// Three layers with whiteouts, an opaque directory, implied parents, replaced files.
fn layers() -> Vec<Vec<u8>> {
    let many = (0..900).map(|index| file(format!("many/größe {index}"), bytes(index)));
    let base = [
        directory("etc").owner(5, 6),
        file("etc/passwd", *b"root:x:0:0").mtime(-1, 5),
        directory("bin"),
        file("bin/tool", bytes(300_000)).xattr("user.large", bytes(900)),
        link("bin/other", "bin/tool"),
        file("bin/same", bytes(7)).xattr("user.large", bytes(900)),
        symlink("lib", "usr/lib"),
        // No sparse member, which docker saves otherwise than it was loaded.
        mostly_zeros("zeros", 1 << 21, &[(1 << 20, &bytes(5000))]),
        Item::new("null", What::Character(1, 3)),
        directory("cache"),
        file("cache/hidden", bytes(50_000)),
        directory("many"),
    ];
    let middle = [
        file("etc/passwd", *b"root:x:0:0:changed"),
        file("many/.wh.größe 5", *b""),
        file("new/implied/parents", *b"new"),
        directory("cache").mode(0o700),
        file("cache/.wh..wh..opq", *b""),
        file("cache/kept", *b"kept"),
    ];
    let top = [
        file(".wh.null", *b""),
        file("lib", *b"no link any more"),
        file("bin/.wh.other", *b""),
        file("bin/tool", bytes(200_000)).mode(0o755),
    ];
    let base = Rootfs::of(base.into_iter().chain(many));
    let layers = [base, Rootfs::of(middle), Rootfs::of(top)];
    layers.iter().map(tar_bytes).collect()
}

/// The image [`IMAGE`], its layers stored so.
pub fn image(compression: Compression) -> TestImage {
    TestImage {
        compression,
        ..TestImage::new(layers())
    }
}

/// A small tree on the disk with times and modes of its own.
fn directory_tree(at: &Path) {
    fs::create_dir_all(at.join("etc/deep")).unwrap();
    fs::write(at.join("etc/plain"), bytes(5000)).unwrap();
    fs::write(at.join("etc/empty"), b"").unwrap();
    fs::hard_link(at.join("etc/plain"), at.join("etc/deep/again")).unwrap();
    std::os::unix::fs::symlink("etc/plain", at.join("link")).unwrap();
    let holes = File::create(at.join("holes")).unwrap();
    holes.set_len(8 << 20).unwrap();
    holes.write_all_at(&bytes(1 << 20), 4 << 20).unwrap();
    drop(holes);
    for (path, mode) in [
        ("etc/plain", 0o4751),
        ("etc/empty", 0o600),
        ("holes", 0o644),
        ("etc/deep", 0o1777),
        ("etc", 0o755),
        ("", 0o750),
    ] {
        let path = at.join(path);
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let opened = File::open(&path).unwrap();
        opened
            .set_times(FileTimes::new().set_modified(time))
            .unwrap();
    }
    let time = Timespec {
        tv_sec: 1_600_000_000,
        tv_nsec: 5,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, at.join("link"), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
