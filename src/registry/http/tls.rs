//! Whom TLS trusts, and what it shows.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::certificates::CertificateFiles;
use crate::error::{Error, Result};
use crate::pinned::read_regular_file;
use crate::registry::options::TlsOptions;

/// No PEM file of certificates is larger.
const MAX_PEM_BYTES: u64 = 16 << 20;

/// The set-up for all connections on behalf of `registry`, a `HOST[:PORT]`.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read, [`Error::Unsupported`] where it holds something else.
pub(super) fn config(options: &TlsOptions, registry: &str) -> Result<TlsConfig> {
    let files = CertificateFiles::find(options, registry)?;
    let roots = if files.authorities.is_empty() {
        RootCerts::PlatformVerifier
    } else {
        // Besides the system's: a registry's blobs may be at a public storage service.
        let system = rustls_native_certs::load_native_certs().certs;
        let mut trusted: Vec<_> = system.iter().map(owned).collect();
        for path in &files.authorities {
            trusted.extend(authorities(path)?.iter().map(owned));
        }
        RootCerts::Specific(Arc::new(trusted))
    };
    let client = (files.client.as_ref()).map(|(certificate, key)| client(certificate, key));
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .disable_verification(!options.verify)
        .client_cert(client.transpose()?)
        .build())
}

fn owned(der: &CertificateDer<'_>) -> Certificate<'static> {
    Certificate::from_der(der).to_owned()
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = certificates(path)?;
    let mut store = rustls::RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(found.iter().cloned());
    if usable == 0 {
        return Err(not_pem(path, "certificates"));
    }
    Ok(found)
}

/// The client's certificate and key, found to belong together.
fn client(path: &Path, key_path: &Path) -> Result<ClientCert> {
    let chain = certificates(path)?;
    if chain.is_empty() {
        return Err(not_pem(path, "certificates"));
    }
    let key_bytes = read(key_path)?;
    let key = PrivateKeyDer::from_pem_slice(&key_bytes).map_err(|_| no_key(key_path))?;
    let signing =
        any_supported_type(&key).map_err(|_| not_pem(key_path, "an RSA, ECDSA or Ed25519 key"))?;
    use rustls::Error::InconsistentKeys;
    use rustls::InconsistentKeys::Unknown;
    match CertifiedKey::new(chain.clone(), signing).keys_match() {
        // Some kinds of keys do not tell their public half.
        Ok(()) | Err(InconsistentKeys(Unknown)) => {}
        Err(error) => {
            return Err(Error::unsupported(format!(
                "{}: expected a certificate of the key in {}: {error}",
                path.display(),
                key_path.display()
            )));
        }
    }
    let chain: Vec<_> = chain.iter().map(owned).collect();
    let key = PrivateKey::from_pem(&key_bytes).map_err(|_| no_key(key_path))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(path)?;
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found.map_err(|error| {
        Error::unsupported(format!(
            "{}: expected certificates as PEM: {error}",
            path.display()
        ))
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    read_regular_file(path, MAX_PEM_BYTES).map_err(|error| Error::path("read", path, error))
}

fn no_key(path: &Path) -> Error {
    not_pem(
        path,
        "an unencrypted private key (--client-key names another file)",
    )
}

fn not_pem(path: &Path, expected: &str) -> Error {
    Error::unsupported(format!("{}: expected PEM with {expected}", path.display()))
}
