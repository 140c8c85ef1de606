//! An image held against the tree it was made from.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::views::{Views, read_views};
use super::{Problem, expected_listing};
use crate::error::{Error, Result};
use crate::layers::Contents;
use crate::listing::{Body, Difference, Field, Kind, Line, Links, Listing, Owner, compare};
use crate::progress::Reporter;
use crate::tree::Tree;

/// How many differences an error shows.
const SHOWN_DIFFERENCES: usize = 10;

/// Where mke2fs puts a directory of its own.
const LOST_FOUND: &[u8] = b"lost+found";

/// Who saw a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// debugfs of e2fsprogs.
    Debugfs,
    /// The ext4-view crate.
    Ext4View,
    /// Both of them.
    Both,
    /// Neither could read what was to be proven.
    Neither,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debugfs => "debugfs",
            Self::Ext4View => "ext4-view",
            Self::Both => "debugfs and ext4-view",
            Self::Neither => "neither reader",
        })
    }
}

/// A difference and who saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The reader.
    pub reader: Reader,
    /// What it saw.
    pub difference: Difference,
}

/// `reader: difference`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader, self.difference)
    }
}

/// What came of a verification.
#[derive(Debug)]
pub struct VerifyReport {
    /// Names that were compared.
    pub names: u64,
    /// All differences, ascending by path.
    pub findings: Vec<Finding>,
    /// Extended attributes that neither reader could show.
    pub unproven: Vec<Problem>,
}

impl VerifyReport {
    /// Nothing, if the image is as expected.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with the first ten differences.
    pub fn into_result(self) -> Result<()> {
        if self.findings.is_empty() {
            return Ok(());
        }
        let mut text = format!(
            "expected no difference between the image's tree and the filesystem, found {}:",
            self.findings.len()
        );
        for finding in self.findings.iter().take(SHOWN_DIFFERENCES) {
            text.push_str(&format!("\n{finding}"));
        }
        if self.findings.len() > SHOWN_DIFFERENCES {
            text.push_str("\n…");
        }
        Err(Error::Mismatch(text))
    }
}

/// Reads `image` back through ext4-view and through the program `debugfs` and holds every name and
/// attribute that either can see against `tree`, contents included.
///
/// Where the tree has no `lost+found` of its own, mke2fs's is expected.
///
/// # Errors
/// [`Error::Io`] when the image or a layer cannot be read, [`Error::Tool`] when debugfs cannot be
/// run. Differences are no error here but part of the report.
pub fn verify(
    image: &Path,
    tree: &Tree,
    contents: &Contents,
    debugfs: &Path,
    reporter: &dyn Reporter,
) -> Result<VerifyReport> {
    let mut names = 0_u64;
    tree.for_each_path(|_, _, _| {
        names += 1;
        Ok::<_, Error>(())
    })?;
    // A few names more than expected are differences; many times more are a loop.
    let max_names = names.saturating_mul(2).saturating_add(1000);
    std::thread::scope(|scope| {
        // Hashing the layers and reading the image know nothing of each other.
        let list = || expected_listing(tree, contents, reporter);
        let expected = std::thread::Builder::new().spawn_scoped(scope, list);
        let views = read_views(image, debugfs, max_names, reporter);
        let expected = match expected {
            Ok(expected) => expected
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // There is no thread: one after the other.
            Err(_) => list(),
        };
        let (mut expected, views) = (expected?, views?);
        expect_lost_found(&mut expected);
        Ok(report(&expected, &views))
    })
}

/// Adds mke2fs's `lost+found` to a listing that has none.
fn expect_lost_found(expected: &mut Listing) {
    if expected.find(LOST_FOUND).is_some() {
        return;
    }
    expected.insert(Line {
        kind: Some(Kind::Directory),
        mode: Some(0o700),
        owner: Some(Owner { uid: 0, gid: 0 }),
        link_count: Some(2),
        links: Links::Alone,
        body: Body::Nothing,
        // The build leaves a note of its own in its attributes.
        ..Line::unknown(LOST_FOUND)
    });
    let root = expected
        .lines_mut()
        .next()
        .filter(|line| line.path.is_empty());
    if let Some(link_count) = root.and_then(|root| root.link_count.as_mut()) {
        *link_count = link_count.saturating_add(1);
    }
}

fn report(expected: &Listing, views: &Views) -> VerifyReport {
    let mut findings = Vec::new();
    for (reader, view) in [
        (Reader::Debugfs, &views.debugfs),
        (Reader::Ext4View, &views.ext4_view),
    ] {
        let differences = compare(expected, &view.listing);
        findings.extend(
            differences
                .into_iter()
                .map(|difference| Finding { reader, difference }),
        );
    }
    let mut unproven = Vec::new();
    for line in expected.lines() {
        prove(line, views, &mut findings, &mut unproven);
    }
    findings.sort_by(|one, other| {
        let key = |finding: &Finding| (finding.difference.path().to_vec(), finding.reader);
        key(one).cmp(&key(other))
    });
    findings.dedup_by(|later, earlier| {
        let is_same = sees_no_more(&later.difference, &earlier.difference);
        if is_same {
            earlier.reader = Reader::Both;
        }
        is_same
    });
    VerifyReport {
        names: expected.lines().len() as u64,
        findings,
        unproven,
    }
}

/// Whether `one` is about the same name as `other` and has nothing that `other` has not.
fn sees_no_more(one: &Difference, other: &Difference) -> bool {
    let sides =
        |difference: &Difference| (difference.expected.is_some(), difference.found.is_some());
    one.path() == other.path()
        && sides(one) == sides(other)
        && one.fields.iter().all(|field| other.fields.contains(field))
}

/// Adds what no reader could see of a line. Only some extended attributes are beyond both readers
/// in a sound image; all else unseen is as good as wrong.
fn prove(line: &Line, views: &Views, findings: &mut Vec<Finding>, unproven: &mut Vec<Problem>) {
    let listings = [&views.debugfs.listing, &views.ext4_view.listing];
    let in_views = listings.map(|listing| listing.find(&line.path));
    let is_nowhere = in_views.iter().all(Option::is_none);
    if is_nowhere && !listings.iter().all(|listing| listing.is_hidden(&line.path)) {
        return; // It was found missing already.
    }
    let seen: BTreeSet<Field> = in_views
        .iter()
        .flatten()
        .flat_map(|line| line.known_fields())
        .collect();
    let mut unseen: Vec<_> = line
        .known_fields()
        .filter(|field| !seen.contains(field))
        .collect();
    if unseen == [Field::Xattrs] {
        unproven.push(Problem::new(
            &line.path,
            "its attributes could not be read back",
        ));
        unseen.clear();
    }
    if !unseen.is_empty() {
        findings.push(Finding {
            reader: Reader::Neither,
            difference: Difference {
                expected: Some(line.clone()),
                found: in_views.into_iter().flatten().next().cloned(),
                fields: unseen,
            },
        });
    }
}
