//! A kernel boots it to its first program, which starts the image's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::first_program;
use super::support::archive::TestImage;
use super::support::oracles;
use super::support::rootfs::{Rootfs, file, link, symlink};
use super::support::run::Press;
use super::support::tarball::tar_bytes;
use super::support::virtual_machine::{Disk, machine};

const SERVE: &str = "#!/bin/sh
echo \"TEST: $(id -u):$(id -g) $(id -G) in $(pwd), HOME=$HOME, $GREETING\"
for word in \"$@\"; do echo \"TEST: <$word>\"; done
echo \"TEST: $(cat /proc/1/comm) started $(cat /proc/self/comm)\"
echo \"TEST: $(grep ' / ' /proc/mounts)\"
echo kept >/tmp/file && echo \"TEST: $(cat /tmp/file)\"
exit 7
";

/// An image as it comes from elsewhere: without a mount point, a first program or a configuration in it.
fn image() -> Option<TestImage> {
    let busybox = fs::read(oracles::program("busybox")?).unwrap();
    let mut items = vec![
        file("bin/busybox", busybox).mode(0o755),
        file("app/serve", SERVE).mode(0o755).owner(1000, 1001),
        file(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/app:/bin/sh\n",
        )
        .mode(0o644),
        file("etc/group", "root:x:0:\nweb:x:1001:\nlogs:x:4:web\n").mode(0o644),
        link("bin/sh", "bin/busybox"),
    ];
    for name in ["cat", "grep", "id", "pwd"] {
        items.push(symlink(format!("bin/{name}"), "busybox"));
    }
    let mut image = TestImage::new([tar_bytes(&Rootfs::of(items))]);
    image.start = json!({
        "Entrypoint": ["/app/serve", "two words"],
        "Cmd": ["\"quoted\" \u{fc}"],
        "Env": ["PATH=/bin", "GREETING=hello there"],
        "User": "web",
        "WorkingDir": "/app",
        "ExposedPorts": { "80/tcp": {} },
    });
    Some(image)
}

/// The recipe's directory as somebody checked it out.
fn checkout(press: &Press, name: &str, file_mode: u32, time: &str) -> Option<PathBuf> {
    let directory = press.root().join(name);
    fs::create_dir(&directory).unwrap();
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/recipes");
    for entry in fs::read_dir(recipes).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), directory.join(entry.file_name())).unwrap();
        }
    }
    let init = first_program(&directory)?;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let executable = if path == init {
            file_mode >> 2 & 0o111
        } else {
            0
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(file_mode | executable)).unwrap();
        if oracles::is_root() {
            std::os::unix::fs::chown(&path, Some(file_mode), Some(1)).unwrap();
        }
        oracles::succeed("touch", [Path::new("-d"), Path::new(time), &path]);
    }
    Some(directory)
}

#[test]
fn a_microvm_boots_to_its_first_program_which_starts_the_image_s() {
    let Some(machine) = machine() else { return };
    let Some(image) = image() else { return };
    let press = Press::new();
    image.classic_archive(&["test:1"]).write_tar(&press.image());
    let Some(one) = checkout(&press, "one", 0o644, "2020-01-01") else {
        return;
    };
    let other = checkout(&press, "other", 0o600, "2024-02-03 04:05").unwrap();
    fs::create_dir(press.root().join("beside")).unwrap();
    let build = |checkout: &Path| {
        let mut build = press.build();
        build
            .arg("-q")
            .arg("--recipe")
            .arg(checkout.join("microvm.toml"))
            .args(["--set=NAME=test", "--set=TAG=1", "--output-dir"])
            .arg(press.root().join("beside"));
        press.run(&mut build).succeeded();
        oracles::e2fsck_clean(&press.output());
        let built = press.root().join("built.img");
        fs::rename(press.output(), &built).unwrap();
        built
    };
    let first = oracles::content_of(&build(&one));
    let root = build(&other);
    assert_eq!(oracles::content_of(&root), first);
    for (options, is_writable) in [("ro", false), ("rw", true)] {
        let disk = Disk {
            file: &root,
            is_writable,
        };
        let mount = format!("mount -t ext4 -o {options} /dev/vda /root");
        let console = machine.boot(&mount, &[disk]);
        let lines: Vec<_> = console
            .lines()
            .filter_map(|line| line.split_once("TEST: "))
            .map(|(_, text)| text)
            .collect();
        assert_eq!(lines.len(), 6, "{console}");
        assert_eq!(
            lines[..4],
            [
                "1000:1001 1001 4 in /app, HOME=/app, hello there",
                "<two words>",
                "<\"quoted\" \u{fc}>",
                "init started cat",
            ],
            "{console}"
        );
        assert!(
            lines[4].starts_with(&format!("/dev/vda / ext4 {options},")),
            "{console}"
        );
        assert_eq!(lines[5], "kept", "{console}");
        assert!(
            console.contains("init: ended with exit code 7"),
            "{console}"
        );
    }
    oracles::e2fsck_clean_after_use(&root);
}
