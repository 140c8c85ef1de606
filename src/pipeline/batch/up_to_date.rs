//! Whether an output is what would be made again, told from the manifest beside it.
//!
//! No layer is read for that. An output is up to date if its manifest tells of the same image, by image ID
//! and manifest digest, of the same request, of the same bytes put in from the host, of the same versions
//! of layerpress and e2fsprogs, of the same filesystem that it is laid out like, and of at least the proofs that are asked for now; and if each file that it tells of, the ones that would be
//! written now and no others, is there with its length and was not written after the manifest. A manifest
//! gets its name behind the output, so that of a build that was killed the earlier one is older.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::BatchItem;
use crate::error::{Result, escape_path};
use crate::ext::parse_uuid;
use crate::manifest::{Manifest, ManifestFile};
use crate::oci::DigestHasher;
use crate::pinned::identity_at;
use crate::pipeline::Sha256File;
use crate::pipeline::manifest::requested;
use crate::pipeline::output::OutputRequest;
use crate::pipeline::reading::open_options;
use crate::pipeline::words::words;
use crate::progress::Silent;
use crate::put_in;
use crate::source::Image;

/// No manifest is longer, in bytes.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// Bytes hashed at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What a manifest tells of a layout that is an earlier filesystem's.
const KEPT: &str = "kept";

/// Where the superblock of an ext filesystem has `s_uuid`.
const UUID_AT: u64 = 1024 + 0x68;

/// An output that is what would be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpToDate {
    /// Where it is, or what it is compressed to where that alone is kept.
    pub path: PathBuf,
    /// The image's configuration.
    pub image_id: Option<String>,
    /// The image's manifest; archives of older `docker save` have none.
    pub manifest_digest: Option<String>,
    /// The SHA-256 of the file, 64 digits, as the manifest tells it.
    pub sha256: Option<String>,
    /// The image's full name where it was found.
    pub image_name: Option<String>,
    /// What it runs on.
    pub platform: Option<String>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// The filesystem's length.
    pub filesystem_bytes: u64,
    /// What of it an ordinary user may write.
    pub available_bytes: u64,
}

/// What is asked for now.
pub(super) struct Asked<'a> {
    pub(super) item: &'a BatchItem,
    pub(super) image: &'a Image,
    /// With all names as they will be.
    pub(super) output: &'a OutputRequest,
    /// The version of e2fsprogs.
    pub(super) e2fsprogs: &'a str,
    /// Whether files are hashed, too.
    pub(super) is_hashing: bool,
}

impl Asked<'_> {
    /// What is there, if it is up to date.
    ///
    /// # Errors
    /// Where what is asked for cannot be told; what is there is no error, whatever it is.
    pub(super) fn up_to_date(&self) -> Result<Option<UpToDate>> {
        let Self { item, output, .. } = self;
        let told = |beside: &&crate::pipeline::Beside| beside.document.tells_of_files();
        let Some(beside) = output.beside.iter().find(told) else {
            return Ok(None);
        };
        let requested = requested(&item.image, &item.filesystem, output)?;
        let Some((manifest, written)) = read(&beside.path) else {
            return Ok(None);
        };
        let is_so = manifest.request == requested
            && self.is_of_image(&manifest)
            && self.is_proven(&manifest)
            && self.are_intact(&manifest, &beside.path, &written)
            && self.is_like_the_same(&manifest)
            && self.puts_in_the_same(&manifest);
        let path = output.finish.last(&output.path);
        Ok(is_so.then(|| UpToDate {
            sha256: told_of(&manifest, &path).map(|file| file.sha256.clone()),
            path,
            image_id: manifest.image.image_id,
            manifest_digest: manifest.image.manifest_digest,
            image_name: manifest.image.reference,
            platform: manifest.image.platform,
            created: manifest.image.created,
            filesystem_bytes: manifest.filesystem.size_bytes,
            available_bytes: manifest.filesystem.available_bytes,
        }))
    }

    fn is_of_image(&self, manifest: &Manifest) -> bool {
        let text = |digest: &Option<crate::oci::Digest>| digest.as_ref().map(ToString::to_string);
        let told = &manifest.image;
        let (image, asked) = (self.image, &self.item.image.open);
        image.config_digest.is_some()
            && text(&image.config_digest) == told.image_id
            && text(&image.manifest_digest) == told.manifest_digest
            && (asked.platform.is_none()
                || image.platform.as_ref().map(ToString::to_string) == told.platform)
    }

    /// Whether what is read of the host is what it was. What cannot be read is told by the build, and a
    /// pipe can be read but once.
    fn puts_in_the_same(&self, manifest: &Manifest) -> bool {
        if !manifest.request.reads_host() {
            return true;
        }
        let request = self.output.read_from(&self.item.image);
        let is_there = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|found| found.is_file() || found.is_dir())
        };
        manifest.put_in_digest.is_some()
            && request.put_in().iter().all(is_there)
            && put_in::digest_now(
                &request.edits,
                &self.image.config.config,
                &open_options(&request),
                &request.put_in_from,
                &Silent,
            )
            .is_ok_and(|now| Some(now.to_string()) == manifest.put_in_digest)
    }

    /// Whether the filesystem that it is laid out like would give the same once more. An output that is
    /// laid out like itself, which is as the manifest tells, gives itself.
    fn is_like_the_same(&self, manifest: &Manifest) -> bool {
        let asked = &self.item.filesystem;
        let (like, told) = match (&asked.like, &manifest.like) {
            (None, None) => return !asked.like_strict,
            (Some(like), Some(told)) => (like, told),
            _ => return false,
        };
        if asked.like_strict && told.layout != KEPT {
            return false;
        }
        let words = words(self.image);
        let is_own = like.filled(&words).is_ok_and(|path| {
            let found = identity_at(&path);
            found.is_some() && found == identity_at(&self.output.path)
        });
        let max_bytes = self.item.image.open.limits.max_bytes;
        is_own
            || like
                .sha256_now(&words, max_bytes)
                .is_ok_and(|now| now == told.sha256)
    }

    fn is_proven(&self, manifest: &Manifest) -> bool {
        let (asked, had) = (&self.output.finish, &manifest.proofs);
        (had.e2fsck || !asked.fsck)
            && (had.verify || !asked.verify)
            && manifest.versions.layerpress == env!("CARGO_PKG_VERSION")
            && manifest.versions.e2fsprogs == self.e2fsprogs
    }

    fn are_intact(&self, manifest: &Manifest, path: &Path, written: &Metadata) -> bool {
        let paths = self.output.paths();
        let paths = paths.iter().filter(|other| *other != path);
        let paths: BTreeMap<_, _> = paths.map(|path| (name_of(path), path)).collect();
        let named = manifest.files.iter().map(|file| &file.name);
        manifest.output.name == name_of(&self.output.path)
            && paths.keys().eq(sorted(named))
            && manifest.files.iter().all(|file| {
                let path = paths[&file.name];
                self.is_intact(file, path, written)
            })
            && self.is_named_so(manifest)
            && self.has_form(manifest)
    }

    fn is_intact(&self, told: &ManifestFile, path: &Path, written: &Metadata) -> bool {
        let modified = |metadata: &Metadata| (metadata.mtime(), metadata.mtime_nsec());
        fs::symlink_metadata(path).is_ok_and(|found| {
            found.is_file()
                && found.len() == told.size_bytes
                && modified(&found) <= modified(written)
        }) && (!self.is_hashing || sha256(path).is_ok_and(|found| found == told.sha256))
    }

    /// Whether the filesystem has the UUID that the manifest tells: one that was put in its place with
    /// an earlier time has not. Where it was not kept uncompressed there is none to look at.
    fn is_named_so(&self, manifest: &Manifest) -> bool {
        match told_of(manifest, &self.output.path) {
            None => return true,
            Some(file) if *file != manifest.output => return false,
            Some(_) => {}
        }
        let mut uuid = [0; 16];
        let file = File::open(&self.output.path);
        let read = file.and_then(|file| file.read_exact_at(&mut uuid, UUID_AT));
        read.is_ok() && parse_uuid(&manifest.filesystem.uuid).is_ok_and(|told| told == uuid)
    }

    /// The two forms of a checksum file have one name.
    fn has_form(&self, manifest: &Manifest) -> bool {
        let Some(form) = self.output.finish.sha256 else {
            return true;
        };
        let mut path = self.output.path.clone().into_os_string();
        path.push(".sha256");
        let found = told_of(manifest, Path::new(&path));
        let is_raw = found.map(|file| file.size_bytes == 64);
        is_raw.is_none_or(|is_raw| is_raw == (form == Sha256File::Raw))
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// What a manifest tells of a file.
fn told_of<'a>(manifest: &'a Manifest, path: &Path) -> Option<&'a ManifestFile> {
    let name = name_of(path);
    manifest.files.iter().find(|file| file.name == name)
}

/// As manifests have it.
fn name_of(path: &Path) -> String {
    escape_path(path.file_name().unwrap_or_default().as_bytes())
}

fn read(path: &Path) -> Option<(Manifest, Metadata)> {
    // A pipe would be waited for.
    let metadata = fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_MANIFEST_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_MANIFEST_BYTES).read_to_end(&mut bytes).ok()?;
    Some((Manifest::from_bytes(&bytes).ok()?, metadata))
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = DigestHasher::sha256();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish().digest().to_owned()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
