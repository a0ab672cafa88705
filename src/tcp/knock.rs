//! A connection that is only being opened, kept as small as a flood of SYNs demands.
//!
//! Whatever comes after the SYN and a plain SYN-ACK makes it a [`Connection`], which is told both from the start:
//! nothing is concluded here that is not concluded there.

use super::application::Application;
use super::connection::Connection;
use super::flow::{destination, source};
use super::kept::Header;
use super::spare::{Beginning, Spare};
use crate::timeline::{Endpoint, HalfOpen, PacketRef, Peer};
use crate::wire::Segment;

/// A SYN, and the SYN-ACK that answers it.
#[derive(Clone, Copy, Debug)]
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
    pub(super) fn take_answer(&mut self, source: Endpoint, packet: PacketRef, segment: &Segment<'_>) -> bool {
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
