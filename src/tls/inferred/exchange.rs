//! Exchanges of which no content is known.

use std::borrow::Cow;

use crate::timeline::{Close, Coding, Exchange, Framing, Mark, Request, Response, Timeline, Visibility};
use crate::tls::flight::Sealed;

/// An exchange whose request begins with this record.
pub(super) fn exchange(number: u32, record: Sealed) -> Exchange {
    let request = Request {
        start: record.start,
        head_end: None,
        end: Some(record.end),
        method: Cow::Borrowed(""),
        target: String::new(),
        host: None,
        ray: None,
        request_id: None,
        framing: Framing::Unknown,
        body_bytes: u64::from(record.plain),
        close: false,
        expect_continue: false,
        cancelled: None,
    };
    Exchange { number, stream: None, request, interim: Vec::new(), response: None, visibility: Visibility::Inferred }
}

/// A response that begins here.
pub(super) fn response(start: Mark) -> Response {
    Response {
        start,
        head_end: None,
        end: None,
        latest: start,
        status: None,
        minor_version: None,
        framing: Framing::Unknown,
        body_bytes: 0,
        head_bytes: 0,
        largest_field: 0,
        largest_field_name: String::new(),
        fields: 0,
        close: false,
        server: None,
        via: None,
        content_type: None,
        coding: Coding::Identity,
        deviations: Vec::new(),
        preview: Vec::new(),
        grpc_status: None,
    }
}

/// An orderly close completes the response; so does a reset after it had been quiet for long.
pub(super) fn complete_at_close(line: &mut Timeline, number: u32) {
    let first = line.closes().next().map(|close| match close {
        Close::Fin { fin, .. } => (fin.packet, Ending::Orderly),
        Close::Rst { rst, .. } => (rst.packet, Ending::Reset),
    });
    let Some((packet, ending)) = first else { return };
    let latest = line.exchanges.last_mut().filter(|exchange| exchange.number == number);
    let Some(response) = latest.and_then(|exchange| exchange.response.as_mut()) else { return };
    let quiet = packet.time.nanos_since(response.latest.packet.time);
    if ending == Ending::Orderly || quiet >= QUIET_NS {
        response.end = response.end.or(Some(response.latest));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Orderly,
    Reset,
}

/// A response after which the origin was quiet for this long was not cut off by the reset that follows.
const QUIET_NS: i64 = 1_000_000_000;
