//! Whole connections: captures with and without their keys, compared with what tshark says of them.

use super::testing::{Driver, Random, Seen, client_hello, connections, connections_split, keyless, testdata, without};
use super::{KeyLog, Session, TrustAnchors};
use crate::timeline::{AlertDescription, CertificateFault, HandshakePhase, Peer, Spoken, TlsVersion, Visibility};

/// The captures of `testdata/tls`.
const CAPTURES: [&str; 19] = [
    "healthy--h2-graceful-goaway",
    "openssl-t10",
    "openssl-t11",
    "openssl-t12-cbc-sha-mte",
    "openssl-t12-cbc-sha384-etm",
    "openssl-t12-ccm8",
    "openssl-t12-chacha",
    "openssl-t12-reneg",
    "openssl-t12-resume-id",
    "openssl-t13-ccm8",
    "openssl-t13-clientcert",
    "openssl-t13-early",
    "openssl-t13-hrr",
    "openssl-t13-keyupdate",
    "tls--alpn-not-offered",
    "tls--client-cert--tls13",
    "tls--not-spoken--plain-400",
    "tls-http1--empty-13",
    "tls-http1--race-13",
];

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n";

fn capture(name: &str) -> Vec<u8> {
    testdata(&format!("{name}.pcap"))
}

fn keys_of(name: &str) -> String {
    String::from_utf8(testdata(&format!("{name}.keys"))).expect("a key log is text")
}

/// Makes sessions that know `keys`.
fn sessions(keys: &str) -> impl Fn() -> Session + use<> {
    let (log, trust) = (KeyLog::new(), TrustAnchors::bundled());
    log.add(keys.as_bytes());
    move || Session::new(log.clone(), trust.clone())
}

fn with_keys(name: &str) -> Vec<Seen> {
    connections(&capture(name), &sessions(&keys_of(name)))
}

fn without_keys(name: &str) -> Vec<Seen> {
    connections(&capture(name), &sessions(""))
}

#[test]
fn every_version_and_kind_of_cipher_is_decrypted() {
    let cases = [
        ("openssl-t10", TlsVersion::TLS_1_0, 0x002f, 6_681),
        ("openssl-t11", TlsVersion::TLS_1_1, 0xc014, 6_834),
        ("openssl-t12-cbc-sha-mte", TlsVersion::TLS_1_2, 0xc013, 2_156),
        ("openssl-t12-cbc-sha384-etm", TlsVersion::TLS_1_2, 0xc028, 2_160),
        ("openssl-t12-ccm8", TlsVersion::TLS_1_2, 0xc0ae, 2_158),
        ("openssl-t12-chacha", TlsVersion::TLS_1_2, 0xcca8, 2_178),
        ("openssl-t13-ccm8", TlsVersion::TLS_1_3, 0x1305, 4_221),
        ("openssl-t13-hrr", TlsVersion::TLS_1_3, 0x1302, 4_201),
        ("openssl-t13-clientcert", TlsVersion::TLS_1_3, 0x1302, 6_541),
    ];
    for (name, version, cipher, response_len) in cases {
        let seen = &with_keys(name)[0];
        let hello = seen.tls().server_hello.as_ref().expect("a ServerHello");
        assert_eq!((hello.version, hello.cipher), (version, cipher), "{name}");
        assert_eq!(seen.plain.bytes.edge, REQUEST, "{name}");
        assert!(seen.plain.bytes.origin.starts_with(b"HTTP/1.0 200 ok\r\n"), "{name}");
        assert_eq!(seen.plain.bytes.origin.len(), response_len, "{name}");
        assert!(seen.tls().decrypted && !seen.tls().keys_missing, "{name}");
        assert_eq!(seen.tls().phase, HandshakePhase::Established, "{name}");
        let closes = seen.tls().alerts.iter().filter(|alert| alert.description == Some(AlertDescription::CLOSE_NOTIFY));
        assert_eq!(closes.count(), 2, "{name}");
        assert_eq!(seen.plain.ended, [Peer::Origin], "{name}: close_notify ends what it says");
        assert!(seen.line.exchanges.is_empty(), "{name}: what can be read is not inferred");
    }
}

#[test]
fn decryption_goes_on_after_a_key_update() {
    let seen = &with_keys("openssl-t13-keyupdate")[0];
    assert_eq!(seen.plain.bytes.edge, b"hello\nagain\nthird\n");
    assert_eq!(seen.plain.bytes.origin, b"olleh\nniaga\n");
    assert!(seen.plain.gaps.is_empty());
}

#[test]
fn decryption_goes_on_after_a_renegotiation() {
    let seen = &with_keys("openssl-t12-reneg")[0];
    assert_eq!(seen.plain.bytes.edge, b"hello\nagain\n");
    assert_eq!(seen.plain.bytes.origin, b"olleh\nniaga\n");
    assert_eq!(seen.tls().client_hello.as_ref().map(|hello| hello.packet.number), Some(4));
}

#[test]
fn early_data_that_the_origin_takes_comes_first() {
    let seen = &with_keys("openssl-t13-early")[1];
    assert_eq!(seen.plain.bytes.edge, b"GET /early HTTP/1.0\r\n\r\nhello\n");
    assert!(seen.tls().resumed);
}

#[test]
fn resumed_sessions_are_told() {
    let seen = with_keys("openssl-t12-resume-id");
    assert_eq!(seen.iter().map(|seen| seen.tls().resumed).collect::<Vec<_>>(), [false, true]);
    assert_eq!(seen[1].plain.bytes.edge, REQUEST);
    let seen = without_keys("openssl-t12-resume-id");
    assert_eq!(seen.iter().map(|seen| seen.tls().resumed).collect::<Vec<_>>(), [false, true]);
    assert!(seen.iter().all(|seen| seen.tls().handshake_done.is_some()));
}

#[test]
fn a_hello_retry_request_is_told_from_the_server_hello() {
    let seen = &without_keys("openssl-t13-hrr")[0];
    assert_eq!(seen.tls().hello_retry.map(|packet| packet.number), Some(5));
    assert_eq!(seen.tls().client_hello.as_ref().map(|hello| hello.packet.number), Some(4));
    assert_eq!(seen.tls().server_hello.as_ref().map(|hello| hello.packet.number), Some(7));
    assert_eq!(seen.tls().handshake_done.map(|packet| packet.number), Some(8));
}

#[test]
fn a_client_certificate_is_seen_with_keys() {
    let seen = &with_keys("openssl-t13-clientcert")[0];
    assert_eq!(seen.tls().certificate_request.map(|packet| packet.number), Some(5));
    assert_eq!(seen.tls().client_certificate.map(|(_, held)| held), Some(true));
}

#[test]
fn a_client_certificate_that_was_refused_is_told_with_and_without_keys() {
    let seen = &with_keys("tls--client-cert--tls13")[0];
    assert_eq!(seen.tls().certificate_request.map(|packet| packet.number), Some(6));
    assert_eq!(seen.tls().client_certificate.map(|(packet, held)| (packet.number, held)), Some((8, false)));
    let alert = seen.tls().fatal_alert(Peer::Origin).expect("an alert");
    assert_eq!((alert.description, alert.packet.number), (Some(AlertDescription(116)), 10));

    let seen = &without_keys("tls--client-cert--tls13")[0];
    assert_eq!(seen.tls().client_certificate.map(|(packet, held)| (packet.number, held)), Some((8, false)));
    assert_eq!(seen.tls().alerts[0].description, None);
    assert_eq!(seen.tls().alerts[0].packet.number, 10);
    assert!(seen.line.exchanges[0].response.is_none());
}

#[test]
fn certificates_are_judged_in_tls_1_3_too() {
    let tls = with_keys("tls-http1--empty-13")[0].tls().clone();
    assert_eq!(tls.certificate_at.map(|packet| packet.number), Some(6));
    assert_eq!(tls.certificates.len(), 2);
    assert!(matches!(tls.certificate_faults[..], [CertificateFault::Untrusted { .. }]));
    assert_eq!(tls.alpn.as_deref(), Some("http/1.1"));
    let sealed = without_keys("tls-http1--empty-13")[0].tls().clone();
    assert!(sealed.certificates.is_empty() && sealed.certificate_faults.is_empty());
}

#[test]
fn an_empty_response_is_seen_without_keys() {
    let seen = without_keys("tls-http1--empty-13");
    let answered: Vec<bool> = seen[1].line.exchanges.iter().map(|exchange| exchange.response.is_some()).collect();
    assert_eq!(answered, [true, false]);
    assert!(seen[0].line.exchanges[0].complete());
    assert!(!seen[1].tls().decrypted && !seen[1].tls().keys_missing);
}

#[test]
fn plain_text_where_tls_was_due_is_told() {
    let seen = &without_keys("tls--not-spoken--plain-400")[0];
    let not_tls = seen.tls().not_tls.as_ref().expect("no TLS");
    assert_eq!((not_tls.spoken, not_tls.at.packet.number, not_tls.at.offset), (Spoken::Http1, 6, 0));
    assert!(not_tls.preview.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    assert_eq!(seen.tls().phase, HandshakePhase::ClientHello);
}

#[test]
fn the_answer_to_a_client_hello_begins_a_stream_that_the_capture_joined() {
    let mut driver = Driver::new(keyless());
    driver.lose(Peer::Edge, 0, 0.0).lose(Peer::Origin, 0, 0.0);
    driver.edge(&client_hello(&["http/1.1"]), 0.1).origin(b"HTTP/1.1 400 Bad Request\r\n\r\n", 0.2);
    let seen = driver.finish();
    assert_eq!(seen.tls().not_tls.as_ref().map(|not| not.spoken), Some(Spoken::Http1));
}

#[test]
fn a_protocol_that_was_not_offered_is_a_fact() {
    let tls = without_keys("tls--alpn-not-offered")[0].tls().clone();
    assert_eq!(tls.client_hello.map(|hello| hello.alpn), Some(vec!["http/1.1".to_owned()]));
    assert_eq!(tls.alpn.as_deref(), Some("h2"));
    assert_eq!((tls.alerts[0].from, tls.alerts[0].description), (Peer::Edge, Some(AlertDescription(50))));
}

#[test]
fn http2_is_handed_on_in_clear() {
    let seen = &with_keys("healthy--h2-graceful-goaway")[0];
    assert!(seen.plain.bytes.edge.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    assert_eq!(Spoken::of(&seen.plain.bytes.origin), Spoken::Http2);
    assert_eq!(seen.tls().alpn.as_deref(), Some("h2"));
}

#[test]
fn marks_name_the_packet_and_the_first_byte_of_the_record() {
    let seen = &with_keys("tls-http1--empty-13")[0];
    let marks: Vec<_> = seen.plain.marks.iter().map(|(from, mark, len)| (*from, mark.packet.number, *len)).collect();
    assert_eq!(marks, [(Peer::Edge, 11, 347), (Peer::Origin, 12, 112)]);
    let (_, request, _) = seen.plain.marks[0];
    assert_eq!(request.offset, 517 + 80, "behind ClientHello, ChangeCipherSpec and Finished");
}

#[test]
fn wrong_secrets_are_noticed_and_the_exchanges_inferred() {
    for name in ["tls-http1--empty-13", "openssl-t12-chacha", "openssl-t12-cbc-sha-mte"] {
        let wrong: String = keys_of(name).lines().map(|line| format!("{line}00\n").replace("1", "2")).collect();
        let randoms: String = keys_of(name)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let mut words = line.split(' ');
                let (label, random, secret) = (words.next()?, words.next()?, words.next()?);
                Some(format!("{label} {random} {}\n", "0".repeat(secret.len())))
            })
            .collect();
        for keys in [wrong, randoms] {
            let seen = connections(&capture(name), &sessions(&keys));
            let keyless = without_keys(name);
            for (seen, keyless) in seen.iter().zip(&keyless) {
                assert!(seen.tls().keys_missing && !seen.tls().decrypted, "{name}");
                assert_eq!(seen.line.exchanges, keyless.line.exchanges, "{name}");
                assert_eq!(seen.tls().alerts, keyless.tls().alerts, "{name}");
                assert!(seen.plain.marks.is_empty(), "{name}");
            }
        }
    }
}

#[test]
fn application_data_needs_the_traffic_secrets_of_both_peers() {
    let name = "tls-http1--empty-13";
    let only = |label: &str| {
        let lines = keys_of(name).lines().filter(|line| line.contains(label)).collect::<Vec<_>>().join("\n");
        connections(&capture(name), &sessions(&lines)).remove(1)
    };
    let traffic = only("TRAFFIC_SECRET_0");
    assert_eq!(traffic.plain, with_keys(name)[1].plain);
    assert!(traffic.line.exchanges.is_empty() && !traffic.tls().keys_missing);
    let half = only("CLIENT_TRAFFIC_SECRET_0");
    assert!(half.tls().keys_missing && half.plain.marks.is_empty());
    assert_eq!(half.line.exchanges.len(), 2);
    let handshake = only("HANDSHAKE_TRAFFIC");
    assert!(handshake.tls().keys_missing && handshake.tls().certificate_at.is_some());
    assert_eq!(handshake.line.exchanges, half.line.exchanges);
}

#[test]
fn decryption_goes_on_behind_a_gap() {
    let name = "openssl-t13-hrr";
    let whole = &with_keys(name)[0];
    let response: Vec<u64> = whole.plain.marks.iter().map(|(_, mark, _)| mark.packet.number).collect();
    let last = *response.last().expect("a response") as usize;
    for lost in [last - 2, last - 1, last] {
        let cut = without(&capture(name), &[lost]);
        let seen = &connections(&cut, &sessions(&keys_of(name)))[0];
        assert_eq!(seen.plain.bytes.edge, REQUEST, "packet {lost}");
        assert!(!seen.plain.gaps.is_empty(), "packet {lost}");
        assert_eq!(seen.tls().alerts.len(), 2, "packet {lost}");
        assert!(seen.tls().alerts.iter().all(|alert| alert.description.is_some()), "packet {lost}");
    }
}

#[test]
fn a_capture_that_begins_late_tells_nothing_of_exchanges() {
    for name in ["tls-http1--race-13", "openssl-t12-chacha"] {
        let late = without(&capture(name), &[1, 2, 3, 4, 5, 6, 7, 8]);
        let seen = &connections(&late, &sessions(&keys_of(name)))[0];
        assert!(seen.tls().joined_late, "{name}");
        assert!(seen.line.exchanges.is_empty() && seen.plain.marks.is_empty(), "{name}");
    }
}

#[test]
fn facts_do_not_depend_on_how_the_bytes_are_cut() {
    for name in CAPTURES {
        for keys in [keys_of(name), String::new()] {
            let make = sessions(&keys);
            let whole = connections(&capture(name), &make);
            let single = connections_split(&capture(name), &make, &mut |len| vec![1; len]);
            assert_eq!(single, whole, "{name} byte by byte");
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            for _ in 0..5 {
                let mut split = |len: usize| {
                    let mut pieces = Vec::new();
                    while pieces.iter().sum::<usize>() < len {
                        pieces.push(1 + random.below(700));
                    }
                    pieces
                };
                assert_eq!(connections_split(&capture(name), &make, &mut split), whole, "{name} in pieces");
            }
        }
    }
}

#[test]
fn mutations_cause_no_panic_and_stay_bounded() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for name in CAPTURES {
        let make = sessions(&keys_of(name));
        let clean = capture(name);
        for _ in 0..150 {
            let mut bytes = clean.clone();
            for _ in 0..=random.below(12) {
                let at = 24 + random.below(bytes.len() - 24);
                bytes[at] = random.below(256) as u8;
            }
            let lost = [random.below(40), random.below(40)];
            let damaged = without(&bytes, &lost);
            for seen in connections(&damaged, &make) {
                let alerts = seen.line.tls.as_ref().map_or(0, |tls| tls.alerts.len());
                assert!(alerts <= 64 && seen.line.exchanges.len() <= 64, "{name}");
            }
        }
    }
}

#[test]
fn bodies_of_random_bytes_cause_no_panic() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    for _ in 0..3_000 {
        let mut driver = super::testing::Driver::new(super::testing::keyless());
        for nth in 0..6 {
            let kind = [20, 21, 22, 22, 22, 23][random.below(6)];
            let mut body: Vec<u8> = (0..random.below(90)).map(|_| random.below(256) as u8).collect();
            if let (22, [first, second, ..]) = (kind, &mut body[..]) {
                *first = [1, 2, 8, 11, 13, 14, 16, 20, 24][random.below(9)];
                *second = 0;
            }
            let from = [Peer::Edge, Peer::Origin][random.below(2)];
            driver.send(from, &super::testing::record(kind, &body), f64::from(nth));
        }
        let seen = driver.finish();
        assert!(seen.line.exchanges.iter().all(|exchange| exchange.visibility != Visibility::Clear));
    }
}

#[test]
fn a_hole_is_as_long_as_the_contents_of_its_records() {
    // Each with the packet of the response's only record: the alert behind it tells how many are missing.
    for (name, packet) in [("servers/openssl-12-aes128-gcm", 12), ("servers/openssl-13-aes-128-gcm", 13)] {
        let whole = with_keys(name).remove(0);
        let len = whole.plain.bytes.origin.len() as u64;
        let holed = connections(&without(&capture(name), &[packet]), &sessions(&keys_of(name))).remove(0);
        assert!(holed.plain.bytes.origin.is_empty(), "{name}");
        assert_eq!(holed.plain.gaps, [(Peer::Origin, len)], "{name}");
    }
}
