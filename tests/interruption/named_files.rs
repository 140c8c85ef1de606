//! A filesystem that has no unnamed files: everything has a name while it is made.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;

use super::support::moments::{Moments, heeds};
use super::support::oracles::{e2fsck_clean, is_root, program, skip, succeed};
use super::support::run::Press;
use super::{SIGNALS, build, end_soon, press, send};

/// A fuse-overlayfs over the output and work directories.
struct Mounted(Vec<PathBuf>);

impl Mounted {
    /// `None`, after saying so, where that is not possible or has unnamed files after all.
    fn over(press: &Press) -> Option<Self> {
        if !is_root() {
            skip("not root: mounting needs it");
            return None;
        }
        let overlay = program("fuse-overlayfs")?;
        let mut mounted = Self(Vec::new());
        for directory in ["out", "work"] {
            let at = |name: &str| {
                let path = press.root().join(format!("{directory}-{name}"));
                fs::create_dir(&path).unwrap();
                path.display().to_string()
            };
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                at("lower"),
                at("upper"),
                at("workdir")
            );
            let mount_point = press.root().join(directory);
            let status = Command::new(&overlay)
                .args(["-o", &options])
                .arg(&mount_point)
                .status()
                .unwrap();
            if !status.success() {
                skip("fuse-overlayfs cannot be mounted");
                return None;
            }
            mounted.0.push(mount_point);
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR;
        if rustix::fs::open(&mounted.0[0], flags, Mode::RUSR).is_ok() {
            skip("this fuse-overlayfs has unnamed files");
            return None;
        }
        Some(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for mount_point in &self.0 {
            succeed("umount", ["-l".as_ref(), mount_point.as_os_str()]);
        }
    }
}

#[test]
fn without_unnamed_files_the_output_is_the_same_and_nothing_is_left() {
    let press = press();
    press.run(&mut build(&press)).succeeded();
    let expected = fs::read(press.output()).unwrap();
    fs::remove_file(press.output()).unwrap();
    let Some(_mounted) = Mounted::over(&press) else {
        return;
    };
    let ended = press.run(build(&press).args(["--sha256", "--verify"]));
    ended.succeeded();
    assert!(fs::read(press.output()).unwrap() == expected);
    e2fsck_clean(&press.output());
    assert_eq!(press.left(), ["out/fs.img", "out/fs.img.sha256"]);
    // Replaced, and refused without a trace.
    press.run(&mut build(&press)).succeeded();
    fs::remove_file(press.output()).unwrap();
    fs::remove_file(press.root().join("out/fs.img.sha256")).unwrap();
    press
        .run(press.build().arg("--size=8M"))
        .failed(7, &["needed"]);
    let e2fsck = press.script("e2fsck", "exit 4");
    let ended = press.run(build(&press).arg("--e2fsck").arg(e2fsck));
    assert_eq!(ended.code(), 8);
    assert!(press.left().is_empty(), "{:?}", press.left());
}

#[test]
fn without_unnamed_files_a_signal_leaves_nothing_either() {
    let press = press();
    let Some(_mounted) = Mounted::over(&press) else {
        return;
    };
    let whole = press.run(&mut build(&press)).time;
    fs::remove_file(press.output()).unwrap();
    let mut moments = Moments::over(whole, 20);
    let mut interrupted = 0;
    while moments.go_on(interrupted > 8) {
        let (signal, number) = SIGNALS[interrupted % SIGNALS.len()];
        let running = press.start(&mut build(&press));
        super::until("heeding signals", || heeds(&running, signal));
        let moment = moments.next();
        std::thread::sleep(moment);
        send(&running, signal);
        let ended = end_soon(running);
        if ended.code() == 0 {
            moments.was_too_late(moment);
            fs::remove_file(press.output()).unwrap();
        } else {
            assert_eq!(ended.code(), 128 + number, "{}", ended.stderr);
            interrupted += 1;
        }
        assert!(press.left().is_empty(), "{moment:?}: {:?}", press.left());
    }
}

#[test]
fn what_a_kill_leaves_there_has_a_hidden_name_and_goes_with_the_next_build() {
    let press = press();
    let Some(_mounted) = Mounted::over(&press) else {
        return;
    };
    let running = press.start(&mut build(&press));
    // One that is being written: whether there can be one is tried before the image is read.
    super::until("the partial file", || {
        press.left().iter().any(|name| {
            let metadata = fs::metadata(press.root().join(name));
            name.ends_with(".partial") && metadata.is_ok_and(|metadata| metadata.len() > 0)
        })
    });
    send(&running, Signal::KILL);
    end_soon(running);
    let left = press.left();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].starts_with("out/.fs.img.") && left[0].ends_with(".partial"),
        "{left:?}"
    );
    press.run(&mut build(&press)).succeeded();
    e2fsck_clean(&press.output());
    assert_eq!(press.left(), ["out/fs.img"]);
}

/// mke2fs was given the hidden name: who may write in the directory put a link in its place
/// meanwhile, and root formatted what it led to. Found by a red team.
#[test]
fn a_hidden_name_that_becomes_a_link_meanwhile_leads_no_program_anywhere() {
    let press = press();
    let Some(_mounted) = Mounted::over(&press) else {
        return;
    };
    let victim = press.root().join("victim");
    let whole = vec![7; 10_000_000];
    fs::write(&victim, &whole).unwrap();
    let swap = |program: &str| {
        let real = layerpress::command::find(program, None).unwrap();
        let body = format!(
            "case $1 in -V) exec {real} -V;; esac\n\
             for name in {out}/.*.partial; do rm -f \"$name\"; ln -s {victim} \"$name\"; done\n\
             exec {real} \"$@\"",
            real = real.display(),
            out = press.root().join("out").display(),
            victim = victim.display(),
        );
        press.script(program, &body)
    };
    for program in ["mke2fs", "tune2fs", "e2fsck"] {
        let script = swap(program);
        let option = format!("--{program}={}", script.display());
        let ended = press.run(build(&press).arg(option));
        assert!(fs::read(&victim).unwrap() == whole, "{program}");
        ended.failed(3, &["another process has put another file in its place"]);
        assert!(!press.output().exists());
        // What is not ours is left.
        let left = press.left();
        assert_eq!(left.len(), 1, "{left:?}");
        fs::remove_file(press.root().join(&left[0])).unwrap();
    }
}

/// A signal removed whatever had the hidden name: of two builds with one name, as processes of one
/// number in two containers have, the other's file.
#[test]
fn a_hidden_name_that_became_anothers_file_is_left_by_a_signal() {
    let press = press();
    let Some(_mounted) = Mounted::over(&press) else {
        return;
    };
    let waiting = press.root().join("waiting");
    let real = layerpress::command::find("mke2fs", None).unwrap();
    let body = format!(
        "case $1 in -V) exec {} -V;; esac\necho >{}\nexec sleep 600",
        real.display(),
        waiting.display()
    );
    let mke2fs = press.script("mke2fs", &body);
    let running = press.start(build(&press).arg("--mke2fs").arg(mke2fs));
    super::until("mke2fs", || waiting.exists());
    let left = press.left();
    assert_eq!(left.len(), 1, "{left:?}");
    let hidden = press.root().join(&left[0]);
    fs::remove_file(&hidden).unwrap();
    fs::write(&hidden, "another's").unwrap();
    send(&running, Signal::TERM);
    assert_eq!(end_soon(running).code(), 128 + 15);
    assert_eq!(fs::read(&hidden).unwrap(), b"another's");
}

/// What follows a `?` in a name are options to e2fsprogs.
#[test]
fn without_unnamed_files_a_question_mark_in_a_name_is_a_letter() {
    let press = press();
    let Some(_mounted) = Mounted::over(&press) else {
        return;
    };
    let output = press.root().join("out/fs?offset=512&x.img");
    let mut build = press.command("build");
    build.arg(press.image()).arg("-o").arg(&output);
    press.run(build.args(["--verify", "--sha256"])).succeeded();
    let names = ["out/fs?offset=512&x.img", "out/fs?offset=512&x.img.sha256"];
    assert_eq!(press.left(), names);
}
