//! Signals at any moment: the program ends at once, and nothing of what it was doing is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod children;
mod named_files;
mod pipelines;
mod random_moments;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::archive::{Compression, TestImage, layer_tar};
use support::run::{Ended, Press, Running};

/// The signals that are heeded, with their numbers.
const SIGNALS: [(Signal, i32); 4] = [
    (Signal::HUP, 1),
    (Signal::INT, 2),
    (Signal::QUIT, 3),
    (Signal::TERM, 15),
];

/// From a signal to the end of the process.
const PROMPT: Duration = Duration::from_secs(10);

/// Three compressed layers of 24 MB each, half of it noise.
fn press() -> Press {
    let mut state = 1_u64;
    let mut noise = |bytes: usize| -> Vec<u8> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        (0..bytes).map(|_| next()).collect()
    };
    let text = b"much the same again and again\n".repeat(400_000);
    let layers: Vec<_> = (0..3)
        .map(|number| {
            let names = [format!("noise{number}"), format!("text{number}")];
            layer_tar(&[(&names[0], &noise(12 << 20)), (&names[1], &text)])
        })
        .collect();
    let press = Press::new();
    let image = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new(layers)
    };
    image.layout("v1").write_directory(&press.image());
    press
}

/// Sends a signal.
fn send(running: &Running, signal: Signal) {
    kill_process(pid(running), signal).unwrap();
}

fn pid(running: &Running) -> Pid {
    Pid::from_child(&running.child)
}

/// Sends a signal and waits for the end it brings, which must come soon, with its exit code, and
/// leave no file and no child.
#[track_caller]
fn interrupt(press: &Press, running: Running, signal: Signal, number: i32) {
    let children = children_mark(&running);
    send(&running, signal);
    let ended = end_soon(running);
    assert_eq!(ended.code(), 128 + number, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .ends_with("error: interrupted; nothing is left behind\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
    assert!(press.left().is_empty(), "{:?}", press.left());
    gone(&children);
}

fn end_soon(running: Running) -> Ended {
    let sent = Instant::now();
    let ended = running.end_within(Duration::from_secs(20));
    assert!(sent.elapsed() < PROMPT, "took {:?}", sent.elapsed());
    ended
}

/// What stands in the command line of every child that works on the output.
fn children_mark(running: &Running) -> String {
    format!("/proc/{}/fd/", running.child.id())
}

/// Expects that no process has `mark` in its command line, or soon none any more.
#[track_caller]
fn gone(mark: &str) {
    let deadline = Instant::now() + PROMPT;
    while running_with(mark) {
        assert!(
            Instant::now() < deadline,
            "a process with {mark} still runs"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn running_with(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = line.split(|byte| *byte == 0);
        entry.file_name() != *"self"
            && words
                .into_iter()
                .any(|word| String::from_utf8_lossy(word).contains(mark))
    })
}

/// Waits until something is true.
#[track_caller]
fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A build with lines for each finished task.
fn build(press: &Press) -> Command {
    let mut command = press.build();
    command.args(["--progress=plain", "--size=fit"]);
    command
}
