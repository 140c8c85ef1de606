//! Whiteouts by their names (OCI image-spec, layer.md, "Whiteouts").

use crate::error::{Error, Result};

/// What an entry's last component says about other entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhiteoutName<'a> {
    /// Nothing: a name like any other.
    None,
    /// `.wh.NAME`: the lower layers' NAME is not there.
    Whiteout(&'a [u8]),
    /// `.wh..wh..opq`: nothing of the lower layers is in this directory.
    Opaque,
    /// Any other `.wh..wh.*`: aufs' own bookkeeping, no part of the image.
    Metadata,
}

/// What every whiteout's name begins with.
pub const PREFIX: &[u8] = b".wh.";
const METADATA_PREFIX: &[u8] = b".wh..wh.";
/// `.wh..wh..opq`.
pub const OPAQUE: &[u8] = b".wh..wh..opq";

impl<'a> WhiteoutName<'a> {
    /// Reads a path's last component and looks at those before it.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a whiteout of nothing, of `.` or of `..`, and for an entry below
    /// a whiteout: one engine would make a directory of that name, another would not.
    pub fn of(directory: &[u8], name: &'a [u8]) -> Result<Self> {
        for above in directory.split(|byte| *byte == b'/') {
            if above.starts_with(METADATA_PREFIX) && above != OPAQUE {
                return Ok(Self::Metadata);
            }
            if above.starts_with(PREFIX) {
                return Err(Error::bad_image(format!(
                    "expected nothing below a whiteout, found an entry below {}",
                    crate::error::escape_path(above)
                )));
            }
        }
        if name == OPAQUE {
            return Ok(Self::Opaque);
        }
        if name.starts_with(METADATA_PREFIX) {
            return Ok(Self::Metadata);
        }
        match name.strip_prefix(PREFIX) {
            None => Ok(Self::None),
            Some(b"" | b"." | b"..") => Err(Error::bad_image(
                "expected a whiteout to name a file, found one of nothing, '.' or '..'",
            )),
            Some(hidden) => Ok(Self::Whiteout(hidden)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_are_told_from_names_that_only_look_like_them() {
        for (name, meaning) in [
            (&b".wh.a"[..], WhiteoutName::Whiteout(b"a")),
            (b".wh....", WhiteoutName::Whiteout(b"...")),
            (b".wh..a", WhiteoutName::Whiteout(b".a")),
            (b".wh..wh", WhiteoutName::Whiteout(b".wh")),
            (b".wh..wh..opq", WhiteoutName::Opaque),
            (b".wh..wh..opqx", WhiteoutName::Metadata),
            (b".wh..wh.plnk", WhiteoutName::Metadata),
            (b".wh", WhiteoutName::None),
            (b"a.wh.b", WhiteoutName::None),
        ] {
            assert_eq!(WhiteoutName::of(b"d", name).unwrap(), meaning, "{name:?}");
        }
        for name in [&b".wh."[..], b".wh..", b".wh..."] {
            assert!(WhiteoutName::of(b"", name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn below_bookkeeping_everything_is_bookkeeping_and_below_a_whiteout_nothing_may_be() {
        assert_eq!(
            WhiteoutName::of(b".wh..wh.plnk", b"1.2").unwrap(),
            WhiteoutName::Metadata
        );
        assert!(WhiteoutName::of(b"a/.wh.b", b"c").is_err());
        assert!(WhiteoutName::of(b"a/.wh..wh..opq", b"c").is_err());
    }
}
