//! A daemon of our own, with all it keeps in one temporary directory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ended when dropped.
pub struct Daemon {
    child: Child,
    client: &'static str,
    work: tempfile::TempDir,
}

impl Daemon {
    /// Starts `program`, which is to listen at [`Daemon::socket`], and waits until `client
    /// version` answers; `Err` with the reason where it does not within 30 seconds.
    pub fn start(
        program: &str,
        client: &'static str,
        configure: impl FnOnce(&mut Command, &Path),
    ) -> Result<Self, String> {
        let work = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(work.path().join("log")).unwrap();
        let mut command = Command::new(program);
        configure(&mut command, work.path());
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let mut daemon = Self {
            child,
            client,
            work,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while daemon.run(&["version"]).is_err() {
            let ended = daemon.child.try_wait().unwrap().is_some();
            if ended || Instant::now() > deadline {
                let log = std::fs::read_to_string(daemon.work.path().join("log")).unwrap();
                let tail: Vec<_> = log.lines().rev().take(3).collect();
                return Err(format!("{program} does not answer: {}", tail.join(" / ")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(daemon)
    }

    /// The same for a dockerd that touches no network of the machine and unpacks layers with
    /// `driver`.
    pub fn dockerd(driver: &str, options: &[String]) -> Result<Self, String> {
        Self::start("dockerd", "docker", |command, work| {
            command
                .args(["--iptables=false", "--bridge=none"])
                .arg(format!("--storage-driver={driver}"))
                .arg("--data-root")
                .arg(work.join("data"))
                .arg("--exec-root")
                .arg(work.join("exec"))
                .arg("--pidfile")
                .arg(work.join("pid"))
                .arg("--host")
                .arg(format!("unix://{}", Self::socket(work).display()))
                .args(options);
        })
    }

    /// Where a daemon with this work directory listens.
    pub fn socket(work: &Path) -> PathBuf {
        work.join("socket")
    }

    /// Everything it keeps.
    pub fn work(&self) -> &Path {
        self.work.path()
    }

    /// Runs the client; its standard output, or its standard error where it fails.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let socket = Self::socket(self.work.path());
        let address = match self.client {
            "docker" => format!("--host=unix://{}", socket.display()),
            "podman" => format!("--url=unix://{}", socket.display()),
            _ => format!("--address={}", socket.display()),
        };
        let output = Command::new(self.client)
            .arg(address)
            .args(arguments)
            .output()
            .map_err(|error| format!("cannot start {}: {error}", self.client))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked and not killed: a dockerd that is killed leaves its own containerd behind.
        if let Some(id) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
