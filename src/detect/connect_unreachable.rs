//! A router or the origin's host says by ICMP that the origin cannot be reached: at the SYN, or later.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Peer, Unreachable};

pub(super) const CAUSES: &[Cause] = &[CONNECT_UNREACHABLE];

const CONNECT_UNREACHABLE: Cause = Cause("connect-unreachable");

/// Times that a request is sent before an ICMP error is more than an accident of the path (RFC 5927 section 5.2: TCP
/// takes it for a hint and sends again).
const SENDS: u32 = 3;

/// What the edge shows where a request was never acknowledged.
const NEVER_ACKNOWLEDGED: u16 = 522;

/// What it shows where a request was acknowledged, and never answered.
const NEVER_ANSWERED: u16 = 524;

/// An ICMP or ICMPv6 error answers the SYN, and no connection comes of it; or it answers a request on a connection that
/// stood, and the request is never acknowledged. Or it answers the response, of which the edge never gets a byte.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    if !case.is_web_traffic() {
        return Vec::new();
    }
    let line = case.line;
    let established = line.connect.established() || !line.connect.syn_acks.is_empty() || line.connect.syns.is_empty();
    let found = if established { request(case) } else { syn(case) };
    found.or_else(|| response(case)).into_iter().collect()
}

fn syn(case: &Case<'_>) -> Option<Finding> {
    let line = case.line;
    let syn = line.connect.syns.first()?;
    let error = case.rejections(Peer::Edge).next()?;
    Some(finding(
        case,
        error,
        Scope::Connection,
        format!(
            "{} answered the edge's SYN to {} with \"{}\" after {}.",
            error.from,
            line.endpoint.origin,
            meaning(error),
            between(*syn, error.packet),
        ),
        vec![Evidence::new(*syn, "SYN of the edge")],
    ))
}

/// A request, or the first bytes of a connection, which is answered by such an error until the edge gives up.
fn request(case: &Case<'_>) -> Option<Finding> {
    let edge = &case.line.direction.edge;
    let exchange =
        case.unanswered().find(|exchange| edge.acked < exchange.request.end.map_or(edge.sent, |end| end.offset));
    let start = match exchange {
        Some(exchange) => exchange.request.start.packet,
        None => edge.first_data.filter(|_| edge.acked == 0 && case.line.exchanges.is_empty())?,
    };
    let error = case.rejections(Peer::Edge).find(|error| error.packet.number > start.number)?;
    let sends = edge.stuck.map_or(1, |stuck| stuck.sends);
    let left = case.line.first_close(Peer::Edge).is_some_and(|close| close.packet().number > error.packet.number);
    if !(left || sends >= SENDS) || case.line.direction.origin.unseen() > 0 {
        return None;
    }
    let what = exchange.map_or_else(|| "the edge's first bytes".to_owned(), request_name);
    let idle = exchange.and_then(|exchange| case.idle_since(exchange)).map(|since| between(since, start));
    let idle = idle.map_or_else(String::new, |idle| format!(", which came {idle} after the response before it,"));
    let mut evidence = vec![Evidence::new(start, format!("the edge sends {what}"))];
    if let Some(stuck) = edge.stuck.filter(|stuck| stuck.sends > 1) {
        evidence.push(Evidence::new(stuck.last, format!("sent for the {}th time, never acknowledged", stuck.sends)));
    }
    let mut found = finding(
        case,
        error,
        exchange.map_or(Scope::Connection, |exchange| Scope::Exchange(exchange.number)),
        format!(
            "The connection to {} stood, and {} answered {what}{idle} with \"{}\": it was never acknowledged.",
            case.line.endpoint.origin,
            error.from,
            meaning(error),
        ),
        evidence,
    );
    found.edge_status = Some(NEVER_ACKNOWLEDGED);
    // As long as the edge tries, it may come through.
    found.confidence = if left { Confidence::Certain } else { Confidence::Possible };
    Some(found)
}

/// A response whose first bytes are sent again and again, and answered by such errors: seen on the origin's side of who
/// rejects it.
fn response(case: &Case<'_>) -> Option<Finding> {
    let line = case.line;
    let stuck = line.direction.origin.stuck.filter(|stuck| stuck.sends >= SENDS)?;
    let error = case.rejections(Peer::Origin).find(|error| error.packet.number > stuck.first.number)?;
    let exchange = line.exchanges.iter().find(|exchange| {
        let begins = exchange.response.as_ref().is_some_and(|it| it.start.packet.number >= stuck.first.number);
        begins && exchange.request.start.packet.number < stuck.first.number
    })?;
    let what = request_name(exchange);
    // Who repeats what was acknowledged has not heard that.
    let deaf = line.direction.edge.segments.spurious > 0;
    let evidence = vec![
        case.request_sent(exchange),
        Evidence::new(stuck.first, "the origin answers"),
        Evidence::new(stuck.last, format!("the same bytes for the {}th time, never acknowledged", stuck.sends)),
    ];
    let mut found = finding(
        case,
        error,
        Scope::Exchange(exchange.number),
        format!(
            "{} answered the origin's response to {what} with \"{}\": it was sent {} times in {} and never arrived{}.",
            error.from,
            meaning(error),
            stuck.sends,
            between(stuck.first, stuck.last),
            if deaf { ", nor did the acknowledgment of the request" } else { "" },
        ),
        evidence,
    );
    found.evidence.sort_by_key(|evidence| evidence.packet.number);
    found.edge_status = Some(if deaf { NEVER_ACKNOWLEDGED } else { NEVER_ANSWERED });
    let left = line.first_close(Peer::Edge).is_some_and(|close| close.packet().number > error.packet.number);
    found.confidence = if left { Confidence::Certain } else { Confidence::Likely };
    Some(found)
}

fn finding(
    case: &Case<'_>,
    error: &Unreachable,
    scope: Scope,
    summary: String,
    mut evidence: Vec<Evidence>,
) -> Finding {
    evidence.push(Evidence::new(error.packet, format!("ICMP from {}: {}", error.from, meaning(error))));
    Finding {
        cause: CONNECT_UNREACHABLE,
        scope,
        at: error.packet,
        actor: actor(case, error),
        confidence: Confidence::Certain,
        summary,
        evidence,
        edge_status: None,
    }
}

/// A host that speaks for itself is at fault itself; who forbids is a firewall; who finds no way is the network.
pub(super) fn actor(case: &Case<'_>, error: &Unreachable) -> Actor {
    if error.from == case.line.endpoint.origin.address {
        return Actor::Origin;
    }
    if error.from == case.line.endpoint.edge.address {
        return Actor::Edge;
    }
    let forbids = if error.v6 { matches!(error.code, 1 | 5 | 6) } else { matches!(error.code, 9 | 10 | 13) };
    if forbids && (error.kind == 3 || error.v6) { Actor::Middlebox } else { Actor::Network }
}

/// What the message says (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
pub(super) fn meaning(error: &Unreachable) -> &'static str {
    match (error.v6, error.kind, error.code) {
        (false, 3, 0 | 6 | 11) => "network unreachable",
        (false, 3, 1 | 7 | 12) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "communication administratively prohibited",
        (true, 1, 0) => "no route to destination",
        (true, 1, 5) => "source address failed ingress or egress policy",
        (true, 1, 6) => "reject route to destination",
        (false, 11, _) | (true, 3, _) => "time exceeded in transit: a routing loop",
        _ => "destination unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected, knocking};
    use super::*;
    use crate::timeline::Stuck;

    fn told_by_icmp(code: u8, mtu: Option<u32>) -> Told {
        knocking(1).with(|told| {
            let packet = told.packet();
            let from = "192.0.2.1".parse().unwrap();
            told.line.unreachable.push(Unreachable { packet, from, about: Peer::Edge, kind: 3, code, v6: false, mtu });
        })
    }

    #[test]
    fn a_router_that_finds_no_host_is_the_network() {
        let found = told_by_icmp(1, None).found_by(detect);
        assert_eq!((found[0].cause, found[0].actor), (CONNECT_UNREACHABLE, Actor::Network));
        assert!(found[0].summary.contains("host unreachable"), "{}", found[0].summary);
    }

    #[test]
    fn who_prohibits_is_a_box_between() {
        assert_eq!(told_by_icmp(13, None).found_by(detect)[0].actor, Actor::Middlebox);
    }

    /// A second request that is sent `sends` times, and an ICMP error about it.
    fn rejected(sends: u32) -> Told {
        let told = connected().request("GET", "/").response(200, 5, 5).after(2.0).request("GET", "/next");
        told.with(|told| {
            let (offset, first, last) = (told.exchange().request.start.offset, told.packet(), told.packet());
            told.line.direction.edge.acked = offset;
            told.line.direction.edge.stuck = Some(Stuck { offset, len: 100, sends, first, last });
            let (packet, from) = (told.packet(), "192.0.2.1".parse().unwrap());
            let error = Unreachable { packet, from, about: Peer::Edge, kind: 3, code: 13, v6: false, mtu: None };
            told.line.unreachable.push(error);
        })
    }

    #[test]
    fn a_request_that_a_firewall_rejects_by_icmp_never_arrived() {
        let found = rejected(4).found_by(detect);
        assert_eq!((found[0].scope, found[0].actor), (Scope::Exchange(2), Actor::Middlebox));
        assert_eq!(found[0].edge_status, Some(522));
        assert!(found[0].evidence.iter().any(|evidence| evidence.note.starts_with("ICMP from 192.0.2.1")));
        assert_eq!(rejected(1).fin(Peer::Edge).causes(detect), ["connect-unreachable"], "the edge gave up");
    }

    #[test]
    fn what_was_delivered_at_last_was_not_rejected() {
        assert_eq!(rejected(4).found_by(detect)[0].confidence, Confidence::Possible, "it is still sent again");
        assert!(rejected(1).found_by(detect).is_empty());
        let delivered = rejected(4).with(|told| told.line.direction.edge.acked = told.line.direction.edge.sent);
        assert!(delivered.found_by(detect).is_empty());
    }

    /// A response that is sent `sends` times, and an ICMP error about it.
    fn rejected_answer(sends: u32) -> Told {
        let told = connected().request("GET", "/").response(200, 5, 5).after(2.0).request("GET", "/next");
        told.response(200, 5, 5).with(|told| {
            let start = told.last_response().start;
            let (offset, first, last) = (start.offset, start.packet, told.packet());
            told.line.direction.origin.stuck = Some(Stuck { offset, len: 100, sends, first, last });
            let (packet, from) = (told.packet(), "192.0.2.1".parse().unwrap());
            let error = Unreachable { packet, from, about: Peer::Origin, kind: 3, code: 13, v6: false, mtu: None };
            told.line.unreachable.push(error);
        })
    }

    #[test]
    fn a_response_that_a_firewall_rejects_by_icmp_never_arrived() {
        let found = rejected_answer(4).found_by(detect);
        assert_eq!((found[0].scope, found[0].actor), (Scope::Exchange(2), Actor::Middlebox));
        assert_eq!((found[0].edge_status, found[0].confidence), (Some(524), Confidence::Likely));
        assert_eq!(rejected_answer(4).fin(Peer::Edge).found_by(detect)[0].confidence, Confidence::Certain);
        let repeated = rejected_answer(4).with(|told| {
            told.line.direction.edge.segments.spurious = 3;
        });
        assert_eq!(repeated.found_by(detect)[0].edge_status, Some(522), "the edge heard no acknowledgment");
        assert!(rejected_answer(2).found_by(detect).is_empty(), "a hint that TCP may overcome");
    }

    #[test]
    fn a_too_small_mtu_does_not_make_an_origin_unreachable() {
        assert!(told_by_icmp(4, Some(1_400)).found_by(detect).is_empty());
    }
}
