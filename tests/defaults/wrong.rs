//! What is no default, each told in one line.

use std::fs;
use std::os::unix::fs::symlink;

use super::support::oracles::succeed;
use super::{Home, taken};

#[test]
fn a_file_that_says_something_else_is_told_with_line_and_column_and_what_was_meant() {
    let home = Home::new();
    for (text, words) in [
        (
            &b"job = 1"[..],
            &[":1:1: unknown key 'job': the nearest is 'jobs'"][..],
        ),
        (
            b"\nretries = 1",
            &[":2:1: unknown key 'retries': expected one of 'cache-dir', "],
        ),
        // What changes bytes, checks or trust.
        (
            b"mke2fs = \"/bin/true\"",
            &["unknown key 'mke2fs': --mke2fs has no default"],
        ),
        (
            b"trust = true",
            &["unknown key 'trust': --trust has no default"],
        ),
        (b"tls-verify = false", &["--tls-verify has no default"]),
        (b"plain-http = true", &["--plain-http has no default"]),
        (b"creds = \"a:b\"", &["--creds has no default"]),
        (b"creds-file = \"/x\"", &["--creds-file has no default"]),
        (b"max-entries = 5", &["--max-entries has no default"]),
        (b"fs = \"ext4\"", &["--fs has no default"]),
        (
            b"[filesystem]\nfs = \"ext4\"",
            &[":1:2: unknown key 'filesystem'"],
        ),
        (
            b"jobs = \"2\"",
            &[":1:8: jobs: expected a whole number, found the text '2'"],
        ),
        (
            b"jobs = 1.5",
            &["jobs: expected a whole number, found a value of type float"],
        ),
        (
            b"[jobs]",
            &["jobs: expected a whole number, found a value of type table"],
        ),
        (b"jobs = 0", &[":1:8: ", "'0'", "--jobs"]),
        (b"jobs = -1", &["'-1'", "--jobs"]),
        (
            b"jobs = 99999999999999999999999999999999999999999999",
            &["--jobs"],
        ),
        (b"timeout = 0", &["--timeout"]),
        (b"progress = \"bars\"", &["'bars'", "--progress"]),
        (b"progress = 1", &["progress: expected a text"]),
        (
            b"cache-dir = \"~/x\"",
            &["cache-dir: expected an absolute path, as a text, found the text '~/x'"],
        ),
        (b"work-dir = \"\"", &["expected an absolute path"]),
        (b"jobs =", &[":1:"]),
        (b"jobs = 1\njobs = 2", &[":2:1: duplicate key"]),
        (
            b"jobs = 1\n# \xff",
            &["config.toml:2: expected a file of defaults in UTF-8"],
        ),
        (
            &[b'#'; (64 << 10) + 1],
            &["at most 65536 bytes, found more"],
        ),
    ] {
        home.write(text);
        let ended = home.press.run(&mut home.plan());
        ended.failed(2, &["config.toml"]);
        ended.failed(2, words);
        // One line is all that is said.
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    home.write([b'#'; 64 << 10]);
    assert_eq!(home.told(&mut home.plan()), [""; 0]);
}

#[test]
fn programs_are_told_as_they_asked() {
    let home = Home::with("job = 1");
    let ended = home.press.run(home.plan().arg("--progress=json"));
    assert_eq!((ended.code(), ended.stdout.as_str()), (2, ""));
    let event: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(
        (&event["event"], &event["exit_code"]),
        (&"error".into(), &2.into())
    );
}

#[test]
fn what_is_no_file_is_told_and_never_waited_for() {
    let home = Home::new();
    let file = home.file();
    let refused = |words: &[&str]| home.press.run(&mut home.plan()).failed(2, words);
    succeed("mkfifo", [&file]);
    refused(&["config.toml: expected a file of defaults, found something else"]);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(&["config.toml: expected a file of defaults, found a directory"]);
    fs::remove_dir(&file).unwrap();
    symlink("config.toml", &file).unwrap();
    home.press.run(&mut home.plan()).failed(3, &["config.toml"]);
    fs::remove_file(&file).unwrap();
    // One that leads nowhere is none; one that leads to a file is that file.
    symlink("elsewhere.toml", &file).unwrap();
    assert_eq!(home.told(&mut home.plan()), [""; 0]);
    fs::write(file.with_file_name("elsewhere.toml"), "jobs = 2").unwrap();
    assert_eq!(home.told(&mut home.plan()).len(), 1);
}

#[test]
fn the_file_is_looked_for_where_the_xdg_specification_says() {
    let home = Home::new();
    let own = home.press.input("home/.config/layerpress");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("config.toml"), "jobs = 5").unwrap();
    home.write("jobs = 6");
    let jobs = |configure: &dyn Fn(&mut std::process::Command)| {
        let mut plan = home.plan();
        plan.env("HOME", home.press.input("home"));
        configure(&mut plan);
        let told = home.told(&mut plan).concat();
        told.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(jobs(&|_| ()), "--jobs=6");
    let with = |value: &'static str| jobs(&move |plan| _ = plan.env("XDG_CONFIG_HOME", value));
    // A relative place and none are nobody's.
    assert_eq!([with(""), with("in/config")], ["--jobs=5"; 2]);
    assert_eq!(
        jobs(&|plan| _ = plan.env_remove("XDG_CONFIG_HOME")),
        "--jobs=5"
    );
    assert_eq!(with("/dev/null"), "");
}

#[test]
fn a_value_that_its_option_does_not_take_is_told_by_the_variables_name() {
    let home = Home::new();
    for (name, value) in [
        ("LAYERPRESS_JOBS", "0"),
        ("LAYERPRESS_TIMEOUT", "soon"),
        ("LAYERPRESS_RETRY", "-1"),
        ("LAYERPRESS_PROGRESS", "bars"),
    ] {
        let ended = home.press.run(home.plan().env(name, value));
        ended.failed(2, &[&format!("error: {name}: "), &format!("'{value}'")]);
    }
}

#[test]
fn a_variable_that_nobody_reads_is_warned_of_once_and_stops_nothing() {
    let home = Home::new();
    let mut plan = home.plan();
    plan.env("LAYERPRESS_JOB", "3")
        .env("LAYERPRESS_REQUIRE", "all");
    let ended = home.press.run(&mut plan);
    ended.succeeded();
    let about: Vec<_> = ended
        .stderr
        .lines()
        .filter(|line| line.contains("LAYERPRESS"))
        .collect();
    let expected =
        "warning: LAYERPRESS_JOB is no variable of layerpress: the nearest is LAYERPRESS_JOBS";
    assert_eq!(about, [expected]);
    assert_eq!(taken(&ended.stderr), [""; 0]);
    let mut quiet = home.command("plan");
    quiet
        .arg(home.press.image())
        .arg("-q")
        .env("LAYERPRESS_JOB", "3");
    assert_eq!(home.press.run(&mut quiet).stderr, "");
}

#[test]
fn what_tells_of_the_program_alone_works_where_its_defaults_are_wrong() {
    let home = Home::with("job = 1");
    for words in [
        &["completions", "bash"][..],
        &["build", "--help"],
        &["--version"],
        &["man", home.press.input("pages").to_str().unwrap()],
    ] {
        let mut command = home.command(words[0]);
        command.args(&words[1..]);
        home.press.run(&mut command).succeeded();
    }
}
