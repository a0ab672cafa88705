//! Certificates (RFC 5280): what one says, and what of it needs no other certificate to be judged.

use std::borrow::Cow;
use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use super::reader::Reader;
use crate::timeline::{Certificate, CertificateFault, Time};

/// The certificates of a Certificate message, leaf first (RFC 5246 section 7.4.2).
pub(super) fn chain_tls12(body: &[u8]) -> Vec<&[u8]> {
    let Some(mut list) = Reader::new(body).vector24() else { return Vec::new() };
    std::iter::from_fn(|| list.vector24()).map(|der| der.rest()).take(MAX_CHAIN).collect()
}

/// The same in TLS 1.3 (RFC 8446 section 4.4.2): a context before the list, and extensions behind each certificate.
pub(super) fn chain_tls13(body: &[u8]) -> Vec<&[u8]> {
    let mut body = Reader::new(body);
    let Some(mut list) = body.vector8().and_then(|_context| body.vector24()) else { return Vec::new() };
    let entry = || {
        let der = list.vector24()?;
        list.vector16()?;
        Some(der.rest())
    };
    std::iter::from_fn(entry).take(MAX_CHAIN).collect()
}

/// A certificate that could be read.
pub(super) struct Parsed<'a> {
    x509: X509Certificate<'a>,
}

impl<'a> Parsed<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        X509Certificate::from_der(der).ok().map(|(_, x509)| Self { x509 })
    }

    /// The facts for the timeline.
    pub(super) fn facts(&self) -> Certificate {
        Certificate {
            subject: self.subject(),
            issuer: self.issuer(),
            not_before: self.not_before(),
            not_after: self.not_after(),
            names: self.names(),
            self_signed: self.is_self_signed(),
        }
    }

    pub(super) fn subject(&self) -> String {
        shortened(&self.x509.subject().to_string())
    }

    pub(super) fn issuer(&self) -> String {
        shortened(&self.x509.issuer().to_string())
    }

    pub(super) fn not_before(&self) -> Time {
        Time(self.x509.validity().not_before.timestamp().saturating_mul(NANOS))
    }

    pub(super) fn not_after(&self) -> Time {
        Time(self.x509.validity().not_after.timestamp().saturating_mul(NANOS))
    }

    /// Its own key signed it; where the algorithm cannot be checked, its key identifiers say so.
    pub(super) fn is_self_signed(&self) -> bool {
        let own_issuer = self.x509.subject().as_raw() == self.x509.issuer().as_raw();
        own_issuer
            && match self.x509.verify_signature(None) {
                Ok(()) => true,
                Err(x509_parser::error::X509Error::SignatureUnsupportedAlgorithm) => self.names_own_key(),
                Err(_) => false,
            }
    }

    /// True where `issuer` has the name of this certificate's issuer.
    pub(super) fn is_issued_by(&self, issuer: &Parsed<'_>) -> bool {
        self.x509.issuer().as_raw() == issuer.x509.subject().as_raw()
    }

    pub(super) fn is_authority(&self) -> bool {
        self.x509.is_ca()
    }

    /// True where a public log has seen it (RFC 6962), as only authorities that browsers trust do.
    pub(super) fn is_logged(&self) -> bool {
        self.extension(SIGNED_CERTIFICATE_TIMESTAMPS).is_some()
    }

    /// What the calendar says at the time `at`.
    pub(super) fn out_of_date(&self, at: Time) -> Option<CertificateFault> {
        let (not_before, not_after) = (self.not_before(), self.not_after());
        if at > not_after {
            Some(CertificateFault::Expired { not_after })
        } else if at < not_before {
            Some(CertificateFault::NotYetValid { not_before })
        } else {
            None
        }
    }

    /// A key or a signature that edges refuse.
    pub(super) fn weakness(&self) -> Option<String> {
        let signature = self.x509.signature_algorithm.algorithm.to_id_string();
        if let Some((_, name)) = WEAK_SIGNATURES.iter().find(|(oid, _)| *oid == signature) {
            return Some(format!("{} is signed with {name}", self.subject()));
        }
        match self.x509.public_key().parsed() {
            Ok(PublicKey::RSA(key)) if bits(key.modulus) < LEAST_RSA_BITS => {
                Some(format!("{} has an RSA key of {} bits", self.subject(), bits(key.modulus)))
            }
            _ => None,
        }
    }

    /// True where it holds `wanted`: a name of subjectAltName, or the common name where there are none (RFC 9525
    /// section 6, RFC 6125 section 6.4.4).
    pub(super) fn holds(&self, wanted: &str) -> bool {
        let mut names = self.alternative_names().peekable();
        if names.peek().is_some() {
            return names.any(|name| covers(&name, wanted));
        }
        self.common_names().any(|name| covers(name, wanted))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.alternative_names().map(|name| shortened(&name)).take(MAX_NAMES).collect()
    }

    /// DNS names and IP addresses of subjectAltName.
    fn alternative_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let extension = self.x509.subject_alternative_name().ok().flatten();
        let names = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Cow::Borrowed(*name)),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| Cow::Owned(address.to_string())),
            _ => None,
        })
    }

    fn common_names(&self) -> impl Iterator<Item = &str> {
        self.x509.subject().iter_common_name().filter_map(|name| name.as_str().ok())
    }

    fn names_own_key(&self) -> bool {
        let authority = self.extension(AUTHORITY_KEY_IDENTIFIER);
        let own = self.extension(SUBJECT_KEY_IDENTIFIER).and_then(|own| own.get(2..));
        match (authority, own) {
            (None, _) => true,
            (Some(authority), Some(own)) => authority.windows(own.len().max(1)).any(|window| window == own),
            (Some(_), None) => false,
        }
    }

    /// The content of the extension with this object identifier.
    fn extension(&self, oid: &str) -> Option<&[u8]> {
        let mut all = self.x509.extensions().iter();
        all.find(|extension| extension.oid.to_id_string() == oid).map(|extension| extension.value)
    }
}

/// True where `pattern` stands for `name`: the same, or with `*` for its whole first label (RFC 9525 section 6.3).
fn covers(pattern: &str, name: &str) -> bool {
    let [pattern, name] = [pattern, name].map(|text| text.trim_end_matches('.'));
    if let (Some(rest), Err(_)) = (pattern.strip_prefix("*."), name.parse::<IpAddr>()) {
        let parent = name.split_once('.').filter(|(label, _)| !label.is_empty());
        return parent.is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest));
    }
    pattern.eq_ignore_ascii_case(name)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Bits of a number, leading zeros not counted.
fn bits(number: &[u8]) -> usize {
    let digits = number.iter().position(|&byte| byte != 0).and_then(|first| number.get(first..)).unwrap_or_default();
    let zeros = digits.first().map_or(0, |first| first.leading_zeros() as usize);
    digits.len().saturating_mul(8).saturating_sub(zeros)
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

const NANOS: i64 = 1_000_000_000;
/// Most certificates of one chain.
const MAX_CHAIN: usize = 16;
/// Most names of one certificate that are kept; all are looked at.
const MAX_NAMES: usize = 100;
/// Most characters of one name.
const MAX_TEXT: usize = 512;
const LEAST_RSA_BITS: usize = 2_048;
const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
const SIGNED_CERTIFICATE_TIMESTAMPS: &str = "1.3.6.1.4.1.11129.2.4.2";
const WEAK_SIGNATURES: [(&str, &str); 5] = [
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10040.4.3", "DSA and SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_whole_label() {
        let cases = [
            ("shop.example", "shop.example", true),
            ("SHOP.example", "shop.EXAMPLE.", true),
            ("*.example", "shop.example", true),
            ("*.example", "a.shop.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("s*.example", "shop.example", false),
            ("*.0.0.1", "10.0.0.1", false),
            ("10.0.0.1", "10.0.0.1", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(covers(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn chains_are_read_in_both_formats() {
        let tls12 = [0, 0, 9, 0, 0, 1, 0xaa, 0, 0, 2, 0xbb, 0xcc];
        assert_eq!(chain_tls12(&tls12), [&[0xaa][..], &[0xbb, 0xcc]]);
        let tls13 = [0, 0, 0, 13, 0, 0, 1, 0xaa, 0, 0, 0, 0, 2, 0xbb, 0xcc, 0, 0];
        assert_eq!(chain_tls13(&tls13), [&[0xaa][..], &[0xbb, 0xcc]]);
        assert!(chain_tls12(&[0, 0, 9]).is_empty());
        assert!(chain_tls13(&[]).is_empty());
    }

    #[test]
    fn leading_zeros_are_no_bits() {
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[0x01]), 1);
        assert_eq!(bits(&[0, 0]), 0);
    }
}
