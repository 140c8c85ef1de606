//! A real kernel, Debian's, in qemu without the help of the host's processor: boots a root
//! filesystem from a disk as a machine does that has nothing else.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::oracles;
use super::run::Ending;

/// Modules in the order in which they need each other.
const MODULES: [&str; 10] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "dm-mod",
    "dm-bufio",
    "reed_solomon",
    "dm-verity",
];

/// A boot takes 5 s of a processor; this is for busy machines.
const LIMIT: Duration = Duration::from_secs(170);

/// What the machine has to start from, in memory.
#[derive(Debug)]
pub struct Machine {
    kernel: PathBuf,
    initramfs: PathBuf,
}

/// A disk of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    pub file: &'a Path,
    pub is_writable: bool,
}

/// The machine, got ready once; `None`, after saying so, where it cannot be.
#[track_caller]
pub fn machine() -> Option<&'static Machine> {
    static MADE: OnceLock<Option<Machine>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        if !cfg!(target_arch = "x86_64") {
            return None;
        }
        let kernel = kernel()?;
        let initramfs = kernel.join("initramfs");
        // Others may start from theirs.
        let draft = kernel.join(format!("initramfs-{}", std::process::id()));
        write_initramfs(&draft, &kernel.join("modules"))?;
        fs::rename(draft, &initramfs).unwrap();
        Some(Machine {
            kernel: kernel.join("vmlinuz"),
            initramfs,
        })
    });
    if made.is_none() {
        oracles::skip("no virtual machine: it needs x86-64, Debian's packages and what was named");
    }
    made.as_ref()
}

/// Debian's kernel and its modules, unpacked once and kept: `vmlinuz`, `modules/NAME.ko`. `None`, after
/// saying so, where it cannot be had.
#[track_caller]
pub fn kernel() -> Option<PathBuf> {
    for program in [
        "qemu-system-x86_64",
        "busybox",
        "veritysetup",
        "ldd",
        "apt-get",
    ] {
        oracles::program(program)?;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernel");
    fs::create_dir_all(&directory).unwrap();
    // Tests of other processes wait for this one.
    let lock = File::create(directory.join("lock")).unwrap();
    lock.lock().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-kernel");
    let got = Command::new(script)
        .arg(&directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        got.status.success(),
        "scripts/test-kernel: {}",
        String::from_utf8_lossy(&got.stderr)
    );
    Some(directory)
}

/// busybox, veritysetup with its libraries, the modules, and the script that starts all of it.
fn write_initramfs(to: &Path, modules: &Path) -> Option<()> {
    let mut archive = Cpio::create(to);
    let busybox = oracles::program("busybox")?;
    let veritysetup = oracles::program("veritysetup")?;
    for directory in ["bin", "dev", "proc", "sys", "run", "root", "modules"] {
        archive.directory(directory);
    }
    archive.file("bin/busybox", &busybox);
    archive.file("bin/veritysetup", &veritysetup);
    let libraries = oracles::succeed("ldd", [&veritysetup]);
    let libraries = String::from_utf8(libraries).unwrap();
    let paths = libraries
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    for path in paths {
        archive.directories_above(path.trim_start_matches('/'));
        archive.file(path.trim_start_matches('/'), Path::new(path));
    }
    let mut loads = String::new();
    for name in MODULES {
        if modules.join(format!("{name}.builtin")).exists() {
            continue;
        }
        let name = format!("{name}.ko");
        archive.file(&format!("modules/{name}"), &modules.join(&name));
        loads += &format!("insmod /modules/{name}\n");
    }
    archive.entry("init", 0o100_755, INIT.replace("LOAD\n", &loads).as_bytes());
    archive.end();
    Some(())
}

/// What the kernel starts. `boot` on its command line is what to do then: shell commands, `~` for a
/// space, at the end of which the root is mounted on /root.
const INIT: &str = "#!/bin/busybox sh
export DM_DISABLE_UDEV=1 PATH=/bin:/sbin LD_LIBRARY_PATH=/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
LOAD
boot=$(sed 's/.* boot=//; s/ .*//' /proc/cmdline | tr '~' ' ')
if eval \"$boot\"; then
    mount --move /dev /root/dev
    exec switch_root /root /sbin/init
fi
echo TEST: no root
poweroff -f
";

impl Machine {
    /// Starts, mounts the root as `boot` says and lets its `/sbin/init` go on; what came on the
    /// console, until it turned itself off.
    #[track_caller]
    pub fn boot(&self, boot: &str, disks: &[Disk<'_>]) -> String {
        assert!(!boot.contains(['~', '"']), "{boot}");
        let mut console = tempfile::NamedTempFile::new().unwrap();
        let mut qemu = Command::new(oracles::required("qemu-system-x86_64"));
        qemu.args(["-accel", "tcg", "-cpu", "max", "-m", "256", "-no-reboot"]);
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none"]);
        qemu.arg("-serial");
        qemu.arg(format!("file:{}", console.path().display()));
        qemu.arg("-kernel").arg(&self.kernel);
        qemu.arg("-initrd").arg(&self.initramfs);
        let boot = boot.replace(' ', "~");
        qemu.arg("-append");
        qemu.arg(format!(
            "console=ttyS0 quiet loglevel=4 panic=-1 boot={boot} "
        ));
        for disk in disks {
            let readonly = if disk.is_writable { "off" } else { "on" };
            let file = disk.file.display();
            qemu.arg("-drive");
            qemu.arg(format!(
                "file={file},format=raw,if=virtio,readonly={readonly}"
            ));
        }
        qemu.stdin(Stdio::null());
        let status = Ending::start(&mut qemu).end_within(LIMIT);
        let mut text = Vec::new();
        std::io::Read::read_to_end(console.as_file_mut(), &mut text).unwrap();
        let text = String::from_utf8_lossy(&text).replace('\r', "");
        assert!(status.success(), "qemu: {status}: {text}");
        text
    }
}

/// A cpio archive in the form that the kernel unpacks (`newc`).
struct Cpio {
    file: File,
    entries: u32,
    directories: Vec<String>,
}

impl Cpio {
    fn create(path: &Path) -> Self {
        Self {
            file: File::create(path).unwrap(),
            entries: 0,
            directories: Vec::new(),
        }
    }

    fn directory(&mut self, name: &str) {
        if !self.directories.iter().any(|known| known == name) {
            self.directories.push(name.to_owned());
            self.entry(name, 0o40_755, b"");
        }
    }

    fn directories_above(&mut self, name: &str) {
        for (at, _) in name.match_indices('/') {
            self.directory(&name[..at]);
        }
    }

    fn file(&mut self, name: &str, from: &Path) {
        let mode = fs::metadata(from).unwrap().permissions().mode() & 0o777;
        let content = fs::read(from).unwrap();
        self.entry(name, 0o100_000 | mode, &content);
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let mut header = String::from("070701");
        let name_bytes = name.len() + 1;
        let fields = [
            self.entries as usize,
            mode as usize,
            0,
            0,
            1,
            0,
            content.len(),
            0,
            0,
            0,
            0,
            name_bytes,
            0,
        ];
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        let mut bytes = header.into_bytes();
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.file.write_all(&bytes).unwrap();
    }

    fn end(&mut self) {
        self.entry("TRAILER!!!", 0, b"");
    }
}
