//! Extended attributes: in the inode, in a block, shared, too many; the kernel's own kinds.

use super::assert_refused;
use super::support::oracles::{self, Mounted, is_root, skip, xattrs_of};
use super::support::press::{Pressed, press};
use super::support::rootfs::{Item, Rootfs, What, bytes, directory, file, symlink};

/// `security.capability` of version 2 as `setcap cap_net_raw+ep` writes it.
const CAPABILITY: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;

/// A POSIX ACL as `setxattr` takes it.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&permissions.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    acl
}

fn large_acl(users: u32) -> Vec<u8> {
    let mut entries = vec![(USER_OBJ, 7, u32::MAX)];
    entries.extend((0..users).map(|user| (USER, 5, 1000 + user)));
    entries.extend([
        (GROUP_OBJ, 5, u32::MAX),
        (GROUP, 7, 70_000),
        (MASK, 5, u32::MAX),
        (OTHER, 5, u32::MAX),
    ]);
    acl(&entries)
}

fn has_block(pressed: &Pressed, path: &str) -> bool {
    let stat = pressed.debugfs(&format!("stat {path}"));
    let block = stat
        .split("File ACL: ")
        .nth(1)
        .unwrap_or_else(|| panic!("{stat}"));
    block.split_whitespace().next() != Some("0")
}

#[test]
fn the_inode_holds_88_bytes_of_attributes_and_a_block_the_89th() {
    // 16 and 4 for "a", the rest for the value.
    let pressed = press(&Rootfs::of([
        file("88", *b"").xattr("user.a", [7; 68]),
        file("89", *b"").xattr("user.a", [7; 69]),
        file("88-in-two", *b"")
            .xattr("user.a", [1; 24])
            .xattr("user.b", [2; 24]),
        file("89-in-two", *b"")
            .xattr("user.a", [1; 24])
            .xattr("user.b", [2; 25]),
        directory("d88").xattr("user.a", [7; 68]),
        directory("d89").xattr("user.a", [7; 69]),
    ]))
    .judged();
    for (path, expected) in [
        ("/88", false),
        ("/89", true),
        ("/88-in-two", false),
        ("/89-in-two", true),
        ("/d88", false),
        ("/d89", true),
    ] {
        assert_eq!(has_block(&pressed, path), expected, "{path}");
    }
}

#[test]
fn a_block_takes_4060_bytes_of_attributes_and_no_more() {
    let full = file("full", *b"").xattr("user.a", bytes(4060 - 20));
    let both = file("both", *b"")
        .xattr("user.a", [1; 68])
        .xattr("user.b", bytes(4060 - 20));
    press(&Rootfs::of([full, both])).judged();
    for item in [
        file("over", *b"").xattr("user.a", bytes(4060 - 20 + 1)),
        file("over", *b"")
            .xattr("user.a", [1; 69])
            .xattr("user.b", bytes(4060 - 20 - 92 + 1)),
    ] {
        let rootfs = Rootfs::of([item]);
        assert_refused(&rootfs, &["over: ", "at most 4060 bytes", "found 40"]);
    }
}

/// Bug: names of up to 255 bytes without their prefix were written, as the disk can hold them, and the
/// kernel answers ERANGE when asked for one. Found by reading attributes of a loop mount.
#[test]
fn names_of_255_bytes_with_their_prefix_are_read_by_the_kernel_and_longer_ones_counted() {
    let name =
        |prefix: &str, length: usize| format!("{prefix}{}", "n".repeat(length - prefix.len()));
    let prefixes = ["user.", "trusted.", "security."];
    let with = |length: usize| {
        prefixes.iter().fold(file("long", *b""), |item, prefix| {
            item.xattr(name(prefix, length), "v")
        })
    };
    let pressed = press(&Rootfs::of([with(255)])).judged();
    assert_eq!(pressed.warnings, [""; 0]);
    for length in [256, 260, 264, 300] {
        let mut pressed = press(&Rootfs::of([with(length).xattr("user.kept", "k")]));
        let [warning] = &pressed.warnings[..] else {
            panic!("{:?}", pressed.warnings);
        };
        assert!(warning.contains("more than 255 bytes"), "{warning}");
        assert!(warning.contains("3 entries"), "{warning}");
        pressed.checked();
        pressed.read_back();
        pressed.rootfs = Rootfs::of([file("long", *b"").xattr("user.kept", "k")]);
        pressed.seen_by_the_kernel();
    }
    if !is_root() {
        skip("only root mounts");
        return;
    }
    // The limit is the kernel's: it takes no longer name either.
    let mounted = Mounted::read_write(&pressed.image());
    let file = mounted.mount_point().join("long");
    let flags = rustix::fs::XattrFlags::empty();
    for (length, is_taken) in [(254, true), (256, false)] {
        let set = rustix::fs::lsetxattr(&file, name("user.", length), b"v", flags);
        assert_eq!(set.is_ok(), is_taken, "{length}: {set:?}");
    }
}

/// The kernel gives at most 64 KiB of names (`XATTR_LIST_MAX`) and of a value (`XATTR_SIZE_MAX`). An
/// inode and a block hold less of both, however they are filled.
#[test]
fn as_many_attributes_as_there_is_room_for_are_listed_and_the_longest_value_is_read() {
    let many = (0..207_u8).fold(file("many", *b""), |item, index| {
        item.xattr(
            [
                b"security.",
                &[b'A', b'0' + index / 16, b'A' + index % 16][..],
            ]
            .concat(),
            "",
        )
    });
    let long = file("long", *b"")
        .xattr("user.a", bytes(4040))
        .xattr("user.b", [1; 68]);
    press(&Rootfs::of([many, long])).judged();
    let beyond = Rootfs::of([file("beyond", *b"").xattr("user.a", bytes(65_000))]);
    assert_refused(
        &beyond,
        &[
            "beyond: ",
            "at most 4060 bytes",
            "found 65020",
            "takes 16 bytes",
        ],
    );
    let list = (0..300_u32).fold(file("list", *b""), |item, index| {
        item.xattr(format!("user.{index}-{}", "n".repeat(230)), "")
    });
    assert_refused(&Rootfs::of([list]), &["list: ", "at most 4060 bytes"]);
}

#[test]
fn attributes_are_found_one_by_one_whatever_their_order() {
    // Lengths, namespaces and bytes that sort differently by name, by length and by number.
    let names = [
        "user.a",
        "user.b",
        "user.aa",
        "user.z",
        "user.ab",
        "user.zz",
        "user.abc",
        "user.Z",
        "trusted.a",
        "trusted.b",
        "trusted.zzzz",
        "security.a",
        "security.zz",
        "user.é",
        "user.日本",
    ];
    let long = format!("user.{}", "n".repeat(255 - 5));
    let with = |path: &str, names: &[&str], length: usize| {
        names
            .iter()
            .enumerate()
            .fold(file(path, *b""), |item, (index, name)| {
                item.xattr(name, vec![index as u8 + 1; length])
            })
    };
    press(&Rootfs::of([
        with("in-inode", &["user.b", "user.a", "user.aa", "trusted.a"], 0),
        with("in-inode-values", &["user.b", "user.a", "user.aa"], 8),
        with("in-block", &names, 100),
        with("in-both", &names, 3),
        with("empty-values", &names, 0),
        with("long-name", &[&long, "user.short"], 5),
    ]))
    .judged();
}

#[test]
fn the_kernels_own_attributes_are_what_it_reads() {
    let selinux = b"system_u:object_r:bin_t:s0\0";
    press(&Rootfs::of([
        file("ping", *b"x").xattr("security.capability", CAPABILITY),
        file("labelled", *b"x").xattr("security.selinux", selinux),
        file("both", *b"x")
            .xattr("security.capability", CAPABILITY)
            .xattr("security.selinux", selinux),
        symlink("link", "ping").xattr("security.selinux", selinux),
        Item::new("fifo", What::Fifo).xattr("security.selinux", selinux),
        Item::new("null", What::Character(1, 3)).xattr("trusted.own", "t"),
        symlink("long", "t".repeat(100)).xattr("trusted.large", bytes(500)),
        symlink("short", "t").xattr("trusted.large", bytes(500)),
        Item::new("disk", What::Block(8, 0)).xattr("trusted.large", bytes(500)),
    ]))
    .judged();
}

#[test]
fn acls_with_ids_are_what_the_kernel_reads() {
    let small = acl(&[
        (USER_OBJ, 6, u32::MAX),
        (USER, 6, 1000),
        (USER, 4, 70_000),
        (GROUP_OBJ, 4, u32::MAX),
        (GROUP, 4, 5),
        (MASK, 6, u32::MAX),
        (OTHER, 4, u32::MAX),
    ]);
    let plain = acl(&[
        (USER_OBJ, 7, u32::MAX),
        (GROUP_OBJ, 5, u32::MAX),
        (OTHER, 5, u32::MAX),
    ]);
    press(&Rootfs::of([
        file("access", *b"")
            .mode(0o664)
            .xattr("system.posix_acl_access", &small),
        directory("default").xattr("system.posix_acl_default", &plain),
        directory("both")
            .mode(0o755)
            .xattr("system.posix_acl_access", large_acl(2))
            .xattr("system.posix_acl_default", large_acl(3)),
        directory("large")
            .xattr("system.posix_acl_access", large_acl(200))
            .xattr("system.posix_acl_default", large_acl(200))
            .xattr("user.a", "beside"),
    ]))
    .judged();
}

#[test]
fn what_linux_does_not_keep_on_a_type_is_dropped_and_counted_and_nothing_else() {
    let rootfs = |with: bool| {
        let mut items = vec![
            symlink("link", "x").xattr("trusted.kept", "k"),
            Item::new("fifo", What::Fifo).xattr("trusted.kept", "k"),
            file("file", *b"").xattr("user.kept", "k"),
        ];
        if with {
            items[0] = items[0].clone().xattr("user.dropped", "d");
            items[1] = items[1].clone().xattr("user.dropped", "d");
            items[2] = items[2]
                .clone()
                .xattr("system.posix_acl_default", large_acl(1))
                .xattr("com.apple.quarantine", "d")
                .xattr("system.nfs4_acl", "d");
        }
        Rootfs::of(items)
    };
    let mut pressed = press(&rootfs(true));
    assert_eq!(pressed.warnings.len(), 3, "{:?}", pressed.warnings);
    pressed.checked();
    pressed.read_back();
    pressed.rootfs = rootfs(false);
    pressed.seen_by_the_kernel();
}

#[test]
fn equal_attribute_blocks_are_shared_by_1024_inodes_and_no_more() {
    let sharing = |count: usize, value: u8| {
        (0..count).map(move |index| {
            file(format!("{value}-{index}"), *b"").xattr("user.shared", vec![value; 300])
        })
    };
    let items = sharing(1024, 1)
        .chain(sharing(1025, 2))
        .chain(sharing(1, 3));
    let pressed = press(&Rootfs::of(items)).judged();
    assert_eq!(pressed.plan.demand.xattr_blocks, 1 + 2 + 1);
    if !is_root() {
        skip("only root mounts");
        return;
    }
    // The kernel takes one file after the other out of the share.
    let mounted = Mounted::read_write(&pressed.image());
    for index in 0..100 {
        let at = |name: String| mounted.mount_point().join(name);
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(at(format!("1-{index}")), "user.shared", b"own", flags).unwrap();
        rustix::fs::lremovexattr(at(format!("2-{index}")), "user.shared").unwrap();
        std::fs::remove_file(at(format!("2-{}", index + 500))).unwrap();
    }
    assert_eq!(xattrs_of(&mounted.mount_point().join("2-1024")).len(), 1);
    drop(mounted);
    oracles::e2fsck_clean_after_use(&pressed.image());
}
