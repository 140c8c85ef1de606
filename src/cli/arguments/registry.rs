//! How registries are asked: what is typed, and what the environment says.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser;

use super::cache::CacheDirectory;
use super::environment::{home, variable};
use super::numbers::whole;
use crate::error::{Error, Result};
use crate::pipeline::{
    CacheChoice, CredentialFiles, Credentials, Login, Proxies, RegistryOptions, TlsOptions,
};

/// The variable that names the one file of credentials.
const AUTH_FILE: &str = "REGISTRY_AUTH_FILE";

/// The variable that has such a file's content in it.
const AUTH_CONTENT: &str = "DOCKER_AUTH_CONFIG";

/// No user's name with a password is longer.
const MAX_LOGIN_BYTES: u64 = 64 << 10;

/// What is typed about registries.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArguments {
    /// Who asks; every user of this machine can read it there [default: as docker login and podman
    /// login left it, or nobody]
    #[arg(
        long,
        value_name = "USER:PASSWORD",
        value_parser = LoginParser,
        allow_hyphen_values = true,
        conflicts_with = "anonymous"
    )]
    pub creds: Option<Login>,
    /// Who asks, as USER:PASSWORD on the one line of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["anonymous", "creds"])]
    pub creds_file: Option<PathBuf>,
    /// Who asks, as USER:PASSWORD on the one line of standard input
    #[arg(long, conflicts_with_all = ["anonymous", "creds", "creds_file"])]
    pub creds_stdin: bool,
    /// Ask without a name, whatever docker login and podman login left
    #[arg(long)]
    pub anonymous: bool,
    /// Hold registries' certificates against trusted authorities; false takes any, and plain HTTP
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set
    )]
    pub tls_verify: bool,
    /// Also trust the certificate authorities in this file (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Show this certificate to registries that want one (PEM)
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// The certificate's key (PEM) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// Speak plain HTTP, which anybody on the way can read and change; without it only registries
    /// on this machine are spoken to so
    #[arg(long)]
    pub plain_http: bool,
    /// Seconds without a byte after which a connection counts as lost
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub timeout: Duration,
    /// Try so often again what failed and may pass, such as a lost connection
    #[arg(long, value_name = "N", default_value_t = RegistryOptions::DEFAULT_RETRIES, value_parser = whole::<u32>)]
    pub retry: u32,
    /// Keep nothing for the next time, and take nothing from the cache
    #[arg(long, conflicts_with = "cache_dir")]
    pub no_cache: bool,
    #[command(flatten)]
    pub cache: CacheDirectory,
}

impl RegistryArguments {
    /// What is meant.
    ///
    /// # Errors
    /// Where the environment is of no use for it.
    pub fn options(&self, jobs: Option<NonZeroUsize>) -> Result<RegistryOptions> {
        let cache = match &self.cache.cache_dir {
            _ if self.no_cache => CacheChoice::None,
            Some(path) => CacheChoice::Given(path.clone()),
            // Without a home there is nowhere to keep anything.
            None => self
                .cache
                .path()
                .map_or(CacheChoice::None, CacheChoice::Usual),
        };
        let usual = RegistryOptions::default();
        Ok(RegistryOptions {
            credentials: credentials(self)?,
            tls: TlsOptions {
                verify: self.tls_verify,
                ca_cert: self.ca_cert.clone(),
                client_cert: self.client_cert.clone(),
                client_key: self.client_key.clone(),
                cert_directories: cert_directories(),
            },
            plain_http: self.plain_http,
            proxies: proxies(),
            cache,
            downloads: jobs.unwrap_or(usual.downloads),
            timeout: self.timeout,
            retries: self.retry,
        })
    }
}

fn credentials(arguments: &RegistryArguments) -> Result<Credentials> {
    if arguments.anonymous {
        return Ok(Credentials::Anonymous);
    }
    if let Some(login) = &arguments.creds {
        return Ok(Credentials::Given(login.clone()));
    }
    if let Some(path) = &arguments.creds_file {
        // A pipe by name, as a shell's <(command) gives, is as good.
        let file = File::open(path).map_err(|error| Error::path("open", path, error))?;
        return read_login(file, &path.display().to_string()).map(Credentials::Given);
    }
    if arguments.creds_stdin {
        return read_login(io::stdin(), "standard input").map(Credentials::Given);
    }
    Ok(Credentials::Files(CredentialFiles {
        content: variable(AUTH_CONTENT).map(|content| content.to_string_lossy().into_owned()),
        paths: credential_files(),
        are_named: variable(AUTH_FILE).is_some(),
        search_path: std::env::var_os("PATH"),
    }))
}

/// Reads `--creds-file` and `--creds-stdin`. What is wrong is told without what stands there.
fn read_login(from: impl Read, name: &str) -> Result<Login> {
    let mut line = Vec::new();
    from.take(MAX_LOGIN_BYTES + 1)
        .read_to_end(&mut line)
        .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
    for end in [b'\n', b'\r'] {
        line.pop_if(|last| *last == end);
    }
    let wrong = |found: &str| {
        Error::unsupported(format!(
            "{name}: expected USER:PASSWORD on one line, found {found}"
        ))
    };
    if line.len() as u64 >= MAX_LOGIN_BYTES {
        return Err(wrong("more than anybody's password"));
    }
    if line.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        return Err(wrong("more than one line"));
    }
    Login::parse(&line).ok_or_else(|| wrong("no user name before a colon"))
}

/// In the order in which they are asked: podman's, then docker's; or the one that is named.
fn credential_files() -> Vec<PathBuf> {
    let directory = |name| variable(name).map(PathBuf::from);
    if let Some(named) = directory(AUTH_FILE) {
        return vec![named];
    }
    let at_home = |name| Some(home()?.join(name));
    let user = rustix::process::geteuid().as_raw();
    let podman = |directory: PathBuf| directory.join("containers/auth.json");
    let mut files = vec![match directory("XDG_RUNTIME_DIR") {
        Some(run) => podman(run),
        None => PathBuf::from(format!("/run/containers/{user}/auth.json")),
    }];
    let config = directory("XDG_CONFIG_HOME").or_else(|| at_home(".config"));
    files.extend(config.map(podman));
    let docker = directory("DOCKER_CONFIG").or_else(|| at_home(".docker"));
    files.extend(docker.map(|directory| directory.join("config.json")));
    files
}

/// podman's, then docker's; of both the user's own before the machine's.
fn cert_directories() -> Vec<PathBuf> {
    let home = home();
    let own = [".config/containers/certs.d", ".config/docker/certs.d"];
    let own = home.iter().flat_map(|home| own.map(|path| home.join(path)));
    let shared = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
    own.chain(shared.map(PathBuf::from)).collect()
}

fn proxies() -> Proxies {
    let either = |upper: &str, lower: &str| {
        [upper, lower]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    Proxies {
        http: either("HTTP_PROXY", "http_proxy"),
        https: either("HTTPS_PROXY", "https_proxy"),
        none_for: either("NO_PROXY", "no_proxy").unwrap_or_default(),
    }
}

/// Reads `--creds`; what is wrong with it is told without it, for it is a secret. A function in its
/// place would have its value shown beside its error.
#[derive(Debug, Clone)]
struct LoginParser;

impl TypedValueParser for LoginParser {
    type Value = Login;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Login, clap::Error> {
        Login::parse(value.as_bytes()).ok_or_else(|| {
            let text = "invalid value for '--creds <USER:PASSWORD>': expected a user name, a colon and a password\n";
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected whole seconds, from 1 to 86400".to_owned()),
    }
}
