//! `pcap520 man`: the manual pages, made from the command line itself.

use std::io::{self, Write};

use clap_mangen::Man;

use super::{Error, command, exit};

/// Print a manual page
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// Command to describe; without it, the program
    command: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let page = page(args.command.as_deref())?;
    io::stdout().lock().write_all(&page)?;
    Ok(exit::ANALYSED)
}

fn page(name: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut root = command();
    // Gives the subcommands their full names and the global options.
    root.build();
    let command = match name {
        None => root,
        Some(name) => {
            let unknown = || Error::UnknownCommand { name: name.to_owned() };
            let command = root.find_subcommand(name).ok_or_else(unknown)?.clone();
            let title = format!("pcap520-{name}");
            command.display_name(title)
        }
    };
    let mut page = Vec::new();
    let man = Man::new(command).manual("User Commands").source(concat!("pcap520 ", env!("CARGO_PKG_VERSION")));
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if name.is_none() {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_extra_section(&mut page)?;
    page.extend_from_slice(SECTIONS.as_bytes());
    Ok(page)
}

/// What every page ends with.
const SECTIONS: &str = r#".SH ENVIRONMENT
.TP
\fBNO_COLOR\fR, \fBCLICOLOR_FORCE\fR
Switch the colours of the text report off, or on where it is not written to a terminal. \fB\-\-color\fR wins over both.
.TP
\fBPAGER\fR
Shows a long text on a terminal; \fBless\fR where it is not set, nothing where it is empty or \fBcat\fR. \fB\-\-no\-pager\fR switches it off.
.TP
\fBTZ\fR
Names the time zone of \fB\-\-local\fR.
.TP
\fBSSLKEYLOGFILE\fR
Names the key log that TLS programs write. It is not read by itself, or the same capture could give two reports: name the file with \fB\-\-keylog\fR.
.SH "SEE ALSO"
\fBtcpdump\fR(8), \fBpcap\-filter\fR(7), \fBtshark\fR(1)
"#;

const EXAMPLES: &str = "\
Examples:
  pcap520 man | man -l -
  pcap520 man analyze > pcap520-analyze.1";
