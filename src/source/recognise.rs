//! What a bare path is, found out by looking at it.

use std::path::Path;

use super::archive;
use super::reference::Transport;
use super::tar_scan::{self, TarScan};
use crate::error::{Error, Result};
use crate::file_kind::{self, HEAD_BYTES};
use crate::limits::Limits;
use crate::region::FileRegion;

/// What a directory holds.
pub(super) fn directory(path: &Path) -> Result<Transport> {
    if path.join("oci-layout").is_file() {
        return Ok(Transport::Oci);
    }
    if path.join("manifest.json").is_file() {
        return Err(Error::unsupported(
            "a directory with a manifest.json but no oci-layout: `skopeo copy dir:PATH oci:DIRECTORY` turns a dir: image into a layout, and rootfs:PATH takes the directory itself as the root filesystem",
        ));
    }
    Ok(Transport::RootFs)
}

/// What an uncompressed file holds.
pub(super) fn file(region: &FileRegion, limits: &Limits) -> Result<Transport> {
    check_tar(region)?;
    let mut has_layout = false;
    let mut has_repositories = false;
    let mut scan = TarScan::new(region, limits);
    while let Some(member) = scan.next()? {
        match archive::resolve(b"", &member.name).as_deref() {
            Some(b"manifest.json") => return Ok(Transport::DockerArchive),
            Some(b"oci-layout") => has_layout = true,
            Some(b"repositories") => has_repositories = true,
            _ => {}
        }
    }
    if has_layout {
        return Ok(Transport::OciArchive);
    }
    if has_repositories {
        return Err(Error::unsupported(
            "an archive of docker before 1.10, without a manifest.json; `docker load` and `docker save` bring it up to date",
        ));
    }
    Ok(Transport::RootFs)
}

/// Refuses what is no tar, by its name where it has one.
pub(super) fn check_tar(region: &FileRegion) -> Result<()> {
    let length = usize::try_from(region.length_bytes).map_or(HEAD_BYTES, |len| len.min(HEAD_BYTES));
    let mut head = vec![0; length];
    region
        .read_exact_at(&mut head, 0)
        .map_err(|error| Error::io("cannot read the file", error))?;
    let is_tar = match head.first_chunk() {
        // An empty archive is nothing but zeros.
        Some(block) => tar_scan::is_header(block) || (length < HEAD_BYTES && is_zero(&head)),
        None => false,
    };
    if is_tar {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "{}, not a container image: expected a tar (docker save, an OCI archive, a root filesystem), perhaps compressed by gzip or zstd, or a directory",
        file_kind::name(&head)
    )))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
