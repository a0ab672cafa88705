//! Captures made by code, for this room's tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::order::Order;
use super::{Batch, CaptureError, Input, Item, Summary};

/// A folder for one test's files, gone with its value.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pcap520-capture-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Self(path)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.clone()
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("the folder for temporary files is writable");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A pcap file: little endian, microseconds, Ethernet.
pub(super) fn pcap(packets: &[(u32, &[u8])]) -> Vec<u8> {
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
    for (seconds, data) in packets {
        file.extend(pcap_packet(Order::Little, *seconds, 0, data));
    }
    file
}

pub(super) fn pcap_header(order: Order, magic: u32, link: u32) -> Vec<u8> {
    [&u32s(order, &[magic])[..], &u16s(order, &[2, 4]), &u32s(order, &[0, 0, 65_535, link])].concat()
}

pub(super) fn pcap_packet(order: Order, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u32;
    [&u32s(order, &[seconds, fraction, len, len])[..], data].concat()
}

/// A pcapng block of this type and body.
pub(super) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let len = (12 + body.len() + padding.len()) as u32;
    [&u32s(order, &[kind, len])[..], body, &padding, &u32s(order, &[len])].concat()
}

pub(super) fn section(order: Order) -> Vec<u8> {
    let magic = u32s(order, &[0x1a2b_3c4d]);
    block(order, 0x0a0d_0d0a, &[&magic[..], &u16s(order, &[1, 0]), &[0xff; 8]].concat())
}

pub(super) fn interface(order: Order, link: u16, snap_len: u32, options: &[u8]) -> Vec<u8> {
    block(order, 1, &[&u16s(order, &[link, 0])[..], &u32s(order, &[snap_len]), options].concat())
}

pub(super) fn enhanced(order: Order, interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u32;
    let head = [interface, (ticks >> 32) as u32, ticks as u32, len, len];
    block(order, 6, &[&u32s(order, &head)[..], data].concat())
}

pub(super) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&u16s(order, &[code, value.len() as u16])[..], value, &padding].concat()
}

pub(super) fn u32s(order: Order, numbers: &[u32]) -> Vec<u8> {
    let bytes = |number: &u32| match order {
        Order::Little => number.to_le_bytes(),
        Order::Big => number.to_be_bytes(),
    };
    numbers.iter().flat_map(bytes).collect()
}

fn u16s(order: Order, numbers: &[u16]) -> Vec<u8> {
    let bytes = |number: &u16| match order {
        Order::Little => number.to_le_bytes(),
        Order::Big => number.to_be_bytes(),
    };
    numbers.iter().flat_map(bytes).collect()
}

/// All that an input gave.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    pub(super) packets: Vec<Packet>,
    /// Key log texts, each with the number of packets before it.
    pub(super) secrets: Vec<(usize, String)>,
    pub(super) summaries: Vec<Summary>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) number: u64,
    pub(super) nanos: i64,
    pub(super) link: u16,
    pub(super) wire_len: u32,
    pub(super) data: Vec<u8>,
}

impl Read {
    /// Item by item, and batch by batch, which is the same.
    pub(super) fn all<P: AsRef<Path>>(paths: &[P]) -> Result<Self, CaptureError> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().into()).collect();
        let by_item = Self::new(Input::open(&paths)?, |input, read| {
            Ok(input.next_item()?.map(|item| match item {
                Item::Packet(packet) => read.add(&packet),
                Item::Secrets(text) => read.add_secrets(text),
            }))
        });
        let by_batch = Self::new(Input::open(&paths)?, |input, read| {
            Ok(input.next_batch()?.map(|batch| match batch {
                Batch::Packets(packets) => packets.for_each(|packet| read.add(&packet)),
                Batch::Secrets(text) => read.add_secrets(text),
            }))
        });
        assert_eq!(by_item.as_ref().ok(), by_batch.as_ref().ok());
        by_item
    }

    fn new(
        mut input: Input,
        mut next: impl FnMut(&mut Input, &mut Self) -> Result<Option<()>, CaptureError>,
    ) -> Result<Self, CaptureError> {
        let mut read = Self { packets: Vec::new(), secrets: Vec::new(), summaries: Vec::new() };
        while next(&mut input, &mut read)?.is_some() {}
        assert_eq!(input.total_bytes(), Some(input.bytes_read()), "all files were read to their end");
        read.summaries = input.summaries();
        Ok(read)
    }

    fn add(&mut self, packet: &super::Packet<'_>) {
        self.packets.push(Packet {
            number: packet.number,
            nanos: packet.time.0,
            link: packet.link.0,
            wire_len: packet.wire_len,
            data: packet.data.to_vec(),
        });
    }

    fn add_secrets(&mut self, text: &[u8]) {
        self.secrets.push((self.packets.len(), String::from_utf8_lossy(text).into_owned()));
    }

    /// One file with this content.
    pub(super) fn bytes(bytes: &[u8]) -> Result<Self, CaptureError> {
        let folder = Folder::new();
        Self::all(&[folder.file("capture", bytes)])
    }

    /// The data of all packets, as text.
    pub(super) fn texts(&self) -> Vec<String> {
        self.packets.iter().map(|packet| String::from_utf8_lossy(&packet.data).into_owned()).collect()
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.summaries.iter().flat_map(Summary::problems).collect()
    }
}
