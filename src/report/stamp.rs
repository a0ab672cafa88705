//! Points in time as reports write them: RFC 3339 in UTC, with the capture's own digits.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::timeline::Time;

/// Where the clock stands that people read times by; JSON always holds UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// A time zone with its rules.
    Local(TimeZone),
}

impl Zone {
    /// Its offset from UTC at `time`.
    pub(super) fn offset(&self, time: Time) -> Option<Offset> {
        match self {
            Self::Utc => None,
            Self::Local(zone) => Some(zone.to_offset(timestamp(time))),
        }
    }
}

/// Digits behind the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 6 digits.
    Micro,
    /// 9 digits.
    Nano,
}

impl Precision {
    /// What `times` need: 9 digits for all as soon as one of them is no whole microsecond.
    #[must_use]
    pub fn of(times: impl IntoIterator<Item = Time>) -> Self {
        if times.into_iter().any(|time| time.0 % 1_000 != 0) { Self::Nano } else { Self::Micro }
    }

    /// Digits behind the second.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Micro => 6,
            Self::Nano => 9,
        }
    }
}

/// A point in time with the digits that the report gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time.
    pub time: Time,
    /// Its digits.
    pub precision: Precision,
    /// What people's clocks show beside UTC; none where they show UTC.
    pub offset: Option<Offset>,
}

impl Stamp {
    /// For people: `2026-11-23 08:59:17.785174`, in the report's time zone.
    #[must_use]
    pub fn date_and_time(self) -> String {
        let local = self.offset.unwrap_or(Offset::UTC).to_datetime(timestamp(self.time));
        let (year, month, day) = (local.year(), local.month(), local.day());
        let digits = self.precision.digits();
        let nanoseconds = format!("{:09}", self.time.0.rem_euclid(1_000_000_000));
        let fraction = nanoseconds.get(..digits).unwrap_or_default();
        let (hour, minute, second) = (local.hour(), local.minute(), local.second());
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction}")
    }

    /// For people, to the second: `2026-11-23 08:59:17`.
    #[must_use]
    pub fn to_the_second(self) -> String {
        let mut text = self.date_and_time();
        text.truncate(text.find('.').unwrap_or(text.len()));
        text
    }

    /// For people, without the date: `08:59:17`.
    #[must_use]
    pub fn time_of_day(self) -> String {
        self.to_the_second().split(' ').next_back().unwrap_or_default().to_owned()
    }

    /// The zone that people read it in: `UTC` or `+01:00`.
    #[must_use]
    pub fn zone(self) -> String {
        let Some(seconds) = self.offset.map(Offset::seconds) else { return "UTC".to_owned() };
        let sign = if seconds < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
    }
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_nanosecond(time.0.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", self.precision.digits(), timestamp(self.time))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Stamp {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A point in time in UTC (RFC 3339), with the capture's own digits: 6 or 9 behind the second.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d{6}|\d{9})Z$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_capture() {
        let stamp = |time, precision| Stamp { time: Time(time), precision, offset: None }.to_string();
        assert_eq!(stamp(1_763_888_357_785_174_000, Precision::Micro), "2025-11-23T08:59:17.785174Z");
        assert_eq!(stamp(1_763_888_357_000_000_001, Precision::Nano), "2025-11-23T08:59:17.000000001Z");
        assert_eq!(Precision::of([Time(1_000), Time(2_000)]), Precision::Micro);
        assert_eq!(Precision::of([Time(1_000), Time(2_001)]), Precision::Nano);
    }

    #[test]
    fn every_time_that_a_capture_can_hold_is_written() {
        for nanoseconds in [i64::MIN, -1, 0, i64::MAX] {
            let text = Stamp { time: Time(nanoseconds), precision: Precision::Nano, offset: None }.to_string();
            assert!(text.ends_with('Z') && text.contains('T'), "{text}");
        }
        let first = Stamp { time: Time(0), precision: Precision::Micro, offset: None };
        assert_eq!(first.date_and_time(), "1970-01-01 00:00:00.000000");
        assert_eq!(first.to_the_second(), "1970-01-01 00:00:00");
    }

    #[test]
    fn people_read_the_time_of_their_zone_and_machines_utc() {
        let zone = Zone::Local(TimeZone::fixed(Offset::from_seconds(-12_600).unwrap()));
        let time = Time(1_763_888_357_785_174_000);
        let stamp = Stamp { time, precision: Precision::Nano, offset: zone.offset(time) };
        assert_eq!(stamp.date_and_time(), "2025-11-23 05:29:17.785174000");
        assert_eq!((stamp.time_of_day(), stamp.zone()), ("05:29:17".to_owned(), "-03:30".to_owned()));
        assert_eq!(stamp.to_string(), "2025-11-23T08:59:17.785174000Z");
    }
}
