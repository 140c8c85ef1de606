//! Credential helpers: programs that keep secrets for docker and podman (docker's
//! "Credential helper protocol").

use std::ffi::OsStr;
use std::time::Duration;

use serde::Deserialize;

use super::auth_file::Secret;
use crate::command::{self, Output, Program};
use crate::error::shown;
use crate::progress::Reporter;
use crate::registry::options::Login;

/// What a helper may say.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// What helpers say of servers they do not know, with exit status 1.
const NOT_FOUND: [&str; 2] = ["credentials not found", "no credentials server url"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    secret: String,
}

/// Asks `docker-credential-NAME` for `server`; `None` where it knows none.
///
/// # Errors
/// What is wrong with a helper that is not there, fails, says nothing for too long or has a name that
/// is none.
pub(super) fn get(
    name: &str,
    server: &str,
    search_path: Option<&OsStr>,
    patience: Duration,
    reporter: &dyn Reporter,
) -> Result<Option<Secret>, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.bytes().all(is_name) {
        return Err(format!(
            "expected a credential helper's name, found '{}'",
            shown(name)
        ));
    }
    let program = format!("docker-credential-{name}");
    let path = command::find_in_path(&program, search_path)
        .ok_or_else(|| format!("{program} not found in PATH"))?;
    let output = Program::new(&path)
        .arg("get")
        .input(server.as_bytes().to_vec())
        .output_limit(MAX_ANSWER_BYTES)
        .time_limit(patience)
        .run(reporter)
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return match told(&output) {
            Some(told) if is_not_found(&told) => Ok(None),
            Some(told) => Err(format!(
                "{program} failed for {server} ({}): {told}",
                output.status
            )),
            None => Err(format!("{program} failed for {server} ({})", output.status)),
        };
    }
    let answer: Answer = serde_json::from_str(&said).map_err(|_| {
        // What it said may be the secret.
        format!("{program}: expected a user name and a secret as JSON for {server}")
    })?;
    Ok(match answer.username.as_str() {
        "" if answer.secret.is_empty() => None,
        "<token>" => Some(Secret::IdentityToken(answer.secret)),
        _ => Some(Secret::Login(Login {
            user: answer.username.into_bytes(),
            password: answer.secret.into_bytes(),
        })),
    })
}

/// What a helper said that failed, on either output: the protocol has it on the first. Nothing of it is
/// shown where there may be an answer in it.
fn told(output: &Output) -> Option<String> {
    let tail = output.tail();
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    let all = String::from_utf8_lossy(&all).to_ascii_lowercase();
    let is_secret = all.contains(['{', '}']) || all.contains("secret\"");
    (!is_secret && !tail.is_empty()).then(|| shown(&tail))
}

fn is_not_found(told: &str) -> bool {
    let told = told.to_ascii_lowercase();
    NOT_FOUND.iter().any(|text| told.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    fn ask_within(patience: Duration, script: &str) -> Result<Option<Secret>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = directory.path().as_os_str();
        loop {
            let answer = get("test", "h.io", Some(path), patience, &Silent);
            // Another test's child may have been born while the script was open for writing.
            let is_busy = |error: &String| error.contains("Text file busy");
            if !answer.as_ref().is_err_and(is_busy) {
                return answer;
            }
        }
    }

    fn ask(script: &str) -> Result<Option<Secret>, String> {
        ask_within(Duration::from_secs(60), script)
    }

    #[test]
    fn a_helper_is_asked_for_the_server_and_answers_as_json() {
        let login = ask(
            r#"[ "$1" = get ] && read -r server; echo "{\"ServerURL\":\"$server\",\"Username\":\"me@$server\",\"Secret\":\"s\"}""#,
        );
        let expected = Login {
            user: b"me@h.io".to_vec(),
            password: b"s".to_vec(),
        };
        assert_eq!(login.unwrap(), Some(Secret::Login(expected)));
        let token = ask(r#"echo '{"Username":"<token>","Secret":"t"}'"#).unwrap();
        assert_eq!(token, Some(Secret::IdentityToken("t".to_owned())));
    }

    #[test]
    fn a_helper_that_knows_nothing_is_no_trouble_and_one_that_fails_is() {
        for nothing in [
            "echo 'credentials not found in native keychain'; exit 1",
            "echo 'Credentials not found' >&2; exit 1",
            r#"echo '{"Username":"","Secret":""}'"#,
        ] {
            assert_eq!(ask(nothing).unwrap(), None);
        }
        let told = ask("echo 'the keychain is locked' >&2; exit 1").unwrap_err();
        assert!(told.contains("the keychain is locked"), "{told}");
    }

    /// What a helper prints is the secret, or may be.
    #[test]
    fn no_answer_of_a_helper_is_shown() {
        for script in [
            "echo my-secret",
            r#"echo '{"Username":"u","Secret":"my-secret"'"#,
            r#"echo '{"Username":"u","Secret":"my-secret"}'; exit 3"#,
            r#"echo '{"Username":"u",'; echo '"Secret":"my-secret"}' >&2; exit 3"#,
            r#"echo '{"Username":["my-secret"],"Secret":7}'"#,
        ] {
            let told = ask(script).unwrap_err();
            assert!(
                !told.contains("my-secret") && told.contains("docker-credential-test"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_helper_that_says_nothing_is_not_waited_for_longer_than_a_server() {
        for script in [
            "sleep 600",
            "exec sleep 600",
            "sleep 600 & echo '{'; exit 1",
        ] {
            let began = Instant::now();
            let told = ask_within(Duration::from_millis(300), script).unwrap_err();
            assert!(told.contains("--timeout"), "{told}");
            assert!(began.elapsed() < Duration::from_secs(60));
        }
    }

    #[test]
    fn no_name_of_a_helper_leads_out_of_path() {
        let get = |name: &str| get(name, "h.io", None, Duration::MAX, &Silent).unwrap_err();
        assert!(get("../../bin/sh").contains("'../../bin/sh'"));
        assert!(get("absent").contains("docker-credential-absent not found"));
    }
}
