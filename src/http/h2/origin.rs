//! What the origin sends, judged frame by frame (RFC 9113 sections 4 to 6).

use super::exchanges::{self, blame_connection, blame_response_once, frame_deviation, payload_deviation};
use super::flow::CONNECTION_WINDOW;
use super::frame::{FrameHeader, Kind, promised_stream, word};
use super::reader::Event;
use super::settings::{MAX_WINDOW, forbidden_value};
use super::stream::{Closed, Phase, Standing};
use super::{Http2, not_h2};
use crate::timeline::{Peer, Rule, Timeline};

impl Http2 {
    pub(super) fn origin_event(&mut self, line: &mut Timeline, event: &Event) {
        match *event {
            Event::Begins => self.accepted = self.origin_begins(line),
            Event::Content { len, first } if self.accepted => self.origin_content(line, len, first),
            Event::Ends if self.accepted => self.origin_ends(line),
            Event::Content { .. } | Event::Ends => {}
            Event::PaddingTooLong => {
                blame_connection(line, frame_deviation(Rule::H2Padding, &self.side.origin.reader));
            }
            Event::Foreign => {
                let reader = &self.side.origin.reader;
                not_h2(line, reader.start, &reader.head.raw);
            }
        }
    }

    /// The capture or the connection ends.
    pub(super) fn finish_origin(&mut self, line: &mut Timeline) {
        self.begin_unfinished_response(line);
        if self.edge_known() {
            for (_, deviation) in std::mem::take(&mut self.streams.early) {
                blame_connection(line, deviation);
            }
            if let Some(deviation) = std::mem::take(&mut self.window.origin).overdrawn() {
                blame_connection(line, deviation);
            }
            for (id, stream) in self.streams.take_all() {
                if let Some(deviation) = stream.window.overdrawn() {
                    exchanges::blame_response(line, id, deviation);
                }
            }
        }
        exchanges::h2(line).deviations.sort_by_key(|deviation| deviation.mark);
    }

    /// Judges the header of the origin's current frame. False where its payload means nothing.
    fn origin_begins(&mut self, line: &mut Timeline) -> bool {
        let head = self.side.origin.reader.head;
        let greets = matches!(head.kind, Kind::SETTINGS | Kind::GOAWAY);
        if !std::mem::replace(&mut self.greeted, true) && !greets {
            self.blame(line, Rule::H2SettingsNotFirst);
        }
        let in_order = self.judge_order(line, &head);
        let sized = self.judge_size(line, &head);
        let placed = self.judge_place(line, &head);
        if head.kind == Kind::DATA {
            self.judge_flow(&head);
        }
        // A header block changes the state of HPACK wherever it stands.
        in_order && sized && (placed || head.kind.carries_fields())
    }

    /// Section 6.10: CONTINUATION follows a header block that is not complete, and nothing else does.
    fn judge_order(&mut self, line: &mut Timeline, head: &FrameHeader) -> bool {
        let continues = head.kind == Kind::CONTINUATION;
        let block = &self.side.origin.block;
        let expected = match block.open() {
            Some(open) => continues && head.stream == open.stream,
            None if block.missed && continues => return false,
            None => !continues,
        };
        if !expected {
            self.blame(line, Rule::H2Continuation);
            self.begin_unfinished_response(line);
            self.side.origin.block.abandon();
            self.side.origin.decoder.forget();
        }
        expected || !continues
    }

    /// Section 4.2.
    fn judge_size(&mut self, line: &mut Timeline, head: &FrameHeader) -> bool {
        let wrong = head.has_wrong_size();
        let largest = self.side.edge.settings.max_frame_size().filter(|_| self.edge_known());
        if wrong || largest.is_some_and(|largest| head.length > largest) {
            self.blame(line, Rule::H2FrameSize);
        }
        !wrong
    }

    /// Section 5.1: the states of streams, and which frames they allow.
    fn judge_place(&mut self, line: &mut Timeline, head: &FrameHeader) -> bool {
        if head.on_wrong_stream() {
            self.blame(line, Rule::H2FrameOnWrongStream);
            return false;
        }
        if head.stream == 0 || matches!(head.kind, Kind::PRIORITY | Kind::CONTINUATION) || !head.kind.known() {
            return true;
        }
        let phase = self.streams.get(head.stream).map(|stream| stream.response);
        let carries_message = matches!(head.kind, Kind::DATA | Kind::HEADERS);
        match (self.streams.standing(head.stream), phase) {
            (Standing::Idle, _) => {
                let deviation = frame_deviation(Rule::H2StreamNeverOpened, &self.side.origin.reader);
                self.streams.remember_early(head.stream, deviation);
                false
            }
            (Standing::Finished, _) | (_, Some(Phase::Ended)) if carries_message => {
                self.blame_message(line, head.stream, Rule::H2FrameAfterEnd);
                false
            }
            (_, Some(Phase::Head)) if head.kind == Kind::DATA => {
                self.blame_message(line, head.stream, Rule::H2DataBeforeHeaders);
                true
            }
            (standing, phase) => match head.kind {
                Kind::PUSH_PROMISE => self.judge_push(line, standing, phase),
                _ => true,
            },
        }
    }

    /// Section 6.6: pushes are allowed, and belong to a stream on which the origin may still send.
    fn judge_push(&mut self, line: &mut Timeline, standing: Standing, phase: Option<Phase>) -> bool {
        let over = standing == Standing::Finished || phase == Some(Phase::Ended);
        if over || !self.side.edge.settings.may_push() {
            self.blame(line, Rule::H2PushForbidden);
        }
        true
    }

    /// Section 6.9.1. The whole payload counts, padding included.
    fn judge_flow(&mut self, head: &FrameHeader) {
        let Some(initial) = self.side.edge.settings.initial_window_size() else { return };
        let deviation = || frame_deviation(Rule::H2FlowControl, &self.side.origin.reader);
        self.window.origin.spend(head.length, CONNECTION_WINDOW, deviation);
        if let Some(stream) = self.streams.get(head.stream) {
            stream.window.spend(head.length, initial, deviation);
        }
    }

    /// The origin's current frame is complete and counts.
    fn origin_ends(&mut self, line: &mut Timeline) {
        let reader = &self.side.origin.reader;
        let head = reader.head;
        match head.kind {
            Kind::DATA => self.origin_data_ends(line),
            kind if kind.carries_fields() => self.origin_fields(line),
            Kind::RST_STREAM => {
                self.reset(line, Peer::Origin, Closed::Finished);
            }
            Kind::SETTINGS => self.origin_settings(line),
            Kind::PING if !head.has(FrameHeader::ACK) => self.flood.ping(Peer::Origin, reader.last.packet.time),
            Kind::GOAWAY => self.goaway(line, Peer::Origin),
            Kind::WINDOW_UPDATE => self.origin_window_update(line),
            _ => {}
        }
    }

    /// Section 6.5.2.
    fn origin_settings(&mut self, line: &mut Timeline) {
        let reader = &self.side.origin.reader;
        if let Some(at) = forbidden_value(reader.payload.bytes()) {
            blame_connection(line, payload_deviation(Rule::H2SettingValue, reader, at));
        }
        self.settings(Peer::Origin);
    }

    /// Section 6.9: an increment is not 0, and a window not above 2^31-1.
    fn origin_window_update(&mut self, line: &mut Timeline) {
        let reader = &self.side.origin.reader;
        let Some(increment) = word(reader.payload.bytes(), 0).map(|increment| increment & MAX_WINDOW) else { return };
        let window = self.window.edge.left(CONNECTION_WINDOW).saturating_add(u64::from(increment));
        let overflows = reader.head.stream == 0 && window > u64::from(MAX_WINDOW) && self.edge_known();
        if increment == 0 || overflows {
            return blame_connection(line, payload_deviation(Rule::H2WindowUpdate, reader, 0));
        }
        self.window_update(Peer::Origin, increment);
    }

    /// Section 6.6: a promised stream is new and the origin's own.
    pub(super) fn promise(&mut self, line: &mut Timeline) {
        let reader = &self.side.origin.reader;
        let Some(promised) = promised_stream(&reader.head, reader.payload.bytes()) else { return };
        if promised % 2 == 1 || promised <= self.streams.promised {
            let at = usize::from(reader.head.has(FrameHeader::PADDED));
            return blame_connection(line, payload_deviation(Rule::H2PushForbidden, reader, at));
        }
        self.streams.promised = promised;
    }

    /// True where the capture shows everything that the edge has said: what it allowed is known.
    fn edge_known(&self) -> bool {
        let reader = &self.side.edge.reader;
        self.streams.all_seen.edge && !reader.untouched() && !reader.foreign()
    }

    fn blame(&self, line: &mut Timeline, rule: Rule) {
        blame_connection(line, frame_deviation(rule, &self.side.origin.reader));
    }

    fn blame_message(&self, line: &mut Timeline, stream: u32, rule: Rule) {
        blame_response_once(line, stream, frame_deviation(rule, &self.side.origin.reader));
    }
}
