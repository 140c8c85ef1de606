//! What moves on a terminal while a pipe is read that the test holds back, and what stands in a log
//! in its place.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::press;
use super::support::oracles::{program, skip};
use super::support::run::{Ending, LAYERPRESS, Press, output_of};

/// A build from a pipe that gives half of the image, and the rest once it may.
struct Held {
    press: Press,
    environment: Vec<(&'static str, &'static str)>,
}

impl Held {
    fn new(environment: &[(&'static str, &'static str)]) -> Self {
        Self {
            press: press(),
            environment: environment.to_vec(),
        }
    }

    fn go(&self) -> PathBuf {
        self.press.root().join("go")
    }

    fn let_go(&self) {
        File::create(self.go()).unwrap();
    }

    /// For a shell; its end is also that of the test.
    fn line(&self, options: &str) -> String {
        let (image, go, root) = (self.press.image(), self.go(), self.press.root());
        let (image, go, root) = (image.display(), go.display(), root.display());
        let output = self.press.output();
        format!(
            "{{ head -c 8000 {image}; while [ ! -e {go} ] && [ -e {root} ]; do sleep 0.05; done; \
             tail -c +8001 {image}; }} | {LAYERPRESS} build - -o {} {options}",
            output.display()
        )
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        for name in ["CI", "LC_ALL", "LC_CTYPE", "LANG"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm").envs(self.environment.clone());
        command
    }

    /// Runs it on a terminal; once what was written says that something is so, the rest is given. All
    /// that was written.
    fn on_terminal(&self, is_so: impl Fn(&str) -> bool) -> Option<String> {
        let script = program("script")?;
        let record = self.press.root().join("record");
        let line = format!("stty cols 80 rows 24; {}", self.line(""));
        let mut command = self.command(
            script.to_str().unwrap(),
            &["--quiet", "--flush", "--return", "--command", &line],
        );
        let said = self.press.root().join("said");
        let both = File::create(&said).unwrap();
        command.arg(&record);
        command.stdin(std::process::Stdio::null());
        command.stdout(both.try_clone().unwrap()).stderr(both);
        let mut running = Ending::start(&mut command);
        let written = || fs::read_to_string(&record).unwrap_or_default();
        let no_terminal = || {
            let said = fs::read_to_string(&said).unwrap_or_default();
            said.contains("failed to create pseudo-terminal")
        };
        until(|| is_so(&written()) || no_terminal());
        if no_terminal() {
            skip("there are no pseudo-terminals");
            return None;
        }
        self.let_go();
        let status = running.end_within(Duration::from_secs(90));
        assert!(status.success(), "{}", written());
        let lines = written();
        let lines = lines
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("Script "));
        Some(lines.collect())
    }
}

#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(90), "never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a row tells how much has come and how fast.
fn counts(written: &str) -> bool {
    let mut rows = written.split(['\r', '\n', '\x1b']);
    rows.any(|row| row.contains("read standard input") && row.contains(" B/s"))
}

#[test]
fn bytes_and_rate_of_a_pipe_are_told_while_it_is_read() {
    let held = Held::new(&[("LC_ALL", "C.UTF-8")]);
    let Some(record) = held.on_terminal(counts) else {
        return;
    };
    assert!(record.contains("7.8 KiB"), "{record}");
    assert!(!record.is_ascii(), "{record}");
    // One row for the whole, with its phase.
    assert!(record.contains("\nfind  7.8 KiB  "), "{record}");
}

#[test]
fn without_unicode_in_the_locale_all_that_is_drawn_is_ascii() {
    for environment in [
        &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")][..],
        &[("LC_ALL", "POSIX")],
        &[("LANG", "de_DE.ISO-8859-1")],
        &[],
    ] {
        let held = Held::new(environment);
        let Some(record) = held.on_terminal(counts) else {
            return;
        };
        assert!(record.is_ascii(), "{environment:?}: {record}");
    }
}

#[test]
fn a_ci_system_and_a_terminal_without_a_cursor_get_lines_and_a_silent_task_is_told_soon() {
    for environment in [&[("CI", "true")], &[("TERM", "dumb")]] {
        let held = Held::new(environment);
        let is_told = |written: &str| written.contains("read standard input: 7.8 KiB so far");
        let Some(record) = held.on_terminal(is_told) else {
            return;
        };
        assert!(!record.contains('\x1b'), "{environment:?}: {record}");
        assert!(record.contains("read standard input: spooled"), "{record}");
    }
}

#[test]
fn without_a_terminal_a_silent_task_is_told_with_numbers_before_it_ends() {
    for options in ["", "--progress=plain"] {
        let held = Held::new(&[]);
        let said = held.press.root().join("said");
        let mut command = held.command("sh", &["-c", &held.line(options)]);
        command.stdout(std::process::Stdio::null());
        command.stderr(File::create(&said).unwrap());
        let mut running = Ending::start(&mut command);
        let written = || fs::read_to_string(&said).unwrap();
        until(|| written().contains("read standard input: 7.8 KiB so far"));
        held.let_go();
        assert!(running.end_within(Duration::from_secs(90)).success());
        assert!(!written().contains('\x1b'), "{}", written());
    }
}

/// A terminal that can become wider and narrower.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-L", &self.socket]);
        command
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX");
        let output = output_of(&mut command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is on the screen, and above it, but for what stood there before.
    fn screen(&self) -> Vec<String> {
        let text = self.run(&["capture-pane", "-p", "-S", "-", "-t", "0"]);
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines
            .filter(|line| !line.is_empty() && line != "before")
            .collect()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-L", &self.socket, "kill-server"])
            .status();
    }
}

/// Bug: each time that a terminal became narrower, what had been drawn stood there for good.
#[test]
fn a_terminal_that_becomes_narrower_and_wider_keeps_nothing_of_what_was_drawn() {
    if program("tmux").is_none() {
        return;
    }
    let held = Held::new(&[]);
    let socket = format!("layerpress-{}", std::process::id());
    let tmux = Tmux { socket };
    // Rows that a terminal pushes out above its first when it breaks them are beyond reach.
    let before = "for row in 1 2 3 4 5 6 7 8; do echo before; done";
    let line = format!(
        "{before}; env -u CI TERM=screen LC_ALL=C.UTF-8 sh -c '{}'; echo that was all; sleep 90",
        held.line("")
    );
    tmux.run(&["new-session", "-d", "-x", "100", "-y", "20", &line]);
    for columns in ["40", "120", "23", "80", "30"] {
        tmux.run(&["resize-window", "-t", "0", "-x", columns]);
        let most: usize = columns.parse().unwrap();
        // The rows that were drawn for this width, and nothing else.
        until(|| {
            let screen = tmux.screen();
            let starts = ["read", "find "];
            let is_drawn = |(line, start): (&String, &str)| {
                line.starts_with(start) && line.chars().count() < most
            };
            screen.len() == 2 && screen.iter().zip(starts).all(is_drawn)
        });
    }
    held.let_go();
    until(|| tmux.screen().iter().any(|line| line == "that was all"));
    let screen = tmux.screen();
    let rows: Vec<_> = screen
        .iter()
        .filter(|line| line.contains("find  "))
        .collect();
    assert!(rows.is_empty(), "{screen:#?}");
    let stays = screen
        .iter()
        .filter(|line| line.contains("read standard input"));
    assert_eq!(stays.count(), 1, "{screen:#?}");
}
