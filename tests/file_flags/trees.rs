//! Flags of directory trees, as the host has them.

use super::*;

/// A filesystem that has all flags, mounted; its image goes with the directory.
pub(super) struct Ext4 {
    mounted: Mounted,
    _directory: tempfile::TempDir,
}

impl Ext4 {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("ext4");
        File::create(&image).unwrap().set_len(256 << 20).unwrap();
        let image = image.as_os_str();
        succeed(
            "mke2fs",
            [OsStr::new("-q"), "-t".as_ref(), "ext4".as_ref(), image],
        );
        Self {
            mounted: Mounted::read_write(Path::new(image)),
            _directory: directory,
        }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.mounted.mount_point().join(name)
    }
}

fn chattr(how: &str, path: &Path) {
    succeed("chattr", [OsStr::new(how), path.as_os_str()]);
}

/// The letters of all files and directories, by path, but for those that are the format's.
pub(super) fn letters(root: &Path) -> BTreeMap<String, String> {
    let listed = succeed("lsattr", [OsStr::new("-aR"), root.as_os_str()]);
    let listed = String::from_utf8(listed).unwrap();
    let lines = listed.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(letters, path)| {
            let path = path.strip_prefix(root.to_str().unwrap())?;
            let path = path.trim_end_matches("/.").to_owned();
            let is_own = path.ends_with("/..") || path.starts_with("/lost+found");
            (!is_own).then(|| (path, letters.replace(['e', 'I', '-'], "")))
        })
        .collect()
}

/// A tree with flags on files and directories of all kinds.
pub(super) fn fill(root: &Path) {
    fs::create_dir_all(root.join("sealed/below")).unwrap();
    for name in ["i", "a", "d", "several", "plain", "sealed/below/file"] {
        fs::write(root.join(name), name).unwrap();
    }
    fs::hard_link(root.join("i"), root.join("sealed/also-i")).unwrap();
    symlink("i", root.join("link")).unwrap();
    succeed("mkfifo", [root.join("fifo")]);
    // What is made in such a directory has the flag, too.
    fs::create_dir(root.join("nodump")).unwrap();
    chattr("+d", &root.join("nodump"));
    symlink("file", root.join("nodump/link")).unwrap();
    succeed("mkfifo", [root.join("nodump/fifo")]);
    chattr("+i", &root.join("i"));
    chattr("+a", &root.join("a"));
    chattr("+d", &root.join("d"));
    chattr("+SAsu", &root.join("several"));
    chattr("+DT", &root.join("sealed/below"));
    chattr("+i", &root.join("sealed"));
}

pub(super) fn expected() -> BTreeMap<String, String> {
    let letters = [
        ("", ""),
        ("/i", "i"),
        ("/a", "a"),
        ("/d", "d"),
        ("/several", "suSA"),
        ("/plain", ""),
        ("/nodump", "d"),
        ("/sealed", "i"),
        ("/sealed/also-i", "i"),
        ("/sealed/below", "DT"),
        ("/sealed/below/file", ""),
    ];
    let owned = |(path, letters): (&str, &str)| (path.to_owned(), letters.to_owned());
    letters.map(owned).into()
}

/// What the kernel shows of an image.
fn letters_in(image: &Path) -> BTreeMap<String, String> {
    letters(&Mounted::read_only(image).mount_point())
}

#[test]
fn flags_of_directory_trees_and_of_bsdtars_archives_are_shown_by_the_kernel() {
    if !is_root_with(&["mke2fs", "chattr", "lsattr", "bsdtar", "tar", "mkfifo"]) {
        return;
    }
    let ext4 = Ext4::new();
    let root = ext4.at("root");
    fill(&root);
    assert_eq!(letters(&root), expected());
    let press = Press::new();
    let output = press.output();
    let reference = PathBuf::from(format!("rootfs:{}", root.display()));
    let (_, said) = built(&press, &reference, &output, &["--file-flags"]);
    assert!(!said.stderr.contains("flags"), "{}", said.stderr);
    assert_eq!(letters_in(&output), expected());
    for (path, flags) in [
        ("/nodump/link", D),
        ("/nodump/fifo", D),
        ("/link", FileFlags::default()),
    ] {
        assert_eq!(flags_in(&output, path), flags, "{path}");
    }
    let (output, root_name) = (output.to_str().unwrap(), reference.to_str().unwrap());
    ran(&press, "verify", &[output, root_name, "--file-flags"]).succeeded();
    let tar_of = |program: &str, options: &[&str]| {
        let tar = press.input(program);
        let options = options.iter().map(OsStr::new);
        let rest = [
            "-C".as_ref(),
            root.as_os_str(),
            "-cf".as_ref(),
            tar.as_os_str(),
            ".".as_ref(),
        ];
        succeed(program, options.chain(rest));
        PathBuf::from(format!("rootfs:{}", tar.display()))
    };
    let image = press.input("image");
    let (_, said) = built(
        &press,
        &tar_of("bsdtar", &["--format", "pax", "--fflags"]),
        &image,
        &["--file-flags"],
    );
    assert!(!said.stderr.contains("flags"), "{}", said.stderr);
    assert_eq!(letters_in(&image), expected());
    // GNU tar knows none.
    built(
        &press,
        &tar_of("tar", &["--format=pax"]),
        &image,
        &["--file-flags"],
    );
    assert!(letters_in(&image).values().all(String::is_empty));
}

#[test]
fn flags_that_are_not_asked_for_change_nothing_of_a_directory_tree() {
    if !is_root_with(&["mke2fs", "chattr", "mkfifo"]) {
        return;
    }
    let ext4 = Ext4::new();
    let root = ext4.at("root");
    fill(&root);
    let press = Press::new();
    let reference = PathBuf::from(format!("rootfs:{}", root.display()));
    let (with, without) = (press.input("with"), press.input("without"));
    let (_, said) = built(&press, &reference, &with, &[]);
    let counted = format!("{NOT_KEPT}9 entries, for example ");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
    for name in ["sealed", "sealed/below", "i", "a", "d", "several"] {
        chattr("=", &root.join(name));
    }
    let (_, said) = built(&press, &reference, &without, &[]);
    let counted = format!("{NOT_KEPT}3 entries, for example nodump (nodump)");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
    assert!(fs::read(with).unwrap() == fs::read(without).unwrap());
}
