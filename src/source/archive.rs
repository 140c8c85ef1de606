//! An archive on disk as a table of names: its blobs are read where they are.

use std::collections::BTreeMap;

use crate::error::{Error, Result, escape_path};
use crate::limits::Limits;
use crate::region::{Content, Data, FileRegion};
use crate::tar::{Entry, EntryKind, Reader};

/// Memory for an archive's names, in bytes. A `docker save` of a hundred images with a
/// hundred layers each stays below a few MiB.
const MAX_NAME_BYTES: usize = 128 << 20;

/// Symbolic and hard links followed from one name to its bytes, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// An indexed tar.
#[derive(Debug)]
pub(super) struct Archive {
    file: FileRegion,
    members: BTreeMap<Vec<u8>, Target>,
}

#[derive(Debug)]
enum Target {
    File {
        offset_bytes: u64,
        size_bytes: u64,
    },
    /// Another name, from the archive's root; `None` where it leads out of the archive.
    Link(Option<Vec<u8>>),
}

impl Archive {
    /// Indexes the tar in `file`. Of members with the same name the last counts.
    pub(super) fn index(file: FileRegion, limits: &Limits) -> Result<Self> {
        Self::index_within(file, limits, MAX_NAME_BYTES)
    }

    fn index_within(file: FileRegion, limits: &Limits, max_name_bytes: usize) -> Result<Self> {
        let mut members = BTreeMap::new();
        let mut name_bytes = 0;
        let mut reader = Reader::in_place(&file, limits);
        while let Some(entry) = reader.next_entry()? {
            let Some(name) = resolve(b"", &entry.path) else {
                continue;
            };
            let target = target(&entry, &name);
            name_bytes += name.len() + size_of::<Target>() + 64;
            if name_bytes > max_name_bytes {
                return Err(Error::bad_image(
                    "more names than an archive of images has; `rootfs:PATH` reads a root filesystem's tar",
                ));
            }
            match target {
                Some(target) => drop(members.insert(name, target)),
                None => drop(members.remove(&name)),
            }
        }
        Ok(Self { file, members })
    }

    /// The bytes of the file called `name`, its links followed inside the archive.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a name or a link that leads out of the archive or in circles.
    pub(super) fn find(&self, name: &str) -> Result<Option<FileRegion>> {
        let shown = || escape_path(name.as_bytes());
        let outside = || Error::bad_image(format!("{}: leads out of the archive", shown()));
        let mut at = resolve(b"", name.as_bytes()).ok_or_else(outside)?;
        for _ in 0..=MAX_LINKS {
            match self.members.get(&at) {
                None => return Ok(None),
                Some(Target::File {
                    offset_bytes,
                    size_bytes,
                }) => return Ok(self.file.part(*offset_bytes, *size_bytes)),
                Some(Target::Link(link)) => at = link.clone().ok_or_else(outside)?,
            }
        }
        Err(Error::bad_image(format!(
            "{}: expected a file after at most {MAX_LINKS} links, found another link",
            shown()
        )))
    }
}

/// `None` for directories, devices, sparse files: nothing a blob is stored as.
fn target(entry: &Entry, name: &[u8]) -> Option<Target> {
    match &entry.kind {
        EntryKind::Regular(Content {
            size_bytes,
            data: Data::Contiguous { offset_bytes },
        }) => Some(Target::File {
            offset_bytes: *offset_bytes,
            size_bytes: *size_bytes,
        }),
        EntryKind::Symlink(link) => {
            let parent = name.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            Some(Target::Link(resolve(&name[..parent], link)))
        }
        EntryKind::HardLink(link) => Some(Target::Link(resolve(b"", link))),
        _ => None,
    }
}

/// A path freed of `.`, `..` and doubled slashes, from the archive's root; `None` where it leads
/// out of it. Directories that are links are not followed: no archive of images has any.
pub(super) fn resolve(directory: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let from: &[u8] = if path.starts_with(b"/") {
        b""
    } else {
        directory
    };
    let mut components: Vec<&[u8]> = Vec::new();
    for component in [from, path]
        .into_iter()
        .flat_map(|path| path.split(|&byte| byte == b'/'))
    {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()?),
            name => components.push(name),
        }
    }
    Some(components.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Archive {
        let mut file = tempfile::tempfile().unwrap();
        let mut builder = tar::Builder::new(&mut file);
        for (name, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(0);
            if kind.is_file() {
                header.set_size(text.len() as u64);
                builder
                    .append_data(&mut header, name, text.as_bytes())
                    .unwrap();
            } else {
                builder.append_link(&mut header, name, text).unwrap();
            }
        }
        builder.finish().unwrap();
        drop(builder);
        Archive::index(FileRegion::whole(file).unwrap(), &Limits::default()).unwrap()
    }

    fn text(archive: &Archive, name: &str) -> Option<String> {
        let region = archive.find(name).unwrap()?;
        let mut text = String::new();
        region.reader().read_to_string(&mut text).unwrap();
        Some(text)
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;
    const SYMLINK: tar::EntryType = tar::EntryType::Symlink;
    const LINK: tar::EntryType = tar::EntryType::Link;

    #[test]
    fn links_are_followed_inside_the_archive_and_the_last_of_two_names_counts() {
        let long = "d/".repeat(120) + "layer.tar";
        let archive = archive(&[
            ("./a/layer.tar", FILE, "old"),
            ("a/layer.tar", FILE, "layer"),
            ("b/layer.tar", SYMLINK, "../a/layer.tar"),
            ("c/layer.tar", LINK, "b/layer.tar"),
            (&long, FILE, "far"),
        ]);
        for name in [
            "a/layer.tar",
            "b/layer.tar",
            "./c//layer.tar",
            "/x/../a/layer.tar",
        ] {
            assert_eq!(text(&archive, name).as_deref(), Some("layer"), "{name}");
        }
        assert_eq!(text(&archive, &long).as_deref(), Some("far"));
        assert_eq!(text(&archive, "d"), None);
    }

    #[test]
    fn loops_and_ways_out_of_the_archive_are_refused() {
        let archive = archive(&[
            ("a", SYMLINK, "b"),
            ("b", SYMLINK, "a"),
            ("c", SYMLINK, "../etc/passwd"),
        ]);
        for (name, expected) in [
            ("a", "found another link"),
            ("c", "leads out of the archive"),
            ("../x", "leads out of the archive"),
        ] {
            let error = archive.find(name).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_archive_of_endlessly_many_names_is_refused_before_memory_runs_out() {
        let file = archive(&[("a", FILE, ""), ("b", FILE, ""), ("c", FILE, "")]).file;
        let index = |max| Archive::index_within(file.clone(), &Limits::default(), max);
        assert!(index(3 * (65 + size_of::<Target>())).is_ok());
        let error = index(3 * (65 + size_of::<Target>()) - 1).unwrap_err();
        assert!(error.to_string().contains("more names"), "{error}");
    }

    #[test]
    fn a_cut_or_damaged_archive_is_an_error_that_names_the_byte() {
        let whole = archive(&[("a", FILE, &"x".repeat(2000)), ("b", FILE, "y")]);
        let mut bytes = Vec::new();
        whole.file.reader().read_to_end(&mut bytes).unwrap();
        let index = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            Archive::index(FileRegion::whole(file).unwrap(), &Limits::default())
        };
        // After the last entry's blocks the archive may stop.
        assert!(index(&bytes[..3584]).is_ok());
        for cut in [100, 512 + 1999, 2560 + 511, 3072, 3073, 3583] {
            let error = index(&bytes[..cut]).unwrap_err().to_string();
            let expected = format!("the tar ends at byte {cut} within");
            assert!(error.contains(&expected), "{cut}: {error}");
        }
        bytes[2560] ^= 1;
        let error = index(&bytes).unwrap_err().to_string();
        assert!(
            error.contains("at byte 2560") && error.contains("checksum"),
            "{error}"
        );
    }
}
