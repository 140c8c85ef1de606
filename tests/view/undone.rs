//! An `extract` that does not come to its end leaves nothing, or says what.

use std::ffi::OsStr;
use std::fs;
use std::io::Seek;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::support::oracles;
use super::support::run::{self, Ending};
use super::support::sample::{bytes, make_image_with};
use super::{layerpress, said};

/// An image whose last file is damaged, behind directories that nobody may write or enter.
fn damaged(directory: &Path) -> PathBuf {
    let root = directory.join("root");
    fs::create_dir_all(root.join("a/closed/deep")).unwrap();
    fs::write(root.join("a/closed/deep/file"), b"content").unwrap();
    fs::hard_link(root.join("a/closed/deep/file"), root.join("b")).unwrap();
    std::os::unix::fs::symlink("/etc", root.join("away")).unwrap();
    fs::write(root.join("z"), bytes(20 * 4096)).unwrap();
    fs::set_permissions(root.join("a/closed"), PermissionsExt::from_mode(0o500)).unwrap();
    let image = directory.join("image");
    make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "16M");
    fs::set_permissions(root.join("a/closed"), PermissionsExt::from_mode(0o700)).unwrap();
    let closed = [
        "set_inode_field /a/closed mode 040000",
        "set_inode_field /z block[IND] 4000000",
    ];
    oracles::debugfs_write(&image, &closed);
    image
}

fn extract(image: &Path, target: &Path, options: &[&str]) -> std::process::Output {
    let mut arguments = vec![OsStr::new("extract"), image.as_os_str(), OsStr::new("-o")];
    arguments.push(target.as_os_str());
    arguments.extend(options.iter().map(OsStr::new));
    layerpress(&arguments)
}

/// Bug: an extract that failed left half a tree, and one that was interrupted said that nothing was
/// left. Cause: what was made had no owner. Found on a full disk.
#[test]
fn what_was_extracted_before_an_error_is_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    let image = damaged(directory.path());
    // A target that is made, and one that is there and empty and stays.
    for (name, is_there) in [("made", false), ("empty", true)] {
        let target = directory.path().join(name);
        if is_there {
            fs::create_dir(&target).unwrap();
        }
        let output = extract(&image, &target, &[]);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(!said(&output).contains("is in"), "{}", said(&output));
        assert_eq!(target.exists(), is_there);
        if is_there {
            assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
        }
    }
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn what_was_extracted_over_the_files_of_others_stays_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let image = damaged(directory.path());
    let target = directory.path().join("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("own"), b"own").unwrap();
    let output = extract(&image, &target, &["--force"]);
    assert_eq!(output.status.code(), Some(4));
    let text = format!("what was extracted until then is in {}", target.display());
    assert!(said(&output).contains(&text), "{}", said(&output));
    assert_eq!(fs::read(target.join("own")).unwrap(), b"own");
    assert!(target.join("a").exists());
}

/// Bug: `extract --force` into the directory of its image replaced the image by what it holds of the
/// same name. Cause: only a tar was held against the image. Found by trying what a build refuses.
#[test]
fn an_image_is_not_replaced_by_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let image = damaged(directory.path());
    let before = fs::read(&image).unwrap();
    let target = directory.path().join("target");
    // In the place of a directory, of a link, of a file in a directory.
    for name in ["a", "away", "a/closed/deep/file"] {
        fs::create_dir_all(target.join(name).parent().unwrap()).unwrap();
        fs::rename(&image, target.join(name)).unwrap();
        let output = extract(&target.join(name), &target, &["--force"]);
        assert_eq!(output.status.code(), Some(5), "{}", said(&output));
        let text = format!("{name}: expected an output other than the image itself");
        assert!(said(&output).contains(&text), "{}", said(&output));
        assert!(fs::read(target.join(name)).unwrap() == before, "{name}");
        fs::rename(target.join(name), &image).unwrap();
        fs::remove_dir_all(&target).unwrap();
    }
}

#[test]
fn a_signal_takes_away_what_was_extracted_or_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    for index in 0..4000 {
        let parent = root.join(format!("d{}", index % 40));
        fs::create_dir_all(&parent).unwrap();
        fs::write(parent.join(format!("file {index}")), bytes(3000)).unwrap();
    }
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "64M");
    for (is_forced, text) in [
        (false, "interrupted; nothing is left"),
        (true, "until then is in"),
    ] {
        let target = directory.path().join("target");
        if is_forced {
            fs::create_dir(&target).unwrap();
            fs::write(target.join("own"), b"").unwrap();
        }
        let mut command = run::layerpress();
        command.arg("extract").arg(&image);
        command.args(["--force", "-o"]).arg(&target);
        let mut told = tempfile::tempfile().unwrap();
        let mut child = Ending::start(command.stderr(told.try_clone().unwrap()));
        let started = Instant::now();
        // Its second directory is begun, and most is still to come.
        while !target.join("d1").exists() {
            assert!(started.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_micros(200));
        }
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let status = child.end_within(Duration::from_secs(60));
        told.rewind().unwrap();
        let told = std::io::read_to_string(told).unwrap();
        assert_eq!(status.code(), Some(143), "{told}");
        assert!(told.contains(text), "{told}");
        assert_eq!(target.exists(), is_forced);
    }
}

/// Bug: of a full disk it was told that it is full, and neither what was needed nor what there was.
#[test]
fn a_full_disk_is_told_with_what_was_needed_and_what_is_free() {
    if !oracles::is_root() {
        return oracles::skip("not root: mounting a small disk needs it");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), bytes(6 << 20)).unwrap();
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "16M");
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    oracles::succeed(
        "mount",
        [
            "-t",
            "tmpfs",
            "-o",
            "size=2m",
            "tmpfs",
            disk.to_str().unwrap(),
        ],
    );
    let scarce = ["-o", "remount,size=64m,nr_inodes=2"].map(OsStr::new);
    let outputs: Vec<_> = ["directory", "file.tar"]
        .iter()
        .map(|name| {
            (
                extract(&image, &disk.join(name), &[]),
                fs::read_dir(&disk).unwrap().count(),
            )
        })
        .collect();
    // Another reason for the same error: Linux has one number for both.
    oracles::succeed("mount", scarce.into_iter().chain([disk.as_os_str()]));
    let scarce = extract(&image, &disk.join("directory"), &[]);
    oracles::succeed("umount", [&disk]);
    assert!(
        said(&scarce).contains("64 MiB free, but 1 inodes"),
        "{}",
        said(&scarce)
    );
    for (output, left) in outputs {
        assert_eq!(
            (output.status.code(), left),
            (Some(3), 0),
            "{}",
            said(&output)
        );
        let told = said(&output);
        assert!(
            told.contains("up to 6") && told.contains("2 MiB free"),
            "{told}"
        );
    }
}
