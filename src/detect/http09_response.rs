//! A response that does not begin with a status line: bare content as in HTTP/0.9, or another protocol.

use super::case::request_name;
use super::{Actor, Case, Cause, Evidence, Finding, Reaction, Scope};
use crate::timeline::{Crash, Rule, Spoken};

pub(super) const CAUSES: &[Cause] = &[HTTP09_RESPONSE];

const HTTP09_RESPONSE: Cause = Cause("http09-response");

/// The first bytes after a request are no status line (RFC 9112 section 4).
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for exchange in &case.line.exchanges {
        let Some(response) = &exchange.response else { continue };
        let Some(broken) = response.deviations.iter().find(|deviation| deviation.rule == Rule::NoStatusLine) else {
            continue;
        };
        if matches!(case.reaction(exchange), Reaction::CarriedOn(_)) {
            continue;
        }
        let preview = if response.preview.is_empty() { &broken.bytes } else { &response.preview };
        let spoken = match Crash::of(preview) {
            Some(crash) => crash.to_string(),
            None => Spoken::of(preview).to_string(),
        };
        let quoted = quote(preview);
        findings.push(Finding {
            cause: HTTP09_RESPONSE,
            scope: Scope::Exchange(exchange.number),
            at: broken.mark.packet,
            actor: Actor::Origin,
            confidence: case.confidence(exchange),
            summary: format!(
                "The origin answered {} with {spoken} and no status line: \"{quoted}\" is not HTTP/1.",
                request_name(exchange),
            ),
            evidence: vec![
                case.request_sent(exchange),
                Evidence::new(
                    broken.mark.packet,
                    format!("the response begins with \"{quoted}\" instead of \"HTTP/1.\" ({})", broken.rule.section()),
                ),
            ],
            edge_status: None,
        });
    }
    findings
}

/// Bytes of a stranger as printable text, at most 40 of them.
pub(super) fn quote(bytes: &[u8]) -> String {
    let shown = bytes.get(..bytes.len().min(QUOTED)).unwrap_or_default();
    let mut text = shown.escape_ascii().to_string();
    if bytes.len() > QUOTED {
        text.push('…');
    }
    text
}

/// Bytes that a sentence quotes.
const QUOTED: usize = 40;

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;
    use crate::timeline::Peer;

    #[test]
    fn a_response_without_status_line_is_named_for_what_it_is() {
        let told = connected().request("GET", "/").response(200, 5, 5).breaking(Rule::NoStatusLine, b"SSH-2.0-x\r\n");
        let found = told.fin(Peer::Origin).found_by(detect);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("with SSH and no status line"), "{}", found[0].summary);
    }

    #[test]
    fn the_output_of_a_crashed_program_is_named() {
        let told = connected().request("GET", "/").response(200, 5, 5);
        let told = told.breaking(Rule::NoStatusLine, b"Traceback (most recent call last):\n  File \"/srv/app.py\"");
        let found = told.fin(Peer::Origin).found_by(detect);
        assert!(found[0].summary.contains("with a Python traceback and no status line"), "{}", found[0].summary);
    }
}
