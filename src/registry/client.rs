//! Asking a registry about one repository: authentication, redirects, and asking again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::http::StatusCode;

use super::http::{Request, Response, Url, broke_off};
use super::login::{Authentication, Round, is_challenge};
use super::options::RegistryOptions;
use super::purpose::Purpose;
use super::refusal;
use super::server::Server;
use super::trouble::{self, Attempted, Failure, Trouble, is_passing};
use crate::error::{Error, Result};
use crate::oci::RegistryReference;
use crate::progress::Reporter;

/// While waiting, how often it is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// A registry and a repository in it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) server: Server,
    authentication: Mutex<Authentication>,
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
                return Err(Error::Cancelled);
            }
            let tick = left.min(TICK);
            std::thread::sleep(tick);
            left -= tick;
        }
        Ok(())
    }
}

impl Client {
    /// Finds out how the registry is spoken to.
    ///
    /// # Errors
    /// For options that cannot be used, and where the registry does not answer.
    pub(super) fn connect(
        reference: &RegistryReference,
        options: &RegistryOptions,
        purpose: Purpose,
    ) -> Result<Self> {
        Ok(Self {
            server: Server::connect(reference, options, purpose)?,
            authentication: Mutex::default(),
        })
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
            let trouble = match self.ask_afresh(url, request, waiting) {
                Ok(response) if is_given(response.status) => return Ok(response),
                Ok(mut response) => return Err(self.refused(&mut response)),
                Err(Failure::Passing(trouble)) => *trouble,
                Err(Failure::Final(error)) => return Err(error),
            };
            failed += 1;
            self.wait_after(failed, trouble, waiting)?;
        }
    }

    /// Asks as [`ask`](Self::ask) does and reads the body, as often as that breaks off; `None` where
    /// there is nothing. A body of more bytes than `most` is an error that `too_large` makes of a text.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    pub(super) fn read(
        &self,
        url: &Url,
        accept: &[&str],
        most: u64,
        too_large: impl Fn(String) -> Error,
        waiting: Waiting<'_>,
    ) -> Result<Option<(Response, Vec<u8>)>> {
        let mut failed = 0;
        loop {
            let request = Request {
                accept,
                ..Request::default()
            };
            let mut response = self.ask(url, &request, waiting)?;
            if response.status != StatusCode::OK {
                return Ok(None);
            }
            let error = match response.read_at_most(most) {
                Ok(bytes) => return Ok(Some((response, bytes))),
                Err(error) => error,
            };
            if error.kind() == std::io::ErrorKind::FileTooLarge {
                return Err(too_large(format!(
                    "expected at most {most} bytes, found more"
                )));
            }
            failed += 1;
            let trouble = Trouble::new(url, format!("broke off: {}", broke_off(&error)), false);
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
    ) -> Attempted<Response> {
        let mut response = self.ask_once(url, request, waiting)?;
        if !self.is_refused_elsewhere(&response) {
            return Ok(response);
        }
        let told = refusal::told(&mut response);
        let place = response.url.shown();
        let note = format!("{place}: {told}; asking for another way to it");
        waiting.reporter.note(&note);
        self.ask_once(url, request, waiting)
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
            match self.ask_once(url, &request, waiting) {
                Ok(response) if response.status.is_success() => return Ok(Some(response)),
                Ok(mut response) if self.is_door_shut(&response) => {
                    return Err(self.refused(&mut response));
                }
                Ok(_) => return Ok(None),
                Err(Failure::Passing(trouble)) if trouble.is_of_too_many() => {
                    failed += 1;
                    self.wait_after(failed, *trouble, waiting)?;
                }
                Err(Failure::Passing(_)) => return Ok(None),
                Err(Failure::Final(error)) => return Err(error),
            }
        }
    }

    /// Whether the registry wants to be shown what there is not.
    fn is_door_shut(&self, response: &Response) -> bool {
        response.status == StatusCode::UNAUTHORIZED
            && self.server.gave(response)
            && is_challenge(response)
    }

    fn is_refused_elsewhere(&self, response: &Response) -> bool {
        response.status.is_client_error()
            && response.status != StatusCode::RANGE_NOT_SATISFIABLE
            && !self.server.gave(response)
    }

    /// The error for an answer that is final.
    pub(super) fn refused(&self, response: &mut Response) -> Error {
        let what = response.url.cannot_read();
        self.refused_as(what, response)
    }

    /// The same where `what` could not be done.
    pub(super) fn refused_as(&self, what: String, response: &mut Response) -> Error {
        let is_registrys = self.server.gave(response);
        let authentication = self.authentication();
        let who = is_registrys.then(|| authentication.who());
        refusal::error(
            what,
            self.server.asked(),
            response,
            who,
            authentication.troubles(),
        )
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
        let may_pass = failed <= self.server.options.retries
            && trouble.asked_wait.is_none_or(|wait| wait <= trouble::LONGEST)
            // Who was never there is not waited for long.
            && (!trouble.is_unreachable || failed < 2 || self.server.has_answered());
        if !may_pass {
            return Err(trouble.into_error(failed, self.authentication().who()));
        }
        let wait = trouble::wait(failed, trouble.asked_wait);
        waiting.reporter.note(&format!(
            "{}: {}; asking again in {:.1} s",
            trouble.url.shown(),
            trouble.what,
            wait.as_secs_f64()
        ));
        waiting.sleep(wait)
    }

    /// Asks once, with what the registry wants to be shown, and follows where it leads. Another server
    /// than the registry's own is shown nothing.
    pub(super) fn ask_once(
        &self,
        url: &Url,
        request: &Request<'_>,
        waiting: Waiting<'_>,
    ) -> Attempted<Response> {
        // A token that has expired is renewed once, one that is not enough is replaced once, and a
        // refusal of the new one is final.
        let mut rounds = [Round::First, Round::Second].into_iter();
        loop {
            if (waiting.stop)() {
                return Err(Error::Cancelled.into());
            }
            let authorization = self.authentication().authorization();
            let server = &self.server;
            let is_shown = url.has_origin_of(&server.base);
            let shown = authorization.clone().filter(|_| is_shown);
            let mut response = server.follow(url, request, shown)?;
            let may_be_let_in = matches!(response.status.as_u16(), 401 | 403 | 404);
            if may_be_let_in && server.gave(&response) {
                let mut authentication = self.authentication();
                // Another thread may have been shown the door, and let in, before.
                if authentication.authorization() != authorization {
                    continue;
                }
                if let Some(round) = rounds.next()
                    && authentication.answer(server, &response, round, waiting.reporter)?
                {
                    continue;
                }
            }
            if is_passing(response.status) {
                return Err(Trouble::of_response(&mut response).into());
            }
            return Ok(response);
        }
    }

    fn authentication(&self) -> MutexGuard<'_, Authentication> {
        self.authentication
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers that say what there is, or that there is nothing.
fn is_given(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_FOUND
}
