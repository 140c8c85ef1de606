//! A real stack image, pressed, mounted by the kernel and held against what other tools make of
//! the same image. Needs root, and the network's Debian packages for the first run.

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use layerpress::listing::{ContentDigest, Line, Listing, compare};
use layerpress::units::Timestamp;
use support::oracles::{
    Mounted, content_of, directory_listing, e2fsck_clean, is_root, kernel_listing, program, skip,
};
use support::rootfs::{Rootfs, bytes, directory, file};
use support::second_reader::{self, Structure};
use support::tarball::write_tar;
use support::workload::live;

const LAYERPRESS: &str = env!("CARGO_BIN_EXE_layerpress");

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name)
}

fn work_directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stack");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The stack image in its three forms, made once and kept: `docker.tar`, `oci-gzip`, `oci-zstd`.
fn stack_image() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    MADE.get_or_init(|| {
        if !is_root() {
            skip("not root: making and mounting a stack image needs it");
            return None;
        }
        if let Some(given) = std::env::var_os("LAYERPRESS_STACK") {
            return Some(given.into());
        }
        for tool in ["mmdebstrap", "skopeo", "umoci"] {
            if program(tool).is_none() {
                skip(&format!("{tool} is not installed"));
                return None;
            }
        }
        let directory = work_directory().join("image");
        // Tests of other processes wait for this one to make it.
        let lock = File::create(work_directory().join("lock")).unwrap();
        lock.lock().unwrap();
        let log = File::create(work_directory().join("stack-image.log")).unwrap();
        let made = Command::new(script("stack-image"))
            .arg(&directory)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        assert!(
            made.success(),
            "scripts/stack-image failed, see {}/stack-image.log",
            work_directory().display()
        );
        Some(directory)
    })
    .as_deref()
}

/// The filesystem that root builds from the docker archive.
fn pressed() -> Option<&'static Path> {
    static PRESSED: OnceLock<Option<PathBuf>> = OnceLock::new();
    PRESSED
        .get_or_init(|| {
            let archive = stack_image()?.join("docker.tar");
            let output = work_directory().join(format!("{}.img", std::process::id()));
            build(
                crate::support::run::without_defaults(LAYERPRESS),
                archive.to_str().unwrap(),
                &output,
            );
            Some(output)
        })
        .as_deref()
}

fn build(command: Command, image: &str, output: &Path) {
    build_with(command, &[], image, output);
}

fn build_with(mut command: Command, options: &[&str], image: &str, output: &Path) {
    let built = command
        .args(["build", image, "-q", "-o"])
        .arg(output)
        .args(options)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{image}: {}",
        String::from_utf8_lossy(&built.stderr)
    );
}

/// Daemons that keep each layer as a whole tree take ten times the image: one after the other.
fn alone_on_the_disk() -> MutexGuard<'static, ()> {
    static DISK: Mutex<()> = Mutex::new(());
    DISK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory that is gone afterwards, also where the test fails.
fn unpacked_into() -> tempfile::TempDir {
    tempfile::tempdir_in(work_directory()).unwrap()
}

/// Runs a script, its output kept from the test's unless it fails.
fn run_script(name: &str, arguments: &[&Path]) {
    let ran = Command::new(script(name)).args(arguments).output().unwrap();
    assert!(
        ran.status.success(),
        "scripts/{name}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

fn assert_equal(expected: &Listing, found: &Listing, of: &str) {
    let differences: Vec<_> = compare(expected, found)
        .into_iter()
        // mke2fs' own directory, which no image has.
        .filter(|difference| !(difference.expected.is_none() && difference.path() == b"lost+found"))
        .collect();
    let shown: Vec<_> = differences
        .iter()
        .take(10)
        .map(ToString::to_string)
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences to {of}:\n{}",
        differences.len(),
        shown.join("\n")
    );
    assert!(
        expected.lines().len() > 10_000,
        "only {} names",
        expected.lines().len()
    );
}

/// Forgets what a view is known not to show.
fn forget(listing: &mut Listing, mut part: impl FnMut(&mut Line)) {
    listing.lines_mut().for_each(&mut part);
}

fn keep_capabilities_only(line: &mut Line) {
    if let Some(xattrs) = &mut line.xattrs {
        let kept = xattrs
            .iter()
            .filter(|xattr| *xattr.name == *b"security.capability");
        *xattrs = kept.cloned().collect();
    }
}

/// An image as it is seen through `layerpress mount`, which changes no byte of it.
fn listing_of_own_mount(image: &Path) -> Listing {
    let sha256 = || {
        let summed = Command::new("sha256sum").arg(image).output().unwrap();
        assert!(summed.status.success());
        summed.stdout
    };
    let layerpress = |words: &[&Path]| {
        let ran = crate::support::run::without_defaults(LAYERPRESS)
            .args(words)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{words:?}: {told}");
    };
    let before = sha256();
    let directory = tempfile::tempdir().unwrap();
    let point = directory.path().join("mnt");
    layerpress(&["mount".as_ref(), image, &point]);
    let listing = directory_listing(&point);
    layerpress(&["umount".as_ref(), &point]);
    assert_eq!(sha256(), before);
    listing
}

#[test]
fn the_kernel_shows_what_umoci_unpacks() {
    let Some(image) = pressed() else { return };
    e2fsck_clean(image);
    let directory = unpacked_into();
    let unpacked = directory.path().join("tree");
    run_script(
        "flatten-with-umoci",
        &[&stack_image().unwrap().join("oci-gzip"), &unpacked],
    );
    let expected = directory_listing(&unpacked);
    let mut shown = kernel_listing(image);
    assert_equal(&expected, &shown, "umoci's tree");
    assert_equal(&expected, &listing_of_own_mount(image), "umoci's tree");
    // The comparison would see a difference.
    forget(&mut shown, |line| {
        if *line.path == *b"usr/bin/perl" {
            line.xattrs = Some(Box::default());
        }
    });
    let differences = compare(&expected, &shown);
    assert!(
        differences
            .iter()
            .any(|difference| difference.path() == b"usr/bin/perl")
    );
}

#[test]
fn the_kernel_shows_what_containerd_unpacks() {
    let Some(image) = pressed() else { return };
    if program("containerd").is_none() {
        return skip("containerd is not installed");
    }
    let directory = unpacked_into();
    let unpacked = directory.path().join("tree");
    let alone = alone_on_the_disk();
    run_script(
        "flatten-with-containerd",
        &[&stack_image().unwrap().join("docker.tar"), &unpacked],
    );
    drop(alone);
    let mut expected = directory_listing(&unpacked);
    let mut shown = kernel_listing(image);
    for listing in [&mut expected, &mut shown] {
        forget(listing, |line| {
            // Its native snapshotter copies directories without their times, and drops trusted.*.
            if line.kind == Some(layerpress::listing::Kind::Directory) {
                line.mtime = None;
            }
            if let Some(xattrs) = &mut line.xattrs {
                let kept = xattrs
                    .iter()
                    .filter(|xattr| !xattr.name.starts_with(b"trusted."));
                *xattrs = kept.cloned().collect();
            }
        });
    }
    assert_equal(&expected, &shown, "containerd's tree");
}

#[test]
fn the_kernel_shows_what_docker_unpacks_and_exports() {
    let Some(image) = pressed() else { return };
    if program("dockerd").is_none() {
        return skip("dockerd is not installed");
    }
    let directory = unpacked_into();
    let directory = directory.path();
    let (tar, unpacked) = (directory.join("export.tar"), directory.join("layer"));
    let alone = alone_on_the_disk();
    run_script(
        "flatten-with-docker",
        &[&stack_image().unwrap().join("docker.tar"), &tar, &unpacked],
    );
    drop(alone);
    let shown = kernel_listing(image);

    let mut expected = directory_listing(&unpacked);
    let mut comparable = shown.clone();
    for listing in [&mut expected, &mut comparable] {
        forget(listing, |line| {
            // The vfs driver copies lower layers with this attribute only.
            keep_capabilities_only(line);
            if line.path.is_empty() {
                line.mtime = None;
            }
        });
    }
    assert_equal(&expected, &comparable, "docker's layer directory");

    let exported = directory.join("exported");
    fs::create_dir(&exported).unwrap();
    let untarred = Command::new("tar")
        .args([
            "--extract",
            "--numeric-owner",
            "--same-permissions",
            "--xattrs",
            "--xattrs-include=*",
        ])
        .arg("--file")
        .arg(&tar)
        .arg("--directory")
        .arg(&exported)
        .status()
        .unwrap();
    assert!(untarred.success());
    // What a container has of its own.
    let own = [
        ".dockerenv",
        "etc/mtab",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
        "dev/console",
        "dev/pts",
        "dev/shm",
        "proc",
        "sys",
    ];
    let is_own = |path: &[u8]| own.iter().any(|name| name.as_bytes() == path);
    let mut expected = directory_listing(&exported);
    let mut comparable = shown;
    for listing in [&mut expected, &mut comparable] {
        forget(listing, |line| {
            keep_capabilities_only(line);
            line.mtime = match &line.path[..] {
                b"" | b"dev" | b"etc" => None,
                _ => line.mtime.map(|time| Timestamp::from_seconds(time.seconds)),
            };
        });
    }
    let differences: Vec<_> = compare(&expected, &comparable)
        .into_iter()
        .filter(|difference| !is_own(difference.path()) && difference.path() != b"lost+found")
        .map(|difference| difference.to_string())
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences to docker export:\n{}",
        differences.len(),
        differences[..differences.len().min(10)].join("\n")
    );
}

#[test]
fn every_form_gives_the_same_bytes_as_root_and_as_nobody() {
    let Some(stack) = stack_image() else { return };
    let reference = fs::read(pressed().unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(directory.path(), anybody).unwrap();
    let output = directory.path().join("other.img");
    // Nobody may not be able to read the target directory.
    let binary = directory.path().join("layerpress");
    fs::copy(LAYERPRESS, &binary).unwrap();
    for form in [
        "docker-archive:docker.tar",
        "oci:oci-gzip",
        "oci:oci-zstd",
        "-",
    ] {
        for nobody in [false, true] {
            let mut command = if nobody {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                    .arg(&binary);
                command
                    .env("TZ", "Pacific/Auckland")
                    .env("LC_ALL", "tr_TR.UTF-8")
                    .env("HOME", "/");
                command
            } else {
                Command::new(&binary)
            };
            command.current_dir(stack);
            if form == "-" {
                // A pipe, as docker save makes one.
                let mut cat = Command::new("cat")
                    .arg(stack.join("docker.tar"))
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                command.stdin(cat.stdout.take().unwrap());
                build(command, form, &output);
                assert!(cat.wait().unwrap().success());
            } else {
                build(command, form, &output);
            }
            assert!(
                fs::read(&output).unwrap() == reference,
                "{form}, as nobody: {nobody}"
            );
            fs::remove_file(&output).unwrap();
        }
    }
}

/// Every kind with the journals that it can have, as options.
const KINDS: [&[&str]; 4] = [
    &["--fs=ext3"],
    &["--fs=ext4"],
    &["--fs=ext4", "--journal=none"],
    &["--fs=ext2"],
];

/// What is built of an image with the e2fsprogs of a version, or this machine's own.
fn made_with(version: Option<&Path>, image: &str, options: &[&str]) -> ContentDigest {
    let output = work_directory().join(format!("other-{}.img", std::process::id()));
    let mut tools = Vec::new();
    if let Some(version) = version {
        let names = ["mke2fs", "tune2fs", "e2fsck", "debugfs"];
        tools.extend(names.map(|tool| format!("--{tool}={}", version.join(tool).display())));
    }
    let options: Vec<_> = options
        .iter()
        .copied()
        .chain(tools.iter().map(String::as_str))
        .collect();
    build_with(
        crate::support::run::without_defaults(LAYERPRESS),
        &options,
        image,
        &output,
    );
    let digest = content_of(&output);
    fs::remove_file(&output).unwrap();
    digest
}

#[test]
fn other_versions_of_e2fsprogs_give_the_same_bytes() {
    let Some(stack) = stack_image() else { return };
    let versions = work_directory().join("e2fsprogs");
    run_script("e2fsprogs-versions", &[&versions]);
    let stack = format!("docker-archive:{}", stack.join("docker.tar").display());
    let tar = work_directory().join(format!("small-{}.tar", std::process::id()));
    let items = (0..2000).map(|index| file(format!("d/{index}"), bytes(index)));
    write_tar(&Rootfs::of([directory("d")].into_iter().chain(items)), &tar);
    let small = format!("rootfs:{}", tar.display());
    let mut cases = vec![
        (&stack, vec!["--verify", "--fs=ext3"]),
        (&stack, vec!["--fs=ext4"]),
    ];
    // From 2 GiB on versions of mke2fs differ; from 16 GiB there are two blocks of descriptors of 32
    // bytes, and more of 64.
    for size in ["--size=fit", "--size=200M", "--size=2100M", "--size=17G"] {
        let with_size = |kind: &[&'static str]| [kind, &[size]].concat();
        cases.extend(KINDS.map(|kind| (&small, with_size(kind))));
    }
    let own: Vec<_> = cases
        .iter()
        .map(|(image, options)| made_with(None, image, options))
        .collect();
    let mut compared = Vec::new();
    for version in fs::read_dir(&versions).unwrap() {
        let version = version.unwrap().path();
        if !version.join("mke2fs").exists() {
            continue;
        }
        for ((image, options), own) in cases.iter().zip(&own) {
            let made = made_with(Some(&version), image, options);
            assert!(made == *own, "{} {image} {options:?}", version.display());
        }
        compared.push(version);
    }
    assert!(
        compared.len() >= 4,
        "scripts/e2fsprogs-versions found {compared:?} only"
    );
    fs::remove_file(tar).unwrap();
    println!("compared: {compared:?}");
}

#[test]
fn the_filesystem_of_every_kind_lives_when_it_is_mounted_read_write() {
    let Some(stack) = stack_image() else { return };
    let stack = format!("docker-archive:{}", stack.join("docker.tar").display());
    let copy = work_directory().join(format!("live-{}.img", std::process::id()));
    for kind in KINDS {
        let room = ["--size=+64M", "--free-inodes=10000"];
        build_with(
            crate::support::run::without_defaults(LAYERPRESS),
            &[kind, &room].concat(),
            &stack,
            &copy,
        );
        e2fsck_clean(&copy);
        if second_reader::has_checksums(&copy) {
            let checked = second_reader::recompute(&copy).clean();
            println!("{kind:?}: {:?}", checked.counts);
            assert!(checked.count(Structure::Inode) > 10_000);
        }
        let mounted = Mounted::read_write(&copy);
        // An index that the build wrote grows and shrinks.
        let directory = mounted.mount_point().join("usr/bin");
        let name = |index: i32| directory.join(format!("layerpress-{index}"));
        for index in 0..1500 {
            fs::write(name(index), index.to_string()).unwrap();
        }
        for index in (0..1500).step_by(2) {
            fs::remove_file(name(index)).unwrap();
        }
        drop(mounted);
        let done = live(&copy, 3000);
        assert_eq!(done.refused, 0, "{kind:?}");
        fs::remove_file(&copy).unwrap();
    }
}
