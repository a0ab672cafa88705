//! HTTP/1.0 and HTTP/1.1 (RFC 9112): both streams of one connection, and which response belongs to which request.

mod body;
mod chunk;
mod coding;
mod decode;
mod error_page;
mod fields;
mod framing;
mod glance;
mod head;
mod pairing;
mod preamble;
mod request;
mod requests;
mod response;
mod responses;
mod status_line;
mod stray;

pub use glance::{request as glance_at_request, response as glance_at_response};
pub use request::recognise as recognise_request;

use crate::tcp::Application;
use crate::timeline::{Exchange, Mark, Peer, Timeline, Visibility};
use pairing::Pairing;
use requests::Requests;
use responses::Responses;

/// Whether bytes begin a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// They do.
    Yes,
    /// They do not.
    No,
    /// Too few to tell.
    TooShort,
}

/// Bytes that an origin sends before the first request: kept, for the edge takes them as its answer.
const EARLY_LIMIT: usize = 4096;

/// One HTTP/1 connection.
#[derive(Clone, Default)]
pub struct Http1 {
    requests: Requests,
    responses: Responses,
    pairing: Pairing,
    /// What the origin sent before any request.
    early: Vec<(Vec<u8>, Mark)>,
}

impl Http1 {
    /// A connection that the capture joined in the middle: both sides begin where a message begins.
    #[must_use]
    pub fn joined_late() -> Self {
        let mut http1 = Self::default();
        http1.requests.lose();
        http1.responses.lose();
        http1.pairing.requests_missed = true;
        http1
    }

    /// What the origin sent before the first request is what the edge takes for its answer.
    fn answer_early(&mut self, line: &mut Timeline) {
        if !self.early.is_empty() && self.pairing.has_requests() {
            for (bytes, start) in std::mem::take(&mut self.early) {
                self.responses.data(line, &mut self.pairing, &bytes, start);
            }
        }
    }

    fn keep_early(&mut self, bytes: &[u8], start: Mark) {
        let kept: usize = self.early.iter().map(|(bytes, _)| bytes.len()).sum();
        let room = EARLY_LIMIT.saturating_sub(kept).min(bytes.len());
        if room > 0 {
            self.early.push((bytes.get(..room).unwrap_or_default().to_vec(), start));
        }
    }

    /// After `101 Switching Protocols` to h2c: what the streams hold beyond it. The connection is HTTP/2 from here.
    #[must_use]
    pub fn upgraded(&mut self) -> Option<Vec<(Peer, Vec<u8>, Mark)>> {
        let rest = self.responses.upgraded_to_h2c()?;
        Some(rest.into_iter().map(|(bytes, start)| (Peer::Origin, bytes, start)).collect())
    }
}

impl Application for Http1 {
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        match from {
            Peer::Edge => {
                self.requests.data(line, &mut self.pairing, bytes, start);
                self.answer_early(line);
            }
            Peer::Origin if self.responses.count(line, bytes, start) => {}
            Peer::Origin => {
                let awaited = self.pairing.waiting() || self.pairing.requests_missed;
                let begun = self.requests.partial().filter(|&start| !pairing::unseen(line, start));
                if !awaited && self.responses.between() && begun.is_some() {
                    self.requests.answered_early(line, &mut self.pairing);
                } else if !awaited && !self.pairing.has_requests() {
                    self.keep_early(bytes, start);
                    return;
                }
                self.responses.data(line, &mut self.pairing, bytes, start);
            }
        }
    }

    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark) {
        match from {
            Peer::Edge => {
                // Requests may have been missed: what seemed unsolicited may be their responses.
                line.unsolicited.clear();
                self.early.clear();
                self.pairing.requests_missed = true;
                self.requests.gap(line, &mut self.pairing, len, start);
            }
            Peer::Origin => self.responses.gap(line, &mut self.pairing, len, start),
        }
    }

    /// Bytes of both streams that are held: heads that are not whole, and a coded body.
    fn held_bytes(&self) -> usize {
        self.requests.held_bytes().saturating_add(self.responses.held_bytes())
    }

    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, at: Mark) {
        match from {
            Peer::Edge => {
                self.requests.answered_early(line, &mut self.pairing);
                self.answer_early(line);
            }
            Peer::Origin => self.responses.end(line, at),
        }
    }

    fn finish(&mut self, line: &mut Timeline) {
        self.requests.answered_early(line, &mut self.pairing);
        self.answer_early(line);
        for (bytes, start) in std::mem::take(&mut self.early) {
            self.responses.data(line, &mut self.pairing, &bytes, start);
        }
        self.responses.finish(line, &mut self.pairing);
        if self.responses.lost() {
            // Nobody knows what the origin said. Where the snap length cut it, what came after it is known to be nothing.
            let heard = line.direction.origin.last_data.map_or(0, |packet| packet.number);
            let silent = |exchange: &Exchange| line.cut_bytes > 0 && exchange.request.start.packet.number > heard;
            for exchange in &mut line.exchanges {
                if !exchange.complete() && !silent(exchange) {
                    exchange.visibility = Visibility::Obscured;
                }
            }
        }
    }
}
