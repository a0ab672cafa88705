//! Looks at connections while they are open, for who cannot wait for their end.
//!
//! A connection is looked at shortly after something that may decide a verdict (a close, a reset, an alert), when a
//! handshake was left unanswered for as long as the edge waits, and when both sides have been silent for long. A look
//! is a copy of the record as it would be if the capture ended now.

use std::collections::VecDeque;

use super::application::{Application, Records};
use super::connection::Connection;
use super::stage::Stage;
use super::table::{HALF_OPEN_LIMIT, Queued, Slot, Table};
use crate::timeline::{Peer, Start, Time, Timeline};

/// When to look at connections that are open, and how many of them to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How long the edge waits for an answer to its SYN, in nanoseconds.
    pub connect_ns: i64,
    /// Connections that are kept at one time.
    pub limit: usize,
}

/// Connections in the order in which they have to be looked at. One that has ended meanwhile is passed over.
#[derive(Debug)]
pub(super) struct Looks {
    watch: Watch,
    /// Something happened on them.
    alarmed: VecDeque<Queued>,
    /// Their first SYN came.
    connecting: VecDeque<Queued>,
    /// Those that carried more than SYNs, by the time when they were last known to be alive.
    alive: VecDeque<Queued>,
}

/// What is remembered of a connection between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// What had happened when it was looked at.
    alarms: u16,
    /// True while a look is due.
    due: bool,
    /// True once it stands among those that are alive.
    listed: bool,
    /// True once a look at its silence was taken.
    silent: bool,
}

impl Looks {
    pub(super) fn new(watch: Watch) -> Self {
        Self { watch, alarmed: VecDeque::new(), connecting: VecDeque::new(), alive: VecDeque::new() }
    }
}

impl<A: Application + Clone> Table<A> {
    /// Time has come to `now`: hands on a look at every connection that one is due of, and ends those of which
    /// nothing more is to be expected. Does nothing where the table does not watch.
    pub fn look(&mut self, now: Time, app: impl Fn() -> A, records: &mut impl Records) {
        if self.looks.is_none() {
            return;
        }
        self.look_at_alarmed(now, records);
        self.look_at_connecting(now, &app, records);
        self.look_at_silent(now, &app, records);
        self.retire(now, &app, records);
        self.bound(&app, records);
    }

    fn look_at_alarmed(&mut self, now: Time, records: &mut impl Records) {
        while let Some(queued) = self.due(now, SETTLE_NS, |looks| &mut looks.alarmed) {
            let Some(Slot { seen, stage: Stage::Open(connection), .. }) = self.held_by_mut(queued) else { continue };
            seen.due = false;
            seen.alarms = alarms(&connection.line);
            records.looked(so_far(connection));
        }
    }

    fn look_at_connecting(&mut self, now: Time, app: &impl Fn() -> A, records: &mut impl Records) {
        let Some(wait) = self.looks.as_ref().map(|looks| looks.watch.connect_ns) else { return };
        while let Some(queued) = self.due(now, wait, |looks| &mut looks.connecting) {
            if self.held_by(queued).is_none() {
                continue;
            }
            let Some(Some(entry)) = self.slots.get_mut(queued.slot as usize) else { continue };
            if let Some(connection) = self.stages.open_in_place(&mut entry.stage, app)
                && connection.half_open()
            {
                records.looked(at_its_end(connection));
            }
            self.notice(queued.slot, queued.since);
        }
    }

    fn look_at_silent(&mut self, now: Time, app: &impl Fn() -> A, records: &mut impl Records) {
        while let Some(queued) = self.due(now, SILENCE_NS, |looks| &mut looks.alive) {
            let Some(Slot { seen, stage: Stage::Open(connection), .. }) = self.held_by_mut(queued) else { continue };
            let last = connection.line.last.time;
            let silent = now.nanos_since(last);
            if silent >= FORGET_NS {
                self.remove(queued.slot, app, records);
                continue;
            }
            let was_silent = std::mem::replace(&mut seen.silent, silent >= SILENCE_NS);
            if silent >= SILENCE_NS && !was_silent {
                records.looked(at_its_end(connection));
            }
            self.again(Queued { since: if silent < SILENCE_NS { last } else { now }, ..queued });
        }
    }

    /// Gives up the connections that were silent longest, where there are too many.
    fn bound(&mut self, app: &impl Fn() -> A, records: &mut impl Records) {
        let Some(limit) = self.looks.as_ref().map(|looks| looks.watch.limit as u64) else { return };
        self.forget_ended();
        while self.open_connections() > limit {
            let Some(queued) = self.looks.as_mut().and_then(|looks| looks.alive.pop_front()) else { return };
            let Some(Slot { stage: Stage::Open(connection), .. }) = self.held_by_mut(queued) else { continue };
            let last = connection.line.last.time;
            if last > queued.since {
                self.again(Queued { since: last, ..queued });
                continue;
            }
            connection.line.given_up = true;
            self.remove(queued.slot, app, records);
        }
    }

    /// Drops the entries of connections that have ended, where they have become the greater part.
    fn forget_ended(&mut self) {
        let most = self.slots.len().saturating_mul(4).saturating_add(HALF_OPEN_LIMIT);
        if let Some(mut looks) = self.looks.take() {
            if looks.alive.len() > most {
                looks.alive.retain(|queued| self.held_by(*queued).is_some());
            }
            self.looks = Some(looks);
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
    /// Notes a connection that has begun.
    pub(super) fn opened(&mut self, queued: Queued, by_syn: bool) {
        if let Some(looks) = self.looks.as_mut().filter(|_| by_syn) {
            looks.connecting.push_back(queued);
            // No more than these are kept in this state.
            if looks.connecting.len() > HALF_OPEN_LIMIT {
                looks.connecting.pop_front();
            }
        }
        self.notice(queued.slot, queued.since);
    }

    /// Notes what a segment has brought to the connection in `slot`.
    pub(super) fn notice(&mut self, slot: u32, now: Time) {
        let Some(looks) = &mut self.looks else { return };
        let Some(Some(Slot { index, seen, stage: Stage::Open(connection), .. })) = self.slots.get_mut(slot as usize)
        else {
            return;
        };
        let queued = Queued { slot, index: *index, since: now };
        if !std::mem::replace(&mut seen.listed, true) {
            looks.alive.push_back(queued);
        }
        if !seen.due && alarms(&connection.line) > seen.alarms {
            seen.due = true;
            looks.alarmed.push_back(queued);
        }
    }
}

/// How often something happened that may decide a verdict.
fn alarms(line: &Timeline) -> u16 {
    let tls = line.tls.as_ref().map_or([0, 0], |tls| [tls.alerts.len(), usize::from(tls.not_tls.is_some())]);
    let h2 = line.h2.as_ref().map_or([0; 3], |h2| [h2.resets.len(), h2.goaways.len(), h2.deviations.len()]);
    let of = |peer: Peer| [line.direction[peer].fins.len(), line.direction[peer].rsts.len()];
    let other = [line.unreachable.len(), line.unsolicited.len()];
    let [edge, origin] = [of(Peer::Edge), of(Peer::Origin)];
    let all: usize = edge.iter().chain(&origin).chain(&tls).chain(&h2).chain(&other).sum();
    u16::try_from(all).unwrap_or(u16::MAX)
}

/// The record as if nothing more came.
fn at_its_end<A: Application + Clone>(connection: &Connection<A>) -> Timeline {
    let mut connection = Box::new(connection.clone());
    connection.finish();
    connection.line
}

/// The record as if the capture ended now. On a connection that nobody has closed, what waits for an acknowledgment
/// may still get it: that is judged once it is silent.
fn so_far<A: Application + Clone>(connection: &Connection<A>) -> Timeline {
    let mut line = at_its_end(connection);
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
const FORGET_NS: i64 = 7_200_000_000_000;
