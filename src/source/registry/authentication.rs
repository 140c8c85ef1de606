//! What the registry is shown, and how it is come by (distribution's "Token Authentication
//! Specification" and its OAuth 2 form).

use serde::Deserialize;
use ureq::http::{StatusCode, header};

use super::challenge::{self, Challenge};
use super::client::{Client, Trouble, Waiting};
use super::credentials::{self, Secret};
use super::http::{Request, Response};
use super::refusal::{self, Who};
use super::url::{Url, percent_encoded};
use crate::error::{Error, Result};
use crate::source::registry_options::{Credentials, RegistryOptions};

/// No token is longer.
const MAX_TOKEN_BYTES: u64 = 1 << 20;

/// The name under which tokens are asked for.
const CLIENT_ID: &str = "layerpress";

/// The state of being known to one registry.
#[derive(Debug, Default)]
pub(super) struct Authentication {
    authorization: Option<String>,
    /// Who to be, once that has been looked up.
    secret: Option<Option<Secret>>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Authentication {
    /// The header that is sent along, none as long as nobody asked.
    pub(super) fn authorization(&self) -> Option<String> {
        self.authorization.clone()
    }

    /// Whether anybody was named.
    pub(super) fn who(&self) -> Who {
        match self.secret {
            Some(Some(_)) => Who::Somebody,
            _ => Who::Nobody,
        }
    }

    /// Does what a `401 Unauthorized` asks for; `false` where that cannot be or was done before.
    pub(super) fn answer(
        &mut self,
        client: &Client,
        response: &Response,
        options: &RegistryOptions,
        waiting: Waiting<'_>,
    ) -> Result<std::result::Result<bool, Trouble>> {
        let secret = match &self.secret {
            Some(secret) => secret.clone(),
            None => {
                let reference = &client.reference;
                let found = credentials::find(&options.credentials, reference, waiting.reporter)?;
                self.secret.insert(found).clone()
            }
        };
        let headers = response.headers.get_all(header::WWW_AUTHENTICATE);
        let headers = headers.iter().filter_map(|value| value.to_str().ok());
        for challenge in challenge::parse(headers) {
            let authorization = match (challenge, &secret) {
                (Challenge::Basic, Some(Secret::Login(login))) => credentials::basic(login),
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
                    let asked = TokenRequest {
                        realm: realm_url(&realm, &response.url, options)?,
                        service,
                        scope: scope.unwrap_or_else(|| {
                            format!("repository:{}:pull", client.reference.repository())
                        }),
                    };
                    match asked.send(client, secret.as_ref())? {
                        Ok(token) => format!("Bearer {token}"),
                        Err(trouble) => return Ok(Err(trouble)),
                    }
                }
                _ => continue,
            };
            // The same once more would be refused once more.
            if self.authorization.as_ref() == Some(&authorization) {
                continue;
            }
            self.authorization = Some(authorization);
            return Ok(Ok(true));
        }
        Ok(Ok(false))
    }
}

/// Where tokens are to be had: what is secret goes there only as safely as to the registry.
fn realm_url(realm: &str, registry: &Url, options: &RegistryOptions) -> Result<Url> {
    let shown = crate::source::document::shown(realm);
    let url = Url::parse(realm).ok_or_else(|| {
        Error::io(
            format!("cannot log in at {}", registry.host()),
            std::io::Error::other(format!(
                "expected the URL of a token server, found '{shown}'"
            )),
        )
    })?;
    let is_safe = url.is_tls()
        || url.is_loopback()
        || (!registry.is_tls() && options.plain_http)
        || !options.tls.verify
        || matches!(options.credentials, Credentials::Anonymous);
    if is_safe {
        return Ok(url);
    }
    Err(Error::io(
        format!("cannot log in at {}", registry.host()),
        std::io::Error::other(format!(
            "the token server {shown} is asked by plain HTTP, which anybody on the way can read (--anonymous asks without a password, --tls-verify=false allows it)"
        )),
    ))
}

struct TokenRequest {
    realm: Url,
    service: Option<String>,
    scope: String,
}

impl TokenRequest {
    fn send(
        &self,
        client: &Client,
        secret: Option<&Secret>,
    ) -> Result<std::result::Result<String, Trouble>> {
        let (url, request) = self.request(secret)?;
        let authorization = match secret {
            Some(Secret::Login(login)) => Some(credentials::basic(login)),
            _ => None,
        };
        let mut response = match client.follow(&url, &request, authorization)? {
            Ok(response) => response,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let status = response.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(Err(Trouble::of_response(&mut response)));
        }
        if !status.is_success() {
            let who = match secret {
                Some(_) => Who::Somebody,
                None => Who::Nobody,
            };
            return Err(refusal::login_error(&client.reference, &mut response, who));
        }
        let bytes = match response.read_at_most(MAX_TOKEN_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                return Err(self.no_token(&format!("more than {MAX_TOKEN_BYTES} bytes")));
            }
            Err(error) => {
                return Ok(Err(Trouble::new(&self.realm, error.to_string(), false)));
            }
        };
        let token: Option<Token> = serde_json::from_slice(&bytes).ok();
        let token = token.and_then(|token| {
            let given = [token.token, token.access_token];
            given.into_iter().flatten().find(|token| !token.is_empty())
        });
        let is_sendable = |token: &String| token.bytes().all(|byte| byte.is_ascii_graphic());
        match token.filter(is_sendable) {
            Some(token) => Ok(Ok(token)),
            None => Err(self.no_token("something else")),
        }
    }

    fn no_token(&self, found: &str) -> Error {
        Error::io(
            format!("cannot log in at {}", self.realm.shown()),
            std::io::Error::other(format!("expected a token as JSON, found {found}")),
        )
    }

    fn request(&self, secret: Option<&Secret>) -> Result<(Url, Request<'static>)> {
        let mut parameters = Vec::new();
        if let Some(service) = &self.service {
            parameters.push(("service", service.as_str()));
        }
        parameters.push(("scope", self.scope.as_str()));
        if let Some(Secret::IdentityToken(token)) = secret {
            parameters.extend([
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", token),
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
            parameters.push(("account", login.user.as_str()));
        }
        let url = self
            .realm
            .with_query(&parameters)
            .ok_or_else(|| self.no_token("a URL too long to use"))?;
        Ok((url, Request::default()))
    }
}
