//! Full-sized segments never arrive while small ones pass: the path's MTU is smaller, and nobody says so.

use super::case::between;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{PacketRef, Peer, Stuck};

pub(super) const CAUSES: &[Cause] = &[MTU_BLACKHOLE];

const MTU_BLACKHOLE: Cause = Cause("mtu-blackhole");

/// Every IPv4 path carries packets of 576 bytes and every IPv6 path 1,280 (RFC 791, RFC 8200 section 5):
/// smaller segments than this are not what a black hole swallows.
const LARGE_SEGMENT: u32 = 1_000;

/// Times that a segment is sent before its loss is no accident.
const SENDS: u32 = 3;

/// A full-sized segment was repeated and never acknowledged, smaller ones got through, and the receiver was
/// heard of meanwhile.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    [Peer::Origin, Peer::Edge].into_iter().filter_map(|from| judge(case, from)).collect()
}

fn judge(case: &Case<'_>, from: Peer) -> Option<Finding> {
    let line = case.line;
    let stuck = line.direction[from].stuck?;
    let heard = line.direction[from.other()].last.is_some_and(|last| last.number > stuck.first.number);
    let small_passed = line.direction[from].largest_acked < stuck.len;
    let other_stuck = line.direction[from.other()].stuck.is_some();
    if stuck.len < LARGE_SEGMENT || stuck.sends < SENDS || !heard || !small_passed || other_stuck {
        return None;
    }
    let scope = scope(case, stuck.first)?;
    let told = line.unreachable.iter().find_map(|error| Some((error.packet, error.mtu?)));
    let mut evidence = vec![
        Evidence::new(stuck.first, format!("the {from} sends a segment of {} bytes", stuck.len)),
        Evidence::new(
            stuck.last,
            format!("the same bytes for the {}th time, {} later, never acknowledged", stuck.sends, lasted(&stuck)),
        ),
    ];
    if let Some((packet, mtu)) = told {
        evidence.push(Evidence::new(packet, format!("ICMP: the next hop takes packets of at most {mtu} bytes")));
    }
    evidence.sort_by_key(|evidence| evidence.packet.number);
    Some(Finding {
        cause: MTU_BLACKHOLE,
        scope,
        at: stuck.first,
        actor: Actor::Network,
        confidence: if told.is_some() { Confidence::Certain } else { Confidence::Likely },
        summary: format!(
            "Segments of {} bytes from the {from} never arrive, though smaller ones do: it sent one {} times in {}. \
             The path between takes only smaller packets, and the message that says so is lost.",
            stuck.len,
            stuck.sends,
            lasted(&stuck),
        ),
        evidence,
        edge_status: None,
    })
}

fn lasted(stuck: &Stuck) -> String {
    between(stuck.first, stuck.last)
}

/// What the stuck segment belonged to: the exchange that was open, or the handshake.
fn scope(case: &Case<'_>, at: PacketRef) -> Option<Scope> {
    // At the origin's side a response can be seen whole of which the edge never got the first byte.
    let open = case.line.exchanges.iter().rev().find(|exchange| {
        let ended = exchange.response.as_ref().and_then(|response| response.end);
        exchange.request.start.packet.number <= at.number
            && ended.is_none_or(|end| !case.line.delivered(Peer::Origin, end.offset))
    });
    if let Some(exchange) = open {
        return Some(Scope::Exchange(exchange.number));
    }
    // A request in full-sized segments that never arrived: it is its own first packet.
    let cut = case.unanswered().find(|exchange| exchange.request.start.packet.number >= at.number);
    match cut {
        Some(exchange) => Some(Scope::Exchange(exchange.number)),
        None => case.line.exchanges.is_empty().then_some(Scope::Connection),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;

    /// The origin's whole response waits behind one segment of `len` bytes that was sent `sends` times.
    fn stuck(len: u32, sends: u32) -> Told {
        connected().request("GET", "/big").response(200, 9_000, 9_000).with(|told| {
            let first = told.last_response().start;
            let last = told.packet();
            told.line.direction.edge.last = Some(told.packet());
            told.line.direction.origin.largest_acked = 80;
            told.line.direction.origin.stuck =
                Some(Stuck { offset: first.offset, len, sends, first: first.packet, last });
        })
    }

    #[test]
    fn a_full_segment_that_never_arrives_meets_a_black_hole() {
        let found = stuck(1_448, 5).found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].actor, found[0].scope), (Actor::Network, Scope::Exchange(1)));
    }

    #[test]
    fn a_small_segment_is_not_what_a_black_hole_swallows() {
        assert!(stuck(400, 5).found_by(detect).is_empty());
    }

    #[test]
    fn a_path_that_has_carried_as_large_a_segment_has_no_black_hole() {
        let told = stuck(1_448, 5).with(|told| told.line.direction.origin.largest_acked = 1_448);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_receiver_that_is_never_heard_again_is_gone_and_no_black_hole() {
        let told = stuck(1_448, 5).with(|told| told.line.direction.edge.last = Some(told.line.first));
        assert!(told.found_by(detect).is_empty());
    }
}
