//! ClientHello, ServerHello and EncryptedExtensions (RFC 8446 sections 4.1 and 4.3.1).

use tls_parser::{parse_tls_handshake_client_hello, parse_tls_handshake_server_hello};

use super::reader::Reader;
use crate::timeline::{ClientHello, PacketRef, TlsVersion};

/// What a ClientHello says, the facts for the timeline among it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Offer {
    pub(super) hello: ClientHello,
    pub(super) session_id: Vec<u8>,
    /// early_data: application data may follow at once (RFC 8446 section 4.2.10).
    pub(super) early_data: bool,
    /// psk_key_exchange_modes: without it the origin may not send tickets (RFC 8446 section 4.2.9).
    pub(super) takes_tickets: bool,
}

/// What a ServerHello or HelloRetryRequest says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) version: TlsVersion,
    pub(super) cipher: u16,
    pub(super) random: [u8; 32],
    pub(super) session_id: Vec<u8>,
    pub(super) alpn: Option<String>,
    /// pre_shared_key: the session is resumed (RFC 8446 section 4.2.11).
    pub(super) pre_shared_key: bool,
    /// RFC 7366.
    pub(super) encrypt_then_mac: bool,
    /// The group of its key share, or the one that a HelloRetryRequest asks for (RFC 8446 section 4.2.8).
    pub(super) group: Option<u16>,
}

/// What EncryptedExtensions say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Extras {
    pub(super) alpn: Option<String>,
    /// The origin takes the early data.
    pub(super) early_data: bool,
}

impl Offer {
    pub(super) fn parse(body: &[u8], packet: PacketRef) -> Option<Self> {
        let (_, parsed) = parse_tls_handshake_client_hello(body).ok()?;
        let hello = ClientHello {
            packet,
            legacy_version: TlsVersion(parsed.version.0),
            ciphers: parsed.ciphers.iter().map(|cipher| cipher.0).filter(|&cipher| !is_grease(cipher)).collect(),
            random: parsed.random.try_into().ok()?,
            ..ClientHello::default()
        };
        let session_id = parsed.session_id.unwrap_or_default().to_vec();
        let mut offer = Self { hello, session_id, ..Self::default() };
        for (kind, content) in extensions(parsed.ext.unwrap_or_default()) {
            offer.extension(kind, content);
        }
        if offer.hello.versions.is_empty() {
            offer.hello.versions.push(offer.hello.legacy_version);
        }
        Some(offer)
    }

    /// A ClientHello in the record format of SSL 2.0 (RFC 5246 appendix E.2), from its message type on.
    pub(super) fn parse_ssl2(body: &[u8], packet: PacketRef) -> Option<Self> {
        let mut body = Reader::new(body);
        let _message_type = body.u8()?;
        let version = TlsVersion(body.u16()?);
        let [specs, id, challenge] = [body.u16()?, body.u16()?, body.u16()?].map(usize::from);
        let specs = body.take(specs)?;
        let session_id = body.take(id)?.to_vec();
        let challenge = body.take(challenge)?;
        // Three bytes each; those of SSL 2.0 alone do not begin with 0.
        let ciphers = specs.chunks_exact(3).filter_map(|spec| match spec {
            [0, high, low] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        });
        let mut hello =
            ClientHello { packet, legacy_version: version, ciphers: ciphers.collect(), ..ClientHello::default() };
        hello.versions.push(version);
        // The challenge is the end of the random, with zeros before it.
        let last = hello.random.iter_mut().rev();
        last.zip(challenge.iter().rev()).for_each(|(place, &byte)| *place = byte);
        Some(Self { hello, session_id, ..Self::default() })
    }

    fn extension(&mut self, kind: u16, content: &[u8]) {
        let mut content = Reader::new(content);
        let hello = &mut self.hello;
        match kind {
            SERVER_NAME => hello.sni = server_name(content),
            SUPPORTED_GROUPS => hello.groups = content.vector16().map(numbers).unwrap_or_default(),
            SIGNATURE_ALGORITHMS => hello.signature_schemes = content.vector16().map(numbers).unwrap_or_default(),
            ALPN => hello.alpn = protocols(content),
            SUPPORTED_VERSIONS => {
                hello.versions =
                    content.vector8().map(numbers).unwrap_or_default().into_iter().map(TlsVersion).collect();
            }
            EARLY_DATA => self.early_data = true,
            PSK_KEY_EXCHANGE_MODES => self.takes_tickets = true,
            _ => {}
        }
    }
}

impl Choice {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (_, parsed) = parse_tls_handshake_server_hello(body).ok()?;
        let mut choice = Self {
            version: TlsVersion(parsed.version.0),
            cipher: parsed.cipher.0,
            random: parsed.random.try_into().ok()?,
            session_id: parsed.session_id.unwrap_or_default().to_vec(),
            alpn: None,
            pre_shared_key: false,
            encrypt_then_mac: false,
            group: None,
        };
        for (kind, content) in extensions(parsed.ext.unwrap_or_default()) {
            let mut content = Reader::new(content);
            match kind {
                SUPPORTED_VERSIONS => choice.version = content.u16().map_or(choice.version, TlsVersion),
                ALPN => choice.alpn = protocols(content).into_iter().next(),
                PRE_SHARED_KEY => choice.pre_shared_key = true,
                ENCRYPT_THEN_MAC => choice.encrypt_then_mac = true,
                KEY_SHARE => choice.group = content.u16(),
                _ => {}
            }
        }
        Some(choice)
    }

    pub(super) fn is_hello_retry_request(&self) -> bool {
        self.random == HELLO_RETRY_REQUEST_RANDOM
    }
}

impl Extras {
    pub(super) fn parse(body: &[u8]) -> Self {
        let mut extras = Self::default();
        let list = Reader::new(body).vector16().map(|list| list.rest()).unwrap_or_default();
        for (kind, content) in extensions(list) {
            match kind {
                ALPN => extras.alpn = protocols(Reader::new(content)).into_iter().next(),
                EARLY_DATA => extras.early_data = true,
                _ => {}
            }
        }
        extras
    }
}

/// Type and content of each extension; one that is cut ends the list.
fn extensions(list: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut list = Reader::new(list);
    std::iter::from_fn(move || Some((list.u16()?, list.vector16()?.rest())))
}

/// The numbers of a list, without those that stand for nothing (GREASE, RFC 8701).
fn numbers(mut list: Reader<'_>) -> Vec<u16> {
    std::iter::from_fn(|| list.u16()).filter(|&number| !is_grease(number)).collect()
}

/// 0x0a0a, 0x1a1a ... 0xfafa (RFC 8701 section 2).
fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// The first host name of a server_name extension (RFC 6066 section 3).
fn server_name(mut content: Reader<'_>) -> Option<String> {
    let mut list = content.vector16()?;
    loop {
        let kind = list.u8()?;
        let name = list.vector16()?;
        if kind == 0 && !name.is_empty() {
            return Some(String::from_utf8_lossy(name.rest()).into_owned());
        }
    }
}

/// The names of an ALPN extension (RFC 7301 section 3.1), without GREASE.
fn protocols(mut content: Reader<'_>) -> Vec<String> {
    let Some(mut list) = content.vector16() else { return Vec::new() };
    std::iter::from_fn(|| list.vector8())
        .map(|name| name.rest())
        .filter(|name| !matches!(name, [high, low] if is_grease(u16::from_be_bytes([*high, *low]))))
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const ENCRYPT_THEN_MAC: u16 = 22;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_KEY_EXCHANGE_MODES: u16 = 45;
const KEY_SHARE: u16 = 51;

/// SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3).
const HELLO_RETRY_REQUEST_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello body with these extensions.
    fn client_hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 6, 0x2a, 0x2a, 0x13, 0x01, 0xc0, 0x2f, 1, 0]);
        body.extend(list(extensions));
        body
    }

    fn server_hello(random: [u8; 32], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend(random);
        body.extend([2, 0xaa, 0xbb, 0x13, 0x01, 0]);
        body.extend(list(extensions));
        body
    }

    fn list(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, content) in extensions {
            bytes.extend(kind.to_be_bytes());
            bytes.extend((content.len() as u16).to_be_bytes());
            bytes.extend(*content);
        }
        [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()
    }

    #[test]
    fn a_client_hello_is_read_without_grease() {
        let body = client_hello(&[
            (0x3a3a, &[]),
            (SERVER_NAME, b"\x00\x0f\x00\x00\x0cshop.example"),
            (SUPPORTED_GROUPS, &[0, 4, 0x1a, 0x1a, 0, 29]),
            (SIGNATURE_ALGORITHMS, &[0, 2, 4, 3]),
            (ALPN, b"\x00\x0f\x02\x4a\x4a\x02h2\x08http/1.1"),
            (SUPPORTED_VERSIONS, &[6, 0xfa, 0xfa, 3, 4, 3, 3]),
            (PSK_KEY_EXCHANGE_MODES, &[1, 1]),
        ]);
        let offer = Offer::parse(&body, PacketRef::default()).expect("a ClientHello");
        assert_eq!(offer.hello.ciphers, [0x1301, 0xc02f]);
        assert_eq!(offer.hello.sni.as_deref(), Some("shop.example"));
        assert_eq!(offer.hello.groups, [29]);
        assert_eq!(offer.hello.signature_schemes, [0x0403]);
        assert_eq!(offer.hello.alpn, ["h2", "http/1.1"]);
        assert_eq!(offer.hello.versions, [TlsVersion::TLS_1_3, TlsVersion::TLS_1_2]);
        assert_eq!(offer.hello.random, [7; 32]);
        assert!(offer.takes_tickets && !offer.early_data);
    }

    #[test]
    fn without_supported_versions_the_legacy_version_counts() {
        let offer = Offer::parse(&client_hello(&[]), PacketRef::default()).expect("a ClientHello");
        assert_eq!(offer.hello.versions, [TlsVersion::TLS_1_2]);
    }

    #[test]
    fn a_broken_extension_spoils_no_other() {
        let body = client_hello(&[(ALPN, &[0xff, 0xff, 9]), (SERVER_NAME, b"\x00\x04\x00\x00\x01a")]);
        let offer = Offer::parse(&body, PacketRef::default()).expect("a ClientHello");
        assert_eq!(offer.hello.sni.as_deref(), Some("a"));
        assert!(offer.hello.alpn.is_empty());
    }

    #[test]
    fn a_server_hello_is_read() {
        let body = server_hello([1; 32], &[(SUPPORTED_VERSIONS, &[3, 4]), (PRE_SHARED_KEY, &[0, 0])]);
        let choice = Choice::parse(&body).expect("a ServerHello");
        assert_eq!((choice.version, choice.cipher), (TlsVersion::TLS_1_3, 0x1301));
        assert_eq!(choice.session_id, [0xaa, 0xbb]);
        assert!(choice.pre_shared_key && !choice.is_hello_retry_request());
    }

    #[test]
    fn a_hello_retry_request_is_told_by_its_random() {
        let choice = Choice::parse(&server_hello(HELLO_RETRY_REQUEST_RANDOM, &[])).expect("a ServerHello");
        assert!(choice.is_hello_retry_request());
    }

    #[test]
    fn encrypted_extensions_name_the_protocol() {
        let extras = Extras::parse(&list(&[(ALPN, b"\x00\x03\x02h2"), (EARLY_DATA, &[])]));
        assert_eq!(extras, Extras { alpn: Some("h2".into()), early_data: true });
    }

    #[test]
    fn a_hello_of_ssl_2_is_read() {
        let body = [1, 3, 1, 0, 6, 0, 0, 0, 2, 0, 0, 0x2f, 7, 0, 0xc0, 0xaa, 0xbb];
        let offer = Offer::parse_ssl2(&body, PacketRef::default()).expect("a ClientHello");
        assert_eq!(offer.hello.versions, [TlsVersion::TLS_1_0]);
        assert_eq!(offer.hello.ciphers, [0x2f]);
        assert_eq!(offer.hello.random[29..], [0, 0xaa, 0xbb]);
    }

    #[test]
    fn every_cut_of_a_hello_is_taken_without_harm() {
        let client = client_hello(&[(SERVER_NAME, b"\x00\x04\x00\x00\x01a")]);
        let server = server_hello([1; 32], &[(SUPPORTED_VERSIONS, &[3, 4])]);
        for len in 0..client.len() {
            let cut = Offer::parse(&client[..len], PacketRef::default());
            assert!(cut.is_none_or(|offer| offer.hello.sni.is_none()), "{len}");
        }
        for len in 0..server.len() {
            assert!(Choice::parse(&server[..len]).is_none_or(|choice| choice.version != TlsVersion::TLS_1_3));
        }
    }
}
