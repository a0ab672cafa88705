//! One connection with what surrounds it, and the questions that many detectors ask of it.

use crate::timeline::{
    Capture, Close, Edge, Exchange, Framing, IDLE_S, OriginFacts, PacketRef, Peer, RstSender, Start, Timeline,
    Unreachable, Vantage, Visibility,
};

use super::{Confidence, Evidence};

/// What a detector judges.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The connection.
    pub line: &'a Timeline,
    /// The edge that is assumed.
    pub edge: &'a Edge,
    capture: &'a Capture,
    /// The exchange that was announced to be the connection's last.
    last: u32,
}

/// What the edge did after a response that breaks a rule: often the only witness of what it made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reaction {
    /// It sent the next request on the same connection: it took the response.
    CarriedOn(PacketRef),
    /// It left first, or with a reset.
    Left(PacketRef),
    /// Neither: the origin closed first, or the capture ended.
    Unknown,
}

impl<'a> Case<'a> {
    /// The case of one connection of a capture.
    #[must_use]
    pub fn new(line: &'a Timeline, capture: &'a Capture, edge: &'a Edge) -> Self {
        Self { line, edge, capture, last: line.announced_last().unwrap_or(u32::MAX) }
    }

    /// The capture that it belongs to: what other connections teach. Ask it for nothing that the connection itself can tell.
    #[must_use]
    pub fn capture(&self) -> &'a Capture {
        self.capture
    }

    /// Exchanges whose response did not become complete, though all that came of them could be seen and the
    /// edge had not cancelled them. What the edge sent after an announced close is none of the origin's business: it
    /// must not answer that (RFC 9112 section 9.6).
    pub fn unfinished(&self) -> impl Iterator<Item = &'a Exchange> {
        let (line, last) = (self.line, self.last);
        line.exchanges.iter().filter(move |exchange| {
            let complete = exchange.response.as_ref().is_some_and(|response| response.end.is_some());
            let tunnel = exchange.response.as_ref().is_some_and(|response| response.framing == Framing::Tunnel);
            !complete
                && !tunnel
                && exchange.visibility != Visibility::Obscured
                && exchange.request.cancelled.is_none()
                && exchange.number <= last
                && !line.never_opened()
        })
    }

    /// ICMP errors that quote what `sender` sent, but for those that only ask for smaller packets.
    pub fn rejections(&self, sender: Peer) -> impl Iterator<Item = &'a Unreachable> {
        self.line.unreachable.iter().filter(move |error| error.about == sender && error.mtu.is_none())
    }

    /// Unfinished exchanges of which not one byte of a final response came. Where the capture misses bytes of the origin
    /// around the end of a TLS handshake, the first response may be among them.
    pub fn unanswered(&self) -> impl Iterator<Item = &'a Exchange> {
        let torn = self.line.tls.is_some() && self.line.direction.origin.missed_by_capture > 0;
        self.unfinished().filter(move |exchange| exchange.response.is_none() && !(torn && exchange.number == 1))
    }

    /// What the edge did after the response of `exchange`.
    #[must_use]
    pub fn reaction(&self, exchange: &Exchange) -> Reaction {
        let Some(response) = &exchange.response else { return Reaction::Unknown };
        let seen = response.start.packet.number;
        // Where nothing but the close ends it, the next request says that the edge took it for complete before.
        let taken_from = match (response.framing, response.head_end) {
            (Framing::UntilClose, Some(head_end)) => head_end.packet.number,
            _ => response.latest.packet.number,
        };
        let next = self
            .line
            .exchanges
            .iter()
            .find(|later| later.number > exchange.number && later.request.start.packet.number > taken_from);
        if let Some(next) = next {
            return Reaction::CarriedOn(next.request.start.packet);
        }
        let origin_left = self.line.first_close(Peer::Origin).map(|close| close.packet().number);
        // A FIN after a whole response ends a connection that either side had announced to close: no answer to it.
        let announced = response.end.is_some() && (exchange.request.close || response.close);
        let edge_left = self.line.closes().find(|close| {
            close.from() == Peer::Edge
                && close.packet().number > seen
                && close.packet().seconds_since(response.latest.packet) < REACTION_S
                && (matches!(close, Close::Rst { .. })
                    || (!announced && origin_left.is_none_or(|origin| close.packet().number < origin)))
        });
        edge_left.map_or(Reaction::Unknown, |close| Reaction::Left(close.packet()))
    }

    /// True where this packet is the edge's reset.
    #[must_use]
    pub fn is_reset(&self, packet: PacketRef) -> bool {
        self.line.direction.edge.rsts.iter().any(|rst| rst.packet == packet)
    }

    /// The confidence of a verdict on this exchange, were its content known: without keys it is only likely, and
    /// behind a response of which the snap length cut the head only possible, for that may have announced the close.
    #[must_use]
    pub fn confidence(&self, exchange: &Exchange) -> Confidence {
        match exchange.visibility {
            _ if self.is_behind_a_cut_head(exchange) => Confidence::Possible,
            Visibility::Clear if self.line.direction.origin.missed_by_capture == 0 => Confidence::Certain,
            _ => Confidence::Likely,
        }
    }

    fn is_behind_a_cut_head(&self, exchange: &Exchange) -> bool {
        // Of an exchange whose request the capture misses nothing is known.
        if self.line.cut_bytes > 0 && self.line.direction.edge.missed_by_capture > 0 {
            return true;
        }
        let mut before = self.line.exchanges.iter().take_while(|other| other.number < exchange.number);
        before.any(|other| self.is_cut(other))
    }

    /// True where the snap length cut what would tell how `exchange` went.
    pub(super) fn is_cut(&self, exchange: &Exchange) -> bool {
        self.line.cut_bytes > 0 && exchange.visibility == Visibility::Obscured
    }

    /// The last complete response before `exchange`: since then the connection was idle. Where the snap length cut the
    /// responses, the origin's last data: an edge that asks again had all of the last response.
    #[must_use]
    pub fn idle_since(&self, exchange: &Exchange) -> Option<PacketRef> {
        let before = |other: &&Exchange| other.number < exchange.number;
        let ends = self.line.exchanges.iter().filter(before).filter_map(|other| other.response.as_ref()?.end);
        let complete = ends.map(|end| end.packet).max_by_key(|packet| packet.number);
        let began = exchange.request.start.packet.number;
        let heard =
            self.line.direction.origin.last_data.filter(|heard| self.line.cut_bytes > 0 && heard.number < began);
        [complete, heard].into_iter().flatten().max_by_key(|packet| packet.number)
    }

    /// The origin's close of a connection that carried not a byte, as soon as it stood: nobody left it idle.
    #[must_use]
    pub fn turned_away(&self) -> Option<Close<'a>> {
        let line = self.line;
        let silent = line.exchanges.is_empty()
            && line.direction.edge.first_data.is_none()
            && line.direction.origin.first_data.is_none();
        let close = line.closes().next().filter(|close| close.from() == Peer::Origin)?;
        let forged = matches!(close, Close::Rst { rst, .. } if rst.sender != RstSender::Claimed);
        let at_once = close.packet().seconds_since(line.first) < IDLE_S;
        let stood = line.start == Start::Handshake && line.connect.established();
        (silent && stood && at_once && !forged && !self.line.has_holes() && self.is_web_traffic()).then_some(close)
    }

    /// What is known of the origin from all its connections.
    #[must_use]
    pub fn origin(&self) -> Option<&'a OriginFacts> {
        self.capture().origins.get(&self.line.endpoint.origin)
    }

    /// True where the connection is one that an edge makes: to a web port, or to a server that speaks HTTP or TLS
    /// elsewhere in the capture. A port scan is none.
    #[must_use]
    pub fn is_web_traffic(&self) -> bool {
        let (edge, origin) = (self.line.endpoint.edge, self.line.endpoint.origin);
        if self.capture().scans(edge.address, origin.address) {
            return false;
        }
        origin.is_web_port() || self.capture().origins.get(&origin).is_some_and(|facts| facts.web)
    }

    /// The place of the capture, where only SYNs were seen of this connection: what other connections to the
    /// same server say, or else that SYNs which have passed a router were most likely taken at the origin.
    #[must_use]
    pub fn syn_vantage(&self) -> Vantage {
        let known = self.capture().origins.get(&self.line.endpoint.origin).map(|facts| facts.vantage);
        match known {
            Some(vantage) if vantage != Vantage::Unknown => vantage,
            _ => self.line.vantage,
        }
    }

    /// The packet of a request, as evidence.
    #[must_use]
    pub fn request_sent(&self, exchange: &Exchange) -> Evidence {
        Evidence::new(exchange.request.start.packet, format!("the edge sends {}", request_name(exchange)))
    }
}

/// "request 2, GET /cart", or "request 2" where its content is encrypted.
#[must_use]
pub fn request_name(exchange: &Exchange) -> String {
    let request = &exchange.request;
    if request.method.is_empty() {
        return format!("request {}", exchange.number);
    }
    let mut target: String = request.target.chars().take(TARGET_CHARS).collect();
    if target.len() < request.target.len() {
        target.push('…');
    }
    format!("request {}, {} {target}", exchange.number, request.method)
}

/// An edge that leaves later than this after a response ends an idle connection; it does not answer the response.
const REACTION_S: f64 = 2.0;

/// Characters of a target that a sentence quotes.
const TARGET_CHARS: usize = 60;

/// A duration in the unit that fits it: `1.500 s`, `12.3 ms`, `85 µs`.
#[must_use]
pub fn span(nanos: i64) -> String {
    let micros = nanos as f64 / 1e3;
    match nanos {
        1_000_000_000.. => format!("{:.3} s", micros / 1e6),
        1_000_000.. => format!("{:.1} ms", micros / 1e3),
        _ => format!("{micros:.0} µs"),
    }
}

/// The duration from `from` to `to` in the unit that fits it.
#[must_use]
pub fn between(from: PacketRef, to: PacketRef) -> String {
    span(to.time.nanos_since(from.time))
}
