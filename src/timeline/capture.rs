//! Facts about the capture as a whole, gathered over all connections: what one connection alone cannot tell.

use std::collections::{BTreeMap, BTreeSet};

use super::{Close, Endpoint, Exchange, HandshakePhase, PacketRef, Peer, Rule, Start, Time, Timeline, Vantage};

/// An origin that closes sooner than this after a response did not wait for another request.
const IDLE_NS: i64 = 20_000_000;

/// Closes that are no further apart have one reason.
const TOGETHER_NS: i64 = 5_000_000;

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
    /// By server address and port.
    pub origins: BTreeMap<Endpoint, OriginFacts>,
}

/// What all connections to one server have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OriginFacts {
    /// Connections that were established.
    pub established: u64,
    /// Established connections on which the origin never sent a byte.
    pub unserved: u64,
    /// True where a connection spoke HTTP or TLS.
    pub web: bool,
    /// TTL or hop limit of the origin's packets on established connections.
    pub ttl: Option<u8>,
    /// Where the capture was taken, as established connections tell.
    pub vantage: Vantage,
    /// The origin's closes of idle connections.
    pub idle_closes: Vec<IdleClose>,
    /// Rules that responses broke and the edge took: it went on with the connection.
    pub taken: BTreeSet<Rule>,
    /// Bytes of the largest field line that it took so.
    pub taken_field: u64,
    /// Bytes of the largest head that it took so.
    pub taken_head: u64,
    /// Longest time that a connection was idle and then answered another request, in nanoseconds.
    pub longest_reuse_ns: i64,
    /// Connections that the origin closed straight after a response that did not announce it.
    pub closed_after_response: u64,
    /// Connections with more than one exchange.
    pub reused: u64,
    /// Cipher suites that the origin chose, with their counts.
    pub ciphers: BTreeMap<u16, u64>,
    /// Server names with which TLS handshakes were completed.
    pub names: BTreeMap<String, u64>,
    /// TLS handshakes that were completed.
    pub handshakes: u64,
}

impl Capture {
    /// Learns from a connection that has ended, or that the capture left open.
    pub fn learn(&mut self, line: &Timeline) {
        self.connections += 1;
        if line.start == Start::Unanswered {
            self.half_open += 1;
        }
        let established = matches!(line.start, Start::Handshake | Start::MidStream);
        if established {
            self.origins.entry(line.endpoint.origin).or_default().learn(line);
        }
    }

    /// True where the greater part of the connections were SYNs of a flood: nothing can be said of one of them.
    #[must_use]
    pub fn flooded(&self) -> bool {
        self.half_open >= FLOOD && self.half_open * 2 > self.connections
    }
}

impl OriginFacts {
    fn learn(&mut self, line: &Timeline) {
        self.established += 1;
        self.unserved += u64::from(line.start == Start::Handshake && line.direction.origin.first_data.is_none());
        self.web |= line.protocol.is_some() || line.tls.is_some();
        self.ttl = self.ttl.or(line.direction.origin.ttl);
        if self.vantage == Vantage::Unknown {
            self.vantage = line.vantage;
        }
        self.reused += u64::from(line.exchanges.len() as u64 + line.folded > 1);
        self.learn_idleness(line);
        let Some(tls) = line.tls.as_deref().filter(|tls| tls.phase == HandshakePhase::Established) else { return };
        self.handshakes += 1;
        if let Some(hello) = &tls.server_hello {
            *self.ciphers.entry(hello.cipher).or_default() += 1;
        }
        if let Some(sni) = tls.client_hello.as_ref().and_then(|hello| hello.sni.clone()) {
            *self.names.entry(sni).or_default() += 1;
        }
    }

    /// What an edge takes once it takes always: after it, it sent another request.
    fn learn_taken(&mut self, before: &Exchange, after: &Exchange) {
        let Some(response) = &before.response else { return };
        if after.request.start.packet.number > response.latest.packet.number {
            self.taken.extend(response.deviations.iter().map(|deviation| deviation.rule));
            self.taken_field = self.taken_field.max(response.largest_field);
            self.taken_head = self.taken_head.max(response.head_bytes);
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
        // A request that the FIN does not acknowledge came too late to count.
        let before = |exchange: &&Exchange| exchange.request.start.offset < fin.acked;
        let Some(last) = line.exchanges.iter().rfind(before) else { return };
        let Some(end) = last.response.as_ref().and_then(|response| response.end) else { return };
        let idle_ns = fin.packet.time.nanos_since(end.packet.time);
        if idle_ns >= IDLE_NS {
            self.idle_closes.push(IdleClose { connection: line.index, packet: fin.packet, idle_ns });
        } else if last.response.as_ref().is_some_and(|response| !response.close) && !last.request.close {
            self.closed_after_response += 1;
        }
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
        let near = idle.iter().filter(|&&ns| (ns - median).abs() <= median / 10).count();
        (near >= 2 && near * 2 > idle.len()).then_some(median as f64 / 1e9)
    }
}

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
