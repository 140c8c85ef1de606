//! Text in stanzas: lines of a key, a colon and a value, and empty lines between.

/// A line of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A key and its value, without white space around them.
    Field(&'a [u8], &'a [u8]),
    /// More of the value before it.
    More,
    /// Anything else.
    Other,
}

/// The stanzas of a text, each with its lines.
pub(super) fn stanzas(text: &[u8]) -> impl Iterator<Item = Vec<Line<'_>>> {
    let mut lines = text.split(|&byte| byte == b'\n');
    std::iter::from_fn(move || {
        let mut stanza = Vec::new();
        for line in lines.by_ref() {
            match line.trim_ascii().is_empty() {
                false => stanza.push(read(line)),
                true if stanza.is_empty() => {}
                true => return Some(stanza),
            }
        }
        Some(stanza).filter(|stanza| !stanza.is_empty())
    })
}

fn read(line: &[u8]) -> Line<'_> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Line::More;
    }
    match line.iter().position(|&byte| byte == b':') {
        Some(colon) if colon > 0 => {
            Line::Field(line[..colon].trim_ascii(), line[colon + 1..].trim_ascii())
        }
        _ => Line::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_parted_by_lines_without_letters_and_need_no_last_newline() {
        let text = b"\n\nA: 1\n more\nB :2\n \n\nC:\nnone\n:x";
        let found: Vec<_> = stanzas(text).collect();
        assert_eq!(
            found,
            [
                vec![Line::Field(b"A", b"1"), Line::More, Line::Field(b"B", b"2")],
                vec![Line::Field(b"C", b""), Line::Other, Line::Other],
            ]
        );
        assert_eq!(stanzas(b"").count() + stanzas(b"\n \n").count(), 0);
    }
}
