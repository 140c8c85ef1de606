//! An image written into an OCI image layout (OCI image-spec, image-layout.md), a new one or one that
//! has others in it.
//!
//! All files are whole before the first gets its name, and `index.json`, which leads to them, gets its
//! name last. What else the layout holds stays as it is. Of several that write into one layout at the
//! same time each finds what the others have listed: its index is read and replaced under a lock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::CWD;

use super::blob::{self, Blob, Called, Sink};
use super::documents::{self, ImageDocuments, OCI_LAYOUT};
use super::target::ImageTarget;
use crate::error::{Error, Result, escape_path, shown};
use crate::leftovers::{self, Registration};
use crate::oci::Digest;
use crate::oci::document;
use crate::partial_file::{PartialFile, persist_together};
use crate::pinned::{MadeDirectory, identity};
use crate::region::FileRegion;

/// Where blobs are.
const BLOBS: &str = "blobs/sha256";

/// How long others' naming is waited for, which takes them a moment; see the room `partial_file`.
const ATTEMPTS: u32 = 2000;
const PAUSE: Duration = Duration::from_millis(5);

/// What a new blob is called until its digest is known: by nobody, but for hidden names.
const UNNAMED: &str = "blob";

/// A layout that is written into.
#[derive(Debug)]
pub(super) struct Layout {
    directory: PathBuf,
    no_clobber: bool,
    files: Vec<PartialFile>,
    /// Those that are among the files, or were there.
    blobs: BTreeMap<String, Held>,
    _begun: leftovers::Begun,
    _made: MadeDirectories,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Written,
    /// Hashed, and found to be what it is called.
    WasThere,
}

impl Layout {
    pub(super) fn begin(target: &ImageTarget, no_clobber: bool) -> Result<Self> {
        let directory = target.path().to_owned();
        let index = expect_layout(&directory)?;
        refuse_same_name(target, no_clobber, index.as_deref())?;
        let made = MadeDirectories::at(&directory)?;
        // What cannot be written is better told now.
        drop(PartialFile::create(&directory.join("index.json"))?);
        Ok(Self {
            _begun: leftovers::begin(&directory.join("index.json")),
            directory,
            no_clobber,
            files: Vec::new(),
            blobs: BTreeMap::new(),
            _made: made,
        })
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        self.directory.join(BLOBS).join(digest.digest())
    }

    /// A blob that is not to be written again.
    pub(super) fn there(&mut self, region: &FileRegion, digest: &Digest) -> Result<Option<Blob>> {
        let blob = Blob {
            digest: digest.clone(),
            size_bytes: region.length_bytes,
        };
        let is_there = self.has(&blob, Some(region))?;
        Ok(is_there.then_some(blob))
    }

    /// Whether a blob is among those that are written, or was there before.
    fn has(&mut self, blob: &Blob, source: Option<&FileRegion>) -> Result<bool> {
        let name = blob.digest.digest();
        if self.blobs.contains_key(name) {
            return Ok(true);
        }
        let Some(found) = whole_file(&self.place(&blob.digest)) else {
            return Ok(false);
        };
        if found.length_bytes != blob.size_bytes {
            return Ok(false);
        }
        // What the image is read from was hashed just now.
        let is_source = source.is_some_and(|source| is_same(source, &found));
        if !is_source && blob::hash(&found).ok().as_ref() != Some(&blob.digest) {
            return Ok(false);
        }
        self.blobs.insert(name.to_owned(), Held::WasThere);
        Ok(true)
    }

    pub(super) fn blob<T>(
        &mut self,
        fill: impl FnOnce(&mut Sink<'_>) -> Result<T>,
    ) -> Result<(T, Blob)> {
        let path = self.directory.join(BLOBS).join(UNNAMED);
        let mut partial = PartialFile::create(&path)?;
        let mut sink = Sink::at(partial.file(), 0, Called::Path(&path));
        let made = fill(&mut sink)?;
        let blob = sink.finish();
        if !self.has(&blob, None)? {
            let name = blob.digest.digest();
            partial.set_name(name);
            self.files.push(partial);
            self.blobs.insert(name.to_owned(), Held::Written);
        }
        Ok((made, blob))
    }

    pub(super) fn finish(
        mut self,
        target: &ImageTarget,
        documents: &ImageDocuments<'_>,
    ) -> Result<()> {
        let _lock = self.lock();
        self.expect_all()?;
        // Others may have written it since.
        let existing = expect_layout(&self.directory)?;
        refuse_same_name(target, self.no_clobber, existing.as_deref())?;
        let index = documents.index(target, existing.as_deref())?;
        if !self.directory.join("oci-layout").exists() {
            self.small("oci-layout", OCI_LAYOUT.as_bytes())?;
        }
        self.small("index.json", &index)?;
        persist_together(std::mem::take(&mut self.files))
    }

    fn small(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.directory.join(name);
        let partial = PartialFile::create(&path)?;
        Sink::at(partial.file(), 0, Called::Path(&path)).write(bytes)?;
        self.files.push(partial);
        Ok(())
    }

    /// Expects that what was there before has not been taken away.
    fn expect_all(&self) -> Result<()> {
        let left = self
            .blobs
            .iter()
            .filter(|(_, held)| **held == Held::WasThere);
        for (name, _) in left {
            let path = self.directory.join(BLOBS).join(name);
            fs::metadata(&path).map_err(|error| Error::path("read", &path, error))?;
        }
        Ok(())
    }

    /// Keeps other processes of this program from listing anything meanwhile, where locks are to be had.
    fn lock(&self) -> Option<File> {
        // Those that name files lock the directories that these are in.
        let file = File::open(self.directory.join("blobs")).ok()?;
        for _ in 0..ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Some(file),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(fs::TryLockError::Error(_)) => return None,
            }
        }
        None
    }
}

/// Expects a layout, or what can become one; its index.
fn expect_layout(directory: &Path) -> Result<Option<Vec<u8>>> {
    let unreadable = |error| Error::path("open", directory, error);
    let refused = |found: &str| {
        Error::unsupported(format!(
            "{}: expected an image layout, an empty directory or nothing to write to, found {found}",
            escape_path(directory.as_os_str().as_bytes())
        ))
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if directory.is_symlink() {
                return Err(refused("a symbolic link that leads nowhere"));
            }
            return Ok(None);
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory && directory.exists() => {
            return Err(refused(
                "no directory (docker-archive: and oci-archive: write a file)",
            ));
        }
        Err(error) => return Err(unreadable(error)),
    };
    let read = |name: &str| {
        let path = directory.join(name);
        match whole_file(&path) {
            Some(region) => {
                document::check_size(region.length_bytes, name)?;
                fs::read(&path)
                    .map(Some)
                    .map_err(|error| Error::path("read", &path, error))
            }
            None => Ok(None),
        }
    };
    let named = |error: Error| error.in_image(&directory.display().to_string());
    let is_layout = match read("oci-layout").map_err(named)? {
        Some(layout) => {
            check_version(&layout).map_err(named)?;
            true
        }
        None => false,
    };
    let index = read("index.json").map_err(named)?;
    if is_layout || index.is_some() {
        return Ok(index);
    }
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        // What one that was killed left.
        if name != "blobs" && !name.as_bytes().ends_with(b".partial") {
            let name = escape_path(name.as_bytes());
            return Err(refused(&format!("a directory with {name} in it")));
        }
    }
    Ok(None)
}

fn check_version(layout: &[u8]) -> Result<()> {
    let layout: serde_json::Value = document::parse(layout, "oci-layout")?;
    let version = layout["imageLayoutVersion"].as_str().unwrap_or_default();
    if version.starts_with("1.") {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "oci-layout: expected a version 1 layout, found {}",
        shown(version)
    )))
}

fn refuse_same_name(target: &ImageTarget, no_clobber: bool, index: Option<&[u8]>) -> Result<()> {
    let directory = escape_path(target.path().as_os_str().as_bytes());
    let Some(index) = index else {
        return Ok(());
    };
    let is_listed = documents::lists(index, target.name());
    if is_listed.map_err(|error| error.in_image(&directory))? && no_clobber {
        let name = target.name();
        let name = name.map_or("without a name".to_owned(), |name| format!("called {name}"));
        return Err(Error::unsupported(format!(
            "{directory}: expected no image {name} there (--no-clobber), found one"
        )));
    }
    Ok(())
}

/// A regular file, links followed: build systems link blobs into their layouts.
fn whole_file(path: &Path) -> Option<FileRegion> {
    // A FIFO would be waited for.
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let file = is_file.then(|| File::open(path).ok())??;
    FileRegion::whole(file).ok()
}

fn is_same(one: &FileRegion, other: &FileRegion) -> bool {
    let identity_of = |region: &FileRegion| region.file.metadata().ok().as_ref().map(identity);
    one.offset_bytes == 0
        && one.length_bytes == other.length_bytes
        && identity_of(one).is_some()
        && identity_of(one) == identity_of(other)
}

/// Directories that were made here, and go again as long as nothing is in them.
#[derive(Debug)]
struct MadeDirectories {
    made: Vec<PathBuf>,
    open: Vec<MadeDirectory>,
    _registration: Registration,
}

impl MadeDirectories {
    fn at(directory: &Path) -> Result<Self> {
        let below = [
            directory.to_owned(),
            directory.join("blobs"),
            directory.join(BLOBS),
        ];
        let mut open = Vec::new();
        let (made, registration) = leftovers::make(|| {
            let mut made: Vec<PathBuf> = Vec::new();
            for path in below {
                match MadeDirectory::at(CWD, &path, 0o777) {
                    Ok(directory) => {
                        open.push(directory);
                        made.push(path);
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => {
                        remove_empty(&made);
                        return Err(Error::path("create", &path, error));
                    }
                }
            }
            let left = made.clone();
            Ok((made, move || remove_empty(&left)))
        })?;
        Ok(Self {
            made,
            open,
            _registration: registration,
        })
    }
}

impl Drop for MadeDirectories {
    fn drop(&mut self) {
        remove_empty(&self.made);
        for directory in self.open.iter().rev() {
            // One that went again has no mode.
            let _ = directory.finish();
        }
    }
}

fn remove_empty(made: &[PathBuf]) {
    for path in made.iter().rev() {
        // Where something is in it this fails, and is to.
        let _ = fs::remove_dir(path);
    }
}
