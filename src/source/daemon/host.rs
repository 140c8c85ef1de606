//! Where the daemon listens.

use std::path::{Path, PathBuf};

use super::DaemonOptions;
use crate::error::{Error, Result};

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
    /// A host and port, and the directory of certificates where TLS is spoken.
    Tcp {
        authority: String,
        certificates: Option<PathBuf>,
    },
}

impl Host {
    /// The daemon that is meant.
    pub(super) fn of(options: &DaemonOptions) -> Result<Self> {
        match options.host.as_deref() {
            // As docker takes an empty variable.
            None | Some("") => {
                // Who may not look is told so when it is opened.
                Self::found(options, |path| path.try_exists().unwrap_or(true))
            }
            Some(host) => Self::parse(host, options.tls.as_deref()),
        }
    }

    fn parse(text: &str, tls: Option<&Path>) -> Result<Self> {
        let refused = |help: &str| {
            Err(Error::unsupported(format!(
                "docker host {text}: expected unix:///PATH or tcp://HOST[:PORT]{help} (--docker-host and DOCKER_HOST name it)"
            )))
        };
        match text.split_once("://") {
            Some(("unix", "")) => Ok(Self::Unix(DOCKER_SOCKET.into())),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            None if text.starts_with('/') => Ok(Self::Unix(text.into())),
            Some(("tcp", address)) => match authority(address, tls.is_some()) {
                Some(authority) => Ok(Self::Tcp {
                    authority,
                    certificates: tls.map(Path::to_owned),
                }),
                None => refused(""),
            },
            Some(("ssh", address)) => refused(&format!(
                "; `ssh -nNT -L /tmp/docker.sock:{DOCKER_SOCKET} {address}` makes unix:///tmp/docker.sock lead there"
            )),
            _ => refused(""),
        }
    }

    fn found(options: &DaemonOptions, exists: impl Fn(&Path) -> bool) -> Result<Self> {
        let own = |name: &str| {
            options
                .runtime_dir
                .as_ref()
                .map(|directory| directory.join(name))
        };
        let candidates = [
            Some(PathBuf::from(DOCKER_SOCKET)),
            own("docker.sock"),
            own("podman/podman.sock"),
            Some(PathBuf::from(PODMAN_SOCKET)),
        ];
        let candidates: Vec<_> = candidates.into_iter().flatten().collect();
        if let Some(path) = candidates.iter().find(|path| exists(path)) {
            return Ok(Self::Unix(path.clone()));
        }
        let tried: Vec<_> = candidates
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Err(Error::io(
            format!(
                "cannot find a docker daemon: no socket at {}",
                tried.join(", ")
            ),
            std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "is it running? (--docker-host or DOCKER_HOST names another address; `systemctl --user start podman.socket` starts podman's)",
            ),
        ))
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
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Host> {
        Host::parse(text, None)
    }

    fn tcp(authority: &str) -> Host {
        Host::Tcp {
            authority: authority.to_owned(),
            certificates: None,
        }
    }

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        for (text, host) in [
            ("unix:///run/x y.sock", Host::Unix("/run/x y.sock".into())),
            ("unix://", Host::Unix(DOCKER_SOCKET.into())),
            ("/run/x.sock", Host::Unix("/run/x.sock".into())),
            ("tcp://127.0.0.1:2375", tcp("127.0.0.1:2375")),
            ("tcp://build-1.example/", tcp("build-1.example:2375")),
            ("tcp://[::1]:99", tcp("[::1]:99")),
            ("tcp://[::1]", tcp("[::1]:2375")),
        ] {
            assert_eq!(parse(text).unwrap(), host, "{text}");
        }
        let certificates = Some(PathBuf::from("/certs"));
        assert_eq!(
            Host::parse("tcp://h", certificates.as_deref()).unwrap(),
            Host::Tcp {
                authority: "h:2376".to_owned(),
                certificates
            }
        );
    }

    #[test]
    fn other_addresses_are_refused_with_what_is_expected() {
        for text in [
            "unix://relative",
            "tcp://",
            "tcp://:2375",
            "tcp://h:99999",
            "tcp://h/path",
            "tcp://user@h",
            "tcp://::1",
            "tcp://[::g]",
            "fd://",
            "npipe:////./pipe/docker_engine",
            "http://h",
            "h:2375",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.contains(text) && error.contains("--docker-host"),
                "{error}"
            );
        }
        let error = parse("ssh://me@host").unwrap_err().to_string();
        assert!(
            error.contains("ssh -nNT -L") && error.contains(" me@host`"),
            "{error}"
        );
    }

    #[test]
    fn without_an_address_the_first_socket_that_is_there_is_taken() {
        let options = DaemonOptions {
            runtime_dir: Some("/run/user/1".into()),
            ..DaemonOptions::default()
        };
        let found = |there: &[&str]| {
            Host::found(&options, |path| {
                there.iter().any(|there| path == Path::new(there))
            })
        };
        let podman = "/run/user/1/podman/podman.sock";
        for (there, expected) in [
            (&[DOCKER_SOCKET, podman][..], DOCKER_SOCKET),
            (&[podman, PODMAN_SOCKET], podman),
            (
                &["/run/user/1/docker.sock", podman],
                "/run/user/1/docker.sock",
            ),
            (&[PODMAN_SOCKET], PODMAN_SOCKET),
        ] {
            assert_eq!(found(there).unwrap(), Host::Unix(expected.into()));
        }
        let error = found(&[]).unwrap_err().to_string();
        for text in [DOCKER_SOCKET, podman, PODMAN_SOCKET, "--docker-host"] {
            assert!(error.contains(text), "{error}");
        }
    }
}
