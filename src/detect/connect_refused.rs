//! The origin's host refuses the connection.

use super::case::between;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{RstSender, Start, Vantage};

pub(super) const CAUSES: &[Cause] = &[CONNECT_REFUSED];

const CONNECT_REFUSED: Cause = Cause("connect-refused");

/// SYN answered by RST: nothing listens there, or a firewall rejects.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let line = case.line;
    let (Start::Refused, Some(syn), Some(rst)) =
        (line.start, line.connect.syns.last(), line.direction.origin.rsts.first())
    else {
        return Vec::new();
    };
    if !case.is_web_traffic() {
        return Vec::new();
    }
    let usual = case.capture.origins.get(&line.endpoint.origin).and_then(|origin| origin.ttl);
    let foreign =
        rst.sender == RstSender::Middlebox || usual.zip(line.direction.origin.ttl).is_some_and(|(a, b)| a != b);
    let (actor, who, confidence) = if foreign {
        (
            Actor::Middlebox,
            "a box between answers in the origin's name (its TTL is not the origin's)",
            Confidence::Likely,
        )
    } else if line.vantage == Vantage::Origin {
        (Actor::Origin, "nothing listens on that port, or the host's own firewall rejects", Confidence::Certain)
    } else {
        (Actor::Origin, "nothing listens on that port, or a firewall rejects in its name", Confidence::Certain)
    };
    vec![Finding {
        cause: CONNECT_REFUSED,
        scope: Scope::Connection,
        at: rst.packet,
        actor,
        confidence,
        summary: format!(
            "The edge's SYN to {} was answered by a reset after {}: {who}.",
            line.endpoint.origin,
            between(*syn, rst.packet),
        ),
        evidence: vec![
            Evidence::new(*syn, format!("SYN to port {}", line.endpoint.origin.port)),
            Evidence::new(rst.packet, format!("RST in answer: {who}")),
        ],
        edge_status: None,
    }]
}
