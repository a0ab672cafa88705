//! Where packets come from while they come: interfaces, or a stream.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::capture::{CaptureError, Input, Item, LinkType, Live, Packet, Summary};
use crate::report::{Source, count};
use crate::timeline::Time;

/// One packet, whoever took it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived<'a> {
    pub(super) time: Time,
    pub(super) link: LinkType,
    pub(super) wire_len: u32,
    pub(super) data: &'a [u8],
}

/// What came next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came<'a> {
    Packet(Arrived<'a>),
    /// TLS secrets inside the stream.
    Secrets(&'a [u8]),
}

/// What is to be expected after a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// More packets are waiting.
    More,
    /// Everything that had come was handed on.
    Drained,
    /// The stream is at its end.
    End,
}

/// An open source of packets.
pub(super) enum Feed {
    Interfaces(Vec<Watched>),
    Stream(Stream),
}

/// An interface, and what came from it.
pub(super) struct Watched {
    live: Live,
    tally: Tally,
}

/// How much came.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    packets: u64,
    bytes: u64,
    first: Option<Time>,
    last: Option<Time>,
}

impl Tally {
    fn count(&mut self, time: Time, wire_len: u32) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(wire_len));
        self.first.get_or_insert(time);
        self.last = self.last.max(Some(time));
    }

    fn source(&self, path: String, format: &str, link_types: Vec<String>, problems: Vec<String>) -> Source {
        let Self { packets, bytes, first, last } = *self;
        Source { path, format: format.to_owned(), link_types, packets, bytes, first, last, problems }
    }
}

impl Watched {
    pub(super) fn new(live: Live) -> Self {
        Self { live, tally: Tally::default() }
    }

    fn read(&mut self, take: &mut impl FnMut(Came<'_>)) -> Result<usize, CaptureError> {
        let link = self.live.link();
        let Self { live, tally } = self;
        live.read(AT_A_TIME, |taken| {
            tally.count(taken.time, taken.wire_len);
            take(Came::Packet(Arrived { time: taken.time, link, wire_len: taken.wire_len, data: taken.data }));
        })
    }

    fn source(&mut self) -> Source {
        let dropped = self.live.dropped();
        let by = [(dropped.by_kernel, "kernel, whose buffer was full (-B)"), (dropped.by_interface, "interface")];
        let told = by.iter().filter(|(number, _)| *number > 0);
        let problems = told.map(|(number, by)| format!("{} dropped by the {by}", count(*number, "packet"))).collect();
        let links = vec![self.live.link().to_string()];
        self.tally.source(self.live.name().to_owned(), "live", links, problems)
    }
}

impl Feed {
    /// Hands on what comes, and waits for it no longer than `patience`.
    pub(super) fn wait(&mut self, patience: Duration, mut take: impl FnMut(Came<'_>)) -> Result<Then, CaptureError> {
        match self {
            Self::Interfaces(interfaces) => {
                let mut most = 0;
                for interface in &mut *interfaces {
                    most = most.max(interface.read(&mut take)?);
                }
                if most == 0 {
                    ready(interfaces, patience);
                }
                Ok(if most == AT_A_TIME { Then::More } else { Then::Drained })
            }
            Self::Stream(stream) => stream.wait(patience, &mut take),
        }
    }

    /// Packets that were dropped before they could be read.
    pub(super) fn dropped(&mut self) -> u64 {
        match self {
            Self::Interfaces(interfaces) => interfaces
                .iter_mut()
                .map(|interface| interface.live.dropped())
                .map(|dropped| dropped.by_kernel.saturating_add(dropped.by_interface))
                .sum(),
            Self::Stream(stream) => stream.summaries.iter().map(|summary| summary.dropped).sum(),
        }
    }

    /// What was taken so far.
    pub(super) fn sources(&mut self) -> Vec<Source> {
        match self {
            Self::Interfaces(interfaces) => interfaces.iter_mut().map(Watched::source).collect(),
            Self::Stream(stream) => vec![stream.source()],
        }
    }

    /// Reads the stream from now on, where it is one: on another thread, because nobody knows when it goes on.
    pub(super) fn start(&mut self) {
        if let Self::Stream(stream) = self {
            stream.start();
        }
    }
}

/// Waits until one of the interfaces has packets; a signal ends the wait, too.
fn ready(interfaces: &[Watched], patience: Duration) {
    let mut polled: Vec<PollFd<'_>> =
        interfaces.iter().map(|interface| PollFd::new(&interface.live, PollFlags::IN)).collect();
    let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
    let _ = poll(&mut polled, Some(&patience));
}

/// A stream of packets, read on its own thread.
pub(super) struct Stream {
    path: PathBuf,
    shared: Arc<Shared>,
    tally: Tally,
    links: BTreeSet<LinkType>,
    /// What the end of the stream said.
    summaries: Vec<Summary>,
}

/// What the thread has read and nobody has taken yet.
#[derive(Default)]
struct Shared {
    batch: Mutex<Batch>,
    came: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<Record>,
    end: Option<Result<Vec<Summary>, CaptureError>>,
}

enum Record {
    Packet { time: Time, link: LinkType, wire_len: u32, len: usize },
    Secrets { len: usize },
}

impl Stream {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            shared: Arc::default(),
            tally: Tally::default(),
            links: BTreeSet::new(),
            summaries: Vec::new(),
        }
    }

    fn start(&self) {
        let (path, shared) = (self.path.clone(), Arc::clone(&self.shared));
        thread::spawn(move || {
            let end = read(path, &shared);
            shared.lock().end = Some(end);
            shared.came.notify_one();
        });
    }

    fn wait(&mut self, patience: Duration, take: &mut impl FnMut(Came<'_>)) -> Result<Then, CaptureError> {
        let nothing = |batch: &mut Batch| batch.records.is_empty() && batch.end.is_none();
        let waited = self.shared.came.wait_timeout_while(self.shared.lock(), patience, nothing);
        let mut batch = std::mem::take(&mut *waited.unwrap_or_else(PoisonError::into_inner).0);
        self.shared.room.notify_one();
        let mut rest = batch.bytes.as_slice();
        let empty = batch.records.is_empty();
        for record in batch.records {
            let (Record::Packet { len, .. } | Record::Secrets { len }) = record;
            let Some((data, behind)) = rest.split_at_checked(len) else { break };
            rest = behind;
            take(match record {
                Record::Packet { time, link, wire_len, .. } => {
                    self.tally.count(time, wire_len);
                    self.links.insert(link);
                    Came::Packet(Arrived { time, link, wire_len, data })
                }
                Record::Secrets { .. } => Came::Secrets(data),
            });
        }
        match batch.end.take() {
            Some(end) => {
                self.summaries = end?;
                Ok(Then::End)
            }
            None if empty => Ok(Then::Drained),
            None => Ok(Then::More),
        }
    }

    fn source(&self) -> Source {
        let path = self.path.display().to_string();
        let problems = self.summaries.iter().flat_map(Summary::problems).collect();
        self.tally.source(path, "stream", self.links.iter().map(ToString::to_string).collect(), problems)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record, once there is room for it.
    fn push(&self, record: Record, data: &[u8]) {
        let full = |batch: &mut Batch| batch.bytes.len() >= BATCH_BYTES || batch.records.len() >= BATCH_RECORDS;
        let waited = self.room.wait_while(self.lock(), full);
        let mut batch = waited.unwrap_or_else(PoisonError::into_inner);
        batch.bytes.extend_from_slice(data);
        batch.records.push(record);
        drop(batch);
        self.came.notify_one();
    }
}

/// Reads the stream to its end.
fn read(path: PathBuf, shared: &Shared) -> Result<Vec<Summary>, CaptureError> {
    let mut input = Input::open(&[path])?;
    while let Some(item) = input.next_item()? {
        match item {
            Item::Packet(Packet { time, link, wire_len, data, .. }) => {
                shared.push(Record::Packet { time, link, wire_len, len: data.len() }, data);
            }
            Item::Secrets(text) => shared.push(Record::Secrets { len: text.len() }, text),
        }
    }
    Ok(input.summaries())
}

/// The stream that stands under this name; a person at the keyboard is not waited for.
pub(super) fn is_terminal(path: &Path) -> bool {
    use io::IsTerminal;
    path == Path::new("-") && io::stdin().is_terminal()
}

/// Packets taken from an interface before the others and the clock are looked at.
const AT_A_TIME: usize = 2_048;

/// Bytes that wait between the thread and the analysis: beyond them the writer of the stream has to wait.
const BATCH_BYTES: usize = 4 << 20;

/// The same in records.
const BATCH_RECORDS: usize = 16 * 1024;
