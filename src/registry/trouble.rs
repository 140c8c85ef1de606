//! What goes wrong with a question and may pass.

use std::time::Duration;

use ureq::http::StatusCode;

use super::backoff;
use super::http::Response;
use super::refusal;
use super::url::Url;
use crate::error::Error;

/// Answers that mean: not now.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// What went wrong and may pass.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) url: Url,
    pub(super) what: String,
    pub(super) asked_wait: Option<Duration>,
    pub(super) is_unreachable: bool,
    status: Option<StatusCode>,
}

impl Trouble {
    pub(super) fn new(url: &Url, what: impl Into<String>, is_unreachable: bool) -> Self {
        Self {
            url: url.clone(),
            what: what.into(),
            asked_wait: None,
            is_unreachable,
            status: None,
        }
    }

    pub(super) fn of_response(response: &mut Response) -> Self {
        let asked_wait = response
            .header("retry-after")
            .and_then(|value| backoff::retry_after(value, response.header("date")));
        Self {
            url: response.url.clone(),
            what: refusal::told(response),
            asked_wait,
            is_unreachable: false,
            status: Some(response.status),
        }
    }

    /// Whether the server itself failed at what it was asked.
    pub(super) fn is_servers_failure(&self) -> bool {
        self.status == Some(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether the server was asked too often.
    pub(super) fn is_of_too_many(&self) -> bool {
        self.status == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    pub(super) fn into_error(self, tries: u32) -> Error {
        let mut what = self.what;
        match self.asked_wait {
            Some(wait) if wait > backoff::LONGEST => {
                what.push_str(&format!(", to be asked again after {} s", wait.as_secs()));
            }
            _ => what.push_str(&format!(", tried {tries} times")),
        }
        if self.status == Some(StatusCode::TOO_MANY_REQUESTS) {
            what.push_str(" (whoever is logged in may ask more often: --creds, docker login)");
        }
        Error::io(
            format!("cannot read {}", self.url.shown()),
            std::io::Error::other(what),
        )
    }
}
