//! A real stack image, pressed, mounted by the kernel and held against what other tools make of
//! the same image. Needs root, and the network's Debian packages for the first run.

#[path = "../support/mod.rs"]
mod support;

mod kinds;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use layerpress::listing::{Line, Listing, compare};
use layerpress::units::Timestamp;
use support::oracles::{directory_listing, e2fsck_clean, is_root, kernel_listing, program, skip};

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
        run_script("stack-image", &[&directory]);
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
                support::run::without_defaults(LAYERPRESS),
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
        let ran = support::run::without_defaults(LAYERPRESS)
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
