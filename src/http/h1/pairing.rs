//! Which exchange the next response belongs to.

use crate::timeline::{Exchange, Mark, Request, Timeline, Visibility};

use super::request::Asks;

/// Exchanges that one connection keeps before clean ones are folded.
const KEPT: usize = 128;

/// The state that both directions share.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairing {
    /// Number of the newest request.
    newest: u32,
    /// Number of the last request that a response was begun for.
    answered: u32,
    /// What each unanswered request asks of its response, oldest first.
    asks: std::collections::VecDeque<Asks>,
    /// The capture misses bytes of the edge's stream.
    pub(super) requests_missed: bool,
    /// Both streams are something else from here on: a tunnel.
    pub(super) tunnel: bool,
}

impl Pairing {
    pub(super) fn has_requests(&self) -> bool {
        self.newest > 0
    }

    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    /// A request has begun a new exchange.
    pub(super) fn open(&mut self, line: &mut Timeline, request: Request, asks: Asks) -> u32 {
        fold(line);
        self.newest = self.newest.saturating_add(1);
        self.asks.push_back(asks);
        line.protocol = line.protocol.or(Some("http/1.1"));
        if line.exchanges.is_empty() {
            // Many connections carry one exchange only.
            line.exchanges.reserve_exact(1);
        }
        line.exchanges.push(Exchange {
            number: self.newest,
            stream: None,
            request,
            interim: Vec::new(),
            response: None,
            visibility: Visibility::Clear,
        });
        self.newest
    }

    /// The exchange that the next response answers, with what its request asks.
    pub(super) fn next_to_answer(&mut self) -> Option<(u32, Asks)> {
        let asks = self.asks.pop_front()?;
        self.answered = self.answered.saturating_add(1);
        Some((self.answered, asks))
    }

    /// An interim response does not answer its request: the final one is still to come.
    pub(super) fn not_answered_yet(&mut self, asks: Asks) {
        self.asks.push_front(asks);
        self.answered = self.answered.saturating_sub(1);
    }

    /// True where a request waits for its response.
    pub(super) fn waiting(&self) -> bool {
        !self.asks.is_empty()
    }

    /// True where a request waits of which the origin had not received a byte when it sent what comes now.
    pub(super) fn waits_unseen(&self, line: &Timeline) -> bool {
        let number = self.waiting().then_some(self.answered.saturating_add(1));
        let waiting = number.and_then(|number| line.exchanges.iter().find(|exchange| exchange.number == number));
        waiting.is_some_and(|exchange| unseen(line, exchange.request.start))
    }

    /// The number of the exchange that was answered last.
    pub(super) fn last_answered(&self) -> Option<u32> {
        (self.answered > 0).then_some(self.answered)
    }

    /// Responses were missed: only the newest request can still be answered by what comes.
    pub(super) fn skip_to_newest(&mut self, line: &mut Timeline) {
        while self.asks.len() > 1 {
            self.asks.pop_front();
            self.answered = self.answered.saturating_add(1);
            let answered = self.answered;
            if let Some(exchange) = exchange(line, answered) {
                exchange.visibility = Visibility::Obscured;
            }
        }
    }
}

/// The exchange with this number: they stand in order, and only the oldest were folded.
pub(super) fn exchange(line: &mut Timeline, number: u32) -> Option<&mut Exchange> {
    let first = line.exchanges.first()?.number;
    let index = number.checked_sub(first)?;
    line.exchanges.get_mut(index as usize)
}

/// Counts the older half of many clean exchanges, and keeps them no longer.
fn fold(line: &mut Timeline) {
    if line.exchanges.len() < KEPT {
        return;
    }
    let clean = line.exchanges.iter().take(KEPT / 2).take_while(|exchange| exchange.clean()).count();
    line.folded = line.folded.saturating_add(clean as u64);
    line.exchanges.drain(..clean);
}

/// Nothing can be concluded from what is absent in exchanges that were under way.
pub(super) fn obscure_open(line: &mut Timeline) {
    for exchange in line.exchanges.iter_mut().rev().take_while(|exchange| !exchange.complete()) {
        exchange.visibility = Visibility::Obscured;
    }
}

/// True where the origin had not received the edge's byte at `start` when it sent what comes now: every segment
/// acknowledges what its sender has received (RFC 9293 section 3.4).
pub(super) fn unseen(line: &Timeline, start: Mark) -> bool {
    start.offset > 0 && line.direction.edge.acked <= start.offset
}

/// A mark `len` bytes after `start`.
pub(super) fn after(start: Mark, len: u64) -> Mark {
    Mark { packet: start.packet, offset: start.offset.saturating_add(len) }
}
