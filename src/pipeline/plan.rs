//! An image's filesystem planned, and what it is to be called.

use super::flatten::Flattened;
use super::like::{EarlierFile, EarlierReading};
use super::reading::{Opened, Reading};
use super::ready::words;
use super::request::{FilesystemRequest, IdentityRequest, ImageRequest};
use crate::error::Result;
use crate::ext::{Birth, Ext, Identity, Plan, PlanOptions, Room, SizePolicy};
use crate::filesystem::Filesystem;
use crate::layers::Verifying;
use crate::oci::{ChainId, Digest};
use crate::progress::Reporter;
use crate::source::Place;
use crate::tree::EditsDigest;

/// An image read, flattened and planned.
#[derive(Debug)]
pub struct Planned {
    /// The image and what it shows, with everything that was noticed, also while planning.
    pub flattened: Flattened,
    /// The filesystem to be.
    pub plan: Plan,
    /// What it is to be called.
    pub names: Names,
    /// The filesystem that it is laid out like, where it is like one.
    pub earlier: Option<EarlierFile>,
}

/// What is known before anything is written.
pub(super) struct LaidOut {
    pub flattened: Flattened,
    pub plan: Plan,
    pub earlier: Option<EarlierFile>,
}

/// What names a filesystem and what it was made of, known only when each layer's diff ID is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The layers'.
    pub chain_id: ChainId,
    /// What edits did to what they show, if they did anything.
    pub edits_digest: Option<EditsDigest>,
    /// Of both together.
    pub recipe_digest: Digest,
    /// The filesystem's.
    pub identity: Identity,
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
    let place = Place::within(&image.reference, &image.open.reach)?;
    let opened = Opened::at(place, image, reporter)?;
    let max_bytes = image.open.limits.max_bytes;
    let earlier = EarlierReading::begin(filesystem, &words(&opened.image), max_bytes)?;
    let reading = opened.read(None, image, reporter)?;
    let (laid_out, verifying) = reading.plan(filesystem, earlier, reporter)?;
    let LaidOut {
        flattened,
        plan,
        earlier,
    } = laid_out;
    let names = Names::of(&flattened, &verifying, &filesystem.identity)?;
    verifying.finish()?;
    Ok(Planned {
        flattened,
        plan,
        names,
        earlier,
    })
}

impl Reading {
    /// Plans a filesystem while the layers are still being verified.
    pub(super) fn plan(
        self,
        filesystem: &FilesystemRequest,
        earlier: Option<EarlierReading>,
        reporter: &dyn Reporter,
    ) -> Result<(LaidOut, Verifying)> {
        let profile = filesystem.profile()?;
        let place = self.place.to_string();
        let wanted = &filesystem.identity;
        let (mut flattened, verifying) = self.flatten(wanted.made_seconds, reporter)?;
        let earlier = earlier.map(EarlierReading::finish).transpose();
        let (earlier, verifying) = verifying.unless_damaged(earlier)?;
        let (places, earlier) = earlier.unzip();
        let born = Birth::at(flattened.made);
        let seed_of_earlier = places.as_ref().and_then(|places| places.usable_hash_seed());
        let size_given =
            filesystem.size != SizePolicy::default() || filesystem.room != Room::default();
        let options = PlanOptions {
            profile,
            size: filesystem.size,
            room: filesystem.room,
            birth: Birth {
                hash_seed: wanted
                    .hash_seed
                    .or(seed_of_earlier)
                    .unwrap_or(born.hash_seed),
                label: wanted.label.clone(),
                ..born
            },
            earlier: places,
            size_given,
        };
        let plan = Ext::plan(&flattened.tree, &options).map_err(|error| error.in_image(&place));
        let (plan, verifying) = verifying.unless_damaged(plan)?;
        flattened.warnings.merge(plan.warnings.clone());
        let laid_out = LaidOut {
            flattened,
            plan,
            earlier,
        };
        Ok((laid_out, verifying))
    }
}

impl Names {
    /// The names of what is made of the layers; this waits for what is not known of them.
    pub(super) fn of(
        flattened: &Flattened,
        verifying: &Verifying,
        wanted: &IdentityRequest,
    ) -> Result<Self> {
        let diff_ids = verifying.diff_ids()?;
        let recipe = flattened.recipe(&diff_ids);
        let own = Identity::of_recipe(&recipe);
        Ok(Self {
            chain_id: ChainId::of(&diff_ids),
            edits_digest: flattened.edits_digest.clone(),
            recipe_digest: recipe.digest(),
            identity: Identity {
                uuid: wanted.uuid.unwrap_or(own.uuid),
                ..own
            },
        })
    }
}
