//! Facts about the capture as a whole, gathered over all connections: what one connection alone cannot tell.

use std::collections::BTreeMap;

use super::{Endpoint, PacketRef, Time};

/// What is known across connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capture {
    /// Time of the first packet.
    pub first: Time,
    /// Time of the last packet.
    pub last: Time,
    /// True where the capture is known to be incomplete: dropped by the kernel, cut in the middle of a packet.
    pub damaged: bool,
    /// True where at least one connection lacks one direction altogether.
    pub one_sided: bool,
    /// By server address and port.
    pub origins: BTreeMap<Endpoint, OriginFacts>,
}

/// What all connections to one server have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OriginFacts {
    /// Connections seen.
    pub connections: u64,
    /// Connections that were established.
    pub established: u64,
    /// The origin's closes of idle connections.
    pub idle_closes: Vec<IdleClose>,
    /// Longest time that a connection was idle and then answered another request, in nanoseconds.
    pub longest_reuse_ns: i64,
    /// Connections that the origin closed straight after a response though the edge had not asked for it.
    pub closed_after_response: u64,
    /// Connections with more than one exchange.
    pub reused: u64,
    /// ALPN protocols that the origin chose, with their counts.
    pub alpn: BTreeMap<String, u64>,
    /// TLS handshakes that were completed.
    pub handshakes: u64,
}

impl OriginFacts {
    /// The idle timeout that the origin's closes agree on, in seconds: their median, where at least two lie
    /// within a tenth of it.
    #[must_use]
    pub fn idle_timeout_s(&self) -> Option<f64> {
        let mut idle: Vec<i64> = self.idle_closes.iter().map(|close| close.idle_ns).collect();
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
