//! `pcap520 live`: what it tells in the lab of network namespaces, and what it may no longer do once it runs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use flate2::{Compression, write::GzEncoder};

/// Exit status of the lab where this host cannot run it.
const SKIPPED: i32 = 77;

#[test]
fn every_fault_is_told_once_and_recorded_and_trouble_is_survived() {
    let lab = Command::new("tests/live/lab.sh").arg(env!("CARGO_BIN_EXE_pcap520")).output().unwrap();
    let said = String::from_utf8_lossy(&lab.stdout);
    if lab.status.code() == Some(SKIPPED) {
        eprintln!("{said}");
        return;
    }
    assert!(lab.status.success(), "{said}\n{}", String::from_utf8_lossy(&lab.stderr));
}

#[test]
fn a_running_program_has_no_privilege_left() {
    let Some(mut live) = Live::start(&["-i", "lo", "--metrics", "127.0.0.1:0", "tcp port 9"]) else { return };
    for thread in fs::read_dir(format!("/proc/{}/task", live.0.id())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>()
        };
        assert!(!field("Uid").contains(&"0"), "{status}");
        assert!(!field("Gid").contains(&"0"), "{status}");
        assert_eq!(field("Groups"), [""; 0], "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(set), ["0000000000000000"], "{set} in {status}");
        }
        assert_eq!(field("NoNewPrivs"), ["1"], "{status}");
        assert_eq!(field("Seccomp"), ["2"], "{status}");
    }
    live.end();
}

#[test]
fn root_is_given_up_or_it_does_not_start() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    let run = command.args(["live", "-i", "lo", "--user", "root", "--duration", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    let reason = if is_root() { "would go on as root" } else { "CAP_NET_RAW" };
    assert!(said.contains(reason), "{said}");
}

#[test]
fn without_an_interface_it_says_what_to_do() {
    let run = Command::new(env!("CARGO_BIN_EXE_pcap520")).arg("live").output().unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.stderr).contains("name an interface with -i"));
}

/// Confined as it is, it can start no thread that would read ahead.
#[test]
fn a_large_file_is_read_to_its_end_in_clear_and_packed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Path::new("testdata/corpus/plain/crowd--small.pcap");
    let packed = folder.path().join("crowd.pcap.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(&fs::read(plain).unwrap()).unwrap();
    encoder.finish().unwrap();
    for capture in [plain, &packed] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
        let run = command.args(["live", "-r"]).arg(capture).output().unwrap();
        let report = String::from_utf8_lossy(&run.stdout);
        assert!(report.contains("3 incidents in 150 exchanges"), "{}: {report}", capture.display());
        assert!(!report.contains("cannot be read"), "{}: {report}", capture.display());
    }
}

/// A program that watches.
struct Live(Child);

impl Live {
    /// Starts it, and waits until it watches; none where this host does not let it.
    fn start(arguments: &[&str]) -> Option<Self> {
        if !is_root() {
            eprintln!("skipped: only root has privileges to give up");
            return None;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
        let mut child =
            command.arg("live").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut first).unwrap();
        if first.contains("CAP_NET_RAW") {
            eprintln!("skipped: {first}");
            child.wait().unwrap();
            return None;
        }
        assert!(first.starts_with("pcap520: watching"), "{first}");
        Some(Self(child))
    }

    /// SIGTERM: a full report, and status 0.
    fn end(&mut self) {
        let killed = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(killed.success());
        assert!(self.0.wait().unwrap().success());
    }
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap_or_default().lines().any(|line| line.starts_with("Uid:\t0\t"))
}
