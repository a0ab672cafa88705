//! One or several captures as one stream of packets, merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Packet;
use super::error::{CaptureError, Damage};
use super::interface::InterfaceDescription;
use super::reader::{Header, Reader, Record};
use super::source::STANDARD_INPUT;
use super::summary::Summary;
use crate::timeline::Time;

/// The captures that are analysed together.
///
/// Packets come in order of time, as far as each capture is in order itself; on a tie, the capture that was
/// named first goes first. Damage in one capture ends that one only and is told by its [`Summary`].
pub struct Input {
    feeds: Vec<Feed>,
    /// The captures that are not `current`, by the time of their next packet and their place in the order.
    waiting: BinaryHeap<Reverse<(Time, usize)>>,
    /// The capture that gave the last packet: it is read on from here.
    current: Option<usize>,
    /// Packets so far.
    number: u64,
    /// The packets that were handed out last.
    batch: Vec<Header>,
}

/// What comes next, as much of it as is at hand.
#[derive(Debug)]
pub enum Batch<'a> {
    /// Packets of one capture: one at least.
    Packets(Packets<'a>),
    /// The text of a TLS key log, as [`Item::Secrets`].
    Secrets(&'a [u8]),
}

/// Packets that follow each other.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    headers: std::slice::Iter<'a, Header>,
    /// Number of the next one.
    number: u64,
    /// What their places count in.
    block: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'a>> {
        let &Header { time, link, wire_len, ref data } = self.headers.next()?;
        let number = self.number;
        self.number = number.saturating_add(1);
        Some(Packet { number, time, link, wire_len, data: self.block.get(data.clone()).unwrap_or_default() })
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// The text of a TLS key log (NSS format) that a pcapng file holds. It comes before the packets that follow
    /// it in the file.
    Secrets(&'a [u8]),
}

/// An interface of one of the captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId {
    /// The capture, counted from 0 in the order of the input.
    pub capture: usize,
    /// The interface, counted from 0 in the file.
    pub interface: u32,
}

impl Input {
    /// Opens captures: files, folders (the captures in it, in order of name) and `-` for standard input.
    ///
    /// # Errors
    /// A name is not there, cannot be read or is no capture, or a folder holds none.
    pub fn open(paths: &[PathBuf]) -> Result<Self, CaptureError> {
        if paths.is_empty() {
            return Err(CaptureError::NothingNamed);
        }
        if paths.iter().filter(|path| is_standard_input(path)).count() > 1 {
            return Err(CaptureError::StandardInputTwice);
        }
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() && !is_standard_input(path) {
                files.extend(captures_in(path)?);
            } else {
                files.push(path.clone());
            }
        }
        let (feeds, times): (Vec<Feed>, Vec<Time>) = match files.as_slice() {
            [only] => vec![Feed::only(only)?],
            several => several.iter().map(|path| Feed::one_of_several(path)).collect::<Result<_, _>>()?,
        }
        .into_iter()
        .unzip();
        let waiting = times.into_iter().enumerate().map(|(index, time)| Reverse((time, index))).collect();
        Ok(Self { feeds, waiting, current: None, number: 0, batch: Vec::with_capacity(BATCH) })
    }

    /// The next packet or the next secrets; none at the end of all captures.
    ///
    /// # Errors
    /// All captures are at their end, not one packet came, and at least one of them is damaged.
    #[inline]
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, CaptureError> {
        Ok(match self.advance()? {
            None => None,
            Some((index, Found::Packet(header))) => Some(self.packet(index, header)),
            Some((index, Found::Secrets(range))) => Some(Item::Secrets(self.bytes(index, range))),
        })
    }

    /// The next packets, as far as they are at hand, or the next secrets; none at the end of all captures.
    ///
    /// # Errors
    /// As [`Input::next_item`].
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_>>, CaptureError> {
        Ok(match self.advance()? {
            None => None,
            Some((index, Found::Packet(header))) => Some(Batch::Packets(self.packets(index, header))),
            Some((index, Found::Secrets(range))) => Some(Batch::Secrets(self.bytes(index, range))),
        })
    }

    /// Goes on to what comes next, and says of which capture it is.
    #[inline]
    fn advance(&mut self) -> Result<Option<(usize, Found)>, CaptureError> {
        loop {
            let Some(index) = self.current.or_else(|| self.earliest()) else {
                return self.end().map(|()| None);
            };
            let Some(feed) = self.feeds.get_mut(index) else { return Ok(None) };
            let record = match feed.take() {
                Some(header) => Record::Packet(header),
                None => feed.next()?,
            };
            match record {
                Record::Packet(header) => {
                    if self.waiting.peek().is_none_or(|Reverse(other)| (header.time, index) < *other) {
                        return Ok(Some((index, Found::Packet(header))));
                    }
                    self.waiting.push(Reverse((header.time, index)));
                    feed.head = Some(header);
                    self.current = None;
                }
                Record::Secrets(range) => return Ok(Some((index, Found::Secrets(range)))),
                Record::Numbered => self.number = self.number.saturating_add(1),
                Record::End => self.current = None,
            }
        }
    }

    /// The interface that took the packet which came last; none before the first packet.
    #[must_use]
    pub fn interface(&self) -> Option<(InterfaceId, &InterfaceDescription)> {
        let capture = self.current?;
        let State::Open(reader) = &self.feeds.get(capture)?.state else { return None };
        let (interface, description) = reader.last_interface()?;
        Some((InterfaceId { capture, interface }, description))
    }

    /// What was read of each capture so far, in the order in which they were named.
    #[must_use]
    pub fn summaries(&self) -> Vec<Summary> {
        self.feeds.iter().map(Feed::summary).collect()
    }

    /// Bytes taken from all files so far, as they are stored (packed where they are packed).
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.feeds.iter().map(Feed::bytes_read).sum()
    }

    /// Bytes of all files; none where one of them is a pipe, whose length nobody knows.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.feeds.iter().map(|feed| feed.len).sum()
    }

    fn earliest(&mut self) -> Option<usize> {
        let Reverse((_, index)) = self.waiting.pop()?;
        self.current = Some(index);
        self.current
    }

    #[inline]
    fn packet(&mut self, index: usize, header: Header) -> Item<'_> {
        self.number = self.number.saturating_add(1);
        let Header { time, link, wire_len, .. } = header;
        let data = self.feeds.get_mut(index).map_or(&[][..], |feed| {
            feed.summary.count(&header);
            feed.bytes(header.data)
        });
        Item::Packet(Packet { number: self.number, time, link, wire_len, data })
    }

    /// The packet that comes next; and where no other capture has its turn in between, those behind it that need nothing
    /// to be read.
    fn packets(&mut self, index: usize, first: Header) -> Packets<'_> {
        let Self { feeds, waiting, batch, number, .. } = self;
        batch.clear();
        let before = *number;
        let Some(feed) = feeds.get_mut(index) else { return Packets { headers: [].iter(), number: 0, block: &[] } };
        feed.summary.count(&first);
        batch.push(first);
        if let (None, true, State::Open(reader)) = (&feed.head, waiting.is_empty(), &mut feed.state) {
            reader.take_many(batch, BATCH);
            batch.iter().skip(1).for_each(|header| feed.summary.count(header));
        }
        *number = number.saturating_add(batch.len() as u64);
        Packets { headers: batch.iter(), number: before.saturating_add(1), block: feed.block() }
    }

    fn bytes(&self, index: usize, range: Range<usize>) -> &[u8] {
        self.feeds.get(index).map_or(&[][..], |feed| feed.bytes(range))
    }

    fn end(&self) -> Result<(), CaptureError> {
        if self.number > 0 {
            return Ok(());
        }
        let damaged = self.feeds.iter().find_map(|feed| Some((&feed.summary.path, feed.summary.damage.clone()?)));
        match damaged {
            None => Ok(()),
            Some((path, Damage::Empty)) => Err(CaptureError::Empty { path: path.clone() }),
            Some((path, damage)) => Err(CaptureError::Damaged { path: path.clone(), damage }),
        }
    }
}

/// What comes next in one capture.
enum Found {
    Packet(Header),
    Secrets(Range<usize>),
}

/// One capture of the input.
struct Feed {
    summary: Summary,
    state: State,
    /// A packet that was read and is not the earliest.
    head: Option<Header>,
    /// Length of the file as it is stored; none for a pipe.
    len: Option<u64>,
}

enum State {
    /// A file that waits for its turn: closed, so that hundreds of them take neither memory nor descriptors.
    Closed,
    Open(Box<Reader>),
    /// At its end; so many bytes were taken from the file.
    Done(u64),
}

impl Feed {
    /// The only capture: it comes first.
    fn only(path: &Path) -> Result<(Self, Time), CaptureError> {
        let reader = Reader::open(path)?;
        Ok((Self::new(path, State::Open(Box::new(reader))), FIRST))
    }

    /// One of several captures, and the time of its first packet.
    fn one_of_several(path: &Path) -> Result<(Self, Time), CaptureError> {
        let mut reader = match Reader::open(path) {
            Ok(reader) => reader,
            Err(CaptureError::Empty { .. }) => return Ok(Self::unusable(path, Damage::Empty)),
            Err(CaptureError::Damaged { damage, .. }) => return Ok(Self::unusable(path, damage)),
            Err(error) => return Err(error),
        };
        if file_len(path).is_none() {
            return Ok((Self::new(path, State::Open(Box::new(reader))), FIRST));
        }
        // Whatever else the file begins with is read again when its turn comes.
        let time = loop {
            match reader.next() {
                Ok(Record::Packet(header)) => break header.time,
                Ok(Record::Secrets(_) | Record::Numbered) => {}
                Ok(Record::End) | Err(_) => break FIRST,
            }
        };
        Ok((Self::new(path, State::Closed), time))
    }

    fn unusable(path: &Path, damage: Damage) -> (Self, Time) {
        let mut feed = Self::new(path, State::Done(file_len(path).unwrap_or(0)));
        feed.summary.damage = Some(damage);
        (feed, FIRST)
    }

    fn new(path: &Path, state: State) -> Self {
        Self { summary: Summary::new(path.into()), state, head: None, len: file_len(path) }
    }

    /// The next packet, where it was read already.
    #[inline]
    fn take(&mut self) -> Option<Header> {
        match (&self.head, &mut self.state) {
            (None, State::Open(reader)) => reader.take(),
            _ => self.head.take(),
        }
    }

    /// What comes next, whatever has to be read for it.
    #[inline(never)]
    fn next(&mut self) -> Result<Record, CaptureError> {
        if let State::Closed = self.state {
            self.state = State::Open(Box::new(Reader::open(&self.summary.path)?));
        }
        let State::Open(reader) = &mut self.state else { return Ok(Record::End) };
        match reader.next() {
            Ok(Record::End) => self.finish(None),
            Err(damage) => self.finish(Some(damage)),
            Ok(record) => return Ok(record),
        }
        Ok(Record::End)
    }

    #[inline]
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.block().get(range).unwrap_or_default()
    }

    #[inline]
    fn block(&self) -> &[u8] {
        match &self.state {
            State::Open(reader) => reader.block(),
            State::Closed | State::Done(_) => &[],
        }
    }

    #[cold]
    fn finish(&mut self, damage: Option<Damage>) {
        self.summary = Summary { damage, ..self.summary() };
        self.state = State::Done(self.bytes_read());
    }

    fn summary(&self) -> Summary {
        let mut summary = self.summary.clone();
        if let State::Open(reader) = &self.state {
            summary.format = Some(reader.format());
            summary.link_types = reader.link_types().to_vec();
            summary.dropped = reader.dropped();
        }
        summary
    }

    fn bytes_read(&self) -> u64 {
        match &self.state {
            State::Closed => 0,
            State::Open(reader) => reader.bytes_read(),
            State::Done(bytes) => *bytes,
        }
    }
}

/// The captures of a folder, in order of name; other files are passed over.
fn captures_in(folder: &Path) -> Result<Vec<PathBuf>, CaptureError> {
    let failed = |source| CaptureError::Unreadable { path: folder.into(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // A pipe in a folder would be waited for without end.
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut captures = Vec::new();
    for path in paths {
        match Reader::open(&path) {
            Ok(_) | Err(CaptureError::Damaged { .. }) => captures.push(path),
            Err(CaptureError::NotACapture { .. } | CaptureError::Empty { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if captures.is_empty() { Err(CaptureError::NoCaptures { path: folder.into() }) } else { Ok(captures) }
}

/// The length of a regular file.
fn file_len(path: &Path) -> Option<u64> {
    if is_standard_input(path) {
        return None;
    }
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

/// Packets that are handed out together at most.
const BATCH: usize = 32;

/// Before every packet: a capture whose first packet is not known yet is looked at first.
const FIRST: Time = Time(i64::MIN);

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::super::order::Order;
    use super::super::testing::{Folder, Read, block, enhanced, interface, option, pcap, section, u32s};
    use super::{CaptureError, Input};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("a vector takes all");
        encoder.finish().expect("a vector takes all")
    }

    #[test]
    fn captures_are_merged_by_time_and_ties_go_by_order() {
        let folder = Folder::new();
        let a = folder.file("a", &pcap(&[(1, b"a1"), (3, b"a3"), (5, b"a5")]));
        let b = folder.file("b", &pcap(&[(2, b"b2"), (3, b"b3")]));
        let c = folder.file("c", &pcap(&[]));
        let read = Read::all(&[b, c, a]).expect("captures");
        assert_eq!(read.texts(), ["a1", "b2", "b3", "a3", "a5"]);
        assert_eq!(read.packets.iter().map(|packet| packet.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(read.summaries.iter().map(|summary| summary.packets).collect::<Vec<_>>(), [2, 0, 3]);
    }

    #[test]
    fn a_folder_is_its_captures_in_order_of_name() {
        let folder = Folder::new();
        folder.file("2.cap", &pcap(&[(1, b"second")]));
        folder.file("1.txt", &pcap(&[(1, b"first")]));
        folder.file("0.pcap", b"not a capture");
        folder.file("3.pcap", b"");
        assert_eq!(Read::all(&[folder.path()]).expect("two captures").texts(), ["first", "second"]);
    }

    #[test]
    fn packed_captures_are_told_by_their_content() {
        let plain = pcap(&[(1, b"a"), (2, b"b")]);
        let (start, end) = plain.split_at(30);
        let members = [gzip(start), gzip(end)].concat();
        let zstd = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
        for packed in [members, zstd] {
            let read = Read::bytes(&packed).expect("a packed capture");
            assert_eq!(read.texts(), ["a", "b"]);
            assert!(read.problems().is_empty());
        }
    }

    #[test]
    fn packets_of_any_size_pass_from_block_to_block() {
        let text: Vec<u8> = (0..1_000_000_u32).map(|nth| (nth % 251) as u8).collect();
        let sizes = [10, 1_400, 200_000, 70_000, 60, 1_000_000];
        let packets: Vec<_> = (0..60).map(|nth| (nth, &text[..sizes[nth as usize % sizes.len()]])).collect();
        let file = pcap(&packets);
        for bytes in [gzip(&file), file] {
            let read = Read::bytes(&bytes).expect("a capture");
            assert_eq!(read.packets.len(), 60);
            assert!(read.packets.iter().zip(packets.iter()).all(|(packet, (_, data))| packet.data == *data));
            assert!(read.problems().is_empty());
        }
    }

    #[test]
    fn a_cut_gzip_file_gives_what_it_holds() {
        let packed = gzip(&pcap(&[(1, b"a"), (2, b"b")]));
        let folder = Folder::new();
        let cut = folder.file("cut", &packed[..packed.len() - 4]);
        let read = Read::all(&[cut]).expect("the packets are there");
        assert_eq!(read.texts(), ["a", "b"]);
        assert!(
            read.problems()[0].starts_with("cannot be read beyond packet 2 (offset 58): "),
            "{:?}",
            read.problems()
        );
    }

    #[test]
    fn damage_in_one_of_several_does_not_stop_the_others() {
        let folder = Folder::new();
        let whole = pcap(&[(1, b"a"), (4, b"b")]);
        let files = [
            folder.file("whole", &whole),
            folder.file("cut", &whole[..whole.len() - 1]),
            folder.file("first packet cut", &whole[..40]),
            folder.file("header cut", &whole[..20]),
            folder.file("empty", b""),
        ];
        let read = Read::all(&files).expect("some are whole");
        assert_eq!(read.texts(), ["a", "a", "b"]);
        assert_eq!(
            read.problems(),
            [
                "ends inside packet 2 (offset 41)",
                "ends inside packet 1 (offset 24)",
                "ends inside the file header (20 bytes)",
                "the file is empty"
            ]
        );
    }

    #[test]
    fn every_packet_has_the_interface_that_took_it() {
        let order = Order::Little;
        let folder = Folder::new();
        let named = |name: &[u8]| interface(order, 1, 0, &option(order, 2, name));
        let twice = [
            section(order),
            named(b"eth0"),
            named(b"eth1"),
            enhanced(order, 1, 1_000_000, b"a"),
            section(order),
            named(b"eth2"),
            enhanced(order, 0, 3_000_000, b"c"),
        ];
        let paths = [folder.file("twice", &twice.concat()), folder.file("plain", &pcap(&[(2, b"b")]))];
        let mut input = Input::open(&paths).expect("two captures");
        let mut seen = Vec::new();
        assert_eq!(input.interface(), None);
        while input.next_item().expect("whole").is_some() {
            let (id, interface) = input.interface().expect("a packet came");
            seen.push((id.capture, id.interface, interface.name.clone().unwrap_or_default(), interface.snap_len));
        }
        let wanted = [(0, 1, "eth1", 0), (1, 0, "", 65_535), (0, 2, "eth2", 0)];
        assert_eq!(seen, wanted.map(|(capture, interface, name, snap)| (capture, interface, name.to_owned(), snap)));
    }

    #[test]
    fn cut_packets_are_counted() {
        let mut file = pcap(&[(1, b"abcd"), (2, b"efgh"), (3, b"ij")]);
        file[36] = 9;
        file[56] = 9;
        assert_eq!(Read::bytes(&file).expect("a capture").problems(), ["2 packets cut at 4 bytes"]);
    }

    #[test]
    fn damaged_bytes_anywhere_never_panic() {
        let order = Order::Little;
        let text = [&u32s(order, &[0x544c_534b, 4])[..], b"keys"].concat();
        let pcapng = [
            section(order),
            interface(order, 1, 64, &option(order, 9, &[9])),
            block(order, 10, &text),
            enhanced(order, 0, 1, b"packet"),
            block(order, 5, &[&u32s(order, &[0, 0, 0])[..], &option(order, 5, &[0; 8])].concat()),
        ];
        let zstd = ruzstd::encoding::CompressionLevel::Fastest;
        let plain = [pcap(&[(1, b"a"), (2, b"b")]), pcapng.concat()];
        let packed = plain.iter().flat_map(|file| [gzip(file), ruzstd::encoding::compress_to_vec(&file[..], zstd)]);
        for file in plain.iter().cloned().chain(packed) {
            for at in 0..file.len() {
                for value in [0x00, 0x7f, 0xff] {
                    let mut damaged = file.clone();
                    damaged[at] = value;
                    let _ = Read::bytes(&damaged);
                }
            }
        }
    }

    #[test]
    fn errors_say_what_and_where() {
        let folder = Folder::new();
        let missing = folder.path().join("missing.pcap");
        let text = folder.file("text", b"GET / HTTP/1.1\r\n");
        let xz = folder.file("xz", b"\xfd7zXZ\0rest of it");
        let empty = folder.file("empty", b"");
        let cut = folder.file("cut", &pcap(&[(1, b"abc")])[..41]);
        let nothing = Folder::new();
        nothing.file("notes.txt", b"nothing");
        for (path, told) in [
            (&missing, "missing.pcap: no such file or folder"),
            (&text, "text: not a capture"),
            (&text, "it is text"),
            (&xz, "unxz"),
            (&empty, "empty: the file is empty"),
            (&cut, "cut: ends inside packet 1 (offset 24); no packet"),
            (&nothing.path(), "no file in this folder is a capture"),
        ] {
            let error = Read::all(&[path]).expect_err(told).to_string();
            assert!(error.contains(told) && !error.contains('\n'), "{error}");
        }
        assert!(matches!(Read::all::<&str>(&[]), Err(CaptureError::NothingNamed)));
        assert!(matches!(Read::all(&["-", "-"]), Err(CaptureError::StandardInputTwice)));
    }
}
