//! The tags of a repository (OCI distribution-spec, "Listing Tags").

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;

use serde::Deserialize;

use super::Tags;
use super::client::{Client, Waiting};
use super::http::{Response, Url};
use super::link;
use super::options::RegistryOptions;
use super::purpose::Purpose;
use crate::error::{Error, Result, shown};
use crate::network::without_secrets;
use crate::oci::RegistryReference;
use crate::progress::Reporter;

/// Bytes of one page of the list.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// Tags of one repository: more are nobody's to read.
const MAX_TAGS: usize = 1_000_000;

/// Pages of one list: of a million tags a hundred on each, the fewest that registries give.
const MAX_PAGES: usize = 10_000;

/// Bytes of all pages.
const MAX_LIST_BYTES: u64 = 512 << 20;

/// No tag may be longer (OCI distribution-spec, "Pulling manifests").
const MAX_TAG_BYTES: usize = 128;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<Option<String>>>,
}

/// What has come of a list.
#[derive(Default)]
struct List {
    tags: BTreeSet<String>,
    pages: usize,
    bytes: u64,
    /// The URLs that were asked, as numbers: they may be long.
    asked: HashSet<u64>,
    numbers: RandomState,
}

/// Asks a registry for all tags of a repository, page after page.
///
/// # Errors
/// [`Error::Io`] where the registry does not give them, [`Error::Unsupported`] for a reference to one
/// image and in a program without the network.
pub fn tags(
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
    let client = Client::connect(reference, options, Purpose::Pull)?;
    let waiting = Waiting {
        reporter,
        stop: &|| false,
    };
    let mut list = List::default();
    let mut url = client.server.url("tags/list")?;
    loop {
        let (bytes, next) = page(&client, &url, waiting)?;
        list.asked.insert(list.numbers.hash_one(url.to_string()));
        list.add(&bytes).map_err(|wrong| url.unreadable(wrong))?;
        let Some(next) = next else {
            break;
        };
        // No list goes round in a circle.
        if list
            .asked
            .contains(&list.numbers.hash_one(next.to_string()))
        {
            return Err(url.unreadable("the list is said to go on where it has been"));
        }
        url = next;
    }
    Ok(Tags {
        repository: reference.full_repository(),
        tags: list.tags.into_iter().collect(),
    })
}

impl List {
    /// Adds a page; what is wrong with it otherwise, or with so many.
    fn add(&mut self, bytes: &[u8]) -> std::result::Result<(), String> {
        self.pages += 1;
        self.bytes += bytes.len() as u64;
        let page: Page = serde_json::from_slice(bytes).map_err(|error| {
            let told = shown(&error.to_string());
            format!("expected a list of tags as JSON, found something else: {told}")
        })?;
        let tags = page.tags.into_iter().flatten().flatten();
        for tag in tags {
            if tag.len() > MAX_TAG_BYTES {
                return Err(format!(
                    "expected tags of at most {MAX_TAG_BYTES} bytes, found one of {}: {}",
                    tag.len(),
                    shown(&tag)
                ));
            }
            self.tags.insert(tag);
        }
        let too_many =
            |limit: u64, what: &str| Err(format!("expected at most {limit} {what}, found more"));
        match self {
            _ if self.tags.len() > MAX_TAGS => too_many(MAX_TAGS as u64, "tags"),
            _ if self.pages > MAX_PAGES => too_many(MAX_PAGES as u64, "pages of tags"),
            _ if self.bytes > MAX_LIST_BYTES => too_many(MAX_LIST_BYTES, "bytes of tags"),
            _ => Ok(()),
        }
    }
}

/// A page's bytes, and where the list goes on.
fn page(client: &Client, url: &Url, waiting: Waiting<'_>) -> Result<(Vec<u8>, Option<Url>)> {
    let too_large = |why| url.unreadable(why);
    let accept = ["application/json"];
    let page = client.read(url, &accept, MAX_PAGE_BYTES, too_large, waiting)?;
    let absent = || url.unreadable_as(ErrorKind::NotFound, "no such repository");
    let (response, bytes) = page.ok_or_else(absent)?;
    let next = next(&response, url).map_err(|wrong| url.unreadable(wrong))?;
    Ok((bytes, next))
}

/// Where the list goes on. Credentials go along, so it does so on the server that was asked, whatever
/// the registry calls itself: one behind a gateway knows neither its name nor that TLS is spoken.
fn next(response: &Response, url: &Url) -> std::result::Result<Option<Url>, String> {
    let headers = response.headers.get_all("link");
    let target = link::next(headers.iter().map(|value| value.as_bytes()))
        .map_err(|wrong| format!("cannot tell where the list goes on: {wrong}"))?;
    let Some(target) = target else {
        return Ok(None);
    };
    let from = match response.url.has_origin_of(url) {
        true => &response.url,
        false => url,
    };
    let next = from.join(&target).and_then(|next| next.on_server_of(url));
    next.map(Some).ok_or_else(|| {
        let target = shown(&without_secrets(&target));
        format!("the list is said to go on at what is no URL: {target}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(tags: impl IntoIterator<Item = String>) -> Vec<u8> {
        let tags: Vec<_> = tags.into_iter().collect();
        serde_json::json!({ "name": "a", "tags": tags })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn what_stands_for_nothing_is_passed_over() {
        let mut list = List::default();
        for body in [
            &br#"{"tags":null}"#[..],
            br#"{"tags":["a",null,"b"]}"#,
            b"{}",
        ] {
            list.add(body).unwrap();
        }
        assert_eq!(list.tags.into_iter().collect::<String>(), "ab");
    }

    /// Pages without end were read for ever, as long as each had another address (found by a red team).
    #[test]
    fn pages_bytes_tags_and_their_length_have_an_end() {
        let longest = "x".repeat(MAX_TAG_BYTES);
        List::default().add(&page([longest.clone()])).unwrap();
        let told = List::default().add(&page([longest + "x"])).unwrap_err();
        assert!(
            told.contains("at most 128 bytes, found one of 129"),
            "{told}"
        );

        let mut list = List::default();
        let last = (0..).find(|_| list.add(b"{}").is_err());
        assert_eq!(last, Some(MAX_PAGES));

        let mut list = List::default();
        list.tags.extend((1..MAX_TAGS).map(|tag| tag.to_string()));
        list.add(&page(["last".to_owned()])).unwrap();
        let told = list.add(&page(["more".to_owned()])).unwrap_err();
        assert!(told.contains("at most 1000000 tags"), "{told}");

        let mut list = List {
            bytes: MAX_LIST_BYTES - 2,
            ..List::default()
        };
        list.add(b"{}").unwrap();
        assert!(list.add(b"{}").unwrap_err().contains("bytes of tags"));
    }
}
