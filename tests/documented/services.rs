//! What blocks may need beside the program, and how it is had.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::support::changeset::daemon::Daemon;
use super::support::oracles::{installed, is_root, skip};
use super::support::run::Ending;
use super::support::virtual_machine;

/// Words behind `needs:`, and the programs that must be there for each; `root` and `docker` need root
/// as well.
const NEEDS: [(&str, &[&str]); 23] = [
    ("root", &[]),
    ("docker", &["dockerd", "docker"]),
    ("registry", &["docker-registry"]),
    ("qemu", &["qemu-system-x86_64", "busybox", "cpio", "cc"]),
    ("kernel", &["apt-get", "ldd"]),
    ("slurm", &["munged", "slurmctld", "slurmd", "sbatch"]),
    ("casync", &["casync"]),
    ("systemd-dissect", &["systemd-dissect"]),
    ("systemd-nspawn", &["systemd-nspawn"]),
    ("resize2fs", &["resize2fs", "e2fsck"]),
    ("skopeo", &["skopeo"]),
    ("umoci", &["umoci"]),
    ("podman", &["podman"]),
    ("buildah", &["buildah"]),
    ("jq", &["jq"]),
    ("git", &["git"]),
    ("curl", &["curl"]),
    ("zstd", &["zstd"]),
    ("python3", &["python3"]),
    ("mmdebstrap", &["mmdebstrap"]),
    ("veritysetup", &["veritysetup"]),
    ("man", &["man"]),
    ("tmux", &["tmux"]),
];

/// What is wrong with a need that nobody knows.
pub fn unknown(need: &str) -> Option<String> {
    let known: Vec<_> = NEEDS.iter().map(|(name, _)| *name).collect();
    (!known.contains(&need)).then(|| {
        format!(
            "needs `{need}`: expected some of {}; or say why it is not run",
            known.join(", ")
        )
    })
}

/// Whether this machine has it; says so where not.
pub fn is_here(need: &str) -> bool {
    if ["root", "docker"].contains(&need) && !is_root() {
        skip("not root");
        return false;
    }
    let row = NEEDS.iter().find(|(name, _)| *name == need);
    row.is_some_and(|(_, programs)| installed(programs))
}

/// What runs while a paper's blocks do.
pub struct Services {
    pub docker: Option<(Daemon, MutexGuard<'static, ()>)>,
    pub registry: Option<Registry>,
    /// Debian's kernel, which papers have as `kernel`.
    pub kernel: Option<PathBuf>,
}

/// Two daemons at once are more than most machines like.
static DAEMON: Mutex<()> = Mutex::new(());

impl Services {
    pub fn start(needs: &[String]) -> Self {
        let has = |name: &str| needs.iter().any(|need| need == name);
        let docker = has("docker").then(|| {
            let alone = DAEMON.lock().unwrap_or_else(PoisonError::into_inner);
            (Daemon::dockerd("vfs", &[]).unwrap(), alone)
        });
        let registry = has("registry").then(Registry::start);
        let kernel = has("kernel").then(|| virtual_machine::kernel().unwrap());
        Self {
            docker,
            registry,
            kernel,
        }
    }
}

/// Debian's docker-registry, which papers call `localhost:5000`.
pub struct Registry {
    _process: Ending,
    _storage: tempfile::TempDir,
    pub address: String,
}

impl Registry {
    fn start() -> Self {
        for _ in 0..5 {
            // Someone else may take the port just then.
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            if let Some(registry) = Self::start_at(port) {
                return registry;
            }
        }
        panic!("no registry could be started");
    }

    fn start_at(port: u16) -> Option<Self> {
        let storage = tempfile::tempdir().unwrap();
        let path = storage.path();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n  \
             delete: {{ enabled: true }}\nhttp: {{ addr: \"127.0.0.1:{port}\" }}\n",
            path.join("storage").display()
        );
        fs::write(path.join("config.yml"), config).unwrap();
        let log = File::create(path.join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path.join("config.yml"));
        command.stdin(Stdio::null()).process_group(0);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Ending::start(&mut command);
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let has_ended = process.try_wait().unwrap().is_some();
            if has_ended || started.elapsed() > Duration::from_secs(60) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            _process: process,
            _storage: storage,
            address: format!("localhost:{port}"),
        })
    }
}

/// Lays out what a clone has, as far as papers use it.
pub fn clone_into(directory: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir(directory.join("fixtures")).unwrap();
    let busybox = Path::new("fixtures/busybox.tar");
    fs::copy(root.join(busybox), directory.join(busybox)).unwrap();
    for name in ["examples", "scripts", "fixtures/schemas"] {
        std::os::unix::fs::symlink(root.join(name), directory.join(name)).unwrap();
    }
}
