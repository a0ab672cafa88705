//! A connection that is only being opened, kept as small as a flood of SYNs demands.
//!
//! Whatever comes after the SYN and a plain SYN-ACK makes it a [`Connection`], which is told both from the start:
//! nothing is concluded here that is not concluded there.

use std::collections::VecDeque;

use super::application::Application;
use super::connection::Connection;
use super::flow::{destination, source};
use super::kept::Header;
use super::spare::{Beginning, Spare};
use crate::timeline::{Endpoint, HalfOpen, PacketRef, Peer};
use crate::wire::Segment;

/// A SYN, and the SYN-ACK that answers it.
#[derive(Debug)]
pub(super) struct Knock {
    pub(super) index: u32,
    pub(super) edge: Endpoint,
    pub(super) origin: Endpoint,
    pub(super) syn: Header,
    pub(super) answer: Option<Header>,
}

impl Knock {
    /// The connection that `segment` opens; none where it is no plain SYN.
    pub(super) fn of(index: u32, packet: PacketRef, segment: &Segment<'_>) -> Option<Self> {
        let syn = plain(packet, segment).filter(|_| segment.flags.syn() && !segment.flags.ack())?;
        Some(Self { index, edge: source(segment), origin: destination(segment), syn, answer: None })
    }

    /// Takes the first SYN-ACK that acknowledges the SYN; false for any other segment.
    fn take_answer(&mut self, source: Endpoint, packet: PacketRef, segment: &Segment<'_>) -> bool {
        let answers = segment.flags.syn() && segment.flags.ack() && segment.ack == self.syn.seq + 1;
        let first = self.answer.is_none() && source == self.origin && source != self.edge;
        if !answers || !first {
            return false;
        }
        let Some(answer) = plain(packet, segment) else { return false };
        self.answer = Some(answer);
        true
    }

    /// What is left of it where it is given up.
    pub(super) fn half_open(&self) -> HalfOpen {
        HalfOpen { edge: self.edge, syn: self.syn.packet, packets: 1_u64.saturating_add(self.answer.is_some().into()) }
    }

    /// The connection that it is, told from its SYN on.
    pub(super) fn connection<A: Application>(&self, spare: &mut Spare<A>, app: A) -> Box<Connection<A>> {
        let Self { index, edge, origin, .. } = *self;
        let beginning = Beginning { index, edge, origin, first: self.syn.packet, roles_open: false };
        let mut connection = spare.begin(&beginning, app);
        connection.segment(Peer::Edge, self.syn.packet, &self.syn.segment(self.edge, self.origin, &[]));
        if let Some(answer) = &self.answer {
            connection.segment(Peer::Origin, answer.packet, &answer.segment(self.origin, self.edge, &[]));
        }
        connection
    }
}

/// The segment, where it says no more than a SYN or a SYN-ACK does.
fn plain(packet: PacketRef, segment: &Segment<'_>) -> Option<Header> {
    let plain = segment.payload_len == 0 && !segment.flags.rst() && !segment.flags.fin();
    Header::of(packet, segment).filter(|_| plain)
}

/// All that began with a SYN, oldest first. Those that are only being opened lie in the queue itself: a flood runs
/// through the same memory again and again.
#[derive(Default)]
pub(super) struct Knocks {
    /// Slot and number of each connection, and the knock until it is let in.
    queue: VecDeque<(u32, u32, Option<Knock>)>,
    /// How many were taken from the front.
    gone: u64,
}

impl Knocks {
    /// The number that the next one will have.
    pub(super) fn next(&self) -> u64 {
        self.gone.saturating_add(self.queue.len() as u64)
    }

    pub(super) fn push(&mut self, slot: u32, index: u32, knock: Option<Knock>) {
        self.queue.push_back((slot, index, knock));
    }

    /// Takes the oldest from the front, where there are more than `limit`.
    pub(super) fn pop_beyond(&mut self, limit: usize) -> Option<(u32, u32, Option<Knock>)> {
        let oldest = if self.queue.len() > limit { self.queue.pop_front() } else { None };
        self.gone = self.gone.saturating_add(oldest.is_some().into());
        oldest
    }

    /// Hands a SYN-ACK to the knock with this number; false where it does not take it.
    pub(super) fn take_answer(
        &mut self,
        number: u64,
        source: Endpoint,
        packet: PacketRef,
        segment: &Segment<'_>,
    ) -> bool {
        self.place(number)
            .is_some_and(|(_, _, knock)| knock.as_mut().is_some_and(|knock| knock.take_answer(source, packet, segment)))
    }

    /// The knock with this number, which is none any more, where its SYN was answered.
    pub(super) fn let_in_answered(&mut self, number: u64) -> Option<Knock> {
        self.place(number)?.2.take_if(|knock| knock.answer.is_some())
    }

    /// The knock with this number, which is none any more.
    pub(super) fn let_in(&mut self, number: u64) -> Option<Knock> {
        self.place(number)?.2.take()
    }

    fn place(&mut self, number: u64) -> Option<&mut (u32, u32, Option<Knock>)> {
        self.queue.get_mut(usize::try_from(number.checked_sub(self.gone)?).ok()?)
    }
}
