//! The two encodings that pax keywords and values come in.

use crate::units::parse_hex;

/// Base64 (RFC 4648), with or without the `=` at its end: libarchive leaves it out.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |at| at + 1);
    if text.len() - end > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(end / 4 * 3 + 2);
    for group in text[..end].chunks(4) {
        let mut bits: u32 = 0;
        for byte in group {
            bits = bits << 6 | sextet(*byte)?;
        }
        bits <<= 6 * (4 - group.len());
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// Turns those `%XX` back for which `accept` holds; what else there is stays as it stands.
pub(super) fn percent(text: &[u8], accept: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let decoded = (*first == b'%')
            .then(|| parse_hex(after.get(..2)?)?.pop())
            .flatten()
            .filter(|byte| accept(*byte));
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_with_and_without_its_padding() {
        for (text, bytes) in [
            (&b""[..], &b""[..]),
            (b"Zg==", b"f"),
            (b"Zg", b"f"),
            (b"Zm8=", b"fo"),
            (b"Zm8", b"fo"),
            (b"Zm9v", b"foo"),
            (b"AAECAwQF/+8=", b"\0\x01\x02\x03\x04\x05\xff\xef"),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes), "{text:?}");
        }
        for text in [&b"Z"[..], b"Zm9vY", b"Zm9v====", b"Z=9v", b"Zm 9", b"Zm-_"] {
            assert_eq!(base64(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_whole_and_accepted_escapes_are_turned_back() {
        assert_eq!(
            percent(b"a%3Db%25%3d%20%", |byte| byte != b' '),
            b"a=b%=%20%"
        );
        assert_eq!(percent(b"%zz%+1%4", |_| true), b"%zz%+1%4");
    }
}
