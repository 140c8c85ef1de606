//! Bytes that pass by, held against the digests they must have.

use crate::error::{Error, Result};
use crate::oci::{DiffId, Digest, DigestHasher};

/// A digest that bytes must have, and what it is called when they have another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// The manifest's digest of the stored blob.
    Stored(Digest),
    /// The configuration's diff ID of the uncompressed tar.
    Tar(DiffId),
}

impl Expected {
    fn digest(&self) -> &Digest {
        match self {
            Self::Stored(digest) | Self::Tar(DiffId(digest)) => digest,
        }
    }
}

/// Hashes one stream once for each algorithm, however many digests it must have.
#[derive(Debug, Default)]
pub(super) struct Verification {
    expected: Vec<(DigestHasher, Vec<Expected>)>,
    /// For a diff ID that nobody has stated.
    finding: Option<DigestHasher>,
}

impl Verification {
    /// # Errors
    /// [`Error::Unsupported`] for an algorithm outside the SHA-2 family.
    pub(super) fn new(expected: impl IntoIterator<Item = Expected>) -> Result<Self> {
        let mut hashers: Vec<(DigestHasher, Vec<Expected>)> = Vec::new();
        for expected in expected {
            let algorithm = expected.digest().algorithm().clone();
            let same = hashers
                .iter_mut()
                .find(|(_, others)| *others[0].digest().algorithm() == algorithm);
            match same {
                Some((_, others)) => others.push(expected),
                None => hashers.push((DigestHasher::like(expected.digest())?, vec![expected])),
            }
        }
        Ok(Self {
            expected: hashers,
            finding: None,
        })
    }

    /// Finds what a tar hashes to, by SHA-256, beside holding its bytes against what they must have.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn finding_diff_id(expected: impl IntoIterator<Item = Expected>) -> Result<Self> {
        Ok(Self {
            finding: Some(DigestHasher::sha256()),
            ..Self::new(expected)?
        })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for hasher in self
            .expected
            .iter_mut()
            .map(|(hasher, _)| hasher)
            .chain(&mut self.finding)
        {
            hasher.update(bytes);
        }
    }

    /// Compares, after the last byte; gives the diff ID where it was to be found.
    ///
    /// # Errors
    /// [`Error::BadImage`] with both digests where one differs.
    pub(super) fn finish(self) -> Result<Option<DiffId>> {
        for (hasher, expected) in self.expected {
            let found = hasher.finish();
            for expected in expected {
                if *expected.digest() != found {
                    return Err(Error::bad_image(match expected {
                        Expected::Stored(digest) => {
                            format!("expected stored bytes with the digest {digest}, found {found}")
                        }
                        Expected::Tar(diff_id) => {
                            format!("expected a tar with the diff ID {diff_id}, found {found}")
                        }
                    }));
                }
            }
        }
        Ok(self.finding.map(|hasher| DiffId(hasher.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        text.parse().unwrap()
    }

    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ABC_512: &str = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    fn verify(expected: &[Expected]) -> Result<()> {
        let mut verification = Verification::new(expected.iter().cloned())?;
        verification.update(b"ab");
        verification.update(b"c");
        verification.finish().map(|found| assert_eq!(found, None))
    }

    #[test]
    fn one_stream_is_held_against_digests_of_several_algorithms_with_one_hash_for_each() {
        let expected = [
            Expected::Stored(digest(ABC)),
            Expected::Tar(DiffId(digest(ABC_512))),
            Expected::Tar(DiffId(digest(ABC))),
        ];
        assert_eq!(
            Verification::new(expected.iter().cloned())
                .unwrap()
                .expected
                .len(),
            2
        );
        verify(&expected).unwrap();
    }

    #[test]
    fn what_nobody_has_stated_is_found_and_what_was_stated_beside_it_still_holds() {
        let find = |expected: Option<Expected>| {
            let mut verification = Verification::finding_diff_id(expected).unwrap();
            verification.update(b"abc");
            verification.finish()
        };
        let found = Some(DiffId(digest(ABC)));
        assert_eq!(find(None).unwrap(), found);
        assert_eq!(
            find(Some(Expected::Stored(digest(ABC_512)))).unwrap(),
            found
        );
        find(Some(Expected::Stored(digest(EMPTY)))).unwrap_err();
    }

    #[test]
    fn a_digest_that_differs_is_named_for_what_it_is() {
        let error = verify(&[Expected::Stored(digest(EMPTY))]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("the digest {EMPTY}, found {ABC}")),
            "{error}"
        );
        let error = verify(&[
            Expected::Stored(digest(ABC)),
            Expected::Tar(DiffId(digest(EMPTY))),
        ]);
        assert!(error.unwrap_err().to_string().contains("diff ID"));
    }
}
