//! Who to be at a registry, from the files that `docker login` and `podman login` write
//! (`containers-auth.json(5)`; docker's "Credential stores").

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::helper;
use crate::error::{Error, Result};
use crate::oci::RegistryReference;
use crate::progress::Reporter;
use crate::source::registry_options::{CredentialFiles, Credentials, Login};

/// No file with credentials is larger.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// What docker calls its own registry in files and to helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a registry or its token server is shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Login(Login),
    /// Exchanged for tokens at the token server (OAuth 2's refresh token).
    IdentityToken(String),
    /// A bearer token for the registry itself.
    RegistryToken(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Who to be for this image, `None` for nobody.
///
/// # Errors
/// [`Error::Io`] and [`Error::Unsupported`] for a file that cannot be read or understood,
/// [`Error::Tool`] for a helper that fails.
pub(super) fn find(
    credentials: &Credentials,
    reference: &RegistryReference,
    reporter: &dyn Reporter,
) -> Result<Option<Secret>> {
    match credentials {
        Credentials::Anonymous => Ok(None),
        Credentials::Given(login) => Ok(Some(Secret::Login(login.clone()))),
        Credentials::Files(files) => in_files(files, reference, reporter),
    }
}

fn in_files(
    files: &CredentialFiles,
    reference: &RegistryReference,
    reporter: &dyn Reporter,
) -> Result<Option<Secret>> {
    let search_path = files.search_path.as_deref();
    for path in &files.paths {
        let Some(bytes) = read(path, files.are_named)? else {
            continue;
        };
        let file: File = serde_json::from_slice(&bytes).map_err(|error| {
            Error::unsupported(format!(
                "{}: expected credentials as docker login writes them: {error} (--anonymous does without)",
                path.display()
            ))
        })?;
        let found = file
            .secret(reference, search_path, reporter)
            .map_err(|error| match error {
                Error::Unsupported { what, .. } => {
                    Error::unsupported(format!("{}: {what}", path.display()))
                }
                other => other,
            })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn read(path: &Path, must_be_there: bool) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let file = crate::source::store::open_regular_file(path);
    match file.and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error)
            if !must_be_there
                && matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io(
            format!(
                "cannot read credentials in {} (--anonymous does without)",
                path.display()
            ),
            error,
        )),
    }
}

impl File {
    fn secret(
        &self,
        reference: &RegistryReference,
        search_path: Option<&OsStr>,
        reporter: &dyn Reporter,
    ) -> Result<Option<Secret>> {
        let registry = reference.registry();
        // The most particular key wins: podman's may name a namespace or a repository.
        for key in keys(reference) {
            if key == registry
                && let Some(name) = self.helper(registry)
            {
                let server = if registry == "docker.io" {
                    DOCKER_HUB_KEY
                } else {
                    registry
                };
                let found = helper::get(name, server, search_path, reporter)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            let auths = self.auths.iter().flatten();
            let mut entries = auths.filter(|(own, _)| normalised(own) == key);
            if let Some((name, Some(entry))) = entries.next() {
                let secret = entry.secret(name)?;
                if secret.is_some() {
                    return Ok(secret);
                }
            }
        }
        Ok(None)
    }

    fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.cred_helpers.iter().flatten();
        let mut own = own.filter(|(name, _)| normalised(name) == registry);
        own.next()
            .map(|(_, helper)| helper)
            .or(self.creds_store.as_ref())
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }
}

impl Entry {
    fn secret(&self, key: &str) -> Result<Option<Secret>> {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = text(&self.identitytoken) {
            return Ok(Some(Secret::IdentityToken(token)));
        }
        if let Some(token) = text(&self.registrytoken) {
            return Ok(Some(Secret::RegistryToken(token)));
        }
        let login = match text(&self.auth) {
            Some(auth) => Some(decoded(&auth).ok_or_else(|| {
                Error::unsupported(format!(
                    "auths, {key}: expected USER:PASSWORD in base64 (docker login writes it)"
                ))
            })?),
            None => text(&self.username).map(|user| Login {
                user,
                password: self.password.clone().unwrap_or_default(),
            }),
        };
        Ok(login.map(Secret::Login))
    }
}

fn decoded(auth: &str) -> Option<Login> {
    let bytes = BASE64.decode(auth.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Login {
        user: user.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
    })
}

/// The value of an `Authorization` header (RFC 7617).
pub(super) fn basic(login: &Login) -> String {
    let pair = format!("{}:{}", login.user, login.password);
    format!("Basic {}", BASE64.encode(pair))
}

/// `host/a/b`, `host/a`, `host`.
fn keys(reference: &RegistryReference) -> Vec<String> {
    let mut key = reference.full_repository();
    let mut keys = vec![key.clone()];
    while let Some(end) = key.rfind('/') {
        key.truncate(end);
        keys.push(key.clone());
    }
    keys
}

/// A key without what older docker puts around a host: a scheme, and a path of the API.
fn normalised(key: &str) -> String {
    let bare = ["https://", "http://"]
        .iter()
        .find_map(|scheme| key.strip_prefix(scheme));
    let key = match bare {
        // An URL names a server, whatever its path.
        Some(bare) => bare.split('/').next().unwrap_or(bare),
        None => {
            let key = key.trim_end_matches('/');
            key.strip_suffix("/v1")
                .or(key.strip_suffix("/v2"))
                .unwrap_or(key)
        }
    };
    match key.split_once('/') {
        None if is_docker_hub(key) => "docker.io".to_owned(),
        Some((host, path)) if is_docker_hub(host) => format!("docker.io/{path}"),
        _ => key.to_owned(),
    }
}

fn is_docker_hub(host: &str) -> bool {
    matches!(
        host,
        "docker.io" | "index.docker.io" | "registry-1.docker.io"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn found(json: &str, image: &str) -> Result<Option<Secret>> {
        let file: File = serde_json::from_str(json).unwrap();
        file.secret(&image.parse().unwrap(), None, &Silent)
    }

    fn login(user: &str, password: &str) -> Option<Secret> {
        Some(Secret::Login(Login {
            user: user.to_owned(),
            password: password.to_owned(),
        }))
    }

    fn entry(user: &str) -> String {
        format!(
            r#"{{"auth":"{}"}}"#,
            BASE64.encode(format!("{user}:pass:word"))
        )
    }

    #[test]
    fn a_registry_is_found_however_docker_wrote_its_name() {
        for (key, image) in [
            ("https://index.docker.io/v1/", "alpine"),
            ("docker.io", "alpine"),
            ("index.docker.io", "a/b"),
            ("https://ghcr.io", "ghcr.io/a/b"),
            ("http://localhost:5000/v2/", "localhost:5000/a"),
            ("localhost:5000/v1/", "localhost:5000/a"),
            ("ghcr.io", "ghcr.io/a/b"),
        ] {
            let json = format!(r#"{{"auths":{{"{key}":{}}}}}"#, entry("u"));
            assert_eq!(
                found(&json, image).unwrap(),
                login("u", "pass:word"),
                "{key}"
            );
        }
        let json = format!(r#"{{"auths":{{"ghcr.io":{}}}}}"#, entry("u"));
        for image in ["alpine", "ghcr.io:443/a", "x.ghcr.io/a"] {
            assert_eq!(found(&json, image).unwrap(), None, "{image}");
        }
    }

    #[test]
    fn of_podmans_keys_the_most_particular_wins() {
        let json = format!(
            r#"{{"auths":{{"h.io":{},"h.io/team":{},"h.io/team/app":{},"docker.io/me":{}}}}}"#,
            entry("host"),
            entry("team"),
            entry("app"),
            entry("me")
        );
        for (image, user) in [
            ("h.io/team/app:1", "app"),
            ("h.io/team/other", "team"),
            ("h.io/team2/app", "host"),
            ("me/app", "me"),
        ] {
            assert_eq!(
                found(&json, image).unwrap(),
                login(user, "pass:word"),
                "{image}"
            );
        }
        assert_eq!(found(&json, "alpine").unwrap(), None);
    }

    #[test]
    fn entries_of_every_form_are_understood_and_empty_ones_passed_over() {
        let of = |entry: &str| found(&format!(r#"{{"auths":{{"h.io":{entry}}}}}"#), "h.io/a");
        assert_eq!(of("{}").unwrap(), None);
        assert_eq!(of("null").unwrap(), None);
        assert_eq!(
            of(r#"{"auth":"","username":"u","password":"p"}"#).unwrap(),
            login("u", "p")
        );
        assert_eq!(of(r#"{"auth":"dTpw"}"#).unwrap(), login("u", "p"));
        assert_eq!(
            of(r#"{"auth":"dTpw","identitytoken":"t"}"#).unwrap(),
            Some(Secret::IdentityToken("t".to_owned()))
        );
        assert_eq!(
            of(r#"{"registrytoken":"t"}"#).unwrap(),
            Some(Secret::RegistryToken("t".to_owned()))
        );
        for wrong in [r#"{"auth":"***"}"#, r#"{"auth":"dXA="}"#] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(
                error.contains("h.io") && error.contains("base64"),
                "{error}"
            );
        }
    }

    #[test]
    fn files_are_asked_in_their_order_and_absent_ones_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, host: &str, user: &str| {
            let json = format!(
                r#"{{"auths":{{"{host}":{}}},"HttpHeaders":{{}}}}"#,
                entry(user)
            );
            std::fs::write(path(name), json).unwrap();
        };
        write("one", "a.io", "first");
        write("two", "a.io", "second");
        write("three", "b.io", "third");
        std::fs::write(path("broken"), "{").unwrap();
        let find = |names: &[&str], image: &str| {
            let files = CredentialFiles {
                paths: names.iter().map(|name| path(name)).collect(),
                search_path: None,
                are_named: false,
            };
            super::find(&Credentials::Files(files), &image.parse().unwrap(), &Silent)
        };
        let names = ["absent", "one", "two", "three"];
        assert_eq!(find(&names, "a.io/x").unwrap(), login("first", "pass:word"));
        assert_eq!(find(&names, "b.io/x").unwrap(), login("third", "pass:word"));
        assert_eq!(find(&names, "c.io/x").unwrap(), None);
        let error = find(&["broken"], "a.io/x").unwrap_err().to_string();
        assert!(
            error.contains("broken") && error.contains("--anonymous"),
            "{error}"
        );
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let secret = login("user", "hidden").unwrap();
        assert!(!format!("{secret:?}").contains("hidden"));
        let Secret::Login(login) = secret else { return };
        assert!(!format!("{login:?}").contains("hidden"));
        assert_eq!(basic(&login), "Basic dXNlcjpoaWRkZW4=");
    }
}
