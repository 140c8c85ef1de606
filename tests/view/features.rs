//! Every set of features that e2fsprogs makes is read as the kernel reads it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use layerpress::view::{Follow, View};

use super::support::oracles::{self, Mounted, directory_listing, kernel_listing};
use super::support::sample::{bytes, make_image_with};
use super::{assert_same, extract_to, fill, fill_as_root, layerpress, said, succeed, whole};

/// What mke2fs is told. Where the kernel may be unable to mount it, the last is true.
const SETS: [(&str, &str, bool); 34] = [
    ("ext2 of revision 0", "-t ext2 -r 0 -b 1024", false),
    ("ext2 without file types", "-t ext2 -O ^filetype", false),
    (
        "ext2 with all backups",
        "-t ext2 -b 1024 -O ^sparse_super,^resize_inode",
        false,
    ),
    ("ext2 of the Hurd", "-t ext2 -b 4096 -I 128 -o linux", false),
    ("ext3", "-t ext3 -b 1024", false),
    ("ext4", "-t ext4", false),
    ("small inodes", "-t ext4 -I 128", false),
    ("large inodes", "-t ext4 -b 4096 -I 4096 -N 2048", false),
    ("no extents", "-t ext4 -O ^extent,^64bit,^flex_bg", false),
    ("32 bit", "-t ext4 -O ^64bit", false),
    ("uninit_bg", "-t ext4 -O ^metadata_csum,uninit_bg", false),
    ("no checksums", "-t ext4 -O ^metadata_csum", false),
    ("metadata_csum_seed", "-t ext4 -O metadata_csum_seed", false),
    ("meta_bg", "-t ext4 -O meta_bg,^resize_inode", false),
    (
        "meta_bg of 1 KiB",
        "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode",
        false,
    ),
    ("sparse_super2", "-t ext4 -b 1024 -O sparse_super2", false),
    (
        "meta_bg and sparse_super2",
        "-t ext4 -b 1024 -g 1024 -O meta_bg,sparse_super2,^resize_inode",
        false,
    ),
    ("bigalloc", "-t ext4 -b 4096 -O bigalloc -N 4096", false),
    (
        "bigalloc of 1 KiB",
        "-t ext4 -b 1024 -O bigalloc -C 16384 -N 4096",
        false,
    ),
    (
        "bigalloc as mke2fs chooses",
        "-t ext4 -O bigalloc -N 4096",
        false,
    ),
    (
        "bigalloc of 1 KiB with meta_bg",
        "-t ext4 -b 1024 -O bigalloc,meta_bg,^resize_inode -C 8192 -N 4096",
        false,
    ),
    ("inline_data", "-t ext4 -O inline_data", false),
    (
        "inline_data in large inodes",
        "-t ext4 -b 4096 -I 1024 -N 4096 -O inline_data",
        false,
    ),
    ("ea_inode", "-t ext4 -O ea_inode", false),
    ("large_dir", "-t ext4 -O large_dir", false),
    ("mmp", "-t ext4 -O mmp", false),
    ("quota and project", "-t ext4 -O quota,project", true),
    ("casefold", "-t ext4 -O casefold", true),
    ("encrypt", "-t ext4 -O encrypt", true),
    ("verity", "-t ext4 -O verity", true),
    ("orphan_file", "-t ext4 -O orphan_file", true),
    ("fast_commit", "-t ext4 -O fast_commit", true),
    ("stable_inodes", "-t ext4 -O stable_inodes", false),
    ("blocks of 64 KiB", "-t ext4 -b 65536 -N 4096", true),
];

fn make(options: &str, root: &Path, image: &Path) {
    let _ = fs::remove_file(image);
    let options: Vec<_> = options.split(' ').collect();
    make_image_with(&options, root, image, "64M");
    // Of these mke2fs takes the time itself.
    let at = "mtime @1700000000";
    let times = ["/", "/lost+found"].map(|path| format!("set_inode_field {path} {at}"));
    // With inline data mke2fs forgets the hole at its end.
    let size = "set_inode_field /sparse size 6442450944";
    oracles::debugfs_write(image, &[&times[0], &times[1], size]);
}

/// Whether the kernel here mounts an image.
fn kernel_mounts(image: &Path) -> bool {
    let at = tempfile::tempdir().unwrap();
    let arguments = [
        OsStr::new("-o"),
        OsStr::new("loop,ro"),
        image.as_os_str(),
        at.path().as_os_str(),
    ];
    let mounted = oracles::run("mount", arguments).status.success();
    if mounted {
        oracles::succeed("umount", [at.path()]);
    }
    mounted
}

/// Bug: bigalloc with blocks of 1 KiB, which mke2fs chooses by itself below 512 MiB, was refused.
/// Cause: the group descriptors were looked for behind the first data block, which is 0 there, and
/// not behind the superblock. Found by walking the feature sets of e2fsprogs.
#[test]
fn every_feature_set_of_mke2fs_shows_the_tree_that_it_was_made_of() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = directory.path().join("image");
    make("-t ext4", &root, &image);
    let debugfs = oracles::required("debugfs");
    let names = layerpress::ext::check::read_through_debugfs(
        &image,
        &debugfs,
        10_000,
        &layerpress::progress::Silent,
    )
    .unwrap();
    let expected = names.view(&mut |_, _| true).unwrap().listing;
    for (what, options, _) in SETS {
        make(options, &root, &image);
        assert_same(what, &expected, &whole(&image));
    }
}

#[test]
fn every_feature_set_is_listed_printed_and_extracted_as_the_kernel_shows_it() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    fill_as_root(&root);
    let image = directory.path().join("image");
    let target = directory.path().join("target");
    let mut held = 0;
    for (what, options, may_be_refused) in SETS {
        make(options, &root, &image);
        if may_be_refused && !kernel_mounts(&image) {
            // Nothing that could be installed would change that; `held` says how many must be.
            eprintln!("{what}: this kernel does not mount it");
            continue;
        }
        let expected = kernel_listing(&image);
        assert_same(what, &expected, &whole(&image));
        extract_to(&image, &target);
        assert_same(what, &expected, &directory_listing(&target));
        fs::remove_dir_all(&target).unwrap();
        let image = image.as_os_str();
        let listed = succeed(&[OsStr::new("ls"), OsStr::new("-A"), image]);
        let mounted = Mounted::read_only(Path::new(image));
        let shown = oracles::succeed("ls", [OsStr::new("-A"), mounted.mount_point().as_os_str()]);
        let sorted = |text: &[u8]| {
            let mut lines: Vec<_> = text
                .split(|&byte| byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            lines.sort();
            lines
        };
        // ls quotes what would act on a terminal.
        let quoted = String::from_utf8_lossy(&listed).contains("'line'$'\\n''break'");
        assert!(quoted, "{what}");
        let lines = listed.split(|&byte| byte == b'\n');
        let rest: Vec<_> = lines.filter(|line| !line.starts_with(b"'line'")).collect();
        let lines = shown.split(|&byte| byte == b'\n');
        let expected: Vec<_> = lines
            .filter(|line| ![&b"line"[..], b"break"].contains(line))
            .collect();
        assert_eq!(
            sorted(&rest.join(&b'\n')),
            sorted(&expected.join(&b'\n')),
            "{what}"
        );
        let printed = succeed(&[OsStr::new("cat"), image, OsStr::new("double")]);
        assert!(printed == fs::read(mounted.mount_point().join("double")).unwrap());
        held += 1;
    }
    assert!(held >= 26, "only {held} sets were mounted");
}

/// An image whose file `other` has the blocks of `big`, as deduplicated ones of Android have.
fn with_shared_blocks(directory: &Path) -> PathBuf {
    let root = directory.join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("big"), bytes(6 << 20)).unwrap();
    fs::write(root.join("other"), b"x").unwrap();
    fs::write(root.join("third"), b"x").unwrap();
    let image = directory.join("image");
    let options = "-t ext4 -b 4096 -O ^metadata_csum,^64bit,^flex_bg,^has_journal";
    let options: Vec<_> = options.split(' ').collect();
    make_image_with(&options, &root, &image, "8M");
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let place = |name: &str| {
        let told = oracles::debugfs(&image, &[&format!("imap /{name}")]);
        let (block, offset) = told
            .split_once("located at block ")
            .and_then(|(_, rest)| rest.split_once(", offset "))
            .unwrap();
        let offset = offset.split_whitespace().next().unwrap();
        let offset = u64::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
        block.parse::<u64>().unwrap() * 4096 + offset
    };
    let mut inode = [0; 256];
    file.read_exact_at(&mut inode, place("big")).unwrap();
    file.write_all_at(&inode, place("other")).unwrap();
    file.write_all_at(&inode, place("third")).unwrap();
    image
}

/// Bug: images with shared_blocks were refused where the files together are larger than the
/// filesystem. Cause: the budget that keeps inodes over the same blocks from being read for ever
/// knew nothing of a feature that allows them. Found with Android's system images.
#[test]
fn files_that_share_blocks_are_read_where_the_feature_says_so_and_bounded_where_not() {
    let directory = tempfile::tempdir().unwrap();
    let image = with_shared_blocks(directory.path());
    let extract = || {
        let target = directory.path().join("out.tar");
        layerpress(&[
            OsStr::new("extract"),
            image.as_os_str(),
            OsStr::new("-o"),
            target.as_os_str(),
        ])
    };
    let output = extract();
    assert_eq!(output.status.code(), Some(4));
    let larger = "the files together are larger than the filesystem";
    let name = image.display();
    assert!(
        said(&output).contains(&format!("error: {name}: ")),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains(larger), "{}", said(&output));
    let view = View::open(&image).unwrap();
    let seen = view.listing_of_at_most(u64::MAX, &mut |_, _| true).unwrap();
    let told: Vec<_> = seen
        .problems
        .iter()
        .map(|problem| problem.error.to_string())
        .collect();
    assert!(
        told.iter()
            .all(|told| told.contains("belong to other files"))
            && told.len() == 2,
        "{told:?}"
    );
    // What looking cost is not more than there is, and a little for each name.
    assert!(
        view.blocks_read() <= 2 * view.blocks() + 100,
        "{}",
        view.blocks_read()
    );

    let file = File::options().read(true).write(true).open(&image).unwrap();
    let at = 1024 + 0x64;
    let mut features = [0; 4];
    file.read_exact_at(&mut features, at).unwrap();
    let features = u32::from_le_bytes(features) | 0x4000;
    file.write_all_at(&features.to_le_bytes(), at).unwrap();
    let output = extract();
    assert!(output.status.success(), "{}", said(&output));
    let printed = succeed(&[OsStr::new("cat"), image.as_os_str(), OsStr::new("third")]);
    assert!(printed == bytes(6 << 20));
    if oracles::is_root() {
        let expected = kernel_listing(&image);
        let differences = layerpress::listing::compare(&expected, &whole(&image));
        assert!(differences.is_empty(), "{}", differences[0]);
    }
}

/// An image with a value of 4096 bytes, too many for a block, in inode 13, made without root.
fn with_a_value_in_an_inode(directory: &Path) -> PathBuf {
    let image = directory.join("image");
    let root = directory.join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), b"x").unwrap();
    // Newer mke2fs gives inode 12 to a file of orphans, unasked.
    let features = "ea_inode,^orphan_file";
    let options = ["-t", "ext4", "-b", "4096", "-O", features];
    make_image_with(&options, &root, &image, "32M");
    let value = directory.join("value");
    fs::write(&value, [b'v'; 4096]).unwrap();
    let set = format!("ea_set -f {} /file user.large", value.display());
    oracles::debugfs_write(&image, &[&set, "ea_set /file user.small s"]);
    let told = oracles::debugfs(&image, &["stat <13>"]);
    assert!(
        told.contains("Flags: 0x280000") && told.contains("Size: 4096"),
        "{told}"
    );
    image
}

/// Bug: `ls --json`, `stat`, `extract` refused what `cat` and `ls -l` read, for a value in an inode
/// of its own. Cause: it was not read at all. Found by trying every command on every feature.
#[test]
fn values_in_inodes_of_their_own_are_read_by_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let image = with_a_value_in_an_inode(directory.path());
    let value = "76".repeat(4096);
    for command in [&["stat", "--json"][..], &["ls", "--json"]] {
        let mut arguments: Vec<_> = command.iter().map(OsStr::new).collect();
        arguments.extend([image.as_os_str(), OsStr::new("/file")]);
        let told = String::from_utf8(succeed(&arguments)).unwrap();
        assert!(
            told.contains(&value) && told.contains("user.small"),
            "{command:?}"
        );
    }
    let tar = succeed(&[OsStr::new("extract"), image.as_os_str(), OsStr::new("-o-")]);
    let record = [&b"SCHILY.xattr.user.large="[..], &[b'v'; 4096]].concat();
    assert!(tar.windows(record.len()).any(|window| window == record));
    // What is no value of an attribute, or not this one's, is none.
    for (damage, text) in [
        ("flags 0x80000", "something else of 4096"),
        ("size 4095", "something else of 4095"),
    ] {
        let copy = directory.path().join("copy");
        fs::copy(&image, &copy).unwrap();
        oracles::debugfs_write(&copy, &[&format!("set_inode_field <13> {damage}")]);
        let output = layerpress(&[OsStr::new("stat"), copy.as_os_str(), OsStr::new("file")]);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        let told = said(&output);
        assert!(told.contains("user.large") && told.contains(text), "{told}");
    }
    // Any number of names may share one value: what is read of it has a bound.
    let view = View::open(&image).unwrap();
    let file = view.lookup(b"file", Follow::Never).unwrap();
    let read = (0..100_000)
        .take_while(|_| view.xattrs(&file.node).is_ok())
        .count();
    assert!((60_000..70_000).contains(&read), "{read}");
}

#[test]
fn values_that_the_kernel_put_into_inodes_are_read_as_it_reads_them() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let image = with_a_value_in_an_inode(directory.path());
    let mounted = Mounted::read_write(&image);
    let flags = rustix::fs::XattrFlags::empty();
    for (name, length) in [
        ("one", 5000),
        ("two", 9000),
        ("three", 9000),
        ("four", 65536),
    ] {
        let path = mounted.mount_point().join(name);
        fs::write(&path, name).unwrap();
        for attribute in ["user.large", "trusted.large"] {
            rustix::fs::setxattr(&path, attribute, &vec![b'v'; length], flags).unwrap();
        }
    }
    drop(mounted);
    let expected = kernel_listing(&image);
    let differences = layerpress::listing::compare(&expected, &whole(&image));
    assert!(differences.is_empty(), "{}", differences[0]);
}

/// Bug: `ls` called a compressed image one without a magic number, and `mount` said "found none".
/// Cause: only `build` and `inspect` looked at other marks. Found with images as they are shipped.
#[test]
fn every_command_says_what_it_was_given_instead_of_a_filesystem() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let mut disk = vec![0; 8192];
    disk[450] = 0x83;
    disk[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    disk[510..512].copy_from_slice(b"\x55\xaa");
    let files = [
        (
            at("disk", &disk),
            "MBR partition table whose one partition holds no ext filesystem",
        ),
        (at("squash", b"hsqs"), "squashfs"),
        (at("empty", b""), "an empty file"),
    ];
    let point = directory.path().join("m");
    let out = directory.path().join("out");
    for (file, text) in &files {
        let file = file.to_str().unwrap();
        for command in [
            &["ls", file][..],
            &["cat", file, "/a"],
            &["stat", file, "/"],
            &["extract", file, "-o", out.to_str().unwrap()],
            &["mount", file, point.to_str().unwrap()],
            &["verify", file, "oci:nowhere"],
        ] {
            let arguments: Vec<_> = command.iter().map(OsStr::new).collect();
            let output = layerpress(&arguments);
            let told = said(&output);
            assert_eq!(output.status.code(), Some(4), "{command:?}: {told}");
            assert!(told.contains(text), "{command:?}: {told}");
            assert!(!out.exists() && !point.exists());
        }
    }
}
