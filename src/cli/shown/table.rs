//! Two columns for people: names and values.

/// Lines of names and values, values aligned; multi-line values are indented.
pub fn two_columns(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
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

/// A number with its thousands apart, as in `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something, as in `1 layer`.
pub fn counted(count: usize, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", thousands(count as u64))
}

/// A text in lines of at most so many letters, where its words allow it.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut line = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if line > 0 && line + 1 + letters > width {
            wrapped.push('\n');
            line = 0;
        } else if line > 0 {
            wrapped.push(' ');
            line += 1;
        }
        wrapped.push_str(word);
        line += letters;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn one_thing_has_no_plural() {
        assert_eq!(counted(1, "layer"), "1 layer");
        assert_eq!(counted(1200, "layer"), "1,200 layers");
    }

    #[test]
    fn lines_end_before_the_word_that_goes_beyond() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("one two three", 6), "one\ntwo\nthree");
        assert_eq!(wrapped("extraordinary x", 5), "extraordinary\nx");
    }

    #[test]
    fn values_stand_in_one_column() {
        let rows = [("a", "1".to_owned()), ("longer", "2\n3".to_owned())];
        assert_eq!(two_columns(&rows), "a       1\nlonger  2\n        3\n");
    }
}
