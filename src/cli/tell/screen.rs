//! What stands at the bottom of a terminal for a while: drawn again and again, and taken away before
//! anything else is written there.

use unicode_width::UnicodeWidthStr;

/// How much a terminal shows, in letters and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Letters of a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

impl Size {
    /// Of a terminal that does not say so.
    pub const USUAL: Self = Self {
        columns: 80,
        rows: 24,
    };
}

/// The lines that stand there now. The cursor is at the start of the last.
#[derive(Debug)]
pub struct Painted {
    lines: Vec<String>,
    size: Size,
    is_closed: bool,
}

impl Painted {
    /// Nothing yet.
    pub const fn nothing() -> Self {
        Self {
            lines: Vec::new(),
            size: Size::USUAL,
            is_closed: false,
        }
    }

    /// What is to be written so that these lines stand there, each shorter than the terminal is wide,
    /// and all fewer than it has rows; empty where they do already.
    pub fn lines(&mut self, lines: Vec<String>, size: Size) -> String {
        if self.is_closed || (self.lines == lines && self.size == size) {
            return String::new();
        }
        let mut text = self.way_back(size);
        for (number, line) in lines.iter().enumerate() {
            text.push_str(if number > 0 { "\n" } else { "" });
            text.push_str(line);
            text.push_str("\x1b[K");
        }
        text.push_str("\x1b[J\r");
        (self.lines, self.size) = (lines, size);
        text
    }

    /// What is to be written so that nothing stands there any more.
    pub fn nothing_any_more(&mut self, size: Size) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let text = format!("{}\x1b[J", self.way_back(size));
        self.lines.clear();
        text
    }

    /// The same for good: whoever draws afterwards draws nothing.
    pub fn close(&mut self, size: Size) -> String {
        self.is_closed = true;
        self.nothing_any_more(size)
    }

    /// Leads to the first letter. A terminal that has become narrower has broken each line that it
    /// had no more room for into several, and taken the cursor along with the letter it stood on.
    fn way_back(&self, size: Size) -> String {
        let above = self.lines.split_last().map_or(&[][..], |(_, above)| above);
        let rows = |line: &String| line.width().div_ceil(size.columns.max(1)).max(1);
        match above.iter().map(rows).sum() {
            0 => "\r".to_owned(),
            rows => format!("\r\x1b[{}A", usize::min(rows, size.rows)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(columns: usize) -> Size {
        Size { columns, rows: 24 }
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn lines_are_drawn_over_those_before_and_only_where_they_differ() {
        let mut painted = Painted::nothing();
        let two = lines(&["one", "two"]);
        assert_eq!(
            painted.lines(two.clone(), size(80)),
            "\rone\x1b[K\ntwo\x1b[K\x1b[J\r"
        );
        assert_eq!(painted.lines(two, size(80)), "");
        let one = lines(&["three"]);
        assert_eq!(painted.lines(one, size(80)), "\r\x1b[1Athree\x1b[K\x1b[J\r");
        assert_eq!(painted.nothing_any_more(size(80)), "\r\x1b[J");
        assert_eq!(painted.nothing_any_more(size(80)), "");
    }

    #[test]
    fn lines_that_a_narrower_terminal_has_broken_are_taken_away_whole() {
        let mut painted = Painted::nothing();
        let long = "x".repeat(79);
        painted.lines(vec![long.clone(), "é".repeat(41), long], size(80));
        // Two rows of the first line and two of the second; the cursor is in the first of the third.
        assert_eq!(painted.nothing_any_more(size(40)), "\r\x1b[4A\x1b[J");
    }

    #[test]
    fn nothing_is_drawn_after_the_end() {
        let mut painted = Painted::nothing();
        painted.lines(lines(&["one"]), size(80));
        assert_eq!(painted.close(size(80)), "\r\x1b[J");
        assert_eq!(painted.lines(lines(&["one"]), size(80)), "");
    }
}
