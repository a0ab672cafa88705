//! Points in time as reports write them: RFC 3339 in UTC, with the capture's own digits.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::timeline::Time;

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
}

/// A point in time with the digits that the report gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time.
    pub time: Time,
    /// Its digits.
    pub precision: Precision,
}

impl Stamp {
    /// For people: `2026-11-23 08:59:17.785174`.
    #[must_use]
    pub fn date_and_time(self) -> String {
        self.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
    }

    /// For people, to the second: `2026-11-23 08:59:17`.
    #[must_use]
    pub fn to_the_second(self) -> String {
        let mut text = self.date_and_time();
        text.truncate(text.find('.').unwrap_or(text.len()));
        text
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = jiff::Timestamp::from_nanosecond(self.time.0.into()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        match self.precision {
            Precision::Micro => write!(f, "{timestamp:.6}"),
            Precision::Nano => write!(f, "{timestamp:.9}"),
        }
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
        let stamp = |time, precision| Stamp { time: Time(time), precision }.to_string();
        assert_eq!(stamp(1_763_888_357_785_174_000, Precision::Micro), "2025-11-23T08:59:17.785174Z");
        assert_eq!(stamp(1_763_888_357_000_000_001, Precision::Nano), "2025-11-23T08:59:17.000000001Z");
        assert_eq!(Precision::of([Time(1_000), Time(2_000)]), Precision::Micro);
        assert_eq!(Precision::of([Time(1_000), Time(2_001)]), Precision::Nano);
    }

    #[test]
    fn every_time_that_a_capture_can_hold_is_written() {
        for nanoseconds in [i64::MIN, -1, 0, i64::MAX] {
            let text = Stamp { time: Time(nanoseconds), precision: Precision::Nano }.to_string();
            assert!(text.ends_with('Z') && text.contains('T'), "{text}");
        }
        let first = Stamp { time: Time(0), precision: Precision::Micro };
        assert_eq!(first.date_and_time(), "1970-01-01 00:00:00.000000");
        assert_eq!(first.to_the_second(), "1970-01-01 00:00:00");
    }
}
