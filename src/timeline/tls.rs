//! Facts of the TLS layer of one connection (RFC 5246, RFC 8446).

use std::fmt;

use super::{Mark, PacketRef, Peer, Time};

/// What was seen of TLS on one connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// The edge's first ClientHello.
    pub client_hello: Option<ClientHello>,
    /// The origin's ServerHello (the last one, after a HelloRetryRequest).
    pub server_hello: Option<ServerHello>,
    /// The HelloRetryRequest (RFC 8446 section 4.1.4).
    pub hello_retry: Option<PacketRef>,
    /// The group that it asks for.
    pub hello_retry_group: Option<u16>,
    /// The handshake messages that could be read, in the order of the packets, as long as there are not too many.
    pub messages: Vec<HandshakeMessage>,
    /// Protocol that the origin chose by ALPN (RFC 7301), where it could be read.
    pub alpn: Option<String>,
    /// CertificateRequest of the origin, where it could be read.
    pub certificate_request: Option<PacketRef>,
    /// The edge's Certificate message, and whether it held a certificate.
    pub client_certificate: Option<(PacketRef, bool)>,
    /// The origin's chain, leaf first, where it could be read.
    pub certificates: Vec<Certificate>,
    /// The packet of the origin's Certificate message.
    pub certificate_at: Option<PacketRef>,
    /// What a strict edge would say against the chain, at the time of the packet.
    pub certificate_faults: Vec<CertificateFault>,
    /// How far the handshake came.
    pub phase: HandshakePhase,
    /// Both Finished messages were sent (TLS 1.3 without keys: told from the records).
    pub handshake_done: Option<PacketRef>,
    /// The session was resumed (session id, ticket or pre-shared key).
    pub resumed: bool,
    /// Alerts in the order of the packets.
    pub alerts: Vec<Alert>,
    /// The origin's first bytes where they are no TLS record.
    pub not_tls: Option<NotTls>,
    /// Application data of this connection was decrypted.
    pub decrypted: bool,
    /// A key log was given and has no secrets, or wrong ones, for this connection.
    pub keys_missing: bool,
    /// The capture began after the handshake.
    pub joined_late: bool,
    /// The record of application data inside which the origin's stream ends.
    pub cut_record: Option<CutRecord>,
}

impl Tls {
    /// The negotiated version.
    #[must_use]
    pub fn version(&self) -> Option<TlsVersion> {
        self.server_hello.as_ref().map(|hello| hello.version)
    }

    /// The first fatal alert of `from` that is not close_notify.
    #[must_use]
    pub fn fatal_alert(&self, from: Peer) -> Option<&Alert> {
        self.alerts
            .iter()
            .find(|alert| alert.from == from && alert.description.is_some_and(|description| !description.is_close()))
    }
}

/// A handshake message (RFC 8446 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeMessage {
    /// The packet that completed it.
    pub packet: PacketRef,
    /// Who sent it.
    pub from: Peer,
    /// `HandshakeType`: 1 is ClientHello.
    pub kind: u8,
}

/// A record of which only the beginning was sent: nobody can decrypt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutRecord {
    /// The first byte of its header.
    pub start: Mark,
    /// Bytes that its header announces.
    pub announced: u32,
    /// Bytes of them that came.
    pub came: u32,
}

impl fmt::Display for CutRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes of its last TLS record", self.came, self.announced)
    }
}

/// How far a handshake came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HandshakePhase {
    /// Nothing yet.
    #[default]
    Start,
    /// The edge has sent its ClientHello.
    ClientHello,
    /// The origin has answered with a ServerHello.
    ServerHello,
    /// The origin's part is complete (ServerHelloDone, or its Finished in TLS 1.3).
    ServerDone,
    /// The edge has sent its Finished.
    ClientFinished,
    /// The handshake is complete.
    Established,
}

impl fmt::Display for HandshakePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "before the ClientHello",
            Self::ClientHello => "after the ClientHello",
            Self::ServerHello => "after the ServerHello",
            Self::ServerDone => "after the origin's part of the handshake",
            Self::ClientFinished => "after the edge's Finished",
            Self::Established => "after the handshake",
        })
    }
}

/// What the edge offered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientHello {
    /// The packet that completed it.
    pub packet: PacketRef,
    /// `legacy_version`.
    pub legacy_version: TlsVersion,
    /// Versions of the supported_versions extension; else `legacy_version`.
    pub versions: Vec<TlsVersion>,
    /// Cipher suites (IANA numbers), GREASE left out.
    pub ciphers: Vec<u16>,
    /// supported_groups.
    pub groups: Vec<u16>,
    /// signature_algorithms.
    pub signature_schemes: Vec<u16>,
    /// server_name.
    pub sni: Option<String>,
    /// Protocols offered by ALPN.
    pub alpn: Vec<String>,
    /// The client random, for key logs.
    pub random: [u8; 32],
}

/// What the origin chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerHello {
    /// The packet that completed it.
    pub packet: PacketRef,
    /// The negotiated version.
    pub version: TlsVersion,
    /// The cipher suite (IANA number).
    pub cipher: u16,
    /// The group of the key exchange, where it could be read.
    pub group: Option<u16>,
    /// The signature scheme of the origin's signature, where it could be read.
    pub signature_scheme: Option<u16>,
}

/// A protocol version as on the wire: 0x0303 is TLS 1.2. Unknown ones keep their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
    /// SSL 2.0, as its hellos number it.
    pub const SSL_2: Self = Self(0x0002);
    /// SSL 3.0.
    pub const SSL_3: Self = Self(0x0300);
    /// TLS 1.0.
    pub const TLS_1_0: Self = Self(0x0301);
    /// TLS 1.1.
    pub const TLS_1_1: Self = Self(0x0302);
    /// TLS 1.2.
    pub const TLS_1_2: Self = Self(0x0303);
    /// TLS 1.3.
    pub const TLS_1_3: Self = Self(0x0304);
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0002 => f.write_str("SSL 2.0"),
            0x0300 => f.write_str("SSL 3.0"),
            0x0301 => f.write_str("1.0"),
            0x0302 => f.write_str("1.1"),
            0x0303 => f.write_str("1.2"),
            0x0304 => f.write_str("1.3"),
            other => write!(f, "{other:#06x}"),
        }
    }
}

/// One alert (RFC 8446 section 6).
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The packet.
    pub packet: PacketRef,
    /// Who sent it.
    pub from: Peer,
    /// Level: 1 warning, 2 fatal; none where the alert is encrypted and there are no keys.
    pub level: Option<u8>,
    /// What it says; none where it is encrypted and there are no keys.
    pub description: Option<AlertDescription>,
    /// How far the handshake had come.
    pub phase: HandshakePhase,
}

impl Alert {
    /// True where the alert ends the connection in error: in TLS 1.3 all but the closing ones do, whatever
    /// their level says.
    #[must_use]
    pub fn fatal(&self) -> bool {
        self.description.is_some_and(|description| !description.is_close()) && self.level != Some(1)
    }
}

/// An alert's number; unknown ones stay representable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertDescription(pub u8);

impl AlertDescription {
    /// close_notify.
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// handshake_failure.
    pub const HANDSHAKE_FAILURE: Self = Self(40);

    /// True for close_notify and user_canceled.
    #[must_use]
    pub fn is_close(self) -> bool {
        matches!(self.0, 0 | 90)
    }

    /// The name in the IANA registry "TLS Alerts".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            52 => "too_many_cids_requested",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            121 => "ech_required",
            _ => "unknown alert",
        }
    }
}

impl fmt::Display for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// The origin's first bytes where a TLS record was due.
#[derive(Clone, Debug, PartialEq)]
pub struct NotTls {
    /// The first byte.
    pub at: Mark,
    /// What they look like.
    pub spoken: Spoken,
    /// The first bytes, at most 64.
    pub preview: Vec<u8>,
}

/// A protocol recognised by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// `HTTP/1.` and a digit.
    Http1,
    /// HTTP/2 frames.
    Http2,
    /// `SSH-`.
    Ssh,
    /// `220 ` with mail or file transfer behind it.
    SmtpOrFtp,
    /// A PROXY protocol header, or a complaint about one.
    ProxyProtocol,
    /// A TLS record.
    Tls,
    /// An HTML or XML document.
    Markup,
    /// Printable text.
    Text,
    /// Anything else.
    Unknown,
}

impl Spoken {
    /// What the first bytes of a stream look like.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        let says = |prefix: &[u8]| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if text.starts_with(b"HTTP/1.") && text.get(7).is_some_and(u8::is_ascii_digit) {
            Self::Http1
        } else if bytes.starts_with(b"PRI * HTTP/2.0") || is_h2_frame(bytes) {
            Self::Http2
        } else if text.starts_with(b"SSH-") {
            Self::Ssh
        } else if is_proxy_protocol(bytes) {
            Self::ProxyProtocol
        } else if is_tls_record(bytes) {
            Self::Tls
        } else if ["220 ", "220-", "421 ", "421-", "554 ", "554-", "530 "].iter().any(|reply| says(reply.as_bytes())) {
            Self::SmtpOrFtp
        } else if says(b"<!doctype") || says(b"<html") || says(b"<?xml") || is_element(text) {
            Self::Markup
        } else if is_text(bytes) {
            Self::Text
        } else {
            Self::Unknown
        }
    }
}

/// A frame that a server sends first (RFC 9113 section 3.4): SETTINGS of whole settings, or GOAWAY, on stream 0.
fn is_h2_frame(bytes: &[u8]) -> bool {
    let Some([a, b, c, kind, flags, 0, 0, 0, 0]) = bytes.get(..9) else { return false };
    let len = u32::from_be_bytes([0, *a, *b, *c]);
    match kind {
        4 => len.is_multiple_of(6) && len <= 6 * 64 && *flags <= 1,
        7 => (8..=16_384).contains(&len) && *flags == 0,
        _ => false,
    }
}

/// Versions 1 and 2 of the header, and what servers complain about it.
fn is_proxy_protocol(bytes: &[u8]) -> bool {
    const COMPLAINTS: [&[u8]; 2] = [b"proxy protocol", b"proxy header"];
    let start = bytes.get(..bytes.len().min(64)).unwrap_or(bytes).to_ascii_lowercase();
    bytes.starts_with(b"PROXY ")
        || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n")
        || COMPLAINTS.iter().any(|words| start.windows(words.len()).any(|window| window == *words))
}

fn is_tls_record(bytes: &[u8]) -> bool {
    let Some([20..=24, 3, 0..=4, high, low]) = bytes.get(..5) else { return false };
    u16::from_be_bytes([*high, *low]) <= 16_384 + 2_048
}

/// `<` and a name.
fn is_element(text: &[u8]) -> bool {
    matches!(text, [b'<', b'!' | b'a'..=b'z' | b'A'..=b'Z', ..])
}

/// Printable UTF-8, the last character perhaps cut.
fn is_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(cut) if cut.error_len().is_none() => {
            bytes.get(..cut.valid_up_to()).and_then(|start| std::str::from_utf8(start).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && valid.chars().all(|char| !char.is_control() || char.is_ascii_whitespace())
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "plain HTTP/1",
            Self::Http2 => "HTTP/2",
            Self::Ssh => "SSH",
            Self::SmtpOrFtp => "SMTP or FTP",
            Self::ProxyProtocol => "the PROXY protocol",
            Self::Tls => "TLS",
            Self::Markup => "bare HTML",
            Self::Text => "plain text",
            Self::Unknown => "an unknown protocol",
        })
    }
}

/// One certificate of the origin's chain (RFC 5280).
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// Subject, as a distinguished name.
    pub subject: String,
    /// Issuer, as a distinguished name.
    pub issuer: String,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
    /// DNS names and IP addresses of subjectAltName.
    pub names: Vec<String>,
    /// Subject and issuer are the same and its own key signed it.
    pub self_signed: bool,
}

/// What a strict edge has against a certificate, at the time of the packets.
#[derive(Clone, Debug, PartialEq)]
pub enum CertificateFault {
    /// Not valid any more.
    Expired {
        /// Since when.
        not_after: Time,
    },
    /// Not valid yet.
    NotYetValid {
        /// From when.
        not_before: Time,
    },
    /// Signed by its own key and by nobody that is trusted.
    SelfSigned,
    /// The chain does not lead to a root that is trusted.
    Untrusted {
        /// The issuer that is missing.
        issuer: String,
    },
    /// Does not hold the name that the edge asked for.
    NameMismatch {
        /// The name asked for (SNI).
        wanted: String,
        /// The names that it holds.
        names: Vec<String>,
    },
    /// Key or signature too weak, or a structure that cannot be read.
    Weak {
        /// What is wrong.
        problem: String,
    },
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { not_after } => write!(f, "it expired on {}", not_after.date()),
            Self::NotYetValid { not_before } => write!(f, "it is not valid before {}", not_before.date()),
            Self::SelfSigned => f.write_str("it is self-signed"),
            Self::Untrusted { issuer } => write!(f, "its issuer \"{issuer}\" is not trusted"),
            Self::NameMismatch { wanted, names } => {
                write!(
                    f,
                    "it is for {} and not for {wanted}",
                    if names.is_empty() { "no name".into() } else { names.join(", ") }
                )
            }
            Self::Weak { problem } => f.write_str(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_by_their_first_bytes() {
        let cases: [(&[u8], Spoken); 21] = [
            (b"HTTP/1.1 400 Bad Request\r\n", Spoken::Http1),
            (b"HTTP/1.0 200 OK\r\n", Spoken::Http1),
            (b"HTTP/2 200\r\n", Spoken::Text),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", Spoken::Http2),
            (b"\0\0\x13\x04\0\0\0\0\0\0\x03\0\0\0\x80", Spoken::Unknown),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01", Spoken::Http2),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", Spoken::Ssh),
            (b"220 mail.example ESMTP\r\n", Spoken::SmtpOrFtp),
            (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", Spoken::ProxyProtocol),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Spoken::ProxyProtocol),
            (b"malformed PROXY protocol header", Spoken::ProxyProtocol),
            (&[21, 3, 1, 0, 2, 2, 40], Spoken::Tls),
            (b"<!DOCTYPE html>", Spoken::Markup),
            (b"\n<HTML><body>", Spoken::Markup),
            (b"<?xml version='1.0'?>", Spoken::Markup),
            (b"<h1>hello</h1>", Spoken::Markup),
            (b"-ERR unknown command\r\n", Spoken::Text),
            ("sch\u{f6}n".as_bytes(), Spoken::Text),
            (b"\xc3", Spoken::Unknown),
            (b"\0\x01\x02", Spoken::Unknown),
            (b"", Spoken::Unknown),
        ];
        for (bytes, spoken) in cases {
            assert_eq!(Spoken::of(bytes), spoken, "{}", bytes.escape_ascii());
        }
    }
}
