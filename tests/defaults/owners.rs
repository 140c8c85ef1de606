//! Whose file is taken.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use super::support::oracles::{is_root, is_root_with, skip};
use super::support::run::{LAYERPRESS, without_defaults};
use super::{Home, taken};

const NOBODY: u32 = 65534;

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs, expects one warning with these words, and nothing taken.
fn refused(home: &Home, words: &[&str]) {
    let ended = home.press.run(&mut home.plan());
    ended.succeeded();
    let warnings: Vec<_> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .collect();
    let [warning] = warnings[..] else {
        panic!("expected one warning: {}", ended.stderr);
    };
    for word in [&["no defaults are taken of", "config.toml"], words].concat() {
        assert!(warning.contains(word), "no {word:?} in {warning}");
    }
    assert_eq!(taken(&ended.stderr), [""; 0]);
}

#[test]
fn a_file_that_others_may_write_or_put_another_for_is_not_taken_and_told_why() {
    // What is wrong in it does not count.
    let home = Home::with("job = 3");
    let [file, directory] = [home.file(), home.press.input("config")];
    set(&file, 0o666);
    refused(&home, &["config.toml may be written by everybody"]);
    set(&file, 0o644);
    set(&directory, 0o777);
    refused(&home, &["/config may be written by everybody"]);
    // As in /tmp: what is ours there stays ours.
    set(&directory, 0o1777);
    home.write("jobs = 3");
    assert_eq!(home.told(&mut home.plan()).len(), 1);
}

#[test]
fn root_takes_no_file_of_a_user() {
    if !is_root() {
        return skip("not root: nothing can be given away");
    }
    let home = Home::with("jobs = 3");
    chown(home.file(), Some(NOBODY), None).unwrap();
    refused(
        &home,
        &["config.toml belongs to the user 65534", "root alone"],
    );
    chown(home.file(), Some(0), None).unwrap();
    chown(home.press.input("config"), Some(NOBODY), None).unwrap();
    refused(&home, &["/config belongs to the user 65534"]);
    // It is no error, and nothing that -q would have told.
    let mut quiet = home.command("plan");
    quiet.arg(home.press.image()).arg("-q");
    let ended = home.press.run(&mut quiet);
    ended.succeeded();
    assert_eq!(ended.stderr, "");
    chown(home.press.input("config"), Some(0), None).unwrap();
    assert_eq!(home.told(&mut home.plan()).len(), 1);
}

/// `layerpress plan` as another user.
fn plan_as(home: &Home, user: u32) -> Command {
    let program = home.press.root().join("layerpress");
    if !program.exists() {
        home.press.install(Path::new(LAYERPRESS), &program);
        set(home.press.root(), 0o755);
    }
    let mut command = without_defaults("setpriv");
    command
        .args([&format!("--reuid={user}"), &format!("--regid={user}")])
        .args(["--clear-groups", "--"])
        .arg(&program)
        .args(["plan", "-v"])
        .arg(home.press.image())
        .env("TMPDIR", home.press.root().join("tmp"));
    home.configure(&mut command);
    command
}

#[test]
fn a_user_takes_his_own_and_roots_and_nobody_elses() {
    if !is_root_with(&["setpriv"]) {
        return skip("not root with setpriv: another user cannot be taken");
    }
    let home = Home::with("jobs = 3");
    let jobs = |user| {
        let ended = home.press.run(&mut plan_as(&home, user));
        ended.succeeded();
        (taken(&ended.stderr).len(), ended.stderr)
    };
    assert_eq!(jobs(NOBODY).0, 1);
    chown(home.file(), Some(NOBODY), None).unwrap();
    assert_eq!(jobs(NOBODY).0, 1);
    let (count, stderr) = jobs(NOBODY - 1);
    let why = "config.toml belongs to the user 65534; a file is taken that nobody but this user";
    assert!(count == 0 && stderr.contains(why), "{stderr}");
    // One that may be seen and not read.
    chown(home.file(), Some(0), None).unwrap();
    set(&home.file(), 0o600);
    let (count, stderr) = jobs(NOBODY);
    assert!(
        count == 0 && stderr.contains("config.toml: Permission denied"),
        "{stderr}"
    );
    // Of one that may not even be looked for nothing is known: HOME is still another user's.
    set(&home.press.input("config"), 0o700);
    let (count, stderr) = jobs(NOBODY);
    assert!(
        count == 0 && stderr.contains("note: no defaults of "),
        "{stderr}"
    );
    assert!(!stderr.contains("warning"), "{stderr}");
}

#[test]
fn without_a_home_there_is_no_file() {
    if !is_root_with(&["setpriv"]) {
        return skip("not root with setpriv: a user without a home cannot be taken");
    }
    let home = Home::new();
    let mut command = plan_as(&home, 4_000_000);
    command.env_remove("HOME").env_remove("XDG_CONFIG_HOME");
    let ended = home.press.run(&mut command);
    ended.succeeded();
    let why = "note: no file of defaults: neither XDG_CONFIG_HOME nor HOME is an absolute path";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
}
