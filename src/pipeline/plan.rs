//! An image's filesystem planned.

use super::flatten::Flattened;
use super::reading::{Reading, read};
use super::request::{FilesystemRequest, IdentityRequest, ImageRequest};
use crate::error::Result;
use crate::ext::{Ext, Identity, Plan, PlanOptions};
use crate::filesystem::Filesystem;
use crate::layers::Verifying;
use crate::progress::Reporter;

/// An image read, flattened and planned.
#[derive(Debug)]
pub struct Planned {
    /// The image and what it shows, with everything that was noticed, also while planning.
    pub flattened: Flattened,
    /// The filesystem to be.
    pub plan: Plan,
}

/// Reads an image and plans its filesystem, without writing anything but spools.
///
/// # Errors
/// See [`crate::Error`].
pub fn plan(
    image: &ImageRequest,
    filesystem: &FilesystemRequest,
    reporter: &dyn Reporter,
) -> Result<Planned> {
    // Better told now than after the image has been read.
    filesystem.size.check(&filesystem.profile()?)?;
    let (planned, verifying) = read(image, reporter)?.plan(filesystem, reporter)?;
    verifying.finish()?;
    Ok(planned)
}

impl Reading {
    /// Plans a filesystem while the layers are still being verified.
    pub(super) fn plan(
        self,
        filesystem: &FilesystemRequest,
        reporter: &dyn Reporter,
    ) -> Result<(Planned, Verifying)> {
        let profile = filesystem.profile()?;
        let place = self.place.to_string();
        let (mut flattened, verifying) =
            self.flatten(filesystem.identity.made_seconds, reporter)?;
        let options = PlanOptions {
            profile,
            size: filesystem.size,
            room: filesystem.room,
            identity: identity(&flattened, &filesystem.identity),
        };
        let plan = Ext::plan(&flattened.tree, &options).map_err(|error| error.in_image(&place));
        let (plan, verifying) = verifying.unless_damaged(plan)?;
        flattened.warnings.merge(plan.warnings.clone());
        Ok((Planned { flattened, plan }, verifying))
    }
}

fn identity(flattened: &Flattened, wanted: &IdentityRequest) -> Identity {
    let own = Identity::of_recipe(&flattened.tree.recipe, flattened.made);
    Identity {
        uuid: wanted.uuid.unwrap_or(own.uuid),
        hash_seed: wanted.hash_seed.unwrap_or(own.hash_seed),
        label: wanted.label.clone(),
        ..own
    }
}
