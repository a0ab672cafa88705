//! A router or the origin's host says by ICMP that the origin cannot be reached.

use super::case::between;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Peer, Unreachable};

pub(super) const CAUSES: &[Cause] = &[CONNECT_UNREACHABLE];

const CONNECT_UNREACHABLE: Cause = Cause("connect-unreachable");

/// SYN answered by an ICMP or ICMPv6 error, and no connection came of it.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let line = case.line;
    let Some(syn) = line.connect.syns.first() else { return Vec::new() };
    if line.connect.established() || !line.connect.syn_acks.is_empty() || !case.is_web_traffic() {
        return Vec::new();
    }
    let error = line.unreachable.iter().find(|error| error.about == Peer::Edge && error.mtu.is_none());
    let Some(error) = error else { return Vec::new() };
    let said = meaning(error);
    let actor = actor(case, error);
    vec![Finding {
        cause: CONNECT_UNREACHABLE,
        scope: Scope::Connection,
        at: error.packet,
        actor,
        confidence: Confidence::Certain,
        summary: format!(
            "{} answered the edge's SYN to {} with \"{said}\" after {}.",
            error.from,
            line.endpoint.origin,
            between(*syn, error.packet),
        ),
        evidence: vec![
            Evidence::new(*syn, "SYN of the edge"),
            Evidence::new(error.packet, format!("ICMP from {}: {said}", error.from)),
        ],
        edge_status: None,
    }]
}

/// A host that speaks for itself is at fault itself; who forbids is a firewall; who finds no way is the network.
fn actor(case: &Case<'_>, error: &Unreachable) -> Actor {
    if error.from == case.line.endpoint.origin.address {
        return Actor::Origin;
    }
    let forbids = if error.v6 { matches!(error.code, 1 | 5 | 6) } else { matches!(error.code, 9 | 10 | 13) };
    if forbids && (error.kind == 3 || error.v6) { Actor::Middlebox } else { Actor::Network }
}

/// What the message says (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
fn meaning(error: &Unreachable) -> &'static str {
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
    use super::super::testing::{Told, knocking};
    use super::*;

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

    #[test]
    fn a_too_small_mtu_does_not_make_an_origin_unreachable() {
        assert!(told_by_icmp(4, Some(1_400)).found_by(detect).is_empty());
    }
}
