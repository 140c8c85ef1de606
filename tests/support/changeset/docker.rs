//! dockerd with overlay2: unpacks each layer into a directory of its own, and overlayfs merges.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::archive::tar_of;
use super::listing::Listing;
use super::umoci::config;
use super::words::Layer;

/// A daemon of our own, ended when dropped.
pub struct Docker {
    daemon: Child,
    work: tempfile::TempDir,
}

impl Docker {
    /// Starts a daemon; `Err` with the reason where that does not succeed within 30 seconds.
    pub fn start() -> Result<Self, String> {
        let work = tempfile::tempdir().unwrap();
        let path = |name: &str| work.path().join(name);
        let log = std::fs::File::create(path("log")).unwrap();
        let daemon = Command::new("dockerd")
            .args([
                "--iptables=false",
                "--bridge=none",
                "--storage-driver=overlay2",
            ])
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--host")
            .arg(format!("unix://{}", path("socket").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start dockerd: {error}"))?;
        let mut docker = Self { daemon, work };
        let deadline = Instant::now() + Duration::from_secs(30);
        while docker.run(&["version"]).is_err() {
            let ended = docker.daemon.try_wait().unwrap().is_some();
            if ended || Instant::now() > deadline {
                let log = std::fs::read_to_string(docker.work.path().join("log")).unwrap();
                let tail: Vec<_> = log.lines().rev().take(3).collect();
                return Err(format!("dockerd does not answer: {}", tail.join(" / ")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(docker)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("docker")
            .arg("--host")
            .arg(format!(
                "unix://{}",
                self.work.path().join("socket").display()
            ))
            .args(arguments)
            .output()
            .map_err(|error| format!("cannot start docker: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// What overlayfs shows of the layers, or what docker says where it refuses.
    ///
    /// The layers are mounted as the daemon left them, because in a container it would put files
    /// of its own before them (`/etc/hosts`, `/dev`) and another root directory.
    pub fn unpack(&self, layers: &[Layer], work: &Path) -> Result<Listing, String> {
        let archive = work.join("save.tar");
        write_archive(layers, &archive);
        self.run(&["load", "--input", archive.to_str().unwrap()])?;
        let data = self.run(&[
            "image",
            "inspect",
            "--format",
            "{{json .GraphDriver.Data}}",
            "case:case",
        ])?;
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        let directories: Vec<_> = ["UpperDir", "LowerDir"]
            .iter()
            .filter_map(|key| data[key].as_str())
            .flat_map(|paths| paths.split(':').map(PathBuf::from))
            .collect();
        let listing = mounted(&directories, work);
        self.run(&["image", "rm", "--force", "case:case"])?;
        Ok(listing)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // A plain kill would leave the daemon's own containerd behind.
        if let Some(id) = rustix::process::Pid::from_raw(self.daemon.id() as i32) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.daemon.wait();
    }
}

/// The listing of directories merged by overlayfs, the top one first.
pub fn mounted(directories: &[PathBuf], work: &Path) -> Listing {
    let empty = work.join("empty");
    let merged = work.join("merged");
    std::fs::create_dir_all(&empty).unwrap();
    std::fs::create_dir_all(&merged).unwrap();
    let lower: Vec<_> = directories
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let status = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o"])
        // An overlay of one directory only is not allowed.
        .arg(format!(
            "ro,lowerdir={}:{}",
            lower.join(":"),
            empty.display()
        ))
        .arg(&merged)
        .status()
        .unwrap();
    assert!(status.success(), "cannot mount an overlay of {lower:?}");
    let listing = Listing::of_directory(&merged);
    let status = Command::new("umount").arg(&merged).status().unwrap();
    assert!(status.success(), "cannot unmount {}", merged.display());
    listing
}

fn write_archive(layers: &[Layer], path: &Path) {
    let tars: Vec<_> = layers.iter().map(tar_of).collect();
    let names: Vec<_> = (0..tars.len())
        .map(|index| format!("{index}/layer.tar"))
        .collect();
    let manifest = serde_json::json!([{
        "Config": "config.json", "RepoTags": ["case:case"], "Layers": names,
    }]);
    let mut archive = tar::Builder::new(std::fs::File::create(path).unwrap());
    let mut append = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    append("config.json", config(&tars).to_string().as_bytes());
    append("manifest.json", manifest.to_string().as_bytes());
    for (name, tar) in names.iter().zip(&tars) {
        append(name, tar);
    }
    archive.finish().unwrap();
}
