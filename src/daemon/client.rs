//! The two calls of the Engine API that bring an image.

use std::fmt;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use ureq::config::Config;
use ureq::http::{Response, StatusCode};
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::{Connector, RustlsConnector, TcpConnector};
use ureq::{Agent, Body};

use super::host::{ADDRESS, Host};
use super::tls;
use super::transport::{PatientConnector, Probe, UnixConnector};
use super::{Has, Saved};
use crate::error::{Error, Result, escape_path, of_network};
use crate::network::{PatientResolver, USER_AGENT, is_networks, percent_encoded};
use crate::oci::{Digest, Platform};
use crate::progress::Reporter;

/// How long a daemon is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until it has answered what it can answer at once.
    answer: Duration,
    /// While it sends nothing of an image; it is then asked whether it is alive.
    silence: Duration,
}

const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(30),
    silence: Duration::from_secs(30),
};

/// For what is but a hint: nobody is to wait for it.
const IMPATIENCE: Patience = Patience {
    answer: Duration::from_secs(2),
    silence: Duration::from_secs(2),
};

/// More bytes than a daemon tells about an image or a failure.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// What is told of a socket that is not there; nobody misses it where there is another.
const ABSENT: &str = "absent";

/// A daemon.
pub(super) struct Client {
    /// For what is answered at once.
    quick: Agent,
    /// For what takes as long as it takes.
    patient: Agent,
    base: String,
    name: String,
    /// Whether it is spoken to over a network.
    is_remote: bool,
    patience: Patience,
    version: ApiVersion,
}

/// A version of the API as `1.51` is one; `0.0` where the daemon tells none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct ApiVersion(u32, u32);

impl ApiVersion {
    /// Images are given for one platform.
    const SAVES_PLATFORMS: Self = Self(1, 48);
    /// Images are told of for one platform.
    const INSPECTS_PLATFORMS: Self = Self(1, 49);

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// What `GET /images/{name}/json` tells, and more.
#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Id")]
    id: String,
}

/// How the API tells what is wrong.
#[derive(Deserialize)]
struct Failure {
    message: String,
}

impl Client {
    /// A client of the daemon at `host`, after it has answered; else the error says `elsewhere`.
    pub(super) fn connect(host: &Host, elsewhere: &str) -> Result<Self> {
        Self::connect_within(host, PATIENCE, elsewhere)
    }

    /// A client of the first socket that leads to a daemon. Whoever is passed over is told.
    pub(super) fn first_of(sockets: &[PathBuf], reporter: &dyn Reporter) -> Result<Self> {
        let mut tried = Vec::new();
        for socket in sockets {
            let connected = Self::connect(&Host::Unix(socket.clone()), ADDRESS);
            let source = match connected {
                Err(Error::Io { source, .. }) if leads_nowhere(&source) => source,
                answered => {
                    for (passed, why) in tried.iter().filter(|(_, why)| why != ABSENT) {
                        reporter.warn(&format!(
                            "{passed}: {why}; the daemon at {} is asked (--docker-host names one)",
                            socket.display()
                        ));
                    }
                    return answered;
                }
            };
            let why = match (source.kind(), socket.is_symlink()) {
                (io::ErrorKind::NotFound, true) => "a link to nothing".to_owned(),
                (io::ErrorKind::NotFound, false) => ABSENT.to_owned(),
                (io::ErrorKind::PermissionDenied, _) => {
                    format!("{source}: it is for root and for members of its group, often `docker`")
                }
                (io::ErrorKind::ConnectionRefused, _) => format!("{source}: nobody listens there"),
                _ => source.to_string(),
            };
            tried.push((socket.display().to_string(), why));
        }
        let tried: Vec<_> = tried
            .iter()
            .map(|(socket, why)| format!("{socket} ({why})"))
            .collect();
        Err(Error::io(
            format!(
                "cannot find a docker daemon: no socket at {}",
                tried.join(", ")
            ),
            io::Error::new(
                io::ErrorKind::NotFound,
                "is it running? (--docker-host or DOCKER_HOST names another address, --docker-context or DOCKER_CONTEXT a context; `systemctl --user start podman.socket` starts podman's)",
            ),
        ))
    }

    fn connect_within(host: &Host, patience: Patience, elsewhere: &str) -> Result<Self> {
        let (agents, base, name) = match host {
            Host::Unix(path) => {
                // The address is for the headers only.
                let base = "http://127.0.0.1".to_owned();
                let connector = || UnixConnector(path.clone());
                let agents = agents(connector, TlsConfig::default(), &base, patience);
                (agents, base, path.display().to_string())
            }
            Host::Tcp { authority, tls } => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                let tls = tls.as_ref().map(tls::config).transpose()?;
                let base = format!("{scheme}://{authority}");
                let agents = agents(tcp_connector, tls.unwrap_or_default(), &base, patience);
                (agents, base, format!("tcp://{authority}"))
            }
        };
        let (quick, patient) = agents;
        let mut client = Self {
            quick,
            patient,
            base,
            name,
            is_remote: matches!(host, Host::Tcp { .. }),
            patience,
            version: ApiVersion::default(),
        };
        let version =
            ping(&client.quick, &client.base).map_err(|error| client.unreachable(error, elsewhere));
        client.version = version?;
        Ok(client)
    }

    /// Asks for an image, of several platforms for this one.
    pub(super) fn save(&self, name: &str, platform: Option<&Platform>) -> Result<Saved> {
        let asked = |since| match platform {
            Some(platform) if self.version >= since => {
                format!("?platform={}", percent_encoded(as_json(platform)))
            }
            _ => String::new(),
        };
        let id = self.id(name, &asked(ApiVersion::INSPECTS_PLATFORMS))?;
        // By its ID, so that it is one image even where the name stands for all tags of a
        // repository, and the same that was asked about.
        let path = format!("/images/{id}/get{}", asked(ApiVersion::SAVES_PLATFORMS));
        let response = self.get(&self.patient, &path, "ask for the image", name)?;
        // Of one that gives a platform's image alone and only knows the ID of them all, nothing to hold
        // it against is known.
        let is_another = platform.is_some()
            && (ApiVersion::SAVES_PLATFORMS..ApiVersion::INSPECTS_PLATFORMS)
                .contains(&self.version);
        Ok(Saved {
            id: (!is_another).then_some(id),
            tar: Box::new(Arriving {
                body: response.into_body().into_reader(),
                name: self.name.clone(),
                is_remote: self.is_remote,
            }),
        })
    }

    /// Whether the daemon at a socket has an image, where it says so at once.
    pub(super) fn has(socket: &Path, name: &str) -> Has {
        let is_socket = |metadata: Metadata| metadata.file_type().is_socket();
        if !socket.metadata().is_ok_and(is_socket) {
            return Has::No;
        }
        let client = match Self::connect_within(&Host::Unix(socket.to_owned()), IMPATIENCE, ADDRESS)
        {
            Ok(client) => client,
            // Nobody listens there.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::ConnectionRefused => {
                return Has::No;
            }
            Err(_) => return Has::Unknown,
        };
        let path = format!("{}/images/{name}/json", client.base);
        match client.quick.get(path).call().map(|found| found.status()) {
            Ok(StatusCode::OK) => Has::Yes,
            Ok(StatusCode::NOT_FOUND) => Has::No,
            _ => Has::Unknown,
        }
    }

    /// Where it is.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the daemon answers at once.
    pub(super) fn text(&self, path: &str, what: &str) -> Result<String> {
        let mut response = self.get(&self.quick, path, what, "asked for")?;
        let text = read(response.body_mut());
        text.map_err(|error| self.failed(what, error))
    }

    /// What the daemon takes the name for.
    fn id(&self, name: &str, query: &str) -> Result<Digest> {
        let path = format!("/images/{name}/json{query}");
        let mut response = self.get(&self.quick, &path, "ask about the image", name)?;
        let unexpected = |found: &dyn fmt::Display| {
            Error::io(
                format!("cannot understand the docker daemon at {}", self.name),
                io::Error::other(format!("expected an image's ID in JSON, found {found}")),
            )
        };
        let text = read(response.body_mut()).map_err(|error| unexpected(&error))?;
        let inspected: Inspected =
            serde_json::from_str(&text).map_err(|error| unexpected(&error))?;
        let id = inspected.id.as_str();
        let id = if id.contains(':') {
            id.to_owned()
        } else {
            format!("sha256:{id}")
        };
        id.parse()
            .map_err(|_| unexpected(&escape_path(id.as_bytes())))
    }

    /// The answer to a question about the image called `name`.
    fn get(&self, agent: &Agent, path: &str, what: &str, name: &str) -> Result<Response<Body>> {
        let asked = agent.get(format!("{}{path}", self.base)).call();
        let mut response = asked.map_err(|error| self.failed(what, error))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(self.refused(status, response.body_mut(), name)),
        }
    }

    fn unreachable(&self, error: ureq::Error, elsewhere: &str) -> Error {
        let kind = match &error {
            ureq::Error::Io(error) => Some(error.kind()),
            _ => None,
        };
        let help = match kind {
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => "is it running? ",
            Some(io::ErrorKind::PermissionDenied) => {
                "the socket is for root and for members of its group, often `docker`; "
            }
            _ => "",
        };
        self.failed(&format!("reach it ({help}{elsewhere})"), error)
    }

    fn failed(&self, what: &str, error: ureq::Error) -> Error {
        let is_networks = self.is_remote && is_networks(&error);
        let what = format!("docker daemon at {}: cannot {what}", self.name);
        match is_networks {
            true => Error::network(what, self.own_word(error)),
            false => Error::io(what, self.own_word(error)),
        }
    }

    /// An operating system's own word on it, where there is one.
    fn own_word(&self, error: ureq::Error) -> io::Error {
        match error {
            ureq::Error::Io(error) => error,
            ureq::Error::Timeout(_) => io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {:?}", self.patience.answer),
            ),
            other => io::Error::other(other),
        }
    }

    /// What a status other than success means.
    fn refused(&self, status: StatusCode, body: &mut Body, name: &str) -> Error {
        let text = read(body).unwrap_or_default();
        let message = serde_json::from_str(&text).map_or_else(
            |_| text.trim().to_owned(),
            |failure: Failure| failure.message,
        );
        let message = escape_path(message.as_bytes());
        let error = match status {
            // The image, or a part of it, such as what other platforms have.
            StatusCode::NOT_FOUND => {
                let is_whole =
                    message.is_empty() || message.to_lowercase().contains("no such image");
                let hint = match is_whole {
                    false if self.version >= ApiVersion::SAVES_PLATFORMS => {
                        "--platform OS/ARCHITECTURE asks for one of several"
                    }
                    _ => "`docker images` lists those it has, `docker pull` brings one",
                };
                let text = format!("it gives no image {name}: {message} ({hint})");
                io::Error::new(io::ErrorKind::NotFound, text)
            }
            status => io::Error::other(format!(
                "expected the image {name}, found status {status}: {message}"
            )),
        };
        Error::io(format!("docker daemon at {}", self.name), error)
    }
}

/// An image that arrives. What goes wrong then is told with the daemon's name.
struct Arriving<R> {
    body: R,
    name: String,
    is_remote: bool,
}

impl<R: Read> Read for Arriving<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::Interrupted => return error,
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    "it ended the connection before the image was whole (did it stop?)".to_owned()
                }
                _ => error.to_string(),
            };
            let told = format!("docker daemon at {}: {what}", self.name);
            let told = io::Error::new(error.kind(), told);
            match self.is_remote {
                true => of_network(told),
                false => told,
            }
        })
    }
}

/// The agents for what is answered at once and for what takes as long as it takes.
fn agents<C: Connector>(
    connector: impl Fn() -> C,
    tls: TlsConfig,
    base: &str,
    patience: Patience,
) -> (Agent, Agent) {
    let quick = config(tls.clone(), patience, true);
    let quick = Agent::with_parts(quick, connector(), PatientResolver);
    let waiting = PatientConnector {
        patience: patience.silence,
        probe: Probe {
            agent: quick.clone(),
            base: base.to_owned(),
            ask: |agent, base| ping(agent, base).map(drop),
        },
    };
    let patient = config(tls, patience, false);
    let patient = Agent::with_parts(patient, connector().chain(waiting), PatientResolver);
    (quick, patient)
}

fn tcp_connector() -> impl Connector {
    ().chain(TcpConnector::default())
        .chain(RustlsConnector::default())
}

/// No redirects, no proxies, and statuses as they are: a daemon is not the web.
fn config(tls: TlsConfig, patience: Patience, is_quick: bool) -> Config {
    Agent::config_builder()
        .user_agent(USER_AGENT)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .timeout_global(is_quick.then_some(patience.answer))
        .timeout_connect(Some(patience.answer))
        .tls_config(tls)
        .build()
}

/// Asks the daemon for a sign of life.
fn ping(agent: &Agent, base: &str) -> std::result::Result<ApiVersion, ureq::Error> {
    let response = agent.get(format!("{base}/_ping")).call()?;
    match response.status() {
        StatusCode::OK => {
            let version = response.headers().get("api-version");
            let version = version.and_then(|version| ApiVersion::parse(version.to_str().ok()?));
            Ok(version.unwrap_or_default())
        }
        status => Err(ureq::Error::StatusCode(status.as_u16())),
    }
}

/// A platform as the API has it in queries.
fn as_json(platform: &Platform) -> String {
    let mut json = serde_json::json!({
        "os": platform.os(),
        "architecture": platform.architecture(),
    });
    if let Some(variant) = platform.variant() {
        json["variant"] = variant.into();
    }
    json.to_string()
}

/// Whether a socket is none, or nobody's, or not for us: the next may be.
fn leads_nowhere(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        [
            Errno::NOENT,
            Errno::NOTDIR,
            Errno::LOOP,
            Errno::ACCESS,
            Errno::PERM,
            Errno::CONNREFUSED,
            Errno::PROTOTYPE,
            Errno::NOTSOCK,
        ]
        .contains(&errno)
    })
}

fn read(body: &mut Body) -> Result<String, ureq::Error> {
    body.with_config().limit(MAX_ANSWER_BYTES).read_to_string()
}

#[cfg(test)]
mod tests;
