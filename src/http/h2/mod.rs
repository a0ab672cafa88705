//! HTTP/2 (RFC 9113) and its header compression (RFC 7541).
//!
//! [`Http2`] reads both directions of one connection. `reader` takes a direction apart into frames, `block` and
//! `hpack` make header lists of them, `fields` judges these; `edge` and `origin` say what a frame of either peer
//! means. Only the origin is judged: the edge is read as robustly as possible.

mod block;
mod edge;
mod exchanges;
mod fields;
mod flood;
mod flow;
mod frame;
mod hpack;
mod marked;
mod origin;
#[cfg(test)]
mod random;
mod reader;
mod response;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

use block::HeaderBlock;
use flood::Flood;
use flow::{CONNECTION_WINDOW, Window};
use hpack::{Decoder, Field, Malformed};
use marked::Input;
use reader::{Event, Kept, Reader};
use settings::Settings;
use stream::{Closed, Method, Stream, Streams};

use crate::tcp::Application;
use crate::timeline::{ByPeer, GoAway, H2Error, Mark, NotH2, Peer, Spoken, StreamReset, Timeline};

/// Both directions of one HTTP/2 connection.
///
/// Facts go to `line.exchanges`, one exchange a stream, and to `line.h2`.
#[derive(Clone)]
pub struct Http2 {
    side: ByPeer<Side>,
    streams: Streams,
    /// What each peer may send on the connection as a whole.
    window: ByPeer<Window>,
    flood: Flood,
    /// The origin's current frame is in its place: its payload counts.
    accepted: bool,
    /// The origin's first frame has come, or may have been missed.
    greeted: bool,
    /// Clean exchanges that are kept.
    clean: usize,
    upgraded: bool,
}

/// What one peer sends.
#[derive(Clone)]
struct Side {
    reader: Reader,
    decoder: Decoder,
    block: HeaderBlock,
    /// What the peer announced: it binds the other one.
    settings: Settings,
}

impl Http2 {
    /// A connection whose edge begins with the connection preface (RFC 9113 section 3.4).
    #[must_use]
    pub fn new() -> Self {
        Self {
            side: ByPeer { edge: Side::new(Reader::of_edge()), origin: Side::new(Reader::of_origin()) },
            streams: Streams::new(),
            window: ByPeer::default(),
            flood: Flood::default(),
            accepted: true,
            greeted: false,
            clean: 0,
            upgraded: false,
        }
    }

    /// A connection after `101 Switching Protocols` to h2c (RFC 7540 section 3.2): the last exchange of the
    /// timeline becomes stream 1, whose request is complete. The settings in the edge's HTTP2-Settings field are
    /// not known here, so nothing is judged by them.
    #[must_use]
    pub fn after_upgrade() -> Self {
        let mut upgraded = Self { upgraded: true, ..Self::new() };
        upgraded.forget_settings(Peer::Edge);
        upgraded
    }

    /// Claims the timeline, and stream 1 after an upgrade.
    fn begin(&mut self, line: &mut Timeline) {
        line.protocol = Some("h2");
        exchanges::h2(line);
        if !std::mem::take(&mut self.upgraded) {
            return;
        }
        let Some(exchange) = line.exchanges.last_mut() else { return };
        exchange.stream = Some(1);
        exchange.response = None;
        let method = Method::of(&exchange.request.method);
        self.streams.open(1, Stream::new(method, exchange.request.end.is_some()));
    }

    fn read(&mut self, line: &mut Timeline, from: Peer, mut input: Input<'_>) {
        while let Some(event) = self.side[from].reader.next(&mut input) {
            if let Event::Begins = event {
                self.count(line, from);
            }
            match from {
                Peer::Edge => self.edge_event(line, &event),
                Peer::Origin => self.origin_event(line, &event),
            }
        }
        if from == Peer::Origin && self.side.origin.reader.foreign() {
            preview(line, input.rest());
        }
    }

    /// Counts the current frame of `from`, where its type is one of RFC 9113.
    fn count(&self, line: &mut Timeline, from: Peer) {
        let counts = &mut exchanges::h2(line).frames[from];
        if let Some(count) = counts.get_mut(usize::from(self.side[from].reader.head.kind.0)) {
            *count = count.saturating_add(1);
        }
    }

    /// Nobody knows where in the stream of `from` the next frame begins, nor what was missed.
    fn lose(&mut self, line: &mut Timeline, from: Peer) {
        let side = &mut self.side[from];
        side.reader.lose();
        side.decoder.forget();
        side.block.abandon();
        side.block.missed = true;
        self.forget_settings(from);
        self.greeted |= from == Peer::Origin;
        self.streams.lose(from);
        self.streams.ids().for_each(|stream| exchanges::obscure(line, stream));
    }

    /// The settings of `from` are not known: they bind the other peer to nothing.
    fn forget_settings(&mut self, from: Peer) {
        self.side[from].settings.forget();
        self.side[from.other()].decoder.allow(None);
    }

    /// Takes a SETTINGS frame of `from`, its current one.
    fn settings(&mut self, from: Peer) {
        let Side { reader, settings, .. } = &mut self.side[from];
        if reader.kept != Kept::Whole {
            return self.forget_settings(from);
        }
        if reader.head.has(frame::FrameHeader::ACK) {
            return self.settings_acknowledged(from.other());
        }
        self.flood.settings(from, reader.last.packet.time);
        settings.announce(reader.payload.bytes());
        let allowed = settings.header_table_size();
        self.side[from.other()].decoder.allow(allowed);
    }

    /// The other peer acknowledges the settings of `by`.
    fn settings_acknowledged(&mut self, by: Peer) {
        let settings = &mut self.side[by].settings;
        settings.acknowledge();
        let (allowed, acknowledged) = (settings.header_table_size(), settings.acknowledged_table_size());
        let decoder = &mut self.side[by.other()].decoder;
        decoder.allow(allowed);
        if let Some(size) = acknowledged {
            decoder.acknowledged(size);
        }
    }

    /// `from` makes room for the other peer's DATA.
    fn window_update(&mut self, from: Peer, increment: u32) {
        let stream = self.side[from].reader.head.stream;
        if stream == 0 {
            return self.window[from.other()].grant(increment, CONNECTION_WINDOW);
        }
        let initial = self.side[from].settings.initial_window_size();
        // Only the origin's DATA is followed stream by stream.
        if let (Peer::Edge, Some(stream), Some(initial)) = (from, self.streams.get(stream), initial) {
            stream.window.grant(increment, initial);
        }
    }

    /// Takes the GOAWAY frame of `from`, its current one.
    fn goaway(&mut self, line: &mut Timeline, from: Peer) {
        let reader = &self.side[from].reader;
        let payload = reader.payload.bytes();
        let (Some(last_stream), Some(error)) = (frame::word(payload, 0), frame::word(payload, 4)) else { return };
        let debug = payload.get(8..).unwrap_or_default();
        let debug = debug.get(..MAX_DEBUG).unwrap_or(debug);
        let goaways = &mut exchanges::h2(line).goaways;
        if goaways.len() < MAX_GOAWAYS {
            goaways.push(GoAway {
                packet: reader.last.packet,
                from,
                last_stream: last_stream & 0x7fff_ffff,
                error: H2Error(error),
                debug: String::from_utf8_lossy(debug).into_owned(),
            });
        }
    }

    /// Takes the RST_STREAM frame of `from`, its current one. Returns it with the stream, where that was open.
    fn reset(&mut self, line: &mut Timeline, from: Peer, closed: Closed) -> Option<(StreamReset, Option<Stream>)> {
        let reader = &self.side[from].reader;
        let reset = StreamReset {
            packet: reader.last.packet,
            from,
            stream: reader.head.stream,
            error: H2Error(frame::word(reader.payload.bytes(), 0)?),
            after_response: self.responded(line, reader.head.stream),
        };
        let resets = &mut exchanges::h2(line).resets;
        if resets.len() >= MAX_RESETS {
            // What cancels or follows a complete response explains least.
            resets.retain(|reset| !reset.after_response && (reset.from == Peer::Origin || reset.error.blames_peer()));
        }
        if resets.len() < MAX_RESETS {
            resets.push(reset.clone());
        }
        let stream = self.streams.close(reset.stream, closed);
        Some((reset, stream))
    }

    /// True where the response on this stream is complete: an exchange that is no longer kept was.
    fn responded(&self, line: &mut Timeline, stream: u32) -> bool {
        match exchanges::on_stream(line, stream) {
            Some(exchange) => exchange.response.as_ref().is_some_and(|response| response.end.is_some()),
            None => stream % 2 == 1 && stream <= self.streams.highest,
        }
    }

    /// Both directions of a stream are complete.
    fn complete(&mut self, line: &mut Timeline, stream: u32) {
        self.streams.close(stream, Closed::Finished);
        if exchanges::on_stream(line, stream).is_some_and(|exchange| exchange.clean()) {
            self.clean = self.clean.saturating_add(1);
        }
        if self.clean >= exchanges::KEPT_CLEAN + FOLD_BATCH {
            exchanges::fold(line);
            self.clean = exchanges::KEPT_CLEAN;
        }
    }

    /// The origin's first bytes are too few for a frame header and can become none.
    fn judge_short_beginning(&self, line: &mut Timeline) {
        let reader = &self.side.origin.reader;
        if let Some(bytes) = reader.foreign_beginning() {
            not_h2(line, reader.start, bytes);
        }
    }
}

impl Application for Http2 {
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        self.begin(line);
        if !self.side[from].reader.searching() {
            return self.read(line, from, Input::new(bytes, start));
        }
        let Some(found) = self.side[from].reader.search(bytes, start) else { return };
        for (_, bytes, at) in found.pieces() {
            let before = self.streams.highest;
            self.read(line, from, Input::new(bytes, at));
            // What was held back is read late: answers to it may have gone by.
            if at.packet != start.packet {
                self.streams.doubt_after(before).for_each(|stream| exchanges::obscure(line, stream));
            }
        }
    }

    /// Within one payload the missing bytes are counted; otherwise a new frame is searched for, and the state of HPACK
    /// is not known any more.
    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark) {
        self.begin(line);
        let reader = &self.side[from].reader;
        let untouched = reader.untouched();
        if reader.foreign() || (len == 0 && !untouched) {
            return;
        }
        if reader.inside(len) {
            exchanges::obscure(line, reader.head.stream);
            return self.read(line, from, Input::missing(len, start));
        }
        exchanges::h2(line).joined_late |= untouched;
        self.lose(line, from);
    }

    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, _at: Mark) {
        self.begin(line);
        if from == Peer::Origin {
            self.judge_short_beginning(line);
        }
    }

    fn finish(&mut self, line: &mut Timeline) {
        self.begin(line);
        self.judge_short_beginning(line);
        self.finish_edge(line);
        self.finish_origin(line);
        exchanges::h2(line).flood = self.flood.sentence();
    }
}

impl Default for Http2 {
    fn default() -> Self {
        Self::new()
    }
}

impl Side {
    fn new(reader: Reader) -> Self {
        Self { reader, decoder: Decoder::new(), block: HeaderBlock::new(), settings: Settings::new() }
    }

    /// Decodes the header block that is complete.
    fn decode(&mut self, kept: Kept, each: impl FnMut(Field<'_>)) -> Result<(), Malformed> {
        let block = self.block.bytes().bytes();
        match kept {
            Kept::Whole => return self.decoder.decode(block, each),
            // What is cut off is our bound's doing, not the sender's.
            Kept::Beginning => drop(self.decoder.decode(block, each)),
            Kept::Holed => {}
        }
        self.decoder.forget();
        Ok(())
    }
}

/// The origin speaks something else.
fn not_h2(line: &mut Timeline, at: Mark, bytes: &[u8]) {
    let h2 = exchanges::h2(line);
    if h2.spoken_instead.is_none() {
        h2.spoken_instead = Some(NotH2 { at, spoken: Spoken::of(bytes), preview: bytes.to_vec() });
    }
}

/// More of what the origin speaks instead.
fn preview(line: &mut Timeline, bytes: &[u8]) {
    let Some(not) = &mut exchanges::h2(line).spoken_instead else { return };
    let room = MAX_PREVIEW.saturating_sub(not.preview.len());
    if room == 0 || bytes.is_empty() {
        return;
    }
    not.preview.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    not.spoken = Spoken::of(&not.preview);
}

/// RST_STREAM frames of one connection that are kept.
const MAX_RESETS: usize = 1_024;

/// GOAWAY frames of one connection that are kept.
const MAX_GOAWAYS: usize = 16;

/// Bytes of GOAWAY's debug data that are kept.
const MAX_DEBUG: usize = 64;

/// Bytes of another protocol that are kept.
const MAX_PREVIEW: usize = 64;

/// Clean exchanges that may be kept beyond those that are needed, so that not each one moves all others.
const FOLD_BATCH: usize = 16;
