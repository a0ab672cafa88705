//! What many incidents have in common: one short sentence with its numbers for each trait that sets them apart from
//! the traffic that went well.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::Incident;
use crate::detect::span;
use crate::timeline::{Capture, Edge, Endpoint, Exchange, Peer, RstSender, Timeline};

/// Fewer incidents than this are no pattern.
const LEAST: usize = 5;

/// Share of the incidents that a trait must cover, in percent.
const MOSTLY: usize = 90;

/// Largest share of all exchanges, in percent, that may have a trait which is to set the failed ones apart.
const COMMON: u64 = 60;

/// Prefixes of targets that are counted; the traffic beyond them counts as one more.
const PATHS: usize = 1024;

/// Servers that are counted.
const SERVERS: usize = 4096;

/// Bytes from which a response counts as large.
const LARGE: u64 = 64 * 1024;

/// Something that several incidents share.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Stable kebab-case id.
    pub kind: &'static str,
    /// One sentence with its numbers.
    pub summary: String,
    /// Incidents that show it.
    pub incidents: u64,
}

/// Traits of all traffic, so that those of the failures can be set against them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Census {
    exchanges: u64,
    servers: HashMap<Endpoint, u64, RandomState>,
    paths: HashMap<String, u64, RandomState>,
    /// By the hour of the day, UTC.
    hours: [u64; 24],
    large: u64,
}

impl Census {
    /// Counts the exchanges of a connection.
    pub fn count(&mut self, line: &Timeline) {
        let all = line.folded.saturating_add(line.exchanges.len() as u64);
        self.exchanges = self.exchanges.saturating_add(all);
        if let Some(count) = self.servers.get_mut(&line.endpoint.origin) {
            *count = count.saturating_add(all.max(1));
        } else if self.servers.len() < SERVERS {
            self.servers.insert(line.endpoint.origin, all.max(1));
        }
        if let Some(count) = self.hours.get_mut(hour(line)) {
            *count = count.saturating_add(all.max(1));
        }
        for exchange in &line.exchanges {
            self.large = self.large.saturating_add(u64::from(is_large(exchange)));
            let prefix = prefix(&exchange.request.target);
            if let Some(count) = self.paths.get_mut(prefix) {
                *count = count.saturating_add(1);
            } else if self.paths.len() < PATHS {
                self.paths.insert(prefix.to_owned(), 1);
            }
        }
    }
}

/// Every pattern of the incidents, cause by cause.
#[must_use]
pub fn patterns(incidents: &[Incident], census: &Census, capture: &Capture, edge: &Edge) -> Vec<Pattern> {
    let mut by_cause: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        by_cause.entry(incident.finding.cause.0).or_default().push(incident);
    }
    let mut found = Vec::new();
    for (cause, group) in by_cause.into_iter().filter(|(_, group)| group.len() >= LEAST) {
        let of = Group { cause, incidents: group, census };
        found.extend(of.idle_timeout(capture, edge));
        found.extend(of.foreign_ttl(capture));
        found.extend(of.server());
        found.extend(of.path());
        found.extend(of.size());
        found.extend(of.hour());
        found.extend(of.certificate());
    }
    found
}

/// The incidents of one cause.
struct Group<'a> {
    cause: &'a str,
    incidents: Vec<&'a Incident>,
    census: &'a Census,
}

impl Group<'_> {
    /// How long the origin keeps idle connections, and how near to that the failed requests came.
    fn idle_timeout(&self, capture: &Capture, edge: &Edge) -> Option<Pattern> {
        if self.cause != "keepalive-race" {
            return None;
        }
        let server = self.shared(|incident| Some(incident.timeline.endpoint.origin))?;
        let origin = capture.origins.get(&server.value)?;
        let seconds = origin.idle_timeout_s()?;
        let mut closes: Vec<i64> = origin.separate_closes().map(|close| close.idle_ns).collect();
        closes.sort_unstable();
        let (least, most) = (closes.first()?, closes.last()?);
        let text = format!(
            "{}: {} closed {} idle connections after {} to {}, the median is {seconds:.3} s; the edge keeps them for {} s.",
            self.name(server.incidents),
            server.value,
            closes.len(),
            span(*least),
            span(*most),
            edge.idle_timeout_s,
        );
        Some(self.pattern("idle-timeout", server.incidents, text))
    }

    /// Resets that carry one TTL, and not the one of the peer that they name.
    fn foreign_ttl(&self, capture: &Capture) -> Option<Pattern> {
        let ttl = self.shared(|incident| {
            let rsts = &incident.timeline.direction[Peer::Origin].rsts;
            rsts.iter().find(|rst| rst.sender == RstSender::Middlebox).map(|rst| rst.ttl)
        })?;
        let own = self.incidents.iter().find_map(|incident| {
            let line = &incident.timeline;
            line.direction.origin.ttl.or(capture.origins.get(&line.endpoint.origin)?.ttl)
        })?;
        (own != ttl.value).then_some(())?;
        let (times, ttl) = (ttl.incidents, ttl.value);
        let text =
            format!("{}: the resets came with TTL {ttl}; the origin's own packets have {own}.", self.name(times));
        Some(self.pattern("one-reset-ttl", times, text))
    }

    fn server(&self) -> Option<Pattern> {
        let server = self.shared(|incident| Some(incident.timeline.endpoint.origin))?;
        let (own, all) = (self.census.servers.get(&server.value)?, self.census.servers.values().sum());
        let text =
            format!("{} went to {}, which served {own} of {all} exchanges.", self.name(server.incidents), server.value);
        apart(*own, all).then(|| self.pattern("one-server", server.incidents, text))
    }

    /// A common beginning of the targets that fail, as far as it sets them apart.
    fn path(&self) -> Option<Pattern> {
        let failed = |incident: &&Incident| exchange(incident).map(|exchange| exchange.request.target.clone());
        let targets: Vec<String> = self.incidents.iter().filter_map(failed).filter(|it| !it.is_empty()).collect();
        if targets.len() < self.incidents.len() {
            return None;
        }
        let first = targets.first()?;
        let alike = |other: &String| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let len = targets.iter().map(alike).min()?;
        // A path ends with a segment, and a query is not told.
        let common = first.get(..len)?.split(['?', '#']).next()?;
        let whole = targets.iter().all(|target| target.split(['?', '#']).next() == Some(common));
        let common = if whole { common } else { common.rsplit_once('/').map(|(path, _)| path)? };
        let count = *self.census.paths.get(prefix(common))?;
        let text = format!(
            "{} are for {common}{}; {count} of {} exchanges are for {}.",
            self.name(targets.len()),
            if whole { "" } else { "/…" },
            self.census.exchanges,
            prefix(common),
        );
        (common.len() > 1 && apart(count, self.census.exchanges)).then(|| self.pattern("one-path", targets.len(), text))
    }

    /// Only large responses fail.
    fn size(&self) -> Option<Pattern> {
        let large = self.shared(|incident| exchange(incident).map(is_large))?;
        let text = format!(
            "{} had more than {} KiB of response body; {} of {} exchanges have.",
            self.name(large.incidents),
            LARGE / 1024,
            self.census.large,
            self.census.exchanges,
        );
        (large.value && apart(self.census.large, self.census.exchanges))
            .then(|| self.pattern("large-responses", large.incidents, text))
    }

    fn hour(&self) -> Option<Pattern> {
        let hour = self.shared(|incident| Some(hour(&incident.timeline)))?;
        let (own, all) = (*self.census.hours.get(hour.value)?, self.census.hours.iter().sum());
        let text = format!(
            "{} began between {:02}:00 and {:02}:00 UTC, as {own} of {all} exchanges did.",
            self.name(hour.incidents),
            hour.value,
            (hour.value.saturating_add(1)) % 24,
        );
        apart(own, all).then(|| self.pattern("one-hour", hour.incidents, text))
    }

    fn certificate(&self) -> Option<Pattern> {
        let subject = self.shared(|incident| {
            let tls = incident.timeline.tls.as_ref()?;
            tls.certificates.first().map(|leaf| (leaf.subject.clone(), leaf.not_after))
        })?;
        let mut servers = self.incidents.iter().map(|incident| incident.timeline.endpoint.origin);
        let first = servers.next()?;
        let several = servers.any(|server| server != first);
        let (name, until) = &subject.value;
        let text = format!(
            "{} were shown the certificate of {name}, valid until {}.",
            self.name(subject.incidents),
            until.date()
        );
        several.then(|| self.pattern("one-certificate", subject.incidents, text))
    }

    /// The value of a trait that most of the incidents share.
    fn shared<T: Ord>(&self, of: impl Fn(&Incident) -> Option<T>) -> Option<Shared<T>> {
        let mut counts: BTreeMap<T, usize> = BTreeMap::new();
        for value in self.incidents.iter().filter_map(|incident| of(incident)) {
            let number = counts.entry(value).or_default();
            *number = number.saturating_add(1);
        }
        let (value, incidents) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (incidents.saturating_mul(100) >= self.incidents.len().saturating_mul(MOSTLY))
            .then_some(Shared { value, incidents })
    }

    /// "All 14 keepalive-race incidents", "13 of 14 keepalive-race incidents".
    fn name(&self, incidents: usize) -> String {
        match self.incidents.len() {
            all if all == incidents => format!("All {all} {} incidents", self.cause),
            all => format!("{incidents} of {all} {} incidents", self.cause),
        }
    }

    fn pattern(&self, kind: &'static str, incidents: usize, summary: String) -> Pattern {
        Pattern { kind, summary, incidents: incidents as u64 }
    }
}

/// A value and how many incidents have it.
struct Shared<T> {
    value: T,
    incidents: usize,
}

/// True where a trait is rare enough among all exchanges to say something of those that failed.
fn apart(own: u64, all: u64) -> bool {
    own.saturating_mul(100) <= all.saturating_mul(COMMON)
}

fn exchange(incident: &Incident) -> Option<&Exchange> {
    match incident.finding.scope {
        crate::detect::Scope::Connection => None,
        crate::detect::Scope::Exchange(number) => incident.timeline.exchange(number),
    }
}

fn is_large(exchange: &Exchange) -> bool {
    exchange.response.as_ref().is_some_and(|response| response.body_bytes > LARGE)
}

/// The first segment of a target: `/api` of `/api/cart?x=1`.
fn prefix(target: &str) -> &str {
    let ends = |(at, byte)| matches!(byte, b'?' | b'#') || byte == b'/' && at > 0;
    target.bytes().enumerate().position(ends).and_then(|end| target.get(..end)).unwrap_or(target)
}

/// Hour of the day, UTC, in which a connection began.
fn hour(line: &Timeline) -> usize {
    line.first.time.0.div_euclid(3_600_000_000_000).rem_euclid(24) as usize
}
