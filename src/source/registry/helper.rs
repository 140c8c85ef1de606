//! Credential helpers: programs that keep secrets for docker and podman (docker's
//! "Credential helper protocol").

use std::ffi::OsStr;

use serde::Deserialize;

use super::credentials::Secret;
use crate::command::{self, Program};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::source::registry_options::Login;

/// What a helper may say.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// What helpers say of servers they do not know, with exit status 1.
const NOT_FOUND: [&str; 2] = [
    "credentials not found in native keychain",
    "no credentials server URL",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks `docker-credential-NAME` for `server`; `None` where it knows none.
///
/// # Errors
/// [`Error::Tool`] where the helper is not there or fails, [`Error::Unsupported`] for a name that is
/// none.
pub(super) fn get(
    name: &str,
    server: &str,
    search_path: Option<&OsStr>,
    reporter: &dyn Reporter,
) -> Result<Option<Secret>> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.bytes().all(is_name) {
        return Err(Error::unsupported(format!(
            "expected a credential helper's name, found '{}'",
            crate::error::escape_path(name.as_bytes())
        )));
    }
    let program = format!("docker-credential-{name}");
    let hint = "(--creds and --anonymous do without)";
    let path = command::find_in_path(&program, search_path)
        .ok_or_else(|| Error::Tool(format!("{program} not found in PATH {hint}")))?;
    let output = Program::new(&path)
        .arg("get")
        .input(server.as_bytes().to_vec())
        .output_limit(MAX_ANSWER_BYTES)
        .run(reporter)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // Their words come on either output.
        let tail = output.tail();
        if NOT_FOUND.iter().any(|text| tail.contains(text)) {
            return Ok(None);
        }
        let said = crate::source::document::shown(&tail);
        return Err(Error::Tool(format!(
            "{program} failed for {server} ({}): {said} {hint}",
            output.status
        )));
    }
    let answer: Answer = serde_json::from_str(&said).map_err(|_| {
        // What it said may be the secret.
        Error::Tool(format!(
            "{program}: expected a user name and a secret as JSON for {server} {hint}"
        ))
    })?;
    Ok(match answer.username.as_str() {
        "" if answer.secret.is_empty() => None,
        "<token>" => Some(Secret::IdentityToken(answer.secret)),
        _ => Some(Secret::Login(Login {
            user: answer.username,
            password: answer.secret,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::os::unix::fs::PermissionsExt;

    fn ask(script: &str) -> Result<Option<Secret>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = directory.path().as_os_str();
        loop {
            let answer = get("test", "h.io", Some(path), &Silent);
            // Another test's child may have been born while the script was open for writing.
            let is_busy = |error: &Error| error.to_string().contains("Text file busy");
            if !answer.as_ref().is_err_and(is_busy) {
                return answer;
            }
        }
    }

    #[test]
    fn a_helper_is_asked_for_the_server_and_answers_as_json() {
        let login = ask(
            r#"[ "$1" = get ] && read -r server; echo "{\"ServerURL\":\"$server\",\"Username\":\"me@$server\",\"Secret\":\"s\"}""#,
        );
        let expected = Login {
            user: "me@h.io".to_owned(),
            password: "s".to_owned(),
        };
        assert_eq!(login.unwrap(), Some(Secret::Login(expected)));
        let token = ask(r#"echo '{"Username":"<token>","Secret":"t"}'"#).unwrap();
        assert_eq!(token, Some(Secret::IdentityToken("t".to_owned())));
    }

    #[test]
    fn a_helper_that_knows_nothing_is_no_error_and_one_that_fails_is() {
        let nothing = ask("echo 'credentials not found in native keychain'; exit 1");
        assert_eq!(nothing.unwrap(), None);
        let error = ask("echo 'the keychain is locked' >&2; exit 1").unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert!(
            error.to_string().contains("the keychain is locked"),
            "{error}"
        );
        let error = ask("echo my-secret").unwrap_err().to_string();
        assert!(
            !error.contains("my-secret") && error.contains("--creds"),
            "{error}"
        );
    }

    #[test]
    fn no_name_of_a_helper_leads_out_of_path() {
        let get = |name: &str| get(name, "h.io", None, &Silent).unwrap_err().to_string();
        assert!(get("../../bin/sh").contains("'../../bin/sh'"));
        assert!(get("absent").contains("docker-credential-absent not found"));
    }
}
