//! Filesystem images mounted by the kernel: a read-only loop device and a read-only mount.
//!
//! Stands alone: any ext2, ext3 or ext4 image will do. Needs root. What was mounted outlives the
//! process; the loop device frees itself with its last user, so that nothing but the mount itself
//! is ever left to undo.

mod check;
mod holders;
mod loop_device;
mod mount_point;
mod mount_table;
mod unmount;
mod writers;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use sys_mount::{Mount, MountFlags, UnmountFlags};

pub use holders::Holder;
pub use mount_table::{MountEntry, MountedImage, mounted_images, mounts};
pub use unmount::{UnmountOptions, find, unmount};
pub use writers::Caller;

use crate::command;
use crate::error::{Error, Result, shell_word};
use crate::file_kind;
use crate::ondisk::features::FilesystemType;
use crate::ondisk::superblock::Superblock;
use crate::progress::Reporter;
use crate::view::{expect_filesystem, read_superblock};
use loop_device::LoopDevice;
use mount_point::MountPoint;

/// What a mount allows beyond reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct MountOptions {
    /// Set-user-ID bits and file capabilities count.
    pub suid: bool,
    /// Device nodes lead to devices.
    pub dev: bool,
}

/// An image whose superblock was read.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    path: PathBuf,
    name: String,
    superblock: Superblock,
}

/// A mount that this process made. Dropped without [`NewMount::keep`] it stays where it is mounted, but
/// not the directories that were made for it, once it is unmounted.
#[derive(Debug)]
pub struct NewMount {
    /// What is mounted where.
    pub mounted: MountedImage,
    point: MountPoint,
}

impl NewMount {
    /// Leaves it to outlive the process, and the directories that were made for it.
    pub fn keep(self) {
        self.point.keep();
    }

    /// Unmounts it, and takes away the directories that were made for it.
    ///
    /// # Errors
    /// Those of [`unmount`]; it is mounted then, and the directories stay.
    pub fn undo(self, options: UnmountOptions, reporter: &dyn Reporter) -> Result<()> {
        unmount(&self.mounted, options, reporter)
    }
}

/// An image that was found sound, or that the user answers for.
#[derive(Debug)]
pub struct TrustedImage(ImageFile);

impl ImageFile {
    /// Opens an image and reads its superblock.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read or is no regular file, [`Error::BadImage`] where it is
    /// no ext filesystem, makes no sense or is longer than the file, [`Error::Unsupported`] for a
    /// journal of others.
    pub fn open(path: &Path) -> Result<Self> {
        let file = file_kind::open(path)?;
        let metadata = file
            .metadata()
            .map_err(|error| Error::path("read", path, error))?;
        if !metadata.is_file() {
            let kind = metadata.file_type();
            let found = if kind.is_dir() {
                "a directory"
            } else if kind.is_block_device() {
                "a block device, which mount(8) mounts"
            } else {
                "something else"
            };
            let text = format!("expected a regular file, found {found}");
            let error = io::Error::new(ErrorKind::InvalidInput, text);
            return Err(Error::path("mount", path, error));
        }
        let name = path.display().to_string();
        let superblock = read_superblock(&file, &name)?;
        expect_filesystem(&superblock).map_err(|error| error.in_image(&name))?;
        let (expected, found) = (superblock.bytes(), metadata.len());
        if expected > found {
            return Err(Error::bad_image(format!(
                "cut short: expected a filesystem of {expected} bytes, found a file of {found}"
            ))
            .in_image(&name));
        }
        Ok(Self {
            superblock,
            file,
            path: path.to_owned(),
            name,
        })
    }

    /// Why somebody other than `caller` can change the image while it is mounted; `None` where
    /// nobody can.
    ///
    /// # Errors
    /// [`Error::Io`] when that cannot be found out.
    pub fn other_writer(&self, caller: &Caller) -> Result<Option<String>> {
        writers::other_writer(&self.file, &self.name, caller)
    }

    /// Why somebody other than `caller` can put another image in this one's place, which is then
    /// mounted the next time; `None` where nobody can.
    pub fn other_renamer(&self, caller: &Caller) -> Option<String> {
        writers::other_renamer(&self.path, caller)
    }

    /// Expects that nobody but `caller` can change the image after it was checked.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with who can, [`Error::Io`] when this is not root.
    pub fn expect_no_other_writer(&self, caller: &Caller) -> Result<()> {
        require_root("mount", &self.path)?;
        self.other_writer(caller)?.map_or(Ok(()), |writer| {
            Err(Error::unsupported(format!(
                "{writer}, so that it can be changed after e2fsck has checked it and while the \
                 kernel reads it (a copy of root's own keeps others out; `chown root` and `chmod go-w` \
                 do, where nobody has it open; --trust mounts it as it is)"
            ))
            .in_image(&self.name))
        })
    }

    /// Expects everything in its place: nobody who writes it, an empty journal, and nothing that e2fsck would mend.
    ///
    /// # Errors
    /// [`Error::BadImage`] otherwise, [`Error::Tool`] when e2fsck cannot be run, [`Error::Io`] when
    /// this is not root or the image is mounted for writing.
    pub fn check(self, e2fsck: &Path, reporter: &dyn Reporter) -> Result<TrustedImage> {
        // Before a check that may take its time.
        require_root("mount", &self.path)?;
        self.expect_no_writer()?;
        if self.superblock.features.needs_recovery() {
            return Err(Error::bad_image(format!(
                "its journal holds changes that are not in their places yet, as after a crash \
                 (`e2fsck -fp {}` writes them there; --trust mounts it without them)",
                shell_word(&*self.name)
            ))
            .in_image(&self.name));
        }
        let opened = command::path_of_open_file(&self.file)?;
        let superblock = &self.superblock;
        let seconds = superblock.mounted_seconds.max(superblock.written_seconds);
        check::check(e2fsck, &opened, &self.name, seconds, reporter)?;
        Ok(TrustedImage(self))
    }

    fn expect_no_writer(&self) -> Result<()> {
        let written = mounted_images()?
            .into_iter()
            .find(|mounted| !mounted.mount.is_read_only() && mounted.is_of(&self.path));
        written.map_or(Ok(()), |mounted| {
            let at = mounted.mount.mount_point.display();
            let text = format!("it is mounted for writing on {at}");
            let error = io::Error::new(ErrorKind::ResourceBusy, text);
            Err(Error::path("mount", &self.path, error))
        })
    }

    /// Takes it as it is.
    pub fn trust(self) -> TrustedImage {
        TrustedImage(self)
    }
}

impl TrustedImage {
    /// Mounts the image on a directory, which is made where absent. A failure leaves neither the
    /// directory nor a loop device.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be used, when this is not root, or with the
    /// kernel's reason; [`Error::Unsupported`] where loop devices or mounting are not to be had.
    pub fn mount(self, directory: &Path, options: MountOptions) -> Result<NewMount> {
        let Self(image) = self;
        require_root("mount", &image.path)?;
        let mut point = MountPoint::prepare(directory)?;
        let device = LoopDevice::over(&image.file)?;
        let mut flags = MountFlags::RDONLY | MountFlags::NOATIME | MountFlags::NODIRATIME;
        flags.set(MountFlags::NOSUID, !options.suid);
        flags.set(MountFlags::NODEV, !options.dev);
        // The journal is left alone, and errors found later never panic the host, whatever the
        // superblock asks for.
        let data = if image.superblock.features.has_journal() {
            "errors=remount-ro,noload"
        } else {
            "errors=remount-ro"
        };
        let mount_as = |kind: &str| {
            Mount::builder()
                .fstype(kind)
                .flags(flags)
                .data(data)
                .mount(&device.path, &point.path)
                .map(drop)
        };
        let kind = image.superblock.features.filesystem_type();
        match mount_as(kind.name()) {
            // ext4 mounts its elders as well, where a kernel was built without their names.
            Err(error) if is(&error, Errno::NODEV) => mount_as(FilesystemType::Ext4.name()),
            mounted => mounted,
        }
        .map_err(|error| refused(&image, directory, error))?;
        let found = mounts().map(|mounts| {
            let on_it = |mount: &MountEntry| mount.mount_point == point.path;
            mounts.into_iter().rfind(on_it)
        });
        let why = match found {
            Ok(Some(mount)) => match mount_table::image_of(mount) {
                Some(mounted) => {
                    point.release();
                    return Ok(NewMount { mounted, point });
                }
                None => io::Error::other("what is mounted there is no image"),
            },
            Ok(None) => io::Error::new(ErrorKind::NotFound, "it is gone again"),
            Err(error) => io::Error::other(error.to_string()),
        };
        // What ends as a failure has not mounted anything.
        if why.kind() != ErrorKind::NotFound {
            let _ = sys_mount::unmount(&point.path, UnmountFlags::DETACH);
        }
        Err(Error::path("find the mount on", directory, why))
    }
}

fn refused(image: &ImageFile, directory: &Path, error: io::Error) -> Error {
    let what = format!(
        "cannot mount {} as {} on {}",
        image.name,
        image.superblock.features.filesystem_type(),
        directory.display()
    );
    if is(&error, Errno::PERM) || is(&error, Errno::ACCESS) {
        return Error::unsupported(format!(
            "{what}: {error} (a container must be given CAP_SYS_ADMIN; `layerpress ls` and \
             `layerpress extract` need no mount)"
        ));
    }
    let hint = "the kernel's reason is in dmesg";
    Error::io(
        what,
        io::Error::new(error.kind(), format!("{error} ({hint})")),
    )
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

fn require_root(verb: &str, what: &Path) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let text = format!("only root may {verb}: run it with sudo");
    let error = io::Error::new(ErrorKind::PermissionDenied, text);
    Err(Error::path(verb, what, error))
}
