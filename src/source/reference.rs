//! What a user types to name an image: `containers-transports(5)`, and less.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use crate::error::{Error, Result, shell_word};
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
/// What it names is found out by [`Place::of`](super::Place::of).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(super) transport: Option<Transport>,
    pub(super) details: OsString,
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

impl Reference {
    /// What [`Self::parse`] makes it of; not to be shown, since it may hold a password.
    pub fn as_typed(&self) -> OsString {
        let mut typed = OsString::from(match self.transport {
            Some(Transport::Docker) => DOCKER.to_owned(),
            Some(transport) => format!("{}:", transport.name()),
            None => String::new(),
        });
        typed.push(&self.details);
        typed
    }
}

fn refuse_other_transports(text: &str) -> Result<()> {
    let typed = shell_word(text);
    let help = if text.starts_with("dir:") {
        format!("not read; `skopeo copy {typed} oci:DIRECTORY` turns it into an image layout")
    } else if text.starts_with("containers-storage:") {
        format!("not read; `skopeo copy {typed} oci:DIRECTORY` brings the image out of it")
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
