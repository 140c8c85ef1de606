//! Dates of the (proleptic) Gregorian calendar, in UTC.

use std::fmt;

use super::Timestamp;

const DAY_SECONDS: i64 = 86_400;
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;

/// A date and time of day; shown as `2024-05-01T10:20:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// The year, 0 being the one before the year 1.
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59: there are no leap seconds.
    pub second: i64,
}

// Counted in eras of 400 years from a first of March, so that leap days come last.
impl Date {
    /// The date so many seconds after 1970 began.
    pub fn of(seconds: i64) -> Self {
        let (days, rest) = (
            seconds.div_euclid(DAY_SECONDS),
            seconds.rem_euclid(DAY_SECONDS),
        );
        let days = days + DAYS_BEFORE_1970;
        let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let of_year = day - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year + i64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// Seconds from 1970 to this date, of a year of four digits; `None` where there is no such date.
    pub fn seconds(self) -> Option<i64> {
        let year = self.year - i64::from(self.month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        let seconds = (days - DAYS_BEFORE_1970) * DAY_SECONDS
            + self.hour * 3600
            + self.minute * 60
            + self.second;
        // The 30th of February would come back as another day.
        (Self::of(seconds) == self).then_some(seconds)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.year, self.month, self.day);
        let (hour, minute, second) = (self.hour, self.minute, self.second);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// A time as RFC 3339 writes it, in UTC, with nanoseconds where there are any:
/// `2024-05-01T10:20:30.000000001Z`.
pub fn rfc3339(time: Timestamp) -> String {
    let date = Date::of(time.seconds);
    match time.nanoseconds {
        0 => format!("{date}Z"),
        nanoseconds => format!("{date}.{nanoseconds:09}Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_gnu_date_and_come_back_as_the_seconds_they_were_made_of() {
        // date -u -d @SECONDS +%Y-%m-%dT%H:%M:%S
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_714_558_830, "2024-05-01T10:20:30"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            // The first and the last second of an inode.
            (-2_147_483_648, "1901-12-13T20:45:52"),
            (15_032_385_535, "2446-05-10T22:38:55"),
            (-62_135_596_800, "0001-01-01T00:00:00"),
            (-62_162_035_200, "0000-03-01T00:00:00"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ] {
            assert_eq!(Date::of(seconds).to_string(), text);
            assert_eq!(Date::of(seconds).seconds(), Some(seconds));
        }
        for day in -100_000..200_000 {
            let seconds = day * DAY_SECONDS + 1;
            assert_eq!(Date::of(seconds).seconds(), Some(seconds));
        }
    }

    #[test]
    fn days_that_are_in_no_calendar_have_no_seconds() {
        let date = |month, day, hour| Date {
            year: 2023,
            month,
            day,
            hour,
            ..Date::of(0)
        };
        for (month, day, hour) in [
            (0, 1, 0),
            (13, 1, 0),
            (2, 29, 0),
            (4, 31, 0),
            (1, 0, 0),
            (1, 1, 24),
        ] {
            assert_eq!(date(month, day, hour).seconds(), None);
        }
        assert!(date(2, 28, 23).seconds().is_some());
    }
}
