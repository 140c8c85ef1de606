//! What was left out or changed on the way, counted, with one example each; and what is told in full.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::escape_path;

/// Counted warnings by their text, behind those of which there is but one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Warnings {
    told: BTreeSet<String>,
    counted: BTreeMap<&'static str, (u64, String)>,
}

impl Warnings {
    /// Counts one more of `what`; the first `path` is kept as the example.
    pub fn count(&mut self, what: &'static str, path: &[u8]) {
        self.count_with(what, || path.to_vec());
    }

    /// Counts one more of `what` whose path is costly to find: `path` is asked for the first only.
    pub fn count_with(&mut self, what: &'static str, path: impl FnOnce() -> Vec<u8>) {
        self.counted
            .entry(what)
            .and_modify(|(count, _)| *count += 1)
            .or_insert_with(|| match &path()[..] {
                // The root.
                b"" => (1, "/".to_owned()),
                path => (1, escape_path(path)),
            });
    }

    /// Tells a whole line, which comes before what is counted.
    pub fn tell(&mut self, line: &str) {
        self.told.insert(line.to_owned());
    }

    /// Takes over another step's or layer's warnings, after one's own.
    pub fn merge(&mut self, other: Self) {
        self.told.extend(other.told);
        for (what, (count, example)) in other.counted {
            self.counted
                .entry(what)
                .and_modify(|(own, _)| *own += count)
                .or_insert((count, example));
        }
    }

    /// The lines that were told, and one for each kind: what, how many, and an example.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let counted = self.counted.iter().map(|(what, (count, example))| {
            if *count == 1 {
                format!("{what}: {example}")
            } else {
                format!("{what}: {count} entries, for example {example}")
            }
        });
        self.told.iter().cloned().chain(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_a_name() {
        let mut warnings = Warnings::default();
        warnings.count("time clamped", b"");
        assert_eq!(warnings.lines().collect::<Vec<_>>(), ["time clamped: /"]);
    }

    #[test]
    fn warnings_of_one_kind_are_one_line_with_their_count_and_first_example() {
        let mut warnings = Warnings::default();
        warnings.count("time clamped", b"a");
        warnings.count("time clamped", b"b");
        let mut more = Warnings::default();
        more.count("time clamped", b"c");
        more.count("skipped", b"d");
        more.tell("z: told");
        more.tell("z: told");
        warnings.merge(more);
        let lines: Vec<_> = warnings.lines().collect();
        assert_eq!(
            lines,
            [
                "z: told",
                "skipped: d",
                "time clamped: 3 entries, for example a"
            ]
        );
    }
}
