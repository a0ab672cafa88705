//! The origin's stream: responses one after another, and bytes that belong to none.

use super::body::Body;
use super::coding::CodedBody;
use super::error_page::Page;
use super::head::{Partial, Places, end_of_head};
use super::pairing::{Pairing, after, exchange, obscure_open};
use super::preamble::Preamble;
use super::request::Asks;
use super::response::{self, Upgrade, note, quote};
use super::status_line::{self, Begins};
use super::stray;
use crate::timeline::{Close, Deviation, Framing, Interim, Mark, Peer, Response, Rule, Timeline, Visibility};

/// 1xx responses of one exchange that are kept.
const KEPT_INTERIM: usize = 16;

/// Reads the responses of one connection.
#[derive(Clone, Default)]
pub(super) struct Responses {
    state: State,
    /// The body of the newest response, where it is coded.
    coded: Option<CodedBody>,
    /// The body of the newest response, where it is an error.
    page: Option<Page>,
    /// Empty lines that came where a response was awaited.
    preamble: Preamble,
    /// What the 1xx responses to the oldest open request broke: the edge refuses the whole exchange for it.
    interim_broke: Vec<Deviation>,
    /// What stands behind a 101 that switches to h2c.
    h2c: Option<Vec<(Vec<u8>, Mark)>>,
}

#[derive(Clone, Default)]
enum State {
    /// Between two responses.
    #[default]
    Between,
    /// In the head of one.
    Head(Box<Begun>),
    /// In the body of one.
    Body(Owner, Body),
    /// In bytes that nobody asked for.
    Unsolicited,
    /// Out of step: until a piece begins like a response.
    Lost,
}

/// A response whose head is not whole.
#[derive(Clone)]
struct Begun {
    owner: Owner,
    asks: Asks,
    start: Mark,
    partial: Partial,
}

/// Whose response it is.
#[derive(Clone, Copy)]
enum Owner {
    /// The exchange with this number.
    Exchange(u32),
    /// A request that the capture does not hold: it is read and forgotten.
    Missed,
}

/// A head that is whole.
struct Whole<'a> {
    bytes: &'a [u8],
    places: &'a Places,
    /// Its length, kept or not.
    len: u64,
    end: Mark,
}

impl Responses {
    /// The capture misses bytes: go on where a piece begins like a response.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
    }

    pub(super) fn lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// True where the next bytes begin a response.
    pub(super) fn between(&self) -> bool {
        matches!(self.state, State::Between | State::Unsolicited)
    }

    /// What stands behind a 101 that switched to h2c.
    pub(super) fn upgraded_to_h2c(&mut self) -> Option<Vec<(Vec<u8>, Mark)>> {
        self.h2c.take()
    }

    pub(super) fn held_bytes(&self) -> usize {
        let head = if let State::Head(begun) = &self.state { begun.partial.bytes.len() } else { 0 };
        head.saturating_add(self.coded.as_ref().map_or(0, CodedBody::held_bytes))
    }

    /// Takes bytes from inside a body that is counted and not looked at; false for all others. The last bytes of a body
    /// are others.
    #[inline]
    pub(super) fn count(&mut self, line: &mut Timeline, bytes: &[u8], start: Mark) -> bool {
        let State::Body(owner, Body::Length(left)) = &mut self.state else { return false };
        let len = bytes.len() as u64;
        if *left <= len || self.coded.is_some() || self.page.is_some() {
            return false;
        }
        let Some(response) = record(line, *owner) else { return false };
        *left = left.saturating_sub(len);
        response.body_bytes = response.body_bytes.saturating_add(len);
        response.latest = after(start, len);
        true
    }

    pub(super) fn data(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let start = after(start, at as u64);
            if let Some(behind) = &mut self.h2c {
                behind.push((rest.to_vec(), start));
                return;
            }
            if pairing.tunnel {
                return;
            }
            at = at.saturating_add(self.step(line, pairing, rest, start));
        }
    }

    /// Takes at least one byte of `bytes`.
    fn step(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        match &mut self.state {
            State::Between => self.begin(line, pairing, bytes, start),
            State::Head(begun) => {
                let (taken, whole) = begun.partial.take(bytes, start);
                let latest = after(start, taken as u64);
                if let Some(response) = record(line, begun.owner) {
                    response.latest = latest;
                    response.head_bytes = begun.partial.len;
                }
                if status_line::begins(&begun.partial.bytes) == Begins::Other {
                    self.bare(line);
                } else if whole {
                    self.head_is_whole(line, pairing, latest);
                }
                taken
            }
            State::Body(owner, body) if body.is_endless() && is_next_response(line, pairing, bytes) => {
                // The edge took the message for complete and went on, and so did the origin.
                if let Some(response) = record(line, *owner) {
                    response.end = Some(response.latest);
                }
                self.state = State::Between;
                self.begin(line, pairing, bytes, start)
            }
            State::Body(..) => self.body(line, bytes, start),
            State::Unsolicited if pairing.waiting() && !pairing.waits_unseen(line) => {
                self.state = State::Between;
                self.begin(line, pairing, bytes, start)
            }
            State::Unsolicited => {
                stray::go_on(line, bytes);
                bytes.len()
            }
            State::Lost if bytes.starts_with(b"HTTP/1.") => {
                pairing.skip_to_newest(line);
                self.state = State::Between;
                self.begin(line, pairing, bytes, start)
            }
            State::Lost => {
                obscure_open(line);
                bytes.len()
            }
        }
    }

    fn begin(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        if !pairing.waiting() {
            // Line ends behind a body harm nobody.
            self.preamble = Preamble::default();
        }
        let blank = self.preamble.take(bytes, start);
        let Some(rest) = bytes.get(blank..).filter(|rest| !rest.is_empty()) else { return bytes.len() };
        let start = after(start, blank as u64);
        let preamble = std::mem::take(&mut self.preamble);
        let next = if pairing.waits_unseen(line) { None } else { pairing.next_to_answer() };
        let (owner, asks) = match next {
            Some((number, asks)) => (Owner::Exchange(number), asks),
            None if pairing.requests_missed && !pairing.waiting() => (Owner::Missed, Asks::default()),
            None => {
                stray::begin(line, pairing.last_answered(), rest, start);
                self.state = State::Unsolicited;
                return bytes.len();
            }
        };
        self.coded = None;
        let broke = std::mem::take(&mut self.interim_broke);
        if let Owner::Exchange(number) = owner
            && let Some(exchange) = exchange(line, number)
        {
            let mut response = Response::begun(start);
            response.deviations = broke;
            if let Some((rule, mark)) = preamble.breaks() {
                note(&mut response, rule, 0, mark, b"\r\n");
            }
            exchange.response = Some(response);
        }
        let begun = Begun { owner, asks, start, partial: Partial::default() };
        if let Some(len) = end_of_head(rest).filter(|_| status_line::begins(rest) == Begins::Http) {
            let mut places = Places::default();
            places.add(0, start);
            let head = rest.get(..len).unwrap_or_default();
            let end = after(start, len as u64);
            self.read(line, pairing, &begun, &Whole { bytes: head, places: &places, len: len as u64, end });
            return blank.saturating_add(len);
        }
        self.state = State::Head(Box::new(begun));
        blank.saturating_add(self.step(line, pairing, rest, start))
    }

    fn head_is_whole(&mut self, line: &mut Timeline, pairing: &mut Pairing, end: Mark) {
        let State::Head(mut begun) = std::mem::take(&mut self.state) else { return };
        let partial = std::mem::take(&mut begun.partial);
        let head = Whole { bytes: &partial.bytes, places: &partial.places, len: partial.len, end };
        self.read(line, pairing, &begun, &head);
    }

    fn read(&mut self, line: &mut Timeline, pairing: &mut Pairing, begun: &Begun, head: &Whole<'_>) {
        let mut forgotten;
        let response = match record(line, begun.owner) {
            Some(response) => response,
            None => {
                forgotten = Response::begun(begun.start);
                &mut forgotten
            }
        };
        let said = response::read(head.bytes, head.places, response);
        response.head_bytes = head.len;
        response.head_end = Some(head.end);
        response.latest = head.end;
        let mut broken = Vec::new();
        let mut tell = |rule, at| broken.push((rule, at));
        let status = response.status.unwrap_or(0);
        let bodiless = begun.asks.head || matches!(status, 100..=199 | 204 | 304);
        if matches!(status, 100..=199 | 204) {
            said.framing.without_body(&mut tell);
        }
        if status == 101 && !begun.asks.upgrade {
            tell(Rule::UpgradeNotAsked, 0);
        }
        response.framing = match bodiless {
            true => Framing::None,
            false => said.framing.of_response(response.minor_version, &mut tell),
        };
        for (rule, at) in broken {
            let quoted = quoted_line(head.bytes, at);
            note(response, rule, at as u64, head.places.mark(at as u64), quoted);
        }
        // Rules of framing are judged last: tell all in the order of the bytes.
        response.deviations.sort_by_key(|deviation| deviation.mark.offset);
        if status == 101 || (begun.asks.connect && (200..300).contains(&status)) {
            return self.tunnel(line, pairing, begun.owner, said.upgrade, head.end);
        }
        if matches!(status, 100..=199) {
            return self.interim(line, pairing, begun, status);
        }
        if response.minor_version == Some(0) && line.exchanges.len() == 1 {
            line.protocol = Some("http/1.0");
        }
        self.begin_body(line, begun.owner, said.coded, head.end);
    }

    fn begin_body(&mut self, line: &mut Timeline, owner: Owner, coded: Option<CodedBody>, end: Mark) {
        let Some(response) = record(line, owner) else {
            // The framing of a response to a missed request was not kept: look for the next message.
            self.state = State::Lost;
            return;
        };
        if let Some(coded) = &coded {
            response.coding = coded.unchecked();
        }
        self.coded = coded.filter(|_| response.framing != Framing::None);
        self.page = Page::of(response);
        self.state = match Body::of(response.framing, response.head_bytes) {
            Some(body) => State::Body(owner, body),
            None => {
                response.end = Some(end);
                State::Between
            }
        };
    }

    fn interim(&mut self, line: &mut Timeline, pairing: &mut Pairing, begun: &Begun, status: u16) {
        if let Owner::Exchange(number) = begun.owner {
            if let Some(exchange) = exchange(line, number) {
                self.interim_broke = exchange.response.take().map(|response| response.deviations).unwrap_or_default();
                if exchange.interim.len() < KEPT_INTERIM {
                    exchange.interim.push(Interim { status, at: begun.start });
                }
            }
            pairing.not_answered_yet(begun.asks);
        }
        self.state = State::Between;
    }

    fn tunnel(&mut self, line: &mut Timeline, pairing: &mut Pairing, owner: Owner, upgrade: Upgrade, end: Mark) {
        if let Some(response) = record(line, owner) {
            response.framing = Framing::Tunnel;
            response.end = Some(end);
        }
        self.state = State::Between;
        match upgrade {
            Upgrade::H2c => self.h2c = Some(Vec::new()),
            Upgrade::WebSocket => line.protocol = Some("websocket"),
            Upgrade::None | Upgrade::Other => {}
        }
        pairing.tunnel = upgrade != Upgrade::H2c;
    }

    /// No status line: bare content until the origin closes.
    fn bare(&mut self, line: &mut Timeline) {
        let State::Head(begun) = std::mem::take(&mut self.state) else { return };
        if begun.asks.simple {
            line.protocol = Some("http/0.9");
        }
        if let Some(response) = record(line, begun.owner) {
            let bytes = begun.partial.bytes.as_slice();
            quote(&mut response.preview, bytes);
            response.framing = Framing::UntilClose;
            response.body_bytes = begun.partial.len;
            response.head_bytes = 0;
            if !begun.asks.simple {
                note(response, Rule::NoStatusLine, 0, begun.start, bytes);
            }
        }
        self.state = State::Body(begun.owner, Body::UntilClose);
    }

    fn body(&mut self, line: &mut Timeline, bytes: &[u8], start: Mark) -> usize {
        let State::Body(owner, body) = &mut self.state else { return bytes.len() };
        let was_lost = body.lost();
        // Only bare content has no record, where its request was missed: it goes on until the close.
        let Some(response) = record(line, *owner) else { return bytes.len() };
        let taken = body.take(bytes, start, &mut |fault| {
            note(response, fault.rule, fault.at, fault.mark, fault.bytes);
        });
        let seen = bytes.get(..taken.bytes).unwrap_or_default();
        let bare = response.head_end.is_none();
        if bare {
            quote(&mut response.preview, seen);
        }
        if bare || was_lost {
            quote_further(response, seen);
        }
        let data = bytes.get(..taken.data).unwrap_or_default();
        if let Some(coded) = &mut self.coded {
            coded.add(data);
        }
        if let Some(page) = &mut self.page {
            response.error_page = response.error_page.or_else(|| page.take(data));
        }
        let end = after(start, taken.bytes as u64);
        response.body_bytes = response.body_bytes.saturating_add(taken.data as u64);
        response.latest = end;
        if taken.done {
            response.end = Some(end);
            self.state = State::Between;
        }
        taken.bytes
    }

    pub(super) fn gap(&mut self, line: &mut Timeline, pairing: &mut Pairing, len: u64, start: Mark) {
        if pairing.tunnel {
            return;
        }
        let skipped = match &mut self.state {
            State::Body(owner, body) => body.skip(len).map(|whole| (*owner, whole)),
            _ => None,
        };
        let Some((owner, whole)) = skipped else {
            obscure_open(line);
            return self.lose();
        };
        self.coded = None;
        if let Owner::Exchange(number) = owner
            && let Some(exchange) = exchange(line, number)
        {
            exchange.visibility = Visibility::Obscured;
        }
        let end = after(start, len);
        if let Some(response) = record(line, owner) {
            response.body_bytes = response.body_bytes.saturating_add(len);
            response.latest = end;
            if whole {
                response.end = Some(end);
            }
        }
        if whole {
            self.state = State::Between;
        }
    }

    /// The origin's FIN completes a body that only the close delimits.
    pub(super) fn end(&mut self, line: &mut Timeline, at: Mark) {
        if let State::Body(owner, Body::UntilClose) = self.state {
            if let Some(response) = record(line, owner) {
                response.end = Some(at);
            }
            self.state = State::Between;
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, line: &mut Timeline, pairing: &mut Pairing) {
        self.finish_head(line);
        self.finish_interim(line, pairing);
        let left_by_edge =
            matches!(line.closes().next(), Some(Close::Fin { from: Peer::Edge, .. } | Close::Rst { .. }));
        let Some(coded) = self.coded.take().filter(|_| left_by_edge) else { return };
        let last = pairing.last_answered().filter(|&last| last == pairing.newest());
        let response = last.and_then(|last| exchange(line, last)).and_then(|exchange| exchange.response.as_mut());
        if let Some(response) = response.filter(|response| response.end.is_some()) {
            response.coding = coded.check();
        }
    }

    /// A head that will never be whole is judged by what came of it.
    fn finish_head(&mut self, line: &mut Timeline) {
        let State::Head(begun) = &self.state else { return };
        let partial = &begun.partial;
        match status_line::begins(&partial.bytes) {
            Begins::TooShort if !b"HTTP/1".starts_with(partial.bytes.as_slice()) => self.bare(line),
            Begins::Http => {
                if let Some(response) = record(line, begun.owner) {
                    response::read_cut(&partial.bytes, partial.len, &partial.places, response);
                }
            }
            _ => {}
        }
    }

    /// Broken 1xx responses that no final one followed are all that came.
    fn finish_interim(&mut self, line: &mut Timeline, pairing: &mut Pairing) {
        let broke = std::mem::take(&mut self.interim_broke);
        let Some(first) = broke.first().map(|deviation| deviation.mark) else { return };
        let Some((number, _)) = pairing.next_to_answer() else { return };
        let Some(exchange) = exchange(line, number).filter(|exchange| exchange.response.is_none()) else { return };
        let start = exchange.interim.last().map_or(first, |interim| interim.at);
        exchange.response = Some(Response { deviations: broke, ..Response::begun(start) });
    }
}

/// True where a request waits that the origin had received, and `bytes` begin like its response.
fn is_next_response(line: &Timeline, pairing: &Pairing, bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.") && pairing.waiting() && !pairing.waits_unseen(line)
}

/// What follows a break that nothing mends is quoted with it.
fn quote_further(response: &mut Response, bytes: &[u8]) {
    let last = response.deviations.last_mut().filter(|last| {
        matches!(
            last.rule,
            Rule::NoStatusLine | Rule::ChunkSizeMalformed | Rule::ChunkSizeTooLarge | Rule::ChunkDataEnd
        )
    });
    if let Some(last) = last {
        quote(&mut last.bytes, bytes);
    }
}

/// The record of a response, where its request was seen.
fn record(line: &mut Timeline, owner: Owner) -> Option<&mut Response> {
    match owner {
        Owner::Exchange(number) => exchange(line, number)?.response.as_mut(),
        Owner::Missed => None,
    }
}

fn quoted_line(head: &[u8], at: usize) -> &[u8] {
    let rest = head.get(at..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end.saturating_add(1));
    rest.get(..end).unwrap_or_default()
}
