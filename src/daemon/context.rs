//! Docker's contexts: names for daemons, which `docker context create`, Docker Desktop, colima and
//! rootless docker's set-up write below `~/.docker` (docker/cli, "Context store").

use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use super::tls::Tls;
use crate::error::{Error, Result, escape_path};
use crate::oci::DigestHasher;
use crate::oci::go_json::fields;
use crate::pinned::{is_absent, read_regular_file};

/// No file of docker's configuration is larger.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The name of what is meant without any context.
pub(super) const DEFAULT: &str = "default";

/// What a context says of a daemon.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Its address; none stands for the usual sockets.
    pub(super) host: Option<String>,
    /// How TLS is spoken, where it is.
    pub(super) tls: Option<Tls>,
}

/// The context that `config.json` names as the one in use.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn current(directory: &Path) -> std::result::Result<Option<String>, String> {
    let path = directory.join("config.json");
    let bytes = match read_regular_file(&path, MAX_FILE_BYTES) {
        Err(error) if is_absent(&error) => return Ok(None),
        read => read.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    // Nothing of what stands there is told: there are passwords in it.
    let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
    let object = match values.next() {
        None => return Ok(None),
        Some(Ok(Value::Object(object))) => object,
        Some(_) => return Err(format!("{}: expected a JSON object", path.display())),
    };
    match value(&object, "currentContext") {
        Some(Value::String(name)) => Ok(Some(name.clone()).filter(|name| !name.is_empty())),
        None => Ok(None),
        Some(_) => Err(format!(
            "{}: currentContext: expected a text",
            path.display()
        )),
    }
}

/// Looks up a context that was named by `origin`.
///
/// # Errors
/// [`Error::Io`] where there is no such context or it cannot be read, [`Error::Unsupported`] where it
/// describes no docker daemon.
pub(super) fn find(name: &str, origin: &str, directory: Option<&Path>) -> Result<Endpoint> {
    let shown = escape_path(name.as_bytes());
    let hint = format!(
        "({origin} names it; `docker context ls` lists those there are, --docker-host ADDRESS does without)"
    );
    let Some(directory) = directory else {
        return Err(Error::unsupported(format!(
            "docker context {shown}: there is no home directory to look for it {hint}"
        )));
    };
    let id = id(name);
    let path = directory.join("contexts/meta").join(&id).join("meta.json");
    let bytes = read_regular_file(&path, MAX_FILE_BYTES).map_err(|error| {
        let what = if is_absent(&error) {
            format!("there is no docker context {shown} {hint}")
        } else {
            format!("cannot read the docker context {shown} {hint}")
        };
        Error::io(
            what,
            io::Error::new(error.kind(), format!("{}: {error}", path.display())),
        )
    })?;
    let wrong = |what: &str| {
        Error::unsupported(format!(
            "docker context {shown}, {}: {what} {hint}",
            path.display()
        ))
    };
    let described: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| {
        wrong(&format!(
            "expected a context as docker writes it, found something else at line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    // Other endpoints are other programs' to understand.
    let endpoint = value(&described, "Endpoints")
        .and_then(Value::as_object)
        .and_then(|endpoints| endpoints.get("docker"))
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("expected an endpoint `docker`, found none"))?;
    let host = match value(endpoint, "Host") {
        None => None,
        Some(Value::String(host)) => Some(host.clone()).filter(|host| !host.is_empty()),
        Some(_) => return Err(wrong("Host: expected a text, found something else")),
    };
    let skips_verifying = match value(endpoint, "SkipTLSVerify") {
        None => false,
        Some(Value::Bool(skips)) => *skips,
        Some(_) => {
            return Err(wrong(
                "SkipTLSVerify: expected true or false, found something else",
            ));
        }
    };
    Ok(Endpoint {
        host,
        tls: tls(
            &directory.join("contexts/tls").join(&id).join("docker"),
            !skips_verifying,
        ),
    })
}

/// What a context's directories are called.
fn id(name: &str) -> String {
    let digest = DigestHasher::sha256().of(name.as_bytes());
    digest.digest().to_owned()
}

/// A field's value as Go reads it: in whatever case its name is, null for none.
fn value<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields(object, name).find(|value| !value.is_null())
}

/// TLS is spoken where there is something for it, or it is said not to be verified.
fn tls(directory: &Path, verify: bool) -> Option<Tls> {
    let there = |name: &str| Some(directory.join(name)).filter(|path| path.exists());
    let (certificate, key) = (there("cert.pem"), there("key.pem"));
    let tls = Tls {
        ca: there("ca.pem"),
        certificate: certificate.zip(key),
        verify,
    };
    let is_meant = !verify || tls.ca.is_some() || tls.certificate.is_some();
    is_meant.then_some(tls)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// Writes a context as docker does; its directory of certificates.
    pub(in super::super) fn write(directory: &Path, name: &str, meta: &str) -> PathBuf {
        let id = id(name);
        let meta_directory = directory.join("contexts/meta").join(&id);
        fs::create_dir_all(&meta_directory).unwrap();
        fs::write(meta_directory.join("meta.json"), meta).unwrap();
        directory.join("contexts/tls").join(id).join("docker")
    }

    fn found(directory: &Path, name: &str) -> Result<Endpoint> {
        find(name, "--docker-context", Some(directory))
    }

    #[test]
    fn a_context_has_an_address_and_what_tls_needs() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let meta = r#"{"Name":"a","Metadata":{"Description":"x"},"Endpoints":{"docker":{"Host":"tcp://h:1","SkipTLSVerify":false},"kubernetes":{}}}"#;
        let tls_directory = write(directory, "a", meta);
        let plain = found(directory, "a").unwrap();
        assert_eq!(
            (plain.host.as_deref(), plain.tls),
            (Some("tcp://h:1"), None)
        );
        fs::create_dir_all(&tls_directory).unwrap();
        fs::write(tls_directory.join("ca.pem"), "").unwrap();
        let tls = found(directory, "a").unwrap().tls.unwrap();
        assert_eq!(
            (tls.ca, tls.certificate, tls.verify),
            (Some(tls_directory.join("ca.pem")), None, true)
        );
        fs::write(tls_directory.join("cert.pem"), "").unwrap();
        fs::write(tls_directory.join("key.pem"), "").unwrap();
        assert!(
            found(directory, "a")
                .unwrap()
                .tls
                .unwrap()
                .certificate
                .is_some()
        );
        write(
            directory,
            "b",
            r#"{"Endpoints":{"docker":{"Host":"","SkipTLSVerify":true}}}"#,
        );
        let unverified = found(directory, "b").unwrap();
        assert_eq!(unverified.host, None);
        assert!(!unverified.tls.unwrap().verify);
    }

    /// A null, names in another case, and another program's endpoint beside docker's were no context
    /// (found by what Go reads).
    #[test]
    fn a_context_is_read_as_go_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        for meta in [
            r#"{"Endpoints":{"docker":{"Host":"tcp://h:1","SkipTLSVerify":null}}}"#,
            r#"{"endpoints":{"docker":{"host":"tcp://h:1"}}}"#,
            r#"{"Metadata":7,"Endpoints":{"kubernetes":{"Host":5},"x":null,"docker":{"Host":"tcp://h:1"}}}"#,
            r#"{"Endpoints":null,"endpoints":{"docker":{"Host":null,"HOST":"tcp://h:1"}}}"#,
        ] {
            write(directory.path(), "a", meta);
            let endpoint = found(directory.path(), "a").unwrap();
            assert_eq!(endpoint.host.as_deref(), Some("tcp://h:1"), "{meta}");
        }
        for meta in [
            "[]",
            r#"{"Endpoints":null}"#,
            r#"{"Endpoints":{"docker":null}}"#,
            r#"{"Endpoints":{"Docker":{}}}"#,
            r#"{"Endpoints":{"docker":{"Host":5}}}"#,
            r#"{"Endpoints":{"docker":{"SkipTLSVerify":"yes"}}}"#,
        ] {
            write(directory.path(), "a", meta);
            assert!(found(directory.path(), "a").is_err(), "{meta}");
        }
    }

    #[test]
    fn what_is_no_context_is_an_error_that_names_it_and_who_named_it() {
        let directory = tempfile::tempdir().unwrap();
        for (meta, word) in [
            (None, "there is no docker context my work"),
            (Some("{"), "line 1, column 1"),
            (Some("7"), "as docker writes it"),
            (Some("[]"), "as docker writes it"),
            (Some("{}"), "endpoint `docker`"),
            (
                Some(r#"{"Endpoints":{"kubernetes":{}}}"#),
                "endpoint `docker`",
            ),
        ] {
            if let Some(meta) = meta {
                write(directory.path(), "my work", meta);
            }
            let told = found(directory.path(), "my work").unwrap_err().to_string();
            assert!(
                told.contains(word)
                    && told.contains("my work")
                    && told.contains("--docker-context"),
                "{told}"
            );
        }
        // No name leads anywhere else.
        for name in ["../../x", "", "a/b", "\u{1b}[2J"] {
            let told = found(directory.path(), name).unwrap_err().to_string();
            assert!(told.contains("there is no docker context"), "{told}");
            assert!(!told.contains('\u{1b}'), "{told:?}");
        }
        assert!(find("x", "DOCKER_CONTEXT", None).is_err());
    }

    #[test]
    fn the_context_in_use_stands_in_dockers_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let current = |text: Option<&str>| {
            if let Some(text) = text {
                fs::write(directory.path().join("config.json"), text).unwrap();
            }
            current(directory.path())
        };
        assert_eq!(current(None), Ok(None));
        for nothing in [
            "",
            "{}",
            r#"{"currentContext":""}"#,
            r#"{"currentContext":null}"#,
        ] {
            assert_eq!(current(Some(nothing)), Ok(None), "{nothing}");
        }
        for named in [
            r#"{"currentContext":"work","auths":{}}"#,
            r#"{"CurrentContext":"work"}"#,
        ] {
            assert_eq!(current(Some(named)), Ok(Some("work".to_owned())));
        }
        for wrong in [
            "{",
            "secret",
            r#"{"currentContext":{"a":"secret"}}"#,
            r#"["secret"]"#,
        ] {
            let told = current(Some(wrong)).unwrap_err();
            assert!(
                told.contains("config.json") && !told.contains("secret"),
                "{told}"
            );
        }
    }
}
