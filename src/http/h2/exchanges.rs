//! The exchanges of a timeline, one a stream, within bounds; and where a broken rule is written down.

use super::frame::HEADER_LEN;
use super::reader::Reader;
use super::stream::Streams;
use crate::timeline::{Deviation, Exchange, H2, Mark, Request, Response, Rule, Timeline, Visibility};

/// The facts of the connection as a whole.
pub(super) fn h2(line: &mut Timeline) -> &mut H2 {
    line.h2.get_or_insert_default()
}

/// The exchange on this stream, where it is still kept.
pub(super) fn on_stream(line: &mut Timeline, stream: u32) -> Option<&mut Exchange> {
    // The edge opens streams in rising order; what came before an upgrade has none.
    let at = line.exchanges.binary_search_by_key(&stream, |exchange| exchange.stream.unwrap_or_default()).ok()?;
    line.exchanges.get_mut(at)
}

/// A new exchange, with its request from its first byte.
pub(super) fn open(line: &mut Timeline, streams: &Streams, stream: u32, start: Mark) {
    if line.exchanges.len() >= MAX_EXCHANGES {
        give_up_some(line, streams);
    }
    let number = line.exchanges.last().map_or(1, |last| last.number.saturating_add(1));
    line.exchanges.push(Exchange {
        number,
        stream: Some(stream),
        request: Request::begun(start),
        interim: Vec::new(),
        response: None,
        visibility: Visibility::Clear,
    });
}

/// The response on this stream, made with its first byte at `start` where there is none yet.
pub(super) fn response(line: &mut Timeline, stream: u32, start: Mark) -> Option<&mut Response> {
    Some(on_stream(line, stream)?.response.get_or_insert_with(|| Response::begun(start)))
}

/// Bytes of the exchange on this stream are missing, so nothing is to be concluded from what is absent.
pub(super) fn obscure(line: &mut Timeline, stream: u32) {
    if let Some(exchange) = on_stream(line, stream) {
        exchange.visibility = Visibility::Obscured;
    }
}

/// Removes the oldest clean exchanges, once there are more than needed.
pub(super) fn fold(line: &mut Timeline) {
    let clean = line.exchanges.iter().filter(|exchange| exchange.clean()).count();
    let mut surplus = clean.saturating_sub(KEPT_CLEAN);
    let before = line.exchanges.len();
    line.exchanges.retain(|exchange| !(exchange.clean() && take_one(&mut surplus)));
    let folded = before.saturating_sub(line.exchanges.len());
    line.folded = line.folded.saturating_add(folded as u64);
}

/// The origin broke a rule outside of one response.
pub(super) fn blame_connection(line: &mut Timeline, deviation: Deviation) {
    push_bounded(&mut h2(line).deviations, deviation);
}

/// The origin broke a rule on a stream. Where no response exists yet, it begins with that.
pub(super) fn blame_response(line: &mut Timeline, stream: u32, deviation: Deviation) {
    match response(line, stream, deviation.mark) {
        Some(response) => push_bounded(&mut response.deviations, deviation),
        None => blame_connection(line, deviation),
    }
}

/// As [`blame_response`], where the same rule is not yet held against the response.
pub(super) fn blame_response_once(line: &mut Timeline, stream: u32, deviation: Deviation) {
    let known = on_stream(line, stream)
        .and_then(|exchange| exchange.response.as_ref())
        .is_some_and(|response| breaks(response, deviation.rule));
    if !known {
        blame_response(line, stream, deviation);
    }
}

/// True where the rule is held against the response.
pub(super) fn breaks(response: &Response, rule: Rule) -> bool {
    response.deviations.iter().any(|deviation| deviation.rule == rule)
}

/// A rule that the current frame breaks by itself.
pub(super) fn frame_deviation(rule: Rule, reader: &Reader) -> Deviation {
    let payload = reader.payload.bytes();
    let bytes = reader.head.raw.iter().chain(payload).take(QUOTED).copied().collect();
    Deviation { rule, at: 0, mark: reader.start, bytes }
}

/// A rule that byte `at` of the current frame's payload breaks.
pub(super) fn payload_deviation(rule: Rule, reader: &Reader, at: usize) -> Deviation {
    let mark = reader.payload.mark(at);
    let from_frame = HEADER_LEN.saturating_add(at) as u64;
    Deviation { at: from_frame, mark, ..frame_deviation(rule, reader) }
}

fn push_bounded(deviations: &mut Vec<Deviation>, deviation: Deviation) {
    if deviations.len() < MAX_DEVIATIONS {
        deviations.push(deviation);
    }
}

/// Makes room by a quarter: what is over and says least goes first.
fn give_up_some(line: &mut Timeline, streams: &Streams) {
    let mut surplus = MAX_EXCHANGES / 4;
    let mut given_up: u64 = 0;
    let mut folded: u64 = 0;
    let mut remove = |exchange: &Exchange, surplus: &mut usize| {
        let gone = !exchange.stream.is_some_and(|stream| streams.is_open(stream)) && take_one(surplus);
        match gone && exchange.clean() {
            true => folded = folded.saturating_add(1),
            false => given_up = given_up.saturating_add(u64::from(gone)),
        }
        gone
    };
    let harmless = |exchange: &Exchange| exchange.clean() || exchange.request.cancelled.is_some();
    line.exchanges.retain(|exchange| !(harmless(exchange) && remove(exchange, &mut surplus)));
    line.exchanges.retain(|exchange| !remove(exchange, &mut surplus));
    line.folded = line.folded.saturating_add(folded);
    let h2 = h2(line);
    h2.given_up = h2.given_up.saturating_add(given_up);
}

fn take_one(surplus: &mut usize) -> bool {
    let some = *surplus > 0;
    *surplus = surplus.saturating_sub(1);
    some
}

/// Clean exchanges that are kept, so that a connection's recent past can be told.
pub(super) const KEPT_CLEAN: usize = 64;

/// Exchanges of one connection that are kept in all.
const MAX_EXCHANGES: usize = 4_096;

/// Deviations of one response, and of one connection, that are kept.
const MAX_DEVIATIONS: usize = 64;

/// Bytes of a frame that a deviation quotes.
const QUOTED: usize = 64;
