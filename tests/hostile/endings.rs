//! What can happen to a run from outside: pipes that break, disks that are full, files that change, signals.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::fuzz::packets::{Conversation, pcap};

/// The program with these arguments. A job in the background of a shell ignores SIGINT, and so would its children.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_pcap520")]).args(arguments);
    command.env_remove("SSLKEYLOGFILE").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// So many connections that end without a response.
fn capture(connections: u16) -> Vec<u8> {
    let mut frames = Vec::new();
    for nth in 0..connections {
        let mut conversation = Conversation::open(40_000 + nth, 80, u64::from(nth) * 1_000 + 1, [7, 9]);
        conversation.client(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        conversation.close(1);
        frames.append(&mut conversation.frames);
    }
    pcap(&frames)
}

fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let name = file.path().to_str().unwrap().to_owned();
    (file, name)
}

/// One line that begins with the program's name.
fn one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(text.starts_with("pcap520: ") && text.lines().count() == 1, "{text:?}");
    text
}

#[test]
fn a_reader_that_goes_away_ends_the_run_without_a_word() {
    let (_file, name) = file(&capture(2_000));
    for format in ["text", "json", "ndjson", "markdown"] {
        let mut child = command(&["analyze", "--verbose", "--format", format, &name]).spawn().unwrap();
        let mut first = [0; 1];
        let mut pipe = child.stdout.take().unwrap();
        pipe.read_exact(&mut first).unwrap();
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
    }
}

#[test]
fn a_full_disk_is_one_line() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        return eprintln!("skipped: there is no /dev/full here");
    };
    let (_file, name) = file(&capture(3));
    let output = command(&["analyze", &name]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("standard output"), "{output:?}");
    let output = command(&["analyze", "-o", "/dev/full", &name]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("/dev/full"), "{output:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_file, name) = file(&capture(1));
    fs::set_permissions(&name, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads it all the same.
    if File::open(&name).is_err() {
        let output = command(&["analyze", &name]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(one_line(&output).contains(&name));
    }
    // Memory that is not mapped reads as an error on any machine with /proc.
    let output = command(&["analyze", "/proc/self/mem"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("/proc/self/mem"));
}

#[test]
fn a_pipe_that_ends_anywhere_gives_a_report_or_one_line() {
    let whole = capture(2);
    for len in (0..whole.len()).step_by(37) {
        let mut child = command(&["analyze", "-q", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&whole[..len]).unwrap();
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => assert!(!output.stdout.is_empty(), "{len}"),
            Some(2) => drop(one_line(&output)),
            other => panic!("{other:?} after {len} bytes"),
        }
    }
}

/// A capture that tcpdump still writes: what is there is analysed, whether the file grows or is cut meanwhile.
#[test]
fn a_file_that_grows_or_shrinks_is_read_as_far_as_it_is_there() {
    let whole = capture(200);
    for (before, after) in [(whole.len() / 2, whole.len()), (whole.len(), whole.len() / 3), (whole.len(), 10)] {
        let (changing, name) = file(&whole[..before]);
        let child = command(&["analyze", "-q", "--format", "json", &name]).spawn().unwrap();
        if after > before {
            OpenOptions::new().append(true).open(&name).unwrap().write_all(&whole[before..after]).unwrap();
        } else {
            changing.as_file().set_len(after as u64).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => drop(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()),
            Some(2) => drop(one_line(&output)),
            other => panic!("{other:?}: {output:?}"),
        }
    }
}

/// Records without end: a pipe is read as long as it gives, in bounded memory, and the run ends when it is told to.
#[test]
fn an_endless_pipe_takes_bounded_memory_and_ends_on_a_signal() {
    let mut child = command(&["analyze", "-q", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let whole = capture(50);
    let (header, records) = whole.split_at(24);
    pipe.write_all(header).unwrap();
    for _ in 0..200 {
        pipe.write_all(records).unwrap();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) {
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(kilobytes < 256 << 10, "{line}");
    }
    child.kill().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// However a run ends, the report of the last one stays as it was, and nothing beside it.
#[test]
fn a_run_that_is_killed_leaves_the_old_report_and_no_draft() {
    for signal in ["-INT", "-TERM", "-KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.json");
        fs::write(&report, "old").unwrap();
        let output = report.to_str().unwrap().to_owned();
        let mut child = command(&["analyze", "-q", "-o", &output, "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(&capture(1)).unwrap();
        let open = format!("/proc/{}/fd", child.id());
        let has_draft = || {
            let mut files = fs::read_dir(&open).into_iter().flatten().flatten();
            files.any(|file| fs::read_link(file.path()).is_ok_and(|path| path.starts_with(folder.path())))
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !has_draft() {
            assert!(Instant::now() < deadline, "it opens no draft");
            std::thread::sleep(Duration::from_millis(5));
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(!child.wait().unwrap().success());
        assert_eq!(fs::read_to_string(&report).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{signal}");
    }
}
