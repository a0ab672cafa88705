//! The beginning of a connection: what comes before the SYN that it counts from, and whose it is.

use super::super::application::Application;
use super::super::early::Early;
use super::super::flow::source;
use super::super::stream::NEAR;
use super::Connection;
use crate::timeline::{Connect, PacketRef, Peer};
use crate::wire::Segment;

/// How long after the first segment of a connection its own SYN may be captured: as late as a copy.
const LATE_NS: i64 = 1_000_000_000;

/// Whether both SYNs have named the numbers that their streams count from.
#[derive(Clone, Debug, Default)]
pub(super) enum Opening {
    /// Nothing but SYNs was told.
    #[default]
    Begun,
    /// Segments have come, and a SYN may have been overtaken.
    Waiting(Early),
    /// They have, or it is not to be expected any more.
    Done,
    /// This connection was closed, and what came then counts from another SYN.
    Next(Early),
}

impl Opening {
    /// Bytes that wait.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Waiting(early) | Self::Next(early) => early.bytes(),
            Self::Begun | Self::Done => 0,
        }
    }
}

impl<A: Application> Connection<A> {
    #[inline]
    pub(in crate::tcp) fn segment(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        if self.take_predicted(from, packet, segment) {
            return;
        }
        if matches!(self.opening, Opening::Done) && !self.is_of_the_next(from, segment) {
            self.take(from, packet, segment);
        } else {
            self.take_or_keep(from, packet, segment);
        }
        self.settled = self.is_settled();
    }

    /// True where the connection was closed and the segment counts from another number.
    #[inline]
    pub(super) fn is_of_the_next(&mut self, from: Peer, segment: &Segment<'_>) -> bool {
        if !self.reset() && !self.finished() || segment.flags.syn() || segment.flags.rst() {
            return false;
        }
        let high = self.stream[from].high() as i64;
        !(-1..=high.saturating_add(1)).contains(&self.stream[from].offset_of(segment.seq))
    }

    /// Takes a segment of a connection that may still get its SYN, or keeps it until then.
    #[cold]
    fn take_or_keep(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        self.line.last = packet;
        if segment.flags.syn() {
            self.open(from, packet, segment);
            return;
        }
        let complete = self.has_both_syns();
        let kept = match &mut self.opening {
            _ if segment.flags.rst() => false,
            Opening::Begun if complete => false,
            Opening::Waiting(early) | Opening::Next(early) => early.push(packet, segment, self.roles_open),
            Opening::Begun => {
                self.opening = Opening::Waiting(Early::new(packet, segment));
                true
            }
            Opening::Done => {
                self.opening = Opening::Next(Early::new(packet, segment));
                true
            }
        };
        if !kept {
            self.tell_roles(segment);
            self.release();
            self.take(self.sender(segment), packet, segment);
        }
    }

    /// Takes a SYN or SYN-ACK; the first one tells who is the client.
    fn open(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let asks = !segment.flags.ack();
        if self.roles_open && asks == (from == Peer::Origin) && self.line.connect == Connect::default() {
            self.swap_roles();
        }
        self.roles_open = false;
        self.take(self.sender(segment), packet, segment);
        if self.has_both_syns() {
            self.release();
        }
    }

    fn has_both_syns(&self) -> bool {
        !self.line.connect.syns.is_empty() && !self.line.connect.syn_acks.is_empty()
    }

    /// Tells who is the client by the first payload, before a FIN that waits is taken: what it ends cannot be told again.
    fn tell_roles(&mut self, segment: &Segment<'_>) {
        let first = match &self.opening {
            Opening::Waiting(early) if self.roles_open && early.has_fin() => early.first_payload().unwrap_or(*segment),
            _ => return,
        };
        let claimed = A::likely_sender(first.payload);
        let wrong = claimed.is_some_and(|sender| sender != self.sender(&first));
        self.roles_open = first.payload.is_empty();
        if wrong {
            self.swap_roles();
        }
    }

    /// Takes all that waits, in the order of the capture.
    pub(super) fn release(&mut self) {
        let opening = std::mem::replace(&mut self.opening, Opening::Done);
        if let Opening::Waiting(early) | Opening::Next(early) = opening {
            for kept in early.into_segments() {
                let segment = kept.segment();
                self.take(self.sender(&segment), kept.packet, &segment);
            }
        }
    }

    pub(super) fn sender(&self, segment: &Segment<'_>) -> Peer {
        self.peer_at(source(segment))
    }

    /// True for the SYN of a side whose first segments were captured before it, long before: the number from which they
    /// count on, sent no later than they were.
    pub(super) fn is_own_syn(&self, from: Peer, packet: PacketRef, syn: &Segment<'_>) -> bool {
        let known = match from {
            Peer::Edge => !self.line.connect.syns.is_empty(),
            Peer::Origin => !self.line.connect.syn_acks.is_empty(),
        };
        let before = self.stream[from].begun_late_by(syn.seq).is_some_and(|by| (0..=NEAR).contains(&by));
        let soon = packet.time.nanos_since(self.line.first.time) < LATE_NS;
        let later = self.line.direction[from].packets > 0 && self.habits[from].is_later(syn);
        !known && before && soon && !later
    }

    /// The stream of `from` counts from its SYN, and no longer from the number up to which the SYN-ACK acknowledged it:
    /// the SYN has brought bytes (RFC 7413), which the capture holds only now.
    pub(super) fn count_from(&mut self, from: Peer, syn: &Segment<'_>) {
        self.stream[from].begin_anew_at(syn.seq + 1);
        if let Some(last) = self.line.direction[from.other()].last {
            self.note_acknowledged(from, last);
        }
    }

    /// The capture missed what `from` sent between its SYN and the first segment that is known; false where that is nothing.
    pub(super) fn missed_before_first(&mut self, from: Peer, syn: &Segment<'_>) -> bool {
        let missed = self.stream[from].begun_late_by(syn.seq).and_then(|by| u64::try_from(by).ok()).unwrap_or(0);
        let direction = &mut self.line.direction[from];
        direction.missed_by_capture = direction.missed_by_capture.saturating_add(missed);
        missed > 0
    }

    /// What came of another connection on the same ports, where this SYN or SYN-ACK begins it.
    pub(in crate::tcp) fn hand_over(&mut self, syn: &Segment<'_>) -> Option<Early> {
        match std::mem::replace(&mut self.opening, Opening::Done) {
            Opening::Next(early) if early.belongs_to(syn) => Some(early),
            opening => {
                self.opening = opening;
                None
            }
        }
    }
}
