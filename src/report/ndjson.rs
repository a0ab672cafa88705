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
    let lines = Lines::default();
    document.captures.iter().try_for_each(|capture| lines.line(Line::Capture(capture), out))?;
    document.incidents.iter().try_for_each(|incident| lines.incident(&incident, out))?;
    lines.conclusion(document, out)
}

/// Lines that are written as soon as each is known.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    origin_name: Option<String>,
}

impl Lines {
    /// Lines that each name the origin that they are from (`origin_name`).
    #[must_use]
    pub fn new(origin_name: Option<String>) -> Self {
        Self { origin_name }
    }

    /// Writes an incident.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn incident(&self, incident: &Incident, out: &mut dyn Write) -> io::Result<()> {
        self.line(Line::Incident(incident), out)
    }

    /// Writes what can be said at the end only: everything but the incidents.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn end(&self, document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
        document.captures.iter().try_for_each(|capture| self.line(Line::Capture(capture), out))?;
        self.conclusion(document, out)
    }

    fn conclusion(&self, document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
        document.observations.iter().try_for_each(|observation| self.line(Line::Observation(observation), out))?;
        document.patterns.iter().try_for_each(|pattern| self.line(Line::Pattern(pattern), out))?;
        document.requests.iter().try_for_each(|story| self.line(Line::Request(story), out))?;
        document.connections.iter().try_for_each(|connection| self.line(Line::Connection(&connection), out))?;
        let closing = Closing {
            schema: document.schema,
            tool: &document.tool,
            edge: &document.edge,
            summary: &document.summary,
            caveats: &document.caveats,
            edge_log: document.edge_log.as_ref(),
        };
        self.line(Line::Summary(closing), out)
    }

    fn line(&self, line: Line<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self.origin_name.as_deref() {
            Some(origin_name) => write_line(&Named { line, origin_name }, out),
            None => write_line(&line, out),
        }
    }
}

/// A line, and whose it is.
#[derive(Serialize)]
struct Named<'a> {
    #[serde(flatten)]
    line: Line<'a>,
    origin_name: &'a str,
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
