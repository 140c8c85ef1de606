//! From a recipe to requests, and back. Each struct is taken apart field by field: one that is new in
//! a request does not compile before it is said here whether a recipe holds it.

use super::{FilesystemRecipe, ImageRecipe, OutputRecipe};
use crate::error::{Error, Result};
use crate::pinned::Reach;
use crate::pipeline::{
    Beside, CompressOptions, DocumentKind, FilesystemRequest, FinishOptions, ImageRequest,
    OpenOptions, OutputRequest, VerityOptions, VerityPlace,
};

impl ImageRecipe {
    /// What the requests say, all of it that a recipe holds.
    pub fn of(
        image: &ImageRequest,
        filesystem: &FilesystemRequest,
        output: Option<&OutputRequest>,
    ) -> Self {
        let ImageRequest {
            reference,
            open,
            // Of the machine.
            jobs: _,
            edits,
            // Where the paths of edits begin is where the recipe is.
            put_in_from: _,
        } = image;
        let OpenOptions {
            platform,
            file_flags,
            limits,
            // Of the machine, and of who runs it.
            work_dir: _,
            registry: _,
            daemon: _,
            held_against: _,
            written: _,
            reach: _,
            // Of who asks.
            or_filesystem: _,
            // Edits say so.
            one_file_system: _,
        } = open;
        let (filesystem, source_date_epoch) = FilesystemRecipe::of(filesystem);
        Self {
            source: Some(reference.clone()),
            platform: platform.clone(),
            file_flags: *file_flags,
            source_date_epoch,
            filesystem,
            edits: edits.clone(),
            output: output.map_or_else(OutputRecipe::default, OutputRecipe::of),
            limits: limits.clone(),
        }
    }

    /// Lets a request ask for what the recipe says; what is of the machine stays as it is. Paths begin
    /// where `reach` says.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a recipe that names no image.
    pub fn put_into(&self, request: &mut ImageRequest, reach: &Reach) -> Result<()> {
        let Self {
            source,
            platform,
            file_flags,
            // Of the filesystem and of the output.
            source_date_epoch: _,
            filesystem: _,
            output: _,
            edits,
            limits,
        } = self;
        request.reference = source.clone().ok_or_else(no_source)?;
        request.edits = edits.clone();
        request.put_in_from = reach.clone();
        let open = &mut request.open;
        open.platform.clone_from(platform);
        open.file_flags = *file_flags;
        open.limits = limits.clone();
        open.reach = reach.clone();
        Ok(())
    }

    /// The filesystem that it asks for; the path of an earlier one begins where `reach` says.
    pub fn filesystem_request(&self, reach: &Reach) -> FilesystemRequest {
        self.filesystem.request(self.source_date_epoch, reach)
    }
}

fn no_source() -> Error {
    Error::unsupported(
        "expected an image in the recipe (source = \"…\") or on the command line, found none",
    )
}

impl OutputRecipe {
    fn of(request: &OutputRequest) -> Self {
        let OutputRequest {
            path,
            // Of the machine.
            tools: _,
            finish,
            // Of the command line.
            beside,
            stream: _,
            spared: _,
        } = request;
        let FinishOptions {
            sha256,
            verity,
            compress,
            // How much proof is wanted.
            fsck: _,
            verify: _,
            sync: _,
            no_clobber: _,
        } = finish;
        let mut recipe = Self {
            file: Some(path.clone()),
            sha256: *sha256,
            ..Self::default()
        };
        if let Some(VerityOptions { place, salt }) = verity {
            match place {
                VerityPlace::Appended => recipe.verity = true,
                VerityPlace::File(file) => recipe.verity_file = Some(file.clone()),
            }
            recipe.verity_salt = (*salt != Default::default()).then(|| salt.clone());
        }
        if let Some(CompressOptions {
            encoding,
            only,
            // Of the machine.
            jobs: _,
        }) = compress
        {
            recipe.compress = Some(*encoding);
            recipe.compress_only = *only;
        }
        for Beside { path, document } in beside {
            let name = match document.kind() {
                DocumentKind::Manifest => &mut recipe.manifest,
                DocumentKind::Packages => &mut recipe.packages,
                DocumentKind::Start => &mut recipe.config_out,
                DocumentKind::Other => continue,
            };
            *name = Some(path.clone());
        }
        recipe
    }
}

/// Limits of which those that are the default are not written.
pub(super) mod changed_limits {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use toml::Value;

    use crate::pipeline::Limits;

    pub(in crate::recipe_file) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Limits, D::Error> {
        Limits::deserialize(from)
    }

    pub(in crate::recipe_file) fn serialize<S: Serializer>(
        limits: &Limits,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let table = |limits: &Limits| match Value::try_from(limits) {
            Ok(Value::Table(table)) => Ok(table),
            Ok(_) => Err(S::Error::custom("limits are no table")),
            Err(error) => Err(S::Error::custom(error)),
        };
        let usual = table(&Limits::default())?;
        let mut changed = table(limits)?;
        changed.retain(|key, value| usual.get(key) != Some(value));
        changed.serialize(to)
    }
}
