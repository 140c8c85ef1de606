//! Columns for people.

use super::text::wrapped;

/// Lines of names and values, values aligned; multi-line values are indented, and lines longer than a
/// terminal of so many columns are broken between words. Where nothing is known of one, as where a
/// program reads, nothing is broken.
pub fn two_columns(rows: &[(&str, String)], terminal: Option<usize>) -> String {
    apart(2, rows, terminal)
}

/// The same closer to each other: behind at most eight letters a digest ends with the 80th column.
pub fn digest_columns(rows: &[(&str, String)], terminal: Option<usize>) -> String {
    apart(1, rows, terminal)
}

fn apart(gap: usize, rows: &[(&str, String)], terminal: Option<usize>) -> String {
    let indent = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + gap;
    rows.iter()
        .map(|(name, value)| {
            let lines = value.split('\n').map(|line| match terminal {
                Some(columns) if !is_for_a_machine(line) => {
                    wrapped(line, columns.saturating_sub(indent).max(LEAST_WIDTH))
                }
                _ => line.to_owned(),
            });
            let value = lines.collect::<Vec<_>>().join("\n");
            let value = value.replace('\n', &format!("\n{:indent$}", ""));
            format!("{name:indent$}{value}\n")
        })
        .collect()
}

/// No narrower are values made: a terminal of fewer columns breaks lines itself.
const LEAST_WIDTH: usize = 20;

/// A line that is copied into a shell or to the kernel: words that are longer than any page show it. A
/// break in it would be a break there.
fn is_for_a_machine(line: &str) -> bool {
    line.contains(' ') && line.split(' ').any(|word| word.len() >= DIGEST_LETTERS)
}

/// Of a digest's digits.
const DIGEST_LETTERS: usize = 64;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_one_column() {
        let rows = [("a", "1".to_owned()), ("longer", "2\n3".to_owned())];
        let text = "a       1\nlonger  2\n        3\n";
        for terminal in [None, Some(1), Some(80)] {
            assert_eq!(two_columns(&rows, terminal), text);
        }
    }

    #[test]
    fn lines_are_as_long_as_the_terminal_is_wide_and_whole_where_a_program_reads() {
        let value = "x ".repeat(60).trim_end().to_owned();
        let rows = [("name", format!("{value}\n{value}"))];
        for columns in [40, 80, 120] {
            let text = two_columns(&rows, Some(columns));
            assert!(text.lines().all(|line| line.len() <= columns), "{text}");
            let longest = text.lines().map(str::len).max().unwrap();
            assert!(longest > columns - 3, "{columns}: {text}");
            assert!(text.lines().skip(1).all(|line| line.starts_with("      x")));
        }
        assert_eq!(two_columns(&rows, None).lines().count(), 2);
    }

    #[test]
    fn digests_names_and_what_a_shell_takes_stay_whole() {
        let digest = "0".repeat(64);
        let command = format!("veritysetup open a b {digest}");
        for value in [digest, command, "long/".repeat(20)] {
            let text = digest_columns(&[("name", value.clone())], Some(40));
            assert_eq!(text, format!("name {value}\n"));
        }
    }
}
