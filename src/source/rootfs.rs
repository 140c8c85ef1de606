//! A flat root filesystem as an image of one layer.

use super::image::{Image, LayerBlob};
use super::parts::Wanted;
use super::spooler::{self, Spooled};
use crate::blobs::StoredBlob;
use crate::error::Result;
use crate::oci::{DiffId, ImageConfig, RootFs};
use crate::progress::Reporter;
use crate::warnings::Warnings;

/// The image that a flat tar makes. Its only layer is the tar, in which `.wh.` names mean nothing.
pub(super) fn image(
    tar: Spooled,
    reference: &str,
    wanted: &Wanted,
    reporter: &dyn Reporter,
    warnings: Warnings,
) -> Result<Image> {
    let digest = match tar.sha256 {
        Some(digest) => digest,
        None => spooler::sha256(&tar.region, reference, reporter)?,
    };
    let platform = wanted.platform.clone();
    Ok(Image {
        reference: reference.to_owned(),
        manifest_digest: None,
        config_digest: None,
        config: ImageConfig {
            os: platform.os().to_owned(),
            architecture: platform.architecture().to_owned(),
            variant: platform.variant().map(str::to_owned),
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: vec![digest.clone()],
            },
            ..ImageConfig::default()
        },
        platform,
        created: None,
        layers: vec![LayerBlob {
            diff_id: DiffId(digest),
            is_hashed: true,
            digest: None,
            media_type: None,
            stored: StoredBlob::AtHand(tar.region),
            whiteouts: false,
        }],
        downloads: None,
        warnings,
    })
}
