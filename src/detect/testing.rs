//! A connection told step by step, for the tests of detectors.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use super::{Case, Finding};
use crate::timeline::{
    Capture, Deviation, Edge, Endpoint, Exchange, Fin, Framing, Mark, OriginFacts, PacketRef, Peer, Request, Response,
    Rst, RstLook, RstSender, Rule, Start, Time, Timeline, Vantage, Visibility,
};

/// A connection on which things happen one after another, each in a packet of its own.
pub(super) struct Told {
    pub(super) line: Timeline,
    pub(super) capture: Capture,
    pub(super) edge: Edge,
    number: u64,
    time: i64,
    sent: [u64; 2],
}

/// Bytes of a request and of a response in these stories.
const MESSAGE: u64 = 100;

/// An established connection from the edge to port 80 of the origin.
pub(super) fn connected() -> Told {
    let edge = Endpoint { address: IpAddr::V4(Ipv4Addr::new(172, 68, 0, 1)), port: 40_001 };
    let origin = Endpoint { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), port: 80 };
    let mut line = Timeline::new(0, edge, origin, PacketRef { number: 1, time: Time(0) });
    line.start = Start::Handshake;
    line.vantage = Vantage::Origin;
    line.direction.edge.packets = 1;
    line.direction.origin.packets = 1;
    let mut told = Told { line, capture: Capture::default(), edge: Edge::default(), number: 0, time: 0, sent: [0, 0] };
    let syn = told.packet();
    let syn_ack = told.packet();
    told.line.connect.syns.push(syn);
    told.line.connect.syn_acks.push(syn_ack);
    told.line.connect.ack = Some(told.packet());
    told
}

/// A connection of which the origin's part is missing: only `syns` SYNs, a second apart.
pub(super) fn knocking(syns: usize) -> Told {
    let mut told = connected();
    told.line.connect = crate::timeline::Connect::default();
    told.line.start = Start::Unanswered;
    for _ in 0..syns {
        told = told.after(1.0);
        let syn = told.packet();
        told.line.connect.syns.push(syn);
    }
    told
}

impl Told {
    /// The next packet, a millisecond later.
    pub(super) fn packet(&mut self) -> PacketRef {
        self.number += 1;
        self.time += 1_000_000;
        let packet = PacketRef { number: self.number, time: Time(self.time) };
        self.line.last = packet;
        self.capture.last = packet.time;
        packet
    }

    /// Time passes.
    pub(super) fn after(mut self, seconds: f64) -> Self {
        self.time += (seconds * 1e9) as i64;
        self.capture.last = Time(self.time);
        self
    }

    fn mark(&mut self, from: Peer) -> Mark {
        let packet = self.packet();
        Mark { packet, offset: self.sent[from as usize] }
    }

    /// The edge sends a whole request, and the origin's kernel acknowledges it.
    pub(super) fn request(mut self, method: &'static str, target: &str) -> Self {
        let start = self.mark(Peer::Edge);
        self.sent[0] += MESSAGE;
        let end = Mark { packet: start.packet, offset: self.sent[0] };
        self.line.direction.edge.sent = self.sent[0];
        self.line.direction.edge.bytes = self.sent[0];
        self.line.direction.edge.acked = self.sent[0];
        self.line.direction.edge.acked_at = Some(start.packet);
        self.line.direction.edge.last_data = Some(start.packet);
        self.line.protocol = Some("http/1.1");
        let number = self.line.exchanges.len() as u32 + 1;
        self.line.exchanges.push(Exchange {
            number,
            stream: None,
            request: Request {
                head_end: Some(end),
                end: Some(end),
                method: Cow::Borrowed(method),
                target: target.to_owned(),
                host: Some("shop.example".to_owned()),
                framing: Framing::None,
                ..Request::begun(start)
            },
            interim: Vec::new(),
            response: None,
            visibility: Visibility::Clear,
        });
        self
    }

    /// The last request is one of HTTP/2.
    pub(super) fn on_stream(mut self, stream: u32) -> Self {
        self.exchange().stream = Some(stream);
        self.line.h2.get_or_insert_default();
        self
    }

    /// The last exchange.
    pub(super) fn exchange(&mut self) -> &mut Exchange {
        self.line.exchanges.last_mut().expect("a request was told")
    }

    /// The origin begins to answer the last request: `came` of `announced` body bytes.
    pub(super) fn response(mut self, status: u16, came: u64, announced: u64) -> Self {
        let start = self.mark(Peer::Origin);
        self.sent[1] += MESSAGE + came;
        let latest = Mark { packet: start.packet, offset: self.sent[1] };
        self.line.direction.origin.sent = self.sent[1];
        self.line.direction.origin.bytes = self.sent[1];
        self.line.direction.origin.last_data = Some(start.packet);
        self.line.direction.origin.first_data.get_or_insert(start.packet);
        let framing = match self.exchange().stream {
            Some(_) => Framing::Frames(Some(announced)),
            None => Framing::Length(announced),
        };
        self.exchange().response = Some(Response {
            head_end: Some(latest),
            end: (came == announced).then_some(latest),
            latest,
            status: Some(status),
            minor_version: Some(1),
            framing,
            body_bytes: came,
            head_bytes: MESSAGE,
            largest_field: 30,
            fields: 3,
            ..Response::begun(start)
        });
        self
    }

    /// The last response, to change it.
    pub(super) fn last_response(&mut self) -> &mut Response {
        self.exchange().response.as_mut().expect("a response was told")
    }

    /// The last response breaks a rule.
    pub(super) fn breaking(mut self, rule: Rule, bytes: &[u8]) -> Self {
        let mark = self.last_response().start;
        self.last_response().deviations.push(Deviation { rule, at: 17, mark, bytes: bytes.to_vec() });
        self
    }

    /// Changes whatever a step does not say.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// A FIN that acknowledges everything that the other side sent.
    pub(super) fn fin(mut self, from: Peer) -> Self {
        let packet = self.packet();
        let (offset, acked) = (self.sent[from as usize], self.sent[from.other() as usize]);
        self.line.direction[from].fins.push(Fin { packet, offset, acked, unseen: false });
        self
    }

    /// A RST of the peer itself.
    pub(super) fn rst(mut self, from: Peer, look: RstLook) -> Self {
        let packet = self.packet();
        let offset = self.sent[from as usize] as i64;
        self.line.direction[from].rsts.push(Rst {
            packet,
            offset,
            acked: None,
            sender: RstSender::Claimed,
            ttl: 64,
            look,
            signs: Vec::new(),
            text: None,
        });
        self
    }

    /// What is known of the origin from other connections.
    pub(super) fn facts(&mut self) -> &mut OriginFacts {
        self.capture.origins.entry(self.line.endpoint.origin).or_default()
    }

    /// What a detector makes of it.
    pub(super) fn found_by(&self, detect: fn(&Case<'_>) -> Vec<Finding>) -> Vec<Finding> {
        detect(&Case::new(&self.line, &self.capture, &self.edge))
    }

    /// The causes that a detector finds.
    pub(super) fn causes(&self, detect: fn(&Case<'_>) -> Vec<Finding>) -> Vec<&'static str> {
        self.found_by(detect).into_iter().map(|finding| finding.cause.0).collect()
    }
}
