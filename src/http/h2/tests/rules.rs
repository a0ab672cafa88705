//! Every rule of RFC 9113 that is held against an origin, at its byte.

use super::dialogue::*;
use super::*;
use crate::http::h2::frame::{FrameHeader, Kind};
use crate::timeline::{Deviation, Peer};

/// Where a deviation must be found.
enum Place {
    Connection,
    Response,
}
use Place::{Connection, Response};

/// Says that the origin breaks `rule` and no other, in the last packet, `skip` bytes after its first frame begins,
/// however the bytes are split.
#[track_caller]
fn assert_broken(dialogue: &Dialogue, place: Place, rule: Rule, packet_start: u64, skip: u64) -> Deviation {
    let line = dialogue.told();
    assert_eq!(rules(&line), [rule]);
    let found = match place {
        Connection => &h2(&line).deviations[0],
        Response => &response(&line).deviations[0],
    };
    assert_eq!((found.mark.packet, found.mark.offset), (packet(5), packet_start + skip), "{rule:?}");
    assert!(!found.bytes.is_empty() && found.bytes.len() <= 64);
    for size in [1, 2, 5, 9, 13] {
        assert_eq!(dialogue.told_in_pieces(size), line, "pieces of {size}");
    }
    found.clone()
}

/// Where the origin's bytes stand after [`Dialogue::asked`].
const START: u64 = 24;

#[test]
fn rules_of_the_connection() {
    let head_len = 9 + block(OK).len() as u64;
    let asked = || Dialogue::asked().origin();
    let open = |dialogue: Dialogue| dialogue.headers(1, END_HEADERS, OK);
    let long = vec![0; 16_385];
    let cases = [
        ("SETTINGS of 5 bytes", asked().frame(Kind::SETTINGS, 0, 0, b"12345"), Rule::H2FrameSize, 0),
        ("SETTINGS ack with payload", asked().frame(Kind::SETTINGS, 1, 0, b"123456"), Rule::H2FrameSize, 0),
        ("PING of 7 bytes", asked().frame(Kind::PING, 0, 0, b"1234567"), Rule::H2FrameSize, 0),
        ("RST_STREAM of 3 bytes", asked().frame(Kind::RST_STREAM, 0, 1, b"123"), Rule::H2FrameSize, 0),
        ("GOAWAY of 7 bytes", asked().frame(Kind::GOAWAY, 0, 0, b"1234567"), Rule::H2FrameSize, 0),
        ("WINDOW_UPDATE of 5 bytes", asked().frame(Kind::WINDOW_UPDATE, 0, 0, b"12345"), Rule::H2FrameSize, 0),
        ("a frame of 16385 bytes", open(asked()).data(1, END_STREAM, &long), Rule::H2FrameSize, head_len),
        ("an unknown frame of 16385 bytes", asked().frame(Kind(0x55), 0, 0, &long), Rule::H2FrameSize, 0),
        ("SETTINGS on a stream", asked().frame(Kind::SETTINGS, 0, 1, &[]), Rule::H2FrameOnWrongStream, 0),
        ("PING on a stream", asked().frame(Kind::PING, 0, 1, b"12345678"), Rule::H2FrameOnWrongStream, 0),
        ("GOAWAY on a stream", asked().frame(Kind::GOAWAY, 0, 1, b"12345678"), Rule::H2FrameOnWrongStream, 0),
        ("HEADERS on stream 0", asked().headers(0, END_HEADERS, OK), Rule::H2FrameOnWrongStream, 0),
        ("DATA on stream 0", asked().data(0, 0, b"x"), Rule::H2FrameOnWrongStream, 0),
        ("HEADERS on an idle stream", asked().headers(99, END_HEADERS, OK), Rule::H2StreamNeverOpened, 0),
        ("DATA on an idle stream", asked().data(99, 0, b"x"), Rule::H2StreamNeverOpened, 0),
        ("RST_STREAM on an idle stream", asked().reset(99, 0), Rule::H2StreamNeverOpened, 0),
        ("WINDOW_UPDATE on an idle stream", asked().window(99, 1), Rule::H2StreamNeverOpened, 0),
        ("a push that was not promised", asked().headers(2, END_HEADERS, OK), Rule::H2StreamNeverOpened, 0),
        ("CONTINUATION of nothing", asked().continuation(1, END_HEADERS, b"\x80"), Rule::H2Continuation, 0),
        ("ENABLE_PUSH by a server", asked().settings(&[(3, 9), (2, 1)]), Rule::H2SettingValue, 9 + 6),
        ("INITIAL_WINDOW_SIZE of 2^31", asked().settings(&[(4, 0x8000_0000)]), Rule::H2SettingValue, 9),
        ("MAX_FRAME_SIZE of 16383", asked().settings(&[(5, 16_383)]), Rule::H2SettingValue, 9),
        ("WINDOW_UPDATE of 0 on the connection", asked().window(0, 0), Rule::H2WindowUpdate, 9),
        ("WINDOW_UPDATE of 0 on a stream", asked().window(1, 0), Rule::H2WindowUpdate, 9),
        ("a window above 2^31-1", asked().window(0, 0x7fff_ffff), Rule::H2WindowUpdate, 9),
        (
            "padding longer than DATA",
            asked().headers(1, END_HEADERS, OK).frame(Kind::DATA, 8, 1, b"\x05abc"),
            Rule::H2Padding,
            head_len,
        ),
        ("a promise of an odd stream", asked().push(1, 7, GET), Rule::H2PushForbidden, 9),
        ("a promise of stream 0", asked().push(1, 0, GET), Rule::H2PushForbidden, 9),
    ];
    for (what, dialogue, rule, skip) in cases {
        println!("{what}");
        assert_broken(&dialogue, Connection, rule, START, skip);
    }
}

#[test]
fn rules_of_a_response() {
    let asked = || Dialogue::asked().origin();
    let open = |fields| Dialogue::asked().origin().headers(1, END_HEADERS, fields);
    let head_len = |fields: &[(&str, &str)]| 9 + block(fields).len() as u64;
    let upper = &[(":status", "200"), ("Server", "x")];
    let late = &[("server", "x"), (":status", "200")];
    let five = &[(":status", "200"), ("content-length", "5")];
    let trailing = head_len(OK);
    let second = 9 + block(&[(":status", "200")]).len() as u64;
    let cases = [
        ("an upper-case name", asked().headers(1, WHOLE, upper), Rule::H2FieldNameUpperCase, second),
        ("a NUL", asked().headers(1, WHOLE, &[(":status", "200"), ("a", "\0")]), Rule::H2FieldMalformed, second),
        (
            "connection: close",
            asked().headers(1, WHOLE, &[(":status", "200"), ("connection", "close")]),
            Rule::H2ConnectionField,
            second,
        ),
        ("no :status", asked().headers(1, WHOLE, &[("server", "x")]), Rule::H2StatusMissing, 9),
        (":status 20", asked().headers(1, WHOLE, &[(":status", "20")]), Rule::H2StatusMalformed, 9),
        (":status 101", asked().headers(1, WHOLE, &[(":status", "101")]), Rule::H2StatusMalformed, 9),
        (
            "a late :status",
            asked().headers(1, WHOLE, late),
            Rule::H2PseudoAfterRegular,
            9 + block(&[("server", "x")]).len() as u64,
        ),
        (
            ":path in a response",
            asked().headers(1, WHOLE, &[(":status", "200"), (":path", "/")]),
            Rule::H2PseudoUnknown,
            second,
        ),
        (":status in trailers", open(OK).headers(1, WHOLE, &[(":status", "200")]), Rule::H2PseudoUnknown, trailing + 9),
        (
            "trailers that end nothing",
            open(OK).headers(1, END_HEADERS, &[("a", "b")]),
            Rule::H2HeadersUnexpected,
            trailing,
        ),
        ("1xx that ends the stream", asked().headers(1, WHOLE, &[(":status", "103")]), Rule::H2HeadersUnexpected, 0),
        ("short", open(five).data(1, END_STREAM, b"four"), Rule::H2ContentLength, head_len(five)),
        ("no DATA at all", asked().headers(1, WHOLE, five), Rule::H2ContentLength, 0),
        ("long", open(five).data(1, END_STREAM, b"123456"), Rule::H2ContentLength, head_len(five) + 9 + 5),
        ("DATA first", asked().data(1, END_STREAM, b"hello"), Rule::H2DataBeforeHeaders, 0),
        ("DATA after END_STREAM", asked().headers(1, WHOLE, OK).data(1, 0, b"x"), Rule::H2FrameAfterEnd, trailing),
        (
            "HEADERS after END_STREAM",
            asked().headers(1, WHOLE, OK).headers(1, WHOLE, OK),
            Rule::H2FrameAfterEnd,
            trailing,
        ),
        ("DATA in a 304", open(&[(":status", "304")]).data(1, END_STREAM, b"x"), Rule::H2DataWhereNone, second + 9),
        ("HPACK index 0", asked().frame(Kind::HEADERS, WHOLE, 1, b"\x88\x80"), Rule::HpackMalformed, 10),
        ("a cut string", asked().frame(Kind::HEADERS, WHOLE, 1, b"\x88\0\x09a"), Rule::HpackMalformed, 10),
        ("a table size in mid-block", asked().frame(Kind::HEADERS, WHOLE, 1, b"\x88\x20"), Rule::HpackMalformed, 10),
        ("DATA after the own RST_STREAM", open(OK).reset(1, 2).data(1, 0, b"x"), Rule::H2FrameAfterEnd, trailing + 13),
    ];
    for (what, dialogue, rule, skip) in cases {
        println!("{what}");
        assert_broken(&dialogue, Response, rule, START, skip);
    }
}

#[test]
fn a_field_in_a_continuation_is_found_there() {
    let first = block(&[(":status", "200")]);
    let second = block(&[("a", "b"), ("Bad", "c")]);
    let dialogue = Dialogue::asked().origin().frame(Kind::HEADERS, END_STREAM, 1, &first).origin().continuation(
        1,
        END_HEADERS,
        &second,
    );
    let line = dialogue.told();
    let deviation = &response(&line).deviations[0];
    let offset = START + 9 + first.len() as u64 + 9 + block(&[("a", "b")]).len() as u64;
    assert_eq!((deviation.rule, deviation.mark), (Rule::H2FieldNameUpperCase, mark(6, offset)));
    assert_eq!(deviation.at, offset - START);
    assert_eq!(deviation.bytes, b"Bad: c");
}

#[test]
fn a_header_block_may_not_be_interrupted() {
    let begun = || Dialogue::asked().headers(3, WHOLE, GET).origin().frame(Kind::HEADERS, END_STREAM, 1, &block(OK));
    let skip = 9 + block(OK).len() as u64;
    for (what, dialogue) in [
        ("PING", begun().ping()),
        ("an unknown frame", begun().frame(Kind(0x77), 0, 0, b"x")),
        ("HEADERS of another stream", begun().headers(3, WHOLE, OK)),
        ("CONTINUATION of another stream", begun().continuation(3, END_HEADERS, b"")),
        ("DATA", begun().data(1, END_STREAM, b"")),
    ] {
        let line = dialogue.told();
        let deviation = &h2(&line).deviations[0];
        assert_eq!((deviation.rule, deviation.mark), (Rule::H2Continuation, mark(5, START + skip)), "{what}");
        let response = line.exchanges[0].response.as_ref().unwrap();
        assert_eq!((response.start, response.head_end), (mark(5, START), None), "{what}");
    }
}

#[test]
fn the_first_frame_is_settings() {
    let hello = || Dialogue::silent().edge().preface().settings(&[]).headers(1, WHOLE, GET).origin();
    let line = hello().headers(1, WHOLE, OK).told();
    assert_eq!(rules(&line), [Rule::H2SettingsNotFirst]);
    assert_eq!(h2(&line).deviations[0].mark, mark(2, 0));
    assert_eq!(response(&line).status, Some(200), "it is read all the same");
    assert_eq!(rules(&hello().goaway(0, 1, "").told()), []);
}

#[test]
fn push_needs_leave() {
    let off = |ack: bool| {
        let dialogue =
            Dialogue::silent().edge().preface().settings(&[(2, 0)]).headers(1, WHOLE, GET).origin().settings(&[]);
        (if ack { dialogue.ack() } else { dialogue }).origin().push(1, 2, GET)
    };
    assert_eq!(rules(&off(false).told()), [], "sent before the origin knew");
    assert_eq!(rules(&off(true).told()), [Rule::H2PushForbidden]);
    let over = Dialogue::asked().origin().headers(1, WHOLE, OK).push(1, 2, GET);
    assert_eq!(rules(&over.told()), [Rule::H2PushForbidden], "on a stream that is over");
    let twice = Dialogue::asked().origin().push(1, 4, GET).push(1, 2, GET);
    assert_eq!(rules(&twice.told()), [Rule::H2PushForbidden], "numbers rise");
}

#[test]
fn larger_frames_are_allowed_by_the_edges_settings() {
    let dialogue = Dialogue::asked()
        .edge()
        .settings(&[(5, 20_000)])
        .origin()
        .headers(1, END_HEADERS, OK)
        .data(1, 0, &[0; 20_000])
        .ack()
        .data(1, END_STREAM, &[0; 20_000]);
    assert_healthy(&dialogue);
    assert_eq!(rules(&dialogue.origin().frame(Kind(0x77), 0, 0, &[0; 20_001]).told()), [Rule::H2FrameSize]);
}

#[test]
fn the_flow_control_window_binds() {
    let send = |dialogue: Dialogue, frames: usize| {
        let dialogue = dialogue.origin().headers(1, END_HEADERS, OK);
        (0..frames).fold(dialogue, |dialogue, _| dialogue.data(1, 0, &[0; 16_000]))
    };
    assert_eq!(rules(&send(Dialogue::asked(), 4).told()), []);
    let over = send(Dialogue::asked(), 5).told();
    assert_eq!(rules(&over), [Rule::H2FlowControl; 2], "of the connection and of the stream");
    let offset = START + 9 + block(OK).len() as u64 + 4 * 16_009;
    assert_eq!(h2(&over).deviations[0].mark, mark(5, offset));
    assert_eq!(response(&over).deviations[0].mark, mark(5, offset));
    let granted = || Dialogue::asked().edge().window(0, 20_000).window(1, 20_000);
    assert_eq!(rules(&send(granted(), 5).told()), []);
    let later = send(Dialogue::asked(), 5).edge().window(0, 20_000).window(1, 20_000);
    assert_eq!(rules(&later.told()), [], "the edge made room: the capture may have shown it late");
    let larger = Dialogue::asked().edge().settings(&[(4, 200_000)]).window(0, 200_000);
    assert_eq!(rules(&send(larger, 10).told()), []);
    let refused = send(Dialogue::asked().edge().window(0, 99_999), 5).edge().reset(1, 0x3).told();
    assert_eq!(rules(&refused), [Rule::H2FlowControl]);
}

#[test]
fn padding_counts_against_the_window() {
    let padded = |dialogue: Dialogue| {
        (0..300).fold(dialogue, |dialogue, _| {
            dialogue.frame(Kind::DATA, FrameHeader::PADDED, 1, &[[250].as_slice(), &[0; 250]].concat())
        })
    };
    let line = padded(Dialogue::asked().origin().headers(1, END_HEADERS, OK)).told();
    assert_eq!(response(&line).body_bytes, 0);
    assert_eq!(rules(&line), [Rule::H2FlowControl; 2]);
}

#[test]
fn an_answer_that_the_capture_shows_before_its_question_is_no_offence() {
    let dialogue = Dialogue::new().origin().headers(1, WHOLE, OK).edge().headers(1, WHOLE, GET);
    let line = dialogue.told();
    assert_eq!(rules(&line), []);
    assert_eq!(exchange(&line).visibility, crate::timeline::Visibility::Obscured);
}

#[test]
fn a_smaller_table_that_was_acknowledged_must_be_signalled() {
    let shrunk = |ack: bool| {
        let dialogue =
            Dialogue::silent().edge().preface().settings(&[(1, 0)]).headers(1, WHOLE, GET).origin().settings(&[]);
        if ack { dialogue.ack() } else { dialogue }
    };
    let line = shrunk(true).headers(1, WHOLE, OK).told();
    assert_eq!(rules(&line), [Rule::HpackMalformed]);
    assert_eq!(response(&line).status, Some(200), "it is read all the same");
    assert_eq!(rules(&shrunk(false).headers(1, WHOLE, OK).told()), []);
    let signalled = [&[0x20][..], &block(OK)].concat();
    assert_eq!(rules(&shrunk(true).frame(Kind::HEADERS, WHOLE, 1, &signalled).told()), []);
}

#[test]
fn the_edges_mistakes_are_not_judged() {
    let dialogue = Dialogue::asked()
        .edge()
        .frame(Kind::SETTINGS, 0, 0, b"123")
        .window(0, 0)
        .headers(2, WHOLE, GET)
        .frame(Kind::HEADERS, WHOLE, 3, b"\x80")
        .continuation(9, END_HEADERS, b"x")
        .push(1, 2, GET)
        .data(77, 0, b"x")
        .origin()
        .headers(1, WHOLE, OK)
        .headers(3, WHOLE, OK)
        .end(Peer::Edge);
    let line = dialogue.told();
    assert_eq!(rules(&line), []);
    assert_eq!(line.exchanges.len(), 2);
    assert_eq!(line.exchanges[1].visibility, crate::timeline::Visibility::Obscured);
}
