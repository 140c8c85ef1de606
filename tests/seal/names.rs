//! UUID and chain ID: nowhere before the seal, everywhere after it.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

use layerpress::error::Error;
use layerpress::ext::plan::identity::PLACE_HOLDER_UUID;
use layerpress::ext::{Ext, Identity, Plan, SizePolicy, Tools, Unsealed};
use layerpress::filesystem::Filesystem as _;
use layerpress::oci::DiffId;
use layerpress::ondisk::xattr::Note;
use layerpress::progress::Silent;
use layerpress::tree::Recipe;
use layerpress::units::ByteSize;

use crate::support::oracles::{debugfs, e2fsck_clean};
use crate::support::press::{Wanted, plan, tool_paths, tree_of};
use crate::support::rootfs::{Item, Rootfs, bytes, directory, file};

const BLOCK: usize = 4096;

/// A filesystem of so many MiB, written and not sealed.
fn write_of(size_mib: u64, items: impl IntoIterator<Item = Item>) -> (tempfile::TempDir, Unsealed) {
    let place = tempfile::tempdir().unwrap();
    let (tree, contents) = tree_of(&Rootfs::of(items)).unwrap();
    let wanted = Wanted::size(SizePolicy::Exact(ByteSize(size_mib << 20)));
    let plan = plan(&tree, wanted).unwrap();
    let tools = Tools::find(&tool_paths(), false, false, &Silent).unwrap();
    let output = place.path().join("image.img");
    let taken = &mut |_: &_| {};
    let unsealed = Ext::write(&plan, &tree, &contents, &tools, &output, taken, &Silent).unwrap();
    (place, unsealed)
}

fn write(items: impl IntoIterator<Item = Item>) -> (tempfile::TempDir, Unsealed) {
    write_of(16, items)
}

/// One that is to hold something else.
pub fn unsealed() -> (tempfile::TempDir, Unsealed) {
    write([file("a", bytes(10))])
}

fn all_of(unsealed: &Unsealed) -> Vec<u8> {
    all(unsealed.partial.file())
}

fn all(file: &std::fs::File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Where some bytes stand that do not reach over a block's end.
fn places(all: &[u8], wanted: &[u8]) -> Vec<usize> {
    const EMPTY: [u8; BLOCK] = [0; BLOCK];
    let filled = all
        .chunks(BLOCK)
        .enumerate()
        .filter(|(_, block)| *block != EMPTY);
    let within = |(index, block): (usize, &[u8])| {
        let windows = block.windows(wanted.len()).enumerate();
        let found = windows.filter(|(_, window)| *window == wanted);
        found.map(|(at, _)| index * BLOCK + at).collect::<Vec<_>>()
    };
    filled.flat_map(within).collect()
}

fn identity(last: char) -> Identity {
    let digest = format!("sha256:{}", last.to_string().repeat(64));
    Identity::of_recipe(&Recipe::of_layers(&[DiffId(digest.parse().unwrap())]))
}

/// The digest in its note.
fn told(identity: &Identity) -> [u8; 32] {
    match identity.note.unwrap() {
        Note::ChainId(digest) | Note::Recipe(digest) => digest,
    }
}

fn items() -> Vec<Item> {
    let files = (0..2000).map(|index| file(format!("d/file-{index:04}"), bytes(index)));
    [directory("d")].into_iter().chain(files).collect()
}

#[test]
fn a_sealed_filesystem_is_called_by_its_uuid_in_every_superblock_and_the_journals() {
    let (_place, unsealed) = write_of(150, items());
    assert_eq!(unsealed.superblock[0x68..0x78], PLACE_HOLDER_UUID);
    let identity = identity('7');
    let before = all_of(&unsealed);
    for named in [&identity.uuid[..], &told(&identity)] {
        assert_eq!(places(&before, named), [0; 0]);
    }
    let sealed = Ext::seal(unsealed, &identity, &Silent).unwrap();
    let after = all(sealed.partial.file());
    assert_eq!(places(&after, &PLACE_HOLDER_UUID), [0; 0]);
    let found = places(&after, &identity.uuid);
    assert_eq!(found[0], 1024 + 0x68);
    // The primary, the journal's and the backup's.
    let within: BTreeSet<_> = found[1..].iter().map(|at| at % BLOCK).collect();
    assert_eq!((found.len(), within), (3, BTreeSet::from([0x30, 0x68])));
    assert!(found.contains(&(32_768 * BLOCK + 0x68)), "{found:?}");
    assert_eq!(places(&after, &told(&identity)).len(), 1);
    let image = sealed.partial.output().to_owned();
    sealed.partial.persist().unwrap();
    e2fsck_clean(&image);
}

#[test]
fn two_identities_differ_in_nothing_but_their_own_bytes() {
    let (images, names): (Vec<_>, Vec<_>) = ['1', '2']
        .map(|last| {
            let (_place, unsealed) = write(items());
            let identity = identity(last);
            let sealed = Ext::seal(unsealed, &identity, &Silent).unwrap();
            let image = all(sealed.partial.file());
            (image, identity)
        })
        .into_iter()
        .unzip();
    let mut differing = BTreeSet::new();
    let blocks = images[0].chunks(BLOCK).zip(images[1].chunks(BLOCK));
    for (index, (one, other)) in blocks.enumerate().filter(|(_, (one, other))| one != other) {
        let bytes = (0..BLOCK).filter(|&at| one[at] != other[at]);
        differing.extend(bytes.map(|at| index * BLOCK + at));
    }
    let uuids = places(&images[0], &names[0].uuid);
    let chain_ids = places(&images[0], &told(&names[0]));
    let own = uuids.iter().flat_map(|at| *at..at + 16);
    let own: BTreeSet<_> = own
        .chain(chain_ids.iter().flat_map(|at| *at..at + 32))
        .collect();
    assert!(differing.is_subset(&own), "{differing:?}");
    assert!(!differing.is_empty());
}

#[test]
fn a_note_that_is_not_there_leaves_no_room_behind() {
    let own = [directory("lost+found").xattr("user.kept", "value")];
    for items in [vec![file("a", bytes(10))], own.into()] {
        let has_own = items.len() == 1 && items[0].path == b"lost+found";
        for note in [
            Some(Note::ChainId([7; 32])),
            Some(Note::Recipe([7; 32])),
            None,
        ] {
            let (_place, unsealed) = write(items.clone());
            let identity = Identity {
                note,
                ..identity('1')
            };
            let sealed = Ext::seal(unsealed, &identity, &Silent).unwrap();
            let image = sealed.partial.output().to_owned();
            sealed.partial.persist().unwrap();
            e2fsck_clean(&image);
            let listed = debugfs(&image, &["ea_list /lost+found"]);
            let chain_id = matches!(note, Some(Note::ChainId(_)));
            let recipe = matches!(note, Some(Note::Recipe(_)));
            let is_told = |name: &str| listed.contains(name);
            assert_eq!(is_told("user.layerpress.chain_id"), chain_id, "{listed}");
            assert_eq!(is_told("user.layerpress.recipe"), recipe, "{listed}");
            assert_eq!(listed.contains("user.kept"), has_own, "{listed}");
            if note.is_some() {
                let all = std::fs::read(&image).unwrap();
                assert_eq!(places(&all, &[7; 32]).len(), 1);
            }
        }
    }
}

#[test]
fn nothing_is_left_of_what_is_not_sealed_or_cannot_be() {
    let (place, unsealed) = write(items());
    let left = || place.path().read_dir().unwrap().count();
    drop(unsealed);
    assert_eq!(left(), 0);
    let (place, unsealed) = write(items());
    let left = || place.path().read_dir().unwrap().count();
    let (_other, sealed) = write(items());
    let sealed = Ext::seal(sealed, &identity('1'), &Silent).unwrap();
    let journal = places(&all(sealed.partial.file()), &identity('1').uuid)
        .into_iter()
        .find(|at| at % BLOCK == 0x30)
        .unwrap();
    let block = (journal - 0x30) as u64;
    unsealed.partial.file().write_all_at(b"no", block).unwrap();
    let error = Ext::seal(unsealed, &identity('1'), &Silent).unwrap_err();
    assert!(matches!(error, Error::Mismatch(_)), "{error}");
    assert!(
        error.to_string().contains("journal's superblock"),
        "{error}"
    );
    assert_eq!(left(), 0);
}

/// That it is the same is held by the types, too: a plan is made of a tree, and a tree has no recipe.
#[test]
fn a_plan_is_the_same_for_every_recipe_of_a_tree() {
    let plan_of = |rootfs: Rootfs| -> (Plan, Vec<u8>) {
        let tar = crate::support::tarball::tar_bytes(&rootfs);
        let (tree, _) = tree_of(&rootfs).unwrap();
        (plan(&tree, Wanted::default()).unwrap(), tar)
    };
    let forwards = items();
    let mut backwards = items();
    backwards[1..].reverse();
    let [(one, one_tar), (other, other_tar)] = [forwards, backwards].map(Rootfs::of).map(plan_of);
    assert_ne!(one_tar, other_tar);
    let text = format!("{one:?}");
    assert_eq!(text, format!("{other:?}"));
    for named in ["uuid", "chain"] {
        assert!(!text.contains(named), "{text}");
    }
}
