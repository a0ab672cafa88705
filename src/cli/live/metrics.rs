//! Metrics for Prometheus, in its text format: over HTTP, and as a file for the node exporter.
//!
//! Labels hold causes, layers, statuses and interfaces of this program's own making: never an address, a host or a path
//! that a stranger chose.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::analysis::Standing;
use crate::verdict::{Catalogue, Incident};

/// What is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Meters {
    pub(super) standing: Standing,
    /// Bytes of the packets on the wire.
    pub(super) bytes: u64,
    /// Packets that were dropped before they could be read.
    pub(super) dropped: u64,
    /// Seconds from the latest packet to its analysis.
    pub(super) lag_s: f64,
    /// What the recorder could not keep.
    pub(super) not_recorded: u64,
    /// True while the recorder records.
    pub(super) recording: bool,
    incidents: BTreeMap<(&'static str, u16), u64>,
}

impl Meters {
    pub(super) fn count(&mut self, incident: &Incident) {
        let number = self.incidents.entry((incident.finding.cause.0, incident.edge_status)).or_default();
        *number = number.saturating_add(1);
    }

    /// The text that Prometheus reads (exposition format 0.0.4).
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let standing = &self.standing;
        for (name, kind, help, value) in [
            ("packets_total", COUNTER, "Packets analysed.", standing.packets as f64),
            ("bytes_total", COUNTER, "Bytes of these packets on the wire.", self.bytes as f64),
            (
                "dropped_packets_total",
                COUNTER,
                "Packets that the kernel or the interface dropped.",
                self.dropped as f64,
            ),
            ("connections_total", COUNTER, "Connections seen.", standing.connections as f64),
            ("connections_open", GAUGE, "Connections kept in memory.", standing.open as f64),
            ("connections_given_up_total", COUNTER, "Connections given up to bound memory.", standing.given_up as f64),
            ("exchanges_total", COUNTER, "Exchanges on connections that have ended.", standing.exchanges as f64),
            ("exchanges_ok_total", COUNTER, "Exchanges that were complete and clean.", standing.exchanges_ok as f64),
            ("lag_seconds", GAUGE, "Time from a packet to its analysis.", self.lag_s),
            ("resident_memory_bytes", GAUGE, "Memory of the process.", resident_bytes().unwrap_or(0) as f64),
            ("recording", GAUGE, "1 while the flight recorder records.", f64::from(u8::from(self.recording))),
            (
                "not_recorded_packets_total",
                COUNTER,
                "Packets that the recorder could not keep.",
                self.not_recorded as f64,
            ),
        ] {
            let _ =
                writeln!(text, "# HELP pcap520_{name} {help}\n# TYPE pcap520_{name} {kind}\npcap520_{name} {value}");
        }
        text.push_str("# HELP pcap520_incidents_total Failed exchanges and connections.\n# TYPE pcap520_incidents_total counter\n");
        for entry in Catalogue::built_in().entries() {
            let mut counts: BTreeMap<u16, u64> = self.of_cause(entry.id).collect();
            // A counter that is there before the first incident shows the first one as a change.
            counts.entry(entry.status).or_default();
            for (status, count) in counts {
                let (cause, layer) = (entry.id, entry.layer.name());
                let _ = writeln!(
                    text,
                    "pcap520_incidents_total{{cause=\"{cause}\",edge_status=\"{status}\",layer=\"{layer}\"}} {count}"
                );
            }
        }
        text
    }

    fn of_cause(&self, id: &'static str) -> impl Iterator<Item = (u16, u64)> {
        self.incidents.iter().filter(move |((cause, _), _)| *cause == id).map(|((_, status), count)| (*status, *count))
    }
}

/// What is shown to whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Board(Arc<Mutex<String>>);

impl Board {
    pub(super) fn show(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn read(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A socket that listens and is not served yet.
pub(super) struct Server(TcpListener);

impl Server {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).map(Self)
    }

    /// Answers from now on, on its own thread, one request after the other.
    pub(super) fn start(self, board: Board) {
        thread::spawn(move || {
            for stream in self.0.incoming() {
                match stream {
                    // Whoever asks and goes away does not matter to anybody else.
                    Ok(stream) => drop(answer(stream, &board)),
                    // Too many open files, for one: not to be tried again at once.
                    Err(_) => thread::sleep(Duration::from_millis(100)),
                }
            }
        });
    }
}

fn answer(mut stream: TcpStream, board: &Board) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = [0; MAX_REQUEST];
    let mut len = 0;
    // What is asked for stands in the first line.
    while !request.get(..len).is_some_and(|head| head.contains(&b'\n')) {
        match stream.read(request.get_mut(len..).unwrap_or_default())? {
            0 => return Ok(()),
            read => len = len.saturating_add(read),
        }
    }
    let (status, body) = match request.get(..len).unwrap_or_default() {
        [b'G', b'E', b'T', b' ', b'/', b'm', b'e', b't', b'r', b'i', b'c', b's', b' ' | b'?', ..] => {
            ("200 OK", board.read())
        }
        [b'G', b'E', b'T', b' ', ..] => ("404 Not Found", "The metrics are at /metrics.\n".to_owned()),
        _ => ("405 Method Not Allowed", "Only GET is answered.\n".to_owned()),
    };
    let len = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {len}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    stream.shutdown(std::net::Shutdown::Write)
}

/// Puts the metrics in the place of the file in one step, so that nobody reads half of them. Others may read it: the
/// node exporter is another user.
pub(super) fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let draft = draft(path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&draft)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&draft, path)
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Memory of this process, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

/// A client that is slower than this is left alone: others wait for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of a request in which its first line has to end.
const MAX_REQUEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn every_cause_has_a_counter_from_the_beginning() {
        let text = Meters::default().text();
        for entry in Catalogue::built_in().entries() {
            assert!(text.contains(&format!("pcap520_incidents_total{{cause=\"{}\",", entry.id)), "{}", entry.id);
        }
        assert!(text.contains("\npcap520_packets_total 0\n"));
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("pcap520_")));
    }

    #[test]
    fn dashboard_and_alerts_ask_only_for_what_there_is() {
        let dashboard = include_str!("../../../contrib/grafana/pcap520.json");
        let alerts = include_str!("../../../contrib/prometheus/pcap520.rules.yml");
        assert!(serde_json::from_str::<serde_json::Value>(dashboard).is_ok());
        let text = Meters::default().text();
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        for asked in [dashboard, alerts] {
            let names = asked
                .match_indices("pcap520_")
                .map(|(at, _)| asked[at..].split(|c| !is_name(c) && !c.is_ascii_digit()));
            let names: Vec<&str> = names.filter_map(|mut name| name.next()).collect();
            assert!(names.len() > 5);
            for name in names {
                assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
            }
        }
    }

    #[test]
    fn metrics_are_served_and_nothing_else() {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.0.local_addr().unwrap();
        let board = Board::default();
        board.show("pcap520_packets_total 7\n".to_owned());
        server.start(board);
        assert!(ask(address, "GET /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\npcap520_packets_total 7\n"));
        assert!(ask(address, "GET /etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn the_file_is_replaced_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pcap520.prom");
        write_file(&path, "one").unwrap();
        write_file(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
