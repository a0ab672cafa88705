//! Captures that begin late or miss bytes.

use super::dialogue::*;
use super::*;
use crate::http::h2::frame::Kind;
use crate::timeline::{Peer, Visibility};

#[test]
fn a_capture_may_begin_inside_a_connection() {
    let dialogue = Dialogue::silent()
        .gap(Peer::Edge, 0)
        .gap(Peer::Origin, 0)
        .edge()
        .raw(b"the end of something")
        .ping()
        .ping()
        .ping()
        .headers(41, WHOLE, GET)
        .origin()
        .ping()
        .window(0, 5)
        .ping()
        // Three entries that were never seen.
        .frame(Kind::HEADERS, WHOLE, 41, b"\xbe\xbf\xc0")
        .edge()
        .headers(43, WHOLE, GET)
        .origin()
        .frame(Kind::HEADERS, WHOLE, 43, b"\x88\xbe")
        .reset(17, 0x8);
    let line = assert_healthy(&dialogue);
    assert!(h2(&line).joined_late);
    let told: Vec<_> = line.exchanges.iter().map(|it| (it.stream, it.visibility, it.complete())).collect();
    assert_eq!(told, [(Some(41), Visibility::Obscured, true), (Some(43), Visibility::Clear, true)]);
}

#[test]
fn a_request_that_is_read_late_may_have_been_answered() {
    let dialogue = Dialogue::silent()
        .gap(Peer::Edge, 0)
        .gap(Peer::Origin, 0)
        .origin()
        .ping()
        .ping()
        .ping()
        .edge()
        .headers(5, WHOLE, GET)
        .origin()
        .headers(5, END_HEADERS, OK)
        .edge()
        .ping()
        .window(0, 9)
        .headers(7, WHOLE, GET)
        .origin()
        .data(5, END_STREAM, b"five")
        .headers(7, WHOLE, OK);
    let line = assert_healthy(&dialogue);
    let told: Vec<_> = line.exchanges.iter().map(|it| (it.stream, it.visibility, it.complete())).collect();
    assert_eq!(told, [(Some(5), Visibility::Obscured, true), (Some(7), Visibility::Clear, true)]);
}

#[test]
fn a_capture_of_the_origin_alone_proves_nothing_about_streams() {
    let origin =
        Dialogue::silent().origin().settings(&[]).headers(1, END_HEADERS, OK).data(1, END_STREAM, &[0; 70_000]);
    assert_healthy(&origin);
}

#[test]
fn a_hole_in_data_is_counted() {
    let dialogue = Dialogue::asked()
        .headers(3, WHOLE, GET)
        .origin()
        .headers(1, END_HEADERS, &[(":status", "200"), ("content-length", "100")])
        .raw(&frame_header(100, Kind::DATA, END_STREAM, 1))
        .raw(b"only this")
        .gap(Peer::Origin, 91)
        .origin()
        .headers(3, WHOLE, OK);
    let line = assert_healthy(&dialogue);
    assert!(!h2(&line).joined_late);
    let told: Vec<_> = line.exchanges.iter().map(|it| (it.visibility, it.complete())).collect();
    assert_eq!(told, [(Visibility::Obscured, true), (Visibility::Clear, true)]);
    assert_eq!(line.exchanges[0].response.as_ref().map(|response| response.body_bytes), Some(100));
}

#[test]
fn a_hole_in_a_header_block_hides_it_and_the_table() {
    let indexed = b"\x48\x03200\x40\x01a\x01b";
    let dialogue = Dialogue::asked()
        .headers(3, WHOLE, GET)
        .origin()
        .raw(&frame_header(indexed.len(), Kind::HEADERS, WHOLE, 1))
        .raw(&indexed[..3])
        .gap(Peer::Origin, indexed.len() as u64 - 3)
        .origin()
        .frame(Kind::HEADERS, END_HEADERS, 3, b"\xbf\xbe")
        .data(3, END_STREAM, b"x");
    let line = assert_healthy(&dialogue);
    let told: Vec<_> = line.exchanges.iter().map(|it| (it.visibility, it.complete())).collect();
    assert_eq!(told, [(Visibility::Obscured, true), (Visibility::Obscured, true)]);
}

#[test]
fn a_hidden_head_may_have_been_an_interim_one() {
    let hidden = block(&[(":status", "103")]);
    let dialogue = Dialogue::asked()
        .origin()
        .raw(&frame_header(hidden.len(), Kind::HEADERS, END_HEADERS, 1))
        .gap(Peer::Origin, hidden.len() as u64)
        .origin()
        .headers(1, END_HEADERS, OK)
        .data(1, END_STREAM, b"hello");
    let line = assert_healthy(&dialogue);
    assert_eq!((exchange(&line).visibility, response(&line).status), (Visibility::Obscured, Some(200)));
}

#[test]
fn a_head_may_be_lost_before_the_origin_is_read_again() {
    let dialogue = Dialogue::new()
        .gap(Peer::Origin, 40)
        .edge()
        .headers(1, WHOLE, GET)
        .origin()
        // A flag that no RFC defines: too unusual to be taken for the beginning of a frame.
        .headers(1, END_HEADERS | 0x40, OK)
        .data(1, 0, b"some")
        .ping()
        .data(1, END_STREAM, b"more");
    let line = assert_healthy(&dialogue);
    assert_eq!((exchange(&line).visibility, exchange(&line).complete()), (Visibility::Obscured, true));
}

#[test]
fn an_unopened_stream_is_no_offence_where_the_edges_bytes_are_missing() {
    let dialogue = Dialogue::new().origin().headers(1, WHOLE, OK).gap(Peer::Edge, 80);
    assert_healthy(&dialogue);
}

#[test]
fn after_a_hole_in_the_origins_stream_nothing_is_held_against_it() {
    let lost = 9 + block(OK).len() as u64 + 9;
    let dialogue = Dialogue::asked()
        .headers(3, WHOLE, GET)
        .gap(Peer::Origin, lost)
        .origin()
        // The rest of DATA whose header was lost.
        .raw(b"rest")
        .data(1, END_STREAM, b"body")
        .ping()
        .ping()
        .headers(3, WHOLE, OK)
        .headers(2, END_HEADERS, OK)
        .continuation(7, END_HEADERS, b"\x88");
    let line = dialogue.told();
    assert_eq!(rules(&line), [Rule::H2Continuation], "only what is certain");
    let told: Vec<_> = line.exchanges.iter().map(|it| (it.visibility, it.complete())).collect();
    assert_eq!(told, [(Visibility::Obscured, true), (Visibility::Obscured, true)]);
}

#[test]
fn continuations_of_a_block_that_was_missed_are_no_offence() {
    let dialogue = Dialogue::asked()
        .gap(Peer::Origin, 500)
        .origin()
        .continuation(1, 0, b"xx")
        .continuation(1, END_HEADERS, b"xx")
        .data(1, 0, b"body")
        .data(1, END_STREAM, b"");
    let line = assert_healthy(&dialogue);
    assert_eq!(exchange(&line).visibility, Visibility::Obscured);
    assert!(exchange(&line).complete());
}

#[test]
fn after_a_hole_in_the_edges_stream_the_origins_streams_are_not_doubted() {
    let dialogue = Dialogue::asked()
        .gap(Peer::Edge, 100)
        .origin()
        .headers(1, WHOLE, OK)
        .headers(3, END_HEADERS, OK)
        .data(3, END_STREAM, &[0; 60_000])
        .push(3, 2, GET);
    let line = assert_healthy(&dialogue);
    assert_eq!(exchange(&line).visibility, Visibility::Obscured);
}

#[test]
fn a_stream_opened_while_the_origin_is_not_readable_is_obscured() {
    let dialogue = Dialogue::new().gap(Peer::Origin, 40).edge().headers(1, WHOLE, GET).origin().raw(&[0x5a; 500]);
    let line = assert_healthy(&dialogue);
    assert_eq!((exchange(&line).visibility, &exchange(&line).response), (Visibility::Obscured, &None));
}
