//! Dialogues of encrypted records, and the exchanges that they tell.

use super::MAX_KEPT;
use crate::timeline::{Exchange, HandshakePhase, Peer, Visibility};
use crate::tls::testing::{
    CHANGE_CIPHER_SPEC, Driver, FINISHED, Seen, client_hello, keyless, record, sealed, sealed_tls12, server_hello,
};

const H1: &[&str] = &["http/1.1"];
const H2_OR_H1: &[&str] = &["h2", "http/1.1"];
const ALERT: usize = 2;

/// Each exchange as `request bytes > response bytes`, with `.` where the response is complete.
fn told(seen: &Seen) -> Vec<String> {
    let one = |exchange: &Exchange| {
        let response = exchange.response.as_ref().map_or("none".to_owned(), |response| {
            format!("{}{}", response.body_bytes, if response.end.is_some() { "." } else { "" })
        });
        format!("{} > {response}", exchange.request.body_bytes)
    };
    seen.line.exchanges.iter().map(one).collect()
}

#[test]
fn requests_and_responses_alternate() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).origin(&sealed(9_000), 1.2);
    driver.edge(&sealed(310), 2.0).edge(&sealed(50), 2.1).origin(&sealed(160), 2.2);
    driver.edge(&sealed(ALERT), 3.0).fin(Peer::Edge, 3.1).fin(Peer::Origin, 3.2);
    let seen = driver.finish();
    assert_eq!(told(&seen), ["300 > 9150.", "360 > 160."]);
    let first = &seen.line.exchanges[0];
    assert_eq!((first.number, first.visibility), (1, Visibility::Inferred));
    assert!(first.request.method.is_empty());
    let response = first.response.as_ref().expect("a response");
    assert_eq!(first.request.start.packet.number, 4);
    assert_eq!((response.start.packet.number, response.latest.packet.number), (5, 6));
}

#[test]
fn a_request_without_a_response_is_told() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).edge(&sealed(310), 2.0);
    driver.origin(&sealed(ALERT), 2.1).fin(Peer::Origin, 2.2);
    let seen = driver.finish();
    assert_eq!(told(&seen), ["300 > 150.", "310 > none"]);
    let alert = &seen.tls().alerts[0];
    assert_eq!((alert.from, alert.description, alert.packet.number), (Peer::Origin, None, 7));
    assert_eq!(alert.phase, HandshakePhase::Established);
}

#[test]
fn tickets_are_no_response() {
    let mut before = Driver::established(H1);
    before.origin(&[sealed(249), sealed(249)].concat(), 0.3).edge(&sealed(300), 1.0).fin(Peer::Origin, 1.1);
    assert_eq!(told(&before.finish()), ["300 > none"]);
    let mut after = Driver::established(H1);
    after.edge(&sealed(300), 0.25).origin(&sealed(249), 0.3).origin(&sealed(249), 0.31).fin(Peer::Origin, 1.1);
    assert_eq!(told(&after.finish()), ["300 > none"]);
    let mut around = Driver::established(H1);
    around.origin(&sealed(249), 0.3).edge(&sealed(300), 0.31).origin(&sealed(249), 0.32).fin(Peer::Origin, 1.1);
    assert_eq!(told(&around.finish()), ["300 > none"]);
}

#[test]
fn tickets_do_not_hide_the_response_behind_them() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 0.25).origin(&[sealed(249), sealed(249)].concat(), 0.3);
    driver.origin(&sealed(112), 0.5).edge(&sealed(310), 1.0).origin(&sealed(249), 1.1).fin(Peer::Origin, 2.0);
    assert_eq!(told(&driver.finish()), ["300 > 112.", "310 > 249."]);
}

#[test]
fn one_small_record_may_be_a_whole_response() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 0.25).origin(&sealed(112), 0.3).fin(Peer::Origin, 1.1);
    assert_eq!(told(&driver.finish()), ["300 > 112."]);
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 0.25).origin(&sealed(112), 0.3).edge(&sealed(310), 0.5).fin(Peer::Origin, 1.1);
    assert_eq!(told(&driver.finish()), ["300 > 112.", "310 > none"]);
}

#[test]
fn two_bytes_inside_a_response_are_no_alert() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).origin(&sealed(ALERT), 1.2);
    driver.origin(&sealed(5), 1.3).origin(&sealed(ALERT), 1.4).fin(Peer::Origin, 1.5);
    let seen = driver.finish();
    assert_eq!(told(&seen), ["300 > 157."]);
    assert_eq!(seen.tls().alerts.len(), 1);
}

#[test]
fn two_bytes_at_the_end_of_a_connection_that_goes_on_are_no_alert() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).origin(&sealed(ALERT), 1.2);
    let seen = driver.finish();
    assert_eq!(told(&seen), ["300 > 152"]);
    assert!(seen.tls().alerts.is_empty());
}

#[test]
fn a_reset_leaves_the_response_open_unless_it_was_quiet_for_long() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(9_000), 1.1).rst(Peer::Origin, 1.2);
    assert_eq!(told(&driver.finish()), ["300 > 9000"]);
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(9_000), 1.1).rst(Peer::Origin, 61.1);
    assert_eq!(told(&driver.finish()), ["300 > 9000."]);
}

#[test]
fn what_the_edge_sends_before_it_sees_the_response_belongs_to_the_request() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1);
    driver.send_unaware(Peer::Edge, &sealed(3_000), 1.2).edge(&sealed(310), 1.3).origin(&sealed(151), 1.4);
    driver.fin(Peer::Origin, 2.0);
    assert_eq!(told(&driver.finish()), ["3300 > 150.", "310 > 151."]);
}

#[test]
fn an_upload_goes_on_behind_an_early_response() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).edge(&sealed(16_000), 1.01).origin(&sealed(150), 1.02);
    driver.edge(&sealed(16_000), 1.03).edge(&sealed(700), 1.04).fin(Peer::Origin, 1.1);
    assert_eq!(told(&driver.finish()), ["33000 > 150."]);
}

#[test]
fn the_preface_of_http2_is_no_request() {
    let mut driver = Driver::established(H2_OR_H1);
    driver.edge(&sealed(75), 0.3).edge(&sealed(100), 0.4).origin(&[sealed(233), sealed(233)].concat(), 0.5);
    driver.origin(&sealed(51), 0.5).origin(&sealed(9), 0.5).edge(&sealed(9), 0.6).origin(&sealed(448), 0.7);
    driver.edge(&sealed(38), 1.0).edge(&sealed(13), 1.1).origin(&sealed(441), 1.2).edge(&sealed(17), 2.0);
    driver.edge(&sealed(ALERT), 2.0).fin(Peer::Edge, 2.1);
    assert_eq!(told(&driver.finish()), ["100 > 448.", "38 > 441."]);
}

#[test]
fn settings_that_come_first_mean_http2() {
    let mut driver = Driver::established(H2_OR_H1);
    driver.origin(&[sealed(265), sealed(265), sealed(40)].concat(), 0.3).edge(&sealed(75), 0.4);
    driver.origin(&sealed(9), 0.5).edge(&sealed(96), 0.6).fin(Peer::Origin, 0.7);
    assert_eq!(told(&driver.finish()), ["96 > none"]);
}

#[test]
fn goaway_is_no_response() {
    let mut driver = Driver::established(H2_OR_H1);
    driver.origin(&sealed(40), 0.3).edge(&sealed(75), 0.4).edge(&sealed(96), 0.5).origin(&sealed(17), 0.6);
    driver.fin(Peer::Origin, 0.7);
    assert_eq!(told(&driver.finish()), ["96 > none"]);
}

#[test]
fn http1_is_told_from_http2_where_both_are_offered() {
    let mut driver = Driver::established(H2_OR_H1);
    driver.edge(&sealed(80), 0.3).origin(&[sealed(249), sealed(249)].concat(), 0.4).origin(&sealed(1_500), 0.5);
    driver.edge(&sealed(81), 1.0).origin(&sealed(1_501), 1.1).edge(&sealed(350), 2.0).fin(Peer::Origin, 2.1);
    assert_eq!(told(&driver.finish()), ["80 > 1500.", "81 > 1501.", "350 > none"]);
}

/// A handshake of TLS 1.2 without keys.
fn established_tls12(protocol: &str) -> Driver {
    let mut driver = Driver::new(keyless());
    let key_exchange = record(22, &[16, 0, 0, 1, 0]);
    let finished = [CHANGE_CIPHER_SPEC, &sealed_tls12(22, 16)].concat();
    driver.edge(&client_hello(H2_OR_H1), 0.0);
    driver.origin(&[server_hello(0x0303, 0xc02f, Some(protocol)), record(22, &[14, 0, 0, 0])].concat(), 0.1);
    driver.edge(&[key_exchange, finished.clone()].concat(), 0.2).origin(&finished, 0.3);
    driver
}

#[test]
fn alerts_of_tls_1_2_are_told_by_their_type() {
    let mut driver = established_tls12("http/1.1");
    driver.edge(&sealed_tls12(23, 300), 1.0).origin(&sealed_tls12(23, ALERT), 1.1);
    driver.edge(&sealed_tls12(23, 310), 2.0).origin(&sealed_tls12(21, ALERT), 2.1).fin(Peer::Origin, 2.2);
    let seen = driver.finish();
    assert_eq!(told(&seen), ["300 > 2.", "310 > none"]);
    assert_eq!(seen.tls().phase, HandshakePhase::Established);
    assert_eq!(seen.tls().alerts.len(), 1);
}

#[test]
fn tls_1_2_tells_the_protocol() {
    let mut driver = established_tls12("h2");
    driver.edge(&sealed_tls12(23, 75), 1.0).origin(&sealed_tls12(23, 51), 1.1).edge(&sealed_tls12(23, 90), 1.2);
    driver.origin(&sealed_tls12(23, 9), 1.3).fin(Peer::Origin, 2.2);
    assert_eq!(told(&driver.finish()), ["90 > none"]);
}

#[test]
fn nothing_is_inferred_where_the_capture_joins_late() {
    let mut driver = Driver::new(keyless());
    driver.lose(Peer::Edge, 0, 0.0).lose(Peer::Origin, 0, 0.0);
    driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).edge(&sealed(300), 2.0).fin(Peer::Origin, 2.1);
    let seen = driver.finish();
    assert!(seen.line.exchanges.is_empty());
    assert!(seen.tls().joined_late);
}

#[test]
fn nothing_is_inferred_where_the_edge_sends_early_data() {
    let mut driver = Driver::new(keyless());
    driver.edge(&[client_hello(H1), sealed(300)].concat(), 0.0);
    driver.origin(&[server_hello(0x0304, 0x1301, None), sealed(23), sealed(FINISHED)].concat(), 0.1);
    driver.edge(&[sealed(4), sealed(FINISHED)].concat(), 0.2).edge(&sealed(300), 0.3).fin(Peer::Origin, 0.4);
    assert!(driver.finish().line.exchanges.is_empty());
}

#[test]
fn a_gap_obscures_the_exchange_that_it_falls_into() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).lose(Peer::Origin, 5_000, 1.1).fin(Peer::Origin, 1.2);
    assert_eq!(driver.finish().line.exchanges[0].visibility, Visibility::Obscured);
}

#[test]
fn old_exchanges_are_only_counted() {
    let mut driver = Driver::established(H1);
    for nth in 0..100 {
        let at = 1.0 + f64::from(nth);
        driver.edge(&sealed(300), at).origin(&sealed(1_500), at + 0.1);
    }
    let line = driver.finish().line;
    assert_eq!((line.exchanges.len(), line.folded), (MAX_KEPT, 100 - MAX_KEPT as u64));
    assert_eq!(line.exchanges.last().map(|exchange| exchange.number), Some(100));
}

#[test]
fn a_stream_that_ends_inside_a_record_cuts_the_response() {
    let begun = || {
        let mut driver = Driver::established(H1);
        driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1);
        driver
    };
    let mut cut = begun();
    cut.origin(&sealed(9_000)[..5_000], 1.2).fin(Peer::Origin, 1.3);
    let seen = cut.finish();
    assert_eq!(told(&seen), ["300 > 150"]);
    let record = seen.tls().cut_record.expect("a cut record");
    assert_eq!((record.came, record.announced), (4_995, 9_017));
    let mut whole = begun();
    whole.origin(&sealed(9_000), 1.2).fin(Peer::Origin, 1.3);
    assert_eq!(told(&whole.finish()), ["300 > 9150."]);
}

#[test]
fn a_response_whose_first_record_is_cut_is_not_empty() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(9_000)[..5_000], 1.2).rst(Peer::Origin, 3.3);
    assert_eq!(told(&driver.finish()), ["300 > 0"]);
}

#[test]
fn a_hole_of_the_capture_cuts_no_record() {
    let mut driver = Driver::established(H1);
    driver.edge(&sealed(300), 1.0).origin(&sealed(150), 1.1).lose(Peer::Origin, 40, 1.15);
    driver.origin(&sealed(9_000)[..5_000], 1.2).fin(Peer::Origin, 1.3);
    assert_eq!(driver.finish().tls().cut_record, None);
}
