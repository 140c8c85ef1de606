//! TLS with a daemon.

use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::error::{Error, Result};
use crate::pinned::read_regular_file;

/// No PEM file of certificates is larger.
const MAX_PEM_BYTES: u64 = 16 << 20;

/// How a daemon is known, and known to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    /// Who is trusted to name it; the system's authorities where there is no file.
    pub(super) ca: Option<PathBuf>,
    /// What it is shown, and the key.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    /// Whether its certificate is looked at.
    pub(super) verify: bool,
}

impl Tls {
    /// The files that `DOCKER_CERT_PATH` is to have in it.
    pub(super) fn of_directory(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name);
        Self {
            ca: Some(path("ca.pem")),
            certificate: Some((path("cert.pem"), path("key.pem"))),
            verify: true,
        }
    }
}

/// Holds the daemon's certificate against its authority's and shows it ours.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read, [`Error::Unsupported`] where it holds something else.
pub(super) fn config(tls: &Tls) -> Result<TlsConfig> {
    let read = |path: &Path| {
        let read = read_regular_file(path, MAX_PEM_BYTES);
        read.map_err(|error| Error::path("read", path, error))
    };
    // As of a registry's files: one that cannot be read is the machine's affair, what is in it the
    // user's.
    let wrong = |path: &Path, expected: &str| {
        Error::unsupported(format!("{}: expected PEM with {expected}", path.display()))
    };
    let certificates = |path: &Path| {
        let bytes = read(path)?;
        let items = ureq::tls::parse_pem(&bytes).filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(_) => Some(Err(wrong(path, "certificates"))),
        });
        let found = items.collect::<Result<Vec<Certificate<'static>>>>()?;
        if found.is_empty() {
            return Err(wrong(path, "certificates"));
        }
        Ok(found)
    };
    let mut config = TlsConfig::builder().disable_verification(!tls.verify);
    config = match &tls.ca {
        Some(path) => config.root_certs(RootCerts::new_with_certs(&certificates(path)?)),
        None => config.root_certs(RootCerts::PlatformVerifier),
    };
    if let Some((certificate, path)) = &tls.certificate {
        let own = certificates(certificate)?;
        let key = PrivateKey::from_pem(&read(path)?)
            .map_err(|_| wrong(path, "an unencrypted private key"))?;
        config = config.client_cert(Some(ClientCert::new_with_certs(&own, key)));
    }
    Ok(config.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is no certificate had the exit code of a file that cannot be read; of a registry's it
    /// had another.
    #[test]
    fn a_file_that_cannot_be_read_and_one_of_something_else_end_differently() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (junk, broken) = (
            file("junk.pem", "no certificate"),
            file("broken.pem", "-----BEGIN CERTIFICATE-----\n???"),
        );
        let absent = directory.path().join("absent.pem");
        for (ca, code, words) in [
            (&junk, 5, "junk.pem: expected PEM with certificates"),
            (&broken, 5, "broken.pem: expected PEM with certificates"),
            (&absent, 3, "absent.pem"),
        ] {
            let tls = Tls {
                ca: Some(ca.clone()),
                certificate: None,
                verify: true,
            };
            let error = config(&tls).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
