//! The origin answers a ClientHello with something that is no TLS.

use super::http09_response::quote;
use super::negotiation::other;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::HandshakePhase;

pub(super) const CAUSES: &[Cause] = &[TLS_NOT_SPOKEN];

const TLS_NOT_SPOKEN: Cause = Cause("tls-not-spoken");

/// The origin's first bytes after the ClientHello are no TLS record (RFC 8446 section 5.1).
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(tls) = &case.line.tls else { return Vec::new() };
    let Some(not) = tls.not_tls.as_ref().filter(|_| tls.phase < HandshakePhase::Established) else {
        return Vec::new();
    };
    // Behind a hole nobody can tell where a record begins.
    if not.at.offset > 0 && case.line.has_holes() {
        return Vec::new();
    }
    let quoted = quote(&not.preview);
    let mut evidence = Vec::new();
    if let Some(hello) = &tls.client_hello {
        evidence.push(Evidence::new(hello.packet, "the edge sends a TLS ClientHello"));
    }
    if let Some(given) = other(case, tls) {
        let note = format!("on connection {} the same origin speaks TLS {}", given.connection, given.choice.version);
        evidence.push(Evidence::new(given.choice.packet, note));
    }
    evidence.push(Evidence::new(not.at.packet, format!("the origin answers with {}: \"{quoted}\"", not.spoken)));
    vec![Finding {
        cause: TLS_NOT_SPOKEN,
        scope: Scope::Connection,
        at: not.at.packet,
        actor: Actor::Origin,
        confidence: Confidence::Certain,
        summary: format!(
            "The edge spoke TLS to {}, and the origin answered with {}: \"{quoted}\".",
            case.line.endpoint.origin, not.spoken,
        ),
        evidence,
        edge_status: None,
    }]
}
