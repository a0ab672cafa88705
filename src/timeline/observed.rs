//! Small containers for facts that exist once for each peer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Index, IndexMut};

use super::Peer;

/// One value for the edge and one for the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByPeer<T> {
    /// The edge's value.
    pub edge: T,
    /// The origin's value.
    pub origin: T,
}

impl<T> Index<Peer> for ByPeer<T> {
    type Output = T;

    fn index(&self, peer: Peer) -> &T {
        match peer {
            Peer::Edge => &self.edge,
            Peer::Origin => &self.origin,
        }
    }
}

impl<T> IndexMut<Peer> for ByPeer<T> {
    fn index_mut(&mut self, peer: Peer) -> &mut T {
        match peer {
            Peer::Edge => &mut self.edge,
            Peer::Origin => &mut self.origin,
        }
    }
}

/// Address and port of one end of a connection, written `ADDRESS:PORT`, IPv6 as `[ADDRESS]:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
}

/// Ports that web servers listen on: the registered ones, the usual ones of application servers, and those that
/// Cloudflare connects to (developers.cloudflare.com/fundamentals/reference/network-ports).
const WEB_PORTS: [u16; 20] = [
    80, 443, 3000, 5000, 8000, 8008, 8080, 8081, 8443, 8880, 8888, 9000, 2052, 2053, 2082, 2083, 2086, 2087, 2095, 2096,
];

impl Endpoint {
    /// True for a port that web servers usually listen on.
    #[must_use]
    pub fn is_web_port(&self) -> bool {
        WEB_PORTS.contains(&self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}
