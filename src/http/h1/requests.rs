//! The edge's stream: requests one after another.

use super::chunk::Chunks;
use super::head::{Partial, end_of_head};
use super::pairing::{Pairing, after, exchange, obscure_open};
use super::request;
use super::{Recognised, recognise_request};
use crate::timeline::{Framing, Mark, Timeline, Visibility};

/// Reads the requests of one connection.
#[derive(Default)]
pub(super) struct Requests {
    state: State,
}

#[derive(Default)]
enum State {
    /// Between two requests.
    #[default]
    Between,
    /// In the head of one.
    Head(Box<Partial>, Mark),
    /// In its body.
    Body(Body),
    /// Out of step: until a piece begins like a request.
    Lost,
}

enum Body {
    Length(u64),
    Chunked(Box<Chunks>),
}

impl Requests {
    /// The capture misses bytes: go on where a piece begins like a request.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
    }

    /// True while a head is not whole.
    pub(super) fn partial(&self) -> bool {
        matches!(self.state, State::Head(..))
    }

    pub(super) fn data(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty() && !pairing.tunnel) {
            at += self.step(line, pairing, rest, after(start, at as u64));
        }
    }

    /// Takes at least one byte of `bytes`.
    fn step(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        match &mut self.state {
            State::Between => self.begin(line, pairing, bytes, start),
            State::Head(partial, first) => {
                let first = *first;
                let (taken, whole) = partial.take(bytes, start);
                if whole {
                    let head = std::mem::take(&mut partial.bytes);
                    self.open(line, pairing, &head, first, after(start, taken as u64));
                }
                taken
            }
            State::Body(_) => self.body(line, pairing, bytes, start),
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
            self.open(line, pairing, rest.get(..len).unwrap_or_default(), first, after(first, len as u64));
            return blank + len;
        }
        let mut partial = Box::<Partial>::default();
        partial.take(rest, first);
        self.state = State::Head(partial, first);
        bytes.len()
    }

    fn open(&mut self, line: &mut Timeline, pairing: &mut Pairing, head: &[u8], start: Mark, end: Mark) {
        let (mut request, asks) = request::read(head, start);
        request.head_end = Some(end);
        self.state = match request.framing {
            Framing::Length(bytes) => State::Body(Body::Length(bytes)),
            Framing::Chunked => State::Body(Body::Chunked(Box::new(Chunks::new()))),
            _ => {
                request.end = Some(end);
                State::Between
            }
        };
        pairing.open(line, request, asks);
    }

    fn body(&mut self, line: &mut Timeline, pairing: &mut Pairing, bytes: &[u8], start: Mark) -> usize {
        let Some(exchange) = exchange(line, pairing.newest()) else { return bytes.len() };
        let request = &mut exchange.request;
        let answered = exchange.response.is_some();
        // A final answer to Expect: 100-continue: the body never comes (RFC 9110 section 10.1.1).
        let refused = request.expect_continue && answered && request.body_bytes == 0;
        if refused && recognise_request(bytes) == Recognised::Yes {
            request.end = request.head_end;
            self.state = State::Between;
            return self.begin(line, pairing, bytes, start);
        }
        let State::Body(body) = &mut self.state else { return bytes.len() };
        let (taken, data, done) = match body {
            Body::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                (taken, taken, *left == 0)
            }
            Body::Chunked(chunks) => {
                let step = chunks.step(bytes, &mut |_, _| {});
                (step.taken, step.data, chunks.done())
            }
        };
        request.body_bytes += data as u64;
        if done {
            request.end = Some(after(start, taken as u64));
            self.state = State::Between;
        }
        taken
    }

    pub(super) fn gap(&mut self, line: &mut Timeline, pairing: &mut Pairing, len: u64) {
        let skipped = match &mut self.state {
            State::Body(Body::Length(left)) if *left > len => {
                *left -= len;
                true
            }
            State::Body(Body::Chunked(chunks)) => chunks.skip(len),
            _ => false,
        };
        if let Some(exchange) = exchange(line, pairing.newest()).filter(|_| skipped) {
            exchange.request.body_bytes += len;
            exchange.visibility = Visibility::Obscured;
        }
        if !skipped {
            obscure_open(line);
            self.lose();
        }
    }

    /// The head will never be whole: what came of it is a request that was begun.
    pub(super) fn give_up_head(&mut self, line: &mut Timeline, pairing: &mut Pairing) {
        let State::Head(partial, first) = std::mem::take(&mut self.state) else { return };
        if recognise_request(&partial.bytes) != Recognised::Yes {
            return;
        }
        let (mut request, asks) = request::read(&partial.bytes, first);
        request.framing = Framing::Unknown;
        pairing.open(line, request, asks);
        self.state = State::Lost;
    }
}
