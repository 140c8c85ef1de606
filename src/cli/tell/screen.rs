//! What stands at the bottom of a terminal for a while: drawn again and again, and taken away before
//! anything else is written there.
//!
//! indicatif makes these lines and could write them as well. It leaves the cursor behind the last, and goes
//! up again over as many lines as it counted for the width of that time: on a terminal that broke them since,
//! each change of its size leaves some there. And all else that is told, by whomever, comes through `tell`,
//! and takes the lines away first.

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

/// The lines that stand there now. The cursor is at the start of the first: wherever a terminal that
/// changes its size breaks or joins them, it stays there, and all that must go is behind it.
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

    /// What is to be written so that these lines stand there, fewer than the terminal has rows; empty
    /// where they do already.
    pub fn lines(&mut self, lines: Vec<String>, size: Size) -> String {
        if self.is_closed || (self.lines == lines && self.size == size) {
            return String::new();
        }
        // Cut and not broken, should the terminal have become narrower than it has said by now.
        let mut text = "\r\x1b[?7l".to_owned();
        text.push_str(&lines.join("\x1b[K\n"));
        text.push_str("\x1b[K\x1b[J\r");
        if lines.len() > 1 {
            text.push_str(&format!("\x1b[{}A", lines.len() - 1));
        }
        text.push_str("\x1b[?7h");
        (self.lines, self.size) = (lines, size);
        text
    }

    /// What is to be written so that nothing stands there any more.
    pub fn nothing_any_more(&mut self) -> &'static str {
        if self.lines.is_empty() {
            return "";
        }
        self.lines.clear();
        "\r\x1b[J"
    }

    /// The same for good: whoever draws afterwards draws nothing.
    pub fn close(&mut self) -> &'static str {
        self.is_closed = true;
        self.nothing_any_more()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn lines_are_drawn_over_those_before_and_only_where_they_or_the_terminal_differ() {
        let mut painted = Painted::nothing();
        let two = lines(&["one", "two"]);
        let drawn = "\r\x1b[?7lone\x1b[K\ntwo\x1b[K\x1b[J\r\x1b[1A\x1b[?7h";
        assert_eq!(painted.lines(two.clone(), Size::USUAL), drawn);
        assert_eq!(painted.lines(two.clone(), Size::USUAL), "");
        let narrow = Size {
            columns: 40,
            ..Size::USUAL
        };
        assert_eq!(painted.lines(two, narrow), drawn);
        let one = painted.lines(lines(&["three"]), narrow);
        assert_eq!(one, "\r\x1b[?7lthree\x1b[K\x1b[J\r\x1b[?7h");
        assert_eq!(painted.nothing_any_more(), "\r\x1b[J");
        assert_eq!(painted.nothing_any_more(), "");
    }

    #[test]
    fn nothing_is_drawn_after_the_end() {
        let mut painted = Painted::nothing();
        painted.lines(lines(&["one"]), Size::USUAL);
        assert_eq!(painted.close(), "\r\x1b[J");
        assert_eq!(painted.lines(lines(&["one"]), Size::USUAL), "");
    }
}
