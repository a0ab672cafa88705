//! The catalogue of causes, the edge's profile, and the choice of the root cause.

mod catalogue;
mod chain;
mod edge_log;
mod incident;
mod judge;
mod patterns;
mod settle;

pub use catalogue::{Catalogue, Entry, Fix, Layer};
pub use chain::{Chains, Leg};
pub use edge_log::{Comparison, Contradiction, EdgeLog, LogEntry, LogError};
pub use incident::{Alternative, Incident, Verdict};
pub use judge::judge;
pub use patterns::{Census, Pattern, patterns};
pub use settle::{failed_unnoticed, proxy_behind, settle};
