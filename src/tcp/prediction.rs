//! Header prediction: nearly every segment is the next one of its side, and says nothing else.
//!
//! As in the TCP of a host (V. Jacobson, "4BSD Header Prediction", ACM CCR 20(2), 1990), a few comparisons tell such a
//! segment, and it takes a short way. What it leaves behind is the same as on the long one, to the last field.

use super::application::Application;
use super::connection::Connection;
use crate::timeline::{Mark, PacketRef, Peer};
use crate::wire::Segment;

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

impl<A: Application> Connection<A> {
    /// Takes `segment` and returns true where it is the next one of its side: new bytes in order, all of them captured,
    /// or none, and an acknowledgment of bytes that were seen. A copy of an earlier segment is none.
    #[inline]
    pub(super) fn take_predicted(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) -> bool {
        let sender = from.other();
        let predicted = self.settled
            && segment.flags.0 & !PSH == ACK
            && segment.window != 0
            && segment.payload.len() as u64 == u64::from(segment.payload_len)
            && self.stream[from].next_number() == Some(segment.seq);
        if !predicted {
            return false;
        }
        let Some(acked) = self.stream[sender].acknowledged_by(segment.ack) else { return false };
        let habits = &mut self.habits[from];
        if !habits.see_next(segment, packet) {
            return false;
        }
        habits.learn(segment, packet);
        self.line.last = packet;
        let direction = &mut self.line.direction[from];
        direction.last = Some(packet);
        direction.packets = direction.packets.saturating_add(1);
        self.analysis.see_next(from, packet, segment);
        self.history.note_next(&mut self.line, from, segment);
        if self.stream[sender].acknowledge(acked as i64, packet) {
            self.note_acknowledged(sender, packet);
        }
        self.take_next(from, packet, segment);
        true
    }

    /// Takes the bytes of the next segment, if it has any.
    #[inline]
    fn take_next(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let bytes = segment.payload;
        let before = self.stream[from].advance(bytes.len());
        let line = &mut self.line;
        if !bytes.is_empty() {
            line.direction[from].recent.push(packet.number, self.stream[from.other()].acked());
            self.above.pass(line, from, bytes, Mark { packet, offset: before });
            let direction = &mut line.direction[from];
            direction.sent = self.stream[from].high();
            direction.first_data.get_or_insert(packet);
            self.note_new(from, packet, segment.payload_len, before);
        }
        let direction = &mut self.line.direction[from];
        direction.reached = direction.reached.max(self.stream[from].high());
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Conversation, Dice};
    use crate::timeline::Peer::{Edge, Origin};

    /// Two hosts that talk, and a network and a capture that lose, double and overtake.
    fn talk(dice: &mut Dice) -> Conversation {
        let mut talk = Conversation::new();
        if dice.below(4) > 0 {
            talk = talk.handshake();
        }
        for _ in 0..dice.below(40) {
            let from = if dice.below(2) == 0 { Edge } else { Origin };
            talk = match dice.below(40) {
                0 => talk.fin(from),
                1 => talk.rst(from),
                2..20 => talk.ack(from),
                20..24 => talk.says(from, b"x"),
                _ => talk.says(from, b"some bytes"),
            };
            talk = match dice.below(30) {
                0 => talk.unseen().ack(from),
                1 => talk.again().but(|copy| copy.after_ms = 0),
                2 => talk.again().but(|again| (again.id, again.after_ms) = (again.id.wrapping_add(1), 300)),
                3 => talk.ack(from.other()).swapped(),
                4 => talk.but(|segment| segment.window = 0),
                5 => talk.but(|segment| segment.ttl = 40),
                6 => talk.but(|probe| (probe.seq, probe.payload) = (probe.seq.wrapping_sub(1), b"")),
                7 => talk.but(|segment| segment.ack = segment.ack.wrapping_add(10)),
                8 => talk.but(|segment| segment.ack = segment.ack.wrapping_sub(10)),
                9 => talk.but(|segment| segment.seq = segment.seq.wrapping_sub(4)),
                _ => talk,
            };
        }
        talk
    }

    #[test]
    fn the_short_way_leaves_behind_what_the_long_one_does() {
        for seed in 1..4_000 {
            let talk = talk(&mut Dice::of(seed));
            let (short, heard) = talk.clone().hear();
            // A segment with ECE (RFC 3168) is not foretold, and nothing else looks at that bit.
            let (long, heard_long) = talk.each(|segment| segment.flags |= 0x40).hear();
            assert_eq!(heard, heard_long, "seed {seed}");
            assert!(format!("{short:?}") == format!("{long:?}"), "seed {seed}");
        }
    }
}
