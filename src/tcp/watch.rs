//! Looks at connections while they are open, for who cannot wait for their end.
//!
//! A connection is looked at shortly after something that may decide a verdict (a close, a reset, an alert), when a
//! handshake was left unanswered for as long as the edge waits, and when both sides have been silent for long. A look
//! is a copy of the record as it would be if the capture ended now.

use std::collections::VecDeque;

use super::application::Application;
use super::connection::Connection;
use super::table::{Queued, Table};
use crate::timeline::{Peer, Start, Time, Timeline};

/// When to look at connections that are open, and how many of them to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How long the edge waits for an answer to its SYN, in nanoseconds.
    pub connect_ns: i64,
    /// Connections that are kept at one time.
    pub limit: usize,
}

/// Connections in the order in which they have to be looked at.
#[derive(Debug)]
pub(super) struct Looks {
    watch: Watch,
    /// Something happened on them.
    alarmed: VecDeque<Queued>,
    /// Their first SYN came.
    connecting: VecDeque<Queued>,
    /// All, by the time when they were last known to be alive.
    alive: VecDeque<Queued>,
}

/// What is remembered of a connection between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// What had happened when it was looked at.
    alarms: usize,
    /// True while a look is due.
    due: bool,
    /// True once a look at its silence was taken.
    silent: bool,
}

impl Looks {
    pub(super) fn new(watch: Watch) -> Self {
        Self { watch, alarmed: VecDeque::new(), connecting: VecDeque::new(), alive: VecDeque::new() }
    }

    pub(super) fn opened(&mut self, queued: Queued, by_syn: bool) {
        self.alive.push_back(queued);
        if by_syn {
            self.connecting.push_back(queued);
        }
    }
}

impl<A: Application + Clone> Table<A> {
    /// Time has come to `now`: hands on a look at every connection that one is due of, and ends those of which
    /// nothing more is to be expected. Does nothing where the table does not watch.
    pub fn look(&mut self, now: Time, looked: &mut impl FnMut(Timeline), ended: &mut impl FnMut(Timeline)) {
        if self.looks.is_none() {
            return;
        }
        self.look_at_alarmed(now, looked);
        self.look_at_connecting(now, looked);
        self.look_at_silent(now, looked, ended);
        self.retire(now, ended);
        self.bound(ended);
    }

    fn look_at_alarmed(&mut self, now: Time, looked: &mut impl FnMut(Timeline)) {
        while let Some(queued) = self.due(now, SETTLE_NS, |looks| &mut looks.alarmed) {
            let Some(entry) = self.held_by_mut(queued) else { continue };
            entry.seen.due = false;
            entry.seen.alarms = alarms(&entry.connection.line);
            looked(so_far(&entry.connection));
        }
    }

    fn look_at_connecting(&mut self, now: Time, looked: &mut impl FnMut(Timeline)) {
        let Some(wait) = self.looks.as_ref().map(|looks| looks.watch.connect_ns) else { return };
        while let Some(queued) = self.due(now, wait, |looks| &mut looks.connecting) {
            if let Some(entry) = self.held_by_mut(queued).filter(|entry| entry.connection.half_open()) {
                looked(entry.connection.clone().finish());
            }
        }
    }

    fn look_at_silent(&mut self, now: Time, looked: &mut impl FnMut(Timeline), ended: &mut impl FnMut(Timeline)) {
        while let Some(queued) = self.due(now, SILENCE_NS, |looks| &mut looks.alive) {
            let Some(entry) = self.held_by_mut(queued) else { continue };
            let last = entry.connection.line.last.time;
            let silent = now.nanos_since(last);
            if silent >= FORGET_NS {
                self.remove(queued.slot, ended);
                continue;
            }
            let was_silent = std::mem::replace(&mut entry.seen.silent, silent >= SILENCE_NS);
            if silent >= SILENCE_NS && !was_silent {
                looked(entry.connection.clone().finish());
            }
            self.again(Queued { since: if silent < SILENCE_NS { last } else { now }, ..queued });
        }
    }

    /// Gives up the connections that were silent longest, where there are too many.
    fn bound(&mut self, ended: &mut impl FnMut(Timeline)) {
        let Some(limit) = self.looks.as_ref().map(|looks| looks.watch.limit) else { return };
        while self.open() > limit as u64 {
            let Some(queued) = self.looks.as_mut().and_then(|looks| looks.alive.pop_front()) else { return };
            let Some(entry) = self.held_by_mut(queued) else { continue };
            let last = entry.connection.line.last.time;
            if last > queued.since {
                self.again(Queued { since: last, ..queued });
                continue;
            }
            entry.connection.line.given_up = true;
            self.remove(queued.slot, ended);
        }
    }

    fn due(
        &mut self,
        now: Time,
        wait_ns: i64,
        queue: impl FnOnce(&mut Looks) -> &mut VecDeque<Queued>,
    ) -> Option<Queued> {
        let queue = queue(self.looks.as_mut()?);
        queue.front().filter(|queued| now.nanos_since(queued.since) >= wait_ns)?;
        queue.pop_front()
    }

    fn again(&mut self, queued: Queued) {
        if let Some(looks) = &mut self.looks {
            looks.alive.push_back(queued);
        }
    }
}

impl<A: Application> Table<A> {
    /// Notes what a segment has brought to the connection in `slot`.
    pub(super) fn notice(&mut self, slot: usize, now: Time) {
        let Some(looks) = &mut self.looks else { return };
        let Some(entry) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if !entry.seen.due && alarms(&entry.connection.line) > entry.seen.alarms {
            entry.seen.due = true;
            looks.alarmed.push_back(Queued { slot, index: entry.connection.line.index, since: now });
        }
    }
}

/// How often something happened that may decide a verdict.
fn alarms(line: &Timeline) -> usize {
    let of = |peer: Peer| line.direction[peer].fins.len() + line.direction[peer].rsts.len();
    let tls = line.tls.as_ref().map_or(0, |tls| tls.alerts.len() + usize::from(tls.not_tls.is_some()));
    let h2 = line.h2.as_ref().map_or(0, |h2| h2.resets.len() + h2.goaways.len() + h2.deviations.len());
    of(Peer::Edge) + of(Peer::Origin) + line.unreachable.len() + line.unsolicited.len() + tls + h2
}

/// The record as if the capture ended now. On a connection that nobody has closed, what waits for an acknowledgment
/// may still get it: that is judged once it is silent.
fn so_far<A: Application + Clone>(connection: &Connection<A>) -> Timeline {
    let mut line = connection.clone().finish();
    if line.closes().next().is_none() && line.start != Start::Refused {
        for peer in [Peer::Edge, Peer::Origin] {
            let direction = &mut line.direction[peer];
            direction.stuck = None;
            direction.reached = direction.reached.min(direction.sent);
        }
    }
    line
}

/// How long packets that crossed, or that another queue delivered first, may still change what was just seen.
const SETTLE_NS: i64 = 400_000_000;

/// Both sides have been silent for this long: a repetition that was still to come would have come.
const SILENCE_NS: i64 = 100_000_000_000;

/// Nothing more is expected of a connection that has been silent for this long: longer than any edge waits.
const FORGET_NS: i64 = 2 * 3_600_000_000_000;
