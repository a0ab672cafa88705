//! What is told of healthy exchanges, cancelled ones, and how a connection ends.

use super::dialogue::*;
use super::*;
use crate::http::h2::frame::{FrameHeader, Kind};
use crate::timeline::{Framing, H2Error, Interim, Peer, Visibility};

#[test]
fn a_get_and_its_answer() {
    let ok = &[(":status", "200"), ("server", "unit"), ("content-length", "5"), ("content-type", "text/plain")];
    let line =
        assert_healthy(&Dialogue::asked().origin().headers(1, END_HEADERS, ok).origin().data(1, END_STREAM, b"hello"));
    assert_eq!(line.protocol, Some("h2"));
    let exchange = exchange(&line);
    assert!(exchange.clean());
    assert_eq!((exchange.number, exchange.stream, exchange.visibility), (1, Some(1), Visibility::Clear));
    let request = &exchange.request;
    assert_eq!((&*request.method, &*request.target, request.host.as_deref()), ("GET", "/cart", Some("shop.example")));
    let request_len = 9 + block(GET).len() as u64;
    assert_eq!((request.start, request.end), (mark(4, 42), Some(mark(4, 42 + request_len - 1))));
    let response = response(&line);
    let head_len = 9 + block(ok).len() as u64;
    assert_eq!((response.start, response.head_end), (mark(5, 24), Some(mark(5, 24 + head_len - 1))));
    assert_eq!((response.end, response.latest), (Some(mark(6, 24 + head_len + 13)), mark(6, 24 + head_len + 13)));
    assert_eq!((response.status, response.body_bytes, response.framing), (Some(200), 5, Framing::Frames(Some(5))));
    assert_eq!((response.server.as_deref(), response.content_type.as_deref()), (Some("unit"), Some("text/plain")));
    let size: usize = ok.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    assert_eq!((response.head_bytes, response.fields), (size as u64, 3));
    assert_eq!((response.largest_field, response.largest_field_name.as_str()), (22, "content-type"));
}

#[test]
fn a_response_is_whole_when_all_bytes_that_it_announced_came() {
    let announced = &[(":status", "200"), ("content-length", "5")];
    let reset = |came: &[u8]| {
        let answered = Dialogue::asked().origin().headers(1, END_HEADERS, announced).data(1, 0, came);
        assert_healthy(&answered.edge().reset(1, H2Error::STREAM_CLOSED.0).origin().data(1, END_STREAM, b""))
    };
    assert!(exchange(&reset(b"hello")).clean(), "the edge did not wait for END_STREAM");
    assert!(response(&reset(b"hell")).end.is_none());
}

#[test]
fn interim_responses_body_and_trailers() {
    let dialogue = Dialogue::new()
        .edge()
        .headers(1, END_HEADERS, &[POST, &[("expect", "100-continue"), ("content-length", "4")]].concat())
        .origin()
        .headers(1, END_HEADERS, &[(":status", "100")])
        .edge()
        .data(1, END_STREAM, b"body")
        .origin()
        .headers(1, END_HEADERS, &[(":status", "103"), ("link", "</a.css>")])
        .headers(1, END_HEADERS, &[(":status", "200"), ("content-type", "application/grpc")])
        .data(1, 0, b"\0\0\0\0\0")
        .headers(1, WHOLE, &[("grpc-status", "14"), ("grpc-message", "unavailable")]);
    let line = assert_healthy(&dialogue);
    let exchange = exchange(&line);
    assert!(exchange.clean());
    assert!(exchange.request.expect_continue);
    assert_eq!((exchange.request.body_bytes, exchange.request.framing), (4, Framing::Frames(Some(4))));
    assert_eq!(exchange.interim.iter().map(|interim| interim.status).collect::<Vec<_>>(), [100, 103]);
    assert_eq!(exchange.interim.first(), Some(&Interim { status: 100, at: mark(5, 24) }));
    assert_eq!((response(&line).status, response(&line).grpc_status), (Some(200), Some(14)));
}

#[test]
fn streams_are_interleaved() {
    let dialogue = Dialogue::asked()
        .headers(3, WHOLE, GET)
        .headers(5, WHOLE, GET)
        .origin()
        .headers(5, END_HEADERS, OK)
        .headers(1, END_HEADERS, OK)
        .data(5, 0, b"five")
        .data(1, END_STREAM, b"one")
        .headers(3, WHOLE, &[(":status", "204")])
        .data(5, END_STREAM, b"");
    let line = assert_healthy(&dialogue);
    let told: Vec<_> = line.exchanges.iter().map(|it| (it.number, it.stream, it.clean())).collect();
    assert_eq!(told, [(1, Some(1), true), (2, Some(3), true), (3, Some(5), true)]);
    let bodies: Vec<_> = line.exchanges.iter().map(|it| it.response.as_ref().unwrap().body_bytes).collect();
    assert_eq!(bodies, [3, 0, 4]);
}

#[test]
fn responses_without_content_may_name_a_length() {
    let named = &[(":status", "200"), ("content-length", "999")];
    let head = Dialogue::new().edge().headers(1, WHOLE, HEAD).origin().headers(1, WHOLE, named);
    assert_eq!(response(&assert_healthy(&head)).framing, Framing::None);
    let not_modified = &[(":status", "304"), ("content-length", "999")];
    let line = assert_healthy(&Dialogue::asked().origin().headers(1, WHOLE, not_modified));
    assert_eq!(response(&line).framing, Framing::None);
}

#[test]
fn a_tunnel_has_no_length() {
    let connect = &[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/ws")];
    let dialogue = Dialogue::new()
        .edge()
        .headers(1, END_HEADERS, connect)
        .origin()
        .headers(1, END_HEADERS, &[(":status", "200"), ("content-length", "2")])
        .data(1, 0, b"frame");
    assert_eq!(response(&assert_healthy(&dialogue)).framing, Framing::Tunnel);
}

#[test]
fn padding_priority_continuation_and_unknown_frames_are_read() {
    let whole = block(&[(":status", "200"), ("content-length", "3")]);
    let (first, second) = whole.split_at(7);
    let padded = [&[3, 0, 0, 0, 0, 16][..], first, &[0, 0, 0]].concat();
    let dialogue = Dialogue::asked()
        .origin()
        .frame(Kind(0xfa), 0xff, 77, b"something new")
        .frame(Kind::PRIORITY, 0, 9, &[0, 0, 0, 1, 5])
        .frame(Kind::HEADERS, FrameHeader::PADDED | FrameHeader::PRIORITY, 1, &padded)
        .origin()
        .continuation(1, 0, &[])
        .continuation(1, END_HEADERS, second)
        .frame(Kind::DATA, FrameHeader::PADDED | END_STREAM, 1, b"\x02abc\0\0");
    let line = assert_healthy(&dialogue);
    assert_eq!((response(&line).body_bytes, response(&line).framing), (3, Framing::Frames(Some(3))));
    assert!(exchange(&line).clean());
}

#[test]
fn the_edge_cancels() {
    let line = assert_healthy(&Dialogue::asked().edge().reset(1, 0x8).origin().headers(1, WHOLE, OK));
    assert_eq!(exchange(&line).request.cancelled, Some(packet(5)));
    assert_eq!(exchange(&line).response, None, "what was on its way belongs to nothing");
    let reset = &h2(&line).resets[0];
    assert_eq!((reset.from, reset.stream, reset.error, reset.after_response), (Peer::Edge, 1, H2Error::CANCEL, false));

    let blaming = Dialogue::asked().origin().headers(1, END_HEADERS, OK).edge().reset(1, 0x1).told();
    assert_eq!(exchange(&blaming).request.cancelled, None, "PROTOCOL_ERROR is no cancellation");
}

#[test]
fn a_reset_after_a_complete_response_is_no_failure() {
    let dialogue = Dialogue::new()
        .edge()
        .headers(1, END_HEADERS, POST)
        .data(1, 0, b"some of it")
        .origin()
        .headers(1, WHOLE, &[(":status", "413")])
        .reset(1, 0)
        .edge()
        .data(1, 0, b"was on its way");
    let line = assert_healthy(&dialogue);
    assert!(h2(&line).resets[0].after_response);
    assert!(response(&line).end.is_some());
    assert!(!exchange(&line).complete(), "the request never was");
}

#[test]
fn the_origin_resets_and_goes_away() {
    let dialogue = Dialogue::asked()
        .headers(3, WHOLE, GET)
        .origin()
        .headers(1, END_HEADERS, OK)
        .data(1, 0, b"some")
        .reset(1, 0x2)
        .goaway(1, 0xb, "too many requests");
    let line = assert_healthy(&dialogue);
    let reset = &h2(&line).resets[0];
    assert_eq!((reset.from, reset.error, reset.after_response), (Peer::Origin, H2Error(0x2), false));
    let goaway = &h2(&line).goaways[0];
    assert_eq!((goaway.from, goaway.last_stream, goaway.error), (Peer::Origin, 1, H2Error(0xb)));
    assert_eq!((goaway.debug.as_str(), goaway.packet), ("too many requests", packet(5)));
    assert_eq!(line.exchanges[0].response.as_ref().map(|response| response.end), Some(None));
    assert_eq!(line.exchanges[1].response, None);
}

#[test]
fn pushed_streams_are_no_exchanges() {
    let dialogue = Dialogue::asked()
        .origin()
        .push(1, 2, GET)
        .headers(1, END_HEADERS, OK)
        .headers(2, END_HEADERS, OK)
        .data(2, END_STREAM, b"pushed")
        .data(1, END_STREAM, b"asked for");
    let line = assert_healthy(&dialogue);
    assert_eq!(response(&line).body_bytes, 9);
}

#[test]
fn a_stalled_response_has_no_end() {
    let dialogue = Dialogue::asked().origin().headers(1, END_HEADERS, OK).data(1, END_STREAM, b"0123456789").cut(45);
    let line = assert_healthy(&dialogue.end(Peer::Origin));
    let said = 9 + block(OK).len() as u64;
    assert_eq!((response(&line).end, response(&line).body_bytes), (None, 45 - said - 9));
    assert_eq!(response(&line).latest, mark(5, 24 + 44));
}

#[test]
fn half_a_head_is_a_response_that_began() {
    let line = assert_healthy(&Dialogue::asked().origin().headers(1, WHOLE, OK).cut(15));
    let response = response(&line);
    assert_eq!((response.start, response.head_end, response.status), (mark(5, 24), None, None));
    let request = assert_healthy(&Dialogue::new().edge().headers(1, WHOLE, GET).cut(12));
    assert_eq!((exchange(&request).request.start, exchange(&request).request.head_end), (mark(4, 42), None));
}

#[test]
fn another_protocol_is_recognised() {
    use crate::timeline::Spoken;
    let http1 = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
    let cases: [(&[u8], Spoken); 5] = [
        (http1, Spoken::Http1),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", Spoken::Ssh),
        (b"\x15\x03\x03\x00\x02\x02\x28", Spoken::Tls),
        (b"<html>", Spoken::Markup),
        (b"\x4a\0\0\0\x0a5.7.33", Spoken::Unknown),
    ];
    for (bytes, spoken) in cases {
        let dialogue = Dialogue::silent().edge().preface().settings(&[]).headers(1, WHOLE, GET).origin().raw(bytes);
        let line = dialogue.told();
        let not = h2(&line).spoken_instead.as_ref().unwrap();
        assert_eq!((not.spoken, not.at), (spoken, mark(2, 0)));
        assert_eq!(not.preview, &bytes[..bytes.len().min(64)]);
        assert_eq!((rules(&line), &exchange(&line).response), (vec![], &None));
        for size in 1..20 {
            assert_eq!(dialogue.told_in_pieces(size), line, "pieces of {size}");
        }
    }
}

#[test]
fn after_an_upgrade_the_request_is_stream_1() {
    let mut upgraded = Dialogue::asked().told();
    upgraded.h2 = None;
    upgraded.exchanges[0].stream = None;
    let dialogue = Dialogue::upgraded(upgraded)
        .origin()
        .settings(&[])
        .edge()
        .preface()
        .settings(&[])
        .origin()
        .headers(1, END_HEADERS, OK)
        .data(1, END_STREAM, b"hello")
        .edge()
        .headers(3, WHOLE, GET)
        .origin()
        .headers(3, WHOLE, OK);
    let line = assert_healthy(&dialogue);
    let told: Vec<_> = line.exchanges.iter().map(|it| (it.number, it.stream, it.clean())).collect();
    assert_eq!(told, [(1, Some(1), true), (2, Some(3), true)]);
}

#[test]
fn clean_exchanges_are_folded() {
    let mut dialogue = Dialogue::new();
    for nth in 0..300 {
        let stream = nth * 2 + 1;
        dialogue = dialogue.edge().headers(stream, WHOLE, GET).origin().headers(stream, WHOLE, OK);
    }
    let line = dialogue.told();
    assert_eq!(line.exchanges.len() as u64 + line.folded, 300);
    assert!((64..96).contains(&line.exchanges.len()), "{} are kept", line.exchanges.len());
    assert_eq!(line.exchanges.last().map(|exchange| exchange.number), Some(300));
    assert_eq!(rules(&line), []);
}
