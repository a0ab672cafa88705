//! The way through the house: packets go in, a [`Verdict`] comes out.
//!
//! Connections are judged when the capture has ended, because a verdict on one may need what all of them teach
//! (the origin's idle timeout, its usual TTL). Until then only what is not clean is kept: a healthy connection is
//! folded into the statistics as soon as it has ended.

mod session;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::capture::{LinkType, Packet};
use crate::detect::Scope;
use crate::detect::observe::{Sight, Watchers};
use crate::tcp::{Roles, Table};
use crate::timeline::{Capture, Edge, End, PacketRef, Start, Timeline, Visibility};
use crate::tls::{KeyLog, TrustAnchors};
use crate::verdict::{Verdict, judge};
use crate::wire::{Decoded, Decoder, Reason};
use session::Session;

/// Whether every connection's record is kept for the report, or only those that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Records {
    /// Only what an incident needs.
    #[default]
    OfIncidents,
    /// All of them.
    OfAll,
}

/// What an analysis goes by.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the edge puts up with.
    pub edge: Edge,
    /// Who the origin is, where the user said so.
    pub roles: Roles,
    /// TLS secrets.
    pub keys: KeyLog,
    /// Certification authorities.
    pub trust: TrustAnchors,
    /// Which records to keep.
    pub records: Records,
}

/// An analysis under way.
pub struct Analysis {
    options: Options,
    decoder: Decoder,
    /// Packets whose link type is not known, by that type.
    unknown_links: BTreeMap<LinkType, u64>,
    packets: u64,
    table: Table<Session>,
    findings: Gathered,
}

/// What ended connections leave behind.
struct Gathered {
    edge: Edge,
    records: Records,
    capture: Capture,
    watchers: Watchers,
    suspects: Vec<Rc<Timeline>>,
    kept: Vec<Rc<Timeline>>,
    exchanges: u64,
    exchanges_ok: u64,
    keys_missing: u64,
    given_up: u64,
}

impl Analysis {
    /// An analysis that has seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            decoder: Decoder::new(),
            unknown_links: BTreeMap::new(),
            packets: 0,
            table: Table::new(options.roles.clone()),
            findings: Gathered {
                edge: options.edge.clone(),
                records: options.records,
                capture: Capture::default(),
                watchers: Watchers::default(),
                suspects: Vec::new(),
                kept: Vec::new(),
                exchanges: 0,
                exchanges_ok: 0,
                keys_missing: 0,
                given_up: 0,
            },
            options,
        }
    }

    /// Takes the next packet of the merged input.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let at = PacketRef { number: packet.number, time: packet.time };
        let capture = &mut self.findings.capture;
        if self.packets == 0 {
            capture.first = packet.time;
        }
        self.packets += 1;
        capture.last = capture.last.max(packet.time);
        match self.decoder.decode(packet) {
            Decoded::Tcp(segment) => {
                let (keys, trust) = (&self.options.keys, &self.options.trust);
                let findings = &mut self.findings;
                self.table.segment(at, &segment, || Session::new(keys, trust), &mut |line| findings.end(line));
            }
            Decoded::Icmp(error) => self.table.icmp(at, &error),
            Decoded::Other(Reason::UnknownLink) => *self.unknown_links.entry(packet.link).or_default() += 1,
            Decoded::Other(_) => {}
        }
    }

    /// The link type of the packets, where not one of them could be decoded because of it.
    #[must_use]
    pub fn only_unknown_link(&self) -> Option<LinkType> {
        let unknown: u64 = self.unknown_links.values().sum();
        self.unknown_links.keys().next().copied().filter(|_| unknown == self.packets)
    }

    /// Takes TLS secrets that the capture itself holds.
    pub fn secrets(&mut self, key_log: &[u8]) {
        self.options.keys.add(key_log);
    }

    /// Judges what is left and says what was found.
    #[must_use]
    pub fn finish(self) -> Verdict {
        let connections = self.table.connections();
        let mut findings = self.findings;
        self.table.finish(&mut |line| findings.end(line));
        let mut verdict = findings.verdict(connections);
        let unknown = self.unknown_links.iter();
        verdict
            .caveats
            .extend(unknown.map(|(link, packets)| {
                format!("{packets} packets have the link type {link}, which cannot be decoded")
            }));
        verdict
    }
}

impl Gathered {
    fn end(&mut self, line: Timeline) {
        self.capture.learn(&line);
        self.exchanges += line.folded + line.exchanges.len() as u64;
        self.exchanges_ok += line.folded + line.exchanges.iter().filter(|exchange| exchange.complete()).count() as u64;
        self.keys_missing += u64::from(line.tls.as_ref().is_some_and(|tls| tls.keys_missing));
        self.given_up += u64::from(line.given_up);
        let suspect = !line.given_up && is_suspect(&line);
        if !suspect {
            self.watchers.see(&Sight { line: &line, edge: &self.edge, failed: &[] });
        }
        if !suspect && self.records == Records::OfIncidents {
            return;
        }
        let line = Rc::new(line);
        if suspect {
            self.suspects.push(Rc::clone(&line));
        }
        if self.records == Records::OfAll {
            self.kept.push(line);
        }
    }

    fn verdict(mut self, connections: u64) -> Verdict {
        let mut incidents = Vec::new();
        for line in std::mem::take(&mut self.suspects) {
            let of_line = judge(&line, &self.capture, &self.edge);
            let failed: Vec<Scope> = of_line.iter().map(|incident| incident.finding.scope).collect();
            self.watchers.see(&Sight { line: &line, edge: &self.edge, failed: &failed });
            let failed_but_complete = line.exchanges.iter().filter(|exchange| {
                exchange.complete()
                    && (failed.contains(&Scope::Exchange(exchange.number)) || failed.contains(&Scope::Connection))
            });
            self.exchanges_ok -= failed_but_complete.count() as u64;
            incidents.extend(of_line);
        }
        incidents.sort_by_key(|incident| (incident.finding.at.number, incident.finding.scope));
        self.kept.sort_by_key(|line| line.index);
        Verdict {
            observations: self.watchers.tell(&self.capture, &self.edge),
            caveats: self.caveats(),
            edge: self.edge,
            connections,
            exchanges: self.exchanges,
            exchanges_ok: self.exchanges_ok,
            incidents,
            records: self.kept,
        }
    }

    fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.keys_missing > 0 {
            caveats.push(format!("the key log holds no fitting secrets for {} TLS connections", self.keys_missing));
        }
        if self.given_up > 0 {
            caveats.push(format!("{} half-open connections were given up to bound memory", self.given_up));
        }
        caveats
    }
}

/// True where a detector could find something: anything but clean exchanges between a handshake and a close.
fn is_suspect(line: &Timeline) -> bool {
    let broken_start = matches!(line.start, Start::Refused | Start::Unanswered);
    let reset = matches!(line.end(), End::ResetByOrigin | End::ResetByEdge);
    let forged = line.closes().count() > 2;
    let exchanges =
        line.exchanges.iter().any(|exchange| !exchange.clean() && exchange.visibility != Visibility::Obscured);
    let coded = line.exchanges.last().and_then(|last| last.response.as_ref());
    let coded = coded.is_some_and(|response| matches!(response.coding, crate::timeline::Coding::Broken { .. }));
    let tls = line.tls.as_ref().is_some_and(|tls| {
        tls.alerts.iter().any(|alert| alert.description.is_none_or(|d| !d.is_close()))
            || tls.not_tls.is_some()
            || (tls.handshake_done.is_none() && !tls.joined_late)
    });
    let h2 = line.h2.as_ref().is_some_and(|h2| {
        !h2.deviations.is_empty() || h2.spoken_instead.is_some() || !h2.resets.is_empty() || !h2.goaways.is_empty()
    });
    let large = line.exchanges.iter().filter_map(|exchange| exchange.response.as_ref());
    let large = large.map(|response| response.head_bytes.max(response.largest_field)).max();
    broken_start
        || reset
        || forged
        || exchanges
        || coded
        || tls
        || h2
        || large.is_some_and(|bytes| bytes > 8 * 1024)
        || !line.unsolicited.is_empty()
        || !line.unreachable.is_empty()
        || line.direction.edge.stuck.is_some()
        || line.direction.origin.stuck.is_some()
}
