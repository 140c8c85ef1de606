//! Text for people: made fit for a terminal, wrapped, shortened, dated.

use crate::error::escape_line;
use crate::units::ByteSize;

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

/// Breaks a text between words into lines of at most `width` letters, where its words allow.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
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

/// A number with its noun: `1 entry`, `2,000 entries`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", thousands(number))
}

/// A date and time in UTC: year, month, day, hour, minute, second.
pub fn civil(seconds: i64) -> (i64, i64, i64, i64, i64, i64) {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days from 0000-03-01, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
}

/// Seconds since 1970 as RFC 3339 writes them, in UTC: `2024-05-01T10:20:30Z`.
pub fn date(seconds: i64) -> String {
    let (year, month, day, hour, minute, second) = civil(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first digits of a digest.
pub fn short(digest: &str) -> &str {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::parse_created;

    #[test]
    fn dates_are_read_back_as_the_seconds_they_were_made_of() {
        for seconds in [
            0,
            -1,
            951_782_399,
            951_782_400,
            951_868_800,
            1_709_251_199,
            4_107_542_399,
            4_107_542_400,
            -62_135_596_800,
            253_402_300_799,
        ] {
            let text = date(seconds);
            let read = parse_created(&text).map(|time| time.seconds);
            assert_eq!(read, Some(seconds), "{text}");
        }
        for day in 0..200_000 {
            let text = date(day * 86_400 + 1);
            assert_eq!(
                parse_created(&text).unwrap().seconds,
                day * 86_400 + 1,
                "{text}"
            );
        }
        assert_eq!(date(1_714_558_830), "2024-05-01T10:20:30Z");
    }

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
    }

    #[test]
    fn differences_have_a_sign_unless_they_are_none() {
        assert_eq!(signed_size(0, 1536), "+1.5 KiB");
        assert_eq!(signed_size(5, 0), "-5 B");
        assert_eq!(signed_size(5, 5), "0 B");
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(1000, "entry", "entries"), "1,000 entries");
    }

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
}
