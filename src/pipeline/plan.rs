//! An image's filesystem planned, and what it is to be called.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::flatten::Flattened;
use super::like::{EarlierFile, EarlierReading};
use super::reading::{Opened, Reading};
use super::request::{FilesystemRequest, IdentityRequest, ImageRequest};
use super::words::words;
use crate::error::{Error, Result, escape_path};
use crate::ext::{Birth, Ext, Identity, Layout, Likeness, Plan, PlanOptions, WhyFresh};
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
    /// It is still read to its end.
    pub earlier: Option<EarlierReading>,
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
    let earlier = EarlierReading::begin(filesystem, &words(&opened.image), None, max_bytes)?;
    let reading = opened.read(None, image, reporter)?;
    let (laid_out, verifying) = reading.plan(filesystem, earlier, reporter)?;
    let LaidOut {
        flattened,
        plan,
        earlier,
    } = laid_out;
    let names = Names::of(&flattened, &verifying, &filesystem.identity)?;
    verifying.finish()?;
    let earlier = earlier.map(EarlierReading::finish).transpose()?;
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
        mut earlier: Option<EarlierReading>,
        reporter: &dyn Reporter,
    ) -> Result<(LaidOut, Verifying)> {
        let profile = filesystem.profile()?;
        let place = self.place.to_string();
        let wanted = &filesystem.identity;
        let (mut flattened, verifying) = self.flatten(wanted.made_seconds, reporter)?;
        let places = earlier.as_mut().map(EarlierReading::places).transpose();
        let (places, verifying) = verifying.unless_damaged(places)?;
        let seed = places.as_ref().and_then(|places| places.usable_hash_seed());
        let born = Birth::at(flattened.made);
        let options = PlanOptions {
            profile,
            size: filesystem.size,
            room: filesystem.room,
            birth: Birth {
                hash_seed: wanted.hash_seed.or(seed).unwrap_or(born.hash_seed),
                label: wanted.label.clone(),
                ..born
            },
            earlier: places,
            size_given: filesystem.gives_size(),
        };
        let plan = Ext::plan(&flattened.tree, &options).map_err(|error| error.in_image(&place));
        let plan = match &earlier {
            Some(earlier) if filesystem.like_strict => {
                plan.and_then(|plan| expect_kept(plan, earlier.path()))
            }
            _ => plan,
        };
        let (plan, verifying) = verifying.unless_damaged(plan)?;
        flattened.warnings.merge(plan.warnings.clone());
        for doubt in earlier.iter().flat_map(EarlierReading::doubts) {
            flattened.warnings.tell(doubt);
        }
        let laid_out = LaidOut {
            flattened,
            plan,
            earlier,
        };
        Ok((laid_out, verifying))
    }
}

/// Expects the layout of an earlier filesystem (`--like-strict`).
fn expect_kept(plan: Plan, path: &Path) -> Result<Plan> {
    let why = match &plan.likeness {
        Some(Likeness {
            layout: Layout::Fresh(why),
            ..
        }) => why,
        _ => return Ok(plan),
    };
    let path = escape_path(path.as_os_str().as_bytes());
    Err(match why {
        WhyFresh::TooSmall { what, needed, free } => Error::TooSmall {
            what: format!("{path}, whose size is to be kept"),
            needed: format!("{needed} {what}"),
            given: format!("{free} that are free there"),
            help: "without --like-strict the filesystem gets a size of its own".to_owned(),
        },
        WhyFresh::Given | WhyFresh::Unlike(_) => Error::unsupported(format!(
            "--like-strict: expected the size, the inodes and the journal of {path} to be kept, found that {why}"
        )),
    })
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
