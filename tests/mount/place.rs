//! A directory with an image in it, and layerpress at work there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::oracles::{is_root, run, skip, succeed};
use crate::support::run::{self as program, output_of};
use crate::support::sample::make_image_with;

/// What everything happens in; nothing of it stays mounted.
pub struct Place {
    directory: tempfile::TempDir,
    /// An ext3 filesystem of `tree`.
    pub image: PathBuf,
}

/// A fresh one; `None`, after saying why, where nothing can be mounted.
pub fn place() -> Option<Place> {
    if !is_root() {
        skip("not root: mounting needs it");
        return None;
    }
    if !Path::new("/dev/loop-control").exists() {
        skip("no loop devices here");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let tree = directory.path().join("tree");
    fs::create_dir_all(tree.join("dir/deep")).unwrap();
    fs::write(tree.join("dir/file"), b"content\n").unwrap();
    fs::hard_link(tree.join("dir/file"), tree.join("link")).unwrap();
    symlink("dir/file", tree.join("symlink")).unwrap();
    fs::copy("/bin/sleep", tree.join("sleep")).unwrap();
    // mke2fs keeps whole seconds.
    let time = ["-exec", "touch", "-h", "-d", "@1700000000", "{}", "+"].map(OsStr::new);
    succeed("find", [tree.as_os_str()].into_iter().chain(time));
    let image = directory.path().join("a.img");
    make_image_with(&["-t", "ext3"], &tree, &image, "16M");
    Some(Place { directory, image })
}

/// The program with its arguments.
pub fn layerpress<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = program::layerpress();
    command.args(arguments);
    command
}

impl Place {
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs layerpress, expects it to succeed, and gives its standard output.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = output_of(&mut layerpress(arguments));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs layerpress, expects it to fail with a code, and gives its error.
    pub fn fails<S: AsRef<OsStr>>(
        &self,
        code: i32,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        failed(code, output_of(&mut layerpress(arguments)))
    }

    pub fn mount(&self, name: &str) {
        let point = self.at(name);
        self.ok(["mount".as_ref(), self.image.as_os_str(), point.as_os_str()]);
    }

    pub fn umount(&self, name: &str) {
        self.ok(["umount".as_ref(), self.at(name).as_os_str()]);
    }

    /// How many loop devices are over files of this place.
    pub fn loop_devices(&self) -> usize {
        let list = succeed("losetup", ["-l", "-n", "-O", "BACK-FILE"]);
        let list = String::from_utf8_lossy(&list).into_owned();
        list.lines()
            .filter(|line| line.contains(self.directory.path().to_str().unwrap()))
            .count()
    }

    /// The same, when those that are on their way out had their time: a child that another thread
    /// forks holds this one's files open until it runs its program.
    pub fn loop_devices_left(&self) -> usize {
        for _ in 0..100 {
            if self.loop_devices() == 0 {
                return 0;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.loop_devices()
    }

    pub fn mounts(&self) -> usize {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts
            .lines()
            .filter(|line| line.contains(self.directory.path().to_str().unwrap()))
            .count()
    }

    /// Asserts that nothing is mounted here, no loop device is left, and `absent` was not made.
    pub fn is_clean(&self, absent: &Path) {
        assert_eq!((self.mounts(), self.loop_devices_left()), (0, 0));
        assert!(!absent.exists(), "{} was left", absent.display());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for _ in 0..100 {
            if self.mounts() == 0 {
                break;
            }
            let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
            for line in mounts.lines().rev() {
                let point = line.split(' ').nth(1).unwrap_or_default();
                if point.starts_with(self.directory.path().to_str().unwrap()) {
                    let point = point.replace("\\040", " ").replace("\\134", "\\");
                    run("umount", ["-l", &*point.replace("\\012", "\n")]);
                }
            }
        }
        let devices = if std::thread::panicking() {
            0
        } else {
            self.loop_devices()
        };
        assert_eq!(devices, 0, "loop devices are left");
    }
}

pub fn failed(code: i32, output: Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    let error = told
        .find("error: ")
        .unwrap_or_else(|| panic!("no error in {told}"));
    told[error..].to_owned()
}

/// What `/proc/self/mounts` says of a mount point.
pub fn mount_line(point: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let found = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(1) == point.to_str());
    found.map(str::to_owned)
}

pub fn sha256(file: &Path) -> String {
    let told = succeed("sha256sum", ["-b".as_ref(), file.as_os_str()]);
    String::from_utf8_lossy(&told)[..64].to_owned()
}
