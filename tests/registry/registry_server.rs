//! Debian's docker-registry, started on a port that the kernel chooses.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::oracles::program;
use super::tls::Authority;
use super::token_server::TokenServer;

/// Who may pull.
#[derive(Debug, Clone, Copy, Default)]
pub enum Access<'a> {
    #[default]
    Everybody,
    /// USER and PASSWORD by basic authentication.
    Password,
    /// Whoever has a token of this server.
    Token(&'a TokenServer),
}

/// The user that registries and token servers know.
pub const USER: &str = "alice";
/// Her password, with characters that must survive base64, JSON and the command line.
pub const PASSWORD: &str = "s3cret:with/colon+ünï";

/// How a registry is to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup<'a> {
    pub access: Access<'a>,
    pub tls: Option<&'a Authority>,
    /// Whether clients need a certificate of the same authority.
    pub client_certificates: bool,
    /// Where blobs are redirected to (`http://HOST:PORT`).
    pub blobs_at: Option<&'a str>,
    /// Whether it leads to paths in place of whole URLs.
    pub relative_urls: bool,
    /// The storage of another registry, in place of an empty one.
    pub storage: Option<&'a Path>,
}

impl Access<'_> {
    pub fn is_everybodys(&self) -> bool {
        matches!(self, Self::Everybody)
    }
}

impl Setup<'_> {
    /// Whether it serves everything itself to everybody.
    pub fn is_plain(&self) -> bool {
        self.access.is_everybodys() && self.tls.is_none() && self.blobs_at.is_none()
    }
}

/// A registry that runs, ended when dropped and also when this process is killed.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    directory: tempfile::TempDir,
    storage: PathBuf,
    pub address: SocketAddr,
}

/// Waits on its standard input, whose other end goes with this process.
const WATCH: &str = r#"docker-registry serve "$0" & cat >/dev/null; kill $!; wait"#;

impl Registry {
    /// `None`, after saying so, where docker-registry is not installed.
    pub fn start(setup: Setup) -> Option<Self> {
        program("docker-registry")?;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let storage = setup.storage.map(Path::to_owned);
        let storage = storage.unwrap_or_else(|| path.join("storage"));
        let config = path.join("config.yml");
        fs::write(&config, configuration(setup, path, &storage)?).unwrap();
        let log = File::create(path.join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH]).arg(&config);
        command.stdin(Stdio::piped());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        let address = address(&path.join("log"));
        Some(Self {
            child,
            directory,
            storage,
            address,
        })
    }

    /// One that everybody may use.
    pub fn plain() -> Option<Self> {
        Self::start(Setup::default())
    }

    /// Where it keeps what was pushed.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// What went wrong by its own account.
    fn complaints(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let told = log.lines().filter(|line| !line.contains("level=info"));
        told.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the registry said: {}", self.complaints());
        }
    }
}

/// Waits until the registry says where it listens.
fn address(log: &Path) -> SocketAddr {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let said = fs::read_to_string(log).unwrap();
        let after = said.split_once("listening on ").map(|(_, rest)| rest);
        let address = after.and_then(|rest| rest.split(['"', ',', ' ']).next()?.parse().ok());
        if let Some(address) = address {
            return address;
        }
        assert!(Instant::now() < deadline, "no registry: {said}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The configuration file; `None` where a tool to make what it names is absent.
fn configuration(setup: Setup, directory: &Path, storage: &Path) -> Option<String> {
    let mut lines = vec![
        "version: 0.1".to_owned(),
        "log: {level: info, accesslog: {disabled: true}}".to_owned(),
        format!(
            "storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}",
            storage.display()
        ),
    ];
    let tls = setup.tls.map(|authority| {
        let client = format!(", clientcas: [{}]", authority.certificate().display());
        format!(
            ", tls: {{certificate: {}, key: {}{}}}",
            authority.server_certificate().display(),
            authority.server_key().display(),
            if setup.client_certificates {
                &client
            } else {
                ""
            },
        )
    });
    lines.push(format!(
        "http: {{addr: '127.0.0.1:0', secret: of-the-test, relativeurls: {}{}}}",
        setup.relative_urls,
        tls.unwrap_or_default()
    ));
    match setup.access {
        Access::Everybody => {}
        Access::Password => {
            let file = directory.join("htpasswd");
            program("htpasswd")?;
            let mut htpasswd = Command::new("htpasswd");
            // Cheap rounds: the registry checks it at every request.
            htpasswd.args(["-nbB", "-C", "4", USER, PASSWORD]);
            let output = htpasswd.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            fs::write(&file, output.stdout).unwrap();
            lines.push(format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}",
                file.display()
            ));
        }
        Access::Token(tokens) => lines.push(format!(
            "auth: {{token: {{realm: '{}', service: {}, issuer: {}, rootcertbundle: {}}}}}",
            tokens.realm(),
            super::token_server::SERVICE,
            super::token_server::ISSUER,
            tokens.certificate().display()
        )),
    }
    if let Some(base) = setup.blobs_at {
        lines.push(format!(
            "middleware: {{storage: [{{name: redirect, options: {{baseurl: '{base}/'}}}}]}}"
        ));
    }
    Some(lines.join("\n") + "\n")
}
