//! External programs: found, run, drained, and their failure told in one way.

mod confined;
mod drain;
mod find;
mod open_file;
mod time_limit;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::error::{Error, Result, escape_line, is_of_this_machine};
use crate::leftovers;
use crate::progress::Reporter;

pub use find::{find, find_in_path, given};
pub use open_file::path_of_open_file;

/// What a program left behind when it ended by itself.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, all of it or up to the limit.
    pub stdout: Vec<u8>,
    /// Its standard error, all of it or up to the limit.
    pub stderr: Vec<u8>,
}

/// A program about to be run, with a fixed locale and an otherwise inherited environment, and
/// without the right to gain privileges.
#[derive(Debug)]
pub struct Program {
    command: Command,
    input: Vec<u8>,
    output_limit_bytes: u64,
    time_limit: Option<Duration>,
    is_unsynced: bool,
}

impl Program {
    /// The program at `path`.
    pub fn new(path: &Path) -> Self {
        let mut command = Command::new(path);
        command.env("LC_ALL", "C").env_remove("LANGUAGE");
        Self {
            command,
            input: Vec::new(),
            output_limit_bytes: u64::MAX,
            time_limit: None,
            is_unsynced: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable, or removes it.
    #[must_use]
    pub fn env(mut self, name: &str, value: Option<&OsStr>) -> Self {
        match value {
            Some(value) => self.command.env(name, value),
            None => self.command.env_remove(name),
        };
        self
    }

    /// What the program reads from its standard input; nothing unless given.
    #[must_use]
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = bytes;
        self
    }

    /// How much the program may write to each of its outputs. It is killed when there is more, with what
    /// it started: a closed pipe does not end a program that goes on without. What came stays.
    #[must_use]
    pub fn output_limit(mut self, bytes: u64) -> Self {
        self.output_limit_bytes = bytes;
        self
    }

    /// How long the program and what it started may take. They are killed then, and it is an error.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Keeps the program from waiting for the disk: its `fsync` and `fdatasync` do nothing, where
    /// the kernel lets that be arranged.
    #[must_use]
    pub fn unsynced(mut self) -> Self {
        self.is_unsynced = true;
        self
    }

    /// The command line as a person would type it.
    pub fn line(&self) -> String {
        let environment = self
            .command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)))
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), quote(value)));
        let words = std::iter::once(self.command.get_program())
            .chain(self.command.get_args())
            .map(quote);
        let line = environment.chain(words).collect::<Vec<_>>().join(" ");
        escape_line(&line).into_owned()
    }

    /// Runs the program to its end, whatever its exit status.
    ///
    /// # Errors
    /// [`Error::Tool`] when it cannot be started or its pipes break, [`Error::Io`] where this machine gives
    /// no more open files or memory.
    pub fn run(mut self, reporter: &dyn Reporter) -> Result<Output> {
        let line = self.line();
        reporter.command_line(&line);
        let is_there = Path::new(self.command.get_program()).exists();
        let failed = |error| cannot_run(&line, is_there, error);
        let stdin = drain::input(&self.input).map_err(failed)?;
        self.command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The terminal's Ctrl-C reaches this process alone, which then ends the child: else the
            // child's death could be reported in place of the interruption.
            .process_group(0);
        let command = &mut self.command;
        let start = || {
            leftovers::start_child(|| {
                let child = command.spawn()?;
                let id = child.id();
                Ok((child, id))
            })
        };
        let started = confined::confined(self.is_unsynced, start);
        let (mut child, registration) = started.map_err(failed)?;
        let deadline = self.time_limit.map(|limit| Instant::now() + limit);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let drained = drain::drain(stdout, stderr, self.output_limit_bytes, deadline);
        if drained.as_ref().is_ok_and(|drained| drained.is_over) {
            time_limit::kill(child.id());
        }
        // It may go on without its pipes. Until it is waited for, its number stays its own.
        let is_late = deadline.is_some_and(|deadline| time_limit::end_by(deadline, child.id()));
        drop(registration);
        let status = child.wait().map_err(failed)?;
        let drained = drained.map_err(failed)?;
        // What it started may hold its pipes after a good end.
        if is_late && !status.success() {
            let time = self.time_limit.unwrap_or_default();
            return Err(Error::Tool(format!(
                "{line} was not done after {time:?} (--timeout SECONDS waits longer)"
            )));
        }
        Ok(Output {
            status,
            stdout: drained.stdout,
            stderr: drained.stderr,
        })
    }

    /// Runs the program and expects exit status 0.
    ///
    /// # Errors
    /// [`Error::Io`] where it says that its disk is full, else [`Error::Tool`] with the command line
    /// and the tail of its output.
    pub fn run_to_success(self, reporter: &dyn Reporter) -> Result<Output> {
        let line = self.line();
        let output = self.run(reporter)?;
        if output.status.success() {
            return Ok(output);
        }
        if let Some(full) = output.full_disk() {
            return Err(Error::io(format!("{line} failed"), full));
        }
        Err(Error::Tool(format!(
            "{line} failed ({}):\n{}",
            output.status,
            output.tail()
        )))
    }
}

impl Output {
    /// The system's word on a disk that is full, or a quota that is used up, where the program has
    /// passed it on.
    fn full_disk(&self) -> Option<std::io::Error> {
        let text = String::from_utf8_lossy(&self.stderr);
        // As the locale of `Program::new` has them.
        [
            ("No space left on device", Errno::NOSPC),
            ("Disk quota exceeded", Errno::DQUOT),
        ]
        .into_iter()
        .find(|(words, _)| text.contains(words))
        .map(|(_, errno)| errno.into())
    }

    /// The last lines of standard output and standard error, for an error text, escaped.
    pub fn tail(&self) -> String {
        let text = [&self.stdout[..], &self.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            // Labels and names of a filesystem are in them, and tabs of the program's own.
            .map(|line| escape_line(&line.replace('\t', "    ")).into_owned())
            .collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A program that a user runs through this one: it has the user's terminal, environment and working
/// directory, and is nobody's to kill.
#[derive(Debug)]
pub struct Attached(Child);

impl Attached {
    /// Starts the program, searched for in PATH unless a path is given.
    ///
    /// # Errors
    /// The operating system's, when it cannot be started.
    pub fn start(
        program: &OsStr,
        arguments: &[OsString],
        reporter: &dyn Reporter,
    ) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        let words = std::iter::once(program).chain(command.get_args());
        reporter.command_line(&escape_line(
            &words.map(quote).collect::<Vec<_>>().join(" "),
        ));
        command.spawn().map(Self)
    }

    /// Its process number, its own until [`Attached::reap`].
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it has ended.
    pub fn wait(&self) {
        time_limit::wait_for_end(self.id());
    }

    /// Its exit code, 128 + n where signal n ended it; gives its number back.
    ///
    /// # Errors
    /// The operating system's.
    pub fn reap(mut self) -> std::io::Result<u8> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.0.wait()?;
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        Ok(code
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(u8::MAX))
    }
}

fn quote(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn cannot_run(line: &str, is_there: bool, error: std::io::Error) -> Error {
    if is_of_this_machine(&error) {
        return Error::io(format!("cannot run {line}"), error);
    }
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound if is_there => ": what it names after #! is absent",
        std::io::ErrorKind::NotFound => ": is e2fsprogs installed?",
        _ => "",
    };
    Error::Tool(format!("cannot run {line}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn sh(script: &str) -> Program {
        Program::new(Path::new("/bin/sh")).args(["-c", script])
    }

    #[test]
    fn a_program_is_not_blamed_for_what_this_machine_has_no_more_of() {
        for (number, code) in [(24, 3), (23, 3), (12, 3), (2, 6), (13, 6)] {
            let error = std::io::Error::from_raw_os_error(number);
            let error = cannot_run("mke2fs -V", false, error);
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().starts_with("cannot run mke2fs -V: "));
        }
    }

    #[test]
    fn both_pipes_are_drained_however_much_comes() {
        let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 3";
        let output = sh(script).input(vec![b'x'; 300_000]).run(&Silent).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (300_000, 300_000)
        );
    }

    #[test]
    fn a_program_reads_what_it_is_given_and_then_the_end() {
        for length in [0, 1, 4096, 4097, 300_000] {
            let output = sh("exec cat")
                .input(vec![b'x'; length])
                .run_to_success(&Silent)
                .unwrap();
            assert_eq!(output.stdout, vec![b'x'; length]);
        }
    }

    #[test]
    fn an_unsynced_program_believes_that_it_has_synced() {
        // Python tells what fsync() answers; a descriptor that is not open is refused by the kernel.
        let script = "import os\ntry: os.fsync(99); print('synced')\nexcept OSError as e: print(e)";
        let python = find("python3", std::env::var_os("PATH").as_deref()).unwrap();
        let said = |program: Program| {
            let output = program.args(["-c", script]).run_to_success(&Silent);
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        assert!(said(Program::new(&python)).contains("Bad file descriptor"));
        if cfg!(target_arch = "x86_64") {
            assert_eq!(said(Program::new(&python).unsynced()), "synced\n");
        }
        assert!(said(Program::new(&python)).contains("Bad file descriptor"));
    }

    /// `mke2fs -V` was run without: one that was set-user-ID ran with its owner's rights. Found by
    /// trying what the README says.
    #[test]
    fn no_program_can_gain_privileges_and_this_one_keeps_its_own() {
        let script = "while read -r line; do echo \"$line\"; done </proc/self/status";
        let own = || std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let before = own().contains("NoNewPrivs:\t1");
        for program in [sh(script), sh(script).unsynced()] {
            let said = program.run_to_success(&Silent).unwrap().stdout;
            let said = String::from_utf8(said).unwrap();
            let value = said
                .lines()
                .find_map(|line| line.strip_prefix("NoNewPrivs:"));
            assert_eq!(value.map(str::trim), Some("1"));
        }
        assert_eq!(own().contains("NoNewPrivs:\t1"), before);
    }

    #[test]
    fn a_program_that_never_stops_writing_ends_at_its_limit() {
        // The second is told of a closed pipe, and does not care.
        for script in [
            "exec cat /dev/zero",
            "trap '' PIPE; while :; do echo zeros; done",
        ] {
            for stream in ["1", "2"] {
                let output = sh(&format!("exec >&{stream}; {script}"))
                    .output_limit(100_000)
                    .run(&Silent)
                    .unwrap();
                assert_eq!(output.stdout.len() + output.stderr.len(), 100_000);
                assert_eq!(output.status.code(), None, "killed, not ended by itself");
            }
        }
        let output = sh("head -c 100000 /dev/zero").output_limit(100_000);
        let output = output.run_to_success(&Silent).unwrap();
        assert_eq!(output.stdout.len(), 100_000);
    }

    #[test]
    fn a_failure_shows_the_command_line_and_what_the_program_said() {
        let failed = sh("echo it broke >&2; exit 1").run_to_success(&Silent);
        let error = failed.unwrap_err().to_string();
        let words = "/bin/sh -c 'echo it broke >&2; exit 1' failed";
        assert!(error.contains(words), "{error}");
        assert!(error.ends_with("\nit broke"), "{error}");
    }

    /// It was told as a fault of the program's, with its exit code.
    #[test]
    fn a_full_disk_is_the_machines_trouble_and_not_the_programs() {
        for (words, code) in [
            ("mke2fs: No space left on device", 3),
            ("mke2fs: Disk quota exceeded", 3),
            ("mke2fs: Bad magic number", 6),
        ] {
            let failed = sh(&format!("echo {words} >&2; exit 1")).run_to_success(&Silent);
            let error = failed.unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains(&words[8..]), "{error}");
        }
    }

    #[test]
    fn only_an_absent_program_asks_whether_e2fsprogs_is_installed() {
        let run = |path: &str| Program::new(Path::new(path)).run(&Silent);
        let said = |error: Error| error.to_string();
        let absent = said(run("/nowhere/mke2fs").unwrap_err());
        assert!(absent.contains("is e2fsprogs installed?"));
        assert!(!said(run("/etc/passwd").unwrap_err()).contains("e2fsprogs"));
        assert!(said(find("no-such-program", None).unwrap_err()).contains("e2fsprogs"));
    }
}
