//! Who keeps a mount busy.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::mount_table::{MountEntry, backing_file, mount_id, mounts};
use crate::error::escape_path;
use crate::units::parse_device;

/// Something that keeps a mount from being unmounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process, and how it uses the mount first of all.
    Process {
        /// Its number.
        id: u32,
        /// Its name, as `ps` shows it.
        name: String,
        /// As in `its working directory`.
        by: String,
    },
    /// Another mount on a directory of it.
    Mount(PathBuf),
    /// A loop device over a file of it.
    LoopDevice(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { id, name, by } => write!(f, "process {id} ({name}), {by}"),
            Self::Mount(at) => write!(f, "the mount on {}", at.display()),
            Self::LoopDevice(name) => write!(f, "/dev/{name}, over a file in it"),
        }
    }
}

/// Everybody who keeps `mount` busy, as far as this process may look. Processes come and go, so
/// the answer may be empty.
/// This process is left out: whoever started it where it stands is not.
pub fn holders(mount: &MountEntry) -> Vec<Holder> {
    let mut holders: Vec<_> = mounts()
        .unwrap_or_default()
        .into_iter()
        .filter(|other| other.parent_id == mount.id)
        .map(|other| Holder::Mount(other.mount_point))
        .collect();
    holders.extend(
        names_in(Path::new("/sys/block"))
            .filter(|name| name.starts_with("loop"))
            .filter(|name| lies_in(name, &mount.mount_point))
            .map(Holder::LoopDevice),
    );
    holders.extend(processes().into_iter().filter_map(|id| {
        let by = use_of(&directory_of(id), mount)?;
        Some(process(id, by))
    }));
    holders
}

/// The numbers of all other processes, ascending.
fn processes() -> Vec<u32> {
    let own = rustix::process::getpid()
        .as_raw_nonzero()
        .get()
        .cast_unsigned();
    let mut processes: Vec<u32> = names_in(Path::new("/proc"))
        .filter_map(|name| name.parse().ok())
        .filter(|&id| id != own)
        .collect();
    processes.sort_unstable();
    processes
}

fn directory_of(id: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{id}"))
}

fn process(id: u32, by: String) -> Holder {
    let name = fs::read(directory_of(id).join("comm")).unwrap_or_default();
    Holder::Process {
        id,
        name: escape_path(name.strip_suffix(b"\n").unwrap_or(&name)),
        by,
    }
}

fn use_of(process: &Path, mount: &MountEntry) -> Option<String> {
    let is_in_mount = |path: &Path| mount_id(path) == Some(mount.id);
    for (link, text) in [
        ("cwd", "its working directory"),
        ("root", "its root directory"),
        ("exe", "its program"),
    ] {
        if is_in_mount(&process.join(link)) {
            return Some(text.to_owned());
        }
    }
    let descriptors = process.join("fd");
    for descriptor in names_in(&descriptors) {
        let path = descriptors.join(&descriptor);
        if is_in_mount(&path) {
            let target = fs::read_link(&path).unwrap_or_default();
            return Some(format!(
                "open {}",
                escape_path(target.as_os_str().as_encoded_bytes())
            ));
        }
    }
    let (major, minor) = mount.device_number;
    let device = format!(" {major:02x}:{minor:02x} ");
    let maps = fs::read(process.join("maps")).ok()?;
    let maps = String::from_utf8_lossy(&maps);
    let line = maps.lines().find(|line| line.contains(&device))?;
    let file = line.find('/').map_or("a file", |at| &line[at..]);
    Some(format!("mapped {file}"))
}

fn lies_in(loop_device: &str, mount_point: &Path) -> bool {
    let numbers = fs::read_to_string(format!("/sys/block/{loop_device}/dev")).ok();
    numbers
        .as_deref()
        .and_then(parse_device)
        .and_then(backing_file)
        .is_some_and(|(file, _)| file.starts_with(mount_point))
}

/// The entries of a directory whose names are plain text; none where it cannot be read.
fn names_in(directory: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Processes in whose own mount namespace a device is still mounted, though it is not here.
pub fn holders_elsewhere((major, minor): (u32, u32)) -> Vec<Holder> {
    let device = format!(" {major}:{minor} ");
    processes()
        .into_iter()
        .filter(|&id| {
            fs::read(directory_of(id).join("mountinfo"))
                .is_ok_and(|mounts| String::from_utf8_lossy(&mounts).contains(&device))
        })
        .map(|id| process(id, "in whose mount namespace it is mounted".to_owned()))
        .collect()
}
