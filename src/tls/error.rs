//! What can be wrong with what the user gives to this room.

/// Why certificates could not be taken as trust anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// No certificate in PEM format.
    #[error("no certificate found: a CA file holds PEM blocks that begin with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// One block is no PEM.
    #[error("PEM block {nth} cannot be decoded: replace it by the certificate as its authority published it")]
    BadPem {
        /// Which block, from 1.
        nth: usize,
    },
    /// One block is no certificate that can be a trust anchor.
    #[error("the certificate in PEM block {nth} cannot be a trust anchor: give that of the authority")]
    BadCertificate {
        /// Which block, from 1.
        nth: usize,
    },
}
