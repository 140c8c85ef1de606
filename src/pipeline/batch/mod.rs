//! Many images pressed in one run.

mod shard;

use std::num::NonZeroUsize;

pub use shard::Shard;

use super::build::{Built, build};
use super::output::OutputRequest;
use super::request::{FilesystemRequest, ImageRequest};
use crate::error::{Error, Result};
use crate::progress::{OfImage, Reporter};

/// One image of several, and what is made of it.
#[derive(Debug, Clone)]
pub struct BatchItem {
    /// The image.
    pub image: ImageRequest,
    /// What is made of it.
    pub filesystem: FilesystemRequest,
    /// Where that goes.
    pub output: OutputRequest,
}

/// Several images, and how they are made.
#[derive(Debug, Clone)]
pub struct Batch {
    /// All images, also those of other parts.
    pub items: Vec<BatchItem>,
    /// Which of them are made.
    pub shard: Shard,
    /// Images that are made side by side at most; one for each processor by default.
    pub jobs: Option<NonZeroUsize>,
}

/// What became of an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was made.
    Built(Box<Built>),
    /// It was not, and nothing of it is left.
    Failed(Error),
}

/// Is told of each image as it ends, by several threads.
pub trait BatchWatch: Sync {
    /// Item `index` is begun, counted from 0 over the whole list.
    fn begins(&self, index: usize);

    /// What became of it; one that fails early may never have been begun.
    fn ended(&self, index: usize, outcome: &Outcome);
}

/// Presses each image into a filesystem. One that fails does not stop the others.
///
/// # Errors
/// Where none was begun.
pub fn batch(batch: &Batch, watch: &dyn BatchWatch, reporter: &dyn Reporter) -> Result<()> {
    for (index, item) in batch.items.iter().enumerate() {
        if !batch.shard.holds(index as u64) {
            continue;
        }
        watch.begins(index);
        let name = item.image.reference.to_string();
        let named = OfImage {
            image: &name,
            reporter,
        };
        let outcome = match build(&item.image, &item.filesystem, &item.output, &named) {
            Ok(built) => Outcome::Built(Box::new(built)),
            Err(error) => Outcome::Failed(error),
        };
        watch.ended(index, &outcome);
    }
    Ok(())
}

/// How the whole ends where each image ended so: 0 if all are there; the code that all failures
/// share; else 9 if each of them may pass on another try; else 4.
pub fn exit_code(codes: impl IntoIterator<Item = u8>) -> u8 {
    let failures = || codes.into_iter().filter(|code| *code != 0);
    let mut failures: Vec<_> = failures().collect();
    failures.sort_unstable();
    failures.dedup();
    match failures[..] {
        [] => 0,
        [code] => code,
        // What is not there or could not be read, and the network.
        [3, 9] => 9,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_share_a_code_have_it_and_others_tell_whether_to_try_again() {
        for (codes, expected) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 5, 0, 5], 5),
            (&[7], 7),
            (&[9, 9], 9),
            (&[3, 0], 3),
            (&[9, 3, 0, 3], 9),
            (&[9, 4], 4),
            (&[3, 9, 5], 4),
            (&[5, 6], 4),
        ] {
            assert_eq!(exit_code(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
