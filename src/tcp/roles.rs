//! Which end of a connection is the server, where the SYN is missing.

use std::net::IpAddr;

use crate::timeline::Endpoint;

/// What is known of the servers before the first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Address of the origin, as the user named it.
    pub server: Option<IpAddr>,
    /// Port of the origin, as the user named it.
    pub port: Option<u16>,
}

impl Roles {
    /// True where the user named `end` as the origin.
    #[must_use]
    pub fn names(&self, end: Endpoint) -> bool {
        self.server == Some(end.address) && self.port.is_none_or(|port| port == end.port)
    }

    /// True where `a` is more likely the server than `b`: named by the user, a web port, a system port
    /// (RFC 6335 section 6), the lower port.
    #[must_use]
    pub fn is_server(&self, a: Endpoint, b: Endpoint) -> bool {
        let likelihood =
            |end: Endpoint| (self.names(end), end.is_web_port(), end.port < 1024, std::cmp::Reverse(end.port));
        likelihood(a) > likelihood(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(address: &str, port: u16) -> Endpoint {
        Endpoint { address: address.parse().unwrap(), port }
    }

    #[test]
    fn the_web_port_is_the_server_whatever_its_number() {
        let roles = Roles::default();
        assert!(roles.is_server(end("10.0.0.2", 8443), end("10.0.0.1", 2500)));
        assert!(!roles.is_server(end("10.0.0.1", 2500), end("10.0.0.2", 8443)));
    }

    #[test]
    fn the_server_that_the_user_names_wins_over_ports() {
        let roles = Roles { server: Some("10.0.0.9".parse().unwrap()), port: Some(40_000) };
        assert!(roles.is_server(end("10.0.0.9", 40_000), end("10.0.0.1", 80)));
        assert!(!roles.is_server(end("10.0.0.9", 40_001), end("10.0.0.1", 80)));
    }
}
