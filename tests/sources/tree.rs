//! A directory tree as a root filesystem, with GNU tar and the kernel as judges.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use layerpress::layers::{self, Content, Data, EntryKind, ReadOptions};
use layerpress::limits::Limits;
use layerpress::progress::Silent;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, mknodat};

use super::support::oracles::{is_root, is_root_with, skip};
use super::{assert_says, at, directory, layer_bytes, open, run};

fn tar_of(root: &Path) -> Vec<u8> {
    let image = open(&format!("rootfs:{}", root.display())).unwrap();
    assert!(!image.layers[0].whiteouts);
    layer_bytes(&image, 0)
}

fn touch(path: &Path, date: &str) {
    run("touch", &["-h", "-d", date, path.to_str().unwrap()]);
}

/// A tree with everything a tree can have; what only root can make, only as root.
fn make_tree(root: &Path) {
    let long = "n".repeat(120);
    fs::create_dir_all(root.join("etc").join(&long).join(&long)).unwrap();
    fs::write(root.join("etc/hostname"), "test\n").unwrap();
    fs::write(root.join("etc/empty"), "").unwrap();
    fs::write(root.join("etc").join(&long).join(&long).join("deep"), "d").unwrap();
    fs::write(
        root.join(std::ffi::OsStr::from_bytes(b"not\xffutf-8\n")),
        "x",
    )
    .unwrap();
    fs::write(root.join("large"), vec![42; 700_001]).unwrap();
    fs::hard_link(root.join("large"), root.join("a-link")).unwrap();
    symlink("/nowhere", root.join("dangling")).unwrap();
    symlink("l".repeat(300), root.join("far")).unwrap();
    fs::hard_link(root.join("dangling"), root.join("dangling-too")).unwrap();
    run("mkfifo", &[&at(root, "fifo")]);
    let setuid = fs::Permissions::from_mode(0o6755);
    fs::set_permissions(root.join("etc/hostname"), setuid).unwrap();
    fs::set_permissions(root.join("etc"), fs::Permissions::from_mode(0o1777)).unwrap();
    let none = XattrFlags::empty();
    lsetxattr(root.join("large"), "user.lines", b"a\nb=c\n", none).unwrap();
    lsetxattr(root.join("large"), "user.a", b"", none).unwrap();
    // Bug: such a name was refused, and one that looks like an escaped one became another.
    for name in ["user.x=y", "user.x%3Dy", "user.x%253Dy", "user.100% =%"] {
        lsetxattr(root.join("large"), name, name.as_bytes(), none).unwrap();
    }
    lsetxattr(root.join("etc"), "user.block", &[b'v'; 3000], none).unwrap();
    if is_root() {
        for (name, kind, major, minor) in [
            ("char", FileType::CharacterDevice, 5, 1),
            ("block", FileType::BlockDevice, 259, 0xabcde),
        ] {
            let device = rustix::fs::makedev(major, minor);
            mknodat(
                CWD,
                root.join(name),
                kind,
                Mode::from_raw_mode(0o640),
                device,
            )
            .unwrap();
        }
        std::os::unix::fs::lchown(root.join("far"), Some(70_000), Some(4_000_000_000)).unwrap();
        let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        lsetxattr(root.join("large"), "security.capability", capability, none).unwrap();
        lsetxattr(root.join("dangling"), "trusted.x", b"y", none).unwrap();
    } else {
        skip("not root: a tree without devices and owners");
    }
    touch(&root.join("far"), "1969-12-31 23:59:58.25 UTC");
    touch(&root.join("large"), "2024-01-02 03:04:05.123456789 UTC");
    touch(&root.join("fifo"), "2200-01-01 00:00:00 UTC");
    touch(&root.join("etc"), "2020-01-01 00:00:00 UTC");
    touch(root, "2021-01-01 00:00:00.5 UTC");
}

/// Everything the kernel tells of a tree but what no tar keeps.
fn listing(root: &Path) -> String {
    // A directory's size is its filesystem's business.
    let script = r"set -e
        find . -type d -printf '%y %m %U:%G %T@ %P\0' | sort -z
        find . ! -type d -printf '%y %m %U:%G %T@ %s %l %n %P\0' | sort -z
        find . \( -type c -o -type b \) -exec stat -c '%n %t:%T' {} + | sort
        find . ! -type d -links +1 -printf '%i %P\n' | sort -k2 |
            awk '{ if (!($1 in n)) n[$1] = ++k; print n[$1] }'
        find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex
        find . -type f -print0 | sort -z | xargs -0 sha256sum";
    let output = Command::new("sh")
        .args(["-c", script])
        .env("LC_ALL", "C")
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).replace('\0', "\n")
}

#[test]
fn a_tree_comes_back_from_its_tar_as_gnu_tar_and_the_kernel_see_it() {
    if !is_root_with(&["tar", "getfattr"]) {
        return;
    }
    let (_guard, path) = directory();
    let (root, back) = (path.join("root"), path.join("back"));
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(&back).unwrap();
    make_tree(&root);
    let tar = at(&path, "root.tar");
    fs::write(&tar, tar_of(&root)).unwrap();
    let to = back.to_str().unwrap();
    run(
        "tar",
        &[
            "-C",
            to,
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
            "-xpf",
            &tar,
        ],
    );
    let (expected, found) = (listing(&root), listing(&back));
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(expected, found);
    }
    assert_eq!(expected, found);
    assert!(expected.contains("user.lines") && expected.contains("security.capability"));
}

#[test]
fn the_next_step_reads_from_the_tar_what_the_tree_has() {
    let (_guard, path) = directory();
    make_tree(&path);
    File::create(path.join("hole"))
        .and_then(|file| file.set_len(1 << 40))
        .unwrap();
    let image = open(path.to_str().unwrap()).unwrap();
    let options = ReadOptions {
        work_dir: std::env::temp_dir(),
        limits: Limits::default(),
        jobs: NonZeroUsize::MIN,
    };
    let layers = layers::read(&image, &options, &Silent).unwrap();
    let entries = &layers.changesets[0].entries;
    let entry = |name: &str| {
        let found = entries.iter().find(|entry| *entry.path == *name.as_bytes());
        found.unwrap_or_else(|| panic!("no entry {name}"))
    };
    assert_eq!(*entries[0].path, *b"./");
    let far = entry("far");
    assert_eq!(
        (far.mtime.seconds, far.mtime.nanoseconds),
        (-2, 250_000_000)
    );
    assert_eq!(far.kind, EntryKind::Symlink(b"l".repeat(300).into()));
    let hole = Content {
        size_bytes: 1 << 40,
        data: Data::Sparse(Box::default()),
    };
    assert_eq!(entry("hole").kind, EntryKind::Regular(hole));
    let linked = entry("a-link");
    assert_eq!(
        entry("large").kind,
        EntryKind::HardLink(b"a-link".to_vec().into())
    );
    assert_eq!(linked.mtime.nanoseconds, 123_456_789);
    let lines = linked
        .xattrs
        .iter()
        .find(|xattr| *xattr.name == *b"user.lines")
        .unwrap();
    assert_eq!(*lines.value, *b"a\nb=c\n");
}

#[test]
fn the_same_tree_is_the_same_tar_wherever_and_by_whomever_it_is_read() {
    let (_guard, path) = directory();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let (root, copy) = (path.join("root"), path.join("copy"));
    fs::create_dir(&root).unwrap();
    make_tree(&root);
    run(
        "cp",
        &["-a", root.to_str().unwrap(), copy.to_str().unwrap()],
    );
    let tar = tar_of(&root);
    assert!(tar == tar_of(&copy), "the copy's tar differs");
    if is_root_with(&["setpriv"]) {
        // trusted.* is root's alone to see.
        run(
            "setfattr",
            &["-h", "-x", "trusted.x", &at(&root, "dangling")],
        );
        let expected = super::support::archive::digest(&tar_of(&root));
        let output = as_nobody(&path, &root);
        assert_says(&output, &[&format!("diff ID {expected}")]);
    }
}

/// Opens a tree as another user, by this test program itself.
fn as_nobody(directory: &Path, root: &Path) -> String {
    let program = directory.join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args([
            "--ignored",
            "--exact",
            "tree::open_the_tree_that_another_test_names",
            "--nocapture",
        ])
        .env("LAYERPRESS_TEST_TREE", root)
        .env("TMPDIR", "/tmp")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
#[ignore = "run by another test, which names the tree"]
fn open_the_tree_that_another_test_names() {
    let root = std::env::var("LAYERPRESS_TEST_TREE").unwrap();
    match open(&format!("rootfs:{root}")) {
        Ok(image) => println!("diff ID {}", image.layers[0].diff_id.known().unwrap()),
        Err(error) => println!("error {error}"),
    }
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_the_path() {
    if !is_root_with(&["setpriv"]) {
        return;
    }
    let (_guard, path) = directory();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let root = path.join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("shadow"), "x").unwrap();
    fs::set_permissions(root.join("shadow"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_says(
        &as_nobody(&path, &root),
        &["error cannot read", "root/shadow", "denied"],
    );
    fs::remove_file(root.join("shadow")).unwrap();
    fs::create_dir(root.join("closed")).unwrap();
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o711)).unwrap();
    assert_says(
        &as_nobody(&path, &root),
        &["error cannot list", "root/closed", "denied"],
    );
}

#[test]
fn a_terabyte_of_hole_costs_nothing_and_comes_back() {
    let (_guard, path) = directory();
    let (root, back) = (path.join("root"), path.join("back"));
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(&back).unwrap();
    let sparse = |name: &str, size: u64, data: &[(u64, &[u8])]| {
        let file = File::create(root.join(name)).unwrap();
        file.set_len(size).unwrap();
        for (offset, bytes) in data {
            file.write_all_at(bytes, *offset).unwrap();
        }
    };
    sparse("middle", 1 << 40, &[(1 << 39, b"middle")]);
    sparse("nothing", 1 << 40, &[]);
    sparse("end", (1 << 30) + 5, &[(1 << 30, b"12345")]);
    sparse("start", 1 << 30, &[(0, &[b'a'; 5000])]);
    let tar = tar_of(&root);
    assert!(tar.len() < 1 << 20, "{} bytes", tar.len());
    let file = at(&path, "root.tar");
    fs::write(&file, tar).unwrap();
    run("tar", &["-C", back.to_str().unwrap(), "-xf", &file]);
    for (name, size, offset, expected) in [
        ("middle", 1 << 40, 1 << 39, &b"middle"[..]),
        ("nothing", 1 << 40, 1 << 20, &[0; 5]),
        ("end", (1 << 30) + 5, (1 << 30) - 2, b"\0\x0012345"),
        ("start", 1 << 30, 4998, b"aa\0\0"),
    ] {
        let file = File::open(back.join(name)).unwrap();
        assert_eq!(file.metadata().unwrap().len(), size, "{name}");
        let mut found = vec![1; expected.len()];
        file.read_exact_at(&mut found, offset).unwrap();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn sockets_are_left_out_with_a_warning_and_links_never_followed() {
    let (_guard, path) = directory();
    let (root, outside) = (path.join("root"), path.join("outside"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "x").unwrap();
    symlink(&outside, root.join("link")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let image = open(root.to_str().unwrap()).unwrap();
    let warnings: Vec<_> = image.warnings.lines().collect();
    assert_says(&warnings.join("\n"), &["socket"]);
    let tar = layer_bytes(&image, 0);
    let names: Vec<_> = tar::Archive::new(&tar[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names, ["./", "link"]);
}

#[test]
fn a_file_longer_or_shorter_than_it_says_is_an_error() {
    // The kernel's own files claim to be empty and are not.
    let random = "/proc/sys/kernel/random";
    let error = open(&format!("rootfs:{random}")).unwrap_err().to_string();
    assert_says(&error, &[random, "changed while it was read"]);
}

#[test]
fn a_growing_file_is_never_cut_silently() {
    let (_guard, path) = directory();
    let log = path.join("log");
    fs::write(&log, vec![b'x'; 8 << 20]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().append(true).open(&log).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"line\n").unwrap();
            }
        });
        let result = open(path.to_str().unwrap());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_says(
            &result.unwrap_err().to_string(),
            &["log", "changed while it was read"],
        );
    });
    let mut all = Vec::new();
    File::open(&log).unwrap().read_to_end(&mut all).unwrap();
    assert!(open(path.to_str().unwrap()).is_ok());
}
