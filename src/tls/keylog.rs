//! Key logs in the NSS format (`SSLKEYLOGFILE`, RFC 9850): one secret a line, found by the client random.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::buffers::Buffers;

/// The secrets of all connections: files given by the user and Decryption Secrets Blocks of pcapng files.
///
/// A clone is another handle to the same secrets.
#[derive(Clone, Debug, Default)]
pub struct KeyLog {
    secrets: Rc<RefCell<Secrets>>,
    buffers: Buffers,
}

#[derive(Debug, Default)]
struct Secrets {
    by_random: HashMap<(Label, [u8; 32]), Secret>,
    bad_lines: u64,
    given_up: u64,
}

/// Which secret of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Label {
    /// The master secret of TLS 1.2 and below.
    ClientRandom,
    ClientEarlyTraffic,
    ClientHandshakeTraffic,
    ServerHandshakeTraffic,
    ClientTraffic0,
    ServerTraffic0,
}

/// A secret of at most 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret {
    bytes: [u8; MAX_SECRET],
    len: u8,
}

impl KeyLog {
    /// No secrets yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lines of `text`. Comments, empty lines and labels for other purposes are passed over; lines
    /// that are malformed are counted.
    pub fn add(&self, text: &[u8]) {
        let mut secrets = self.secrets.borrow_mut();
        for line in text.split(|&byte| byte == b'\n') {
            secrets.add_line(line.trim_ascii());
        }
    }

    /// True where no secret was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.borrow().by_random.is_empty()
    }

    /// Number of secrets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.secrets.borrow().by_random.len()
    }

    /// Lines that could not be read.
    #[must_use]
    pub fn bad_lines(&self) -> u64 {
        self.secrets.borrow().bad_lines
    }

    /// Secrets that were not kept because there were too many.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.secrets.borrow().given_up
    }

    /// The buffers of the sessions that decrypt with these secrets.
    pub(super) fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }

    pub(super) fn secret(&self, label: Label, client_random: &[u8; 32]) -> Option<Secret> {
        self.secrets.borrow().by_random.get(&(label, *client_random)).copied()
    }
}

impl Secrets {
    fn add_line(&mut self, line: &[u8]) {
        if line.is_empty() || line.starts_with(b"#") {
            return;
        }
        match parse_line(line) {
            Line::Secret(label, random, secret) => self.insert(label, random, secret),
            Line::OtherLabel => {}
            Line::Malformed => self.bad_lines = self.bad_lines.saturating_add(1),
        }
    }

    fn insert(&mut self, label: Label, random: [u8; 32], secret: Secret) {
        if self.by_random.len() >= MAX_SECRETS && !self.by_random.contains_key(&(label, random)) {
            self.given_up = self.given_up.saturating_add(1);
            return;
        }
        self.by_random.insert((label, random), secret);
    }
}

impl Label {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"CLIENT_RANDOM" => Self::ClientRandom,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarlyTraffic,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshakeTraffic,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshakeTraffic,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientTraffic0,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerTraffic0,
            _ => return None,
        })
    }
}

impl Secret {
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_SECRET];
        bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(Self { bytes, len: u8::try_from(secret.len()).ok()? })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Secrets stay out of messages and logs.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} bytes)", self.len)
    }
}

enum Line {
    Secret(Label, [u8; 32], Secret),
    OtherLabel,
    Malformed,
}

/// `LABEL 64-hex-digits hex-digits` (RFC 9850 section 2).
fn parse_line(line: &[u8]) -> Line {
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let (Some(word), Some(random), Some(secret), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Line::Malformed;
    };
    let mut bytes = [0; MAX_SECRET];
    let (Some(random), Some(secret)) = (hex_32(random), hex(secret, &mut bytes).and_then(Secret::new)) else {
        return Line::Malformed;
    };
    match Label::of(word) {
        Some(label) => Line::Secret(label, random, secret),
        None => Line::OtherLabel,
    }
}

fn hex_32(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex(digits, &mut bytes)?.try_into().ok()
}

/// Decodes `digits` to the beginning of `to`.
fn hex<'a>(digits: &[u8], to: &'a mut [u8]) -> Option<&'a [u8]> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes = to.get_mut(..pairs.len())?;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let value = char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?;
        *byte = u8::try_from(value).ok()?;
    }
    (!bytes.is_empty()).then_some(&*bytes)
}

/// Most bytes of a secret: the output of SHA-512.
const MAX_SECRET: usize = 64;
/// Most secrets that are kept, about 130 MB.
const MAX_SECRETS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_label_and_client_random() {
        let log = KeyLog::new();
        let other_handle = log.clone();
        let text = format!(
            "# a comment\r\n\r\nCLIENT_RANDOM {} {}\r\nEXPORTER_SECRET {} 00\nSERVER_TRAFFIC_SECRET_0 {} aAfF",
            "01".repeat(32),
            "02".repeat(48),
            "01".repeat(32),
            "01".repeat(32)
        );
        other_handle.add(text.as_bytes());
        assert_eq!(log.len(), 2);
        assert_eq!(log.bad_lines(), 0);
        let secret = |label| log.secret(label, &[1; 32]).map(|secret| secret.bytes().to_vec());
        assert_eq!(secret(Label::ClientRandom), Some(vec![2; 48]));
        assert_eq!(secret(Label::ServerTraffic0), Some(vec![0xaa, 0xff]));
        assert_eq!(secret(Label::ClientTraffic0), None);
        assert_eq!(log.secret(Label::ClientRandom, &[3; 32]), None);
    }

    #[test]
    fn malformed_lines_are_counted() {
        let log = KeyLog::new();
        let random = "01".repeat(32);
        for line in [
            "CLIENT_RANDOM".to_owned(),
            format!("CLIENT_RANDOM {random}"),
            format!("CLIENT_RANDOM {random} 0"),
            format!("CLIENT_RANDOM {random} xy"),
            format!("CLIENT_RANDOM {random} {}", "00".repeat(65)),
            format!("CLIENT_RANDOM {random}00 00"),
            format!("CLIENT_RANDOM {random} 00 00"),
            "\u{fffd}\u{0}".to_owned(),
        ] {
            log.add(line.as_bytes());
        }
        assert_eq!(log.bad_lines(), 8);
        assert!(log.is_empty());
    }
}
