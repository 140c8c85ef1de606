//! Several files that get their names at once, or none of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, linkat};

use super::PartialFile;
use super::directory::Directory;
use super::hidden_name::HiddenName;
use crate::error::Result;
use crate::leftovers;

/// Gives files that belong together their names in this order; `output` is one of them. Behind it are
/// only those that say which of the others are there: as long as the output has not got its name, an
/// earlier one of that name is what counts, and the others are taken back, the last one first.
///
/// No two processes do this in one directory at the same time, where it can be locked: of two that
/// make the same outputs, one's all come after the other's. Nothing is written any more by then, so
/// that a full disk only matters where a directory has to grow, and that is an error which is taken
/// back. What is killed between two names, by a SIGKILL or a loss of power, takes back nothing: it
/// leaves the new ones of some files beside the earlier output, and a checksum among them then does
/// not match; or the new output beside an earlier manifest, which is then older than the output. The
/// next build to the same output mends that.
///
/// # Errors
/// Those of [`PartialFile::persist`]; the files are gone then, and what they replaced is back.
pub fn persist_around(files: Vec<PartialFile>, output: &Path) -> Result<()> {
    let locks = lock_directories(&files);
    let done = leftovers::commit(output, || {
        let mut named: Vec<Named> = Vec::new();
        let count = files.len();
        for (index, mut file) in files.into_iter().enumerate() {
            let is_last = index + 1 == count;
            let earlier = if is_last { None } else { Earlier::keep(&file) };
            if let Err(error) = file.take_name() {
                for one in named.into_iter().rev() {
                    one.take_back();
                }
                return Err(error);
            }
            named.push(Named { file, earlier });
        }
        Ok(())
    });
    drop(locks);
    done
}

/// The same where the output is the last.
///
/// # Errors
/// As [`persist_around`].
pub fn persist_together(files: Vec<PartialFile>) -> Result<()> {
    match files.last().map(|file| file.output.clone()) {
        Some(output) => persist_around(files, &output),
        None => Ok(()),
    }
}

/// Locks each directory that there is, all processes in the same order.
fn lock_directories(files: &[PartialFile]) -> Vec<File> {
    let directories = files.iter().map(|file| &file.directory);
    let each: BTreeMap<_, _> = directories
        .filter_map(|directory| Some((directory.identity()?, directory)))
        .collect();
    let locks = each.values().map(|directory| directory.lock());
    locks.flatten().collect()
}

/// A file that has its name, and what had it before.
struct Named {
    file: PartialFile,
    earlier: Option<Earlier>,
}

impl Named {
    fn take_back(self) {
        let (directory, name) = (&self.file.directory, &self.file.last_name);
        if !directory.has(name, &self.file.file) {
            // Somebody else's by now.
            return;
        }
        match self.earlier {
            Some(earlier) if earlier.hidden.expect_of(&earlier.file).is_ok() => {
                let _ = earlier.hidden.rename(name);
            }
            _ => directory.remove(name, &self.file.file),
        }
    }
}

/// A file that is about to be replaced, under another name for a moment.
struct Earlier {
    file: Arc<File>,
    hidden: HiddenName,
}

impl Earlier {
    /// `None` where there is none, or where it cannot be kept: filesystems without links, another
    /// user's file.
    fn keep(file: &PartialFile) -> Option<Self> {
        let directory: &Arc<Directory> = &file.directory;
        let name: &OsString = &file.last_name;
        let earlier = Arc::new(directory.open_file(name).ok()?);
        // Else another build might think it left over.
        let _ = earlier.try_lock();
        let link =
            |to: &std::ffi::OsStr| linkat(&directory.fd, name, &directory.fd, to, AtFlags::empty());
        let hidden = HiddenName::link(directory, name, &earlier, link).ok()?;
        Some(Self {
            file: earlier,
            hidden,
        })
    }
}
