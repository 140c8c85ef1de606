//! Directories that a running system mounts things on.

use crate::error::Result;
use crate::tree::flattening::Flattening;
use crate::tree::frozen::Attributes;
use crate::tree::growing::{Children, GrowingKind, Slot, implied_attributes};

/// Each with the mode it has on every system.
const MOUNT_POINTS: [(&[u8], u16); 5] = [
    (b"dev", 0o755),
    (b"proc", 0o555),
    (b"sys", 0o555),
    (b"run", 0o755),
    (b"tmp", 0o1777),
];

/// Makes those that nothing stands in the place of.
///
/// # Errors
/// [`crate::Error::BadImage`] for more entries than the limit.
pub(super) fn make(flattening: &mut Flattening<'_>) -> Result<()> {
    for (name, mode) in MOUNT_POINTS {
        if flattening.tree.child(Slot::ROOT, name).is_some() {
            continue;
        }
        let attributes = Attributes {
            mode,
            ..implied_attributes(flattening.options.default_time)
        };
        let kind = GrowingKind::Directory(Children::new());
        let layer = flattening.layer;
        flattening
            .tree
            .make(Slot::ROOT, name, attributes, kind, layer)?;
    }
    Ok(())
}
