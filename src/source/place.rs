//! Where an image is: what a [`Reference`] means on this machine, now.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bare_name;
use super::recognise;
use super::reference::{Reference, Selector, Transport};
use super::transport_word::check_transport;
use crate::error::{Error, Result, escape_path};
use crate::oci::{Digest, RegistryReference, cut_digest, is_image_id};
use crate::pinned::Reach;

/// Where an image is. It is found out once: the disk, asked again, might give another answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What was typed.
    pub(super) reference: Reference,
    pub(super) location: Location,
    /// Which image of those that are there; none for a registry's and a daemon's.
    pub(super) selector: Option<Selector>,
    /// Where a path begins.
    pub(super) reach: Reach,
}

/// What an image is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    StandardInput,
    /// Whether or not anything is called so.
    Path(PathBuf),
    Registry(RegistryReference),
    /// What the daemon is asked for.
    Daemon(String),
}

impl Place {
    /// The file or directory of this machine that the image is read from, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.location {
            Location::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Finds out where the image is that `reference` names.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a name that is none and for a mistyped transport, [`Error::Io`] for
    /// what may be meant as a path and is not there.
    pub fn of(reference: &Reference) -> Result<Self> {
        Self::within(reference, &Reach::default())
    }

    /// The same where a path begins as `reach` says.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn within(reference: &Reference, reach: &Reach) -> Result<Self> {
        // Without the network a name is a path, there or not.
        let asks_registries = cfg!(feature = "network");
        let is_there = |path: &Path| bare_name::is_there(&reach.at(path));
        let place = Self::resolve(reference, is_there, asks_registries)
            .map_err(|error| error.in_image(&reference.to_string()))?;
        Ok(Self {
            reach: reach.clone(),
            ..place
        })
    }

    /// The same, where `exists` says what is there; of each path it is asked once at most.
    fn resolve(
        reference: &Reference,
        exists: impl Fn(&Path) -> bool,
        asks_registries: bool,
    ) -> Result<Self> {
        let text = reference.details.to_string_lossy();
        let mut selector = None;
        let location = match reference.transport {
            Some(Transport::DockerDaemon) => {
                refuse_cut_digest(&text)?;
                Location::Daemon(text.into_owned())
            }
            Some(Transport::Docker) => Location::Registry(text.parse()?),
            _ if text == "-" => Location::StandardInput,
            transport => {
                let (found, is_there) = split(&reference.details, transport, &exists);
                let may_be_name = transport.is_none() && !is_there && asks_registries;
                // A path that is there is taken whole, or parted where it ends.
                if !is_there && (transport.is_none() || found.selector.is_some()) {
                    refuse_cut_digest(&text)?;
                }
                if may_be_name {
                    refuse_image_id(&text)?;
                }
                selector = found.selector()?;
                match in_registry(&reference.details, may_be_name, exists)? {
                    Some(name) => Location::Registry(name),
                    None if found.path == "-" => Location::StandardInput,
                    None => Location::Path(found.path.into()),
                }
            }
        };
        Ok(Self {
            reference: reference.clone(),
            location,
            selector,
            reach: Reach::default(),
        })
    }

    /// Whether its documents can be had without all of its layers: not from a daemon or a pipe, and a
    /// directory tree has none.
    pub fn has_documents(&self) -> bool {
        let path = match &self.location {
            Location::Registry(_) => return true,
            Location::Daemon(_) | Location::StandardInput => return false,
            Location::Path(path) => path,
        };
        let is_root = |transport| transport == Transport::RootFs;
        if self.reference.transport.is_some_and(is_root) {
            return false;
        }
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => !recognise::directory(path).is_ok_and(is_root),
            Ok(metadata) => metadata.is_file(),
            // That it is not there is to be found out.
            Err(_) => true,
        }
    }

    /// The same for what can be in a registry alone: what is taken for a path is told what is
    /// expected, there or not.
    ///
    /// # Errors
    /// As [`Self::of`], [`Error::Unsupported`] for what is no registry's.
    pub fn of_registry(reference: &Reference, reach: &Reach) -> Result<Self> {
        let place = Self::within(reference, reach).map_err(|error| match error {
            Error::Io { .. } => {
                let shown = escape_path(reference.to_string().as_bytes());
                no_repository(&format!(
                    "{shown}, which is taken for a path and is not there (docker://{shown} is taken for a name)"
                ))
            }
            error => error,
        })?;
        place.repository()?;
        Ok(place)
    }

    /// The repository of a registry that is meant.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where something else is.
    pub fn repository(&self) -> Result<&RegistryReference> {
        let shown = self.reference.to_string();
        let shown = escape_path(shown.as_bytes());
        let found = match &self.location {
            Location::Registry(repository) => return Ok(repository),
            Location::Path(path) if bare_name::is_there(&self.reach.at(path)) => {
                match path.is_dir() {
                    true => format!("the directory {shown}"),
                    false => format!("the file {shown}"),
                }
            }
            _ => shown,
        };
        Err(no_repository(&found))
    }
}

fn no_repository(found: &str) -> Error {
    Error::unsupported(format!(
        "expected a repository of a registry, docker://[HOST[:PORT]/]NAME[:TAG], found {found}"
    ))
}

impl fmt::Display for Place {
    /// What was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.fmt(f)
    }
}

/// A digest of which only the first digits are typed names nothing, wherever it is asked for.
fn refuse_cut_digest(text: &str) -> Result<()> {
    let cut = text.rsplit_once('@').and_then(|(_, text)| cut_digest(text));
    cut.map_or(Ok(()), |wrong| {
        Err(Error::unsupported(format!(
            "expected a whole digest behind the @: {wrong}"
        )))
    })
}

/// What `docker images` shows for an image is not what a registry calls it.
fn refuse_image_id(text: &str) -> Result<()> {
    if !is_image_id(text) {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "no such file, and {} hexadecimal digits are an image's ID, which no registry knows it by (docker-daemon:{text} is the image of a docker daemon, docker://{text} one of a registry that is called so)",
        text.strip_prefix("sha256:").unwrap_or(text).len()
    )))
}

/// What a bare name names, if it is one of a registry.
fn in_registry(
    name: &OsStr,
    may_be_name: bool,
    exists: impl Fn(&Path) -> bool,
) -> Result<Option<RegistryReference>> {
    let Some(text) = name.to_str().filter(|_| may_be_name) else {
        return Ok(None);
    };
    check_transport(text, &exists)?;
    let Ok(name) = text.parse() else {
        return Ok(None);
    };
    bare_name::check(text, exists)?;
    Ok(Some(name))
}

/// Splits the path from the selector. Where a path itself has colons, what exists decides: a bare
/// path is taken whole if it can be, else the shortest that exists, which is also how the transports'
/// own syntax reads. Told with it is whether anything is called so; standard input always is.
fn split(
    details: &OsStr,
    transport: Option<Transport>,
    exists: impl Fn(&Path) -> bool,
) -> (Split<'_>, bool) {
    let whole = Split {
        path: details,
        selector: None,
    };
    let is_bare = transport.is_none();
    if transport == Some(Transport::RootFs) || (is_bare && exists(Path::new(details))) {
        return (whole, true);
    }
    let bytes = details.as_bytes();
    let mut splits = (0..bytes.len()).filter_map(|at| split_at(bytes, at));
    let is_at_colon = |split: &Split<'_>| bytes.get(split.path.len()) == Some(&b':');
    let first_colon = splits.clone().find(is_at_colon);
    if let Some(found) = splits.find(|split| split.path == "-" || exists(Path::new(split.path))) {
        return (found, true);
    }
    match first_colon {
        Some(split) if !is_bare && !exists(Path::new(details)) => (split, false),
        _ => (whole, false),
    }
}

struct Split<'a> {
    path: &'a OsStr,
    selector: Option<&'a OsStr>,
}

/// The path before the byte at `at` and the selector after it, where that byte can part them.
fn split_at(bytes: &[u8], at: usize) -> Option<Split<'_>> {
    let (path, rest) = bytes.split_at(at);
    let after = rest.get(1..)?;
    let is_digest = || std::str::from_utf8(after).is_ok_and(|text| text.parse::<Digest>().is_ok());
    let selector = match rest[0] {
        b':' => after,
        b'@' if is_digest() => rest,
        _ => return None,
    };
    (!path.is_empty()).then(|| Split {
        path: OsStr::from_bytes(path),
        selector: Some(OsStr::from_bytes(selector)),
    })
}

impl Split<'_> {
    fn selector(&self) -> Result<Option<Selector>> {
        let Some(selector) = self.selector else {
            return Ok(None);
        };
        let no_text =
            || Error::unsupported(format!("{selector:?}: expected an image name in UTF-8"));
        selector.to_str().ok_or_else(no_text)?.parse().map(Some)
    }
}

#[cfg(test)]
mod tests;
