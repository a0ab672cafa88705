//! Response bytes that belong to no request.

use super::http09_response::quote;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Close, Exchange, PacketRef, Peer, Timeline, Unsolicited, Visibility};

pub(super) const CAUSES: &[Cause] = &[UNSOLICITED_RESPONSE];

const UNSOLICITED_RESPONSE: Cause = Cause("unsolicited-response");

/// A body longer than it said, a second response, a 408 on an idle connection. It fails an exchange where the
/// bytes follow its response at once and the edge left, or where the edge's next request met them.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.line.unsolicited.iter().filter_map(|bytes| judge(case, bytes)).collect()
}

fn judge(case: &Case<'_>, bytes: &Unsolicited) -> Option<Finding> {
    let line = case.line;
    let (exchange, witness, did) = match next_request(line, bytes.start.packet) {
        // The edge went on, and was answered: it threw the bytes away.
        Some(exchange) if exchange.response.is_some() => return None,
        Some(exchange) => (exchange, exchange.request.start.packet, "the edge's next request meets these bytes"),
        None => {
            let before = line.exchange(bytes.after_exchange?)?;
            let left = left_over(case, before, bytes)?;
            (before, left, "the edge leaves the connection")
        }
    };
    if exchange.visibility == Visibility::Obscured {
        return None;
    }
    let what = match bytes.status {
        Some(status) => format!("a response with status {status} that nobody asked for"),
        None => format!("{} bytes that belong to no response (\"{}\")", bytes.bytes, quote(&bytes.preview)),
    };
    let after =
        bytes.after_exchange.map_or_else(String::new, |number| format!(" after its response to request {number}"));
    Some(Finding {
        cause: UNSOLICITED_RESPONSE,
        scope: Scope::Exchange(exchange.number),
        at: bytes.start.packet,
        actor: Actor::Origin,
        confidence: Confidence::Likely,
        summary: format!("The origin sent {what}{after}."),
        evidence: vec![Evidence::new(bytes.start.packet, what.clone()), Evidence::new(witness, did)],
        edge_status: None,
    })
}

fn next_request(line: &Timeline, after: PacketRef) -> Option<&Exchange> {
    line.exchanges.iter().find(|exchange| exchange.request.start.packet.number > after.number)
}

/// The packet in which the edge left because of bytes that came with the end of a response: it reset the
/// connection, or closed it before the origin did.
fn left_over(case: &Case<'_>, before: &Exchange, bytes: &Unsolicited) -> Option<PacketRef> {
    // Whether it closes by FIN, or by RST for the bytes that it left unread: its visitor has the response.
    if case.edge.takes_bytes_beyond {
        return None;
    }
    let end = before.response.as_ref()?.end?;
    let idle = bytes.start.packet.time.nanos_since(end.packet.time);
    // A status line long after the response is the origin's farewell to an idle connection: nobody was hurt.
    if bytes.status.is_some() && idle > FAREWELL_NS {
        return None;
    }
    let edge_left = case.line.first_close(Peer::Edge)?;
    if edge_left.packet().number < bytes.start.packet.number {
        return None;
    }
    case.line.closes().find_map(|close| {
        let from_edge = close.from() == Peer::Edge && close.packet().number > bytes.start.packet.number;
        let first = matches!(close, Close::Rst { .. })
            || case.line.first_close(Peer::Origin).is_none_or(|origin| origin.packet().number > close.packet().number);
        (from_edge && first).then(|| close.packet())
    })
}

/// A status line this long after a response belongs to the idle connection, not to the response.
const FAREWELL_NS: i64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::RstLook;

    fn beyond(told: Told, status: Option<u16>) -> Told {
        told.with(|told| {
            let start = crate::timeline::Mark { packet: told.packet(), offset: 105 };
            let after_exchange = told.line.exchanges.last().map(|exchange| exchange.number);
            let preview = b"more".to_vec();
            told.line.unsolicited.push(Unsolicited { start, bytes: 4, after_exchange, status, preview });
        })
    }

    #[test]
    fn a_body_longer_than_it_said_makes_the_edge_leave() {
        let told = beyond(connected().request("GET", "/").response(200, 5, 5), None);
        let found = told.rst(Peer::Edge, RstLook::Abort).found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].scope, Scope::Exchange(1));
    }

    #[test]
    fn an_edge_that_throws_such_bytes_away_leaves_with_a_good_response() {
        let told = |name| {
            let told = beyond(connected().request("GET", "/").response(200, 5, 5), None);
            told.with(|told| told.edge = crate::timeline::Edge::built_in(name).unwrap())
        };
        assert!(told("generic").fin(Peer::Edge).found_by(detect).is_empty());
        assert!(told("generic").rst(Peer::Edge, RstLook::Abort).found_by(detect).is_empty());
        assert_eq!(told("cloudflare").fin(Peer::Edge).causes(detect), ["unsolicited-response"]);
    }

    #[test]
    fn the_next_request_meets_a_farewell_to_the_idle_connection() {
        let told = beyond(connected().request("GET", "/").response(200, 5, 5).after(5.0), Some(408)).fin(Peer::Origin);
        assert_eq!(told.request("GET", "/next").found_by(detect)[0].scope, Scope::Exchange(2));
    }

    #[test]
    fn a_farewell_that_nothing_meets_hurts_nobody() {
        let told = beyond(connected().request("GET", "/").response(200, 5, 5).after(5.0), Some(408)).fin(Peer::Origin);
        assert!(told.fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn an_edge_that_goes_on_threw_the_bytes_away() {
        let told = beyond(connected().request("GET", "/").response(200, 5, 5), None);
        assert!(told.request("GET", "/next").response(200, 5, 5).fin(Peer::Edge).found_by(detect).is_empty());
    }
}
