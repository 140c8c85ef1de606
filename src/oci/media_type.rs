//! What a media type says, in the words of the OCI image-spec and of docker's schema 2.

/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's manifest list, the same thing as an index.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Docker's schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// An OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// What a descriptor points at, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A list of manifests.
    Index,
    /// The manifest of one image, or of an artifact that borrows the form.
    Manifest,
    /// Docker's first manifest format, which no image has needed since 2016.
    Schema1,
    /// Nothing that leads to an image.
    Other,
}

/// What a descriptor of media type `media_type` points at.
pub fn kind(media_type: &str) -> Kind {
    match media_type.to_ascii_lowercase().as_str() {
        OCI_INDEX | DOCKER_MANIFEST_LIST => Kind::Index,
        OCI_MANIFEST | DOCKER_MANIFEST => Kind::Manifest,
        "application/vnd.docker.distribution.manifest.v1+json"
        | "application/vnd.docker.distribution.manifest.v1+prettyjws" => Kind::Schema1,
        _ => Kind::Other,
    }
}

/// Whether a configuration of this type belongs to an image and not to some other artifact.
///
/// Besides the two proper types docker takes those that registries of before 2017 gave to
/// configurations (distribution's issue 1621), and one that says nothing.
pub fn is_image_config(media_type: &str) -> bool {
    matches!(
        media_type.to_ascii_lowercase().as_str(),
        OCI_CONFIG
            | DOCKER_CONFIG
            | "application/octet-stream"
            | "application/json"
            | "text/html"
            | ""
    )
}

/// What a layer's media type says about the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// A tar, plain or compressed by gzip or zstd.
    Tar,
    /// A tar that is not given away with the image but fetched from elsewhere.
    NonDistributableTar,
    /// Encrypted (ocicrypt's `+encrypted`).
    Encrypted,
    /// Nothing known.
    Unknown,
}

/// What kind of layer `media_type` names. It may lie about the compression; one that says nothing
/// is of an ordinary layer.
pub fn layer_kind(media_type: &str) -> LayerKind {
    let media_type = &media_type.to_ascii_lowercase();
    if media_type.ends_with("+encrypted") {
        return LayerKind::Encrypted;
    }
    let plain = ["+gzip", "+zstd", ".gzip", ".zstd"]
        .iter()
        .find_map(|suffix| media_type.strip_suffix(suffix))
        .unwrap_or(media_type);
    match plain {
        ""
        | "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.docker.image.rootfs.diff.tar" => LayerKind::Tar,
        "application/vnd.oci.image.layer.nondistributable.v1.tar"
        | "application/vnd.docker.image.rootfs.foreign.diff.tar" => LayerKind::NonDistributableTar,
        _ => LayerKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_an_images_by_what_docker_takes_for_one_and_no_artifacts() {
        for media_type in [
            OCI_CONFIG,
            DOCKER_CONFIG,
            "application/octet-stream",
            "application/json",
            "text/html",
            "",
        ] {
            assert!(is_image_config(media_type), "{media_type}");
        }
        for media_type in [
            "application/vnd.oci.empty.v1+json",
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.oci.image.config.v1+json+x",
            "text/plain",
        ] {
            assert!(!is_image_config(media_type), "{media_type}");
        }
    }

    #[test]
    fn layers_of_both_families_are_known_and_encrypted_ones_told_apart() {
        use LayerKind::{Encrypted, NonDistributableTar, Tar, Unknown};
        for (media_type, kind) in [
            ("application/vnd.oci.image.layer.v1.tar", Tar),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Tar),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Tar),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Tar),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                NonDistributableTar,
            ),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                NonDistributableTar,
            ),
            (
                "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
                Encrypted,
            ),
            ("application/vnd.in-toto+json", Unknown),
        ] {
            assert_eq!(layer_kind(media_type), kind, "{media_type}");
        }
    }
}
