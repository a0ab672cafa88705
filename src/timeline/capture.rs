//! Facts about the capture as a whole, gathered over all connections: what one connection alone cannot tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{
    ClientHello, Close, Endpoint, Exchange, HandshakePhase, PacketRef, Peer, Rule, ServerHello, Start, Time, Timeline,
    Vantage,
};

/// An origin that closes sooner than this after a response did not wait for another request.
const IDLE_NS: i64 = 20_000_000;

/// Closes straight after a response that are kept as samples.
const KEPT_CLOSES: usize = 5;

/// Closes that are no further apart have one reason.
const TOGETHER_NS: i64 = 5_000_000;

/// Broken rules that an edge took which are kept for one origin.
const KEPT_TAKEN: usize = 256;

/// Half-open connections from which on a capture is a SYN flood, where they are the greater part of all.
const FLOOD: u64 = 1_000;

/// What is known across connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capture {
    /// Time of the first packet.
    pub first: Time,
    /// Time of the last packet.
    pub last: Time,
    /// Connections seen.
    pub connections: u64,
    /// Connections of which only the SYN, or SYN and SYN-ACK, were seen.
    pub half_open: u64,
    /// Half-open connections of which no record was kept.
    pub given_up: GivenUp,
    /// By server address and port; at most [`MAX_ORIGINS`].
    pub origins: BTreeMap<Endpoint, OriginFacts>,
    /// By client and server address, the ports on which a connection failed; at most [`MAX_ORIGINS`], and of each no more
    /// than [`KEPT_PORTS`].
    failed_ports: BTreeMap<(IpAddr, IpAddr), BTreeSet<u16>>,
}

/// What all connections to one server have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OriginFacts {
    /// Connections that were established.
    pub established: u64,
    /// Established connections on which the origin never sent a byte.
    pub unserved: u64,
    /// Established connections on which the capture holds a packet of the origin.
    pub heard: u64,
    /// True where a connection spoke HTTP or TLS.
    pub web: bool,
    /// TTL or hop limit of the origin's packets on established connections.
    pub ttl: Option<u8>,
    /// True where established connections are in the capture twice, before and after a router.
    pub forwarded: bool,
    /// Where the capture was taken, as established connections tell.
    pub vantage: Vantage,
    /// The origin's closes of idle connections: the latest, at least [`KEPT_IDLE_CLOSES`] where there were so many.
    pub idle_closes: Vec<IdleClose>,
    /// Rules that responses broke and the edge took, each with the words that it took: it went on with the
    /// connection.
    pub taken: BTreeSet<(Rule, Vec<u8>)>,
    /// Bytes of the largest field line that it took so.
    pub taken_field: u64,
    /// Bytes of the largest head that it took so.
    pub taken_head: u64,
    /// Fields of the response with the most of them that it took so.
    pub taken_fields: u32,
    /// Longest time that a connection was idle and then answered another request, in nanoseconds.
    pub longest_reuse_ns: i64,
    /// Connections that the origin closed straight after a response that did not announce it.
    pub closed_after_response: u64,
    /// The fewest exchanges that such a connection carried.
    pub least_closed_after: Option<u64>,
    /// The most.
    pub most_closed_after: u64,
    /// The first of these closes.
    pub closed_samples: Vec<PacketRef>,
    /// Connections with more than one exchange.
    pub reused: u64,
    /// Cipher suites that the origin chose, with their counts.
    pub ciphers: BTreeMap<u16, u64>,
    /// By the server name (SNI) that the edge sent, the first TLS handshake that was completed; at most
    /// [`MAX_GIVEN`] names.
    pub given: BTreeMap<Option<String>, Given>,
    /// Certificates with which the edge completed a handshake: subject and end; at most [`MAX_GIVEN`].
    pub taken_certificates: BTreeSet<(String, Time)>,
    /// TLS handshakes that were completed.
    pub handshakes: u64,
    /// True where a handshake may have been completed unseen: the capture joined the connection late, misses bytes of it,
    /// or holds neither the end of the handshake nor that of the connection.
    pub unseen_handshakes: bool,
}

/// A connection of which only a SYN, or a SYN and its SYN-ACK, were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfOpen {
    /// The TCP client.
    pub edge: Endpoint,
    /// The SYN.
    pub syn: PacketRef,
    /// Packets of both peers.
    pub packets: u64,
}

/// What half-open connections leave behind that had to be given up (memory bound).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenUp {
    /// How many.
    pub connections: u64,
    /// Their packets.
    pub packets: u64,
    /// The first of them.
    pub first: Vec<HalfOpen>,
}

impl GivenUp {
    /// How many are kept as examples.
    pub const KEPT: usize = 5;

    fn add(&mut self, half_open: &HalfOpen) {
        self.connections = self.connections.saturating_add(1);
        self.packets = self.packets.saturating_add(half_open.packets);
        if self.first.len() < Self::KEPT {
            self.first.push(*half_open);
        }
    }
}

impl Capture {
    /// Learns from a half-open connection of which no record is kept.
    pub fn learn_half_open(&mut self, half_open: &HalfOpen) {
        self.connections = self.connections.saturating_add(1);
        self.half_open = self.half_open.saturating_add(1);
        self.given_up.add(half_open);
    }

    /// Learns from a connection that has ended, or that the capture left open.
    pub fn learn(&mut self, line: &Timeline) {
        self.connections = self.connections.saturating_add(1);
        if line.start == Start::Unanswered {
            self.half_open = self.half_open.saturating_add(1);
        }
        let established = matches!(line.start, Start::Handshake | Start::MidStream);
        let origin = line.endpoint.origin;
        if !established {
            self.learn_failed(line.endpoint.edge.address, origin);
        }
        if established && (self.origins.len() < MAX_ORIGINS || self.origins.contains_key(&origin)) {
            self.origins.entry(origin).or_default().learn(line);
        }
    }

    fn learn_failed(&mut self, edge: IpAddr, origin: Endpoint) {
        let pair = (edge, origin.address);
        if self.failed_ports.len() < MAX_ORIGINS || self.failed_ports.contains_key(&pair) {
            let ports = self.failed_ports.entry(pair).or_default();
            if ports.len() < KEPT_PORTS {
                ports.insert(origin.port);
            }
        }
    }

    /// True where this client tries the ports of this server one after another. Those at which somebody was served
    /// do not count: a host that goes down fails on all of them.
    #[must_use]
    pub fn scans(&self, edge: IpAddr, origin: IpAddr) -> bool {
        let unserved = |port: &&u16| !self.origins.contains_key(&Endpoint { address: origin, port: **port });
        let ports = self.failed_ports.get(&(edge, origin));
        ports.is_some_and(|ports| ports.iter().filter(unserved).count() >= SCANNED_PORTS)
    }

    /// True where the greater part of the connections were SYNs of a flood: nothing can be said of one of them.
    #[must_use]
    pub fn flooded(&self) -> bool {
        self.half_open >= FLOOD && self.half_open.saturating_mul(2) > self.connections
    }
}

impl OriginFacts {
    fn learn(&mut self, line: &Timeline) {
        self.established = self.established.saturating_add(1);
        self.unserved = self
            .unserved
            .saturating_add(u64::from(line.start == Start::Handshake && line.direction.origin.first_data.is_none()));
        self.heard = self.heard.saturating_add(u64::from(line.direction.origin.packets > 0));
        self.web |= line.protocol.is_some() || line.tls.is_some();
        self.ttl = self.ttl.or(line.direction.origin.ttl);
        self.forwarded |= line.vantage == Vantage::Between && line.copies.packets > 0;
        if self.vantage == Vantage::Unknown {
            self.vantage = line.vantage;
        }
        self.reused =
            self.reused.saturating_add(u64::from(line.folded.saturating_add(line.exchanges.len() as u64) > 1));
        self.learn_idleness(line);
        let phase = line.tls.as_deref().map(|tls| tls.phase);
        let left_open =
            phase.is_some_and(|phase| phase < HandshakePhase::Established) && line.closes().next().is_none();
        self.unseen_handshakes |= line.start == Start::MidStream || line.has_holes() || left_open;
        let Some(tls) = line.tls.as_deref().filter(|tls| tls.phase == HandshakePhase::Established) else { return };
        self.handshakes = self.handshakes.saturating_add(1);
        if let Some(leaf) = tls.certificates.first().filter(|_| self.taken_certificates.len() < MAX_GIVEN) {
            self.taken_certificates.insert((leaf.subject.clone(), leaf.not_after));
        }
        let (Some(offer), Some(choice)) = (&tls.client_hello, &tls.server_hello) else { return };
        let chosen = self.ciphers.entry(choice.cipher).or_default();
        *chosen = chosen.saturating_add(1);
        let sooner = |known: &Given| known.choice.packet.number <= choice.packet.number;
        let known = self.given.get(&offer.sni);
        if known.is_some_and(sooner) || known.is_none() && self.given.len() >= MAX_GIVEN {
            return;
        }
        let given =
            Given { connection: line.index, offer: offer.clone(), choice: choice.clone(), alpn: tls.alpn.clone() };
        self.given.insert(offer.sni.clone(), given);
    }

    /// What an edge takes once it takes always: after it, it sent another request.
    fn learn_taken(&mut self, before: &Exchange, after: &Exchange) {
        let Some(response) = &before.response else { return };
        if after.request.start.packet.number > response.latest.packet.number {
            let words = response.deviations.iter().map(|deviation| (deviation.rule, deviation.words().to_vec()));
            self.taken.extend(words.take(KEPT_TAKEN.saturating_sub(self.taken.len())));
            self.taken_field = self.taken_field.max(response.largest_field);
            self.taken_head = self.taken_head.max(response.head_bytes);
            self.taken_fields = self.taken_fields.max(response.fields);
        }
    }

    fn learn_idleness(&mut self, line: &Timeline) {
        for pair in line.exchanges.windows(2) {
            let [before, after] = pair else { continue };
            self.learn_taken(before, after);
            if let (Some(end), Some(_)) = (before.response.as_ref().and_then(|r| r.end), &after.response) {
                let idle = after.request.start.packet.time.nanos_since(end.packet.time);
                self.longest_reuse_ns = self.longest_reuse_ns.max(idle);
            }
        }
        let Some(close) = line.closes().next() else { return };
        let Close::Fin { from: Peer::Origin, fin } = close else { return };
        if fin.unseen {
            return;
        }
        // A request that the FIN does not acknowledge came too late to count.
        let before = |exchange: &&Exchange| exchange.request.start.offset < fin.acked;
        let Some(last) = line.exchanges.iter().rfind(before) else { return };
        let Some(end) = last.response.as_ref().and_then(|response| response.end) else { return };
        let idle_ns = fin.packet.time.nanos_since(end.packet.time);
        if idle_ns >= IDLE_NS {
            self.keep(IdleClose { connection: line.index, packet: fin.packet, idle_ns });
        } else if last.response.as_ref().is_some_and(|response| !response.close) && !last.request.close {
            self.closed_after_response = self.closed_after_response.saturating_add(1);
            self.learn_closed_after(line, fin.packet);
        }
    }

    fn keep(&mut self, close: IdleClose) {
        if self.idle_closes.len() >= 2 * KEPT_IDLE_CLOSES {
            self.idle_closes.drain(..KEPT_IDLE_CLOSES);
        }
        self.idle_closes.push(close);
    }

    fn learn_closed_after(&mut self, line: &Timeline, close: PacketRef) {
        let exchanges = line.folded.saturating_add(line.exchanges.len() as u64);
        self.least_closed_after = Some(self.least_closed_after.map_or(exchanges, |least| least.min(exchanges)));
        self.most_closed_after = self.most_closed_after.max(exchanges);
        if self.closed_samples.len() < KEPT_CLOSES {
            self.closed_samples.push(close);
        }
    }

    /// The number of exchanges after which the origin closed every connection that it closed unannounced straight
    /// after a response.
    #[must_use]
    pub fn closes_after(&self) -> Option<u64> {
        self.least_closed_after.filter(|least| *least == self.most_closed_after)
    }

    /// Idle closes without those that came together with another one: a process that ends closes all its connections
    /// at once, however long they were idle.
    pub fn separate_closes(&self) -> impl Iterator<Item = &IdleClose> {
        let mut closes: Vec<&IdleClose> = self.idle_closes.iter().collect();
        closes.sort_unstable_by_key(|close| (close.packet.time, close.packet.number));
        let mut last = None;
        closes.retain(|close| {
            let together = last.is_some_and(|last| close.packet.time.nanos_since(last) < TOGETHER_NS);
            last = Some(close.packet.time);
            !together
        });
        closes.into_iter()
    }

    /// The idle timeout that the origin's closes agree on, in seconds: their median, where at least two lie
    /// within a tenth of it.
    #[must_use]
    pub fn idle_timeout_s(&self) -> Option<f64> {
        let mut idle: Vec<i64> = self.separate_closes().map(|close| close.idle_ns).collect();
        idle.sort_unstable();
        let median = *idle.get(idle.len() / 2)?;
        let near = idle.iter().filter(|&&ns| ns.saturating_sub(median).saturating_abs() <= median / 10).count();
        (near >= 2 && near.saturating_mul(2) > idle.len()).then_some(median as f64 / 1e9)
    }
}

/// A TLS handshake that was completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The connection.
    pub connection: u32,
    /// What the edge offered.
    pub offer: ClientHello,
    /// What the origin chose.
    pub choice: ServerHello,
    /// The protocol that it chose by ALPN, where it could be read.
    pub alpn: Option<String>,
}

/// Ports of one server on which one client fails that make a port scan of it: more than an edge asks of one origin.
pub const SCANNED_PORTS: usize = 8;

/// Ports of one server on which one client fails that are remembered.
pub const KEPT_PORTS: usize = 32;

/// Most servers that something is learned of: what a flood of packets can make up is more.
pub const MAX_ORIGINS: usize = 16_384;

/// Idle closes of one origin from which its timeout is told.
pub const KEPT_IDLE_CLOSES: usize = 1_024;

/// Most server names, and most certificates, of one origin that are remembered.
pub const MAX_GIVEN: usize = 256;

/// The origin's FIN on a connection on which nothing was outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleClose {
    /// The connection.
    pub connection: u32,
    /// The FIN.
    pub packet: PacketRef,
    /// Nanoseconds since the last byte of either peer.
    pub idle_ns: i64,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn endpoint(nth: u32) -> Endpoint {
        Endpoint { address: IpAddr::V4(Ipv4Addr::from(nth)), port: 80 }
    }

    #[test]
    fn servers_without_end_are_not_all_remembered() {
        let mut capture = Capture::default();
        for nth in 0..MAX_ORIGINS as u32 + 10 {
            let packet = PacketRef { number: u64::from(nth) + 1, time: Time(0) };
            let mut line = Timeline::new(nth, endpoint(u32::MAX), endpoint(nth), packet);
            line.start = Start::Handshake;
            capture.learn(&line);
            capture.learn(&line);
        }
        assert_eq!(capture.origins.len(), MAX_ORIGINS);
        assert!(capture.origins.values().all(|origin| origin.established == 2));
    }

    #[test]
    fn a_client_that_fails_on_many_ports_scans_them() {
        let mut capture = Capture::default();
        let (scanner, edge) = (endpoint(1).address, endpoint(2).address);
        for port in 0..SCANNED_PORTS as u16 {
            assert!(!capture.scans(scanner, edge));
            for client in [scanner, edge] {
                let server = Endpoint { port: if client == scanner { port } else { 80 }, ..endpoint(2) };
                let packet = PacketRef { number: 1, time: Time(0) };
                let mut line = Timeline::new(0, Endpoint { address: client, port: 40_000 }, server, packet);
                line.start = Start::Refused;
                capture.learn(&line);
            }
        }
        assert!(capture.scans(scanner, edge));
        assert!(!capture.scans(edge, edge));
        let served = Endpoint { port: 0, ..endpoint(2) };
        capture.origins.insert(served, OriginFacts::default());
        assert!(!capture.scans(scanner, edge), "at one of them somebody was served");
    }

    #[test]
    fn of_idle_closes_without_end_the_latest_are_kept() {
        let mut origin = OriginFacts::default();
        for nth in 0..5 * KEPT_IDLE_CLOSES as i64 {
            let packet = PacketRef { number: nth as u64, time: Time(nth * 10_000_000_000) };
            // The timeout was changed at last.
            let seconds = if nth < 3 * KEPT_IDLE_CLOSES as i64 { 5 } else { 60 };
            origin.keep(IdleClose { connection: nth as u32, packet, idle_ns: seconds * 1_000_000_000 });
            assert!(origin.idle_closes.len() <= 2 * KEPT_IDLE_CLOSES);
        }
        assert_eq!(origin.idle_timeout_s(), Some(60.0));
    }
}
