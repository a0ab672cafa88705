//! Records, handshake, certificates, alerts; plain bytes where there is a key log.
//!
//! [`Session`] is one connection; [`probe`] says whether a stream is TLS at all.
//! ```text
//! stream ─▶ record ─┬─ in clear ──▶ message ─▶ hello, handshake, certificate, trust, alert ─▶ timeline
//!                   ├─ decrypt ───▶ the same, and application data ─▶ whoever comes next
//!                   └─ keyless ───▶ flight (the handshake), inferred (the exchanges) ─▶ timeline
//! ```
//! Secrets come from a [`KeyLog`], roots from [`TrustAnchors`]; both are handles that sessions share.

mod alert;
mod buffers;
mod certificate;
mod decrypt;
mod early;
mod error;
mod flight;
mod handshake;
mod hello;
mod inferred;
mod keyless;
mod keylog;
mod message;
mod probe;
mod reader;
mod record;
mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trust;

pub use error::TlsError;
pub use keylog::KeyLog;
pub use probe::{Probe, probe};
pub use session::Session;
pub use trust::TrustAnchors;
