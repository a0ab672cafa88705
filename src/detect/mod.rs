//! What is wrong with one connection: one small file a detector, each reads a finished timeline and returns findings.

mod finding;

pub use finding::{Actor, Cause, Confidence, Evidence, Finding, Observation, Scope};
