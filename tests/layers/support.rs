//! Images out of loose blobs, and layers as lines of text.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Output};

use layerpress::Result;
use layerpress::layers::{self, Changeset, Contents, Data, Entry, EntryKind, Layers, ReadOptions};
use layerpress::limits::Limits;
use layerpress::oci::Platform;
use layerpress::oci::{DiffId, Digest, DigestHasher};
use layerpress::progress::{Reporter, Silent};
use layerpress::region::FileRegion;
use layerpress::source::{Image, LayerBlob, LayerDiffId, StoredBlob};
use layerpress::warnings::Warnings;

pub fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = DigestHasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

/// A blob of `stored` bytes whose uncompressed tar is `tar`.
pub fn blob(stored: &[u8], tar: &[u8]) -> LayerBlob {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(stored).unwrap();
    LayerBlob {
        diff_id: LayerDiffId::Stated(DiffId(digest(tar))),
        digest: Some(digest(stored)),
        media_type: None,
        stored: StoredBlob::AtHand(FileRegion::whole(file).unwrap()),
        whiteouts: true,
    }
}

pub fn image(layers: Vec<LayerBlob>) -> Image {
    Image {
        reference: "test image".into(),
        names: Vec::new(),
        manifest_digest: None,
        config_digest: None,
        config_bytes: None,
        config: Default::default(),
        platform: Some(Platform::of_this_machine()),
        created: None,
        layers,
        downloads: None,
        warnings: Warnings::default(),
    }
}

pub fn options(limits: Limits, jobs: usize) -> ReadOptions {
    ReadOptions {
        work_dir: std::env::temp_dir(),
        limits,
        jobs: NonZeroUsize::new(jobs).unwrap(),
    }
}

/// Layers that have been verified to the end.
#[derive(Debug)]
pub struct Verified {
    pub changesets: Vec<Changeset>,
    pub contents: Contents,
    pub warnings: Warnings,
}

pub fn read(image: &Image, options: &ReadOptions, reporter: &dyn Reporter) -> Result<Verified> {
    let Layers {
        changesets,
        contents,
        warnings,
        verifying,
        ..
    } = layers::read(image, options, reporter)?;
    verifying.finish()?;
    Ok(Verified {
        changesets,
        contents,
        warnings,
    })
}

pub fn read_blobs(layers: Vec<LayerBlob>) -> Result<Verified> {
    read(&image(layers), &options(Limits::default(), 2), &Silent)
}

/// Reads one uncompressed tar, which must give no warning.
pub fn read_tar(tar: &[u8]) -> Verified {
    let layers = read_blobs(vec![blob(tar, tar)]).unwrap();
    assert_eq!(
        layers.warnings.lines().collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    layers
}

/// A file's bytes, holes and all.
pub fn content(layers: &Verified, layer: usize, entry: &Entry) -> Vec<u8> {
    let EntryKind::Regular(content) = &entry.kind else {
        panic!("no regular file: {entry:?}");
    };
    let tar = &layers.contents.tars[layer];
    let mut bytes = vec![0; usize::try_from(content.size_bytes).unwrap()];
    match &content.data {
        Data::Contiguous { offset_bytes } => tar.read_exact_at(&mut bytes, *offset_bytes).unwrap(),
        Data::Sparse(extents) => {
            for extent in extents {
                let start = usize::try_from(extent.file_offset_bytes).unwrap();
                let end = start + usize::try_from(extent.length_bytes).unwrap();
                tar.read_exact_at(&mut bytes[start..end], extent.offset_bytes)
                    .unwrap();
            }
        }
    }
    bytes
}

fn escape(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
    bytes
        .iter()
        .map(|byte| match plain(*byte) {
            true => char::from(*byte).to_string(),
            false => format!("\\x{byte:02x}"),
        })
        .collect()
}

fn name(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.strip_prefix(b"./").unwrap_or(path)
}

/// The base layer's entries as `list.py tar` shows them.
pub fn listing(layers: &Verified) -> Vec<String> {
    let lines = |entry: &Entry| {
        let (kind, extra) = match &entry.kind {
            EntryKind::Regular(_) => {
                let bytes = content(layers, 0, entry);
                ('f', format!("{} {}", bytes.len(), digest(&bytes).digest()))
            }
            EntryKind::Directory => ('d', "-".into()),
            EntryKind::Symlink(target) => ('l', escape(target)),
            EntryKind::HardLink(target) => ('h', escape(name(target))),
            EntryKind::CharacterDevice(device) => {
                ('c', format!("{},{}", device.major, device.minor))
            }
            EntryKind::BlockDevice(device) => ('b', format!("{},{}", device.major, device.minor)),
            EntryKind::Fifo => ('p', "-".into()),
        };
        let xattrs: Vec<_> = entry
            .xattrs
            .iter()
            .map(|xattr| {
                let mut value: String = xattr
                    .value
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                if value.len() > 100 {
                    value = digest(&xattr.value).digest().to_owned();
                }
                format!("{}={value}", escape(&xattr.name))
            })
            .collect();
        format!(
            "{} {kind} {:04o} {}:{} {} {extra} [{}]",
            escape(name(&entry.path)),
            entry.mode,
            entry.uid,
            entry.gid,
            entry.mtime,
            xattrs.join(",")
        )
    };
    layers.changesets[0].entries.iter().map(lines).collect()
}

/// As `list.py disk` shows it: a further name has all that the first one has, in any order.
pub fn listing_on_disk(layers: &Verified) -> Vec<String> {
    let lines = listing(layers);
    let mut attributes: BTreeMap<String, String> = BTreeMap::new();
    for line in &lines {
        let (path, rest) = line.split_once(' ').unwrap();
        let rest = match rest.strip_prefix("h ") {
            Some(rest) => {
                let target = rest.split(' ').nth(3).unwrap();
                attributes[target].clone()
            }
            None => rest.to_owned(),
        };
        attributes.insert(path.to_owned(), rest);
    }
    attributes
        .into_iter()
        .map(|(path, rest)| format!("{path} {rest}"))
        .collect()
}

/// Runs the lister; `how` is `disk` or `tar`.
pub fn list(how: &str, path: &Path) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layers/list.py");
    let output = run(Command::new("python3")
        .args(["-E", "-s", script, how])
        .arg(path));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(ToOwned::to_owned)
        .collect()
}

#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Compares two listings line by line.
#[track_caller]
pub fn assert_same(ours: &[String], theirs: &[String], what: &str) {
    let lost: Vec<_> = theirs.iter().filter(|line| !ours.contains(line)).collect();
    let invented: Vec<_> = ours.iter().filter(|line| !theirs.contains(line)).collect();
    assert!(
        lost.is_empty() && invented.is_empty(),
        "{what}:\nlost {lost:#?}\ninvented {invented:#?}"
    );
    assert_eq!(ours.len(), theirs.len(), "{what}");
}
