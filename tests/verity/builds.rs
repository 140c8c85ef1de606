//! `build --verity`: where the tree goes, what it is of, and what is told of it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::support::moments::Moments;
use super::support::oracles;
use super::support::run::Press;
use super::{KINDS, built, model, press, root_hash};

/// What `build --json` told.
fn summary(press: &Press, options: &[&str]) -> Value {
    let mut build = press.build();
    build.args(options).args(["-q", "--json"]);
    serde_json::from_str(press.run(&mut build).succeeded()).unwrap()
}

fn verity_file(press: &Press) -> String {
    let path = press.root().join("out/fs.verity");
    path.to_str().unwrap().to_owned()
}

/// The bytes of the superblock are the filesystem's UUID where the model has another.
fn area_by_model(filesystem: &[u8], salt: &[u8]) -> (Vec<u8>, String) {
    let (mut area, root) = model(filesystem, salt);
    // s_uuid.
    area[16..32].copy_from_slice(&filesystem[1024 + 0x68..1024 + 0x78]);
    (area, root)
}

#[test]
fn the_tree_stands_behind_the_filesystem_and_is_of_nothing_but_that() {
    for kind in KINDS {
        let press = press();
        let plain = {
            let mut build = press.build();
            build.args(["--fs", kind, "-q"]);
            press.run(&mut build).succeeded();
            fs::read(press.output()).unwrap()
        };
        let root = built(&press, &["--fs", kind, "--verity"]);
        let bytes = fs::read(press.output()).unwrap();
        let (filesystem, area) = bytes.split_at(plain.len());
        assert!(filesystem == plain, "{kind}: the filesystem is another");
        let (expected, expected_root) = area_by_model(filesystem, &[0; 32]);
        assert!(area == expected, "{kind}: the tree is another");
        assert_eq!(root, expected_root, "{kind}");
        oracles::e2fsck_clean(&press.output());
        assert_eq!(press.left(), ["out/fs.img", "out/fs.img.roothash"]);
    }
}

#[test]
fn a_file_of_its_own_leaves_the_filesystem_as_it_is() {
    let press = press();
    let root = built(&press, &["--verity"]);
    let appended = fs::read(press.output()).unwrap();
    let file = verity_file(&press);
    assert_eq!(built(&press, &["--verity-file", &file]), root);
    let filesystem = fs::read(press.output()).unwrap();
    assert!(appended == [filesystem, fs::read(&file).unwrap()].concat());
    let left = ["out/fs.img", "out/fs.img.roothash", "out/fs.verity"];
    assert_eq!(press.left(), left);
}

/// systemd was told where it is by renaming it (systemd.exec(5), `RootHash=`).
#[test]
fn the_root_hash_of_a_raw_image_is_where_systemd_looks_for_it() {
    let press = press();
    let at = |name: &str| press.root().join("out").join(name);
    let mut command = press.command("build");
    command.arg(press.image()).arg("-o").arg(at("fs.raw"));
    let ended = press.run(command.arg("--verity-file").arg(at("fs.verity")));
    ended.succeeded();
    assert_eq!(
        press.left(),
        ["out/fs.raw", "out/fs.roothash", "out/fs.verity"]
    );
    let root = fs::read_to_string(at("fs.roothash")).unwrap();
    assert!(ended.stdout.contains("fs.roothash"), "{}", ended.stdout);
    let mut verify = press.command("verify");
    verify
        .arg(at("fs.raw"))
        .arg("--verity-file")
        .arg(at("fs.verity"));
    press
        .run(verify.arg("--roothash").arg(root.trim_end()))
        .succeeded();
    // A file that is to be something else is told, as every other is.
    let mut command = press.command("build");
    command.arg(press.image()).arg("-o").arg(at("fs.raw"));
    let ended = press.run(command.arg("--verity-file").arg(at("fs.roothash")));
    ended.failed(5, &["a file of its own"]);
}

#[test]
fn the_same_again_is_the_same_and_only_the_salt_changes_the_root_hash() {
    let press = press();
    let root = built(&press, &["--verity"]);
    let first = fs::read(press.output()).unwrap();
    let zero = "00".repeat(32);
    for options in [&["--verity"][..], &["--verity", "--verity-salt", &zero]] {
        assert_eq!(built(&press, options), root);
        assert!(fs::read(press.output()).unwrap() == first);
    }
    for salt in ["", "ff", &"ab".repeat(256)] {
        assert_ne!(built(&press, &["--verity", "--verity-salt", salt]), root);
        let salted = fs::read(press.output()).unwrap();
        let salt = layerpress::units::parse_hex(salt.as_bytes()).unwrap();
        let length = first.len() - area_bytes(&first);
        let (area, expected) = area_by_model(&first[..length], &salt);
        assert!(salted == [&first[..length], &area].concat());
        assert_eq!(root_hash(&press), expected);
    }
}

/// Of an output with a tree.
fn area_bytes(output: &[u8]) -> usize {
    let shape = layerpress::verity::Shape::with_area_of(output.len() as u64 / 4096);
    usize::try_from(shape.unwrap().area_bytes()).unwrap()
}

/// mke2fs drops a last group that is too small: a tail of the file is no filesystem's.
#[test]
fn a_size_counts_the_filesystem_and_a_tail_is_cut() {
    let press = press();
    // A group of 128 MiB, and what is too little for a second one.
    let size = (128 << 20) + 40 * 4096;
    let option = format!("--size={size}");
    let plain = summary(&press, &[&option]);
    let filesystem_bytes = plain["filesystem_bytes"].as_u64().unwrap();
    assert_eq!(plain["output_bytes"], size, "as ever without a tree");
    assert!(filesystem_bytes < size, "there is no tail to be cut");
    assert!(plain["verity"].is_null());
    let with_tree = summary(&press, &[&option, "--verity"]);
    let verity = &with_tree["verity"];
    assert_eq!(with_tree["filesystem_bytes"], filesystem_bytes);
    assert_eq!(verity["hash_offset_bytes"], filesystem_bytes);
    assert_eq!(verity["data_blocks"], filesystem_bytes / 4096);
    let both = filesystem_bytes + verity["size_bytes"].as_u64().unwrap();
    assert_eq!(with_tree["output_bytes"], both);
    assert_eq!(fs::metadata(press.output()).unwrap().len(), both);
    let file = verity_file(&press);
    summary(&press, &[&option, "--verity-file", &file]);
    let length = fs::metadata(press.output()).unwrap().len();
    assert_eq!(length, filesystem_bytes);
}

#[test]
fn the_checksum_is_of_the_whole_file() {
    let press = press();
    built(&press, &["--verity", "--sha256"]);
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "--status", "fs.img.sha256"])
        .current_dir(press.root().join("out"))
        .status();
    assert!(check.unwrap().success());
}

#[test]
fn the_summary_tells_how_it_is_opened() {
    let press = press();
    let told = summary(&press, &["--fs=ext4", "--verity"]);
    let verity = &told["verity"];
    let root = root_hash(&press);
    assert_eq!(verity["root_hash"], root.as_str());
    assert_eq!(verity["uuid"], told["uuid"]);
    assert_eq!(verity["salt"], "0".repeat(64));
    let blocks = verity["data_blocks"].as_u64().unwrap();
    let line = |device: &str, start: u64| {
        format!(
            "0 {} verity 1 /dev/vda {device} 4096 4096 {blocks} {start} sha256 {root} {}",
            blocks * 8,
            "0".repeat(64)
        )
    };
    let appended = line("/dev/vda", blocks + 1);
    assert_eq!(verity["table"], appended);
    assert_eq!(
        verity["kernel_parameters"],
        format!("dm-mod.create=\"root,,,ro,{appended}\" root=/dev/dm-0 ro rootfstype=ext4")
    );
    let output = press.output().display().to_string();
    let offset = blocks * 4096;
    assert_eq!(
        verity["open"],
        format!("veritysetup open {output} root {output} {root} --hash-offset {offset}")
    );
    let file = verity_file(&press);
    let told = summary(&press, &["--fs=ext4", "--verity-file", &file]);
    assert_eq!(told["verity"]["table"], line("/dev/vdb", 1));
    assert_eq!(told["verity"]["hash_offset_bytes"], 0);
    assert_eq!(told["verity"]["file"], file.as_str());
    let open = format!("veritysetup open {output} root {file} {root}");
    assert_eq!(told["verity"]["open"], open.as_str());
    let mut build = press.build();
    let table = press.run(build.args(["--verity", "--fs=ext4"]));
    for text in [
        &root,
        &appended,
        "veritysetup open ",
        "dm-mod.create=\"root",
    ] {
        assert!(table.succeeded().contains(text), "{text}");
    }
}

#[test]
fn the_plan_tells_how_much_a_tree_takes() {
    let press = press();
    let built = summary(&press, &["--verity"]);
    let mut plan = press.command("plan");
    plan.arg(press.image()).arg("--json");
    let plan: Value = serde_json::from_str(press.run(&mut plan).succeeded()).unwrap();
    assert_eq!(plan["verity_bytes"], built["verity"]["size_bytes"]);
    assert_eq!(plan["output_bytes"], built["filesystem_bytes"]);
}

#[test]
fn nothing_is_left_where_a_file_of_the_set_cannot_be_had() {
    let press = press();
    let output = press.output();
    let output = output.to_str().unwrap();
    let beside = |ending: &str| format!("{output}.{ending}");
    for (file, words) in [
        (output.to_owned(), "a file of its own"),
        (beside("sha256"), "a file of its own"),
        (beside("roothash"), "a file of its own"),
        (
            format!("{}/../out/fs.img", press.root().join("out").display()),
            "a file of its own",
        ),
        (
            press.image().display().to_string(),
            "other than the image itself",
        ),
        (press.root().display().to_string(), "found a directory"),
    ] {
        let mut build = press.build();
        build.args(["--sha256", "--verity-file", &file]);
        press.run(&mut build).failed(5, &[words]);
        assert_eq!(press.left(), [""; 0], "{file}");
    }
    let absent = press.root().join("absent/tree").display().to_string();
    let mut build = press.build();
    build.args(["--verity-file", &absent]);
    press.run(&mut build).failed(3, &["absent"]);
    // The root hash's place is taken.
    fs::create_dir(beside("roothash")).unwrap();
    let mut build = press.build();
    press
        .run(build.arg("--verity"))
        .failed(5, &["roothash", "a directory"]);
    assert_eq!(press.left(), ["out/fs.img.roothash"]);
}

#[test]
fn an_earlier_root_hash_is_told_where_it_is_not_renewed() {
    let press = press();
    built(&press, &["--verity"]);
    let ended = press.run(&mut press.build());
    ended.succeeded();
    assert!(
        ended
            .stderr
            .contains("fs.img.roothash was there before and is left as it is (--verity renews it)"),
        "{}",
        ended.stderr
    );
}

/// At whatever moment a signal comes, the set is there or nothing of it is.
#[test]
fn an_interrupted_build_leaves_the_whole_set_or_nothing() {
    use rustix::process::{Pid, Signal, kill_process};
    let press = press();
    let file = verity_file(&press);
    let build = || {
        let mut build = press.build();
        build.args(["--size=200M", "--sha256", "--verity-file", &file, "-q"]);
        build
    };
    let mut moments = Moments::over(press.run(&mut build()).time, 20);
    let forget = |left: &[String]| {
        for name in left {
            fs::remove_file(press.root().join(name)).unwrap();
        }
    };
    forget(&press.left());
    let mut interrupted = 0;
    while moments.go_on(interrupted > 5) {
        let running = press.start(&mut build());
        let moment = moments.next();
        std::thread::sleep(moment);
        // One that has ended keeps its number until it is waited for.
        let _ = kill_process(Pid::from_child(&running.child), Signal::TERM);
        let ended = running.end_within(std::time::Duration::from_secs(60));
        let left = press.left();
        if left.is_empty() {
            assert!(!ended.status.success());
            interrupted += 1;
            continue;
        }
        moments.was_too_late(moment);
        let whole = ["", ".roothash", ".sha256"].map(|ending| format!("out/fs.img{ending}"));
        let whole = [&whole[..], &["out/fs.verity".to_owned()]].concat();
        assert_eq!(left, whole, "{moment:?}");
        forget(&left);
    }
}
