//! Where the daemon listens.

use std::path::PathBuf;

use super::tls::Tls;
use super::{DaemonOptions, context};
use crate::error::{Error, Result, escape_path};
use crate::network::without_secrets;
use crate::progress::Reporter;

/// The option that comes before every address.
const TYPED: &str = "--docker-context";

/// What helps where nothing but an address names the daemon.
pub(super) const ADDRESS: &str = "--docker-host or DOCKER_HOST names another address";

const DOCKER_SOCKET: &str = "/var/run/docker.sock";
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";

/// The ports that docker's clients take where none is named.
const PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// An address, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A socket.
    Unix(PathBuf),
    /// A host and port, and how TLS is spoken where it is.
    Tcp { authority: String, tls: Option<Tls> },
}

/// Which daemon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// This, or it is an error that says who named it or how to name another.
    One(Host, String),
    /// The first socket that leads to one.
    FirstOf(Vec<PathBuf>),
}

/// The daemon that is meant, by docker's own rule: the context that was asked for, an address, the
/// usual context, the context in use, the usual sockets. The context `default` is none.
///
/// # Errors
/// For an address that is none, and a context that is none.
pub(super) fn meant(options: &DaemonOptions, reporter: &dyn Reporter) -> Result<Meant> {
    // As docker takes an empty variable.
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let directory = options.config_directory.as_deref();
    let typed = given(&options.context).filter(|name| name != context::DEFAULT);
    if let Some(name) = typed {
        return of_context(&name, TYPED, options);
    }
    if let Some(host) = given(&options.host) {
        let tls = options.tls.as_deref().map(Tls::of_directory);
        let hint = "(--docker-host and DOCKER_HOST name it)";
        let host = Host::parse(&host, tls, hint)?;
        return Ok(Meant::One(host, ADDRESS.to_owned()));
    }
    if given(&options.context).is_some() {
        return Ok(Meant::FirstOf(sockets(options)));
    }
    let (name, origin) = match (given(&options.usual_context), directory) {
        (Some(name), _) => (Some(name), "DOCKER_CONTEXT".to_owned()),
        (None, Some(directory)) => {
            let current = context::current(directory).unwrap_or_else(|wrong| {
                // As docker does: whoever cannot read it may never have had a context.
                reporter.warn(&format!("{wrong}; taken for no docker context"));
                None
            });
            let file = directory.join("config.json");
            (current, format!("currentContext in {}", file.display()))
        }
        (None, None) => (None, String::new()),
    };
    match name.filter(|name| name != context::DEFAULT) {
        Some(name) => of_context(&name, &origin, options),
        None => Ok(Meant::FirstOf(sockets(options))),
    }
}

fn of_context(name: &str, origin: &str, options: &DaemonOptions) -> Result<Meant> {
    let endpoint = context::find(name, origin, options.config_directory.as_deref())?;
    let Some(host) = endpoint.host else {
        return Ok(Meant::FirstOf(sockets(options)));
    };
    // An address is no help against a context that is asked for.
    let without = match origin {
        TYPED => "",
        _ => "; --docker-host ADDRESS does without",
    };
    let hint = format!(
        "the docker context {} says so, which {origin} names{without}",
        escape_path(name.as_bytes())
    );
    let host = Host::parse(&host, endpoint.tls, &format!("({hint})"))?;
    Ok(Meant::One(host, hint))
}

/// Where daemons have their sockets, docker's before podman's.
fn sockets(options: &DaemonOptions) -> Vec<PathBuf> {
    let own = |name: &str| Some(options.runtime_dir.as_ref()?.join(name));
    let candidates = [
        Some(PathBuf::from(DOCKER_SOCKET)),
        own("docker.sock"),
        own("podman/podman.sock"),
        Some(PathBuf::from(PODMAN_SOCKET)),
    ];
    candidates.into_iter().flatten().collect()
}

impl Host {
    fn parse(text: &str, tls: Option<Tls>, hint: &str) -> Result<Self> {
        let shown = escape_path(without_password(text).as_bytes());
        let refused = |help: &str| {
            Err(Error::unsupported(format!(
                "docker host {shown}: expected unix:///PATH or tcp://HOST[:PORT]{help} {hint}"
            )))
        };
        match text.split_once("://") {
            Some(("unix", "")) => Ok(Self::Unix(DOCKER_SOCKET.into())),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            None if text.starts_with('/') => Ok(Self::Unix(text.into())),
            Some(("tcp", _)) | None => {
                // Without a scheme TCP is meant, as docker's own program has it.
                let address = text.strip_prefix("tcp://").unwrap_or(text);
                match authority(address, tls.is_some()) {
                    Some(authority) => Ok(Self::Tcp { authority, tls }),
                    None => refused(""),
                }
            }
            Some(("ssh", _)) => {
                let address = shown.trim_start_matches("ssh://");
                refused(&format!(
                    "; `ssh -nNT -L /tmp/docker.sock:{DOCKER_SOCKET} {address}` makes unix:///tmp/docker.sock lead there"
                ))
            }
            Some(("npipe", _)) => refused("; pipes by name are Windows's"),
            _ => refused(""),
        }
    }
}

/// An address for an error: a name before the host is shown, a password is not.
fn without_password(text: &str) -> String {
    // Nor is a query, which no daemon's address has.
    let text = text.split(['?', '#']).next().unwrap_or(text);
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => without_secrets(text),
        _ => text.to_owned(),
    }
}

/// A host and port; `None` for what is none.
fn authority(address: &str, is_tls: bool) -> Option<String> {
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = match address.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (address, if is_tls { TLS_PORT } else { PORT }),
    };
    let is_name = |text: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !text.is_empty() && text.bytes().all(is_letter)
    };
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match literal {
        Some(literal) => literal.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    is_host.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests;
