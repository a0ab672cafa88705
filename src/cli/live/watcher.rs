//! The watching itself: packets, time and signals in; incidents, packets of incidents and metrics out.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::args::Args;
use super::default_filter::default_filter;
use super::feed::{Arrived, Came, Feed, Stream, Then, Watched, is_terminal};
use super::follow::Follower;
use super::metrics::{self, Board, Meters, Server};
use super::recorder::{Folder, Recorder, Save};
use super::sandbox::{self, Needs};
use super::signals::Signals;
use super::sink::Sink;
use super::user::User;
use crate::analysis::{Analysis, Judging, Records};
use crate::capture::{ANY, BLOCK_MS, Filter, LinkType, Live, LiveOptions, Packet};
use crate::cli::job::Job;
use crate::cli::{Error, exit};
use crate::report::{Document, Plain, Redaction, Secrets, View, count, document};
use crate::timeline::Time;
use crate::verdict::{Incident, Verdict};

/// Everything that is open.
pub(super) struct Watcher {
    feed: Feed,
    /// Of a stream; an interface filters by itself.
    filter: Option<Filter>,
    signals: Signals,
    desk: Desk,
    limits: Limits,
    metrics_file: Option<PathBuf>,
    /// The file could not be written when it was tried last.
    metrics_stale: bool,
    board: Board,
    last_second: Instant,
    dropped: u64,
}

/// When it ends by itself.
struct Limits {
    packets: Option<u64>,
    until: Option<Instant>,
}

/// The time that silence is measured by: an interface goes by this host's clock, a stream by its last packet, for it may
/// be a recording.
#[derive(Clone, Copy, Debug)]
enum Clock {
    Host,
    Stream { last: Time, came: Instant },
}

/// What packets go through.
struct Desk {
    clock: Clock,
    analysis: Analysis,
    view: View,
    sink: Sink,
    recorder: Option<Recorder>,
    keys: Vec<Follower>,
    /// Packets that wait for their keys.
    held: VecDeque<Held>,
    meters: Meters,
    number: u64,
    /// Time of the last packet.
    last: Time,
    saved: HashMap<&'static str, u32>,
    not_saved: u64,
    /// Incidents so far.
    told: u64,
    quiet: bool,
    /// The first thing that could not be written.
    failed: Option<Error>,
}

/// A packet that waits.
struct Held {
    since: Instant,
    time: Time,
    link: LinkType,
    wire_len: u32,
    data: Vec<u8>,
}

impl Watcher {
    /// Opens everything, gives up privileges, and starts the threads.
    pub(super) fn start(args: Args) -> Result<Self, Error> {
        let user = user(&args)?;
        let job = Job::live(args.source.ca.clone(), args.source.server, &args.edge)?;
        let options =
            job.options(&[], Records::OfIncidents, Judging::AsDecided { connections: args.process.max_connections })?;
        let expression = expression(&args);
        let mut feed = open(&args, expression.as_deref())?;
        let filter = match (&feed, &expression) {
            (Feed::Stream(_), Some(expression)) => Some(Filter::new(expression)?),
            _ => None,
        };
        let keys = args.source.keylog.iter().map(|path| follow(path)).collect::<Result<Vec<_>, _>>()?;
        let sink = Sink::open(&args.output, user)?;
        let server = args
            .output
            .metrics
            .map(|address| Server::bind(address).map_err(|source| Error::Metrics { address, source }));
        let server = server.transpose()?;
        let folder = args.record.record.as_deref().map(|path| {
            Folder::prepare(path, args.record.keep, user)
                .map_err(|source| Error::Unrecordable { path: path.to_owned(), source })
        });
        let folder = folder.transpose()?;
        let signals = Signals::listen()?;
        if !args.process.no_sandbox {
            sandbox::confine(&needs(&args, user, &sink, folder.as_ref()))?;
        }
        if let Some(path) = &args.output.metrics_file {
            // As the user that this process goes on as: what fails now would fail every second.
            metrics::write_file(path, &Meters::default().text())
                .map_err(|source| Error::UnwritableMetrics { path: path.clone(), source })?;
        }
        let clock = match &feed {
            Feed::Interfaces(_) => Clock::Host,
            Feed::Stream(_) => Clock::Stream { last: Time::default(), came: Instant::now() },
        };
        let board = Board::default();
        if let Some(server) = server {
            server.start(board.clone());
        }
        feed.start();
        let recorder = folder.map(Folder::start);
        if !args.process.no_sandbox {
            sandbox::confine_calls()?;
        }
        if let (Feed::Interfaces(_), false) = (&feed, args.output.quiet) {
            let names = args.source.interface.join(", ");
            let what = expression.unwrap_or_default();
            let _ = writeln!(io::stderr(), "pcap520: watching {}: {}", Plain(&names), Plain(&what));
        }
        let secrets = if args.output.no_redact { Secrets::Shown } else { Secrets::Hidden };
        let redaction = Redaction { secrets, ..Redaction::default() };
        Ok(Self {
            feed,
            filter,
            signals,
            limits: Limits {
                packets: args.source.count,
                until: args.source.duration.and_then(|duration| Instant::now().checked_add(duration)),
            },
            metrics_file: args.output.metrics_file,
            metrics_stale: false,
            board,
            last_second: Instant::now(),
            dropped: 0,
            desk: Desk {
                clock,
                analysis: Analysis::new(options),
                view: View { redaction, ..View::default() },
                sink,
                recorder,
                keys,
                held: VecDeque::new(),
                meters: Meters::default(),
                number: 0,
                last: Time::default(),
                saved: HashMap::new(),
                not_saved: 0,
                told: 0,
                quiet: args.output.quiet,
                failed: None,
            },
        })
    }

    /// Watches until a signal, a limit, or the end of the stream.
    pub(super) fn watch(&mut self) -> Result<(), Error> {
        loop {
            let then = self.take()?;
            self.desk.release(then);
            match then {
                Then::Drained => self.desk.pass(),
                Then::More | Then::End => self.desk.note_lag(),
            }
            self.desk.tell_decided();
            if let Some(failed) = self.desk.failed.take() {
                return Err(failed);
            }
            self.heed_signals();
            if self.last_second.elapsed() >= Duration::from_secs(1) {
                self.each_second();
            }
            if then == Then::End || self.is_over() {
                return Ok(());
            }
        }
    }

    /// Ends with the full report.
    pub(super) fn finish(mut self) -> Result<u8, Error> {
        // The kernel may hold a block of packets back for this long.
        std::thread::sleep(Duration::from_millis(BLOCK_MS.unsigned_abs().into()));
        for _ in 0..LAST_LOOKS {
            if self.take()? != Then::More {
                break;
            }
        }
        self.desk.release(Then::End);
        self.desk.analysis.close();
        self.desk.tell_decided();
        self.each_second();
        let (verdict, sources) = (self.verdict(), self.feed.sources());
        let document = Document::new(&verdict, &sources, &self.desk.view);
        self.desk.sink.report(&document)?;
        if let Some(recorder) = self.desk.recorder.take() {
            recorder.finish();
        }
        self.desk.failed.map_or(Ok(exit::ANALYSED), Err)
    }

    fn take(&mut self) -> Result<Then, Error> {
        let Self { feed, filter, desk, limits, .. } = self;
        let most = limits.packets.unwrap_or(u64::MAX);
        let then = feed.wait(PATIENCE, |came| match came {
            Came::Secrets(text) => desk.analysis.secrets(text),
            Came::Packet(packet) if desk.number < most => {
                let wanted = filter.as_mut().map_or(Ok(true), |filter| filter.matches(&desk.numbered(&packet)));
                match wanted {
                    Ok(true) => desk.packet(&packet),
                    Ok(false) => {}
                    Err(error) => drop(desk.failed.get_or_insert(error.into())),
                }
            }
            Came::Packet(_) => {}
        })?;
        Ok(then)
    }

    fn is_over(&self) -> bool {
        self.signals.end()
            || self.limits.packets.is_some_and(|packets| self.desk.number >= packets)
            || self.limits.until.is_some_and(|until| Instant::now() >= until)
    }

    fn heed_signals(&mut self) {
        if self.signals.reopen() {
            // A failure is told, and what was open stays open.
            if let Err(error) = self.desk.sink.reopen() {
                self.desk.say(&error.to_string());
            }
            self.desk.keys.iter_mut().for_each(Follower::reopen);
        }
        if self.signals.summary() {
            let verdict = self.verdict();
            let summary = Document::new(&verdict, &[], &self.desk.view).summary;
            let causes: Vec<String> =
                summary.by_cause.iter().map(|(cause, number)| format!("{cause} ({number})")).collect();
            self.desk.say(&format!(
                "{} in {} on {}, {} dropped. {}",
                count(self.desk.told, "incident"),
                count(summary.exchanges, "exchange"),
                count(summary.connections, "connection"),
                count(self.dropped, "packet"),
                causes.join(", ")
            ));
        }
    }

    fn each_second(&mut self) {
        self.last_second = Instant::now();
        let dropped = self.feed.dropped();
        if dropped > self.dropped {
            self.desk.hint(&format!(
                "{} dropped before they could be read, {dropped} in all: verdicts may be missing (-B enlarges the \
                 buffer)",
                count(dropped.saturating_sub(self.dropped), "packet")
            ));
            self.dropped = dropped;
        }
        self.desk.meters.dropped = dropped;
        self.desk.each_second();
        let text = self.desk.meters.text();
        if let Some(path) = &self.metrics_file {
            let written = metrics::write_file(path, &text);
            if let (Err(error), false) = (&written, self.metrics_stale) {
                self.desk.say(&format!("{}: cannot write the metrics for now: {error}", path.display()));
            }
            self.metrics_stale = written.is_err();
        }
        self.board.show(text);
    }

    /// What was found so far.
    fn verdict(&self) -> Verdict {
        let mut verdict = self.desk.analysis.so_far();
        let (packets, incidents) = self.desk.lost();
        if packets > 0 {
            verdict.caveats.push(format!("the recorder could not keep {}", count(packets, "packet")));
        }
        if incidents > 0 {
            verdict.caveats.push(format!("the packets of {} were not saved", count(incidents, "incident")));
        }
        verdict
    }
}

impl Desk {
    fn numbered<'a>(&self, packet: &Arrived<'a>) -> Packet<'a> {
        let Arrived { time, link, wire_len, data } = *packet;
        Packet { number: self.number.saturating_add(1), time, link, wire_len, data }
    }

    fn packet(&mut self, packet: &Arrived<'_>) {
        self.number = self.number.saturating_add(1);
        self.meters.bytes = self.meters.bytes.saturating_add(u64::from(packet.wire_len));
        self.last = packet.time;
        if let Some(recorder) = &mut self.recorder {
            recorder.packet(self.number, packet);
        }
        if self.keys.is_empty() {
            let Arrived { time, link, wire_len, data } = *packet;
            self.analysis.packet(&Packet { number: self.number, time, link, wire_len, data });
        } else {
            let Arrived { time, link, wire_len, data } = *packet;
            self.held.push_back(Held { since: Instant::now(), time, link, wire_len, data: data.to_vec() });
        }
    }

    /// Reads the key logs, and lets the packets go that have waited long enough for them.
    fn release(&mut self, then: Then) {
        if self.keys.is_empty() {
            return;
        }
        for log in &mut self.keys {
            match log.news() {
                Ok(text) => self.analysis.secrets(&text),
                Err(error) => drop(self.failed.get_or_insert(error.into())),
            }
        }
        let mut number = self.number.saturating_sub(self.held.len() as u64);
        while let Some(held) = self.held.front() {
            if then != Then::End && held.since.elapsed() < KEYS_WAIT && self.held.len() < MOST_HELD {
                break;
            }
            let Some(Held { time, link, wire_len, data, .. }) = self.held.pop_front() else { break };
            number = number.saturating_add(1);
            self.analysis.packet(&Packet { number, time, link, wire_len, data: &data });
        }
    }

    /// Time goes on though no packet comes.
    fn pass(&mut self) {
        let waiting = self.held.front().map(|held| held.time);
        let now = waiting.unwrap_or_else(|| match self.clock {
            // What came within the last block may not be here yet.
            Clock::Host => Time(now().0.saturating_sub(i64::from(BLOCK_MS).saturating_mul(1_000_000))),
            Clock::Stream { last, came } => {
                let silent = i64::try_from(came.elapsed().as_nanos()).unwrap_or(i64::MAX);
                Time(last.0.saturating_add(silent))
            }
        });
        self.analysis.pass(now);
        self.meters.lag_s = 0.0;
    }

    /// Packets are waiting: how old is the last one that was taken?
    fn note_lag(&mut self) {
        match &mut self.clock {
            Clock::Host => self.meters.lag_s = now().seconds_since(self.last),
            Clock::Stream { last, came } => (*last, *came) = (self.last, Instant::now()),
        }
    }

    fn tell_decided(&mut self) {
        let decided = self.analysis.decided();
        for incident in &decided {
            self.told = self.told.saturating_add(1);
            self.meters.count(incident);
            self.save(incident);
        }
        for told in document::Incident::ahead(&decided, &self.view) {
            if let Err(error) = self.sink.incident(&told) {
                self.failed.get_or_insert(error);
            }
        }
    }

    /// Has the packets of an incident saved, but of a cause that comes again and again only some in a minute.
    fn save(&mut self, incident: &Incident) {
        let Some(recorder) = &mut self.recorder else { return };
        let saved = self.saved.entry(incident.finding.cause.0).or_default();
        *saved = saved.saturating_add(1);
        let save = if *saved > SAVED_A_MINUTE { None } else { Save::new(incident, &self.view, now()).ok() };
        match save {
            Some(save) => recorder.incident(save),
            None => self.not_saved = self.not_saved.saturating_add(1),
        }
    }

    fn lost(&self) -> (u64, u64) {
        let (packets, incidents) = self.recorder.as_ref().map_or((0, 0), Recorder::lost);
        (packets, incidents.saturating_add(self.not_saved))
    }

    fn each_second(&mut self) {
        let now = now();
        if now.0 / 1_000_000_000 % 60 == 0 {
            self.saved.clear();
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.tick(now);
            self.meters.recording = recorder.records();
        }
        self.meters.not_recorded = self.lost().0;
        self.meters.standing = self.analysis.standing();
    }

    /// Something that whoever started the program may want to know.
    fn hint(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    fn say(&self, text: &str) {
        let _ = writeln!(io::stderr(), "pcap520: {}", Plain(text));
    }
}

/// The user to go on as; none where this process is not root.
fn user(args: &Args) -> Result<Option<User>, Error> {
    if args.process.no_sandbox || !sandbox::is_root() {
        return Ok(None);
    }
    match User::find(&args.process.user) {
        Some(user) if user.uid != 0 => Ok(Some(user)),
        Some(_) => Err(Error::StaysRoot),
        None => Err(Error::UnknownUser { name: args.process.user.clone() }),
    }
}

/// The filter; none for all of a stream.
fn expression(args: &Args) -> Option<String> {
    let words = &args.source.expression;
    let given = args.source.filter.clone().or_else(|| (!words.is_empty()).then(|| words.join(" ")));
    given.or_else(|| args.source.read.is_none().then(default_filter))
}

fn open(args: &Args, filter: Option<&str>) -> Result<Feed, Error> {
    if let Some(path) = &args.source.read {
        if is_terminal(path) {
            return Err(Error::TerminalInput);
        }
        return Ok(Feed::Stream(Stream::new(path)));
    }
    if args.source.interface.is_empty() {
        return Err(Error::NoInterface);
    }
    let options = LiveOptions {
        snap_len: if args.source.snaplen == 0 { WHOLE_PACKETS } else { args.source.snaplen },
        buffer_bytes: args.source.buffer_size.saturating_mul(1024),
        promiscuous: args.source.promiscuous && !args.source.interface.iter().any(|name| name == ANY),
    };
    let interfaces: Result<Vec<_>, _> = args
        .source
        .interface
        .iter()
        .map(|name| Live::open(name, filter.unwrap_or_default(), options).map(Watched::new))
        .collect();
    Ok(Feed::Interfaces(interfaces?))
}

fn follow(path: &Path) -> Result<Follower, Error> {
    Follower::open(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
        advice: "name a key log that can be read, or leave --keylog out",
    })
}

/// What is opened again while it runs.
fn needs(args: &Args, user: Option<User>, sink: &Sink, folder: Option<&Folder>) -> Needs {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut read: Vec<PathBuf> = args.source.keylog.iter().map(|path| parent(path)).collect();
    read.extend(args.source.read.clone().filter(|path| path != Path::new("-")));
    read.push(PathBuf::from("/proc/self"));
    let mut write: Vec<PathBuf> = sink.path().into_iter().map(parent).collect();
    write.extend(args.output.metrics_file.as_deref().map(parent));
    write.extend(folder.map(|folder| folder.path().to_owned()));
    Needs { user, read, write }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// How long packets are waited for before the clock and the signals are looked at.
const PATIENCE: Duration = Duration::from_millis(100);

/// Looks for packets that are left at the end: a busy interface has always more.
const LAST_LOOKS: usize = 64;

/// Bytes that no packet exceeds, as with tcpdump.
const WHOLE_PACKETS: u32 = 262_144;

/// How long packets wait for a key log to be written.
const KEYS_WAIT: Duration = Duration::from_millis(250);

/// Packets that wait at one time.
const MOST_HELD: usize = 50_000;

/// Incidents of one cause whose packets are saved within a minute.
const SAVED_A_MINUTE: u32 = 20;
