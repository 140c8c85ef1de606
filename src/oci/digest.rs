//! Digests that can be computed, and the two further kinds an image knows.

use std::fmt;

use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::error::{Error, Result};
use crate::units::Hex;

/// Computes a digest over bytes that pass by.
#[derive(Clone)]
pub struct DigestHasher(Hasher);

#[derive(Clone)]
enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl fmt::Debug for DigestHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestHasher")
    }
}

impl DigestHasher {
    /// SHA-256, the algorithm everything here is named by unless an image says otherwise.
    pub fn sha256() -> Self {
        Self(Hasher::Sha256(Sha256::new()))
    }

    /// The algorithm that `digest` uses.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for one that is not of the SHA-2 family.
    pub fn like(digest: &Digest) -> Result<Self> {
        Ok(Self(match digest.algorithm() {
            DigestAlgorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            DigestAlgorithm::Sha384 => Hasher::Sha384(Sha384::new()),
            DigestAlgorithm::Sha512 => Hasher::Sha512(Sha512::new()),
            other => {
                return Err(Error::unsupported(format!(
                    "digest {digest}: expected the algorithm sha256, sha384 or sha512, found {other}"
                )));
            }
        }))
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha384(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of these bytes behind all that were taken in.
    pub fn of(mut self, bytes: &[u8]) -> Digest {
        self.update(bytes);
        self.finish()
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> Digest {
        let text = match self.0 {
            Hasher::Sha256(hasher) => format!("sha256:{}", Hex(&hasher.finalize())),
            Hasher::Sha384(hasher) => format!("sha384:{}", Hex(&hasher.finalize())),
            Hasher::Sha512(hasher) => format!("sha512:{}", Hex(&hasher.finalize())),
        };
        // An algorithm's name, a colon and as many hexadecimal digits as it has: always well formed.
        #[allow(clippy::expect_used)]
        text.parse().expect("a computed digest is well formed")
    }
}

/// The digest of a layer's uncompressed tar (OCI image-spec, config.md, `rootfs.diff_ids`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DiffId(pub Digest);

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a stack of layers is called as a whole (OCI image-spec, config.md, "Layer ChainID").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainId(pub Digest);

impl ChainId {
    /// The chain ID of layers, base first; for no layers at all the digest of nothing.
    pub fn of(diff_ids: &[DiffId]) -> Self {
        let digest = |text: &str| DigestHasher::sha256().of(text.as_bytes());
        let mut layers = diff_ids.iter();
        let base = layers
            .next()
            .map_or_else(|| digest(""), |base| base.0.clone());
        Self(layers.fold(base, |below, layer| digest(&format!("{below} {layer}"))))
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff_id(text: &str) -> DiffId {
        DiffId(text.parse().unwrap())
    }

    #[test]
    fn a_chain_id_is_the_base_alone_and_then_hashes_pairs() {
        let base =
            diff_id("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let above =
            diff_id("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(ChainId::of(&[]).0, base.0);
        assert_eq!(ChainId::of(std::slice::from_ref(&base)).0, base.0);
        // printf 'sha256:e3b0… sha256:ba78…' | sha256sum
        assert_eq!(
            ChainId::of(&[base, above]).to_string(),
            "sha256:a893da35bd22286079f2f3931516d3423eb9b4945f2379e0f8a501ec3d665dd6"
        );
    }

    #[test]
    fn an_algorithm_outside_the_family_is_refused_by_name() {
        let digest = "md5:d41d8cd98f00b204e9800998ecf8427e"
            .parse::<Digest>()
            .unwrap();
        let error = DigestHasher::like(&digest).unwrap_err();
        assert!(error.to_string().contains("found md5"), "{error}");
    }
}
