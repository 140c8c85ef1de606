//! What is made has the mode that the umask leaves, and can be made whatever that is: also where it
//! takes everything from the owner himself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use support::archive::layer_tar;
use support::oracles::{is_root, skip};
use support::run::{Ended, LAYERPRESS, Press, without_defaults};

const NOBODY: u32 = 65534;

/// An image and its filesystem, which everybody may read, and the program.
struct Place {
    press: Press,
    program: PathBuf,
}

/// Who runs the program, with which umask, and where.
struct User<'a> {
    place: &'a Place,
    id: Option<u32>,
    umask: u32,
    directory: PathBuf,
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A path's permissions. To look into a directory that has none, it is given some.
fn mode(path: &Path) -> u32 {
    let metadata = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    if metadata.is_dir() {
        set(path, 0o755);
    }
    metadata.permissions().mode() & 0o7777
}

impl Place {
    fn new() -> Self {
        let press = Press::with_layers([layer_tar(&[
            ("etc/motd", b"good morning\n"),
            ("etc/deep/er/file", b"below\n"),
        ])]);
        press.run(&mut press.build()).succeeded();
        let program = press.root().join("layerpress");
        press.install(Path::new(LAYERPRESS), &program);
        for (path, mode) in [
            (press.root().to_owned(), 0o755),
            (press.image(), 0o644),
            (press.output(), 0o644),
        ] {
            set(&path, mode);
        }
        Self { press, program }
    }

    /// Everybody whom this process can be, with umasks that take much and all.
    fn users(&self) -> Vec<User<'_>> {
        let ids = match is_root() {
            true => vec![None, Some(NOBODY)],
            false => {
                skip("not root: the other user cannot be taken");
                vec![None]
            }
        };
        let each = ids
            .iter()
            .flat_map(|id| [0o077, 0o777].map(|umask| (*id, umask)));
        each.map(|(id, umask)| {
            let directory = self.press.root().join(format!("{id:?}-{umask:o}"));
            fs::create_dir(&directory).unwrap();
            chown(&directory, id, id).unwrap();
            User {
                place: self,
                id,
                umask,
                directory,
            }
        })
        .collect()
    }
}

impl User<'_> {
    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn name(&self) -> String {
        format!("{:?} with {:o}", self.id, self.umask)
    }

    /// What the umask leaves of a file's or a directory's mode.
    fn left(&self, of: u32) -> u32 {
        of & !self.umask
    }

    fn run(&self, words: &[&Path]) -> Ended {
        let mut command = match self.id {
            None => without_defaults("sh"),
            Some(id) => {
                let mut command = without_defaults("setpriv");
                command.args([format!("--reuid={id}"), format!("--regid={id}")]);
                command.args(["--clear-groups", "--", "sh"]);
                command
            }
        };
        command.args(["-c", "umask \"$0\" && exec \"$@\""]);
        command
            .arg(format!("{:o}", self.umask))
            .arg(&self.place.program);
        command.args(words).current_dir(&self.directory);
        command.env("TMPDIR", &self.directory);
        self.place.press.run(&mut command)
    }

    #[track_caller]
    fn succeeds(&self, words: &[&Path]) {
        let ended = self.run(words);
        assert_eq!(
            ended.code(),
            0,
            "{}: {words:?}: {}",
            self.name(),
            ended.stderr
        );
    }
}

/// Words as paths.
macro_rules! words {
    ($($word:expr),* $(,)?) => {
        &[$(Path::new($word)),*]
    };
}

#[test]
fn an_output_and_all_beside_it_are_made_whatever_the_umask() {
    let place = Place::new();
    let expected = fs::read(place.press.output()).unwrap();
    for user in place.users() {
        user.succeeds(words![
            "build",
            &place.press.image(),
            "-o",
            "fs.img",
            "--work-dir",
            ".",
            "--sha256",
            "--verify",
            "--manifest=m.json",
            "--compress=gzip",
        ]);
        for name in ["fs.img", "fs.img.gz", "fs.img.sha256", "m.json"] {
            assert_eq!(
                mode(&user.at(name)),
                user.left(0o666),
                "{}: {name}",
                user.name()
            );
        }
        set(&user.at("fs.img"), 0o644);
        assert!(
            fs::read(user.at("fs.img")).unwrap() == expected,
            "{}",
            user.name()
        );
        // In place of one that nobody but root can open.
        set(&user.at("fs.img"), 0);
        user.succeeds(words!["build", "-q", &place.press.image(), "-o", "fs.img"]);
        assert_eq!(
            mode(&user.at("fs.img")),
            user.left(0o666),
            "{}",
            user.name()
        );
    }
}

#[test]
fn a_tree_is_extracted_whatever_the_umask_and_has_its_own_modes() {
    let place = Place::new();
    for user in place.users() {
        let image = place.press.output();
        user.succeeds(words!["extract", &image, "-o", "tree"]);
        assert_eq!(mode(&user.at("tree")), 0o755, "{}", user.name());
        assert_eq!(mode(&user.at("tree/etc/deep/er")), 0o755, "{}", user.name());
        let file = fs::read(user.at("tree/etc/deep/er/file")).unwrap();
        assert_eq!(file, b"below\n");
        // A directory that is nobody's in the tree is the user's.
        user.succeeds(words![
            "extract",
            &image,
            "/etc/motd",
            "/etc/deep",
            "-o",
            "some/"
        ]);
        assert_eq!(mode(&user.at("some")), user.left(0o777), "{}", user.name());
        assert!(user.at("some/deep/er/file").exists() && user.at("some/motd").exists());
        user.succeeds(words!["extract", &image, "-o", "tree.tar"]);
        assert_eq!(
            mode(&user.at("tree.tar")),
            user.left(0o666),
            "{}",
            user.name()
        );
    }
}

#[test]
fn a_layout_and_archives_are_written_whatever_the_umask() {
    let place = Place::new();
    for user in place.users() {
        let image = place.press.output();
        for (target, made) in [("oci:layout:1", "layout"), ("oci-archive:o.tar:1", "o.tar")] {
            user.succeeds(words![
                "export",
                &image,
                "--platform=linux/amd64",
                "-o",
                target
            ]);
            let of = if made == "layout" { 0o777 } else { 0o666 };
            assert_eq!(
                mode(&user.at(made)),
                user.left(of),
                "{}: {made}",
                user.name()
            );
        }
        for name in ["layout/blobs", "layout/blobs/sha256"] {
            assert_eq!(
                mode(&user.at(name)),
                user.left(0o777),
                "{}: {name}",
                user.name()
            );
        }
        assert_eq!(mode(&user.at("layout/index.json")), user.left(0o666));
        assert_eq!(
            fs::read_dir(user.at("layout/blobs/sha256"))
                .unwrap()
                .count(),
            3
        );
    }
}

#[test]
fn manual_pages_are_written_whatever_the_umask() {
    let place = Place::new();
    for user in place.users() {
        user.succeeds(words!["man", "man/pages"]);
        for name in ["man", "man/pages"] {
            assert_eq!(
                mode(&user.at(name)),
                user.left(0o777),
                "{}: {name}",
                user.name()
            );
        }
        assert!(fs::read_dir(user.at("man/pages")).unwrap().count() > 10);
    }
}
