//! How stored bytes are compressed, and what they are without: one rule for layers and archives.
//!
//! Members of gzip and frames of zstd may follow each other; zeros may follow the last member, and
//! nothing else. What is neither gzip nor zstd is taken as it is, or refused by name.

mod decompress;
mod encode;
mod exact;
mod gzip;
mod stored;
mod zstd;

pub use decompress::Decompressor;
pub use encode::{
    EncodeError, Encoding, EncodingForm, Frames, Piece, Streams, encode, encode_stream, frames,
};
pub use exact::decompress_zstd_into;
pub use stored::StoredBytes;

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::region::FileRegion;

/// The compressions that the OCI image specification knows (layer.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// zstd (RFC 8878).
    Zstd,
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What comes after the first byte of a zstd skippable frame; the first is 0x50 to 0x5f.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// Compressions that are sometimes asked for.
const OTHERS: [(&[u8], &str); 3] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    // Old lz4, as the kernel's build writes it.
    (b"\x02\x21\x4c\x18", "lz4"),
];
/// How bzip2 goes on after `BZh` and a digit, with a block or its end. Those letters alone could be
/// the start of a file's name.
const BZIP2: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];

/// How many of the first bytes tell.
pub const MAGIC_BYTES: usize = 10;

impl Compression {
    /// Tells the compression of what is at hand by its first bytes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a compression that images cannot have; read errors.
    pub fn detect(stored: &FileRegion) -> Result<Self> {
        let mut magic = [0; MAGIC_BYTES];
        let length = usize::try_from(stored.length_bytes)
            .map_or(MAGIC_BYTES, |length| length.min(MAGIC_BYTES));
        stored
            .read_exact_at(&mut magic[..length], 0)
            .map_err(|error| Error::io("cannot read the stored bytes", error))?;
        Self::of(&magic[..length])
    }

    /// Tells it by the first [`MAGIC_BYTES`], or by fewer where there are no more.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a compression that images cannot have.
    pub fn of(magic: &[u8]) -> Result<Self> {
        if let Some(name) = foreign(magic) {
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
    pub fn is_denied_by(self, media_type: &str) -> Result<bool> {
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

/// What images cannot be compressed with and these first [`MAGIC_BYTES`] are; the program that does
/// and undoes it has the same name.
pub fn foreign(magic: &[u8]) -> Option<&'static str> {
    let other = OTHERS.iter().find(|(mark, _)| magic.starts_with(mark));
    let is_bzip2 =
        matches!(magic, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if BZIP2.contains(&rest));
    other.map(|(_, name)| *name).or(is_bzip2.then_some("bzip2"))
}

/// Holds so many uncompressed bytes against the ceiling that their stored ones have.
///
/// # Errors
/// [`Error::BadImage`] where there are more.
pub fn check_expansion(stored_bytes: u64, expanded_bytes: u64, limits: &Limits) -> Result<()> {
    let most = stored_bytes
        .saturating_mul(limits.max_expansion)
        .max(limits.max_expansion_from);
    if expanded_bytes > most {
        return Err(Error::bad_image(format!(
            "expected at most {} uncompressed bytes for each of {stored_bytes} stored ones, found more (--max-expansion raises the limit)",
            limits.max_expansion
        )));
    }
    Ok(())
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
            (b"BZh9.tar\0\0", Compression::None),
            (b"BZh01AY&SY", Compression::None),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", Compression::Gzip),
            (b"\x28\xb5\x2f\xfd\x04\x58\0\0\0\0", Compression::Zstd),
            (b"\x5e\x2a\x4d\x18\x04\0\0\0\0\0", Compression::Zstd),
        ] {
            assert_eq!(Compression::of(magic).unwrap(), compression, "{magic:?}");
        }
    }

    // Archives once took any `BZh` with a digit for bzip2 and did not know lz4; layers knew the
    // highest level of bzip2 only.
    #[test]
    fn other_compressions_are_refused_by_name() {
        for (magic, name) in [
            (&b"\xfd7zXZ\0\0\x04\xe6\xd6"[..], "xz"),
            (b"BZh91AY&SY", "bzip2"),
            (b"BZh11AY&SY", "bzip2"),
            (b"BZh9\x17\x72\x45\x38\x50\x90", "bzip2"),
            (b"\x04\x22\x4d\x18\x64\x40\xa7\0\0\0", "lz4"),
            (b"\x02\x21\x4c\x18\0\0\0\0\0\0", "lz4"),
        ] {
            let error = Compression::of(magic).unwrap_err();
            assert_eq!(error.exit_code(), 5);
            assert!(error.to_string().contains(name), "{error}");
        }
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
