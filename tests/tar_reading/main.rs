//! What a tar says is read as GNU tar, Python's tarfile and Go's archive/tar read it, but for
//! differences that are on purpose and named.

#![allow(missing_docs)]

mod go;
mod others;
mod random;
#[allow(dead_code)]
#[path = "../support/raw_tar.rs"]
mod raw_tar;

use std::fmt::Write;
use std::io::Write as _;

use layerpress::limits::Limits;
use layerpress::region::{Content, Data, FileRegion};
use layerpress::tar::{EntryKind, Reader};

use random::{Feature, Random};

/// An entry: its attributes as a line, and a regular file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String, Option<Vec<u8>>);

/// What every reader's entries are turned into.
pub struct Parts<'a> {
    /// The letter that `ls` shows, `h` for a hard link.
    pub kind: char,
    pub mode: u64,
    pub owner: (i64, i64),
    pub mtime: (i64, u32),
    pub path: &'a [u8],
    pub target: &'a [u8],
    pub device: (u64, u64),
    pub content: Option<Vec<u8>>,
}

impl Parts<'_> {
    pub fn line(self) -> Line {
        let hexadecimal = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        // Whether a directory's name ends in a slash tells nothing.
        let path = match self.kind {
            'd' => self
                .path
                .trim_ascii_end()
                .strip_suffix(b"/")
                .unwrap_or(self.path),
            _ => self.path,
        };
        let what = match (self.kind, &self.content) {
            ('-', Some(content)) => content.len().to_string(),
            ('c' | 'b', _) => format!("{},{}", self.device.0, self.device.1),
            _ => "-".to_owned(),
        };
        let target = match self.kind {
            'h' | 'l' => hexadecimal(self.target),
            _ => String::new(),
        };
        Line(
            format!(
                "{} {:04o} {}/{} {}.{:09} {what} {} {target}",
                self.kind,
                self.mode,
                self.owner.0,
                self.owner.1,
                self.mtime.0,
                self.mtime.1,
                hexadecimal(path)
            ),
            self.content.filter(|_| self.kind == '-'),
        )
    }
}

fn ours(tar: &[u8]) -> Vec<Line> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(tar).unwrap();
    let region = FileRegion::whole(file).unwrap();
    let limits = Limits::default();
    let mut reader = Reader::in_place(&region, &limits);
    let mut lines = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut parts = Parts {
            kind: '-',
            mode: entry.mode.into(),
            owner: (entry.uid.into(), entry.gid.into()),
            mtime: (entry.mtime.seconds, entry.mtime.nanoseconds),
            path: &entry.path,
            target: b"",
            device: (0, 0),
            content: None,
        };
        match &entry.kind {
            EntryKind::Regular(content) => parts.content = Some(bytes_of(content, &region)),
            EntryKind::Directory => parts.kind = 'd',
            EntryKind::Symlink(target) => (parts.kind, parts.target) = ('l', target),
            EntryKind::HardLink(target) => (parts.kind, parts.target) = ('h', target),
            EntryKind::Fifo => parts.kind = 'p',
            EntryKind::CharacterDevice(device) | EntryKind::BlockDevice(device) => {
                let is_character = matches!(entry.kind, EntryKind::CharacterDevice(_));
                parts.kind = if is_character { 'c' } else { 'b' };
                parts.device = (device.major.into(), device.minor.into());
            }
        }
        lines.push(parts.line());
    }
    reader.finish().unwrap();
    lines
}

fn bytes_of(content: &Content, tar: &FileRegion) -> Vec<u8> {
    let mut bytes = vec![0; content.size_bytes as usize];
    match &content.data {
        Data::Contiguous { offset_bytes } => tar.read_exact_at(&mut bytes, *offset_bytes).unwrap(),
        Data::Sparse(extents) => {
            for extent in extents {
                let start = extent.file_offset_bytes as usize;
                let piece = &mut bytes[start..start + extent.length_bytes as usize];
                tar.read_exact_at(piece, extent.offset_bytes).unwrap();
            }
        }
    }
    bytes
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    GnuTar,
    Python,
    Go,
}

impl Other {
    fn read(self, tar: &[u8]) -> Vec<Line> {
        match self {
            Self::GnuTar => others::gnu_tar(tar),
            Self::Python => others::python(tar),
            Self::Go => go::read(tar),
        }
    }
}

/// Where others read differently on purpose, and what speaks for our way.
const DIFFERENCES: [(Feature, &[Other], &str); 4] = [
    (
        Feature::GlobalHeader,
        &[Other::Go],
        "POSIX has it stand for all entries that follow; Go hands it out as an entry and forgets it",
    ),
    (
        Feature::FileWithSlash,
        &[Other::GnuTar],
        "Go, and so every container runtime, takes the type at its word; it is counted",
    ),
    (
        Feature::VolumeLabel,
        &[Other::GnuTar, Other::Python, Other::Go],
        "a label is no file, and they list it as one",
    ),
    (
        Feature::EndsInHole,
        &[Other::GnuTar],
        "it is read alike, but `tar -xO` does not write a hole at the end into a pipe",
    ),
];

fn is_read_differently(feature: Feature, other: Other) -> bool {
    DIFFERENCES
        .iter()
        .any(|(named, others, _)| *named == feature && others.contains(&other))
}

fn tars_are_read_alike_by(other: Other, tars: u64) {
    for seed in 0..tars {
        let mut random = Random::new(seed);
        let tar = random.tar(&|feature| !is_read_differently(feature, other));
        let (ours, theirs) = (ours(&tar), other.read(&tar));
        if ours != theirs {
            let kept = std::env::temp_dir().join(format!("read-differently-{seed}.tar"));
            std::fs::write(&kept, &tar).unwrap();
            let mut pairs = ours
                .iter()
                .zip(&theirs)
                .filter(|(ours, theirs)| ours != theirs);
            let differing = pairs.next().map(|(ours, theirs)| (&ours.0, &theirs.0));
            panic!(
                "{other:?} reads {} differently: {} entries and {}, first {differing:?}",
                kept.display(),
                ours.len(),
                theirs.len()
            );
        }
    }
}

#[test]
fn random_tars_are_read_as_gnu_tar_reads_them() {
    tars_are_read_alike_by(Other::GnuTar, 40);
}

#[test]
fn random_tars_are_read_as_python_reads_them() {
    tars_are_read_alike_by(Other::Python, 40);
}

#[test]
fn random_tars_are_read_by_gos_rules() {
    tars_are_read_alike_by(Other::Go, 400);
}

/// Each row of the table, with a tar of nothing else: were a difference gone, its row would be a
/// lie; and one that is not in the table would be found here, too.
#[test]
fn the_differences_are_those_of_the_table_and_are_noticed() {
    for (feature, _, why) in DIFFERENCES {
        let tar = random::only(feature);
        for other in [Other::GnuTar, Other::Python, Other::Go] {
            let differs = ours(&tar) != other.read(&tar);
            let named = is_read_differently(feature, other);
            assert_eq!(differs, named, "{feature:?} by {other:?}: {why}");
        }
    }
}

#[test]
fn a_reader_that_is_wrong_is_noticed() {
    let tar = Random::new(1).tar(&|_| true);
    let lines = ours(&tar);
    assert!(lines.len() > 3);
    // An owner's digit and a content's byte.
    let mut changed = lines.clone();
    changed[0].0 = changed[0].0.replacen('/', "/1", 1);
    assert_ne!(lines, changed);
    let file = lines
        .iter()
        .position(|line| line.1.as_ref().is_some_and(|bytes| !bytes.is_empty()));
    changed.clone_from(&lines);
    changed[file.unwrap()].1.as_mut().unwrap()[0] ^= 1;
    assert_ne!(lines, changed);
}
