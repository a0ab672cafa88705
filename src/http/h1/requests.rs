//! The edge's stream: requests one after another.

use super::body::Body;
use super::head::{Partial, end_of_head};
use super::pairing::{Pairing, after, exchange, obscure_open};
use super::request;
use super::{Recognised, recognise_request};
use crate::timeline::{Framing, Mark, Timeline, Visibility};

/// Reads the requests of one connection.
#[derive(Clone, Default)]
pub(super) struct Requests {
    state: State,
}

#[derive(Clone, Default)]
enum State {
    /// Between two requests.
    #[default]
    Between,
    /// In the head of one.
    Head(Box<Begun>),
    /// In its body.
    Body(Body),
    /// Before a body that waits for leave (Expect: 100-continue): where it is refused, the next request may come
    /// in its place. With what came since then, until it can be told.
    Expected(Body, Box<Begun>),
    /// Out of step: until a piece begins like a request.
    Lost,
}

/// A request whose head is not whole.
#[derive(Clone)]
struct Begun {
    partial: Partial,
    start: Mark,
    exchange: Opened,
}

/// Whether a request that is not whole has its exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// Not before it is whole.
    NotYet,
    /// It has: its answer came first.
    Early,
}

impl Begun {
    fn new(start: Mark) -> Box<Self> {
        Box::new(Self { partial: Partial::default(), start, exchange: Opened::NotYet })
    }
}

impl Requests {
    /// The capture misses bytes: go on where a piece begins like a request.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
    }

    /// The first byte of a request whose head is not whole and that no answer has come to.
    pub(super) fn partial(&self) -> Option<Mark> {
        let State::Head(begun) = &self.state else { return None };
        let recognised = recognise_request(&begun.partial.bytes) == Recognised::Yes;
        (begun.exchange == Opened::NotYet && recognised).then_some(begun.start)
    }

    pub(super) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Head(begun) | State::Expected(_, begun) => begun.partial.bytes.len(),
            State::Between | State::Body(_) | State::Lost => 0,
        }
    }

    pub(super) fn data(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty() && !pairing.tunnel) {
            at = at.saturating_add(self.step(line, pairing, rest, after(start, at as u64)));
        }
    }

    /// Takes at least one byte of `bytes`.
    fn step(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        match &mut self.state {
            State::Between => self.begin(line, pairing, bytes, start),
            State::Head(begun) => {
                let (taken, whole) = begun.partial.take(bytes, start);
                if whole {
                    self.head_is_whole(line, pairing, after(start, taken as u64));
                }
                taken
            }
            State::Body(_) => self.body(line, pairing, bytes, start),
            State::Expected(..) => self.expected(line, pairing, bytes, start),
            State::Lost => match recognise_request(bytes) {
                Recognised::Yes => {
                    self.state = State::Between;
                    self.begin(line, pairing, bytes, start)
                }
                _ => bytes.len(),
            },
        }
    }

    fn begin(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let Some(rest) = bytes.get(blank..).filter(|rest| !rest.is_empty()) else { return bytes.len() };
        let first = after(start, blank as u64);
        if let Some(len) = end_of_head(rest) {
            let head = rest.get(..len).unwrap_or_default();
            self.open(line, pairing, head, first, after(first, len as u64), Opened::NotYet);
            return blank.saturating_add(len);
        }
        let mut begun = Begun::new(first);
        begun.partial.take(rest, first);
        self.state = State::Head(begun);
        bytes.len()
    }

    fn head_is_whole(&mut self, line: &mut Timeline, pairing: &mut Pairing, end: Mark) {
        let State::Head(begun) = std::mem::take(&mut self.state) else { return };
        self.open(line, pairing, &begun.partial.bytes, begun.start, end, begun.exchange);
    }

    fn open(
        &mut self,
        line: &mut Timeline,
        pairing: &mut Pairing,
        head: &[u8],
        start: Mark,
        end: Mark,
        opened: Opened,
    ) {
        let (mut request, asks) = request::read(head, start);
        request.head_end = Some(end);
        self.state = match Body::of(request.framing, head.len() as u64) {
            Some(body) if request.expect_continue => State::Expected(body, Begun::new(end)),
            Some(body) => State::Body(body),
            None => {
                request.end = Some(end);
                State::Between
            }
        };
        match opened {
            Opened::NotYet => {
                pairing.open(line, request, asks);
            }
            Opened::Early => {
                if let Some(exchange) = exchange(line, pairing.newest()) {
                    exchange.request = request;
                }
            }
        }
    }

    fn body(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        let State::Body(body) = &mut self.state else { return bytes.len() };
        let Some(exchange) = exchange(line, pairing.newest()) else { return bytes.len() };
        let request = &mut exchange.request;
        let taken = body.take(bytes, start, &mut |_| {});
        request.body_bytes = request.body_bytes.saturating_add(taken.data as u64);
        if taken.done {
            request.end = Some(after(start, taken.bytes as u64));
            self.state = State::Between;
        }
        taken.bytes
    }

    fn expected(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        let refused = exchange(line, pairing.newest()).is_some_and(|exchange| exchange.response.is_some());
        let State::Expected(_, begun) = &mut self.state else { return bytes.len() };
        if begun.partial.bytes.is_empty() {
            begun.start = start;
        }
        begun.partial.take(bytes, start);
        let recognised = recognise_request(&begun.partial.bytes);
        if refused && recognised == Recognised::TooShort {
            return bytes.len();
        }
        let State::Expected(body, begun) = std::mem::take(&mut self.state) else { return bytes.len() };
        if !refused || recognised == Recognised::No {
            self.state = State::Body(body);
        } else if let Some(exchange) = exchange(line, pairing.newest()) {
            // The body never comes (RFC 9110 section 10.1.1).
            exchange.request.end = exchange.request.head_end;
        }
        let held = begun.partial.len.saturating_sub(bytes.len() as u64);
        let held = begun.partial.bytes.get(..usize::try_from(held).unwrap_or(0)).unwrap_or_default();
        self.data(line, pairing, held, begun.start);
        self.data(line, pairing, bytes, start);
        bytes.len()
    }

    pub(super) fn gap(&mut self, line: &mut Timeline, pairing: &mut Pairing, len: u64, start: Mark) {
        if let State::Expected(body, _) = &self.state {
            self.state = State::Body(body.clone());
        }
        let skipped = match &mut self.state {
            // The end of the body is no proof that the next byte begins a request.
            State::Body(body) => body.skip(len) == Some(false),
            _ => false,
        };
        if let Some(exchange) = exchange(line, pairing.newest()).filter(|_| skipped) {
            exchange.request.body_bytes = exchange.request.body_bytes.saturating_add(len);
            exchange.visibility = Visibility::Obscured;
        }
        if !skipped {
            obscure_open(line);
            self.open_cut(line, pairing, after(start, len));
            self.lose();
        }
    }

    /// A request of which the snap length left the beginning: what it asks is known as far as it goes, and that it
    /// ends with its segment is likely, as long as no other follows.
    fn open_cut(&mut self, line: &mut Timeline, pairing: &mut Pairing, end: Mark) {
        let State::Head(begun) = &self.state else { return };
        let known = recognise_request(&begun.partial.bytes) == Recognised::Yes;
        if !known || begun.exchange == Opened::Early || line.cut_bytes == 0 {
            return;
        }
        let (mut request, asks) = request::read(&begun.partial.bytes, begun.start);
        (request.framing, request.end) = (Framing::Unknown, Some(end));
        let number = pairing.open(line, request, asks);
        pairing.skip_to_newest(line);
        if let Some(exchange) = exchange(line, number) {
            exchange.visibility = Visibility::Inferred;
        }
    }

    /// An answer to a head that is not whole, or the end of the stream within it: what came of it is a request.
    pub(super) fn answered_early(&mut self, line: &mut Timeline, pairing: &mut Pairing) {
        if self.partial().is_none() {
            return;
        }
        let State::Head(begun) = &mut self.state else { return };
        begun.exchange = Opened::Early;
        let (mut request, asks) = request::read(&begun.partial.bytes, begun.start);
        request.framing = Framing::Unknown;
        if asks.simple {
            // Its line is all of it (RFC 1945 section 5.1).
            (request.framing, request.end) = (Framing::None, Some(after(begun.start, begun.partial.len)));
        }
        pairing.open(line, request, asks);
    }
}
