//! A real docker daemon's `docker save` and `docker export`, and a real containerd's export.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::archive::{TestImage, layer_tar};
use super::support::oracles::is_root_with;
use super::{assert_layers, assert_says, at, directory, open, open_input, refused};

/// A daemon of our own under a temporary directory, ended with the test whatever happens.
struct Dockerd {
    child: Child,
    root: PathBuf,
}

impl Dockerd {
    fn start(root: &Path) -> Self {
        let log = File::create(root.join("log")).unwrap();
        let child = Command::new("dockerd")
            .args([
                "--iptables=false",
                "--bridge=none",
                "--ip-masq=false",
                "--storage-driver=vfs",
            ])
            .args([
                "--data-root",
                &at(root, "data"),
                "--exec-root",
                &at(root, "exec"),
            ])
            .args(["--host", &format!("unix://{}", at(root, "sock"))])
            .args(["--pidfile", &at(root, "pid")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Self {
            child,
            root: root.to_owned(),
        };
        let start = Instant::now();
        while !daemon
            .docker()
            .arg("version")
            .output()
            .unwrap()
            .status
            .success()
        {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "no daemon: {}",
                fs::read_to_string(root.join("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        daemon
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("--host")
            .arg(format!("unix://{}", at(&self.root, "sock")));
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.docker().args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // SIGTERM lets the daemon end its containerd and unmount what it mounted.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn image() -> TestImage {
    TestImage::new([
        layer_tar(&[("etc/hostname", b"test\n"), ("gone", b"x")]),
        layer_tar(&[(".wh.gone", b""), ("bin/new", &[1; 50_000])]),
    ])
}

#[test]
fn docker_save_and_docker_export_of_a_real_daemon_are_read() {
    if !is_root_with(&["dockerd", "docker", "containerd"]) {
        return;
    }
    let (_guard, path) = directory();
    let daemon = Dockerd::start(&path);
    let image = image();
    image
        .classic_archive(&["app:1", "other/app:2"])
        .write_tar(&path.join("load.tar"));
    daemon.run(&["load", "-i", &at(&path, "load.tar")]);
    fs::write(path.join("flat.tar"), &image.layers[0]).unwrap();
    daemon.run(&[
        "import",
        "-c",
        "CMD /bin/new",
        &at(&path, "flat.tar"),
        "flat:1",
    ]);

    let save = at(&path, "save.tar");
    daemon.run(&["save", "-o", &save, "app:1"]);
    let found = open(&save).unwrap();
    assert_layers(&found, &image.layers);
    assert_eq!(
        found.config_digest.unwrap().to_string(),
        daemon.run(&["inspect", "--format", "{{.Id}}", "app:1"])
    );
    assert_eq!(found.warnings.lines().count(), 0);

    let all = at(&path, "all.tar");
    daemon.run(&["save", "-o", &all, "app:1", "other/app:2", "flat:1"]);
    assert_layers(&open(&format!("{all}:other/app:2")).unwrap(), &image.layers);
    let flat = open(&format!("{all}:flat:1")).unwrap();
    assert_layers(&flat, &image.layers[..1]);
    assert_eq!(flat.config.config.cmd, ["/bin/sh", "-c", "/bin/new"]);
    assert!(flat.created.is_some());
    assert_says(&refused(&all), &["app:1", ":flat:1"]);

    // Through a pipe, as `docker save app:1 | layerpress build -` does it.
    let mut saving = daemon
        .docker()
        .args(["save", "app:1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = std::os::fd::OwnedFd::from(saving.stdout.take().unwrap());
    assert_layers(&open_input("-", File::from(pipe)).unwrap(), &image.layers);
    assert!(saving.wait().unwrap().success());

    let container = daemon.run(&["create", "app:1", "/bin/new"]);
    let export = at(&path, "export.tar");
    daemon.run(&["export", "-o", &export, &container]);
    let exported = open(&export).unwrap();
    assert!(!exported.layers[0].whiteouts);
    assert_layers(&exported, &[fs::read(&export).unwrap()]);
}

#[test]
fn containerds_export_with_its_manifest_json_gives_the_manifest_digest_too() {
    if !is_root_with(&["dockerd", "docker", "containerd", "ctr"]) {
        return;
    }
    let (_guard, path) = directory();
    // The daemon's own containerd serves.
    let _daemon = Dockerd::start(&path);
    let socket = at(&path, "exec/containerd/containerd.sock");
    let ctr = |arguments: &[&str]| {
        super::run(
            "ctr",
            &[&["--address", &socket, "images"][..], arguments].concat(),
        )
    };
    let image = image();
    let name = "docker.io/library/app:1";
    let mut files = image.layout("1");
    let mut index: serde_json::Value = serde_json::from_slice(&files.0["index.json"]).unwrap();
    index["manifests"][0]["annotations"]["io.containerd.image.name"] = name.into();
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    files.put_json("index.json", &index);
    files.write_tar(&path.join("import.tar"));
    ctr(&["import", "--no-unpack", &at(&path, "import.tar")]);
    let export = at(&path, "export.tar");
    ctr(&["export", &export, name]);
    for reference in [
        format!("docker-archive:{export}:app:1"),
        format!("oci-archive:{export}:{name}"),
        export,
    ] {
        let found = open(&reference).unwrap();
        assert_layers(&found, &image.layers);
        assert_eq!(
            found.manifest_digest.unwrap().to_string(),
            digest,
            "{reference}"
        );
    }
}
