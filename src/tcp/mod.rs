//! Connections and their two byte streams in order; what was lost, repeated, refused, reset, and by whom.

mod application;

pub use application::Application;
