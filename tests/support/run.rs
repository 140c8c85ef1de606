//! The program itself, run in directories of its own that are looked through afterwards.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::ops::{Deref, DerefMut};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::archive::TestImage;
use super::signals;

/// The program.
pub const LAYERPRESS: &str = env!("CARGO_BIN_EXE_layerpress");

/// What a program that does not say otherwise must need at most.
const LIMIT: Duration = Duration::from_secs(90);

/// The program, with the default for every signal, reading nothing.
pub fn layerpress() -> Command {
    started_by_hand(LAYERPRESS)
}

/// Any program, such as a shell that starts [`LAYERPRESS`], with the default for every signal.
pub fn started_by_hand(program: &str) -> Command {
    signals::default_for_programs();
    let mut command = without_defaults(program);
    command.stdin(Stdio::null());
    command
}

/// Any program, with none of the defaults that whoever runs the tests has set.
pub fn without_defaults(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"LAYERPRESS_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program to its end, which must come within a minute and a half.
#[track_caller]
pub fn output_of(command: &mut Command) -> Output {
    let [mut stdout, mut stderr] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    command.stdout(stdout.try_clone().unwrap());
    command.stderr(stderr.try_clone().unwrap());
    let status = Ending::start(command).end_within(LIMIT);
    let read = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    Output {
        status,
        stdout: read(&mut stdout),
        stderr: read(&mut stderr),
    }
}

/// A program that ends when its test does: asked to first, so that it can undo what it did.
#[derive(Debug)]
pub struct Ending(Child);

impl Ending {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Waits, and fails the test if that takes too long.
    #[track_caller]
    pub fn end_within(&mut self, limit: Duration) -> ExitStatus {
        let status = self.poll(limit);
        status.unwrap_or_else(|| panic!("still running after {limit:?}"))
    }

    fn poll(&mut self, limit: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            if started.elapsed() > limit {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Deref for Ending {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Ending {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.poll(Duration::ZERO).is_some() {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        if self.poll(Duration::from_secs(10)).is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Directories for an image, an output, spools and other temporary files.
#[derive(Debug)]
pub struct Press {
    root: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub time: Duration,
}

impl Press {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["in", "out", "work", "tmp"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        Self { root }
    }

    /// With an image `save.tar` of these layers, as docker saves one.
    pub fn with_layers(layers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let press = Self::new();
        let image = TestImage::new(layers);
        image.classic_archive(&["test:1"]).write_tar(&press.image());
        press
    }

    /// Where the image is.
    pub fn image(&self) -> PathBuf {
        self.input("save.tar")
    }

    /// A path among the inputs.
    pub fn input(&self, name: &str) -> PathBuf {
        self.root.path().join("in").join(name)
    }

    /// Where the output goes.
    pub fn output(&self) -> PathBuf {
        self.root.path().join("out/fs.img")
    }

    /// `layerpress COMMAND`, with all temporary files below the root.
    pub fn command(&self, command: &str) -> Command {
        let mut program = layerpress();
        self.prepare(&mut program);
        program.arg(command);
        program
    }

    /// The same with at most so much address space.
    pub fn command_within(&self, memory_bytes: u64, command: &str) -> Command {
        let mut program = started_by_hand("prlimit");
        self.prepare(&mut program);
        program.arg(format!("--as={memory_bytes}"));
        program.args([LAYERPRESS, command]);
        program
    }

    fn prepare(&self, program: &mut Command) {
        program
            .env("TMPDIR", self.root.path().join("tmp"))
            .env_remove("SOURCE_DATE_EPOCH");
    }

    /// Adds the image, the output and the work directory to a `build`.
    pub fn build(&self) -> Command {
        let mut command = self.command("build");
        command.arg(self.image());
        self.add_directories(&mut command);
        command
    }

    /// `-o` and `--work-dir`.
    pub fn add_directories(&self, command: &mut Command) {
        command.arg("-o").arg(self.output());
        command.arg("--work-dir").arg(self.root.path().join("work"));
    }

    /// Starts a program, its output kept in files.
    pub fn start(&self, command: &mut Command) -> Running {
        let file = |name: &str| File::create(self.root.path().join(name)).unwrap();
        command.stdout(file("stdout")).stderr(file("stderr"));
        Running {
            child: Ending::start(command),
            started: Instant::now(),
            root: self.root.path().to_owned(),
        }
    }

    /// Runs a program to its end, which must come within a minute and a half.
    pub fn run(&self, command: &mut Command) -> Ended {
        self.start(command).end_within(LIMIT)
    }

    /// Everything in the directories but the inputs, by name.
    pub fn left(&self) -> Vec<String> {
        let mut names = Vec::new();
        for directory in ["out", "work", "tmp"] {
            for entry in fs::read_dir(self.root.path().join(directory)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                names.push(format!("{directory}/{name}"));
            }
        }
        names.sort();
        names
    }

    /// The root of all directories.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Writes a shell script that can be given in place of a program.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        let draft = self.root.path().join(format!("{name}.draft"));
        fs::write(&draft, format!("#!/bin/sh\n{body}\n")).unwrap();
        let script = self.root.path().join(name);
        self.install(&draft, &script);
        script
    }

    /// Copies a program so that everybody may run it. Were it written here, a test of another
    /// thread could start a process meanwhile that holds it open, and a program that is open for
    /// writing cannot be run.
    pub fn install(&self, from: &Path, to: &Path) {
        let mut install = Command::new("install");
        let status = install.args(["-m", "755"]).arg(from).arg(to).status();
        assert!(status.unwrap().success());
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    pub child: Ending,
    started: Instant,
    root: PathBuf,
}

impl Running {
    /// Waits, and fails the test if that takes too long.
    #[track_caller]
    pub fn end_within(mut self, limit: Duration) -> Ended {
        let status = self.child.poll(limit);
        let Some(status) = status else {
            panic!("still running after {limit:?}: {:?}", self.said("stderr"));
        };
        Ended {
            status,
            time: self.started.elapsed(),
            stdout: self.said("stdout"),
            stderr: self.said("stderr"),
        }
    }

    fn said(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.root.join(name)).unwrap()).unwrap()
    }
}

impl Ended {
    /// The exit code.
    #[track_caller]
    pub fn code(&self) -> i32 {
        let code = self.status.code();
        code.unwrap_or_else(|| panic!("killed by signal {:?}: {self:?}", self.status.signal()))
    }

    /// Expects success and gives what came on standard output.
    #[track_caller]
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.code(), 0, "{}", self.stderr);
        &self.stdout
    }

    /// Expects an exit code and one error, as the last line, that says all of `words`.
    #[track_caller]
    pub fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), code, "{}", self.stderr);
        let mut lines = self.stderr.lines().rev();
        let line = lines.next().unwrap_or_default();
        assert!(line.starts_with("error: "), "{}", self.stderr);
        assert!(
            lines.all(|line| !line.starts_with("error: ")),
            "{}",
            self.stderr
        );
        for word in words {
            assert!(line.contains(word), "no {word:?} in: {line}");
        }
        assert!(line.chars().count() < 700, "{} bytes: {line}", line.len());
        assert_eq!(self.stdout, "", "{line}");
    }
}
