//! Columns for people.

use super::text::{WIDTH, wrapped};

/// Lines of names and values, values aligned; multi-line values are indented.
pub fn two_columns(rows: &[(&str, String)]) -> String {
    apart(2, rows)
}

/// The same closer to each other: behind at most eight letters a digest ends with the 80th column.
pub fn digest_columns(rows: &[(&str, String)]) -> String {
    apart(1, rows)
}

fn apart(gap: usize, rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + gap;
    rows.iter()
        .map(|(name, value)| {
            let value = value.replace('\n', &format!("\n{:width$}", ""));
            format!("{name:width$}{value}\n")
        })
        .collect()
}

/// Rows of as many columns each, aligned; the last column ends where its text does.
pub fn columns<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(widths);
            let line: String = cells
                .map(|(cell, width)| format!("{cell:width$}  "))
                .collect();
            format!("{}\n", line.trim_end())
        })
        .collect()
}

/// Names and values in two columns, the values wrapped to the width of the page.
pub fn wrapped_columns(rows: &[(&str, String)]) -> String {
    two_columns(&wrapped_rows(2, rows))
}

/// The same closer to each other, as [`digest_columns`].
pub fn wrapped_digest_columns(rows: &[(&str, String)]) -> String {
    digest_columns(&wrapped_rows(1, rows))
}

fn wrapped_rows<'a>(gap: usize, rows: &[(&'a str, String)]) -> Vec<(&'a str, String)> {
    let indent = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + gap;
    let fit = |value: &String| {
        let lines = value.split('\n').map(|line| wrapped(line, WIDTH - indent));
        lines.collect::<Vec<_>>().join("\n")
    };
    rows.iter()
        .map(|(name, value)| (*name, fit(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_one_column() {
        let rows = [("a", "1".to_owned()), ("longer", "2\n3".to_owned())];
        assert_eq!(two_columns(&rows), "a       1\nlonger  2\n        3\n");
        let rows = [("name", "x ".repeat(60).trim_end().to_owned())];
        let text = wrapped_columns(&rows);
        assert!(text.lines().all(|line| line.len() <= WIDTH));
    }
}
