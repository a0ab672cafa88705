//! A connection told in the order of its packets.

use std::fmt;
use std::net::IpAddr;

use super::{Close, Fin, PacketRef, Peer, RstSender, Timeline, cipher_name};

/// One thing that happened, in one packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The packet.
    pub packet: PacketRef,
    /// Who did it.
    pub from: Teller,
    /// Who gets the packet.
    pub to: Peer,
    /// What happened.
    pub kind: EventKind,
    /// A short sentence about it, without its subject.
    pub text: String,
}

/// Who did what an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    /// One of the two peers.
    Peer(Peer),
    /// A box between them, by forging a packet.
    Middlebox,
    /// Whoever sent an ICMP message.
    Router(IpAddr),
}

impl fmt::Display for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Middlebox => f.write_str("middlebox"),
            Self::Router(address) => address.fmt(f),
        }
    }
}

/// The kinds of events; their names are part of the report's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// SYN.
    Syn,
    /// SYN-ACK.
    SynAck,
    /// The ACK that completes the TCP handshake.
    Established,
    /// ICMP error.
    Icmp,
    /// TLS handshake message.
    TlsHandshake,
    /// TLS alert.
    TlsAlert,
    /// TLS handshake complete.
    TlsEstablished,
    /// A request begins.
    Request,
    /// A request is complete, where that took more than one packet.
    RequestEnd,
    /// A response begins.
    Response,
    /// A response is complete.
    ResponseEnd,
    /// A deviation from the specification.
    Deviation,
    /// Bytes that belong to no request.
    Unsolicited,
    /// Bytes of another protocol than the one due.
    WrongProtocol,
    /// HTTP/2 RST_STREAM.
    StreamReset,
    /// HTTP/2 GOAWAY.
    GoAway,
    /// A segment repeated and not acknowledged.
    Stuck,
    /// A window of 0.
    ZeroWindow,
    /// FIN.
    Fin,
    /// RST.
    Rst,
}

impl EventKind {
    /// The stable name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::SynAck => "syn-ack",
            Self::Established => "established",
            Self::Icmp => "icmp",
            Self::TlsHandshake => "tls-handshake",
            Self::TlsAlert => "tls-alert",
            Self::TlsEstablished => "tls-established",
            Self::Request => "request",
            Self::RequestEnd => "request-end",
            Self::Response => "response",
            Self::ResponseEnd => "response-end",
            Self::Deviation => "deviation",
            Self::Unsolicited => "unsolicited",
            Self::WrongProtocol => "wrong-protocol",
            Self::StreamReset => "stream-reset",
            Self::GoAway => "goaway",
            Self::Stuck => "stuck",
            Self::ZeroWindow => "zero-window",
            Self::Fin => "fin",
            Self::Rst => "rst",
        }
    }
}

impl Timeline {
    /// Everything that happened on the connection, in the order of the packets.
    #[must_use]
    pub fn story(&self) -> Vec<Event> {
        let mut events = Vec::new();
        self.tell_connect(&mut events);
        self.tell_tls(&mut events);
        self.tell_exchanges(&mut events);
        self.tell_h2(&mut events);
        self.tell_transport(&mut events);
        events.sort_by_key(|event| event.packet.number);
        events
    }

    fn tell_connect(&self, events: &mut Vec<Event>) {
        let connect = &self.connect;
        for (nth, &packet) in connect.syns.iter().enumerate() {
            events.push(event(packet, Peer::Edge, EventKind::Syn, repeated("SYN", nth)));
        }
        for (nth, &packet) in connect.syn_acks.iter().enumerate() {
            events.push(event(packet, Peer::Origin, EventKind::SynAck, repeated("SYN-ACK", nth)));
        }
        if let Some(packet) = connect.ack {
            events.push(event(packet, Peer::Edge, EventKind::Established, "ACK: connection established".into()));
        }
        for error in &self.unreachable {
            let version = if error.v6 { "ICMPv6" } else { "ICMP" };
            events.push(Event {
                packet: error.packet,
                from: Teller::Router(error.from),
                to: error.about,
                kind: EventKind::Icmp,
                text: format!(
                    "{version} type {} code {} about a segment of the {}",
                    error.kind, error.code, error.about
                ),
            });
        }
    }

    fn tell_tls(&self, events: &mut Vec<Event>) {
        let Some(tls) = &self.tls else { return };
        if let Some(hello) = &tls.client_hello {
            let sni = hello.sni.as_deref().unwrap_or("no SNI");
            let alpn = if hello.alpn.is_empty() { "none".into() } else { hello.alpn.join(", ") };
            let text = format!("TLS ClientHello for {sni}, ALPN offered: {alpn}");
            events.push(event(hello.packet, Peer::Edge, EventKind::TlsHandshake, text));
        }
        if let Some(packet) = tls.hello_retry {
            events.push(event(packet, Peer::Origin, EventKind::TlsHandshake, "TLS HelloRetryRequest".into()));
        }
        if let Some(hello) = &tls.server_hello {
            let suite = cipher_name(hello.cipher).map_or_else(|| format!("suite {:#06x}", hello.cipher), str::to_owned);
            let text = format!("TLS ServerHello, TLS {}, {suite}", hello.version);
            events.push(event(hello.packet, Peer::Origin, EventKind::TlsHandshake, text));
        }
        if let Some(packet) = tls.handshake_done {
            events.push(event(packet, Peer::Edge, EventKind::TlsEstablished, "TLS handshake complete".into()));
        }
        for alert in &tls.alerts {
            let what = alert.description.map_or_else(|| "encrypted alert".to_owned(), |d| format!("alert {d}"));
            events.push(event(alert.packet, alert.from, EventKind::TlsAlert, format!("TLS {what} {}", alert.phase)));
        }
        if let Some(not) = &tls.not_tls {
            let text = format!("sends {} where TLS was due", not.spoken);
            events.push(event(not.at.packet, Peer::Origin, EventKind::WrongProtocol, text));
        }
    }

    fn tell_exchanges(&self, events: &mut Vec<Event>) {
        for exchange in &self.exchanges {
            let request = &exchange.request;
            let text = if request.method.is_empty() {
                format!("request {} (encrypted)", exchange.number)
            } else {
                format!("request {}: {} {}", exchange.number, request.method, request.target)
            };
            events.push(event(request.start.packet, Peer::Edge, EventKind::Request, text));
            if let Some(end) = request.end.filter(|end| end.packet != request.start.packet) {
                let text = format!("request {} complete, {} body bytes", exchange.number, request.body_bytes);
                events.push(event(end.packet, Peer::Edge, EventKind::RequestEnd, text));
            }
            for interim in &exchange.interim {
                let text = format!("interim response {} to request {}", interim.status, exchange.number);
                events.push(event(interim.at.packet, Peer::Origin, EventKind::Response, text));
            }
            let Some(response) = &exchange.response else { continue };
            let status = response.status.map_or_else(String::new, |status| format!(" {status}"));
            let text = format!("response{status} to request {}", exchange.number);
            events.push(event(response.start.packet, Peer::Origin, EventKind::Response, text));
            for deviation in &response.deviations {
                let text = format!("the response {} ({})", deviation.rule.text(), deviation.rule.section());
                events.push(event(deviation.mark.packet, Peer::Origin, EventKind::Deviation, text));
            }
            if let Some(end) = response.end {
                let text =
                    format!("response to request {} complete, {} body bytes", exchange.number, response.body_bytes);
                events.push(event(end.packet, Peer::Origin, EventKind::ResponseEnd, text));
            }
        }
        for bytes in &self.unsolicited {
            let text = format!("{} bytes that belong to no request", bytes.bytes);
            events.push(event(bytes.start.packet, Peer::Origin, EventKind::Unsolicited, text));
        }
    }

    fn tell_h2(&self, events: &mut Vec<Event>) {
        let Some(h2) = &self.h2 else { return };
        for goaway in &h2.goaways {
            let text = format!("GOAWAY {}, last stream {}", goaway.error, goaway.last_stream);
            events.push(event(goaway.packet, goaway.from, EventKind::GoAway, text));
        }
        for reset in &h2.resets {
            let text = format!("RST_STREAM {} on stream {}", reset.error, reset.stream);
            events.push(event(reset.packet, reset.from, EventKind::StreamReset, text));
        }
        for deviation in &h2.deviations {
            let text = format!("the connection {} ({})", deviation.rule.text(), deviation.rule.section());
            events.push(event(deviation.mark.packet, Peer::Origin, EventKind::Deviation, text));
        }
        if let Some(not) = &h2.spoken_instead {
            let text = format!("sends {} where HTTP/2 was due", not.spoken);
            events.push(event(not.at.packet, Peer::Origin, EventKind::WrongProtocol, text));
        }
    }

    fn tell_transport(&self, events: &mut Vec<Event>) {
        for from in [Peer::Edge, Peer::Origin] {
            let direction = &self.direction[from];
            if let Some(stuck) = direction.stuck {
                let text = format!("sent the same {} bytes {} times, never acknowledged", stuck.len, stuck.sends);
                events.push(event(stuck.last, from, EventKind::Stuck, text));
            }
            if let Some(packet) = direction.first_zero_window {
                let text = "receive window of 0: takes no more data for now".to_owned();
                events.push(event(packet, from, EventKind::ZeroWindow, text));
            }
        }
        for close in self.closes() {
            match close {
                Close::Fin { from, fin } => events.push(event(fin.packet, from, EventKind::Fin, fin_text(fin))),
                Close::Rst { from, rst } => events.push(Event {
                    packet: rst.packet,
                    from: match rst.sender {
                        RstSender::Claimed => Teller::Peer(from),
                        RstSender::Middlebox => Teller::Middlebox,
                    },
                    to: from.other(),
                    kind: EventKind::Rst,
                    text: format!("RST with the {from}'s address"),
                }),
            }
        }
    }
}

fn event(packet: PacketRef, from: Peer, kind: EventKind, text: String) -> Event {
    Event { packet, from: Teller::Peer(from), to: from.other(), kind, text }
}

fn fin_text(fin: &Fin) -> String {
    let unseen = if fin.unseen { ", which the capture misses, is acknowledged" } else { "" };
    format!("FIN{unseen}: sends no more")
}

fn repeated(name: &str, nth: usize) -> String {
    if nth == 0 { name.to_owned() } else { format!("{name}, repeated ({nth})") }
}
