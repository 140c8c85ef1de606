//! A private certificate authority, made with openssl.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::http::{Head, Server};
use super::support::oracles::program;

/// A certificate authority with one server's and one client's certificate, in a directory of its
/// own.
#[derive(Debug)]
pub struct Authority {
    directory: tempfile::TempDir,
}

/// Every name under which the tests speak to a server.
const NAMES: &str = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test";

impl Authority {
    /// `None`, after saying so, where openssl is not installed.
    pub fn new() -> Option<Self> {
        program("openssl")?;
        let directory = tempfile::tempdir().unwrap();
        let authority = Self { directory };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
             -keyout ca.key -out ca.pem -subj /CN=test-authority \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign",
        );
        authority.issue("server", NAMES, "serverAuth");
        authority.issue("client", "subjectAltName=DNS:client", "clientAuth");
        Some(authority)
    }

    fn issue(&self, name: &str, names: &str, usage: &str) {
        fs::write(
            self.path(&format!("{name}.ext")),
            format!("{names}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"),
        )
        .unwrap();
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
             -extfile {name}.ext -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.current_dir(self.directory.path());
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {error}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What clients must trust.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub fn server_certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    pub fn server_key(&self) -> PathBuf {
        self.path("server.key")
    }

    pub fn client_certificate(&self) -> PathBuf {
        self.path("client.pem")
    }

    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A server that speaks TLS and answers as it is told.
pub struct Front(Server);

impl Front {
    pub fn start(
        authority: &Authority,
        answer: impl Fn(&Head) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let certificates = CertificateDer::pem_file_iter(authority.server_certificate()).unwrap();
        let key = PrivateKeyDer::from_pem_file(authority.server_key()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.map(Result::unwrap).collect(), key)
            .unwrap();
        let config = Arc::new(config);
        Self(Server::start(move |mut client, _| {
            let connection = ServerConnection::new(Arc::clone(&config));
            let mut connection = connection.map_err(io::Error::other)?;
            let mut reader = BufReader::new(Stream::new(&mut connection, &mut client));
            while let Some(head) = Head::read(&mut reader)? {
                let mut body = vec![0; usize::try_from(head.length().unwrap_or(0)).unwrap()];
                reader.read_exact(&mut body)?;
                reader.get_mut().write_all(&answer(&head))?;
            }
            Ok(())
        }))
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }
}
