//! What all layers together may hold, kept while they are read side by side.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::limits::Limits;

/// What one layer has used so far, for the layers above it to see.
#[derive(Debug, Default)]
pub(super) struct Used {
    entries: AtomicU64,
    tar_bytes: AtomicU64,
    index_bytes: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Amounts {
    entries: u64,
    tar_bytes: u64,
    index_bytes: u64,
}

impl Amounts {
    fn of(used: &[Used]) -> Self {
        used.iter().fold(Self::default(), |sum, layer| Self {
            entries: sum.entries + layer.entries.load(Ordering::Relaxed),
            tar_bytes: sum.tar_bytes + layer.tar_bytes.load(Ordering::Relaxed),
            index_bytes: sum.index_bytes + layer.index_bytes.load(Ordering::Relaxed),
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            tar_bytes: self.tar_bytes + other.tar_bytes,
            index_bytes: self.index_bytes + other.index_bytes,
        }
    }

    fn check(self, limits: &Limits) -> Result<()> {
        for (found, limit, what, flag) in [
            (self.entries, limits.max_entries, "entries", "--max-entries"),
            (
                self.tar_bytes,
                limits.max_bytes,
                "uncompressed bytes",
                "--max-bytes",
            ),
            (
                self.index_bytes,
                limits.max_index_bytes,
                "bytes of names, link targets, extended attributes and sparse maps",
                "--max-index-bytes",
            ),
        ] {
            if found > limit {
                return Err(Error::bad_image(format!(
                    "expected at most {limit} {what} over all layers, found more ({flag} raises the limit)"
                )));
            }
        }
        Ok(())
    }
}

/// One layer's view: what it has used itself, and what the layers below it had used when it last
/// looked. What the layers above use never matters to it, so that the lowest layer that goes
/// beyond a limit is the same however the threads run.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    limits: &'a Limits,
    published: &'a Used,
    layers_below: &'a [Used],
    own: Cell<Amounts>,
    below: Cell<Amounts>,
}

impl<'a> Budget<'a> {
    /// The budget of the layer at `index` of `layers`.
    pub(super) fn new(limits: &'a Limits, layers: &'a [Used], index: usize) -> Self {
        Self {
            limits,
            published: &layers[index],
            layers_below: &layers[..index],
            own: Cell::default(),
            below: Cell::new(Amounts::of(&layers[..index])),
        }
    }

    /// One more entry, with so many bytes of variable length.
    pub(super) fn add_entry(&self, index_bytes: u64) -> Result<()> {
        let mut own = self.own.get();
        own.entries += 1;
        own.index_bytes += index_bytes;
        self.own.set(own);
        own.plus(self.below.get()).check(self.limits)
    }

    /// More bytes of the uncompressed tar; also looks what the layers below have used meanwhile.
    pub(super) fn add_tar_bytes(&self, bytes: u64) -> Result<()> {
        let mut own = self.own.get();
        own.tar_bytes += bytes;
        self.own.set(own);
        if own.tar_bytes > self.limits.max_layer_bytes {
            return Err(Error::bad_image(format!(
                "expected a layer of at most {} uncompressed bytes, found a longer one (--max-layer-bytes raises the limit)",
                self.limits.max_layer_bytes
            )));
        }
        self.publish();
        self.below.set(Amounts::of(self.layers_below));
        own.plus(self.below.get()).check(self.limits)
    }

    /// Uncompressed bytes so far.
    pub(super) fn tar_bytes(&self) -> u64 {
        self.own.get().tar_bytes
    }

    fn publish(&self) {
        let own = self.own.get();
        let Used {
            entries,
            tar_bytes,
            index_bytes,
        } = self.published;
        entries.store(own.entries, Ordering::Relaxed);
        tar_bytes.store(own.tar_bytes, Ordering::Relaxed);
        index_bytes.store(own.index_bytes, Ordering::Relaxed);
    }
}

impl Drop for Budget<'_> {
    fn drop(&mut self) {
        self.publish();
    }
}

/// Whether the layers from the base up to and with `index` stay within the limits, once all of
/// them have been read as far as they go.
pub(super) fn within(limits: &Limits, layers: &[Used], index: usize) -> bool {
    Amounts::of(&layers[..=index]).check(limits).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_charged_for_what_stands_below_it_and_never_for_what_stands_above() {
        let limits = Limits {
            max_entries: 3,
            ..Limits::default()
        };
        let layers: [Used; 3] = Default::default();
        let top = Budget::new(&limits, &layers, 2);
        let base = Budget::new(&limits, &layers, 0);
        for _ in 0..3 {
            top.add_entry(0).unwrap();
        }
        top.add_tar_bytes(1).unwrap();
        base.add_entry(0).unwrap();
        base.add_tar_bytes(1).unwrap();
        let error = top.add_tar_bytes(1).unwrap_err().to_string();
        assert!(error.contains("--max-entries"), "{error}");
        assert!(within(&limits, &layers, 1));
        assert!(!within(&limits, &layers, 2));
    }

    #[test]
    fn each_total_names_its_own_flag() {
        let limits = Limits {
            max_bytes: 10,
            max_layer_bytes: 8,
            max_index_bytes: 5,
            ..Limits::default()
        };
        let layers: [Used; 2] = Default::default();
        let base = Budget::new(&limits, &layers, 0);
        let error = base.add_tar_bytes(9).unwrap_err().to_string();
        assert!(error.contains("--max-layer-bytes"), "{error}");
        drop(base);
        let top = Budget::new(&limits, &layers, 1);
        let error = top.add_tar_bytes(2).unwrap_err().to_string();
        assert!(error.contains("--max-bytes"), "{error}");
        let base = Budget::new(&limits, &layers, 0);
        let error = base.add_entry(6).unwrap_err().to_string();
        assert!(error.contains("--max-index-bytes"), "{error}");
    }
}
