//! Names of images in registries, by docker's rules (distribution's `reference` grammar).

use std::fmt;
// Addresses are words here: nothing is opened.
use core::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::cut_digest::cut_digest;
use super::image_name::is_host;
use super::{Digest, DigestHasher};
use crate::error::{Error, Result};

/// The registry that names without a host belong to.
const DEFAULT_REGISTRY: &str = "docker.io";
/// Where that registry really answers.
const DEFAULT_ENDPOINT: &str = "registry-1.docker.io";
/// Letters of registry and repository together.
const MAX_NAME_LENGTH: usize = 255;
const MAX_TAG_LENGTH: usize = 128;

/// `[HOST[:PORT]/][NAMESPACE/]NAME[:TAG][@DIGEST]`, completed: no host means docker.io, one
/// component there means `library/`, neither tag nor digest means the tag `latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
    is_tag_typed: bool,
}

impl RegistryReference {
    /// The registry's name, with its port where one was typed; `docker.io` for docker's own.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The host, and the port where one was typed, that the registry answers at.
    pub fn endpoint(&self) -> &str {
        match self.registry.as_str() {
            DEFAULT_REGISTRY => DEFAULT_ENDPOINT,
            registry => registry,
        }
    }

    /// The repository within the registry, as `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; none where only a digest was typed.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest or index, where one was typed.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether nothing but a repository was typed.
    pub fn is_repository_only(&self) -> bool {
        !self.is_tag_typed && self.digest.is_none()
    }

    /// Registry and repository, as `docker.io/library/alpine`.
    pub fn full_repository(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

/// Whether a host, with or without a port, is this machine itself by its name or address.
pub fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(host),
    };
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl FromStr for RegistryReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A URL's query may be a signature, and no name has one.
        if let Some(end) = text.find(['?', '#']) {
            return Err(Error::unsupported(format!(
                "'{}…' is no image name of a registry: expected no ? and no #",
                crate::error::escape_path(super::without_login(&text[..end]).as_bytes())
            )));
        }
        parse(text).map_err(|problem| {
            // What a name and password before a host look like; they are nobody's to read.
            if let Some((user, rest)) = text.rsplit_once('@')
                && (rest.contains('/') || user.contains(':') && rest.contains('.'))
            {
                return Error::unsupported(format!(
                    "'…@{}' is no image name of a registry: expected no user name and password before the host (--creds-file FILE and docker login name who asks)",
                    crate::error::escape_path(rest.as_bytes())
                ));
            }
            let text: String = text.chars().take(MAX_NAME_LENGTH * 2).collect();
            Error::unsupported(format!(
                "'{}' is no image name of a registry: {problem}",
                crate::error::escape_path(text.as_bytes())
            ))
        })
    }
}

fn parse(text: &str) -> Result<RegistryReference, String> {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(checked_tag(tag)?)),
        _ => (named, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path),
        _ => (DEFAULT_REGISTRY, name),
    };
    if !is_registry(registry) {
        return Err(format!(
            "expected HOST[:PORT] before the first /, found {registry}"
        ));
    }
    let registry = match registry {
        "index.docker.io" | DEFAULT_ENDPOINT => DEFAULT_REGISTRY,
        registry => registry,
    };
    let library = match registry {
        DEFAULT_REGISTRY if !path.contains('/') => "library/",
        _ => "",
    };
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("expected lower-case letters, found {path}"));
    }
    if path.is_empty() || !path.split('/').all(is_path_component) {
        return Err(format!(
            "expected lower-case letters and digits, parted by single / . _ or __ or any -, found '{path}'"
        ));
    }
    if path.len() == 64 && path.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("64 hexadecimal digits are an image ID and no name".to_owned());
    }
    let repository = format!("{library}{path}");
    let length = registry.len() + 1 + repository.len();
    if length > MAX_NAME_LENGTH {
        return Err(format!(
            "expected a name of at most {MAX_NAME_LENGTH} letters, found {length}"
        ));
    }
    let is_tag_typed = tag.is_some();
    let tag = match (tag, &digest) {
        (None, None) => Some("latest".to_owned()),
        (tag, _) => tag,
    };
    Ok(RegistryReference {
        registry: registry.to_owned(),
        repository,
        tag,
        digest,
        is_tag_typed,
    })
}

fn parse_digest(text: &str) -> Result<Digest, String> {
    if let Some(wrong) = cut_digest(text) {
        return Err(format!("expected a whole digest after @: {wrong}"));
    }
    let digest: Digest = text
        .parse()
        .map_err(|error| format!("expected ALGORITHM:DIGEST after @, found {error}"))?;
    DigestHasher::like(&digest).map_err(|error| error.to_string())?;
    Ok(digest)
}

fn checked_tag(tag: &str) -> Result<String, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_tag = tag.len() <= MAX_TAG_LENGTH
        && tag.bytes().next().is_some_and(is_word)
        && tag
            .bytes()
            .all(|byte| is_word(byte) || b".-".contains(&byte));
    if is_tag {
        return Ok(tag.to_owned());
    }
    Err(format!(
        "expected a tag of at most {MAX_TAG_LENGTH} letters, digits, _ . and -, found '{tag}'"
    ))
}

fn is_registry(text: &str) -> bool {
    let is_port = |port: &str| {
        !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    };
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_end = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return address.parse::<Ipv6Addr>().is_ok() && is_end;
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Letters and digits, parted by one dot, one or two underscores, or any number of hyphens.
fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if !ends.iter().all(|end| end.is_some_and(is_alphanumeric)) {
        return false;
    }
    bytes
        .split(is_alphanumeric)
        .filter(|between| !between.is_empty())
        .all(|between| {
            matches!(between, b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-')
        })
}

impl fmt::Display for RegistryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_password_before_the_host_is_refused_and_not_shown() {
        for name in [
            "user:secret@ghcr.io/a/b",
            "secret@ghcr.io/a/b",
            "user:se/cret:secret@ghcr.io:99999/a",
            "user:secret@ghcr.io",
            "user:se@secret@localhost/a:1",
        ] {
            let told = name.parse::<RegistryReference>().unwrap_err().to_string();
            assert!(
                !told.contains("secret") && told.contains("--creds"),
                "{told}"
            );
        }
    }

    #[test]
    fn names_are_completed_as_docker_completes_them() {
        const HUB: &str = "registry-1.docker.io";
        let with_digest = &format!("alpine@{DIGEST}");
        let with_both = &format!("localhost/a:1@{DIGEST}");
        for (typed, full, endpoint) in [
            ("alpine", "docker.io/library/alpine:latest", HUB),
            ("alpine:3", "docker.io/library/alpine:3", HUB),
            ("heroku/heroku:24", "docker.io/heroku/heroku:24", HUB),
            ("docker.io/alpine", "docker.io/library/alpine:latest", HUB),
            ("index.docker.io/a/b", "docker.io/a/b:latest", HUB),
            ("localhost/a", "localhost/a:latest", "localhost"),
            (
                "localhost:5000/a/b:v1",
                "localhost:5000/a/b:v1",
                "localhost:5000",
            ),
            ("ghcr.io/a/b/c:1.0", "ghcr.io/a/b/c:1.0", "ghcr.io"),
            (
                "127.0.0.1:5000/x",
                "127.0.0.1:5000/x:latest",
                "127.0.0.1:5000",
            ),
            ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000"),
            ("HOST/a", "HOST/a:latest", "HOST"),
            ("host:80/a", "host:80/a:latest", "host:80"),
            ("a/b__c/d---e.f_g", "docker.io/a/b__c/d---e.f_g:latest", HUB),
            // A port without a path is a tag to docker.
            ("localhost:5000", "docker.io/library/localhost:5000", HUB),
        ] {
            let reference: RegistryReference = typed.parse().unwrap();
            assert_eq!(reference.to_string(), full, "{typed}");
            assert_eq!(reference.endpoint(), endpoint, "{typed}");
        }
        let reference: RegistryReference = with_digest.parse().unwrap();
        assert_eq!(reference.tag(), None, "latest is not meant beside a digest");
        assert_eq!(reference.digest().unwrap().to_string(), DIGEST);
        let reference: RegistryReference = with_both.parse().unwrap();
        assert_eq!(reference.to_string(), *with_both);
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_is_wrong() {
        let hexadecimal = &"a".repeat(64);
        let long = &format!("a/{}", "b".repeat(300));
        let long_tag = &format!("a:{}", "b".repeat(129));
        for (wrong, why) in [
            ("", "expected lower-case"),
            ("Alpine", "lower-case"),
            ("a//b", "expected lower-case"),
            ("a/", "expected lower-case"),
            ("/tmp/x.tar", "expected lower-case"),
            ("./x.tar", "HOST"),
            ("../x", "HOST"),
            ("a___b", "expected lower-case"),
            ("a..b", "expected lower-case"),
            ("-a", "expected lower-case"),
            ("a b", "expected lower-case"),
            ("a:", "tag"),
            ("a:-x", "tag"),
            ("a@sha256:12", "after @"),
            ("a@md5:d41d8cd98f00b204e9800998ecf8427e", "sha256"),
            ("host:99999/a", "HOST[:PORT]"),
            ("ho_st.x/a", "HOST[:PORT]"),
            ("[::g]:1/a", "HOST[:PORT]"),
            (hexadecimal, "image ID"),
            (long, "at most 255"),
            (long_tag, "tag"),
        ] {
            let error = wrong.parse::<RegistryReference>().unwrap_err().to_string();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn loopback_is_told_by_name_and_address() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "127.3.2.1:5000",
            "[::1]:5000",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example.com",
            "128.0.0.1",
            "[::2]",
            "127.0.0.1.nip.io",
            "docker.io",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_repository_alone_is_told_from_one_of_its_images() {
        let is_only = |text: &str| {
            text.parse::<RegistryReference>()
                .unwrap()
                .is_repository_only()
        };
        assert!(is_only("a/b"));
        assert!(!is_only("a/b:latest") && !is_only(&format!("a/b@{DIGEST}")));
    }
}
