//! A report of 10,000 incidents in every format: how large it is, and how long it takes. `make crowd`
//!
//! What people read must stay bounded: it fails where text or Markdown do not fit a ticket, or the page a mail. Where
//! Chromium is installed, it opens the page, and an empty one beside it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod traffic;

const INCIDENTS: u32 = 10_000;

/// Formats, and the bytes that each may take.
const FORMATS: [(&str, u64); 5] =
    [("text", 64_000), ("markdown", 64_000), ("html", 15_000_000), ("json", u64::MAX), ("ndjson", u64::MAX)];

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("crowd.pcap");
    fs::write(&capture, traffic::malformed(INCIDENTS)).expect("a capture");
    for (format, most) in FORMATS {
        let report = folder.path().join(format!("report.{format}"));
        let mut program = Command::new(env!("CARGO_BIN_EXE_pcap520"));
        program.args(["analyze", "-q", "--format", format, "-o"]).arg(&report).arg(&capture);
        let took = timed(&mut program);
        let bytes = fs::metadata(&report).expect("a report").len();
        println!("{format:<9} {bytes:>11} bytes {:>7.2} s", took.as_secs_f64());
        assert!(bytes <= most, "{format}: more than {most} bytes");
    }
    let page = folder.path().join("report.html");
    let text = fs::read_to_string(&page).expect("a page");
    assert!(text.contains(">10,000 incidents</h1>"), "each connection is one incident");
    let empty = folder.path().join("empty.html");
    fs::write(&empty, "<!DOCTYPE html><title>empty</title>").expect("a page");
    for page in [&empty, &page] {
        match opened(page) {
            Some(took) => {
                println!("chromium  {:<23} {:>5.2} s", page.file_name().unwrap().display(), took.as_secs_f64())
            }
            None => println!("chromium is not installed; `make test-deps` installs it"),
        }
    }
}

/// How long Chromium takes from its start until it has drawn the page.
fn opened(page: &Path) -> Option<Duration> {
    let picture = page.with_extension("png");
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu"]).stderr(std::process::Stdio::null());
    browser.arg(format!("--user-data-dir={}", page.with_extension("profile").display()));
    browser.arg(format!("--screenshot={}", picture.display())).arg(format!("file://{}", page.display()));
    browser.stdout(std::process::Stdio::null());
    let begun = Instant::now();
    let done = browser.status().ok()?;
    assert!(done.success() && picture.is_file(), "chromium drew nothing");
    Some(begun.elapsed())
}

fn timed(program: &mut Command) -> Duration {
    let begun = Instant::now();
    assert!(program.status().expect("the program").success());
    begun.elapsed()
}
