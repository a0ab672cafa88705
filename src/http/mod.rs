//! Messages and exchanges from bytes, strictly judged: HTTP/1 in one wing, HTTP/2 in another.
//!
//! [`Http`] recognises by the edge's first bytes what is spoken and hands both streams to that wing. Neither wing
//! stops at the first rule that is broken: it writes a deviation into the exchange and goes on.

pub mod h1;
pub mod h2;

use crate::tcp::Application;
use crate::timeline::{Mark, Peer, Timeline};
use h1::{Http1, Recognised};

/// The connection preface of HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What an HTTP/2 connection takes beside its exchanges: two dynamic tables of the usual size, and frames.
const H2_BYTES: usize = 16 * 1024;

/// Bytes of either side that are kept until it is clear what is spoken.
const UNDECIDED_LIMIT: usize = 8 * 1024;

/// The HTTP layer of one connection.
#[derive(Clone, Default)]
pub struct Http {
    wing: Wing,
}

/// What is spoken.
#[derive(Clone)]
enum Wing {
    /// Not known yet: what was seen so far.
    Undecided(Vec<Step>),
    /// The capture joined in the middle: the first chunk that begins like a message decides.
    Joined,
    /// HTTP/1.
    H1(Box<Http1>),
    /// HTTP/2.
    H2(Box<h2::Http2>),
    /// Something else.
    Other,
}

impl Default for Wing {
    fn default() -> Self {
        Self::Undecided(Vec::new())
    }
}

#[derive(Clone)]
enum Step {
    Data(Peer, Vec<u8>, Mark),
    End(Peer, Mark),
}

impl Http {
    /// A connection of which nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn decide(&mut self, line: &mut Timeline, at_the_end: AtEnd) {
        let Wing::Undecided(steps) = &self.wing else { return };
        let of = |peer: Peer| -> Vec<u8> {
            let bytes = steps.iter().filter_map(|step| match step {
                Step::Data(from, bytes, _) if *from == peer => Some(bytes.as_slice()),
                _ => None,
            });
            bytes.flatten().copied().collect()
        };
        let (edge, origin) = (of(Peer::Edge), of(Peer::Origin));
        let over = edge.len().saturating_add(origin.len()) > UNDECIDED_LIMIT || at_the_end == AtEnd::Yes;
        let wing = if edge.is_empty() {
            // An origin that speaks first is no HTTP/1 yet: the edge's request may still come.
            if over { Wing::H1(Box::default()) } else { return }
        } else if PREFACE.starts_with(edge.get(..edge.len().min(PREFACE.len())).unwrap_or_default()) {
            match edge.len() >= PREFACE.len() {
                true => Wing::H2(Box::default()),
                false if over => Wing::Other,
                false => return,
            }
        } else {
            match h1::recognise_request(&edge) {
                Recognised::Yes => Wing::H1(Box::default()),
                Recognised::TooShort if !over => return,
                Recognised::TooShort | Recognised::No => Wing::Other,
            }
        };
        let Wing::Undecided(steps) = std::mem::replace(&mut self.wing, wing) else { return };
        for step in steps {
            match step {
                Step::Data(from, bytes, start) => self.data(line, from, &bytes, start),
                Step::End(from, at) => self.end_of_stream(line, from, at),
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    Yes,
    No,
}

impl Application for Http {
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        match &mut self.wing {
            Wing::Undecided(steps) => {
                if steps.is_empty() && from == Peer::Edge && h1::recognise_request(bytes) == Recognised::Yes {
                    self.wing = Wing::H1(Box::default());
                    return self.data(line, from, bytes, start);
                }
                steps.push(Step::Data(from, bytes.to_vec(), start));
                self.decide(line, AtEnd::No);
            }
            Wing::Joined => {
                let message = match from {
                    Peer::Edge => h1::recognise_request(bytes) == Recognised::Yes,
                    Peer::Origin => bytes.starts_with(b"HTTP/1."),
                };
                if message {
                    self.wing = Wing::H1(Box::new(Http1::joined_late()));
                    self.data(line, from, bytes, start);
                }
            }
            Wing::H1(http1) => {
                http1.data(line, from, bytes, start);
                if let Some(rest) = http1.upgraded() {
                    let mut http2 = Box::new(h2::Http2::after_upgrade());
                    for (from, bytes, start) in rest {
                        http2.data(line, from, &bytes, start);
                    }
                    self.wing = Wing::H2(http2);
                }
            }
            Wing::H2(http2) => http2.data(line, from, bytes, start),
            Wing::Other => {}
        }
    }

    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark) {
        match &mut self.wing {
            Wing::Undecided(_) => self.wing = Wing::Joined,
            Wing::H1(http1) => http1.gap(line, from, len, start),
            Wing::H2(http2) => http2.gap(line, from, len, start),
            Wing::Joined | Wing::Other => {}
        }
    }

    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, at: Mark) {
        match &mut self.wing {
            Wing::Undecided(steps) => steps.push(Step::End(from, at)),
            Wing::H1(http1) => http1.end_of_stream(line, from, at),
            Wing::H2(http2) => http2.end_of_stream(line, from, at),
            Wing::Joined | Wing::Other => {}
        }
    }

    fn held_bytes(&self) -> usize {
        let bytes = |step: &Step| if let Step::Data(_, bytes, _) = step { bytes.len() } else { 0 };
        match &self.wing {
            Wing::Undecided(steps) => steps.iter().map(bytes).sum(),
            Wing::H1(http1) => http1.held_bytes(),
            Wing::H2(_) => H2_BYTES,
            Wing::Joined | Wing::Other => 0,
        }
    }

    fn finish(&mut self, line: &mut Timeline) {
        self.decide(line, AtEnd::Yes);
        match &mut self.wing {
            Wing::H1(http1) => http1.finish(line),
            Wing::H2(http2) => http2.finish(line),
            _ => {}
        }
    }
}
