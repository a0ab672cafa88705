//! A connection that does what most do: a handshake, a request, its answer, and a close by both sides.
//!
//! It is followed by a few numbers, and its segments are kept as they came. Whatever is out of the ordinary makes it a
//! [`Connection`], which is told all of them from its SYN on: nothing is concluded here that is not concluded there, and
//! what is told of one that stays ordinary to its end is what its record would tell.

use super::application::{Answered, Application, Asked};
use super::connection::Connection;
use super::kept::Header;
use super::knock::Knock;
use super::spare::Spare;
use super::vantage::vantage;
use crate::timeline::{
    ByPeer, Endpoint, Exchange, Fin, Framing, Mark, PacketRef, Peer, Request, Response, Start, Timeline, Visibility,
};
use crate::wire::{Segment, SeqNumber};

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// A connection on which nothing was out of the ordinary so far.
#[derive(Debug)]
pub(super) struct Brief {
    knock: Knock,
    /// The edge's first segment behind its SYN.
    established: Option<PacketRef>,
    side: ByPeer<Side>,
    talk: Talk,
    kept: Vec<Kept>,
    /// The payloads of all that is kept, one behind the other.
    bytes: Vec<u8>,
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
    packets: u64,
    fin: Option<Fin>,
}

/// How far the exchange has come.
#[derive(Clone, Copy, Debug)]
enum Talk {
    Nothing,
    Asked(Question),
    /// So many bytes of the answer are still to come.
    Answering(Question, Answer, u64),
    /// It is whole since this packet.
    Answered(Question, Answer, PacketRef),
}

/// A request, and its packet.
#[derive(Clone, Copy, Debug)]
struct Question {
    packet: PacketRef,
    len: u64,
    asked: Asked,
}

/// A response, and its first packet.
#[derive(Clone, Copy, Debug)]
struct Answer {
    packet: PacketRef,
    answered: Answered,
}

/// A segment of the connection; its payload stands behind those of the segments before it.
#[derive(Clone, Copy, Debug)]
struct Kept {
    from: Peer,
    header: Header,
    payload_len: usize,
}

impl Brief {
    /// A connection of which the handshake was seen, but for its last segment; none where there was no SYN-ACK.
    fn of(knock: Knock, mut kept: Vec<Kept>, mut bytes: Vec<u8>) -> Option<Self> {
        let (syn, answer) = (knock.syn.seq, knock.answer.as_ref()?.seq);
        kept.clear();
        bytes.clear();
        let edge = Side { first: syn + 1, next: syn + 1, acked: syn + 1, packets: 1, fin: None };
        let origin = Side { first: answer + 1, next: answer + 1, acked: answer, packets: 1, fin: None };
        Some(Self { knock, established: None, side: ByPeer { edge, origin }, talk: Talk::Nothing, kept, bytes })
    }

    /// Takes the next segment and returns true, where the connection stays ordinary with it. Where it does not, nothing
    /// of it is remembered, and this is to be told by its [`Brief::connection`] from here on.
    #[inline]
    pub(super) fn take<A: Application>(&mut self, source: Endpoint, packet: PacketRef, segment: &Segment<'_>) -> bool {
        let from = if source == self.knock.edge { Peer::Edge } else { Peer::Origin };
        let Some(header) = Header::of(packet, segment) else { return false };
        if !self.is_next(from, segment) || !self.goes_on::<A>(from, packet, segment) {
            return false;
        }
        self.kept.push(Kept { from, header, payload_len: segment.payload.len() });
        self.bytes.extend_from_slice(segment.payload);
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
            && (brings && own.fin.is_none() || !brings && acknowledged > 0)
            && (self.established.is_some() || from == Peer::Edge && segment.ack == other.next)
            && self.kept.len() < SEGMENTS
    }

    /// Takes what the segment says; false where that is out of the ordinary.
    #[inline]
    fn goes_on<A: Application>(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) -> bool {
        self.established.get_or_insert(packet);
        let other = &mut self.side[from.other()];
        other.acked = segment.ack;
        let acked = segment.ack.since(other.first).max(0) as u64;
        if segment.payload_len > 0 && !self.talks::<A>(from, packet, segment.payload) {
            return false;
        }
        let own = &mut self.side[from];
        own.packets = own.packets.saturating_add(1);
        own.next = segment.seq + segment.sequence_len();
        if segment.flags.fin() {
            let end = (segment.seq + segment.payload_len).since(own.first).max(0) as u64;
            own.fin = Some(Fin { packet, offset: end, acked, unseen: false });
            return matches!(self.talk, Talk::Answered(..));
        }
        true
    }

    fn talks<A: Application>(&mut self, from: Peer, packet: PacketRef, bytes: &[u8]) -> bool {
        let len = bytes.len() as u64;
        let received = self.side.edge.acked == self.side.edge.next;
        let next = match (from, self.talk) {
            (Peer::Edge, Talk::Nothing) => {
                A::glance_at_request(bytes).map(|asked| Talk::Asked(Question { packet, len, asked }))
            }
            (Peer::Origin, Talk::Asked(question)) if received => A::glance_at_response(&question.asked, bytes)
                .filter(|answered| answered.len <= BYTES)
                .and_then(|answered| {
                    answered_in(question, Answer { packet, answered }, answered.len.checked_sub(len)?, packet)
                }),
            (Peer::Origin, Talk::Answering(question, answer, left)) => {
                left.checked_sub(len).and_then(|left| answered_in(question, answer, left, packet))
            }
            _ => None,
        };
        self.talk = next.unwrap_or(self.talk);
        next.is_some()
    }

    /// True once nothing but stragglers can come.
    pub(super) fn closed(&self) -> bool {
        self.side.edge.fin.is_some() && self.side.origin.fin.is_some()
    }

    /// The last packet seen.
    pub(super) fn last(&self) -> PacketRef {
        self.kept.last().map_or(self.knock.syn.packet, |last| last.header.packet)
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> u64 {
        let kept = self.kept.capacity().saturating_mul(size_of::<Kept>());
        size_of::<Self>().saturating_add(kept).saturating_add(self.bytes.capacity()) as u64
    }

    /// The connection that it is, told from its SYN on.
    pub(super) fn connection<A: Application>(&self, spare: &mut Spare<A>, app: A) -> Box<Connection<A>> {
        let mut connection = self.knock.connection(spare, app);
        let mut payloads = self.bytes.as_slice();
        for Kept { from, header, payload_len } in &self.kept {
            let Some((payload, rest)) = payloads.split_at_checked(*payload_len) else { break };
            payloads = rest;
            let (edge, origin) = (self.knock.edge, self.knock.origin);
            let (source, destination) = if *from == Peer::Edge { (edge, origin) } else { (origin, edge) };
            connection.segment(*from, header.packet, &header.segment(source, destination, payload));
        }
        connection
    }

    /// Writes into `line` what the statistics of a capture ask of a connection on which nothing was out of the ordinary;
    /// false where that is not known: it carried no whole exchange.
    fn tell(&self, line: &mut Timeline) -> bool {
        let Talk::Answered(question, answer, whole) = self.talk else { return false };
        let (Some(syn_ack), Some(established)) = (&self.knock.answer, self.established) else { return false };
        let syn = &self.knock.syn;
        (line.index, line.first, line.last) = (self.knock.index, syn.packet, self.last());
        line.endpoint = ByPeer { edge: self.knock.edge, origin: self.knock.origin };
        line.start = Start::Handshake;
        set(&mut line.connect.syns, Some(syn.packet));
        set(&mut line.connect.syn_acks, Some(syn_ack.packet));
        line.connect.ack = Some(established);
        line.vantage = vantage(ByPeer { edge: Some(syn.ttl), origin: Some(syn_ack.ttl) }, line);
        line.direction.edge.first_data = Some(question.packet);
        line.direction.origin.first_data = Some(answer.packet);
        line.direction.edge.ttl = Some(syn.ttl);
        line.direction.origin.ttl = Some(syn_ack.ttl);
        for from in [Peer::Edge, Peer::Origin] {
            let (direction, side) = (&mut line.direction[from], &self.side[from]);
            direction.packets = side.packets;
            set(&mut direction.fins, side.fin);
        }
        let target = self.bytes.get(question.asked.target.0..question.asked.target.1).unwrap_or_default();
        line.protocol = Some("http/1.1");
        set(&mut line.exchanges, Some(exchange(question, answer, whole, target)));
        true
    }
}

fn answered_in(question: Question, answer: Answer, left: u64, packet: PacketRef) -> Option<Talk> {
    Some(match left {
        0 => Talk::Answered(question, answer, packet),
        _ => Talk::Answering(question, answer, left),
    })
}

/// The exchange as its record would tell it, but for texts that only a report on it shows.
fn exchange(question: Question, answer: Answer, whole: PacketRef, target: &[u8]) -> Exchange {
    let Question { packet, len, asked } = question;
    let Answer { packet: answered_in, answered } = answer;
    let asked_until = Mark { packet, offset: len };
    let body_bytes = answered.len.saturating_sub(answered.head_len);
    Exchange {
        number: 1,
        stream: None,
        request: Request {
            head_end: Some(asked_until),
            end: Some(asked_until),
            target: String::from_utf8_lossy(target).into_owned(),
            framing: Framing::None,
            close: asked.close,
            ..Request::begun(Mark { packet, offset: 0 })
        },
        interim: Vec::new(),
        response: Some(Response {
            end: Some(Mark { packet: whole, offset: answered.len }),
            latest: Mark { packet: whole, offset: answered.len },
            status: Some(answered.status),
            minor_version: Some(1),
            body_bytes,
            head_bytes: answered.head_len,
            largest_field: answered.largest_field,
            fields: answered.fields,
            close: answered.close,
            ..Response::begun(Mark { packet: answered_in, offset: 0 })
        }),
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
    spare: Vec<Box<Brief>>,
    /// What is told of each, one after the other.
    line: Option<Box<Timeline>>,
}

impl Briefs {
    /// What is known of the connection when its handshake is nearly done.
    pub(super) fn begin(&mut self, knock: Knock) -> Option<Box<Brief>> {
        match self.spare.pop() {
            Some(mut brief) => {
                let (kept, bytes) = (std::mem::take(&mut brief.kept), std::mem::take(&mut brief.bytes));
                *brief = Brief::of(knock, kept, bytes)?;
                Some(brief)
            }
            None => Some(Box::new(Brief::of(knock, Vec::with_capacity(SEGMENTS), Vec::with_capacity(BYTES as usize))?)),
        }
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
            self.spare.push(brief);
        }
    }
}

/// Segments behind the SYN-ACK that are kept; what has more is no short connection.
const SEGMENTS: usize = 16;

/// Bytes of a response that are waited for.
const BYTES: u64 = 2048;

/// As one ends, another begins: a few are enough.
const SPARE: usize = 64;
