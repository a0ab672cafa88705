//! What the edge puts up with: its timeouts, limits and tolerances. A profile is data, not code: see `edges/`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::{Network, Rule};

/// An edge's profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Name of the profile (`cloudflare`, `generic`, or what a file calls itself).
    pub profile: String,
    /// Statuses of the catalogue that it shows.
    pub statuses: Statuses,
    /// Statuses of single causes that differ from the catalogue's, by the cause's id.
    pub status_of: BTreeMap<String, u16>,
    /// Seconds that the edge waits for a TCP connection.
    pub connect_timeout_s: f64,
    /// Seconds that it waits for its request to be acknowledged.
    pub ack_timeout_s: f64,
    /// Seconds that it waits for a TLS handshake.
    pub handshake_timeout_s: f64,
    /// Seconds that it waits for the next bytes of a response.
    pub response_timeout_s: f64,
    /// Shortest wait that can have been this timeout: documents name several values.
    pub response_least_s: f64,
    /// True where the response timeout was named by the user, not taken from a profile.
    pub response_timeout_given: bool,
    /// Seconds that it keeps an idle connection.
    pub idle_timeout_s: f64,
    /// Bytes of one field line.
    pub header_limit: u64,
    /// Bytes of the header section.
    pub headers_limit: u64,
    /// Fields of one response.
    pub fields_limit: u64,
    /// Deviations that it takes without complaint.
    pub tolerates: Vec<Rule>,
    /// Deviations that some edges of this kind take and others refuse.
    pub perhaps: Vec<Rule>,
    /// True where it ends connections by RST as well as by FIN, with nothing wrong.
    pub closes_by_reset: bool,
    /// True where it throws away what follows the end of a response, and shows the response all the same.
    pub takes_bytes_beyond: bool,
    /// Addresses that it connects from, where they are published.
    pub networks: Vec<Network>,
}

/// The statuses by which an edge tells visitors of a failed origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statuses {
    /// Cloudflare's own: 520 to 526.
    Cloudflare,
    /// Those of RFC 9110 section 15.6: 502 and 504.
    Gateway,
}

impl Default for Edge {
    fn default() -> Self {
        // A profile that cannot be read fails the tests, so none falls back to this.
        Self::built_in("cloudflare").unwrap_or_else(Self::boundless)
    }
}

impl Edge {
    /// An edge that waits for ever and takes everything: what a profile begins from.
    pub(super) fn boundless() -> Self {
        Self {
            profile: String::new(),
            statuses: Statuses::Gateway,
            status_of: BTreeMap::new(),
            connect_timeout_s: f64::INFINITY,
            ack_timeout_s: f64::INFINITY,
            handshake_timeout_s: f64::INFINITY,
            response_timeout_s: f64::INFINITY,
            response_least_s: f64::INFINITY,
            response_timeout_given: false,
            idle_timeout_s: f64::INFINITY,
            header_limit: u64::MAX,
            headers_limit: u64::MAX,
            fields_limit: u64::MAX,
            tolerates: Vec::new(),
            perhaps: Vec::new(),
            closes_by_reset: false,
            takes_bytes_beyond: false,
            networks: Vec::new(),
        }
    }

    /// This edge with a response timeout that the user named.
    #[must_use]
    pub fn with_response_timeout(self, seconds: f64) -> Self {
        Self { response_timeout_s: seconds, response_least_s: seconds, response_timeout_given: true, ..self }
    }

    /// True where a wait of `seconds` without a byte of response is as long as the edge's read timeout,
    /// "a second more or less" as Cloudflare's documents say.
    #[must_use]
    pub fn waited_long_enough(&self, seconds: f64) -> bool {
        seconds >= self.response_least_s - (self.response_least_s * 0.05).min(1.0)
    }

    /// True for an address that the edge is known to connect from.
    #[must_use]
    pub fn connects_from(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}
