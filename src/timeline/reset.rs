//! What is known of one RST segment, and who is thought to have sent it.

use std::fmt;

use super::PacketRef;

/// One RST segment (RFC 9293 section 3.5.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Rst {
    /// The packet.
    pub packet: PacketRef,
    /// Its sequence number as an offset in the stream of the peer that it names as its source.
    pub offset: i64,
    /// Its acknowledgment as an offset in the other peer's stream; none where the ACK bit is off.
    pub acked: Option<i64>,
    /// Who sent it, as far as the packet and its neighbours tell.
    pub sender: RstSender,
    /// Its TTL or hop limit.
    pub ttl: u8,
    /// What the segment looks like.
    pub look: RstLook,
    /// Whatever spoke for or against the claimed sender.
    pub signs: Vec<RstSign>,
    /// Text that some stacks put into a RST, cut at 64 bytes.
    pub text: Option<String>,
}

impl Rst {
    /// Which kind of sender makes a RST of this shape, in words. `closed` is true where its claimed sender had sent
    /// a FIN before.
    #[must_use]
    pub fn made_by(&self, closed: bool) -> &'static str {
        match (self.sender, self.look) {
            (RstSender::Middlebox, RstLook::NoConnection | RstLook::Refusal) => {
                "a box between answered in its name, as firewalls reject"
            }
            (RstSender::Middlebox, _) => "a box between forged it",
            (RstSender::Claimed, RstLook::NoConnection) if closed => {
                "its kernel answered data that came after the close"
            }
            (RstSender::Claimed, RstLook::NoConnection) => {
                "its kernel no longer knew the connection, or a firewall in its host rejects"
            }
            (RstSender::Claimed, RstLook::Abort) => {
                "the application aborted the connection (SO_LINGER of 0, or closed with data unread)"
            }
            (RstSender::Claimed, RstLook::Refusal) => "nothing listens there",
            (RstSender::Claimed, RstLook::Other) => "the connection was aborted",
        }
    }
}

/// Whether the peer that a RST names as its source sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RstSender {
    /// Nothing speaks against the address in the packet.
    Claimed,
    /// Another box forged it.
    Middlebox,
}

/// What kind of sender makes a RST of this shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RstLook {
    /// A host with no such connection (RFC 9293 section 3.10.7.1): sequence number taken from the segment it
    /// answers, no acknowledgment, no options, window 0.
    NoConnection,
    /// An application that closed abortively: SO_LINGER 0, or unread data at close (RFC 1122 section 4.2.2.13):
    /// next sequence number, ACK set.
    Abort,
    /// The answer to a SYN: acknowledges the SYN, window 0.
    Refusal,
    /// None of these.
    Other,
}

/// One reason to believe or doubt the claimed sender of a RST.
#[derive(Clone, Debug, PartialEq)]
pub enum RstSign {
    /// The RST's TTL or hop limit is not the sender's usual one.
    TtlDiffers {
        /// In the RST.
        rst: u8,
        /// In the sender's other packets.
        usual: u8,
    },
    /// The RST's TTL or hop limit is the sender's usual one.
    TtlFits {
        /// In both.
        ttl: u8,
    },
    /// The sequence number is not the sender's next one.
    SequenceOff {
        /// Distance in bytes from the next expected sequence number.
        by: i64,
    },
    /// The sender's IP ids count up, and the RST's is not near.
    IpIdOff {
        /// In the RST.
        rst: u16,
        /// In the sender's packet before.
        before: u16,
    },
    /// The claimed sender went on sending as if nothing had happened.
    SenderCarriesOn {
        /// The first of these packets.
        packet: PacketRef,
    },
    /// It came sooner than the claimed sender can have answered.
    FasterThanPath {
        /// Microseconds after the segment that it answers.
        after_us: u64,
        /// Least round-trip time between here and the claimed sender, in microseconds.
        rtt_us: u64,
    },
    /// Its window is larger than any that the sender announced: its own socket would not set it.
    WindowOdd {
        /// In the RST, not scaled.
        rst: u16,
        /// The largest of the sender's other packets, not scaled.
        largest: u16,
    },
    /// The sender's other packets are in the capture twice, with the TTLs before and after a router, and the RST once.
    SeenOnce,
    /// The sender's other packets carry timestamps (RFC 7323), and the RST, as if from the same socket, has none.
    TimestampsMissing,
}

impl fmt::Display for RstSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TtlDiffers { rst, usual } => write!(f, "its TTL is {rst}, the sender's other packets have {usual}"),
            Self::TtlFits { ttl } => write!(f, "its TTL {ttl} is the sender's usual one"),
            Self::SequenceOff { by } => write!(f, "its sequence number is {by} bytes off the sender's next one"),
            Self::IpIdOff { rst, before } => {
                write!(f, "its IP id {rst:#06x} does not follow the sender's {before:#06x}")
            }
            Self::SenderCarriesOn { packet } => write!(f, "the claimed sender carried on in packet {}", packet.number),
            Self::FasterThanPath { after_us, rtt_us } => {
                write!(f, "it came after {after_us} µs, the path to the claimed sender takes {rtt_us} µs")
            }
            Self::WindowOdd { rst, largest } => {
                write!(f, "its window is {rst}, the sender never announced more than {largest}")
            }
            Self::SeenOnce => {
                f.write_str("it was captured once, the sender's other packets on both sides of the router")
            }
            Self::TimestampsMissing => f.write_str("it has no timestamps, the sender's other packets have"),
        }
    }
}
