//! The file that is pushed, which must stay what it is meanwhile.

use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::PushRequest;
use crate::artifact::{
    Config, ConfigFilesystem, ConfigOutput, ConfigVerity, MAX_SIZE_BYTES, SCHEMA,
};
use crate::error::{Error, Result, escape_path};
use crate::ext::uuid_text;
use crate::file_kind;
use crate::inspect::Filesystem;
use crate::oci::Digest;
use crate::pipeline::doubts::{Done, doubts};
use crate::pipeline::root_hash;
use crate::progress::Reporter;
use crate::push::{Asked, Pushing, Segments, send};

/// The file that is pushed.
pub(super) struct Source<'a> {
    path: &'a Path,
    name: String,
    file: File,
    pub(super) size_bytes: u64,
    filesystem: Filesystem,
    before: Metadata,
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error| Error::path("read", path, error);
        let mut file = file_kind::open_image(path)?;
        let before = file.metadata().map_err(failed)?;
        file_kind::expect_ext(&file, 0, &name)?;
        let filesystem = Filesystem::read(path)?;
        // A device says so by its end alone.
        let size_bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if filesystem.superblock.bytes() > size_bytes {
            let what = format!(
                "expected a whole filesystem of {} bytes, found {size_bytes} (it was cut)",
                filesystem.superblock.bytes()
            );
            return Err(Error::bad_image(what).in_image(&name));
        }
        if size_bytes > MAX_SIZE_BYTES {
            let what = format!("expected at most {MAX_SIZE_BYTES} bytes, found {size_bytes}");
            return Err(Error::unsupported(what).in_image(&name));
        }
        Ok(Self {
            path,
            name,
            file,
            size_bytes,
            filesystem,
            before,
        })
    }

    /// What whoever gets it should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        doubts(&self.filesystem.superblock, self.path, Done::Pushed)
    }

    pub(super) fn state(&self) -> &'static str {
        self.filesystem.state()
    }

    pub(super) fn needs_recovery(&self) -> bool {
        self.filesystem.superblock.features.needs_recovery()
    }

    /// Reads the file, and sends what is no zeros of it; or tells alone what that is.
    pub(super) fn segments(
        &self,
        request: &PushRequest,
        repository: &Pushing<'_>,
        sends: bool,
        reporter: &dyn Reporter,
    ) -> Result<Segments> {
        let asked = Asked {
            size_bytes: self.size_bytes,
            // At most 64 MiB.
            segment_bytes: usize::try_from(request.segment_bytes.0).unwrap_or(usize::MAX),
            encoding: request.encoding,
            jobs: request.jobs,
            sends,
        };
        let name = escape_path(self.name.as_bytes());
        let sent = send(&self.file, &name, asked, repository, reporter)?;
        let after = self
            .file
            .metadata()
            .map_err(|error| Error::path("read", self.path, error))?;
        let state = |metadata: &Metadata| {
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            (metadata.len(), modified, changed)
        };
        if state(&after) != state(&self.before) {
            return Err(Error::io(
                format!("cannot push {name}"),
                std::io::Error::other(
                    "it was changed while it was read: nothing was tagged (another try sends what is new alone)",
                ),
            ));
        }
        Ok(sent)
    }

    /// What is told of it without a build's manifest.
    pub(super) fn config(&self, sha256: &Digest) -> Result<Vec<u8>> {
        let superblock = &self.filesystem.superblock;
        let found = root_hash::behind_filesystem(self.path, superblock.bytes());
        let verity = found.and_then(Result::ok).map(|found| ConfigVerity {
            salt: found.superblock.salt.to_string(),
            hash_offset_bytes: found.hash_offset_bytes,
            data_blocks: found.superblock.data_blocks,
        });
        let recipe = self.filesystem.recipe_digest.as_ref();
        let config = Config {
            schema: SCHEMA,
            recipe_digest: recipe.map(ToString::to_string),
            output: ConfigOutput {
                size_bytes: self.size_bytes,
                sha256: sha256.digest().to_owned(),
            },
            filesystem: ConfigFilesystem {
                r#type: superblock.features.filesystem_type().name().to_owned(),
                size_bytes: superblock.bytes(),
                block_bytes: self.filesystem.block_bytes,
                uuid: uuid_text(superblock.uuid),
                label: escape_path(&superblock.volume_name),
            },
            verity,
        };
        config.to_bytes()
    }
}
