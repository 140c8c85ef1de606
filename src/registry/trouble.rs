//! What goes wrong with a question and may pass, and how long to wait for that.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use ureq::http::StatusCode;

use super::http::{Response, Url};
use super::refusal::{self, Who};
use crate::error::Error;

/// Answers that mean: not now. Of a server's failures those do not that tell what it cannot do; the
/// numbers from 520 on are those of networks before it.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502..=504 | 507..=509 | 520..=599)
}

/// What went wrong and may pass.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) url: Url,
    pub(super) what: String,
    pub(super) asked_wait: Option<Duration>,
    pub(super) is_unreachable: bool,
    status: Option<StatusCode>,
    /// What could not be done.
    cannot: String,
}

impl Trouble {
    pub(super) fn new(url: &Url, what: impl Into<String>, is_unreachable: bool) -> Self {
        Self {
            url: url.clone(),
            what: what.into(),
            asked_wait: None,
            is_unreachable,
            status: None,
            cannot: url.cannot_read(),
        }
    }

    pub(super) fn of_response(response: &mut Response) -> Self {
        let asked_wait = response
            .header("retry-after")
            .and_then(|value| retry_after(value, response.header("date")));
        Self {
            url: response.url.clone(),
            cannot: response.url.cannot_read(),
            what: refusal::told(response),
            asked_wait,
            is_unreachable: false,
            status: Some(response.status),
        }
    }

    /// The same where something else than reading could not be done.
    pub(super) fn in_doing(mut self, cannot: &str) -> Self {
        self.cannot = cannot.to_owned();
        self
    }

    /// Whether the server itself failed at what it was asked.
    pub(super) fn is_servers_failure(&self) -> bool {
        self.status == Some(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether the server was asked too often.
    pub(super) fn is_of_too_many(&self) -> bool {
        self.status == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// The error after so many tries by `who`.
    pub(super) fn into_error(self, tries: u32, who: Who) -> Error {
        let mut what = self.what;
        match self.asked_wait {
            Some(wait) if wait > LONGEST => {
                what.push_str(&format!(", to be asked again after {} s", wait.as_secs()));
            }
            _ if tries == 1 => what.push_str(", tried once"),
            _ => what.push_str(&format!(", tried {tries} times")),
        }
        if self.status == Some(StatusCode::TOO_MANY_REQUESTS) && who == Who::Nobody {
            what.push_str(" (whoever is logged in may ask more often: --creds, docker login)");
        }
        Error::network(self.cannot, std::io::Error::other(what))
    }
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The next may come to something.
    Passing(Box<Trouble>),
    /// Every other would end so, too.
    Final(Error),
}

/// What came of an attempt.
pub(super) type Attempted<T> = Result<T, Failure>;

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Passing(Box::new(trouble))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// The first wait.
const FIRST: Duration = Duration::from_millis(400);

/// A server that wants to be left alone for longer is believed, and not waited for.
pub(super) const LONGEST: Duration = Duration::from_secs(120);

/// The wait after so many tries failed: as the server asked, or doubled each time, and in neither
/// case the same for everybody who failed at the same moment.
pub(super) fn wait(failed_tries: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST * 2_u32.saturating_pow(failed_tries.saturating_sub(1).min(6));
    let least = asked.unwrap_or(doubled / 2);
    least + jitter(doubled / 2)
}

/// A random part of `most`; chance comes from the keys that the standard library's maps are seeded
/// with.
fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) >> 32;
    most.mul_f64(random as f64 / f64::from(u32::MAX))
}

/// What `Retry-After` asks for (RFC 9110, 10.2.3): seconds, or a date, held against the date of the
/// answer.
pub(super) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let seconds = http_date(value)?.checked_sub(http_date(date?)?)?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Seconds of an IMF-fixdate (RFC 9110, 5.6.7) since 1970, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let words: Vec<_> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    // The same instant as configurations write it.
    let text = format!("{year}-{month:02}-{day}T{time}Z");
    crate::oci::parse_created(&text).map(|time| time.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_differ() {
        for failed in 1..=20 {
            let doubled = FIRST * 2_u32.pow((failed - 1).min(6));
            let wait = wait(failed, None);
            assert!(wait >= doubled / 2 && wait <= doubled, "{failed}: {wait:?}");
        }
        let waits: Vec<_> = (0..20).map(|_| wait(5, None)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn a_server_is_never_asked_earlier_than_it_wants() {
        let asked = Duration::from_secs(7);
        assert!(wait(1, Some(asked)) >= asked);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let seconds = |text: &str| retry_after(text, date).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:00 GMT"), Some(23));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        for wrong in ["", "-1", "soon", "Sun, 06 Xyz 1994 08:49:37 GMT", "1.5"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:00 GMT", None), None);
    }
}
