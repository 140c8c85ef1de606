//! What the registry is shown, and how it is come by (distribution's "Token Authentication
//! Specification" and its OAuth 2 form).

mod auth_file;
mod challenge;
mod credentials;
mod helper;

use serde_json::Value;
use ureq::http::{StatusCode, header};

use self::auth_file::{Secret, basic};
use self::challenge::Challenge;
use self::credentials::Found;
use super::http::{Request, Response, Url};
use super::purpose::Purpose;
use super::refusal::{self, Who};
use super::server::Server;
use super::trouble::{Attempted, Trouble};
use crate::error::{Error, Result, shown};
use crate::network::{percent_encoded, without_secrets};
use crate::oci::go_json::fields;
use crate::progress::Reporter;
use crate::registry::options::RegistryOptions;

/// No token is longer.
const MAX_TOKEN_BYTES: u64 = 1 << 20;

/// The name under which tokens are asked for.
const CLIENT_ID: &str = "layerpress";

/// The state of being known to one registry.
#[derive(Debug, Default)]
pub(super) struct Authentication {
    authorization: Option<String>,
    /// Who to be, once that has been looked up.
    found: Option<Found>,
    /// Whether `/v2/` has been asked what is to be shown.
    has_asked_base: bool,
}

/// Why somebody is to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Nothing was shown, or what is too old.
    First,
    /// What was shown is new, and not enough.
    Second,
}

impl Authentication {
    /// The header that is sent along, none as long as nobody asked.
    pub(super) fn authorization(&self) -> Option<String> {
        self.authorization.clone()
    }

    /// Whether anybody was named, and told.
    pub(super) fn who(&self) -> Who {
        let secret = self.found.as_ref().and_then(|found| found.secret.as_ref());
        match (secret, &self.authorization) {
            (None, _) => Who::Nobody,
            (Some(_), Some(_)) => Who::Somebody,
            (Some(Secret::Login(_)), None) => Who::Unheard {
                challenges: "Basic, or Bearer with a realm",
            },
            (Some(_), None) => Who::Unheard {
                challenges: "Bearer with a realm",
            },
        }
    }

    /// What stood in the way of knowing more about who to be.
    pub(super) fn troubles(&self) -> &[String] {
        self.found.as_ref().map_or(&[], |found| &found.troubles)
    }

    fn secret(&mut self, server: &Server, reporter: &dyn Reporter) -> Result<Option<Secret>> {
        if let Some(found) = &self.found {
            return Ok(found.secret.clone());
        }
        let options = &server.options;
        let found = credentials::find(
            &options.credentials,
            &server.reference,
            options.timeout,
            reporter,
        )?;
        Ok(self.found.insert(found).secret.clone())
    }

    /// Does what an answer asks for that lets nobody in; `false` where that cannot be or was done
    /// before.
    pub(super) fn answer(
        &mut self,
        server: &Server,
        response: &Response,
        round: Round,
        reporter: &dyn Reporter,
    ) -> Attempted<bool> {
        let is_asked = response.status == StatusCode::UNAUTHORIZED;
        if is_asked && self.answer_challenges(server, response, round, reporter)? {
            return Ok(true);
        }
        self.answer_base(server, response.status, reporter)
    }

    /// Asks `/v2/` what is to be shown, once, and does it: some registries say it only there, and
    /// elsewhere that there is nothing, or no word of how to log in. `false` where that is no help.
    fn answer_base(
        &mut self,
        server: &Server,
        status: StatusCode,
        reporter: &dyn Reporter,
    ) -> Attempted<bool> {
        // Who would ask again as nobody is told the same, unless it was to log in as nobody.
        let is_worth_it = !self.has_asked_base
            && self.authorization.is_none()
            && (status == StatusCode::UNAUTHORIZED || self.secret(server, reporter)?.is_some());
        if !is_worth_it {
            return Ok(false);
        }
        let response = server.follow(&server.base, &Request::default(), None)?;
        self.has_asked_base = true;
        if response.status != StatusCode::UNAUTHORIZED || !server.gave(&response) {
            return Ok(false);
        }
        self.answer_challenges(server, &response, Round::First, reporter)
    }

    fn answer_challenges(
        &mut self,
        server: &Server,
        response: &Response,
        round: Round,
        reporter: &dyn Reporter,
    ) -> Attempted<bool> {
        let secret = self.secret(server, reporter)?;
        for challenge in challenges(response) {
            let authorization = match (challenge, &secret) {
                (Challenge::Basic, Some(Secret::Login(login))) => basic(login),
                (Challenge::Bearer { .. }, Some(Secret::RegistryToken(token))) => {
                    format!("Bearer {token}")
                }
                (
                    Challenge::Bearer {
                        realm,
                        service,
                        scope,
                    },
                    secret,
                ) => {
                    let has_secret = secret.is_some();
                    let asked = TokenRequest {
                        realm: realm_url(&realm, &response.url, &server.options, has_secret)?,
                        service,
                        scopes: asked_scopes(server, scope, round),
                    };
                    let token = asked.send(server, secret.as_ref(), self.troubles())?;
                    format!("Bearer {token}")
                }
                _ => continue,
            };
            // The same once more would be refused once more.
            if self.authorization.as_ref() == Some(&authorization) {
                continue;
            }
            self.authorization = Some(authorization);
            return Ok(true);
        }
        Ok(false)
    }
}

/// Whether a registry says what it wants to be shown.
pub(super) fn is_challenge(response: &Response) -> bool {
    !challenges(response).is_empty()
}

/// What a registry wants to be shown.
fn challenges(response: &Response) -> Vec<Challenge> {
    let headers = response.headers.get_all(header::WWW_AUTHENTICATE);
    challenge::parse(headers.iter().map(|value| value.as_bytes()))
}

/// What a token is asked for: what is to be done in the repository, as docker's and podman's clients do
/// whatever the challenge says. It may say nothing, `repository:user/image:pull` for everything, or what has
/// nothing to do with pulling. A token for the repository that is not enough is another matter: then
/// the registry's own word is taken.
fn asked_scopes(server: &Server, challenged: Option<String>, round: Round) -> Vec<String> {
    scopes(
        &server.purpose,
        server.reference.repository(),
        challenged,
        round,
    )
}

fn scopes(
    purpose: &Purpose,
    repository: &str,
    challenged: Option<String>,
    round: Round,
) -> Vec<String> {
    match (round, challenged) {
        (Round::Second, Some(scope)) if !scope.trim().is_empty() => vec![scope],
        _ => purpose.scopes(repository),
    }
}

/// Where tokens are to be had: what is secret goes there only as safely as to the registry.
fn realm_url(
    realm: &str,
    registry: &Url,
    options: &RegistryOptions,
    has_secret: bool,
) -> Result<Url> {
    let shown = shown(&without_secrets(realm));
    // The registry's own server may be meant by a path alone.
    let url = match realm.starts_with('/') {
        true => registry.join(realm),
        false => Url::parse(realm),
    };
    let refused = |why: String| cannot_log_in(registry.host(), why);
    let url = url.ok_or_else(|| {
        refused(format!(
            "expected the URL of a token server, found '{shown}'"
        ))
    })?;
    let is_safe = url.is_tls()
        || url.is_loopback()
        || (!registry.is_tls() && options.plain_http)
        || !options.tls.verify
        || !has_secret;
    if is_safe {
        return Ok(url);
    }
    Err(refused(format!(
        "the token server {shown} is asked by plain HTTP, which anybody on the way can read (--anonymous asks without a password, --tls-verify=false allows it)"
    )))
}

fn cannot_log_in(place: &str, why: String) -> Error {
    Error::io(
        format!("cannot log in at {place}"),
        std::io::Error::other(why),
    )
}

/// The token in an answer, under either of its names and as Go reads these.
fn given_token(answer: &[u8]) -> Option<String> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(answer) else {
        return None;
    };
    let mut values = ["token", "access_token"]
        .into_iter()
        .flat_map(|name| fields(&answer, name));
    let token = values.find_map(|value| value.as_str().filter(|token| !token.is_empty()));
    token.map(str::to_owned)
}

struct TokenRequest {
    realm: Url,
    service: Option<String>,
    scopes: Vec<String>,
}

impl TokenRequest {
    fn send(
        &self,
        server: &Server,
        secret: Option<&Secret>,
        troubles: &[String],
    ) -> Attempted<String> {
        let (url, request) = self.request(secret)?;
        let authorization = match secret {
            Some(Secret::Login(login)) => Some(basic(login)),
            _ => None,
        };
        let mut response = server.follow(&url, &request, authorization)?;
        let status = response.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Trouble::of_response(&mut response).into());
        }
        if !status.is_success() {
            let who = match secret {
                Some(_) => Who::Somebody,
                None => Who::Nobody,
            };
            let (registry, through) = (server.reference.registry(), response.url.shown());
            let what = format!("cannot log in at {registry} through {through}");
            let error = refusal::error(what, server.asked(), &mut response, Some(who), troubles);
            return Err(error.into());
        }
        let bytes = match response.read_at_most(MAX_TOKEN_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                let found = format!("more than {MAX_TOKEN_BYTES} bytes");
                return Err(self.no_token(&found).into());
            }
            Err(error) => {
                return Err(Trouble::new(&self.realm, error.to_string(), false).into());
            }
        };
        let is_sendable = |token: &String| token.bytes().all(|byte| byte.is_ascii_graphic());
        match given_token(&bytes).filter(is_sendable) {
            Some(token) => Ok(token),
            None => Err(self.no_token("something else").into()),
        }
    }

    fn no_token(&self, found: &str) -> Error {
        cannot_log_in(
            &self.realm.shown(),
            format!("expected a token as JSON, found {found}"),
        )
    }

    fn request(&self, secret: Option<&Secret>) -> Result<(Url, Request<'static>)> {
        let mut parameters = Vec::new();
        if let Some(service) = &self.service {
            parameters.push(("service", service.as_bytes()));
        }
        // One of several each by itself, and all in one field of a form (distribution's token
        // specifications).
        let joined = self.scopes.join(" ");
        if matches!(secret, Some(Secret::IdentityToken(_))) {
            parameters.push(("scope", joined.as_bytes()));
        } else {
            let scopes = self.scopes.iter().map(|scope| ("scope", scope.as_bytes()));
            parameters.extend(scopes);
        }
        if let Some(Secret::IdentityToken(token)) = secret {
            parameters.extend([
                ("grant_type", &b"refresh_token"[..]),
                ("client_id", CLIENT_ID.as_bytes()),
                ("refresh_token", token.as_bytes()),
            ]);
            let form = parameters
                .iter()
                .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
                .collect::<Vec<_>>()
                .join("&");
            let request = Request {
                form: Some(form),
                ..Request::default()
            };
            return Ok((self.realm.clone(), request));
        }
        if let Some(Secret::Login(login)) = secret {
            parameters.push(("account", &login.user));
        }
        let url = self
            .realm
            .with_query(&parameters)
            .ok_or_else(|| self.no_token("a URL too long to use"))?;
        Ok((url, Request::default()))
    }
}

/// How many challenges a `WWW-Authenticate` header has in it: a door for `fuzz/`.
#[doc(hidden)]
pub fn challenges_in(header: &[u8]) -> usize {
    challenge::parse([header]).len()
}

/// What is wrong with a file of credentials that is asked who may have an image: a door for `fuzz/`.
#[doc(hidden)]
pub fn wrong_credentials(file: &[u8], reference: &crate::oci::RegistryReference) -> Vec<String> {
    let file = match auth_file::AuthFile::parse(file) {
        Ok(file) => file,
        Err(wrong) => return vec![wrong],
    };
    let entries = auth_file::keys(reference)
        .into_iter()
        .map(|key| file.entry(&key).err());
    let helper = file.helper(reference.registry()).err();
    entries.chain([helper]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::options::TlsOptions;

    /// A challenge's scope that was empty, a placeholder or another's was asked for in place of the
    /// repository's, and the token was good for nothing.
    #[test]
    fn a_token_is_asked_for_the_repository_whatever_the_challenge_says() {
        let own = "repository:a/b:pull";
        for said in [
            None,
            Some(""),
            Some(" "),
            Some("repository:user/image:pull"),
            Some("registry:catalog:*"),
            Some("repository:a/b:pull,push"),
            Some("aws"),
        ] {
            let asked = |round| scopes(&Purpose::Pull, "a/b", said.map(str::to_owned), round);
            assert_eq!(asked(Round::First), [own], "{said:?}");
            let second = said.filter(|said| !said.trim().is_empty()).unwrap_or(own);
            assert_eq!(asked(Round::Second), [second], "{said:?}");
        }
        let mount_from = Some("c".to_owned());
        let purpose = Purpose::Push { mount_from };
        let asked = scopes(&purpose, "a/b", Some("other".to_owned()), Round::First);
        assert_eq!(asked, ["repository:a/b:pull,push", "repository:c:pull"]);
    }

    /// A token server that spells `Token`, or gives a name twice, was said to have given none.
    #[test]
    fn a_token_is_found_under_either_name_as_go_reads_them() {
        for answer in [
            r#"{"token":"T"}"#,
            r#"{"access_token":"T","expires_in":"300","issued_at":5}"#,
            r#"{"token":null,"access_token":"T"}"#,
            r#"{"token":"","Access_Token":"T"}"#,
            r#"{"Token":"T"}"#,
            r#"{"token":"T","access_token":5}"#,
            r#"{"token":"old","token":"T"}"#,
        ] {
            assert_eq!(
                given_token(answer.as_bytes()).as_deref(),
                Some("T"),
                "{answer}"
            );
        }
        for answer in ["", "{}", "[]", r#"{"token":7}"#, r#"{"token":"#, "<html>"] {
            assert_eq!(given_token(answer.as_bytes()), None, "{answer}");
        }
    }

    #[test]
    fn realms_are_taken_where_nothing_secret_is_in_danger_and_shown_without_secrets() {
        let tls = Url::parse("https://registry.test/v2/").unwrap();
        let options = RegistryOptions::default();
        let realm = |text: &str, has_secret| {
            realm_url(text, &tls, &options, has_secret).map(|url| url.to_string())
        };
        for (text, url) in [
            ("https://auth.test/t", "https://auth.test/t"),
            ("/token?x=1", "https://registry.test/token?x=1"),
            ("//auth.test/t", "https://auth.test/t"),
            ("http://127.0.0.1/t", "http://127.0.0.1/t"),
        ] {
            assert_eq!(realm(text, true).unwrap(), url);
        }
        assert!(realm("http://auth.test/t", false).is_ok());
        for wrong in [
            "http://auth.test/t?secret",
            "https://user:secret@auth.test/t",
            "https://user:se/cret@auth.test:99999/",
            "https://auth.test:99999/t?secret",
            "ftp://x/",
            "token",
            "",
        ] {
            let told = realm(wrong, true).unwrap_err().to_string();
            assert!(told.contains("token server"), "{told}");
            assert!(
                !told.contains("secret") && !told.contains("cret@"),
                "{told}"
            );
        }
        let options = RegistryOptions {
            tls: TlsOptions {
                verify: false,
                ..TlsOptions::default()
            },
            ..options
        };
        assert!(realm_url("http://auth.test/t", &tls, &options, true).is_ok());
    }
}
