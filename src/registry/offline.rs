//! What there is of registries in a program without the network: nothing but the refusal.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::path::PathBuf;

use super::{FetchedBlob, RegistryOptions, Tags};
use crate::blobs::{Downloads, StoredBlob};
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, RegistryReference};
use crate::progress::Reporter;

/// There is none.
pub(crate) struct Registry<'a>(Infallible, PhantomData<&'a ()>);

impl<'a> Registry<'a> {
    pub(crate) fn open(
        reference: &RegistryReference,
        _: &RegistryOptions,
        _: PathBuf,
        _: &'a dyn Reporter,
    ) -> Result<Self> {
        Err(no_network(reference))
    }

    pub(crate) fn top(&self) -> Result<Descriptor> {
        match self.0 {}
    }

    pub(crate) fn document(&self, _: &Descriptor) -> Result<Option<Vec<u8>>> {
        match self.0 {}
    }

    pub(crate) fn has_blob(&self, _: &Digest) -> Result<bool> {
        match self.0 {}
    }

    pub(crate) fn layer(&self, _: &Descriptor, _: usize) -> StoredBlob {
        match self.0 {}
    }

    pub(crate) fn into_downloads(self) -> Box<dyn Downloads> {
        match self.0 {}
    }

    pub(crate) fn into_blobs(self, _: PathBuf) -> RepositoryBlobs {
        match self.0 {}
    }
}

/// There are none.
#[derive(Debug)]
pub(crate) struct RepositoryBlobs(Infallible);

impl RepositoryBlobs {
    pub(crate) fn is_at_hand(&self, _: &Digest) -> bool {
        match self.0 {}
    }

    pub(crate) fn fetch(
        &self,
        _: &Descriptor,
        _: &dyn Fn(u64),
        _: &dyn Fn() -> bool,
        _: &dyn Reporter,
    ) -> Result<FetchedBlob> {
        match self.0 {}
    }
}

/// There is none.
pub(crate) struct Pushing<'a>(Infallible, PhantomData<&'a ()>);

impl<'a> Pushing<'a> {
    pub(crate) fn connect(
        reference: &RegistryReference,
        _: &RegistryOptions,
        _: Option<String>,
        _: &'a dyn Reporter,
    ) -> Result<Self> {
        Err(Error::unsupported(without_network(reference)))
    }

    pub(crate) fn blob(&self, _: &Digest, _: &[u8], _: &dyn Fn() -> bool) -> Result<super::Sent> {
        match self.0 {}
    }

    pub(crate) fn manifest(&self, _: &str) -> Result<Option<(String, Vec<u8>)>> {
        match self.0 {}
    }

    pub(crate) fn put_manifest(&self, _: &str, _: &str, _: &[u8]) -> Result<bool> {
        match self.0 {}
    }

    pub(crate) fn lists_referrers(&self, _: &Digest) -> Result<bool> {
        match self.0 {}
    }
}

/// Refuses to list tags.
///
/// # Errors
/// Always [`Error::Unsupported`].
pub fn tags(reference: &RegistryReference, _: &RegistryOptions, _: &dyn Reporter) -> Result<Tags> {
    Err(no_network(reference))
}

fn no_network(reference: &RegistryReference) -> Error {
    Error::unsupported(format!(
        "{}; `skopeo copy docker://{reference} oci:DIRECTORY` brings the image here",
        without_network(reference)
    ))
}

fn without_network(reference: &RegistryReference) -> String {
    format!(
        "docker://{reference}: this layerpress was built without the network (cargo feature `network`)"
    )
}
