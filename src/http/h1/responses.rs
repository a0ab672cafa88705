//! The origin's stream: responses one after another, and bytes that belong to none.

use super::chunk::Chunks;
use super::coding::CodedBody;
use super::head::{Partial, Places, end_of_head};
use super::pairing::{Pairing, after, exchange, obscure_open};
use super::request::Asks;
use super::response::{self, Upgrade, note};
use super::status_line::{self, Begins};
use crate::timeline::{Close, Framing, Interim, Mark, Peer, Response, Rule, Timeline, Unsolicited, Visibility};

/// Bytes of a stranger that are quoted.
const PREVIEW: usize = 64;

/// Reads the responses of one connection.
#[derive(Default)]
pub(super) struct Responses {
    state: State,
    /// The body of the newest response, where it is coded.
    coded: Option<CodedBody>,
    /// An empty line that came where a response was awaited.
    blank: Option<Mark>,
    /// What stands behind a 101 that switches to h2c.
    h2c: Option<Vec<(Vec<u8>, Mark)>>,
}

#[derive(Default)]
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

enum Body {
    Length(u64),
    /// The chunk reader, and the length of the message so far.
    Chunked(Box<Chunks>, u64),
    UntilClose,
}

impl Responses {
    /// The capture misses bytes: go on where a piece begins like a response.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
    }

    pub(super) fn lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// What stands behind a 101 that switched to h2c.
    pub(super) fn upgraded_to_h2c(&mut self) -> Option<Vec<(Vec<u8>, Mark)>> {
        self.h2c.take()
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
            at += self.step(line, pairing, rest, start);
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
            State::Body(..) => self.body(line, bytes, start),
            State::Unsolicited if pairing.waiting() && !sent_before_request(line, pairing) => {
                self.state = State::Between;
                self.begin(line, pairing, bytes, start)
            }
            State::Unsolicited => {
                if let Some(last) = line.unsolicited.last_mut() {
                    last.bytes += bytes.len() as u64;
                }
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
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 && pairing.waiting() {
            self.blank.get_or_insert(start);
        }
        let Some(rest) = bytes.get(blank..).filter(|rest| !rest.is_empty()) else { return bytes.len() };
        let start = after(start, blank as u64);
        if pairing.waiting() && sent_before_request(line, pairing) {
            self.unsolicited(line, pairing, rest, start);
            return bytes.len();
        }
        let (owner, asks) = match pairing.next_to_answer() {
            Some((number, asks)) => (Owner::Exchange(number), asks),
            None if pairing.requests_missed => (Owner::Missed, Asks::default()),
            None => {
                self.unsolicited(line, pairing, rest, start);
                return bytes.len();
            }
        };
        self.coded = None;
        if let Owner::Exchange(number) = owner
            && let Some(exchange) = exchange(line, number)
        {
            let mut response = Response::begun(start);
            if let Some(blank) = self.blank.take() {
                note(&mut response, Rule::EmptyLineFirst, 0, blank, b"\r\n");
            }
            exchange.response = Some(response);
        }
        let begun = Begun { owner, asks, start, partial: Partial::default() };
        if let Some(len) = end_of_head(rest).filter(|_| status_line::begins(rest) == Begins::Http) {
            let mut places = Places::default();
            places.add(0, start);
            let head = rest.get(..len).unwrap_or_default();
            self.read(line, pairing, &begun, head, &places, len as u64, after(start, len as u64));
            return blank + len;
        }
        self.state = State::Head(Box::new(begun));
        blank + self.step(line, pairing, rest, start)
    }

    fn head_is_whole(&mut self, line: &mut Timeline, pairing: &mut Pairing, end: Mark) {
        let State::Head(mut begun) = std::mem::take(&mut self.state) else { return };
        let head = std::mem::take(&mut begun.partial.bytes);
        let places = std::mem::take(&mut begun.partial.places);
        let len = begun.partial.len;
        self.read(line, pairing, &begun, &head, &places, len, end);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one head, from two places")]
    fn read(
        &mut self,
        line: &mut Timeline,
        pairing: &mut Pairing,
        begun: &Begun,
        head: &[u8],
        places: &Places,
        len: u64,
        end: Mark,
    ) {
        let mut forgotten = Response::begun(begun.start);
        let response = record(line, begun.owner).unwrap_or(&mut forgotten);
        let said = response::read(head, places, response);
        response.head_bytes = len;
        response.head_end = Some(end);
        response.latest = end;
        let mut broken = Vec::new();
        let status = response.status.unwrap_or(0);
        let bodiless = begun.asks.head || matches!(status, 100..=199 | 204 | 304);
        response.framing = if bodiless {
            if matches!(status, 100..=199 | 204) {
                said.framing.without_body(&mut |rule, at| broken.push((rule, at)));
            }
            Framing::None
        } else {
            said.framing.of_response(response.minor_version, &mut |rule, at| broken.push((rule, at)))
        };
        for (rule, at) in broken {
            let quoted = quoted_line(head, at);
            note(response, rule, at as u64, places.mark(at as u64), quoted);
        }
        if status == 101 || (begun.asks.connect && (200..300).contains(&status)) {
            return self.tunnel(line, pairing, begun.owner, said.upgrade, end);
        }
        if matches!(status, 100..=199) {
            return self.interim(line, pairing, begun, status);
        }
        if response.minor_version == Some(0) && line.exchanges.len() == 1 {
            line.protocol = Some("http/1.0");
        }
        self.begin_body(line, begun.owner, said.coded, end);
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
        self.state = match response.framing {
            Framing::Length(bytes) if bytes > 0 => State::Body(owner, Body::Length(bytes)),
            Framing::Chunked => State::Body(owner, Body::Chunked(Box::new(Chunks::new()), response.head_bytes)),
            Framing::UntilClose => State::Body(owner, Body::UntilClose),
            _ => {
                response.end = Some(end);
                State::Between
            }
        };
    }

    fn interim(&mut self, line: &mut Timeline, pairing: &mut Pairing, begun: &Begun, status: u16) {
        if let Owner::Exchange(number) = begun.owner {
            if let Some(exchange) = exchange(line, number) {
                exchange.response = None;
                exchange.interim.push(Interim { status, at: begun.start });
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
        if let Some(response) = record(line, begun.owner) {
            let bytes = begun.partial.bytes.as_slice();
            response.preview = bytes.get(..bytes.len().min(PREVIEW)).unwrap_or_default().to_vec();
            response.framing = Framing::UntilClose;
            response.body_bytes = begun.partial.len;
            response.head_bytes = 0;
            note(response, Rule::NoStatusLine, 0, begun.start, bytes);
        }
        self.state = State::Body(begun.owner, Body::UntilClose);
    }

    fn body(&mut self, line: &mut Timeline, bytes: &[u8], start: Mark) -> usize {
        let State::Body(owner, body) = &mut self.state else { return bytes.len() };
        let owner = *owner;
        let mut broken = None;
        let (taken, data, done) = match body {
            Body::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                (taken, taken, *left == 0)
            }
            Body::Chunked(chunks, len) => {
                let step = chunks.step(bytes, &mut |rule, at| broken = broken.or(Some((rule, *len + at as u64, at))));
                *len += step.taken as u64;
                (step.taken, step.data, chunks.done())
            }
            Body::UntilClose => (bytes.len(), bytes.len(), false),
        };
        if let Some(coded) = &mut self.coded {
            coded.add(bytes.get(..data).unwrap_or_default());
        }
        let end = after(start, taken as u64);
        if let Some(response) = record(line, owner) {
            response.body_bytes += data as u64;
            response.latest = end;
            if response.preview.len() < PREVIEW && response.head_end.is_none() {
                let room = PREVIEW - response.preview.len();
                response.preview.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
            }
            if let Some((rule, at, byte)) = broken {
                note(response, rule, at, after(start, byte as u64), bytes.get(byte..).unwrap_or_default());
            }
            if done {
                response.end = Some(end);
            }
        }
        if done {
            self.state = State::Between;
        }
        taken
    }

    pub(super) fn unsolicited(&mut self, line: &mut Timeline, pairing: &Pairing, bytes: &[u8], start: Mark) {
        let mut scratch = Response::begun(start);
        let status = bytes.starts_with(b"HTTP/1.").then(|| {
            response::read(bytes, &Places::default(), &mut scratch);
            scratch.status
        });
        line.unsolicited.push(Unsolicited {
            start,
            bytes: bytes.len() as u64,
            after_exchange: pairing.last_answered(),
            status: status.flatten(),
            preview: bytes.get(..bytes.len().min(PREVIEW)).unwrap_or_default().to_vec(),
        });
        self.state = State::Unsolicited;
    }

    pub(super) fn gap(&mut self, line: &mut Timeline, pairing: &mut Pairing, len: u64, start: Mark) {
        if pairing.tunnel {
            return;
        }
        let skipped = match &mut self.state {
            State::Body(owner, body) => {
                let fits = match body {
                    Body::Length(left) => {
                        let fits = *left >= len;
                        *left = left.saturating_sub(len);
                        fits
                    }
                    Body::Chunked(chunks, message) => {
                        *message += len;
                        chunks.skip(len)
                    }
                    Body::UntilClose => true,
                };
                let whole = matches!(body, Body::Length(0));
                fits.then_some((*owner, whole))
            }
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
            response.body_bytes += len;
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
        if let State::Head(begun) = &self.state
            && status_line::begins(&begun.partial.bytes) == Begins::TooShort
            && !b"HTTP/1".starts_with(begun.partial.bytes.as_slice())
        {
            self.bare(line);
        }
        let left_by_edge =
            matches!(line.closes().next(), Some(Close::Fin { from: Peer::Edge, .. } | Close::Rst { .. }));
        let Some(coded) = self.coded.take().filter(|_| left_by_edge) else { return };
        let last = pairing.last_answered().filter(|&last| last == pairing.newest());
        let response = last.and_then(|last| exchange(line, last)).and_then(|exchange| exchange.response.as_mut());
        if let Some(response) = response.filter(|response| response.end.is_some()) {
            response.coding = coded.check();
        }
    }
}

/// True where the origin had not received the first byte of the request that waits when it sent what comes now:
/// every segment acknowledges what its sender has received (RFC 9293 section 3.4).
fn sent_before_request(line: &Timeline, pairing: &Pairing) -> bool {
    let start = pairing.next_number().and_then(|number| line.exchanges.iter().find(|e| e.number == number));
    start.is_some_and(|exchange| {
        let start = exchange.request.start.offset;
        start > 0 && line.direction.edge.acked <= start
    })
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
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    rest.get(..end).unwrap_or_default()
}
