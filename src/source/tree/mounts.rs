//! What is mounted inside a tree: in a chroot that is still in use /proc, /sys and /dev are.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, fstatfs, makedev, statx};

use crate::pinned::Pinned;
use crate::units::parse_device;
use crate::warnings::Warnings;

/// Filesystems in which the running kernel speaks: what they show is this machine's, and gone with
/// it. Each with the number that `statfs` gives for it, where no list of mounts is to be had.
const KERNEL: [(&str, u64); 22] = [
    ("proc", 0x9fa0),
    ("sysfs", 0x6265_6572),
    // Looks like any tmpfs.
    ("devtmpfs", 0),
    ("devpts", 0x1cd1),
    ("cgroup", 0x0027_e0eb),
    ("cgroup2", 0x6367_7270),
    ("debugfs", 0x6462_6720),
    ("tracefs", 0x7472_6163),
    ("securityfs", 0x7363_6673),
    ("selinuxfs", 0xf97c_ff8c),
    ("smackfs", 0x4341_5d53),
    ("configfs", 0x6265_6570),
    ("pstore", 0x6165_676c),
    ("efivarfs", 0xde5e_81e4),
    ("bpf", 0xcafe_4a11),
    ("mqueue", 0x1980_0202),
    ("hugetlbfs", 0x9584_58f6),
    ("binfmt_misc", 0x4249_4e4d),
    ("fusectl", 0x6573_5543),
    ("nsfs", 0x6e73_6673),
    ("rpc_pipefs", 0x6759_6969),
    ("autofs", 0x0187),
];

/// Named in a warning; the rest is counted.
const MAX_NAMED: usize = 20;

/// What a directory is the root of, or a file in whose place another one is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mounted {
    /// Nothing but itself.
    Nothing,
    /// A filesystem, or a part of one, with the name of its type.
    Files(String),
    /// One in which the kernel speaks.
    Kernel(String),
}

/// The mounts met in a tree.
#[derive(Default)]
pub(super) struct Mounts {
    types: Option<Types>,
    packed: Vec<Vec<u8>>,
    other: Vec<Vec<u8>>,
    left_out: Vec<Vec<u8>>,
}

/// The types of all that is mounted, by the number of the mount and by device.
#[derive(Default)]
struct Types {
    by_mount: HashMap<u64, String>,
    by_device: HashMap<u64, String>,
}

impl Types {
    /// Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
    fn read() -> Self {
        Self::parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(text: &[u8]) -> Self {
        let mut types = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let mut fields = line.split(' ');
            let mount = fields.next().and_then(|number| number.parse().ok());
            let device = fields.nth(1).and_then(parse_device);
            let device = device.map(|(major, minor)| makedev(major, minor));
            // Optional fields end with a dash.
            let filesystem = fields.skip_while(|field| *field != "-").nth(1);
            if let (Some(mount), Some(device), Some(filesystem)) = (mount, device, filesystem) {
                types.by_mount.insert(mount, filesystem.to_owned());
                types.by_device.insert(device, filesystem.to_owned());
            }
        }
        types
    }
}

impl Mounts {
    /// What is mounted where something stands, `parent_device` being where the directory above it is.
    pub(super) fn of(&mut self, pinned: &Pinned, parent_device: u64) -> Mounted {
        let device = pinned.metadata.dev();
        let found = statx(pinned.fd(), c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
        let (is_root, mount) = match found {
            Ok(found)
                if found
                    .stx_attributes_mask
                    .contains(StatxAttributes::MOUNT_ROOT) =>
            {
                let has_id =
                    StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
                (
                    found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
                    has_id.then_some(found.stx_mnt_id),
                )
            }
            // Before Linux 5.8; subvolumes of btrfs look the same then.
            _ => (device != parent_device, None),
        };
        if !is_root {
            return Mounted::Nothing;
        }
        let name = self.type_of(mount, device, pinned.fd());
        if is_kernels(&name) {
            Mounted::Kernel(name)
        } else {
            Mounted::Files(name)
        }
    }

    fn type_of(&mut self, mount: Option<u64>, device: u64, fd: BorrowedFd<'_>) -> String {
        let types = self.types.get_or_insert_with(Types::read);
        let by_mount = mount.and_then(|mount| types.by_mount.get(&mount));
        if let Some(name) = by_mount.or_else(|| types.by_device.get(&device)) {
            return name.clone();
        }
        let number = fstatfs(fd).map(|found| u64::try_from(found.f_type));
        let known = KERNEL.iter().find(|known| number == Ok(Ok(known.1)));
        known
            .map_or("of an unknown type", |known| known.0)
            .to_owned()
    }

    pub(super) fn is_packed(&mut self, path: &[u8], name: &str) {
        self.packed.push(told(path, name));
    }

    pub(super) fn is_other(&mut self, path: &[u8], name: &str) {
        self.other.push(told(path, name));
    }

    pub(super) fn is_left_out(&mut self, path: &[u8], name: &str) {
        self.left_out.push(told(path, name));
    }

    /// Tells of all of them by name.
    pub(super) fn warn(self, warnings: &mut Warnings) {
        for (what, mounts) in [
            (
                "kernel filesystems are mounted in the tree and were left out, an empty directory standing for each",
                self.left_out,
            ),
            (
                "other filesystems are mounted in the tree and were left out (--one-file-system), an empty directory standing for each",
                self.other,
            ),
            (
                "other filesystems, directories or files are mounted in the tree and were packed with it",
                self.packed,
            ),
        ] {
            if mounts.is_empty() {
                continue;
            }
            let mut names = mounts[..mounts.len().min(MAX_NAMED)].join(&b", "[..]);
            if let Some(more @ 1..) = mounts.len().checked_sub(MAX_NAMED) {
                names.extend(format!(" and {more} more").into_bytes());
            }
            warnings.count(what, &names);
        }
    }
}

fn told(path: &[u8], name: &str) -> Vec<u8> {
    [path, format!(" ({name})").as_bytes()].concat()
}

fn is_kernels(name: &str) -> bool {
    KERNEL.iter().any(|known| known.0 == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_from_the_kernels_list_also_behind_optional_fields() {
        let types = Types::parse(
            b"22 1 0:21 / /proc rw,nosuid - proc proc rw\n\
              23 1 0:22 / /a\\040b rw shared:1 master:7 - sysfs sysfs rw\n\
              24 1 broken\n\n",
        );
        assert_eq!(types.by_mount.len(), 2);
        assert_eq!(types.by_mount[&22], "proc");
        assert_eq!(types.by_device[&makedev(0, 22)], "sysfs");
    }

    #[test]
    fn mounts_are_told_by_name_and_too_many_are_counted() {
        let mut mounts = Mounts::default();
        for number in 0..25 {
            mounts.is_left_out(format!("m{number}").as_bytes(), "proc");
        }
        let mut warnings = Warnings::default();
        mounts.warn(&mut warnings);
        let lines: Vec<_> = warnings.lines().collect();
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains(": m0 (proc), m1 (proc), "),
            "{}",
            lines[0]
        );
        assert!(lines[0].ends_with("m19 (proc) and 5 more"), "{}", lines[0]);
    }
}
