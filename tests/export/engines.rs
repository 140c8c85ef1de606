//! What engines make of a base and an exported layer upon it: the tree that the kernel shows of the
//! filesystem, attribute by attribute.

use std::path::Path;

use layerpress::export::LayerOptions;
use layerpress::ext::Kind;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::changed::scenario;
use crate::derived::{derived, edits};
use crate::rig::{Image, Layer, pressed};
use crate::support::changeset::containerd::Containerd;
use crate::support::changeset::docker::Docker;
use crate::support::changeset::{Listing, umoci};
use crate::support::oracles::{Mounted, is_root_with, skip};
use crate::support::random_rootfs;
use crate::support::rootfs::{Rootfs, What};
use crate::support::tarball::tar_bytes;

/// Bytes of all files, holes included, that engines are made to unpack.
const MOST_BYTES: u64 = 40 << 20;

fn pairs() -> Vec<(Rootfs, Rootfs)> {
    let mut runner = TestRunner::deterministic();
    let (trees, edits) = (random_rootfs::rootfs(40), edits(12));
    let mut pairs = vec![scenario()];
    while pairs.len() < 7 {
        let before = as_engines_can(trees.new_tree(&mut runner).unwrap().current());
        let edits = edits.new_tree(&mut runner).unwrap().current();
        let after = derived(&before, &edits);
        if is_for_engines(&before) && is_for_engines(&after) {
            pairs.push((before, after));
        }
    }
    pairs
}

/// Without what they do not keep of any layer, whoever wrote it: times beyond what Go counts in
/// nanoseconds from 1970 on, and attributes without a value.
fn as_engines_can(mut rootfs: Rootfs) -> Rootfs {
    for item in &mut rootfs.items {
        item.xattrs.retain(|_, value| !value.is_empty());
        item.mtime.seconds = item.mtime.seconds.rem_euclid(1 << 33);
    }
    Rootfs::of(rootfs.items)
}

/// What no engine unpacks, or not as it is, whoever wrote the layer.
fn is_for_engines(rootfs: &Rootfs) -> bool {
    let bytes = rootfs.items.iter().map(|item| match &item.what {
        What::File(bytes) => bytes.size_bytes(),
        _ => 0,
    });
    let is_overlays = |what: &What| matches!(what, What::Character(0, 0));
    bytes.sum::<u64>() < MOST_BYTES && !rootfs.items.iter().any(|item| is_overlays(&item.what))
}

fn judge(engine: &str, unpack: impl Fn(&[Vec<u8>], &Path) -> Result<Listing, String>) {
    for (before, after) in pairs() {
        let pressed = pressed(&after, Kind::Ext4);
        let base = Image::of(&before);
        let options = LayerOptions::default();
        let layer = Layer::of(&pressed.image(), Some(&base.base()), &options).unwrap();
        let whole = Layer::of(&pressed.image(), None, &options).unwrap();
        let mut expected =
            Listing::of_directory(&Mounted::read_only(&pressed.image()).mount_point());
        if layer.exported.left_out_lost_found {
            expected.0.remove(&b"lost+found"[..]);
        }
        if engine == "containerd" {
            // It sets none, whoever wrote the layer.
            for item in expected.0.values_mut() {
                item.xattrs.retain(|name, _| !name.starts_with(b"trusted."));
            }
        }
        if let Some(kept) = expected.0.get_mut(&b"lost+found"[..]) {
            kept.xattrs
                .retain(|name, _| !name.starts_with(b"user.layerpress."));
        }
        for tars in [vec![tar_bytes(&before), layer.bytes()], vec![whole.bytes()]] {
            let work = tempfile::tempdir().unwrap();
            let mut shown = unpack(&tars, work.path()).unwrap();
            if whole.exported.left_out_lost_found && tars.len() == 1 {
                expected.0.remove(&b"lost+found"[..]);
            }
            // An engine that merges directories makes the root's own.
            let root = expected.0[&b""[..]].clone();
            if engine != "umoci" {
                shown.0.insert(Vec::new(), root);
            }
            let difference = expected.difference(&shown, ["kernel", engine]);
            assert_eq!(difference, "", "{} layers", tars.len());
        }
    }
}

#[test]
fn umoci_shows_the_filesystem() {
    if is_root_with(&["umoci"]) {
        judge("umoci", umoci::unpack_tars);
    }
}

#[test]
fn docker_shows_the_filesystem() {
    if !is_root_with(&["dockerd", "docker"]) {
        return;
    }
    match Docker::start() {
        Ok(docker) => judge("docker", |tars, work| docker.unpack_tars(tars, work)),
        Err(reason) => skip(&reason),
    }
}

#[test]
fn containerd_shows_the_filesystem() {
    if !is_root_with(&["containerd", "ctr"]) {
        return;
    }
    match Containerd::start() {
        Ok(containerd) => judge("containerd", |tars, work| {
            containerd.unpack_tars(tars, work)
        }),
        Err(reason) => skip(&reason),
    }
}
