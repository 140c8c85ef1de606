//! Loop devices: linux/loop.h and loop(4).
//!
//! A device is taken with one call, `LOOP_CONFIGURE`, which also makes it read-only and lets it
//! free itself with its last user. A process that dies at any moment therefore leaves none behind,
//! and the image cannot be written through it, whoever mounts the device again.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, ioctl};

use crate::error::{Error, Result};
use crate::units::parse_device;

/// Documentation/admin-guide/devices.txt of the kernel.
const LOOP_MAJOR: u32 = 7;

const LOOP_CONTROL: &str = "/dev/loop-control";
const LOOP_CONFIGURE: Opcode = 0x4c0a;
const LOOP_CTL_GET_FREE: Opcode = 0x4c82;

const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// Bytes of `struct loop_config`, and where its fields are that are not zero.
const LOOP_CONFIG_BYTES: usize = 304;
const LOOP_CONFIG_FD: usize = 0;
const LOOP_CONFIG_INFO_LO_FLAGS: usize = 60;

/// How often another process may take the device that was free a moment ago.
const ATTEMPTS: u32 = 200;

/// A loop device over a file. It is free again once this is dropped and nothing has it mounted.
#[derive(Debug)]
pub struct LoopDevice {
    /// Its node, as in `/dev/loop0`.
    pub path: PathBuf,
    /// Keeps it from freeing itself.
    _open: File,
}

impl LoopDevice {
    /// Puts a free loop device over a file, for reading only.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where this machine or container has no loop devices to give,
    /// [`Error::Io`] otherwise.
    pub fn over(file: &File) -> Result<Self> {
        let control = open_or_make(Path::new(LOOP_CONTROL), &CONTROL_NODE)
            .map_err(|error| none_here(Path::new(LOOP_CONTROL), error))?;
        let mut last = Errno::BUSY;
        for attempt in 0..ATTEMPTS {
            let number = free_number(&control)
                .map_err(|error| Error::io("cannot find a free loop device", error.into()))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let node = Node {
                file_type: FileType::BlockDevice,
                numbers: numbers_of(number),
            };
            let device = match open_or_make(&path, &node) {
                Ok(device) => device,
                // Being removed by another process.
                Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => continue,
                Err(error) => return Err(none_here(&path, error)),
            };
            match configure(&device, file) {
                Ok(()) => {
                    return Ok(Self {
                        path,
                        _open: device,
                    });
                }
                // Another process was faster, or is just looking at the device.
                Err(error @ (Errno::BUSY | Errno::AGAIN | Errno::INTR)) => last = error,
                Err(Errno::INVAL | Errno::NOTTY) => {
                    return Err(Error::unsupported(format!(
                        "{} cannot be configured: expected Linux 5.8 or newer",
                        path.display()
                    )));
                }
                Err(error) => return Err(Error::path("set up", &path, error.into())),
            }
            std::thread::sleep(Duration::from_millis(u64::from(attempt.min(20))));
        }
        Err(Error::io("cannot get a free loop device", last.into()))
    }
}

/// A device's node, as it is made where /dev is a plain directory that nobody fills.
struct Node {
    file_type: FileType,
    numbers: (u32, u32),
}

const CONTROL_NODE: Node = Node {
    file_type: FileType::CharacterDevice,
    numbers: (10, 237),
};

/// Major and minor of a loop device: its number is its minor, unless it was given partitions.
fn numbers_of(number: u32) -> (u32, u32) {
    let told = std::fs::read_to_string(format!("/sys/block/loop{number}/dev")).ok();
    told.as_deref()
        .and_then(parse_device)
        .unwrap_or((LOOP_MAJOR, number))
}

/// Opens a device, its node made where there is none.
fn open_or_make(path: &Path, node: &Node) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (major, minor) = node.numbers;
            let device = rustix::fs::makedev(major, minor);
            let mode = Mode::RUSR | Mode::WUSR;
            match rustix::fs::mknodat(CWD, path, node.file_type, mode, device) {
                // Another process was faster.
                Ok(()) | Err(Errno::EXIST) => File::open(path),
                // That there is none says more than why it cannot be made.
                Err(_) => Err(error),
            }
        }
        opened => opened,
    }
}

fn none_here(path: &Path, error: io::Error) -> Error {
    Error::unsupported(format!(
        "no loop devices here: cannot open {}: {error} (a container must be given them, elsewhere \
         `modprobe loop` may help; `layerpress ls` and `layerpress extract` need none)",
        path.display()
    ))
}

/// The `ioctl` that gives the number of a free device as its result.
struct GetFree;

#[allow(unsafe_code)]
// SAFETY: LOOP_CTL_GET_FREE takes no argument, so that a null pointer is never looked at, nothing
// of ours is written, and its result is the number itself.
unsafe impl Ioctl for GetFree {
    type Output = u32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(
        number: IoctlOutput,
        _: *mut c_void,
    ) -> rustix::io::Result<Self::Output> {
        Ok(number.cast_unsigned())
    }
}

fn free_number(control: &File) -> rustix::io::Result<u32> {
    // SAFETY: see `GetFree`. On a file that is not loop-control the number means nothing and the
    // call fails.
    #[allow(unsafe_code)]
    unsafe {
        ioctl(control, GetFree)
    }
}

/// `struct loop_config`, aligned for its 64-bit fields.
#[repr(C, align(8))]
struct LoopConfig([u8; LOOP_CONFIG_BYTES]);

fn configure(device: &File, file: &File) -> rustix::io::Result<()> {
    let mut config = LoopConfig([0; LOOP_CONFIG_BYTES]);
    let mut put = |offset: usize, value: u32| {
        config.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
    };
    put(LOOP_CONFIG_FD, file.as_fd().as_raw_fd().cast_unsigned());
    put(
        LOOP_CONFIG_INFO_LO_FLAGS,
        LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
    );
    // SAFETY: LOOP_CONFIGURE reads a `struct loop_config` and writes nothing to it. `LoopConfig`
    // has its size and alignment, every bit pattern of it is valid, and it lives until the call
    // returns; the descriptor in it belongs to `file`, which is borrowed for as long.
    #[allow(unsafe_code)]
    unsafe {
        ioctl(device, Setter::<LOOP_CONFIGURE, LoopConfig>::new(config))
    }
}
