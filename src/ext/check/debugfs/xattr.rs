//! Extended attributes as debugfs prints them, `name (length) = value`: names and values in C's
//! escapes or in hexadecimal digits, whichever is the more readable.

use crate::units::{InodeNumber, parse_hex};

/// An attribute whose value may have been too long to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownAttribute {
    pub name: Vec<u8>,
    /// `None` where only the length was shown.
    pub value: Option<Vec<u8>>,
}

/// One line of an inode's list of attributes, or the answer to `ea_get`.
pub(super) fn parse(line: &[u8]) -> Option<ShownAttribute> {
    // Within a value every quote is escaped, so that the last match is the real one.
    let mut end = line.len();
    loop {
        let start = line[..end].windows(2).rposition(|pair| pair == b" (")?;
        if let Some(value) = parse_value(&line[start + 2..]) {
            return Some(ShownAttribute {
                name: unprint(&line[..start])?,
                value,
            });
        }
        end = start + 1;
    }
}

/// `length)` or `length) = value`, the value being of that length.
fn parse_value(text: &[u8]) -> Option<Option<Vec<u8>>> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (length, text) = text.split_at(digits);
    let length: usize = super::session::number(length)?;
    let text = text.strip_prefix(b")")?;
    if text.is_empty() {
        return Some((length == 0).then(Vec::new));
    }
    let text = text.strip_prefix(b" = ")?;
    let value = match text
        .strip_prefix(b"\"")
        .and_then(|text| text.strip_suffix(b"\""))
    {
        Some(quoted) => unescape(quoted)?,
        None => from_hex(text)?,
    };
    (value.len() == length).then_some(Some(value))
}

/// A name: hexadecimal where most of it is not printable. No literal name looks like that, for
/// its prefix has letters beyond `f`.
fn unprint(name: &[u8]) -> Option<Vec<u8>> {
    from_hex(name).or_else(|| unescape(name))
}

/// `xx ` for each byte.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() {
        return None;
    }
    let byte = |digits: &[u8]| parse_hex(digits.strip_suffix(b" ")?)?.pop();
    text.chunks(3).map(byte).collect()
}

/// C's escapes: `\a \b \f \n \t \v \\ \' \"` and three octal digits.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'"' {
            return None;
        }
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        bytes.push(match *rest.next()? {
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b't' => b'\t',
            b'v' => 0x0b,
            literal @ (b'\\' | b'\'' | b'"') => literal,
            high @ b'0'..=b'3' => {
                let mut octal = || rest.next().filter(|digit| (b'0'..=b'7').contains(digit));
                let (middle, low) = (octal()?, octal()?);
                (high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0')
            }
            _ => return None,
        });
    }
    Some(bytes)
}

/// The command that asks for a whole value; `None` for a name no command line can hold.
pub(super) fn get_command(inode: InodeNumber, name: &[u8]) -> Option<Vec<u8>> {
    if name.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        return None;
    }
    let mut command = format!("ea_get -x <{inode}> \"").into_bytes();
    for byte in name {
        command.push(*byte);
        if *byte == b'"' {
            command.push(b'"');
        }
    }
    command.push(b'"');
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &[u8], value: Option<&[u8]>) -> Option<ShownAttribute> {
        Some(ShownAttribute {
            name: name.to_vec(),
            value: value.map(<[u8]>::to_vec),
        })
    }

    #[test]
    fn values_are_read_in_every_form_they_are_printed_in() {
        assert_eq!(
            parse(b"user.a (4) = 00 ff 0a 62 "),
            shown(b"user.a", Some(b"\x00\xff\x0ab"))
        );
        assert_eq!(
            parse(b"user.q (8) = \"ab\\\"c\\\\d\\n\\001\""),
            shown(b"user.q", Some(b"ab\"c\\d\n\x01"))
        );
        assert_eq!(parse(b"user.x (0)"), shown(b"user.x", Some(b"")));
        assert_eq!(parse(b"user.big (300)"), shown(b"user.big", None));
    }

    #[test]
    fn names_with_spaces_brackets_and_stray_bytes_are_read_back() {
        assert_eq!(
            parse(b"75 73 65 72 2e 6e ff fe 20 77 22 71  (3) = \"abc\""),
            shown(b"user.n\xff\xfe w\"q", Some(b"abc"))
        );
        assert_eq!(
            parse(b"user.a (1) = \\\"x\\\" (5)"),
            shown(b"user.a (1) = \"x\"", None)
        );
        assert_eq!(
            parse(b"user.v (12) = \"a (1) = \\\"x\\\" \""),
            shown(b"user.v", Some(b"a (1) = \"x\" "))
        );
    }

    #[test]
    fn what_is_no_attribute_is_none() {
        for wrong in [
            &b""[..],
            b"BLOCKS:",
            b"user.a (4",
            b"user.a (4) = 00 ff 0a ",
            b"user.a (2) = \"a",
            b"user.a (1) = \"\\9\"",
        ] {
            assert_eq!(parse(wrong), None);
        }
    }

    #[test]
    fn a_name_that_would_break_the_command_line_is_never_asked_for() {
        assert_eq!(
            get_command(InodeNumber(12), b"user.a\"b").as_deref(),
            Some(&b"ea_get -x <12> \"user.a\"\"b\""[..])
        );
        assert_eq!(get_command(InodeNumber(12), b"user.a\nquit"), None);
    }
}
