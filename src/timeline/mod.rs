//! The vocabulary that every room shares: what happened on one connection, in typed facts.
//!
//! The left half of the house (`tcp`, `tls`, `http`) writes a [`Timeline`] for each connection; the right half
//! (`detect`, `verdict`, `report`) reads nothing else. This room depends on no other.

mod capture;
mod connection;
mod crash;
mod deviation;
mod edge;
mod ending;
mod error_page;
mod exchange;
mod h2;
mod network;
mod observed;
mod profile;
mod reset;
mod segments;
mod story;
mod time;
mod tls;
mod tls_names;

pub use capture::{
    Capture, Given, GivenUp, HalfOpen, IdleClose, KEPT_IDLE_CLOSES, MAX_GIVEN, MAX_ORIGINS, OriginFacts,
};
pub use connection::{
    Close, Connect, Direction, End, Fin, RecentSegments, Start, Stuck, Timeline, Unreachable, Vantage,
};
pub use crash::Crash;
pub use deviation::{Deviation, Rule};
pub use edge::{Edge, Statuses};
pub use ending::{Ending, IDLE_S};
pub use error_page::ErrorPage;
pub use exchange::{BodyState, Coding, Exchange, Framing, Interim, Request, Response, Unsolicited, Visibility};
pub use h2::{GoAway, H2, H2Error, NotH2, StreamReset};
pub use network::{Network, NotANetwork};
pub use observed::{ByPeer, Endpoint};
pub use profile::ProfileError;
pub use reset::{Rst, RstLook, RstSender, RstSign};
pub use segments::{Copies, SegmentCounts};
pub use story::{Event, EventKind, Teller};
pub use time::{Mark, PacketRef, Time};
pub use tls::{
    Alert, AlertDescription, Certificate, CertificateFault, ClientHello, CutRecord, HandshakeMessage, HandshakePhase,
    NotTls, ServerHello, Spoken, Tls, TlsVersion,
};
pub use tls_names::{cipher_name, group_name, signature_scheme_name};

/// One of the two ends of a captured connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// The reverse proxy: the TCP client.
    Edge,
    /// The server that answers it: the TCP server.
    Origin,
}

impl Peer {
    /// The peer at the far end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Edge => Self::Origin,
            Self::Origin => Self::Edge,
        }
    }

    /// The stable lower-case word for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Origin => "origin",
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
