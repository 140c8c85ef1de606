//! Whom TLS trusts, and what it shows.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::error::{Error, Result};
use crate::source::registry_options::TlsOptions;

/// No PEM file of certificates is larger.
const MAX_PEM_BYTES: u64 = 16 << 20;

/// The set-up for all connections.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read, [`Error::Unsupported`] where it holds something else.
pub(super) fn config(options: &TlsOptions) -> Result<TlsConfig> {
    let roots = match &options.ca_cert {
        None => RootCerts::PlatformVerifier,
        Some(path) => {
            // Besides the system's: a registry's blobs may be at a public storage service.
            let system = rustls_native_certs::load_native_certs().certs;
            let system = system
                .iter()
                .map(|der| Certificate::from_der(der).to_owned());
            RootCerts::Specific(Arc::new(
                authorities(path)?.into_iter().chain(system).collect(),
            ))
        }
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .disable_verification(!options.verify)
        .client_cert(client(options)?)
        .build())
}

fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let found = certificates(path)?;
    let mut store = rustls::RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(found.iter().cloned());
    if usable == 0 {
        return Err(not_pem("--ca-cert", path, "certificates"));
    }
    Ok(found
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect())
}

/// The client's certificate and key, found to belong together.
fn client(options: &TlsOptions) -> Result<Option<ClientCert>> {
    let Some(path) = &options.client_cert else {
        return match &options.client_key {
            Some(_) => Err(Error::unsupported(
                "--client-key: expected --client-cert beside it",
            )),
            None => Ok(None),
        };
    };
    let chain = certificates(path)?;
    if chain.is_empty() {
        return Err(not_pem("--client-cert", path, "certificates"));
    }
    let key_path = options.client_key.as_deref().unwrap_or(path);
    let key_bytes = read(key_path)?;
    let key = PrivateKeyDer::from_pem_slice(&key_bytes)
        .map_err(|_| not_pem("--client-key", key_path, "an unencrypted private key"))?;
    let signing = any_supported_type(&key)
        .map_err(|_| not_pem("--client-key", key_path, "an RSA, ECDSA or Ed25519 key"))?;
    use rustls::Error::InconsistentKeys;
    use rustls::InconsistentKeys::Unknown;
    match CertifiedKey::new(chain.clone(), signing).keys_match() {
        // Some kinds of keys do not tell their public half.
        Ok(()) | Err(InconsistentKeys(Unknown)) => {}
        Err(error) => {
            return Err(Error::unsupported(format!(
                "--client-cert {}: expected a certificate of the key in {}: {error}",
                path.display(),
                key_path.display()
            )));
        }
    }
    let chain: Vec<_> = chain
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    let key = PrivateKey::from_pem(&key_bytes)
        .map_err(|_| not_pem("--client-key", key_path, "an unencrypted private key"))?;
    Ok(Some(ClientCert::new_with_certs(&chain, key)))
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
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = crate::source::store::open_regular_file(path);
    file.and_then(|file| file.take(MAX_PEM_BYTES).read_to_end(&mut bytes))
        .map_err(|error| Error::path("read", path, error))?;
    Ok(bytes)
}

fn not_pem(option: &str, path: &Path, expected: &str) -> Error {
    Error::unsupported(format!(
        "{option}: expected {expected} as PEM in {}",
        path.display()
    ))
}
