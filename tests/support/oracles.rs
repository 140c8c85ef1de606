//! Independent judges of an image: e2fsck, debugfs, the kernel, and any directory as it stands.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use layerpress::command;
use layerpress::listing::{
    Attribute, Body, ContentDigest, ContentHasher, Kind, Line, Listing, Owner,
};
use layerpress::units::{FileFlags, Timestamp};
use rustix::fs::{SeekFrom, ioctl_getflags};

#[path = "skip.rs"]
mod skip;

pub use skip::skip;

/// Whether the tests run as root, with the rights to mount.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of PATH or the sbin directories; `None`, after saying so, where it is absent.
#[track_caller]
pub fn program(name: &str) -> Option<PathBuf> {
    let found = command::find(name, std::env::var_os("PATH").as_deref());
    if found.is_err() {
        skip(&format!("{name} is not installed"));
    }
    found.ok()
}

/// Whether root runs the tests and all of these programs are there; says so where not.
#[track_caller]
pub fn is_root_with(programs: &[&str]) -> bool {
    if !is_root() {
        skip("not root");
    }
    is_root() && installed(programs)
}

/// Whether all of these programs are there; says so where one is not.
#[track_caller]
pub fn installed(programs: &[&str]) -> bool {
    programs.iter().all(|name| program(name).is_some())
}

/// A program that a test cannot do without.
pub fn required(name: &str) -> PathBuf {
    program(name).unwrap_or_else(|| panic!("{name} is needed for this test"))
}

/// Runs a program to its end, in the C locale.
pub fn run<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(required(name))
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs a program and expects it to succeed; its standard output.
pub fn succeed<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Vec<u8> {
    let output = run(name, arguments);
    assert!(output.status.success(), "{name} failed: {}", said(&output));
    output.stdout
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&text))
}

/// Asserts that e2fsck finds nothing at all to say about an image, and nothing from its first
/// backup superblock either where it has one.
pub fn e2fsck_clean(image: &Path) {
    e2fsck_has_nothing_to_ask(&["-fn"], image);
    let superblock =
        String::from_utf8(succeed("dumpe2fs", [OsStr::new("-h"), image.as_os_str()])).unwrap();
    let field = |name: &str| -> u64 {
        let line = superblock.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split(':').nth(1));
        value
            .unwrap_or_else(|| panic!("dumpe2fs shows no {name}"))
            .trim()
            .parse()
            .unwrap()
    };
    let backup = field("First block") + field("Blocks per group");
    if field("Block count") <= backup {
        return;
    }
    let numbers = [backup.to_string(), field("Block size").to_string()];
    e2fsck_has_nothing_to_ask(&["-fn", "-b", &numbers[0], "-B", &numbers[1]], image);
}

/// The same of an image that was mounted for writing: the kernel leaves the counts in the backups
/// as they were.
pub fn e2fsck_clean_after_use(image: &Path) {
    e2fsck_has_nothing_to_ask(&["-fn"], image);
}

fn e2fsck_has_nothing_to_ask(options: &[&str], image: &Path) {
    let arguments = options.iter().map(OsStr::new).chain([image.as_os_str()]);
    let output = run("e2fsck", arguments);
    // The status is 0 also where a superblock's own counts are wrong: e2fsck then only asks.
    let asks = String::from_utf8_lossy(&output.stdout).contains("? no");
    assert!(
        output.status.success() && !asks,
        "e2fsck {options:?} {}: {}",
        image.display(),
        said(&output)
    );
}

/// What debugfs prints for `commands`, one per line, reading only; the commands are echoed in it.
pub fn debugfs(image: &Path, commands: &[&str]) -> String {
    String::from_utf8_lossy(&debugfs_with(&[], image, commands)).into_owned()
}

/// Lets debugfs change an image and expects it to have nothing to complain about.
pub fn debugfs_write(image: &Path, commands: &[&str]) {
    debugfs_with(&["-w"], image, commands);
}

fn debugfs_with(options: &[&str], image: &Path, commands: &[&str]) -> Vec<u8> {
    let mut child = Command::new(required("debugfs"))
        .args(options)
        .args(["-f", "-"])
        .arg(image)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut script = commands.join("\n").into_bytes();
    script.push(b'\n');
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&script));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    // The first line is the version.
    assert!(
        output.status.success() && complaints.lines().count() == 1,
        "debugfs {commands:?}: {}",
        said(&output)
    );
    output.stdout
}

/// An image as the kernel shows it, mounted read-only without replaying its journal; every field is
/// known. Needs root.
pub fn kernel_listing(image: &Path) -> Listing {
    let mounted = Mounted::read_only(image);
    walk(&mounted.mount_point(), LinkCounts::OfEverything)
}

/// A directory as it stands, say one that another tool unpacked. Directories' link counts stay
/// unknown, since some filesystems count them in their own way.
pub fn directory_listing(directory: &Path) -> Listing {
    walk(directory, LinkCounts::OfFiles)
}

/// A mounted image; unmounted when it goes, also when the test fails.
#[derive(Debug)]
pub struct Mounted {
    directory: tempfile::TempDir,
}

impl Mounted {
    /// Mounts for reading only and leaves the journal alone.
    pub fn read_only(image: &Path) -> Self {
        let superblock = succeed("dumpe2fs", [OsStr::new("-h"), image.as_os_str()]);
        // Without a journal there is nothing to leave alone, and ext2 does not know the option.
        let has_journal = String::from_utf8_lossy(&superblock).contains("has_journal");
        let options = if has_journal {
            "loop,ro,noload"
        } else {
            "loop,ro"
        };
        Self::with_options(image, options)
    }

    /// Mounts for reading and writing.
    pub fn read_write(image: &Path) -> Self {
        Self::with_options(image, "loop,rw")
    }

    fn with_options(image: &Path, options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mount_point = directory.path().join("mnt");
        fs::create_dir(&mount_point).unwrap();
        succeed(
            "mount",
            [
                OsStr::new("-o"),
                OsStr::new(options),
                image.as_os_str(),
                mount_point.as_os_str(),
            ],
        );
        Self { directory }
    }

    /// Where.
    pub fn mount_point(&self) -> PathBuf {
        self.directory.path().join("mnt")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Busy for a moment while another thread of the tests is between fork and exec, its child
        // still holding what this thread had open.
        for _ in 0..100 {
            let unmounted = run("umount", [self.mount_point()]);
            if unmounted.status.success() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        if !std::thread::panicking() {
            panic!("{} stays mounted", self.mount_point().display());
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum LinkCounts {
    OfEverything,
    OfFiles,
}

fn walk(root: &Path, link_counts: LinkCounts) -> Listing {
    let mut names = vec![line_of(root, Vec::new(), link_counts)];
    let mut directories = vec![(root.to_owned(), Vec::new())];
    while let Some((directory, path)) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let mut child = path.clone();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend_from_slice(entry.file_name().as_bytes());
            let name = line_of(&entry.path(), child.clone(), link_counts);
            if name.0.kind == Some(Kind::Directory) {
                directories.push((entry.path(), child));
            }
            names.push(name);
        }
    }
    Listing::new(names)
}

fn line_of(at: &Path, path: Vec<u8>, link_counts: LinkCounts) -> (Line, Option<u64>) {
    let metadata = fs::symlink_metadata(at).unwrap();
    let kind = Kind::from_st_mode(metadata.mode()).unwrap();
    let device = || Body::Device {
        major: rustix::fs::major(metadata.rdev()),
        minor: rustix::fs::minor(metadata.rdev()),
    };
    let (body, size_bytes) = match kind {
        Kind::Regular => (Body::Content(content_of(at)), Some(metadata.size())),
        Kind::Symlink => {
            let target = fs::read_link(at).unwrap().into_os_string().into_vec();
            (Body::Target(target.into()), Some(metadata.size()))
        }
        Kind::CharacterDevice | Kind::BlockDevice => (device(), None),
        Kind::Directory | Kind::Fifo | Kind::Socket => (Body::Nothing, None),
    };
    let counted = kind != Kind::Directory || link_counts == LinkCounts::OfEverything;
    let line = Line {
        kind: Some(kind),
        mode: Some((metadata.mode() & 0o7777) as u16),
        owner: Some(Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        }),
        mtime: Some(Timestamp {
            seconds: metadata.mtime(),
            nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap(),
        }),
        link_count: counted.then(|| u32::try_from(metadata.nlink()).unwrap()),
        size_bytes,
        xattrs: Some(xattrs_of(at)),
        file_flags: flags_of(at, kind),
        body,
        ..Line::unknown(&path)
    };
    (line, Some(metadata.ino()))
}

/// The flags of what can be opened, on a filesystem that has any.
fn flags_of(at: &Path, kind: Kind) -> Option<FileFlags> {
    if !matches!(kind, Kind::Regular | Kind::Directory) {
        return None;
    }
    let flags = ioctl_getflags(fs::File::open(at).unwrap()).ok()?;
    Some(FileFlags::of_inode(flags.bits()))
}

/// A file's extended attributes, ascending by name.
pub fn xattrs_of(at: &Path) -> Box<[Attribute]> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(at, &mut names[..]).unwrap();
    let mut value = vec![0; 65536];
    let mut attributes: Vec<_> = names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let length = rustix::fs::lgetxattr(at, name, &mut value[..]).unwrap();
            Attribute::new(name, &value[..length])
        })
        .collect();
    attributes.sort();
    attributes.into()
}

/// A file's digest, its holes skipped.
pub fn content_of(at: &Path) -> ContentDigest {
    let file = fs::File::open(at).unwrap();
    let size_bytes = file.metadata().unwrap().len();
    let mut hasher = ContentHasher::default();
    let mut buffer = vec![0; 1 << 16];
    let mut offset = 0;
    while offset < size_bytes {
        let Ok(data) = rustix::fs::seek(&file, SeekFrom::Data(offset)) else {
            break; // ENXIO: nothing but a hole from here on.
        };
        let hole = rustix::fs::seek(&file, SeekFrom::Hole(data)).unwrap();
        offset = data;
        while offset < hole {
            let length = buffer.len().min(usize::try_from(hole - offset).unwrap());
            file.read_exact_at(&mut buffer[..length], offset).unwrap();
            hasher.data(offset, &buffer[..length]).unwrap();
            offset += length as u64;
        }
    }
    hasher.finish(size_bytes)
}
