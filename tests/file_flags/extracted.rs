//! Flags taken out of filesystems again.

use std::os::unix::fs::chown;

use super::*;
use crate::trees::{Ext4, expected, fill, letters};

#[test]
fn extract_keeps_flags_in_tars_and_directories_where_that_is_asked_for() {
    if !is_root_with(&["mke2fs", "chattr", "lsattr", "bsdtar", "mkfifo"]) {
        return;
    }
    let ext4 = Ext4::new();
    let root = ext4.at("root");
    fill(&root);
    let press = Press::new();
    let image = press.output();
    let reference = PathBuf::from(format!("rootfs:{}", root.display()));
    built(&press, &reference, &image, &["--file-flags"]);
    let image_name = image.to_str().unwrap();
    let extract = |target: &Path, options: &[&str]| {
        let target = target.to_str().unwrap();
        let arguments = [&[image_name, "-o", target], options].concat();
        let ended = ran(&press, "extract", &arguments);
        ended.succeeded();
        ended.stderr
    };
    // A directory.
    let counted = format!("{NOT_KEPT}9 entries, for example ");
    let said = extract(&ext4.at("plain"), &[]);
    assert!(said.contains(&counted), "{said}");
    assert!(letters(&ext4.at("plain")).values().all(String::is_empty));
    let said = extract(&ext4.at("kept"), &["--file-flags"]);
    let counted_links =
        "file flags of links and special files were not kept: 2 entries, for example ";
    let told = said.lines().filter(|line| line.contains("flags"));
    assert!(
        told.clone().all(|line| line.contains(counted_links)),
        "{said}"
    );
    assert_eq!(told.count(), 1, "{said}");
    let without_lost_found = |mut letters: BTreeMap<String, String>| {
        letters.remove("/lost+found");
        letters
    };
    assert_eq!(without_lost_found(letters(&ext4.at("kept"))), expected());
    // A tar, as we and as others read it.
    let tar = press.input("extracted.tar");
    let said = extract(&tar, &[]);
    assert!(said.contains(&counted), "{said}");
    let said = extract(&tar, &["--file-flags", "--force"]);
    assert!(!said.contains("flags"), "{said}");
    let again = press.input("again");
    let of_tar = PathBuf::from(format!("rootfs:{}", tar.display()));
    built(&press, &of_tar, &again, &["--file-flags"]);
    ran(&press, "diff", &[image_name, again.to_str().unwrap()]).succeeded();
    fs::create_dir(ext4.at("bsdtar")).unwrap();
    let at = ext4.at("bsdtar");
    let arguments = [
        OsStr::new("-xpf"),
        tar.as_os_str(),
        "--fflags".as_ref(),
        "-C".as_ref(),
    ];
    let unpacked = run("bsdtar", arguments.into_iter().chain([at.as_os_str()]));
    let told = String::from_utf8_lossy(&unpacked.stderr);
    assert!(unpacked.status.success(), "{told}");
    assert_eq!(without_lost_found(letters(&at)), expected());
    let told = run("tar", [OsStr::new("-tf"), tar.as_os_str()]);
    assert!(told.status.success());
}

#[test]
fn extract_tells_the_flags_that_only_root_sets_and_those_of_what_has_no_door() {
    if !is_root_with(&["mke2fs", "lsattr", "setpriv"]) {
        return;
    }
    let items = [
        directory("d").flags(I.with(D)),
        file("f", *b"f").flags(I.with(NO_ATIME)).mode(0),
        symlink_item("l", "f").flags(D),
    ];
    let press = Press::with_layers([layer(items)]);
    let image = press.output();
    built(&press, &press.image(), &image, &["--file-flags"]);
    let ext4 = Ext4::new();
    let owned = ext4.at("owned");
    fs::create_dir(&owned).unwrap();
    chown(&owned, Some(1234), Some(1234)).unwrap();
    let program = ext4.at("layerpress");
    press.install(Path::new(support::run::LAYERPRESS), &program);
    let readable = ext4.at("image");
    fs::copy(&image, &readable).unwrap();
    let ended = run(
        "setpriv",
        [
            "--reuid=1234".as_ref(),
            "--clear-groups".as_ref(),
            program.as_os_str(),
            "extract".as_ref(),
            readable.as_os_str(),
            "-o".as_ref(),
            owned.join("tree").as_os_str(),
            "--file-flags".as_ref(),
        ],
    );
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    for words in [
        "file flags were not kept: the filesystem has them not, or only root sets them: 2 entries, for example ",
        "(immutable)",
        "file flags of links and special files were not kept: l (nodump)",
    ] {
        assert!(told.contains(words), "no {words} in {told}");
    }
    let letters = letters(&owned.join("tree"));
    assert_eq!((&*letters["/d"], &*letters["/f"]), ("d", "A"));
}
