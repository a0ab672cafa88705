//! Responses: their HEADERS, DATA and trailers (RFC 9113 section 8).

use super::Http2;
use super::block::Opening;
use super::exchanges::{self, blame_connection, blame_response, breaks, frame_deviation};
use super::fields::{Offence, ResponseHead, Section};
use super::frame::Kind;
use super::reader::Kept;
use super::stream::{Content, Method, Phase};
use crate::timeline::{Coding, Deviation, Framing, Interim, Mark, Peer, Rule, Timeline};

impl Http2 {
    /// Data of a response.
    pub(super) fn origin_content(&mut self, line: &mut Timeline, len: u64, first: Mark) {
        let reader = &self.side.origin.reader;
        let id = reader.head.stream;
        let Some(content) = self.streams.get(id).map(|stream| stream.content) else { return };
        let Some(response) = exchanges::response(line, id, reader.start) else { return };
        let before = response.body_bytes;
        response.body_bytes = before.saturating_add(len);
        response.latest = reader.last;
        let broken = match content {
            Content::Length(length) if before <= length && response.body_bytes > length => {
                Some((Rule::H2ContentLength, length.saturating_sub(before)))
            }
            Content::None if before == 0 => Some((Rule::H2DataWhereNone, 0)),
            _ => None,
        };
        if let Some((rule, skipped)) = broken {
            let mark = Mark { offset: first.offset.saturating_add(skipped), ..first };
            let at = mark.offset.saturating_sub(reader.start.offset);
            blame_response(line, id, Deviation { at, mark, ..frame_deviation(rule, reader) });
        }
    }

    /// A DATA frame is complete.
    pub(super) fn origin_data_ends(&mut self, line: &mut Timeline) {
        let reader = &self.side.origin.reader;
        let (head, last) = (reader.head, reader.last);
        if self.streams.is_open(head.stream)
            && let Some(response) = exchanges::response(line, head.stream, reader.start)
        {
            response.latest = last;
        }
        if head.ends_stream() {
            self.end_response(line, head.stream);
        } else if head.length == 0 {
            self.flood.empty_data(Peer::Origin, last.packet.time);
        }
    }

    /// A frame of a header block.
    pub(super) fn origin_fields(&mut self, line: &mut Timeline) {
        if self.side.origin.reader.head.kind == Kind::PUSH_PROMISE {
            self.promise(line);
        }
        let side = &mut self.side.origin;
        match side.block.take(&side.reader) {
            Ok(Some(opening)) => self.origin_block(line, &opening),
            Ok(None) => {
                let frames = side.block.open().map_or(0, |open| open.continuations);
                self.flood.continuations(Peer::Origin, frames);
            }
            Err(_) => {
                side.decoder.forget();
                blame_connection(line, frame_deviation(Rule::H2Padding, &side.reader));
            }
        }
    }

    /// A header block that will never be complete: its response began all the same.
    pub(super) fn begin_unfinished_response(&mut self, line: &mut Timeline) {
        let side = &self.side.origin;
        let begun = match side.block.open() {
            Some(open) => Some((open.stream, open.start)),
            None => {
                let unfinished = side.reader.unfinished().filter(|head| head.kind == Kind::HEADERS);
                unfinished.map(|head| (head.stream, side.reader.start))
            }
        };
        let Some((stream, start)) = begun else { return };
        if self.streams.get(stream).is_none_or(|stream| stream.response_ended()) {
            return;
        }
        if let Some(response) = exchanges::response(line, stream, start) {
            response.latest = side.reader.last;
        }
    }

    /// A header block is complete.
    fn origin_block(&mut self, line: &mut Timeline, opening: &Opening) {
        self.flood.continuations(Peer::Origin, opening.continuations);
        let phase = self.streams.get(opening.stream).map(|stream| stream.response);
        let section = match phase {
            Some(Phase::Body) => Section::Trailers,
            Some(Phase::Unclear) => Section::Unclear,
            _ => Section::Head,
        };
        let mut head = ResponseHead::new(section);
        let decoded = self.side.origin.decode(opening.kept, |field| head.field(field));
        if opening.kept == Kept::Whole && decoded.is_ok() {
            head.complete();
        }
        let in_place = opening.kind == Kind::HEADERS && phase.is_some_and(|phase| phase != Phase::Ended);
        if let Err(malformed) = decoded {
            let bytes = self.side.origin.block.bytes().bytes().get(malformed.at..).unwrap_or_default();
            let bytes = bytes.get(..QUOTED).unwrap_or(bytes).to_vec();
            let offence = Offence { rule: Rule::HpackMalformed, at: malformed.at, bytes };
            if !in_place {
                return blame_connection(line, self.in_block(opening, offence));
            }
            head.offences.push(offence);
        }
        if in_place {
            self.message_part(line, opening, section, head);
        }
    }

    /// HEADERS of a response: 1xx, final or trailers.
    fn message_part(&mut self, line: &mut Timeline, opening: &Opening, section: Section, mut head: ResponseHead) {
        let unread = opening.kept == Kept::Holed || head.unknown_fields;
        let unclear = section != Section::Trailers && unread && head.status.is_none();
        if unclear {
            exchanges::obscure(line, opening.stream);
        }
        for offence in std::mem::take(&mut head.offences) {
            blame_response(line, opening.stream, self.in_block(opening, offence));
        }
        let last = self.side.origin.reader.last;
        let unexpected = match (section, head.status) {
            (Section::Head | Section::Unclear, Some(status @ (100 | 102..=199))) => {
                interim(line, opening, status);
                opening.ends_stream
            }
            (Section::Trailers, _) | (Section::Unclear, None) => {
                trailers(line, opening, &head);
                section == Section::Trailers && !opening.ends_stream
            }
            (Section::Head | Section::Unclear, _) => {
                self.final_head(line, opening, head);
                false
            }
        };
        if let (true, Some(stream)) = (unclear, self.streams.get(opening.stream)) {
            stream.response = Phase::Unclear;
        }
        if unexpected {
            let bytes = self.side.origin.block.bytes().bytes();
            let bytes = bytes.get(..QUOTED).unwrap_or(bytes).to_vec();
            let deviation = Deviation { rule: Rule::H2HeadersUnexpected, at: 0, mark: opening.start, bytes };
            blame_response(line, opening.stream, deviation);
        }
        if let Some(response) = exchanges::on_stream(line, opening.stream).and_then(|it| it.response.as_mut()) {
            response.latest = last;
        }
        if opening.ends_stream {
            self.end_response(line, opening.stream);
        }
    }

    fn final_head(&mut self, line: &mut Timeline, opening: &Opening, head: ResponseHead) {
        let Some(stream) = self.streams.get(opening.stream) else { return };
        stream.response = Phase::Body;
        let tunnel = stream.method == Method::Connect && matches!(head.status, Some(200..=299));
        stream.content = match (stream.method, head.status, head.content_length) {
            (Method::Head, ..) | (_, Some(204 | 304), _) => Content::None,
            (Method::Other, _, Some(length)) => Content::Length(length),
            _ => Content::Any,
        };
        let framing = match stream.content {
            _ if tunnel => Framing::Tunnel,
            Content::None => Framing::None,
            Content::Length(_) | Content::Any => Framing::Frames(head.content_length),
        };
        let last = self.side.origin.reader.last;
        let Some(response) = exchanges::response(line, opening.stream, opening.start) else { return };
        response.head_end = Some(last);
        response.status = head.status;
        response.framing = framing;
        response.head_bytes = head.size;
        response.largest_field = head.largest;
        response.largest_field_name = head.largest_name;
        response.fields = head.fields;
        response.server = head.server;
        response.via = head.via;
        response.x_cache = head.x_cache;
        response.content_type = head.content_type;
        response.grpc_status = head.grpc_status;
        response.coding = match head.content_encoding {
            Some(coding) if !coding.eq_ignore_ascii_case("identity") => Coding::Unchecked(coding),
            _ => Coding::Identity,
        };
    }

    /// END_STREAM: the response is as long as it will ever be (section 8.1.1).
    fn end_response(&mut self, line: &mut Timeline, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        stream.response = Phase::Ended;
        let (content, request_ended) = (stream.content, stream.request_ended);
        let reader = &self.side.origin.reader;
        let Some(response) = exchanges::response(line, id, reader.start) else { return };
        response.end = Some(reader.last);
        response.latest = reader.last;
        let length_broken = matches!(content, Content::Length(length) if response.body_bytes != length);
        if length_broken && !breaks(response, Rule::H2ContentLength) {
            blame_response(line, id, frame_deviation(Rule::H2ContentLength, reader));
        }
        if request_ended {
            self.complete(line, id);
        }
    }

    /// An offence in the header block that was completed last, where it stood in the stream.
    fn in_block(&self, opening: &Opening, offence: Offence) -> Deviation {
        let block = self.side.origin.block.bytes();
        let mark = if block.bytes().is_empty() { opening.start } else { block.mark(offence.at) };
        let bytes = match offence.bytes.is_empty() {
            true => block.bytes().get(..QUOTED).unwrap_or(block.bytes()).to_vec(),
            false => offence.bytes,
        };
        Deviation { rule: offence.rule, at: mark.offset.saturating_sub(opening.start.offset), mark, bytes }
    }
}

fn trailers(line: &mut Timeline, opening: &Opening, head: &ResponseHead) {
    if let Some(response) = exchanges::response(line, opening.stream, opening.start) {
        response.grpc_status = head.grpc_status.or(response.grpc_status);
    }
}

fn interim(line: &mut Timeline, opening: &Opening, status: u16) {
    let Some(exchange) = exchanges::on_stream(line, opening.stream) else { return };
    if exchange.interim.len() < MAX_INTERIM {
        exchange.interim.push(Interim { status, at: opening.start });
    }
}

/// 1xx responses of one exchange that are kept.
const MAX_INTERIM: usize = 16;

/// Bytes of a header block that a deviation quotes.
const QUOTED: usize = 64;
