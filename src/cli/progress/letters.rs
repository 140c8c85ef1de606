//! What may be drawn with, and how texts are made to fit in so many columns.

use unicode_width::UnicodeWidthChar;

/// What may be drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// ASCII alone: what the locale says of the terminal promises no more.
    Ascii,
    Unicode,
}

impl Letters {
    /// What turns where nothing is known but that there is work going on. The last stands still.
    pub fn spinner(self) -> &'static [&'static str] {
        match self {
            Self::Ascii => &["-", "\\", "|", "/", " "],
            Self::Unicode => &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "],
        }
    }

    /// Stands for what was left out.
    fn gap(self) -> &'static str {
        match self {
            Self::Ascii => "..",
            Self::Unicode => "…",
        }
    }

    /// A text without the letters that may not be drawn.
    pub fn only(self, text: String) -> String {
        match self {
            Self::Ascii if !text.is_ascii() => {
                let shown = |letter: char| if letter.is_ascii() { letter } else { '?' };
                text.chars().map(shown).collect()
            }
            _ => text,
        }
    }

    /// A name with no more columns: without the digest at its end, or else without its middle.
    pub fn fitted(self, name: &str, columns: usize) -> String {
        if columns_of(name) <= columns {
            return name.to_owned();
        }
        let digest = name.rsplit_once(' ');
        let digest = digest.filter(|(_, last)| last.starts_with("sha256:"));
        let name = digest.map_or(name, |(without, _)| without);
        if columns_of(name) <= columns {
            return name.to_owned();
        }
        let gap = self.gap();
        let Some(room) = columns.checked_sub(columns_of(gap) + 2) else {
            return start(name, columns).to_owned();
        };
        let head = start(name, 1 + room / 2);
        let backwards: String = name.chars().rev().collect();
        let tail = start(&backwards, 1 + room - room / 2);
        let tail: String = tail.chars().rev().collect();
        format!("{head}{gap}{tail}")
    }

    /// A text with no more columns, without its end.
    pub fn cut(self, text: &str, columns: usize) -> String {
        if columns_of(text) <= columns {
            return text.to_owned();
        }
        let gap = self.gap();
        match columns.checked_sub(columns_of(gap)) {
            Some(room) => format!("{}{gap}", start(text, room)),
            None => start(text, columns).to_owned(),
        }
    }
}

/// How many columns the letters of a text take, each by itself, as indicatif counts them.
pub fn columns_of(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// As much of the start as fits.
fn start(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += letter.width().unwrap_or(0);
        if taken > columns {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_digest_first_and_paths_their_middle() {
        let fitted = |name, columns| Letters::Unicode.fitted(name, columns);
        let layer = "layer 10 of 12 sha256:0123456789ab";
        assert_eq!(fitted(layer, 17), "layer 10 of 12");
        let path = "read /a/very/long/path/to/some/image/that/somebody/called/archive.tar";
        assert_eq!(fitted(path, 17), "read /a/…hive.tar");
        assert_eq!(fitted(path, 2), "re");
        let image = "registry.example.org/team/name:tag: layer 2 of 3 sha256:0123456789ab";
        assert_eq!(fitted(image, 17), "registry…r 2 of 3");
        assert_eq!(fitted("read the filesystem back", 14), "read t…em back");
        assert_eq!(fitted("seal", 17), "seal");
        assert_eq!(columns_of(&fitted("読む読む読む読む読む", 9)), 9);
    }
}
