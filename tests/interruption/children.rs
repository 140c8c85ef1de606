//! Signals while another program runs, or while nothing comes and nothing goes.

use std::fs;
use std::io::{PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, kill_process_group};

use super::support::archive::layer_tar;
use super::support::moments::heeds;
use super::support::oracles::{e2fsck_clean, required};
use super::support::run::{Ending, LAYERPRESS, Press, Running, output_of, started_by_hand};
use super::{SIGNALS, build, end_soon, gone, interrupt, pid, running_with, send, until};

static COUNTER: AtomicU32 = AtomicU32::new(0);

fn small() -> Press {
    Press::with_layers([layer_tar(&[("a", b"x")])])
}

/// A script that waits for long before it runs the program it stands for, and what its waiting is
/// known by.
fn slow(press: &Press, program: &str) -> (String, String) {
    // A number of seconds that no other test takes.
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mark = format!("30.{}{count}", std::process::id());
    let real = required(program);
    let real = real.display();
    let body = format!("case $1 in -V) exec {real} -V;; esac\nsleep {mark}\nexec {real} \"$@\"");
    let script = press.script(program, &body);
    (format!("--{program}={}", script.display()), mark)
}

#[test]
fn a_program_that_runs_is_ended_with_whatever_it_started() {
    for program in ["mke2fs", "tune2fs", "e2fsck", "debugfs"] {
        for (signal, number) in SIGNALS {
            let press = small();
            let (option, waiting) = slow(&press, program);
            let running = press.start(build(&press).args(["--verify", &option]));
            until("the program", || running_with(&waiting));
            interrupt(&press, running, signal, number);
            gone(&waiting);
        }
    }
}

#[test]
fn control_c_reaches_the_program_alone_and_is_called_an_interruption() {
    let press = small();
    let (option, waiting) = slow(&press, "e2fsck");
    let mut command = build(&press);
    let running = press.start(command.arg(option).process_group(0));
    until("the program", || running_with(&waiting));
    kill_process_group(pid(&running), Signal::INT).unwrap();
    let ended = end_soon(running);
    assert_eq!(ended.code(), 130, "{}", ended.stderr);
    assert!(press.left().is_empty());
    gone(&waiting);
}

/// A build that reads from a pipe whose other end stays open.
fn reading(press: &Press) -> (Running, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = press.command("build");
    command.args(["-", "--progress=plain"]).stdin(reader);
    press.add_directories(&mut command);
    (press.start(&mut command), writer)
}

#[test]
fn a_pipe_that_never_ends_can_be_interrupted() {
    for (signal, number) in SIGNALS {
        let press = Press::new();
        let (running, mut writer) = reading(&press);
        // Some of an image, then nothing.
        writer
            .write_all(&layer_tar(&[("a", &[b'x'; 200_000])])[..100_000])
            .unwrap();
        until("heeding signals", || heeds(&running, signal));
        std::thread::sleep(Duration::from_millis(200));
        interrupt(&press, running, signal, number);
        drop(writer);
    }
}

#[test]
fn a_pipe_by_name_that_nobody_writes_to_can_be_interrupted() {
    let press = Press::new();
    let made = Command::new("mkfifo").arg(press.image()).status().unwrap();
    assert!(made.success());
    let running = press.start(&mut build(&press));
    until("heeding signals", || heeds(&running, Signal::TERM));
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&press, running, Signal::TERM, 15);
}

#[test]
fn a_signal_after_the_output_has_its_name_says_so() {
    let press = small();
    // A pipe that is full: telling of the finished build takes for ever.
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[0; 65536]).unwrap();
    let mut command = build(&press);
    command
        .stdout(writer)
        .stderr(fs::File::create(press.root().join("told")).unwrap());
    let mut child = Ending::start(&mut command);
    drop(command);
    until("the output", || press.output().exists());
    std::thread::sleep(Duration::from_millis(100));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let status = child.end_within(Duration::from_secs(20));
    assert_eq!(status.code(), Some(143));
    drop(reader);
    let told = fs::read_to_string(press.root().join("told")).unwrap();
    assert!(
        told.ends_with("interrupted; the output was complete already\n"),
        "{told}"
    );
    e2fsck_clean(&press.output());
    assert_eq!(press.left(), ["out/fs.img"]);
}

#[test]
fn signals_that_were_ignored_from_the_start_stay_ignored() {
    for (name, signal) in [("HUP", Signal::HUP), ("INT", Signal::INT)] {
        let press = small();
        let (option, waiting) = slow(&press, "mke2fs");
        let mut command = started_by_hand("sh");
        command.args([
            "-c",
            &format!("trap '' {name}; exec \"$@\""),
            "sh",
            LAYERPRESS,
            "build",
        ]);
        command.arg(press.image()).arg(option);
        press.add_directories(&mut command);
        let mut running = press.start(&mut command);
        until("the program", || running_with(&waiting));
        send(&running, signal);
        std::thread::sleep(Duration::from_millis(300));
        assert!(
            running.child.try_wait().unwrap().is_none(),
            "ended by SIG{name}"
        );
        interrupt(&press, running, Signal::TERM, 15);
    }
}

/// Bug: started in the background or by `nohup`, tests failed, or waited for ever: what they started
/// ignored the signals that they ignored themselves. Found by running them in the background.
#[test]
fn what_these_tests_were_started_to_ignore_is_heeded_by_what_they_start() {
    let script = "trap '' HUP INT QUIT TERM XFSZ; exec \"$0\" --exact \"$1\"";
    let mut shell = started_by_hand("sh");
    shell
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap());
    shell.arg("children::a_pipe_that_never_ends_can_be_interrupted");
    let output = output_of(&mut shell);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("1 passed"), "{told}");
}

#[test]
fn an_interruption_is_the_last_json_event() {
    let press = small();
    let (option, waiting) = slow(&press, "mke2fs");
    let mut command = press.build();
    let running = press.start(command.args(["--progress=json", &option]));
    until("the program", || running_with(&waiting));
    send(&running, Signal::INT);
    let ended = end_soon(running);
    assert_eq!(ended.code(), 130);
    let last: serde_json::Value =
        serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["exit_code"]),
        (&"error".into(), &130.into())
    );
}
