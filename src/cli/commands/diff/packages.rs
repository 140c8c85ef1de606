//! What changed between the packages of two images.

use serde::Serialize;

use crate::cli::shown::table::columns;
use crate::cli::shown::text::{counted, printable, thousands};
use crate::pipeline::{Package, PackageChange, PackageComparison};

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownPackages<'a> {
    a: &'a str,
    b: &'a str,
    equal: bool,
    changes: Vec<ShownChange<'a>>,
    totals: Totals,
    /// The sides whose journals hold changes that were not read.
    needs_recovery: Vec<&'static str>,
    warnings: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct ShownChange<'a> {
    name: &'a str,
    change: &'static str,
    a_version: Option<&'a str>,
    b_version: Option<&'a str>,
    a_arch: Option<&'a str>,
    b_arch: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    added: u64,
    removed: u64,
    changed: u64,
}

impl<'a> ShownPackages<'a> {
    pub fn of(comparison: &'a PackageComparison) -> Self {
        let PackageComparison { sides, changes, .. } = comparison;
        let sides_left = ["a", "b"].into_iter().zip(sides);
        let needs_recovery: Vec<_> = sides_left
            .filter_map(|(side, installed)| installed.needs_recovery.then_some(side))
            .collect();
        let mut totals = Totals::default();
        for change in changes {
            *match (&change.before, &change.after) {
                (None, _) => &mut totals.added,
                (_, None) => &mut totals.removed,
                _ => &mut totals.changed,
            } += 1;
        }
        let warnings = sides.iter().flat_map(|side| &side.warnings);
        Self {
            a: &sides[0].name,
            b: &sides[1].name,
            // What was not read is not called equal.
            equal: comparison.is_equal().is_ok_and(|is_equal| is_equal),
            changes: changes.iter().map(ShownChange::of).collect(),
            totals,
            needs_recovery,
            warnings: warnings.map(String::as_str).collect(),
        }
    }

    /// For people: nothing where there is no change.
    pub fn text(&self) -> String {
        if self.changes.is_empty() {
            return String::new();
        }
        let rows = self.changes.iter().map(ShownChange::row).collect();
        let Totals {
            added,
            removed,
            changed,
        } = self.totals;
        format!(
            "--- {}\n+++ {}\n{}{}: {} added, {} removed, {} changed\n",
            printable(self.a),
            printable(self.b),
            columns(rows),
            counted(
                added + removed + changed,
                "package differs",
                "packages differ"
            ),
            thousands(added),
            thousands(removed),
            thousands(changed)
        )
    }
}

impl<'a> ShownChange<'a> {
    fn of(change: &'a PackageChange) -> Self {
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let version = |package: &'a Package| &*package.version;
        let arch = |package: &'a Package| &*package.arch;
        Self {
            name: change.name(),
            change: match (before, after) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            },
            a_version: before.map(version),
            b_version: after.map(version),
            a_arch: before.map(arch),
            b_arch: after.map(arch),
        }
    }

    /// `+`, `-` or `~` and the name, versions, architectures.
    fn row(&self) -> [String; 3] {
        let sign = match self.change {
            "added" => '+',
            "removed" => '-',
            _ => '~',
        };
        [
            format!("{sign} {}", printable(self.name)),
            from_to(self.a_version, self.b_version),
            from_to(self.a_arch, self.b_arch),
        ]
    }
}

/// What there is on both sides, told once where it is the same.
fn from_to(before: Option<&str>, after: Option<&str>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before != after => {
            format!("{} → {}", printable(before), printable(after))
        }
        (before, after) => printable(after.or(before).unwrap_or_default()),
    }
}
