//! An image's place in a registry. Its manifests, indexes and configurations are small, and read at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::client::{Client, Waiting};
use super::downloads::LayerDownloads;
use super::http::{Request, Response, Url};
use super::kept::Kept;
use super::one_by_one::RepositoryBlobs;
use super::options::RegistryOptions;
use super::purpose::Purpose;
use crate::blobs::{Downloads, StoredBlob};
use crate::error::{Error, Result};
use crate::oci::document::{self, MAX_DOCUMENT_BYTES};
use crate::oci::media_type::{
    DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, Kind, OCI_INDEX, OCI_MANIFEST,
};
use crate::oci::{Descriptor, Digest, DigestHasher, RegistryReference};
use crate::progress::Reporter;

/// What is understood; a registry may choose by it.
const ACCEPT: [&str; 4] = [
    OCI_INDEX,
    OCI_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_MANIFEST,
];

/// Documents of one image: an index that leads to more is not meant to be used.
const MAX_DOCUMENTS: usize = 500;

const CONTENT_DIGEST: &str = "docker-content-digest";

/// An image's place in a registry, as the set of blobs that it is.
pub(crate) struct Registry<'a> {
    client: Arc<Client>,
    kept: Arc<Kept>,
    waiting: Waiting<'a>,
    /// Read already and right.
    known: RefCell<HashMap<Digest, Vec<u8>>>,
    layers: RefCell<LayerDownloads>,
}

impl<'a> Registry<'a> {
    /// Gets in touch with the registry; blobs that the cache does not take go to `work_dir`.
    ///
    /// # Errors
    /// For options that cannot be used, and where the registry does not answer.
    pub(crate) fn open(
        reference: &RegistryReference,
        options: &RegistryOptions,
        work_dir: PathBuf,
        reporter: &'a dyn Reporter,
    ) -> Result<Self> {
        let client = Arc::new(Client::connect(reference, options, Purpose::Pull)?);
        let kept = Arc::new(Kept::open(&options.cache, reporter)?);
        Ok(Self {
            layers: RefCell::new(LayerDownloads::new(
                Arc::clone(&client),
                Arc::clone(&kept),
                work_dir,
                options.downloads.get(),
            )),
            client,
            kept,
            waiting: Waiting {
                reporter,
                stop: &|| false,
            },
            known: RefCell::default(),
        })
    }

    /// A layer, to be downloaded when it is read. Layers are asked for base first.
    pub(crate) fn layer(&self, descriptor: &Descriptor, index: usize) -> StoredBlob {
        StoredBlob::Arriving(self.layers.borrow_mut().add(descriptor, index))
    }

    /// What is to be done before the layers asked for so far can be read.
    pub(crate) fn into_downloads(self) -> Box<dyn Downloads> {
        Box::new(self.layers.into_inner())
    }

    /// The repository's blobs, for who wants them one by one.
    pub(crate) fn into_blobs(self, work_dir: PathBuf) -> RepositoryBlobs {
        RepositoryBlobs {
            client: self.client,
            kept: self.kept,
            work_dir,
        }
    }

    /// The manifest or index that the reference names.
    ///
    /// # Errors
    /// [`Error::Io`] where the registry gives none, [`Error::BadImage`] where it is not what its
    /// digest says.
    pub(crate) fn top(&self) -> Result<Descriptor> {
        let reference = &self.client.server.reference;
        let (digest, bytes) = match (reference.digest(), reference.tag()) {
            // A digest says it all: what the tag beside it means today is not asked, as by docker.
            (Some(digest), _) => {
                let url = self.client.server.url(&format!("manifests/{digest}"))?;
                let absent = || not_found(&url, format!("no manifest {digest}"));
                let bytes = self.by_digest(digest, &url)?.ok_or_else(absent)?;
                (digest.clone(), bytes)
            }
            (None, Some(tag)) => self.by_tag(tag)?,
            (None, None) => return Err(Error::Mismatch("a reference to nothing".to_owned())),
        };
        self.remember(&digest, &bytes)?;
        // What it is by its own words, and if it has none by its form.
        let media_type = document::own_media_type(&bytes, &format!("manifest {digest}"))?;
        let length_bytes = bytes.len() as u64;
        Ok(Descriptor::new(
            media_type.as_str().into(),
            length_bytes,
            digest,
        ))
    }

    fn by_tag(&self, tag: &str) -> Result<(Digest, Vec<u8>)> {
        let url = self.client.server.url(&format!("manifests/{tag}"))?;
        // What a tag means is for the registry to say, each time; the rest may be here already.
        if self.kept.cache().is_some() {
            // Where it is not told this way, it is told with the manifest.
            let response = self.client.ask_head(&url, &ACCEPT, self.waiting)?;
            if let Some(response) = response
                && let Some(digest) = content_digest(&response)
                && let Some(bytes) = self.cached(&digest)?
            {
                return Ok((digest, bytes));
            }
        }
        self.fetch(&url, None)?.ok_or_else(|| {
            let repository = self.client.server.reference.full_repository();
            let what = format!(
                "no such tag, or no such repository (layerpress tags docker://{repository} lists them)"
            );
            not_found(&url, what)
        })
    }

    /// A document out of the cache or from `url`.
    fn by_digest(&self, digest: &Digest, url: &Url) -> Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.cached(digest)? {
            return Ok(Some(bytes));
        }
        Ok(self.fetch(url, Some(digest))?.map(|(_, bytes)| bytes))
    }

    /// The document that `descriptor` points at, `None` where the registry has none. Its size and
    /// digest are the caller's to check, who does it for every source.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::BadImage`] where it is too large.
    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>> {
        let digest = &descriptor.digest;
        if let Some(bytes) = self.known.borrow().get(digest) {
            return Ok(Some(bytes.clone()));
        }
        let place = match descriptor.kind() {
            Kind::Index | Kind::Manifest => "manifests",
            _ => "blobs",
        };
        let url = self.client.server.url(&format!("{place}/{digest}"))?;
        let Some(bytes) = self.by_digest(digest, &url)? else {
            return Ok(None);
        };
        self.remember(digest, &bytes)?;
        Ok(Some(bytes))
    }

    /// Whether the registry has the blob.
    ///
    /// # Errors
    /// [`Error::Io`] where it does not say.
    pub(crate) fn has_blob(&self, digest: &Digest) -> Result<bool> {
        if self.find(digest)?.is_some() {
            return Ok(true);
        }
        let url = self.client.server.url(&format!("blobs/{digest}"))?;
        if (self.client.ask_head(&url, &[], self.waiting)?).is_some() {
            return Ok(true);
        }
        // HEAD may be refused where GET is not; of the answer no more than its head is read.
        let asked = self.client.ask(&url, &Request::default(), self.waiting);
        Ok(asked?.status.is_success())
    }

    fn remember(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let mut known = self.known.borrow_mut();
        if known.len() >= MAX_DOCUMENTS {
            return Err(Error::bad_image(format!(
                "expected at most {MAX_DOCUMENTS} manifests, indexes and configurations, found more"
            )));
        }
        known.insert(digest.clone(), bytes.to_vec());
        Ok(())
    }

    /// A document and its digest, which is the one expected, or else the one that the registry
    /// names; `None` where there is none. The cache has it then.
    fn fetch(&self, url: &Url, expected: Option<&Digest>) -> Result<Option<(Digest, Vec<u8>)>> {
        let accept: &[&str] = if url_is_manifest(url) { &ACCEPT } else { &[] };
        let too_large = |why| Error::bad_image(format!("{}: {why}", url.shown()));
        let mut was_wrong = false;
        let is_named_by_digest = expected.is_some();
        loop {
            let read =
                self.client
                    .read(url, accept, MAX_DOCUMENT_BYTES, too_large, self.waiting)?;
            let Some((response, bytes)) = read else {
                return Ok(None);
            };
            let expected = expected.cloned().or_else(|| content_digest(&response));
            let hasher = match &expected {
                Some(expected) => DigestHasher::like(expected)?,
                None => DigestHasher::sha256(),
            };
            let found = hasher.of(&bytes);
            match expected {
                Some(expected) if expected != found => {
                    let error = Error::bad_image(format!(
                        "{}: expected bytes of the digest {expected}, found {found}",
                        url.shown()
                    ));
                    // Once that may be an accident on the way.
                    if was_wrong {
                        return Err(error);
                    }
                    was_wrong = true;
                    self.waiting
                        .reporter
                        .note(&format!("{error}; reading it once more"));
                }
                _ => {
                    if !is_named_by_digest {
                        document::check_json(&bytes, "a manifest", &url.shown())?;
                    }
                    self.keep(&found, &bytes)?;
                    return Ok(Some((found, bytes)));
                }
            }
        }
    }

    /// A document out of the cache, if it is what its digest says.
    fn cached(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.find(digest)? else {
            return Ok(None);
        };
        let is_right = |bytes: &Vec<u8>| document::check_digest(bytes, digest, "").is_ok();
        let bytes = read(file).ok().filter(is_right);
        if bytes.is_none()
            && let Some(cache) = self.kept.cache()
        {
            self.kept
                .outcome(cache.discard(digest), self.waiting.reporter)?;
        }
        Ok(bytes)
    }

    fn find(&self, digest: &Digest) -> Result<Option<File>> {
        let Some(cache) = self.kept.cache() else {
            return Ok(None);
        };
        let found = self
            .kept
            .outcome(cache.find(digest), self.waiting.reporter)?;
        Ok(found.flatten())
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let Some(cache) = self.kept.cache() else {
            return Ok(());
        };
        let keep = || {
            let mut partial = cache.partial(digest)?;
            partial.write_all(bytes)?;
            cache.insert(partial)
        };
        self.kept.outcome(keep(), self.waiting.reporter).map(drop)
    }
}

fn read(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn url_is_manifest(url: &Url) -> bool {
    url.to_string().contains("/manifests/")
}

fn content_digest(response: &Response) -> Option<Digest> {
    let digest: Digest = response.header(CONTENT_DIGEST)?.trim().parse().ok()?;
    DigestHasher::like(&digest).is_ok().then_some(digest)
}

fn not_found(url: &Url, what: impl Into<String>) -> Error {
    url.unreadable_as(std::io::ErrorKind::NotFound, what)
}
