//! An image pressed into a filesystem: the steps in their order.

use std::sync::{Arc, Mutex, PoisonError};

use super::document::Known;
use super::flatten::Flattened;
use super::like::{EarlierFile, EarlierReading};
use super::output::OutputRequest;
use super::plan::{LaidOut, Names};
use super::reading::{Opened, Reading};
use super::ready::Ready;
use super::request::{FilesystemRequest, ImageRequest};
use super::words::words;
use crate::error::Result;
use crate::ext::{Ext, Plan};
use crate::filesystem::Filesystem;
use crate::finish::{FinishedFilesystem, MadeFrom, Wanted, finish};
use crate::host_space;
use crate::layers::{Contents, GivingBack, Verifying};
use crate::progress::Reporter;
use crate::put_in::put_in_digest;
use crate::source::{Image, Place};
use crate::tree::{ContentRef, LeftOut, NodeKind, Tree};
use crate::units::{BLOCK_SIZE, ByteSize};
use crate::warnings::Warnings;

/// A filesystem made, with what it was made from. The layers' bytes have been given back while it
/// was written.
#[derive(Debug)]
pub struct Built {
    /// The image.
    pub image: Arc<Image>,
    /// What it shows.
    pub tree: Tree,
    /// What was planned.
    pub plan: Plan,
    /// What it is called.
    pub names: Names,
    /// The filesystem that it is laid out like, where it is like one.
    pub earlier: Option<EarlierFile>,
    /// What edits left out of what the layers show.
    pub left_out: LeftOut,
    /// Everything that was noticed on the way.
    pub warnings: Warnings,
    /// What was made.
    pub filesystem: FinishedFilesystem,
    /// The version of e2fsprogs that made and checked it, as mke2fs tells it: `1.47.0`.
    pub e2fsprogs_version: String,
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
    let place = Place::within(&image.reference, &image.open.reach)?;
    build_with(
        &place,
        image,
        filesystem,
        output,
        reporter,
        |output| Opened::at(place.clone(), &output.read_from(image), reporter),
        |opened, output| opened.read(None, &output.read_from(image), reporter),
    )
}

/// The same where the image is opened and its layers are read in another way, each once it is known
/// that the output can be written as far as that can be told: both are given what is written, which is
/// named in the image's words when the image is open.
pub(super) fn build_with(
    place: &Place,
    image: &ImageRequest,
    filesystem: &FilesystemRequest,
    output: &OutputRequest,
    reporter: &dyn Reporter,
    open: impl FnOnce(&OutputRequest) -> Result<Opened>,
    read: impl FnOnce(Opened, &OutputRequest) -> Result<Reading>,
) -> Result<Built> {
    let ready = Ready::new(place, &image.put_in(), filesystem, output, reporter)?;
    let opened = open(&ready.output)?;
    let ready = ready.named(place, &opened.image)?;
    let max_bytes = image.open.limits.max_bytes;
    let earlier = EarlierReading::begin(
        filesystem,
        &words(&opened.image),
        Some(&ready.output.path),
        max_bytes,
    )?;
    read(opened, &ready.output)?.press(filesystem, ready, earlier, reporter)
}

impl Reading {
    /// Presses what was read into a filesystem.
    ///
    /// # Errors
    /// See [`crate::Error`]. Nothing of it is left behind on an error, and other filesystems that are
    /// made of the same layers go on.
    pub fn build(
        self,
        filesystem: &FilesystemRequest,
        output: &OutputRequest,
        reporter: &dyn Reporter,
    ) -> Result<Built> {
        let ready = Ready::new(&self.place, &self.put_in, filesystem, output, reporter)?;
        let ready = ready.named(&self.place, &self.image)?;
        let max_bytes = self.limits.max_bytes;
        let earlier = EarlierReading::begin(
            filesystem,
            &words(&self.image),
            Some(&ready.output.path),
            max_bytes,
        )?;
        self.press(filesystem, ready, earlier, reporter)
    }

    fn press(
        self,
        filesystem: &FilesystemRequest,
        ready: Ready,
        earlier: Option<EarlierReading>,
        reporter: &dyn Reporter,
    ) -> Result<Built> {
        let output = &ready.output;
        // While the contents are all there.
        let tells_of_put_in = !self.put_in.is_empty()
            && output
                .beside
                .iter()
                .any(|beside| beside.document.tells_of_files());
        let put_in_digest = tells_of_put_in.then(|| put_in_digest(&self.layers));
        let put_in_digest = put_in_digest.transpose()?;
        let (laid_out, verifying) = self.plan(filesystem, earlier, reporter)?;
        let LaidOut {
            mut flattened,
            plan,
            earlier,
        } = laid_out;
        let Flattened { tree, contents, .. } = &flattened;
        if let Some(note) = &plan.sized.note {
            reporter.note(note);
        }
        // To verify the result, the contents are read again.
        let mut giving_back =
            (!output.finish.verify).then(|| giving_back(tree, contents, &verifying));
        let mut taken = |file: &ContentRef| {
            if let Some(giving_back) = &mut giving_back {
                giving_back.taken(file.origin, &file.content);
            }
        };
        // What is free stays a hole, and so does the journal.
        let geometry = &plan.sized.geometry;
        let unused = plan.free_blocks_after() + u64::from(geometry.journal_blocks);
        let needed = ByteSize((u64::from(geometry.blocks) - unused) * BLOCK_SIZE);
        let explained = |error| host_space::explained(error, &output.path, Some(needed));
        let populated = Ext::write(
            &plan,
            tree,
            contents,
            &ready.tools,
            &output.path,
            &mut taken,
            reporter,
        )
        .map_err(explained);
        let (populated, verifying) = verifying.unless_damaged(populated)?;
        // Stated by the image, as a rule; else the last byte has to be hashed before this.
        let names = Names::of(&flattened, &verifying, &filesystem.identity)?;
        let sealed = Ext::seal(populated, &names.identity, reporter).map_err(explained)?;
        // Nothing has a name yet that an earlier filesystem's change could make another.
        let earlier = earlier.map(EarlierReading::finish).transpose()?;
        let made_from = MadeFrom {
            plan: &plan,
            tree,
            contents,
            verifying,
        };
        let noticed = Mutex::new(Warnings::default());
        let known = Known {
            image: &flattened.image,
            tree,
            plan: &plan,
            names: &names,
            earlier: earlier.as_ref(),
            warnings: &flattened.warnings,
            put_in_digest: put_in_digest.as_ref(),
            proofs: &output.finish,
            e2fsprogs: &ready.tools.version,
            noticed: &noticed,
        };
        let wanted = Wanted {
            options: &output.finish,
            documents: known.documents(&output.beside),
            stream: output.stream.as_deref(),
            needed,
        };
        let filesystem = finish::<Ext>(sealed, made_from, &ready.tools, &wanted, reporter)?;
        drop(wanted);
        drop(giving_back);
        let noticed = noticed.into_inner().unwrap_or_else(PoisonError::into_inner);
        flattened.warnings.merge(noticed);
        Ok(Built {
            image: flattened.image,
            tree: flattened.tree,
            plan,
            names,
            earlier,
            left_out: flattened.left_out,
            warnings: flattened.warnings,
            filesystem,
            e2fsprogs_version: ready.tools.version.clone(),
        })
    }
}

fn giving_back<'a>(tree: &Tree, contents: &'a Contents, verifying: &Verifying) -> GivingBack<'a> {
    let mut giving_back = verifying.giving_back(contents);
    for (_, node) in tree.nodes() {
        if let NodeKind::Regular(file) = &node.kind {
            giving_back.want(file.origin, &file.content);
        }
    }
    giving_back
}
