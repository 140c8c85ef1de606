//! Dates as an image configuration writes them.

use crate::units::{Date, Timestamp};

/// Reads an RFC 3339 date and time, as in `2024-05-01T10:20:30.123456789+02:00`.
///
/// Digits beyond nanoseconds are cut off. `None` for anything else.
pub fn parse_created(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let (year, month_day) = date.split_once('-')?;
    let (month, day) = month_day.split_once('-')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);

    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let (time, fraction) = time
        .split_once('.')
        .map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    let (hour, minute, second) = match time.split(':').collect::<Vec<_>>()[..] {
        [hour, minute, second] => (number(hour, 2)?, number(minute, 2)?, number(second, 2)?),
        _ => return None,
    };
    let date = Date {
        year,
        month,
        day,
        hour,
        minute,
        second,
    };
    let seconds = date.seconds()?;
    Some(Timestamp {
        seconds: seconds - zone_seconds(zone)?,
        nanoseconds: fraction.map_or(Some(0), nanoseconds)?,
    })
}

/// The date that Go writes where it has none: `0001-01-01T00:00:00Z`, found in what `crane append`,
/// kaniko and bazel make.
pub const NO_DATE: Timestamp = Timestamp::from_seconds(-62_135_596_800);

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<9}").get(..9)?.parse().ok()
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_the_seconds_that_gnu_date_prints() {
        // date -u -d DATE +%s.%N
        for (text, seconds, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2024-02-29T23:59:59.5Z", 1_709_251_199, 500_000_000),
            (
                "2024-05-01T10:20:30.123456789+02:00",
                1_714_551_630,
                123_456_789,
            ),
            ("2100-03-01T00:00:00-11:30", 4_107_583_800, 0),
            ("1969-12-31T23:59:59.25Z", -1, 250_000_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            (
                "9999-12-31T23:59:59.9999999999Z",
                253_402_300_799,
                999_999_999,
            ),
            ("0000-03-01t00:00:00z", -62_162_035_200, 0),
        ] {
            let expected = Timestamp {
                seconds,
                nanoseconds,
            };
            assert_eq!(parse_created(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn go_writes_no_date_as_the_first_of_the_year_1() {
        for text in ["0001-01-01T00:00:00Z", "0001-01-01T01:00:00.000+01:00"] {
            assert_eq!(parse_created(text), Some(NO_DATE), "{text}");
        }
        assert_ne!(parse_created("0001-01-01T00:00:01Z"), Some(NO_DATE));
    }

    #[test]
    fn what_is_no_rfc_3339_date_is_none() {
        for text in [
            "",
            "2024-05-01",
            "2024-05-01 10:20:30Z",
            "2024-05-01T10:20:30",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T10:20:30.Z",
            "2024-05-01T10:20:30.1x2Z",
            "2024-05-01T10:20:30+0200",
            "2024-05-01T10:20:30Zmore",
            "+024-05-01T10:20:30Z",
            "2024-05-01T10:20:30+ä:00",
        ] {
            assert_eq!(parse_created(text), None, "{text}");
        }
    }
}
