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
    /// A reset of an established connection carries a window that the sender's stack would not set.
    WindowOdd {
        /// In the RST.
        rst: u16,
    },
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
            Self::WindowOdd { rst } => write!(f, "its window is {rst}"),
        }
    }
}
