//! The catalogue of causes, the edge's profile, and the choice of the root cause.

mod catalogue;
mod incident;
mod judge;

pub use catalogue::{Catalogue, Entry, Fix, Layer};
pub use incident::{Alternative, Incident, Verdict};
pub use judge::{Judged, judge};
