//! What a bare path is, found out by looking at it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::archive;
use super::reference::Transport;
use super::spooler::Spooled;
use crate::error::{Error, Result, escape_path, shell_word};
use crate::file_kind::{self, HEAD_BYTES};
use crate::limits::Limits;
use crate::region::FileRegion;
use crate::tar::{self, Reader};

/// What a directory holds.
pub(super) fn directory(path: &Path) -> Result<Transport> {
    if is_layout(path) {
        return Ok(Transport::Oci);
    }
    if path.join("manifest.json").is_file() {
        return Err(Error::unsupported(
            "a directory with a manifest.json but no oci-layout: `skopeo copy dir:PATH oci:DIRECTORY` turns a dir: image into a layout, and rootfs:PATH takes the directory itself as the root filesystem",
        ));
    }
    Ok(Transport::RootFs)
}

/// Whether a directory is a layout: by the file that says so, or by all else that a layout has.
/// BuildKit left that file out for years (`type=oci,tar=false`), and skopeo and crane do not ask
/// for it.
fn is_layout(path: &Path) -> bool {
    let has_blobs = || path.join("blobs/sha256").is_dir() || path.join("blobs/sha512").is_dir();
    path.join("oci-layout").is_file() || (path.join("index.json").is_file() && has_blobs())
}

/// What is in a tar, by the names of its members.
#[derive(Default)]
struct Contents {
    has_manifest: bool,
    has_layout: bool,
    has_index: bool,
    has_blobs: bool,
    has_repositories: bool,
    /// Files that docker archives have beside their manifest.
    has_parts: bool,
}

impl Contents {
    fn add(&mut self, name: &[u8]) {
        match name {
            b"manifest.json" => self.has_manifest = true,
            b"oci-layout" => self.has_layout = true,
            b"index.json" => self.has_index = true,
            b"repositories" => self.has_repositories = true,
            _ if name.starts_with(b"blobs/sha256/") || name.starts_with(b"blobs/sha512/") => {
                self.has_blobs = true;
            }
            _ => self.has_parts |= name.ends_with(b".tar") || is_digest(name),
        }
    }

    fn is_layout(&self) -> bool {
        self.has_layout || (self.has_index && self.has_blobs)
    }
}

/// What an uncompressed file holds.
pub(super) fn file(tar: &Spooled, asked: Asked, limits: &Limits) -> Result<Transport> {
    check_unnamed_tar(tar, asked)?;
    let region = &tar.region;
    let mut contents = Contents::default();
    // What the one directory has in it that all else is in.
    let mut inner = Some((None, Contents::default()));
    let mut reader = Reader::in_place(region, limits);
    while let Some(entry) = reader.next_entry()? {
        let Some(name) = archive::resolve(b"", &entry.path) else {
            continue;
        };
        contents.add(&name);
        if contents.has_manifest {
            return Ok(Transport::DockerArchive);
        }
        add_inner(&mut inner, &name);
    }
    if contents.is_layout() {
        return Ok(Transport::OciArchive);
    }
    if let Some((Some(directory), inner)) = inner {
        refuse_inner(&directory, &inner)?;
    }
    if contents.has_repositories {
        return Err(Error::unsupported(
            "an archive of docker before 1.10, without a manifest.json; `docker load` and `docker save` bring it up to date",
        ));
    }
    Ok(Transport::RootFs)
}

fn add_inner(inner: &mut Option<(Option<Vec<u8>>, Contents)>, name: &[u8]) {
    let Some((directory, contents)) = inner else {
        return;
    };
    // `./` itself is in no directory.
    let mut components = name.splitn(2, |&byte| byte == b'/');
    let first = components.next().unwrap_or_default();
    if first.is_empty() {
        return;
    }
    if directory.get_or_insert_with(|| first.to_vec()) != first {
        *inner = None;
    } else if let Some(rest) = components.next() {
        contents.add(rest);
    }
}

/// Refuses a tar of a directory with an image in it, as `tar cf x.tar image/` makes one: as a root
/// filesystem it would be of no use to anybody.
fn refuse_inner(directory: &[u8], inner: &Contents) -> Result<()> {
    let typed = shell_word(OsStr::from_bytes(directory));
    let directory = escape_path(directory);
    let what = if inner.is_layout() {
        "an OCI image layout"
    } else if inner.has_manifest && (inner.has_repositories || inner.has_parts) {
        "an unpacked docker archive (docker save)"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(format!(
        "{what} in the directory {directory} of a tar: expected it at the tar's top, as `tar -C {typed} -cf TAR .` packs it; rootfs:PATH takes the tar as a root filesystem all the same"
    )))
}

/// What a tar that is to be taken as names of files looks like instead: an image's archive. No
/// more is read than its first names, up to one that no such archive has.
pub(super) fn misnamed(region: &FileRegion, limits: &Limits) -> Result<Option<Misnamed>> {
    let mut reader = Reader::in_place(region, limits);
    let mut contents = Contents::default();
    while let Some(entry) = reader.next_entry()? {
        let Some(name) = archive::resolve(b"", &entry.path) else {
            return Ok(None);
        };
        contents.add(&name);
        let first = name.split(|&byte| byte == b'/').next().unwrap_or(&name);
        match first {
            b"manifest.json" => return Ok(Some(DOCKER_ARCHIVE)),
            // ./ itself
            b"" | b"blobs" | b"oci-layout" | b"index.json" | b"repositories" => {}
            _ if is_digest(first) => {}
            // As jib, bazel and their like call configurations and layers.
            _ if first == name && is_part(first) => {}
            _ => break,
        }
    }
    Ok(contents.is_layout().then_some(LAYOUT_ARCHIVE))
}

/// An image where names of files are expected, as a warning says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misnamed {
    /// Of what is taken as a root filesystem.
    pub as_root: &'static str,
    /// Of what is put in.
    pub as_put_in: &'static str,
}

/// What it is, and what takes the image in it as a root filesystem's warning and as an overlay's.
macro_rules! misnamed {
    ($what:literal, $root:literal, $put_in:literal) => {
        Misnamed {
            as_root: concat!($what, " taken as a root filesystem; ", $root),
            as_put_in: concat!($what, " put in as the files it consists of; ", $put_in),
        }
    };
}

const DOCKER_ARCHIVE: Misnamed = misnamed!(
    "a docker archive (docker save)",
    "docker-archive: takes the image in it",
    "`extract docker-archive:PATH -o TAR` makes an overlay of what the image in it shows"
);
const LAYOUT_ARCHIVE: Misnamed = misnamed!(
    "an OCI image layout",
    "oci-archive: takes the image in it",
    "`extract oci-archive:PATH -o TAR` makes an overlay of what the image in it shows"
);
const LAYOUT: Misnamed = misnamed!(
    "an OCI image layout",
    "oci: takes the image in it",
    "`extract oci:PATH -o TAR` makes an overlay of what the image in it shows"
);
const DIR_DIRECTORY: Misnamed = misnamed!(
    "an image of skopeo's dir:",
    "`skopeo copy dir:PATH oci:DIRECTORY` makes a layout of it, and oci: takes the image in that",
    "`skopeo copy dir:PATH oci:DIRECTORY` makes a layout of it, and `extract oci:DIRECTORY -o TAR` an overlay of what the image in that shows"
);
const DOCKER_DIRECTORY: Misnamed = misnamed!(
    "an unpacked docker archive (docker save)",
    "docker-archive: takes the image in its tar",
    "`extract docker-archive:PATH -o TAR` makes an overlay of what the image in its tar shows"
);

/// What a directory that is to be taken as names of files looks like instead.
pub(super) fn misnamed_directory(path: &Path) -> Option<Misnamed> {
    let has = |name: &str| path.join(name).is_file();
    if is_layout(path) && has("index.json") {
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

/// What a file was asked for, and as what it was named.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// Whether a filesystem would do, too.
    pub or_filesystem: bool,
    pub is_standard_input: bool,
}

/// Refuses what is no tar, by its name where it has one. A tar of nothing is zeros, and one where it
/// is said that it is a tar.
pub(super) fn check_tar(tar: &Spooled, asked: Asked) -> Result<()> {
    match other_than_tar(&tar.region)? {
        None => Ok(()),
        Some(head) => Err(no_tar(tar, &head, asked)),
    }
}

/// The same of what is laid over an image, and is none itself.
///
/// # Errors
/// [`Error::BadImage`] for what does not begin as a tar does.
pub(super) fn check_overlay(tar: &Spooled) -> Result<()> {
    match other_than_tar(&tar.region)? {
        None => Ok(()),
        Some(head) => Err(Error::bad_image(format!(
            "expected a directory, or a tar, perhaps compressed by gzip or zstd, found {}",
            name(tar, &head)
        ))),
    }
}

/// How what is no tar begins.
fn other_than_tar(region: &FileRegion) -> Result<Option<Vec<u8>>> {
    let head = head(region)?;
    Ok(Some(head).filter(|head| !is_header(head) && !is_empty_tar(head)))
}

/// The same where nobody has said so: zeros could be anything then.
fn check_unnamed_tar(tar: &Spooled, asked: Asked) -> Result<()> {
    let head = head(&tar.region)?;
    if is_header(&head) {
        return Ok(());
    }
    let error = no_tar(tar, &head, asked);
    Err(if is_empty_tar(&head) {
        error.with_more(" (`rootfs:` takes a tar of nothing as an empty root filesystem)")
    } else {
        error
    })
}

fn head(region: &FileRegion) -> Result<Vec<u8>> {
    let length = usize::try_from(region.length_bytes).map_or(HEAD_BYTES, |len| len.min(HEAD_BYTES));
    let mut head = vec![0; length];
    region
        .read_exact_at(&mut head, 0)
        .map_err(|error| Error::io("cannot read the file", error))?;
    Ok(head)
}

fn is_header(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(tar::is_header)
}

fn is_empty_tar(head: &[u8]) -> bool {
    (512..HEAD_BYTES).contains(&head.len()) && is_zero(head)
}

/// What it is; of a disk with where in it a filesystem is, if that is where it can be looked into.
fn name(tar: &Spooled, head: &[u8]) -> String {
    let region = &tar.region;
    match tar.is_in_place {
        true => file_kind::name_in_place(&region.file, head, region.offset_bytes),
        false => file_kind::name(head),
    }
}

fn no_tar(tar: &Spooled, head: &[u8], asked: Asked) -> Error {
    let name = name(tar, head);
    let is_ext = file_kind::is_ext(head);
    Error::bad_image(match (asked.or_filesystem, is_ext) {
        // One that is named by its path was recognised before.
        (true, true) if asked.is_standard_input || !tar.is_in_place => format!(
            "expected a container image, found {name}: a filesystem is not read from standard input or a pipe, but by its path"
        ),
        (true, true) => format!(
            "expected a container image, found {name}: a filesystem is named by its path alone"
        ),
        (true, false) if asked.is_standard_input => format!(
            "expected a container image (a tar, perhaps compressed by gzip or zstd), found {name}; a filesystem is not read from standard input, but by its path"
        ),
        (true, false) => format!(
            "expected an ext2, ext3 or ext4 filesystem or a container image (a tar, perhaps compressed by gzip or zstd, or a directory), found {name}"
        ),
        (false, _) => {
            let help = match is_ext {
                true => {
                    " (`ls`, `cat`, `stat`, `extract` and `inspect` look into a filesystem as it is, which `gzip -d` or `zstd -d` unpacks where it is compressed)"
                }
                false => "",
            };
            format!(
                "{name}, not a container image: expected a tar (docker save, an OCI archive, a root filesystem), perhaps compressed by gzip or zstd, or a directory{help}"
            )
        }
    })
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
