//! The contract of the JSON report, told by the types that write it.

use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::Document;

/// The JSON Schema (draft 2020-12) of what [`super::write_json`] writes: `schema/report-v1.json`.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), "The report of pcap520, version 1".into());
    schema
}
