//! Changes for people and as JSON.

use serde::Serialize;
use serde_json::Value;

use crate::cli::shown::differences;
use crate::cli::shown::text::{WIDTH, counted, signed_size, thousands, wrapped};
use crate::compare::{Change, Counts, Fate, by_directory};
use crate::listing::Kind;
use crate::pipeline::{Comparison, Listed, Unreadable};

/// The width of a size with its sign, as in `+1023.9 MiB`.
const SIZE_WIDTH: usize = 11;

/// All changes between two filesystems.
pub struct Changes<'a> {
    pub comparison: &'a Comparison,
    /// By directories down to this depth instead of one by one.
    pub depth: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct ChangesJson<'a> {
    a: &'a str,
    b: &'a str,
    equal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<ChangeJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directories: Option<Vec<DirectoryJson>>,
    totals: CountsJson,
    /// What edits did to each side; `null` of a filesystem.
    a_edits: Option<EditsJson>,
    b_edits: Option<EditsJson>,
    unreadable: Vec<UnreadableJson<'a>>,
    /// The sides whose journals hold changes that were not compared.
    needs_recovery: Vec<&'static str>,
    /// What a reader should know of the sides.
    warnings: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct EditsJson {
    edits_digest: Option<String>,
    left_out_entries: u64,
    left_out_bytes: u64,
}

impl EditsJson {
    fn of(side: &Listed) -> Option<Self> {
        let edited = side.edited.as_ref()?;
        let digest = edited.edits_digest.as_ref();
        Some(Self {
            edits_digest: digest.map(ToString::to_string),
            left_out_entries: edited.left_out.names,
            left_out_bytes: edited.left_out.bytes,
        })
    }
}

#[derive(Debug, Serialize)]
struct UnreadableJson<'a> {
    side: &'static str,
    path: &'a str,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct ChangeJson {
    path: String,
    change: &'static str,
    r#type: Option<String>,
    fields: Vec<Value>,
    a_bytes: u64,
    b_bytes: u64,
    delta_bytes: i128,
}

#[derive(Debug, Serialize)]
struct DirectoryJson {
    path: String,
    #[serde(flatten)]
    counts: CountsJson,
}

#[derive(Debug, Serialize)]
struct CountsJson {
    added: u64,
    removed: u64,
    changed: u64,
    a_bytes: u64,
    b_bytes: u64,
    delta_bytes: i128,
}

impl From<Counts> for CountsJson {
    fn from(counts: Counts) -> Self {
        Self {
            added: counts.added,
            removed: counts.removed,
            changed: counts.changed,
            a_bytes: counts.bytes_before,
            b_bytes: counts.bytes_after,
            delta_bytes: delta(counts.bytes_before, counts.bytes_after),
        }
    }
}

fn delta(before: u64, after: u64) -> i128 {
    i128::from(after) - i128::from(before)
}

impl Changes<'_> {
    /// As JSON: every change, or every directory, and the totals.
    pub fn json(&self) -> ChangesJson<'_> {
        let Comparison { sides, changes, .. } = self.comparison;
        let directories = self.depth.map(|depth| {
            let directories = by_directory(changes, depth).into_iter();
            let json = directories.map(|(path, counts)| DirectoryJson {
                path: differences::path(path),
                counts: counts.into(),
            });
            json.collect()
        });
        let named = || ["a", "b"].into_iter().zip(sides);
        let unreadable: Vec<_> = named()
            .flat_map(|(side, listed)| listed.unreadable.iter().map(move |name| (side, name)))
            .map(|(side, Unreadable { path, why })| UnreadableJson { side, path, why })
            .collect();
        let needs_recovery: Vec<_> = named()
            .filter_map(|(side, listed)| listed.needs_recovery.then_some(side))
            .collect();
        let warnings = sides.iter().flat_map(|side| &side.warnings);
        ChangesJson {
            a: &sides[0].name,
            b: &sides[1].name,
            // What was not compared is not called equal.
            equal: changes.is_empty() && unreadable.is_empty() && needs_recovery.is_empty(),
            a_edits: EditsJson::of(&sides[0]),
            b_edits: EditsJson::of(&sides[1]),
            unreadable,
            needs_recovery,
            warnings: warnings.map(String::as_str).collect(),
            changes: self
                .depth
                .is_none()
                .then(|| changes.iter().map(change_json).collect()),
            directories,
            totals: Counts::of(changes).into(),
        }
    }

    /// For people: nothing where there is no change.
    pub fn text(&self) -> String {
        let Comparison { sides, changes, .. } = self.comparison;
        if changes.is_empty() {
            return String::new();
        }
        let body = match self.depth {
            Some(depth) => stat(changes, depth),
            None => changes.iter().map(change_text).collect(),
        };
        format!(
            "--- {}\n+++ {}\n{body}{}",
            sides[0].name,
            sides[1].name,
            total(&Counts::of(changes))
        )
    }
}

fn change_json(change: &Change) -> ChangeJson {
    let difference = &change.difference;
    let line = difference.found.as_ref().or(difference.expected.as_ref());
    let kind = line.and_then(|line| line.kind);
    ChangeJson {
        path: differences::path(difference.path()),
        change: match change.fate {
            Fate::Added => "added",
            Fate::Removed => "removed",
            Fate::Changed => "changed",
        },
        r#type: kind.map(|kind| kind.to_string()),
        fields: differences::fields_json(difference, ["a", "b"]),
        a_bytes: change.bytes_before,
        b_bytes: change.bytes_after,
        delta_bytes: delta(change.bytes_before, change.bytes_after),
    }
}

/// `+`, `-` or `~`, the bytes, the path, and why: behind it where that fits, else below.
fn change_text(change: &Change) -> String {
    let difference = &change.difference;
    let line = difference.found.as_ref().or(difference.expected.as_ref());
    let sign = match change.fate {
        Fate::Added => '+',
        Fate::Removed => '-',
        Fate::Changed => '~',
    };
    let has_bytes = change.bytes_before != change.bytes_after;
    let bytes = if has_bytes {
        signed_size(change.bytes_before, change.bytes_after)
    } else {
        String::new()
    };
    let slash = match line.and_then(|line| line.kind) {
        Some(Kind::Directory) if !difference.path().is_empty() => "/",
        _ => "",
    };
    let start = format!(
        "{sign} {bytes:>SIZE_WIDTH$}  {}{slash}",
        differences::path(difference.path())
    );
    let why = why(change);
    if why.is_empty() {
        return format!("{start}\n");
    }
    if start.chars().count() + 2 + why.chars().count() <= WIDTH {
        return format!("{start}  {why}\n");
    }
    let indent = SIZE_WIDTH + 6;
    let why = wrapped(&why, WIDTH - indent);
    let below: String = why
        .lines()
        .map(|line| format!("{:indent$}{line}\n", ""))
        .collect();
    format!("{start}\n{below}")
}

/// The fields, with their values where these say more than the bytes before them.
fn why(change: &Change) -> String {
    let values = differences::field_values(&change.difference);
    let has_bytes = change.bytes_before != change.bytes_after;
    let line = change.difference.found.as_ref();
    let kind = line.and_then(|line| line.kind);
    let reasons: Vec<_> = values
        .into_iter()
        .filter_map(|(name, one, other)| match name.as_str() {
            // The bytes before it, or the target behind it, say it already.
            "size" if has_bytes || kind == Some(Kind::Symlink) => None,
            "content" => Some(name),
            // A time of a build says little, and two of them would fill the line.
            "mtime" => Some(name),
            _ => Some(format!("{name} {one} → {other}")),
        })
        .collect();
    reasons.join(", ")
}

/// A line for each directory, its counts and its bytes.
fn stat(changes: &[Change], depth: usize) -> String {
    let mut text = format!(
        "{:>8} {:>8} {:>8} {:>SIZE_WIDTH$}  directory\n",
        "added", "removed", "changed", "bytes"
    );
    let number = |number: u64| match number {
        0 => "-".to_owned(),
        number => thousands(number),
    };
    for (path, counts) in by_directory(changes, depth) {
        text.push_str(&format!(
            "{:>8} {:>8} {:>8} {:>SIZE_WIDTH$}  {}\n",
            number(counts.added),
            number(counts.removed),
            number(counts.changed),
            signed_size(counts.bytes_before, counts.bytes_after),
            differences::path(path)
        ));
    }
    text
}

fn total(counts: &Counts) -> String {
    let all = counts.added + counts.removed + counts.changed;
    format!(
        "{}: {} added, {} removed, {} changed, {}\n",
        counted(all, "entry differs", "entries differ"),
        thousands(counts.added),
        thousands(counts.removed),
        thousands(counts.changed),
        signed_size(counts.bytes_before, counts.bytes_after)
    )
}
