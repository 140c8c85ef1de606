//! What is not mounted, and what is said of it; nothing is ever left behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::place::{Place, failed, layerpress, mount_line, place, sha256};
use crate::support::oracles::{Mounted, debugfs_write, program, run, succeed};
use crate::support::run::{LAYERPRESS, output_of};

impl Place {
    /// The error of mounting `image` on `m/n`, neither of which is there.
    fn refusal(&self, code: i32, image: &Path) -> String {
        let point = self.at("m/n");
        let error = self.fails(
            code,
            ["mount".as_ref(), image.as_os_str(), point.as_os_str()],
        );
        self.is_clean(&self.at("m"));
        // Told once.
        let first = error.lines().next().unwrap();
        let last = first.rsplit(": ").next().unwrap();
        assert_eq!(first.matches(last).count(), 1, "{error}");
        error
    }
}

#[test]
fn what_is_no_ext_filesystem_in_a_regular_file_is_refused() {
    let Some(place) = place() else { return };
    let says = |code: i32, image: &Path, text: &str| {
        let error = place.refusal(code, image);
        assert!(error.contains(text), "{error}");
    };
    says(3, &place.at("absent.img"), "absent.img: No such file");
    says(
        3,
        Path::new("/"),
        "expected a regular file, found a directory",
    );
    says(3, Path::new("/dev/loop0"), "found a block device");
    says(3, Path::new("/dev/null"), "expected a regular file");
    succeed("mkfifo", [place.at("pipe")]);
    says(3, &place.at("pipe"), "expected a regular file");

    let none = "expected an ext2, ext3 or ext4 filesystem, found ";
    fs::write(place.at("empty.img"), b"").unwrap();
    says(4, &place.at("empty.img"), none);
    fs::write(place.at("zero.img"), vec![0; 1 << 20]).unwrap();
    says(4, &place.at("zero.img"), none);
    succeed(
        "mke2fs",
        [
            "-q".as_ref(),
            "-O".as_ref(),
            "journal_dev".as_ref(),
            place.at("journal.img").as_os_str(),
            "8M".as_ref(),
        ],
    );
    says(5, &place.at("journal.img"), "found the journal of one");

    let file = File::options().write(true).open(&place.image).unwrap();
    file.set_len(5 << 20).unwrap();
    says(
        4,
        &place.image,
        "cut short: expected a filesystem of 16777216 bytes, found a file of 5242880",
    );
}

#[test]
fn a_damaged_image_is_refused_with_the_word_of_e2fsck_and_trust_mounts_it() {
    let Some(place) = place() else { return };
    let whole = fs::read(&place.image).unwrap();
    for (damage, said, code) in [
        ("freeb 700", "Block bitmap differences", 4),
        ("ssv free_blocks_count 7", "Free blocks count wrong", 4),
        ("sif /dir links_count 9", "ref count is 9, should be", 4),
    ] {
        fs::write(&place.image, &whole).unwrap();
        debugfs_write(&place.image, &[damage]);
        let error = place.refusal(code, &place.image);
        let image = place.image.to_str().unwrap();
        for text in [said, "damaged filesystem", "--trust", image] {
            assert!(error.contains(text), "{damage}: no {text} in {error}");
        }
        assert!(!error.contains("/proc/"), "{error}");
        let before = sha256(&place.image);
        let point = place.at("m");
        place.ok([
            "mount".as_ref(),
            "--trust".as_ref(),
            place.image.as_os_str(),
            point.as_os_str(),
        ]);
        place.umount("m");
        fs::remove_dir(&point).unwrap();
        assert_eq!(sha256(&place.image), before, "{damage}");
    }
    // The superblock is looked at in any case.
    fs::write(&place.image, &whole).unwrap();
    File::options()
        .write(true)
        .open(&place.image)
        .unwrap()
        .write_all_at(&[0; 2], 1024 + 0x38)
        .unwrap();
    place.refusal(4, &place.image);
    let trusted = [
        "mount".as_ref(),
        "--trust".as_ref(),
        place.image.as_os_str(),
        OsStr::new("/nowhere/m"),
    ];
    place.fails(4, trusted);
}

#[test]
fn a_journal_with_changes_in_it_is_refused_and_trust_leaves_it_alone() {
    let Some(place) = place() else { return };
    debugfs_write(&place.image, &["feature needs_recovery"]);
    let error = place.refusal(4, &place.image);
    assert!(error.contains("its journal holds changes"), "{error}");
    assert!(error.contains("e2fsck -fp"), "{error}");
    let before = sha256(&place.image);
    let point = place.at("m");
    place.ok([
        "mount".as_ref(),
        place.image.as_os_str(),
        point.as_os_str(),
        "--trust".as_ref(),
    ]);
    assert!(mount_line(&point).unwrap().contains("norecovery"));
    place.umount("m");
    assert_eq!(sha256(&place.image), before);
}

#[test]
fn an_image_that_is_being_written_is_refused() {
    let Some(place) = place() else { return };
    let written = Mounted::read_write(&place.image);
    let point = place.at("m");
    let error = place.fails(
        3,
        ["mount".as_ref(), place.image.as_os_str(), point.as_os_str()],
    );
    let at = written.mount_point();
    let text = format!("it is mounted for writing on {}", at.display());
    assert!(error.contains(&text), "{error}");
    assert_eq!(place.loop_devices(), 1);
    let list = place.ok(["mount", "--list"]);
    let row = list
        .lines()
        .find(|line| line.contains(at.to_str().unwrap()));
    assert!(row.unwrap().contains(" rw "), "{list}");
    drop(written);
    place.is_clean(&point);
    place.mount("m");
}

#[test]
fn a_filesystem_from_the_future_is_not_called_damaged() {
    let Some(place) = place() else { return };
    debugfs_write(
        &place.image,
        &[
            "ssv wtime 20990101",
            "ssv mtime 20990102",
            "ssv lastcheck 20990101",
        ],
    );
    place.mount("m");
}

#[test]
fn a_directory_in_use_is_refused_and_one_with_files_is_not() {
    let Some(place) = place() else { return };
    let mount = |at: &Path| {
        [
            "mount".into(),
            place.image.clone().into_os_string(),
            at.as_os_str().to_owned(),
        ]
    };
    place.mount("m");
    let error = place.fails(3, mount(&place.at("m")));
    assert!(error.contains("it is in use: /dev/loop"), "{error}");
    std::os::unix::fs::symlink("m", place.at("symlink")).unwrap();
    place.fails(3, mount(&place.at("symlink")));
    place.umount("m");
    let error = place.fails(3, mount(&place.image));
    assert!(error.contains("expected a directory"), "{error}");
    let error = place.fails(3, mount(&place.image.join("below")));
    assert!(error.contains("Not a directory"), "{error}");
    let error = place.fails(3, mount(Path::new("/proc/x/y")));
    assert!(
        error.contains("cannot make the directory /proc/x"),
        "{error}"
    );
    place.ok(mount(&place.at("tree")));
    assert!(place.at("tree/lost+found").exists());
    place.umount("tree");
    assert!(place.at("tree/dir/file").exists());
}

#[test]
fn only_root_mounts_and_unmounts() {
    let Some(place) = place() else { return };
    let program = place.at("layerpress");
    // By another process: a file that this one has open for writing, or a child just forked from
    // it, cannot be run.
    succeed("cp", [Path::new(LAYERPRESS), &program]);
    let as_nobody = |arguments: &[&OsStr]| {
        let mut command = Command::new(&program);
        command.args(arguments).uid(65534).gid(65534);
        output_of(&mut command)
    };
    fs::set_permissions(&place.image, PermissionsExt::from_mode(0o644)).unwrap();
    let point = place.at("m");
    for trust in [&["--trust".as_ref()][..], &[]] {
        let arguments = ["mount".as_ref(), place.image.as_os_str(), point.as_os_str()];
        let error = failed(3, as_nobody(&[&arguments[..], trust].concat()));
        assert!(
            error.contains("only root may mount: run it with sudo"),
            "{error}"
        );
        place.is_clean(&point);
    }
    place.mount("m");
    let error = failed(3, as_nobody(&["umount".as_ref(), point.as_os_str()]));
    assert!(error.contains("only root may unmount"), "{error}");
    let list = as_nobody(&["mount".as_ref(), "--list".as_ref()]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains(point.to_str().unwrap()), "{list}");
}

#[test]
fn without_loop_devices_it_says_so() {
    let Some(place) = place() else { return };
    let Some(unshare) = program("unshare") else {
        return;
    };
    for hide in [
        "mount --bind /dev/null /dev/loop-control",
        "mount -t tmpfs -o ro none /dev",
        "mount -t tmpfs -o nodev none /dev",
    ] {
        let script = format!("{hide} && exec \"$0\" mount \"$1\" \"$2\"");
        let mut command = Command::new(&unshare);
        command.args(["-m", "sh", "-c", &script, LAYERPRESS]);
        let output = output_of(command.args([&place.image, &place.at("m")]));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(3 | 5)), "{error}");
        assert!(error.contains("loop"), "{error}");
        place.is_clean(&place.at("m"));
    }
}

/// Bug: in a container whose /dev is a plain directory the mount failed, though the kernel gave a
/// device. Cause: its node is made by nobody there. Found with the containers of CI services.
#[test]
fn where_dev_is_a_plain_directory_the_nodes_are_made() {
    let Some(place) = place() else { return };
    let Some(unshare) = program("unshare") else {
        return;
    };
    for hide in [
        "mount -t tmpfs none /dev",
        // The control is there, the device's node is not, as where /dev was filled once.
        "mount -t tmpfs none /mnt && touch /mnt/c && mount --bind /dev/loop-control /mnt/c && \
         mount -t tmpfs none /dev && touch /dev/loop-control && mount --bind /mnt/c /dev/loop-control",
    ] {
        let script = format!(
            "{hide} && \"$0\" mount \"$1\" \"$2\" && cat \"$2/dir/file\" && \"$0\" umount \"$2\""
        );
        let mut command = Command::new(&unshare);
        command.args(["-m", "sh", "-c", &script, LAYERPRESS]);
        let output = output_of(command.args([&place.image, &place.at("m")]));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{hide}: {error}");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("content\n"), "{told}");
        assert_eq!((place.mounts(), place.loop_devices_left()), (0, 0));
    }
}

#[test]
fn without_the_right_to_mount_it_says_so() {
    let Some(place) = place() else { return };
    let Some(setpriv) = program("setpriv") else {
        return;
    };
    let mut command = Command::new(setpriv);
    command.args(["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]);
    command.args([LAYERPRESS, "mount"]);
    let output = output_of(command.args([&place.image, &place.at("m")]));
    let error = failed(5, output);
    assert!(error.contains("a container must be given"), "{error}");
    place.is_clean(&place.at("m"));
}

#[test]
fn without_e2fsck_only_trust_mounts() {
    let Some(place) = place() else { return };
    let point = place.at("m");
    let arguments = ["mount".as_ref(), place.image.as_os_str(), point.as_os_str()];
    let absent = ["--e2fsck".as_ref(), OsStr::new("/nowhere/e2fsck")];
    let error = place.fails(6, arguments.iter().chain(&absent));
    assert!(error.contains("is e2fsprogs installed?"), "{error}");
    place.is_clean(&point);
    place.ok(arguments
        .iter()
        .chain(&absent)
        .chain(&[OsStr::new("--trust")]));
}

#[test]
fn umount_leaves_alone_what_is_no_image() {
    let Some(place) = place() else { return };
    let umount = |at: &Path| ["umount".into(), at.as_os_str().to_owned()];
    let error = place.fails(3, umount(&place.at("tree")));
    assert!(error.contains("nothing is mounted there"), "{error}");
    let error = place.fails(3, umount(&place.image));
    assert!(error.contains("it is not mounted"), "{error}");
    let error = place.fails(3, umount(&place.at("absent")));
    assert!(error.contains("it is not mounted"), "{error}");
    let error = place.fails(5, umount(Path::new("/proc")));
    assert!(error.contains("found proc (proc)"), "{error}");
    place.mount("m");
    succeed(
        "mount",
        [
            "-t".as_ref(),
            "tmpfs".as_ref(),
            "none".as_ref(),
            place.at("m").as_os_str(),
        ],
    );
    let error = place.fails(3, umount(&place.image));
    assert!(error.contains("another mount hides it"), "{error}");
    assert!(run("umount", [place.at("m")]).status.success());
    place.umount("m");
    assert!(output_of(&mut layerpress(["mount"])).status.code() == Some(2));
}
