//! Text for people: made fit for a terminal, wrapped, shortened, dated.

use crate::error::escape_line;
use crate::units::{ByteSize, Timestamp};

pub use crate::units::{rfc3339, thousands};

/// The width that everything is made for.
pub const WIDTH: usize = 80;

/// A text from an image on one line: what would move the cursor or hide letters is escaped.
pub fn printable(text: &str) -> String {
    escape_line(text).into_owned()
}

/// The same with each run of white space as one space, cut after `width` letters.
pub fn shortened(text: &str, width: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = printable(&words.join(" "));
    match text.char_indices().nth(width) {
        None => text,
        Some(_) => {
            let kept: String = text.chars().take(width.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// Breaks a text between words into lines of at most `width` letters, where its words allow. A number
/// stays with its unit.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in pieces(text) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines.join("\n")
}

/// The words of a text, units with what is before them.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_unit = matches!(
            word.trim_end_matches(['.', ',', ';', ':', ')']),
            "B" | "KiB" | "MiB" | "GiB" | "TiB" | "%" | "s"
        );
        let number = pieces
            .last_mut()
            .filter(|number| is_unit && number.ends_with(|letter: char| letter.is_ascii_digit()));
        match number {
            Some(number) => {
                number.push(' ');
                number.push_str(word);
            }
            None => pieces.push(word.to_owned()),
        }
    }
    pieces
}

/// A difference in bytes, as in `+1.5 KiB`.
pub fn signed_size(before_bytes: u64, after_bytes: u64) -> String {
    let size = ByteSize(before_bytes.abs_diff(after_bytes));
    match before_bytes.cmp(&after_bytes) {
        std::cmp::Ordering::Less => format!("+{size}"),
        std::cmp::Ordering::Equal => size.to_string(),
        std::cmp::Ordering::Greater => format!("-{size}"),
    }
}

/// A filesystem's journal of so many bytes; 0 where there is none.
pub fn journal(bytes: u64) -> String {
    match bytes {
        0 => "no journal".to_owned(),
        _ => format!("journal {}", ByteSize(bytes)),
    }
}

/// A number with its noun: `1 entry`, `2,000 entries`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", thousands(number))
}

/// Seconds since 1970 as RFC 3339 writes them, in UTC: `2024-05-01T10:20:30Z`.
pub fn date(seconds: i64) -> String {
    rfc3339(Timestamp::from_seconds(seconds))
}

/// The first digits of a digest.
pub fn short(digest: &str) -> &str {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_keep_their_backslashes_and_lose_what_moves_the_cursor() {
        assert_eq!(printable("a \\\n\x1b[2J"), "a \\\\x0a\\x1b[2J");
        assert_eq!(shortened("a  \\\n\t b", 9), "a \\ b");
        assert_eq!(shortened("abc def", 5), "abc…");
        assert_eq!(shortened("abc d", 5), "abc d");
    }

    #[test]
    fn lines_break_between_words_and_words_stay_whole() {
        assert_eq!(wrapped("aa bb ccccccc d", 5), "aa bb\nccccccc\nd");
        assert_eq!(wrapped("one two three", 6), "one\ntwo\nthree");
        assert_eq!(wrapped("used, 0 B for", 7), "used,\n0 B for");
        assert_eq!(wrapped("a b (11.8 MiB, x)", 9), "a b\n(11.8 MiB,\nx)");
        assert_eq!(wrapped("part B s", 6), "part B\ns");
    }

    #[test]
    fn differences_have_a_sign_unless_they_are_none() {
        assert_eq!(signed_size(0, 1536), "+1.5 KiB");
        assert_eq!(signed_size(5, 0), "-5 B");
        assert_eq!(signed_size(5, 5), "0 B");
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(1000, "entry", "entries"), "1,000 entries");
    }
}
