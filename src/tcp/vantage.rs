//! Where the capture was taken, told from TTLs.

use crate::timeline::{ByPeer, Timeline, Vantage};

/// TTLs and hop limits that systems start from.
const INITIAL: [u8; 4] = [32, 64, 128, 255];

/// Routers between the sender of a packet and the place of capture.
fn hops(ttl: u8) -> u8 {
    INITIAL.iter().find(|&&initial| ttl <= initial).map_or(0, |&initial| initial.saturating_sub(ttl))
}

/// A host's own packets have not passed a router yet. Packets that nobody answered and that have passed one were
/// most likely taken at their target. Where neither side's have, the faster half of the
/// handshake shows which end is near: the origin's own SYN-ACK follows the SYN within its kernel's time.
pub(super) fn vantage(ttl: ByPeer<Option<u8>>, line: &Timeline) -> Vantage {
    match (ttl.edge.map(hops), ttl.origin.map(hops)) {
        (Some(0), Some(0)) => by_timing(line),
        (Some(0), Some(_)) => Vantage::Edge,
        (Some(_) | None, Some(0)) => Vantage::Origin,
        (Some(0), None) => Vantage::Edge,
        (Some(_), None) => Vantage::Origin,
        (Some(_), Some(_)) => Vantage::Between,
        _ => Vantage::Unknown,
    }
}

fn by_timing(line: &Timeline) -> Vantage {
    let connect = &line.connect;
    let (Some(syn), Some(syn_ack), Some(ack)) = (connect.syns.last(), connect.syn_acks.last(), connect.ack) else {
        return Vantage::Unknown;
    };
    let origin_half = syn_ack.time.nanos_since(syn.time);
    let edge_half = ack.time.nanos_since(syn_ack.time);
    if origin_half.saturating_mul(4) < edge_half {
        Vantage::Origin
    } else if edge_half.saturating_mul(4) < origin_half {
        Vantage::Edge
    } else {
        Vantage::Unknown
    }
}
