//! A connection that does what most do: a handshake, a request, its answer, and a close by both sides.
//!
//! It is followed by a few numbers, and its segments are kept as they came. Whatever is out of the ordinary makes it a
//! [`Connection`], which is told all of them from its SYN on: nothing is concluded here that is not concluded there, and
//! what is told of one that stays ordinary to its end is what its record would tell.

use std::borrow::Cow;

use super::application::{Answered, Application, Asked};
use super::connection::Connection;
use super::flow::between;
use super::knock::{Header, Knock};
use super::log::Log;
use super::spare::Spare;
use super::vantage::vantage;
use crate::timeline::{
    ByPeer, Endpoint, Exchange, Fin, Mark, PacketRef, Peer, Request, Response, Start, Timeline, Visibility,
};
use crate::wire::{Segment, SeqNumber};

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// A connection on which nothing was out of the ordinary so far.
///
/// The fields stand in this order so that those that every segment needs share two lines of the processor's caches: of
/// thousands of connections, those of nearly every segment's are cold.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Brief {
    log: Log,
    side: ByPeer<Side>,
    talk: Talk,
    edge: Endpoint,
    /// How many came behind the SYN-ACK; the first is the edge's.
    segments: u8,
    events: Events,
    knock: Knock,
}

/// What is known of one peer.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// The number of its stream's first byte.
    first: SeqNumber,
    /// The number that its next segment has.
    next: SeqNumber,
    /// The number that the other peer acknowledged last.
    acked: SeqNumber,
    packets: u8,
    closed: bool,
}

/// How far the exchange has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Talk {
    Nothing,
    Asked,
    /// So many bytes of the answer are still to come.
    Answering(u32),
    Answered,
}

/// What is told of the connection at its end.
#[derive(Clone, Copy, Debug, Default)]
struct Events {
    established: PacketRef,
    last: PacketRef,
    asked: PacketRef,
    answered: PacketRef,
    /// The answer was whole.
    whole: PacketRef,
    fins: ByPeer<Option<Fin>>,
    question: Asked,
    /// Where the request stands among what is kept.
    question_at: usize,
    question_len: u64,
    answer: Answered,
}

impl Brief {
    /// Bytes that one takes at most: it is not looked at only to be counted.
    pub(super) const MEMORY: u64 = size_of::<Self>() as u64 + 2 * BYTES as u64 + SEGMENTS as u64 * Log::SEGMENT as u64;

    /// A connection of which the handshake was seen, but for its last segment.
    fn of(knock: &Knock, syn_ack: &Header, mut log: Log) -> Self {
        let (syn, answer) = (knock.syn.seq, syn_ack.seq);
        log.clear();
        let edge = Side { first: syn + 1, next: syn + 1, acked: syn + 1, packets: 1, closed: false };
        let origin = Side { first: answer + 1, next: answer + 1, acked: answer, packets: 1, closed: false };
        let side = ByPeer { edge, origin };
        let events = Events { last: syn_ack.packet, ..Events::default() };
        Self { log, side, talk: Talk::Nothing, edge: knock.edge, segments: 0, events, knock: *knock }
    }

    /// Takes the next segment and returns true, where the connection stays ordinary with it. Where it does not, nothing
    /// of it is kept, and all that comes is to be told to its [`Brief::connection`].
    #[inline]
    pub(super) fn take<A: Application>(&mut self, source: Endpoint, packet: PacketRef, segment: &Segment<'_>) -> bool {
        let from = if source == self.edge { Peer::Edge } else { Peer::Origin };
        if !self.is_next(from, segment) {
            return false;
        }
        let talk = match segment.payload_len {
            0 => Some(self.talk),
            _ => self.talks::<A>(from, packet, segment),
        };
        let Some(talk) = talk.filter(|talk| !segment.flags.fin() || *talk == Talk::Answered) else { return false };
        let place = self.log.push(from, packet, segment);
        if self.talk == Talk::Nothing && talk == Talk::Asked {
            self.events.question_at = place;
        }
        if self.segments == 0 {
            self.events.established = packet;
        }
        (self.talk, self.segments, self.events.last) = (talk, self.segments.saturating_add(1), packet);
        self.goes_on(from, packet, segment);
        true
    }

    /// True where the segment is the next one of its side, and acknowledges or brings something, so that it is no copy of
    /// an earlier one.
    #[inline]
    fn is_next(&self, from: Peer, segment: &Segment<'_>) -> bool {
        let (own, other) = (&self.side[from], &self.side[from.other()]);
        let plain = segment.flags.0 & !(PSH | FIN) == ACK && segment.window != 0;
        let whole = segment.payload.len() as u64 == u64::from(segment.payload_len);
        let acknowledged = segment.ack.since(other.acked);
        let brings = segment.payload_len > 0 || segment.flags.fin();
        plain
            && whole
            && segment.seq == own.next
            && (0..=other.next.since(other.acked)).contains(&acknowledged)
            && (brings && !own.closed || !brings && acknowledged > 0)
            && (self.segments > 0 || from == Peer::Edge && segment.ack == other.next)
            && self.segments < SEGMENTS
    }

    /// Notes the numbers of a segment that is the next one.
    #[inline]
    fn goes_on(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let other = &mut self.side[from.other()];
        other.acked = segment.ack;
        let acked = segment.ack.since(other.first).max(0) as u64;
        let own = &mut self.side[from];
        own.packets = own.packets.saturating_add(1);
        own.next = segment.seq + segment.sequence_len();
        if segment.flags.fin() {
            own.closed = true;
            let offset = (segment.seq + segment.payload_len).since(own.first).max(0) as u64;
            self.events.fins[from] = Some(Fin { packet, offset, acked, unseen: false });
        }
    }

    /// How far the exchange has come with the payload of a segment; none where that is out of the ordinary.
    fn talks<A: Application>(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) -> Option<Talk> {
        let (bytes, events) = (segment.payload, &mut self.events);
        let left = match (from, self.talk) {
            (Peer::Edge, Talk::Nothing) if bytes.len() <= BYTES as usize => {
                events.question = A::glance_at_request(bytes)?;
                (events.asked, events.question_len) = (packet, bytes.len() as u64);
                return Some(Talk::Asked);
            }
            (Peer::Origin, Talk::Asked) if segment.ack == self.side.edge.next => {
                events.answer = A::glance_at_response(&events.question, bytes)?;
                events.answered = packet;
                u32::try_from(events.answer.len).ok().filter(|len| *len <= BYTES)?
            }
            (Peer::Origin, Talk::Answering(left)) => left,
            _ => return None,
        };
        Some(match left.checked_sub(segment.payload_len)? {
            0 => {
                events.whole = packet;
                Talk::Answered
            }
            left => Talk::Answering(left),
        })
    }

    /// True once nothing but stragglers can come.
    #[inline]
    pub(super) fn closed(&self) -> bool {
        self.side.edge.closed && self.side.origin.closed
    }

    /// The last packet seen.
    pub(super) fn last(&self) -> PacketRef {
        self.events.last
    }

    /// The connection that it is, told from its SYN on.
    pub(super) fn connection<A: Application>(&self, spare: &mut Spare<A>, app: A) -> Box<Connection<A>> {
        let mut connection = self.knock.connection(spare, app);
        let (edge, origin) = (self.knock.edge, self.knock.origin);
        let header = |from| if from == Peer::Edge { between(edge, origin) } else { between(origin, edge) };
        for kept in self.log.segments(header) {
            connection.segment(kept.from, kept.packet, &kept.segment);
        }
        connection
    }

    /// Writes into `line` what the statistics of a capture ask of a connection on which nothing was out of the ordinary;
    /// false where that is not known: it carried no whole exchange.
    fn tell(&self, line: &mut Timeline) -> bool {
        let (Talk::Answered, Some(syn_ack)) = (self.talk, &self.knock.answer) else { return false };
        let (syn, events) = (&self.knock.syn, &self.events);
        (line.index, line.first, line.last) = (self.knock.index, syn.packet, events.last);
        line.endpoint = ByPeer { edge: self.knock.edge, origin: self.knock.origin };
        line.start = Start::Handshake;
        set(&mut line.connect.syns, Some(syn.packet));
        set(&mut line.connect.syn_acks, Some(syn_ack.packet));
        line.connect.ack = Some(events.established);
        line.vantage = vantage(ByPeer { edge: Some(syn.ttl), origin: Some(syn_ack.ttl) }, line);
        let told = [(Peer::Edge, events.asked, syn.ttl), (Peer::Origin, events.answered, syn_ack.ttl)];
        for (from, first_data, ttl) in told {
            let direction = &mut line.direction[from];
            direction.first_data = Some(first_data);
            direction.ttl = Some(ttl);
            direction.packets = self.side[from].packets.into();
            set(&mut direction.fins, events.fins[from]);
        }
        self.tell_exchange(line);
        true
    }

    /// The exchange, but for texts that only a report on it shows.
    fn tell_exchange(&self, line: &mut Timeline) {
        let Events { asked, answered, whole, question, question_at, question_len, answer, .. } = self.events;
        line.protocol = Some("http/1.1");
        if line.exchanges.is_empty() {
            line.exchanges.push(empty_exchange());
        }
        let Some(Exchange { request, response: Some(response), .. }) = line.exchanges.first_mut() else { return };
        let asked_until = Some(Mark { packet: asked, offset: question_len });
        request.start = Mark { packet: asked, offset: 0 };
        (request.head_end, request.end, request.close) = (asked_until, asked_until, question.close);
        let place = question_at.saturating_add(question.target_at);
        let target = std::str::from_utf8(self.log.bytes(place, question.target_len));
        request.method = Cow::Borrowed(question.method);
        request.target.clear();
        request.target.push_str(target.unwrap_or_default());
        let end = Mark { packet: whole, offset: answer.len };
        response.start = Mark { packet: answered, offset: 0 };
        (response.end, response.latest, response.status) = (Some(end), end, Some(answer.status));
        response.body_bytes = answer.len.saturating_sub(answer.head_len);
        response.head_bytes = answer.head_len;
        (response.largest_field, response.fields, response.close) = (answer.largest_field, answer.fields, answer.close);
    }
}

fn empty_exchange() -> Exchange {
    let response = Response { minor_version: Some(1), ..Response::begun(Mark::default()) };
    Exchange {
        number: 1,
        stream: None,
        request: Request::begun(Mark::default()),
        interim: Vec::new(),
        response: Some(response),
        visibility: Visibility::Clear,
    }
}

/// Leaves this and nothing else in a list, in the memory that it has.
fn set<T>(list: &mut Vec<T>, value: Option<T>) {
    list.clear();
    list.extend(value);
}

/// The memory of those that have ended, for those that begin.
#[derive(Default)]
pub(super) struct Briefs {
    spare: Vec<Log>,
    /// What is told of each, one after the other.
    line: Option<Box<Timeline>>,
}

impl Briefs {
    /// What is known of the connection when its handshake is nearly done; none where nobody has answered its SYN.
    pub(super) fn begin(&mut self, knock: &Knock) -> Option<Box<Brief>> {
        let syn_ack = knock.answer.as_ref()?;
        Some(Box::new(Brief::of(knock, syn_ack, self.spare.pop().unwrap_or_default())))
    }

    /// The record of a connection that has ended, as far as the statistics ask; none where it has to be told.
    pub(super) fn tell(&mut self, brief: &Brief) -> Option<&Timeline> {
        let Knock { index, edge, origin, ref syn, .. } = brief.knock;
        let line = self.line.get_or_insert_with(|| Box::new(Timeline::new(index, edge, origin, syn.packet)));
        brief.tell(line).then_some(line)
    }

    /// Keeps the memory of a connection that has ended.
    pub(super) fn add(&mut self, brief: Box<Brief>) {
        if self.spare.len() < SPARE {
            self.spare.push(brief.log);
        }
    }
}

/// Segments behind the SYN-ACK that are kept; what has more is no short connection.
const SEGMENTS: u8 = 16;

/// Bytes of a request, and of a response, that are waited for.
const BYTES: u32 = 2048;

/// As one ends, another begins: a few are enough.
const SPARE: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::testing::{Conversation, Dice, Statistics};
    use crate::timeline::Peer::{Edge, Origin};
    use crate::timeline::Timeline;

    /// What statistics ask of a record, but for its exchange, of which TCP knows nothing.
    fn asked(line: &Timeline) -> String {
        let of = |peer| {
            let direction = &line.direction[peer];
            (direction.packets, direction.first_data, &direction.fins, &direction.rsts, direction.ttl, direction.lost)
        };
        let whole = (line.index, line.endpoint, line.first, line.last, line.start, &line.connect, line.vantage);
        format!("{whole:?} {:?} {:?} {:?} {:?}", of(Edge), of(Origin), line.end(), line.has_holes())
    }

    /// A short connection on which hardly anything is out of the ordinary.
    fn talk(dice: &mut Dice) -> Conversation {
        let mut talk = Conversation::new().handshake().says(Edge, b"what?");
        for (nth, chance) in [3, 1, 1, 3, 1, 2, 3, 2].into_iter().enumerate() {
            if dice.below(chance) > 0 {
                continue;
            }
            talk = match nth {
                0 => talk.ack(Origin),
                1 => talk.says(Origin, b"6that"),
                2 => talk.says(Origin, b"!"),
                3 => talk.ack(Edge),
                4 => talk.fin(if dice.below(2) == 0 { Edge } else { Origin }),
                5 => talk.ack(if dice.below(2) == 0 { Edge } else { Origin }),
                6 => talk.fin(if dice.below(2) == 0 { Edge } else { Origin }),
                _ => talk.ack(if dice.below(2) == 0 { Edge } else { Origin }),
            };
            talk = match dice.below(60) {
                0 => talk.unseen(),
                1 => talk.again().but(|copy| copy.after_ms = 0),
                2 => talk.swapped(),
                3 => talk.but(|segment| segment.window = 0),
                4 => talk.but(|segment| segment.ttl = 40),
                5 => talk.but(|segment| segment.ack = segment.ack.wrapping_add(1)),
                6 => talk.but(|segment| segment.seq = segment.seq.wrapping_sub(1)),
                7 => talk.rst(Origin),
                8 => talk.says(Edge, b"again?"),
                9 => talk.but(|segment| segment.flags |= 0x20),
                _ => talk,
            };
        }
        talk
    }

    #[test]
    fn statistics_are_the_same_with_and_without_records() {
        let mut ordinary = 0;
        for seed in 1..6_000 {
            let talk = talk(&mut Dice::of(seed));
            let (lines, heard) = talk.clone().hear();
            let mut statistics = Statistics::default();
            let heard_here = talk.hear_into(&mut statistics);
            let told: Vec<String> = statistics.told.iter().map(asked).collect();
            assert_eq!(told, lines.iter().map(asked).collect::<Vec<_>>(), "seed {seed}");
            if statistics.records == lines.len() {
                assert_eq!(heard_here, heard, "seed {seed}: its record is told all");
            } else {
                ordinary += 1;
            }
        }
        assert!((1_000..5_000).contains(&ordinary), "{ordinary} connections had no record");
    }

    #[test]
    fn a_connection_that_is_ordinary_to_its_end_is_told_to_nobody() {
        let talk =
            Conversation::new().handshake().says(Edge, b"what?").says(Origin, b"6that").ack(Edge).says(Origin, b"!");
        let mut statistics = Statistics::default();
        let heard = talk.clone().fin(Origin).fin(Edge).ack(Origin).hear_into(&mut statistics);
        assert_eq!((statistics.told.len(), statistics.records, heard.as_str()), (1, 0, ""));
        let exchange = &statistics.told[0].exchanges[0];
        assert!(exchange.clean() && exchange.response.as_ref().unwrap().end.unwrap().offset == 6);
        let heard = talk.rst(Edge).hear_into(&mut statistics);
        assert_eq!((statistics.told.len(), statistics.records, heard.as_str()), (2, 1, "E(what?) O(6that) O(!)"));
    }
}
