//! Lines on a terminal: columns, wrapping and colour. Everything that is written passes here, and here every
//! character that does not simply show is escaped, so that no capture can drive the reader's terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Effects};

use crate::report::plain::{Plain, shortened};

/// Whether colours are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// Text alone.
    #[default]
    Plain,
    /// ANSI escape sequences.
    Ansi,
}

/// What a piece of text is; the palette decides how that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Faint,
    Alarm,
    Good,
    Packet,
}

impl Palette {
    fn style(self, tone: Tone) -> anstyle::Style {
        let style = anstyle::Style::new();
        match (self, tone) {
            (Self::Plain, _) | (_, Tone::Plain) => style,
            (_, Tone::Strong) => style.effects(Effects::BOLD),
            (_, Tone::Faint) => style.effects(Effects::DIMMED),
            (_, Tone::Alarm) => style.fg_color(Some(AnsiColor::Red.into())).effects(Effects::BOLD),
            (_, Tone::Good) => style.fg_color(Some(AnsiColor::Green.into())).effects(Effects::BOLD),
            (_, Tone::Packet) => style.fg_color(Some(AnsiColor::Cyan.into())),
        }
    }
}

/// Columns of fixed width, and text behind them that wraps within what is left of the line.
pub(crate) struct Row {
    indent: usize,
    cells: Vec<Cell>,
    text: Vec<(Tone, String)>,
}

struct Cell {
    tone: Tone,
    text: String,
    width: usize,
    side: Side,
}

enum Side {
    Left,
    Right,
}

impl Row {
    /// An empty row that begins `indent` columns from the left.
    pub(crate) fn new(indent: usize) -> Self {
        Self { indent, cells: Vec::new(), text: Vec::new() }
    }

    /// Adds a column of `width` whose text stands left; a longer text is shortened.
    pub(crate) fn left(mut self, width: usize, tone: Tone, text: impl Into<String>) -> Self {
        self.cells.push(Cell { tone, text: text.into(), width, side: Side::Left });
        self
    }

    /// Adds a column of `width` whose text stands right; a longer text is shortened.
    pub(super) fn right(mut self, width: usize, tone: Tone, text: impl Into<String>) -> Self {
        self.cells.push(Cell { tone, text: text.into(), width, side: Side::Right });
        self
    }

    /// Adds to the text behind the columns.
    pub(crate) fn text(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.text.push((tone, text.into()));
        self
    }
}

/// What lines are written to.
pub(crate) struct Page<'a> {
    out: &'a mut dyn Write,
    width: usize,
    palette: Palette,
}

impl<'a> Page<'a> {
    /// A page whose lines are `width` columns wide, within what can be read.
    pub(crate) fn new(out: &'a mut dyn Write, width: usize, palette: Palette) -> Self {
        Self { out, width: width.clamp(NARROWEST, WIDEST), palette }
    }

    /// Columns of a line.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// A row: as many lines as its text needs.
    pub(crate) fn row(&mut self, row: &Row) -> io::Result<()> {
        let mut line = vec![(Tone::Plain, " ".repeat(row.indent))];
        for cell in &row.cells {
            let text = shortened(&Plain(&cell.text).to_string(), cell.width);
            let gap = " ".repeat(cell.width.saturating_sub(columns(&text)));
            match cell.side {
                Side::Left => line.extend([(cell.tone, text), (Tone::Plain, gap)]),
                Side::Right => line.extend([(Tone::Plain, gap), (cell.tone, text)]),
            }
            line.push((Tone::Plain, "  ".to_owned()));
        }
        let nominal = row.cells.iter().fold(row.indent, |sum, cell| sum.saturating_add(cell.width).saturating_add(2));
        let hang = nominal.min(self.width / 2);
        let mut used: usize = line.iter().map(|(_, text)| columns(text)).sum();
        let mut begun = false;
        for (tone, word) in words(&row.text, self.width.saturating_sub(hang)) {
            let len = columns(&word);
            let space = usize::from(begun);
            if used.saturating_add(space).saturating_add(len) > self.width && used > hang {
                self.line(&line)?;
                line = vec![(Tone::Plain, " ".repeat(hang))];
                used = hang;
            } else if begun {
                line.push((Tone::Plain, " ".to_owned()));
                used = used.saturating_add(1);
            }
            line.push((tone, word));
            used = used.saturating_add(len);
            begun = true;
        }
        self.line(&line)
    }

    /// Lines of our own text, each wrapped by itself behind `indent` columns.
    pub(crate) fn lines(&mut self, indent: usize, tone: Tone, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.row(&Row::new(indent).text(tone, line)))
    }

    /// A line as it is, however long it may be.
    pub(crate) fn verbatim(&mut self, indent: usize, text: &str) -> io::Result<()> {
        self.line(&[(Tone::Plain, " ".repeat(indent)), (Tone::Plain, Plain(text).to_string())])
    }

    fn line(&mut self, pieces: &[(Tone, String)]) -> io::Result<()> {
        let last =
            pieces.iter().rposition(|(_, text)| !text.trim().is_empty()).map_or(0, |last| last.saturating_add(1));
        for (tone, text) in pieces.iter().take(last) {
            let style = self.palette.style(*tone);
            write!(self.out, "{style}{text}{style:#}")?;
        }
        self.out.write_all(b"\n")
    }
}

/// The words of a text, escaped; none is longer than `longest`.
fn words(text: &[(Tone, String)], longest: usize) -> Vec<(Tone, String)> {
    let mut words = Vec::new();
    for (tone, text) in text {
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let escaped = Plain(word).to_string();
            if columns(&escaped) <= longest {
                words.push((*tone, escaped));
                continue;
            }
            let characters: Vec<char> = escaped.chars().collect();
            words.extend(characters.chunks(longest.max(1)).map(|chunk| (*tone, chunk.iter().collect())));
        }
    }
    words
}

/// Columns that a text takes, where every character takes one.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Columns below which lines are not narrowed further.
const NARROWEST: usize = 60;

/// Columns beyond which a line is hard to read.
const WIDEST: usize = 110;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize, palette: Palette, rows: &[Row]) -> String {
        let mut out = Vec::new();
        let mut page = Page::new(&mut out, width, palette);
        rows.iter().try_for_each(|row| page.row(row)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_wraps_behind_its_columns() {
        let row =
            Row::new(2).left(6, Tone::Packet, "#12").right(4, Tone::Faint, "1.0").text(Tone::Plain, "word ".repeat(11));
        assert_eq!(
            page(60, Palette::Plain, &[row]),
            "  #12      1.0  word word word word word word word word word\n                word word\n"
        );
    }

    #[test]
    fn a_line_without_text_has_no_trailing_space() {
        assert_eq!(page(60, Palette::Plain, &[Row::new(4).left(9, Tone::Plain, "x"), Row::new(4)]), "    x\n\n");
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        let text = format!("{} {} end", "x".repeat(300), "\u{9b}".repeat(50));
        let row = Row::new(2).left(70, Tone::Plain, "y".repeat(70)).text(Tone::Plain, text);
        let rendered = page(80, Palette::Plain, &[row]);
        assert!(rendered.lines().all(|line| columns(line) <= 80), "{rendered}");
        assert!(rendered.ends_with(" end\n"), "{rendered}");
    }

    #[test]
    fn only_the_palette_writes_escape_sequences() {
        let row = || Row::new(0).left(9, Tone::Plain, "\x1b[1m").text(Tone::Alarm, "a\x1b[31mb\nc");
        assert_eq!(page(80, Palette::Plain, &[row()]), "\\u{1b}[1m  a\\u{1b}[31mb\\nc\n");
        assert_eq!(page(80, Palette::Ansi, &[row()]), "\\u{1b}[1m  \x1b[1m\x1b[31ma\\u{1b}[31mb\\nc\x1b[0m\n");
    }
}
