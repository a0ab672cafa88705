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
            Parsed::read(der).map_or(0, |one| u8::from(at >= one.not_before()) + u8::from(at > one.not_after()));
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
