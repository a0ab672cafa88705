//! Bytes reach the layers above in the order of cause and effect, not in that of the capture.
//!
//! A capture may hold an answer before its question: of several queues or interfaces, each has its own order. The
//! answer acknowledges the question, so it waits until the question came, or until it is clear that it will not.

use std::collections::VecDeque;

use super::application::Application;
use super::stream::{Piece, What};
use crate::timeline::{ByPeer, Mark, Peer, Timeline};

/// Bytes that wait on one connection; beyond it they wait no longer.
const WAITING_BYTES: usize = 256 * 1024;

/// Pieces that wait on one connection.
const WAITING_PIECES: usize = 256;

/// The layers above, and what waits before them.
#[derive(Clone, Debug)]
pub(super) struct Causal<A> {
    pub(super) app: A,
    /// Pieces of each stream, in its order.
    waiting: ByPeer<VecDeque<Waiting>>,
    waiting_bytes: usize,
    /// How much of each stream was handed on, or given up.
    seen: ByPeer<u64>,
}

/// What one side said when it had read the other stream up to `until`.
#[derive(Clone, Debug)]
struct Waiting {
    until: u64,
    at: Mark,
    kept: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    Data(Box<[u8]>),
    Gap(u64),
    Cut(u64),
    End,
}

impl<A: Application> Causal<A> {
    pub(super) fn new(app: A) -> Self {
        Self { app, waiting: ByPeer::default(), waiting_bytes: 0, seen: ByPeer::default() }
    }

    /// Hands on the next piece of the stream of `from`.
    #[inline]
    pub(super) fn hand_on(&mut self, line: &mut Timeline, from: Peer, piece: Piece<'_>) {
        let queued = !self.waiting[from].is_empty();
        if queued || piece.until > self.seen[from.other()] {
            self.keep(line, from, piece);
        } else {
            self.deliver(line, from, piece.what, piece.at);
        }
        if !self.waiting.edge.is_empty() || !self.waiting.origin.is_empty() {
            self.release(line);
        }
    }

    /// How much of the stream of `from` was handed on, or given up.
    pub(super) fn told(&self, from: Peer) -> u64 {
        self.seen[from]
    }

    /// True where nothing waits.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.edge.is_empty() && self.waiting.origin.is_empty()
    }

    /// Hands on the next bytes of the stream of `from`, while nothing waits and they answer nothing that may come yet.
    #[inline]
    pub(super) fn pass(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], at: Mark) {
        self.deliver(line, from, What::Data(bytes), at);
    }

    /// Bytes that wait here, or are held above.
    pub(super) fn held_bytes(&self) -> usize {
        self.waiting_bytes.saturating_add(self.app.held_bytes())
    }

    /// Hands on everything that waits.
    pub(super) fn flush(&mut self, line: &mut Timeline) {
        while let Some(from) = self.due().or_else(|| self.oldest()) {
            self.deliver_first(line, from);
        }
    }

    /// The two sides change places: the roles were told wrong.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.seen.edge, &mut self.seen.origin);
        std::mem::swap(&mut self.waiting.edge, &mut self.waiting.origin);
    }

    fn keep(&mut self, line: &mut Timeline, from: Peer, piece: Piece<'_>) {
        let kept = match piece.what {
            What::Data(bytes) => {
                self.waiting_bytes = self.waiting_bytes.saturating_add(bytes.len());
                Kept::Data(bytes.into())
            }
            What::Gap(len) => Kept::Gap(len),
            What::Cut(len) => Kept::Cut(len),
            What::End => Kept::End,
        };
        self.waiting[from].push_back(Waiting { until: piece.until, at: piece.at, kept });
        let pieces = self.waiting.edge.len().saturating_add(self.waiting.origin.len());
        if self.waiting_bytes > WAITING_BYTES || pieces > WAITING_PIECES {
            self.flush(line);
        }
    }

    fn release(&mut self, line: &mut Timeline) {
        loop {
            let both = !self.waiting.edge.is_empty() && !self.waiting.origin.is_empty();
            // Two sides that wait for each other would wait for ever: the older of what was sent again is missing.
            let next = self.due().or_else(|| if both { self.oldest() } else { None });
            let Some(from) = next else { return };
            self.deliver_first(line, from);
        }
    }

    /// The side whose next piece waits for nothing any more.
    fn due(&self) -> Option<Peer> {
        let is_due =
            |from: &Peer| self.waiting[*from].front().is_some_and(|first| first.until <= self.seen[from.other()]);
        [Peer::Edge, Peer::Origin].into_iter().find(is_due)
    }

    /// The side whose next piece is the first in the capture.
    fn oldest(&self) -> Option<Peer> {
        let number = |from: Peer| self.waiting[from].front().map(|first| (first.at.packet.number, from));
        [number(Peer::Edge), number(Peer::Origin)]
            .into_iter()
            .flatten()
            .min_by_key(|(number, _)| *number)
            .map(|it| it.1)
    }

    fn deliver_first(&mut self, line: &mut Timeline, from: Peer) {
        let Some(Waiting { at, kept, .. }) = self.waiting[from].pop_front() else { return };
        match kept {
            Kept::Data(bytes) => {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes.len());
                self.deliver(line, from, What::Data(&bytes), at);
            }
            Kept::Gap(len) => self.deliver(line, from, What::Gap(len), at),
            Kept::Cut(len) => self.deliver(line, from, What::Cut(len), at),
            Kept::End => self.deliver(line, from, What::End, at),
        }
    }

    #[inline]
    fn deliver(&mut self, line: &mut Timeline, from: Peer, what: What<'_>, at: Mark) {
        let app = &mut self.app;
        let seen = &mut self.seen[from];
        let total = &mut line.direction[from].bytes;
        match what {
            What::Data(bytes) => {
                let len = bytes.len() as u64;
                *seen = at.offset.saturating_add(len);
                *total = total.saturating_add(len);
                app.data(line, from, bytes, at);
            }
            What::Cut(len) => {
                *seen = at.offset.saturating_add(len);
                *total = total.saturating_add(len);
                line.cut_bytes = line.cut_bytes.saturating_add(len);
                app.gap(line, from, len, at);
            }
            What::Gap(len) => {
                *seen = at.offset.saturating_add(len);
                app.gap(line, from, len, at);
            }
            What::End => app.end_of_stream(line, from, at),
        }
    }
}
