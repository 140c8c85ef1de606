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
    expanded_bytes: AtomicU64,
}

impl Used {
    /// Counts what another one has used, which then has used nothing.
    pub(super) fn take_over(&mut self, other: &mut Self) {
        let add = |own: &mut AtomicU64, other: AtomicU64| *own.get_mut() += other.into_inner();
        let Self {
            entries,
            tar_bytes,
            index_bytes,
            expanded_bytes,
        } = std::mem::take(other);
        add(&mut self.entries, entries);
        add(&mut self.tar_bytes, tar_bytes);
        add(&mut self.index_bytes, index_bytes);
        add(&mut self.expanded_bytes, expanded_bytes);
    }

    /// Counts what was used elsewhere, and was not compressed.
    pub(super) fn add(&self, entries: u64, tar_bytes: u64, index_bytes: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.tar_bytes.fetch_add(tar_bytes, Ordering::Relaxed);
        self.index_bytes.fetch_add(index_bytes, Ordering::Relaxed);
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Amounts {
    entries: u64,
    tar_bytes: u64,
    index_bytes: u64,
    /// Of the tar bytes those that were compressed.
    expanded_bytes: u64,
}

impl Amounts {
    fn of(used: &[Used]) -> Self {
        used.iter().fold(Self::default(), |sum, layer| Self {
            entries: sum.entries + layer.entries.load(Ordering::Relaxed),
            tar_bytes: sum.tar_bytes + layer.tar_bytes.load(Ordering::Relaxed),
            index_bytes: sum.index_bytes + layer.index_bytes.load(Ordering::Relaxed),
            expanded_bytes: sum.expanded_bytes + layer.expanded_bytes.load(Ordering::Relaxed),
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            tar_bytes: self.tar_bytes + other.tar_bytes,
            index_bytes: self.index_bytes + other.index_bytes,
            expanded_bytes: self.expanded_bytes + other.expanded_bytes,
        }
    }

    /// Holds what the layers up to one have used against the limits, of which expansion is by how
    /// many bytes they are stored in.
    fn check(self, limits: &Limits, stored_bytes: u64) -> Result<()> {
        let expansion = stored_bytes
            .saturating_mul(limits.max_expansion)
            .max(limits.max_expansion_from);
        if self.expanded_bytes > expansion {
            return Err(Error::bad_image(format!(
                "expected at most {} uncompressed bytes for each of the {stored_bytes} stored ones of all layers up to this, each blob counted once, found more (--max-expansion raises the limit)",
                limits.max_expansion
            )));
        }
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
    /// Of the layers up to and with this one, each blob counted once.
    stored_bytes: u64,
    published: &'a Used,
    layers_below: &'a [Used],
    own: Cell<Amounts>,
    below: Cell<Amounts>,
}

impl<'a> Budget<'a> {
    /// The budget of the layer at `index` of `layers`.
    pub(super) fn new(
        limits: &'a Limits,
        layers: &'a [Used],
        stored_bytes: &[u64],
        index: usize,
    ) -> Self {
        Self {
            limits,
            stored_bytes: stored_bytes[index],
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
        own.plus(self.below.get())
            .check(self.limits, self.stored_bytes)
    }

    /// More bytes that a compressed layer's tar has.
    pub(super) fn add_expanded_bytes(&self, bytes: u64) -> Result<()> {
        let mut own = self.own.get();
        own.expanded_bytes += bytes;
        self.own.set(own);
        self.add_tar_bytes(bytes)
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
        own.plus(self.below.get())
            .check(self.limits, self.stored_bytes)
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
            expanded_bytes,
        } = self.published;
        entries.store(own.entries, Ordering::Relaxed);
        tar_bytes.store(own.tar_bytes, Ordering::Relaxed);
        index_bytes.store(own.index_bytes, Ordering::Relaxed);
        expanded_bytes.store(own.expanded_bytes, Ordering::Relaxed);
    }
}

impl Drop for Budget<'_> {
    fn drop(&mut self) {
        self.publish();
    }
}

/// Whether the layers from the base up to and with `index` stay within the limits, once all of
/// them have been read as far as they go.
pub(super) fn within(limits: &Limits, layers: &[Used], stored_bytes: &[u64], index: usize) -> bool {
    Amounts::of(&layers[..=index])
        .check(limits, stored_bytes[index])
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: [u64; 3] = [1 << 20; 3];

    // Found by a layout whose manifest listed one blob of 2 KB forty times: each layer alone stayed
    // below the ceiling, and together they filled the work directory.
    #[test]
    fn a_blob_listed_again_and_again_may_expand_no_more_than_once() {
        let limits = Limits {
            max_expansion: 10,
            max_expansion_from: 50,
            ..Limits::default()
        };
        let layers: [Used; 3] = Default::default();
        // Of the same ten bytes.
        let stored = [10; 3];
        let expand = |index: usize, bytes: u64| {
            Budget::new(&limits, &layers, &stored, index).add_expanded_bytes(bytes)
        };
        expand(0, 60).unwrap();
        // What is stored as it is does not count.
        let plain = Budget::new(&limits, &layers, &stored, 1);
        plain.add_tar_bytes(1000).unwrap();
        drop(plain);
        let error = expand(2, 41).unwrap_err().to_string();
        assert!(error.contains("--max-expansion"), "{error}");
        assert!(within(&limits, &layers, &stored, 1));
        assert!(!within(&limits, &layers, &stored, 2));
    }

    #[test]
    fn a_layer_is_charged_for_what_stands_below_it_and_never_for_what_stands_above() {
        let limits = Limits {
            max_entries: 3,
            ..Limits::default()
        };
        let layers: [Used; 3] = Default::default();
        let top = Budget::new(&limits, &layers, &STORED, 2);
        let base = Budget::new(&limits, &layers, &STORED, 0);
        for _ in 0..3 {
            top.add_entry(0).unwrap();
        }
        top.add_tar_bytes(1).unwrap();
        base.add_entry(0).unwrap();
        base.add_tar_bytes(1).unwrap();
        let error = top.add_tar_bytes(1).unwrap_err().to_string();
        assert!(error.contains("--max-entries"), "{error}");
        assert!(within(&limits, &layers, &STORED, 1));
        assert!(!within(&limits, &layers, &STORED, 2));
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
        let base = Budget::new(&limits, &layers, &STORED, 0);
        let error = base.add_tar_bytes(9).unwrap_err().to_string();
        assert!(error.contains("--max-layer-bytes"), "{error}");
        drop(base);
        let top = Budget::new(&limits, &layers, &STORED, 1);
        let error = top.add_tar_bytes(2).unwrap_err().to_string();
        assert!(error.contains("--max-bytes"), "{error}");
        let base = Budget::new(&limits, &layers, &STORED, 0);
        let error = base.add_entry(6).unwrap_err().to_string();
        assert!(error.contains("--max-index-bytes"), "{error}");
    }
}
