//! Bytes as hexadecimal digits.

use std::fmt;

/// Bytes, shown as two lowercase digits each.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes that digits of either case stand for, two each; `None` where they are anything else.
pub fn parse_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back_as_they_went_and_signs_are_none() {
        assert_eq!(Hex(&[0, 0x7f, 0xa0, 0xff]).to_string(), "007fa0ff");
        assert_eq!(parse_hex(b"007fA0ff"), Some(vec![0, 0x7f, 0xa0, 0xff]));
        assert_eq!(parse_hex(b""), Some(vec![]));
        for wrong in [&b"0"[..], b"+1", b"0x", b" 1", b"g0"] {
            assert_eq!(parse_hex(wrong), None);
        }
    }
}
