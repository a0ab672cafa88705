//! Floods and random bytes: no panic, and everything within its bound.

use super::dialogue::*;
use super::*;
use crate::http::h2::frame::Kind;
use crate::http::h2::random::Random;
use crate::timeline::Peer;

#[test]
fn a_rapid_reset_stays_within_its_bounds_and_is_told() {
    let dialogue = (0..20_000).fold(Dialogue::new().edge(), |dialogue, nth| {
        dialogue.headers(nth * 2 + 1, WHOLE, &[(":method", "GET")]).reset(nth * 2 + 1, 0x8)
    });
    let line = dialogue.told();
    let h2 = h2(&line);
    assert!(line.exchanges.len() <= 4_096);
    assert_eq!(line.exchanges.len() as u64 + h2.given_up, 20_000);
    assert_eq!(line.exchanges.last().map(|exchange| exchange.number), Some(20_000));
    assert!(h2.resets.len() <= 1_024);
    assert_eq!(h2.flood.as_deref(), Some("the edge reset 20000 streams before any response"));
}

#[test]
fn failed_exchanges_are_kept_longer_than_cancelled_ones() {
    let dialogue = (0..5_000).fold(Dialogue::new(), |dialogue, nth| {
        let stream = nth * 2 + 1;
        let asked = dialogue.edge().headers(stream, WHOLE, &[(":method", "GET")]);
        if nth % 4 == 0 { asked.origin().reset(stream, 0x2) } else { asked.reset(stream, 0x8) }
    });
    let line = dialogue.told();
    let failed = line.exchanges.iter().filter(|exchange| exchange.request.cancelled.is_none()).count();
    assert_eq!(failed, 1_250);
    assert_eq!(line.exchanges.len() as u64 + h2(&line).given_up, 5_000);
    let by_origin = h2(&line).resets.iter().filter(|reset| reset.from == Peer::Origin).count();
    assert!(by_origin > 900, "{by_origin} resets of the origin are kept");
}

#[test]
fn a_settings_flood_is_told() {
    let dialogue = (0..200).fold(Dialogue::asked().origin(), |dialogue, _| dialogue.settings(&[(3, 9)]));
    let sentence = "the origin sent 201 SETTINGS frames";
    assert_eq!(h2(&dialogue.told()).flood.as_deref(), Some(sentence));
}

#[test]
fn streams_that_are_never_answered_stay_within_their_bounds() {
    let dialogue = (0..6_000)
        .fold(Dialogue::new().edge(), |dialogue, nth| dialogue.headers(nth * 2 + 1, WHOLE, &[(":method", "GET")]));
    let line = dialogue.told();
    assert!(line.exchanges.len() <= 4_096);
    assert_eq!(rules(&line), []);
}

#[test]
fn a_continuation_flood_is_told_and_its_head_counted() {
    let chunk = block(&[("x-padding", &"p".repeat(16_000))]);
    let begun = Dialogue::asked().origin().frame(Kind::HEADERS, END_STREAM, 1, &block(OK));
    let dialogue = (0..100).fold(begun, |dialogue, _| dialogue.continuation(1, 0, &chunk));
    let line = dialogue.continuation(1, END_HEADERS, &[]).told();
    assert!(response(&line).head_bytes > 128 * 1024, "{} bytes counted", response(&line).head_bytes);
    assert_eq!((response(&line).status, rules(&line)), (Some(200), vec![]));
    assert_eq!(h2(&line).flood.as_deref(), Some("the origin sent 101 CONTINUATION frames in one header block"));
}

#[test]
fn a_block_that_decodes_to_a_thousand_times_its_size_is_counted() {
    let mut bomb = vec![0x88, 0x40, 0x01, b'x', 0x7f, 0x80 | (3_900_usize - 127) as u8, ((3_900 - 127) >> 7) as u8];
    bomb.resize(bomb.len() + 3_900, b'y');
    bomb.resize(16_000, 0xbe);
    let line = Dialogue::asked().origin().frame(Kind::HEADERS, WHOLE, 1, &bomb).told();
    assert_eq!(rules(&line), []);
    assert!(response(&line).head_bytes > 40_000_000, "{} bytes counted", response(&line).head_bytes);
    assert_eq!(response(&line).largest_field, 3_901);
}

#[test]
fn deviations_stay_within_their_bound() {
    let dialogue = (0..1_000).fold(Dialogue::asked().origin(), |dialogue, _| dialogue.window(0, 0));
    assert_eq!(h2(&dialogue.told()).deviations.len(), 64);
}

/// Bytes changed, pieces lost, turns of any kind: nothing panics, and no split changes what is told.
#[test]
fn any_bytes_are_read_the_same_in_any_split() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..400 {
        let mut dialogue = some_dialogue(&mut random);
        let len = dialogue.bytes_mut().count();
        for _ in 0..random.below(6) {
            let at = random.below(len);
            let change = random.next() as u8;
            dialogue.bytes_mut().nth(at).into_iter().for_each(|byte| *byte = change);
        }
        let line = dialogue.told();
        for size in [1, 3, 11] {
            assert_eq!(dialogue.told_in_pieces(size), line, "pieces of {size}");
        }
    }
}

fn some_dialogue(random: &mut Random) -> Dialogue {
    let mut dialogue = Dialogue::asked().headers(3, END_HEADERS, POST);
    for _ in 0..random.below(20) {
        let stream = random.pick(&[0, 1, 1, 2, 3, 3, 5, 7]);
        let flags = random.pick(&[0, END_STREAM, END_HEADERS, WHOLE, WHOLE, 0x8, 0xff]);
        dialogue = match random.below(16) {
            0 | 1 => dialogue.edge(),
            2 | 3 => dialogue.origin(),
            4 => dialogue.gap(random.pick(&[Peer::Edge, Peer::Origin]), random.next() % 60).origin(),
            5 => dialogue.headers(stream, flags, random.pick(&[GET, POST, HEAD])),
            6 | 7 => dialogue.headers(stream, flags, OK),
            8 => dialogue.data(stream, flags, b"some data"),
            9 => dialogue.continuation(stream, flags, b"\x88\xbe\x40\x01a\x01b"),
            10 => dialogue.reset(stream, 1),
            11 => dialogue.window(stream, 10),
            12 => dialogue.push(stream, 4, GET),
            13 => dialogue.settings(&[(1, random.next() as u32), (4, 10)]).ack(),
            14 => dialogue.goaway(stream, 1, "debug"),
            _ => dialogue.frame(Kind(random.next() as u8), flags, stream, b"\x05payload"),
        };
    }
    dialogue
}
