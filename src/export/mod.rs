//! The way back: what a filesystem holds as one layer of a container image.
//!
//! [`write_layer`] writes a changeset (OCI image-spec, layer.md): all of a filesystem, or what in it
//! differs from a base, which is another image's flattened tree. Whoever applies it to the base, be it
//! entry by entry or as a directory of its own that overlayfs merges, gets the filesystem's tree.

mod changes;
mod compared;
mod layer;
mod names;

use std::io::Write;

use changes::Changes;
use compared::Comparer;
use layer::LayerWriter;
use names::Names;

use crate::error::Result;
use crate::filesystem::{Filesystem, Normalise};
use crate::layers::Contents;
use crate::listing::Attribute;
use crate::ondisk::xattr::is_note;
use crate::progress::{Phase, Reporter, Task};
use crate::tree::Tree;
use crate::units::LOST_FOUND;
use crate::view::View;
use crate::warnings::Warnings;

/// What a layer lies upon: an image, flattened.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// What it shows.
    pub tree: &'a Tree,
    /// Its layers' bytes.
    pub contents: &'a Contents,
    /// What the filesystem could keep of each of its nodes, so that what it could not is no change.
    normalise: Normalise,
}

impl<'a> Base<'a> {
    /// A tree that was, or could have been, pressed into a filesystem of this family.
    pub fn of<F: Filesystem>(tree: &'a Tree, contents: &'a Contents) -> Self {
        Self {
            tree,
            contents,
            normalise: F::normalise,
        }
    }
}

/// What is wanted of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerOptions {
    /// Whether the flags that chattr sets are written (`SCHILY.fflags`) and compared; else those
    /// there are are counted in a warning. A base must have been flattened with the same choice.
    pub file_flags: bool,
}

/// What a layer holds, and what it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Names with an entry: what is new or differs, and the directories above it and above
    /// whiteouts. Whiteouts are not among them.
    pub entries: u64,
    /// Names of the base that are hidden one by one.
    pub whiteouts: u64,
    /// Directories of the base of which all names are hidden.
    pub opaque: u64,
    /// Bytes of the tar, its end included.
    pub tar_bytes: u64,
    /// Whether mke2fs's own `lost+found`, empty, was left out.
    pub left_out_lost_found: bool,
    /// Sockets, which no tar can hold; each has its count in `warnings`, too.
    pub left_out_sockets: u64,
    /// Everything that is not, or not quite, as it is in the filesystem.
    pub warnings: Warnings,
}

impl Exported {
    /// Whether the filesystem's tree is the base's: a layer that changes nothing.
    pub fn is_empty(&self) -> bool {
        self.entries + self.whiteouts + self.opaque == 0
    }
}

/// Writes the layer that makes `base`, or nothing at all, into what `view` holds: an uncompressed
/// tar. Each file's content is read once, and once more where it is compared; the same filesystem and
/// base give the same bytes.
///
/// # Errors
/// [`crate::Error::Unsupported`] for a name that begins with `.wh.`, with its path: an entry of that name
/// would hide others. [`crate::Error::BadImage`] where the filesystem's journal holds changes that are not
/// in their places yet, and for a filesystem that is damaged; what of it cannot be read is told as
/// [`View`] tells it. [`crate::Error::Io`] where it, the base or the output cannot be read or written.
pub fn write_layer(
    view: &View,
    base: Option<&Base<'_>>,
    options: &LayerOptions,
    output: &mut dyn Write,
    reporter: &dyn Reporter,
) -> Result<Exported> {
    view.expect_recovered()?;
    let mut exported = Exported::default();
    let names = Names::of(view, base.map(|base| base.tree), &mut exported)?;
    let changes = match base {
        None => Changes::all(&names),
        Some(base) => {
            let meter = reporter.begin(Task::bytes(Phase::Export, "compare with the base", None));
            let warnings = &mut exported.warnings;
            let mut comparer = Comparer::new(view, base, options, &*meter, warnings);
            let changes = Changes::of(&names, &mut comparer)?;
            meter.finish("compared");
            changes
        }
    };
    let meter = reporter.begin(Task::bytes(Phase::Export, "write the layer", None));
    LayerWriter::new(view, options, output, &*meter, &mut exported).write_all(&names, &changes)?;
    meter.finish("written");
    Ok(exported)
}

/// What of an inode's attributes is a part of a layer: without what a build notes in `lost+found` and
/// what describes some machine's overlay mount, as every layer is read.
fn exported_xattrs(path: &[u8], xattrs: &[Attribute], warnings: &mut Warnings) -> Vec<Attribute> {
    let mut is_exported = |xattr: &&Attribute| {
        let overlays: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
        let is_overlay = overlays.iter().any(|prefix| xattr.name.starts_with(prefix));
        if is_overlay {
            warnings.count("overlayfs extended attributes left out", path);
        }
        let is_own_note = path == LOST_FOUND && is_note(&xattr.name);
        !is_overlay && !is_own_note
    };
    let exported = xattrs.iter().filter(|xattr| is_exported(xattr));
    exported.cloned().collect()
}
