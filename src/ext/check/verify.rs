//! An image held against the tree it was made from.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::seen::{Problem, View, beside};
use super::views::{Views, read_views};
use crate::error::{Error, Result, escape_path};
use crate::ext::plan::normalise::normalised;
use crate::filesystem::expected_listing;
use crate::layers::Contents;
use crate::listing::{Body, Difference, Field, Kind, Line, Links, Listing, Owner, compare, join};
use crate::progress::Reporter;
use crate::tree::Tree;
use crate::units::{FileFlags, LOST_FOUND};

/// How many differences an error shows.
const SHOWN_DIFFERENCES: usize = 10;

/// Who reads an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// Our own, [`crate::view`].
    Own,
    /// debugfs of e2fsprogs.
    Debugfs,
    /// The ext4-view crate.
    Ext4View,
}

impl Reader {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "layerpress",
            Self::Debugfs => "debugfs",
            Self::Ext4View => "ext4-view",
        }
    }

    /// Several of them, as in `layerpress, debugfs and ext4-view`.
    pub fn names(readers: &[Self]) -> String {
        match readers {
            [] => "no reader".to_owned(),
            [one] => one.name().to_owned(),
            [first @ .., last] => {
                let first: Vec<_> = first.iter().map(|reader| reader.name()).collect();
                format!("{} and {}", first.join(", "), last.name())
            }
        }
    }
}

/// A difference and who saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The readers that saw it or a part of it, ascending; none where no reader could read what was
    /// to be proven.
    pub readers: Vec<Reader>,
    /// What they saw.
    pub difference: Difference,
}

/// `readers: difference`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Reader::names(&self.readers), self.difference)
    }
}

/// What one reader could not read. That is no difference, for another has read it, or else it is
/// a finding of no reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Who.
    pub reader: Reader,
    /// How many names.
    pub names: u64,
    /// The first of them, and why.
    pub first: Problem,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reader,
            names,
            first,
        } = self;
        let reader = reader.name();
        let (path, why) = (escape_path(&first.path), &first.why);
        match names {
            1 => write!(f, "{reader} could not read /{path}: {why}"),
            _ => write!(
                f,
                "{reader} could not read {names} entries, the first /{path}: {why}"
            ),
        }
    }
}

/// What came of a verification.
#[derive(Debug)]
pub struct VerifyReport {
    /// Names that were compared.
    pub names: u64,
    /// All differences, ascending by path.
    pub findings: Vec<Finding>,
    /// The readers that could read the root directory at least.
    pub readers: Vec<Reader>,
    /// What one of the readers could not read.
    pub unread: Vec<Unread>,
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

/// Reads `image` back through [`crate::view`], through ext4-view and through the program `debugfs`
/// and holds every name and attribute that any of them can see against `tree`, contents included.
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
    // Hashing the layers and reading the image know nothing of each other.
    let (expected, views) = beside(
        || expected_listing(normalised, tree, contents, reporter),
        || read_views(image, debugfs, max_names, reporter),
    );
    let (mut expected, views) = (expected?, views?);
    expect_lost_found(&mut expected);
    expect_uncounted_links(&mut expected, &views.own.listing);
    Ok(report(&expected, &views))
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
        file_flags: Some(FileFlags::default()),
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

/// Ext4 gives up counting a directory's names at 65,000 (`dir_nlink`): nothing is expected there.
fn expect_uncounted_links(expected: &mut Listing, own: &Listing) {
    let is_uncounted = |line: &Line| {
        line.kind == Some(Kind::Directory)
            && own.find(&line.path).is_some_and(|found| {
                found.kind == Some(Kind::Directory) && found.link_count.is_none()
            })
    };
    for line in expected.lines_mut() {
        if is_uncounted(line) {
            line.link_count = None;
        }
    }
}

fn report(expected: &Listing, views: &Views) -> VerifyReport {
    let views = [
        (Reader::Own, &views.own),
        (Reader::Debugfs, &views.debugfs),
        (Reader::Ext4View, &views.ext4_view),
    ];
    let mut findings = Vec::new();
    for (reader, view) in views {
        let differences = compare(expected, &view.listing);
        findings.extend(differences.into_iter().map(|difference| Finding {
            readers: vec![reader],
            difference,
        }));
    }
    let listings = views.map(|(_, view)| &view.listing);
    for line in expected.lines() {
        findings.extend(unreadable(line, listings));
    }
    findings.sort_by(|one, other| {
        let path = |finding: &Finding| finding.difference.path().to_vec();
        let who = |finding: &Finding| finding.readers.clone();
        (path(one), who(one)).cmp(&(path(other), who(other)))
    });
    findings.dedup_by(|later, earlier| {
        let is_same = sees_no_more(later, earlier);
        if is_same {
            earlier.readers.append(&mut later.readers);
        }
        is_same
    });
    let is_listed = |view: &View| !view.listing.is_hidden(&join(&[], b"x"));
    let readers = views.iter().filter(|(_, view)| is_listed(view));
    VerifyReport {
        names: expected.lines().len() as u64,
        findings,
        readers: readers.map(|(reader, _)| *reader).collect(),
        unread: views
            .iter()
            .filter_map(|(reader, view)| unread(*reader, view))
            .collect(),
    }
}

fn unread(reader: Reader, view: &View) -> Option<Unread> {
    let first = view.problems.first()?.clone();
    let paths: BTreeSet<_> = view.problems.iter().map(|problem| &problem.path).collect();
    Some(Unread {
        reader,
        names: paths.len() as u64,
        first,
    })
}

/// Whether `one` is about the same name as `other` and has nothing that `other` has not.
fn sees_no_more(one: &Finding, other: &Finding) -> bool {
    // What nobody reads is beside what somebody sees.
    let is_seen = !one.readers.is_empty() && !other.readers.is_empty();
    let (one, other) = (&one.difference, &other.difference);
    let sides =
        |difference: &Difference| (difference.expected.is_some(), difference.found.is_some());
    is_seen
        && one.path() == other.path()
        && sides(one) == sides(other)
        && one.fields.iter().all(|field| other.fields.contains(field))
}

/// What no reader could see of a line: as good as wrong.
fn unreadable(line: &Line, listings: [&Listing; 3]) -> Option<Finding> {
    let in_views = listings.map(|listing| listing.find(&line.path));
    let is_nowhere = in_views.iter().all(Option::is_none);
    if is_nowhere && !listings.iter().all(|listing| listing.is_hidden(&line.path)) {
        return None; // It was found missing already.
    }
    let seen: BTreeSet<Field> = in_views
        .iter()
        .flatten()
        .flat_map(|line| line.known_fields())
        .collect();
    // What is seen as another type has no length or content that could be held against this.
    let is_another = in_views
        .iter()
        .flatten()
        .any(|seen| seen.kind.is_some_and(|kind| Some(kind) != line.kind));
    let is_asked = |field: &Field| !is_another || !matches!(field, Field::Size | Field::Body);
    let mut unseen: Vec<_> = line
        .known_fields()
        .filter(|field| !seen.contains(field) && is_asked(field))
        .collect();
    // There may be names in it that should not be.
    let below = join(&line.path, b"x");
    let is_unlisted = !is_another
        && line.kind == Some(Kind::Directory)
        && listings.iter().all(|listing| listing.is_hidden(&below));
    if is_unlisted && !unseen.contains(&Field::Body) {
        unseen.push(Field::Body);
    }
    (!unseen.is_empty()).then(|| Finding {
        readers: Vec::new(),
        difference: Difference {
            expected: Some(line.clone()),
            found: in_views.into_iter().flatten().next().cloned(),
            fields: unseen,
        },
    })
}
