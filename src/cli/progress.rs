//! How far the input is read, on standard error: only on a terminal, and only where it takes long enough to wonder.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that appears after a second.
pub(super) struct Progress {
    began: Instant,
    total: Option<u64>,
    state: State,
}

enum State {
    /// Nothing is ever shown.
    Silent,
    /// Nothing is shown yet.
    Waiting,
    /// It is on the terminal.
    Shown(ProgressBar),
}

impl Progress {
    /// A bar for `total` bytes of input, where their number is known.
    pub(super) fn new(total: Option<u64>) -> Self {
        let state = if io::stderr().is_terminal() { State::Waiting } else { State::Silent };
        Self { began: Instant::now(), total, state }
    }

    /// No bar at all.
    pub(super) fn silent() -> Self {
        Self { began: Instant::now(), total: None, state: State::Silent }
    }

    /// `bytes` of the input are read.
    pub(super) fn update(&mut self, bytes: u64) {
        if matches!(self.state, State::Waiting) && self.began.elapsed() >= PATIENCE {
            self.state = State::Shown(bar(self.total));
        }
        if let State::Shown(bar) = &self.state {
            bar.set_position(bytes);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let State::Shown(bar) = &self.state {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    match total {
        Some(total) => ProgressBar::new(total).with_style(style(
            "  {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        )),
        None => ProgressBar::new_spinner().with_style(style("  {spinner} {binary_bytes}, {binary_bytes_per_sec}")),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Nobody wonders before this.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for total in [None, Some(1_000)] {
            let bar = bar(total);
            bar.set_position(500);
            assert_eq!(bar.length(), total);
        }
    }

    #[test]
    fn silence_is_kept() {
        let mut progress = Progress::silent();
        progress.update(u64::MAX);
        assert!(matches!(progress.state, State::Silent));
    }
}
