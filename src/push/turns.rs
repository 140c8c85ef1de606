//! One push of this host after another says what a tag means: registries cannot be asked to change a tag
//! only as it was read.

use std::path::Path;
use std::time::Duration;

use super::Pushing;
use crate::cache::{BlobLock, Cache};
use crate::error::Error;
use crate::oci::RegistryReference;
use crate::progress::Reporter;

/// How often it is looked whether another push is done with a tag.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A repository whose tags are changed, and where the pushes of this host wait for each other.
pub(crate) struct Tags<'a> {
    /// The repository.
    pub(crate) repository: &'a Pushing<'a>,
    name: String,
    /// Where pushes meet.
    locks: Option<Cache>,
    reporter: &'a dyn Reporter,
}

impl<'a> Tags<'a> {
    /// The tags of a repository; pushes meet in the cache in the directory `locks`. Where that cannot be
    /// used they do not wait for each other, and what they write is looked at again all the same.
    pub(crate) fn of(
        repository: &'a Pushing<'a>,
        reference: &RegistryReference,
        locks: Option<&Path>,
        reporter: &'a dyn Reporter,
    ) -> Self {
        let opened = locks.map(Cache::open).transpose();
        let (locks, failed) = match opened {
            Ok(locks) => (locks, None),
            Err(error) => (None, Some(error)),
        };
        let tags = Self {
            repository,
            name: reference.full_repository(),
            locks,
            reporter,
        };
        if let Some(error) = failed {
            tags.not_waited_for(&error);
        }
        tags
    }

    fn not_waited_for(&self, error: &Error) {
        let text = format!("other pushes are not waited for: {error}");
        self.reporter.note(&text);
    }

    /// Waits until no other push of this host changes the tag; none does as long as what is given lives.
    /// Who has one must not ask for another: two might wait for each other. Where no lock can be made, as
    /// on a disk that is full or not for writing, nobody is waited for.
    pub(super) fn turn(&self, tag: &str) -> Option<BlobLock> {
        let locks = self.locks.as_ref()?;
        let name = format!("{}:{tag}", self.name);
        let mut is_told = false;
        loop {
            match locks.try_lock_tag(&name) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) => {}
                Err(error) => {
                    self.not_waited_for(&error);
                    return None;
                }
            }
            if !is_told {
                self.reporter
                    .note(&format!("{name}: another push changes it; waiting"));
                is_told = true;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
