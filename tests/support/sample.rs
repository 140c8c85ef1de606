//! One directory with everything in it, as a tree and as the image mke2fs makes of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use layerpress::ext::{VerifyReport, verify};
use layerpress::layers::Contents;
use layerpress::progress::Silent;
use layerpress::tree::{Node, NodeId, Tree};
use layerpress::units::Timestamp;

use super::directory_tree::{id_of, nodes_of, tree_of};
use super::oracles;

/// A directory, the tree it stands for, and the image mke2fs made of it.
pub struct Sample {
    /// Holds the directory `root` and the image.
    pub directory: tempfile::TempDir,
    /// Of `root`.
    pub tree: Tree,
    /// Of `root`.
    pub contents: Contents,
}

impl Sample {
    /// The image's path.
    pub fn image(&self) -> PathBuf {
        self.directory.path().join("image.img")
    }

    /// An image held against the tree.
    pub fn verify(&self, image: &Path) -> VerifyReport {
        let debugfs = oracles::required("debugfs");
        verify(image, &self.tree, &self.contents, &debugfs, &Silent).unwrap()
    }

    /// A copy of the image, for damaging.
    pub fn copy(&self) -> PathBuf {
        let copy = self.directory.path().join("damaged.img");
        oracles::succeed(
            "cp",
            [
                OsStr::new("--sparse=always"),
                self.image().as_os_str(),
                copy.as_os_str(),
            ],
        );
        copy
    }
}

/// Lets mke2fs make an image of a directory, of 4 KiB blocks.
pub fn make_image(directory: &Path, image: &Path, kind: &str, size: &str) {
    make_image_with(&["-t", kind, "-T", "default"], directory, image, size);
}

/// Lets mke2fs make an image of a directory. `-r 0` among the options is told newer ones, too, who have
/// it as `-E revision=0`.
pub fn make_image_with(options: &[&str], directory: &Path, image: &Path, size: &str) {
    let old = ["-r", "0"];
    let is_renamed = options.windows(2).any(|pair| pair == old) && {
        let asked = Command::new(oracles::required("mke2fs")).args(old).output();
        String::from_utf8_lossy(&asked.unwrap().stderr).contains("-r option has been removed")
    };
    let spelled = options.iter().map(|&option| match option {
        "-r" if is_renamed => "-E",
        "0" if is_renamed => "revision=0",
        _ => option,
    });
    let options = ["-q", "-F"].into_iter().chain(spelled).map(OsStr::new);
    let image = [image.as_os_str(), OsStr::new(size)];
    let arguments = options
        .chain([OsStr::new("-d"), directory.as_os_str()])
        .chain(image);
    oracles::succeed("mke2fs", arguments);
}

/// Bytes that differ from block to block, none of them zero.
pub fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| ((index / 4096 + index) % 251 + 1) as u8)
        .collect()
}

/// Everything that needs no privilege.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("etc/deep/er")).unwrap();
    for (name, length) in [
        ("empty", 0),
        ("one", 1),
        ("block", 4096),
        ("block+1", 4097),
        ("direct", 12 * 4096),
        ("indirect", 13 * 4096 + 5),
        ("double", (12 + 1024 + 3) * 4096),
    ] {
        fs::write(root.join(name), bytes(length)).unwrap();
    }
    fs::set_permissions(root.join("one"), PermissionsExt::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("etc"), PermissionsExt::from_mode(0o1777)).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"stray\xff\xfe\\x")), b"bytes").unwrap();
    fs::write(
        root.join("line\nbreak of 14\ndebugfs: stat <12>\n"),
        b"line",
    )
    .unwrap();
    fs::write(root.join(" spaces  "), b"spaces").unwrap();
    fs::write(root.join("etc/deep/er/linked"), b"linked").unwrap();
    fs::hard_link(root.join("etc/deep/er/linked"), root.join("etc/also")).unwrap();
    fs::hard_link(root.join("etc/deep/er/linked"), root.join("another")).unwrap();
    fs::write(root.join("etc/lonely"), b"linked").unwrap();
    symlink("one", root.join("short")).unwrap();
    symlink("a\"\nLinks: 9", root.join("odd target")).unwrap();
    symlink("t".repeat(59), root.join("longest-fast")).unwrap();
    symlink("t".repeat(60), root.join("shortest-slow")).unwrap();
    symlink("to/".repeat(600), root.join("slow")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    sparse.write_all_at(b"somewhere", 5 << 30).unwrap();
    let hole_first = File::create(root.join("hole-first")).unwrap();
    hole_first.write_all_at(b"after", 100 * 4096).unwrap();
}

/// What only root can make.
fn fill_as_root(root: &Path) {
    let at = |name: &str| root.join(name).into_os_string();
    oracles::succeed("mknod", [at("null"), "c".into(), "1".into(), "3".into()]);
    oracles::succeed(
        "mknod",
        [at("big-device"), "b".into(), "300".into(), "70000".into()],
    );
    oracles::succeed("mkfifo", [at("etc/fifo")]);
    oracles::succeed("chown", ["70000:4294967294".into(), at("block")]);
    oracles::succeed("setcap", ["cap_net_raw+ep".into(), at("direct")]);
    oracles::succeed(
        "setfacl",
        ["-m".into(), "u:1000:rw,g:5:r".into(), at("indirect")],
    );
    oracles::succeed(
        "setfacl",
        [
            "-d".into(),
            "-m".into(),
            "u:1000:rwx".into(),
            at("etc/deep"),
        ],
    );
    for (name, xattr, value) in [
        ("direct", "user.text", &b"plain \"text\" = (5)\\"[..]),
        ("direct", "user.binary", &[0, 255, 10, 13, 98]),
        ("direct", "user.none", b""),
        ("direct", "trusted.longer", &[7; 500]),
        ("etc", "user.name (3) = \"x\"", b"odd"),
        ("etc/deep", "user.quote\"d and spaced", &[b'q'; 60]),
        ("null", "trusted.device", b"d"),
    ] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(root.join(name), xattr, value, flags).unwrap();
    }
}

/// A sample with everything in it, times beyond what ext4-view reads among them; `None` where
/// this machine cannot make it.
pub fn sample() -> Option<Sample> {
    if !oracles::is_root() {
        oracles::skip("only root makes devices, owners and trusted attributes");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    fill(&root);
    fill_as_root(&root);
    let image = directory.path().join("image.img");
    make_image(&root, &image, "ext3", "160M");
    let (mut nodes, contents) = nodes_of(&root);
    settle_root(&image, &mut nodes);
    set_times(&image, &mut nodes);
    oracles::e2fsck_clean(&image);
    Some(Sample {
        directory,
        tree: tree_of(nodes),
        contents,
    })
}

/// Makes the root of an image and of its tree root's, of one time, whoever ran mke2fs and when.
pub fn settle_root(image: &Path, nodes: &mut [Node]) {
    let root = &mut nodes[0].attributes;
    (root.uid, root.gid, root.mode) = (0, 0, 0o755);
    set_time(image, nodes, "", Timestamp::from_seconds(1_700_000_000));
}

fn set_time(image: &Path, nodes: &mut [Node], path: &str, time: Timestamp) {
    let id = match path {
        "" => NodeId::ROOT,
        _ => id_of(nodes, path),
    };
    nodes[id.index()].attributes.mtime = time;
    let low = time.seconds as u32;
    let epoch = (time.seconds - i64::from(low as i32)) >> 32;
    let extra = u64::from(time.nanoseconds) << 2 | epoch as u64;
    oracles::debugfs_write(
        image,
        &[
            &format!("set_inode_field /{path} mtime @0x{low:x}"),
            &format!("set_inode_field /{path} mtime_extra 0x{extra:x}"),
        ],
    );
}

/// Gives some inodes times that mke2fs cannot, in the image and in the tree.
fn set_times(image: &Path, nodes: &mut [Node]) {
    let time = |seconds, nanoseconds| Timestamp {
        seconds,
        nanoseconds,
    };
    for (path, time) in [
        ("block", time(2_208_988_800, 7)),
        ("empty", time(-315_619_200, 999_999_999)),
        ("one", time(10_737_418_239, 0)),
        ("double", time(-2_147_483_648, 1)),
        // A directory that ext4-view cannot list: what is below it is debugfs's alone.
        ("etc/deep", time(2_208_988_800, 0)),
    ] {
        set_time(image, nodes, path, time);
    }
}
