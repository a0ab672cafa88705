//! Cloudflare's own log of the same requests (Logpush, data set `http_requests`), set against the verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;

use super::Incident;
use crate::detect::Scope;
use crate::timeline::{Exchange, Peer, Time, Timeline};

/// Seconds by which the log's start of a request and its first packet may differ: the edge accepts the visitor's
/// request first, and clocks differ.
const CLOCK_S: f64 = 2.0;

/// Statuses by which Cloudflare tells of a failed origin.
const FAILED: std::ops::RangeInclusive<u16> = 520..=526;

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Ray ID, lower case, without the data centre.
    pub ray: String,
    /// `EdgeResponseStatus`.
    pub edge_status: u16,
    /// `OriginResponseStatus`; 0 where there was none.
    pub origin_status: Option<u16>,
    /// `EdgeServerIP`: the address that connects to the origin.
    pub edge: Option<IpAddr>,
    /// `EdgeStartTimestamp`.
    pub start: Option<Time>,
    /// True where the connection to the origin was reused (`OriginTCPHandshakeDurationMs` is 0).
    pub reused: Option<bool>,
}

/// The log, and what of it was seen in the capture.
#[derive(Clone, Debug, Default)]
pub struct EdgeLog {
    entries: Vec<LogEntry>,
    by_ray: BTreeMap<String, usize>,
    /// Entries whose Ray ID was in a request.
    seen: BTreeSet<usize>,
    /// Connections whose requests cannot be read, by the edge's address: from when to when.
    hidden: BTreeMap<IpAddr, Vec<(Time, Time)>>,
}

/// What the log says of the verdicts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Lines read.
    pub entries: u64,
    /// Incidents that the log knows and shows with the status that was predicted.
    pub confirmed: u64,
    /// Incidents that the log shows with another status.
    pub contradicted: Vec<Contradiction>,
    /// Failed requests of the log of which the capture holds nothing: they never came by here.
    pub unseen: Vec<LogEntry>,
}

/// One incident against one line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The incident.
    pub incident: String,
    /// Ray ID.
    pub ray: String,
    /// The status that the verdict says.
    pub predicted: u16,
    /// The status that the log says.
    pub logged: u16,
}

/// A line that is none of this log.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is no JSON object of Logpush's http_requests with RayID and EdgeResponseStatus: {reason}")]
pub struct LogError {
    line: usize,
    reason: String,
}

/// The fields that are read; others are skipped.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    #[serde(rename = "RayID")]
    ray: String,
    edge_response_status: u16,
    origin_response_status: Option<u16>,
    #[serde(rename = "EdgeServerIP")]
    edge_server: Option<String>,
    edge_start_timestamp: Option<Stamp>,
    #[serde(rename = "OriginTCPHandshakeDurationMs")]
    origin_tcp_handshake: Option<i64>,
}

/// The three forms that Logpush writes times in: `rfc3339`, `unix` and `unixnano`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stamp {
    Number(i64),
    Text(String),
}

impl Stamp {
    fn time(&self) -> Option<Time> {
        match self {
            // Seconds until the year 5138, else nanoseconds.
            Self::Number(number) if *number < 100_000_000_000 => Some(Time(number.checked_mul(1_000_000_000)?)),
            Self::Number(number) => Some(Time(*number)),
            Self::Text(text) => {
                let stamp: jiff::Timestamp = text.parse().ok()?;
                i64::try_from(stamp.as_nanosecond()).ok().map(Time)
            }
        }
    }
}

impl EdgeLog {
    /// The log in the text of a file: one JSON object a line.
    ///
    /// # Errors
    /// Where a line is none, or lacks the Ray ID or the status.
    pub fn parse(text: &[u8]) -> Result<Self, LogError> {
        let mut log = Self::default();
        for (nth, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let raw: Raw = serde_json::from_slice(line)
                .map_err(|error| LogError { line: nth.saturating_add(1), reason: error.to_string() })?;
            log.add(raw);
        }
        Ok(log)
    }

    fn add(&mut self, raw: Raw) {
        let ray = ray_id(&raw.ray);
        self.by_ray.insert(ray.clone(), self.entries.len());
        self.entries.push(LogEntry {
            ray,
            edge_status: raw.edge_response_status,
            origin_status: raw.origin_response_status,
            edge: raw.edge_server.and_then(|address| address.parse().ok()),
            start: raw.edge_start_timestamp.and_then(|stamp| stamp.time()),
            reused: raw.origin_tcp_handshake.map(|milliseconds| milliseconds == 0),
        });
    }

    /// Takes note of what the capture holds.
    pub fn see(&mut self, line: &Timeline) {
        for exchange in &line.exchanges {
            if let Some(entry) = exchange.request.ray.as_deref().and_then(|ray| self.by_ray.get(&ray_id(ray))) {
                self.seen.insert(*entry);
            }
        }
        let hidden =
            line.exchanges.is_empty() || line.exchanges.iter().any(|exchange| exchange.request.method.is_empty());
        let address = line.endpoint[Peer::Edge].address;
        if hidden && !self.entries.is_empty() {
            self.hidden.entry(address).or_default().push((line.first.time, line.last.time));
        }
    }

    /// Sets the log against the verdicts.
    #[must_use]
    pub fn compare(&self, incidents: &[Incident]) -> Comparison {
        let mut comparison = Comparison { entries: self.entries.len() as u64, ..Comparison::default() };
        let mut joined = self.seen.clone();
        for incident in incidents {
            let Some(nth) = self.line_of(incident, &joined) else { continue };
            let Some(entry) = self.entries.get(nth) else { continue };
            joined.insert(nth);
            if entry.edge_status == incident.edge_status {
                comparison.confirmed = comparison.confirmed.saturating_add(1);
            } else {
                comparison.contradicted.push(Contradiction {
                    incident: incident.id.clone(),
                    ray: entry.ray.clone(),
                    predicted: incident.edge_status,
                    logged: entry.edge_status,
                });
            }
        }
        let failed = self.entries.iter().enumerate().filter(|(_, entry)| FAILED.contains(&entry.edge_status));
        let unseen = failed.filter(|(nth, entry)| !joined.contains(nth) && !self.may_be_hidden(entry));
        comparison.unseen = unseen.map(|(_, entry)| entry.clone()).collect();
        comparison
    }

    /// The line of an incident: by its Ray ID; where that cannot be read, by the edge's address, the time and whether
    /// the connection was reused, if one failed request only fits.
    fn line_of(&self, incident: &Incident, joined: &BTreeSet<usize>) -> Option<usize> {
        let line = &incident.timeline;
        let exchange = match incident.finding.scope {
            Scope::Connection => None,
            Scope::Exchange(number) => line.exchange(number),
        };
        if let Some(ray) = exchange.and_then(|exchange| exchange.request.ray.as_deref()) {
            return self.by_ray.get(&ray_id(ray)).copied();
        }
        let address = line.endpoint[Peer::Edge].address;
        let start = exchange.map_or(line.first, |exchange| exchange.request.start.packet).time;
        let reused = exchange.is_some_and(|exchange: &Exchange| exchange.number > 1);
        let mut fitting = self.entries.iter().enumerate().filter(|(nth, entry)| {
            !joined.contains(nth)
                && entry.edge_status >= 500
                && entry.edge == Some(address)
                && entry.start.is_some_and(|logged| logged.seconds_since(start).abs() <= CLOCK_S)
                && entry.reused.is_none_or(|logged| logged == reused)
        });
        let (nth, _) = fitting.next()?;
        fitting.next().is_none().then_some(nth)
    }

    /// True where the request can lie on a connection that nobody can read.
    fn may_be_hidden(&self, entry: &LogEntry) -> bool {
        let (Some(edge), Some(start)) = (entry.edge, entry.start) else { return false };
        let connections = self.hidden.get(&edge).map(Vec::as_slice).unwrap_or_default();
        connections
            .iter()
            .any(|(first, last)| first.seconds_since(start) <= CLOCK_S && start.seconds_since(*last) <= CLOCK_S)
    }
}

fn ray_id(ray: &str) -> String {
    ray.split('-').next().unwrap_or(ray).trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_in_every_form_of_its_time() {
        for stamp in ["\"2026-11-24T00:16:18Z\"", "1795479378", "1795479378000000000"] {
            let text = format!(
                "{{\"RayID\":\"6D775DB8599953dc\",\"EdgeResponseStatus\":520,\"OriginResponseStatus\":0,\
                 \"EdgeServerIP\":\"10.13.77.129\",\"EdgeStartTimestamp\":{stamp},\
                 \"OriginTCPHandshakeDurationMs\":0,\"ClientIP\":\"192.0.2.1\"}}\n\n"
            );
            let log = EdgeLog::parse(text.as_bytes()).unwrap();
            let entry = &log.entries[0];
            assert_eq!((entry.ray.as_str(), entry.edge_status, entry.reused), ("6d775db8599953dc", 520, Some(true)));
            assert_eq!(entry.start, Some(Time(1_795_479_378_000_000_000)), "{stamp}");
        }
    }

    #[test]
    fn a_line_that_is_no_object_of_the_log_is_named() {
        let error = EdgeLog::parse(b"{\"RayID\":\"a\",\"EdgeResponseStatus\":200}\n{}\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2 is no JSON object of Logpush's http_requests"), "{error}");
    }
}
