//! The document as JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::document::Document;
use super::plain::shows;

/// Writes the document, indented.
///
/// # Errors
/// What `out` fails with.
pub fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    write_indented(document, out)
}

/// Writes `value` on many lines.
pub(super) fn write_indented(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Safe(PrettyFormatter::new())))?;
    out.write_all(b"\n")
}

/// Writes `value` on one line.
pub(super) fn write_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Safe(CompactFormatter)))?;
    out.write_all(b"\n")
}

/// Escapes in strings what JSON allows and a terminal obeys: the control characters that JSON need not escape, and
/// whatever else does not show.
struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, hidden)) = rest.char_indices().find(|&(_, c)| !shows(c)) {
            let (before, after) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = after.get(hidden.len_utf8()..).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, sample};

    fn rendered(document: &Document<'_>) -> String {
        let mut out = Vec::new();
        write(document, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_hold_nothing_that_a_terminal_obeys_and_mean_the_same() {
        let text = "a\x1b]0;x\x07\u{9b}\u{202e}\0\x7f\r\n\t\u{e0001}\u{301}\"\\<script>é";
        let mut out = Vec::new();
        write_line(&text, &mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.trim_end_matches('\n').chars().all(shows), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }

    #[test]
    fn the_contract_s_fields_stand_in_their_order() {
        let text = rendered(&sample::document(&View::default()));
        let fields: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("  \"")?.split_once('"')).map(|(name, _)| name).collect();
        let contract = [
            "schema",
            "tool",
            "captures",
            "edge",
            "summary",
            "incidents",
            "observations",
            "patterns",
            "caveats",
            "connections",
        ];
        assert_eq!(fields, contract);
    }

    #[test]
    fn an_incident_has_the_shape_of_the_contract() {
        let document: serde_json::Value = serde_json::from_str(&rendered(&sample::document(&View::default()))).unwrap();
        let incident = &document["incidents"][0];
        assert_eq!(incident["cause"], "keepalive-race");
        assert_eq!(incident["connection"]["client"], "172.68.10.7:45504");
        assert_eq!(incident["exchange"], 2);
        assert_eq!(incident["request"]["target"], "/cart?token=[redacted]");
        assert_eq!(incident["request"]["time"], "2026-11-23T08:59:18.786374Z");
        assert_eq!(incident["response"], serde_json::Value::Null);
        assert_eq!(incident["evidence"][0]["packet"], 121);
        assert_eq!(incident["timeline"][0]["event"], "syn");
        assert_eq!(incident["fix"][0]["for"], "Apache", "the server that the Server field names comes first");
        assert_eq!(incident["fix"][1]["for"], "nginx");
        assert_eq!(incident["wireshark"], "tcp.stream eq 12");
        assert_eq!(document["summary"]["by_edge_status"]["520"], 1);
        assert_eq!(document["incidents"][1]["exchange"], serde_json::Value::Null);
    }

    #[test]
    fn a_connection_has_the_shape_of_the_contract() {
        let document: serde_json::Value = serde_json::from_str(&rendered(&sample::document(&View::default()))).unwrap();
        let connection = &document["connections"][0];
        assert_eq!((&connection["start"], &connection["end"]), (&"handshake".into(), &"closed-by-origin".into()));
        assert_eq!(connection["server_to_client"]["fin"], serde_json::json!([121]));
        assert_eq!(connection["exchanges"][0]["outcome"], "ok");
        assert_eq!(connection["exchanges"][0]["first_byte_s"], 0.0004);
        assert_eq!(connection["exchanges"][1]["outcome"], "incident");
        assert_eq!(connection["exchanges"][1]["incident"], document["incidents"][0]["id"]);
        let tls = &document["connections"][1]["tls"];
        assert_eq!(tls["sni"], "shop.example");
        assert_eq!(tls["alerts"][0]["level"], "fatal");
        assert_eq!(tls["alerts"][0]["description"], 40);
    }
}
