//! Who sent a RST: the peer that its source address names, or a box between.
//!
//! The kernel of an origin, an application that closes abortively and a firewall leave different traces in the
//! segment (TTL, IP id, sequence number, options), in its timing, and in what the claimed sender does next.

use super::habits::Habits;
use crate::timeline::{PacketRef, Rst, RstLook, RstSender, RstSign};
use crate::wire::Segment;

/// Paths faster than this are too short to tell a forged answer by its speed.
const SLOW_PATH_NS: i64 = 1_000_000;

/// Bytes of a RST's payload that are kept.
const TEXT_LIMIT: usize = 64;

/// What surrounds a RST.
pub(super) struct Surroundings<'a> {
    /// The header fields of its claimed sender so far.
    pub(super) habits: &'a Habits,
    /// Its sequence number as an offset in the claimed sender's stream.
    pub(super) offset: i64,
    /// The end of that stream so far, its FIN counted.
    pub(super) sent: u64,
    /// Its acknowledgment as an offset in the other stream.
    pub(super) acked: Option<i64>,
    /// The end of the other stream so far.
    pub(super) other_sent: u64,
    /// The other peer's last segment with payload.
    pub(super) other_data: Option<PacketRef>,
    /// Time from here to the claimed sender and back, in nanoseconds.
    pub(super) path_ns: Option<i64>,
    /// True while the claimed sender has not yet answered the SYN with anything else.
    pub(super) connecting: bool,
}

/// Judges one RST.
pub(super) fn judge(packet: PacketRef, segment: &Segment<'_>, around: &Surroundings<'_>) -> Rst {
    let look = look(segment, around);
    let signs = signs(packet, segment, around, look);
    Rst {
        packet,
        offset: around.offset,
        acked: around.acked,
        sender: sender(&signs),
        ttl: segment.ip.ttl,
        look,
        signs,
        text: text(segment.payload),
    }
}

/// The sender that the signs speak for. One strong sign is enough (another TTL than the sender's constant one,
/// or a sender that carries on); weak ones must agree.
pub(super) fn sender(signs: &[RstSign]) -> RstSender {
    let weight: u32 = signs
        .iter()
        .map(|sign| match sign {
            RstSign::TtlDiffers { .. } | RstSign::SenderCarriesOn { .. } | RstSign::SeenOnce => 2,
            RstSign::IpIdOff { .. }
            | RstSign::SequenceOff { .. }
            | RstSign::FasterThanPath { .. }
            | RstSign::WindowOdd { .. }
            | RstSign::TimestampsMissing => 1,
            RstSign::TtlFits { .. } => 0,
        })
        .sum();
    if weight >= 2 { RstSender::Middlebox } else { RstSender::Claimed }
}

fn look(segment: &Segment<'_>, around: &Surroundings<'_>) -> RstLook {
    if around.connecting {
        return RstLook::Refusal;
    }
    if !segment.flags.ack() {
        return RstLook::NoConnection;
    }
    let next = matches!(around.offset.checked_sub_unsigned(around.sent), Some(0 | 1));
    if next { RstLook::Abort } else { RstLook::Other }
}

fn signs(packet: PacketRef, segment: &Segment<'_>, around: &Surroundings<'_>, look: RstLook) -> Vec<RstSign> {
    let mut signs = Vec::new();
    let rst_ttl = segment.ip.ttl;
    if let Some(usual) = around.habits.usual_ttl() {
        signs.push(if usual == rst_ttl || around.habits.forwards_with(rst_ttl) {
            RstSign::TtlFits { ttl: rst_ttl }
        } else {
            RstSign::TtlDiffers { rst: rst_ttl, usual }
        });
    }
    if let Some(id) = segment.ip.id
        && let Some(before) = around.habits.id_off(id)
    {
        signs.push(RstSign::IpIdOff { rst: id, before });
    }
    if look == RstLook::Other {
        signs.push(RstSign::SequenceOff { by: around.offset.saturating_sub_unsigned(around.sent) });
    }
    if look == RstLook::Abort {
        signs.extend(signs_of_socket(segment, around));
    }
    if let (Some(path), Some(data), Some(acked)) = (around.path_ns, around.other_data, around.acked) {
        let after = packet.time.nanos_since(data.time);
        if path >= SLOW_PATH_NS && after < path / 2 && acked >= around.other_sent as i64 {
            signs.push(RstSign::FasterThanPath {
                after_us: u64::try_from(after / 1000).unwrap_or(0),
                rtt_us: u64::try_from(path / 1000).unwrap_or(0),
            });
        }
    }
    signs
}

/// Whether a reset that claims to come from the sender's own socket has what that socket puts into its segments.
fn signs_of_socket(segment: &Segment<'_>, around: &Surroundings<'_>) -> impl Iterator<Item = RstSign> {
    let timestamps = around.habits.always_has_timestamps() && segment.options.timestamps().is_none();
    let largest = around.habits.largest_window();
    let odd = segment.window > largest && largest > 0;
    let window = odd.then_some(RstSign::WindowOdd { rst: segment.window, largest });
    timestamps.then_some(RstSign::TimestampsMissing).into_iter().chain(window)
}

fn text(payload: &[u8]) -> Option<String> {
    let bytes = payload.get(..payload.len().min(TEXT_LIMIT))?;
    let printable = !bytes.is_empty() && bytes.iter().all(|&byte| byte == b' ' || byte.is_ascii_graphic());
    printable.then(|| String::from_utf8_lossy(bytes).into_owned())
}
