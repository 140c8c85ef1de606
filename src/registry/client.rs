//! Asking a registry about one repository: authentication, redirects, and asking again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::http::StatusCode;

use super::authentication::{Authentication, Round, challenges};
use super::backoff;
use super::http::{Http, Request, Response, Unanswered};
use super::refusal;
use super::trouble::{Trouble, is_passing};
use super::url::Url;
use crate::error::{Error, Result};
use crate::oci::{RegistryReference, is_loopback};
use crate::progress::Reporter;
use crate::source::addresses::without_secrets;
use crate::source::document::shown;
use crate::source::registry_options::RegistryOptions;

/// More than a registry and its storage service need.
const MAX_REDIRECTS: usize = 10;

/// While waiting, how often it is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// A registry and a repository in it.
#[derive(Debug)]
pub(super) struct Client {
    http: Http,
    pub(super) base: Url,
    pub(super) reference: RegistryReference,
    authentication: Mutex<Authentication>,
    pub(super) options: RegistryOptions,
    has_answered: AtomicBool,
}

/// Who waits for an answer.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) reporter: &'a dyn Reporter,
    /// Whether nobody wants it any more.
    pub(super) stop: &'a dyn Fn() -> bool,
}

impl Waiting<'_> {
    /// Waits, unless it is not worth it any more.
    pub(super) fn sleep(&self, time: Duration) -> Result<()> {
        let mut left = time;
        while !left.is_zero() {
            if (self.stop)() {
                return Err(stopped());
            }
            let tick = left.min(TICK);
            std::thread::sleep(tick);
            left -= tick;
        }
        Ok(())
    }
}

/// What nobody sees: another error is the one that is told.
pub(super) fn stopped() -> Error {
    Error::unsupported("not downloaded after something else failed")
}

impl Client {
    /// Finds out how the registry is spoken to.
    ///
    /// # Errors
    /// For options that cannot be used, and where the registry does not answer.
    pub(super) fn connect(
        reference: &RegistryReference,
        options: &RegistryOptions,
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
            authentication: Mutex::default(),
            options: options.clone(),
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

    /// Asks until there is an answer that is none of a passing trouble; any with a status of
    /// success, or 404, is given.
    ///
    /// # Errors
    /// [`Error::Io`] where the registry cannot be reached, refuses or stays in trouble.
    pub(super) fn ask(
        &self,
        url: &Url,
        request: &Request<'_>,
        waiting: Waiting<'_>,
    ) -> Result<Response> {
        let mut failed = 0;
        loop {
            let trouble = match self.ask_afresh(url, request, waiting)? {
                Ok(response) if is_given(response.status) => return Ok(response),
                Ok(mut response) => return Err(self.refused(&mut response)),
                Err(trouble) => trouble,
            };
            failed += 1;
            self.wait_after(failed, trouble, waiting)?;
        }
    }

    /// Asks once, and once more where the answer leads to what refuses: the way may have been good for
    /// a time only, and that be over. An answer of any status is given, but for those that may pass.
    ///
    /// # Errors
    /// [`Error::Io`] for what will not pass.
    pub(super) fn ask_afresh(
        &self,
        url: &Url,
        request: &Request<'_>,
        waiting: Waiting<'_>,
    ) -> Result<std::result::Result<Response, Trouble>> {
        match self.ask_once(url, request, waiting)? {
            Ok(mut response) if self.is_refused_elsewhere(&response) => {
                let told = refusal::told(&mut response);
                let place = response.url.shown();
                waiting
                    .reporter
                    .note(&format!("{place}: {told}; asking for another way to it"));
                self.ask_once(url, request, waiting)
            }
            answered => Ok(answered),
        }
    }

    /// Asks by HEAD. It is a question that need not be understood: `None` wherever it is refused or
    /// broken, and GET is to be asked then.
    ///
    /// # Errors
    /// [`Error::Io`] where GET would end in the same way: nobody is let in or asked too often.
    pub(super) fn ask_head(
        &self,
        url: &Url,
        accept: &[&str],
        waiting: Waiting<'_>,
    ) -> Result<Option<Response>> {
        let request = Request {
            is_head: true,
            accept,
            ..Request::default()
        };
        let mut failed = 0;
        loop {
            match self.ask_once(url, &request, waiting)? {
                Ok(response) if response.status.is_success() => return Ok(Some(response)),
                Ok(mut response) if self.is_door_shut(&response) => {
                    return Err(self.refused(&mut response));
                }
                Ok(_) => return Ok(None),
                Err(trouble) if trouble.is_of_too_many() => {
                    failed += 1;
                    self.wait_after(failed, trouble, waiting)?;
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// Whether the registry wants to be shown what there is not.
    fn is_door_shut(&self, response: &Response) -> bool {
        response.status == StatusCode::UNAUTHORIZED
            && self.is_of_registry(response)
            && !challenges(response).is_empty()
    }

    /// Whether an answer is the registry's own, and not one of where it led.
    pub(super) fn is_of_registry(&self, response: &Response) -> bool {
        response.url.has_origin_of(&self.base)
    }

    fn is_refused_elsewhere(&self, response: &Response) -> bool {
        response.status.is_client_error()
            && response.status != StatusCode::RANGE_NOT_SATISFIABLE
            && !self.is_of_registry(response)
    }

    /// The error for an answer that is final.
    pub(super) fn refused(&self, response: &mut Response) -> Error {
        let is_registrys = self.is_of_registry(response);
        let authentication = self.authentication();
        let who = is_registrys.then(|| authentication.who());
        refusal::error(&self.reference, response, who, authentication.troubles())
    }

    /// Waits after a trouble, if it may pass.
    ///
    /// # Errors
    /// The trouble as an error, where it was tried often enough.
    pub(super) fn wait_after(
        &self,
        failed: u32,
        trouble: Trouble,
        waiting: Waiting<'_>,
    ) -> Result<()> {
        let may_pass = failed <= self.options.retries
            && trouble.asked_wait.is_none_or(|wait| wait <= backoff::LONGEST)
            // Who was never there is not waited for long.
            && (!trouble.is_unreachable || failed < 2 || self.has_answered.load(Ordering::Relaxed));
        if !may_pass {
            return Err(trouble.into_error(failed));
        }
        let wait = backoff::wait(failed, trouble.asked_wait);
        waiting.reporter.note(&format!(
            "{}: {}; asking again in {:.1} s",
            trouble.url.shown(),
            trouble.what,
            wait.as_secs_f64()
        ));
        waiting.sleep(wait)
    }

    /// Asks once, with what the registry wants to be shown, and follows where it leads.
    fn ask_once(
        &self,
        url: &Url,
        request: &Request<'_>,
        waiting: Waiting<'_>,
    ) -> Result<std::result::Result<Response, Trouble>> {
        // A token that has expired is renewed once, one that is not enough is replaced once, and a
        // refusal of the new one is final.
        let mut rounds = [Round::First, Round::Second].into_iter();
        loop {
            if (waiting.stop)() {
                return Err(stopped());
            }
            let authorization = self.authentication().authorization();
            let mut response = match self.follow(url, request, authorization.clone())? {
                Ok(response) => response,
                Err(trouble) => return Ok(Err(trouble)),
            };
            let may_be_let_in = matches!(response.status.as_u16(), 401 | 403 | 404);
            if may_be_let_in && self.is_of_registry(&response) {
                let mut authentication = self.authentication();
                // Another thread may have been shown the door, and let in, before.
                if authentication.authorization() != authorization {
                    continue;
                }
                if let Some(round) = rounds.next() {
                    let asked =
                        self.authenticate(&mut authentication, &response, round, waiting)?;
                    match asked {
                        Ok(true) => continue,
                        Ok(false) => {}
                        Err(trouble) => return Ok(Err(trouble)),
                    }
                }
            }
            if is_passing(response.status) {
                return Ok(Err(Trouble::of_response(&mut response)));
            }
            return Ok(Ok(response));
        }
    }

    fn authenticate(
        &self,
        authentication: &mut Authentication,
        response: &Response,
        round: Round,
        waiting: Waiting<'_>,
    ) -> Result<std::result::Result<bool, Trouble>> {
        if response.status == StatusCode::UNAUTHORIZED {
            match authentication.answer(self, response, round, waiting)? {
                Ok(false) => {}
                answered => return Ok(answered),
            }
        }
        authentication.answer_base(self, response.status, waiting)
    }

    /// One question, sent on to wherever the answers lead.
    pub(super) fn follow(
        &self,
        url: &Url,
        request: &Request<'_>,
        authorization: Option<String>,
    ) -> Result<std::result::Result<Response, Trouble>> {
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
                Err(unanswered) => return self.no_answer(&url, unanswered).map(Err),
            };
            self.has_answered.store(true, Ordering::Relaxed);
            let location = match response.status.as_u16() {
                301 | 302 | 303 | 307 | 308 => response.headers.get("location"),
                _ => return Ok(Ok(response)),
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

    /// What may pass is a trouble, what will not is an error with what helps.
    fn no_answer(&self, url: &Url, unanswered: Unanswered) -> Result<Trouble> {
        let failed = |why: String| {
            Err(Error::io(
                format!("cannot read {}", url.shown()),
                std::io::Error::other(why),
            ))
        };
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
            Unanswered::Unreachable(what) => Ok(Trouble::new(url, what, true)),
            Unanswered::Lost(what) => {
                let is_first = !self.has_answered.load(Ordering::Relaxed);
                Ok(Trouble::new(url, what, is_first))
            }
        }
    }

    fn authentication(&self) -> MutexGuard<'_, Authentication> {
        self.authentication
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
fn led_astray(
    url: &Url,
    request: &Request<'_>,
    what: String,
) -> Result<std::result::Result<Response, Trouble>> {
    if request.is_head {
        return Ok(Err(Trouble::new(url, what, false)));
    }
    Err(Error::io(
        format!("cannot read {}", url.shown()),
        std::io::Error::other(what),
    ))
}

/// Answers that say what there is, or that there is nothing.
fn is_given(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_FOUND
}
