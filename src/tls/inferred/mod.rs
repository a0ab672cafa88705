//! Exchanges without keys, told from direction, size and time of encrypted records.
//!
//! A request is what the edge sends while no response has come to the request before; a response is what the origin
//! sends then. Tickets, alerts and the control frames of HTTP/2 are told by their sizes. In doubt a record counts as
//! a response, for a response that is made up hides a failure, and one that is overlooked makes a healthy connection
//! look like one. Nobody can see here whether a response is whole: it counts as complete once the next request
//! begins or the connection is closed in order.

mod exchange;
mod sizes;

use self::exchange::{complete_at_close, exchange};
use self::sizes::{
    LEAST_HTTP1_REQUEST, LEAST_HTTP2_REQUEST, MAX_PREFACE, MAX_SETTINGS, MAX_TICKET, USUAL_TICKETS, is_control,
    is_upload,
};
use super::alert;
use super::flight::Sealed;
use crate::timeline::{ByPeer, CutRecord, Exchange, HandshakePhase, Peer, Response, Timeline, Tls, Visibility};

/// What is inferred on one connection.
#[derive(Clone, Debug)]
pub(super) struct Inferred {
    protocol: Protocol,
    /// The origin may send tickets as application data (TLS 1.3, and the edge takes them).
    tickets: Tickets,
    /// Records of the size of an alert, while nothing came behind them.
    tail: ByPeer<Vec<Tail>>,
    /// Contents' lengths of the origin's records before the first request.
    greeting: Vec<u32>,
    /// The first exchange may be the connection preface of HTTP/2 (RFC 9113 section 3.4), and no request.
    preface: bool,
    /// The origin's SETTINGS were seen, as far as that can be told.
    settings: bool,
    /// A record behind the latest request that may be no response.
    weak: Option<Sealed>,
    /// The edge's latest record.
    sent: Option<Sealed>,
    /// Contents' length of the longest record of the latest request.
    longest: u32,
    /// Number of the latest exchange.
    number: u32,
}

/// What is spoken under the encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
    /// TLS 1.3 hides the origin's choice.
    Undecided,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tickets {
    Never,
    Possible,
    /// This many of this size.
    Seen {
        plain: u32,
        count: u32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Tail {
    record: Sealed,
    phase: HandshakePhase,
    /// The latest exchange at that time.
    number: u32,
}

impl Inferred {
    /// For a connection whose handshake is known as far as `tls` says.
    pub(super) fn new(tls: &Tls, origin_may_send_tickets: OriginTickets) -> Self {
        let offers_h2 = tls.client_hello.as_ref().is_some_and(|hello| hello.alpn.iter().any(|name| name == "h2"));
        let hidden = origin_may_send_tickets != OriginTickets::InHandshake && tls.alpn.is_none();
        let protocol = match tls.alpn.as_deref() {
            Some("h2") => Protocol::Http2,
            None if hidden && offers_h2 => Protocol::Undecided,
            _ => Protocol::Http1,
        };
        let tickets = match origin_may_send_tickets {
            OriginTickets::AsRecords => Tickets::Possible,
            OriginTickets::InHandshake | OriginTickets::NotTaken => Tickets::Never,
        };
        Self {
            protocol,
            tickets,
            tail: ByPeer { edge: Vec::new(), origin: Vec::new() },
            greeting: Vec::new(),
            preface: false,
            settings: false,
            weak: None,
            sent: None,
            longest: 0,
            number: 0,
        }
    }

    /// An encrypted record of application data.
    pub(super) fn record(&mut self, line: &mut Timeline, from: Peer, record: Sealed) {
        self.settle_tail(line, from);
        match from {
            Peer::Edge => self.edge(line, record),
            Peer::Origin => self.origin(line, record),
        }
    }

    /// An encrypted record of TLS 1.3 that has the size of an alert: it is one unless more comes behind it.
    pub(super) fn alert_or_record(&mut self, line: &mut Timeline, from: Peer, record: Sealed, phase: HandshakePhase) {
        if self.tail[from].len() >= MAX_TAIL {
            self.settle_tail(line, from);
        }
        self.tail[from].push(Tail { record, phase, number: self.number });
    }

    /// The capture misses bytes.
    pub(super) fn gap(&self, line: &mut Timeline) {
        if let Some(exchange) = self.latest(line) {
            exchange.visibility = Visibility::Obscured;
        }
    }

    /// Nothing more will come; `cut` is the record inside which the origin's stream ends.
    pub(super) fn finish(&mut self, line: &mut Timeline, cut: Option<CutRecord>) {
        let closed = line.closes().next().is_some();
        if closed {
            self.drop_control();
        }
        self.accept_weak(line);
        let responding = has_response(line);
        for from in [Peer::Edge, Peer::Origin] {
            if closed || !responding {
                self.tell_alerts(line, from);
            } else {
                self.settle_tail(line, from);
            }
        }
        if !cut.is_some_and(|cut| self.cut_short(line, cut)) {
            complete_at_close(line, self.number);
        }
    }

    /// The origin's stream ends inside a record, and so inside the response: true where that is so.
    fn cut_short(&self, line: &mut Timeline, cut: CutRecord) -> bool {
        let Some(exchange) = self.latest(line) else { return false };
        let begun = exchange.request.start.packet.number < cut.start.packet.number;
        if begun {
            exchange.response.get_or_insert_with(|| Response::begun(cut.start));
        }
        begun
    }

    /// Forgets what was inferred: the connection can be decrypted after all.
    pub(super) fn withdraw(self, line: &mut Timeline) {
        line.exchanges.clear();
    }

    fn edge(&mut self, line: &mut Timeline, record: Sealed) {
        let before = self.sent.replace(record);
        if before.is_none() {
            self.judge_greeting();
            if self.protocol == Protocol::Http2 && record.plain <= MAX_PREFACE {
                return;
            }
        }
        if self.protocol == Protocol::Undecided && self.preface && !has_response(line) {
            // Two records before any answer: the first was the preface.
            self.decide_http2(line);
        }
        let small = record.plain < self.least_request();
        let answered = has_response(line) || self.weak.is_some();
        let begun = self.latest(line).is_some();
        if begun && (!answered || self.is_unaware(line) || is_upload(before, record, self.longest)) {
            if !(small && self.protocol == Protocol::Http2) {
                self.extend_request(line, record);
            }
        } else if !small {
            self.begin(line, record);
            let first = before.is_none() && self.protocol == Protocol::Undecided;
            self.preface = first && record.plain <= MAX_PREFACE;
        }
    }

    fn origin(&mut self, line: &mut Timeline, record: Sealed) {
        if self.sent.is_none() {
            if self.greeting.len() < MAX_GREETING {
                self.greeting.push(record.plain);
            }
            return;
        }
        if !has_response(line) && self.is_known_ticket(record) {
            self.weak = self.weak.filter(|held| held.plain != record.plain);
            return;
        }
        if self.protocol == Protocol::Undecided && self.preface && !has_response(line) {
            if record.plain <= MAX_SETTINGS {
                self.decide_http2(line);
            } else if !self.may_be_ticket(record) {
                self.protocol = Protocol::Http1;
            }
        }
        if self.protocol == Protocol::Http2 && !self.settings && record.plain <= MAX_SETTINGS {
            self.settings = true;
            return;
        }
        if self.number == 0 || self.hold(line, record) {
            return;
        }
        self.drop_control();
        self.accept_weak(line);
        self.respond(line, record);
    }

    /// What the origin sent before the edge spoke: tickets, in pairs or alone, and the SETTINGS of HTTP/2.
    fn judge_greeting(&mut self) {
        let greeting = std::mem::take(&mut self.greeting);
        let single = |plain: u32| greeting.iter().filter(|&&other| other == plain).count() == 1;
        self.settings = greeting.iter().any(|&plain| plain <= MAX_SETTINGS && single(plain));
        if self.protocol == Protocol::Undecided && self.settings {
            self.protocol = Protocol::Http2;
        }
        let ticket = greeting.iter().find(|&&plain| plain > MAX_SETTINGS || !single(plain));
        if let (Tickets::Possible, Some(&plain)) = (self.tickets, ticket) {
            let count = greeting.iter().filter(|&&other| other == plain).count() as u32;
            self.tickets = Tickets::Seen { plain, count };
        }
    }

    fn decide_http2(&mut self, line: &mut Timeline) {
        self.protocol = Protocol::Http2;
        self.preface = false;
        self.weak = None;
        if self.latest(line).is_some() {
            line.exchanges.pop();
            self.number = self.number.saturating_sub(1);
        }
    }

    /// A second record of a ticket's size, while no response has begun.
    fn is_known_ticket(&mut self, record: Sealed) -> bool {
        match &mut self.tickets {
            Tickets::Seen { plain, count } if *plain == record.plain && *count < USUAL_TICKETS => {
                *count = count.saturating_add(1);
                true
            }
            _ => false,
        }
    }

    fn may_be_ticket(&self, record: Sealed) -> bool {
        self.tickets == Tickets::Possible && record.plain <= MAX_TICKET
    }

    /// Keeps back a record that may be no response; it becomes one unless more is learned.
    fn hold(&mut self, line: &Timeline, record: Sealed) -> bool {
        if has_response(line) {
            // Control frames beside a response change nothing.
            return self.protocol == Protocol::Http2 && is_control(record.plain);
        }
        let ticket = self.may_be_ticket(record);
        if ticket {
            self.tickets = Tickets::Seen { plain: record.plain, count: 1 };
        }
        let control = self.protocol == Protocol::Http2 && is_control(record.plain);
        if ticket || control {
            self.weak = Some(record);
        }
        ticket || control
    }

    /// Control frames were no response: the response came behind them, or none at all.
    fn drop_control(&mut self) {
        let control = |record: &Sealed| self.protocol == Protocol::Http2 && is_control(record.plain);
        self.weak = self.weak.filter(|record| !control(record));
    }

    fn accept_weak(&mut self, line: &mut Timeline) {
        if let Some(record) = self.weak.take() {
            self.respond(line, record);
        }
    }

    /// The records of the size of an alert were data: more came behind them.
    fn settle_tail(&mut self, line: &mut Timeline, from: Peer) {
        for tail in std::mem::take(&mut self.tail[from]) {
            match from {
                Peer::Edge => self.edge(line, tail.record),
                Peer::Origin if tail.number == self.number => self.origin(line, tail.record),
                Peer::Origin => {}
            }
        }
    }

    fn tell_alerts(&mut self, line: &mut Timeline, from: Peer) {
        let tls = line.tls.get_or_insert_default();
        for tail in std::mem::take(&mut self.tail[from]) {
            alert::unreadable_at(tls, from, tail.record.packet(), tail.phase);
        }
    }

    fn begin(&mut self, line: &mut Timeline, record: Sealed) {
        self.accept_weak(line);
        if let Some(response) = self.latest(line).and_then(|exchange| exchange.response.as_mut()) {
            response.end = response.end.or(Some(response.latest));
        }
        if line.exchanges.len() >= MAX_KEPT && line.exchanges.first().is_some_and(Exchange::complete) {
            line.exchanges.remove(0);
            line.folded = line.folded.saturating_add(1);
        }
        if self.number > 0 {
            self.tickets = Tickets::Never;
        }
        self.number = self.number.saturating_add(1);
        self.longest = record.plain;
        line.exchanges.push(exchange(self.number, record));
    }

    fn extend_request(&mut self, line: &mut Timeline, record: Sealed) {
        if let Some(exchange) = self.latest(line) {
            exchange.request.end = Some(record.end);
            exchange.request.body_bytes = exchange.request.body_bytes.saturating_add(u64::from(record.plain));
        }
        self.longest = self.longest.max(record.plain);
    }

    fn respond(&self, line: &mut Timeline, record: Sealed) {
        let Some(exchange) = self.latest(line) else { return };
        let response = exchange.response.get_or_insert_with(|| Response::begun(record.start));
        response.latest = record.end;
        response.body_bytes = response.body_bytes.saturating_add(u64::from(record.plain));
    }

    /// The exchange that is open.
    fn latest<'a>(&self, line: &'a mut Timeline) -> Option<&'a mut Exchange> {
        line.exchanges.last_mut().filter(|exchange| exchange.number == self.number)
    }

    /// True where the edge cannot have seen the response yet: what it sends still belongs to the request.
    fn is_unaware(&self, line: &Timeline) -> bool {
        let response = line.exchanges.last().and_then(|exchange| exchange.response.as_ref());
        let first = response.map(|response| response.start).or(self.weak.map(|record| record.start));
        let received = &line.direction[Peer::Origin];
        received.acked_at.is_some() && first.is_some_and(|first| received.acked <= first.offset)
    }

    fn least_request(&self) -> u32 {
        match self.protocol {
            Protocol::Http1 => LEAST_HTTP1_REQUEST,
            Protocol::Http2 | Protocol::Undecided => LEAST_HTTP2_REQUEST,
        }
    }
}

/// Where the origin's tickets would be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OriginTickets {
    /// TLS 1.2 and below: in the handshake.
    InHandshake,
    /// TLS 1.3: in records like any other.
    AsRecords,
    /// TLS 1.3, and the edge takes none.
    NotTaken,
}

fn has_response(line: &Timeline) -> bool {
    line.exchanges.last().is_some_and(|exchange| exchange.response.is_some())
}

/// Most exchanges kept of one connection: older ones that are complete are only counted.
const MAX_KEPT: usize = 64;
/// Most records of the size of an alert that may all be alerts.
const MAX_TAIL: usize = 3;
/// Most records of the origin before the edge's first that are looked at.
const MAX_GREETING: usize = 8;

#[cfg(test)]
mod tests;
