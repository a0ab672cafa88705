//! The flight recorder: the latest packets in a ring on disk, and those of every incident beside its report.
//!
//! Packets are gathered in blocks; a thread of its own writes them, so that a slow disk never holds up the watching.
//! What the thread cannot take is not recorded, and counted.

mod ring;
mod save;
mod writer;

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use super::feed::Arrived;
use super::user::User;
use crate::cli::units::Keep;
use crate::report::Plain;
use crate::timeline::Time;
use ring::Ring;
pub(super) use save::Save;
use writer::Block;

/// A folder that is ready to be recorded to.
pub(super) struct Folder {
    path: PathBuf,
    keep: Keep,
}

/// The recorder as the watching sees it.
pub(super) struct Recorder {
    to_thread: SyncSender<Order>,
    thread: JoinHandle<()>,
    block: Block,
    state: Arc<State>,
    /// Incidents whose window is not over yet.
    waiting: Vec<Save>,
}

/// What the thread is asked to do.
enum Order {
    Write(Block),
    Save(Box<Save>),
}

/// What both threads know.
#[derive(Debug, Default)]
struct State {
    not_recorded: AtomicU64,
    stopped: AtomicBool,
    not_saved: AtomicU64,
}

impl Folder {
    /// Makes the folder where it is missing; it goes to the user that this process will go on as.
    pub(super) fn prepare(path: &Path, keep: Keep, user: Option<User>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        for folder in [path.to_owned(), path.join(INCIDENTS)] {
            if !folder.is_dir() {
                DirBuilder::new().mode(0o700).create(&folder)?;
            }
            if let Some(user) = user.filter(|user| folder.metadata().is_ok_and(|found| found.uid() != user.uid)) {
                chown(&folder, Some(user.uid), Some(user.gid))?;
            }
        }
        Ok(Self { path: fs::canonicalize(path)?, keep })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Records from now on.
    pub(super) fn start(self) -> Recorder {
        let (to_thread, orders) = sync_channel(BLOCKS);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let mut ring = Ring::new(&self.path, self.keep);
            for order in orders {
                let done = match order {
                    Order::Write(block) => ring.write(&block),
                    Order::Save(save) => {
                        let saved = ring.save(*save);
                        shared.not_saved.fetch_add(u64::from(saved.is_err()), Ordering::Relaxed);
                        saved
                    }
                };
                report(&shared, &self.path, &done, ring.lost());
            }
        });
        Recorder { to_thread, thread, block: Block::default(), state, waiting: Vec::new() }
    }
}

impl Recorder {
    /// Takes the packet with this number.
    pub(super) fn packet(&mut self, number: u64, packet: &Arrived<'_>) {
        self.block.packet(number, packet);
        if self.block.bytes() >= BLOCK_BYTES {
            self.hand_over();
        }
    }

    /// Saves an incident once the window behind it is over.
    pub(super) fn incident(&mut self, save: Save) {
        if self.waiting.len() < WAITING {
            self.waiting.push(save);
        } else {
            self.state.not_saved.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Time has come to `now`: hands over what waits.
    pub(super) fn tick(&mut self, now: Time) {
        self.hand_over();
        let (due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|save| save.is_due(now));
        self.waiting = waiting;
        for save in due {
            if self.to_thread.try_send(Order::Save(Box::new(save))).is_err() {
                self.state.not_saved.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Packets that could not be kept, and incidents whose packets could not.
    pub(super) fn lost(&self) -> (u64, u64) {
        (self.state.not_recorded.load(Ordering::Relaxed), self.state.not_saved.load(Ordering::Relaxed))
    }

    pub(super) fn records(&self) -> bool {
        !self.state.stopped.load(Ordering::Relaxed)
    }

    /// Writes what is left, and waits for it.
    pub(super) fn finish(mut self) {
        self.tick(Time(i64::MAX));
        let Self { to_thread, thread, .. } = self;
        drop(to_thread);
        let _ = thread.join();
    }

    fn hand_over(&mut self) {
        if self.block.packets() == 0 {
            return;
        }
        let block = std::mem::take(&mut self.block);
        let packets = block.packets();
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.to_thread.try_send(Order::Write(block))
        {
            self.state.not_recorded.fetch_add(packets, Ordering::Relaxed);
        }
    }
}

/// Says once that recording has stopped, and once that it goes on.
fn report(state: &State, folder: &Path, done: &io::Result<()>, lost: u64) {
    state.not_recorded.fetch_add(lost, Ordering::Relaxed);
    let stopped = done.is_err();
    if state.stopped.swap(stopped, Ordering::Relaxed) == stopped {
        return;
    }
    let folder = folder.display();
    let text = match done {
        Ok(()) => format!("{folder}: recording goes on"),
        Err(error) => {
            format!("{folder}: cannot record: {error}; watching goes on without it, and it is tried again each minute")
        }
    };
    let _ = writeln!(io::stderr(), "pcap520: {}", Plain(&text));
}

/// Folder of the incidents in that of the recorder.
const INCIDENTS: &str = "incidents";

/// Bytes of a block.
const BLOCK_BYTES: usize = 256 * 1024;

/// Blocks that wait for the disk: 16 MiB.
const BLOCKS: usize = 64;

/// Incidents that wait for the window behind them.
const WAITING: usize = 256;
