//! Holds the judgement of HTTP/1 against a table of malformed and odd responses, `testdata/http1/responses.txt`.

mod conversation;

use std::collections::BTreeSet;

use conversation::Conversation;
use pcap520::analysis::Options;
use pcap520::timeline::{Peer, Rule};
use pcap520::verdict::Verdict;

/// One line of the table.
struct Row {
    name: &'static str,
    section: &'static str,
    rules: Vec<Rule>,
    /// The cause where the edge leaves; none for a good response.
    verdict: Option<&'static str>,
    method: &'static str,
    response: Vec<u8>,
    /// The origin closes after it.
    closes: bool,
}

/// What the edge does once the response is there.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Leaves,
    CarriesOn,
}

#[test]
fn the_table_is_long_and_every_line_has_its_own_name() {
    let rows = rows();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert!(rows.len() >= 150, "{}", rows.len());
    assert_eq!(names.len(), rows.len());
    for row in &rows {
        assert!(row.section.starts_with("RFC 91"), "{}: {}", row.name, row.section);
    }
}

#[test]
fn every_response_breaks_the_rules_that_the_table_names() {
    for row in rows() {
        let told = row.told(whole, Then::Leaves);
        assert_eq!(broken(&told), row.rules.iter().copied().collect(), "{}", row.name);
    }
}

#[test]
fn an_edge_that_leaves_makes_an_incident_of_a_bad_response_only() {
    for row in rows() {
        assert_eq!(causes(&row.told(whole, Then::Leaves)), row.verdict.as_slice(), "{}", row.name);
    }
}

#[test]
fn an_edge_that_carries_on_took_the_response() {
    let ended = |row: &Row| {
        let told = row.told(whole, Then::Leaves);
        told.records[0].exchange(2).is_some_and(|second| second.response.as_ref().is_some_and(|it| it.end.is_some()))
    };
    // After a response without an end nobody can carry on.
    for row in rows().iter().filter(|row| !row.closes && ended(row)) {
        assert_eq!(causes(&row.told(whole, Then::CarriesOn)), [""; 0], "{}", row.name);
    }
}

#[test]
fn every_rule_of_http_1_stands_in_the_table() {
    let known: BTreeSet<Rule> = rows().into_iter().flat_map(|row| row.rules).collect();
    for &rule in Rule::ALL {
        let http2 = rule.name().starts_with("h2-") || rule.name().starts_with("hpack-");
        assert_eq!(known.contains(&rule), !http2, "{}", rule.name());
    }
}

#[test]
fn after_an_upgrade_to_websocket_bytes_mean_nothing() {
    let told = Conversation::connected()
        .says(Peer::Edge, b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .says(Peer::Origin, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .says(Peer::Edge, b"\x81\x83GET\x26\x20\x26")
        .says(Peer::Origin, b"\x81\x04HTTP")
        .closes(Peer::Origin)
        .closes(Peer::Edge)
        .judged(Options::default());
    assert_eq!(told.records[0].protocol, Some("websocket"));
    assert_eq!((causes(&told), told.records[0].exchanges.len()), (vec![], 1));
}

#[test]
fn a_request_is_known_by_each_of_its_names() {
    let told = Conversation::connected()
        .says(
            Peer::Edge,
            b"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-1\r\nX-Request-Id: 7\r\nCF-Ray: 8f-FRA\r\n\r\n",
        )
        .says(Peer::Origin, b"HTTP/1.1 204 No Content\r\n\r\n")
        .closes(Peer::Edge)
        .judged(Options::default());
    let request = &told.records[0].exchanges[0].request;
    let names = [&request.traceparent, &request.request_id, &request.ray];
    assert_eq!(names.map(|name| name.as_deref().unwrap()), ["00-1", "7", "8f-FRA"]);
    assert_eq!(request.id(), Some("7"));
}

#[test]
fn a_response_is_judged_the_same_however_it_is_cut_into_segments() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for row in rows() {
        let wanted = facts(&row.told(whole, Then::Leaves));
        let long = row.response.len() > 2_000;
        for round in 0..6 {
            let most = if long { 4_000 } else { 1 + 7 * round };
            let told = row.told(|bytes| random.pieces(bytes, most), Then::Leaves);
            assert_eq!(facts(&told), wanted, "{} in pieces of at most {most} bytes", row.name);
        }
    }
}

fn rows() -> Vec<Row> {
    let table = include_str!("../testdata/http1/responses.txt");
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Row::read).collect()
}

impl Row {
    fn read(line: &'static str) -> Self {
        let columns: Vec<&str> = line.splitn(5, " | ").collect();
        let [name, section, rules, verdict, response] = columns[..] else { panic!("five columns: {line}") };
        let named = |name| Rule::named(name).unwrap_or_else(|| panic!("no rule is called {name}: {line}"));
        let (method, response) = response
            .split_once("> ")
            .filter(|(method, _)| !method.is_empty() && method.trim_end().bytes().all(|byte| byte.is_ascii_uppercase()))
            .unwrap_or(("GET", response));
        let (response, closes) = match response.strip_suffix('$') {
            Some(response) => (response, true),
            None => (response, false),
        };
        Self {
            name,
            section,
            rules: if rules == "-" { Vec::new() } else { rules.split(',').map(named).collect() },
            verdict: Some(verdict).filter(|verdict| *verdict != "-"),
            method: method.trim_end(),
            response: unescaped(response),
            closes,
        }
    }

    /// Two exchanges: a good one, then this one with its response cut into pieces.
    fn told(&self, mut cut: impl FnMut(&[u8]) -> Vec<Vec<u8>>, then: Then) -> Verdict {
        let request = |method: &str, target: &str| format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
        let mut told = Conversation::connected()
            .says(Peer::Edge, request("GET", "/first").as_bytes())
            .says(Peer::Origin, good)
            .says(Peer::Edge, request(self.method, "/second").as_bytes());
        for piece in cut(&self.response) {
            told = told.says(Peer::Origin, &piece);
        }
        told = match (self.closes, then) {
            (true, _) => told.closes(Peer::Origin).closes(Peer::Edge),
            (false, Then::Leaves) => told.resets(Peer::Edge),
            (false, Then::CarriesOn) => {
                told.says(Peer::Edge, request("GET", "/third").as_bytes()).says(Peer::Origin, good).closes(Peer::Edge)
            }
        };
        told.judged(Options::default())
    }
}

fn whole(bytes: &[u8]) -> Vec<Vec<u8>> {
    vec![bytes.to_vec()]
}

/// The rules that the second response broke.
fn broken(verdict: &Verdict) -> BTreeSet<Rule> {
    let second = verdict.records[0].exchange(2).and_then(|exchange| exchange.response.as_ref());
    second.into_iter().flat_map(|response| &response.deviations).map(|deviation| deviation.rule).collect()
}

fn causes(verdict: &Verdict) -> Vec<&'static str> {
    verdict.incidents.iter().map(|incident| incident.finding.cause.0).collect()
}

/// What must not depend on segments: everything but packet numbers and times.
fn facts(verdict: &Verdict) -> String {
    let line = &verdict.records[0];
    let exchanges = line.exchanges.iter().map(|exchange| {
        let response = exchange.response.as_ref().map(|response| {
            let deviations: Vec<_> =
                response.deviations.iter().map(|broken| (broken.rule, broken.at, &broken.bytes)).collect();
            let end = response.end.map(|end| end.offset);
            (response.status, response.framing, response.body_bytes, response.head_bytes, end, deviations)
        });
        format!(
            "{} {:?} {response:?}",
            exchange.number,
            exchange.interim.iter().map(|it| it.status).collect::<Vec<_>>()
        )
    });
    let exchanges: Vec<String> = exchanges.collect();
    let unsolicited: Vec<_> = line.unsolicited.iter().map(|bytes| (bytes.bytes, bytes.status)).collect();
    let incidents: Vec<_> = verdict
        .incidents
        .iter()
        .map(|incident| (incident.finding.cause, incident.finding.scope, incident.origin_status, incident.edge_status))
        .collect();
    format!("{exchanges:#?} {unsolicited:?} {incidents:?}")
}

/// Bytes as the table writes them.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = behind;
            }
            (b'\\', [escape, behind @ ..]) => {
                let known = b"rnt0s\\".iter().position(|known| known == escape).unwrap();
                bytes.push(b"\r\n\t\0 \\"[known]);
                rest = behind;
            }
            (b'{', _) => match repeated(text_of(behind)) {
                Some((repeated, len)) => {
                    bytes.extend(repeated);
                    rest = &behind[len..];
                }
                None => bytes.push(byte),
            },
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// `N*TEXT}`: its bytes, and how much of the table it takes. Braces within it nest.
fn repeated(text: &str) -> Option<(Vec<u8>, usize)> {
    let (times, rest) = text.split_once('*')?;
    let times: usize = times.parse().ok()?;
    let mut depth = 0;
    let end = rest.find(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        depth < 0
    })?;
    Some((unescaped(&rest[..end]).repeat(times), text.len() - rest.len() + end + 1))
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A generator whose numbers are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// `bytes` in pieces of 1 to `most` bytes.
    fn pieces(&mut self, mut bytes: &[u8], most: usize) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let len = (1 + self.next() as usize % most).min(bytes.len());
            let (piece, rest) = bytes.split_at(len);
            pieces.push(piece.to_vec());
            bytes = rest;
        }
        pieces
    }
}
