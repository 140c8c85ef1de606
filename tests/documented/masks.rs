//! What is shown beside what was said: equal but for what is masked.
//!
//! - A line `…` stands for any number of lines, none too; `…` inside a line for any text there.
//! - Durations (`0.14 s`), rates (`98.2 MiB/s`), what a file takes on the disk (`7.8 MiB on disk`), the
//!   versions of e2fsprogs and dates of yesterday and today are equal whatever they are, and so is
//!   the space before them.

/// The mask of lines and of parts of them.
pub const MASK: &str = "…";

/// Whether all that was said is what is shown.
pub fn is_shown(shown: &[String], said: &[String]) -> bool {
    let is_mask = |line: &String| line.trim() == MASK;
    fits(shown, said, is_mask, |shown, said| {
        is_line_shown(shown, said)
    })
}

/// Whether one line is shown as another: as it is, for what is masked by hand, or levelled.
pub fn is_line_shown(shown: &str, said: &str) -> bool {
    line_fits(shown, said) || line_fits(&levelled(shown), &levelled(said))
}

fn line_fits(shown: &str, said: &str) -> bool {
    let shown: Vec<char> = shown.chars().collect();
    let said: Vec<char> = said.chars().collect();
    let is_mask = |letter: &char| *letter == '…';
    fits(&shown, &said, is_mask, |shown, said| shown == said)
}

/// Whether a pattern fits a row of things, masks in it standing for any number of them.
fn fits<T>(
    pattern: &[T],
    row: &[T],
    is_mask: impl Fn(&T) -> bool,
    equal: impl Fn(&T, &T) -> bool,
) -> bool {
    // Which lengths of the row the pattern so far fits.
    let mut ends = vec![false; row.len() + 1];
    ends[0] = true;
    for part in pattern {
        let mut next = vec![false; row.len() + 1];
        if is_mask(part) {
            let from = ends.iter().position(|fits| *fits).unwrap_or(ends.len());
            next[from..].fill(true);
        } else {
            for (at, thing) in row.iter().enumerate() {
                next[at + 1] = ends[at] && equal(part, thing);
            }
        }
        ends = next;
    }
    ends[row.len()]
}

/// A line in which all that changes from run to run and from machine to machine is the same.
pub fn levelled(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let mut levelled: Vec<String> = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let next = words.get(index + 1).copied().unwrap_or_default();
        let (open, number) = word.split_at(word.len() - word.trim_start_matches('(').len());
        let unit = next.trim_end_matches([',', ')', ';', '.', ':']);
        let rest = &next[unit.len()..];
        if is_number(number) && is_time(unit) {
            levelled.push(format!("{open}TIME{rest}"));
            index += 2;
        } else if is_number(number) && unit.ends_with("/s") {
            levelled.push(format!("{open}RATE{rest}"));
            index += 2;
        } else if is_number(number) && words[index + 1..].get(1..3).is_some_and(on_disk) {
            levelled.push(format!("{open}SIZE"));
            index += 2;
        } else if word.ends_with("e2fsprogs") && next.starts_with(|l: char| l.is_ascii_digit()) {
            let digits = |letter: char| letter.is_ascii_digit() || letter == '.';
            levelled.push(format!("{word} VERSION{}", next.trim_start_matches(digits)));
            index += 2;
        } else if let Some(level) = date(word) {
            levelled.push(level);
            index += 1;
        } else {
            levelled.push((*word).to_owned());
            index += 1;
        }
    }
    if levelled.len() == words.len() && levelled.iter().eq(words.iter()) {
        return line.trim_end().to_owned();
    }
    levelled.join(" ")
}

fn on_disk(words: &[&str]) -> bool {
    words[0] == "on" && words[1].starts_with("disk")
}

fn is_number(word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_digit() || ".,".contains(letter);
    word.starts_with(|letter: char| letter.is_ascii_digit()) && word.chars().all(is_part)
}

fn is_time(unit: &str) -> bool {
    ["s", "ms", "min", "h"].contains(&unit)
}

/// A time of yesterday, of today or of tomorrow (east of here), as RFC 3339 has it or the date alone.
fn date(word: &str) -> Option<String> {
    let day = word.get(..10)?;
    let days = days_since_1970(day)?;
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs() / 86400;
    let is_near = now.abs_diff(days) <= 1;
    is_near.then(|| "DATE".to_owned())
}

fn days_since_1970(day: &str) -> Option<u64> {
    let mut parts = day.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..3000).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // Years begin with March, so that the day that some lack is their last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn masks_stand_for_lines_and_for_parts_of_them() {
        for (shown, said, fit) in [
            ("a\nb", "a\nb", true),
            ("a", "a\nb", false),
            ("a\nb", "a", false),
            ("a\n…", "a\nb\nc", true),
            ("…\nc", "a\nb\nc", true),
            ("a\n…\nc", "a\nc", true),
            ("a\n…\nd", "a\nb\nc", false),
            ("a…z", "a to z", true),
            ("a…z", "a to y", false),
            ("…", "", true),
        ] {
            assert_eq!(
                is_shown(&lines(shown), &lines(said)),
                fit,
                "{shown:?} {said:?}"
            );
        }
    }

    fn today() -> String {
        let day = std::process::Command::new("date")
            .args(["-u", "+%F"])
            .output();
        String::from_utf8(day.unwrap().stdout)
            .unwrap()
            .trim()
            .to_owned()
    }

    #[test]
    fn times_and_rates_and_what_a_disk_takes_are_equal_and_nothing_else() {
        for (shown, said, fit) in [
            (
                "hash: done, 6.4 MiB, 0.01 s",
                "hash: done, 6.4 MiB, 12.30 s",
                true,
            ),
            (
                "hash: done, 6.4 MiB, 0.01 s",
                "hash: done, 6.5 MiB, 0.01 s",
                false,
            ),
            ("took (3 s) and", "took (1.5 ms) and", true),
            ("98.2 MiB/s, 1", "1,098 KiB/s, 1", true),
            ("x (7.8 MiB on disk)", "x (8 MiB on disk)", true),
            ("x (7.8 MiB on tape)", "x (8 MiB on tape)", false),
            ("e2fsprogs 1.47.0)", "e2fsprogs 1.46.2)", true),
            ("time     0.14 s", "time    10.14 s", true),
            ("took  …", "took  3 s", true),
            ("a    b", "a b", false),
            ("3 sheets", "4 sheets", false),
            ("2023-11-14 22:13", "2023-11-15 22:13", false),
        ] {
            assert_eq!(is_line_shown(shown, said), fit, "{shown:?} {said:?}");
        }
        // A date of now under a mask, in a line whose spaces count.
        assert!(is_line_shown(
            "created  …",
            &format!("created  {}", today())
        ));
        assert!(is_line_shown(
            &format!("a {}", today()),
            &format!("a  {}", today())
        ));
        assert_eq!(days_since_1970("1970-01-01"), Some(0));
        assert_eq!(days_since_1970("2024-02-29"), Some(19_782));
        assert_eq!(days_since_1970("2024-03-01"), Some(19_783));
    }
}
