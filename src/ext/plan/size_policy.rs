//! What the user says of the size.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::ext::profile::Profile;
use crate::units::{BLOCK_SIZE, ByteSize};

/// How large the filesystem is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizePolicy {
    /// So many hundredths of what `du` counts for the tree, as a script computes it from `du -sm`:
    /// usage in whole MiB, rounded up, times the percentage, divided by 100 without a rest. More
    /// only where that does not fit.
    Percent(u32),
    /// The smallest that holds the tree.
    Fit,
    /// The smallest that holds the tree and leaves so many bytes free for an ordinary user.
    FitPlus(ByteSize),
    /// Exactly so many bytes, rounded up to whole blocks.
    Exact(ByteSize),
}

/// The stack images' own rule.
impl Default for SizePolicy {
    fn default() -> Self {
        Self::Percent(107)
    }
}

impl SizePolicy {
    /// What `du -sm` tells of a tree of so many bytes by `du`: MiB, rounded up.
    pub fn usage_mebibytes(disk_usage_bytes: u64) -> u64 {
        disk_usage_bytes.div_ceil(MEBIBYTE)
    }

    /// The size in bytes that is asked for of such a tree, where it is not the smallest that holds it.
    pub fn asked_bytes(self, disk_usage_bytes: u64) -> Option<u64> {
        match self {
            Self::Percent(percent) => {
                let mebibytes = Self::usage_mebibytes(disk_usage_bytes);
                Some(mebibytes * u64::from(percent) / 100 * MEBIBYTE)
            }
            Self::Fit | Self::FitPlus(_) => None,
            Self::Exact(ByteSize(bytes)) => {
                Some(bytes.div_ceil(BLOCK_SIZE).saturating_mul(BLOCK_SIZE))
            }
        }
    }

    /// Refuses what no tree fits into and no filesystem of the profile can be, before anything is
    /// read.
    ///
    /// # Errors
    /// [`Error::TooSmall`], [`Error::Unsupported`].
    pub fn check(self, profile: &Profile) -> Result<()> {
        let (Self::Exact(ByteSize(bytes)) | Self::FitPlus(ByteSize(bytes))) = self else {
            return Ok(());
        };
        if bytes > BYTES_MAX {
            return Err(too_large(profile, &format!("--size {self}, {bytes} bytes")));
        }
        let smallest_bytes = u64::from(profile.min_blocks) * BLOCK_SIZE;
        if matches!(self, Self::Exact(_)) && bytes < smallest_bytes {
            return Err(Error::TooSmall {
                what: format!("a filesystem of {self}"),
                needed: format!("{smallest_bytes} bytes or more"),
                given: format!("{bytes} bytes"),
                help: format!(
                    "{}; --size fit takes the smallest that holds the image, and sizes have suffixes as in 100M",
                    below_min(profile)
                ),
            });
        }
        Ok(())
    }
}

impl fmt::Display for SizePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Fit => f.write_str("fit"),
            Self::FitPlus(size) => write!(f, "+{size}"),
            Self::Exact(size) => size.fmt(f),
        }
    }
}

impl FromStr for SizePolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "fit" {
            return Ok(Self::Fit);
        }
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.parse() {
                Ok(percent @ 1..=10_000) => Ok(Self::Percent(percent)),
                _ => Err(format!("'{text}' is not 1% to 10000%")),
            };
        }
        if let Some(size) = text.strip_prefix('+') {
            return size.parse().map(Self::FitPlus);
        }
        text.parse().map(Self::Exact).map_err(|error: String| {
            format!("{error}; or a percentage as in 107%, or fit, or +64M for so much free space")
        })
    }
}

const MEBIBYTE: u64 = 1 << 20;

/// The largest filesystem with blocks of 4 KiB: their numbers have 32 bits.
const BYTES_MAX: u64 = u32::MAX as u64 * BLOCK_SIZE;

/// Why there is nothing below a profile's fewest blocks.
pub(super) fn below_min(profile: &Profile) -> String {
    let smallest = ByteSize(u64::from(profile.min_blocks) * BLOCK_SIZE);
    if profile.features.has_journal() {
        format!(
            "below {smallest} mke2fs leaves the journal out (--fs ext2 and --fs ext4 --journal none go below)"
        )
    } else {
        format!("mke2fs makes no {} below {smallest}", profile.kind)
    }
}

/// What was found is beyond the largest filesystem.
pub(super) fn too_large(profile: &Profile, found: &str) -> Error {
    Error::unsupported(format!(
        "expected a filesystem of at most {BYTES_MAX} bytes (16 TiB less one block), found {found}: {} blocks of 4 KiB have 32-bit numbers",
        profile.kind
    ))
}
