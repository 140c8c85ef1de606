//! The program on a terminal of its own.

use std::ffi::OsStr;
use std::process::Command;

use super::oracles::{program, skip};
use super::run::LAYERPRESS;

/// Runs the program on a terminal of so many columns and gives what it wrote to standard output, with
/// lines as the program ended them. None where there are no terminals to be had, which is said.
pub fn on_terminal<S: AsRef<OsStr>>(
    columns: usize,
    arguments: impl IntoIterator<Item = S>,
) -> Option<String> {
    program("script")?;
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("record");
    let quoted = arguments.into_iter().map(|argument| {
        let argument = argument.as_ref().to_str().unwrap();
        format!("'{}'", argument.replace('\'', r"'\''"))
    });
    let words: Vec<_> = quoted.collect();
    let line = format!(
        "stty cols {columns} rows 24; exec {LAYERPRESS} {} 2>/dev/null",
        words.join(" ")
    );
    let output = Command::new(program("script")?)
        .args(["--quiet", "--return", "--command", &line])
        .arg(&record)
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .env_remove("SOURCE_DATE_EPOCH")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("failed to create pseudo-terminal") {
        skip("there are no pseudo-terminals");
        return None;
    }
    let record = std::fs::read_to_string(&record).unwrap();
    // script's own lines at the start and at the end.
    let lines = record
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("Script "));
    Some(lines.collect::<String>().replace("\r\n", "\n"))
}
