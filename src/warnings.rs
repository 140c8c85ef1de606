//! What was left out or changed on the way, counted, with one example each.

use std::collections::BTreeMap;

use crate::error::escape_path;

/// Counted warnings by their text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Warnings {
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
            .or_insert_with(|| (1, escape_path(&path())));
    }

    /// Takes over another step's or layer's warnings, after one's own.
    pub fn merge(&mut self, other: Self) {
        for (what, (count, example)) in other.counted {
            self.counted
                .entry(what)
                .and_modify(|(own, _)| *own += count)
                .or_insert((count, example));
        }
    }

    /// One line for each kind: what, how many, and an example.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.counted.iter().map(|(what, (count, example))| {
            if *count == 1 {
                format!("{what}: {example}")
            } else {
                format!("{what}: {count} entries, for example {example}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_one_kind_are_one_line_with_their_count_and_first_example() {
        let mut warnings = Warnings::default();
        warnings.count("time clamped", b"a");
        warnings.count("time clamped", b"b");
        let mut more = Warnings::default();
        more.count("time clamped", b"c");
        more.count("skipped", b"d");
        warnings.merge(more);
        let lines: Vec<_> = warnings.lines().collect();
        assert_eq!(
            lines,
            ["skipped: d", "time clamped: 3 entries, for example a"]
        );
    }
}
