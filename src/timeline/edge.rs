//! What the edge puts up with: its timeouts, limits and tolerances. A profile is data, not code.

use super::Rule;

/// An edge's profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Name of the profile (`cloudflare`, `generic`).
    pub profile: String,
    /// Seconds that the edge waits for a TCP connection.
    pub connect_timeout_s: f64,
    /// Seconds that it waits for its request to be acknowledged.
    pub ack_timeout_s: f64,
    /// Seconds that it waits for a TLS handshake.
    pub handshake_timeout_s: f64,
    /// Seconds that it waits for the next bytes of a response.
    pub response_timeout_s: f64,
    /// True where the response timeout was named by the user, not taken from a profile.
    pub response_timeout_given: bool,
    /// Seconds that it keeps an idle connection.
    pub idle_timeout_s: f64,
    /// Bytes of one field line.
    pub header_limit: u64,
    /// Bytes of the header section.
    pub headers_limit: u64,
    /// Deviations that it takes without complaint.
    pub tolerates: Vec<Rule>,
}

impl Default for Edge {
    /// Cloudflare's public values.
    fn default() -> Self {
        Self {
            profile: "cloudflare".to_owned(),
            connect_timeout_s: 19.0,
            ack_timeout_s: 90.0,
            handshake_timeout_s: 15.0,
            response_timeout_s: 120.0,
            response_timeout_given: false,
            idle_timeout_s: 900.0,
            header_limit: 16 * 1024,
            headers_limit: 32 * 1024,
            tolerates: vec![Rule::LineFeedAlone, Rule::FoldedLine, Rule::EmptyLineFirst],
        }
    }
}

impl Edge {
    /// A reverse proxy that is not Cloudflare: the defaults that most of them share.
    #[must_use]
    pub fn generic() -> Self {
        Self {
            profile: "generic".to_owned(),
            connect_timeout_s: 60.0,
            ack_timeout_s: 60.0,
            handshake_timeout_s: 60.0,
            response_timeout_s: 60.0,
            idle_timeout_s: 60.0,
            header_limit: 64 * 1024,
            headers_limit: 64 * 1024,
            ..Self::default()
        }
    }

    /// True where a wait of `seconds` without a byte of response is as long as the edge's read timeout.
    ///
    /// Cloudflare's documents name 100, 120 and 125 s, "a second more or less": where the user named no
    /// value, the shortest of them counts.
    #[must_use]
    pub fn waited_long_enough(&self, seconds: f64) -> bool {
        let least =
            if self.response_timeout_given { self.response_timeout_s } else { self.response_timeout_s.min(100.0) };
        seconds >= least - (least * 0.05).min(1.0)
    }
}
