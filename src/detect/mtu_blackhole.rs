//! Full-sized segments never arrive while small ones pass: the path's MTU is smaller, and nobody says so.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{HandshakePhase, PacketRef, Peer, Stuck};

pub(super) const CAUSES: &[Cause] = &[MTU_BLACKHOLE];

const MTU_BLACKHOLE: Cause = Cause("mtu-blackhole");

/// Every IPv4 path carries packets of 576 bytes and every IPv6 path 1,280 (RFC 791, RFC 8200 section 5):
/// smaller segments than this are not what a black hole swallows.
const LARGE_SEGMENT: u32 = 1_000;

/// Times that a segment is sent before its loss is no accident.
const SENDS: u32 = 3;

/// The other side was heard of this short a time before the segment was first sent: the path was alive.
const ALIVE_S: f64 = 1.0;

/// A full-sized segment was repeated and never acknowledged, smaller ones got through, and the receiver was
/// heard of meanwhile. Or, on the receiver's side: what the origin says it has sent never came, while its small
/// segments do.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let swallowed = [Peer::Origin, Peer::Edge].into_iter().filter_map(|from| swallowed(case, from)).next();
    swallowed.or_else(|| never_came(case)).into_iter().collect()
}

fn swallowed(case: &Case<'_>, from: Peer) -> Option<Finding> {
    let line = case.line;
    let stuck = line.direction[from].stuck?;
    let receiver = &line.direction[from.other()];
    let heard = receiver.last.is_some_and(|last| last.number > stuck.first.number);
    // Where nothing smaller was sent since, nothing could be answered: the path was alive a moment before.
    let alive = receiver.last.is_some_and(|last| stuck.first.seconds_since(last) < ALIVE_S);
    // Before the first payload, only segments without one have passed: they are small, too.
    let largest = line.direction[from].largest_acked;
    let small_passed = largest < stuck.len && (largest > 0 || heard);
    // A receiver that repeats small segments, its FIN among them, does not get their acknowledgment: the path is
    // dead, not narrow.
    let fin_lost = receiver.fins.len() > 1 && receiver.fin_acked.is_none();
    let deaf =
        fin_lost || receiver.stuck.is_some_and(|stuck| stuck.len < LARGE_SEGMENT && receiver.acked <= stuck.offset);
    // A message that forbids them says that their size is not why.
    let forbidden = case.rejections(from).any(|error| error.packet.number > stuck.first.number);
    if forbidden || stuck.len < LARGE_SEGMENT || stuck.sends < SENDS || !(heard || alive) || !small_passed || deaf {
        return None;
    }
    let scope = scope(case, stuck.first)?;
    let told = line.unreachable.iter().find_map(|error| Some((error.packet, error.mtu?)));
    let mut evidence = vec![
        Evidence::new(stuck.first, format!("the {from} sends a segment of {} bytes", stuck.len)),
        Evidence::new(
            stuck.last,
            format!("the same bytes, sent {} times in {}, never acknowledged", stuck.sends, lasted(&stuck)),
        ),
    ];
    if let Some((packet, mtu)) = told {
        evidence.push(Evidence::new(packet, format!("ICMP: the next hop takes packets of at most {mtu} bytes")));
    }
    evidence.sort_by_key(|evidence| evidence.packet.number);
    let confidence = match (told, heard) {
        (Some(_), _) => Confidence::Certain,
        (None, true) => Confidence::Likely,
        (None, false) => Confidence::Possible,
    };
    let summary = format!(
        "Segments of {} bytes from the {from} never arrive, though smaller ones do: it sent one {} times in {}. The \
         path between takes only smaller packets, and the message that says so is lost.",
        stuck.len,
        stuck.sends,
        lasted(&stuck),
    );
    Some(finding(scope, stuck.first, confidence, summary, evidence))
}

/// At the edge's side: segments without payload stand far behind the last byte that came, and the hole was
/// neither filled nor acknowledged.
fn never_came(case: &Case<'_>) -> Option<Finding> {
    if case.line.has_holes() {
        // The capture lost packets: the large ones may be among them.
        return None;
    }
    let origin = &case.line.direction.origin;
    let missing = origin.reached.saturating_sub(origin.acked.max(1));
    let awaiting = case.unfinished().last();
    let asked = match awaiting {
        Some(exchange) => exchange.request.start.packet,
        None => case.line.tls.as_ref()?.client_hello.as_ref()?.packet,
    };
    let last = origin.last.filter(|last| last.number > asked.number)?;
    let in_handshake = case.line.tls.as_ref().is_some_and(|tls| tls.phase < HandshakePhase::Established);
    let large = u64::from(LARGE_SEGMENT);
    if (awaiting.is_none() && !in_handshake) || missing < large || origin.sent.saturating_add(large) > origin.reached {
        return None;
    }
    let what = awaiting.map_or_else(|| "the ClientHello".to_owned(), request_name);
    let summary = format!(
        "The origin has sent {missing} bytes in answer to {what} that never came here, while its segments without \
         payload do: the path between takes only smaller packets.",
    );
    let evidence = vec![
        Evidence::new(asked, format!("the edge sends {what}")),
        Evidence::new(last, format!("a segment of the origin without payload, {missing} bytes behind what came of it")),
    ];
    let scope = awaiting.map_or(Scope::Connection, |exchange| Scope::Exchange(exchange.number));
    Some(finding(scope, asked, Confidence::Likely, summary, evidence))
}

fn finding(scope: Scope, at: PacketRef, confidence: Confidence, summary: String, evidence: Vec<Evidence>) -> Finding {
    Finding { cause: MTU_BLACKHOLE, scope, at, actor: Actor::Network, confidence, summary, evidence, edge_status: None }
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
    fn a_receiver_that_was_silent_for_long_is_gone_and_no_black_hole() {
        let told = connected().request("GET", "/big").after(9.0).response(200, 9_000, 9_000).with(|told| {
            let first = told.last_response().start;
            let last = told.packet();
            told.line.direction.edge.last = Some(told.line.first);
            told.line.direction.origin.largest_acked = 80;
            told.line.direction.origin.stuck =
                Some(Stuck { offset: first.offset, len: 1_448, sends: 5, first: first.packet, last });
        });
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_receiver_that_repeats_its_fin_hears_not_even_small_segments() {
        let told = stuck(1_448, 5).fin(Peer::Edge).fin(Peer::Edge);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn at_the_edge_the_bytes_that_never_came_show_in_segments_without_payload() {
        let told = connected().request("GET", "/big").with(|told| {
            told.line.direction.origin.last = Some(told.packet());
            told.line.direction.origin.reached = 16_000;
        });
        assert_eq!(told.causes(detect), ["mtu-blackhole"]);
    }
}
