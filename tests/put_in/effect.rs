//! What is put in and changes nothing, what tells two effects apart, and what is held while it is read.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};

use layerpress::pipeline::{self, FilesystemRequest, OutputRequest};
use layerpress::progress::Silent;
use serde_json::Value;

use super::support::oracles::{debugfs, e2fsck_clean};
use super::support::press::{image_request, tool_paths};
use super::support::rootfs::{Rootfs, directory, file};
use super::support::run::Press;
use super::support::tarball::tar_bytes;
use super::{MADE, build, built, bytes, press, shown};

/// Of the time at which the test's image was made.
const NANOSECONDS: u32 = 500_000_000;

/// What a build tells as JSON.
#[track_caller]
fn told(press: &Press, options: &[&str]) -> Value {
    let all = [options, &["--json"]].concat();
    serde_json::from_str(build(press, &all).succeeded()).unwrap()
}

fn settled(bytes: &[u8]) -> Press {
    let root = [
        directory("").mtime(MADE, NANOSECONDS),
        directory("etc").mtime(MADE, NANOSECONDS),
        file("etc/motd", *b"hello").mtime(MADE, NANOSECONDS),
        file("etc/init", *b"#!/bin/sh")
            .mode(0o755)
            .mtime(MADE, NANOSECONDS),
        file("big", bytes).mtime(MADE, NANOSECONDS),
    ];
    Press::with_layers([tar_bytes(&Rootfs::of(root))])
}

#[test]
fn what_is_there_to_the_byte_already_gives_the_plain_images_bytes() {
    let big = vec![b'x'; 100_000];
    let press = settled(&big);
    let plain = bytes(&press, &[] as &[&str]);
    let etc = press.input("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("motd"), "hello").unwrap();
    fs::write(etc.join("init"), "#!/bin/sh").unwrap();
    fs::set_permissions(etc.join("init"), PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(press.input("big"), &big).unwrap();
    let add = |from: &str, to: &str| format!("--add={}:{to}", press.input(from).display());
    let tar = Rootfs::of([file("motd", *b"hello").mtime(MADE, NANOSECONDS)]);
    fs::write(press.input("over.tar"), tar_bytes(&tar)).unwrap();
    let over = format!("--overlay={}:/etc", press.input("over.tar").display());
    for nothing in [
        &[add("etc/motd", "/etc/motd"), add("big", "big")][..],
        &[add("etc", "/etc")],
        &[over],
        &[
            "--mkdir=/etc".to_owned(),
            "--file=etc/motd=hello".to_owned(),
        ],
        &[
            "--file=etc/motd=bye".to_owned(),
            "--file=etc/motd=hello".to_owned(),
        ],
    ] {
        assert!(bytes(&press, nothing) == plain, "{nothing:?}");
    }
    let other = add("etc/motd", "/etc/motd:0600");
    assert!(bytes(&press, &[other]) != plain);
}

#[test]
fn a_share_of_the_size_is_of_the_tree_that_goes_in() {
    let press = settled(&vec![b'x'; 64 << 20]);
    let used = |options: &[&str]| {
        let plan = press.run(
            press
                .command("plan")
                .arg(press.image())
                .arg("--json")
                .args(options),
        );
        let plan: Value = serde_json::from_str(plan.succeeded()).unwrap();
        plan["disk_usage_bytes"].as_u64().unwrap()
    };
    let size = |options: &[&str]| {
        let (image, _) = built(&press, options);
        fs::metadata(image).unwrap().len()
    };
    let big = press.input("big");
    File::create(&big).unwrap().set_len(0).unwrap();
    fs::write(&big, vec![b'y'; 32 << 20]).unwrap();
    let add = format!("--add={}:/more", big.display());
    for options in [
        &[][..],
        &["--remove=big"],
        &[&*add],
        &["--remove=big", &*add],
    ] {
        let (used, size) = (used(options), size(options));
        let share = used * 107 / 100;
        // Or as much as it takes, where that is more.
        assert!(
            size >= share && size <= share + (12 << 20),
            "{options:?}: {used} {size}"
        );
    }
}

#[test]
fn holes_are_part_of_what_was_done_and_of_nothing_where_the_hosts_are_not_kept() {
    let press = press();
    let path = press.input("f");
    let write = |is_dense: bool| {
        let _ = fs::remove_file(&path);
        let file = File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(b"end", (1 << 20) - 3).unwrap();
        if is_dense {
            file.write_all_at(&vec![0; (1 << 20) - 3], 0).unwrap();
        }
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(99);
        file.set_modified(time).unwrap();
    };
    let add = format!("--add={}:/f", path.display());
    let of = |is_dense: bool, options: &[&str]| {
        write(is_dense);
        let all = [&[&*add], options].concat();
        let digest = told(&press, &all)["edits_digest"].clone();
        assert!(digest.is_string());
        (digest, fs::read(press.output()).unwrap())
    };
    assert!(of(false, &[]) == of(true, &[]));
    let keep = ["--keep-attributes"];
    let (sparse, sparse_bytes) = of(false, &keep);
    let (dense, dense_bytes) = of(true, &keep);
    assert!(sparse_bytes != dense_bytes);
    assert_ne!(sparse, dense, "one name for two filesystems");
}

#[test]
fn a_mode_that_is_given_is_what_the_acl_says_too() {
    let acl = |text: &[u8]| {
        // Version 2; user::rwx, user:7:rwx, group::r-x, mask::rwx, other::r-x.
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in [
            (1_u16, text[0], u32::MAX),
            (2, 7, 7),
            (4, 5, u32::MAX),
            (16, text[1], u32::MAX),
            (32, text[2], u32::MAX),
        ] {
            value.extend(tag.to_le_bytes());
            value.extend(u16::from(permissions).to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value
    };
    let name = "system.posix_acl_access";
    let item = |path: &str| directory(path).mode(0o775).xattr(name, acl(&[7, 7, 5]));
    let press = Press::with_layers([tar_bytes(&Rootfs::of([item(""), item("d")]))]);
    let (image, _) = built(&press, &["--mkdir=/d:0750", "--root-mode=0711"]);
    for (path, mode) in [("/d", 0o750), ("/", 0o711)] {
        assert_eq!(shown(&image, path).mode, mode);
        let found = debugfs(&image, &[&format!("ea_get -x {path} {name}")]);
        let bytes = found.rsplit_once("= ").map_or("", |(_, bytes)| bytes);
        let bytes: Vec<u8> = bytes
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        let permissions: Vec<_> = bytes[4..]
            .chunks_exact(8)
            .map(|entry| u32::from(entry[2]))
            .collect();
        // Whom the ACL names keeps what it was given, behind the mask.
        let expected = [mode >> 6 & 7, 7, 5, mode >> 3 & 7, mode & 7];
        assert_eq!(permissions, expected, "{path}: {found}");
    }
}

#[test]
fn a_file_that_is_read_in_its_place_must_not_change_until_all_is_done() {
    for change in [None, Some("afters"), Some("af"), Some("afterwards")] {
        let is_changed = change.is_some();
        let press = press();
        let path = press.input("f");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let mut edits = layerpress::Edits::default();
        edits
            .add
            .push(format!("{}:/f", path.display()).parse().unwrap());
        let work = press.root().join("work");
        let request = image_request(press.image().to_str().unwrap(), &work).with_edits(edits);
        let reading = pipeline::read(&request, &Silent).unwrap();
        if let Some(change) = change {
            fs::write(&path, change).unwrap();
        }
        let output = OutputRequest::new(press.output()).with_tools(tool_paths());
        let built = reading.build(&FilesystemRequest::default(), &output, &Silent);
        assert_eq!(press.output().exists(), !is_changed);
        match built {
            Ok(_) => e2fsck_clean(&press.output()),
            Err(error) => {
                let error = error.to_string();
                let expected = format!("{}: changed while it was read", path.display());
                assert!(is_changed && error.contains(&expected), "{error}");
            }
        }
    }
}

#[test]
fn the_tree_that_is_there_twice_is_charged_twice() {
    let names = (0..200).map(|name| file(format!("{name:0>200}"), *b""));
    let press = Press::with_layers([tar_bytes(&Rootfs::of(names))]);
    let limited = |bytes: u32, options: &[&str]| {
        let limit = format!("--max-index-bytes={bytes}");
        build(&press, &[options, &[&*limit]].concat())
    };
    limited(50_000, &[]).succeeded();
    for edit in ["--exclude=nothing", "--mkdir=d", "--owner=1:1"] {
        limited(50_000, &[edit]).failed(4, &["--max-index-bytes", "counted twice"]);
        limited(100_000, &[edit]).succeeded();
    }
}

#[test]
fn each_file_that_is_added_takes_one_open_file() {
    let press = press();
    let mut options = Vec::new();
    for number in 0..150 {
        let path = press.input(&format!("f{number}"));
        fs::write(&path, format!("{number}")).unwrap();
        options.push(format!("--add={}:/many/{number}", path.display()));
    }
    let mut build = press.build();
    build.args(&options);
    let line = std::iter::once(build.get_program()).chain(build.get_args());
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -n 200; exec \"$@\"", "sh"])
        .args(line);
    for (name, value) in build.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    press.run(&mut limited).succeeded();
    assert_eq!(shown(&press.output(), "/many/149").text, "149");
}
