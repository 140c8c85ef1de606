//! Killed, interrupted, and without room.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, Written, image, noise};
use crate::support::archive::layer_tar;
use crate::support::moments::{Moments, heeds};
use crate::support::run::Running;

/// One whose export takes a moment.
fn rig() -> Rig {
    let noise = noise(6 << 20);
    let mut large = image();
    large.layers.push(layer_tar(&[("noise", &noise)]));
    Rig::of(&large)
}

fn send(running: &Running, signal: Signal) {
    kill_process(Pid::from_child(&running.child), signal).unwrap();
}

const LIMIT: Duration = Duration::from_secs(60);

/// The ways to write an image, and what they leave when nothing disturbs them.
const WAYS: [(&str, &str); 3] = [
    ("oci", "new:x"),
    ("docker-archive", "a.tar:x"),
    ("oci", "there:x"),
];

/// What has a name: whole blobs, an index that leads to whole images alone, or a whole archive.
#[track_caller]
fn sound(rig: &Rig) {
    for directory in ["new", "there"].map(|name| rig.out(name)) {
        if !directory.exists() {
            continue;
        }
        let written = Written::directory(&directory);
        if written.0.contains_key("index.json") {
            assert!(written.0.contains_key("oci-layout"));
            for (tag, _) in written.listed() {
                let (manifest, _) = written.image(tag.as_deref());
                for layer in manifest["layers"].as_array().unwrap() {
                    written.blob(layer);
                }
            }
        }
    }
    if let Ok(archive) = fs::read(rig.out("a.tar")) {
        Written::archive(&archive).image(Some("latest"));
    }
}

#[test]
fn fifty_kills_leave_nothing_half_with_a_name_and_the_next_run_succeeds() {
    let rig = rig();
    let options = ["--base", "BASE", "--platform=amd64"];
    let whole = {
        rig.exported(&rig.target("oci", "there:first"), &["--platform=amd64"]);
        let ended = rig.export(&rig.target("oci", "new:x"), &options);
        ended.succeeded();
        ended.time
    };
    let expected = Written::directory(&rig.out("new")).0;
    let mut moments = Moments::over(whole, 50);
    let (mut killed, mut round) = (0, 0);
    while moments.go_on(killed >= 50) {
        let (transport, name) = WAYS[round % WAYS.len()];
        round += 1;
        if round % 4 == 0 {
            // Else what the last one left is found.
            let _ = fs::remove_dir_all(rig.out("new"));
        }
        let _ = fs::remove_file(rig.out("a.tar"));
        let target = rig.target(transport, name);
        let running = rig.press.start(&mut rig.command(&target, &options));
        let moment = moments.next();
        std::thread::sleep(moment);
        send(&running, Signal::KILL);
        let ended = running.end_within(LIMIT);
        match ended.status.signal() {
            Some(9) => killed += 1,
            _ => moments.was_too_late(moment),
        }
        sound(&rig);
        rig.exported(&target, &options);
        sound(&rig);
        // All that is there is what belongs there.
        let left = rig.press.left();
        let known = ["out/a.tar", "out/new", "out/there"];
        assert!(left.iter().all(|name| known.contains(&&**name)), "{left:?}");
        let there = Written::directory(&rig.out("there"));
        assert!(
            there
                .listed()
                .iter()
                .any(|(tag, _)| tag.as_deref() == Some("first"))
        );
        if name == "new:x" {
            assert!(Written::directory(&rig.out("new")).0 == expected);
        }
    }
    println!("{killed} killed of {round}");
}

#[test]
fn a_signal_leaves_nothing_at_all() {
    let rig = rig();
    let options = ["--base", "BASE"];
    let ended = rig.export(&rig.target("oci", "new:x"), &options);
    ended.succeeded();
    fs::remove_dir_all(rig.out("new")).unwrap();
    let mut moments = Moments::over(ended.time, 20);
    let mut interrupted = 0;
    while moments.go_on(interrupted >= 10) {
        let running = rig
            .press
            .start(&mut rig.command(&rig.target("oci", "new:x"), &options));
        let moment = moments.next();
        std::thread::sleep(moment);
        if !heeds(&running, Signal::TERM) {
            // Too early: the program does not heed it yet.
            let _ = running.end_within(LIMIT);
            let _ = fs::remove_dir_all(rig.out("new"));
            continue;
        }
        send(&running, Signal::TERM);
        let ended = running.end_within(LIMIT);
        match ended.code() {
            143 if rig.press.left().is_empty() => interrupted += 1,
            code => {
                // It was named already.
                assert!([0, 143].contains(&code), "{}", ended.stderr);
                moments.was_too_late(moment);
                sound(&rig);
                assert_eq!(rig.press.left(), ["out/new"]);
                fs::remove_dir_all(rig.out("new")).unwrap();
            }
        }
    }
}

#[test]
fn a_file_that_may_not_grow_so_far_is_told_and_leaves_nothing() {
    let rig = rig();
    for (transport, name) in [
        ("oci", "new:x"),
        ("docker-archive", "a.tar:x"),
        ("oci-archive", "b"),
    ] {
        let target = rig.target(transport, name);
        let mut limited = crate::support::run::started_by_hand("prlimit");
        limited.env("TMPDIR", rig.press.root().join("tmp"));
        limited.args(["--fsize=1000000", crate::support::run::LAYERPRESS, "export"]);
        limited
            .arg(rig.filesystem())
            .args(["--platform=amd64", "-o", &target]);
        let ended = rig.press.run(&mut limited);
        ended.failed(3, &["cannot write"]);
        assert_eq!(rig.press.left(), [""; 0], "{target}");
    }
}
