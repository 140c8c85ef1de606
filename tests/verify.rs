//! `verify` finds every damage and says what it is; sound filesystems pass, whoever made them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use serde_json::Value;
use support::oracles;
use support::sample::make_image_with;
use support::session::{Pressed, Ran, layerpress};

fn verify(image: &str, reference: &str, more: &[&str]) -> Ran {
    layerpress(["verify", image, reference].iter().chain(more))
}

#[test]
fn a_filesystem_equals_the_image_it_was_made_of_in_every_form_of_that_image() {
    let pressed = Pressed::new();
    let ran = verify(&pressed.image(), &pressed.reference(), &[]).ended_with(0);
    assert!(
        ran.stdout.starts_with("equal: 16 entries, "),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stderr, "");
    let json = verify(&pressed.image(), &pressed.reference(), &["--json"]).json();
    assert_eq!(json["equal"], true);
    assert_eq!(json["filesystem_chain_id"], json["chain_id"]);
    assert_eq!(json["differences"], Value::Array(Vec::new()));
    if oracles::program("skopeo").is_none() {
        return;
    }
    for (form, options) in [
        ("docker-archive:save.tar:app:1", &[][..]),
        ("oci:zstd:1", &["--dest-compress-format", "zstd"]),
        ("oci-archive:gzip.tar:1", &[]),
    ] {
        let to = form.replacen(':', &format!(":{}/", pressed.directory.path().display()), 1);
        let copy = ["--insecure-policy", "copy", "-q", &pressed.reference(), &to];
        oracles::succeed("skopeo", copy.iter().chain(options));
        verify(&pressed.image(), &to, &[]).ended_with(0);
    }
}

/// Bug: a name that is a directory here and a file there was told once more, as "size unreadable by every
/// reader". Cause: a directory has no length that could be compared, and its absence was taken for
/// one that could not be read. Found by a red team.
#[test]
fn what_is_another_type_is_told_once() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    let image = place.path().join("a.img");
    let (image, source) = (
        image.to_str().unwrap(),
        format!("rootfs:{}", tree.display()),
    );
    type Make = fn(&std::path::Path);
    let makes: [Make; 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| fs::write(path, "ab").unwrap(),
        |path| symlink("elsewhere", path).unwrap(),
    ];
    for make in &makes {
        fs::create_dir(&tree).unwrap();
        make(&tree.join("d"));
        layerpress(["build", &source, "-o", image]).ended_with(0);
        fs::remove_dir_all(&tree).unwrap();
        for make in &makes {
            fs::create_dir(&tree).unwrap();
            make(&tree.join("d"));
            let found = verify(image, &source, &["--json"]).json();
            fs::remove_dir_all(&tree).unwrap();
            let of_it = found["differences"].as_array().unwrap().iter();
            let of_it: Vec<_> = of_it.filter(|one| one["path"] == "/d").collect();
            assert_eq!(found["unreadable"], 0, "{found:#}");
            // Made anew, it has another time.
            assert_eq!(of_it.len(), 1, "{found:#}");
        }
    }
}

/// Damages a copy, and expects one difference of these fields, in JSON and in the text.
fn assert_found(pressed: &Pressed, damaged: &str, path: &str, fields: &[&str], text: &str) {
    let json = verify(damaged, &pressed.reference(), &["--json"])
        .ended_with(1)
        .json();
    let differences = json["differences"].as_array().unwrap();
    let found: Vec<_> = differences
        .iter()
        .filter(|found| found["path"] == path)
        .collect();
    assert_eq!(found.len(), 1, "{json:#}");
    let found_fields: Vec<_> = found[0]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect();
    assert_eq!(found_fields, fields, "{json:#}");
    let shown = verify(damaged, &pressed.reference(), &[])
        .ended_with(1)
        .fits_80_columns_but(2);
    assert!(
        shown.stdout.contains(text),
        "expected\n{text}\nfound\n{}",
        shown.stdout
    );
}

trait ButNames {
    fn fits_80_columns_but(self, names: usize) -> Self;
}

impl ButNames for Ran {
    /// The first lines name the two sides and are as long as their names.
    fn fits_80_columns_but(self, names: usize) -> Self {
        let rest: Vec<_> = self.stdout.lines().skip(names).collect();
        assert!(
            rest.iter().all(|line| line.chars().count() <= 80),
            "{rest:#?}"
        );
        self
    }
}

#[test]
fn damage_to_one_entry_is_found_and_named() {
    let pressed = Pressed::new();
    let overwritten = |from: &str, to: &str| pressed.overwritten(from.as_bytes(), to.as_bytes());
    let damaged = overwritten("content of a plain file\n", "content of a plain fool\n");
    let text = "/etc/plain: content\n- content blocks:";
    assert_found(&pressed, &damaged, "/etc/plain", &["content"], text);

    let damaged = pressed.changed(&["set_inode_field /etc/plain mode 0104755"]);
    let text = "/etc/plain: mode\n- mode 0644\n+ mode 4755\n";
    assert_found(&pressed, &damaged, "/etc/plain", &["mode"], text);

    let damaged = pressed.changed(&["set_inode_field /etc/plain uid 70"]);
    let text = "/etc/plain: owner\n- owner 7:8\n+ owner 70:8\n";
    assert_found(&pressed, &damaged, "/etc/plain", &["owner"], text);

    let damaged = pressed.changed(&["set_inode_field /etc/plain mtime @1700000001"]);
    let text = "- mtime 2023-11-14T22:13:20Z\n+ mtime 2023-11-14T22:13:21Z\n";
    assert_found(&pressed, &damaged, "/etc/plain", &["mtime"], text);

    let damaged = pressed.changed(&["set_inode_field /etc/plain mtime_extra 4"]);
    let text = "- mtime 2023-11-14T22:13:20Z\n+ mtime 2023-11-14T22:13:20.000000001Z\n";
    assert_found(&pressed, &damaged, "/etc/plain", &["mtime"], text);

    let damaged = pressed.changed(&["ea_set /etc/marked user.mark elsewhere"]);
    let text = "/etc/marked: xattrs\n- user.mark \"made here\"\n+ user.mark \"elsewhere\"\n";
    assert_found(&pressed, &damaged, "/etc/marked", &["xattrs"], text);

    let damaged = pressed.changed(&["ea_rm /etc/marked user.mark"]);
    let text = "/etc/marked: xattrs\n- user.mark \"made here\"\n+ user.mark absent\n";
    assert_found(&pressed, &damaged, "/etc/marked", &["xattrs"], text);

    let damaged = overwritten("where-the-link-leads", "where-the-link-ends!");
    let text =
        "/usr/bin/short: target\n- target where-the-link-leads\n+ target where-the-link-ends!\n";
    assert_found(&pressed, &damaged, "/usr/bin/short", &["target"], text);

    let damaged = pressed.changed(&["set_inode_field /null block[0] 0x0105"]);
    let text = "/null: device\n- device 1:3\n+ device 1:5\n";
    assert_found(&pressed, &damaged, "/null", &["device"], text);

    let damaged = pressed.changed(&["set_inode_field /etc/plain size 5"]);
    let text = "/etc/plain: size, content\n- size 24 bytes\n+ size 5 bytes\n";
    assert_found(&pressed, &damaged, "/etc/plain", &["size", "content"], text);
}

#[test]
fn names_that_are_missing_added_or_of_another_link_group_are_found() {
    let pressed = Pressed::new();
    let damaged = pressed.changed(&["rm /etc/plain"]);
    let text = "/etc/plain: missing\n- file 0644 7:8 24 bytes\n";
    assert_found(&pressed, &damaged, "/etc/plain", &[], text);
    let json = verify(&damaged, &pressed.reference(), &["--json"]).json();
    assert_eq!((&json["missing"], &json["extra"]), (&1.into(), &0.into()));
    assert_eq!(json["differences"][0]["entry"]["size_bytes"], 24);

    let damaged = pressed.changed(&["symlink /etc/new somewhere"]);
    let text = "/etc/new: extra\n+ symlink 0777 ";
    assert_found(&pressed, &damaged, "/etc/new", &[], text);

    // The same content, mode and owner: only the group is another.
    let damaged = pressed.changed(&["unlink /two", "ln /three /two"]);
    let text = "/two: hard-link group\n- links same as /one\n+ links same as /four\n";
    let text = text.replace("hard-link group", "links");
    assert_found(&pressed, &damaged, "/two", &["links"], &text);
}

#[test]
fn what_is_ignored_is_no_difference_and_what_is_not_still_is() {
    let pressed = Pressed::new();
    let damaged = pressed.changed(&[
        "set_inode_field /etc/plain mtime @1700000001",
        "set_inode_field /etc/empty mode 0100600",
    ]);
    let ignoring = |fields: &str| verify(&damaged, &pressed.reference(), &["--ignore", fields]);
    ignoring("mtime,mode").ended_with(0);
    let ran = ignoring("mtime").ended_with(1);
    assert!(!ran.stdout.contains("/etc/plain"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .ends_with("different: 0 missing, 0 extra, 1 changed of 16 entries\n")
    );
    ignoring("xattrs").ended_with(1);
    ignoring("nothing").ended_with(2);
}

#[test]
fn filesystems_of_mke2fs_are_held_against_images_as_well() {
    if !oracles::is_root() {
        return oracles::skip("mke2fs gives the root directory to whoever runs it");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(root.join("etc/file"), vec![b'x'; 20_000]).unwrap();
    fs::hard_link(root.join("etc/file"), root.join("again")).unwrap();
    symlink("etc/file", root.join("link")).unwrap();
    let reference = format!("rootfs:{}", root.display());
    for options in [
        &["-t", "ext2", "-b", "1024"][..],
        &["-t", "ext3", "-b", "4096"],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-b", "4096"],
    ] {
        let image = directory.path().join("image.img");
        let _ = fs::remove_file(&image);
        make_image_with(options, &root, &image, "16M");
        let image = image.to_str().unwrap();
        // mke2fs cuts times to seconds.
        let json = verify(image, &reference, &["--json", "--ignore", "mtime"]);
        let json = json.ended_with(0).json();
        assert_eq!(json["filesystem_chain_id"], Value::Null);
        assert_eq!(json["entries"], 6, "{options:?}");
        oracles::debugfs_write(image.as_ref(), &["set_inode_field /etc mode 040700"]);
        verify(image, &reference, &["--ignore", "mtime"]).ended_with(1);
    }
    assert!(fs::metadata(root.join("again")).unwrap().nlink() == 2);
}

#[test]
fn another_image_is_told_by_its_chain_id_and_each_difference() {
    let pressed = Pressed::new();
    let other = support::archive::TestImage::new([support::archive::layer_tar(&[("only", b"x")])]);
    other.layout("1").write_directory(&pressed.at("other"));
    let reference = format!("oci:{}", pressed.path("other"));
    let ran = verify(&pressed.image(), &reference, &[]).ended_with(1);
    assert!(
        ran.stderr
            .contains("was made from an image with the chain ID sha256:"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout
            .contains("/only: missing\n- file 0644 0:0 1 byte\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_cannot_be_verified_is_an_error_and_no_difference() {
    let pressed = Pressed::new();
    let reference = pressed.reference();
    verify(&pressed.path("absent.img"), &reference, &[]).ended_with(3);
    let no_filesystem = pressed.path("layout/index.json");
    let ran = verify(&no_filesystem, &reference, &[]).ended_with(4);
    assert!(
        ran.stderr.contains("expected an ext2, ext3 or ext4"),
        "{}",
        ran.stderr
    );
    verify(&pressed.image(), &pressed.path("absent"), &[]).ended_with(3);
    verify(
        &pressed.image(),
        &reference,
        &["--debugfs", "/absent/debugfs"],
    )
    .ended_with(6);
    // A filesystem that is too damaged to be read is not equal.
    let copy = pressed.copy();
    let mut bytes = fs::read(&copy).unwrap();
    bytes[4096..8192].fill(0xff);
    fs::write(&copy, bytes).unwrap();
    verify(&copy, &reference, &[]).ended_with(1);
}

/// Bug: what debugfs said of a damaged directory was told with its own `ls -p`'s argument in front and a
/// blank behind. Found by reading it.
#[test]
fn what_debugfs_says_of_a_directory_is_told_without_its_arguments() {
    let pressed = Pressed::new();
    let image = pressed.image();
    let block = oracles::debugfs(image.as_ref(), &["bmap /etc 0"]);
    let block = block
        .lines()
        .find_map(|line| line.trim().parse::<u64>().ok());
    let file = fs::File::options().write(true).open(&image).unwrap();
    // The length of the first entry.
    file.write_all_at(&[3, 0], block.unwrap() * 4096 + 4)
        .unwrap();
    let json = verify(&image, &pressed.reference(), &["--json"]).ended_with(1);
    let json = json.stdout;
    assert!(json.contains("\"EXT2 directory corrupted\""), "{json}");
    assert!(!json.contains("-p:"), "{json}");
}
