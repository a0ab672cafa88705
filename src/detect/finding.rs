//! What a detector returns.

use std::fmt;

use crate::timeline::PacketRef;

/// A stable kebab-case id from the catalogue (`causes/ID.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cause(pub &'static str);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// The server that answers the edge, or its operating system.
    Origin,
    /// A box between the two: firewall, load balancer, NAT.
    Middlebox,
    /// The path: loss, no route, a too small MTU.
    Network,
    /// The reverse proxy itself.
    Edge,
}

impl Actor {
    /// The stable lower-case word for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Middlebox => "middlebox",
            Self::Network => "network",
            Self::Edge => "edge",
        }
    }
}

/// How much a verdict may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// Another cause fits as well.
    Possible,
    /// Nothing else fits what is there, but something needed is not visible.
    Likely,
    /// The bytes prove it.
    Certain,
}

impl Confidence {
    /// The stable lower-case word for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// A packet and what it proves.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The packet.
    pub packet: PacketRef,
    /// What it shows.
    pub note: String,
}

impl Evidence {
    /// `packet` shows `note`.
    #[must_use]
    pub fn new(packet: PacketRef, note: impl Into<String>) -> Self {
        Self { packet, note: note.into() }
    }
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The connection, before any request.
    Connection,
    /// The exchange with this number.
    Exchange(u32),
}

/// An anomaly with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What went wrong.
    pub cause: Cause,
    /// What failed by it.
    pub scope: Scope,
    /// When it went wrong: the first fault of a failed exchange is its cause.
    pub at: PacketRef,
    /// Who did it.
    pub actor: Actor,
    /// How sure that is.
    pub confidence: Confidence,
    /// One sentence: who did what, when, and why that is the cause.
    pub summary: String,
    /// The packets that prove it, in order.
    pub evidence: Vec<Evidence>,
    /// The status that the edge shows, where it is not the one of the catalogue.
    pub edge_status: Option<u16>,
}

/// Worth knowing, but no 52x.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Stable kebab-case id.
    pub kind: &'static str,
    /// One sentence with its numbers.
    pub summary: String,
    /// The packets that show it.
    pub evidence: Vec<Evidence>,
}
