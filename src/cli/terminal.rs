//! What standard output can show.

use std::io;

use anstream::{AutoStream, ColorChoice};

use crate::report::Palette;

/// When colours are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Color {
    /// Where standard output is a terminal; NO_COLOR and CLICOLOR_FORCE are heard
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether colours are written to standard output.
    pub(super) fn palette(self) -> Palette {
        let shown = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        };
        if shown { Palette::Ansi } else { Palette::Plain }
    }
}

/// Columns of standard output; where it is no terminal, what every terminal and mail has.
pub(super) fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(80, |(width, _)| width.0.into())
}
