//! A paper's blocks, run one after another in one shell.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::services::{Services, clone_into};
use super::support::changeset::daemon::Daemon;
use super::support::oracles::is_root;
use super::support::run::{LAYERPRESS, started_by_hand};

/// What a registry is called in papers, and the directory that their commands run in.
const REGISTRY: &str = "localhost:5000";
const HOME: &str = "/home/you";

/// Nothing that a paper shows takes so long.
const LIMIT: Duration = Duration::from_secs(900);

/// A shell, in a directory that looks like a fresh clone.
pub struct Session {
    shell: Child,
    commands: ChildStdin,
    codes: Receiver<String>,
    directory: tempfile::TempDir,
    services: Services,
    last: i32,
}

/// How a step ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    /// Of both streams, as on a terminal.
    pub said: Vec<String>,
}

impl Session {
    pub fn start(needs: &[String]) -> Self {
        let services = Services::start(needs);
        let directory = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(directory.path()).unwrap();
        for name in ["bin", "clone", "tmp"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        clone_into(&path.join("clone"));
        symlink(LAYERPRESS, path.join("bin/layerpress")).unwrap();
        if let Some(kernel) = &services.kernel {
            symlink(kernel, path.join("clone/kernel")).unwrap();
        }
        if is_root() {
            // Whoever is root already needs no sudo.
            let sudo = path.join("bin/sudo");
            fs::write(&sudo, "#!/bin/sh\nexec \"$@\"\n").unwrap();
            fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = started_by_hand("bash");
        command.args(["--noprofile", "--norc"]);
        command.current_dir(path.join("clone")).process_group(0);
        environment(&mut command, &path, &services);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().unwrap();
        let commands = shell.stdin.take().unwrap();
        let codes = reader(&mut shell);
        Self {
            shell,
            commands,
            codes,
            directory,
            services,
            last: 0,
        }
    }

    fn path(&self) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap()
    }

    /// Writes a file that a paper shows.
    pub fn write(&mut self, name: &str, text: &[String]) {
        let text = self.inwards(&(text.join("\n") + "\n"));
        let content = self.path().join("tmp/content");
        fs::write(&content, text).unwrap();
        let content = content.display();
        let ended = self.step(&format!(
            "mkdir -p \"$(dirname '{name}')\" && cp '{content}' '{name}'"
        ));
        assert_eq!(ended.code, 0, "{name}: {:?}", ended.said);
    }

    /// Runs one command.
    pub fn run(&mut self, command: &str) -> Ended {
        let command = self.inwards(command);
        self.step(&command)
    }

    /// Runs a script that ends with the first command that fails.
    pub fn run_whole(&mut self, script: &str) -> Ended {
        let script = self.inwards(script);
        self.step(&format!("set -e -o pipefail\n{script}\nset +e +o pipefail"))
    }

    fn step(&mut self, script: &str) -> Ended {
        let path = self.path();
        let (file, output) = (path.join("tmp/step"), path.join("tmp/output"));
        fs::write(&file, format!("{script}\n")).unwrap();
        let line = format!(
            "(exit {}); source {} >{} 2>&1 </dev/null; echo $?\n",
            self.last,
            file.display(),
            output.display()
        );
        // A shell that has ended reads no more, which its code tells.
        let _ = self.commands.write_all(line.as_bytes());
        let code = match self.codes.recv_timeout(LIMIT) {
            Ok(code) => code.parse().unwrap(),
            Err(ended) => {
                // Whatever still runs is ended; the code tells of it.
                if ended == RecvTimeoutError::Timeout {
                    let group = Pid::from_child(&self.shell);
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let status = self.shell.wait().unwrap();
                let signal = status.signal().unwrap_or_default();
                status.code().unwrap_or(128 + signal)
            }
        };
        self.last = code;
        let said = fs::read(&output).unwrap_or_default();
        let said = self.outwards(&String::from_utf8_lossy(&said));
        Ended {
            code,
            said: said.lines().map(str::to_owned).collect(),
        }
    }

    /// Whether the shell has gone, so that nothing behind can be run.
    pub fn has_ended(&mut self) -> bool {
        self.shell.try_wait().unwrap().is_some()
    }

    /// Names of papers to those of here.
    fn inwards(&self, text: &str) -> String {
        match &self.services.registry {
            Some(registry) => text.replace(REGISTRY, &registry.address),
            None => text.to_owned(),
        }
    }

    /// Names of here to those of papers.
    fn outwards(&self, text: &str) -> String {
        let clone = self.path().join("clone");
        let text = text.replace(clone.to_str().unwrap(), HOME);
        match &self.services.registry {
            Some(registry) => text.replace(&registry.address, REGISTRY),
            None => text,
        }
    }
}

fn environment(command: &mut Command, path: &Path, services: &Services) {
    let programs = std::env::var("PATH").unwrap();
    let programs = format!("{}:{programs}:/usr/sbin:/sbin", path.join("bin").display());
    command.env_clear().env("PATH", programs).env("USER", "you");
    command.env("HOME", path.join("clone"));
    command.env("TMPDIR", path.join("tmp"));
    command.env("XDG_CACHE_HOME", path.join("tmp/cache"));
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    if let Some((daemon, _)) = &services.docker {
        let socket = Daemon::socket(daemon.work());
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    }
}

/// What the shell prints itself: the code of each step.
fn reader(shell: &mut Child) -> Receiver<String> {
    let (sender, codes) = channel();
    let stdout = BufReader::new(shell.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    codes
}

impl Drop for Session {
    fn drop(&mut self) {
        // With all that it left in the background, and what it left mounted.
        let _ = kill_process_group(Pid::from_child(&self.shell), Signal::KILL);
        let _ = self.shell.wait();
        let path = self.path();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let ours: Vec<_> = places
            .filter(|place| Path::new(place).starts_with(&path))
            .collect();
        for place in ours.iter().rev() {
            let _ = Command::new("umount").arg(place).status();
        }
    }
}
