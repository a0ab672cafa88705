//! Packets from a network interface of this host, by libpcap.

use std::os::fd::{AsFd, BorrowedFd};

use pcap::{Active, Capture, Device, Linktype, Precision};

use super::error::CaptureError;
use super::link_type::LinkType;
use crate::timeline::Time;

/// How packets are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Bytes taken of each packet.
    pub snap_len: u32,
    /// Bytes of the kernel's buffer, in which packets wait to be read.
    pub buffer_bytes: u32,
    /// Whether packets that are not for this host are taken, too.
    pub promiscuous: bool,
}

/// An interface that packets are taken from.
pub struct Live {
    name: String,
    capture: Capture<Active>,
    link: LinkType,
    dropped: Dropped,
    last: Counts,
}

/// Packets that came and were not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// By the kernel, because the buffer was full.
    pub by_kernel: u64,
    /// By the interface or its driver.
    pub by_interface: u64,
}

/// One packet as it came.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// When the kernel took it.
    pub time: Time,
    /// Length on the wire in bytes.
    pub wire_len: u32,
    /// The bytes that were taken.
    pub data: &'a [u8],
}

/// An interface that this host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName {
    /// Its name.
    pub name: String,
    /// What it is, where the system says so.
    pub description: Option<String>,
    /// True where it is up.
    pub up: bool,
    /// True where it is a loopback.
    pub loopback: bool,
}

impl Live {
    /// Opens an interface and takes what matches the filter.
    ///
    /// # Errors
    /// There is no such interface, this process may not take packets from it, or the filter is not valid.
    pub fn open(name: &str, filter: &str, options: LiveOptions) -> Result<Self, CaptureError> {
        let refused = |error: pcap::Error| refused(name, &error);
        let limit = |bytes: u32| i32::try_from(bytes).unwrap_or(i32::MAX);
        let mut capture = Capture::from_device(name)
            .map_err(refused)?
            .precision(Precision::Micro)
            .promisc(options.promiscuous)
            .snaplen(limit(options.snap_len))
            .buffer_size(limit(options.buffer_bytes))
            .timeout(BLOCK_MS)
            .open()
            .map_err(refused)?;
        if name == ANY {
            // The cooked header that names the interface of each packet, where libpcap has it.
            let _ = capture.set_datalink(Linktype(LinkType::LINUX_SLL2.0.into()));
        }
        let link = LinkType(u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX));
        capture
            .filter(filter, true)
            .map_err(|error| CaptureError::Filter { expression: filter.to_owned(), reason: reason(&error) })?;
        let capture = capture.setnonblock().map_err(refused)?;
        Ok(Self { name: name.to_owned(), capture, link, dropped: Dropped::default(), last: Counts::default() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its packets begin with.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Hands on packets that are waiting, at most this many, and says how many there were.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn read(&mut self, most: usize, mut take: impl FnMut(Taken<'_>)) -> Result<usize, CaptureError> {
        for read in 0..most {
            match self.capture.next_packet() {
                Ok(packet) => {
                    let at = packet.header.ts;
                    let time =
                        Time(at.tv_sec.saturating_mul(1_000_000_000).saturating_add(at.tv_usec.saturating_mul(1_000)));
                    take(Taken { time, wire_len: packet.header.len, data: packet.data });
                }
                Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => return Ok(read),
                Err(error) => return Err(refused(&self.name, &error)),
            }
        }
        Ok(most)
    }

    /// What was dropped since it was opened.
    pub fn dropped(&mut self) -> Dropped {
        if let Ok(now) = self.capture.stats() {
            let now = Counts { kernel: now.dropped, interface: now.if_dropped };
            let since = |now: u32, last: u32| u64::from(now.wrapping_sub(last));
            let Dropped { by_kernel, by_interface } = self.dropped;
            self.dropped = Dropped {
                by_kernel: by_kernel.saturating_add(since(now.kernel, self.last.kernel)),
                by_interface: by_interface.saturating_add(since(now.interface, self.last.interface)),
            };
            self.last = now;
        }
        self.dropped
    }
}

impl AsFd for Live {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

/// libpcap's own counters, which begin again after 4 billion.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    kernel: u32,
    interface: u32,
}

/// The interfaces of this host that packets can be taken from.
///
/// # Errors
/// What the operating system says.
pub fn interfaces() -> Result<Vec<InterfaceName>, CaptureError> {
    let devices = Device::list().map_err(|error| refused("-D", &error))?;
    Ok(devices
        .into_iter()
        .map(|device| InterfaceName {
            up: device.flags.is_up(),
            loopback: device.flags.is_loopback(),
            name: device.name,
            description: device.desc,
        })
        .collect())
}

fn refused(name: &str, error: &pcap::Error) -> CaptureError {
    CaptureError::Interface { name: name.to_owned(), reason: reason(error) }
}

/// libpcap's words on one line, without what it repeats.
fn reason(error: &pcap::Error) -> String {
    let text = match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The name that stands for all interfaces.
pub const ANY: &str = "any";

/// The kernel hands packets on at least this often, in milliseconds.
pub const BLOCK_MS: i32 = 100;
