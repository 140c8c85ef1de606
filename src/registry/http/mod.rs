//! One exchange over HTTP, and what became of it.

mod certificates;
mod proxies;
mod tls;
mod url;

pub(super) use self::url::Url;

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, StatusCode, header};
use ureq::unversioned::transport::DefaultConnector;

use self::proxies::{ProxyRules, Way};
use super::options::RegistryOptions;
use crate::error::{Result, is_of_this_machine};
use crate::network::{PatientResolver, USER_AGENT};

/// Time to find and reach a server, each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What is told of a server that says nothing.
const TOO_LONG: &str = "nothing came for too long (--timeout SECONDS waits longer)";

/// A client for one program run: its connections are used again.
#[derive(Debug)]
pub(super) struct Http {
    rules: ProxyRules,
    direct: ureq::Agent,
    http_proxy: ureq::Agent,
    https_proxy: ureq::Agent,
}

/// What is sent, all of it held in memory, so that it can be sent again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upload<'a> {
    pub(super) verb: Verb,
    pub(super) bytes: &'a [u8],
    pub(super) media_type: &'a str,
    /// Whether the server is asked before the bytes are sent (RFC 9110, 10.1.1): one that refuses them
    /// may otherwise end the connection before it can be heard.
    pub(super) asks_first: bool,
}

/// How something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Post,
    Put,
}

/// A question.
#[derive(Debug, Clone, Default)]
pub(super) struct Request<'a> {
    pub(super) is_head: bool,
    /// Fields of a form to be posted; none for reading.
    pub(super) form: Option<String>,
    /// What is sent; none for reading.
    pub(super) upload: Option<Upload<'a>>,
    /// Types of media, each told on a line of its own: there are registries that read but one.
    pub(super) accept: &'a [&'a str],
    /// What the server is shown.
    pub(super) authorization: Option<String>,
    /// The first byte wanted, where it is not the first there is.
    pub(super) from_byte: u64,
}

/// An answer, whatever its status; its body is still to be read.
pub(super) struct Response {
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Box<dyn Read + Send>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The server's certificate is none that is trusted.
    Untrusted(String),
    /// The server does not speak TLS.
    NotTls,
    /// TLS ended in disagreement.
    Tls(String),
    /// Nobody is reached.
    Unreachable(String),
    /// The connection was lost, or nothing came for too long.
    Lost(String),
    /// This machine gives no more, by the number of its error: nobody was asked.
    Spent(i32),
}

impl Http {
    /// # Errors
    /// For certificates, keys and proxies that cannot be used.
    pub(super) fn new(options: &RegistryOptions, registry: &str) -> Result<Self> {
        let rules = ProxyRules::new(&options.proxies)?;
        let tls = tls::config(&options.tls, registry)?;
        let agent = |proxy: Option<ureq::Proxy>| {
            let config = ureq::Agent::config_builder()
                // The environment is read elsewhere.
                .proxy(proxy)
                .tls_config(tls.clone())
                .user_agent(USER_AGENT)
                .accept_encoding("identity")
                .http_status_as_error(false)
                // Followed one by one, so that each is shown only what it may see.
                .max_redirects(0)
                .timeout_resolve(Some(CONNECT_TIMEOUT.min(options.timeout)))
                .timeout_connect(Some(CONNECT_TIMEOUT.min(options.timeout)))
                .timeout_send_request(Some(options.timeout))
                .timeout_recv_response(Some(options.timeout))
                .timeout_per_read(Some(options.timeout))
                .timeout_per_write(Some(options.timeout))
                .build();
            ureq::Agent::with_parts(config, DefaultConnector::default(), PatientResolver)
        };
        Ok(Self {
            direct: agent(None),
            http_proxy: agent(rules.http.clone()),
            https_proxy: agent(rules.https.clone()),
            rules,
        })
    }

    /// Asks once, and follows nothing.
    pub(super) fn exchange(
        &self,
        url: &Url,
        request: &Request<'_>,
    ) -> std::result::Result<Response, Unanswered> {
        let agent = match self.rules.way(url) {
            Way::Direct => &self.direct,
            Way::HttpProxy => &self.http_proxy,
            Way::HttpsProxy => &self.https_proxy,
        };
        let method = match (&request.form, &request.upload) {
            (Some(_), _) => Method::POST,
            (None, Some(upload)) => match upload.verb {
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
            },
            (None, None) if request.is_head => Method::HEAD,
            (None, None) => Method::GET,
        };
        let mut builder = ureq::http::Request::builder()
            .method(method)
            .uri(url.to_string());
        for accept in request.accept {
            builder = builder.header(header::ACCEPT, *accept);
        }
        if let Some(authorization) = &request.authorization {
            builder = builder.header(header::AUTHORIZATION, authorization);
        }
        if request.from_byte > 0 {
            builder = builder.header(header::RANGE, format!("bytes={}-", request.from_byte));
        }
        let response = match (&request.form, &request.upload) {
            (Some(form), _) => {
                let form_type = "application/x-www-form-urlencoded";
                let builder = builder.header(header::CONTENT_TYPE, form_type);
                builder.body(form.clone()).map(|asked| agent.run(asked))
            }
            (None, Some(upload)) => {
                if upload.asks_first {
                    builder = builder.header(header::EXPECT, "100-continue");
                }
                let builder = builder.header(header::CONTENT_TYPE, upload.media_type);
                builder.body(upload.bytes).map(|asked| agent.run(asked))
            }
            (None, None) => builder.body(()).map(|asked| agent.run(asked)),
        };
        let response = response.map_err(ureq::Error::from).flatten();
        let (parts, body) = response.map_err(unanswered)?.into_parts();
        Ok(Response {
            url: url.clone(),
            status: parts.status,
            headers: parts.headers,
            body: Box::new(body.into_reader()),
        })
    }
}

impl Response {
    /// A header's first value, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, if it is not longer than allowed.
    ///
    /// # Errors
    /// The connection's; `FileTooLarge` where more comes.
    pub(super) fn read_at_most(&mut self, limit_bytes: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.body)
            .take(limit_bytes + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit_bytes {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }
}

/// A header's quoted text after its first quote, and what follows it; `None` where it has no end.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some((value, letters.as_str())),
            '\\' => value.extend(letters.next()),
            letter => value.push(letter),
        }
    }
    None
}

/// Why a body came to an end before its end.
pub(super) fn broke_off(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(ureq::Error::Timeout(_)) => TOO_LONG.to_owned(),
        _ => error.to_string(),
    }
}

fn unanswered(error: ureq::Error) -> Unanswered {
    match error {
        ureq::Error::Rustls(error) => tls_failure(&error),
        ureq::Error::Io(error) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            if let Some(inner) = inner {
                return tls_failure(inner);
            }
            if let Some(number) = error.raw_os_error().filter(|_| is_of_this_machine(&error)) {
                return Unanswered::Spent(number);
            }
            use std::io::ErrorKind::{
                AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable,
            };
            match error.kind() {
                ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable => {
                    Unanswered::Unreachable(error.to_string())
                }
                _ => Unanswered::Lost(error.to_string()),
            }
        }
        ureq::Error::HostNotFound => Unanswered::Unreachable("no such host".to_owned()),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Unanswered::Unreachable("nobody answers".to_owned())
        }
        ureq::Error::Timeout(_) => Unanswered::Lost(TOO_LONG.to_owned()),
        ureq::Error::ConnectProxyFailed(why) => {
            Unanswered::Unreachable(format!("the proxy refuses: {why}"))
        }
        error => Unanswered::Lost(error.to_string()),
    }
}

fn tls_failure(error: &rustls::Error) -> Unanswered {
    match error {
        rustls::Error::InvalidMessage(_) => Unanswered::NotTls,
        rustls::Error::InvalidCertificate(_) => Unanswered::Untrusted(error.to_string()),
        error => Unanswered::Tls(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_has_no_more_of_is_not_the_networks() {
        let of = |number| unanswered(std::io::Error::from_raw_os_error(number).into());
        for number in [24, 23, 12] {
            assert_eq!(of(number), Unanswered::Spent(number));
        }
        assert!(matches!(of(111), Unanswered::Unreachable(_)));
        assert!(matches!(of(104), Unanswered::Lost(_)));
    }
}
