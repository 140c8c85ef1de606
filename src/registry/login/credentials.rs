//! Who to be at a registry, from the files that `docker login` and `podman login` write
//! (`containers-auth.json(5)`; docker's "Credential stores").

use std::path::Path;
use std::time::Duration;

use super::auth_file::{AuthFile, Secret, keys};
use super::helper;
use crate::error::{Error, Result};
use crate::oci::RegistryReference;
use crate::pinned::{is_absent, read_regular_file};
use crate::progress::Reporter;
use crate::registry::options::{CredentialFiles, Credentials};

/// No file with credentials is larger.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// What docker calls its own registry in files and to helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Who to be, and what stood in the way of knowing it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `None` for nobody.
    pub(super) secret: Option<Secret>,
    /// Why helpers gave nothing. It matters where the registry then refuses.
    pub(super) troubles: Vec<String>,
}

/// Looks up who to be for this image. A helper that fails is a warning, and what else is known of the
/// registry is taken: most registries let everybody in.
///
/// # Errors
/// [`Error::Io`] and [`Error::Unsupported`] for a file that cannot be read or understood.
pub(super) fn find(
    credentials: &Credentials,
    reference: &RegistryReference,
    patience: Duration,
    reporter: &dyn Reporter,
) -> Result<Found> {
    let files = match credentials {
        Credentials::Anonymous => return Ok(Found::default()),
        Credentials::Given(login) => {
            return Ok(Found {
                secret: Some(Secret::Login(login.clone())),
                troubles: Vec::new(),
            });
        }
        Credentials::Files(files) => files,
    };
    let mut search = Search {
        files,
        reference,
        patience,
        reporter,
        troubles: Vec::new(),
    };
    let secret = search.run()?;
    Ok(Found {
        secret,
        troubles: search.troubles,
    })
}

struct Search<'a> {
    files: &'a CredentialFiles,
    reference: &'a RegistryReference,
    patience: Duration,
    reporter: &'a dyn Reporter,
    troubles: Vec<String>,
}

impl Search<'_> {
    fn run(&mut self) -> Result<Option<Secret>> {
        if let Some(content) = &self.files.content {
            // As docker has it, what cannot be understood is passed over with a warning.
            let found = AuthFile::parse(content.as_bytes()).and_then(|file| self.in_file(&file));
            match found {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(wrong) => self.trouble(format!("DOCKER_AUTH_CONFIG: {wrong}")),
            }
        }
        for path in &self.files.paths {
            let Some(bytes) = read(path, self.files.are_named)? else {
                continue;
            };
            let found = AuthFile::parse(&bytes).and_then(|file| self.in_file(&file));
            let found = found.map_err(|wrong| {
                Error::unsupported(format!(
                    "{}: expected credentials as docker login writes them: {wrong} (--anonymous does without)",
                    path.display()
                ))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn in_file(&mut self, file: &AuthFile) -> std::result::Result<Option<Secret>, String> {
        let registry = self.reference.registry();
        // The most particular key wins: podman's may name a namespace or a repository.
        for key in keys(self.reference) {
            if key == registry
                && let Some(name) = file.helper(registry)?
            {
                let found = self.of_helper(&name, registry);
                if found.is_some() {
                    return Ok(found);
                }
            }
            let found = file.entry(&key)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn of_helper(&mut self, name: &str, registry: &str) -> Option<Secret> {
        let server = match registry {
            "docker.io" => DOCKER_HUB_KEY,
            registry => registry,
        };
        let path = self.files.search_path.as_deref();
        match helper::get(name, server, path, self.patience, self.reporter) {
            Ok(found) => found,
            Err(trouble) => {
                self.trouble(trouble);
                None
            }
        }
    }

    fn trouble(&mut self, what: String) {
        let registry = self.reference.registry();
        self.reporter.warn(&format!(
            "{what}; {registry} is asked without what it may know"
        ));
        self.troubles.push(what);
    }
}

fn read(path: &Path, must_be_there: bool) -> Result<Option<Vec<u8>>> {
    match read_regular_file(path, MAX_FILE_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if !must_be_there && is_absent(&error) => Ok(None),
        Err(error) => Err(Error::io(
            format!(
                "cannot read credentials in {} (--anonymous does without)",
                path.display()
            ),
            error,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::auth_file::basic;
    use super::*;
    use crate::progress::Silent;
    use crate::registry::options::Login;

    /// `user:pass:word` as files have it.
    fn entry(user: &str) -> String {
        let header = basic(&login(user));
        format!(r#"{{"auth":"{}"}}"#, header.strip_prefix("Basic ").unwrap())
    }

    fn login(user: &str) -> Login {
        Login {
            user: user.into(),
            password: b"pass:word".to_vec(),
        }
    }

    fn found(files: CredentialFiles, image: &str) -> Result<Found> {
        let credentials = Credentials::Files(files);
        let image = image.parse().unwrap();
        find(&credentials, &image, Duration::from_secs(30), &Silent)
    }

    fn is(user: &str) -> Option<Secret> {
        Some(Secret::Login(login(user)))
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
                ..CredentialFiles::default()
            };
            found(files, image).map(|found| found.secret)
        };
        let names = ["absent", "one", "two", "three"];
        assert_eq!(find(&names, "a.io/x").unwrap(), is("first"));
        assert_eq!(find(&names, "b.io/x").unwrap(), is("third"));
        assert_eq!(find(&names, "c.io/x").unwrap(), None);
        let error = find(&["broken"], "a.io/x").unwrap_err().to_string();
        assert!(
            error.contains("broken") && error.contains("--anonymous"),
            "{error}"
        );
    }

    #[test]
    fn a_content_goes_before_files_and_one_that_is_none_is_a_trouble_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        std::fs::write(
            &path,
            format!(r#"{{"auths":{{"a.io":{}}}}}"#, entry("file")),
        )
        .unwrap();
        let find = |content: &str| {
            let files = CredentialFiles {
                content: Some(content.to_owned()),
                paths: vec![path.clone()],
                ..CredentialFiles::default()
            };
            found(files, "a.io/x").unwrap()
        };
        let right = format!(r#"{{"auths":{{"a.io":{}}}}}"#, entry("variable"));
        assert_eq!(find(&right).secret, is("variable"));
        assert_eq!(find("").secret, is("file"));
        for wrong in ["hunter2", r#"{"auths":{"a.io":"hunter2"}}"#] {
            let found = find(wrong);
            assert_eq!(found.secret, is("file"));
            let told = found.troubles.concat();
            assert!(
                told.contains("DOCKER_AUTH_CONFIG") && !told.contains("hunter2"),
                "{told}"
            );
        }
    }

    /// A helper that was missing or failed ended the pull, also of what is everybody's: the field's
    /// most frequent report, from machines that share a home with Docker Desktop.
    #[test]
    fn where_a_helper_fails_the_plain_entry_is_taken_and_then_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let find = |json: &str| {
            std::fs::write(&path, json).unwrap();
            let files = CredentialFiles {
                paths: vec![path.clone()],
                search_path: Some(directory.path().into()),
                ..CredentialFiles::default()
            };
            found(files, "a.io/x").unwrap()
        };
        for helper in [
            r#""credsStore":"absent""#,
            r#""credHelpers":{"a.io":"absent"}"#,
        ] {
            let with_entry = find(&format!(
                r#"{{{helper},"auths":{{"a.io":{}}}}}"#,
                entry("me")
            ));
            assert_eq!(with_entry.secret, is("me"));
            assert!(with_entry.troubles[0].contains("docker-credential-absent"));
            let alone = find(&format!(r#"{{{helper},"auths":{{"a.io":{{}}}}}}"#));
            assert_eq!((alone.secret, alone.troubles.len()), (None, 1));
        }
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let login = login("user");
        assert!(!format!("{:?}", Secret::Login(login.clone())).contains("word"));
        assert!(!format!("{login:?}").contains("word"));
        assert_eq!(basic(&login), "Basic dXNlcjpwYXNzOndvcmQ=");
    }
}
