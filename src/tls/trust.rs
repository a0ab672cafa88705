//! Does a chain lead to a root that a strict edge trusts? Judged at the time of the packet.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::certificate::Parsed;
use super::error::TlsError;
use crate::timeline::{Certificate, CertificateFault, Time};

/// The roots that a strict edge trusts: Mozilla's, those of Cloudflare's Origin CA, and what the user adds.
///
/// A clone is another handle to the same roots.
#[derive(Clone, Debug)]
pub struct TrustAnchors(Rc<Roots>);

#[derive(Debug, Default)]
struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// What was judged already: checking signatures is slow, and an origin has one chain for all connections.
    judged: RefCell<HashMap<[u8; 32], Judged>>,
}

/// What is said of a chain, whatever name was asked for, as long as none of its dates passes.
#[derive(Clone, Debug)]
struct Judged {
    certificates: Vec<Certificate>,
    distrust: Option<CertificateFault>,
    weakness: Option<CertificateFault>,
}

impl Default for TrustAnchors {
    fn default() -> Self {
        Self::bundled()
    }
}

impl TrustAnchors {
    /// Mozilla's roots and those of Cloudflare's Origin CA.
    #[must_use]
    pub fn bundled() -> Self {
        let mut anchors = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        for root in CLOUDFLARE_ORIGIN_CA {
            anchors.extend(read_pem(root).unwrap_or_default());
        }
        Self(Rc::new(Roots { anchors, judged: RefCell::default() }))
    }

    /// These roots and those of a PEM file (`--ca FILE`).
    ///
    /// # Errors
    /// Where the file holds no certificate, or one that cannot be a trust anchor.
    pub fn with_pem(&self, pem: &[u8]) -> Result<Self, TlsError> {
        let mut anchors = self.0.anchors.clone();
        anchors.extend(read_pem(pem)?);
        Ok(Self(Rc::new(Roots { anchors, judged: RefCell::default() })))
    }

    /// Number of roots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.anchors.len()
    }

    /// True where nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.anchors.is_empty()
    }

    /// The certificates of a chain, leaf first, and what a strict edge that asked for `wanted` has against it at
    /// the time `at`.
    pub(super) fn judge(
        &self,
        chain: &[&[u8]],
        wanted: Option<&str>,
        at: Time,
    ) -> (Vec<Certificate>, Vec<CertificateFault>) {
        let Some(leaf) = chain.first().and_then(|der| Parsed::read(der)) else {
            let problem = "the origin's certificate cannot be read".to_owned();
            let fault = (!chain.is_empty()).then_some(CertificateFault::Weak { problem });
            return (Vec::new(), fault.into_iter().collect());
        };
        let judged = self.look_up(chain, &leaf, at);
        let mut faults: Vec<CertificateFault> = leaf.out_of_date(at).into_iter().collect();
        faults.extend(judged.distrust);
        if let Some(wanted) = wanted.filter(|wanted| !leaf.holds(wanted)) {
            faults.push(CertificateFault::NameMismatch { wanted: wanted.to_owned(), names: leaf.names() });
        }
        faults.extend(judged.weakness);
        (judged.certificates, faults)
    }

    fn look_up(&self, chain: &[&[u8]], leaf: &Parsed<'_>, at: Time) -> Judged {
        let key = key(chain, at);
        if let Some(known) = self.0.judged.borrow().get(&key) {
            return known.clone();
        }
        let certificates = chain.iter().filter_map(|der| Parsed::read(der)).map(|parsed| parsed.facts()).collect();
        let distrust = self.0.distrust(chain, leaf, at);
        let known = Judged { certificates, distrust, weakness: weakness(chain) };
        let mut judged = self.0.judged.borrow_mut();
        if judged.len() >= MAX_JUDGED {
            judged.clear();
        }
        judged.insert(key, known.clone());
        known
    }
}

impl Roots {
    fn distrust(&self, chain: &[&[u8]], leaf: &Parsed<'_>, at: Time) -> Option<CertificateFault> {
        let (der, rest) = chain.split_first()?;
        if self.holds(der) {
            return None;
        }
        if leaf.is_self_signed() {
            return Some(CertificateFault::SelfSigned);
        }
        // The leaf's own dates are a fault of their own.
        let at = at.clamp(leaf.not_before(), leaf.not_after().max(leaf.not_before()));
        let seconds = u64::try_from(at.0.div_euclid(1_000_000_000)).unwrap_or(0);
        let problem = self.verify(der, rest, UnixTime::since_unix_epoch(Duration::from_secs(seconds))).err()?;
        explain(problem, chain, at)
    }

    /// True where the certificate itself is a root.
    fn holds(&self, der: &[u8]) -> bool {
        let der = CertificateDer::from(der);
        anchor_from_trusted_cert(&der).is_ok_and(|anchor| self.anchors.contains(&anchor))
    }

    fn verify(&self, leaf: &[u8], rest: &[&[u8]], at: UnixTime) -> Result<(), webpki::Error> {
        let leaf = CertificateDer::from(leaf);
        let rest: Vec<CertificateDer<'_>> = rest.iter().map(|&der| CertificateDer::from(der)).collect();
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let usage = KeyUsage::server_auth();
        EndEntityCert::try_from(&leaf)?
            .verify_for_usage(algorithms, &self.anchors, &rest, at, usage, None, None)
            .map(|_path| ())
    }
}

/// What an error of the path search means to an edge; none where the search could not judge.
fn explain(problem: webpki::Error, chain: &[&[u8]], at: Time) -> Option<CertificateFault> {
    use webpki::Error;
    let weak = |problem: &str| Some(CertificateFault::Weak { problem: problem.to_owned() });
    match problem {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            chain.iter().skip(1).filter_map(|der| Parsed::read(der)?.out_of_date(at)).next()
        }
        // Keys and hashes that are too weak are not checked at all.
        Error::InvalidSignatureForPublicKey if weakness(chain).is_some() => None,
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => {
            Some(CertificateFault::Untrusted { issuer: missing_issuer(chain) })
        }
        Error::CaUsedAsEndEntity => weak("the origin's certificate is that of an authority"),
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            weak("the certificate is not meant for servers (extended key usage)")
        }
        Error::NameConstraintViolation => weak("the certificate breaks a name constraint of its authority"),
        Error::PathLenConstraintViolated | Error::EndEntityUsedAsCa => {
            weak("a certificate of the chain may not sign certificates")
        }
        _ => None,
    }
}

/// The issuer at which the way from the leaf to a root ends, and why.
fn missing_issuer(chain: &[&[u8]]) -> String {
    let parsed: Vec<Parsed<'_>> = chain.iter().filter_map(|der| Parsed::read(der)).collect();
    let Some(leaf) = parsed.first() else { return String::new() };
    let mut last = leaf;
    for _ in &parsed {
        let next = parsed.iter().find(|next| last.is_issued_by(next) && !std::ptr::eq(*next, last));
        let Some(next) = next else { break };
        last = next;
    }
    let issuer = last.issuer();
    let alone = std::ptr::eq(last, leaf);
    let first_is_authority = leaf.is_authority() && parsed.iter().any(|other| !other.is_authority());
    if first_is_authority {
        format!("{issuer} (the chain is out of order: the origin's own certificate is not the first)")
    } else if last.is_self_signed() {
        format!("{issuer} (sent by the origin, and not trusted)")
    } else if alone && parsed.len() > 1 {
        format!("{issuer} (the other certificates that the origin sent do not belong to its own)")
    } else if alone && leaf.is_logged() {
        format!("{issuer} (its intermediate certificate is missing in the chain that the origin sent)")
    } else {
        format!("{issuer} (not trusted, and not in the chain that the origin sent)")
    }
}

/// The first weak certificate below the root.
fn weakness(chain: &[&[u8]]) -> Option<CertificateFault> {
    let below_root = |(nth, der): (usize, &&[u8])| {
        let parsed = Parsed::read(der)?;
        if nth > 0 && parsed.is_self_signed() { None } else { parsed.weakness() }
    };
    let problem = chain.iter().enumerate().find_map(below_root)?;
    Some(CertificateFault::Weak { problem })
}

/// The chain, and the time as far as it matters: which of the chain's dates lie before it.
fn key(chain: &[&[u8]], at: Time) -> [u8; 32] {
    let mut hash = Sha256::new();
    for der in chain {
        let passed =
            Parsed::read(der).map_or(0, |one| u8::from(at >= one.not_before()) << 1 | u8::from(at > one.not_after()));
        hash.update((der.len() as u64).to_be_bytes());
        hash.update(der);
        hash.update([passed]);
    }
    hash.finalize().into()
}

fn read_pem(pem: &[u8]) -> Result<Vec<TrustAnchor<'static>>, TlsError> {
    let mut anchors = Vec::new();
    for (index, block) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let nth = index.saturating_add(1);
        let der = block.map_err(|_| TlsError::BadPem { nth })?;
        let anchor = anchor_from_trusted_cert(&der).map_err(|_| TlsError::BadCertificate { nth })?;
        anchors.push(anchor.to_owned());
    }
    if anchors.is_empty() { Err(TlsError::NoCertificate) } else { Ok(anchors) }
}

/// The roots of Cloudflare's Origin CA, from developers.cloudflare.com/ssl/origin-configuration/origin-ca.
const CLOUDFLARE_ORIGIN_CA: [&[u8]; 2] =
    [include_bytes!("roots/cloudflare-origin-ca-rsa.pem"), include_bytes!("roots/cloudflare-origin-ca-ecc.pem")];
/// Most chains whose judgement is remembered.
const MAX_JUDGED: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testing::testdata;

    fn der(name: &str) -> Vec<u8> {
        let pem = testdata(&format!("certificates/{name}.pem"));
        CertificateDer::from_pem_slice(&pem).expect("a certificate").to_vec()
    }

    /// The roots with the test's own, which signed `intermediate`, which signed `leaf`.
    fn with_test_root() -> TrustAnchors {
        TrustAnchors::bundled().with_pem(&testdata("certificates/root.pem")).expect("a root")
    }

    fn judge(trust: &TrustAnchors, chain: &[&str], wanted: &str, at: Time) -> Vec<CertificateFault> {
        let chain: Vec<Vec<u8>> = chain.iter().map(|name| der(name)).collect();
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        trust.judge(&chain, Some(wanted), at).1
    }

    fn issuer(faults: &[CertificateFault]) -> &str {
        match faults {
            [CertificateFault::Untrusted { issuer }] => issuer,
            other => panic!("{other:?}"),
        }
    }

    const JUNE_2025: Time = Time(1_748_736_000_000_000_000);
    const JUNE_2026: Time = Time(1_780_272_000_000_000_000);
    const JUNE_2024: Time = Time(1_717_200_000_000_000_000);

    #[test]
    fn a_chain_to_a_root_that_the_user_gave_has_no_fault() {
        let trust = with_test_root();
        assert_eq!(judge(&trust, &["leaf", "intermediate"], "shop.example", JUNE_2025), []);
        assert_eq!(judge(&trust, &["leaf", "intermediate"], "www.shop.example", JUNE_2025), []);
        assert_eq!(judge(&trust, &["leaf", "intermediate"], "192.0.2.1", JUNE_2025), []);
        assert_eq!(judge(&trust, &["leaf", "root", "intermediate"], "shop.example", JUNE_2025), []);
        assert_eq!(judge(&trust, &["common-name-only", "intermediate"], "shop.example", JUNE_2025), []);
    }

    #[test]
    fn the_calendar_is_that_of_the_packet() {
        let trust = with_test_root();
        let chain = ["leaf", "intermediate"];
        let not_after = Time(1_767_225_600_000_000_000);
        let not_before = Time(1_735_689_600_000_000_000);
        assert_eq!(judge(&trust, &chain, "shop.example", JUNE_2026), [CertificateFault::Expired { not_after }]);
        assert_eq!(judge(&trust, &chain, "shop.example", JUNE_2024), [CertificateFault::NotYetValid { not_before }]);
    }

    #[test]
    fn an_intermediate_that_has_expired_is_told() {
        let faults = judge(&with_test_root(), &["leaf", "old-intermediate"], "shop.example", JUNE_2025);
        assert_eq!(faults, [CertificateFault::Expired { not_after: Time(1_740_787_200_000_000_000) }]);
    }

    #[test]
    fn the_issuer_that_is_missing_is_named() {
        let bundled = TrustAnchors::bundled();
        let faults = judge(&bundled, &["leaf", "intermediate"], "shop.example", JUNE_2025);
        assert_eq!(issuer(&faults), "O=Test, CN=Test Root (not trusted, and not in the chain that the origin sent)");
        let faults = judge(&bundled, &["leaf", "intermediate", "root"], "shop.example", JUNE_2025);
        assert_eq!(issuer(&faults), "O=Test, CN=Test Root (sent by the origin, and not trusted)");
        let faults = judge(&with_test_root(), &["leaf"], "shop.example", JUNE_2025);
        assert!(issuer(&faults).starts_with("O=Test, CN=Test Intermediate (not trusted"), "{faults:?}");
        let faults = judge(&with_test_root(), &["leaf", "other-root"], "shop.example", JUNE_2025);
        assert!(issuer(&faults).ends_with("do not belong to its own)"), "{faults:?}");
    }

    #[test]
    fn a_self_signed_certificate_is_not_called_untrusted() {
        let bundled = TrustAnchors::bundled();
        for name in ["self-signed", "self-signed-authority"] {
            let faults = judge(&bundled, &[name], "shop.example", JUNE_2025);
            assert_eq!(faults, [CertificateFault::SelfSigned], "{name}");
        }
        let trust = bundled.with_pem(&testdata("certificates/self-signed-authority.pem")).expect("a root");
        assert_eq!(judge(&trust, &["self-signed-authority"], "shop.example", JUNE_2025), []);
    }

    #[test]
    fn a_name_that_was_not_asked_for_is_told_with_those_it_holds() {
        let faults = judge(&with_test_root(), &["leaf", "intermediate"], "blog.example", JUNE_2025);
        let names = ["shop.example", "*.shop.example", "192.0.2.1"].map(str::to_owned).to_vec();
        assert_eq!(faults, [CertificateFault::NameMismatch { wanted: "blog.example".into(), names }]);
    }

    #[test]
    fn weak_keys_and_signatures_are_told() {
        let faults = judge(&with_test_root(), &["rsa-1024", "intermediate"], "shop.example", JUNE_2025);
        let problem = "O=Test, CN=shop.example has an RSA key of 1024 bits".to_owned();
        assert_eq!(faults, [CertificateFault::Weak { problem }]);
        let sha1 = der("sha1");
        let at = Parsed::read(&sha1).expect("a certificate").not_before();
        let faults = judge(&with_test_root(), &["sha1"], "shop.example", at);
        let problem = "O=Test, CN=shop.example is signed with SHA-1".to_owned();
        assert_eq!(faults, [CertificateFault::SelfSigned, CertificateFault::Weak { problem }]);
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_and_no_panic() {
        let trust = TrustAnchors::bundled();
        let (certificates, faults) = trust.judge(&[&[0x30, 0x82, 0xff]], None, JUNE_2025);
        assert!(certificates.is_empty() && matches!(faults[..], [CertificateFault::Weak { .. }]));
        assert_eq!(trust.judge(&[], None, JUNE_2025), (Vec::new(), Vec::new()));
    }

    #[test]
    fn the_roots_of_cloudflare_are_bundled() {
        let trust = TrustAnchors::bundled();
        assert_eq!(trust.len(), webpki_roots::TLS_SERVER_ROOTS.len() + 2);
        for pem in CLOUDFLARE_ORIGIN_CA {
            let der = CertificateDer::from_pem_slice(pem).expect("a root");
            assert!(trust.0.holds(&der));
        }
    }

    #[test]
    fn files_without_a_root_are_refused() {
        let trust = TrustAnchors::bundled();
        assert_eq!(trust.with_pem(b"hello").expect_err("no PEM"), TlsError::NoCertificate);
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(trust.with_pem(broken).expect_err("no certificate"), TlsError::BadCertificate { nth: 1 });
    }

    #[test]
    fn a_judgement_is_remembered_until_a_date_passes() {
        let (leaf, intermediate) = (der("leaf"), der("intermediate"));
        let chain: [&[u8]; 2] = [&leaf, &intermediate];
        assert_eq!(key(&chain, JUNE_2025), key(&chain, Time(JUNE_2025.0 + 1)));
        assert_ne!(key(&chain, JUNE_2025), key(&chain, JUNE_2026));
        assert_ne!(key(&chain, JUNE_2025), key(&chain[..1], JUNE_2025));
    }
}
