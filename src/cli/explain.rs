//! `pcap520 explain`: the catalogue of causes on a terminal.

use std::io;

use super::output::Output;
use super::pager::Pager;
use super::terminal::{self, Color};
use super::{Error, exit, names};
use crate::report::{Page, Row, Tone};
use crate::verdict::{Catalogue, Entry, Layer};

/// Explain a cause: what it is, how it looks on the wire, how it is fixed
///
/// Without the name of a cause it lists them all; with a status, those that the edge answers with it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// Id of a cause, as reports name it, or a status such as 520
    cause: Option<String>,

    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,

    /// Do not show a long text with PAGER (less), which is asked on a terminal
    #[arg(long)]
    no_pager: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let mut text = Vec::new();
    let mut page = Page::new(&mut text, terminal::width(), args.color.palette());
    let entries = Catalogue::built_in().entries();
    let status = args.cause.as_deref().and_then(|cause| cause.parse().ok());
    let of_status: Vec<&Entry> = entries.iter().filter(|entry| Some(entry.status) == status).collect();
    match &args.cause {
        None => list(&mut page, &entries.iter().collect::<Vec<_>>())?,
        Some(_) if !of_status.is_empty() => list(&mut page, &of_status)?,
        Some(name) => entry(&mut page, names::cause(name)?)?,
    }
    let pager = if args.no_pager { None } else { Pager::of_environment() };
    pager.map_or(Output::Standard, Output::Pager).write(|out| out.write_all(&text))?;
    Ok(exit::ANALYSED)
}

/// Every cause on a line, layer by layer.
fn list(page: &mut Page<'_>, entries: &[&Entry]) -> io::Result<()> {
    let width = entries.iter().map(|entry| entry.id.len()).max().unwrap_or(0);
    for layer in [Layer::Transport, Layer::Session, Layer::Presentation, Layer::Application] {
        let mut of_layer = entries.iter().filter(|entry| entry.layer == layer).peekable();
        if of_layer.peek().is_none() {
            continue;
        }
        page.row(&Row::new(0).text(Tone::Strong, format!("{} layer", layer.name())))?;
        for entry in of_layer {
            let row = Row::new(2).left(3, Tone::Alarm, entry.status.to_string()).left(width, Tone::Strong, entry.id);
            page.row(&row.text(Tone::Plain, entry.title))?;
        }
        page.blank()?;
    }
    page.row(&Row::new(0).text(Tone::Plain, "`pcap520 explain CAUSE` tells more of one."))
}

/// All that the catalogue says of one cause.
fn entry(page: &mut Page<'_>, entry: &Entry) -> io::Result<()> {
    page.row(&Row::new(0).text(Tone::Strong, entry.id))?;
    page.row(&Row::new(0).text(Tone::Plain, entry.title))?;
    let (status, generic, layer) = (entry.status, entry.generic_status, entry.layer.name());
    let facts = format!("Cloudflare shows {status}, other edges show {generic}; {layer} layer.");
    page.row(&Row::new(0).text(Tone::Faint, facts))?;
    page.blank()?;
    markdown(page, entry.text)
}

/// The catalogue's Markdown: headings, paragraphs, lists, tables and fenced blocks.
fn markdown(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    let mut paragraph = Vec::new();
    let mut fenced = false;
    for line in text.trim().lines() {
        let begins_item = ["- ", "* ", "1. "].iter().any(|mark| line.trim_start().starts_with(mark));
        let stands_alone = fenced || line.is_empty() || line.starts_with("```") || line.starts_with(['#', '|']);
        if stands_alone || begins_item {
            flush(page, &mut paragraph)?;
        }
        match line {
            _ if line.starts_with("```") => fenced = !fenced,
            _ if fenced => page.verbatim(4, line)?,
            "" => page.blank()?,
            _ if line.starts_with('#') => {
                page.row(&Row::new(0).text(Tone::Strong, line.trim_start_matches(['#', ' '])))?;
            }
            _ if line.starts_with('|') => page.verbatim(0, line)?,
            _ => paragraph.push(line.trim()),
        }
    }
    flush(page, &mut paragraph)
}

/// Writes the lines of a paragraph, or of an item of a list, as one.
fn flush(page: &mut Page<'_>, paragraph: &mut Vec<&str>) -> io::Result<()> {
    if paragraph.is_empty() {
        return Ok(());
    }
    let text = paragraph.join(" ");
    paragraph.clear();
    let Some(item) = text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")) else {
        return page.row(&Row::new(0).text(Tone::Plain, text));
    };
    let row = Row::new(1).left(1, Tone::Plain, "-");
    match link(item) {
        // On a line of its own, so that it can be copied whole.
        Some((title, url)) => page.row(&row.text(Tone::Plain, title)).and_then(|()| page.verbatim(4, url)),
        None => page.row(&row.text(Tone::Plain, item)),
    }
}

/// Title and address of `[title](address)`.
fn link(item: &str) -> Option<(&str, &str)> {
    item.strip_prefix('[')?.strip_suffix(')')?.split_once("](")
}

const EXAMPLES: &str = "\
Examples:
  pcap520 explain
  pcap520 explain 524
  pcap520 explain keepalive-race";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Palette;

    #[test]
    fn markdown_is_set_for_a_terminal() {
        let source = "# What\nTwo\nlines.\n\n- one\n  more\n- [two](https://a.example/)\n\n```\nkeepalive_timeout  905s;\n```\n| a | b |\n";
        let mut out = Vec::new();
        markdown(&mut Page::new(&mut out, 80, Palette::Plain), source).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "What\nTwo lines.\n\n -  one more\n -  two\n    https://a.example/\n\n    keepalive_timeout  905s;\n| a | b |\n"
        );
    }
}
