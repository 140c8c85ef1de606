//! An image that somebody else may write is not given to the kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::place::{Place, failed, layerpress, place};
use crate::support::oracles::{Mounted, program, run, succeed};
use crate::support::run::{LAYERPRESS, output_of, started_by_hand};
use rustix::fs::{FallocateFlags, fallocate};

impl Place {
    fn mount_with(&self, options: &[&str], environment: &[(&str, &str)]) -> Output {
        let point = self.at("m");
        let mut command = layerpress(["mount".as_ref(), self.image.as_os_str(), point.as_os_str()]);
        command.args(options).envs(environment.iter().copied());
        command.env_remove("PKEXEC_UID");
        if environment.is_empty() {
            command.env_remove("SUDO_UID");
        }
        output_of(&mut command)
    }

    fn is_refused(&self, text: &str) {
        let error = failed(5, self.mount_with(&[], &[]));
        assert!(error.contains(text) && error.contains("--trust"), "{error}");
        assert_eq!((self.mounts(), self.loop_devices_left()), (0, 0));
    }

    fn is_mounted(&self, options: &[&str], environment: &[(&str, &str)]) -> String {
        let output = self.mount_with(options, environment);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        self.umount("m");
        told
    }
}

/// Bug: an image was checked and mounted that its owner could change meanwhile; the kernel reads
/// then what e2fsck never saw. Cause: nobody asked who may write it. Found by a red team.
#[test]
fn an_image_that_others_may_write_is_refused_and_trust_says_so() {
    let Some(place) = place() else { return };
    let mode = |mode| fs::set_permissions(&place.image, PermissionsExt::from_mode(mode)).unwrap();
    let own = |owner: &str| succeed("chown", [owner.as_ref(), place.image.as_os_str()]);
    mode(0o644);
    assert!(!place.is_mounted(&[], &[]).contains("warning"));
    for (owner, bits, text) in [
        ("nobody:0", 0o444, "it belongs to user 65534"),
        ("0:0", 0o646, "everybody may write it (mode 0646)"),
        ("0:65534", 0o664, "group 65534 may write it (mode 0664)"),
        // Its owner may give the right back to itself.
        ("nobody:0", 0o000, "it belongs to user 65534"),
    ] {
        own(owner);
        mode(bits);
        place.is_refused(text);
        let told = place.is_mounted(&["--trust"], &[]);
        assert!(told.contains("it can be changed while it is mounted") && told.contains(text));
    }
    // Who ran sudo may be trusted with the own image, and nobody else with it.
    own("1000:0");
    mode(0o644);
    place.is_mounted(&[], &[("SUDO_UID", "1000")]);
    failed(5, place.mount_with(&[], &[("SUDO_UID", "1001")]));
}

#[test]
fn a_list_that_lets_others_write_is_seen() {
    let Some(place) = place() else { return };
    if program("setfacl").is_none() {
        return;
    }
    // Filesystems without access control lists let nobody write by one.
    let set = run(
        "setfacl",
        [
            "-m".as_ref(),
            "u:65534:rw".as_ref(),
            place.image.as_os_str(),
        ],
    );
    if set.status.success() {
        place.is_refused("access control list");
    }
}

#[test]
fn a_directory_in_which_others_may_rename_is_told() {
    let Some(place) = place() else { return };
    let mode = |mode| fs::set_permissions(place.directory(), PermissionsExt::from_mode(mode));
    mode(0o777).unwrap();
    let told = place.is_mounted(&[], &[]);
    assert!(
        told.contains("another image can be put in its place"),
        "{told}"
    );
    mode(0o1777).unwrap();
    assert!(!place.is_mounted(&[], &[]).contains("in its place"));
}

/// Bug: `umount x.img` said "not mounted" of what it had mounted, once x.img had been built anew.
/// Cause: only the file was compared that has the name now. Found in a public report.
#[test]
fn an_image_that_was_built_anew_is_unmounted_by_its_name() {
    let Some(place) = place() else { return };
    place.mount("old");
    let new = place.at("new.img");
    fs::copy(&place.image, &new).unwrap();
    fs::rename(&new, &place.image).unwrap();
    // What has the name now comes first, and alone.
    place.mount("m");
    let told = place.ok(["umount".as_ref(), place.image.as_os_str()]);
    assert!(
        told.contains("/m unmounted") && !told.contains("/old"),
        "{told}"
    );
    let told = place.ok(["umount".as_ref(), place.image.as_os_str()]);
    assert!(told.contains("/old unmounted"), "{told}");
    place.fails(3, ["umount".as_ref(), place.image.as_os_str()]);
    assert_eq!((place.mounts(), place.loop_devices_left()), (0, 0));
}

/// Bug: `mount --exec` of a command that is not there left the mount where standard error could not
/// be written. Cause: the macro that prints there panics. Found by a red team.
#[test]
fn nothing_stays_mounted_where_nothing_can_be_told() {
    let Some(place) = place() else { return };
    for (redirection, arguments, code) in [
        ("2>/dev/full", "--exec /nonexistent", 127),
        ("2>&-", "--exec /nonexistent", 127),
        ("2>/dev/full >/dev/full", "--exec /etc/passwd", 126),
        (">/dev/full", "", 3),
        (">/dev/full", "--json", 3),
        ("2>/dev/full", "--e2fsck /nonexistent", 6),
    ] {
        let script = format!("exec \"$0\" mount \"$1\" \"$2\" {arguments} {redirection}");
        let mut shell = started_by_hand("sh");
        shell.args(["-c", &script, LAYERPRESS]);
        shell.args([&place.image, &place.at("m")]);
        let status = output_of(&mut shell).status;
        assert_eq!(status.code(), Some(code), "{arguments} {redirection}");
        assert_eq!((place.mounts(), place.loop_devices_left()), (0, 0));
    }
    for (command, code) in [
        ("ls \"$1\" /x /y", 3),
        ("cat \"$1\" /x /y", 3),
        ("stat \"$1\" /x", 3),
    ] {
        for redirection in ["2>/dev/full", "2>&-", "2>/dev/full >/dev/full"] {
            let script = format!("exec \"$0\" {command} {redirection}");
            let mut shell = started_by_hand("sh");
            shell.args(["-c", &script, LAYERPRESS]).arg(&place.image);
            let status = output_of(&mut shell).status;
            assert_eq!(status.code(), Some(code), "{command} {redirection}");
        }
    }
}

/// Bug: a sound ext4 was called damaged. Cause: e2fsck asks whether to make an extent tree smaller,
/// and every question counted. Found with images that were written to for long.
#[test]
fn an_extent_tree_that_could_be_smaller_is_no_damage() {
    let Some(place) = place() else { return };
    succeed(
        "mke2fs",
        [
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            "4096",
            place.image.to_str().unwrap(),
            "64M",
        ],
    );
    let mounted = Mounted::read_write(&place.image);
    let file = fs::File::create(mounted.mount_point().join("f")).unwrap();
    let punch = |at: u64| {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, flags, at * 4096, 4096).unwrap();
    };
    let blocks = 6000;
    fallocate(&file, FallocateFlags::empty(), 0, blocks * 4096).unwrap();
    // A tree of two levels for as many pieces as there can be, and then of few.
    (0..blocks).step_by(2).for_each(punch);
    file.sync_all().unwrap();
    let odd = (1..blocks).step_by(2);
    odd.filter(|at| at % 68 != 1).for_each(punch);
    drop((file, mounted));
    let told = run("e2fsck", ["-fn", place.image.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("Optimize? no"), "{told}");
    place.is_mounted(&[], &[]);
}
