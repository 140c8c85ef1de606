//! debugfs run over a batch of commands, and its answers told apart.

use std::path::Path;

use crate::command::Program;
use crate::error::{Error, Result};
use crate::progress::Reporter;

/// Commands in one run: some megabytes of answers.
const BATCH: usize = 4096;

/// debugfs and the image it is to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session<'a> {
    pub debugfs: &'a Path,
    /// An open image's path: a name could hold a `?`, which debugfs takes for the start of options.
    pub image: &'a Path,
}

/// How much debugfs may print.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerLimits {
    /// In one run.
    pub run_bytes: u64,
    /// In all runs; the last may go beyond it. Inodes that share their blocks have answers that
    /// together are larger than any image.
    pub total_bytes: u64,
}

/// Why there is no answer to a command.
pub(super) const LOST: &str = "debugfs crashes over it or prints without end";

/// All answers to a batch, and what debugfs complained of, which names no command.
#[derive(Debug)]
pub(super) struct Answers<T> {
    /// One for each command, as parsed; `None` where it was [`LOST`].
    pub by_command: Vec<Option<T>>,
    /// Standard error without the version line.
    pub complaints: String,
}

impl Session<'_> {
    /// Runs `commands` in as few runs as will do and parses each one's answer. A command that ends
    /// debugfs or goes beyond what a run may print is lost; those after it get a run of their own,
    /// until all runs together have printed what they may.
    ///
    /// # Errors
    /// [`Error::Tool`] when debugfs cannot be run, or ends by itself without an answer.
    pub fn ask<T>(
        &self,
        commands: &[Vec<u8>],
        limits: AnswerLimits,
        reporter: &dyn Reporter,
        mut parse: impl FnMut(&mut Answer<'_>) -> T,
    ) -> Result<Answers<T>> {
        let mut by_command = Vec::with_capacity(commands.len());
        let mut complaints = String::new();
        let mut bytes_left = limits.total_bytes;
        while by_command.len() < commands.len() {
            if bytes_left == 0 {
                by_command.resize_with(commands.len(), || None);
                break;
            }
            let first = by_command.len();
            let batch = &commands[first..commands.len().min(first + BATCH)];
            let program = Program::new(self.debugfs)
                .args(["-c", "-f", "-"])
                .arg(self.image)
                .env("DEBUGFS_PAGER", None)
                .env("PAGER", None)
                .input(batch.join(&b'\n').into_iter().chain([b'\n']).collect())
                .output_limit(limits.run_bytes)
                .unsynced();
            let line = program.line();
            let output = program.run(reporter)?;
            let ended_by_itself = output.status.code().is_some();
            if ended_by_itself && after_echo(&output.stdout, &batch[0]).is_none() {
                // It repeats each command, whatever the image is: this is another program.
                return Err(Error::Tool(format!(
                    "{line} answered nothing ({}):\n{}",
                    output.status,
                    output.tail()
                )));
            }
            let said = String::from_utf8_lossy(&output.stderr);
            // The version comes first, and the mode asked for is no complaint.
            let lines = said
                .lines()
                .skip(1)
                .filter(|line| !line.contains("catastrophic mode"));
            // Behind its words stands a blank, for more that it might say.
            complaints.extend(lines.flat_map(|line| [line.trim_end(), "\n"]));
            bytes_left = bytes_left.saturating_sub(output.stdout.len() as u64);
            let mut rest = &output.stdout[..];
            for (index, command) in batch.iter().enumerate() {
                let next = batch.get(index + 1);
                let Some(after) = after_echo(rest, command) else {
                    break;
                };
                let mut answer = Answer {
                    rest: after,
                    stop: next.map(|next| echo(next)),
                };
                let parsed = parse(&mut answer);
                rest = answer.rest;
                let is_whole = match next {
                    Some(next) => after_echo(rest, next).is_some(),
                    None => ended_by_itself,
                };
                if !is_whole {
                    break;
                }
                by_command.push(Some(parsed));
            }
            if by_command.len() < first + batch.len() {
                by_command.push(None);
            }
        }
        Ok(Answers {
            by_command,
            complaints,
        })
    }
}

fn echo(command: &[u8]) -> Vec<u8> {
    [b"debugfs: ", command, b"\n"].concat()
}

/// What follows the echo of `command`, which starts a line.
fn after_echo<'a>(output: &'a [u8], command: &[u8]) -> Option<&'a [u8]> {
    let echo = echo(command);
    let mut rest = output;
    loop {
        if let Some(after) = rest.strip_prefix(&echo[..]) {
            return Some(after);
        }
        let line_end = rest.iter().position(|byte| *byte == b'\n')?;
        rest = &rest[line_end + 1..];
    }
}

/// The answer to one command, read from its start.
///
/// Names and symlink targets may hold anything, also what looks like the next command's echo:
/// they are taken by their structure, never by looking for the end of a line.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    rest: &'a [u8],
    stop: Option<Vec<u8>>,
}

impl<'a> Answer<'a> {
    #[cfg(test)]
    pub fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            stop: None,
        }
    }

    /// The next line without its end; `None` at the answer's end.
    pub fn line(&mut self) -> Option<&'a [u8]> {
        let is_end = |stop: &Vec<u8>| self.rest.starts_with(stop);
        if self.stop.as_ref().is_some_and(is_end) {
            return None;
        }
        self.take_until(b'\n')
    }

    /// Takes `bytes` if they come next.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let after = self.rest.strip_prefix(bytes);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Takes as many bytes, if so many are left.
    pub fn take_length(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// Takes everything before the next `delimiter`, and it.
    pub fn take_until(&mut self, delimiter: u8) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == delimiter)?;
        let taken = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(taken)
    }
}

/// A decimal number.
pub(super) fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::os::unix::fs::PermissionsExt;

    /// Asks a program in debugfs's place, which echoes commands, crashes over some and floods over
    /// others.
    fn ask<T>(
        commands: &[Vec<u8>],
        limits: AnswerLimits,
        parse: impl FnMut(&mut Answer<'_>) -> T,
    ) -> Answers<T> {
        let directory = tempfile::tempdir().unwrap();
        let debugfs = &directory.path().join("debugfs");
        let script = r#"#!/bin/sh
echo version >&2
while read -r line; do
    echo "debugfs: $line"
    case $line in
        crash) kill -SEGV $$ ;;
        flood) cat /dev/zero ;;
        bad) echo "it is bad " >&2 ;;
        *) echo "answer to $line"; echo ;;
    esac
done
"#;
        std::fs::write(debugfs, script).unwrap();
        std::fs::set_permissions(debugfs, PermissionsExt::from_mode(0o755)).unwrap();
        let image = Path::new("image");
        let session = Session { debugfs, image };
        session.ask(commands, limits, &Silent, parse).unwrap()
    }

    const LIMITS: AnswerLimits = AnswerLimits {
        run_bytes: 100_000,
        total_bytes: u64::MAX,
    };

    // A bug: `--debugfs /bin/true` was a reader that could not read, and `build --verify` ended well
    // without the second opinion. Found as two changes met: a program that reads no command was no
    // error of its pipe any more.
    #[test]
    fn a_program_that_repeats_no_command_is_no_debugfs() {
        let session = |debugfs| Session {
            debugfs: Path::new(debugfs),
            image: Path::new("image"),
        };
        let commands = [b"a".to_vec(), b"b".to_vec()];
        for program in ["/bin/true", "/bin/false", "/bin/echo"] {
            let asked = session(program).ask(&commands, LIMITS, &Silent, |_| ());
            let error = asked.unwrap_err();
            assert!(matches!(error, Error::Tool(_)), "{error}");
            assert!(error.to_string().contains("answered nothing"), "{error}");
        }
    }

    // A bug: thousands of inodes over one large map were printed one after the other, whatever they
    // came to. Found by looking for what else is shared.
    #[test]
    fn when_all_runs_have_printed_enough_the_rest_is_lost_without_a_run() {
        let commands = vec![b"flood".to_vec(); 1000];
        let limits = AnswerLimits {
            total_bytes: 300_000,
            ..LIMITS
        };
        let mut asked = 0;
        let lost = ask(&commands, limits, |_| asked += 1).by_command;
        assert!(lost.iter().all(Option::is_none));
        assert_eq!((lost.len(), asked <= 4), (1000, true), "{asked}");
    }

    #[test]
    fn a_command_that_ends_debugfs_is_lost_and_the_others_are_answered() {
        let commands = ["a", "crash", "b", "flood", "bad", "crash"];
        let commands = commands.map(|command| command.as_bytes().to_vec());
        let answers = ask(&commands, LIMITS, |answer| {
            let line = answer.line().unwrap_or(b"nothing");
            String::from_utf8(line.to_vec()).unwrap_or_default()
        });
        let shown: Vec<_> = answers
            .by_command
            .iter()
            .map(|answer| answer.as_deref().unwrap_or("lost"))
            .collect();
        let expected = [
            "answer to a",
            "lost",
            "answer to b",
            "lost",
            "nothing",
            "lost",
        ];
        assert_eq!(shown, expected);
        assert_eq!(answers.complaints, "it is bad\n");
    }
}
