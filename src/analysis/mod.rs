//! The way through the house: packets go in, a [`Verdict`] comes out.
//!
//! A connection is judged when it has ended. Where its verdict asks for what all connections teach (the origin's idle
//! timeout, its usual TTL), the last word is said when the capture has ended. Until then only what is not clean is kept:
//! a healthy connection is folded into the statistics as soon as it has ended. Who cannot wait has connections judged
//! while they are open, by what is known then: [`Judging::AsDecided`].

mod gathered;
mod proxy_header;
mod session;

use std::collections::BTreeMap;

use crate::capture::{LinkType, Packet};
use crate::tcp::{MaxMemory, Roles, Table, Watch};
use crate::timeline::{Edge, Time};
use crate::tls::{KeyLog, TrustAnchors};
use crate::verdict::{EdgeLog, Incident, Verdict};
use crate::wire::{self, Decoded, Decoder, Reason};
use gathered::Gathered;
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

/// When a verdict is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judging {
    /// With everything that the capture teaches.
    #[default]
    WithHindsight,
    /// As soon as what was seen decides it, for who cannot wait for an end. Memory is bounded: so many connections are
    /// kept at one time, and of the incidents the latest.
    AsDecided {
        /// Connections that are kept.
        connections: usize,
    },
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
    /// When verdicts are given.
    pub judging: Judging,
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
    /// Time at which open connections were last looked at.
    looked: Time,
}

/// How far an analysis has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Packets taken.
    pub packets: u64,
    /// Connections seen.
    pub connections: u64,
    /// Connections that are open.
    pub open: u64,
    /// Exchanges of connections that have ended.
    pub exchanges: u64,
    /// Those of them that were complete and clean.
    pub exchanges_ok: u64,
    /// Connections that were given up to bound memory, those that were only being opened among them.
    pub given_up: u64,
}

impl Analysis {
    /// An analysis that has seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let roles = options.roles.clone();
        let table = match options.judging {
            Judging::WithHindsight => Table::new(roles, options.max_memory),
            Judging::AsDecided { connections } => {
                let connect_ns = (options.edge.connect_timeout_s * 1e9) as i64;
                Table::watching(roles, options.max_memory, Watch { connect_ns, limit: connections })
            }
        };
        Self {
            decoder: Decoder::new(),
            unknown_links: BTreeMap::new(),
            packets: 0,
            table,
            findings: Gathered::new(&options),
            looked: Time::default(),
            options,
        }
    }

    /// Takes the next packet of the merged input.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let at = packet.reference();
        let capture = self.findings.capture();
        if self.packets == 0 {
            capture.first = packet.time;
        }
        self.packets = self.packets.saturating_add(1);
        capture.last = capture.last.max(packet.time);
        let Self { options, decoder, unknown_links, table, findings, .. } = self;
        let app = || Session::new(&options.keys, &options.trust);
        match wire::plain(packet) {
            Some(segment) => table.segment(at, &segment, app, findings),
            None => match &decoder.decode(packet) {
                Decoded::Tcp(segment) => table.segment(at, segment, app, findings),
                Decoded::Icmp(error) => table.icmp(at, error, app),
                Decoded::Other(Reason::UnknownLink) => {
                    let packets = unknown_links.entry(packet.link).or_default();
                    *packets = packets.saturating_add(1);
                }
                Decoded::Other(_) => {}
            },
        }
        if packet.time.nanos_since(self.looked) >= LOOK_NS {
            self.pass(packet.time);
        }
    }

    /// Time has come to `now` without a packet: what only silence shows is judged. Without [`Judging::AsDecided`]
    /// nothing is judged before the end.
    pub fn pass(&mut self, now: Time) {
        self.looked = now;
        if self.options.judging == Judging::WithHindsight {
            return;
        }
        let capture = self.findings.capture();
        capture.last = capture.last.max(now);
        let (keys, trust) = (&self.options.keys, &self.options.trust);
        self.table.look(now, || Session::new(keys, trust), &mut self.findings);
    }

    /// The incidents that were decided since this was last asked for: each once, in the order of their decision.
    pub fn decided(&mut self) -> Vec<Incident> {
        self.findings.decided()
    }

    /// How far it has come.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            packets: self.packets,
            connections: self.table.connections(),
            open: self.table.open_connections(),
            ..self.findings.standing()
        }
    }

    /// What was found so far.
    #[must_use]
    pub fn so_far(&self) -> Verdict {
        self.with_caveats(self.findings.verdict(self.table.connections()))
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
    pub fn finish(mut self) -> Verdict {
        self.close();
        self.so_far()
    }

    /// Judges what is left, the capture being at its end: what is decided by that can be asked for once more.
    pub fn close(&mut self) {
        let (keys, trust) = (&self.options.keys, &self.options.trust);
        self.table.finish(|| Session::new(keys, trust), &mut self.findings);
        self.findings.close();
    }

    fn with_caveats(&self, mut verdict: Verdict) -> Verdict {
        let unknown = self.unknown_links.iter();
        verdict
            .caveats
            .extend(unknown.map(|(link, packets)| {
                format!("{packets} packets have the link type {link}, which cannot be decoded")
            }));
        verdict
    }
}

/// Time between two looks at open connections.
const LOOK_NS: i64 = 50_000_000;
