//! Bytes reach the layers above in the order of cause and effect, not in that of the capture.
//!
//! A capture may hold an answer before its question: of several queues or interfaces, each has its own order. The
//! answer acknowledges the question, so it waits until the question came, or until it is clear that it will not.

use std::collections::VecDeque;

use super::application::Application;
use super::stream::Piece;
use crate::timeline::{ByPeer, Mark, Peer, Timeline};

/// Bytes that wait on one connection; beyond it they wait no longer.
const WAITING_BYTES: usize = 256 * 1024;

/// Pieces that wait on one connection.
const WAITING_PIECES: usize = 256;

/// The layers above, and what waits before them.
#[derive(Clone, Debug)]
pub(super) struct Causal<A> {
    pub(super) app: A,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// How much of each stream was handed on, or given up.
    seen: ByPeer<u64>,
}

/// What `from` said when it had read the other stream up to `until`.
#[derive(Clone, Debug)]
struct Waiting {
    from: Peer,
    until: u64,
    piece: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    Data(Box<[u8]>, Mark),
    Gap(u64, Mark),
    Cut(u64, Mark),
    End(Mark),
}

impl<A: Application> Causal<A> {
    pub(super) fn new(app: A) -> Self {
        Self { app, waiting: VecDeque::new(), waiting_bytes: 0, seen: ByPeer::default() }
    }

    /// Hands on the next piece of the stream of `from`, which had read the other stream up to `until`.
    pub(super) fn hand_on(&mut self, line: &mut Timeline, from: Peer, until: u64, piece: Piece<'_>) {
        let queued = self.waiting.front().is_some_and(|first| first.from == from);
        // Two sides that wait for each other would wait for ever.
        let early = self.waiting.is_empty() && until > self.seen[from.other()];
        if queued || early {
            self.keep(line, from, until, piece);
        } else {
            self.deliver(line, from, piece);
            self.release(line);
        }
    }

    /// Bytes that wait here, or are held above.
    pub(super) fn held_bytes(&self) -> usize {
        self.waiting_bytes.saturating_add(self.app.held_bytes())
    }

    /// Hands on everything that waits.
    pub(super) fn flush(&mut self, line: &mut Timeline) {
        while let Some(first) = self.waiting.pop_front() {
            self.deliver_kept(line, first);
        }
        self.waiting_bytes = 0;
    }

    /// The two sides change places: the roles were told wrong.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.seen.edge, &mut self.seen.origin);
        for waiting in &mut self.waiting {
            waiting.from = waiting.from.other();
        }
    }

    fn keep(&mut self, line: &mut Timeline, from: Peer, until: u64, piece: Piece<'_>) {
        let piece = match piece {
            Piece::Data(bytes, start) => {
                self.waiting_bytes = self.waiting_bytes.saturating_add(bytes.len());
                Kept::Data(bytes.into(), start)
            }
            Piece::Gap(len, start) => Kept::Gap(len, start),
            Piece::Cut(len, start) => Kept::Cut(len, start),
            Piece::End(at) => Kept::End(at),
        };
        self.waiting.push_back(Waiting { from, until, piece });
        if self.waiting_bytes > WAITING_BYTES || self.waiting.len() > WAITING_PIECES {
            self.flush(line);
        }
    }

    fn release(&mut self, line: &mut Timeline) {
        while self.waiting.front().is_some_and(|first| first.until <= self.seen[first.from.other()]) {
            let Some(first) = self.waiting.pop_front() else { return };
            self.deliver_kept(line, first);
        }
        if self.waiting.is_empty() {
            self.waiting_bytes = 0;
        }
    }

    fn deliver_kept(&mut self, line: &mut Timeline, Waiting { from, piece, .. }: Waiting) {
        match piece {
            Kept::Data(bytes, start) => self.deliver(line, from, Piece::Data(&bytes, start)),
            Kept::Gap(len, start) => self.deliver(line, from, Piece::Gap(len, start)),
            Kept::Cut(len, start) => self.deliver(line, from, Piece::Cut(len, start)),
            Kept::End(at) => self.deliver(line, from, Piece::End(at)),
        }
    }

    fn deliver(&mut self, line: &mut Timeline, from: Peer, piece: Piece<'_>) {
        let app = &mut self.app;
        let seen = &mut self.seen[from];
        match piece {
            Piece::Data(bytes, start) => {
                let len = bytes.len() as u64;
                *seen = start.offset.saturating_add(len);
                line.direction[from].bytes = line.direction[from].bytes.saturating_add(len);
                app.data(line, from, bytes, start);
            }
            Piece::Cut(len, start) => {
                *seen = start.offset.saturating_add(len);
                line.direction[from].bytes = line.direction[from].bytes.saturating_add(len);
                line.cut_bytes = line.cut_bytes.saturating_add(len);
                app.gap(line, from, len, start);
            }
            Piece::Gap(len, start) => {
                *seen = start.offset.saturating_add(len);
                app.gap(line, from, len, start);
            }
            Piece::End(at) => app.end_of_stream(line, from, at),
        }
    }
}
