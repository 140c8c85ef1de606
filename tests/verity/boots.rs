//! A real kernel has built images as its root, for reading and for writing, and reads through their
//! hash trees.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::support::archive::{TestImage, digest};
use super::support::oracles;
use super::support::run::Press;
use super::support::virtual_machine::{Disk, machine};
use super::{KINDS, root_hash};

/// What the image's own `/sbin/init` does: looks at every file, here and below /mnt, writes where it
/// may, and turns the machine off.
const INIT: &str = "#!/bin/busybox sh
export PATH=/bin
mount -t proc proc /proc
echo \"TEST: $(grep '^/dev/.* / ' /proc/mounts)\"
for root in / /mnt/*; do
    cd $root
    [ -e sums ] || continue
    if wrong=$(sha256sum -c sums 2>/dev/null | grep -v ': OK$'); then
        echo TEST: $root: wrong: $wrong
    else
        echo TEST: $root: $(wc -l <sums) files right
    fi
done
cd /
if grep -q '^/dev/.* / [a-z0-9]* rw' /proc/mounts; then
    set -e
    for number in $(seq 0 2 598); do rm many/name$number; done
    for number in $(seq 400); do echo $number >many/new$number; done
    cp bin/busybox copy
    cmp bin/busybox copy
    mkdir -p deep/a/b/c
    mv small deep/a/moved
    echo more >>deep/a/moved
    ln deep/a/moved hard
    ln -s hard soft
    truncate -s 5000 large
    rm -r gone
    chown 5:6 copy
    touch -d @1000000000 copy
    sync
    mount -o remount,ro /
    echo TEST: written
fi
poweroff -f
";

/// Programs that [`INIT`] calls.
const PROGRAMS: [&str; 18] = [
    "sh",
    "mount",
    "grep",
    "sha256sum",
    "wc",
    "seq",
    "rm",
    "cp",
    "cmp",
    "mkdir",
    "mv",
    "ln",
    "truncate",
    "chown",
    "touch",
    "sync",
    "poweroff",
    "cat",
];

/// An image that a machine can have as its root.
fn press() -> Option<Press> {
    let busybox = fs::read(oracles::program("busybox")?).unwrap();
    let large: Vec<u8> = (0..1_200_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut files: Vec<(String, &[u8], u32)> = vec![
        ("sbin/init".to_owned(), INIT.as_bytes(), 0o755),
        ("bin/busybox".to_owned(), &busybox, 0o755),
        ("large".to_owned(), &large, 0o644),
        ("small".to_owned(), b"some text\n", 0o644),
    ];
    let names = |directory: &str| -> Vec<_> {
        let names = (0..600).map(|number| format!("{directory}/name{number}"));
        names
            .map(|name| (name, &b"the same\n"[..], 0o600))
            .collect()
    };
    files.extend(names("many"));
    files.extend(names("gone"));
    let sums: String = files
        .iter()
        .map(|(name, content, _)| {
            let digest = digest(content);
            format!("{}  {name}\n", digest.strip_prefix("sha256:").unwrap())
        })
        .collect();
    files.push(("sums".to_owned(), sums.as_bytes(), 0o644));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    for name in ["dev", "proc", "mnt/1", "mnt/2", "mnt/3"] {
        builder.append_data(&mut header, name, &[][..]).unwrap();
    }
    header.set_entry_type(tar::EntryType::Symlink);
    for name in PROGRAMS {
        builder
            .append_link(&mut header, format!("bin/{name}"), "busybox")
            .unwrap();
    }
    header.set_entry_type(tar::EntryType::Regular);
    for (name, content, mode) in files {
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).unwrap();
    }
    let press = Press::new();
    let image = TestImage::new([builder.into_inner().unwrap()]);
    image.classic_archive(&["test:1"]).write_tar(&press.image());
    Some(press)
}

/// Everything that [`press`] has a checksum of.
const FILES: usize = 1204;

/// What was said on the console by the tests' scripts.
fn told(console: &str) -> Vec<&str> {
    let lines = console.lines().filter_map(|line| line.split_once("TEST: "));
    lines.map(|(_, text)| text).collect()
}

#[track_caller]
fn boots(kind: &str) {
    let Some(machine) = machine() else { return };
    let Some(press) = press() else { return };
    let mut build = press.build();
    build.args(["-q", "--fs", kind, "--size=+8M", "--free-inodes=500"]);
    press.run(&mut build).succeeded();
    let image = press.output();
    let boot = |options: &str, is_writable| {
        let disk = Disk {
            file: &image,
            is_writable,
        };
        machine.boot(
            &format!("mount -t {kind} -o {options} /dev/vda /root"),
            &[disk],
        )
    };
    let before = fs::read(&image).unwrap();
    let console = boot("ro", false);
    let lines = told(&console);
    assert_eq!(lines.len(), 2, "{console}");
    assert!(
        lines[0].starts_with(&format!("/dev/vda / {kind} ro")),
        "{console}"
    );
    assert_eq!(lines[1], format!("/: {FILES} files right"), "{console}");
    assert!(
        fs::read(&image).unwrap() == before,
        "a disk for reading was written"
    );
    let console = boot("rw", true);
    let lines = told(&console);
    assert_eq!(lines.len(), 3, "{console}");
    assert!(
        lines[0].starts_with(&format!("/dev/vda / {kind} rw")),
        "{console}"
    );
    assert_eq!(
        lines[1..],
        [&format!("/: {FILES} files right"), "written"],
        "{console}"
    );
    oracles::e2fsck_clean_after_use(&image);
    let cat = |path: &str| {
        let mut cat = press.command("cat");
        press.run(cat.arg(&image).arg(path)).succeeded().to_owned()
    };
    assert_eq!(cat("/hard"), "some text\nmore\n");
    assert_eq!(cat("/many/new400"), "400\n");
    assert_eq!(cat("/many/name599"), "the same\n");
    let mut ls = press.command("ls");
    let names = press.run(ls.arg(&image).arg("/many"));
    assert_eq!(names.succeeded().split_whitespace().count(), 300 + 400);
}

#[test]
fn ext3_is_a_root_for_reading_and_for_writing() {
    boots("ext3");
}

#[test]
fn ext2_is_a_root_for_reading_and_for_writing() {
    boots("ext2");
}

#[test]
fn ext4_is_a_root_for_reading_and_for_writing() {
    boots("ext4");
}

/// A disk with a tree, for [`opened`].
struct WithTree {
    disk: PathBuf,
    root: String,
    offset: u64,
}

impl WithTree {
    fn build(press: &Press, kind: &str) -> Self {
        let mut build = press.build();
        build.args(["--json", "-q", "--fs", kind, "--verity"]);
        let json: serde_json::Value =
            serde_json::from_str(press.run(&mut build).succeeded()).unwrap();
        let disk = press.root().join(format!("{kind}.disk"));
        fs::copy(press.output(), &disk).unwrap();
        Self {
            disk,
            root: root_hash(press),
            offset: json["verity"]["hash_offset_bytes"].as_u64().unwrap(),
        }
    }

    /// Opens it, the disk of this letter.
    fn open(&self, letter: char) -> String {
        let Self { root, offset, .. } = self;
        format!(
            "veritysetup open /dev/vd{letter} {letter} /dev/vd{letter} {root} --hash-offset {offset}"
        )
    }
}

/// Where a block of a file is, by debugfs.
fn byte_of(image: &Path, file: &str, block: u64) -> u64 {
    let text = oracles::debugfs(image, &[&format!("bmap {file} {block}")]);
    let mut numbers = text
        .lines()
        .filter_map(|line| line.trim().parse::<u64>().ok());
    numbers.next_back().unwrap() * 4096
}

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn a_kernel_reads_through_the_tree_and_refuses_what_was_changed() {
    let Some(machine) = machine() else { return };
    let Some(press) = press() else { return };
    let [a, b, c] = KINDS.map(|kind| WithTree::build(&press, kind));
    let changed = press.root().join("changed");
    fs::copy(&a.disk, &changed).unwrap();
    flip(&changed, byte_of(&a.disk, "/large", 700) + 9);
    let d = WithTree {
        disk: changed,
        ..WithTree::build(&press, KINDS[0])
    };
    let other = WithTree {
        root: b.root.clone(),
        disk: a.disk.clone(),
        ..a
    };
    let mut commands = vec![format!(
        "{} && mount -t {} -o ro /dev/mapper/a /root && veritysetup status a | grep -q 'status: *verified' && echo TEST: verified",
        a.open('a'),
        KINDS[0]
    )];
    // The other kinds, a changed one, and the first with the root hash of another.
    for (disk, letter, kind, place) in [
        (&b, 'b', KINDS[1], 1),
        (&c, 'c', KINDS[2], 2),
        (&d, 'd', KINDS[0], 3),
    ] {
        let open = disk.open(letter);
        commands.push(format!(
            "{open} && mount -t {kind} -o ro /dev/mapper/{letter} /root/mnt/{place}"
        ));
    }
    let refused = other.open('e');
    let mount = format!("mount -t {} -o ro /dev/mapper/e /run", KINDS[0]);
    commands.push(format!(
        "if {refused} && {mount}; then echo TEST: taken; else echo TEST: refused; fi"
    ));
    let disks = [&a, &b, &c, &d, &other].map(|disk| Disk {
        file: &disk.disk,
        is_writable: false,
    });
    let console = machine.boot(&commands.join(" && "), &disks);
    let lines = told(&console);
    let right = format!("{FILES} files right");
    let mount = format!("/dev/mapper/a / {} ro", KINDS[0]);
    assert_eq!(lines.len(), 7, "{console}");
    assert_eq!(lines[..2], ["verified", "refused"], "{console}");
    assert!(lines[2].starts_with(&mount), "{console}");
    assert_eq!(
        lines[3..],
        [
            &format!("/: {right}"),
            &format!("/mnt/1: {right}"),
            &format!("/mnt/2: {right}"),
            "/mnt/3: wrong: large: FAILED",
        ],
        "{console}"
    );
    let block = byte_of(&a.disk, "/large", 700) / 4096;
    let words = format!("data block {block} is corrupted");
    assert!(console.contains(&words), "{console}");
}
