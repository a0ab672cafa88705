//! Exchanges of which no content is known.

use crate::timeline::{Close, Exchange, HandshakePhase, Peer, Request, Timeline, Visibility};
use crate::tls::flight::Sealed;

/// An exchange whose request begins with this record.
pub(super) fn exchange(number: u32, record: Sealed) -> Exchange {
    let request =
        Request { end: Some(record.end), body_bytes: u64::from(record.plain), ..Request::begun(record.start) };
    Exchange { number, stream: None, request, interim: Vec::new(), response: None, visibility: Visibility::Inferred }
}

/// An orderly close completes the response; so does a reset after it had been quiet for long.
pub(super) fn complete_at_close(line: &mut Timeline, number: u32) {
    let tcp = line.closes().next().map(|close| match close {
        Close::Fin { fin, .. } => (fin.packet, Ending::Orderly),
        Close::Rst { rst, .. } => (rst.packet, Ending::Reset),
    });
    // The origin's close_notify ends its stream, whether the capture holds the FIN behind it or not.
    let alerts = line.tls.iter().flat_map(|tls| &tls.alerts);
    let mut goodbyes = alerts.filter(|alert| {
        alert.from == Peer::Origin && alert.phase == HandshakePhase::Established && alert.description.is_none()
    });
    let goodbye = goodbyes.next().map(|alert| (alert.packet, Ending::Orderly));
    let first = tcp.into_iter().chain(goodbye).min_by_key(|(packet, _)| packet.number);
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
