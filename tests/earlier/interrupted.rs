//! Killed at any moment: the next run succeeds, and nothing half has a name.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal, kill_process};

use super::Versions;
use super::support::moments::Moments;

/// Times that it is killed.
const KILLS: u32 = 50;

#[test]
fn a_kill_at_any_moment_keeps_or_replaces_the_filesystem_that_it_is_like() {
    let versions = Versions::new(&[]);
    let (press, output) = (&versions.press, versions.press.output());
    let before = fs::read(versions.old()).unwrap();
    fs::write(&output, &before).unwrap();
    let path = output.to_str().unwrap();
    let ended = versions.build(2, &output, &["--like", path]);
    ended.succeeded();
    let expected = fs::read(&output).unwrap();
    assert!(before != expected);
    let mut moments = Moments::over(ended.time, KILLS);
    let mut killed = 0;
    while moments.go_on(killed >= KILLS) {
        let moment = moments.next();
        fs::write(&output, &before).unwrap();
        let mut build = press.command("build");
        build.arg(press.input("2.tar"));
        press.add_directories(&mut build);
        let running = press.start(build.args(["--like", path]));
        std::thread::sleep(moment);
        let _ = kill_process(Pid::from_child(&running.child), Signal::KILL);
        let ended = running.end_within(std::time::Duration::from_secs(90));
        // For the moment in which it takes another's place it has a hidden name of its own.
        let left = press.left();
        let is_hidden =
            |name: &String| name.starts_with("out/.fs.img.") && name.ends_with(".partial");
        let (hidden, named): (Vec<_>, Vec<_>) = left.into_iter().partition(is_hidden);
        assert_eq!(named, ["out/fs.img"], "{moment:?}");
        assert!(hidden.len() < 2, "{moment:?}: {hidden:?}");
        let found = fs::read(&output).unwrap();
        match ended.status.signal() {
            Some(9) => killed += 1,
            _ => moments.was_too_late(moment),
        }
        assert!(found == before || found == expected, "{moment:?}");
        // Half of them go on from what they found, and take away what has a hidden name.
        if killed % 2 == 0 || !hidden.is_empty() {
            let again = versions.build(2, &output, &["--like", path]);
            again.succeeded();
            assert!(fs::read(&output).unwrap() == expected, "{moment:?}");
            assert_eq!(press.left(), ["out/fs.img"], "{moment:?}");
        }
    }
    eprintln!("{killed} killed");
}
