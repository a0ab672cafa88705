//! One protocol is agreed on by ALPN, and another is spoken.

use super::http09_response::quote;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{PacketRef, Peer, Spoken, Tls};

pub(super) const CAUSES: &[Cause] = &[ALPN_MISMATCH];

const ALPN_MISMATCH: Cause = Cause("alpn-mismatch");

/// The origin speaks something else than HTTP/2 where HTTP/2 was agreed on, HTTP/2 where it was not, or chooses
/// a protocol that was never offered (RFC 7301 section 3.2).
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    not_http2(case).or_else(|| not_http1(case)).or_else(|| not_offered(case)).into_iter().collect()
}

fn not_http2(case: &Case<'_>) -> Option<Finding> {
    let not = case.line.h2.as_ref()?.spoken_instead.as_ref()?;
    let agreed = case.line.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    if agreed.is_none() && case.line.exchanges.is_empty() {
        // Whoever says no more than the preface asks for nothing: he finds out what is spoken.
        return None;
    }
    let agreement = match agreed {
        Some(alpn) => format!("ALPN agreed on {alpn}"),
        None => "the edge speaks HTTP/2".to_owned(),
    };
    let spoke = format!("{} (\"{}\")", not.spoken, quote(&not.preview));
    Some(finding(case, first_exchange(case), not.at.packet, &agreement, &spoke))
}

/// An HTTP/1 request is answered by HTTP/2 frames.
fn not_http1(case: &Case<'_>) -> Option<Finding> {
    let exchange = case.line.exchanges.iter().find(|exchange| {
        let response = exchange.response.as_ref();
        exchange.stream.is_none() && response.is_some_and(|response| Spoken::of(&response.preview) == Spoken::Http2)
    })?;
    let at = exchange.response.as_ref()?.start.packet;
    let agreed = case.line.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    let agreement = match agreed {
        Some(alpn) => format!("ALPN agreed on {alpn}"),
        None => "the edge speaks HTTP/1".to_owned(),
    };
    Some(finding(case, Scope::Exchange(exchange.number), at, &agreement, "HTTP/2 frames"))
}

fn not_offered(case: &Case<'_>) -> Option<Finding> {
    let tls = case.line.tls.as_deref()?;
    let chosen = tls.alpn.as_ref()?;
    let hello = tls.client_hello.as_ref()?;
    if hello.alpn.contains(chosen) {
        return None;
    }
    let refused = case.line.first_close(Peer::Edge)?.packet();
    let at = tls.server_hello.as_ref().map_or(refused, |hello| hello.packet);
    let offered = if hello.alpn.is_empty() { "no protocol".to_owned() } else { hello.alpn.join(", ") };
    let mut finding =
        finding(case, Scope::Connection, at, &format!("the edge offered {offered}"), &format!("\"{chosen}\" by ALPN"));
    finding.edge_status = handshake_failed(tls).then_some(525);
    Some(finding)
}

fn handshake_failed(tls: &Tls) -> bool {
    tls.phase < crate::timeline::HandshakePhase::Established
}

fn first_exchange(case: &Case<'_>) -> Scope {
    case.unanswered().next().map_or(Scope::Connection, |exchange| Scope::Exchange(exchange.number))
}

fn finding(case: &Case<'_>, scope: Scope, at: PacketRef, agreement: &str, spoke: &str) -> Finding {
    let mut evidence = Vec::new();
    if let Some(tls) = &case.line.tls
        && let Some(hello) = &tls.client_hello
    {
        evidence.push(Evidence::new(hello.packet, format!("ALPN offered: {}", hello.alpn.join(", "))));
        if let (Some(server), Some(alpn)) = (&tls.server_hello, &tls.alpn) {
            evidence.push(Evidence::new(server.packet, format!("ALPN chosen by the origin: {alpn}")));
        }
    }
    evidence.push(Evidence::new(at, format!("the origin speaks {spoke}")));
    Finding {
        cause: ALPN_MISMATCH,
        scope,
        at,
        actor: Actor::Origin,
        confidence: Confidence::Certain,
        summary: format!("{agreement}, and the origin speaks {spoke}.", agreement = capitalised(agreement)),
        evidence,
        edge_status: None,
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
