//! The edge's SYN is never answered, or the answer never arrives.

use super::case::between;
use super::connect_unreachable::{actor, meaning};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{PacketRef, Peer, Start, Vantage};

pub(super) const CAUSES: &[Cause] = &[CONNECT_TIMEOUT];

const CONNECT_TIMEOUT: Cause = Cause("connect-timeout");

/// No host repeats a SYN sooner than this: RFC 6298 section 2 starts with a timeout of 1 s.
const RETRANSMISSION_S: f64 = 0.1;

/// A capture that goes on this long after a single SYN shows that it was not repeated because the edge left.
const ONE_SYN_SILENCE_S: f64 = 5.0;

/// SYN repeated and never answered, or SYN-ACKs that never get their ACK.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let line = case.line;
    let told = line.unreachable.iter().any(|error| error.about == Peer::Edge);
    if line.start != Start::Unanswered || line.given_up || told || case.capture().flooded() {
        return Vec::new();
    }
    // Where the origin's packets take another way, its answers are not in the capture.
    if case.origin().is_some_and(|origin| origin.established > 0 && origin.heard == 0) {
        return Vec::new();
    }
    let (Some(first), Some(last)) = (line.connect.syns.first(), line.connect.syns.last()) else { return Vec::new() };
    // A host resets only what it was sent (RFC 9293 section 3.10.7.1): an answer came, and is not in the capture.
    if !line.direction.edge.rsts.is_empty() {
        return Vec::new();
    }
    let repeated = later(&line.connect.syns) || later(&line.connect.syn_acks);
    // A SYN-ACK that nobody repeats has arrived: its ACK is missing in the capture only.
    let silent = line.connect.syn_acks.is_empty() && case.capture().last.seconds_since(first.time) >= ONE_SYN_SILENCE_S;
    if !case.is_web_traffic() || (!repeated && !silent) {
        return Vec::new();
    }
    let mut finding = match line.connect.syn_acks.last() {
        Some(answer) => syn_ack_lost(case, *first, *answer),
        None => unanswered(case, *first, *last),
    };
    // A host sends an unanswered SYN again after a second. Where it did not, the rest may be missing in the capture.
    if !repeated {
        finding.confidence = Confidence::Possible;
    }
    vec![finding]
}

/// True where a segment was sent again by its timer, rather than captured at two places.
fn later(segments: &[PacketRef]) -> bool {
    let (first, last) = (segments.first(), segments.last());
    first.zip(last).is_some_and(|(first, last)| last.seconds_since(*first) >= RETRANSMISSION_S)
}

fn unanswered(case: &Case<'_>, first: PacketRef, last: PacketRef) -> Finding {
    let line = case.line;
    let earlier = line.direction.origin.last.filter(|_| line.direction.origin.rsts.is_empty());
    let (actor, why) = match case.syn_vantage() {
        _ if earlier.is_some() => (
            Actor::Network,
            "the origin still believes in an earlier connection on the same ports, and the reset that ends it does not \
             reach it (RFC 9293 section 3.5.1)",
        ),
        Vantage::Origin => (
            Actor::Origin,
            "it reached this host, and nothing left it: the host's own firewall drops it, or its accept queue is full",
        ),
        _ => (Actor::Network, "nothing came back from the origin or from the path to it"),
    };
    let times = line.connect.syns.len();
    let mut evidence =
        vec![Evidence::new(first, "first SYN"), Evidence::new(last, format!("SYN number {times}, still no answer"))];
    evidence.extend(
        earlier.map(|ack| Evidence::new(ack, "an ACK of the origin that acknowledges another connection's bytes")),
    );
    Finding {
        cause: CONNECT_TIMEOUT,
        scope: Scope::Connection,
        at: first,
        actor,
        confidence: Confidence::Likely,
        summary: format!(
            "The edge sent {times} SYNs to {} within {} and got no {}: {why}.",
            line.endpoint.origin,
            between(first, last),
            if earlier.is_some() { "SYN-ACK" } else { "answer" },
        ),
        evidence,
        edge_status: None,
    }
}

fn syn_ack_lost(case: &Case<'_>, first: PacketRef, answer: PacketRef) -> Finding {
    let line = case.line;
    let times = line.connect.syn_acks.len();
    let mut evidence = vec![
        Evidence::new(first, "SYN of the edge"),
        Evidence::new(answer, format!("SYN-ACK number {times} of the origin; no ACK follows")),
    ];
    let mut at = line.connect.syn_acks.first().copied().unwrap_or(answer);
    let (actor, confidence, why) = match case.rejections(Peer::Origin).next() {
        Some(error) => {
            let said = format!("ICMP from {}, about the SYN-ACK: {}", error.from, meaning(error));
            evidence.push(Evidence::new(error.packet, said));
            at = error.packet;
            let why = format!("{} rejects the SYN-ACKs on the way back, \"{}\"", error.from, meaning(error));
            (actor(case, error), Confidence::Certain, why)
        }
        None => (Actor::Network, Confidence::Likely, "the SYN-ACKs are lost on the way back".to_owned()),
    };
    evidence.sort_by_key(|evidence| evidence.packet.number);
    Finding {
        cause: CONNECT_TIMEOUT,
        scope: Scope::Connection,
        at,
        actor,
        confidence,
        summary: format!(
            "The origin answered the edge's SYN {times} times within {}, and the edge never acknowledged: {why}.",
            between(first, answer),
        ),
        evidence,
        edge_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::knocking;
    use super::*;
    use crate::timeline::{Peer, RstLook};

    #[test]
    fn an_edge_that_resets_had_an_answer() {
        assert!(knocking(4).rst(Peer::Edge, RstLook::NoConnection).found_by(detect).is_empty());
    }

    #[test]
    fn a_repeated_syn_without_answer_times_out() {
        let found = knocking(4).found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].cause, found[0].actor), (CONNECT_TIMEOUT, Actor::Origin));
    }

    #[test]
    fn a_single_syn_at_the_end_of_the_capture_is_not_yet_unanswered() {
        assert!(knocking(1).found_by(detect).is_empty());
        assert_eq!(knocking(1).after(6.0).causes(detect), ["connect-timeout"]);
    }

    #[test]
    fn a_syn_ack_that_is_repeated_and_never_acknowledged_is_lost_on_its_way() {
        let told = knocking(2).with(|told| {
            let answers = [told.packet(), told.packet()];
            told.line.connect.syn_acks.extend(answers);
        });
        assert_eq!(told.found_by(detect)[0].actor, Actor::Network);
    }

    #[test]
    fn a_syn_ack_without_repetition_has_arrived() {
        let told = knocking(1).with(|told| {
            let answer = told.packet();
            told.line.connect.syn_acks.push(answer);
        });
        assert!(told.after(60.0).found_by(detect).is_empty());
    }

    #[test]
    fn of_a_syn_flood_no_connection_is_judged() {
        let told = knocking(3).with(|told| {
            told.capture.connections = 2_000;
            told.capture.half_open = 1_999;
        });
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn in_a_capture_of_one_direction_the_answer_may_have_come() {
        let told = knocking(1).after(6.0).with(|told| told.facts().established = 2);
        assert!(told.found_by(detect).is_empty());
        assert_eq!(told.with(|told| told.facts().heard = 1).causes(detect), ["connect-timeout"]);
    }

    #[test]
    fn a_scan_of_other_ports_is_no_visitor() {
        let told = knocking(3).with(|told| told.line.endpoint.origin.port = 22);
        assert!(told.found_by(detect).is_empty());
    }
}
