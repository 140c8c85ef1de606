//! What a name without a transport means where no file is called so.
//!
//! A path that is not there must never become a stranger's image: whoever mistypes
//! `out/stack.tar` must not be given what somebody has put at `docker.io/out/stack.tar`. So a bare
//! name is asked of a registry only where it can hardly be meant as a path:
//!
//! - it has a host, `HOST/NAME`: `localhost`, one with a port, an IP address, or one that ends with
//!   a domain (`ghcr.io`, not `v1.2`); or it is a single word, `debian:12`, which means one of the
//!   images that docker itself looks after (`docker.io/library`);
//! - and it has no ending as files have: behind a host none of archives and disk images, and in a
//!   single word none at all;
//! - and what stands before its first slash is nothing in this directory;
//! - and what stands before its first colon is no transport, ours or others', is not typed almost
//!   like one and does not begin as a family of them does (`oci-`).
//!
//! All else is an error that names `docker://`, which says that a registry is meant. What is there
//! is never taken for something else, be it a link to nowhere or a file that may not be read.

use std::io::ErrorKind;
use std::path::Path;

use rustix::io::Errno;

use super::reference::Reference;
use super::transport_word::check_transport;
use crate::daemon::{self, DaemonOptions, Has};
use crate::error::{Error, Result, escape_path};
use crate::oci::is_loopback;

/// Endings of what people keep images and filesystems in.
const FILE_ENDINGS: [&str; 36] = [
    "7z", "bin", "bz2", "cpio", "deb", "dir", "erofs", "ext2", "ext3", "ext4", "gz", "image",
    "img", "iso", "json", "lz4", "oci", "qcow2", "raw", "rootfs", "rpm", "sfs", "sha256", "sif",
    "sqfs", "squashfs", "tar", "tbz2", "tgz", "txz", "tzst", "vhd", "vmdk", "xz", "zip", "zst",
];

/// Whether anything is called `path`, whatever it is and whoever may read it.
pub(super) fn is_there(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            ErrorKind::NotFound
                | ErrorKind::NotADirectory
                | ErrorKind::InvalidFilename
                | ErrorKind::InvalidInput
        ),
    }
}

/// Refuses a bare name that could be a path or a mistyped transport, where no such file `exists`.
///
/// # Errors
/// [`Error::Io`] for a path that is not there, [`Error::Unsupported`] for a transport that is none;
/// both with what says what is meant.
pub(super) fn check(text: &str, exists: impl Fn(&Path) -> bool) -> Result<()> {
    check_transport(text, &exists)?;
    let Some(why) = looks_like_path(text, exists) else {
        return Ok(());
    };
    let shown = escape_path(text.as_bytes());
    let in_daemon = match file_ending_of(text) {
        Some(_) => String::new(),
        None => format!(", docker-daemon:{shown} one of a docker daemon"),
    };
    Err(Error::io(
        format!(
            "cannot open {shown} ({why}; docker://{shown} means the image of a registry{in_daemon})"
        ),
        Errno::NOENT.into(),
    ))
}

/// What a registry did not give by a bare name may have been meant as a file, or as an image of a
/// daemon here, which is asked now and not before.
pub(super) fn meant_otherwise(
    error: Error,
    reference: &Reference,
    daemon: &DaemonOptions,
) -> Error {
    if !matches!(error, Error::Io { .. } | Error::Network { .. }) {
        return error;
    }
    let hint = match daemon::has(&reference.details.to_string_lossy(), daemon) {
        Has::Yes => format!("; the docker daemon here has it: docker-daemon:{reference}"),
        Has::Unknown => {
            format!("; a docker daemon here may have it: docker-daemon:{reference}")
        }
        Has::No => String::new(),
    };
    let more = |what| format!("no such file as {reference}, and as docker://{reference}: {what}");
    let error = match error {
        Error::Io { what, source } => Error::Io {
            what: more(what),
            source,
        },
        Error::Network { what, source } => Error::Network {
            what: more(what),
            source,
        },
        other => other,
    };
    error.with_more(&hint)
}

/// Why a name may be a path, where it may.
fn looks_like_path(text: &str, exists: impl Fn(&Path) -> bool) -> Option<String> {
    let name = text.split('@').next().unwrap_or(text);
    if let Some(ending) = file_ending_of(text) {
        return Some(format!("names of files end with .{ending}"));
    }
    let Some((first, _)) = name.split_once('/') else {
        let word = name.split(':').next().unwrap_or(name);
        return word
            .contains('.')
            .then(|| "names of files have endings".to_owned());
    };
    let shown = escape_path(first.as_bytes());
    if exists(Path::new(first)) {
        return Some(format!("{shown} is here, so that it is taken for a path"));
    }
    let has_host = is_host(first);
    (!has_host).then(|| format!("{shown} is no registry's host, so that it is taken for a path"))
}

/// The ending that files have, of any component of a name.
fn file_ending_of(text: &str) -> Option<&str> {
    let name = text.split('@').next().unwrap_or(text);
    name.rsplit(['/', ':']).find_map(file_ending)
}

fn file_ending(component: &str) -> Option<&str> {
    let (stem, ending) = component.rsplit_once('.')?;
    let is_known = FILE_ENDINGS.contains(&ending.to_ascii_lowercase().as_str());
    (is_known && !stem.is_empty()).then_some(ending)
}

/// Whether a name's first component can hardly be anything but a registry's host.
fn is_host(first: &str) -> bool {
    if is_loopback(first) || first.contains(':') {
        return true;
    }
    let is_number = |part: &str| part.parse::<u8>().is_ok();
    if first.split('.').count() == 4 && first.split('.').all(is_number) {
        return true;
    }
    let domain = first.rsplit_once('.').map(|(_, domain)| domain);
    domain.is_some_and(|domain| {
        (domain.len() >= 2 && domain.bytes().all(|byte| byte.is_ascii_alphabetic()))
            || domain.starts_with("xn--")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, existing: &[&str]) -> Option<String> {
        let exists = |path: &Path| existing.iter().any(|own| Path::new(own) == path);
        check(text, exists).err().map(|error| error.to_string())
    }

    #[test]
    fn a_registry_is_asked_for_docker_s_own_images_and_for_names_with_a_host_only() {
        for name in [
            "debian",
            "debian:12",
            "debian:12.5",
            "registry:2",
            "httpd:2.4",
            "ghcr.io/a/b",
            "ghcr.io/a/b.c:1.0",
            "docker.io/heroku/heroku:24",
            "localhost/a",
            "localhost:5000/a/b:v1",
            "localhost:5000",
            "127.0.0.1:5000/x",
            "10.0.0.1/x",
            "[::1]:5000/x",
            "registry:5000/x",
            "registry.internal/x@sha256:e3b0",
        ] {
            assert_eq!(told(name, &[]), None, "{name}");
        }
    }

    #[test]
    fn what_may_be_a_path_is_told_how_a_registry_is_meant() {
        for (name, existing, why) in [
            ("out/stack.tar", &[][..], "end with .tar"),
            ("stack.tar", &[], "end with .tar"),
            ("stack.tar:x", &[], "end with .tar"),
            ("stack:a.tar", &[], "end with .tar"),
            ("fs.img", &[], "end with .img"),
            ("ghcr.io/a/b.tar", &[], "end with .tar"),
            ("build.out/stack.TGZ", &[], "end with .TGZ"),
            ("stack.d", &[], "have endings"),
            ("stack.d:24", &[], "have endings"),
            ("out/stack", &[], "out is no registry's host"),
            ("heroku/heroku:24", &[], "heroku is no registry's host"),
            ("v1.2/stack", &[], "v1.2 is no registry's host"),
            ("out.d/stack", &[], "out.d is no registry's host"),
            ("a/b@sha256:e3b0", &[], "a is no registry's host"),
            ("ghcr.io/a/b", &["ghcr.io"], "ghcr.io is here"),
            ("localhost/a", &["localhost"], "localhost is here"),
        ] {
            let told = told(name, existing).unwrap_or_else(|| panic!("{name} was let through"));
            assert!(told.contains(why), "{told}");
            assert!(told.contains(&format!("docker://{name}")), "{told}");
        }
    }

    #[test]
    fn a_link_to_nowhere_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
        assert!(is_there(&link));
        assert!(!is_there(&directory.path().join("other")));
        assert!(!is_there(&link.join("below")));
        assert!(!is_there(Path::new(&"x".repeat(300))));
    }
}
