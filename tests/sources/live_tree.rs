//! A directory tree that is in use: by others who may write in it, by the kernel, by the build.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use layerpress::Result;
use layerpress::progress::Silent;
use layerpress::source::{self, Image};
use rustix::fs::{IFlags, ioctl_setflags};

use super::support::oracles::{is_root_with, skip};
use super::support::run::LAYERPRESS;
use super::{assert_says, at, directory, layer_bytes, open, options, run};

fn names(image: &Image) -> Vec<String> {
    let tar = layer_bytes(image, 0);
    tar::Archive::new(&tar[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect()
}

fn warnings(image: &Image) -> String {
    image.warnings.lines().collect::<Vec<_>>().join("\n")
}

/// Opens a tree in which a filesystem image is to be made.
fn open_beside(root: &Path, output: &Path) -> Result<Image> {
    let options = source::OpenOptions {
        held_against: Some(output.to_owned()),
        ..options(Some("linux/amd64"))
    };
    let reference = format!("rootfs:{}", root.display()).parse()?;
    source::open(&source::Place::of(&reference)?, &options, &Silent)
}

/// Whether this process has a file open.
fn has_open(path: &Path) -> bool {
    let fds = fs::read_dir("/proc/self/fd").unwrap().flatten();
    fds.filter_map(|fd| fs::read_link(fd.path()).ok())
        .any(|open| open == path)
}

/// Bug: root pressed a tree of another user, who put a symbolic link in a directory's place while a
/// large file in it was read; what came next was read through the link, by its path.
/// Found by attacking it: the names in a directory are now looked up in the open directory.
#[test]
fn a_directory_swapped_for_a_link_while_it_is_read_does_not_lead_out_of_the_tree() {
    let (_guard, path) = directory();
    let path = fs::canonicalize(path).unwrap();
    let (tree, secret) = (path.join("tree"), path.join("secret"));
    fs::create_dir_all(tree.join("sub/zz-below")).unwrap();
    fs::create_dir_all(secret.join("zz-below")).unwrap();
    for (name, text) in [("zz-shadow", "own"), ("zz-below/file", "own")] {
        fs::write(tree.join("sub").join(name), text).unwrap();
        fs::write(secret.join(name), "secret").unwrap();
    }
    let large = tree.join("sub/aa-large");
    fs::write(&large, vec![b'x'; 96 << 20]).unwrap();
    let is_over = AtomicBool::new(false);
    let (image, swapped) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !has_open(&large) {
                if is_over.load(Ordering::Relaxed) {
                    return false;
                }
            }
            fs::rename(tree.join("sub"), path.join("away")).unwrap();
            symlink(&secret, tree.join("sub")).unwrap();
            true
        });
        let image = open(&format!("rootfs:{}", tree.display()));
        is_over.store(true, Ordering::Relaxed);
        (image, other.join().unwrap())
    });
    assert!(swapped, "nobody saw the large file open");
    let tar = layer_bytes(&image.unwrap(), 0);
    assert!(!tar.windows(6).any(|bytes| bytes == b"secret"));
    assert!(tar.windows(3).any(|bytes| bytes == b"own"));
}

/// Bug: with the proc of a chroot still mounted, the build ended at a file of this machine's kernel;
/// devtmpfs would have brought its disks along. A file mounted alone, as the host's resolv.conf is,
/// was packed without a word. Found in other image builders' reports.
#[test]
fn what_the_kernel_mounts_in_a_chroot_is_left_out_and_named_and_other_mounts_are_packed() {
    struct Mounted(PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    if !is_root_with(&["mount", "umount"]) {
        return;
    }
    let (_guard, path) = directory();
    let mut mounted = Vec::new();
    for (name, kind) in [
        ("proc", "proc"),
        ("sys", "sysfs"),
        ("dev", "devtmpfs"),
        ("run", "tmpfs"),
    ] {
        fs::create_dir(path.join(name)).unwrap();
        run("mount", &["-t", kind, kind, &at(&path, name)]);
        mounted.push(Mounted(path.join(name)));
    }
    fs::write(path.join("run/file"), "x").unwrap();
    // The host's own directory, of the same filesystem.
    let (_other, other) = directory();
    fs::write(other.join("own"), "x").unwrap();
    fs::create_dir(path.join("home")).unwrap();
    run(
        "mount",
        &["--bind", other.to_str().unwrap(), &at(&path, "home")],
    );
    mounted.push(Mounted(path.join("home")));
    // A device that is mounted alone is a device, a made-up file is nothing.
    fs::create_dir(path.join("etc")).unwrap();
    // A file of the host over one's own is told as a directory is.
    let own = at(&other, "own");
    for (name, from) in [
        ("null", "/dev/null"),
        ("cpuinfo", "/proc/cpuinfo"),
        ("resolv.conf", own.as_str()),
    ] {
        fs::write(path.join("etc").join(name), "").unwrap();
        run("mount", &["--bind", from, &at(&path.join("etc"), name)]);
        mounted.push(Mounted(path.join("etc").join(name)));
    }
    let image = open(&format!("rootfs:{}", path.display())).unwrap();
    let expected = [
        "./",
        "dev/",
        "etc/",
        "etc/null",
        "etc/resolv.conf",
        "home/",
        "home/own",
        "proc/",
        "run/",
        "run/file",
        "sys/",
    ];
    assert_eq!(names(&image), expected);
    assert_says(
        &warnings(&image),
        &[
            "left out, an empty directory standing for each: dev (devtmpfs), proc (proc), sys (sysfs)",
            "packed with it: etc/null (devtmpfs), etc/resolv.conf (",
            "home (",
            "run (tmpfs)",
            "etc/cpuinfo",
        ],
    );
}

/// Bug: a second build to an output inside the tree packed the first one's image.
#[test]
fn the_output_and_what_stands_beside_it_is_no_part_of_the_tree_it_lies_in() {
    let (_guard, path) = directory();
    fs::create_dir(path.join("out")).unwrap();
    for name in [
        "file",
        "root.img",
        "out/root.img",
        "out/root.img.sha256",
        "out/.root.img.12-3.partial",
        "out/other.img",
    ] {
        fs::write(path.join(name), "x").unwrap();
    }
    let image = open_beside(&path, &path.join("out/root.img")).unwrap();
    let expected = ["./", "file", "out/", "out/other.img", "root.img"];
    assert_eq!(names(&image), expected);
    assert_says(
        &warnings(&image),
        &["the output lies in the tree", "3 entries"],
    );
    // By another way to the same directory, and where there is nothing yet.
    symlink("out", path.join("way")).unwrap();
    let image = open_beside(&path, &path.join("way/other.img")).unwrap();
    assert!(!names(&image).contains(&"out/other.img".to_owned()));
    let image = open_beside(&path, &path.join("nowhere/other.img")).unwrap();
    assert_eq!(warnings(&image), "");
}

/// Bug: flags that chattr sets were lost without a word.
#[test]
fn file_flags_are_counted_with_their_names() {
    let (_guard, path) = directory();
    for name in ["a", "b"] {
        let file = fs::File::create(path.join(name)).unwrap();
        if ioctl_setflags(&file, IFlags::NODUMP).is_err() {
            return skip(&format!("no file flags in {}", path.display()));
        }
    }
    let image = open(path.to_str().unwrap()).unwrap();
    assert_says(
        &warnings(&image),
        &["flags", "--file-flags", "2 entries, for example a (nodump)"],
    );
}

/// Bug: trees are staged in what `mktemp -d` makes, and nobody but root could use the filesystem.
#[test]
fn a_root_that_only_its_owner_can_enter_is_kept_and_told() {
    let (_guard, path) = directory();
    let said = |mode: u32| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let reference = format!("rootfs:{}", path.display());
        let output = crate::support::run::without_defaults(LAYERPRESS)
            .args(["plan", &reference])
            .output()
            .unwrap();
        assert!(output.status.success());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
        String::from_utf8(output.stderr).unwrap()
    };
    assert_says(&said(0o700), &["warning:", "root directory", "mode 0700"]);
    assert_says(&said(0o750), &["mode 0750"]);
    for open in [0o755, 0o711] {
        assert!(!said(open).contains("root directory"));
    }
}

/// Bug: fuse-overlayfs says that a file has one name until its second name has been looked up, and
/// hard links became files of their own.
#[test]
fn hard_links_survive_a_filesystem_that_does_not_count_them() {
    if !is_root_with(&["fuse-overlayfs", "umount"]) {
        return;
    }
    if !Path::new("/dev/fuse").exists() {
        return skip("there is no /dev/fuse");
    }
    let (_guard, path) = directory();
    for name in ["lower/z", "upper", "work", "merged"] {
        fs::create_dir_all(path.join(name)).unwrap();
    }
    fs::write(path.join("lower/a"), "x").unwrap();
    fs::write(path.join("lower/twin"), "x").unwrap();
    for name in ["b", "z/c"] {
        fs::hard_link(path.join("lower/a"), path.join("lower").join(name)).unwrap();
    }
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        at(&path, "lower"),
        at(&path, "upper"),
        at(&path, "work")
    );
    run("fuse-overlayfs", &["-o", &layers, &at(&path, "merged")]);
    let image = open(&at(&path, "merged"));
    run("umount", &[&at(&path, "merged")]);
    let tar = layer_bytes(&image.unwrap(), 0);
    let links: Vec<_> = tar::Archive::new(&tar[..])
        .entries()
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let link = entry.link_name().unwrap()?.display().to_string();
            Some((entry.path().unwrap().display().to_string(), link))
        })
        .collect();
    let expected = [("b", "a"), ("z/c", "a")].map(|(name, to)| (name.to_owned(), to.to_owned()));
    assert_eq!(links, expected);
}
