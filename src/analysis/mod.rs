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
use crate::tcp::{self, MaxMemory, Roles, Table};
use crate::timeline::{Capture, Direction, Edge, End, Exchange, HalfOpen, PacketRef, Start, Timeline, Visibility};
use crate::tls::{KeyLog, TrustAnchors};
use crate::verdict::{
    Census, Chains, EdgeLog, Incident, Verdict, failed_unnoticed, judge, patterns, proxy_behind, settle,
};
use crate::wire::{Decoded, Decoder, Reason};
use session::Session;

/// Whether every connection's record is kept for the report, or only those that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Records {
    /// Only what an incident needs.
    #[default]
    OfIncidents,
    /// All of them.
    OfAll,
    /// Those that carried the request with this Ray ID.
    OfRay(String),
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
    /// The edge's own log of the same requests.
    pub edge_log: Option<EdgeLog>,
    /// What all connections together may take.
    pub max_memory: MaxMemory,
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
    /// Connections on which all went well but for answers of a gateway that failed behind them.
    gateways: Vec<Rc<Timeline>>,
    census: Census,
    edge_log: Option<EdgeLog>,
    kept: Vec<Rc<Timeline>>,
    exchanges: u64,
    exchanges_ok: u64,
    keys_missing: u64,
    half_open_given_up: u64,
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
            table: Table::new(options.roles.clone(), options.max_memory),
            findings: Gathered {
                edge: options.edge.clone(),
                records: options.records.clone(),
                edge_log: options.edge_log.clone(),
                census: Census::default(),
                gateways: Vec::new(),
                capture: Capture::default(),
                watchers: Watchers::default(),
                suspects: Vec::new(),
                kept: Vec::new(),
                exchanges: 0,
                exchanges_ok: 0,
                keys_missing: 0,
                half_open_given_up: 0,
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
        self.packets = self.packets.saturating_add(1);
        capture.last = capture.last.max(packet.time);
        match &self.decoder.decode(packet) {
            Decoded::Tcp(segment) => {
                let (keys, trust) = (&self.options.keys, &self.options.trust);
                self.table.segment(at, segment, || Session::new(keys, trust), &mut self.findings);
            }
            Decoded::Icmp(error) => {
                let (keys, trust) = (&self.options.keys, &self.options.trust);
                self.table.icmp(at, error, || Session::new(keys, trust));
            }
            Decoded::Other(Reason::UnknownLink) => {
                let packets = self.unknown_links.entry(packet.link).or_default();
                *packets = packets.saturating_add(1);
            }
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
        let (keys, trust) = (&self.options.keys, &self.options.trust);
        self.table.finish(|| Session::new(keys, trust), &mut findings);
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

impl tcp::Records for Gathered {
    fn ended(&mut self, line: Timeline) {
        self.capture.learn(&line);
        self.exchanges = self.exchanges.saturating_add(line.folded).saturating_add(line.exchanges.len() as u64);
        let complete = line.exchanges.iter().filter(|exchange| exchange.complete()).count() as u64;
        self.exchanges_ok = self.exchanges_ok.saturating_add(line.folded).saturating_add(complete);
        self.keys_missing =
            self.keys_missing.saturating_add(u64::from(line.tls.as_ref().is_some_and(|tls| tls.keys_missing)));
        let given_up = match line.start {
            Start::Unanswered => &mut self.half_open_given_up,
            Start::Handshake | Start::MidStream | Start::Refused => &mut self.given_up,
        };
        *given_up = given_up.saturating_add(line.given_up.into());
        let suspect = !line.given_up && is_suspect(&line);
        let gateway = !suspect && self.gateways.len() < GATEWAYS && line.exchanges.iter().any(is_gateway_error);
        self.census.count(&line);
        if let Some(log) = &mut self.edge_log {
            log.see(&line);
        }
        if !suspect && !gateway {
            self.watchers.see(&Sight { line: &line, edge: &self.edge, failed: &[] });
        }
        let kept = match &self.records {
            Records::OfIncidents => false,
            Records::OfAll => true,
            Records::OfRay(ray) => line.exchanges.iter().any(|exchange| exchange.request.has_ray(ray)),
        };
        if !suspect && !gateway && !kept {
            return;
        }
        let line = Rc::new(line);
        if suspect {
            self.suspects.push(Rc::clone(&line));
        }
        if gateway {
            self.gateways.push(Rc::clone(&line));
        }
        if kept {
            self.kept.push(line);
        }
    }

    fn given_up(&mut self, half_open: &HalfOpen) -> bool {
        if self.records == Records::OfAll {
            return false;
        }
        self.half_open_given_up = self.half_open_given_up.saturating_add(1);
        self.capture.learn_half_open(half_open);
        true
    }
}

impl Gathered {
    fn verdict(mut self, connections: u64) -> Verdict {
        let suspects = std::mem::take(&mut self.suspects);
        let gateways = std::mem::take(&mut self.gateways);
        let judged: Vec<Incident> = suspects.iter().flat_map(|line| judge(line, &self.capture, &self.edge)).collect();
        let (mut incidents, failed) = self.settled(judged, suspects.iter().chain(&gateways));
        let none = Vec::new();
        for line in suspects.iter().chain(&gateways) {
            let failed = failed.get(&line.index).unwrap_or(&none);
            self.watchers.see(&Sight { line, edge: &self.edge, failed });
            let failed_but_complete = line.exchanges.iter().filter(|exchange| {
                exchange.complete()
                    && (failed.contains(&Scope::Exchange(exchange.number)) || failed.contains(&Scope::Connection))
            });
            self.exchanges_ok = self.exchanges_ok.saturating_sub(failed_but_complete.count() as u64);
        }
        incidents.sort_by_key(|incident| (incident.finding.at.number, incident.finding.scope));
        self.kept.sort_by_key(|line| line.index);
        Verdict {
            observations: self.watchers.tell(&self.capture, &self.edge),
            patterns: patterns(&incidents, &self.census, &self.capture, &self.edge),
            edge_log: self.edge_log.as_ref().map(|log| log.compare(&incidents)),
            caveats: self.caveats(),
            edge: self.edge,
            connections,
            exchanges: self.exchanges,
            exchanges_ok: self.exchanges_ok,
            incidents,
            records: self.kept,
        }
    }

    /// One incident for each failed request, and what failed of each connection: on every hop of a proxy chain, though
    /// its incident points at one.
    fn settled<'a>(
        &self,
        mut incidents: Vec<Incident>,
        lines: impl Iterator<Item = &'a Rc<Timeline>>,
    ) -> (Vec<Incident>, BTreeMap<u32, Vec<Scope>>) {
        let chains = Chains::new(lines);
        let strict = proxy_behind(&self.edge);
        for leg in failed_unnoticed(&chains, &incidents) {
            let of_line = judge(&leg.line, &self.capture, &strict);
            incidents.extend(of_line.into_iter().find(|incident| incident.finding.scope == leg.scope));
        }
        let mut failed: BTreeMap<u32, Vec<Scope>> = BTreeMap::new();
        for incident in &incidents {
            failed.entry(incident.timeline.index).or_default().push(incident.finding.scope);
        }
        let incidents = settle(&chains, incidents);
        for hop in incidents.iter().flat_map(|incident| &incident.hops) {
            failed.entry(hop.line.index).or_default().push(hop.scope);
        }
        (incidents, failed)
    }

    fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.keys_missing > 0 {
            caveats.push(format!("the key log holds no fitting secrets for {} TLS connections", self.keys_missing));
        }
        if self.half_open_given_up > 0 {
            caveats.push(format!("{} half-open connections were given up to bound memory", self.half_open_given_up));
        }
        if self.given_up > 0 {
            caveats.push(format!(
                "{} open connections that had been silent for longest were given up to bound memory: nothing is said \
                 of them (--max-memory)",
                self.given_up
            ));
        }
        caveats
    }
}

/// Connections with answers of a gateway that are kept until the capture has ended.
const GATEWAYS: usize = 4096;

/// An answer by which a proxy tells that the server behind it failed.
fn is_gateway_error(exchange: &Exchange) -> bool {
    let status = exchange.response.as_ref().and_then(|response| response.status);
    status.is_some_and(|status| (502..=504).contains(&status))
}

/// True where a detector could find something: anything but clean exchanges between a handshake and a close.
fn is_suspect(line: &Timeline) -> bool {
    let broken_start = matches!(line.start, Start::Refused | Start::Unanswered);
    let reset = matches!(line.end(), End::ResetByOrigin | End::ResetByEdge);
    let closes = |direction: &Direction| direction.fins.len().saturating_add(direction.rsts.len());
    let forged = closes(&line.direction.edge).saturating_add(closes(&line.direction.origin)) > 2;
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
