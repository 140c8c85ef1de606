//! Undoing mounts.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use sys_mount::UnmountFlags;

use super::holders::{holders, holders_elsewhere};
use super::mount_table::{MountedImage, backing_file, image_of, mounted_images, mounts};
use crate::error::{Error, Result};
use crate::progress::Reporter;

/// The first pause before trying again; each is twice the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How an unmount goes about a busy mount.
#[derive(Debug, Clone, Copy)]
pub struct UnmountOptions {
    /// How long it is tried again.
    pub timeout: Duration,
    /// Take the mount out of sight now, and let it end with its last user.
    pub lazy: bool,
    /// Asked before each pause: to stop trying.
    pub is_cancelled: fn() -> bool,
}

impl UnmountOptions {
    /// How long a busy mount is tried again unless somebody says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
}

impl Default for UnmountOptions {
    /// How what a process mounted itself is unmounted: also when a signal asks it to end.
    fn default() -> Self {
        Self {
            timeout: Self::DEFAULT_TIMEOUT,
            lazy: false,
            is_cancelled: || false,
        }
    }
}

/// The mounts that `target` means: what is mounted on it, where it is a directory; otherwise all
/// mounts of the image, newest first. The image may be deleted by now, and another may have its
/// name: those of the one that has it come before those of the one that had it.
///
/// # Errors
/// [`Error::Io`] when there are none, [`Error::Unsupported`] when something is mounted that is no
/// filesystem image.
pub fn find(target: &Path) -> Result<Vec<MountedImage>> {
    let path = resolve(target)?;
    if path.is_dir() {
        return on_directory(target, &path).map(|mount| vec![mount]);
    }
    let (mut found, others): (Vec<_>, Vec<_>) = mounted_images()?
        .into_iter()
        .partition(|mounted| mounted.is_of(&path));
    if found.is_empty() {
        // An image that was built anew: mounted is the file that had its name before.
        let former = others.into_iter();
        found.extend(former.filter(|mounted| mounted.is_of_former(&path)));
    }
    if found.is_empty() {
        return Err(not_mounted(target, "it is not mounted"));
    }
    found.reverse();
    Ok(found)
}

fn on_directory(target: &Path, path: &Path) -> Result<MountedImage> {
    let Some(mount) = mounts()?
        .into_iter()
        .rfind(|mount| mount.mount_point == path)
    else {
        return Err(not_mounted(target, "nothing is mounted there"));
    };
    let (source, kind) = (mount.source.clone(), mount.filesystem_type.clone());
    image_of(mount).ok_or_else(|| {
        Error::unsupported(format!(
            "cannot unmount {}: expected an ext filesystem image, found {} ({kind}), which \
             umount(8) unmounts",
            target.display(),
            source.display()
        ))
    })
}

fn not_mounted(target: &Path, text: &str) -> Error {
    let error = io::Error::new(ErrorKind::NotFound, text);
    Error::path("unmount", target, error)
}

/// A path without symbolic links, its last name possibly gone.
fn resolve(target: &Path) -> Result<PathBuf> {
    let resolved = fs::canonicalize(target).or_else(|error| match target.file_name() {
        Some(name) if error.kind() == ErrorKind::NotFound => {
            let parent = target
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            fs::canonicalize(parent.unwrap_or(Path::new("."))).map(|parent| parent.join(name))
        }
        _ => Err(error),
    });
    resolved.map_err(|error| Error::path("unmount", target, error))
}

/// Unmounts, and waits for the loop device to be free. Whoever still uses it, say through a mount
/// namespace of their own, is warned of.
///
/// # Errors
/// [`Error::Io`] naming who holds the mount when it stays busy, or when something else is mounted
/// over it.
pub fn unmount(
    mounted: &MountedImage,
    options: UnmountOptions,
    reporter: &dyn Reporter,
) -> Result<()> {
    super::require_root("unmount", &mounted.mount.mount_point)?;
    let flags = if options.lazy {
        UnmountFlags::DETACH
    } else {
        UnmountFlags::empty()
    };
    let at = &mounted.mount.mount_point;
    let mut pauses = Pauses::new(options);
    loop {
        if !mounted.mount.is_reachable() {
            if !mounts()?.iter().any(|other| other.id == mounted.mount.id) {
                // Somebody else was faster, and what was wanted is done.
                break;
            }
            return Err(Error::path(
                "unmount",
                at,
                io::Error::new(ErrorKind::ResourceBusy, "another mount hides it"),
            ));
        }
        match sys_mount::unmount(at, flags) {
            Ok(()) => break,
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
                if !pauses.pause() {
                    return Err(still_busy(mounted, error));
                }
            }
            Err(error) => return Err(Error::path("unmount", at, error)),
        }
    }
    if options.lazy {
        return Ok(());
    }
    let mut pauses = Pauses::new(options);
    while is_device_used(mounted)? {
        if !pauses.pause() {
            for holder in holders_elsewhere(mounted.mount.device_number) {
                let device = mounted.mount.source.display();
                reporter.warn(&format!("{device} stays in use by {holder}"));
            }
            break;
        }
    }
    Ok(())
}

/// Whether the loop device is still over the image, though no mount here needs it.
fn is_device_used(mounted: &MountedImage) -> Result<bool> {
    let device = mounted.mount.device_number;
    let is_attached = backing_file(device).is_some_and(|(file, _)| file == mounted.image);
    Ok(is_attached && !mounts()?.iter().any(|other| other.device_number == device))
}

fn still_busy(mounted: &MountedImage, error: io::Error) -> Error {
    let holders = holders(&mounted.mount);
    let text = if holders.is_empty() {
        "it is busy, and no process that uses it can be seen".to_owned()
    } else {
        let lines: Vec<_> = holders
            .iter()
            .map(|holder| format!("\n  {holder}"))
            .collect();
        format!("it is in use by{}", lines.concat())
    };
    let error = io::Error::new(error.kind(), text);
    Error::path("unmount", &mounted.mount.mount_point, error)
}

/// Growing pauses that together last as long as allowed.
struct Pauses {
    options: UnmountOptions,
    next: Duration,
    slept: Duration,
}

impl Pauses {
    fn new(options: UnmountOptions) -> Self {
        Self {
            options,
            next: FIRST_PAUSE,
            slept: Duration::ZERO,
        }
    }

    /// Sleeps; `false` at once when it is time to give up.
    fn pause(&mut self) -> bool {
        let left = self.options.timeout.saturating_sub(self.slept);
        if left.is_zero() || (self.options.is_cancelled)() {
            return false;
        }
        let pause = self.next.min(left);
        std::thread::sleep(pause);
        self.slept += pause;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        true
    }
}
