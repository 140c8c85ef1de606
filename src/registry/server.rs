//! A registry's server: how it is spoken to, and where its answers lead.

use std::sync::atomic::{AtomicBool, Ordering};

use ureq::http::StatusCode;

use super::http::{Http, Request, Response, Unanswered, Url};
use super::options::RegistryOptions;
use super::purpose::Purpose;
use super::trouble::{Attempted, Failure, Trouble};
use crate::error::{Error, Result, shown};
use crate::network::without_secrets;
use crate::oci::{RegistryReference, is_loopback};

/// More than a registry and its storage service need.
const MAX_REDIRECTS: usize = 10;

/// A registry and a repository in it.
#[derive(Debug)]
pub(super) struct Server {
    http: Http,
    pub(super) base: Url,
    pub(super) reference: RegistryReference,
    pub(super) options: RegistryOptions,
    pub(super) purpose: Purpose,
    has_answered: AtomicBool,
}

impl Server {
    /// Finds out how the registry is spoken to.
    ///
    /// # Errors
    /// For options that cannot be used, and where the registry does not answer.
    pub(super) fn connect(
        reference: &RegistryReference,
        options: &RegistryOptions,
        purpose: Purpose,
    ) -> Result<Self> {
        let http = Http::new(options, reference.registry())?;
        let endpoint = reference.endpoint();
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://{endpoint}/v2/")).ok_or_else(|| {
                Error::unsupported(format!("{endpoint}: expected a registry as HOST[:PORT]"))
            })
        };
        let speaks_tls = if options.plain_http {
            false
        } else if is_loopback(endpoint)
            // Who has certificates for it means TLS.
            && options.tls.ca_cert.is_none()
            && options.tls.client_cert.is_none()
        {
            is_tls_on_this_machine(&http, &url("http")?, &url("https")?)
        } else if !options.tls.verify {
            // Nothing that is secret goes along with this question.
            let asked = http.exchange(&url("https")?, &Request::default());
            // Some servers do not even say that they do not understand.
            !matches!(asked, Err(Unanswered::NotTls | Unanswered::Lost(_)))
        } else {
            true
        };
        Ok(Self {
            http,
            base: url(if speaks_tls { "https" } else { "http" })?,
            reference: reference.clone(),
            options: options.clone(),
            purpose,
            has_answered: AtomicBool::new(false),
        })
    }

    /// The URL of something in the repository, as `manifests/latest`.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        let path = format!("{}/{path}", self.reference.repository());
        self.base
            .join(&path)
            .ok_or_else(|| Error::unsupported(format!("{path}: not usable in a URL")))
    }

    /// Which repository is asked, and what for.
    pub(super) fn asked(&self) -> (&RegistryReference, &Purpose) {
        (&self.reference, &self.purpose)
    }

    /// Whether an answer is the registry's own, and not one of where it led.
    pub(super) fn gave(&self, response: &Response) -> bool {
        response.url.has_origin_of(&self.base)
    }

    /// Whether there was ever an answer.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// One question, sent on to wherever the answers lead.
    pub(super) fn follow(
        &self,
        url: &Url,
        request: &Request<'_>,
        authorization: Option<String>,
    ) -> Attempted<Response> {
        let origin = url;
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = Request {
                // Credentials are for whom they were given, and nobody else.
                authorization: authorization.clone().filter(|_| url.has_origin_of(origin)),
                ..request.clone()
            };
            let response = match self.http.exchange(&url, &request) {
                Ok(response) => response,
                Err(unanswered) => return Err(self.no_answer(&url, unanswered)),
            };
            self.has_answered.store(true, Ordering::Relaxed);
            let location = match response.status.as_u16() {
                301 | 302 | 303 | 307 | 308 => response.headers.get("location"),
                _ => return Ok(response),
            };
            let next = location.and_then(|location| url.join(location));
            let Some(next) = next else {
                let location = location.map_or("nothing".into(), |location| {
                    String::from_utf8_lossy(location.as_bytes())
                });
                let what = format!(
                    "redirected ({}) to what is no http: or https: URL: {}",
                    response.status,
                    shown(&without_secrets(&location))
                );
                return led_astray(&url, &request, what);
            };
            if request.upload.is_some() {
                if !matches!(response.status.as_u16(), 307 | 308) {
                    let what = format!(
                        "redirected an upload ({}); expected an answer, or 307 or 308",
                        response.status
                    );
                    return led_astray(&url, &request, what);
                }
                if let Err(what) = self.may_upload_to(&next, &url) {
                    return led_astray(&url, &request, what);
                }
            }
            // From this machine itself, too: it is spoken to by plain HTTP unasked.
            let is_asked_for = !self.options.tls.verify || self.options.plain_http && !url.is_tls();
            if !next.is_tls() && !next.is_loopback() && !is_asked_for {
                let what = format!(
                    "redirected to plain HTTP, {} (--tls-verify=false allows it)",
                    next.shown()
                );
                return led_astray(&url, &request, what);
            }
            if request.form.is_some() {
                let what = "redirected a login; expected an answer".to_owned();
                return led_astray(&url, &request, what);
            }
            url = next;
        }
        let what = format!(
            "redirected more than {MAX_REDIRECTS} times, last to {}",
            url.shown()
        );
        led_astray(origin, request, what)
    }

    /// Whether what is uploaded may go where an answer from `from` leads: never from TLS to plain HTTP.
    /// Why not, otherwise.
    pub(super) fn may_upload_to(&self, next: &Url, from: &Url) -> std::result::Result<(), String> {
        let shown = next.shown();
        if next.is_tls() {
            return Ok(());
        }
        if from.is_tls() || self.base.is_tls() {
            return Err(format!(
                "leads an upload to plain HTTP, {shown}, which anybody on the way can read and change (a registry behind a proxy must be told that it is asked by TLS: X-Forwarded-Proto)"
            ));
        }
        if next.is_loopback() || self.options.plain_http || !self.options.tls.verify {
            return Ok(());
        }
        Err(format!(
            "leads an upload to plain HTTP, {shown} (--plain-http allows it)"
        ))
    }

    /// What may pass is a trouble, what will not is an error with what helps.
    fn no_answer(&self, url: &Url, unanswered: Unanswered) -> Failure {
        let failed = |why: String| url.unreadable(why).into();
        match unanswered {
            Unanswered::Untrusted(why) => failed(format!(
                "{why} (--ca-cert FILE trusts a certificate authority, --tls-verify=false anybody)"
            )),
            Unanswered::NotTls => failed(
                "the server does not speak TLS (--plain-http speaks plain HTTP to it, which anybody on the way can read and change)"
                    .to_owned(),
            ),
            Unanswered::Tls(why) => failed(format!(
                "{why} (--client-cert FILE shows a certificate to servers that want one)"
            )),
            Unanswered::Spent(number) => {
                let error = std::io::Error::from_raw_os_error(number);
                Error::io(url.cannot_read(), error).into()
            }
            Unanswered::Unreachable(what) => Trouble::new(url, what, true).into(),
            Unanswered::Lost(what) => Trouble::new(url, what, !self.has_answered()).into(),
        }
    }
}

/// Whether a registry on this machine speaks TLS. Plain HTTP is tried first: a server of TLS says at
/// once that it does not understand, the other way round it might wait for more. Nothing that is
/// secret goes along with these questions, and they do not leave the machine.
fn is_tls_on_this_machine(http: &Http, plain: &Url, tls: &Url) -> bool {
    match http.exchange(plain, &Request::default()) {
        // Servers of TLS answer so, too.
        Ok(response) if response.status != StatusCode::BAD_REQUEST => false,
        Err(Unanswered::Unreachable(_)) => false,
        _ => matches!(
            http.exchange(tls, &Request::default()),
            Ok(_) | Err(Unanswered::Untrusted(_) | Unanswered::Tls(_))
        ),
    }
}

/// The end of a redirect that cannot be followed; where GET may be led elsewhere, no end yet.
fn led_astray(url: &Url, request: &Request<'_>, what: String) -> Attempted<Response> {
    if request.is_head {
        return Err(Trouble::new(url, what, false).into());
    }
    Err(url.unreadable(what).into())
}
