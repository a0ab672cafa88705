//! What ended an exchange that did not end by itself.

use super::{Close, Exchange, HandshakePhase, PacketRef, Peer, Rst, RstSender, Timeline};

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
pub const IDLE_S: f64 = 1.0;

impl Timeline {
    /// The first close or reset of either peer from the packet of the exchange's request on.
    ///
    /// A close that the origin sent before the request arrived does not count: it ended the connection before,
    /// and its packet may stand on either side of the request, by the place of the capture.
    #[must_use]
    pub fn ending(&self, exchange: &Exchange) -> Option<Ending<'_>> {
        let start = exchange.request.start.packet.number;
        let counts = |ending: &Ending<'_>| {
            // An origin that closes before it has a first request ends that one, too.
            let before = matches!(ending, Ending::Closed { from: Peer::Origin, .. }) && exchange.number == 1;
            (ending.packet().number >= start || before)
                && !self.crosses(ending, exchange)
                && !self.answers_what_was_missed(ending)
        };
        self.endings().filter(counts).min_by_key(|ending| ending.packet().number)
    }

    /// The origin's close or reset that crossed the exchange's request on the way: it does not acknowledge the
    /// request, so it was sent before the request arrived.
    #[must_use]
    pub fn crossed_close(&self, exchange: &Exchange) -> Option<Ending<'_>> {
        let crossing = self.endings().filter(|ending| self.crosses(ending, exchange));
        crossing.min_by_key(|ending| ending.packet().number)
    }

    fn endings(&self) -> impl Iterator<Item = Ending<'_>> {
        let tcp = self.closes().map(|close| match close {
            Close::Fin { from, fin } => Ending::Closed { from, packet: fin.packet, by: fin.name() },
            Close::Rst { from, rst } => Ending::Reset { from, rst },
        });
        let alerts = self.tls.iter().flat_map(|tls| &tls.alerts).filter(|alert| {
            // An alert after the handshake that nobody can read is a close_notify as a rule.
            alert.phase == HandshakePhase::Established && alert.description.is_none_or(|said| said.is_close())
        });
        tcp.chain(alerts.map(|alert| Ending::Closed { from: alert.from, packet: alert.packet, by: "close_notify" }))
    }

    /// The origin's FIN acknowledges more than the capture holds of the edge: a byte of it, or its FIN, came first.
    fn answers_what_was_missed(&self, ending: &Ending<'_>) -> bool {
        let Ending::Closed { from: Peer::Origin, packet, .. } = ending else { return false };
        let fin = self.direction.origin.fins.iter().find(|fin| fin.packet == *packet);
        fin.is_some_and(|fin| fin.acked > self.direction.edge.sent)
    }

    /// Every segment acknowledges what its sender has received (RFC 9293 section 3.4).
    fn crosses(&self, ending: &Ending<'_>, exchange: &Exchange) -> bool {
        let origin = &self.direction.origin;
        let acked = match ending {
            Ending::Closed { from: Peer::Origin, packet, .. } => {
                let fin = origin.fins.iter().find(|fin| fin.packet == *packet).map(|fin| fin.acked);
                fin.or_else(|| origin.recent.acked_by(*packet))
            }
            Ending::Reset { from: Peer::Origin, rst } if rst.sender == RstSender::Claimed => {
                rst.acked.map(|acked| acked.max(0) as u64)
            }
            _ => None,
        };
        // A connection that was never used, and is closed as soon as it stands, was refused, not left idle.
        let idle = exchange.number > 1 || ending.packet().seconds_since(self.first) >= IDLE_S;
        idle && acked.is_some_and(|acked| acked <= exchange.request.start.offset)
    }
}
