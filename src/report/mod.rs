//! What an analysis found, for people and for machines: one file a format, redaction before anything is written.

mod alike;
mod community;
mod compose;
mod connections;
pub mod document;
mod excerpt;
mod extract;
mod har;
mod html;
mod joined;
mod json;
mod markdown;
mod ndjson;
mod numbers;
mod plain;
mod redact;
#[cfg(test)]
mod sample;
mod schema;
mod selection;
mod stamp;
mod stories;
mod streams;
mod text;

pub use community::community_id;
pub use compose::{Listing, Source, View};
pub use document::Document;
pub use extract::{Extract, ExtractFile, Packets};
pub use har::write as write_har;
pub use html::write as write_html;
pub use json::write as write_json;
pub use markdown::write as write_markdown;
pub use ndjson::{Lines, write as write_ndjson};
pub(crate) use numbers::count;
pub use plain::Plain;
pub use redact::{Addresses, Key, Redaction, Secrets};
pub use schema::schema;
pub use selection::Selection;
pub use stamp::{Precision, Stamp, Zone};
pub use stories::{Chosen, Stories};
pub use streams::{Connections, Incidents};
pub use text::{Detail, Palette, Style, write as write_text, write_incident as write_text_incident};
pub(crate) use text::{Page, Row, Tone};
