//! The document as NDJSON: one object a line, each with its `type`, the summary last.

use std::io::{self, Write};

use serde::Serialize;

use super::document::{
    Capture, Connection, Document, Edge, EdgeLog, Incident, Observation, Pattern, Story, Summary, Tool,
};
use super::json::write_line;

/// Writes the document line by line.
///
/// # Errors
/// What `out` fails with.
pub fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    document.captures.iter().try_for_each(|capture| write_line(&Line::Capture(capture), out))?;
    document.incidents.iter().try_for_each(|incident| write_line(&Line::Incident(&incident), out))?;
    document.observations.iter().try_for_each(|observation| write_line(&Line::Observation(observation), out))?;
    document.patterns.iter().try_for_each(|pattern| write_line(&Line::Pattern(pattern), out))?;
    document.requests.iter().try_for_each(|story| write_line(&Line::Request(story), out))?;
    document.connections.iter().try_for_each(|connection| write_line(&Line::Connection(&connection), out))?;
    let closing = Closing {
        schema: document.schema,
        tool: &document.tool,
        edge: &document.edge,
        summary: &document.summary,
        caveats: &document.caveats,
        edge_log: document.edge_log.as_ref(),
    };
    write_line(&Line::Summary(closing), out)
}

/// One line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Capture(&'a Capture),
    Incident(&'a Incident),
    Observation(&'a Observation),
    Pattern(&'a Pattern),
    Request(&'a Story),
    Connection(&'a Connection),
    Summary(Closing<'a>),
}

/// The last line: counts, and what holds for the whole report.
#[derive(Serialize)]
struct Closing<'a> {
    schema: &'static str,
    tool: &'a Tool,
    edge: &'a Edge,
    #[serde(flatten)]
    summary: &'a Summary,
    caveats: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    edge_log: Option<&'a EdgeLog>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, sample};

    #[test]
    fn each_line_is_an_object_with_its_type_and_the_summary_comes_last() {
        let mut out = Vec::new();
        write(&sample::document(&View::default()), &mut out).unwrap();
        let lines: Vec<serde_json::Value> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let types: Vec<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
        assert_eq!(types, ["capture", "incident", "incident", "observation", "connection", "connection", "summary"]);
        let last = lines.last().unwrap();
        assert_eq!(last["schema"], "pcap520/report/v1");
        assert_eq!(last["incidents"], 2);
        assert_eq!(last["by_cause"]["keepalive-race"], 1);
        assert_eq!(last["by_edge_status"]["525"], 1);
    }

    #[test]
    fn line_ends_in_strangers_text_begin_no_line() {
        let mut out = Vec::new();
        let document = sample::hostile_document();
        write(&document, &mut out).unwrap();
        let lines = document.captures.len() + document.incidents.len() + document.connections.iter().count() + 1;
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), lines);
    }
}
