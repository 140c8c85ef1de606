//! Numbers as tar headers and pax records spell them.

use crate::units::Timestamp;

/// A header field's number: octal digits, or base-256 where the first byte's top bit is set
/// (GNU tar, star; two's complement, so negative times are told apart). A blank field is 0, as Go
/// reads it.
///
/// `None` where it is neither, or leaves 64 bits.
pub(super) fn header_number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(field.len());
    let mut digits = field[start..].iter();
    let mut number: i64 = 0;
    for byte in digits.by_ref() {
        match byte {
            b'0'..=b'7' => {
                number = number.checked_mul(8)?.checked_add(i64::from(byte - b'0'))?;
            }
            // What follows the terminator is somebody's leftover.
            byte if blank(byte) => break,
            _ => return None,
        }
    }
    Some(number)
}

fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    // -a - 1 is !a: with the bits turned round both signs are read alike.
    let mask = if negative { 0xff } else { 0 };
    let mut number: i64 = 0;
    for (index, byte) in field.iter().enumerate() {
        let byte = (byte ^ mask) & if index == 0 { 0x7f } else { 0xff };
        number = number.checked_mul(256)?.checked_add(i64::from(byte))?;
    }
    Some(if negative { !number } else { number })
}

/// A pax record's number: decimal digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A pax record's time (POSIX, pax extended header, `mtime`): decimal seconds with an optional
/// sign and fraction. Digits beyond nanoseconds are cut off.
pub(super) fn time(text: &[u8]) -> Option<Timestamp> {
    let (negative, magnitude) = match text.strip_prefix(b"-") {
        Some(magnitude) => (true, magnitude),
        None => (false, text),
    };
    let (whole, fraction) = match magnitude.iter().position(|byte| *byte == b'.') {
        Some(point) => (&magnitude[..point], &magnitude[point + 1..]),
        None => (magnitude, &[][..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let whole = i64::try_from(decimal(whole)?).ok()?;
    let nanoseconds = (0..9).fold(0, |number: u32, place| {
        number * 10
            + fraction
                .get(place)
                .map_or(0, |digit| u32::from(digit - b'0'))
    });
    Some(match (negative, nanoseconds) {
        (false, nanoseconds) => Timestamp {
            seconds: whole,
            nanoseconds,
        },
        (true, 0) => Timestamp::from_seconds(-whole),
        // The fraction of a Timestamp counts forward from its seconds.
        (true, nanoseconds) => Timestamp {
            seconds: (-whole).checked_sub(1)?,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields_are_read_with_every_padding_seen_in_the_wild() {
        for (field, number) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"\0\x00644\0\0\0", 0o644),
            (b"644\0 9!?", 0o644),
            (b"77777777", 0o77_777_777),
            (b"        ", 0),
            (b"\0\0\0\0\0\0\0\0", 0),
        ] {
            assert_eq!(header_number(field), Some(number), "{field:?}");
        }
        for field in [&b"0000648\0"[..], b"-000644\0", b"abc", b"0x12\0"] {
            assert_eq!(header_number(field), None, "{field:?}");
        }
    }

    #[test]
    fn base_256_fields_hold_64_bits_of_either_sign_and_no_more() {
        assert_eq!(header_number(b"\x80\0\0\0\0\0\x01\x02"), Some(0x102));
        assert_eq!(header_number(&[0xff; 12]), Some(-1));
        assert_eq!(
            header_number(b"\xff\xff\xff\xff\xff\xff\xff\x00"),
            Some(-256)
        );
        let mut most = [0; 12];
        most[0] = 0x80;
        most[4..].copy_from_slice(&i64::MAX.to_be_bytes());
        assert_eq!(header_number(&most), Some(i64::MAX));
        let mut least = [0xff; 12];
        least[4..].copy_from_slice(&i64::MIN.to_be_bytes());
        assert_eq!(header_number(&least), Some(i64::MIN));
        most[4] = 0x80;
        assert_eq!(header_number(&most), None);
        least[4] = 0x7f;
        assert_eq!(header_number(&least), None);
    }

    #[test]
    fn decimals_are_digits_only() {
        assert_eq!(decimal(b"4294967295"), Some(4_294_967_295));
        for text in [
            &b""[..],
            b"+1",
            b"-1",
            b" 1",
            b"1 ",
            b"18446744073709551616",
        ] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }

    #[test]
    fn fractions_before_1970_count_forward_from_the_second_before() {
        let at = |seconds, nanoseconds| {
            Some(Timestamp {
                seconds,
                nanoseconds,
            })
        };
        assert_eq!(time(b"1350244992.023960108"), at(1_350_244_992, 23_960_108));
        assert_eq!(time(b"1.5"), at(1, 500_000_000));
        assert_eq!(time(b"1."), at(1, 0));
        assert_eq!(time(b"1.0000000019"), at(1, 1));
        assert_eq!(time(b"-1"), at(-1, 0));
        assert_eq!(time(b"-0.5"), at(-1, 500_000_000));
        assert_eq!(time(b"-1.25"), at(-2, 750_000_000));
        assert_eq!(time(b"-9223372036854775807.5"), at(i64::MIN, 500_000_000));
        for text in [
            &b""[..],
            b"-",
            b".5",
            b"1.x",
            b"1.-5",
            b"--1",
            b"9223372036854775808",
        ] {
            assert_eq!(time(text), None, "{text:?}");
        }
    }
}
