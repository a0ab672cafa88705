//! Observations on exchanges: aborts by the edge, the origin's own errors, slow answers, limits that are near.

use std::collections::BTreeMap;

use super::{Sight, Tally, Watch, count};
use crate::detect::case::request_name;
use crate::detect::{Observation, span};
use crate::timeline::{Capture, Close, Edge, Framing, Peer, Response, Rule, Visibility};

/// `client-abort`: the edge left first, with nothing wrong.
#[derive(Default)]
pub(super) struct ClientAbort(Tally);

impl Watch for ClientAbort {
    fn see(&mut self, sight: &Sight<'_>) {
        // Late copies of an earlier connection: the edge refuses what it never asked for.
        if sight.line.never_opened() {
            return;
        }
        let last = sight.line.announced_last().unwrap_or(u32::MAX);
        for exchange in &sight.line.exchanges {
            let response = exchange.response.as_ref();
            let done = response.is_some_and(|r| r.end.is_some() || r.framing == Framing::Tunnel);
            let late = exchange.number > last;
            // Whether an answer that nobody can read was whole, nobody knows.
            let done = done || (exchange.visibility == Visibility::Inferred && response.is_some());
            if done || late || exchange.visibility == Visibility::Obscured || sight.failed(exchange.number) {
                continue;
            }
            let left = exchange.request.cancelled.or_else(|| {
                let first = sight.line.ending(exchange)?;
                (first.from() == Peer::Edge).then(|| first.packet())
            });
            if let Some(packet) = left {
                self.0.add(packet, || format!("the edge abandons {}", request_name(exchange)));
            }
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let what = count(self.0.count, "exchange");
        self.0.observation(
            "client-abort",
            format!("The edge abandoned {what} with nothing wrong: its visitor left (499)."),
        )
    }
}

/// `request-after-close`: the edge sent a request on a connection whose close was announced.
#[derive(Default)]
pub(super) struct AfterClose(Tally);

impl Watch for AfterClose {
    fn see(&mut self, sight: &Sight<'_>) {
        let Some(last) = sight.line.announced_last() else { return };
        for exchange in sight.line.exchanges.iter().filter(|exchange| exchange.number > last && !exchange.complete()) {
            let name = || format!("{}, after exchange {last} had announced the close", request_name(exchange));
            self.0.add(exchange.request.start.packet, name);
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let summary = format!(
            "The edge sent {} on a connection that was to close after an earlier response (Connection: close): the \
             origin must not answer them (RFC 9112 section 9.6).",
            count(self.0.count, "request"),
        );
        self.0.observation("request-after-close", summary)
    }
}

/// `origin-error`: the origin itself answered 5xx, or a gRPC error in its trailers, and the edge passes that on.
#[derive(Default)]
pub(super) struct OriginError {
    tally: Tally,
    errors: BTreeMap<String, u64>,
    makers: BTreeMap<String, u64>,
}

impl OriginError {
    /// Statuses and makers that are kept: strangers name them.
    const KEPT: usize = 16;

    fn count(counts: &mut BTreeMap<String, u64>, what: String) {
        if counts.len() < Self::KEPT || counts.contains_key(&what) {
            let number = counts.entry(what).or_default();
            *number = number.saturating_add(1);
        }
    }
}

/// What says that the origin itself failed.
fn error(response: &Response) -> Option<String> {
    let status = response.status.filter(|status| (500..600).contains(status)).map(|status| status.to_string());
    // grpc-status 0 is OK.
    status.or_else(|| response.grpc_status.filter(|&status| status != 0).map(|status| format!("gRPC {status}")))
}

/// Which hop of a chain of proxies made it, as far as it says: its own error page is the surest sign.
fn maker(response: &Response) -> Option<String> {
    let page = response.error_page.map(|page| format!("the error page of {page}"));
    page.or_else(|| Some(format!("Server: {}", response.server.as_ref()?)))
}

fn hints(response: &Response) -> String {
    let field = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}: {value}"));
    let page = response.error_page.map(|page| format!("the error page of {page}"));
    let (server, via) = (field("Server", &response.server), field("Via", &response.via));
    let hints = [page, server, via, field("X-Cache", &response.x_cache)];
    hints.into_iter().flatten().map(|hint| format!(", {hint}")).collect()
}

impl Watch for OriginError {
    fn see(&mut self, sight: &Sight<'_>) {
        for exchange in &sight.line.exchanges {
            let Some(response) = &exchange.response else { continue };
            let Some(error) = error(response).filter(|_| !sight.failed(exchange.number)) else { continue };
            Self::count(&mut self.errors, error.clone());
            if let Some(maker) = maker(response) {
                Self::count(&mut self.makers, maker);
            }
            let note = || format!("{error} to {}{}", request_name(exchange), hints(response));
            self.tally.add(response.start.packet, note);
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let list = |counts: &BTreeMap<String, u64>| {
            let counts: Vec<String> = counts.iter().map(|(what, n)| format!("{n} × {what}")).collect();
            counts.join(", ")
        };
        let makers = if self.makers.is_empty() { String::new() } else { format!(", by {}", list(&self.makers)) };
        let summary = format!(
            "The origin itself answered {} with a server error ({}){makers}; the edge passes that on.",
            count(self.tally.count, "request"),
            list(&self.errors),
        );
        self.tally.observation("origin-error", summary)
    }
}

/// `slow-response`: the first byte took longer than half of the edge's read timeout.
#[derive(Default)]
pub(super) struct SlowResponse {
    tally: Tally,
    longest_ns: i64,
}

impl Watch for SlowResponse {
    fn see(&mut self, sight: &Sight<'_>) {
        for exchange in &sight.line.exchanges {
            let (Some(sent), Some(response)) = (exchange.request.end, &exchange.response) else { continue };
            let waited = response.start.packet.time.nanos_since(sent.packet.time);
            if waited as f64 / 1e9 < sight.edge.response_timeout_s / 2.0 || sight.failed(exchange.number) {
                continue;
            }
            self.longest_ns = self.longest_ns.max(waited);
            self.tally.add(response.start.packet, || format!("{} after {}", request_name(exchange), span(waited)));
        }
    }

    fn tell(&self, _: &Capture, edge: &Edge) -> Option<Observation> {
        let summary = format!(
            "{} took longer than half of the edge's read timeout of {} s to begin, the slowest {}.",
            count(self.tally.count, "response"),
            edge.response_timeout_s,
            span(self.longest_ns),
        );
        self.tally.observation("slow-response", summary)
    }
}

/// `limit-near`: a header section or field above half of the edge's limit.
#[derive(Default)]
pub(super) struct LimitNear {
    tally: Tally,
    largest: u64,
}

impl Watch for LimitNear {
    fn see(&mut self, sight: &Sight<'_>) {
        for exchange in &sight.line.exchanges {
            let Some(response) = &exchange.response else { continue };
            let near = response.head_bytes > sight.edge.headers_limit / 2
                || response.largest_field > sight.edge.header_limit / 2;
            if !near || sight.failed(exchange.number) {
                continue;
            }
            self.largest = self.largest.max(response.head_bytes);
            self.tally.add(response.start.packet, || {
                format!("{} bytes of headers to {}", response.head_bytes, request_name(exchange))
            });
        }
    }

    fn tell(&self, _: &Capture, edge: &Edge) -> Option<Observation> {
        let summary = format!(
            "{} had headers above half of the edge's limits ({} bytes a line, {} in all); the largest section had {}.",
            count(self.tally.count, "response"),
            edge.header_limit,
            edge.headers_limit,
            self.largest,
        );
        self.tally.observation("limit-near", summary)
    }
}

/// `tolerated-deviation`: a rule of the specification was broken, and this edge took the response.
#[derive(Default)]
pub(super) struct Tolerated {
    tally: Tally,
    rules: BTreeMap<Rule, u64>,
}

impl Watch for Tolerated {
    fn see(&mut self, sight: &Sight<'_>) {
        for exchange in &sight.line.exchanges {
            let Some(response) = &exchange.response else { continue };
            if response.deviations.is_empty() || sight.failed(exchange.number) {
                continue;
            }
            let left = sight.line.closes().next().is_some_and(|close| matches!(close, Close::Rst { .. }));
            if left && response.end.is_none() {
                continue;
            }
            for deviation in &response.deviations {
                let number = self.rules.entry(deviation.rule).or_default();
                *number = number.saturating_add(1);
                self.tally.add(deviation.mark.packet, || {
                    format!("the response to {} {}", request_name(exchange), deviation.rule.text())
                });
            }
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let rules: Vec<String> =
            self.rules.iter().map(|(rule, n)| format!("{n} × {} ({})", rule.text(), rule.section())).collect();
        let summary = format!(
            "The origin broke the specification and the edge took it all the same: a response {}.",
            rules.join("; ")
        );
        self.tally.observation("tolerated-deviation", summary)
    }
}
