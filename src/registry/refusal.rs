//! What a registry says when it gives nothing (distribution API, "Errors").

use serde_json::Value;
use ureq::http::{StatusCode, header};

use super::http::Response;
use super::purpose::Purpose;
use crate::error::{Error, shown};
use crate::oci::RegistryReference;

/// Of a refusal no more is read.
const MAX_BYTES: u64 = 64 << 10;

/// Whether anybody was named to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    /// Named by option or file.
    Somebody,
    /// The same, and never told: the registry asks for no challenge of which there are these.
    Unheard {
        challenges: &'static str,
    },
}

/// The status and what the server says to it, on one line.
pub(super) fn told(response: &mut Response) -> String {
    let status = response.status;
    let name = status.canonical_reason().unwrap_or("a status of its own");
    let text = format!("{} {name}", status.as_u16());
    match reason(response) {
        Some(reason) if !reason.is_empty() => format!("{text}: {}", shown(&reason)),
        _ => text,
    }
}

fn reason(response: &mut Response) -> Option<String> {
    let bytes = response.read_at_most(MAX_BYTES).ok()?;
    let body: Value = serde_json::from_slice(&bytes).ok()?;
    let first = body.get("errors").and_then(|errors| errors.get(0));
    // Token servers have forms of their own. Whatever else a field may be, another one may tell more.
    let told = [(first, "message"), (first, "code")]
        .into_iter()
        .chain(["details", "error_description", "message"].map(|name| (Some(&body), name)));
    told.filter_map(|(object, name)| object?.get(name)?.as_str())
        .find(|text| !text.is_empty())
        .map(str::to_owned)
}

/// What an answer asks for, as it says it.
fn challenges(response: &Response) -> String {
    let headers = response.headers.get_all(header::WWW_AUTHENTICATE);
    let all: Vec<_> = headers
        .iter()
        .map(|value| format!("'{}'", shown(&String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join(", "),
    }
}

/// The error for an answer that is final, as `what` was tried; `who` had asked, where it is the
/// registry's own or its token server's, and `troubles` stood in the way of knowing more of them.
pub(super) fn error(
    what: String,
    (reference, purpose): (&RegistryReference, &Purpose),
    response: &mut Response,
    who: Option<Who>,
    troubles: &[String],
) -> Error {
    use std::io::{Error as IoError, ErrorKind};
    let told = told(response);
    let repository = reference.full_repository();
    let may_not = match purpose {
        Purpose::Pull => "may not read",
        Purpose::Push { .. } => "may not push to",
    };
    let (kind, hint) = match (response.status, who) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(Who::Nobody)) => (
            ErrorKind::PermissionDenied,
            format!(
                " (private, or no such repository as {repository}: --creds-file FILE or docker login names who asks{})",
                troubles.iter().map(|trouble| format!("; {trouble}")).collect::<String>()
            ),
        ),
        (StatusCode::UNAUTHORIZED, Some(Who::Somebody)) => (
            ErrorKind::PermissionDenied,
            match purpose {
                Purpose::Pull => " (user name or password are wrong: --creds-file FILE gives others, --anonymous none)".to_owned(),
                // Tokens that are good for less than was asked are refused so, too.
                Purpose::Push { .. } => format!(" (user name or password are wrong, or who they name may not push to {repository}: --creds-file FILE gives others)"),
            },
        ),
        (StatusCode::FORBIDDEN, Some(Who::Somebody)) => (
            ErrorKind::PermissionDenied,
            format!(" (who is logged in {may_not} {repository}; --creds-file FILE names another, --anonymous nobody)"),
        ),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(Who::Unheard { challenges: known })) => (
            ErrorKind::PermissionDenied,
            format!(" (user name and password were not sent: expected the challenge {known}, found {})", challenges(response)),
        ),
        _ => (ErrorKind::Other, String::new()),
    };
    Error::io(what, IoError::new(kind, format!("{told}{hint}")))
}
