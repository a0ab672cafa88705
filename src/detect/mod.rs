//! What is wrong with one connection: one small file a detector.
//!
//! A detector reads a finished [`Case`] and returns [`Finding`]s. It says only what its own signature proves;
//! which of several findings is the root cause is the verdict's choice. A new detector is one new file here, its
//! line in [`DETECTORS`], its cause under `causes/` and its labelled capture under `testdata/`;
//! `empty_response.rs` is the model to copy.

mod accept_stalled;
mod alpn_mismatch;
mod broken_content_encoding;
mod case;
mod connect_refused;
mod connect_timeout;
mod connect_unreachable;
mod early_response_reset;
mod empty_response;
mod finding;
mod h2_goaway;
mod h2_protocol_error;
mod h2_stream_reset;
mod headers_too_large;
mod http09_response;
mod idle_connection_dropped;
mod keepalive_race;
mod malformed_response;
mod middlebox_reset;
mod mtu_blackhole;
mod negotiation;
pub mod observe;
mod reset_before_response;
mod reset_mid_response;
mod response_timeout;
mod stalled_response;
#[cfg(test)]
mod testing;
mod tls_alert;
mod tls_certificate;
mod tls_client_certificate;
mod tls_handshake_broken;
mod tls_not_spoken;
mod truncated_response;
mod unsolicited_response;

use http09_response::quote;

pub use case::{Case, Reaction, span};
pub use finding::{Actor, Cause, Confidence, Evidence, Finding, Observation, Scope};

/// One detector.
pub struct Detector {
    /// Name of its file.
    pub name: &'static str,
    /// The causes that it can find.
    pub causes: &'static [Cause],
    /// The detector itself.
    pub detect: fn(&Case<'_>) -> Vec<Finding>,
}

macro_rules! detectors {
    ($($module:ident),* $(,)?) => {
        /// Every detector. Their order decides nothing.
        pub const DETECTORS: &[Detector] = &[$(Detector {
            name: stringify!($module),
            causes: $module::CAUSES,
            detect: $module::detect,
        }),*];
    };
}

detectors![
    connect_refused,
    connect_timeout,
    connect_unreachable,
    accept_stalled,
    tls_not_spoken,
    tls_alert,
    tls_client_certificate,
    tls_certificate,
    tls_handshake_broken,
    alpn_mismatch,
    h2_protocol_error,
    h2_stream_reset,
    h2_goaway,
    empty_response,
    reset_before_response,
    reset_mid_response,
    truncated_response,
    http09_response,
    malformed_response,
    headers_too_large,
    broken_content_encoding,
    unsolicited_response,
    early_response_reset,
    keepalive_race,
    idle_connection_dropped,
    response_timeout,
    stalled_response,
    middlebox_reset,
    mtu_blackhole,
];
