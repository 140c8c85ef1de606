//! Signals spread over the whole of a build.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;

use super::support::moments::{Moments, heeds};
use super::support::run::Press;
use super::{SIGNALS, build, children_mark, end_soon, gone, press, send};

/// How long the build takes undisturbed, and what comes of it.
fn undisturbed(press: &Press) -> (Duration, Vec<u8>) {
    let ended = press.run(&mut build(press));
    ended.succeeded();
    let bytes = fs::read(press.output()).unwrap();
    fs::remove_file(press.output()).unwrap();
    (ended.time, bytes)
}

#[test]
fn a_signal_at_any_moment_leaves_nothing_or_the_whole_output() {
    let press = press();
    let (whole, expected) = undisturbed(&press);
    let mut moments = Moments::over(whole, 66);
    let (mut interrupted, mut finished) = (0, 0);
    while moments.go_on(interrupted > 30) {
        let moment = moments.next();
        let (signal, number) = SIGNALS[(interrupted + finished) % SIGNALS.len()];
        let running = press.start(&mut build(&press));
        let children = children_mark(&running);
        std::thread::sleep(moment);
        let is_heeded = heeds(&running, signal);
        send(&running, signal);
        let ended = end_soon(running);
        let left = press.left();
        match ended.status.code() {
            Some(0) => {
                finished += 1;
                moments.was_too_late(moment);
                assert_eq!(left, ["out/fs.img"], "{moment:?}");
                assert!(fs::read(press.output()).unwrap() == expected, "{moment:?}");
                fs::remove_file(press.output()).unwrap();
            }
            Some(code) => {
                interrupted += 1;
                assert_eq!(code, 128 + number, "{moment:?}: {}", ended.stderr);
                assert!(left.is_empty(), "{moment:?}: {left:?}");
            }
            // So early that nobody listens yet, nor is there anything to leave.
            None => {
                assert_eq!(ended.status.signal(), Some(number));
                assert!(!is_heeded, "{moment:?} of {whole:?}");
                assert!(left.is_empty(), "{moment:?}: {left:?}");
            }
        }
        gone(&children);
    }
    eprintln!("{interrupted} interrupted, {finished} finished, of {whole:?}");
}

#[test]
fn a_signal_at_any_moment_keeps_or_replaces_the_output_of_before_with_its_checksum() {
    let press = press();
    let (whole, expected) = undisturbed(&press);
    let checksum = press.root().join("out/fs.img.sha256");
    let mut moments = Moments::over(whole, 20);
    let mut interrupted = 0;
    while moments.go_on(interrupted > 5) {
        let moment = moments.next();
        fs::write(press.output(), "before").unwrap();
        fs::write(&checksum, "before").unwrap();
        let (signal, _) = SIGNALS[interrupted % SIGNALS.len()];
        let running = press.start(build(&press).arg("--sha256"));
        std::thread::sleep(moment);
        send(&running, signal);
        let ended = end_soon(running);
        match ended.status.code() {
            Some(0) => moments.was_too_late(moment),
            _ => interrupted += 1,
        }
        assert_eq!(
            press.left(),
            ["out/fs.img", "out/fs.img.sha256"],
            "{moment:?}"
        );
        let output = fs::read(press.output()).unwrap();
        let is_new = fs::read(&checksum).unwrap() != b"before";
        assert_eq!(output == expected, is_new, "{moment:?}");
        assert_eq!(output == b"before", !is_new, "{moment:?}");
        assert_eq!(ended.status.code() == Some(0), is_new, "{moment:?}");
    }
}

#[test]
fn a_kill_at_any_moment_leaves_no_file_either() {
    let press = press();
    let (whole, expected) = undisturbed(&press);
    let mut moments = Moments::over(whole, 33);
    let mut killed = 0;
    while moments.go_on(killed > 15) {
        let moment = moments.next();
        let running = press.start(&mut build(&press));
        let children = children_mark(&running);
        std::thread::sleep(moment);
        send(&running, Signal::KILL);
        let ended = end_soon(running);
        let left = press.left();
        if ended.status.signal() == Some(9) && left.is_empty() {
            killed += 1;
        } else {
            // It got its name first, all of it.
            moments.was_too_late(moment);
            assert_eq!(left, ["out/fs.img"], "{moment:?}");
            assert!(fs::read(press.output()).unwrap() == expected, "{moment:?}");
            fs::remove_file(press.output()).unwrap();
        }
        // Nobody could end them, but they end by themselves.
        gone(&children);
    }
    eprintln!("{killed} killed in {whole:?}");
}
