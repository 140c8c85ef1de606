//! What stands in docker's `config.json` and podman's `auth.json` (`containers-auth.json(5)`), read
//! as Go's programs read it: the names of fields in upper or lower case, `null` for nothing.
//!
//! What is wrong is told by its place, never by what stands there: that may be a password.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::error::shown;
use crate::oci::RegistryReference;
use crate::oci::go_json::fields;
use crate::registry::options::Login;

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

/// A file's content, taken apart as far as it is needed.
#[derive(Default)]
pub(super) struct AuthFile(Map<String, Value>);

/// What is wrong, and where.
type Wrong = String;

impl AuthFile {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let text = String::from_utf8_lossy(bytes);
        // What follows the first value is nobody's to read, as with docker.
        let mut values = serde_json::Deserializer::from_str(&text).into_iter();
        match values.next() {
            None => Ok(Self::default()),
            Some(Ok(Value::Object(fields))) => Ok(Self(fields)),
            Some(Ok(other)) => Err(format!("expected an object, found {}", kind(&other))),
            Some(Err(error)) => Err(format!(
                "no JSON at line {}, column {}",
                error.line(),
                error.column()
            )),
        }
    }

    /// What stands under a key of the form that [`keys`] gives.
    pub(super) fn entry(&self, key: &str) -> Result<Option<Secret>, Wrong> {
        let mut entries = Vec::new();
        for auths in objects(&self.0, "auths")? {
            entries.extend(auths.iter().filter(|(own, _)| normalised(own) == key));
        }
        // A key as it is before one that only means the same.
        entries.sort_by_key(|(own, _)| *own != key);
        for (own, entry) in entries {
            let place = format!("auths, {}", shown(own));
            let found = match entry {
                Value::Null => None,
                Value::Object(entry) => {
                    secret(entry).map_err(|wrong| format!("{place}: {wrong}"))?
                }
                other => {
                    return Err(format!(
                        "{place}: expected an object, found {}",
                        kind(other)
                    ));
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The helper that knows the registry's secrets. One without a name says that none does, whatever
    /// helper there is for all others.
    pub(super) fn helper(&self, registry: &str) -> Result<Option<String>, Wrong> {
        for helpers in objects(&self.0, "credHelpers")? {
            let mut own = helpers
                .iter()
                .filter(|(name, _)| normalised(name) == registry);
            if let Some((name, helper)) = own.next() {
                let place = shown(name);
                return as_text(helper).map_err(|w| format!("credHelpers, {place}: {w}"));
            }
        }
        text(&self.0, "credsStore")
    }
}

/// `host/a/b`, `host/a`, `host`.
pub(super) fn keys(reference: &RegistryReference) -> Vec<String> {
    let whole = reference.full_repository();
    let slashes = whole.rmatch_indices('/').map(|(at, _)| at);
    let ends = std::iter::once(whole.len()).chain(slashes);
    ends.map(|end| whole[..end].to_owned()).collect()
}

fn objects<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<Vec<&'a Map<String, Value>>, Wrong> {
    let mut found = Vec::new();
    for value in fields(object, name) {
        match value {
            Value::Null => {}
            Value::Object(inner) => found.push(inner),
            other => return Err(format!("{name}: expected an object, found {}", kind(other))),
        }
    }
    Ok(found)
}

/// A text that is not empty.
fn text(object: &Map<String, Value>, name: &str) -> Result<Option<String>, Wrong> {
    for value in fields(object, name) {
        let found = as_text(value).map_err(|wrong| format!("{name}: {wrong}"))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn as_text(value: &Value) -> Result<Option<String>, Wrong> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        other => Err(format!("expected a text, found {}", kind(other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn secret(entry: &Map<String, Value>) -> Result<Option<Secret>, Wrong> {
    if let Some(token) = text(entry, "identitytoken")? {
        return Ok(Some(Secret::IdentityToken(token)));
    }
    if let Some(token) = text(entry, "registrytoken")? {
        return Ok(Some(Secret::RegistryToken(token)));
    }
    if let Some(auth) = text(entry, "auth")? {
        return match decoded(&auth) {
            Some(login) => Ok(Some(Secret::Login(login))),
            None => Err("expected USER:PASSWORD in base64 (docker login writes it)".to_owned()),
        };
    }
    let Some(user) = text(entry, "username")? else {
        return Ok(None);
    };
    let password = text(entry, "password")?.unwrap_or_default();
    Ok(Some(Secret::Login(Login {
        user: user.into_bytes(),
        password: password.into_bytes(),
    })))
}

/// Passes over the line breaks that encoders put in, as Go does; takes any bytes for a password.
fn decoded(auth: &str) -> Option<Login> {
    let auth = auth.trim().replace(['\r', '\n'], "");
    let mut bytes = BASE64.decode(auth).ok()?;
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let mut password = bytes.split_off(colon + 1);
    bytes.truncate(colon);
    while password.last() == Some(&0) {
        password.pop();
    }
    Some(Login {
        user: bytes,
        password,
    })
}

/// The value of an `Authorization` header (RFC 7617).
pub(super) fn basic(login: &Login) -> String {
    let pair = [&login.user[..], b":", &login.password].concat();
    format!("Basic {}", BASE64.encode(pair))
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
mod tests;
