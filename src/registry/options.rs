//! How registries are asked. The environment is read by who fills these in.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::escape_path;

/// How to reach registries and where to keep what they give.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Who to be.
    pub credentials: Credentials,
    /// What to trust.
    pub tls: TlsOptions,
    /// Whether to speak plain HTTP. Without it, only this machine itself is spoken to so, and only
    /// where it does not answer by TLS.
    pub plain_http: bool,
    /// The way out.
    pub proxies: Proxies,
    /// Where blobs are kept.
    pub cache: CacheChoice,
    /// How many layers are downloaded at the same time at most.
    pub downloads: NonZeroUsize,
    /// How long a server may say nothing before the connection counts as lost.
    pub timeout: Duration,
    /// How often what failed and may pass is tried again. A blob that got on meanwhile begins the
    /// counting anew.
    pub retries: u32,
}

impl RegistryOptions {
    /// What [`retries`](Self::retries) is unless somebody says otherwise.
    pub const DEFAULT_RETRIES: u32 = 5;
}

impl Default for RegistryOptions {
    /// Nobody in particular, no proxy, no cache, three downloads at a time.
    fn default() -> Self {
        Self {
            credentials: Credentials::Anonymous,
            tls: TlsOptions::default(),
            plain_http: false,
            proxies: Proxies::default(),
            cache: CacheChoice::None,
            downloads: NonZeroUsize::MIN.saturating_add(2),
            timeout: Duration::from_secs(30),
            retries: Self::DEFAULT_RETRIES,
        }
    }
}

/// Who to be at a registry.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// Nobody.
    #[default]
    Anonymous,
    /// These, at the registry of the image.
    Given(Login),
    /// Whoever these files say.
    Files(CredentialFiles),
}

/// A user's name and password, of any bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

impl Login {
    /// Reads `USER:PASSWORD`; `None` where there is no colon, or nothing before it.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let colon = text.iter().position(|byte| *byte == b':')?;
        (colon > 0).then(|| Self {
            user: text[..colon].to_vec(),
            password: text[colon + 1..].to_vec(),
        })
    }
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({})", escape_path(&self.user))
    }
}

/// Files with credentials, in the form of docker's `config.json` and podman's `auth.json`.
#[derive(Debug, Clone, Default)]
pub struct CredentialFiles {
    /// The content of such a file, asked before all of them (`DOCKER_AUTH_CONFIG`).
    pub content: Option<String>,
    /// The first that knows the registry is taken; those that are not there are passed over.
    pub paths: Vec<PathBuf>,
    /// Whether they were named, so that one that is not there is an error.
    pub are_named: bool,
    /// Where `docker-credential-` helpers are looked for (a PATH).
    pub search_path: Option<OsString>,
}

/// What is trusted in TLS, and who to be in it.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// Whether a server's certificate is held against the trusted authorities. Without it, plain
    /// HTTP is also taken where TLS is not spoken.
    pub verify: bool,
    /// Authorities (PEM) that are trusted besides the system's.
    pub ca_cert: Option<PathBuf>,
    /// A certificate (PEM, with what it is signed by) to show to servers that ask.
    pub client_cert: Option<PathBuf>,
    /// Its key (PEM); by default in the same file.
    pub client_key: Option<PathBuf>,
    /// Where there may be a directory for a registry, called `HOST[:PORT]`, with authorities in
    /// `*.crt` and a certificate and its key to show in `*.cert` and `*.key` (docker's and podman's
    /// `certs.d`). The first such directory is used, and what is named above comes before it.
    pub cert_directories: Vec<PathBuf>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            verify: true,
            ca_cert: None,
            client_cert: None,
            client_key: None,
            cert_directories: Vec::new(),
        }
    }
}

/// Proxies for HTTP, as `http_proxy` and its likes say.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http:` URLs.
    pub http: Option<String>,
    /// For `https:` URLs.
    pub https: Option<String>,
    /// Hosts to be reached directly: names with the names below them, addresses, networks as
    /// `10.0.0.0/8`, or `*` for all, separated by commas. This machine itself always is.
    pub none_for: String,
}

/// Where downloaded blobs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CacheChoice {
    /// Nowhere: they vanish with the process.
    #[default]
    None,
    /// In the usual directory; nowhere, with a warning, where it cannot be used.
    Usual(PathBuf),
    /// In this directory, or it is an error.
    Given(PathBuf),
}
