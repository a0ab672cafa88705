//! The origin closes an idle connection while the edge's next request is on its way.

use super::case::{between, request_name, span};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Ending, Exchange, PacketRef, Peer, RstSender, Visibility};

pub(super) const CAUSES: &[Cause] = &[KEEPALIVE_RACE];

const KEEPALIVE_RACE: Cause = Cause("keepalive-race");

/// How near to the learned idle timeout a reset must come: as a share of it, and at the least.
const NEAR_SHARE: f64 = 0.02;
const NEAR_LEAST_NS: f64 = 40e6;

/// A close this soon after a response ends no idleness.
const AT_ONCE_NS: i64 = 10_000_000;

/// The origin's FIN does not acknowledge the request: it was sent before the request arrived. Or, without a
/// FIN, the request is reset just when the origin's idle timeout runs out: it closed with the request unread.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.unanswered()
        .filter_map(|exchange| crossed_by_close(case, exchange).or_else(|| closed_unread(case, exchange)))
        .collect()
}

fn crossed_by_close(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let (close, by) = match case.line.crossed_close(exchange)? {
        Ending::Closed { packet, by, .. } => (packet, by),
        Ending::Reset { rst, .. } => (rst.packet, "RST"),
    };
    if was_busy(case, exchange, close) {
        return None;
    }
    let idle = case.idle_since(exchange).map(|since| close.time.nanos_since(since.time));
    let closed = match idle {
        Some(idle) => format!("The origin closed the connection after {} of idleness", span(idle)),
        None => "The origin closed the connection before its first request".to_owned(),
    };
    let learned = learned(case);
    let summary = format!(
        "{closed}{learned}, and the edge had not seen that when it sent {}: the request went to a connection that \
         was already closed.",
        request_name(exchange),
    );
    // What nobody can read may have announced a close that comes straight behind it.
    let announced = exchange.visibility == Visibility::Inferred && idle.is_some_and(|idle| idle < AT_ONCE_NS);
    let confidence = if announced { Confidence::Possible } else { Confidence::Certain };
    Some(finding(case, exchange, close, summary, close_evidence(case, exchange, close, by), confidence))
}

/// True where another exchange was under way when the origin closed: the connection was not idle.
fn was_busy(case: &Case<'_>, exchange: &Exchange, close: PacketRef) -> bool {
    case.line.exchanges.iter().any(|other| {
        let ended = other.response.as_ref().and_then(|response| response.end);
        other.number < exchange.number
            // Of what the snap length cut, the edge had seen the end before it asked again.
            && !case.is_cut(other)
            && other.request.start.packet.number < close.number
            && ended.is_none_or(|end| end.packet.number > close.number)
            && case.line.crossed_close(other).is_none()
    })
}

fn close_evidence(case: &Case<'_>, exchange: &Exchange, close: PacketRef, by: &str) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    if let Some(since) = case.idle_since(exchange) {
        evidence.push(Evidence::new(since, idle_from(case)));
        evidence.push(Evidence::new(
            close,
            format!("the origin closes the idle connection ({by}) {} after its last response", between(since, close)),
        ));
    } else {
        evidence.push(Evidence::new(close, format!("the origin closes the connection ({by}) before any request")));
    }
    evidence.push(Evidence::new(
        exchange.request.start.packet,
        format!("the edge sends {}, which the {by} does not acknowledge", request_name(exchange)),
    ));
    if let Some(rst) = case.line.direction.origin.rsts.iter().find(|rst| rst.packet != close) {
        evidence.push(Evidence::new(rst.packet, "the origin's kernel answers it with RST: the connection is gone"));
    }
    evidence.sort_by_key(|evidence| evidence.packet.number);
    evidence
}

fn idle_from(case: &Case<'_>) -> &'static str {
    match case.line.cut_bytes {
        0 => "the last response is complete; the connection is idle from here",
        _ => "the origin's last data, of which the snap length cut the end; the connection is idle from here",
    }
}

fn closed_unread(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let Some(Ending::Reset { from: Peer::Origin, rst }) = case.line.ending(exchange) else { return None };
    let timeout = case.capture().origins.get(&case.line.endpoint.origin)?.idle_timeout_s()?;
    let since = case.idle_since(exchange)?;
    let idle = rst.packet.time.nanos_since(since.time);
    let off = (idle as f64 - timeout * 1e9).abs();
    if rst.sender != RstSender::Claimed || off > (timeout * 1e9 * NEAR_SHARE).max(NEAR_LEAST_NS) {
        return None;
    }
    let summary = format!(
        "The origin closes connections that were idle for {timeout:.3} s, and {} arrived just before: the origin \
         closed with the request unread, {} after its last response, so its kernel reset the connection.",
        request_name(exchange),
        span(idle),
    );
    let evidence = vec![
        Evidence::new(since, idle_from(case)),
        case.request_sent(exchange),
        Evidence::new(
            rst.packet,
            format!("RST {} after the last response: the origin's idle timeout of {timeout:.3} s", span(idle)),
        ),
    ];
    Some(finding(case, exchange, rst.packet, summary, evidence, Confidence::Likely))
}

/// What all idle closes say of the origin's idle timeout, as an insertion.
fn learned(case: &Case<'_>) -> String {
    let timeout = case.capture().origins.get(&case.line.endpoint.origin).and_then(|origin| {
        let seconds = origin.idle_timeout_s()?;
        Some(format!(" (its idle timeout is {seconds:.3} s, by {} idle closes)", origin.separate_closes().count()))
    });
    timeout.unwrap_or_default()
}

fn finding(
    case: &Case<'_>,
    exchange: &Exchange,
    at: PacketRef,
    summary: String,
    evidence: Vec<Evidence>,
    confidence: Confidence,
) -> Finding {
    Finding {
        cause: KEEPALIVE_RACE,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: confidence.min(case.confidence(exchange)),
        summary,
        evidence,
        edge_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;
    use crate::timeline::{IdleClose, RstLook, Time};

    /// The same close on several connections, a second apart.
    fn apart(close: IdleClose, times: i64) -> Vec<IdleClose> {
        let later = |nth: i64| PacketRef { time: Time(close.packet.time.0 + nth * 1_000_000_000), ..close.packet };
        (0..times).map(|nth| IdleClose { packet: later(nth), ..close }).collect()
    }

    #[test]
    fn a_close_straight_behind_what_nobody_can_read_may_have_been_announced() {
        let told = |idle: f64| {
            let closed = connected().request("GET", "/").response(200, 5, 5).after(idle).fin(Peer::Origin);
            closed.request("GET", "/next").with(|told| told.exchange().visibility = Visibility::Inferred)
        };
        let confidence = |idle: f64| told(idle).found_by(detect).first().map(|found| found.confidence);
        assert_eq!(confidence(0.001), Some(Confidence::Possible));
        assert_eq!(confidence(2.0), Some(Confidence::Likely));
    }

    #[test]
    fn a_request_that_crosses_the_idle_close_is_a_race() {
        let told = connected().request("GET", "/").response(200, 5, 5).after(2.0).fin(Peer::Origin);
        let told = told.request("GET", "/cart").rst(Peer::Origin, RstLook::NoConnection);
        let found = told.found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].scope, found[0].confidence), (Scope::Exchange(2), Confidence::Certain));
        assert!(found[0].summary.contains("after 2.001 s of idleness"), "{}", found[0].summary);
    }

    #[test]
    fn seen_from_the_edge_the_fin_comes_after_the_request_and_still_does_not_acknowledge_it() {
        let told = connected().request("GET", "/").response(200, 5, 5).after(2.0).request("GET", "/cart");
        let told = told.fin(Peer::Origin).with(|told| told.line.direction.origin.fins[0].acked = 100);
        assert_eq!(told.causes(detect), ["keepalive-race"]);
    }

    #[test]
    fn a_reset_at_the_learned_idle_timeout_is_a_close_with_the_request_unread() {
        let learned = |told: &mut super::super::testing::Told| {
            let packet = told.line.first;
            let close = IdleClose { connection: 9, packet, idle_ns: 1_500_000_000 };
            told.facts().idle_closes = apart(close, 3);
        };
        let told = connected().with(learned).request("GET", "/").response(200, 5, 5).after(1.47);
        let told = told.request("GET", "/again").after(0.028).rst(Peer::Origin, RstLook::Abort);
        assert_eq!(told.causes(detect), ["keepalive-race"]);
    }

    #[test]
    fn a_reset_long_before_the_idle_timeout_is_none() {
        let told = connected().with(|told| {
            let close = IdleClose { connection: 9, packet: told.line.first, idle_ns: 5_000_000_000 };
            told.facts().idle_closes = apart(close, 3);
        });
        let told = told.request("GET", "/").response(200, 5, 5).after(1.0).request("GET", "/again");
        assert!(told.rst(Peer::Origin, RstLook::Abort).found_by(detect).is_empty());
    }
}
