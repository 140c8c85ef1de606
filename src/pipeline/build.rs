//! An image pressed into a filesystem: the steps in their order.

use std::path::Path;

use super::flatten::Flattened;
use super::plan::{Planned, planning};
use super::request::{FilesystemRequest, ImageRequest, OutputRequest};
use crate::error::Result;
use crate::finish::{FinishedFilesystem, MadeFrom, finish};
use crate::host_space;
use crate::layers::{GivingBack, Verifying};
use crate::mkfs::{Tools, format};
use crate::partial_file::PartialFile;
use crate::plan::Plan;
use crate::populate::populate;
use crate::progress::Reporter;
use crate::source::{self, Image, Reference};
use crate::tree::{ContentRef, NodeKind, Tree};
use crate::units::{BLOCK_SIZE, ByteSize};
use crate::warnings::Warnings;

/// A filesystem made, with what it was made from. The layers' bytes have been given back while it
/// was written.
#[derive(Debug)]
pub struct Built {
    /// The image.
    pub image: Image,
    /// What it shows.
    pub tree: Tree,
    /// What was planned.
    pub plan: Plan,
    /// Everything that was noticed on the way.
    pub warnings: Warnings,
    /// What was made.
    pub filesystem: FinishedFilesystem,
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
    let image = image.clone().with_held_against(output.path.clone());
    let (Planned { flattened, plan }, verifying) = planning(&image, filesystem, reporter)?;
    let Flattened { tree, contents, .. } = &flattened;
    if let Some(note) = &plan.sized.note {
        reporter.note(note);
    }
    let empty = format(&plan, &tools, &output.path, reporter)?;
    // To verify the result, the contents are read again.
    let mut giving_back = (!output.finish.verify).then(|| giving_back(tree, &verifying));
    let mut taken = |file: &ContentRef| {
        if let Some(giving_back) = &mut giving_back {
            giving_back.taken(file.layer as usize, &file.content);
        }
    };
    let needed = ByteSize(plan.demand.blocks() * BLOCK_SIZE);
    let explained = |error| host_space::explained(error, &output.path, Some(needed));
    let populated =
        populate(empty, &plan, tree, contents, &mut taken, reporter).map_err(explained)?;
    let made_from = MadeFrom {
        plan: &plan,
        tree,
        contents,
        verifying,
    };
    let filesystem =
        finish(populated, made_from, &tools, output.finish, reporter).map_err(explained)?;
    Ok(Built {
        image: flattened.image,
        tree: flattened.tree,
        plan,
        warnings: flattened.warnings,
        filesystem,
    })
}

fn giving_back(tree: &Tree, verifying: &Verifying) -> GivingBack {
    let mut giving_back = verifying.giving_back();
    for (_, node) in tree.nodes() {
        if let NodeKind::Regular(file) = &node.kind {
            giving_back.want(file.layer as usize, &file.content);
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
