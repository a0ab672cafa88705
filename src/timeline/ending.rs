//! What ended an exchange that did not end by itself.

use super::{Close, Exchange, HandshakePhase, PacketRef, Peer, Rst, Timeline};

/// The first sign that one side gave an exchange up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending<'a> {
    /// An orderly close.
    Closed {
        /// Who closed.
        from: Peer,
        /// The packet.
        packet: PacketRef,
        /// By which means: `FIN`, or `close_notify` where TLS says it first.
        by: &'static str,
    },
    /// A reset.
    Reset {
        /// The peer whose address it carries.
        from: Peer,
        /// The segment.
        rst: &'a Rst,
    },
}

impl Ending<'_> {
    /// The packet.
    #[must_use]
    pub fn packet(&self) -> PacketRef {
        match self {
            Self::Closed { packet, .. } => *packet,
            Self::Reset { rst, .. } => rst.packet,
        }
    }

    /// The peer that did it, as far as addresses tell.
    #[must_use]
    pub fn from(&self) -> Peer {
        match self {
            Self::Closed { from, .. } | Self::Reset { from, .. } => *from,
        }
    }
}

/// Seconds after which a connection without a request counts as idle.
const IDLE_S: f64 = 1.0;

impl Timeline {
    /// The first close or reset of either peer from the packet of the exchange's request on.
    ///
    /// A close that the origin sent before the request arrived does not count: it ended the connection before,
    /// and its packet may stand on either side of the request, by the place of the capture.
    #[must_use]
    pub fn ending(&self, exchange: &Exchange) -> Option<Ending<'_>> {
        let start = exchange.request.start.packet.number;
        let crossed = self.crossed_close(exchange).is_some();
        let tcp = self.closes().map(|close| match close {
            Close::Fin { from, fin } => Ending::Closed { from, packet: fin.packet, by: "FIN" },
            Close::Rst { from, rst } => Ending::Reset { from, rst },
        });
        let counts = |ending: &Ending<'_>| {
            let by_origin = matches!(ending, Ending::Closed { from: Peer::Origin, .. });
            // An origin that closes before it has a first request ends that one, too.
            let before = by_origin && exchange.number == 1;
            (ending.packet().number >= start || before) && !(by_origin && crossed)
        };
        tcp.chain(self.close_notices()).filter(counts).min_by_key(|ending| ending.packet().number)
    }

    /// The origin's close that crossed the exchange's request on the way: its FIN, or its close_notify, does not
    /// acknowledge the request, so it was sent before the request arrived.
    #[must_use]
    pub fn crossed_close(&self, exchange: &Exchange) -> Option<Ending<'_>> {
        let start = exchange.request.start.offset;
        let origin = &self.direction.origin;
        // A connection that was never used, and is closed as soon as it stands, was refused, not left idle.
        let idle = |ending: &Ending<'_>| exchange.number > 1 || ending.packet().seconds_since(self.first) >= IDLE_S;
        let notice = self.close_notices().find(|ending| {
            let acked = origin.recent.acked_by(ending.packet());
            ending.from() == Peer::Origin && acked.is_some_and(|acked| acked <= start)
        });
        let fin = origin.fins.first().filter(|fin| fin.acked <= start);
        let fin = fin.map(|fin| Ending::Closed { from: Peer::Origin, packet: fin.packet, by: "FIN" });
        notice.or(fin).filter(idle)
    }

    /// Alerts that close the TLS connection. One after the handshake that nobody can read is a close_notify as a rule.
    fn close_notices(&self) -> impl Iterator<Item = Ending<'_>> {
        let alerts = self.tls.iter().flat_map(|tls| &tls.alerts).filter(|alert| {
            alert.phase == HandshakePhase::Established && alert.description.is_none_or(|said| said.is_close())
        });
        alerts.map(|alert| Ending::Closed { from: alert.from, packet: alert.packet, by: "close_notify" })
    }
}
