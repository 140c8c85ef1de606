//! `images.txt`: a row for each image, its SHA-256 before its name and options.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

const HEAD: &str = "\
# SHA-256 of the filesystem image, input, options. tests/golden/main.rs says how it is written anew.
";

/// Hexadecimal SHA-256 by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(pub BTreeMap<String, String>);

/// Whether the table is to be written instead of read.
pub fn is_to_be_written() -> bool {
    let variable = |name| std::env::var(name).ok();
    asks_to_write(variable("LAYERPRESS_GOLDEN"), variable("CI")).unwrap()
}

fn asks_to_write(asked: Option<String>, ci: Option<String>) -> Result<bool, String> {
    match (asked.as_deref(), ci.as_deref()) {
        (None, _) => Ok(false),
        (Some("write"), None | Some("" | "false" | "0")) => Ok(true),
        (Some("write"), Some(_)) => {
            Err("LAYERPRESS_GOLDEN=write: CI is set, and a CI only reads".to_owned())
        }
        (Some(other), _) => Err(format!("LAYERPRESS_GOLDEN: expected write, found {other}")),
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images.txt")
}

impl Table {
    pub fn read() -> Self {
        let text = fs::read_to_string(path()).unwrap();
        Self::parse(&text).unwrap()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut rows = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (sha256, row) = line.split_once("  ").unwrap_or((line, ""));
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if sha256.len() != 64 || !sha256.bytes().all(is_digit) || row.is_empty() {
                return Err(format!("expected a SHA-256, a name and options: {line}"));
            }
            if rows.insert(row.to_owned(), sha256.to_owned()).is_some() {
                return Err(format!("twice: {row}"));
            }
        }
        Ok(Self(rows))
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (row, sha256) in &self.0 {
            writeln!(text, "{sha256}  {row}").unwrap();
        }
        text
    }

    pub fn write(&self) {
        fs::write(path(), self.text()).unwrap();
        eprintln!("written: {}", path().display());
    }

    /// What a row says.
    #[track_caller]
    pub fn of(&self, row: &str) -> &str {
        let sha256 = self.0.get(row);
        sha256.unwrap_or_else(|| panic!("no row {row}"))
    }

    /// A line for each row that is not what was made, but for those that this machine cannot make.
    pub fn differences(
        &self,
        made: &BTreeMap<String, String>,
        unmade: &BTreeSet<String>,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        for (row, made) in made {
            match self.0.get(row) {
                None => differences.push(format!("no row: {row}, which is {made}")),
                Some(written) if written != made => {
                    differences.push(format!("{row}: expected {written}, found {made}"));
                }
                Some(_) => {}
            }
        }
        for row in self.0.keys() {
            if !made.contains_key(row) && !unmade.contains(row) {
                differences.push(format!("nothing makes this row: {row}"));
            }
        }
        differences
    }
}

#[test]
fn a_missing_row_a_spare_row_and_another_sum_are_named() {
    let rows = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|&(row, sha256)| (row.to_owned(), sha256.repeat(64)))
            .collect()
    };
    let table = Table(rows(&[("same", "a"), ("other", "b"), ("spare", "c")]));
    let none = BTreeSet::new();
    assert_eq!(table.differences(&table.0, &none), [""; 0]);
    let made = rows(&[("same", "a"), ("other", "d"), ("new", "e")]);
    let found = table.differences(&made, &none);
    assert_eq!(
        found,
        [
            format!("no row: new, which is {}", "e".repeat(64)),
            format!(
                "other: expected {}, found {}",
                "b".repeat(64),
                "d".repeat(64)
            ),
            "nothing makes this row: spare".to_owned(),
        ]
    );
    let unmade = BTreeSet::from(["spare".to_owned(), "other".to_owned()]);
    assert_eq!(table.differences(&made, &unmade), found[..2]);
    assert_eq!(Table::parse(&table.text()), Ok(table));
}

#[test]
fn a_line_that_is_no_row_is_refused() {
    let sum = "0".repeat(64);
    assert!(Table::parse(&format!("# head\n{sum}  a\n{sum}  b --size fit\n")).is_ok());
    for text in [
        format!("{sum}  a\n{sum}  a\n"),
        format!("{sum} a\n"),
        format!("{sum}  \n"),
        format!("{sum}0  a\n"),
        format!("{}  a\n", "G".repeat(64)),
        "\n".to_owned(),
    ] {
        assert!(Table::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn a_ci_does_not_write_the_table() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(asks_to_write(None, some("true")), Ok(false));
    assert_eq!(asks_to_write(some("write"), None), Ok(true));
    assert!(asks_to_write(some("write"), some("true")).is_err());
    assert!(asks_to_write(some("yes"), None).is_err());
}
