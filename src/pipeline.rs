//! From an image to a filesystem: the steps in their order.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::finish::{FinishOptions, FinishedFilesystem, MadeFrom, finish};
use crate::host_space;
use crate::layers::{self, Contents, GivingBack, Layers, ReadOptions, Verifying};
use crate::limits::Limits;
use crate::mkfs::{ToolPaths, Tools, format};
use crate::oci::Platform;
use crate::partial_file::PartialFile;
use crate::plan::{Identity, Plan, PlanOptions, Room, SizePolicy};
use crate::populate::populate;
use crate::progress::Reporter;
use crate::source::{self, DaemonOptions, Image, OpenOptions, Reference, RegistryOptions};
use crate::tree::{ContentRef, FlattenOptions, NodeKind, Tree, flatten};
use crate::units::{BLOCK_SIZE, ByteSize, Timestamp};
use crate::warnings::Warnings;

/// Everything about how to read an image.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// The image.
    pub reference: Reference,
    /// The platform to choose from an index; this machine's if none is given.
    pub platform: Option<Platform>,
    /// Where spools go; they have no names.
    pub work_dir: PathBuf,
    /// Layers to read side by side.
    pub jobs: NonZeroUsize,
    /// Ceilings against hostile input.
    pub limits: Limits,
    /// How registries are asked.
    pub registry: RegistryOptions,
    /// Where the docker daemon is, for images of one.
    pub daemon: DaemonOptions,
    /// The filesystem image that is made of it or held against it, if any: no part of a directory
    /// that is read.
    pub held_against: Option<PathBuf>,
}

/// Everything about the filesystem to make of it.
#[derive(Debug, Clone)]
pub struct FilesystemRequest {
    /// Its size.
    pub size: SizePolicy,
    /// Free inodes and the journal.
    pub room: Room,
    /// What to call it; by default the image gives all of it.
    pub identity: IdentityRequest,
}

/// What is not to be taken from the image.
#[derive(Debug, Clone, Default)]
pub struct IdentityRequest {
    /// `s_uuid`.
    pub uuid: Option<[u8; 16]>,
    /// `s_hash_seed`.
    pub hash_seed: Option<[u8; 16]>,
    /// The label, at most 16 bytes.
    pub label: String,
    /// The time of the filesystem and of directories that no entry describes, in place of the
    /// image's own time (`SOURCE_DATE_EPOCH`), in seconds since 1970.
    pub made_seconds: Option<i64>,
}

/// Everything about the output.
#[derive(Debug, Clone)]
pub struct OutputRequest {
    /// Where it goes.
    pub path: PathBuf,
    /// Where e2fsprogs is.
    pub tools: ToolPaths,
    /// How much proof is wanted.
    pub finish: FinishOptions,
}

/// An image read and flattened.
#[derive(Debug)]
pub struct Flattened {
    /// The image.
    pub image: Image,
    /// Its layers' bytes.
    pub contents: Contents,
    /// What it shows.
    pub tree: Tree,
    /// The time of what has none of its own.
    pub made: Timestamp,
    /// Everything that was noticed on the way.
    pub warnings: Warnings,
}

/// An image read, flattened and planned.
#[derive(Debug)]
pub struct Planned {
    /// The image.
    pub image: Image,
    /// Its layers' bytes.
    pub contents: Contents,
    /// What it shows.
    pub tree: Tree,
    /// The filesystem to be.
    pub plan: Plan,
    /// Everything that was noticed on the way.
    pub warnings: Warnings,
}

/// A filesystem made, with what it was made from.
#[derive(Debug)]
pub struct Built {
    /// What was planned. Contents of compressed layers have been given back while the filesystem was
    /// written, unless it was to be verified, and read as zeros.
    pub planned: Planned,
    /// What was made.
    pub filesystem: FinishedFilesystem,
}

/// Reads an image and flattens it, without writing anything but spools. Directories that no layer
/// describes are of `made_seconds` (since 1970), or of the time the image was created.
///
/// # Errors
/// See [`crate::Error`].
pub fn flattened(
    image_request: &ImageRequest,
    made_seconds: Option<i64>,
    reporter: &dyn Reporter,
) -> Result<Flattened> {
    let (flattened, verifying) = flattening(image_request, made_seconds, reporter)?;
    verifying.finish()?;
    Ok(flattened)
}

/// The same, while the layers are still being verified.
fn flattening(
    image_request: &ImageRequest,
    made_seconds: Option<i64>,
    reporter: &dyn Reporter,
) -> Result<(Flattened, Verifying)> {
    let ImageRequest {
        reference,
        platform,
        work_dir,
        jobs,
        limits,
        registry,
        daemon,
        held_against,
    } = image_request.clone();
    let named = |error: crate::Error| error.in_image(&reference.to_string());
    let options = OpenOptions {
        platform,
        work_dir: work_dir.clone(),
        limits: limits.clone(),
        registry,
        daemon,
        held_against,
    };
    let mut image = source::open(&reference, &options, reporter).map_err(named)?;
    let options = ReadOptions {
        work_dir,
        limits: limits.clone(),
        jobs,
    };
    let Layers {
        changesets,
        contents,
        warnings: reading,
        verifying,
    } = layers::read(&image, &options, reporter).map_err(named)?;
    let made = made(&image, made_seconds);
    let options = FlattenOptions {
        default_time: made,
        limits,
        keep: None,
    };
    let tree = flatten(changesets, &options, reporter).map_err(named);
    let (tree, verifying) = verifying.unless_damaged(tree)?;
    let mut warnings = std::mem::take(&mut image.warnings);
    for more in [reading, tree.warnings.clone()] {
        warnings.merge(more);
    }
    let flattened = Flattened {
        image,
        contents,
        tree,
        made,
        warnings,
    };
    Ok((flattened, verifying))
}

/// Reads an image and plans its filesystem, without writing anything but spools.
///
/// # Errors
/// See [`crate::Error`].
pub fn plan(
    image_request: &ImageRequest,
    filesystem: &FilesystemRequest,
    reporter: &dyn Reporter,
) -> Result<Planned> {
    let (planned, verifying) = planning(image_request, filesystem, reporter)?;
    verifying.finish()?;
    Ok(planned)
}

/// The same, while the layers are still being verified.
fn planning(
    image_request: &ImageRequest,
    filesystem: &FilesystemRequest,
    reporter: &dyn Reporter,
) -> Result<(Planned, Verifying)> {
    // Better told now than after the image has been read.
    filesystem.size.check()?;
    let (flattened, verifying) =
        flattening(image_request, filesystem.identity.made_seconds, reporter)?;
    let Flattened {
        image,
        contents,
        tree,
        made,
        mut warnings,
    } = flattened;
    let options = PlanOptions {
        size: filesystem.size,
        room: filesystem.room,
        identity: identity(&image, made, &filesystem.identity),
    };
    let plan = Plan::of(&tree, &options)
        .map_err(|error| error.in_image(&image_request.reference.to_string()));
    let (plan, verifying) = verifying.unless_damaged(plan)?;
    warnings.merge(plan.warnings.clone());
    let planned = Planned {
        image,
        contents,
        tree,
        plan,
        warnings,
    };
    Ok((planned, verifying))
}

/// Presses an image into a filesystem.
///
/// # Errors
/// See [`crate::Error`]. Nothing is left behind on an error.
pub fn build(
    image: &ImageRequest,
    filesystem: &FilesystemRequest,
    output: &OutputRequest,
    reporter: &dyn Reporter,
) -> Result<Built> {
    // Better told now than after the image has been read.
    drop(PartialFile::create(&output.path)?);
    refuse_own_input(&image.reference, &output.path)?;
    let tools = Tools::find(
        &output.tools,
        output.finish.fsck,
        output.finish.verify,
        reporter,
    )?;
    let image = ImageRequest {
        held_against: Some(output.path.clone()),
        ..image.clone()
    };
    let (planned, verifying) = planning(&image, filesystem, reporter)?;
    let Planned {
        plan,
        tree,
        contents,
        ..
    } = &planned;
    if let Some(note) = &plan.sized.note {
        reporter.note(note);
    }
    let empty = format(plan, &tools, &output.path, reporter)?;
    // To verify the result, the contents are read again.
    let mut giving_back = (!output.finish.verify).then(|| giving_back(tree, &verifying));
    let mut taken = |file: &ContentRef| {
        if let Some(giving_back) = &mut giving_back {
            giving_back.taken(file.origin, &file.content);
        }
    };
    let needed = ByteSize(plan.demand.blocks() * BLOCK_SIZE);
    let explained = |error| host_space::explained(error, &output.path, Some(needed));
    let populated =
        populate(empty, plan, tree, contents, &mut taken, reporter).map_err(explained)?;
    let made_from = MadeFrom {
        plan,
        tree,
        contents,
        verifying,
    };
    let filesystem =
        finish(populated, made_from, &tools, output.finish, reporter).map_err(explained)?;
    Ok(Built {
        planned,
        filesystem,
    })
}

fn giving_back(tree: &Tree, verifying: &Verifying) -> GivingBack {
    let mut giving_back = verifying.giving_back();
    for (_, node) in tree.nodes() {
        if let NodeKind::Regular(file) = &node.kind {
            giving_back.want(file.origin, &file.content);
        }
    }
    giving_back
}

/// The output and its sidecar replace what has their names: that must not be what is read.
fn refuse_own_input(reference: &Reference, output: &Path) -> Result<()> {
    let mut sidecar = output.as_os_str().to_owned();
    sidecar.push(".sha256");
    for written in [output, Path::new(&sidecar)] {
        if source::is_input(reference, written) {
            return Err(crate::Error::unsupported(format!(
                "{}: expected an output other than the image itself: it is, or belongs to, {reference}",
                written.display()
            )));
        }
    }
    Ok(())
}

/// The filesystem's time: asked for, or the image's own, or the first second mke2fs can be given.
fn made(image: &Image, wanted_seconds: Option<i64>) -> Timestamp {
    match wanted_seconds {
        Some(seconds) => Timestamp::from_seconds(seconds),
        None => image.created.unwrap_or(Timestamp::from_seconds(1)),
    }
}

fn identity(image: &Image, made: Timestamp, wanted: &IdentityRequest) -> Identity {
    let own = Identity::of_image(&image.chain_id(), made);
    Identity {
        uuid: wanted.uuid.unwrap_or(own.uuid),
        hash_seed: wanted.hash_seed.unwrap_or(own.hash_seed),
        label: wanted.label.clone(),
        ..own
    }
}
