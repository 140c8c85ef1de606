//! Images in registries (OCI distribution-spec, docker's Registry HTTP API V2).
//!
//! ```text
//! http · url · proxies · tls · certificates     one exchange
//! challenge · auth_file · credentials · helper · authentication     being let in
//! client · backoff · refusal · trouble     asking until there is an answer
//! documents · tags · link        what is read at once
//! blob · sink · kept · downloads        what is read while it arrives
//! ```
//! Everything is held against its digest before it is believed or kept. Credentials go to the
//! registry and to its token server and to nobody else.

mod auth_file;
mod authentication;
mod backoff;
mod blob;
mod certificates;
mod challenge;
mod client;
mod credentials;
mod documents;
mod downloads;
mod helper;
mod http;
mod kept;
mod link;
mod proxies;
mod refusal;
mod sink;
mod tags;
mod tls;
mod trouble;
mod url;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

pub(super) use tags::tags;

use self::auth_file::{AuthFile, keys};
use self::client::{Client, Waiting};
use self::downloads::{LayerDownloads, Tally};
use self::kept::Kept;
use super::downloads::Downloads;
use super::registry_options::RegistryOptions;
use super::stored_blob::StoredBlob;
use crate::error::Result;
use crate::oci::{Descriptor, Digest, RegistryReference};
use crate::progress::Reporter;

/// An image's place in a registry, as the set of blobs that it is.
pub(super) struct Registry<'a> {
    client: Arc<Client>,
    cache: Option<Arc<Kept>>,
    reporter: &'a dyn Reporter,
    /// Read already and right.
    known: RefCell<HashMap<Digest, Vec<u8>>>,
    layers: RefCell<LayerDownloads>,
}

impl std::fmt::Debug for Registry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry({})", self.client.reference)
    }
}

impl<'a> Registry<'a> {
    /// Gets in touch with the registry; blobs that the cache does not take go to `work_dir`.
    ///
    /// # Errors
    /// For options that cannot be used, and where the registry does not answer.
    pub(super) fn open(
        reference: &RegistryReference,
        options: &RegistryOptions,
        work_dir: PathBuf,
        reporter: &'a dyn Reporter,
    ) -> Result<Self> {
        let client = Arc::new(Client::connect(reference, options)?);
        let cache = Kept::open(&options.cache, reporter)?.map(Arc::new);
        Ok(Self {
            layers: RefCell::new(LayerDownloads {
                client: Arc::clone(&client),
                cache: cache.clone(),
                work_dir,
                threads: options.downloads.get(),
                jobs: Vec::new(),
                next: AtomicUsize::new(0),
                is_cancelled: AtomicBool::new(false),
                tally: Tally::default(),
            }),
            client,
            cache,
            reporter,
            known: RefCell::default(),
        })
    }

    /// A layer, to be downloaded when it is read. Layers are asked for base first.
    pub(super) fn layer(&self, descriptor: &Descriptor, index: usize) -> StoredBlob {
        StoredBlob::Arriving(self.layers.borrow_mut().add(descriptor, index))
    }

    /// What is to be done before the layers asked for so far can be read.
    pub(super) fn into_downloads(self) -> Box<dyn Downloads> {
        Box::new(self.layers.into_inner())
    }

    fn waiting(&self) -> Waiting<'a> {
        Waiting {
            reporter: self.reporter,
            stop: &|| false,
        }
    }
}

/// How many challenges a `WWW-Authenticate` header has in it: a door for `fuzz/`.
#[doc(hidden)]
pub fn challenges(header: &[u8]) -> usize {
    challenge::parse([header]).len()
}

/// What is wrong with a file of credentials that is asked who may have an image: a door for `fuzz/`.
#[doc(hidden)]
pub fn credentials(file: &[u8], reference: &RegistryReference) -> Vec<String> {
    let file = match AuthFile::parse(file) {
        Ok(file) => file,
        Err(wrong) => return vec![wrong],
    };
    let entries = keys(reference)
        .into_iter()
        .map(|key| file.entry(&key).err());
    let helper = file.helper(reference.registry()).err();
    entries.chain([helper]).flatten().collect()
}
