//! The layers above TCP on one connection: TLS where it is spoken, then HTTP.

use std::borrow::Cow;

use super::proxy_header::{Beginning, Found};
use crate::http::{Http, h1};
use crate::tcp::{Answered, Application, Asked};
use crate::timeline::{Mark, Peer, Timeline};
use crate::tls::{self, KeyLog, Probe, TrustAnchors};

/// Bytes that an origin may send before the edge's first ones without deciding what is spoken: a banner.
const BANNER_LIMIT: usize = 1024;

/// What is spoken on a connection.
#[derive(Clone)]
pub(super) struct Session {
    /// The beginning of the edge's stream, until it is told from a header of the PROXY protocol.
    beginning: Option<Beginning>,
    spoken: Spoken,
    http: Http,
    keys: KeyLog,
    trust: TrustAnchors,
}

#[derive(Clone)]
enum Spoken {
    /// Too little was seen; this is it.
    Undecided(Vec<Step>),
    /// HTTP straight on TCP, or something that is neither.
    Plain,
    /// TLS, and HTTP inside it where there are keys.
    Tls(Box<tls::Session>),
}

/// What TCP handed on before it was clear for whom.
#[derive(Clone)]
enum Step {
    Data(Peer, Vec<u8>, Mark),
    Gap(Peer, u64, Mark),
    End(Peer, Mark),
}

impl Session {
    pub(super) fn new(keys: &KeyLog, trust: &TrustAnchors) -> Self {
        Self {
            beginning: Some(Beginning::default()),
            spoken: Spoken::Undecided(Vec::new()),
            http: Http::new(),
            keys: keys.clone(),
            trust: trust.clone(),
        }
    }

    /// Tells the beginning of the edge's stream from a header of the PROXY protocol, and hands on what is none.
    fn begin(&mut self, line: &mut Timeline, bytes: &[u8], start: Mark) {
        let Some(mut beginning) = self.beginning.take() else { return };
        match beginning.take(bytes, start) {
            Found::Nothing => self.beginning = Some(beginning),
            Found::Data(behind, _) if behind.is_empty() => {}
            Found::Data(behind, start) => self.data(line, Peer::Edge, &behind, start),
            Found::Piece => self.data(line, Peer::Edge, bytes, start),
        }
    }

    /// No more of the beginning of the edge's stream will come: what there is of it is no header.
    fn give_up_beginning(&mut self, line: &mut Timeline) {
        if let Some((bytes, start)) = self.beginning.take().and_then(Beginning::rest) {
            self.data(line, Peer::Edge, &bytes, start);
        }
    }

    /// Decides what is spoken by the first bytes of the edge; by the origin's only where they are TLS records, or
    /// more than a banner.
    fn decide(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8]) {
        let Spoken::Undecided(steps) = &self.spoken else { return };
        let begins = bytes.get(..bytes.len().min(BANNER_LIMIT + 1)).unwrap_or_default();
        let heard = |step: &Step| match step {
            Step::Data(peer, bytes, _) if *peer == from => bytes.clone(),
            _ => Vec::new(),
        };
        let first: Cow<'_, [u8]> = match steps.as_slice() {
            [] => begins.into(),
            steps => steps.iter().flat_map(heard).chain(begins.iter().copied()).collect::<Vec<u8>>().into(),
        };
        let spoken = match (tls::probe(from, &first), from) {
            (Probe::Certain, _) => Spoken::Tls(Box::new(tls::Session::new(self.keys.clone(), self.trust.clone()))),
            (Probe::Unsure, _) => return,
            (Probe::NotForUs, Peer::Origin) if first.len() <= BANNER_LIMIT => return,
            (Probe::NotForUs, _) => Spoken::Plain,
        };
        self.settle(line, spoken);
    }

    /// Hands what was kept back to those it is for.
    fn settle(&mut self, line: &mut Timeline, spoken: Spoken) {
        let Spoken::Undecided(steps) = std::mem::replace(&mut self.spoken, spoken) else { return };
        for step in steps {
            match step {
                Step::Data(from, bytes, start) => self.data(line, from, &bytes, start),
                Step::Gap(from, len, start) => self.gap(line, from, len, start),
                Step::End(from, at) => self.end_of_stream(line, from, at),
            }
        }
    }
}

impl Application for Session {
    fn likely_sender(bytes: &[u8]) -> Option<Peer> {
        // A TLS handshake record that begins with ClientHello (1) or ServerHello (2), RFC 8446 section 4.
        match bytes {
            [0x16, 3, _, _, _, 1, ..] => return Some(Peer::Edge),
            [0x16, 3, _, _, _, 2, ..] => return Some(Peer::Origin),
            _ => {}
        }
        if bytes.starts_with(b"HTTP/1.") {
            return Some(Peer::Origin);
        }
        let line = bytes.split(|&byte| byte == b'\r' || byte == b'\n').next()?;
        line.windows(8)
            .any(|window| window.starts_with(b" HTTP/1.") || window.starts_with(b" HTTP/2."))
            .then_some(Peer::Edge)
    }

    fn glance_at_request(bytes: &[u8]) -> Option<Asked> {
        h1::glance_at_request(bytes)
    }

    fn glance_at_response(asked: &Asked, bytes: &[u8]) -> Option<Answered> {
        h1::glance_at_response(asked, bytes)
    }

    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        if from == Peer::Edge && self.beginning.is_some() {
            return self.begin(line, bytes, start);
        }
        if matches!(self.spoken, Spoken::Undecided(_)) {
            self.decide(line, from, bytes);
        }
        let http = &mut self.http;
        match &mut self.spoken {
            Spoken::Undecided(steps) => steps.push(Step::Data(from, bytes.to_vec(), start)),
            Spoken::Plain => http.data(line, from, bytes, start),
            Spoken::Tls(tls) => tls.data(line, from, bytes, start, http),
        }
    }

    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark) {
        if from == Peer::Edge {
            self.give_up_beginning(line);
        }
        let http = &mut self.http;
        match &mut self.spoken {
            Spoken::Undecided(steps) => steps.push(Step::Gap(from, len, start)),
            Spoken::Plain => http.gap(line, from, len, start),
            Spoken::Tls(tls) => tls.gap(line, from, len, start, http),
        }
    }

    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, at: Mark) {
        if from == Peer::Edge {
            self.give_up_beginning(line);
        }
        let http = &mut self.http;
        match &mut self.spoken {
            Spoken::Undecided(steps) => steps.push(Step::End(from, at)),
            Spoken::Plain => http.end_of_stream(line, from, at),
            Spoken::Tls(tls) => {
                tls.end_of_stream(line, from, at, http);
                if decrypted(line) {
                    http.end_of_stream(line, from, at);
                }
            }
        }
    }

    fn held_bytes(&self) -> usize {
        let bytes = |step: &Step| if let Step::Data(_, bytes, _) = step { bytes.len() } else { 0 };
        let beginning = self.beginning.as_ref().map_or(0, Beginning::held_bytes);
        let held: usize = match &self.spoken {
            Spoken::Undecided(steps) => steps.iter().map(bytes).sum(),
            Spoken::Plain | Spoken::Tls(_) => self.http.held_bytes(),
        };
        held.saturating_add(beginning)
    }

    fn finish(&mut self, line: &mut Timeline) {
        self.give_up_beginning(line);
        if matches!(self.spoken, Spoken::Undecided(_)) {
            self.settle(line, Spoken::Plain);
        }
        match &mut self.spoken {
            Spoken::Tls(tls) => {
                tls.finish(line, &mut self.http);
                if decrypted(line) {
                    self.http.finish(line);
                }
            }
            _ => self.http.finish(line),
        }
    }
}

fn decrypted(line: &Timeline) -> bool {
    line.tls.as_ref().is_some_and(|tls| tls.decrypted)
}
