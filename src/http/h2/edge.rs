//! What the edge sends: requests, and what it makes of the origin's answers. It is read, not judged.

use super::Http2;
use super::block::Opening;
use super::exchanges;
use super::fields::RequestHead;
use super::flow::CONNECTION_WINDOW;
use super::frame::{FrameHeader, Kind, word};
use super::reader::{Event, Kept};
use super::stream::{Closed, Content, Method, Phase, Stream};
use crate::timeline::{Framing, Mark, Peer, Rule, Timeline};

impl Http2 {
    pub(super) fn edge_event(&mut self, line: &mut Timeline, event: &Event) {
        match *event {
            Event::Begins => self.edge_begins(),
            Event::Content { len, .. } => {
                let stream = self.side.edge.reader.head.stream;
                if let Some(exchange) = exchanges::on_stream(line, stream) {
                    exchange.request.body_bytes = exchange.request.body_bytes.saturating_add(len);
                }
            }
            Event::Ends => self.edge_ends(line),
            Event::PaddingTooLong | Event::Foreign => {}
        }
    }

    /// The capture or the connection ends: a request whose HEADERS had begun exists.
    pub(super) fn finish_edge(&mut self, line: &mut Timeline) {
        let side = &self.side.edge;
        let begun = match side.block.open() {
            Some(open) => Some((open.stream, open.start)),
            None => {
                let unfinished = side.reader.unfinished().filter(|head| head.kind == Kind::HEADERS);
                unfinished.map(|head| (head.stream, side.reader.start))
            }
        };
        if let Some((stream, start)) = begun.filter(|(stream, _)| self.streams.is_new(*stream)) {
            self.open_stream(line, stream, start, Stream::new(Method::Unknown, false));
        }
    }

    fn edge_begins(&mut self) {
        let side = &mut self.side.edge;
        let head = side.reader.head;
        if side.block.open().is_some_and(|open| head.kind != Kind::CONTINUATION || head.stream != open.stream) {
            side.block.abandon();
            side.decoder.forget();
        }
        if head.kind == Kind::DATA {
            let deviation = || exchanges::frame_deviation(Rule::H2FlowControl, &side.reader);
            self.window.edge.spend(head.length, CONNECTION_WINDOW, deviation);
        }
    }

    fn edge_ends(&mut self, line: &mut Timeline) {
        let reader = &self.side.edge.reader;
        let (head, last) = (reader.head, reader.last);
        match head.kind {
            _ if head.has_wrong_size() => {}
            Kind::DATA if head.ends_stream() => self.end_request(line, head.stream, last),
            Kind::DATA if head.length == 0 => self.flood.empty_data(Peer::Edge, last.packet.time),
            kind if kind.carries_fields() => self.edge_fields(line, last),
            Kind::RST_STREAM => self.edge_resets(line),
            Kind::SETTINGS => self.settings(Peer::Edge),
            Kind::PING if !head.has(FrameHeader::ACK) => self.flood.ping(Peer::Edge, last.packet.time),
            Kind::GOAWAY => self.goaway(line, Peer::Edge),
            Kind::WINDOW_UPDATE => {
                if let Some(increment) = word(reader.payload.bytes(), 0) {
                    self.window_update(Peer::Edge, increment & 0x7fff_ffff);
                }
            }
            _ => {}
        }
    }

    fn edge_fields(&mut self, line: &mut Timeline, last: Mark) {
        let side = &mut self.side.edge;
        let opening = match side.block.take(&side.reader) {
            Ok(Some(opening)) => opening,
            Ok(None) => {
                let frames = side.block.open().map_or(0, |open| open.continuations);
                return self.flood.continuations(Peer::Edge, frames);
            }
            Err(_) => return side.decoder.forget(),
        };
        let mut head = RequestHead::default();
        let decoded = side.decode(opening.kept, |field| head.field(field));
        if opening.kind != Kind::HEADERS {
            return;
        }
        if self.streams.is_new(opening.stream) {
            let unread = decoded.is_err() || opening.kept == Kept::Holed;
            self.open_exchange(line, &opening, head, last);
            if unread {
                exchanges::obscure(line, opening.stream);
            }
        }
        if opening.ends_stream {
            self.end_request(line, opening.stream, last);
        }
    }

    fn open_exchange(&mut self, line: &mut Timeline, opening: &Opening, head: RequestHead, last: Mark) {
        let method = Method::of(head.method.as_deref().unwrap_or_default());
        self.open_stream(line, opening.stream, opening.start, Stream::new(method, false));
        let Some(exchange) = exchanges::on_stream(line, opening.stream) else { return };
        let request = &mut exchange.request;
        request.head_end = Some(last);
        request.framing = Framing::Frames(head.content_length);
        request.method = head.method.unwrap_or_default().into();
        request.target = head.path.unwrap_or_default();
        request.host = head.authority.or(head.host);
        request.ray = head.ray;
        request.request_id = head.request_id;
        request.traceparent = head.traceparent;
        request.expect_continue = head.expect_continue;
        if method == Method::Unknown {
            exchanges::obscure(line, opening.stream);
        }
    }

    fn open_stream(&mut self, line: &mut Timeline, id: u32, start: Mark, mut stream: Stream) {
        let origin_lost = self.side.origin.reader.searching();
        if origin_lost {
            stream.response = Phase::Unclear;
        }
        if let Some(forgotten) = self.streams.open(id, stream) {
            exchanges::obscure(line, forgotten);
        }
        exchanges::open(line, &self.streams, id, start);
        let answered_before = self.streams.forgive_early(id);
        if answered_before || origin_lost {
            exchanges::obscure(line, id);
        }
    }

    fn end_request(&mut self, line: &mut Timeline, id: u32, last: Mark) {
        let Some(stream) = self.streams.get(id).filter(|stream| !stream.request_ended) else { return };
        stream.request_ended = true;
        let response_ended = stream.response_ended();
        if let Some(exchange) = exchanges::on_stream(line, id) {
            exchange.request.end = Some(last);
        }
        if response_ended {
            self.complete(line, id);
        }
    }

    fn edge_resets(&mut self, line: &mut Timeline) {
        let Some((reset, Some(stream))) = self.reset(line, Peer::Edge, Closed::ResetByEdge) else { return };
        if let Some(deviation) = stream.window.overdrawn().filter(|_| self.streams.all_seen.edge) {
            exchanges::blame_response(line, reset.stream, deviation);
        }
        let Some(exchange) = exchanges::on_stream(line, reset.stream) else { return };
        if !reset.after_response && !reset.error.blames_peer() {
            exchange.request.cancelled = Some(reset.packet);
        }
        // All bytes that were announced came: only END_STREAM is missing, and the edge did not wait for it.
        if let Some(response) = exchange.response.as_mut().filter(|response| response.end.is_none()) {
            let whole = match stream.content {
                Content::Length(length) => response.body_bytes == length,
                Content::None => true,
                Content::Any => false,
            };
            response.end = (whole && stream.response == Phase::Body).then_some(response.latest);
        }
        if exchange.response.is_none() && exchange.interim.is_empty() {
            self.flood.reset_before_response(reset.packet.time);
        }
    }
}
