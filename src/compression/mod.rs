//! How a blob is compressed: what its first bytes say, and what its media type claims.

use crate::error::{Error, Result};
use crate::region::FileRegion;

/// The compressions that the OCI image specification knows (layer.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What comes after the first byte of a zstd skippable frame; the first is 0x50 to 0x5f.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// Compressions that are sometimes asked for. The bzip2 mark includes its first block's, since
/// the letters at its start could be a file's name.
const OTHERS: [(&[u8], &str); 3] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh91AY&SY", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
];

/// How many of the first bytes tell.
pub(super) const MAGIC_BYTES: usize = 10;

impl Compression {
    /// Tells the compression by the stored bytes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a compression that layers cannot have; read errors.
    pub(super) fn detect(stored: &FileRegion) -> Result<Self> {
        let mut magic = [0; MAGIC_BYTES];
        let length = stored.length_bytes.min(magic.len() as u64) as usize;
        stored
            .read_exact_at(&mut magic[..length], 0)
            .map_err(|error| Error::io("cannot read the layer's stored bytes", error))?;
        Self::of(&magic[..length])
    }

    fn of(magic: &[u8]) -> Result<Self> {
        if let Some((_, name)) = OTHERS.iter().find(|(mark, _)| magic.starts_with(mark)) {
            return Err(Error::unsupported(format!(
                "{name} compression: expected none, gzip or zstd"
            )));
        }
        let skippable = magic.first().is_some_and(|byte| byte & 0xf0 == 0x50)
            && magic[1..].starts_with(ZSTD_SKIPPABLE);
        Ok(if magic.starts_with(GZIP) {
            Self::Gzip
        } else if magic.starts_with(ZSTD) || skippable {
            Self::Zstd
        } else {
            Self::None
        })
    }

    /// Whether a media type names another compression than this. Types that are not known claim
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an encrypted layer.
    pub(super) fn is_denied_by(self, media_type: &str) -> Result<bool> {
        if media_type.ends_with("+encrypted") {
            return Err(Error::unsupported(format!(
                "an encrypted layer ({media_type}): expected one decrypted before"
            )));
        }
        let claimed = if media_type.ends_with(".tar") {
            Self::None
        } else if media_type.ends_with(".tar+gzip") || media_type.ends_with(".tar.gzip") {
            Self::Gzip
        } else if media_type.ends_with(".tar+zstd") || media_type.ends_with(".tar.zstd") {
            Self::Zstd
        } else {
            return Ok(false);
        };
        Ok(claimed != self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compression_is_told_by_the_first_bytes() {
        for (magic, compression) in [
            (&b""[..], Compression::None),
            (b"\x1f", Compression::None),
            (b"usr/\0\0\0\0\0\0", Compression::None),
            (b"BZhello\0\0\0", Compression::None),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", Compression::Gzip),
            (b"\x28\xb5\x2f\xfd\x04\x58\0\0\0\0", Compression::Zstd),
            (b"\x5e\x2a\x4d\x18\x04\0\0\0\0\0", Compression::Zstd),
        ] {
            assert_eq!(Compression::of(magic).unwrap(), compression, "{magic:?}");
        }
    }

    #[test]
    fn other_compressions_are_refused_by_name() {
        let error = Compression::of(b"\xfd7zXZ\0\0\x04\xe6\xd6").unwrap_err();
        assert!(error.to_string().contains("xz"), "{error}");
        assert!(Compression::of(b"BZh91AY&SY").is_err());
    }

    #[test]
    fn a_media_type_is_believed_about_nothing_but_itself() {
        let denied =
            |compression: Compression, media_type: &str| compression.is_denied_by(media_type);
        let oci = "application/vnd.oci.image.layer.v1.tar";
        assert!(!denied(Compression::None, oci).unwrap());
        assert!(denied(Compression::Gzip, oci).unwrap());
        assert!(denied(Compression::Gzip, &format!("{oci}+zstd")).unwrap());
        assert!(!denied(Compression::Zstd, &format!("{oci}+zstd")).unwrap());
        let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        assert!(denied(Compression::None, docker).unwrap());
        assert!(!denied(Compression::Zstd, "application/octet-stream").unwrap());
        assert!(denied(Compression::Gzip, &format!("{oci}+gzip+encrypted")).is_err());
    }
}
