//! One file by itself, and where a file has data.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::SeekFrom;

use super::attributes::{self, Holder};
use super::{Root, Taking, changed, entry_of};
use crate::error::{Error, Result};
use crate::ownership;
use crate::pinned::{Identity, Pinned, identity};
use crate::progress::{Phase, Reporter, Task};
use crate::region::{Content, Data, DataExtent, FileRegion};
use crate::spool;
use crate::tar::write::{self, Extent};
use crate::units::{FileFlags, Timestamp};
use crate::warnings::Warnings;

/// A file of the host that was opened, with its bytes where nobody else writes them.
#[derive(Debug)]
pub(crate) struct HostFile {
    /// Its bytes: the file itself where nobody but this user may write it, else a copy.
    pub(crate) bytes: FileRegion,
    /// Where its content is in them.
    pub(crate) content: Content,
    /// Whether the bytes are the file's own, which must then stay as they are.
    pub(crate) is_in_place: bool,
    /// A tar with an entry of no content for it, which has its attributes.
    pub(crate) header: Vec<u8>,
}

impl HostFile {
    /// Takes the regular file that is held, found at the path of `root`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, or has changed since it was held.
    pub(crate) fn take(
        pinned: &Pinned,
        root: Root<'_>,
        taking: Taking<'_>,
        work_dir: &Path,
        reporter: &dyn Reporter,
        warnings: &mut Warnings,
    ) -> Result<Self> {
        let path = root.path;
        let cannot_read = |error| Error::path("read", path, error);
        let opened = pinned.open(root.reach.directory(), path);
        let file = opened.map_err(cannot_read)?;
        let metadata = file.metadata().map_err(cannot_read)?;
        if state(&metadata) != state(&pinned.metadata) {
            return Err(changed(path));
        }
        let mut entry = entry_of(Path::new("file"), &metadata);
        let mut extents = vec![(0, metadata.len())];
        if taking.attributes {
            let holder = Holder::Open(file.as_fd());
            entry.records = attributes::records(holder, path)?.unwrap_or_default();
            let flags = attributes::flags(holder);
            if taking.flags {
                entry.records.extend(write::flags_record(flags));
            } else if !flags.is_empty() {
                let path = path.as_os_str().as_bytes();
                warnings.count_with(FileFlags::NOT_KEPT, || flags.told_of(path));
            }
            extents = self::extents(&file, &metadata).map_err(cannot_read)?;
        }
        let is_in_place = ownership::others_of(&file).map_err(cannot_read)?.is_none();
        let whole = FileRegion::whole(file).map_err(cannot_read)?;
        let bytes = match is_in_place {
            true => whole,
            false => {
                let name = path.display().to_string();
                let meter = reporter.begin(Task::bytes(
                    Phase::Find,
                    &format!("read {name}"),
                    whole.length_bytes,
                ));
                let copied = spool::copy(&whole, work_dir, &name, |bytes| {
                    meter.add(bytes.len() as u64);
                    Ok(())
                })?;
                let after = whole.file.metadata().map_err(cannot_read)?;
                if state(&after) != state(&metadata) || copied.length_bytes != metadata.len() {
                    return Err(changed(path));
                }
                meter.finish("read");
                copied
            }
        };
        Ok(Self {
            bytes,
            content: content(metadata.len(), &extents),
            is_in_place,
            header: [entry.encode(), write::END.to_vec()].concat(),
        })
    }
}

/// What of a file must be the same before and after it was read.
pub(super) fn state(of: &Metadata) -> (Identity, u64, Timestamp) {
    (identity(of), of.len(), Timestamp::of_change(of))
}

/// Content that lies in its source as it lies in the file.
fn content(size_bytes: u64, extents: &[Extent]) -> Content {
    let data = match extents {
        [(0, length)] if *length == size_bytes => Data::Contiguous { offset_bytes: 0 },
        extents => {
            let extent = |&(offset_bytes, length_bytes)| DataExtent {
                file_offset_bytes: offset_bytes,
                length_bytes,
                offset_bytes,
            };
            Data::Sparse(extents.iter().map(extent).collect())
        }
    };
    Content { size_bytes, data }
}

/// The stretches of `file` that have data; one of all of it where it has no holes.
pub(super) fn extents(file: &File, metadata: &Metadata) -> io::Result<Vec<Extent>> {
    let size_bytes = metadata.len();
    if metadata.blocks().saturating_mul(512) >= size_bytes {
        return Ok(vec![(0, size_bytes)]);
    }
    let mut extents = Vec::new();
    let mut position = 0;
    while position < size_bytes {
        let start = match rustix::fs::seek(file, SeekFrom::Data(position)) {
            // Nothing but a hole is left.
            Err(rustix::io::Errno::NXIO) => break,
            start => start?,
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(size_bytes);
        if end <= start {
            break;
        }
        extents.push((start, end - start));
        position = end;
    }
    Ok(extents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pinned::Reach;
    use crate::progress::Silent;
    use std::os::unix::fs::FileExt;
    use std::os::unix::fs::PermissionsExt;

    fn take(path: &Path, between: impl Fn()) -> Result<HostFile> {
        let reach = Reach::default();
        let pinned = reach.pin(path).unwrap();
        between();
        let taking = Taking {
            output: None,
            written: &[],
            attributes: false,
            flags: false,
            one_file_system: false,
        };
        let root = Root {
            path,
            reach: &reach,
        };
        let mut warnings = Warnings::default();
        HostFile::take(
            &pinned,
            root,
            taking,
            &std::env::temp_dir(),
            &Silent,
            &mut warnings,
        )
    }

    #[test]
    fn a_file_is_read_in_its_place_unless_others_may_write_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "before").unwrap();
        for (mode, is_in_place) in [(0o600, true), (0o644, true), (0o666, false)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let taken = take(&path, || {}).unwrap();
            assert_eq!(taken.is_in_place, is_in_place, "{mode:o}");
            let mut bytes = [0; 6];
            taken.bytes.file.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(&bytes, b"before");
            assert_eq!(taken.content.size_bytes, 6);
        }
    }

    #[test]
    fn a_file_that_changes_before_it_is_opened_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "before").unwrap();
        let error = take(&path, || {
            std::fs::write(&path, "after it was held").unwrap()
        });
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with("changed while it was read"), "{error}");
    }
}
