//! Which end of a connection is the server, where the SYN is missing.

use std::net::IpAddr;

use crate::timeline::{Endpoint, Network};

/// What is known of the servers before the first packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Address of the origin, as the user named it.
    pub server: Option<IpAddr>,
    /// Port of the origin, as the user named it.
    pub port: Option<u16>,
    /// Addresses that the edge connects from.
    pub clients: Vec<Network>,
}

impl Roles {
    /// True where the user named `end` as the origin.
    #[must_use]
    pub fn names(&self, end: Endpoint) -> bool {
        self.server == Some(end.address) && self.port.is_none_or(|port| port == end.port)
    }

    /// True where `a` is more likely the server than `b`: named by the user, port 80 or 443 (from which nobody
    /// connects), no address of the edge, a web port, a system port (RFC 6335 section 6), the lower port.
    #[must_use]
    pub fn is_server(&self, a: Endpoint, b: Endpoint) -> bool {
        let likelihood = |end: Endpoint| {
            let foreign = !self.clients.iter().any(|network| network.contains(end.address));
            let (web, system) = (end.is_web_port(), end.port < 1024);
            (self.names(end), web && system, foreign, web, system, std::cmp::Reverse(end.port))
        };
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
        let roles = Roles { server: Some("10.0.0.9".parse().unwrap()), port: Some(40_000), ..Roles::default() };
        assert!(roles.is_server(end("10.0.0.9", 40_000), end("10.0.0.1", 80)));
        assert!(!roles.is_server(end("10.0.0.9", 40_001), end("10.0.0.1", 80)));
    }

    #[test]
    fn an_address_of_the_edge_is_the_client_whatever_its_port() {
        let roles = Roles { clients: vec!["172.64.0.0/13".parse().unwrap()], ..Roles::default() };
        assert!(roles.is_server(end("10.0.0.2", 50_123), end("172.68.10.7", 8443)));
        assert!(!roles.is_server(end("172.68.10.7", 8443), end("10.0.0.2", 50_123)));
        assert!(roles.is_server(end("172.68.10.7", 443), end("172.68.10.8", 50_123)), "both are the edge's");
        assert!(roles.is_server(end("172.68.10.7", 443), end("10.0.0.2", 50_123)), "the edge as a visitor sees it");
    }
}
