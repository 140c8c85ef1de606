//! What a user types to name an image: `containers-transports(5)`, and less.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::bare_name;
use crate::error::{Error, Result};
use crate::oci::{Digest, RegistryReference, without_login};

/// An image's name: a transport and what belongs to it, or a bare path.
///
/// ```text
/// docker-archive:PATH[:NAME|:@INDEX]   docker save
/// oci:DIRECTORY[:NAME|:@INDEX|@DIGEST] an OCI image layout
/// oci-archive:PATH[:NAME|:@INDEX|@DIGEST]  the same in a tar
/// docker-daemon:NAME|ID                an image of a docker daemon
/// rootfs:PATH                          a flat tar (docker export) or a directory tree
/// docker://[HOST[:PORT]/]NAME[:TAG][@DIGEST]  in a registry
/// PATH[:NAME|@DIGEST]                  any file of these, recognised by looking at it
/// NAME[:TAG], HOST/NAME[:TAG][@DIGEST] in a registry, where there is no such file
/// ```
/// `-` as PATH is standard input. A name that may be meant as a path is never asked of a registry
/// without `docker://`, whether or not there is such a file: see the module `bare_name` for the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(super) transport: Option<Transport>,
    details: OsString,
}

/// How an image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    DockerArchive,
    DockerDaemon,
    Oci,
    OciArchive,
    RootFs,
    Docker,
}

/// What docker's transport begins with.
const DOCKER: &str = "docker://";

impl Transport {
    /// Those of paths, and of daemons.
    pub(super) const ALL: [Self; 5] = [
        Self::DockerArchive,
        Self::DockerDaemon,
        Self::Oci,
        Self::OciArchive,
        Self::RootFs,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker-archive",
            Self::DockerDaemon => "docker-daemon",
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::RootFs => "rootfs",
            Self::Docker => "docker",
        }
    }
}

/// Which of several images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selector {
    /// By its place in the archive's list, from 0.
    Index(usize),
    /// By its manifest's digest (or in a docker archive, where there may be none, its image ID).
    Digest(Digest),
    /// By its tag or name.
    Name(String),
}

/// Where the bytes are, and which image among them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// `None` for standard input.
    pub path: Option<PathBuf>,
    pub selector: Option<Selector>,
}

impl Reference {
    /// A reference as typed; the path need not be UTF-8.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a transport of other tools, or a transport without a path.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let bytes = text.as_bytes();
        for transport in Transport::ALL {
            let prefix = format!("{}:", transport.name());
            if let Some(details) = bytes.strip_prefix(prefix.as_bytes()) {
                if details.is_empty() {
                    let expected = match transport {
                        Transport::DockerDaemon => "an image's name or ID",
                        _ => "a path",
                    };
                    return Err(Error::unsupported(format!(
                        "{prefix} expected {expected} after the colon"
                    )));
                }
                return Ok(Self {
                    transport: Some(transport),
                    details: OsStr::from_bytes(details).to_owned(),
                });
            }
        }
        if let Some(details) = bytes.strip_prefix(DOCKER.as_bytes()) {
            let name = String::from_utf8_lossy(details);
            // Told at once if it is none.
            name.parse::<RegistryReference>()?;
            return Ok(Self {
                transport: Some(Transport::Docker),
                details: OsString::from(name.into_owned()),
            });
        }
        refuse_other_transports(&text.to_string_lossy())?;
        if text.is_empty() {
            return Err(Error::unsupported("an empty image name: expected a path"));
        }
        Ok(Self {
            transport: None,
            details: text.to_owned(),
        })
    }

    /// The image of a registry that it names; `None` where it names a path or standard input.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a name that is none and for a mistyped transport, [`Error::Io`] for
    /// what may be meant as a path and is not there.
    pub fn in_registry(&self) -> Result<Option<RegistryReference>> {
        self.registry_reference(bare_name::is_there)
    }

    fn registry_reference(
        &self,
        exists: impl Fn(&Path) -> bool,
    ) -> Result<Option<RegistryReference>> {
        let Some(text) = self.details.to_str() else {
            return Ok(None);
        };
        match self.transport {
            Some(Transport::Docker) => text.parse().map(Some),
            Some(_) => Ok(None),
            None => {
                let names_path = match self.locate(&exists)?.path {
                    // Nothing that is there is ever taken for something else.
                    Some(path) => exists(&path),
                    None => true,
                };
                if names_path {
                    return Ok(None);
                }
                bare_name::check_transport(text)?;
                let Ok(name) = text.parse() else {
                    return Ok(None);
                };
                bare_name::check(text, &exists)?;
                Ok(Some(name))
            }
        }
    }

    /// The path that it names, whichever transport; `None` for standard input, for what is not
    /// there and for what is no file.
    pub fn path(&self) -> Option<PathBuf> {
        if let Some(Transport::Docker | Transport::DockerDaemon) = self.transport {
            return None;
        }
        self.locate(bare_name::is_there).ok()?.path
    }

    /// Whether it is read from standard input.
    pub(super) fn is_standard_input(&self) -> bool {
        let is_file = !matches!(
            self.transport,
            Some(Transport::Docker | Transport::DockerDaemon)
        );
        let location = self.locate(bare_name::is_there);
        is_file && location.is_ok_and(|location| location.path.is_none())
    }

    /// What a daemon is asked for; `None` for all that is in files.
    pub(super) fn daemon_image(&self) -> Option<Cow<'_, str>> {
        (self.transport == Some(Transport::DockerDaemon)).then(|| self.details.to_string_lossy())
    }

    /// Splits the path from the selector. Where a path itself has colons, what exists decides: a
    /// bare path is taken whole if it can be, else the shortest that exists, which is also how
    /// the transports' own syntax reads.
    pub(super) fn locate(&self, exists: impl Fn(&Path) -> bool) -> Result<Location> {
        let whole = PathBuf::from(&self.details);
        if whole.as_os_str() == "-" {
            return Ok(Location {
                path: None,
                selector: None,
            });
        }
        let takes_selector = self.transport != Some(Transport::RootFs);
        if !takes_selector || (self.transport.is_none() && exists(&whole)) {
            return Ok(Location {
                path: Some(whole),
                selector: None,
            });
        }
        let bytes = self.details.as_bytes();
        let mut splits = (0..bytes.len()).filter_map(|at| split(bytes, at));
        let first_colon = splits.clone().find(|split| split.is_colon);
        if let Some(found) = splits.find(|split| split.path == "-" || exists(Path::new(split.path)))
        {
            return found.location();
        }
        match first_colon {
            Some(split) if self.transport.is_some() && !exists(&whole) => split.location(),
            _ => Ok(Location {
                path: Some(whole),
                selector: None,
            }),
        }
    }
}

struct Split<'a> {
    path: &'a OsStr,
    selector: &'a [u8],
    is_colon: bool,
}

/// The path before the byte at `at` and the selector after it, where that byte can part them.
fn split(bytes: &[u8], at: usize) -> Option<Split<'_>> {
    let (path, rest) = bytes.split_at(at);
    let is_colon = rest.first() == Some(&b':');
    let selector = rest.get(1..)?;
    let parts = is_colon
        || (rest.first() == Some(&b'@')
            && std::str::from_utf8(selector).is_ok_and(|text| text.parse::<Digest>().is_ok()));
    (parts && !path.is_empty()).then(|| Split {
        path: OsStr::from_bytes(path),
        selector: if is_colon { selector } else { rest },
        is_colon,
    })
}

impl Split<'_> {
    fn location(&self) -> Result<Location> {
        let path = (self.path != "-").then(|| PathBuf::from(self.path));
        let selector = OsString::from_vec(self.selector.to_vec())
            .into_string()
            .map_err(|text| {
                Error::unsupported(format!("{text:?}: expected an image name in UTF-8"))
            })?;
        Ok(Location {
            path,
            selector: Some(selector.parse()?),
        })
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix('@') {
            if let Ok(index) = rest.parse() {
                return Ok(Self::Index(index));
            }
            return rest.parse().map(Self::Digest).map_err(|error| {
                Error::unsupported(format!(
                    "'{text}': expected @INDEX or @ALGORITHM:DIGEST, found {error}"
                ))
            });
        }
        if text.is_empty() || text.contains('@') {
            return Err(Error::unsupported(format!(
                "'{text}': expected an image's name or tag, or else @DIGEST alone"
            )));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "@{index}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The refusal of a program that was built without the network.
#[cfg(not(feature = "network"))]
pub(super) fn no_network(text: &str) -> Error {
    Error::unsupported(format!(
        "{text}: this layerpress was built without the network (cargo feature `network`); `skopeo copy {text} oci:DIRECTORY` brings the image here"
    ))
}

fn refuse_other_transports(text: &str) -> Result<()> {
    let help = if let Some(path) = text.strip_prefix("dir:") {
        format!("not read; `skopeo copy dir:{path} oci:DIRECTORY` turns it into an image layout")
    } else if text.starts_with("containers-storage:") {
        format!("not read; `skopeo copy {text} oci:DIRECTORY` brings the image out of it")
    } else {
        return Ok(());
    };
    Err(Error::unsupported(format!("{text}: {help}")))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Some(Transport::Docker) => f.write_str(DOCKER)?,
            Some(transport) => write!(f, "{}:", transport.name())?,
            None => {}
        }
        let details = self.details.to_string_lossy();
        match self.transport {
            // It may have been meant as a URL with a password in it.
            None | Some(Transport::DockerDaemon) => f.write_str(&without_login(&details)),
            Some(_) => f.write_str(&details),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(OsStr::new(text))
    }
}

#[cfg(test)]
mod tests;
