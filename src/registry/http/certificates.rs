//! Which files TLS takes certificates from: those that were named, and those that docker and podman
//! keep for a registry (`containers-certs.d(5)`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ownership;
use crate::registry::options::TlsOptions;

/// Files with certificates for one registry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CertificateFiles {
    /// Authorities that are trusted besides the system's.
    pub(super) authorities: Vec<PathBuf>,
    /// A certificate to show, and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl CertificateFiles {
    /// The files for `registry`, a `HOST[:PORT]`.
    ///
    /// # Errors
    /// [`Error::Io`] for a directory that cannot be read, [`Error::Unsupported`] for a certificate
    /// without a key or the reverse, and for files there that others may write.
    pub(super) fn find(options: &TlsOptions, registry: &str) -> Result<Self> {
        let mut found = Self::default();
        // What is typed was checked to be a host; nothing in it leads out of the directory.
        let directories = options.cert_directories.iter();
        let directory = directories
            .map(|directory| directory.join(registry))
            .find(|directory| directory.is_dir());
        if let Some(directory) = directory {
            found = Self::in_directory(&directory)?;
            let is_said = options.ca_cert.is_some() || options.client_cert.is_some();
            match found.others()? {
                None => {}
                // Somebody said what to use. What others may write is not used beside it.
                Some(_) if is_said => found = Self::default(),
                Some(others) => {
                    return Err(Error::unsupported(format!(
                        "{}: expected certificates that only this user and root may write, found that {others} (--ca-cert FILE or --client-cert FILE names others)",
                        directory.display()
                    )));
                }
            }
        }
        found.authorities.splice(0..0, options.ca_cert.clone());
        match (&options.client_cert, &options.client_key) {
            (Some(certificate), key) => {
                let key = key.as_ref().unwrap_or(certificate);
                found.client = Some((certificate.clone(), key.clone()));
            }
            (None, Some(_)) => {
                return Err(Error::unsupported(
                    "--client-key: expected --client-cert beside it",
                ));
            }
            (None, None) => {}
        }
        Ok(found)
    }

    /// Who else may change a file of these.
    fn others(&self) -> Result<Option<String>> {
        let client = self.client.iter().flat_map(|(path, key)| [path, key]);
        for path in self.authorities.iter().chain(client) {
            let others = ownership::others_on_the_way_to(path);
            let others = others.map_err(|error| Error::path("read", path, error))?;
            if others.is_some() {
                return Ok(others);
            }
        }
        Ok(None)
    }

    fn in_directory(directory: &Path) -> Result<Self> {
        let cannot_read = |error| Error::path("read", directory, error);
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(cannot_read)? {
            paths.push(entry.map_err(cannot_read)?.path());
        }
        paths.sort();
        let has = |path: &PathBuf, end: &str| path.extension().is_some_and(|own| own == end);
        let mut found = Self::default();
        for path in &paths {
            let partner = |end: &str| path.with_extension(end);
            if has(path, "crt") {
                found.authorities.push(path.clone());
            } else if has(path, "cert") {
                if !paths.contains(&partner("key")) {
                    return Err(alone(path, &partner("key")));
                }
                found.client.get_or_insert((path.clone(), partner("key")));
            } else if has(path, "key") && !paths.contains(&partner("cert")) {
                return Err(alone(path, &partner("cert")));
            }
        }
        Ok(found)
    }
}

fn alone(path: &Path, partner: &Path) -> Error {
    Error::unsupported(format!(
        "{}: expected {} beside it",
        path.display(),
        partner.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(directory: &Path) -> TlsOptions {
        TlsOptions {
            cert_directories: vec![directory.join("absent"), directory.to_owned()],
            ..TlsOptions::default()
        }
    }

    #[test]
    fn a_registrys_directory_is_searched_and_what_was_named_comes_first() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("h.io:5000");
        fs::create_dir(&own).unwrap();
        for name in [
            "b.crt", "a.crt", "me.cert", "me.key", "you.cert", "you.key", "README",
        ] {
            fs::write(own.join(name), "").unwrap();
        }
        let mut options = options(root.path());
        let found = CertificateFiles::find(&options, "h.io:5000").unwrap();
        let expected = CertificateFiles {
            authorities: vec![own.join("a.crt"), own.join("b.crt")],
            client: Some((own.join("me.cert"), own.join("me.key"))),
        };
        assert_eq!(found, expected);
        let none = CertificateFiles::find(&options, "h.io").unwrap();
        assert_eq!(none, CertificateFiles::default());
        options.ca_cert = Some("named.pem".into());
        options.client_cert = Some("both.pem".into());
        let found = CertificateFiles::find(&options, "h.io:5000").unwrap();
        assert_eq!(found.authorities[0], Path::new("named.pem"));
        assert_eq!(found.client, Some(("both.pem".into(), "both.pem".into())));
    }

    /// Bug: with a home that is another user's, root believed the authorities that user had put there.
    #[test]
    fn certificates_that_others_may_write_are_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("h.io");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("ca.crt"), "").unwrap();
        let mut options = options(root.path());
        assert!(CertificateFiles::find(&options, "h.io").is_ok());
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&own.join("ca.crt"), 0o666);
        let error = CertificateFiles::find(&options, "h.io").unwrap_err();
        assert!(error.to_string().contains("--ca-cert"), "{error}");
        set(&own.join("ca.crt"), 0o644);
        set(&own, 0o777);
        assert!(CertificateFiles::find(&options, "h.io").is_err());
        // As Kubernetes mounts secrets: everybody may add names, and nobody change one.
        set(&own, 0o1777);
        assert!(CertificateFiles::find(&options, "h.io").is_ok());
        set(&own, 0o777);
        options.ca_cert = Some("named.pem".into());
        let found = CertificateFiles::find(&options, "h.io").unwrap();
        assert_eq!(found.authorities, ["named.pem"].map(PathBuf::from));
    }

    #[test]
    fn a_certificate_without_its_key_is_told() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("h.io");
        fs::create_dir(&own).unwrap();
        for (name, partner) in [("me.cert", "me.key"), ("me.key", "me.cert")] {
            fs::write(own.join(name), "").unwrap();
            let error = CertificateFiles::find(&options(root.path()), "h.io").unwrap_err();
            assert!(error.to_string().contains(partner), "{error}");
            fs::remove_file(own.join(name)).unwrap();
        }
    }
}
