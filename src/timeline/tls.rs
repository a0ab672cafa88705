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
}

/// A protocol version as on the wire: 0x0303 is TLS 1.2. Unknown ones keep their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
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
