//! The tags of a repository (OCI distribution-spec, "Listing Tags").

use std::collections::{BTreeSet, HashSet};

use serde::Deserialize;
use ureq::http::StatusCode;

use super::client::{Client, Trouble, Waiting};
use super::http::{Request, Response, broke_off};
use super::url::Url;
use crate::error::{Error, Result};
use crate::oci::RegistryReference;
use crate::progress::Reporter;
use crate::source::document;
use crate::source::registry_options::RegistryOptions;
use crate::source::tags::Tags;

/// Bytes of one page of the list.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// Tags of one repository: more are nobody's to read.
const MAX_TAGS: usize = 1_000_000;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

/// Asks for all tags, page after page.
pub(in crate::source) fn tags(
    reference: &RegistryReference,
    options: &RegistryOptions,
    reporter: &dyn Reporter,
) -> Result<Tags> {
    if !reference.is_repository_only() {
        return Err(Error::unsupported(format!(
            "{reference}: expected a repository, as docker://{}",
            reference.full_repository()
        )));
    }
    let client = Client::connect(reference, options)?;
    let waiting = Waiting {
        reporter,
        stop: &|| false,
    };
    let mut tags = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut url = client.url("tags/list")?;
    loop {
        let (page, next) = page(&client, &url, waiting)?;
        tags.extend(page.tags.unwrap_or_default());
        if tags.len() > MAX_TAGS {
            return Err(failed(
                &url,
                &format!("expected at most {MAX_TAGS} tags, found more"),
            ));
        }
        seen.insert(url.to_string());
        let Some(next) = next else {
            break;
        };
        // Credentials go along, so nowhere else; and no list goes round in a circle.
        if !next.has_origin_of(&url) {
            let what = format!(
                "the list is said to go on at {}, another server",
                next.shown()
            );
            return Err(failed(&url, &what));
        }
        if seen.contains(&next.to_string()) {
            return Err(failed(&url, "the list is said to go on where it has been"));
        }
        url = next;
    }
    Ok(Tags {
        repository: reference.full_repository(),
        tags: tags.into_iter().collect(),
    })
}

fn page(client: &Client, url: &Url, waiting: Waiting<'_>) -> Result<(Page, Option<Url>)> {
    let mut broken = 0;
    loop {
        let request = Request {
            accept: Some("application/json"),
            ..Request::default()
        };
        let mut response = client.ask(url, &request, waiting)?;
        if response.status != StatusCode::OK {
            return Err(Error::io(
                format!("cannot read {}", url.shown()),
                std::io::Error::new(std::io::ErrorKind::NotFound, "no such repository"),
            ));
        }
        match response.read_at_most(MAX_PAGE_BYTES) {
            Ok(bytes) => {
                let page = serde_json::from_slice(&bytes).map_err(|error| {
                    let error = document::shown(&error.to_string());
                    failed(url, &format!("expected a list of tags as JSON: {error}"))
                })?;
                return Ok((page, next(&response, url)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                return Err(failed(
                    url,
                    &format!("expected at most {MAX_PAGE_BYTES} bytes, found more"),
                ));
            }
            Err(error) => {
                broken += 1;
                let trouble = Trouble::new(url, format!("broke off: {}", broke_off(&error)), false);
                client.wait_after(broken, trouble, waiting)?;
            }
        }
    }
}

/// Where the list goes on: `Link: <URL>; rel="next"` (RFC 8288).
fn next(response: &Response, url: &Url) -> Option<Url> {
    let links = response.headers.get_all("link");
    let links = links.iter().filter_map(|link| link.to_str().ok());
    let next = links.filter_map(next_in).next()?;
    url.join(next)
}

fn next_in(link: &str) -> Option<&str> {
    let mut rest = link;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let own = parameters[..end].to_ascii_lowercase();
        let is_next = own.split([';', ',']).any(|parameter| {
            let parameter = parameter.replace([' ', '"'], "");
            parameter == "rel=next"
        });
        if is_next {
            return Some(target);
        }
        rest = &parameters[end..];
    }
    None
}

fn failed(url: &Url, what: &str) -> Error {
    Error::io(
        format!("cannot read {}", url.shown()),
        std::io::Error::other(what.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::next_in;

    #[test]
    fn the_next_page_is_found_among_other_links() {
        for (link, target) in [
            (
                r#"</v2/a/tags/list?last=x&n=2>; rel="next""#,
                Some("/v2/a/tags/list?last=x&n=2"),
            ),
            ("<x>; rel=next", Some("x")),
            (r#"<a>; rel="prev", <b>; title="t"; rel="next""#, Some("b")),
            (r#"<a>; rel="prev""#, None),
            ("", None),
            ("<", None),
            ("<a", None),
        ] {
            assert_eq!(next_in(link), target, "{link}");
        }
    }
}
