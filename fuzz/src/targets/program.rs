//! The whole program: a capture in, every form of report out.

use std::path::Path;

use pcap520::analysis::{Analysis, Judging, Options, Records};
use pcap520::capture::{Input, Item, Packet};
use pcap520::report::{self, Detail, Document, Extract, Palette, Source, Style, View};
use pcap520::verdict::Incident;
use pcap520::wire::Decoder;

use super::redact::is_bidirectional;
use super::scratch;

pub fn run(data: &[u8]) {
    scratch::with_file(data, |path| {
        drop(analyse(path));
        watch(path);
    });
}

/// Analyses a capture and writes every report; gives the JSON report, or none where the file is no capture.
pub fn analyse(path: &Path) -> Option<Vec<u8>> {
    let mut input = Input::open(&[path.to_owned()]).ok()?;
    let mut analysis = Analysis::new(Options { records: Records::OfAll, ..Options::default() });
    loop {
        match input.next_item() {
            Ok(Some(Item::Packet(packet))) => analysis.packet(&packet),
            Ok(Some(Item::Secrets(text))) => analysis.secrets(text),
            Ok(None) => break,
            Err(error) => {
                drop(error.to_string());
                break;
            }
        }
    }
    let summary = input.summaries().pop()?;
    let source = Source::from(&summary);
    let verdict = analysis.finish();
    let document = Document::new(&verdict, &[source], &View::default());
    let style = Style { width: 80, palette: Palette::Plain, detail: Detail::Full };
    assert_plain(&written(|out| report::write_text(&document, style, out)));
    assert_plain(&written(|out| report::write_markdown(&document, out)));
    let lines = written(|out| report::write_ndjson(&document, out));
    assert!(lines.split(|byte| *byte == b'\n').all(|line| line.is_empty() || line.starts_with(b"{")));
    drop(lines);
    assert!(written(|out| report::write_html(&document, out)).ends_with(b"</html>\n"), "a page is whole");
    assert!(written(|out| report::write_har(&document, out)).ends_with(b"}\n"), "an archive is whole");
    if !verdict.incidents.is_empty() {
        extract(path, Extract::new(&verdict, &View::default()));
    }
    Some(written(|out| report::write_json(&document, out)))
}

/// Watches a capture as if its packets came now.
fn watch(path: &Path) {
    let Ok(mut input) = Input::open(&[path.to_owned()]) else { return };
    let mut analysis = Analysis::new(Options { judging: Judging::AsDecided { connections: 8 }, ..Options::default() });
    while let Ok(Some(item)) = input.next_item() {
        match item {
            Item::Packet(packet) => analysis.packet(&packet),
            Item::Secrets(text) => analysis.secrets(text),
        }
        tell(&analysis.decided());
    }
    analysis.close();
    tell(&analysis.decided());
}

/// Tells incidents as a program that watches does.
fn tell(decided: &[Incident]) {
    let style = Style { width: 80, palette: Palette::Plain, detail: Detail::Digest };
    for told in report::document::Incident::ahead(decided, &View::default()) {
        assert_plain(&written(|out| report::write_text_incident(&told, 1, style, out)));
    }
}

/// Writes the packets of the incidents.
fn extract(path: &Path, mut extract: Extract) {
    let Ok(mut input) = Input::open(&[path.to_owned()]) else { return };
    let mut decoder = Decoder::new();
    while let Ok(Some(item)) = input.next_item() {
        match item {
            Item::Packet(packet) => extract.packet(packet.number, &decoder.decode(&packet)),
            Item::Secrets(text) => extract.secrets(text),
        }
    }
    let packets = extract.packets();
    let Ok(mut input) = Input::open(&[path.to_owned()]) else { return };
    let mut copy = packets.begin(vec!["fuzz".to_owned()], Vec::new()).expect("a vector takes all");
    while let Ok(Some(item)) = input.next_item() {
        let Item::Packet(packet) = item else { continue };
        if packets.contains(packet.number) {
            let (number, time, link, wire_len) = (packet.number, packet.time, packet.link, packet.wire_len);
            let data = packet.data.to_vec();
            let interface = input.interface().expect("a packet came from an interface");
            let packet = Packet { number, time, link, wire_len, data: &data };
            copy.packet(&packet, interface).expect("a vector takes all");
        }
    }
}

fn written(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).expect("a vector takes all");
    out
}

/// Nothing of a report drives a terminal or turns the text around.
pub fn assert_plain(report: &[u8]) {
    let text = std::str::from_utf8(report).expect("a report is UTF-8");
    let bad = text.chars().find(|c| c.is_control() && *c != '\n' || is_bidirectional(*c));
    assert_eq!(bad, None, "{text}");
}
