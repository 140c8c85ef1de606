//! What is sent to a repository (OCI distribution-spec, "Push").
//!
//! A blob is asked for, and sent in one piece where it is not there: POST says where to, PUT sends it.
//! Whatever fails and may pass begins again with the question, so that a blob that arrived while its
//! answer was lost is not sent twice. Where the registry leads an upload to another server, that one is
//! shown no credentials.

use ureq::http::StatusCode;

use super::Sent;
use super::client::{Client, Waiting};
use super::http::{Request, Response, Upload, Url, Verb};
use super::options::RegistryOptions;
use super::purpose::Purpose;
use super::refusal;
use super::trouble::{Attempted, Failure, Trouble};
use crate::error::{Error, Result, shown};
use crate::network::without_secrets;
use crate::oci::document::MAX_DOCUMENT_BYTES;
use crate::oci::media_type::{DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Digest, RegistryReference};
use crate::progress::Reporter;

/// How often a manifest is sent again that was called a bad request.
const BAD_REQUESTS: u32 = 2;

/// What a blob is called while it is sent.
const BYTES: &str = "application/octet-stream";

/// Whatever a tag may name.
const ACCEPT: [&str; 4] = [
    OCI_MANIFEST,
    OCI_INDEX,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
];

const CONTENT_DIGEST: &str = "docker-content-digest";

/// A repository that is pushed to.
pub(crate) struct Pushing<'a> {
    client: Client,
    mount_from: Option<String>,
    reporter: &'a dyn Reporter,
}

impl<'a> Pushing<'a> {
    /// Gets in touch with the registry. Blobs that another repository of it has are taken over from
    /// `mount_from`.
    ///
    /// # Errors
    /// For options that cannot be used, and where the registry does not answer.
    pub(crate) fn connect(
        reference: &RegistryReference,
        options: &RegistryOptions,
        mount_from: Option<String>,
        reporter: &'a dyn Reporter,
    ) -> Result<Self> {
        let purpose = Purpose::Push {
            mount_from: mount_from.clone(),
        };
        Ok(Self {
            client: Client::connect(reference, options, purpose)?,
            mount_from,
            reporter,
        })
    }

    /// Sees to it that the repository has a blob; `stop` says whether nobody wants it any more.
    ///
    /// # Errors
    /// [`Error::Io`] where the registry refuses, [`Error::Network`] where it stays in trouble.
    pub(crate) fn blob(
        &self,
        digest: &Digest,
        bytes: &[u8],
        stop: &dyn Fn() -> bool,
    ) -> Result<Sent> {
        let waiting = self.waiting(stop);
        let mut failed = 0;
        loop {
            let blob = Blob {
                client: &self.client,
                mount_from: self.mount_from.as_deref(),
                digest,
                bytes,
                failed,
                waiting,
            };
            match blob.attempt() {
                Ok(sent) => return Ok(sent),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(trouble)) => {
                    failed += 1;
                    let trouble = trouble.in_doing(&blob.cannot());
                    self.client.wait_after(failed, trouble, waiting)?;
                }
            }
        }
    }

    /// The manifest or index of a tag or digest, with the media type that it was given as; `None` where
    /// there is none.
    ///
    /// # Errors
    /// [`Error::Io`] where the registry does not give it, [`Error::BadImage`] where it is too large.
    pub(crate) fn manifest(&self, reference: &str) -> Result<Option<(String, Vec<u8>)>> {
        let url = self.client.server.url(&format!("manifests/{reference}"))?;
        let too_large = |why| Error::bad_image(format!("{}: {why}", url.shown()));
        let waiting = self.waiting(&|| false);
        let read = self
            .client
            .read(&url, &ACCEPT, MAX_DOCUMENT_BYTES, too_large, waiting)?;
        Ok(read.map(|(response, bytes)| {
            let media_type = response.header("content-type").unwrap_or_default();
            let media_type = media_type.split(';').next().unwrap_or_default().trim();
            (media_type.to_owned(), bytes)
        }))
    }

    /// Puts a manifest or an index under a tag or its digest. Tells whether the registry has taken note of
    /// its `subject` (distribution-spec, "Pushing Manifests with Subject").
    ///
    /// # Errors
    /// [`Error::Io`] where the registry refuses, [`Error::Network`] where it stays in trouble.
    pub(crate) fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<bool> {
        let url = self.client.server.url(&format!("manifests/{reference}"))?;
        let waiting = self.waiting(&|| false);
        let what = format!("cannot push the manifest to {}", url.shown());
        let most = self.client.server.options.retries.min(BAD_REQUESTS);
        let may_pass = |failed: u32| failed < most;
        let mut failed = 0;
        let mut response = loop {
            let upload = Upload {
                verb: Verb::Put,
                bytes,
                media_type,
                asks_first: failed > 0,
            };
            let request = Request {
                upload: Some(upload),
                ..Request::default()
            };
            match self.client.ask_once(&url, &request, waiting) {
                // The bytes may have been changed on the way; and some registries read what another push
                // is just writing of the blobs that are named, and call its digest wrong.
                Ok(mut response)
                    if response.status == StatusCode::BAD_REQUEST && may_pass(failed) =>
                {
                    failed += 1;
                    let trouble = Trouble::new(&url, refusal::told(&mut response), false);
                    self.client
                        .wait_after(failed, trouble.in_doing(&what), waiting)?;
                }
                Ok(response) => break response,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(trouble)) => {
                    failed += 1;
                    let trouble = trouble.in_doing(&what);
                    self.client.wait_after(failed, trouble, waiting)?;
                }
            }
        };
        if !response.status.is_success() {
            let help = match response.status {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    " (a larger --segment-size makes a shorter manifest)"
                }
                StatusCode::METHOD_NOT_ALLOWED => READ_ONLY,
                StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                    " (the registry may not take artifacts, which are manifests of other types than an image's)"
                }
                _ => "",
            };
            let refused = self.client.refused_as(what, &mut response);
            // It said of each blob that it was there, or took it.
            let help = match refused.to_string().to_ascii_lowercase() {
                said if said.contains("blob unknown") || said.contains("blob_unknown") => UNKNOWN,
                _ => help,
            };
            return Err(refused.with_more(help));
        }
        if let Some(found) = response.header(CONTENT_DIGEST) {
            let expected = crate::oci::DigestHasher::sha256().of(bytes);
            check_stored(&expected, found).map_err(|why| failure(&what, why))?;
        }
        Ok(response.header("oci-subject").is_some())
    }

    /// Whether the registry lists referrers itself (distribution-spec, "Listing Referrers").
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Network`] as for all reading.
    pub(crate) fn lists_referrers(&self, subject: &Digest) -> Result<bool> {
        let url = self.client.server.url(&format!("referrers/{subject}"))?;
        let waiting = self.waiting(&|| false);
        Ok(self
            .client
            .ask_head(&url, &[OCI_INDEX], waiting)?
            .is_some_and(|response| {
                let media_type = response.header("content-type").unwrap_or_default();
                media_type.starts_with(OCI_INDEX)
            }))
    }

    fn waiting<'b>(&'b self, stop: &'b dyn Fn() -> bool) -> Waiting<'b> {
        Waiting {
            reporter: self.reporter,
            stop,
        }
    }
}

/// What helps where it does not know what it said it had.
const UNKNOWN: &str = " (the registry said that it has each blob of it: what is between it and here may answer in its place, or it was cleaned meanwhile; nothing was tagged, and another push sends what it then says it lacks)";

/// What helps where nothing is taken.
const READ_ONLY: &str =
    " (the registry takes nothing: a mirror, or one that is set to be read only)";

/// One blob's upload, tried once.
struct Blob<'a> {
    client: &'a Client,
    mount_from: Option<&'a str>,
    digest: &'a Digest,
    bytes: &'a [u8],
    /// How often it failed before.
    failed: u32,
    waiting: Waiting<'a>,
}

impl Blob<'_> {
    fn cannot(&self) -> String {
        let repository = self.client.server.reference.full_repository();
        format!("cannot push the blob {} to {repository}", self.digest)
    }

    fn attempt(&self) -> Attempted<Sent> {
        if self.is_there()? {
            return Ok(Sent::WasThere);
        }
        let Some(place) = self.begin()? else {
            return Ok(Sent::Mounted);
        };
        self.send(&place)?;
        Ok(Sent::Uploaded)
    }

    /// Whether the repository has it. One of another length is none.
    fn is_there(&self) -> Attempted<bool> {
        let url = self.client.server.url(&format!("blobs/{}", self.digest))?;
        let found = self.client.ask_head(&url, &[], self.waiting)?;
        Ok(found.is_some_and(|response| {
            let length = response.header("content-length");
            let length = length.and_then(|length| length.trim().parse::<u64>().ok());
            length.is_none_or(|length| length == self.bytes.len() as u64)
        }))
    }

    /// Asks where to send it; `None` where it is there now.
    fn begin(&self) -> Attempted<Option<Url>> {
        let server = &self.client.server;
        let mut url = server.url("blobs/uploads/")?;
        if let Some(from) = self.mount_from {
            let digest = self.digest.to_string();
            let query = [("mount", digest.as_bytes()), ("from", from.as_bytes())];
            let unusable = || Error::unsupported(format!("{from}: not usable in a URL"));
            url = url.with_query(&query).ok_or_else(unusable)?;
        }
        let mut response = self.exchange(&url, Verb::Post, &[])?;
        match response.status {
            // Only of what was to be mounted (distribution-spec, "Mounting a blob from another
            // repository").
            StatusCode::CREATED if self.mount_from.is_some() => Ok(None),
            StatusCode::ACCEPTED | StatusCode::CREATED | StatusCode::NO_CONTENT => {
                self.place(&response).map(Some).map_err(Failure::Final)
            }
            _ => Err(self.refused(&mut response).into()),
        }
    }

    /// Where the registry wants it. Its own server is shown credentials there, and nobody else.
    fn place(&self, response: &Response) -> Result<Url> {
        let server = &self.client.server;
        let location = response.headers.get("location");
        let place = location.and_then(|location| {
            let digest = self.digest.to_string();
            let query = [("digest", digest.as_bytes())];
            response.url.join(location)?.with_query(&query)
        });
        let Some(place) = place else {
            let found = location.map_or("nothing".into(), |location| {
                String::from_utf8_lossy(location.as_bytes())
            });
            return Err(self.failed(format!(
                "expected an http: or https: URL to send it to, found {}",
                shown(&without_secrets(&found))
            )));
        };
        server
            .may_upload_to(&place, &response.url)
            .map_err(|why| self.failed(format!("{} {why}", response.url.shown())))?;
        Ok(place)
    }

    fn send(&self, place: &Url) -> Attempted<()> {
        let mut response = self.exchange(place, Verb::Put, self.bytes)?;
        if response.status.is_success() {
            if let Some(found) = response.header(CONTENT_DIGEST) {
                check_stored(self.digest, found).map_err(|why| self.failed(why))?;
            }
            return Ok(());
        }
        let once = self.failed == 0 && self.client.server.options.retries > 0;
        let may_pass = match response.status {
            // The upload is not known any more, or not as it was.
            StatusCode::NOT_FOUND
            | StatusCode::GONE
            | StatusCode::CONFLICT
            | StatusCode::RANGE_NOT_SATISFIABLE => true,
            // The bytes may have been changed on the way.
            StatusCode::BAD_REQUEST => once,
            // A way to a storage service is good for a time only.
            status => {
                once && status.is_client_error()
                    && status != StatusCode::PAYLOAD_TOO_LARGE
                    && !self.client.server.gave(&response)
            }
        };
        if may_pass {
            return Err(Trouble::new(place, refusal::told(&mut response), false).into());
        }
        Err(self.refused(&mut response).into())
    }

    fn exchange(&self, url: &Url, verb: Verb, bytes: &[u8]) -> Attempted<Response> {
        let upload = Upload {
            verb,
            bytes,
            media_type: BYTES,
            asks_first: self.failed > 0 && !bytes.is_empty(),
        };
        let request = Request {
            upload: Some(upload),
            ..Request::default()
        };
        self.client.ask_once(url, &request, self.waiting)
    }

    fn refused(&self, response: &mut Response) -> Error {
        let help = match response.status {
            StatusCode::PAYLOAD_TOO_LARGE => " (a smaller --segment-size makes smaller blobs)",
            StatusCode::METHOD_NOT_ALLOWED => READ_ONLY,
            _ => "",
        };
        let refused = self.client.refused_as(self.cannot(), response);
        refused.with_more(help)
    }

    fn failed(&self, why: String) -> Error {
        failure(&self.cannot(), why)
    }
}

/// What is wrong with what a registry says that it has stored.
fn check_stored(expected: &Digest, found: &str) -> std::result::Result<(), String> {
    let found = found.trim();
    // Of another algorithm nothing can be told.
    let is_comparable = found.starts_with("sha256:");
    if is_comparable && found != expected.to_string() {
        return Err(format!(
            "expected the registry to have stored {expected}, found {}",
            shown(found)
        ));
    }
    Ok(())
}

fn failure(what: &str, why: String) -> Error {
    Error::io(what, std::io::Error::other(why))
}
