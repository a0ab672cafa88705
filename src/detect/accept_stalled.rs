//! The origin's kernel takes connections that its application no longer accepts.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{PacketRef, Peer, Start, Vantage};

pub(super) const CAUSES: &[Cause] = &[ACCEPT_STALLED];

const ACCEPT_STALLED: Cause = Cause("accept-stalled");

/// A connection that carried a response this short a time before was not idle.
const BUSY_S: f64 = 0.1;

/// Times that a later request is sent before its silence is no accident of the path.
const REPEATS: u32 = 4;

/// A SYN-ACK is not sent again sooner (RFC 6298 section 2.1: after a second).
const REPEATED_AFTER_S: f64 = 0.2;

/// Times that a first request is sent before its silence is no accident.
const SENDS: u32 = 3;

/// A full accept queue has two looks: SYNs that are dropped while established connections lie unserved, and
/// handshakes that only the edge believes complete.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    // Where a message says why nothing is acknowledged, silence says nothing.
    if case.rejections(Peer::Edge).next().is_some() {
        return Vec::new();
    }
    let found = syn_dropped(case).or_else(|| never_accepted(case)).or_else(|| never_acknowledged(case));
    found.into_iter().collect()
}

/// A later request is repeated and never acknowledged, though the connection was in use a moment before.
fn never_acknowledged(case: &Case<'_>) -> Option<Finding> {
    let line = case.line;
    let stuck = line.direction.edge.stuck?;
    let exchange = case.unanswered().find(|exchange| {
        exchange.number > 1 && exchange.stream.is_none() && stuck.offset <= exchange.request.start.offset
    })?;
    let request = exchange.request.start.packet;
    let busy = case.idle_since(exchange).is_some_and(|since| request.seconds_since(since) < BUSY_S);
    let heard = line.direction.origin.last.is_some_and(|last| last.number > request.number);
    if !busy || heard || stuck.sends < REPEATS {
        return None;
    }
    let actor = if line.vantage == Vantage::Origin { Actor::Origin } else { Actor::Middlebox };
    Some(Finding {
        cause: ACCEPT_STALLED,
        scope: Scope::Exchange(exchange.number),
        at: request,
        actor,
        confidence: Confidence::Possible,
        summary: format!(
            "The edge sent {} {} times within {} and nobody acknowledged it, though the connection was in use just \
             before: something drops this request.",
            request_name(exchange),
            stuck.sends,
            between(stuck.first, stuck.last),
        ),
        evidence: vec![
            case.request_sent(exchange),
            Evidence::new(stuck.last, format!("the same bytes for the {}th time, never acknowledged", stuck.sends)),
        ],
        edge_status: None,
    })
}

/// At the origin's own host a SYN arrives and nothing leaves, while other connections to the same port are
/// established and never served.
fn syn_dropped(case: &Case<'_>) -> Option<Finding> {
    let line = case.line;
    let (first, last) = (line.connect.syns.first()?, line.connect.syns.last()?);
    let unanswered = line.start == Start::Unanswered && line.connect.syn_acks.is_empty() && line.connect.syns.len() > 1;
    let origin = unanswered.then(|| case.origin()).flatten()?;
    if case.syn_vantage() != Vantage::Origin || origin.unserved == 0 || origin.heard == 0 || case.capture().flooded() {
        return None;
    }
    let times = line.connect.syns.len();
    Some(Finding {
        cause: ACCEPT_STALLED,
        scope: Scope::Connection,
        at: *first,
        actor: Actor::Origin,
        confidence: Confidence::Likely,
        summary: format!(
            "The edge's SYN reached the origin {times} times within {} and was dropped, while connections to {} are \
             established and not served (at least {}): the accept queue is full.",
            between(*first, *last),
            line.endpoint.origin,
            origin.unserved,
        ),
        evidence: vec![
            Evidence::new(*first, "SYN of the edge, seen at the origin"),
            Evidence::new(*last, format!("SYN number {times}: the kernel drops it without an answer")),
        ],
        edge_status: None,
    })
}

/// The SYN-ACK repeats though its ACK is in the capture, or the first request is repeated and never acknowledged.
fn never_accepted(case: &Case<'_>) -> Option<Finding> {
    let line = case.line;
    // Of a connection that the capture joins nobody knows how it began.
    let ack = line.connect.ack.filter(|_| line.start == Start::Handshake)?;
    // One that stands behind its ACK may have been overtaken on its way into the capture: the next one comes by a timer.
    let first = line.connect.syn_acks.first();
    let again = |packet: &&PacketRef| first.is_some_and(|first| packet.seconds_since(*first) > REPEATED_AFTER_S);
    let repeated = line.connect.syn_acks.iter().filter(|packet| packet.number > ack.number).filter(again).count();
    let served = line.direction.origin.first_data.is_some() || line.direction.edge.acked > 0;
    let stuck = line.direction.edge.stuck.filter(|stuck| stuck.offset == 0 && stuck.sends >= SENDS);
    // A host that waits for the first bytes ignores the ACK until they come (Linux: TCP_DEFER_ACCEPT).
    let deferred = line.direction.edge.sent == 0;
    if served || deferred || (repeated == 0 && stuck.is_none()) || !line.direction.origin.rsts.is_empty() {
        return None;
    }
    let exchange = line.exchanges.first();
    let mut evidence = vec![Evidence::new(ack, "the edge acknowledges the SYN-ACK: for the edge it is connected")];
    if let Some(packet) = line.connect.syn_acks.last().filter(|packet| packet.number > ack.number) {
        evidence.push(Evidence::new(*packet, "the origin repeats its SYN-ACK: for the origin it is not"));
    }
    if let Some(stuck) = stuck {
        evidence.push(Evidence::new(stuck.last, format!("first bytes sent {} times, never acknowledged", stuck.sends)));
    }
    evidence.sort_by_key(|evidence| evidence.packet.number);
    let what = exchange.map_or_else(|| "the edge's first bytes".to_owned(), request_name);
    let sure = repeated > 0 && line.delivered(Peer::Origin, 0);
    Some(Finding {
        cause: ACCEPT_STALLED,
        scope: exchange.map_or(Scope::Connection, |exchange| Scope::Exchange(exchange.number)),
        at: ack,
        actor: Actor::Origin,
        confidence: if sure { Confidence::Likely } else { Confidence::Possible },
        summary: format!(
            "The edge completed the handshake, but the origin never took it: {what} was not acknowledged, and the \
             SYN-ACK came {} times. The accept queue is full.",
            line.connect.syn_acks.len(),
        ),
        evidence,
        edge_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{connected, knocking};
    use super::*;
    use crate::timeline::Stuck;

    #[test]
    fn a_syn_dropped_beside_connections_that_nobody_serves_meets_a_full_accept_queue() {
        let told = knocking(3).with(|told| {
            told.facts().unserved = 2;
            told.facts().heard = 2;
        });
        assert_eq!(told.causes(detect), ["accept-stalled"]);
        assert!(knocking(3).found_by(detect).is_empty(), "without them it is an ordinary timeout");
    }

    #[test]
    fn how_a_connection_began_is_not_known_where_the_capture_joins_it() {
        let told = connected().request("GET", "/").with(|told| {
            let request = told.exchange().request.start.packet;
            let last = told.packet();
            told.line.start = Start::MidStream;
            told.line.direction.edge.stuck = Some(Stuck { offset: 0, len: 100, sends: 4, first: request, last });
        });
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_host_that_waits_for_the_first_bytes_asks_again() {
        let told = connected().after(1.0).with(|told| {
            let syn_ack = told.packet();
            told.line.connect.syn_acks.push(syn_ack);
        });
        assert!(told.rst(Peer::Edge, crate::timeline::RstLook::Abort).found_by(detect).is_empty());
    }

    #[test]
    fn a_first_request_that_is_never_acknowledged_was_never_accepted() {
        let told = connected().request("GET", "/").with(|told| {
            let request = told.exchange().request.start.packet;
            let (repeated, last) = (told.packet(), told.packet());
            told.line.connect.syn_acks.push(repeated);
            told.line.direction.edge.acked = 0;
            told.line.direction.edge.stuck = Some(Stuck { offset: 0, len: 100, sends: 4, first: request, last });
        });
        let found = told.found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].scope, Scope::Exchange(1));
    }
}
