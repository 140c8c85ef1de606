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

/// What a tar that is to be taken as a root filesystem looks like instead: an image's archive. No
/// more is read than its first names, up to one that no such archive has.
pub(super) fn misnamed(region: &FileRegion, limits: &Limits) -> Result<Option<&'static str>> {
    let mut scan = TarScan::new(region, limits);
    let mut has_layout = false;
    while let Some(member) = scan.next()? {
        let Some(name) = archive::resolve(b"", &member.name) else {
            return Ok(None);
        };
        let first = name.split(|&byte| byte == b'/').next().unwrap_or(&name);
        match first {
            b"manifest.json" => return Ok(Some(DOCKER_ARCHIVE)),
            b"oci-layout" => has_layout = true,
            // ./ itself
            b"" | b"blobs" | b"index.json" | b"repositories" => {}
            _ if is_digest(first) => {}
            // As jib, bazel and their like call configurations and layers.
            _ if first == name && is_part(first) => {}
            _ => break,
        }
    }
    Ok(has_layout.then_some(LAYOUT_ARCHIVE))
}

const DOCKER_ARCHIVE: &str = "a docker archive (docker save) taken as a root filesystem; docker-archive: takes the image in it";
const LAYOUT_ARCHIVE: &str =
    "an OCI image layout taken as a root filesystem; oci-archive: takes the image in it";
const LAYOUT: &str = "an OCI image layout taken as a root filesystem; oci: takes the image in it";
const DIR_DIRECTORY: &str = "an image of skopeo's dir: taken as a root filesystem; `skopeo copy dir:PATH oci:DIRECTORY` makes a layout of it, and oci: takes the image in that";
const DOCKER_DIRECTORY: &str = "an unpacked docker archive (docker save) taken as a root filesystem; docker-archive: takes the image in its tar";

/// What a directory that is to be taken as a root filesystem looks like instead.
pub(super) fn misnamed_directory(path: &Path) -> Option<&'static str> {
    let has = |name: &str| path.join(name).is_file();
    if has("oci-layout") && has("index.json") {
        return Some(LAYOUT);
    }
    let is_root = ["bin", "etc", "usr", "dev"].map(|name| path.join(name).exists());
    if !has("manifest.json") || is_root.contains(&true) {
        return None;
    }
    Some(if has("version") {
        DIR_DIRECTORY
    } else {
        DOCKER_DIRECTORY
    })
}

fn is_part(name: &[u8]) -> bool {
    let endings: [&[u8]; 4] = [b".json", b".tar", b".tar.gz", b".tgz"];
    endings.iter().any(|ending| name.ends_with(ending))
}

/// `HEX`, `HEX.json`, `HEX.tar.gz` and `sha256:HEX`, as archives name what is in them.
fn is_digest(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"sha256:").unwrap_or(name);
    let end = name.iter().position(|&byte| byte == b'.');
    let hex = &name[..end.unwrap_or(name.len())];
    hex.len() == 64 && hex.iter().all(u8::is_ascii_hexdigit)
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
    Err(Error::bad_image(format!(
        "{}, not a container image: expected a tar (docker save, an OCI archive, a root filesystem), perhaps compressed by gzip or zstd, or a directory",
        file_kind::name(&head)
    )))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
