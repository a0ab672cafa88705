//! Exchanges without keys, told from direction, size and time of encrypted records.
//!
//! A request is what the edge sends while no response has come to the request before; a response is what the origin
//! sends then. Tickets, alerts and the control frames of HTTP/2 are told by their sizes. In doubt a record counts as
//! a response, for a response that is made up hides a failure, and one that is overlooked makes a healthy connection
//! look like one. Nobody can see here whether a response is whole: it counts as complete once the next request
//! begins or the connection is closed in order.

use std::borrow::Cow;

use super::alert;
use super::flight::Sealed;
use crate::timeline::{
    ByPeer, Close, Coding, Exchange, Framing, HandshakePhase, Mark, Peer, Request, Response, Timeline, Tls, Visibility,
};

/// What is inferred on one connection.
#[derive(Debug)]
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

    /// Nothing more will come.
    pub(super) fn finish(&mut self, line: &mut Timeline) {
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
        self.complete_at_close(line);
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
        if begun && (!answered || self.is_unaware(line) || is_upload(before, record)) {
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
        line.exchanges.push(exchange(self.number, record));
    }

    fn extend_request(&self, line: &mut Timeline, record: Sealed) {
        if let Some(exchange) = self.latest(line) {
            exchange.request.end = Some(record.end);
            exchange.request.body_bytes = exchange.request.body_bytes.saturating_add(u64::from(record.plain));
        }
    }

    fn respond(&self, line: &mut Timeline, record: Sealed) {
        let Some(exchange) = self.latest(line) else { return };
        let response = exchange.response.get_or_insert_with(|| response(record.start));
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

    /// An orderly close completes the response; so does a reset after it had been quiet for long.
    fn complete_at_close(&self, line: &mut Timeline) {
        let first = line.closes().next().map(|close| match close {
            Close::Fin { fin, .. } => (fin.packet, Ending::Orderly),
            Close::Rst { rst, .. } => (rst.packet, Ending::Reset),
        });
        let Some((packet, ending)) = first else { return };
        let Some(response) = self.latest(line).and_then(|exchange| exchange.response.as_mut()) else { return };
        let quiet = packet.time.nanos_since(response.latest.packet.time);
        if ending == Ending::Orderly || quiet >= QUIET_NS {
            response.end = response.end.or(Some(response.latest));
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Orderly,
    Reset,
}

fn has_response(line: &Timeline) -> bool {
    line.exchanges.last().is_some_and(|exchange| exchange.response.is_some())
}

/// True where a record goes on with a long body, to which the origin may have answered already.
fn is_upload(before: Option<Sealed>, record: Sealed) -> bool {
    before.is_some_and(|before| {
        let pause = record.packet().time.nanos_since(before.packet().time);
        before.plain >= LEAST_UPLOAD && pause <= UPLOAD_PAUSE_NS
    })
}

/// SETTINGS acknowledgment (9 bytes), WINDOW_UPDATE or RST_STREAM (13), PING or GOAWAY (17), or two of them.
fn is_control(plain: u32) -> bool {
    matches!(plain, 9 | 13 | 17 | 18 | 22 | 26 | 30 | 34)
}

fn exchange(number: u32, record: Sealed) -> Exchange {
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

fn response(start: Mark) -> Response {
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

/// Most exchanges kept of one connection: older ones that are complete are only counted.
const MAX_KEPT: usize = 64;
/// Most records of the size of an alert that may all be alerts.
const MAX_TAIL: usize = 3;
/// Most records of the origin before the edge's first that are looked at.
const MAX_GREETING: usize = 8;
/// Most bytes of the edge's preface: 24, SETTINGS with eight settings, WINDOW_UPDATE, and a little.
const MAX_PREFACE: u32 = 110;
/// Most bytes of the origin's SETTINGS, with the frames that come with it.
const MAX_SETTINGS: u32 = 110;
/// Most bytes of a ticket: above, origins cut long responses into records of equal size.
const MAX_TICKET: u32 = 1_100;
/// Tickets that an origin sends (OpenSSL: 2). A third record of that size is taken for a response.
const USUAL_TICKETS: u32 = 2;
/// `GET / HTTP/1.1`, an empty Host field and the empty line are 25 bytes.
const LEAST_HTTP1_REQUEST: u32 = 25;
/// A HEADERS frame with a path and a Host of some letters; control frames that come together are shorter.
const LEAST_HTTP2_REQUEST: u32 = 36;
/// A record of the edge above this is part of a body.
const LEAST_UPLOAD: u32 = 4_096;
/// Longest pause between records of one body.
const UPLOAD_PAUSE_NS: i64 = 100_000_000;
/// A response after which the origin was quiet for this long was not cut off by the reset that follows.
const QUIET_NS: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testing::{
        CHANGE_CIPHER_SPEC, Driver, FINISHED, Seen, client_hello, keyless, record, sealed, sealed_tls12, server_hello,
    };

    const H1: &[&str] = &["http/1.1"];
    const H2_OR_H1: &[&str] = &["h2", "http/1.1"];
    const ALERT: usize = 2;

    /// Each exchange as `request bytes > response bytes`, with `.` where the response is complete.
    fn told(seen: &Seen) -> Vec<String> {
        let one = |exchange: &Exchange| {
            let response = exchange.response.as_ref().map_or("none".to_owned(), |response| {
                format!("{}{}", response.body_bytes, if response.end.is_some() { "." } else { "" })
            });
            format!("{} > {response}", exchange.request.body_bytes)
        };
        seen.line.exchanges.iter().map(one).collect()
    }

    #[test]
    fn requests_and_responses_alternate() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).origin(&sealed(9_000), 1.2);
        driver.edge(&sealed(310), 2.0).edge(&sealed(50), 2.1).origin(&sealed(160), 2.2);
        driver.edge(&sealed(ALERT), 3.0).fin(Peer::Edge, 3.1).fin(Peer::Origin, 3.2);
        let seen = driver.finish();
        assert_eq!(told(&seen), ["300 > 9150.", "360 > 160."]);
        let first = &seen.line.exchanges[0];
        assert_eq!((first.number, first.visibility), (1, Visibility::Inferred));
        assert!(first.request.method.is_empty());
        let response = first.response.as_ref().expect("a response");
        assert_eq!(first.request.start.packet.number, 4);
        assert_eq!((response.start.packet.number, response.latest.packet.number), (5, 6));
    }

    #[test]
    fn a_request_without_a_response_is_told() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).edge(&sealed(310), 2.0);
        driver.origin(&sealed(ALERT), 2.1).fin(Peer::Origin, 2.2);
        let seen = driver.finish();
        assert_eq!(told(&seen), ["300 > 150.", "310 > none"]);
        let alert = &seen.tls().alerts[0];
        assert_eq!((alert.from, alert.description, alert.packet.number), (Peer::Origin, None, 7));
        assert_eq!(alert.phase, HandshakePhase::Established);
    }

    #[test]
    fn tickets_are_no_response() {
        let mut before = Driver::established(H1);
        before.origin(&[sealed(249), sealed(249)].concat(), 0.3).edge(&sealed(300), 1.0).fin(Peer::Origin, 1.1);
        assert_eq!(told(&before.finish()), ["300 > none"]);
        let mut after = Driver::established(H1);
        after.edge(&sealed(300), 0.25).origin(&sealed(249), 0.3).origin(&sealed(249), 0.31).fin(Peer::Origin, 1.1);
        assert_eq!(told(&after.finish()), ["300 > none"]);
        let mut around = Driver::established(H1);
        around.origin(&sealed(249), 0.3).edge(&sealed(300), 0.31).origin(&sealed(249), 0.32).fin(Peer::Origin, 1.1);
        assert_eq!(told(&around.finish()), ["300 > none"]);
    }

    #[test]
    fn tickets_do_not_hide_the_response_behind_them() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 0.25).origin(&[sealed(249), sealed(249)].concat(), 0.3);
        driver.origin(&sealed(112), 0.5).edge(&sealed(310), 1.0).origin(&sealed(249), 1.1).fin(Peer::Origin, 2.0);
        assert_eq!(told(&driver.finish()), ["300 > 112.", "310 > 249."]);
    }

    #[test]
    fn one_small_record_may_be_a_whole_response() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 0.25).origin(&sealed(112), 0.3).fin(Peer::Origin, 1.1);
        assert_eq!(told(&driver.finish()), ["300 > 112."]);
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 0.25).origin(&sealed(112), 0.3).edge(&sealed(310), 0.5).fin(Peer::Origin, 1.1);
        assert_eq!(told(&driver.finish()), ["300 > 112.", "310 > none"]);
    }

    #[test]
    fn two_bytes_inside_a_response_are_no_alert() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).origin(&sealed(ALERT), 1.2);
        driver.origin(&sealed(5), 1.3).origin(&sealed(ALERT), 1.4).fin(Peer::Origin, 1.5);
        let seen = driver.finish();
        assert_eq!(told(&seen), ["300 > 157."]);
        assert_eq!(seen.tls().alerts.len(), 1);
    }

    #[test]
    fn two_bytes_at_the_end_of_a_connection_that_goes_on_are_no_alert() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).origin(&sealed(ALERT), 1.2);
        let seen = driver.finish();
        assert_eq!(told(&seen), ["300 > 152"]);
        assert!(seen.tls().alerts.is_empty());
    }

    #[test]
    fn a_reset_leaves_the_response_open_unless_it_was_quiet_for_long() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(9_000), 1.1).rst(Peer::Origin, 1.2);
        assert_eq!(told(&driver.finish()), ["300 > 9000"]);
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(9_000), 1.1).rst(Peer::Origin, 61.1);
        assert_eq!(told(&driver.finish()), ["300 > 9000."]);
    }

    #[test]
    fn what_the_edge_sends_before_it_sees_the_response_belongs_to_the_request() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1);
        driver.send_unaware(Peer::Edge, &sealed(3_000), 1.2).edge(&sealed(310), 1.3).origin(&sealed(151), 1.4);
        driver.fin(Peer::Origin, 2.0);
        assert_eq!(told(&driver.finish()), ["3300 > 150.", "310 > 151."]);
    }

    #[test]
    fn an_upload_goes_on_behind_an_early_response() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).edge(&sealed(16_000), 1.01).origin(&sealed(150), 1.02);
        driver.edge(&sealed(16_000), 1.03).edge(&sealed(700), 1.04).fin(Peer::Origin, 1.1);
        assert_eq!(told(&driver.finish()), ["33000 > 150."]);
    }

    #[test]
    fn the_preface_of_http2_is_no_request() {
        let mut driver = Driver::established(H2_OR_H1);
        driver.edge(&sealed(75), 0.3).edge(&sealed(100), 0.4).origin(&[sealed(233), sealed(233)].concat(), 0.5);
        driver.origin(&sealed(51), 0.5).origin(&sealed(9), 0.5).edge(&sealed(9), 0.6).origin(&sealed(448), 0.7);
        driver.edge(&sealed(38), 1.0).edge(&sealed(13), 1.1).origin(&sealed(441), 1.2).edge(&sealed(17), 2.0);
        driver.edge(&sealed(ALERT), 2.0).fin(Peer::Edge, 2.1);
        assert_eq!(told(&driver.finish()), ["100 > 448.", "38 > 441."]);
    }

    #[test]
    fn settings_that_come_first_mean_http2() {
        let mut driver = Driver::established(H2_OR_H1);
        driver.origin(&[sealed(265), sealed(265), sealed(40)].concat(), 0.3).edge(&sealed(75), 0.4);
        driver.origin(&sealed(9), 0.5).edge(&sealed(96), 0.6).fin(Peer::Origin, 0.7);
        assert_eq!(told(&driver.finish()), ["96 > none"]);
    }

    #[test]
    fn goaway_is_no_response() {
        let mut driver = Driver::established(H2_OR_H1);
        driver.origin(&sealed(40), 0.3).edge(&sealed(75), 0.4).edge(&sealed(96), 0.5).origin(&sealed(17), 0.6);
        driver.fin(Peer::Origin, 0.7);
        assert_eq!(told(&driver.finish()), ["96 > none"]);
    }

    #[test]
    fn http1_is_told_from_http2_where_both_are_offered() {
        let mut driver = Driver::established(H2_OR_H1);
        driver.edge(&sealed(80), 0.3).origin(&[sealed(249), sealed(249)].concat(), 0.4).origin(&sealed(1_500), 0.5);
        driver.edge(&sealed(81), 1.0).origin(&sealed(1_501), 1.1).edge(&sealed(350), 2.0).fin(Peer::Origin, 2.1);
        assert_eq!(told(&driver.finish()), ["80 > 1500.", "81 > 1501.", "350 > none"]);
    }

    /// A handshake of TLS 1.2 without keys.
    fn established_tls12(protocol: &str) -> Driver {
        let mut driver = Driver::new(keyless());
        let key_exchange = record(22, &[16, 0, 0, 1, 0]);
        let finished = [CHANGE_CIPHER_SPEC, &sealed_tls12(22, 16)].concat();
        driver.edge(&client_hello(H2_OR_H1), 0.0);
        driver.origin(&[server_hello(0x0303, 0xc02f, Some(protocol)), record(22, &[14, 0, 0, 0])].concat(), 0.1);
        driver.edge(&[key_exchange, finished.clone()].concat(), 0.2).origin(&finished, 0.3);
        driver
    }

    #[test]
    fn alerts_of_tls_1_2_are_told_by_their_type() {
        let mut driver = established_tls12("http/1.1");
        driver.edge(&sealed_tls12(23, 300), 1.0).origin(&sealed_tls12(23, ALERT), 1.1);
        driver.edge(&sealed_tls12(23, 310), 2.0).origin(&sealed_tls12(21, ALERT), 2.1).fin(Peer::Origin, 2.2);
        let seen = driver.finish();
        assert_eq!(told(&seen), ["300 > 2.", "310 > none"]);
        assert_eq!(seen.tls().phase, HandshakePhase::Established);
        assert_eq!(seen.tls().alerts.len(), 1);
    }

    #[test]
    fn tls_1_2_tells_the_protocol() {
        let mut driver = established_tls12("h2");
        driver.edge(&sealed_tls12(23, 75), 1.0).origin(&sealed_tls12(23, 51), 1.1).edge(&sealed_tls12(23, 90), 1.2);
        driver.origin(&sealed_tls12(23, 9), 1.3).fin(Peer::Origin, 2.2);
        assert_eq!(told(&driver.finish()), ["90 > none"]);
    }

    #[test]
    fn nothing_is_inferred_where_the_capture_joins_late() {
        let mut driver = Driver::new(keyless());
        driver.lose(Peer::Edge, 0, 0.0).lose(Peer::Origin, 0, 0.0);
        driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).edge(&sealed(300), 2.0).fin(Peer::Origin, 2.1);
        let seen = driver.finish();
        assert!(seen.line.exchanges.is_empty());
        assert!(seen.tls().joined_late);
    }

    #[test]
    fn nothing_is_inferred_where_the_edge_sends_early_data() {
        let mut driver = Driver::new(keyless());
        driver.edge(&[client_hello(H1), sealed(300)].concat(), 0.0);
        driver.origin(&[server_hello(0x0304, 0x1301, None), sealed(23), sealed(FINISHED)].concat(), 0.1);
        driver.edge(&[sealed(4), sealed(FINISHED)].concat(), 0.2).edge(&sealed(300), 0.3).fin(Peer::Origin, 0.4);
        assert!(driver.finish().line.exchanges.is_empty());
    }

    #[test]
    fn a_gap_obscures_the_exchange_that_it_falls_into() {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).lose(Peer::Origin, 5_000, 1.1).fin(Peer::Origin, 1.2);
        assert_eq!(driver.finish().line.exchanges[0].visibility, Visibility::Obscured);
    }

    #[test]
    fn old_exchanges_are_only_counted() {
        let mut driver = Driver::established(H1);
        for nth in 0..100 {
            let at = 1.0 + f64::from(nth);
            driver.edge(&sealed(300), at).origin(&sealed(1_500), at + 0.1);
        }
        let line = driver.finish().line;
        assert_eq!((line.exchanges.len(), line.folded), (MAX_KEPT, 100 - MAX_KEPT as u64));
        assert_eq!(line.exchanges.last().map(|exchange| exchange.number), Some(100));
    }
}
