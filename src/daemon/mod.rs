//! Images of a docker daemon, or of podman's service in its place, through the Engine API.
//!
//! The daemon has one way to give an image away: `GET /images/{name}/get`, what `docker save`
//! reads. There is none to read a configuration or a layer alone.

#[cfg(feature = "network")]
mod client;
#[cfg(feature = "network")]
mod context;
#[cfg(feature = "network")]
mod host;
#[cfg(feature = "network")]
mod list;
#[cfg(feature = "network")]
mod tls;
#[cfg(feature = "network")]
mod transport;

use std::io::Read;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::oci::{Digest, Platform, without_login};
use crate::progress::Reporter;

/// How to reach a docker daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaemonOptions {
    /// The docker context that was asked for, before all else.
    pub context: Option<String>,
    /// Its address as `DOCKER_HOST` has it: `unix:///PATH` or `tcp://HOST[:PORT]`.
    pub host: Option<String>,
    /// The docker context that is meant where there is no address (`DOCKER_CONTEXT`). Without one it
    /// is `currentContext` of `config.json`; without that, or for the context `default`, the first
    /// socket that answers: docker's, rootless docker's, rootless podman's, podman's.
    pub usual_context: Option<String>,
    /// Where docker has its configuration and contexts (`DOCKER_CONFIG`, `~/.docker`).
    pub config_directory: Option<PathBuf>,
    /// The directory of `ca.pem`, `cert.pem` and `key.pem` (`DOCKER_CERT_PATH`), where `tcp://`
    /// means TLS (`DOCKER_TLS_VERIFY`).
    pub tls: Option<PathBuf>,
    /// Where the user's own daemons have their sockets (`XDG_RUNTIME_DIR`).
    pub runtime_dir: Option<PathBuf>,
}

/// An image on its way.
pub(crate) struct Saved {
    /// The ID that the daemon resolved the name to; what it sends is to be held against it, where that is
    /// known to be the same.
    pub id: Option<Digest>,
    /// The tar of `docker save`.
    pub tar: Box<dyn Read>,
}

/// An image that a daemon has.
pub(crate) struct Listed {
    /// Its configuration's digest.
    pub id: Digest,
    /// What it is called there; none for one that only its ID names.
    pub names: Vec<String>,
    /// When it was made, in seconds since 1970.
    pub created_seconds: i64,
    /// What its layers take there, in bytes.
    pub size_bytes: u64,
}

/// Asks which images there are.
///
/// # Errors
/// As [`save`].
#[cfg(feature = "network")]
pub(crate) fn list(options: &DaemonOptions, reporter: &dyn Reporter) -> Result<Vec<Listed>> {
    connect(options, reporter)?.list()
}

/// What is built without the network reaches no daemon either.
#[cfg(not(feature = "network"))]
pub(crate) fn list(_: &DaemonOptions, _: &dyn Reporter) -> Result<Vec<Listed>> {
    Err(Error::unsupported(
        "this layerpress was built without the network (cargo's feature `network`); `docker images` lists what a daemon has",
    ))
}

/// Whether a daemon has an image, as far as it can be told in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "network"),
    expect(dead_code, reason = "no daemon is asked")
)]
pub(crate) enum Has {
    Yes,
    No,
    /// There is a daemon's socket, and nobody who answers there in time.
    Unknown,
}

/// Asks a daemon of this machine whether it has an image called `name`: for who has looked for it
/// elsewhere in vain. Daemons elsewhere are not asked, and nothing is told of what goes wrong.
#[cfg(feature = "network")]
pub(crate) fn has(name: &str, options: &DaemonOptions) -> Has {
    let sockets = match host::meant(options, &crate::progress::Silent) {
        Ok(host::Meant::One(host::Host::Unix(socket), _)) => vec![socket],
        Ok(host::Meant::FirstOf(sockets)) => sockets,
        Ok(host::Meant::One(host::Host::Tcp { .. }, _)) | Err(_) => return Has::No,
    };
    if check_name(name).is_err() {
        return Has::No;
    }
    let mut has = Has::No;
    for socket in sockets {
        match client::Client::has(&socket, name) {
            Has::Yes => return Has::Yes,
            Has::No => {}
            Has::Unknown => has = Has::Unknown,
        }
    }
    has
}

/// What is built without the network reaches no daemon either.
#[cfg(not(feature = "network"))]
pub(crate) fn has(_: &str, _: &DaemonOptions) -> Has {
    Has::No
}

#[cfg(feature = "network")]
fn connect(options: &DaemonOptions, reporter: &dyn Reporter) -> Result<client::Client> {
    match host::meant(options, reporter)? {
        host::Meant::One(host, elsewhere) => client::Client::connect(&host, &elsewhere),
        host::Meant::FirstOf(sockets) => client::Client::first_of(&sockets, reporter),
    }
}

/// Asks for the image called `name`: an image's name or (the start of) its ID; of several platforms
/// for the one that was asked for, where the daemon can tell them apart.
///
/// # Errors
/// [`Error::Unsupported`] for a name or an address that is none, [`Error::Io`] where the daemon
/// cannot be reached or has no such image.
#[cfg(feature = "network")]
pub(crate) fn save(
    name: &str,
    platform: Option<&Platform>,
    options: &DaemonOptions,
    reporter: &dyn Reporter,
) -> Result<Saved> {
    check_name(name)?;
    connect(options, reporter)?.save(name, platform)
}

/// What is built without the network reaches no daemon either.
#[cfg(not(feature = "network"))]
pub(crate) fn save(
    name: &str,
    _: Option<&Platform>,
    _: &DaemonOptions,
    _: &dyn Reporter,
) -> Result<Saved> {
    check_name(name)?;
    Err(Error::unsupported(format!(
        "this layerpress was built without the network (cargo's feature `network`); `docker save {name} | layerpress build -` does the same"
    )))
}

/// Lets pass what can be part of a path of the API: the letters of names, tags and digests
/// (distribution's reference grammar), each component something.
fn check_name(name: &str) -> Result<()> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/@+".contains(&byte);
    let is_component = |text: &str| !matches!(text, "" | "." | "..");
    if name.bytes().all(is_letter) && name.split('/').all(is_component) {
        return Ok(());
    }
    if name.split_whitespace().count() > 1 {
        return Err(Error::unsupported(
            "several images: expected one name or image ID after docker-daemon:",
        ));
    }
    Err(Error::unsupported(format!(
        "expected an image's name or ID after docker-daemon:, as in docker-daemon:app:1, found {:?}",
        without_login(name)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_pass_and_what_would_ask_for_something_else_does_not() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for name in [
            "app",
            "app:1",
            "localhost:5000/a/b_c-d:V1.0",
            "0123456789ab",
            &digest,
            &format!("app@{digest}"),
        ] {
            check_name(name).unwrap();
        }
        for name in [
            "",
            "a b",
            "a/../b",
            "/a",
            "a//b",
            "a?names=b",
            "a%2e",
            "a#b",
            "ä",
            ".",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let error = check_name("app:1 app:2").unwrap_err().to_string();
        assert!(error.contains("several images"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "network"))]
    fn without_the_network_the_way_around_is_told() {
        let options = DaemonOptions::default();
        let error = save("app:1", None, &options, &crate::progress::Silent).map(drop);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("`docker save app:1 | layerpress build -`"),
            "{error}"
        );
    }
}
